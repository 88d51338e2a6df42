"""Integer multipliers: the synthesizer's own, Booth's recoding, or an array; one register inside."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.errors import require_choice, require_int

ARCHITECTURES = ("synth", "booth", "array")

#: Widest operand.
MAX_BITS = 32

# Arrival times in the compressor tree, in XOR gates: a full adder's last input is its fast one.
_SUM, _FAST_SUM, _CARRY, _FAST_CARRY = 2, 1, 2, 1


class Multiplier(wiring.Component):
    """The exact product of two integers.

    Arguments:
        a: shape of the first operand, signed or unsigned, 1..32 bits.
        b: likewise of the second, the weight.
        architecture: one of ``ARCHITECTURES``.
        registered: put one register inside.

    Members:
        a, b: In(a), In(b)
        enable: In(1), loads the inner register, if there is one
        product: Out, width(a) + width(b) bits, signed if an operand is; latency
            ``int(registered)`` cycles, one product a cycle

    Raises:
        InputError: if a width or the architecture is not one of the above.
    """

    def __init__(self, *, a: ShapeLike, b: ShapeLike, architecture: str, registered: bool) -> None:
        shapes = {"a": Shape.cast(a), "b": Shape.cast(b)}
        for name, shape in shapes.items():
            require_int(f"width of {name}", shape.width, 1, MAX_BITS)
        self.architecture = require_choice("architecture", architecture, ARCHITECTURES)
        self.registered = registered
        bits = sum(shape.width for shape in shapes.values())
        negative = any(shape.signed for shape in shapes.values())
        super().__init__(
            {
                "a": In(shapes["a"]),
                "b": In(shapes["b"]),
                "enable": In(1),
                "product": Out(Shape(bits, negative)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.architecture == "synth":
            self._synthesizers(m)
            return m
        recode = booth_columns if self.architecture == "booth" else array_columns
        low, first, second = compress(m, recode(m, self.a, self.b))
        rows = [
            self._stage(m, row, name)
            for row, name in ((low, "low"), (first, "first"), (second, "second"))
        ]
        m.d.comb += self.product.eq(Cat(rows[0], rows[1] + rows[2]))
        return m

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        """``value`` itself, or a copy of it one enabled cycle later."""
        if not self.registered:
            return value
        copy = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += copy.eq(value)
        return copy

    def _synthesizers(self, m: Module) -> None:
        """Leave the product to the synthesizer; the register cuts it between two halves of b."""
        half = len(self.b) // 2
        if not self.registered or half == 0:
            m.d.comb += self.product.eq(self._stage(m, self.a * self.b, "whole_product"))
            return
        upper = self.b[half:].as_signed() if self.b.shape().signed else self.b[half:]
        low = self._stage(m, self.a * self.b[:half], "low_product")
        high = self._stage(m, self.a * upper, "high_product")
        m.d.comb += self.product.eq(low + (high << half))


def array_columns(_m: Module, a: Value, b: Value) -> list[list[Value]]:
    columns: list[list[Value]] = [[] for _ in range(len(a) + len(b))]
    correction = 0
    for i in range(len(a)):
        for j in range(len(b)):
            negative = (a.shape().signed and i == len(a) - 1) != (
                b.shape().signed and j == len(b) - 1
            )
            bit = a[i] & b[j]
            columns[i + j].append(~bit if negative else bit)
            correction -= negative << (i + j)
    add_constant(columns, correction)
    return columns


def add_constant(columns, correction):
    for k, column in enumerate(columns):
        if correction >> k & 1:
            column.append(Const(1, 1))


def booth_rows(shape: Shape) -> int:
    return (shape.width + 1) // 2 if shape.signed else shape.width // 2 + 1


def booth_columns(m: Module, a: Value, b: Value) -> list[list[Value]]:
    if booth_rows(a.shape()) * len(b) < booth_rows(b.shape()) * len(a):
        a, b = b, a
    columns: list[list[Value]] = [[] for _ in range(len(a) + len(b))]
    correction = 0
    signed = b.shape().signed
    ext = b[-1] if signed else Const(0, 1)
    y = [Const(0, 1), *b, ext, ext]
    for row in range(booth_rows(b.shape())):
        low, mid, high = y[2 * row : 2 * row + 3]
        never = not signed and 2 * row + 1 >= len(b)  # the digit is never negative
        neg = Const(0, 1) if never else high
        one = Signal(name=f"one{row}")
        two = Signal(name=f"two{row}")
        m.d.comb += [
            one.eq(low ^ mid),
            two.eq(
                Mux(mid, low & ~high, high & ~low)
                if 0
                else (high & ~mid & ~low) | (~high & mid & low)
            ),
        ]
        flipped = Signal(len(a), name=f"flipped{row}")
        m.d.comb += flipped.eq(a ^ neg.replicate(len(a)))
        pick = Signal(len(a) + 1, name=f"row{row}")
        top = flipped[-1] if a.shape().signed else Const(0, 1)
        negative = Signal(name=f"negative{row}")
        m.d.comb += negative.eq(neg & ~(mid & low))
        if not a.shape().signed:
            top = neg
        x = Cat(flipped, top)
        xs = Cat(neg, flipped)
        bits = [(one & x[k]) | (two & xs[k]) for k in range(len(a) + 1)]
        bits[0] = one & a[0]
        m.d.comb += pick.eq(Cat(bits))
        position = 2 * row

        def put(k, bit):
            if k < len(columns):
                columns[k].append(bit)

        for k in range(len(a) + (not a.shape().signed)):
            put(position + k, pick[k])
        if a.shape().signed:
            put(position + len(a), ~pick[len(a)])
            correction -= 1 << (position + len(a))
        elif not never:
            put(position + len(a) + 1, ~negative)
            correction -= 1 << (position + len(a) + 1)
        if not never:
            carry = Signal(name=f"carry{row}")
            m.d.comb += carry.eq(negative & ~pick[0])
            put(position + 1, carry)
    add_constant(columns, correction)
    return columns


def compress(m: Module, columns: Sequence[Sequence[Value]]):
    """three-dimensional method"""
    count = len(columns)
    waiting = [[(0, bit) for bit in column] for column in columns]
    done = []
    n = 0
    for k in range(count):
        bits = waiting[k]
        while len(bits) > 2:
            bits.sort(key=lambda t: t[0])
            (ta, a), (tb, b), (tc, c) = bits[:3]
            del bits[:3]
            s = Signal(name=f"sum{n}")
            cy = Signal(name=f"carry{n}")
            p = Signal(name=f"half{n}")
            n += 1
            m.d.comb += [p.eq(a ^ b), s.eq(p ^ c), cy.eq((a & b) | (p & c))]
            bits.append((max(tb + 2, tc + 1), s))
            if k + 1 < count:
                waiting[k + 1].append((max(tb + 2, tc + 1), cy))
    split = next((k for k in range(count) if len(waiting[k]) > 1), count)
    low = Cat(bits[0][1] if bits else Const(0, 1) for bits in waiting[:split])
    first = Cat(bits[0][1] if bits else Const(0, 1) for bits in waiting[split:])
    second = Cat(bits[1][1] if len(bits) > 1 else Const(0, 1) for bits in waiting[split:])
    return low, first, second
