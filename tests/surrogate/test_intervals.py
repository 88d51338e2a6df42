"""Intervals hold as often as they say, for each family, whatever the errors look like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtl_gen.errors import InputError
from surrogate.intervals import (
    LEAST_POINTS,
    Intervals,
    conformal_quantile,
    grouped_quantile,
    interval_score,
)


def test_the_quantile_is_a_rank_of_one_more_point() -> None:
    """Of nine scores and a tenth to come, each place is as likely: 9 of 10 are within the ninth."""
    scores = np.arange(1.0, 10.0)
    assert conformal_quantile(scores, 0.9) == 9.0
    assert conformal_quantile(scores, 0.5) == 5.0
    assert conformal_quantile(scores[:8], 0.9) == float("inf")


@given(st.integers(9, 40), st.integers(0, 10_000))
def test_a_new_point_is_within_at_least_as_often_as_promised(count: int, seed: int) -> None:
    """Over all ways to take one of n + 1 points out, exactly: no distribution is assumed."""
    scores = np.random.default_rng(seed).exponential(size=count + 1) ** 3
    within = [
        scores[index] <= conformal_quantile(np.delete(scores, index), 0.9)
        for index in range(count + 1)
    ]
    assert np.mean(within) >= 0.9


def world(seed: int, points: int = 4000) -> tuple[NDArray[np.float64], ...]:
    """Measured, predicted, scale, and families: errors are heavy, and threefold in family b."""
    generator = np.random.default_rng(seed)
    families = np.where(generator.random(points) < 0.3, "b", "a")
    predicted = generator.lognormal(3, 1, points)
    scale = generator.uniform(0.5, 2, points)
    spread = 0.01 * scale * np.where(families == "b", 3, 1)
    measured = predicted * np.exp(spread * generator.standard_t(4, points))
    return measured, predicted, scale, families


def test_each_family_is_covered_and_wider_where_the_scale_is() -> None:
    measured, predicted, scale, families = world(1)
    found = Intervals.calibrate(measured, predicted, scale, families)
    assert found.points == 4000
    assert found.widths["b"] == pytest.approx(3 * found.widths["a"], rel=0.15)
    measured, predicted, scale, families = world(2)
    lower, upper = found.bounds(predicted, scale, families)
    covered = (lower <= measured) & (measured <= upper)
    for name in ("a", "b"):
        assert covered[families == name].mean() == pytest.approx(0.9, abs=0.02)
    assert np.allclose(upper / predicted, predicted / lower)
    wide = scale > 1.5
    assert covered[wide].mean() == pytest.approx(0.9, abs=0.02)
    assert covered[~wide].mean() == pytest.approx(0.9, abs=0.02)


def test_a_family_of_a_few_points_is_calibrated_with_all() -> None:
    measured, predicted, scale, families = world(3, 400)
    families = families.copy()
    families[: LEAST_POINTS - 1] = "c"
    found = Intervals.calibrate(measured, predicted, scale, families)
    assert "c" not in found.widths
    families[LEAST_POINTS - 1] = "c"
    assert "c" in Intervals.calibrate(measured, predicted, scale, families).widths
    lower, upper = found.bounds([10.0, 10.0], [1.0, 1.0], ["c", "never seen"])
    assert upper.tolist() == [10 * np.exp(found.other)] * 2
    assert lower.tolist() == [10 / np.exp(found.other)] * 2


def test_what_cannot_be_promised_is_refused() -> None:
    few = np.ones(8)
    with pytest.raises(InputError) as error:
        Intervals.calibrate(few, few, few, ["a"] * 8)
    assert str(error.value) == "intervals of level 0.9 need at least 9 points, not 8"
    with pytest.raises(InputError) as error:
        Intervals.calibrate(few, few, few, ["a"] * 8, level=1.0)
    assert str(error.value) == "the level of an interval must be between 0 and 1, not 1"
    with pytest.raises(InputError) as error:
        Intervals.calibrate([1.0, -2.0], [1.0, 1.0], [1.0, 1.0], ["a", "a"])
    assert str(error.value) == "measured must be above zero everywhere, not -2"


def test_width_cannot_buy_a_score() -> None:
    """By hand: width 2; and 20 times what is outside at level 0.9."""
    scores = interval_score([5.0, 5.0, 5.0], [4.0, 5.5, 0.0], [6.0, 6.0, 100.0], 0.9)
    assert scores.tolist() == [2.0, pytest.approx(0.5 + 20 * 0.5), 100.0]


def test_groups_of_one_are_points() -> None:
    scores = np.random.default_rng(3).exponential(size=60)
    assert grouped_quantile([np.array([s]) for s in scores], 0.9) == conformal_quantile(scores, 0.9)
    assert grouped_quantile([np.ones(500)] * 8, 0.9) == float("inf")  # eight groups are too few
    assert grouped_quantile([np.ones(500)] * 9, 0.9) == 1.0


def test_scores_of_new_groups_are_held_as_often_as_promised() -> None:
    """Scores of a group are alike, and groups of different size: each counts once."""
    generator = np.random.default_rng(5)

    def group() -> NDArray[np.float64]:
        return np.abs(generator.normal(0, generator.exponential(), int(generator.integers(1, 30))))

    held = []
    for _ in range(300):
        width = grouped_quantile([group() for _ in range(40)], 0.9)
        held.append((group() <= width).mean())
    assert 0.88 < np.mean(held) < 0.93
