"""How many bits move in a primitive: what the energy of its actions depends on.

Everything is computed from the operands with the golden model, cycle by cycle and in the order in
which the PE takes them; nothing is simulated. Changes between one word and the next on the same
wires count; the very first word has nothing before it, and is taken to be like the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl_gen import fp_golden
from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive, Words, decode_weights
from rtl_gen.operands import Workload
from rtl_gen.packing import unpack
from rtl_gen.streams import (
    filter_words,
    ifmap_words,
    psum_words,
    step_activations,
    step_weights,
)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Mean numbers of bits that change, and shares, of the operands of a primitive.

    Attributes:
        skipped: share of multiply-accumulate cycles with a zero activation (only with
            ``zero_gating``, where nothing moves in them).
        filter_word: bits from one word of the ``filter`` stream to the next.
        ifmap_word: the same of ``ifmap``.
        psum_in, psum_out: the same of these.
        weight: bits from one multiply-accumulate's weight word to the next one's.
        activation: bits from one activation word read to the next.
        partial: changes in the matrix of partial products, of which each is one bit of the
            activation and one of the weight; shift families: bits of the shifted terms. A
            multiply-accumulate's to the next one's.
        product: bits of the product, likewise.
        total: bits of the sum register, likewise.
        stored: bits by which a stored sum differs from what it replaces.
    """

    skipped: float
    filter_word: float
    ifmap_word: float
    psum_in: float
    psum_out: float
    weight: float
    activation: float
    partial: float
    product: float
    total: float
    stored: float

    @classmethod
    def mean(cls, statistics: Mapping[Statistics, float]) -> Statistics:
        """Of several primitives, each with its weight."""
        total = sum(statistics.values())
        names = cls.__dataclass_fields__
        return cls(
            **{n: sum(getattr(s, n) * w for s, w in statistics.items()) / total for n in names}
        )


def measure_statistics(design: PEDesign, work: Workload) -> Statistics:
    """The statistics of a primitive with its operands.

    Raises:
        InputError: if ``design`` cannot run it.
    """
    size = work.size
    size.check(design)
    acts, weights = _operands(design, work)
    moves = acts != 0 if design.zero_gating else np.ones_like(acts, dtype=bool)
    first = _first(design, size)
    valid = moves | first
    products = _products(design, size, acts, weights)
    sums, stored = _sums(design, size, products, valid)
    width = design.weight_word_bits
    reads = acts.reshape(size.outputs, size.window_words(design), -1)[:, :, 0].ravel()
    loaded = [] if size.keep_filter else filter_words(design, size, work.filters)
    return Statistics(
        skipped=float(1 - moves.mean()),
        filter_word=_mean_change(np.array(loaded, dtype=np.int64), width),
        ifmap_word=_mean_change(np.array(ifmap_words(design, size, work.ifmap)), 63),
        psum_in=0.0 if work.psums is None else _mean_change(_bits(design, work.psums), 64),
        psum_out=_mean_change(_bits(design, work.expected), 64),
        weight=_mean_change(weights[moves], width),
        activation=_mean_change(reads[reads != 0] if design.zero_gating else reads, 63),
        partial=_partial(design, size, acts[moves], weights[moves]),
        product=_mean_change(products[moves], design.product_bits),
        total=_mean_change(sums[valid], design.psum_bits),
        stored=stored,
    )


def _operands(design: PEDesign, work: Workload) -> tuple[Words, Words]:
    """Activation and weight words of every multiply-accumulate cycle: ``[F, steps]``."""
    size = work.size
    weights = step_weights(design, size, work.filters)
    acts = step_activations(design, size, work.ifmap)
    per_word = len(weights) // acts.shape[1]
    return (
        np.repeat(acts, per_word, axis=1),
        np.broadcast_to(weights, (size.outputs, len(weights))),
    )


def _sum_of_step(design: PEDesign, size: Primitive) -> NDArray[np.int64]:
    """Which sum of its column each cycle adds to."""
    of_filter = np.repeat(np.arange(size.filters), size.terms_of_filters(design))
    channel = np.arange(size.groups(design)) if size.depthwise else np.zeros(size.groups(design))
    group = channel[:, None].astype(np.int64) * size.filters + of_filter
    return np.tile(group.ravel(), size.filter_width)


def _first(design: PEDesign, size: Primitive) -> NDArray[np.bool_]:
    """Whether a cycle begins a sum: ``[F, steps]``."""
    sums = _sum_of_step(design, size)
    first = np.zeros(len(sums), dtype=bool)
    first[np.unique(sums, return_index=True)[1]] = True
    return np.broadcast_to(first, (size.outputs, len(sums)))


