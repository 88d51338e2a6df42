"""Ways to split a dimension over the slots of a hierarchy.

A *slot* is a place for loops: the temporal loops of a level, or the instances below it along an
axis of the mesh. A *split* of a dimension says how many iterations each slot gets.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.accelerators.hierarchy import Hierarchy

#: Splits of a dimension at most; beyond, the smallest prime factors stay together.
MOST = 20_000

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Slot:
    """A place for loops.

    Attributes:
        level: of the hierarchy.
        axis: "" for temporal loops, else ``x`` or ``y``.
        most: iterations at most.
    """

    level: int
    axis: str
    most: int


def slots_of(hierarchy: Hierarchy) -> tuple[Slot, ...]:
    """All slots, outermost first; a network has no temporal loops of its own."""
    found = []
    for index, level in enumerate(hierarchy.levels):
        if level.kind != "network":
            found.append(Slot(index, "", 1 << 62))
        for axis, most in (("x", level.fanout_x), ("y", level.fanout_y)):
            if most > 1:
                found.append(Slot(index, axis, most))
    return tuple(found)


def prime_factors(number: int) -> list[int]:
    """Prime factors, smallest first."""
    found = []
    factor = 2
    while factor * factor <= number:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return [*found, number] if number > 1 else found


def splits(size: int, slots: tuple[Slot, ...], most: int = MOST) -> Integers:
    """All ways to give factors of ``size`` to slots, ``[ways, slots]``; at most about ``most``."""
    factors = prime_factors(size)
    while _ways(factors, len(slots)) > most and len(factors) > 1:
        factors = sorted([factors[0] * factors[1], *factors[2:]])
    rows = np.ones((1, len(slots)), np.int64)
    limits = np.array([slot.most for slot in slots])
    for factor, group in itertools.groupby(factors):
        power = len(list(group))
        shares = np.array(_compositions(power, len(slots)), np.int64)
        times = factor**shares
        rows = (rows[:, None, :] * times[None, :, :]).reshape(-1, len(slots))
        rows = rows[(rows <= limits).all(axis=1)]
    return rows


def _ways(factors: list[int], slots: int) -> int:
    return math.prod(
        math.comb(len(list(group)) + slots - 1, slots - 1)
        for _, group in itertools.groupby(factors)
    )


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    if parts == 1:
        return [(total,)]
    return [
        (first, *rest)
        for first in range(total + 1)
        for rest in _compositions(total - first, parts - 1)
    ]


def neighbours(rows: Integers, size: int) -> Integers:
    """Rows that differ by one prime factor in another slot: ``[ways, slots, slots]``, else -1.

    Entry ``[i, s, t]`` is row ``i`` with a factor moved from slot s to slot t: the smallest prime
    for which there is such a row.
    """
    ways, slots = rows.shape
    generator = np.random.default_rng(1)
    found = np.full((ways, slots, slots), -1, np.int64)
    parts = sorted(set(prime_factors(size)), reverse=True)
    weights: dict[int, Integers] = {
        prime: generator.integers(1, 1 << 40, size=(slots,), dtype=np.int64) for prime in parts
    }
    keys = np.zeros(ways, np.int64)
    for prime in parts:
        rest = rows.copy()
        while (divisible := rest % prime == 0).any():
            keys += divisible @ weights[prime]
            rest = np.where(divisible, rest // prime, rest)
    order: Integers = np.argsort(keys)
    for prime in parts:
        for s, t in itertools.permutations(range(slots), 2):
            wanted = keys + weights[prime][t] - weights[prime][s]
            place = np.minimum(np.searchsorted(keys[order], wanted), ways - 1)
            hit = (keys[order[place]] == wanted) & (rows[:, s] % prime == 0)
            found[hit, s, t] = order[place[hit]]
    return found
