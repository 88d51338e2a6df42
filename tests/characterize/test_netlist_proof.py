"""Whole netlists against their RTL: proved for every kind of cell, refuted where one is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from characterize import sram, synthesize
from characterize.netlist import Netlist, read_netlist
from characterize.netlist_proof import prove_netlist
from characterize.platform import Platform, load_platform
from characterize.process import StepError
from characterize.prover import Verdict, run_yosys
from rtl_gen.arithmetic import Datapath
from rtl_gen.design import PEDesign
from rtl_gen.export import component_rtlil, rtlil_text
from rtl_gen.interface import ports

TIMEOUT_S = 100
SMALL: dict[str, Any] = {"ifmap_depth": 3, "filter_depth": 4, "psum_depth": 2}


def synthesize_text(folder: Path, rtlil: str, top: str, platform: Platform) -> Netlist:
    (folder / "rtl.il").write_text(rtlil)
    (folder / "cells.lib").symlink_to(platform.liberty)
    for name, text in synthesize.scripts(platform, top, 2000).items():
        (folder / name).write_text(text)
    return synthesize.synthesize(folder, platform, TIMEOUT_S)


def prove_pe(folder: Path, design: PEDesign) -> Verdict:
    platform = sram.for_design(load_platform(), design)
    netlist = synthesize_text(folder, rtlil_text(design), design.name, platform)
    return prove_netlist(folder, netlist, platform, ports(design), timeout_s=TIMEOUT_S)


def datapath_ports(design: PEDesign) -> list[dict[str, Any]]:
    widths = {"act": design.act_word_bits, "weight": design.weight_word_bits, "mode": 2}
    inputs = {"clk": 1, "rst": 1, **widths, "enable": 1}
    return [
        *({"name": name, "direction": "input", "width": bits} for name, bits in inputs.items()),
        {"name": "product", "direction": "output", "width": design.product_bits},
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"name": "LightPE-2", **SMALL, "serial_terms": True, "zero_gating": True},
        {"name": "INT4", **SMALL, "scratchpad": "latch", "precision_modes": 3},
        {"name": "INT8", **SMALL, "filter_depth": 64, "act_bits": 2, "scratchpad": "sram"},
    ],
    ids=lambda values: PEDesign.preset(**values).name,
)
def test_the_gates_of_a_pe_are_its_rtl(values: dict[str, Any], tmp_path: Path) -> None:
    assert prove_pe(tmp_path, PEDesign.preset(**values)).outcome == "proved"


@pytest.mark.parametrize(
    ("values", "registered"),
    [
        ({"name": "INT16"}, False),
        ({"name": "INT16", "precision_modes": 3}, True),
        ({"name": "BF16"}, True),
        ({"name": "FP32", "multiplier": "booth"}, False),
    ],
    ids=str,
)
def test_the_gates_of_wide_arithmetic_are_its_rtl(
    values: dict[str, Any], registered: bool, tmp_path: Path
) -> None:
    design, platform = PEDesign.preset(**values), load_platform()
    rtlil = component_rtlil(Datapath(design, registered=registered), "datapath")
    netlist = synthesize_text(tmp_path, rtlil, "datapath", platform)
    inner = ports_of(netlist, datapath_ports(design))
    verdict = prove_netlist(tmp_path, netlist, platform, inner, timeout_s=TIMEOUT_S)
    assert verdict.outcome == "proved"


def ports_of(netlist: Netlist, candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that the netlist has."""
    names = {name.partition("[")[0] for name in netlist.ports}
    return [port for port in candidates if port["name"] in names]


@pytest.mark.parametrize("reset_to", [0, 0x5A])
@pytest.mark.parametrize(
    "body",
    [
        "q <= d;",
        "if (rst) q <= {value}; else q <= d;",
        "if (enable) q <= d;",
        "if (rst) q <= {value}; else if (enable) q <= d;",
        "if (enable) begin if (rst) q <= {value}; else q <= d; end",
    ],
)
def test_registers_of_all_kinds_survive_clock_gating(
    body: str, reset_to: int, tmp_path: Path
) -> None:
    (tmp_path / "top.v").write_text(
        "module top (input clk, input rst, input enable, input [7:0] d, output reg [7:0] q);\n"
        f"always @(posedge clk) {body.format(value=reset_to)}\nendmodule\n"
    )
    run_yosys(tmp_path, "read", "read_verilog top.v; proc; write_rtlil top.il")
    platform = load_platform()
    netlist = synthesize_text(tmp_path, (tmp_path / "top.il").read_text(), "top", platform)
    gated = any(platform.cells()[kind].clock_gate for kind in netlist.kinds)
    assert gated == ("if (enable)" in body)
    widths = {"clk": 1, "rst": 1, "enable": 1, "d": 8}
    inner = [{"name": n, "direction": "input", "width": bits} for n, bits in widths.items()]
    inner.append({"name": "q", "direction": "output", "width": 8})
    verdict = prove_netlist(tmp_path, netlist, platform, inner, timeout_s=TIMEOUT_S)
    assert verdict.outcome == "proved"


@pytest.mark.parametrize(("cell", "other"), [("AND2_X1", "OR2_X1"), ("OAI21_X1", "AOI21_X1")])
def test_a_wrong_gate_is_refuted(cell: str, other: str, tmp_path: Path) -> None:
    design, platform = PEDesign.preset("INT4", **SMALL), load_platform()
    synthesize_text(tmp_path, rtlil_text(design), design.name, platform)
    path = tmp_path / "netlist.json"
    wrong, count = re.subn(f'"type": "{cell}"', f'"type": "{other}"', path.read_text(), count=1)
    assert count == 1
    path.write_text(wrong)
    netlist = read_netlist(path, platform)
    verdict = prove_netlist(tmp_path, netlist, platform, ports(design), timeout_s=TIMEOUT_S)
    assert verdict.outcome == "refuted"
    assert verdict.cycles > 1


def test_a_cell_without_a_meaning_is_an_error(tmp_path: Path) -> None:
    platform = load_platform()
    netlist = Netlist(top="t", instances=("u",), kinds=("TBUF_X1",), ports=(), nets=())
    with pytest.raises(StepError) as error:
        prove_netlist(tmp_path, netlist, platform, [], timeout_s=TIMEOUT_S)
    assert str(error.value) == "no proof knows cell TBUF_X1"
