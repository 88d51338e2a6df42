"""The highest clock of a design, by search over the period that synthesis aims at.

A netlist's own least period is in its measurement; but another period makes another netlist, and a
shorter one a quicker netlist, down to where nothing helps any more. Each period tried is a point
like any other, measured to the end and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from characterize.measurement import Measurement
from rtl_gen.space import PERIOD_PS

#: What aims at no reachable period comes out quick, but some of its gates are larger than a nearer
#: aim would make them; a netlist of one is at most this share of its period quicker.
NEARER = 0.2
#: The search ends when a period that fails is this close to the best one, as a share of it.
RESOLUTION = 0.02
#: Periods tried at most.
MAX_TRIALS = 10


@dataclass(frozen=True, kw_only=True)
class FmaxResult:
    """What the search found.

    Attributes:
        trials: target period in ps and its measurement, in the order of trial.
        best: the trial with the shortest period that is met; None if none could be measured and
            meets hold, slew and load.
    """

    trials: tuple[tuple[int, Measurement], ...]
    best: tuple[int, Measurement] | None

    @property
    def period_ps(self) -> float:
        """The least period of the best; 0 without one."""
        return self.best[1].metrics["least_period_ps"] if self.best else 0.0

    @property
    def fmax_mhz(self) -> float:
        """Its frequency; 0 without one."""
        return self.best[1].metrics["fmax_mhz"] if self.best else 0.0


def search_fmax(measure: Callable[[int], Measurement]) -> FmaxResult:
    """Aim at the shortest period that can be named, then between what fails and what is met.

    A netlist that misses its aim still meets its own least period, which counts.

    Args:
        measure: the measurement with synthesis aiming at a period in ps.
    """
    trials: dict[int, Measurement] = {}
    best: tuple[int, Measurement] | None = None
    target, failed = PERIOD_PS[0], 0.0
    while target not in trials and len(trials) < MAX_TRIALS:
        measurement = trials[target] = measure(target)
        if measurement.status == "failed":
            break
        least = measurement.metrics["least_period_ps"]
        if measurement.metrics["fmax_mhz"] > 0 and (best is None or least < _least(best)):
            best = target, measurement
        if best is None:
            break  # what breaks hold, slew or load does so at any period
        met = _least(best)
        failed = max(failed, target) if least > target else failed
        failed = max(failed, (1 - NEARER) * met)
        if met - failed <= RESOLUTION * met:
            break
        target = max(PERIOD_PS[0], round((failed + met) / 2))
    return FmaxResult(trials=tuple(trials.items()), best=best)


def _least(trial: tuple[int, Measurement]) -> float:
    return trial[1].metrics["least_period_ps"]
