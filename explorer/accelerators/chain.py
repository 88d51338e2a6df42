"""Levels that name the level around them, brought into order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from explorer.accelerators.hierarchy import Level
from rtl_gen.errors import InputError, nearest, shown


def ordered(levels: Sequence[Level], parents: Mapping[str, str | None]) -> list[Level]:
    """Levels from the outermost inwards, each with its parent named; None for the outermost.

    Levels with the same parent stand side by side: they keep different tensors, and all but one
    end there.

    Raises:
        InputError: if a parent is unknown, there is no outermost level or several, levels are
            their own parents in a circle, or levels side by side keep the same tensor.
    """
    by_name = {level.name: level for level in levels}
    for name, parent in parents.items():
        if parent is not None and parent not in by_name:
            close = nearest(parent, by_name) if isinstance(parent, str) else ""
            raise InputError(
                f"level {name!r}: parent {shown(parent)} is not a level; allowed are "
                f"{', '.join(by_name)}{close}"
            )
    for name in by_name:
        if circle := _circle(name, parents):
            raise InputError(
                f"the memory hierarchy is cyclic: {' is in '.join(circle)}; one level must have no "
                "parent"
            )
    roots = [name for name, parent in parents.items() if parent is None]
    if len(roots) > 1:
        raise InputError(
            f"one level must be outermost, without a parent; these are: {', '.join(roots)}"
        )
    return _below(by_name[roots[0]], levels, parents)


def _circle(name: str, parents: Mapping[str, str | None]) -> list[str]:
    """The circle that leads back to a level, if its parents do."""
    path = [name]
    while (parent := parents[path[-1]]) is not None:
        if parent == name:
            return [*path, name]
        if parent in path:
            return []  # a circle that begins further out
        path.append(parent)
    return []


def _below(level: Level, levels: Sequence[Level], parents: Mapping[str, str | None]) -> list[Level]:
    children = [child for child in levels if parents[child.name] == level.name]
    goes_on = [c for c in children if c.fanout > 1 or c.name in parents.values()]
    if len(goes_on) > 1:
        raise InputError(
            f"levels {goes_on[0].name!r} and {goes_on[1].name!r} have the same parent, "
            f"{level.name!r}: only one of them can have levels or instances below it"
        )
    taken: dict[str, str] = {}
    for child in children if len(children) > 1 else ():
        for tensor in child.keeps:
            if tensor in taken:
                raise InputError(
                    f"levels {taken[tensor]!r} and {child.name!r} have the same parent, "
                    f"{level.name!r}, and both keep {tensor}"
                )
            taken[tensor] = child.name
    found = [level, *(child for child in children if child not in goes_on)]
    return found + (_below(goes_on[0], levels, parents) if goes_on else [])
