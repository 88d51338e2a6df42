"""Plans: legal distinct points, an order that grows, and an even spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_gen.errors import InputError
from rtl_gen.plan import Plan, plan_of, plan_table
from rtl_gen.space import Space, design_of, load_space

SPACE = """
constraints: [act_bits >= weight_bits]
blocks:
  - family: [int, lightpe]
    act_bits: [4, 6, 8, 10, 12, 16]
    weight_bits: [2, 4, 6, 8, 10]
    terms: [1, 2]
    ifmap_depth: [4, 8, 12, 16]
    filter_depth: [16, 32, 64, 128]
    pipeline_stages: [1, 2, 3, 4]
    weight: 3
  - family: fp
    act_bits: 16
    weight_bits: 16
    filter_depth: [16, 32, 64, 128]
    period_ps: [3000, 4000, 5000]
    weight: 12
"""
SMALL = (
    "blocks: [{family: int, act_bits: [4, 8], weight_bits: [4, 6, 8], constraints: [act_bits > 4]}]"
)


def space(folder: Path, text: str = SPACE) -> Space:
    path = folder / "space.yaml"
    path.write_text(text)
    return load_space(path)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return space(tmp_path_factory.mktemp("space"))


@settings(max_examples=10)
@given(kind=st.sampled_from(["sobol", "lhs"]), points=st.integers(1, 300), seed=st.integers(0, 9))
def test_a_longer_plan_begins_with_the_shorter_one(
    wide: Space, kind: str, points: int, seed: int
) -> None:
    short = plan_table(wide, Plan(kind=kind, points=points, seed=seed))
    long = plan_table(wide, Plan(kind=kind, points=2 * points + 1, seed=seed))
    assert short.equals(long.iloc[:points])
    assert not long.duplicated().any()
    assert (long["act_bits"] >= long["weight_bits"]).all()
    design_of(long.iloc[-1].to_dict())


@pytest.mark.parametrize("kind", ["sobol", "lhs"])
def test_a_plan_can_have_every_point_and_no_more(tmp_path: Path, kind: str) -> None:
    small = space(tmp_path, SMALL)
    every = small.table()
    found = plan_table(small, Plan(kind=kind, points=len(every)))
    order = list(every.columns)
    assert (
        found.sort_values(order).to_numpy().tolist() == every.sort_values(order).to_numpy().tolist()
    )
    with pytest.raises(InputError) as error:
        plan_table(small, Plan(kind=kind, points=len(every) + 1))
    assert str(error.value) == f"{small.name}: has 3 points, not the 4 of the plan"


@pytest.mark.parametrize(("kind", "off"), [("sobol", 0.02), ("lhs", 0.04)])
def test_values_are_drawn_evenly(wide: Space, kind: str, off: float) -> None:
    """Shares of 388 independent draws have a standard deviation of 0.022."""
    table = plan_table(wide, Plan(kind=kind, points=400))
    assert (table["family"] == "fp").sum() == 12  # all there are
    others = table[table["family"] != "fp"]
    for name in ("ifmap_depth", "filter_depth", "pipeline_stages"):
        shares = others[name].value_counts(normalize=True)
        assert shares.to_numpy() == pytest.approx([0.25] * 4, abs=off), name


def test_the_first_points_of_a_hypercube_have_a_stratum_each(tmp_path: Path) -> None:
    """In every dimension, for every power of two, if all places are points."""
    depths = list(range(16, 16 + 64))
    text = f"blocks: [{{family: int, act_bits: 8, weight_bits: 8, filter_depth: {depths}}}]"
    table = plan_table(space(tmp_path, text), Plan(kind="lhs", points=64))
    order = table["filter_depth"].to_numpy() - 16
    for power in range(7):
        strata = order[: 1 << power] >> (6 - power)
        assert sorted(strata) == list(range(1 << power))


def test_full_is_every_point(wide: Space) -> None:
    assert plan_table(wide, Plan()).equals(wide.table())


def huge_space(folder: Path, family: str) -> Space:
    """101 x 60 x 200 combinations."""
    depths, psums, periods = (list(range(*ends)) for ends in ((4, 105), (1, 61), (1000, 1200)))
    text = (
        f"blocks: [{{{family}, act_bits: 8, weight_bits: 8, filter_depth: {depths}, psum_depth: "
        f"{psums}, period_ps: {periods}}}]"
    )
    return space(folder, text)


def test_a_million_points_are_not_listed_by_mistake(tmp_path: Path) -> None:
    huge = huge_space(tmp_path, "family: int")
    with pytest.raises(InputError) as error:
        plan_table(huge, Plan())
    assert str(error.value) == (
        f"{huge.name}: has 1,212,000 combinations, more than 1,000,000 cannot be measured: choose "
        "--sampling sobol --points N"
    )
    assert len(plan_table(huge, Plan(kind="sobol", points=50))) == 50


def test_a_huge_space_without_points_says_so(tmp_path: Path) -> None:
    huge = huge_space(tmp_path, "family: lightpe, terms: 3")
    with pytest.raises(InputError) as error:
        plan_table(huge, Plan(kind="lhs", points=1))
    assert str(error.value) == (
        f"{huge.name}: has 0 points among 262,144 that were tried, not the 1 of the plan"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "random"}, "kind must be one of full, lhs, sobol, not 'random'"),
        ({"points": 4}, "kind full has every point: leave out points, or choose sobol"),
        ({"kind": "lhs"}, "points must be an integer from 1 to 1000000, not None"),
        ({"kind": "sobol", "points": 0}, "points must be an integer from 1 to 1000000, not 0"),
        ({"seed": -1}, "seed must be an integer from 0 to 2147483647, not -1"),
    ],
)
def test_a_plan_that_is_none_is_said(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        Plan(**values)  # type: ignore[arg-type]  # wrong on purpose
    assert str(error.value) == message


def test_what_is_given_goes_before_what_the_file_says(tmp_path: Path) -> None:
    text = f"plan: {{kind: lhs, points: 2, seed: 7}}\n{SMALL}"
    small = space(tmp_path, text)
    assert plan_of(small) == Plan(kind="lhs", points=2, seed=7)
    assert plan_of(small, points=3) == Plan(kind="lhs", points=3, seed=7)
    assert plan_of(small, kind="sobol", seed=1) == Plan(kind="sobol", points=2, seed=1)
    assert plan_of(small, kind="full") == Plan(seed=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{sort: lhs}", "plan: 'sort' is not an entry; allowed are kind, points, seed"),
        ("{kind: lhs}", "plan: points must be an integer from 1 to 1000000, not None"),
        ("{kind: 8}", "plan: kind must be one of full, lhs, sobol, not 8"),
    ],
)
def test_a_wrong_plan_in_a_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    wrong = space(tmp_path, f"plan: {text}\n{SMALL}")
    with pytest.raises(InputError) as error:
        plan_of(wrong)
    assert str(error.value) == f"{wrong.name}: {message}"


def test_plans_are_not_the_same_for_other_seeds(wide: Space) -> None:
    tables = [plan_table(wide, Plan(kind="sobol", points=64, seed=seed)) for seed in (1, 2)]
    both = np.intersect1d(*(table.astype(str).agg(" ".join, axis=1) for table in tables))
    assert len(both) < 32
