"""Seconds per point and step of flow ``placed``, one point at a time on one core.

Run: ``python -m benchmarks.flow [SPACE]`` (default ``configs/spaces/quick.yaml``, some 5 minutes).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd

from explorer.campaigns import measure_points, plan_points
from rtl_gen.space import load_space


def main() -> None:
    space = Path(sys.argv[1] if len(sys.argv) > 1 else "configs/spaces/quick.yaml")
    points = plan_points(None, load_space(space))
    with tempfile.TemporaryDirectory() as folder:
        summary = measure_points(
            points,
            store=Path(folder, "store"),
            dataset=None,
            jobs=1,
            platform="freepdk45",
            quiet=False,
        )
    seconds = pd.DataFrame([m.seconds for m in summary.measurements if m.status == "ok"])
    seconds["total"] = seconds.sum(axis=1)
    table = seconds.agg(["min", "median", "mean", "max"]).T
    print(f"{len(seconds)} points of {space}, seconds per point:")
    print(table.to_string(float_format="%.2f"))


if __name__ == "__main__":
    main()
