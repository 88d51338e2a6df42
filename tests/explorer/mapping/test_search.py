"""The compiled cost against exact counts, and the search against all mappings of small spaces."""

from __future__ import annotations

import itertools
import math
import signal
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.accelerators.accelerator import load_accelerator
from explorer.accelerators.energies import resolve_energies
from explorer.accelerators.hierarchy import TENSORS, Hierarchy, Level
from explorer.mapping import fast, ranks
from explorer.mapping.compiled import Integers
from explorer.mapping.counts import Counts, LevelCounts, count
from explorer.mapping.fast import OBJECTIVES, Found
from explorer.mapping.mapper import Options, map_layer
from explorer.mapping.mapping import Mapping
from explorer.mapping.space import ORDERS, Costs, Space
from explorer.mapping.splits import Slot, neighbours, slots_of, splits
from explorer.mapping.windows import SERVED, window_rows
from explorer.networks.layer import DIMENSIONS, LayerShape
from tests.explorer.mapping.drawn import shapes

EYERISS = Hierarchy(
    (
        Level(name="DRAM", kind="dram", read_words_per_cycle=4, write_words_per_cycle=4),
        Level(name="buffer", kind="sram", words=300, keeps=("ifmap", "psum"), fanout_x=4),
        Level(name="columns", kind="network", keeps=(), fanout_y=3, multicast=False),
        Level(name="ifmaps", kind="scratchpad", words=12, keeps=("ifmap",)),
        Level(name="filters", kind="scratchpad", words=24, keeps=("filter",)),
        Level(name="psums", kind="scratchpad", words=8, keeps=("psum",)),
    )
)
#: No memory of ifmaps inside: one read serves instances between whose tiles others lie.
SYSTOLIC = Hierarchy(
    (
        Level(name="DRAM", kind="dram", read_words_per_cycle=8, write_words_per_cycle=8),
        Level(name="buffer", kind="sram", words=400, keeps=("ifmap", "psum"), fanout_x=4),
        Level(name="columns", kind="sram", words=40, keeps=("psum",), fanout_x=4, fanout_y=3),
        Level(name="weights", kind="scratchpad", words=6, keeps=("filter",)),
    )
)
PLAIN = Hierarchy(
    (
        Level(name="DRAM", kind="dram"),
        Level(name="buffer", kind="sram", words=24, fanout_x=2, read_words_per_cycle=1),
    )
)


def prices(hierarchy: Hierarchy) -> Costs:
    levels = len(hierarchy.levels)
    read = np.array([[100.0 / 4**v + t for t in range(3)] for v in range(levels)])
    alone = np.array(hierarchy.instances[:-1]) == 1
    return Costs(
        read_pj=read, write_pj=1.5 * read, whole_read_pj=0.25 * read[:, 2],
        whole_write_pj=0.5 * read[:, 2], drain_pj=0.3 + np.arange(levels),
        hop_pj=0.1 * read, mac_pj=0.7, cycle_pj=0.1, packing=np.ones((levels, 3)),
        whole_packing=np.where(alone, 2.0, 0.0), macs_per_cycle=2.0, held=("ifmap",),
    )  # fmt: skip


def energy_pj(costs: Costs, counts: Counts, cycles: float) -> float:
    """Words times prices, as written down."""
    total = costs.mac_pj * counts.macs + costs.cycle_pj * cycles
    for c in counts.levels:
        tensor = TENSORS.index(c.tensor)
        read, written = finished(costs, counts, c)
        total += costs.read_pj[c.level, tensor] * (c.read_words - read)
        total += costs.write_pj[c.level, tensor] * (c.written_words - written)
        total += costs.whole_read_pj[c.level] * read + costs.whole_write_pj[c.level] * written
        total += costs.drain_pj[c.level] * c.drains
    for n in counts.network:
        total += costs.hop_pj[n.level, TENSORS.index(n.tensor)] * n.words
    return float(total)


