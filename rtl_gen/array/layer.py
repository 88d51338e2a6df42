"""A convolution or fully-connected layer, and what it computes: the NumPy golden model.

Imports no Amaranth, and knows nothing of arrays and tilings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError, require_int, require_integers
from rtl_gen.golden import STRIDE, Words, decode_weights, wrap

#: Largest value of a dimension.
MOST = (1 << 16) - 1


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer with batch 1.

    Attributes:
        channels, height, width: C, H, W of the ifmap; a fully-connected layer has H = W = 1.
        filters: M.
        filter_height, filter_width: R, S.
        stride: U, both ways.
        padding: zeros above, below, left and right of the ifmap.
        groups: channels and filters in so many groups that do not see each other; as many as
            channels: depthwise.

    Raises:
        InputError: if a size is not positive, groups do not divide, or a filter is larger than
            the padded ifmap.
    """

    channels: int
    height: int
    width: int
    filters: int
    filter_height: int
    filter_width: int
    stride: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1

    def __post_init__(self) -> None:
        for name in (
            "channels", "height", "width", "filters", "filter_height", "filter_width", "groups",
        ):  # fmt: skip
            require_int(name, getattr(self, name), 1, MOST)
        require_int("stride", self.stride, *STRIDE)
        if not isinstance(self.padding, tuple | list) or len(self.padding) != 4:
            raise InputError(f"padding must be four numbers, not {self.padding!r}")
        for number in self.padding:
            require_int("padding", number, 0, 255)
        for name in ("channels", "filters"):
            if getattr(self, name) % self.groups:
                raise InputError(
                    f"groups must divide {name} = {getattr(self, name)}, not be {self.groups}"
                )
        top, bottom, left, right = self.padding
        for size, what in (
            (self.height + top + bottom - self.filter_height, "filter_height"),
            (self.width + left + right - self.filter_width, "filter_width"),
        ):
            if size < 0:
                raise InputError(
                    f"{what} must not be larger than the padded ifmap, but is {-size} larger"
                )

    @property
    def out_height(self) -> int:
        """Rows of the ofmap."""
        top, bottom, _, _ = self.padding
        return (self.height + top + bottom - self.filter_height) // self.stride + 1

    @property
    def out_width(self) -> int:
        """Columns of the ofmap."""
        _, _, left, right = self.padding
        return (self.width + left + right - self.filter_width) // self.stride + 1

    @property
    def group_channels(self) -> int:
        """Channels that a filter sees."""
        return self.channels // self.groups

    @property
    def depthwise(self) -> bool:
        """Every channel is a group of its own, and there are several."""
        return self.groups == self.channels > 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those with padding included."""
        window = self.filter_height * self.filter_width * self.group_channels
        return window * self.filters * self.out_height * self.out_width


def check_operands(
    design: PEDesign, layer: Layer, ifmap: Words, weights: Words, mode: int = 0
) -> tuple[Words, Words]:
    """Return the operands of a layer if they are such.

    Args:
        ifmap: activations ``[H, W, C]``; for ``fp`` bit patterns.
        weights: codes ``[R, S, C / groups, M]``.

    Raises:
        InputError: if a shape is another, or a value does not fit the mode's width.
    """
    require_int("mode", mode, 0, design.precision_modes - 1)
    precision = design.modes[mode]
    low, high = 0, (1 << precision.act_bits) - 1
    if design.act_signed and design.family != "fp":
        low, high = -(1 << (precision.act_bits - 1)), (1 << (precision.act_bits - 1)) - 1
    shape = (layer.height, layer.width, layer.channels)
    ifmap = require_integers("ifmap", ifmap, low, high, shape)
    filters = (layer.filter_height, layer.filter_width, layer.group_channels, layer.filters)
    top = (1 << precision.weight_bits) - 1
    return ifmap, require_integers("weights", weights, 0, top, filters)


def convolve(design: PEDesign, layer: Layer, ifmap: Words, weights: Words, mode: int = 0) -> Words:
    """The sums of a layer, ``[rows, columns, M]``, wrapped to ``psum_bits``; not for ``fp``.

    Floating-point sums depend on the order, which a tiling decides:
    ``rtl_gen.array.compiler.Program.sums``.

    Raises:
        InputError: as ``check_operands``, or for family ``fp``.
    """
    if design.family == "fp":
        raise InputError("the sums of family fp depend on the tiling")
    ifmap, weights = check_operands(design, layer, ifmap, weights, mode)
    values = decode_weights(design, weights, mode)
    top, bottom, left, right = layer.padding
    padded = np.pad(ifmap, ((top, bottom), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (layer.filter_height, layer.filter_width), axis=(0, 1)
    )[:: layer.stride, :: layer.stride]
    windows = windows.reshape(*windows.shape[:2], layer.groups, layer.group_channels,
                              layer.filter_height, layer.filter_width)  # fmt: skip
    grouped = values.reshape(*values.shape[:3], layer.groups, layer.filters // layer.groups)
    sums = np.einsum("yxgcrs,rscgm->yxgm", windows, grouped, optimize=True)
    return wrap(sums.reshape(layer.out_height, layer.out_width, layer.filters), design.psum_bits)
