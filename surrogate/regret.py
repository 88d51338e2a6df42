"""What a wrong prediction costs: how much worse a chosen design is than the best that was measured.

A small error in the mean helps little if it decides between the best designs. Each query asks for
the least of one target where another is at most a bound; it is answered from predictions of models
that have not seen the designs in question, and the answer is held against measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rtl_gen.errors import InputError

QUERIES = 200
#: Fewest designs to choose from; with fewer of the same bits, all are taken.
MIN_CANDIDATES = 8
#: Bounds lie between these quantiles of what the candidates measured.
_BOUNDS = (0.1, 0.9)


@dataclass(frozen=True, kw_only=True)
class Query:
    """Minimise ``objective`` where ``constraint`` is at most ``bound``.

    Attributes:
        candidates: labels of the designs to choose from.
        bound: in the unit of the constraint; at least one candidate measured no more.
    """

    objective: str
    constraint: str
    bound: float
    candidates: pd.Index


def queries(table: pd.DataFrame, targets: list[str], *, seed: int = 0) -> Iterator[Query]:
    """``QUERIES`` at random, every other one among designs of the same operand widths.

    Args:
        table: measured points; of every target less is better.
        targets: to choose objective and constraint from.

    Raises:
        InputError: if there are fewer than two targets.
    """
    if len(targets) < 2:
        raise InputError(f"a query needs two targets, not {len(targets)}")
    generator = np.random.default_rng(seed)
    for number in range(QUERIES):
        objective, constraint = generator.choice(targets, 2, replace=False)
        candidates = table.index
        if number % 2:
            row = table.iloc[int(generator.integers(len(table)))]
            same = (table["act_bits"] == row["act_bits"]) & (
                table["weight_bits"] == row["weight_bits"]
            )
            if same.sum() >= MIN_CANDIDATES:
                candidates = table.index[same]
        values = table.loc[candidates, constraint]
        bound = values.quantile(generator.uniform(*_BOUNDS), interpolation="lower")
        yield Query(
            objective=str(objective),
            constraint=str(constraint),
            bound=float(bound),
            candidates=candidates,
        )


def regret(table: pd.DataFrame, predictions: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """How each model answers the queries.

    The chosen design has the least predicted objective of all whose predicted constraint is within
    the bound. If it turns out to miss the bound, its objective says nothing: regret is that of
    answers that hold, and the share of those that do not stands beside it. A model that is daring
    has little regret and many misses. If no design is predicted to hold, there is no answer.

    Args:
        table: measured points, labelled as ``predictions`` says.
        predictions: of ``cross_validate``; those of split ``datapaths`` count, one deal after the
            other.

    Returns:
        A row for each model: ``model``; ``queries``; ``unanswered_pct`` of these; ``missed_pct`` of
        the answers, and ``excess_pct``, the median by which they exceed the bound;
        ``median_regret_pct`` and ``p95_regret_pct``, by how much the objective of the answers that
        hold exceeds the least measured one within the bound. NaN of nothing.

    Raises:
        InputError: as ``queries``.
    """
    used = predictions[predictions["split"] == "datapaths"]
    targets = list(used["target"].unique())
    asked = list(queries(table, targets, seed=seed))
    return pd.DataFrame(
        [
            {"model": model, **_summary(_answers(table, rows, asked))}
            for model, rows in used.groupby("model", sort=False)
        ]
    )


def _answers(
    table: pd.DataFrame, predictions: pd.DataFrame, asked: list[Query]
) -> NDArray[np.float64]:
    """Excess over the bound and regret of each query, NaN if unanswered; shape ``(queries, 2)``."""
    wide = predictions.pivot(index=["deal", "point"], columns="target", values="predicted")
    deals = [deal.droplevel("deal") for _, deal in wide.groupby(level="deal")]
    return np.array(
        [answer(table, deals[number % len(deals)], query) for number, query in enumerate(asked)]
    )


def choose(predicted: pd.DataFrame, query: Query) -> Any:
    """Label of the design that is predicted to be best within the bound, or None."""
    guess = predicted.loc[query.candidates]
    guess = guess[guess[query.constraint] <= query.bound]
    return None if guess.empty else guess.index[int(guess[query.objective].argmin())]


def answer(table: pd.DataFrame, predicted: pd.DataFrame, query: Query) -> tuple[float, float]:
    """What the design chosen by ``predicted`` really is.

    Returns:
        Measured constraint over the bound, and measured objective over that of the best design
        within the bound, both less one: above zero, the first is a miss. NaN if none is predicted
        to be within the bound.
    """
    label = choose(predicted, query)
    if label is None:
        return np.nan, np.nan
    chosen = table.loc[label]
    measured = table.loc[query.candidates]
    within = measured.loc[measured[query.constraint] <= query.bound, query.objective]
    return (
        float(chosen[query.constraint] / query.bound - 1),
        float(chosen[query.objective] / within.min() - 1),
    )


def _summary(answers: NDArray[np.float64]) -> dict[str, float]:
    excess, worse = 100 * answers[~np.isnan(answers[:, 0])].T
    missed = excess > 0
    return {
        "queries": len(answers),
        "unanswered_pct": 100 * float(np.isnan(answers[:, 0]).mean()),
        "missed_pct": 100 * float(missed.mean()) if len(missed) else np.nan,
        "excess_pct": _quantile(excess[missed], 0.5),
        "median_regret_pct": _quantile(worse[~missed], 0.5),
        "p95_regret_pct": _quantile(worse[~missed], 0.95),
    }


def _quantile(values: NDArray[np.float64], part: float) -> float:
    return float(np.quantile(values, part)) if len(values) else np.nan
