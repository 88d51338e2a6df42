"""The array: controller, senders, PEs and collectors, with a port for each bank of the buffer."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.array.collector import Collector, WriteLayout, scale_layout
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.fetch import IN_FLIGHT
from rtl_gen.array.grid import Grid
from rtl_gen.array.interface import bank_bits
from rtl_gen.array.registers import REGISTER_BITS, register_map
from rtl_gen.array.senders import FilterSender, IfmapSender, PsumSender, ScaleSender
from rtl_gen.array.sequencer import Sequencer
from rtl_gen.export import component_verilog, verilog_text


class PEArray(wiring.Component):
    """Runs a part of a layer that is in its buffer, as its registers say.

    The buffer is outside. Each bank has a port to read: ``NAME_request``, a stream of addresses, is
    answered on ``NAME_response``, a stream of words, in order, at least a cycle later; and the
    banks of psums have one to write: ``NAME_write``. Any of them may wait at any time. A read of a
    word that a write before it changed gives the new word. A run that is given up takes back what
    it asked for and was not granted, but waits, before the next, for what was.

    Members:
        write_address, write_word, write_enable: In, registers (``rtl_gen.array.registers``).
        read_address: In; read_word: Out, likewise, combinational.
        busy: Out(1), a run is on.
        {bank}_request, {bank}_response; psum{k}_write.
    """

    def __init__(self, design: ArrayDesign) -> None:
        self.design = design
        ports = {}
        for name, (words, bits) in bank_bits(design).items():
            address_bits = (words - 1).bit_length()
            ports[f"{name}_request"] = Out(stream.Signature(address_bits))
            ports[f"{name}_response"] = In(stream.Signature(bits))
            if name.startswith("psum"):
                layout = WriteLayout(address_bits=address_bits, bits=bits)
                ports[f"{name}_write"] = Out(stream.Signature(layout))
        registers = (max(f.address for f in register_map(design))).bit_length()
        super().__init__(
            {
                "write_address": In(registers), "write_word": In(REGISTER_BITS),
                "write_enable": In(1), "read_address": In(registers),
                "read_word": Out(REGISTER_BITS), "busy": Out(1), **ports,
            }
        )  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        design = self.design
        grid = Grid(design)
        m.submodules.sequencer = self._sequencer = seq = Sequencer(design, settle=grid.settle)
        self._reset = ResetInserter(seq.abandon)
        m.submodules.grid = self._reset(grid)
        settings = seq.settings
        m.d.comb += [
            seq.write_address.eq(self.write_address), seq.write_word.eq(self.write_word),
            seq.write_enable.eq(self.write_enable), seq.read_address.eq(self.read_address),
            self.read_word.eq(seq.read_word), self.busy.eq(seq.on),
            grid.filter_rows.eq(settings.filter_rows), grid.sets.eq(settings.sets),
            grid.stride.eq(settings.stride), grid.columns.eq(seq.columns), grid.on.eq(seq.on),
            grid.row.eq(seq.row), grid.inject.eq(seq.inject), grid.abandon.eq(seq.abandon),
        ]  # fmt: skip
        wiring.connect(m, seq.config, grid.config)
        # Something moves, or the buffer is what everything waits for.
        self._moves: list[Value] = [seq.config.valid & seq.config.ready]
        self._owed: list[Value] = []
        self._idle: list[Value] = []
        for k in range(design.ifmap_buses):
            self._ifmaps(m, grid, k)
        for k in range(design.filter_buses):
            self._filters(m, grid, k)
        done = [self._psums(m, grid, k) for k in range(design.psum_buses)]
        m.d.comb += [
            seq.done.eq(Cat(done, self._idle).all()), seq.moves.eq(Cat(self._moves).any()),
            seq.answered.eq(~Cat(self._owed).any()),
        ]  # fmt: skip
        return m

    def _sender(self, m: Module, name: str, sender: wiring.Component) -> None:
        """Connect a sender to its bank, and what all senders have."""
        m.submodules[f"{name}_sender"] = self._reset(sender)
        request, response = (getattr(self, f"{name}_{what}") for what in ("request", "response"))
        wiring.connect(m, sender.request, wiring.flipped(request))
        owed = Signal(range(IN_FLIGHT + 1), name=f"{name}_owed")
        # After a reset, what comes was asked for before it: it does not count.
        answer = response.valid & response.ready & owed.any()
        m.d.sync += owed.eq(owed + (request.valid & request.ready) - answer)
        m.d.comb += [
            sender.settings.eq(self._sequencer.settings),
            sender.response.payload.eq(response.payload),
            sender.response.valid.eq(response.valid & self._sequencer.fetching),
            response.ready.eq(sender.response.ready),
        ]
        self._moves += [sender.word.valid & sender.word.ready, request.valid, owed.any()]
        self._owed.append(owed.any())
        self._idle.append(sender.idle)

    def _ifmaps(self, m: Module, grid: Grid, k: int) -> None:
        design, seq = self.design, self._sequencer
        sender = IfmapSender(
            fields=register_map(design), bus=k, buses=design.ifmap_buses,
            address_bits=(design.ifmap_words - 1).bit_length(), bits=design.pe.act_word_bits,
        )  # fmt: skip
        self._sender(m, f"ifmap{k}", sender)
        wiring.connect(m, sender.word, getattr(grid, f"ifmap{k}"))
        size = seq.primitive
        m.d.comb += [
            sender.start.eq(seq.start), sender.row.eq(seq.row), sender.channels.eq(seq.channels),
            sender.last_diagonal.eq(seq.last_diagonal), sender.window.eq(size.filter_width),
            sender.slide.eq(size.slide), sender.outputs.eq(size.outputs),
            sender.channel_groups.eq(size.channels),
        ]  # fmt: skip

    def _filters(self, m: Module, grid: Grid, k: int) -> None:
        design, seq = self.design, self._sequencer
        sender = FilterSender(
            fields=register_map(design), bus=k, buses=design.filter_buses,
            address_bits=(design.filter_words - 1).bit_length(), bits=design.pe.weight_word_bits,
        )  # fmt: skip
        self._sender(m, f"filter{k}", sender)
        wiring.connect(m, sender.word, getattr(grid, f"filter{k}"))
        m.d.comb += [
            sender.start.eq(seq.start & ~seq.config.payload.keep_filter),
            sender.begin.eq(seq.begin), sender.rows.eq(seq.rows),
        ]  # fmt: skip

    def _psums(self, m: Module, grid: Grid, k: int) -> Value:
        """Both ways of a bus; whether all its sums are in the buffer."""
        design, seq = self.design, self._sequencer
        bits = (design.psum_words - 1).bit_length()
        sender = PsumSender(
            fields=register_map(design), bus=k, buses=design.psum_buses, address_bits=bits,
            bits=design.pe.psum_bits,
        )  # fmt: skip
        self._sender(m, f"psum{k}", sender)
        wiring.connect(m, sender.word, getattr(grid, f"psum_in{k}"))
        collector = Collector(design, bus=k)
        m.submodules[f"collector{k}"] = self._reset(collector)
        write = getattr(self, f"psum{k}_write")
        wiring.connect(m, collector.write, wiring.flipped(write))
        self._moves += [write.valid, collector.psum.valid & collector.psum.ready]
        size = seq.primitive
        common = [
            (sender.outputs, size.outputs), (sender.sums, seq.settings.sums),
            (sender.columns, seq.columns), (collector.outputs, size.outputs),
            (collector.sums, seq.settings.sums), (collector.columns, seq.columns),
        ]  # fmt: skip
        m.d.comb += [port.eq(value) for port, value in common]
        m.d.comb += [
            sender.start.eq(seq.start & seq.inject), sender.pointer.eq(collector.pointer),
            collector.start.eq(seq.start), collector.begin.eq(seq.begin),
            collector.again.eq(seq.again), collector.anew.eq(seq.anew),
            collector.base.eq(seq.settings.psum_base),
            collector.requantize.eq(seq.finish), collector.relu.eq(seq.settings.relu),
        ]  # fmt: skip
        for j in range(k, design.columns, design.psum_buses):
            column = getattr(grid, f"psum_out{j}")
            with m.If(collector.column == j):
                m.d.comb += [
                    collector.psum.payload.eq(column.payload),
                    collector.psum.valid.eq(column.valid),
                    column.ready.eq(collector.psum.ready),
                ]
        if design.pe.family != "fp":
            self._scales(m, collector, k)
        return collector.done

    def _scales(self, m: Module, collector: Collector, k: int) -> None:
        design, seq = self.design, self._sequencer
        layout = scale_layout(design)
        sender = ScaleSender(
            fields=register_map(design), bus=k, buses=design.psum_buses,
            address_bits=(design.scale_words - 1).bit_length(), bits=layout.size,
        )  # fmt: skip
        self._sender(m, f"scale{k}", sender)
        size = seq.primitive
        m.d.comb += [
            sender.start.eq(seq.start & seq.finish), sender.pointer.eq(seq.scale_pointer),
            sender.outputs.eq(size.outputs), sender.sums.eq(seq.settings.sums),
            sender.columns.eq(seq.columns),
            Value.cast(collector.scale.payload).eq(sender.word.payload.word),
            collector.scale.valid.eq(sender.word.valid),
            sender.word.ready.eq(collector.scale.ready),
        ]  # fmt: skip


def array_verilog(design: ArrayDesign) -> str:
    """The array as Verilog-2005, hierarchical, without initial values; one module for all PEs.

    Raises:
        RuntimeError: if Yosys fails, with what it printed.
    """
    header = f"// peforge array {design.digest}\n// {design.to_json()}\n"
    array = component_verilog(PEArray(design), design.name)
    return header + array + verilog_text(design.pe)
