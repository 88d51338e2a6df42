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
        super().__init__(
            {"valid": 1, "first": 1, "filter": (design.psum_depth - 1).bit_length()}
        )


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
        size = Signal(PrimitiveLayout())
        s = Signal.like(size.filter_width)
        c = Signal.like(size.channels)
        f = Signal.like(size.filters)
        x = Signal.like(size.outputs)
        last_s, last_c, last_f = s == size.filter_width, c == size.channels, f == size.filters

        def advance(*, over_filters: bool, over_window: bool) -> None:
            """Step the loop nest s, c, f (f innermost); a loop that ends starts again at 0."""
            inner_done: Value | int = 1
            if over_filters:
                m.d.sync += f.eq(Mux(last_f, 0, f + 1))
                inner_done = last_f
            with m.If(inner_done):
                m.d.sync += c.eq(Mux(last_c, 0, c + 1))
                if over_window:
                    with m.If(last_c):
                        m.d.sync += s.eq(Mux(last_s, 0, s + 1))

        window_start = Signal.like(self.ifmap_read)
        m.d.comb += [
            self.psum_address.eq(f),
            self.mac.filter.eq(f),
            self.mac.first.eq((s == 0) & (c == 0)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.config.ready.eq(1)
                m.d.sync += [self.filter_address.eq(0), self.ifmap_write.eq(0)]
                m.d.sync += [self.ifmap_read.eq(0), window_start.eq(0)]
                m.d.sync += [s.eq(0), c.eq(0), f.eq(0), x.eq(0)]
                with m.If(self.config.valid):
                    m.d.sync += size.eq(self.config.payload)
                    m.next = "LOAD_FILTER"

            with m.State("LOAD_FILTER"):
                m.d.comb += self.loading_filter.eq(1)
                with m.If(self.filter_taken):
                    self._step_filter_address(m, last_s & last_c & last_f)
                    advance(over_filters=True, over_window=True)
                    with m.If(last_s & last_c & last_f):
                        m.next = "LOAD_WINDOW"

            with m.State("LOAD_WINDOW"):
                m.d.comb += self.loading_ifmap.eq(1)
                with m.If(self.ifmap_taken):
                    m.d.sync += self.ifmap_write.eq(self._next_word(self.ifmap_write))
                    advance(over_filters=False, over_window=True)
                    with m.If(last_s & last_c):
                        m.next = "COMPUTE"

            with m.State("COMPUTE"):
                m.d.comb += self.mac.valid.eq(1)
                self._step_filter_address(m, last_s & last_c & last_f)
                advance(over_filters=True, over_window=True)
                with m.If(last_f):
                    following = self._next_word(self.ifmap_read)
                    m.d.sync += self.ifmap_read.eq(following)
                    # The next window starts behind this window's first column.
                    with m.If((s == 0) & last_c):
                        m.d.sync += window_start.eq(following)
                    with m.If(last_s & last_c):
                        m.d.sync += self.ifmap_read.eq(Mux(s == 0, following, window_start))
                        m.next = "PASS_SUMS"

            with m.State("PASS_SUMS"):
                m.d.comb += self.passing.eq(1)
                with m.If(self.psum_taken):
                    m.d.sync += f.eq(Mux(last_f, 0, f + 1))
                    with m.If(last_f):
                        m.d.sync += x.eq(x + 1)
                        m.next = "SLIDE"
                        with m.If(x == size.outputs):
                            m.next = "IDLE"

            with m.State("SLIDE"):
                m.d.comb += self.loading_ifmap.eq(1)
                with m.If(self.ifmap_taken):
                    m.d.sync += self.ifmap_write.eq(self._next_word(self.ifmap_write))
                    advance(over_filters=False, over_window=False)
                    with m.If(last_c):
                        m.next = "COMPUTE"
        return m

    def _step_filter_address(self, m: Module, last: Value) -> None:
        m.d.sync += self.filter_address.eq(Mux(last, 0, self.filter_address + 1))

    def _next_word(self, address: Value) -> Value:
        """The ring's next address."""
        return Mux(address == self.design.ifmap_depth - 1, 0, address + 1)
