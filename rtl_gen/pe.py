"""The row-stationary processing element: datapath, three scratchpads and a controller."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.arithmetic import Datapath
from rtl_gen.controller import Controller, MacLayout, PrimitiveLayout
from rtl_gen.design import PEDesign
from rtl_gen.scratchpad import Scratchpad


class PE(wiring.Component):
    """Runs the 1-D convolution primitive of row-stationary dataflow.

    For every output column the window of S x q ifmap words meets p filters; the p partial sums
    stay in their scratchpad and leave added to the p that come in. One multiply-accumulate a cycle
    while computing. The cycles of a whole primitive are ``rtl_gen.golden.row_cycles``; the latency
    of one multiply-accumulate, until its sum can be read, is ``pipeline_stages`` cycles.

    Pipeline: scratchpads are read | operand registers (2 stages or more) | multiply | register
    inside the datapath (4) | product register (3 or more) | psum read and add | sum register.

    The sizes of a primitive come in one word, ``rtl_gen.golden.Primitive.config_word``. Sizes that
    do not fit the scratchpads give wrong sums, but every primitive ends and the PE returns to
    idle: the host must check them (``Primitive.check``).

    Arguments:
        design: the parameters.

    Members:
        config: In(stream), payload ``PrimitiveLayout``; a transfer starts a primitive.
        filter: In(stream) of weight codes, S x q x p words, in the order s, c, f (f fastest).
        ifmap: In(stream) of activations, (F + S - 1) x q words, in the order column, c.
        psum_in: In(stream) of partial sums, F x p words, in the order column, f.
        psum_out: Out(stream), likewise; registered.
    """

    def __init__(self, design: PEDesign) -> None:
        self.design = design
        super().__init__(
            {
                "config": In(stream.Signature(PrimitiveLayout())),
                "filter": In(stream.Signature(design.weight_bits)),
                "ifmap": In(stream.Signature(signed(design.act_bits))),
                "psum_in": In(stream.Signature(signed(design.psum_bits))),
                "psum_out": Out(stream.Signature(signed(design.psum_bits))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        design = self.design
        m.submodules.controller = controller = Controller(design)
        m.submodules.ifmap_spad = ifmap = Scratchpad(
            shape=signed(design.act_bits), depth=design.ifmap_depth
        )
        m.submodules.filter_spad = filters = Scratchpad(
            shape=design.weight_bits, depth=design.filter_depth
        )
        wiring.connect(m, wiring.flipped(self.config), controller.config)
        m.d.comb += [
            self.filter.ready.eq(controller.loading_filter),
            controller.filter_taken.eq(self.filter.valid & self.filter.ready),
            filters.write_address.eq(controller.filter_address),
            filters.write_data.eq(self.filter.payload),
            filters.write_enable.eq(controller.filter_taken),
            filters.read_address.eq(controller.filter_address),
            self.ifmap.ready.eq(controller.loading_ifmap),
            controller.ifmap_taken.eq(self.ifmap.valid & self.ifmap.ready),
            ifmap.write_address.eq(controller.ifmap_write),
            ifmap.write_data.eq(self.ifmap.payload),
            ifmap.write_enable.eq(controller.ifmap_taken),
            ifmap.read_address.eq(controller.ifmap_read),
        ]
        self._multiply_accumulate(m, controller, ifmap.read_data, filters.read_data)
        return m

    def _multiply_accumulate(
        self, m: Module, controller: Controller, act: Value, weight: Value
    ) -> None:
        stages = self.design.pipeline_stages
        pipeline = _Pipeline(m, self.design, controller.mac)
        if stages >= 2:
            act, weight = pipeline.register(act, weight)
        m.submodules.datapath = datapath = Datapath(self.design, registered=stages >= 4)
        m.d.comb += [
            datapath.act.eq(act),
            datapath.weight.eq(weight),
            datapath.enable.eq(pipeline.mac.valid),
        ]
        product: Value = datapath.product
        if stages >= 4:
            pipeline.register()  # beside the register inside the datapath
        if stages >= 3:
            (product,) = pipeline.register(product)
        self._accumulate(m, controller, product, pipeline)

    def _accumulate(
        self, m: Module, controller: Controller, product: Value, pipeline: _Pipeline
    ) -> None:
        """One adder: products onto the psum scratchpad, then its sums onto the incoming ones.

        A sum waits one cycle in a register before it is written: the data lines of the scratchpad
        reach all its words and would carry every glitch of the adder. A read of that word takes it
        from the register, so that there is no hazard for any p.
        """
        design, mac = self.design, pipeline.mac
        m.submodules.psum_spad = psum = Scratchpad(
            shape=signed(design.psum_bits), depth=design.psum_depth
        )
        passing = Signal()  # the pipeline is empty: the adder and the read port are free
        total = Signal(signed(design.psum_bits))
        sum_data = Signal(signed(design.psum_bits), reset_less=True)
        sum_address = Signal.like(psum.write_address, reset_less=True)
        sum_waits = Signal()
        read_waiting = Signal()
        m.d.sync += sum_waits.eq(mac.valid)
        with m.If(mac.valid):
            m.d.sync += [sum_data.eq(total), sum_address.eq(mac.filter)]
        m.d.comb += [
            passing.eq(controller.passing & ~pipeline.busy),
            psum.read_address.eq(Mux(passing, controller.psum_address, mac.filter)),
            read_waiting.eq(sum_waits & (sum_address == psum.read_address)),
            total.eq(
                Mux(passing, self.psum_in.payload, product)
                + Mux(passing | ~mac.first, Mux(read_waiting, sum_data, psum.read_data), 0)
            ),
            psum.write_address.eq(sum_address),
            psum.write_data.eq(sum_data),
            psum.write_enable.eq(sum_waits),
        ]

        out = Signal(signed(design.psum_bits), reset_less=True)
        out_valid = Signal()
        taken = controller.psum_taken
        m.d.comb += [
            self.psum_out.payload.eq(out),
            self.psum_out.valid.eq(out_valid),
            self.psum_in.ready.eq(passing & (self.psum_out.ready | ~out_valid)),
            taken.eq(self.psum_in.valid & self.psum_in.ready),
        ]
        with m.If(taken):
            m.d.sync += [out.eq(total), out_valid.eq(1)]
        with m.Elif(self.psum_out.ready):
            m.d.sync += out_valid.eq(0)


class _Pipeline:
    """Registers between scratchpads and sum, and what stands at the current end of them.

    Attributes:
        mac: the multiply-accumulate at the end.
        busy: 1 while any register holds one that is not yet in its sum.
    """

    def __init__(self, m: Module, design: PEDesign, mac: data.View[MacLayout]) -> None:
        self._m = m
        self._layout = MacLayout(design)
        self.mac = mac
        self.busy: Value = Const(0)

    def register(self, *values: Value) -> list[Signal]:
        """Add a stage for ``values``; loaded only by valid operations: idle, nothing toggles."""
        m, mac = self._m, self.mac
        copies = [Signal(value.shape(), reset_less=True) for value in values]
        following = Signal(self._layout)
        m.d.sync += following.valid.eq(mac.valid)
        with m.If(mac.valid):
            m.d.sync += [copy.eq(value) for copy, value in zip(copies, values, strict=True)]
            m.d.sync += [following.first.eq(mac.first), following.filter.eq(mac.filter)]
        self.mac = following
        self.busy = self.busy | following.valid
        return copies
