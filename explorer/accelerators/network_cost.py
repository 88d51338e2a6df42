"""What the network of an array takes, as measured arrays tell (``surrogate.array_composition``)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.pe_tables import PETable
from rtl_gen.errors import InputError
from surrogate.array_composition import COLUMNS, ArrayComposition

#: Measured arrays, in the folder of a dataset.
ARRAYS = "arrays.csv"
_FLOW = "placed"
#: Place of the clock energy of area among the coefficients of the energy: after the constant, the
#: PEs' logic and the PEs' clock.
_CLOCK_OF_AREA = 3


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """Of network, controller, senders and output stages of an array.

    Attributes:
        area_um2, leakage_uw: of all of them.
        cycle_pj: of their clock in a cycle.
        least_period_ps: of the whole array.
        origin: the composition, and by how many measured arrays.
    """

    area_um2: float
    leakage_uw: float
    cycle_pj: float
    least_period_ps: float
    origin: str


def network_cost(
    accelerator: Accelerator, table: PETable, dataset: Path | None
) -> NetworkCost | None:
    """The network of an accelerator; None if it is wires alone, or the PE's period is not known.

    Raises:
        InputError: if there are no measured arrays.
    """
    if accelerator.network.kind != "array" or table.least_period_ps is None:
        return None
    if dataset is None or not (dataset / ARRAYS).is_file():
        raise InputError(
            f"network: kind array needs measured arrays, {ARRAYS} of a dataset; there is none in "
            f"{dataset or 'no dataset'}; use kind wires"
        )
    composition, arrays = _composition(dataset / ARRAYS, (dataset / ARRAYS).stat().st_mtime_ns)
    design = accelerator.array_design()
    row = dict.fromkeys(COLUMNS, 0.0) | {  # PEs of no area: what is around them is left
        "rows": design.rows, "columns": design.columns, "ifmap_buses": design.ifmap_buses,
        "filter_buses": design.filter_buses, "psum_buses": design.psum_buses,
        "scale_bits": design.scale_bits, "act_word_bits": design.pe.act_word_bits,
        "weight_word_bits": design.pe.weight_word_bits, "psum_bits": design.pe.psum_bits,
        "period_ps": accelerator.period_ps, "alone_least_period_ps": table.least_period_ps,
        "alone_macs_per_cycle": 1.0,
    }  # fmt: skip
    said = composition.predict(pd.DataFrame([{**row, "family": design.pe.family}])).iloc[0]
    clock = composition.models["energy_per_cycle_pj"].coefficients_[_CLOCK_OF_AREA]
    return NetworkCost(
        area_um2=float(said["area_um2"]),
        leakage_uw=float(said["leakage_uw"]),
        cycle_pj=float(clock * said["area_um2"]),
        least_period_ps=float(said["least_period_ps"]),
        origin=f"modelled: composition of {arrays} measured arrays",
    )


@functools.lru_cache(maxsize=2)
def _composition(path: Path, _changed: int) -> tuple[ArrayComposition, int]:
    table = pd.read_csv(path)
    table = table[table["flow"] == _FLOW]
    return ArrayComposition.fit(table), len(table)
