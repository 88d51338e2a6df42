"""How far apart instances stand, and what a bit costs on its way: a model of the network's wires.

Instances below a level stand in a mesh of ``fanout_x`` by ``fanout_y``; what a level has of its
own makes each block larger on both sides in proportion. A hop is from one instance to its
neighbour, so the width or height of what stands below the level: a straight wire of that length in
the layers that the platform takes nets to run on (FreePDK45: capacitances of the OpenROAD flow
scripts, see ``configs/platforms``), without repeaters. A bit of data that are not alike changes
every second time, and a change takes C V^2 / 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from characterize.platform import Platform

Numbers = NDArray[np.float64]

#: Changes of a bit from one word to the next.
ACTIVITY = 0.5


def hop_lengths_um(fanouts: Numbers, own_um2: Numbers, unit_um2: Numbers) -> Numbers:
    """Length of a hop below each level, um; 0 where there is one instance below.

    Args:
        fanouts: ``[..., levels, 2]``: instances below, along x and y.
        own_um2: ``[..., levels]``: area of an instance of each level itself.
        unit_um2: ``[...]``: area of a MAC unit with what belongs to it.

    Returns:
        ``[..., levels]``.
    """
    width = height = np.sqrt(unit_um2)
    lengths = []
    for level in reversed(range(own_um2.shape[-1])):
        x, y = fanouts[..., level, 0], fanouts[..., level, 1]
        steps = (x - 1) + (y - 1)
        lengths.append(((x - 1) * width + (y - 1) * height) / np.maximum(steps, 1))
        width, height = width * x, height * y
        larger = np.sqrt(1 + own_um2[..., level] / (width * height))
        width, height = width * larger, height * larger
    return np.stack(np.broadcast_arrays(*reversed(lengths)), axis=-1)


def hop_pj_per_bit(length_um: Numbers, platform: Platform) -> Numbers:
    """Energy of a bit over wires of such lengths, pJ."""
    ff_per_um = (platform.horizontal.ff_per_um + platform.vertical.ff_per_um) / 2
    return ACTIVITY * length_um * ff_per_um * platform.voltage_v**2 / 2 / 1000
