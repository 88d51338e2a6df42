"""Make the trace that operands of kind ``dnn`` are drawn from: a small CNN on Fashion-MNIST.

Three 3 x 3 convolutions (12, 16, 32 filters; strides 1, 2, 2; padding 1; ReLU) and a fully
connected layer are trained in NumPy, in float32, on one core. The float network is recorded:
weights of the convolutions, and what goes into each for the first test image of each class.
Quantization comes after training, when operands are drawn; the accuracies printed are with it.

Run: ``python -m benchmarks.traces`` (some 2 minutes). Writes ``rtl_gen/data/fashion_mnist_cnn.npz``
and prints the SHA-256 that belongs into ``rtl_gen/traces.py``. The seed is fixed: one machine makes
the same file each time, another may round differently.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rtl_gen.design import PEDesign
from rtl_gen.encode import decode, encode_weights
from rtl_gen.traces import ACTIVATION_TOP, PATH, SHA256

DATASET = Path("/usr/share/datasets/fashion-mnist")
PACKAGE = "dataset-fashion-mnist"
SEED = 1
EPOCHS = 6
BATCH = 128
RATE = 2e-3
#: Filters and stride of each convolution.
CONVOLUTIONS = ((12, 1), (16, 2), (32, 2))
TAPS = 3
CLASSES = 10
#: Activations above this quantile of the training images' are clipped: of a tensor's scale.
CLIPPED = 0.9995
CALIBRATION_IMAGES = 1000
DESIGNS = ("INT16", "INT8", "INT4", "LightPE-2", "LightPE-1", "BF16")

Array = NDArray[np.float32]
#: Maps the input of a layer to what the layer sees.
Quantizer = Callable[[int, Array], Array]


def read_images(part: str) -> tuple[Array, NDArray[np.int64]]:
    """Images, float32 in 0..1, ``[N, 28, 28, 1]``, and labels of ``train`` or ``t10k``."""
    images = _read_idx(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    labels = _read_idx(f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return images.astype(np.float32) / np.float32(255), labels


def _read_idx(name: str, header_bytes: int) -> NDArray[np.uint8]:
    path = DATASET / name
    if not path.exists():
        sys.exit(f"{path} is missing: apt-get install {PACKAGE}")
    return np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8)[header_bytes:]


def initial(generator: np.random.Generator) -> list[Array]:
    """Weights ``[tap, tap, channel, filter]`` and biases of each layer, in turn."""
    parameters: list[Array] = []
    channels, side = 1, 28
    for filters, stride in CONVOLUTIONS:
        deviation = np.sqrt(2 / (TAPS * TAPS * channels))
        shape = (TAPS, TAPS, channels, filters)
        parameters += [_normal(generator, deviation, shape), np.zeros(filters, np.float32)]
        channels, side = filters, -(-side // stride)
    inputs = channels * side * side
    parameters += [_normal(generator, np.sqrt(1 / inputs), (inputs, CLASSES))]
    return [*parameters, np.zeros(CLASSES, np.float32)]


def _normal(generator: np.random.Generator, deviation: float, shape: tuple[int, ...]) -> Array:
    return (generator.standard_normal(shape) * deviation).astype(np.float32)


def _columns(inputs: Array, stride: int) -> Array:
    """The windows of a convolution with padding 1, ``[N, H', W', tap, tap, channel]``."""
    padded = np.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (TAPS, TAPS), axis=(1, 2))
    return np.ascontiguousarray(windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3))


def forward(
    parameters: list[Array], images: Array, quantize: Quantizer | None = None
) -> tuple[list[Array], list[Array], Array]:
    """Inputs and windows of each convolution (last: the features), and the logits."""
    inputs, windows, value = [], [], images
    for layer, (_filters, stride) in enumerate(CONVOLUTIONS):
        value = quantize(layer, value) if quantize else value
        weights, bias = parameters[2 * layer : 2 * layer + 2]
        inputs.append(value)
        windows.append(_columns(value, stride))
        value = np.maximum(np.tensordot(windows[-1], weights, 3) + bias, 0)
    value = quantize(len(CONVOLUTIONS), value) if quantize else value
    inputs.append(value)
    return inputs, windows, value.reshape(len(value), -1) @ parameters[-2] + parameters[-1]


def gradients(parameters: list[Array], images: Array, labels: NDArray[np.int64]) -> list[Array]:
    """Of the mean cross entropy, for each parameter."""
    inputs, windows, logits = forward(parameters, images)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    slope = odds / odds.sum(axis=1, keepdims=True)
    slope[np.arange(len(labels)), labels] -= 1
    slope /= len(labels)
    features = inputs[-1]
    found = [slope.sum(axis=0), features.reshape(len(features), -1).T @ slope]
    back = (slope @ parameters[-2].T).reshape(features.shape) * (features > 0)
    for layer in reversed(range(len(CONVOLUTIONS))):
        found += [back.sum(axis=(0, 1, 2)), np.tensordot(windows[layer], back, ((0, 1, 2),) * 2)]
        if layer:
            back = _spread(back, parameters[2 * layer], inputs[layer], CONVOLUTIONS[layer][1])
    return found[::-1]


def _spread(back: Array, weights: Array, inputs: Array, stride: int) -> Array:
    """The slope at the inputs of a convolution, which came out of a ReLU."""
    count, height, width, channels = inputs.shape
    padded = np.zeros((count, height + 2, width + 2, channels), np.float32)
    rows, columns = (stride * side for side in back.shape[1:3])
    for y in range(TAPS):
        for x in range(TAPS):
            part = padded[:, y : y + rows : stride, x : x + columns : stride]
            part += back @ weights[y, x].T
    return padded[:, 1:-1, 1:-1] * (inputs > 0)


def train(images: Array, labels: NDArray[np.int64]) -> list[Array]:
    """Adam, with a learning rate that falls to zero along a line."""
    generator = np.random.default_rng(SEED)
    parameters = initial(generator)
    means = [np.zeros_like(array) for array in parameters]
    squares = [np.zeros_like(array) for array in parameters]
    steps, step = EPOCHS * (len(images) // BATCH), 0
    for epoch in range(EPOCHS):
        begin = time.perf_counter()
        order = generator.permutation(len(images))
        for first in range(0, len(images) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            step += 1
            rate = RATE * (1 - (step - 1) / steps)
            rate *= np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            found = gradients(parameters, images[batch], labels[batch])
            for index, slope in enumerate(found):
                means[index] += np.float32(0.1) * (slope - means[index])
                squares[index] += np.float32(0.001) * (slope * slope - squares[index])
                change = means[index] / (np.sqrt(squares[index]) + np.float32(1e-8))
                parameters[index] -= np.float32(rate) * change
        print(f"epoch {epoch + 1} of {EPOCHS}: {time.perf_counter() - begin:.0f} s", flush=True)
    return parameters


def predict(
    parameters: list[Array], images: Array, quantize: Quantizer | None = None
) -> NDArray[np.int64]:
    parts = np.array_split(images, -(-len(images) // 500))
    return np.concatenate([forward(parameters, part, quantize)[2].argmax(1) for part in parts])


def activation_scales(parameters: list[Array], images: Array) -> list[float]:
    """The largest activation of each layer's input that is not clipped; 1 for images."""
    inputs = forward(parameters, images)[0]
    return [1.0] + [float(np.quantile(values[values > 0], CLIPPED)) for values in inputs[1:]]


