"""Time the Pareto front of random points against the definition, pair by pair.

Run: ``python -m benchmarks.pareto``. The naive version is timed on fewer points, where both must
agree, and its time at the full size is extrapolated with the square of the number of points.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from explorer.pareto import non_dominated

NAIVE_POINTS = 4_000


def naive(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Compare each point with all others."""
    return np.array(
        [
            not ((values <= point).all(axis=1) & (values < point).any(axis=1)).any()
            for point in values
        ]
    )


def sample(kind: str, points: int, objectives: int) -> NDArray[np.float64]:
    """``independent``: small fronts. ``opposed``: each objective costs the others, large fronts."""
    values = np.random.default_rng(0).normal(size=(points, objectives))
    if kind == "opposed":
        values[:, -1] = 0.05 * values[:, -1] - values[:, :-1].sum(axis=1)
    return values


def main() -> None:
    print(f"{'points':>9} {'m':>2}  {'objectives':12} {'front':>8} {'seconds':>8} {'naive, s':>10}")
    for points in (100_000, 1_000_000):
        for objectives in (2, 3, 4):
            for kind in ("independent", "opposed"):
                values = sample(kind, points, objectives)
                start = time.perf_counter()
                front = non_dominated(values).sum()
                seconds = time.perf_counter() - start

                few = sample(kind, NAIVE_POINTS, objectives)
                start = time.perf_counter()
                expected = naive(few)
                naive_s = (time.perf_counter() - start) * (points / NAIVE_POINTS) ** 2
                assert np.array_equal(non_dominated(few), expected)
                print(
                    f"{points:9,} {objectives:2}  {kind:12} {front:8,} {seconds:8.3f} "
                    f"{naive_s:10,.0f} (extrapolated)"
                )


if __name__ == "__main__":
    main()
