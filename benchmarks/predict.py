"""Predictions a second: one design, and many, by one stack of trees and by a call for each target.

``python -m benchmarks.predict DATASET [DESIGNS]`` trains on a dataset and predicts designs of
``configs/spaces/full.yaml``: all targets, whether each design is inside what was measured, with
intervals and without, on all processors.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from explorer.bulk import CHUNK, designs_of_space
from rtl_gen.space import load_space
from surrogate.features import feature_matrix
from surrogate.model import Surrogate
from surrogate.training_set import of_flow, read_measurements, training_table

_SINGLE = 200


def main() -> None:
    """Time all of them."""
    table = training_table(of_flow(read_measurements(Path(sys.argv[1])), "placed"))
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    surrogate = Surrogate.fit(table, n_jobs=os.cpu_count() or 1)
    one = table.head(1)
    surrogate.predict(one)
    seconds = timed(lambda: [surrogate.predict(one) for _ in range(_SINGLE)])
    print(f"one design, with intervals: {1000 * seconds / _SINGLE:.2f} ms")
    space = load_space(Path("configs/spaces/full.yaml"))
    ways: dict[str, Callable[[pd.DataFrame], Any]] = {
        "values": lambda chunk: surrogate.predict(chunk, intervals=False),
        "with intervals": surrogate.predict,
        "values, a call for each target": lambda chunk: by_target(surrogate, chunk),
    }
    spent = dict.fromkeys(ways, 0.0)
    designs = 0
    for chunk in designs_of_space(space, number, 0):
        designs += len(chunk)
        for name, way in ways.items():
            spent[name] += timed(lambda way=way, chunk=chunk: way(chunk))
        alike(surrogate, chunk)
    for name, seconds in spent.items():
        print(
            f"{designs:,} designs, {name}: {seconds:.1f} s, {1e6 * seconds / designs:.1f} us each"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"most memory, in chunks of {CHUNK:,}: {peak:.2f} GiB")


def by_target(surrogate: Surrogate, chunk: pd.DataFrame) -> dict[str, np.ndarray]:
    """What one would write first."""
    features = feature_matrix(chunk, surrogate.delays)
    return {
        target: predictor.regressor.predict(features)
        for target, predictor in surrogate.predictors.items()
    }


def alike(surrogate: Surrogate, chunk: pd.DataFrame) -> None:
    """Both ways say the same."""
    few = chunk.head(1000)
    stack = surrogate.predict(few, intervals=False)
    for target, values in by_target(surrogate, few).items():
        np.testing.assert_allclose(stack[target], values, rtol=1e-9)


def timed(what: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
