"""Sums of products over choices: least cost and bounds, compiled; see ``explorer.mapping.bound``.

``values`` ``[rows, columns]`` are the numbers of all choices of all axes, ``logs`` logarithms,
``lists`` ``[axes, longest]`` are the rows of each axis that are left, ``sizes`` how many; ``left``
says which axes are not chosen yet.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.mapping.compiled import Floats, Integers, compiled, inlined

#: Numbers that are equal but for rounding.
EPSILON = 1e-9


class Model(NamedTuple):
    """The cost as sums of products.

    Attributes:
        energy: coefficient of each column in the energy.
        delays: ``[delays, columns]``; the largest sum is the delay.
        offsets: to be taken from each sum of delays.
        whole, cycle: pJ whatever the mapping, and for a cycle.
        column, group, weight: of each entry of a sum: its column, its sum and its coefficient; of
            capacities the coefficient is 1 / room.
        block: of each group: 0 (objective), 1 (delay, for EDP), 2 (capacity).
        whole_group: of each group of the objective, what is added to the target.
        objective: number in ``OBJECTIVES``.
        low, high: for EDP, delays between which mappings are looked for.
        room_group, room_column, room_packing: of each tile: its level, column, values in a word.
        room: of each level.
        spatial_column, spatial_most: of each spatial slot.
    """

    energy: Floats
    delays: Floats
    offsets: Floats
    whole: float
    cycle: float
    column: Integers
    group: Integers
    weight: Floats
    block: Integers
    whole_group: Floats
    objective: int
    low: float
    high: float
    room_group: Integers
    room_column: Integers
    room_packing: Floats
    room: Floats
    spatial_column: Integers
    spatial_most: Floats


@compiled
def front(values: Floats, rows: Integers, count: int) -> int:
    """Drop rows that another row dominates (of equal ones the first stays); how many are left."""
    columns = values.shape[1]
    keys = np.zeros(count)
    for i in range(count):
        for c in range(columns):
            keys[i] += np.log(max(values[rows[i], c], 1e-300))
    order = np.argsort(keys, kind="mergesort")
    chosen = rows[:count].copy()
    kept = 0
    for i in order:
        row = chosen[i]
        dominated = False
        for j in range(kept):
            other = rows[j]
            dominated = True
            for c in range(columns):
                if values[other, c] > values[row, c]:
                    dominated = False
                    break
            if dominated:
                if j > 0:  # what dominates often does so again
                    rows[j], rows[j // 2] = rows[j // 2], rows[j]
                break
        if not dominated:
            rows[kept] = row
            kept += 1
    return kept


@compiled
def scales_of(model: Model, target: float) -> Floats:
    """Logarithms of the entries' coefficients, such that a sum above 1 is out of the question."""
    found = np.zeros(len(model.column))
    for e in range(len(found)):
        g = model.group[e]
        found[e] = np.log(model.weight[e])
        if model.block[g] == 0:
            found[e] -= np.log(max(target + model.whole_group[g], 1e-300))
    return found


@inlined
def _delay(model: Model, x: Floats) -> float:
    """The largest sum of delays."""
    delay = -np.inf
    for j in range(len(model.offsets)):
        total = -model.offsets[j]
        for c in range(model.delays.shape[1]):
            total += model.delays[j, c] * x[c]
        delay = max(delay, total)
    return delay


@inlined
def cost_of(model: Model, x: Floats, low: float) -> float:
    """Cost for the numbers x of a mapping, as ``fast.evaluate``; with ``low`` cycles at least."""
    delay = max(low, _delay(model, x))
    if model.objective == 1:
        return delay
    energy = model.whole + model.cycle * delay
    for c in range(len(model.energy)):
        energy += model.energy[c] * x[c]
    return energy if model.objective == 0 else energy * delay


