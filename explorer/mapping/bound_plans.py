"""What a layer's mappings cost as sums of products: plans, axes and columns.

See ``explorer.mapping.bound``, whose search goes over them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.mapping.bound_sums import Model, cost_of
from explorer.mapping.compiled import Floats, Integers, compiled
from explorer.mapping.fast import (
    FILTER,
    HAS,
    IFMAP,
    OBJECTIVES,
    PSUM,
    C,
    G,
    M,
    N,
    P,
    Problem,
    Q,
    R,
    S,
)
from explorer.mapping.mapping import Mapping
from explorer.mapping.space import Costs, Space

#: Axes, whose splits are chosen together.
AXES = ((N,), (G,), (M,), (C,), (P, R), (Q, S))
#: Which tensor passes a level: no one, or all, because it has no temporal loops.
NOBODY, ALL = -1, 3
_NO_SLIDE = -1
#: Any slide is possible: what is not decided.
_BEST_SLIDE = -2


class State(NamedTuple):
    """What the temporal loops of a level do.

    Attributes:
        owner: tensor whose irrelevant loops are innermost, or -1.
        passes: tensor for which there are only such loops; ``NOBODY``, ``ALL``.
        slide: dimension of the loop that moves the ifmap's window, or ``_NO_SLIDE``.
    """

    owner: int
    passes: int
    slide: int


class Axis(NamedTuple):
    """Choices of an axis.

    Attributes:
        dims: one or two dimensions, the second -1 where there is one.
        ways: ``[choices, 2]``: split of each dimension.
        factors: ``[choices, 2, slots]``.
        windows: ``[choices, pairs, 6]`` of the ifmap's pairs.
        fixed: ``[choices, fixed columns]``: tiles and instances, whatever the plan.
    """

    dims: Integers
    ways: Integers
    factors: Integers
    windows: Integers
    fixed: Floats


class _Under(NamedTuple):
    """What a plan says of traffic.

    Attributes:
        inside: ``[pairs, slots]``: a pair's irrelevant loops in the slot do not move its words.
        slide_slot, slide_dim: of each pair: loop that slides the window.
        forbidden: ``[slots, 8]``: dimensions that have no loop in a slot.
    """

    inside: Integers
    slide_slot: Integers
    slide_dim: Integers
    forbidden: Integers


@compiled
def _allowed(axis: Axis, under: _Under, row: int) -> bool:
    for i in range(2):
        for s in range(len(under.forbidden)):
            if axis.factors[row, i, s] > 1 and under.forbidden[s, axis.dims[i]]:
                return False
    return True


@compiled
def _window(axis: Axis, under: _Under, row: int, k: int) -> tuple[float, float]:
    """Words of a window that are served and taken."""
    words = axis.windows[row, k]
    slide = under.slide_dim[k]
    if slide == _BEST_SLIDE:
        return words[1] - max(words[3], words[5]), words[0] - max(words[2], words[4])
    for i in range(2):
        if slide == axis.dims[i] and axis.factors[row, i, under.slide_slot[k]] > 1:
            return words[1] - words[3 + 2 * i], words[0] - words[2 + 2 * i]
    return words[1], words[0]


@compiled
def _words(axis: Axis, problem: Problem, under: _Under, row: int, k: int) -> tuple[float, float]:
    """An axis' part of the words that a pair serves and takes."""
    tensor, outer, inner = problem.pairs[k, 0], problem.pairs[k, 1], problem.pairs[k, 2]
    served = taken = 1.0
    for i in range(2):
        d = axis.dims[i]
        if d >= 0 and HAS[tensor, d] == 1:
            served *= problem.sizes[d]
            taken *= problem.sizes[d]
        elif d >= 0 and HAS[tensor, d] == 0:
            for s in range(len(problem.temporal)):
                if problem.slot_level[s] < inner and not under.inside[k, s]:
                    factor = axis.factors[row, i, s]
                    taken *= factor
                    apart = problem.slot_level[s] < outer or not problem.multicast[s]
                    if problem.temporal[s] or apart:
                        served *= factor
    if HAS[tensor, axis.dims[0]] == 2:
        return _window(axis, under, row, k)
    return served, taken


