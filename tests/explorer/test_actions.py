"""``peforge actions``: what comes from the store, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from characterize.action_counts import DESCRIPTIONS
from characterize.action_files import load_table
from characterize.actions import ActionTable, Check
from characterize.campaign import Campaign
from characterize.measurement import Point
from characterize.platform import load_platform
from characterize.store import Store
from explorer.action_tables import ActionReport, check_table, mac_table, run_actions, unit_table
from rtl_gen.design import PEDesign

DESIGN = PEDesign.preset("INT4", ifmap_depth=6, filter_depth=12, psum_depth=4)
TABLE = ActionTable(
    design=DESIGN.to_dict(), period_ps=2000, leakage_uw=51.25, primitives=90, cycles=9000,
    energies_pj=dict.fromkeys(DESCRIPTIONS, 0.125), macs_pj={"uniform": 3.5, "2 x 2": 2.5},
    accesses_pj={"filter read": 0.75}, fit_mean_pct=1.25, fit_worst_pct=9.0,
    primitives_pj={}, effort=1.0,
    seconds={"simulation": 8.0, "power": 4.0},
)  # fmt: skip


def shown(table: object) -> str:
    console = Console(width=150)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.tool
def test_a_table_in_the_store_is_not_measured_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    point = Point(design=DESIGN, period_ps=2000)
    plan = Campaign(points=[point], platform=load_platform(), store=store)
    store.put_actions(plan.identity(point).key, TABLE)
    output = tmp_path / "out.json"
    report = run_actions(
        DESIGN, period_ps=2000, seed=1, checks=0, output=output, store=tmp_path / "store",
        platform="freepdk45", quiet=True,
    )  # fmt: skip
    assert report.cached
    assert report.table == TABLE == load_table(output)
    assert json.loads(json.dumps(report.to_dict()))["actions"]["leakage_uw"] == 51.25
    assert report.closing_lines() == [
        "90 primitives, 9000 cycles, from the store; sums of the table are off by 1.2 % on them "
        "(mean; worst 9.0)",
        f"wrote {output}",
    ]


def test_tables_show_every_action_and_the_errors_of_the_check() -> None:
    text = shown(unit_table(TABLE.energies_pj, TABLE.leakage_uw, "some PE: energy per action"))
    assert all(name in text for name in DESCRIPTIONS)
    assert "51.2 uW" in text
    assert "multiply-accumulate, 2 x 2" in shown(mac_table(TABLE))
    checks = [
        Check(name="dnn S3", cycles=400, predicted_pj=102.0, measured_pj=100.0),
        Check(name="sparse S1", cycles=500, predicted_pj=94.0, measured_pj=100.0),
    ]
    assert "+2.0 %" in shown(check_table(checks))
    report = ActionReport(
        name="some PE", table=TABLE, checks=checks, cached=False, path=Path("t.json"), output=None
    )
    assert report.closing_lines() == [
        "90 primitives, 9000 cycles, measured now in 12 s; sums of the table are off by 1.2 % on "
        "them (mean; worst 9.0)",
        "2 other convolutions: off by 4.0 % in the mean, 6.0 % at worst; 1 within 5 %",
        "table: t.json",
    ]
    assert report.to_dict()["checks"][1]["error_pct"] == pytest.approx(-6.0)
