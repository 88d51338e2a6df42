"""The physical base: contract, physics, weighting."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from rtl_gen.errors import InputError
from surrogate.baseline import PhysicalBase


def test_keeps_the_estimator_contract() -> None:
    """All of scikit-learn's checks but the one for arrays that are not NumPy's."""
    results = check_estimator(PhysicalBase(), on_skip=None)
    not_passed = [result["check_name"] for result in results if result["status"] != "passed"]
    assert not_passed in ([], ["check_array_api_input"])


def test_finds_a_sum_of_parts() -> None:
    """Without noise and nearly without regularisation the coefficients come back."""
    parts = np.random.default_rng(0).uniform(1, 100, (50, 3))
    base = PhysicalBase(ridge=1e-12).fit(parts, 7 + parts @ [2.0, 0.0, 5.0])
    np.testing.assert_allclose(base.coefficients_, [7, 2, 0, 5], atol=1e-3)


def test_coefficients_are_never_negative() -> None:
    """A part that seems to make the whole smaller gets nothing instead."""
    parts = np.random.default_rng(0).uniform(1, 10, (50, 2))
    base = PhysicalBase().fit(parts, 100 + parts @ [4.0, -3.0])
    assert (base.coefficients_ >= 0).all()
    assert base.coefficients_[2] == 0


def test_only_chosen_columns_take_part() -> None:
    parts = np.random.default_rng(0).uniform(1, 10, (50, 3))
    base = PhysicalBase(columns=(2,)).fit(parts, parts[:, 2])
    changed = parts.copy()
    changed[:, :2] = 0
    np.testing.assert_array_equal(base.predict(parts), base.predict(changed))


def test_fits_relative_error() -> None:
    """Small targets count as much as large ones."""
    parts = np.array([[1.0], [1.0], [1000.0], [1000.0]])
    base = PhysicalBase(ridge=0).fit(parts, [0.9, 1.1, 900, 1100])
    np.testing.assert_allclose(base.predict(parts)[0] * 1000, base.predict(parts)[2], rtol=1e-6)


def test_refuses_targets_that_are_not_positive() -> None:
    with pytest.raises(InputError) as caught:
        PhysicalBase().fit([[1.0], [2.0]], [1.0, 0.0])
    assert str(caught.value) == "targets must be above zero, not 0"
