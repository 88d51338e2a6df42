"""Every datapath against the golden weights: exhaustive where small, random where large."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl_gen.arithmetic import Datapath
from rtl_gen.design import PEDesign
from rtl_gen.golden import decode_weights


def check(design: PEDesign, operands: Iterable[tuple[int, int]], *, registered: bool) -> None:
    """Feed operand pairs, one a cycle, and compare each product."""
    pairs = list(operands)
    weights = decode_weights(design, np.array([code for _, code in pairs]))
    dut = Datapath(design, registered=registered)
    simulator = Simulator(dut)

    async def bench(ctx: object) -> None:
        ctx.set(dut.enable, 1)  # type: ignore[attr-defined]  # the simulator's context
        for (act, code), weight in zip(pairs, weights, strict=True):
            ctx.set(dut.act, act)  # type: ignore[attr-defined]  # as above
            ctx.set(dut.weight, code)  # type: ignore[attr-defined]  # as above
            if registered:
                await ctx.tick()  # type: ignore[attr-defined]  # as above
            else:
                await ctx.delay(1e-9)  # type: ignore[attr-defined]  # as above
            assert ctx.get(dut.product) == act * weight, (act, code)  # type: ignore[attr-defined]  # as above

    if registered:
        simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


SMALL = [
    {"family": "int", "act_bits": 2, "weight_bits": 2},
    {"family": "int", "act_bits": 4, "weight_bits": 3},
    {"family": "int", "act_bits": 3, "weight_bits": 5},
    {"family": "pow2", "act_bits": 3, "weight_bits": 2},
    {"family": "pow2", "act_bits": 4, "weight_bits": 4},
    {"family": "lightpe", "act_bits": 3, "weight_bits": 6, "terms": 2},
    {"family": "lightpe", "act_bits": 2, "weight_bits": 6, "terms": 3},
]
LARGE = [
    {"family": "int", "act_bits": 16, "weight_bits": 16},
    {"family": "int", "act_bits": 16, "weight_bits": 7},
    {"family": "pow2", "act_bits": 16, "weight_bits": 5},
    {"family": "lightpe", "act_bits": 8, "weight_bits": 8, "terms": 2},
    {"family": "lightpe", "act_bits": 16, "weight_bits": 15, "terms": 3},
]


def label(values: dict[str, object]) -> str:
    return "-".join(str(value) for value in values.values())


@pytest.mark.parametrize("registered", [False, True], ids=["plain", "registered"])
@pytest.mark.parametrize("values", SMALL, ids=label)
def test_every_pair_of_operands_gives_its_product(
    values: dict[str, object], registered: bool
) -> None:
    design = PEDesign.from_dict(values)
    half = 1 << (design.act_bits - 1)
    pairs = [(a, w) for a in range(-half, half) for w in range(1 << design.weight_bits)]
    check(design, pairs, registered=registered)


@pytest.mark.parametrize("registered", [False, True], ids=["plain", "registered"])
@pytest.mark.parametrize("values", LARGE, ids=label)
def test_random_and_extreme_operands_give_their_product(
    values: dict[str, object], registered: bool
) -> None:
    design = PEDesign.from_dict(values)
    half = 1 << (design.act_bits - 1)
    top = (1 << design.weight_bits) - 1
    rng = np.random.default_rng(0)
    extremes = [
        (a, w) for a in (-half, -1, 0, half - 1) for w in (0, 1, top // 2, top // 2 + 1, top)
    ]
    drawn = zip(
        rng.integers(-half, half, 300).tolist(), rng.integers(0, top + 1, 300).tolist(), strict=True
    )
    check(design, [*extremes, *drawn], registered=registered)
