"""Static timing: OpenSTA on the netlist with the wires of its placement.

A latch opens at the edge that launches its data: OpenSTA lets it borrow the time until they are
there and goes on with them behind it, so that the longest path between flip-flops counts those
that pass open latches in the same cycle. The latch itself, as an end of a path, has used its slack
up and shows none; it says something only if its data come after it has closed (below 0). As it
closes in the middle of the cycle, a cycle has twice the time that its data and setup take: found
with a clock so short that every latch misses it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from characterize.platform import Platform
from characterize.process import StepError, run_tool
from rtl_gen.export import port_patterns, sdc_text

# The worst path that says something, which that to a latch that borrows does not. A late one does,
# and is found at once: to list thousands of ends takes longer than to time them.
_WORST_PATH = """\
proc worst_path {{args}} {{
  global latches borrows
  set end [lindex [find_timing_paths -sort_by_slack {{*}}$args] 0]
  if {{$end ne "" && [get_property $end slack] < 0}} {{ return $end }}
  set most [expr 1 + [llength $latches]]
  foreach end [find_timing_paths -sort_by_slack -group_count $most {{*}}$args] {{
    set pin [get_property [get_property $end endpoint] full_name]
    if {{[get_property $end slack] < 0 || ![info exists borrows($pin)]}} {{ return $end }}
  }}
  error "no timing path"
}}
"""
# The same as it was first written, which content keys go on to be made of (``lineage``).
_FIRST_WORST_PATH = """\
proc worst_path {{args}} {{
  global latches borrows
  set most [expr 1 + [llength $latches]]
  foreach end [find_timing_paths -sort_by_slack -group_count $most {{*}}$args] {{
    set pin [get_property [get_property $end endpoint] full_name]
    if {{[get_property $end slack] < 0 || ![info exists borrows($pin)]}} {{ return $end }}
  }}
  error "no timing path"
}}
"""

# Reads the netlist with its wires and gives the registers outside the mean latency of those inside.
SETUP = (
    """\
read_liberty {library}
{units}{read_macros}{read_design}{skew}set late [set early 0]
regexp {{\\^\\s+([0-9.]+)\\s+\\S+ \\^\\s+([0-9.]+)}} $skew all late early
regexp {{([0-9.]+) source latency.*?([0-9.]+) target latency}} $skew all late early
set outside [expr ($late + $early) / 2]
set_clock_latency $outside [get_clocks io]
set latches [all_registers -data_pins -level_sensitive]
foreach pin $latches {{ set borrows([get_property $pin full_name]) 1 }}
"""
    + _WORST_PATH
    + """\
proc worst {{args}} {{ get_property [worst_path {{*}}$args] slack }}
"""
)

_READ_DESIGN = """\
read_verilog netlist.v
link_design {top}
read_sdc timing.sdc
read_spef wires.spef
set_propagated_clock [get_clocks clk]
"""
_SKEW = "with_output_to_variable skew { report_clock_skew -digits 5 }\n"
# Without the clock of the latches in clock gates, which are no registers of the design. What is
# disabled leaves its mark on latencies, even enabled again: so all is read anew.
_SKEW_OF_REGISTERS = """\
set_disable_timing -from {invert[input]} -to {invert[output]} [get_lib_cells */{invert[cell]}]
{skew}unset_disable_timing -from {invert[input]} -to {invert[output]} \
  [get_lib_cells */{invert[cell]}]
{read_design}"""

# The least period: setup slack grows with the period by at most as much as it (delays at ports are
# shares of it), so a step by the slack never leaves the side that it comes from.
# Keywords differ between OpenSTA versions: the newer spelling of the slew check first.
_SCRIPT = (
    SETUP
    + """\
puts "peforge skew_begins\n$skew\npeforge skew_ends"
puts "peforge setup_slack_ns [worst -path_delay max]"
puts "peforge hold_slack_ns [worst -path_delay min]"
puts "peforge register_slack_ns [worst -path_delay max \\
  -from [concat [all_registers -clock_pins] $latches] -to [all_registers -data_pins]]"
