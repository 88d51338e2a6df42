"""Proofs about the streams of a PE: what comes out, when, and that it always ends.

The Verilog of a small sibling of the design (``sibling``: the same options, two to four words of
few bits) is held against a reference, ``proofs/streams.v`` and ``proofs/termination.v``, in which
sizes, operands, stalls and resets are free. Nothing is bounded in time: the properties follow from
cycle to cycle, by induction over as many cycles as the pipeline is deep. Where they do not, a
search from reset finds a real counterexample, or says how far it found none.

Models stand in for three things. Latches are opened by the cycle, not by half of it: that this is
the same is proved apart (``proofs/latch.v``). Floating-point units are replaced by simple ones that
do not commute: what they compute is for ``characterize.equivalence``. An SRAM macro is taken to do
what ``rtl_gen.scratchpad.sram_module`` says.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from characterize.process import StepError
from characterize.prover import (
    Outcome,
    Verdict,
    check_always,
    check_bounded,
    combinational_inputs,
    run_yosys,
    write_aiger,
)
from characterize.state_models import latch_models, sram_model
from rtl_gen.design import (
    FP_BITS,
    PIPELINE_STAGES,
    PSUM_BITS,
    SRAM_MIN_BYTES,
    SRAM_WORD_BITS,
    PEDesign,
)
from rtl_gen.golden import CONFIG_FIELDS
from rtl_gen.interface import ports
from rtl_gen.scratchpad import helper_modules

_PROOFS = Path(__file__).resolve().parent / "proofs"

#: What is proved with legal primitives, in the order of ``holds`` in ``proofs/streams.v``.
PROPERTIES = (
    "reset leads to idle, from any state",
    "psum_out keeps valid and payload until they are taken",
    "each stream moves in its phase alone, as many words as the formulas say",
    "each step reads the filter word of its place",
    "each step reads the ifmap word of its place, as the window slides round the ring",
    "each psum_out word is its psum_in word and the sum of its products",
    "no sum is lost and none comes twice",
    "a primitive takes row_cycles if no stream waits",
)
#: What is proved with any configuration, from any state, likewise in ``proofs/termination.v``.
TERMINATION = (
    "what is left of a primitive never grows, whatever its configuration",
    "it shrinks within pipeline_stages cycles in which no stream waits: every primitive ends",
    "an idle PE is as after a reset, whatever it was configured with",
)
_REFERENCES = {"streams": PROPERTIES, "termination": TERMINATION}
NO_LOOPS = "within a cycle, psum_in.ready depends on psum_out.ready and nothing else on an input"
LATCH_MODEL = "a latch word behind its clock gate does what its model says of whole cycles"
LATCH_DATA = "the data of latches come straight from registers"

#: A search from reset, after a failed induction: primitives of several columns fit.
SEARCH_CYCLES = 40
#: Largest S, q, p, S q, filter words and sums that the reference offers.
_SIZES = 4

#: Inputs that an output may depend on within a cycle.
_ALLOWED_PATHS = {"psum_in__ready": {"psum_out__ready"}}

_LATCH_BOXES = """
(* blackbox *) module peforge_clock_gate (input clk, enable, output gated_clk); endmodule
(* blackbox *) module peforge_latch #(parameter WIDTH = 1, parameter WORDS = 1) (
  input [WORDS-1:0] gate, input [WIDTH-1:0] d, output [WORDS*WIDTH-1:0] q); endmodule
