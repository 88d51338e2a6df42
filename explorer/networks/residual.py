"""ResNets for ImageNet and CIFAR, and DenseNet-121."""

from __future__ import annotations

from explorer.networks.builder import Builder, Built

#: Filters of the stages of a ResNet for ImageNet, before the bottleneck's factor.
_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4
_GROWTH = 32


def resnet18() -> Built:
    """ResNet-18."""
    return _resnet((2, 2, 2, 2), bottleneck=False)


def resnet34() -> Built:
    """ResNet-34."""
    return _resnet((3, 4, 6, 3), bottleneck=False)


def resnet50() -> Built:
    """ResNet-50, with the stride in the 3x3 convolution (v1.5), as torchvision has it."""
    return _resnet((3, 4, 6, 3), bottleneck=True)


def _resnet(blocks: tuple[int, ...], *, bottleneck: bool) -> Built:
    net = Builder(input=(3, 224, 224))
    net.conv("conv1", 64, 7, stride=2)
    net.pool("maxpool", "max_pool", 3, 2, padding=1)
    for stage, (filters, count) in enumerate(zip(_WIDTHS, blocks, strict=True), start=1):
        for number in range(count):
            stride = 2 if stage > 1 and number == 0 else 1
            _block(net, f"layer{stage}.{number}", filters, stride, bottleneck=bottleneck)
    net.global_pool()
    net.linear("fc", 1000)
    return net.done()


def _block(net: Builder, name: str, filters: int, stride: int, *, bottleneck: bool) -> None:
    """A residual block; where the sizes change, a 1x1 convolution is on the way around it."""
    around = source = net.last
    made = filters * _EXPANSION if bottleneck else filters
    if bottleneck:
        net.conv(f"{name}.conv1", filters)
        net.conv(f"{name}.conv2", filters, 3, stride=stride)
        main = net.conv(f"{name}.conv3", made)
    else:
        net.conv(f"{name}.conv1", filters, 3, stride=stride)
        main = net.conv(f"{name}.conv2", filters, 3)
    if stride > 1 or net.extents[source].channels != made:
        around = net.conv(f"{name}.downsample", made, stride=stride, source=source)
    net.traffic(f"{name}.add", "add", main, around)


def resnet20_cifar() -> Built:
    """ResNet-20 for CIFAR-10."""
    return _resnet_cifar(3)


def resnet56_cifar() -> Built:
    """ResNet-56 for CIFAR-10."""
    return _resnet_cifar(9)


def _resnet_cifar(blocks: int) -> Built:
    """Three stages of so many blocks; shortcuts without parameters (option A).

    Where the sizes change, the shortcut is every other word of the source, and zeros in the
    channels that are new: the addition reads only the words that there are.
    """
    net = Builder(input=(3, 32, 32))
    net.conv("conv1", 16, 3)
    for stage, filters in enumerate((16, 32, 64), start=1):
        for number in range(blocks):
            name, source = f"layer{stage}.{number}", net.last
            stride = 2 if stage > 1 and number == 0 else 1
            net.conv(f"{name}.conv1", filters, 3, stride=stride)
            main = net.conv(f"{name}.conv2", filters, 3)
            words = net.extents[main].words + net.extents[source].words // stride**2
            net.traffic(f"{name}.add", "add", main, source, input_words=words)
    net.global_pool()
    net.linear("fc", 10)
    return net.done()


def densenet121() -> Built:
    """DenseNet-121: growth 32, bottlenecks of 128 channels, transitions that halve.

    BatchNorm comes before the convolutions: the one on a concatenation cannot be fused into the
    layers that made it and is traffic; the one between the two convolutions is fused.
    """
    net = Builder(input=(3, 224, 224))
    net.conv("conv0", 64, 7, stride=2)
    net.pool("pool0", "max_pool", 3, 2, padding=1)
    for block, count in enumerate((6, 12, 24, 16), start=1):
        parts = [net.last]
        for number in range(1, count + 1):
            name = f"denseblock{block}.denselayer{number}"
            if number > 1:
                net.concat(f"{name}.concat", *parts)
            net.norm(f"{name}.norm1", "batch_norm")
            net.conv(f"{name}.conv1", 4 * _GROWTH)
            parts.append(net.conv(f"{name}.conv2", _GROWTH, 3, norm=False))
        net.concat(f"denseblock{block}.concat", *parts)
        if block < 4:
            net.norm(f"transition{block}.norm", "batch_norm")
            channels = net.extents[net.last].channels
            net.conv(f"transition{block}.conv", channels // 2, norm=False)
            net.pool(f"transition{block}.pool", "avg_pool", 2, 2)
    net.norm("norm5", "batch_norm")
    net.global_pool()
    net.linear("classifier", 1000)
    return net.done()
