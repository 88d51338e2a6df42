"""A point from RTL to its measurement: synthesis, place and route, gate simulation and power.

Flows differ in place and route: ``placed`` (``characterize.placed``) or ``openroad``
(``characterize.openroad``). All else is the same.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from characterize import openroad, placed, power, sram, synthesize, timing
from characterize.activity import Activities
from characterize.delays import delayed_netlist, read_delays
from characterize.implementation import Implementation, StepTimer
from characterize.layout_def import def_text
from characterize.lineage import lasting
from characterize.measurement import Measurement, Point
from characterize.netlist import Netlist
from characterize.parasitics import Wire
from characterize.perturb import shuffled
from characterize.platform import Platform
from characterize.power import PowerResult
from characterize.process import STEP_TIMEOUT_S, StepError
from characterize.schedule import compute_window, interval_pct, window_cycles
from characterize.simulate import ACTIVITY_MODEL, SimulationResult, cell_models, simulate
from characterize.timing import STA, Analyser, TimingResult
from characterize.toolchain import Tool
from rtl_gen.export import rtlil_choices
from rtl_gen.interface import ports
from rtl_gen.operands import draw
from rtl_gen.source import code_digest

#: Left in a point's folder: enough to simulate, time and power its netlist again.
KEPT = (
    "abc.constr", "abc_quick.script", "abc_quickest.script", "abc_small.script", "activity.tcl",
    "branch.v", "cells.v", "clock_gate.v", "delayed.v", "floorplan.tcl", "gated_reset.v",
    "helpers.v", "job.json", "layout.def", "macros.lef", "macros.lib", "netlist.v", "power.log",
    "power.spef", "power.tcl", "power.v", "power_macros.lib", "reset.v", "result.json", "route.log",
    "route.tcl", "rtl.il", "synth.log", "synth_quick.ys", "synth_quickest.ys", "synth_small.ys",
    "tb.v", "timing.log", "timing.sdc",
    "timing.tcl", "timing_hold.log", "timing_hold.tcl", "timing_repair.log", "timing_repair.tcl",
    "timing_repair_hold.log", "timing_repair_hold.tcl", "timing_repair_setup.log",
    "timing_repair_setup.tcl", "timing_setup.log", "timing_setup.tcl", "wires.spef",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A point, and what tells its measurement from all others.

    Attributes:
        key: content address (``content_key``).
        rtl: digest of the design's RTL.
    """

    point: Point
    key: str
    rtl: str


def scripts(point: Point, platform: Platform) -> dict[str, str]:
    """Every script, and view of a macro, that the flow emits for a point, by file name."""
    platform = sram.for_design(platform, point.design)
    own = openroad if point.by_openroad else placed
    return {
        **synthesize.scripts(platform, point.design.name, point.period_ps),
        **timing.scripts(platform, point.design.name, ports(point.design), point.period_ps),
        **own.flow_scripts(platform, point),
        **power.scripts(platform, point.period_ps),
    }


