"""What was measured, and whether a design is within: outside, no error is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from surrogate.canonical import families
from surrogate.features import CHOICES, NUMBER_COLUMNS, SWITCHES, checked_numbers

#: Parameters whose values say which hardware there is: each two of them must have been measured
#: together, for what one does to the other is not the sum of both.
KINDS = (*CHOICES, *SWITCHES, "precision_modes", "pipeline_stages")
_PAIRS = tuple(itertools.combinations(KINDS, 2))
_RANGES = tuple(name for name in NUMBER_COLUMNS if name not in KINDS)
_INSIDE = -1


@dataclass(frozen=True, kw_only=True)
class Region:
    """The measured region.

    Attributes:
        kinds: measured values of each parameter that says which hardware there is.
        pairs: pairs of such parameters, and the pairs of values that were measured.
        numbers: least and greatest value of every other parameter, in each family.
    """

    kinds: dict[str, tuple[str, ...]]
    pairs: dict[str, tuple[str, ...]]
    numbers: dict[str, dict[str, tuple[float, float]]]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self:
        """The region of a table of design points.

        Raises:
            InputError: if one is none (``surrogate.features.checked_numbers``).
        """
        columns = checked_numbers(table)
        rows, _ = _kinds_of(table)
        family = families(table).to_numpy()
        return cls(
            kinds={name: _sorted(row[i] for row in rows) for i, name in enumerate(KINDS)},
            pairs={
                _pair_name(*pair): _sorted(_pair(row, *pair) for row in rows) for pair in _PAIRS
            },
            numbers={
                name: {
                    str(f): (float(columns[name][family == f].min()),
                             float(columns[name][family == f].max()))
                    for f in sorted(set(family))
                }
                for name in _RANGES
            },
        )  # fmt: skip

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
        rows, place = _kinds_of(table)
        unknown: NDArray[np.int8] = np.array([self._unknown(row) for row in rows], dtype=np.int8)
        codes = unknown[place] if len(rows) else unknown
        low, high = self._limits([row[0] for row in rows])
        offset = len(self.kinds)
        for number in reversed(range(len(self.numbers))):
            values = table[_RANGES[number]].to_numpy()
            wrong = (values < low[number][place]) | (values > high[number][place])
            # Kinds are looked at first, pairs of them last.
            codes = np.where(wrong & ~((codes >= 0) & (codes < offset)), offset + number, codes)
        categories = pd.Index(self.checks)
        return pd.Series(
            pd.Categorical.from_codes(codes.astype(np.int8), categories=categories),
            index=table.index,
        )

    def _unknown(self, row: tuple[str, ...]) -> int:
        """The first of ``checks`` by which this hardware was not measured."""
        for code, name in enumerate(KINDS):
            if row[code] not in self.kinds[name]:
                return code
        for code, pair in enumerate(_PAIRS, len(self.kinds) + len(self.numbers)):
            if _pair(row, *pair) not in self.pairs[_pair_name(*pair)]:
                return code
        return _INSIDE

    def _limits(self, families: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest value of each number, in each of these families; none if unknown."""
        none = (-np.inf, np.inf)
        both = [[self.numbers[name].get(f, none) for f in families] for name in _RANGES]
        limits = np.array(both, dtype=np.float64).reshape(len(_RANGES), len(families), 2)
        return limits[:, :, 0], limits[:, :, 1]

    def reasons(self, row: pd.DataFrame) -> list[str]:
        """Everything that one design is outside of, for people: names, numbers, then pairs.

        Args:
            row: of a table, the only one.
        """
        (kinds,), _ = _kinds_of(row)
        low, high = (limits[:, 0] for limits in self._limits([kinds[0]]))
        unknown = [
            name for name, kind in zip(KINDS, kinds, strict=True) if kind not in self.kinds[name]
        ]
        far = [
            name
            for name, least, most in zip(_RANGES, low, high, strict=True)
            if not least <= row[name].iloc[0] <= most
        ]
        pairs = [
            _pair_name(*pair)
            for pair in _PAIRS
            if _pair(kinds, *pair) not in self.pairs[_pair_name(*pair)] and not {*pair} & {*unknown}
        ]
        return [self.say(check, row.iloc[0]) for check in (*unknown, *far, *pairs)]

    def say(self, check: str, design: pd.Series) -> str:
        """Why a design is outside, for people.

        Args:
            check: one of ``checks``.
            design: its parameters.
        """
        if check in self.numbers:
            (family,) = families(design.to_frame().T)
            low, high = self.numbers[check][family]
            return (
                f"{check} {design[check]:g} is not in the {low:g}..{high:g} that was measured of "
                f"{family}"
            )
        names = check.split(" with ")
        value = " with ".join(f"{name} {design[name]}" for name in names)
        known = f" ({', '.join(self.kinds[check])})" if check in self.kinds else ""
        return f"{value} was not measured{known}"


def _kinds_of(table: pd.DataFrame) -> tuple[list[tuple[str, ...]], NDArray[np.intp]]:
    """The different hardware in a table: few, however many designs there are.

    Returns:
        Values of ``KINDS`` as text, of each; and which of these every row of the table has.
    """
    codes, texts = [], []
    for name in KINDS:
        column = families(table) if name == "family" else table[name]
        found, values = pd.factorize(column if name in CHOICES else column.astype(np.int64))
        codes.append(found)
        texts.append([str(value) for value in values])
    if table.empty:
        return [], np.empty(0, dtype=np.intp)
    combined = np.ravel_multi_index(codes, [len(values) for values in texts])
    _, first, place = np.unique(combined, return_index=True, return_inverse=True)
    rows = [
        tuple(values[code[at]] for code, values in zip(codes, texts, strict=True)) for at in first
    ]
    return rows, place


def _pair_name(first: str, second: str) -> str:
    return f"{first} with {second}"


def _pair(row: tuple[str, ...], first: str, second: str) -> str:
    return f"{row[KINDS.index(first)]} {row[KINDS.index(second)]}"


def _sorted(values: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))
