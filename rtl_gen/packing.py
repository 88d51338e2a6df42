"""Several numbers in one word, and what a run-time precision makes of such words.

Imports no Amaranth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtl_gen.errors import InputError, require_int

Words = NDArray[np.int64]

#: Bits of the widest word: one that no int64 shows as negative.
WORD_BITS = 63

#: Products of each mode of ``SplitMultiplier``.
PRODUCTS = (1, 2, 4)


def pack(values: Words, bits: int) -> Words:
    """The numbers along the last axis in one word, the first in the lowest bits.

    Args:
        values: integers, shape ``[..., lanes]``; of each, the lowest ``bits`` bits are taken:
            negative numbers become two's complement.
        bits: of each number; ``lanes * bits`` is at most 63.

    Returns:
        Words that are not negative, shape ``[...]``.

    Raises:
        InputError: if the numbers do not fit a word.
    """
    values = np.asarray(values, dtype=np.int64)
    shifts = _shifts(bits, values.shape[-1])
    words: Words = np.bitwise_or.reduce((values & _mask(bits)) << shifts, axis=-1)
    return words


def unpack(words: Words, bits: int, lanes: int, *, signed: bool) -> Words:
    """The numbers that ``pack`` put into words.

    Args:
        words: integers, shape ``[...]``; bits above the lanes are ignored.
        bits: of each number; ``lanes * bits`` is at most 63.
        signed: numbers are two's complement, else unsigned.

    Returns:
        Integers, shape ``[..., lanes]``.

    Raises:
        InputError: if so many numbers do not fit a word.
    """
    words = np.asarray(words, dtype=np.int64)
    values = (words[..., None] >> _shifts(bits, lanes)) & _mask(bits)
    half = np.int64(1) << (bits - 1)
    return (values ^ half) - half if signed else values


def split_products(
    act_words: Words,
    weight_words: Words,
    *,
    act_bits: int,
    weight_bits: int,
    act_signed: bool,
    mode: int,
) -> Words:
    """What ``SplitMultiplier`` computes: the sum of a mode's products.

    Args:
        act_words, weight_words: words that hold the mode's operands, of one shape.
        act_bits, weight_bits: of the operands of mode 0, even.
        act_signed: activations are two's complement, else unsigned. Weights are always signed.
        mode: 0: one ``act_bits`` x ``weight_bits`` product; 1: two of ``act_bits`` x
            ``weight_bits / 2``; 2: four of half the bits on both sides.

    Returns:
        Sums, of the same shape.

    Raises:
        InputError: if there is no such mode, or its operands do not fit a word.
    """
    lanes = PRODUCTS[require_int("mode", mode, 0, len(PRODUCTS) - 1)]
    if mode > 0:
        weight_bits //= 2
    if mode > 1:
        act_bits //= 2
    acts = unpack(act_words, act_bits, lanes, signed=act_signed)
    weights = unpack(weight_words, weight_bits, lanes, signed=True)
    sums: Words = (acts * weights).sum(axis=-1)
    return sums


def _shifts(bits: int, lanes: int) -> Words:
    if min(bits, lanes) < 1 or bits * lanes > WORD_BITS:
        raise InputError(f"{lanes} x {bits} bits do not fit a word of {WORD_BITS} bits")
    return np.arange(lanes, dtype=np.int64) * bits


def _mask(bits: int) -> np.int64:
    return np.int64((1 << bits) - 1)
