"""What feeds the array from the buffer, a bus each: ifmap words, filter words, partial sums.

Each sender runs once for each pass, from ``start``, and gives its words in the order in which the
PEs need them; its addresses run ahead of the array by ``rtl_gen.array.fetch.IN_FLIGHT`` words.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.array.fetch import Fetcher, WordLayout, counter
from rtl_gen.array.registers import COMMANDS, Field

TAG_BITS = 12


class Settings(data.StructLayout):
    """All fields of the register map that a host writes."""

    def __init__(self, fields: list[Field]) -> None:
        written = [f for f in fields if not f.read_only and f.name not in COMMANDS]
        super().__init__({f.name: f.bits for f in written})


class IfmapTag(data.StructLayout):
    """Which PEs an ifmap word is for: those of this ``set`` on this ``diagonal``."""

    def __init__(self) -> None:
        super().__init__({"set": 6, "diagonal": TAG_BITS})


class _Sender(wiring.Component):
    """A fetcher, and a switch that is on from ``start`` until the last address was given.

    Member ``idle``, Out(1), tells that the last word was taken; ``IfmapSender`` tells it wrongly in
    the cycle after ``start``.
    """

    def __init__(
        self,
        *,
        fields: list[Field],
        address_bits: int,
        bits: int,
        tag: Any,
        members: dict[str, Any],
    ) -> None:
        self._shape: dict[str, Any] = {"address_bits": address_bits, "bits": bits, "tag": tag}
        super().__init__(
            {
                "settings": In(Settings(fields)),
                "start": In(1),
                "request": Out(stream.Signature(address_bits)),
                "response": In(stream.Signature(bits)),
                "word": Out(stream.Signature(WordLayout(bits=bits, tag=tag))),
                "idle": Out(1),
                **members,
            }
        )

    def _fetcher(self, m: Module) -> tuple[Fetcher, Signal]:
        """The fetcher, connected but for its addresses; and whether these are being given."""
        m.submodules.fetcher = fetcher = Fetcher(**self._shape)
        running = Signal()
        wiring.connect(m, fetcher.request, wiring.flipped(self.request))
        wiring.connect(m, fetcher.response, wiring.flipped(self.response))
        wiring.connect(m, fetcher.word, wiring.flipped(self.word))
        m.d.comb += [fetcher.address.valid.eq(running), self.idle.eq(~running & fetcher.empty)]
        return fetcher, running


class FilterSender(_Sender):
    """The filter words of rows ``bus``, ``bus + buses``, ... of PEs, one row after the other.

    They stand in the bank in this order, pass after pass: the address only counts up.

    Members beside those of every sender:
        begin: In(1), the run begins: go to ``filter_base``.
        rows: In, rows of PEs in use.
    """

    def __init__(
        self, *, fields: list[Field], bus: int, buses: int, address_bits: int, bits: int
    ) -> None:
        self._bus, self._buses = bus, buses
        super().__init__(
            fields=fields, address_bits=address_bits, bits=bits, tag=6,
            members={"begin": In(1), "rows": In(6)},
        )  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        fetcher, running = self._fetcher(m)
        address = Signal(fetcher.address.payload.address.shape())
        row, word = Signal(7), Signal(16)
        given = fetcher.address.ready & running
        last = counter(m, word, self.settings.filter_words, given)
        m.d.comb += [
            fetcher.address.payload.address.eq(address),
            fetcher.address.payload.tag.eq(row),
        ]
        with m.If(given):
            m.d.sync += address.eq(address + 1)
            with m.If(last):
                m.d.sync += row.eq(row + self._buses)
                with m.If(row + self._buses >= self.rows):
                    m.d.sync += running.eq(0)
        with m.If(self.start):
            m.d.sync += [running.eq(self._bus < self.rows), row.eq(self._bus)]
        with m.If(self.begin):
            m.d.sync += address.eq(self.settings.filter_base)
        return m


class IfmapSender(_Sender):
    """The ifmap rows of this bank that a strip needs: rows ``bus``, ``bus + buses``, ... of all.

    In the order: ofmap column, set, row, new ifmap column, channel. Before the first ofmap column,
    all columns of its window are new. Rows and columns of the padding are zero, and not read.

    Members beside those of every sender:
        row: In, first ifmap row of the pass, counted from the padding's first.
        channels: In, first ifmap word of its channels in a pixel.
        last_diagonal: In, rows of the strip, less 1.
        window, slide, outputs, channel_groups: In, of the primitive, less 1.
    """

    def __init__(
        self, *, fields: list[Field], bus: int, buses: int, address_bits: int, bits: int
    ) -> None:
        self._bus, self._buses = bus, buses
        super().__init__(
            fields=fields, address_bits=address_bits, bits=bits, tag=IfmapTag(),
            members={
                "row": In(16), "channels": In(16), "last_diagonal": In(TAG_BITS),
                "window": In(6), "slide": In(6), "outputs": In(12), "channel_groups": In(6),
            },
        )  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        settings, buses = self.settings, self._buses
        fetcher, running = self._fetcher(m)
        given = fetcher.address.ready & running
        bits = len(fetcher.address.payload.address)
        # Of the pass: the first of its rows that is in this bank.
        first = Signal(TAG_BITS)
        m.d.comb += first.eq((self._bus - self.row) % buses)
        first_row, set_start, row_start = (Signal(bits, name=n) for n in ("pass", "set", "row"))
        column_start, column_address = Signal(bits), Signal(bits)
        diagonal, row = Signal(TAG_BITS), Signal(17)
        start_column, column = Signal(18), Signal(18)
        beyond_window = Signal()  # all but the first ofmap column
        x, group_set, new, c = Signal(12), Signal(6), Signal(6), Signal(6)
        base = Signal(bits)
        m.d.comb += base.eq(settings[f"ifmap_base_{self._bus}"])

        last_new = Signal.like(new)
        m.d.comb += last_new.eq(Mux(beyond_window, self.slide, self.window))
        last_c = counter(m, c, self.channel_groups, given)
        column_ends = given & last_c
        is_last_new = counter(m, new, last_new, column_ends)
        row_ends = column_ends & is_last_new
        is_last_row = Signal()
        m.d.comb += is_last_row.eq(diagonal + buses > self.last_diagonal)
        set_ends = row_ends & is_last_row
        is_last_set = counter(m, group_set, settings.sets, set_ends)
        all_sets_end = set_ends & is_last_set
        is_last_x = counter(m, x, self.outputs, all_sets_end)

        next_column = column_address + settings.pixel_words
        with m.If(column_ends):
            m.d.sync += [column_address.eq(next_column), column.eq(column + 1)]
        with m.If(row_ends):
            m.d.sync += [
                column_address.eq(column_start), column.eq(start_column),
                diagonal.eq(diagonal + buses), row.eq(row + buses),
                row_start.eq(row_start + settings.row_words),
            ]  # fmt: skip
        with m.If(set_ends):
            following = set_start + self.channel_groups + 1
            m.d.sync += [
                diagonal.eq(first), row.eq(self.row + first),
                set_start.eq(following), row_start.eq(following),
            ]  # fmt: skip
        with m.If(all_sets_end):
            m.d.sync += [
                set_start.eq(first_row), row_start.eq(first_row), beyond_window.eq(1),
                column_start.eq(next_column), column_address.eq(next_column),
                start_column.eq(column + 1), column.eq(column + 1),
            ]  # fmt: skip
            with m.If(is_last_x):
                m.d.sync += running.eq(0)

        begins = Signal()  # a cycle after start: the product is there
        stored = Signal(bits)
        m.d.sync += [
            begins.eq(self.start),
            stored.eq(((self.row + first) >> _log2(buses)) * settings.row_words),
        ]
        with m.If(begins):
            begin = base + stored + self.channels
            m.d.sync += [
                running.eq(first <= self.last_diagonal), diagonal.eq(first),
                row.eq(self.row + first), first_row.eq(begin), set_start.eq(begin),
                row_start.eq(begin), column_start.eq(0), column_address.eq(0),
                start_column.eq(0), column.eq(0), beyond_window.eq(0),
                x.eq(0), group_set.eq(0), new.eq(0), c.eq(0),
            ]  # fmt: skip
        address = fetcher.address.payload
        m.d.comb += [
            address.address.eq(row_start + column_address + c),
            address.zero.eq(
                _outside(row, settings.first_row, settings.stored_rows)
                | _outside(column, settings.first_column, settings.stored_columns)
            ),
            address.tag.diagonal.eq(diagonal),
            address.tag.set.eq(group_set),
        ]
        return m


class _SumSender(_Sender):
    """A word for every sum of a pass, in their order.

    Members beside those of every sender:
        pointer: In, first word.
        outputs, sums: In, less 1; columns: In, columns of PEs in use.
    """

    _tag_bits = 6

    def __init__(
        self, *, fields: list[Field], bus: int, buses: int, address_bits: int, bits: int
    ) -> None:
        self._bus, self._buses = bus, buses
        super().__init__(
            fields=fields, address_bits=address_bits, bits=bits, tag=self._tag_bits,
            members={
                "pointer": In(address_bits), "outputs": In(12), "sums": In(8), "columns": In(6),
            },
        )  # fmt: skip


class PsumSender(_SumSender):
    """The sums in the buffer that a pass adds to; ``pointer`` is its first word in the bank."""

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        fetcher, running = self._fetcher(m)
        walk = Walk(m, self, fetcher.address.ready & running, self._bus, self._buses)
        address = Signal(fetcher.address.payload.address.shape())
        m.d.comb += [
            fetcher.address.payload.address.eq(address),
            fetcher.address.payload.tag.eq(walk.column),
        ]
        with m.If(fetcher.address.ready & running):
            m.d.sync += address.eq(address + 1)
            with m.If(walk.last):
                m.d.sync += running.eq(0)
        with m.If(self.start):
            m.d.sync += [running.eq(self._bus < self.columns), address.eq(self.pointer)]
        return m


class ScaleSender(_SumSender):
    """What the output stage does with each; ``pointer`` is the word of a column's first sum."""

    _tag_bits = 1

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        fetcher, running = self._fetcher(m)
        walk = Walk(m, self, fetcher.address.ready & running, self._bus, self._buses)
        m.d.comb += fetcher.address.payload.address.eq(self.pointer + walk.sum)
        with m.If(fetcher.address.ready & running & walk.last):
            m.d.sync += running.eq(0)
        with m.If(self.start):
            m.d.sync += running.eq(self._bus < self.columns)
        return m


class Walk:
    """The order of the sums on a bus: ofmap column x, PE column, sum; the last fastest.

    Attributes:
        column, sum: where it stands.
        last: it is the last of the pass.
    """

    def __init__(
        self, m: Module, ports: wiring.Component, step: Value, bus: int, buses: int
    ) -> None:
        self.column = Signal(7, init=bus)
        self.sum = Signal(8)
        x = Signal(12)
        last_sum = counter(m, self.sum, ports.sums, step)
        last_column = self.column + buses >= ports.columns
        with m.If(step & last_sum):
            m.d.sync += self.column.eq(Mux(last_column, Const(bus), self.column + buses))
        last_x = counter(m, x, ports.outputs, step & last_sum & last_column)
        self.last = last_sum & last_column & last_x


def _outside(index: Value, first: Value, count: Value) -> Value:
    return (index < first) | (index >= first + count)


def _log2(number: int) -> int:
    return number.bit_length() - 1
