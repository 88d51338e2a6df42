"""Compiled cost of a mapping, for searches: what ``counts.count`` says, a thousand times as fast.

Mode ``exact`` for factors that divide, with one liberty: of a window, only what stays while its
innermost loop goes on is not fetched again. That is never less than the exact count, and the same
in nearly all mappings; the best ones are counted exactly at the end (``explorer.mapping.mapper``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.mapping.compiled import Floats, Integers, compiled, inlined

#: Positions of dimensions in ``DIMENSIONS``.
N, G, M, C, P, Q, R, S = range(8)
IFMAP, FILTER, PSUM = range(3)
#: Dimensions of a tensor: rows ifmap, filter, psum; 2 for those of windows.
HAS = np.array(
    [[1, 1, 0, 1, 2, 2, 2, 2], [0, 1, 1, 1, 0, 0, 1, 1], [1, 1, 1, 0, 1, 1, 0, 0]], np.int64
)
#: What ``evaluate`` gives: pJ and cycles.
ENERGY, CYCLES = range(2)


class Problem(NamedTuple):
    """A layer on an accelerator.

    Attributes:
        sizes: of the dimensions.
        slot_level, slot_most, temporal, multicast: of each slot, outermost first: its level,
            instances at most, whether its loops are over time, whether one read serves all.
        pairs: ``[pairs, 4]``: tensor, the level that serves, the level served (or the number of
            levels: the MAC units), and whether this is only about the network below the first.
        prices: ``[pairs, 2]``: pJ for a word served, and for one taken.
        held: tensors whose last word stays at the MAC units.
        fixed: pJ of everything that does not depend on the mapping, and for a cycle; products that
            a MAC unit makes in a cycle.
        room: of each level, memory words of an instance; 0 without limit.
        packing: ``[levels, 3]`` values in a memory word; 0 where a tensor is not kept.
        whole: of each level, finished sums in a memory word; 0 if only partial ones come there.
        rates: ``[levels, 2]``: memory words that an instance reads and writes in a cycle; 0 for
            any number.
    """

    sizes: Integers
    slot_level: Integers
    slot_most: Integers
    temporal: Integers
    multicast: Integers
    pairs: Integers
    prices: Floats
    held: Integers
    fixed: Floats
    room: Integers
    packing: Floats
    whole: Floats
    rates: Floats


class Nest(NamedTuple):
    """A mapping.

    Attributes:
        factors: ``[8, slots]`` iterations of each dimension.
        orders: ``[levels, 8]`` dimensions of each level's temporal loops, outermost first.
        rows, columns: of the windows: ``[pairs, 6]``, as ``windows.window_rows``.
        row_tiles, column_tiles: words of the windows' tiles at each level.
    """

    factors: Integers
    orders: Integers
    rows: Integers
    columns: Integers
    row_tiles: Integers
    column_tiles: Integers


@inlined
def _spatial_fits(problem: Problem, factors: Integers) -> bool:
    for s in range(len(problem.slot_level)):
        if not problem.temporal[s]:
            used = 1
            for d in range(8):
                used *= factors[d, s]
            if used > problem.slot_most[s]:
                return False
    return True


@inlined
def _tile(problem: Problem, nest: Nest, level: int, tensor: int) -> int:
    """Words of a tensor that an instance of a level holds."""
    words = 1
    for d in range(8):
        if HAS[tensor, d] == 1:
            for s in range(len(problem.slot_level)):
                if problem.slot_level[s] >= level:
                    words *= nest.factors[d, s]
    if tensor == IFMAP:
        words *= nest.row_tiles[level] * nest.column_tiles[level]
    return words


@inlined
def moments(problem: Problem, factors: Integers) -> float:
    """Iterations of all temporal loops."""
    total = 1.0
    for s in range(len(problem.slot_level)):
        if problem.temporal[s]:
            for d in range(8):
                total *= factors[d, s]
    return total


@inlined
def _stays(problem: Problem, nest: Nest, tensor: int, inner: int) -> tuple[float, int]:
    """Iterations over which the tile of a level stays, and the dimension whose loop ends that."""
    stays = 1.0
    for s in range(len(problem.slot_level) - 1, -1, -1):
        if not problem.temporal[s] or problem.slot_level[s] >= inner:
            continue
        order = nest.orders[problem.slot_level[s]]
        for k in range(7, -1, -1):
            if nest.factors[order[k], s] > 1:
                if HAS[tensor, order[k]]:
                    return stays, order[k]
                stays *= nest.factors[order[k], s]
    return stays, -1


@inlined
def _window(rows: Integers, k: int, stop: int, first: int, second: int) -> tuple[int, int]:
    """Words of a window taken and served, where this dimension's loop goes on first."""
    if stop == first:
        return rows[k, 0] - rows[k, 2], rows[k, 1] - rows[k, 3]
    if stop == second:
        return rows[k, 0] - rows[k, 4], rows[k, 1] - rows[k, 5]
    return rows[k, 0], rows[k, 1]


