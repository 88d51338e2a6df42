"""The NumPy golden model of the PE: what the hardware must compute, bit for bit.

Imports no Amaranth. Words are Python/NumPy integers as they appear on the ports: activations and
partial sums signed, weights as unsigned codes of ``weight_bits`` bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError, require_int

Words = NDArray[np.int64]

#: Fields of the ``config`` word, from the lowest bit: a size of the primitive and its bits. Each
#: size is stored minus one, so that none can be zero. The same for every design.
CONFIG_FIELDS = {"filter_width": 6, "channels": 6, "filters": 6, "outputs": 12}


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """The run-time sizes of one 1-D convolution primitive (Eyeriss, Chen et al., JSSC 2017).

    Attributes:
        filter_width: S, columns of the filter row.
        channels: q, input channels interleaved in a row.
        filters: p, filters whose rows share the ifmap row.
        outputs: F, output columns of the row.
    """

    filter_width: int
    channels: int
    filters: int
    outputs: int

    @property
    def window(self) -> int:
        """Ifmap words of one window: S x q."""
        return self.filter_width * self.channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole row: S x q x p x F."""
        return self.window * self.filters * self.outputs

    @property
    def config_word(self) -> int:
        """The word of the ``config`` stream that starts this primitive."""
        word = shift = 0
        for name, bits in CONFIG_FIELDS.items():
            word |= (getattr(self, name) - 1) << shift
            shift += bits
        return word

    @property
    def ifmap_columns(self) -> int:
        """Columns of the ifmap row: F + S - 1."""
        return self.outputs + self.filter_width - 1

    def check(self, design: PEDesign) -> None:
        """Refuse sizes that the scratchpads of ``design`` cannot hold.

        Raises:
            InputError: naming the scratchpad, or the size that is not a positive integer.
        """
        for name, bits in CONFIG_FIELDS.items():
            require_int(name, getattr(self, name), 1, 1 << bits)
        for words, what, depth, name in (
            (self.window, "filter_width x channels", design.ifmap_depth, "ifmap_depth"),
            (
                self.window * self.filters,
                "filter_width x channels x filters",
                design.filter_depth,
                "filter_depth",
            ),
            (self.filters, "filters", design.psum_depth, "psum_depth"),
        ):
            if words > depth:
                raise InputError(f"{what} must be at most {name} = {depth}, not {words}")


def decode_weights(design: PEDesign, codes: Words) -> Words:
    """The integer value of each weight code.

    ``int`` codes are two's complement. In the other families a code holds ``terms`` terms, the
    first in the lowest bits; a term is a sign bit above a field ``m``, worth 0 for ``m = 0`` and
    ``2**(m - 1)`` otherwise.

    Args:
        codes: integers in ``0 .. 2**weight_bits - 1``, any shape.

    Returns:
        Signed integers of the same shape.
    """
    codes = np.asarray(codes, dtype=np.int64)
    if design.terms == 0:
        return wrap(codes, design.weight_bits)
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


def convolve_row(
    design: PEDesign, size: Primitive, ifmap: Words, filters: Words, psums: Words
) -> Words:
    """The 1-D convolution primitive.

    ``out[x, f] = psums[x, f] + sum over s, c of ifmap[x + s, c] * weight[s, c, f]``, wrapped to
    ``psum_bits`` bits as the hardware does (no saturation).

    Args:
        ifmap: activations, shape ``[F + S - 1, q]``.
        filters: weight codes, shape ``[S, q, p]``.
        psums: incoming partial sums, shape ``[F, p]``.

    Returns:
        Partial sums, shape ``[F, p]``.

    Raises:
        InputError: if the sizes do not fit the scratchpads or a shape is not the stated one.
    """
    size.check(design)
    shapes = {
        "ifmap": (ifmap, (size.ifmap_columns, size.channels)),
        "filters": (filters, (size.filter_width, size.channels, size.filters)),
        "psums": (psums, (size.outputs, size.filters)),
    }
    for name, (array, shape) in shapes.items():
        if np.shape(array) != shape:
            raise InputError(f"{name} must have shape {shape}, not {np.shape(array)}")
    weights = decode_weights(design, filters)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.asarray(ifmap, dtype=np.int64), size.filter_width, axis=0
    )
    # int64 arithmetic wraps modulo 2**64, so wrapping once at the end is exact for any width.
    sums = np.einsum("xcs,scf->xf", windows, weights)
    return wrap(np.asarray(psums, dtype=np.int64) + sums, design.psum_bits)


def latency_cycles(design: PEDesign) -> int:
    """Cycles from issuing a multiply-accumulate until its sum can be read: the stages."""
    return design.pipeline_stages


def row_cycles(design: PEDesign, size: Primitive) -> int:
    """Cycles of one primitive when no stream ever waits.

    Counted from the clock edge that takes the configuration to the edge that hands over the last
    partial sum::

        Sqp + Sq + F (Sqp + pipeline_stages - 1 + p) + (F - 1) q + 1

    filters and first window loaded; per output column the products, the pipeline running empty
    and p sums passed on; q new ifmap words between columns; and the output register.
    """
    products = size.window * size.filters
    column = products + design.pipeline_stages - 1 + size.filters
    return products + size.window + size.outputs * column + (size.outputs - 1) * size.channels + 1


def macs_per_cycle(design: PEDesign, size: Primitive) -> float:
    """Throughput of the whole primitive: its products over ``row_cycles``; 1 while computing."""
    return size.macs / row_cycles(design, size)
