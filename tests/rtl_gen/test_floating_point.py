"""The floating-point units against the golden model: exhaustive where small, drawn where large."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Cat, ResetInserter, Signal
from amaranth.sim import Simulator

from rtl_gen.errors import InputError
from rtl_gen.floating_point import FpAdder, FpMultiplier
from rtl_gen.fp_golden import BFLOAT16, BINARY32, Bits, FpFormat, add, multiply
from rtl_gen.multiplier import ARCHITECTURES


def every_pair(fmt: FpFormat) -> tuple[Bits, Bits]:
    patterns = np.arange(1 << fmt.bits)
    return np.repeat(patterns, len(patterns)), np.tile(patterns, len(patterns))


def drawn_numbers(fmt: FpFormat, rng: np.random.Generator, count: int) -> Bits:
    """Numbers of any exponent, a third near its ends; a third of fractions with runs of 0 or 1."""
    top, last = fmt.max_exponent, (1 << fmt.fraction_bits) - 1
    exponent = rng.integers(0, top, count, endpoint=True)
    ends = np.array([0, 1, 2, top - 2, top - 1, top])[rng.integers(0, 6, count)]
    exponent = np.where(rng.integers(0, 3, count) == 0, ends, exponent)
    fraction = rng.integers(0, last, count, endpoint=True)
    shift = rng.integers(0, fmt.fraction_bits, count, endpoint=True)
    run = [fraction, fraction, last >> shift, last & (last << shift), last >> shift & fraction]
    fraction = np.choose(rng.integers(0, len(run), count), run)
    return rng.integers(0, 2, count) << (fmt.bits - 1) | exponent << fmt.fraction_bits | fraction


def drawn_pairs(fmt: FpFormat, seed: int, count: int) -> tuple[Bits, Bits]:
    """Any two; two that are near each other; two with a product near underflow or overflow."""
    rng = np.random.default_rng(seed)
    a, b = drawn_numbers(fmt, rng, count), drawn_numbers(fmt, rng, count)
    top, exponents = fmt.max_exponent, fmt.max_exponent << fmt.fraction_bits
    exponent = (a & exponents) >> fmt.fraction_bits
    near = exponent + rng.integers(-fmt.precision - 3, fmt.precision + 3, count, endpoint=True)
    aside = rng.integers(-2, 1, count, endpoint=True)
    flipped = a ^ 1 << (fmt.bits - 1) ^ 1 << rng.integers(0, fmt.fraction_bits, count)

    def with_exponent(wanted: Bits) -> Bits:
        return (b & ~exponents) | np.clip(wanted, 0, top) << fmt.fraction_bits

    kinds = [
        b,
        with_exponent(near),
        flipped ^ rng.integers(0, 2, count),
        with_exponent(fmt.bias - exponent + aside),
        with_exponent(top + fmt.bias - exponent + aside),
    ]
    return a, np.choose(rng.integers(0, len(kinds), count), kinds)


def special_pairs(fmt: FpFormat) -> tuple[Bits, Bits]:
    """Every pair of: zeros, subnormals, both ends of the normal numbers, 1, infinities, NaNs."""
    one = fmt.bias << fmt.fraction_bits
    smallest, inf = 1 << fmt.fraction_bits, fmt.infinity
    magnitudes = [
        *(0, 1, smallest - 1, smallest, smallest + 1, one - 1, one, one + 1),
        *(inf - smallest, inf - 1, inf, inf + 1, fmt.nan, inf + smallest - 1),
    ]
    numbers = np.array([sign | m for sign in (0, 1 << (fmt.bits - 1)) for m in magnitudes])
    return np.repeat(numbers, len(numbers)), np.tile(numbers, len(numbers))


def distances(fmt: FpFormat) -> tuple[Bits, Bits]:
    """Two numbers at every difference of exponents, with the same and with other signs."""
    rng = np.random.default_rng(7)
    exponent = np.arange(1, fmt.max_exponent)
    fractions = rng.integers(0, 1 << fmt.fraction_bits, (2, len(exponent)))
    small = exponent[0] << fmt.fraction_bits | fractions[0]
    large = exponent << fmt.fraction_bits | fractions[1]
    sign = rng.integers(0, 2, len(exponent)) << (fmt.bits - 1)
    return np.concatenate([small, large]), np.concatenate([large ^ sign, small ^ sign])


def check_adder(fmt: FpFormat, pairs: tuple[Bits, Bits]) -> None:
    """Every pair gives the golden model's sum."""
    a, b = pairs
    dut = FpAdder(fmt)
    operands = Cat(dut.a, dut.b)
    vectors = (a | b << fmt.bits).tolist()

    async def bench(ctx: object) -> None:
        for vector, total in zip(vectors, add(fmt, a, b).tolist(), strict=True):
            ctx.set(operands, vector)  # type: ignore[attr-defined]  # the simulator's context
            await ctx.delay(1e-9)  # type: ignore[attr-defined]  # as above
            got = ctx.get(dut.total)  # type: ignore[attr-defined]  # as above
            assert got == total, f"{vector:x}: {got:x} is not {total:x}"

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


