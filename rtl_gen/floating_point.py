"""Floating-point multiplier and adder: numbers in, one rounding, a number out.

``rtl_gen.fp_golden`` says what they compute: round to nearest, ties to even; subnormal operands
count as zero of their sign; a result that is below the smallest normal number after rounding with
unbounded exponent becomes zero of its sign; overflow gives infinity; a NaN operand, 0 x infinity
and infinity - infinity give the one canonical NaN; x + (-x) is +0; -0 + -0 is -0.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.errors import InputError
from rtl_gen.fp_golden import FpFormat
from rtl_gen.multiplier import Multiplier


class FpLayout(data.StructLayout):
    """A number of a format, from the lowest bit: ``fraction``, ``exponent``, ``sign``."""

    def __init__(self, fmt: FpFormat) -> None:
        super().__init__(
            {
                "fraction": unsigned(fmt.fraction_bits),
                "exponent": unsigned(fmt.exponent_bits),
                "sign": unsigned(1),
            }
        )


class FpMultiplier(wiring.Component):
    """The product of two numbers, rounded once; a wide enough result needs no rounding.

    Arguments:
        operand_format: of both operands.
        result_format: of the product; as many exponent bits, and no fewer fraction bits.
        multiplier: architecture of the significands' ``rtl_gen.multiplier.Multiplier``.
        registered: put one register inside: that of the significands' multiplier, and beside it
            sign, exponent and what is special about the operands.

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
                f"exponent_bits of result_format must be {operand_format.exponent_bits}, those of "
                f"operand_format, not {result_format.exponent_bits}"
            )
        if result_format.fraction_bits < operand_format.fraction_bits:
            raise InputError(
                f"fraction_bits of result_format must be at least {operand_format.fraction_bits}, "
                f"those of operand_format, not {result_format.fraction_bits}"
            )
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
        fmt = self.operand_format
        a, b = (data.View(FpLayout(fmt), bits) for bits in (self.a, self.b))
        m.submodules.significands = significands = self._significands
        # The hidden bit is always 1: a product with a zero operand is not looked at.
        m.d.comb += [
            significands.a.eq(Cat(a.fraction, Const(1, 1))),
            significands.b.eq(Cat(b.fraction, Const(1, 1))),
            significands.enable.eq(self.enable),
        ]
        zero = ~a.exponent.any() | ~b.exponent.any()
        infinite = a.exponent.all() | b.exponent.all()  # or NaN
        nan = (
            (a.exponent.all() & a.fraction.any())
            | (b.exponent.all() & b.fraction.any())
            | (infinite & zero)
        )
        # The biased exponent of a product below 2, plus 2**(exponent_bits - 1): never negative.
        raised = Signal(fmt.exponent_bits + 1)
        m.d.comb += raised.eq(a.exponent + b.exponent + 1)
        self._pack(
            m,
            sign=self._stage(m, (a.sign ^ b.sign) & ~nan, "sign"),
            raised=self._stage(m, raised, "raised_copy"),
            zero=self._stage(m, zero & ~infinite, "zero"),
            infinite=self._stage(m, infinite, "infinite"),
            nan=self._stage(m, nan, "nan"),
        )
        return m

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        """``value`` itself, or a copy of it one enabled cycle later."""
        if not self.registered:
            return value
        copy = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += copy.eq(value)
        return copy

    def _pack(
        self, m: Module, *, sign: Value, raised: Value, zero: Value, infinite: Value, nan: Value
    ) -> None:
        """Put the result together, with what becomes zero or infinity masked.

        A fraction that carries out is 0, so that only products of 2 or more need be looked at.
        """
        fraction, high, carry = self._fraction(m)
        bits = self.operand_format.exponent_bits
        middle, top = raised[-2], raised[-1]
        below, beyond = ~(middle | top), middle & top  # exponent below 0, above that of infinity
        tiny = below | (~raised[:-2].any() & ~top & ~high)
        huge = beyond | (raised[1 : bits - 1].all() & top & (raised[0] | high))
        stepped = Signal(bits + 1)
        m.d.comb += stepped.eq(Mux(high | carry, raised + 1, raised))
        exponent = Cat(stepped[: bits - 1], stepped[bits])
        number = data.View(FpLayout(self.result_format), self.product)
        m.d.comb += [
            number.sign.eq(sign),
            number.exponent.eq(
                _mask(exponent, ~(below | zero)) | (infinite | huge).replicate(bits)
            ),
            number.fraction.eq(_mask(fraction, ~(tiny | huge | zero | infinite))),
        ]
        with m.If(nan):
            m.d.comb += number.fraction[-1].eq(1)

    def _fraction(self, m: Module) -> tuple[Value, Value, Value]:
        """The rounded fraction of the result.

        Returns:
            The fraction; 1 if the product is 2 or more; 1 if rounding carried out of the fraction.
            Never both: a product of significands is too far below 4.
        """
        bits = self.result_format.fraction_bits
        product = Cat(Const(0, 1), self._significands.product)
        high = product[-1]
        dropped = len(product) - 2 - bits  # from a product of 2 or more
        if dropped <= 0:
            exact = Mux(high, product[1:-1], product[:-2])
            return Cat(Const(0, -dropped), exact), high, Const(0, 1)
        kept = Mux(high, product[dropped:-1], product[dropped - 1 : -2])  # with the round bit
        sticky = product[: dropped - 1].any() | (high & product[dropped - 1])
        rounded = Signal(bits + 1)
        m.d.comb += rounded.eq(kept[1:] + (kept[0] & (kept[1] | sticky)))
        return rounded[:bits], high, rounded[bits]


