"""A whole quantized CNN on a simulated array, layer by layer: every activation, and the accuracy.

A small network in the manner of LeNet (3 x 3 convolutions with 6 and 12 filters, the second with
stride 2; a fully connected layer) is trained in NumPy on scikit-learn's 8 x 8 digits, its weights
and activations are quantized, and each layer is compiled and run on the array's RTL. Activations
must be those of the integer model in NumPy, bit for bit. Classes are read from the last layer's
sums, without bias.

Run: ``python -m benchmarks.array_network [IMAGES]`` (some 2 s an image).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from characterize.array_simulation import ArraySimulator
from rtl_gen.array.compiler import Scales, compile_layer, default_tiling, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer, convolve
from rtl_gen.design import PEDesign
from rtl_gen.encode import encode_weights
from rtl_gen.golden import Words
from rtl_gen.requantize import requantize, scale_word

SEED = 1
EPOCHS = 12
RATE = 0.1
BATCH = 32
TEST_IMAGES = 300
#: Largest pixel.
PIXEL = 16
#: Activations above this quantile of the training images' are clipped.
CLIPPED = 0.999

LAYERS = (
    Layer(channels=1, height=8, width=8, filters=6, filter_height=3, filter_width=3,
          padding=(1, 1, 1, 1)),
    Layer(channels=6, height=8, width=8, filters=12, filter_height=3, filter_width=3, stride=2,
          padding=(1, 1, 1, 1)),
    Layer(channels=12 * 4 * 4, height=1, width=1, filters=10, filter_height=1, filter_width=1),
)  # fmt: skip
DESIGN = ArrayDesign(
    pe=PEDesign.preset("INT8", act_signed=False, ifmap_depth=12, filter_depth=48, psum_depth=6),
    rows=3, columns=4, ifmap_buses=2, psum_buses=2, ifmap_words=512, filter_words=1024,
    psum_words=512,
)  # fmt: skip

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedLayer:
    """A layer with weight codes, and what the output stage does; None: its sums are the result."""

    layer: Layer
    codes: Words
    scales: Scales | None


def digits() -> tuple[Floats, Words, Floats, Words]:
    """Images ``[N, 8, 8, 1]`` in 0..1 and labels, of training and of test."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(images))
    images, labels = images[order].reshape(-1, 8, 8, 1) / PIXEL, labels[order]
    return images[TEST_IMAGES:], labels[TEST_IMAGES:], images[:TEST_IMAGES], labels[:TEST_IMAGES]


def _windows(layer: Layer, inputs: Floats) -> Floats:
    top, bottom, left, right = layer.padding
    padded = np.pad(inputs, ((0, 0), (top, bottom), (left, right), (0, 0)))
    found = np.lib.stride_tricks.sliding_window_view(
        padded, (layer.filter_height, layer.filter_width), axis=(1, 2)
    )[:, :: layer.stride, :: layer.stride]
    return found.transpose(0, 1, 2, 4, 5, 3)


def forward(parameters: Sequence[tuple[Floats, Floats]], images: Floats) -> list[Floats]:
    """What goes into each layer, and the sums of the last."""
    values = [images]
    for index, (layer, (weights, bias)) in enumerate(zip(LAYERS, parameters, strict=True)):
        inputs = values[-1].reshape(len(images), layer.height, layer.width, layer.channels)
        total = np.tensordot(_windows(layer, inputs), weights, 3) + bias
        values.append(total if index == len(LAYERS) - 1 else np.maximum(total, 0))
    return values