@compiled
def _shares(axis: Axis, problem: Problem, row: int, shares: Floats) -> float:
    """Instances of each level into ``shares``; moments."""
    moments = 1.0
    shares[0] = 1.0
    s = 0
    for level in range(len(problem.room)):
        shares[level + 1] = shares[level]
        while s < len(problem.temporal) and problem.slot_level[s] == level:
            factor = axis.factors[row, 0, s] * axis.factors[row, 1, s]
            if problem.temporal[s]:
                moments *= factor
            else:
                shares[level + 1] *= factor
            s += 1
    return moments


@compiled
def _fill(
    values: Floats, first: int, axis: Axis, problem: Problem, under: _Under, columns: Integers,
    rows: Integers,
) -> int:  # fmt: skip
    """Vectors of an axis under a plan, for some rows; how many rows the plan allows.

    ``rows`` is shortened to them. ``columns`` ``[terms, 3]``: pair (-1 for moments), 0 for words
    served and 1 for words taken, level by whose instances they are divided.
    """
    kept = 0
    words = np.zeros((len(problem.pairs), 2))
    shares = np.zeros(len(problem.room) + 1)
    for row in rows:
        if not _allowed(axis, under, row):
            continue
        for k in range(len(problem.pairs)):
            words[k] = _words(axis, problem, under, row, k)
        moments = _shares(axis, problem, row, shares)
        out = values[first + row]
        # Where only padding comes, next to nothing, whose logarithm can be taken.
        for c in range(len(columns)):
            k, which, level = columns[c]
            out[c] = moments if k < 0 else max(words[k, which] / shares[level], 1e-26)
        for c in range(axis.fixed.shape[1]):
            out[len(columns) + c] = max(axis.fixed[row, c], 1e-26)
        rows[kept] = row
        kept += 1
    return kept


def _axis(space: Space, problem: Problem, dims: tuple[int, ...]) -> Axis:
    """All choices of an axis that fit alone."""
    starts = space.choices.first
    ways = [space.choices.splits[starts[d] : starts[d + 1]] for d in range(8)]
    first, second = dims[0], dims[-1]
    if len(dims) == 1:
        pick = np.stack([np.arange(len(ways[first])), np.zeros(len(ways[first]), np.int64)], axis=1)
        factors = np.stack([ways[first], np.ones_like(ways[first])], axis=1)
    else:
        grid = np.meshgrid(np.arange(len(ways[first])), np.arange(len(ways[second])), indexing="ij")
        pick = np.stack([part.ravel() for part in grid], axis=1)
        used = ways[first][pick[:, 0]] * ways[second][pick[:, 1]]
        pick = pick[(problem.temporal | (used <= problem.slot_most)).all(axis=1)]
        factors = np.stack([ways[first][pick[:, 0]], ways[second][pick[:, 1]]], axis=1)
    windows = np.zeros((len(pick), len(problem.pairs), 6), np.int64)
    heights = np.ones((len(pick), len(problem.room)), np.int64)
    if len(dims) == 2:
        choices = space.choices
        tables = (choices.rows, choices.row_tiles)
        if first == Q:
            tables = (choices.columns, choices.column_tiles)
        windows = np.ascontiguousarray(tables[0][pick[:, 0], pick[:, 1]])
        heights = tables[1][pick[:, 0], pick[:, 1]]
    fixed = []
    for level, tensor in _tiles(problem):
        words = np.ones(len(pick))
        for i, d in enumerate(dims):
            if HAS[tensor, d] == 1:
                words *= factors[:, i, problem.slot_level >= level].prod(axis=1)
        if HAS[tensor, first] == 2:
            words *= heights[:, level]
        fixed.append(words)
    fixed += [factors[:, :, s].prod(axis=1).astype(float) for s in _spatial(problem)]
    fixed.append(np.ones(len(pick)))  # for constants
    numbers = np.array([first, second if len(dims) == 2 else -1])
    return Axis(
        numbers,
        pick,
        np.ascontiguousarray(factors),
        windows,
        np.array(fixed).T.reshape(len(pick), -1),
    )


