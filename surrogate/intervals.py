"""Intervals that hold: how far a measurement may be from its prediction, calibrated on errors.

Conformal prediction (Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World, 2005): the
errors that a model made on points it had not seen say how wide an interval must be to hold the
next one as often as it promises, whatever the model and the shape of its errors. Errors are those
of the logarithm, so intervals are factors. Two things make them narrow where they can be, and wide
where they must be: each error counts relative to a *scale*, what the model itself knows of its
uncertainty at that point (Lei et al., JASA 113, 2018); and families are calibrated apart
("Mondrian"), since the promise is to hold for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rtl_gen.errors import InputError

#: How often an interval is to hold the measurement.
LEVEL = 0.9
#: A family with fewer calibration points than this is calibrated with all others.
LEAST_POINTS = 40


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Widths of intervals at one level.

    Attributes:
        level: part of measurements that they are to hold.
        widths: of each family that was calibrated apart: half the width, in scales of the
            logarithm.
        other: that of any other family.
        points: that it was calibrated on.
    """

    level: float
    widths: Mapping[str, float]
    other: float
    points: int

    @classmethod
    def calibrate(
        cls,
        measured: ArrayLike,
        predicted: ArrayLike,
        scale: ArrayLike,
        families: ArrayLike,
        *,
        level: float = LEVEL,
    ) -> Self:
        """Calibrate on points that the model had not seen.

        Args:
            measured, predicted: positive, shape ``(n,)``; predictions are out of fold.
            scale: what the model says of its own uncertainty there, positive, ``(n,)``.
            families: name of the family of each point, ``(n,)``.
            level: between 0 and 1.

        Raises:
            InputError: if the level cannot be promised with so few points, or a value is not
                positive.
        """
        if not 0 < level < 1:
            raise InputError(f"the level of an interval must be between 0 and 1, not {level:g}")
        scores = _scores(measured, predicted, scale)
        names = np.asarray(families, dtype=str)
        widths = {
            str(name): conformal_quantile(scores[names == name], level)
            for name in np.unique(names)
            if (names == name).sum() >= LEAST_POINTS
        }
        other = conformal_quantile(scores, level)
        if not np.isfinite(other):
            needed = _ceil(level / (1 - level))
            raise InputError(
                f"intervals of level {level:g} need at least {needed} points, not {len(scores)}"
            )
        return cls(level=level, widths=widths, other=other, points=len(scores))

    def bounds(
        self, predicted: ArrayLike, scale: ArrayLike, families: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the interval of each prediction, shapes ``(n,)``."""
        values, scales = (np.asarray(v, dtype=np.float64) for v in (predicted, scale))
        return ends(values, self.widths_of(families), scales)

    def widths_of(self, families: ArrayLike) -> NDArray[np.float64]:
        """Half the width of each prediction's interval, in scales, shape ``(n,)``."""
        names = pd.Series(np.asarray(families, dtype=str))
        widths = names.map(dict(self.widths)).fillna(self.other)
        return np.asarray(widths, dtype=np.float64)


def ends(
    predicted: NDArray[np.float64], widths: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of intervals, all of the same shape."""
    factor = np.exp(widths * scale)
    return predicted / factor, predicted * factor


def conformal_quantile(scores: NDArray[np.float64], level: float) -> float:
    """What a new score stays within with at least this probability; inf if too few are known.

    The ``ceil((n + 1) level)``-th smallest of ``n`` scores: exact for exchangeable ones.
    """
    rank = _ceil((len(scores) + 1) * level)
    if rank > len(scores):
        return float("inf")
    return float(np.partition(scores, rank - 1)[rank - 1])


def grouped_quantile(scores: Sequence[NDArray[np.float64]], level: float) -> float:
    """What a score of a new group stays within with at least this probability; inf if unknown.

    Scores of one group are alike: each group counts once, whatever it has, and one more is taken
    for the worst (Lee, Barber, Willett: Distribution-free inference with hierarchical data, JRSSB
    2025). Exact for exchangeable groups; with one score each it is ``conformal_quantile``.
    """
    every = np.concatenate(scores)
    weights = np.concatenate([np.full(len(own), 1 / len(own)) for own in scores])
    order = np.argsort(every, kind="stable")
    reached = np.cumsum(weights[order]) >= level * (len(scores) + 1) - 1e-9
    return float(every[order][reached.argmax()]) if reached.any() else float("inf")


def _ceil(value: float) -> int:
    """The next whole number, but for what rounding adds: 0.9 / (1 - 0.9) is 9.000000000000002."""
    return int(np.ceil(value - 1e-9))


def _scores(measured: ArrayLike, predicted: ArrayLike, scale: ArrayLike) -> NDArray[np.float64]:
    columns = {"measured": measured, "predicted": predicted, "scale": scale}
    values = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    for name, column in values.items():
        wrong = ~(np.isfinite(column) & (column > 0))
        if wrong.any():
            raise InputError(f"{name} must be above zero everywhere, not {column[wrong][0]:g}")
    return log_errors(values["measured"], values["predicted"]) / values["scale"]


def log_errors(
    measured: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Absolute errors of the logarithm, shape ``(n,)``."""
    errors: NDArray[np.float64] = np.abs(np.log(measured / predicted))
    return errors


def interval_score(
    measured: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: float
) -> NDArray[np.float64]:
    """Winkler's score of each interval, in the unit of the target; smaller is better.

    The width, and ``2 / (1 - level)`` times what a measurement is outside: coverage cannot be
    bought with width (Gneiting and Raftery, JASA 102, 2007, eq. 43).
    """
    y, low, high = (np.asarray(column, dtype=np.float64) for column in (measured, lower, upper))
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    score: NDArray[np.float64] = (high - low) + 2 / (1 - level) * outside
    return score
