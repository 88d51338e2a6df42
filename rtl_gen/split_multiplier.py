"""A multiplier that at run time computes one, two or four products, and their sum."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.multiplier import Multiplier


class SplitMultiplier(wiring.Component):
    """Four small multipliers whose products are shifted and added as the mode says.

    Members: see ``Datapath``.
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
        self.act_bits = act_bits
        self.weight_bits = weight_bits
        self.act_signed = act_signed
        self.modes = modes
        self.architecture = architecture
        self.registered = registered
        super().__init__(
            {
                "act": In(2 * act_bits),
                "weight": In(2 * weight_bits if modes == 3 else weight_bits),
                "mode": In(2),
                "enable": In(1),
                "product": Out(signed(act_bits + weight_bits)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        h, g = self.act_bits // 2, self.weight_bits // 2
        act = [self.act[i * h : (i + 1) * h] for i in range(4)]
        weight = [self.weight[i * g : (i + 1) * g] for i in range(len(self.weight) // g)]
        mode: Value = self.mode
        full, quad = mode == 0, mode == 2
        if self.modes == 2:
            weight = [*weight, *weight]
            quad = mode[0] & 0
        operands = (
            (act[0], quad, weight[0], ~full),
            (act[1], 1, Mux(quad, weight[1], weight[0]), ~full),
            (Mux(full, act[0], act[2]), quad, Mux(quad, weight[2], weight[1]), 1),
            (Mux(full, act[1], act[3]), 1, Mux(quad, weight[3], weight[1]), 1),
        )
        parts = []
        for index, (a, a_top, b, b_top) in enumerate(operands):
            unit = Multiplier(
                a=signed(h + 1), b=signed(g + 1), architecture=self.architecture, registered=False
            )
            m.submodules[f"part{index}"] = unit
            top = a[-1] & a_top if self.act_signed else 0
            m.d.comb += [unit.a.eq(Cat(a, top)), unit.b.eq(Cat(b, b[-1] & b_top))]
            part: Value = unit.product
            if self.registered:
                copy = Signal.like(unit.product, reset_less=True)
                with m.If(self.enable):
                    m.d.sync += copy.eq(unit.product)
                part = copy
            parts.append(part)
        if self.registered:
            kept = Signal(2, reset_less=True)
            with m.If(self.enable):
                m.d.sync += kept.eq(Cat(full, quad))
            full, quad = kept[0], kept[1]
        low = parts[0] + Mux(quad, parts[1], parts[1] << h)
        high = parts[2] + Mux(quad, parts[3], parts[3] << h)
        m.d.comb += self.product.eq(low + Mux(full, high << g, high))
        return m
