"""Sizes rounded up, so that mappings with ragged edges are found.

A map space of whole factors lets 197 words of a sequence, a prime, go over an array one by one or
all at once. As 200 or 210 they can be split in many ways, and a mapping of the rounded layer is one
of the layer itself, whose last tiles are smaller. What it costs is counted of the layer as it is.
"""

from __future__ import annotations

from collections.abc import Collection

from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.splits import prime_factors
from explorer.networks.layer import MOST, LayerShape

#: A size with a larger prime factor than this can hardly be split.
_LARGEST_PRIME = 7
#: A size grows by this factor at most: beyond, most of what is added is idle.
_MOST_GROWTH = 1.5

#: Of dimensions that are split in other sizes, too, these sizes.
Larger = dict[str, tuple[int, ...]]


def rounded_up(shape: LayerShape, axes: Collection[int], *, every: bool = False) -> Larger:
    """Larger sizes that are worth a try: numbers of small primes, multiples of the array's axes.

    Args:
        shape: the layer; its filters stay as they are.
        axes: instances along an axis.
        every: of all sizes; else of those alone that can hardly be split.
    """
    found: Larger = {}
    for name, size in shape.sizes.items():
        least = smooth(size)
        if name in "RS" or (least == size and not every):
            continue
        multiples = {n * smooth(-(-size // n)) for n in axes if n > 1}
        sizes = {least, *(n for n in multiples if n <= _MOST_GROWTH * size)} - {size}
        if larger := tuple(sorted(n for n in sizes if n <= MOST)):
            found[name] = larger
    return found


def axes_of(hierarchy: Hierarchy) -> set[int]:
    """Instances along the axes of all levels."""
    return {n for level in hierarchy.levels for n in (level.fanout_x, level.fanout_y)}


def smooth(size: int) -> int:
    """The next number, or this one, without prime factors above 7."""
    while max(prime_factors(size), default=1) > _LARGEST_PRIME:
        size += 1
    return size
