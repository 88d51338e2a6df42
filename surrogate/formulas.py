"""Formulas to carry in one's head: a few terms that say almost what the surrogate does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rtl_gen.errors import require_choice
from surrogate.baseline import PhysicalBase
from surrogate.features import FEATURE_NAMES, feature_matrix, fit_delays
from surrogate.model import Matrix, parts_of
from surrogate.targets import TARGETS

#: Most terms beside the constant.
MOST_TERMS = 5
#: A further term must take away this part of the error.
_WORTH = 0.08
_DIGITS = 2
#: What is a sum: the least period is not.
FORMULAS = tuple(name for name in TARGETS if name != "least_period_ps")
#: Sums that are easier to think of than their parts.
_SUMS = {
    "spad_bits": ("ifmap_spad_bits", "filter_spad_bits", "psum_spad_bits"),
    "multiplier_bit_cells": ("multiplier_cells", "booth_cells", "array_cells"),
}


@dataclass(frozen=True, kw_only=True)
class Formula:
    """``constant + sum(coefficients * features)``, all rounded.

    Attributes:
        target: of ``TARGETS``.
        constant: in the target's unit.
        coefficients: by feature.
        error_pct: mean absolute error of points of datapaths that it was not fitted to.
    """

    target: str
    constant: float
    coefficients: dict[str, float]
    error_pct: float

    def __str__(self) -> str:
        """As one would write it."""
        terms = [f"{value:g} {name}" for name, value in self.coefficients.items()]
        return f"{self.target} = " + " + ".join(
            [f"{self.constant:g}"] * bool(self.constant) + terms
        )


def find_formula(table: pd.DataFrame, target: str) -> Formula:
    """The terms that say most, one after the other, as long as one more is worth it.

    Whether it is, and what the formula is off by, is seen on datapaths that it was not fitted to;
    coefficients are rounded to two digits before.

    Args:
        table: as from ``training_table``.
        target: of ``FORMULAS``.

    Raises:
        InputError: if the target has no formula, or there are too few points.
    """
    require_choice("a target with a formula", target, FORMULAS)
    candidates = _candidates(feature_matrix(table, fit_delays(table)), target)
    measured = table[target].to_numpy(dtype=np.float64)
    parts = [(fold, _candidates(known, target)) for fold, known in parts_of(table)]

    def error_pct(names: Sequence[str]) -> float:
        predicted = np.empty(len(table))
        for fold, every in parts:
            columns = every[list(names)].to_numpy()
            constant, slopes = _rounded(columns[fold.seen], measured[fold.seen])
            predicted[fold.unseen] = constant + columns[fold.unseen] @ slopes
        return float(100 * np.abs(predicted / measured - 1).mean())

    chosen: list[str] = []
    best = np.inf
    names = list(map(str, candidates))
    while len(chosen) < min(MOST_TERMS, len(names)):
        tries = {name: error_pct([*chosen, name]) for name in names if name not in chosen}
        name = min(tries, key=lambda each: tries[each])
        if tries[name] > (1 - _WORTH) * best:
            break
        best = tries[name]
        chosen.append(name)
    constant, slopes = _rounded(candidates[chosen].to_numpy(), measured)
    return Formula(
        target=target,
        constant=constant,
        coefficients={n: s for n, s in zip(chosen, slopes.tolist(), strict=True) if s},
        error_pct=best,
    )


def _candidates(features: Matrix, target: str) -> pd.DataFrame:
    every = pd.DataFrame(features, columns=list(FEATURE_NAMES))
    names = [name for name in TARGETS[target].base if every[name].any()]
    sums = {
        name: every[list(parts)].sum(axis=1)
        for name, parts in _SUMS.items()
        if set(parts) <= set(TARGETS[target].base)
    }
    return pd.DataFrame({**sums, **{name: every[name] for name in names}})


def _rounded(columns: np.ndarray, measured: np.ndarray) -> tuple[float, np.ndarray]:
    fitted = PhysicalBase().fit(columns, measured).coefficients_
    short = [float(f"{value:.{_DIGITS}g}") for value in fitted]
    return short[0], np.array(short[1:])
