"""Counting mode ``timeloop``: what Timeloop reports for a mapping, in closed form.

Timeloop (Parashar et al., ISPASS 2019) walks through a loop nest with two iterations of each loop,
the second standing for all others, and takes what a level gets as the difference of two boxes. The
rules that follow from this, for factors that divide, seen in its source and its results:

- A tile is the box around its words: holes of strided windows and padding count.
- What is there already is kept over the innermost loop only, and over an outer one that moves the
  tile by as much, both counted from the second iteration. Else the whole tile comes again, unless
  it never moved.
- A read serves all instances below one level whose boxes are equal; where the network branches at
  two levels, each by itself.
- A neighbour that had the same box the step before hands it on (a *link transfer*): a read and a
  fill of the inner level instead of a read of the outer one.
- Of psums every arrival but the first is a fill of each instance; reads are updates less the sums
  that an instance has at all. What goes outwards is not read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.mapping import RELEVANT, Loop, Mapping
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError

Vector = tuple[int, ...]


@dataclass(frozen=True)
class _Axes:
    """Axes of a tensor: each a sum of dimensions times steps, as rows = stride P + dilation R."""

    terms: tuple[tuple[tuple[str, int], ...], ...]

    def extent(self, covers: dict[str, int]) -> Vector:
        """Size of the box that parts of the dimensions need."""
        return tuple(1 + sum((covers[d] - 1) * step for d, step in axis) for axis in self.terms)

    def shift(self, dimension: str, by: int) -> Vector:
        """How far the box goes when a dimension does."""
        return tuple(sum(by * step for d, step in axis if d == dimension) for axis in self.terms)


def _axes(shape: LayerShape, tensor: str) -> _Axes:
    plain = tuple(((d, 1),) for d in RELEVANT[tensor] if d not in "PQRS" or tensor != "ifmap")
    if tensor != "ifmap":
        return _Axes(plain)
    rows = (("P", shape.stride_height), ("R", shape.dilation_height))
    columns = (("Q", shape.stride_width), ("S", shape.dilation_width))
    return _Axes((*plain, rows, columns))


@dataclass(frozen=True)
class _Step:
    """Something that happens again and again to a tile: it moves, and words come.

    Attributes:
        times: how often.
        shift: from where the tile was.
        words: box of words that come; zeros if none.
        before: box of words that came the time before.
    """

    times: int
    shift: Vector
    words: Vector
    before: Vector


def _add(a: Vector, b: Vector, sign: int = 1) -> Vector:
    return tuple(x + sign * y for x, y in zip(a, b, strict=True))


def _steps(extent: Vector, loops: Sequence[tuple[int, Vector]], keeps: bool) -> list[_Step]:
    """Steps of a tile under temporal loops (count and shift, outermost first)."""
    still = (0,) * len(extent)
    first = _Step(1, still, extent, still)
    if not loops:
        return [first]
    *outer, (inner_count, inner_shift) = loops
    part = extent
    moved = [i for i, by in enumerate(inner_shift) if by]
    if keeps and not moved:
        part = still
    elif keeps:
        (axis,) = moved
        slab = min(abs(inner_shift[axis]), extent[axis])
        part = (*extent[:axis], slab, *extent[axis + 1 :])
    result = [first, _Step(inner_count - 1, inner_shift, part, extent)]
    times = 1
    for index, (count, shift) in enumerate(outer):
        move = shift
        for _, back in loops[index + 1 :]:
            move = _add(move, back, -1)
        words = part if keeps and move == inner_shift else extent
        result.append(_Step(times * (count - 1), move, words, part))
        result.append(_Step(times * (count - 1) * (inner_count - 1), inner_shift, part, words))
        times *= count
    return result


@dataclass(frozen=True)
class _Fanout:
    """Reads at a level: after multicast, for all who take them, and what neighbours hand on."""

    reads: int
    taken: int
    links: int


def _serve(steps: Sequence[_Step], offsets: Sequence[Vector], width: int) -> _Fanout:
    """Serve instances whose tiles lie at these offsets, ``width`` of them to a row of the mesh."""
    reads = taken = links = 0
    everyone = Counter(offsets)
    for step in steps:
        words = math.prod(step.words)
        if not words or not step.times:
            continue
        alone = [
            offset
            for index, offset in enumerate(offsets)
            if not _handed_on(step, offsets, index, width)
        ]
        groups = Counter(alone)
        if len(groups) < len(everyone):
            links += words * step.times * (len(offsets) - len(alone))
        else:
            groups = everyone
        reads += words * step.times * len(groups)
        taken += words * step.times * groups.total()
    return _Fanout(reads, taken, links)


def _handed_on(step: _Step, offsets: Sequence[Vector], index: int, width: int) -> bool:
    """A neighbour on the mesh had the same box the step before."""
    if step.words != step.before:
        return False
    wanted = _add(offsets[index], step.shift)
    column = index % width
    near = []
    if column > 0:
        near.append(index - 1)
    if column < width - 1:
        near.append(index + 1)
    near += [index - width, index + width]
    return any(0 <= other < len(offsets) and offsets[other] == wanted for other in near)


@dataclass(frozen=True, kw_only=True)
class TimeloopCounts:
    """What Timeloop reports of a tensor at a level, per instance."""

    tile: int
    instances: int
    reads: int
    updates: int
    fills: int


def count_like_timeloop(
    hierarchy: Hierarchy, shape: LayerShape, mapping: Mapping, tensor: str
) -> dict[int, TimeloopCounts]:
    """Counts of a tensor at each level that keeps it.

    Raises:
        InputError: if a dimension's iterations do not multiply to its size.
    """
    for name, size in shape.sizes.items():
        if mapping.iterations(name) != size:
            raise InputError(
                f"counting as timeloop needs factors that divide: the loops over {name} have "
                f"{mapping.iterations(name)} iterations together, the layer {size}"
            )
    axes = _axes(shape, tensor)
    levels = len(mapping.levels)
    covers = _covers(mapping)
    served = []
    for index in range(levels):
        steps = _steps(
            axes.extent(covers[index + 1]),
            _temporal(mapping, axes, covers, index),
            index < levels - 1,
        )
        offsets, width = _offsets(hierarchy, mapping, axes, covers, index)
        served.append(_serve(steps, offsets, width))
    return _collect(mapping, axes, covers, served, tensor)


def _covers(mapping: Mapping) -> list[dict[str, int]]:
    """What each level's tile covers of each dimension; at the end one product."""
    current = dict.fromkeys("NGMCPQRS", 1)
    found = [dict(current)]
    for level in reversed(mapping.levels):
        for name, count in level.temporal + level.spatial:
            current[name] *= count
        found.append(dict(current))
    return found[::-1]


