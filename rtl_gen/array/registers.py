"""The register map of the array's controller: what a host writes to run a part of a layer.

Registers are 32 bits wide. The compiler (``rtl_gen.array.compiler``) gives their values; a host
writes them, then ``control``. Imports no Amaranth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rtl_gen.array.design import ArrayDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import CONFIG_FIELDS

#: Bits of a register.
REGISTER_BITS = 32
#: Fields of ``control``: what a host writes there happens at once, and is not kept.
COMMANDS = ("start", "stop")
#: Cycles without any transfer after which a run is given up: longer than the longest computation of
#: a PE between two transfers.
WATCHDOG_CYCLES = 4096


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a register.

    Attributes:
        name: unique in the map.
        address: number of its register.
        low: its lowest bit.
        bits: its width.
        what: what it means.
        read_only: a host cannot write it.
    """

    name: str
    address: int
    low: int
    bits: int
    what: str
    read_only: bool = False


_BASE = (
    "minus (floor(h / {buses}) x row_words + first_column x pixel_words), modulo 2^20; h: first "
    "stored row of ifmap bank {k}, counted from that of the padding"
)


def _config_bits() -> str:
    """Every field of the PE's configuration word with its bits."""
    low, parts = 0, []
    for name, bits in CONFIG_FIELDS.items():
        parts.append(f"{name} {low + bits - 1}..{low}" if bits > 1 else f"{name} {low}")
        low += bits
    return ", ".join(parts)


_CONFIG = _config_bits()

# Name, bits, meaning; each list is one register. `-` before a name: read only.
_REGISTERS = (
    [
        ("start", 1, "writing 1 starts a run; while one is on, no write but stop does anything"),
        ("stop", 1, "writing 1 gives up the run that is on"),
    ],
    [
        ("-busy", 1, "a run is on"),
        ("-done", 1, "the last run came to its end"),
        ("-refused", 1, "the last one was not begun: more rows or columns than there are"),
        ("-hung", 1, "the last one was given up: nothing moved for so long (watchdog)"),
        ("-stopped", 1, "the last one was given up, as was asked for"),
    ],
    [("config_low", 32, f"the PE's configuration word, bits 31..0 of {_CONFIG}")],
    [("config_high", 32, "its other bits; sizes are less 1, keep_filter and chain do not matter")],
    [
        ("filter_rows", 6, "rows of the filter that a pass takes, less 1"),
        ("sets", 6, "sets of such rows, each for channels of its own, less 1"),
        ("columns", 6, "columns of PEs in use, less 1"),
        ("last_columns", 6, "the same in the last strip"),
        ("stride", 6, "ifmap rows from one ofmap row to the next, less 1"),
    ],
    [
        ("diagonals", 12, "ifmap rows of a strip, less 1"),
        ("last_diagonals", 12, "the same of the last strip"),
        ("sums", 8, "sums of an ofmap column, less 1"),
    ],
    [
        ("strips", 16, "strips of ofmap rows, less 1"),
        ("groups", 16, "groups of channels, less 1"),
    ],
    [
        ("filter_tiles", 16, "tiles of filters in a group, less 1"),
        ("channel_tiles", 12, "tiles of channels that are added up, less 1"),
        ("row_tiles", 4, "tiles of filter rows that are added up, less 1"),
    ],
    [
        ("first_row", 8, "padding above: the first ifmap row that is stored"),
        ("first_column", 8, "padding to the left: the first ifmap column that is stored"),
        ("accumulate", 1, "the first sums start from those in the buffer"),
        ("requantize", 1, "the last sums go through the output stage"),
        ("relu", 1, "fp: negative sums become zero there"),
    ],
    [
        ("stored_rows", 16, "ifmap rows that are stored"),
        ("stored_columns", 16, "ifmap columns that are stored"),
    ],
    [
        ("strip_rows", 16, "ifmap rows from one strip to the next"),
        ("tile_rows", 16, "ifmap rows from one row tile to the next"),
    ],
    [
        ("pixel_words", 16, "ifmap words of a pixel, of all channels"),
        ("tile_words", 16, "ifmap words of a pixel, of a channel tile"),
    ],
    [("row_words", 20, "ifmap words of a row in a bank: stored_columns x pixel_words")],
    [
        ("group_words", 16, "ifmap words from one group's channels to the next one's"),
        ("filter_words", 16, "filter words of a PE in a pass, less 1"),
    ],
    [("filter_base", 20, "first word of the filters in their banks")],
    [("psum_base", 20, "first word of the sums in their banks")],
    [("scale_base", 20, "first word of the scales in their banks")],
)

#: Bits of each field that all arrays have.
FIELD_BITS = {name.removeprefix("-"): bits for row in _REGISTERS for name, bits, _ in row}


def register_map(design: ArrayDesign) -> list[Field]:
    """The fields of all registers, in order; the last ones are one ``ifmap_base`` for each bank."""
    rows = [
        *_REGISTERS,
        *(
            [(f"ifmap_base_{k}", 20, _BASE.format(k=k, buses=design.ifmap_buses))]
            for k in range(design.ifmap_buses)
        ),
    ]
    result = []
    for address, row in enumerate(rows):
        low = 0
        for name, bits, what in row:
            result.append(
                Field(name=name.removeprefix("-"), address=address, low=low, bits=bits, what=what,
                      read_only=name.startswith("-"))
            )  # fmt: skip
            low += bits
    return result


def register_words(design: ArrayDesign, values: Mapping[str, int]) -> list[tuple[int, int]]:
    """(address, word) of every register that a host writes before a run, ``control`` left out.

    Args:
        values: of all fields that can be written, but ``COMMANDS``.

    Raises:
        InputError: if a value is missing, unknown, or wider than its field.
    """
    fields = [field for field in register_map(design) if not field.read_only]
    named = {field.name: field for field in fields if field.name not in COMMANDS}
    for name in values:
        if name not in named:
            raise InputError(f"there is no register field {name}")
    words: dict[int, int] = {}
    for name, field in named.items():
        if name not in values:
            raise InputError(f"register field {name} has no value")
        value = values[name]
        if not 0 <= value < 1 << field.bits:
            raise InputError(f"{name} must be 0..{(1 << field.bits) - 1}, not {value}")
        words[field.address] = words.get(field.address, 0) | value << field.low
    return sorted(words.items())
