"""MobileNetV1, V2 and V3, and EfficientNet-B0."""

from __future__ import annotations

from typing import NamedTuple

from explorer.networks.builder import Builder, Built

_IMAGE = (3, 224, 224)


class _Block(NamedTuple):
    """An inverted residual block: expand, filter each channel, squeeze and excite, project.

    Attributes:
        kernel, stride: of the depthwise convolution.
        expanded: its channels; those of the source for no expansion.
        filters: of the projection.
        squeezed: channels in the middle of squeeze and excitation; 0 for none.
    """

    kernel: int
    stride: int
    expanded: int
    filters: int
    squeezed: int = 0


def mobilenetv1() -> Built:
    """MobileNetV1 of width 1."""
    net = Builder(input=_IMAGE)
    net.conv("conv1", 32, 3, stride=2)
    stages = (
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2),
        (1024, 1),
    )  # fmt: skip
    for number, (filters, stride) in enumerate(stages, start=2):
        channels = net.extents[net.last].channels
        net.conv(f"conv{number}.dw", channels, 3, stride=stride, groups=channels)
        net.conv(f"conv{number}.pw", filters)
    net.global_pool()
    net.linear("fc", 1000)
    return net.done()


def mobilenetv2() -> Built:
    """MobileNetV2 of width 1."""
    stages = (  # expansion, filters, blocks, stride of the first
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )  # fmt: skip
    blocks, channels = [], 32
    for expansion, filters, count, stride in stages:
        for number in range(count):
            blocks.append(_Block(3, 1 if number else stride, expansion * channels, filters))
            channels = filters
    net = _features(32, blocks, 1280)
    net.linear("classifier", 1000)
    return net.done()


def mobilenetv3_large() -> Built:
    """MobileNetV3-Large of width 1."""
    blocks = [
        _Block(3, 1, 16, 16), _Block(3, 2, 64, 24), _Block(3, 1, 72, 24), _Block(5, 2, 72, 40, 24),
        _Block(5, 1, 120, 40, 32), _Block(5, 1, 120, 40, 32), _Block(3, 2, 240, 80),
        _Block(3, 1, 200, 80), _Block(3, 1, 184, 80), _Block(3, 1, 184, 80),
        _Block(3, 1, 480, 112, 120), _Block(3, 1, 672, 112, 168), _Block(5, 2, 672, 160, 168),
        _Block(5, 1, 960, 160, 240), _Block(5, 1, 960, 160, 240),
    ]  # fmt: skip
    net = _features(16, blocks, 960)
    net.linear("classifier.0", 1280)
    net.linear("classifier.3", 1000)
    return net.done()


def mobilenetv3_small() -> Built:
    """MobileNetV3-Small of width 1."""
    blocks = [
        _Block(3, 2, 16, 16, 8), _Block(3, 2, 72, 24), _Block(3, 1, 88, 24),
        _Block(5, 2, 96, 40, 24), _Block(5, 1, 240, 40, 64), _Block(5, 1, 240, 40, 64),
        _Block(5, 1, 120, 48, 32), _Block(5, 1, 144, 48, 40), _Block(5, 2, 288, 96, 72),
        _Block(5, 1, 576, 96, 144), _Block(5, 1, 576, 96, 144),
    ]  # fmt: skip
    net = _features(16, blocks, 576)
    net.linear("classifier.0", 1024)
    net.linear("classifier.3", 1000)
    return net.done()


def efficientnet_b0() -> Built:
    """EfficientNet-B0; squeeze and excitation is to a quarter of a block's input channels."""
    stages = (  # expansion, kernel, stride of the first, filters, blocks
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
    )  # fmt: skip
    blocks, channels = [], 32
    for expansion, kernel, stride, filters, count in stages:
        for number in range(count):
            expanded = expansion * channels
            step = 1 if number else stride
            blocks.append(_Block(kernel, step, expanded, filters, channels // 4))
            channels = filters
    net = _features(32, blocks, 1280)
    net.linear("classifier", 1000)
    return net.done()


def _features(first: int, blocks: list[_Block], last: int) -> Builder:
    """All but the classifier.

    Args:
        first, last: filters of the first and the last convolution.
    """
    net = Builder(input=_IMAGE)
    net.conv("features.0", first, 3, stride=2)
    for number, block in enumerate(blocks, start=1):
        _add_block(net, f"features.{number}", block)
    net.conv(f"features.{len(blocks) + 1}", last)
    net.global_pool()
    return net


def _add_block(net: Builder, name: str, block: _Block) -> None:
    source = net.last
    channels = net.extents[source].channels
    if block.expanded != channels:
        net.conv(f"{name}.expand", block.expanded)
    filtered = net.conv(
        f"{name}.depthwise", block.expanded, block.kernel, stride=block.stride,
        groups=block.expanded,
    )  # fmt: skip
    if block.squeezed:
        net.global_pool(f"{name}.se.pool")
        net.linear(f"{name}.se.fc1", block.squeezed)
        net.linear(f"{name}.se.fc2", block.expanded)
        net.traffic(f"{name}.se.mul", "mul", filtered, net.last)
    main = net.conv(f"{name}.project", block.filters)
    if block.stride == 1 and channels == block.filters:
        net.traffic(f"{name}.add", "add", main, source)
