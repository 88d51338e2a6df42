"""How wrong the surrogate is on points it has not seen, beside models to compare it with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from sklearn.base import RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold

from rtl_gen.errors import InputError
from rtl_gen.space import DESIGN_COLUMNS
from surrogate.baseline import PhysicalBase, QuadraticPolynomial
from surrogate.features import feature_matrix, parameter_matrix
from surrogate.model import TARGETS, regressor_for

FOLDS = 5
#: How often the points are dealt into folds anew: with few points, errors depend on the deal.
DEALS = 3
#: Fewest designs: two to test on in each fold.
MIN_DESIGNS = 2 * FOLDS

#: What a fold leaves out, and the columns that name it. A design is left out at all its periods,
#: since these differ little. A datapath is left out in all designs that have it: they share the
#: arithmetic, and no near relative of a tested point is learnt from.
SPLITS = {
    "designs": list(DESIGN_COLUMNS),
    "datapaths": [
        "family", "act_bits", "weight_bits", "terms", "act_signed", "multiplier",
        "precision_modes", "serial_terms",
    ],
}  # fmt: skip

#: What is compared: the surrogate, its base alone, and two yardsticks.
MODELS = ("surrogate", "physical base", "quadratic polynomial", "mean")

_ERRORS = ("mape_pct", "median_ape_pct", "p95_ape_pct", "worst_ape_pct", "r2")

_Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def evaluate(table: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Cross-validated errors of the surrogate, of its physical base alone, and of two yardsticks.

    Args:
        table: measured points, as from ``training_table``.
        seed: of the first of ``DEALS`` deals of the points into ``FOLDS`` folds.

    Returns:
        A row for each target, split and model: columns ``target``, ``split``, ``model``,
        ``points``; the mean, median, 95th percentile and maximum of the absolute error as a
        percentage of the measurement, ``mape_pct``, ``median_ape_pct``, ``p95_ape_pct``,
        ``worst_ape_pct``; and ``r2``, the coefficient of determination. ``split`` is one of
        ``SPLITS``; ``datapaths`` only if there are at least ``FOLDS`` of these.

    Raises:
        InputError: if there are fewer than ``MIN_DESIGNS`` designs.
    """
    designs = len(table[SPLITS["designs"]].drop_duplicates())
    if designs < MIN_DESIGNS:
        raise InputError(
            f"at least {MIN_DESIGNS} measured designs are needed to learn and to test, "
            f"not {designs}"
        )
    features, parameters = feature_matrix(table), parameter_matrix(table)
    rows = []
    for split, deals in _splits(table, seed):
        for target in TARGETS:
            measured = table[target].to_numpy(dtype=np.float64)
            for name, (model, inputs) in _models(target, features, parameters).items():
                predicted = [_predict_unseen(model, inputs, measured, folds) for folds in deals]
                row = {"target": target, "split": split, "model": name, "points": len(table)}
                rows.append(row | _errors(np.tile(measured, DEALS), np.concatenate(predicted)))
    return pd.DataFrame(rows)


def _models(
    target: str, features: NDArray[np.float64], parameters: NDArray[np.float64]
) -> dict[str, tuple[RegressorMixin, NDArray[np.float64]]]:
    """Each of ``MODELS``, unfitted, and what it predicts from."""
    regressor = regressor_for(target)
    models = (
        (regressor, features),
        (PhysicalBase(columns=regressor.base_columns), features),
        (QuadraticPolynomial(), parameters),
        (DummyRegressor(strategy="mean"), parameters),
    )
    return dict(zip(MODELS, models, strict=True))


def _splits(table: pd.DataFrame, seed: int) -> Iterator[tuple[str, list[list[_Fold]]]]:
    """Each split that the table allows, with the folds of each deal."""
    for split, columns in SPLITS.items():
        groups = table.groupby(columns).ngroup()
        if groups.nunique() >= FOLDS:
            folds = [
                GroupKFold(FOLDS, shuffle=True, random_state=seed + deal) for deal in range(DEALS)
            ]
            yield split, [list(fold.split(table, groups=groups)) for fold in folds]


def _predict_unseen(
    model: RegressorMixin,
    inputs: NDArray[np.float64],
    measured: NDArray[np.float64],
    folds: list[_Fold],
) -> NDArray[np.float64]:
    """Each point's prediction by the model that was fitted without its fold."""
    predicted = np.empty(len(measured))
    for seen, unseen in folds:
        model.fit(inputs[seen], measured[seen])
        predicted[unseen] = model.predict(inputs[unseen])
    return predicted


def _errors(measured: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    ape_pct = 100 * np.abs(predicted / measured - 1)
    values = (
        ape_pct.mean(),
        np.median(ape_pct),
        np.quantile(ape_pct, 0.95),
        ape_pct.max(),
        r2_score(measured, predicted),
    )
    return {name: float(value) for name, value in zip(_ERRORS, values, strict=True)}


def error_table(errors: pd.DataFrame) -> Table:
    """What ``evaluate`` returned, to print with rich.

    All numbers but R2 are absolute errors in %; ``unseen`` is the mean where no design of the same
    datapath was learnt from.
    """
    points = errors["points"].iloc[0]
    title = f"Cross-validated error, {points} points in {FOLDS} folds, dealt {DEALS} times"
    table = Table(
        title=title,
        caption="absolute errors in %; unseen: mean for datapaths that were not learnt from",
        box=box.HORIZONTALS,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column in ("target", "model"):
        table.add_column(column, no_wrap=True)
    for column in ("mean", "median", "95th", "worst", "R2", "unseen"):
        table.add_column(column, justify="right")
    rows = {(row["target"], row["split"], row["model"]): row for row in errors.to_dict("records")}
    for target in TARGETS:
        for model in MODELS:
            row = rows[target, "designs", model]
            unseen = rows.get((target, "datapaths", model))
            table.add_row(
                target if model == MODELS[0] else "",
                model.removesuffix(" polynomial"),
                *(f"{row[name]:.1f}" for name in _ERRORS[:-1]),
                f"{row['r2']:.3f}",
                f"{unseen['mape_pct']:.1f}" if unseen else "-",
            )
        table.add_section()
    return table
