"""The surrogate: all targets with intervals, and what a design is outside of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from surrogate.canonical import families
from surrogate.delays import Delays
from surrogate.error_scale import ErrorScale
from surrogate.features import FEATURE_NAMES, feature_matrix, fit_delays, learnt_matrix
from surrogate.intervals import Intervals, ends, log_errors
from surrogate.ratio import Ratio, quantities
from surrogate.region import Region
from surrogate.regressor import SurrogateRegressor, regressor_for
from surrogate.splits import Fold, one_deal
from surrogate.stack import stacked
from surrogate.targets import TARGETS

Matrix = NDArray[np.float64]


#: Folds that leave out each point once, and the features of all points in each, which know nothing
#: of what is left out.
Parts = list[tuple[Fold, Matrix]]


def parts_of(table: pd.DataFrame) -> Parts:
    """The folds of one deal of datapaths, with their features.

    Raises:
        InputError: as ``surrogate.splits.folds``.
    """
    return [(fold, learnt_matrix(table, fold.seen)) for fold in one_deal(table)]


def foretell(target: str, measured: Matrix, parts: Parts, *, n_jobs: int = 1) -> Matrix:
    """What regressors say of each point that were fitted without its datapath, ``(n,)``."""
    foretold = np.empty_like(measured)
    for fold, known in parts:
        regressor = regressor_for(target, n_jobs=n_jobs)
        regressor.fit(known[fold.seen], measured[fold.seen])
        foretold[fold.unseen] = regressor.predict(known[fold.unseen])
    return foretold


def unseen_scales(errors: Matrix, parts: Parts, *, n_jobs: int = 1) -> Matrix:
    """Scale of each point's error by those of other datapaths: its own says nothing, ``(n,)``.

    Args:
        errors: of ``foretell``, as ``log_errors``.
    """
    scale = np.empty_like(errors)
    for fold, known in parts:
        learnt = ErrorScale(n_jobs=n_jobs).fit(known[fold.seen], errors[fold.seen])
        scale[fold.unseen] = learnt.predict(known[fold.unseen])
    return scale


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
        features: Matrix,
        measured: Matrix,
        names: NDArray[np.str_],
        parts: Parts,
        *,
        n_jobs: int = 1,
    ) -> Self:
        """Fit, and calibrate on points that are foretold from those of other datapaths.

        Args:
            names: family of each point.
            parts: as from ``parts_of``.
        """
        foretold = foretell(target, measured, parts, n_jobs=n_jobs)
        errors = log_errors(measured, foretold)
        scale = unseen_scales(errors, parts, n_jobs=n_jobs)
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
        delays: that features are made with.
        region: of the design points that they were fitted to.
        ratios: of another flow to the one that was learnt, by target, if that is predicted
            (``surrogate.fidelity``).
    """

    predictors: dict[str, Predictor]
    delays: Delays
    region: Region
    ratios: dict[str, Ratio] | None = None

    @classmethod
    def fit(cls, table: pd.DataFrame, *, n_jobs: int = 1) -> Self:
        """Learn from measured design points.

        Args:
            table: columns ``POINT_COLUMNS`` and ``TARGETS``, as from ``training_table``.
            n_jobs: threads.

        Raises:
            InputError: if a target is not positive, a point is not one, or they are too few.
        """
        parts = parts_of(table)
        delays = fit_delays(table)
        features, names = feature_matrix(table, delays), np.array(families(table))
        return cls(
            predictors={
                target: Predictor.fit(
                    target, features, table[target].to_numpy(dtype=np.float64), names, parts,
                    n_jobs=n_jobs,
                )
                for target in TARGETS
            },
            delays=delays,
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
        features = feature_matrix(table, self.delays)
        values = self._base(features) * np.exp(self._outputs(self._trees, features))
        if self.ratios is not None:
            known = quantities(features)
            values *= np.column_stack([self.ratios[name].of(known) for name in self.predictors])
        columns = list(self.predictors)
        if intervals:
            widths = self._widths.iloc[self._widths.index.get_indexer(families(table))]
            scales = self._outputs(self._scales, features)
            low, high = ends(values, widths.to_numpy(), np.exp(scales) + self._least)
            columns = [name + end for name in columns for end in ("", "_low", "_high")]
            values = np.stack([values, low, high], axis=2).reshape(len(table), len(columns))
        predicted = pd.DataFrame(values, columns=columns, index=table.index)
        predicted["outside"] = self.region.outside(table)
        return predicted

    # All targets at once, made when they are asked for: one call each, not one for each target.

    def _outputs(self, stack: xgboost.Booster, features: Matrix) -> Matrix:
        found = np.asarray(stack.inplace_predict(features), dtype=np.float64)
        return found.reshape(len(features), len(self.predictors))

    def _base(self, features: Matrix) -> Matrix:
        constants, coefficients, floors = self._sums
        return np.maximum(features @ coefficients + constants, floors)

    @cached_property
    def _sums(self) -> tuple[Matrix, Matrix, Matrix]:
        """Constants and floors of the bases, shape ``(targets,)``, and ``(features, targets)``."""
        bases = [predictor.regressor.base_ for predictor in self.predictors.values()]
        coefficients = np.zeros((len(FEATURE_NAMES), len(bases)))
        for target, base in enumerate(bases):
            assert base.columns is not None
            coefficients[list(base.columns), target] = base.coefficients_[1:]
        constants = np.array([base.coefficients_[0] for base in bases])
        return constants, coefficients, np.array([base.floor_ for base in bases])

    @cached_property
    def _trees(self) -> xgboost.Booster:
        return self._stacked([p.regressor.booster_ for p in self.predictors.values()])

    @cached_property
    def _scales(self) -> xgboost.Booster:
        return self._stacked([p.scale.booster for p in self.predictors.values()])

    @cached_property
    def _least(self) -> Matrix:
        return np.array([predictor.scale.least for predictor in self.predictors.values()])

    def _stacked(self, boosters: list[xgboost.Booster]) -> xgboost.Booster:
        first = next(iter(self.predictors.values()))
        return stacked(boosters, n_jobs=first.regressor.n_jobs)

    @cached_property
    def _widths(self) -> pd.DataFrame:
        """Width of each target's interval, for each family; the last row is of any other."""
        intervals = {name: p.intervals for name, p in self.predictors.items()}
        found = sorted({name for each in intervals.values() for name in each.widths})
        names = [*found, ""]
        columns = {target: each.widths_of(names) for target, each in intervals.items()}
        return pd.DataFrame(columns, index=names)
