"""Datapaths: what counts as the same, and which are held out for ever."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.plan import plan_of, plan_table
from rtl_gen.space import Space, load_space
from surrogate.canonical import datapath_keys, datapath_kinds, families, held_out

ROOT = Path(__file__).resolve().parents[2]
Measure = Callable[..., pd.DataFrame]


def table_of(*designs: PEDesign) -> pd.DataFrame:
    return pd.DataFrame([{**design.to_dict(), "period_ps": 2000} for design in designs])


@pytest.mark.parametrize(
    ("preset", "key"),
    [
        ("INT8", "int-a8-w8-t0"),
        ("LightPE-1", "shift-a8-w4-t1"),
        ("LightPE-2", "shift-a8-w8-t2"),
        ("BF16", "fp-a16-w16-t0-p32"),
    ],
)
def test_keys_of_presets(preset: str, key: str) -> None:
    assert datapath_keys(table_of(PEDesign.preset(preset))) == [key]


def test_two_names_of_one_datapath_are_one() -> None:
    one = table_of(PEDesign(family="pow2", act_bits=8, weight_bits=4))
    other = one.assign(family="lightpe")
    assert datapath_keys(one) == datapath_keys(other)
    assert list(families(one)) == list(families(other)) == ["pow2"]


@pytest.mark.parametrize(
    "changes",
    [
        {"ifmap_depth": 4}, {"filter_depth": 32}, {"psum_depth": 8}, {"psum_bits": 40},
        {"pipeline_stages": 4}, {"act_signed": False}, {"multiplier": "booth"},
        {"precision_modes": 3}, {"zero_gating": True}, {"scratchpad": "latch"},
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_part_points(changes: dict[str, object]) -> None:
    plain, changed = (
        table_of(PEDesign(**{"family": "int", "act_bits": 8, "weight_bits": 8, **more}))
        for more in ({}, changes)
    )
    assert datapath_keys(plain) == datapath_keys(changed)
    everything_else = changed.assign(
        period_ps=750, seed=9, flow="openroad", corner="slow", name="mine", perturbation=4
    )
    assert datapath_keys(everything_else) == datapath_keys(plain)


def test_serial_terms_do_not_part_points() -> None:
    designs = [
        PEDesign(family="lightpe", act_bits=8, weight_bits=8, terms=2, serial_terms=serial)
        for serial in (False, True)
    ]
    assert len(set(datapath_keys(table_of(*designs)))) == 1


@pytest.mark.parametrize("changes", [{"act_bits": 9}, {"weight_bits": 4}, {"terms": 1}])
def test_what_parts_points(changes: dict[str, int]) -> None:
    plain = table_of(PEDesign.preset("LightPE-2"))
    assert datapath_keys(plain) != datapath_keys(plain.assign(**changes))


def test_the_width_of_sums_is_a_format_of_floating_point_alone() -> None:
    two = table_of(*(PEDesign.preset("BF16", psum_bits=bits) for bits in (16, 32)))
    assert len(set(datapath_keys(two))) == 2


def test_a_datapath_is_held_out_as_a_whole(everything: Space) -> None:
    table = everything.table(limit=4000)
    chosen = held_out(table)
    by_key = pd.Series(chosen).groupby(datapath_keys(table)).nunique()
    assert (by_key == 1).all()
    shuffled = table.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(held_out(shuffled), chosen[shuffled.index])


def test_what_is_held_out_of_the_full_space_never_changes() -> None:
    """The digest is that of the first day: another one would make all reports worthless."""
    space = load_space(ROOT / "configs" / "spaces" / "full.yaml")
    table = plan_table(space, plan_of(space))
    chosen = held_out(table)
    keys = sorted({key for key, out in zip(datapath_keys(table), chosen, strict=True) if out})
    assert hashlib.sha256("\n".join(keys).encode()).hexdigest() == (
        "258f68aed06e6ab973a04f90c33ad0b9e9bf1e210be4feaa1c92e774909cf1cc"
    )
    assert (len(keys), len(set(datapath_keys(table)))) == (41, 174)
    # None of the three datapaths of fp: leaving out the family says what is to be said of it.
    assert table["family"][chosen].value_counts().to_dict() == {
        "int": 254, "lightpe": 169, "pow2": 50,
    }  # fmt: skip


def test_a_missing_column_is_named(measure: Measure) -> None:
    with pytest.raises(InputError) as caught:
        datapath_keys(measure(3).drop(columns="terms"))
    assert str(caught.value) == "a datapath needs terms; the table has no such column"


def test_an_unknown_family_is_named(measure: Measure) -> None:
    with pytest.raises(InputError) as caught:
        datapath_kinds(measure(3).assign(family="bf16"))
    assert str(caught.value) == "family must be one of int, lightpe, pow2, fp, not 'bf16'"
