"""Lower bounds against every mapping of small spaces, all orders of loops included."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from explorer.accelerators.hierarchy import TENSORS, Hierarchy, Level
from explorer.mapping import fast
from explorer.mapping.bound import lower_bound
from explorer.mapping.compiled import Integers, compiled
from explorer.mapping.counts import count
from explorer.mapping.fast import OBJECTIVES, Choices, Nest, Problem
from explorer.mapping.space import Costs, Space
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError

#: Mappings of a space that are gone through.
MOST = 400_000


@compiled
def least(problem: Problem, choices: Choices, orders: Integers, levels: Integers) -> list[float]:
    """Least energy, cycles and product over all splits and all orders of these levels."""
    best = [np.inf, np.inf, np.inf]
    result = np.zeros(2)
    many = choices.first[1:] - choices.first[:8]
    factors = np.ones((8, len(problem.slot_level)), np.int64)
    order = np.zeros((len(problem.room), 8), np.int64)
    for level in range(len(order)):
        order[level] = orders[0]
    ways = np.zeros(8, np.int64)
    for i in range(many.prod()):
        rest = i
        for d in range(8):
            ways[d] = rest % many[d]
            rest //= many[d]
            factors[d] = choices.splits[choices.first[d] + ways[d]]
        nest = Nest(
            factors, order, choices.rows[ways[4], ways[6]], choices.columns[ways[5], ways[7]],
            choices.row_tiles[ways[4], ways[6]], choices.column_tiles[ways[5], ways[7]],
        )  # fmt: skip
        if not fast.evaluate(problem, nest, result):
            continue
        for j in range(len(orders) ** len(levels)):
            number = j
            for level in levels:
                order[level] = orders[number % len(orders)]
                number //= len(orders)
            fast.evaluate(problem, nest, result)
            best[0] = min(best[0], result[0])
            best[1] = min(best[1], result[1])
            best[2] = min(best[2], result[0] * result[1])
    return best


def hierarchy(draw: random.Random) -> Hierarchy:
    levels = []
    for number in range(draw.choice((2, 3, 3, 4))):
        keeps = TENSORS if not number else tuple(t for t in TENSORS if draw.random() < 0.65)
        network = number > 0 and draw.random() < 0.2
        rates = [draw.choice((None, None, 0.5, 1, 2.5)) for _ in range(2)]
        fanout = (draw.choice((1, 2, 3, 4)), draw.choice((1, 1, 2, 3)))
        levels.append(
            Level(
                name=f"level{number}",
                kind="network" if network else "sram" if number else "dram",
                keeps=() if network else keeps,
                words=draw.choice((3, 5, 8, 12, 20, 40, None)) if number and not network else None,
                fanout_x=fanout[0] if draw.random() < 0.6 else 1,
                fanout_y=fanout[1] if draw.random() < 0.6 else 1,
                multicast=draw.random() < 0.7,
                read_words_per_cycle=None if network else rates[0],
                write_words_per_cycle=None if network else rates[1],
            )
        )
    return Hierarchy(tuple(levels))


def shape(draw: random.Random) -> LayerShape:
    while True:
        try:
            made = LayerShape(
                batch=draw.choice((1, 1, 2)),
                groups=draw.choice((1, 1, 2, 4)),
                filters=draw.choice((1, 2, 3, 4)),
                channels=draw.choice((1, 2, 4)),
                height=draw.randint(1, 7),
                width=draw.randint(1, 5),
                filter_height=draw.choice((1, 1, 2, 3)),
                filter_width=draw.choice((1, 1, 2)),
                stride_height=draw.choice((1, 1, 2)),
                dilation_width=draw.choice((1, 1, 2)),
                padding=tuple(draw.choice((0, 0, 1)) for _ in range(4)),
            )
        except InputError:
            continue
        if 2 <= sum(size > 1 for size in made.sizes.values()) <= 5:
            return made


def prices(draw: random.Random, hierarchy: Hierarchy) -> Costs:
    levels = len(hierarchy.levels)
    scale = np.linspace(3, 0.3, levels)[:, None]
    read, write, hop = (
        np.array([[draw.uniform(0.1, 10) for _ in range(3)] for _ in range(levels)]) * scale
        for _ in range(3)
    )
    packing = np.array([[draw.choice((1, 1, 2, 4, 0.5)) for _ in range(3)] for _ in range(levels)])
    alone = np.array(hierarchy.instances[:-1]) == 1
    return Costs(
        read_pj=read, write_pj=write, whole_read_pj=read[:, 2], whole_write_pj=0.5 * write[:, 2],
        drain_pj=0.1 * write[:, 2], hop_pj=draw.choice((0, 0.1)) * hop,
        mac_pj=draw.choice((0.0, 1.0)), cycle_pj=draw.choice((0.0, 0.0, 5.0)), packing=packing,
        whole_packing=np.where(alone, packing[:, 2], 0.0),
        held=draw.choice(((), ("ifmap",), ("ifmap", "filter"))),
    )  # fmt: skip


def small_space(seed: int) -> tuple[Space, Costs, Integers, Integers]:
    """A space with few enough mappings, and the orders of loops that differ in it."""
    draw = random.Random(seed)
    while True:
        on, layer = hierarchy(draw), shape(draw)
        costs, space = prices(draw, on), Space.of(on, layer)
        many = [d for d, size in enumerate(layer.sizes.values()) if size > 1]
        rest = [d for d in range(8) if d not in many]
        orders = np.array([rest + list(part) for part in itertools.permutations(many)])
        levels = space.choices.ordered
        ways = math.prod(int(n) for n in np.diff(space.choices.first))
        if ways * len(orders) ** len(levels) <= MOST:
            return space, costs, orders, levels


@pytest.mark.parametrize("seed", range(12))
def test_no_mapping_costs_less_than_the_bound(seed: int) -> None:
    space, costs, orders, levels = small_space(seed)
    problem = space.problem(costs)
    optimum = least(problem, space.choices, orders, levels)
    if math.isinf(optimum[0]):
        return
    # The proof takes sums for finished in all levels that finished ones can come to.
    own_costs = not problem.whole[problem.home[2] + 1 :].any()
    for objective, best in zip(OBJECTIVES, optimum, strict=True):
        for incumbent, tolerance in ((3 * best, 1e-7), (best, 0.05), (1.5 * best, 0.1)):
            bound = lower_bound(space, costs, objective, incumbent, tolerance, 600)
            assert bound.proven
            assert bound.value <= best * (1 + 1e-9)
            assert bound.value >= bound.cost * (1 - tolerance) * (1 - 1e-9)
            # What it finds on the way is not cheaper than what there is, and a mapping.
            assert bound.cost >= best * (1 - 1e-9) or not own_costs
            if bound.mapping is not None:
                count(space.hierarchy, space.shape, bound.mapping)
            hasty = lower_bound(space, costs, objective, incumbent, tolerance, 0.001)
            assert hasty.value <= best * (1 + 1e-9)


def test_some_of_the_small_spaces_have_mappings() -> None:
    found = own_costs = 0
    for seed in range(12):
        space, costs, orders, levels = small_space(seed)
        problem = space.problem(costs)
        some = not math.isinf(least(problem, space.choices, orders, levels)[0])
        found += some
        own_costs += some and not problem.whole[problem.home[2] + 1 :].any()
    assert found >= 6
    assert own_costs >= 3
