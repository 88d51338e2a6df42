"""Hyper-parameters are chosen on datapaths that are left out."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from surrogate.evaluate import cross_validate, errors
from surrogate.features import feature_matrix, fit_delays
from surrogate.regressor import SurrogateRegressor, regressor_for
from surrogate.training_set import training_table
from surrogate.tuning import TunedRegressor, tune

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    """Areas with a factor that no sum of parts has: there is something for trees to learn."""
    table = training_table(measure(150, seed=4))
    return table.assign(area_um2=table["area_um2"] * (1 + 0.2 * (table["pipeline_stages"] % 2)))


@pytest.fixture(scope="module")
def known(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return feature_matrix(table, fit_delays(table)), table["area_um2"].to_numpy()


def test_what_is_chosen_is_better_than_what_is_usual(known: tuple[np.ndarray, np.ndarray]) -> None:
    """Strong regularisation keeps the usual trees from a factor that so few points have."""
    chosen = tune(regressor_for("area_um2"), *known, trials=8)
    assert set(chosen) == {
        "max_depth", "learning_rate", "min_child_weight", "reg_lambda", "subsample", "colsample",
        "trees",
    }  # fmt: skip
    assert chosen == tune(regressor_for("area_um2"), *known, trials=8)
    features, measured = known
    seen = np.arange(len(measured)) % 4 > 0
    found = {}
    for name, parameters in (("usual", {}), ("chosen", chosen)):
        regressor = SurrogateRegressor(**{**regressor_for("area_um2").get_params(), **parameters})
        fitted = regressor.fit(features[seen], measured[seen])
        found[name] = np.abs(fitted.predict(features[~seen]) / measured[~seen] - 1).mean()
    assert found["chosen"] < found["usual"]


def test_it_is_tuned_anew_in_every_fold(table: pd.DataFrame) -> None:
    found = cross_validate(
        table.iloc[:60], models=["tuned surrogate"], targets=["area_um2"], splits=["families"]
    )
    assert errors(found)["mape_pct"].iloc[0] < 60


def test_a_tuned_regressor_remembers_what_it_chose(known: tuple[np.ndarray, np.ndarray]) -> None:
    fitted = TunedRegressor(target="area_um2", trials=2).fit(*known)
    assert fitted.booster_.num_boosted_rounds() == fitted.trees
    assert (fitted.predict(known[0]) > 0).all()


def test_without_optuna_the_extra_is_named(
    known: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError) as caught:
        tune(regressor_for("area_um2"), *known)
    assert str(caught.value) == "tuning needs Optuna; run: pip install 'peforge[tune]'"


def test_one_datapath_cannot_be_left_out(known: tuple[np.ndarray, np.ndarray]) -> None:
    one = np.tile(known[0][:1], (20, 1))
    with pytest.raises(InputError) as caught:
        tune(regressor_for("area_um2"), one, known[1][:20])
    assert str(caught.value) == "tuning needs points of two datapaths at least"
