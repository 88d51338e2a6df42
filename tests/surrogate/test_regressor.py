"""The regressor of one target."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import check_estimator

from rtl_gen.errors import InputError
from surrogate.features import feature_matrix
from surrogate.regressor import SurrogateRegressor, regressor_for
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(120))


def test_keeps_the_estimator_contract() -> None:
    """All of scikit-learn's checks but the one for arrays that are not NumPy's."""
    results = check_estimator(SurrogateRegressor(), on_skip=None)
    not_passed = [result["check_name"] for result in results if result["status"] != "passed"]
    assert not_passed in ([], ["check_array_api_input"])


def test_learns_what_the_base_cannot_express(table: pd.DataFrame) -> None:
    """A factor that is no sum of parts is left to the trees."""
    features = feature_matrix(table)
    target = table["area_um2"] * np.where(table["pipeline_stages"] > 2, 1.5, 1.0)
    regressor = regressor_for("area_um2").fit(features, target)
    base_error = np.abs(regressor.base_.predict(features) / target - 1).mean()
    error = np.abs(regressor.predict(features) / target - 1).mean()
    assert error < base_error / 2


def test_refuses_targets_that_are_not_positive() -> None:
    with pytest.raises(InputError) as caught:
        SurrogateRegressor().fit([[1.0], [2.0]], [1.0, -3.5])
    assert str(caught.value) == "targets must be above zero, not -3.5"