def _tiles(problem: Problem) -> list[tuple[int, int]]:
    """Level and tensor of each tile that needs room."""
    return [
        (level, tensor)
        for level in range(len(problem.room))
        for tensor in range(3)
        if problem.room[level] > 0 and problem.packing[level, tensor] > 0
    ]


def _most_packed(problem: Problem, level: int, tensor: int) -> float:
    """Values in a memory word at most: of sums, as if all were finished."""
    packing = float(problem.packing[level, tensor])
    return max(packing, float(problem.whole[level])) if tensor == PSUM else packing


def _spatial(problem: Problem) -> list[int]:
    return [s for s in range(len(problem.temporal)) if not problem.temporal[s]]


class _Terms:
    """Columns of the products of a plan: words of pairs, divided by instances, and moments."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.found: list[tuple[int, int, int]] = []
        self.energy: dict[int, float] = {}
        self.delays: list[dict[int, float]] = [
            {self._place(-1, 0, 0): 1.0 / float(problem.fixed[2])}
        ]
        self.offsets = [0.0]
        for k in range(len(problem.pairs)):
            for which in (0, 1):
                self._add(self.energy, k, which, 0, float(problem.prices[k, which]))
        for level in range(len(problem.room)):
            for writes in (False, True):
                self._add_rate(level, writes)

    def _place(self, pair: int, which: int, level: int) -> int:
        if pair >= 0 and which == 1:
            _, outer, inner, _ = self._problem.pairs[pair]
            at = self._problem.slot_level
            shared = (
                ~self._problem.temporal & self._problem.multicast & (at >= outer) & (at < inner)
            )
            which = int(shared.any())
        if pair >= 0 and not (~self._problem.temporal & (self._problem.slot_level < level)).any():
            level = 0
        key = (pair, which, level)
        if key not in self.found:
            self.found.append(key)
        return self.found.index(key)

    def _add(self, into: dict[int, float], pair: int, which: int, level: int, price: float) -> None:
        if price > 0:
            place = self._place(pair, which, level)
            into[place] = into.get(place, 0.0) + price

    def _add_rate(self, level: int, writes: bool) -> None:
        """What ``fast.evaluate`` says of the words that a level reads or writes."""
        problem = self._problem
        rate = float(problem.rates[level, int(writes)])
        if rate <= 0:
            return
        row: dict[int, float] = {}
        offset = 0.0
        sums = float(np.prod(problem.sizes[[N, G, M, P, Q]]))
        for k, (tensor, outer, inner, network) in enumerate(problem.pairs):
            if network:
                continue
            per_word = rate * float(problem.packing[outer, tensor])
            if outer == level and (tensor == PSUM or not writes):
                self._add(row, k, 0, level, 1 / per_word)
                if tensor == PSUM and not writes and level == 0:
                    offset = sums / per_word
                elif tensor == PSUM and problem.whole[level] > 0:
                    # Finished sums take fewer memory words than partial ones.
                    offset = max(0.0, sums / per_word - sums / (rate * problem.whole[level]))
            if inner == level and tensor != PSUM and writes:
                self._add(row, k, 1, level, 1 / (rate * float(problem.packing[inner, tensor])))
        if row:
            self.delays.append(row)
            self.offsets.append(offset)


class Tree:
    """Axes, columns and plans of a layer, and the search over them."""

    def __init__(self, space: Space, costs: Costs, objective: str) -> None:
        self.space = space
        self.problem = space.problem(costs)
        self.objective = OBJECTIVES.index(objective)
        self._terms = _Terms(self.problem)
        self._columns = np.array(self._terms.found, np.int64)
        self._axes = [_axis(space, self.problem, dims) for dims in AXES]
        self._first = np.cumsum([0] + [len(axis.ways) for axis in self._axes])
        self._slots = [s for s in range(len(self.problem.temporal)) if self.problem.temporal[s]]
        self._resize()
        self._longest = max(len(axis.ways) for axis in self._axes)
        self.lists = np.zeros((len(self._axes), self._longest), np.int64)
        self.sizes = np.array([len(axis.ways) for axis in self._axes])
        for a, axis in enumerate(self._axes):
            self.lists[a, : len(axis.ways)] = self._first[a] + np.arange(len(axis.ways))
        self.fill({}, self.lists, self.sizes)
        self._fold()
        self._resize()
        self.states = [self._states(s) for s in self._slots]
        self.fill({}, self.lists, self.sizes)
        self._least, self._mean = np.ones(self._width), np.zeros(self._width)
        for a in range(len(AXES)):
            part = slice(self._first[a], self._first[a + 1])
            self._least *= self.values[part].min(axis=0)
            self._mean += self.logs[part].mean(axis=0)
        self.cut()

    def _resize(self) -> None:
        self._width = len(self._columns) + self._axes[0].fixed.shape[1]
        self.values = np.ones((self._first[-1], self._width))
        self.logs = np.zeros_like(self.values)

    def _fold(self) -> None:
        """Rows of the cost over the columns, without what is the same for all mappings."""
        terms, problem = self._terms, self.problem
        energy, delays = np.zeros(len(terms.found)), np.zeros((len(terms.delays), len(terms.found)))
        for place, price in terms.energy.items():
            energy[place] = price
        for j, row in enumerate(terms.delays):
            for place, price in row.items():
                delays[j, place] = price
        sums = float(np.prod(problem.sizes[[N, G, M, P, Q]]))
        # As if sums were finished wherever that costs less.
        self._whole = float(problem.fixed[0] + np.minimum(problem.saving, 0).sum() * sums)
        self._cycle = float(problem.fixed[1])
        self._offsets = np.array(terms.offsets)
        for c, (pair, _, _) in enumerate(terms.found):
            # Words that MAC units hold depend on orders, which are not decided yet.
            tensor, _, inner, _ = problem.pairs[pair]
            alone = pair < 0 or (inner == len(problem.room) and not problem.held[tensor])
            parts = [self.values[self._first[a] : self._first[a + 1], c] for a in range(len(AXES))]
            if alone and all((part == part[0]).all() for part in parts):
                number = float(np.prod([part[0] for part in parts]))
                self._whole += energy[c] * number
                self._offsets -= delays[:, c] * number
                energy[c], delays[:, c] = 0.0, 0.0
        delayed = self.objective > 0 or self._cycle > 0
        used = np.zeros(len(energy), bool)
        if self.objective != 1:
            used |= energy > 0
        if delayed:
            used |= (delays > 0).any(axis=0)
        self._columns = self._columns[used]
        self._energy, self._delays = energy[used], delays[:, used]
        self._pairs_used = sorted({int(k) for k in self._columns[:, 0] if k >= 0})

    def _slides(self, dims: tuple[int, ...]) -> list[int]:
        """Dimensions whose loops let words of a window stay; one at least."""
        found = []
        for axis in self._axes[4:]:
            for i in range(2):
                if axis.dims[i] in dims and axis.windows[:, :, 2 + 2 * i].any():
                    found.append(int(axis.dims[i]))
        return found or [_NO_SLIDE]

    def _states(self, slot: int) -> list[State]:
        """States of a level's loops that differ for the tensors that see them."""
        level, levels = self.problem.slot_level[slot], len(self.problem.room)
        pairs, held = self.problem.pairs[self._pairs_used], self.problem.held
        seen = {int(t) for t, _, inner, _ in pairs if level < inner and (inner < levels or held[t])}
        slides = {
            IFMAP: self._slides((P, Q, R, S)), FILTER: self._slides((P, Q)),
            PSUM: self._slides((R, S)),
        }  # fmt: skip
        found = []
        for tensor in sorted(seen):
            options = slides[tensor] if IFMAP in seen else [_NO_SLIDE]
            found += [State(tensor, NOBODY, slide) for slide in options]
            if slot != self._slots[0]:
                if tensor == IFMAP:
                    options = [_NO_SLIDE]
                found += [State(tensor, tensor, slide) for slide in options]
        if len(seen) > 1 and slot != self._slots[0]:
            found.append(State(NOBODY, ALL, _NO_SLIDE))
        return found or [State(NOBODY, NOBODY, _NO_SLIDE)]

    def fill(self, plan: dict[int, State], lists: Integers, sizes: Integers) -> bool:
        """Vectors of the rows left under a plan, by slot; False if an axis has none left."""
        problem = self.problem
        pairs, slots = len(problem.pairs), len(problem.temporal)
        inside = np.zeros((pairs, slots), np.int64)
        slide_slot, slide_dim = np.zeros(pairs, np.int64), np.full(pairs, _NO_SLIDE)
        forbidden = np.zeros((slots, 8), np.int64)
        for slot, state in plan.items():
            if state.passes == ALL:
                forbidden[slot] = 1
            elif state.passes != NOBODY:
                forbidden[slot] = HAS[state.passes] > 0
        for k, (tensor, _, inner, _) in enumerate(problem.pairs):
            passing = inner == len(problem.room) and not problem.held[tensor]
            for slot in reversed(self._slots):
                if passing or problem.slot_level[slot] >= inner:
                    continue
                if slot not in plan:
                    inside[k, slot] = 1
                    slide_dim[k] = _BEST_SLIDE
                elif plan[slot].passes in (tensor, ALL):
                    inside[k, slot] = 1
                else:
                    inside[k, slot] = plan[slot].owner == tensor
                    slide_slot[k], slide_dim[k] = slot, plan[slot].slide
                    break
        under = _Under(inside, slide_slot, slide_dim, forbidden)
        for a, axis in enumerate(self._axes):
            rows = lists[a, : sizes[a]] - self._first[a]
            sizes[a] = _fill(self.values, self._first[a], axis, problem, under, self._columns, rows)
            rows = rows[: sizes[a]] + self._first[a]
            lists[a, : sizes[a]] = rows
            self.logs[rows] = np.log(self.values[rows])
        return bool((sizes > 0).all())

    def cut(self, low: float = 0.0, high: float = np.inf) -> None:
        """Look only for mappings with delays in a range: for EDP."""
        self.model = self._model(low, high)

    def _model(self, low: float, high: float) -> Model:
        """The cost over the columns."""
        last = self._width - 1
        whole, cycle, offsets = self._whole, self._cycle, self._offsets
        fixed = np.zeros(self._width - len(self._columns))
        energy = np.concatenate([self._energy, fixed])
        delays = np.concatenate([self._delays, np.tile(fixed, (len(offsets), 1))], axis=1)
        groups = _Groups(last)
        for j, row in enumerate(delays):
            extra = float(offsets[j])
            paid = energy + cycle * row
            if self.objective == 1:
                groups.add(0, row, extra)
            elif self.objective == 0 and (cycle > 0 or j == 0):
                groups.add(0, paid, cycle * extra - whole)
            elif self.objective == 2:
                if cycle > 0 or j == 0:
                    groups.add(0, _constant(paid, whole - cycle * extra, self._least, last))
                groups.add(1, _constant(row.copy(), -extra, self._least, last))
                if high + extra > 0 and row.any() and high < np.inf:
                    groups.add(2, row / (high + extra))
        if low > 0:
            groups.add(1, _unit(self._width, last, low))
        return self._with_room(groups, energy, delays, low, high)

    def _with_room(
        self, groups: _Groups, energy: Floats, delays: Floats, low: float, high: float
    ) -> Model:
        """Add what must fit."""
        problem = self.problem
        tiles, spatial = _tiles(problem), _spatial(problem)
        base = len(self._columns)
        limited = sorted({level for level, _ in tiles})
        for level in limited:
            row = np.zeros(self._width)
            for i, (at, tensor) in enumerate(tiles):
                if at == level:
                    row[base + i] = 1 / (_most_packed(problem, at, tensor) * problem.room[at])
            groups.add(2, row)
        for i, s in enumerate(spatial):
            column = base + len(tiles) + i
            groups.add(2, _unit(self._width, column, 1 / float(problem.slot_most[s])))
        return Model(
            energy=energy,
            delays=delays,
            offsets=self._offsets,
            whole=self._whole,
            cycle=self._cycle,
            column=np.array([e[0] for e in groups.entries], np.int64),
            group=np.array([e[1] for e in groups.entries], np.int64),
            weight=np.array([e[2] for e in groups.entries], float),
            block=np.array(groups.block, np.int64),
            whole_group=np.array(groups.added, float),
            objective=self.objective,
            low=low,
            high=high,
            room_group=np.array([limited.index(level) for level, _ in tiles], np.int64),
            room_column=base + np.arange(len(tiles)),
            room_packing=np.array([_most_packed(problem, at, t) for at, t in tiles], float),
            room=np.array([problem.room[level] for level in limited], float),
            spatial_column=base + len(tiles) + np.arange(len(spatial)),
            spatial_most=np.array([problem.slot_most[s] for s in spatial], np.int64),
        )

    def start(self) -> tuple[Floats, Floats]:
        """Numbers and prices to begin with."""
        prices = np.where(self.model.block == 2, 0.1, 1.0)
        return self._mean.copy(), prices

    def value(self, bound: float, target: float) -> float:
        """The cost that a dual bound stands for."""
        added = self.model.whole_group[self.model.block == 0]
        return float(np.min((target + added) * np.exp(bound) - added))

    def least(self) -> float:
        """A lower bound on the cost that needs no search."""
        return float(cost_of(self.model, self._least, 0.0))

    def order(self) -> list[int]:
        """Slots in the order in which plans decide them: the innermost first."""
        return self._slots[::-1]

    def states_of(self, slot: int) -> list[State]:
        """States that a slot may have."""
        return self.states[self._slots.index(slot)]

    def mapping(self, plan: dict[int, State], chosen: Integers) -> Mapping:
        """The mapping of the rows chosen."""
        ways = np.zeros(8, np.int64)
        for a, axis in enumerate(self._axes):
            row = axis.ways[chosen[a] - self._first[a]]
            ways[axis.dims[0]] = row[0]
            if axis.dims[1] >= 0:
                ways[axis.dims[1]] = row[1]
        orders = np.tile(np.arange(8), (len(self.problem.room), 1))
        for slot, state in plan.items():
            orders[self.problem.slot_level[slot]] = _order(state)
        return self.space.nest(ways, orders)


