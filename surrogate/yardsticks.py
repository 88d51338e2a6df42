# ruff: noqa: N803  # X is what scikit-learn's contract calls it
"""Models to beat: what others would take, each fitted as well as it can be.

All are pipelines of scikit-learn and learn relative error, as the surrogate does: either the
logarithm of the target, or the target itself with weights of one over its square, where a model is
a sum. Seeds are fixed: the same data give the same predictions.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from surrogate.baseline import check_positive

Matrix = NDArray[np.float64]

#: Ridges to choose from by leave-one-out cross-validation.
_ALPHAS = np.logspace(-6, 4, 21)


class Yardstick(RegressorMixin, BaseEstimator, ABC):
    """One positive target, by a pipeline of scikit-learn.

    Attributes:
        pipeline_: the fitted steps.

    Raises:
        InputError: from ``fit``, if a target is not positive.
    """

    #: Learns the logarithm of the target; else the target, with weights.
    _logarithm: ClassVar[bool] = True

    @abstractmethod
    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:
        """The unfitted steps, given all that they will be fitted to."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to positive targets ``y`` of shape ``(n,)``, inputs of shape ``(n, columns)``."""
        features, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        targets = check_positive(targets)
        aims = np.log(targets) if self._logarithm else targets
        pipeline = self._pipeline(features, aims)
        weights = {}
        if not self._logarithm:
            squared = 1 / targets**2
            weights = {f"{pipeline.steps[-1][0]}__sample_weight": squared / squared.mean()}
        self.pipeline_: Pipeline = pipeline.fit(features, aims, **weights)
        return self

    def predict(self, X: ArrayLike) -> Matrix:
        """Predictions of shape ``(n,)``."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        found = np.asarray(self.pipeline_.predict(features), dtype=np.float64)
        return np.exp(found) if self._logarithm else found

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


class Mean(Yardstick):
    """The same for every point: the geometric mean. What is not below its error knows nothing."""

    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:  # noqa: ARG002
        return make_pipeline(DummyRegressor(strategy="mean"))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class Linear(Yardstick):
    """Ridge regression on the scaled columns."""

    _logarithm = False

    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:  # noqa: ARG002
        return make_pipeline(StandardScaler(), RidgeCV(alphas=_ALPHAS))


class QuadraticPolynomial(Yardstick):
    """Ridge regression on all products of two columns, meant for raw parameters.

    QUIDAM (arXiv 2206.15463) and much of the field use such a polynomial, its regularisation chosen
    by cross-validation.
    """

    _logarithm = False

    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:  # noqa: ARG002
        return make_pipeline(
            StandardScaler(),
            PolynomialFeatures(degree=2),
            StandardScaler(),
            RidgeCV(alphas=_ALPHAS),
        )


class GaussianProcess(Yardstick):
    """A Gaussian process on scaled columns: one length scale for all of them, and noise.

    Its three parameters are tuned by likelihood on a few points, drawn by a fixed seed, and then
    held: all n points take one factorisation, of n cubed steps, not one in every try. A length
    scale for each column would take a gradient of n x n for each in every try.

    Arguments:
        tuned_on: most points to tune on.
    """

    def __init__(self, *, tuned_on: int = 300) -> None:
        self.tuned_on = tuned_on

    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:
        drawn = np.random.default_rng(0).permutation(len(aims))[: self.tuned_on]
        scaled = StandardScaler().fit(features).transform(features[drawn])
        kernel = ConstantKernel(10.0, (1e-2, 1e4)) * Matern(10.0, (1e-1, 1e3), nu=2.5)
        tuned = GaussianProcessRegressor(
            kernel + WhiteKernel(1e-2, (1e-6, 1e1)), normalize_y=True, random_state=0
        )
        with warnings.catch_warnings():
            # Data without noise end at the bound of the noise, which is meant.
            warnings.simplefilter("ignore", ConvergenceWarning)
            tuned.fit(scaled, aims[drawn])
        held = GaussianProcessRegressor(tuned.kernel_, optimizer=None, normalize_y=True)
        return make_pipeline(StandardScaler(), held)


class RandomForest(Yardstick):
    """A hundred trees, each grown to the end on another draw of the points."""

    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:  # noqa: ARG002
        return make_pipeline(RandomForestRegressor(100, max_features=1 / 3, random_state=0))


class NearestNeighbour(Yardstick):
    """What the most similar point measured, by distance in scaled columns."""

    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:  # noqa: ARG002
        return make_pipeline(StandardScaler(), KNeighborsRegressor(n_neighbors=1))


class LookUpTable(Yardstick):
    """A factor for each value of each column: what a grid of measurements answers without a model.

    Ridge regression of the logarithm on one-hot values. A value that was never seen has the factor
    one.
    """

    def _pipeline(self, features: Matrix, aims: Matrix) -> Pipeline:  # noqa: ARG002
        values = OneHotEncoder(handle_unknown="ignore")
        return make_pipeline(values, RidgeCV(alphas=_ALPHAS))
