"""What an array takes, composed of its parts: PEs, network, queues, output stages, controller.

From what a PE takes alone to area, leakage, energy and least period of rows x columns of it, with
shares fitted to measured arrays. Every part but the controller grows with the PEs or with the
buses: a larger array asks for sums of what small ones have shown, not for anything new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.model import Activity
from rtl_gen.errors import InputError
from surrogate.baseline import PhysicalBase

Parts = NDArray[np.float64]

#: Bits of a sender for each bit of its words: address, counters and tags beside the queue.
_IFMAP_SENDER_BITS, _SENDER_BITS = 60, 30
#: An array whose least period is at most so many times its PE's is as slow as its PE.
_BY_PE = 1.1
_ARRAY = ("rows", "columns", "ifmap_buses", "filter_buses", "psum_buses", "scale_bits")
_PE = ("family", "act_word_bits", "weight_word_bits", "psum_bits")
#: What is asked for: an array, a layer on it, a period; and what a PE takes alone at that period:
#: power of its clock network (registers, clock gates, clock tree) and of its logic while it
#: multiplies so often.
COLUMNS = (
    *_ARRAY, *_PE, "period_ps", "macs_per_cycle", "sums_per_cycle", "alone_area_um2",
    "alone_leakage_uw", "alone_least_period_ps", "alone_clock_power_uw", "alone_logic_power_uw",
    "alone_macs_per_cycle",
)  # fmt: skip
TARGETS = ("area_um2", "leakage_uw", "energy_per_cycle_pj", "least_period_ps")


def array_columns(design: ArrayDesign, activity: Activity, macs: int) -> dict[str, Any]:
    """The columns of an array that runs a layer; not the period, nor what a PE takes alone.

    Args:
        activity: of the layer (``rtl_gen.array.model``).
        macs: multiply-accumulates of the layer.
    """
    moved = activity.counts["psum_ins"] + activity.counts["psum_outs"]
    return {
        **{name: getattr(design, name) for name in _ARRAY},
        **{name: getattr(design.pe, name) for name in _PE},
        "macs_per_cycle": macs / activity.cycles,
        "sums_per_cycle": moved / activity.cycles,
    }


@dataclass(frozen=True)
class ArrayComposition:
    """Shares of the parts, fitted to measured arrays; ``fit`` makes one.

    Attributes:
        models: of each target, a sum of parts that are not negative; of the least period that of
            the network.
        pe_share: least period of an array over that of its PE alone, where the PE is the limit.
    """

    models: dict[str, PhysicalBase]
    pe_share: float = 1.0

    @classmethod
    def fit(cls, table: pd.DataFrame) -> Self:
        """Fit to measured arrays, a row each, with ``COLUMNS`` and ``TARGETS``.

        The least period is learnt from those that miss the period they aim at (``at_limit``): what
        meets it could have been faster. All else is learnt from those that meet it: the others are
        larger than they had to be.

        Raises:
            InputError: if a column is missing, a target is not above zero, or all arrays meet their
                period, or none.
        """
        _check(table, (*COLUMNS, *TARGETS))
        missed = at_limit(table)
        if missed.all() or not missed.any():
            raise InputError("the table must have arrays that meet their period, and that miss it")
        ratio = table["least_period_ps"] / table["alone_least_period_ps"]
        by_pe = missed & (ratio <= _BY_PE)
        by_network = missed & ~by_pe if (missed & ~by_pe).any() else missed
        models: dict[str, PhysicalBase] = {}
        for target in TARGETS:
            rows = table[by_network if target == "least_period_ps" else ~missed]
            parts = _PARTS[target](rows, cls(models))
            models[target] = PhysicalBase().fit(parts, rows[target].to_numpy(np.float64))
        return cls(models, pe_share=float(ratio[by_pe].mean()) if by_pe.any() else 1.0)

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """``TARGETS`` of each row of ``COLUMNS``.

        All are of an array that meets its period, but ``least_period_ps``, which a shorter aim
        would not make shorter. ``energy_per_cycle_pj`` is dynamic, of all but the buffer's banks.

        Raises:
            InputError: if a column is missing.
        """
        _check(table, COLUMNS)
        return pd.DataFrame({target: self._values(target, table) for target in TARGETS})

    def _values(self, target: str, table: pd.DataFrame) -> Parts:
        values: Parts = self.models[target].predict(_PARTS[target](table, self))
        if target == "least_period_ps":
            alone = table["alone_least_period_ps"].to_numpy(np.float64)
            return np.maximum(values, self.pe_share * alone)
        return values


def at_limit(table: pd.DataFrame) -> pd.Series:
    """Which arrays miss the period they aim at, and so tell the least there is."""
    return table["least_period_ps"] > table["period_ps"]


def _area(table: pd.DataFrame, _fitted: ArrayComposition) -> Parts:
    return _side_by_side(_pes(table) * table["alone_area_um2"], *_around(table))


def _leakage(table: pd.DataFrame, _fitted: ArrayComposition) -> Parts:
    return _side_by_side(_pes(table) * table["alone_leakage_uw"], *_around(table))


def _energy(table: pd.DataFrame, fitted: ArrayComposition) -> Parts:
    """PEs' logic as busy as it is, PEs' clock, the clock in all area, sums that are passed on."""
    picojoules = table["period_ps"] * 1e-6
    share = table["macs_per_cycle"] / table["alone_macs_per_cycle"]
    return _side_by_side(
        table["alone_logic_power_uw"] * picojoules * share,
        table["alone_clock_power_uw"] * picojoules * _pes(table),
        fitted._values("area_um2", table),
        table["sums_per_cycle"] * table["psum_bits"],
    )


def _least_period(table: pd.DataFrame, _fitted: ArrayComposition) -> Parts:
    """Of the network: through a PE's logic, and wires that grow with the sides."""
    return _side_by_side(table["alone_least_period_ps"], np.sqrt(_pes(table)))


_PARTS: dict[str, Callable[[pd.DataFrame, ArrayComposition], Parts]] = {
    "area_um2": _area,
    "leakage_uw": _leakage,
    "energy_per_cycle_pj": _energy,
    "least_period_ps": _least_period,
}


def _pes(table: pd.DataFrame) -> pd.Series:
    return table["rows"] * table["columns"]


def _around(table: pd.DataFrame) -> tuple[pd.Series, ...]:
    """What each PE has for an ifmap bus, and for its sums; senders; output stages (not ``fp``)."""
    senders = (
        table["ifmap_buses"] * (table["act_word_bits"] + _IFMAP_SENDER_BITS)
        + table["filter_buses"] * (table["weight_word_bits"] + _SENDER_BITS)
        + table["psum_buses"] * (table["psum_bits"] + _SENDER_BITS)
    )
    stages = table["psum_buses"] * (table["psum_bits"] + table["scale_bits"])
    return (
        _pes(table) * table["ifmap_buses"],
        _pes(table) * table["psum_bits"],
        senders,
        stages * (table["family"] != "fp"),
    )


def _side_by_side(*parts: pd.Series | NDArray[np.float64]) -> Parts:
    return np.column_stack([np.asarray(part, dtype=np.float64) for part in parts])


def _check(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(f"the table of arrays has no column {missing[0]}")