class _Groups:
    """Sums with their entries: what ``Model`` has of them."""

    def __init__(self, last: int) -> None:
        self.entries: list[tuple[int, int, float]] = []
        self.block: list[int] = []
        self.added: list[float] = []
        self._last = last

    def add(self, block: int, row: Floats, added: float = 0.0) -> None:
        """A sum over the columns; one without any is next to nothing (it needs a logarithm)."""
        if not row.any():
            row = _unit(len(row), self._last, 1e-200)
        self.entries += [(int(c), len(self.block), float(row[c])) for c in np.flatnonzero(row)]
        self.block.append(block)
        self.added.append(added)


def _unit(width: int, column: int, value: float) -> Floats:
    row = np.zeros(width)
    row[column] = value
    return row


def _constant(row: Floats, extra: float, least: Floats, column: int) -> Floats:
    """A row with a number added: as a product that is 1, or taken off each sum at its least."""
    if extra >= 0:
        row[column] = extra
        return row
    total = float(row @ least)
    return row * max(0.0, 1 + extra / total) if total > 0 else row


def _order(state: State) -> list[int]:
    """Loops of a level in that state, outermost first."""
    inner = [d for d in range(8) if state.owner >= 0 and HAS[state.owner, d] == 0]
    outer = [d for d in range(8) if d not in inner]
    for part in (inner, outer):
        if state.slide in part:
            part.remove(state.slide)
            part.append(state.slide)
    return outer + inner
