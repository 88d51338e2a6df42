"""What a user of a PE's Verilog must know, for machines and people."""

from __future__ import annotations

from typing import Any

from rtl_gen.design import PEDesign
from rtl_gen.fp_golden import format_of_bits
from rtl_gen.golden import CONFIG_FIELDS
from rtl_gen.interface import ports
from rtl_gen.scratchpad import sram_name

FORMAT = "peforge-pe-2"
#: Endings of the files of a PE behind its name.
FILES = {
    "verilog": ".v",
    "testbench": "_tb.v",
    "constraints": ".sdc",
    "manifest": ".json",
    "fusesoc_core": ".core",
    "block_diagram": ".svg",
}

_FP_NAMES = {16: "bfloat16", 32: "binary32"}
_STORED_IN = {
    "flop": "flip-flops",
    "latch": "latches behind clock gates; the Verilog has models of both, to be replaced by cells",
    "sram": "a macro with one port; the Verilog has a model of it, which must be replaced by the "
    "macro of the process",
}
#: The letters of the formulas, and in which config fields they are.
_LETTERS = {"filter_width": "S", "channels": "G", "filters": "p", "outputs": "F", "slide": "V"}
_SYMBOLS = {
    "S": "filter columns: filter_width",
    "q": "channels",
    "p": "filters (depthwise: filters of each channel)",
    "F": "output columns: outputs",
    "U": "stride",
    "V": "columns that the window slides by: min(U, S)",
    "G": "q over the products a cycle of the mode",
    "P": "p; with serial_terms the terms of all filters together",
    "O": "sums of an output column: p, or q p if depthwise",
}


def manifest(design: PEDesign, period_ps: int) -> dict[str, Any]:
    """Parameters, ports, number formats, words of the streams, formulas and files."""
    return {
        "format": FORMAT,
        "name": design.name,
        "digest": design.digest,
        "design": design.to_dict(),
        "period_ps": period_ps,
        "files": file_names(design),
        "ports": ports(design),
        "reset": "rst, synchronous, active high; one cycle is enough",
        "numbers": _numbers(design),
        "modes": _modes(design),
        "config_fields": [
            {"name": f"{_LETTERS[name]} - 1" if name in _LETTERS else name, "width": bits}
            for name, bits in CONFIG_FIELDS.items()
        ],
        "words": _words(design),
        "scratchpads": _scratchpads(design),
        "formulas": _formulas(design),
    }


def file_names(design: PEDesign) -> dict[str, str]:
    """The files of a PE, by what they are."""
    return {what: design.name + ending for what, ending in FILES.items()}


def _numbers(design: PEDesign) -> dict[str, Any]:
    """Formats of activations, weights and sums, and what happens beyond them."""
    common = {"product_bits": design.product_bits, "max_accumulations": design.max_accumulations}
    if design.family == "fp":
        operand, total = format_of_bits(design.act_bits), format_of_bits(design.psum_bits)
        return {
            **common,
            "arithmetic": "multiplication and addition, each rounded",
            "activation": _FP_NAMES[design.act_bits],
            "weight": _FP_NAMES[design.weight_bits],
            "sum": _FP_NAMES[design.psum_bits],
            "operand_fields": "sign, "
            f"{operand.exponent_bits} exponent bits, {operand.fraction_bits} fraction bits",
            "rounding": "to nearest, ties to even; every product to the format of the sums, and "
            "every addition",
            "subnormal_numbers": "count as zero of their sign, and results become that",
            "overflow": "infinity",
            "nan": f"one quiet NaN, {total.nan:#x}",
            "order": "from +0, over filter columns, in each over channels; then onto psum_in",
        }
    sign = "two's complement" if design.act_signed else "unsigned"
    return {
        **common,
        "arithmetic": _arithmetic(design),
        "activation": f"{sign}, {design.act_bits} bits",
        "weight": _weight_code(design),
        "sum": f"two's complement, {design.psum_bits} bits",
        "overflow": "sums wrap around; nothing saturates",
    }


