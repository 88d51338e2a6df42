"""Scratchpad memories of the PE."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Scratchpad(wiring.Component):
    """A register file: one write port, one read port without a clock edge.

    Writing takes effect at the edge; reading is combinational (latency 0). Words that were never
    written read as unknown: nothing relies on initial values.

    Arguments:
        shape: shape of a word.
        depth: words; addresses at or above it are not decoded.

    Members:
        write_address, write_data, write_enable: In
        read_address: In
        read_data: Out
    """

    def __init__(self, *, shape: ShapeLike, depth: int) -> None:
        self.shape = shape
        self.depth = depth
        address_bits = (depth - 1).bit_length()
        super().__init__(
            {
                "write_address": In(address_bits),
                "write_data": In(shape),
                "write_enable": In(1),
                "read_address": In(address_bits),
                "read_data": Out(shape),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=self.shape, depth=self.depth, init=[])
        write = words.write_port()
        read = words.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        return m
