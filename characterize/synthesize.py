"""RTL to a gate netlist: Yosys with clock gating, mapping, buffering and sizing."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from characterize.liberty import LibraryCell
from characterize.netlist import Netlist, read_netlist
from characterize.platform import FLOP_PS, Platform
from characterize.process import StepError, run_tool

#: Enable nets with fewer flip-flops than this are not worth a clock gate.
MIN_GATED_FLOPS = 4
#: The same for registers with a reset: small ones are counters, which are clocked most of the time.
MIN_GATED_RESET_FLOPS = 8

#: Share of the rest that logic gets before its wires are known; the rest is theirs, and the skew's.
_LOGIC_SHARE = 0.85

#: Ways through ABC, the one for the smallest netlist first. `if -g` balances for depth over cuts of
#: six inputs; what follows it wins area back, leaves it, or goes on for depth. `map -D` maps for
#: the smallest area that is quick enough, or for delay where nothing is. INT8 with Booth's
#: multiplier comes to 5,500-5,740 um2 and 910-1,400 ps, 5,610-6,180 and 710-1,270, 6,120-6,240 and
#: 660-780, each over periods of 0.8-2 ns.
EFFORTS = {
    "small": "if -g -K 6 -C 8\nstrash\ndc2\ndch -f\nmap -D {budget_ps}",
    "quick": "if -g -K 6 -C 8\nstrash\ndch -f\nmap -D {budget_ps}",
    "quickest": "if -g -K 6 -C 8\nstrash\nif -g -K 6 -C 8\nstrash\ndch -f\n"
    "map -B 0.9 -D {budget_ps}",
}

# Mapped, nets are buffered to the fan-out limit (without it address nets have a fan-out of
# thousands), and gates sized up for speed, then down where that costs none. `stime` prints what
# came of it.
_ABC_SCRIPT = """\
strash
&get -n
&fraig -x
&put
scorr
dc2
{mapping}
topo
buffer -c -p -N {max_fanout}
topo
upsize -c -D {budget_ps}
dnsize -c -D {budget_ps}
stime
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
{gate_cells}(* blackbox *)
module {latch[cell]} (input {latch[gate]}, {latch[data]}, output {latch[output]});
endmodule
(* blackbox *)
module peforge_branch (input d, output q);
endmodule
module peforge_clock_gate (input clk, enable, output gated_clk);
{gate}endmodule
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
_GATE_BLACKBOX = """\
(* blackbox *)
module {cell} (input {clock}, {enable},
  output {gated_clock});
endmodule
"""
_GATE = """\
  {cell} gate (.{clock}(clk), .{enable}(enable),
    .{gated_clock}(gated_clk));
"""
# A clock gate of several cells: a latch that is open while the clock is low, and an AND.
_PART_BLACKBOX = """\
(* blackbox *)
module {name} (input {inputs}, output {output});
endmodule
"""
_GATE_OF_PARTS = """\
  wire held;
  {latch[cell]} hold (.{latch[gate]}({closed}), .{latch[data]}(enable), .{latch[output]}(held));
  {and2[cell]} gate (.{and2[clock]}(clk), .{and2[enable]}(held), .{and2[output]}(gated_clk));
"""
_GATE_INVERTER = """\
  wire low;
  {cell} invert (.{input}(clk), .{output}(low));
"""
# What `clockgate` inserts where it cannot take the cell from the library itself.
_CLOCK_GATE_MAP = """\
module peforge_inserted_gate (input clk, enable, output gated_clk);
{gate}endmodule
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

#: The end of a Yosys script: renaming every private and internal name makes names plain identifiers
#: for all later tools.
WRITE_NETLIST = """\
rename -hide
rename -enumerate -pattern n%
delete =A:blackbox
stat -liberty {library}
write_verilog -noattr -noexpr -nohex -nodec netlist.v
write_json netlist.json
"""

# `booth`: the smaller of the synthesizer's two multipliers (28-40 % less area).
# `simplemap`: `opt_share`, a part of `opt -full`, makes word-wide multiplexers of gates.
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
clockgate {gate} -min_net_size {min_gated_flops}
dfflegalize -cell $_DFF_P_ x -cell $_SDFF_PP0_ x -cell $_SDFF_PP1_ x
techmap -map reset.v
dfflibmap -liberty {library}
{map_gate}techmap -map branch.v
abc -liberty {library} -constr abc.constr -script abc_{effort}.script
setundef -zero
{ties}splitnets
opt_clean -purge
"""


