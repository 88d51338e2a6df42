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
from scipy.spatial import cKDTree

from explorer.accelerators.hierarchy import Hierarchy

#: Splits of a dimension at most; beyond, the smallest prime factors stay together.
MOST = 20_000
#: Splits of another size that a hop leads to.
_HOPS = 3

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


def units(size: int, slots: int, most: int = MOST) -> list[int]:
    """Factors of ``size`` that stay whole: prime, or larger if they had too many ways to go."""
    factors = prime_factors(size)
    while _ways(factors, slots) > most and len(factors) > 1:
        factors = sorted([factors[0] * factors[1], *factors[2:]])
    return factors


def splits(size: int, slots: tuple[Slot, ...], most: int = MOST) -> Integers:
    """All ways to give factors of ``size`` to slots, ``[ways, slots]``; at most about ``most``."""
    factors = units(size, len(slots), most)
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


def neighbours(rows: Integers, size: int, most: int = MOST) -> Integers:
    """Other rows that a move leads to: ``[ways, slots, slots, 3]``, -1 where there is none.

    Entry ``[i, s, t, kind]`` is row ``i`` with a factor of slot s moved to slot t (the smallest of
    ``units`` for which there is such a row), with all of slot s moved there, or with both
    exchanged. The rows are those of ``splits``.
    """
    ways, slots = rows.shape
    factors = sorted(set(units(size, slots, most)), reverse=True)
    primes = sorted(set(prime_factors(size)))
    shares = np.array([[prime_factors(f).count(prime) for prime in primes] for f in factors])
    generator = np.random.default_rng(1)
    weights = generator.integers(1, 1 << 40, size=(len(primes), slots), dtype=np.int64)
    powers = np.stack([_powers(rows, prime) for prime in primes]) if primes else None
    found = np.full((ways, slots, slots, 3), -1, np.int64)
    if powers is None:
        return found
    keys = np.einsum("pis,ps->i", powers, weights)
    order: Integers = np.argsort(keys)
    in_order = keys[order]

    def look_up(wanted: Integers, allowed: NDArray[np.bool_], s: int, t: int, kind: int) -> None:
        from_row = np.flatnonzero(allowed)
        key = wanted[from_row]
        place = np.minimum(np.searchsorted(in_order, key), ways - 1)
        hit = in_order[place] == key
        found[from_row[hit], s, t, kind] = order[place[hit]]

    for s, t in itertools.permutations(range(slots), 2):
        there = weights[:, t] - weights[:, s]
        for factor, share in zip(factors, shares, strict=True):
            look_up(keys + share @ there, rows[:, s] % factor == 0, s, t, 0)
        some = rows[:, s] > 1
        look_up(keys + there @ powers[:, :, s], some, s, t, 1)
        exchanged = there @ (powers[:, :, s] - powers[:, :, t])
        look_up(keys + exchanged, some & (rows[:, t] != rows[:, s]), s, t, 2)
    return found


def hops(sizes: list[Integers]) -> Integers:
    """Splits of other sizes that are nearest to a split: ``[ways, 3 x (sizes - 1)]``.

    Args:
        sizes: of each size the rows of ``splits``; numbers go over all of them, in this order.

    Near are those with the least sum of squared differences of the logarithms of iterations.
    """
    starts = np.cumsum([0, *(len(rows) for rows in sizes)])
    logs = [np.log2(rows) for rows in sizes]
    found = [
        np.concatenate(
            [
                start + _nearest(own, others)
                for start, others in zip(starts, logs, strict=False)
                if others is not own
            ]
            or [np.zeros((len(own), 0), np.int64)],
            axis=1,
        )
        for own in logs
    ]
    return np.concatenate(found)


def _nearest(rows: NDArray[np.float64], others: NDArray[np.float64]) -> Integers:
    _, found = cKDTree(others).query(rows, k=np.arange(1, min(_HOPS, len(others)) + 1))
    return np.asarray(found[:, np.arange(_HOPS) % found.shape[1]], np.int64)


def _powers(rows: Integers, prime: int) -> Integers:
    """How often a prime divides each number."""
    found = np.zeros_like(rows)
    rest = rows.copy()
    while (divisible := rest % prime == 0).any():
        found += divisible
        rest = np.where(divisible, rest // prime, rest)
    return found
