"""What SRAMs of many shapes cost: CACTI's results, each taken once and kept.

A shape that was never run is run; nothing is interpolated. Results come with the project in
``data/sram.csv``, or from a cache: ``<cache>/<source>/<shape>.json``, where the source is the
digest of CACTI's program, its technology file and the settings of ``characterize.cacti``, those of
the macros of scratchpads. Both carry checksums; an entry of the cache that is not what was written
counts as none.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from characterize import cacti
from characterize.cacti import MOST_BITS, MOST_BYTES, PORTS, Shape, SramEstimate
from rtl_gen.atomic import write_bytes, write_text
from rtl_gen.errors import InputError

#: Results that come with the project.
SHIPPED = Path(__file__).resolve().parent.parent / "data" / "sram.csv"
#: How to make that file again.
REMAKE = "peforge sram --grid -o data/sram.csv"

#: Digits of digests in the shipped table and in names of folders.
_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class SramCost:
    """What an SRAM takes.

    Attributes:
        words, bits, banks, ports: its shape (``characterize.cacti.Shape``).
        voltage_v: supply.
        read_pj, write_pj: energy of an access of one word.
        leakage_uw: of all banks, at all times.
        area_um2, width_um, height_um: of all banks.
        access_ns: from an access to its data.
        cycle_ns: from an access to the next one in the same bank.
    """

    words: int
    bits: int
    banks: int
    ports: str
    voltage_v: float
    read_pj: float
    write_pj: float
    leakage_uw: float
    area_um2: float
    width_um: float
    height_um: float
    access_ns: float
    cycle_ns: float

    @classmethod
    def of(cls, estimate: SramEstimate) -> SramCost:
        """Of an estimate, in the units of the other tables of costs."""
        same = (
            "words", "bits", "banks", "ports", "voltage_v", "width_um", "height_um", "access_ns",
            "cycle_ns",
        )  # fmt: skip
        return cls(
            **{name: getattr(estimate, name) for name in same},
            read_pj=estimate.read_fj / 1000,
            write_pj=estimate.write_fj / 1000,
            leakage_uw=estimate.leakage_nw / 1000,
            area_um2=estimate.width_um * estimate.height_um,
        )

    @property
    def shape(self) -> Shape:
        """Its shape."""
        return Shape(words=self.words, bits=self.bits, banks=self.banks, ports=self.ports)


COLUMNS = tuple(field.name for field in dataclasses.fields(SramCost))
_SHAPE = tuple(field.name for field in dataclasses.fields(Shape))
#: Of ``data/sram.csv``: source and checksum of each row behind its numbers.
_FILE_COLUMNS = (*COLUMNS, "source", "check")


@dataclass(frozen=True)
class Cache:
    """Results in a folder. Several processes may read and write it at once.

    Attributes:
        root: the folder; made when something is kept.
        source: digest of what gave the results (``cacti.source_digest``).
    """

    root: Path
    source: str

    def path(self, shape: Shape) -> Path:
        """Where the result for a shape is kept."""
        name = f"{shape.words}x{shape.bits}_b{shape.banks}_{shape.ports}.json"
        return self.root / self.source[:_DIGITS] / name

    def get(self, shape: Shape) -> SramCost | None:
        """The result for a shape, or None if there is none or it is damaged."""
        try:
            entry = json.loads(self.path(shape).read_bytes())
            cost = SramCost(**entry["cost"])
            good = entry["source"] == self.source and entry["check"] == _check(cost, self.source)
            return cost if good and cost.shape == shape else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, cost: SramCost) -> None:
        """Keep a result.

        Raises:
            InputError: if it cannot be written.
        """
        entry = {
            "source": self.source,
            "cost": dataclasses.asdict(cost),
            "check": _check(cost, self.source),
        }
        data = json.dumps(entry, indent=2, sort_keys=True).encode() + b"\n"
        write_bytes(self.path(cost.shape), data)


def _check(cost: SramCost, source: str) -> str:
    """Checksum of a result and what gave it."""
    content = json.dumps([source[:_DIGITS], dataclasses.asdict(cost)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]


def look_up(
    words: ArrayLike,
    bits: ArrayLike,
    banks: ArrayLike = 1,
    ports: ArrayLike = "1rw",
    *,
    cache: Path,
    voltage_v: float | None = None,
) -> pd.DataFrame:
    """What SRAMs of these shapes cost, a row for each, with the columns of ``SramCost``.

    Args:
        words, bits, banks, ports: numbers or arrays, broadcast against each other.
        cache: folder that keeps what CACTI said.
        voltage_v: supply to scale energies and leakage to; CACTI's own, 1.0 V, if None.

    Raises:
        InputError: if CACTI cannot make a shape, or is needed and cannot be run.
    """
    columns = np.broadcast_arrays(*(np.atleast_1d(part) for part in (words, bits, banks, ports)))
    rows = list(zip(*(column.ravel().tolist() for column in columns), strict=True))
    places = {row: place for place, row in enumerate(dict.fromkeys(rows))}
    table = cost_table(costs([_shape(*row) for row in places], cache=cache), voltage_v)
    return table.iloc[[places[row] for row in rows]].reset_index(drop=True)


def _shape(words: int, bits: int, banks: int, ports: str) -> Shape:
    return Shape(words=words, bits=bits, banks=banks, ports=ports)


def costs(
    shapes: Sequence[Shape],
    *,
    cache: Path,
    shipped: Path | None = SHIPPED,
    report: Callable[[Shape], None] = lambda _: None,
) -> list[SramCost]:
    """What SRAMs of these shapes cost at CACTI's supply, in their order.

    Args:
        cache: folder that keeps what CACTI said.
        shipped: table that came with the project; it counts if this CACTI with these settings
            made it, or if there is no CACTI.
        report: called with each different shape when its cost is known.

    Raises:
        InputError: if CACTI is needed and cannot be run, or a table or entry cannot be used.
    """
    source = _installed_source()
    known = _read_shipped(shipped, source) if shipped is not None and shipped.is_file() else {}
    found = {}
    for shape in dict.fromkeys(shapes):
        found[shape] = known.get(shape) or _cost(shape, cache, source)
        report(shape)
    return [found[shape] for shape in shapes]


def _installed_source() -> str:
    """Digest of the installed CACTI with its settings, or "" if there is none."""
    try:
        cacti.find_cacti()
    except InputError:
        return ""
    return cacti.source_digest()


def _cost(shape: Shape, root: Path, source: str) -> SramCost:
    cache = Cache(root, source)
    cost = cache.get(shape) if source else None
    if cost is None:
        cost = SramCost.of(cacti.estimate_shape(shape))
        cache.put(cost)
    return cost


def cost_table(found: Iterable[SramCost], voltage_v: float | None = None) -> pd.DataFrame:
    """A row for each cost, at another supply if one is given (``SramEstimate.at_supply``)."""
    table = pd.DataFrame([dataclasses.asdict(cost) for cost in found], columns=list(COLUMNS))
    if voltage_v is None:
        return table
    ratio = voltage_v / table["voltage_v"]
    return table.assign(
        voltage_v=voltage_v,
        read_pj=table["read_pj"] * ratio**2,
        write_pj=table["write_pj"] * ratio**2,
        leakage_uw=table["leakage_uw"] * ratio,
    )


def write_shipped(path: Path, found: Iterable[SramCost]) -> None:
    """Write a table like ``data/sram.csv``, at CACTI's own supply.

    Raises:
        InputError: if CACTI is not installed, or the file cannot be written.
    """
    source = cacti.source_digest()
    rows = [
        {**dataclasses.asdict(cost), "source": source[:_DIGITS], "check": _check(cost, source)}
        for cost in found
    ]
    table = pd.DataFrame(rows, columns=list(_FILE_COLUMNS))
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _read_shipped(path: Path, source: str) -> dict[Shape, SramCost]:
    """Rows of a shipped table that ``source`` gave; all of them if that is "".

    Raises:
        InputError: if the file cannot be read, or is not what was written.
    """
    return _rows(path, path.stat().st_mtime_ns, source)


@functools.cache
def _rows(path: Path, _changed: int, source: str) -> dict[Shape, SramCost]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise _unusable(path, f"cannot be read: {error}") from None
    if tuple(header) != _FILE_COLUMNS:
        raise _unusable(path, f"columns must be {', '.join(_FILE_COLUMNS)}")
    result = {}
    for line, row in enumerate(rows, start=2):
        cost = _cost_of(row)
        made_by = row[len(COLUMNS)] if cost else ""
        if cost is None or row[-1] != _check(cost, made_by):
            raise _unusable(path, f"line {line} is not what was measured")
        if made_by == source[:_DIGITS] or not source:
            result[cost.shape] = cost
    return result


def _unusable(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}; remake it: {REMAKE}")


def _cost_of(row: Sequence[str]) -> SramCost | None:
    """The cost that a row of a file has, or None if something in it is no number."""
    if len(row) != len(_FILE_COLUMNS):
        return None
    words, bits, banks, ports, *texts = row[: len(COLUMNS)]
    try:
        numbers = dict(zip(COLUMNS[len(_SHAPE) :], map(float, texts), strict=True))
        return SramCost(words=int(words), bits=int(bits), banks=int(banks), ports=ports, **numbers)
    except ValueError:
        return None


def possible(
    words: Iterable[int], bits: Iterable[int], banks: Iterable[int], ports: Iterable[str]
) -> tuple[list[Shape], list[str]]:
    """All combinations that CACTI can make, and why it cannot make the others.

    Raises:
        InputError: if a value is out of range in any combination.
    """
    shapes, refused = [], []
    for chosen in itertools.product(words, bits, banks, ports):
        try:
            shapes.append(_shape(*chosen))
        except cacti.ImpossibleShapeError as error:
            refused.append(str(error))
    return shapes, refused


def grid() -> list[Shape]:
    """The shapes of ``data/sram.csv``.

    Every power of two from 512 B to 4 MiB, in words of 8 to 256 bits and 1 to 32 banks, with each
    choice of ports.
    """
    sizes = [1 << exponent for exponent in range(9, MOST_BYTES.bit_length())]
    widths = [8 << exponent for exponent in range((MOST_BITS // 8).bit_length())]
    shapes: list[Shape] = []
    for port, width, size in itertools.product(PORTS, widths, sizes):
        shapes += possible([size * 8 // width], [width], cacti.BANKS, [port])[0]
    return shapes
