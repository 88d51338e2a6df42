"""The built-in networks against published counts of parameters and MACs."""

from __future__ import annotations

from pathlib import Path

import pytest

from explorer.networks.builtin import NETWORKS
from explorer.networks.layer import Layer
from explorer.networks.network import Network, load_network
from explorer.networks.transformers import bert_base, llm_decoder_decode, llm_decoder_prefill

#: Parameters and 10**9 MACs that torchvision states: ``num_params`` and ``_ops`` of the weights'
#: ``meta``, in its documentation "num_params" and "GFLOPS", which are MACs.
TORCHVISION = {
    "alexnet": (61_100_840, "0.714"),
    "vgg16": (138_357_544, "15.470"),
    "resnet18": (11_689_512, "1.814"),
    "resnet34": (21_797_672, "3.664"),
    "resnet50": (25_557_032, "4.089"),
    "googlenet": (6_624_904, "1.498"),
    "squeezenet1.0": (1_248_424, "0.819"),
    "squeezenet1.1": (1_235_496, "0.349"),
    "mobilenetv2": (3_504_872, "0.301"),
    "mobilenetv3-large": (5_483_032, "0.217"),
    "mobilenetv3-small": (2_542_856, "0.057"),
    "efficientnet-b0": (5_288_548, "0.386"),
    "densenet121": (7_978_856, "2.834"),
    "vit-b16": (86_567_656, "17.564"),
}
#: Parameters, and 10**6 MACs where they are published.
OTHERS = {
    # Parameters of bvlc_alexnet.caffemodel. MACs: Sze et al., "Efficient Processing of Deep Neural
    # Networks", Proc. IEEE 2017, table II: 666 M of convolutions and 58.6 M.
    "alexnet-caffe": (60_965_224, "724"),
    # Parameters of bvlc_googlenet.caffemodel.
    "googlenet-caffe": (6_998_552, None),
    # Keras's "trainable params"; MACs: arXiv:1704.04861, table 4.
    "mobilenetv1": (4_231_976, "569"),
    # github.com/akamaster/pytorch_resnet_cifar10; the paper says 0.27 M and 0.85 M.
    "resnet20-cifar": (269_722, "41"),
    # MACs: arXiv:2002.10179 (HRank), table 2: 125.49 M.
    "resnet56-cifar": (853_018, "125"),
    # `BertModel` of bert-base-uncased.
    "bert-base": (109_482_240, None),
}


#: Layers that read the first token only, or parameters too.
CHOICES = ("pooler", "head", "class_token", "pos_embedding")


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {name: load_network(name) for name in NETWORKS}


@pytest.mark.parametrize("name", TORCHVISION)
def test_counts_are_torchvisions(networks: dict[str, Network], name: str) -> None:
    parameters, macs = TORCHVISION[name]
    assert networks[name].parameters == parameters
    assert f"{networks[name].macs / 1e9:.3f}" == macs


@pytest.mark.parametrize("name", OTHERS)
def test_counts_are_published_ones(networks: dict[str, Network], name: str) -> None:
    parameters, macs = OTHERS[name]
    assert networks[name].parameters == parameters
    if macs is not None:
        assert f"{networks[name].macs / 1e6:.0f}" == macs


def test_every_network_has_a_known_count() -> None:
    decoders = {"llm-decoder-prefill", "llm-decoder-decode"}
    assert set(NETWORKS) == set(TORCHVISION) | set(OTHERS) | decoders


