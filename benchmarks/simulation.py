"""Gate simulation with the cell models of this project against the kit's own Verilog.

Both simulate the netlist of one measured PE with the same test bench and must reproduce the same
sums. The kit's cells take their delays from ``specify`` blocks (``iverilog -gspecify``), with clock
gates that are quicker than flip-flops, as in the project's models.

Run: ``python -m benchmarks.simulation [STORE]`` after ``peforge characterize --preset LightPE-1``
(default ``build/store``).
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

from characterize.campaign import Campaign
from characterize.measurement import Point
from characterize.platform import load_platform
from characterize.process import run_tool
from characterize.simulate import cocotb_environment, simulate, vvp_command
from characterize.store import Store
from characterize.workload import measured_primitive
from rtl_gen.design import PEDesign
from rtl_gen.operands import draw


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "build/store")
    point = Point(design=PEDesign.preset("LightPE-1"), period_ps=2000)
    platform = load_platform()
    campaign = Campaign(points=[point], platform=platform, store=Store(root))
    key = campaign.identity(point).key
    if campaign.store.get(key) is None:
        sys.exit(f"{root} has no LightPE-1; run: peforge characterize --preset LightPE-1")
    files = campaign.store.files(key)
    work = draw(point.design, measured_primitive(point.design), 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("cells.v", "netlist.v"):
            (folder / file).write_bytes(files[file])
        begin = time.perf_counter()
        simulate(folder, point.design, [work], ["cells.v", "netlist.v"], gates=True, timeout_s=600)
        own = time.perf_counter() - begin

        vendor = (platform.liberty.parent / "stdcells.v").read_text(encoding="utf-8")
        quick_gate = re.sub(
            r"module CLKGATE_X1 .*?endmodule",
            lambda match: match[0].replace("(0.1, 0.1)", "(0.01, 0.01)"),
            vendor,
            flags=re.S,
        )
        (folder / "vendor.v").write_text("`timescale 1ns/1ps\n" + quick_gate, encoding="utf-8")
        begin = time.perf_counter()
        run_tool(
            ["iverilog", "-g2012", "-gspecify", "-s", "tb", "-o", "sim.vvp", "tb.v", "vendor.v",
             "netlist.v"],
            folder=folder, log="iverilog.log", timeout_s=600,
        )  # fmt: skip
        run_tool(
            vvp_command(dump=False), folder=folder, log="vvp.log", timeout_s=600,
            environment=cocotb_environment(),
        )  # fmt: skip
        kit = time.perf_counter() - begin
        if "<failure" in (folder / "results.xml").read_text(encoding="utf-8"):
            sys.exit("the kit's cells did not reproduce the sums")
    print(f"{point.name}, {work.size.macs} multiply-accumulates, both bit-exact")
    print(f"models from Liberty   {own:6.1f} s")
    print(f"the kit's own Verilog {kit:6.1f} s   {kit / own:.1f} times as long")


if __name__ == "__main__":
    main()
