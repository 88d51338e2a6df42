"""BERT-base, ViT-B/16, and a block of a decoder as large language models have it."""

from __future__ import annotations

from explorer.networks.builder import Builder, Built

_WIDTH = 768
_HEADS = 12
_BLOCKS = 12


def bert_base(sequence: int = 128) -> Built:
    """BERT-base, uncased: embeddings, 12 encoder blocks and the pooler.

    Args:
        sequence: tokens.
    """
    vocabulary, positions, types = 30_522, 512, 2
    net = Builder(input=(1, sequence, 1))
    net.traffic(
        "embeddings", "embedding", extent=(_WIDTH, sequence, 1),
        input_words=3 * sequence * _WIDTH, parameters=(vocabulary + positions + types) * _WIDTH,
    )  # fmt: skip
    net.norm("embeddings.norm", "layer_norm")
    for number in range(_BLOCKS):
        name, source = f"layer{number}", net.last
        _attention(net, f"{name}.attention", source)
        net.traffic(f"{name}.attention.add", "add", net.last, source)
        source = net.norm(f"{name}.attention.norm", "layer_norm")
        net.linear(f"{name}.fc1", 4 * _WIDTH)
        net.linear(f"{name}.fc2", _WIDTH)
        net.traffic(f"{name}.add", "add", net.last, source)
        net.norm(f"{name}.norm", "layer_norm")
    _first_token(net)
    net.linear("pooler", _WIDTH)
    return net.done()


def vit_b16() -> Built:
    """ViT-B/16 on 224 x 224: 196 patches and a class token."""
    net = Builder(input=(3, 224, 224))
    net.conv("conv_proj", _WIDTH, 16, stride=16, padding=0, bias=True, norm=False)
    tokens = 14 * 14 + 1
    extent = (_WIDTH, tokens, 1)
    net.traffic("class_token", "concat", extent=extent, input_words=tokens * _WIDTH,
                parameters=_WIDTH)  # fmt: skip
    net.traffic("pos_embedding", "add", input_words=2 * tokens * _WIDTH,
                parameters=tokens * _WIDTH)  # fmt: skip
    for number in range(_BLOCKS):
        name, source = f"layer{number}", net.last
        _attention(net, f"{name}.attention", net.norm(f"{name}.ln_1", "layer_norm"))
        source = net.traffic(f"{name}.attention.add", "add", net.last, source)
        net.norm(f"{name}.ln_2", "layer_norm")
        net.linear(f"{name}.fc1", 4 * _WIDTH)
        net.linear(f"{name}.fc2", _WIDTH)
        net.traffic(f"{name}.add", "add", net.last, source)
    net.norm("ln", "layer_norm")
    _first_token(net)
    net.linear("head", 1000)
    return net.done()


def _first_token(net: Builder) -> None:
    """From here on only the first token counts; choosing it is no layer."""
    net.extents[net.last] = net.extents[net.last]._replace(height=1)


def _attention(net: Builder, name: str, source: str) -> None:
    """Attention of all tokens to all, and its projection; biases everywhere."""
    tokens, each = net.extents[source].height, _WIDTH // _HEADS
    query, key, value = (
        net.linear(f"{name}.{part}", _WIDTH, source=source) for part in ("query", "key", "value")
    )
    net.product(f"{name}.scores", query, [key], heads=_HEADS, channels=each, filters=tokens)
    weights = net.traffic(f"{name}.softmax", "softmax")
    net.product(f"{name}.context", weights, [value], heads=_HEADS, channels=tokens, filters=each)
    net.linear(f"{name}.output", _WIDTH)


def llm_decoder(
    tokens: int, kept: int, *, hidden: int = 2048, heads: int = 16, feed_forward: int = 5504
) -> Built:
    """A decoder block: RMSNorm, attention without biases, a gated feed-forward layer.

    The default sizes are those of Sheared-LLaMA-1.3B, which has 24 such blocks. Attention is
    counted in full: of the scores, about half are masked when all tokens are new. Rotary positions
    are fused into the projections. The new keys and values are written where the kept ones are, so
    that both together are the second operand.

    Args:
        tokens: that are computed at once; 1 to decode.
        kept: tokens before them, whose keys and values are inputs of the network.
    """
    cache = (hidden, kept, 1)
    inputs = {"key_cache": cache, "value_cache": cache} if kept else {}
    net = Builder(input=(hidden, tokens, 1), **inputs)
    each, context = hidden // heads, kept + tokens
    normed = net.norm("attention.norm", "rms_norm", "input")
    query, key, value = (
        net.linear(f"attention.{part}", hidden, bias=False, source=normed)
        for part in ("query", "key", "value")
    )
    keys, values = ([key], [value]) if not kept else (["key_cache", key], ["value_cache", value])
    net.product("attention.scores", query, keys, heads=heads, channels=each, filters=context)
    weights = net.traffic("attention.softmax", "softmax")
    net.product("attention.context", weights, values, heads=heads, channels=context, filters=each)
    net.linear("attention.output", hidden, bias=False)
    source = net.traffic("attention.add", "add", net.last, "input")
    normed = net.norm("feed_forward.norm", "rms_norm")
    gate = net.linear("feed_forward.gate", feed_forward, bias=False, source=normed)
    up = net.linear("feed_forward.up", feed_forward, bias=False, source=normed)
    net.traffic("feed_forward.mul", "mul", gate, up)
    net.linear("feed_forward.down", hidden, bias=False)
    net.traffic("feed_forward.add", "add", net.last, source)
    return net.done()


def llm_decoder_prefill(context: int = 512) -> Built:
    """The block on a prompt of so many tokens."""
    return llm_decoder(context, 0)


def llm_decoder_decode(context: int = 512) -> Built:
    """The block on one token that sees so many, itself among them."""
    return llm_decoder(1, context - 1)
