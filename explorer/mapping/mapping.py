"""``Mapping``: how the loops of a layer are split over the levels of an accelerator; plain data.

A layer is eight nested loops, in the words of Eyeriss (Chen et al., ISCA 2016): batch ``N``,
groups ``G``, filters of a group ``M``, channels of a group ``C``, rows and columns of the ofmap
``P`` and ``Q``, rows and columns of the filter ``R`` and ``S``. A mapping gives every level
temporal loops over a part of each, and spatial ones over the instances below it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from explorer.accelerators.hierarchy import TENSORS, Hierarchy
from explorer.networks.layer import MOST, LayerShape
from rtl_gen.errors import InputError, nearest

DIMENSIONS = ("N", "G", "M", "C", "P", "Q", "R", "S")
#: Loops that change what a tensor needs; P with R, and Q with S, slide windows over the ifmap.
RELEVANT = {"ifmap": "NGCPQRS", "filter": "GMCRS", "psum": "NGMPQ"}

#: A loop: dimension and number of iterations. Loops stand from the outermost to the innermost.
Loop = tuple[str, int]
_MOST_ITERATIONS = 1 << 40
_LOOP = re.compile(r"([A-Z])([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class LevelLoops:
    """What one level does.

    Attributes:
        temporal: loops over what this level hands down, outermost first.
        x, y: loops over the instances below, along the axes of the mesh.
        keeps: tensors that the level stores.
    """

    temporal: tuple[Loop, ...] = ()
    x: tuple[Loop, ...] = ()
    y: tuple[Loop, ...] = ()
    keeps: tuple[str, ...] = TENSORS

    @property
    def spatial(self) -> tuple[Loop, ...]:
        """Loops over the instances below, of both axes."""
        return self.x + self.y


@dataclass(frozen=True)
class Mapping:
    """Loops of each level, the outermost level first.

    A dimension's iterations over all levels multiply to its size or more: the last tile of each
    loop may be smaller (ragged edges), and what lies beyond the size is not computed. A tile of a
    loop has as many iterations of the loops inside it as they have together.
    """

    levels: tuple[LevelLoops, ...]

    def iterations(self, dimension: str) -> int:
        """Product of the iterations of a dimension over all levels, idle ones included."""
        return math.prod(
            count
            for level in self.levels
            for name, count in level.temporal + level.spatial
            if name == dimension
        )

    def trimmed(self, shape: LayerShape) -> Mapping:
        """The same without iterations that never have work, as the last 3 of 200 for 197."""
        left = dict(shape.sizes)
        inside = {name: self.iterations(name) for name in left}

        def trim(loops: tuple[Loop, ...]) -> tuple[Loop, ...]:
            found = []
            for name, count in loops:
                inside[name] //= count
                found.append((name, min(count, -(-left[name] // inside[name]))))
                left[name] = min(left[name], inside[name])
            return tuple(found)

        return Mapping(
            tuple(
                replace(level, temporal=trim(level.temporal), x=trim(level.x), y=trim(level.y))
                for level in self.levels
            )
        )

    def check(
        self, hierarchy: Hierarchy, shape: LayerShape, resident: Collection[str] = ()
    ) -> None:
        """See that the mapping is one of this layer on this hierarchy; not whether tiles fit.

        Args:
            resident: tensors that stay on the chip, so that the outermost level keeps none of them.

        Raises:
            InputError: if a loop or tensor is where it must not be; the message says which.
        """
        if len(self.levels) != len(hierarchy.levels):
            raise InputError(
                f"the mapping has {len(self.levels)} levels, the accelerator "
                f"{len(hierarchy.levels)}"
            )
        for index, (loops, level) in enumerate(zip(self.levels, hierarchy.levels, strict=True)):
            for name, count in loops.temporal + loops.spatial:
                if name not in DIMENSIONS or not 1 <= count <= MOST:
                    raise InputError(
                        f"level {level.name!r}: loop {name}{count} must be one of "
                        f"{', '.join(DIMENSIONS)} with 1 to {MOST:,} iterations"
                    )
            for axis, most in (("x", level.fanout_x), ("y", level.fanout_y)):
                used = math.prod(count for _, count in getattr(loops, axis))
                if used > most:
                    raise InputError(
                        f"level {level.name!r}: loops along {axis} take {used} instances, "
                        f"there are {most}"
                    )
            for tensor in TENSORS:
                if tensor in loops.keeps and tensor not in level.keeps:
                    raise InputError(f"level {level.name!r} has no place for {tensor}")
                must = tensor in level.keeps and tensor not in level.optional
                if index == 0 and tensor in resident:
                    must = False
                if must and tensor not in loops.keeps:
                    raise InputError(f"level {level.name!r} must keep {tensor}")
        self._check_sizes(shape)

    def _check_sizes(self, shape: LayerShape) -> None:
        for name, size in shape.sizes.items():
            product = self.iterations(name)
            if product > _MOST_ITERATIONS:
                raise InputError(
                    f"the loops over {name} have {product:,} iterations together, more than "
                    f"{_MOST_ITERATIONS:,} are not counted"
                )
            if product < size:
                raise InputError(
                    f"the loops over {name} have {product} iterations together, "
                    f"the layer needs {size}"
                )

    def to_list(self, hierarchy: Hierarchy) -> list[dict[str, Any]]:
        """Plain data for YAML and JSON, one entry for each level."""
        return [
            {
                "level": level.name,
                "temporal": _text(loops.temporal),
                "x": _text(loops.x),
                "y": _text(loops.y),
                "keeps": list(loops.keeps),
            }
            for loops, level in zip(self.levels, hierarchy.levels, strict=True)
        ]

    @classmethod
    def from_list(cls, entries: Sequence[Any], hierarchy: Hierarchy) -> Mapping:
        """A mapping from plain data; levels that are not named have no loops.

        Raises:
            InputError: on an entry that is none, or an unknown or repeated level.
        """
        found = {}
        keys = ("level", "temporal", "x", "y", "keeps")
        for number, entry in enumerate(entries, 1):
            if not isinstance(entry, dict) or not isinstance(entry.get("level"), str):
                raise InputError(f"entry {number} of the mapping must name its level")
            for key in entry:
                if key not in keys:
                    raise InputError(
                        f"entry {number} of the mapping: {key!r} is none of {', '.join(keys)}"
                        + nearest(str(key), keys)
                    )
            index = hierarchy.index(entry["level"])
            if index in found:
                raise InputError(f"the mapping has level {entry['level']!r} twice")
            keeps = entry.get("keeps", hierarchy.levels[index].keeps)
            found[index] = LevelLoops(
                temporal=parse_loops(entry.get("temporal", "")),
                x=parse_loops(entry.get("x", "")),
                y=parse_loops(entry.get("y", "")),
                keeps=tuple(t for t in TENSORS if t in keeps),
            )
        return cls(
            tuple(
                found.get(index, LevelLoops(keeps=level.keeps))
                for index, level in enumerate(hierarchy.levels)
            )
        )

    def nest(self, hierarchy: Hierarchy) -> str:
        """The loop nest as people read it, a line for each loop of more than one iteration."""
        lines: list[str] = []
        depth = 0
        for loops, level in zip(self.levels, hierarchy.levels, strict=True):
            keeps = f" keeps {', '.join(loops.keeps)}" if loops.keeps else ""
            lines.append(f"{'  ' * depth}{level.name}:{keeps}")
            kinds = (("for", loops.temporal), ("for x in", loops.x), ("for y in", loops.y))
            for word, group in kinds:
                for name, count in group:
                    if count > 1:
                        depth += 1
                        text = (
                            f"{word} {name} in {count}"
                            if word == "for"
                            else f"{word} {name} {count}"
                        )
                        lines.append("  " * depth + text)
            depth += 1
        lines.append("  " * depth + "MAC")
        return "\n".join(lines)


def parse_loops(text: object) -> tuple[Loop, ...]:
    """Loops from text as ``"C16 M4"``, the outermost first.

    Raises:
        InputError: on anything else.
    """
    if not isinstance(text, str):
        raise InputError(f"loops must be text such as 'C16 M4', not {text!r}")
    loops = []
    for word in text.split():
        match = _LOOP.fullmatch(word)
        if match is None or match[1] not in DIMENSIONS or int(match[2]) < 1:
            raise InputError(
                f"a loop must be one of {', '.join(DIMENSIONS)} and its iterations, as C16, "
                f"not {word!r}"
            )
        loops.append((match[1], int(match[2])))
    return tuple(loops)


def _text(loops: Iterable[Loop]) -> str:
    return " ".join(f"{name}{count}" for name, count in loops if count > 1)
