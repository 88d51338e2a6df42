"""Operands to try a PE with: drawn in several ways, with the sums that they must give."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np

from rtl_gen import fp_golden
from rtl_gen.design import PEDesign
from rtl_gen.encode import encode_weights
from rtl_gen.errors import require_choice
from rtl_gen.golden import Primitive, Words, convolve_row, wrap
from rtl_gen.traces import Floats, Layer, Window

#: Ways to draw operands, and what they are.
OPERANDS = {
    "uniform": "uniform over all activation and weight codes; incoming psums over half their range",
    "sparse": "as uniform, but every other activation on average is zero",
    "dnn": "windows of the activations, weights and sums of a small CNN on Fashion-MNIST",
    "extremes": "the smallest and largest codes, and those next to zero",
    "close": "as uniform, but incoming psums nearly cancel what is added to them",
}
#: ``fp`` has no uniform codes that make sense as numbers: fraction and sign are uniform, and so is
#: the exponent, from 2**-8 to 2**7.
_FP_EXPONENTS = (-8, 8)
_ZERO_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One primitive with its operands and the sums it must give.

    Attributes:
        size: the primitive.
        ifmap, filters, psums, expected: as ``rtl_gen.golden.convolve_row`` takes and returns them.
    """

    size: Primitive
    ifmap: Words
    filters: Words
    psums: Words | None
    expected: Words


def draw(
    design: PEDesign,
    size: Primitive,
    seed: int,
    operands: str = "uniform",
    filters: Words | None = None,
) -> Workload:
    """Operands of a kind of ``OPERANDS``, and the golden sums.

    Args:
        filters: weight codes, if they are not to be drawn: those that ``keep_filter`` keeps.

    Raises:
        InputError: if there is no such kind, or ``design`` cannot run ``size``.
    """
    require_choice("operands", operands, OPERANDS)
    size.check(design)
    generator = np.random.default_rng(seed)
    if operands == "dnn":
        return _draw_dnn(design, size, generator, filters)
    make = _FpDraw if design.family == "fp" else _IntegerDraw
    source = make(design, size, operands, generator)
    ifmap = source.activations((size.ifmap_columns, size.channels))
    if operands == "sparse":
        ifmap = np.where(generator.random(ifmap.shape) < _ZERO_SHARE, 0, ifmap)
    if filters is None:
        drawn = source.weights((size.filter_width, size.channels, size.filters))
        filters = _without_dropped_terms(design, size, drawn)
    psums = source.psums((size.outputs, size.sums)) if size.chain else None
    if operands == "close" and size.chain:
        alone = dataclasses.replace(size, chain=False)
        psums = source.opposite(convolve_row(design, alone, ifmap, filters, None))
    expected = convolve_row(design, size, ifmap, filters, psums)
    return Workload(size=size, ifmap=ifmap, filters=filters, psums=psums, expected=expected)


def _draw_dnn(
    design: PEDesign, size: Primitive, generator: np.random.Generator, filters: Words | None
) -> Workload:
    """Operands of a recorded network; incoming psums are the sums of other rows of its layer."""
    window = Window(size.channels, generator)

    def ifmap() -> Words:
        return _activation_codes(design, size, window, window.activations(size.ifmap_columns))

    def weights() -> Words:
        real = window.weights(size.filter_width, size.filters)
        return _weight_codes(design, size, window, real)

    above = None
    if size.chain:
        alone = dataclasses.replace(size, chain=False)
        above = convolve_row(design, alone, ifmap(), weights(), None)
    acts, codes = ifmap(), weights() if filters is None else filters
    expected = convolve_row(design, size, acts, codes, above)
    return Workload(size=size, ifmap=acts, filters=codes, psums=above, expected=expected)


def _activation_codes(
    design: PEDesign, size: Primitive, window: Window, fractions: Floats
) -> Words:
    """Quantized with the scale of the layer: 1 is the largest code of the precision."""
    if design.family == "fp":
        form = fp_golden.format_of_bits(design.act_bits)
        return fp_golden.encode(form, fractions * window.layer.scale)
    top = (1 << (size.precision(design).act_bits - design.act_signed)) - 1
    return np.rint(fractions * top).astype(np.int64)


def _weight_codes(design: PEDesign, size: Primitive, window: Window, weights: Floats) -> Words:
    """Quantized with one scale for the whole layer, that of the least squared error."""
    if design.family == "fp":
        return encode_weights(design, weights).codes
    scale = _layer_scale(design, window.layer, size.mode)
    terms = size.terms_of_filters(design) if design.serial_terms else None
    return encode_weights(design, weights, scale=scale, axis=-1, terms=terms, mode=size.mode).codes


@functools.lru_cache(maxsize=64)
def _layer_scale(design: PEDesign, layer: Layer, mode: int) -> float:
    return float(encode_weights(design, layer.weights, scale="mse", mode=mode).scales.item())


def _without_dropped_terms(design: PEDesign, size: Primitive, codes: Words) -> Words:
    """Each filter's weights have no more terms than the filter."""
    kept = np.array(size.terms_of_filters(design)) if design.serial_terms else design.terms
    if design.terms == 0:
        return codes
    mask: Words = codes & ((np.int64(1) << (kept * design.term_bits)) - 1)
    return mask


