"""What a plan will measure, before it does: how many points, how long, and what they cover."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import RandomForestRegressor

from characterize.dataset import read_dataset
from rtl_gen.errors import InputError
from rtl_gen.plan import Plan
from rtl_gen.space import POINT_COLUMNS, Space
from surrogate.features import feature_matrix

#: Measured points that came with the project, with the seconds they took.
SHIPPED = Path(__file__).resolve().parent.parent / "data" / "flows.csv"
#: Fewer measured points tell nothing about time.
_LEAST_MEASURED = 20
#: Points of a space that is too large to be listed, to see which pairs of values it has.
_SAMPLED = 100_000


@dataclass(frozen=True, kw_only=True)
class Cost:
    """How long the points that are not measured yet will take.

    Attributes:
        seconds: of processor time, all together.
        source: file with the measured points it was learnt from.
        measured: how many these were.
    """

    seconds: float
    source: str
    measured: int


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """A plan.

    Attributes:
        plan: how points were chosen.
        points: how many there are.
        stored: how many of them the store, or a dataset that was named, has.
        combinations: of the space, legal or not.
        cost: of the others, without energies per action; None if nothing was measured that tells.
        with_actions: these come on top.
        coverage: for each parameter with more than one value: ``values`` of the space, how many
            of them are ``used``, and ``least`` and ``most`` points of one.
        pairs, pairs_used: pairs of values of two parameters that some point of the space has, and
            that one of the plan has.
    """

    plan: Plan
    points: int
    stored: int
    combinations: int
    cost: Cost | None
    with_actions: bool
    coverage: pd.DataFrame
    pairs: int
    pairs_used: int

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        cost = self.cost
        return {
            "plan": {"kind": self.plan.kind, "points": self.plan.points, "seed": self.plan.seed},
            "points": self.points,
            "stored": self.stored,
            "combinations": self.combinations,
            "cost": cost and {
                "seconds": round(cost.seconds), "source": cost.source, "measured": cost.measured,
            },
            "coverage": self.coverage.to_dict("records"),
            "with_actions": self.with_actions,
            "pairs": self.pairs,
            "pairs_used": self.pairs_used,
        }  # fmt: skip


def plan_report(
    space: Space,
    plan: Plan,
    table: pd.DataFrame,
    *,
    stored: pd.Series,
    flow: str,
    with_actions: bool = False,
    measured: Path | None = None,
) -> PlanReport:
    """Points, cost and coverage of a plan.

    Args:
        table: its points (``rtl_gen.plan.plan_table``).
        stored: whether the store has each.
        flow: that will measure them.
        measured: dataset to learn times from, if it has enough points of the flow.
    """
    # A sample of a large space may lack what a small block has, and the plan drew.
    every = pd.concat([space.table(limit=_SAMPLED), table], ignore_index=True)
    varied = [n for n in POINT_COLUMNS if n != "psum_bits" and every[n].nunique() > 1]
    coverage, pairs = _coverage(every, table), _pairs(every, varied)
    return PlanReport(
        plan=plan, points=len(table), stored=int(stored.sum()), combinations=space.size,
        cost=estimate_cost(table[~stored.to_numpy()], flow, measured), coverage=coverage,
        with_actions=with_actions,
        pairs=len(pairs), pairs_used=len(_pairs(table, varied)),
    )  # fmt: skip


def estimate_cost(table: pd.DataFrame, flow: str, measured: Path | None) -> Cost | None:
    """Processor time of points, from a random forest on the seconds that others took.

    Sums of sixteen points were within a factor of about two in cross-validation on
    ``data/flows.csv``; its times are of a busy machine.
    """
    for path in (measured, SHIPPED):
        if path is None or not path.is_file():
            continue
        try:
            known = read_dataset(path)
        except InputError:
            continue
        known = known[(known["status"] == "ok") & (known["flow"] == flow)]
        if len(known) < _LEAST_MEASURED:
            continue
        steps = [name for name in known if str(name).startswith("seconds_")]
        forest = RandomForestRegressor(200, min_samples_leaf=2, random_state=1)
        forest.fit(feature_matrix(known[list(POINT_COLUMNS)]), known[steps].sum(axis=1))
        seconds = forest.predict(feature_matrix(table)).sum() if len(table) else 0.0
        source = "data/flows.csv" if path == SHIPPED else str(path)
        return Cost(seconds=float(seconds), source=source, measured=len(known))
    return None


def _coverage(every: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name in POINT_COLUMNS:
        values = every[name].unique()
        if len(values) < 2:
            continue
        counts = table[name].value_counts()
        each = [int(counts.get(value, 0)) for value in values]
        rows.append(
            {"parameter": name, "values": len(values), "used": int(np.count_nonzero(each)),
             "least": min(each), "most": max(each)}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["parameter", "values", "used", "least", "most"])


def _pairs(table: pd.DataFrame, varied: list[str]) -> set[tuple[Any, ...]]:
    """Every pair of values of two of these parameters that some row has."""
    found = set()
    for first, second in itertools.combinations(varied, 2):
        both = table[[first, second]].drop_duplicates()
        found |= {(first, second, *pair) for pair in both.itertuples(index=False, name=None)}
    return found


def print_plan(report: PlanReport, console: Console, *, jobs: int, command: str) -> None:
    """The plan as a table and a few lines."""
    table = Table("parameter", "values", "used", "points of each", title="What the plan covers")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in report.coverage.to_dict("records"):
        table.add_row(
            row["parameter"], str(row["values"]), str(row["used"]),
            f"{row['least']}..{row['most']}" if row["least"] < row["most"] else str(row["most"]),
        )  # fmt: skip
    console.print(table)
    kind = report.plan.kind if report.plan.points is None else (
        f"{report.plan.kind}, seed {report.plan.seed}"
    )  # fmt: skip
    lines = [
        f"{report.points:,} points ({kind}) of {report.combinations:,} combinations, "
        f"{report.stored:,} of them measured before",
    ]
    if report.pairs:
        lines.append(
            f"pairs of values: {report.pairs_used:,} of {report.pairs:,} that the space has "
            f"({report.pairs_used / report.pairs:.0%})"
        )
    if report.cost is None:
        lines.append("cost: unknown, as nothing was measured by this flow yet")
    else:
        cost = report.cost
        lines.append(
            f"cost: about {duration(cost.seconds)} of processor time, "
            f"{duration(cost.seconds / jobs)} with {jobs} jobs "
            f"(from the times of {cost.measured} points in {cost.source})"
        )
        if report.with_actions and report.stored < report.points:
            lines.append("energies per action come on top, and take about as long again")
    for line in [*lines, f"next: {command}"]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """In the unit that gives the fewest digits before the point, but at least two of it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
