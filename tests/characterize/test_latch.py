"""Latches: their model, the timing through them, their energy, and a scratchpad made of them."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from characterize import power, timing
from characterize.activity import Activity
from characterize.liberty import cell_group
from characterize.netlist import read_netlist
from characterize.platform import load_platform
from characterize.process import StepError
from characterize.simulate import cell_models
from rtl_gen.errors import InputError
from tests.wires import star

PERIOD_PS = 2000
CYCLES = 1000
WINDOW_S = CYCLES * PERIOD_PS * 1e-12


def test_latches_are_recognised_and_are_no_flip_flops() -> None:
    cells = load_platform().cells()
    high, low = cells["DLH_X1"], cells["DLL_X1"]
    assert (high.open_while, high.data, high.is_latch, high.is_flop) == ("G", "D", True, False)
    assert (low.open_while, low.is_latch) == ("!GN", True)
    assert not cells["DFF_X1"].is_latch
    assert not cells["CLKGATE_X1"].is_latch


def test_a_cell_that_a_library_lacks_is_named() -> None:
    liberty = load_platform().liberty
    assert str(cell_group(liberty, "DLH_X1").args[0]) == "DLH_X1"
    with pytest.raises(InputError) as error:
        cell_group(liberty, "DLH")
    assert str(error.value) == f"{liberty}: has no cell DLH"


@pytest.mark.tool
def test_the_model_of_a_latch_does_what_the_kit_says(tmp_path: Path) -> None:
    platform = load_platform()
    cells = [platform.cells()[name] for name in ("DLH_X1", "DLL_X1")]
    rng = random.Random(1)
    steps = [f"{{d, g}} = {rng.randrange(4)}; #10 $display(high, low);" for _ in range(40)]
    (tmp_path / "tb.v").write_text(
        "`timescale 1ns/1ps\nmodule tb; reg d, g; wire high, low;\n"
        "DLH_X1 a(.D(d), .G(g), .Q(high));\nDLL_X1 b(.D(d), .GN(g), .Q(low));\n"
        + "initial begin $display(high, low);\n" + "\n".join(steps) + "\nend\nendmodule\n"
    )  # fmt: skip
    printed = []
    for models in ((platform.liberty.parent / "stdcells.v").read_text(), cell_models(cells)):
        (tmp_path / "cells.v").write_text(models)
        command = ["iverilog", "-g2012", "-s", "tb", "-o", "t.vvp", "tb.v", "cells.v"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        run = subprocess.run(["vvp", "-n", "t.vvp"], cwd=tmp_path, check=True, capture_output=True)
        printed.append(run.stdout.decode().split())
    assert printed[0] == printed[1]
    assert printed[1][0] == "xx"
    assert {"00", "01", "10", "11"} <= set(printed[1])


@pytest.mark.tool
def test_a_latch_scratchpad_keeps_its_words_through_the_flow(
    built: Callable[[int, int, str], Any], scratchpads: ModuleType
) -> None:
    bench = built(8, 8, "latch")
    counts = bench.netlist.cell_counts()
    assert (counts["DLH_X1"], counts["CLKGATE_X1"]) == (64, 8)
    models = (bench.folder / "cells.v").read_text()
    assert "initial" not in re.sub(r"`ifdef RANDOM_START\n.*\n`endif", "", models)
    accesses = mixed(scratchpads, 8, 8, 300)
    read, _ = scratchpads.simulate(bench, accesses, (10, 290))
    assert read == scratchpads.expected(bench, accesses)
    assert read.count(None) < 20 < len(read)


def mixed(scratchpads: ModuleType, depth: int, width: int, count: int) -> list[Any]:
    """Random writes and reads; many a read is of the word that was just written."""
    rng = random.Random(5)
    accesses = []
    last = 0
    for _ in range(count):
        write = (rng.randrange(depth), rng.getrandbits(width)) if rng.random() < 0.5 else None
        read = last if rng.random() < 0.5 else rng.randrange(depth)
        accesses.append(scratchpads.Access(write=write, read=read))
        last = write[0] if write else last
    return accesses


@pytest.mark.tool
def test_the_cycle_time_that_timing_gives_is_about_what_the_gates_need(
    built: Callable[[int, int, str], Any], scratchpads: ModuleType
) -> None:
    bench = built(8, 8, "latch")
    path_ns = (scratchpads.PERIOD_PS - bench.timed.register_slack_ps) / 1000
    accesses = mixed(scratchpads, 8, 8, 300)
    want = scratchpads.expected(bench, accesses)
    assert 0.2 < path_ns < 0.6
    # Setup is part of the path, but not of the simulation.
    assert scratchpads.simulate(bench, accesses, (10, 290), 1.05 * path_ns)[0] == want
    assert scratchpads.simulate(bench, accesses, (10, 290), 0.75 * path_ns)[0] != want


CHAIN = """\
module top(clk, e, d, q);
  input clk, e, d;
  output q;
  wire gated, a0, w;
  DFF_X1 first (.CK(clk), .D(d), .Q(a0));
{buffers}
  CLKGATE_X1 gate (.CK(clk), .E(e), .GCK(gated));
  DLH_X1 word (.G(gated), .D(a{length}), .Q(w));
  DFF_X1 last (.CK(clk), .D(w), .Q(q));
