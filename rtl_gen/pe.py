"""The row-stationary processing element: datapath, three scratchpads and a controller."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.arithmetic import Datapath, psum_shape
from rtl_gen.controller import Controller, MacLayout, PrimitiveLayout
from rtl_gen.design import PEDesign
from rtl_gen.floating_point import FpAdder
from rtl_gen.fp_golden import format_of_bits
from rtl_gen.scratchpad import DATA_LATENCY, READ_LATENCY, Scratchpad


class PE(wiring.Component):
    """Runs the 1-D convolution primitive of row-stationary dataflow.

    For every output column the window of S x q ifmap words meets p filters; the partial sums stay
    in their scratchpad and leave added to those that come in. While computing, one step of
    multiply-accumulates a cycle. The cycles of a whole primitive are
    ``rtl_gen.golden.row_cycles``; the latency of one multiply-accumulate, until its sum can be
    read, is ``pipeline_stages`` cycles.

    Pipeline: scratchpads are read | operand registers (2 stages or more) | multiply | register
    inside the datapath (4) | product register (3 or more) | psum read and add | sum register. The
    output register of an SRAM takes the place of the weight's operand register.

    What a primitive does comes in one word, ``rtl_gen.golden.Primitive.config_word``. Sizes that
    do not fit the scratchpads give wrong sums, but every primitive ends and the PE returns to
    idle (``config.ready``): the host must check them (``Primitive.check``).

    PEs form a column by connecting ``psum_out`` to the next one's ``psum_in``; the first runs
    without ``chain``, or is given biases.

    Arguments:
        design: the parameters.

    Members:
        config: In(stream), payload ``PrimitiveLayout``; a transfer starts a primitive.
        filter: In(stream) of filter words: ``rtl_gen.streams.filter_words``.
        ifmap: In(stream) of ifmap words: ``rtl_gen.streams.ifmap_words``.
        psum_in: In(stream) of partial sums, in the order column, sum; not without ``chain``.
        psum_out: Out(stream), likewise; registered.
    """

    def __init__(self, design: PEDesign) -> None:
        self.design = design
        self._psum = psum_shape(design, design.psum_bits)
        super().__init__(
            {
                "config": In(stream.Signature(PrimitiveLayout())),
                "filter": In(stream.Signature(design.weight_word_bits)),
                "ifmap": In(stream.Signature(design.act_word_bits)),
                "psum_in": In(stream.Signature(self._psum)),
                "psum_out": Out(stream.Signature(self._psum)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        design = self.design
        m.submodules.controller = controller = Controller(design)
        m.submodules.ifmap_spad = ifmap = Scratchpad(
            shape=design.act_word_bits, depth=design.ifmap_depth, style=self._style(macro=False)
        )
        m.submodules.filter_spad = filters = Scratchpad(
            shape=design.weight_word_bits, depth=design.filter_depth, style=design.scratchpad
        )
        wiring.connect(m, wiring.flipped(self.config), controller.config)
        m.d.comb += [
            self.filter.ready.eq(controller.loading_filter),
            controller.filter_taken.eq(self.filter.valid & self.filter.ready),
            filters.write_address.eq(controller.filter_address),
            filters.write_enable.eq(controller.filter_taken),
            self.ifmap.ready.eq(controller.loading_ifmap),
            controller.ifmap_taken.eq(self.ifmap.valid & self.ifmap.ready),
            ifmap.write_address.eq(controller.ifmap_write),
            ifmap.write_enable.eq(controller.ifmap_taken),
            ifmap.read_address.eq(controller.ifmap_read),
        ]
        self._write(m, filters, self.filter.payload)
        self._write(m, ifmap, self.ifmap.payload)
        self._multiply_accumulate(m, controller, ifmap.read_data, filters)
        return m

    def _style(self, *, macro: bool) -> str:
        """What a scratchpad is made of: only the filters' can be a macro."""
        style = self.design.scratchpad
        return "flop" if style == "sram" and not macro else style

    def _write(self, m: Module, scratchpad: Scratchpad, payload: Value) -> None:
        """Words of a stream into a scratchpad, through a register where latches need one."""
        if DATA_LATENCY[scratchpad.style] == 0:
            m.d.comb += scratchpad.write_data.eq(payload)
            return
        staged = Signal(payload.shape(), reset_less=True)
        with m.If(scratchpad.write_enable):
            m.d.sync += staged.eq(payload)
        m.d.comb += scratchpad.write_data.eq(staged)

    def _multiply_accumulate(
        self, m: Module, controller: Controller, act: Value, filters: Scratchpad
    ) -> None:
        design, stages = self.design, self.design.pipeline_stages
        issued = Signal(MacLayout(design))
        address = controller.filter_address
        m.d.comb += issued.eq(controller.mac)
        zero: Value = Const(0)
        if design.zero_gating:
            # Nothing is issued for a zero, unless a sum begins with it: that becomes zero.
            zero = act == 0
            m.d.comb += [
                issued.zero.eq(zero),
                issued.valid.eq(controller.mac.valid & ~(zero & ~controller.mac.first)),
            ]
            # A still address keeps the read multiplexers still, too.
            address = Mux(zero & controller.mac.valid, 0, address)
        moves = issued.valid & ~zero
        m.d.comb += [filters.read_address.eq(address), filters.read_enable.eq(moves)]
        weight: Value = filters.read_data
        half = controller.filter_half
        pipeline = _Pipeline(m, design, issued, controller.mac.valid)
        if stages >= 2 and READ_LATENCY[filters.style] > 0:
            (act, half) = pipeline.register(act, half)
            weight = self._half(weight, half)
        elif stages >= 2:
            act, weight = pipeline.register(act, self._half(weight, half))
        else:
            weight = self._half(weight, half)
            weight = Mux(moves, weight, 0) if design.zero_gating else weight
        m.submodules.datapath = datapath = Datapath(design, registered=stages >= 4)
        m.d.comb += [
            datapath.act.eq(act),
            datapath.weight.eq(weight),
            datapath.mode.eq(controller.mode),
            datapath.enable.eq(pipeline.moves),
        ]
        product: Value = datapath.product
        if stages >= 4:
            pipeline.register()  # beside the register inside the datapath
        if stages >= 3:
            (product,) = pipeline.register(product)
        if design.zero_gating:
            product = Mux(pipeline.mac.zero, 0, product)
        self._accumulate(m, controller, product, pipeline)

    def _half(self, word: Value, half: Value) -> Value:
        """The weights of this cycle, where a filter word holds those of two."""
        if self.design.weights_per_word == 1:
            return word
        low, high = word[: len(word) // 2], word[len(word) // 2 :]
        return Cat(Mux(half, high, low), high)

    def _accumulate(
        self, m: Module, controller: Controller, product: Value, pipeline: _Pipeline
    ) -> None:
        """One adder: products onto the psum scratchpad, then its sums onto the incoming ones.

        A sum waits one cycle in a register before it is written: the data lines of the scratchpad
        reach all its words and would carry every glitch of the adder. A read of that word takes it
        from the register, so that there is no hazard for any p. Latches open in that very cycle.
        """
        design, mac, shape = self.design, pipeline.mac, self._psum
        m.submodules.psum_spad = psum = Scratchpad(
            shape=shape, depth=design.psum_depth, style=self._style(macro=False)
        )
        passing = Signal()  # the pipeline is empty: the adder and the read port are free
        total = Signal(shape)
        sum_data = Signal(shape, reset_less=True)
        sum_address = Signal.like(psum.write_address, reset_less=True)
        sum_waits = Signal()
        read_waiting = Signal()
        stored = Signal(shape)
        m.d.sync += sum_waits.eq(mac.valid)
        with m.If(mac.valid):
            m.d.sync += [sum_data.eq(total), sum_address.eq(mac.sum)]
        early = DATA_LATENCY[psum.style] > 0
        m.d.comb += [
            passing.eq(controller.passing & ~pipeline.busy),
            psum.read_address.eq(Mux(passing, controller.psum_address, mac.sum)),
            read_waiting.eq(sum_waits & (sum_address == psum.read_address)),
            stored.eq(Mux(read_waiting, sum_data, psum.read_data)),
            psum.write_address.eq(mac.sum if early else sum_address),
            psum.write_data.eq(sum_data),
            psum.write_enable.eq(mac.valid if early else sum_waits),
        ]
        incoming = Mux(controller.chain, self.psum_in.payload, 0)
        first = Mux(passing, incoming, product)
        second = Mux(passing | ~mac.first, stored, 0)
        self._add(m, total, first, second)

        out = Signal(shape, reset_less=True)
        out_valid = Signal()
        free = Signal()
        taken = controller.psum_taken
        m.d.comb += [
            self.psum_out.payload.eq(out),
            self.psum_out.valid.eq(out_valid),
            free.eq(passing & (self.psum_out.ready | ~out_valid)),
            self.psum_in.ready.eq(free & controller.chain),
            taken.eq(free & (self.psum_in.valid | ~controller.chain)),
        ]
        with m.If(taken):
            m.d.sync += [out.eq(total), out_valid.eq(1)]
        with m.Elif(self.psum_out.ready):
            m.d.sync += out_valid.eq(0)

    def _add(self, m: Module, total: Value, first: Value, second: Value) -> None:
        if self.design.family != "fp":
            m.d.comb += total.eq(first + second)
            return
        m.submodules.adder = adder = FpAdder(format_of_bits(self.design.psum_bits))
        m.d.comb += [adder.a.eq(first), adder.b.eq(second), total.eq(adder.total)]


class _Pipeline:
    """Registers between scratchpads and sum, and what stands at the current end of them.

    Attributes:
        mac: the multiply-accumulate at the end.
        moves: 1 where it loads the registers behind it: always, but for a gated zero.
        busy: 1 while any register holds one that is not yet in its sum, or would if it were not
            gated: how long a primitive takes does not depend on its operands.
    """

    def __init__(self, m: Module, design: PEDesign, mac: data.View[MacLayout], step: Value) -> None:
        self._m = m
        self._layout = MacLayout(design)
        self._gates = design.zero_gating
        self._step = step
        self.mac = mac
        self.busy: Value = Const(0)

    @property
    def moves(self) -> Value:
        return self.mac.valid & ~self.mac.zero if self._gates else self.mac.valid

    def register(self, *values: Value) -> list[Signal]:
        """Add a stage for ``values``; loaded only by what moves: idle, nothing toggles."""
        m, mac = self._m, self.mac
        copies = [Signal(value.shape(), reset_less=True) for value in values]
        following = Signal(self._layout)
        m.d.sync += following.valid.eq(mac.valid)
        with m.If(self.moves):
            m.d.sync += [copy.eq(value) for copy, value in zip(copies, values, strict=True)]
        with m.If(mac.valid):
            m.d.sync += [following.first.eq(mac.first), following.sum.eq(mac.sum)]
            if self._gates:
                m.d.sync += following.zero.eq(mac.zero)
        step = following.valid
        if self._gates:
            step = Signal()
            m.d.sync += step.eq(self._step)
        self.mac, self._step = following, step
        self.busy = self.busy | step
        return copies
