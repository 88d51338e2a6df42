"""``peforge sram``: what SRAMs cost, as a table to print, CSV and JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from characterize import sram_table
from characterize.cacti import PORTS, SETTINGS, ImpossibleShapeError, Shape
from explorer.report import short
from rtl_gen.atomic import check_target, write_text
from rtl_gen.errors import InputError, require_choice

#: Supplies that energies may be scaled to, V: what CACTI models and kits at 45 nm have.
SUPPLIES_V = (0.5, 1.5)
#: Rows that are printed.
_SHOWN = 40
_UNITS = {
    "read_pj": "read pJ", "write_pj": "write pJ", "leakage_uw": "leakage uW",
    "area_um2": "area um2", "access_ns": "access ns", "cycle_ns": "cycle ns",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Costs of SRAMs.

    Attributes:
        table: a row for each, with the columns of ``SramCost``.
        left_out: why CACTI cannot make the others that were asked for.
    """

    table: pd.DataFrame
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "settings": {"technology_nm": 45, "temperature_k": 300, **dataclasses.asdict(SETTINGS)},
            "srams": self.table.to_dict("records"),
            "left_out": list(self.left_out),
        }


def integers(option: str, text: str) -> list[int]:
    """Different numbers with commas between them.

    Raises:
        InputError: if there are none, or one is no integer.
    """
    try:
        return list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise InputError(f"{option} must be integers with commas between, not {text!r}") from None


def asked_shapes(words: str, bits: str, banks: str, ports: str) -> tuple[list[Shape], list[str]]:
    """Shapes that options ask for, and why CACTI cannot make the others.

    Raises:
        InputError: if a value is out of range, or CACTI can make none of the shapes.
    """
    kinds = [require_choice("ports", part, PORTS) for part in dict.fromkeys(ports.split(","))]
    shapes, refused = sram_table.possible(
        integers("words", words), integers("bits", bits), integers("banks", banks), kinds
    )
    if not shapes:
        raise ImpossibleShapeError(refused[0])
    return shapes, refused


def require_supply(voltage_v: float | None) -> None:
    """Check a supply.

    Raises:
        InputError: if it is none that 45 nm circuits have.
    """
    low, high = SUPPLIES_V
    if voltage_v is not None and not (math.isfinite(voltage_v) and low <= voltage_v <= high):
        raise InputError(f"voltage_v must be a number from {low} to {high}, not {voltage_v}")


def run_sweep(
    shapes: Sequence[Shape],
    left_out: Sequence[str],
    *,
    cache: Path,
    voltage_v: float | None,
    output: Path | None,
    quiet: bool,
) -> Sweep:
    """Find the cost of each shape, with a progress bar on a terminal.

    Args:
        output: CSV to write.

    Raises:
        InputError: as ``sram_table.costs``, or if the file cannot be written.
    """
    require_supply(voltage_v)
    if output is not None:
        check_target(output)
    with _bar(len(set(shapes)), quiet=quiet) as report:
        found = sram_table.costs(shapes, cache=cache, report=report)
    table = sram_table.cost_table(found, voltage_v)
    if output is not None:
        write_text(output, table.to_csv(index=False, lineterminator="\n"))
    return Sweep(table=table, left_out=tuple(left_out))


def remake_grid(output: Path, *, cache: Path, quiet: bool) -> int:
    """Write the table that comes with the project, from the cache and CACTI; how many rows.

    Raises:
        InputError: as ``sram_table.costs``, or if the file cannot be written.
    """
    check_target(output)
    shapes = sram_table.grid()
    with _bar(len(shapes), quiet=quiet) as report:
        found = sram_table.costs(shapes, cache=cache, shipped=None, report=report)
    sram_table.write_shipped(output, found)
    return len(found)


@contextmanager
def _bar(total: int, *, quiet: bool) -> Iterator[Callable[[Shape], None]]:
    """A progress bar: a function to call with each shape that is done."""
    console = Console(stderr=True)
    # Drawn by hand: a thread that draws would be copied into the processes of CACTI.
    progress = Progress(
        TextColumn("SRAMs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
        console=console, auto_refresh=False, disable=quiet or not console.is_terminal,
    )  # fmt: skip
    with progress:
        task = progress.add_task("", total=total, last="")

        def report(shape: Shape) -> None:
            progress.update(task, advance=1, last=str(shape), refresh=True)

        yield report


def cost_table(sweep: Sweep) -> Table:
    """The costs to print."""
    rows = sweep.table.head(_SHOWN)
    voltage = sweep.table["voltage_v"].iloc[0]
    table = Table(title=f"SRAM, 45 nm, {voltage:g} V")
    for name in ("words", "bits", "banks", "ports", *_UNITS.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        table.add_row(
            f"{row['words']:,}", str(row["bits"]), str(row["banks"]), str(row["ports"]),
            *(short(row[name]) for name in _UNITS),
        )  # fmt: skip
    if len(rows) < len(sweep.table):
        table.caption = f"the first {len(rows)} of {len(sweep.table):,}"
    return table


def left_out_line(sweep: Sweep) -> str:
    """Why shapes were left out, or ""."""
    if not sweep.left_out:
        return ""
    every = len(sweep.left_out) + len(sweep.table)
    return f"left out {len(sweep.left_out)} of {every}; the first: {sweep.left_out[0]}"
