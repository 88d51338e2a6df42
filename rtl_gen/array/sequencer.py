"""The array's controller: registers, and the loop over the passes of a run."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.registers import REGISTER_BITS, WATCHDOG_CYCLES, register_map
from rtl_gen.array.senders import TAG_BITS, Settings
from rtl_gen.controller import PrimitiveLayout


class Sequencer(wiring.Component):
    """Runs passes: for every group, filter tile, row tile, channel tile and strip, innermost last.

    Row and channel tiles add up the same sums. All strips of a tile use the same filters: only the
    first loads them. A pass begins when all sums of the one before are in the buffer, and all words
    that it fetched have been taken.

    Whatever the registers hold, a run does not stand still: where nothing moves for
    ``WATCHDOG_CYCLES`` cycles without the buffer being the cause, it is given up. One that has too
    much to do can be stopped. Every run begins with a reset of all but the registers, and when the
    buffer has answered whatever was asked before.

    Members:
        register: In(stream) of (address, word) to write; reads are combinational from
            ``read_address`` to ``read_word``.
        settings: Out, all fields that were written.
        primitive: Out, sizes of the PE's primitive, from them.
        config: Out(stream), for the PEs, once in a pass.
        begin, start: Out(1), a run, a pass begins. on: Out(1), a run is on.
        fetching: Out(1), answers of the buffer are for this run.
        abandon: Out(1), everything is to be reset.
        rows: Out, rows in use. columns: Out, columns in use in this pass.
        row, channels: Out, first ifmap row and channel word of the pass.
        last_diagonal: Out, ifmap rows of the pass, less 1.
        inject, again, anew, finish: Out(1), of the pass: sums start from those of the buffer; from
            the region written before; a new region; they are the last ones.
        scale_pointer: Out, first word of the scales of this tile.
        done: In(1), all sums of the pass are in the buffer, and nothing is on its way.
        moves: In(1), something does. answered: In(1), the buffer owes no answer.
    """

    def __init__(self, design: ArrayDesign, *, settle: int) -> None:
        self.design, self._settle = design, settle
        self._fields = register_map(design)
        address_bits = (max(f.address for f in self._fields)).bit_length()
        super().__init__(
            {
                "write_address": In(address_bits), "write_word": In(REGISTER_BITS),
                "write_enable": In(1), "read_address": In(address_bits),
                "read_word": Out(REGISTER_BITS),
                "settings": Out(Settings(self._fields)),
                "primitive": Out(PrimitiveLayout()),
                "config": Out(stream.Signature(PrimitiveLayout())),
                "begin": Out(1), "start": Out(1), "on": Out(1), "fetching": Out(1),
                "abandon": Out(1),
                "rows": Out(6), "columns": Out(6), "row": Out(16), "channels": Out(16),
                "last_diagonal": Out(TAG_BITS),
                "inject": Out(1), "again": Out(1), "anew": Out(1), "finish": Out(1),
                "scale_pointer": Out(20),
                "done": In(1), "moves": In(1), "answered": In(1),
            }
        )  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        go, stop = Signal(), Signal()
        done, refused, hung, stopped = Signal(), Signal(), Signal(), Signal()
        status = {"done": done, "refused": refused, "hung": hung, "stopped": stopped}
        self._registers(m, {"start": go, "stop": stop}, {"busy": self.on, **status})
        settings, design = self.settings, self.design
        rows = Signal(13)
        m.d.sync += rows.eq((settings.filter_rows + 1) * (settings.sets + 1))
        legal = (
            (rows <= design.rows)
            & (settings.columns < design.columns)
            & (settings.last_columns < design.columns)
        )
        waiting = Signal(range(self._settle + 1))
        still = Signal(range(WATCHDOG_CYCLES))
        loops = _Loops(m, settings)
        self._outputs(m, loops, rows)
        with m.FSM():
            with m.State("IDLE"), m.If(go):
                m.d.sync += [waiting.eq(self._settle), *(f.eq(0) for f in status.values())]
                m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.comb += [self.on.eq(1), self.abandon.eq(waiting == self._settle)]
                m.d.sync += still.eq(0)
                with m.If(waiting > 0):
                    m.d.sync += waiting.eq(waiting - 1)
                with m.Elif(self.answered):
                    m.d.comb += self.begin.eq(1)
                    loops.begin()
                    m.next = "START"
                    with m.If(~legal):
                        m.d.sync += refused.eq(1)
                        m.next = "IDLE"
                self._obey(m, stop, status)
            with m.State("START"):
                m.d.comb += [self.on.eq(1), self.start.eq(1), self.fetching.eq(1)]
                m.next = "CONFIGURE"
                self._obey(m, stop, status)
            with m.State("CONFIGURE"):
                m.d.comb += [self.on.eq(1), self.config.valid.eq(1), self.fetching.eq(1)]
                with m.If(self.config.ready):
                    m.next = "RUN"
                self._watch(m, still, hung)
                self._obey(m, stop, status)
            with m.State("RUN"):
                m.d.comb += [self.on.eq(1), self.fetching.eq(1)]
                self._watch(m, still, hung)
                with m.If(self.done):
                    loops.step()
                    m.next = "START"
                    with m.If(loops.last):
                        m.d.sync += done.eq(1)
                        m.next = "IDLE"
                self._obey(m, stop, status)
        return m

    def _outputs(self, m: Module, loops: _Loops, rows: Value) -> None:
        """What a pass is, from where the loops stand."""
        settings = self.settings
        m.d.comb += [
            self.rows.eq(rows),
            self.columns.eq(Mux(loops.last_strip, settings.last_columns, settings.columns) + 1),
            self.last_diagonal.eq(
                Mux(loops.last_strip, settings.last_diagonals, settings.diagonals)
            ),
            self.row.eq(loops.strip_row + loops.tile_row),
            self.channels.eq(loops.group_channel + loops.tile_channel),
            self.inject.eq(~loops.first_tile | settings.accumulate),
            self.again.eq(~loops.first_tile & loops.first_strip),
            self.anew.eq(loops.first_tile & loops.first_strip),
            self.finish.eq(loops.last_tile & settings.requantize),
            self.scale_pointer.eq(loops.scale),
            self.primitive.eq(Cat(settings.config_low, settings.config_high)),
            self.config.payload.eq(self.primitive),
            self.config.payload.keep_filter.eq(~loops.first_strip),
            self.config.payload.chain.eq(1),
        ]

    def _registers(self, m: Module, commands: dict[str, Signal], status: dict[str, Signal]) -> None:
        words: dict[int, list[Value]] = {}
        for field in self._fields:
            value = {**commands, **status}.get(field.name)
            if value is None:
                value = self.settings[field.name]
            words.setdefault(field.address, []).append(Value.cast(value))
            if field.read_only:
                continue
            written = self.write_enable & (self.write_address == field.address)
            bits = self.write_word[field.low : field.low + field.bits]
            if field.name in commands:
                m.d.comb += value.eq(written & bits)
            else:
                with m.If(written & ~self.on):
                    m.d.sync += value.eq(bits)
        with m.Switch(self.read_address):
            for address, values in words.items():
                with m.Case(address):
                    m.d.comb += self.read_word.eq(Cat(values) if address else 0)

    def _obey(self, m: Module, stop: Signal, status: dict[str, Signal]) -> None:
        """Give up what is to be stopped, whatever else happens in this cycle."""
        with m.If(stop):
            m.d.comb += self.abandon.eq(1)
            m.d.sync += [flag.eq(name == "stopped") for name, flag in status.items()]
            m.next = "IDLE"

    def _watch(self, m: Module, still: Signal, hung: Signal) -> None:
        """Give up what stands still."""
        m.d.sync += still.eq(Mux(self.moves, 0, still + 1))
        with m.If(still == WATCHDOG_CYCLES - 1):
            m.d.comb += self.abandon.eq(1)
            m.d.sync += hung.eq(1)
            m.next = "IDLE"


class _Loops:
    """Group, filter tile, row tile, channel tile, strip; and what depends on them alone.

    Attributes:
        strip_row, tile_row: ifmap row of the strip, and of the row tile in it.
        group_channel, tile_channel: ifmap word of the group, and of the channel tile in it.
        scale: first scale of the filter tile.
        first_tile, last_tile: of those that are added up.
    """

    def __init__(self, m: Module, settings: Value) -> None:
        self._m, self._settings = m, settings
        self.strip_row, self.tile_row = Signal(16), Signal(16)
        self.group_channel, self.tile_channel = Signal(16), Signal(16)
        self.scale = Signal(20)
        self._group, self._filter_tile = Signal(16), Signal(16)
        self._row_tile, self._channel_tile, self._strip = Signal(4), Signal(12), Signal(16)
        self.first_strip = self._strip == 0
        self.last_strip = self._strip == settings.strips
        self._last_channel = self._channel_tile == settings.channel_tiles
        self._last_row = self._row_tile == settings.row_tiles
        self.first_tile = (self._channel_tile == 0) & (self._row_tile == 0)
        self.last_tile = self._last_channel & self._last_row
        self._last_filter = self._filter_tile == settings.filter_tiles
        self._last_group = self._group == settings.groups
        self.last = self.last_strip & self.last_tile & self._last_filter & self._last_group

    def begin(self) -> None:
        """All at the first pass."""
        zero = (
            self.strip_row, self.tile_row, self.group_channel, self.tile_channel, self._group,
            self._filter_tile, self._row_tile, self._channel_tile, self._strip,
        )  # fmt: skip
        self._m.d.sync += [signal.eq(0) for signal in zero]
        self._m.d.sync += self.scale.eq(self._settings.scale_base)

    def step(self) -> None:
        """The next pass."""
        m, settings = self._m, self._settings
        m.d.sync += [self._strip.eq(self._strip + 1)]
        m.d.sync += self.strip_row.eq(self.strip_row + settings.strip_rows)
        with m.If(self.last_strip):
            m.d.sync += [self._strip.eq(0), self.strip_row.eq(0)]
            m.d.sync += self._channel_tile.eq(self._channel_tile + 1)
            m.d.sync += self.tile_channel.eq(self.tile_channel + settings.tile_words)
            with m.If(self._last_channel):
                m.d.sync += [self._channel_tile.eq(0), self.tile_channel.eq(0)]
                m.d.sync += self._row_tile.eq(self._row_tile + 1)
                m.d.sync += self.tile_row.eq(self.tile_row + settings.tile_rows)
                with m.If(self._last_row):
                    m.d.sync += [self._row_tile.eq(0), self.tile_row.eq(0)]
                    m.d.sync += self._filter_tile.eq(self._filter_tile + 1)
                    m.d.sync += self.scale.eq(self.scale + settings.sums + 1)
                    with m.If(self._last_filter):
                        m.d.sync += [self._filter_tile.eq(0), self._group.eq(self._group + 1)]
                        m.d.sync += self.group_channel.eq(self.group_channel + settings.group_words)
