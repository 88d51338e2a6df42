"""Sizes that can hardly be split are rounded up; what is found is counted of the layer itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.accelerators.accelerator import load_accelerator
from explorer.accelerators.energies import resolve_energies
from explorer.mapping import mapper
from explorer.mapping.cost import LayerCost, evaluate
from explorer.mapping.counts import count
from explorer.mapping.fast import CYCLES, ENERGY, Found, moments
from explorer.mapping.mapper import EFFORTS, Options, map_layer
from explorer.mapping.mapping import Mapping
from explorer.mapping.ragged import axes_of, rounded_up, smooth
from explorer.mapping.space import ORDERS, Space
from explorer.mapping.splits import Slot, hops, splits
from explorer.networks.layer import LayerShape
from tests.explorer.mapping.drawn import shapes
from tests.explorer.mapping.test_search import (
    EYERISS,
    SYSTOLIC,
    energy_pj,
    prices,
    rate,
    stalled,
    ways_of,
)

#: Scores of a transformer's attention: a product of two matrices of 197 rows.
SCORES = LayerShape(groups=2, filters=197, channels=64, height=197, width=1)


@pytest.mark.parametrize(
    ("size", "expected"), [(1, 1), (7, 7), (11, 12), (13, 14), (97, 98), (197, 200), (1024, 1024)]
)
def test_the_next_number_of_small_primes(size: int, expected: int) -> None:
    assert smooth(size) == expected


def test_hard_sizes_go_to_small_primes_and_multiples_of_the_array() -> None:
    assert rounded_up(SCORES, (12, 16, 1)) == {"M": (200, 216, 224), "P": (200, 216, 224)}


def test_sizes_that_can_be_split_stay_unless_all_are_asked_for() -> None:
    shape = LayerShape(
        filters=64,
        channels=3,
        height=112,
        width=112,
        filter_height=7,
        filter_width=7,
        padding=(3, 3, 3, 3),
    )
    assert rounded_up(shape, (12, 16, 1)) == {}
    assert rounded_up(shape, (12, 16, 1), every=True) == {"M": (72,), "P": (120,), "Q": (120,)}


@given(shapes(), st.booleans())
def test_larger_sizes_are_larger_and_filters_stay(shape: LayerShape, every: bool) -> None:
    for name, larger in rounded_up(shape, axes_of(EYERISS), every=every).items():
        assert name not in "RS"
        assert list(larger) == sorted(set(larger))
        assert shape.sizes[name] < larger[0]


def test_hops_lead_to_the_nearest_splits_of_other_sizes() -> None:
    slots = (Slot(0, "", 1 << 62), Slot(0, "x", 4))
    sizes = [splits(13, slots), splits(14, slots)]
    assert [rows.tolist() for rows in sizes] == [[[13, 1]], [[7, 2], [14, 1]]]
    assert hops(sizes).tolist() == [[2, 1, 2], [0, 0, 0], [0, 0, 0]]


def test_splits_of_the_own_sizes_have_the_same_numbers() -> None:
    """So that a search goes on where one of whole factors ended."""
    plain = Space.of(EYERISS, SCORES)
    space = Space.of(EYERISS, SCORES, larger=rounded_up(SCORES, axes_of(EYERISS)))
    found = plain.search(plain.problem(prices(EYERISS)), "energy", 1, 1, 500, (0.2, 0.01))
    assert space.mapping(found) == plain.mapping(found)


@settings(max_examples=60)
@given(
    st.integers(2, 60), st.integers(1, 40), st.integers(2, 60), st.integers(1, 300),
    st.integers(0, 1 << 20),
)  # fmt: skip
def test_the_search_tells_about_what_there_is(
    filters: int, channels: int, rows: int, moves: int, seed: int
) -> None:
    """Of matrices: what it tells too much is idle work at the edges."""
    shape = LayerShape(filters=filters, channels=channels, height=rows, width=1)
    costs = replace(prices(EYERISS), cycle_pj=0.0, held=())
    larger = rounded_up(shape, axes_of(EYERISS), every=True)
    space = Space.of(EYERISS, shape, larger=larger)
    found = space.search(space.problem(costs), "energy", seed, 1, moves, (0.2, 0.01))
    if math.isinf(found.score):
        return
    exact = energy_pj(costs, count(EYERISS, shape, space.mapping(found)), 0)
    assert 0.98 * exact <= math.exp(found.score) <= 1.5 * exact


@settings(max_examples=60)
@given(shapes(most=2000), st.integers(1, 300), st.integers(0, 1 << 20))
def test_the_search_counts_moments_with_work_alone(
    shape: LayerShape, moves: int, seed: int
) -> None:
    """5 tiles of 3 rows for 13: the last of them has one, and takes a third of the time."""
    costs = replace(prices(SYSTOLIC), cycle_pj=0.0)
    larger = rounded_up(shape, axes_of(SYSTOLIC), every=True)
    space = Space.of(SYSTOLIC, shape, larger=larger)
    found = space.search(space.problem(costs), "delay", seed, 1, moves, (0.2, 0.01))
    if math.isinf(found.score):
        return
    counts = count(SYSTOLIC, shape, space.mapping(found).trimmed(shape), held=costs.held)
    fits, result = rate(space, costs, found)
    assert fits
    assert result[CYCLES] >= math.ceil(counts.steps / costs.macs_per_cycle)
    assert moments(space.problem(costs), factors_of(space, found)) == counts.steps


def factors_of(space: Space, found: Found) -> np.ndarray:
    return space.choices.splits[space.choices.first[:-1] + found.ways]


def test_the_search_knows_that_instances_that_pause_take_words_again() -> None:
    """14 rows, 4 at once: in the last round two columns pause, and then take their filters anew."""
    shape = LayerShape(filters=14, channels=39, height=16, width=4, filter_height=3, filter_width=1)
    space = Space.of(SYSTOLIC, shape, larger=rounded_up(shape, (4, 3), every=True))
    wanted = {
        "M": [7, 1, 1, 1, 2, 1, 1],
        "C": [5, 1, 1, 1, 2, 1, 4],
        "P": [1, 4, 4, 1, 1, 1, 1],
        "Q": [2, 2, 1, 1, 1, 1, 1],
        "R": [1, 1, 1, 1, 1, 3, 1],
    }
    ways = ways_of(space, wanted)
    orders = [ORDERS.index("GCRSNQPM"), ORDERS.index("GCRSNQPM"), 0, 0]
    found = Found(0.0, ways, np.array(orders), 0, 0)
    costs = prices(SYSTOLIC)
    mapping = space.mapping(found)
    counts = count(SYSTOLIC, shape, mapping.trimmed(shape), held=costs.held)
    words = 14 * 39 * 3
    # Twice of everything: for two columns once, for two at both iterations of Q below.
    assert counts.of(3, "filter").fills == 2 * (2 * 1 + 2 * 2) * words
    assert counts.of(0, "filter").reads == 2 * 2 * words
    exact = energy_pj(costs, counts, stalled(SYSTOLIC, costs, counts))
    fits, result = rate(space, costs, found)
    assert fits
    assert exact <= result[ENERGY] <= 1.001 * exact


def test_the_last_instance_pauses_too() -> None:
    """13 rows, 2 in each of 7 columns: over two iterations, the last has work in the first alone.

    Filters that stay over both it must take again for each of 31 columns of the ofmap, unless these
    two iterations are inside of all others.
    """
    on = load_accelerator("eyeriss")
    shape = LayerShape(
        groups=31, filters=1, channels=1, height=13, width=31, filter_height=3, filter_width=3,
        padding=(1, 1, 1, 1),
    )  # fmt: skip
    energies = resolve_energies(on, 8, 8, 8)
    found = map_layer(on, energies, shape, Options(objective="edp"), cache=False).cost
    assert found.cycles <= 1597
    assert found.energy_pj <= 5.83e6


def test_a_prime_size_is_spread_over_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    on = load_accelerator("eyeriss")
    energies = resolve_energies(on, 8, 8, 8)
    options = Options(effort="quick")
    found = map_layer(on, energies, SCORES, options, cache=False).cost
    assert any(found.mapping.iterations(name) > 197 for name in "MP")
    monkeypatch.setattr(mapper, "rounded_up", lambda *_, **__: {})
    whole = map_layer(on, energies, SCORES, options, cache=False).cost
    assert all(whole.mapping.iterations(name) == 197 for name in "MP")
    assert found.utilization > 0.7
    assert whole.utilization < 0.4
    assert found.energy_pj < 0.6 * whole.energy_pj


def test_instances_that_never_work_take_no_words_from_the_others() -> None:
    """16 columns for 10 filters are 10: the others have no share in reading and writing."""
    on = load_accelerator("tpu-like")
    energies = resolve_energies(on, 8, 8, 8)
    shape = LayerShape(filters=10, channels=256, height=97, width=1)

    def cost(columns: str) -> LayerCost:
        entries = [
            {"level": "DRAM", "temporal": "C2"},
            {"level": "weight_fifo", "x": columns},
            {"level": "accumulators", "y": "C32"},
            {"level": "weight_registers", "temporal": "P97"},
        ]
        return evaluate(on, energies, shape, Mapping.from_list(entries, on.hierarchy))

    assert cost("M16 C4") == cost("M10 C4")


@pytest.mark.parametrize(
    ("objective", "value"),
    [("energy", lambda cost: cost.energy_pj), ("delay", lambda cost: cost.cycles),
     ("edp", lambda cost: cost.edp_pj_s)],
)  # fmt: skip
@pytest.mark.parametrize("preset", ["eyeriss", "tpu-like"])
def test_effort_never_costs(
    preset: str, objective: str, value: Callable[[LayerCost], float]
) -> None:
    on = load_accelerator(preset)
    energies = resolve_energies(on, 8, 8, 8)
    quick, normal = (
        value(
            map_layer(
                on, energies, SCORES, Options(objective=objective, effort=effort), cache=False
            ).cost
        )
        for effort in ("quick", "normal")
    )
    assert normal <= quick


def test_more_effort_begins_with_the_runs_of_less() -> None:
    for less, more in itertools.pairwise(EFFORTS.values()):
        assert more[: len(less)] == less
        assert len(more) > len(less)
