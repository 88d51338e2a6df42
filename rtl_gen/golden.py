"""The NumPy golden model of the PE: what the hardware must compute, bit for bit.

Imports no Amaranth. Activations and partial sums are integers (``fp``: bit patterns), weights are
unsigned codes. How they are packed into the words of the streams is told in ``rtl_gen.streams``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl_gen import fp_golden
from rtl_gen.design import Mode, PEDesign
from rtl_gen.errors import InputError, require_bool, require_int, require_integers

Words = NDArray[np.int64]

#: Fields of the ``config`` word, from the lowest bit, and their bits. The same for every design.
#: The first five are sizes, stored minus one, so that none can be zero.
CONFIG_FIELDS = {
    "filter_width": 6,
    "channels": 6,
    "filters": 6,
    "outputs": 12,
    "slide": 6,
    "depthwise": 1,
    "keep_filter": 1,
    "chain": 1,
    "mode": 2,
    "filters_2": 7,
    "filters_3": 7,
}
SIZE_FIELDS = ("filter_width", "channels", "filters", "outputs", "slide")
STRIDE = (1, 64)


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """What one 1-D convolution primitive computes (Eyeriss, Chen et al., JSSC 2017).

    Attributes:
        filter_width: S, columns of the filter row.
        channels: q, input channels interleaved in a row.
        filters: p, filters whose rows share the ifmap row; with ``depthwise``, filters a channel.
        outputs: F, output columns of the row.
        stride: U, ifmap columns from one window to the next.
        depthwise: each channel has filters and sums of its own; else sums run over all channels.
        keep_filter: use the filters of the primitive before, which must have had the same sizes:
            none are sent.
        chain: sums are added to those that ``psum_in`` brings; else they start at zero, and
            nothing is taken from ``psum_in``.
        mode: index into ``PEDesign.modes``.
        filter_terms: with ``serial_terms``, how many terms each filter has, never rising; None
            for as many as the design has.
    """

    filter_width: int
    channels: int
    filters: int
    outputs: int
    stride: int = 1
    depthwise: bool = False
    keep_filter: bool = False
    chain: bool = True
    mode: int = 0
    filter_terms: tuple[int, ...] | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole row: S x q x p x F."""
        return self.filter_width * self.channels * self.filters * self.outputs

    @property
    def sums(self) -> int:
        """Partial sums of one output column: p, or q x p if depthwise."""
        return self.filters * (self.channels if self.depthwise else 1)

    @property
    def slide(self) -> int:
        """Ifmap columns sent from one window to the next; those no window covers are not sent."""
        return min(self.stride, self.filter_width)

    @property
    def ifmap_columns(self) -> int:
        """Columns of the ifmap row: (F - 1) U + S."""
        return (self.outputs - 1) * self.stride + self.filter_width

    def precision(self, design: PEDesign) -> Mode:
        """The run-time precision."""
        return design.modes[self.mode]

    def groups(self, design: PEDesign) -> int:
        """Groups of channels whose products are summed in one cycle."""
        return self.channels // self.precision(design).products

    def terms_of_filters(self, design: PEDesign) -> tuple[int, ...]:
        """Cycles that one weight of each filter takes: its terms if serial, else 1."""
        if not design.serial_terms:
            return (1,) * self.filters
        return self.filter_terms or (design.terms,) * self.filters

    def steps(self, design: PEDesign) -> int:
        """Cycles of one output column's products."""
        return self.filter_width * self.groups(design) * sum(self.terms_of_filters(design))

    def weights_per_word(self, design: PEDesign) -> int:
        """Cycles that one filter word lasts: those of four products use a whole one each."""
        return 1 if self.precision(design).products == 4 else design.weights_per_word

    def filter_words(self, design: PEDesign) -> int:
        """Words that the filters take in their scratchpad."""
        return -(-self.steps(design) // self.weights_per_word(design))

    def window_words(self, design: PEDesign) -> int:
        """Ifmap words of one window."""
        return self.filter_width * self.groups(design)

    def config_word(self, design: PEDesign) -> int:
        """The word of the ``config`` stream that starts this primitive.

        Raises:
            InputError: if ``design`` cannot run it.
        """
        self.check(design)
        terms = self.terms_of_filters(design)
        values = {
            "filter_width": self.filter_width,
            "channels": self.groups(design),
            "filters": self.filters,
            "outputs": self.outputs,
            "slide": self.slide,
            "depthwise": int(self.depthwise),
            "keep_filter": int(self.keep_filter),
            "chain": int(self.chain),
            "mode": self.mode,
            "filters_2": sum(count >= 2 for count in terms),
            "filters_3": sum(count >= 3 for count in terms),
        }
        word = shift = 0
        for name, bits in CONFIG_FIELDS.items():
            word |= (values[name] - (name in SIZE_FIELDS)) << shift
            shift += bits
        return word

    def check(self, design: PEDesign) -> None:
        """Refuse what ``design`` cannot run.

        Raises:
            InputError: naming the scratchpad that is too small, or the value that is not legal.
        """
        for name in SIZE_FIELDS[:-1]:
            require_int(name, getattr(self, name), 1, 1 << CONFIG_FIELDS[name])
        require_int("stride", self.stride, *STRIDE)
        for name in ("depthwise", "keep_filter", "chain"):
            require_bool(name, getattr(self, name))
        require_int("mode", self.mode, 0, design.precision_modes - 1)
        products = self.precision(design).products
        if self.channels % products:
            raise InputError(
                f"channels must be a multiple of {products} in mode {self.mode} "
                f"({self.precision(design).name}), not {self.channels}"
            )
        if self.depthwise and products > 1:
            raise InputError(
                f"mode must be 0 for a depthwise primitive, whose channels are not summed, "
                f"not {self.mode}"
            )
        self._check_terms(design)
        shared = f" / {products}" if products > 1 else ""
        per_word = self.weights_per_word(design)
        terms = " x terms" if design.serial_terms else ""
        packed = shared + (f" / {per_word}" if per_word > 1 else "")
        for words, what, depth, name in (
            (
                self.window_words(design),
                f"filter_width x channels{shared}",
                design.ifmap_depth,
                "ifmap_depth",
            ),
            (
                self.filter_words(design),
                f"filter_width x channels x filters{terms}{packed}",
                design.filter_depth,
                "filter_depth",
            ),
            (
                self.sums,
                "channels x filters" if self.depthwise else "filters",
                design.psum_depth,
                "psum_depth",
            ),
        ):
            if words > depth:
                raise InputError(f"{what} must be at most {name} = {depth}, not {words}")

    def _check_terms(self, design: PEDesign) -> None:
        terms = self.filter_terms
        if terms is None:
            return
        if not design.serial_terms:
            raise InputError("filter_terms must be left out for a design without serial_terms")
        if len(terms) != self.filters:
            raise InputError(
                f"filter_terms must have one number for each of the {self.filters} filters, "
                f"not {len(terms)}"
            )
        for count in terms:
            require_int("filter_terms", count, 1, design.terms)
        if any(after > before for before, after in itertools.pairwise(terms)):
            raise InputError("filter_terms must not rise: filters with more terms come first")


def decode_weights(design: PEDesign, codes: Words, mode: int = 0) -> Words:
    """The integer value of each weight code.

    ``int`` codes are two's complement. In the shift families a code holds ``terms`` terms, the
    first in the lowest bits; a term is a sign bit above a field ``m``, worth 0 for ``m = 0`` and
    ``2**(m - 1)`` otherwise. ``fp`` codes are bit patterns and stay what they are.

    Args:
        codes: integers in ``0 .. 2**weight_bits - 1`` of the mode, any shape.
        mode: index into ``design.modes``.

    Returns:
        Signed integers of the same shape.
    """
    codes = np.asarray(codes, dtype=np.int64)
    if design.family == "fp":
        return codes
    if design.terms == 0:
        return wrap(codes, design.modes[mode].weight_bits)
    field_bits = design.term_bits - 1
    total = np.zeros_like(codes)
    for index in range(design.terms):
        term = (codes >> (index * design.term_bits)) & ((1 << design.term_bits) - 1)
        field = term & ((1 << field_bits) - 1)
        magnitude = (np.int64(1) << field) >> 1
        total += np.where(term >> field_bits, -magnitude, magnitude)
    return total


def wrap(values: Words, bits: int) -> Words:
    """Two's complement wrap-around of integers to ``bits`` bits."""
    values = np.asarray(values, dtype=np.int64)
    if bits >= 64:
        return values
    half = 1 << (bits - 1)
    mask = (1 << bits) - 1
    return ((values + half) & mask) - half


def check_ifmap(design: PEDesign, size: Primitive, ifmap: Words) -> Words:
    """Return the activations of a primitive, if they are such: shape ``[(F - 1) U + S, q]``.

    Raises:
        InputError: if the shape is another, or one has more bits than its mode gives it.
    """
    bits = size.precision(design).act_bits
    low, high = 0, (1 << bits) - 1
    if design.act_signed and design.family != "fp":
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return require_integers("ifmap", ifmap, low, high, (size.ifmap_columns, size.channels))


def check_filters(design: PEDesign, size: Primitive, filters: Words) -> Words:
    """Return the weight codes of a primitive, if they are such: shape ``[S, q, p]``.

    Raises:
        InputError: if the shape is another, or one has more bits than its mode gives it.
    """
    shape = (size.filter_width, size.channels, size.filters)
    top = (1 << size.precision(design).weight_bits) - 1
    return require_integers("filters", filters, 0, top, shape)


def check_psums(design: PEDesign, psums: Words, shape: tuple[int, ...] | None = None) -> Words:
    """Return partial sums, of any shape or this one, if they are integers of ``psum_bits`` bits.

    Raises:
        InputError: if not.
    """
    reach = 1 << (design.psum_bits - 1)
    low, high = (0, 2 * reach - 1) if design.family == "fp" else (-reach, reach - 1)
    return require_integers("psums", psums, low, high, shape)


def convolve_row(
    design: PEDesign, size: Primitive, ifmap: Words, filters: Words, psums: Words | None
) -> Words:
    """The 1-D convolution primitive.

    ``out[x, f] = psums[x, f] + sum over s, c of ifmap[x U + s, c] * weight[s, c, f]``, wrapped to
    ``psum_bits`` bits as the hardware does (no saturation). Depthwise there is a sum for each
    channel: ``out[x, c p + f]``, over s alone.

    ``fp`` rounds every product to the format of the sums (those of two bfloat16 are exact in
    binary32), and every addition: from +0, over s, then c, then onto ``psums``.

    Args:
        ifmap: activations, shape ``[(F - 1) U + S, q]``.
        filters: weight codes, shape ``[S, q, p]``.
        psums: incoming partial sums, shape ``[F, sums]``; None without ``chain``.

    Returns:
        Partial sums, shape ``[F, sums]``.

    Raises:
        InputError: if the sizes do not fit the scratchpads, a shape is not the stated one, or an
            operand has more bits than the hardware has for it.
    """
    size.check(design)
    if (psums is None) == size.chain:
        raise InputError("psums must be given if, and only if, the primitive has chain")
    acts = check_ifmap(design, size, ifmap)
    weights = decode_weights(design, check_filters(design, size, filters), size.mode)
    if psums is not None:
        psums = check_psums(design, psums, (size.outputs, size.sums))
    windows = np.lib.stride_tricks.sliding_window_view(acts, size.filter_width, axis=0)
    windows = windows[:: size.stride]
    if design.family == "fp":
        return _accumulate_fp(design, size, windows, weights, psums)
    # int64 arithmetic wraps modulo 2**64, so wrapping once at the end is exact for any width.
    sums = np.einsum("xcs,scf->xcf" if size.depthwise else "xcs,scf->xf", windows, weights)
    sums = sums.reshape(size.outputs, size.sums)
    if psums is not None:
        sums = sums + psums
    return wrap(sums, design.psum_bits)


def _accumulate_fp(
    design: PEDesign, size: Primitive, windows: Words, weights: Words, psums: Words | None
) -> Words:
    """The sums of ``convolve_row`` in floating point, in the hardware's order."""
    operand = fp_golden.format_of_bits(design.act_bits)
    result = fp_golden.format_of_bits(design.psum_bits)
    # For every column x: products[x, c, f, s].
    products = fp_golden.multiply(
        operand, windows[:, :, None, :], weights.transpose(1, 2, 0)[None], result
    )
    columns, channels, filters, width = products.shape
    if size.depthwise:
        steps = products.reshape(columns, channels * filters, width)
    else:
        steps = products.transpose(0, 2, 3, 1).reshape(columns, filters, width * channels)
    sums = np.zeros(steps.shape[:2], dtype=np.int64)
    for step in range(steps.shape[2]):
        sums = fp_golden.add(result, sums, steps[:, :, step])
    return sums if psums is None else fp_golden.add(result, psums, sums)


def latency_cycles(design: PEDesign) -> int:
    """Cycles from issuing a multiply-accumulate until its sum can be read: the stages."""
    return design.pipeline_stages


def row_cycles(design: PEDesign, size: Primitive) -> int:
    """Cycles of one primitive when no stream ever waits.

    Counted from the clock edge that takes the configuration to the edge that hands over the last
    partial sum. With G = q over the products a cycle, P = p (or the terms of all filters, if
    serial), O = p (or q p, if depthwise) and V = min(U, S)::

        S G P + S G + F (S G P + pipeline_stages - 1 + O) + (F - 1) V G + 1

    filters (not with ``keep_filter``) and first window loaded; per output column the products, the
    pipeline running empty and O sums passed on; V G new ifmap words between columns; and the
    output register.

    Raises:
        InputError: if ``design`` cannot run the primitive.
    """
    size.check(design)
    steps, window = size.steps(design), size.window_words(design)
    column = steps + design.pipeline_stages - 1 + size.sums
    slides = (size.outputs - 1) * size.slide * size.groups(design)
    return (0 if size.keep_filter else steps) + window + size.outputs * column + slides + 1


def macs_per_cycle(design: PEDesign, size: Primitive) -> float:
    """Throughput of the whole primitive: its products over ``row_cycles``."""
    return size.macs / row_cycles(design, size)
