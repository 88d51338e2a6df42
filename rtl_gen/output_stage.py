"""The array's edge: partial sums in, the next layer's activations out.

``rtl_gen.requantize`` is the golden model.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.design import PSUM_BITS
from rtl_gen.errors import InputError, require_bool, require_int
from rtl_gen.export import component_verilog, require_module_name
from rtl_gen.floating_point import FpLayout
from rtl_gen.requantize import SCALE_BITS, SHIFT_BITS, act_range, fp_formats

#: Bits of one block of a carry-select adder. 16 make two additions of 65 and of 97 bits, the widest
#: there are, fit into 2 ns at 45 nm; the synthesizer's own adders take 40 ps a bit.
ADDER_BLOCK = 16

# The quotient has two bits below its units: the half, and whether there is anything below that.
_BELOW = 2


class ScaleLayout(data.StructLayout):
    """What is done to a psum, from the lowest bit: ``multiplier``, ``shift``, ``relu``, ``bias``.

    Arguments:
        scale_bits: width of the unsigned multiplier.
        bias_bits: width of the signed bias; 0 for none.
    """

    def __init__(self, *, scale_bits: int, bias_bits: int) -> None:
        bias = {"bias": signed(bias_bits)} if bias_bits else {}
        super().__init__({"multiplier": scale_bits, "shift": SHIFT_BITS, "relu": 1, **bias})


class OutputStage(wiring.Component):
    """``saturate(round_half_even(relu(psum + bias) * multiplier / 2**shift))``, one word a cycle.

    Each psum takes one scale word with it: both are transferred at the same clock edge, or none.
    Where all have the same scale, hold ``scale`` valid with a constant word.

    Latency: 4 cycles, ``latency``, from the edge that takes a psum to the one that can hand over
    its activation, whatever the widths: add the bias | partial products, compressed to two rows |
    their sum | shift, round, saturate. While the last register is full and not taken, all stand
    still: from ``out.ready`` to ``psum.ready`` it is two gates, however many stages.

    Arguments:
        psum_bits: width of a partial sum, 4..64.
        act_bits: width of an activation, 2..16.
        act_signed: activations are two's complement, else unsigned.
        scale_bits: width of the multiplier, 2..32.
        bias: scale words have a bias of ``psum_bits`` bits; else it is 0. The sum with it is one
            bit wider: it does not wrap.

    Members:
        psum: In(stream) of signed(psum_bits).
        scale: In(stream), payload ``ScaleLayout``.
        out: Out(stream) of activations; registered.

    Raises:
        InputError: if an argument is not one of the above.
    """

    latency = 4

    def __init__(
        self,
        *,
        psum_bits: int,
        act_bits: int,
        act_signed: bool,
        scale_bits: int = 16,
        bias: bool = False,
    ) -> None:
        self.psum_bits = require_int("psum_bits", psum_bits, *PSUM_BITS)
        self.act_range = act_range(act_bits, act_signed)
        self.act_shape = Shape(act_bits, act_signed)
        self.scale_bits = require_int("scale_bits", scale_bits, *SCALE_BITS)
        self.bias = require_bool("bias", bias)
        layout = ScaleLayout(scale_bits=scale_bits, bias_bits=psum_bits if bias else 0)
        super().__init__(
            {
                "psum": In(stream.Signature(signed(psum_bits))),
                "scale": In(stream.Signature(layout)),
                "out": Out(stream.Signature(self.act_shape)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        pipeline = _Pipeline(m, self.psum.valid & self.scale.valid)
        product, shift, relu = self._multiply(m, pipeline)
        activation = self._divide(m, product, shift, relu)
        (activation,) = pipeline.register(activation=activation)
        m.d.comb += [
            pipeline.moves.eq(self.out.ready | ~pipeline.valid),
            self.psum.ready.eq(pipeline.moves & self.scale.valid),
            self.scale.ready.eq(pipeline.moves & self.psum.valid),
            self.out.valid.eq(pipeline.valid),
            self.out.payload.eq(activation),
        ]
        return m

    def _multiply(self, m: Module, pipeline: _Pipeline) -> list[Signal]:
        """Three stages: the product, and the shift and the ReLU that belong to it."""
        word = self.scale.payload
        total: Value = self.psum.payload
        if self.bias:
            total = _add(m, Cat(total, total[-1]), Cat(word.bias, word.bias[-1]), "total")
        total, multiplier, shift, relu = pipeline.register(
            total=total.as_signed(), multiplier=word.multiplier, shift=word.shift, relu=word.relu
        )
        first, second = _compress(m, _partial_products(m, total, multiplier))
        first, second, shift, relu = pipeline.register(
            first=first, second=second, shift=shift, relu=relu
        )
        product = _add(m, first, second, "product").as_signed()
        return pipeline.register(product=product, shift=shift, relu=relu)

    def _divide(self, m: Module, product: Value, shift: Value, relu: Value) -> Value:
        """The activation: the product shifted, rounded with ties to even, saturated.

        The sign of the sum is that of the product and of the quotient: ReLU is saturation at 0.
        """
        low, high = Mux(relu, 0, self.act_range[0]), self.act_range[1]
        bits = self.act_shape.width + (not self.act_shape.signed)
        quotient = _shift_right(m, product, shift)
        fits = _fits(quotient, _BELOW + bits)
        below, half, whole = quotient[0], quotient[1], quotient[_BELOW:][:bits].as_signed()
        rounded = Signal(signed(bits + 1))
        activation = Signal(self.act_shape)
        m.d.comb += [rounded.eq(whole + (half & (below | whole[0]))), activation.eq(rounded)]
        with m.If(Mux(fits, rounded < low, quotient[-1])):
            m.d.comb += activation.eq(low)
        with m.Elif(~fits | (rounded > high)):
            m.d.comb += activation.eq(high)
        return activation


class FpOutputStage(wiring.Component):
    """ReLU and one rounding for family ``fp``, one word a cycle; latency 1 cycle.

    Binary32 sums become bfloat16, to nearest, ties to even, or keep their format. Subnormal sums
    count as zero of their sign, NaNs become the canonical one: ``float_activations``.

    Arguments:
        psum_bits: 32 or 16, not below act_bits.
        act_bits: 32 or 16.

    Members:
        psum: In(stream) of bit patterns of psum_bits bits.
        relu: In(1), for the psum that is taken: a negative one, -0 included, becomes +0.
        out: Out(stream) of bit patterns of act_bits bits; registered.

    Raises:
        InputError: if a width is another.
    """

    latency = 1

    def __init__(self, *, psum_bits: int, act_bits: int) -> None:
        self.psum_format, self.act_format = fp_formats(psum_bits, act_bits)
        super().__init__(
            {
                "psum": In(stream.Signature(psum_bits)),
                "relu": In(1),
                "out": Out(stream.Signature(act_bits)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        pipeline = _Pipeline(m, self.psum.valid)
        (activation,) = pipeline.register(activation=self._round(m))
        m.d.comb += [
            pipeline.moves.eq(self.out.ready | ~pipeline.valid),
            self.psum.ready.eq(pipeline.moves),
            self.out.valid.eq(pipeline.valid),
            self.out.payload.eq(activation),
        ]
        return m

    def _round(self, m: Module) -> Value:
        psum = data.View(FpLayout(self.psum_format), self.psum.payload)
        magnitude = Cat(psum.fraction, psum.exponent)
        dropped = self.psum_format.fraction_bits - self.act_format.fraction_bits
        rounded = Signal(self.act_format.bits - 1)
        if dropped:
            # Half a unit less one, and one more if the last bit that stays is odd. A carry out of
            # the fraction steps the exponent, at most to that of infinity.
            half = (1 << (dropped - 1)) - 1
            m.d.comb += rounded.eq((magnitude + half + magnitude[dropped]) >> dropped)
        else:
            m.d.comb += rounded.eq(magnitude)
        result = Signal(self.act_format.bits)
        m.d.comb += result.eq(Cat(rounded, psum.sign))
        with m.If(psum.exponent.all() & psum.fraction.any()):
            m.d.comb += result.eq(self.act_format.nan)
        with m.Elif(self.relu & psum.sign):
            m.d.comb += result.eq(0)
        with m.Elif(~psum.exponent.any()):
            m.d.comb += result.eq(Cat(Const(0, len(rounded)), psum.sign))
        return result


def output_stage_verilog(stage: OutputStage | FpOutputStage, name: str) -> str:
    """An output stage as Verilog-2005, the top module of this name, without initial values.

    Raises:
        InputError: if the name is no plain identifier, or a word of the language.
        RuntimeError: if Yosys fails, with what it printed.
    """
    if not isinstance(stage, OutputStage | FpOutputStage):
        raise InputError(f"stage must be an OutputStage or an FpOutputStage, not {stage!r}")
    return component_verilog(stage, require_module_name(name))


class _Pipeline:
    """Registers that move all together or not at all.

    Attributes:
        moves: 1 while they do; to be driven.
        valid: whether there is a word at the current end.
    """

    def __init__(self, m: Module, valid: Value) -> None:
        self._m = m
        self._stages = 0
        self.moves = Signal()
        self.valid = valid

    def register(self, **values: Value) -> list[Signal]:
        """Add a stage for these values; loaded only with valid words: idle, nothing toggles."""
        m = self._m
        self._stages += 1
        following = Signal(name=f"valid_{self._stages}")
        with m.If(self.moves):
            m.d.sync += following.eq(self.valid)
        copies = []
        for name, value in values.items():
            copy = Signal(value.shape(), name=f"{name}_{self._stages}", reset_less=True)
            with m.If(self.moves & self.valid):
                m.d.sync += copy.eq(value)
            copies.append(copy)
        self.valid = following
        return copies


def _partial_products(m: Module, number: Value, multiplier: Value) -> list[Value]:
    """Rows whose sum, modulo their width, is a signed number times an unsigned multiplier.

    Two bits of the multiplier and the one below make a digit, -2 to 2 (Booth, radix 4). A negative
    row is the complement and one more. Instead of extending its sign s, a row has ``1 - s`` there;
    what that is too much makes one constant.
    """
    width = len(number) + len(multiplier)
    digits = Cat(Const(0, 1), multiplier, Const(0, 2))
    single, double = Cat(number, number[-1]), Cat(Const(0, 1), number)
    rows: list[Value] = []
    complements: list[Value] = []
    for place in range(0, len(multiplier) + 1, 2):
        low, middle, high = digits[place : place + 3]
        chosen = Mux(middle ^ low, single, Mux(high ^ middle, double, 0))
        row = Signal(len(single), name=f"row_{place}")
        m.d.comb += row.eq(Mux(high, ~chosen, chosen))
        rows.append((Cat(row[:-1], ~row[-1]) << place)[:width])
        complements += [high, Const(0, 1)]
    ones = sum(1 << (len(number) + place) for place in range(0, len(multiplier) + 1, 2))
    return [*rows, Cat(complements)[:width], Const(-ones % (1 << width), width)]


def _compress(m: Module, rows: list[Value]) -> list[Value]:
    """Two rows with the same sum: full adders, three rows to two, side by side."""
    width = max(len(row) for row in rows)
    level = 0
    while len(rows) > 2:
        following = rows[len(rows) // 3 * 3 :]
        for index in range(0, len(rows) - 2, 3):
            x, y, z = rows[index : index + 3]
            total, carry = (
                Signal(width, name=f"{name}_{level}_{index}") for name in ("sum", "carry")
            )
            m.d.comb += [total.eq(x ^ y ^ z), carry[1:].eq(x & y | (x ^ y) & z)]
            following += [total, carry]
        rows, level = following, level + 1
    return rows


def _add(m: Module, a: Value, b: Value, name: str) -> Value:
    """The sum of two numbers of one width, modulo that: a carry-select adder.

    Every block adds without and with a carry; the carry only chooses (Bedrij, Carry-select adder,
    IRE Trans. Electronic Computers, 1962).
    """
    carry: Value = Const(0, 1)
    blocks = []
    for start in range(0, len(a), ADDER_BLOCK):
        one, other = a[start : start + ADDER_BLOCK], b[start : start + ADDER_BLOCK]
        total = Signal(len(one) + 1, name=f"{name}_{start}")
        m.d.comb += total.eq(Mux(carry, one + other + 1, one + other))
        carry = total[-1]
        blocks.append(total[:-1])
    return Cat(*blocks)


def _shift_right(m: Module, number: Value, shift: Value) -> Value:
    """``number / 2**shift`` with ``_BELOW`` more bits; the lowest is 1 if any below it would be."""
    distances = [1 << position for position in reversed(range(len(shift)))]
    shifted = Signal(signed(_BELOW + max(len(number), distances[0])), name="shifted_0")
    m.d.comb += shifted.eq(number << _BELOW)
    for distance in distances:
        lowest = shifted[: distance + 1].any()
        further = Cat(lowest, shifted[distance + 1 :]).as_signed()
        following = Signal(shifted.shape(), name=f"shifted_{distance}")
        m.d.comb += following.eq(Mux(shift & distance, further, shifted))
        shifted = following
    return shifted


def _fits(number: Value, bits: int) -> Value:
    """Whether a signed number is one of this width too."""
    sign = number[min(bits, len(number)) - 1 :]
    return sign.all() | ~sign.any()
