"""DEF files: a placed or routed design as OpenROAD writes it is read, a placed one is written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from characterize.lef import Macro
from characterize.netlist import Netlist, build_netlist
from characterize.place import Placement
from characterize.platform import Platform
from characterize.process import StepError

Floats = NDArray[np.float64]

#: What a name must look like for structural Verilog to take it as it is; bits of ports apart.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


@dataclass(frozen=True, kw_only=True)
class PlacedCell:
    """A component: its cell, lower left corner in um, and orientation (``N``, ``FS``, ...)."""

    kind: str
    x_um: float
    y_um: float
    orientation: str


@dataclass(frozen=True, kw_only=True)
class Port:
    """A pin of the design: whether it is an input, and its place in um."""

    is_input: bool
    x_um: float
    y_um: float


@dataclass(frozen=True, kw_only=True)
class DefDesign:
    """What is read of a DEF file.

    Attributes:
        name: of the design.
        width_um, height_um: of the die.
        cells, ports: by name.
        nets: pins of each, (instance, pin), or ("PIN", port); without supply nets.
    """

    name: str
    width_um: float
    height_um: float
    cells: Mapping[str, PlacedCell]
    ports: Mapping[str, Port]
    nets: Mapping[str, tuple[tuple[str, str], ...]]


def read_def(text: str) -> DefDesign:
    """Read a DEF file.

    Raises:
        StepError: if it is cut off, or something has no place.
    """
    name = re.search(r"^DESIGN (\S+) ;", text, flags=re.M)
    units = re.search(r"^UNITS DISTANCE MICRONS (\d+) ;", text, flags=re.M)
    die = re.search(r"^DIEAREA \( (-?\d+) (-?\d+) \) \( (-?\d+) (-?\d+) \) ;", text, flags=re.M)
    if (
        name is None
        or units is None
        or die is None
        or not re.search(r"^END DESIGN", text, flags=re.M)
    ):
        raise StepError("the DEF file is cut off, or is no DEF file")
    scale = int(units[1])
    nets = {}
    for words in _statements(text, "NETS"):
        if "POWER" in words or "GROUND" in words:
            continue  # supply of cells that came after the power grid
        ends = words[2 : words.index("+")] if "+" in words else words[2:]
        nets[words[1]] = tuple(zip(ends[1::4], ends[2::4], strict=True))
    left, below, right, above = (int(number) / scale for number in die.groups())
    return DefDesign(
        name=name[1],
        width_um=right - left,
        height_um=above - below,
        cells={
            words[1]: PlacedCell(kind=words[2], **_place(words, scale, f"cell {words[1]}"))
            for words in _statements(text, "COMPONENTS")
        },
        ports={
            words[1]: _port(words, scale)
            for words in _statements(text, "PINS")
            if "SIGNAL" in words or "CLOCK" in words
        },
        nets=nets,
    )


def _statements(text: str, section: str) -> Iterator[list[str]]:
    """Each ``- ... ;`` of a section, as words."""
    found = re.search(rf"^{section} (\d+) ;\n(.*?)^END {section}$", text, flags=re.M | re.S)
    if found is None:
        raise StepError(f"the DEF file has no {section}")
    count = 0
    for statement in found[2].replace("\\", "").split(";\n"):
        words = statement.split()
        if words[:1] == ["-"]:
            count += 1
            yield words
    if count != int(found[1]):
        raise StepError(f"the DEF file announces {found[1]} {section}, and has {count}")


def _place(words: list[str], scale: int, what: str) -> dict[str, Any]:
    for status in ("PLACED", "FIXED"):
        if status in words:
            at = words.index(status)
            return {
                "x_um": int(words[at + 2]) / scale,
                "y_um": int(words[at + 3]) / scale,
                "orientation": words[at + 5],
            }
    raise StepError(f"{what} has no place in the DEF file")


def _port(words: list[str], scale: int) -> Port:
    place = _place(words, scale, f"port {words[1]}")
    direction = words[words.index("DIRECTION") + 1]
    return Port(is_input=direction == "INPUT", x_um=place["x_um"], y_um=place["y_um"])


#: Database units per um that are written.
_UNITS = 2000


def def_text(netlist: Netlist, platform: Platform, placement: Placement) -> str:
    """A placed netlist as DEF; the origin is the lower left corner of the core."""

    def at(x_um: float, y_um: float) -> str:
        return f"( {round(x_um * _UNITS)} {round(y_um * _UNITS)} )"

    directions = dict.fromkeys(netlist.ports, "INPUT")
    net_of: dict[str, str] = {}
    nets = []
    for net in netlist.nets:
        ends = []
        for end in (net.driver, *net.sinks):
            if end.cell >= 0:
                ends.append(f"( {netlist.instances[end.cell]} {end.name} )")
                continue
            directions[end.name] = "INPUT" if end is net.driver else "OUTPUT"
            net_of[end.name] = net.name
            ends.append(f"( PIN {end.name} )")
        nets.append(f"- {net.name} {' '.join(ends)} + USE SIGNAL ;")
    cells = []
    for index, (name, kind) in enumerate(zip(netlist.instances, netlist.kinds, strict=True)):
        status = "FIXED" if platform.cells()[kind].is_macro else "PLACED"
        place = at(placement.x_um[index], placement.y_um[index])
        turned = "FS" if placement.flipped[index] else "N"
        cells.append(f"- {name} {kind} + {status} {place} {turned} ;")
    ports = [
        f"- {port} + NET {net_of.get(port, port)} + DIRECTION {directions[port]} + USE SIGNAL "
        f"+ PLACED {at(placement.port_x_um[index], placement.port_y_um[index])} N ;"
        for index, port in enumerate(netlist.ports)
    ]
    lines = [
        "VERSION 5.8 ;",
        'DIVIDERCHAR "/" ;',
        'BUSBITCHARS "[]" ;',
        f"DESIGN {netlist.top} ;",
        f"UNITS DISTANCE MICRONS {_UNITS} ;",
        f"DIEAREA {at(0, 0)} {at(placement.width_um, placement.height_um)} ;",
    ]
    for section, statements in (("COMPONENTS", cells), ("PINS", ports), ("NETS", nets)):
        lines += [f"{section} {len(statements)} ;", *statements, f"END {section}"]
    return "\n".join([*lines, "END DESIGN", ""])


def netlist_of(
    design: DefDesign, platform: Platform, ports: Collection[str], physical: Collection[str]
) -> tuple[Netlist, tuple[str, ...]]:
    """The netlist of a DEF file, and the name of each of its nets there.

    A net with ports is named after one of them, as in structural Verilog.

    Args:
        ports: every port bit, in the order of the module's ports.
        physical: cells without pins, such as taps, which are no part of the netlist.

    Raises:
        StepError: as ``netlist.read_netlist``; or if the ports are others, or a name is not one
            that Verilog takes.
    """
    if set(ports) != set(design.ports):
        odd = sorted(set(ports) ^ set(design.ports))[0]
        raise StepError(f"port {odd} is not in both the netlist and the DEF file")
    names: dict[int, str] = dict(enumerate(design.nets))
    bits = {name: bit for bit, name in names.items()}
    shown = dict(names)
    port_bits: dict[str, int] = {}
    connections: dict[str, dict[str, list[int]]] = {
        name: {} for name, cell in design.cells.items() if cell.kind not in physical
    }
    once: set[tuple[str, str]] = set()
    for net, ends in design.nets.items():
        for owner, pin in ends:
            if (owner, pin) in once:
                raise StepError(f"pin {pin} of {owner} is on two nets")
            once.add((owner, pin))
            if owner == "PIN":
                port_bits[pin] = bits[net]
            elif owner in connections:
                connections[owner][pin] = [bits[net]]
            else:
                raise StepError(f"net {net} has a pin of {owner}, which is no cell of the netlist")
        own_ports = [pin for owner, pin in ends if owner == "PIN"]
        if net in design.ports and net not in own_ports:
            raise StepError(f"net {net} is not connected to the port of its name")
        if own_ports and net not in own_ports:
            shown[bits[net]] = own_ports[0]
    for name in (*connections, *(shown[b] for b in shown if shown[b] not in design.ports)):
        if not _PLAIN.fullmatch(name):
            raise StepError(f"{name!r} is not a plain name of Verilog")
    for port in ports:  # not connected
        port_bits.setdefault(port, -1 - len(port_bits))
    netlist = build_netlist(
        design.name,
        {
            "ports": {
                port: {
                    "bits": [port_bits[port]],
                    "direction": "input" if design.ports[port].is_input else "output",
                }
                for port in ports
            },
            "cells": {
                name: {"type": design.cells[name].kind, "connections": pins}
                for name, pins in connections.items()
            },
            "netnames": {shown[bit]: {"bits": [bit]} for bit in shown},
        },
        platform,
    )
    origin = {shown[bit]: name for bit, name in names.items()}
    return netlist, tuple(origin[net.name] for net in netlist.nets)


def pin_position(cell: PlacedCell, macro: Macro, pin: str) -> tuple[float, float]:
    """Where a pin of a placed cell is, in um.

    Raises:
        StepError: if the cell is turned by a quarter, which rows do not allow.
    """
    x, y = macro.pins[pin]
    if cell.orientation not in ("N", "S", "FN", "FS"):
        raise StepError(f"orientation {cell.orientation} of a cell is not one of a row")
    if cell.orientation in ("S", "FN"):
        x = macro.width_um - x
    if cell.orientation in ("S", "FS"):
        y = macro.height_um - y
    return cell.x_um + x, cell.y_um + y


def net_points(
    design: DefDesign, netlist: Netlist, platform: Platform
) -> list[tuple[Floats, Floats]]:
    """For each net the x and y of its ends in um, the driver first."""
    macros = platform.macros()
    points = []
    for net in netlist.nets:
        ends = []
        for end in (net.driver, *net.sinks):
            if end.cell < 0:
                port = design.ports[end.name]
                ends.append((port.x_um, port.y_um))
            else:
                cell = design.cells[netlist.instances[end.cell]]
                ends.append(pin_position(cell, macros[cell.kind], end.name))
        at = np.array(ends)
        points.append((at[:, 0], at[:, 1]))
    return points
