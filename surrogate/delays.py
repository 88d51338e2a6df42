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
        parts = _parts(columns)
        stages, period_ps = columns["pipeline_stages"], columns["period_ps"]

        def expected(values: Column) -> Column:
            found = cls._of(values)
            return found._expected(*found._ends(parts, stages), period_ps)

        prior = cls()._vector()
        factor = np.ones_like(prior)
        for _ in range(5):  # what is in time for one kit is not for another
            scale = float(np.median(least_period_ps / expected(prior * factor)))
            factor[:-1] *= scale
        prior = prior * factor

        def residuals(values: Column) -> Column:
            errors = np.log(expected(values) / least_period_ps)
            return np.concatenate(
                [errors, _TRUST * (values - prior) / (prior + _LEAST_PS * factor)]
            )

        found = least_squares(
            residuals, prior, bounds=(1e-6, np.inf), loss="soft_l1", f_scale=0.1, max_nfev=100
        )
        return cls._of(found.x)

    def features(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Features of each design.

        Args:
            columns: features by name.

        Returns:
            ``relaxed_ps`` and ``quickest_ps``, the two ends; ``expected_period_ps``, the least
            period to be expected; ``hurry``, from 0 at the upper end, or above, to 1 at the lower.
        """
        leisure, quickest = self._ends(_parts(columns), columns["pipeline_stages"])
        relaxed = _longest(leisure, quickest)  # who hurries is not slower than who does not
        period_ps = columns["period_ps"]
        between = np.maximum(relaxed - quickest, 1.0)
        return {
            "relaxed_ps": relaxed,
            "quickest_ps": quickest,
            "expected_period_ps": self._expected(leisure, quickest, period_ps),
            "hurry": np.clip((relaxed - period_ps) / between, 0.0, 1.0),
        }

    @classmethod
    def _of(cls, values: Column) -> Self:
        leisure, hurry = values[:-1].reshape(2, -1).tolist()
        return cls(leisure=tuple(leisure), hurry=tuple(hurry), met=float(values[-1]))

    def _vector(self) -> Column:
        return np.array([*self.leisure, *self.hurry, self.met])

    def _expected(self, leisure: Column, quickest: Column, period_ps: Column) -> Column:
        return _longest(quickest, _shortest(leisure, self.met * period_ps))

    def _ends(
        self, parts: tuple[Mapping[str, Column], ...], stages: Column
    ) -> tuple[Column, Column]:
        ends = []
        for values, sizes in zip((self.leisure, self.hurry), parts, strict=True):
            each = dict(zip(_PRIOR, values, strict=True))

            def delay(
                names: tuple[str, ...],
                each: Mapping[str, float] = each,
                sizes: Mapping[str, Column] = sizes,
            ) -> Column:
                total: Column = np.sum([each[name] * sizes[name] for name in names], axis=0)
                return total

            read, multiply, total = delay(_READ), delay(_MULTIPLY), delay(_SUM)
            cycle = np.select(
                [stages == 1, stages == 2, stages == 3],
                [
                    read + multiply + total,
                    _longest(read, multiply + total),
                    _longest(read, multiply, total),
                ],
                _longest(read, multiply / 2, total),
            )
            ends.append(each["always"] + cycle)
        return ends[0], ends[1]


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


def _longest(*paths: Column) -> Column:
    stacked = np.stack(paths)
    most = np.maximum(stacked.max(axis=0), 1e-9)
    longest: Column = most * ((stacked / most) ** _POWER).sum(axis=0) ** (1 / _POWER)
    return longest


def _shortest(first: Column, second: Column) -> Column:
    shortest: Column = 1 / _longest(1 / first, 1 / second)
    return shortest
