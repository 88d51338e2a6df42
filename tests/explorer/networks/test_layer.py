"""Shapes of layers: sizes, counts, and what is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.networks.layer import DIMENSIONS, Layer, LayerShape, Traffic
from rtl_gen.errors import InputError

CONV = {"filters": 8, "channels": 3, "height": 9, "width": 7}


@st.composite
def shapes(draw: st.DrawFn) -> LayerShape:
    """Small shapes of every kind."""
    small = st.integers(1, 3)
    filter_height, filter_width = draw(small), draw(small)
    dilation_height, dilation_width = draw(small), draw(small)
    return LayerShape(
        batch=draw(small), groups=draw(small), filters=draw(small), channels=draw(small),
        height=dilation_height * (filter_height - 1) + draw(small),
        width=dilation_width * (filter_width - 1) + draw(small),
        filter_height=filter_height, filter_width=filter_width,
        stride_height=draw(small), stride_width=draw(small),
        dilation_height=dilation_height, dilation_width=dilation_width,
        padding=draw(st.tuples(*[st.integers(0, 2)] * 4)),
        act_bits=draw(st.integers(1, 32)), weight_bits=draw(st.integers(1, 32)),
        out_bits=draw(st.integers(1, 32)), act_density=draw(st.sampled_from([1.0, 0.4])),
    )  # fmt: skip


def positions(size: int, before: int, after: int, window: int, stride: int, apart: int) -> int:
    """How often a filter fits, by trying."""
    padded = range(-before, size + after)
    starts = range(-before, size + after, stride)
    return sum(all(start + apart * k in padded for k in range(window)) for start in starts)


@given(shapes())
def test_sizes_and_macs_are_those_of_trying_every_position(shape: LayerShape) -> None:
    top, bottom, left, right = shape.padding
    rows = positions(
        shape.height, top, bottom, shape.filter_height, shape.stride_height, shape.dilation_height
    )
    columns = positions(
        shape.width, left, right, shape.filter_width, shape.stride_width, shape.dilation_width
    )
    assert (shape.out_height, shape.out_width) == (rows, columns)
    assert tuple(shape.sizes) == DIMENSIONS
    loops = [range(size) for size in (
        shape.batch, shape.groups, shape.filters, shape.channels, rows, columns,
        shape.filter_height, shape.filter_width,
    )]  # fmt: skip
    steps = list(product(*loops))
    assert shape.macs == len(steps)
    assert shape.weights == len({(g, m, c, r, s) for _, g, m, c, _, _, r, s in steps})
    assert shape.ofmap_words == len({(n, g, m, p, q) for n, g, m, _, p, q, _, _ in steps})
    words = product(*(range(s) for s in (shape.batch, shape.groups, shape.channels)))
    assert shape.ifmap_words == len(list(words)) * shape.height * shape.width


@given(shapes())
def test_a_shape_is_what_its_dict_says(shape: LayerShape) -> None:
    again = LayerShape.from_dict(shape.to_dict())
    assert again == shape
    assert hash(again) == hash(shape)
    assert list(shape.to_dict()) == [
        "batch", "groups", "filters", "channels", "height", "width", "filter_height",
        "filter_width", "stride_height", "stride_width", "dilation_height", "dilation_width",
        "padding", "act_bits", "weight_bits", "out_bits", "act_density", "weight_density",
        "out_density",
    ]  # fmt: skip


def test_kinds() -> None:
    assert LayerShape(**CONV).kind == "conv"
    matrices = LayerShape(channels=768, filters=64, height=128, width=1)
    assert matrices.kind == "matmul"
    assert matrices.macs == 768 * 64 * 128
    depthwise = LayerShape(groups=8, filters=1, channels=1, height=5, width=5)
    assert depthwise.depthwise
    assert depthwise.kind == "depthwise"
    assert not LayerShape(filters=4, channels=1, height=5, width=5).depthwise


def test_one_number_pads_all_sides() -> None:
    assert LayerShape.from_dict({**CONV, "padding": 2}).padding == (2, 2, 2, 2)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"channels": 0}, "channels must be an integer from 1 to 16777215, not 0"),
        ({"height": 0}, "height must be an integer from 1 to 16777215, not 0"),
        ({"batch": -1}, "batch must be an integer from 1 to 16777215, not -1"),
        ({"filters": 2.0}, "filters must be an integer from 1 to 16777215, not 2.0"),
        ({"stride_width": 0}, "stride_width must be an integer from 1 to 65535, not 0"),
        ({"dilation_height": 0}, "dilation_height must be an integer from 1 to 65535, not 0"),
        ({"act_bits": 33}, "act_bits must be an integer from 1 to 32, not 33"),
        ({"weight_bits": 0}, "weight_bits must be an integer from 1 to 32, not 0"),
        ({"padding": [1, 1]},
         "padding must be four numbers, above, below, left and right, or one in YAML, not [1, 1]"),
        ({"padding": [0, 0, 0, -1]}, "padding must be an integer from 0 to 65535, not -1"),
        ({"filter_height": 10},
         "filter_height = 10 must, dilated, not be larger than the padded ifmap"),
        ({"filter_width": 3, "dilation_width": 4},
         "filter_width = 3 must, dilated, not be larger than the padded ifmap"),
        ({"chanels": 3},
         "'chanels' is not an entry of a layer's shape; the nearest is channels; allowed are "
         "batch, groups, filters, channels, height, width, filter_height, filter_width, "
         "stride_height, stride_width, dilation_height, dilation_width, padding, act_bits, "
         "weight_bits, out_bits, act_density, weight_density, out_density"),
    ],
)  # fmt: skip
def test_bad_shapes_are_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        LayerShape.from_dict({**CONV, **entry})
    assert str(caught.value) == message


def test_what_has_no_default_is_needed() -> None:
    with pytest.raises(InputError) as caught:
        LayerShape.from_dict({"filters": 8, "channels": 3, "height": 9})
    assert str(caught.value) == "needs width"


def test_parameters_of_a_layer() -> None:
    shape = LayerShape(**CONV, groups=2, filter_height=3, filter_width=3)
    assert Layer(name="a", shape=shape, inputs=("input",)).parameters == 2 * 8 * 3 * 9
    both = Layer(name="a", shape=shape, inputs=("input",), bias=True, fused_parameters=32)
    assert both.parameters == 2 * 8 * 3 * 9 + 16 + 32
    computed = Layer(name="a", shape=shape, inputs=("x", "y"), weights_are_activations=True)
    assert computed.parameters == 0
    assert computed.macs == shape.macs


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": ""}, "name must be a text of one line, not ''"),
        ({"name": "a\nb"}, "name must be a text of one line, not 'a\\nb'"),
        ({"inputs": ()}, "inputs must be a list of at least one name, not ()"),
        ({"inputs": "input"}, "inputs must be a list of at least one name, not 'input'"),
        ({"inputs": (3,)}, "an entry of inputs must be a text of one line, not 3"),
        ({"kind": None}, "kind must be a text of one line, not None"),
        ({"input_words": 0}, "input_words must be an integer from 1 to 281474976710655, not 0"),
        ({"output_words": 0}, "output_words must be an integer from 1 to 281474976710655, not 0"),
        ({"parameters": -1}, "parameters must be an integer from 0 to 281474976710655, not -1"),
        ({"out_bits": 64}, "out_bits must be an integer from 1 to 32, not 64"),
    ],
)
def test_bad_traffic_is_refused(entry: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "name": "a", "kind": "add", "inputs": ("input",), "input_words": 2, "output_words": 1,
    }  # fmt: skip
    assert Traffic(**good).macs == 0
    with pytest.raises(InputError) as caught:
        Traffic(**{**good, **entry})
    assert str(caught.value) == message
