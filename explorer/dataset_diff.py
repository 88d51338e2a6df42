"""Two datasets side by side: points that one lacks, and by how much numbers differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from characterize.dataset import read_dataset
from characterize.dataset_schema import DIGESTS, POINT_IDENTITY
from characterize.measurement import METRICS


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Of two datasets.

    Attributes:
        common: points in both.
        only_first, only_second: names of points of one alone.
        status: points that failed in one alone.
        metrics: of those measured in both, one row for each metric that differs: how many points
            do, and by how much in the mean and at most, in % of the first.
        digests: points whose RTL, flow, netlist or tools are others, by column.
    """

    common: int
    only_first: list[str]
    only_second: list[str]
    status: list[str]
    metrics: pd.DataFrame
    digests: dict[str, int]

    @property
    def same(self) -> bool:
        """The same points with the same numbers."""
        return not (self.only_first or self.only_second or self.status or len(self.metrics))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**vars(self), "metrics": self.metrics.to_dict("records"), "same": self.same}

    def lines(self) -> list[str]:
        """For people, without the table."""
        lines = [f"{self.common:,} points in both"]
        for title, names in (
            ("in the first alone", self.only_first),
            ("in the second alone", self.only_second),
            ("failed in one alone", self.status),
        ):
            if names:
                more = f", and {len(names) - 3:,} more" if len(names) > 3 else ""
                lines.append(f"{len(names):,} {title}: {', '.join(names[:3])}{more}")
        lines += [f"{count:,} points with another {name}" for name, count in self.digests.items()]
        return [*lines, "the numbers are the same"] if self.same else lines

    def table(self) -> Table:
        """Of the metrics."""
        shown = Table("metric", "points that differ", "mean, %", "most, %")
        for row in self.metrics.to_dict("records"):
            shown.add_row(
                row["metric"], f"{row['points']:,}", f"{row['mean_pct']:.3g}",
                f"{row['most_pct']:.3g}",
            )  # fmt: skip
        return shown


def diff(first: Path, second: Path) -> Difference:
    """Compare two datasets, CSV files or folders; run times do not count.

    Raises:
        InputError: if one cannot be read.
    """
    left, right = (
        read_dataset(path).set_index(list(POINT_IDENTITY), drop=False) for path in (first, second)
    )
    both = left.index.intersection(right.index)
    a, b = left.loc[both], right.loc[both]
    ok = ((a["status"] == "ok") & (b["status"] == "ok")).to_numpy()
    return Difference(
        common=len(both),
        only_first=list(left.loc[left.index.difference(right.index), "name"]),
        only_second=list(right.loc[right.index.difference(left.index), "name"]),
        status=list(a.loc[(a["status"] != b["status"]).to_numpy(), "name"]),
        metrics=_metrics(a[ok], b[ok]),
        digests={
            name: count
            for name in DIGESTS
            if (count := int(((a[name] != b[name]) & (a[name] != "") & (b[name] != "")).sum()))
        },
    )


def _metrics(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name in METRICS:
        before, after = a[name].to_numpy(dtype=float), b[name].to_numpy(dtype=float)
        # CSV files have nine digits.
        other = ~np.isclose(before, after, rtol=1e-8, atol=0)
        if other.any():
            scale = np.maximum(np.abs(before[other]), 1e-12)
            off = 100 * np.abs(after[other] - before[other]) / scale
            rows.append({"metric": name, "points": int(other.sum()), "mean_pct": float(off.mean()),
                         "most_pct": float(off.max())})  # fmt: skip
    return pd.DataFrame(rows, columns=["metric", "points", "mean_pct", "most_pct"])
