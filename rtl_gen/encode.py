"""Real weights to weight codes: the nearest level, always, and what a greedy encoder would lose.

A *level* is an integer that some weight code stands for (``rtl_gen.golden.decode_weights``). A
real weight w is stood for by ``scale * level``; the scale is folded into the scale of the output
stage (``rtl_gen.requantize``), so the PE computes with levels alone. ``fp`` has no levels and no
scale: its codes are the weights' own bit patterns.

Imports no Amaranth.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtl_gen import fp_golden
from rtl_gen.design import TERMS, PEDesign
from rtl_gen.errors import InputError, require_choice, require_int, require_integers
from rtl_gen.golden import Words, decode_weights

Floats = NDArray[np.float64]
Terms = int | Sequence[int] | Words | None

SCALES = ("max", "mse")
PER = ("tensor", "channel")
ROUNDINGS = ("exponent", "distance")

#: What ``mse`` tries, as factors on the scale of ``max``: 2**-3 to 2 in sixteenths of an octave.
#: Far below 1 the largest weights are clipped, which few and fine levels want. Above 1 they are
#: not on the largest level: powers of two repeat every octave, so their best place in it is free.
SCALE_GRID = 2.0 ** (np.arange(-48, 17) / 16)


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """What weight codes can stand for. Symmetric: the negative of a level is a level.

    Attributes:
        values: the distinct levels, rising.
        codes: for each, the smallest code. No code of the level has fewer nonzero terms, for it
            would be smaller with these in the lowest positions; there they are.
        term_counts: nonzero terms of that code; 0 for ``int``.
    """

    values: Words
    codes: Words
    term_counts: Words

    def nearest(self, numbers: Floats) -> Words:
        """Index of the level nearest to each number; of two, that of smaller magnitude."""
        zero = len(self.values) // 2
        positive = self.values[zero:]
        # Exact: levels are below 2**17. The left side of a middle takes the middle itself.
        steps = np.searchsorted((positive[:-1] + positive[1:]) / 2, np.abs(numbers), side="left")
        return np.where(numbers < 0, zero - steps, zero + steps)


def levels(design: PEDesign, terms: int | None = None, *, mode: int = 0) -> Levels:
    """The levels of a design's weight codes.

    ``int`` leaves the most negative code out: with it, negative weights would have a level that
    positive ones lack, and one scale could not fit both sides.

    Args:
        terms: those of codes with at most this many nonzero terms; None for all.
        mode: index into ``design.modes``.

    Raises:
        InputError: for ``fp``, or if terms or mode is not one of the design's.
    """
    (count,) = _row_terms(design, terms, 1)
    return _levels(design, int(count), _check_mode(design, mode))


@functools.cache
def _levels(design: PEDesign, terms: int, mode: int) -> Levels:
    if design.family == "int":
        bits = design.modes[mode].weight_bits
        top = (1 << (bits - 1)) - 1
        values = np.arange(-top, top + 1)
        codes, counts = values & ((1 << bits) - 1), np.zeros_like(values)
    else:
        # Codes of the first positions alone: the others are zero.
        everything = decode_weights(design, np.arange(1 << (terms * design.term_bits)))
        values, codes = np.unique(everything, return_index=True)  # the first: the smallest
        counts = _count_terms(design, codes)
    for array in (values, codes, counts):
        array.setflags(write=False)  # shared by all callers
    return Levels(values=values, codes=codes, term_counts=counts)


def _count_terms(design: PEDesign, codes: Words) -> Words:
    """Nonzero terms of each code."""
    positions = np.arange(design.terms) * design.term_bits
    fields = (codes[..., None] >> positions) & ((1 << (design.term_bits - 1)) - 1)
    return np.asarray(np.count_nonzero(fields, axis=-1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Weights as the PE takes them; ``scales * values`` is what they stand for.

    Attributes:
        codes: weight codes, of the weights' shape; for ``fp``, bit patterns.
        scales: float64, broadcastable to that shape.
        values: what the codes stand for: levels (int64); for ``fp``, the numbers (float64).
        term_counts: nonzero terms of each code; 0 for ``int`` and ``fp``.
        mode: index into ``PEDesign.modes``.
    """

    codes: Words
    scales: Floats
    values: Words | Floats
    term_counts: Words
    mode: int


