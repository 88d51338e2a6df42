"""Why a prediction is what it is: the parts of its base, and the factors of its trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from rtl_gen.errors import InputError, require_choice
from rtl_gen.space import resolve
from surrogate.features import FEATURE_NAMES, feature_matrix
from surrogate.model import Predictor, Surrogate
from surrogate.ratio import quantities
from surrogate.targets import TARGETS

#: Parameters that partial dependence is shown of, unless others are asked for.
PARAMETERS = (
    "act_bits", "weight_bits", "psum_bits", "ifmap_depth", "filter_depth", "psum_depth",
    "pipeline_stages", "period_ps",
)  # fmt: skip
#: Factor of the ratio between two flows.
FLOWS = "flows"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One prediction: ``sum(parts) * prod(factors)``.

    Attributes:
        target: of ``TARGETS``.
        predicted: in its unit.
        parts: of the base, in the target's unit, largest first; ``always`` is its constant.
        factors: of the trees, by feature, those farthest from one first; ``always`` is what they
            say of any design in the mean. Shapley values of the logarithm (Lundberg et al., Nature
            Machine Intelligence 2, 2020), exact for trees. With ``FLOWS`` that from the quick flow
            to the one that is predicted (``surrogate.fidelity``).
    """

    target: str
    predicted: float
    parts: dict[str, float]
    factors: dict[str, float]


def explain(surrogate: Surrogate, design: pd.DataFrame, target: str) -> Explanation:
    """Take a prediction apart.

    Args:
        design: one row, columns ``POINT_COLUMNS``.
        target: of ``TARGETS``.

    Raises:
        InputError: if the target is unknown, or the design is none.
    """
    require_choice("a target", target, TARGETS)
    features = feature_matrix(design, surrogate.delays)
    predictor = surrogate.predictors[target]
    parts = dict(
        zip(("always", *TARGETS[target].base), _parts(predictor, features)[0], strict=True)
    )
    factors = dict(zip((*FEATURE_NAMES, "always"), np.exp(_shapley(predictor, features)[0]),
                       strict=True))  # fmt: skip
    if surrogate.ratios is not None:
        factors[FLOWS] = surrogate.ratios[target].of(quantities(features))[0]
    return Explanation(
        target=target,
        predicted=float(surrogate.predict(design, intervals=False)[target].iloc[0]),
        parts={
            name: float(value)
            for name, value in sorted(parts.items(), key=lambda p: -p[1])
            if value
        },
        factors={
            name: float(value)
            for name, value in sorted(factors.items(), key=lambda f: -abs(np.log(f[1])))
            if value != 1
        },
    )


def importance(surrogate: Surrogate, table: pd.DataFrame, target: str) -> pd.DataFrame:
    """What a target depends on, over many designs.

    Args:
        table: design points.

    Returns:
        A row for each feature that counts: ``feature``; ``base_pct``, its mean share of the base;
        ``trees_pct``, by how much the trees change the prediction for it, in the mean; largest sum
        first.

    Raises:
        InputError: if the target is unknown, or a row is no design.
    """
    require_choice("a target", target, TARGETS)
    features = feature_matrix(table, surrogate.delays)
    predictor = surrogate.predictors[target]
    parts = _parts(predictor, features)
    shares = 100 * (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
    base = dict(zip(("always", *TARGETS[target].base), shares, strict=True))
    moved = 100 * np.expm1(np.abs(_shapley(predictor, features)).mean(axis=0))
    trees = dict(zip((*FEATURE_NAMES, "always"), moved, strict=True))
    rows = [
        {"feature": name, "base_pct": float(base.get(name, 0)), "trees_pct": float(trees[name])}
        for name in trees
        if base.get(name) or trees[name]
    ]
    found = pd.DataFrame(rows)
    order = (found["base_pct"] + found["trees_pct"]).sort_values(ascending=False, kind="stable")
    return found.loc[order.index].reset_index(drop=True)


def partial_dependence(
    surrogate: Surrogate, table: pd.DataFrame, parameter: str, values: Sequence[float]
) -> pd.DataFrame:
    """What is predicted of designs that differ from given ones in one parameter alone.

    Args:
        table: design points; those that would be no design with another value are left out.
        parameter: of ``PARAMETERS``.
        values: of it.

    Returns:
        A row for each value and target: ``value``, ``target``, ``designs``, and the ``low``,
        ``mean`` and ``high`` of their predictions: 10th percentile, mean, 90th percentile.

    Raises:
        InputError: if no design is left with all these values.
    """
    require_choice("a parameter", parameter, PARAMETERS)
    changed = [resolve(table.assign(**{parameter: value}), None) for value in values]
    common = table.index
    for one in changed:
        common = common.intersection(one.index)
    if common.empty:
        raise InputError(f"no design has all of {', '.join(f'{v:g}' for v in values)} {parameter}")
    rows = []
    for value, one in zip(values, changed, strict=True):
        predicted = surrogate.predict(one.loc[common], intervals=False)
        for target in TARGETS:
            low, high = np.quantile(predicted[target], [0.1, 0.9])
            rows.append(
                {"value": value, "target": target, "designs": len(common), "low": float(low),
                 "mean": float(predicted[target].mean()), "high": float(high)}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _parts(predictor: Predictor, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Constant and parts of the base, shape ``(n, 1 + columns)``, raised to its floor if below."""
    base = predictor.regressor.base_
    used = features[:, list(base.columns or ())]
    parts = np.column_stack([np.ones(len(features)), used]) * base.coefficients_
    parts[:, 0] += np.maximum(0, base.floor_ - parts.sum(axis=1))
    found: NDArray[np.float64] = parts
    return found


def _shapley(predictor: Predictor, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the logarithm, of each feature and of what is always there, ``(n, features + 1)``."""
    matrix = xgboost.DMatrix(features)
    values = predictor.regressor.booster_.predict(matrix, pred_contribs=True)
    return np.asarray(values, dtype=np.float64)
