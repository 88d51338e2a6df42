# ruff: noqa: N803  # X is what scikit-learn's contract calls it
"""The surrogate: a physical base, and gradient-boosted trees for what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from surrogate.baseline import PhysicalBase, check_positive
from surrogate.features import CHOICES, checked_numbers, feature_indices, feature_matrix

_HURRY = (
    "hurried_psum_bits",
    "hurried_multiplier_cells",
    "hurried_shifter_cells",
    "hurried_tree_bits",
)
_SIZES = (
    "ifmap_spad_bits",
    "filter_spad_bits",
    "psum_spad_bits",
    "latch_bits",
    "is_sram",
    "sram_bits",
    "gated_words",
    "ungated_bits",
    "read_bits_in_sum",
    "multiplier_cells",
    "booth_cells",
    "array_cells",
    "split_bits",
    "fp_sum_bits",
    "shifter_cells",
    "adder_tree_bits",
    "psum_bits",
    "pipeline_bits",
    "address_bits",
    *_HURRY,
)
_DELAYS = (
    "psum_bits",
    "psum_read_levels",
    "read_levels",
    "read_levels_in_sum",
    "multiply_rows_in_sum",
    "product_carry_in_sum",
    "is_fp",
    "is_sram",
    "sram_read_in_sum",
    "short_period_ps",
)
_SWITCHING = (
    "gated_words_clocked",
    "ungated_bits_clocked",
    "filter_bit_levels",
    "psum_bit_levels",
    "psum_bits",
    "pipeline_bits",
    "multiplier_cells_in_sum",
    "multiplier_cells_apart",
    "multiplier_cells_behind_read",
    "active_term_bits_in_sum",
    "active_term_bits_behind_read",
    "active_tree_bits_in_sum",
    "latch_bits",
    "split_bits",
    "fp_sum_bits",
    "is_sram",
    "sram_bits",
    *_HURRY,
)
#: Targets, and the physical quantities whose sum is the base of each.
BASE_FEATURES: dict[str, tuple[str, ...]] = {
    "area_um2": _SIZES,
    "critical_path_ps": _DELAYS,
    "leakage_uw": _SIZES,
    "energy_per_mac_pj": _SWITCHING,
}
TARGETS = tuple(BASE_FEATURES)


class SurrogateRegressor(RegressorMixin, BaseEstimator):
    """One positive target: ``PhysicalBase`` times the exponential of boosted trees.

    The trees learn the logarithm of the ratio of measurement to base. The base carries the
    prediction to sizes that were never measured, where trees alone would be flat; where there are
    few measurements, the trees have little to say.

    Arguments:
        base_columns: columns of X that the base sums up; all if None.
        trees: how many.
        max_depth: of each tree.
        learning_rate: part of each tree that is used.
        min_child_weight: fewest points in a leaf.
        reg_lambda: ridge on the values of the leaves, as if a leaf had that many more points where
            the base is right.
        subsample: part of the points that each tree sees.
        colsample: part of the columns that each tree sees.
        random_state: seed of these choices.
        n_jobs: threads.

    Attributes:
        base_: the fitted ``PhysicalBase``.
        booster_: the fitted trees.

    Raises:
        InputError: from ``fit``, if a target is not positive.
    """

    def __init__(
        self,
        *,
        base_columns: Sequence[int] | None = None,
        trees: int = 200,
        max_depth: int = 3,
        learning_rate: float = 0.05,
        min_child_weight: float = 3,
        reg_lambda: float = 50,
        subsample: float = 0.8,
        colsample: float = 0.3,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.base_columns = base_columns
        self.trees = trees
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.min_child_weight = min_child_weight
        self.reg_lambda = reg_lambda
        self.subsample = subsample
        self.colsample = colsample
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to positive targets ``y`` of shape ``(n,)``, features of shape ``(n, columns)``."""
        features, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        targets = check_positive(targets)
        self.base_ = PhysicalBase(columns=self.base_columns).fit(features, targets)
        left = np.log(targets / self.base_.predict(features))
        matrix = xgboost.DMatrix(features, left, nthread=self.n_jobs)
        self.booster_ = xgboost.train(self._tree_parameters(), matrix, self.trees)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions of shape ``(n,)``."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        base: NDArray[np.float64] = self.base_.predict(features)
        return base * np.exp(self.booster_.inplace_predict(features))

    def _tree_parameters(self) -> dict[str, Any]:
        return {
            "objective": "reg:squarederror",
            "tree_method": "exact",
            "max_depth": self.max_depth,
            "eta": self.learning_rate,
            "min_child_weight": self.min_child_weight,
            "lambda": self.reg_lambda,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample,
            "seed": self.random_state,
            "nthread": self.n_jobs,
        }

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


@dataclass(frozen=True, kw_only=True)
class TrainingRanges:
    """What was measured, parameter by parameter.

    Attributes:
        choices: values that occur of each parameter that is a name.
        numbers: least and greatest value of each numeric parameter.
    """

    choices: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self:
        """The ranges of a table of design points."""
        columns = checked_numbers(table)
        return cls(
            choices={name: tuple(sorted(set(table[name]))) for name in CHOICES},
            numbers={name: (float(v.min()), float(v.max())) for name, v in columns.items()},
        )

    def contain(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """For each design point, whether its names were measured and every number is in range."""
        inside: NDArray[np.bool_] = np.ones(len(table), dtype=bool)
        for name, values in self.choices.items():
            inside &= table[name].isin(values).to_numpy(dtype=bool)
        for name, (low, high) in self.numbers.items():
            numbers = table[name].to_numpy()
            inside &= (numbers >= low) & (numbers <= high)
        return inside


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """All targets together.

    Attributes:
        regressors: target to its fitted regressor, in the order of ``TARGETS``.
        ranges: of the design points it was fitted to.
    """

    regressors: dict[str, SurrogateRegressor]
    ranges: TrainingRanges

    @classmethod
    def fit(cls, table: pd.DataFrame, *, n_jobs: int = 1) -> Self:
        """Learn from measured design points.

        Args:
            table: columns ``POINT_COLUMNS`` and ``TARGETS``, as from ``training_table``.
            n_jobs: threads.

        Raises:
            InputError: if a target is not positive, or a point is not one.
        """
        features = feature_matrix(table)
        return cls(
            regressors={
                target: regressor_for(target, n_jobs=n_jobs).fit(features, table[target])
                for target in TARGETS
            },
            ranges=TrainingRanges.of(table),
        )

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Predict every target.

        Args:
            table: design points, columns ``POINT_COLUMNS``.

        Returns:
            Columns ``TARGETS`` and ``inside`` (is each parameter within what was measured?), the
            index of ``table``.

        Raises:
            InputError: if a point is not one.
        """
        features = feature_matrix(table)
        predicted: dict[str, Any] = {
            target: regressor.predict(features) for target, regressor in self.regressors.items()
        }
        return pd.DataFrame({**predicted, "inside": self.ranges.contain(table)}, index=table.index)


def regressor_for(target: str, *, n_jobs: int = 1) -> SurrogateRegressor:
    """An unfitted regressor on the columns of ``feature_matrix``."""
    return SurrogateRegressor(base_columns=feature_indices(BASE_FEATURES[target]), n_jobs=n_jobs)
