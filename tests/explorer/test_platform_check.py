"""Checking a platform: all that is missing is said, and what is complete goes through the flow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from characterize.measurement import Measurement, Point
from characterize.platform import find_platform, load_platform
from characterize.platform_values import range_problems, value_problems
from explorer.campaigns import measure_points
from explorer.platform_check import SMALL_PE, check_platform
from rtl_gen.design import PEDesign

SMALL = PEDesign.preset("INT4", **SMALL_PE)


def kit(folder: Path, osu018: Path, **changes: Any) -> Path:
    """A platform file of its own for the cells of osu018, with these entries changed."""
    document = yaml.safe_load(find_platform("osu018").read_text())
    document.update({"name": "mine", "root": {"folder": str(osu018)}})
    document.update(changes)
    path = folder / "mine.yaml"
    path.write_text(
        yaml.safe_dump({k: v for k, v in document.items() if v is not None}, sort_keys=False)
    )
    return path


def cells(**changes: Any) -> dict[str, Any]:
    document = yaml.safe_load(find_platform("osu018").read_text())
    return {k: v for k, v in {**document["cells"], **changes}.items() if v is not None}


def peforge(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "explorer.cli", *arguments],
        capture_output=True, text=True, cwd=cwd, check=False,
    )  # fmt: skip


@pytest.mark.tool
def test_a_platform_from_its_files_alone_goes_through_the_flow(
    tmp_path: Path, osu018: Path
) -> None:
    run = peforge("platform", "check", str(kit(tmp_path, osu018)), "--json", cwd=tmp_path)
    report = json.loads(run.stdout)
    assert report["problems"] == []
    assert run.returncode == 0
    assert report["ok"] is True
    assert report["platform"] == "mine"
    pe = report["pe"]
    # Some 12,000 gates of 180 nm: about 25 times the area at 45 nm, a few times the period.
    assert 40_000 < pe["area_um2"] < 90_000
    assert 3_000 < pe["least_period_ps"] < 9_000
    assert 50 < pe["energy_per_mac_pj"] < 200
    assert pe["clock_gates"] == pe["latches"] > 20  # each gate has a latch, scratchpads have none
    assert pe["hold_slack_ps"] >= 0


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        (
            {"cells": cells(flop=None)},
            ["cells: flop needs cell, clock, data, output"],
        ),
        (
            {"liberty": "none.lib", "voltage_v": -1},
            [
                "liberty {kit}/none.lib cannot be read: No such file or directory",
                "voltage_v must be a number above 0, not -1",
            ],
        ),
        (
            {"cells": cells(and2={"cell": "NAND2X1", "inputs": ["A", "B"], "output": "Y"})},
            ["cells: and2: Y of NAND2X1 is (!(A * B)), not that of and2"],
        ),
        (
            {"cells": cells(or2={"cell": "OR2X1", "inputs": ["A", "C"], "output": "Y"})},
            ["cells: or2: OR2X1 has no pin C; it has A, B, Y"],
        ),
        (
            {
                "cells": cells(
                    flop={"cell": "DFFNEGX1", "clock": "CLK", "data": "D", "output": "Q"},
                    driver={"cell": "BUFX9", "input": "A", "pin": "Y"},
                )
            },
            [
                "cells: flop: DFFNEGX1 is no flip-flop that CLK clocks, without a reset",
                "cells: driver: BUFX9 is not in the Liberty file",
            ],
        ),
        (
            {"areas": None},
            [
                "the areas of 2 cells are not those of their outlines: NAND3X1, OAI21X1; "
                "if those in Liberty are wrong, say areas: lef"
            ],
        ),
        (
            {"signal_layers": {"horizontal": "metal2", "vertical": "m9", "pin_ohm": 5}},
            [
                "signal_layers: vertical must be one of metal1, metal2, metal3, metal4, metal5, "
                "metal6, not 'm9'",
                "signal_layers: bend_ohm must be a number of Ohm, not None",
                "signal_layers: horizontal: metal2 is vertical",
            ],
        ),
        ({"max_slew_ps": 0.0004}, ["max_slew_ps must be from 1 to 100000, not 0.0004"]),
        ({"max_slew_ps": 100}, ["max_slew_ps must be at least clock_slew_ps, 120, not 100"]),
        ({"max_fanout": 2.5}, ["max_fanout must be an integer, not 2.5"]),
        ({"max_fanout": 1}, ["max_fanout must be from 2 to 1000, not 1"]),
        ({"voltage_v": "1800 mV"}, ["voltage_v must be a number above 0, not '1800 mV'"]),
        ({"voltage_v": True}, ["voltage_v must be a number above 0, not True"]),
        ({"voltage_v": 1800}, ["voltage_v must be from 0.1 to 20, not 1800"]),
        ({"layers": [1]}, ["layers must be a mapping of routing layers, not [1]"]),
        (
            {"tracks_per_um": {"horizontal": 1}},
            ["tracks_per_um: vertical must be a number above 0, not None"],
        ),
        (
            {
                "signal_layers": {
                    "horizontal": "metal3",
                    "vertical": "metal2",
                    "pin_ohm": 5.68,
                    "bend_ohm": 1e6,
                }
            },
            ["signal_layers: bend_ohm must be at most 10000, not 1000000.0"],
        ),
        ({"liberty": "."}, ["liberty {kit} cannot be read: Is a directory"]),
        ({"liberty": 8}, ["liberty must name a file, or several, not 8"]),
        ({"dont_use": "FAX1"}, ["dont_use must be a list of patterns, not 'FAX1'"]),
        (
            {"dont_use": ["*"]},
            ["dont_use leaves 5 cells for logic and no inverter among them"],
        ),
        ({"corners": {"hold": "fast"}}, ["corners: hold needs name, liberty"]),
        (
            {"root": "osu018"},
            [
                "root must be {folder: F}, {package: P, folder: F} or {environment: VARIABLE, "
                "folder: F}, each a text, not 'osu018'"
            ],
        ),
        (
            {"cells": cells(buffer={"cells": "BUFX2", "input": "A", "output": "Y"})},
            ["cells: buffer: cells must be a list of cells, not 'BUFX2'"],
        ),
        (
            {"cells": cells(and2={"cell": "AND2X1", "inputs": ["A"], "output": "Y"})},
            ["cells: and2: inputs must be a list of two pins, not ['A']"],
        ),
        (
            {"name": "../x y"},
            ["name must be of letters, digits, _, - and ., a letter or digit first, not '../x y'"],
        ),
        (
            {"name": "osu018", "load_ff": 50},
            [
                "name osu018 is that of a shipped platform, which has other load_ff, root; "
                "take another name"
            ],
        ),
    ],
)
def test_all_that_is_missing_is_listed(
    tmp_path: Path, osu018: Path, changes: dict[str, Any], problems: list[str]
) -> None:
    report = check_platform(str(kit(tmp_path, osu018, **changes)))
    assert list(report.problems) == [line.replace("{kit}", str(osu018)) for line in problems]
    assert not report.ok
    assert not report.pe


def test_a_wire_that_no_process_has_is_named(tmp_path: Path, osu018: Path) -> None:
    layers = yaml.safe_load(find_platform("osu018").read_text())["layers"]
    layers["metal3"]["ff_per_um"] = 112  # aF, not fF
    report = check_platform(str(kit(tmp_path, osu018, layers=layers)))
    assert report.problems == ("layers: metal3: ff_per_um must be from 0.01 to 2, not 112",)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("ohm_per_um", 1000, "from 0.001 to 200"),
        ("ohm_per_um", 0, "from 0.001 to 200"),
        ("ff_per_um", 1.0e-15, "0 or from 0.01 to 2"),
    ],
)
def test_a_layer_without_wires_is_like_those_of_processes_too(
    tmp_path: Path, osu018: Path, key: str, value: float, allowed: str
) -> None:
    layers = yaml.safe_load(find_platform("osu018").read_text())["layers"]
    layers["metal1"][key] = value
    report = check_platform(str(kit(tmp_path, osu018, layers=layers)))
    assert report.problems == (f"layers: metal1: {key} must be {allowed}, not {value!r}",)


@pytest.mark.parametrize(
    "name", ["asap7", "freepdk45", "ihp-sg13g2", "nangate45", "osu018", "sky130hd"]
)
def test_the_values_of_shipped_platforms_are_right(name: str) -> None:
    document = yaml.safe_load(find_platform(name).read_text())
    assert not [*value_problems(document), *range_problems(document)]


@pytest.mark.tool
def test_a_slew_limit_that_the_kit_cannot_meet_is_named(tmp_path: Path, osu018: Path) -> None:
    report = check_platform(str(kit(tmp_path, osu018, max_slew_ps=1, clock_slew_ps=1)))
    (problem,) = report.problems
    assert re.fullmatch(
        r"max_slew_ps: \d,\d{3} pins of the small PE, of [\d,]+ cells, are slower than 1 ps",
        problem,
    )


def test_a_unit_that_is_not_known_is_named(tmp_path: Path, osu018: Path) -> None:
    text = (osu018 / "osu018_stdcells.lib").read_text()
    (tmp_path / "odd.lib").write_text(text.replace('time_unit : "1ns"', 'time_unit : "1us"'))
    path = kit(tmp_path, osu018, liberty=str(tmp_path / "odd.lib"))
    (problem,) = check_platform(str(path)).problems
    assert re.fullmatch(r"\S+odd\S*: time_unit must be one of 1ns, 100ps, 10ps, 1ps, not 1us",
                        problem)  # fmt: skip


def test_problems_are_lines_and_exit_code_1(tmp_path: Path, osu018: Path) -> None:
    path = kit(tmp_path, osu018, cells=cells(flop=None, latch=None))
    run = peforge("platform", "check", str(path), cwd=tmp_path)
    assert run.returncode == 1
    assert run.stdout.splitlines() == [
        "missing: cells: flop needs cell, clock, data, output",
        "missing: cells: latch needs cell, gate, data, output",
        f"{path}: 2 problems",
    ]


def test_bad_yaml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: [kit\ncells: {")
    run = peforge("platform", "check", str(path), cwd=tmp_path)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"peforge: error: {path}: is not YAML, line ")


def scaled(folder: Path, osu018: Path, name: str, factor: float) -> str:
    """The kit's Liberty with every delay of a cell times a factor."""

    def values(match: re.Match[str]) -> str:
        return re.sub(r"-?\d+\.\d+", lambda n: f"{float(n[0]) * factor:.6f}", match[0])

    text = (osu018 / "osu018_stdcells.lib").read_text()
    tables = r"cell_(?:rise|fall)\([^)]*\) \{[^}]*?values \((.*?)\);"
    text = re.sub(tables, lambda m: m[0].replace(m[1], values(re.match(r".*", m[1], re.S))), text,
                  flags=re.S)  # type: ignore[arg-type]  # fmt: skip
    (folder / name).write_text(text)
    return str(folder / name)


