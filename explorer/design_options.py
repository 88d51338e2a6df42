"""The options that name a design, shared by every verb that takes one; and how to share options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from rtl_gen.design import FAMILIES, PRESETS, PEDesign
from rtl_gen.errors import InputError

_PANEL = "Design"


def _integer(text: str) -> Any:
    """The number, or the text as it is: the design says what is allowed."""
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else text


def number_option(help_text: str, panel: str = _PANEL) -> Any:
    """An option that is a number, or the text as it is."""
    option = typer.Option(help=help_text, rich_help_panel=panel, parser=_integer, metavar="<int>")
    return Annotated[int | None, option]


def text_option(help_text: str, panel: str = _PANEL) -> Any:
    """An option that is a text."""
    return Annotated[str | None, typer.Option(help=help_text, rich_help_panel=panel)]


def _switch(flags: str, help_text: str) -> Any:
    return Annotated[bool | None, typer.Option(flags, help=help_text, rich_help_panel=_PANEL)]


_OPTIONS: dict[str, Any] = {
    "preset": Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(PRESETS)}.", rich_help_panel=_PANEL),
    ],
    "family": Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(FAMILIES)}.", rich_help_panel=_PANEL),
    ],
    "act_bits": number_option("Activation bits, 2..16; fp: 16 or 32."),
    "weight_bits": number_option("Weight bits, 2..16; fp: as the activation's."),
    "terms": number_option("Power-of-two terms of a lightpe weight, 1..3."),
    "ifmap_depth": number_option("Ifmap scratchpad words [12]."),
    "filter_depth": number_option("Filter scratchpad words [224]."),
    "psum_depth": number_option("Psum scratchpad words [24]."),
    "psum_bits": number_option("Partial sum bits [derived from the largest layer]."),
    "pipeline_stages": number_option("Stages of the multiply-accumulate, 1..4 [2]."),
    "act_signed": _switch(
        "--act-signed/--act-unsigned", "Activations are two's complement, or unsigned [signed]."
    ),
    "multiplier": text_option("Of int and fp: synth (the synthesizer's), booth or array [synth]."),
    "precision_modes": text_option("Of int: 1, 2, 3, or a list such as 8x8,8x4,4x4 [1]."),
    "serial_terms": _switch(
        "--serial-terms/--parallel-terms",
        "Of lightpe: terms one after the other, as many as each filter has [parallel].",
    ),
    "zero_gating": _switch(
        "--zero-gating/--no-zero-gating", "Zero activations move nothing [no gating]."
    ),
    "scratchpad": text_option(
        "Made of flop or latch; sram: a macro for the filters, the others of flip-flops [flop]."
    ),
    "largest_layer": Annotated[
        str | None,
        typer.Option(
            help="R,S,C of the layer whose sums must not overflow [3,3,512].",
            rich_help_panel=_PANEL,
        ),
    ],
}


def with_design(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the design options in place of its parameter ``design``.

    The command gets a ``PEDesign``, or None if no option was given.
    """
    return with_options("design", _OPTIONS, _design_of)(function)


def with_options(
    name: str, options: Mapping[str, Any], make: Callable[[dict[str, Any]], Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options in place of one of its parameters.

    Args:
        name: of the parameter.
        options: name to the annotation that typer reads; None unless given.
        make: what the parameter becomes, from those that were given.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function, eval_str=True).parameters

        @wraps(function)
        def command(**values: Any) -> None:
            given = {option: values.pop(option) for option in options}
            made = make({option: value for option, value in given.items() if value is not None})
            function(**{name: made}, **values)

        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # typer reads it
            [
                *(parameter for each, parameter in own.items() if each != name),
                *(
                    inspect.Parameter(
                        option, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
                    )
                    for option, annotation in options.items()
                ),
            ]
        )
        return command

    return decorate


def _design_of(values: dict[str, Any]) -> PEDesign | None:
    if "largest_layer" in values:
        values["largest_layer"] = _layer(values["largest_layer"])
    if str(values.get("precision_modes", "")).isdigit():
        values["precision_modes"] = int(values["precision_modes"])
    if not values:
        return None
    for name in ("family", "multiplier", "scratchpad"):
        if name in values:
            values[name] = values[name].lower()
    preset = values.pop("preset", None)
    if preset is None:
        for name in ("family", "act_bits", "weight_bits"):
            if name not in values:
                option = next(iter(values)).replace("_", "-")
                missing = name.replace("_", "-")
                raise InputError(
                    f"--{option} is of a design, which needs --preset NAME, or --{missing}"
                )
    design = PEDesign.from_dict(values) if preset is None else PEDesign.preset(preset, **values)
    if "largest_layer" in values and design.family == "fp":
        raise InputError("largest_layer must be left out for family fp, whose sums are rounded")
    return design


def _layer(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"largest_layer must be three integers R,S,C, not {text!r}") from None


def require_design(design: PEDesign | None) -> PEDesign:
    """The design, where one is needed.

    Raises:
        InputError: if no design option was given.
    """
    if design is None:
        raise InputError(
            "a design is needed: --preset NAME, or --family with --act-bits and --weight-bits"
        )
    return design
