"""Scratchpads of every style against a list of words, in a Verilog simulator."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.design import SCRATCHPADS
from rtl_gen.errors import InputError
from rtl_gen.scratchpad import (
    DATA_LATENCY,
    READ_LATENCY,
    Scratchpad,
    helper_modules,
    sram_module,
    sram_name,
    sram_pins,
    sram_size,
)

INPUTS = ("write_address", "write_data", "write_enable", "read_address", "read_enable")
SIZES = [(1, 1), (5, 4), (16, 9)]


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


class Fed(wiring.Component):
    """A scratchpad of which all inputs come in one cycle: late data wait in a register."""

    def __init__(self, depth: int, width: int, style: str) -> None:
        self.pad = Scratchpad(shape=width, depth=depth, style=style)
        bits = (depth - 1).bit_length()
        widths = dict(zip(INPUTS, (bits, width, 1, bits, 1), strict=True))
        super().__init__(
            {
                **{name: In(size) for name, size in widths.items() if size},
                "read_data": Out(width),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.pad = self.pad
        for name in INPUTS:
            if hasattr(self, name):
                value = getattr(self, name)
                if name == "write_data" and DATA_LATENCY[self.pad.style]:
                    register = Signal.like(value, reset_less=True)
                    m.d.sync += register.eq(value)
                    value = register
                m.d.comb += getattr(self.pad, name).eq(value)
        m.d.comb += self.read_data.eq(self.pad.read_data)
        return m


def verilog(depth: int, width: int, style: str, folder: Path) -> str:
    """Module ``top`` and what it is made of."""
    (folder / "pad.il").write_text(rtlil.convert(Fed(depth, width, style), name="top"))
    (folder / "pad.ys").write_text(
        "read_rtlil pad.il\nsetattr -unset init w:*\nproc\nwrite_verilog -noattr pad.v\n"
    )
    subprocess.run(
        [sys.executable, "-m", "rtl_gen.run_yosys", "pad.ys"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    text = (folder / "pad.v").read_text()
    return text + helper_modules(text)


def simulate(
    depth: int, width: int, style: str, cycles: list[Cycle], folder: Path
) -> list[int | None]:
    """What stands on ``read_data`` at the end of each cycle. Inputs change at the clock edge."""
    text = verilog(depth, width, style, folder)
    bits = (depth - 1).bit_length()
    widths = dict(zip(INPUTS, (bits, width, 1, bits, 1), strict=True))
    widths = {name: size for name, size in widths.items() if size}
    connections = [f".{name}({name})" for name in [*widths, "read_data", "clk"]]
    lines = ["module tb;", "  reg clk;", f"  wire [{width - 1}:0] read_data;"]
    lines += [f"  reg [{size - 1}:0] {name};" for name, size in widths.items()]
    lines += [f"  top dut ({', '.join(connections)});", "  initial begin"]
    for cycle in cycles:
        for name, size in widths.items():
            value = getattr(cycle, name)
            lines.append(f"    {name} <= {size}'h{'x' if value is None else f'{value:x}'};")
        lines.append('    #5 clk = 0; #4 $display("%h", read_data); #1 clk = 1;')
    (folder / "tb.v").write_text("\n".join([*lines, "  end", "endmodule\n"]))
    (folder / "pad.v").write_text(text)
    subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-s", "tb", "-o", "sim.vvp", "tb.v", "pad.v"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    run = subprocess.run(
        ["vvp", "-n", "sim.vvp"], cwd=folder, check=True, capture_output=True, text=True
    )
    return [None if "x" in line.lower() else int(line, 16) for line in run.stdout.split()]


def expected(style: str, depth: int, cycles: list[Cycle]) -> list[int | None]:
    """What can be read in each cycle; None is unknown."""
    words: list[int | None] = [None] * depth
    seen: list[int | None] = []
    held: int | None = None
    for cycle in cycles:
        address = 0 if depth == 1 else cycle.read_address
        at_once = None if address is None else words[address]
        seen.append(held if READ_LATENCY[style] else at_once)
        if cycle.read_enable:
            held = at_once
        if cycle.write_enable and cycle.write_address is not None:
            words[cycle.write_address] = cycle.write_data
    return seen


@pytest.mark.tool
@pytest.mark.parametrize("style", SCRATCHPADS)
@pytest.mark.parametrize(("depth", "width"), SIZES)
def test_every_style_gives_the_last_word_written_or_unknown(
    depth: int, width: int, style: str, tmp_path: Path
) -> None:
    rng = random.Random(depth)
    cycles = []
    for _ in range(40 * depth):
        address, data = rng.randrange(depth), rng.getrandbits(width)
        cycle = rng.choice([write(address, data), read(rng.randrange(depth)), Cycle(), None])
        if cycle is None:  # a write and a look at a word, perhaps the same, in one cycle
            look = rng.randrange(depth) if style != "sram" else None
            cycle = Cycle(address, data, 1, look, 0)
        cycles.append(cycle)
    want = expected(style, depth, cycles)
    have = simulate(depth, width, style, cycles, tmp_path)
    looked = [style == "sram" or depth == 1 or c.read_address is not None for c in cycles]
    assert [h for h, ok in zip(have, looked, strict=True) if ok] == [
        w for w, ok in zip(want, looked, strict=True) if ok
    ]
    assert len({w for w in want if w is not None}) > 1


@pytest.mark.tool
def test_unknown_inputs_of_a_macro_make_unknown_what_they_could_have_changed(
    tmp_path: Path,
) -> None:
    filled = [write(address, address + 8) for address in range(4)]
    looks = [read(address) for address in range(4)] + [Cycle()]

    def after(unknown: Cycle) -> list[int | None]:
        return simulate(4, 4, "sram", [*filled, unknown, *looks], tmp_path)[-4:]

    known = [8, 9, 10, 11]
    assert after(Cycle(read_enable=None)) == known  # only what a read has changed is unknown
    assert after(Cycle(write_enable=1)) == [None] * 4  # any word may have been written
    assert after(Cycle(write_address=1, write_data=3, write_enable=None)) == [None] * 4
    assert after(Cycle(write_address=1, write_enable=1)) == [8, None, 10, 11]
    assert after(Cycle()) == known


@pytest.mark.tool
def test_an_unknown_enable_of_a_macro_makes_its_output_unknown(tmp_path: Path) -> None:
    cycles = [write(0, 5), read(0), Cycle(), Cycle(read_enable=None, read_address=0), Cycle()]
    assert simulate(4, 4, "sram", cycles, tmp_path) == [None, None, 5, 5, None]


def test_the_helper_modules_are_those_that_are_named_each_once() -> None:
    assert helper_modules("module top; endmodule") == ""
    text = helper_modules("peforge_latch a (); peforge_latch b (); peforge_sram_24x44 c ();")
    names = [line.split()[1] for line in text.splitlines() if line.startswith("module")]
    assert names == ["peforge_latch", "peforge_sram_24x44"]
    assert "peforge_clock_gate" in helper_modules("cell \\peforge_clock_gate \\gate0")
    assert helper_modules("peforge_sram_24x44s my_peforge_latch") == ""


def test_nothing_in_a_scratchpad_has_an_initial_value() -> None:
    every = helper_modules("peforge_clock_gate peforge_latch peforge_sram_8x8")
    assert "initial" not in every
    assert every.count("endmodule") == 3


def test_a_macro_has_one_bit_pins_and_its_size_in_its_name() -> None:
    assert sram_name(5, 2) == "peforge_sram_5x2"
    assert sram_size("peforge_sram_5x2") == (5, 2)
    assert sram_size("peforge_sram_5x2_extra") is None
    assert sram_size("DFF_X1") is None
    assert sram_pins(5, 2) == {
        "control": ["clk", "ce", "we"],
        "address": ["a0", "a1", "a2"],
        "data": ["d0", "d1"],
        "output": ["q0", "q1"],
    }
    assert sram_pins(1, 1)["address"] == []
    head = sram_module(5, 2).splitlines()[3]
    assert head == "module peforge_sram_5x2 (clk, ce, we, a0, a1, a2, d0, d1, q0, q1);"


def test_latencies_are_given_for_every_style() -> None:
    assert DATA_LATENCY == {"flop": 0, "latch": 1, "sram": 0}
    assert READ_LATENCY == {"flop": 0, "latch": 0, "sram": 1}
    assert tuple(DATA_LATENCY) == SCRATCHPADS


def test_an_unknown_style_is_named() -> None:
    with pytest.raises(InputError) as error:
        Scratchpad(shape=4, depth=4, style="dram")
    assert str(error.value) == "style must be one of flop, latch, sram, not 'dram'"