def content_key(
    point: Point, rtl_digest: str, platform: Platform, tools: Mapping[str, Tool]
) -> str:
    """Hash of all that decides the measurement: RTL, scripts, libraries, tools, and the flow.

    Args:
        rtl_digest: of the design's RTL.
        tools: all; those of the other flow are left out.
    """
    own = openroad if point.by_openroad else placed
    content = {
        "flow": point.flow,
        "rtl": rtl_digest,
        "scripts": {
            name: timing.first_wording(text) for name, text in scripts(point, platform).items()
        },
        "libraries": {
            name: digest for name, digest in platform.hashes.items() if name != "platform"
        },
        "wires": own.wire_constants(platform),
        **({"platform": platform.own_constants} if platform.own_constants else {}),
        "utilization": point.utilization,
        "seed": point.seed,
        "row": [point.operands, point.mode, point.run_terms],
        **({"perturbation": point.perturbation} if point.perturbation else {}),
        "tools": {name: tool.identity for name, tool in tools_of(point, tools).items()},
        "code": flow_code(point),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def tools_of(point: Point, tools: Mapping[str, Tool]) -> dict[str, Tool]:
    """Those of the tools that the flow of a point uses."""
    others = ("sta", "coloquinte") if point.by_openroad else ("openroad",)
    return {name: tool for name, tool in tools.items() if name not in others}


def flow_code(point: Point) -> str:
    """Digest of the Python code that measures a point, or of older code with the same results."""
    return lasting(raw_flow_code(point))


def raw_flow_code(point: Point) -> str:
    """Digest of the Python code that measures a point."""
    own = openroad if point.by_openroad else placed
    return flow_digest(own.MODULES, point.design.family == "fp")


@functools.cache
def flow_digest(own: tuple[str, ...], floating_point: bool) -> str:
    """Digest of the Python code of the steps, with the modules of one flow and family alone."""
    here = Path(__file__).parent
    names = (
        "activity", "delays", "flow", "lef", "liberty", "netlist", "perturb", "power",
        "power_library", "schedule", "simulate", "synthesize", "testbench", "testbench_wrapper",
        "timing", "vcd_scan", "workload", *own,
    )  # fmt: skip
    model = (
        "encode", "golden", "operands", "packing", "scratchpad", "streams", "traces",
        *(["fp_golden"] if floating_point else []),
    )  # fmt: skip
    folder = here.parent / "rtl_gen"
    return code_digest(
        *(folder / f"{name}.py" for name in model), *(here / f"{name}.py" for name in names)
    )


def measure(
    identity: Identity,
    platform: Platform,
    tools: Mapping[str, Tool],
    power_library: Path,
    folder: Path,
    inspect: Callable[[Built], None] | None = None,
) -> Measurement:
    """Run the flow for one point in an empty folder.

    Args:
        power_library: Liberty file for power (``characterize.power_library``).
        inspect: called with the final netlist before it is simulated; what it raises is a failure
            of the point.

    Returns:
        The measurement; ``failed`` with the reason if a step failed.
    """
    timer = StepTimer()
    reason, netlist = "", ""
    metrics: dict[str, float] = {}
    choices: Mapping[str, str] = {}
    try:
        built = build(identity.point, platform, tools, power_library, folder, timer)
        choices, netlist = built.choices, built.synthesized
        if inspect:
            inspect(built)
        metrics = _metrics(built, identity.point, timer)
    except StepError as error:
        reason = str(error)
    except Exception as error:  # a defect of one point must not end a campaign: it is its reason
        reason = f"{type(error).__name__}: {error}"
    return record(
        identity, platform, tools,
        reason=reason, metrics=metrics, seconds=timer.seconds, choices=choices, netlist=netlist,
    )  # fmt: skip


def record(
    identity: Identity,
    platform: Platform,
    tools: Mapping[str, Tool],
    *,
    reason: str,
    metrics: Mapping[str, float],
    seconds: Mapping[str, float],
    choices: Mapping[str, str],
    netlist: str = "",
) -> Measurement:
    """The measurement of a point by this flow; failed if there is a reason."""
    point = identity.point
    return Measurement(
        key=identity.key,
        digests={"rtl": identity.rtl, "flow": flow_code(point), "netlist": netlist},
        design={**point.design.to_dict(), "digest": point.design.digest},
        period_ps=point.period_ps,
        utilization=point.utilization,
        seed=point.seed,
        flow=point.flow,
        activity_model=ACTIVITY_MODEL,
        operands=point.operands,
        mode=point.mode,
        run_terms=point.run_terms,
        perturbation=point.perturbation,
        platform={
            "name": platform.name,
            "corner": platform.corner,
            "hashes": dict(platform.hashes),
        },
        tools={name: tool.identity for name, tool in tools_of(point, tools).items()},
        status="failed" if reason else "ok",
        reason=reason,
        choices=choices,
        metrics=metrics,
        seconds=seconds,
    )


@dataclass(frozen=True, kw_only=True)
class Built:
    """A point's final netlist, placed and timed, with what simulation and power need of it.

    Attributes:
        folder: its files: ``cells.v`` and ``delayed.v`` to simulate it, among others.
        platform: the kit, with the macros of the design.
        analyser: what runs timing and power.
        result: of place and route.
        delays: in ns, of each instance.
        choices: of ``characterize.measurement.CHOICES``.
        synthesized: digest of the netlist before it was placed.
    """

    folder: Path
    platform: Platform
    analyser: Analyser
    result: Implementation
    delays: Mapping[str, float]
    choices: Mapping[str, str]
    synthesized: str

    @property
    def netlist(self) -> Netlist:
        """The final one."""
        return self.result.netlist

    @property
    def wires(self) -> list[Wire]:
        """Of each net of it."""
        return self.result.wires

    @property
    def timed(self) -> TimingResult:
        """Its timing."""
        return self.result.timed

    @property
    def output_delay_ps(self) -> int | None:
        """From the clock edge to ``psum_out.valid``, where a flip-flop drives it directly."""
        return _output_delay_ps(self.netlist, self.platform, self.delays)


def build(
    point: Point,
    platform: Platform,
    tools: Mapping[str, Tool],
    power_library: Path,
    folder: Path,
    timer: StepTimer,
) -> Built:
    """The steps from RTL to timing, in order; leaves all files that simulation and power read.

    Raises:
        StepError: if a step fails, or OpenSTA cannot be trusted with power.
    """
    design = point.design
    platform = sram.for_design(platform, design)
    with timer("rtl"):
        texts = {
            name: shuffled(text, point.perturbation) for name, text in rtlil_choices(design).items()
        }
        for name, text in scripts(point, platform).items():
            (folder / name).write_text(text, encoding="utf-8")
        platform.link_libraries(folder)
        (folder / "power_cells.lib").symlink_to(power_library)
        if platform.blocks and counts_once(point, tools):
            macros = (folder / "macros.lib").read_text(encoding="utf-8")
            (folder / "power_macros.lib").write_text(sram.with_states(macros), encoding="utf-8")
    with timer("synthesis"):
        choice = synthesize.synthesize_smallest(
            folder, texts, platform, point.period_ps, STEP_TIMEOUT_S
        )
    implement = openroad.implement if point.by_openroad else placed.implement
    result = implement(folder, choice.netlist, platform, point, timer)
    (folder / "layout.def").write_text(
        def_text(result.netlist, platform, result.placement), encoding="ascii"
    )
    with timer("timing"):
        delays = write_gates(folder, result.netlist, platform)
    if not point.by_openroad and tools["sta"].version == "unknown":
        raise StepError("sta does not tell its version: its power cannot be trusted")
    return Built(
        folder=folder, platform=platform,
        analyser=openroad.analyser() if point.by_openroad else STA, result=result,
        delays=delays, choices={"multiplier": choice.architecture, "effort": choice.effort},
        synthesized=choice.netlist.digest,
    )  # fmt: skip


def write_gates(folder: Path, netlist: Netlist, platform: Platform) -> dict[str, float]:
    """Write ``cells.v`` and ``delayed.v``, which simulate a timed netlist; delays by instance, ns.

    Raises:
        StepError: if a cell has no model, or ``delays.sdf`` lacks one.
    """
    models = cell_models(platform.cells()[kind] for kind in sorted(netlist.cell_counts()))
    (folder / "cells.v").write_text(models, encoding="utf-8")
    delays = read_delays(folder / "delays.sdf", netlist, platform)
    verilog = (folder / "netlist.v").read_text(encoding="utf-8")
    (folder / "delayed.v").write_text(delayed_netlist(verilog, delays), encoding="utf-8")
    return delays


def counts_once(point: Point, tools: Mapping[str, Tool]) -> bool:
    """Whether the flow's OpenSTA is a later one, which counts every transition once in power."""
    return point.by_openroad or is_later_sta(tools["sta"].version)


def is_later_sta(version: str) -> bool:
    """Whether OpenSTA of a version, which may be followed by more, is one after 2.0."""
    return not version.startswith("2.0.")


def _metrics(built: Built, point: Point, timer: StepTimer) -> dict[str, float]:
    """Simulation and power of a built point; all its metrics."""
    folder = built.folder
    netlist, platform, wires = built.netlist, built.platform, built.wires
    with timer("simulation"):
        work = draw(point.design, point.primitive(), point.seed, point.operands)
        simulated = simulate(
            folder, point.design, [work], ["cells.v", "delayed.v"],
            gates=True, timeout_s=STEP_TIMEOUT_S,
            schedule=compute_window(point.design, work.size),
            output_delay_ps=built.output_delay_ps,
        )  # fmt: skip
        activities = simulated.activities
        assert activities is not None
    with timer("activity"):
        activity = activities.window(range(len(activities.span_ps)))
        cycles = window_cycles(point.design, work.size)
        power.write_power_inputs(folder, netlist, platform, wires, activity, cycles)
        window_s = cycles * point.period_ps * 1e-12
        switching_w = power.switching_w(netlist, platform, wires, activity, window_s)
    with timer("power"):
        powered = power.analyse_power(
            folder, netlist, platform, switching_w, STEP_TIMEOUT_S, built.analyser
        )
    areas = area_metrics(netlist, platform, built.result.placement.core_area_um2, wires)
    return {
        **areas,
        "clock_buffers": built.result.clock_buffers,
        "buffers": built.result.buffers,
        "hold_buffers": built.result.hold_buffers,
        "core_utilization": built.result.utilization,
        "congestion": built.result.congestion,
        **_timing_metrics(point, built.timed),
        "fmax_mhz": fmax_mhz(built.timed, areas["load_violations"]),
        **power_metrics(powered, window_s, work.size.macs),
        **_window_metrics(simulated, cycles, work.size.macs),
        "energy_ci_pct": interval_pct(batch_powers(built, activities)),
    }


def batch_powers(built: Built, activities: Activities) -> NDArray[np.float64]:
    """Switching power of each phase, in W at the simulated clock: to tell how much it varies."""
    charge = power.net_loads_ff(built.netlist, built.platform, built.wires)
    loads = np.array([charge.pop(name, 0.0) for name in activities.names])
    # Summed exactly: a product of matrices rounds differently from run to run.
    moved = np.array([math.fsum(phase) for phase in activities.toggles * loads])
    energy_fj = 0.5 * built.platform.voltage_v**2 * moved
    powers: NDArray[np.float64] = energy_fj * 1e-15 / (activities.span_ps * 1e-12)
    return powers


def _output_delay_ps(
    netlist: Netlist, platform: Platform, delays: Mapping[str, float]
) -> int | None:
    """From the clock edge to ``psum_out.valid``, where a flip-flop drives it directly."""
    library = platform.cells()
    before = {(sink.cell, sink.name): net.driver for net in netlist.nets for sink in net.sinks}
    driver = before[-1, "psum_out__valid"].cell
    if driver < 0 or not library[netlist.kinds[driver]].is_flop:
        return None
    # Through the clock tree, back to its root.
    total, pin = 0.0, library[netlist.kinds[driver]].clocked_on
    while driver >= 0:
        total += delays[netlist.instances[driver]]
        driver = before[driver, pin].cell
        if driver >= 0:
            kind = library[netlist.kinds[driver]]
            pin = kind.clock_gate_pins[0] if kind.clock_gate else kind.inputs[0]
    return round(total * 1000)


def area_metrics(
    netlist: Netlist, platform: Platform, core_area_um2: float, wires: list[Wire]
) -> dict[str, float]:
    """What a placed netlist has, and how large it is."""
    library = platform.cells()
    counts = netlist.cell_counts()
    load_violations = 0
    for net, wire in zip(netlist.nets, wires, strict=True):
        if net.driver.cell >= 0:
            kind = library[netlist.kinds[net.driver.cell]]
            load = power.net_load_ff(netlist, platform, net, wire)
            load_violations += load > kind.max_load_ff.get(net.driver.name, float("inf"))
    return {
        "area_um2": sum(library[kind].area_um2 * count for kind, count in counts.items()),
        "core_area_um2": core_area_um2,
        "cells": counts.total(),
        "registers": sum(n for kind, n in counts.items() if library[kind].is_flop),
        "latches": sum(n for kind, n in counts.items() if library[kind].is_latch),
        "macros": sum(n for kind, n in counts.items() if library[kind].is_macro),
        "clock_gates": sum(n for kind, n in counts.items() if library[kind].clock_gate),
        "wirelength_um": sum(wire.length_um for wire in wires),
        "load_violations": load_violations,
    }


def fmax_mhz(timed: TimingResult, load_violations: float) -> float:
    """Frequency of the least period; 0 if hold, slew or load is violated at it."""
    early = min(timed.hold_slack_ps, timed.least_period_hold_slack_ps) < 0
    return 0.0 if early or timed.slew_violations or load_violations else 1e6 / timed.least_period_ps


def _timing_metrics(point: Point, timed: TimingResult) -> dict[str, float]:
    return {
        "least_period_ps": timed.least_period_ps,
        "critical_path_ps": point.period_ps - timed.register_slack_ps,
        "slack_ps": timed.slack_ps,
        "hold_slack_ps": timed.hold_slack_ps,
        "slew_violations": timed.slew_violations,
        "clock_insertion_ps": timed.insertion_ps,
        "clock_skew_ps": timed.skew_ps,
    }


def power_metrics(powered: PowerResult, window_s: float, macs: int) -> dict[str, float]:
    """Leakage, dynamic power in a window and its parts, and the energy of a multiply-accumulate."""
    dynamic_w = sum(powered.dynamic_w.values())
    return {
        "leakage_uw": powered.leakage_w * 1e6,
        "dynamic_power_uw": dynamic_w * 1e6,
        **{f"{group}_power_uw": watts * 1e6 for group, watts in powered.dynamic_w.items()},
        "energy_per_mac_pj": dynamic_w * window_s / macs * 1e12,
    }


def _window_metrics(simulated: SimulationResult, cycles: int, macs: int) -> dict[str, float]:
    return {
        "window_macs": macs,
        "window_cycles": cycles,
        "row_cycles": simulated.cycles,
        "random_start": int(simulated.random_start),
    }


def tidy(folder: Path) -> None:
    """Remove what a point's folder need not keep: dumps, object files, caches."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in KEPT and not path.is_symlink():
            path.unlink()
