"""Wires of known capacitance, shared by the tests."""

from __future__ import annotations

import numpy as np

from characterize.parasitics import Wire


def star(sinks: int) -> Wire:
    """A wire of 1 fF, half of it at the driver, with 1 Ohm to each sink."""
    return Wire(
        length_um=0,
        node_ff=np.array([0.5, *[0.5 / sinks] * sinks]),
        node_ohm=np.array([0.0, *[1.0] * sinks]),
        parent=np.array([-1, *[0] * sinks]),
    )
