"""Reads what placement needs from a LEF file: cell sizes and pin positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rtl_gen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Macro:
    """A cell's outline.

    Attributes:
        width_um, height_um: its size.
        pins: pin name to the centre (x, y) of its first port's bounding box, in um.
    """

    width_um: float
    height_um: float
    pins: dict[str, tuple[float, float]]


def read_macros(text: str, source: str) -> dict[str, Macro]:
    """All macros of a LEF file by name.

    Raises:
        InputError: if a macro has no size or a pin has no shape, or the file ends in a macro.
    """
    macros = {}
    lines = iter(text.splitlines())
    for line in lines:
        words = line.split()
        if words[:1] == ["MACRO"] and len(words) == 2:  # not a property of macros
            macros[words[1]] = _read_macro(words[1], lines, source)
    if not macros:
        raise InputError(f"{source}: has no MACRO: not a cell LEF file")
    return macros


def _read_macro(name: str, lines: Iterator[str], source: str) -> Macro:
    size: tuple[float, float] | None = None
    pins = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["SIZE"]:
            size = float(words[1]), float(words[3])
        elif words[:1] == ["PIN"]:
            pins[words[1]] = _read_pin(name, words[1], lines, source)
        elif words[:2] == ["END", name]:
            if size is None:
                break
            return Macro(width_um=size[0], height_um=size[1], pins=pins)
    raise InputError(f"{source}: MACRO {name} has no SIZE or no END")


def _read_pin(macro: str, name: str, lines: Iterator[str], source: str) -> tuple[float, float]:
    xs: list[float] = []
    ys: list[float] = []
    for line in lines:
        words = line.replace("(", " ").replace(")", " ").split()
        if words[:1] in (["RECT"], ["POLYGON"]):
            numbers = [float(word) for word in words[1:] if word != ";"]
            if not xs:
                xs, ys = numbers[0::2], numbers[1::2]
        elif words == ["END", name]:
            if not xs:
                break
            return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    raise InputError(f"{source}: PIN {name} of MACRO {macro} has no RECT or POLYGON")
