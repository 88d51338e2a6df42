"""Sums on their way from the array back to the buffer, through the output stage at the end."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.senders import Walk
from rtl_gen.output_stage import FpOutputStage, OutputStage, ScaleLayout


class WriteLayout(data.StructLayout):
    """``address`` and ``word`` of a write into a bank."""

    def __init__(self, *, address_bits: int, bits: int) -> None:
        super().__init__({"address": address_bits, "word": bits})


def scale_layout(design: ArrayDesign) -> ScaleLayout:
    """A word of the banks of scales: what is done to one sum."""
    return ScaleLayout(scale_bits=design.scale_bits, bias_bits=design.pe.psum_bits)


class Collector(wiring.Component):
    """Takes the sums of the PE columns of a bus in their order and writes them where they belong.

    A pass writes a region of the bank, word after word. The passes that add up the same sums write
    the same region; others the next one.

    Members:
        start: In(1), a pass begins. begin: In(1), a run does.
        again: In(1), with start: the first strip of sums that were written before.
        anew: In(1), with start: the first strip of new sums.
        base: In, where the run's first region begins.
        outputs, sums: In, less 1; columns: In, columns of PEs in use.
        requantize, relu: In(1).
        pointer: Out, first word of the pass that starts.
        column: Out, the PE column whose sum ``psum`` is.
        psum: In(stream).
        scale: In(stream) of ``scale_layout``; not for family ``fp``.
        write: Out(stream), payload ``WriteLayout``.
        done: Out(1), all sums of the pass are written.
    """

    def __init__(self, design: ArrayDesign, *, bus: int) -> None:
        self.design, self._bus = design, bus
        pe = design.pe
        bits = (design.psum_words - 1).bit_length()
        self._write = WriteLayout(address_bits=bits, bits=pe.psum_bits)
        scale = {} if pe.family == "fp" else {"scale": In(stream.Signature(scale_layout(design)))}
        super().__init__(
            {
                "start": In(1), "begin": In(1), "again": In(1), "anew": In(1), "base": In(bits),
                "outputs": In(12), "sums": In(8), "columns": In(6),
                "requantize": In(1), "relu": In(1),
                "pointer": Out(bits), "column": Out(6),
                "psum": In(stream.Signature(pe.psum_bits)),
                **scale,
                "write": Out(stream.Signature(self._write)),
                "done": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        buses = self.design.psum_buses
        taking, writing = Signal(), Signal()
        psum, write = self.psum, self.write
        walk = Walk(m, self, psum.valid & psum.ready, self._bus, buses)
        m.d.comb += self.column.eq(walk.column)
        with m.If(psum.valid & psum.ready & walk.last):
            m.d.sync += taking.eq(0)
        m.submodules.stage = stage = self._stage()
        stage_in = Signal()
        m.d.comb += [
            stage_in.eq(psum.valid & taking & self.requantize),
            stage.psum.valid.eq(stage_in),
            stage.psum.payload.eq(psum.payload),
            psum.ready.eq(taking & Mux(self.requantize, stage.psum.ready, write.ready)),
            write.valid.eq(Mux(self.requantize, stage.out.valid, psum.valid & taking)),
            write.payload.word.eq(Mux(self.requantize, stage.out.payload, psum.payload)),
            stage.out.ready.eq(self.requantize & write.ready),
        ]
        if isinstance(stage, OutputStage):
            m.d.comb += [
                stage.scale.valid.eq(self.scale.valid & stage_in),
                stage.scale.payload.eq(self.scale.payload),
                self.scale.ready.eq(stage.scale.ready & stage_in),
            ]
        else:
            m.d.comb += stage.relu.eq(self.relu)

        base, address = Signal.like(self.pointer), Signal.like(self.pointer)
        written = Walk(m, self, write.valid & write.ready, self._bus, buses)
        m.d.comb += [
            write.payload.address.eq(address),
            self.pointer.eq(Mux(self.again, base, address)),
            self.done.eq(~writing),
        ]
        with m.If(write.valid & write.ready):
            m.d.sync += address.eq(address + 1)
            with m.If(written.last):
                m.d.sync += writing.eq(0)
        with m.If(self.start):
            used = self._bus < self.columns
            m.d.sync += [taking.eq(used), writing.eq(used), address.eq(self.pointer)]
            with m.If(self.anew):
                m.d.sync += base.eq(address)
        with m.If(self.begin):
            m.d.sync += [base.eq(self.base), address.eq(self.base)]
        return m

    def _stage(self) -> OutputStage | FpOutputStage:
        pe = self.design.pe
        if pe.family == "fp":
            return FpOutputStage(psum_bits=pe.psum_bits, act_bits=pe.act_bits)
        return OutputStage(
            psum_bits=pe.psum_bits, act_bits=pe.act_bits, act_signed=pe.act_signed,
            scale_bits=self.design.scale_bits, bias=True,
        )  # fmt: skip
