"""Networks of ONNX files: what operators count as, and what is refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network, load_network
from explorer.networks.onnx_import import OPSETS, load_onnx
from explorer.networks.onnx_operators import SUPPORTED
from rtl_gen.errors import InputError

helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
Nodes = Sequence[tuple[str, str, str, dict[str, Any]]]


def model(
    nodes: Nodes,
    inputs: dict[str, Sequence[Any]],
    constants: dict[str, Sequence[int] | np.ndarray[Any, Any]],
    opset: int = 17,
) -> Any:
    """A model: nodes as (operator, inputs, outputs, attributes); its last tensor is its output.

    Constants are zeros of a shape, or arrays.
    """
    made = [
        helper.make_node(operator, reads.split(), makes.split(), name=f"{operator}{index}", **more)
        for index, (operator, reads, makes, more) in enumerate(nodes)
    ]
    arrays = {
        name: value if isinstance(value, np.ndarray) else np.zeros(value, np.float32)
        for name, value in constants.items()
    }
    graph = helper.make_graph(
        made,
        "graph",
        [helper.make_tensor_value_info(name, INT64 if name.startswith("ids") else FLOAT, shape)
         for name, shape in inputs.items()],
        [helper.make_tensor_value_info(made[-1].output[0], FLOAT, [])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def load(tmp_path: Path, made: Any, **more: Any) -> Network:
    path = tmp_path / "net.onnx"
    path.write_bytes(made.SerializeToString())
    return load_onnx(path, **more)


def refusal(tmp_path: Path, made: Any, **more: Any) -> str:
    """What is said of a model, without the path."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, made, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path / 'net.onnx'}: ")


