"""Networks: layers in the order in which they are computed, YAML in and out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from explorer.networks import builtin
from explorer.networks.layer import (
    BITS,
    SHAPE_DEFAULTS,
    SHAPE_KEYS,
    Layer,
    LayerShape,
    Traffic,
    check_keys,
)
from rtl_gen.atomic import write_text
from rtl_gen.errors import InputError, nearest, require_int, shown
from rtl_gen.space import load_yaml

#: Images or sequences at once.
BATCH = (1, 65_535)

_NETWORK_KEYS = ("name", "batch", "inputs", "layers")
_LAYER_KEYS = ("name", "inputs", "weights_are_activations", "bias", "fused_parameters", *SHAPE_KEYS)
_TRAFFIC_KEYS = tuple(field.name for field in fields(Traffic))
_COLUMNS = (
    "name", "kind", "inputs", *"NGMCPQRS", "macs", "parameters", "ifmap_words", "second_words",
    "ofmap_words", "act_bits", "weight_bits", "out_bits",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Network:
    """Layers that make a network.

    Attributes:
        name: of the network.
        layers: each after those whose results it needs.
        source: where it is from, for messages and reports: a paper, a file.
        inputs: names of what comes from outside: the image, or activations of earlier runs (the
            keys and values that a decoder keeps).
        batch: images or sequences that ``layers`` are for.

    Raises:
        InputError: if it has no layer, a name occurs twice, or an input is neither an input of the
            network nor a layer before.
    """

    name: str
    layers: tuple[Layer | Traffic, ...]
    source: str
    inputs: tuple[str, ...] = ("input",)
    batch: int = 1

    def __post_init__(self) -> None:
        require_int("batch", self.batch, *BATCH)
        if not self.layers:
            raise InputError("a network must have at least one layer")
        known = dict.fromkeys(self.inputs)
        for layer in self.layers:
            for name in layer.inputs:
                if name not in known:
                    raise InputError(
                        f"layer {shown(layer.name)}: {shown(name)} is neither an input of the "
                        f"network nor a layer before{nearest(name, known)}"
                    )
            if layer.name in known:
                raise InputError(f"the name {shown(layer.name)} is given twice")
            known[layer.name] = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers, for the whole batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Words that training finds: weights, biases, those of normalisations and embeddings."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def layers_with_macs(self) -> tuple[Layer, ...]:
        """The layers that multiply and accumulate."""
        return tuple(layer for layer in self.layers if isinstance(layer, Layer))

    def unique_shapes(self) -> dict[LayerShape, int]:
        """The different shapes of layers, in the order of their first, and how many have each."""
        return dict(Counter(layer.shape for layer in self.layers_with_macs))

    def with_bits(
        self,
        act: int | None = None,
        weight: int | None = None,
        out: int | None = None,
        per_layer: Mapping[str, tuple[int, int, int]] | None = None,
    ) -> Network:
        """The network with other bits.

        Args:
            act, weight, out: bits of the words of all layers; None leaves them. A second operand
                that is computed (attention) has those of activations.
            per_layer: names of layers to their own (activation, weight, output) bits; of layers
                without MACs the weight bits are not used.

        Raises:
            InputError: if bits are out of range, or there is no layer of a name.
        """
        every = {
            name: require_int(name, value, *BITS)
            for name, value in (("act_bits", act), ("weight_bits", weight), ("out_bits", out))
            if value is not None
        }
        own = {name: _three_bits(name, bits) for name, bits in (per_layer or {}).items()}
        names = [layer.name for layer in self.layers]
        for name in own:
            if name not in names:
                raise InputError(
                    f"{self.name} has no layer {shown(name)}{nearest(str(name), names)}"
                )
        computed = {name: bits for name, bits in every.items() if name != "weight_bits"}
        if act is not None:
            computed["weight_bits"] = act
        layers = []
        for layer in self.layers:
            bits = computed if _computes_weights(layer) else every
            layers.append(_with_bits(layer, {**bits, **own.get(layer.name, {})}))
        return replace(self, layers=tuple(layers))

    def with_batch(self, batch: int) -> Network:
        """The network for so many images or sequences.

        Raises:
            InputError: if it is out of range, or the network's own batch does not divide what a
                layer has.
        """
        require_int("batch", batch, *BATCH)
        layers = tuple(self._scaled(layer, batch) for layer in self.layers)
        return replace(self, layers=layers, batch=batch)

    def _scaled(self, layer: Layer | Traffic, batch: int) -> Layer | Traffic:
        """A layer of the network for another batch."""

        def scaled(number: int) -> int:
            if number * batch % self.batch:
                raise InputError(
                    f"{self.name}: layer {shown(layer.name)} does not divide into a batch of "
                    f"{self.batch}: its batch cannot be changed"
                )
            return number * batch // self.batch

        if isinstance(layer, Traffic):
            return replace(
                layer,
                input_words=scaled(layer.input_words),
                output_words=scaled(layer.output_words),
            )
        shape = layer.shape
        if layer.weights_are_activations:
            shape = replace(shape, groups=scaled(shape.groups))
        else:
            shape = replace(shape, batch=scaled(shape.batch))
        return replace(layer, shape=shape)

    def table(self) -> pd.DataFrame:
        """A row a layer.

        Returns:
            Columns ``name``, ``kind``, ``inputs``, the eight loops (0 where there are none),
            ``macs``, ``parameters``, words (``second_words`` are the weights, or what is computed
            in their place) and bits (``weight_bits`` is 0 without MACs).
        """
        return pd.DataFrame([_row(layer) for layer in self.layers], columns=list(_COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """As in a YAML file; values that are the default ones are left out."""
        return {
            "name": self.name,
            "batch": self.batch,
            "inputs": list(self.inputs),
            "layers": [_entry(layer) for layer in self.layers],
        }

    @classmethod
    def from_dict(cls, document: object, source: str) -> Network:
        """The network that ``to_dict`` describes.

        Args:
            source: for messages, and the network's.

        Raises:
            InputError: naming the source, and the layer and entry that is unknown or wrong.
        """
        try:
            return _parse(document, source)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None

    def save(self, path: Path) -> None:
        """Write it as YAML.

        Raises:
            InputError: if the file cannot be written.
        """
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None, width=100)
        write_text(path, text)


def load_network(path_or_name: str | Path) -> Network:
    """A network that is built in, of a YAML file, or of an ONNX file.

    Args:
        path_or_name: one of ``builtin.NETWORKS``, or a file ``.yaml``, ``.yml`` or ``.onnx``.

    Raises:
        InputError: if it is neither, or the file does not describe a network; the message names
            the nearest network.
    """
    name, path = str(path_or_name), Path(path_or_name)
    if name in builtin.NETWORKS:
        recipe = builtin.NETWORKS[name]
        built = recipe.build()
        return Network(name=name, layers=built.layers, source=recipe.source, inputs=built.inputs)
    if path.suffix in (".yaml", ".yml"):
        return Network.from_dict(load_yaml(path), str(path))
    if path.suffix == ".onnx":
        from explorer.networks.onnx_import import load_onnx  # noqa: PLC0415  # it needs this file

        return load_onnx(path)
    if path.is_dir():
        raise InputError(f"{path}: a network is a file .yaml or .onnx, not a folder")
    raise InputError(
        f"network must be one of {', '.join(builtin.NETWORKS)}, or a file .yaml or .onnx, not "
        f"{shown(name)}{nearest(name, builtin.NETWORKS)}"
    )


def _three_bits(name: str, bits: object) -> dict[str, int]:
    """(activation, weight, output) bits of a layer, by name."""
    if not isinstance(bits, tuple | list) or len(bits) != 3:
        raise InputError(
            f"bits of {shown(name)} must be three numbers, of activations, weights and outputs, "
            f"not {shown(bits)}"
        )
    keys = ("act_bits", "weight_bits", "out_bits")
    return {key: require_int(f"{key} of {shown(name)}", value, *BITS)
            for key, value in zip(keys, bits, strict=True)}  # fmt: skip


def _computes_weights(layer: Layer | Traffic) -> bool:
    return isinstance(layer, Layer) and layer.weights_are_activations


def _with_bits(layer: Layer | Traffic, bits: Mapping[str, Any]) -> Layer | Traffic:
    if isinstance(layer, Layer):
        return replace(layer, shape=replace(layer.shape, **bits))
    return replace(layer, **{name: bits[name] for name in bits if name != "weight_bits"})


def _row(layer: Layer | Traffic) -> dict[str, Any]:
    """A row of ``Network.table``."""
    row: dict[str, Any] = {
        "name": layer.name, "kind": layer.kind, "inputs": " ".join(layer.inputs),
        "macs": layer.macs, "parameters": layer.parameters,
    }  # fmt: skip
    if isinstance(layer, Layer):
        shape = layer.shape
        return {
            **row, **shape.sizes, "ifmap_words": shape.ifmap_words, "second_words": shape.weights,
            "ofmap_words": shape.ofmap_words, "act_bits": shape.act_bits,
            "weight_bits": shape.weight_bits, "out_bits": shape.out_bits,
        }  # fmt: skip
    return {
        **row, **dict.fromkeys("NGMCPQRS", 0), "ifmap_words": layer.input_words, "second_words": 0,
        "ofmap_words": layer.output_words, "act_bits": layer.act_bits, "weight_bits": 0,
        "out_bits": layer.out_bits,
    }  # fmt: skip


def _entry(layer: Layer | Traffic) -> dict[str, Any]:
    """A layer of a YAML file."""
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}
    values["inputs"] = list(layer.inputs)
    defaults: dict[str, Any] = {field.name: field.default for field in fields(layer)}
    if isinstance(layer, Layer):
        del values["shape"]
        values |= layer.shape.to_dict()
        defaults |= {**SHAPE_DEFAULTS, "padding": [0, 0, 0, 0]}
    return {name: value for name, value in values.items() if value != defaults.get(name)}


def _parse(document: object, source: str) -> Network:
    if not isinstance(document, dict):
        raise InputError("a network must be a mapping with the key layers")
    check_keys("a network", document, _NETWORK_KEYS)
    entries = document.get("layers")
    if not isinstance(entries, list) or not entries:
        raise InputError("layers must be a list of at least one layer")
    inputs = document.get("inputs", ["input"])
    if not isinstance(inputs, list) or not inputs or not all(isinstance(i, str) for i in inputs):
        raise InputError(f"inputs must be a list of names, not {shown(inputs)}")
    name = document.get("name", Path(source).stem)
    if not isinstance(name, str) or not name:
        raise InputError(f"name must be a text, not {shown(name)}")
    layers: list[Layer | Traffic] = []
    for number, entry in enumerate(entries, start=1):
        before = layers[-1].name if layers else inputs[0]
        try:
            layers.append(_parse_layer(entry, before))
        except InputError as error:
            known = entry.get("name") if isinstance(entry, dict) else None
            called = f" ({shown(known)})" if known else ""
            raise InputError(f"layer {number}{called}: {error}") from None
    return Network(
        name=name, layers=tuple(layers), source=source, inputs=tuple(inputs),
        batch=document.get("batch", 1),
    )  # fmt: skip


def _parse_layer(entry: object, before: str) -> Layer | Traffic:
    """A layer of a file.

    Args:
        before: what it reads if it does not say: the layer before.
    """
    if not isinstance(entry, dict):
        raise InputError(f"must be a mapping, not {shown(entry)}")
    values = {"inputs": [before], **entry}
    if "name" not in values:
        raise InputError("needs name")
    if "kind" in values:
        check_keys("a layer with kind, which has no MACs", values, _TRAFFIC_KEYS)
        for name in ("input_words", "output_words"):
            if name not in values:
                raise InputError(f"needs {name}")
        return Traffic(**values)
    check_keys("a layer", values, _LAYER_KEYS)
    shape = LayerShape.from_dict({key: values.pop(key) for key in SHAPE_KEYS if key in values})
    return Layer(shape=shape, **values)
