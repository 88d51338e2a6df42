"""Wire resistance and capacitance from a placement, as SPEF.

Nothing is routed here: a net's length is its half perimeter times the average ratio of a Steiner
tree to it for that many pins (RISA, Cheng, ICCAD 1994). Each net is a star: its capacitance is
lumped half at the driver, half at the sinks in proportion to their distance, and a sink's
resistance is that of the straight way to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from characterize.netlist import CLOCK, Netlist, Pin
from characterize.place import Placement, pin_positions
from characterize.platform import Platform

#: Pins of a net, and the length of its Steiner tree over its half perimeter (RISA table).
_PINS = (3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 35, 40, 45, 50)
_RATIO = (
    1.0, 1.0828, 1.1536, 1.2206, 1.2823, 1.3385, 1.3991, 1.4493,
    1.6899, 1.8924, 2.0743, 2.2334, 2.3895, 2.5356, 2.6625, 2.7933,
)  # fmt: skip
_RATIO_PER_PIN_BEYOND = 0.02616

_HEADER = """\
*SPEF "IEEE 1481-1998"
*DESIGN "{top}"
*DATE ""
*VENDOR "peforge"
*PROGRAM "peforge"
*VERSION "1"
*DESIGN_FLOW "PIN_CAP NONE"
*DIVIDER /
*DELIMITER :
*BUS_DELIMITER [ ]
*T_UNIT 1 PS
*C_UNIT 1 FF
*R_UNIT 1 OHM
*L_UNIT 1 HENRY
"""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """The estimate for one net.

    Attributes:
        length_um: of its tree.
        cap_ff: of the whole net, without pins.
        sink_ohm: from the driver to each sink.
        sink_share: how much of the sinks' half of the capacitance stands at each; adds up to 1.
    """

    length_um: float
    cap_ff: float
    sink_ohm: NDArray[np.float64]
    sink_share: NDArray[np.float64]


def steiner_ratio(pins: int) -> float:
    """Average Steiner tree length over half perimeter of a net with this many pins."""
    beyond = max(0, pins - _PINS[-1])
    return float(np.interp(pins, _PINS, _RATIO)) + beyond * _RATIO_PER_PIN_BEYOND


def estimate_wires(netlist: Netlist, platform: Platform, placement: Placement) -> list[Wire]:
    """A wire for each net of the netlist, in its order."""
    across, up = platform.horizontal, platform.vertical
    wires = []
    for x, y in pin_positions(netlist, platform, placement):
        ratio = steiner_ratio(len(x))
        width, height = float(np.ptp(x)), float(np.ptp(y))
        dx, dy = np.abs(x[1:] - x[0]), np.abs(y[1:] - y[0])
        distance = dx + dy
        total = float(distance.sum())
        wires.append(
            Wire(
                length_um=ratio * (width + height),
                cap_ff=ratio * (across.ff_per_um * width + up.ff_per_um * height),
                sink_ohm=across.ohm_per_um * dx + up.ohm_per_um * dy,
                sink_share=distance / total if total else np.full(len(dx), 1 / len(dx)),
            )
        )
    return wires


def write_spef(path: Path, netlist: Netlist, wires: list[Wire]) -> None:
    """Write the wires as SPEF (fF and Ohm), all but the clock's, which is ideal."""
    lines = [spef_header(netlist.top)]
    for net, wire in zip(netlist.nets, wires, strict=True):
        if net.name != CLOCK:
            sinks = [_node(netlist, sink, drives=False) for sink in net.sinks]
            lines += net_lines(net.name, _node(netlist, net.driver, drives=True), sinks, wire)
    path.write_text("\n".join(lines), encoding="ascii")


def spef_header(top: str) -> str:
    """Everything before the first net."""
    return _HEADER.format(top=top)


def net_lines(
    name: str, driver: str, sinks: list[str], wire: Wire, extra_ff: float = 0
) -> list[str]:
    """One net in SPEF.

    Args:
        driver, sinks: connections as ``*CONN`` lists them: ``*I instance:pin O`` or ``*P port I``.
        extra_ff: further capacitance at the driver.
    """
    nodes = [connection.split()[1] for connection in (driver, *sinks)]
    caps = [wire.cap_ff / 2 + extra_ff, *(wire.cap_ff / 2 * wire.sink_share)]
    return [
        f"*D_NET {name} {wire.cap_ff + extra_ff:.4f}",
        "*CONN",
        driver,
        *sinks,
        "*CAP",
        *(
            f"{n} {node} {cap:.4f}"
            for n, (node, cap) in enumerate(zip(nodes, caps, strict=True), 1)
        ),
        "*RES",
        *(
            f"{n} {nodes[0]} {node} {ohm:.3f}"
            for n, (node, ohm) in enumerate(zip(nodes[1:], wire.sink_ohm, strict=True), 1)
        ),
        "*END\n",
    ]


def _node(netlist: Netlist, pin: Pin, *, drives: bool) -> str:
    if pin.cell < 0:  # seen from inside, a port that drives a net is an input of the design
        return f"*P {pin.name} {'I' if drives else 'O'}"
    return f"*I {netlist.instances[pin.cell]}:{pin.name} {'O' if drives else 'I'}"
