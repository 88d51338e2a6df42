"""Writes the layers of a network down one after another, with the sizes that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from explorer.networks.layer import Layer, LayerShape, Traffic


class Extent(NamedTuple):
    """What a layer makes: channels, height and width; of tokens features, tokens and 1."""

    channels: int
    height: int
    width: int

    @property
    def words(self) -> int:
        """Words of it."""
        return self.channels * self.height * self.width


@dataclass(frozen=True, kw_only=True)
class Built:
    """Layers, and the names of what they need from outside."""

    layers: tuple[Layer | Traffic, ...]
    inputs: tuple[str, ...]


class Builder:
    """A network that grows; each method adds a layer and returns its name.

    ``source`` is the name of the layer that is read, by default the last.

    Args:
        inputs: names of the network's inputs to their extents.
    """

    def __init__(self, **inputs: tuple[int, int, int]) -> None:
        self._inputs = tuple(inputs)
        self._layers: list[Layer | Traffic] = []
        self.extents = {name: Extent(*extent) for name, extent in inputs.items()}
        self.last = self._inputs[0]

    def done(self) -> Built:
        """The layers so far."""
        return Built(layers=tuple(self._layers), inputs=self._inputs)

    def _add(self, layer: Layer | Traffic, extent: tuple[int, int, int]) -> str:
        self._layers.append(layer)
        self.extents[layer.name] = Extent(*extent)
        self.last = layer.name
        return layer.name

    def conv(
        self,
        name: str,
        filters: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
        norm: bool = True,
        source: str | None = None,
    ) -> str:
        """A convolution, with its activation.

        Args:
            filters: of all groups.
            padding: on each side; None for as much as keeps the size at stride 1.
            norm: BatchNorm follows and is fused: scale and shift of each filter.
        """
        source = source or self.last
        extent = self.extents[source]
        rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        above, left = (rows // 2, columns // 2) if padding is None else (padding, padding)
        shape = LayerShape(
            groups=groups, filters=filters // groups, channels=extent.channels // groups,
            height=extent.height, width=extent.width, filter_height=rows, filter_width=columns,
            stride_height=stride, stride_width=stride, padding=(above, above, left, left),
        )  # fmt: skip
        layer = Layer(
            name=name, shape=shape, inputs=(source,), bias=bias,
            fused_parameters=2 * filters if norm else 0,
        )  # fmt: skip
        return self._add(layer, (filters, shape.out_height, shape.out_width))

    def linear(
        self, name: str, features: int, *, bias: bool = True, source: str | None = None
    ) -> str:
        """A fully-connected layer: of every token, if the source has tokens, else of all words."""
        source = source or self.last
        extent = self.extents[source]
        if extent.width > 1:  # an image: the flattened one
            extent = Extent(extent.words, 1, 1)
        shape = LayerShape(filters=features, channels=extent.channels, height=extent.height,
                           width=1)  # fmt: skip
        layer = Layer(name=name, shape=shape, inputs=(source,), bias=bias)
        return self._add(layer, (features, extent.height, 1))

    def product(
        self, name: str, first: str, second: Sequence[str], *, heads: int, channels: int,
        filters: int,
    ) -> str:  # fmt: skip
        """Products of matrices of which both are computed, one for each head.

        Args:
            first: the layer that makes the rows; its features are those of all heads.
            second: the layers that make the other matrix.
            channels, filters: rows and columns of the other matrix.
        """
        rows = self.extents[first].height
        shape = LayerShape(groups=heads, filters=filters, channels=channels, height=rows, width=1)
        layer = Layer(name=name, shape=shape, inputs=(first, *second), weights_are_activations=True)
        return self._add(layer, (heads * filters, rows, 1))

    def traffic(
        self,
        name: str,
        kind: str,
        *sources: str,
        extent: tuple[int, int, int] | None = None,
        input_words: int | None = None,
        parameters: int = 0,
    ) -> str:
        """A layer without MACs.

        Args:
            extent: of the result; None for that of the first source.
            input_words: None for all words of all sources.
        """
        sources = sources or (self.last,)
        extent = extent or self.extents[sources[0]]
        if input_words is None:
            input_words = sum(self.extents[source].words for source in sources)
        layer = Traffic(
            name=name, kind=kind, inputs=sources, input_words=input_words,
            output_words=prod(extent), parameters=parameters,
        )  # fmt: skip
        return self._add(layer, extent)

    def pool(
        self,
        name: str,
        kind: str,
        kernel: int,
        stride: int,
        *,
        padding: int = 0,
        ceil: bool = False,
        source: str | None = None,
    ) -> str:
        """A pooling layer.

        Args:
            ceil: whether a window that is cut off at the end counts.
        """
        source = source or self.last
        channels, *sizes = self.extents[source]
        height, width = (_pooled(size + 2 * padding, kernel, stride, ceil) for size in sizes)
        return self.traffic(name, kind, source, extent=(channels, height, width))

    def global_pool(self, name: str = "avgpool", source: str | None = None) -> str:
        """The mean of every channel."""
        source = source or self.last
        extent = (self.extents[source].channels, 1, 1)
        return self.traffic(name, "global_avg_pool", source, extent=extent)

    def concat(self, name: str, *sources: str) -> str:
        """The channels of all sources."""
        _, height, width = self.extents[sources[0]]
        channels = sum(self.extents[source].channels for source in sources)
        return self.traffic(name, "concat", *sources, extent=(channels, height, width))

    def norm(self, name: str, kind: str, source: str | None = None) -> str:
        """A normalisation that is not fused; ``rms_norm`` has no shift."""
        source = source or self.last
        each = 1 if kind == "rms_norm" else 2
        return self.traffic(name, kind, source, parameters=each * self.extents[source].channels)


def _pooled(size: int, kernel: int, stride: int, ceil: bool) -> int:
    """Rows or columns of a pooled map. With ``ceil`` a last window begins inside the map."""
    if not ceil:
        return (size - kernel) // stride + 1
    return -((kernel - size) // stride) + 1
