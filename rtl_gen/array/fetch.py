"""Reading a bank of the global buffer: addresses in, tagged words out, one a cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

#: Words that may be on their way: a bank answers in the next cycle, and a word waits one in its
#: queue; with three on the way, one a cycle is taken.
IN_FLIGHT = 4


class AddressLayout(data.StructLayout):
    """``address`` of a word, ``zero`` for one that is not stored but zero, ``tag`` for whom."""

    def __init__(self, *, address_bits: int, tag: ShapeLike) -> None:
        super().__init__({"address": address_bits, "zero": 1, "tag": tag})


class WordLayout(data.StructLayout):
    """``word``, and the ``tag`` that came with its address."""

    def __init__(self, *, bits: int, tag: ShapeLike) -> None:
        super().__init__({"word": bits, "tag": tag})


class Fetcher(wiring.Component):
    """Fetches words in order, whatever the bank's waiting.

    Latency: 2 cycles from the address to the word, if the bank answers in the cycle after its
    request. The bank's answers are always taken.

    Arguments:
        address_bits, bits: of the bank.
        tag: shape of what goes along with each word.

    Members:
        address: In(stream), payload ``AddressLayout``.
        request: Out(stream) of addresses.
        response: In(stream) of words, one for each request, in order.
        word: Out(stream), payload ``WordLayout``.
        empty: Out(1), no word is on its way.
    """

    def __init__(self, *, address_bits: int, bits: int, tag: ShapeLike) -> None:
        self._address = AddressLayout(address_bits=address_bits, tag=tag)
        self._word = WordLayout(bits=bits, tag=tag)
        self._bits = bits
        super().__init__(
            {
                "address": In(stream.Signature(self._address)),
                "request": Out(stream.Signature(address_bits)),
                "response": In(stream.Signature(bits)),
                "word": Out(stream.Signature(self._word)),
                "empty": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        given = self.address.payload
        tag = Value.cast(given.tag)
        m.submodules.tags = tags = fifo.SyncFIFO(width=len(tag) + 1, depth=IN_FLIGHT)
        m.submodules.words = words = fifo.SyncFIFO(width=self._bits, depth=IN_FLIGHT)
        zero = tags.r_data[0]
        m.d.comb += [
            self.request.payload.eq(given.address),
            self.request.valid.eq(self.address.valid & ~given.zero & tags.w_rdy),
            self.address.ready.eq(tags.w_rdy & (given.zero | self.request.ready)),
            tags.w_data.eq(Cat(given.zero, tag)),
            tags.w_en.eq(self.address.valid & self.address.ready),
            words.w_data.eq(self.response.payload),
            words.w_en.eq(self.response.valid),
            self.response.ready.eq(1),
            self.word.payload.word.eq(Mux(zero, 0, words.r_data)),
            Value.cast(self.word.payload.tag).eq(tags.r_data[1:]),
            self.word.valid.eq(tags.r_rdy & (zero | words.r_rdy)),
            tags.r_en.eq(self.word.valid & self.word.ready),
            words.r_en.eq(tags.r_en & ~zero),
            self.empty.eq(~tags.r_rdy),
        ]
        return m


def counter(m: Module, value: Signal, last: Value, step: Value) -> Value:
    """Step a counter to ``last`` and back to 0 whenever ``step``; whether it is at ``last``."""
    at_last: Value = value == last
    with m.If(step):
        m.d.sync += value.eq(Mux(at_last, 0, value + 1))
    return at_last