@inlined
def fits(model: Model, x: Floats) -> bool:
    """Whether tiles and instances fit for numbers that are those of a mapping, or less."""
    for i in range(len(model.spatial_column)):
        if x[model.spatial_column[i]] > model.spatial_most[i] + 1e-6:
            return False
    level, used = -1, 0.0
    for i in range(len(model.room_column)):  # in the order of their levels
        if model.room_group[i] != level:
            level, used = model.room_group[i], 0.0
        used += np.ceil(x[model.room_column[i]] / model.room_packing[i] - 1e-6)
        if used > model.room[level]:
            return False
    return model.high == np.inf or _delay(model, x) <= model.high * (1 + 1e-9)


@inlined
def _least(values: Floats, lists: Integers, sizes: Integers, left: Integers) -> Floats:
    """The least number of each axis, in each column; 1 for axes that are chosen."""
    found = np.ones((len(sizes), values.shape[1]))
    for a in range(len(sizes)):
        if left[a]:
            found[a] = np.inf
            for i in range(sizes[a]):
                for c in range(values.shape[1]):
                    found[a, c] = min(found[a, c], values[lists[a, i], c])
    return found


@compiled
def sieve(
    model: Model, values: Floats, lists: Integers, sizes: Integers, left: Integers, x: Floats,
    target: float,
) -> int:  # fmt: skip
    """Drop the choices that do not fit, or cost too much, even if all others are at their least.

    Returns:
        how many were dropped, or -1 if an axis has none left.
    """
    dropped = 0
    for _ in range(2):
        least = _least(values, lists, sizes, left)
        before = dropped
        for a in range(len(sizes)):
            if not left[a]:
                continue
            rest = x.copy()
            for b in range(len(sizes)):
                if b != a:
                    rest *= least[b]
            kept = 0
            for i in range(sizes[a]):
                row = lists[a, i]
                trial = rest * values[row]
                if fits(model, trial) and cost_of(model, trial, model.low) < target:
                    lists[a, kept] = row
                    kept += 1
            dropped += sizes[a] - kept
            sizes[a] = kept
            if kept == 0:
                return -1
        if dropped == before:
            break
    return dropped


@inlined
def _soft(model: Model, scales: Floats, x: Floats, weights: Floats, sums: Floats) -> None:
    """Logarithms of the groups' sums at x into ``sums``, the entries' shares into ``weights``."""
    top = np.full(len(sums), -np.inf)
    for e in range(len(scales)):
        g = model.group[e]
        top[g] = max(top[g], scales[e] + x[model.column[e]])
    sums[:] = 0
    for e in range(len(scales)):
        g = model.group[e]
        weights[e] = np.exp(scales[e] + x[model.column[e]] - top[g])
        sums[g] += weights[e]
    for e in range(len(scales)):
        weights[e] /= sums[model.group[e]]
    for g in range(len(sums)):
        sums[g] = top[g] + np.log(sums[g])


@inlined
def _normalise(model: Model, prices: Floats) -> None:
    """Make the prices of the groups of which the largest counts add up to 1."""
    total = np.zeros(2)
    for g in range(len(prices)):
        if model.block[g] < 2:
            total[model.block[g]] += prices[g]
    for g in range(len(prices)):
        if model.block[g] < 2:
            prices[g] /= total[model.block[g]]


@inlined
def _weigh(model: Model, scales: Floats, weights: Floats, prices: Floats, columns: Floats) -> float:
    """Weights of the columns, and what the entries' coefficients and weights add to a bound."""
    columns[:] = 0
    value = 0.0
    for e in range(len(scales)):
        price = prices[model.group[e]]
        if weights[e] > 0 and price > 0:
            columns[model.column[e]] += price * weights[e]
            value += price * weights[e] * (scales[e] - np.log(weights[e]))
    return value


@inlined
def _choose(
    logs: Floats, lists: Integers, sizes: Integers, left: Integers, columns: Floats, low: Floats,
    picked: Floats,
) -> float:  # fmt: skip
    """The choice of each axis that is least with these weights, added to ``picked``; their sum."""
    value = 0.0
    for a in range(len(sizes)):
        if left[a]:
            low[a] = np.inf
            chosen = 0
            for i in range(sizes[a]):
                total = 0.0
                row = logs[lists[a, i]]
                for c in range(len(columns)):
                    total += columns[c] * row[c]
                if total < low[a]:
                    low[a] = total
                    chosen = lists[a, i]
            value += low[a]
            for c in range(len(columns)):
                picked[c] += logs[chosen, c]
    return value


