"""Networks: bits, batches, tables, YAML, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network, load_network
from rtl_gen.errors import InputError

CONFIGS = Path(__file__).parents[3] / "configs" / "networks"
LAYER_ENTRIES = (
    "name, inputs, weights_are_activations, bias, fused_parameters, batch, groups, filters, "
    "channels, height, width, filter_height, filter_width, stride_height, stride_width, "
    "dilation_height, dilation_width, padding, act_bits, weight_bits, out_bits, "
    "act_density, weight_density, out_density"
)
CONV: dict[str, Any] = {"name": "conv", "filters": 8, "channels": 3, "height": 9, "width": 7}
POOL: dict[str, Any] = {"name": "pool", "kind": "max_pool", "input_words": 8, "output_words": 2}


def network(*entries: dict[str, Any], **more: Any) -> Network:
    return Network.from_dict({"layers": list(entries), **more}, "net.yaml")


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Networks of a few layers of every kind."""
    layers: list[Layer | Traffic] = []
    number, bits = st.integers(1, 9), st.integers(1, 32)
    for index in range(draw(st.integers(1, 5))):
        known = ["input", "cache", *(layer.name for layer in layers)]
        inputs = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))
        name = f"{draw(st.sampled_from(['conv', 'a: b', '1', 'yes', '/fc/#2']))}{index}"
        if draw(st.booleans()):
            shape = LayerShape(
                groups=draw(number), filters=draw(number), channels=draw(number),
                height=draw(number), width=draw(number), stride_width=draw(number),
                padding=draw(st.tuples(number, number, number, number)), act_bits=draw(bits),
            )  # fmt: skip
            layers.append(Layer(
                name=name, shape=shape, inputs=inputs, bias=draw(st.booleans()),
                weights_are_activations=draw(st.booleans()), fused_parameters=draw(number),
            ))  # fmt: skip
        else:
            layers.append(Traffic(
                name=name, kind="add", inputs=inputs, input_words=draw(number),
                output_words=draw(number), parameters=draw(number), out_bits=draw(bits),
            ))  # fmt: skip
    return Network(
        name="drawn", layers=tuple(layers), source="net.yaml", inputs=("input", "cache"),
        batch=draw(st.integers(1, 3)),
    )  # fmt: skip


@given(networks())
def test_yaml_keeps_a_network(tmp_path_factory: pytest.TempPathFactory, drawn: Network) -> None:
    path = tmp_path_factory.mktemp("networks") / "net.yaml"
    drawn.save(path)
    again = load_network(path)
    assert again.source == str(path)
    assert again == Network(
        name="drawn", layers=drawn.layers, source=str(path), inputs=drawn.inputs,
        batch=drawn.batch,
    )  # fmt: skip


@given(networks(), st.integers(1, 8))
def test_macs_and_traffic_grow_with_the_batch(drawn: Network, factor: int) -> None:
    larger = drawn.with_batch(factor * drawn.batch)
    assert larger.macs == factor * drawn.macs
    assert larger.parameters == sum(
        layer.parameters for layer in drawn.with_batch(drawn.batch).layers
    ) + (factor - 1) * sum(
        layer.filters for layer in drawn.layers_with_macs
        if layer.weights_are_activations and layer.bias
    )  # fmt: skip
    assert larger.with_batch(drawn.batch) == drawn


def test_each_image_of_a_batch_has_its_own_keys() -> None:
    four = load_network("bert-base").with_batch(4)
    layers = {layer.name: layer for layer in four.layers_with_macs}
    assert layers["layer0.attention.query"].shape.batch == 4
    scores = layers["layer0.attention.scores"].shape
    assert (scores.batch, scores.groups) == (1, 48)
    assert four.parameters == 109_482_240


def test_a_batch_that_does_not_divide_cannot_be_changed() -> None:
    two = network({**CONV, "batch": 3}, batch=2)
    with pytest.raises(InputError) as caught:
        two.with_batch(1)
    assert str(caught.value) == (
        "net: layer 'conv' does not divide into a batch of 2: its batch cannot be changed"
    )


def test_bits_of_all_layers_and_of_some() -> None:
    net = network(CONV, POOL).with_bits(act=4, weight=2, per_layer={"conv": (16, 8, 32)})
    conv, pool = net.layers
    assert isinstance(conv, Layer)
    assert isinstance(pool, Traffic)
    assert (conv.shape.act_bits, conv.shape.weight_bits, conv.shape.out_bits) == (16, 8, 32)
    assert (pool.act_bits, pool.out_bits) == (4, 8)
    pool_too = net.with_bits(per_layer={"pool": (3, 1, 5)}).layers[1]
    assert isinstance(pool_too, Traffic)
    assert (pool_too.act_bits, pool_too.out_bits) == (3, 5)


def test_the_second_operand_of_attention_has_the_bits_of_activations() -> None:
    decoder = load_network("llm-decoder-decode")
    for bits, wanted in (
        ({"act": 8, "weight": 4}, (8, 8)),
        ({"weight": 4}, (8, 8)),
        ({"act": 6}, (6, 6)),
        ({"act": 8, "weight": 4, "per_layer": {"attention.scores": (7, 5, 8)}}, (7, 5)),
    ):
        layers = {layer.name: layer for layer in decoder.with_bits(**bits).layers_with_macs}
        scores, query = layers["attention.scores"].shape, layers["attention.query"].shape
        assert (scores.act_bits, scores.weight_bits) == wanted, bits
        assert query.weight_bits == bits.get("weight", 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"act": 0}, "act_bits must be an integer from 1 to 32, not 0"),
        ({"out": 33}, "out_bits must be an integer from 1 to 32, not 33"),
        ({"per_layer": {"cnv": (8, 8, 8)}}, "net has no layer 'cnv'; the nearest is conv"),
        ({"per_layer": {"conv": (8, 40, 8)}},
         "weight_bits of 'conv' must be an integer from 1 to 32, not 40"),
        ({"per_layer": {"conv": (8, 8)}},
         "bits of 'conv' must be three numbers, of activations, weights and outputs, not (8, 8)"),
    ],
)  # fmt: skip
def test_bad_bits_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        network(CONV, POOL).with_bits(**arguments)
    assert str(caught.value) == message