def _shifts(loops: Sequence[Loop], inside: dict[str, int], axes: _Axes) -> list[tuple[int, Vector]]:
    """Count of each loop, and how far one iteration moves a tile."""
    current = dict(inside)
    found = []
    for name, count in reversed(loops):
        if count > 1:
            found.append((count, axes.shift(name, current[name])))
        current[name] *= count
    return found[::-1]


def _spatial_covers(mapping: Mapping, covers: list[dict[str, int]], index: int) -> dict[str, int]:
    """What all instances below a level cover together."""
    current = dict(covers[index + 1])
    for name, count in mapping.levels[index].spatial:
        current[name] *= count
    return current


def _temporal(
    mapping: Mapping, axes: _Axes, covers: list[dict[str, int]], index: int
) -> list[tuple[int, Vector]]:
    """Temporal loops of a level and those outside it."""
    found: list[tuple[int, Vector]] = []
    for level in range(index + 1):
        inside = _spatial_covers(mapping, covers, level)
        found += _shifts(mapping.levels[level].temporal, inside, axes)
    return found


def _offsets(
    hierarchy: Hierarchy, mapping: Mapping, axes: _Axes, covers: list[dict[str, int]], index: int
) -> tuple[list[Vector], int]:
    """Where the tiles of the instances below lie, and the width of the mesh.

    Instances are numbered through, and neighbours looked for as if all of a row were in use.
    """
    loops = mapping.levels[index]
    moves = _shifts(loops.y + loops.x, covers[index + 1], axes)
    offsets: list[Vector] = [(0,) * len(axes.terms)]
    for count, shift in moves:
        offsets = [
            _add(offset, tuple(i * by for by in shift)) for offset in offsets for i in range(count)
        ]
    return offsets, hierarchy.levels[index].fanout_x


def _collect(
    mapping: Mapping, axes: _Axes, covers: list[dict[str, int]],
    served: list[_Fanout], tensor: str,
) -> dict[int, TimeloopCounts]:  # fmt: skip
    levels = len(served)
    keeps = [tensor in loops.keeps for loops in mapping.levels]
    used = [math.prod(c for _, c in loops.spatial) for loops in mapping.levels]
    content: list[float] = [s.reads for s in served]
    links: list[float] = [s.links for s in served]
    for index in range(levels - 1, 0, -1):
        if not keeps[index]:
            outer = index - 1
            ratio = served[outer].reads / served[outer].taken
            content[outer] = content[index] * used[outer] * ratio
            links[outer] = 0
    outermost = keeps.index(True)
    parts = _parts(mapping, axes, covers)
    found = {}
    instances = 1
    for index in range(levels):
        if index:
            instances *= used[index - 1]
        if not keeps[index]:
            continue
        peer = links[index - 1] / instances if index > outermost else 0.0
        fills = served[index - 1].taken / used[index - 1] + peer if index > outermost else 0.0
        tile = math.prod(axes.extent(covers[index]))
        reads = content[index] + peer
        if tensor == "psum":
            reads -= parts[index]
            fills = max(0.0, fills - parts[index])
        found[index] = TimeloopCounts(
            tile=tile,
            instances=instances,
            reads=round(reads),
            updates=round(content[index]) if tensor == "psum" else 0,
            fills=int(fills),
        )
    return found


def _parts(mapping: Mapping, axes: _Axes, covers: list[dict[str, int]]) -> list[int]:
    """Words that an instance of each level sees at any time."""
    parts = [math.prod(axes.extent(covers[0]))]
    for index in range(1, len(mapping.levels)):
        whole = math.prod(axes.extent(_spatial_covers(mapping, covers, index - 1)))
        parts.append(parts[-1] * math.prod(axes.extent(covers[index])) // whole)
    return parts
