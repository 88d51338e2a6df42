"""What each operator of ONNX counts as: a layer, traffic, a fused function, or a view.

A tensor is known by the layer (or input of the network) that makes it: a view, and a function that
is fused, leave its maker as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from explorer.networks.layer import Layer, LayerShape, Traffic
from rtl_gen.errors import InputError, require_choice, require_int, shown

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

#: Layers of multiply-accumulates.
PRODUCTS = ("Conv", "Gemm", "MatMul")
#: No layers: they rename words, or choose some.
VIEWS = (
    "Cast", "DepthToSpace", "DequantizeLinear", "Dropout", "Flatten", "Gather", "Identity",
    "QuantizeLinear", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Transpose",
    "Unsqueeze",
)  # fmt: skip
#: Functions of single words: fused if they read one layer's whole result, else traffic.
ELEMENTWISE = (
    "Abs", "Add", "And", "Ceil", "Celu", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp",
    "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf", "IsNaN",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not",
    "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin",
    "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Where",
)  # fmt: skip
#: Traffic, always; constants that they read are parameters.
TRAFFIC = {
    "ArgMax": "arg_max", "ArgMin": "arg_min", "AveragePool": "avg_pool", "Concat": "concat",
    "Expand": "expand",
    "GlobalAveragePool": "global_avg_pool", "GlobalMaxPool": "global_max_pool",
    "GroupNormalization": "group_norm", "InstanceNormalization": "instance_norm", "LRN": "lrn",
    "LayerNormalization": "layer_norm", "LogSoftmax": "log_softmax",
    "LpNormalization": "lp_norm", "LpPool": "lp_pool", "MaxPool": "max_pool", "Pad": "pad",
    "ReduceL1": "reduce_l1", "ReduceL2": "reduce_l2", "ReduceMax": "reduce_max",
    "ReduceMean": "reduce_mean", "ReduceMin": "reduce_min", "ReduceProd": "reduce_prod",
    "ReduceSum": "reduce_sum", "Resize": "resize", "Softmax": "softmax", "Tile": "tile",
    "TopK": "top_k", "Upsample": "resize",
}  # fmt: skip
#: Fused into the layer before, if nothing else reads that layer's result; else traffic.
NORMALIZATION = "BatchNormalization"
#: All that a network may have; of constants, and of shapes, any other, too.
SUPPORTED = tuple(sorted((*PRODUCTS, *VIEWS, *ELEMENTWISE, *TRAFFIC, NORMALIZATION)))

_OF_SHAPES = ("Shape", "Size")
#: FLOAT, FLOAT16, DOUBLE, BFLOAT16 of TensorProto: what a parameter is made of.
_FLOATS = (1, 10, 11, 16)
_AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
_MOST_SPATIAL = 2


class Tensor(NamedTuple):
    """Size and ONNX's element type of a tensor."""

    dims: tuple[int, ...]
    type: int

    @property
    def words(self) -> int:
        """Words of it."""
        return prod(self.dims)


def is_constant(node: NodeProto, constants: set[str]) -> bool:
    """Whether what a node makes is known before the network runs."""
    return node.op_type in _OF_SHAPES or all(name in constants for name in node.input if name)


def unsupported(graph: GraphProto, constants: set[str]) -> list[str]:
    """Names of operators that are not supported, with how many there are, in order.

    Args:
        constants: names of the graph's.
    """
    known, found = set(constants), Counter[str]()
    weights = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if is_constant(node, known):
            known.update(node.output)
            continue
        name = node.op_type
        if node.domain not in ("", "ai.onnx"):
            found[f"{node.domain}.{name}"] += 1
        elif name not in SUPPORTED:
            found[name] += 1
        elif name == "Conv" and weights.get(node.input[1], 0) > _MOST_SPATIAL + 2:
            found[f"Conv with {weights[node.input[1]] - 2} dimensions"] += 1
    return [f"{name} ({count})" for name, count in sorted(found.items())]


