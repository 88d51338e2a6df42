"""Few slow measurements correct many quick ones: flow ``openroad`` from ``placed``, say.

Two flows see the same netlists: their ratio varies far less than what they measure. It is learnt
as a ridge regression of its logarithm on a few quantities, from the points that both measured; the
surrogate of the quick flow, times that ratio, predicts the slow one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.canonical import datapath_keys, families
from surrogate.delays import Delays
from surrogate.features import feature_matrix
from surrogate.intervals import Intervals, log_errors
from surrogate.model import Matrix, Parts, Surrogate, foretell, parts_of, unseen_scales
from surrogate.ratio import Ratio, quantities
from surrogate.splits import FLOWS
from surrogate.targets import TARGETS

#: Fewest points that both flows must have measured.
LEAST_POINTS = 10


def fit_ratios(quick: pd.DataFrame, slow: pd.DataFrame, delays: Delays) -> dict[str, Ratio]:
    """The ratio of each target.

    Args:
        quick, slow: tables as from ``training_table``, of the two flows.
        delays: of the quick one.

    Raises:
        InputError: if too few points were measured by both.
    """
    both = pair(quick, slow)
    known = quantities(feature_matrix(both, delays))
    return {
        target: Ratio.fit(known, (both[f"{target}_slow"] / both[target]).to_numpy())
        for target in TARGETS
    }


def pair(quick: pd.DataFrame, slow: pd.DataFrame) -> pd.DataFrame:
    """The points that both flows measured.

    Returns:
        Columns of ``quick``, ``place`` in it, and each target of ``slow``, named ``..._slow``.

    Raises:
        InputError: if there are too few.
    """
    placed = quick.reset_index(drop=True).reset_index(names="place")
    both = placed.merge(slow, on=list(POINT_COLUMNS), suffixes=("", "_slow"))
    if len(both) < LEAST_POINTS:
        raise InputError(
            f"at least {LEAST_POINTS} points that both flows measured are needed, not {len(both)}"
        )
    if len(set(datapath_keys(both))) < 2:
        raise InputError("points of at least 2 datapaths that both flows measured are needed")
    return both


def unseen(quick: pd.DataFrame, slow: pd.DataFrame) -> pd.DataFrame:
    """What is said of the slow flow without the datapath in question.

    Returns:
        Predictions as ``surrogate.evaluate.cross_validate`` gives them, of three models:
        ``surrogate``, a prediction of the quick flow by models that had not seen the datapath,
        times a ratio that was fitted without it; ``measured, times ratio``, the same of a
        measurement of the quick flow; ``measured``, that taken for the slow one's. And ``scale``,
        of the quick flow's error at that point.

    Raises:
        InputError: as ``fit_ratios`` and ``surrogate.splits.folds``.
    """
    both = pair(quick, slow)
    folds = parts_of(quick)
    parts = []
    for target in TARGETS:
        measured, quickly = both[f"{target}_slow"].to_numpy(), both[target].to_numpy()
        every = quick[target].to_numpy(dtype=np.float64)
        foretold = foretell(target, every, folds)
        scale = unseen_scales(log_errors(every, foretold), folds)[both["place"]]
        ratios = _unseen_ratios(both, measured / quickly, folds)
        answers = {
            "surrogate": foretold[both["place"]] * ratios,
            "measured, times ratio": quickly * ratios,
            "measured": quickly,
        }
        parts += [
            pd.DataFrame(
                {"target": target, "split": FLOWS, "part": "", "deal": 0, "model": model,
                 "point": both.index, "family": families(both), "measured": measured,
                 "predicted": values, "scale": scale}
            )
            for model, values in answers.items()
        ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _unseen_ratios(both: pd.DataFrame, ratios: Matrix, folds: Parts) -> Matrix:
    """The ratio of each point by those of other datapaths."""
    datapaths = np.array(datapath_keys(both))
    place = both["place"].to_numpy()
    said = np.empty(len(both))
    for fold, features in folds:
        known = quantities(features[place])
        for datapath in np.unique(datapaths[np.isin(place, fold.unseen)]):
            out = datapaths == datapath
            said[out] = Ratio.fit(known[~out], ratios[~out]).of(known[out])
    return said


def corrected(
    surrogate: Surrogate, quick: pd.DataFrame, slow: pd.DataFrame, foretold: pd.DataFrame
) -> Surrogate:
    """A surrogate of the slow flow: that of the quick one, times ratios, calibrated anew.

    Args:
        surrogate: fitted to ``quick``.
        foretold: as from ``unseen`` of the same tables, to calibrate on.

    Raises:
        InputError: as ``unseen``.
    """
    both = pair(quick, slow)
    answers = foretold.query("model == 'surrogate'").groupby("target")
    names = np.array(families(both))
    predictors = {
        target: replace(
            predictor,
            intervals=Intervals.calibrate(
                answers.get_group(target)["measured"], answers.get_group(target)["predicted"],
                answers.get_group(target)["scale"], names,
            ),
        )
        for target, predictor in surrogate.predictors.items()
    }  # fmt: skip
    ratios = fit_ratios(quick, slow, surrogate.delays)
    return replace(surrogate, predictors=predictors, ratios=ratios)
