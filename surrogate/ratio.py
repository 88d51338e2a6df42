"""The ratio of two flows' measurements, as a function of a few quantities of a design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from surrogate.features import feature_indices

#: What the ratio may depend on, beside a constant; the first ones by their logarithm.
_SIZES = ("quickest_ps", "gated_words", "psum_bits")
_OTHERS = ("hurry", "is_latch", "is_sram", "is_fp", "pipeline_stages")
_ALPHAS = tuple(np.logspace(0, 5, 16))

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Of one target in the slow flow over that in the quick one: ``exp(constant + x @ slopes)``.

    Attributes:
        constant: logarithm of the ratio where all quantities are 0.
        slopes: of the ``quantities``.
    """

    constant: float
    slopes: tuple[float, ...]

    @classmethod
    def fit(cls, quantities: Matrix, ratios: Matrix) -> Self:
        """Fit to ratios, shape ``(n,)``; how much the quantities count is cross-validated."""
        scaler = StandardScaler().fit(quantities)
        ridge = RidgeCV(alphas=_ALPHAS).fit(scaler.transform(quantities), np.log(ratios))
        slopes = ridge.coef_ / scaler.scale_
        constant = float(ridge.intercept_ - slopes @ scaler.mean_)
        return cls(constant=constant, slopes=tuple(slopes.tolist()))

    def of(self, quantities: Matrix) -> Matrix:
        """The ratio of each row."""
        found: Matrix = np.exp(self.constant + quantities @ np.array(self.slopes))
        return found


def quantities(features: Matrix) -> Matrix:
    """What ratios depend on, of the rows of ``feature_matrix``."""
    sizes = np.log(features[:, list(feature_indices(_SIZES))])
    return np.column_stack([sizes, features[:, list(feature_indices(_OTHERS))]])
