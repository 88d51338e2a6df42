"""Yardsticks: contract, relative error, and that each finds what it can express."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from rtl_gen.errors import InputError
from surrogate.features import parameter_matrix
from surrogate.training_set import training_table
from surrogate.yardsticks import (
    GaussianProcess,
    Linear,
    LookUpTable,
    Mean,
    NearestNeighbour,
    QuadraticPolynomial,
    RandomForest,
    Yardstick,
)

Measure = Callable[..., pd.DataFrame]
#: Each as it is, but the process: it is tuned on fewer points, since the checks fit it often.
ALL = (
    Mean(), Linear(), QuadraticPolynomial(), GaussianProcess(tuned_on=8), RandomForest(),
    NearestNeighbour(), LookUpTable(),
)  # fmt: skip


def test_all_are_tried() -> None:
    assert {type(each) for each in ALL} == set(Yardstick.__subclasses__())


@pytest.mark.parametrize("estimator", ALL, ids=lambda each: type(each).__name__)
def test_keeps_the_estimator_contract(estimator: Yardstick) -> None:
    """All of scikit-learn's checks but the one for arrays that are not NumPy's."""
    results = check_estimator(estimator, on_skip=None)
    not_passed = [result["check_name"] for result in results if result["status"] != "passed"]
    assert not_passed in ([], ["check_array_api_input"])


@pytest.mark.parametrize(
    "estimator",
    [each for each in ALL if not isinstance(each, Mean | NearestNeighbour)],
    ids=lambda each: type(each).__name__,
)
def test_small_targets_count_as_much_as_large_ones(estimator: Yardstick) -> None:
    """What is alike in all inputs is nearer to the lower: too much by half is worse than half."""
    inputs = np.array([[0.0], [1.0]] * 20)
    targets = np.where(inputs[:, 0] == 0, 1, 1000) * np.where(np.arange(40) < 20, 0.5, 1.5)
    small, large = clone(estimator).fit(inputs, targets).predict([[0.0], [1.0]])
    assert 0.55 < small < 0.95
    assert large == pytest.approx(1000 * small, rel=0.1)


@pytest.mark.parametrize("estimator", ALL, ids=lambda each: type(each).__name__)
def test_refuses_targets_that_are_not_positive(estimator: Yardstick) -> None:
    with pytest.raises(InputError) as caught:
        clone(estimator).fit([[1.0], [2.0]], [1.0, -3.5])
    assert str(caught.value) == "targets must be above zero, not -3.5"


def test_the_mean_is_geometric() -> None:
    predicted = Mean().fit([[1.0], [2.0]], [1.0, 100.0]).predict([[3.0]])
    assert predicted == pytest.approx([10.0])


def test_linear_finds_a_sum() -> None:
    inputs = np.random.default_rng(0).uniform(1, 100, (50, 3))
    targets = 7 + inputs @ [2.0, 1.0, 5.0]
    np.testing.assert_allclose(Linear().fit(inputs, targets).predict(inputs), targets, rtol=1e-3)


def test_quadratic_polynomial_finds_a_product_of_two_parameters(measure: Measure) -> None:
    """It is a fair yardstick: what it can express, it finds."""
    table = training_table(measure(200))
    target = 1000 + table["filter_depth"] * table["weight_bits"]
    parameters = parameter_matrix(table)
    predicted = QuadraticPolynomial().fit(parameters, target).predict(parameters)
    np.testing.assert_allclose(predicted, target, rtol=0.01)


def test_the_table_finds_a_product_of_factors_on_a_grid() -> None:
    """From half of the combinations, all of them; a value never seen counts as none."""
    inputs = np.array([[a, b, c] for a in range(4) for b in range(4) for c in range(4)], float)
    targets = 5 * 1.5 ** inputs[:, 0] * np.array([3.0, 1.0, 4.0, 2.0])[inputs[:, 1].astype(int)]
    table = LookUpTable().fit(inputs[::2], targets[::2])
    np.testing.assert_allclose(table.predict(inputs[1::2]), targets[1::2], rtol=1e-3)
    assert np.isfinite(table.predict([[9.0, 9.0, 9.0]])).all()


def test_the_nearest_neighbour_is_near_in_scaled_columns() -> None:
    """The second column is the same but for its unit: it must not decide by its size."""
    inputs = np.array([[0.0, 0.0], [1.0, 1000.0], [0.0, 1000.0]])
    model = NearestNeighbour().fit(inputs, [1.0, 2.0, 3.0])
    assert model.predict([[0.1, 600.0]]) == pytest.approx([3.0])
    assert model.predict([[0.9, 600.0]]) == pytest.approx([2.0])


def test_the_process_and_the_forest_find_a_smooth_product() -> None:
    random = np.random.default_rng(0)
    inputs, unseen = (random.uniform(1, 10, (count, 2)) for count in (300, 50))
    for model, within in ((GaussianProcess(), 0.01), (RandomForest(), 0.2)):
        predicted = model.fit(inputs, inputs.prod(axis=1)).predict(unseen)
        assert np.abs(predicted / unseen.prod(axis=1) - 1).mean() < within


def test_the_process_is_tuned_on_some_points_and_fitted_to_all() -> None:
    """More points cost one factorisation, not one for each try."""
    random = np.random.default_rng(0)
    inputs = random.uniform(1, 10, (400, 3))
    start = time.process_time()
    model = GaussianProcess(tuned_on=30).fit(inputs, inputs.sum(axis=1))
    assert time.process_time() - start < 10
    process = model.pipeline_[-1]
    assert len(process.X_train_) == 400
    assert process.optimizer is None


def test_the_same_data_give_the_same_predictions() -> None:
    inputs = np.random.default_rng(0).uniform(1, 10, (60, 3))
    for estimator in (RandomForest(), GaussianProcess(tuned_on=20)):
        first, again = (
            clone(estimator).fit(inputs, inputs.prod(axis=1)).predict(inputs) for _ in range(2)
        )
        np.testing.assert_array_equal(first, again)
