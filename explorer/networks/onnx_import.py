"""Networks of users, from ONNX files: read, checked, and their shapes found.

Which operators are known, and what they count as, is in ``explorer.networks.onnx_operators``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from explorer.networks.network import BATCH, Network
from explorer.networks.onnx_operators import Tensor, Translation, unsupported
from rtl_gen.errors import InputError, require_int, shown

if TYPE_CHECKING:
    from onnx import ModelProto, TensorShapeProto

#: Operator sets that are read.
OPSETS = (9, 22)
#: Values of constants with more words than this are not needed to find shapes.
_SMALL = 4096
_LONGEST = 200


def load_onnx(path: str | Path, dimensions: Mapping[str, int] | None = None) -> Network:
    """The network of an ONNX file; the weights are not needed, nor other files that hold them.

    BatchNorm, biases and element-wise functions of one layer's result are fused into that layer;
    reshaping, transposing and splitting are no layers. The network's batch is the first dimension
    of its first input.

    Args:
        dimensions: numbers for dimensions that inputs of the model only name, such as ``batch``.

    Raises:
        InputError: if package ``onnx`` is missing, the file cannot be read, is no valid model, is
            of another operator set, has operators that are not supported (all are named), or has
            a shape that is not known.
    """
    path = Path(path)
    onnx = _package(path)
    try:
        model = _read(onnx, path)
        constants = {tensor.name for tensor in model.graph.initializer}
        constants |= {tensor.values.name for tensor in model.graph.sparse_initializer}
        _check_opset(model)
        inputs = _fix_inputs(model, constants, dimensions or {})
        _check(onnx, model)
        model = onnx.inliner.inline_local_functions(model)
        _check_operators(model, constants)
        tensors = _tensors(onnx, model)
        first = tensors[inputs[0]].dims
        batch = first[0] if len(first) > 1 and first[0] <= BATCH[1] else 1
        layers = Translation(model.graph, tensors, constants, inputs, batch).layers()
        return Network(name=path.stem, layers=layers, source=str(path), inputs=inputs, batch=batch)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _package(path: Path) -> ModuleType:
    try:
        for part in ("checker", "inliner", "shape_inference"):
            importlib.import_module(f"onnx.{part}")
        return importlib.import_module("onnx")
    except ImportError:
        raise InputError(
            f"{path}: reading ONNX files needs package onnx: pip install 'peforge[onnx]'"
        ) from None


def _read(onnx: ModuleType, path: Path) -> ModelProto:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from None
    try:
        model: ModelProto = onnx.load_model_from_string(data)
    except Exception:  # protobuf's, of a module that is another one in each of its versions
        raise InputError("is no ONNX file, or a truncated one") from None
    if not model.graph.node or not model.opset_import:
        raise InputError("is no ONNX file, or a truncated one")
    for name in _names(model):
        if not isinstance(name, str):  # protobuf gives bytes then
            raise InputError(f"is no valid ONNX model: the name {shown(name)} is no UTF-8")
    return model


def _names(model: ModelProto) -> Iterator[object]:
    graph = model.graph
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
    for value in (*graph.input, *graph.output, *graph.initializer):
        yield value.name


def _check_opset(model: ModelProto) -> None:
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not OPSETS[0] <= entry.version <= OPSETS[1]:
            raise InputError(
                f"is of operator set {entry.version}, but must be of {OPSETS[0]} to {OPSETS[1]}: "
                "export it so, or use onnx.version_converter"
            )


def _check(onnx: ModuleType, model: ModelProto) -> None:
    """Refuse what is not ONNX; values in other files are dropped, so that they are not missed."""
    _drop_values(model, {
        tensor.name for tensor in model.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    })  # fmt: skip
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the C++ library's, of several types
        raise InputError(f"is no valid ONNX model: {_line(error)}") from None


def _line(error: Exception) -> str:
    """What an exception says, on one line that is not too long."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _drop_values(model: ModelProto, names: set[str]) -> None:
    """Make constants inputs: they keep their shape and type."""
    graph = model.graph
    inputs = {value.name for value in graph.input}
    dropped = [tensor for tensor in graph.initializer if tensor.name in names]
    kept = [tensor for tensor in graph.initializer if tensor.name not in names]
    for tensor in dropped:
        if tensor.name not in inputs:
            value = graph.input.add()
            value.name = tensor.name
            value.type.tensor_type.elem_type = tensor.data_type
            value.type.tensor_type.shape.SetInParent()
            for size in tensor.dims:
                value.type.tensor_type.shape.dim.add().dim_value = size
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _check_operators(model: ModelProto, constants: set[str]) -> None:
    names = unsupported(model.graph, constants)
    if names:
        raise InputError(
            f"has operators that are not supported: {', '.join(names)}; docs/networks.md lists "
            "those that are"
        )


def _fix_inputs(
    model: ModelProto, constants: set[str], dimensions: Mapping[str, int]
) -> tuple[str, ...]:
    """The names of the inputs, after naming numbers for their dimensions.

    Raises:
        InputError: if a dimension has no number, or none above 0.
    """
    inputs = [value for value in model.graph.input if value.name not in constants]
    if not inputs:
        raise InputError("has no input")
    for value in inputs:
        if not value.type.HasField("tensor_type"):
            raise InputError(f"input {shown(value.name)} is no tensor")
        if not value.type.tensor_type.HasField("shape"):
            raise InputError(f"input {shown(value.name)} has no shape: export it with a fixed one")
        for number, dimension in enumerate(value.type.tensor_type.shape.dim):
            _fix_dimension(f"dimension {number} of input {shown(value.name)}", dimension,
                           dimensions)  # fmt: skip
    return tuple(value.name for value in inputs)


def _fix_dimension(
    what: str, dimension: TensorShapeProto.Dimension, numbers: Mapping[str, int]
) -> None:
    name = dimension.dim_param
    if name in numbers:
        dimension.dim_value = require_int(f"dimension {name}", numbers[name], 1, (1 << 31) - 1)
    elif not dimension.HasField("dim_value"):
        called = f" ({shown(name)})" if name else ""
        raise InputError(
            f"{what}{called} is dynamic: export the model with a fixed shape, or set one with "
            "onnx.tools.update_model_dims"
        )
    elif dimension.dim_value < 1:
        raise InputError(f"{what} must be at least 1, not {dimension.dim_value}")


def _tensors(onnx: ModuleType, model: ModelProto) -> dict[str, Tensor]:
    """The tensors whose shapes are known, by name."""
    large = {t.name for t in model.graph.initializer if prod(t.dims) > _SMALL}
    sizes = {t.name: Tensor(tuple(t.dims), t.data_type) for t in model.graph.initializer}
    _drop_values(model, large)
    del model.graph.value_info[:]  # what an exporter wrote may have names for numbers
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        )
    except Exception as error:  # the C++ library's
        raise InputError(f"its shapes cannot be found: {_line(error)}") from None
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim):
            dims = tuple(d.dim_value for d in kind.shape.dim)
            sizes[value.name] = Tensor(dims, kind.elem_type)
    return sizes
