"""The PEs, and the network that brings each what is for it."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.fetch import WordLayout
from rtl_gen.array.senders import TAG_BITS, IfmapTag
from rtl_gen.controller import PrimitiveLayout
from rtl_gen.interface import stream_widths


class Grid(wiring.Component):
    """Rows x columns of PEs.

    PE (i, j) has row i modulo ``filter_rows`` of the filters, in set i / ``filter_rows``, which has
    channels of its own. It needs the ifmap row of its *diagonal*: its filter row, and ``stride``
    more for each column. A word of a bus goes to all PEs that it is for, in one cycle, when all
    are ready: filter words to a row, ifmap words to the PEs of a set and diagonal. Sums start in
    the last row in use, from zero or from those that come in, and leave row 0.

    Members:
        filter_rows, sets, stride: In, less 1; they must not change while a run is on, and
            ``settle`` cycles before.
        columns: In, columns in use.
        on: In(1), a run is on.
        row: In, first ifmap row of the pass: which bus has which diagonal.
        inject: In(1), sums start from those that come in. abandon: In(1), resets the PEs.
        config: In(stream), payload ``PrimitiveLayout``, for all PEs in use together.
        ifmap{k}, filter{k}, psum_in{k}: In(stream) of tagged words.
        psum_out{j}: Out(stream), of each column.
    """

    def __init__(self, design: ArrayDesign) -> None:
        self.design, pe = design, design.pe
        ifmap = WordLayout(bits=pe.act_word_bits, tag=IfmapTag())
        filters = WordLayout(bits=pe.weight_word_bits, tag=6)
        psums = WordLayout(bits=pe.psum_bits, tag=6)
        super().__init__(
            {
                "filter_rows": In(6), "sets": In(6), "stride": In(6), "columns": In(6),
                "on": In(1), "row": In(16), "inject": In(1), "abandon": In(1),
                "config": In(stream.Signature(PrimitiveLayout())),
                **{f"ifmap{k}": In(stream.Signature(ifmap)) for k in range(design.ifmap_buses)},
                **{f"filter{k}": In(stream.Signature(filters)) for k in range(design.filter_buses)},
                **{f"psum_in{k}": In(stream.Signature(psums)) for k in range(design.psum_buses)},
                **{
                    f"psum_out{j}": Out(stream.Signature(pe.psum_bits))
                    for j in range(design.columns)
                },
            }
        )  # fmt: skip

    @property
    def settle(self) -> int:
        """Cycles until new sizes have reached every PE."""
        return max(self.design.rows, self.design.columns) + 1

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        design = self.design
        self._pes = [
            [_Node(m, design, f"pe_{i}_{j}", self.abandon) for j in range(design.columns)]
            for i in range(design.rows)
        ]
        self._tags(m)
        self._active = [
            [self._row_used[i] & (self.columns > j) for j in range(design.columns)]
            for i in range(design.rows)
        ]
        self._configure(m)
        self._filters(m)
        self._ifmaps(m)
        self._psums(m)
        return m

    def _tags(self, m: Module) -> None:
        """What each row and column is for: from its neighbour's, a register each."""
        rows, columns = self.design.rows, self.design.columns
        self._filter_row = [Signal(6, name=f"filter_row_{i}") for i in range(rows)]
        self._set = [Signal(6, name=f"set_{i}") for i in range(rows)]
        self._offset = [Signal(TAG_BITS, name=f"offset_{j}") for j in range(columns)]
        for i in range(1, rows):
            before = self._filter_row[i - 1]
            with m.If(before == self.filter_rows):
                m.d.sync += [self._filter_row[i].eq(0), self._set[i].eq(self._set[i - 1] + 1)]
            with m.Else():
                m.d.sync += [self._filter_row[i].eq(before + 1), self._set[i].eq(self._set[i - 1])]
        for j in range(1, columns):
            m.d.sync += self._offset[j].eq(self._offset[j - 1] + self.stride + 1)
        # Row 0 is of set 0, which is always used: without the comparison, lint is clean.
        self._row_used = [
            self.on & (self._set[i] <= self.sets) if i else self.on for i in range(rows)
        ]
        self._row_starts = [
            (self._set[i] == self.sets) & (self._filter_row[i] == self.filter_rows)
            for i in range(rows)
        ]

    def _configure(self, m: Module) -> None:
        waits = []
        for i, row in enumerate(self._pes):
            for j, pe in enumerate(row):
                m.d.comb += [
                    pe.config.payload.eq(self.config.payload),
                    pe.config.payload.chain.eq(~self._row_starts[i] | self.inject),
                    pe.config.valid.eq(self.config.valid & self.config.ready & self._active[i][j]),
                ]
                waits.append(self._active[i][j] & ~pe.config.ready)
        m.d.comb += self.config.ready.eq(~Cat(waits).any())

    def _filters(self, m: Module) -> None:
        buses = [getattr(self, f"filter{k}") for k in range(self.design.filter_buses)]
        takes: list[list[Value]] = [[] for _ in buses]
        for i, row in enumerate(self._pes):
            bus = buses[i % len(buses)]
            mine = bus.payload.tag == i
            waits = Cat(a & ~pe.filter.ready for pe, a in zip(row, self._active[i], strict=True))
            all_ready = Signal(name=f"filter_ready_{i}")
            m.d.comb += all_ready.eq(mine & ~waits.any())
            takes[i % len(buses)].append(all_ready)
            for j, pe in enumerate(row):
                m.d.comb += [
                    pe.filter.payload.eq(bus.payload.word),
                    pe.filter.valid.eq(bus.valid & all_ready & self._active[i][j]),
                ]
        for bus, ready in zip(buses, takes, strict=True):
            m.d.comb += bus.ready.eq(_any(ready))

    def _ifmaps(self, m: Module) -> None:
        buses = [getattr(self, f"ifmap{k}") for k in range(self.design.ifmap_buses)]
        waits: list[list[Value]] = [[] for _ in buses]
        for i, row in enumerate(self._pes):
            for j, pe in enumerate(row):
                diagonal = Signal(TAG_BITS, name=f"diagonal_{i}_{j}")
                source = Signal(range(len(buses)), name=f"source_{i}_{j}")
                m.d.comb += [
                    diagonal.eq(self._filter_row[i] + self._offset[j]),
                    source.eq(diagonal + self.row),
                ]
                valid = []
                for k, bus in enumerate(buses):
                    tag = bus.payload.tag
                    mine = Signal(name=f"mine_{i}_{j}_{k}")
                    m.d.comb += mine.eq(
                        self._active[i][j] & (source == k if len(buses) > 1 else 1)
                        & (tag.set == self._set[i]) & (tag.diagonal == diagonal)
                    )  # fmt: skip
                    waits[k].append(mine & ~pe.ifmap.ready)
                    valid.append(mine & bus.valid & bus.ready)
                    with m.If((source == k) if len(buses) > 1 else 1):
                        m.d.comb += pe.ifmap.payload.eq(bus.payload.word)
                m.d.comb += pe.ifmap.valid.eq(_any(valid))
        for bus, waiting in zip(buses, waits, strict=True):
            m.d.comb += bus.ready.eq(~Cat(waiting).any())

    def _psums(self, m: Module) -> None:
        buses = [getattr(self, f"psum_in{k}") for k in range(self.design.psum_buses)]
        takes: list[list[Value]] = [[] for _ in buses]
        rows = self.design.rows
        for j in range(self.design.columns):
            bus = buses[j % len(buses)]
            mine = bus.payload.tag == j
            column = [row[j] for row in self._pes]
            for i, pe in enumerate(column):
                starts = self._row_starts[i]
                below = column[i + 1].psum_out if i + 1 < rows else None
                with m.If(starts):
                    m.d.comb += [
                        pe.psum_in.payload.eq(bus.payload.word),
                        pe.psum_in.valid.eq(bus.valid & mine),
                    ]
                takes[j % len(buses)].append(starts & mine & pe.psum_in.ready)
                if below is not None:
                    with m.Else():
                        m.d.comb += [
                            pe.psum_in.payload.eq(below.payload),
                            pe.psum_in.valid.eq(below.valid),
                        ]
                    m.d.comb += below.ready.eq(pe.psum_in.ready & ~starts)
            out, top = getattr(self, f"psum_out{j}"), column[0].psum_out
            m.d.comb += [
                out.payload.eq(top.payload), out.valid.eq(top.valid), top.ready.eq(out.ready),
            ]  # fmt: skip
        for bus, ready in zip(buses, takes, strict=True):
            m.d.comb += bus.ready.eq(_any(ready))


class _Node:
    """A PE as an instance of its own module, which is the same for all: its streams."""

    config: Any
    filter: Any
    ifmap: Any
    psum_in: Any
    psum_out: Any

    def __init__(self, m: Module, design: ArrayDesign, name: str, abandon: Value) -> None:
        connections: dict[str, Value] = {}
        for what, width in stream_widths(design.pe).items():
            shape = PrimitiveLayout() if what == "config" else width
            interface = stream.Signature(shape).create(path=(f"{name}_{what}",))
            setattr(self, what, interface)
            along, back = ("o", "i") if what == "psum_out" else ("i", "o")
            connections[f"{along}_{what}__payload"] = Value.cast(interface.payload)
            connections[f"{along}_{what}__valid"] = interface.valid
            connections[f"{back}_{what}__ready"] = interface.ready
        m.submodules[name] = Instance(
            design.pe.name, i_clk=ClockSignal(), i_rst=ResetSignal() | abandon, **connections
        )


def _any(values: list[Value]) -> Value:
    return reduce(or_, values)
