"""The floating-point golden model against exact fractions, and against NumPy's float32."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.errors import InputError
from rtl_gen.fp_golden import (
    BFLOAT16,
    BINARY32,
    FpFormat,
    accumulate_error_bound,
    add,
    decode,
    encode,
    format_of_bits,
    multiply,
)

TINY = FpFormat(3, 2)
FORMATS = [BFLOAT16, BINARY32, TINY, FpFormat(2, 1), FpFormat(5, 10)]
#: Operands and result of a multiplication.
PAIRS = [(BFLOAT16, BINARY32), *((fmt, fmt) for fmt in FORMATS)]


def plain_fields(fmt: FpFormat, bits: int) -> tuple[int, int, int]:
    """Sign, exponent field and fraction field, read from the definition."""
    rest, fraction = divmod(bits, 1 << fmt.fraction_bits)
    sign, exponent = divmod(rest, 1 << fmt.exponent_bits)
    return sign, exponent, fraction


def power(exponent: int) -> Fraction:
    """``2**exponent``."""
    return Fraction(1 << max(exponent, 0), 1 << max(-exponent, 0))


def plain_value(fmt: FpFormat, bits: int) -> Fraction | str:
    """A magnitude, or "infinity", or "nan"."""
    _, exponent, fraction = plain_fields(fmt, bits)
    if exponent == (1 << fmt.exponent_bits) - 1:
        return "nan" if fraction else "infinity"
    if exponent == 0:
        return Fraction(0)
    bias = (1 << (fmt.exponent_bits - 1)) - 1
    return (1 + fraction * power(-fmt.fraction_bits)) * power(exponent - bias)


def plain_infinity(fmt: FpFormat) -> int:
    return ((1 << fmt.exponent_bits) - 1) << fmt.fraction_bits


def plain_nan(fmt: FpFormat) -> int:
    return plain_infinity(fmt) + (1 << (fmt.fraction_bits - 1))


def plain_round(fmt: FpFormat, sign: int, magnitude: Fraction | str) -> int:
    """The number nearest to a magnitude, found by its definition alone."""
    signed_zero = sign << (fmt.bits - 1)
    if isinstance(magnitude, str):
        return signed_zero + plain_infinity(fmt)
    if magnitude == 0:
        return signed_zero
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent -= power(exponent) > magnitude
    significand = round(magnitude / power(exponent - fmt.fraction_bits))  # ties to even
    if significand == 2 << fmt.fraction_bits:
        significand, exponent = significand // 2, exponent + 1
    field = exponent + (1 << (fmt.exponent_bits - 1)) - 1
    if field <= 0:
        return signed_zero
    number = (field << fmt.fraction_bits) + significand - (1 << fmt.fraction_bits)
    return signed_zero + min(number, plain_infinity(fmt))


def plain_multiply(operand: FpFormat, a: int, b: int, result: FpFormat) -> int:
    sign = plain_fields(operand, a)[0] ^ plain_fields(operand, b)[0]
    x, y = plain_value(operand, a), plain_value(operand, b)
    if "nan" in (x, y) or ("infinity" in (x, y) and 0 in (x, y)):
        return plain_nan(result)
    if isinstance(x, str) or isinstance(y, str):
        return plain_round(result, sign, "infinity")
    return plain_round(result, sign, x * y)


def plain_add(fmt: FpFormat, a: int, b: int) -> int:
    minus_x, minus_y = plain_fields(fmt, a)[0], plain_fields(fmt, b)[0]
    x, y = plain_value(fmt, a), plain_value(fmt, b)
    if "nan" in (x, y) or (x == y == "infinity" and minus_x != minus_y):
        return plain_nan(fmt)
    if isinstance(x, str) or isinstance(y, str):
        return plain_round(fmt, minus_x if x == "infinity" else minus_y, "infinity")
    total = (-x if minus_x else x) + (-y if minus_y else y)
    sign = minus_x & minus_y if total == 0 else int(total < 0)
    return plain_round(fmt, sign, abs(total))


@st.composite
def numbers(draw: st.DrawFn, fmt: FpFormat) -> int:
    """Any bit pattern, drawn often near the ends of the exponents and with plain fractions."""
    top, last = (1 << fmt.exponent_bits) - 1, (1 << fmt.fraction_bits) - 1
    exponents = st.sampled_from([0, 1, 2, top // 2, top // 2 + 1, top - 2, top - 1, top])
    exponent = draw(exponents | st.integers(0, top))
    fractions = st.sampled_from([0, 1, last // 2, last // 2 + 1, last - 1, last])
    fraction = min(last, draw(fractions | st.integers(0, last)))
    return draw(st.integers(0, 1)) << (fmt.bits - 1) | exponent << fmt.fraction_bits | fraction


@st.composite
def operand_pairs(draw: st.DrawFn, fmt: FpFormat) -> tuple[int, int]:
    """Two numbers: of any kind, near each other's negative, or with a product near the ends."""
    a, b = draw(numbers(fmt)), draw(numbers(fmt))
    top = (1 << fmt.exponent_bits) - 1
    exponent = plain_fields(fmt, a)[1]
    wanted = {
        "any": plain_fields(fmt, b)[1],
        "near": exponent + draw(st.integers(-fmt.precision - 2, fmt.precision + 2)),
        "underflow": top // 2 - exponent + draw(st.integers(-2, 1)),
        "overflow": top + top // 2 - exponent + draw(st.integers(-2, 1)),
    }[draw(st.sampled_from(["any", "near", "underflow", "overflow"]))]
    exponents = top << fmt.fraction_bits
    return a, (b & ~exponents) | min(top, max(0, wanted)) << fmt.fraction_bits


