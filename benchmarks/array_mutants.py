"""How many mutants of an array's network and controller a set of small layers catches.

Run: ``python -m benchmarks.array_mutants [COUNT]`` (some 10 minutes for 300 on two cores).
Survivors, which are not proven to be equivalent, are printed with their line.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from characterize.array_mutants import Check, Ending, try_array_mutants
from characterize.mutation import Mutant, Outcome
from rtl_gen.array.compiler import Run, Scales, Tiling, compile_layer, default_tiling, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import bank_bits
from rtl_gen.array.layer import Layer
from rtl_gen.array.registers import WATCHDOG_CYCLES
from rtl_gen.design import PEDesign

SEED = 1
DESIGN = ArrayDesign(
    pe=PEDesign.preset("INT4", ifmap_depth=6, filter_depth=12, psum_depth=3), rows=3, columns=3,
    ifmap_buses=2, filter_buses=2, psum_buses=2, ifmap_words=64, filter_words=64, psum_words=64,
    scale_words=16, scale_bits=8,
)  # fmt: skip


def layer(**sizes: Any) -> Layer:
    return Layer(**{"channels": 1, "filters": 1, "filter_height": 1, "filter_width": 1, **sizes})


#: Layers, their tiling (None: the default one), whether the output stage is on, waits in percent.
LAYERS: list[tuple[Layer, Tiling | None, bool, int]] = [
    (layer(channels=4, height=5, width=4, filters=4, filter_height=3, filter_width=2,
           padding=(1, 0, 0, 1)), None, True, 0),
    (layer(channels=4, height=4, width=4, filters=3, filter_height=2, filter_width=2),
     Tiling(filters=2, channels=1, filter_rows=1, sets=3, columns=2), True, 40),
    (layer(channels=3, height=6, width=6, filters=3, filter_height=3, filter_width=3, stride=2,
           groups=3, padding=(1, 1, 1, 1)), None, False, 0),
    (layer(channels=2, height=7, width=3, filters=3, filter_height=3, filter_width=1, stride=3,
           padding=(2, 3, 2, 0)),
     Tiling(filters=2, channels=1, filter_rows=2, sets=1, columns=2), True, 0),
    (layer(channels=13, height=1, width=1, filters=7), None, True, 40),
    (layer(channels=6, height=8, width=5, filters=6, filter_height=3, filter_width=2, groups=2),
     None, True, 40),
    (layer(channels=2, height=3, width=40, filters=1, filter_height=1, filter_width=2, stride=3,
           padding=(0, 0, 5, 3)), None, False, 0),
    (layer(channels=5, height=6, width=3, filters=3, filter_height=3, filter_width=2),
     Tiling(filters=2, channels=1, filter_rows=1, sets=3, columns=3), False, 0),
    (layer(channels=2, height=7, width=3, filters=3, filter_height=2, filter_width=2),
     Tiling(filters=2, channels=2, filter_rows=2, sets=1, columns=3), True, 0),
    (layer(channels=3, height=4, width=3, filters=3),
     Tiling(filters=3, channels=1, filter_rows=1, sets=2, columns=1), False, 0),
    (layer(channels=4, height=6, width=5, filters=2, filter_height=2, filter_width=2),
     Tiling(filters=2, channels=1, filter_rows=2, sets=1, columns=3), False, 40),
    (layer(channels=4, height=3, width=3, filters=4, filter_height=2, filter_width=2, groups=2),
     Tiling(filters=2, channels=2, filter_rows=2, sets=1, columns=2), True, 0),
]  # fmt: skip


def checks(design: ArrayDesign = DESIGN) -> list[Check]:
    """The layers with operands of full range, and what must come out."""
    result = []
    for index, (sizes, tiling, scaled, stall_pct) in enumerate(LAYERS):
        generator = np.random.default_rng(index)
        shape = shape_layer(design, sizes, tiling or default_tiling(design, sizes))
        ifmap = generator.integers(-8, 8, (sizes.height, sizes.width, sizes.channels))
        weights = generator.integers(
            0, 16, (sizes.filter_height, sizes.filter_width, sizes.group_channels, sizes.filters)
        )
        scales = Scales(
            multiplier=generator.integers(128, 256, sizes.filters),
            shift=generator.integers(9, 13, sizes.filters),
            bias=generator.integers(-40, 40, sizes.filters), relu=index % 2 == 0,
        )  # fmt: skip
        program = compile_layer(shape, ifmap, weights, scales if scaled else None)
        result.append(
            Check(program=program, expected=program.expected(ifmap, weights), stall_pct=stall_pct)
        )
    return result


def endings(design: ArrayDesign = DESIGN) -> list[Ending]:
    """Runs that are refused, given up, or wait for a bank that never answers."""
    first, second, *_ = (check.program.runs for check in checks(design))
    fresh = first[0]  # it reads no sums
    run, last = second[0], second[-1]  # sums and scales are read
    rows, columns = design.rows, design.columns

    def wrong(**values: int) -> Run:
        return replace(run, registers={**run.registers, **values})

    refused = [
        wrong(columns=columns), wrong(last_columns=columns), wrong(filter_rows=rows, sets=0),
        wrong(filter_rows=0, sets=rows), wrong(filter_rows=63, sets=63), wrong(columns=63),
        wrong(filter_rows=32, sets=0), wrong(filter_rows=0, sets=32), wrong(columns=32),
        wrong(last_columns=32),
    ]  # fmt: skip
    return [
        *(Ending(run=run, status="refused") for run in refused),
        Ending(run=wrong(filter_words=0), status="hung", limit=4 * WATCHDOG_CYCLES),
        *(Ending(run=last, status="stopped", stall_pct={bank: 100}) for bank in bank_bits(design)),
        *(
            Ending(run=fresh, status="stopped", stall_pct={f"psum{k}": 100})
            for k in range(design.psum_buses)
        ),
    ]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    tried = []

    def report(mutant: Mutant, outcome: Outcome) -> None:
        tried.append(outcome)
        if outcome == "survived":
            print(f"line {mutant.line}, {mutant.kind}:")
            for text in (mutant.before, mutant.after):
                print(f"    {text.strip()}", flush=True)

    result = try_array_mutants(DESIGN, checks(), endings(), count, seed=SEED, report=report)
    outcomes: tuple[Outcome, ...] = ("caught", "survived", "equivalent", "invalid")
    print(", ".join(f"{result.count(outcome)} {outcome}" for outcome in outcomes))
    print(f"{100 * result.caught_share:.1f} % of those that are not equivalent are caught")


if __name__ == "__main__":
    main()
