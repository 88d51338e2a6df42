"""Reads what the flow needs from a Liberty file: areas, pins, functions, sequential behaviour."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liberty.parser import parse_liberty

from rtl_gen.errors import InputError

#: Units of Liberty headers, in ns, fF and nW (Liberty manual, "library group": ``time_unit``,
#: ``capacitive_load_unit``, ``leakage_power_unit``).
_TIME_NS = {"1ns": 1.0, "100ps": 0.1, "10ps": 0.01, "1ps": 0.001}
_CAPACITANCE_FF = {"ff": 1.0, "pf": 1000.0}
_CAPACITANCES = ("capacitance", "rise_capacitance", "fall_capacitance")
_LEAKAGE_NW = {
    "1mw": 1e6, "100uw": 1e5, "10uw": 1e4, "1uw": 1e3, "100nw": 100.0, "10nw": 10.0, "1nw": 1.0,
    "100pw": 0.1, "10pw": 0.01, "1pw": 0.001,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Units:
    """What the numbers of a Liberty file are in.

    Attributes:
        time_ns, capacitance_ff: of one.
    """

    time_ns: float
    capacitance_ff: float

    @property
    def plain(self) -> bool:
        """Times are in ns, capacitances in fF."""
        return self.time_ns == self.capacitance_ff == 1


@dataclass(frozen=True, kw_only=True)
class LibraryCell:
    """A standard cell.

    Attributes:
        name: of the cell.
        area_um2: cell area.
        inputs: input pins in the order of the file.
        input_cap_ff: capacitance of each input pin.
        largest_cap_ff: the largest of that and those for rising and falling edges.
        max_load_ff: load limit of each output pin that has one.
        outputs: output pin to its Boolean function in Liberty syntax; "" if none is given.
        clocked_on, next_state: of a flip-flop, else "".
        open_while, data: of a latch: the condition under which it follows which function; else "".
        state: names of its two state variables (true, inverted), else empty.
        clock_gate_pins: (clock, enable) of a latch-based clock gate for rising edges, of one with a
            test pin that is tied off, or of the AND of one that is built of several cells; else
            empty.
        has_clear_or_preset: of its state: nothing that this flow uses, unless it is tied off.
        clear, preset: of a flip-flop that has them: the functions under which they act; else "".
        is_macro: it says of itself that it is a macro cell.
        dont_use: it says of itself that synthesis should leave it alone.
    """

    name: str
    area_um2: float
    inputs: tuple[str, ...]
    input_cap_ff: dict[str, float]
    largest_cap_ff: dict[str, float]
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
    clear: str
    preset: str
    dont_use: bool

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

    @property
    def is_logic(self) -> bool:
        """Its outputs are functions of its inputs alone, and all are given."""
        named = bool(self.outputs) and all(self.outputs.values())
        return named and not self.state and not self.is_macro


def read_cells(path: Path) -> dict[str, LibraryCell]:
    """Every cell of a Liberty file by name.

    Raises:
        InputError: if the file cannot be read or parsed, or its units are not known.
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
    units = read_units(text, source)
    try:
        return {
            cell.name: cell
            for cell in (_read_cell(group, units) for group in library.get_groups("cell"))
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source}: a cell is not as expected: {error}") from None


def read_units(text: str, source: str) -> Units:
    """What the header of a Liberty text says its numbers are in.

    Raises:
        InputError: naming the unit that is missing or not known, and those that are.
    """
    header = re.split(r"\bcell\s*\(", re.sub(r"/\*.*?\*/", "", text[:200_000], flags=re.S))[0]
    plain = r'\s*:\s*"?\s*(\w+)'
    time_ns = _unit(header, "time_unit", plain, _TIME_NS, source)
    _unit(header, "leakage_power_unit", plain, _LEAKAGE_NW, source)
    pair = r'\s*\(\s*[0-9.]+\s*,\s*"?\s*(\w+)'
    unit_ff = _unit(header, "capacitive_load_unit", pair, _CAPACITANCE_FF, source)
    count = re.search(r"\bcapacitive_load_unit\s*\(\s*([0-9.]+)", header)
    return Units(time_ns=time_ns, capacitance_ff=unit_ff * float(count[1] if count else 1))


