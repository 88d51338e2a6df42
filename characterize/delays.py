"""Cell delays for the gate simulation, from the SDF that OpenSTA writes after placement."""

from __future__ import annotations

import re
from pathlib import Path

from characterize.netlist import Netlist
from characterize.platform import Platform
from characterize.process import StepError

#: The simulation resolves 1 ps; a cell that switches at once would be no cell.
MIN_DELAY_NS = 0.001

#: Of SDF, in ns: OpenSTA takes the unit of the library.
_TIMESCALE_NS = {"1ns": 1.0, "100ps": 0.1, "10ps": 0.01, "1ps": 0.001}
_TIMESCALE = re.compile(r"\(TIMESCALE\s+(\S+?)\s*\)")
_INSTANCE = re.compile(r"\(INSTANCE (\S+)\)")
_TRIPLE = re.compile(r"\((-?\d+\.\d+):(?:-?\d+\.\d+)?:(-?\d+\.\d+)\)")


def read_delays(path: Path, netlist: Netlist, platform: Platform) -> dict[str, float]:
    """One delay for each instance, in ns: the mean over its arcs and both edges.

    Loads of wires and slews are in it; the time that a change takes along a wire is not.

    Raises:
        StepError: if an instance has no delay.
    """
    found = sdf_arcs(path)
    library = platform.cells()
    delays = {}
    for name, kind in zip(netlist.instances, netlist.kinds, strict=True):
        if not library[kind].inputs:
            continue
        arcs = [delay for arc in found.get(name, ()) for delay in arc]
        if not arcs:
            raise StepError(f"sta wrote no delay for instance {name} ({kind})")
        delays[name] = max(MIN_DELAY_NS, round(sum(arcs) / len(arcs), 3))
    return delays


def sdf_arcs(path: Path) -> dict[str, list[tuple[float, ...]]]:
    """The delays in ns of each arc of each instance: rise and fall of its output."""
    arcs: dict[str, list[tuple[float, ...]]] = {}
    instance = ""
    text = path.read_text(encoding="utf-8")
    scale = _scale_ns(text)
    for line in text.splitlines():
        if found := _INSTANCE.search(line):
            instance = found[1]
        elif "IOPATH" in line:
            delays = tuple(float(largest) * scale for _, largest in _TRIPLE.findall(line))
            arcs.setdefault(instance, []).append(delays)
    return arcs


def sdf_wires(path: Path) -> dict[str, float]:
    """The longest delay in ns along the wire of each instance's outputs."""
    longest: dict[str, float] = {}
    text = path.read_text(encoding="utf-8")
    scale = _scale_ns(text)
    for line in text.splitlines():
        if "INTERCONNECT" in line:
            driver = line.split()[1].rpartition("/")[0]
            for _, largest in _TRIPLE.findall(line):
                longest[driver] = max(longest.get(driver, 0.0), float(largest) * scale)
    return longest


def _scale_ns(text: str) -> float:
    """The unit of an SDF file; it is ns in one that does not say.

    Raises:
        StepError: if it is none of those that are known.
    """
    found = _TIMESCALE.search(text)
    if found is None:
        return 1.0
    if found[1] not in _TIMESCALE_NS:
        known = ", ".join(_TIMESCALE_NS)
        raise StepError(f"TIMESCALE of delays.sdf must be one of {known}, not {found[1]}")
    return _TIMESCALE_NS[found[1]]


def delayed_netlist(verilog: str, delays: dict[str, float]) -> str:
    """The netlist with each instance's delay as a parameter of its cell model."""

    def with_delay(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if name not in delays:
            return match[0]
        return f"  {kind} #(.DELAY_NS({delays[name]:.3f})) {name} ("

    return re.sub(r"^  (\w+) (\w+) \($", with_delay, verilog, flags=re.M)
