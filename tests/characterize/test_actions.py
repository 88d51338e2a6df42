"""Actions: their counts against simulation, their energies against what is measured."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from characterize import power
from characterize.action_counts import CYCLES, DESCRIPTIONS, action_counts, cycle_counts
from characterize.action_files import load_table, save_table
from characterize.actions import (
    ActionTable,
    check_actions,
    fit_energies,
    measure_actions,
)
from characterize.directed import directed_steps, narrow_bits, narrow_workload, plan
from characterize.flow import Built, build
from characterize.implementation import StepTimer
from characterize.measurement import Point
from characterize.movement import Statistics, measure_statistics
from characterize.platform import load_platform
from characterize.process import StepError
from characterize.schedule import compute_window, interval_pct, window_cycles
from characterize.simulate import CLOCK_NS, simulate
from characterize.toolchain import require_tools
from characterize.work import prepare_power_library
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.export import verilog_text
from rtl_gen.golden import Primitive, decode_weights, row_cycles
from rtl_gen.operands import draw
from tests.strategies import designs, primitives

TINY = PEDesign.preset("INT4", ifmap_depth=6, filter_depth=12, psum_depth=4)
PERIOD_PS = CLOCK_NS * 1000


@settings(max_examples=60)
@given(st.data())
def test_the_cycles_of_all_actions_are_the_cycles_of_the_primitive(data: st.DataObject) -> None:
    design = data.draw(designs(largest_depth=12))
    size = data.draw(primitives(design))
    work = draw(design, size, data.draw(st.integers(0, 99)))
    statistics = measure_statistics(design, work)
    counts = action_counts(design, size, statistics)
    assert sum(counts[name] for name in CYCLES) == pytest.approx(row_cycles(design, size))
    assert sum(cycle_counts(design, size).values()) == row_cycles(design, size)
    assert set(counts) == set(DESCRIPTIONS)
    assert all(np.isfinite(count) and count >= 0 for count in counts.values())


@pytest.mark.tool
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_counts_are_those_that_the_ports_of_the_rtl_show(
    tmp_path: Path, data: st.DataObject
) -> None:
    """In a primitive whose streams never wait, every cycle shows its action at a ``ready``."""
    design = data.draw(designs(largest_depth=12))
    size = data.draw(primitives(design))
    (tmp_path / "pe.v").write_text(verilog_text(design))
    steps = [s for s in directed_steps(design, 1) if s.name == "middle, uniform"][:1]
    steps += [replace(steps[0], work=draw(design, replace(size, keep_filter=False), 2), idle=9)]
    made = plan(design, steps)
    run = simulate(
        tmp_path, design, [s.work for s in steps], ["pe.v"], gates=False, timeout_s=120,
        schedule=made.schedule,
    ).activities  # fmt: skip
    assert run is not None
    where = {name: index for index, name in enumerate(run.names)}
    last = len(steps) - 1
    other, mac = run.high_ps[made.others[last]], run.high_ps[made.macs[last]]
    shown = {
        "filter_write": "filter__ready",
        "ifmap_write": "ifmap__ready",
        "configure": "config__ready",
    }
    work = steps[last].work
    counts = cycle_counts(design, work.size)
    for action, signal in shown.items():
        # A signal holds from behind an edge to behind the next; phases change between two edges.
        assert abs(other[where[signal]] / PERIOD_PS - counts[action]) < 1
        assert mac[where[signal]] < PERIOD_PS * work.size.outputs
    assert run.span_ps[made.macs[last]] == counts["mac"] * PERIOD_PS
    assert run.span_ps[made.pauses["idle"]] == 9 * PERIOD_PS
    assert run.toggles[made.pauses["clock_gated"]].sum() == 0


@pytest.mark.tool
@pytest.mark.parametrize(
    "options",
    [
        {"ifmap_depth": 1, "filter_depth": 1, "psum_depth": 1},
        {"ifmap_depth": 2, "filter_depth": 3, "psum_depth": 2, "precision_modes": 3},
        {"ifmap_depth": 7, "filter_depth": 12, "psum_depth": 3, "pipeline_stages": 4,
         "zero_gating": True, "act_signed": False},
    ],
)  # fmt: skip
def test_the_plan_of_any_design_runs_as_planned(tmp_path: Path, options: dict[str, int]) -> None:
    """Cycles of the whole simulation, with its pauses, and of each phase."""
    design = PEDesign.preset("INT4", **options)
    steps = directed_steps(design, 1, effort=0.3)
    made = plan(design, steps)
    (tmp_path / "pe.v").write_text(verilog_text(design))
    run = simulate(
        tmp_path, design, [s.work for s in steps], ["pe.v"], gates=False, timeout_s=120,
        schedule=made.schedule,
    ).activities  # fmt: skip
    assert run is not None
    for index, step in enumerate(steps):
        cycles = row_cycles(design, step.work.size) * PERIOD_PS
        assert run.span_ps[[made.macs[index], made.others[index]]].sum() == cycles
    assert {run.span_ps[phase] for phase in made.pauses.values()} == {40 * PERIOD_PS}


def test_statistics_are_those_counted_by_hand() -> None:
    """S = 1, q = 2, p = 1, two columns: products 1 x 3, 2 x 1, then 3 x 3, 0 x 1."""
    design = PEDesign.preset("INT4", multiplier="array")
    size = Primitive(filter_width=1, channels=2, filters=1, outputs=2, chain=False)
    work = draw(design, size, 1, filters=np.array([[[3], [1]]]))
    work = replace(work, ifmap=np.array([[1, 2], [3, 0]]), expected=np.array([[5], [9]]))
    found = measure_statistics(design, work)
    assert found.zero == 0.25
    assert found.weight == 1  # 3, 1, 3, 1
    assert found.activation == pytest.approx((2 + 1 + 2) / 3)  # 1, 2, 3, 0
    assert found.product == pytest.approx((1 + 3 + 2) / 3)  # 3, 2, 9, 0
    assert found.total == pytest.approx((2 + 2 + 0) / 3)  # 3, 5, 9, 9
    assert found.psum_out == 2  # 5, 9
    # 1 x 3 has two ones, 2 x 1 another one; 3 x 3 has four, that of 2 x 1 among them; 0 x 1 none.
    assert found.partial == pytest.approx((3 + 3 + 4) / 3)
    # Adder: 3+0, 2+3, pass 0+5, 9+0, 0+9, pass 0+9.
    assert found.summand == pytest.approx((1 + 1 + 2 + 2 + 0) / 5)
    assert found.addend == pytest.approx((2 + 2 + 2 + 2 + 0) / 5)


@pytest.mark.parametrize("name", ["INT8", "LightPE-2", "POW2", "BF16"])
def test_narrow_operands_are_in_their_range(name: str) -> None:
    design = PEDesign.preset(name)
    size = Primitive(filter_width=2, channels=3, filters=4, outputs=5, chain=False)
    bits = narrow_bits(design)
    full = design.act_bits, design.weight_bits
    assert bits[-1] == full
    assert all(a in (2, 4, 8, full[0]) and w in (2, 4, 8, full[1]) for a, w in bits)
    work = narrow_workload(design, size, 2, 2, np.random.default_rng(1))
    if design.family == "fp":
        integers = {0, 0x3F80, 0xBF80, 0xC000}  # 0, 1, -1, -2 in bfloat16
        assert set(work.ifmap.ravel().tolist()) <= integers
        assert set(work.filters.ravel().tolist()) <= integers
    else:
        assert set(work.ifmap.ravel().tolist()) == {-2, -1, 0, 1}
        assert set(decode_weights(design, work.filters).ravel().tolist()) <= {-2, -1, 0, 1}


def test_known_energies_are_found_again() -> None:
    generator = np.random.default_rng(1)
    names = ("mac", "psum_pass", "ifmap_read", "weight_bit")
    energies = {"mac": 5.0, "psum_pass": 2.0, "ifmap_read": 0.0, "weight_bit": 0.25}
    counts = []
    for _ in range(20):
        count = dict.fromkeys(DESCRIPTIONS, 0.0)
        count.update({name: float(generator.integers(1, 99)) for name in names})
        counts.append(count)
    totals = np.array([sum(energies[n] * count[n] for n in names) for count in counts])
    found = fit_energies(counts, totals, {"mac": 1.0, "psum_pass": 1.0})
    # A little is shared: by a hundredth of each one's part.
    assert found == {n: pytest.approx(e, rel=0.03, abs=0.03) for n, e in energies.items()}
    # None is less than what it has at least.
    assert fit_energies(counts, totals, {"psum_pass": 3.0})["psum_pass"] == 3.0


def table(**changes: object) -> ActionTable:
    return ActionTable(
        **{
            "design": TINY.to_dict(), "period_ps": 2000,
            "energies_pj": {"mac": 2.0, "idle": 1.0}, "leakage_uw": 100.0, "macs_pj": {},
            "accesses_pj": {}, "primitives_pj": {}, "effort": 1.0,
            "fit_mean_pct": 1.0, "fit_worst_pct": 2.0, "primitives": 3, "cycles": 4,
            "seconds": {}, **changes,
        }
    )  # fmt: skip


def test_energies_add_up_and_a_missing_one_is_named() -> None:
    assert table().energy_pj({"mac": 10, "idle": 2, "drain": 0}) == 22
    assert table().leakage_pj(10) == pytest.approx(2.0)  # 100 uW for 20 ns
    with pytest.raises(StepError) as error:
        table().energy_pj({"drain": 1})
    assert str(error.value) == "the table has no energy for action drain"


def test_a_table_comes_back_unless_it_was_damaged(tmp_path: Path) -> None:
    path = tmp_path / "table.json"

    def refused() -> str:
        with pytest.raises(InputError) as error:
            load_table(path)
        return str(error.value)

    assert refused() == f"{path}: cannot be read: No such file or directory"
    save_table(path, table())
    assert load_table(path) == table()
    text = path.read_text()
    path.write_text(text.replace("100.0", "10.0"))
    assert refused() == f"{path}: its checksum is not that of its content"
    path.write_text(text[:-20])
    assert refused() == f"{path}: is not a table of actions, or is cut off"
    path.write_text(json.dumps({"checksum": "", "actions": []}))
    assert refused() == f"{path}: its checksum is not that of its content"


def test_the_compute_window_is_divided_into_whole_columns() -> None:
    size = Primitive(filter_width=3, channels=2, filters=2, outputs=50)
    schedule = compute_window(TINY, size)
    assert schedule.phases == 20
    begins = [cycle for cycle, _ in schedule.changes]
    assert row_cycles(TINY, size) + 1 - begins[0] == window_cycles(TINY, size)
    column = 12 + 1 + 2 + 2
    assert {after - before for before, after in itertools.pairwise(begins)} == {
        2 * column, 3 * column,
    }  # fmt: skip


def test_the_interval_is_that_of_the_t_distribution() -> None:
    # Mean 10, standard deviation 1, t = 4.303 for two degrees of freedom.
    assert interval_pct(np.array([9.0, 10.0, 11.0])) == pytest.approx(
        100 * 4.3027 / np.sqrt(3) / 10, rel=1e-4
    )
    assert interval_pct(np.array([5.0, 5.0])) == 0
    assert interval_pct(np.array([5.0])) == float("inf")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Point, Built]:
    """A tiny PE, placed."""
    root = tmp_path_factory.mktemp("actions")
    (root / "files").mkdir()
    point = Point(design=TINY, period_ps=2000)
    platform, tools = load_platform(), require_tools()
    library = prepare_power_library(root / "store", platform, later=False)
    return point, build(point, platform, tools, library, root / "files", StepTimer())


@pytest.mark.tool
def test_the_table_adds_up_on_other_convolutions(built: tuple[Point, Built]) -> None:
    point, netlist = built
    found = measure_actions(netlist, point, StepTimer(), lambda _: None)
    assert found.fit_mean_pct < 3
    energies = found.energies_pj
    assert energies["clock_gated"] == 0 < energies["idle"] < energies["mac"]
    for name in CYCLES:
        assert energies.get(name, np.inf) >= energies["idle"]
    for name in ("filter", "ifmap", "psum_in", "psum_out"):
        assert energies[f"stall_{name}"] == pytest.approx(energies["idle"], rel=0.1)
    macs = found.macs_pj
    assert macs["zero"] < 0.9 * macs["2 x 2"] < macs["uniform"]
    assert set(macs) >= {"uniform", "dnn", "sparse", "2 x 2", "2 x 4", "4 x 2", "4 x 4"}
    checks = check_actions(found, netlist, point, 8, 3, lambda _: None)
    errors = [abs(check.error_pct) for check in checks]
    assert np.mean(errors) < 4
    assert max(errors) < 15


@pytest.mark.tool
def test_power_of_phases_is_that_of_a_run_of_its_own(built: tuple[Point, Built]) -> None:
    point, netlist = built
    work = draw(TINY, point.primitive(), 1)
    schedule = compute_window(TINY, work.size)
    seen = simulate(
        netlist.folder, TINY, [work], ["cells.v", "delayed.v"], gates=True, timeout_s=120,
        schedule=schedule, output_delay_ps=netlist.output_delay_ps,
    ).activities  # fmt: skip
    assert seen is not None
    parts = [[0, 1], [5], list(range(schedule.phases))]
    windows = [(part, float(seen.span_ps[part].sum() / PERIOD_PS)) for part in parts]
    common = (netlist.folder, netlist.netlist, netlist.platform, netlist.wires)
    phases = power.analyse_phases(*common, seen, windows, point.period_ps, 120)
    for (part, cycles), phase in zip(windows, phases, strict=True):
        activity = seen.window(part)
        power.write_power_inputs(*common, activity, round(cycles))
        expected = power.switching_w(*common[1:], activity, cycles * point.period_ps * 1e-12)
        alone = power.analyse_power(*common[:3], expected, 120)
        assert phase.dynamic_w == pytest.approx(sum(alone.dynamic_w.values()), rel=1e-5)
        assert phase.leakage_w == pytest.approx(alone.leakage_w, rel=1e-5)


@pytest.mark.tool
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("printf '$enddef' > activity.vcd; exit 1", "vvp exited with 1: no output"),
        ("printf '$enddef' > activity.vcd; kill -9 $$", "vvp was killed by signal 9: no output"),
        ("true", "the simulation ended without a result"),
    ],
)
def test_a_simulator_that_dies_half_way_is_a_failed_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "vvp").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "vvp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    size = Primitive(filter_width=2, channels=2, filters=2, outputs=4)
    (tmp_path / "pe.v").write_text(verilog_text(TINY))
    with pytest.raises(StepError) as error:
        simulate(
            tmp_path, TINY, [draw(TINY, size, 1)], ["pe.v"], gates=False, timeout_s=60,
            schedule=compute_window(TINY, size),
        )  # fmt: skip
    assert str(error.value) == reason


def test_a_report_without_a_phase_or_with_wrong_power_is_refused() -> None:
    number = "1.0e-03 2.0e-03 1.0e-06 3.001e-03"
    report = f"peforge phase 0\nTotal {number} 100.0%\n 1.0e-04 0.0e+00 0.0e+00 1.0e-04 source1\n"
    (phase,) = power.parse_phases(report, [2.0e-3])
    assert phase.dynamic_w == pytest.approx(2.9e-3)
    for text, expected, message in (
        (report, [2.0e-3, 1.0], "sta reported 1 phases, not 2"),
        ("peforge phase 0\n", [1.0], "sta reported no total power for phase 0"),
        (report, [4e-3],
         "sta's switching power is 0.002 W in phase 0, the activity gives 0.004 W"),
    ):  # fmt: skip
        with pytest.raises(StepError) as error:
            power.parse_phases(text, expected)
        assert str(error.value) == message


def test_a_mean_of_statistics_is_weighted() -> None:
    one = measure_statistics(TINY, draw(TINY, Primitive(
        filter_width=2, channels=2, filters=2, outputs=4), 1))  # fmt: skip
    two = replace(one, weight=one.weight + 4)
    assert Statistics.mean({one: 3.0, two: 1.0}).weight == pytest.approx(one.weight + 1)
