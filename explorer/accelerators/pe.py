"""What a PE does with operands of a layer: its mode, and values in words of its scratchpads."""

from __future__ import annotations

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive

#: Words of each scratchpad of a PE, by tensor.
DEPTHS = {"ifmap": "ifmap_depth", "filter": "filter_depth", "psum": "psum_depth"}


def mode_of(design: PEDesign, act_bits: int, weight_bits: int) -> int:
    """The mode with the most products a cycle that takes such operands, index of ``modes``.

    Raises:
        InputError: if they are wider than the PE's.
    """
    for name, bits, most in (
        ("act_bits", act_bits, design.act_bits),
        ("weight_bits", weight_bits, design.weight_bits),
    ):
        if bits > most:
            raise InputError(
                f"{name} = {bits} of the layer must be at most the PE's {most}: choose other --bits"
            )
    return max(
        index
        for index, mode in enumerate(design.modes)
        if act_bits <= mode.act_bits and weight_bits <= mode.weight_bits
    )


def word_bits(design: PEDesign, tensor: str) -> int:
    """Bits of a word of a scratchpad."""
    widths = {
        "ifmap": design.act_word_bits,
        "filter": design.weight_word_bits,
        "psum": design.psum_bits,
    }
    return widths[tensor]


def values_in_word(design: PEDesign, mode: int, tensor: str) -> float:
    """Values of a tensor in a word of its scratchpad; less than 1 where a word is one term."""
    products = design.modes[mode].products
    if tensor == "psum":
        return 1.0
    if tensor == "ifmap":
        return float(products)
    any_size = Primitive(filter_width=1, channels=products, filters=1, outputs=1, mode=mode)
    terms = design.terms if design.serial_terms else 1
    return products * any_size.weights_per_word(design) / terms


def macs_per_cycle(design: PEDesign, mode: int) -> float:
    """Multiply-accumulates in a cycle; less than 1 where a weight's terms take turns."""
    return design.modes[mode].products / (design.terms if design.serial_terms else 1)