def measured(path: Path, folder: Path) -> Measurement:
    (result,) = measure_points(
        [Point(design=SMALL, period_ps=12_000)], store=folder / path.stem, dataset=None,
        jobs=1, platform=str(path), quiet=True,
    ).measurements  # fmt: skip
    assert result.reason == ""
    return result


@pytest.mark.tool
def test_setup_counts_from_the_slow_corner_and_hold_from_the_fast_one(
    tmp_path: Path, osu018: Path
) -> None:
    slow = {"name": "slow", "liberty": scaled(tmp_path, osu018, "slow.lib", 1.5)}
    fast = {"name": "fast", "liberty": scaled(tmp_path, osu018, "fast.lib", 0.5)}
    alone = measured(kit(tmp_path, osu018), tmp_path)
    path = kit(tmp_path, osu018, corners={"setup": slow, "hold": fast})
    assert load_platform(str(path)).corner == "typical, 1.80 V, 25 C; setup: slow; hold: fast"
    both = measured(path, tmp_path / "corners")
    assert set(both.platform["hashes"]) == {
        "platform", "liberty", "liberty_setup", "liberty_hold", "cell_lef",
    }  # fmt: skip
    assert both.platform["corner"] == "typical, 1.80 V, 25 C; setup: slow; hold: fast"
    # Setup times and wires are as they were; but logic is mapped with the slow cells, too.
    ratio = both.metrics["least_period_ps"] / alone.metrics["least_period_ps"]
    assert ratio == pytest.approx(1.5, abs=0.15)
    # Delays in simulation, and power, are those of the typical corner.
    assert both.metrics["energy_per_mac_pj"] == pytest.approx(
        alone.metrics["energy_per_mac_pj"], rel=0.15
    )
    assert both.metrics["hold_slack_ps"] >= 0


@pytest.mark.tool
def test_flip_flops_that_all_have_a_reset_get_through(tmp_path: Path) -> None:
    document = yaml.safe_load(find_platform("freepdk45").read_text())
    document["name"] = "resets"
    del document["openroad"]  # would be of the same kit
    document["dont_use"] = ["DFF_X*", "DFFS_X*", "DFFRS_X*", "SDFF*"]
    document["cells"]["flop"] = {
        "cell": "DFFR_X1", "clock": "CK", "data": "D", "output": "Q", "tied": {"RN": "high"},
    }  # fmt: skip
    path = tmp_path / "resets.yaml"
    path.write_text(yaml.safe_dump(document))
    platform = load_platform(str(path))
    assert platform.cells()["DFFR_X1"].is_flop
    # Its power counts only if OpenSTA's switching power is that of the simulated activity.
    report = check_platform(str(path))
    assert report.problems == ()
    assert report.pe["registers"] == 290
