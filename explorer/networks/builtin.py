"""The networks that are built in, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from explorer.networks import classic, mobile, residual, transformers
from explorer.networks.builder import Built


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is made.

    Attributes:
        build: makes it, for a batch of 1.
        source: the paper, and whose variant.
    """

    build: Callable[[], Built]
    source: str


def _recipe(build: Callable[[], Built], source: str) -> Recipe:
    return Recipe(build=build, source=source)


#: Names of the networks to how they are made.
NETWORKS: Mapping[str, Recipe] = {
    "alexnet": _recipe(classic.alexnet, "arXiv:1404.5997, as torchvision has it"),
    "alexnet-caffe": _recipe(
        classic.alexnet_caffe, "Krizhevsky et al., NIPS 2012, as Caffe has it: two groups"
    ),
    "vgg16": _recipe(classic.vgg16, "arXiv:1409.1556, configuration D"),
    "resnet18": _recipe(residual.resnet18, "arXiv:1512.03385"),
    "resnet34": _recipe(residual.resnet34, "arXiv:1512.03385"),
    "resnet50": _recipe(residual.resnet50, "arXiv:1512.03385, v1.5 as torchvision has it"),
    "resnet20-cifar": _recipe(residual.resnet20_cifar, "arXiv:1512.03385, shortcuts A"),
    "resnet56-cifar": _recipe(residual.resnet56_cifar, "arXiv:1512.03385, shortcuts A"),
    "googlenet": _recipe(
        classic.googlenet, "arXiv:1409.4842, as torchvision has it: BatchNorm, 3x3 for 5x5"
    ),
    "googlenet-caffe": _recipe(classic.googlenet_caffe, "arXiv:1409.4842, as Caffe has it"),
    "squeezenet1.0": _recipe(classic.squeezenet1_0, "arXiv:1602.07360"),
    "squeezenet1.1": _recipe(classic.squeezenet1_1, "its authors' version 1.1"),
    "mobilenetv1": _recipe(mobile.mobilenetv1, "arXiv:1704.04861, 1.0 MobileNet-224"),
    "mobilenetv2": _recipe(mobile.mobilenetv2, "arXiv:1801.04381, width 1"),
    "mobilenetv3-large": _recipe(mobile.mobilenetv3_large, "arXiv:1905.02244, as torchvision"),
    "mobilenetv3-small": _recipe(mobile.mobilenetv3_small, "arXiv:1905.02244, as torchvision"),
    "efficientnet-b0": _recipe(mobile.efficientnet_b0, "arXiv:1905.11946"),
    "densenet121": _recipe(residual.densenet121, "arXiv:1608.06993"),
    "bert-base": _recipe(transformers.bert_base, "arXiv:1810.04805, uncased, 128 tokens"),
    "vit-b16": _recipe(transformers.vit_b16, "arXiv:2010.11929"),
    "llm-decoder-prefill": _recipe(
        transformers.llm_decoder_prefill, "a block of Sheared-LLaMA-1.3B, 512 tokens at once"
    ),
    "llm-decoder-decode": _recipe(
        transformers.llm_decoder_decode, "a block of Sheared-LLaMA-1.3B, 1 token that sees 512"
    ),
}
