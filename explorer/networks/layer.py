"""Layers of a network as an accelerator sees them: loops of multiply-accumulates, and traffic.

A convolution, a fully-connected layer and a product of matrices are all the same eight loops
(``LayerShape``); what moves words without multiplying and accumulating them is ``Traffic``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from math import prod
from typing import Any

from rtl_gen.errors import InputError, nearest, require_bool, require_int, shown

#: Largest value of a dimension.
MOST = (1 << 24) - 1
#: Largest stride, dilation and padding.
MOST_STEP = (1 << 16) - 1
#: Bits of a word.
BITS = (1, 32)
#: Most words that an operand of ``Traffic`` has.
MOST_WORDS = (1 << 48) - 1
#: The dimensions of ``LayerShape.sizes``, in order.
DIMENSIONS = ("N", "G", "M", "C", "P", "Q", "R", "S")

_SIZES = (
    "batch", "groups", "filters", "channels", "height", "width", "filter_height", "filter_width",
)  # fmt: skip
_STEPS = ("stride_height", "stride_width", "dilation_height", "dilation_width")
_WIDTHS = ("act_bits", "weight_bits", "out_bits")
_DENSITIES = ("act_density", "weight_density", "out_density")


def check_keys(what: str, entry: Mapping[Any, Any], allowed: Collection[str]) -> None:
    """Refuse a mapping with an entry of another name.

    Raises:
        InputError: naming it, the nearest of those allowed, and all of them.
    """
    for key in entry:
        if key not in allowed:
            close = nearest(key, allowed) if isinstance(key, str) else ""
            raise InputError(
                f"{shown(key)} is not an entry of {what}{close}; allowed are {', '.join(allowed)}"
            )


def _require_name(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise InputError(f"{name} must be a text of one line, not {shown(value)}")
    return value


def _require_density(name: str, value: object) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not 0 < float(value) <= 1:  # type: ignore[arg-type]  # it is a number then
        raise InputError(f"{name} must be a number above 0, at most 1, not {shown(value)}")
    return float(value)  # type: ignore[arg-type]  # likewise


def _require_names(name: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, tuple | list) or not values:
        raise InputError(f"{name} must be a list of at least one name, not {shown(values)}")
    return tuple(_require_name(f"an entry of {name}", value) for value in values)


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """What a layer computes, without its name: layers with equal shapes cost the same.

    A product of ``rows`` x C by C x M is ``channels=C, filters=M, height=rows, width=1``; heads of
    attention are groups. Filters and channels are counted per group.

    Attributes:
        batch: N; images, or sequences, that share the weights.
        groups: G; each has its own channels, filters and weights.
        filters: M, output channels of a group.
        channels: C, input channels of a group.
        height, width: H, W of the ifmap, without padding.
        filter_height, filter_width: R, S.
        stride_height, stride_width: steps of the filter, in words of the ifmap.
        dilation_height, dilation_width: distance of a filter's words, in words of the ifmap.
        padding: zeros above, below, left and right of the ifmap.
        act_bits, weight_bits, out_bits: of a word of ifmap, weights and ofmap.
        act_density, weight_density, out_density: shares of these words that are not zero.

    Raises:
        InputError: if a size is not positive, another value is out of range, or the filter is
            larger than the padded ifmap.
    """

    batch: int = 1
    groups: int = 1
    filters: int
    channels: int
    height: int
    width: int
    filter_height: int = 1
    filter_width: int = 1
    stride_height: int = 1
    stride_width: int = 1
    dilation_height: int = 1
    dilation_width: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    act_bits: int = 8
    weight_bits: int = 8
    out_bits: int = 8
    act_density: float = 1.0
    weight_density: float = 1.0
    out_density: float = 1.0

    def __post_init__(self) -> None:
        for names, low, high in ((_SIZES, 1, MOST), (_STEPS, 1, MOST_STEP), (_WIDTHS, *BITS)):
            for name in names:
                value = require_int(name, getattr(self, name), low, high)
                object.__setattr__(self, name, value)
        for name in _DENSITIES:
            object.__setattr__(self, name, _require_density(name, getattr(self, name)))
        if not isinstance(self.padding, tuple | list) or len(self.padding) != 4:
            raise InputError(
                "padding must be four numbers, above, below, left and right, or one in YAML, not "
                f"{shown(self.padding)}"
            )
        padding = tuple(require_int("padding", number, 0, MOST_STEP) for number in self.padding)
        object.__setattr__(self, "padding", padding)
        for name, size in (("filter_height", self.out_height), ("filter_width", self.out_width)):
            if size < 1:
                raise InputError(
                    f"{name} = {getattr(self, name)} must, dilated, not be larger than the padded "
                    "ifmap"
                )

    @property
    def out_height(self) -> int:
        """Rows of the ofmap, P; a filter that does not fit whole at the end is left out."""
        top, bottom, _, _ = self.padding
        reach = self.dilation_height * (self.filter_height - 1) + 1
        return (self.height + top + bottom - reach) // self.stride_height + 1

    @property
    def out_width(self) -> int:
        """Columns of the ofmap, Q, likewise."""
        _, _, left, right = self.padding
        reach = self.dilation_width * (self.filter_width - 1) + 1
        return (self.width + left + right - reach) // self.stride_width + 1

    @property
    def sizes(self) -> dict[str, int]:
        """The loops: N, G, M, C, P, Q, R, S to their numbers of iterations."""
        numbers = (
            self.batch, self.groups, self.filters, self.channels, self.out_height, self.out_width,
            self.filter_height, self.filter_width,
        )  # fmt: skip
        return dict(zip(DIMENSIONS, numbers, strict=True))

    @property
    def has_zeros(self) -> bool:
        """Whether a density is told."""
        return any(getattr(self, name) < 1 for name in _DENSITIES)

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those with padding included."""
        return prod(self.sizes.values())

    @property
    def weights(self) -> int:
        """Words of the second operand, G x M x C x R x S."""
        window = self.filter_height * self.filter_width
        return self.groups * self.filters * self.channels * window

    @property
    def ifmap_words(self) -> int:
        """Words of the first operand, N x G x C x H x W: padding is not stored."""
        return self.batch * self.groups * self.channels * self.height * self.width

    @property
    def ofmap_words(self) -> int:
        """Words of the result, N x G x M x P x Q."""
        return self.batch * self.groups * self.filters * self.out_height * self.out_width

    @property
    def depthwise(self) -> bool:
        """Every channel is a group of its own, and there are several."""
        return self.groups > 1 and self.channels == 1

    @property
    def kind(self) -> str:
        """``depthwise``, ``matmul`` (of columns, with one weight each) or ``conv``."""
        if self.depthwise:
            return "depthwise"
        point = self.filter_height == self.filter_width == self.stride_height == 1
        return "matmul" if point and self.width == 1 and not any(self.padding) else "conv"

    def to_dict(self) -> dict[str, Any]:
        """Every attribute, in one order, as JSON and YAML have them."""
        values = {name: getattr(self, name) for name in SHAPE_KEYS}
        return {**values, "padding": list(self.padding)}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> LayerShape:
        """The shape that ``to_dict`` describes; what has a default may be missing.

        Args:
            entry: ``padding`` may be one number, for all four sides.

        Raises:
            InputError: if an entry is unknown, missing or out of range.
        """
        check_keys("a layer's shape", entry, SHAPE_KEYS)
        values = dict(entry)
        for name in _REQUIRED:
            if name not in values:
                raise InputError(f"needs {name}")
        if isinstance(values.get("padding"), int):
            values["padding"] = (values["padding"],) * 4
        return cls(**values)


