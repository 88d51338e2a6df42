"""Area, delay and energy of one scratchpad in each style, through the flow of the PE.

Around the scratchpad there are registers on all inputs and on the data read, as in the PE. Run:
``python -m benchmarks.scratchpads [DEPTHxWIDTH ...]`` (default 224x16 512x16 24x44, some minutes).
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from characterize import power, power_library, synthesize, timing
from characterize.activity import Activity, read_activity
from characterize.delays import delayed_netlist, read_delays
from characterize.netlist import Netlist, verilog_text
from characterize.parasitics import Wire, estimate_wires, write_spef
from characterize.place import Placement, place
from characterize.placed import repair
from characterize.platform import Platform, load_platform
from characterize.power import PowerResult
from characterize.process import run_tool
from characterize.simulate import cell_models
from characterize.sram import with_macros
from characterize.timing import TimingResult
from rtl_gen.design import SCRATCHPADS
from rtl_gen.scratchpad import DATA_LATENCY, READ_LATENCY, Scratchpad

PERIOD_PS = 2000
#: Simulated period, in ns: longer than any path.
CLOCK_NS = 40

_INPUTS = ("write_enable", "read_enable", "write_address", "read_address", "write_data")
_SDC = """\
create_clock -name clk -period {period} [get_ports clk]
create_clock -name io -period {period}
set_input_transition {slew} [get_ports clk]
set_load {load} [all_outputs]
"""
_TESTBENCH = """\
`timescale 1ns/1ps
module tb;
  reg clk = 1;
  reg [{high}:0] inputs [0:{last}];
{declarations}
  wire [{output_high}:0] {output};
  top dut ({connections}, .clk(clk), .{output}({output}));
  integer cycle;
  initial begin
    $dumpfile("activity.vcd");
    $readmemh("inputs.hex", inputs);
    for (cycle = 0; cycle <= {last}; cycle = cycle + 1) begin
      clk <= #{half} 0;
      #{behind} {{{names}}} = inputs[cycle];
      #({period} - {behind}) $display("%h", {output});
      if (cycle == {begin}) $dumpvars(1, dut);
      if (cycle == {end}) $dumpoff;
      clk = 1;
    end
    $finish;
  end
endmodule
"""


@dataclass(frozen=True)
class Access:
    """One cycle: a write, a read, or neither."""

    write: tuple[int, int] | None = None
    read: int | None = None


class Registered(wiring.Component):
    """A scratchpad between registers: inputs and outputs, one cycle each.

    A read asked for in cycle t is on ``read_data`` in cycle t + 2 + ``READ_LATENCY``, and sees all
    writes asked for before t.
    """

    def __init__(self, *, depth: int, width: int, style: str) -> None:
        self.pad = Scratchpad(shape=width, depth=depth, style=style)
        address = (depth - 1).bit_length()
        super().__init__(
            {
                "write_address": In(address),
                "write_data": In(width),
                "write_enable": In(1),
                "read_address": In(address),
                "read_enable": In(1),
                "read_data": Out(width),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.pad = self.pad
        for name in _INPUTS:
            value: Any = getattr(self, name)
            stages = 1 + (DATA_LATENCY[self.pad.style] if name == "write_data" else 0)
            for stage in range(stages):
                register = Signal.like(value, name=f"{name}_{stage}", reset_less=True)
                m.d.sync += register.eq(value)
                value = register
            m.d.comb += getattr(self.pad, name).eq(value)
        out = Signal.like(self.read_data, name="out", reset_less=True)
        m.d.sync += out.eq(self.pad.read_data)
        m.d.comb += self.read_data.eq(out)
        return m


@dataclass(frozen=True, kw_only=True)
class Built:
    """A component, synthesized, placed and timed."""

    platform: Platform
    folder: Path
    netlist: Netlist
    placement: Placement
    wires: list[Wire]
    timed: TimingResult
    delays: Mapping[str, float]

    @property
    def area_um2(self) -> float:
        """Of all cells, registers around the component included."""
        library = self.platform.cells()
        return sum(library[kind].area_um2 for kind in self.netlist.kinds)

    @property
    def path_ps(self) -> float:
        """The longest path between registers."""
        return PERIOD_PS - self.timed.register_slack_ps


@dataclass(frozen=True, kw_only=True)
class Bench(Built):
    """One scratchpad."""

    depth: int
    width: int
    style: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was read (None is unknown), and the power between the first and the last cycle."""

    read: list[int | None]
    activity: Mapping[str, Activity]
    powered: PowerResult

    def energy_fj(self) -> float:
        """Dynamic energy of a cycle."""
        return sum(self.powered.dynamic_w.values()) * PERIOD_PS * 1e3


def build(folder: Path, *, depth: int, width: int, style: str) -> Bench:
    """Take a scratchpad through synthesis, placement, wires and timing."""
    platform = load_platform()
    if style == "sram":
        platform = with_macros(platform, [(depth, width)])
    top = Registered(depth=depth, width=width, style=style)
    built = build_component(folder, top, platform)
    return Bench(depth=depth, width=width, style=style, **vars(built))


def build_component(folder: Path, top: wiring.Component, platform: Platform) -> Built:
    """Take a component with registers around it through synthesis to timing."""
    (folder / "rtl.il").write_text(rtlil.convert(top, name="top", emit_src=False))
    sdc = _SDC.format(
        period=PERIOD_PS / 1000, slew=platform.clock_slew_ps / 1000, load=platform.load_ff
    )
    scripts = {
        **synthesize.scripts(platform, "top", PERIOD_PS),
        **power.scripts(platform, PERIOD_PS),
        "timing.tcl": timing.script(platform, "top"),
        "timing.sdc": sdc,
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
    (folder / "cells.lib").symlink_to(platform.liberty)
    netlist = synthesize.synthesize(folder, platform, 600)
    placement = place(netlist, platform, utilization=0.5, seed=1)
    repaired = repair(netlist, platform, placement, seed=1)
    netlist, placement = repaired.netlist, repaired.placement
    (folder / "netlist.v").write_text(verilog_text(netlist, platform))
    wires = estimate_wires(netlist, platform, placement)
    write_spef(folder / "wires.spef", netlist, wires)
    timed = timing.analyse_timing(folder, PERIOD_PS, 600)
    delays = read_delays(folder / "delays.sdf", netlist, platform)
    models = cell_models(platform.cells()[kind] for kind in sorted(netlist.cell_counts()))
    (folder / "cells.v").write_text(models)
    verilog = (folder / "netlist.v").read_text()
    (folder / "delayed.v").write_text(delayed_netlist(verilog, delays))
    return Built(
        platform=platform, folder=folder, netlist=netlist,
        placement=placement, wires=wires, timed=timed, delays=delays,
    )  # fmt: skip


def simulate(
    bench: Bench, accesses: Sequence[Access], window: tuple[int, int], clock_ns: float = CLOCK_NS
) -> tuple[list[int | None], dict[str, Activity]]:
    """Gates with their delays, from X: what each cycle reads, and the activity of a window."""
    address = (bench.depth - 1).bit_length()
    bits = dict(zip(_INPUTS, (1, 1, address, address, bench.width), strict=True))
    rows = []
    for access in accesses:
        write, address_read = access.write or (0, 0), access.read or 0
        enables = (access.write is not None, access.read is not None)
        rows.append((*map(int, enables), write[0], address_read, write[1]))
    words, activity = run_gates(bench, bits, rows, ("read_data", bench.width), window, clock_ns)
    shown = [None if re.search("[xz]", word, re.I) else int(word, 16) for word in words]
    latency = 2 + READ_LATENCY[bench.style]
    read_words = [
        shown[cycle + latency]
        for cycle, access in enumerate(accesses[: len(accesses) - latency])
        if access.read is not None
    ]
    return read_words, activity


def run_gates(
    built: Built,
    inputs: Mapping[str, int],
    rows: Sequence[Sequence[int]],
    output: tuple[str, int],
    window: tuple[int, int],
    clock_ns: float = CLOCK_NS,
) -> tuple[list[str], dict[str, Activity]]:
    """Simulate ``delayed.v``, from X; what the output shows in each cycle, in hexadecimal.

    Args:
        inputs: bits of each input, by name.
        rows: values of the inputs in each cycle.
        output: its name and bits.
        window: cycles of the activity, first and behind the last.
    """
    lines = []
    for row in rows:
        word = 0
        for value, size in zip(row, inputs.values(), strict=True):
            word = word << size | value
        lines.append(f"{word:x}")
    folder = built.folder
    (folder / "inputs.hex").write_text("\n".join(lines))
    text = _TESTBENCH.format(
        high=sum(inputs.values()) - 1,
        last=len(rows) - 1,
        declarations="\n".join(f"  reg [{size - 1}:0] {name};" for name, size in inputs.items()),
        output=output[0],
        output_high=output[1] - 1,
        connections=", ".join(f".{name}({name})" for name in inputs),
        names=", ".join(inputs),
        half=clock_ns / 2,
        period=clock_ns,
        # Inputs change behind the edge as the registers see it, at the end of the clock tree.
        behind=clock_ns / 5 + built.timed.insertion_ps / 1000,
        begin=window[0],
        end=window[1],
    )
    (folder / "tb.v").write_text(text)
    run_tool(
        ["iverilog", "-g2012", "-s", "tb", "-o", "sim.vvp", "tb.v", "cells.v", "delayed.v"],
        folder=folder, log="iverilog.log", timeout_s=600,
    )  # fmt: skip
    printed = run_tool(
        ["vvp", "-n", "sim.vvp", "-vcd"], folder=folder, log="simulation.log", timeout_s=600
    )
    words = re.findall(r"^[\da-fxz]+$", printed, re.M | re.I)
    return words, read_activity(folder / "activity.vcd")


def expected(bench: Bench, accesses: Sequence[Access]) -> list[int | None]:
    """What each read must give."""
    words: dict[int, int] = {}
    result = []
    for access in accesses[: len(accesses) - 2 - READ_LATENCY[bench.style]]:
        if access.read is not None:
            result.append(words.get(access.read))
        if access.write is not None:
            words[access.write[0]] = access.write[1]
    return result


def run(bench: Bench, library: Path, accesses: Sequence[Access], window: tuple[int, int]) -> Run:
    """Simulate, and take the power of a window of cycles.

    Args:
        library: Liberty file for power.
    """
    read, activity = simulate(bench, accesses, window)
    powered = take_power(bench, library, activity, window[1] - window[0])
    return Run(read=read, activity=activity, powered=powered)


def take_power(
    bench: Built, library: Path, activity: Mapping[str, Activity], cycles: int
) -> PowerResult:
    """Power at an activity that was counted over some cycles."""
    (bench.folder / "power_cells.lib").unlink(missing_ok=True)
    (bench.folder / "power_cells.lib").symlink_to(library)
    parts = (bench.netlist, bench.platform, bench.wires, activity)
    power.write_power_inputs(bench.folder, *parts, cycles)
    switching_w = power.switching_w(*parts, cycles * PERIOD_PS * 1e-12)
    return power.analyse_power(bench.folder, bench.netlist, bench.platform, switching_w, 600)


def fill(bench: Bench, rng: random.Random) -> list[Access]:
    """Write every word once."""
    return [Access(write=(a, rng.getrandbits(bench.width))) for a in range(bench.depth)]


def reads(bench: Bench, count: int) -> list[Access]:
    """Read in sequence, as the PE does."""
    return [Access(read=index % bench.depth) for index in range(count)]


def writes(bench: Bench, count: int, rng: random.Random) -> list[Access]:
    """Write random words in sequence."""
    return [
        Access(write=(index % bench.depth, rng.getrandbits(bench.width))) for index in range(count)
    ]


def main() -> None:
    sizes = sys.argv[1:] or ["224x16", "512x16", "24x44"]
    with tempfile.TemporaryDirectory() as root:
        library = Path(root, "power.lib")
        power_library.write_power_library(load_platform().liberty, library)
        print("words    style   area um2   path ps   leakage uW   pJ a cycle: read  write   idle")
        for size in sizes:
            depth, width = map(int, size.split("x"))
            for style in SCRATCHPADS:
                folder = Path(root, f"{style}{size}")
                folder.mkdir()
                bench = build(folder, depth=depth, width=width, style=style)
                rng = random.Random(1)
                count = 2 * depth
                filled = fill(bench, rng)
                energies = []
                leakage_uw = 0.0
                for accesses in (
                    reads(bench, count), writes(bench, count, rng), [Access()] * 100
                ):  # fmt: skip
                    begin = depth + 4
                    everything = [*filled, *accesses, *[Access()] * 4]
                    result = run(bench, library, everything, (begin, depth + len(accesses)))
                    assert result.read == expected(bench, everything)
                    energies.append(result.energy_fj() / 1000)
                    leakage_uw = result.powered.leakage_w * 1e6
                print(
                    f"{size:8} {style:6} {bench.area_um2:9.0f} {bench.path_ps:9.0f}"
                    f" {leakage_uw:12.0f}{energies[0]:18.3f} {energies[1]:6.3f} {energies[2]:6.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