def encode_weights(
    design: PEDesign,
    weights: ArrayLike,
    *,
    scale: str | ArrayLike = "max",
    per: str = "tensor",
    axis: int = 0,
    terms: Terms = None,
    mode: int = 0,
) -> Encoded:
    """The best code of each weight: ``weight / scale`` goes to the nearest level.

    Ties go to the level of smaller magnitude, numbers beyond the largest level to that. ``fp``
    weights are rounded to the format, to nearest, ties to even, and those below its smallest
    normal number become zero (``rtl_gen.fp_golden.encode``); their scale is 1.

    Args:
        weights: real numbers, any shape of at least one axis.
        scale: ``max``: the largest magnitude goes to the largest level. ``mse``: the one of
            ``max`` times ``SCALE_GRID`` with the least squared error, of equal ones that of
            ``max``, else the smaller. Or positive numbers that broadcast to the weights; with
            ``per="channel"`` in one axis, one for each channel.
        per: one scale for the whole ``tensor``, or one for each ``channel``, a slice along
            ``axis``. A channel of zeros has scale 1.
        axis: of the channels (filters).
        terms: at most this many nonzero terms a weight, one number for all or one for each
            channel; None for as many as the design has. One scale over channels with different
            numbers is, with ``max``, the smallest that clips none of them.
        mode: index into ``design.modes``.

    Raises:
        InputError: if a weight is not finite (how many are not, and where the first is) or too
            large for ``fp``, or an argument is not one of the above.
    """
    real = _finite(weights)
    pooled = require_choice("per", per, PER) == "tensor"
    require_int("axis", axis, -real.ndim, real.ndim - 1)
    _check_mode(design, mode)
    if design.family == "fp":
        if not isinstance(scale, str):
            raise InputError(f"scale must be max or mse for fp, which has none, not {scale!r}")
        if terms is not None:
            _check_terms_family(design)
        return _encode_fp(design, real)
    rows = _rows(real, axis)
    counts = _row_terms(design, terms, len(rows))
    if isinstance(scale, str):
        chosen = _scales(design, rows, counts, mode=mode, scale=scale, pooled=pooled)
        sides = [-1 if side == axis % real.ndim else 1 for side in range(real.ndim)]
        scales = (chosen[:1] if pooled else chosen).reshape(sides)
    else:
        scales = _given_scales(scale, real, None if pooled else axis)
    codes, values, term_counts = (
        _unrows(part, real.shape, axis)
        for part in _quantize(design, _rows(real / scales, axis), counts, mode)
    )
    return Encoded(codes=codes, scales=scales, values=values, term_counts=term_counts, mode=mode)


def decode(design: PEDesign, encoded: Encoded) -> Floats:
    """The real weights that codes and scales stand for, float64, of the codes' shape.

    Raises:
        InputError: if the codes are not some of the design's.
    """
    if not isinstance(encoded, Encoded):
        raise InputError(f"encoded must be what encode_weights gives, not {encoded!r}")
    top = (1 << design.modes[_check_mode(design, encoded.mode)].weight_bits) - 1
    require_integers("codes", encoded.codes, 0, top)
    if design.family == "fp":
        fmt = fp_golden.format_of_bits(design.weight_bits)
        return fp_golden.decode(fmt, encoded.codes) * encoded.scales
    return decode_weights(design, encoded.codes, encoded.mode) * encoded.scales


def terms_per_filter(
    design: PEDesign, weights: ArrayLike, *, factor: float, scale: str = "max", axis: int = 0
) -> Words:
    """How many terms each filter needs, for ``serial_terms``: each costs it a cycle a weight.

    The fewest with which a filter's mean squared error, at the best scale of that number of
    terms, is at most ``factor`` times the one with all of the design's terms.

    Args:
        weights: real numbers; a filter is a slice along ``axis``.
        factor: at least 1.
        scale: as in ``encode_weights``, one for each filter.

    Returns:
        Integers 1..terms, shape ``[filters]``.

    Raises:
        InputError: if factor is below 1, for a family without terms, or as ``encode_weights``.
    """
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor >= 1:
        raise InputError(f"factor must be a number of at least 1, not {factor!r}")
    require_choice("scale", scale, SCALES)
    _check_terms_family(design)
    errors = []
    for count in range(1, design.terms + 1):
        encoded = encode_weights(
            design, weights, scale=scale, per="channel", axis=axis, terms=count
        )
        wrong = _rows(encoded.values * encoded.scales - np.asarray(weights, dtype=float), axis)
        errors.append((wrong**2).mean(axis=1))
    enough = np.array(errors) <= factor * errors[-1]
    return np.asarray(1 + np.argmax(enough, axis=0))


def order_filters(terms: Sequence[int] | Words) -> tuple[Words, Words]:
    """The order in which the hardware takes filters: those with more terms first.

    Args:
        terms: of each filter, shape ``[filters]``, 0..3.

    Returns:
        ``order`` and ``inverse``: ``filters[order]`` has falling numbers of terms (filters with
        equal ones stay as they were), ``outputs[inverse]`` is in the old order again.

    Raises:
        InputError: if a number is none of terms.
    """
    counts = require_integers("terms", terms, 0, TERMS[1])
    if counts.ndim != 1:
        raise InputError(f"terms must have one axis, not shape {counts.shape}")
    order = np.argsort(-counts, kind="stable")
    return order, np.argsort(order)


