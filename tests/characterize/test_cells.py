"""The simulation models made from Liberty behave like the kit's own Verilog."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from characterize.liberty import LibraryCell
from characterize.platform import load_platform
from characterize.process import StepError
from characterize.simulate import cell_models

pytestmark = pytest.mark.tool


def test_every_logic_cell_agrees_with_the_kit_on_every_input(tmp_path: Path) -> None:
    platform = load_platform()
    vendor = platform.liberty.parent / "stdcells.v"
    cells = [
        cell
        for cell in platform.cells().values()
        if cell.inputs
        and cell.outputs
        and all(cell.outputs.values())
        and not cell.clocked_on
        and not cell.has_other_state
    ]
    assert len(cells) > 80
    printed = [
        run_all_inputs(tmp_path, cells, source)
        for source in (vendor.read_text(), cell_models(cells))
    ]
    assert printed[0] == printed[1]
    assert "x" not in printed[0].replace("xor", "")


def run_all_inputs(folder: Path, cells: list[LibraryCell], models: str) -> str:
    """What the outputs of every cell are for every combination of its inputs."""
    lines = ["`timescale 1ns/1ps", "module tb;"]
    body = []
    for number, cell in enumerate(cells):
        pins = ", ".join(
            [f".{pin}(i{number}[{k}])" for k, pin in enumerate(cell.inputs)]
            + [f".{pin}(o{number}[{k}])" for k, pin in enumerate(cell.outputs)]
        )
        lines += [
            f"reg [{len(cell.inputs) - 1}:0] i{number};",
            f"wire [{len(cell.outputs) - 1}:0] o{number};",
            f"{cell.name} u{number}({pins});",
        ]
        for values in itertools.product("01", repeat=len(cell.inputs)):
            bits = "".join(values)
            body.append(
                f'i{number} = {len(bits)}\'b{bits}; #10 $display("n{number} {bits} %b", o{number});'
            )
    text = "\n".join([*lines, "initial begin", *body, "end", "endmodule"])
    (folder / "tb.v").write_text(text)
    (folder / "cells.v").write_text(models)
    subprocess.run(
        ["iverilog", "-g2012", "-s", "tb", "-o", "t.vvp", "tb.v", "cells.v"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    run = subprocess.run(["vvp", "-n", "t.vvp"], cwd=folder, check=True, capture_output=True)
    return run.stdout.decode()


def test_a_flip_flop_starts_unknown_and_a_gated_clock_has_no_glitch(tmp_path: Path) -> None:
    cells = load_platform().cells()
    (tmp_path / "tb.v").write_text(
        """`timescale 1ns/1ps
module tb;
  reg ck = 1, d = 1, e = 0;
  wire q, qn, g;
  integer edges = 0;
  DFF_X1 f(.CK(ck), .D(d), .Q(q), .QN(qn));
  CLKGATE_X1 c(.CK(ck), .E(e), .GCK(g));
  always @(posedge g) edges = edges + 1;
  initial begin
    #1 $display("%b", q);
    #1 ck = 0; #4 ck = 1; #1 $display("%b %b", q, g);
    #1 e = 1; #1 $display("%0d", edges);  // enable rises while the clock is high: no pulse
    #2 ck = 0; #5 ck = 1; #1 $display("%0d", edges);
    e = 0; #1 $display("%b", g);          // and the pulse is not cut short
  end
endmodule
"""
    )
    (tmp_path / "cells.v").write_text(cell_models([cells["DFF_X1"], cells["CLKGATE_X1"]]))
    subprocess.run(
        ["iverilog", "-g2012", "-s", "tb", "-o", "t.vvp", "tb.v", "cells.v"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    run = subprocess.run(["vvp", "-n", "t.vvp"], cwd=tmp_path, check=True, capture_output=True)
    assert run.stdout.decode().split() == ["x", "1", "0", "0", "1", "1"]


def test_a_cell_without_a_function_has_no_model() -> None:
    with pytest.raises(StepError, match="no simulation model for cell TBUF_X1"):
        cell_models([load_platform().cells()["TBUF_X1"]])