"""
_LATCH_DATA_SCRIPT = """\
read_verilog -sv latch_data.v
hierarchy -check -top {top}
proc
flatten
opt_clean
write_json latch_data.json
"""

# `streak` counts the cycles in which everything held, up to the depth of the induction. A reset
# must make everything hold at once. So `bad` is 1 where a step of the induction, or its begin,
# fails: from any state, since no register of the PE has an initial value here.
_INDUCTION = """\
  reg [3:0] streak = 0;
  wire good = &{{invariants, holds}};
  always @(posedge clk)
    streak <= rst ? {depth} : !good ? 0 : streak == {depth} ? {depth} : streak + 1;
  assign bad = streak == {depth} ? ~{{32'hffffffff, invariants, holds}} : 0;
"""
_SEARCH = """\
  assign bad = started ? ~{{32'hffffffff, holds}} : 0;
"""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One claim and what became of it.

    Attributes:
        claim: a sentence.
        outcome: ``proved``, ``refuted``, or ``open`` if the time was over or the induction failed.
        how: the method and its bounds, for people.
        seconds: it took; a run that decides several claims counts for the first.
    """

    claim: str
    outcome: Outcome
    how: str
    seconds: float


def sibling(design: PEDesign) -> PEDesign:
    """A design with the same options that is small enough for proofs: few words of few bits."""
    act_bits, weight_bits, word_bits = 2, 2, 0
    if design.precision_modes > 1:
        act_bits = weight_bits = 4
    elif design.terms:
        weight_bits = design.terms * (2 if design.terms > 1 else 3)
    if design.family == "fp":
        act_bits = weight_bits = FP_BITS[0]
    if design.scratchpad == "sram":  # the narrowest words that the compiler makes
        word_bits = FP_BITS[0] if design.family == "fp" else SRAM_WORD_BITS[0]
        weight_bits = word_bits // design.weights_per_word
    values = {
        **design.to_dict(),
        "act_bits": act_bits,
        "weight_bits": weight_bits,
        "ifmap_depth": 3,
        "filter_depth": SRAM_MIN_BYTES * 8 // word_bits if word_bits else 4,
        "psum_depth": 2,
        "psum_bits": FP_BITS[0] if design.family == "fp" else PSUM_BITS[1],
    }
    if design.family != "fp":
        product = PEDesign(**values).max_product
        values["psum_bits"] = max(PSUM_BITS[0], product.bit_length() + 1)
    return PEDesign(**values)


def prove_streams(
    design: PEDesign, verilog: str, folder: Path, *, timeout_s: float
) -> Iterator[Proof]:
    """Prove every claim about a small PE, one after the other.

    Args:
        design: as ``sibling`` makes them.
        verilog: its text; another than ``verilog_text`` gives is a way to try the proofs.
        folder: for the files of the proofs.
        timeout_s: for each induction, and as much for all the searches after one that fails.

    Raises:
        StepError: if a prover fails, or the text does not have the signals of a PE.
    """
    (folder / "dut.v").write_text(_with_models(design, verilog), encoding="utf-8")
    for reference in _REFERENCES:
        yield from _by_induction(design, folder, reference, timeout_s)
    yield _no_loops(design, folder)
    if design.scratchpad == "latch":
        yield _latch_data(design, verilog, folder)
        yield _latch_model(folder, timeout_s)


def search(
    design: PEDesign, verilog: str, folder: Path, claim: str, *, timeout_s: float
) -> Verdict:
    """Look for a counterexample to one of ``PROPERTIES`` or ``TERMINATION``, from reset.

    Args:
        design, verilog, folder: as in ``prove_streams``.

    Returns:
        ``refuted`` with the cycles it takes, or how many cycles were searched: at most
        ``SEARCH_CYCLES``.
    """
    (folder / "dut.v").write_text(_with_models(design, verilog), encoding="utf-8")
    ((reference, claims),) = [item for item in _REFERENCES.items() if claim in item[1]]
    aiger = _write(design, folder, reference, _SEARCH)
    return _search(folder, aiger, claims.index(claim), timeout_s)


def _search(folder: Path, aiger: Path, output: int, timeout_s: float) -> Verdict:
    return check_bounded(folder, aiger, frames=SEARCH_CYCLES, timeout_s=timeout_s, output=output)


def _by_induction(
    design: PEDesign, folder: Path, reference: str, timeout_s: float
) -> Iterator[Proof]:
    """The claims of one reference: all by one induction, else each by a search from reset."""
    begin = time.monotonic()
    depth = _induction_depth(design)
    aiger = _write(design, folder, reference, _INDUCTION)
    verdict = check_bounded(folder, aiger, frames=depth + 2, timeout_s=timeout_s)
    outcome: Outcome = "proved" if verdict.outcome == "proved" else "open"
    how = f"induction over {depth} cycles"
    if reference == "streams":
        how += f", sizes to {_SIZES}, any number of columns"
    if outcome == "open":
        aiger = _write(design, folder, reference, _SEARCH)
    claims = _REFERENCES[reference]
    for output, claim in enumerate(claims):
        if verdict.outcome != "proved":
            searched = _search(folder, aiger, output, timeout_s / len(claims))
            outcome = "refuted" if searched.outcome == "refuted" else "open"
            how = f"no induction; no counterexample in {searched.cycles} cycles from reset"
            if outcome == "refuted":
                how = f"counterexample of {searched.cycles} cycles from reset"
        yield Proof(claim=claim, outcome=outcome, how=how, seconds=time.monotonic() - begin)
        begin = time.monotonic()


def _induction_depth(design: PEDesign) -> int:
    """Cycles that tell all that is in the pipeline, and one more."""
    return design.pipeline_stages + 2


def _write(design: PEDesign, folder: Path, reference: str, end: str) -> Path:
    """The PE beside a reference, as a graph whose outputs must stay 0."""
    name = f"{reference}_{'search' if end == _SEARCH else 'induction'}"
    lines = [
        *_header(design, reference, search=end == _SEARCH),
        (_PROOFS / f"{reference}.v").read_text(encoding="utf-8"),
        end.format(depth=_induction_depth(design)),
        "endmodule\n",
    ]
    (folder / f"{name}.v").write_text("\n".join(lines), encoding="utf-8")
    return write_aiger(folder, name, ["dut.v", f"{name}.v"], "proof")


def _header(design: PEDesign, reference: str, *, search: bool) -> Iterator[str]:
    """The module up to the reference: ports, parameters, the PE, and its inner signals."""
    streams = [port for port in ports(design) if port["name"] not in ("clk", "rst")]
    inputs = [port for port in streams if port["direction"] == "input"]
    yield "module proof(input clk, input any_reset, input [7:0] any_word,"
    yield from (f"  input {_range(port['width'])} any_{port['name']}," for port in inputs)
    yield "  output [31:0] bad);"
    values = ", ".join(f"{name} = {int(value)}" for name, value in _parameters(design).items())
    yield f"  localparam {values};"
    yield "  reg started = 0;\n  always @(posedge clk) started <= 1;"
    yield f"  wire rst = any_reset{' | ~started' if search else ''};"
    for port in streams:
        name = port["name"]
        value = f" = any_{name}" if port in inputs else ""
        if name == "config__valid" and reference == "streams":
            value += " & legal"
        yield f"  wire {_range(port['width'])} {name}{value};"
    connections = ", ".join(f".{port['name']}({port['name']})" for port in streams)
    yield f"  {design.name} dut (.clk(clk), .rst(rst), {connections});"
    yield from _config_fields()
    for name, (path, bits) in _signals(design).items():
        yield f"  {_inner(path, bits)}\n  wire {_range(bits)} d_{name} = \\dut.{path} ;"
    for name in _absent_signals(design):
        yield f"  wire d_{name} = 0;"
    yield from _memories(design)


def _range(bits: int) -> str:
    return f"[{bits - 1}:0]"


def _inner(path: str, bits: int) -> str:
    """A wire that flattening connects to a signal inside the PE."""
    return f"(* hierconn *) wire {_range(bits)} \\dut.{path} ;"


def _parameters(design: PEDesign) -> dict[str, int | bool]:
    """The parameters that the references use."""
    return {
        "STAGES": design.pipeline_stages,
        "MODES": design.precision_modes,
        "HALVES": design.weights_per_word > 1,
        "SERIAL": design.serial_terms,
        "TERMS": design.terms,
        "GATED": design.zero_gating,
        "FLOAT": design.family == "fp",
        "SRAM": design.scratchpad == "sram",
        "ACT_SIGNED": design.act_signed,
        "ACT_OPERAND": design.act_bits,
        "WEIGHT_OPERAND": design.weight_bits,
        "TERM_BITS": design.term_bits,
        "ACT_BITS": design.act_word_bits,
        "WEIGHT_BITS": design.weight_word_bits,
        "PSUM_BITS": design.psum_bits,
        "WINDOW_BITS": (design.ifmap_depth - 1).bit_length(),
        "SUM_BITS": (design.psum_depth - 1).bit_length(),
        "FILTER_COUNT_BITS": design.psum_depth.bit_length(),
        "IFMAP_DEPTH": design.ifmap_depth,
        "IFMAP_WORDS": min(_SIZES, design.ifmap_depth),
        "FILTER_WORDS": min(_SIZES, design.filter_depth),
        "PSUM_WORDS": min(_SIZES, design.psum_depth),
    }


def _config_fields() -> Iterator[str]:
    low = 0
    for name, bits in CONFIG_FIELDS.items():
        yield f"  wire {_range(bits)} new_{name} = config__payload[{low + bits - 1}:{low}];"
        low += bits


def _signals(design: PEDesign) -> dict[str, tuple[str, int]]:
    """Signals inside the PE that the references look at: path and bits of each."""
    ifmap, filters, psum = (
        (depth - 1).bit_length()
        for depth in (design.ifmap_depth, design.filter_depth, design.psum_depth)
    )
    controller = {
        "psum_taken": 1, "fsm_state": 3, "size": sum(CONFIG_FIELDS.values()),
        "s": ifmap, "c": ifmap, "f": psum, "_x": CONFIG_FIELDS["outputs"],
        "ifmap_write": ifmap, "ifmap_read": ifmap, "start": ifmap,
        "filter_address": filters, "psum_address": psum,
    }  # fmt: skip
    if design.serial_terms:
        controller["t"] = 2
    if design.weights_per_word > 1:
        controller["filter_half"] = 1
    read = "filter_spad.macro.q" if design.scratchpad == "sram" else "filter_spad.read_data"
    return {
        **{name.lstrip("_"): (f"controller.{name}", bits) for name, bits in controller.items()},
        "window_start": ("controller.start", ifmap),
        "ifmap_read_data": ("ifmap_spad.read_data", design.act_word_bits),
        "filter_read_data": (read, design.weight_word_bits),
        "sum_waits": ("sum_waits", 1),
        "sum_address": ("sum_address", psum),
        "sum_data": ("sum_data", design.psum_bits),
    }


def _absent_signals(design: PEDesign) -> Iterator[str]:
    """Signals that some PEs have, and are 0 in others."""
    if not design.serial_terms:
        yield "t"
    if design.weights_per_word == 1:
        yield "filter_half"


def _memories(design: PEDesign) -> Iterator[str]:
    """The words of each scratchpad side by side, the first in the lowest bits."""
    for name, spad, depth, bits in (
        ("filters", "filter_spad", design.filter_depth, design.weight_word_bits),
        ("ifmaps", "ifmap_spad", design.ifmap_depth, design.act_word_bits),
        ("psums", "psum_spad", design.psum_depth, design.psum_bits),
    ):
        words = [f"{spad}.word{index}" for index in range(depth)]
        width = bits
        if design.scratchpad == "sram" and spad == "filter_spad":
            words, width = [f"{spad}.macro.words"], depth * bits
        yield from (f"  {_inner(word, width)}" for word in words)
        joined = ", ".join(f"\\dut.{word} " for word in reversed(words))
        yield f"  wire {_range(depth * bits)} stored_{name} = {{{joined}}};"


def _with_models(design: PEDesign, verilog: str) -> str:
    """The text of the PE with models for latches, macros and floating-point units.

    Raises:
        StepError: if a module that is to be replaced is not there.
    """
    helpers = helper_modules(verilog)
    text = verilog.replace(helpers, "") if helpers else verilog
    if design.scratchpad == "latch":
        text += latch_models("peforge")
    if design.scratchpad == "sram":
        text += sram_model(design.filter_depth, design.weight_word_bits)
    if design.family != "fp":
        return text
    # Products and sums that tell their operands, and the order of additions, apart.
    text = _with_body(text, f"{design.name}.datapath", _mixed_product(design, text))
    rotated = f"{{a, a[{design.psum_bits - 1}]}}"
    return _with_body(text, f"{design.name}.adder", f"assign total = {rotated} + b;")


def _mixed_product(design: PEDesign, text: str) -> str:
    """What stands for the body of the ``fp`` datapath, with its register if it has one."""
    lines = []
    datapath = _module(text, f"{design.name}.datapath")
    bits = re.findall(r"^  input (\\port\$\d+\$(\d+) );", datapath, re.M)
    if bits:  # behind a macro, the weight has a port for each bit
        bits.sort(key=lambda port: -int(port[1]))
        lines.append(f"wire {_range(len(bits))} b = {{{', '.join(name for name, _ in bits)}}};")
    mixed = f"a + {{b, b[{design.weight_bits - 1}]}}"
    if design.pipeline_stages < PIPELINE_STAGES[1]:
        lines.append(f"assign product = {mixed};")
    else:
        lines.append(f"reg {_range(design.psum_bits)} mixed;\n  assign product = mixed;")
        lines.append(f"always @(posedge clk) if (enable) mixed <= {mixed};")
    return "\n  ".join(lines)


def _with_body(text: str, module: str, body: str) -> str:
    """Verilog with another body for a module, whose ports stay."""
    old = _module(text, module)
    head, _, rest = old.partition(");")
    declared = [line for line in rest.splitlines() if re.match(r"  (input|output) ", line)]
    return text.replace(old, "\n".join([f"{head});", *declared, f"  {body}", "endmodule"]))


def _module(text: str, name: str) -> str:
    found = re.search(rf"^module \\?{re.escape(name)}[ (].*?^endmodule", text, re.M | re.S)
    if found is None:
        raise StepError(f"the Verilog has no module {name}")
    return found[0]


def _no_loops(design: PEDesign, folder: Path) -> Proof:
    """Which inputs each output depends on without a register between them."""
    begin = time.monotonic()
    aiger = write_aiger(folder, "paths", ["dut.v"], design.name)
    paths = combinational_inputs(aiger)
    wrong = [
        f"{output} on {', '.join(sorted(extra))}"
        for output, names in sorted(paths.items())
        if (extra := names - _ALLOWED_PATHS.get(output, set()))
    ]
    return Proof(
        claim=NO_LOOPS,
        outcome="refuted" if wrong else "proved",
        how="; ".join(wrong) or "every path of the netlist",
        seconds=time.monotonic() - begin,
    )


def _latch_data(design: PEDesign, verilog: str, folder: Path) -> Proof:
    """Whether every bit of data of every latch is the output of a flip-flop."""
    begin = time.monotonic()
    text = verilog.replace(helper_modules(verilog), "")
    (folder / "latch_data.v").write_text(text + _LATCH_BOXES, encoding="utf-8")
    run_yosys(folder, "latch_data", _LATCH_DATA_SCRIPT.format(top=design.name))
    modules = json.loads((folder / "latch_data.json").read_text(encoding="utf-8"))["modules"]
    cells = modules[design.name]["cells"].values()
    registers = {
        bit for cell in cells if cell["type"].startswith("$dff") for bit in cell["connections"]["Q"]
    }
    latches = [cell["connections"]["d"] for cell in cells if "peforge_latch" in cell["type"]]
    wrong = sum(not registers.issuperset(bits) for bits in latches)
    return Proof(
        claim=LATCH_DATA,
        outcome="refuted" if wrong or not latches else "proved",
        how=f"{len(latches)} groups of latches, {wrong} of them behind logic",
        seconds=time.monotonic() - begin,
    )


def _latch_model(folder: Path, timeout_s: float) -> Proof:
    """The model of latches against their Verilog, half a cycle a frame."""
    models = latch_models("sync", edge="posedge clk")
    real = helper_modules("peforge_clock_gate peforge_latch")
    (folder / "latch_models.v").write_text(models + real, encoding="utf-8")
    (folder / "latch.v").write_text(
        (_PROOFS / "latch.v").read_text(encoding="utf-8"), encoding="utf-8"
    )
    sources = ["latch_models.v", "latch.v"]
    aiger = write_aiger(folder, "latch", sources, "proof", before="clk2fflogic")
    verdict = check_always(folder, aiger, timeout_s=timeout_s)
    how = "property-directed reachability, half a cycle a step"
    if verdict.outcome == "refuted":
        how = f"counterexample of {verdict.cycles} half cycles"
    return Proof(claim=LATCH_MODEL, outcome=verdict.outcome, how=how, seconds=verdict.seconds)