def greedy_codes(
    design: PEDesign, numbers: ArrayLike, *, rounding: str = "exponent", terms: int | None = None
) -> Words:
    """The codes of the greedy encoder, for comparison: take a power of two, go on with the rest.

    Args:
        numbers: weights in units of the scale, any shape.
        rounding: which power of two. ``exponent``: ``2**round(log2 |rest|)``, the usual one.
            ``distance``: the nearest. A rest of at most 0.5 is left, with either.
        terms: powers of two to take at most.

    Returns:
        Codes of the same shape.

    With ``distance`` greedy finds a nearest level, whatever the format (the tests go through all of
    them). With ``exponent`` it does not: of 5.45 it takes 4, because log2(5.45) = 2.45, and of the
    remaining 1.45 it takes 2, because log2(1.45) = 0.54.

    >>> design = PEDesign.preset("LightPE-2")
    >>> decode_weights(design, greedy_codes(design, [5.45])).tolist()
    [6]
    >>> encode_weights(design, [5.45], scale=1).values.tolist()
    [5]

    Raises:
        InputError: for a family without terms, or if an argument is not one of the above.
    """
    _check_terms_family(design)
    rest = _finite(numbers)
    # A rest above the n-th threshold gets a field above n: 2**0 from 0.5 on, then from the middle
    # of two powers of two, geometric or arithmetic.
    require_choice("rounding", rounding, ROUNDINGS)
    middle = 2.0**0.5 if rounding == "exponent" else 1.5
    thresholds = np.array([0.5, *(middle * 2.0**shift for shift in range(design.max_shift))])
    (count,) = _row_terms(design, terms, 1)
    codes = np.zeros(rest.shape, dtype=np.int64)
    for position in range(int(count)):
        field = np.searchsorted(thresholds, np.abs(rest))
        sign = (rest < 0) & (field > 0)
        codes |= (field | sign << (design.term_bits - 1)) << (position * design.term_bits)
        rest = rest - np.where(sign, -1, 1) * ((1 << field) >> 1)
    return codes


@dataclass(frozen=True, kw_only=True)
class GreedyLoss:
    """What the greedy encoder loses.

    Attributes:
        worse: share of the weights that get a level further away than the nearest, 0..1.
        optimal_mse: mean squared error of ``encode_weights``, in squared units of the weights.
        greedy_mse: that of the greedy encoder, at the same scale.
    """

    worse: float
    optimal_mse: float
    greedy_mse: float

    @property
    def added_mse(self) -> float:
        """What greedy adds to the mean squared error."""
        return self.greedy_mse - self.optimal_mse


def greedy_loss(
    design: PEDesign,
    weights: ArrayLike,
    *,
    rounding: str = "exponent",
    scale: str | ArrayLike = "max",
    per: str = "tensor",
    axis: int = 0,
    terms: int | None = None,
) -> GreedyLoss:
    """Compare the greedy encoder with the best codes at the same scale.

    Args:
        rounding: as in ``greedy_codes``; the others as in ``encode_weights``.

    Raises:
        InputError: as those do.
    """
    _check_terms_family(design)
    best = encode_weights(design, weights, scale=scale, per=per, axis=axis, terms=terms)
    scaled = np.asarray(weights, dtype=float) / best.scales
    greedy = decode_weights(design, greedy_codes(design, scaled, rounding=rounding, terms=terms))
    missed, least = np.abs(greedy - scaled), np.abs(best.values - scaled)
    return GreedyLoss(
        worse=float((missed > least).mean()),
        optimal_mse=float(((least * best.scales) ** 2).mean()),
        greedy_mse=float(((missed * best.scales) ** 2).mean()),
    )


def _finite(weights: ArrayLike) -> Floats:
    """The weights as float64."""
    try:
        real = np.asarray(weights)
        if np.iscomplexobj(real):
            raise InputError("weights must be real numbers, not complex ones")
        real = real.astype(np.float64)
    except InputError:
        raise
    except (TypeError, ValueError):
        raise InputError("weights must be an array of numbers") from None
    if real.ndim == 0 or real.size == 0:
        raise InputError(
            f"weights must have at least one axis and one element, not shape {real.shape}"
        )
    wrong = ~np.isfinite(real)
    if wrong.any():
        first = _first(wrong)
        raise InputError(
            f"weights must be finite, but {np.count_nonzero(wrong)} of {real.size} are not; "
            f"the first is {real[first]} at {list(first)}"
        )
    return real


def _first(found: NDArray[np.bool_]) -> tuple[int, ...]:
    """Index of the first true element."""
    return tuple(int(index) for index in np.unravel_index(np.argmax(found), found.shape))


