"""The Tcl that OpenROAD runs, from the kit; what a netlist decides is in ``floorplan.tcl``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from characterize.clock_tree import CLOCK_BUFFER
from characterize.openroad_kit import OpenroadKit, PowerGrid
from characterize.platform import Platform
from rtl_gen.errors import InputError

#: Commands that the script uses; an OpenROAD without one of them is too old.
NEEDED = (
    "read_lef", "read_liberty", "read_verilog", "link_design", "read_sdc", "set_layer_rc",
    "set_wire_rc", "initialize_floorplan", "make_tracks", "tapcell", "cut_rows", "pdngen",
    "set_routing_layers", "set_global_routing_layer_adjustment", "place_pins", "set_dont_use",
    "unset_dont_use", "global_placement", "repair_design", "detailed_placement",
    "clock_tree_synthesis", "improve_placement", "optimize_mirroring", "check_placement",
    "repair_timing", "global_route", "report_wire_length", "estimate_parasitics", "write_def",
)  # fmt: skip
#: Commands that options use.
USEFUL = ("detailed_route", "save_image", "write_gds")

#: Stages after which the cells are listed, in order: as synthesized, after buffering and sizing
#: for loads, after the clock tree, after repair of setup and of hold.
STAGES = ("synthesis", "loads", "clock", "setup", "hold")

Parasitics = Literal["placement", "global_routing"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How far the flow goes.

    Attributes:
        parasitics: where the wires' RC comes from. ``placement``: Steiner trees of the final
            placement, with the constants of flow ``placed``. ``global_routing``: the routing's own
            segments and layers; it counts whole cells of its grid, which are longer than most of a
            PE's nets: on a PE of 2,800 cells it had 47 % more capacitance than the detailed route
            by the same constants, where Steiner trees had 5 % less.
        detailed: whether nets are routed in detail, too (minutes rather than seconds).
        tree_sinks: gated clocks with at least so many sinks get a tree; others stay on their gate.
            OpenROAD's own way, 2, puts two to four buffers behind the gate of every word: 5 % of
            the area of a PE of 18,800 um2, with longer wires and 50 ps less slack.
        seed: of the placement's random improvement.
    """

    parasitics: Parasitics = "placement"
    detailed: bool = False
    tree_sinks: int = 13
    seed: int = 1

    def __post_init__(self) -> None:
        if self.parasitics not in ("placement", "global_routing"):
            raise InputError(
                f"parasitics must be placement or global_routing, not {self.parasitics!r}"
            )
        if self.tree_sinks < 2:
            raise InputError(f"tree_sinks must be at least 2, not {self.tree_sinks!r}")


# Buffers of the clock tree are named as flow `placed` names its own: power is summed up by that.
_SCRIPT = """\
proc list_cells {{stage}} {{
  set file [open cells_$stage.txt w]
  foreach cell [[ord::get_db_block] getInsts] {{
    puts $file "[$cell getName] [[$cell getMaster] getName]"
  }}
  close $file
}}
# Registers outside are as far from the root of the clock as those inside.
proc share_latency {{}} {{
  with_output_to_variable skew {{ report_clock_skew -digits 5 }}
  set all {{}}
  foreach {{- latency}} [regexp -all -inline {{([0-9.]+) (?:source|target) latency}} $skew] {{
    lappend all $latency
  }}
  if {{[llength $all] >= 2}} {{
    set_clock_latency [expr {{([lindex $all 0] + [lindex $all 1]) / 2}}] [get_clocks io]
  }}
}}
proc large_clocks {{}} {{
  set nets clk
  foreach cell [[ord::get_db_block] getInsts] {{
    if {{[lsearch -exact {{{gates}}} [[$cell getMaster] getName]] >= 0}} {{
      set net [[$cell findITerm {gated_clock}] getNet]
      if {{$net ne "NULL" && [llength [$net getITerms]] > {tree_sinks}}} {{
        lappend nets [$net getName]
      }}
    }}
  }}
  return $nets
}}
set_thread_count 1
read_lef tech.lef
read_lef cells.lef
{read_macros}read_liberty cells.lib
read_verilog synthesized.v
link_design {top}
read_sdc timing.sdc
set_cmd_units -time ns -capacitance fF -resistance kOhm -distance um
{layer_rc}
set_wire_rc -signal {wire_rc}
set_wire_rc -clock {wire_rc}
source floorplan.tcl
{tracks}
{taps}
{power_grid}
list_cells synthesis
set_routing_layers -signal {lowest}-{highest} -clock {lowest}-{highest}
set_global_routing_layer_adjustment {lowest}-{highest} {reserved}
place_pins -hor_layers {pin_layers[0]} -ver_layers {pin_layers[1]}
{dont_use}global_placement -density $density
estimate_parasitics -placement
repair_design
list_cells loads
global_placement -skip_initial_place -density $density
detailed_placement
{use}set before [dict create]
foreach cell [[ord::get_db_block] getInsts] {{ dict set before [$cell getName] 1 }}
clock_tree_synthesis -root_buf {root} -buf_list {{{leaves}}} -sink_clustering_enable \\
  -dont_use_dummy_load{clock_nets}
set count 0
foreach cell [[ord::get_db_block] getInsts] {{
  if {{![dict exists $before [$cell getName]]}} {{ $cell rename {clock_buffer}[incr count] }}
}}
list_cells clock
{dont_use}set_propagated_clock [get_clocks clk]
detailed_placement
improve_placement -random_seed {seed}
estimate_parasitics -placement
share_latency
repair_timing -setup
list_cells setup
repair_timing -hold
list_cells hold
detailed_placement
optimize_mirroring
check_placement
global_route
{detailed_route}estimate_parasitics -{parasitics} -spef_file routed.spef
report_wire_length -net * {routing} -file wire_lengths.txt
write_def routed.def
puts "peforge route_done"
exit
"""

