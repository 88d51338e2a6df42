"""One regressor, and all targets together."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import check_estimator

from rtl_gen.errors import InputError
from rtl_gen.space import Space
from surrogate.features import feature_matrix
from surrogate.model import TARGETS, Surrogate, SurrogateRegressor, regressor_for
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(120))


@pytest.fixture(scope="module")
def surrogate(table: pd.DataFrame) -> Surrogate:
    return Surrogate.fit(table)


def test_keeps_the_estimator_contract() -> None:
    """All of scikit-learn's checks but the one for arrays that are not NumPy's."""
    results = check_estimator(SurrogateRegressor(), on_skip=None)
    not_passed = [result["check_name"] for result in results if result["status"] != "passed"]
    assert not_passed in ([], ["check_array_api_input"])


def test_predicts_every_target_and_where_it_stands(surrogate: Surrogate, space: Space) -> None:
    points = space.table().sample(30, random_state=1)
    predicted = surrogate.predict(points)
    assert list(predicted.columns) == [*TARGETS, "inside"]
    assert predicted.index.equals(points.index)
    assert (predicted[list(TARGETS)] > 0).all().all()
    assert predicted["inside"].dtype == bool


def test_learns_what_the_base_cannot_express(table: pd.DataFrame) -> None:
    """A factor that is no sum of parts is left to the trees."""
    features = feature_matrix(table)
    target = table["area_um2"] * np.where(table["pipeline_stages"] > 2, 1.5, 1.0)
    regressor = regressor_for("area_um2").fit(features, target)
    base_error = np.abs(regressor.base_.predict(features) / target - 1).mean()
    error = np.abs(regressor.predict(features) / target - 1).mean()
    assert error < base_error / 2


def test_the_same_data_give_the_same_predictions(
    table: pd.DataFrame, surrogate: Surrogate, space: Space
) -> None:
    points = space.table()
    again = Surrogate.fit(table).predict(points)
    pd.testing.assert_frame_equal(surrogate.predict(points), again, check_exact=True)


def test_extrapolates_with_the_size_of_the_scratchpads(surrogate: Surrogate, space: Space) -> None:
    """Beyond all measurements trees alone would be flat; the base goes on."""
    points = space.table().head(1)
    twice = points.assign(filter_depth=448)
    assert (
        surrogate.predict(twice)["area_um2"].iloc[0]
        > 1.3 * (surrogate.predict(points.assign(filter_depth=224))["area_um2"].iloc[0])
    )


@pytest.mark.parametrize("column", ["act_bits", "filter_depth", "period_ps", "pipeline_stages"])
def test_inside_ends_at_the_least_and_greatest_measured_value(
    table: pd.DataFrame, surrogate: Surrogate, column: str
) -> None:
    for edge, beyond in (
        (table[column].min(), table[column].min() - 1),
        (table[column].max(), table[column].max() + 1),
    ):
        points = pd.concat([table.head(1)] * 2, ignore_index=True)
        points[column] = [edge, beyond]
        assert surrogate.ranges.contain(points).tolist() == [True, False]


def test_a_family_that_was_not_measured_is_outside(table: pd.DataFrame) -> None:
    surrogate = Surrogate.fit(table[table["family"] != "pow2"])
    seen = surrogate.predict(table)["inside"]
    assert not seen[table["family"] == "pow2"].any()


def test_refuses_targets_that_are_not_positive() -> None:
    with pytest.raises(InputError) as caught:
        SurrogateRegressor().fit([[1.0], [2.0]], [1.0, -3.5])
    assert str(caught.value) == "targets must be above zero, not -3.5"
