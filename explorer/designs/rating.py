"""Compiled: what mappings of a pool cost on each of many designs, and the best one of each.

Words that a mapping moves do not depend on the design: they are counted once. A *geometry* is what
decides whether a mapping fits and how many cycles it takes: instances, room, packing and rates.
Designs of one geometry differ in energies alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.mapping.compiled import Floats, Integers, compiled, inlined
from explorer.mapping.fast import (
    PSUM,
    Choices,
    Nest,
    Problem,
    add_words,
    at_rate,
    moments,
    moved,
    nest_of,
    sums_of,
    tile,
)

#: Designs of a geometry that choose which mappings all of them try, and how many each.
_SPEAKERS, _CHOICES = 4, 3


class Pool(NamedTuple):
    """Mappings of a layer; rows behind the last mapping are not used.

    Attributes:
        ways, picks: ``[m, 8]`` splits, ``[m, levels]`` orders, of the layer's choices.
        extents: ``[m, slots]``: instances that are used, 1 of temporal slots.
        instances: ``[m, levels]``: of each level, that are used.
        served, taken: ``[m, pairs]``: words that a pair's outer level serves, and its inner takes.
        tiles: ``[m, levels, 3]``: words of a tensor in an instance.
        finished: ``[m, levels]``: 1 if only finished sums come to a level.
        ends: ``[m, levels]``: sums that are finished when they leave a level, or stay.
        steps: iterations of all temporal loops.
    """

    ways: Integers
    picks: Integers
    extents: Integers
    instances: Floats
    served: Floats
    taken: Floats
    tiles: Integers
    finished: Integers
    ends: Floats
    steps: Floats


class Fleet(NamedTuple):
    """Designs, in the order of their geometries, and within one of what a cycle costs.

    Attributes:
        first: designs of geometry ``g`` are ``first[g]`` to ``first[g + 1]``.
        most: ``[g, slots]``: instances.
        rates: ``[g, levels, 2]``.
        kind: of each geometry, the number of its memories among those that are alike; geometries
            of one kind follow each other.
        example: of each geometry, a row of the next four.
        room, packing, whole: ``[rows, levels]``, ``[rows, levels, 3]``, ``[rows, levels]``.
        per_cycle: ``[rows]``: products of a MAC unit in a cycle.
        pairs_pj: ``[rows, pairs, 2]``.
        product_pj, sum_pj: ``[rows]``.
        saving: ``[rows, levels]``, as ``fast.Problem`` has it.
        widths: ``[rows, 3]``: bits of a value of each tensor.
        row: ``[n]``.
        cycle_pj: ``[n]``.
        hops: ``[n, levels]``: pJ of a bit.
    """

    first: Integers
    most: Integers
    rates: Floats
    kind: Integers
    example: Integers
    room: Integers
    packing: Floats
    whole: Floats
    per_cycle: Floats
    pairs_pj: Floats
    product_pj: Floats
    sum_pj: Floats
    saving: Floats
    widths: Floats
    row: Integers
    cycle_pj: Floats
    hops: Floats


@compiled
def add_mapping(
    problem: Problem, choices: Choices, pool: Pool, m: int, ways: Integers, picks: Integers
) -> None:
    """Count a mapping's words into place ``m`` of the pool."""
    pool.ways[m] = ways
    pool.picks[m] = picks
    orders = np.zeros((len(picks), 8), np.int64)
    factors = np.ones((8, len(problem.slot_level)), np.int64)
    nest = Nest(
        factors, orders, choices.rows[0, 0], choices.columns[0, 0],
        choices.row_tiles[0, 0], choices.column_tiles[0, 0],
    )  # fmt: skip
    nest = nest_of(choices, ways, picks, nest)
    sums, drained = sums_of(problem), 0.0
    pool.finished[m] = 0
    pool.ends[m] = 0.0
    for k in range(len(problem.pairs)):
        served, taken = moved(problem, nest, k)
        pool.served[m, k] = served
        pool.taken[m, k] = taken
        if problem.pairs[k, 0] == PSUM and problem.pairs[k, 3] == 0:
            outer = problem.pairs[k, 1]
            pool.finished[m, outer] = served <= sums
            pool.ends[m, outer] = sums if drained <= sums else 0.0
            drained = taken
    for level in range(len(problem.room)):
        for tensor in range(3):
            pool.tiles[m, level, tensor] = tile(problem, nest, level, tensor)
    pool.steps[m] = moments(problem, nest.factors)
    pool.instances[m] = 1.0
    for s in range(len(problem.slot_level)):
        pool.extents[m, s] = 1 if problem.temporal[s] else factors[:, s].prod()
        pool.instances[m, problem.slot_level[s] + 1 :] *= pool.extents[m, s]


