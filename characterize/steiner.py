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
    # The edges so far, each named by its lower end; the first stands for the root alone.
    edges = np.zeros((count, nodes), dtype=np.int64)
    joined = np.zeros((count, pins), dtype=bool)
    joined[:, 0] = True
    every = np.arange(count)
    used, steiner = 1, pins
    for step in range(pins - 1):
        lower = edges[:, :used]
        upper = np.where(parent[every[:, None], lower] < 0, lower, parent[every[:, None], lower])
        ends = [np.take_along_axis(at, each[:, None, :], axis=2) for each in (lower, upper)]
        low, high = np.minimum(*ends)[:, :, None], np.maximum(*ends)[:, :, None]
        near = np.clip(points[..., None], low, high)  # [n, 2, pin, edge]
        distance = np.abs(near - points[..., None]).sum(axis=1)
        distance[joined] = np.inf
        flat = distance.reshape(count, -1).argmin(axis=1)
        pin, edge = np.divmod(flat, used)
        child = lower[every, edge]
        # The edge to `child` is cut at a new node, to which the pin goes.
        new = np.full(count, steiner)
        at[every, :, new] = near[every, :, pin, edge]
        rooted = parent[every, child] < 0
        # At the root alone there is no edge to cut: the pin goes to the root itself.
        parent[every, new] = np.where(rooted, -1, parent[every, child])
        parent[every, child] = np.where(rooted, parent[every, child], new)
        parent[every, pin] = np.where(rooted, child, new)
        joined[every, pin] = True
        if step == 0:
            edges[:, 0] = pin
        else:
            edges[:, used], edges[:, used + 1] = new, pin
            used += 2
            steiner += 1
    return [_tidy(at[net], parent[net], pins) for net in range(count)]


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
