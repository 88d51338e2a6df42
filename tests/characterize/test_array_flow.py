"""An array through the flow: one netlist of network and PEs, which computes a layer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from characterize import power_library
from characterize.array_flow import ArrayPoint, measure_array, run_netlist
from characterize.netlist import read_netlist
from characterize.platform import load_platform
from characterize.process import StepError
from rtl_gen.array.compiler import Program, compile_layer, default_tiling, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.array.model import layer_activity
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Words

pytestmark = pytest.mark.tool

PE = PEDesign(
    family="pow2", act_bits=3, weight_bits=3, ifmap_depth=2, filter_depth=4, psum_depth=2,
    psum_bits=12,
)  # fmt: skip
DESIGN = ArrayDesign(
    pe=PE, rows=2, columns=2, ifmap_words=32, filter_words=16, psum_words=32, scale_words=16,
    scale_bits=4,
)  # fmt: skip


def program() -> tuple[Program, Words]:
    layer = Layer(channels=1, height=5, width=4, filters=2, filter_height=2, filter_width=2)
    shape = shape_layer(DESIGN, layer, default_tiling(DESIGN, layer))
    rng = np.random.default_rng(3)
    ifmap, weights = rng.integers(-4, 4, (5, 4, 1)), rng.integers(0, 8, (2, 2, 1, 2))
    made = compile_layer(shape, ifmap, weights)
    return made, made.expected(ifmap, weights)


def test_an_array_is_measured_and_its_netlist_computes_the_layer(tmp_path: Path) -> None:
    made, expected = program()
    library = tmp_path / "power.lib"
    platform = load_platform()
    power_library.write_power_library(platform.liberty, library)
    point = ArrayPoint(design=DESIGN, period_ps=2000)
    folder = tmp_path / "flow"
    folder.mkdir()
    metrics = measure_array(point, made, expected, platform, library, folder).metrics
    assert metrics["window_cycles"] == layer_activity(made.shape, requantized=False).cycles
    assert metrics["slew_violations"] == metrics["load_violations"] == 0
    assert metrics["hold_slack_ps"] >= 0
    netlist = read_netlist(folder / "netlist.json", platform)
    cells = platform.cells()
    area = sum(cells[kind].area_um2 for kind in netlist.kinds)
    assert area == pytest.approx(metrics["network_area_um2"] + 4 * metrics["pe_area_um2"])
    assert area < metrics["area_um2"] < 1.15 * area
    assert metrics["buffer_area_um2"] > 0 < metrics["buffer_power_uw"]
    parts = ("register", "clock_gate", "clock_tree", "memory", "logic")
    assert metrics["dynamic_power_uw"] == pytest.approx(
        sum(metrics[f"{part}_power_uw"] for part in parts)
    )
    with pytest.raises(StepError) as error:
        run_netlist(made, expected + 1, folder)
    assert str(error.value) == "the ofmap of the netlist is not the golden one"


def test_a_layer_of_several_runs_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    made, expected = program()
    twice = dataclasses.replace(made, runs=made.runs * 2)
    point = ArrayPoint(design=DESIGN, period_ps=2000)
    with pytest.raises(StepError) as error:
        measure_array(point, twice, expected, load_platform(), tmp_path / "power.lib", tmp_path)
    assert str(error.value) == "the layer must be one run, for its activity, not 2"
    assert not list(tmp_path.iterdir())


def test_a_bank_that_no_macro_holds_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    made, expected = program()
    point = ArrayPoint(design=dataclasses.replace(DESIGN, ifmap_words=1 << 17), period_ps=2000)
    with pytest.raises(InputError) as error:
        measure_array(point, made, expected, load_platform(), tmp_path / "power.lib", tmp_path)
    assert str(error.value) == "depth must be an integer from 1 to 65536, not 131072"
    assert not list(tmp_path.iterdir())
