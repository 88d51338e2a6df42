"""Splits: nothing is on both sides, and each leaves out what it says."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import Space
from surrogate.canonical import datapath_keys, held_out
from surrogate.splits import DEALS, FLOWS, FOLDS, MIN_POINTS, PROMISES, SPLITS, folds

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(everything: Space) -> pd.DataFrame:
    """Three hundred points of every family and option."""
    return everything.table(limit=300)


@settings(max_examples=20, deadline=None)
@given(split=st.sampled_from(sorted(SPLITS)), seed=st.integers(0, 1000), points=st.data())
def test_no_datapath_is_on_both_sides(
    table: pd.DataFrame, split: str, seed: int, points: st.DataObject
) -> None:
    """But where only sizes or periods are left out, and there no point is."""
    count = points.draw(st.integers(60, len(table)))
    rows = table.sample(count, random_state=seed).reset_index(drop=True)
    keys = np.array(datapath_keys(rows))
    found = folds(rows, split, seed=seed)
    assert split == "test" or found
    for fold in found:
        assert fold.split == split
        assert not set(fold.seen) & set(fold.unseen)
        if split != "ranges":
            assert not set(keys[fold.seen]) & set(keys[fold.unseen])


def test_every_point_is_tested_once_in_each_deal(table: pd.DataFrame) -> None:
    found = folds(table, "datapaths")
    assert len(found) == DEALS * FOLDS
    for deal in range(DEALS):
        tested = np.concatenate([fold.unseen for fold in found if fold.deal == deal])
        assert sorted(tested) == list(range(len(table)))
    first, second = ({frozenset(f.unseen) for f in found if f.deal == deal} for deal in (0, 1))
    assert first != second


def test_a_left_out_width_lies_between_others_of_its_kind(table: pd.DataFrame) -> None:
    """16 bits are the most of integers: not tested, though binary32 has more."""
    for fold in folds(table, "widths"):
        name, value = fold.part.split()
        seen, unseen = table.iloc[fold.seen], table.iloc[fold.unseen]
        assert not (seen[name] == int(value)).any()
        assert (unseen[name] == int(value)).all()
        assert not ((unseen["family"] == "int") & (unseen["act_bits"] == 16)).any() or (
            name == "weight_bits"
        )
    parts = [fold.part for fold in folds(table, "widths")]
    assert parts == ["act_bits 7", "act_bits 8", *(f"weight_bits {n}" for n in (4, 6, 8, 9))]


def test_each_family_is_left_out_whatever_it_is_called(table: pd.DataFrame) -> None:
    renamed = table.assign(family=table["family"].replace("pow2", "lightpe"))
    found = {fold.part: fold for fold in folds(renamed, "families")}
    assert sorted(found) == ["fp", "int", "lightpe", "pow2"]
    for name, fold in found.items():
        assert set(table["family"].iloc[fold.unseen]) == {name}
        assert name not in set(table["family"].iloc[fold.seen])


def test_ranges_leave_out_the_edge_of_each_kind(table: pd.DataFrame) -> None:
    by_part = {fold.part: fold for fold in folds(table, "ranges")}
    assert list(by_part) == [
        "largest filter_depth", "largest psum_depth", "largest act_bits", "largest weight_bits",
        "shortest period_ps",
    ]  # fmt: skip
    depth = table["filter_depth"].to_numpy()
    fold = by_part["largest filter_depth"]
    assert set(depth[fold.unseen]) == {224}
    assert depth[fold.seen].max() == 64
    period = table["period_ps"].to_numpy()
    assert period[by_part["shortest period_ps"].unseen].max() == 1500
    assert period[by_part["shortest period_ps"].seen].min() == 2000


def test_training_sizes_are_nested(table: pd.DataFrame) -> None:
    found = folds(table, "sizes")
    sizes = list(dict.fromkeys(int(fold.part) for fold in found))
    assert sizes[:2] == [25, 50]
    for small, large in itertools.pairwise(found):
        assert len(small.seen) == int(small.part)
        if int(small.part) < int(large.part):
            assert set(small.seen) < set(large.seen)
            np.testing.assert_array_equal(small.unseen, large.unseen)


def test_the_last_test_is_of_what_is_held_out(table: pd.DataFrame) -> None:
    (fold,) = folds(table, "test")
    np.testing.assert_array_equal(fold.unseen, np.flatnonzero(held_out(table)))
    assert len(fold.seen) + len(fold.unseen) == len(table)


def test_what_a_table_does_not_have_is_not_split(measure: Measure) -> None:
    table = measure(60)
    ints = table[table["family"] == "int"]
    assert folds(ints, "families") == []
    assert folds(ints, "ranges")


def test_with_few_datapaths_there_are_as_few_folds() -> None:
    designs = [
        PEDesign(family="int", act_bits=bits, weight_bits=8, filter_depth=depth)
        for bits in (6, 8)
        for depth in range(10, 15)
    ]
    table = pd.DataFrame([{**design.to_dict(), "period_ps": 2000} for design in designs])
    assert len(folds(table, "datapaths")) == 2 * DEALS
    for few, said in ((table.head(9), "9 of 2"), (table[table["act_bits"] == 6], "5 of 1")):
        with pytest.raises(InputError) as caught:
            folds(few, "datapaths")
        assert str(caught.value) == (
            f"at least {MIN_POINTS} measured points of 2 datapaths are needed to learn and to "
            f"test, not {said}"
        )


def test_an_unknown_split_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        folds(table, "random")
    assert str(caught.value) == (
        "a split must be one of datapaths, widths, families, ranges, sizes, test, not 'random'"
    )


def test_each_split_says_what_it_promises() -> None:
    assert list(PROMISES) == [*SPLITS, FLOWS]
