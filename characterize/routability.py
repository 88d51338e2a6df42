"""How crowded the routing of a placement would be, before anything is routed.

The edges of the Steiner trees are laid over a grid of tiles. A bent edge takes each of its two ways
with equal weight. A tile's congestion is the length of wire in one direction over that of its
tracks in it; that of a layout is the mean of its most crowded tiles (the measure of Wei et al.,
"GLARE: global and local wiring aware routability evaluation", DAC 2012: the average over the worst
half to five percent of edges). Pins, vias and power straps are in the share of the tracks that the
platform leaves free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from characterize.place import Placement
from characterize.platform import Platform
from characterize.steiner import Tree

Floats = NDArray[np.float64]

#: Edge of a tile in heights of a row: about 15 tracks of the densest layers, as routers take.
TILE_ROWS = 2
#: Share of the tiles, the most crowded ones, whose mean is the congestion.
WORST_SHARE = 0.02


def congestion(trees: Sequence[Tree], placement: Placement, platform: Platform) -> float:
    """Demand over capacity of the most crowded tiles, of the worse direction.

    Args:
        trees: of all nets, in um from the lower left corner of the core.
    """
    tile_um = TILE_ROWS * platform.row_um
    across, up = demand_um(trees, placement.width_um, placement.height_um, tile_um)
    area = math.prod(
        length_um / _tiles(length_um, tile_um)
        for length_um in (placement.width_um, placement.height_um)
    )
    tracks = platform.tracks_per_um
    return max(
        _worst(across) / (area * tracks["horizontal"]), _worst(up) / (area * tracks["vertical"])
    )


def demand_um(
    trees: Sequence[Tree], width_um: float, height_um: float, tile_um: float
) -> tuple[Floats, Floats]:
    """Length of horizontal and of vertical wire in each tile, shape ``[rows, columns]``, in um.

    Args:
        tile_um: edge of a tile, about: a whole number of them makes the core.
    """
    x0, x1, y0, y1 = (np.concatenate([part for tree in trees for part in (values(tree),)])
                      for values in (_from_x, _to_x, _from_y, _to_y))  # fmt: skip
    rows, columns = _tiles(height_um, tile_um), _tiles(width_um, tile_um)
    across = _spread(x0, x1, y0, columns, rows, width_um, height_um)
    across += _spread(x0, x1, y1, columns, rows, width_um, height_um)
    up = _spread(y0, y1, x0, rows, columns, height_um, width_um)
    up += _spread(y0, y1, x1, rows, columns, height_um, width_um)
    return across / 2, up.T / 2


def _from_x(tree: Tree) -> Floats:
    return tree.x[tree.parent >= 0]


def _to_x(tree: Tree) -> Floats:
    return tree.x[tree.parent[tree.parent >= 0]]


def _from_y(tree: Tree) -> Floats:
    return tree.y[tree.parent >= 0]


def _to_y(tree: Tree) -> Floats:
    return tree.y[tree.parent[tree.parent >= 0]]


def _tiles(length_um: float, tile_um: float) -> int:
    return max(1, round(length_um / tile_um))


def _spread(
    begin: Floats,
    end: Floats,
    at: Floats,
    along: int,
    aside: int,
    along_um: float,
    aside_um: float,
) -> Floats:
    """Length of straight pieces in tiles, shape ``[aside, along]``.

    Args:
        begin, end: of each piece, in the direction of ``along``, in either order.
        at: its place across that.
    """
    row = np.clip((at / aside_um * aside).astype(np.int64), 0, aside - 1)
    low, high = (np.clip(value / along_um * along, 0, along) for value in
                 (np.minimum(begin, end), np.maximum(begin, end)))  # fmt: skip
    # What lies left of a point is 1 in every tile before its own, a part of 1 in that, 0 behind:
    # the running sum of two steps. A piece is the difference of its ends.
    steps = np.zeros((aside, along + 2))
    for value, sign in ((high, 1.0), (low, -1.0)):
        tile = np.minimum(value.astype(np.int64), along)
        part = value - tile
        np.add.at(steps, (row, tile), sign * (part - 1))
        np.add.at(steps, (row, tile + 1), -sign * part)
    tiles: Floats = np.cumsum(steps, axis=1)[:, :along] * (along_um / along)
    return tiles


def _worst(demand: Floats) -> float:
    values = np.sort(demand, axis=None)[::-1]
    return float(values[: max(1, round(WORST_SHARE * len(values)))].mean())
