"""How often each level is read and written under a mapping, in closed form.

Two counting modes, named in every result:

- ``exact``: each word that is moved. At any moment an instance of a level holds the words of a
  tensor that the loops inside it touch. When a loop outside goes on, words that are needed next
  and are not there come from the nearest outer level that keeps the tensor: one read for all
  instances that take the same word at that moment, where the network below that level multicasts.
  Words that are not needed next are dropped; those of ``psum`` go outwards, are added up with the
  same sums of other instances on their way, and then to what is stored there; no sum comes back.
  MAC units hold nothing, but for tensors that are said to be *held*: of these each keeps the word
  of its last product. An instance that has nothing to do at a ragged edge holds nothing.
  Padding is never stored nor moved, and neither are words between strided windows.
- ``timeloop``: as Timeloop counts (``explorer.mapping.timeloop_counts``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.accelerators.hierarchy import TENSORS, Hierarchy
from explorer.mapping import ranks
from explorer.mapping.mapping import RELEVANT, Mapping
from explorer.mapping.timeloop_counts import count_like_timeloop
from explorer.networks.layer import DIMENSIONS, LayerShape
from rtl_gen.errors import require_choice

MODES = ("exact", "timeloop")


@dataclass(frozen=True, kw_only=True)
class LevelCounts:
    """What happens at one level with one tensor, in words (values), of all its instances together.

    Attributes:
        level: position in the hierarchy.
        tensor: ``ifmap``, ``filter`` or ``psum``.
        tile: the most words of the tensor that an instance holds at once.
        instances: that take part.
        fills: words written that come from outside, or from a neighbour.
        reads: words read for the levels inside, or the MAC units; a multicast is one.
        updates: sums that come from inside and are written.
        accumulations: sums read because an update is added to them.
        drains: sums read because they go outwards.
    """

    level: int
    tensor: str
    tile: int
    instances: int
    fills: int = 0
    reads: int = 0
    updates: int = 0
    accumulations: int = 0
    drains: int = 0

    @property
    def read_words(self) -> int:
        """All words that are read."""
        return self.reads + self.accumulations + self.drains

    @property
    def written_words(self) -> int:
        """All words that are written."""
        return self.fills + self.updates


@dataclass(frozen=True, kw_only=True)
class NetworkCounts:
    """Words of a tensor that come to, or from, the instances below a level.

    Attributes:
        level: position in the hierarchy; it has several instances below.
        tensor: ``ifmap``, ``filter`` or ``psum``.
        words: a multicast, and a sum added up on its way, is one.
    """

    level: int
    tensor: str
    words: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a layer does on an accelerator under a mapping.

    Attributes:
        mode: how it was counted.
        macs: multiply-accumulates.
        steps: moments, of one product for each MAC unit at most.
        levels: outermost first, tensors in their order.
        network: likewise, of mode ``exact``; at each branch on the way of a word.
    """

    mode: str
    macs: int
    steps: int
    levels: tuple[LevelCounts, ...]
    network: tuple[NetworkCounts, ...] = ()

    def of(self, level: int, tensor: str) -> LevelCounts:
        """The counts of a tensor at a level that keeps it."""
        return next(c for c in self.levels if c.level == level and c.tensor == tensor)


def count(
    hierarchy: Hierarchy,
    shape: LayerShape,
    mapping: Mapping,
    mode: str = "exact",
    held: Sequence[str] = (),
    resident: Sequence[str] = (),
) -> Counts:
    """Count what a layer does on a hierarchy under a mapping; whether tiles fit is not looked at.

    Args:
        hierarchy, shape, mapping: accelerator, layer and loops.
        mode: one of ``MODES``.
        held: tensors whose last word stays at the MAC unit; mode ``exact``.
        resident: tensors that the outermost level of the mapping does not keep: the next one that
            does has all of them, before the layer or, of psum, behind it; mode ``exact``.

    Raises:
        InputError: if the mapping is not one of this layer on this hierarchy, or the mode is none.
    """
    require_choice("mode", mode, MODES)
    mapping.check(hierarchy, shape, resident)
    nest = _Nest.of(mapping)
    levels: list[LevelCounts] = []
    network: list[NetworkCounts] = []
    for tensor in TENSORS:
        if mode == "timeloop":
            levels += _as_timeloop(hierarchy, shape, mapping, tensor)
        else:
            at, between = _exact(hierarchy, shape, mapping, nest, tensor, tensor in held)
            levels += at
            network += between
    levels.sort(key=lambda c: (c.level, TENSORS.index(c.tensor)))
    network.sort(key=lambda c: (c.level, TENSORS.index(c.tensor)))
    steps = math.prod(_steps(shape, nest, name) for name in DIMENSIONS)
    return Counts(
        mode=mode, macs=shape.macs, steps=steps, levels=tuple(levels), network=tuple(network)
    )


