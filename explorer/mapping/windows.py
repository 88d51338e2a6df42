"""How many words of a sliding window are moved when its two dimensions are split: compiled sums.

The same numbers as those of ``explorer.mapping.ranks``, for factors that divide, straight from tile
sizes: ``ranks`` walks along the axis for one mapping, here it is thousands of splits.
"""

from __future__ import annotations

import numpy as np

from explorer.mapping.compiled import Integers, compiled
from explorer.mapping.ranks import Axis

#: Columns of a row: words that come to all instances, and words read for them with multicast, if
#: nothing stays; what stays of both if the loop that goes on is the first dimension, or the second
#: (of words read for several instances at once, none is taken to stay).
TAKEN, SERVED, STAYS_FIRST, KEPT_FIRST, STAYS_SECOND, KEPT_SECOND = range(6)

#: Sums that were taken: by tile, shift and iterations of both dimensions.
Known = dict[tuple[int, int, int, int, int, int], int]


@compiled
def _is_dense(axis: Axis, tp: int, tr: int) -> bool:
    """The window set has no holes."""
    if axis.dilation == 1:
        return tr >= axis.stride or tp == 1
    return tr == 1 and axis.stride == 1


@compiled
def _has(axis: Axis, tp: int, tr: int, x: int, before: int) -> bool:
    """Word x from the start of a window set is one of its first ``before`` of ``tp`` steps."""
    for i in range(min(before, tp)):
        rest = x - axis.stride * i
        if rest >= 0 and rest % axis.dilation == 0 and rest // axis.dilation < tr:
            return True
    return False


@compiled
def _common(axis: Axis, p: int, tp: int, r: int, tr: int, back: int) -> int:
    """Words of a window set that it shares with itself, ``back`` words before."""
    start = axis.stride * p + axis.dilation * r
    if _is_dense(axis, tp, tr):
        end = start + axis.stride * (tp - 1) + axis.dilation * (tr - 1) + 1
        return max(0, min(end - back, axis.high) - max(start, axis.low))
    total = 0
    for i in range(tp):
        for j in range(tr):
            x = axis.stride * i + axis.dilation * j
            if not axis.low <= start + x < axis.high or _has(axis, tp, tr, x, i):
                continue
            total += back == 0 or _has(axis, tp, tr, x + back, tp)
    return total


@compiled
def _total(axis: Axis, tile: Integers, shift: Integers, count: Integers, known: Known) -> int:
    """Words of all tiles.

    With a shift of a dimension other than 0: words that a tile shares with the one before, which
    lies so much back, where a loop of so many iterations goes on; not where it begins again.
    """
    key = (tile[0], tile[1], shift[0], shift[1], count[0], count[1])
    if key in known:
        return known[key]
    total = 0
    back = axis.stride * shift[0] + axis.dilation * shift[1]
    for p in range(0, axis.sizes[0], tile[0]):
        if shift[0] and (p // shift[0]) % count[0] == 0:
            continue
        for r in range(0, axis.sizes[1], tile[1]):
            if shift[1] and (r // shift[1]) % count[1] == 0:
                continue
            total += _common(axis, p, tile[0], r, tile[1], back)
    known[key] = total
    return total


@compiled
def _in_stride(factors: Integers, together: Integers) -> bool:
    """Whether the instances that one read serves have tiles with others between them."""
    apart = False
    for s in range(len(factors) - 1, -1, -1):
        if factors[s] > 1:
            if together[s] and apart:
                return True
            apart = apart or not together[s]
    return False


@compiled
def _starts(inside: int, factors: Integers, chosen: Integers) -> Integers:
    """Where the tiles of the chosen slots' iterations start."""
    found = np.zeros(1, np.int64)
    for s in range(len(factors) - 1, -1, -1):
        if chosen[s]:
            longer = np.empty(len(found) * factors[s], np.int64)
            for i in range(factors[s]):
                longer[i * len(found) : (i + 1) * len(found)] = found + i * inside
            found = longer
        inside *= factors[s]
    return found


@compiled
def _served(axis: Axis, tile: Integers, factors: Integers, together: Integers) -> int:
    """Words that the instances take together at each moment, each word once."""
    seen = np.full(axis.high - axis.low, -1, np.int64)
    total = moment = 0
    of_p, of_r = _starts(tile[0], factors[0], together), _starts(tile[1], factors[1], together)
    at_p, at_r = _starts(tile[0], factors[0], ~together), _starts(tile[1], factors[1], ~together)
    for p in at_p:
        for r in at_r:
            for x in of_p + p:
                for y in of_r + r:
                    for i in range(tile[0]):
                        for j in range(tile[1]):
                            word = axis.stride * (x + i) + axis.dilation * (y + j)
                            if axis.low <= word < axis.high and seen[word - axis.low] != moment:
                                seen[word - axis.low] = moment
                                total += 1
            moment += 1
    return total


@compiled
def _fill(
    row: Integers, axis: Axis, factors: Integers, temporal: Integers, together: Integers,
    known: Known,
) -> None:  # fmt: skip
    tile = axis.sizes.copy()
    merged, count, one = np.ones((3, 2), np.int64)
    shift, nothing = np.zeros((2, 2), np.int64)
    for d in range(2):
        for factor in factors[d]:
            tile[d] //= factor
        inside = tile[d]
        for s in range(factors.shape[1] - 1, -1, -1):
            if temporal[s] and factors[d, s] > 1 and count[d] == 1:
                shift[d], count[d] = inside, factors[d, s]
            inside *= factors[d, s]
            if together[s]:
                merged[d] *= factors[d, s]
    alone = merged[0] == 1 and merged[1] == 1
    row[TAKEN] = _total(axis, tile, nothing, one, known)
    if alone or axis.sizes[0] == 1 or axis.sizes[1] == 1:
        row[SERVED] = row[TAKEN]
    elif _in_stride(factors[0], together) or _in_stride(factors[1], together):
        row[SERVED] = _served(axis, tile, factors, together)
    else:
        row[SERVED] = _total(axis, tile * merged, nothing, one, known)
    for d, stays, kept in ((0, STAYS_FIRST, KEPT_FIRST), (1, STAYS_SECOND, KEPT_SECOND)):
        if count[d] > 1:
            moved, times = nothing.copy(), one.copy()
            moved[d], times[d] = shift[d], count[d]
            row[stays] = _total(axis, tile, moved, times, known)
            if alone:
                row[kept] = row[stays]


@compiled
def window_rows(axis: Axis, factors: Integers, temporal: Integers, together: Integers) -> Integers:
    """What each split of a window moves into a level.

    Args:
        axis: the window.
        factors: ``[splits, 2, slots]``: iterations of both dimensions in the slots outside the
            level, outermost first; they divide.
        temporal: of each slot, whether its loops are over time.
        together: of each slot, whether its instances are served by one read.

    Returns:
        ``[splits, 6]``: ``TAKEN`` to ``KEPT_SECOND``.
    """
    found = np.zeros((len(factors), 6), np.int64)
    known = {(0, 0, 0, 0, 0, 0): 0}
    for c in range(len(factors)):
        _fill(found[c], axis, factors[c], temporal, together, known)
    return found


@compiled
def largest_windows(axis: Axis, tiles: Integers) -> Integers:
    """The most words that tiles ``[splits, 2]`` of both dimensions hold."""
    found = np.zeros(len(tiles), np.int64)
    for c in range(len(tiles)):
        tp, tr = tiles[c]
        for p in range(0, axis.sizes[0], tp):
            for r in range(0, axis.sizes[1], tr):
                found[c] = max(found[c], _common(axis, p, tp, r, tr, 0))
    return found
