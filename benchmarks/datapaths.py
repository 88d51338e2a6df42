"""Area and delay of the arithmetic alone: what multiplies, and what adds, without scratchpads.

Each datapath (``rtl_gen.arithmetic.Datapath``, no register inside), each adder of sums, and some
output stages (longest path to or from their registers) are synthesised with the scripts of the flow
and timed by OpenSTA, before placement, without wires.
Run: ``python -m benchmarks.datapaths`` (some 2 minutes).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from characterize import synthesize
from characterize.platform import Platform, load_platform
from characterize.process import run_tool
from rtl_gen.arithmetic import Datapath, psum_shape
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.export import component_rtlil
from rtl_gen.floating_point import FpAdder
from rtl_gen.fp_golden import format_of_bits
from rtl_gen.output_stage import FpOutputStage, OutputStage

PERIOD_PS = 2000
_TIMING = """\
read_liberty cells.lib
read_verilog netlist.v
link_design top
set_driving_cell -lib_cell {driver} [all_inputs]
set_load {load} [all_outputs]
{constraints}
puts "slack [get_property [lindex [find_timing_paths -path_delay max] 0] slack]"
exit
"""
_COMBINATIONAL = "set_max_delay 100 -from [all_inputs] -to [all_outputs]"
# Inputs and outputs have no delay of their own.
_CLOCKED = "create_clock -name clk -period 100 [get_ports clk]"


class SumAdder(wiring.Component):
    """The adder of products onto sums, alone."""

    def __init__(self, design: PEDesign) -> None:
        self.design = design
        product = psum_shape(design, design.product_bits)
        total = psum_shape(design, design.psum_bits)
        super().__init__({"product": In(product), "stored": In(total), "total": Out(total)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.design.family == "fp":
            m.submodules.adder = adder = FpAdder(format_of_bits(self.design.psum_bits))
            m.d.comb += [adder.a.eq(self.product), adder.b.eq(self.stored)]
            m.d.comb += self.total.eq(adder.total)
        else:
            m.d.comb += self.total.eq(self.product + self.stored)
        return m


def measure(
    component: wiring.Component, platform: Platform, constraints: str = _COMBINATIONAL
) -> tuple[float, float]:
    """Area in um2 and longest delay in ps."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rtl.il").write_text(component_rtlil(component, "top"), encoding="utf-8")
        for file, text in synthesize.scripts(platform, "top", PERIOD_PS).items():
            (folder / file).write_text(text, encoding="utf-8")
        (folder / "cells.lib").symlink_to(platform.liberty)
        netlist = synthesize.synthesize(folder, platform, 600)
        library = platform.cells()
        script = _TIMING.format(
            driver=platform.roles["driver"]["cell"], load=platform.load_ff, constraints=constraints
        )
        (folder / "delay.tcl").write_text(script, encoding="utf-8")
        report = run_tool(
            ["sta", "-no_splash", "-exit", "delay.tcl"], folder=folder, log="sta.log", timeout_s=60
        )
    (slack,) = (line.split()[1] for line in report.splitlines() if line.startswith("slack "))
    area = sum(library[kind].area_um2 for kind in netlist.kinds)
    return area, 1000 * (100 - float(slack))


def main() -> None:
    platform = load_platform()
    designs = {name: PEDesign.preset(name) for name in PRESETS}
    for name in ("INT16", "INT8"):
        for multiplier in ("booth", "array"):
            designs[f"{name} {multiplier}"] = PEDesign.preset(name, multiplier=multiplier)
        designs[f"{name} 3 modes"] = PEDesign.preset(name, precision_modes=3)
    designs["LightPE-2 serial"] = PEDesign.preset("LightPE-2", serial_terms=True)
    print(f"{'':18}{'multiply um2':>14}{'ps':>8}{'add um2':>10}{'ps':>8}{'together um2':>14}")
    for name, design in designs.items():
        product = measure(Datapath(design, registered=False), platform)
        total = measure(SumAdder(design), platform)
        print(
            f"{name:18}{product[0]:14,.0f}{product[1]:8,.0f}{total[0]:10,.0f}{total[1]:8,.0f}"
            f"{product[0] + total[0]:14,.0f}",
            flush=True,
        )
    print(f"\n{'output stage':34}{'um2':>10}{'ps':>8}")
    stages = {
        "28-bit sums to 8 bits, bias": OutputStage(
            psum_bits=28, act_bits=8, act_signed=False, bias=True
        ),
        "64-bit sums, 32-bit scales, bias": OutputStage(
            psum_bits=64, act_bits=16, act_signed=True, scale_bits=32, bias=True
        ),
        "binary32 to bfloat16": FpOutputStage(psum_bits=32, act_bits=16),
    }
    for name, stage in stages.items():
        area, delay = measure(stage, platform, _CLOCKED)
        print(f"{name:34}{area:10,.0f}{delay:8,.0f}", flush=True)


if __name__ == "__main__":
    main()
