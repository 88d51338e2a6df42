"""Which of many points no other point beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtl_gen.errors import InputError

#: Sets up to this size are compared pair by pair: below it, splitting costs more than it saves.
_SMALL = 128
#: How many good points, out of a sample of about this size, all others are compared with first.
_SIEVE = 16
_SAMPLE = 4096


def non_dominated(values: ArrayLike, maximize: Sequence[bool] | None = None) -> NDArray[np.bool_]:
    """Mark the points of the Pareto front.

    A point is dominated if another one is at least as good in every objective and better in one.
    Equal points do not dominate each other: all copies of a point of the front are in it. The
    answer is exact, and does not depend on the order of the points.

    Method: a sieve of a few good points, then the divide and conquer of Kung, Luccio and Preparata
    (Journal of the ACM 22(4), 1975), O(n log n) for two objectives, O(n log(n)**(m-2)) for m.

    Args:
        values: shape ``(n, m)``, a row for each point, a column for each objective.
        maximize: for each objective, whether more is better; all are minimised if None.

    Returns:
        Shape ``(n,)``.

    Raises:
        InputError: if ``values`` has no such shape, a value is not a number, or the lengths differ.
    """
    costs = _costs(values, maximize)
    front = np.zeros(len(costs), dtype=np.bool_)
    left = _sieve(costs)
    # Lexicographic order: a point comes after all that dominate it, equal ones are neighbours.
    left = left[np.lexsort(costs[left].T[::-1])]
    ordered = costs[left]
    is_new = np.ones(len(left), dtype=np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    distinct = ordered[is_new]
    kept = np.zeros(len(distinct), dtype=np.bool_)
    kept[_front(distinct, np.arange(len(distinct)))] = True
    front[left] = kept[np.cumsum(is_new) - 1]
    return front


def _costs(values: ArrayLike, maximize: Sequence[bool] | None) -> NDArray[np.float64]:
    costs = np.array(values, dtype=np.float64)
    if costs.ndim != 2 or costs.shape[1] == 0:
        raise InputError(f"values must have shape (points, objectives), not {costs.shape}")
    if np.isnan(costs).any():
        raise InputError("values must be numbers, not NaN")
    if maximize is not None:
        if len(maximize) != costs.shape[1]:
            raise InputError(
                f"maximize must have an entry for each of {costs.shape[1]} objectives, "
                f"not {len(maximize)}"
            )
        costs[:, np.asarray(maximize, dtype=np.bool_)] *= -1
    return costs


def _sieve(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the points that none of a few good ones dominates: often few are left."""
    left = np.arange(len(costs))
    sample = costs[:: 1 + len(costs) // _SAMPLE]
    ranks = sample.argsort(axis=0).argsort(axis=0).sum(axis=1)
    columns = list(costs.T.copy())
    for point in sample[ranks.argsort()[:_SIEVE]]:
        beaten = np.logical_and.reduce([c >= v for c, v in zip(columns, point, strict=True)])
        beaten &= np.logical_or.reduce([c > v for c, v in zip(columns, point, strict=True)])
        left = left[~beaten]
        columns = [c[~beaten] for c in columns]
    return left


def _front(points: NDArray[np.float64], indices: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those ``indices`` of the front; ``points`` are distinct and in lexicographic order.

    So the later half cannot dominate the earlier one, and a point of the later half is dominated
    exactly if one of the earlier half is not above it in every objective but the first.
    """
    if points.shape[1] == 1:
        return indices[:1]
    if points.shape[1] == 2:
        second = points[indices, 1]
        kept = np.ones(len(indices), dtype=np.bool_)
        kept[1:] = second[1:] < np.minimum.accumulate(second)[:-1]
        return indices[kept]
    if len(indices) <= _SMALL:
        some = points[indices]
        # At most it in every objective: of distinct points, that is itself and what dominates it.
        alone: NDArray[np.bool_] = _at_most(some, some).sum(axis=1) == 1
        return indices[alone]
    half = len(indices) // 2
    earlier, later = _front(points, indices[:half]), _front(points, indices[half:])
    covered = _covered(points[later, 1:], points[earlier, 1:])
    return np.concatenate([earlier, later[~covered]])


def _at_most(these: NDArray[np.float64], those: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For each of ``those``, a row: whether each of ``these`` is at most it in every column."""
    every: NDArray[np.bool_] = np.all(these <= those[:, None], axis=2)
    return every


def _covered(points: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For each point, whether a row of ``by`` is at most it in every column."""
    if points.shape[1] == 2:
        return _covered_in_plane(points, by)
    if len(points) * len(by) <= _SMALL**2:
        covered: NDArray[np.bool_] = np.any(_at_most(by, points), axis=1)
        return covered
    first, by_first = points[:, 0], by[:, 0]
    if by_first.max() <= first.min():
        return _covered(points[:, 1:], by[:, 1:])
    if by_first.min() > first.max():
        return np.zeros(len(points), dtype=np.bool_)
    values = np.concatenate([first, by_first])
    middle = np.partition(values, len(values) // 2)[len(values) // 2]
    if middle == values.min():
        middle = values[values > middle].min()
    low, by_low = first < middle, by_first < middle
    covered = np.zeros(len(points), dtype=np.bool_)
    covered[low] = _covered(points[low], by[by_low])
    covered[~low] = _covered(points[~low, 1:], by[by_low, 1:])
    covered[~low] |= _covered(points[~low], by[~by_low])
    return covered


def _covered_in_plane(points: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``_covered`` for two columns: sweep along the first, keeping the least of the second."""
    if not len(by):
        return np.zeros(len(points), dtype=np.bool_)
    by = by[by[:, 0].argsort()]
    least = np.concatenate([[np.nan], np.minimum.accumulate(by[:, 1])])  # nothing is at least NaN
    reached = least[np.searchsorted(by[:, 0], points[:, 0], side="right")]
    covered: NDArray[np.bool_] = reached <= points[:, 1]
    return covered