def check_multiplier(dut: FpMultiplier, pairs: tuple[Bits, Bits]) -> None:
    """Feed operands, one pair a cycle, and compare each product with the golden model's."""
    a, b = pairs
    operands = Cat(dut.a, dut.b)
    vectors = (a | b << dut.operand_format.bits).tolist()
    products = multiply(dut.operand_format, a, b, dut.result_format).tolist()

    async def bench(ctx: object) -> None:
        ctx.set(dut.enable, 1)  # type: ignore[attr-defined]  # the simulator's context
        for vector, product in zip(vectors, products, strict=True):
            ctx.set(operands, vector)  # type: ignore[attr-defined]  # as above
            if dut.registered:
                await ctx.tick()  # type: ignore[attr-defined]  # as above
            else:
                await ctx.delay(1e-9)  # type: ignore[attr-defined]  # as above
            got = ctx.get(dut.product)  # type: ignore[attr-defined]  # as above
            assert got == product, f"{vector:x}: {got:x} is not {product:x}"

    simulator = Simulator(dut)
    if dut.registered:
        simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def label(value: object) -> str:
    if isinstance(value, FpFormat):
        return f"e{value.exponent_bits}f{value.fraction_bits}"
    return str(value)


@pytest.mark.parametrize("fmt", [FpFormat(3, 2), FpFormat(2, 1), FpFormat(3, 1)], ids=label)
def test_every_pair_of_small_numbers_gives_its_sum(fmt: FpFormat) -> None:
    check_adder(fmt, every_pair(fmt))


@pytest.mark.parametrize(("fmt", "count"), [(BFLOAT16, 3000), (BINARY32, 1500)], ids=label)
def test_drawn_numbers_give_their_sum(fmt: FpFormat, count: int) -> None:
    check_adder(fmt, drawn_pairs(fmt, 0, count))


@pytest.mark.parametrize("fmt", [BFLOAT16, BINARY32, FpFormat(2, 5)], ids=label)
def test_special_numbers_give_their_sum(fmt: FpFormat) -> None:
    check_adder(fmt, special_pairs(fmt))


@pytest.mark.parametrize("fmt", [BFLOAT16, BINARY32], ids=label)
def test_every_difference_of_exponents_gives_its_sum(fmt: FpFormat) -> None:
    check_adder(fmt, distances(fmt))


@pytest.mark.parametrize("registered", [False, True], ids=["plain", "registered"])
@pytest.mark.parametrize("fraction_bits", [2, 3, 4, 5, 7])
def test_every_pair_of_small_numbers_gives_its_product_with_or_without_a_rounder(
    fraction_bits: int, registered: bool
) -> None:
    operand = FpFormat(3, 2)
    dut = FpMultiplier(
        operand_format=operand,
        result_format=FpFormat(3, fraction_bits),
        multiplier="synth",
        registered=registered,
    )
    check_multiplier(dut, every_pair(operand))


