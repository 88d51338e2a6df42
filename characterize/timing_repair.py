"""What misses its time after placement: cells on late paths are resized, early ones get buffers.

OpenSTA proposes, with the wires of the placement: along the worst path, each cell is tried in its
next larger size, the slowest stage first, and stays so if this end gains and no other comes to be
worse. Ends that change
too early for the hold time are listed with what they lack. The netlist changes here, and is placed
and timed anew by the caller: the proposal is greedy, the timing after it is what counts.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from characterize.buffering import repair_loads, sizes_of
from characterize.layout import Layout
from characterize.netlist import Pin
from characterize.platform import CORNERS, Platform
from characterize.process import StepError
from characterize.timing import SETUP, TimingResult, run_sta, setup_fields

#: Times that a netlist is repaired, placed and timed again at most.
ROUNDS = 3
#: What instance names of buffers against hold violations begin with.
HOLD_BUFFER = "hold"
#: Slack that repair aims at, so that what moves in placement does not spend it all.
_MARGIN_NS = 0.005
#: Cells that are tried in another size at most, in one round.
_TRIALS = 400
#: A gain that is worth another size.
_GAIN_NS = 0.0002

_SCRIPT = (
    SETUP
    + """\
array set larger {{{larger}}}
proc slower_first {{path}} {{
  set before [set stages {{}}]
  foreach point [get_property $path points] {{
    set pin [get_property $point pin]
    set arrival [get_property $point arrival]
    if {{[get_property $pin direction] == "output" && $before ne ""}} {{
      lappend stages [list [expr $arrival - $before] [get_property $pin full_name]]
    }}
    set before $arrival
  }}
  lsort -decreasing -real -index 0 $stages
}}
set trials 0
set path [worst_path -path_delay max]
set slack [get_property $path slack]
while {{$slack < {margin} && $trials < {trials}}} {{
  set gained 0
  set end [get_property [get_property $path endpoint] full_name]
  set here $slack
  foreach stage [slower_first $path] {{
    set cell [lindex [split [lindex $stage 1] /] 0]
    if {{[catch {{get_property [get_cells $cell] ref_name}} kind]}} continue
    if {{![info exists larger($kind)]}} continue
    incr trials
    replace_cell $cell $larger($kind)
    set worst [worst -path_delay max]
    set there [get_property [lindex [find_timing_paths -path_delay max -to $end] 0] slack]
    if {{$there > $here + {gain} && $worst > $slack - 0.00001}} {{
      set slack $worst
      set here $there
      set resized($cell) $larger($kind)
      set gained 1
    }} else {{
      replace_cell $cell $kind
    }}
    if {{$here >= {margin} || $trials >= {trials}}} break
  }}
  if {{!$gained}} break
  set path [worst_path -path_delay max]
  set slack [get_property $path slack]
}}
foreach cell [lsort [array names resized]] {{ puts "peforge resize $cell $resized($cell)" }}
foreach end [find_timing_paths -path_delay min -sort_by_slack -group_count {ends}] {{
  set short [get_property $end slack]
  if {{$short >= 0}} break
  puts "peforge early [get_property [get_property $end endpoint] full_name] $short"
}}
puts "peforge {name}_done"
exit
"""
)
#: Ends that may be early at once.
_ENDS = 10000


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What OpenSTA would change.

    Attributes:
        resized: instance to its new cell.
        early: pin (``instance/pin``) to what its hold time lacks, ns.
    """

    resized: dict[str, str]
    early: dict[str, float]

    @property
    def empty(self) -> bool:
        """Nothing to be changed."""
        return not self.resized and not self.early


def scripts(platform: Platform, top: str) -> dict[str, str]:
    """``timing_repair.tcl``; it reads what ``timing.tcl`` reads."""
    larger = [
        f"{small.name} {large.name}"
        for group in {id(group): group for group in sizes_of(platform).values()}.values()
        for small, large in itertools.pairwise(group)
        if not (small.clock_gate or large.clock_gate or small.is_macro)
    ]
    return {
        f"{_name(corner)}.tcl": _SCRIPT.format(
            name=_name(corner),
            larger=" ".join(sorted(larger)),
            margin=_MARGIN_NS,
            trials=_TRIALS,
            gain=_GAIN_NS,
            ends=_ENDS,
            **setup_fields(platform, top, corner),
        )
        for corner in ("", *platform.corners)
    }


def _name(corner: str) -> str:
    return f"timing_repair_{corner}" if corner else "timing_repair"


def shortfall_ps(timed: TimingResult) -> float:
    """What setup and hold lack together; 0 if both are met."""
    return max(0.0, -timed.slack_ps) + max(0.0, -timed.hold_slack_ps)


def propose(folder: Path, timeout_s: float, corners: Collection[str] = ()) -> Proposal:
    """Run ``timing_repair.tcl`` in ``folder``; leaves ``timing_repair.log``.

    Args:
        corners: those of the platform: what is late counts from ``setup``, what is early from
            ``hold``.

    Raises:
        StepError: if OpenSTA fails.
    """
    chosen = {use: use if use in corners else "" for use in CORNERS}
    reports = {corner: run_sta(_name(corner), folder, timeout_s) for corner in set(chosen.values())}
    late, soon = (reports[chosen[use]] for use in CORNERS)
    resized = re.findall(r"^peforge resize (\S+) (\S+)\s*$", late, flags=re.M)
    early = re.findall(r"^peforge early (\S+) (-[0-9.e+-]+)\s*$", soon, flags=re.M)
    return Proposal(resized=dict(resized), early={pin: -float(slack) for pin, slack in early})


def apply(layout: Layout, proposal: Proposal) -> int:
    """Change the layout as proposed; returns how many buffers were added against early changes.

    Raises:
        StepError: if the proposal names what is not there.
    """
    cells = {name: index for index, name in enumerate(layout.instances)}
    for name, kind in proposal.resized.items():
        if name not in cells or kind not in layout.library:
            raise StepError(f"sta resized {name} to {kind}, which are not in the netlist")
        layout.kinds[cells[name]] = kind
    nets = {pin: net for net, sinks in enumerate(layout.sinks) for pin in sinks}
    role = layout.platform.roles["buffer"]
    added = 0
    for end, lack_ns in proposal.early.items():
        instance, _, name = end.rpartition("/")
        pin = Pin(cell=cells.get(instance, -1), name=name)
        if pin not in nets:
            raise StepError(f"sta found {end} early, which is not in the netlist")
        for _ in range(math.ceil(lack_ns / (layout.platform.hold_buffer_ps / 1000))):
            layout.buffer(nets[pin], [pin], role, role["cells"][0], HOLD_BUFFER)
            nets[pin] = len(layout.names) - 1
            added += 1
    repair_loads(layout)  # of what drives the larger cells
    return added
