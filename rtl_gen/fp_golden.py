"""The NumPy golden model of the floating-point units: bit patterns in, bit patterns out.

Imports no Amaranth. Numbers are integers as they appear on the ports: a sign bit above an exponent
above a fraction, as in IEEE 754, with infinities and NaNs under the largest exponent. The
arithmetic is IEEE 754's but for subnormal numbers, which do not exist here:

- results are rounded to nearest, ties to even;
- subnormal operands count as zero of their sign;
- a result whose magnitude, after rounding with unbounded exponent to the precision of the format,
  is below the smallest normal number becomes zero of its sign; overflow gives infinity;
- a NaN operand, 0 x infinity and infinity - infinity give the one canonical quiet NaN, positive,
  with only the top fraction bit set: 0x7FC00000 in binary32, 0x7FC0 in bfloat16;
- x + (-x) is +0; -0 + -0 is -0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtl_gen.errors import InputError, require_int

Bits = NDArray[np.int64]
Floats = NDArray[np.float64]

#: A float64 product of two significands of up to 24 bits is exact, and a float64 sum can be rounded
#: once more to 24 bits without harm (``add``).
EXPONENT_BITS = (2, 8)
FRACTION_BITS = (1, 23)

# float64 itself.
_FRACTION_BITS_64 = 52
_BIAS_64 = 1023


@dataclass(frozen=True)
class FpFormat:
    """A binary floating-point format with infinities and NaNs, and without subnormal numbers.

    Attributes:
        exponent_bits: 2..8.
        fraction_bits: of the stored fraction, without the hidden bit, 1..23.

    Raises:
        InputError: on any value outside these ranges.
    """

    exponent_bits: int
    fraction_bits: int

    def __post_init__(self) -> None:
        require_int("exponent_bits", self.exponent_bits, *EXPONENT_BITS)
        require_int("fraction_bits", self.fraction_bits, *FRACTION_BITS)

    @property
    def bits(self) -> int:
        """Width of a number."""
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def precision(self) -> int:
        """Bits of a significand, the hidden one included."""
        return self.fraction_bits + 1

    @property
    def max_exponent(self) -> int:
        """The exponent field of infinities and NaNs: all ones."""
        return (1 << self.exponent_bits) - 1

    @property
    def bias(self) -> int:
        """What the exponent field is above the exponent."""
        return self.max_exponent >> 1

    @property
    def infinity(self) -> int:
        """Bits of +infinity."""
        return self.max_exponent << self.fraction_bits

    @property
    def nan(self) -> int:
        """Bits of the canonical NaN."""
        return self.infinity | 1 << (self.fraction_bits - 1)

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error of one rounding: ``2**-precision``."""
        return 2.0**-self.precision

    @property
    def smallest_normal(self) -> float:
        """Smallest positive number."""
        return 2.0 ** (1 - self.bias)

    @property
    def largest(self) -> float:
        """Largest finite number."""
        return (2 - 2.0**-self.fraction_bits) * 2.0**self.bias


BFLOAT16 = FpFormat(8, 7)
BINARY32 = FpFormat(8, 23)


def format_of_bits(bits: int) -> FpFormat:
    """The format of this width: bfloat16 or binary32.

    Raises:
        InputError: if bits is neither 16 nor 32.
    """
    formats = {fmt.bits: fmt for fmt in (BFLOAT16, BINARY32)}
    if isinstance(bits, bool) or bits not in formats:
        raise InputError(f"bits must be one of {', '.join(map(str, formats))}, not {bits!r}")
    return formats[bits]


def decode(fmt: FpFormat, bits: ArrayLike) -> Floats:
    """The value of each bit pattern, exactly.

    Args:
        bits: integers in ``0 .. 2**fmt.bits - 1``, any shape.

    Returns:
        float64 of the same shape; subnormal numbers are zero of their sign.
    """
    bits = np.asarray(bits, dtype=np.int64)
    exponent = (bits >> fmt.fraction_bits) & fmt.max_exponent
    fraction = bits & ((1 << fmt.fraction_bits) - 1)
    significand = fraction + (1 << fmt.fraction_bits)
    normal = np.ldexp(significand.astype(float), exponent - fmt.bias - fmt.fraction_bits)
    special = np.where(fraction == 0, np.inf, np.nan)
    magnitude = np.where(exponent == fmt.max_exponent, special, np.where(exponent, normal, 0.0))
    return np.where(bits >> (fmt.bits - 1), -magnitude, magnitude)


