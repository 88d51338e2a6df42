"""``ArrayDesign``: rows x columns of one PE, its network and its buffer; plain data.

Nothing here imports Amaranth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError, require_choice, require_int
from rtl_gen.requantize import SCALE_BITS

ROWS = (1, 32)
COLUMNS = (1, 32)
#: Words a cycle of each kind; each has a bank of its own in the global buffer.
BUSES = (1, 2, 4, 8)
#: Words of a bank of the global buffer.
BANK_WORDS = (16, 1 << 20)


@dataclass(frozen=True, kw_only=True)
class ArrayDesign:
    """An array of PEs with a multicast network, a banked global buffer and an output stage.

    Attributes:
        pe: every PE.
        rows, columns: of the array, 1..32. A column adds up filter rows and channels; the
            columns compute neighbouring rows of the ofmap.
        ifmap_buses, filter_buses, psum_buses: words a cycle from the buffer to the array, and for
            psums also back: 1, 2, 4 or 8. Each bus has a bank.
        ifmap_words, filter_words, psum_words: words of one such bank, 16..2**20. The banks of
            psums hold the ofmap, too.
        scale_words: words of the banks that hold what the output stage does with each filter.
        scale_bits: width of the output stage's multiplier, 2..32; families but ``fp``.

    Raises:
        InputError: on any value outside these ranges.
    """

    pe: PEDesign
    rows: int
    columns: int
    ifmap_buses: int = 1
    filter_buses: int = 1
    psum_buses: int = 1
    ifmap_words: int = 4096
    filter_words: int = 4096
    psum_words: int = 4096
    scale_words: int = 256
    scale_bits: int = 16

    def __post_init__(self) -> None:
        if not isinstance(self.pe, PEDesign):
            raise InputError(f"pe must be a PEDesign, not {self.pe!r}")
        require_int("rows", self.rows, *ROWS)
        require_int("columns", self.columns, *COLUMNS)
        for name in ("ifmap_buses", "filter_buses", "psum_buses"):
            value = getattr(self, name)
            if type(value) is not int or value not in BUSES:
                raise InputError(f"{name} must be 1, 2, 4 or 8, not {value!r}")
        for name, most in (("filter_buses", "rows"), ("psum_buses", "columns")):
            if getattr(self, name) > getattr(self, most):
                raise InputError(
                    f"{name} must be at most {most} = {getattr(self, most)}, "
                    f"not {getattr(self, name)}"
                )
        for name in ("ifmap_words", "filter_words", "psum_words", "scale_words"):
            require_int(name, getattr(self, name), *BANK_WORDS)
        require_int("scale_bits", self.scale_bits, *SCALE_BITS)

    @property
    def macs_per_cycle(self) -> int:
        """Products a cycle at most, in the full precision."""
        return self.rows * self.columns

    @property
    def buffer_bits(self) -> int:
        """Bits of the global buffer, without the scales."""
        return (
            self.ifmap_buses * self.ifmap_words * self.pe.act_word_bits
            + self.filter_buses * self.filter_words * self.pe.weight_word_bits
            + self.psum_buses * self.psum_words * self.pe.psum_bits
        )

    @property
    def name(self) -> str:
        """A Verilog identifier, the name of the top module; the digits stand for all parameters."""
        return f"array_{self.rows}x{self.columns}_{self.pe.family}_{self.digest[:10]}"

    def to_dict(self) -> dict[str, Any]:
        """Every parameter, the PE's resolved; ``from_dict`` gives the same design back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "pe": self.pe.to_dict()}

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no white space. Equal designs have equal text."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ArrayDesign:
        """Build a design from named values, as found in JSON or YAML; ``pe`` is a mapping.

        Raises:
            InputError: on an unknown or missing name, or a value out of range.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise InputError(
                    f"{name!r} is not a parameter of an array; allowed are {', '.join(names)}"
                )
        for name in ("pe", "rows", "columns"):
            if name not in values:
                raise InputError(f"an array needs {name}")
        pe = values["pe"]
        if isinstance(pe, Mapping):
            pe = PEDesign.from_dict(pe)
        return cls(**{**values, "pe": pe})

    @classmethod
    def preset(cls, name: str, pe: PEDesign | None = None, **changes: Any) -> ArrayDesign:
        """An array behind a name, with another PE or any parameters changed.

        Raises:
            InputError: if there is no such preset or the changes are not legal.
        """
        require_choice("array", name, PRESETS)
        values = {**PRESETS[name], **changes}
        values.setdefault("pe", PEDesign.preset("INT16" if pe is None else "INT8"))
        if pe is not None:
            values["pe"] = pe
        return cls.from_dict(values)


#: ``eyeriss-like``: 12 x 14 PEs and 108 KB of buffer (Eyeriss, Chen et al., JSSC 2017), here in
#: words of each kind: 32 K ifmap words, 8 K filter words, 20 K psum words.
PRESETS: dict[str, dict[str, Any]] = {
    "eyeriss-like": {
        "rows": 12, "columns": 14, "ifmap_buses": 4, "filter_buses": 4, "psum_buses": 4,
        "ifmap_words": 4096, "filter_words": 2048, "psum_words": 4096, "scale_words": 1024,
    },
    "tiny-2x2": {"rows": 2, "columns": 2},
    "tiny-3x3": {"rows": 3, "columns": 3},
    "tiny-4x4": {"rows": 4, "columns": 4, "ifmap_buses": 2, "filter_buses": 2, "psum_buses": 2},
}  # fmt: skip