def test_alexnet_has_the_layers_of_eyeriss(networks: dict[str, Network]) -> None:
    """Chen et al., JSSC 2017: C of a group, and M of all, are 3 and 96, 48 and 256, and so on."""
    shapes = {layer.name: layer.shape for layer in networks["alexnet-caffe"].layers_with_macs}
    sizes = {name: tuple(shape.sizes.values()) for name, shape in shapes.items()}
    assert sizes == {
        "conv1": (1, 1, 96, 3, 55, 55, 11, 11),
        "conv2": (1, 2, 128, 48, 27, 27, 5, 5),
        "conv3": (1, 1, 384, 256, 13, 13, 3, 3),
        "conv4": (1, 2, 192, 192, 13, 13, 3, 3),
        "conv5": (1, 2, 128, 192, 13, 13, 3, 3),
        "fc6": (1, 1, 4096, 9216, 1, 1, 1, 1),
        "fc7": (1, 1, 4096, 4096, 1, 1, 1, 1),
        "fc8": (1, 1, 1000, 4096, 1, 1, 1, 1),
    }
    convolutions = sum(shape.macs for name, shape in shapes.items() if name.startswith("conv"))
    assert f"{convolutions / 1e6:.0f}" == "666"


def test_the_encoder_of_bert_by_hand() -> None:
    for tokens in (1, 128, 384):
        built = bert_base(tokens)
        macs = sum(layer.macs for layer in built.layers)
        block = 4 * tokens * 768**2 + 2 * tokens**2 * 768 + 2 * tokens * 768 * 3072
        assert macs == 12 * block + 768**2


def test_a_decoder_block_is_a_part_of_its_model(networks: dict[str, Network]) -> None:
    """Sheared-LLaMA-1.3B (LLM-Shearing, configs/llama2/1.3b.yaml): 2048, 16 heads, 5504."""
    for name in ("llm-decoder-prefill", "llm-decoder-decode"):
        assert networks[name].parameters == 4 * 2048**2 + 3 * 2048 * 5504 + 2 * 2048
    per_token = 4 * 2048**2 + 3 * 2048 * 5504
    assert networks["llm-decoder-prefill"].macs == 512 * per_token + 2 * 512**2 * 2048
    assert networks["llm-decoder-decode"].macs == per_token + 2 * 512 * 2048


def test_decoding_reads_the_kept_keys_and_values(networks: dict[str, Network]) -> None:
    network = networks["llm-decoder-decode"]
    assert network.inputs == ("input", "key_cache", "value_cache")
    scores, context = (
        next(layer for layer in network.layers_with_macs if layer.name == f"attention.{name}")
        for name in ("scores", "context")
    )
    assert scores.inputs == ("attention.query", "key_cache", "attention.key")
    assert context.inputs == ("attention.softmax", "value_cache", "attention.value")
    for layer in (scores, context):
        assert layer.weights_are_activations
        assert layer.shape.weights == 512 * 2048
        assert layer.parameters == 0


def test_decoding_without_kept_tokens_is_a_prompt_of_one() -> None:
    assert llm_decoder_decode(1) == llm_decoder_prefill(1)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_layer_reads_is_what_its_source_makes(
    networks: dict[str, Network], name: str
) -> None:
    """But for choices, and for every other word in the shortcuts for CIFAR."""
    network = networks[name]
    made = {
        layer.name: layer.shape.ofmap_words if isinstance(layer, Layer) else layer.output_words
        for layer in network.layers
    }
    for layer in network.layers:
        known = [made[source] for source in layer.inputs if source in made]
        if len(known) < len(layer.inputs) or layer.name in CHOICES:
            continue
        if isinstance(layer, Layer):
            assert layer.shape.ifmap_words == known[0], layer.name
            if layer.weights_are_activations:
                assert layer.shape.weights == sum(known[1:]), layer.name
        elif "cifar" not in name:
            assert layer.input_words == sum(known), layer.name


def test_the_documentation_has_these_counts(networks: dict[str, Network]) -> None:
    text = (Path(__file__).parents[3] / "docs" / "networks.md").read_text()
    rows = [
        f"| `{name}` | {net.source} | {len(net.layers_with_macs)} | {len(net.unique_shapes())} | "
        f"{net.macs:,} | {net.parameters:,} |"
        for name, net in networks.items()
    ]
    assert "\n".join(rows) in text
