"""Explored accelerators as a table to print, CSV, JSON and Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from explorer.designs.exploration import OBJECTIVES, Exploration
from explorer.designs.space import DesignSpace
from explorer.report import option_words, short
from rtl_gen.atomic import replacing, write_text
from surrogate.assessment import json_records

#: Files that ``write_all`` makes.
FILES = ("designs.csv", "designs.json", "designs.parquet")
#: Of the front, if there are two objectives or more.
PICTURE = "designs.png"


def front_table(result: Exploration, *, rows: int = 20) -> Table:
    """The front, or its first rows, to print with rich.

    ``bits`` are activation x weight, ``words`` the depths of the PE's scratchpads for ifmap, filter
    and psum; then what varies, the objectives, and what the mapper says of those it was asked.
    """
    shown = result.front.head(rows)
    table = Table(
        title=f"Pareto front: {len(result.front):,} of {len(result.table):,} designs",
        box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False,
    )  # fmt: skip
    if len(shown) < len(result.front):
        table.caption = f"the first {len(shown)} of {len(result.front)}"
    varied = _varied(result.space)
    objectives = [OBJECTIVES[name] for name in result.wanted.objectives]
    for name in ("PE", "bits", "words", "options", *varied):
        table.add_column(name, justify="left" if name in ("PE", "options") else "right")
    for objective in objectives:
        table.add_column(objective.short, justify="right", style="bold", no_wrap=True)
    table.add_column("refined uJ, ms", justify="right", no_wrap=True)
    for row in shown.to_dict("records"):
        refined = row["refined_energy_uj"], row["refined_latency_ms"]
        table.add_row(
            row["family"],
            f"{row['act_bits']} x {row['weight_bits']}",
            f"{row['ifmap_depth']}/{row['filter_depth']}/{row['psum_depth']}",
            f"{row['pipeline_stages']} stages, {row['pe_period_ps']} ps "
            + option_words({**row, "period_ps": row["pe_period_ps"]}),
            *(str(row[name]) for name in varied),
            *(short(row[objective.column]) for objective in objectives),
            "" if refined[0] != refined[0] else ", ".join(map(short, refined)),
        )
    return table


def _varied(space: DesignSpace) -> list[str]:
    """Columns of what has more than one value."""
    return [name.replace(".", "_") for name, values in space.vary.items() if len(values) > 1]


def as_json(result: Exploration) -> dict[str, Any]:
    """The front, and what it was found among."""
    wanted = result.wanted
    return {
        "space": result.space.name,
        "network": result.network.name,
        "designs": len(result.table),
        "of": result.space.size,
        "objectives": list(wanted.objectives),
        "where": list(wanted.where),
        "mapping_objective": wanted.mapping,
        "seed": wanted.seed,
        "mappings": result.mappings,
        "notes": result.notes(),
        "front": json_records(result.front),
    }


def write_all(result: Exploration, folder: Path) -> list[Path]:
    """Write the front as CSV and JSON, and all designs as Parquet.

    Raises:
        InputError: if a file cannot be written.
    """
    csv, document, parquet = (folder / name for name in FILES)
    write_text(csv, result.front.to_csv(index=False))
    write_text(document, json.dumps(as_json(result), indent=2) + "\n")
    with replacing(parquet) as path:
        result.table.to_parquet(path, index=False)
    return [csv, document, parquet]
