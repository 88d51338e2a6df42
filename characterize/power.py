"""Power: OpenSTA with the switching activity of the gate simulation on every pin.

OpenSTA 2.0 propagates activity from the ports, over whatever was annotated; gives every gated
clock the activity of the whole clock; and counts nothing for a cell that no clocked path reaches.
So that exactly the simulated activity counts, power is taken on a copy of the netlist in which

- each input is driven by a flip-flop and the library's driver, not by a port (nothing to
  propagate from);
- the clock ends at the clock gates, and the outputs of gated flip-flops and latches are declared to
  change with the clock (they stay clocked paths, but with their own activity);
- every pin of every instance is annotated.

The added cells are not counted. The result is held against C V^2 / 2 times the toggles of each net.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from characterize.activity import Activity
from characterize.clock_tree import CLOCK_BUFFER
from characterize.liberty import LibraryCell
from characterize.netlist import CLOCK, Net, Netlist, Pin
from characterize.parasitics import Wire, net_lines, spef_header
from characterize.platform import Platform
from characterize.process import StepError
from characterize.timing import STA, Analyser, run_sta

#: Groups that instances are summed up in: flip-flops and latches, clock gates, buffers of the clock
#: tree, macros, the rest.
GROUPS = ("register", "clock_gate", "clock_tree", "memory", "logic")

#: OpenSTA's switching power may differ from C V^2 / 2 times the toggles by this much: it takes
#: the larger of a pin's capacitances for rising and falling edges, and rounds.
_SWITCHING_TOLERANCE = 0.05

_TOP = "power_top"
_SCRIPT = """\
read_liberty power_cells.lib
{read_macros}read_verilog power.v
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
proc activity {{pins toggles high}} {{
  foreach pin $pins {{
    if {{[llength [info commands sta::clock_min_period]]}} {{
      set_power_activity -pins [get_pins $pin] -activity $toggles -duty $high
    }} else {{
      sta::set_power_pin_activity [get_pins $pin] $toggles $high
    }}
  }}
}}
source activity.tcl
report_power -digits 8
report_power -instances [get_cells *] -digits 8
puts "peforge power_done"
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
    """``power.tcl``; it reads the files that ``write_power_inputs`` makes."""
    gate = platform.roles["clock_gate"]
    return {
        "power.tcl": _SCRIPT.format(
            read_macros="read_liberty power_macros.lib\n" if platform.blocks else "",
            top=_TOP,
            period_ns=period_ps / 1000,
            slew_ns=platform.clock_slew_ps / 1000,
            gate=gate,
            driver=platform.roles["driver"],
            gates=" ".join((gate["cell"], *gate["larger"])),
        )
    }


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
    for net in netlist.nets:
        if net.name not in activity:
            raise StepError(f"net {net.name} is not in the activity of the simulation")
    (folder / "power.v").write_text("\n".join(_verilog(netlist, platform)), encoding="ascii")
    (folder / "power.spef").write_text("\n".join(_spef(netlist, platform, wires)), encoding="ascii")
    lines = _activity_lines(netlist, platform, activity, cycles)
    (folder / "activity.tcl").write_text("\n".join(lines) + "\n", encoding="ascii")


def _net_name(index: int, net: Net) -> str:
    return CLOCK if net.name == CLOCK else f"w{index}"


def _verilog(netlist: Netlist, platform: Platform) -> Iterator[str]:
    pins: list[list[str]] = [[] for _ in netlist.instances]
    sources = []
    flop, driver = platform.roles["flop"], platform.roles["driver"]
    for index, net in enumerate(netlist.nets):
        name = _net_name(index, net)
        for end in (net.driver, *net.sinks):
            if end.cell >= 0:
                pins[end.cell].append(f".{end.name}({name})")
        if net.driver.cell < 0 and net.name != CLOCK:
            state = f"source_q{index}"
            sources.append(
                f"{flop['cell']} source{index} (.{flop['clock']}({CLOCK}), "
                f".{flop['data']}({state}), .{flop['output']}({state}));\n"
                f"{driver['cell']} driver{index} (.{driver['input']}({state}), "
                f".{driver['pin']}({name}));"
            )
    yield f"module {_TOP} ({CLOCK});\ninput {CLOCK};"
    yield from sources
    for instance, kind, connections in zip(netlist.instances, netlist.kinds, pins, strict=True):
        yield f"{kind} {instance} ({', '.join(connections)});"
    yield "endmodule\n"


