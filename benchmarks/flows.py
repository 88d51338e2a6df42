"""Flow ``placed`` beside flow ``openroad``: the same designs, periods and simulations through both.

The designs are drawn by chance over all families. Of the first ``TUNED`` everything was looked at
while ``placed`` was made; the rest were held out. Each is measured at a relaxed period and at one
that is hardly met or missed, so that the least of its two least periods is near what a search over
more of them would find (``peforge fmax``).

Run: ``python -m benchmarks.flows measure [STORE] [JOBS]`` with an ``openroad`` on PATH writes
``data/flows.csv`` (hours; what the store has is not measured again); ``python -m benchmarks.flows``
prints the comparison from that file, and draws ``docs/flows.png``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from characterize.dataset import read_dataset
from characterize.measurement import STEPS, Point
from explorer.campaigns import measure_points
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

DATA = Path("data/flows.csv")
FLOWS = ("placed", "openroad")
SEED = 45
TUNED = 40
HELD_OUT = 20
#: Periods in ps, relaxed and hardly met, for integers and for floating point.
PERIODS = {False: (2000, 850), True: (5000, 2000)}
FAMILIES = ("int", "int", "int", "lightpe", "lightpe", "pow2", "pow2", "fp")
#: Design, and what is compared: name in the table and column of the dataset.
METRICS = {
    "area": "area_um2",
    "least period": "least_period_ps",
    "power": "dynamic_power_uw",
    "energy": "energy_per_mac_pj",
    "leakage": "leakage_uw",
    "wire": "wirelength_um",
    "insertion": "clock_insertion_ps",
}


def designs() -> list[PEDesign]:
    """All designs, those that were tuned on first; the same in every run."""
    generator = np.random.default_rng(SEED)
    found: dict[str, PEDesign] = {}
    while len(found) < TUNED + HELD_OUT:
        family = FAMILIES[len(found) % len(FAMILIES)]
        try:
            design = PEDesign(**_draw(family, generator))
        except InputError:  # a combination that no PE has: draw again
            continue
        found.setdefault(design.digest, design)
    return list(found.values())


def _draw(family: str, generator: np.random.Generator) -> dict[str, Any]:
    def pick(*values: Any) -> Any:
        return values[int(generator.integers(len(values)))]

    chosen: dict[str, Any] = {
        "family": family,
        "ifmap_depth": pick(3, 6, 12, 16),
        "filter_depth": pick(8, 16, 32, 48, 64, 96, 224),
        "psum_depth": pick(2, 4, 8, 16, 24),
        "pipeline_stages": pick(1, 2, 2, 3),
        "scratchpad": pick("flop", "flop", "flop", "latch"),
        "zero_gating": pick(False, False, True),
    }
    if family == "fp":
        return chosen | {"act_bits": 16, "weight_bits": 16, "pipeline_stages": pick(2, 3)}
    chosen |= {"act_bits": pick(4, 6, 8, 12, 16), "act_signed": pick(True, True, False)}
    if family == "int":
        return chosen | {"weight_bits": pick(2, 4, 8, 12, 16)}
    if family == "pow2":
        return chosen | {"weight_bits": pick(3, 4, 5)}
    return chosen | {"terms": 2, "weight_bits": pick(6, 8)}


def points() -> list[Point]:
    """Every design at both periods through both flows."""
    return [
        Point(design=design, period_ps=period, flow=flow)
        for design in designs()
        for period in PERIODS[design.family == "fp"]
        for flow in FLOWS
    ]


def measure(store: Path, jobs: int) -> None:
    """Measure all points and write the dataset."""
    measure_points(
        points(), store=store, dataset=DATA, jobs=jobs, platform="freepdk45", quiet=False
    )


def pairs(dataset: pd.DataFrame) -> pd.DataFrame:
    """A row for each design and period that both flows have measured, metrics named ``x.flow``."""
    order = {design.digest: index for index, design in enumerate(designs())}
    table = dataset[(dataset["status"] == "ok") & dataset["digest"].isin(order)].copy()
    table["held_out"] = table["digest"].map(order) >= TUNED
    relaxed = table["family"].map(lambda family: PERIODS[family == "fp"][0])
    table["relaxed"] = table["period_ps"] == relaxed
    keys = ["digest", "family", "held_out", "relaxed", "period_ps", "filter_depth"]
    numbers = [*METRICS.values(), "clock_buffers", "buffers", "hold_buffers", "clock_tree_power_uw",
               "hold_slack_ps", "fmax_mhz", "cells"]  # fmt: skip
    wide = table.pivot(index=keys, columns="flow", values=numbers)
    wide.columns = [f"{name}.{flow}" for name, flow in wide.columns]
    return wide.dropna().reset_index()


def comparison(table: pd.DataFrame) -> pd.DataFrame:
    """For each metric: mean absolute difference and bias in %, and Spearman's rank correlation."""
    rows = []
    for name, column in METRICS.items():
        placed, openroad = (table[f"{column}.{flow}"] for flow in FLOWS)
        off = 100 * (placed / openroad - 1)
        rows.append(
            {
                "metric": name,
                "points": len(table),
                "mean |difference| %": off.abs().mean(),
                "bias %": off.mean(),
                "worst %": off.abs().max(),
                "rank correlation": placed.corr(openroad, method="spearman"),
            }
        )
    return pd.DataFrame(rows).set_index("metric")


