"""Scratchpads of every style against a list of words, in a Verilog simulator."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtl_gen.design import SCRATCHPADS
from rtl_gen.errors import InputError
from rtl_gen.scratchpad import (
    DATA_LATENCY,
    READ_LATENCY,
    Scratchpad,
    helper_modules,
    sram_name,
    sram_size,
)

PORTS = ("write_address", "write_data", "write_enable", "read_address", "read_enable")


@dataclass(frozen=True)
class Cycle:
    """What the inputs are in one cycle; None is unknown."""

    write_address: int | None = None
    write_data: int | None = None
    write_enable: int | None = 0
    read_address: int | None = None
    read_enable: int | None = 0


def write(address: int, data: int) -> Cycle:
    return Cycle(write_address=address, write_data=data, write_enable=1)


def read(address: int) -> Cycle:
    return Cycle(read_address=address, read_enable=1)


def expected(style: str, depth: int, cycles: list[Cycle]) -> list[int | None]:
    """What can be read in each cycle; None is unknown."""
    words: list[int | None] = [None] * depth
    seen: list[int | None] = []
    held: int | None = None
    for cycle in cycles:
        address = cycle.read_address
        at_once = words[address] if address is not None else None
        seen.append(held if style == "sram" else at_once)
        if cycle.read_enable:
            held = at_once
        if cycle.write_enable and cycle.write_address is not None:
            words[cycle.write_address] = cycle.write_data
    return seen


def verilog(depth: int, width: int, style: str, folder: Path) -> str:
    """A scratchpad whose data come, for latches, from a register, and what it is made of."""
    pad = Scratchpad(shape=width, depth=depth, style=style)
    top = Module()
    top.submodules.pad = pad
    ports = [getattr(pad, name) for name in (*PORTS, "read_data")]
    if DATA_LATENCY[style]:
        data = type(pad.write_data).like(pad.write_data, name="early_data", reset_less=True)
        top.d.sync += pad.write_data.eq(data)
        ports[1] = data
    ports = [port for port in ports if len(port)]
    (folder / "pad.il").write_text(rtlil.convert(top, ports=ports, name="top", emit_src=False))
    (folder / "pad.ys").write_text(
        "read_rtlil pad.il\nsetattr -unset init w:*\nproc\nwrite_verilog -noattr pad.v\n"
    )
    subprocess.run(
        [sys.executable, "-m", "rtl_gen.run_yosys", "pad.ys"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    text = (folder / "pad.v").read_text().replace("early_data", "write_data_early")
    return text + helper_modules(text)


def simulate(
    depth: int, width: int, style: str, cycles: list[Cycle], folder: Path
) -> list[int | None]:
    """What stands on ``read_data`` at the end of each cycle. Inputs change with the edge."""
    address_bits = (depth - 1).bit_length()
    widths = dict(zip(PORTS, (address_bits, width, 1, address_bits, 1), strict=True))
    data = "write_data_early" if DATA_LATENCY[style] else "write_data"
    connections = [
        f".{data if name == 'write_data' else name}({name})"
        for name, bits in widths.items()
        if bits
    ]
    lines = ["module tb;", "  reg clk = 0;", f"  wire [{width - 1}:0] read_data;"]
    lines += [f"  reg [{bits - 1}:0] {name};" for name, bits in widths.items() if bits]
    lines += [
        f"  top dut (.clk(clk), .rst(1'b0), .read_data(read_data), {', '.join(connections)});",
        "  initial begin",
    ]
    for cycle in cycles:
        for name, bits in widths.items():
            value = getattr(cycle, name)
            if bits:
                lines.append(f"    {name} <= {bits}'h{'x' if value is None else f'{value:x}'};")
        lines.append('    #5 clk = 0; #4 $display("%h", read_data); #1 clk = 1;')
    (folder / "tb.v").write_text("\n".join([*lines, "  end", "endmodule\n"]))
    text = verilog(depth, width, style, folder)
    (folder / "pad.v").write_text(
        text if "rst" in text else text.replace("module top(", "module top(rst, ", 1)
    )
    subprocess.run(
        ["iverilog", "-g2005", "-s", "tb", "-o", "sim.vvp", "tb.v", "pad.v"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    run = subprocess.run(
        ["vvp", "-n", "sim.vvp"], cwd=folder, check=True, capture_output=True, text=True
    )
    return [None if "x" in line.lower() else int(line, 16) for line in run.stdout.split()]


def test_latency_constants_name_every_style() -> None:
    assert set(DATA_LATENCY) == set(READ_LATENCY) == set(SCRATCHPADS)
