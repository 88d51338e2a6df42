"""Few points of a slow flow correct many of a quick one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from surrogate.artifact import Artifact
from surrogate.evaluate import errors
from surrogate.features import fit_delays
from surrogate.fidelity import LEAST_POINTS, corrected, fit_ratios, pair, unseen
from surrogate.model import Surrogate
from surrogate.targets import TARGETS
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def quick(measure: Measure) -> pd.DataFrame:
    return training_table(measure(150, seed=3))


def slower(quick: pd.DataFrame, points: int, noise: float = 0.01) -> pd.DataFrame:
    """All is 1.2 times as much, and more with the bits of a sum; the first points alone."""
    slow = quick.sample(points, random_state=1).reset_index(drop=True)
    generator = np.random.default_rng(0)
    factor = 1.2 * (slow["psum_bits"] / 24) ** 0.3
    for target in TARGETS:
        slow[target] *= factor * generator.normal(1, noise, points)
    return slow


def test_the_ratio_is_found(quick: pd.DataFrame) -> None:
    slow = slower(quick, 40)
    found = errors(unseen(quick, slow)).set_index(["target", "model"])["mape_pct"]
    for target in TARGETS:
        assert found[target, "measured"] > 10
        assert found[target, "measured, times ratio"] < 2
        assert found[target, "surrogate"] < found[target, "measured"]


def test_little_is_made_of_few_noisy_points(quick: pd.DataFrame) -> None:
    """A constant is all that they can tell: slopes of chance would be worse."""
    slow = quick.head(12).copy()
    generator = np.random.default_rng(0)
    for target in TARGETS:
        slow[target] *= 1.1 * generator.normal(1, 0.05, len(slow))
    found = errors(unseen(quick, slow)).set_index(["target", "model"])["mape_pct"]
    for target in TARGETS:
        assert found[target, "measured, times ratio"] < 7


def test_a_design_does_not_tell_its_own_ratio(quick: pd.DataFrame) -> None:
    slow = slower(quick, 30)
    odd = slow.copy()
    odd.loc[5, "area_um2"] *= 3
    rows = [unseen(quick, table).query("target == 'area_um2'") for table in (slow, odd)]
    at = pair(quick, slow).index[pair(quick, odd)["area_um2_slow"].to_numpy()
                                 > 2 * pair(quick, slow)["area_um2_slow"].to_numpy()]  # fmt: skip
    before, after = (table[table["point"].isin(at)]["predicted"].to_numpy() for table in rows)
    assert len(at) == 1
    assert after == pytest.approx(before)


def test_predictions_and_intervals_are_those_of_the_slow_flow(quick: pd.DataFrame) -> None:
    slow = slower(quick, 40)
    surrogate = Surrogate.fit(quick)
    found = corrected(surrogate, quick, slow, unseen(quick, slow))
    before, after = surrogate.predict(quick), found.predict(quick)
    ratio = after["area_um2"] / before["area_um2"]
    assert ratio.to_numpy() == pytest.approx(1.2 * (quick["psum_bits"] / 24) ** 0.3, rel=0.05)
    held = (after["area_um2_low"] < after["area_um2"]) & (
        after["area_um2"] < after["area_um2_high"]
    )
    assert held.all()
    assert found.ratios == fit_ratios(quick, slow, fit_delays(quick))


def test_a_corrected_surrogate_is_read_as_it_was_written(measure: Measure, tmp_path: Path) -> None:
    dataset = measure(120).assign(flow="placed")
    slow = dataset.head(40).assign(flow="openroad")
    slow["area_um2"] *= 1.3
    artifact = Artifact.train(slow, dataset)
    assert artifact.origin == {"corrects": ["120 points of placed"], "flow": ["openroad"]}
    assert artifact.points == 40
    assert set(artifact.mape_pct()) == set(TARGETS)
    artifact.save(tmp_path / "m.json")
    read = Artifact.load(tmp_path / "m.json")
    points = training_table(dataset)
    pd.testing.assert_frame_equal(
        read.surrogate.predict(points), artifact.surrogate.predict(points), check_exact=True
    )


def test_too_few_points_of_both_are_refused(quick: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        pair(quick, slower(quick, LEAST_POINTS - 1))
    assert str(caught.value) == (
        f"at least {LEAST_POINTS} points that both flows measured are needed, not "
        f"{LEAST_POINTS - 1}"
    )