@pytest.mark.parametrize(
    ("operand", "result", "architecture", "count"),
    [
        (BFLOAT16, BINARY32, "synth", 3000),
        (BFLOAT16, BINARY32, "booth", 1000),
        (BFLOAT16, BFLOAT16, "synth", 3000),
        (BFLOAT16, BFLOAT16, "array", 1000),
        (BINARY32, BINARY32, "synth", 3000),
        (BINARY32, BINARY32, "booth", 100),
    ],
    ids=label,
)
@pytest.mark.parametrize("registered", [False, True], ids=["plain", "registered"])
def test_drawn_and_special_numbers_give_their_product(
    operand: FpFormat, result: FpFormat, architecture: str, count: int, registered: bool
) -> None:
    dut = FpMultiplier(
        operand_format=operand,
        result_format=result,
        multiplier=architecture,
        registered=registered,
    )
    drawn = drawn_pairs(operand, 1 + registered, count)
    special = special_pairs(operand)
    if architecture != "synth":  # what is special is the same for all, and these are slow
        special = special[0][::7], special[1][::7]
    a, b = np.concatenate([drawn, special], axis=1)
    check_multiplier(dut, (a, b))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_registered_product_stays_while_it_is_not_enabled(architecture: str) -> None:
    dut = FpMultiplier(
        operand_format=BFLOAT16, result_format=BINARY32, multiplier=architecture, registered=True
    )
    two, minus_three, nan = 0x4000, 0xC040, 0x7FC0

    async def bench(ctx: object) -> None:
        for enable, a, b, product in (
            (1, two, minus_three, 0xC0C00000),
            (0, two, two, 0xC0C00000),
            (0, nan, 0, 0xC0C00000),
            (1, nan, two, 0x7FC00000),
            (0, two, two, 0x7FC00000),
            (1, two, 0x8000, 0x80000000),
            (1, two, two, 0x40800000),
        ):
            ctx.set(Cat(dut.enable, dut.a, dut.b), enable | a << 1 | b << 17)  # type: ignore[attr-defined]  # the simulator's context
            await ctx.tick()  # type: ignore[attr-defined]  # as above
            assert ctx.get(dut.product) == product  # type: ignore[attr-defined]  # as above

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reset_does_not_reach_the_registers(architecture: str) -> None:
    dut = FpMultiplier(
        operand_format=BFLOAT16, result_format=BFLOAT16, multiplier=architecture, registered=True
    )
    reset = Signal()

    async def bench(ctx: object) -> None:
        ctx.set(Cat(reset, dut.enable), 0b11)  # type: ignore[attr-defined]  # the simulator's context
        for a, b, product in ((0x4000, 0xC040, 0xC0C0), (0x7F80, 0, 0x7FC0), (0, 0xC040, 0x8000)):
            ctx.set(Cat(dut.a, dut.b), a | b << 16)  # type: ignore[attr-defined]  # as above
            await ctx.tick()  # type: ignore[attr-defined]  # as above
            assert ctx.get(dut.product) == product  # type: ignore[attr-defined]  # as above

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"result_format": FpFormat(5, 10)},
            "exponent_bits of result_format must be 8, as of operand_format, not 5",
        ),
        (
            {"result_format": FpFormat(8, 6)},
            "fraction_bits of result_format must be at least 7, as of operand_format, not 6",
        ),
        ({"multiplier": "wallace"}, "multiplier must be one of synth, booth, array, not 'wallace'"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(
    changes: dict[str, FpFormat | str], message: str
) -> None:
    arguments = {"operand_format": BFLOAT16, "result_format": BINARY32, "multiplier": "booth"}
    with pytest.raises(InputError) as error:
        FpMultiplier(**{**arguments, **changes}, registered=False)  # type: ignore[arg-type]  # that is the point
    assert str(error.value) == message