puts "peforge slew_check_begins"
if {{[catch {{report_check_types -max_slew -violators}}]}} {{
  report_check_types -max_transition -all_violators
}}
puts "peforge slew_check_ends"
report_checks -path_delay max -format full
{write_delays}set file [open timing.sdc]
set constraints [split [read $file] \\n]
close $file
set number {{^(create_clock .*-period |set_(?:in|out)put_delay )([0-9.]+)(.*)$}}
proc at_period {{ns}} {{
  global constraints number period outside
  foreach line $constraints {{
    if {{[regexp $number $line all before value after]}} {{
      eval "$before[expr $value * $ns / $period]$after"
    }}
  }}
  set_propagated_clock [get_clocks clk]
  set_clock_latency $outside [get_clocks io]
}}
set period [get_property [get_clocks clk] period]
set least $period
for {{set step 0}} {{$step < {steps}}} {{incr step}} {{
  set slack [worst -path_delay max]
  set least [expr $least - $slack]
  if {{abs($slack) < 0.0001}} break
  at_period $least
}}
puts "peforge least_period_ns $least"
puts "peforge least_period_hold_slack_ns [worst -path_delay min]"
if {{[llength $latches]}} {{
  create_clock -name clk -period $period -waveform {{0 0.001}} [get_ports clk]
  set_propagated_clock [get_clocks clk]
  set end [lindex [find_timing_paths -path_delay max -to $latches] 0]
  puts "peforge latch_slack_ns [expr $period - 2 * (0.001 - [get_property $end slack])]"
}}
puts "peforge {name}_done"
exit
"""
)
#: Results that count from a corner.
_OF_CORNER = {
    "setup": ("slack_ps", "register_slack_ps", "least_period_ps"),
    "hold": ("hold_slack_ps", "least_period_hold_slack_ps"),
}
#: Of the search for the least period; the one that must be found is at most 0.1 ps away after it.
_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class TimingResult:
    """What OpenSTA found, at the period of the constraints, through the clock tree.

    Attributes:
        slack_ps: worst setup slack of all paths, those from inputs and to outputs included.
        hold_slack_ps: worst hold slack.
        register_slack_ps: worst setup slack between registers; the period less this is the least
            cycle time of the paths between them.
        slew_violations: pins above the platform's slew limit.
        insertion_ps: from the clock port to the register that it reaches last, of the two registers
            between which the skew is.
        skew_ps: the largest difference between two registers with a path between them.
        least_period_ps: the smallest period without negative setup slack, delays at inputs and
            outputs being the same shares of it.
        least_period_hold_slack_ps: worst hold slack at that period.
    """

    slack_ps: float
    hold_slack_ps: float
    register_slack_ps: float
    slew_violations: int
    insertion_ps: float
    skew_ps: float
    least_period_ps: float
    least_period_hold_slack_ps: float


@dataclass(frozen=True, kw_only=True)
class Analyser:
    """What runs the Tcl of static timing and power: OpenSTA, alone or as a part of OpenROAD.

    Attributes:
        command: program and options; the name of the script comes last.
        before: Tcl that has to run first.
        environment: variables that are set for it.
    """

    command: tuple[str, ...] = ("sta", "-no_splash", "-exit")
    before: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


#: OpenSTA alone.
STA = Analyser()


def scripts(
    platform: Platform, top: str, pins: Sequence[Mapping[str, Any]], period_ps: int
) -> dict[str, str]:
    """``timing.sdc`` and ``timing.tcl`` of a module with these ports."""
    driver = platform.roles["driver"]
    slew = platform.clock_slew_ps / 1000
    inputs = port_patterns(pins, "input")
    environment = (
        f"set_input_transition {slew} [get_ports clk]\n"
        f"set_driving_cell -lib_cell {driver['cell']} -pin {driver['pin']} "
        f"[get_ports {{{inputs}}}]\n"
        f"set_load {platform.load_ff} [all_outputs]\n"
        f"set_max_transition {platform.max_slew_ps / 1000} [current_design]\n"
    )
    return {
        "timing.sdc": sdc_text(pins, period_ps, io_clock="io") + environment,
        **{f"timing_{use}.tcl": script(platform, top, use) for use in platform.corners},
        "timing.tcl": script(platform, top),
    }


def script(platform: Platform, top: str, corner: str = "") -> str:
    """``timing.tcl`` for any netlist; its constraints are in ``timing.sdc``.

    Args:
        corner: of those of the platform: the script for it, which writes no delays.
    """
    return _SCRIPT.format(
        steps=_STEPS,
        name=f"timing_{corner}" if corner else "timing",
        write_delays="" if corner else "write_sdf delays.sdf\n",
        **setup_fields(platform, top, corner),
    )


def setup_fields(platform: Platform, top: str, corner: str = "") -> dict[str, str]:
    """What ``SETUP`` needs."""
    read_design, skew = _READ_DESIGN.format(top=top), _SKEW
    parts = platform.roles["clock_gate"].get("parts", {})
    if "invert" in parts:
        skew = _SKEW_OF_REGISTERS.format(
            invert=parts["invert"], skew=_SKEW, read_design=read_design
        )
    return {
        "library": f"cells_{corner}.lib" if corner else "cells.lib",
        "units": set_units(platform),
        "read_macros": read_macros(platform),
        "read_design": read_design,
        "skew": skew,
    }


def first_wording(script: str) -> str:
    """A script as it would be if its parts had never been written anew."""
    return script.replace(_WORST_PATH.format(), _FIRST_WORST_PATH.format())


def set_units(platform: Platform) -> str:
    """The line of a script that makes OpenSTA's units ns and fF; it takes those of the library."""
    return "" if platform.units.plain else "set_cmd_units -time ns -capacitance fF\n"


