"""Flow ``openroad``: place and route of a netlist by OpenROAD, and its OpenSTA for timing.

The core has the size that flow ``placed`` gives it, macros stand where they stand there, and
constraints and wire constants are the same, so that what differs is what the tools do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from characterize.clock_tree import CLOCK_BUFFER
from characterize.implementation import Implementation, StepTimer, Target
from characterize.layout_def import DefDesign, net_points, netlist_of, read_def
from characterize.liberty import LibraryCell
from characterize.netlist import CLOCK, Netlist, verilog_text, with_plain_names
from characterize.openroad_tcl import STAGES, Options, kit_of, scripts
from characterize.openroad_tool import FLAGS, PROGRAM, Openroad, analyser, probe, run_script
from characterize.parasitics import Wire, write_spef
from characterize.place import Placement, floorplan, pin_positions
from characterize.platform import Platform
from characterize.process import STEP_TIMEOUT_S, StepError
from characterize.routability import congestion
from characterize.spef import read_spef
from characterize.steiner import steiner_trees
from characterize.timing import analyse_timing

__all__ = [
    "Change",
    "Openroad",
    "Options",
    "Routed",
    "analyser",
    "place_and_route",
    "probe",
    "scripts",
]

#: Modules that decide the numbers of this flow alone.
MODULES = (
    "implementation", "layout_def", "openroad", "openroad_kit", "openroad_tcl", "openroad_tool",
    "parasitics", "place", "routability", "spef", "steiner",
)  # fmt: skip

#: A core in which nets do not route, or cells find no place, is tried again with the utilization
#: lower by this, down to the least.
UTILIZATION_STEP = 0.05
LEAST_UTILIZATION = 0.2

#: Messages that say so: routing congestion, no legal place, and more cells than core.
_TOO_DENSE = {"GRT-0116", "GRT-0118", "GRT-0119", "DPL-0036", "GPL-0301", "GPL-0302"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one stage did to the cells: how many, and what it adds to the area, um2."""

    added: int
    added_um2: float
    removed: int
    removed_um2: float
    resized: int
    resized_um2: float


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A netlist after place and route.

    Attributes:
        netlist: the final one, without taps; instances of the clock tree begin with
            ``clock_tree.CLOCK_BUFFER``.
        wires: of each net; lengths are those of Steiner trees, as in flow ``placed``.
        placement: in the core; cells mirrored about a vertical axis are not marked as such.
        utilization: that was used: the asked one, or less if that did not route.
        changes: by stage of ``openroad_tcl.STAGES`` but the first.
        routed_um: length of the global route, or of the detailed one, over all nets.
        drc_violations: of the detailed route; None without one.
    """

    netlist: Netlist
    wires: list[Wire]
    placement: Placement
    utilization: float
    changes: Mapping[str, Change]
    routed_um: float
    drc_violations: int | None

    @property
    def buffers(self) -> int:
        """Buffers that were added for loads."""
        return self.changes["loads"].added

    @property
    def clock_buffers(self) -> int:
        """Buffers of the clock tree."""
        return sum(name.startswith(CLOCK_BUFFER) for name in self.netlist.instances)

    @property
    def setup_buffers(self) -> int:
        """Buffers that were added for setup."""
        return self.changes["setup"].added

    @property
    def hold_buffers(self) -> int:
        """Buffers that were added for hold."""
        return self.changes["hold"].added


def place_and_route(
    folder: Path,
    netlist: Netlist,
    platform: Platform,
    *,
    utilization: float,
    timeout_s: float,
    program: str = PROGRAM,
) -> Routed:
    """Place and route a synthesized netlist.

    Args:
        folder: with ``cells.lib``, ``timing.sdc`` and the files of ``scripts``.
            It gets the final ``netlist.v`` and ``wires.spef``; ``synthesized.v``, ``routed.def``,
            ``routed.spef`` and ``route.log`` stay, too.
        netlist: that of the synthesis.
        utilization: cell area over core area, above 0 to 1.
        timeout_s: for each try.

    Raises:
        StepError: with OpenROAD's reason, if it fails at every utilization, or its results are
            not whole.
    """
    kit = kit_of(platform)
    for name, path in (("tech.lef", kit.tech_lef), ("cells.lef", platform.cell_lef)):
        if not (folder / name).exists():
            (folder / name).symlink_to(path)
    # Yosys enumerates nets in an order that its environment changes; OpenROAD's placement depends
    # on their names.
    text = verilog_text(with_plain_names(netlist), platform)
    (folder / "synthesized.v").write_text(text, encoding="utf-8")
    used = _route(folder, netlist, platform, utilization, timeout_s, program)

    design = read_def(_text(folder / "routed.def"))
    physical = {kit.tap[0]} if kit.tap else set()
    final, names = netlist_of(design, platform, netlist.ports, physical)
    _check_clock(final, platform)
    trees = steiner_trees(net_points(design, final, platform))
    lengths = [tree.length for tree in trees]
    wires = read_spef(_text(_spef(folder)), final, names, lengths)
    (folder / "netlist.v").write_text(verilog_text(final, platform), encoding="utf-8")
    write_spef(folder / "wires.spef", final, wires)
    drc = re.search(r"^peforge drc_violations (\d+)$", _text(folder / "route.log"), flags=re.M)
    return Routed(
        netlist=final,
        wires=wires,
        placement=_placement(design, final, platform, used),
        utilization=used[0],
        changes=dict(_changes(folder, platform.cells())),
        routed_um=parse_wire_lengths(_text(folder / "wire_lengths.txt")),
        drc_violations=int(drc[1]) if drc else None,
    )


def flow_scripts(platform: Platform, point: Target) -> dict[str, str]:
    """The scripts of this flow's own steps, by file name."""
    detailed = point.flow == "openroad-detailed"
    return scripts(platform, point.design.name, Options(seed=point.seed, detailed=detailed))


