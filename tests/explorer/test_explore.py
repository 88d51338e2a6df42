"""Explorations: predictions, fronts, notes and refusals."""

import numpy as np
import pandas as pd
import pytest

from explorer.explore import MAX_POINTS, OBJECTIVES, ExplorationResult, explore
from explorer.pareto import non_dominated
from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS, Space
from surrogate.artifact import Artifact

TWO = ("area_um2", "energy_per_mac_pj")


@pytest.fixture(scope="module")
def result(space: Space, artifact: Artifact) -> ExplorationResult:
    return explore(space, artifact, ("throughput", "area_um2"), n=10**6)


def test_the_whole_space_is_predicted(space: Space, result: ExplorationResult) -> None:
    pd.testing.assert_frame_equal(result.points[list(POINT_COLUMNS)], space.table())
    assert result.combinations == space.size
    assert not result.sampled
    assert result.space == "test space"
    for objective in OBJECTIVES.values():
        assert (result.points[objective.column] > 0).all()


def test_throughput_is_one_mac_a_cycle_at_the_fastest_clock(result: ExplorationResult) -> None:
    points = result.points
    expected = 1e12 / points["least_period_ps"] / 1e9
    np.testing.assert_allclose(points["throughput_gmacs"], expected)
    expected = points["throughput_gmacs"] / (points["area_um2"] / 1e6)
    np.testing.assert_allclose(points["throughput_gmacs_per_mm2"], expected)


def test_no_point_beats_the_front(result: ExplorationResult) -> None:
    """More throughput or less area than any point of the front costs some of the other."""
    points, front = result.points, result.front
    assert 1 < len(front) < len(points)
    for _, best in front.iterrows():
        faster = points["throughput_gmacs"] >= best["throughput_gmacs"]
        smaller = points["area_um2"] <= best["area_um2"]
        unequal = (points["throughput_gmacs"] > best["throughput_gmacs"]) | (
            points["area_um2"] < best["area_um2"]
        )
        assert not (faster & smaller & unequal).any()


def test_the_front_is_sorted_best_first(
    space: Space, artifact: Artifact, result: ExplorationResult
) -> None:
    assert result.front["throughput_gmacs"].is_monotonic_decreasing
    assert explore(space, artifact, TWO, n=10**6).front["area_um2"].is_monotonic_increasing


def test_one_objective_gives_its_best(space: Space, artifact: Artifact) -> None:
    result = explore(space, artifact, ["leakage_uw"], n=10**6)
    assert (result.front["leakage_uw"] == result.points["leakage_uw"].min()).all()


def test_a_large_space_is_sampled_as_the_seed_says(space: Space, artifact: Artifact) -> None:
    first, again, other = (explore(space, artifact, TWO, n=100, seed=s) for s in (3, 3, 4))
    assert first.sampled
    assert len(first.points) == 100
    pd.testing.assert_frame_equal(first.points, again.points)
    assert not first.points.equals(other.points)


def test_a_point_outside_what_was_measured_is_counted_and_noted(
    result: ExplorationResult,
) -> None:
    beyond = result.points["filter_depth"] == 256
    assert result.points.loc[beyond, "outside"].notna().all()
    assert result.outside >= beyond.sum()
    on_front = result.front["outside"].notna().sum()
    assert result.notes[2] == (
        f"{result.outside:,} of {len(result.points):,} points, {on_front} of the "
        f"{len(result.front)} on the front, lie outside what was measured: their error is unknown."
    )


def test_few_measurements_make_a_demonstration(
    artifact: Artifact, result: ExplorationResult
) -> None:
    assert result.notes[0].startswith(
        f"Mean cross-validated error on {artifact.points} measured points: area_um2 "
    )
    assert result.notes[1] == (
        f"A demonstration: {artifact.points} measured points are few, measure 200 or more before "
        "deciding on a design."
    )


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (
            ["area"],
            "an objective must be one of area_um2, least_period_ps, leakage_uw, "
            "energy_per_mac_pj, throughput, throughput_per_area, not 'area'",
        ),
        ([*TWO, "area_um2"], "an objective must be given once, area_um2 is given twice"),
        (
            [],
            "at least one objective is needed: area_um2, least_period_ps, leakage_uw, "
            "energy_per_mac_pj, throughput, throughput_per_area",
        ),
    ],
)
def test_bad_objectives_are_refused(
    space: Space, artifact: Artifact, objectives: list[str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        explore(space, artifact, objectives, n=10)
    assert str(caught.value) == message


@pytest.mark.parametrize("n", [0, MAX_POINTS + 1])
def test_a_number_of_points_out_of_range_is_refused(
    space: Space, artifact: Artifact, n: int
) -> None:
    with pytest.raises(InputError) as caught:
        explore(space, artifact, TWO, n=n)
    assert str(caught.value) == f"n must be an integer from 1 to {MAX_POINTS}, not {n}"


def test_the_front_is_the_one_of_its_columns(result: ExplorationResult) -> None:
    values = result.points[["throughput_gmacs", "area_um2"]]
    assert len(result.front) == non_dominated(values, [True, False]).sum()
