"""RTL to a gate netlist: Yosys with clock gating, mapping, buffering and sizing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from characterize.liberty import LibraryCell
from characterize.netlist import Netlist, read_netlist
from characterize.platform import Platform
from characterize.process import run_tool

#: Enable nets with fewer flip-flops than this are not worth a clock gate.
MIN_GATED_FLOPS = 4
#: The same for registers with a reset: small ones are counters, which are clocked most of the time.
MIN_GATED_RESET_FLOPS = 8

# `&nf` maps for area under delay; the rest buffers to the fan-out limit, then sizes each gate
# for its load (without it address nets have a fan-out of thousands).
_ABC_SCRIPT = """\
strash
&get -n
&fraig -x
&put
scorr
dc2
dch -f
strash
&get -n
&nf
&put
buffer -c -p -N {max_fanout}
topo
upsize -c
dnsize -c
"""

# Synchronous resets become gates of the library before ABC sees the logic. ABC would mix them into
# it, in forms such as `rst | (q ^ ...)` that reset a register whose state is known but, simulated
# from X, leave it X.
_RESET_MAP = """\
module \\$_SDFF_PP0_ (input D, C, R, output Q);
  wire keep, data;
  \\$_NOT_ invert (.A(R), .Y(keep));
  {and2[cell]} reset (.{and2[inputs][0]}(D), .{and2[inputs][1]}(keep), .{and2[output]}(data));
  \\$_DFF_P_ flop (.D(data), .C(C), .Q(Q));
endmodule
module \\$_SDFF_PP1_ (input D, C, R, output Q);
  wire data;
  {or2[cell]} set (.{or2[inputs][0]}(D), .{or2[inputs][1]}(R), .{or2[output]}(data));
  \\$_DFF_P_ flop (.D(data), .C(C), .Q(Q));
endmodule
"""

# The helper modules of the scratchpads, in cells of the library. The data reach the latches of all
# words straight from a register: without a gate on the way, ABC would not see these nets, and leave
# each to one flip-flop. `peforge_branch` is such a gate; ABC makes a buffer of it.
_HELPERS = """\
(* blackbox *)
module {clock_gate[cell]} (input {clock_gate[clock]}, {clock_gate[enable]},
  output {clock_gate[gated_clock]});
endmodule
(* blackbox *)
module {latch[cell]} (input {latch[gate]}, {latch[data]}, output {latch[output]});
endmodule
(* blackbox *)
module peforge_branch (input d, output q);
endmodule
module peforge_clock_gate (input clk, enable, output gated_clk);
  {clock_gate[cell]} gate (.{clock_gate[clock]}(clk), .{clock_gate[enable]}(enable),
    .{clock_gate[gated_clock]}(gated_clk));
endmodule
module peforge_latch (gate, d, q);
  parameter WIDTH = 1;
  parameter WORDS = 1;
  input [WORDS-1:0] gate;
  input [WIDTH-1:0] d;
  output [WORDS*WIDTH-1:0] q;
  wire [WIDTH-1:0] data;
  peforge_branch branch [WIDTH-1:0] (.d(d), .q(data));
  genvar n;
  generate for (n = 0; n < WORDS; n = n + 1) begin : word
    {latch[cell]} bits [WIDTH-1:0] (.{latch[gate]}(gate[n]), .{latch[data]}(data),
      .{latch[output]}(q[n*WIDTH +: WIDTH]));
  end endgenerate
endmodule
"""
_BRANCH_MAP = """\
module peforge_branch (input d, output q);
  \\$_BUF_ gate (.A(d), .Y(q));
endmodule
"""

# `clockgate` passes over registers with a reset and an enable, and spoils those whose reset acts
# only while enabled ($_SDFFCE_*). So the latter are made the former, and these get the reset as one
# more cause to be clocked; it stays a gate of the library before ABC.
_GATEABLE = (
    "$_DFF_P_", "$_DFFE_PP_", "$_SDFF_PP0_", "$_SDFF_PP1_", "$_SDFFE_PP0P_", "$_SDFFE_PP1P_",
)  # fmt: skip
_GATED_RESET_MAP = """\
module \\$_SDFFE_PP0P_ (input D, C, R, E, output Q);
  wire keep, data, clocked;
  \\$_OR_ either (.A(R), .B(E), .Y(clocked));
  \\$_NOT_ invert (.A(R), .Y(keep));
  {and2[cell]} reset (.{and2[inputs][0]}(D), .{and2[inputs][1]}(keep), .{and2[output]}(data));
  \\$_DFFE_PP_ flop (.D(data), .C(C), .E(clocked), .Q(Q));
