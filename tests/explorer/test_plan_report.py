"""What a plan says before it starts: points, cost, coverage."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from explorer.campaigns import MANY, confirm_many
from explorer.plan_report import PlanReport, estimate_cost, plan_report, print_plan
from rtl_gen.errors import InputError
from rtl_gen.plan import Plan, plan_table
from rtl_gen.space import POINT_COLUMNS, Space

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "flows.csv"


def report(space: Space, plan: Plan, stored: int = 0) -> tuple[PlanReport, pd.DataFrame]:
    table = plan_table(space, plan)
    known = pd.Series(np.arange(len(table)) < stored)
    return plan_report(space, plan, table, stored=known, flow="placed"), table


def test_coverage_counts_values_and_pairs(space: Space) -> None:
    found, table = report(space, Plan(kind="sobol", points=40), stored=10)
    assert (found.points, found.stored, found.combinations) == (40, 10, space.size)
    every = space.table()
    rows = found.coverage.set_index("parameter")
    for name in ("family", "act_bits", "pipeline_stages"):
        counts = [int((table[name] == value).sum()) for value in every[name].unique()]
        expected = [len(counts), sum(map(bool, counts)), min(counts), max(counts)]
        assert rows.loc[name].tolist() == expected
    names = [name for name in POINT_COLUMNS if name != "psum_bits"]
    pairs = {
        (first, second, row[first], row[second])
        for row in table.to_dict("records")
        for first, second in itertools.combinations(names, 2)
        if every[first].nunique() > 1 < every[second].nunique()
    }
    assert found.pairs_used == len(pairs) < found.pairs


def test_a_plan_of_one_point_covers_no_pairs_but_the_space_has_them(space: Space) -> None:
    one, _ = report(space, Plan(kind="sobol", points=1))
    many, _ = report(space, Plan(kind="sobol", points=40))
    assert one.pairs == many.pairs > one.pairs_used > 0


def test_energies_per_action_are_said_to_come_on_top(space: Space) -> None:
    found, _ = report(space, Plan(kind="sobol", points=4))
    said = "energies per action come on top, and take about as long again"
    for with_actions in (False, True):
        console = Console(width=120)
        with console.capture() as capture:
            print_plan(replace(found, with_actions=with_actions), console, jobs=2, command="x")
        assert (said in capture.get()) == with_actions


def test_a_full_plan_covers_everything(space: Space) -> None:
    found, _ = report(space, Plan())
    assert found.pairs_used == found.pairs
    assert (found.coverage["used"] == found.coverage["values"]).all()


def test_what_is_stored_costs_nothing(space: Space) -> None:
    plan = Plan(kind="lhs", points=30)
    nothing, _ = report(space, plan)
    half, _ = report(space, plan, stored=15)
    every, _ = report(space, plan, stored=30)
    assert nothing.cost is not None
    assert half.cost is not None
    assert every.cost is not None
    assert nothing.cost.seconds > half.cost.seconds > every.cost.seconds == 0


def test_the_cost_of_measured_points_is_about_what_they_took() -> None:
    measured = pd.read_csv(SHIPPED).query("status == 'ok' and flow == 'placed'")
    cost = estimate_cost(measured, "placed", None)
    assert cost is not None
    assert cost.measured == len(measured)
    took = measured.filter(like="seconds_").sum(axis=1).sum()
    assert cost.seconds == pytest.approx(took, rel=0.25)


def test_nothing_measured_by_the_flow_is_an_unknown_cost(
    space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    table = plan_table(space, Plan(kind="lhs", points=5))
    none = pd.Series([False] * 5)
    found = plan_report(
        space, Plan(kind="lhs", points=5), table, stored=none, flow="another", measured=SHIPPED
    )
    assert found.cost is None
    print_plan(found, Console(width=200), jobs=2, command="go")
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[-4]
        == f"5 points (lhs, seed 1) of {space.size:,} combinations, 0 of them measured before"
    )
    assert lines[-2:] == ["cost: unknown, as nothing was measured by this flow yet", "next: go"]


@pytest.mark.parametrize("answer", [None, False])
def test_thousands_of_points_are_confirmed(answer: bool | None) -> None:
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return bool(answer)

    with pytest.raises(InputError) as error:
        confirm_many(MANY + 1, ask if answer is not None else None)
    assert str(error.value) == (
        "5,001 points are many: choose some with --sampling sobol --points N, or say "
        "--yes; --plan shows the cost"
    )
    assert asked == ([] if answer is None else ["5,001 points are many; measure them all?"])
    confirm_many(MANY, None)
    confirm_many(MANY + 1, lambda _: True)
