"""Plans: which points of a space are measured, in an order of which any beginning is a plan.

``full`` is every point. ``sobol`` and ``lhs`` follow a sequence in the unit cube, a dimension for
the block and one for each parameter; what is not a legal point, or was there before, is passed
over. A longer plan begins with the shorter one of the same seed, so that adding points keeps those
that are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import qmc

from rtl_gen.errors import InputError, require_choice, require_int, shown
from rtl_gen.space import POINT_COLUMNS, Space

PLANS = ("full", "lhs", "sobol")
#: Points that a plan may have.
MAX_POINTS = 1_000_000
#: Places of a sequence that are tried for points; then, in a space that can be listed, the others
#: follow in an order drawn by the seed.
_TRIED = 1 << 18

Cube = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How points are chosen.

    Attributes:
        kind: of ``PLANS``.
        points: how many; None for every one, with ``full`` alone.
        seed: of the sequence.
    """

    kind: str = "full"
    points: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        require_choice("kind", self.kind, PLANS)
        require_int("seed", self.seed, 0, 2**31 - 1)
        if self.kind == "full":
            if self.points is not None:
                raise InputError("kind full has every point: leave out points, or choose sobol")
        else:
            require_int("points", self.points, 1, MAX_POINTS)


_KEYS = tuple(field.name for field in fields(Plan))


def plan_of(
    space: Space, *, kind: str | None = None, points: int | None = None, seed: int | None = None
) -> Plan:
    """The plan of a space's file, with what is given in place of what it says.

    Raises:
        InputError: if it is not legal.
    """
    for name in space.plan:
        if name not in _KEYS:
            raise InputError(
                f"{space.name}: plan: {shown(name)} is not an entry; allowed are {', '.join(_KEYS)}"
            )
    given = {"kind": kind, "points": points, "seed": seed}
    values = {**space.plan, **{name: value for name, value in given.items() if value is not None}}
    if kind == "full" and points is None:
        values.pop("points", None)
    try:
        return Plan(**values)
    except InputError as error:
        raise InputError(f"{space.name}: plan: {error}") from None


def plan_table(space: Space, plan: Plan) -> pd.DataFrame:
    """The points of a plan, in its order, as ``Space.table``.

    Raises:
        InputError: if the space has no legal point, or not as many.
    """
    if plan.kind == "full":
        if space.size > MAX_POINTS:
            raise InputError(
                f"{space.name}: has {space.size:,} combinations, more than {MAX_POINTS:,} cannot "
                "be measured: choose --sampling sobol --points N"
            )
        return space.table()
    assert plan.points is not None
    found = pd.DataFrame(columns=POINT_COLUMNS)
    for numbers in _numbers(space, plan):
        more = space.in_order(numbers)
        parts = [part for part in (found, more) if len(part)]
        if parts:
            found = pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)
        if len(found) >= plan.points:
            return found.iloc[: plan.points]
    if space.size <= MAX_POINTS:
        every = space.table().sample(frac=1, random_state=plan.seed)
        found = pd.concat([found, every], ignore_index=True).drop_duplicates(ignore_index=True)
    if len(found) < plan.points:
        raise InputError(
            f"{space.name}: has {len(found):,} points"
            + (f" among {_TRIED:,} that were tried" if space.size > MAX_POINTS else "")
            + f", not the {plan.points:,} of the plan"
        )
    return found.iloc[: plan.points]


def _numbers(space: Space, plan: Plan) -> Iterator[NDArray[np.int64]]:
    """Numbers of combinations in the order of the sequence, batch after batch."""
    axes = sorted({name for block in space.blocks for name in block.axes})
    dimensions = 1 + len(axes)
    draw = _sobol(dimensions, plan.seed) if plan.kind == "sobol" else _lhs(dimensions, plan.seed)
    weights = np.array([block.weight or block.size for block in space.blocks], dtype=float)
    shares = np.cumsum(weights / weights.sum())
    starts = np.cumsum([0, *(block.size for block in space.blocks)])
    done = 0
    while done < _TRIED:
        count = max(1, done)  # each batch as long as all before
        places = draw(count)
        done += count
        which = np.minimum(np.searchsorted(shares, places[:, 0], side="right"), len(shares) - 1)
        numbers = np.zeros(count, dtype=np.int64)
        for index, block in enumerate(space.blocks):
            mine = which == index
            within = np.zeros(int(mine.sum()), dtype=np.int64)
            for name, values in block.axes.items():
                place = places[mine, 1 + axes.index(name)]
                within = within * len(values) + (place * len(values)).astype(np.int64)
            numbers[mine] = starts[index] + within
        yield numbers


def _sobol(dimensions: int, seed: int) -> Callable[[int], Cube]:
    """Owen-scrambled Sobol points, the next ones with every call."""
    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    return lambda count: np.asarray(engine.random(count))


def _lhs(dimensions: int, seed: int) -> Callable[[int], Cube]:
    """Latin hypercubes, each of which holds the one before: every call doubles the points.

    Each half of a stratum that has no point yet gets one (nested Latin hypercubes: Qian,
    Biometrika 96, 2009). The first 1, 2, 4, 8, ... points are a Latin hypercube each.
    """
    generator = np.random.default_rng(seed)
    points = np.empty((0, dimensions))

    def more(count: int) -> Cube:
        nonlocal points
        strata = len(points) + count
        fresh = np.empty((count, dimensions))
        for dimension in range(dimensions):
            taken = np.zeros(strata, dtype=bool)
            taken[(points[:, dimension] * strata).astype(np.int64)] = True
            free = generator.permutation(np.flatnonzero(~taken))
            fresh[:, dimension] = (free + generator.uniform(0, 1, count)) / strata
        points = np.concatenate([points, fresh])
        return fresh

    return more
