"""Rectilinear Steiner trees of many nets at once.

There is no maintained Python library for them (FLUTE has none), so this is a heuristic of Prim's
kind: a tree grows from the driver, and each time the pin that is nearest to it is joined, not only
to a pin but to any edge: an edge that is bent either way can pass through each point of its
bounding box. Where a pin joins an edge, the edge gets a Steiner point (the median of the three).
Nets with equally many pins are done together, as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Arrays of one step hold at most so many numbers.
_CHUNK = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree that spans the pins of one net.

    Attributes:
        x, y: nodes, the pins first, in the order they were given; then Steiner points.
        parent: of each node, -1 for the first pin, which is the root.
    """

    x: Floats
    y: Floats
    parent: Ints

    @property
    def horizontal(self) -> Floats:
        """Length of the horizontal part of each node's way to its parent; 0 for the root."""
        return self._way(self.x)

    @property
    def vertical(self) -> Floats:
        """Length of the vertical part."""
        return self._way(self.y)

    @property
    def length(self) -> float:
        """Length of the whole tree."""
        return float(self.horizontal.sum() + self.vertical.sum())

    def _way(self, at: Floats) -> Floats:
        return np.where(self.parent >= 0, np.abs(at - at[self.parent]), 0.0)


def steiner_trees(nets: Sequence[tuple[Floats, Floats]]) -> list[Tree]:
    """A tree for each net, given as x and y of its pins, the driver first."""
    by_pins: dict[int, list[int]] = {}
    for index, (x, _) in enumerate(nets):
        by_pins.setdefault(len(x), []).append(index)
    trees: dict[int, Tree] = {}
    for pins, members in by_pins.items():
        at_once = max(1, _CHUNK // (2 * pins * pins))
        for start in range(0, len(members), at_once):
            chunk = members[start : start + at_once]
            points = np.array([nets[index] for index in chunk])
            trees.update(zip(chunk, _grow(points), strict=True))
    return [trees[index] for index in range(len(nets))]


def _grow(points: Floats) -> list[Tree]:
    """Trees of ``n`` nets of ``k`` pins: ``points`` has shape ``[n, 2, k]``."""
    count, _, pins = points.shape
    nodes = max(1, 2 * pins - 1)
    at = np.zeros((count, 2, nodes))
    at[:, :, :pins] = points
    parent = np.full((count, nodes), -1)
    every = np.arange(count)
    # The edges so far, each named by its lower end; at first the root stands for one.
    edges = np.zeros((count, nodes), dtype=np.int64)
    # For each pin how near the tree is, and by which edge.
    distance = np.abs(points - points[:, :, :1]).sum(axis=1)
    nearest = np.zeros((count, pins), dtype=np.int64)
    joined = np.zeros((count, pins), dtype=bool)
    joined[:, 0] = True
    steiner = pins
    for step in range(pins - 1):
        pin = np.where(joined, np.inf, distance).argmin(axis=1)
        edge = nearest[every, pin]
        child = edges[every, edge]
        joined[every, pin] = True
        if step == 0:
            parent[every, pin] = 0
            edges[:, 0] = pin
            used = 1
        else:
            # The edge to `child` is cut at a new node, to which the pin goes.
            low, high = _box(at, parent, every, child)
            at[every, :, steiner] = np.clip(points[every, :, pin], low, high)
            parent[every, steiner] = parent[every, child]
            parent[every, child] = steiner
            parent[every, pin] = steiner
            edges[:, used], edges[:, used + 1] = steiner, pin
            used += 2
            steiner += 1
            # A part of an edge is no nearer than the edge was: only the pin's own can be.
            low, high = _box(at, parent, every, pin)
            closer = _away(points, low[:, :, None], high[:, :, None])
            found = closer < distance
            distance[found] = closer[found]
            nearest = np.where(found, used - 1, nearest)
        # Those whose nearest edge was cut look at all edges again.
        net, lost = np.nonzero((nearest == edge[:, None]) & ~joined)
        low, high = _box(at, parent, net[:, None], edges[net, :used])
        again = _away(
            points[net, :, lost][:, :, None], np.moveaxis(low, -1, 1), np.moveaxis(high, -1, 1)
        )
        nearest[net, lost] = again.argmin(axis=1)
        distance[net, lost] = again.min(axis=1)
    return [_tidy(at[net], parent[net], pins) for net in range(count)]


def _box(at: Floats, parent: Ints, net: Ints, lower: Ints) -> tuple[Floats, Floats]:
    """Lower left and upper right corners of edges; their last axis is x and y."""
    first, second = at[net, :, lower], at[net, :, parent[net, lower]]
    return np.minimum(first, second), np.maximum(first, second)


def _away(points: Floats, low: Floats, high: Floats) -> Floats:
    """Distance of points to boxes; x and y are on axis 1."""
    distance: Floats = np.abs(np.clip(points, low, high) - points).sum(axis=1)
    return distance


def _tidy(at: Floats, parent: Ints, pins: int) -> Tree:
    """Without Steiner points that lie where their parent does, or where a lone child does."""
    alias = np.arange(len(parent))
    same = (parent >= 0) & (at == at[:, parent]).all(axis=0)
    alias[pins:][same[pins:]] = parent[pins:][same[pins:]]
    for _ in range(len(parent)):  # chains of such points
        further = alias[alias]
        if (further == alias).all():
            break
        alias = further
    kept = np.flatnonzero((alias == np.arange(len(parent))) & _reached(parent, pins))
    number = np.full(len(parent), -1)
    number[kept] = np.arange(len(kept))
    above = parent[kept]
    return Tree(
        x=at[0, kept],
        y=at[1, kept],
        parent=np.where(above < 0, -1, number[alias[above]]),
    )


def _reached(parent: Ints, pins: int) -> NDArray[np.bool_]:
    """Pins, and nodes that are on the way from one to the root."""
    found = np.arange(len(parent)) < pins
    at = np.flatnonzero(found)
    while len(at):
        above = parent[at]
        at = np.unique(above[(above >= 0)])
        at = at[~found[at]]
        found[at] = True
    return found
