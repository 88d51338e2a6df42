"""A design outside of what was measured is told, with what is out."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from rtl_gen.space import Space
from surrogate.region import Region


def test_what_was_measured_is_inside(everything: Space) -> None:
    table = everything.table(limit=400, seed=1)
    assert Region.of(table).outside(table).isna().all()


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"filter_depth": 4096}, "filter_depth",
         "filter_depth 4096 is not in the 32..224 that was measured of int"),
        ({"period_ps": 1499}, "period_ps",
         "period_ps 1499 is not in the 1500..2000 that was measured of int"),
        ({"scratchpad": "sram"}, "scratchpad", "scratchpad sram was not measured (flop)"),
        ({"pipeline_stages": 5}, "pipeline_stages",
         "pipeline_stages 5 was not measured (1, 2, 3, 4)"),
        # Several: the first in the order of the checks.
        ({"filter_depth": 4096, "scratchpad": "sram"}, "scratchpad",
         "scratchpad sram was not measured (flop)"),
    ],
)  # fmt: skip
def test_what_is_out_is_named(
    measure: Callable[..., pd.DataFrame], change: dict[str, object], check: str, words: str
) -> None:
    table = measure(200)
    region = Region.of(table)
    design = table.iloc[[3]].assign(**change)
    assert region.outside(design).tolist() == [check]
    assert region.say(check, design.iloc[0]) == words


def test_all_that_is_out_of_one_design_is_told(measure: Callable[..., pd.DataFrame]) -> None:
    table = measure(200)
    region = Region.of(table)
    row = table[table["family"] == "int"].iloc[[0]]
    assert region.reasons(row) == []
    out = row.assign(filter_depth=4096, scratchpad="sram", period_ps=1499)
    assert region.reasons(out) == [
        "scratchpad sram was not measured (flop)",
        "filter_depth 4096 is not in the 32..224 that was measured of int",
        "period_ps 1499 is not in the 1500..2000 that was measured of int",
    ]


def test_a_single_shift_is_a_power_of_two_by_any_name(
    measure: Callable[..., pd.DataFrame],
) -> None:
    table = measure(200)
    region = Region.of(table)
    named = table[table["family"] == "pow2"].assign(family="lightpe")
    assert len(named)
    assert region.outside(named).isna().all()
    far = named.iloc[[0]].assign(filter_depth=4096)
    assert region.reasons(far) == [
        "filter_depth 4096 is not in the 32..224 that was measured of pow2"
    ]


def test_two_kinds_that_never_met_are_outside(measure: Callable[..., pd.DataFrame]) -> None:
    table = measure(200)
    latch = table[table["family"] == "int"].assign(scratchpad="latch")
    region = Region.of(pd.concat([table, latch]))
    shift = table[table["family"] == "lightpe"].iloc[[0]].assign(scratchpad="latch")
    assert region.outside(shift).tolist() == ["family with scratchpad"]
    assert region.say("family with scratchpad", shift.iloc[0]) == (
        "family lightpe with scratchpad latch was not measured"
    )
    assert region.outside(latch.iloc[[0]]).isna().all()


def test_limits_are_inside_and_types_do_not_matter(measure: Callable[..., pd.DataFrame]) -> None:
    table = measure(200)
    region = Region.of(table)
    edge = table.iloc[[0]].assign(filter_depth=224, period_ps=1500)
    as_read = edge.assign(act_signed=1, pipeline_stages=float(edge["pipeline_stages"].iloc[0]))
    assert region.outside(as_read).isna().all()
    assert region.outside(edge.assign(filter_depth=225)).tolist() == ["filter_depth"]
    assert region.outside(table.iloc[:0]).empty


def test_numbers_are_those_of_the_family(measure: Callable[..., pd.DataFrame]) -> None:
    """Floating point has 32 bits: that does not make integers of 20 bits known."""
    table = measure(200)
    floats = table.iloc[:20].assign(family="fp", act_bits=32, weight_bits=32)
    region = Region.of(pd.concat([table, floats]))
    integer = table[table["family"] == "int"].iloc[[0]].assign(act_bits=20)
    assert region.outside(integer).tolist() == ["act_bits"]
