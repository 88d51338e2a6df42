"""The NumPy golden model of the output stage: partial sums to the next layer's activations.

Imports no Amaranth. The hardware is ``rtl_gen.output_stage``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtl_gen import fp_golden
from rtl_gen.design import ACT_BITS, PSUM_BITS
from rtl_gen.errors import InputError, require_bool, require_int, require_integers
from rtl_gen.golden import Words

#: Width of the multiplier of a scale word.
SCALE_BITS = (2, 32)
#: Width of its shift: 0..63.
SHIFT_BITS = 6
MAX_SHIFT = (1 << SHIFT_BITS) - 1


def requantize(
    psums: ArrayLike,
    multiplier: ArrayLike,
    shift: ArrayLike,
    *,
    bias: ArrayLike = 0,
    relu: bool,
    act_bits: int,
    act_signed: bool,
) -> Words:
    """``saturate(round_half_even(relu(psum + bias) * multiplier / 2**shift))``, exactly.

    Args:
        psums: integers of at most 64 bits, any shape.
        multiplier: integers 0 .. 2**32 - 1; broadcast to the psums, as are the next two.
        shift: integers 0..63.
        bias: integers of at most 64 bits, on the scale of the psums.
        relu: negative sums become zero.
        act_bits: width of the result, 2..16.
        act_signed: two's complement, else unsigned: negative results become zero.

    Returns:
        Activations.

    Raises:
        InputError: if a value is not an integer, or out of its range, or does not broadcast.
    """
    low, high = act_range(act_bits, act_signed)
    require_bool("relu", relu)
    reach = 1 << (PSUM_BITS[1] - 1)
    given = {
        "psums": require_integers("psums", psums, -reach, reach - 1),
        "multiplier": require_integers("multiplier", multiplier, 0, (1 << SCALE_BITS[1]) - 1),
        "shift": require_integers("shift", shift, 0, MAX_SHIFT),
        "bias": require_integers("bias", bias, -reach, reach - 1),
    }
    # NumPy's integers are fast, Python's are exact whatever their size.
    kind = np.int64 if _fits_int64(given) else object
    sums, factors, shifts, biases = (
        _broadcast(name, array, given["psums"]).astype(kind) for name, array in given.items()
    )
    total = sums + biases
    products = (np.maximum(total, 0) if relu else total) * factors
    one = np.ones_like(shifts)
    # Half a unit less one, and one more if the quotient is odd: ties go to even.
    half = (one << np.maximum(shifts - 1, 0)) - 1 + ((products >> shifts) & 1)
    rounded = (products + np.where(shifts > 0, half, 0)) >> shifts
    activations: Words = np.clip(rounded, low, high).astype(np.int64)
    return activations.reshape(np.shape(psums))


def act_range(act_bits: int, act_signed: bool) -> tuple[int, int]:
    """The smallest and the largest activation.

    Raises:
        InputError: if act_bits is not 2..16, or act_signed neither true nor false.
    """
    require_int("act_bits", act_bits, *ACT_BITS)
    if require_bool("act_signed", act_signed):
        return -(1 << (act_bits - 1)), (1 << (act_bits - 1)) - 1
    return 0, (1 << act_bits) - 1


def scale_word(real_scale: float, *, scale_bits: int = 16) -> tuple[int, int]:
    """The multiplier and the shift whose ``multiplier / 2**shift`` is closest to a real scale.

    All bits of the multiplier are used: its top bit is set, so the relative error is at most
    ``2**-scale_bits``.

    Args:
        real_scale: scale of a psum, which is the scale of the ifmap times that of the weights,
            over the scale of the activations that come out.
        scale_bits: width of the multiplier, 2..32.

    Returns:
        ``multiplier`` in 2**(scale_bits - 1) .. 2**scale_bits - 1 and ``shift`` in 0..63.

    Raises:
        InputError: if the scale is not a number from 2**(scale_bits - 64) to 2**scale_bits - 1.
    """
    require_int("scale_bits", scale_bits, *SCALE_BITS)
    low, high = 2.0 ** (scale_bits - 1 - MAX_SHIFT), (1 << scale_bits) - 1
    number = isinstance(real_scale, int | float) and not isinstance(real_scale, bool)
    if not number or not low <= real_scale <= high:
        raise InputError(
            f"real_scale must be a number from 2**{scale_bits - 1 - MAX_SHIFT} to {high} for "
            f"{scale_bits} scale_bits, not {real_scale!r}"
        )
    fraction, exponent = math.frexp(real_scale)
    multiplier, shift = round(math.ldexp(fraction, scale_bits)), scale_bits - exponent
    if multiplier >> scale_bits:  # rounded up to the next power of two
        multiplier, shift = multiplier >> 1, shift - 1
    return multiplier, shift


def float_activations(psums: ArrayLike, *, relu: bool, psum_bits: int, act_bits: int) -> Words:
    """What becomes of the sums of family ``fp``: ReLU, then one rounding to the activations.

    As ``rtl_gen.fp_golden`` has it: to nearest, ties to even; subnormal numbers count as zero of
    their sign, and NaNs become the canonical one. ReLU makes -0 to +0 and leaves NaNs.

    Args:
        psums: bit patterns of ``psum_bits`` bits, any shape.
        relu: negative sums become +0.
        psum_bits: 32 or 16, not below act_bits.
        act_bits: 32 or 16.

    Returns:
        Bit patterns of ``act_bits`` bits.

    Raises:
        InputError: if a width is another, or a psum is no such bit pattern.
    """
    wide, narrow = fp_formats(psum_bits, act_bits)
    values = fp_golden.decode(wide, require_integers("psums", psums, 0, (1 << psum_bits) - 1))
    if require_bool("relu", relu):
        values = np.where(np.signbit(values) & ~np.isnan(values), 0.0, values)
    return fp_golden.encode(narrow, values)


def fp_formats(psum_bits: int, act_bits: int) -> tuple[fp_golden.FpFormat, fp_golden.FpFormat]:
    """The formats of the sums and of the activations of family ``fp``.

    Raises:
        InputError: if a width is neither 16 nor 32, or the sums are narrower.
    """
    for name, bits in (("psum_bits", psum_bits), ("act_bits", act_bits)):
        if isinstance(bits, bool) or bits not in (16, 32):
            raise InputError(f"{name} must be 16 or 32, not {bits!r}")
    if psum_bits < act_bits:
        raise InputError(f"psum_bits must be at least act_bits = {act_bits}, not {psum_bits}")
    return fp_golden.format_of_bits(psum_bits), fp_golden.format_of_bits(act_bits)


def _broadcast(name: str, array: NDArray[np.int64], psums: NDArray[np.int64]) -> NDArray[np.int64]:
    """One value for each psum, in one axis: arrays without an axis would become Python's."""
    try:
        return np.broadcast_to(array, psums.shape).reshape(-1)
    except ValueError:
        raise InputError(
            f"{name} must broadcast to the psums, shape {psums.shape}, not have {array.shape}"
        ) from None


def _fits_int64(given: Mapping[str, NDArray[np.int64]]) -> bool:
    """Whether the products, and half a unit of a shift (2**62 at most) more, stay in 64 bits."""
    most = {
        name: max(-int(array.min(initial=0)), int(array.max(initial=0)))
        for name, array in given.items()
    }
    product = (most["psums"] + most["bias"]) * most["multiplier"]
    return product < 1 << 62
