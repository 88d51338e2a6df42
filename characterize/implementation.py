"""What every flow leaves after place and route: the netlist that is simulated and measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from characterize.netlist import Netlist
from characterize.parasitics import Wire
from characterize.place import Placement
from characterize.timing import TimingResult


class _Named(Protocol):
    @property
    def name(self) -> str:
        """Of the top module."""


class Target(Protocol):
    """What place and route aims at: a PE's point (``characterize.measurement``), or an array's."""

    @property
    def design(self) -> _Named:
        """The hardware."""

    @property
    def period_ps(self) -> int:
        """Clock period."""

    @property
    def utilization(self) -> float:
        """Cell area over core area."""

    @property
    def seed(self) -> int:
        """Of placement."""

    @property
    def flow(self) -> str:
        """What places and routes, of ``characterize.measurement.FLOWS``."""


@dataclass(frozen=True, kw_only=True)
class StepTimer:
    """Writes down what steps take.

    Attributes:
        seconds: by step; one that runs again adds up.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Count the time that is spent inside, also if it ends with an error."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(step, 0.0) + time.perf_counter() - begin
            self.seconds[step] = round(spent, 3)


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """A netlist after place and route, with its wires and timing.

    Attributes:
        netlist: the final one; instances of the clock tree begin with ``clock_tree.CLOCK_BUFFER``.
        wires: of each net.
        placement: where its cells are.
        timed: by OpenSTA, at the period.
        buffers: added for loads and setup.
        clock_buffers: of the clock tree.
        hold_buffers: added against changes that come too early.
        utilization: that the core was made for.
        congestion: of the routing, as ``characterize.routability`` estimates it.
    """

    netlist: Netlist
    wires: list[Wire]
    placement: Placement
    timed: TimingResult
    buffers: int
    clock_buffers: int
    hold_buffers: int
    utilization: float
    congestion: float
