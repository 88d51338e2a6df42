"""The output stage: golden model against fractions, hardware against the golden model."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from hypothesis import example, given
from hypothesis import strategies as st

from rtl_gen.errors import InputError
from rtl_gen.export import require_module_name
from rtl_gen.output_stage import FpOutputStage, OutputStage, output_stage_verilog
from rtl_gen.requantize import act_range, float_activations, requantize, scale_word

# A stage that refuses its arguments is never elaborated.
pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")

#: A psum and its scale word: multiplier, shift, relu, bias.
Word = tuple[int, int, int, bool, int]


def expected(stage: OutputStage, words: Sequence[Word]) -> list[int]:
    return [
        int(
            requantize(
                psum,
                multiplier,
                shift,
                bias=bias,
                relu=relu,
                act_bits=stage.act_shape.width,
                act_signed=stage.act_shape.signed,
            )
        )
        for psum, multiplier, shift, relu, bias in words
    ]


class Bench:
    """Drives an output stage cycle by cycle, as a well-behaved neighbour would.

    Arguments:
        stage: the hardware.
        words: what goes in; for ``FpOutputStage`` psum and relu.
        chances: of the psum, the scale word and the receiver to be there in a cycle. What was
            offered stays until it is taken.
        reset_at: cycles of reset.
    """

    def __init__(
        self,
        stage: OutputStage | FpOutputStage,
        words: Sequence[tuple[int, ...]],
        *,
        chances: tuple[float, float, float] = (1, 1, 1),
        reset_at: Sequence[int] = (),
        seed: int = 0,
    ) -> None:
        self.stage, self.words, self.chances = stage, words, chances
        self.reset_at, self.rng = reset_at, np.random.default_rng(seed)
        self.taken_at: list[int] = []
        self.out: list[int] = []
        self.out_at: list[int] = []
        self._reset = Signal()
        simulator = Simulator(ResetInserter(self._reset)(stage))
        simulator.add_clock(1e-9)
        simulator.add_testbench(self._run)
        simulator.run()

    async def _run(self, ctx: Any) -> None:
        stage, psum_offered, scale_offered, cycle = self.stage, False, False, 0
        scaled = isinstance(stage, OutputStage)
        while len(self.out) < len(self.words) and cycle < 60 * len(self.words) + 100:
            left = len(self.taken_at) < len(self.words)
            psum, scale, ready = self.rng.random(3) < self.chances
            psum_offered = left and (psum_offered or psum)
            scale_offered = left and (scale_offered or scale)
            ctx.set(stage.psum.valid, int(psum_offered))
            ctx.set(stage.out.ready, int(ready))
            ctx.set(self._reset, cycle in self.reset_at)
            if scaled:
                ctx.set(stage.scale.valid, int(scale_offered))
            if left:
                self._offer(ctx, self.words[len(self.taken_at)])
            psum_taken = psum_offered and ctx.get(stage.psum.ready)
            if scaled:
                assert psum_taken == (scale_offered and ctx.get(stage.scale.ready))
            if ready and ctx.get(stage.out.valid):
                self.out.append(ctx.get(stage.out.payload))
                self.out_at.append(cycle)
            if psum_taken:
                self.taken_at.append(cycle)
                psum_offered = scale_offered = False
            await ctx.tick()
            cycle += 1

    def _offer(self, ctx: Any, word: tuple[int, ...]) -> None:
        stage = self.stage
        ctx.set(stage.psum.payload, word[0])
        if isinstance(stage, FpOutputStage):
            ctx.set(stage.relu, word[1])
            return
        names = ("multiplier", "shift", "relu", "bias") if stage.bias else (
            "multiplier", "shift", "relu",
        )  # fmt: skip
        ctx.set(stage.scale.payload, dict(zip(names, word[1:], strict=False)))


def random_words(stage: OutputStage, count: int, seed: int) -> list[Word]:
    """Psums of all magnitudes, and scales that leave some of each within range."""
    rng = np.random.default_rng(seed)
    words = []
    for _ in range(count):
        psum, bias = (
            int(rng.integers(-(2**63), 2**63)) >> int(rng.integers(64 - stage.psum_bits, 64))
            for _ in range(2)
        )
        multiplier = int(rng.integers(1 << stage.scale_bits))
        bits = (psum * multiplier).bit_length() - stage.act_shape.width
        shift = int(np.clip(bits + rng.integers(-1, 4), 0, 63))
        words.append((psum, multiplier, shift, bool(rng.random() < 0.3), bias * stage.bias))
    top = 1 << (stage.psum_bits - 1)
    for psum in (-top, -1, 0, 1, top - 1):
        for multiplier in (0, 1, (1 << stage.scale_bits) - 1):
            for shift in (0, 1, 8, 31, 32, 63):
                bias = psum if stage.bias else 0
                words.append((psum, multiplier, shift, False, bias))
    return words


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 64),
    st.integers(0, 2**32 - 1),
    st.integers(0, 63),
    st.booleans(),
    st.integers(2, 16),
    st.booleans(),
)
@example(-(2**63), -(2**63), 0, 2**32 - 1, 63, False, 16, True)
@example(2**62 + 1, 0, 0, 1, 63, False, 16, True)  # fits 64 bits, and not with the rounding
@example(5, 0, 0, 1, 1, False, 4, True)  # a tie
@example(7, 0, 0, 1, 1, False, 4, True)
@example(-5, 0, 0, 1, 1, True, 4, True)
def test_requantizing_is_exact_rational_arithmetic(
    psum: int, bias: int, fewer: int, multiplier: int, shift: int, relu: bool, bits: int, sign: bool
) -> None:
    psum, bias = psum >> fewer, bias >> fewer
    total = max(psum + bias, 0) if relu else psum + bias
    low, high = act_range(bits, sign)
    # Python rounds fractions to nearest, ties to even.
    exact = min(max(round(Fraction(total * multiplier, 2**shift)), low), high)
    options = {"relu": relu, "act_bits": bits, "act_signed": sign}
    assert requantize(psum, multiplier, shift, bias=bias, **options) == exact
    among = requantize([[0, psum, 2**63 - 1]], multiplier, shift, bias=bias, **options)
    assert among.shape == (1, 3)
    assert among[0, 1] == exact


def test_ties_go_to_even_and_results_saturate() -> None:
    options = {"relu": False, "act_bits": 4}
    halves = [-19, -17, -15, -5, -3, -1, 1, 3, 5, 13, 15, 17]
    assert requantize(halves, 1, 1, act_signed=True, **options).tolist() == [
        -8, -8, -8, -2, -2, 0, 0, 2, 2, 6, 7, 7,
    ]  # fmt: skip
    assert requantize(halves, [1] * 12, 1, act_signed=False, **options).tolist() == [
        0, 0, 0, 0, 0, 0, 0, 2, 2, 6, 8, 8,
    ]  # fmt: skip
    assert requantize([], 1, 1, act_signed=True, **options).tolist() == []


@given(
    st.integers(2, 32),
    st.floats(0, 1),
    st.integers(-63, 40),
    st.sampled_from([-1, 0, 1]) | st.none(),
)
def test_a_scale_word_is_within_half_a_unit_of_its_multiplier(
    bits: int, fraction: float, exponent: int, near: int | None
) -> None:
    low, high = 2.0 ** (bits - 64), float(2**bits - 1)
    real = (1 + fraction) * 2.0**exponent
    if near is not None:  # a neighbour of a power of two, where rounding can carry
        real = float(np.nextafter(2.0**exponent, near * np.inf) if near else 2.0**exponent)
    real = min(max(real, low), high)
    multiplier, shift = scale_word(real, scale_bits=bits)
    assert 2 ** (bits - 1) <= multiplier < 2**bits
    assert 0 <= shift <= 63
    assert abs(Fraction(multiplier, 2**shift) / Fraction(real) - 1) <= Fraction(1, 2**bits)


def test_the_limits_of_scale_words_are_reached() -> None:
    assert scale_word(1) == (32768, 15)
    assert scale_word(65535) == (65535, 0)
    assert scale_word(2.0**-48) == (32768, 63)
    assert scale_word(0.75, scale_bits=2) == (3, 2)
    for real, bits, shown in ((0, 16, "0"), (65535.5, 16, "65535.5"), (2.0**-49, 16, 2.0**-49)):
        with pytest.raises(InputError) as error:
            scale_word(real, scale_bits=bits)
        assert str(error.value) == (
            f"real_scale must be a number from 2**-48 to 65535 for 16 scale_bits, not {shown}"
        )
    for wrong in (float("nan"), float("inf"), "1", True):
        with pytest.raises(InputError) as error:
            scale_word(wrong, scale_bits=8)  # type: ignore[arg-type]  # that is the point
        assert str(error.value) == (
            f"real_scale must be a number from 2**-56 to 255 for 8 scale_bits, not {wrong!r}"
        )


@pytest.mark.parametrize("act_signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
def test_the_smallest_stage_is_right_for_every_word(act_signed: bool, bias: bool) -> None:
    stage = OutputStage(psum_bits=4, act_bits=2, act_signed=act_signed, scale_bits=2, bias=bias)
    words = [
        (psum, multiplier, shift, relu, offset)
        for psum in range(-8, 8)
        for multiplier in range(4)
        for shift in (0, 1, 2, 3, 4, 5, 63)
        for relu in (False, True)
        for offset in ((-8, 7) if bias else (0,))
    ]
    assert Bench(stage, words).out == expected(stage, words)


@pytest.mark.parametrize(
    "values",
    [
        {"psum_bits": 28, "act_bits": 8, "act_signed": True, "bias": True},
        {"psum_bits": 27, "act_bits": 8, "act_signed": False, "scale_bits": 7},
        {"psum_bits": 64, "act_bits": 16, "act_signed": False, "scale_bits": 32, "bias": True},
        {"psum_bits": 64, "act_bits": 16, "act_signed": True, "scale_bits": 31, "bias": True},
        {"psum_bits": 33, "act_bits": 4, "act_signed": True, "scale_bits": 17, "bias": False},
    ],
    ids=lambda values: "-".join(str(value) for value in values.values()),
)
@pytest.mark.parametrize("seed", [0, 1])
def test_words_come_out_right_and_in_order_under_any_back_pressure(
    values: dict[str, Any], seed: int
) -> None:
    stage = OutputStage(**values)
    words = random_words(stage, 150, seed)
    bench = Bench(stage, words, chances=((0.7, 0.8, 0.6), (0.9, 0.4, 0.9))[seed], seed=seed)
    results = expected(stage, words)
    assert bench.out == results
    inside = [value for value in results if value not in (0, *stage.act_range)]
    assert len(set(inside)) > (5 if values["act_bits"] == 4 else 20)


@pytest.mark.parametrize("family", ["int", "fp"])
def test_one_word_a_cycle_with_the_stated_latency(family: str) -> None:
    stage: OutputStage | FpOutputStage = (
        OutputStage(psum_bits=20, act_bits=8, act_signed=True)
        if family == "int"
        else FpOutputStage(psum_bits=32, act_bits=16)
    )
    words = [(3, 1, 0, 0)] * 20
    bench = Bench(stage, words)
    assert bench.taken_at == list(range(20))
    assert bench.out_at == [cycle + stage.latency for cycle in bench.taken_at]
    blocked = Bench(stage, words, chances=(1, 1, 0))
    # A stage that is never relieved fills up, and no further.
    assert blocked.taken_at == list(range(stage.latency))
    assert blocked.out == []


def test_reset_empties_the_pipeline() -> None:
    stage = OutputStage(psum_bits=20, act_bits=8, act_signed=True)
    words = [(value, 1, 0, False, 0) for value in range(30)]
    bench = Bench(stage, words, reset_at=[10])
    # Taken until the reset, and in it: what was inside is gone.
    kept = [*range(10 + 1 - stage.latency), *range(11, 30)]
    assert bench.out == kept


FLOATS = [
    0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x007FFFFF, 0x00800000, 0x80800000,
    0x3F800000, 0x3F808000, 0x3F808001, 0x3F818000, 0x3F817FFF, 0xBF818001, 0x7F7FFFFF,
    0xFF7FFFFF, 0x7F7F7FFF, 0x7F7F8000, 0x7F800000, 0xFF800000, 0x7F800001, 0xFFC00000,
    0x7FFFFFFF, 0x3F7FFFFF, 0x807FFFFF,
]  # fmt: skip


@pytest.mark.parametrize(("psum_bits", "act_bits"), [(32, 16), (32, 32), (16, 16)])
def test_float_sums_come_out_as_the_golden_model_says(psum_bits: int, act_bits: int) -> None:
    rng = np.random.default_rng(4)
    psums = [*FLOATS, *rng.integers(0, 2**32, 300).tolist()]
    psums = [psum >> (32 - psum_bits) for psum in psums]
    words = [(psum, relu) for psum in psums for relu in (0, 1)]
    bench = Bench(
        FpOutputStage(psum_bits=psum_bits, act_bits=act_bits), words, chances=(0.8, 1, 0.7)
    )
    options = {"psum_bits": psum_bits, "act_bits": act_bits}
    assert bench.out[::2] == float_activations(psums, relu=False, **options).tolist()
    assert bench.out[1::2] == float_activations(psums, relu=True, **options).tolist()


def test_float_activations_are_rounded_to_even_flushed_and_rectified() -> None:
    bits = [0x3F808000, 0x3F818000, 0x3F808001, 0xBF808000, 0x7F7F8000, 0x807FFFFF, 0xFF800001]
    options = {"psum_bits": 32, "act_bits": 16}
    assert float_activations(bits, relu=False, **options).tolist() == [
        0x3F80, 0x3F82, 0x3F81, 0xBF80, 0x7F80, 0x8000, 0x7FC0,
    ]  # fmt: skip
    assert float_activations(bits, relu=True, **options).tolist() == [
        0x3F80, 0x3F82, 0x3F81, 0x0000, 0x7F80, 0x0000, 0x7FC0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"psum_bits": 3}, "psum_bits must be an integer from 4 to 64, not 3"),
        ({"psum_bits": 65}, "psum_bits must be an integer from 4 to 64, not 65"),
        ({"act_bits": 1}, "act_bits must be an integer from 2 to 16, not 1"),
        ({"act_bits": 17}, "act_bits must be an integer from 2 to 16, not 17"),
        ({"act_signed": 1}, "act_signed must be true or false, not 1"),
        ({"scale_bits": 1}, "scale_bits must be an integer from 2 to 32, not 1"),
        ({"scale_bits": 33}, "scale_bits must be an integer from 2 to 32, not 33"),
        ({"bias": 8}, "bias must be true or false, not 8"),
    ],
)
def test_wrong_widths_are_named(changes: dict[str, Any], message: str) -> None:
    values = {"psum_bits": 20, "act_bits": 8, "act_signed": True, **changes}
    with pytest.raises(InputError) as error:
        OutputStage(**values)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"psums": [0.5]}, "psums must be integers of at most 64 bits, not float64"),
        ({"psums": [2**64]}, "psums must be integers of at most 64 bits, not object"),
        (
            {"psums": [2**63]},
            "psums must be an integer from -9223372036854775808 to 9223372036854775807, "
            "not 9223372036854775808",
        ),
        ({"multiplier": -1}, "multiplier must be an integer from 0 to 4294967295, not -1"),
        ({"shift": [64]}, "shift must be an integer from 0 to 63, not 64"),
        ({"bias": 0.0}, "bias must be integers of at most 64 bits, not float64"),
        (
            {"multiplier": [1, 2]},
            "multiplier must broadcast to the psums, shape (1,), not have (2,)",
        ),
        ({"relu": 1}, "relu must be true or false, not 1"),
        ({"act_bits": 1}, "act_bits must be an integer from 2 to 16, not 1"),
    ],
)
def test_wrong_numbers_are_named(changes: dict[str, Any], message: str) -> None:
    values = {"psums": [1], "multiplier": 1, "shift": 0, "relu": True, "act_bits": 8}
    values |= {"act_signed": True, **changes}
    with pytest.raises(InputError) as error:
        requantize(values.pop("psums"), values.pop("multiplier"), values.pop("shift"), **values)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("psum_bits", "act_bits", "message"),
    [
        (24, 16, "psum_bits must be 16 or 32, not 24"),
        (32, 8, "act_bits must be 16 or 32, not 8"),
        (16, 32, "psum_bits must be at least act_bits = 32, not 16"),
    ],
)
def test_wrong_float_widths_are_named(psum_bits: int, act_bits: int, message: str) -> None:
    with pytest.raises(InputError) as error:
        FpOutputStage(psum_bits=psum_bits, act_bits=act_bits)
    assert str(error.value) == message


_TESTBENCH = """\
module tb;
  reg clk = 0, rst = 1, ready = 0;
  reg [{word}:0] words [0:{last}];
  integer next = 0, out = 0;
  wire psum_ready, scale_ready, valid;
  wire signed [7:0] act;
  stage dut (.clk(clk), .rst(rst), .psum__payload(words[next][19:0]), .psum__valid(next <= {last}),
    .psum__ready(psum_ready), .scale__payload(words[next][{word}:20]),
    .scale__valid(next <= {last}), .scale__ready(scale_ready),
    .out__payload(act), .out__valid(valid), .out__ready(ready));
  always #5 clk = ~clk;
  initial begin
    $readmemh("words.hex", words);
    #22 rst = 0;
  end
  always @(negedge clk) ready = $random;
  always @(posedge clk) if (!rst) begin
    if (valid && ready) begin
      $display("%0d", act);
      out = out + 1;
    end
    if (psum_ready && next <= {last}) next <= next + 1;
    if (out == {last} + 1) $finish;
  end
  initial #100000 $finish;
