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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from rtl_gen.design import FP_BITS, PSUM_BITS, SRAM_MIN_BYTES, SRAM_WORD_BITS, PEDesign
from rtl_gen.golden import CONFIG_FIELDS
from rtl_gen.interface import ports
from rtl_gen.scratchpad import helper_modules, sram_name, sram_pins

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
)
NO_LOOPS = "within a cycle, psum_in.ready depends on psum_out.ready and nothing else on an input"
LATCH_MODEL = "a latch word behind its clock gate does what its model says of whole cycles"
LATCH_DATA = "the data of latches come straight from registers"

#: A search from reset, after a failed induction: primitives of several columns fit.
SEARCH_CYCLES = 40
#: Largest S, q, p, S q, filter words and sums that the reference offers.
_SIZES = 4

#: Inputs that an output may depend on within a cycle.
_ALLOWED_PATHS = {"psum_in__ready": {"psum_out__ready"}}

# Latches by whole cycles: the gate is open in the cycle after the edge that saw its enable.
_LATCH_MODELS = """
module {prefix}_clock_gate (input clk, input enable, output reg gated_clk);
  always @(posedge clk) gated_clk <= enable;
endmodule
module {prefix}_latch {ports};
  reg [WIDTH-1:0] held;
  assign q = gate ? d : held;
  always @({edge}) held <= q;
endmodule
"""
_LATCH_PORTS = "#(parameter WIDTH = 1) ({clk}input gate, input [WIDTH-1:0] d, output [WIDTH-1:0] q)"
_SRAM_MODEL = """
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

# `streak` counts the cycles in which everything held, up to the depth of the induction. A reset
# must make everything hold at once. So `bad` is 1 where a step of the induction, or its begin,
# fails: from any state, since no register of the PE has an initial value here.
_INDUCTION = """\
  reg [3:0] streak = 0;
  wire good = &{{invariants, holds}};
  always @(posedge clk)
    streak <= rst ? {depth} : !good ? 0 : streak == {depth} ? {depth} : streak + 1;
  assign bad = streak == {depth} ? ~{{invariants, holds}} : 0;
"""
_SEARCH = """\
  assign bad = started ? ~holds : 0;
"""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One claim and what became of it.

    Attributes:
        claim: a sentence.
        outcome: ``proved``, ``refuted``, or ``open`` if the time was over or the induction failed.
        how: the method and its bounds, for people.
        seconds: it took; where one run decides several claims, it counts for the first.
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
        timeout_s: for each run of the prover.

    Raises:
        StepError: if a prover fails, or the text does not have the signals of a PE.
    """
    (folder / "dut.v").write_text(_with_models(design, verilog), encoding="utf-8")
    yield from _by_induction(design, folder, "streams", PROPERTIES, timeout_s)
    yield from _by_induction(design, folder, "termination", TERMINATION, timeout_s)
    yield _no_loops(design, folder)
    if design.scratchpad == "latch":
        yield _latch_data(design, verilog, folder)
        yield _latch_model(folder, timeout_s)


def _by_induction(
    design: PEDesign, folder: Path, reference: str, claims: tuple[str, ...], timeout_s: float
) -> Iterator[Proof]:
    """The claims of one reference: by induction, else by a search from reset."""
    depth = design.pipeline_stages + 2
    end = _INDUCTION.format(depth=depth)
    aiger = _write(design, folder, reference, f"{reference}_induction", end)
    verdict, failing = check_bounded(folder, aiger, frames=depth + 2, timeout_s=timeout_s)
    found: Mapping[int, int] = {}
    seconds = verdict.seconds
    how = f"induction over {depth} cycles"
    if reference == "streams":
        how += f", sizes to {_SIZES}, any number of columns"
    if verdict.outcome != "proved":
        aiger = _write(design, folder, reference, f"{reference}_search", _SEARCH)
        searched, found = check_bounded(folder, aiger, frames=SEARCH_CYCLES, timeout_s=timeout_s)
        seconds += searched.seconds
        how = f"no counterexample in {searched.cycles} cycles from reset, no induction"
        if failing and not found and searched.outcome == "proved":
            how += f"; the step fails for {', '.join(map(str, sorted(failing)))}"
    for index, claim in enumerate(claims):
        if index in found:
            text = f"counterexample, {found[index] + 1} cycles from reset"
            yield Proof(claim=claim, outcome="refuted", how=text, seconds=seconds)
        else:
            outcome: Outcome = "proved" if verdict.outcome == "proved" else "open"
            yield Proof(claim=claim, outcome=outcome, how=how, seconds=seconds)
        seconds = 0.0


def _write(design: PEDesign, folder: Path, reference: str, name: str, end: str) -> Path:
    """The PE beside a reference, as a graph whose outputs must stay 0."""
    body = (_PROOFS / f"{reference}.v").read_text(encoding="utf-8")
    search = end == _SEARCH
    lines = [*_header(design, reference, search=search), body, end, "endmodule\n"]
    (folder / f"{name}.v").write_text("\n".join(lines), encoding="utf-8")
    return write_aiger(folder, name, ["dut.v", f"{name}.v"], "proof")


def _header(design: PEDesign, reference: str, *, search: bool) -> Iterator[str]:
    """The module up to the reference: ports, parameters, the PE, and its inner signals."""
    streams = [port for port in ports(design) if port["name"] not in ("clk", "rst")]
    inputs = [port for port in streams if port["direction"] == "input"]
    yield "module proof(input clk, input any_reset, input [7:0] any_word,"
    yield from (f"  {_range(port['width'])} any_{port['name']}," for port in inputs)
    width = {"streams": "8 + 16", "termination": "2 + 1"}[reference]
    yield f"  output [{'8' if search and reference == 'streams' else '2' if search else width}-1:0] bad);"
