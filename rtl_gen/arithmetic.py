"""Datapaths: activations and weight codes in, their signed product out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.design import PEDesign
from rtl_gen.floating_point import FpMultiplier
from rtl_gen.fp_golden import format_of_bits
from rtl_gen.multiplier import Multiplier
from rtl_gen.split_multiplier import SplitMultiplier


class Datapath(wiring.Component):
    """Multiplies as the family does it.

    Arguments:
        design: the PE.
        registered: put one register inside, between the partial products and their sum (between
            the coarse and the fine shift where there is one shifter; behind the significands'
            product for ``fp``).

    Members:
        act: In(act_word_bits), the activations of one cycle
        weight: In(...), the weight codes of one cycle: ``weight_word_bits``
        mode: In(2), run-time precision
        enable: In(1), loads the inner register, if there is one
        product: Out(signed(product_bits)), the sum of the mode's products (``fp``: a bit pattern);
            latency ``int(registered)`` cycles, one a cycle
    """

    def __init__(self, design: PEDesign, *, registered: bool) -> None:
        self.design = design
        self.registered = registered
        super().__init__(
            {
                "act": In(design.act_word_bits),
                "weight": In(design.weight_word_bits),
                "mode": In(2),
                "enable": In(1),
                "product": Out(psum_shape(design, design.product_bits)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        design = self.design
        if design.family == "fp":
            self._multiply(m, self._fp())
        elif design.family == "int":
            self._multiply(m, self._split() if design.precision_modes > 1 else self._int())
        elif design.terms == 1 or design.serial_terms:
            self._shift(m)
        else:
            self._shift_and_add(m)
        return m

    def _act(self) -> Value:
        return self.act.as_signed() if self.design.act_signed else self.act

    def _int(self) -> Multiplier:
        return Multiplier(
            a=Shape(self.design.act_bits, self.design.act_signed),
            b=signed(self.design.weight_bits),
            architecture=self.design.multiplier,
            registered=self.registered,
        )

    def _split(self) -> SplitMultiplier:
        return SplitMultiplier(
            act_bits=self.design.act_bits,
            weight_bits=self.design.weight_bits,
            act_signed=self.design.act_signed,
            modes=self.design.precision_modes,
            architecture=self.design.multiplier,
            registered=self.registered,
        )

    def _fp(self) -> FpMultiplier:
        return FpMultiplier(
            operand_format=format_of_bits(self.design.act_bits),
            result_format=format_of_bits(self.design.psum_bits),
            multiplier=self.design.multiplier,
            registered=self.registered,
        )

    def _multiply(self, m: Module, unit: Multiplier | SplitMultiplier | FpMultiplier) -> None:
        m.submodules.multiplier = unit
        first, second = (unit.act, unit.weight) if hasattr(unit, "act") else (unit.a, unit.b)
        m.d.comb += [
            first.eq(self.act),
            second.eq(self.weight),
            unit.enable.eq(self.enable),
            self.product.eq(unit.product),
        ]
        if hasattr(unit, "mode"):
            m.d.comb += unit.mode.eq(self.mode)

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        """``value`` itself, or a copy of it one enabled cycle later."""
        if not self.registered:
            return value
        copy = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += copy.eq(value)
        return copy

    def _term(self, index: int) -> tuple[Value, Value]:
        """Sign bit and magnitude field of one term."""
        bits = self.design.term_bits
        code = self.weight[index * bits : (index + 1) * bits]
        return code[-1], code[:-1]

    def _operand(self, sign: Value, field: Value) -> Value:
        """The activation, negated if the term is negative and zero if its field is zero."""
        act = self._act()
        return Mux(field.any(), Mux(sign, -act, act), 0).as_signed()

    def _shift_and_add(self, m: Module) -> None:
        total: Value | None = None
        for index in range(self.design.terms):
            sign, field = self._term(index)
            # The field is shift + 1: shift by the field, then drop the lowest bit, always 0.
            shifted = (self._operand(sign, field) << field)[1:].as_signed()
            term = self._stage(m, shifted, f"term{index}")
            total = term if total is None else total + term
        assert total is not None
        m.d.comb += self.product.eq(total)

    def _shift(self, m: Module) -> None:
        sign, field = self._term(0)
        coarse = Cat(field[0] & 0, field[1:])
        operand = self._stage(m, self._operand(sign, field) << coarse, "coarse")
        fine = self._stage(m, field[0], "fine")
        m.d.comb += self.product.eq((operand << fine)[1:].as_signed())


def psum_shape(design: PEDesign, bits: int) -> Shape:
    """A signed number of so many bits; for ``fp`` a bit pattern."""
    return unsigned(bits) if design.family == "fp" else signed(bits)
