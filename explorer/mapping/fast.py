"""Compiled cost of a mapping, what ``counts.count`` says, and a search by simulated annealing.

Both are in one file because numba takes compiled code of an earlier run as long as the function's
own file has not changed, whatever else it calls.

Mode ``exact`` for factors that divide, with one liberty: of a window, only what stays while its
innermost loop goes on is not fetched again. That is never less than the exact count, and the same
in nearly all mappings; the best ones are counted exactly at the end (``explorer.mapping.mapper``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.mapping.compiled import Floats, Integers, compiled, inlined

#: Positions of dimensions in ``DIMENSIONS``.
N, G, M, C, P, Q, R, S = range(8)
IFMAP, FILTER, PSUM = range(3)
#: Dimensions of a tensor: rows ifmap, filter, psum; 2 for those of windows.
HAS = np.array(
    [[1, 1, 0, 1, 2, 2, 2, 2], [0, 1, 1, 1, 0, 0, 1, 1], [1, 1, 1, 0, 1, 1, 0, 0]], np.int64
)
#: Of a reduction's iterations: spatial ones inside of a level; those over which its sums last;
#: those whose sums come one by one; those whose sums are added on the way.
INSIDE, LASTS, APART, ADDED = range(4)
#: What ``evaluate`` gives: pJ and cycles.
ENERGY, CYCLES = range(2)
OBJECTIVES = ("energy", "delay", "edp")
#: Share of moves that take another order of loops, of the rest those that take another size, and
#: of those that move factors, those that move one alone.
_REORDERS, _RESIZES, _SINGLES = 0.1, 0.15, 0.5
#: Kinds of moves (``splits.neighbours``), as often as they are made.
_KINDS = (0, 0, 1, 2)


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
        saving: of each level, pJ that a finished sum costs more than a partial one; 0 at the sums'
            home, where they always are finished, and where none is.
        home: of each tensor, the level that has all of it: the outermost that keeps it. Within the
            chip its place is no part of ``room``, and partial sums do not leave for it and return.
        ragged: whether iterations can multiply to more than the sizes.
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
    saving: Floats
    home: Integers
    ragged: bool


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
def tile(problem: Problem, nest: Nest, level: int, tensor: int) -> int:
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


@compiled
def _moments_with_work(problem: Problem, factors: Integers) -> float:
    """Those in which the first instance has work, of sizes that need not be the factors' product.

    From the outermost slot on: iterations before the last one are whole, the last is followed.
    """
    total = 1.0
    for d in range(8):
        tile, inside = 1, 1
        for s in range(len(problem.slot_level)):
            tile *= factors[d, s]
            inside *= factors[d, s] if problem.temporal[s] else 1
        rest, count = problem.sizes[d], 0
        for s in range(len(problem.slot_level)):
            tile //= factors[d, s]
            if problem.temporal[s]:
                inside //= factors[d, s]
                whole = (rest - 1) // tile
                count += whole * inside
                rest -= whole * tile
            else:
                rest = min(rest, tile)
        total *= count + 1
    return total


@inlined
def moments(problem: Problem, factors: Integers) -> float:
    """Iterations of all temporal loops in which there is work."""
    if problem.ragged:
        return _moments_with_work(problem, factors)
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
def _last_end(problem: Problem, nest: Nest, tensor: int, inner: int) -> int:
    """The innermost loop that ends the stay of a level's tile: 8 x slot + place; -1 if none."""
    found = -1
    for s in range(len(problem.slot_level)):
        if problem.slot_level[s] < inner and problem.temporal[s]:
            for k in range(8):
                dim = nest.orders[problem.slot_level[s], k]
                if HAS[tensor, dim] and nest.factors[dim, s] > 1:
                    found = 8 * s + k
    return found


@inlined
def _within_stay(problem: Problem, nest: Nest, s: int, d: int, end: int) -> bool:
    """Whether a slot's loop of a dimension is inside of the one that ends a tile's stay."""
    if problem.temporal[s]:
        for k in range(8):
            if nest.orders[problem.slot_level[s], k] == d:
                return 8 * s + k > end
    return False


@inlined
def _times(problem: Problem, nest: Nest, d: int, inner: int, end: int) -> float:
    """Iterations outside a level of a dimension that its tensor does not have, idle ones not.

    Those of the loops over which the tile stays count as often as they are, whole or not.
    """
    tile, stays = 1, 1
    for s in range(len(problem.slot_level)):
        if problem.slot_level[s] >= inner:
            tile *= nest.factors[d, s]
        elif _within_stay(problem, nest, s, d, end):
            stays *= nest.factors[d, s]
    return float(np.ceil(problem.sizes[d] / (tile * stays)) * stays)


