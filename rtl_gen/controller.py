"""The PE's controller: loads the scratchpads, walks the window, passes the sums on."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
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

    Members: ``valid``; ``first``, the sum starts anew; ``filter``, which sum (psum address).
    """

    def __init__(self, design: PEDesign) -> None:
        super().__init__({"valid": 1, "first": 1, "filter": (design.psum_depth - 1).bit_length()})


class Controller(wiring.Component):
    """Runs one primitive for each configuration taken.

    Idle -> load filters -> load the first window -> (compute -> pass p sums -> load q new ifmap
    words)* -> idle. The ifmap scratchpad is a ring: a window slides by overwriting its oldest
    column, so that its words never move.

    Members:
        config: In(stream), payload ``PrimitiveLayout``.
        filter_taken, ifmap_taken, psum_taken: In(1), a word was transferred in this cycle.
        loading_filter, loading_ifmap, passing: Out(1), which stream may transfer.
        filter_address, ifmap_write, ifmap_read, psum_address: Out, scratchpad addresses.
        mac: Out(MacLayout), the multiply-accumulate issued in this cycle.
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
                "filter_address": Out(filter_bits),
                "ifmap_write": Out(ifmap_bits),
                "ifmap_read": Out(ifmap_bits),
                "psum_address": Out((design.psum_depth - 1).bit_length()),
                "mac": Out(MacLayout(design)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        loops = _Loops(m)
        window_start = Signal.like(self.ifmap_read)
        m.d.comb += [
            self.psum_address.eq(loops.f),
            self.mac.filter.eq(loops.f),
            self.mac.first.eq((loops.s == 0) & (loops.c == 0)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                self._idle(m, loops, window_start)
            with m.State("LOAD_FILTER"):
                self._load_filter(m, loops)
            with m.State("LOAD_WINDOW"):
                self._load_ifmap(m, loops, over_window=True)
            with m.State("COMPUTE"):
                self._compute(m, loops, window_start)
            with m.State("PASS_SUMS"):
                self._pass_sums(m, loops)
            with m.State("SLIDE"):
                self._load_ifmap(m, loops, over_window=False)
        return m

    def _idle(self, m: Module, loops: _Loops, window_start: Signal) -> None:
        m.d.comb += self.config.ready.eq(1)
        m.d.sync += [self.filter_address.eq(0), self.ifmap_write.eq(0)]
        m.d.sync += [self.ifmap_read.eq(0), window_start.eq(0)]
        with m.If(self.config.valid):
            loops.start(self.config.payload)
            m.next = "LOAD_FILTER"

    def _load_filter(self, m: Module, loops: _Loops) -> None:
        m.d.comb += self.loading_filter.eq(1)
        with m.If(self.filter_taken):
            self._step_filter_address(m, loops)
            loops.step_filter_and_window()
            with m.If(loops.last):
                m.next = "LOAD_WINDOW"

    def _load_ifmap(self, m: Module, loops: _Loops, *, over_window: bool) -> None:
        """The first window, all S x q words of it, or one more column of q words."""
        m.d.comb += self.loading_ifmap.eq(1)
        with m.If(self.ifmap_taken):
            m.d.sync += self.ifmap_write.eq(self._next_word(self.ifmap_write))
            loops.step_channel(over_window=over_window)
            with m.If(loops.last_c & (loops.last_s if over_window else 1)):
                m.next = "COMPUTE"

    def _compute(self, m: Module, loops: _Loops, window_start: Signal) -> None:
        m.d.comb += self.mac.valid.eq(1)
        self._step_filter_address(m, loops)
        loops.step_filter_and_window()
        with m.If(loops.last_f):
            following = self._next_word(self.ifmap_read)
            m.d.sync += self.ifmap_read.eq(following)
            # The next window starts behind this window's first column.
            with m.If((loops.s == 0) & loops.last_c):
                m.d.sync += window_start.eq(following)
            with m.If(loops.last):
                m.d.sync += self.ifmap_read.eq(Mux(loops.s == 0, following, window_start))
                m.next = "PASS_SUMS"

    def _pass_sums(self, m: Module, loops: _Loops) -> None:
        m.d.comb += self.passing.eq(1)
        with m.If(self.psum_taken):
            loops.step_filter()
            with m.If(loops.last_f):
                loops.next_output()
                m.next = "SLIDE"
                with m.If(loops.last_x):
                    m.next = "IDLE"

    def _step_filter_address(self, m: Module, loops: _Loops) -> None:
        m.d.sync += self.filter_address.eq(Mux(loops.last, 0, self.filter_address + 1))

    def _next_word(self, address: Value) -> Value:
        """The ring's next address."""
        return Mux(address == self.design.ifmap_depth - 1, 0, address + 1)


class _Loops:
    """The loop nest of a primitive: output column x, filter column s, channel c, filter f.

    f is innermost; a loop that ends starts again at 0 and steps the one around it.
    """

    def __init__(self, m: Module) -> None:
        self._m = m
        self._size = size = Signal(PrimitiveLayout())
        self._x = Signal.like(size.outputs)
        self.s = Signal.like(size.filter_width)
        self.c = Signal.like(size.channels)
        self.f = Signal.like(size.filters)
        self.last_x = self._x == size.outputs
        self.last_s = self.s == size.filter_width
        self.last_c = self.c == size.channels
        self.last_f = self.f == size.filters
        self.last = self.last_s & self.last_c & self.last_f

    def start(self, size: Value) -> None:
        """Take the sizes of a primitive; every loop starts at 0."""
        self._m.d.sync += self._size.eq(size)
        self._m.d.sync += [loop.eq(0) for loop in (self._x, self.s, self.c, self.f)]

    def step_filter(self) -> None:
        """One step of f alone."""
        self._m.d.sync += self.f.eq(Mux(self.last_f, 0, self.f + 1))

    def step_channel(self, *, over_window: bool) -> None:
        """One step of c, and of s around it if the whole window is walked."""
        self._m.d.sync += self.c.eq(Mux(self.last_c, 0, self.c + 1))
        if over_window:
            with self._m.If(self.last_c):
                self._m.d.sync += self.s.eq(Mux(self.last_s, 0, self.s + 1))

    def step_filter_and_window(self) -> None:
        """One step of f, and of c and s around it."""
        self.step_filter()
        with self._m.If(self.last_f):
            self.step_channel(over_window=True)

    def next_output(self) -> None:
        """One step of x."""
        self._m.d.sync += self._x.eq(self._x + 1)
