"""What happens when in a simulation: phases, streams that wait, and how well a mean is known.

How long a primitive takes is known in closed form (``rtl_gen.golden.row_cycles``), and so is what
the PE does in every one of its cycles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive, row_cycles

#: Parts of the compute window whose energies tell how far the mean may be off.
BATCHES = 20


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What happens when in a simulation whose streams never wait by chance.

    Cycles count from the one that takes the first configuration, 0.

    Attributes:
        phases: number of phases.
        changes: (cycle, phase) from which on a phase lasts; None for none. The last one ends with
            the simulation.
        cycles: from the first configuration to the last sum; the sums are checked, and so is this.
        holds: spans of cycles, their ends not included, in which a stream offers no new word
            (``psum_out``: is not ready).
        clock_stops: (cycle, periods, phase): the clock stays low for so long behind that cycle's
            falling edge, and this is a phase of its own.
        last_cycle: the simulation goes on until this one at least.
    """

    phases: int
    changes: Sequence[tuple[int, int | None]]
    cycles: int
    holds: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    clock_stops: Sequence[tuple[int, int, int]] = ()
    last_cycle: int = 0


def window_cycles(design: PEDesign, size: Primitive) -> int:
    """Cycles of the compute window: from the first multiply-accumulate to the last sum."""
    return row_cycles(design, size) - _loading(design, size)


def compute_window(design: PEDesign, size: Primitive) -> Schedule:
    """One primitive whose compute window is divided into at most ``BATCHES`` phases.

    Each is as many whole output columns as the others, or one less.
    """
    batches = min(BATCHES, size.outputs)
    first = [batch * size.outputs // batches for batch in range(batches)]
    return Schedule(
        phases=batches,
        changes=[(first_mac(design, size, x), batch) for batch, x in enumerate(first)],
        cycles=row_cycles(design, size),
    )


def first_mac(design: PEDesign, size: Primitive, column: int) -> int:
    """Cycle in which an output column's multiply-accumulates begin, if no stream waits.

    Cycle 0 takes the configuration; then the filters and the first window are loaded.
    """
    every = (
        size.steps(design) + design.pipeline_stages - 1 + size.sums
        + size.slide * size.groups(design)
    )  # fmt: skip
    return _loading(design, size) + 1 + column * every


def _loading(design: PEDesign, size: Primitive) -> int:
    """Cycles that load the filters and the first window."""
    return (0 if size.keep_filter else size.steps(design)) + size.window_words(design)


def interval_pct(means: NDArray[np.float64]) -> float:
    """Half width of the 95 % confidence interval of a mean, in % of it, from batch means.

    Infinite for fewer than two batches.
    """
    count = len(means)
    if count < 2:
        return float("inf")
    quantile = stdtrit(count - 1, 0.975)  # of Student's t distribution
    return float(100 * quantile * means.std(ddof=1) / np.sqrt(count) / means.mean())
