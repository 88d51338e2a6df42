"""What one axis of a tensor needs over time and space: exact sums, by walking along that axis.

The words that an instance holds are a product of sets, one for each axis of the tensor (rows,
columns, channels...), and each set depends on the loops over one dimension, or on two for the
windows of a convolution. So what moves when a loop goes on is a product over axes, too, and the sum
over all moments is a product of sums that are taken over each axis alone. This file takes them; it
knows ragged edges, padding, strides and dilations, because it looks at each position.

In formulas: at a moment an instance needs A, the product of A_r over the axes, and before it had B,
likewise; |A - B| = prod |A_r| - prod |A_r and B_r|. Of instances served together, those words come
that some needs and has not had: prod |union of A_r| less the product over r of the words in that
union which all instances that need them had.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.mapping.compiled import Integers, compiled

#: Kinds of loops: over time; over instances that are served apart; over those served together.
TEMPORAL, APART, TOGETHER = 0, 1, 2
#: What an axis is: a dimension that the tensor does not have, one that it has, a sliding window.
IRRELEVANT, PLAIN, WINDOW = 0, 1, 2
#: Columns of a table: words now, before, and both; over instances served together the words that
#: some needs now, those of them that all who need them had before, and the same the other way.
NOW, BEFORE, BOTH, ANY_NOW, HAD_NOW, ANY_BEFORE, HAD_BEFORE = range(7)

Table = NDArray[np.int64]


class Axis(NamedTuple):
    """An axis of a tensor.

    Attributes:
        what: ``IRRELEVANT``, ``PLAIN`` or ``WINDOW``.
        sizes: of both dimensions of a window, the second 1 where there is one.
        stride, dilation: of a window.
        low, high: the words of a window that exist; those outside are padding.
    """

    what: int
    sizes: Integers
    stride: int
    dilation: int
    low: int
    high: int


class Loops(NamedTuple):
    """Loops over an axis outside a level, the outermost first.

    Attributes:
        kind: ``TEMPORAL``, ``APART`` or ``TOGETHER``.
        dim: 0, or 1 for the filter's dimension of a window.
        times: iterations.
        tile: what an iteration covers of the dimension.
    """

    kind: Integers
    dim: Integers
    times: Integers
    tile: Integers


@compiled
def _part(loops: Loops, size: int, dim: int, index: Integers) -> tuple[int, int]:
    """Part of a dimension that the loops' indices leave: start and end."""
    start, end = 0, size
    for k in range(len(loops.dim)):
        if loops.dim[k] == dim:
            start += index[k] * loops.tile[k]
            end = min(end, start + loops.tile[k])
    return start, max(start, end)


