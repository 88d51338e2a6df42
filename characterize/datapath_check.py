"""The arithmetic of a design, as gates, against its RTL and against the golden model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from characterize.equivalence import (
    GateSimulator,
    Proof,
    from_bits,
    prove_equal,
    synthesize_component,
    to_bits,
)
from characterize.platform import Platform
from characterize.process import StepError
from rtl_gen import fp_golden
from rtl_gen.arithmetic import Datapath
from rtl_gen.design import PEDesign
from rtl_gen.floating_point import FpAdder
from rtl_gen.golden import Words, decode_weights, wrap
from rtl_gen.packing import split_products

#: Vectors go through the netlist in pieces of this many.
_PIECE = 1 << 16
_EXTREME_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class VectorCheck:
    """Vectors through the gates that all gave the golden result.

    Attributes:
        vectors: how many, over all modes.
        cells: of the netlist.
    """

    vectors: int
    cells: int


def prove_datapath(
    folder: Path, design: PEDesign, platform: Platform, *, timeout_s: int = 60
) -> Proof:
    """Prove the gates of the datapath (without a register inside) equal to its RTL, by SAT."""
    synthesize_component(folder, Datapath(design, registered=False), platform)
    return prove_equal(folder, timeout_s=timeout_s)


def golden_products(design: PEDesign, acts: Words, weights: Words, mode: int) -> Words:
    """What the datapath gives, as unsigned words of ``product_bits``.

    Args:
        acts, weights: words of ``act_word_bits`` and ``weight_word_bits``.
        mode: run-time precision.
    """
    if design.family == "fp":
        formats = [fp_golden.format_of_bits(bits) for bits in (design.act_bits, design.psum_bits)]
        return fp_golden.multiply(formats[0], acts, weights, formats[1])
    if design.precision_modes > 1:
        products = split_products(
            acts, weights,
            act_bits=design.act_bits, weight_bits=design.weight_bits,
            act_signed=design.act_signed, mode=mode,
        )  # fmt: skip
    else:
        values = wrap(acts, design.act_bits) if design.act_signed else acts
        products = values * decode_weights(design, weights)
    return products & ((1 << design.product_bits) - 1)


def check_datapath(
    folder: Path, design: PEDesign, platform: Platform, *, vectors: int, seed: int = 1
) -> VectorCheck:
    """Random and extreme operands through the gates of the datapath, in every mode.

    Args:
        vectors: in each mode; rounded up to a multiple of 64.

    Raises:
        StepError: naming the first operands whose product differs.
    """
    netlist = synthesize_component(folder, Datapath(design, registered=False), platform)
    gates = GateSimulator(netlist, platform)
    widths = (design.act_word_bits, design.weight_word_bits)

    for mode in range(design.precision_modes):

        def golden(acts: Words, weights: Words, mode: int = mode) -> Words:
            return golden_products(design, acts, weights, mode)

        _compare(
            gates, ("act", "weight"), widths, ("product", design.product_bits), golden,
            {"mode": mode, "enable": 1}, vectors, seed + mode,
        )  # fmt: skip
    return VectorCheck(vectors=vectors * design.precision_modes, cells=len(netlist.instances))


def check_adder(
    folder: Path, bits: int, platform: Platform, *, vectors: int, seed: int = 1
) -> VectorCheck:
    """Likewise the floating-point adder of sums of so many bits."""
    form = fp_golden.format_of_bits(bits)
    netlist = synthesize_component(folder, FpAdder(form), platform)
    gates = GateSimulator(netlist, platform)

    def golden(first: Words, second: Words) -> Words:
        return fp_golden.add(form, first, second)

    _compare(gates, ("a", "b"), (bits, bits), ("total", bits), golden, {}, vectors, seed)
    return VectorCheck(vectors=vectors, cells=len(netlist.instances))


def _compare(
    gates: GateSimulator,
    names: tuple[str, str],
    widths: tuple[int, int],
    output: tuple[str, int],
    golden: Callable[[Words, Words], Words],
    constants: dict[str, int],
    vectors: int,
    seed: int,
) -> None:
    generator = np.random.default_rng(seed)
    for start in range(0, vectors, _PIECE):
        count = -(-min(_PIECE, vectors - start) // 64) * 64
        first, second = (_operands(generator, width, count) for width in widths)
        # Neighbours meet: close numbers, and those that differ in one bit, cancel in sums.
        near = generator.random(count) < _EXTREME_SHARE
        flipped = first ^ (np.int64(1) << generator.integers(0, widths[0], count))
        second = np.where(near, flipped & ((1 << widths[1]) - 1), second)
        inputs = to_bits(names[0], first, widths[0]) | to_bits(names[1], second, widths[1])
        for name, value in constants.items():
            inputs |= to_bits(name, np.full(count, value), 2 if name == "mode" else 1)
        have = from_bits(output[0], gates.run(inputs, count // 64), output[1])
        want = golden(first, second)
        wrong = np.flatnonzero(have != want)
        if len(wrong):
            at = wrong[0]
            raise StepError(
                f"{names[0]} {first[at]:#x}, {names[1]} {second[at]:#x}: the gates give "
                f"{have[at]:#x}, the golden model says {want[at]:#x}"
            )


def _operands(generator: np.random.Generator, width: int, count: int) -> NDArray[np.int64]:
    """Uniform words, some of them with long runs of ones and zeros, where carries are long."""
    uniform = generator.integers(0, 1 << width, count)
    low, high = np.sort(generator.integers(0, width + 1, (2, count)), axis=0)
    runs = (np.int64(1) << high) - (np.int64(1) << low)
    runs ^= -generator.integers(0, 2, count) & ((1 << width) - 1)
    return np.where(generator.random(count) < _EXTREME_SHARE, runs, uniform)
