"""The result of an exploration as a table to print, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from explorer.explore import OBJECTIVES, ExplorationResult
from rtl_gen.atomic import write_text
from surrogate.assessment import json_records

#: Colours that stay apart in any kind of colour vision (Okabe and Ito, 2008).
FAMILY_COLOURS = {"int": "#0072B2", "lightpe": "#D55E00", "pow2": "#009E73", "fp": "#CC79A7"}


def front_table(result: ExplorationResult, *, rows: int = 20) -> Table:
    """The front, or its first rows, to print with rich.

    ``bits`` are activation x weight, ``words`` the depths of the scratchpads for ifmap, filter and
    psum, ``psum`` the bits of a partial sum, ``period`` is in ps; options are named where they are
    not the usual ones.
    """
    shown = result.front.head(rows)
    records = shown.to_dict("records")
    options = any(option_words(row) for row in records)
    periods = sorted(set(shown["period_ps"]))
    title = f"Pareto front: {len(result.front):,} of {len(result.points):,} points"
    if len(periods) == 1:
        title += f", period {periods[0]} ps"
    table = Table(title=title, box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False)
    if len(shown) < len(result.front):
        table.caption = f"the first {len(shown)} of {len(result.front)}"
    objectives = [OBJECTIVES[name] for name in result.objectives]
    names = ["family", "bits", "terms", "words", "psum", "stages"]
    names += ["options"] * options + ["period"] * (len(periods) > 1)
    for name in names:
        left = name in ("family", "options")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for objective in objectives:
        table.add_column(objective.short, justify="right", style="bold", no_wrap=True)
    for row in records:
        table.add_row(
            row["family"],
            f"{row['act_bits']} x {row['weight_bits']}",
            str(row["terms"] or ""),
            f"{row['ifmap_depth']}/{row['filter_depth']}/{row['psum_depth']}",
            str(row["psum_bits"]),
            str(row["pipeline_stages"]),
            *[option_words(row)] * options,
            *[str(row["period_ps"])] * (len(periods) > 1),
            *(f"{row[objective.column]:.4g}" for objective in objectives),
        )
    return table


def option_words(row: Mapping[Any, Any]) -> str:
    """The options of a design that are not the usual ones, as in ``latch, booth``; else empty."""
    options = {
        row["scratchpad"]: row["scratchpad"] != "flop",
        row["multiplier"]: row["multiplier"] in ("booth", "array"),
        f"{row['precision_modes']} modes": row["precision_modes"] > 1,
        "serial": row["serial_terms"],
        "zero gating": row["zero_gating"],
        "unsigned": not row["act_signed"],
    }
    return ", ".join(name for name, chosen in options.items() if chosen)


def short(value: float, digits: int = 4) -> str:
    """A number as people read it: with so many digits, or all of those before its point."""
    return f"{value:,.0f}" if abs(value) >= 10**digits - 0.5 else f"{value:,.{digits}g}"


def write_csv(result: ExplorationResult, path: Path) -> None:
    """Write the front, with all predictions.

    Raises:
        InputError: if it cannot be written.
    """
    write_text(path, result.front.to_csv(index=False))


def write_json(result: ExplorationResult, path: Path) -> None:
    """Write what ``as_json`` gives.

    Raises:
        InputError: if it cannot be written.
    """
    write_text(path, json.dumps(as_json(result), indent=2) + "\n")


def as_json(result: ExplorationResult) -> dict[str, Any]:
    """The front, with all predictions, and what it was found among."""
    return {
        "space": result.space,
        "combinations": result.combinations,
        "sampled": result.sampled,
        "points": len(result.points),
        "points_outside_what_was_measured": result.outside,
        "objectives": [
            {
                "name": name,
                "column": OBJECTIVES[name].column,
                "sense": "max" if OBJECTIVES[name].maximize else "min",
            }
            for name in result.objectives
        ],
        "notes": list(result.notes),
        "front": json_records(result.front),
    }
