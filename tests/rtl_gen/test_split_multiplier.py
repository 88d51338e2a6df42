"""Split multipliers: proved where small, random and extreme operands where large."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from rtl_gen.errors import InputError
from rtl_gen.multiplier import ARCHITECTURES
from rtl_gen.packing import PRODUCTS, Words, pack, split_products
from rtl_gen.split_multiplier import SplitMultiplier

pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")

REGISTERED = pytest.mark.parametrize("registered", [False, True], ids=["plain", "registered"])
ARCHITECTURE = pytest.mark.parametrize("architecture", ARCHITECTURES)
SIGNED = pytest.mark.parametrize("act_signed", [False, True], ids=["unsigned", "signed"])
MODES = pytest.mark.parametrize("modes", [1, 2, 3])

_PAIR = """\
read_rtlil pair.il
proc
miter -equiv -flatten plain split pair
"""


class Plain(wiring.Component):
    """The sums of all modes with ``*``; the same members as ``SplitMultiplier``."""

    def __init__(self, split: SplitMultiplier) -> None:
        self.split = split
        super().__init__(split.signature)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        for mode in range(self.split.modes):
            with m.If(self.mode == mode):
                acts, weights = widths(self.split.act_bits, self.split.weight_bits, mode)
                total = 0
                for lane in range(PRODUCTS[mode]):
                    act = self.act.word_select(lane, acts)
                    weight = self.weight.word_select(lane, weights).as_signed()
                    total += (act.as_signed() if self.split.act_signed else act) * weight
                m.d.comb += self.product.eq(total)
        return m


def widths(act_bits: int, weight_bits: int, mode: int) -> tuple[int, int]:
    """Operand bits of a mode."""
    return act_bits // (2 if mode == 2 else 1), weight_bits // (2 if mode else 1)


@ARCHITECTURE
@SIGNED
@MODES
def test_four_by_four_bits_are_proved_for_all_operands(
    tmp_path: Path, architecture: str, act_signed: bool, modes: int
) -> None:
    split = SplitMultiplier(
        act_bits=4, weight_bits=4, act_signed=act_signed, modes=modes,
        architecture=architecture, registered=False,
    )  # fmt: skip
    texts = [
        rtlil.convert(Plain(split), name="plain", emit_src=False),
        rtlil.convert(split, name="split", emit_src=False),
    ]
    (tmp_path / "pair.il").write_text("\n".join(texts), encoding="utf-8")
    proofs = [f"sat -verify -prove trigger 0 -set in_mode {mode} pair\n" for mode in range(modes)]
    (tmp_path / "prove.ys").write_text(_PAIR + "".join(proofs), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "rtl_gen.run_yosys", "prove.ys"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stdout.count("no model found: SUCCESS!") == modes, run.stdout[-2000:]
    assert run.returncode == 0


def operands(
    rng: np.random.Generator, dut: SplitMultiplier, mode: int, count: int
) -> tuple[Words, Words]:
    """Activations and weights of one mode, shape ``[count, products]``; a third are extremes."""
    pair = []
    for bits, is_signed in zip(
        widths(dut.act_bits, dut.weight_bits, mode), (dut.act_signed, True), strict=True
    ):
        low = -(1 << (bits - 1)) if is_signed else 0
        top = low + (1 << bits) - 1
        shape = (count, PRODUCTS[mode])
        ends = rng.choice([low, low + 1, 0, top - 1, top], shape)
        pair.append(
            np.where(rng.random((count, 1)) < 1 / 3, ends, rng.integers(low, top + 1, shape))
        )
    return pair[0], pair[1]


@REGISTERED
@ARCHITECTURE
@SIGNED
@MODES
@pytest.mark.parametrize("bits", [(4, 4), (8, 8), (16, 16), (6, 10)], ids=str)
def test_modes_that_change_from_cycle_to_cycle_give_their_sums(
    bits: tuple[int, int], modes: int, act_signed: bool, architecture: str, registered: bool
) -> None:
    dut = SplitMultiplier(
        act_bits=bits[0], weight_bits=bits[1], act_signed=act_signed, modes=modes,
        architecture=architecture, registered=registered,
    )  # fmt: skip
    rng = np.random.default_rng(bits[0])
    count = 30
    vectors: list[tuple[int, int, int, int]] = []
    for mode in range(modes):
        acts, weights = operands(rng, dut, mode, count)
        sums = (acts * weights).sum(axis=-1)
        words = [
            pack(values, width)
            for values, width in zip((acts, weights), widths(*bits, mode), strict=True)
        ]
        # Above the operands of a mode may stand anything.
        words = [
            word | (rng.integers(0, 1 << len(port), count) & -(1 << values.shape[1] * width))
            for word, port, values, width in zip(
                words, (dut.act, dut.weight), (acts, weights), widths(*bits, mode), strict=True
            )
        ]
        golden = split_products(
            *words, act_bits=bits[0], weight_bits=bits[1], act_signed=act_signed, mode=mode
        )
        assert golden.tolist() == sums.tolist()
        rows = zip(*(column.tolist() for column in (*words, sums)), strict=True)
        vectors += [(mode, act, weight, total) for act, weight, total in rows]
    rng.shuffle(vectors)
    check(dut, vectors)


def check(dut: SplitMultiplier, vectors: list[tuple[int, int, int, int]]) -> None:
    """Feed mode, activations and weights, one vector a cycle, and compare each sum."""
    simulator = Simulator(dut)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.enable, 1)
        for mode, act, weight, total in vectors:
            ctx.set(dut.mode, mode)
            ctx.set(dut.act, act)
            ctx.set(dut.weight, weight)
            if dut.registered:
                await ctx.tick()
            else:
                await ctx.delay(1e-9)
            assert ctx.get(dut.product) == total, (mode, act, weight)

    if dut.registered:
        simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@MODES
def test_the_register_keeps_operands_and_mode_until_it_is_enabled(modes: int) -> None:
    dut = SplitMultiplier(
        act_bits=8, weight_bits=8, act_signed=True, modes=modes,
        architecture="booth", registered=True,
    )  # fmt: skip
    last = modes - 1
    sums = [
        int(
            split_products(
                np.array(0x7B5), np.array(0x9C), act_bits=8, weight_bits=8, act_signed=True,
                mode=mode,
            )
        )
        for mode in (0, last)
    ]  # fmt: skip
    simulator = Simulator(dut)

    async def bench(ctx: Any) -> None:
        seen = []
        ctx.set(dut.act, 0x7B5 & ((1 << len(dut.act)) - 1))
        ctx.set(dut.weight, 0x9C)
        for mode, enable in ((0, 1), (last, 0), (last, 1), (0, 0)):
            ctx.set(dut.mode, mode)
            ctx.set(dut.enable, enable)
            await ctx.tick()
            seen.append(ctx.get(dut.product))
        assert seen == [sums[0], sums[0], sums[1], sums[1]]
        ctx.set(dut.act, 0)
        await ctx.tick()
        assert ctx.get(dut.product) == sums[1]
        ctx.set(dut.enable, 1)
        await ctx.tick()
        assert ctx.get(dut.product) == 0

    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def test_the_largest_sums_of_every_mode_fit_the_product() -> None:
    for act_signed in (False, True):
        dut = SplitMultiplier(
            act_bits=16, weight_bits=16, act_signed=act_signed, modes=3,
            architecture="array", registered=False,
        )  # fmt: skip
        vectors = []
        for mode in range(3):
            acts, weights = widths(16, 16, mode)
            act = -(1 << (acts - 1)) if act_signed else (1 << acts) - 1
            weight = -(1 << (weights - 1))
            lanes = PRODUCTS[mode]
            words = [int(pack(np.full(lanes, v), b)) for v, b in ((act, acts), (weight, weights))]
            vectors.append((mode, words[0], words[1], lanes * act * weight))
        check(dut, vectors)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"act_bits": 18}, "act_bits must be an integer from 4 to 16, not 18"),
        ({"act_bits": 5}, "act_bits must be even, not 5"),
        ({"weight_bits": 2}, "weight_bits must be an integer from 4 to 16, not 2"),
        ({"weight_bits": 7}, "weight_bits must be even, not 7"),
        ({"act_signed": "no"}, "act_signed must be true or false, not 'no'"),
        ({"modes": 4}, "modes must be an integer from 1 to 3, not 4"),
        (
            {"architecture": "none"},
            "architecture must be one of synth, booth, array, not 'none'",
        ),
        ({"registered": 0}, "registered must be true or false, not 0"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, object], message: str) -> None:
    arguments: dict[str, Any] = {
        "act_bits": 8, "weight_bits": 8, "act_signed": True, "modes": 3,
        "architecture": "booth", "registered": False,
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        SplitMultiplier(**arguments | changes)
    assert str(caught.value) == message
