"""Lint: all that is generated is clean, and defects are still seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from characterize.lint import lint
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.export import component_verilog, verilog_text
from rtl_gen.output_stage import FpOutputStage, OutputStage
from rtl_gen.selftest import testbench_text as bench_text
from tests.strategies import designs


def warnings(folder: Path, text: str) -> list[str]:
    (folder / "pe.v").write_text(text)
    return lint(folder, "pe.v")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_clean(name: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, verilog_text(PEDesign.preset(name))) == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(designs(largest_depth=8))
def test_any_design_is_clean(tmp_path: Path, design: PEDesign) -> None:
    assert warnings(tmp_path, verilog_text(design)) == []


def test_a_macro_and_output_stages_are_clean(tmp_path: Path) -> None:
    assert warnings(tmp_path, verilog_text(PEDesign.preset("INT8", scratchpad="sram"))) == []
    stage = OutputStage(psum_bits=28, act_bits=8, act_signed=False, bias=True)
    assert warnings(tmp_path, component_verilog(stage, "stage")) == []
    float_stage = FpOutputStage(psum_bits=32, act_bits=16)
    assert warnings(tmp_path, component_verilog(float_stage, "stage")) == []


def test_the_test_bench_is_clean(tmp_path: Path) -> None:
    design = PEDesign.preset("INT8", filter_depth=12, scratchpad="latch")
    (tmp_path / f"{design.name}.v").write_text(verilog_text(design))
    (tmp_path / f"{design.name}_tb.v").write_text(bench_text(design))
    assert lint(tmp_path, f"{design.name}.v", f"{design.name}_tb.v", timing=True) == []


@pytest.mark.parametrize(
    ("defect", "rule"),
    [
        ("wire [2:0] cut = psum_in__payload[3:0];", "WIDTHTRUNC"),
        ("reg held; always @* if (rst) held = clk;", "LATCH"),
        ("wire floating; assign nowhere = floating;", "IMPLICIT"),
    ],
)
def test_a_defect_is_reported(defect: str, rule: str, tmp_path: Path) -> None:
    design = PEDesign.preset("INT4", filter_depth=4, psum_depth=2)
    text = verilog_text(design)
    place = text.index("  input clk;", text.index(f"module {design.name}("))
    found = warnings(tmp_path, f"{text[:place]}  {defect}\n{text[place:]}")
    assert any(rule in line for line in found), found