def scripts(platform: Platform, top: str, period_ps: int) -> dict[str, str]:
    """The files that Yosys and ABC read beside ``rtl.il`` and ``cells.lib``, by name."""
    roles = platform.roles
    blocks = platform.blocks
    macros = blocks.cells.values() if blocks else ()
    names = {
        "top": top,
        "min_gated_flops": MIN_GATED_FLOPS,
        "min_gated_reset_flops": MIN_GATED_RESET_FLOPS,
        "gateable": " ".join(f"-cell {cell} x" for cell in _GATEABLE),
        "library": platform.synthesis_library,
        "gate": f"-liberty {platform.synthesis_library}",
        "map_gate": "",
        "ties": "" if platform.supply_ties else _tie_line(roles),
    }
    gate_files = {}
    if platform.inserts_gates:
        names["gate"] = "-pos peforge_inserted_gate enable:clk:gated_clk"
        names["map_gate"] = "techmap -map clock_gate.v\n"
        gate_files["clock_gate.v"] = _CLOCK_GATE_MAP.format(gate=_gate(roles["clock_gate"]))
    helpers = _HELPERS.format(
        latch=roles["latch"], gate_cells=_gate_cells(roles), gate=_gate(roles["clock_gate"])
    )
    return {
        **{
            f"synth_{effort}.ys": (_YOSYS_SCRIPT + WRITE_NETLIST).format(effort=effort, **names)
            for effort in EFFORTS
        },
        "helpers.v": helpers + "".join(map(_blackbox, macros)),
        **gate_files,
        "branch.v": _BRANCH_MAP,
        "gated_reset.v": _GATED_RESET_MAP.format(and2=roles["and2"], or2=roles["or2"]),
        "reset.v": _RESET_MAP.format(and2=roles["and2"], or2=roles["or2"]),
        **{
            f"abc_{effort}.script": _abc_script(effort, platform, _budget_ps(platform, period_ps))
            for effort in EFFORTS
        },
        "abc.constr": (
            f"set_driving_cell {roles['driver']['cell']}\nset_load {platform.load_ff}\n"
        ),
        **(blocks.files if blocks else {}),
    }


def _tie_line(roles: Mapping[str, Any]) -> str:
    high, low = roles["tie_high"], roles["tie_low"]
    return (
        f"hilomap -singleton -hicell {high['cell']} {high['pin']} "
        f"-locell {low['cell']} {low['pin']}\n"
    )


def _gate(role: Mapping[str, Any]) -> str:
    """The body of a module with ``clk``, ``enable`` and ``gated_clk``."""
    if "parts" not in role:
        ties = "".join(
            f", .{pin}(1'b{int(level == 'high')})" for pin, level in role.get("tied", {}).items()
        )
        return _GATE.format(**role).replace("(gated_clk)", f"(gated_clk){ties}")
    parts = role["parts"]
    inverter = _GATE_INVERTER.format(**parts["invert"]) if "invert" in parts else ""
    closed = "low" if inverter else "clk"
    return inverter + _GATE_OF_PARTS.format(closed=closed, **parts)


def _gate_cells(roles: Mapping[str, Any]) -> str:
    """The cells of a clock gate as black boxes."""
    role = roles["clock_gate"]
    if "parts" not in role:
        box = _GATE_BLACKBOX.format(**role)
        ties = "".join(f", {pin}" for pin in role.get("tied", {}))
        return box.replace(role["enable"] + ",\n", f"{role['enable']}{ties},\n")
    pins = {
        part["cell"]: ([pin for name, pin in part.items() if name not in ("cell", "output")],
                       part["output"])
        for part in role["parts"].values()
    }  # fmt: skip
    pins.pop(roles["latch"]["cell"], None)
    return "".join(
        _PART_BLACKBOX.format(name=name, inputs=", ".join(inputs), output=output)
        for name, (inputs, output) in pins.items()
    )


def _abc_script(effort: str, platform: Platform, budget_ps: int) -> str:
    mapping = EFFORTS[effort].format(budget_ps=budget_ps)
    return _ABC_SCRIPT.format(mapping=mapping, max_fanout=platform.max_fanout, budget_ps=budget_ps)


