"""The map space of a layer on an accelerator, and what a search needs to know of it, as arrays.

The space: every way to split each dimension into factors over all slots, times the orders of
``ORDERS`` for the temporal loops of each level. A network has no temporal loops of its own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.accelerators.hierarchy import TENSORS, Hierarchy
from explorer.mapping import fast, ranks
from explorer.mapping.compiled import Floats, Integers
from explorer.mapping.counts import window_axis
from explorer.mapping.dataflow import DATAFLOWS, FREE
from explorer.mapping.fast import Choices, Found, Problem
from explorer.mapping.mapping import LevelLoops, Loop, Mapping
from explorer.mapping.ragged import Larger
from explorer.mapping.splits import Slot, hops, neighbours, slots_of, splits
from explorer.mapping.windows import largest_windows, window_rows
from explorer.networks.layer import DIMENSIONS, LayerShape

Keeps = tuple[tuple[str, ...], ...]

#: Orders of the temporal loops of a level that are tried, outermost first. What counts is which
#: tensor the innermost loops do not have (filter, ifmap, psum), and which window slides next.
ORDERS = ("GMCRSNQP", "GMCRSNPQ", "GCRSNQPM", "GCRSNPQM", "GNQPMRSC", "GNQPMCSR", "GNQPMCRS")
#: Pairs of levels between which a tensor moves: tensor, outer level, inner level (or their number),
#: and 1 if it is only about the network below the outer one.
Pair = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What words and time cost.

    Attributes:
        read_pj, write_pj: ``[levels, 3]``, for a value (not a memory word); columns ``TENSORS``;
            of psum for partial sums.
        whole_read_pj, whole_write_pj: of each level, for a finished sum.
        drain_pj: of each level, for a sum that goes outwards, beyond its read.
        hop_pj: ``[levels, 3]``, for a value through the network below.
        mac_pj: what a product costs whatever the mapping.
        cycle_pj: what each cycle costs, stalls included: leakage and clocks.
        packing: ``[levels, 3]``: values in a memory word; of psum partial sums.
        whole_packing: of each level, finished sums in a memory word; 0 if none come there.
        macs_per_cycle: of a MAC unit.
        held: tensors whose last word stays at the MAC unit.
    """

    read_pj: Floats
    write_pj: Floats
    whole_read_pj: Floats
    whole_write_pj: Floats
    drain_pj: Floats
    hop_pj: Floats
    mac_pj: float
    cycle_pj: float
    packing: Floats
    whole_packing: Floats
    macs_per_cycle: float = 1.0
    held: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Space:
    """A layer on a hierarchy.

    Attributes:
        hierarchy, shape: accelerator and layer.
        keeps: tensors that each level keeps.
        slots: places for loops.
        pairs: between which words move.
        choices: for the search.
        ragged: whether there are splits of larger sizes.
    """

    hierarchy: Hierarchy
    shape: LayerShape
    keeps: Keeps
    slots: tuple[Slot, ...]
    pairs: tuple[Pair, ...]
    choices: Choices
    ragged: bool

    @property
    def size(self) -> int:
        """Mappings in the space, those that do not fit included."""
        ways = np.diff(self.choices.first)
        return int(len(ORDERS) ** len(self.choices.ordered) * math.prod(int(w) for w in ways))

    @property
    def home(self) -> tuple[int, ...]:
        """Of each tensor the outermost level that keeps it."""
        return tuple(next(v for v, kept in enumerate(self.keeps) if t in kept) for t in TENSORS)

    @classmethod
    def of(
        cls, hierarchy: Hierarchy, shape: LayerShape, keeps: Keeps | None = None,
        dataflow: str = FREE, larger: Larger | None = None,
    ) -> Space:  # fmt: skip
        """The space of a layer.

        Args:
            hierarchy, shape: accelerator and layer.
            keeps: tensors that each level keeps, if optional ones pass by.
            dataflow: of ``DATAFLOWS``.
            larger: sizes of dimensions that are split beside the layer's own (``mapping.ragged``).
                Tiles and cycles are those of the larger sizes, words of the layer. A split of the
                layer's own sizes has the same number as without.
        """
        sizes = {name: (size, *(larger or {}).get(name, ())) for name, size in shape.sizes.items()}
        keeps = keeps or tuple(level.keeps for level in hierarchy.levels)
        slots = slots_of(hierarchy)
        pairs = _pairs(hierarchy, keeps)
        rule = DATAFLOWS[dataflow]
        allowed = {name: _allowed(name, slots, hierarchy, dataflow) for name in sizes}
        ways, moves, hops_of = zip(
            *(_of_sizes(sizes[name], allowed[name]) for name in sizes), strict=True
        )
        windows = (
            _windows(hierarchy, shape, sizes, slots, pairs, names, allowed)
            for names in (("P", "R"), ("Q", "S"))
        )
        (rows, row_tiles), (columns, column_tiles) = windows
        ordered = [i for i, level in enumerate(hierarchy.levels) if level.kind != "network"]
        choices = Choices(
            first=np.cumsum([0, *(len(w) for w in ways)]),
            splits=np.concatenate(ways),
            moves=np.concatenate(moves),
            hops=_in_one(hops_of),
            rows=rows,
            columns=columns,
            row_tiles=row_tiles,
            column_tiles=column_tiles,
            orders=np.array([[DIMENSIONS.index(d) for d in order] for order in ORDERS]),
            ordered=np.array(ordered),
            allowed=np.array(
                [
                    [rule.allows(order, v, hierarchy) for order in ORDERS]
                    for v in range(len(hierarchy.levels))
                ]
            ),
        )
        return cls(
            hierarchy=hierarchy, shape=shape, keeps=keeps, slots=slots, pairs=pairs,
            choices=choices, ragged=bool(larger),
        )  # fmt: skip

    def search(
        self, problem: Problem, objective: str, seed: int, runs: int, tries: int,
        temperatures: tuple[float, float], start: tuple[Integers, Integers] | None = None,
    ) -> Found:  # fmt: skip
        """Simulated annealing (``fast.anneal``).

        Args:
            problem: what ``problem`` says, or of another accelerator of the same levels.
            objective: of ``fast.OBJECTIVES``.
            seed: of the random numbers.
            runs, tries: runs, each from the best mapping of the one before, and moves of each.
            temperatures: first and last one, as logarithms of cost.
            start: splits and orders of the mapping to begin with; all loops in the outermost
                level if None.
        """
        ways, orders = start or (
            np.diff(self.choices.first) - 1,
            self.choices.allowed.argmax(axis=1),
        )
        number = fast.OBJECTIVES.index(objective)
        return fast.anneal(
            problem, self.choices, number, seed, runs, tries, *temperatures, ways, orders
        )

    def mapping(self, found: Found) -> Mapping:
        """The mapping that a search found."""
        return self.nest(found.ways, self.choices.orders[found.orders])

    def nest(self, ways: Integers, orders: Integers) -> Mapping:
        """The mapping of a split for each dimension and an order of the loops of each level.

        Args:
            ways: number of the split of each dimension.
            orders: ``[levels, 8]``: dimensions, the outermost first.
        """
        factors = self.choices.splits[self.choices.first[:-1] + ways]
        levels = []
        for index, kept in enumerate(self.keeps):
            parts: dict[str, tuple[Loop, ...]] = {"": (), "x": (), "y": ()}
            for number, slot in enumerate(self.slots):
                if slot.level == index:
                    parts[slot.axis] = tuple(
                        (DIMENSIONS[d], int(factors[d, number]))
                        for d in orders[index]
                        if factors[d, number] > 1
                    )
            levels.append(LevelLoops(temporal=parts[""], x=parts["x"], y=parts["y"], keeps=kept))
        return Mapping(tuple(levels))

    def packings(self, costs: Costs) -> tuple[Floats, Floats]:
        """Values in a memory word, ``[levels, 3]``, and finished sums; 0 of what is not kept."""
        kept = np.array([[t in names for t in TENSORS] for names in self.keeps])
        whole = np.where(kept[:, fast.PSUM], costs.whole_packing, 0.0)
        return np.where(kept, costs.packing, 0.0), whole

    def problem(self, costs: Costs) -> Problem:
        """What ``fast.evaluate`` needs to know."""
        levels = self.hierarchy.levels
        level_of = np.array([slot.level for slot in self.slots])
        prices = Prices.of(self.pairs, len(self.keeps), costs)
        fixed = prices.product * self.shape.macs + prices.sum * self.shape.ofmap_words
        rates = [(v.read_words_per_cycle or 0, v.write_words_per_cycle or 0) for v in levels]
        packing, whole = self.packings(costs)
        return Problem(
            sizes=np.array([self.shape.sizes[d] for d in DIMENSIONS]),
            slot_level=level_of,
            slot_most=np.array([slot.most for slot in self.slots]),
            temporal=np.array([slot.axis == "" for slot in self.slots]),
            multicast=np.array([levels[v].multicast for v in level_of]),
            pairs=np.array(self.pairs),
            prices=prices.pairs,
            held=np.array([t in costs.held for t in TENSORS]),
            fixed=np.array([fixed, costs.cycle_pj, costs.macs_per_cycle]),
            room=np.array([v.usable_words or 0 for v in levels]),
            packing=packing,
            whole=whole,
            rates=np.array(rates, float),
            saving=prices.saving,
            home=np.array(self.home),
            ragged=self.ragged,
        )


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Energies of what a mapping's words do, in pJ.

    Attributes:
        pairs: ``[pairs, 2]``: of a word that the outer level serves, and that the inner one takes.
        product, sum: of each product, and each sum, whatever the mapping.
        saving: of each level, as ``fast.Problem`` has it.
    """

    pairs: Floats
    product: float
    sum: float
    saving: Floats

    @classmethod
    def of(cls, pairs: tuple[Pair, ...], units: int, costs: Costs) -> Prices:
        """From costs of values; ``units`` is the number of levels."""
        prices = np.zeros((len(pairs), 2))
        home = next(outer for tensor, outer, _, _ in pairs if tensor == fast.PSUM)
        fixed = -float(costs.read_pj[home, fast.PSUM])
        saving = np.zeros(units)
        for k, (tensor, outer, inner, network) in enumerate(pairs):
            if network:
                prices[k, 0] = costs.hop_pj[outer, tensor]
                continue
            prices[k, 0] = costs.read_pj[outer, tensor]
            if tensor == fast.PSUM:
                prices[k, 0] += costs.write_pj[outer, tensor]
                if costs.whole_packing[outer]:
                    saving[outer] = costs.whole_write_pj[outer] - costs.write_pj[outer, tensor]
                    if outer != home:
                        saving[outer] += costs.whole_read_pj[outer] - costs.read_pj[outer, tensor]
            if inner < units:
                inwards = costs.drain_pj[inner], costs.write_pj[inner, tensor]
                prices[k, 1] = inwards[tensor != fast.PSUM]
        fixed += float(saving[home])
        saving[home] = 0.0
        return cls(pairs=prices, product=costs.mac_pj, sum=fixed, saving=saving)


def _pairs(hierarchy: Hierarchy, keeps: Keeps) -> tuple[Pair, ...]:
    found: list[Pair] = []
    for number, tensor in enumerate(TENSORS):
        levels = [i for i, kept in enumerate(keeps) if tensor in kept]
        for outer, inner in zip(levels, [*levels[1:], len(keeps)], strict=True):
            found.append((number, outer, inner, 0))
            found += [
                (number, branch, inner, 1)
                for branch in range(outer, inner)
                if hierarchy.levels[branch].fanout > 1
            ]
    return tuple(found)


def _allowed(
    dimension: str, slots: tuple[Slot, ...], hierarchy: Hierarchy, dataflow: str
) -> tuple[Slot, ...]:
    """The slots, with no iterations where a dataflow forbids them."""
    rule = DATAFLOWS[dataflow]
    return tuple(
        replace(slot, most=1) if rule.forbids(dimension, slot, hierarchy) else slot
        for slot in slots
    )


@functools.lru_cache(maxsize=256)
def _splits(size: int, slots: tuple[Slot, ...]) -> tuple[Integers, Integers]:
    ways = splits(size, slots)
    return ways, neighbours(ways, size)


@functools.lru_cache(maxsize=256)
def _of_sizes(sizes: tuple[int, ...], slots: tuple[Slot, ...]) -> tuple[Integers, ...]:
    """Splits of all sizes, the moves from each to others of its size, and hops to other sizes."""
    ways, moves = zip(*(_splits(size, slots) for size in sizes), strict=True)
    starts = np.cumsum([0, *(len(w) for w in ways)])
    shifted = [np.where(to < 0, to, to + start) for to, start in zip(moves, starts, strict=False)]
    return np.concatenate(ways), np.concatenate(shifted), hops(list(ways))


def _in_one(tables: Sequence[Integers]) -> Integers:
    """Tables of different widths one below the other, -1 beside the narrow ones."""
    width = max(table.shape[1] for table in tables)
    return np.concatenate(
        [np.pad(t, ((0, 0), (0, width - t.shape[1])), constant_values=-1) for t in tables]
    )


def _windows(
    hierarchy: Hierarchy,
    shape: LayerShape,
    sizes: dict[str, tuple[int, ...]],
    slots: tuple[Slot, ...],
    pairs: tuple[Pair, ...],
    names: tuple[str, str],
    allowed: dict[str, tuple[Slot, ...]],
) -> tuple[Integers, Integers]:
    """Words that move for each two splits of a window, and words of the tile at each level."""
    axis = window_axis(shape, names)
    second, _ = _splits(shape.sizes[names[1]], allowed[names[1]])
    level_of = np.array([slot.level for slot in slots])
    temporal = np.array([slot.axis == "" for slot in slots])
    one_read = ~temporal & np.array([hierarchy.levels[v].multicast for v in level_of])
    found, tiles = [], []
    for size in sizes[names[0]]:
        first, _ = _splits(size, allowed[names[0]])
        of_size = axis._replace(sizes=np.array([size, axis.sizes[1]]))
        rows = np.zeros((len(first), len(second), len(pairs), 6), np.int64)
        for k, (tensor, outer, inner, _) in enumerate(pairs):
            if tensor == fast.IFMAP:
                above = level_of < inner
                factors, where = _both(first[:, above], second[:, above])
                together = (one_read & (level_of >= outer))[above]
                rows[:, :, k] = window_rows(of_size, factors, temporal[above], together)[where]
        found.append(rows)
        tiles.append(_tiles(first, second, level_of, of_size, hierarchy))
    return np.concatenate(found), np.concatenate(tiles)


def _tiles(
    first: Integers,
    second: Integers,
    level_of: NDArray[np.int64],
    axis: ranks.Axis,
    hierarchy: Hierarchy,
) -> Integers:
    """Words of a window's tile, ``[ways of the first, ways of the second, levels]``."""
    found = []
    for v in range(len(hierarchy.levels)):
        inside = level_of >= v
        tiles, where = _both(*(ways[:, inside].prod(axis=1)[:, None] for ways in (first, second)))
        found.append(largest_windows(axis, tiles[:, :, 0])[where])
    return np.stack(found, axis=2)


def _both(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    """Each different row of the first with each of the second, and where each two rows are."""
    one, of_one = np.unique(first, axis=0, return_inverse=True)
    two, of_two = np.unique(second, axis=0, return_inverse=True)
    both = np.stack([np.repeat(one, len(two), axis=0), np.tile(two, (len(one), 1))], axis=1)
    return both, of_one.reshape(-1, 1) * len(two) + of_two.reshape(1, -1)