class _IntegerDraw:
    def __init__(
        self, design: PEDesign, size: Primitive, operands: str, generator: np.random.Generator
    ) -> None:
        mode = size.precision(design)
        signed = design.act_signed
        self._design = design
        self._operands = operands
        self._generator = generator
        self._low = -(1 << (mode.act_bits - 1)) if signed else 0
        self._high = (1 << (mode.act_bits - signed)) - 1
        self._weight_bits = mode.weight_bits
        self._psum_half = 1 << (design.psum_bits - 2)

    def activations(self, shape: tuple[int, ...]) -> Words:
        if self._operands == "extremes":
            near = [value for value in (-1, 0, 1) if value >= self._low]
            return self._generator.choice(np.array([self._low, *near, self._high]), shape)
        return self._generator.integers(self._low, self._high, shape, endpoint=True)

    def weights(self, shape: tuple[int, ...]) -> Words:
        codes = 1 << self._weight_bits
        if self._operands == "extremes":
            ends = np.array([0, 1, codes // 2 - 1, codes // 2, codes - 1])
            return self._generator.choice(ends, shape)
        return self._generator.integers(0, codes, shape)

    def psums(self, shape: tuple[int, ...]) -> Words:
        half = self._psum_half
        if self._operands == "extremes":
            return self._generator.choice(np.array([-2 * half, -1, 0, 2 * half - 1]), shape)
        return self._generator.integers(-half, half, shape)

    def opposite(self, sums: Words) -> Words:
        """The negative of sums, or a number next to it."""
        return wrap(self._generator.integers(-2, 2, sums.shape) - sums, self._design.psum_bits)


class _FpDraw:
    def __init__(
        self, design: PEDesign, _size: Primitive, operands: str, generator: np.random.Generator
    ) -> None:
        self._operand = fp_golden.format_of_bits(design.act_bits)
        self._sum = fp_golden.format_of_bits(design.psum_bits)
        self._operands = operands
        self._generator = generator

    def activations(self, shape: tuple[int, ...]) -> Words:
        if self._operands == "close":
            return self._at_the_ends(shape)
        return self._bits(self._operand, shape)

    def weights(self, shape: tuple[int, ...]) -> Words:
        return self._bits(self._operand, shape)

    def psums(self, shape: tuple[int, ...]) -> Words:
        return self._bits(self._sum, shape)

    def _at_the_ends(self, shape: tuple[int, ...]) -> Words:
        """Numbers whose exponents are mostly near the smallest or the largest one."""
        form, generator = self._operand, self._generator
        reach = fp_golden.format_of_bits(32).fraction_bits + 8
        low = generator.integers(1, reach, shape)
        high = generator.integers(2 * form.bias - 3, 2 * form.bias, shape, endpoint=True)
        anywhere = generator.integers(1, 2 * form.bias, shape, endpoint=True)
        exponent = np.where(generator.random(shape) < _ZERO_SHARE, low, anywhere)
        exponent = np.where(generator.random(shape) < _ZERO_SHARE / 2, high, exponent)
        others = self._bits(form, shape) & ~((2 * form.bias + 1) << form.fraction_bits)
        bits: Words = others | exponent << form.fraction_bits
        return bits

    def opposite(self, sums: Words) -> Words:
        """The negative of sums, with other low bits, and every other one with another exponent."""
        form, generator = self._sum, self._generator
        changed = generator.integers(0, form.fraction_bits + 2, sums.shape)
        fraction = (sums ^ generator.integers(0, 1 << changed)) & ((1 << form.fraction_bits) - 1)
        reach = form.fraction_bits + 4
        away = generator.integers(-reach, reach, sums.shape, endpoint=True)
        away = np.where(generator.random(sums.shape) < _ZERO_SHARE, 0, away)
        exponent = ((sums >> form.fraction_bits) & (2 * form.bias + 1)) + away
        anywhere = generator.integers(0, 2 * form.bias, sums.shape, endpoint=True)
        exponent = np.where(generator.random(sums.shape) < _ZERO_SHARE / 4, anywhere, exponent)
        exponent = np.clip(exponent, 0, 2 * form.bias) << form.fraction_bits
        bits: Words = ~sums & (1 << (form.bits - 1)) | exponent | fraction
        return bits

    def _bits(self, form: fp_golden.FpFormat, shape: tuple[int, ...]) -> Words:
        """Bit patterns of ordinary numbers, or for ``extremes`` of all kinds of numbers."""
        generator = self._generator
        if self._operands == "extremes":
            fractions = np.array([0, 0, 1, (1 << form.fraction_bits) - 1])
            patterns = generator.integers(0, 1 << form.bits, shape)
            exponent = generator.choice(np.array([0, 1, form.bias, 2 * form.bias, -1]), shape)
            ends = (exponent & (2 * form.bias + 1)) << form.fraction_bits
            signs = patterns & (1 << (form.bits - 1))
            special = signs | ends | generator.choice(fractions, shape)
            return np.where(generator.random(shape) < _ZERO_SHARE, special, patterns)
        low, high = (form.bias + exponent for exponent in _FP_EXPONENTS)
        exponent = generator.integers(low, high, shape) << form.fraction_bits
        sign = generator.integers(0, 2, shape) << (form.bits - 1)
        return sign | exponent | generator.integers(0, 1 << form.fraction_bits, shape)
