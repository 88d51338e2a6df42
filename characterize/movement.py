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
        zero: share of multiply-accumulate cycles with a zero activation. With ``zero_gating``
            nothing moves in them, and the other statistics leave them out.
        filter_word: bits from one word of the ``filter`` stream to the next.
        ifmap_word: the same of ``ifmap``.
        psum_in, psum_out: the same of these.
        weight: bits from one multiply-accumulate's weight word to the next one's.
        activation: bits from one activation word read to the next.
        partial: bits of the partial products, from a multiply-accumulate to the next: rows of
            Booth's recoding, or pairs of bits of an array; shift families: shifted terms.
        carry: bits that the carries behind negative rows of Booth's recoding run through.
        product: bits of the product, as ``partial``.
        sign: share of multiply-accumulates whose product has another sign than the one before.
        summand, addend: bits at the adder's first input (product, or incoming sum) and at its
            second (stored sum), from each cycle of the adder to the next.
        read: bits at the read port of the psum scratchpad, likewise; it is read for a sum that
            begins, too.
        total: bits of the sum register, from one multiply-accumulate to the next.
        stored: bits by which a stored sum differs from what it replaces.
        aligned: ``fp``: bits of the adder's smaller significand, aligned, and inverted where the
            adder subtracts.
        distance: ``fp``: bits of the difference of the adder's exponents.
        subtract: ``fp``: share of the adder's cycles that subtract.
        swap: ``fp``: share of the adder's cycles whose other input is the larger one.
    """

    zero: float
    filter_word: float
    ifmap_word: float
    psum_in: float
    psum_out: float
    weight: float
    activation: float
    partial: float
    carry: float
    product: float
    sign: float
    summand: float
    addend: float
    read: float
    total: float
    stored: float
    aligned: float
    distance: float
    subtract: float
    swap: float

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
    zero = acts == 0
    moves = ~zero if design.zero_gating else np.ones_like(zero)
    first = _first(design, size)
    valid = moves | first
    products = np.where(moves, _products(design, size, acts, weights), 0)
    sums, before, stored = _sums(design, size, products, valid)
    summand, addend, read = _adder(design, work, products, before, sums, valid, first)
    partial, carry = _partial(design, size, acts[moves], weights[moves])
    width = design.weight_word_bits
    reads = acts.reshape(size.outputs, size.window_words(design), -1)[:, :, 0].ravel()
    loaded = [] if size.keep_filter else filter_words(design, size, work.filters)
    aligned, distance, subtract, swap = _alignment(design, summand, addend)
    return Statistics(
        zero=float(zero.mean()),
        filter_word=_mean_change(np.array(loaded, dtype=np.int64), width),
        ifmap_word=_mean_change(np.array(ifmap_words(design, size, work.ifmap)), 63),
        psum_in=0.0 if work.psums is None else _mean_change(_bits(design, work.psums), 64),
        psum_out=_mean_change(_bits(design, work.expected), 64),
        weight=_mean_change(weights[moves], width),
        activation=_mean_change(reads[reads != 0] if design.zero_gating else reads, 63),
        partial=partial,
        carry=carry,
        product=_mean_change(products[moves], design.product_bits),
        sign=_mean_change(products[moves] >> (design.product_bits - 1), 1),
        summand=_mean_change(summand, design.psum_bits),
        addend=_mean_change(addend, design.psum_bits),
        read=_mean_change(read, design.psum_bits),
        total=_mean_change(sums[valid], design.psum_bits),
        stored=stored,
        aligned=aligned,
        distance=distance,
        subtract=subtract,
        swap=swap,
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
) -> tuple[Words, Words, float]:
    """The sum register after each cycle and what was stored before it, ``[F, steps]``.

    And the mean number of bits that a stored sum changes by.
    """
    of_step = _sum_of_step(design, size)
    sums, before = np.zeros_like(products), np.zeros_like(products)
    changes = count = 0
    for index in range(size.sums):
        steps = np.flatnonzero(of_step == index)
        sums[:, steps] = _running_sums(design, products[:, steps])
        before[:, steps[1:]] = sums[:, steps[:-1]]
        before[:, steps[0]] = np.roll(sums[:, steps[-1]], 1)  # of the column before
        written = sums[:, steps][valid[:, steps]]
        changes += int(_changes(written, design.psum_bits).sum())
        count += max(1, len(written) - 1)
    return sums, before, changes / count


def _running_sums(design: PEDesign, products: Words) -> Words:
    """Along the last axis."""
    if design.family != "fp":
        return np.cumsum(products, axis=1)
    form = fp_golden.format_of_bits(design.psum_bits)
    sums = np.zeros_like(products)
    total = np.zeros(len(products), dtype=np.int64)
    for step in range(products.shape[1]):
        sums[:, step] = total = fp_golden.add(form, total, products[:, step])
    return sums


def _adder(
    design: PEDesign,
    work: Workload,
    products: Words,
    before: Words,
    sums: Words,
    valid: NDArray[np.bool_],
    first: NDArray[np.bool_],
) -> tuple[Words, Words, Words]:
    """Both inputs of the adder in its cycles: a column's products, then its sums as they leave.

    And what the psum scratchpad reads meanwhile.
    """
    of_step = _sum_of_step(design, work.size)
    last = [int(np.flatnonzero(of_step == index)[-1]) for index in range(work.size.sums)]
    final = sums[:, last]
    incoming = np.zeros_like(final) if work.psums is None else work.psums
    counts = np.concatenate([valid, np.ones_like(final, dtype=bool)], axis=1)
    return (
        np.concatenate([products, incoming], axis=1)[counts],
        np.concatenate([np.where(first, 0, before), final], axis=1)[counts],
        np.concatenate([before, final], axis=1)[counts],
    )


def _alignment(design: PEDesign, a: Words, b: Words) -> tuple[float, float, float, float]:
    """Of a floating-point adder, as ``Statistics`` has them: aligned, distance, subtract, swap."""
    if design.family != "fp":
        return 0.0, 0.0, 0.0, 0.0
    form = fp_golden.format_of_bits(design.psum_bits)
    magnitude = (np.int64(1) << (form.bits - 1)) - 1
    swap = (a & magnitude) < (b & magnitude)
    large, small = np.where(swap, b, a), np.where(swap, a, b)
    subtract = ((a ^ b) >> (form.bits - 1)) & 1
    of_a, of_b, largest, smallest = (
        (x & magnitude) >> form.fraction_bits for x in (a, b, large, small)
    )
    # Three more places: guard, round and sticky bit.
    shift = np.minimum(largest - smallest, form.fraction_bits + 3)
    aligned = (_significands(form, small) << 3) >> shift
    return (
        _mean_change(aligned ^ -subtract, form.fraction_bits + 5),
        _mean_change(of_a - of_b, form.exponent_bits + 1),
        float(subtract.mean()),
        _mean_change(swap.astype(np.int64), 1),
    )


def _partial(design: PEDesign, size: Primitive, acts: Words, weights: Words) -> tuple[float, float]:
    """Mean changes of the partial products, or shifted terms, and mean length of carries."""
    if design.terms:
        (factors, _), terms = _lanes(design, size, acts, weights), _terms(design, weights)
        shifted = factors * terms
        changes = (_mean_change(row, design.product_bits) for row in shifted.T)
        return sum(changes), 0.0
    if design.family == "fp":
        form = fp_golden.format_of_bits(design.act_bits)
        bits = form.fraction_bits + 1
        lanes = [(_significands(form, acts), _significands(form, weights), bits + 1, bits + 1)]
    else:
        mode = size.precision(design)
        a, w = _lanes(design, size, acts, weights)
        act_bits = mode.act_bits + (not design.act_signed)
        lanes = [(a[:, k], w[:, k], act_bits, mode.weight_bits) for k in range(mode.products)]
    if design.multiplier == "array":
        return sum(_matrix_changes(*lane) for lane in lanes), 0.0
    rows = [_booth(*lane) for lane in lanes]
    return sum(changes for changes, _ in rows), sum(carries for _, carries in rows)


def _matrix_changes(a: Words, w: Words, a_bits: int, w_bits: int) -> float:
    """Mean number of entries that change in the AND matrix of two numbers."""
    if len(a) < 2:
        return 0.0
    a, w = a & ((1 << a_bits) - 1), w & ((1 << w_bits) - 1)
    size = np.bitwise_count(a).astype(float) * np.bitwise_count(w)
    same = np.bitwise_count(a[1:] & a[:-1]).astype(float) * np.bitwise_count(w[1:] & w[:-1])
    return float((size[1:] + size[:-1] - 2 * same).mean())


def _booth(a: Words, w: Words, a_bits: int, w_bits: int) -> tuple[float, float]:
    """Radix-4 recoding of the second of two signed numbers: row k is the first times -2 .. 2.

    A negative row is the inverse of a positive one, and a one is added at its end: the carry of
    that runs through all its low zeros.
    """
    changes = carries = 0.0
    bits = np.stack([np.zeros_like(w), *((w >> place) & 1 for place in range(w_bits + 1))])
    for row in range((w_bits + 1) // 2):
        low, middle, high = bits[2 * row : 2 * row + 3]
        digit = low + middle - 2 * high
        positive = np.abs(digit) * a
        negative = digit < 0
        changes += _mean_change(np.where(negative, ~positive, positive), a_bits + 1)
        changes += _mean_change(negative.astype(np.int64), 1)
        mask = (1 << (a_bits + w_bits - 2 * row)) - 1
        run = np.bitwise_count((~positive ^ -positive) & mask)
        carries += float(np.where(negative, run, 0).mean()) if len(run) else 0.0
    return changes, carries


def _significands(form: fp_golden.FpFormat, numbers: Words) -> Words:
    """Fractions with their hidden bits, which zeros do not have."""
    hidden = np.int64(1) << form.fraction_bits
    exponents = (numbers >> form.fraction_bits) & (2 * form.bias + 1)
    significands: Words = (numbers & (hidden - 1)) | np.where(exponents > 0, hidden, 0)
    return significands


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
