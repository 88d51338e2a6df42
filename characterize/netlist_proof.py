"""Proof that a gate netlist, flip-flops and all, does what its RTL does: for ever, for all inputs.

Both stand side by side with the same inputs. The netlist is read with the Liberty functions of its
cells, its clock gates as enables of what is behind them, and its latches by the cycle, as in
``characterize.stream_proofs``. ABC finds the registers and gates of both sides that are always
equal, by induction over cycles, until the outputs are among them; logic without registers it
compares as it stands.

Products are first taken apart by the synthesizer's own pass on the side of the RTL, too: that this
pass is right is for vectors against the golden model (``characterize.datapath_check``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from characterize.liberty import LibraryCell, verilog
from characterize.netlist import CLOCK, Netlist
from characterize.platform import Platform
from characterize.process import StepError
from characterize.prover import Verdict, check_always, check_miter, run_yosys
from characterize.state_models import latch_models, sram_model
from rtl_gen.scratchpad import sram_size

# Registers begin as 0 on both sides: what they hold before anything was written is not compared.
_SCRIPT = """\
read_rtlil rtl.il
delete t:$meminit t:$meminit_v2
setattr -unset init w:*
read_verilog -sv -formal gates.v
read_verilog -sv -formal pair.v
hierarchy -check -top pair
proc
flatten
check -assert
opt_clean
opt -full
wreduce
booth
alumacc
techmap
opt -fast
dffunmap
setundef -init -zero
aigmap
opt_clean
write_aiger pair.aig
"""

Ports = Sequence[Mapping[str, Any]]


def prove_netlist(
    folder: Path, netlist: Netlist, platform: Platform, ports: Ports, *, timeout_s: float
) -> Verdict:
    """Prove a netlist equal to the RTL that it was made of, ``rtl.il`` in ``folder``.

    Args:
        platform: with the macros, if the netlist has any.
        ports: name, direction and width of each, as ``rtl_gen.interface.ports`` gives them. Where
            ``rst`` is one of them, outputs are compared from the first reset on.

    Raises:
        StepError: if a prover fails, or a cell is neither logic nor one of the states above.
    """
    sizes = [size for kind in sorted(set(netlist.kinds)) if (size := sram_size(kind))]
    gates = [
        *_gates(netlist, platform, ports),
        latch_models("peforge"),
        *(sram_model(*size) for size in sizes),
    ]
    (folder / "gates.v").write_text("\n".join(gates), encoding="utf-8")
    (folder / "pair.v").write_text(_pair(netlist.top, ports), encoding="utf-8")
    run_yosys(folder, "pair", _SCRIPT)
    states = any(not _is_logic(platform.cells()[kind]) for kind in netlist.kinds)
    check = check_always if states else check_miter
    return check(folder, folder / "pair.aig", timeout_s=timeout_s)


def _is_logic(cell: LibraryCell) -> bool:
    return not (cell.is_flop or cell.is_latch or cell.clock_gate or sram_size(cell.name))


def _pair(top: str, ports: Ports) -> str:
    """Both sides with the same inputs, and a bit for each output bit that differs."""
    inputs = [port for port in ports if port["direction"] == "input" and port["name"] != CLOCK]
    outputs = [port for port in ports if port["direction"] == "output"]
    names = {port["name"] for port in ports}
    bits = sum(port["width"] for port in outputs)
    declared = "".join(f"  input {_range(port)} {port['name']},\n" for port in inputs)
    lines = [f"module pair (\n{declared}  input clk, output [{bits - 1}:0] bad);"]
    # The first cycle is a reset.
    lines += ["  reg started = 0;", "  always @(posedge clk) started <= 1;"]
    for side, module in (("rtl", f"\\{top} "), ("gates", "gates")):
        lines += [f"  wire {_range(port)} {side}_{port['name']};" for port in outputs]
        pins = [f".{CLOCK}(clk)"] if CLOCK in names else []
        for port in inputs:
            value = "rst | ~started" if port["name"] == "rst" else port["name"]
            pins.append(f".{port['name']}({value})")
        pins += [f".{port['name']}({side}_{port['name']})" for port in outputs]
        lines.append(f"  {module} {side} ({', '.join(pins)});")
    have, want = (
        "{" + ", ".join(f"{side}_{port['name']}" for port in outputs) + "}"
        for side in ("gates", "rtl")
    )
    compared = "started" if "rst" in names else "1'b1"
    return "\n".join([*lines, f"  assign bad = {compared} ? {have} ^ {want} : 0;", "endmodule\n"])


def _range(port: Mapping[str, Any]) -> str:
    return f"[{port['width'] - 1}:0]"


def _gates(netlist: Netlist, platform: Platform, ports: Ports) -> Iterator[str]:
    """The netlist as module ``gates``, in which everything has the one clock."""
    directions = ", ".join(f"{port['direction']} {_range(port)} {port['name']}" for port in ports)
    yield f"module gates ({directions});"
    yield "  wire " + ", ".join(f"w{index}" for index in range(len(netlist.nets))) + ";"
    pins: list[dict[str, str]] = [{} for _ in netlist.instances]
    for index, net in enumerate(netlist.nets):
        for end in (net.driver, *net.sinks):
            if end.cell >= 0:
                pins[end.cell][end.name] = f"w{index}"
        if net.driver.cell < 0:
            yield f"  assign w{index} = {net.driver.name};"
        yield from (f"  assign {sink.name} = w{index};" for sink in net.sinks if sink.cell < 0)
    library = platform.cells()
    kinds = [library[kind] for kind in netlist.kinds]
    # What stands for a gated clock: its enable, and what that was at the edge before.
    enables: dict[str, tuple[str, str]] = {}
    parts = platform.roles["clock_gate"].get("parts", {})
    # Of a clock gate of several cells the latch holds the enable, as one in a single cell does.
    held = {
        wires[parts["latch"]["output"]]: cell
        for cell, (kind, wires) in enumerate(zip(kinds, pins, strict=True))
        if parts and kind.name == parts["latch"]["cell"]
    }
    inside = {cell for cell, kind in enumerate(kinds) if kind.dont_use and kind.is_logic and parts}
    for cell, (kind, wires) in enumerate(zip(kinds, pins, strict=True)):
        if kind.clock_gate:
            (output,) = kind.outputs
            enable = wires[kind.clock_gate_pins[1]]
            if parts:
                inside.add(held[enable])
                enable = pins[held[enable]][parts["latch"]["data"]]
            enables[wires[output]] = (enable, f"e{cell}")
            yield f"  reg e{cell};\n  always @(posedge clk) e{cell} <= {enable};"
    for cell, (kind, wires) in enumerate(zip(kinds, pins, strict=True)):
        if not kind.clock_gate and cell not in inside:
            yield from _cell(cell, kind, wires, enables)
    yield "endmodule"


def _cell(
    cell: int, kind: LibraryCell, wires: Mapping[str, str], enables: Mapping[str, tuple[str, str]]
) -> Iterator[str]:
    """Verilog of one cell that is no clock gate."""
    if sram_size(kind.name):
        connections = ", ".join(f".{pin}({wire})" for pin, wire in wires.items() if pin != CLOCK)
        yield f"  {kind.name} u{cell} (.clk(clk), {connections});"
        return
    values = dict(wires)
    if kind.is_flop:
        enable, _ = enables.get(wires[kind.clocked_on], ("", ""))
        condition = f"if ({enable}) " if enable else ""
        yield f"  reg q{cell};"
        yield f"  always @(posedge clk) {condition}q{cell} <= {_verilog(kind.next_state, wires)};"
    elif kind.is_latch and kind.open_while in wires and wires[kind.open_while] in enables:
        _, opened = enables[wires[kind.open_while]]
        yield f"  reg h{cell};"
        yield f"  wire q{cell} = {opened} ? {_verilog(kind.data, wires)} : h{cell};"
        yield f"  always @(posedge clk) h{cell} <= q{cell};"
    elif kind.has_other_state or not all(kind.outputs.values()):
        raise StepError(f"no proof knows cell {kind.name}")
    if kind.state:
        values |= dict(zip(kind.state, (f"q{cell}", f"~q{cell}"), strict=True))
    for pin, function in kind.outputs.items():
        if pin in wires:
            yield f"  assign {wires[pin]} = {_verilog(function, values)};"


def _verilog(function: str, values: Mapping[str, str]) -> str:
    """A Liberty function in Verilog, of these values of its names."""
    text = verilog(function)
    return re.sub(r"\w+", lambda name: values.get(name[0]) or f"1'b{name[0]}", text)
