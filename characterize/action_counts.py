"""Actions of a PE, and how often a primitive takes each: in closed form, from its shape.

*Cycles* are what the controller does, one in every cycle; their numbers add up to
``rtl_gen.golden.row_cycles``, and each carries the clock of its cycle. *Accesses* come on top of
cycles. *Bits* are those that change on the wires of an operand: how many do in the mean of an
access is a statistic of the operands (``characterize.movement``).
"""

from __future__ import annotations

from collections.abc import Mapping

from characterize.movement import Statistics
from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive

#: What happens in a cycle of a primitive.
CYCLES = {
    "configure": "a primitive's sizes are taken",
    "filter_write": "a filter word is written",
    "filter_step": "the second half of a filter word is counted, where a word has two",
    "ifmap_write": "an ifmap word is written",
    "mac": "multiply-accumulate: read a filter word, multiply, add, write a psum; operands at rest",
    "mac_zero": "the same with a zero activation; with zero gating, nothing moves",
    "mac_mode1": "as mac, two products (run-time precision)",
    "mac_mode2": "as mac, four products",
    "drain": "the pipeline runs empty before sums are passed on",
    "psum_pass": "a sum is read and goes to psum_out",
}
#: What comes on top.
ACCESSES = {
    "ifmap_read": "a multiply-accumulate takes another ifmap word than the one before",
    "psum_read": "a sum is read back from the scratchpad, not from the sum register",
    "psum_add": "a sum from psum_in is added (chain)",
}
#: Bits that change.
BITS = {
    "filter_in_bit": "of the word written, from one filter word to the next",
    "ifmap_in_bit": "of the word written, from one ifmap word to the next",
    "weight_bit": "of the filter word that is read and multiplied with",
    "weight_select_bit": "the same, times the levels of the read multiplexer that move",
    "activation_bit": "of the ifmap word that is read and multiplied with",
    "mode1_weight_bit": "as weight_bit, with two products a cycle",
    "mode1_activation_bit": "as activation_bit, likewise",
    "mode1_partial_bit": "as partial_bit, likewise",
    "mode2_weight_bit": "as weight_bit, with four products a cycle",
    "mode2_activation_bit": "as activation_bit, likewise",
    "mode2_partial_bit": "as partial_bit, likewise",
    "partial_bit": "of the partial products or shifted terms",
    "carry_bit": "that a carry behind a negative row of Booth's recoding runs through",
    "product_bit": "of the product",
    "product_sign": "changes of the product's sign, which all high bits of the adder follow",
    "summand_bit": "at the adder's first input: products and incoming sums",
    "addend_bit": "at the adder's second input: stored sums",
    "read_bit": "at the read port of the psum scratchpad",
    "read_select_bit": "the same, times the levels of the read multiplexer that move",
    "total_bit": "of the sum register",
    "stored_bit": "of a stored sum, from the one it replaces",
    "aligned_bit": "of the smaller significand in a floating-point adder, aligned",
    "distance_bit": "of the difference of the exponents there",
    "subtract": "floating-point additions of numbers of different signs",
    "swap": "changes of which input of the floating-point adder is the larger one",
    "psum_in_bit": "of psum_in",
    "psum_out_bit": "of psum_out",
}
#: What is no part of a primitive: a cycle without one, one in which a stream waits (measured where
#: the scratchpads hold more than one word), and one whose clock is stopped outside the PE.
WAITING = {
    "idle": "no primitive, the clock runs",
    "stall_filter": "waits for a filter word",
    "stall_ifmap": "waits for an ifmap word",
    "stall_psum_in": "waits for a sum to add to",
    "stall_psum_out": "waits until its sum is taken",
    "clock_gated": "the clock is stopped outside the PE",
}
DESCRIPTIONS = {**CYCLES, **ACCESSES, **BITS, **WAITING}