@dataclass(frozen=True)
class _Nest:
    """All loops above the MAC units, outermost first.

    Attributes:
        name, count: of each loop.
        spatial: over instances.
        level: that the loop belongs to.
        tile: what an iteration covers of its dimension.
    """

    name: tuple[str, ...]
    count: tuple[int, ...]
    spatial: tuple[bool, ...]
    level: tuple[int, ...]
    tile: tuple[int, ...]

    @classmethod
    def of(cls, mapping: Mapping) -> _Nest:
        rows = []
        for index, loops in enumerate(mapping.levels):
            rows += [(name, count, False, index) for name, count in loops.temporal if count > 1]
            rows += [(name, count, True, index) for name, count in loops.spatial if count > 1]
        tiles: list[int] = []
        covered = dict.fromkeys(DIMENSIONS, 1)
        for name, count, _, _ in reversed(rows):
            tiles.append(covered[name])
            covered[name] *= count
        return cls(
            tuple(row[0] for row in rows),
            tuple(row[1] for row in rows),
            tuple(row[2] for row in rows),
            tuple(row[3] for row in rows),
            tuple(reversed(tiles)),
        )

    def instances(self, level: int) -> int:
        """Instances of a level that take part."""
        return math.prod(
            count
            for count, spatial, at in zip(self.count, self.spatial, self.level, strict=True)
            if spatial and at < level
        )


def _axes(tensor: str) -> tuple[tuple[str, ...], ...]:
    """Axes of a tensor, windows as pairs, and after them the dimensions that it does not have."""
    windows = (("P", "R"), ("Q", "S")) if tensor == "ifmap" else ()
    paired = "".join(name for pair in windows for name in pair)
    plain = tuple((name,) for name in RELEVANT[tensor] if name not in paired)
    return (*plain, *windows, *((name,) for name in DIMENSIONS if name not in RELEVANT[tensor]))


@dataclass(frozen=True)
class _Traffic:
    """Tables of all axes of a tensor, between a level and the one that serves it.

    Attributes:
        axes: of the tensor.
        tables: of each axis, ``ranks.axis_table``.
        loops: dimensions of the temporal loops outside the level, outermost first.
    """

    axes: tuple[tuple[str, ...], ...]
    tables: list[ranks.Table]
    loops: list[str]

    def product(self, cuts: list[int], own: int, column: int) -> int:
        """Words, over all axes; ``own`` is the axis whose loop goes on, or -1."""
        return math.prod(
            int(table[cut, int(axis == own), column])
            for axis, (table, cut) in enumerate(zip(self.tables, cuts, strict=True))
        )

    def steps(self) -> Iterator[tuple[list[int], int]]:
        """Each temporal loop: how many loops of each axis are outside it, and its own axis."""
        cuts = [0] * len(self.axes)
        for name in self.loops:
            own = next(i for i, axis in enumerate(self.axes) if name in axis)
            yield cuts, own
            cuts[own] += 1

    def moved(self, moving: int, staying: int) -> int:
        """Words that come (``NOW`` without ``BOTH``) or go (``BEFORE`` without it), in all."""
        total = self.product([0] * len(self.axes), -1, moving)
        for cuts, own in self.steps():
            total += self.product(cuts, own, moving) - self.product(cuts, own, staying)
        return total

    def every_moment(self, column: int) -> int:
        """Sum over all moments, whether a word stays or not."""
        return self.product([len(table) - 1 for table in self.tables], -1, column)


def _exact(
    hierarchy: Hierarchy,
    shape: LayerShape,
    mapping: Mapping,
    nest: _Nest,
    tensor: str,
    held: bool,
) -> tuple[list[LevelCounts], list[NetworkCounts]]:
    keeps = [i for i, loops in enumerate(mapping.levels) if tensor in loops.keeps]
    levels: list[LevelCounts] = []
    network: list[NetworkCounts] = []
    arrivals = 0 if tensor != "psum" else shape.ofmap_words
    drains = 0
    for outer, inner in zip(keeps, [*keeps[1:], None], strict=True):
        traffic = _traffic(hierarchy, shape, nest, tensor, outer, inner)
        words = _served(traffic, tensor, inner is not None or held)
        kinds = {"reads": words, "fills": arrivals}
        if tensor == "psum":
            kinds = {"updates": words, "accumulations": words - arrivals, "drains": drains}
        levels.append(
            LevelCounts(
                level=outer,
                tensor=tensor,
                tile=tile_words(shape, mapping, tensor, outer if levels else 0),
                instances=nest.instances(outer),
                **kinds,
            )
        )
        for branch in range(outer, len(mapping.levels) if inner is None else inner):
            if hierarchy.levels[branch].fanout > 1:
                below = _traffic(hierarchy, shape, nest, tensor, branch, inner)
                words = _served(below, tensor, inner is not None or held)
                network.append(NetworkCounts(level=branch, tensor=tensor, words=words))
        if inner is not None:
            arrivals = drains = traffic.moved(ranks.NOW, ranks.BOTH)
    return levels, network