def read_macros(platform: Platform) -> str:
    """The line of a script that reads the timing of macros, if there are any."""
    return "read_liberty macros.lib\n" if platform.blocks else ""


def analyse_timing(
    folder: Path,
    period_ps: float,
    timeout_s: float,
    analyser: Analyser = STA,
    corners: Collection[str] = (),
) -> TimingResult:
    """Run ``timing.tcl`` in ``folder``, its constraints of this period; leaves ``timing.log``.

    Args:
        corners: those of the platform; each has a script of its own, whose setup or hold counts.

    Raises:
        StepError: if OpenSTA fails, or its report is not complete.
    """
    result = parse_timing(run_sta("timing", folder, timeout_s, analyser), period_ps)
    for corner in corners:
        name = f"timing_{corner}"
        other = parse_timing(run_sta(name, folder, timeout_s, analyser), period_ps)
        result = replace(
            result, slew_violations=max(result.slew_violations, other.slew_violations),
            **{field: getattr(other, field) for field in _OF_CORNER[corner]},
        )  # fmt: skip
    return result


def run_sta(name: str, folder: Path, timeout_s: float, analyser: Analyser = STA) -> str:
    """Run ``name.tcl`` and return the report, which must end with the script's last line.

    OpenSTA exits with 0 after an error: an unfinished script or an error line is a failure.

    Raises:
        StepError: on either, or if it cannot be run.
    """
    script, program = f"{name}.tcl", analyser.command[0]
    if analyser.before:
        script = f"{name}_run.tcl"
        (folder / script).write_text(f"{analyser.before}source {name}.tcl\n", encoding="utf-8")
    text = run_tool(
        [*analyser.command, script],
        folder=folder,
        log=f"{name}.log",
        timeout_s=timeout_s,
        environment=analyser.environment,
    )
    for line in text.splitlines():
        if line.startswith(("Error", "[ERROR")):
            raise StepError(f"{program}: {line[:300]}")
    if f"peforge {name}_done" not in text.splitlines():
        raise StepError(f"{program} ended before the end of {name}.tcl")
    return text


def parse_timing(report: str, period_ps: float) -> TimingResult:
    """Read the report of ``timing.tcl``, whose constraints were of this period.

    Raises:
        StepError: if a number is missing or not finite.
    """
    check = report.partition("peforge slew_check_begins")[2].partition("peforge slew_check_ends")
    if not check[1]:
        raise StepError("sta reported no slew check")
    names = ["setup_slack_ns", "hold_slack_ns", "register_slack_ns"]
    if "peforge latch_slack_ns" in report:
        names.append("latch_slack_ns")
    setup, hold, *registers = (_number(report, name) * 1000 for name in names)
    latest, skew = _clock(report)
    least = _number(report, "least_period_ns") * 1000
    if len(registers) > 1:  # the latches need their half of the cycle
        least = max(least, period_ps - registers[1])
    return TimingResult(
        slack_ps=setup,
        hold_slack_ps=hold,
        register_slack_ps=min(registers),
        slew_violations=len(re.findall(r"\(VIOLATED\)\s*$", check[0], flags=re.M)),
        insertion_ps=latest * 1000,
        skew_ps=skew * 1000,
        least_period_ps=least,
        least_period_hold_slack_ps=_number(report, "least_period_hold_slack_ns") * 1000,
    )


def _clock(report: str) -> tuple[float, float]:
    """Latency of the later register and skew, in ns, of the report of OpenSTA."""
    text = report.partition("peforge skew_begins")[2].partition("peforge skew_ends")[0]
    number = r"([-+]?\d+\.\d+)"
    found = re.search(
        rf"\^\s+{number}\s+\S+ \^\s+{number}\s+{number}\s+{number}\s*$", text, flags=re.M
    )
    if found is not None:  # the table of OpenSTA 2.0
        return float(found[1]), float(found[4])
    found = re.search(
        rf"^\s*{number} source latency\b.*?^\s*{number} target latency\b.*?^\s*{number} setup skew",
        text,
        flags=re.M | re.S,
    )
    if found is None:
        raise StepError("sta reported no clock skew")
    # The target's counts down, and the skew of a target that is later is below 0.
    return max(abs(float(found[1])), abs(float(found[2]))), abs(float(found[3]))


def _number(report: str, name: str) -> float:
    found = re.search(
        rf"^peforge {name} ([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*$", report, flags=re.M
    )
    if found is None:
        raise StepError(f"sta reported no {name}")
    return float(found[1])
