"""Choosing what to measure: the audit is never learnt from, and what is unknown comes first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.active import AUDIT, BATCH, FIRST, LEAST_AUDIT, Learner, Strategy, parse_aims
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(110, seed=2))


def learner(table: pd.DataFrame, *, seed: int = 0, strategy: Strategy = "intervals") -> Learner:
    plan = table[list(POINT_COLUMNS)]
    return Learner(plan, {"area_um2": 3.0}, seed=seed, strategy=strategy)


def test_every_point_is_asked_for_once(table: pd.DataFrame) -> None:
    one = learner(table)
    asked: list[int] = []
    sizes = []
    while positions := one.ask():
        asked += positions
        sizes.append(len(positions))
        one.judge(table.loc[asked])
    assert sorted(asked) == list(range(110))
    assert sizes == [FIRST, BATCH, BATCH, 110 - FIRST - 2 * BATCH]


def test_a_fifth_is_audited_and_not_learnt_from(table: pd.DataFrame) -> None:
    one = learner(table, seed=5)
    asked: list[int] = []
    for _ in range(3):
        asked += one.ask()
        found = one.judge(table.loc[asked])
        assert found.audited == round(AUDIT * len(asked))
        assert found.learnt == len(asked) - found.audited
        assert found.reached == (found.audited >= LEAST_AUDIT and found.errors_pct["area_um2"] <= 3)
    wrong = table.copy()
    audit = one._audit
    wrong.loc[audit, "area_um2"] *= 2
    assert one.judge(wrong.loc[asked]).errors_pct["area_um2"] == pytest.approx(50, abs=3)


def test_the_same_seed_asks_for_the_same_points(table: pd.DataFrame) -> None:
    def two_rounds(seed: int) -> list[int]:
        one = learner(table, seed=seed)
        first = one.ask()
        one.judge(table.loc[first])
        return first + one.ask()

    assert two_rounds(1) == two_rounds(1) != two_rounds(2)


def test_what_is_unknown_comes_first(table: pd.DataFrame) -> None:
    """One family comes late in the plan and is another thing: the learner goes for it."""
    plan = pd.concat(
        [table[table["family"] != "pow2"], table[table["family"] == "pow2"]], ignore_index=True
    )
    odd = plan["family"] == "pow2"
    noise = np.random.default_rng(0).uniform(0.4, 2.5, len(plan))
    plan["area_um2"] *= np.where(odd & (plan["weight_bits"] == 3), noise, 1)
    share = {}
    strategies: tuple[Strategy, ...] = ("intervals", "plan")
    for strategy in strategies:
        one = learner(plan, strategy=strategy)
        asked = one.ask()
        for _ in range(2):
            one.judge(plan.loc[asked])
            asked += one.ask()
        share[strategy] = odd[asked[FIRST:]].mean()
    assert share["intervals"] > share["plan"]


@pytest.mark.parametrize(
    ("text", "aims"),
    [
        ("area=1%,energy=3%", {"area_um2": 1.0, "energy_per_mac_pj": 3.0}),
        (" leakage_uw = 2.5 ", {"leakage_uw": 2.5}),
    ],
)
def test_aims_are_read(text: str, aims: dict[str, float]) -> None:
    assert parse_aims(text) == aims


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an aim must be such as area=1%, of area, core, period, leakage, energy, clock, "
         "not ''"),
        ("size=1%", "an aim must be such as area=1%, of area, core, period, leakage, energy, "
         "clock, not 'size=1%'"),
        ("area", "an aim must be such as area=1%, of area, core, period, leakage, energy, clock, "
         "not 'area'"),
        ("area=0", "the aim of area must be between 0 and 100 %, not '0'"),
        ("area=x%", "the aim of area must be between 0 and 100 %, not 'x%'"),
        ("area=nan", "the aim of area must be between 0 and 100 %, not 'nan'"),
        ("area=1,area_um2=2", "the aim of area_um2 is given twice"),
    ],
)  # fmt: skip
def test_other_aims_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_aims(text)
    assert str(caught.value) == message


def test_a_small_plan_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        learner(table.head(FIRST - 1))
    assert str(caught.value) == f"a plan of {FIRST} points at least is needed, not of {FIRST - 1}"