@inlined
def moved(problem: Problem, nest: Nest, k: int) -> tuple[float, float]:
    """Words that a pair's outer level serves, and that all instances of the inner one take."""
    tensor, outer, inner = problem.pairs[k, 0], problem.pairs[k, 1], problem.pairs[k, 2]
    served = taken = 1.0
    for d in range(8):
        if HAS[tensor, d] == 1:
            served *= problem.sizes[d]
            taken *= problem.sizes[d]
        elif HAS[tensor, d] == 0:
            for s in range(len(problem.slot_level)):
                if problem.slot_level[s] < inner:
                    factor = nest.factors[d, s]
                    taken *= factor
                    apart = problem.slot_level[s] < outer or not problem.multicast[s]
                    if problem.temporal[s] or apart:
                        served *= factor
    stays, stop = 1.0, -1
    if inner < len(problem.room) or problem.held[tensor]:
        stays, stop = _stays(problem, nest, tensor, inner)
    if tensor == IFMAP:
        h_taken, h_served = _window(nest.rows, k, stop, P, R)
        w_taken, w_served = _window(nest.columns, k, stop, Q, S)
        taken *= h_taken * w_taken
        served *= h_served * w_served
    return served / stays, taken / stays


@inlined
def sums_of(problem: Problem) -> float:
    """Words of the ofmap."""
    total = float(problem.sizes[N] * problem.sizes[G] * problem.sizes[M])
    return float(total * problem.sizes[P] * problem.sizes[Q])


@inlined
def _packing_of_sums(problem: Problem, nest: Nest, level: int) -> float:
    """Sums in a memory word of a level: finished ones, if no partial one comes there."""
    packing = problem.packing[level, PSUM]
    for k in range(len(problem.pairs)):
        here = problem.pairs[k, 0] == PSUM and problem.pairs[k, 1] == level
        if here and problem.pairs[k, 3] == 0 and problem.pairs[k, 2] < len(problem.room):
            served, _ = moved(problem, nest, k)
            if served <= sums_of(problem):
                packing = problem.whole[level]
    return float(packing)


@inlined
def fits(problem: Problem, nest: Nest) -> bool:
    """Whether there are instances and memory words enough."""
    if not _spatial_fits(problem, nest.factors):
        return False
    for level in range(len(problem.room)):
        if problem.room[level] == 0:
            continue
        used = 0.0
        for tensor in range(3):
            if problem.packing[level, tensor] > 0:
                packing = problem.packing[level, tensor]
                if tensor == PSUM and problem.whole[level] > packing:
                    packing = _packing_of_sums(problem, nest, level)
                used += np.ceil(_tile(problem, nest, level, tensor) / packing)
        if used > problem.room[level]:
            return False
    return True


@inlined
def _stalled(problem: Problem, nest: Nest, busy: float, reads: Floats, writes: Floats) -> float:
    """Cycles: those with work, or those that the slowest level takes for its words."""
    instances = 1.0
    cycles = busy
    s = 0
    for level in range(len(problem.room)):
        while s < len(problem.slot_level) and problem.slot_level[s] < level:
            if not problem.temporal[s]:
                for d in range(8):
                    instances *= nest.factors[d, s]
            s += 1
        for words, rate in ((reads, problem.rates[level, 0]), (writes, problem.rates[level, 1])):
            if rate > 0:
                cycles = max(cycles, words[level] / (instances * rate))
    return cycles


@compiled
def evaluate(problem: Problem, nest: Nest, result: Floats) -> bool:
    """Energy and cycles of a mapping into ``result``; False if it does not fit."""
    if not fits(problem, nest):
        return False
    levels = len(problem.room)
    reads, writes = np.zeros(levels), np.zeros(levels)
    energy = problem.fixed[0]
    sums = sums_of(problem)
    for k in range(len(problem.pairs)):
        tensor, outer, inner = problem.pairs[k, 0], problem.pairs[k, 1], problem.pairs[k, 2]
        served, taken = moved(problem, nest, k)
        energy += problem.prices[k, 0] * served + problem.prices[k, 1] * taken
        if problem.pairs[k, 3]:
            continue
        words = served / problem.packing[outer, tensor]
        if tensor == PSUM:
            # Each update reads what it is added to, or else its sum is read when it goes on; at the
            # outermost level the sums stay.
            ready = sums / problem.packing[outer, PSUM]
            if inner < levels and problem.whole[outer] > 0:
                words += sums / problem.whole[outer] - ready
                ready = sums / problem.whole[outer]
            reads[outer] += words if outer else words - ready
            writes[outer] += words
        else:
            reads[outer] += words
            if inner < levels:
                writes[inner] += taken / problem.packing[inner, tensor]
    busy = np.ceil(moments(problem, nest.factors) / problem.fixed[2])
    cycles = _stalled(problem, nest, busy, reads, writes)
    result[ENERGY] = energy + problem.fixed[1] * cycles
    result[CYCLES] = cycles
    return True
