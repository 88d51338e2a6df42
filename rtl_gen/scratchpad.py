"""Scratchpad memories of the PE."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Scratchpad(wiring.Component):
    """A register file: one write port, one read port without a clock edge.

    Writing takes effect at the edge; reading is combinational (latency 0). Words that were never
    written read as unknown: nothing relies on initial values.

    The read multiplexers form a tree whose root takes the lowest address bit and whose leaves the
    highest: when words are read in sequence, as the PE does, few of its nodes change.

    Arguments:
        shape: shape of a word.
        depth: words; what an address at or above it reads is not defined, and it writes nothing.

    Members:
        write_address, write_data, write_enable: In
        read_address: In
        read_data: Out
    """

    def __init__(self, *, shape: ShapeLike, depth: int) -> None:
        self.shape = Shape.cast(shape)
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
        words = [
            Signal(self.shape, name=f"word{index}", reset_less=True) for index in range(self.depth)
        ]
        for index, word in enumerate(words):
            with m.If(self.write_enable & (self.write_address == index)):
                m.d.sync += word.eq(self.write_data)
        m.d.comb += self.read_data.eq(self._select(words, 0))
        return m

    def _select(self, words: list[Signal], bit: int) -> Value:
        """The addressed one of the words whose addresses agree below ``bit``."""
        if len(words) == 1:
            return words[0]
        odd = self._select(words[1::2], bit + 1)
        even = self._select(words[0::2], bit + 1)
        return Mux(self.read_address[bit], odd, even)
