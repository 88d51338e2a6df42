"""Delays reach the simulation: from the SDF into each instance, and out at the ports."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from characterize.delays import delayed_netlist, read_delays
from characterize.netlist import Netlist
from characterize.platform import load_platform
from characterize.process import StepError
from characterize.simulate import cell_models

SDF = """
 (CELL
  (CELLTYPE "XOR2_X1")
  (INSTANCE n7)
  (DELAY
   (ABSOLUTE
    (COND (B == 1'b1)
     (IOPATH A Z (0.030::0.030) (0.020::0.020)))
    (IOPATH B Z (0.050::0.060) (0.040::0.040))
   )))
 (CELL
  (CELLTYPE "CLKGATE_X1")
  (INSTANCE g)
  (DELAY
   (ABSOLUTE
    (IOPATH CK GCK (0.040::0.040) (0.020::0.020))
   )))
"""
NETLIST = Netlist(
    top="t", instances=("n7", "g"), kinds=("XOR2_X1", "CLKGATE_X1"), ports=(), nets=()
)


def test_a_delay_is_the_mean_over_arcs_and_edges(tmp_path: Path) -> None:
    (tmp_path / "d.sdf").write_text(SDF)
    delays = read_delays(tmp_path / "d.sdf", NETLIST, load_platform())
    mean = (0.030 + 0.020 + 0.060 + 0.040) / 4
    assert delays == {"n7": pytest.approx(mean, abs=6e-4), "g": pytest.approx(0.030)}


def test_an_instance_without_a_delay_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.sdf").write_text(SDF.replace("n7", "n8"))
    with pytest.raises(StepError) as error:
        read_delays(tmp_path / "d.sdf", NETLIST, load_platform())
    assert str(error.value) == "sta wrote no delay for instance n7 (XOR2_X1)"


def test_only_instances_with_a_delay_get_the_parameter() -> None:
    text = "module t(a);\n  XOR2_X1 n7 (\n    .A(a)\n  );\n  CLKGATE_X1 g (\n  );\nendmodule\n"
    assert delayed_netlist(text, {"n7": 0.038}) == text.replace(
        "XOR2_X1 n7", "XOR2_X1 #(.DELAY_NS(0.038)) n7"
    )


@pytest.mark.tool
def test_a_changed_delay_is_seen_and_a_short_pulse_is_swallowed(tmp_path: Path) -> None:
    cell = load_platform().cells()["BUF_X1"]
    (tmp_path / "cells.v").write_text(cell_models([cell]))
    (tmp_path / "tb.v").write_text(
        """`timescale 1ns/1ps
module tb;
  reg a = 0; wire quick, slow; integer pulses = 0;
  BUF_X1 #(.DELAY_NS(0.020)) u(.A(a), .Z(quick));
  BUF_X1 #(.DELAY_NS(0.300)) v(.A(a), .Z(slow));
  always @(quick) $display("quick %0d", $rtoi($realtime * 1000 + 0.5));
  always @(slow) pulses = pulses + 1;
  initial begin
    #10 pulses = 0; a = 1; #0.1 a = 0; #5 $display("pulses %0d", pulses);
    a = 1; #5 $display("pulses %0d", pulses);
  end
endmodule
"""
    )
    subprocess.run(
        ["iverilog", "-g2012", "-s", "tb", "-o", "t.vvp", "tb.v", "cells.v"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    run = subprocess.run(
        ["vvp", "-n", "t.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert re.findall(r"pulses (\d)", run.stdout) == ["0", "1"]
    assert "quick 10020" in run.stdout
