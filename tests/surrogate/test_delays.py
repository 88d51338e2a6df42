"""Paths at leisure and in a hurry."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rtl_gen.space import Space
from surrogate.delays import Delays, _shares, _sizes
from surrogate.features import feature_columns

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(everything: Space) -> pd.DataFrame:
    points = everything.table(limit=400, seed=1)
    periods = np.random.default_rng(0).choice([600, 1000, 2000, 4000, 8000], len(points))
    return points.assign(period_ps=periods)


def ends(table: pd.DataFrame, delays: Delays | None = None, **changes: object) -> pd.DataFrame:
    columns = feature_columns(table.assign(**changes))
    return pd.DataFrame((delays or Delays()).features(columns))


def test_nobody_who_hurries_is_slower(table: pd.DataFrame) -> None:
    found = ends(table)
    assert (found["quickest_ps"] < found["relaxed_ps"]).all()
    assert found["hurry"].between(0, 1).all()
    assert (found["expected_period_ps"] >= found["quickest_ps"]).all()


def test_a_long_period_is_not_echoed_and_a_short_one_not_met(table: pd.DataFrame) -> None:
    for period_ps, end, hurry in ((10**6, "relaxed_ps", 0), (10, "quickest_ps", 1)):
        found = ends(table, period_ps=period_ps)
        assert found["expected_period_ps"].to_numpy() == pytest.approx(found[end], rel=1e-6)
        assert (found["hurry"] == hurry).all()


def test_a_shorter_period_hurries_more(table: pd.DataFrame) -> None:
    found = [ends(table, period_ps=period) for period in (4000, 2000, 1000, 500)]
    for longer, shorter in itertools.pairwise(found):
        assert (shorter["hurry"] >= longer["hurry"]).all()
        assert (shorter["expected_period_ps"] <= longer["expected_period_ps"] + 1e-9).all()


@pytest.mark.parametrize("depth", ["filter_depth", "psum_depth", "ifmap_depth"])
def test_more_words_are_never_quicker(table: pd.DataFrame, depth: str) -> None:
    """What is monotone in the depth, area among it, relies on that."""
    less, more = ends(table), ends(table, **{depth: 2 * table[depth]})
    for name in less:
        assert (more[name] >= less[name] - 1e-9).all()


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_finds_the_delays_of_a_kit(table: pd.DataFrame, scale: float) -> None:
    """Another kit: all scaled, some parts more than others; 3 % of noise."""
    true = Delays(
        leisure=tuple(scale * v * (1 + 0.3 * (i % 3)) for i, v in enumerate(Delays().leisure)),
        hurry=tuple(scale * v * (1 + 0.2 * (i % 4)) for i, v in enumerate(Delays().hurry)),
        met=0.9,
    )  # fmt: skip
    table = table.assign(period_ps=scale * table["period_ps"])
    columns = feature_columns(table)
    least_ps = true.features(columns)["expected_period_ps"]
    noise = np.random.default_rng(1).normal(1, 0.03, len(table))
    seen = np.arange(len(table)) % 2 == 0
    known = {name: values[seen] for name, values in columns.items()}
    found = Delays.fit(known, (least_ps * noise)[seen])
    errors = np.abs(found.features(columns)["expected_period_ps"] / least_ps - 1)[~seen]
    assert errors.mean() < 0.02
    assert found == Delays.fit(known, (least_ps * noise)[seen])


def test_slopes_are_those_of_differences(table: pd.DataFrame) -> None:
    columns = feature_columns(table)
    sizes, shares = _sizes(columns), _shares(columns["pipeline_stages"])

    def expected(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return Delays._of(values)._expected(sizes, shares, columns["period_ps"])

    values = Delays()._vector() * np.random.default_rng(1).uniform(0.5, 2, len(Delays()._vector()))
    _, slopes = expected(values)
    for number, value in enumerate(values):
        step = np.zeros_like(values)
        step[number] = 1e-5 * value
        change = expected(values + step)[0] - expected(values - step)[0]
        assert slopes[:, number] == pytest.approx(change / (2e-5 * value), rel=1e-4, abs=1e-6)


def test_few_measurements_leave_it_near_what_is_known(table: pd.DataFrame) -> None:
    columns = feature_columns(table.iloc[:3])
    least_ps = 2 * Delays().features(columns)["expected_period_ps"]
    period = {**columns, "period_ps": 2 * columns["period_ps"]}
    found = Delays.fit(period, least_ps)
    assert np.array(found.leisure) == pytest.approx(2 * np.array(Delays().leisure), rel=0.1)
    assert found.met == pytest.approx(Delays().met, rel=0.05)
