"""``DesignSpace``: accelerators that differ in their PE, array, memories, network and clock.

A YAML file names an accelerator, a space of PEs, and what else varies::

    accelerator: eyeriss                  # a preset, or a file: all that is not said below
    pes: ../spaces/eight-bit-pes.yaml     # a space of PEs, as peforge explore --space takes it
    vary:
      buffer.words: [16384, 51200]        # a field of a level
      columns.fanout_y: [8, 12, 16]
      network.psum_buses: [1, 4]
      period_ps: [2000, 5000]

Each PE stands with each *frame*, a combination of the values under ``vary``, unless the PE is made
for a slower clock than the frame has.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.accelerators.accelerator import Accelerator, Network, load_accelerator
from explorer.accelerators.hierarchy import Level
from explorer.networks.layer import check_keys
from rtl_gen.errors import InputError, nearest, require_int, shown
from rtl_gen.space import design_of, load_space, load_yaml

_KEYS = ("accelerator", "pes", "vary")
#: Fields of a level, of the network, and of the accelerator, that may vary.
_OF_LEVEL = (
    "words", "word_bits", "access_words", "read_words_per_cycle", "write_words_per_cycle",
    "fanout_x", "fanout_y", "buffering", "banks", "ports",
)  # fmt: skip
_OF_ALL = ("period_ps", "dram", "packing", "sram_transistors")
_MOST_FRAMES = 100_000
#: Designs at most, drawn or all.
MOST_DESIGNS = 5_000_000

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DesignSpace:
    """PEs times frames.

    Attributes:
        name: where it is from, for messages.
        base: the accelerator, as plain data, without a PE.
        pes: points of a space of PEs, columns ``rtl_gen.space.POINT_COLUMNS``.
        vary: names of what varies, and their values.
        frames: legal combinations of these.
        outlines: of each frame, the accelerator with the first PE, as ``outline`` has it.
    """

    name: str
    base: Mapping[str, Any]
    pes: pd.DataFrame
    vary: Mapping[str, tuple[Any, ...]]
    frames: tuple[Mapping[str, Any], ...]
    outlines: tuple[Accelerator, ...]

    @property
    def size(self) -> int:
        """Pairs of a PE and a frame that is slow enough for it."""
        return int(self._slow_enough[1].sum())

    @functools.cached_property
    def _slow_enough(self) -> tuple[Indices, Indices]:
        """Frames, the slowest first, and how many of them each PE goes with."""
        clocks = np.array([f.get("period_ps", self.base["period_ps"]) for f in self.frames])
        order = np.argsort(-clocks, kind="stable")
        own = self.pes["period_ps"].to_numpy()
        return order, np.searchsorted(-clocks[order], -own, side="right")

    def with_frames(self, numbers: Indices) -> DesignSpace:
        """The space with some of its frames alone."""
        return replace(
            self, frames=tuple(self.frames[k] for k in numbers),
            outlines=tuple(self.outlines[k] for k in numbers),
        )  # fmt: skip

    @functools.cached_property
    def fanouts(self) -> Indices:
        """``[frames, levels, 2]``: instances below, along x and y."""
        return np.array([outline.hierarchy.fanouts for outline in self.outlines])

    def designs(self, limit: int, seed: int = 0) -> tuple[Indices, Indices]:
        """PE and frame of every design, or of so many drawn at random, in order.

        Args:
            limit: designs at most.
            seed: of the draw.

        Raises:
            InputError: if every PE is made for a slower clock than all frames have.
        """
        require_int("n", limit, 1, MOST_DESIGNS)
        order, counts = self._slow_enough
        total = self.size
        if total == 0:
            raise InputError(
                f"{self.name}: no design: every PE has a longer period_ps "
                f"({self.pes['period_ps'].min():,} or more) than any frame"
            )
        numbers = np.arange(total)
        if total > limit:
            numbers = np.random.default_rng(seed).choice(total, size=limit, replace=False)
            numbers.sort()
        ends = np.cumsum(counts)
        pe = np.searchsorted(ends, numbers, side="right")
        return pe, order[numbers - (ends - counts)[pe]]

    def accelerator(self, pe: int, frame: int) -> Accelerator:
        """One of the designs.

        Raises:
            InputError: if PE and frame do not go together.
        """
        values = design_of(self.pes.iloc[pe].to_dict()).to_dict()
        values["period_ps"] = int(self.pes["period_ps"].iloc[pe])
        return _build(self.base, self.frames[frame], values, self.label(pe, frame))

    def outline(self, pe: int, frame: int) -> Accelerator:
        """The same, with a PE that is made for the clock of the frame."""
        values = design_of(self.pes.iloc[pe].to_dict()).to_dict()
        return _build(self.base, self.frames[frame], values, self.label(pe, frame))

    def label(self, pe: int, frame: int) -> str:
        """A name that says what varies."""
        return f"{self.base['name']} pe={pe} {_words(self.frames[frame])}".strip()


def load_designs(path: Path) -> DesignSpace:
    """Read a space of accelerators.

    Raises:
        InputError: if the file, or one that it names, cannot be read, an entry is unknown, or no
            combination is an accelerator; the message names file and entry.
    """
    document = load_yaml(path)
    if not isinstance(document, Mapping):
        raise InputError(f"{path}: must be a mapping with {', '.join(_KEYS)}")
    try:
        check_keys("a space of accelerators", document, _KEYS)
        for name in _KEYS[:2]:
            if not isinstance(document.get(name), str):
                raise InputError(f"needs {name}, the name of a file")
        base = _base(document["accelerator"], path.parent)
        vary = _vary(document.get("vary") or {}, base)
        pes = load_space(path.parent / document["pes"]).table()
        frames, outlines = _legal_frames(base, vary, pes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return DesignSpace(
        name=str(path), base=base, pes=pes, vary=vary, frames=frames, outlines=outlines
    )


def _base(name: str, folder: Path) -> Mapping[str, Any]:
    """All of an accelerator but its PE and what follows from it."""
    path = folder / name
    accelerator = load_accelerator(path if path.suffix in (".yaml", ".yml") else name)
    if accelerator.pe is None:
        raise InputError(f"accelerator {accelerator.name} has no pe, but energies of its own")
    values = accelerator.to_dict()
    del values["pe"], values["psum_bits"], values["energies"]
    for level in values["levels"]:
        if level["kind"] == "scratchpad":
            del level["words"], level["word_bits"]
    if accelerator.dram is not None:
        values["dram"] = accelerator.dram.to_dict()
    return values


def _vary(entries: object, base: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    if not isinstance(entries, Mapping):
        raise InputError(f"vary must be a mapping of names to lists, not {shown(entries)}")
    levels = [level["name"] for level in base["levels"] if level["kind"] != "scratchpad"]
    allowed = [
        *_OF_ALL,
        *(f"network.{f.name}" for f in fields(Network)),
        *(
            f"{level}.{name}"
            for level in levels
            for name in _OF_LEVEL
            if (level, name) != (base["levels"][0]["name"], "words")  # DRAM has no size here
        ),
    ]
    assert {f.name for f in fields(Level)} >= set(_OF_LEVEL)
    found = {}
    for name, values in entries.items():
        if name not in allowed:
            raise InputError(
                f"vary: {shown(name)} cannot vary; allowed are {', '.join(allowed)}"
                + nearest(str(name), allowed)
            )
        chosen = values if isinstance(values, list) else [values]
        if not chosen:
            raise InputError(f"vary: {name} needs at least one value")
        for position, value in enumerate(chosen):
            if value in chosen[:position]:
                raise InputError(f"vary: {name} has {shown(value)} twice")
        found[name] = tuple(chosen)
    if (count := math.prod(len(values) for values in found.values())) > _MOST_FRAMES:
        raise InputError(f"vary: {count:,} combinations are more than {_MOST_FRAMES:,}")
    return found


def _legal_frames(
    base: Mapping[str, Any], vary: Mapping[str, tuple[Any, ...]], pes: pd.DataFrame
) -> tuple[tuple[Mapping[str, Any], ...], tuple[Accelerator, ...]]:
    """Combinations that are accelerators with the first PE, at any clock, and these.

    Raises:
        InputError: if there is none, or none with one of the values: why the first is not.
    """
    pe = design_of(pes.iloc[0].to_dict()).to_dict()
    frames, outlines = [], []
    used: set[tuple[str, int]] = set()
    why: dict[tuple[str, int], str] = {}
    for numbers in itertools.product(*(range(len(values)) for values in vary.values())):
        places = list(zip(vary, numbers, strict=True))
        frame = {name: vary[name][number] for name, number in places}
        try:
            outlines.append(_build(base, frame, pe, "frame"))
        except InputError as error:
            for place in places:
                why.setdefault(place, f"{_words(frame)}: {error}")
            continue
        frames.append(frame)
        used.update(places)
    if not frames:
        raise InputError(f"no accelerator; the first combination, {next(iter(why.values()))}")
    if unused := [place for place in why if place not in used]:
        name, number = unused[0]
        raise InputError(
            f"vary: no accelerator has {name} = {shown(vary[name][number])}; the first "
            f"combination, {why[unused[0]]}"
        )
    return tuple(frames), tuple(outlines)


def _words(frame: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in frame.items())


def _build(
    base: Mapping[str, Any], frame: Mapping[str, Any], pe: Mapping[str, Any], name: str
) -> Accelerator:
    values = {**base, "network": dict(base["network"])}
    values["levels"] = [dict(level) for level in base["levels"]]
    levels = {level["name"]: level for level in values["levels"]}
    for key, value in frame.items():
        place, _, entry = key.rpartition(".")
        target = levels.get(place, values["network"]) if place else values
        target[entry] = value
    return Accelerator.from_dict({**values, "name": name, "pe": pe})
