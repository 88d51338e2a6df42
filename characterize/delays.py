"""Cell delays for the gate simulation, from the SDF that OpenSTA writes after placement."""

from __future__ import annotations

import re
from pathlib import Path

from characterize.netlist import Netlist
from characterize.platform import Platform
from characterize.process import StepError

#: The simulation resolves 1 ps; a cell that switches at once would be no cell.
MIN_DELAY_NS = 0.001

_INSTANCE = re.compile(r"\(INSTANCE (\S+)\)")
_TRIPLE = re.compile(r"\((-?\d+\.\d+):(?:-?\d+\.\d+)?:(-?\d+\.\d+)\)")


def read_delays(path: Path, netlist: Netlist, platform: Platform) -> dict[str, float]:
    """One delay for each instance, in ns: the mean over its arcs and both edges.

    Loads of wires and slews are in it; the time that a change takes along a wire is not.

    Raises:
        StepError: if an instance has no delay.
    """
    sums: dict[str, list[float]] = {}
    instance = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if found := _INSTANCE.search(line):
            instance = found[1]
        elif "IOPATH" in line:
            sums.setdefault(instance, []).extend(
                float(largest) for _, largest in _TRIPLE.findall(line)
            )
    library = platform.cells()
    delays = {}
    for name, kind in zip(netlist.instances, netlist.kinds, strict=True):
        if not library[kind].inputs:
            continue
        arcs = sums.get(name)
        if not arcs:
            raise StepError(f"sta wrote no delay for instance {name} ({kind})")
        delays[name] = max(MIN_DELAY_NS, round(sum(arcs) / len(arcs), 3))
    return delays


def delayed_netlist(verilog: str, delays: dict[str, float]) -> str:
    """The netlist with each instance's delay as a parameter of its cell model."""

    def with_delay(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if name not in delays:
            return match[0]
        return f"  {kind} #(.DELAY_NS({delays[name]:.3f})) {name} ("

    return re.sub(r"^  (\w+) (\w+) \($", with_delay, verilog, flags=re.M)
