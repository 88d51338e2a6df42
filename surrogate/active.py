"""Measure what helps most: points are chosen where the surrogate knows least, as long as it must.

A part of the points, drawn at random, is never chosen by the learner nor learnt from: what it is
off by there is an honest estimate of its error on the rest of the space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rtl_gen.errors import InputError
from surrogate.canonical import datapath_keys
from surrogate.model import Surrogate

#: Names that aims go by, and their targets.
AIMS = {
    "area": "area_um2",
    "core": "core_area_um2",
    "period": "least_period_ps",
    "leakage": "leakage_uw",
    "energy": "energy_per_mac_pj",
    "clock": "clock_tree_pj",
}
#: Part of the measured points that errors are estimated on.
AUDIT = 0.2
#: Points of the first round, and of each one after it.
FIRST, BATCH = 50, 25
#: With fewer audited points, no error is taken for known.
LEAST_AUDIT = 20

#: How a learner chooses: where intervals are widest, at random, or as the plan goes.
Strategy = Literal["intervals", "random", "plan"]
Positions = NDArray[np.intp]


def parse_aims(text: str) -> dict[str, float]:
    """Aims such as ``area=1%,energy=3%``: mean errors in percent, by target.

    Raises:
        InputError: if it is none.
    """
    aims: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        target = AIMS.get(name, name)
        if not equals or target not in AIMS.values():
            raise InputError(
                f"an aim must be such as area=1%, of {', '.join(AIMS)}, not {part.strip()!r}"
            )
        try:
            percent = float(value.removesuffix("%"))
        except ValueError:
            percent = np.nan
        if not 0 < percent < 100:
            raise InputError(f"the aim of {name} must be between 0 and 100 %, not {value!r}")
        if target in aims:
            raise InputError(f"the aim of {name} is given twice")
        aims[target] = percent
    return aims


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a surrogate is worth.

    Attributes:
        errors_pct: mean absolute errors of the audited points, by target of the aims.
        learnt, audited: how many points it learnt from, and was judged by.
        reached: whether all aims are, by enough points.
    """

    errors_pct: dict[str, float]
    learnt: int
    audited: int
    reached: bool


class Learner:
    """Chooses which points of a plan to measure next.

    Args:
        plan: design points, a row each; what is measured is told by position.
        aims: mean errors in percent that are wanted, by target.
        seed: of the audited share, and of the strategy ``random``.
        strategy: how to choose.

    Raises:
        InputError: if the plan is too small for a first round.
    """

    def __init__(
        self,
        plan: pd.DataFrame,
        aims: Mapping[str, float],
        *,
        seed: int = 0,
        strategy: Strategy = "intervals",
    ) -> None:
        if len(plan) < FIRST:
            raise InputError(f"a plan of {FIRST} points at least is needed, not of {len(plan)}")
        self._plan = plan.reset_index(drop=True)
        self._aims = dict(aims)
        self._strategy = strategy
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(plan))
        count = round(AUDIT * len(plan))
        self._audit, self._rest = order[:count], np.sort(order[count:])
        if strategy == "random":
            self._rest = generator.permutation(self._rest)
        self._asked: set[int] = set()
        self._surrogate: Surrogate | None = None

    def judge(self, measured: pd.DataFrame) -> Judgement:
        """Learn from what was measured, and see what it is off by where it was not learnt from.

        Args:
            measured: rows of ``training_table``, labelled with their positions in the plan.

        Raises:
            InputError: if too few points could be measured.
        """
        audited = measured.index.isin(self._audit)
        learnt, unseen = measured[~audited], measured[audited]
        self._surrogate = Surrogate.fit(learnt.reset_index(drop=True))
        errors = self.errors_pct(unseen)
        reached = all(errors[target] <= aim for target, aim in self._aims.items())
        return Judgement(
            errors_pct=errors,
            learnt=len(learnt),
            audited=len(unseen),
            reached=reached and len(unseen) >= LEAST_AUDIT,
        )

    def errors_pct(self, measured: pd.DataFrame) -> dict[str, float]:
        """Mean absolute errors of those audited points that are in the table, as last judged.

        Args:
            measured: as for ``judge``.
        """
        assert self._surrogate is not None
        unseen = measured[measured.index.isin(self._audit)]
        predicted = self._surrogate.predict(unseen, intervals=False)
        return {
            target: float(100 * (predicted[target] / unseen[target] - 1).abs().mean())
            for target in self._aims
        }

    def ask(self) -> list[int]:
        """Positions of the points to measure next; none if all were.

        The first round is the beginning of the plan; each has its part of audited points.
        """
        count = BATCH if self._asked else FIRST
        audits = [at for at in self._audit.tolist() if at not in self._asked]
        audits = audits[: round(AUDIT * count)]
        left = np.array([at for at in self._rest.tolist() if at not in self._asked], dtype=np.intp)
        chosen = self._choose(left, count - len(audits))
        asked = [*chosen, *audits]
        self._asked.update(asked)
        return asked

    def _choose(self, left: Positions, count: int) -> list[int]:
        if self._surrogate is None or self._strategy != "intervals" or len(left) <= count:
            return [int(at) for at in left[:count]]
        candidates = self._plan.iloc[left]
        order = np.argsort(-_need(self._surrogate, candidates, self._aims), kind="stable")
        # What is learnt of one point is learnt of its likes: one of each in a round.
        likes = np.array(datapath_keys(candidates)) + candidates["scratchpad"].to_numpy(dtype=str)
        return [int(left[at]) for at in _spread(order, likes, count)]


def _need(
    surrogate: Surrogate, candidates: pd.DataFrame, aims: Mapping[str, float]
) -> NDArray[np.float64]:
    """How uncertain each point is: the widest interval, as a factor, over its aim."""
    predicted = surrogate.predict(candidates)
    widths = [
        np.log(predicted[f"{target}_high"] / predicted[f"{target}_low"]) / aim
        for target, aim in aims.items()
    ]
    need: NDArray[np.float64] = np.max(widths, axis=0)
    return need


def _spread(order: Iterable[int], likes: NDArray[np.str_], count: int) -> list[int]:
    """The first of each kind, then the second of each, until there are enough."""
    often: dict[str, int] = {}
    ranked = []
    for place, at in enumerate(order):
        times = often.get(str(likes[at]), 0)
        often[str(likes[at])] = times + 1
        ranked.append((times, place, int(at)))
    return [at for _, _, at in sorted(ranked)[:count]]