def _encode_fp(design: PEDesign, real: Floats) -> Encoded:
    fmt = fp_golden.format_of_bits(design.weight_bits)
    codes = fp_golden.encode(fmt, real)
    values = fp_golden.decode(fmt, codes)
    wrong = np.isinf(values)
    if wrong.any():
        first = _first(wrong)
        raise InputError(
            f"weights must round to at most {fmt.largest:.7g} in magnitude for fp with {fmt.bits} "
            f"bits, but {np.count_nonzero(wrong)} of {real.size} are not; the first is "
            f"{real[first]} at {list(first)}"
        )
    return Encoded(
        codes=codes,
        scales=np.ones((1,) * real.ndim),
        values=values,
        term_counts=np.zeros_like(codes),
        mode=0,
    )


def _rows(array: Floats, axis: int) -> Floats:
    """One row a channel."""
    moved = np.moveaxis(array, axis, 0)
    return moved.reshape(len(moved), -1)


def _unrows(rows: Words, shape: tuple[int, ...], axis: int) -> Words:
    """What ``_rows`` took apart."""
    first = shape[axis]
    others = np.delete(shape, axis)
    return np.moveaxis(rows.reshape(first, *others), 0, axis)


def _quantize(
    design: PEDesign, rows: Floats, counts: Words, mode: int
) -> tuple[Words, Words, Words]:
    """Codes, levels and nonzero terms for rows of numbers that may each have other levels."""
    codes, values, used = (np.empty(rows.shape, dtype=np.int64) for _ in range(3))
    for count in np.unique(counts):
        table = _levels(design, int(count), mode)
        chosen = counts == count
        index = table.nearest(rows[chosen])
        codes[chosen], values[chosen] = table.codes[index], table.values[index]
        used[chosen] = table.term_counts[index]
    return codes, values, used


def _scales(
    design: PEDesign, rows: Floats, counts: Words, *, mode: int, scale: str, pooled: bool
) -> Floats:
    """The scale of each row."""
    require_choice("scale", scale, SCALES)
    kinds, kind = np.unique(counts, return_inverse=True)
    tops = np.array([_levels(design, int(count), mode).values[-1] for count in kinds])
    scales: Floats = np.abs(rows).max(axis=1) / tops[kind]
    if pooled:
        scales = np.full_like(scales, scales.max())
    scales = np.where(scales > 0, scales, 1.0)
    if scale == "mse":
        scales = scales * _best_factors(design, rows / scales[:, None], counts, mode, pooled)
    return scales


def _best_factors(design: PEDesign, rows: Floats, counts: Words, mode: int, pooled: bool) -> Floats:
    """The factor of ``SCALE_GRID`` with the least squared error of each row, or of all together."""

    def errors(factor: float) -> Floats:
        _, values, _ = _quantize(design, rows / factor, counts, mode)
        each: Floats = ((values * factor - rows) ** 2).sum(axis=1)
        return np.full_like(each, each.sum()) if pooled else each

    best, least = np.ones(len(rows)), errors(1.0)
    for factor in SCALE_GRID:
        found = errors(factor)
        better = found < least
        best, least = np.where(better, factor, best), np.where(better, found, least)
    return best


def _given_scales(scale: ArrayLike, real: Floats, axis: int | None) -> Floats:
    try:
        scales = np.asarray(scale, dtype=np.float64)
        if scales.ndim == 1 and axis is not None:
            sides = np.ones(real.ndim, dtype=int)
            sides[axis] = real.shape[axis]
            scales = scales.reshape(sides)
        np.broadcast_to(scales, real.shape)
    except (TypeError, ValueError):
        raise InputError(
            f"scale must be max, mse, or numbers that broadcast to {real.shape}, not {scale!r}"
        ) from None
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise InputError("scale must be max, mse, or positive finite numbers")
    return scales


def _row_terms(design: PEDesign, terms: Terms, rows: int) -> Words:
    """The checked number of terms of each row."""
    if design.family == "fp":
        raise InputError("family must be int, lightpe or pow2 to have levels, not 'fp'")
    if terms is None:
        return np.full(rows, design.terms)
    _check_terms_family(design)
    given = np.asarray(terms).tolist()
    counts = given if isinstance(given, list) else [given] * rows
    if len(counts) != rows:
        raise InputError(
            f"terms must be one number, or one for each of the {rows} channels, not {len(counts)}"
        )
    return np.array([require_int("terms", count, 1, design.terms) for count in counts])


def _check_terms_family(design: PEDesign) -> None:
    if not design.terms:
        raise InputError(f"family must be lightpe or pow2 to have terms, not {design.family!r}")


def _check_mode(design: PEDesign, mode: int) -> int:
    return require_int("mode", mode, 0, design.precision_modes - 1)
