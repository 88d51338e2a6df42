"""The golden model of a layer against loops written out, and what a layer refuses."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.array.layer import MOST, Layer, check_operands, convolve
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Words
from tests.layers import INT8, SMALL, layers, operands, plain_convolution

SIZES: dict[str, Any] = {
    "channels": 4, "height": 5, "width": 6, "filters": 4, "filter_height": 3, "filter_width": 3,
}  # fmt: skip


@given(st.data())
def test_sums_are_those_of_plain_loops(data: st.DataObject) -> None:
    design = data.draw(st.sampled_from([pe for pe in SMALL if pe.family != "fp"]))
    layer = data.draw(layers())
    mode = data.draw(st.integers(0, design.precision_modes - 1))
    ifmap, weights = operands(design, layer, data.draw(st.integers(0, 999)), mode)
    expected = plain_convolution(design, layer, ifmap, weights, mode)
    assert convolve(design, layer, ifmap, weights, mode).tolist() == expected.tolist()


def test_sums_wrap_at_the_width_of_a_psum() -> None:
    design = PEDesign.preset("INT8", psum_bits=16)
    layer = Layer(channels=4, height=1, width=1, filters=1, filter_height=1, filter_width=1)
    ifmap = np.full((1, 1, 4), -128)
    weights = np.full((1, 1, 4, 1), 128)
    assert convolve(design, layer, ifmap, weights).tolist() == [[[4 * 128 * 128 - (1 << 16)]]]


@pytest.mark.parametrize(
    ("sizes", "shape", "macs"),
    [
        # AlexNet (Krizhevsky et al., NIPS 2012; Eyeriss, JSSC 2017, table I), VGG-16's first
        # layer (Simonyan & Zisserman, 2014), ResNet's first (He et al., 2015), MobileNet's second
        # (Howard et al., 2017), LeNet-5's first (LeCun et al., 1998).
        ((3, 227, 227, 96, 11, 11, 4, 0, 1), (55, 55), 105_415_200),
        ((96, 27, 27, 256, 5, 5, 1, 2, 2), (27, 27), 223_948_800),
        ((256, 13, 13, 384, 3, 3, 1, 1, 1), (13, 13), 149_520_384),
        ((384, 13, 13, 384, 3, 3, 1, 1, 2), (13, 13), 112_140_288),
        ((384, 13, 13, 256, 3, 3, 1, 1, 2), (13, 13), 74_760_192),
        ((9216, 1, 1, 4096, 1, 1, 1, 0, 1), (1, 1), 37_748_736),
        ((3, 224, 224, 64, 3, 3, 1, 1, 1), (224, 224), 86_704_128),
        ((3, 224, 224, 64, 7, 7, 2, 3, 1), (112, 112), 118_013_952),
        ((32, 112, 112, 32, 3, 3, 1, 1, 32), (112, 112), 3_612_672),
        ((1, 32, 32, 6, 5, 5, 1, 0, 1), (28, 28), 117_600),
    ],
)
def test_published_layers_have_their_published_shapes(
    sizes: tuple[int, ...], shape: tuple[int, int], macs: int
) -> None:
    channels, height, width, filters, rows, columns, stride, padding, groups = sizes
    layer = Layer(
        channels=channels, height=height, width=width, filters=filters, filter_height=rows,
        filter_width=columns, stride=stride, padding=(padding,) * 4, groups=groups,
    )  # fmt: skip
    assert (layer.out_height, layer.out_width) == shape
    assert layer.macs == macs


def test_a_layer_is_depthwise_when_each_of_several_channels_is_a_group() -> None:
    assert Layer(**SIZES, groups=4).depthwise
    assert not Layer(**SIZES, groups=2).depthwise
    assert not Layer(**{**SIZES, "channels": 1}).depthwise


@pytest.mark.parametrize("name", [*SIZES, "stride", "groups"])
@pytest.mark.parametrize("value", [0, -1, MOST + 1, 1.0, True, "3", None])
def test_a_size_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        Layer(**{**SIZES, name: value})
    most = 64 if name == "stride" else MOST
    assert str(caught.value) == f"{name} must be an integer from 1 to {most}, not {value!r}"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"groups": 3}, "groups must divide channels = 4, not be 3"),
        ({"groups": 4, "filters": 6}, "groups must divide filters = 6, not be 4"),
        (
            {"filter_height": 6},
            "filter_height must not be larger than the padded ifmap, but is 1 larger",
        ),
        (
            {"filter_width": 11, "padding": (0, 0, 1, 2)},
            "filter_width must not be larger than the padded ifmap, but is 2 larger",
        ),
        ({"padding": (1, 1)}, "padding must be four numbers, not (1, 1)"),
        ({"padding": 1}, "padding must be four numbers, not 1"),
        ({"padding": (0, 0, 0, -1)}, "padding must be an integer from 0 to 255, not -1"),
        ({"padding": (256, 0, 0, 0)}, "padding must be an integer from 0 to 255, not 256"),
    ],
)
def test_an_illegal_layer_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Layer(**{**SIZES, **values})
    assert str(caught.value) == message


LAYER = Layer(**SIZES)
IFMAP = np.zeros((5, 6, 4), dtype=np.int64)
WEIGHTS = np.zeros((3, 3, 4, 4), dtype=np.int64)


def with_one(array: Words, value: int) -> Words:
    changed = array.copy()
    changed.flat[7] = value
    return changed


@pytest.mark.parametrize(
    ("ifmap", "weights", "mode", "message"),
    [
        (IFMAP[1:], WEIGHTS, 0, "ifmap must have shape (5, 6, 4), not (4, 6, 4)"),
        (IFMAP, WEIGHTS[..., 1:], 0, "weights must have shape (3, 3, 4, 4), not (3, 3, 4, 3)"),
        (with_one(IFMAP, 128), WEIGHTS, 0, "ifmap must be an integer from -128 to 127, not 128"),
        (IFMAP, with_one(WEIGHTS, -1), 0, "weights must be an integer from 0 to 255, not -1"),
        (IFMAP, with_one(WEIGHTS, 256), 0, "weights must be an integer from 0 to 255, not 256"),
        (IFMAP / 1.0, WEIGHTS, 0, "ifmap must be integers of at most 64 bits, not float64"),
        (IFMAP, WEIGHTS, 1, "mode must be an integer from 0 to 0, not 1"),
    ],
)
def test_an_illegal_operand_is_refused(
    ifmap: Words, weights: Words, mode: int, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_operands(INT8, LAYER, ifmap, weights, mode)
    assert str(caught.value) == message


def test_activations_without_a_sign_are_not_negative() -> None:
    design = PEDesign.preset("INT8", act_signed=False)
    check_operands(design, LAYER, with_one(IFMAP, 255), WEIGHTS)
    with pytest.raises(InputError) as caught:
        check_operands(design, LAYER, with_one(IFMAP, -1), WEIGHTS)
    assert str(caught.value) == "ifmap must be an integer from 0 to 255, not -1"


def test_floating_point_sums_are_left_to_the_tiling() -> None:
    with pytest.raises(InputError) as caught:
        convolve(PEDesign.preset("BF16"), LAYER, IFMAP, WEIGHTS)
    assert str(caught.value) == "the sums of family fp depend on the tiling"


def test_a_window_that_only_sees_padding_sums_to_zero() -> None:
    layer = Layer(
        channels=1, height=1, width=1, filters=1, filter_height=1, filter_width=1,
        padding=(2, 1, 0, 3),
    )  # fmt: skip
    sums = convolve(INT8, layer, np.full((1, 1, 1), 5), np.full((1, 1, 1, 1), 7))
    places = itertools.product(range(4), range(4))
    assert {place: int(sums[(*place, 0)]) for place in places if sums[(*place, 0)]} == {(2, 0): 35}
