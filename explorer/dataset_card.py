"""The data card: what a dataset has, how it was made, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from characterize.dataset import listed_values
from characterize.dataset_folder import Manifest, read_actions, read_manifest, read_points
from characterize.dataset_schema import POINT_COLUMNS
from rtl_gen.atomic import write_text

CARD = "README.md"
#: Beside the parts: arrays, of which there are few.
ARRAYS = "arrays.csv"
_SHOWN = (
    "cells", "area_um2", "least_period_ps", "leakage_uw", "energy_per_mac_pj", "wirelength_um",
)  # fmt: skip
_QUANTILES = {"least": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "most": 1.0}
#: Kinds of energies that are of an action, or of several together.
ENERGIES = ("action", "mac", "access")
_LIMITS = """\
## Known limits

- One corner of the kit, as named above: no variation of process, voltage or temperature.
- `placed` is placed and its wires are estimated as Steiner trees; nothing is routed. Points of flow
  `openroad`, where there are any, tell how far that is off.
- Energies are of simulated rows with drawn operands (column `operands`), not of a network's; those
  per action are fitted, so that sums are better than single ones (`fit`: by how much they miss).
- A failed point has no metrics and is kept, with its reason, so that nobody takes the rest for all.
- `seconds_...` are of the machine that measured, with whatever else it did.
- SRAM macros are CACTI's, not a memory compiler's.
"""


def write_card(folder: Path) -> dict[str, int]:
    """Write the card of a dataset into its folder; failed points by part.

    Raises:
        InputError: if the dataset cannot be read or the card not be written.
    """
    points = read_points(folder)
    energies = read_actions(folder)
    lines = list(_lines(read_manifest(folder), points, energies))
    if (folder / ARRAYS).is_file():
        arrays = len(pd.read_csv(folder / ARRAYS))
        lines += [f"`{ARRAYS}` has {arrays} measurements of arrays of PEs (`docs/array.md`).", ""]
    text = "\n".join(lines)
    write_text(folder / CARD, text + "\n" + _LIMITS)
    failed = points["status"] == "failed"
    return {str(name): int(count) for name, count in failed.groupby(points["part"]).sum().items()}


def _lines(manifest: Manifest, points: pd.DataFrame, energies: pd.DataFrame) -> Iterator[str]:
    good = points[points["status"] == "ok"]
    yield "# Data card"
    yield ""
    yield (
        f"{len(points):,} measurements of {points['digest'].nunique():,} processing elements on "
        f"{_and(points['platform'])} ({_and(points['corner'])}), {len(points) - len(good)} of them "
        f"failed; {energies['kind'].isin(ENERGIES).sum():,} energies per action of "
        f"{energies['key'].nunique():,} of them. Made by `peforge dataset card`; `schema.json` has "
        "the columns, `manifest.json` binds the files."
    )
    yield ""
    yield "## What"
    yield ""
    for name, part in manifest.parts.items():
        rows = good[good["part"] == name]
        large = (rows["cells"] >= 5000).mean() if len(rows) else 0.0
        yield (
            f"- `{name}`: {sum(shard.rows for shard in part.shards):,} points of a "
            f"{part.plan['kind']} plan (seed {part.plan['seed']}) in {len(part.shards)} shards; "
            f"{large:.0%} have 5,000 cells or more"
        )
    yield ""
    yield from _counts(good)
    yield from _distributions(good)
    yield from _failures(points)
    yield "## How"
    yield ""
    yield "RTL, synthesis, place and route, gate simulation with delays, power: see `docs/flow.md`."
    yield "The energies are of simulations that gave the golden model's sums bit by bit."
    yield ""
    yield "| what | |"
    yield "|---|---|"
    yield f"| activity | {_and(points['activity_model'])} |"
    for column in ("tools", "kit"):
        for listed, count in points[column].value_counts().items():
            for name, value in listed_values(str(listed)).items():
                yield f"| {column}: {name} | `{value[:40]}`, {count} points |"
    for digest, count in points["flow_code"].value_counts().items():
        yield f"| flow's code | `{str(digest)[:16]}`, {count} points |"
    for name, part in manifest.parts.items():
        for generator in sorted({shard.generator for shard in part.shards}):
            yield f"| generator of {name} | `{generator[:16]}` |"
    yield ""


def _counts(good: pd.DataFrame) -> Iterator[str]:
    yield "| parameter | points by value |"
    yield "|---|---|"
    for name in (
        "family", "act_bits", "weight_bits", "terms", "pipeline_stages", "scratchpad",
        "precision_modes", "multiplier", "serial_terms", "zero_gating", "act_signed", "period_ps",
        "chosen_effort",
    ):  # fmt: skip
        counts = good[name].value_counts().sort_index()
        yield f"| {name} | {', '.join(f'{value}: {count}' for value, count in counts.items())} |"
    late = (good["slack_ps"] < 0).mean() if len(good) else 0.0
    yield f"| period missed | {late:.0%} |"
    yield ""


def _distributions(good: pd.DataFrame) -> Iterator[str]:
    units = {column.name: column.unit for column in POINT_COLUMNS}
    yield f"| metric | unit | {' | '.join(_QUANTILES)} |"
    yield "|---|---|" + "---|" * len(_QUANTILES)
    for name in _SHOWN:
        values = " | ".join(f"{good[name].quantile(q):,.4g}" for q in _QUANTILES.values())
        yield f"| {name} | {units[name]} | {values} |"
    yield ""


def _failures(points: pd.DataFrame) -> Iterator[str]:
    reasons = points.loc[points["status"] == "failed", "reason"].value_counts()
    for reason, count in reasons.items():
        yield f"- failed {count}: {reason}"
    if len(reasons):
        yield ""


def _and(values: pd.Series) -> str:
    return ", ".join(sorted({str(value) for value in values}))
