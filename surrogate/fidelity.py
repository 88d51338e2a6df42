"""Few slow measurements correct many quick ones: flow ``openroad`` from ``placed``, say.

Two flows see the same netlists: their ratio varies far less than what they measure. It is learnt
as a ridge regression of its logarithm on a few quantities, from the points that both measured; the
surrogate of the quick flow, times that ratio, predicts the slow one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.delays import Delays
from surrogate.features import FEATURE_NAMES, feature_indices, feature_matrix, fit_delays
from surrogate.regressor import regressor_for
from surrogate.splits import folds
from surrogate.targets import TARGETS

#: Fewest points that both flows must have measured.
LEAST_POINTS = 10
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
        slopes: of the quantities of ``_quantities``.
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


def fit_ratios(quick: pd.DataFrame, slow: pd.DataFrame, delays: Delays) -> dict[str, Ratio]:
    """The ratio of each target.

    Args:
        quick, slow: tables as from ``training_table``, of the two flows.
        delays: of the quick one.

    Raises:
        InputError: if too few points were measured by both.
    """
    both = pair(quick, slow)
    quantities = _quantities(both, delays)
    return {
        target: Ratio.fit(quantities, (both[f"{target}_slow"] / both[target]).to_numpy())
        for target in TARGETS
    }


def pair(quick: pd.DataFrame, slow: pd.DataFrame) -> pd.DataFrame:
    """The points that both flows measured: columns of ``quick``, and ``_slow`` for each target.

    Raises:
        InputError: if there are too few.
    """
    both = quick.merge(slow, on=list(POINT_COLUMNS), suffixes=("", "_slow"))
    if len(both) < LEAST_POINTS:
        raise InputError(
            f"at least {LEAST_POINTS} points that both flows measured are needed, not {len(both)}"
        )
    return both


def unseen_errors(quick: pd.DataFrame, slow: pd.DataFrame) -> pd.DataFrame:
    """How far predictions of the slow flow are off, leaving one design out.

    Returns:
        A row for each target: ``target``, ``points``, and mean absolute errors in percent:
        ``quick_pct``, of the quick flow's measurement taken for the slow one's; ``measured_pct``,
        of that times a ratio that was fitted without the design; ``predicted_pct``, of a
        prediction of the quick flow by models that had not seen its datapath, times that ratio.

    Raises:
        InputError: as ``fit_ratios`` and ``surrogate.splits.folds``.
    """
    both = pair(quick, slow)
    foretold = _foretold(quick).loc[_rows_of(quick, both)].reset_index(drop=True)
    quantities = _quantities(both, fit_delays(quick))
    designs = both.groupby(list(POINT_COLUMNS[:-1]), sort=False).ngroup().to_numpy()
    rows = []
    for target in TARGETS:
        measured = both[f"{target}_slow"].to_numpy()
        ratios = np.empty(len(both))
        for design in np.unique(designs):
            out = designs == design
            fitted = Ratio.fit(quantities[~out], (measured / both[target].to_numpy())[~out])
            ratios[out] = fitted.of(quantities[out])
        answers = {
            "quick": both[target].to_numpy(),
            "measured": both[target].to_numpy() * ratios,
            "predicted": foretold[target].to_numpy() * ratios,
        }
        errors = {
            f"{name}_pct": float(100 * np.abs(values / measured - 1).mean())
            for name, values in answers.items()
        }
        rows.append({"target": target, "points": len(both), **errors})
    return pd.DataFrame(rows)


def _foretold(table: pd.DataFrame) -> pd.DataFrame:
    """Every target of every point, by models that had not seen its datapath."""
    found = pd.DataFrame(np.nan, index=table.index, columns=list(TARGETS))
    for fold in folds(table, "datapaths"):
        if fold.deal:
            continue
        features = feature_matrix(table, fit_delays(table.iloc[fold.seen]))
        for place, target in enumerate(TARGETS):
            measured = table[target].to_numpy(dtype=np.float64)
            fitted = regressor_for(target).fit(features[fold.seen], measured[fold.seen])
            found.iloc[fold.unseen, place] = fitted.predict(features[fold.unseen])
    return found


def _rows_of(quick: pd.DataFrame, both: pd.DataFrame) -> list[int]:
    """Where each point of ``both`` is in ``quick``."""
    places = quick.reset_index(drop=True).reset_index(names="place")
    return list(both.merge(places[["place", *POINT_COLUMNS]], on=list(POINT_COLUMNS))["place"])


def _quantities(table: pd.DataFrame, delays: Delays) -> Matrix:
    features = feature_matrix(table[list(POINT_COLUMNS)], delays)
    assert features.shape[1] == len(FEATURE_NAMES)
    sizes = np.log(features[:, list(feature_indices(_SIZES))])
    return np.column_stack([sizes, features[:, list(feature_indices(_OTHERS))]])
