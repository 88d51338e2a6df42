"""Energies of DRAMs: published figures, each with its source."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from explorer.networks.layer import check_keys
from rtl_gen.errors import InputError, nearest, shown
from rtl_gen.space import load_yaml

#: The figures that come with the project.
TABLE = Path(__file__).with_name("dram.yaml")

_KEYS = ("kind", "pj_per_bit", "source")


@dataclass(frozen=True, kw_only=True)
class Dram:
    """What a bit costs that moves between a DRAM and the chip.

    Attributes:
        kind: as results name it.
        pj_per_bit: of a bit read or written, in pJ; without background and refresh.
        source: where the figure is from.

    Raises:
        InputError: if the figure is not above 0, or its source is missing.
    """

    kind: str
    pj_per_bit: float
    source: str

    def __post_init__(self) -> None:
        value = self.pj_per_bit
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not 0 < value < math.inf:
            raise InputError(f"dram: pj_per_bit must be a number above 0, not {shown(value)}")
        for name in ("kind", "source"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise InputError(f"dram: {name} must be a text, not {shown(getattr(self, name))}")

    def to_dict(self) -> dict[str, Any]:
        """Every attribute; ``dram_of`` gives the same back."""
        return asdict(self)


@functools.cache
def known_drams() -> dict[str, Dram]:
    """The DRAMs of ``TABLE`` by kind."""
    return {kind: Dram(kind=kind, **entry) for kind, entry in load_yaml(TABLE).items()}


def dram_of(entry: object) -> Dram:
    """The DRAM of an entry: a kind of ``known_drams``, or a mapping with the figure and its source.

    Raises:
        InputError: if it is neither.
    """
    known = known_drams()
    if isinstance(entry, Mapping):
        check_keys("dram", entry, _KEYS)
        for name in _KEYS:
            if name not in entry:
                raise InputError(f"dram: needs {name}")
        return Dram(**entry)
    if not isinstance(entry, str) or entry not in known:
        close = nearest(entry, known) if isinstance(entry, str) else ""
        raise InputError(
            f"dram must be one of {', '.join(known)}, or a mapping of {', '.join(_KEYS)}, not "
            f"{shown(entry)}{close}"
        )
    return known[entry]