class Translation:
    """The layers of a graph whose operators are all supported.

    Args:
        tensors: of the graph, with their sizes.
        constants: names of those that are known before the network runs.
        inputs: names of the network's inputs.
        batch: of the network: rows of matrices are divided into so many images.
    """

    def __init__(
        self,
        graph: GraphProto,
        tensors: dict[str, Tensor],
        constants: set[str],
        inputs: Sequence[str],
        batch: int,
    ) -> None:
        self._graph = graph
        self._tensors = tensors
        self._constants = set(constants)
        self._batch = batch
        self._makers = {name: name for name in inputs}
        self._layers: dict[str, Layer | Traffic] = {}
        self._words: dict[str, int] = {}  # that a layer makes
        self._counted: set[str] = set()  # constants that are parameters already
        self._uses = Counter(name for node in graph.node for name in set(node.input))
        self._uses.update(value.name for value in graph.output)

    def layers(self) -> tuple[Layer | Traffic, ...]:
        """The layers, in the order of the graph.

        Raises:
            InputError: naming the node, if a shape is not known or is none of a layer.
        """
        for node in self._graph.node:
            if is_constant(node, self._constants):
                self._constants.update(node.output)
                continue
            try:
                self._handler(node.op_type)(node)
            except InputError as error:
                called = node.name or node.output[0]
                raise InputError(f"{node.op_type} {shown(called)}: {error}") from None
        return tuple(self._layers.values())

    def _handler(self, operator: str) -> Callable[[NodeProto], None]:
        own = {
            "Conv": self._conv, "Gemm": self._gemm, "MatMul": self._matmul,
            "Gather": self._gather, NORMALIZATION: self._batch_norm,
        }  # fmt: skip
        if operator in own:
            return own[operator]
        if operator in VIEWS:
            return self._view
        return self._elementwise if operator in ELEMENTWISE else self._traffic

    def _tensor(self, name: str) -> Tensor:
        """A tensor.

        Raises:
            InputError: if its shape is not known, or a dimension is 0.
        """
        tensor = self._tensors.get(name)
        if tensor is None:
            raise InputError(f"the shape of {shown(name)} cannot be found, or is not fixed")
        if tensor.words == 0:
            raise InputError(f"{shown(name)} has a dimension of size 0: {list(tensor.dims)}")
        return tensor

    def _computed(self, node: NodeProto) -> list[str]:
        """The different inputs that are no constants."""
        return [n for n in dict.fromkeys(node.input) if n and n not in self._constants]

    def _parameters(self, names: Sequence[str]) -> int:
        """Words of the constants among them, each counted once, but for single numbers."""
        count = 0
        for name in names:
            if name in self._constants and name not in self._counted:
                tensor = self._tensors.get(name)
                if tensor is not None and tensor.type in _FLOATS and tensor.words > 1:
                    self._counted.add(name)
                    count += tensor.words
        return count

    def _add(self, layer: Layer | Traffic, node: NodeProto) -> None:
        """A layer, under a name that no other has."""
        name, number = layer.name, 1
        while name in self._layers or name in self._makers.values():
            number += 1
            name = f"{layer.name}_{number}"
        self._layers[name] = replace(layer, name=name)
        self._makers.update(dict.fromkeys((n for n in node.output if n), name))
        self._words[name] = self._tensor(node.output[0]).words

    def _view(self, node: NodeProto) -> None:
        maker = self._makers[self._computed(node)[0]]
        self._makers.update(dict.fromkeys((name for name in node.output if name), maker))

    def _gather(self, node: NodeProto) -> None:
        """A choice of computed words is a view; one of constant rows is an embedding."""
        if node.input[0] not in self._constants:
            self._view(node)
            return
        words = self._tensor(node.output[0]).words
        self._add(
            Traffic(
                name=_name(node), kind="embedding", inputs=(self._makers[node.input[1]],),
                input_words=words, output_words=words, parameters=self._parameters(node.input),
            ),
            node,
        )  # fmt: skip

    def _traffic(self, node: NodeProto, kind: str | None = None) -> None:
        read = self._computed(node)
        kind = kind or TRAFFIC.get(node.op_type) or _snake(node.op_type)
        self._add(
            Traffic(
                name=_name(node), kind=kind,
                inputs=tuple(dict.fromkeys(self._makers[name] for name in read)),
                input_words=sum(self._tensor(name).words for name in read),
                output_words=self._tensor(node.output[0]).words,
                parameters=self._parameters(node.input),
            ),
            node,
        )  # fmt: skip

    def _elementwise(self, node: NodeProto) -> None:
        maker = self._whole_of_one(node)
        if maker is None:
            self._traffic(node)
        else:
            self._fuse(maker, node)

    def _whole_of_one(self, node: NodeProto) -> str | None:
        """The layer whose whole result is all that a node reads, if there is one."""
        read = self._computed(node)
        makers = {self._makers[name] for name in read}
        words = {self._tensor(name).words for name in (*read, node.output[0])}
        maker = makers.pop()
        if makers or maker not in self._layers or words != {self._words[maker]}:
            return None
        return maker

    def _fuse(self, maker: str, node: NodeProto) -> None:
        layer, parameters = self._layers[maker], self._parameters(node.input)
        if isinstance(layer, Traffic):
            layer = replace(layer, parameters=layer.parameters + parameters)
        elif node.op_type == "Add" and not layer.bias and parameters == layer.filters:
            layer = replace(layer, bias=True)
        else:
            layer = replace(layer, fused_parameters=layer.fused_parameters + parameters)
        self._layers[maker] = layer
        self._makers[node.output[0]] = maker

    def _batch_norm(self, node: NodeProto) -> None:
        """Scale and shift are parameters; means and variances are statistics, not trained."""
        self._counted.update(node.input[3:])
        maker = self._makers[node.input[0]]
        if isinstance(self._layers.get(maker), Layer) and self._uses[node.input[0]] == 1:
            self._tensor(node.output[0])
            self._fuse(maker, node)
        else:
            self._traffic(node, "batch_norm")

    def _product(self, node: NodeProto, shape: LayerShape, first: str, second: str) -> None:
        """A layer of multiply-accumulates, checked against the size that ONNX found."""
        made = self._tensor(node.output[0])
        if shape.ofmap_words != made.words:
            raise InputError(f"its output of shape {list(made.dims)} is not what a layer gives")
        operands = [first] if second in self._constants else [first, second]
        bias = node.input[2] if len(node.input) > 2 else ""
        layer = Layer(
            name=_name(node), shape=shape, inputs=tuple(self._makers[name] for name in operands),
            weights_are_activations=second not in self._constants, bias=bias in self._constants,
        )  # fmt: skip
        self._counted.update((second, bias))
        self._add(layer, node)
        if bias and bias not in self._constants:
            sums = self._makers[node.output[0]]
            add = Traffic(
                name=f"{sums}.add", kind="add", inputs=(sums, self._makers[bias]),
                input_words=made.words + self._tensor(bias).words, output_words=made.words,
            )  # fmt: skip
            self._add(add, node)

    def _conv(self, node: NodeProto) -> None:
        image, weights = (self._tensor(name).dims for name in node.input[:2])
        if node.input[0] in self._constants:
            raise InputError("its image is a constant")
        attributes = _attributes(node)
        groups = require_int("group", attributes.get("group", 1), 1, weights[0])
        if weights[1] * groups != image[1] or weights[0] % groups:
            raise InputError(
                f"its filter {list(weights)} in {groups} groups does not go with an image of "
                f"{image[1]} channels"
            )
        spatial = len(image) - 2
        if not 1 <= spatial <= _MOST_SPATIAL:
            raise InputError(f"convolutions of {spatial} dimensions are not supported")
        sizes, kernel = image[2:], weights[2:]
        strides = attributes.get("strides", [1] * spatial)
        dilations = attributes.get("dilations", [1] * spatial)
        pads = _pads(attributes, sizes, kernel, strides, dilations)
        (height, width), (rows, columns), (down, right), (apart, aside) = (
            _two(values) for values in (sizes, kernel, strides, dilations)
        )
        (above, before), (below, after) = _two(pads[:spatial], 0), _two(pads[spatial:], 0)
        shape = LayerShape(
            batch=image[0], groups=groups, filters=weights[0] // groups, channels=weights[1],
            height=height, width=width, filter_height=rows, filter_width=columns,
            stride_height=down, stride_width=right, dilation_height=apart, dilation_width=aside,
            padding=(above, below, before, after),
        )  # fmt: skip
        self._product(node, shape, node.input[0], node.input[1])

    def _gemm(self, node: NodeProto) -> None:
        attributes = _attributes(node)
        first, second = (self._tensor(name).dims for name in node.input[:2])
        if attributes.get("transA", 0):
            first = first[::-1]
        if attributes.get("transB", 0):
            second = second[::-1]
        if node.input[0] in self._constants:
            shape = self._matrices((), second[::-1], first[::-1])
            self._product(node, shape, node.input[1], node.input[0])
        else:
            self._product(node, self._matrices((), first, second), *node.input[:2])

    def _matmul(self, node: NodeProto) -> None:
        """A product of matrices, or of many; a constant is the second operand, by transposing."""
        names = list(node.input)
        first, second = (self._tensor(name).dims for name in names)
        first = (1, *first) if len(first) == 1 else first
        second = (*second, 1) if len(second) == 1 else second
        if names[0] in self._constants:
            first, second = (*second[:-2], *second[:-3:-1]), (*first[:-2], *first[:-3:-1])
            names.reverse()
        shape = self._matrices(_broadcast(first[:-2], second[:-2]), first[-2:], second)
        self._product(node, shape, *names)

    def _matrices(
        self, many: tuple[int, ...], first: tuple[int, ...], second: tuple[int, ...]
    ) -> LayerShape:
        """The shape of products of matrices.

        Args:
            many: how many products there are, in several dimensions.
            first: rows and columns of the first operand.
            second: of the second, after how many of it there are.
        """
        groups = prod(second[:-2])
        batch, rows = prod(many) // groups, first[0]
        if groups == 1 and batch * rows % self._batch == 0:
            batch, rows = self._batch, batch * rows // self._batch
        return LayerShape(
            batch=batch, groups=groups, filters=second[-1], channels=second[-2], height=rows,
            width=1,
        )  # fmt: skip


