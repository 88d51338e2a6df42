"""Time predictions for 100,000 designs, all four targets, on one core, step by step.

Run: ``python -m benchmarks.predict [DATASET]`` (default ``build/dataset.csv``). The naive version
predicts one design a call, for a few; its time for all is extrapolated.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from characterize.dataset import read_dataset
from rtl_gen.space import Block, Space
from surrogate.features import feature_matrix
from surrogate.model import Surrogate
from surrogate.training_set import training_table

DESIGNS = 100_000
NAIVE_DESIGNS = 100
#: The best of this many is printed: what the code costs, not what else the machine did.
REPEATS = 5

SPACE = Space(
    name="benchmark",
    blocks=(
        Block(
            axes={
                "family": ("int", "lightpe", "pow2"),
                "act_bits": tuple(range(2, 17)),
                "weight_bits": tuple(range(2, 17)),
                "terms": (1, 2, 3),
                "ifmap_depth": (4, 8, 12, 16, 24),
                "filter_depth": (32, 64, 128, 224, 448),
                "psum_depth": (8, 16, 24, 32),
                "pipeline_stages": (1, 2, 3, 4),
                "period_ps": (1000, 1500, 2000),
            },
            largest_layer=None,
        ),
    ),
)


def best_seconds(step: Callable[[], object], repeats: int = REPEATS) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def report(what: str, seconds: float, designs: int = DESIGNS) -> None:
    print(f"{what:48} {seconds:9.3f} s {designs / seconds:13,.0f} designs/s")


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, whatever asks for more
    dataset = Path(sys.argv[1] if len(sys.argv) > 1 else "build/dataset.csv")
    measured = training_table(read_dataset(dataset))
    surrogate = Surrogate.fit(measured)
    print(f"{DESIGNS:,} designs, one core, surrogate of {len(measured)} points from {dataset}")

    table = SPACE.table(limit=DESIGNS)
    features = feature_matrix(table)
    report("draw and resolve the table", best_seconds(lambda: SPACE.table(limit=DESIGNS)))
    report("features", best_seconds(lambda: feature_matrix(table)))
    for target, regressor in surrogate.regressors.items():
        report(target, best_seconds(partial(regressor.predict, features)))
    report("predict: features and all targets", best_seconds(lambda: surrogate.predict(table)))

    rows = [table.iloc[[number]] for number in range(NAIVE_DESIGNS)]
    few = best_seconds(lambda: [surrogate.predict(row) for row in rows], repeats=1)
    report("naive: one design a call (extrapolated)", few / NAIVE_DESIGNS * DESIGNS)


if __name__ == "__main__":
    main()