def cycle_counts(design: PEDesign, size: Primitive) -> dict[str, int]:
    """How many cycles of each kind a primitive takes; together its ``row_cycles``.

    ``mac`` counts all multiply-accumulate cycles here, of any mode and operands.

    Raises:
        InputError: if ``design`` cannot run the primitive.
    """
    size.check(design)
    steps, groups = size.steps(design), size.groups(design)
    written = 0 if size.keep_filter else size.filter_words(design)
    slides = (size.outputs - 1) * size.slide * groups
    return {
        "configure": 1,
        "filter_write": written,
        "filter_step": 0 if size.keep_filter else steps - written,
        "ifmap_write": size.window_words(design) + slides,
        "mac": size.outputs * steps,
        "drain": size.outputs * (design.pipeline_stages - 1),
        "psum_pass": size.outputs * size.sums,
    }


def action_counts(
    design: PEDesign,
    size: Primitive,
    statistics: Statistics,
    waiting: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """How often a primitive with such operands takes each action.

    With G = q over the products a cycle, P = p (or the terms of all filters, if serial), O = p (or
    q p, if depthwise) and F columns: ``ifmap_read`` is F S G; ``psum_read`` is F (S G p - O), where
    a column has more than one sum (a single one waits in the sum register); ``psum_add`` F O with
    ``chain``. Bits are accesses times bits an access. The levels of a read multiplexer that move
    are the bits of the largest address that is read.

    Args:
        waiting: cycles of ``WAITING`` beside those of the primitive.

    Returns:
        Counts of all ``DESCRIPTIONS``.

    Raises:
        InputError: if ``design`` cannot run the primitive.
    """
    cycles = cycle_counts(design, size)
    issued = cycles.pop("mac")
    zeros = issued * statistics.zero
    macs = issued - zeros if design.zero_gating else issued
    used = macs / issued
    reads = used * size.outputs * size.window_words(design)
    sums = size.outputs * size.sums
    added = used * size.outputs * size.filter_width * size.groups(design) * size.filters
    weight_bits, read_bits = macs * statistics.weight, (macs + sums) * statistics.read
    counts: dict[str, float] = dict.fromkeys(DESCRIPTIONS, 0.0)
    counts.update(cycles)
    counts["mac" if size.mode == 0 else f"mac_mode{size.mode}"] = issued - zeros
    counts.update(
        mac_zero=zeros,
        ifmap_read=reads,
        psum_read=max(0.0, added - sums) if size.sums > 1 else 0.0,
        psum_add=sums if size.chain else 0.0,
        filter_in_bit=cycles["filter_write"] * statistics.filter_word,
        ifmap_in_bit=cycles["ifmap_write"] * statistics.ifmap_word,
        weight_select_bit=weight_bits * _levels(size.filter_words(design)),
        carry_bit=macs * statistics.carry,
        product_bit=macs * statistics.product,
        product_sign=macs * statistics.sign,
        summand_bit=(macs + sums) * statistics.summand,
        addend_bit=(macs + sums) * statistics.addend,
        read_bit=read_bits,
        read_select_bit=read_bits * _levels(size.sums),
        total_bit=macs * statistics.total,
        stored_bit=macs * statistics.stored,
        aligned_bit=(macs + sums) * statistics.aligned,
        distance_bit=(macs + sums) * statistics.distance,
        subtract=(macs + sums) * statistics.subtract,
        swap=(macs + sums) * statistics.swap,
        psum_in_bit=sums * statistics.psum_in if size.chain else 0.0,
        psum_out_bit=sums * statistics.psum_out,
    )
    # A split multiplier adds the same bits up in another way.
    split = f"mode{size.mode}_" if size.mode else ""
    counts[f"{split}weight_bit"] = weight_bits
    counts[f"{split}activation_bit"] = reads * statistics.activation
    counts[f"{split}partial_bit"] = macs * statistics.partial
    counts.update(waiting or {})
    return counts


def _levels(words: int) -> int:
    """Levels of a multiplexer that move when so many words are read in turn."""
    return (words - 1).bit_length()