endmodule
module \\$_SDFFE_PP1P_ (input D, C, R, E, output Q);
  wire data, clocked;
  \\$_OR_ either (.A(R), .B(E), .Y(clocked));
  {or2[cell]} set (.{or2[inputs][0]}(D), .{or2[inputs][1]}(R), .{or2[output]}(data));
  \\$_DFFE_PP_ flop (.D(data), .C(C), .E(clocked), .Q(Q));
endmodule
"""

# `booth`: the smaller of the synthesizer's two multipliers (28-40 % less area).
# `simplemap`: `opt_share`, a part of `opt -full`, makes word-wide multiplexers of gates.
# Renaming every private and internal name makes names plain identifiers for all later tools.
_YOSYS_SCRIPT = """\
read_rtlil rtl.il
read_verilog helpers.v
delete t:$meminit t:$meminit_v2
setattr -unset init w:*
hierarchy -check -top {top}
synth -noabc -booth -flatten -run begin:fine
synth -noabc -booth -run fine:check
opt -full
simplemap
dfflegalize {gateable}
dfflegalize -mince {min_gated_reset_flops} {gateable} t:$_SDFFE_*
techmap -map gated_reset.v
opt_merge
opt_clean
clockgate -liberty cells.lib -min_net_size {min_gated_flops}
dfflegalize -cell $_DFF_P_ x -cell $_SDFF_PP0_ x -cell $_SDFF_PP1_ x
techmap -map reset.v
dfflibmap -liberty cells.lib
techmap -map branch.v
abc -liberty cells.lib -constr abc.constr -script abc.script -D {period_ps}
setundef -zero
hilomap -singleton -hicell {high} -locell {low}
splitnets
opt_clean -purge
rename -hide
rename -enumerate -pattern n%
delete =A:blackbox
stat -liberty cells.lib
write_verilog -noattr -noexpr -nohex -nodec netlist.v
write_json netlist.json
"""


def scripts(platform: Platform, top: str, period_ps: int) -> dict[str, str]:
    """The files that Yosys and ABC read beside ``rtl.il`` and ``cells.lib``, by name."""
    roles = platform.roles
    blocks = platform.blocks
    macros = blocks.cells.values() if blocks else ()
    return {
        "synth.ys": _YOSYS_SCRIPT.format(
            top=top,
            min_gated_flops=MIN_GATED_FLOPS,
            min_gated_reset_flops=MIN_GATED_RESET_FLOPS,
            gateable=" ".join(f"-cell {cell} x" for cell in _GATEABLE),
            period_ps=period_ps,
            high=f"{roles['tie_high']['cell']} {roles['tie_high']['pin']}",
            low=f"{roles['tie_low']['cell']} {roles['tie_low']['pin']}",
        ),
        "helpers.v": _HELPERS.format(**roles) + "".join(map(_blackbox, macros)),
        "branch.v": _BRANCH_MAP,
        "gated_reset.v": _GATED_RESET_MAP.format(and2=roles["and2"], or2=roles["or2"]),
        "reset.v": _RESET_MAP.format(and2=roles["and2"], or2=roles["or2"]),
        "abc.script": _ABC_SCRIPT.format(max_fanout=platform.max_fanout),
        "abc.constr": (
            f"set_driving_cell {roles['driver']['cell']}\nset_load {platform.load_ff}\n"
        ),
        **(blocks.files if blocks else {}),
    }


def _blackbox(cell: LibraryCell) -> str:
    inputs, outputs = (", ".join(pins) for pins in (cell.inputs, cell.outputs))
    return f"(* blackbox *)\nmodule {cell.name} (input {inputs}, output {outputs});\nendmodule\n"


def synthesize(folder: Path, platform: Platform, timeout_s: float) -> Netlist:
    """Run the scripts in ``folder``; leaves ``netlist.v``, ``netlist.json`` and ``synth.log``.

    Raises:
        StepError: if Yosys fails or the netlist holds a cell that is not of the library.
    """
    run_tool(
        [sys.executable, "-m", "rtl_gen.run_yosys", "synth.ys"],
        folder=folder,
        log="synth.log",
        timeout_s=timeout_s,
    )
    # Structural Verilog readers such as OpenSTA's take no `signed`, which means nothing here.
    verilog = folder / "netlist.v"
    text = verilog.read_text(encoding="utf-8")
    verilog.write_text(re.sub(r"^  (input|output|wire) signed ", r"  \1 ", text, flags=re.M))
    return read_netlist(folder / "netlist.json", platform)
