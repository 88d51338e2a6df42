"""An array through a flow: its PE is synthesized once, everything is placed together.

The network, the controller, the senders and the output stages are synthesized around black boxes;
then every box becomes the PE's netlist. Placement, repair, clock tree, timing, gate simulation with
the activity of a real layer, and power are those of a PE. The banks of the buffer stand outside:
``characterize.array_buffer``.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from characterize import openroad, placed, power, synthesize, timing
from characterize.activity import Activity, ActivityCounter
from characterize.array_buffer import bank_costs, buffer_metrics
from characterize.array_simulation import read_ends
from characterize.flow import area_metrics, fmax_mhz, power_metrics, write_gates
from characterize.implementation import Implementation, StepTimer
from characterize.netlist import Netlist, read_netlist
from characterize.platform import Platform
from characterize.process import StepError, UnknownBitsError, run_streaming, run_tool
from characterize.simulate import CLOCK_NS, RANDOM_START
from characterize.timing import STA, TimingResult
from rtl_gen.array.compiler import Program
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import array_ports
from rtl_gen.array.model import run_activity
from rtl_gen.array.testbench import gate_testbench, input_files
from rtl_gen.array.top import PEArray
from rtl_gen.export import component_rtlil, rtlil_choices
from rtl_gen.golden import Words
from rtl_gen.interface import ports

TIMEOUT_S = 3600.0
#: Hold slack that paths between registers must have, in ns: the clock tree of an array is larger
#: than a PE's, and in simulation its cells have mean delays and its wires none.
HOLD_MARGIN_NS = 0.05

# The PE's netlist in place of its boxes.
_MERGE = """\
read_liberty -lib cells.lib
read_verilog network.v
read_verilog pe.v
hierarchy -check -top {top}
flatten
opt_clean -purge
splitnets
opt_clean -purge
"""


@dataclass(frozen=True, kw_only=True)
class ArrayPoint:
    """An array at a period.

    Attributes:
        design: the array.
        period_ps: clock period.
        utilization: cell area over core area.
        seed: of placement.
        flow: what places and routes, of ``characterize.measurement.FLOWS``.
    """

    design: ArrayDesign
    period_ps: int
    utilization: float = 0.5
    seed: int = 1
    flow: str = "placed"


@dataclass(frozen=True, kw_only=True)
class ArrayMeasurement:
    """What was measured.

    Attributes:
        metrics: as ``characterize.measurement.METRICS`` where they are the same; ``pe_area_um2``:
            of one PE as synthesized; ``network_area_um2``: of all else, likewise.
        seconds: of each step.
    """

    metrics: Mapping[str, float]
    seconds: Mapping[str, float]


def measure_array(
    point: ArrayPoint,
    program: Program,
    expected: Words,
    platform: Platform,
    power_library: Path,
    folder: Path,
) -> ArrayMeasurement:
    """Take an array through the flow and run a program of one run on its netlist.

    Args:
        program: what it computes while its activity is counted, in one run.
        expected: its ofmap.
        power_library: Liberty file for power (``characterize.power_library``), of the flow.
        folder: empty; gets all files.

    Raises:
        InputError: if CACTI has no macro for a bank, or is not installed.
        StepError: if a step fails, or an ofmap is wrong.
    """
    if len(program.runs) != 1:
        raise StepError(f"the layer must be one run, for its activity, not {len(program.runs)}")
    bank_costs(point.design, platform)  # refused before hours of work, not after them
    timer = StepTimer()
    own_flow, analyser = (
        (placed, STA) if point.flow == "placed" else (openroad, openroad.analyser())
    )
    with timer("synthesis"):
        netlist, areas = _synthesize(point, platform, folder)
    (folder / "power_cells.lib").symlink_to(power_library)
    scripts = {
        **timing.scripts(platform, point.design.name, array_ports(point.design), point.period_ps),
        **own_flow.flow_scripts(platform, point),
        **power.scripts(platform, point.period_ps),
    }
    scripts["timing.sdc"] += f"set_clock_uncertainty -hold {HOLD_MARGIN_NS} [get_clocks clk]\n"
    for name, text in scripts.items():
        (folder / name).write_text(text, encoding="utf-8")
    result = own_flow.implement(folder, netlist, platform, point, timer)
    with timer("simulation"):
        activity, cycles = _simulate(point, program, expected, result, platform, folder)
    with timer("power"):
        power.write_power_inputs(folder, result.netlist, platform, result.wires, activity, cycles)
        window_s = cycles * point.period_ps * 1e-12
        switching_w = power.switching_w(result.netlist, platform, result.wires, activity, window_s)
        powered = power.analyse_power(
            folder, result.netlist, platform, switching_w, TIMEOUT_S, analyser
        )
    macs = program.shape.layer.macs
    (run,) = program.runs
    accesses = run_activity(program.shape, run.span, requantized=program.scales is not None)
    own = area_metrics(result.netlist, platform, result.placement.core_area_um2, result.wires)
    return ArrayMeasurement(
        metrics={
            **areas, **own, "buffers": result.buffers, "clock_buffers": result.clock_buffers,
            "congestion": result.congestion, "core_utilization": result.utilization,
            **_timing(point, result.timed),
            "fmax_mhz": fmax_mhz(result.timed, own["load_violations"]),
            **power_metrics(powered, window_s, macs),
            **buffer_metrics(point.design, platform, accesses.counts, window_s),
            "window_cycles": cycles, "window_macs": macs,
        },
        seconds=timer.seconds,
    )  # fmt: skip


def _timing(point: ArrayPoint, timed: TimingResult) -> dict[str, float]:
    return {
        "least_period_ps": timed.least_period_ps,
        "slack_ps": timed.slack_ps,
        "critical_path_ps": point.period_ps - timed.register_slack_ps,
        "hold_slack_ps": timed.hold_slack_ps,
        "slew_violations": timed.slew_violations,
        "clock_insertion_ps": timed.insertion_ps,
        "clock_skew_ps": timed.skew_ps,
    }


def _simulate(
    point: ArrayPoint,
    program: Program,
    expected: Words,
    result: Implementation,
    platform: Platform,
    folder: Path,
) -> tuple[dict[str, Activity], int]:
    """Run the program on the netlist: activity of every net while it is busy, and cycles.

    As ``characterize.simulate.simulate``: from X; if sums are wrong, from random bits and from
    their inverses, where they must be right.
    """
    write_gates(folder, result.netlist, platform)
    bench = gate_testbench(point.design, period_ns=CLOCK_NS)
    (folder / "tb.v").write_text(bench, encoding="utf-8")
    for name, text in input_files(program.shape.design, program.runs).items():
        (folder / name).write_text(text, encoding="ascii")
    try:
        return run_netlist(program, expected, folder)
    except UnknownBitsError:
        run_netlist(program, expected, folder, f"{RANDOM_START}=1")
        return run_netlist(program, expected, folder, f"{RANDOM_START}=0")


def run_netlist(
    program: Program, expected: Words, folder: Path, *macros: str
) -> tuple[dict[str, Activity], int]:
    """Simulate a program on ``delayed.v`` of a folder that has all files; activity and cycles.

    Raises:
        UnknownBitsError: if the run does not end, or its ofmap is not the expected one.
    """
    run_tool(
        ["iverilog", "-g2005", *(f"-D{macro}" for macro in macros), "-s", "tb", "-o", "sim.vvp",
         "tb.v", "cells.v", "delayed.v"],
        folder=folder, log="iverilog.log", timeout_s=TIMEOUT_S,
    )  # fmt: skip
    counter = ActivityCounter(phases=1)
    run_streaming(
        ["vvp", "-n", "sim.vvp", "-vcd"], folder=folder, log="simulation.log",
        timeout_s=TIMEOUT_S, environment={}, pipe="activity.vcd", consume=counter.feed,
    )  # fmt: skip
    (end,), _ = read_ends(program.shape.design, folder, 1)
    if end.status != "done":
        raise UnknownBitsError(f"the run ended after {end.cycles} cycles: {end.status}")
    if not np.array_equal(program.ofmap([end.banks]), expected):
        raise UnknownBitsError("the ofmap of the netlist is not the golden one")
    return counter.finish().window([0]), end.cycles


def _synthesize(
    point: ArrayPoint, platform: Platform, folder: Path
) -> tuple[Netlist, dict[str, float]]:
    """The whole netlist; and the areas of a PE and of all that is not one."""
    design = point.design
    library = platform.cells()
    part = folder / "pe"
    part.mkdir()
    _prepare(part, platform, design.pe.name, point.period_ps)
    pe = synthesize.synthesize_smallest(
        part, rtlil_choices(design.pe), platform, point.period_ps, TIMEOUT_S
    )
    network = _network(point, platform, folder)
    (folder / "network.v").write_text(network, encoding="utf-8")
    shutil.copyfile(part / "netlist.v", folder / "pe.v")
    platform.link_libraries(folder)
    merge = _MERGE.format(top=design.name) + synthesize.WRITE_NETLIST.format(
        library=platform.synthesis_library
    )
    (folder / "merge.ys").write_text(merge, encoding="utf-8")
    run_tool(
        [sys.executable, "-m", "rtl_gen.run_yosys", "merge.ys"],
        folder=folder, log="merge.log", timeout_s=TIMEOUT_S,
    )  # fmt: skip
    netlist = read_netlist(folder / "netlist.json", platform)
    whole = sum(library[kind].area_um2 for kind in netlist.kinds)
    return netlist, {
        "pe_area_um2": pe.area_um2,
        "network_area_um2": whole - design.rows * design.columns * pe.area_um2,
    }


def _prepare(folder: Path, platform: Platform, top: str, period_ps: int) -> None:
    for name, text in synthesize.scripts(platform, top, period_ps).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "cells.lib").symlink_to(platform.liberty)


def _network(point: ArrayPoint, platform: Platform, folder: Path) -> str:
    """Everything around the PEs, as a netlist with boxes in their places; the smallest in time."""
    design = point.design
    rtl = component_rtlil(PEArray(design), design.name)
    best: tuple[float, str] | None = None
    for effort in synthesize.EFFORTS:
        part = folder / f"network_{effort}"
        part.mkdir()
        _prepare(part, platform, design.name, point.period_ps)
        (part / "rtl.il").write_text(rtl, encoding="utf-8")
        with (part / "helpers.v").open("a", encoding="utf-8") as file:
            file.write(_box(design))
        run_tool(
            [sys.executable, "-m", "rtl_gen.run_yosys", f"synth_{effort}.ys"],
            folder=part, log="synth.log", timeout_s=TIMEOUT_S,
        )  # fmt: skip
        late = max(
            0.0, synthesize.logic_delay_ps(part) - synthesize.logic_budget_ps(point.period_ps)
        )
        text = (part / "netlist.v").read_text(encoding="utf-8").replace(" signed ", " ")
        if best is None or late < best[0]:
            best = late, text
        if late == 0:
            break
    assert best is not None
    return best[1]


def _box(design: ArrayDesign) -> str:
    lines = [
        f"  {port['direction']} [{port['width'] - 1}:0] {port['name']};"
        if port["width"] > 1 else f"  {port['direction']} {port['name']};"
        for port in ports(design.pe)
    ]  # fmt: skip
    names = ", ".join(port["name"] for port in ports(design.pe))
    body = "\n".join(lines)
    return f"(* blackbox *)\nmodule {design.pe.name} ({names});\n{body}\nendmodule\n"