def test_the_named_formats_have_the_widths_and_constants_of_the_standard() -> None:
    assert (BFLOAT16.bits, BFLOAT16.bias, BFLOAT16.precision) == (16, 127, 8)
    assert (BINARY32.bits, BINARY32.bias, BINARY32.precision) == (32, 127, 24)
    assert (BFLOAT16.nan, BINARY32.nan) == (0x7FC0, 0x7FC00000)
    assert (BFLOAT16.infinity, BINARY32.infinity) == (0x7F80, 0x7F800000)
    single = np.finfo(np.float32)
    assert BINARY32.smallest_normal == float(single.smallest_normal)
    assert BINARY32.largest == float(single.max)
    assert BINARY32.unit_roundoff == float(single.eps) / 2
    assert (format_of_bits(16), format_of_bits(32)) == (BFLOAT16, BINARY32)


@pytest.mark.parametrize("fmt", [BFLOAT16, TINY], ids=str)
def test_every_number_is_decoded_by_its_definition_and_encoded_back(fmt: FpFormat) -> None:
    patterns = np.arange(1 << fmt.bits)
    values = decode(fmt, patterns)
    again = encode(fmt, values)
    for bits, value, back in zip(patterns.tolist(), values.tolist(), again.tolist(), strict=True):
        sign, exponent, _ = plain_fields(fmt, bits)
        expected = plain_value(fmt, bits)
        if expected == "nan":
            assert np.isnan(value)
            assert back == plain_nan(fmt)
        else:
            assert abs(value) == (np.inf if expected == "infinity" else expected)
            assert np.signbit(value) == sign
            assert back == (bits if exponent else sign << (fmt.bits - 1))


