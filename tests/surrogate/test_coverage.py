"""Do intervals hold, and is the counting of that right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from surrogate.coverage import clopper_pearson, coverage, of_chosen, unseen_intervals
from surrogate.regret import QUERIES
from surrogate.targets import TARGETS
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(150, seed=3))


@pytest.fixture(scope="module")
def intervals(table: pd.DataFrame) -> pd.DataFrame:
    return unseen_intervals(table)


def test_every_point_is_unseen_once(table: pd.DataFrame, intervals: pd.DataFrame) -> None:
    assert list(intervals["target"].unique()) == list(TARGETS)
    for target, rows in intervals.groupby("target"):
        assert sorted(rows["point"]) == list(table.index)
        measured = rows.set_index("point")["measured"].sort_index()
        pd.testing.assert_series_equal(measured, table[str(target)], check_names=False)
    assert ((intervals["low"] < intervals["predicted"])
            & (intervals["predicted"] < intervals["high"])).all()  # fmt: skip


def test_nine_of_ten_intervals_hold(intervals: pd.DataFrame) -> None:
    found = coverage(intervals).set_index("target")
    assert (found["points"] == 150).all()
    # Not fewer; of so few points somewhat more, for they are calibrated on models that know less.
    assert (found["covered_low_pct"] < 92).all()
    assert (found["covered_high_pct"] > 90).all()


def test_what_was_chosen_answers_the_queries(table: pd.DataFrame, intervals: pd.DataFrame) -> None:
    chosen = of_chosen(table, intervals)
    key = ["point", "target"]
    assert 20 < len(chosen) <= QUERIES
    assert not chosen.duplicated(key).any()
    assert len(chosen.merge(intervals, on=key)) == len(chosen)
    pd.testing.assert_frame_equal(chosen, of_chosen(table, intervals))
    # The least predicted of all is chosen by whoever asks for the least within a wide bound.
    least = intervals.loc[intervals.groupby("target")["predicted"].idxmin(), key]
    assert len(least.merge(chosen, on=key)) > 0


def test_counts_and_widths_are_those_of_the_rows() -> None:
    rows = pd.DataFrame(
        {
            "target": "area_um2",
            "measured": [10.0, 10.0, 10.0, 10.0],
            "predicted": [10.0, 10.0, 20.0, 5.0],
            "low": [9.0, 10.0, 19.0, 4.0],
            "high": [11.0, 12.0, 22.0, 6.0],
        }
    )
    (found,) = coverage(rows).to_dict("records")
    assert found["covered_pct"] == 50
    assert found["width_pct"] == pytest.approx(100 * np.mean([0.2, 0.2, 0.15, 0.4]))
    # 20 times what is outside: 9 of 20, 4 of 5.
    outside = [0.2, 0.2, 0.15 + 20 * 9 / 20, 0.4 + 20 * 4 / 5]
    assert found["score_pct"] == pytest.approx(100 * np.mean(outside))


@pytest.mark.parametrize(
    ("held", "points", "expected"),
    [
        (0, 10, (0.0, 1 - 0.005 ** (1 / 10))),
        (10, 10, (0.005 ** (1 / 10), 1.0)),
        # Newcombe, Statistics in Medicine 17, 1998, table I, at 95 %: 81 of 263.
        (81, 263, (0.2527, 0.3676)),
    ],
)
def test_the_interval_of_a_share(held: int, points: int, expected: tuple[float, float]) -> None:
    confidence = 0.95 if points == 263 else 0.99
    found = clopper_pearson(held, points, confidence=confidence)
    assert found == pytest.approx(expected, abs=1e-4)
