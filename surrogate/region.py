"""What was measured, and whether a design is within: outside, no error is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from surrogate.features import CHOICES, NUMBER_COLUMNS, SWITCHES, checked_numbers

#: Parameters whose values say which hardware there is: each two of them must have been measured
#: together, for what one does to the other is not the sum of both.
_KINDS = (*CHOICES, *SWITCHES, "precision_modes", "pipeline_stages")
_RANGES = tuple(name for name in NUMBER_COLUMNS if name not in _KINDS)


@dataclass(frozen=True, kw_only=True)
class Region:
    """The measured region.

    Attributes:
        kinds: measured values of each parameter that says which hardware there is.
        pairs: pairs of such parameters, and the pairs of values that were measured.
        numbers: least and greatest value of every other parameter.
    """

    kinds: dict[str, tuple[str, ...]]
    pairs: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self:
        """The region of a table of design points.

        Raises:
            InputError: if one is none (``surrogate.features.checked_numbers``).
        """
        columns = checked_numbers(table)
        kinds = _kind_columns(table)
        return cls(
            kinds={name: _values(column) for name, column in kinds.items()},
            pairs={name: _values(column) for name, column in _pair_columns(kinds).items()},
            numbers={n: (float(columns[n].min()), float(columns[n].max())) for n in _RANGES},
        )

    @property
    def checks(self) -> tuple[str, ...]:
        """What a design can be outside of, in the order in which it is looked at."""
        return (*self.kinds, *self.numbers, *self.pairs)

    def outside(self, table: pd.DataFrame) -> pd.Series:
        """What each design is outside of.

        Args:
            table: design points, ``n`` rows.

        Returns:
            Categories of ``checks``, shape ``(n,)``: the first that is not as measured; missing
            where all is. The index of the table.
        """
        codes: NDArray[np.int8] = np.full(len(table), -1, dtype=np.int8)
        kinds = _kind_columns(table)
        groups = ((self.kinds, kinds), (self.pairs, _pair_columns(kinds)))
        wrong = {
            name: ~columns[name].isin(known[name]).to_numpy()
            for known, columns in groups
            for name in known
        }
        for name, (low, high) in self.numbers.items():
            values = table[name].to_numpy()
            wrong[name] = (values < low) | (values > high)
        for code, name in reversed(list(enumerate(self.checks))):
            codes[wrong[name]] = code
        return _series(codes, list(self.checks)).set_axis(table.index)

    def say(self, check: str, design: pd.Series) -> str:
        """Why a design is outside, for people.

        Args:
            check: one of ``checks``.
            design: its parameters.
        """
        if check in self.numbers:
            low, high = self.numbers[check]
            return f"{check} {design[check]:g} is not in the measured {low:g}..{high:g}"
        names = check.split(" with ")
        value = " with ".join(f"{name} {design[name]}" for name in names)
        known = f" ({', '.join(self.kinds[check])})" if check in self.kinds else ""
        return f"{value} was not measured{known}"


def _kind_columns(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The parameters in ``_KINDS`` as categories of text; whole numbers read alike in any type."""
    columns = {}
    for name in _KINDS:
        column = table[name] if name in CHOICES else table[name].astype(np.int64)
        codes, values = pd.factorize(column)
        texts = [str(value) for value in values]
        columns[name] = _series(codes, texts)
    return columns


def _pair_columns(kinds: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """Each two of them, as categories: one for each pair of values."""
    columns = {}
    for first, second in itertools.combinations(kinds, 2):
        one, other = kinds[first].cat, kinds[second].cat
        width = len(other.categories)
        codes = one.codes.to_numpy().astype(np.int64) * width + other.codes.to_numpy()
        texts = [f"{a} {b}" for a in one.categories for b in other.categories]
        columns[f"{first} with {second}"] = _series(codes, texts)
    return columns


def _series(codes: NDArray[Any], categories: list[str]) -> pd.Series:
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(categories)))


def _values(column: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(column.cat.remove_unused_categories().cat.categories))
