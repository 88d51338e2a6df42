"""Measure a plan until its surrogate is as good as is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from characterize.dataset import dataset_table, write_dataset
from characterize.measurement import Measurement, Point
from explorer.campaigns import Summary
from rtl_gen.space import POINT_COLUMNS
from surrogate.active import Judgement, Learner
from surrogate.training_set import training_table


@dataclass(frozen=True, kw_only=True)
class Learning:
    """What came of it.

    Attributes:
        rounds: the judgement after each.
        planned, measured, failed: points.
        aims: in percent, by target.
        dataset: what was written, if anything.
    """

    rounds: list[Judgement]
    planned: int
    measured: int
    failed: int
    aims: dict[str, float]
    dataset: Path | None

    @property
    def reached(self) -> bool:
        """Whether all aims were."""
        return self.rounds[-1].reached

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            **vars(self),
            "rounds": [vars(one) for one in self.rounds],
            "dataset": None if self.dataset is None else str(self.dataset),
            "reached": self.reached,
        }


def measure_until(
    points: Sequence[Point],
    aims: Mapping[str, float],
    *,
    measure: Callable[[list[Point]], Summary],
    dataset: Path | None,
    seed: int,
    tell: Callable[[str], None],
) -> Learning:
    """Measure those points of a plan that help most, round by round, until the aims are reached.

    Args:
        points: the plan.
        aims: mean errors in percent, by target (``surrogate.active.parse_aims``).
        measure: measures some points; what was measured before costs nothing.
        dataset: CSV to write after each round.
        seed: of the audited share.
        tell: takes a line about each round.

    Raises:
        InputError: if the plan is too small, or too little of it could be measured.
    """
    plan = pd.DataFrame([{**p.design.to_dict(), "period_ps": p.period_ps} for p in points])
    learner = Learner(plan[list(POINT_COLUMNS)], aims, seed=seed)
    asked: list[int] = []
    known: list[Measurement] = []
    rounds: list[Judgement] = []
    while positions := learner.ask():
        known += measure([points[at] for at in positions]).measurements
        asked += positions
        table = dataset_table([points[at] for at in asked], known)
        if dataset is not None:
            write_dataset(dataset, table)
        good = [at for at, one in zip(asked, known, strict=True) if one.status == "ok"]
        rounds.append(learner.judge(training_table(table).set_axis(good)))
        tell(_line(len(rounds), rounds[-1], aims))
        if rounds[-1].reached:
            break
    return Learning(
        rounds=rounds,
        planned=len(points),
        measured=len(asked),
        failed=sum(one.status != "ok" for one in known),
        aims=dict(aims),
        dataset=dataset,
    )


def _line(number: int, found: Judgement, aims: Mapping[str, float]) -> str:
    errors = ", ".join(
        f"{target} {found.errors_pct[target]:.1f} % (aim {aim:g})" for target, aim in aims.items()
    )
    return f"round {number}: {found.learnt} points learnt, {found.audited} audited: {errors}"
