"""Dataflows: what their mappings do, and that the search obeys them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from explorer.accelerators.hierarchy import TENSORS, Hierarchy, Level
from explorer.mapping.counts import count
from explorer.mapping.dataflow import DATAFLOWS, first_of_pe
from explorer.mapping.mapper import Options
from explorer.mapping.mapping import LevelLoops
from explorer.mapping.space import Space
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError
from tests.explorer.mapping.test_search import prices

ARRAY = Hierarchy(
    (
        Level(name="DRAM", kind="dram"),
        Level(name="buffer", kind="sram", words=600, fanout_x=4),
        Level(name="columns", kind="network", keeps=(), fanout_y=3),
        Level(name="ifmaps", kind="scratchpad", words=12, keeps=("ifmap",)),
        Level(name="filters", kind="scratchpad", words=24, keeps=("filter",)),
        Level(name="psums", kind="scratchpad", words=8, keeps=("psum",)),
    )
)
PE = 3
LAYERS = [
    LayerShape(filters=8, channels=6, height=8, width=8, filter_height=3, filter_width=3,
               padding=(1, 1, 1, 1)),
    LayerShape(filters=12, channels=16, height=4, width=4),
    LayerShape(filters=4, channels=4, height=9, width=9, filter_height=5, filter_width=5, batch=2),
]  # fmt: skip


def searched(shape: LayerShape, dataflow: str, seed: int, tries: int) -> tuple[Space, Any, float]:
    space = Space.of(ARRAY, shape, dataflow=dataflow)
    problem = space.problem(prices(ARRAY))
    found = space.search(problem, "energy", seed, 1, tries, (0.5, 0.05))
    assert not math.isinf(found.score)
    return space, space.mapping(found), found.score


def names(loops: tuple[tuple[str, int], ...]) -> str:
    return "".join(name for name, _ in loops)


def outside(mapping: Any) -> list[LevelLoops]:
    return list(mapping.levels[:PE])


@pytest.mark.parametrize("shape", LAYERS)
@pytest.mark.parametrize("seed", range(6))
def test_row_stationary_has_rows_of_the_filter_in_a_pe(shape: LayerShape, seed: int) -> None:
    _, mapping, _ = searched(shape, "row-stationary", seed, 300 + 700 * seed)
    for loops in outside(mapping):
        assert "S" not in names(loops.temporal)
        assert not set("SQ") & set(names(loops.spatial))
    in_pe = "".join(names(loops.temporal) for loops in mapping.levels[PE:])
    assert not set("RP") & set(in_pe)
    taps = math.prod(n for v in mapping.levels[PE:] for name, n in v.temporal if name == "S")
    assert taps == shape.filter_width


@pytest.mark.parametrize("shape", LAYERS)
@pytest.mark.parametrize("seed", range(6))
def test_weight_stationary_takes_positions_innermost(shape: LayerShape, seed: int) -> None:
    _, mapping, _ = searched(shape, "weight-stationary", seed, 300 + 700 * seed)
    for loops in outside(mapping):
        assert not set("NPQ") & set(names(loops.spatial))
        order = names(loops.temporal)
        assert set(order[len(order.rstrip("NPQ")) :]) == set(order) & set("NPQ")
    # Without positions in the outer level each weight comes to one PE, once.
    if not set("NPQ") & set(names(mapping.levels[0].temporal)):
        assert count(ARRAY, shape, mapping).of(4, "filter").fills == shape.weights


@pytest.mark.parametrize("shape", LAYERS)
@pytest.mark.parametrize("seed", range(6))
def test_output_stationary_finishes_sums_in_the_pe(shape: LayerShape, seed: int) -> None:
    _, mapping, _ = searched(shape, "output-stationary", seed, 300 + 700 * seed)
    counts = count(ARRAY, shape, mapping)
    assert counts.of(5, "psum").drains == shape.ofmap_words
    assert counts.of(1, "psum").updates == shape.ofmap_words
    assert counts.of(1, "psum").accumulations == 0


def test_free_mappings_are_at_least_as_good() -> None:
    shape = LAYERS[0]
    best = {name: searched(shape, name, 1, 40_000)[2] for name in DATAFLOWS}
    sizes = {name: Space.of(ARRAY, shape, dataflow=name).size for name in DATAFLOWS}
    assert best["free"] <= min(best.values()) + 1e-9
    assert len(set(best.values())) > 1
    assert sizes["free"] > max(size for name, size in sizes.items() if name != "free")


def test_the_pe_is_below_all_branches() -> None:
    assert first_of_pe(ARRAY) == PE
    plain = Hierarchy((Level(name="DRAM", kind="dram", keeps=TENSORS),))
    assert first_of_pe(plain) == 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"dataflow": "row-stationery"},
         "dataflow must be one of free, row-stationary, weight-stationary, output-stationary, not "
         "'row-stationery'"),
        ({"dataflow": "row-stationary", "mode": "rtl"},
         "dataflow row-stationary is of mode exact, not rtl"),
    ],
)  # fmt: skip
def test_bad_dataflows_are_refused(wanted: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Options(**wanted)  # type: ignore[arg-type]  # names of any option
    assert str(caught.value).startswith(message)
