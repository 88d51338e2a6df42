"""A multiplier that at run time computes one, two or four products, and their sum."""

from __future__ import annotations

from typing import TypeAlias

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.errors import InputError, require_bool, require_choice, require_int
from rtl_gen.multiplier import ARCHITECTURES, Multiplier

#: Bits of an operand of mode 0, even.
OPERAND_BITS = (4, 16)
MODES = (1, 3)

#: Bits, and whether the highest is a sign: always, never, or when a flag is set.
_Operand: TypeAlias = tuple[Value, Value | bool]


class SplitMultiplier(wiring.Component):
    """One product, or the sum of more of fewer bits, as the mode says.

    With A = ``act_bits`` and W = ``weight_bits``:

    - mode 0: one A x W product;
    - mode 1: two A x W/2 products;
    - mode 2: four A/2 x W/2 products.

    Operands stand side by side, the first in the lowest bits (``rtl_gen.packing``). Weights are
    two's complement. Small multipliers stay busy in every mode (as in Bit Fusion, Sharma et al.,
    ISCA 2018): what changes is which operands they see, whether these have a sign, and by how
    much their products are shifted before they are added::

        mode 0, with halves a1 a0 and w1 w0:   a0 w0 + (a1 w0 << A/2) + (that with w1 << W/2)
        mode 1, first a1 a0 and w0, then a3 a2 and w1:  the same without the shift by W/2
        mode 2:                                a0 w0 + a1 w1 + a2 w2 + a3 w3

    There are four of A/2 x W/2; with two modes, two of A x W/2.

    Arguments:
        act_bits, weight_bits: operands of mode 0, even, 4..16.
        act_signed: activations are two's complement, else unsigned.
        modes: how many modes there are, the first ones: 1..3.
        architecture: of the small multipliers, see ``Multiplier``.
        registered: put one register inside, between the small multipliers and their sum (with one
            mode, inside the only multiplier).

    Members:
        act: In(A * (1 if modes == 1 else 2))
        weight: In(W * (2 if modes == 3 else 1))
        mode: In(2), below ``modes``; travels with the operands
        enable: In(1), loads the inner register, if there is one
        product: Out(signed(A + W)); latency ``int(registered)`` cycles, one sum a cycle

    Raises:
        InputError: if an argument is not one of the above.
    """

    def __init__(
        self,
        *,
        act_bits: int,
        weight_bits: int,
        act_signed: bool,
        modes: int,
        architecture: str,
        registered: bool,
    ) -> None:
        for name, bits in (("act_bits", act_bits), ("weight_bits", weight_bits)):
            if require_int(name, bits, *OPERAND_BITS) % 2:
                raise InputError(f"{name} must be even, not {bits}")
        self.act_bits = act_bits
        self.weight_bits = weight_bits
        self.act_signed = require_bool("act_signed", act_signed)
        self.modes = require_int("modes", modes, *MODES)
        self.architecture = require_choice("architecture", architecture, ARCHITECTURES)
        self.registered = require_bool("registered", registered)
        super().__init__(
            {
                "act": In(act_bits * (1 if modes == 1 else 2)),
                "weight": In(weight_bits * (2 if modes == 3 else 1)),
                "mode": In(2),
                "enable": In(1),
                "product": Out(signed(act_bits + weight_bits)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.modes == 1:
            self._one(m)
            return m
        full = Signal()
        m.d.comb += full.eq(~self.mode.any())
        products = self._two(m, full) if self.modes == 2 else self._four(m, full)
        low, high = (
            Signal(value.shape(), name=name)
            for value, name in zip(products, ("low", "high"), strict=True)
        )
        late_full = self._stage(m, full, "late_full")
        m.d.comb += [
            low.eq(products[0]),
            high.eq(products[1]),
            self.product.eq(low + Mux(late_full, high << (self.weight_bits // 2), high)),
        ]
        return m

    def _one(self, m: Module) -> None:
        m.submodules.part = part = Multiplier(
            a=Shape(self.act_bits, self.act_signed),
            b=signed(self.weight_bits),
            architecture=self.architecture,
            registered=self.registered,
        )
        m.d.comb += [
            part.a.eq(self.act),
            part.b.eq(self.weight),
            part.enable.eq(self.enable),
            self.product.eq(part.product),
        ]

    def _two(self, m: Module, full: Value) -> tuple[Value, Value]:
        """Products with both halves of the weight word; the lower of one weight has no sign."""
        bits, half = self.act_bits, self.weight_bits // 2
        first, second = self.act[:bits], self.act[bits:]
        act = Mux(full, first, second)
        return (
            self._multiply(m, "part0", (first, self.act_signed), (self.weight[:half], ~full)),
            self._multiply(m, "part1", (act, self.act_signed), (self.weight[half:], True)),
        )

    def _four(self, m: Module, full: Value) -> tuple[Value, Value]:
        """The same from products of halves of an activation, or in mode 2 sums of two products."""
        h, g = self.act_bits // 2, self.weight_bits // 2
        a = [self.act[i * h : (i + 1) * h] for i in range(4)]
        w = [self.weight[i * g : (i + 1) * g] for i in range(4)]
        quarter = self.mode[1]
        # Lower halves have no sign, unless they are numbers of their own.
        lower_act = quarter if self.act_signed else False
        lower_weight = ~full
        operands: tuple[tuple[_Operand, _Operand], ...] = (
            ((a[0], lower_act), (w[0], lower_weight)),
            ((a[1], self.act_signed), (Mux(quarter, w[1], w[0]), lower_weight)),
            ((Mux(full, a[0], a[2]), lower_act), (Mux(quarter, w[2], w[1]), True)),
            ((Mux(full, a[1], a[3]), self.act_signed), (Mux(quarter, w[3], w[1]), True)),
        )
        parts = [self._multiply(m, f"part{i}", *pair) for i, pair in enumerate(operands)]
        late_quarter = self._stage(m, quarter, "late_quarter")
        low, high = (
            even + Mux(late_quarter, odd, odd << h)
            for even, odd in zip(parts[::2], parts[1::2], strict=True)
        )
        bits = self.act_bits + g
        return low[: bits + (not self.act_signed)].as_signed(), high[:bits].as_signed()

    def _multiply(self, m: Module, name: str, act: _Operand, weight: _Operand) -> Value:
        """Their product, one enabled cycle later if there is a register."""
        a, b = _number(*act), _number(*weight)
        part = Multiplier(
            a=a.shape(), b=b.shape(), architecture=self.architecture, registered=False
        )
        m.submodules[name] = part
        m.d.comb += [part.a.eq(a), part.b.eq(b)]
        product = part.product[: _product_bits(act, weight)].as_signed()
        return self._stage(m, product, f"{name}_product")

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        """``value`` itself, or a copy of it one enabled cycle later."""
        if not self.registered:
            return value
        copy = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += copy.eq(value)
        return copy


def _number(bits: Value, is_signed: Value | bool) -> Value:
    """The operand; where only the mode tells whether it has a sign, with a bit for it on top."""
    if isinstance(is_signed, bool):
        return bits.as_signed() if is_signed else bits
    return Cat(bits, bits[-1] & is_signed).as_signed()


def _product_bits(a: _Operand, b: _Operand) -> int:
    """Bits of the signed product: one more than both have, if neither need have a sign."""
    return len(a[0]) + len(b[0]) + (a[1] is not True and b[1] is not True)
