"""Counts against a simulator that moves every word, and the rules in small cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.accelerators.hierarchy import Hierarchy, Level
from explorer.mapping.counts import LevelCounts, count, tile_words
from explorer.mapping.mapping import LevelLoops, Mapping
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError
from tests.explorer.mapping.brute_force import simulate
from tests.explorer.mapping.drawn import cases

KINDS = ("tile", "fills", "reads", "updates", "accumulations", "drains")


@given(cases(), st.sampled_from([(), ("ifmap",), ("ifmap", "filter")]))
@settings(max_examples=150, deadline=None)
def test_exact_counts_are_those_of_moving_every_word(
    case: tuple[Hierarchy, LayerShape, Mapping], held: tuple[str, ...]
) -> None:
    hierarchy, shape, mapping = case
    machine = simulate(hierarchy, shape, mapping, held)
    counts = count(hierarchy, shape, mapping, held=held)
    assert (counts.macs, counts.steps) == (machine.macs, machine.steps)
    for level in counts.levels:
        simulated = machine.counts[level.level, level.tensor]
        assert {k: getattr(level, k) for k in KINDS} == {k: simulated.get(k, 0) for k in KINDS}
    branches = {(c.level, c.tensor): c.words for c in counts.network}
    assert branches == {key: machine.network[key] for key in branches}
    assert {key for key, words in machine.network.items() if words} <= set(branches)


#: DRAM over a buffer over nine PEs with a scratchpad of everything.
ARRAY = Hierarchy(
    (
        Level(name="DRAM", kind="dram"),
        Level(name="buffer", kind="sram", words=1 << 20, fanout_x=3, fanout_y=3),
        Level(name="scratchpad", kind="scratchpad", words=1 << 10),
    )
)


def counted(shape: LayerShape, tensor: str, level: int, *loops: LevelLoops) -> LevelCounts:
    return count(ARRAY, shape, Mapping(loops)).of(level, tensor)


def test_neighbouring_windows_fetch_only_what_is_new() -> None:
    """A filter of 3 that slides over 10 words one by one: each word is fetched once."""
    shape = LayerShape(filters=1, channels=1, height=10, width=1, filter_height=3)
    spad = counted(
        shape, "ifmap", 2, LevelLoops(), LevelLoops(temporal=(("P", 8),)),
        LevelLoops(temporal=(("R", 3),)),
    )  # fmt: skip
    assert (spad.tile, spad.fills) == (3, 10)


def test_a_word_for_a_whole_diagonal_is_read_once() -> None:
    """Rows of Eyeriss: 3 filter rows by 3 ofmap rows take 5 ifmap rows, read once each."""
    shape = LayerShape(filters=1, channels=1, height=5, width=1, filter_height=3)
    loops = LevelLoops(), LevelLoops(x=(("P", 3),), y=(("R", 3),)), LevelLoops()
    assert counted(shape, "ifmap", 1, *loops).reads == 5
    assert counted(shape, "ifmap", 2, *loops).fills == 9
    alone = Hierarchy((ARRAY.levels[0], replace(ARRAY.levels[1], multicast=False), ARRAY.levels[2]))
    assert count(alone, shape, Mapping(loops)).of(1, "ifmap").reads == 9


def test_padding_is_not_moved() -> None:
    padded = LayerShape(
        filters=1, channels=1, height=4, width=1, filter_height=3, padding=(1, 1, 0, 0)
    )
    loops = LevelLoops(), LevelLoops(temporal=(("P", 4),)), LevelLoops(temporal=(("R", 3),))
    assert counted(padded, "ifmap", 2, *loops).fills == 4
    assert counted(padded, "ifmap", 2, *loops).reads == 4 * 3 - 2


def test_words_between_strided_windows_are_not_moved() -> None:
    shape = LayerShape(filters=1, channels=1, height=10, width=1, stride_height=3)
    assert shape.out_height == 4
    loops = LevelLoops(), LevelLoops(), LevelLoops(temporal=(("P", 4),))
    assert counted(shape, "ifmap", 2, *loops).fills == 4


def test_sums_are_added_where_they_are_kept() -> None:
    """Four channels one after the other outside a scratchpad: three updates are added."""
    shape = LayerShape(filters=2, channels=4, height=1, width=1)
    loops = (
        LevelLoops(), LevelLoops(temporal=(("C", 4), ("M", 2))), LevelLoops()
    )  # fmt: skip
    buffer = counted(shape, "psum", 1, *loops)
    assert (buffer.updates, buffer.accumulations, buffer.drains) == (8, 6, 2)
    spad = counted(shape, "psum", 2, *loops)
    assert (spad.updates, spad.accumulations, spad.drains) == (8, 0, 8)
    dram = counted(shape, "psum", 0, *loops)
    assert (dram.updates, dram.accumulations) == (2, 0)


def test_a_ragged_edge_computes_nothing() -> None:
    """Seven filters on three PEs: three moments, the last with one PE."""
    shape = LayerShape(filters=7, channels=1, height=1, width=1)
    loops = LevelLoops(), LevelLoops(temporal=(("M", 3),), x=(("M", 3),)), LevelLoops()
    counts = count(ARRAY, shape, Mapping(loops))
    assert (counts.macs, counts.steps) == (7, 3)
    assert counts.of(2, "filter").fills == 7


def test_the_largest_tile_leaves_padding_out() -> None:
    shape = LayerShape(
        filters=1, channels=1, height=6, width=1, filter_height=3, padding=(1, 1, 0, 0)
    )
    halves = Mapping(
        (LevelLoops(temporal=(("P", 2),)), LevelLoops(temporal=(("P", 3), ("R", 3))), LevelLoops())
    )
    assert tile_words(shape, halves, "ifmap", 1) == 4
    assert tile_words(shape, halves, "ifmap", 0) == 6


def test_a_mode_is_named() -> None:
    shape = LayerShape(filters=1, channels=1, height=1, width=1)
    with pytest.raises(InputError, match=r"^mode must be one of exact, timeloop, not 'rough'$"):
        count(ARRAY, shape, Mapping((LevelLoops(),) * 3), "rough")
