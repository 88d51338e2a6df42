"""Rounds of measuring, with SYNTHETIC measurements: simple formulas, not real PEs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from characterize.dataset import read_dataset
from characterize.measurement import METRICS, Measurement, Point
from explorer.campaigns import Summary
from explorer.learning import measure_until
from rtl_gen.space import Space, design_of


@pytest.fixture
def points(space: Space) -> list[Point]:
    rows = space.table(limit=150, seed=3).to_dict("records")
    return [Point(design=design_of(row), period_ps=int(row["period_ps"])) for row in rows]


def measured(point: Point, number: int) -> Measurement:
    """Every tenth fails."""
    design = point.design
    bits = design.filter_depth * design.weight_bits + design.psum_depth * design.psum_bits
    values = dict.fromkeys(METRICS, 1.0) | {
        "area_um2": 500 + 6.0 * bits,
        "core_area_um2": 1000 + 12.0 * bits,
        "least_period_ps": 800 + 10.0 * design.psum_bits,
        "leakage_uw": 10 + 0.1 * bits,
        "energy_per_mac_pj": 1 + 1e-3 * bits,
        "clock_tree_power_uw": (10 + 1e-2 * bits) / point.period_ps * 1000,
    }
    good = Measurement(
        key=f"{number:064x}", digests={"rtl": "", "flow": "", "netlist": ""},
        design={**design.to_dict(), "digest": design.digest},
        period_ps=point.period_ps, utilization=point.utilization, seed=point.seed,
        flow=point.flow, activity_model="none", operands=point.operands, mode=0, run_terms=0,
        perturbation=0, platform={"name": "freepdk45", "corner": "typical", "hashes": {}}, tools={},
        status="ok", reason="", choices={}, metrics=values, seconds={},
    )  # fmt: skip
    if number % 10:
        return good
    return replace(good, status="failed", reason="sta exited with 1", metrics={})


def measuring(points: list[Point]) -> Summary:
    return Summary(
        points=points, measurements=[measured(p, p.period_ps + i) for i, p in enumerate(points)],
        cached=0, seconds=1.0, store=Path("store"), dataset=None,
    )  # fmt: skip


def test_measures_until_the_aim_is_reached(points: list[Point], tmp_path: Path) -> None:
    lines: list[str] = []
    found = measure_until(
        points, {"area_um2": 5.0}, measure=measuring, dataset=tmp_path / "d.csv", seed=1,
        tell=lines.append,
    )  # fmt: skip
    assert found.reached
    assert found.measured < len(points) == found.planned
    assert found.failed > 0
    assert len(read_dataset(tmp_path / "d.csv")) == found.measured
    last = found.rounds[-1]
    assert last.learnt + last.audited == found.measured - found.failed
    assert len(lines) == len(found.rounds)
    assert lines[-1] == (
        f"round {len(lines)}: {last.learnt} points learnt, {last.audited} audited: area_um2 "
        f"{last.errors_pct['area_um2']:.1f} % (aim 5)"
    )
    assert found.as_dict()["reached"] is True


def test_the_whole_plan_may_not_do(points: list[Point]) -> None:
    found = measure_until(
        points, {"area_um2": 1e-6}, measure=measuring, dataset=None, seed=1, tell=lambda _: None
    )
    assert not found.reached
    assert found.measured == len(points)
