"""Mappings as data, and what is said of those that are none."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.accelerators.hierarchy import Hierarchy, Level
from explorer.mapping.counts import count
from explorer.mapping.mapping import LevelLoops, Mapping, parse_loops
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError
from tests.explorer.mapping.drawn import cases

HIERARCHY = Hierarchy(
    (
        Level(name="DRAM", kind="dram"),
        Level(name="buffer", kind="sram", keeps=("ifmap", "psum"), words=4096, fanout_x=4),
        Level(name="spad", kind="scratchpad", keeps=("filter", "psum"), optional=("psum",)),
    )
)
SHAPE = LayerShape(filters=8, channels=4, height=6, width=6, filter_height=3, filter_width=3)


def test_a_mapping_reads_as_a_loop_nest() -> None:
    mapping = Mapping.from_list(
        [
            {"level": "DRAM", "temporal": "M2 C4"},
            {"level": "buffer", "temporal": "P4", "x": "Q4"},
            {"level": "spad", "temporal": "M4 R3 S3", "keeps": ["filter"]},
        ],
        HIERARCHY,
    )
    mapping.check(HIERARCHY, SHAPE)
    assert mapping.nest(HIERARCHY).splitlines() == [
        "DRAM: keeps ifmap, filter, psum",
        "  for M in 2",
        "    for C in 4",
        "      buffer: keeps ifmap, psum",
        "        for P in 4",
        "          for x in Q 4",
        "            spad: keeps filter",
        "              for M in 4",
        "                for R in 3",
        "                  for S in 3",
        "                    MAC",
    ]
    assert Mapping.from_list(mapping.to_list(HIERARCHY), HIERARCHY) == mapping


@pytest.mark.parametrize(
    ("loops", "message"),
    [
        ({"x": "Q8"}, "level 'buffer': loops along x take 8 instances, there are 4"),
        ({"y": "Q2"}, "level 'buffer': loops along y take 2 instances, there are 1"),
        ({"keeps": ["filter"]}, "level 'buffer' must keep ifmap"),
        (
            {"keeps": ["ifmap", "filter", "psum"]},
            "level 'buffer' has no place for filter",
        ),
        ({}, "the loops over M have 1 iterations together, the layer needs 8"),
    ],
)
def test_what_is_no_mapping_is_said_in_a_line(loops: dict[str, object], message: str) -> None:
    mapping = Mapping.from_list([{"level": "buffer", **loops}], HIERARCHY)
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        mapping.check(HIERARCHY, SHAPE)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [{"level": "bufer"}],
            "'bufer' is not a level; allowed are DRAM, buffer, spad; the nearest is buffer",
        ),
        ([{"level": "spad"}, {"level": "spad"}], "the mapping has level 'spad' twice"),
        ([{"temporal": "M2"}], "entry 1 of the mapping must name its level"),
        (
            [{"level": "spad", "temporel": "M2"}],
            "entry 1 of the mapping: 'temporel' is none of level, temporal, x, y, keeps; "
            "the nearest is temporal",
        ),
    ],
)
def test_entries_are_checked(entries: list[object], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Mapping.from_list(entries, HIERARCHY)


@pytest.mark.parametrize("text", ["K4", "M", "M0", "4M", "M-2"])
def test_loops_are_a_dimension_and_its_iterations(text: str) -> None:
    with pytest.raises(
        InputError,
        match=f"^a loop must be one of N, G, M, C, P, Q, R, S and its iterations, as C16, "
        f"not '{text}'$",
    ):
        parse_loops(text)


def test_iterations_may_be_more_than_a_size() -> None:
    loops = LevelLoops(temporal=parse_loops("M9 C4 P4 Q4 R3 S3"))
    Mapping((loops, LevelLoops(keeps=("ifmap", "psum")), LevelLoops(keeps=("filter",)))).check(
        HIERARCHY, SHAPE
    )


def test_iterations_without_work_go() -> None:
    """P: 6 rows in 4 x 4; Q: 6 columns, 5 times 2; M: 8 in 3 tiles of 3, all needed."""
    shape = replace(SHAPE, height=8, width=8)
    loops = (
        LevelLoops(temporal=(("P", 4), ("Q", 5), ("M", 3))),
        LevelLoops(temporal=(("P", 4),), x=(("Q", 2),)),
        LevelLoops(temporal=(("M", 3), ("C", 4))),
    )
    assert Mapping(loops).trimmed(shape).levels == (
        LevelLoops(temporal=(("P", 2), ("Q", 3), ("M", 3))),
        *loops[1:],
    )


@given(cases(), st.integers(0, 3))
def test_trimmed_mappings_move_the_same_words(
    case: tuple[Hierarchy, LayerShape, Mapping], more: int
) -> None:
    hierarchy, shape, mapping = case
    first = mapping.levels[0]
    longer = tuple((name, times + more) for name, times in first.temporal)
    mapping = Mapping((replace(first, temporal=longer), *mapping.levels[1:]))
    trimmed = mapping.trimmed(shape)
    before, behind = (count(hierarchy, shape, each) for each in (mapping, trimmed))
    assert (behind.macs, behind.steps, behind.network) == (
        before.macs, before.steps, before.network,
    )  # fmt: skip
    assert [replace(c, instances=1) for c in behind.levels] == [
        replace(c, instances=1) for c in before.levels
    ]
    assert trimmed.trimmed(shape) == trimmed
