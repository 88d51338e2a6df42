"""Scratchpad memories of the PE: flip-flops, latches behind clock gates, or an SRAM macro."""

from __future__ import annotations

import re

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.design import SCRATCHPADS
from rtl_gen.errors import require_choice

#: Cycles by which ``write_data`` comes after ``write_address`` and ``write_enable``.
DATA_LATENCY = {"flop": 0, "latch": 1, "sram": 0}
#: Cycles from ``read_address`` to ``read_data``.
READ_LATENCY = {"flop": 0, "latch": 0, "sram": 1}
#: Words of latches in one helper module: they share a branch of the tree that brings the data.
LATCH_WORDS = 8

_HELPER = re.compile(r"\bpeforge_(?:clock_gate|latch|sram_\d+x\d+)\b")
_SRAM = re.compile(r"peforge_sram_(\d+)x(\d+)")

# A latch takes its value with `<=`, as flip-flops do: what is clocked by the edge that opens it
# still sees the old word.
_CLOCK_GATE = """
// Passes the pulses of clk that begin while enable is 1, whole.
module peforge_clock_gate (input wire clk, input wire enable, output wire gated_clk);
  reg enabled;
  /* verilator lint_off LATCH */
  always @* if (!clk) enabled = enable;
  /* verilator lint_on LATCH */
`ifdef VERILATOR
  // Its scheduler lets a gated clock overtake registers: half a step later it does not.
  reg late;
  always @(posedge clk or negedge clk) late <= clk & enabled;
  assign gated_clk = late;
`else
  assign gated_clk = clk & enabled;
`endif
endmodule
"""
_LATCH = """
// Words of latches: each follows d while its gate is 1.
module peforge_latch #(parameter WIDTH = 1, parameter WORDS = 1) (
  input wire [WORDS-1:0] gate,
  input wire [WIDTH-1:0] d,
  output reg [WORDS*WIDTH-1:0] q
);
  genvar word;
  generate
    for (word = 0; word < WORDS; word = word + 1) begin : words
      /* verilator lint_off LATCH */
      /* verilator lint_off COMBDLY */
      always @* if (gate[word]) q[word*WIDTH +: WIDTH] <= d;
      /* verilator lint_on COMBDLY */
      /* verilator lint_on LATCH */
    end
  endgenerate
endmodule
"""
_SRAM_MODULE = """
// {depth} words of {width} bits, one port: a clock edge with ce writes d if we, else reads into q.
// An unknown input makes unknown all that it could have changed.
module {name}{parameters} ({ports});
{declarations}
  reg [{high}:0] words [0:{last}];
  reg [{high}:0] q;
  wire [{high}:0] d = {{{d}}};
  wire [{address_high}:0] a = {{{a}}};
  wire reads = ce & ~we;
  wire writes = ce & we;
  integer i;
{start}  assign {{{q}}} = q;
  always @(posedge clk) begin
    if (reads !== 1'b0) q <= {delay}reads === 1'b1 ? words[a] : {{{width}{{1'bx}}}};
    if (writes === 1'b1 && (^a) !== 1'bx) words[a] <= d;
    else if (writes !== 1'b0) for (i = 0; i < {depth}; i = i + 1) words[i] <= {{{width}{{1'bx}}}};
  end
endmodule
"""