def _served(traffic: _Traffic, tensor: str, stays: bool) -> int:
    """Words that an outer level serves; with ``stays`` those alone that are new, or leave."""
    if not stays:
        return traffic.every_moment(ranks.ANY_NOW)
    if tensor == "psum":
        return traffic.moved(ranks.ANY_BEFORE, ranks.HAD_BEFORE)
    return traffic.moved(ranks.ANY_NOW, ranks.HAD_NOW)


def _as_timeloop(
    hierarchy: Hierarchy, shape: LayerShape, mapping: Mapping, tensor: str
) -> list[LevelCounts]:
    found = []
    for level, c in count_like_timeloop(hierarchy, shape, mapping, tensor).items():
        reads = "accumulations" if tensor == "psum" else "reads"
        found.append(
            LevelCounts(
                level=level,
                tensor=tensor,
                tile=c.tile,
                instances=c.instances,
                fills=c.fills * c.instances,
                updates=c.updates * c.instances,
                **{reads: c.reads * c.instances},
            )
        )
    return found


def sums_that_come(hierarchy: Hierarchy, shape: LayerShape, mapping: Mapping, level: int) -> int:
    """Sums that become part of a level's tile of psum: more than there are if some come back."""
    traffic = _traffic(hierarchy, shape, _Nest.of(mapping), "psum", 0, level)
    return traffic.moved(ranks.NOW, ranks.BOTH)


def tile_words(shape: LayerShape, mapping: Mapping, tensor: str, level: int) -> int:
    """The most words of a tensor that an instance of a level holds at once; no padding."""
    inner = dict.fromkeys(DIMENSIONS, 1)
    for loops in mapping.levels[level:]:
        for name, iterations in loops.temporal + loops.spatial:
            inner[name] *= iterations
    total = 1
    for axis in _axes(tensor):
        if axis[0] not in RELEVANT[tensor]:
            continue
        tiles = [min(inner[name], shape.sizes[name]) for name in axis]
        if len(axis) == 1:
            total *= tiles[0]
            continue
        total *= int(ranks.largest_window(window_axis(shape, axis), _integers(tiles)))
    return total


def _steps(shape: LayerShape, nest: _Nest, name: str) -> int:
    """Moments of one dimension: iterations of its temporal loops, with ragged edges."""
    chosen = [k for k in range(len(nest.name)) if nest.name[k] == name]
    kinds = [ranks.TOGETHER if nest.spatial[k] else ranks.TEMPORAL for k in chosen]
    table = _axis_table(shape, nest, (name,), chosen, kinds, ranks.IRRELEVANT)
    return int(table[-1, 0, ranks.ANY_NOW])


def _traffic(
    hierarchy: Hierarchy, shape: LayerShape, nest: _Nest, tensor: str, outer: int, inner: int | None
) -> _Traffic:
    """Tables of what goes from one level to an inner one, or to the MAC units (None)."""
    depth = len(nest.name) if inner is None else sum(level < inner for level in nest.level)
    tables = []
    for axis in _axes(tensor):
        chosen = [k for k in range(depth) if nest.name[k] in axis]
        kinds = [
            ranks.TEMPORAL
            if not nest.spatial[k]
            else ranks.TOGETHER
            if nest.level[k] >= outer and hierarchy.levels[nest.level[k]].multicast
            else ranks.APART
            for k in chosen
        ]
        what = ranks.WINDOW if len(axis) > 1 else ranks.PLAIN
        if axis[0] not in RELEVANT[tensor]:
            what = ranks.IRRELEVANT
        tables.append(_axis_table(shape, nest, axis, chosen, kinds, what))
    loops = [nest.name[k] for k in range(depth) if not nest.spatial[k]]
    return _Traffic(_axes(tensor), tables, loops)


def _axis_table(
    shape: LayerShape,
    nest: _Nest,
    axis: tuple[str, ...],
    chosen: list[int],
    kinds: list[int],
    what: int,
) -> ranks.Table:
    loops = ranks.Loops(
        kind=_integers(kinds),
        dim=_integers([axis.index(nest.name[k]) for k in chosen]),
        times=_integers([nest.count[k] for k in chosen]),
        tile=_integers([nest.tile[k] for k in chosen]),
    )
    if what == ranks.WINDOW:
        return ranks.axis_table(window_axis(shape, axis), loops)
    size = shape.sizes[axis[0]]
    return ranks.axis_table(ranks.Axis(what, _integers([size, 1]), 1, 1, 0, size), loops)


def window_axis(shape: LayerShape, names: tuple[str, ...]) -> ranks.Axis:
    """The window of P and R, or of Q and S, and where its words begin and end."""
    top, _, left, _ = shape.padding
    sizes = _integers([shape.sizes[name] for name in names])
    if names[0] == "P":
        steps = shape.stride_height, shape.dilation_height
        return ranks.Axis(ranks.WINDOW, sizes, *steps, top, top + shape.height)
    steps = shape.stride_width, shape.dilation_width
    return ranks.Axis(ranks.WINDOW, sizes, *steps, left, left + shape.width)


def _integers(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)