def _blackbox(cell: LibraryCell) -> str:
    inputs, outputs = (", ".join(pins) for pins in (cell.inputs, cell.outputs))
    return f"(* blackbox *)\nmodule {cell.name} (input {inputs}, output {outputs});\nendmodule\n"


def logic_budget_ps(period_ps: int, flop_ps: float = FLOP_PS) -> int:
    """What the logic between registers may take before placement.

    Args:
        flop_ps: what flip-flops take at both ends of a path.
    """
    return max(1, round((period_ps - flop_ps) * _LOGIC_SHARE))


def _budget_ps(platform: Platform, period_ps: int) -> int:
    return logic_budget_ps(period_ps, platform.flop_ps)


def synthesize(
    folder: Path, platform: Platform, timeout_s: float, effort: str = "small"
) -> Netlist:
    """Run the scripts in ``folder``; leaves ``netlist.v``, ``netlist.json`` and ``synth.log``.

    Args:
        effort: one of ``EFFORTS``.

    Raises:
        StepError: if Yosys fails or the netlist holds a cell that is not of the library.
    """
    run_tool(
        [sys.executable, "-m", "rtl_gen.run_yosys", f"synth_{effort}.ys"],
        folder=folder,
        log="synth.log",
        timeout_s=timeout_s,
    )
    # Structural Verilog readers such as OpenSTA's take no `signed`, which means nothing here.
    verilog = folder / "netlist.v"
    try:
        text = verilog.read_text(encoding="utf-8")
    except OSError:
        raise StepError("yosys wrote no netlist") from None
    verilog.write_text(re.sub(r"^  (input|output|wire) signed ", r"  \1 ", text, flags=re.M))
    return read_netlist(folder / "netlist.json", platform)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A netlist out of several.

    Attributes:
        architecture: name of the description that it was made from.
        effort: of ``EFFORTS``.
        late_ps: what its logic takes more than ``logic_budget_ps``, before placement.
        area_um2: of its cells.
    """

    netlist: Netlist
    architecture: str
    effort: str
    late_ps: float
    area_um2: float


def synthesize_smallest(
    folder: Path,
    texts: Mapping[str, str],
    platform: Platform,
    period_ps: int,
    timeout_s: float,
) -> Choice:
    """Synthesize several descriptions of the same behaviour and keep the smallest that is in time.

    In time is what meets ``logic_budget_ps`` before placement. Only if nothing does, the next of
    ``EFFORTS`` is tried; if nothing does in the end, the quickest is kept.

    Args:
        folder: has the scripts; gets ``rtl.il`` and what ``synthesize`` leaves, of the kept one.
        texts: RTLIL by name, in the order of preference among equals.

    Raises:
        StepError: as ``synthesize``.
    """
    inputs = [path for path in folder.iterdir() if path.is_file()]
    found: list[Choice] = []
    for effort in EFFORTS:
        for name, text in texts.items():
            place = _attempt(folder, name, effort)
            place.mkdir()
            for path in inputs:
                (place / path.name).symlink_to(path.resolve())
            (place / "rtl.il").write_text(text, encoding="utf-8")
            netlist = synthesize(place, platform, timeout_s, effort)
            late = max(0.0, logic_delay_ps(place) - _budget_ps(platform, period_ps))
            area = sum(platform.cells()[kind].area_um2 for kind in netlist.kinds)
            found.append(
                Choice(
                    netlist=netlist, architecture=name, effort=effort, late_ps=late, area_um2=area
                )
            )
        if any(choice.late_ps == 0 for choice in found):
            break
    best = min(found, key=lambda choice: (choice.late_ps, choice.area_um2))
    for name in ("rtl.il", "netlist.v", "netlist.json", "synth.log"):
        (_attempt(folder, best.architecture, best.effort) / name).rename(folder / name)
    for choice in found:
        shutil.rmtree(_attempt(folder, choice.architecture, choice.effort))
    return best


def _attempt(folder: Path, architecture: str, effort: str) -> Path:
    return folder / f"rtl_{architecture}_{effort}"


def logic_delay_ps(folder: Path) -> float:
    """The longest path through the logic as ABC sees it: cells and their pins, without wires.

    Raises:
        StepError: if the log of the synthesis does not tell it.
    """
    log = (folder / "synth.log").read_text(encoding="utf-8", errors="replace")
    told = re.findall(r"^ABC: .*\bDelay = +([0-9.]+) ps", log, flags=re.M)
    if not told:
        raise StepError("abc reported no delay")
    return float(told[-1])