def _arithmetic(design: PEDesign) -> str:
    if design.terms == 0:
        return "multiplication, exact"
    if design.serial_terms:
        return "one shift a cycle, the terms of a weight one after the other, exact"
    return "one shift, exact" if design.terms == 1 else f"{design.terms} shifts, added, exact"


def _weight_code(design: PEDesign) -> str:
    if design.terms == 0:
        return f"two's complement, {design.weight_bits} bits"
    terms = "one term" if design.terms == 1 else f"the sum of {design.terms} terms"
    place = ", the first in the lowest bits" if design.terms > 1 else ""
    return (
        f"{terms} of {design.term_bits} bits{place}; a term is a sign bit above a field m: 0 if m "
        "is 0, else 2**(m - 1), negative if the sign is 1"
    )


def _modes(design: PEDesign) -> list[dict[str, Any]]:
    """Run-time precisions: products and operand bits a cycle."""
    return [
        {
            "mode": index,
            "act_bits": mode.act_bits,
            "weight_bits": mode.weight_bits,
            "products_per_cycle": mode.products,
            "ifmap_bits_per_cycle": mode.products * mode.act_bits,
            "filter_bits_per_cycle": design.term_bits
            if design.serial_terms
            else mode.products * mode.weight_bits,
        }
        for index, mode in enumerate(design.modes)
    ]


def _words(design: PEDesign) -> dict[str, Any]:
    """What a word of each stream holds, and the order of the words."""
    ifmap, weights = "one activation", "one weight"
    if design.precision_modes > 1:
        ifmap = "the activations of the channels of one cycle, the first in the lowest bits"
        weights = "the weights of the channels of one cycle, the first in the lowest bits"
    if design.weights_per_word > 1:
        weights += (
            f"; in modes of {design.weight_bits} bits a cycle, those of two following steps, the "
            "first in the lower half"
        )
    if design.serial_terms:
        weights = "one term of a weight; filters with more terms come first"
    order = "s, c, f, t" if design.serial_terms else "s, c, f"
    return {
        "ifmap": {
            "bits": design.act_word_bits,
            "holds": ifmap,
            "order": "column, c; columns that no window covers are left out",
        },
        "filter": {
            "bits": design.weight_word_bits,
            "holds": weights,
            "order": f"{order}, the last fastest; none with keep_filter",
        },
        "psum_in": {
            "bits": design.psum_bits,
            "holds": "one sum",
            "order": "column, then filter (depthwise: channel, filter); none without chain",
        },
        "psum_out": {
            "bits": design.psum_bits,
            "holds": "one sum",
            "order": "column, then filter (depthwise: channel, filter)",
        },
    }


def _scratchpads(design: PEDesign) -> dict[str, Any]:
    """Words, bits and storage of each."""
    small = "flop" if design.scratchpad == "sram" else design.scratchpad
    result: dict[str, Any] = {
        name: {"words": depth, "bits": bits, "stored_in": _STORED_IN[style]}
        for name, depth, bits, style in (
            ("ifmap", design.ifmap_depth, design.act_word_bits, small),
            ("filter", design.filter_depth, design.weight_word_bits, design.scratchpad),
            ("psum", design.psum_depth, design.psum_bits, small),
        )
    }
    if design.scratchpad == "sram":
        result["filter"]["module"] = sram_name(design.filter_depth, design.weight_word_bits)
    return result


def _formulas(design: PEDesign) -> dict[str, Any]:
    """Cycles and limits, and what their letters mean."""
    filter_words = "S G P"
    if design.weights_per_word > 1:
        filter_words = f"S G P / {design.weights_per_word} (rounded up; mode 2: S G P)"
    return {
        "symbols": _SYMBOLS,
        "latency_cycles": "pipeline_stages, from issue until the sum can be read",
        "row_cycles": "S G P + S G + F (S G P + pipeline_stages - 1 + O) + (F - 1) V G + 1; the "
        "first S G P not with keep_filter",
        "counted": "from the edge that takes config to the one that hands over the last sum, if no "
        "stream waits",
        "products": "S q p F",
        "limits": {
            "ifmap_depth": "S G",
            "filter_depth": filter_words,
            "psum_depth": "O",
        },
        "beyond_the_limits": "sums are wrong, but every primitive ends",
    }