def _name(node: NodeProto) -> str:
    return "".join(
        letter if letter.isprintable() else "_" for letter in node.name or node.output[0]
    )


def _snake(operator: str) -> str:
    """``PRelu`` to ``p_relu``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operator).lower()


def _attributes(node: NodeProto) -> dict[str, Any]:
    """Numbers, lists of numbers and texts that a node is given."""
    values: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.ints:
            values[attribute.name] = list(attribute.ints)
        elif attribute.s:
            values[attribute.name] = attribute.s.decode(errors="replace")
        else:
            values[attribute.name] = attribute.i
    return values


def _pads(
    attributes: dict[str, Any],
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """Padding before each dimension, then after each."""
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic == "NOTSET":
        return list(attributes.get("pads", [0] * (2 * len(sizes))))
    require_choice("auto_pad", automatic, _AUTO_PADS)
    if automatic == "VALID":
        return [0] * (2 * len(sizes))
    before, after = [], []
    for size, words, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = dilation * (words - 1) + 1
        total = max(0, (-(-size // stride) - 1) * stride + reach - size)
        less = total // 2
        before.append(less if automatic == "SAME_UPPER" else total - less)
        after.append(total - before[-1])
    return before + after


def _two(values: Sequence[int], second: int = 1) -> tuple[int, int]:
    """Of one dimension two: a line of words is a column."""
    return (values[0], values[1]) if len(values) > 1 else (values[0], second)


def _broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions of both together; those that are missing, or 1, follow the other's."""
    longest = max(len(first), len(second))
    padded = ((1,) * (longest - len(dims)) + dims for dims in (first, second))
    return tuple(max(pair) for pair in zip(*padded, strict=True))
