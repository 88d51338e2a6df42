"""Datapaths: an activation and a weight code in, their signed product out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.design import PEDesign


class Datapath(wiring.Component):
    """Multiplies as the family does it.

    Arguments:
        design: the PE.
        registered: put one register inside, between the partial products and their sum (between
            the coarse and the fine shift for ``pow2``).

    Members:
        act: In(signed(act_bits))
        weight: In(weight_bits), a code
        enable: In(1), loads the inner register, if there is one
        product: Out(signed(product_bits)); latency ``int(registered)`` cycles, one product a cycle
    """

    def __init__(self, design: PEDesign, *, registered: bool) -> None:
        self.design = design
        self.registered = registered
        super().__init__(
            {
                "act": In(signed(design.act_bits)),
                "weight": In(design.weight_bits),
                "enable": In(1),
                "product": Out(signed(design.product_bits)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.design.family == "int":
            self._multiply(m)
        elif self.design.family == "pow2":
            self._shift(m)
        else:
            self._shift_and_add(m)
        return m

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        """``value`` itself, or a copy of it one enabled cycle later."""
        if not self.registered:
            return value
        copy = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += copy.eq(value)
        return copy

    def _multiply(self, m: Module) -> None:
        weight = self.weight.as_signed()
        if not self.registered:
            m.d.comb += self.product.eq(self.act * weight)
            return
        half = self.design.weight_bits // 2
        low = self._stage(m, self.act * self.weight[:half], "low_product")
        high = self._stage(m, self.act * weight[half:].as_signed(), "high_product")
        m.d.comb += self.product.eq(low + (high << half))

    def _term(self, index: int) -> tuple[Value, Value]:
        """Sign bit and magnitude field of one term."""
        bits = self.design.term_bits
        code = self.weight[index * bits : (index + 1) * bits]
        return code[-1], code[:-1]

    def _operand(self, sign: Value, field: Value) -> Value:
        """The activation, negated if the term is negative and zero if its field is zero."""
        return Mux(field.any(), Mux(sign, -self.act, self.act), 0).as_signed()

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
