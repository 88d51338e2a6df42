"""How wrong the surrogate is on points it has not seen, beside models to compare it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_limits

from characterize.dataset_schema import POINT_IDENTITY
from rtl_gen.errors import InputError, require_choice
from surrogate import yardsticks
from surrogate.baseline import PhysicalBase
from surrogate.canonical import families
from surrogate.features import learnt_matrix, parameter_matrix
from surrogate.regressor import regressor_for
from surrogate.splits import Fold, folds
from surrogate.targets import TARGETS, needed_columns, with_targets
from surrogate.training_set import OK
from surrogate.tuning import TunedRegressor


@dataclass(frozen=True)
class Model:
    """What is compared.

    Attributes:
        make: an unfitted one for a target.
        on_features: predicts from ``feature_matrix``, else from ``parameter_matrix``.
        cheap: fitted to hundreds of points in a fraction of a second.
    """

    make: Callable[[str], RegressorMixin]
    on_features: bool = False
    cheap: bool = True


#: The surrogate, its base alone, and yardsticks. All get the features, so that what is compared is
#: what a model makes of them; but polynomial and table, which the field fits to raw parameters.
MODELS: dict[str, Model] = {
    "surrogate": Model(regressor_for, on_features=True),
    "physical base": Model(
        lambda target: PhysicalBase(columns=regressor_for(target).base_columns), on_features=True
    ),
    "tuned surrogate": Model(
        lambda target: TunedRegressor(target=target), on_features=True, cheap=False
    ),
    "Gauss process": Model(lambda _: yardsticks.GaussianProcess(), on_features=True, cheap=False),
    "random forest": Model(lambda _: yardsticks.RandomForest(), on_features=True, cheap=False),
    "quadratic": Model(lambda _: yardsticks.QuadraticPolynomial()),
    "look-up table": Model(lambda _: yardsticks.LookUpTable()),
    "nearest point": Model(lambda _: yardsticks.NearestNeighbour(), on_features=True),
    "linear": Model(lambda _: yardsticks.Linear(), on_features=True),
    "mean": Model(lambda _: yardsticks.Mean()),
}
CHEAP = tuple(name for name, model in MODELS.items() if model.cheap)


def cross_validate(
    table: pd.DataFrame,
    *,
    splits: Sequence[str] = ("datapaths",),
    models: Sequence[str] = CHEAP,
    targets: Sequence[str] = tuple(TARGETS),
    seed: int = 0,
) -> pd.DataFrame:
    """Predictions of points by models that were fitted without them.

    Args:
        table: measured points, as from ``training_table``.
        splits: of ``surrogate.splits.SPLITS``; those that the table is too small for are left out.
        models: of ``MODELS``.
        targets: of ``TARGETS``.
        seed: of the splits.

    Returns:
        A row for each prediction: ``target``, ``split``, ``part`` and ``deal`` of its fold,
        ``model``, ``point`` (label in the index of ``table``), ``family``, ``measured`` and
        ``predicted``, both in the target's unit.

    Raises:
        InputError: as ``surrogate.splits.folds``; or a model is unknown.
    """
    for name in models:
        require_choice("a model", name, MODELS)
    chosen = [fold for split in splits for fold in folds(table, split, seed=seed)]
    parameters = parameter_matrix(table)
    names = np.array(families(table))
    # Matrices are small: threads would wait for each other ten times longer than they work.
    with threadpool_limits(1):
        # A fold's features know nothing of the points that it leaves out.
        features = [learnt_matrix(table, fold.seen) for fold in chosen]
        parts = [
            _unseen(
                table, names, target, name, known if MODELS[name].on_features else parameters, fold
            )
            for target in targets
            for fold, known in zip(chosen, features, strict=True)
            for name in models
        ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_COLUMNS))


_COLUMNS = (
    "target", "split", "part", "deal", "model", "point", "family", "measured", "predicted"
)  # fmt: skip


def _unseen(
    table: pd.DataFrame,
    names: NDArray[np.str_],
    target: str,
    model: str,
    inputs: NDArray[np.float64],
    fold: Fold,
) -> pd.DataFrame:
    """What one model says of the points that a fold leaves out."""
    measured = table[target].to_numpy(dtype=np.float64)
    fitted = MODELS[model].make(target).fit(inputs[fold.seen], measured[fold.seen])
    values = (
        target, fold.split, fold.part, fold.deal, model, table.index[fold.unseen],
        names[fold.unseen], measured[fold.unseen], fitted.predict(inputs[fold.unseen]),
    )  # fmt: skip
    return pd.DataFrame(dict(zip(_COLUMNS, values, strict=True)))


def errors(
    predictions: pd.DataFrame, *, by: Sequence[str] = ("target", "split", "model")
) -> pd.DataFrame:
    """How far predictions are from measurements.

    Args:
        predictions: as from ``cross_validate``.
        by: columns whose values are told apart, ``part`` or ``family`` as well.

    Returns:
        A row for each combination of ``by``, in the order of ``predictions``: ``points``, how many
        were tested; the mean, median, 95th percentile and maximum of the absolute error as a
        percentage of the measurement, ``mape_pct``, ``median_ape_pct``, ``p95_ape_pct``,
        ``worst_ape_pct``; ``r2``, the coefficient of determination, and ``spearman``, the
        correlation of ranks, both NaN if all that was measured, or predicted, is the same.
    """
    rows = [
        {**dict(zip(by, key, strict=True)), **_scores(group)}
        for key, group in predictions.groupby(list(by), sort=False)
    ]
    return pd.DataFrame(rows)


def _scores(rows: pd.DataFrame) -> dict[str, float]:
    measured, predicted = rows["measured"].to_numpy(), rows["predicted"].to_numpy()
    ape_pct = 100 * np.abs(predicted / measured - 1)
    varies = np.ptp(measured) > 0
    ranks = varies and np.ptp(predicted) > 0
    return {
        "points": rows["point"].nunique(),
        "mape_pct": float(ape_pct.mean()),
        "median_ape_pct": float(np.median(ape_pct)),
        "p95_ape_pct": float(np.quantile(ape_pct, 0.95)),
        "worst_ape_pct": float(ape_pct.max()),
        "r2": float(r2_score(measured, predicted)) if varies else np.nan,
        "spearman": float(spearmanr(measured, predicted).statistic) if ranks else np.nan,
    }


def evaluate(
    table: pd.DataFrame, *, splits: Sequence[str] = ("datapaths",), seed: int = 0
) -> pd.DataFrame:
    """``errors`` of ``cross_validate`` with the models that are fitted quickly."""
    return errors(cross_validate(table, splits=splits, seed=seed))


def noise_floor(
    replicates: pd.DataFrame, *, targets: Sequence[str] = tuple(TARGETS)
) -> pd.DataFrame:
    """By how much measurements of one point differ by chance, which no model can foretell.

    Synthesis goes through a netlist in an order that means nothing; ``perturbation`` is another
    order. The mean absolute deviation of such replicates from their mean is what a model without
    error would show. The mean of n of them is nearer to each than the true one: deviations are
    multiplied by sqrt(n / (n - 1)), which is exact for a normal distribution.

    Args:
        replicates: a dataset in which points occur with several values of ``perturbation``.

    Returns:
        A row for each target: ``target``, ``points`` (with two replicates or more),
        ``replicates`` (in all), ``noise_pct``.

    Raises:
        InputError: if no point was measured twice, or a column is missing.
    """
    for name in (*POINT_IDENTITY, "status", *needed_columns()):
        if name not in replicates:
            raise InputError(f"the table of replicates has no column {name}")
    replicates = with_targets(replicates)
    same = [name for name in POINT_IDENTITY if name != "perturbation"]
    groups = replicates[replicates["status"] == OK].groupby(same)
    counts = groups["digest"].transform("size")
    rows = replicates.loc[counts.index[counts > 1]]
    if rows.empty:
        raise InputError("the table of replicates has no point with two perturbations")
    counts = counts[counts > 1]
    found = []
    for target in targets:
        means = rows.groupby(same)[target].transform("mean")
        deviations = (rows[target] / means - 1).abs() * np.sqrt(counts / (counts - 1))
        found.append(
            {
                "target": target,
                "points": rows.groupby(same).ngroups,
                "replicates": len(rows),
                "noise_pct": float(100 * deviations.mean()),
            }
        )
    return pd.DataFrame(found)