@compiled
def _on(problem: Problem, fleet: Fleet, g: int) -> Problem:
    """The layer on a geometry, without energies."""
    row = fleet.example[g]
    return Problem(
        problem.sizes, problem.slot_level, fleet.most[g], problem.temporal, problem.multicast,
        problem.pairs, problem.prices, problem.held, np.array([0.0, 0.0, fleet.per_cycle[row]]),
        fleet.room[row], fleet.packing[row], fleet.whole[row], fleet.rates[g], problem.saving,
        problem.home, problem.ragged,
    )  # fmt: skip


@compiled
def roomy(problem: Problem, pool: Pool, size: int, fleet: Fleet, g: int) -> Integers:
    """Mappings whose tiles fit the memories of a geometry."""
    here = _on(problem, fleet, g)
    found = np.zeros(size, np.int64)
    count = 0
    for m in range(size):
        fits = True
        for level in range(len(here.room)):
            if here.room[level] == 0:
                continue
            used = 0.0
            for tensor in range(3):
                packing = here.packing[level, tensor]
                if packing > 0:
                    if tensor == PSUM and pool.finished[m, level]:
                        packing = max(packing, here.whole[level])
                    used += np.ceil(pool.tiles[m, level, tensor] / packing)
            fits &= used <= here.room[level]
        if fits:
            found[count] = m
            count += 1
    return found[:count]


@compiled
def fitting(
    problem: Problem, pool: Pool, candidates: Integers, fleet: Fleet, g: int, found: Integers,
    cycles: Floats,
) -> int:  # fmt: skip
    """Which of the ``roomy`` mappings have instances enough, into ``found``, and their cycles."""
    here = _on(problem, fleet, g)
    reads, writes = np.zeros(len(here.room)), np.zeros(len(here.room))
    sums = sums_of(problem)
    limited = np.zeros(len(here.room) + 1, np.bool_)  # levels whose words may take longer
    for level in range(len(here.room)):
        limited[level] = here.rates[level, 0] > 0 or here.rates[level, 1] > 0
    slow: list[int] = [v for v in range(len(here.room)) if limited[v]]
    count = 0
    for m in candidates:
        enough = True
        for s in range(len(here.slot_most)):
            enough &= pool.extents[m, s] <= here.slot_most[s]
        if not enough:
            continue
        reads[:] = 0.0
        writes[:] = 0.0
        for k in range(len(problem.pairs)):
            outer, inner = problem.pairs[k, 1], problem.pairs[k, 2]
            if problem.pairs[k, 3] == 0 and (limited[outer] or limited[inner]):
                whole = here.whole[outer] if pool.ends[m, outer] > 0 else 0.0
                add_words(here, k, pool.served[m, k], pool.taken[m, k], sums, whole, reads, writes)
        needed = pool.steps[m] / here.fixed[2]
        for v in slow:
            needed = at_rate(here, v, pool.instances[m, v], reads, writes, needed)
        cycles[count] = np.ceil(needed)
        found[count] = m
        count += 1
    return count


@compiled
def prices_of(problem: Problem, fleet: Fleet, i: int, prices: Floats) -> None:
    """Energies of a pair's words on a design, wires included, ``[pairs, 2]``."""
    row = fleet.row[i]
    for k in range(len(problem.pairs)):
        if problem.pairs[k, 3] == 1:
            tensor, outer = problem.pairs[k, 0], problem.pairs[k, 1]
            prices[k, 0] = fleet.hops[i, outer] * fleet.widths[row, tensor]
            prices[k, 1] = 0.0
        else:
            prices[k] = fleet.pairs_pj[row, k]


@inlined
def _fixed(problem: Problem, fleet: Fleet, i: int, macs: float) -> float:
    """Energy of a layer on a design, whatever the mapping."""
    row = fleet.row[i]
    return float(fleet.product_pj[row] * macs + fleet.sum_pj[row] * sums_of(problem))