@given(st.sampled_from(FORMATS), st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_is_encoded_as_the_nearest_number(fmt: FpFormat, value: float) -> None:
    expected = plain_round(fmt, int(np.signbit(value)), abs(Fraction(value)))
    assert encode(fmt, value) == expected


@given(st.sampled_from(FORMATS), st.data(), st.sampled_from([-1, 0, 1]))
def test_halfway_floats_go_to_even_and_their_neighbours_to_the_nearest(
    fmt: FpFormat, data: st.DataObject, beside: int
) -> None:
    bits = data.draw(numbers(fmt))
    sign, exponent, fraction = plain_fields(fmt, bits)
    # Half a place above it, with unbounded exponent: from below the smallest number to overflow.
    value = np.ldexp(1 + (fraction + 0.5) / 2**fmt.fraction_bits, exponent - fmt.bias)
    value = np.nextafter(value, value * (1 + beside))
    expected = plain_round(fmt, sign, Fraction(float(value)))
    assert encode(fmt, -value if sign else value) == expected


@pytest.mark.parametrize("fmt", [TINY, FpFormat(2, 1), FpFormat(4, 2)], ids=str)
def test_every_pair_of_small_numbers_has_its_exact_product_and_sum_rounded(fmt: FpFormat) -> None:
    patterns = np.arange(1 << fmt.bits)
    products = multiply(fmt, patterns[:, None], patterns, fmt)
    sums = add(fmt, patterns[:, None], patterns)
    for a in patterns.tolist():
        for b in patterns.tolist():
            assert products[a, b] == plain_multiply(fmt, a, b, fmt), (a, b)
            assert sums[a, b] == plain_add(fmt, a, b), (a, b)


@pytest.mark.parametrize(("operand", "result"), PAIRS, ids=str)
@given(data=st.data())
def test_a_product_is_the_exact_one_rounded_once(
    operand: FpFormat, result: FpFormat, data: st.DataObject
) -> None:
    a, b = data.draw(operand_pairs(operand))
    assert multiply(operand, a, b, result) == plain_multiply(operand, a, b, result)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@given(data=st.data())
def test_a_sum_is_the_exact_one_rounded_once(fmt: FpFormat, data: st.DataObject) -> None:
    a, b = data.draw(operand_pairs(fmt))
    assert add(fmt, a, b) == plain_add(fmt, a, b)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_signs_of_zero_and_special_numbers_follow_their_rules(fmt: FpFormat) -> None:
    minus = 1 << (fmt.bits - 1)
    one, inf, nan = fmt.bias << fmt.fraction_bits, fmt.infinity, fmt.nan
    subnormal, smallest = (1 << fmt.fraction_bits) - 1, 1 << fmt.fraction_bits
    for a, b, expected in (
        (minus, minus, minus),
        (minus, 0, 0),
        (one, minus | one, 0),
        (minus | subnormal, minus | subnormal, minus),
        (subnormal, one, one),
        (smallest | 1, minus | smallest, 0),  # the difference would be subnormal
        (smallest, minus | smallest | 1, minus),
        (inf, minus | one, inf),
        (inf, minus | inf, nan),
        (inf, inf, inf),
        (minus | inf | 1, one, nan),
    ):
        assert add(fmt, a, b) == add(fmt, b, a) == expected, (a, b)
    for a, b, expected in (
        (minus, one, minus),
        (minus, minus | one, 0),
        (subnormal, minus | one, minus),
        (inf, minus | one, minus | inf),
        (inf, 0, nan),
        (minus | inf, subnormal, nan),
        (inf, inf, inf),
        (inf | 1, 0, nan),
    ):
        assert multiply(fmt, a, b, fmt) == multiply(fmt, b, a, fmt) == expected, (a, b)


def test_binary32_agrees_with_numpy_wherever_no_subnormal_number_takes_part() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 1 << 32, (2, 200_000))
    b[::2] = a[::2] ^ (rng.integers(0, 1 << 26, 100_000) << 3)  # exponents near each other
    x, y = (bits.astype(np.uint32).view(np.float32) for bits in (a, b))
    smallest = np.finfo(np.float32).smallest_normal
    with np.errstate(all="ignore"):
        for got, expected in (
            (multiply(BINARY32, a, b, BINARY32), x * y),
            (add(BINARY32, a, b), x + y),
        ):
            bits = np.where(np.isnan(expected), BINARY32.nan, expected.view(np.uint32))
            # NumPy keeps subnormal results, and what is rounded up to the smallest normal number
            # it rounds in finer steps.
            magnitudes = np.abs(np.stack([x, y, expected]))
            compared = ~((magnitudes > 0) & (magnitudes < smallest)).any(axis=0)
            compared &= np.abs(expected) != smallest
            assert compared.sum() > 180_000
            assert (got == bits)[compared].all()


def test_arrays_broadcast_and_keep_their_shape() -> None:
    column, row = np.full((3, 1), 0x3F80), np.full((1, 4), 0x4000)
    assert multiply(BFLOAT16, column, row, BINARY32).tolist() == [[0x40000000] * 4] * 3
    assert add(BFLOAT16, column, row).tolist() == [[0x4040] * 4] * 3
    assert decode(BFLOAT16, column).shape == (3, 1)
    assert encode(BFLOAT16, np.ones((2, 2)))[:, 1].dtype == np.int64


def accumulate(
    operand: FpFormat, a: list[int], b: list[int], fmt: FpFormat
) -> tuple[Fraction, Fraction, Fraction]:
    """The computed sum of products, the exact one, and the exact sum of their magnitudes."""
    total = 0
    exact = magnitudes = Fraction(0)
    for product, x, y in zip(
        multiply(operand, a, b, fmt), decode(operand, a), decode(operand, b), strict=True
    ):
        total = int(add(fmt, total, product))
        exact += Fraction(float(x)) * Fraction(float(y))
        magnitudes += abs(Fraction(float(x)) * Fraction(float(y)))
    value = float(decode(fmt, total))
    assert np.isfinite(value)
    return Fraction(value), exact, magnitudes


def draw_operands(
    fmt: FpFormat, rng: np.random.Generator, count: int, low: int, high: int
) -> list[int]:
    """Numbers with exponents from low to high."""
    exponent = rng.integers(low, high, count, endpoint=True) + fmt.bias
    fraction = rng.integers(0, 1 << fmt.fraction_bits, count)
    sign = rng.integers(0, 2, count)
    bits = sign << (fmt.bits - 1) | exponent << fmt.fraction_bits | fraction
    return [int(number) for number in bits]


