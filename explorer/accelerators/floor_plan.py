"""How far apart instances stand, and what a bit costs on its way: a model of the network's wires.

Instances below a level stand in a mesh of ``fanout_x`` by ``fanout_y``; what a level has of its
own makes each block larger on both sides in proportion. A hop is from one instance to its
neighbour, so the width or height of what stands below the level: a straight wire of that length in
the layers that the platform takes nets to run on (FreePDK45: capacitances of the OpenROAD flow
scripts, see ``configs/platforms``), without repeaters. A bit of data that are not alike changes
every second time, and a change takes C V^2 / 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from characterize.platform import Platform
from explorer.accelerators.hierarchy import Hierarchy

#: Changes of a bit from one word to the next.
ACTIVITY = 0.5


def hop_lengths_um(
    hierarchy: Hierarchy, own_um2: Sequence[float], unit_um2: float
) -> tuple[float, ...]:
    """Length of a hop below each level, um; 0 where there is one instance below.

    Args:
        own_um2: area of an instance of each level itself.
        unit_um2: area of a MAC unit with what belongs to it.
    """
    width = height = math.sqrt(unit_um2)
    lengths = []
    for level, own in zip(reversed(hierarchy.levels), reversed(own_um2), strict=True):
        steps = (level.fanout_x - 1, level.fanout_y - 1)
        lengths.append((steps[0] * width + steps[1] * height) / sum(steps) if sum(steps) else 0.0)
        width, height = width * level.fanout_x, height * level.fanout_y
        larger = math.sqrt(1 + own / (width * height))
        width, height = width * larger, height * larger
    return tuple(reversed(lengths))


def hop_pj_per_bit(length_um: float, platform: Platform) -> float:
    """Energy of a bit over a wire of such length, pJ."""
    ff_per_um = (platform.horizontal.ff_per_um + platform.vertical.ff_per_um) / 2
    return ACTIVITY * length_um * ff_per_um * platform.voltage_v**2 / 2 / 1000