def wire_constants(platform: Platform) -> Mapping[str, object]:
    """What the wires of this flow depend on beside libraries and scripts."""
    kit = kit_of(platform)
    return {"tech_lef": kit.tech_digest, "tracks": dict(platform.tracks_per_um)}


def implement(
    folder: Path, netlist: Netlist, platform: Platform, point: Target, timer: StepTimer
) -> Implementation:
    """From a synthesized netlist to one that is routed and timed; its files in ``folder``.

    Raises:
        StepError: if OpenROAD fails, or leaves violations in a detailed route.
    """
    with timer("route"):
        routed = place_and_route(
            folder, netlist, platform, utilization=point.utilization, timeout_s=STEP_TIMEOUT_S
        )
    if routed.drc_violations:
        raise StepError(f"the detailed route has {routed.drc_violations} violations")
    with timer("timing"):
        timed = analyse_timing(folder, point.period_ps, STEP_TIMEOUT_S, analyser())
    trees = steiner_trees(pin_positions(routed.netlist, platform, routed.placement))
    return Implementation(
        netlist=routed.netlist,
        wires=routed.wires,
        placement=routed.placement,
        timed=timed,
        buffers=routed.buffers + routed.setup_buffers,
        clock_buffers=routed.clock_buffers,
        hold_buffers=routed.hold_buffers,
        utilization=routed.utilization,
        congestion=congestion(trees, routed.placement, platform),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StepError(f"openroad left no {path.name}: {error.strerror}") from None


def _spef(folder: Path) -> Path:
    """The SPEF file, which some versions name after the corner, too."""
    found = sorted(folder.glob("routed*.spef"))
    return found[0] if found else folder / "routed.spef"


def _route(
    folder: Path,
    netlist: Netlist,
    platform: Platform,
    utilization: float,
    timeout_s: float,
    program: str,
) -> tuple[float, float, float]:
    """Run the script until it succeeds: the utilization, and width and height of the core."""
    while True:
        text, core = _floorplan(netlist, platform, utilization)
        (folder / "floorplan.tcl").write_text(text, encoding="utf-8")
        for old in folder.glob("routed*"):
            old.unlink()
        try:
            run_script([program, *FLAGS], "route", folder, timeout_s)
        except StepError:
            codes = set(re.findall(r"^\[ERROR (\w+-\d+)\]", _text(folder / "route.log"), re.M))
            lower = round(utilization - UTILIZATION_STEP, 4)
            if not codes & _TOO_DENSE or lower < LEAST_UTILIZATION:
                raise
            utilization = lower
        else:
            return utilization, *core


def _floorplan(
    netlist: Netlist, platform: Platform, utilization: float
) -> tuple[str, tuple[float, float]]:
    """``floorplan.tcl``, and width and height of the core in whole sites."""
    kit = kit_of(platform)
    (width, height), (x, y) = floorplan(netlist, platform, utilization)
    (site_x, site_y), (left, below) = kit.site_um, kit.margin_um
    width = math.ceil(width / site_x - 1e-6) * site_x
    height = math.ceil(height / site_y - 1e-6) * site_y
    lines = [
        # Cells stand denser than the core is full: the closer, the shorter the wires.
        f"set density {min(1.0, utilization + 0.3):.3f}",
        f"initialize_floorplan -site {kit.site}"
        f" -die_area {{0 0 {width + 2 * left:.4f} {height + 2 * below:.4f}}}"
        f" -core_area {{{left:.4f} {below:.4f} {left + width:.4f} {below + height:.4f}}}",
        "set block [ord::get_db_block]",
        "set units [$block getDefUnits]",
    ]
    for cell, kind in enumerate(netlist.kinds):
        if platform.cells()[kind].is_macro:
            lines += [
                f"set macro [$block findInst {netlist.instances[cell]}]",
                f"$macro setLocation [expr {{round({left + x[cell]:.4f} * $units)}}]"
                f" [expr {{round({below + y[cell]:.4f} * $units)}}]",
                "$macro setPlacementStatus FIRM",
            ]
    return "\n".join([*lines, ""]), (width, height)


def _check_clock(netlist: Netlist, platform: Platform) -> None:
    """Power is summed up by the names of clock buffers: they must be those on the clock.

    Raises:
        StepError: if a buffer on the clock is not named as one, or one is not on the clock.
    """
    library = platform.cells()
    driven = {net.driver.cell: net for net in netlist.nets if net.driver.cell >= 0}
    reached: set[int] = set()
    todo = [net for net in netlist.nets if net.name == CLOCK]
    while todo:
        for sink in todo.pop().sinks:
            cell = library[netlist.kinds[sink.cell]] if sink.cell >= 0 else None
            if cell is None or cell.is_macro or cell.is_flop or cell.is_latch:
                continue
            if not cell.clock_gate:
                reached.add(sink.cell)
            if sink.cell in driven:
                todo.append(driven[sink.cell])
    named = {c for c, name in enumerate(netlist.instances) if name.startswith(CLOCK_BUFFER)}
    for cell_index in reached ^ named:
        name = netlist.instances[cell_index]
        raise StepError(f"{name} is on the clock but not named so, or the other way round")


def _placement(
    design: DefDesign, netlist: Netlist, platform: Platform, used: tuple[float, float, float]
) -> Placement:
    left, below = kit_of(platform).margin_um
    cells = [design.cells[name] for name in netlist.instances]
    ports = [design.ports[name] for name in netlist.ports]
    return Placement(
        width_um=used[1],
        height_um=used[2],
        x_um=np.array([cell.x_um - left for cell in cells]),
        y_um=np.array([cell.y_um - below for cell in cells]),
        flipped=np.array([cell.orientation in ("S", "FS") for cell in cells]),
        port_x_um=np.array([port.x_um - left for port in ports]),
        port_y_um=np.array([port.y_um - below for port in ports]),
    )


def _changes(folder: Path, library: Mapping[str, LibraryCell]) -> Iterator[tuple[str, Change]]:
    listed = [parse_cells(_text(folder / f"cells_{stage}.txt")) for stage in STAGES]
    area = {name: cell.area_um2 for name, cell in library.items()}
    for stage, before, after in zip(STAGES[1:], listed, listed[1:], strict=False):
        yield stage, change(before, after, area)


def parse_cells(text: str) -> dict[str, str]:
    """Instances and their cells, as ``list_cells`` of the script writes them.

    Raises:
        StepError: if a line is not a pair.
    """
    cells = {}
    for line in text.splitlines():
        instance, _, kind = line.partition(" ")
        if not kind or " " in kind:
            raise StepError(f"openroad's list of cells has the line {line[:80]!r}")
        cells[instance] = kind
    return cells


def change(
    before: Mapping[str, str], after: Mapping[str, str], area_um2: Mapping[str, float]
) -> Change:
    """What became of the cells between two lists.

    Raises:
        StepError: if one of them is not in the library.
    """
    for kind in {*before.values(), *after.values()} - set(area_um2):
        raise StepError(f"openroad has a cell {kind}, which is not in the library")
    added = [kind for name, kind in after.items() if name not in before]
    removed = [kind for name, kind in before.items() if name not in after]
    resized = [(before[n], kind) for n, kind in after.items() if before.get(n, kind) != kind]
    return Change(
        added=len(added),
        added_um2=sum(area_um2[kind] for kind in added),
        removed=len(removed),
        removed_um2=sum(area_um2[kind] for kind in removed),
        resized=len(resized),
        resized_um2=sum(area_um2[new] - area_um2[old] for old, new in resized),
    )


def parse_wire_lengths(text: str) -> float:
    """Sum of the file of ``report_wire_length``, um.

    Raises:
        StepError: if it has no net, or a line that is not one of it.
    """
    lines = [line for line in text.splitlines() if line.startswith(("grt:", "drt:"))]
    if not lines:
        raise StepError("openroad reported no wire lengths")
    try:
        return math.fsum(float(line.split()[2]) for line in lines)
    except (ValueError, IndexError):
        raise StepError("openroad's report of wire lengths is broken") from None
