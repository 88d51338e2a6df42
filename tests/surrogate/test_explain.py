"""A prediction is its parts times its factors, and formulas say what they say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from surrogate.explain import explain, importance, partial_dependence
from surrogate.features import FEATURE_NAMES, feature_matrix, fit_delays
from surrogate.formulas import FORMULAS, MOST_TERMS, find_formula
from surrogate.model import Surrogate
from surrogate.ratio import Ratio
from surrogate.targets import TARGETS
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(150, seed=3))


@pytest.fixture(scope="module")
def surrogate(table: pd.DataFrame) -> Surrogate:
    return Surrogate.fit(table)


@pytest.mark.parametrize("target", TARGETS)
def test_parts_and_factors_give_the_prediction(
    table: pd.DataFrame, surrogate: Surrogate, target: str
) -> None:
    for row in (0, 70, 140):
        found = explain(surrogate, table.iloc[[row]], target)
        product = sum(found.parts.values()) * np.prod(list(found.factors.values()))
        assert product == pytest.approx(found.predicted, rel=1e-5)
        assert list(found.parts.values()) == sorted(found.parts.values(), reverse=True)
        assert set(found.parts) <= {"always", *TARGETS[target].base}
        assert set(found.factors) <= {"always", *FEATURE_NAMES}


def test_a_prediction_that_is_raised_to_its_floor_is_explained_so(
    table: pd.DataFrame, surrogate: Surrogate
) -> None:
    predictors = copy.deepcopy(surrogate.predictors)
    predictors["area_um2"].regressor.base_.floor_ = 1e6
    found = explain(replace(surrogate, predictors=predictors), table.iloc[[0]], "area_um2")
    assert sum(found.parts.values()) == pytest.approx(1e6)
    assert 0.5e6 < found.predicted < 2e6


def test_the_ratio_of_two_flows_is_a_factor(table: pd.DataFrame, surrogate: Surrogate) -> None:
    ratio = Ratio(constant=0.1, slopes=(0.02, 0, 0, 0, 0, 0, 0, 0))
    corrected = replace(surrogate, ratios=dict.fromkeys(TARGETS, ratio))
    found = explain(corrected, table.iloc[[3]], "area_um2")
    product = sum(found.parts.values()) * np.prod(list(found.factors.values()))
    assert product == pytest.approx(found.predicted, rel=1e-5)
    assert found.factors["flows"] > np.exp(0.1)


def test_what_area_depends_on_is_storage(table: pd.DataFrame, surrogate: Surrogate) -> None:
    found = importance(surrogate, table, "area_um2")
    assert set(found["feature"].head(4)) & {"filter_spad_bits", "psum_spad_bits"}
    assert found["base_pct"].sum() == pytest.approx(100)
    assert (found[["base_pct", "trees_pct"]] >= 0).all().all()


def test_one_parameter_changes_and_all_else_stays(
    table: pd.DataFrame, surrogate: Surrogate
) -> None:
    found = partial_dependence(surrogate, table, "filter_depth", [32, 224])
    rows = found[found["target"] == "area_um2"].set_index("value")
    assert (rows["designs"] == len(table)).all()
    for value in (32, 224):
        predicted = surrogate.predict(table.assign(filter_depth=value))["area_um2"]
        assert rows["mean"][value] == pytest.approx(predicted.mean())
        assert rows["low"][value] == pytest.approx(predicted.quantile(0.1))
    assert rows["mean"][32] < rows["mean"][224]


def test_designs_that_would_be_none_are_left_out(table: pd.DataFrame, surrogate: Surrogate) -> None:
    """LightPE-2 has even weights only."""
    found = partial_dependence(surrogate, table, "weight_bits", [3, 4])
    single = table[table["terms"] <= 1]
    assert 0 < found["designs"].iloc[0] <= len(single)
    with pytest.raises(InputError) as caught:
        partial_dependence(surrogate, table[table["terms"] == 2], "weight_bits", [3, 4])
    assert str(caught.value) == "no design has all of 3, 4 weight_bits"


def test_a_formula_finds_what_was_put_in(table: pd.DataFrame) -> None:
    """Six for each bit of flip-flops, and a constant: the rest is small."""
    names = ("ifmap_spad_bits", "filter_spad_bits", "psum_spad_bits")
    features = pd.DataFrame(feature_matrix(table, fit_delays(table)), columns=list(FEATURE_NAMES))
    bits = features[list(names)].sum(axis=1)
    made = table.assign(area_um2=400 + 6 * bits)
    found = find_formula(made, "area_um2")
    assert found.coefficients["spad_bits"] == pytest.approx(6, rel=0.02)
    assert found.error_pct < 1
    assert str(found).startswith(f"area_um2 = {found.constant:g} + ")


@pytest.mark.parametrize("target", FORMULAS)
def test_formulas_are_short_and_round(table: pd.DataFrame, target: str) -> None:
    found = find_formula(table, target)
    assert len(found.coefficients) <= MOST_TERMS
    for value in (found.constant, *found.coefficients.values()):
        assert value == float(f"{value:.2g}")


def test_only_sums_have_formulas(table: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        find_formula(table, "least_period_ps")
    assert str(caught.value) == (
        f"a target with a formula must be one of {', '.join(FORMULAS)}, not 'least_period_ps'"
    )
