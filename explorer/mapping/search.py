"""Search for the mapping that costs least: simulated annealing over splits and orders of loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.mapping import fast
from explorer.mapping.compiled import Floats, Integers, compiled, inlined
from explorer.mapping.fast import Nest, Problem

OBJECTIVES = ("energy", "delay", "edp")
#: Share of moves that take another order of loops, and of those that move one factor alone.
_REORDERS, _SINGLES = 0.1, 0.5


class Choices(NamedTuple):
    """What a search chooses from.

    Attributes:
        first: where the ways of each dimension begin in the next two, and where the last ends.
        splits: ``[ways of all dimensions, slots]``.
        moves: of each way, ``splits.neighbours``.
        rows, columns: of the windows: ``[ways of the first, ways of the second, pairs, 6]``.
        row_tiles, column_tiles: words of the windows' tiles: ``[.., .., levels]``.
        orders: of a level's temporal loops, ``[orders, 8]``.
        ordered: levels that have temporal loops.
    """

    first: Integers
    splits: Integers
    moves: Integers
    rows: Integers
    columns: Integers
    row_tiles: Integers
    column_tiles: Integers
    orders: Integers
    ordered: Integers


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
    p, q, r, s = ways[fast.P], ways[fast.Q], ways[fast.R], ways[fast.S]
    nest = Nest(
        factors, order, choices.rows[p, r], choices.columns[q, s], choices.row_tiles[p, r],
        choices.column_tiles[q, s],
    )  # fmt: skip
    if fast.evaluate(problem, nest, result):
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
    """Move a factor to another slot, or two of two dimensions the opposite ways."""
    a = movable[np.random.randint(len(movable))]
    s = _some(factors, 0, a)
    t = np.random.randint(factors.shape[1])
    if s < 0 or s == t:
        return False
    way = choices.moves[choices.first[a] + ways[a], s, t]
    if way < 0:
        return False
    b = _some(factors, 1, t) if np.random.random() > _SINGLES else -1
    ways[a] = way
    if b >= 0 and b != a:
        back = choices.moves[choices.first[b] + ways[b], t, s]
        if back >= 0:
            ways[b] = back
    return True


@compiled
def _load(choices: Choices, ways: Integers, factors: Integers) -> None:
    for d in range(8):
        for s in range(factors.shape[1]):
            factors[d, s] = choices.splits[choices.first[d] + ways[d], s]


@compiled
def anneal(
    problem: Problem, choices: Choices, objective: int, seed: int, runs: int, tries: int,
    hot: float, cold: float,
) -> Found:  # fmt: skip
    """Simulated annealing: several runs, each from the best mapping so far.

    The first run begins with all loops in the outermost level.

    Args:
        objective: number in ``OBJECTIVES``.
        seed: of the random numbers; the same seed gives the same result.
        runs, tries: runs, and moves of each.
        hot, cold: first and last temperature of a run, as logarithms of cost.
    """
    np.random.seed(seed)
    slots = len(problem.slot_level)
    movable = np.array([d for d in range(8) if problem.sizes[d] > 1] + [0])
    factors = np.ones((8, slots), np.int64)
    ways = choices.first[1:] - choices.first[:8] - 1
    picks = np.zeros(len(problem.room), np.int64)
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