@compiled
def dual_bound(
    model: Model, scales: Floats, logs: Floats, lists: Integers, sizes: Integers, left: Integers,
    x: Floats, steps: int, mean: Floats, prices: Floats, z: Floats, mins: Floats,
) -> float:  # fmt: skip
    """The dual bound: above 0 there is nothing below the target. ``x`` are logarithms.

    ``mean`` (numbers around which weights are chosen) and ``prices`` (of the groups) are where to
    start, and are improved; ``z`` and ``mins`` become the columns' weights and the least of each
    axis with the best bound. Ends where the bound is above 0.
    """
    weights, sums = np.zeros(len(scales)), np.zeros(len(prices))
    columns, low = np.zeros(len(x)), np.zeros(len(sizes))
    best = -np.inf
    best_mean, best_prices = mean.copy(), prices.copy()
    for step in range(steps):
        _soft(model, scales, mean, weights, sums)
        _normalise(model, prices)
        value = _weigh(model, scales, weights, prices, columns)
        for c in range(len(x)):
            value += columns[c] * x[c]
        picked = x.copy()
        value += _choose(logs, lists, sizes, left, columns, low, picked)
        if value > best:
            best = value
            z[:], mins[:] = columns, low
            best_mean[:], best_prices[:] = mean, prices
            if best > EPSILON:
                break
        # Towards what was picked; prices of groups by how much they are above the others, or 0.
        rate = 1.0 / (2.0 + step) if step > 20 else 0.5 / (1.0 + step)
        mean += rate * (picked - mean)
        _soft(model, scales, picked, weights, sums)
        pace = 0.3 / (1.0 + 0.15 * step)
        for g in range(len(prices)):
            if model.block[g] == 2:
                prices[g] = max(0.0, prices[g] + pace * max(-1.5, min(1.5, sums[g])))
            else:
                prices[g] = max(1e-9, prices[g]) * np.exp(pace * max(-3.0, min(3.0, sums[g])))
    mean[:], prices[:] = best_mean, best_prices
    return best


@compiled
def drop_dear(
    logs: Floats, lists: Integers, sizes: Integers, left: Integers, z: Floats, mins: Floats,
    bound: float,
) -> int:  # fmt: skip
    """Drop the choices with which the bound is above 0; how many."""
    dropped = 0
    for a in range(len(sizes)):
        if not left[a]:
            continue
        kept = 0
        for i in range(sizes[a]):
            row = lists[a, i]
            total = bound - mins[a]
            for c in range(logs.shape[1]):
                total += z[c] * logs[row, c]
            if total <= EPSILON:
                lists[a, kept] = row
                kept += 1
        dropped += sizes[a] - kept
        sizes[a] = kept
    return dropped


class Work(NamedTuple):
    """What a depth-first search has at each depth; the first index is the number of axes chosen.

    Attributes:
        lists, sizes, left: choices left.
        x, logs: numbers of the axes chosen, multiplied, and their logarithms.
        mean, prices: where bounds start.
        axis, turn: the axis that is chosen next, and its next choice.
    """

    lists: Integers
    sizes: Integers
    left: Integers
    x: Floats
    logs: Floats
    mean: Floats
    prices: Floats
    axis: Integers
    turn: Integers


@compiled
def _descend(work: Work, depth: int, values: Floats, logs: Floats) -> int:
    """Make the next choice at a depth; its row."""
    a = work.axis[depth]
    row = int(work.lists[depth, a, work.turn[depth]])
    work.turn[depth] += 1
    below = depth + 1
    work.sizes[below] = work.sizes[depth]
    work.left[below] = work.left[depth]
    work.left[below, a] = 0
    for b in range(len(work.sizes[0])):
        if work.left[below, b]:
            for i in range(work.sizes[depth, b]):
                work.lists[below, b, i] = work.lists[depth, b, i]
    work.x[below] = work.x[depth] * values[row]
    work.logs[below] = work.logs[depth] + logs[row]
    work.mean[below], work.prices[below] = work.mean[depth], work.prices[depth]
    return row


