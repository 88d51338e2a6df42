"""Flow ``placed``: placement, repair of what the wires break, a clock tree, wires and timing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from characterize import timing, timing_repair
from characterize.buffering import repair_loads
from characterize.clock_tree import build_clock_tree
from characterize.implementation import Implementation, StepTimer, Target
from characterize.layout import Layout
from characterize.netlist import Netlist, verilog_text
from characterize.parasitics import Wire, estimate_wires, write_spef
from characterize.place import Placement, legalize, pin_positions, place
from characterize.platform import Platform
from characterize.process import STEP_TIMEOUT_S, StepError
from characterize.routability import congestion
from characterize.steiner import steiner_trees
from characterize.timing import TimingResult

#: Modules that decide the numbers of this flow alone.
MODULES = (
    "buffering", "clock_tree", "implementation", "layout", "parasitics", "place", "placed",
    "routability", "steiner", "timing_repair",
)  # fmt: skip


#: Congestion up to which a placement is taken. The tracks that count are half of all, the other
#: half being left to pins, vias and straps: at twice their number, none are left. Global routing
#: by OpenROAD, with the same half left, got through all that was tried: 1.4 of its own placements.
MAX_CONGESTION = 2.0
#: More than that, and the core is made larger: the utilization is lowered so far each time.
UTILIZATION_STEP = 0.05
LEAST_UTILIZATION = 0.2


def flow_scripts(platform: Platform, point: Target) -> dict[str, str]:
    """The scripts of this flow's own steps, by file name."""
    return timing_repair.scripts(platform, point.design.name)


def wire_constants(platform: Platform) -> Mapping[str, object]:
    """What the wires of this flow depend on beside the libraries."""
    return {
        "layers": [vars(platform.horizontal), vars(platform.vertical)],
        "vias": [platform.pin_ohm, platform.bend_ohm],
        "tracks": dict(platform.tracks_per_um),
    }


def implement(
    folder: Path, netlist: Netlist, platform: Platform, point: Target, timer: StepTimer
) -> Implementation:
    """From a synthesized netlist to one that is placed, repaired and timed; files in ``folder``.

    The core is made larger than asked for, and cells are spread in it, as long as its routing would
    be too crowded.

    Raises:
        StepError: if a step fails, or no core is large enough.
    """
    utilization, spread = point.utilization, False
    while True:
        with timer("placement"):
            placement = place(
                netlist, platform, utilization=utilization, seed=point.seed, spread=spread
            )
        with timer("repair"):
            repaired = repair(netlist, platform, placement, seed=point.seed)
            crowded = routing_congestion(repaired, platform)
        if crowded <= MAX_CONGESTION:
            break
        if spread:
            utilization = round(utilization - UTILIZATION_STEP, 4)
        spread = True
        if utilization < LEAST_UTILIZATION:
            raise StepError(
                f"the wires would need {crowded:.1f} times the tracks that are there for them, at "
                f"a utilization of {utilization + UTILIZATION_STEP:.2f}"
            )
    with timer("timing"):
        final, timed, wires = close_timing(folder, platform, repaired, point.period_ps, point.seed)
        if final is not repaired:
            crowded = routing_congestion(final, platform)
    return Implementation(
        netlist=final.netlist,
        wires=wires,
        placement=final.placement,
        timed=timed,
        buffers=final.buffers,
        clock_buffers=final.clock_buffers,
        hold_buffers=final.hold_buffers,
        utilization=utilization,
        congestion=crowded,
    )


def routing_congestion(repaired: Repaired, platform: Platform) -> float:
    """Of the Steiner trees of a placement, as ``characterize.routability`` estimates it."""
    trees = steiner_trees(pin_positions(repaired.netlist, platform, repaired.placement))
    return congestion(trees, repaired.placement, platform)


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """A netlist whose drivers fit their loads, with a clock tree, placed again.

    Attributes:
        netlist, placement: the final ones.
        buffers: added for loads.
        clock_buffers: of the clock tree.
        hold_buffers: added against changes that come too early.
    """

    netlist: Netlist
    placement: Placement
    buffers: int
    clock_buffers: int
    hold_buffers: int = 0


def repair(netlist: Netlist, platform: Platform, placement: Placement, *, seed: int) -> Repaired:
    """Buffer and resize for the placed loads, build the clock tree, and place what is new.

    Raises:
        StepError: if the cells do not fit the core any more.
    """
    layout = Layout(netlist, platform, placement)
    buffers = repair_loads(layout)
    clock_buffers = build_clock_tree(layout)
    final = layout.netlist()
    return Repaired(
        netlist=final,
        placement=legalize(final, platform, placement, layout.corners(), seed),
        buffers=buffers,
        clock_buffers=clock_buffers,
    )


def close_timing(
    folder: Path, platform: Platform, repaired: Repaired, period_ps: int, seed: int
) -> tuple[Repaired, TimingResult, list[Wire]]:
    """Time a placed netlist, and repair it as long as that helps; the best is left in ``folder``.

    Returns:
        The netlist, its timing and its wires.

    Raises:
        StepError: if OpenSTA fails, or the repaired cells do not fit the core.
    """

    def timing_of(candidate: Repaired) -> tuple[Repaired, TimingResult, list[Wire]]:
        text = verilog_text(candidate.netlist, platform)
        (folder / "netlist.v").write_text(text, encoding="utf-8")
        wires = estimate_wires(candidate.netlist, platform, candidate.placement)
        write_spef(folder / "wires.spef", candidate.netlist, wires)
        timed = timing.analyse_timing(folder, period_ps, STEP_TIMEOUT_S, corners=platform.corners)
        return candidate, timed, wires

    best = last = timing_of(repaired)
    for _ in range(timing_repair.ROUNDS):
        if timing_repair.shortfall_ps(last[1]) == 0:
            break
        proposal = timing_repair.propose(folder, STEP_TIMEOUT_S, platform.corners)
        if proposal.empty:
            break
        last = timing_of(_with(last[0], proposal, platform, seed))
        if timing_repair.shortfall_ps(last[1]) < timing_repair.shortfall_ps(best[1]):
            best = last
    return best if best is last else timing_of(best[0])


def _with(
    repaired: Repaired, proposal: timing_repair.Proposal, platform: Platform, seed: int
) -> Repaired:
    """The netlist changed as proposed, and placed again."""
    layout = Layout(repaired.netlist, platform, repaired.placement)
    added = timing_repair.apply(layout, proposal)
    final = layout.netlist()
    return replace(
        repaired,
        netlist=final,
        placement=legalize(final, platform, repaired.placement, layout.corners(), seed),
        hold_buffers=repaired.hold_buffers + added,
    )
