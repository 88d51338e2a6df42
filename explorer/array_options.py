"""The options that name an array, and a layer for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from explorer.design_options import number_option, text_option, with_options
from rtl_gen.array.compiler import Shape, Tiling, check_runs, default_tiling, shape_layer
from rtl_gen.array.design import PRESETS, ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import load_yaml

_ARRAY, _LAYER = "Array", "Layer of an array"
_YAML = (".yaml", ".yml")

_ARRAY_OPTIONS: dict[str, Any] = {
    "array": text_option(f"One of {', '.join(PRESETS)}, or a YAML file.", _ARRAY),
    "rows": number_option("Rows of PEs, 1..32.", _ARRAY),
    "columns": number_option("Columns of PEs, 1..32.", _ARRAY),
    "ifmap_buses": number_option("Ifmap banks, each with a bus: 1, 2, 4 or 8.", _ARRAY),
    "filter_buses": number_option("The same of filters.", _ARRAY),
    "psum_buses": number_option("The same of psums.", _ARRAY),
    "ifmap_words": number_option("Words of an ifmap bank.", _ARRAY),
    "filter_words": number_option("Words of a filter bank.", _ARRAY),
    "psum_words": number_option("Words of a psum bank.", _ARRAY),
    "scale_words": number_option("Words of a bank of scales.", _ARRAY),
    "scale_bits": number_option("Bits of the output stage's multiplier, 2..32.", _ARRAY),
}
_LAYER_OPTIONS: dict[str, Any] = {
    "channels": number_option("Channels of the ifmap.", _LAYER),
    "height": number_option("Rows of the ifmap.", _LAYER),
    "width": number_option("Columns of the ifmap.", _LAYER),
    "filters": number_option("Filters.", _LAYER),
    "filter_height": number_option("Rows of a filter.", _LAYER),
    "filter_width": number_option("Columns of a filter.", _LAYER),
    "stride": number_option("Both ways [1].", _LAYER),
    "padding": text_option("Zeros on all sides, or TOP,BOTTOM,LEFT,RIGHT [0].", _LAYER),
    "groups": number_option("Groups of channels; as many as channels: depthwise [1].", _LAYER),
    "tiling": text_option(
        "P,Q,ROWS,SETS,COLUMNS: filters, channels of a PE, filter rows, sets, columns [chosen].",
        _LAYER,
    ),
    "mode": number_option("Run-time precision, 0 the full one [0].", _LAYER),
}


@dataclass(frozen=True)
class ArrayChoice:
    """What was said about an array.

    Attributes:
        name: a preset or a YAML file.
        changes: its parameters that were given.
    """

    name: str
    changes: Mapping[str, Any]

    def design(self, pe: PEDesign | None) -> ArrayDesign:
        """The array.

        Args:
            pe: from the options of a design; None for that of the file, or INT16.

        Raises:
            InputError: if there is no such array, or it is not legal.
        """
        if not self.name.endswith(_YAML):
            return ArrayDesign.preset(self.name, pe, **self.changes)
        values = load_yaml(Path(self.name))
        try:
            return self._from_file(values, pe)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def _from_file(self, values: object, pe: PEDesign | None) -> ArrayDesign:
        if not isinstance(values, dict):
            raise InputError("an array must be a mapping of parameters to values")
        values = {**values, **self.changes}
        given = values.get("pe")
        if pe is not None:
            if given is not None:
                raise InputError("has a pe: leave out the options of a design")
            given = pe
        elif "pe" in values:
            if not isinstance(given, dict):
                raise InputError(f"pe must be a mapping of parameters to values, not {given!r}")
            given = _pe_of(given)
        return ArrayDesign.from_dict({**values, "pe": given} if given else values)


@dataclass(frozen=True)
class LayerChoice:
    """What was said about a layer.

    Attributes:
        layer: the layer.
        tiling: None unless given.
        mode: run-time precision.
    """

    layer: Layer
    tiling: Tiling | None
    mode: int

    def shape(self, design: ArrayDesign) -> Shape:
        """The layer on an array, in the tiling that was given or in a default one.

        Raises:
            InputError: if the array cannot run it.
        """
        if not 0 <= self.mode < design.pe.precision_modes:
            raise InputError(
                f"mode must be an integer from 0 to {design.pe.precision_modes - 1}, "
                f"not {self.mode}"
            )
        tiling = self.tiling or default_tiling(design, self.layer, self.mode)
        shape = shape_layer(design, self.layer, tiling, self.mode)
        check_runs(shape)
        return shape


def with_array(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an array in place of its parameter ``array``.

    The command gets an ``ArrayChoice``, or None if no option was given.
    """
    return with_options("array", _ARRAY_OPTIONS, _array_of)(function)


def with_layer(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a layer in place of its parameter ``layer``.

    The command gets a ``LayerChoice``, or None if no option was given.
    """
    return with_options("layer", _LAYER_OPTIONS, _layer_of)(function)


def require_array(array: ArrayChoice | None) -> ArrayChoice:
    """The array, where one is needed.

    Raises:
        InputError: if there is none.
    """
    if array is None:
        raise InputError(f"an array is needed: --array with {', '.join(PRESETS)}, or a YAML file")
    return array


def _array_of(values: dict[str, Any]) -> ArrayChoice | None:
    if not values:
        return None
    name = values.pop("array", None)
    if name is None:
        option = next(iter(values)).replace("_", "-")
        raise InputError(
            f"--{option} is of an array: --array with {', '.join(PRESETS)}, or a YAML file"
        )
    return ArrayChoice(name, values)


def _layer_of(values: dict[str, Any]) -> LayerChoice | None:
    if not values:
        return None
    tiling, mode = values.pop("tiling", None), values.pop("mode", 0)
    needed = [field.name for field in fields(Layer) if field.default is MISSING]
    missing = [f"--{name.replace('_', '-')}" for name in needed if name not in values]
    if missing:
        raise InputError(f"a layer needs {', '.join(missing)}")
    if "padding" in values:
        values["padding"] = _padding(values["padding"])
    if not isinstance(mode, int):
        raise InputError(f"mode must be an integer, not {mode!r}")
    return LayerChoice(Layer(**values), None if tiling is None else _tiling(tiling), mode)


def _padding(text: str) -> tuple[int, ...]:
    numbers = _numbers(text)
    if len(numbers) not in (1, 4):
        raise InputError(f"padding must be one number or TOP,BOTTOM,LEFT,RIGHT, not {text!r}")
    return numbers * 4 if len(numbers) == 1 else numbers


def _tiling(text: str) -> Tiling:
    names, numbers = [field.name for field in fields(Tiling)], _numbers(text)
    if len(numbers) != len(names):
        raise InputError(f"tiling must be five numbers P,Q,ROWS,SETS,COLUMNS, not {text!r}")
    return Tiling(**dict(zip(names, numbers, strict=True)))


def _numbers(text: str) -> tuple[int, ...]:
    """Integers with commas between them; none if it is anything else."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        return ()


def _pe_of(values: Mapping[str, Any]) -> PEDesign:
    values = dict(values)
    preset = values.pop("preset", None)
    return PEDesign.from_dict(values) if preset is None else PEDesign.preset(preset, **values)