#: Entries of a shape, in order.
SHAPE_KEYS = tuple(field.name for field in fields(LayerShape))
_REQUIRED = tuple(field.name for field in fields(LayerShape) if field.default is MISSING)
#: Entries of a shape that may be missing, with their values then.
SHAPE_DEFAULTS = {f.name: f.default for f in fields(LayerShape) if f.default is not MISSING}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of multiply-accumulates in its network.

    Attributes:
        name: in its network, its only one.
        shape: what it computes.
        inputs: names of the layers, or of inputs of the network, that make its operands. If
            ``weights_are_activations`` the first makes the ifmap, the others the second operand.
        weights_are_activations: the second operand is computed (attention) and no parameter; such
            operands differ between the images of a batch, which are groups then.
        bias: a parameter for every filter is added to the sums. No MACs are counted for it.
        fused_parameters: words of what is fused into the layer, as scale and shift of BatchNorm.

    Raises:
        InputError: if one is of another type or out of range.
    """

    name: str
    shape: LayerShape
    inputs: tuple[str, ...]
    weights_are_activations: bool = False
    bias: bool = False
    fused_parameters: int = 0

    def __post_init__(self) -> None:
        _require_name("name", self.name)
        object.__setattr__(self, "inputs", _require_names("inputs", self.inputs))
        require_bool("weights_are_activations", self.weights_are_activations)
        require_bool("bias", self.bias)
        require_int("fused_parameters", self.fused_parameters, 0, MOST_WORDS)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch."""
        return self.shape.macs

    @property
    def parameters(self) -> int:
        """Words that training finds: weights, biases and what is fused."""
        weights = 0 if self.weights_are_activations else self.shape.weights
        return weights + (self.filters if self.bias else 0) + self.fused_parameters

    @property
    def filters(self) -> int:
        """Output channels of all groups."""
        return self.shape.groups * self.shape.filters

    @property
    def kind(self) -> str:
        """That of the shape."""
        return self.shape.kind


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """A layer without MACs of its own: it reads words and writes words.

    Attributes:
        name: in its network, its only one.
        kind: what it does: ``max_pool``, ``avg_pool``, ``global_avg_pool``, ``add``, ``mul``,
            ``concat``, ``softmax``, ``layer_norm``, ``embedding`` and others.
        inputs: names of the layers, or of inputs of the network, that make its operands.
        input_words: words of activations read, once each; of ``embedding`` the rows looked up.
        output_words: words written. Of ``concat`` as many as are read: none of both where its
            producers write their results in place.
        parameters: words that training finds, as scale and shift of LayerNorm.
        act_bits, out_bits: of a word read, and written.
        act_density, out_density: shares of these words that are not zero.

    Raises:
        InputError: if one is of another type or out of range.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    input_words: int
    output_words: int
    parameters: int = 0
    act_bits: int = 8
    out_bits: int = 8
    act_density: float = 1.0
    out_density: float = 1.0

    def __post_init__(self) -> None:
        _require_name("name", self.name)
        _require_name("kind", self.kind)
        object.__setattr__(self, "inputs", _require_names("inputs", self.inputs))
        require_int("input_words", self.input_words, 1, MOST_WORDS)
        require_int("output_words", self.output_words, 1, MOST_WORDS)
        require_int("parameters", self.parameters, 0, MOST_WORDS)
        require_int("act_bits", self.act_bits, *BITS)
        require_int("out_bits", self.out_bits, *BITS)
        for name in ("act_density", "out_density"):
            object.__setattr__(self, name, _require_density(name, getattr(self, name)))

    @property
    def macs(self) -> int:
        """None."""
        return 0