_DETAILED_ROUTE = """\
detailed_route -output_drc drc.txt -verbose 0
puts "peforge drc_violations [detailed_route_num_drvs]"
"""


def scripts(platform: Platform, top: str, options: Options) -> dict[str, str]:
    """The files that OpenROAD runs, by name; ``floorplan.tcl`` comes from the netlist.

    Raises:
        InputError: if the platform says nothing about OpenROAD.
    """
    kit = kit_of(platform)
    across, up = platform.horizontal, platform.vertical
    gate, patterns = platform.roles["clock_gate"], " ".join(kit.dont_use)
    return {
        "route.tcl": _SCRIPT.format(
            top=top,
            read_macros="read_lef macros.lef\nread_liberty macros.lib\n" if platform.blocks else "",
            layer_rc="\n".join(
                f"set_layer_rc -layer {layer.name} -resistance {layer.ohm_per_um / 1000:.9g}"
                f" -capacitance {layer.ff_per_um:.9g}"
                for layer in platform.layers
            ),
            wire_rc=(
                f"-h_resistance {across.ohm_per_um / 1000:.9g}"
                f" -h_capacitance {across.ff_per_um:.9g}"
                f" -v_resistance {up.ohm_per_um / 1000:.9g} -v_capacitance {up.ff_per_um:.9g}"
            ),
            tracks="\n".join(_tracks(kit)),
            taps=_taps(kit),
            power_grid="\n".join(_power_grid(kit.power)) if kit.power else "",
            lowest=kit.lowest,
            highest=kit.highest,
            reserved=kit.reserved,
            pin_layers=kit.pin_layers,
            dont_use=f"set_dont_use {{{patterns}}}\n" if patterns else "",
            use=f"unset_dont_use {{{patterns}}}\n" if patterns else "",
            root=kit.root,
            leaves=" ".join(kit.leaves),
            clock_nets=" -clk_nets [large_clocks]" if options.tree_sinks > 2 else "",
            tree_sinks=options.tree_sinks,
            gates=" ".join((gate["cell"], *gate["larger"])),
            gated_clock=gate["gated_clock"],
            clock_buffer=CLOCK_BUFFER,
            seed=options.seed,
            detailed_route=_DETAILED_ROUTE if options.detailed else "",
            parasitics=options.parasitics,
            routing="-detailed_route" if options.detailed else "-global_route",
        )
    }


def kit_of(platform: Platform) -> OpenroadKit:
    """What the platform says about OpenROAD.

    Raises:
        InputError: if that is nothing.
    """
    if platform.openroad is None:
        raise InputError(
            f"platform {platform.name} has no entry openroad: it has flow placed alone"
        )
    return platform.openroad


def _tracks(kit: OpenroadKit) -> Iterator[str]:
    for tracks in kit.tracks:
        (x, x_pitch), (y, y_pitch) = tracks.x_um, tracks.y_um
        yield (
            f"make_tracks {tracks.layer} -x_offset {x} -x_pitch {x_pitch}"
            f" -y_offset {y} -y_pitch {y_pitch}"
        )


def _taps(kit: OpenroadKit) -> str:
    """Taps at both ends of each row, and between; rows end at macros either way."""
    if kit.tap is None:
        return "cut_rows"
    cell, distance_um = kit.tap
    return f"tapcell -tapcell_master {cell} -endcap_master {cell} -distance {distance_um:g}"


def _power_grid(grid: PowerGrid) -> Iterator[str]:
    for net, use in ((grid.power, "power"), (grid.ground, "ground")):
        yield f"add_global_connection -net {net} -inst_pattern .* -pin_pattern ^{net}$ -{use}"
    yield "global_connect"
    yield f"set_voltage_domain -name CORE -power {grid.power} -ground {grid.ground}"
    yield "define_pdn_grid -name grid -voltage_domains CORE"
    yield (
        f"add_pdn_stripe -grid grid -layer {grid.rail_layer} -width {grid.rail_width_um}"
        " -followpins"
    )
    below = grid.rail_layer
    for strap in grid.straps:
        yield (
            f"add_pdn_stripe -grid grid -layer {strap.layer} -width {strap.width_um}"
            f" -pitch {strap.pitch_um} -offset {strap.offset_um}"
        )
        yield f"add_pdn_connect -grid grid -layers {{{below} {strap.layer}}}"
        below = strap.layer
    yield "pdngen"
