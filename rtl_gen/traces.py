"""Activations and weights of a real network: what operands of kind ``dnn`` are drawn from.

The network is a small CNN trained on Fashion-MNIST (``python -m benchmarks.traces`` makes the file,
and says how). Imports no Amaranth.
"""

from __future__ import annotations

import functools
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtl_gen.errors import InputError

Floats = NDArray[np.float64]

PATH = Path(__file__).parent / "data" / "fashion_mnist_cnn.npz"
#: Of that file. It is part of the code, so that results can tell which trace they came from.
SHA256 = "896481d6d9d847a48612508938bf5f59884ba3d2c3cc5632b90f56e700ccb56a"
LAYERS = ("conv1", "conv2", "conv3")
#: The stored activation that stands for the layer's scale.
ACTIVATION_TOP = (1 << 16) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """What was recorded of one convolution.

    Attributes:
        activations: inputs of the convolution as fractions of ``scale``, 0..1,
            ``[images, rows, columns, channels]``; of the first layer, pixels.
        scale: the number that a fraction of 1 stands for; larger ones were clipped.
        weights: ``[filter rows, filter columns, channels, filters]``.
    """

    activations: Floats
    scale: float
    weights: Floats

    @property
    def channels(self) -> int:
        """Input channels."""
        return int(self.weights.shape[2])

    @property
    def zero_share(self) -> float:
        """Of the activations, 0..1."""
        return float(np.mean(self.activations == 0))


@functools.cache
def load_layers(path: Path = PATH) -> tuple[Layer, ...]:
    """The recorded layers, from the first.

    Raises:
        InputError: if the file is not there, or not the one that belongs to this version.
    """
    again = "install peforge again, or run python -m benchmarks.traces"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"trace {path} cannot be read ({error.strerror}): {again}") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise InputError(f"trace {path} is damaged: its SHA-256 is not {SHA256[:12]}...: {again}")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return tuple(
            Layer(
                activations=arrays[f"{name}_activations"] / ACTIVATION_TOP,
                scale=float(arrays[f"{name}_scale"]),
                weights=arrays[f"{name}_weights"].astype(np.float64),
            )
            for name in LAYERS
        )


class Window:
    """A place in the recorded network: neighbouring channels of one layer, anywhere in its images.

    A layer is drawn among those with enough channels, or among the widest if none has. More
    channels than a layer has are those of other places, and so are more filters and filter columns.

    Args:
        channels: of the primitive.
        generator: what draws the layer and all places in it.
    """

    #: Windows to choose from. The measured row of a PE has a few columns, which can lie in an empty
    #: corner of an image: the one whose share of zeros is nearest to the layer's is taken.
    _TRIES = 8

    def __init__(self, channels: int, generator: np.random.Generator) -> None:
        layers = load_layers()
        enough = min(channels, max(layer.channels for layer in layers))
        wide = [layer for layer in layers if layer.channels >= enough]
        self.layer = wide[generator.integers(len(wide))]
        self._generator = generator
        first = generator.integers(max(0, self.layer.channels - channels), endpoint=True)
        self._block, self._channel = divmod(first + np.arange(channels), self.layer.channels)

    def activations(self, columns: int) -> Floats:
        """Neighbouring columns of a row; where it ends, of the next rows, and of the next images.

        Returns:
            Fractions of the layer's scale, 0..1, ``[columns, channels]``.
        """
        tries = [self._activations(columns) for _ in range(self._TRIES)]
        share = self.layer.zero_share
        return min(tries, key=lambda values: abs(float(np.mean(values == 0)) - share))

    def _activations(self, columns: int) -> Floats:
        images, rows, width, channels = self.layer.activations.shape
        raster = self.layer.activations.reshape(-1, channels)
        places = 1 + int(self._block[-1])
        row = self._generator.integers(images * rows, size=places)
        start = self._generator.integers(max(0, width - columns), size=places, endpoint=True)
        position = (row * width + start)[self._block] + np.arange(columns)[:, None]
        values: Floats = raster[position % len(raster), self._channel]
        return values

    def weights(self, width: int, filters: int) -> Floats:
        """Weights of one filter row: neighbouring columns and filters.

        Returns:
            Weights as the network has them, ``[width, channels, filters]``.
        """
        rows, columns, _channels, count = self.layer.weights.shape
        start = self._generator.integers(max(0, columns - width), endpoint=True)
        column_block, column = divmod(start + np.arange(width), columns)
        first = self._generator.integers(max(0, count - filters), endpoint=True)
        filter_block, kept = divmod(first + np.arange(filters), count)
        blocks = (column_block, self._block, filter_block)
        row = self._generator.integers(rows, size=[1 + int(block[-1]) for block in blocks])
        values: Floats = self.layer.weights[
            row[np.ix_(*blocks)], *np.ix_(column, self._channel, kept)
        ]
        return values
