"""How fast mappings are rated and searched, on one core: ``python -m benchmarks.mapper``.

An Eyeriss-like hierarchy (14 x 12 PEs, 100 KB of buffer, scratchpads of 12, 224 and 24 words) with
a table of energies, ResNet-18, counting mode exact. The naive version is ``counts.count``, which
walks along every axis. Peers, for comparison, on another machine of the kind: Timeloop tries
1,500 to 2,300 mappings a second and takes 37 s for ResNet-18, ZigZag 54 s.
"""

from __future__ import annotations

import math
import time
from operator import attrgetter

import numpy as np

from explorer.accelerators.hierarchy import Hierarchy, Level
from explorer.mapping import fast
from explorer.mapping import space as space_module
from explorer.mapping.bound import lower_bound
from explorer.mapping.compiled import Integers, compiled
from explorer.mapping.counts import count
from explorer.mapping.fast import Choices, Found, Nest, Problem
from explorer.mapping.mapper import EFFORTS, Options, anneal
from explorer.mapping.ragged import axes_of, rounded_up
from explorer.mapping.space import Costs, Space
from explorer.networks.layer import LayerShape
from explorer.networks.network import load_network

EYERISS = Hierarchy(
    (
        Level(name="DRAM", kind="dram"),
        Level(name="buffer", kind="sram", words=51200, keeps=("ifmap", "psum"), fanout_x=14),
        Level(name="columns", kind="network", keeps=(), fanout_y=12),
        Level(name="ifmaps", kind="scratchpad", words=12, keeps=("ifmap",)),
        Level(name="filters", kind="scratchpad", words=224, keeps=("filter",)),
        Level(name="psums", kind="scratchpad", words=24, keeps=("psum",)),
    )
)
#: pJ of a word, of Accelergy for this architecture.
PRICES = (128.0, 17.0, 0.0, 0.24, 0.76, 0.3)
WANTED = 200_000


def costs() -> Costs:
    """Every word of every tensor costs what its level does; a product costs 2.2 pJ."""
    each = np.repeat(np.array(PRICES)[:, None], 3, axis=1)
    none = np.zeros(len(PRICES))
    return Costs(
        read_pj=each, write_pj=each, whole_read_pj=none, whole_write_pj=none, drain_pj=none,
        hop_pj=0 * each, mac_pj=2.2, cycle_pj=0.0, packing=np.ones_like(each), whole_packing=none,
    )  # fmt: skip


@compiled
def rate_all(problem: Problem, choices: Choices, ways: Integers, orders: Integers) -> int:
    """Rate mappings, one after the other; how many fit."""
    factors = np.ones((8, len(problem.slot_level)), np.int64)
    order = np.zeros((len(problem.room), 8), np.int64)
    result = np.zeros(2)
    fitting = 0
    for k in range(len(ways)):
        for d in range(8):
            for s in range(factors.shape[1]):
                factors[d, s] = choices.splits[choices.first[d] + ways[k, d], s]
        for level in range(len(order)):
            for i in range(8):
                order[level, i] = choices.orders[orders[k, level], i]
        p, q, r, s = ways[k, 4], ways[k, 5], ways[k, 6], ways[k, 7]
        nest = Nest(
            factors, order, choices.rows[p, r], choices.columns[q, s], choices.row_tiles[p, r],
            choices.column_tiles[q, s],
        )  # fmt: skip
        if fast.evaluate(problem, nest, result):
            fitting += 1
    return fitting


def distinct(space: Space, problem: Problem) -> tuple[Integers, Integers]:
    """Splits and orders of different mappings that fit, drawn at random."""
    generator = np.random.default_rng(1)
    many = np.diff(space.choices.first)
    found: list[Integers] = []
    seen: set[bytes] = set()
    while len(found) < WANTED:
        ways = np.stack([generator.integers(0, n, 4 * WANTED) for n in many], axis=1)
        orders = generator.integers(0, len(space.choices.orders), (4 * WANTED, len(PRICES)))
        for row in np.concatenate([ways, orders], axis=1)[fits(problem, space.choices, ways)]:
            key = row.tobytes()
            if key not in seen:
                seen.add(key)
                found.append(row)
    rows = np.stack(found[:WANTED])
    return np.ascontiguousarray(rows[:, :8]), np.ascontiguousarray(rows[:, 8:])


