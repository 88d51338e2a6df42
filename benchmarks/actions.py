"""Sums of counts times energies against measured energies, on PEs of every family.

Each PE gets its table of actions from one directed simulation; then convolutions of other shapes
and operands, drawn by chance, are simulated on the same netlist and go through the normal power
analysis. Nothing is fitted to these.

Run: ``python -m benchmarks.actions [CONVOLUTIONS] [NAME ...]`` (default 15 of each PE; some 10
minutes; names as in ``DESIGNS``).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console

from explorer.action_tables import check_table, run_actions
from rtl_gen.design import PEDesign

SMALLEST = {"ifmap_depth": 6, "filter_depth": 16, "psum_depth": 4}
SMALL = {"ifmap_depth": 12, "filter_depth": 32, "psum_depth": 8}
DESIGNS = {
    "INT8": PEDesign.preset("INT8", **SMALL),
    "INT8-array-latch": PEDesign.preset(
        "INT8", **SMALL, multiplier="array", scratchpad="latch", pipeline_stages=3
    ),
    "INT8-zero-gating": PEDesign.preset("INT8", **SMALL, zero_gating=True),
    "INT8-modes": PEDesign.preset("INT8", **SMALL, precision_modes=3),
    "LightPE-2": PEDesign.preset("LightPE-2", **SMALL),
    "LightPE-2-serial": PEDesign.preset("LightPE-2", **SMALL, serial_terms=True),
    "LightPE-1": PEDesign.preset("LightPE-1", **SMALL),
    "BF16": PEDesign.preset("BF16", **SMALL),
    "INT8-smallest": PEDesign.preset("INT8", **SMALLEST),
    "LightPE-2-smallest": PEDesign.preset("LightPE-2", **SMALLEST),
    "INT8-modes-smallest": PEDesign.preset("INT8", **SMALLEST, precision_modes=2),
    "BF16-smallest": PEDesign.preset("BF16", **SMALLEST),
}


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    names = sys.argv[2:] or list(DESIGNS)
    console = Console(width=110)
    everything: list[float] = []
    with tempfile.TemporaryDirectory() as store:
        for name in names:
            seed = 1 + list(DESIGNS).index(name)  # other convolutions for each PE
            report = run_actions(
                DESIGNS[name],
                period_ps=5000 if DESIGNS[name].family == "fp" else 2000,
                seed=seed, checks=number, output=None, store=Path(store), platform="freepdk45",
                quiet=True,
            )  # fmt: skip
            console.print(check_table(report.checks), highlight=False)
            seconds = report.table.seconds
            print(f"{name}: {report.closing_lines()[1]}")
            print(
                f"table: {report.table.primitives} primitives, {report.table.cycles} cycles; "
                f"simulation {seconds['simulation']:.0f} s, power {seconds['power']:.0f} s",
                flush=True,
            )
            everything += [abs(check.error_pct) for check in report.checks]
    errors = np.array(everything)
    print(
        f"all {len(errors)}: off by {errors.mean():.1f} % in the mean, 95 % of them by less than "
        f"{np.quantile(errors, 0.95):.1f} %, {errors.max():.1f} % at worst; "
        f"{100 * (errors <= 5).mean():.0f} % are within 5 %"
    )


if __name__ == "__main__":
    main()