@compiled
def _go_last(loops: Loops, sizes: Integers, index: Integers, cut: int) -> None:
    """Give the temporal loops from number ``cut`` on their last index, for the first instance."""
    start = np.zeros(2, np.int64)
    end = sizes.copy()
    number = 0
    for k in range(len(loops.dim)):
        d, tile = loops.dim[k], loops.tile[k]
        if loops.kind[k] == TEMPORAL:
            if number >= cut:
                index[k] = max(0, (end[d] - start[d] + tile - 1) // tile - 1)
            start[d] += index[k] * tile
            number += 1
        end[d] = min(end[d], start[d] + tile)


@compiled
def _step(loops: Loops, kind: int, index: Integers) -> bool:
    """Next index of the loops of one kind, the innermost first; False after the last."""
    for k in range(len(loops.kind) - 1, -1, -1):
        if loops.kind[k] == kind:
            index[k] += 1
            if index[k] < loops.times[k]:
                return True
            index[k] = 0
    return False


@compiled
def _reach(axis: Axis, loops: Loops, index: Integers) -> tuple[int, int]:
    """The first word that any of the instances served together needs, and the one after the last.

    Their indices are 0 before and behind.
    """
    low, high = axis.high, axis.low
    more = True
    while more:
        p0, p1 = _part(loops, axis.sizes[0], 0, index)
        r0, r1 = _part(loops, axis.sizes[1], 1, index)
        if p0 < p1 and r0 < r1:
            low = min(low, axis.stride * p0 + axis.dilation * r0)
            high = max(high, axis.stride * (p1 - 1) + axis.dilation * (r1 - 1) + 1)
        more = _step(loops, TOGETHER, index)
    low = max(low, axis.low)
    return low, max(low, min(high, axis.high))


@compiled
def _mark(cells: Integers, first: int, axis: Axis, loops: Loops, index: Integers) -> None:
    """Set the cells, from the word ``first`` on, of the words that an instance needs."""
    cells[:] = 0
    p0, p1 = _part(loops, axis.sizes[0], 0, index)
    r0, r1 = _part(loops, axis.sizes[1], 1, index)
    for p in range(p0, p1):
        for r in range(r0, r1):
            x = axis.stride * p + axis.dilation * r
            if axis.low <= x < axis.high:
                cells[x - first] = 1


@compiled
def _add_window(row: Integers, axis: Axis, loops: Loops, new: Integers, old: Integers) -> None:
    """Add the words of instances served together: how many need each, had each, and both."""
    new0, new1 = _reach(axis, loops, new)
    old0, old1 = _reach(axis, loops, old)
    now, need, both = np.zeros((3, new1 - new0), np.int64)
    before, had = np.zeros((2, old1 - old0), np.int64)
    common = range(max(new0, old0), min(new1, old1))
    more = True
    while more:
        _mark(now, new0, axis, loops, new)
        _mark(before, old0, axis, loops, old)
        need += now
        had += before
        for x in common:
            both[x - new0] += now[x - new0] * before[x - old0]
        more = _step(loops, TOGETHER, new)
        _step(loops, TOGETHER, old)
    row[NOW] += need.sum()
    row[BEFORE] += had.sum()
    row[BOTH] += both.sum()
    for i in range(len(need)):
        if need[i]:
            row[ANY_NOW] += 1
            row[HAD_NOW] += both[i] == need[i]
    for i in range(len(had)):
        if had[i]:
            row[ANY_BEFORE] += 1
            x = i + old0
            row[HAD_BEFORE] += new0 <= x < new1 and both[x - new0] == had[i]


@compiled
def _add_plain(row: Integers, axis: Axis, loops: Loops, new: Integers, old: Integers) -> None:
    """Add the words of instances served together; no two need the same."""
    more = True
    while more:
        a0, a1 = _part(loops, axis.sizes[0], 0, new)
        b0, b1 = _part(loops, axis.sizes[0], 0, old)
        both = max(0, min(a1, b1) - max(a0, b0))
        for now, had, words in (
            (NOW, BOTH, a1 - a0), (ANY_NOW, HAD_NOW, a1 - a0),
            (BEFORE, -1, b1 - b0), (ANY_BEFORE, HAD_BEFORE, b1 - b0),
        ):  # fmt: skip
            row[now] += words
            if had >= 0:
                row[had] += both
        more = _step(loops, TOGETHER, new)
        _step(loops, TOGETHER, old)


@compiled
def _add_irrelevant(row: Integers, axis: Axis, loops: Loops, new: Integers, old: Integers) -> None:
    """Add instances served together that have something to do: all of them need the same."""
    any_now = any_before = False
    all_had = all_have = True
    more = True
    while more:
        a0, a1 = _part(loops, axis.sizes[0], 0, new)
        b0, b1 = _part(loops, axis.sizes[0], 0, old)
        now, before = a0 < a1, b0 < b1
        row[NOW] += now
        row[BEFORE] += before
        row[BOTH] += now and before
        any_now |= now
        any_before |= before
        all_had &= before or not now
        all_have &= now or not before
        more = _step(loops, TOGETHER, new)
        _step(loops, TOGETHER, old)
    row[ANY_NOW] += any_now
    row[HAD_NOW] += any_now and all_had
    row[ANY_BEFORE] += any_before
    row[HAD_BEFORE] += any_before and all_have


@compiled
def _add(row: Integers, axis: Axis, loops: Loops, new: Integers, old: Integers) -> None:
    """Add the words of one moment, of all instances, to a row of the table."""
    more = True
    while more:
        if axis.what == WINDOW:
            _add_window(row, axis, loops, new, old)
        elif axis.what == PLAIN:
            _add_plain(row, axis, loops, new, old)
        else:
            _add_irrelevant(row, axis, loops, new, old)
        more = _step(loops, APART, new)
        _step(loops, APART, old)


@compiled
def axis_table(axis: Axis, loops: Loops) -> Table:
    """Sums over one axis of a tensor, for each way in which a loop can go on.

    Returns:
        ``[cuts + 1, 2, 7]``: how many temporal loops of this axis stand outside the loop that goes
        on, whether that loop is itself of this axis, and the columns ``NOW`` to ``HAD_BEFORE``.
    """
    temporal = (loops.kind == TEMPORAL).sum()
    table = np.zeros((temporal + 1, 2, 7), np.int64)
    new = np.zeros(len(loops.kind), np.int64)
    old = np.zeros(len(loops.kind), np.int64)
    more = True
    while more:
        p0, p1 = _part(loops, axis.sizes[0], 0, new)
        r0, r1 = _part(loops, axis.sizes[1], 1, new)
        if p0 < p1 and r0 < r1:
            _add_moment(table, axis, loops, new, old)
        more = _step(loops, TEMPORAL, new)
    return table


@compiled
def _add_moment(table: Table, axis: Axis, loops: Loops, new: Integers, old: Integers) -> None:
    """Add a moment to all rows in which it is the one that a loop goes on to."""
    temporal = len(table) - 1
    zeros = 0
    own = -1
    for k in range(len(new) - 1, -1, -1):
        if loops.kind[k] == TEMPORAL:
            if new[k]:
                own = k
                break
            zeros += 1
    for cut in range(temporal - zeros, temporal + 1):
        old[:] = new
        _go_last(loops, axis.sizes, old, cut)
        _add(table[cut, 0], axis, loops, new, old)
    if own >= 0:
        old[:] = new
        old[own] -= 1
        _go_last(loops, axis.sizes, old, temporal - zeros)
        _add(table[temporal - zeros - 1, 1], axis, loops, new, old)


@compiled
def largest_window(axis: Axis, tiles: Integers) -> int:
    """The most words of a window set that a tile of both dimensions holds."""
    reach = axis.stride * (tiles[0] - 1) + axis.dilation * (tiles[1] - 1)
    cells = np.zeros(reach + 1, np.int64)
    most = 0
    for p in range(0, axis.sizes[0], tiles[0]):
        for r in range(0, axis.sizes[1], tiles[1]):
            cells[:] = 0
            first = axis.stride * p + axis.dilation * r
            for i in range(p, min(p + tiles[0], axis.sizes[0])):
                for j in range(r, min(r + tiles[1], axis.sizes[1])):
                    x = axis.stride * i + axis.dilation * j
                    if axis.low <= x < axis.high:
                        cells[x - first] = 1
            most = max(most, int(cells.sum()))
    return most
