"""Every multiplier against Python's ``*``: exhaustive where small, random where large."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Shape, Signal, signed, unsigned
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_gen.errors import InputError
from rtl_gen.multiplier import ARCHITECTURES, BitHeap, Multiplier

pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")

REGISTERED = pytest.mark.parametrize("registered", [False, True], ids=["plain", "registered"])
ARCHITECTURE = pytest.mark.parametrize("architecture", ARCHITECTURES)
SIGNS = list(itertools.product((True, False), repeat=2))


def check(dut: Multiplier, operands: Iterable[tuple[int, int]]) -> None:
    """Feed operand pairs, one a cycle, and compare each product."""
    simulator = Simulator(dut)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.enable, 1)
        for a, b in operands:
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            if dut.registered:
                await ctx.tick()
            else:
                await ctx.delay(1e-9)
            assert ctx.get(dut.product) == a * b, (dut.a.shape(), dut.b.shape(), a, b)

    if dut.registered:
        simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def limits(shape: Shape) -> tuple[int, int]:
    """The least value, and one more than the greatest."""
    half = 1 << (shape.width - 1)
    return (-half, half) if shape.signed else (0, 2 * half)


@REGISTERED
@ARCHITECTURE
def test_every_product_of_up_to_four_bits_is_exact(architecture: str, registered: bool) -> None:
    for a_signed, b_signed in SIGNS:
        for a_bits, b_bits in itertools.product(range(1, 5), repeat=2):
            a, b = Shape(a_bits, a_signed), Shape(b_bits, b_signed)
            dut = Multiplier(a=a, b=b, architecture=architecture, registered=registered)
            check(dut, itertools.product(range(*limits(a)), range(*limits(b))))


@REGISTERED
@ARCHITECTURE
@pytest.mark.parametrize("bits", [(8, 8), (9, 5), (5, 9), (16, 16), (24, 24)], ids=str)
def test_random_and_extreme_operands_give_their_product(
    bits: tuple[int, int], architecture: str, registered: bool
) -> None:
    rng = np.random.default_rng(0)
    for a_signed, b_signed in SIGNS:
        a, b = Shape(bits[0], a_signed), Shape(bits[1], b_signed)
        ends = [sorted({low, max(low, -1), 0, 1, top - 1}) for low, top in map(limits, (a, b))]
        drawn = zip(*(rng.integers(*limits(shape), 25).tolist() for shape in (a, b)), strict=True)
        dut = Multiplier(a=a, b=b, architecture=architecture, registered=registered)
        check(dut, [*itertools.product(*ends), *drawn])


@ARCHITECTURE
@settings(max_examples=15)
@given(st.data())
def test_operands_of_any_shapes_give_their_product(architecture: str, data: st.DataObject) -> None:
    shapes = st.builds(Shape, st.integers(1, 32), st.booleans())
    a, b = data.draw(shapes), data.draw(shapes)
    values = [st.integers(low, top - 1) for low, top in map(limits, (a, b))]
    pairs = data.draw(st.lists(st.tuples(*values), min_size=1, max_size=8))
    check(
        Multiplier(a=a, b=b, architecture=architecture, registered=data.draw(st.booleans())), pairs
    )


@ARCHITECTURE
def test_the_register_keeps_its_product_until_it_is_enabled(architecture: str) -> None:
    dut = Multiplier(a=signed(6), b=signed(5), architecture=architecture, registered=True)
    simulator = Simulator(dut)

    async def bench(ctx: Any) -> None:
        seen = []
        for a, b, enable in ((-32, -16, 1), (31, 15, 0), (7, -3, 0), (7, -3, 1), (1, 1, 0)):
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            ctx.set(dut.enable, enable)
            await ctx.tick()
            seen.append(ctx.get(dut.product))
        assert seen == [512, 512, 512, -21, -21]

    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [
        (signed(4), signed(3), signed(7)),
        (signed(4), unsigned(3), signed(7)),
        (unsigned(24), unsigned(24), unsigned(48)),
    ],
    ids=str,
)
def test_a_product_is_as_wide_as_both_operands_and_signed_if_one_is(
    a: Shape, b: Shape, product: Shape
) -> None:
    dut = Multiplier(a=a, b=b, architecture="array", registered=False)
    assert dut.product.shape() == product


@REGISTERED
@ARCHITECTURE
def test_only_synth_leaves_a_multiplication_to_the_synthesizer(
    architecture: str, registered: bool
) -> None:
    dut = Multiplier(a=signed(8), b=signed(8), architecture=architecture, registered=registered)
    text = rtlil.convert(dut, emit_src=False)
    expected = 1 + registered if architecture == "synth" else 0
    assert text.count("cell $mul ") == expected
    # Nothing but the carry-propagate adder, or that of the two halves.
    assert text.count("cell $add ") == (registered if architecture == "synth" else 1)


def stages(a: Shape, b: Shape, architecture: str) -> list[int]:
    """Full and half adders in each stage of the compressor tree."""
    dut = Multiplier(a=a, b=b, architecture=architecture, registered=False)
    text = rtlil.convert(dut, emit_src=False)
    return [int(bits) for bits in re.findall(r"wire width (\d+) \\total\d+$", text, flags=re.M)]


@pytest.mark.parametrize(("bits", "depth"), [(8, 4), (16, 6), (24, 7)])
def test_an_array_has_the_stages_and_adders_of_daddas_tree(bits: int, depth: int) -> None:
    # Dadda's tree for N x N bits: N^2 - 4 N + 3 full and N - 1 half adders.
    adders = stages(unsigned(bits), unsigned(bits), "array")
    assert len(adders) == depth
    assert sum(adders) == bits**2 - 3 * bits + 2


def test_booth_compresses_half_the_rows_of_an_array() -> None:
    array, booth = (stages(signed(16), signed(16), name) for name in ("array", "booth"))
    assert len(booth) == 4  # heights 9, 6, 4, 3, 2
    assert sum(booth) < 0.6 * sum(array)


def test_booth_recodes_the_operand_that_leaves_fewer_bits() -> None:
    long, short = unsigned(24), signed(4)
    assert stages(long, short, "booth") == stages(short, long, "booth")
    assert len(stages(long, short, "booth")) == 1


@settings(max_examples=40)
@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 13), st.booleans(), st.integers(0, 1)), max_size=40),
)
def test_the_rows_of_a_heap_add_up_to_its_bits(
    width: int, bits: list[tuple[int, bool, int]]
) -> None:
    m = Module()
    word = Signal(max(1, len(bits)))
    heap = BitHeap(width)
    expected = 0
    for index, (position, negative, value) in enumerate(bits):
        (heap.subtract if negative else heap.add)(position, word[index])
        expected += (-value if negative else value) << position
    first, second = heap.rows(m)
    total = Signal(width)
    m.d.comb += total.eq(first + second)
    simulator = Simulator(m)

    async def bench(ctx: Any) -> None:
        ctx.set(word, sum(value << index for index, (_, _, value) in enumerate(bits)))
        await ctx.delay(1e-9)
        assert ctx.get(total) == expected % (1 << width)

    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": signed(33)}, "bits of a must be an integer from 1 to 32, not 33"),
        ({"b": unsigned(0)}, "bits of b must be an integer from 1 to 32, not 0"),
        (
            {"architecture": "wallace"},
            "architecture must be one of synth, booth, array, not 'wallace'",
        ),
        ({"registered": 1}, "registered must be true or false, not 1"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, object], message: str) -> None:
    arguments: dict[str, Any] = {
        "a": signed(4), "b": signed(4), "architecture": "booth", "registered": False
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        Multiplier(**arguments | changes)
    assert str(caught.value) == message