class FpAdder(wiring.Component):
    """The sum of two numbers, rounded once; combinational.

    One path for all operands: the smaller magnitude is aligned to the larger, with guard, round and
    sticky bit, and added or subtracted; the result is normalised by its leading zeros and rounded
    by an increment of exponent and fraction as one number.

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
        layout = FpLayout(fmt)
        a, b = (data.View(layout, bits) for bits in (self.a, self.b))
        # Exponents decide how far to shift, and fractions join in only to choose what is shifted:
        # where exponents are equal, nothing is.
        below = Signal(signed(fmt.exponent_bits + 1))
        swap = Signal()
        large = Signal(layout)
        subtract = Signal()
        m.d.comb += [
            below.eq(a.exponent - b.exponent),
            swap.eq((below < 0) | ((below == 0) & (a.fraction < b.fraction))),
            large.eq(Mux(swap, self.b, self.a)),
            subtract.eq(a.sign ^ b.sign),
        ]
        amount = Mux(below < 0, b.exponent - a.exponent, below)[: fmt.exponent_bits]
        aligned = self._align(m, a, b, swap, amount)
        minuend = Cat(Const(1, 1), Const(0, 3), large.fraction, Const(1, 1))
        addend = Cat(subtract, aligned ^ subtract.replicate(len(aligned)))
        raw = Signal(fmt.precision + 5)
        magnitude = Signal(fmt.precision + 4)
        m.d.comb += [
            raw.eq(minuend + addend),
            # The carry out of a subtraction says that nothing was borrowed, which is always so.
            magnitude.eq(Cat(raw[1:-1], raw[-1] & ~subtract)),
        ]
        self._pack(m, a, b, large, magnitude)
        return m

    def _align(
        self, m: Module, a: data.View, b: data.View, swap: Value, distance: Value
    ) -> Value:
        """The significand of the smaller magnitude, shifted right: two bits more, and sticky."""
        fmt = self.format
        stages = min((fmt.precision + 1).bit_length(), fmt.exponent_bits)
        amount = Signal(fmt.exponent_bits)
        m.d.comb += amount.eq(distance)
        present = Mux(swap, a.exponent.any(), b.exponent.any())
        far = amount[stages:].any()
        near = Signal()
        m.d.comb += near.eq(present & ~far)
        fraction = _mask(a.fraction, swap & near) | _mask(b.fraction, ~swap & near)
        value = Signal(fmt.precision + 2, name="unshifted")
        m.d.comb += value.eq(Cat(Const(0, 2), fraction, near))
        sticky = present & far
        for stage in reversed(range(stages)):
            step = 1 << stage
            sticky |= amount[stage] & value[:step].any()
            shifted = Signal(len(value), name=f"shifted_by_{step}")
            m.d.comb += shifted.eq(Mux(amount[stage], value >> step, value))
            value = shifted
        return Cat(sticky, value)

    def _round(self, m: Module, large: data.View, magnitude: Value) -> tuple[Value, Value, Value]:
        """Exponent and fraction of a sum that has lost at most one leading bit."""
        fmt = self.format
        e = large.exponent
        carry = magnitude[-1]
        left = ~magnitude[-1] & ~magnitude[-2]
        kept = Mux(carry, magnitude[3:-1], Mux(left, magnitude[1:-3], magnitude[2:-2]))  # with the round bit
        sticky = magnitude[0] | (~left & magnitude[1]) | (carry & magnitude[2])
        rounded = Signal(fmt.precision)
        m.d.comb += rounded.eq(kept[1:] + (kept[0] & (kept[1] | sticky)))
        exponent = Mux(left, Mux(rounded[-1], e, e-1), Mux(carry | rounded[-1], e + 1, e))
        infinite = large.exponent.all() | (large.exponent[1:].all() & carry)
        return exponent[: fmt.exponent_bits], rounded[:-1], infinite, left & (e == 1)

    def _normalise(self, m: Module, large: data.View, value: Value) -> tuple[Value, Value, Value]:
        fmt = self.format
        none, count = _leading_zeros(m, value)
        normal: Value = value
        for stage in reversed(range(len(count))):
            step = 1 << stage
            shifted = Signal(len(value), name=f"normalised_by_{step}")
            m.d.comb += shifted.eq(Mux(count[stage], normal << step, normal))
            normal = shifted
        exponent = Signal(signed(fmt.exponent_bits + 2))
        m.d.comb += exponent.eq(large.exponent - count - 2)
        return exponent[: fmt.exponent_bits], Cat(Const(0,1),normal[:-1]), none, (exponent > 0)

    def _pack(self, m: Module, a: data.View, b: data.View, large: data.View, magnitude: Value) -> None:
        fmt = self.format
        e_r, f_r, infinite, flush = self._round(m, large, magnitude)
        e_n, f_n, none, ok = self._normalise(m, large, magnitude[2:-3])
        top = magnitude[-3:].any()
        cancelled = ~top & none
        some = large.exponent.any()
        nan = large.exponent.all() & (
            large.fraction.any() | (a.exponent.all() & b.exponent.all() & (a.sign ^ b.sign))
        )
        exact_zero = cancelled | ~some
        keep_r = top & some
        keep_n = ~top & ~none & ok
        total = data.View(FpLayout(fmt), self.total)
        m.d.comb += [
            total.sign.eq(Mux(exact_zero, a.sign & b.sign, large.sign) & ~nan),
            total.exponent.eq(_mask(e_r, keep_r)|_mask(e_n, keep_n) | infinite.replicate(fmt.exponent_bits)),
            total.fraction.eq(_mask(f_r, keep_r & ~infinite&~flush)|_mask(f_n, keep_n & ~large.exponent.all())),
        ]
        with m.If(nan):
            m.d.comb += total.fraction[-1].eq(1)


def _leading_zeros(m: Module, value: Value) -> tuple[Value, Value]:
    """Whether no bit is 1, and else how many bits are 0 above the highest 1: a tree."""
    nodes = [(~bit, Const(0, 0)) for bit in reversed(value)]
    while len(nodes) & (len(nodes) - 1):
        nodes.append((Const(1, 1), Const(0, len(nodes[0][1]))))
    while len(nodes) > 1:
        merged = []
        for (high_none, high_count), (low_none, low_count) in zip(
            nodes[0::2], nodes[1::2], strict=True
        ):
            none = Signal()
            count = Signal(len(high_count) + 1)
            m.d.comb += [
                none.eq(high_none & low_none),
                count.eq(Cat(Mux(high_none, low_count, high_count), high_none)),
            ]
            merged.append((none, count))
        nodes = merged
    return nodes[0]


def _mask(value: Value, keep: Value) -> Value:
    return value & keep.replicate(len(value))