@compiled
def fits(problem: Problem, choices: Choices, ways: Integers) -> Integers:
    """Which of these splits fit."""
    fitting = []
    orders = np.zeros((1, len(problem.room)), np.int64)
    for k in range(len(ways)):
        if rate_all(problem, choices, ways[k : k + 1], orders):
            fitting.append(k)
    return np.array(fitting, dtype=np.int64)


def best_of(space: Space, effort: str) -> tuple[Found, int]:
    """The best mapping of a space, of whole factors, by energy; and how many were evaluated."""
    options = Options(effort=effort)
    found: list[Found] = []
    for number, now in enumerate(EFFORTS[effort]):
        found.append(anneal(space, costs(), options, number, () if now.anew else found))
    return min(found, key=attrgetter("score")), sum(each.evaluated for each in found)


def main() -> None:
    layers = load_network("resnet18").unique_shapes()
    shape = list(layers)[3]
    space = Space.of(EYERISS, shape)
    problem = space.problem(costs())
    best_of(space, "quick")  # compiles
    ways, orders = distinct(space, problem)
    rate_all(problem, space.choices, ways[:1], orders[:1])
    start = time.process_time()
    assert rate_all(problem, space.choices, ways, orders) == len(ways)
    seconds = time.process_time() - start
    print(f"{len(ways):,} distinct mappings that fit: {len(ways) / seconds:,.0f} a second")
    start = time.process_time()
    for k in range(50):
        count(EYERISS, shape, space.mapping(Found(0.0, ways[k], orders[k], 0, 0)))
    naive = (time.process_time() - start) / 50
    print(f"counts.count: {1 / naive:,.0f} a second; compiled {naive * len(ways) / seconds:,.0f} x")
    for effort in EFFORTS:
        search(layers, effort)
    prove(layers)
    round_up(load_network("vit-b16").unique_shapes())


def search(layers: dict[LayerShape, int], effort: str) -> None:
    """Time of ResNet-18 and its energy, spaces built anew."""
    space_module._splits.cache_clear()
    space_module._of_sizes.cache_clear()
    start = time.process_time()
    energy = evaluated = 0.0
    for shape, times in layers.items():
        space = Space.of(EYERISS, shape)
        found, tried = best_of(space, effort)
        energy += times * math.exp(found.score)
        evaluated += tried
    seconds = time.process_time() - start
    print(
        f"{effort}: ResNet-18 in {seconds:.2f} s, {energy / 1e6:,.1f} uJ, "
        f"{evaluated:,.0f} mappings evaluated"
    )


def round_up(layers: dict[LayerShape, int]) -> None:
    """What mappings with ragged edges save: sequences of 197 words."""
    for objective, unit in (("energy", "uJ"), ("delay", "million cycles")):
        whole = best = 0.0
        for shape, times in layers.items():
            options = Options(objective=objective, effort="quick")
            found: list[Found] = []
            for larger in ({}, rounded_up(shape, axes_of(EYERISS))):
                space = Space.of(EYERISS, shape, larger=larger)
                found.append(anneal(space, costs(), options, 0, found))
            whole += times * math.exp(found[0].score)
            best += times * math.exp(min(each.score for each in found))
        print(
            f"vit-b16, {objective}: {whole / 1e6:,.1f} {unit} with whole factors, "
            f"{best / 1e6:,.1f} with ragged edges"
        )


def prove(layers: dict[LayerShape, int]) -> None:
    """Certificates of ResNet-18's layers: at most 1 % less, in 60 s each."""
    first = next(iter(layers))
    space = Space.of(EYERISS, first)
    lower_bound(space, costs(), "energy", math.exp(best_of(space, "quick")[0].score))
    start = time.process_time()
    proven = 0
    found = bound = 0.0
    for shape, times in layers.items():
        space = Space.of(EYERISS, shape)
        best = math.exp(best_of(space, "normal")[0].score)
        known = lower_bound(space, costs(), "energy", best)
        proven += known.proven
        found, bound = found + times * known.cost, bound + times * known.value
    seconds = time.process_time() - start
    print(
        f"certificates: {proven} of {len(layers)} layers to 1 %, with the search {seconds:.1f} s; "
        f"{found / 1e6:,.1f} uJ, at least {bound / 1e6:,.1f} uJ ({100 * (1 - bound / found):.2f} %)"
    )


if __name__ == "__main__":
    main()
