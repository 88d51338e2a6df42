"""Power: OpenSTA with the switching activity of the gate simulation on every pin.

OpenSTA 2.0 propagates activity from the ports, over whatever was annotated; gives every gated
clock the activity of the whole clock; and counts nothing for a cell that no clocked path reaches.
So that exactly the simulated activity counts, power is taken on a copy of the netlist in which

- each input is driven by a flip-flop and the library's driver, not by a port (nothing to
  propagate from);
- the clock ends at the clock gates, and the outputs of gated flip-flops and latches are declared to
  change with the clock (they stay clocked paths, but with their own activity);
- every pin of every instance is annotated;
- where all flip-flops or clock gates have a constant pin, a flip-flop drives it, too: activity
  would be propagated from its tie cell, or from an open pin, through all of them.

The added cells are not counted. The result is held against C V^2 / 2 times the toggles of each net.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from characterize.activity import Activities, Activity
from characterize.clock_tree import CLOCK_BUFFER
from characterize.liberty import LibraryCell
from characterize.netlist import CLOCK, Net, Netlist, Pin
from characterize.parasitics import Wire, net_lines, spef_header
from characterize.platform import Platform
from characterize.process import StepError
from characterize.timing import STA, Analyser, run_sta, set_units

#: Groups that instances are summed up in: flip-flops and latches, clock gates, buffers of the clock
#: tree, macros, the rest.
GROUPS = ("register", "clock_gate", "clock_tree", "memory", "logic")

#: OpenSTA's switching power may differ from C V^2 / 2 times the toggles by this much: it takes
#: the larger of a pin's capacitances for rising and falling edges, and rounds.
_SWITCHING_TOLERANCE = 0.05

_TOP = "power_top"
_HEAD = """\
read_liberty power_cells.lib
{units}{read_macros}read_verilog power.v
link_design {top}
# Later versions look at annotations on their way from pins without a driver.
if {{[llength [info commands read_vcd]]}} {{
  foreach cell [get_cells driver*] {{
    set name [get_property $cell full_name]
    disconnect_pin source_q[string range $name 6 end] $name/{driver[input]}
  }}
}}
create_clock -name clk -period {period_ns} [get_ports clk]
set_propagated_clock [get_clocks clk]
set_input_transition {slew_ns} [get_ports clk]
read_spef power.spef
foreach gate {{{gates}}} {{
  foreach cell [get_lib_cells -quiet */$gate] {{
    set_disable_timing -from {gate[clock]} -to {gate[gated_clock]} $cell
  }}
}}
proc gated {{pins}} {{
  foreach pin $pins {{ set_input_delay 0 -clock clk [get_pins $pin] }}
}}
# The command below counts toggles of a second in versions with the one asked for here; before, of a
# clock cycle. In OpenSTA 2.0 the documented one is broken.
if {{![llength [info commands sta::clock_min_period]]}} {{
  interp alias {{}} annotate {{}} sta::set_power_pin_activity
}} else {{
  proc annotate {{pin toggles high}} {{
    set_power_activity -pins $pin -activity $toggles -duty $high
  }}
}}
"""
_SCRIPT = """\
proc activity {pins toggles high} {
  foreach pin $pins { annotate [get_pins $pin] $toggles $high }
}
source activity.tcl
report_power -digits 8
report_power -instances [get_cells *] -digits 8
puts "peforge power_done"
exit
"""
# Reads the netlist once and finds each pin once. `next` takes what has changed since the phase
# before: number of the net, toggles, share of time at 1.
_PHASES_SCRIPT = """\
set net 0
proc pins {names} {
  global net ends
  set ends($net) [get_pins $names]
  incr net
}
proc next {phase changes} {
  global ends sources
  foreach {net toggles high} $changes {
    foreach pin $ends($net) { annotate $pin $toggles $high }
  }
  puts "peforge phase $phase"
  report_power -digits 8
  report_power -instances $sources -digits 8
}
source phases_pins.tcl
source phases_activity.tcl
puts "peforge phases_done"
exit
"""


@dataclass(frozen=True, kw_only=True)
class PowerResult:
    """Power in W at the simulated activity.

    Attributes:
        dynamic_w: internal and switching power of each group of ``GROUPS``.
        leakage_w: of all instances.
    """

    dynamic_w: Mapping[str, float]
    leakage_w: float


def scripts(platform: Platform, period_ps: int) -> dict[str, str]:
    """``power.tcl`` and ``phases.tcl``.

    They read the files that ``write_power_inputs`` and ``analyse_phases`` make.
    """
    gate = platform.roles["clock_gate"]
    head = _HEAD.format(
        units=set_units(platform),
        read_macros="read_liberty power_macros.lib\n" if platform.blocks else "",
        top=_TOP,
        period_ns=period_ps / 1000,
        slew_ns=platform.clock_slew_ps / 1000,
        gate=gate,
        driver=platform.roles["driver"],
        gates=" ".join((gate["cell"], *gate["larger"])),
    )
    return {"power.tcl": head + _SCRIPT, "phases.tcl": head + _PHASES_SCRIPT}


def write_power_inputs(
    folder: Path,
    netlist: Netlist,
    platform: Platform,
    wires: list[Wire],
    activity: Mapping[str, Activity],
    cycles: int,
) -> None:
    """Write ``power.v``, ``power.spef`` and ``activity.tcl``.

    Args:
        activity: of every net, over ``cycles`` clock cycles.

    Raises:
        StepError: if a net was not in the simulation.
    """
    _require_nets(netlist, activity)
    _write_netlist(folder, netlist, platform, wires)
    ends = _annotated(netlist, platform)
    lines = [f"activity {{{' '.join(end.pins)}}} {_values(end, activity, cycles)}" for end in ends]
    lines.append(_gated_line(netlist, platform))
    (folder / "activity.tcl").write_text("\n".join(lines) + "\n", encoding="ascii")


def _require_nets(netlist: Netlist, activity: Iterable[str]) -> None:
    known = set(activity)
    for net in netlist.nets:
        if net.name not in known:
            raise StepError(f"net {net.name} is not in the activity of the simulation")


def _write_netlist(folder: Path, netlist: Netlist, platform: Platform, wires: list[Wire]) -> None:
    (folder / "power.v").write_text("\n".join(_verilog(netlist, platform)), encoding="ascii")
    (folder / "power.spef").write_text("\n".join(_spef(netlist, platform, wires)), encoding="ascii")


def _net_name(index: int, net: Net) -> str:
    return CLOCK if net.name == CLOCK else f"w{index}"


def _verilog(netlist: Netlist, platform: Platform) -> Iterator[str]:
    pins: list[list[str]] = [[] for _ in netlist.instances]
    sources = []
    flop, driver = platform.roles["flop"], platform.roles["driver"]
    for index, net in enumerate(netlist.nets):
        name = _net_name(index, net)
        sourced = _is_sourced(net, netlist, platform)
        for end in net.sinks if sourced else (net.driver, *net.sinks):
            if end.cell >= 0:
                pins[end.cell].append(f".{end.name}({name})")
        if sourced:
            state = f"source_q{index}"
            tied = "".join(f", .{pin}({state})" for pin in sorted(platform.tied_pins()))
            sources.append(
                f"{flop['cell']} source{index} (.{flop['clock']}({CLOCK}), "
                f".{flop['data']}({state}), .{flop['output']}({state}){tied});\n"
                f"{driver['cell']} driver{index} (.{driver['input']}({state}), "
                f".{driver['pin']}({name}));"
            )
    for pin, value in netlist.supplied:
        if pin.cell >= 0:
            pins[pin.cell].append(f".{pin.name}(1'b{value})")
    yield f"module {_TOP} ({CLOCK});\ninput {CLOCK};"
    yield from sources
    for instance, kind, connections in zip(netlist.instances, netlist.kinds, pins, strict=True):
        yield f"{kind} {instance} ({', '.join(connections)});"
    yield "endmodule\n"


def _is_sourced(net: Net, netlist: Netlist, platform: Platform) -> bool:
    """A flip-flop of its own drives the net here: an input, or a constant that many cells need."""
    if net.driver.cell < 0:
        return net.name != CLOCK
    return platform.ties_pins and not platform.cells()[netlist.kinds[net.driver.cell]].inputs


def _spef(netlist: Netlist, platform: Platform, wires: list[Wire]) -> Iterator[str]:
    yield spef_header(_TOP)
    for index, (net, wire) in enumerate(zip(netlist.nets, wires, strict=True)):
        if net.name == CLOCK:
            driver = f"*P {CLOCK} I"
        elif _is_sourced(net, netlist, platform):
            driver = f"*I driver{index}:{platform.roles['driver']['pin']} O"
        else:
            driver = f"*I {netlist.instances[net.driver.cell]}:{net.driver.name} O"
        # A sink that is a port is no instance of this netlist: its load stands in its place.
        ends: list[str | float] = [driver]
        ends += [
            f"*I {netlist.instances[sink.cell]}:{sink.name} I"
            if sink.cell >= 0
            else platform.load_ff
            for sink in net.sinks
        ]
        yield from net_lines(_net_name(index, net), ends, wire)


@dataclass(frozen=True, kw_only=True)
class _Ends:
    """Pins with one activity: that of a net, or of nothing (None), or its inverse."""

    pins: tuple[str, ...]
    net: str | None
    inverted: bool = False


def _annotated(netlist: Netlist, platform: Platform) -> list[_Ends]:
    """Every pin of every instance, but those on the clock, with the net that it moves with."""
    library = platform.cells()
    connected: set[tuple[int, str]] = set()
    driven: dict[tuple[int, str], str] = {}
    found = []
    for net in netlist.nets:
        ends = [end for end in (net.driver, *net.sinks) if end.cell >= 0]
        connected.update((end.cell, end.name) for end in ends)
        if net.driver.cell >= 0:
            driven[net.driver.cell, net.driver.name] = net.name
        if net.name != CLOCK:
            found.append(_Ends(pins=tuple(_pin(netlist, end) for end in ends), net=net.name))
    # A flip-flop's unconnected output toggles with the connected one.
    for cell, kind in enumerate(netlist.kinds):
        outputs = library[kind].outputs
        for name in outputs:
            if (cell, name) not in connected:
                other = next((driven[cell, o] for o in outputs if (cell, o) in driven), None)
                pin = f"{netlist.instances[cell]}/{name}"
                found.append(_Ends(pins=(pin,), net=other, inverted=True))
    return [ends for ends in found if ends.pins]


def _values(ends: _Ends, activity: Mapping[str, Activity], cycles: float) -> str:
    """Toggles per clock cycle, and share of time at 1."""
    seen = Activity(0, 0.0) if ends.net is None else activity[ends.net]
    high = 1 - seen.high if ends.inverted else seen.high
    return f"{seen.toggles / cycles:.6g} {high:.4f}"


def _gated_line(netlist: Netlist, platform: Platform) -> str:
    """Tcl that names the flip-flops and latches behind clock gates."""
    library = platform.cells()
    driven = {net.driver.cell: net for net in netlist.nets if net.driver.cell >= 0}
    gated: list[str] = []
    for net in netlist.nets:
        if net.driver.cell >= 0 and library[netlist.kinds[net.driver.cell]].clock_gate:
            gated += _gated_outputs(net, netlist, platform, driven)
    return f"gated {{{' '.join(gated)}}}"


def _gated_outputs(
    net: Net, netlist: Netlist, platform: Platform, driven: Mapping[int, Net]
) -> list[str]:
    """The output pins of the buffers, flip-flops and latches on a gated clock.

    Args:
        driven: the net of each cell with one.
    """
    found = []
    for sink in net.sinks:
        instance = netlist.instances[sink.cell]
        outputs = platform.cells()[netlist.kinds[sink.cell]].outputs
        found += [f"{instance}/{output}" for output in outputs]
        if instance.startswith(CLOCK_BUFFER):
            found += _gated_outputs(driven[sink.cell], netlist, platform, driven)
    return found


def _pin(netlist: Netlist, end: Pin) -> str:
    return f"{netlist.instances[end.cell]}/{end.name}"


def switching_w(
    netlist: Netlist,
    platform: Platform,
    wires: list[Wire],
    activity: Mapping[str, Activity],
    window_s: float,
) -> float:
    """Switching power in closed form: over all driven nets, C V^2 / 2 times toggles / time.

    With the largest capacitance of each pin, as OpenSTA has it.
    """
    loads = net_loads_ff(netlist, platform, wires, largest=True)
    charge_ff = sum(load * activity[name].toggles for name, load in loads.items())
    return _energy_j(charge_ff, platform) / window_s


def _energy_j(charge_ff: float, platform: Platform) -> float:
    return 0.5 * charge_ff * 1e-15 * platform.voltage_v**2


def net_loads_ff(
    netlist: Netlist, platform: Platform, wires: list[Wire], *, largest: bool = False
) -> dict[str, float]:
    """``net_load_ff`` of each net that a cell drives."""
    return {
        net.name: net_load_ff(netlist, platform, net, wire, largest=largest)
        for net, wire in zip(netlist.nets, wires, strict=True)
        if net.driver.cell >= 0
    }


def net_load_ff(
    netlist: Netlist, platform: Platform, net: Net, wire: Wire, *, largest: bool = False
) -> float:
    """What the driver of a net sees: wire, input pins, and the load at output ports.

    Args:
        largest: of each pin, the largest of its capacitances, which edges differ in.
    """
    library = platform.cells()

    def pin_ff(sink: Pin) -> float:
        if sink.cell < 0:
            return platform.load_ff
        kind = library[netlist.kinds[sink.cell]]
        return (kind.largest_cap_ff if largest else kind.input_cap_ff)[sink.name]

    return wire.cap_ff + sum(map(pin_ff, net.sinks))


def analyse_power(
    folder: Path,
    netlist: Netlist,
    platform: Platform,
    expected_switching_w: float,
    timeout_s: float,
    analyser: Analyser = STA,
) -> PowerResult:
    """Run ``power.tcl`` in ``folder``; leaves ``power.log``.

    Raises:
        StepError: if OpenSTA fails, its instances do not add up to its total, or its switching
            power is not the expected one.
    """
    report = run_sta("power", folder, timeout_s, analyser)
    return parse_power(report, netlist, platform, expected_switching_w)


def parse_power(
    report: str, netlist: Netlist, platform: Platform, expected_switching_w: float
) -> PowerResult:
    """Sum up the instances of the report of ``power.tcl`` by group.

    Raises:
        StepError: as ``analyse_power``.
    """
    library = platform.cells()
    number = r"[-+]?\d\.\d+e[-+]\d+"
    rows = {
        name: (float(internal), float(switching), float(leakage))
        for internal, switching, leakage, name in re.findall(
            rf"^\s*({number})\s+({number})\s+({number})\s+{number}\s+(\S+)\s*$", report, flags=re.M
        )
    }
    total = re.search(rf"^Total\s+{number}\s+{number}\s+{number}\s+({number})", report, flags=re.M)
    if total is None:
        raise StepError("sta reported no total power")
    reported, listed = float(total[1]), sum(map(sum, rows.values()))
    if not math.isclose(listed, reported, rel_tol=1e-4):
        raise StepError(f"instances add up to {listed:.6g} W, sta's total is {reported:.6g} W")

    dynamic = dict.fromkeys(GROUPS, 0.0)
    leakage = switching = 0.0
    for instance, kind in zip(netlist.instances, netlist.kinds, strict=True):
        if instance not in rows:
            raise StepError(f"sta reported no power for instance {instance}")
        dynamic[_group(instance, library[kind])] += rows[instance][0] + rows[instance][1]
        switching += rows[instance][1]
        leakage += rows[instance][2]
    if not math.isclose(switching, expected_switching_w, rel_tol=_SWITCHING_TOLERANCE):
        raise StepError(
            f"sta's switching power is {switching:.6g} W, the activity gives "
            f"{expected_switching_w:.6g} W"
        )
    return PowerResult(dynamic_w=dynamic, leakage_w=leakage)


@dataclass(frozen=True, kw_only=True)
class PhasePower:
    """Power in W of all instances in one window.

    Attributes:
        dynamic_w: internal and switching power.
        leakage_w: the same in every window.
    """

    dynamic_w: float
    leakage_w: float


def analyse_phases(
    folder: Path,
    netlist: Netlist,
    platform: Platform,
    wires: list[Wire],
    activities: Activities,
    windows: Sequence[tuple[Sequence[int], float]],
    period_ps: int,
    timeout_s: float,
    analyser: Analyser = STA,
) -> list[PhasePower]:
    """Run ``phases.tcl`` in ``folder``: the power of many windows from one reading of the netlist.

    Args:
        activities: of every net in each phase of a simulation.
        windows: of each, its phases, and its clock cycles.
        period_ps: of the clock.

    Raises:
        StepError: as ``analyse_power``, for any window.
    """
    _require_nets(netlist, activities.names)
    _write_netlist(folder, netlist, platform, wires)
    ends = _annotated(netlist, platform)
    sources = [
        f"{kind}{index}"
        for index, net in enumerate(netlist.nets)
        if _is_sourced(net, netlist, platform)
        for kind in ("source", "driver")
    ]
    pins = [f"pins {{{' '.join(end.pins)}}}" for end in ends]
    pins += [f"set sources [get_cells {{{' '.join(sources)}}}]", _gated_line(netlist, platform)]
    (folder / "phases_pins.tcl").write_text("\n".join(pins) + "\n", encoding="ascii")
    _write_changes(folder / "phases_activity.tcl", ends, activities, windows)
    report = run_sta("phases", folder, timeout_s, analyser)
    loads = net_loads_ff(netlist, platform, wires, largest=True)
    loads_ff = np.array([loads.get(name, 0.0) for name in activities.names])
    expected = [
        _energy_j(float(loads_ff @ activities.sums(phases)[0]), platform)
        / (cycles * period_ps * 1e-12)
        for phases, cycles in windows
    ]
    return parse_phases(report, expected)


def _write_changes(
    path: Path,
    ends: Sequence[_Ends],
    activities: Activities,
    windows: Sequence[tuple[Sequence[int], float]],
) -> None:
    """What is other in each window than in the one before, as ``next`` takes it."""
    place = {name: index for index, name in enumerate(activities.names)}
    nets = np.array([-1 if end.net is None else place[end.net] for end in ends])
    inverted = np.array([end.inverted for end in ends])
    last = np.full((len(ends), 2), np.nan)
    with path.open("w", encoding="ascii") as file:
        for window, (phases, cycles) in enumerate(windows):
            toggles, high = activities.sums(phases)
            rate, share = (np.append(values, 0.0)[nets] for values in (toggles / cycles, high))
            now = np.column_stack([rate, np.where(inverted, 1 - share, share)])
            changed = np.flatnonzero((now != last).any(axis=1))
            values = zip(changed.tolist(), *now[changed].T.tolist(), strict=True)
            changes = " ".join(f"{end} {rate:.6g} {share:.4f}" for end, rate, share in values)
            file.write(f"next {window} {{{changes}}}\n")
            last = now


def parse_phases(report: str, expected_switching_w: Sequence[float]) -> list[PhasePower]:
    """Total power less that of the input drivers, for each phase of the report of ``phases.tcl``.

    Raises:
        StepError: if a phase is missing, or its switching power is not the expected one.
    """
    number = r"[-+]?\d\.\d+e[-+]\d+"
    total = re.compile(rf"^Total\s+({number})\s+({number})\s+({number})\s+{number}", flags=re.M)
    row = re.compile(rf"^\s*({number})\s+({number})\s+({number})\s+{number}\s+\S+\s*$", flags=re.M)
    parts = re.split(r"^peforge phase \d+\n", report, flags=re.M)[1:]
    if len(parts) != len(expected_switching_w):
        raise StepError(f"sta reported {len(parts)} phases, not {len(expected_switching_w)}")
    found = []
    for phase, (text, expected) in enumerate(zip(parts, expected_switching_w, strict=True)):
        whole = total.search(text)
        if whole is None:
            raise StepError(f"sta reported no total power for phase {phase}")
        drivers = [tuple(map(float, values)) for values in row.findall(text)]
        internal, switching, leakage = (
            float(value) - sum(driver[i] for driver in drivers)
            for i, value in enumerate(whole.groups())
        )
        if not math.isclose(switching, expected, rel_tol=_SWITCHING_TOLERANCE):
            raise StepError(
                f"sta's switching power is {switching:.6g} W in phase {phase}, the activity gives "
                f"{expected:.6g} W"
            )
        found.append(PhasePower(dynamic_w=internal + switching, leakage_w=leakage))
    return found


def _group(instance: str, cell: LibraryCell) -> str:
    if instance.startswith(CLOCK_BUFFER):
        return "clock_tree"
    if cell.is_flop or cell.is_latch:
        return "register"
    return "clock_gate" if cell.clock_gate else "memory" if cell.is_macro else "logic"
