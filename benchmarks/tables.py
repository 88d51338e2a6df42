"""Tables of the benchmarks' results, to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Rows of text; all columns but the first are flush right."""
    found = Table(title=title, box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False)
    for number, name in enumerate(columns):
        found.add_column(name, justify="right" if number else "left")
    for row in rows:
        found.add_row(*(str(cell) for cell in row))
    return found
