"""Layers rounded up, so that mappings with ragged edges are found.

A map space has whole factors: 197 words of a sequence, a prime, go over an array one by one or all
at once. As 200 or 210 they can be split in many ways, and a mapping of the rounded layer is one of
the layer itself, whose last tiles are smaller. What it costs is counted of the layer as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.splits import prime_factors
from explorer.networks.layer import MOST, LayerShape

#: A size with a larger prime factor than this can hardly be split.
_LARGEST_PRIME = 7
#: A size grows by this factor at most: beyond, most of what is added is idle.
_MOST_GROWTH = 1.5
#: Of a dimension the attribute that sets its size; of P and Q with the step that a word takes.
_SET_BY = {"N": "batch", "G": "groups", "M": "filters", "C": "channels"}
_SLIDING = {"P": ("height", "stride_height"), "Q": ("width", "stride_width")}


def rounded_up(
    shape: LayerShape, axes: Collection[int], *, every: bool = False
) -> list[LayerShape]:
    """Layers like this one with larger sizes, each at most once.

    Args:
        shape: the layer.
        axes: instances along an axis, which the sizes are made multiples of.
        every: of all sizes; else of those alone that can hardly be split.
    """
    sizes = {name: size for name, size in shape.sizes.items() if name not in "RS"}
    hard = {name: smooth(size) for name, size in sizes.items() if smooth(size) != size}
    found = [
        {name: hard[name] for name in names}
        for count in range(len(hard), 0, -1)
        for names in itertools.combinations(hard, count)
    ]
    # A reduction whose last tile is smaller ends at other times in other instances, so that their
    # sums are not added on the way.
    outside = {name: size for name, size in hard.items() if name != "C"}
    for name in sizes if every else hard:
        for instances in sorted(set(axes) - {1}):
            multiple = instances * smooth(-(-sizes[name] // instances))
            if sizes[name] < multiple <= _MOST_GROWTH * sizes[name]:
                found.append({**outside, name: multiple})
    layers = [_of_sizes(shape, new) for new in found if max(new.values(), default=0) <= MOST]
    return [layer for layer in dict.fromkeys(layers) if layer != shape]


def axes_of(hierarchy: Hierarchy) -> set[int]:
    """Instances along the axes of all levels."""
    return {n for level in hierarchy.levels for n in (level.fanout_x, level.fanout_y)}


def smooth(size: int) -> int:
    """The next number, or this one, without prime factors above 7."""
    while max(prime_factors(size), default=1) > _LARGEST_PRIME:
        size += 1
    return size


def _of_sizes(shape: LayerShape, sizes: dict[str, int]) -> LayerShape:
    new: dict[str, Any] = {_SET_BY[name]: size for name, size in sizes.items() if name in _SET_BY}
    for name, (extent, step) in _SLIDING.items():
        if name in sizes:
            more = sizes[name] - shape.sizes[name]
            new[extent] = getattr(shape, extent) + more * getattr(shape, step)
    return replace(shape, **new)