@inlined
def _spread(problem: Problem, nest: Nest, d: int, inner: int) -> tuple[int, int]:
    """Over how many instances a dimension is spread outside a level, and what each has at once."""
    share = instances = 1
    for s in range(len(problem.slot_level) - 1, -1, -1):
        if problem.slot_level[s] < inner and not problem.temporal[s]:
            instances *= nest.factors[d, s]
        elif instances == 1:
            share *= nest.factors[d, s]
    return instances, share


@inlined
def _again(problem: Problem, nest: Nest, d: int, inner: int, end: int) -> tuple[float, float]:
    """How often as many words are served and taken, because some instances pause.

    An instance without work in the last of the iterations over which its tile stays holds nothing:
    where loops of other dimensions around them begin anew, it takes the tile again. These are
    instances without any share in the last iteration, and the one whose share is smaller, if it
    has less iterations than the others.
    """
    instances, share = _spread(problem, nest, d, inner)
    tile = 1
    for s in range(len(problem.slot_level)):
        tile *= nest.factors[d, s]
    rest = problem.sizes[d]
    if instances == 1 or rest == tile:
        return 1.0, 1.0
    served = taken = 1.0
    others, blocks, rounds, counted = 1, 0, 0, 1
    smaller = False  # whether the last instance has less than the others
    for s in range(len(problem.slot_level)):
        loops = problem.slot_level[s] < inner and problem.temporal[s]
        for k in range(8 if loops else 1):
            dim = nest.orders[problem.slot_level[s], k] if loops else d
            factor = nest.factors[dim, s]
            stays = loops and 8 * s + k > end
            if dim != d:
                others *= factor if stays else 1
            elif factor > 1:
                over = not problem.temporal[s] and problem.slot_level[s] < inner
                if rounds == 0 and (stays or over):
                    rounds = -(-problem.sizes[d] // tile)
                if stays and blocks == 0:
                    blocks = -(-problem.sizes[d] // tile)
                tile //= factor
                whole = (rest - 1) // tile
                rest -= whole * tile
                idle = instances - min(instances, -(-rest // share))
                if stays and whole > 0 and idle > 0:
                    served += (others - 1) / blocks
                    taken += (others - 1) * idle / (blocks * instances)
                elif stays and smaller and whole + 1 < factor:
                    served += (others - counted) / rounds
                    taken += (others - counted) / blocks
                    counted = others
                if over:
                    instances //= factor
                    smaller = smaller or rest < tile
    return served, taken


@inlined
def _role(problem: Problem, nest: Nest, s: int, d: int, outer: int, inner: int, end: int) -> int:
    """What a slot's iterations of a reduction do to the sums that come to ``outer``."""
    level, temporal = problem.slot_level[s], problem.temporal[s]
    if level >= inner or _within_stay(problem, nest, s, d, end):
        return LASTS if temporal else INSIDE
    if temporal or level < outer or not problem.multicast[s]:
        return APART
    return ADDED


@inlined
def _come(problem: Problem, nest: Nest, d: int, outer: int, inner: int, end: int) -> float:
    """Sums that come to ``outer`` for one, where a reduction's last tiles are smaller.

    Instances that end their shares at one time are added on the way. In the last tile there are
    those with a whole share, one whose share is smaller, and those that had none in the last of
    the iterations for which the sums stay: from the outermost slot on, the last tile is followed.
    Iterations for which the sums stay count as often as they are.
    """
    slots = len(problem.slot_level)
    tile, apart, stays, reach = 1, 1, 1, 0
    for s in range(slots - 1, -1, -1):
        factor = nest.factors[d, s]
        role = _role(problem, nest, s, d, outer, inner, end)
        if role == LASTS and problem.slot_level[s] < inner:
            stays *= factor
        elif role == APART:
            apart *= factor
        elif role == ADDED:
            reach += (factor - 1) * tile
        tile *= factor
    rest = problem.sizes[d]
    come, met = 0, False  # whether those with a whole share end as the last tile does
    for s in range(slots):
        factor = nest.factors[d, s]
        if factor == 1 or rest == tile:
            continue
        tile //= factor
        whole = (rest - 1) // tile
        rest -= whole * tile
        role = _role(problem, nest, s, d, outer, inner, end)
        if role == LASTS:
            if whole > 0:
                come += apart if reach >= rest else apart - 1
            met = met and whole + 1 == factor
        elif role == APART:
            apart //= factor
            come += 0 if met else whole * apart
        elif role == ADDED:
            reach -= (factor - 1) * tile
            if whole > 0 and not met:
                come, met = come + apart, True
    return float((come if met else come + apart) * stays)


@compiled
def _at_edges(
    problem: Problem, nest: Nest, d: int, k: int, stay: bool, own: float
) -> tuple[float, float]:
    """Iterations of a dimension that a pair's tensor does not have, where the last are smaller.

    Args:
        d: the dimension.
        k: of the pair.
        stay: whether the inner level keeps its tile.
        own: iterations of which each is served by itself, all whole.
    """
    tensor, outer, inner = problem.pairs[k, 0], problem.pairs[k, 1], problem.pairs[k, 2]
    end = _last_end(problem, nest, tensor, inner) if stay else 8 * len(problem.slot_level)
    times = _times(problem, nest, d, inner, end)
    if tensor == PSUM:
        own = _come(problem, nest, d, outer, inner, end)
    if stay:
        more_served, more_taken = _again(problem, nest, d, inner, end)
        return own * more_served, times * more_taken
    return own, times


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
    stay = inner < len(problem.room) or problem.held[tensor] != 0
    served = taken = 1.0
    for d in range(8):
        if HAS[tensor, d] == 1:
            served *= problem.sizes[d]
            taken *= problem.sizes[d]
        elif HAS[tensor, d] == 0:
            times = own = 1.0
            for s in range(len(problem.slot_level)):
                if problem.slot_level[s] < inner:
                    factor = nest.factors[d, s]
                    times *= factor
                    apart = problem.slot_level[s] < outer or not problem.multicast[s]
                    if problem.temporal[s] or apart:
                        own *= factor
            if problem.ragged:
                own, times = _at_edges(problem, nest, d, k, stay, own)
            taken *= times
            served *= min(own, times)
    stays, stop = 1.0, -1
    if stay:
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
def _only_finished(problem: Problem, nest: Nest, level: int) -> bool:
    """Whether no partial sum comes to a level."""
    for k in range(len(problem.pairs)):
        here = problem.pairs[k, 0] == PSUM and problem.pairs[k, 1] == level
        if here and problem.pairs[k, 3] == 0:
            served, _ = moved(problem, nest, k)
            if served <= sums_of(problem):
                return True
    return False


@inlined
def _sums_return(problem: Problem, nest: Nest) -> bool:
    """Whether partial sums come back to their home's tile after others were there."""
    home = problem.home[PSUM]
    times = 1.0
    for s in range(len(problem.slot_level)):
        if problem.temporal[s] and problem.slot_level[s] < home:
            for d in range(8):
                if not HAS[PSUM, d]:
                    times *= nest.factors[d, s]
    stays, _ = _stays(problem, nest, PSUM, home)
    return times > stays


@inlined
def fits(problem: Problem, nest: Nest) -> bool:
    """Whether there are instances and memory words enough."""
    if not _spatial_fits(problem, nest.factors):
        return False
    if problem.home[PSUM] > 0 and _sums_return(problem, nest):
        return False
    for level in range(len(problem.room)):
        if problem.room[level] == 0:
            continue
        used = 0.0
        for tensor in range(3):
            at_home = level > 0 and problem.home[tensor] == level
            if problem.packing[level, tensor] > 0 and not (at_home and tensor != PSUM):
                packing = problem.packing[level, tensor]
                finished = tensor == PSUM and (at_home or problem.whole[level] > packing)
                if finished and _only_finished(problem, nest, level):
                    if at_home:
                        continue
                    packing = problem.whole[level]
                used += np.ceil(tile(problem, nest, level, tensor) / packing)
        if used > problem.room[level]:
            return False
    return True


@inlined
def at_rate(
    problem: Problem, level: int, instances: float, reads: Floats, writes: Floats, cycles: float
) -> float:
    """These cycles, or more if a level takes longer for its words."""
    for words, rate in ((reads, problem.rates[level, 0]), (writes, problem.rates[level, 1])):
        if rate > 0:
            cycles = max(cycles, words[level] / (instances * rate))
    return cycles


@inlined
def _stalled(
    problem: Problem, factors: Integers, busy: float, reads: Floats, writes: Floats
) -> float:
    """Cycles: those with work, or those that the slowest level takes for its words."""
    instances = 1.0
    cycles = busy
    s = 0
    for level in range(len(problem.room)):
        while s < len(problem.slot_level) and problem.slot_level[s] < level:
            if not problem.temporal[s]:
                for d in range(8):
                    instances *= factors[d, s]
            s += 1
        cycles = at_rate(problem, level, instances, reads, writes, cycles)
    return cycles


@inlined
def add_words(
    problem: Problem, k: int, served: float, taken: float, sums: float, whole: float, reads: Floats,
    writes: Floats,
) -> None:  # fmt: skip
    """Add the memory words that a pair's levels read and write, of all instances.

    Of psum ``whole`` says how many finished sums are in a memory word, 0 if none come there.
    """
    tensor, outer, inner = problem.pairs[k, 0], problem.pairs[k, 1], problem.pairs[k, 2]
    levels = len(problem.room)
    words = served / problem.packing[outer, tensor]
    if tensor == PSUM:
        # Each update reads what it is added to, or else its sum is read when it goes on; at their
        # home the sums stay.
        ready = sums / problem.packing[outer, PSUM]
        if whole > 0:
            words += sums / whole - ready
            ready = sums / whole
        reads[outer] += words - ready if outer == problem.home[PSUM] else words
        writes[outer] += words
    else:
        reads[outer] += words
        if inner < levels:
            writes[inner] += taken / problem.packing[inner, tensor]


@compiled
def evaluate(problem: Problem, nest: Nest, result: Floats) -> bool:
    """Energy and cycles of a mapping into ``result``; False if it does not fit."""
    if not fits(problem, nest):
        return False
    reads, writes = np.zeros(len(problem.room)), np.zeros(len(problem.room))
    energy = problem.fixed[0]
    sums = sums_of(problem)
    drained = 0.0
    for k in range(len(problem.pairs)):
        tensor, outer = problem.pairs[k, 0], problem.pairs[k, 1]
        network = problem.pairs[k, 3] == 1
        if network and problem.prices[k, 0] == 0:
            continue
        served, taken = moved(problem, nest, k)
        energy += problem.prices[k, 0] * served + problem.prices[k, 1] * taken
        if network:
            continue
        whole = 0.0
        if tensor == PSUM:
            # Sums are finished where they stay, or which they leave once.
            if drained <= sums:
                whole = problem.whole[outer]
                energy += problem.saving[outer] * sums
            drained = taken
        add_words(problem, k, served, taken, sums, whole, reads, writes)
    busy = np.ceil(moments(problem, nest.factors) / problem.fixed[2])
    cycles = _stalled(problem, nest.factors, busy, reads, writes)
    result[ENERGY] = energy + problem.fixed[1] * cycles
    result[CYCLES] = cycles
    return True


class Choices(NamedTuple):
    """What a search chooses from.

    Attributes:
        first: where the ways of each dimension begin in the next two, and where the last ends.
        splits: ``[ways of all dimensions, slots]``.
        moves: of each way, ``splits.neighbours``.
        hops: of each way, ``splits.hops``; -1 where a dimension has fewer.
        rows, columns: of the windows: ``[ways of the first, ways of the second, pairs, 6]``.
        row_tiles, column_tiles: words of the windows' tiles: ``[.., .., levels]``.
        orders: of a level's temporal loops, ``[orders, 8]``.
        ordered: levels that have temporal loops.
        allowed: ``[levels, orders]``: orders that a level may have.
    """

    first: Integers
    splits: Integers
    moves: Integers
    hops: Integers
    rows: Integers
    columns: Integers
    row_tiles: Integers
    column_tiles: Integers
    orders: Integers
    ordered: Integers
    allowed: NDArray[np.bool_]


class Found(NamedTuple):
    """What a search found.

    Attributes:
        score: logarithm of the best cost; infinite if no mapping fits.
        ways: the split of each dimension.
        orders: of each level.
        evaluated, unfit: mappings that were evaluated, and that did not fit.
    """

    score: float
    ways: Integers
    orders: Integers
    evaluated: int
    unfit: int


@compiled
def _score(result: Floats, objective: int) -> float:
    """What is to be small; of equal delays the one with less energy wins."""
    if objective == 0:
        return float(np.log(result[0]))
    if objective == 1:
        return float(np.log(result[1]) + 1e-9 * np.log(result[0]))
    return float(np.log(result[0]) + np.log(result[1]))


@compiled
def _rate(
    problem: Problem, choices: Choices, objective: int, factors: Integers, order: Integers,
    ways: Integers, result: Floats,
) -> float:  # fmt: skip
    """Score of a mapping, infinite if it does not fit."""
    p, q, r, s = ways[P], ways[Q], ways[R], ways[S]
    nest = Nest(
        factors, order, choices.rows[p, r], choices.columns[q, s], choices.row_tiles[p, r],
        choices.column_tiles[q, s],
    )  # fmt: skip
    if evaluate(problem, nest, result):
        return _score(result, objective)
    return float(np.inf)


@inlined
def _some(factors: Integers, along: int, fixed: int) -> int:
    """A slot in which a dimension has iterations, or (``along`` 1) a dimension that has in a slot.

    The first from a random place on; -1 if there is none.
    """
    most = factors.shape[1 - along]
    start = np.random.randint(most)
    for k in range(most):
        place = (start + k) % most
        if (factors[fixed, place] if along == 0 else factors[place, fixed]) > 1:
            return int(place)
    return -1


@compiled
def _move(choices: Choices, movable: Integers, factors: Integers, ways: Integers) -> bool:
    """Move a factor to another slot, or two of two dimensions the opposite ways; or resize."""
    a = movable[np.random.randint(len(movable))]
    sizes = choices.hops.shape[1]
    if sizes > 0 and np.random.random() < _RESIZES:
        way = choices.hops[choices.first[a] + ways[a], np.random.randint(sizes)]
        if way < 0:
            return False
        ways[a] = way
        return True
    s = _some(factors, 0, a)
    t = np.random.randint(factors.shape[1])
    if s < 0 or s == t:
        return False
    kind = _KINDS[np.random.randint(len(_KINDS))]
    way = choices.moves[choices.first[a] + ways[a], s, t, kind]
    if way < 0:
        return False
    b = _some(factors, 1, t) if np.random.random() > _SINGLES else -1
    ways[a] = way
    if b >= 0 and b != a:
        back = choices.moves[choices.first[b] + ways[b], t, s, kind % 2]
        if back >= 0:
            ways[b] = back
    return True


@compiled
def _load(choices: Choices, ways: Integers, factors: Integers) -> None:
    for d in range(8):
        for s in range(factors.shape[1]):
            factors[d, s] = choices.splits[choices.first[d] + ways[d], s]


@compiled
def nest_of(choices: Choices, ways: Integers, picks: Integers, nest: Nest) -> Nest:
    """The mapping of these choices; its factors and orders are written into those of ``nest``."""
    _load(choices, ways, nest.factors)
    for level in range(len(picks)):
        nest.orders[level] = choices.orders[picks[level]]
    p, q, r, s = ways[P], ways[Q], ways[R], ways[S]
    return Nest(
        nest.factors, nest.orders, choices.rows[p, r], choices.columns[q, s],
        choices.row_tiles[p, r], choices.column_tiles[q, s],
    )  # fmt: skip


@compiled
def anneal(
    problem: Problem, choices: Choices, objective: int, seed: int, runs: int, tries: int,
    hot: float, cold: float, ways: Integers, picks: Integers,
) -> Found:  # fmt: skip
    """Simulated annealing: several runs, each from the best mapping so far.

    Args:
        objective: number in ``OBJECTIVES``.
        seed: of the random numbers; the same seed gives the same result.
        runs, tries: runs, and moves of each.
        hot, cold: first and last temperature of a run, as logarithms of cost.
        ways, picks: what the first run begins with: splits, and orders of each level.
    """
    np.random.seed(seed)
    slots = len(problem.slot_level)
    movable = np.array([d for d in range(8) if problem.sizes[d] > 1] + [0])
    factors = np.ones((8, slots), np.int64)
    order = np.zeros((len(problem.room), 8), np.int64)
    result = np.zeros(2)
    best, best_ways, best_picks = np.inf, ways.copy(), picks.copy()
    evaluated = unfit = 0
    for _ in range(runs):
        ways, picks = best_ways.copy(), best_picks.copy()
        for level in range(len(picks)):
            order[level] = choices.orders[picks[level]]
        current = best
        trial = ways.copy()
        _load(choices, ways, factors)
        for k in range(-1, tries):
            level = pick = -1
            trial[:] = ways
            if k >= 0 and np.random.random() < _REORDERS:
                level = choices.ordered[np.random.randint(len(choices.ordered))]
                pick = np.random.randint(len(choices.orders))
                if not choices.allowed[level, pick]:
                    continue
                order[level] = choices.orders[pick]
            elif k >= 0 and not _move(choices, movable, factors, trial):
                continue
            _load(choices, trial, factors)
            score = _rate(problem, choices, objective, factors, order, trial, result)
            evaluated += score < np.inf
            unfit += score == np.inf
            heat = hot * (cold / hot) ** (k / tries)
            if score <= current or np.random.random() < np.exp((current - score) / heat):
                current = score
                ways[:] = trial
                if level >= 0:
                    picks[level] = pick
                if current < best:
                    best, best_ways, best_picks = current, ways.copy(), picks.copy()
            else:
                _load(choices, ways, factors)
                if level >= 0:
                    order[level] = choices.orders[picks[level]]
    return Found(best, best_ways, best_picks, evaluated, unfit)
