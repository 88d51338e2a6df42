"""The PE's controller: loads the scratchpads, walks the window, passes the sums on."""

from __future__ import annotations

from typing import NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.design import PEDesign
from rtl_gen.golden import CONFIG_FIELDS


class PrimitiveLayout(data.StructLayout):
    """Sizes of one primitive as they travel in the ``config`` stream: ``CONFIG_FIELDS``."""

    def __init__(self) -> None:
        super().__init__(CONFIG_FIELDS)


class MacLayout(data.StructLayout):
    """What travels down the pipeline beside the operands of a multiply-accumulate.

    Members: ``valid``; ``first``, the sum starts anew; ``sum``, which one (psum address);
    ``zero``, the product is zero (``zero_gating`` alone).
    """

    def __init__(self, design: PEDesign) -> None:
        members = {"valid": 1, "first": 1, "sum": (design.psum_depth - 1).bit_length()}
        super().__init__({**members, "zero": 1} if design.zero_gating else members)


class Controller(wiring.Component):
    """Runs one primitive for each configuration taken.

    Idle -> load filters (unless kept) -> load the first window -> (compute -> pass the sums ->
    load the columns the window slides by)* -> idle. The ifmap scratchpad is a ring: a window
    slides by overwriting its oldest columns, so that its words never move.

    Members:
        config: In(stream), payload ``PrimitiveLayout``.
        filter_taken, ifmap_taken, psum_taken: In(1), a word was transferred in this cycle.
        loading_filter, loading_ifmap, passing: Out(1), which stream may transfer.
        chain: Out(1), passing a sum takes one from ``psum_in``.
        mode: Out(2), run-time precision.
        filter_address, ifmap_write, ifmap_read, psum_address: Out, scratchpad addresses.
        filter_half: Out(1), which half of the filter word, where it lasts two cycles.
        mac: Out(MacLayout), the multiply-accumulate issued in this cycle; ``zero`` is not set.
    """

    def __init__(self, design: PEDesign) -> None:
        self.design = design
        filter_bits = (design.filter_depth - 1).bit_length()
        ifmap_bits = (design.ifmap_depth - 1).bit_length()
        super().__init__(
            {
                "config": In(stream.Signature(PrimitiveLayout())),
                "filter_taken": In(1),
                "ifmap_taken": In(1),
                "psum_taken": In(1),
                "loading_filter": Out(1),
                "loading_ifmap": Out(1),
                "passing": Out(1),
                "chain": Out(1),
                "mode": Out(2),
                "filter_address": Out(filter_bits),
                "filter_half": Out(1),
                "ifmap_write": Out(ifmap_bits),
                "ifmap_read": Out(ifmap_bits),
                "psum_address": Out((design.psum_depth - 1).bit_length()),
                "mac": Out(MacLayout(design)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        loops = _Loops(m, self.design)
        ring = _Ring(*(Signal.like(self.ifmap_read, name=name) for name in _Ring._fields))
        m.d.comb += [
            self.ifmap_write.eq(ring.write),
            self.ifmap_read.eq(ring.read),
            self.chain.eq(loops.size.chain),
            self.mode.eq(loops.size.mode),
            self.psum_address.eq(loops.sum),
            self.mac.sum.eq(loops.sum),
            self.mac.first.eq(loops.first),
        ]
        with m.FSM():
            with m.State("IDLE"):
                self._idle(m, loops, ring)
            with m.State("LOAD_FILTER"):
                self._load_filter(m, loops)
            with m.State("LOAD_WINDOW"):
                self._load_ifmap(m, loops, ring, loops.last_s)
            with m.State("COMPUTE"):
                self._compute(m, loops, ring)
            with m.State("PASS_SUMS"):
                self._pass_sums(m, loops)
            with m.State("SLIDE"):
                self._load_ifmap(m, loops, ring, loops.last_slide)
        return m

    def _idle(self, m: Module, loops: _Loops, ring: _Ring) -> None:
        m.d.comb += self.config.ready.eq(1)
        m.d.sync += [address.eq(0) for address in ring]
        with m.If(self.config.valid):
            loops.start(self.config.payload)
            m.next = "LOAD_FILTER"
            with m.If(self.config.payload.keep_filter):
                m.next = "LOAD_WINDOW"

    def _load_filter(self, m: Module, loops: _Loops) -> None:
        # The second half of a word came with the first: that step needs no transfer.
        m.d.comb += self.loading_filter.eq(~self.filter_half)
        with m.If(self.filter_taken | self.filter_half):
            self._step_filter_address(m, loops)
            loops.step_all(sums=False)
            with m.If(loops.last):
                m.next = "LOAD_WINDOW"

    def _load_ifmap(self, m: Module, loops: _Loops, ring: _Ring, last_column: Value) -> None:
        """The first window, all S columns of it, or those that it slides by."""
        m.d.comb += self.loading_ifmap.eq(1)
        with m.If(self.ifmap_taken):
            m.d.sync += ring.write.eq(self._next_word(ring.write))
            loops.step_channel()
            with m.If(loops.last_c):
                loops.step_column(last_column)
                with m.If(last_column):
                    m.next = "COMPUTE"

    def _compute(self, m: Module, loops: _Loops, ring: _Ring) -> None:
        m.d.comb += self.mac.valid.eq(1)
        self._step_filter_address(m, loops)
        loops.step_all(sums=True)
        with m.If(loops.last_t & loops.last_f):
            following = self._next_word(ring.read)
            m.d.sync += ring.read.eq(following)
            # The next window starts behind the columns that the slide drops.
            with m.If(loops.last_slide & loops.last_c):
                m.d.sync += ring.start.eq(following)
            with m.If(loops.last):
                m.d.sync += ring.read.eq(Mux(loops.last_slide, following, ring.start))
                m.next = "PASS_SUMS"

    def _pass_sums(self, m: Module, loops: _Loops) -> None:
        m.d.comb += self.passing.eq(1)
        with m.If(self.psum_taken):
            loops.step_filter(sums=True)
            with m.If(loops.last_f):
                loops.step_channel_of_sums()
            with m.If(loops.last_sum):
                loops.next_output()
                m.next = "SLIDE"
                with m.If(loops.last_x):
                    m.next = "IDLE"

    def _step_filter_address(self, m: Module, loops: _Loops) -> None:
        """The next word, or the second half of this one."""
        following = self.filter_address + 1
        if self.design.weights_per_word > 1:
            whole = self.filter_half | (self.mode == self.design.precision_modes - 1)
            m.d.sync += self.filter_half.eq(Mux(loops.last, 0, ~whole))
            following = Mux(whole, following, self.filter_address)
        m.d.sync += self.filter_address.eq(Mux(loops.last, 0, following))

    def _next_word(self, address: Value) -> Value:
        """The ring's next address."""
        return Mux(address == self.design.ifmap_depth - 1, 0, address + 1)


class _Ring(NamedTuple):
    """Addresses in the ifmap ring: of the next word to write and to read, and of the window."""

    write: Signal
    read: Signal
    start: Signal


class _Loops:
    """The loop nest of a primitive: output column x, filter column s, channel c, filter f, term t.

    t, or f where terms are not serial, is innermost; a loop that ends is at 0 again and steps the
    one around it: between primitives all are at 0. ``sum`` counts the sums of a column: f, or
    (c, f) if depthwise. Counters have the bits of what the scratchpads can hold; higher bits of a
    size are not looked at.
    """

    def __init__(self, m: Module, design: PEDesign) -> None:
        self._m = m
        self._serial = design.serial_terms
        self.size = size = Signal(PrimitiveLayout())
        window_bits, sum_bits = (
            (depth - 1).bit_length() for depth in (design.ifmap_depth, design.psum_depth)
        )
        self._x = Signal.like(size.outputs)
        self.s = Signal(window_bits)
        self.c = Signal(window_bits)
        self.f = Signal(sum_bits)
        self.t = Signal(2)
        self.sum = Signal(sum_bits)
        self.last_x = self._x == size.outputs
        self.last_s = self.s == size.filter_width[:window_bits]
        self.last_slide = self.s == size.slide[:window_bits]
        self.last_c = self.c == size.channels[:window_bits]
        self.last_f = self.f == size.filters[:sum_bits]
        self.last_t: Value = Const(1)
        self.first = (self.s == 0) & ((self.c == 0) | size.depthwise)
        if self._serial:
            # Filters with more terms come first: their numbers tell how many terms f has.
            most = design.psum_depth.bit_length()
            further: Value = self.f < size.filters_2[:most]
            if design.terms > 2:  # filters_3 means something
                further = further + (self.f < size.filters_3[:most])
            self.last_t = self.t == further
            self.first = self.first & (self.t == 0)
        self.last_sum = self.last_f & (self.last_c | ~size.depthwise)
        self.last = self.last_s & self.last_c & self.last_f & self.last_t

    def start(self, size: Value) -> None:
        """Take the sizes of a primitive."""
        self._m.d.sync += self.size.eq(size)

    def step_filter(self, *, sums: bool) -> None:
        """One step of f alone, and of the sum where there are any."""
        self._m.d.sync += self.f.eq(Mux(self.last_f, 0, self.f + 1))
        if sums:
            self._m.d.sync += self.sum.eq(Mux(self.last_sum, 0, self.sum + 1))

    def step_channel(self) -> None:
        """One step of c."""
        self._m.d.sync += self.c.eq(Mux(self.last_c, 0, self.c + 1))

    def step_channel_of_sums(self) -> None:
        """One step of c where sums have channels."""
        with self._m.If(self.size.depthwise):
            self.step_channel()

    def step_column(self, last: Value) -> None:
        """One step of s, up to ``last``."""
        self._m.d.sync += self.s.eq(Mux(last, 0, self.s + 1))

    def step_all(self, *, sums: bool) -> None:
        """One step of the innermost loop, and of those around it."""
        if self._serial:
            self._m.d.sync += self.t.eq(Mux(self.last_t, 0, self.t + 1))
        with self._m.If(self.last_t):
            self.step_filter(sums=sums)
            with self._m.If(self.last_f):
                self.step_channel()
                with self._m.If(self.last_c):
                    self.step_column(self.last_s)

    def next_output(self) -> None:
        """One step of x."""
        self._m.d.sync += self._x.eq(Mux(self.last_x, 0, self._x + 1))