class Scratchpad(wiring.Component):
    """A memory with one write port and one read port. Words that were never written are unknown.

    - ``flop``: a write takes effect at the edge; reading is combinational. The read multiplexers
      form a tree whose root takes the lowest address bit and whose leaves the highest: when words
      are read in sequence, as the PE does, few of its nodes change.
    - ``latch``: standard-cell memory (Teman et al., TODAES 21(4), 2016). Every word is latches
      behind one clock gate. Address and enable are sampled at an edge; the latches are open in the
      first half of the cycle after it, in which ``write_data`` must come straight from a register
      that was loaded at that edge. The word can be read from that cycle on, through the open
      latches, by the same multiplexers.
    - ``sram``: one synchronous macro with one port: no write and read in one cycle (the write
      would win). The edge with ``read_enable`` reads; ``read_data`` holds until the next read.

    Arguments:
        shape: shape of a word.
        depth: words; what an address at or above it reads is not defined, and it writes nothing.
        style: one of ``SCRATCHPADS``; ``DATA_LATENCY`` and ``READ_LATENCY`` are its cycles.

    Members:
        write_address, write_data, write_enable: In
        read_address, read_enable: In; only ``sram`` looks at ``read_enable``
        read_data: Out

    Raises:
        InputError: if there is no such style.
    """

    def __init__(self, *, shape: ShapeLike, depth: int, style: str = "flop") -> None:
        self.shape = Shape.cast(shape)
        self.depth = depth
        self.style = require_choice("style", style, SCRATCHPADS)
        address_bits = (depth - 1).bit_length()
        super().__init__(
            {
                "write_address": In(address_bits),
                "write_data": In(shape),
                "write_enable": In(1),
                "read_address": In(address_bits),
                "read_enable": In(1),
                "read_data": Out(shape),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.style == "sram":
            self._macro(m)
        else:
            words = self._flops(m) if self.style == "flop" else self._latches(m)
            m.d.comb += self.read_data.eq(self._select(words, 0))
        return m

    def _flops(self, m: Module) -> list[Signal]:
        words = self._words()
        for index, word in enumerate(words):
            with m.If(self.write_enable & (self.write_address == index)):
                m.d.sync += word.eq(self.write_data)
        return words

    def _latches(self, m: Module) -> list[Signal]:
        gated_clk = Signal(self.depth)
        for index in range(self.depth):
            m.submodules[f"gate{index}"] = Instance(
                "peforge_clock_gate",
                i_clk=ClockSignal(),
                i_enable=self.write_enable & (self.write_address == index),
                o_gated_clk=gated_clk[index],
            )
        words = self._words()
        for first in range(0, self.depth, LATCH_WORDS):
            group = words[first : first + LATCH_WORDS]
            m.submodules[f"latch{first}"] = Instance(
                "peforge_latch",
                p_WIDTH=self.shape.width,
                p_WORDS=len(group),
                i_gate=gated_clk[first : first + len(group)],
                i_d=self.write_data,
                o_q=Cat(group),
            )
        return words

    def _words(self) -> list[Signal]:
        return [
            Signal(self.shape, name=f"word{index}", reset_less=True) for index in range(self.depth)
        ]

    def _macro(self, m: Module) -> None:
        address = Signal.like(self.read_address)
        word = Signal(self.shape.width)
        data = Value.cast(self.write_data)
        m.d.comb += [
            address.eq(Mux(self.write_enable, self.write_address, self.read_address)),
            self.read_data.eq(word),
        ]
        # One-bit ports: no later tool has to take a bus apart.
        m.submodules.macro = Instance(
            sram_name(self.depth, self.shape.width),
            i_clk=ClockSignal(),
            i_ce=self.write_enable | self.read_enable,
            i_we=self.write_enable,
            **{f"i_a{bit}": address[bit] for bit in range(len(address))},
            **{f"i_d{bit}": data[bit] for bit in range(len(word))},
            **{f"o_q{bit}": word[bit] for bit in range(len(word))},
        )

    def _select(self, words: list[Signal], bit: int) -> Value:
        """The addressed one of the words whose addresses agree below ``bit``."""
        if len(words) == 1:
            return words[0]
        odd = self._select(words[1::2], bit + 1)
        even = self._select(words[0::2], bit + 1)
        return Mux(self.read_address[bit], odd, even)


def helper_modules(text: str) -> str:
    """Verilog-2005 of the clock gate, the latch and the macros that RTLIL or Verilog text names.

    Behaviour, without delays and without races; "" if the text names none.
    """
    modules = {"peforge_clock_gate": _CLOCK_GATE, "peforge_latch": _LATCH}
    parts = []
    for name in sorted(set(_HELPER.findall(text))):
        size = sram_size(name)
        parts.append(sram_module(*size) if size else modules[name])
    return "".join(parts)


def sram_name(depth: int, width: int) -> str:
    """Name of the macro with this many words and bits."""
    return f"peforge_sram_{depth}x{width}"


def sram_size(name: str) -> tuple[int, int] | None:
    """Words and bits of the macro of this name; None if it is no macro's."""
    found = _SRAM.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def sram_pins(depth: int, width: int) -> dict[str, list[str]]:
    """Pins of a macro by kind: ``control`` (the clock first), ``address``, ``data``, ``output``."""
    return {
        "control": ["clk", "ce", "we"],
        "address": [f"a{bit}" for bit in range((depth - 1).bit_length())],
        "data": [f"d{bit}" for bit in range(width)],
        "output": [f"q{bit}" for bit in range(width)],
    }


def sram_module(
    depth: int, width: int, *, parameters: str = "", delay: str = "", start: str = ""
) -> str:
    """Behaviour of the macro with this many words and bits in Verilog-2005.

    Args:
        parameters: the module's, as Verilog writes them.
        delay: from the clock edge to ``q``, as Verilog writes it behind ``<=``.
        start: more lines, of what ``words`` and ``q`` begin with; else they are unknown.
    """
    pins = sram_pins(depth, width)
    *inputs, outputs = pins.values()
    return _SRAM_MODULE.format(
        name=sram_name(depth, width),
        depth=depth,
        width=width,
        last=depth - 1,
        high=width - 1,
        address_high=max(0, len(pins["address"]) - 1),
        parameters=parameters,
        delay=delay,
        start=f"{start}\n" if start else "",
        ports=", ".join(pin for kind in pins.values() for pin in kind),
        declarations="\n".join(
            [f"  input {', '.join(kind)};" for kind in inputs if kind]
            + [f"  output {', '.join(outputs)};"]
        ),
        a=", ".join(reversed(pins["address"])) or "1'b0",
        d=", ".join(reversed(pins["data"])),
        q=", ".join(reversed(outputs)),
    )
