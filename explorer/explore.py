"""Predict every point of a design space and keep those that no other one beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.pareto import non_dominated
from rtl_gen.errors import InputError, require_choice, require_int
from rtl_gen.space import Space
from surrogate.artifact import Artifact

#: With fewer measurements than this, an exploration says that it is a demonstration.
FEW_POINTS = 200
MAX_POINTS = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What makes a design good.

    Attributes:
        column: of the table of predictions.
        label: with the unit, for axes.
        short: with the unit, for columns.
        maximize: whether more is better.
    """

    column: str
    label: str
    short: str
    maximize: bool = False


OBJECTIVES = {
    "area_um2": Objective(column="area_um2", label="Area (µm²)", short="um2"),
    "least_period_ps": Objective(
        column="least_period_ps", label="Least period (ps)", short="period ps"
    ),
    "leakage_uw": Objective(column="leakage_uw", label="Leakage (µW)", short="leak uW"),
    "energy_per_mac_pj": Objective(
        column="energy_per_mac_pj", label="Energy per MAC (pJ)", short="pJ/MAC"
    ),
    "throughput": Objective(
        column="throughput_gmacs", label="Throughput (GMAC/s)", short="GMAC/s", maximize=True
    ),
    "throughput_per_area": Objective(
        column="throughput_gmacs_per_mm2",
        label="Throughput per area (GMAC/s/mm²)",
        short="GMAC/s/mm2",
        maximize=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class ExplorationResult:
    """A predicted design space and its Pareto front.

    Attributes:
        space: its name.
        combinations: of parameter values in the space, legal or not.
        sampled: whether ``points`` were drawn from these instead of being all legal ones.
        objectives: names, keys of ``OBJECTIVES``.
        points: columns ``POINT_COLUMNS``, those of all objectives, and ``outside`` (what of a
            point was not measured, missing where all was); a row for each point.
        front: the rows of ``points`` that are not dominated, best in the first objective first.
        notes: what a reader must know to trust the numbers, a sentence each.
    """

    space: str
    combinations: int
    sampled: bool
    objectives: tuple[str, ...]
    points: pd.DataFrame
    front: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def outside(self) -> int:
        """How many points have a parameter outside what was measured."""
        return int(self.points["outside"].notna().sum())


def explore(
    space: Space, artifact: Artifact, objectives: Sequence[str], *, n: int, seed: int = 0
) -> ExplorationResult:
    """Predict a design space and find its Pareto front.

    Args:
        space: of design points.
        artifact: the trained surrogate.
        objectives: one or more keys of ``OBJECTIVES``.
        n: most points to predict; a larger space is sampled.
        seed: of the sample.

    Raises:
        InputError: on an unknown or repeated objective, an ``n`` out of range, or a space without
            a legal point.
    """
    chosen = check_objectives(objectives, OBJECTIVES)
    require_int("n", n, 1, MAX_POINTS)
    require_int("seed", seed, 0, 2**31 - 1)
    points = predict_points(space.table(limit=n, seed=seed), artifact)
    columns = [objective.column for objective in chosen]
    on_front = non_dominated(points[columns], [objective.maximize for objective in chosen])
    front = points[on_front].sort_values(
        columns, ascending=[not objective.maximize for objective in chosen], ignore_index=True
    )
    return ExplorationResult(
        space=space.name,
        combinations=space.size,
        sampled=space.size > n,
        objectives=tuple(objectives),
        points=points,
        front=front,
        notes=_notes(artifact, points, front),
    )


def predict_points(table: pd.DataFrame, artifact: Artifact) -> pd.DataFrame:
    """Design points with everything that is predicted of them.

    Throughput is that of one MAC a cycle, in full precision, at the highest clock frequency that
    the predicted least period allows: ``1000 / least_period_ps`` GMAC/s; with ``serial_terms``
    that over the terms of a weight.
    """
    predicted = artifact.surrogate.predict(table, intervals=False)
    cycles = np.where(table["serial_terms"].to_numpy(dtype=bool), table["terms"], 1)
    throughput_gmacs: pd.Series = 1000 / predicted["least_period_ps"] / cycles
    derived = pd.DataFrame(
        {
            "throughput_gmacs": throughput_gmacs,
            "throughput_gmacs_per_mm2": throughput_gmacs / (predicted["area_um2"] * 1e-6),
        }
    )
    return pd.concat(
        [table, predicted.drop(columns="outside"), derived, predicted["outside"]], axis=1
    )


def check_objectives(names: Sequence[str], allowed: Mapping[str, Objective]) -> list[Objective]:
    """The objectives of these names.

    Raises:
        InputError: if there is none, or one is unknown or given twice.
    """
    if not names:
        raise InputError(f"at least one objective is needed: {', '.join(allowed)}")
    for position, name in enumerate(names):
        require_choice("an objective", name, allowed)
        if name in names[:position]:
            raise InputError(f"an objective must be given once, {name} is given twice")
    return [allowed[name] for name in names]


def _notes(artifact: Artifact, points: pd.DataFrame, front: pd.DataFrame) -> tuple[str, ...]:
    errors = ", ".join(f"{target} {error:.1f} %" for target, error in artifact.mape_pct().items())
    notes = [f"Mean cross-validated error on {artifact.points} measured points: {errors}."]
    if artifact.points < FEW_POINTS:
        notes.append(
            f"A demonstration: {artifact.points} measured points are few, measure {FEW_POINTS} or "
            "more before deciding on a design."
        )
    if outside := int(points["outside"].notna().sum()):
        notes.append(
            f"{outside:,} of {len(points):,} points, {front['outside'].notna().sum()} "
            f"of the {len(front)} on the front, lie outside what was measured: their error is "
            "unknown."
        )
    return tuple(notes)