def finished(costs: Costs, counts: Counts, c: LevelCounts) -> tuple[int, int]:
    """Finished sums that a level reads and writes: all, if none is added up further outside."""
    sums = counts.of(0, "psum").updates - counts.of(0, "psum").accumulations
    outside = [o for o in counts.levels if o.tensor == "psum" and 0 < o.level <= c.level]
    added_up_outside = c.level > 0 and outside[-1].drains > sums
    if c.tensor != "psum" or not costs.whole_packing[c.level] or added_up_outside:
        return 0, 0
    return (sums if c.level else 0), sums


def tile_of(costs: Costs, counts: Counts, c: LevelCounts) -> int:
    """Memory words of a tile: two finished sums to a word where no partial one comes."""
    only = c.tensor == "psum" and finished(costs, counts, c)[1] == c.updates
    return -(-c.tile // 2) if only else c.tile


def stalled(hierarchy: Hierarchy, costs: Costs, counts: Counts) -> float:
    """Cycles of the slowest level."""
    cycles: float = math.ceil(counts.steps / costs.macs_per_cycle)
    for index, level in enumerate(hierarchy.levels):
        here = [c for c in counts.levels if c.level == index]
        ready = [finished(costs, counts, c) for c in here]
        reads = sum(c.read_words - r / 2 for c, (r, _) in zip(here, ready, strict=True))
        writes = sum(c.written_words - w / 2 for c, (_, w) in zip(here, ready, strict=True))
        for rate, words in (
            (level.read_words_per_cycle, reads),
            (level.write_words_per_cycle, writes),
        ):
            if rate:
                cycles = max(cycles, words / (rate * here[0].instances))
    return cycles


def ways_of(space: Space, wanted: dict[str, list[int]]) -> Integers:
    """Numbers of the splits with these iterations in each slot, one of the other dimensions."""
    tables = np.split(space.choices.splits, space.choices.first[1:-1])
    found = []
    for name, rows in zip(DIMENSIONS, tables, strict=True):
        same = (rows == wanted.get(name, [1] * len(space.slots))).all(axis=1)
        assert same.sum() == 1
        found.append(int(same.argmax()))
    return np.array(found)


def rate(space: Space, costs: Costs, found: Found) -> tuple[bool, np.ndarray]:
    """What the compiled model says of a mapping."""
    choices = space.choices
    p, q, r, s = (found.ways[d] for d in (fast.P, fast.Q, fast.R, fast.S))
    nest = fast.Nest(
        choices.splits[choices.first[:-1] + found.ways], choices.orders[found.orders],
        choices.rows[p, r], choices.columns[q, s], choices.row_tiles[p, r],
        choices.column_tiles[q, s],
    )  # fmt: skip
    result = np.zeros(2)
    return fast.evaluate(space.problem(costs), nest, result), result


@st.composite
def some_mappings(draw: st.DrawFn, space: Space) -> Found:
    """Any mapping, or one that fits: where a short search of any prices came to."""
    if draw(st.integers(0, 3)):
        costs = replace(prices(space.hierarchy), cycle_pj=draw(st.sampled_from([0.0, 1e3])))
        tries, seed = draw(st.integers(1, 60)), draw(st.integers(0, 1 << 20))
        return space.search(space.problem(costs), "energy", seed, 1, tries, (9.0, 9.0))
    ways = [draw(st.integers(0, int(n) - 1)) for n in np.diff(space.choices.first)]
    orders = [draw(st.integers(0, len(ORDERS) - 1)) for _ in space.hierarchy.levels]
    return Found(0.0, np.array(ways), np.array(orders), 0, 0)


@pytest.mark.parametrize("on", [EYERISS, SYSTOLIC], ids=["eyeriss", "systolic"])
@given(shapes(most=4000), st.data())
@settings(max_examples=150, deadline=None)
def test_the_compiled_cost_is_the_exact_one_or_a_little_more(
    on: Hierarchy, shape: LayerShape, data: st.DataObject
) -> None:
    space = Space.of(on, shape)
    costs = prices(on)
    found = data.draw(some_mappings(space))
    fits, result = rate(space, costs, found)
    mapping = space.mapping(found)
    room = all(
        math.prod(n for _, n in getattr(loops, axis)) <= getattr(level, f"fanout_{axis}")
        for loops, level in zip(mapping.levels, on.levels, strict=True)
        for axis in "xy"
    )
    if not room:
        assert not fits
        return
    counts = count(on, shape, mapping, held=costs.held)
    for index, level in enumerate(on.levels):
        used = sum(tile_of(costs, counts, c) for c in counts.levels if c.level == index)
        room &= level.words is None or used <= level.words
    assert fits == room
    if fits:
        cycles = stalled(on, costs, counts)
        exact = energy_pj(costs, counts, cycles)
        assert result[fast.CYCLES] >= cycles * (1 - 1e-12)
        assert exact * (1 - 1e-12) <= result[fast.ENERGY]
        if shape.sizes["R"] == shape.sizes["S"] == 1 and shape.padding == (0, 0, 0, 0):
            assert result[fast.ENERGY] == pytest.approx(exact, rel=1e-12)
            assert result[fast.CYCLES] == pytest.approx(cycles, rel=1e-12)


def test_instances_served_together_may_have_others_between_them() -> None:
    """Rows two apart, the odd ones in the next moment: windows of both overlap, and are read."""
    shape = LayerShape(filters=1, channels=1, height=10, width=1, filter_height=3)
    space = Space.of(SYSTOLIC, shape)
    costs = prices(SYSTOLIC)
    reads = []
    for p in ([1, 2, 1, 1, 4, 1, 1], [1, 1, 1, 1, 4, 1, 2]):
        wanted = {"P": p, "R": [1, 1, 1, 1, 1, 3, 1]}
        found = Found(0.0, ways_of(space, wanted), np.zeros(4, np.int64), 0, 0)
        counts = count(SYSTOLIC, shape, space.mapping(found), held=costs.held)
        exact = energy_pj(costs, counts, stalled(SYSTOLIC, costs, counts))
        fits, result = rate(space, costs, found)
        assert fits
        assert result[fast.ENERGY] == pytest.approx(exact, rel=1e-12)
        reads.append(counts.of(1, "ifmap").reads)
    assert reads == [12, 18]


@given(st.data())
def test_windows_served_together_are_a_set_at_each_moment(data: st.DataObject) -> None:
    """Against sets of words: any slots, tiles, strides, dilations and paddings."""
    slots = data.draw(st.integers(1, 4))
    factor = st.lists(st.integers(1, 3), min_size=slots, max_size=slots)
    factors = np.array([data.draw(factor), data.draw(factor)])
    tile = [data.draw(st.integers(1, 3)) for _ in range(2)]
    together = np.array(data.draw(st.lists(st.booleans(), min_size=slots, max_size=slots)))
    stride, dilation, low = (data.draw(st.integers(least, 3)) for least in (1, 1, 0))
    sizes = factors.prod(axis=1) * tile
    last = stride * (int(sizes[0]) - 1) + dilation * (int(sizes[1]) - 1)
    high = data.draw(st.integers(low + 1, max(low + 1, last + 1)))
    axis = ranks.Axis(ranks.WINDOW, sizes, stride, dilation, low, high)
    words = 0
    at_once = [
        [range(n) if now else [0] for n, now in zip(f, together, strict=True)] for f in factors
    ]
    in_turn = [
        [[0] if now else range(n) for n, now in zip(f, together, strict=True)] for f in factors
    ]

    def places(d: int, kinds: list[list[Iterable[int]]]) -> list[int]:
        """Start of each tile."""
        steps = [tile[d] * math.prod(factors[d, s + 1 :]) for s in range(slots)]
        return [
            sum(step * n for step, n in zip(steps, numbers, strict=True))
            for numbers in itertools.product(*kinds[d])
        ]

    for p, r in itertools.product(places(0, in_turn), places(1, in_turn)):
        seen = {
            stride * (p + x + i) + dilation * (r + y + j)
            for x, y in itertools.product(places(0, at_once), places(1, at_once))
            for i, j in itertools.product(range(tile[0]), range(tile[1]))
        }
        words += sum(low <= word < high for word in seen)
    rows = window_rows(axis, factors[None], np.zeros(slots, np.bool_), together)
    assert rows[0, SERVED] == words


@pytest.mark.parametrize("objective", range(3))
def test_the_search_finds_the_best_of_all_mappings(objective: int) -> None:
    """Against every mapping of a small layer, one after the other."""
    shape = LayerShape(filters=4, channels=6, height=2, width=1)
    space = Space.of(PLAIN, shape)
    costs = prices(PLAIN)
    best = math.inf
    orders = list(itertools.product(range(len(ORDERS)), repeat=2))
    for ways in itertools.product(*(range(int(n)) for n in np.diff(space.choices.first))):
        for order in orders:
            found = Found(0.0, np.array(ways), np.array(order), 0, 0)
            fits, result = rate(space, costs, found)
            if fits:
                cost = (result[0], result[1], result[0] * result[1])[objective]
                best = min(best, cost)
    found = space.search(space.problem(costs), OBJECTIVES[objective], 1, 4, 2000, (0.1, 0.001))
    assert math.exp(found.score) == pytest.approx(best, rel=1e-6)


def test_a_seed_gives_one_result() -> None:
    shape = LayerShape(filters=16, channels=8, height=8, width=8, filter_height=3, filter_width=3)
    space = Space.of(EYERISS, shape)
    problem = space.problem(prices(EYERISS))
    one, two = (space.search(problem, "energy", 7, 2, 500, (0.1, 0.001)) for _ in range(2))
    assert one.score == two.score
    assert space.mapping(one) == space.mapping(two)
    mapping: Mapping = space.mapping(one)
    mapping.check(EYERISS, shape)


def test_ctrl_c_while_compiled_code_runs() -> None:
    """Where numba gives results to Python nothing may fail: the process would crash."""
    on, shape = load_accelerator("edge-tiny"), LayerShape(filters=8, channels=8, height=4, width=4)
    energies = resolve_energies(on, 8, 8, 8)
    map_layer(on, energies, shape, Options(effort="quick"), cache=False)  # compiles
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            map_layer(on, energies, shape, Options(effort="thorough"), cache=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_layer_that_fits_nowhere_is_told_by_its_score() -> None:
    small = Hierarchy((Level(name="DRAM", kind="dram"), Level(name="buffer", kind="sram", words=2)))
    space = Space.of(small, LayerShape(filters=2, channels=2, height=2, width=2))
    found = space.search(space.problem(prices(small)), "energy", 1, 1, 200, (0.1, 0.001))
    assert found.score == math.inf
    assert found.evaluated == 0


def test_splits_are_all_of_them() -> None:
    slots = (Slot(0, "", 1 << 62), Slot(0, "x", 3), Slot(1, "", 1 << 62))
    ways = {tuple(row) for row in splits(12, slots).tolist()}
    assert ways == {
        (a, b, c)
        for a, b, c in itertools.product(range(1, 13), repeat=3)
        if a * b * c == 12 and b <= 3
    }


def test_of_a_size_with_many_factors_the_smallest_stay_together() -> None:
    slots = tuple(Slot(level, "", 1 << 62) for level in range(4))
    assert len(splits(2**16, slots)) == math.comb(19, 3)
    ways = splits(2**16, slots, most=200)
    assert len(ways) == math.comb(11, 3)
    near = neighbours(ways, 2**16, most=200)
    assert (near[:, :, :, 0] >= 0).any(axis=(1, 2)).all()
    assert (ways.prod(axis=1) == 2**16).all()


@pytest.mark.parametrize("size", [12, 30, 64])
def test_neighbours_differ_in_two_slots(size: int) -> None:
    slots = slots_of(EYERISS)
    rows = splits(size, slots)
    near = neighbours(rows, size)
    for i, s, t, kind in np.argwhere(near >= 0):
        old, new = rows[i], rows[near[i, s, t, kind]]
        assert new[s] * new[t] == old[s] * old[t]
        assert (np.delete(new, [s, t]) == np.delete(old, [s, t])).all()
        if kind == 0:
            assert old[s] // new[s] in (2, 3, 5)
        else:
            assert new[s] == (1 if kind == 1 else old[t])
    assert (near[:, :, :, 0] >= 0).any(axis=(1, 2)).all()
    moves = {tuple(row): i for i, row in enumerate(rows.tolist())}
    whole = near[moves[(size, *[1] * (len(slots) - 1))], 0, :, 1]
    assert [way >= 0 for way in whole] == [
        t > 0 and slot.most >= size for t, slot in enumerate(slots)
    ]
