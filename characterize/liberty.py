"""Reads what the flow needs from a Liberty file: areas, pins, functions, sequential behaviour."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liberty.parser import parse_liberty

from rtl_gen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class LibraryCell:
    """A standard cell.

    Attributes:
        name: of the cell.
        area_um2: cell area.
        inputs: input pins in the order of the file.
        input_cap_ff: capacitance of each input pin.
        max_load_ff: load limit of each output pin that has one.
        outputs: output pin to its Boolean function in Liberty syntax; "" if none is given.
        clocked_on, next_state: of a flip-flop, else "".
        open_while, data: of a latch: the condition under which it follows which function; else "".
        state: names of its two state variables (true, inverted), else empty.
        clock_gate_pins: (clock, enable) of a latch-based clock gate for rising edges, else empty.
        has_clear_or_preset: of its state: nothing that this flow uses.
        is_macro: it says of itself that it is a macro cell.
    """

    name: str
    area_um2: float
    inputs: tuple[str, ...]
    input_cap_ff: dict[str, float]
    max_load_ff: dict[str, float]
    outputs: dict[str, str]
    clocked_on: str
    next_state: str
    open_while: str
    data: str
    state: tuple[str, ...]
    clock_gate_pins: tuple[str, ...]
    has_clear_or_preset: bool
    is_macro: bool

    @property
    def clock_gate(self) -> bool:
        """A clock gate."""
        return bool(self.clock_gate_pins)

    @property
    def is_flop(self) -> bool:
        """A flip-flop without clear or preset."""
        return bool(self.clocked_on) and not self.has_clear_or_preset

    @property
    def is_latch(self) -> bool:
        """A latch without clear or preset."""
        return bool(self.open_while) and not self.has_clear_or_preset

    @property
    def has_other_state(self) -> bool:
        """Neither logic nor a plain flip-flop: a latch, a clear or a preset."""
        return bool(self.open_while) or self.has_clear_or_preset


def read_cells(path: Path) -> dict[str, LibraryCell]:
    """Every cell of a Liberty file by name.

    Raises:
        InputError: if the file cannot be read or parsed, or its units are not ns, fF and nW.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_cells(text, str(path))


def parse_cells(text: str, source: str) -> dict[str, LibraryCell]:
    """Every cell of a Liberty text by name.

    Args:
        source: where it is from, for messages.

    Raises:
        InputError: as ``read_cells``.
    """
    try:
        library = parse_liberty(text)
    except Exception as error:  # the parser raises whatever its grammar library does
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source}: is not Liberty: {first}") from None
    units = [
        _text(library.get("time_unit")),
        _text(library.get("leakage_power_unit")),
        "".join(str(part).lower() for part in library.get("capacitive_load_unit") or ()),
    ]
    if units not in (["1ns", "1nW", "1ff"], ["1ns", "1nW", "1.0ff"]):
        raise InputError(f"{source}: units must be 1ns, 1nW and 1ff, not {', '.join(units)}")
    return {cell.name: cell for cell in map(_read_cell, library.get_groups("cell"))}


def cell_group(path: Path, name: str) -> Any:
    """The parsed group of one cell, without parsing the whole file.

    Raises:
        InputError: if the file has no such cell.
    """
    text = path.read_text(encoding="utf-8")
    found = re.search(rf'\bcell\s*\(\s*"?{re.escape(name)}"?\s*\)\s*\{{', text)
    if found is None:
        raise InputError(f"{path}: has no cell {name}")
    depth, end = 1, found.end()
    while depth:
        brace = re.compile(r"[{}]").search(text, end)
        if brace is None:
            raise InputError(f"{path}: cell {name} has no end")
        depth += 1 if brace[0] == "{" else -1
        end = brace.end()
    library = parse_liberty(f"library (one_cell) {{\n{text[found.start() : end]}\n}}")
    return library.get_groups("cell")[0]


def _read_cell(group: Any) -> LibraryCell:
    flop = next(iter(group.get_groups("ff")), None)
    latch = next(iter(group.get_groups("latch")), None)
    state = flop or latch
    pins = group.get_groups("pin")
    inputs = {_text(pin.args[0]): pin for pin in pins if _text(pin.get("direction")) == "input"}
    outputs = {_text(pin.args[0]): pin for pin in pins if _text(pin.get("direction")) == "output"}
    return LibraryCell(
        name=_text(group.args[0]),
        area_um2=float(group["area"]),
        inputs=tuple(inputs),
        input_cap_ff={name: float(pin["capacitance"]) for name, pin in inputs.items()},
        max_load_ff={
            name: float(pin["max_capacitance"])
            for name, pin in outputs.items()
            if pin.get("max_capacitance") is not None
        },
        outputs={
            name: "" if pin.get("three_state") else _text(pin.get("function"))
            for name, pin in outputs.items()
        },
        clocked_on=_text(flop.get("clocked_on")) if flop else "",
        next_state=_text(flop.get("next_state")) if flop else "",
        open_while=_text(latch.get("enable")) if latch else "",
        data=_text(latch.get("data_in")) if latch else "",
        state=tuple(_text(name) for name in state.args) if state else (),
        clock_gate_pins=_clock_gate_pins(group, pins),
        has_clear_or_preset=bool(state and (state.get("clear") or state.get("preset"))),
        is_macro=_text(group.get("is_macro_cell")) in ("true", "True"),
    )


def _clock_gate_pins(group: Any, pins: list[Any]) -> tuple[str, ...]:
    if _text(group.get("clock_gating_integrated_cell")) != "latch_posedge":
        return ()
    names = []
    for mark in ("clock_gate_clock_pin", "clock_gate_enable_pin"):
        names += [_text(pin.args[0]) for pin in pins if _text(pin.get(mark)) in ("true", "True")]
    return tuple(names)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip('"').strip()
