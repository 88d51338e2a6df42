"""OpenSTA's power against energies read from the Liberty file by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from characterize import power
from characterize.activity import Activity
from characterize.netlist import Netlist, read_netlist
from characterize.platform import Platform, load_platform
from characterize.process import StepError
from characterize.work import prepare_power_library
from tests.wires import star

pytestmark = pytest.mark.tool

PERIOD_PS = 2000
CYCLES = 1000
WINDOW_S = CYCLES * PERIOD_PS * 1e-12


def small_netlist(folder: Path, platform: Platform) -> Netlist:
    """A clock gate, a flip-flop behind it, and an XOR of the flip-flop with an input."""
    cells = {
        "gate": ("CLKGATE_X1", {"CK": 2, "E": 3, "GCK": 10}),
        "flop": ("DFF_X1", {"CK": 10, "D": 4, "Q": 11}),
        "xor": ("XOR2_X1", {"A": 11, "B": 4, "Z": 12}),
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
    path = folder / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module}}))
    return read_netlist(path, platform)


def run(folder: Path, activity: dict[str, Activity]) -> tuple[dict[str, tuple[float, ...]], float]:
    """Energy of each instance in fJ a cycle (internal, switching), and the leakage in W."""
    platform = load_platform()
    return analysed(folder, platform, small_netlist(folder, platform), activity)


def analysed(
    folder: Path, platform: Platform, netlist: Netlist, activity: dict[str, Activity]
) -> tuple[dict[str, tuple[float, ...]], float]:
    """``run`` of any netlist."""
    wires = [star(len(net.sinks)) for net in netlist.nets]
    (folder / "power.tcl").write_text(power.scripts(platform, PERIOD_PS)["power.tcl"])
    library = prepare_power_library(folder / "store", platform, later=False)
    (folder / "power_cells.lib").symlink_to(library)
    power.write_power_inputs(folder, netlist, platform, wires, activity, CYCLES)
    expected = power.switching_w(netlist, platform, wires, activity, WINDOW_S)
    result = power.analyse_power(folder, netlist, platform, expected, 60)
    number = r"(\S+)"
    rows = re.findall(
        rf"^\s*{number}\s+{number}\s+{number}\s+{number}\s+(gate|flop|xor)$",
        (folder / "power.log").read_text(), re.M,
    )  # fmt: skip
    to_fj = PERIOD_PS * 1e-12 * 1e15
    return (
        {name: (float(i) * to_fj, float(s) * to_fj) for i, s, _, _, name in rows},
        result.leakage_w,
    )


def activity(toggles: int, gated: int, high: float = 0.5) -> dict[str, Activity]:
    """Everything toggles alike, the gated clock as given."""
    quiet = Activity(toggles, high)
    return {
        "clk": Activity(2 * CYCLES, 0.5),
        "en": Activity(0, 1.0 if gated else 0.0),
        "d": quiet, "q": quiet, "z": quiet,
        "gck": Activity(gated, gated / (4 * CYCLES)),
    }  # fmt: skip


def test_a_closed_clock_gate_costs_its_clock_pin_alone(tmp_path: Path) -> None:
    rows, _ = run(tmp_path, activity(0, gated=0, high=0.0))
    # Liberty, CLKGATE_X1, pin CK, when "!E & !GCK", at 40.98 ps: fall 3.794528, rise 1.436161 fJ.
    assert rows["gate"] == (pytest.approx(3.794528 + 1.436161, rel=0.01), 0.0)
    assert rows["flop"][0] == pytest.approx(0, abs=1e-6)
    assert rows["xor"] == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))


def test_a_clocked_flip_flop_costs_its_clock_pin_every_cycle(tmp_path: Path) -> None:
    rows, _ = run(tmp_path, activity(0, gated=2 * CYCLES, high=0.0))
    # Liberty, DFF_X1, pin CK, when "!D & !Q & QN", slew of the gated clock between 5 and 41 ps:
    # fall 4.47..4.65 fJ, and its rise.
    groups = re.search(
        r"cell \(DFF_X1\).*?pin \(CK\).*?\"!D & !Q & QN\".*?values \(\"([^\"]*)\".*?"
        r"rise_power.*?values \(\"([^\"]*)\"",
        load_platform().liberty.read_text(), re.S,
    )  # fmt: skip
    assert groups is not None
    fall, rise = ([float(v) for v in text.split(",")] for text in groups.groups())
    low = min(fall[:4]) + min(rise[:4])
    high = max(fall[:4]) + max(rise[:4])
    assert low <= rows["flop"][0] <= high


def test_an_energy_without_a_condition_counts_every_time(tmp_path: Path, osu018: Path) -> None:
    """That of the data pin of osu018's flip-flop: OpenSTA 2.0 would take it half of the time."""
    platform = load_platform("osu018")
    pins = {"clk": 2, "d": 3, "q": 4}
    module = {
        "ports": {
            name: {"direction": "output" if name == "q" else "input", "bits": [bit]}
            for name, bit in pins.items()
        },
        "cells": {
            "flop": {"type": "DFFPOSX1", "connections": {p.upper(): [b] for p, b in pins.items()}}
        },
        "netnames": {},
    }
    (tmp_path / "netlist.json").write_text(json.dumps({"modules": {"top": module}}))
    netlist = read_netlist(tmp_path / "netlist.json", platform)
    energies = []
    for toggles in (0, CYCLES):
        folder = tmp_path / str(toggles)
        folder.mkdir()
        activity = {
            "clk": Activity(2 * CYCLES, 0.5), "d": Activity(toggles, 0.5), "q": Activity(0, 0.0),
        }  # fmt: skip
        rows, _ = analysed(folder, platform, netlist, activity)
        energies.append(rows["flop"][0])
    text = (osu018 / "osu018_stdcells.lib").read_text()
    pin = text[text.index("pin(D)", text.index("cell (DFFPOSX1)")) :]
    tables = re.findall(r"(?:rise|fall)_power\(.*?values \(\"([^\"]*)\"", pin, re.S)[:2]
    rise, fall = ([float(v) for v in table.split(",")[:3]] for table in tables)
    low, high = (1000 * (pick(rise) + pick(fall)) / 2 for pick in (min, max))  # of a toggle
    assert low <= energies[1] - energies[0] <= high
    assert high < 1.5 * low


