"""Arithmetic units, their exact results, and what others published of such units in 40 to 45 nm.

Where the figures are from: ``docs/world.md``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen import fp_golden
from rtl_gen.floating_point import FpAdder, FpMultiplier
from rtl_gen.fp_golden import BFLOAT16, BINARY32, FpFormat
from rtl_gen.multiplier import Multiplier

BINARY16 = FpFormat(5, 10)
#: Exponents of random floating-point operands, as in ``rtl_gen.operands``.
_EXPONENTS = (-8, 7)
#: Supply that the energies of a source are for; None if it does not say.
SOURCES = {"Horowitz": 0.9, "Aladdin": None, "EvoApprox": None}

Operands = Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a source says of an operation; None where it says nothing."""

    source: str
    area_um2: float | None = None
    energy_pj: float | None = None


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An arithmetic unit.

    Attributes:
        make: its component; combinational, any inputs, one output.
        draw: random operands, as bits.
        expect: the exact result of operands, as bits.
        published: what it is compared with.
    """

    make: Callable[[], wiring.Component]
    draw: Callable[[random.Random], Operands]
    expect: Callable[[Operands], int]
    published: tuple[Published, ...] = ()


class Adder(wiring.Component):
    """``total = a + b``, with carry out."""

    def __init__(self, bits: int) -> None:
        super().__init__({"a": In(bits), "b": In(bits), "total": Out(bits + 1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.comb += self.total.eq(self.a + self.b)
        return m


class MultiplyAdd(wiring.Component):
    """``total = a * b + stored``, signed, without overflow detection."""

    def __init__(self, bits: int, sum_bits: int) -> None:
        self.bits = bits
        total = signed(sum_bits)
        super().__init__(
            {"a": In(signed(bits)), "b": In(signed(bits)), "stored": In(total), "total": Out(total)}
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.multiplier = multiplier = Multiplier(
            a=signed(self.bits), b=signed(self.bits), architecture="synth", registered=False
        )
        m.d.comb += [
            multiplier.a.eq(self.a),
            multiplier.b.eq(self.b),
            self.total.eq(multiplier.product + self.stored),
        ]
        return m


def _random_bits(*widths: int) -> Callable[[random.Random], Operands]:
    return lambda rng: [rng.getrandbits(bits) for bits in widths]


def _signed(value: int, bits: int) -> int:
    return value - (value >> (bits - 1) << bits)


def _adder(bits: int, *published: Published) -> Unit:
    return Unit(
        make=lambda: Adder(bits),
        draw=_random_bits(bits, bits),
        expect=sum,
        published=published,
    )


def _multiplier(
    bits: int, *published: Published, architecture: str = "synth", sign: bool = True
) -> Unit:
    shape = signed(bits) if sign else unsigned(bits)

    def expect(operands: Operands) -> int:
        a, b = (_signed(value, bits) if sign else value for value in operands)
        return a * b & ((1 << 2 * bits) - 1)

    return Unit(
        make=lambda: Multiplier(a=shape, b=shape, architecture=architecture, registered=False),
        draw=_random_bits(bits, bits),
        expect=expect,
        published=published,
    )


def _multiply_add(bits: int, sum_bits: int, *published: Published) -> Unit:
    def expect(operands: Operands) -> int:
        a, b = (_signed(value, bits) for value in operands[:2])
        return a * b + operands[2] & ((1 << sum_bits) - 1)

    # Sums as they are on the way: below 2**(sum_bits - 2).
    def draw(rng: random.Random) -> Operands:
        half = 1 << (sum_bits - 2)
        total = rng.randrange(-half, half) & ((1 << sum_bits) - 1)
        return [rng.getrandbits(bits), rng.getrandbits(bits), total]

    return Unit(
        make=lambda: MultiplyAdd(bits, sum_bits), draw=draw, expect=expect, published=published
    )


def _random_numbers(form: FpFormat) -> Callable[[random.Random], Operands]:
    def draw(rng: random.Random) -> Operands:
        return [
            rng.getrandbits(1) << (form.bits - 1)
            | form.bias + rng.randint(*_EXPONENTS) << form.fraction_bits
            | rng.getrandbits(form.fraction_bits)
            for _ in range(2)
        ]

    return draw


def _fp_adder(form: FpFormat, *published: Published) -> Unit:
    return Unit(
        make=lambda: FpAdder(form),
        draw=_random_numbers(form),
        expect=lambda operands: int(fp_golden.add(form, operands[0], operands[1])),
        published=published,
    )


def _fp_multiplier(form: FpFormat, *published: Published) -> Unit:
    return Unit(
        make=lambda: FpMultiplier(
            operand_format=form, result_format=form, multiplier="synth", registered=False
        ),
        draw=_random_numbers(form),
        expect=lambda operands: int(fp_golden.multiply(form, operands[0], operands[1], form)),
        published=published,
    )


def _horowitz(energy_pj: float, area_um2: float) -> Published:
    return Published(source="Horowitz", energy_pj=energy_pj, area_um2=area_um2)


def _aladdin(energy_pj: float, area_um2: float) -> Published:
    return Published(source="Aladdin", energy_pj=energy_pj, area_um2=area_um2)


_MULTIPLY_32 = (_horowitz(3.1, 3495), _aladdin(8.625, 4595))
#: Multipliers are signed and the synthesizer's own unless they say otherwise.
UNITS = {
    "add 8": _adder(8, _horowitz(0.03, 36)),
    "add 16": _adder(16),
    "add 32": _adder(32, _horowitz(0.1, 137), _aladdin(0.0857, 179.4)),
    "multiply 8": _multiplier(8, _horowitz(0.2, 282)),
    "multiply 8, booth": _multiplier(8, _horowitz(0.2, 282), architecture="booth"),
    "multiply 8, array": _multiplier(8, _horowitz(0.2, 282), architecture="array"),
    "multiply 8, unsigned": _multiplier(
        8, Published(source="EvoApprox", area_um2=709.6), architecture="array", sign=False
    ),
    "multiply 16": _multiplier(16),
    "multiply 16, booth": _multiplier(16, architecture="booth"),
    "multiply 32": _multiplier(32, *_MULTIPLY_32),
    "multiply 32, booth": _multiplier(32, *_MULTIPLY_32, architecture="booth"),
    # The source has no multiply-add: the sum of its multiplier and its 32-bit adder.
    "multiply-add 8, 32": _multiply_add(8, 32, _horowitz(0.2 + 0.1, 282 + 137)),
    "multiply-add 16, 40": _multiply_add(16, 40),
    "add binary16": _fp_adder(BINARY16, _horowitz(0.4, 1360)),
    "add bfloat16": _fp_adder(BFLOAT16),
    "add binary32": _fp_adder(BINARY32, _horowitz(0.9, 4184)),
    "multiply binary16": _fp_multiplier(BINARY16, _horowitz(1.1, 1640)),
    "multiply bfloat16": _fp_multiplier(BFLOAT16),
    "multiply binary32": _fp_multiplier(BINARY32, _horowitz(3.7, 7700)),
}
