"""A placed netlist that can still be changed: cells resized, buffers added, then legalized anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from characterize.liberty import LibraryCell
from characterize.netlist import Net, Netlist, Pin
from characterize.parasitics import nets_ff
from characterize.place import Placement
from characterize.platform import Platform

Floats = NDArray[np.float64]


class Layout:
    """A netlist with positions, under change.

    Nets are named by their index, cells by theirs; both only grow. Positions of cells are their
    centres, in um.
    """

    def __init__(self, netlist: Netlist, platform: Platform, placement: Placement) -> None:
        self.platform = platform
        self.library = platform.cells()
        self.top, self.ports, self.supplied = netlist.top, netlist.ports, netlist.supplied
        self.instances = list(netlist.instances)
        self.kinds = list(netlist.kinds)
        self.names = [net.name for net in netlist.nets]
        self.drivers = [net.driver for net in netlist.nets]
        self.sinks = [list(net.sinks) for net in netlist.nets]
        sizes = np.array([self._size(kind) for kind in self.kinds])
        corner = np.stack([placement.x_um, placement.y_um], axis=1)
        self._at = [tuple(point) for point in (corner + sizes / 2).tolist()]
        self._port_at = dict(
            zip(
                netlist.ports,
                zip(placement.port_x_um.tolist(), placement.port_y_um.tolist(), strict=True),
                strict=True,
            )
        )
        # Names that are not taken, also if there have been changes before.
        self._added = len(netlist.instances)

    def _size(self, kind: str) -> tuple[float, float]:
        outline = self.platform.macros()[kind]
        return outline.width_um, outline.height_um

    def at(self, pins: Sequence[Pin]) -> Floats:
        """Positions of pins, roughly: those of their cells; shape ``[pins, 2]``."""
        return np.array(
            [self._port_at[pin.name] if pin.cell < 0 else self._at[pin.cell] for pin in pins]
        ).reshape(-1, 2)

    def cell(self, pin: Pin) -> LibraryCell | None:
        """The library cell of a pin; None for a port."""
        return None if pin.cell < 0 else self.library[self.kinds[pin.cell]]

    def pin_ff(self, pin: Pin) -> float:
        """Capacitance of a sink."""
        cell = self.cell(pin)
        return self.platform.load_ff if cell is None else cell.input_cap_ff[pin.name]

    def load_ff(self, driver: Pin, sinks: Sequence[Pin]) -> float:
        """What a driver of these sinks would see: pins, and the wire of a Steiner tree."""
        x, y = self.at([driver, *sinks]).T
        (wire,) = nets_ff([(x, y)], self.platform)
        return wire + sum(map(self.pin_ff, sinks))

    def loads_ff(self) -> list[float]:
        """``load_ff`` of every net as it is now, all at once."""
        points = [
            self.at([driver, *sinks]).T
            for driver, sinks in zip(self.drivers, self.sinks, strict=True)
        ]
        wires = nets_ff([(x, y) for x, y in points], self.platform)
        return [
            wire + sum(map(self.pin_ff, sinks))
            for wire, sinks in zip(wires, self.sinks, strict=True)
        ]

    def buffer(
        self, net: int, sinks: Sequence[Pin], role: Mapping[str, Any], kind: str, name: str
    ) -> int:
        """Put a buffer in the middle of some sinks of a net; returns the net behind it.

        Args:
            role: names the buffer's pins, ``input`` and ``output``.
            kind: its cell.
            name: what its instance name begins with.
        """
        moved = set(sinks)
        cell = len(self.instances)
        self._added += 1
        self.instances.append(f"{name}{self._added}")
        self.kinds.append(kind)
        x, y = self.at(sinks).mean(axis=0).tolist()
        self._at.append((x, y))
        kept = [pin for pin in self.sinks[net] if pin not in moved]
        self.sinks[net] = [*kept, Pin(cell=cell, name=role["input"])]
        self.names.append(f"{name}_net{self._added}")
        self.drivers.append(Pin(cell=cell, name=role["output"]))
        self.sinks.append(list(sinks))
        return len(self.names) - 1

    def netlist(self) -> Netlist:
        """The netlist as it is now."""
        nets = zip(self.names, self.drivers, self.sinks, strict=True)
        return Netlist(
            top=self.top,
            instances=tuple(self.instances),
            kinds=tuple(self.kinds),
            ports=self.ports,
            nets=tuple(Net(name=n, driver=d, sinks=tuple(s)) for n, d, s in nets),
            supplied=self.supplied,
        )

    def corners(self) -> tuple[Floats, Floats]:
        """Lower left corners of all cells: x and y."""
        sizes = np.array([self._size(kind) for kind in self.kinds])
        corner = np.array(self._at) - sizes / 2
        return corner[:, 0], corner[:, 1]


def cluster(points: Floats, cost: Sequence[float], most: float) -> list[list[int]]:
    """Split points into compact groups of at most ``most`` cost, all of about the same size.

    Halved across the longer side again and again: groups are of one depth, so that buffers of one
    level drive about the same.

    Args:
        points: shape ``[n, 2]``.
        cost: of each point.
        most: a group may cost more only if it is a single point.
    """
    weights = np.asarray(cost, dtype=float)
    groups = [list(range(len(points)))]
    while any(len(group) > 1 and weights[group].sum() > most for group in groups):
        groups = [half for group in groups for half in _halves(group, points, weights)]
    return groups


def _halves(group: list[int], points: Floats, weights: Floats) -> list[list[int]]:
    if len(group) < 2:
        return [group]
    wide, high = np.ptp(points[group], axis=0)
    first, second = points[group].T if wide >= high else points[group].T[::-1]
    order = np.asarray(group)[np.lexsort((second, first))].tolist()
    middle = np.searchsorted(np.cumsum(weights[order]), weights[order].sum() / 2) + 1
    middle = int(np.clip(middle, 1, len(order) - 1))
    return [order[:middle], order[middle:]]
