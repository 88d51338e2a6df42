"""How many measurements active learning saves, against points at random and in the plan's order.

Replays campaigns on a measured dataset: ``python -m benchmarks.active DATASET [SEEDS]``. Each seed
draws another audited share (``surrogate.active``), which judges all three ways of choosing; the
error to reach is the mean of what points at random reach with half of the dataset. A table of
the errors by points goes before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from rtl_gen.space import POINT_COLUMNS
from surrogate.active import AIMS, Learner, Strategy
from surrogate.training_set import of_flow, read_measurements, training_table


def main() -> None:
    """Replay, and print means over seeds."""
    table = training_table(of_flow(read_measurements(Path(sys.argv[1])), "placed"))
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with threadpool_limits(1):
        rows = pd.DataFrame(
            row for seed in range(seeds) for way in get_args(Strategy)
            for row in replay(table, way, seed)
        )  # fmt: skip
    errors = rows.pivot_table(index="points", columns=["target", "way"], values="error_pct")
    print(errors.round(2).to_string())
    print(f"\npoints to reach what random points reach with half of {len(table)}; {seeds} seeds")
    for target in AIMS.values():
        each = {way: errors[target, way].dropna() for way in get_args(Strategy)}
        half = np.interp(len(table) / 2, each["random"].index, each["random"])
        needed = {way: first_below(errors, float(half)) for way, errors in each.items()}
        words = ", ".join(f"{way} {points:.0f}" for way, points in needed.items())
        saved = 100 * (1 - needed["intervals"] / needed["random"])
        print(f"{target}: {half:.2f} %: {words}; saved against random {saved:.0f} %")


def replay(table: pd.DataFrame, way: Strategy, seed: int) -> Iterator[dict[str, object]]:
    """Errors of each target after each round of a campaign."""
    learner = Learner(table[list(POINT_COLUMNS)], dict.fromkeys(AIMS.values(), 1.0), seed=seed,
                      strategy=way)  # fmt: skip
    asked: list[int] = []
    while positions := learner.ask():
        asked += positions
        found = learner.judge(table.loc[asked])
        # All are judged by the whole share, not by the part that a campaign would have measured.
        for target, error in learner.errors_pct(table).items():
            yield {"way": way, "seed": seed, "points": found.learnt, "target": target,
                   "error_pct": error}  # fmt: skip


def first_below(errors: pd.Series, aim: float) -> float:
    """Points at which errors are at the aim for the first time, between rounds; nan if never."""
    points, values = errors.index.to_numpy(dtype=float), errors.to_numpy()
    below = np.flatnonzero(values <= aim)
    if not len(below):
        return float("nan")
    at = int(below[0])
    if at == 0:
        return float(points[0])
    share = (values[at - 1] - aim) / (values[at - 1] - values[at])
    return float(points[at - 1] + share * (points[at] - points[at - 1]))


if __name__ == "__main__":
    main()
