"""Integer multipliers: the synthesizer's own, Booth's recoding, or an array of AND gates."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Shape, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.errors import require_bool, require_choice, require_int

ARCHITECTURES = ("synth", "booth", "array")

#: Bits of an operand.
OPERAND_BITS = (1, 32)


class Multiplier(wiring.Component):
    """The exact product of two integers.

    Architectures:

    - ``synth``: ``*``, for the synthesizer to choose.
    - ``booth``: radix-4 Booth recoding of one operand, a Dadda tree, one adder.
    - ``array``: an AND gate for each pair of bits, the same tree and adder.

    Arguments:
        a: shape of the first operand, signed or unsigned, 1..32 bits.
        b: likewise of the second, the weight.
        architecture: one of ``ARCHITECTURES``.
        registered: put one register inside: in front of the adder (``synth``: behind the products
            of the two halves of ``b``).

    Members:
        a: In(a)
        b: In(b)
        enable: In(1), loads the inner register, if there is one
        product: Out, as wide as both operands together, signed if one of them is; latency
            ``int(registered)`` cycles, one product a cycle

    Raises:
        InputError: if an argument is not one of the above.
    """

    def __init__(self, *, a: ShapeLike, b: ShapeLike, architecture: str, registered: bool) -> None:
        shapes = (Shape.cast(a), Shape.cast(b))
        for name, shape in zip("ab", shapes, strict=True):
            require_int(f"bits of {name}", shape.width, *OPERAND_BITS)
        self.architecture = require_choice("architecture", architecture, ARCHITECTURES)
        self.registered = require_bool("registered", registered)
        product = Shape(sum(shape.width for shape in shapes), any(shape.signed for shape in shapes))
        super().__init__(
            {"a": In(shapes[0]), "b": In(shapes[1]), "enable": In(1), "product": Out(product)}
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.architecture == "synth":
            m.d.comb += self.product.eq(self._synthesizers(m))
            return m
        partial_products = _booth if self.architecture == "booth" else _array
        first, second = (
            self._stage(m, row, name)
            for row, name in zip(
                partial_products(m, self.a, self.b).rows(m), ("first", "second"), strict=True
            )
        )
        m.d.comb += self.product.eq(first + second)
        return m

    def _synthesizers(self, m: Module) -> Value:
        """The product; if a register is to stand inside, from the two halves of b."""
        half = len(self.b) // 2
        if half == 0 or not self.registered:
            return self._stage(m, self.a * self.b, "whole")
        low, high = self.b[:half], self.b[half:]
        if self.b.shape().signed:
            high = high.as_signed()
        low_product = self._stage(m, self.a * low, "low_product")
        high_product = self._stage(m, self.a * high, "high_product")
        return low_product + (high_product << half)

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        """``value`` itself, or a copy of it one enabled cycle later."""
        if not self.registered:
            return value
        copy = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += copy.eq(value)
        return copy


class BitHeap:
    """Bits of many weights that are to be added, modulo ``2**width``.

    Arguments:
        width: bits of the sum; what lies above it is dropped.
    """

    def __init__(self, width: int) -> None:
        self._columns: list[list[Value]] = [[] for _ in range(width)]
        self._constant = 0

    def add(self, position: int, bit: Value) -> None:
        """Add ``bit * 2**position``."""
        if position < len(self._columns):
            self._columns[position].append(bit)

    def subtract(self, position: int, bit: Value) -> None:
        """Add ``-bit * 2**position``, as ``(~bit - 1) * 2**position``.

        The constants of all such bits are added up here, not in hardware: a sign bit needs no
        extension to the left.
        """
        self.add(position, ~bit)
        self._constant -= 1 << position

    def rows(self, m: Module) -> tuple[Value, Value]:
        """Two numbers with the same sum: full and half adders, in the fewest stages.

        Each stage lowers the columns to the next of the heights 2, 3, 4, 6, 9, 13 ... and uses no
        more adders than that takes (Dadda, Alta Frequenza 1965). Bits that came first leave first:
        the later ones pass fewer adders.
        """
        columns = [list(column) for column in self._columns]
        for position, column in enumerate(columns):
            if self._constant >> position & 1:
                column.append(Const(1, 1))
        heights = [2]
        while heights[-1] < max(map(len, columns)):
            heights.append(heights[-1] * 3 // 2)
        for height in reversed(heights[:-1]):
            _lower(m, columns, height)
        zero = Const(0, 1)
        padded = [[*column, zero, zero] for column in columns]
        return Cat(bits[0] for bits in padded), Cat(bits[1] for bits in padded)


def _lower(m: Module, columns: list[list[Value]], height: int) -> None:
    """One stage of a Dadda tree: no column keeps more than ``height`` bits."""
    inputs: list[list[Value]] = []
    positions: list[int] = []
    carries_in = 0
    for position, column in enumerate(columns):
        excess = len(column) + carries_in - height
        carries_in = 0
        while excess > 0:
            # A full adder takes three bits and leaves one here, a half adder takes two.
            bits = 3 if excess > 1 else 2
            inputs.append([*column[:bits], Const(0, 1)])
            positions.append(position)
            del column[:bits]
            excess -= bits - 1
            carries_in += 1
    # All adders of a stage as vectors: few signals, which simulate fast.
    x, y, z = (Cat(bits[i] for bits in inputs) for i in range(3))
    half, total, carry = (
        Signal(len(inputs), name=f"{name}{height}") for name in ("half", "total", "carry")
    )
    m.d.comb += [half.eq(x ^ y), total.eq(half ^ z), carry.eq((half & z) | (~half & y))]
    for index, position in enumerate(positions):
        columns[position].append(total[index])
        if position + 1 < len(columns):
            columns[position + 1].append(carry[index])


def _array(_m: Module, a: Value, b: Value) -> BitHeap:
    """All products of two bits; negative where one of them is a sign.

    With the constants gathered this is the array of Baugh and Wooley (IEEE Trans. Computers 1973),
    here for any mixture of signed and unsigned operands.
    """
    heap = BitHeap(len(a) + len(b))
    for i, a_bit in enumerate(a):
        a_sign = a.shape().signed and i == len(a) - 1
        for j, b_bit in enumerate(b):
            b_sign = b.shape().signed and j == len(b) - 1
            put = heap.add if a_sign == b_sign else heap.subtract
            put(i + j, a_bit & b_bit)
    return heap


def _booth(m: Module, a: Value, b: Value) -> BitHeap:
    """One multiple -2, -1, 0, 1 or 2 of an operand for every two bits of the other.

    Booth (Quart. J. Mech. Appl. Math. 1951), in the radix-4 form of MacSorley (Proc. IRE 1961):
    bits ``high, mid, low``, the last shared with the digit below, mean ``mid + low - 2 high``.
    That operand is recoded which leaves fewer bits to add.
    """
    heap = BitHeap(len(a) + len(b))
    if _booth_rows(a.shape()) * len(b) < _booth_rows(b.shape()) * len(a):
        a, b = b, a
    signed = b.shape().signed
    zero = Const(0, 1)
    bits = [zero, *b, *2 * [b[-1] if signed else zero]]
    for row in range(_booth_rows(b.shape())):
        # Above an unsigned number stands a zero: its last digit is not negative.
        positive = not signed and 2 * row + 1 >= len(b)
        _booth_row(m, heap, row, a, bits[2 * row : 2 * row + 3], positive=positive)
    return heap


def _booth_row(
    m: Module, heap: BitHeap, row: int, a: Value, digit: Sequence[Value], *, positive: bool
) -> None:
    """Add ``digit * a * 4**row``: a negative row is the complement of its bits, and one more.

    ``a`` is complemented before the multiple is chosen, not after it: that works while the digit
    is still being recoded.
    """
    low, mid, high = digit
    signed = a.shape().signed
    extended = Cat(a, a[-1] if signed else Const(0, 1))
    bits = len(extended)
    one, two, negative, carry = (
        Signal(name=f"{name}{row}") for name in ("one", "two", "negative", "carry")
    )
    flipped, chosen = (Signal(bits, name=f"{name}{row}") for name in ("flipped", "chosen"))
    m.d.comb += [
        one.eq(mid ^ low),
        two.eq((high & ~mid & ~low) | (~high & mid & low)),
        negative.eq(high & ~(mid & low)),
        flipped.eq(extended ^ high.replicate(bits)),
        chosen.eq(
            (flipped & one.replicate(bits)) | (Cat(high, flipped[:-1]) & two.replicate(bits))
        ),
        carry.eq(negative & ~(one & a[0])),
    ]
    position = 2 * row
    # The lowest bit of the row and the one that is added to it: their sum's bit, and its carry.
    heap.add(position, one & a[0])
    for index in range(1, bits - 1):
        heap.add(position + index, chosen[index])
    if signed:
        heap.subtract(position + bits - 1, chosen[-1])
    else:
        heap.add(position + bits - 1, chosen[-1])
    if not positive:
        if not signed:
            heap.subtract(position + bits, negative)
        heap.add(position + 1, carry)


def _booth_rows(shape: Shape) -> int:
    """Radix-4 digits of a number: an unsigned one has a zero above it."""
    rows: int = (shape.width + (1 if shape.signed else 2)) // 2
    return rows
