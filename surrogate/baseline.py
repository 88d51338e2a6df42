# ruff: noqa: N803  # X is what scikit-learn's contract calls it
"""The model to stand on: a sum of physical quantities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from rtl_gen.errors import InputError

#: A sum of positive terms never goes below this part of the smallest value it was fitted to.
_FLOOR = 0.5


class PhysicalBase(RegressorMixin, BaseEstimator):
    """A sum of physical quantities with coefficients that are not negative.

    Area, leakage, energy and delay are sums over parts: more of a part never makes them smaller.
    The coefficients minimise the squared relative error, since the targets span decades, plus a
    little of their own size, so that quantities that grow together share the credit.

    Arguments:
        columns: which columns of X take part; all if None.
        ridge: weight of the coefficients' own size, each times its column's mean over that of y.

    Attributes:
        coefficients_: the constant, then one coefficient for each column used, in the target's
            unit over the feature's.
        floor_: no prediction is below it.

    Raises:
        InputError: from ``fit``, if a target is not positive.
    """

    def __init__(self, *, columns: Sequence[int] | None = None, ridge: float = 1e-4) -> None:
        self.columns = columns
        self.ridge = ridge

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to positive targets ``y`` of shape ``(n,)``, features of shape ``(n, columns)``."""
        features, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        targets = check_positive(targets)
        parts = self._parts(features)
        points, count = parts.shape
        scale = np.maximum(np.abs(parts).mean(axis=0), np.finfo(float).tiny) / targets.mean()
        small = np.sqrt(self.ridge * points) * np.eye(count)
        rows = np.vstack([parts / scale / targets[:, None], small])
        aims = np.concatenate([np.ones(points), np.zeros(count)])
        shares = LinearRegression(positive=True, fit_intercept=False).fit(rows, aims).coef_
        self.coefficients_: NDArray[np.float64] = shares / scale
        self.floor_ = float(_FLOOR * targets.min())
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions of shape ``(n,)``."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        return np.maximum(self._parts(features) @ self.coefficients_, self.floor_)

    def _parts(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        used = features if self.columns is None else features[:, list(self.columns)]
        return np.column_stack([np.ones(len(features)), used])

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


def check_positive(y: NDArray[Any]) -> NDArray[np.float64]:
    """Targets as floating-point numbers.

    Raises:
        InputError: if one is not above zero.
    """
    if y.min() <= 0:
        raise InputError(f"targets must be above zero, not {y.min():g}")
    return y.astype(np.float64)
