# ruff: noqa: N803  # X is what scikit-learn's contract calls it
"""Hyper-parameters of the trees, chosen where datapaths are left out.

Whoever tunes on the points that errors are told of tells errors that are too small. So tuning is a
part of fitting: a tuned regressor sees the points that it is given, deals their datapaths into
folds of its own, and keeps what is best on those left out. Cross-validated, it is tuned anew in
every fold: nested cross-validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from rtl_gen.errors import InputError
from surrogate.features import feature_indices
from surrogate.regressor import SurrogateRegressor, regressor_for

if TYPE_CHECKING:
    import optuna

#: What is tried unless more is asked for, folds, and trees that may pass without gain.
TRIALS = 30
FOLDS = 5
_PATIENCE = 50
_MOST_TREES = 800
#: What tells datapaths apart. ``surrogate.canonical`` also parts ``fp`` by the width of its sums;
#: here they stay together, which leaves out a little more.
_DATAPATH = ("is_fp", "terms", "act_bits", "weight_bits")

Matrix = NDArray[np.float64]


class TunedRegressor(SurrogateRegressor):
    """A surrogate of one target that chooses its own hyper-parameters.

    Arguments:
        target: of ``surrogate.targets.TARGETS``.
        trials: how many sets of hyper-parameters are tried; the usual ones are the first.

    Raises:
        InputError: from ``fit``, if Optuna is not installed, or there are fewer than two datapaths.
    """

    def __init__(self, *, target: str = "area_um2", trials: int = TRIALS) -> None:
        super().__init__(**regressor_for(target).get_params())
        self.target = target
        self.trials = trials

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Tune and fit; ``X`` are rows of ``feature_matrix``."""
        features, measured = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        chosen = tune(regressor_for(self.target), features, measured, trials=self.trials)
        for name, value in chosen.items():
            setattr(self, name, value)
        return super().fit(features, measured)


def tune(
    regressor: SurrogateRegressor,
    features: Matrix,
    measured: Matrix,
    *,
    trials: int = TRIALS,
    seed: int = 0,
) -> dict[str, Any]:
    """Hyper-parameters with the least error of datapaths that are left out.

    Optuna's tree-structured Parzen estimator proposes them (Bergstra et al., NeurIPS 2011); in each
    fold, trees are added until ``_PATIENCE`` of them have not helped, and the mean number that was
    best is kept.

    Args:
        regressor: whose base and constraints count, and whose own parameters are tried first.
        features: rows of ``feature_matrix``.
        measured: of the target, positive.

    Returns:
        Parameters of ``SurrogateRegressor``, by name.

    Raises:
        InputError: if Optuna is not installed, or there are fewer than two datapaths.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("tuning needs Optuna; run: pip install 'peforge[tune]'") from None
    keys = features[:, list(feature_indices(_DATAPATH))]
    groups = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    if groups.max() < 1:
        raise InputError("tuning needs points of two datapaths at least")
    dealer = GroupKFold(min(FOLDS, int(groups.max()) + 1), shuffle=True, random_state=seed)
    parts = list(dealer.split(features, groups=groups))
    usual = {name: regressor.get_params()[name] for name in _SEARCHED}

    def error(trial: optuna.Trial) -> float:
        tried = _propose(trial)
        found = [
            clone(regressor).set_params(**tried).grow(
                features[seen], measured[seen], features[out], measured[out],
                most=_MOST_TREES, patience=_PATIENCE,
            )
            for seen, out in parts
        ]  # fmt: skip
        trial.set_user_attr("trees", max(1, round(float(np.mean([trees for trees, _ in found])))))
        return float(np.mean([error for _, error in found]))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(usual)
    study.optimize(error, n_trials=trials)
    return {**study.best_params, "trees": study.best_trial.user_attrs["trees"]}


_SEARCHED = (
    "max_depth", "learning_rate", "min_child_weight", "reg_lambda", "subsample", "colsample",
)  # fmt: skip


def _propose(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "max_depth": trial.suggest_int("max_depth", 2, 6),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1, 30, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.3, 100, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample": trial.suggest_float("colsample", 0.1, 1.0),
    }