def _products(design: PEDesign, size: Primitive, acts: Words, weights: Words) -> Words:
    """The product, or sum of products, of each cycle."""
    if design.family == "fp":
        operand, result = (
            fp_golden.format_of_bits(bits) for bits in (design.act_bits, design.psum_bits)
        )
        return fp_golden.multiply(operand, acts, weights, result)
    lanes, values = _lanes(design, size, acts, weights)
    products: Words = (lanes * values).sum(axis=-1)
    return products


def _lanes(design: PEDesign, size: Primitive, acts: Words, weights: Words) -> tuple[Words, Words]:
    """Values of the factors of each product: ``[..., products]``."""
    mode = size.precision(design)
    factors = unpack(acts, mode.act_bits, mode.products, signed=design.act_signed)
    if design.terms:
        values = _terms(design, weights).sum(axis=-1)[..., None]
    else:
        codes = unpack(weights, mode.weight_bits, mode.products, signed=False)
        values = decode_weights(design, codes, size.mode)
    return factors, values


def _terms(design: PEDesign, weights: Words) -> Words:
    """The terms of each weight word: ``[..., terms]``."""
    count = 1 if design.serial_terms else design.terms
    terms = unpack(weights, design.term_bits, count, signed=False)
    field = terms & ((1 << (design.term_bits - 1)) - 1)
    magnitude = (np.int64(1) << field) >> 1
    return np.where(terms >> (design.term_bits - 1), -magnitude, magnitude)


def _sums(
    design: PEDesign, size: Primitive, products: Words, valid: NDArray[np.bool_]
) -> tuple[Words, float]:
    """The sum register after each cycle, ``[F, steps]``, and mean changes of a stored sum."""
    of_step = _sum_of_step(design, size)
    sums = np.zeros_like(products)
    changes = count = 0
    for index in range(size.sums):
        steps = np.flatnonzero(of_step == index)
        taken = products[:, steps]
        if design.family == "fp":
            form = fp_golden.format_of_bits(design.psum_bits)
            total = np.zeros(size.outputs, dtype=np.int64)
            for place, step in enumerate(steps):
                total = fp_golden.add(form, total, taken[:, place])
                sums[:, step] = total
        else:
            sums[:, steps] = np.cumsum(taken, axis=1)
        written = sums[:, steps][valid[:, steps]]
        changes += int(_changes(written, design.psum_bits).sum())
        count += max(1, len(written) - 1)
    return sums, changes / count


def _partial(design: PEDesign, size: Primitive, acts: Words, weights: Words) -> float:
    """Mean changes in the matrix of partial products, or of shifted terms."""
    if design.terms:
        (factors, _), terms = _lanes(design, size, acts, weights), _terms(design, weights)
        shifted = factors * terms
        return sum(
            _mean_change(shifted[:, term], design.product_bits) for term in range(terms.shape[-1])
        )
    if design.family == "fp":
        form = fp_golden.format_of_bits(design.act_bits)
        pairs = [(_significands(form, acts), _significands(form, weights))]
    else:
        mode = size.precision(design)
        a = unpack(acts, mode.act_bits, mode.products, signed=False)
        w = unpack(weights, mode.weight_bits, mode.products, signed=False)
        pairs = [(a[:, lane], w[:, lane]) for lane in range(mode.products)]
    return sum(_matrix_changes(a, w) for a, w in pairs)


def _significands(form: fp_golden.FpFormat, numbers: Words) -> Words:
    """Fractions with their hidden bits, which zeros do not have."""
    hidden = np.int64(1) << form.fraction_bits
    exponents = (numbers >> form.fraction_bits) & (2 * form.bias + 1)
    significands: Words = (numbers & (hidden - 1)) | np.where(exponents > 0, hidden, 0)
    return significands


def _matrix_changes(a: Words, w: Words) -> float:
    """Mean number of entries that change in the AND matrix of two numbers."""
    if len(a) < 2:
        return 0.0
    size = np.bitwise_count(a).astype(float) * np.bitwise_count(w)
    same = np.bitwise_count(a[1:] & a[:-1]).astype(float) * np.bitwise_count(w[1:] & w[:-1])
    return float((size[1:] + size[:-1] - 2 * same).mean())


def _bits(design: PEDesign, psums: Words) -> Words:
    return np.array(psum_words(design, psums), dtype=np.uint64).view(np.int64)


def _changes(words: Words, bits: int) -> NDArray[np.int64]:
    """Bits that differ between each word and the one before."""
    mask = np.uint64((1 << bits) - 1)
    words = words.view(np.uint64) if words.dtype == np.int64 else words.astype(np.uint64)
    changes: NDArray[np.int64] = np.bitwise_count((words[1:] ^ words[:-1]) & mask).astype(np.int64)
    return changes


def _mean_change(words: Words, bits: int) -> float:
    """Mean number of bits that change from one word to the next."""
    return float(_changes(np.ascontiguousarray(words), bits).mean()) if len(words) > 1 else 0.0