@compiled
def _prepare(
    model: Model, scales: Floats, values: Floats, logs: Floats, work: Work, depth: int, steps: int,
    target: float,
) -> int:  # fmt: skip
    """Bound a node, drop choices and say which axis is next; what was dropped, -1 for the node."""
    lists, sizes, left = work.lists[depth], work.sizes[depth], work.left[depth]
    dropped = sieve(model, values, lists, sizes, left, work.x[depth], target)
    if dropped < 0:
        return -1
    if left.sum() > 1:
        z, mins = np.zeros(values.shape[1]), np.zeros(len(sizes))
        bound = dual_bound(
            model, scales, logs, lists, sizes, left, work.logs[depth], steps, work.mean[depth],
            work.prices[depth], z, mins,
        )  # fmt: skip
        if bound > EPSILON:
            return -1
        dropped += drop_dear(logs, lists, sizes, left, z, mins, bound)
    pick = -1
    for a in range(len(sizes)):
        if left[a] and (pick < 0 or sizes[a] < sizes[pick]):
            pick = a
    if left.sum() > 1:
        keys = np.zeros(sizes[pick])
        for i in range(len(keys)):
            for c in range(values.shape[1]):
                keys[i] += z[c] * logs[lists[pick, i], c]
        lists[pick, : len(keys)] = lists[pick, : len(keys)][np.argsort(keys, kind="mergesort")]
    work.axis[depth], work.turn[depth] = pick, 0
    return dropped if sizes[pick] > 0 else -1


@compiled
def branch(
    model: Model, values: Floats, logs: Floats, lists: Integers, sizes: Integers, best: float,
    tolerance: float, mean: Floats, prices: Floats, most: int, steps: int, chosen: Integers,
    floor: float,
) -> tuple[float, int, int, bool]:  # fmt: skip
    """Choose axis after axis under one plan, depth first, until the target is below ``floor``.

    Returns:
        the best cost (``chosen`` are its rows if it is below what was known), nodes, pruned nodes
        and choices, and whether it came to its end before ``most`` nodes.
    """
    axes, columns = len(sizes), values.shape[1]
    deep = axes + 1
    work = Work(
        np.zeros((deep, axes, lists.shape[1]), np.int64), np.zeros((deep, axes), np.int64),
        np.ones((deep, axes), np.int64), np.ones((deep, columns)), np.zeros((deep, columns)),
        np.zeros((deep, columns)), np.zeros((deep, len(prices))), np.zeros(deep, np.int64),
        np.zeros(deep, np.int64),
    )  # fmt: skip
    work.lists[0], work.sizes[0] = lists, sizes
    work.mean[0], work.prices[0] = mean, prices
    path = np.zeros(axes, np.int64)
    explored = pruned = depth = 0
    fresh = True
    target = best * (1 - tolerance)
    scales = scales_of(model, target)
    while depth >= 0:
        if fresh:
            explored += 1
            if explored > most:
                return best, explored, pruned, False
            dropped = _prepare(model, scales, values, logs, work, depth, steps, target)
            pruned += max(dropped, 1)
            if dropped < 0:
                depth, fresh = depth - 1, False
                continue
        a = work.axis[depth]
        if work.turn[depth] >= work.sizes[depth, a]:
            depth, fresh = depth - 1, False
            continue
        path[a] = _descend(work, depth, values, logs)
        fresh = depth < axes - 1
        if fresh:
            depth += 1
            continue
        explored += 1
        cost = cost_of(model, work.x[axes], 0.0)
        if cost < best:
            best = cost
            chosen[:] = path
            target = best * (1 - tolerance)
            if target <= floor:
                break
            scales = scales_of(model, target)
    return best, explored, pruned, True
