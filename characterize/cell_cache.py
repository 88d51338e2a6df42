"""The cells of a Liberty file, read once for each user: a file of 7 MB takes seconds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from characterize import liberty
from characterize.liberty import LibraryCell, read_cells
from characterize.user_cache import kept
from rtl_gen.source import code_digest


def cells_of(path: Path) -> dict[str, LibraryCell]:
    """As ``liberty.read_cells``.

    Raises:
        InputError: as there.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return read_cells(path)  # which says what is wrong
    code = code_digest(Path(liberty.__file__))
    data = kept(f"cells/{digest[:24]}-{code[:16]}.json", lambda: _packed(read_cells(path)))
    return {values["name"]: _cell(values) for values in json.loads(data)}


def _packed(cells: dict[str, LibraryCell]) -> bytes:
    return json.dumps([dataclasses.asdict(cell) for cell in cells.values()]).encode()


def _cell(values: dict[str, object]) -> LibraryCell:
    plain = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return LibraryCell(**plain)  # type: ignore[arg-type]  # as ``_packed`` took them apart
