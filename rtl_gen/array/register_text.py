"""The register map for people, as Markdown, and for tools, as SystemRDL 2.0."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.registers import COMMANDS, REGISTER_BITS, Field, register_map

#: Names of registers of several fields, by the first of them.
_NAMES = {
    "start": "control", "busy": "status", "filter_rows": "grid", "diagonals": "diagonals",
    "strips": "strips_groups", "filter_tiles": "tiles", "first_row": "options",
    "stored_rows": "stored", "strip_rows": "row_steps", "pixel_words": "pixel_steps",
    "group_words": "group_steps",
}  # fmt: skip
_REGISTER_BYTES = REGISTER_BITS // 8
_NOTES = """\
Registers are {bits} bits wide. The ports `write_address` and `read_address` count registers; on a
bus that counts bytes, a register is at the offset below. Bits that no field has read 0. After a
reset all are 0. While a run is on, writes change nothing, but for `stop`.

A value "less 1" is stored as one less than it is. Run: write every register but `control`, then 1
to `start`; wait until `busy` is 0; `done` says that all went well.
"""


def register_names(design: ArrayDesign) -> dict[int, str]:
    """Names of the registers by their number."""
    return {
        address: _NAMES.get(fields[0].name, fields[0].name)
        for address, fields in _registers(design)
    }


def markdown_text(design: ArrayDesign) -> str:
    """A table of all fields."""
    lines = [
        f"# Registers of {design.name}", "", _NOTES.format(bits=REGISTER_BITS),
        "| register | offset | name | field | bits | access | |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    names = register_names(design)
    for address, fields in _registers(design):
        for field in fields:
            first = field is fields[0]
            where = (
                f"{address} | {_REGISTER_BYTES * address:#x} | `{names[address]}`"
                if first
                else "| |"
            )
            high = field.low + field.bits - 1
            bits = str(high) if field.bits == 1 else f"{high}..{field.low}"
            lines.append(f"| {where} | `{field.name}` | {bits} | {_access(field)} | {field.what} |")
    return "\n".join(lines) + "\n"


def systemrdl_text(design: ArrayDesign) -> str:
    """The same as one address map; offsets count bytes."""
    lines = [
        f"// Registers of {design.name}, SystemRDL 2.0",
        f"addrmap {design.name} {{",
        f'    name = "{design.name}";',
        f'    desc = "Controller of an array of {design.rows} x {design.columns} PEs";',
        f"    default regwidth = {REGISTER_BITS};",
        f"    default accesswidth = {REGISTER_BITS};",
        "    addressing = regalign;",
    ]
    names = register_names(design)
    for address, fields in _registers(design):
        lines += ["", "    reg {"]
        for field in fields:
            lines += _field_lines(field)
        lines.append(f"    }} {names[address]} @ {_REGISTER_BYTES * address:#x};")
    return "\n".join([*lines, "};", ""])


def _registers(design: ArrayDesign) -> Iterator[tuple[int, list[Field]]]:
    for address, fields in groupby(register_map(design), key=lambda field: field.address):
        yield address, list(fields)


def _access(field: Field) -> str:
    if field.name in COMMANDS:
        return "w"
    return "r" if field.read_only else "rw"


def _field_lines(field: Field) -> list[str]:
    access = _access(field)
    # A command is 1 for a cycle; hardware reads what software writes, and the reverse.
    pulse = " singlepulse;" if access == "w" else ""
    hardware = "w" if access == "r" else "r"
    high = field.low + field.bits - 1
    return [
        f"        field {{ sw = {access}; hw = {hardware};{pulse}",
        f'            desc = "{field.what}";',
        f"        }} {field.name}[{high}:{field.low}] = {field.bits}'h0;",
    ]
