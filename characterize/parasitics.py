"""Wire resistance and capacitance from a placement, as SPEF.

Nothing is routed here: a net is its rectilinear Steiner tree (``characterize.steiner``), with the
platform's constants of one horizontal and one vertical layer. An edge has half of its capacitance
at each end. A pin has the vias up to the vertical layer, a bend one more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from characterize.netlist import Netlist, Pin
from characterize.place import Placement, pin_positions
from characterize.platform import Platform
from characterize.steiner import Tree, steiner_trees

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
    """The estimate for one net, as a tree of resistors with capacitors at its nodes.

    Attributes:
        length_um: of the tree.
        node_ff: capacitance to ground at each node: the driver, the sinks, then Steiner points.
        node_ohm: resistance from each node to its parent.
        parent: of each node, -1 for the driver.
    """

    length_um: float
    node_ff: NDArray[np.float64]
    node_ohm: NDArray[np.float64]
    parent: NDArray[np.int64]

    @property
    def cap_ff(self) -> float:
        """Capacitance of the whole net, without pins."""
        return float(self.node_ff.sum())


def estimate_wires(netlist: Netlist, platform: Platform, placement: Placement) -> list[Wire]:
    """A wire for each net of the netlist, in its order."""
    trees = steiner_trees(pin_positions(netlist, platform, placement))
    return [
        _wire(tree, 1 + len(net.sinks), platform)
        for tree, net in zip(trees, netlist.nets, strict=True)
    ]


def nets_ff(
    nets: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], platform: Platform
) -> list[float]:
    """Wire capacitance of nets, each given as x and y of its pins, the driver first."""
    across, up = platform.horizontal.ff_per_um, platform.vertical.ff_per_um
    return [
        float(across * tree.horizontal.sum() + up * tree.vertical.sum())
        for tree in steiner_trees(nets)
    ]


def _wire(tree: Tree, pins: int, platform: Platform) -> Wire:
    across, up = platform.horizontal, platform.vertical
    dx, dy = tree.horizontal, tree.vertical
    edge_ff = across.ff_per_um * dx + up.ff_per_um * dy
    ohm = across.ohm_per_um * dx + up.ohm_per_um * dy
    ohm += platform.bend_ohm * ((dx > 0) & (dy > 0))
    node_ff = edge_ff / 2
    inner = tree.parent >= 0
    np.add.at(node_ff, tree.parent[inner], edge_ff[inner] / 2)
    # The vias of a sink are in its way to its parent, those of the driver in the ways from it.
    ohm[1:pins] += platform.pin_ohm
    ohm[tree.parent == 0] += platform.pin_ohm
    return Wire(length_um=tree.length, node_ff=node_ff, node_ohm=ohm, parent=tree.parent)


def write_spef(path: Path, netlist: Netlist, wires: list[Wire]) -> None:
    """Write the wires as SPEF (fF and Ohm)."""
    lines = [spef_header(netlist.top)]
    for net, wire in zip(netlist.nets, wires, strict=True):
        ends = [_node(netlist, net.driver, drives=True)]
        ends += [_node(netlist, sink, drives=False) for sink in net.sinks]
        lines += net_lines(net.name, ends, wire)
    path.write_text("\n".join(lines), encoding="ascii")


def spef_header(top: str) -> str:
    """Everything before the first net."""
    return _HEADER.format(top=top)


def net_lines(name: str, ends: Sequence[str | float], wire: Wire) -> Iterator[str]:
    """One net in SPEF.

    Args:
        ends: the driver and the sinks: a connection as ``*CONN`` lists it, ``*I instance:pin O`` or
            ``*P port I``, or, where there is none, a capacitance in fF in its place.
    """
    connections = [end for end in ends if isinstance(end, str)]
    nodes = [
        end.split()[1] if isinstance(end, str) else f"{name}:{index}"
        for index, end in enumerate(ends, start=1)
    ]
    nodes += [f"{name}:{index + 1}" for index in range(len(ends), len(wire.node_ff))]
    caps = wire.node_ff.copy()
    for index, end in enumerate(ends):
        if not isinstance(end, str):
            caps[index] += end
    yield f"*D_NET {name} {caps.sum():.4f}"
    yield "*CONN"
    yield from connections
    yield "*CAP"
    yield from (
        f"{n} {node} {cap:.4f}" for n, (node, cap) in enumerate(zip(nodes, caps, strict=True), 1)
    )
    yield "*RES"
    for index, above in enumerate(wire.parent.tolist()):
        if above >= 0:
            yield f"{index} {nodes[above]} {nodes[index]} {wire.node_ohm[index]:.3f}"
    yield "*END\n"


def _node(netlist: Netlist, pin: Pin, *, drives: bool) -> str:
    if pin.cell < 0:  # seen from inside, a port that drives a net is an input of the design
        return f"*P {pin.name} {'I' if drives else 'O'}"
    return f"*I {netlist.instances[pin.cell]}:{pin.name} {'O' if drives else 'I'}"
