"""How uncertain a prediction is, learnt from errors: where they were large, intervals are wide."""

from __future__ import annotations

from typing import Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from surrogate.intervals import LEVEL

#: No error is taken for smaller than this: of the logarithm, so 0.01 %.
_LEAST = 1e-4
#: Part of the quantile of all errors that is added.
_SHARE = 0.5
_TREES = 60
_PARAMETERS = {
    "objective": "reg:quantileerror",
    "quantile_alpha": LEVEL,
    "tree_method": "hist",
    "max_depth": 3,
    "eta": 0.1,
    "min_child_weight": 20,
    "subsample": 0.8,
    "colsample_bytree": 0.3,
    "seed": 0,
}


class ErrorScale:
    """The size that errors stay within mostly: boosted trees for a quantile of its logarithm.

    A part of what all errors stay within mostly is added: where few points say that errors are
    tiny, one that is not would make all intervals wide (normalised conformity scores have such a
    term for that: Papadopoulos, Gammerman, Vovk, IASTED AIA 2008). Whether a size is right is not
    its concern: intervals are calibrated on it.

    Args:
        n_jobs: threads.

    Attributes:
        booster: the fitted trees.
        least: what is added.
    """

    def __init__(self, *, n_jobs: int = 1) -> None:
        self._n_jobs = n_jobs

    def fit(self, features: NDArray[np.float64], errors: NDArray[np.float64]) -> Self:
        """Fit to errors of the logarithm, not negative, shape ``(n,)``."""
        sizes = np.log(np.maximum(errors, _LEAST))
        self.least = float(_SHARE * np.exp(np.quantile(sizes, LEVEL)))
        matrix = xgboost.QuantileDMatrix(features, sizes, nthread=self._n_jobs)
        self.booster = xgboost.train({**_PARAMETERS, "nthread": self._n_jobs}, matrix, _TREES)
        return self

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sizes of errors of the logarithm, above zero, shape ``(n,)``."""
        sizes: NDArray[np.float64] = np.exp(
            self.booster.inplace_predict(features).astype(np.float64)
        )
        return sizes + self.least

    @classmethod
    def of(cls, booster: xgboost.Booster, least: float) -> Self:
        """From what was fitted before."""
        found = cls()
        found.booster, found.least = booster, least
        return found