def _unit(header: str, name: str, pattern: str, known: Mapping[str, float], source: str) -> float:
    found = re.search(rf"\b{name}{pattern}", header)
    if found is None or found[1].lower() not in known:
        given = found[1] if found else "nothing"
        raise InputError(f"{source}: {name} must be one of {', '.join(known)}, not {given}")
    return known[found[1].lower()]


def as_used(
    cells: Mapping[str, LibraryCell], gates: Collection[tuple[str, str, str]], tied: frozenset[str]
) -> dict[str, LibraryCell]:
    """The cells as the flow uses them.

    Args:
        gates: cells that are clock gates though they do not say so, with their clock and enable.
        tied: pins that are constant: a flip-flop with no other clear or preset counts as a plain
            one.
    """
    used = dict(cells)
    for name, *pins in gates:
        if name in used:
            used[name] = replace(used[name], clock_gate_pins=tuple(pins))
    for cell in cells.values() if tied else ():
        forced = set(re.findall(r"[A-Za-z_]\w*", f"{cell.clear} {cell.preset}"))
        if cell.clocked_on and forced <= tied:
            used[cell.name] = replace(cell, has_clear_or_preset=False)
    return used


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


def _read_cell(group: Any, units: Units) -> LibraryCell:
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
        input_cap_ff={
            name: float(pin["capacitance"]) * units.capacitance_ff for name, pin in inputs.items()
        },
        largest_cap_ff={
            name: max(float(pin[key]) for key in _CAPACITANCES if pin.get(key) is not None)
            * units.capacitance_ff
            for name, pin in inputs.items()
        },
        max_load_ff={
            name: float(pin["max_capacitance"]) * units.capacitance_ff
            for name, pin in outputs.items()
            if pin.get("max_capacitance") is not None
        },
        outputs={
            name: "" if pin.get("three_state") else _function(pin.get("function"))
            for name, pin in outputs.items()
        },
        clocked_on=_function(flop.get("clocked_on")) if flop else "",
        next_state=_function(flop.get("next_state")) if flop else "",
        open_while=_function(latch.get("enable")) if latch else "",
        data=_function(latch.get("data_in")) if latch else "",
        state=tuple(_text(name) for name in state.args) if state else (),
        clock_gate_pins=_clock_gate_pins(group, pins),
        has_clear_or_preset=bool(state and (state.get("clear") or state.get("preset"))),
        is_macro=_text(group.get("is_macro_cell")) in ("true", "True"),
        clear=_function(flop.get("clear")) if flop else "",
        preset=_function(flop.get("preset")) if flop else "",
        dont_use=_text(group.get("dont_use")) in ("true", "True"),
    )


def _function(value: Any) -> str:
    """A Boolean function, in which a blank between two operands is written as the ``*`` it means.

    Liberty's ``A B`` is ``A * B``.
    """
    return re.sub(r"(?<=[\w)'])\s+(?=[\w(!])", " * ", _text(value))


def _clock_gate_pins(group: Any, pins: list[Any]) -> tuple[str, ...]:
    if _text(group.get("clock_gating_integrated_cell")) != "latch_posedge":
        return ()
    names = []
    for mark in ("clock_gate_clock_pin", "clock_gate_enable_pin"):
        names += [_text(pin.args[0]) for pin in pins if _text(pin.get(mark)) in ("true", "True")]
    return tuple(names)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip('"').strip()


def verilog(function: str) -> str:
    """A Boolean function of Liberty with the operators of Verilog, which are those of Python."""
    text = re.sub(r"(\w+)\s*'", r"!\1", function)
    return text.replace("*", "&").replace("+", "|").replace("!", "~")