def encode(fmt: FpFormat, values: ArrayLike) -> Bits:
    """The bit pattern of each float64, rounded once.

    Args:
        values: any shape; NaNs of any kind are welcome.

    Returns:
        Integers of the same shape.
    """
    values = np.asarray(values, dtype=np.float64)
    pattern = values.view(np.int64)
    magnitude = pattern & np.iinfo(np.int64).max
    dropped = _FRACTION_BITS_64 - fmt.fraction_bits
    # Half a unit less one, and one more if the last bit that stays is odd: ties go to even. A carry
    # out of the fraction steps the exponent above it, and float64's is wide enough for any result.
    odd = (magnitude >> dropped) & 1
    rounded = (magnitude + (1 << (dropped - 1)) - 1 + odd) >> dropped
    rounded -= (_BIAS_64 - fmt.bias) << fmt.fraction_bits
    rounded = np.where(rounded < 1 << fmt.fraction_bits, 0, np.minimum(rounded, fmt.infinity))
    sign = np.where(pattern < 0, 1 << (fmt.bits - 1), 0)
    return np.where(np.isnan(values), fmt.nan, rounded | sign)


def multiply(operand_format: FpFormat, a: ArrayLike, b: ArrayLike, result_format: FpFormat) -> Bits:
    """The product of each pair, rounded once.

    Args:
        a, b: bit patterns of ``operand_format``, shapes that broadcast.

    Returns:
        Bit patterns of ``result_format``.
    """
    # Two significands of 24 bits make one of at most 48, and no exponent leaves float64.
    with np.errstate(invalid="ignore"):
        return encode(result_format, decode(operand_format, a) * decode(operand_format, b))


def add(fmt: FpFormat, a: ArrayLike, b: ArrayLike) -> Bits:
    """The sum of each pair, rounded once.

    float64 rounds the sum to 53 bits and ``encode`` rounds it again. That gives the same as one
    rounding to p bits where 53 >= 2 p + 2 (Figueroa, "When is double rounding innocuous?", ACM
    SIGNUM Newsletter 30(3), 1995), which 24 bits and fewer satisfy; below the smallest normal
    number nothing is rounded, since every sum is a multiple of that number's last place.

    Args:
        a, b: bit patterns, shapes that broadcast.

    Returns:
        Bit patterns of the same format.
    """
    with np.errstate(invalid="ignore"):
        return encode(fmt, decode(fmt, a) + decode(fmt, b))


def accumulate_error_bound(products_abs_sum: ArrayLike, count: int, fmt: FpFormat) -> Floats:
    """How far a sum of products that was computed in ``fmt`` can be from the exact one.

    The products ``p_1 .. p_n`` of n = ``count`` pairs are rounded to ``fmt`` one by one, then added
    up from the first to the last (a first addition to zero, which is exact, makes no difference;
    an initial sum counts as one more product). With u the unit roundoff and L the smallest normal
    number, each result is ``z (1 + d) + e`` of the exact z: ``|d| <= u`` and ``e = 0`` where it is
    rounded, ``d = 0`` and ``|e| < L`` where it becomes zero. So the computed sum is

        sum over i of p_i times at most n factors (1 + d)
        + sum over n products and n - 1 sums of e times at most n - 1 factors (1 + d)

    and, as n factors differ from 1 by at most gamma_n = n u / (1 - n u) (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., lemma 3.1 and section 4.2), its error is at most

        gamma_n sum |p_i| + (2 n - 1) L (1 + gamma_n)

    Args:
        products_abs_sum: ``sum |p_i|`` of the exact products, any shape, added up in float64: the
            rounding of that sum is allowed for.
        count: products of each sum, 1 to below 1/u: 255 for bfloat16, 2**24 - 1 for binary32.

    Returns:
        The bound, of the same shape; infinity where an intermediate sum could overflow.

    Raises:
        InputError: if count is out of range.
    """
    require_int("count", count, 1, (1 << fmt.precision) - 1)
    nu = count * fmt.unit_roundoff
    gamma = nu / (1 - nu)
    # float64 sums of n terms can be below the exact one by a factor of up to 1 - (n - 1) 2**-53.
    slack = 1 + (count + 8) * 2.0**-52
    total = np.asarray(products_abs_sum, dtype=np.float64) * slack
    bound = (gamma * total + (2 * count - 1) * fmt.smallest_normal * (1 + gamma)) * slack
    # No intermediate sum is further from zero than all magnitudes and the error together.
    return np.where(total + bound < fmt.largest, bound, np.inf)
