"""The surrogate: all targets with intervals, and what a design is outside of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from surrogate.canonical import families
from surrogate.error_scale import ErrorScale
from surrogate.features import feature_matrix
from surrogate.intervals import Intervals, log_errors
from surrogate.region import Region
from surrogate.regressor import SurrogateRegressor, regressor_for
from surrogate.splits import Fold, folds
from surrogate.targets import TARGETS


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """One target.

    Attributes:
        regressor: fitted to all points.
        scale: of its error, learnt from points that it was fitted without.
        intervals: calibrated on the same.
    """

    regressor: SurrogateRegressor
    scale: ErrorScale
    intervals: Intervals

    @classmethod
    def fit(
        cls,
        target: str,
        features: NDArray[np.float64],
        measured: NDArray[np.float64],
        names: NDArray[np.str_],
        parts: list[Fold],
        *,
        n_jobs: int = 1,
    ) -> Self:
        """Fit, and calibrate on points that are foretold from those of other datapaths.

        Args:
            names: family of each point.
            parts: folds that leave out each point once.
        """
        foretold, scale = np.empty_like(measured), np.empty_like(measured)
        for fold in parts:
            regressor = regressor_for(target, n_jobs=n_jobs)
            regressor.fit(features[fold.seen], measured[fold.seen])
            foretold[fold.unseen] = regressor.predict(features[fold.unseen])
        errors = log_errors(measured, foretold)
        for fold in parts:  # nor does a point's own error say how wide its interval is
            learnt = ErrorScale(n_jobs=n_jobs).fit(features[fold.seen], errors[fold.seen])
            scale[fold.unseen] = learnt.predict(features[fold.unseen])
        return cls(
            regressor=regressor_for(target, n_jobs=n_jobs).fit(features, measured),
            scale=ErrorScale(n_jobs=n_jobs).fit(features, errors),
            intervals=Intervals.calibrate(measured, foretold, scale, names),
        )


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """All targets together.

    Attributes:
        predictors: of each target, in the order of ``TARGETS``.
        region: of the design points that they were fitted to.
    """

    predictors: dict[str, Predictor]
    region: Region

    @classmethod
    def fit(cls, table: pd.DataFrame, *, n_jobs: int = 1) -> Self:
        """Learn from measured design points.

        Args:
            table: columns ``POINT_COLUMNS`` and ``TARGETS``, as from ``training_table``.
            n_jobs: threads.

        Raises:
            InputError: if a target is not positive, a point is not one, or they are too few.
        """
        parts = [fold for fold in folds(table, "datapaths") if fold.deal == 0]
        features, names = feature_matrix(table), np.array(families(table))
        return cls(
            predictors={
                target: Predictor.fit(
                    target, features, table[target].to_numpy(dtype=np.float64), names, parts,
                    n_jobs=n_jobs,
                )
                for target in TARGETS
            },
            region=Region.of(table),
        )  # fmt: skip

    def predict(self, table: pd.DataFrame, *, intervals: bool = True) -> pd.DataFrame:
        """Predict every target.

        Args:
            table: design points, columns ``POINT_COLUMNS``.
            intervals: whether intervals, too, are wanted.

        Returns:
            A column for each of ``TARGETS``; with ``intervals``, behind each of them its lower and
            upper end, ``_low`` and ``_high``; and ``outside``: the first parameter, or pair of
            them, that is outside what was measured (``Region.outside``), missing where none is:
            there, intervals promise nothing. The index of ``table``.

        Raises:
            InputError: if a point is not one.
        """
        features = feature_matrix(table)
        names = families(table) if intervals else []
        columns: dict[str, Any] = {}
        for target, predictor in self.predictors.items():
            columns[target] = predictor.regressor.predict(features)
            if intervals:
                scale = predictor.scale.predict(features)
                columns[f"{target}_low"], columns[f"{target}_high"] = predictor.intervals.bounds(
                    columns[target], scale, names
                )
        return pd.DataFrame({**columns, "outside": self.region.outside(table)}, index=table.index)
