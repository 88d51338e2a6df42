"""Hierarchies, layers and mappings, drawn at random."""

from __future__ import annotations

import math

from hypothesis import assume
from hypothesis import strategies as st

from explorer.accelerators.hierarchy import TENSORS, Hierarchy, Level
from explorer.mapping.mapping import LevelLoops, Mapping
from explorer.networks.layer import LayerShape


@st.composite
def shapes(draw: st.DrawFn, most: int = 600) -> LayerShape:
    """Small layers with every parameter."""
    size = st.integers(1, 3)
    filter_height, filter_width = draw(size), draw(size)
    dilation_height, dilation_width = draw(size), draw(st.integers(1, 2))
    padding = tuple(draw(st.sampled_from([0, 0, 1, 2])) for _ in range(4))
    reach = 1 + dilation_height * (filter_height - 1) - padding[0] - padding[1]
    across = 1 + dilation_width * (filter_width - 1) - padding[2] - padding[3]
    shape = LayerShape(
        batch=draw(st.integers(1, 2)),
        groups=draw(st.integers(1, 2)),
        filters=draw(st.integers(1, 4)),
        channels=draw(st.integers(1, 4)),
        height=max(1, reach) + draw(st.integers(0, 5)),
        width=max(1, across) + draw(st.integers(0, 4)),
        filter_height=filter_height,
        filter_width=filter_width,
        stride_height=draw(size),
        stride_width=draw(st.integers(1, 2)),
        dilation_height=dilation_height,
        dilation_width=dilation_width,
        padding=padding,
    )
    assume(shape.macs <= most)
    return shape


@st.composite
def cases(draw: st.DrawFn) -> tuple[Hierarchy, LayerShape, Mapping]:
    """A layer, and a mapping of it on a hierarchy made for the mapping; ragged edges and all."""
    shape = draw(shapes())
    count = draw(st.integers(1, 4))
    loops: dict[tuple[int, str], list[tuple[str, int]]] = {
        (level, kind): [] for level in range(count) for kind in "txy"
    }
    for name, size in shape.sizes.items():
        left = size
        while left > 1:
            factor = draw(st.integers(2, min(left, 4)))
            left = -(-left // factor)
            place = draw(st.integers(0, count - 1)), draw(st.sampled_from("tttxy"))
            loops[place].append((name, factor))
    levels, parts = [], []
    for level in range(count):
        chosen = {kind: tuple(draw(st.permutations(loops[level, kind]))) for kind in "txy"}
        keeps = TENSORS
        if level:
            keeps = tuple(t for t in TENSORS if draw(st.booleans()))
        levels.append(
            Level(
                name=f"level{level}",
                kind="dram" if level == 0 else "sram" if keeps else "network",
                keeps=keeps,
                multicast=draw(st.sampled_from([True, True, False])),
                fanout_x=math.prod(n for _, n in chosen["x"]),
                fanout_y=math.prod(n for _, n in chosen["y"]),
            )
        )
        parts.append(LevelLoops(temporal=chosen["t"], x=chosen["x"], y=chosen["y"], keeps=keeps))
    return Hierarchy(tuple(levels)), shape, Mapping(tuple(parts))