def residual_cnn(opset: int = 17) -> Any:
    norm = {f"{part}{n}": [8] for part in ("scale", "shift", "mean", "var") for n in (1, 2)}
    return model(
        [
            ("Conv", "x w1", "a", {"strides": [2, 2], "pads": [3, 3, 3, 3]}),
            ("BatchNormalization", "a scale1 shift1 mean1 var1", "b", {}),
            ("Relu", "b", "c", {}),
            ("MaxPool", "c", "d", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            ("Conv", "d w2 b2", "e", {"group": 8, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
            ("Add", "e d", "f", {}),
            ("BatchNormalization", "f scale2 shift2 mean2 var2", "g", {}),
            ("Relu", "g", "h", {}),
            ("GlobalAveragePool", "h", "i", {}),
            ("Flatten", "i", "j", {}),
            ("Gemm", "j w3 b3", "k", {"transB": 1}),
            ("Softmax", "k", "l", {}),
        ],
        {"x": [2, 3, 32, 32]},
        {"w1": [8, 3, 7, 7], "w2": [8, 1, 3, 3], "b2": [8], "w3": [10, 8], "b3": [10], **norm},
        opset,
    )


RESIDUAL_LAYERS = (
    Layer(
        name="Conv0", inputs=("x",), fused_parameters=16,
        shape=LayerShape(
            batch=2, filters=8, channels=3, height=32, width=32, filter_height=7, filter_width=7,
            stride_height=2, stride_width=2, padding=(3, 3, 3, 3),
        ),
    ),
    Traffic(name="MaxPool3", kind="max_pool", inputs=("Conv0",), input_words=4096,
            output_words=1024),
    Layer(
        name="Conv4", inputs=("MaxPool3",), bias=True,
        shape=LayerShape(
            batch=2, groups=8, filters=1, channels=1, height=8, width=8, filter_height=3,
            filter_width=3, dilation_height=2, dilation_width=2, padding=(2, 2, 2, 2),
        ),
    ),
    Traffic(name="Add5", kind="add", inputs=("Conv4", "MaxPool3"), input_words=2048,
            output_words=1024),
    Traffic(name="BatchNormalization6", kind="batch_norm", inputs=("Add5",), input_words=1024,
            output_words=1024, parameters=16),
    Traffic(name="GlobalAveragePool8", kind="global_avg_pool", inputs=("BatchNormalization6",),
            input_words=1024, output_words=16),
    Layer(
        name="Gemm10", inputs=("GlobalAveragePool8",), bias=True,
        shape=LayerShape(batch=2, filters=10, channels=8, height=1, width=1),
    ),
    Traffic(name="Softmax11", kind="softmax", inputs=("Gemm10",), input_words=20,
            output_words=20),
)  # fmt: skip


@pytest.mark.parametrize("opset", range(OPSETS[0], OPSETS[1] + 1))
def test_a_residual_network_of_every_operator_set(tmp_path: Path, opset: int) -> None:
    net = load(tmp_path, residual_cnn(opset))
    assert (net.name, net.inputs, net.batch) == ("net", ("x",), 2)
    assert net.source == str(tmp_path / "net.onnx")
    assert net.layers == RESIDUAL_LAYERS
    assert load_network(tmp_path / "net.onnx") == net
    assert net.with_batch(1).macs * 2 == net.macs


def test_attention(tmp_path: Path) -> None:
    """Heads are groups, scaling and biases are fused, reshaping is nothing."""
    split = np.array([0, 0, 4, 16], dtype=np.int64)
    nodes = [
        ("LayerNormalization", "x scale shift", "n", {}),
        *((name, *rest, {}) for part in "qkv" for name, *rest in (
            ("MatMul", f"n w{part}", f"{part}1"),
            ("Add", f"b{part} {part}1", f"{part}2"),
            ("Reshape", f"{part}2 split", f"{part}3"),
        )),
        ("Transpose", "q3", "q", {"perm": [0, 2, 1, 3]}),
        ("Transpose", "k3", "k", {"perm": [0, 2, 3, 1]}),
        ("Transpose", "v3", "v", {"perm": [0, 2, 1, 3]}),
        ("MatMul", "q k", "s", {}),
        ("Div", "s root", "t", {}),
        ("Softmax", "t", "u", {"axis": -1}),
        ("MatMul", "u v", "y", {}),
        ("Transpose", "y", "y1", {"perm": [0, 2, 1, 3]}),
        ("Reshape", "y1 join", "y2", {}),
        ("MatMul", "y2 wo", "o", {}),
        ("Add", "o x", "z", {}),
    ]  # fmt: skip
    net = load(tmp_path, model(nodes, {"x": [3, 10, 64]}, {
        **{f"w{part}": [64, 64] for part in "qkvo"}, **{f"b{part}": [64] for part in "qkv"},
        "scale": [64], "shift": [64], "split": split, "root": np.array(4, np.float32),
        "join": np.array([0, 0, 64], dtype=np.int64),
    }))  # fmt: skip
    linear = LayerShape(batch=3, filters=64, channels=64, height=10, width=1)
    scores = LayerShape(groups=12, filters=10, channels=16, height=10, width=1)
    context = LayerShape(groups=12, filters=16, channels=10, height=10, width=1)
    norm = "LayerNormalization0"
    assert net.layers == (
        Traffic(name=norm, kind="layer_norm", inputs=("x",), input_words=1920,
                output_words=1920, parameters=128),
        Layer(name="MatMul1", shape=linear, inputs=(norm,), bias=True),
        Layer(name="MatMul4", shape=linear, inputs=(norm,), bias=True),
        Layer(name="MatMul7", shape=linear, inputs=(norm,), bias=True),
        Layer(name="MatMul13", shape=scores, inputs=("MatMul1", "MatMul4"),
              weights_are_activations=True),
        Traffic(name="Softmax15", kind="softmax", inputs=("MatMul13",), input_words=1200,
                output_words=1200),
        Layer(name="MatMul16", shape=context, inputs=("Softmax15", "MatMul7"),
              weights_are_activations=True),
        Layer(name="MatMul19", shape=linear, inputs=("MatMul16",)),
        Traffic(name="Add20", kind="add", inputs=("MatMul19", "x"), input_words=3840,
                output_words=1920),
    )  # fmt: skip


def test_embeddings_functions_and_gates(tmp_path: Path) -> None:
    """A function of one result is fused, also of two operands; of two halves it is traffic."""
    net = load(tmp_path, model(
        [
            ("Gather", "table ids", "e", {}),
            ("MatMul", "e w", "a", {}),
            ("Sigmoid", "a", "b", {}),
            ("Mul", "a b", "c", {}),
            ("Split", "c", "d f", {"axis": 2}),
            ("Mul", "d f", "g", {}),
            ("PRelu", "g slope", "h", {}),
        ],
        {"ids": [1, 5]}, {"table": [100, 8], "w": [8, 12], "slope": [6]}, opset=13,
    ))  # fmt: skip
    assert net.layers == (
        Traffic(name="Gather0", kind="embedding", inputs=("ids",), input_words=40,
                output_words=40, parameters=800),
        Layer(name="MatMul1", inputs=("Gather0",),
              shape=LayerShape(filters=12, channels=8, height=5, width=1)),
        Traffic(name="Mul5", kind="mul", inputs=("MatMul1",), input_words=60, output_words=30,
                parameters=6),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "sizes"),
    [
        (("x", [7, 5]), ("w", [5, 3]), (1, 1, 3, 5, 7)),
        (("x", [5]), ("w", [5, 3]), (1, 1, 3, 5, 1)),
        (("x", [7, 5]), ("w", [5]), (1, 1, 1, 5, 7)),
        (("w", [3, 5]), ("x", [5, 7]), (1, 1, 3, 5, 7)),
        (("x", [1, 4, 7, 5]), ("w", [4, 5, 3]), (1, 4, 3, 5, 7)),
        (("x", [1, 2, 7, 5]), ("w", [5, 3]), (1, 1, 3, 5, 14)),
        (("w", [4, 3, 5]), ("x", [1, 4, 5, 7]), (1, 4, 3, 5, 7)),
    ],
)
def test_products_of_matrices(
    tmp_path: Path,
    first: tuple[str, list[int]],
    second: tuple[str, list[int]],
    sizes: tuple[int, ...],
) -> None:
    """N, G, M, C and rows; a constant is always the second operand."""
    shapes = dict((first, second))
    made = model([("MatMul", f"{first[0]} {second[0]}", "y", {})], {"x": shapes["x"]},
                 {"w": shapes["w"]})  # fmt: skip
    (layer,) = load(tmp_path, made).layers_with_macs
    found = layer.shape.sizes
    batch = shapes["x"][0] if len(shapes["x"]) == 2 and first[0] == "x" else 1
    assert found["N"] * found["P"] == sizes[0] * sizes[4]
    assert found["N"] == batch
    assert tuple(found[name] for name in "GMC") == sizes[1:4]
    assert layer.parameters == np.prod(shapes["w"])
    result = np.zeros(first[1]) @ np.zeros(second[1])
    assert layer.macs == result.size * layer.shape.channels


@pytest.mark.parametrize(
    ("auto_pad", "padding"),
    [("SAME_UPPER", (0, 1, 1, 1)), ("SAME_LOWER", (1, 0, 1, 1)), ("VALID", (0, 0, 0, 0))],
)
def test_automatic_padding(
    tmp_path: Path, auto_pad: str, padding: tuple[int, int, int, int]
) -> None:
    made = model(
        [("Conv", "x w", "y", {"auto_pad": auto_pad, "strides": [2, 2], "kernel_shape": [3, 3]})],
        {"x": [1, 4, 8, 9]}, {"w": [6, 4, 3, 3]},
    )  # fmt: skip
    (layer,) = load(tmp_path, made).layers_with_macs
    assert layer.shape.padding == padding


def test_convolutions_of_one_dimension_are_columns(tmp_path: Path) -> None:
    made = model([("Conv", "x w", "y", {"pads": [2, 1], "strides": [3]})], {"x": [1, 4, 50]},
                 {"w": [6, 4, 5]})  # fmt: skip
    (layer,) = load(tmp_path, made).layers_with_macs
    assert layer.shape == LayerShape(
        filters=6, channels=4, height=50, width=1, filter_height=5, stride_height=3,
        padding=(2, 1, 0, 0),
    )  # fmt: skip


def test_shapes_that_the_model_computes_are_no_layers(tmp_path: Path) -> None:
    made = model(
        [
            ("Shape", "x", "s", {}),
            ("Gather", "s zero", "n", {"axis": 0}),
            ("Concat", "n rest", "t", {"axis": 0}),
            ("Reshape", "x t", "y", {}),
            ("MatMul", "y w", "z", {}),
        ],
        {"x": [2, 3, 4]},
        {"zero": np.array([0], np.int64), "rest": np.array([-1], np.int64), "w": [12, 5]},
    )
    (layer,) = load(tmp_path, made).layers
    assert isinstance(layer, Layer)
    assert layer.shape == LayerShape(batch=2, filters=5, channels=12, height=1, width=1)


def external(made: Any) -> Any:
    """The model, with its weights in another file, which is not there."""
    for tensor in made.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "weights.bin"
    return made


def test_weights_in_another_file_are_not_needed(tmp_path: Path) -> None:
    assert load(tmp_path, external(residual_cnn())).layers == RESIDUAL_LAYERS


def test_functions_of_the_model_are_written_out(tmp_path: Path) -> None:
    made = model([("MatMul", "x w", "y", {})], {"x": [1, 4]}, {"w": [4, 4]})
    made.graph.node[0].op_type, made.graph.node[0].domain = "Twice", "own"
    body = [helper.make_node("MatMul", ["a", "b"], ["c"]),
            helper.make_node("MatMul", ["c", "b"], ["d"])]  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    made.functions.append(helper.make_function("own", "Twice", ["a", "b"], ["d"], body, opsets))
    made.opset_import.append(helper.make_opsetid("own", 1))
    assert load(tmp_path, made).macs == 32


def light(name: str) -> Path:
    """A real network that package onnx carries, for its own tests, without its weights.

    Without it tests are skipped, but fail in CI.
    """
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    path = folder / f"light_{name}.onnx"
    if not path.is_file():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"onnx does not carry {path.name}")
    return path


@pytest.mark.parametrize(
    ("name", "same"),
    [("squeezenet", "squeezenet1.1"), ("resnet50", "resnet50"), ("bvlc_alexnet", "alexnet-caffe")],
)
def test_real_networks_have_the_counts_of_the_built_in_ones(name: str, same: str) -> None:
    net, built = load_onnx(light(name)), load_network(same)
    assert net.parameters == built.parameters
    if name == "bvlc_alexnet":  # of 224 x 224 here
        built_shapes = [layer.shape.weights for layer in built.layers_with_macs]
        assert [layer.shape.weights for layer in net.layers_with_macs] == built_shapes
    else:
        assert net.macs == built.macs
        assert net.unique_shapes() == built.unique_shapes()


def test_densenet_from_caffe_scales_twice() -> None:
    """Its BatchNorm has scale and shift, and there are a Mul and an Add with others."""
    net, built = load_onnx(light("densenet121")), load_network("densenet121")
    assert net.macs == built.macs
    assert net.parameters == built.parameters + 83_648


def test_googlenet_with_pools_that_round_up(tmp_path: Path) -> None:
    made = onnx.load(light("inception_v1"))
    made.opset_import[0].version = 11
    for node in made.graph.node:
        if node.op_type == "MaxPool":
            node.attribute.append(helper.make_attribute("ceil_mode", 1))
    net, built = load(tmp_path, made), load_network("googlenet-caffe")
    assert net.unique_shapes() == built.unique_shapes()
    assert net.parameters == built.parameters == 6_998_552


def test_dynamic_dimensions_are_named_or_given(tmp_path: Path) -> None:
    made = residual_cnn()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    assert refusal(tmp_path, made) == (
        "dimension 0 of input 'x' ('batch') is dynamic: export the model with a fixed shape, or "
        "set one with onnx.tools.update_model_dims"
    )
    assert load(tmp_path, made, dimensions={"batch": 2}).layers == RESIDUAL_LAYERS
    assert refusal(tmp_path, made, dimensions={"batch": 0}) == (
        "dimension batch must be an integer from 1 to 2147483647, not 0"
    )
    made.graph.input[0].type.tensor_type.shape.dim[2].ClearField("dim_value")
    assert refusal(tmp_path, made, dimensions={"batch": 2}) == (
        "dimension 2 of input 'x' is dynamic: export the model with a fixed shape, or set one "
        "with onnx.tools.update_model_dims"
    )


def test_other_bad_inputs(tmp_path: Path) -> None:
    made = residual_cnn()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 0
    assert refusal(tmp_path, made) == "dimension 0 of input 'x' must be at least 1, not 0"
    made.graph.input[0].type.tensor_type.ClearField("shape")
    assert refusal(tmp_path, made) == ("input 'x' has no shape: export it with a fixed one")
    made = model([("Relu", "w", "y", {})], {}, {"w": [3]})
    assert refusal(tmp_path, made) == "has no input"


def test_all_unsupported_operators_are_named(tmp_path: Path) -> None:
    made = model(
        [
            ("ConvTranspose", "x w", "a", {}),
            ("ConvTranspose", "a w", "b", {}),
            ("Einsum", "b", "c", {"equation": "nchw->nhwc"}),
            ("Conv", "v u", "e", {}),
        ],
        {"x": [1, 4, 8, 8], "v": [1, 2, 4, 4, 4]}, {"w": [4, 4, 3, 3], "u": [2, 2, 3, 3, 3]},
    )  # fmt: skip
    made.graph.node[3].name = ""
    own = helper.make_node("Magic", ["c"], ["d"], domain="com.example")
    made.graph.node.append(own)
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    assert refusal(tmp_path, made) == (
        "has operators that are not supported: Conv with 3 dimensions (1), ConvTranspose (2), "
        "Einsum (1), com.example.Magic (1); docs/networks.md lists those that are"
    )


@pytest.mark.parametrize("opset", [8, 23])
def test_other_operator_sets_are_refused(tmp_path: Path, opset: int) -> None:
    assert refusal(tmp_path, residual_cnn(opset)) == (
        f"is of operator set {opset}, but must be of 9 to 22: export it so, or use "
        "onnx.version_converter"
    )


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    made = model([("MatMul", "x w", "y", {})], {"x": [1, 4]}, {"w": [5, 4]})
    message = refusal(tmp_path, made)
    assert message.startswith("its shapes cannot be found: [ShapeInferenceError]")
    assert "Incompatible dimensions for matrix multiplication" in message


def test_shapes_that_only_running_tells_are_refused(tmp_path: Path) -> None:
    made = model([("Reshape", "x ids", "y", {}), ("Relu", "y", "z", {})],
                 {"x": [2, 3, 4], "ids": [2]}, {})  # fmt: skip
    assert refusal(tmp_path, made) == (
        "Relu 'Relu1': the shape of 'y' cannot be found, or is not fixed"
    )


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    data, path = residual_cnn().SerializeToString(), tmp_path / "net.onnx"
    for size in (*range(0, len(data), 29), *range(len(data) - 60, len(data))):
        path.write_bytes(data[:size])
        with pytest.raises(InputError) as caught:
            load_onnx(path)
        assert str(caught.value) == f"{path}: is no ONNX file, or a truncated one"


@pytest.mark.parametrize(
    ("more", "filters", "said"),
    [
        ({}, (8, 3, 3, 3), "its filter [8, 3, 3, 3] in 1 groups does not go with an image of 4 "
         "channels"),
        ({"group": 3}, (8, 2, 3, 3), "its filter [8, 2, 3, 3] in 3 groups does not go with an "
         "image of 4 channels"),
        ({"auto_pad": "WRONG"}, (8, 4, 3, 3), "auto_pad must be one of NOTSET, VALID, SAME_UPPER, "
         "SAME_LOWER, not 'WRONG'"),
    ],
)  # fmt: skip
def test_a_convolution_that_does_not_go_with_its_image(
    tmp_path: Path, more: dict[str, Any], filters: tuple[int, ...], said: str
) -> None:
    path = tmp_path / "net.onnx"
    weights = np.zeros(filters, np.float32)
    made = model([("Conv", "x w", "y", more)], {"x": (1, 4, 8, 8)}, {"w": weights})
    path.write_bytes(made.SerializeToString())
    with pytest.raises(InputError) as caught:
        load_onnx(path)
    assert said in str(caught.value)


@given(st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(external(residual_cnn()).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "net.onnx"
    path.write_bytes(bytes(whole))
    said = f"{path}: "
    try:
        load_onnx(path)
    except InputError as error:
        said = str(error)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(InputError) as caught:
        load_network(path)
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"
    path.write_text("name: net\n")
    with pytest.raises(InputError) as caught:
        load_network(path)
    assert str(caught.value) == f"{path}: is no ONNX file, or a truncated one"


def test_without_the_package_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx.checker", None)
    with pytest.raises(InputError) as caught:
        load_onnx(tmp_path / "net.onnx")
    assert str(caught.value) == (
        f"{tmp_path / 'net.onnx'}: reading ONNX files needs package onnx: "
        "pip install 'peforge[onnx]'"
    )


def test_the_documentation_lists_every_supported_operator() -> None:
    text = (Path(__file__).parents[3] / "docs" / "networks.md").read_text()
    assert [name for name in SUPPORTED if f"`{name}`" not in text] == []
    assert f"operator sets {OPSETS[0]} to {OPSETS[1]}" in text