@pytest.mark.parametrize(("operand", "result"), [*PAIRS[:3], (FpFormat(6, 3),) * 2], ids=str)
@given(
    count=st.integers(1, 15),
    centre=st.sampled_from([0, -1, -2, 5]),
    spread=st.integers(0, 6),
    seed=st.integers(0, 999),
)
def test_no_sum_of_products_is_further_off_than_the_bound(
    operand: FpFormat, result: FpFormat, count: int, centre: int, spread: int, seed: int
) -> None:
    # Products around 2**0 and 2**5, or around the smallest normal number, where they become zero.
    low = centre if centre >= 0 else -(result.bias // 2) + centre
    rng = np.random.default_rng(seed)
    a, b = (draw_operands(operand, rng, count, low, low + spread) for _ in range(2))
    computed, exact, magnitudes = accumulate(operand, a, b, result)
    bound = accumulate_error_bound(float(magnitudes), count, result)
    assert abs(computed - exact) <= Fraction(float(bound))


def test_the_bound_of_random_sums_is_within_fifty_times_their_largest_error() -> None:
    rng = np.random.default_rng(0)
    for operand, result in PAIRS[:3]:
        ratios = []
        for _ in range(200):
            a, b = (draw_operands(operand, rng, 30, -12, 0) for _ in range(2))
            computed, exact, magnitudes = accumulate(operand, a, b, result)
            bound = accumulate_error_bound(float(magnitudes), 30, result)
            ratios.append(float(abs(computed - exact) / Fraction(float(bound))))
        assert 0.02 < max(ratios) <= 1


def test_sums_whose_every_rounding_is_at_its_worst_come_near_the_bound() -> None:
    one, count = BINARY32.bias << 23, 1000
    just_below_half_a_place = ((BINARY32.bias - 24) << 23) - 1  # of 1
    a = [one] + [just_below_half_a_place] * (count - 1)
    computed, exact, magnitudes = accumulate(BINARY32, a, [one] * count, BINARY32)
    assert computed == 1
    bound = float(accumulate_error_bound(float(magnitudes), count, BINARY32))
    assert 0.99 * bound < exact - 1 <= bound


def test_sums_of_products_that_all_become_zero_come_within_twice_of_the_bound() -> None:
    smallest = 1 << BFLOAT16.fraction_bits
    just_below_one = (BFLOAT16.bias << BFLOAT16.fraction_bits) - 2
    computed, exact, magnitudes = accumulate(
        BFLOAT16, [smallest] * 15, [just_below_one] * 15, BFLOAT16
    )
    assert computed == 0
    bound = float(accumulate_error_bound(float(magnitudes), 15, BFLOAT16))
    assert 0.4 * bound < exact <= bound


def test_there_is_no_bound_where_a_sum_could_overflow() -> None:
    sums = np.array([0.0, 1.0, BINARY32.largest / 2, BINARY32.largest, np.inf, np.nan])
    finite = np.isfinite(accumulate_error_bound(sums, 100, BINARY32))
    assert finite.tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((1, 7), "exponent_bits must be an integer from 2 to 8, not 1"),
        ((9, 7), "exponent_bits must be an integer from 2 to 8, not 9"),
        ((8, 0), "fraction_bits must be an integer from 1 to 23, not 0"),
        ((8, 24), "fraction_bits must be an integer from 1 to 23, not 24"),
        ((8, 7.0), "fraction_bits must be an integer from 1 to 23, not 7.0"),
    ],
)
def test_formats_that_float64_cannot_round_are_refused(
    fields: tuple[int, int], message: str
) -> None:
    with pytest.raises(InputError) as error:
        FpFormat(*fields)
    assert str(error.value) == message


@pytest.mark.parametrize("bits", [0, 64, True, "16"])
def test_other_widths_than_16_and_32_have_no_format(bits: int) -> None:
    with pytest.raises(InputError) as error:
        format_of_bits(bits)
    assert str(error.value) == f"bits must be one of 16, 32, not {bits!r}"


@pytest.mark.parametrize(("fmt", "most"), [(BFLOAT16, 255), (BINARY32, 2**24 - 1)], ids=str)
def test_counts_beyond_the_reach_of_the_bound_are_refused(fmt: FpFormat, most: int) -> None:
    assert np.isfinite(accumulate_error_bound(1.0, most, fmt))
    for count in (0, most + 1):
        with pytest.raises(InputError) as error:
            accumulate_error_bound(1.0, count, fmt)
        assert str(error.value) == f"count must be an integer from 1 to {most}, not {count}"