endmodule
"""


@pytest.mark.tool
def test_its_verilog_starts_from_unknown_registers(tmp_path: Path) -> None:
    stage = OutputStage(psum_bits=20, act_bits=8, act_signed=True, bias=True)
    words = random_words(stage, 200, 5)
    fields = ((20, 0), (16, 1), (6, 2), (1, 3), (20, 4))
    lines = []
    for word in words:
        packed = position = 0
        for bits, index in fields:
            packed |= (int(word[index]) & ((1 << bits) - 1)) << position
            position += bits
        lines.append(f"{packed:x}\n")
    (tmp_path / "words.hex").write_text("".join(lines))
    bench = _TESTBENCH.format(word=62, last=len(words) - 1)
    (tmp_path / "tb.v").write_text(bench + output_stage_verilog(stage, "stage"))
    compiler = shutil.which("iverilog")
    assert compiler
    subprocess.run([compiler, "-o", "tb", "tb.v"], cwd=tmp_path, check=True)
    run = subprocess.run(
        ["vvp", "-n", "tb"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    printed = [line for line in run.stdout.splitlines() if "$finish" not in line]
    assert printed == [str(value) for value in expected(stage, words)]


@pytest.mark.parametrize("family", ["int", "fp"])
def test_verilog_has_no_initial_value_and_is_the_same_every_time(family: str) -> None:
    def text() -> str:
        if family == "fp":
            return output_stage_verilog(FpOutputStage(psum_bits=32, act_bits=16), "stage")
        stage = OutputStage(psum_bits=20, act_bits=8, act_signed=True, bias=True)
        return output_stage_verilog(stage, "stage")

    verilog = text()
    assert verilog == text()
    assert "module stage(" in verilog
    assert "initial" not in verilog
    assert not re.search(r"\breg\b[^;]*=", verilog)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a module's name must be letters, digits and _, no digit first, not ''"),
        ("1st", "a module's name must be letters, digits and _, no digit first, not '1st'"),
        ("module", "a module's name must not be a word of Verilog, such as 'module'"),
    ],
)
def test_a_name_that_is_none_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        require_module_name(name)
    assert str(error.value) == message


def test_psums_of_other_formats_are_refused() -> None:
    with pytest.raises(InputError) as error:
        float_activations([1.5], relu=False, psum_bits=32, act_bits=16)
    assert str(error.value) == "psums must be integers of at most 64 bits, not float64"
    with pytest.raises(InputError) as error:
        float_activations([1 << 32], relu=False, psum_bits=32, act_bits=16)
    assert str(error.value) == "psums must be an integer from 0 to 4294967295, not 4294967296"