def test_equal_shapes_are_counted() -> None:
    shapes = load_network("vgg16").unique_shapes()
    assert sum(shapes.values()) == 16
    assert len(shapes) == 12
    macs = sum(shape.macs * count for shape, count in shapes.items())
    assert macs == load_network("vgg16").macs


def test_the_table_has_a_row_for_each_layer() -> None:
    net = load_network("mobilenetv2")
    table = net.table()
    assert list(table["name"]) == [layer.name for layer in net.layers]
    assert table["macs"].sum() == net.macs
    assert table["parameters"].sum() == net.parameters
    assert table.loc[2].to_dict() == {
        "name": "features.1.project", "kind": "conv", "inputs": "features.1.depthwise", "N": 1,
        "G": 1, "M": 16, "C": 32, "P": 112, "Q": 112, "R": 1, "S": 1, "macs": 6_422_528,
        "parameters": 544, "ifmap_words": 401_408, "second_words": 512, "ofmap_words": 200_704,
        "act_bits": 8, "weight_bits": 8, "out_bits": 8,
    }  # fmt: skip
    assert set(table["kind"]) == {"conv", "depthwise", "matmul", "add", "global_avg_pool"}


def test_the_example_is_read() -> None:
    net = load_network(CONFIGS / "example.yaml")
    assert net.name == "example"
    assert [layer.kind for layer in net.layers] == [
        "conv", "max_pool", "depthwise", "matmul", "matmul"
    ]  # fmt: skip
    assert [layer.inputs for layer in net.layers] == [
        ("input",), ("conv1",), ("pool1",), ("depthwise",), ("tokens", "tokens")
    ]  # fmt: skip
    assert net.macs == 16 * 32**2 * 27 + 16 * 64 * 9 + 64 * 16 * 32 + 4 * 64 * 64 * 8
    assert net.parameters == 16 * 27 + 32 + 16 * 9 + 16 * 32 + 32


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a network must be a mapping with the key layers"),
        ({"layer": []},
         "'layer' is not an entry of a network; the nearest is layers; allowed are name, batch, "
         "inputs, layers"),
        ({"layers": []}, "layers must be a list of at least one layer"),
        ({"layers": ["conv"]}, "layer 1: must be a mapping, not 'conv'"),
        ({"layers": [{}]}, "layer 1: needs name"),
        ({"layers": [CONV], "batch": 0}, "batch must be an integer from 1 to 65535, not 0"),
        ({"layers": [CONV], "name": 3}, "name must be a text, not 3"),
        ({"layers": [CONV], "inputs": "input"}, "inputs must be a list of names, not 'input'"),
        ({"layers": [CONV, {**CONV, "name": "b", "inputs": ["cnv"]}]},
         "layer 'b': 'cnv' is neither an input of the network nor a layer before; the nearest is "
         "conv"),
        ({"layers": [CONV, CONV]}, "the name 'conv' is given twice"),
        ({"layers": [{**CONV, "name": "input"}]}, "the name 'input' is given twice"),
        ({"layers": [{**CONV, "strid_height": 2}]},
         "layer 1 ('conv'): 'strid_height' is not an entry of a layer; the nearest is "
         f"stride_height; allowed are {LAYER_ENTRIES}"),
        ({"layers": [{**CONV, "width": 0}]},
         "layer 1 ('conv'): width must be an integer from 1 to 16777215, not 0"),
        ({"layers": [{**CONV, "bias": 1}]}, "layer 1 ('conv'): bias must be true or false, not 1"),
        ({"layers": [CONV, {**POOL, "ouput_words": 1}]},
         "layer 2 ('pool'): 'ouput_words' is not an entry of a layer with kind, which has no "
         "MACs; the nearest is output_words; allowed are name, kind, inputs, input_words, "
         "output_words, parameters, act_bits, out_bits, act_density, out_density"),
        ({"layers": [{"name": "pool", "kind": "max_pool", "input_words": 1}]},
         "layer 1 ('pool'): needs output_words"),
    ],
)  # fmt: skip
def test_bad_documents_are_refused(document: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Network.from_dict(document, "net.yaml")
    assert str(caught.value) == f"net.yaml: {message}"


def test_a_misspelt_name_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        load_network("resnet81")
    assert str(caught.value) == (
        "network must be one of alexnet, alexnet-caffe, vgg16, resnet18, resnet34, resnet50, "
        "resnet20-cifar, resnet56-cifar, googlenet, googlenet-caffe, squeezenet1.0, "
        "squeezenet1.1, mobilenetv1, mobilenetv2, mobilenetv3-large, mobilenetv3-small, "
        "efficientnet-b0, densenet121, bert-base, vit-b16, llm-decoder-prefill, "
        "llm-decoder-decode, or a file .yaml or .onnx, not 'resnet81'; the nearest is resnet18"
    )


def test_a_folder_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_network(tmp_path)
    assert str(caught.value) == f"{tmp_path}: a network is a file .yaml or .onnx, not a folder"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    with pytest.raises(InputError) as caught:
        load_network(path)
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"
