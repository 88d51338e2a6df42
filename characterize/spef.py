"""Reads the wires of a SPEF file, as trees of resistors with capacitors at their nodes.

OpenROAD leaves the capacitance at the pins themselves out of ``*CAP`` but counts it in the total
of the net: what is missing is put back at the pins, in proportion to the resistors at them.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from characterize.netlist import Net, Netlist, Pin
from characterize.parasitics import Wire
from characterize.process import StepError

_FARAD = {"FF": 1.0, "PF": 1e3}
_OHM = {"OHM": 1.0, "KOHM": 1e3}
#: Capacitances are printed with about six digits: a total and its sum differ by that.
_ROUNDING = 1e-4


@dataclass(kw_only=True)
class _Section:
    """One net as the file has it, in fF and Ohm."""

    total_ff: float
    node_ff: dict[str, float] = field(default_factory=dict)
    edges: list[tuple[str, str, float]] = field(default_factory=list)


def read_spef(
    text: str, netlist: Netlist, names: Sequence[str], lengths_um: Sequence[float]
) -> list[Wire]:
    """A wire for each net of the netlist, in its order.

    Args:
        text: of the file; without a name map.
        names: of each net in the file.
        lengths_um: of each net, which the file does not tell.

    Raises:
        StepError: if the file is cut off or not SPEF, if a net is not in it, if a pin is not
            connected, or if a net's capacitances are more than its total.
    """
    sections = _sections(text)
    wires = []
    for net, name, length_um in zip(netlist.nets, names, lengths_um, strict=True):
        if name not in sections:
            raise StepError(f"net {name} is not in the SPEF file")
        wires.append(_wire(name, sections[name], _ends(netlist, net), length_um))
    return wires


def _sections(text: str) -> dict[str, _Section]:
    if not text.startswith("*SPEF"):
        raise StepError("this is not a SPEF file")
    header, *parts = re.split(r"^\*D_NET ", text, flags=re.M)
    if re.search(r"^\*NAME_MAP", header, flags=re.M):
        raise StepError("SPEF files with a name map are not read")
    ff, ohm = _unit(header, "C_UNIT", _FARAD), _unit(header, "R_UNIT", _OHM)
    sections = {}
    for part in parts:
        lines = part.splitlines()
        try:
            name, total = lines[0].replace("\\", "").split()
            sections[name] = _section(lines[1:], float(total) * ff, ff, ohm)
        except ValueError:
            raise StepError(f"the SPEF file has a broken net: *D_NET {lines[0][:80]}") from None
    return sections


def _unit(header: str, name: str, units: Mapping[str, float]) -> float:
    found = re.search(rf"^\*{name}\s+(\S+)\s+(\w+)\s*$", header, flags=re.M)
    if found is None or found[2].upper() not in units:
        raise StepError(f"the SPEF file has no *{name} in {' or '.join(units)}")
    return float(found[1]) * units[found[2].upper()]


def _section(lines: Iterable[str], total_ff: float, ff: float, ohm: float) -> _Section:
    section = _Section(total_ff=total_ff)
    part = ""
    for line in lines:
        words = line.replace("\\", "").split()
        if not words:
            continue
        if words[0] == "*END":
            values = [section.total_ff, *section.node_ff.values(), *(e[2] for e in section.edges)]
            if not all(math.isfinite(value) and value >= 0 for value in values):
                raise ValueError
            return section
        if words[0] in ("*CONN", "*CAP", "*RES"):
            part = words[0]
        elif part == "*CAP":  # to ground, or to a node of another net
            _, node, *_, value = words
            section.node_ff[node] = section.node_ff.get(node, 0.0) + float(value) * ff
        elif part == "*RES":
            _, one, other, value = words
            if one != other:
                section.edges.append((one, other, float(value) * ohm))
        elif not part:
            raise ValueError
    raise ValueError


def _ends(netlist: Netlist, net: Net) -> list[tuple[str, ...]]:
    """What the file may call the driver and the sinks: older versions write a pin with ``/``."""

    def names(pin: Pin) -> tuple[str, ...]:
        if pin.cell < 0:
            return (pin.name,)
        instance = netlist.instances[pin.cell]
        return f"{instance}:{pin.name}", f"{instance}/{pin.name}"

    return [names(pin) for pin in (net.driver, *net.sinks)]


def _wire(name: str, section: _Section, ends: Sequence[tuple[str, ...]], length_um: float) -> Wire:
    index: dict[str, int] = {}
    for number, spellings in enumerate(ends):
        index.update(dict.fromkeys(spellings, number))
    count = len(ends)
    for node in [*section.node_ff, *(end for edge in section.edges for end in edge[:2])]:
        if node not in index:
            index[node] = count
            count += 1
    node_ff = np.zeros(count)
    for node, value in section.node_ff.items():
        node_ff[index[node]] += value
    edges = [(index[one], index[other], ohm) for one, other, ohm in section.edges]
    parent, node_ohm = _tree(name, edges, count)

    missing = section.total_ff - node_ff.sum()
    if missing < -_ROUNDING * max(section.total_ff, 1.0):
        raise StepError(f"the capacitances of net {name} are more than its total")
    share = np.zeros(len(ends))
    for one, other, ohm in edges:
        for end in (one, other):
            if end < len(ends):
                share[end] += ohm
    share = share / share.sum() if share.sum() > 0 else np.full(len(ends), 1 / len(ends))
    node_ff[: len(ends)] += max(missing, 0.0) * share
    return Wire(length_um=length_um, node_ff=node_ff, node_ohm=node_ohm, parent=parent)


def _tree(
    name: str, edges: Sequence[tuple[int, int, float]], count: int
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    """Parent and resistance to it: of the ways from the driver, those of the least resistance."""
    around: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    for one, other, ohm in edges:
        around[one].append((other, ohm))
        around[other].append((one, ohm))
    parent = np.full(count, -2, dtype=np.int64)
    node_ohm = np.zeros(count)
    open_ends = [(0.0, 0, -1, 0.0)]
    while open_ends:
        way, node, above, ohm = heapq.heappop(open_ends)
        if parent[node] != -2:
            continue
        parent[node], node_ohm[node] = above, ohm
        for other, more in around[node]:
            if parent[other] == -2:
                heapq.heappush(open_ends, (way + more, other, node, more))
    if (parent == -2).any():
        raise StepError(f"the SPEF file leaves a part of net {name} unconnected")
    return parent, node_ohm
