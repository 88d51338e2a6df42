"""AlexNet, VGG-16, SqueezeNet and GoogLeNet."""

from __future__ import annotations

from collections.abc import Iterable

from explorer.networks.builder import Builder, Built

_IMAGE = (3, 224, 224)
#: Inception modules: filters of 1x1; 3x3, reduced and not; 5x5, reduced and not; after the pool.
_INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def alexnet() -> Built:
    """AlexNet on one device, with torchvision's sizes."""
    net = Builder(input=_IMAGE)
    net.conv("conv1", 64, 11, stride=4, padding=2, bias=True, norm=False)
    net.pool("pool1", "max_pool", 3, 2)
    net.conv("conv2", 192, 5, bias=True, norm=False)
    net.pool("pool2", "max_pool", 3, 2)
    for number, filters in enumerate((384, 256, 256), start=3):
        net.conv(f"conv{number}", filters, 3, bias=True, norm=False)
    net.pool("pool5", "max_pool", 3, 2)
    return _classifier(net, (4096, 4096, 1000), first=6)


def alexnet_caffe() -> Built:
    """AlexNet as published, on 227 x 227 words and with two groups, as Eyeriss ran it."""
    net = Builder(input=(3, 227, 227))
    net.conv("conv1", 96, 11, stride=4, padding=0, bias=True, norm=False)
    net.traffic("norm1", "lrn")
    net.pool("pool1", "max_pool", 3, 2)
    net.conv("conv2", 256, 5, groups=2, bias=True, norm=False)
    net.traffic("norm2", "lrn")
    net.pool("pool2", "max_pool", 3, 2)
    for number, filters, groups in ((3, 384, 1), (4, 384, 2), (5, 256, 2)):
        net.conv(f"conv{number}", filters, 3, groups=groups, bias=True, norm=False)
    net.pool("pool5", "max_pool", 3, 2)
    return _classifier(net, (4096, 4096, 1000), first=6)


def vgg16() -> Built:
    """VGG-16, configuration D."""
    net = Builder(input=_IMAGE)
    stages = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    for stage, (filters, count) in enumerate(stages, start=1):
        for number in range(1, count + 1):
            net.conv(f"conv{stage}_{number}", filters, 3, bias=True, norm=False)
        net.pool(f"pool{stage}", "max_pool", 2, 2)
    return _classifier(net, (4096, 4096, 1000), first=6)


def _classifier(net: Builder, sizes: Iterable[int], first: int) -> Built:
    for number, features in enumerate(sizes, start=first):
        net.linear(f"fc{number}", features)
    return net.done()


def squeezenet1_0() -> Built:
    """SqueezeNet as published."""
    net = Builder(input=_IMAGE)
    net.conv("conv1", 96, 7, stride=2, padding=0, bias=True, norm=False)
    return _fires(net, pooled_after=(1, 4, 8))


def squeezenet1_1() -> Built:
    """SqueezeNet 1.1: a smaller first layer, and pools that come earlier."""
    net = Builder(input=_IMAGE)
    net.conv("conv1", 64, 3, stride=2, padding=0, bias=True, norm=False)
    return _fires(net, pooled_after=(1, 3, 5))


def _fires(net: Builder, pooled_after: Iterable[int]) -> Built:
    """The fire modules 2 to 9, and the classifier.

    Args:
        pooled_after: numbers of modules that a pool follows; 1 is the first layer.
    """
    squeezed = dict(enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2))
    for number in range(1, 10):
        if number in squeezed:
            filters, fire = squeezed[number], f"fire{number}"
            squeeze = net.conv(f"{fire}.squeeze", filters, bias=True, norm=False)
            parts = [
                net.conv(f"{fire}.expand{size}x{size}", 4 * filters, size, bias=True, norm=False,
                         source=squeeze)
                for size in (1, 3)
            ]  # fmt: skip
            net.concat(f"{fire}.concat", *parts)
        if number in pooled_after:
            net.pool(f"pool{number}", "max_pool", 3, 2, ceil=True)
    net.conv("conv10", 1000, bias=True, norm=False)
    net.global_pool()
    return net.done()


def googlenet() -> Built:
    """GoogLeNet as torchvision has it: with BatchNorm, and 3x3 filters where 5x5 were."""
    return _googlenet(largest=3, norm=True)


def googlenet_caffe() -> Built:
    """GoogLeNet as published: with biases, local response normalisation and 5x5 filters."""
    return _googlenet(largest=5, norm=False)


def _googlenet(*, largest: int, norm: bool) -> Built:
    """Inference: without the auxiliary classifiers.

    Args:
        largest: the size of the largest filters of a module.
        norm: BatchNorm follows every convolution, which then has no bias.
    """
    net = Builder(input=_IMAGE)
    net.conv("conv1", 64, 7, stride=2, norm=norm, bias=not norm)
    net.pool("pool1", "max_pool", 3, 2, ceil=True)
    if not norm:
        net.traffic("norm1", "lrn")
    net.conv("conv2", 64, norm=norm, bias=not norm)
    net.conv("conv3", 192, 3, norm=norm, bias=not norm)
    if not norm:
        net.traffic("norm3", "lrn")
    net.pool("pool3", "max_pool", 3, 2, ceil=True)
    for name, filters in _INCEPTIONS.items():
        _inception(net, f"inception{name}", filters, largest=largest, norm=norm)
        if name in ("3b", "4e"):
            net.pool(f"pool{name}", "max_pool", 3 if name == "3b" or not norm else 2, 2, ceil=True)
    net.global_pool()
    net.linear("fc", 1000)
    return net.done()


def _inception(
    net: Builder, name: str, filters: tuple[int, int, int, int, int, int], *, largest: int,
    norm: bool,
) -> None:  # fmt: skip
    source = net.last
    one, reduced, three, reduced_more, five, pooled = filters

    def conv(branch: str, count: int, size: int = 1, source: str | None = None) -> str:
        return net.conv(f"{name}.{branch}", count, size, norm=norm, bias=not norm, source=source)

    branches = [conv("branch1", one, source=source)]
    conv("branch2.0", reduced, source=source)
    branches.append(conv("branch2.1", three, 3))
    conv("branch3.0", reduced_more, source=source)
    branches.append(conv("branch3.1", five, largest))
    net.pool(f"{name}.branch4.0", "max_pool", 3, 1, padding=1, source=source)
    branches.append(conv("branch4.1", pooled))
    net.concat(f"{name}.concat", *branches)
