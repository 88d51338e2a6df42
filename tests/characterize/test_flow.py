"""The whole flow on small PEs: what it writes down is what independent looks at it find."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from characterize import power
from characterize.campaign import Campaign
from characterize.executors import LocalExecutor
from characterize.measurement import METRICS, Measurement, Point
from characterize.platform import load_platform
from characterize.process import StepError
from characterize.schedule import compute_window
from characterize.simulate import SimulationResult, cell_models, simulate
from characterize.store import Store
from characterize.workload import measured_primitive
from rtl_gen.design import PEDesign
from rtl_gen.operands import draw

pytestmark = pytest.mark.tool

DESIGN = PEDesign.preset("INT4", ifmap_depth=3, filter_depth=6, psum_depth=2)


WIDER = PEDesign.preset("INT8", ifmap_depth=3, filter_depth=6, psum_depth=2)


def measure(root: Path, *points: Point) -> list[Measurement]:
    campaign = Campaign(
        points=points, platform=load_platform(), store=Store(root), executor=LocalExecutor(jobs=2)
    )
    return campaign.run(lambda *_: None)


def worst_slack_ps(report: str) -> float:
    """The least of a report that has the worst path of each group."""
    return min(float(ns) for ns in re.findall(r"(\S+)\s+slack \(", report)) * 1000


def unpacked(root: Path, result: Measurement) -> Path:
    """The files of a measurement, with the libraries that they name."""
    folder = Store(root).unpack(result.key, root / "unpacked" / result.key)
    (library,) = (root / "libraries").glob("*.lib")
    for name, path in (("cells.lib", load_platform().liberty), ("power_cells.lib", library)):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurement, Path]:
    """One point, and the folder of its files."""
    root = tmp_path_factory.mktemp("store")
    (result,) = measure(root, Point(design=DESIGN, period_ps=2000))
    assert result.reason == ""
    return result, unpacked(root, result)


def test_every_metric_is_there(measured: tuple[Measurement, Path]) -> None:
    assert set(measured[0].metrics) == set(METRICS)
    assert measured[0].metrics["window_macs"] >= 1000


def test_area_is_the_sum_over_the_netlist(measured: tuple[Measurement, Path]) -> None:
    result, folder = measured
    liberty = load_platform().liberty.read_text()
    area = dict(re.findall(r"cell \((\w+)\) \{.*?\barea\s*:\s*([\d.]+);", liberty, re.S))
    kinds = re.findall(r"^  (\w+_X\d+) \w+ \(", (folder / "netlist.v").read_text(), re.M)
    assert len(kinds) == result.metrics["cells"]
    total = sum(float(area[kind]) for kind in kinds)
    assert total == pytest.approx(result.metrics["area_um2"], abs=1e-6)
    assert result.metrics["core_area_um2"] == pytest.approx(total / 0.5, rel=0.02)


def test_power_parts_add_up_to_the_energy(measured: tuple[Measurement, Path]) -> None:
    metrics = measured[0].metrics
    parts = [metrics[f"{group}_power_uw"] for group in power.GROUPS]
    assert sum(parts) == pytest.approx(metrics["dynamic_power_uw"])
    window_us = metrics["window_cycles"] * 2000e-6
    energy_pj = metrics["dynamic_power_uw"] * window_us / metrics["window_macs"]
    assert energy_pj == pytest.approx(metrics["energy_per_mac_pj"])


def test_the_netlist_left_behind_simulates_again_with_other_operands(
    measured: tuple[Measurement, Path], tmp_path: Path
) -> None:
    for name in ("cells.v", "delayed.v"):
        (tmp_path / name).write_bytes((measured[1] / name).read_bytes())
    works = [draw(DESIGN, measured_primitive(DESIGN), seed) for seed in (77, 78)]
    simulate(
        tmp_path, DESIGN, works, ["cells.v", "delayed.v"], gates=True, timeout_s=120, stall=0.2
    )


@pytest.mark.parametrize("harmful", [False, True])
def test_sums_that_are_unknown_only_from_x_are_simulated_from_random_bits(
    measured: tuple[Measurement, Path], tmp_path: Path, harmful: bool
) -> None:
    # A register that keeps what it began with: inverting an output twice by it leaves the sums as
    # they are, but unknown from X; inverting once makes them wrong from one of two starts.
    netlist = (measured[1] / "delayed.v").read_text()
    bit = "psum_out__payload[0]"
    assert f"({bit})" in netlist
    netlist = netlist.replace(f"({bit})", "(inner)")
    once = f"XOR2_X1 once (.A(inner), .B(kept), .Z({bit if harmful else 'turned'}));\n"
    twice = "" if harmful else f"XOR2_X1 twice (.A(turned), .B(kept), .Z({bit}));\n"
    keeper = "wire inner, kept, turned;\nDFF_X1 keeper (.CK(clk), .D(kept), .Q(kept));\n"
    netlist = netlist.replace("endmodule", f"{keeper}{once}{twice}endmodule")
    (tmp_path / "delayed.v").write_text(netlist)
    kinds = set(re.findall(r"^ *([A-Z]+\w*_X\d+)\b", netlist, re.M))
    models = cell_models(load_platform().cells()[kind] for kind in sorted(kinds))
    (tmp_path / "cells.v").write_text(models)
    work = draw(DESIGN, measured_primitive(DESIGN), 77)

    def run() -> SimulationResult:
        return simulate(
            tmp_path, DESIGN, [work], ["cells.v", "delayed.v"], gates=True, timeout_s=120,
            schedule=compute_window(DESIGN, work.size),
        )  # fmt: skip

    if harmful:
        with pytest.raises(StepError, match=r"psum 0 is -?\d+, the golden model says -?\d+"):
            run()
    else:
        assert run().random_start


def test_the_scripts_left_behind_time_the_netlist_again(
    measured: tuple[Measurement, Path],
) -> None:
    result, folder = measured
    run = subprocess.run(
        ["sta", "-no_splash", "-exit", "timing.tcl"], cwd=folder, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    slack = re.search(r"^peforge setup_slack_ns (\S+)", run.stdout, re.M)
    assert slack is not None
    assert float(slack[1]) * 1000 == pytest.approx(result.metrics["slack_ps"])


def test_delays_and_unknown_starts_are_in_the_simulation(
    measured: tuple[Measurement, Path],
) -> None:
    folder = measured[1]
    # The delays of the flip-flop behind psum_out.valid and of all clock cells before it, as OpenSTA
    # wrote them, are what was seen.
    netlist = (folder / "delayed.v").read_text()
    driver = {}
    for delay, pins in re.findall(
        r"#\(\.DELAY_NS\(([\d.]+)\)\) \w+ \(\n(.*?)\n  \);", netlist, re.S
    ):
        nets = dict(re.findall(r"\.(\w+)\((\S+)\)", pins))
        for pin in ("Q", "Z", "GCK"):
            if pin in nets:
                driver[nets[pin]] = float(delay), nets.get("CK") or nets.get("A")
    expected, net, cells = 0.0, "psum_out__valid", 0
    while net != "clk":
        delay, net = driver[net]
        expected, cells = expected + delay, cells + 1
    assert cells >= 3
    seen = json.loads((folder / "result.json").read_text())["output_delay_ps"]
    assert seen == pytest.approx(expected * 1000, abs=2)
    assert len(set(re.findall(r"DELAY_NS\(([\d.]+)\)", netlist))) > 10
    models = (folder / "cells.v").read_text()
    assert "initial" not in re.sub(r"`ifdef RANDOM_START\n.*\n`endif", "", models)
    assert "initial" not in (folder / "netlist.v").read_text()


@pytest.fixture(scope="module")
def periods(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Measurement], Path]:
    """The same PE for a period that cannot be met, a tight one, and a relaxed one."""
    root = tmp_path_factory.mktemp("periods")
    wanted = {"impossible": 400, "tight": 900, "relaxed": 4000}
    points = [Point(design=WIDER, period_ps=period) for period in wanted.values()]
    return dict(zip(wanted, measure(root, *points), strict=True)), root


def test_the_period_shapes_the_netlist(periods: tuple[dict[str, Measurement], Path]) -> None:
    metrics = {name: result.metrics for name, result in periods[0].items()}
    impossible, tight, relaxed = (metrics[name] for name in ("impossible", "tight", "relaxed"))
    assert impossible["slack_ps"] < 0 < min(tight["slack_ps"], relaxed["slack_ps"])
    assert relaxed["area_um2"] < 0.97 * tight["area_um2"]
    assert relaxed["least_period_ps"] > 1.2 * tight["least_period_ps"]
    assert periods[0]["relaxed"].choices["effort"] == "small"
    assert periods[0]["impossible"].choices["effort"] == "quickest"
    assert {r.choices["multiplier"] for r in periods[0].values()} <= {"synth", "booth", "array"}


def test_the_slack_is_that_of_all_paths(tmp_path: Path) -> None:
    """Those to outputs, too, which are a group of their own: here, the worst are among them."""
    deep = PEDesign(
        family="int", act_bits=2, weight_bits=2, ifmap_depth=3, filter_depth=6, psum_depth=24
    )
    (result,) = measure(tmp_path, Point(design=deep, period_ps=4000))
    folder = unpacked(tmp_path, result)
    before, _, _ = (folder / "timing.tcl").read_text().partition('puts "peforge setup_slack_ns')
    for delay, metric in (("max", "slack_ps"), ("min", "hold_slack_ps")):
        report = f"report_checks -path_delay {delay} -digits 6\nexit\n"
        (folder / "worst.tcl").write_text(before + report)
        run = subprocess.run(
            ["sta", "-no_splash", "-exit", "worst.tcl"], cwd=folder, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        groups = re.findall(r"Path Group: (\w+)", run.stdout)
        assert sorted(set(groups)) == ["clk", "io"]
        assert result.metrics[metric] == pytest.approx(worst_slack_ps(run.stdout), abs=0.01)


@pytest.mark.parametrize("name", ["impossible", "tight", "relaxed"])
def test_the_least_period_is_met_and_a_little_less_is_not(
    periods: tuple[dict[str, Measurement], Path], name: str
) -> None:
    """Held against OpenSTA with constraints of its own, written for those periods."""
    result, root = periods[0][name], periods[1]
    folder = unpacked(root, result)
    text = (folder / "timing.sdc").read_text()
    rest = "".join(
        line for line in text.splitlines(keepends=True) if re.match("set_(input_tr|dri|load)", line)
    )
    least = result.metrics["least_period_ps"]
    assert result.metrics["fmax_mhz"] == pytest.approx(1e6 / least)
    latency = result.metrics["clock_insertion_ps"] - result.metrics["clock_skew_ps"] / 2
    slacks = []
    for period in (least + 0.2, least - 1):
        script = (
            f"read_liberty cells.lib\nread_verilog netlist.v\nlink_design {WIDER.name}\n"
            f"create_clock -name clk -period {period / 1000} [get_ports clk]\n"
            f"create_clock -name io -period {period / 1000}\n"
            "set others [list]\nforeach port [all_inputs] {\n"
            '  if {[get_property $port full_name] ne "clk"} { lappend others $port }\n}\n'
            f"set_input_delay {period / 5000} -clock io $others\n"
            f"set_output_delay {period / 5000} -clock io [all_outputs]\n{rest}\n"
            "set_propagated_clock [get_clocks clk]\n"
            f"set_clock_latency {latency / 1000} [get_clocks io]\nread_spef wires.spef\n"
            "report_checks -path_delay max -digits 6\nexit\n"
        )
        (folder / "again.tcl").write_text(script)
        run = subprocess.run(
            ["sta", "-no_splash", "-exit", "again.tcl"], cwd=folder, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        slacks.append(worst_slack_ps(run.stdout))
    assert slacks[0] >= 0 > slacks[1] >= -1.01


def test_the_same_point_in_another_store_gives_the_same_numbers(
    measured: tuple[Measurement, Path], tmp_path: Path
) -> None:
    (again,) = measure(tmp_path, Point(design=DESIGN, period_ps=2000))
    assert again.key == measured[0].key
    assert again.metrics == measured[0].metrics
    assert again.tools == measured[0].tools


SMALL = {"ifmap_depth": 4, "filter_depth": 8, "psum_depth": 2, "psum_bits": 20}


def test_zero_gating_saves_energy_where_activations_are_zero(tmp_path: Path) -> None:
    gated, plain = (
        PEDesign.preset("INT8", **SMALL, zero_gating=gating) for gating in (True, False)
    )
    points = [Point(design=d, period_ps=2000, operands="sparse") for d in (gated, plain)]
    with_gates, without = measure(tmp_path, *points)
    energy = "energy_per_mac_pj"
    assert with_gates.metrics[energy] < 0.9 * without.metrics[energy]
    assert with_gates.metrics["row_cycles"] == without.metrics["row_cycles"]


def test_each_mode_and_number_of_terms_is_work_of_its_own(tmp_path: Path) -> None:
    """The same hardware: one area, other cycles and energy for each product."""
    split = PEDesign.preset("INT8", **SMALL, precision_modes=3)
    serial = PEDesign.preset("LightPE-2", **SMALL, serial_terms=True)
    full, quarter, two, one = measure(
        tmp_path,
        Point(design=split, period_ps=2000),
        Point(design=split, period_ps=2000, mode=2),
        Point(design=serial, period_ps=2000),
        Point(design=serial, period_ps=2000, run_terms=1),
    )
    for more, less in ((full, quarter), (two, one)):
        assert more.key != less.key
        assert more.metrics["area_um2"] == less.metrics["area_um2"]
        assert less.metrics["energy_per_mac_pj"] < 0.8 * more.metrics["energy_per_mac_pj"]


@pytest.mark.parametrize("options", [{"scratchpad": "latch"}, {"multiplier": "booth"}])
def test_floating_point_goes_through_the_flow(tmp_path: Path, options: dict[str, str]) -> None:
    design = PEDesign.preset("BF16", **{**SMALL, "psum_bits": 16}, **options)
    (result,) = measure(tmp_path, Point(design=design, period_ps=5000))
    assert result.reason == ""
    assert (result.metrics["latches"] > 0) == ("scratchpad" in options)
