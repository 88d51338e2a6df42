# ruff: noqa: N803  # X is what scikit-learn's contract calls it
"""One target of the surrogate: a physical base, and gradient-boosted trees for what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from surrogate.baseline import PhysicalBase, check_positive
from surrogate.features import feature_indices
from surrogate.targets import EITHER_WITH_DEPTH, TARGETS


class SurrogateRegressor(RegressorMixin, BaseEstimator):
    """One positive target: ``PhysicalBase`` times the exponential of boosted trees.

    The trees learn the logarithm of the ratio of measurement to base. The base carries the
    prediction to sizes that were never measured, where trees alone would be flat; where there are
    few measurements, the trees have little to say.

    Arguments:
        base_columns: columns of X that the base sums up; all if None.
        rising_columns: columns of X that the prediction never falls with.
        ignored_columns: columns of X that the trees do not look at.
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
        rising_columns: Sequence[int] = (),
        ignored_columns: Sequence[int] = (),
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
        self.rising_columns = rising_columns
        self.ignored_columns = ignored_columns
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
        matrix = self._left(features, targets)
        self.booster_ = xgboost.train(self._tree_parameters(matrix), matrix, self.trees)
        return self

    def grow(
        self, X: ArrayLike, y: ArrayLike, X_unseen: ArrayLike, y_unseen: ArrayLike, *,
        most: int, patience: int,
    ) -> tuple[int, float]:  # fmt: skip
        """How many trees are best for points that are not learnt from, and the error there.

        Args:
            X, y: to learn from, as for ``fit``.
            X_unseen, y_unseen: points that say when to stop.
            most: trees.
            patience: so many trees in a row that do not help are the end.

        Returns:
            Trees, and the mean absolute error of the logarithm.
        """
        features, targets = (np.asarray(values, dtype=np.float64) for values in (X, y))
        self.base_ = PhysicalBase(columns=self.base_columns).fit(features, targets)
        unseen = self._left(*(np.asarray(v, dtype=np.float64) for v in (X_unseen, y_unseen)))
        matrix = self._left(features, targets)
        grown = xgboost.train(
            {**self._tree_parameters(matrix), "eval_metric": "mae"}, matrix, most,
            evals=[(unseen, "unseen")], early_stopping_rounds=patience, verbose_eval=False,
        )  # fmt: skip
        return grown.best_iteration + 1, float(grown.best_score)

    def _left(self, features: NDArray[np.float64], y: NDArray[np.float64]) -> xgboost.DMatrix:
        """What the base leaves to the trees: logarithms of ratios."""
        seen = features.copy()
        seen[:, list(self.ignored_columns)] = 0  # what is the same everywhere parts nothing
        left = np.log(y / self.base_.predict(features))
        return xgboost.DMatrix(seen, left, nthread=self.n_jobs)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions of shape ``(n,)``."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        base: NDArray[np.float64] = self.base_.predict(features)
        return base * np.exp(self.booster_.inplace_predict(features).astype(np.float64))

    def _tree_parameters(self, matrix: xgboost.DMatrix) -> dict[str, Any]:
        return {
            **self._constraints(matrix.num_col()),
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

    def _constraints(self, columns: int) -> dict[str, Any]:
        if not len(self.rising_columns):
            return {}
        rising = set(self.rising_columns)
        return {"monotone_constraints": tuple(int(c in rising) for c in range(columns))}

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


def regressor_for(target: str, *, n_jobs: int = 1) -> SurrogateRegressor:
    """An unfitted regressor on the columns of ``feature_matrix``."""
    rising = TARGETS[target].rising
    return SurrogateRegressor(
        base_columns=feature_indices(TARGETS[target].base),
        rising_columns=feature_indices(rising),
        ignored_columns=feature_indices(EITHER_WITH_DEPTH if rising else ()),
        n_jobs=n_jobs,
    )
