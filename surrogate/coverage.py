"""Whether intervals hold: of points of datapaths that the surrogate had not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import beta

from surrogate.canonical import families
from surrogate.intervals import LEVEL, interval_score
from surrogate.model import Surrogate
from surrogate.regret import choose, queries
from surrogate.splits import one_deal
from surrogate.targets import TARGETS

#: Confidence of the interval in which a family's true coverage lies.
CONFIDENCE = 0.99


def unseen_intervals(table: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Intervals of every point by surrogates that were fitted and calibrated without its datapath.

    Args:
        table: as from ``training_table``.
        seed: of the dealing.

    Returns:
        A row for each target and point: ``target``, ``point`` (label in the index of ``table``),
        ``family``, ``measured``, ``predicted``, ``low``, ``high``.

    Raises:
        InputError: as ``Surrogate.fit``.
    """
    names = np.array(families(table))
    parts = []
    for fold in one_deal(table, seed=seed):
        unseen = table.iloc[fold.unseen]
        predicted = Surrogate.fit(table.iloc[fold.seen].reset_index(drop=True)).predict(unseen)
        for target in TARGETS:
            parts.append(
                pd.DataFrame(
                    {
                        "target": target,
                        "point": unseen.index,
                        "family": names[fold.unseen],
                        "measured": unseen[target].to_numpy(dtype=np.float64),
                        "predicted": predicted[target],
                        "low": predicted[f"{target}_low"],
                        "high": predicted[f"{target}_high"],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def of_chosen(table: pd.DataFrame, intervals: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """The intervals of what a search chooses: of the objective of each answered query.

    Who takes the best of many predictions takes those that are too good, too: intervals that hold
    of designs at random may not hold of these.

    Args:
        table: as for ``unseen_intervals``.
        intervals: as from there.
        seed: of the queries (``surrogate.regret.queries``).

    Returns:
        Rows of ``intervals``: of the objectives that each design was chosen for, once.
    """
    every = intervals.set_index(["point", "target"])
    predicted = every["predicted"].unstack()
    answers = [
        (choose(predicted, query), query.objective)
        for query in queries(table, list(TARGETS), seed=seed)
    ]
    chosen = dict.fromkeys(answer for answer in answers if answer[0] is not None)
    return every.loc[list(chosen)].reset_index()


def coverage(intervals: pd.DataFrame, *, by: tuple[str, ...] = ("target",)) -> pd.DataFrame:
    """How often intervals hold, and how wide they are for that.

    Args:
        intervals: as from ``unseen_intervals``.
        by: columns whose values are told apart.

    Returns:
        A row for each combination of ``by``: ``points``; ``covered_pct``, and the Clopper-Pearson
        interval in which the true share lies with a probability of ``CONFIDENCE``,
        ``covered_low_pct`` and ``covered_high_pct``; ``width_pct``, the mean width over the
        prediction; ``score_pct``, the mean interval score over the prediction.
    """
    rows = [
        {**dict(zip(by, key, strict=True)), **_scores(group)}
        for key, group in intervals.groupby(list(by), sort=False)
    ]
    return pd.DataFrame(rows)


def _scores(rows: pd.DataFrame) -> dict[str, float]:
    measured, low, high = (rows[name].to_numpy() for name in ("measured", "low", "high"))
    held = int(((low <= measured) & (measured <= high)).sum())
    predicted = rows["predicted"].to_numpy()
    least, most = clopper_pearson(held, len(rows))
    return {
        "points": len(rows),
        "covered_pct": 100 * held / len(rows),
        "covered_low_pct": 100 * least,
        "covered_high_pct": 100 * most,
        "width_pct": float(100 * ((high - low) / predicted).mean()),
        "score_pct": float(100 * (interval_score(measured, low, high, LEVEL) / predicted).mean()),
    }


def clopper_pearson(
    held: int, points: int, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """The exact interval of a share of which ``held`` of ``points`` were seen.

    Clopper and Pearson, Biometrika 26, 1934: quantiles of the beta distribution.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if held == 0 else float(beta.ppf(tail, held, points - held + 1))
    high = 1.0 if held == points else float(beta.ppf(1 - tail, held + 1, points - held))
    return low, high
