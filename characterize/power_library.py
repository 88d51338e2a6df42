"""A copy of a Liberty file whose internal energies OpenSTA 2.0 counts once.

OpenSTA 2.0 (the version in Debian 12; read in its ``search/Power.cc``)

- adds a table's rising and falling energy for *each* transition, where one of them occurs;
- counts an output transition once for every related input (and every condition on it), where one
  of them caused it;
- takes the two outputs of a flip-flop in a condition such as ``!D & !Q & QN`` for independent;
- gives the output of a latch the default activity, whatever was annotated, and propagates that;
- takes an input's energy without a condition for one that holds half of the time.

Later versions (2.1 and above) average the edges and weigh the related inputs. In this copy, for an
output, the tables of each related input are averaged over their conditions, divided by the number
of related inputs, halved, and given the condition "1" (always); for an input they are halved, the
inverted output is left out of the condition, and none becomes "1". Latches are presented as
flip-flops that their enable clocks. The energies of the enable pin hold for data equal to the
output: at every falling edge, and at the rising ones that bring no other data, taken to be half of
them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from liberty.parser import parse_liberty

from characterize.process import StepError

_EDGES = ("rise_power", "fall_power")


def write_power_library(source: Path, target: Path, tied: Collection[str] = frozenset()) -> None:
    """Write the copy (takes about 3 s for a library of 7 MB).

    Args:
        tied: pins of flip-flops that are constant: nothing is caused by them.

    Raises:
        StepError: if tables that must be averaged have different axes.
    """
    library = parse_liberty(source.read_text(encoding="utf-8"))
    for cell in library.get_groups("cell"):
        if tied and cell.get_groups("ff"):
            _drop_caused_by(cell, tied)
        enable = _latch_to_flop(cell)
        state = [str(name).strip('"') for flop in cell.get_groups("ff") for name in flop.args]
        inverted = _inverted_output(cell, state)
        for pin in cell.get_groups("pin"):
            for group in pin.get_groups("internal_power"):
                # Without it OpenSTA 2.0 leaves out a pin that has every condition.
                if group.get("related_pg_pin") is None and pin.get("related_power_pin") is not None:
                    group["related_pg_pin"] = pin["related_power_pin"]
            if str(pin.get("direction")) == "output":
                _count_transitions_once(cell, pin)
            elif enable == str(pin.args[0]):
                _count_pulses(cell, pin)
            else:
                _halve_inputs(pin, inverted)
    target.write_text(_text(library), encoding="utf-8")


def write_later_library(source: Path, target: Path) -> None:
    """Write the copy for later versions of OpenSTA, as OpenROAD's.

    They count every transition once, but still take the outputs of a flip-flop for independent:
    the inverted one is left out of conditions.
    """
    library = parse_liberty(source.read_text(encoding="utf-8"))
    for cell in library.get_groups("cell"):
        state = [str(name).strip('"') for flop in cell.get_groups("ff") for name in flop.args]
        inverted = _inverted_output(cell, state)
        for pin in cell.get_groups("pin") if inverted else ():
            for group in pin.get_groups("internal_power"):
                _leave_out(group, inverted)
    target.write_text(_text(library), encoding="utf-8")


def _text(library: Any) -> str:
    """The library as Liberty.

    Attributes come before groups there, and OpenSTA 2.0 does not find operating conditions that are
    named before they come. It needs their voltage where the library maps no voltages of its own.
    """
    text = str(library)
    if re.search(r"^  voltage_map\b", text, flags=re.M):
        return text
    default = r"^  default_operating_conditions\s*:.*;\n"
    named = re.search(default, text, flags=re.M)
    body, brace, end = text.rpartition("}")
    moved = named[0] if named else ""
    return re.sub(default, "", body, flags=re.M) + moved + brace + end


def _drop_caused_by(cell: Any, pins: Collection[str]) -> None:
    """Take energies out of a cell that changes of these pins cause."""
    for pin in cell.get_groups("pin"):
        for group in pin.get_groups("internal_power"):
            if str(group.get("related_pin")).strip('"') in pins:
                pin.groups.remove(group)


def _latch_to_flop(cell: Any) -> str | None:
    """Make a latch of the cell a flip-flop; returns the pin that enables it, if there is one."""
    latch = next(iter(cell.get_groups("latch")), None)
    if latch is None:
        return None
    data, enable = (str(latch[name]).strip('"') for name in ("data_in", "enable"))
    names = {"data_in": "next_state", "enable": "clocked_on"}
    latch.group_name = "ff"
    for attribute in latch.attributes:
        attribute.name = names.get(attribute.name, attribute.name)
    for pin in cell.get_groups("pin"):
        if str(pin.get("direction")) == "output":  # no way from data to output but by the edge
            through = [
                arc
                for arc in pin.get_groups("timing")
                if str(arc.get("related_pin")).strip('"') == data
            ]
            for arc in through:
                pin.groups.remove(arc)
    return enable.lstrip("! ")


def _inverted_output(cell: Any, state: list[str]) -> str | None:
    """The output pin that is the complement of another, if any."""
    if len(state) < 2:
        return None
    for pin in cell.get_groups("pin"):
        if str(pin.get("function")).strip('"') == state[1]:
            return str(pin.args[0])
    return None


def _halve_inputs(pin: Any, inverted: str | None) -> None:
    for group in pin.get_groups("internal_power"):
        for table in group.groups:
            _set_values(table, _values(table) / 2)
        _leave_out(group, inverted)
        if group.get("when") is None and group.groups:
            group["when"] = _quoted(group.groups[0]["values"][0], "1")


def _leave_out(group: Any, output: str | None) -> None:
    """Take an output out of the condition of a group."""
    if output and group.get("when") is not None:
        when = str(group["when"]).strip('"')
        kept = re.sub(rf"\s*&\s*!?{re.escape(output)}\b", "", when)
        group["when"] = _quoted(group["when"], kept)


def _count_transitions_once(cell: Any, pin: Any) -> None:
    groups = pin.get_groups("internal_power")
    by_input: dict[str, list[Any]] = {}
    for group in groups:
        by_input.setdefault(str(group.get("related_pin")), []).append(group)
    for same_input in by_input.values():
        first, *others = same_input
        first.groups = _mean_tables(cell, pin, same_input, len(by_input))
        if first.groups:
            first["when"] = _quoted(first.groups[0]["values"][0], "1")
        for group in others if first.groups else same_input:  # one without tables says nothing
            pin.groups.remove(group)


def _count_pulses(cell: Any, pin: Any) -> None:
    """The enable of a latch, which has two edges a pulse: one group, under every condition."""
    if not pin.get_groups("internal_power"):
        return
    first, *others = pin.get_groups("internal_power")
    tables = _mean_tables(cell, pin, (first, *others), 1)
    opening = "fall_power" if _opens_low(cell) else "rise_power"
    for table in tables:
        if table.group_name == opening:
            _set_values(table, _values(table) / 2)
    first.groups = tables
    first["when"] = _quoted(tables[0]["values"][0], "1")
    for group in others:
        pin.groups.remove(group)


def _opens_low(cell: Any) -> bool:
    return str(cell.get_groups("ff")[0]["clocked_on"]).strip('"').startswith("!")


def _mean_tables(cell: Any, pin: Any, groups: Sequence[Any], related: int) -> list[Any]:
    """``_mean_table`` of each edge; an edge that no group has costs nothing and has none."""
    by_edge = {
        edge: [table for group in groups for table in group.groups if table.group_name == edge]
        for edge in _EDGES
    }
    return [_mean_table(cell, pin, tables, related) for tables in by_edge.values() if tables]


def _mean_table(cell: Any, pin: Any, tables: list[Any], related: int) -> Any:
    """One of the tables, holding the mean of all over twice the number of related inputs."""
    full = [table for table in tables if str(table.args[0]) != "scalar"]
    if len({(str(table.get("index_1")), str(table.get("index_2"))) for table in full}) > 1:
        raise StepError(
            f"internal power tables of pin {pin.args[0]} of cell {cell.args[0]} have different axes"
        )
    # A scalar beside tables stands for an edge that cannot happen under its condition.
    counted = full or tables
    _set_values(counted[0], np.mean([_values(table) for table in counted], axis=0) / (2 * related))
    return counted[0]


def _values(table: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = [str(row).strip('"').split(",") for row in table["values"]]
    return np.array([[float(number) for number in row] for row in rows])


def _set_values(table: Any, values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    like = table["values"][0]
    table["values"] = [_quoted(like, ",".join(f"{v:.7g}" for v in row)) for row in values]


def _quoted(like: Any, text: str) -> Any:
    """A Liberty string of the parser's own kind."""
    return type(like)(text)
