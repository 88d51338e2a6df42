"""Latches and SRAM macros as the proofs know them: by whole cycles of one clock."""

from __future__ import annotations

from rtl_gen.scratchpad import sram_name, sram_pins

# A gate is open in the cycle after the edge that saw its enable; `proofs/latch.v` holds both
# models against the real ones.
_LATCHES = """
module {prefix}_clock_gate (input clk, input enable, output reg gated_clk);
  always @(posedge clk) gated_clk <= enable;
endmodule
module {prefix}_latch #(parameter WIDTH = 1, parameter WORDS = 1) (
  {clk}input [WORDS-1:0] gate, input [WIDTH-1:0] d, output reg [WORDS*WIDTH-1:0] q);
  reg [WORDS*WIDTH-1:0] held;
  integer i;
  always @* begin
    q = held;
    for (i = 0; i < WORDS; i = i + 1) if (gate[i]) q[i*WIDTH +: WIDTH] = d;
  end
  always @({edge}) held <= q;
endmodule
"""
_SRAM = """
module {name} ({inputs}, {outputs});
  input {inputs};
  output {outputs};
  reg [{bits}-1:0] words;
  reg [{width}-1:0] q;
  wire [{address_bits}-1:0] a = {{{a}}};
  assign {{{q}}} = q;
  always @(posedge clk) begin
    if (ce & ~we) q <= words >> a * {width};
    if (ce & we) words[a * {width} +: {width}] <= {{{d}}};
  end
endmodule
"""


def latch_models(prefix: str, *, edge: str = "$global_clock") -> str:
    """``<prefix>_clock_gate`` and ``<prefix>_latch`` in Verilog, for Yosys.

    Args:
        edge: at which a latch keeps what it has; with another than the step of the proof itself,
            the latch has a port ``clk``.
    """
    clk = "" if edge == "$global_clock" else "input clk, "
    return _LATCHES.format(prefix=prefix, edge=edge, clk=clk)


def sram_model(depth: int, width: int) -> str:
    """The macro of this many words and bits in Verilog, for Yosys."""
    pins = sram_pins(depth, width)
    return _SRAM.format(
        name=sram_name(depth, width),
        inputs=", ".join(pin for kind in ("control", "address", "data") for pin in pins[kind]),
        outputs=", ".join(pins["output"]),
        bits=depth * width,
        width=width,
        address_bits=len(pins["address"]),
        a=", ".join(reversed(pins["address"])),
        d=", ".join(reversed(pins["data"])),
        q=", ".join(reversed(pins["output"])),
    )