def quantized_accuracy(
    name: str,
    parameters: list[Array],
    scales: list[float],
    images: Array,
    labels: NDArray[np.int64],
) -> float:
    """Accuracy with weights and activations as a preset has them."""
    design = PEDesign.preset(name)
    quantized = [
        decode(design, encode_weights(design, array, scale="mse")).astype(np.float32)
        if array.ndim > 1
        else array
        for array in parameters
    ]
    top = (1 << (design.act_bits - design.act_signed)) - 1

    def quantize(layer: int, values: Array) -> Array:
        if design.family == "fp":
            return values
        step = np.float32(scales[layer] / top)
        levels: Array = np.rint(np.minimum(values / step, top))
        return levels * step

    return float((predict(quantized, images, quantize) == labels).mean())


def record(parameters: list[Array], scales: list[float], images: Array) -> dict[str, NDArray[Any]]:
    """What ``rtl_gen.traces`` reads: activations as 16-bit fractions of the layer's scale."""
    inputs = forward(parameters, images)[0]
    content: dict[str, NDArray[Any]] = {}
    for layer in range(len(CONVOLUTIONS)):
        fractions = np.minimum(inputs[layer] / scales[layer], 1)
        name = f"conv{layer + 1}"
        content[f"{name}_activations"] = np.rint(fractions * ACTIVATION_TOP).astype(np.uint16)
        content[f"{name}_scale"] = np.array(scales[layer])
        content[f"{name}_weights"] = parameters[2 * layer]
    return content


def main() -> None:
    images, labels = read_images("train")
    test_images, test_labels = read_images("t10k")
    with threadpool_limits(1):
        parameters = train(images, labels)
        accuracy = (predict(parameters, test_images) == test_labels).mean()
        print(f"accuracy on 10,000 test images: float {100 * accuracy:.1f} %")
        scales = activation_scales(parameters, images[:CALIBRATION_IMAGES])
        for name in DESIGNS:
            share = quantized_accuracy(name, parameters, scales, test_images, test_labels)
            print(f"  quantized as {name:10} {100 * share:.1f} %", flush=True)
        firsts = [int(np.argmax(test_labels == label)) for label in range(CLASSES)]
        content = record(parameters, scales, test_images[firsts])
    PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(PATH, allow_pickle=False, **content)
    for name, array in content.items():
        zeros = f", {100 * (array == 0).mean():.1f} % zero" if "activations" in name else ""
        print(f"{name}: {array.dtype} {list(array.shape)}{zeros}")
    digest = hashlib.sha256(PATH.read_bytes()).hexdigest()
    print(f"wrote {PATH}, {PATH.stat().st_size} bytes, SHA-256 {digest}")
    if digest != SHA256:
        print(f"next: set SHA256 in rtl_gen/traces.py to {digest}")


if __name__ == "__main__":
    main()