def test_half_the_toggles_are_half_the_energy(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, leak = run(tmp_path / "a", activity(CYCLES, gated=0))
    half, same_leak = run(tmp_path / "b", activity(CYCLES // 2, gated=0))
    for part in (0, 1):
        assert half["xor"][part] == pytest.approx(whole["xor"][part] / 2, rel=1e-3)
    assert leak == same_leak


def test_an_xor_toggle_costs_one_table_value_not_one_for_each_input(tmp_path: Path) -> None:
    rows, _ = run(tmp_path, activity(CYCLES, gated=0))
    text = load_platform().liberty.read_text()
    cell = re.search(r"cell \(XOR2_X1\) \{.*?\n  \}", text, re.S)
    assert cell is not None
    output = cell[0][cell[0].index("pin (Z)") :]
    tables = re.findall(r"(?:rise|fall)_power\(Power_7_7\) \{.*?values \((.*?)\);", output, re.S)
    values = [float(v) for table in tables for v in re.findall(r"-?\d+\.\d+", table)]
    assert len(tables) == 8  # two inputs, two conditions, two edges
    assert min(values) <= rows["xor"][0] <= max(values)


def test_switching_energy_is_half_c_v_squared(tmp_path: Path) -> None:
    rows, _ = run(tmp_path, activity(CYCLES, gated=0))
    assert rows["xor"][1] == pytest.approx(0.5 * (1.0 + 7.0) * 1.1**2, rel=0.01)


def test_activity_that_sta_does_not_honour_is_noticed(tmp_path: Path) -> None:
    platform = load_platform()
    netlist = small_netlist(tmp_path, platform)
    rows = "".join(f" 1.0e-06 1.0e-06 1.0e-08 2.0e-06 {n}\n" for n in ("gate", "flop", "xor"))
    report = rows + "Total 3.0e-06 3.0e-06 3.0e-08 6.03e-06 100.0%\n"
    with pytest.raises(StepError) as error:
        power.parse_power(report, netlist, platform, expected_switching_w=4e-6)
    assert str(error.value) == ("sta's switching power is 3e-06 W, the activity gives 4e-06 W")
    with pytest.raises(StepError) as error:
        power.parse_power(report.replace("6.03", "6.83"), netlist, platform, 3e-6)
    assert str(error.value) == "instances add up to 6.03e-06 W, sta's total is 6.83e-06 W"
