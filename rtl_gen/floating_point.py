"""Floating-point multiplier and adder: numbers in, one rounding, a number out.

``rtl_gen.fp_golden`` is what they compute, bit for bit: round to nearest, ties to even; subnormal
operands count as zero of their sign; a result that is below the smallest normal number after
rounding with unbounded exponent becomes zero of its sign; overflow gives infinity; a NaN operand,
0 x infinity and infinity - infinity give the one canonical NaN; x + (-x) is +0; -0 + -0 is -0.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.errors import InputError, require_choice
from rtl_gen.fp_golden import FpFormat
from rtl_gen.multiplier import ARCHITECTURES, Multiplier


class FpLayout(data.StructLayout):
    """A number of a format, from the lowest bit: ``fraction``, ``exponent``, ``sign``."""

    def __init__(self, fmt: FpFormat) -> None:
        super().__init__({"fraction": fmt.fraction_bits, "exponent": fmt.exponent_bits, "sign": 1})


class FpMultiplier(wiring.Component):
    """The product of two numbers, rounded once; a result that holds all its bits needs no rounder.

    Arguments:
        operand_format: of both operands.
        result_format: of the product; as many exponent bits, and no fewer fraction bits.
        multiplier: architecture of the significands' ``rtl_gen.multiplier.Multiplier``.
        registered: put one register inside: that of the significands' multiplier, and beside it
            the sign, the exponent and what is special about the operands.

    Members:
        a, b: In(operand_format.bits)
        enable: In(1), loads the inner register, if there is one
        product: Out(result_format.bits); latency ``int(registered)`` cycles, one product a cycle

    Raises:
        InputError: if the formats do not go together, or there is no such architecture.
    """

    def __init__(
        self,
        *,
        operand_format: FpFormat,
        result_format: FpFormat,
        multiplier: str,
        registered: bool,
    ) -> None:
        if result_format.exponent_bits != operand_format.exponent_bits:
            raise InputError(
                f"exponent_bits of result_format must be {operand_format.exponent_bits}, "
                f"as of operand_format, not {result_format.exponent_bits}"
            )
        if result_format.fraction_bits < operand_format.fraction_bits:
            raise InputError(
                f"fraction_bits of result_format must be at least {operand_format.fraction_bits}, "
                f"as of operand_format, not {result_format.fraction_bits}"
            )
        require_choice("multiplier", multiplier, ARCHITECTURES)
        self.operand_format = operand_format
        self.result_format = result_format
        self.registered = registered
        self._significands = Multiplier(
            a=unsigned(operand_format.precision),
            b=unsigned(operand_format.precision),
            architecture=multiplier,
            registered=registered,
        )
        super().__init__(
            {
                "a": In(operand_format.bits),
                "b": In(operand_format.bits),
                "enable": In(1),
                "product": Out(result_format.bits),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        layout = FpLayout(self.operand_format)
        a, b = data.View(layout, self.a), data.View(layout, self.b)
        m.submodules.significands = significands = self._significands
        # The hidden bit is always 1: what the product is does not matter if an operand is zero.
        m.d.comb += [
            significands.a.eq(Cat(a.fraction, 1)),
            significands.b.eq(Cat(b.fraction, 1)),
            significands.enable.eq(self.enable),
        ]
        zero = ~a.exponent.any() | ~b.exponent.any()
        infinite = a.exponent.all() | b.exponent.all()  # or NaN
        nan = (
            (a.exponent.all() & a.fraction.any())
            | (b.exponent.all() & b.fraction.any())
            | (infinite & zero)
        )
        # The exponent field of a product below 2, raised by half its range to be never negative.
        raised = (a.exponent + b.exponent + 1)[: self.operand_format.exponent_bits + 1]
        self._pack(
            m,
            sign=self._stage(m, (a.sign ^ b.sign) & ~nan, "sign"),
            raised=self._stage(m, raised, "raised"),
            zero=self._stage(m, zero, "zero"),
            infinite=self._stage(m, infinite, "infinite"),
            nan=self._stage(m, nan, "nan"),
        )
        return m

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        """``value`` itself, or a copy of it one enabled cycle later."""
        copy = Signal(value.shape(), name=name, reset_less=True)
        if not self.registered:
            m.d.comb += copy.eq(value)
            return copy
        with m.If(self.enable):
            m.d.sync += copy.eq(value)
        return copy

    def _pack(
        self, m: Module, *, sign: Value, raised: Value, zero: Value, infinite: Value, nan: Value
    ) -> None:
        """Put the result together; a fraction that carried out is 0 and needs no mask."""
        fraction, double, doubled = self._round(m)
        bits = self.operand_format.exponent_bits
        # The two top bits: 0 is below any exponent field, 3 above all of them, 1 and 2 its halves.
        below, beyond, upper = raised[-2:] == 0, raised[-2:] == 3, raised[-1]
        tiny = below | (~upper & ~raised[:-2].any() & ~double)
        huge = beyond | (upper & raised[1:-2].all() & (raised[0] | double))
        stepped = Mux(doubled, raised + 1, raised)
        exponent = Cat(stepped[: bits - 1], stepped[bits])
        number = data.View(FpLayout(self.result_format), self.product)
        m.d.comb += [
            number.sign.eq(sign),
            number.exponent.eq(_mask(exponent, ~below & ~zero) | (infinite | huge).replicate(bits)),
            number.fraction.eq(
                _mask(fraction, ~(tiny | zero | huge | infinite))
                | nan << (self.result_format.fraction_bits - 1)
            ),
        ]

    def _round(self, m: Module) -> tuple[Value, Value, Value]:
        """The rounded significand, whose top bits are the same wherever the last bit stands.

        Returns:
            The fraction; whether the product is 2 or more, before and after rounding.
        """
        bits = self.result_format.fraction_bits
        product = Cat(Const(0, 1), self._significands.product)
        double = product[-1]
        dropped = len(product) - 2 - bits  # fraction bits, of a product of 2 or more
        if dropped <= 0:
            exact = Mux(double, product[1:-1], product[:-2])
            return Cat(Const(0, -dropped), exact), double, double
        last = product[dropped]  # of a product below 2
        up_double = _rounds_up(product[: dropped + 2])
        up = _rounds_up(product[: dropped + 1])
        high = product[dropped + 1 :]
        top = Signal(bits + 1)
        # What is incremented is there before the product's top bit says whether it is wanted.
        m.d.comb += top.eq(Mux(Mux(double, up_double, up & last), high + 1, high))
        fraction = Mux(double, top, Cat(last ^ up, top))[:bits]
        return fraction, double, top[-1]


class FpAdder(wiring.Component):
    """The sum of two numbers, rounded once; combinational.

    The smaller magnitude is aligned to the larger, with guard, round and sticky bit, and added or
    subtracted. A sum that loses two leading bits or more is exact, because its operands were one
    place apart at most: it is normalised by the count of its leading zeros and not rounded. Any
    other is rounded and not normalised. Both are worked out side by side.

    Arguments:
        fmt: of operands and sum.

    Members:
        a, b: In(fmt.bits)
        total: Out(fmt.bits)
    """

    def __init__(self, fmt: FpFormat) -> None:
        self.format = fmt
        super().__init__({"a": In(fmt.bits), "b": In(fmt.bits), "total": Out(fmt.bits)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        fmt = self.format
        operands = self._order(m)
        aligned = self._align(m, operands)
        subtract = operands.subtract
        # The lowest bits make the carry in of a subtraction; its carry out is always 1.
        minuend = Cat(1, Const(0, 3), operands.large.fraction, 1)
        addend = Cat(subtract, aligned ^ subtract.replicate(len(aligned)))
        raw = Signal(fmt.precision + 5)
        magnitude = Signal(fmt.precision + 4)
        m.d.comb += [
            raw.eq(minuend + addend),
            magnitude.eq(Cat(raw[1:-1], raw[-1] & ~subtract)),
        ]
        self._pack(m, operands, magnitude)
        return m

    def _order(self, m: Module) -> _Ordered:
        """Compare the operands; the distance need not wait for the fractions."""
        fmt = self.format
        layout = FpLayout(fmt)
        a, b = data.View(layout, self.a), data.View(layout, self.b)
        large = Signal(layout)
        swap, level, subtract = Signal(), Signal(), Signal()
        difference = Signal(signed(fmt.exponent_bits + 1))
        distance = Signal(fmt.exponent_bits)
        m.d.comb += [
            difference.eq(a.exponent - b.exponent),
            level.eq(difference == 0),
            swap.eq(difference[-1] | (level & (a.fraction < b.fraction))),
            distance.eq(Mux(difference[-1], b.exponent - a.exponent, difference)),
            large.eq(Mux(swap, self.b, self.a)),
            subtract.eq(a.sign ^ b.sign),
        ]
        return _Ordered(
            a=a, b=b, large=large, swap=swap, level=level, distance=distance, subtract=subtract
        )

    def _align(self, m: Module, operands: _Ordered) -> Value:
        """The smaller significand, shifted right: from the lowest bit sticky, round and guard bit.

        It is 0 if the operand is zero, or too far below the other to change what that rounds to.
        """
        fmt = self.format
        a, b, distance = operands.a, operands.b, operands.distance
        stages = min((fmt.precision + 1).bit_length(), fmt.exponent_bits)
        present = Mux(operands.swap, a.exponent.any(), b.exponent.any())
        near = present & ~distance[stages:].any()
        sticky: Value = Const(0, 1)
        fraction = Mux(operands.swap, a.fraction, b.fraction)
        value = Signal(fmt.precision + 2, name="unshifted")
        m.d.comb += value.eq(Cat(Const(0, 2), _mask(fraction, near), near))
        for stage in reversed(range(stages)):
            step = 1 << stage
            sticky |= distance[stage] & value[:step].any()
            shifted = Signal.like(value, name=f"shifted_{step}")
            m.d.comb += shifted.eq(Mux(distance[stage], value >> step, value))
            value = shifted
        return Cat(sticky, value)

    def _pack(self, m: Module, operands: _Ordered, magnitude: Signal) -> None:
        """Choose between the rounded and the normalised sum, and mask what is special."""
        bits = self.format.exponent_bits
        a, b, large = operands.a, operands.b, operands.large
        rounded = self._round(m, large.exponent, magnitude)
        normal, nothing = self._normalise(m, large.exponent, magnitude[2:-3])
        leads = magnitude[-3:].any()
        operand = large.exponent.any()  # not both are zero
        special = large.exponent.all()
        infinite = special | (large.exponent[1:].all() & magnitude[-1])
        # A NaN is larger than infinity.
        nan = special & (large.fraction.any() | (operands.level & operands.subtract))
        exact_zero = (~leads & nothing) | ~operand
        keep_rounded = leads & operand
        keep_normal = ~leads & ~nothing & normal.fits
        total = data.View(FpLayout(self.format), self.total)
        m.d.comb += [
            total.sign.eq(Mux(exact_zero, a.sign & b.sign, large.sign) & ~nan),
            total.exponent.eq(
                _mask(rounded.exponent, keep_rounded)
                | _mask(normal.exponent, keep_normal)
                | infinite.replicate(bits)
            ),
            total.fraction.eq(
                _mask(rounded.fraction, keep_rounded & rounded.fits & ~infinite)
                | _mask(normal.fraction, keep_normal & ~special)
                | nan << (self.format.fraction_bits - 1)
            ),
        ]

    def _round(self, m: Module, exponent: Value, magnitude: Signal) -> _Sum:
        """The sum where it gains a leading bit (double), gains none (whole) or loses one (half)."""
        fmt = self.format
        double, whole = magnitude[-1], magnitude[-2] & ~magnitude[-1]
        half = ~magnitude[-1] & ~magnitude[-2]
        up_half, up_whole, up_double = (_rounds_up(magnitude[:end]) for end in (3, 4, 5))
        second, first = magnitude[2], magnitude[3]  # the last bits of a half and of a whole
        step = (double & up_double) | (whole & up_whole & first) | (half & up_half & first & second)
        top = Signal(fmt.precision)
        # What is incremented is there before the sum's top bits say whether it is wanted.
        m.d.comb += top.eq(Mux(step, magnitude[4:] + 1, magnitude[4:]))
        fraction = (
            _mask(top[: fmt.fraction_bits], double)
            | _mask(Cat(first ^ up_whole, top)[: fmt.fraction_bits], whole)
            | _mask(
                Cat(second ^ up_half, first ^ (up_half & second), top)[: fmt.fraction_bits], half
            )
        )
        stepped = Mux(top[-1], exponent + 1, Mux(top[-2], exponent, exponent - 1))
        return _Sum(
            exponent=stepped[: fmt.exponent_bits],
            fraction=fraction,
            fits=~half | (exponent != 1),
        )

    def _normalise(self, m: Module, exponent: Value, value: Value) -> tuple[_Sum, Value]:
        """The sum where it loses two leading bits or more, and whether nothing is left."""
        nothing, count = _leading_zeros(m, value)
        for stage in reversed(range(len(count))):
            step = 1 << stage
            shifted = Signal(len(value), name=f"normalised_{step}")
            m.d.comb += shifted.eq(Mux(count[stage], value << step, value))
            value = shifted
        bits = self.format.exponent_bits
        lowered = Signal(signed(max(bits, len(count)) + 2))  # by count + 2
        m.d.comb += lowered.eq((exponent - 1) + ~Cat(count, 0).as_signed())
        total = _Sum(
            exponent=lowered[:bits], fraction=Cat(Const(0, 1), value[:-1]), fits=lowered > 0
        )
        return total, nothing


@dataclass(frozen=True, kw_only=True)
class _Ordered:
    """The operands of an adder.

    Attributes:
        a, b: views of them.
        large: the one with the larger magnitude.
        swap: whether that is b.
        level: whether the exponents are equal.
        distance: the difference of the exponents.
        subtract: whether the signs differ.
    """

    a: data.View[FpLayout]
    b: data.View[FpLayout]
    large: data.View[FpLayout]
    swap: Signal
    level: Signal
    distance: Signal
    subtract: Signal


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """A sum on its way out of an adder.

    Attributes:
        exponent, fraction: as in the format.
        fits: whether it is not below the smallest normal number.
    """

    exponent: Value
    fraction: Value
    fits: Value


def _leading_zeros(m: Module, value: Value) -> tuple[Value, Value]:
    """Whether no bit is 1 and, if one is, how many above it are 0: a binary tree."""
    nodes: list[tuple[Value, Value]] = [(~bit, Const(0, 0)) for bit in reversed(value)]
    while len(nodes) > 1:
        if len(nodes) % 2:
            nodes.append((Const(1, 1), Const(0, len(nodes[0][1]))))
        merged: list[tuple[Value, Value]] = []
        for (upper_zero, upper), (lower_zero, lower) in zip(nodes[::2], nodes[1::2], strict=True):
            zero, count = Signal(name="zero"), Signal(len(upper) + 1, name="count")
            m.d.comb += [
                zero.eq(upper_zero & lower_zero),
                count.eq(Cat(Mux(upper_zero, lower, upper), upper_zero)),
            ]
            merged.append((zero, count))
        nodes = merged
    return nodes[0]


def _rounds_up(value: Value) -> Value:
    """Whether a number is rounded up that ends with its last bit, the round bit and sticky bits."""
    return value[-2] & (value[-1] | value[:-2].any())


def _mask(value: Value, keep: Value) -> Value:
    """The value, or 0."""
    return value & keep.replicate(len(value))