endmodule
"""


def time_chain(folder: Path, length: int) -> tuple[timing.TimingResult, str]:
    """A flip-flop, buffers, a latch and a flip-flop."""
    platform = load_platform()
    buffers = "\n".join(
        f"  wire a{n + 1};\n  BUF_X1 b{n} (.A(a{n}), .Z(a{n + 1}));" for n in range(length)
    )
    (folder / "netlist.v").write_text(CHAIN.format(buffers=buffers, length=length))
    (folder / "timing.sdc").write_text(
        f"create_clock -name clk -period {PERIOD_PS / 1000} [get_ports clk]\n"
        f"create_clock -name io -period {PERIOD_PS / 1000}\n"
        "set_input_transition 0.04 [get_ports clk]\nset_input_delay 0 -clock clk [get_ports {e d}]"
    )
    (folder / "wires.spef").write_text('*SPEF "IEEE 1481-1998"\n*DESIGN "top"\n')
    (folder / "timing.tcl").write_text(timing.script(platform, "top"))
    (folder / "cells.lib").symlink_to(platform.liberty)
    result = timing.analyse_timing(folder, PERIOD_PS, 60)
    return result, (folder / "timing.log").read_text()


@pytest.mark.tool
def test_data_that_pass_an_open_latch_count_up_to_the_next_flip_flop(tmp_path: Path) -> None:
    result, log = time_chain(tmp_path, 2)
    arrival = float(re.findall(r"([\d.]+)\s+data arrival time", log)[0])
    through = re.search(r"^peforge register_slack_ns (\S+)", log, re.M)
    assert through is not None
    # Behind the way to the latch there are a latch and a setup: some 60 and 30 ps.
    assert 0.07 < PERIOD_PS / 1000 - float(through[1]) - arrival < 0.14
    assert result.slack_ps > 0


@pytest.mark.tool
def test_a_cycle_is_twice_as_long_as_the_way_to_the_latch_that_closes_in_its_middle(
    tmp_path: Path,
) -> None:
    result, log = time_chain(tmp_path, 20)
    arrival = float(re.findall(r"([\d.]+)\s+data arrival time", log)[0])
    setup = -float(re.findall(r"library setup time\s+(-?[\d.]+)", log)[0])
    assert 0.5 < arrival < 0.9
    assert result.slack_ps > 0  # the latch is met at this period
    cycle_ns = (PERIOD_PS - result.register_slack_ps) / 1000
    # The latch closes later than its clock falls at the port, by the delay of its clock gate.
    sdf = (tmp_path / "delays.sdf").read_text()
    falling = re.search(r"IOPATH CK GCK \(\S+\) \(([\d.]+):", sdf)
    assert falling is not None
    gate = float(falling[1])
    assert 0.01 < gate < 0.1
    # The report has two digits.
    assert cycle_ns == pytest.approx(2 * (arrival + setup - gate), abs=0.025)


@pytest.mark.tool
def test_data_that_come_after_a_latch_has_closed_violate(tmp_path: Path) -> None:
    result, _ = time_chain(tmp_path, 45)
    assert result.slack_ps < 0
    assert PERIOD_PS - result.register_slack_ps == pytest.approx(
        PERIOD_PS - 2 * result.slack_ps, abs=2
    )


def test_the_smaller_of_the_slacks_between_registers_counts() -> None:
    report = "\n".join(
        [
            "peforge skew_begins", "a/CK ^", "0.25298", "b/CK ^", "0.17343   0.00000    0.07955",
            "peforge skew_ends", "peforge setup_slack_ns 0.5", "peforge hold_slack_ns 0.1",
            "peforge register_slack_ns 0.6", "peforge slew_check_begins",
            "peforge slew_check_ends", "peforge least_period_ns 1.5",
            "peforge least_period_hold_slack_ns -0.01",
        ]
    )  # fmt: skip
    result = timing.parse_timing(report, 2000)
    assert (result.register_slack_ps, result.least_period_ps) == (600, 1500)
    assert result.insertion_ps == pytest.approx(252.98)
    assert result.skew_ps == pytest.approx(79.55)
    assert result.least_period_hold_slack_ps == -10
    latch = "\npeforge latch_slack_ns "
    latched = timing.parse_timing(report + latch + "0.4", 2000)
    assert (latched.register_slack_ps, latched.least_period_ps) == (400, 1600)
    assert timing.parse_timing(report + latch + "0.7", 2000).register_slack_ps == 600
    for damaged, reason in (
        (report + latch + "inf", "sta reported no latch_slack_ns"),
        (report.replace("0.25298", ""), "sta reported no clock skew"),
        (report.replace("period_ns 1.5", "period_ns"), "sta reported no least_period_ns"),
    ):
        with pytest.raises(StepError) as error:
            timing.parse_timing(damaged, 2000)
        assert str(error.value) == reason


def energies(folder: Path, power_cells: Path, activity: dict[str, Activity]) -> dict[str, float]:
    """Internal energy of the cells in fJ a cycle: a clock gate, a latch behind it, a buffer."""
    platform = load_platform()
    cells = {
        "gate": ("CLKGATE_X1", {"CK": 2, "E": 3, "GCK": 10}),
        "latch": ("DLH_X1", {"G": 10, "D": 4, "Q": 11}),
        "after": ("BUF_X1", {"A": 11, "Z": 12}),
    }
    module = {
        "ports": {
            "clk": {"direction": "input", "bits": [2]},
            "en": {"direction": "input", "bits": [3]},
            "d": {"direction": "input", "bits": [4]},
            "z": {"direction": "output", "bits": [12]},
        },
        "cells": {
            name: {"type": kind, "connections": {pin: [bit] for pin, bit in pins.items()}}
            for name, (kind, pins) in cells.items()
        },
        "netnames": {"gck": {"bits": [10]}, "q": {"bits": [11]}},
    }
    (folder / "netlist.json").write_text(json.dumps({"modules": {"top": module}}))
    netlist = read_netlist(folder / "netlist.json", platform)
    wires = [star(len(net.sinks)) for net in netlist.nets]
    (folder / "power.tcl").write_text(power.scripts(platform, PERIOD_PS)["power.tcl"])
    (folder / "power_cells.lib").symlink_to(power_cells)
    power.write_power_inputs(folder, netlist, platform, wires, activity, CYCLES)
    expected = power.switching_w(netlist, platform, wires, activity, WINDOW_S)
    power.analyse_power(folder, netlist, platform, expected, 60)
    rows = re.findall(
        r"^\s*(\S+)\s+\S+\s+\S+\s+\S+\s+(gate|latch|after)$",
        (folder / "power.log").read_text(), re.M,
    )  # fmt: skip
    return {name: float(watts) * PERIOD_PS * 1e3 for watts, name in rows}


def quiet(**toggles: int) -> dict[str, Activity]:
    """The nets at rest but these; half of the time at 1."""
    nets = {"en": 0, "d": 0, "q": 0, "z": 0, "gck": 0, "clk": 2 * CYCLES, **toggles}
    return {name: Activity(count, 0.5) for name, count in nets.items()}


def table_range(pin: str, edges: str = "rise|fall") -> tuple[float, float]:
    """Least and largest internal energy of a pin of DLH_X1, as the kit has them."""
    text = re.search(r"cell \(DLH_X1\) \{.*?\n  \}", load_platform().liberty.read_text(), re.S)
    assert text is not None
    _, _, rest = text[0].partition(f"pin ({pin})")
    body = rest.split("\n\tpin (")[0]
    tables = re.findall(rf"(?:{edges})_power\(\w+\) \{{.*?values \((.*?)\);", body, re.S)
    values = [float(v) for table in tables for v in re.findall(r"-?\d+\.\d+", table)]
    assert values
    return min(values), max(values)


@pytest.mark.tool
def test_a_pulse_at_a_latch_costs_its_falling_and_half_its_rising_energy(
    tmp_path: Path, power_cells: Path
) -> None:
    energy = energies(tmp_path, power_cells, quiet(gck=2 * CYCLES))["latch"]
    fall, rise = table_range("G", "fall"), table_range("G", "rise")
    # At the quick slews of a clock gate; the slowest in the tables cost half as much again.
    assert fall[0] + rise[0] / 2 <= energy <= 1.15 * (fall[0] + rise[0] / 2)


@pytest.mark.tool
def test_a_toggle_of_a_latch_costs_one_table_value_not_one_for_each_input(
    tmp_path: Path, power_cells: Path
) -> None:
    energy = energies(tmp_path, power_cells, quiet(q=CYCLES))["latch"]
    low, high = table_range("Q")
    assert low < energy < high
    assert energy > 0.5


@pytest.mark.tool
def test_data_at_a_closed_latch_cost_the_mean_of_both_edges(
    tmp_path: Path, power_cells: Path
) -> None:
    energy = energies(tmp_path, power_cells, quiet(d=CYCLES))["latch"]
    low, high = table_range("D")
    assert low < 0 < energy < high  # a rising edge gives back what a falling one costs
    assert energy < 0.15


@pytest.mark.tool
def test_a_latch_at_rest_costs_nothing(tmp_path: Path, power_cells: Path) -> None:
    assert energies(tmp_path, power_cells, quiet())["latch"] == pytest.approx(0, abs=1e-6)


@pytest.mark.tool
def test_a_latch_scratchpad_at_work_agrees_with_the_energy_of_its_nets(
    built: Callable[[int, int, str], Any], scratchpads: ModuleType, power_cells: Path
) -> None:
    bench = built(8, 8, "latch")
    accesses = mixed(scratchpads, 8, 8, 200)
    result = scratchpads.run(bench, power_cells, accesses, (20, 190))
    assert result.read == scratchpads.expected(bench, accesses)
    powered = result.powered.dynamic_w
    assert powered["memory"] == 0
    assert all(powered[group] > 0 for group in ("register", "clock_gate", "logic"))
