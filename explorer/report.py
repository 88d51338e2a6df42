"""The result of an exploration as a table to print, CSV and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from explorer.explore import OBJECTIVES, ExplorationResult
from rtl_gen.atomic import write_text
from rtl_gen.space import POINT_COLUMNS

#: Colours that stay apart in any kind of colour vision (Okabe and Ito, 2008).
FAMILY_COLOURS = {"int": "#0072B2", "lightpe": "#D55E00", "pow2": "#009E73"}


def front_table(result: ExplorationResult, *, rows: int = 20) -> Table:
    """The front, or its first rows, to print with rich."""
    shown = result.front.head(rows)
    table = Table(title=f"Pareto front: {len(result.front):,} of {len(result.points):,} points")
    if len(shown) < len(result.front):
        table.caption = f"the first {len(shown)} of {len(result.front)}"
    columns = [OBJECTIVES[name].column for name in result.objectives]
    for name in POINT_COLUMNS:
        table.add_column(_wrapped(name), justify="left" if name == "family" else "right")
    for name in columns:
        table.add_column(_wrapped(name), justify="right", style="bold")
    for _, row in shown.iterrows():
        table.add_row(
            *(str(row[name]) for name in POINT_COLUMNS), *(f"{row[name]:.4g}" for name in columns)
        )
    return table


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
        "points_outside_training_ranges": result.outside,
        "objectives": [
            {
                "name": name,
                "column": OBJECTIVES[name].column,
                "sense": "max" if OBJECTIVES[name].maximize else "min",
            }
            for name in result.objectives
        ],
        "notes": list(result.notes),
        "front": result.front.to_dict("records"),
    }


def _wrapped(name: str) -> str:
    """A column's name on several lines, since there are many columns."""
    return name.replace("_", "\n")
