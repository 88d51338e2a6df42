"""How operands travel: the words of the PE's streams, as unsigned integers."""

from __future__ import annotations

import numpy as np

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive, Words, check_filters, check_ifmap, check_psums
from rtl_gen.packing import pack


def ifmap_words(design: PEDesign, size: Primitive, ifmap: Words) -> list[int]:
    """An ifmap row, shape ``[(F - 1) U + S, q]``, in the order column, channel.

    Columns that no window covers (stride above the filter width) are left out. The activations of
    channels whose products are summed in one cycle share a word, the first in the lowest bits.

    Raises:
        InputError: if ``design`` cannot run the primitive, or the activations are not its.
    """
    size.check(design)
    mode = size.precision(design)
    covered = np.arange(size.ifmap_columns) % size.stride < size.filter_width
    kept = check_ifmap(design, size, ifmap)[covered]
    lanes = kept.reshape(len(kept), size.groups(design), mode.products)
    words: list[int] = pack(lanes, mode.act_bits).ravel().tolist()
    return words


def filter_words(design: PEDesign, size: Primitive, filters: Words) -> list[int]:
    """Filter rows, codes of shape ``[S, q, p]``, in the order column, channel, filter.

    The weights of channels that are summed in one cycle share a word. A word that is wider than a
    cycle needs holds the weights of two following cycles. With ``serial_terms`` a word is one term
    and a weight has those of its filter, the first first.

    Raises:
        InputError: if ``design`` cannot run the primitive, the codes are not its, or a weight has
            more terms than ``filter_terms`` gives its filter.
    """
    size.check(design)
    codes = check_filters(design, size, filters)
    if size.keep_filter:
        return []
    steps = step_weights(design, size, codes)
    per_word = 1 if design.serial_terms else size.weights_per_word(design)
    if per_word == 1:
        unpacked: list[int] = steps.tolist()
        return unpacked
    padded = np.concatenate([steps, np.zeros(-len(steps) % per_word, dtype=np.int64)])
    words: list[int] = pack(padded.reshape(-1, per_word), design.weight_bits).ravel().tolist()
    return words


def step_weights(design: PEDesign, size: Primitive, codes: Words) -> Words:
    """What each cycle of an output column multiplies with, shape ``[size.steps(design)]``.

    The weights of one cycle share a word; with ``serial_terms`` it is one term of one weight.

    Raises:
        InputError: if a weight has more terms than ``filter_terms`` gives its filter.
    """
    if design.serial_terms:
        return _term_words(design, size, codes)
    mode = size.precision(design)
    lanes = codes.reshape(size.filter_width, size.groups(design), mode.products, size.filters)
    steps: Words = pack(np.moveaxis(lanes, 2, -1), mode.weight_bits).ravel()
    return steps


def step_activations(design: PEDesign, size: Primitive, ifmap: Words) -> Words:
    """The ifmap words that each output column reads, in order: ``[F, window_words]``."""
    mode = size.precision(design)
    lanes = ifmap.reshape(len(ifmap), size.groups(design), mode.products)
    words = pack(lanes, mode.act_bits)
    columns = np.arange(size.outputs)[:, None] * size.stride + np.arange(size.filter_width)
    windows: Words = words[columns].reshape(size.outputs, -1)
    return windows


def _term_words(design: PEDesign, size: Primitive, codes: Words) -> Words:
    positions = np.arange(design.terms)
    terms = (codes[..., None] >> (positions * design.term_bits)) & ((1 << design.term_bits) - 1)
    has = positions < np.array(size.terms_of_filters(design))[:, None]
    if (terms[:, :, ~has] % (1 << (design.term_bits - 1))).any():
        raise InputError("a weight has more terms than filter_terms gives its filter")
    words: Words = terms[:, :, has].ravel()
    return words


def psum_words(design: PEDesign, psums: Words) -> list[int]:
    """Partial sums, shape ``[F, sums]``, in the order column, sum.

    Raises:
        InputError: if one has more than ``psum_bits`` bits.
    """
    mask = (1 << design.psum_bits) - 1
    return [int(word) & mask for word in check_psums(design, psums).ravel()]
