"""Mode ``rtl`` beside the array's RTL in a simulator: ``python -m benchmarks.rtl_mode``.

Layers in the tiling that the search finds for them, on the accelerator ``edge-tiny`` with fewer
PEs: cycles, and all accesses of banks and scratchpads, of one image. Needs Icarus; two minutes.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from characterize.array_simulation import ArraySimulator
from explorer.accelerators.accelerator import Accelerator, load_accelerator
from explorer.accelerators.energies import resolve_energies
from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.rtl_array import RtlArray
from explorer.mapping.rtl_counts import ArrayPlan
from explorer.mapping.rtl_search import best_tiling
from explorer.networks.layer import LayerShape
from rtl_gen.array.compiler import compile_layer
from rtl_gen.array.operands import draw_layer

#: Simulated counts that are events of another name.
NAMES = {"macs": "products"}
LAYERS = (
    (2, LayerShape(channels=4, filters=6, height=6, width=6, filter_height=3, filter_width=3,
                   padding=(1, 1, 1, 1))),
    (3, LayerShape(channels=8, filters=16, height=12, width=12, filter_height=3, filter_width=3,
                   padding=(1, 1, 1, 1))),
    (3, LayerShape(channels=6, filters=10, height=13, width=13, filter_height=3, filter_width=3,
                   stride_height=2, stride_width=2, padding=(1, 1, 1, 1))),
    (4, LayerShape(groups=16, channels=1, filters=1, height=10, width=10, filter_height=3,
                   filter_width=3, padding=(1, 1, 1, 1))),
    (4, LayerShape(channels=64, filters=10, height=1, width=1)),
)  # fmt: skip


def smaller(side: int) -> Accelerator:
    """``edge-tiny`` with side x side PEs, and an eighth of its buffer."""
    on = load_accelerator("edge-tiny")
    levels = [
        replace(level, fanout_x=side, fanout_y=side, words=2048) if level.kind == "sram" else level
        for level in on.hierarchy.levels
    ]
    return replace(on, hierarchy=Hierarchy(tuple(levels)))


def simulate(plan: ArrayPlan, folder: Path) -> dict[str, int]:
    """Cycles and counts of the RTL, those of all banks of a kind together; wrong sums."""
    shape = plan.shape
    ifmap, weights, scales = draw_layer(shape.design, shape.layer, 1, shape.mode)
    program = compile_layer(shape, ifmap, weights, scales)
    result = ArraySimulator(shape.design, folder).run(program, folder, timeout_s=3600)
    counts = {"cycles": sum(result.cycles)}
    counts["wrong"] = int(np.count_nonzero(result.ofmap != program.expected(ifmap, weights)))
    for name, number in result.counts.items():
        kind = "".join(c for c in name if not c.isdigit())
        counts[kind] = counts.get(kind, 0) + number
    return counts


def main() -> None:
    print("| array | layer | tiling | runs | cycles, model | simulated | accesses | as simulated |")
    print("|---|---|---|---|---|---|---|---|")
    for side, layer in LAYERS:
        on = smaller(side)
        array = RtlArray(accelerator=on, energies=resolve_energies(on, 8, 8, 8))
        cost = best_tiling(array, layer).cost
        plan = cost.plan
        assert isinstance(plan, ArrayPlan)
        with tempfile.TemporaryDirectory() as name:
            seen = simulate(plan, Path(name))
        kinds = [kind for kind in seen if NAMES.get(kind, kind) in plan.events]
        same = [kind for kind in kinds if seen[kind] == plan.events[NAMES.get(kind, kind)]]
        accesses = sum(plan.events[NAMES.get(kind, kind)] for kind in kinds)
        rtl, tiling = plan.shape.layer, plan.shape.tiling
        said = f"{rtl.channels} x {rtl.height} x {rtl.width}, {rtl.filters} x {rtl.filter_height}"
        said += f" x {rtl.filter_width}" + (", depthwise" if rtl.depthwise else "")
        said += f", stride {rtl.stride}" if rtl.stride > 1 else ""
        sizes = (tiling.filters, tiling.channels, tiling.filter_rows, tiling.sets, tiling.columns)
        print(
            f"| {side} x {side} | {said} | {','.join(map(str, sizes))} | {plan.runs} | "
            f"{cost.busy_cycles:,} | {seen['cycles']:,} | {accesses:,} | "
            f"{len(same)} of {len(kinds)} kinds{', sums wrong' if seen['wrong'] else ''} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