@inlined
def _energy(
    pool: Pool, m: int, prices: Floats, fleet: Fleet, i: int, cycles: float
) -> float:  # fmt: skip
    """Of the words of a mapping on a design, and of its cycles."""
    energy = float(fleet.cycle_pj[i] * cycles)
    saving = fleet.saving[fleet.row[i]]
    for level in range(len(saving)):
        energy += saving[level] * pool.ends[m, level]
    for k in range(len(prices)):
        energy += prices[k, 0] * pool.served[m, k] + prices[k, 1] * pool.taken[m, k]
    return energy


@inlined
def _score(energy: float, cycles: float, objective: int) -> float:
    if objective == 0:
        return energy
    if objective == 1:
        return float(cycles * (1 + 1e-9 * np.log(energy)))
    return energy * cycles


@compiled
def best_of(
    problem: Problem, pool: Pool, fleet: Fleet, i: int, objective: int, macs: float,
    prices: Floats, mappings: Integers, cycles: Floats, places: Integers,
) -> tuple[int, float]:  # fmt: skip
    """The best of some mappings for a design: its place, -1 if there is none, and its energy.

    Args:
        mappings, cycles: those that fit.
        places: of those to be tried.
    """
    prices_of(problem, fleet, i, prices)
    fixed = _fixed(problem, fleet, i, macs)
    best, least, of_best = -1, np.inf, np.inf
    for place in places:
        energy = fixed + _energy(pool, mappings[place], prices, fleet, i, cycles[place])
        score = _score(energy, cycles[place], objective)
        if score < least:
            best, least, of_best = place, score, energy
    return best, of_best


@compiled
def _chosen(
    problem: Problem, pool: Pool, fleet: Fleet, g: int, objective: int, macs: float,
    prices: Floats, mappings: Integers, cycles: Floats,
) -> Integers:  # fmt: skip
    """Places of the mappings that some designs of a geometry like best."""
    wanted = np.zeros(len(mappings), np.bool_)
    begin, end = fleet.first[g], fleet.first[g + 1]
    speakers = min(_SPEAKERS, end - begin)
    best, scores = np.zeros(_CHOICES, np.int64), np.zeros(_CHOICES)
    for speaker in range(speakers):
        i = begin + (end - 1 - begin) * speaker // max(1, speakers - 1)
        prices_of(problem, fleet, i, prices)
        fixed = _fixed(problem, fleet, i, macs)
        scores[:] = np.inf
        for place in range(len(mappings)):
            energy = fixed + _energy(pool, mappings[place], prices, fleet, i, cycles[place])
            score = _score(energy, cycles[place], objective)
            if score < scores[-1]:
                k = _CHOICES - 1
                while k > 0 and scores[k - 1] > score:
                    scores[k], best[k] = scores[k - 1], best[k - 1]
                    k -= 1
                scores[k], best[k] = score, place
        for k in range(_CHOICES):
            if scores[k] < np.inf:
                wanted[best[k]] = True
    return np.flatnonzero(wanted)


@compiled
def rate_designs(
    problem: Problem, pool: Pool, size: int, fleet: Fleet, objective: int, macs: float,
    energy: Floats, cycles: Floats,
) -> None:  # fmt: skip
    """Energy and cycles of a layer on each design, with the best mapping of the pool.

    Args:
        problem: of the layer; prices do not matter.
        pool, size: mappings, and how many.
        objective: number in ``fast.OBJECTIVES``.
        macs: products of the layer.
        energy, cycles: ``[n]``, to write; infinite where no mapping fits.
    """
    mappings, needed = np.zeros(size, np.int64), np.zeros(size)
    prices = np.zeros((len(problem.pairs), 2))
    candidates, kind = mappings[:0], np.int64(-1)
    for g in range(len(fleet.first) - 1):
        if fleet.kind[g] != kind:
            kind, candidates = fleet.kind[g], roomy(problem, pool, size, fleet, g)
        count = fitting(problem, pool, candidates, fleet, g, mappings, needed)
        kept, own = mappings[:count], needed[:count]
        places = _chosen(problem, pool, fleet, g, objective, macs, prices, kept, own)
        for i in range(fleet.first[g], fleet.first[g + 1]):
            place, of_best = best_of(
                problem, pool, fleet, i, objective, macs, prices, kept, own, places
            )
            energy[i] = of_best
            cycles[i] = own[place] if place >= 0 else np.inf