def fmax_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each design with both periods: the least period of the two, of each flow."""
    both = table.groupby("digest")["period_ps"].transform("nunique") == 2
    table = table[both]
    columns = [f"least_period_ps.{flow}" for flow in FLOWS]
    return table.groupby(["digest", "family", "held_out"])[columns].min().reset_index()


def report(dataset: pd.DataFrame) -> Iterator[str]:
    """The comparison as text."""
    table = pairs(dataset)
    failed = dataset[dataset["status"] != "ok"]
    yield f"{len(table)} pairs of {len(table['digest'].unique())} designs; {len(failed)} failed"
    for held, name in ((False, "tuned on"), (True, "held out")):
        part = table[table["held_out"] == held]
        if part.empty:
            continue
        for relaxed, period in ((True, "relaxed"), (False, "short")):
            chosen = part[part["relaxed"] == relaxed]
            if not chosen.empty:
                yield f"\n{name}, {period} period"
                yield comparison(chosen).to_string(float_format="%.3g")
        least = fmax_pairs(part)
        off = 100 * (least["least_period_ps.openroad"] / least["least_period_ps.placed"] - 1)
        ranks = least["least_period_ps.placed"].corr(
            least["least_period_ps.openroad"], method="spearman"
        )
        yield (
            f"fmax, the better of both periods, {len(least)} PEs: mean |difference| "
            f"{off.abs().mean():.1f} %, bias {off.mean():+.1f} %, worst {off.abs().max():.1f} %, "
            f"rank correlation {ranks:.3f}"
        )
    yield "\nbias by family, relaxed period, %"
    rows = {}
    for family, part in table[table["relaxed"]].groupby("family"):
        rows[family] = {
            name: 100 * (part[f"{c}.placed"] / part[f"{c}.openroad"] - 1).mean()
            for name, c in METRICS.items()
        }
    yield pd.DataFrame(rows).T.to_string(float_format="%+.1f")
    yield "\nseconds a point by step, means over all pairs"
    steps = [f"seconds_{step}" for step in STEPS]
    keys = ["digest", "period_ps"]
    paired = dataset.merge(table[keys], on=keys)
    spent = paired.groupby("flow")[steps].mean().fillna(0)
    spent.columns = list(STEPS)
    spent["placement to power"] = spent[list(STEPS[2:])].sum(axis=1)
    yield spent.T.to_string(float_format="%.2f")
    yield "\nby cause, means over all pairs"
    causes = ("clock_buffers", "buffers", "hold_buffers", "clock_tree_power_uw", "hold_slack_ps")
    yield pd.DataFrame(
        {flow: {c: table[f"{c}.{flow}"].mean() for c in causes} for flow in FLOWS}
    ).to_string(float_format="%.1f")


def draw(table: pd.DataFrame, path: Path) -> None:
    """Each metric of both flows against each other."""
    names = ("area", "least period", "energy", "wire")
    figure = Figure(figsize=(11, 10), layout="constrained")
    for axes, name in zip(figure.subplots(2, 2).flat, names, strict=True):
        column = METRICS[name]
        for held, marker in ((False, "o"), (True, "^")):
            part = table[table["held_out"] == held]
            axes.scatter(
                part[f"{column}.openroad"], part[f"{column}.placed"], marker=marker, s=22,
                alpha=0.7, label="held out" if held else "tuned on",
            )  # fmt: skip
        ends = [table[[f"{column}.{flow}" for flow in FLOWS]].min().min(),
                table[[f"{column}.{flow}" for flow in FLOWS]].max().max()]  # fmt: skip
        axes.plot(ends, ends, color="grey", linewidth=0.8)
        axes.set(xscale="log", yscale="log", title=f"{name} ({column})",
                 xlabel="openroad", ylabel="placed")  # fmt: skip
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["measure"]:
        store = Path(arguments[1] if len(arguments) > 1 else "build/store")
        measure(store, int(arguments[2]) if len(arguments) > 2 else 2)
    dataset = read_dataset(DATA)
    for line in report(dataset):
        print(line)
    draw(pairs(dataset), Path("docs/flows.png"))


if __name__ == "__main__":
    main()
