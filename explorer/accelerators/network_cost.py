"""What the network of an array takes, as measured arrays tell (``surrogate.array_composition``)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.pe_tables import PETable
from rtl_gen.design import PEDesign
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
    design = accelerator.array_design()
    row = {
        **{name: getattr(design, name) for name in FRAME_COLUMNS},
        **pe_columns(design.pe, accelerator.period_ps, table.least_period_ps),
    }
    said = composed(pd.DataFrame([row]), dataset).iloc[0]
    return NetworkCost(
        area_um2=float(said["area_um2"]),
        leakage_uw=float(said["leakage_uw"]),
        cycle_pj=float(said["cycle_pj"]),
        least_period_ps=float(said["least_period_ps"]),
        origin=composition_origin(dataset),
    )


#: Columns of ``composed`` that are parameters of ``ArrayDesign``.
FRAME_COLUMNS = ("rows", "columns", "ifmap_buses", "filter_buses", "psum_buses", "scale_bits")


def pe_columns(pe: PEDesign, period_ps: int, least_period_ps: float) -> dict[str, Any]:
    """Columns of ``composed`` that a PE has, with the array's period and its own least one."""
    return {
        "act_word_bits": pe.act_word_bits, "weight_word_bits": pe.weight_word_bits,
        "psum_bits": pe.psum_bits, "family": pe.family, "period_ps": period_ps,
        "alone_least_period_ps": least_period_ps,
    }  # fmt: skip


def composed(table: pd.DataFrame, dataset: Path) -> pd.DataFrame:
    """The fields of ``NetworkCost`` that are numbers, of each row.

    Args:
        table: columns ``FRAME_COLUMNS`` and those of ``pe_columns``.
        dataset: folder that has ``ARRAYS``.
    """
    composition, _ = _fitted(dataset)
    # PEs of no area: what is around them is left.
    others = {name: 0.0 for name in COLUMNS if name not in table} | {"alone_macs_per_cycle": 1.0}
    said = composition.predict(table.assign(**others))
    clock = composition.models["energy_per_cycle_pj"].coefficients_[_CLOCK_OF_AREA]
    return said.assign(cycle_pj=clock * said["area_um2"])


def composition_origin(dataset: Path) -> str:
    """Where the figures of ``composed`` are from."""
    return f"modelled: composition of {_fitted(dataset)[1]} measured arrays"


def _fitted(dataset: Path) -> tuple[ArrayComposition, int]:
    return _composition(dataset / ARRAYS, (dataset / ARRAYS).stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _composition(path: Path, _changed: int) -> tuple[ArrayComposition, int]:
    table = pd.read_csv(path)
    table = table[table["flow"] == _FLOW]
    return ArrayComposition.fit(table), len(table)
