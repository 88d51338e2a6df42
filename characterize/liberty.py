"""Reads what the flow needs from a Liberty file: areas, pins, functions, sequential behaviour."""

from __future__ import annotations

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
        clocked_on, next_state: of a plain flip-flop, else "".
        state: names of its two state variables (true, inverted), else empty.
        clock_gate_pins: (clock, enable) of a latch-based clock gate for rising edges, else empty.
        has_other_state: it has latches, clear or preset: nothing that this flow uses.
    """

    name: str
    area_um2: float
    inputs: tuple[str, ...]
    input_cap_ff: dict[str, float]
    max_load_ff: dict[str, float]
    outputs: dict[str, str]
    clocked_on: str
    next_state: str
    state: tuple[str, ...]
    clock_gate_pins: tuple[str, ...]
    has_other_state: bool

    @property
    def clock_gate(self) -> bool:
        """A clock gate."""
        return bool(self.clock_gate_pins)

    @property
    def is_flop(self) -> bool:
        """A flip-flop without clear or preset."""
        return bool(self.clocked_on) and not self.has_other_state


def read_cells(path: Path) -> dict[str, LibraryCell]:
    """Every cell of a Liberty file by name.

    Raises:
        InputError: if the file cannot be read or parsed, or its units are not ns, fF and nW.
    """
    try:
        library = parse_liberty(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # the parser raises whatever its grammar library does
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: is not Liberty: {first}") from None
    units = [
        _text(library.get("time_unit")),
        _text(library.get("leakage_power_unit")),
        "".join(str(part).lower() for part in library.get("capacitive_load_unit") or ()),
    ]
    if units not in (["1ns", "1nW", "1ff"], ["1ns", "1nW", "1.0ff"]):
        raise InputError(f"{path}: units must be 1ns, 1nW and 1ff, not {', '.join(units)}")
    return {cell.name: cell for cell in map(_read_cell, library.get_groups("cell"))}


def _read_cell(group: Any) -> LibraryCell:
    flops = group.get_groups("ff")
    other = bool(group.get_groups("latch"))
    pins = group.get_groups("pin")
    flop = flops[0] if flops else {}
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
        clocked_on=_text(flop.get("clocked_on")) if flops else "",
        next_state=_text(flop.get("next_state")) if flops else "",
        state=tuple(_text(name) for name in flops[0].args) if flops else (),
        clock_gate_pins=_clock_gate_pins(group, pins),
        has_other_state=other or bool(flops and (flop.get("clear") or flop.get("preset"))),
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
