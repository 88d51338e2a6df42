"""Small layers for arrays: hypothesis strategies, operands, and a convolution in plain loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rtl_gen.array.compiler import Tiling
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive, Words, decode_weights

INT8 = PEDesign.preset("INT8", ifmap_depth=6, filter_depth=20, psum_depth=4)
#: A PE of every family, and with every option that the array's network or compiler can see.
SMALL = (
    INT8,
    PEDesign.preset(
        "INT8", ifmap_depth=6, filter_depth=20, psum_depth=4, precision_modes=3, pipeline_stages=3
    ),
    PEDesign.preset("INT4", ifmap_depth=6, filter_depth=20, psum_depth=4, scratchpad="latch",
                    zero_gating=True),
    PEDesign.preset("LightPE-2", ifmap_depth=5, filter_depth=20, psum_depth=3, act_signed=False),
    PEDesign.preset("LightPE-2", ifmap_depth=6, filter_depth=40, psum_depth=3, serial_terms=True),
    PEDesign.preset("POW2", ifmap_depth=8, filter_depth=30, psum_depth=5, pipeline_stages=1),
    PEDesign.preset("INT8", ifmap_depth=6, filter_depth=64, psum_depth=4, scratchpad="sram"),
    PEDesign.preset("BF16", ifmap_depth=6, filter_depth=20, psum_depth=4),
)  # fmt: skip


@st.composite
def layers(draw: st.DrawFn, *, most: int = 7) -> Layer:
    """Any layer up to 7 x 7 with a few channels and filters."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    groups = draw(st.integers(1, 3))
    return Layer(
        channels=groups * draw(st.integers(1, 4)),
        height=draw(st.integers(max(1, rows - padding[0] - padding[1]), most)),
        width=draw(st.integers(max(1, columns - padding[2] - padding[3]), most)),
        filters=groups * draw(st.integers(1, 5)),
        filter_height=rows,
        filter_width=columns,
        stride=draw(st.integers(1, 5)),
        padding=padding,  # type: ignore[arg-type]
        groups=groups,
    )


@st.composite
def tilings(draw: st.DrawFn, design: ArrayDesign, layer: Layer, mode: int) -> Tiling:
    """Any tiling of a layer that fits the array; the filter's width must fit its PEs."""
    pe = design.pe
    products = pe.modes[mode].products
    size: dict[str, Any] = {"filter_width": layer.filter_width, "outputs": 1, "mode": mode}
    one = Primitive(**size, channels=products, filters=1)
    terms = pe.terms if pe.serial_terms else 1
    room = pe.filter_depth * one.weights_per_word(pe) // terms // layer.filter_width
    words = draw(st.integers(1, min(pe.ifmap_depth // layer.filter_width, room, 4)))
    if layer.depthwise:
        words = min(words, pe.psum_depth)
    filters = draw(
        st.integers(1, min(room // words, pe.psum_depth // (words if layer.depthwise else 1), 6))
    )
    rows = draw(st.integers(1, min(design.rows, 5)))
    sets = 1 if layer.depthwise else draw(st.integers(1, design.rows // rows))
    return Tiling(
        filters=filters, channels=words * products, filter_rows=rows, sets=sets,
        columns=draw(st.integers(1, design.columns)),
    )  # fmt: skip


def operands(design: PEDesign, layer: Layer, seed: int, mode: int = 0) -> tuple[Words, Words]:
    """Uniform operands of a layer; floating-point ones are finite."""
    generator = np.random.default_rng(seed)
    ifmap = (layer.height, layer.width, layer.channels)
    filters = (layer.filter_height, layer.filter_width, layer.group_channels, layer.filters)
    if design.family == "fp":  # bfloat16 around 1, of both signs
        return tuple(
            generator.integers(0, 2, shape) << 15 | generator.integers(120 << 7, 134 << 7, shape)
            for shape in (ifmap, filters)
        )  # type: ignore[return-value]
    precision = design.modes[mode]
    low = -(1 << (precision.act_bits - 1)) if design.act_signed else 0
    return (
        generator.integers(low, low + (1 << precision.act_bits), ifmap),
        generator.integers(0, 1 << precision.weight_bits, filters),
    )


def plain_convolution(
    design: PEDesign, layer: Layer, ifmap: Words, weights: Words, mode: int = 0
) -> Words:
    """The sums of a layer, read from the definition, with Python's integers."""
    values = decode_weights(design, weights, mode).tolist()
    acts = ifmap.tolist()
    top, _, left, _ = layer.padding
    of_group, channels = layer.filters // layer.groups, layer.channels // layer.groups
    height = (layer.height + sum(layer.padding[:2]) - layer.filter_height) // layer.stride + 1
    width = (layer.width + sum(layer.padding[2:]) - layer.filter_width) // layer.stride + 1
    result = np.zeros((height, width, layer.filters), dtype=np.int64)
    for y, x, m in itertools.product(range(height), range(width), range(layer.filters)):
        total = 0
        for r, s in itertools.product(range(layer.filter_height), range(layer.filter_width)):
            row, column = y * layer.stride + r - top, x * layer.stride + s - left
            if 0 <= row < layer.height and 0 <= column < layer.width:
                for c in range(channels):
                    total += acts[row][column][m // of_group * channels + c] * values[r][s][c][m]
        half = 1 << (design.psum_bits - 1)
        result[y, x, m] = (total + half) % (2 * half) - half
    return result
