"""How long the paths of a PE are, in a hurry and at leisure, and how hurried a period makes it.

Synthesis follows the period that it aims at only between two ends. Above what the smallest logic
takes (adders that ripple: delays grow with the bits) there is nothing to gain, and the least period
stays where it is; below what the quickest takes (carries looked ahead: delays grow with their
logarithm) nothing helps. Between, logic grows the more, the nearer the period is to the lower end.
Both ends are sums of what stands in a cycle, by pipeline stages:

====== ===================================================
stages longest of
====== ===================================================
1      read + multiply + sum
2      read; multiply + sum
3      read; multiply; sum
4      read; half of multiply; sum
====== ===================================================

The coefficients, none negative, are fitted to measured least periods; few measurements leave them
near those of freepdk45, all scaled by one factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Column = NDArray[np.float64]
Matrix = NDArray[np.float64]

#: Delays in ps of each part of a path: in freepdk45, at leisure and in a hurry.
_PRIOR: dict[str, tuple[float, float]] = {
    "always": (10, 137),
    # Read of the scratchpads.
    "read": (162, 11),
    "read_levels": (35, 12),
    "sram": (300, 283),
    "sram_levels": (20, 19),
    # Multiply, or shift.
    "multiplies": (10, 60),
    "multiply_rows": (25, 40),
    "product_bits": (10, 27),
    "shifts": (10, 10),
    "shift_rows": (10, 16),
    "fp_multiplies": (393, 290),
    "fp_multiply_bits": (114, 59),
    "array_bits": (5, 7),
    # Sum.
    "sums": (10, 60),
    "sum_bits": (36, 74),
    "psum_read_levels": (180, 38),
    "fp_sums": (834, 10),
    "fp_sum_bits": (72, 254),
}
#: Ways in which a coefficient depends on bits: at leisure linear, in a hurry by their logarithm.
_READ = ("read", "read_levels", "sram", "sram_levels")
_MULTIPLY = (
    "multiplies", "multiply_rows", "product_bits", "shifts", "shift_rows", "fp_multiplies",
    "fp_multiply_bits", "array_bits",
)  # fmt: skip
_SUM = ("sums", "sum_bits", "psum_read_levels", "fp_sums", "fp_sum_bits")
_ALWAYS = list(_PRIOR).index("always")
_GROUPS = tuple([list(_PRIOR).index(name) for name in names] for names in (_READ, _MULTIPLY, _SUM))
#: Paths of a cycle by stages, as the table says: what is in each of reading, multiplying, summing.
_PATHS = np.array(
    [
        [[1, 1, 1], [0, 0, 0], [0, 0, 0]],
        [[1, 0, 0], [0, 1, 1], [0, 0, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0.5, 0], [0, 0, 1]],
    ]
)
#: Power of the mean that stands for the longest of several paths: near-equal ones add a little.
_POWER = 8.0
#: Weight of the distance from the prior, relative to its size and this many ps, in each residual.
_TRUST = 0.02
_LEAST_PS = 10.0


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Coefficients of the two ends.

    Attributes:
        leisure, hurry: ps for each part of ``_PRIOR``, in its order.
        met: least period over the period asked for, where synthesis follows that.
    """

    leisure: tuple[float, ...] = tuple(leisure for leisure, _ in _PRIOR.values())
    hurry: tuple[float, ...] = tuple(hurry for _, hurry in _PRIOR.values())
    met: float = 0.93

    @classmethod
    def fit(cls, columns: Mapping[str, Column], least_period_ps: Column) -> Self:
        """Fit to measured least periods, shape ``(n,)``.

        Args:
            columns: features by name (``surrogate.features.feature_columns``).
        """
        sizes, shares = _sizes(columns), _shares(columns["pipeline_stages"])
        period_ps = columns["period_ps"]

        def expected(values: Column) -> tuple[Column, Matrix]:
            return cls._of(values)._expected(sizes, shares, period_ps)

        prior = cls()._vector()
        factor = np.ones_like(prior)
        for _ in range(5):  # what is in time for one kit is not for another
            scale = float(np.median(least_period_ps / expected(prior * factor)[0]))
            factor[:-1] *= scale
        prior = prior * factor
        trust = _TRUST / (prior + _LEAST_PS * factor)

        def residuals(values: Column) -> Column:
            errors = np.log(expected(values)[0] / least_period_ps)
            return np.concatenate([errors, trust * (values - prior)])

        def slopes(values: Column) -> Matrix:
            found, slope = expected(values)
            return np.concatenate([slope / found[:, None], np.diag(trust)])

        found = least_squares(
            residuals, prior, jac=slopes, bounds=(1e-6, np.inf), loss="soft_l1", f_scale=0.1,
            max_nfev=100,
        )  # fmt: skip
        return cls._of(found.x)

    def features(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Features of each design.

        Args:
            columns: features by name.

        Returns:
            ``relaxed_ps`` and ``quickest_ps``, the two ends; ``expected_period_ps``, the least
            period to be expected; ``hurry``, from 0 at the upper end, or above, to 1 at the lower.
        """
        sizes, shares = _sizes(columns), _shares(columns["pipeline_stages"])
        (leisure, _), (quickest, _) = self._ends(sizes, shares)
        relaxed, _ = _longest(np.stack([leisure, quickest]))  # hurrying makes nothing slower
        period_ps = columns["period_ps"]
        expected, _ = self._expected(sizes, shares, period_ps)
        between = np.maximum(relaxed - quickest, 1.0)
        return {
            "relaxed_ps": relaxed,
            "quickest_ps": quickest,
            "expected_period_ps": expected,
            "hurry": np.clip((relaxed - period_ps) / between, 0.0, 1.0),
        }

    @classmethod
    def _of(cls, values: Column) -> Self:
        leisure, hurry = values[:-1].reshape(2, -1).tolist()
        return cls(leisure=tuple(leisure), hurry=tuple(hurry), met=float(values[-1]))

    def _vector(self) -> Column:
        return np.array([*self.leisure, *self.hurry, self.met])

    def _expected(
        self, sizes: tuple[Matrix, Matrix], shares: Matrix, period_ps: Column
    ) -> tuple[Column, Matrix]:
        """Least periods, and their slopes by each value of ``_vector``."""
        (leisure, by_leisure), (quickest, by_hurry) = self._ends(sizes, shares)
        followed, (of_leisure, of_period) = _shortest(leisure, self.met * period_ps)
        expected, (of_quickest, of_followed) = _longest(np.stack([quickest, followed]))
        slopes = np.column_stack(
            [
                (of_followed * of_leisure)[:, None] * by_leisure,
                of_quickest[:, None] * by_hurry,
                of_followed * of_period * period_ps,
            ]
        )
        return expected, slopes

    def _ends(
        self, sizes: tuple[Matrix, Matrix], shares: Matrix
    ) -> tuple[tuple[Column, Matrix], tuple[Column, Matrix]]:
        return (
            _end(np.array(self.leisure), sizes[0], shares),
            _end(np.array(self.hurry), sizes[1], shares),
        )


def _end(values: Column, sizes: Matrix, shares: Matrix) -> tuple[Column, Matrix]:
    """Delays with these coefficients, and their slopes by each of them."""
    groups = [sizes[:, at] @ values[at] for at in _GROUPS]
    longest, of_path = _longest(np.einsum("npg,gn->pn", shares, np.stack(groups)))
    slopes = sizes.copy()
    for at, of_group in zip(_GROUPS, np.einsum("pn,npg->gn", of_path, shares), strict=True):
        slopes[:, at] *= of_group[:, None]
    return values[_ALWAYS] + longest, slopes


def _shares(stages: Column) -> Matrix:
    """Of each design ``[paths, groups]``: what of reading, multiplying and summing is in a path."""
    chosen: Matrix = _PATHS[stages.astype(np.intp) - 1]
    return chosen


def _sizes(columns: Mapping[str, Column]) -> tuple[Matrix, Matrix]:
    """``_parts``, a column for each of ``_PRIOR``."""
    leisure, hurry = (
        np.column_stack([sizes[name] for name in _PRIOR]) for sizes in _parts(columns)
    )
    return leisure, hurry


def _parts(columns: Mapping[str, Column]) -> tuple[dict[str, Column], dict[str, Column]]:
    """How much of each part of ``_PRIOR`` there is, at leisure and in a hurry."""
    terms, is_fp, macro = columns["terms"], columns["is_fp"], columns["is_sram"]
    shifts = (terms > 0).astype(np.float64)
    multiplies = 1 - np.maximum(shifts, is_fp)
    significand = np.where(columns["act_bits"] > 16, 24.0, 8.0)
    common = {
        "always": np.ones_like(terms),
        "read": 1 - macro,
        "read_levels": (1 - macro) * columns["read_levels"],
        "sram": macro,
        "sram_levels": macro * np.log2(columns["filter_depth"]),
        "multiplies": multiplies,
        "shifts": shifts,
        "fp_multiplies": is_fp,
        "sums": 1 - is_fp,
        "psum_read_levels": columns["psum_read_levels"],
        "fp_sums": is_fp,
    }
    sized = {
        "multiply_rows": (multiplies, columns["multiply_rows"]),
        "product_bits": (multiplies, columns["product_bits"]),
        "shift_rows": (shifts, columns["multiply_rows"]),
        "fp_multiply_bits": (is_fp, significand),
        "array_bits": (columns["is_array"], columns["product_bits"]),
        "sum_bits": (1 - is_fp, columns["psum_bits"]),
        "fp_sum_bits": (is_fp, columns["psum_bits"]),
    }
    leisure = {name: kind * size for name, (kind, size) in sized.items()}
    hurry = {name: kind * np.log2(np.maximum(1.0, size)) for name, (kind, size) in sized.items()}
    return {**common, **leisure}, {**common, **hurry}


def _longest(paths: Matrix) -> tuple[Column, Matrix]:
    """About the longest of several paths, ``[paths, n]``, and its slopes by each."""
    most = np.maximum(paths.max(axis=0), 1e-9)
    longest: Column = most * ((paths / most) ** _POWER).sum(axis=0) ** (1 / _POWER)
    return longest, (paths / longest) ** (_POWER - 1)


def _shortest(first: Column, second: Column) -> tuple[Column, Matrix]:
    """Likewise of the shorter of two."""
    longest, slopes = _longest(1 / np.stack([first, second]))
    shortest: Column = 1 / longest
    return shortest, slopes * (shortest / np.stack([first, second])) ** 2
