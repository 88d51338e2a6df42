"""Proof that another Verilog text of a PE does the same as the PE, used as it may be.

Both run side by side, from a reset on: the same inputs, legal primitives only, resets at any time.
Their outputs must be equal for ever. That is less than equality of all registers in all states: it
lets differ what is never looked at, and what no legal primitive reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from characterize.prover import Verdict, check_always, run_yosys
from characterize.state_models import latch_models, sram_model
from rtl_gen.design import PEDesign
from rtl_gen.golden import CONFIG_FIELDS
from rtl_gen.interface import ports
from rtl_gen.scratchpad import helper_modules

_LEGAL = Path(__file__).resolve().parent / "proofs" / "legal.v"
_OTHER = "other_"

# Registers begin as 0 in both: what they hold before anything was written is not compared.
_SCRIPT = """\
read_verilog -sv -formal first.v
read_verilog -sv -formal second.v
read_verilog -sv -formal pair.v
hierarchy -check -top pair
proc
flatten
check -assert
opt -full
techmap
opt -fast
setundef -zero
dffunmap
setundef -init -zero
aigmap
opt_clean
write_aiger pair.aig
"""


def prove_same(
    folder: Path, design: PEDesign, first: str, second: str, *, timeout_s: float
) -> Verdict:
    """Prove two Verilog texts of a PE to be the same in use.

    Args:
        folder: for the files of the proof.
        design: the PE that both have the name and the ports of.

    Returns:
        ``open`` also where the texts differ in a helper module: models stand for these.

    Raises:
        StepError: if a prover fails.
    """
    helpers = helper_modules(first)
    if helpers and helpers not in second:
        return Verdict(outcome="open", cycles=0, seconds=0.0)
    if helpers:
        first, second = first.replace(helpers, ""), second.replace(helpers, "")
    second = second.replace(design.name, _OTHER + design.name)
    models = latch_models("peforge") if design.scratchpad == "latch" else ""
    if design.scratchpad == "sram":
        models = sram_model(design.filter_depth, design.weight_word_bits)
    texts = {"first": first + models, "second": second, "pair": "\n".join(_pair(design))}
    for name, text in texts.items():
        (folder / f"{name}.v").write_text(text, encoding="utf-8")
    run_yosys(folder, "pair", _SCRIPT)
    return check_always(folder, folder / "pair.aig", timeout_s=timeout_s)


def _pair(design: PEDesign) -> Iterator[str]:
    streams = [port for port in ports(design) if port["name"] not in ("clk", "rst")]
    inputs = [port for port in streams if port["direction"] == "input"]
    outputs = [port for port in streams if port["direction"] == "output"]
    yield "module pair (input clk, any_reset,"
    yield from (f"  input [{port['width'] - 1}:0] any_{port['name']}," for port in inputs)
    yield "  output bad);"
    parameters = {
        "MODES": design.precision_modes,
        "HALVES": int(design.weights_per_word > 1),
        "SERIAL": int(design.serial_terms),
        "TERMS": design.terms,
        "IFMAP_DEPTH": design.ifmap_depth,
        "FILTER_DEPTH": design.filter_depth,
        "PSUM_DEPTH": design.psum_depth,
    }
    yield "  localparam " + ", ".join(f"{name} = {v}" for name, v in parameters.items()) + ";"
    yield "  reg started = 0;\n  always @(posedge clk) started <= 1;"
    yield "  wire rst = any_reset | ~started;"
    for port in inputs:
        value = f"any_{port['name']}" + (" & legal" if port["name"] == "config__valid" else "")
        yield f"  wire [{port['width'] - 1}:0] {port['name']} = {value};"
    for port in outputs:
        yield f"  wire [{port['width'] - 1}:0] {port['name']}, {_OTHER}{port['name']};"
    low = 0
    for name, bits in CONFIG_FIELDS.items():
        yield f"  wire [{bits - 1}:0] new_{name} = config__payload[{low + bits - 1}:{low}];"
        low += bits
    for prefix in ("", _OTHER):
        pins = [f".{port['name']}({port['name']})" for port in inputs]
        pins += [f".{port['name']}({prefix}{port['name']})" for port in outputs]
        yield f"  {prefix}{design.name} {prefix}dut (.clk(clk), .rst(rst), {', '.join(pins)});"
    yield _LEGAL.read_text(encoding="utf-8")
    # A payload counts while it is valid.
    differ = [
        f"{port['name']} != {_OTHER}{port['name']}"
        + (" && psum_out__valid" if port["name"] == "psum_out__payload" else "")
        for port in outputs
    ]
    yield f"  assign bad = started && ({' || '.join(differ)});\nendmodule\n"