def train(images: Floats, labels: Words) -> list[tuple[Floats, Floats]]:
    """Stochastic gradient descent on the cross entropy; the last layer has no bias."""
    generator = np.random.default_rng(SEED)
    parameters = []
    for layer in LAYERS:
        inputs = layer.filter_height * layer.filter_width * layer.channels
        shape = (layer.filter_height, layer.filter_width, layer.channels, layer.filters)
        weights = generator.standard_normal(shape) * np.sqrt(2 / inputs)
        parameters.append((weights, np.zeros(layer.filters)))
    for epoch in range(EPOCHS):
        order = generator.permutation(len(images))
        rate = RATE * (1 - epoch / EPOCHS)
        for first in range(0, len(images) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            values = forward(parameters, images[batch])
            slope = np.exp(values[-1] - values[-1].max(axis=-1, keepdims=True))
            slope /= slope.sum(axis=-1, keepdims=True)
            slope[np.arange(BATCH), 0, 0, labels[batch]] -= 1
            slope /= BATCH
            for index in reversed(range(len(LAYERS))):
                slope = _step(parameters, values, index, slope, rate)
    return parameters


def _step(
    parameters: list[tuple[Floats, Floats]],
    values: list[Floats],
    index: int,
    slope: Floats,
    rate: float,
) -> Floats:
    """Change the parameters of a layer; returns the slope at its input."""
    layer, (weights, bias) = LAYERS[index], parameters[index]
    before = values[index]
    inputs = before.reshape(len(before), layer.height, layer.width, layer.channels)
    change = np.tensordot(_windows(layer, inputs), slope, ((0, 1, 2),) * 2)
    top, bottom, left, right = layer.padding
    back = np.zeros(
        (len(inputs), layer.height + top + bottom, layer.width + left + right, layer.channels)
    )
    rows, columns = (layer.stride * side for side in slope.shape[1:3])
    for y in range(layer.filter_height):
        for x in range(layer.filter_width):
            part = back[:, y : y + rows : layer.stride, x : x + columns : layer.stride]
            part += slope @ weights[y, x].T
    last = index == len(LAYERS) - 1
    parameters[index] = (
        weights - rate * change,
        bias if last else bias - rate * slope.sum(axis=(0, 1, 2)),
    )
    inner = back[:, top : top + layer.height, left : left + layer.width]
    return (inner * (inputs > 0)).reshape(before.shape)


def quantize(
    pe: PEDesign, parameters: Sequence[tuple[Floats, Floats]], images: Floats
) -> list[QuantizedLayer]:
    """Weight codes with a scale for each filter, and scale words for what comes out."""
    values = forward(parameters, images)
    top = (1 << (pe.act_bits - pe.act_signed)) - 1
    steps = [1 / PIXEL, *(float(np.quantile(v[v > 0], CLIPPED)) / top for v in values[1:-1])]
    result = []
    for index, (layer, (weights, bias)) in enumerate(zip(LAYERS, parameters, strict=True)):
        if index == len(LAYERS) - 1:
            encoded = encode_weights(pe, weights)
            result.append(QuantizedLayer(layer=layer, codes=encoded.codes, scales=None))
            break
        encoded = encode_weights(pe, weights, per="channel", axis=3)
        units = steps[index] * encoded.scales.ravel()
        words = np.array([scale_word(float(unit / steps[index + 1])) for unit in units])
        scales = Scales(
            multiplier=words[:, 0], shift=words[:, 1],
            bias=np.rint(bias / units).astype(np.int64), relu=True,
        )  # fmt: skip
        result.append(QuantizedLayer(layer=layer, codes=encoded.codes, scales=scales))
    return result


def expected(pe: PEDesign, network: Sequence[QuantizedLayer], image: Words) -> list[Words]:
    """What comes out of each layer: the integer model."""
    values = []
    for part in network:
        shape = (part.layer.height, part.layer.width, part.layer.channels)
        image = convolve(pe, part.layer, image.reshape(shape), part.codes)
        if part.scales is not None:
            image = requantize(
                image, part.scales.multiplier, part.scales.shift, bias=part.scales.bias,
                relu=part.scales.relu, act_bits=pe.act_bits, act_signed=pe.act_signed,
            )  # fmt: skip
        values.append(image)
    return values


def infer(
    simulator: ArraySimulator, network: Sequence[QuantizedLayer], image: Words, folder: Path
) -> tuple[list[Words], int]:
    """What comes out of each layer on the array, which gets what came out of the one before.

    Returns:
        That, and the cycles of all layers.
    """
    values, cycles = [], 0
    for part in network:
        shape = (part.layer.height, part.layer.width, part.layer.channels)
        tiled = shape_layer(
            simulator.design, part.layer, default_tiling(simulator.design, part.layer)
        )
        program = compile_layer(tiled, image.reshape(shape), part.codes, part.scales)
        result = simulator.run(program, folder)
        image = result.ofmap
        values.append(image)
        cycles += sum(result.cycles)
    return values, cycles


def network_and_images(pe: PEDesign) -> tuple[list[QuantizedLayer], Words, Words]:
    """The quantized network; test images as integers ``[N, 8, 8, 1]``, and their labels."""
    images, labels, test, test_labels = digits()
    network = quantize(pe, train(images, labels), images)
    return network, np.rint(test * PIXEL).astype(np.int64), test_labels


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    pe = DESIGN.pe
    network, images, labels = network_and_images(pe)
    everything: Any = [expected(pe, network, image)[-1].argmax() for image in images]
    print(f"NumPy, {len(images)} images: {100 * np.mean(everything == labels):.1f} %")
    right = same = cycles = 0
    with tempfile.TemporaryDirectory() as name:
        simulator = ArraySimulator(DESIGN, Path(name))
        for image, label in zip(images[:count], labels, strict=False):
            found, taken = infer(simulator, network, image, Path(name))
            wanted = expected(pe, network, image)
            same += all(np.array_equal(*pair) for pair in zip(found, wanted, strict=True))
            right += int(found[-1].argmax() == label)
            cycles += taken
    wanted_share = np.mean(np.array(everything[:count]) == labels[:count])
    print(f"NumPy, the first {count}: {100 * wanted_share:.1f} %")
    print(f"array, the first {count}: {100 * right / count:.1f} %")
    print(f"every activation equal: {same} of {count} images; {cycles / count:.0f} cycles an image")


if __name__ == "__main__":
    main()
