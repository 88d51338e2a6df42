"""Sizes that can hardly be split are rounded up; what is found is counted of the layer itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.accelerators.accelerator import load_accelerator
from explorer.accelerators.energies import resolve_energies
from explorer.mapping import mapper
from explorer.mapping.cost import LayerCost, evaluate
from explorer.mapping.counts import count
from explorer.mapping.mapper import Options, map_layer
from explorer.mapping.mapping import Mapping
from explorer.mapping.ragged import axes_of, rounded_up, smooth
from explorer.mapping.space import Space
from explorer.networks.layer import LayerShape
from tests.explorer.mapping.drawn import shapes
from tests.explorer.mapping.test_search import EYERISS, energy_pj, prices

#: Scores of a transformer's attention: a product of two matrices of 197 rows.
SCORES = LayerShape(groups=2, filters=197, channels=64, height=197, width=1)


@pytest.mark.parametrize(
    ("size", "expected"), [(1, 1), (7, 7), (11, 12), (13, 14), (97, 98), (197, 200), (1024, 1024)]
)
def test_the_next_number_of_small_primes(size: int, expected: int) -> None:
    assert smooth(size) == expected


def changed(shape: LayerShape, *, every: bool) -> list[dict[str, int]]:
    """The sizes that each rounded layer has instead of the layer's."""
    return [
        {name: size for name, size in layer.sizes.items() if size != shape.sizes[name]}
        for layer in rounded_up(shape, (12, 16, 1), every=every)
    ]


def test_hard_sizes_go_to_multiples_of_the_array() -> None:
    assert changed(SCORES, every=False) == [
        {"M": 200, "P": 200},
        {"M": 200},
        {"P": 200},
        {"M": 216, "P": 200},
        {"M": 224, "P": 200},
        {"M": 200, "P": 216},
        {"M": 200, "P": 224},
    ]


def test_a_reduction_also_stays_whole() -> None:
    shape = replace(SCORES, filters=64, channels=197)
    assert changed(shape, every=False)[:4] == [
        {"C": 200, "P": 200},
        {"C": 200},
        {"P": 200},
        {"C": 216, "P": 200},
    ]


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
    assert changed(shape, every=False) == []
    assert changed(shape, every=True) == [{"M": 72}, {"P": 120}, {"Q": 120}]


@given(shapes(), st.booleans())
def test_rounded_layers_are_larger_and_keep_their_filters(shape: LayerShape, every: bool) -> None:
    for layer in rounded_up(shape, axes_of(EYERISS), every=every):
        assert layer != shape
        for name, size in shape.sizes.items():
            assert layer.sizes[name] >= size
        assert (layer.sizes["R"], layer.sizes["S"]) == (shape.sizes["R"], shape.sizes["S"])
        assert layer.padding == shape.padding


@settings(max_examples=60)
@given(
    st.integers(2, 60), st.integers(1, 12), st.integers(2, 60), st.integers(1, 300),
    st.integers(0, 1 << 20),
)  # fmt: skip
def test_the_search_tells_no_less_than_there_is(
    filters: int, channels: int, rows: int, moves: int, seed: int
) -> None:
    """Of matrices whose reduction stays whole; what it tells too much is idle work at the edges."""
    shape = LayerShape(filters=filters, channels=channels, height=rows, width=1)
    costs = replace(prices(EYERISS), cycle_pj=0.0, held=())
    for rounded in rounded_up(shape, axes_of(EYERISS), every=True):
        if rounded.channels != channels:
            continue
        space = Space.of(EYERISS, shape, rounded=rounded)
        found = space.search(space.problem(costs), "energy", seed, 1, moves, (0.2, 0.01))
        if math.isinf(found.score):
            continue
        exact = energy_pj(costs, count(EYERISS, shape, space.mapping(found)), 0)
        assert exact * (1 - 1e-9) <= math.exp(found.score) <= 1.5 * exact


def test_a_prime_size_is_spread_over_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    on = load_accelerator("eyeriss")
    energies = resolve_energies(on, 8, 8, 8)
    options = Options(effort="quick")
    found = map_layer(on, energies, SCORES, options, cache=False).cost
    assert any(found.mapping.iterations(name) > 197 for name in "MP")
    monkeypatch.setattr(mapper, "rounded_up", lambda *_, **__: [])
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


def test_effort_never_costs() -> None:
    """More effort adds searches; what the smaller ones find stays."""
    on = load_accelerator("eyeriss")
    energies = resolve_energies(on, 8, 8, 8)
    found = [
        map_layer(on, energies, SCORES, Options(effort=effort), cache=False).cost.energy_pj
        for effort in ("quick", "normal", "thorough")
    ]
    assert found == sorted(found, reverse=True)