def _spef(netlist: Netlist, platform: Platform, wires: list[Wire]) -> Iterator[str]:
    yield spef_header(_TOP)
    for index, (net, wire) in enumerate(zip(netlist.nets, wires, strict=True)):
        if net.name == CLOCK:
            driver = f"*P {CLOCK} I"
        elif net.driver.cell < 0:
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


def _activity_lines(
    netlist: Netlist, platform: Platform, activity: Mapping[str, Activity], cycles: int
) -> Iterator[str]:
    """Tcl that annotates every pin, and the flip-flops and latches behind clock gates."""
    library = platform.cells()
    connected: set[tuple[int, str]] = set()
    seen_by_driver: dict[tuple[int, str], Activity] = {}
    gated: list[str] = []
    driven = {net.driver.cell: net for net in netlist.nets if net.driver.cell >= 0}
    for net in netlist.nets:
        seen = activity[net.name]
        ends = [end for end in (net.driver, *net.sinks) if end.cell >= 0]
        connected.update((end.cell, end.name) for end in ends)
        if net.driver.cell >= 0:
            seen_by_driver[net.driver.cell, net.driver.name] = seen
            if library[netlist.kinds[net.driver.cell]].clock_gate:
                gated += _gated_outputs(net, netlist, platform, driven)
        if net.name != CLOCK:
            yield _annotation([_pin(netlist, end) for end in ends], seen, cycles)
    # A flip-flop's unconnected output toggles with the connected one.
    for cell, kind in enumerate(netlist.kinds):
        outputs = library[kind].outputs
        for name in outputs:
            if (cell, name) not in connected:
                other = next(
                    (seen_by_driver[cell, o] for o in outputs if (cell, o) in seen_by_driver),
                    Activity(0, 0.0),
                )
                pin = f"{netlist.instances[cell]}/{name}"
                yield _annotation([pin], Activity(other.toggles, 1 - other.high), cycles)
    yield f"gated {{{' '.join(gated)}}}"


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


def _annotation(pins: list[str], seen: Activity, cycles: int) -> str:
    return f"activity {{{' '.join(pins)}}} {seen.toggles / cycles:.6g} {seen.high:.4f}"


def switching_w(
    netlist: Netlist,
    platform: Platform,
    wires: list[Wire],
    activity: Mapping[str, Activity],
    window_s: float,
) -> float:
    """Switching power in closed form: over all driven nets, C V^2 / 2 times toggles / time."""
    charge_ff = sum(
        net_load_ff(netlist, platform, net, wire) * activity[net.name].toggles
        for net, wire in zip(netlist.nets, wires, strict=True)
        if net.driver.cell >= 0
    )
    return 0.5 * charge_ff * 1e-15 * platform.voltage_v**2 / window_s


def net_load_ff(netlist: Netlist, platform: Platform, net: Net, wire: Wire) -> float:
    """What the driver of a net sees: wire, input pins, and the load at output ports."""
    library = platform.cells()
    return wire.cap_ff + sum(
        library[netlist.kinds[sink.cell]].input_cap_ff[sink.name]
        if sink.cell >= 0
        else platform.load_ff
        for sink in net.sinks
    )


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


def _group(instance: str, cell: LibraryCell) -> str:
    if instance.startswith(CLOCK_BUFFER):
        return "clock_tree"
    if cell.is_flop or cell.is_latch:
        return "register"
    return "clock_gate" if cell.clock_gate else "memory" if cell.is_macro else "logic"
