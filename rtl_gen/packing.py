"""Several numbers in one word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int64]


def pack(values: Words, bits: int) -> Words:
    """The numbers along the last axis as one word, the first in the lowest ``bits``.

    Args:
        values: integers, shape ``[..., lanes]``; negative ones as two's complement.
        bits: of each number.
    """
    values = np.asarray(values, dtype=np.int64) & ((1 << bits) - 1)
    shifts = np.arange(values.shape[-1], dtype=np.int64) * bits
    words: Words = np.bitwise_or.reduce(values << shifts, axis=-1)
    return words


def unpack(words: Words, bits: int, lanes: int, *, signed: bool) -> Words:
    """The numbers that ``pack`` put into words: shape ``[..., lanes]``."""
    shifts = np.arange(lanes, dtype=np.int64) * bits
    values = (np.asarray(words, dtype=np.int64)[..., None] >> shifts) & ((1 << bits) - 1)
    half = 1 << (bits - 1)
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
    """What ``SplitMultiplier`` computes: the sum of a mode's products."""
    lanes = (1, 2, 4)[mode]
    act_bits, weight_bits = act_bits >> (mode == 2), weight_bits >> (mode > 0)  # noqa: PLR2004
    acts = unpack(act_words, act_bits, lanes, signed=act_signed)
    weights = unpack(weight_words, weight_bits, lanes, signed=True)
    total: Words = (acts * weights).sum(axis=-1)
    return total
