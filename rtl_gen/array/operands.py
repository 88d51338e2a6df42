"""A layer for an array, and operands for a layer. Imports no Amaranth."""

from __future__ import annotations

import math

import numpy as np

from rtl_gen import fp_golden
from rtl_gen.array.compiler import Scales
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer, convolve
from rtl_gen.errors import require_int
from rtl_gen.golden import Words
from rtl_gen.requantize import MAX_SHIFT, scale_word

SEED = (0, (1 << 32) - 1)
#: Columns of the ofmap, and channels and filters, of the layer that comes with an array: few, since
#: simulating a large array takes a tenth of a second a cycle.
_WIDTH, _CHANNELS, _FILTERS = 4, 6, 4
#: Standard deviations of the sums that become the largest activation.
_REACH = 3


def small_layer(design: ArrayDesign) -> Layer:
    """A convolution with padding that uses all columns of PEs; only very small banks refuse it."""
    pe = design.pe
    terms = pe.terms if pe.serial_terms else 1
    width = min(3, pe.ifmap_depth, pe.filter_depth // terms)
    height = min(3, max(1, design.rows))
    banks = math.ceil(design.columns / design.psum_buses)
    filters = min(_FILTERS, pe.psum_depth, max(1, design.psum_words // (banks * _WIDTH)))
    return Layer(
        channels=_CHANNELS, height=design.columns, width=_WIDTH + (width + 1) % 2,
        filters=filters, filter_height=height, filter_width=width,
        padding=((height - 1) // 2, height // 2, (width - 1) // 2, (width - 1) // 2),
    )  # fmt: skip


def draw_layer(
    design: ArrayDesign, layer: Layer, seed: int, mode: int = 0
) -> tuple[Words, Words, Scales]:
    """Ifmap, weight codes and scales of a layer, drawn at random.

    Integers are uniform, numbers of family ``fp`` normal. The scales make nearly all sums
    activations that are not cut off.

    Args:
        seed: the same one draws the same operands.

    Raises:
        InputError: if the seed or the mode is not legal.
    """
    pe = design.pe
    require_int("mode", mode, 0, pe.precision_modes - 1)
    generator = np.random.default_rng(require_int("seed", seed, *SEED))
    window = (layer.filter_height, layer.filter_width, layer.group_channels, layer.filters)
    image = (layer.height, layer.width, layer.channels)
    if pe.family == "fp":
        form = fp_golden.format_of_bits(pe.act_bits)
        zeros = np.zeros(layer.filters, dtype=np.int64)
        ifmap, weights = (
            fp_golden.encode(form, generator.normal(size=shape)) for shape in (image, window)
        )
        return ifmap, weights, Scales(multiplier=zeros, shift=zeros, bias=zeros)
    precision = pe.modes[mode]
    low = -(1 << (precision.act_bits - 1)) if pe.act_signed else 0
    ifmap = generator.integers(low, low + (1 << precision.act_bits), image)
    weights = generator.integers(0, 1 << precision.weight_bits, window)
    return (
        ifmap,
        weights,
        _draw_scales(design, convolve(pe, layer, ifmap, weights, mode), generator),
    )


def _draw_scales(design: ArrayDesign, sums: Words, generator: np.random.Generator) -> Scales:
    """Of each filter, so that its sums and its bias fill the activations."""
    pe = design.pe
    spread = 1 + sums.std(axis=(0, 1))
    bias = np.rint(np.clip(generator.normal(size=len(spread)), -2, 2) * spread / 2)
    top = (1 << (pe.act_bits - pe.act_signed)) - 1
    least, most = 2.0 ** (design.scale_bits - 1 - MAX_SHIFT), (1 << design.scale_bits) - 1
    words = [
        scale_word(float(np.clip(top / (_REACH * each), least, most)), scale_bits=design.scale_bits)
        for each in spread
    ]
    multiplier, shift = np.array(words, dtype=np.int64).T
    half = 1 << (pe.psum_bits - 1)
    return Scales(
        multiplier=multiplier, shift=shift,
        bias=np.clip(bias, -half / 2, half / 2).astype(np.int64),
    )  # fmt: skip
