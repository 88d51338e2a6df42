"""The measured dataset as the surrogate sees it: checked, reduced, identified."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from characterize.dataset import check_designs, checked, is_dataset, read_dataset, read_file
from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.features import checked_numbers
from surrogate.targets import TARGETS, needed_columns, with_targets

#: Columns that say where the numbers come from, as far as the dataset has them.
ORIGIN_COLUMNS = ("flow", "platform", "corner", "activity_model")
#: The measured row that is learnt from: other rows tell of the same hardware at other work.
ROW = {"operands": "uniform", "mode": 0, "run_terms": 0, "perturbation": 0}

#: Rows with this status were measured, any other are failures without values.
OK = "ok"


def training_table(dataset: pd.DataFrame) -> pd.DataFrame:
    """The measured points: rows whose status is ``ok``, without the metrics nothing is learnt from.

    Rows measured with other operands, modes or terms than ``ROW`` are left out, where the dataset
    says so.

    Args:
        dataset: one row for each point; columns ``POINT_COLUMNS``, ``status``, and
            ``surrogate.targets.needed_columns``, and others.

    Returns:
        Columns ``POINT_COLUMNS`` and ``TARGETS``, rows numbered from 0.

    Raises:
        InputError: if a column is missing, no row is ``ok``, or those that are come from different
            flows, or one has an illegal parameter, or a target that is not a positive number.
    """
    for name in (*POINT_COLUMNS, "status", *needed_columns()):
        if name not in dataset:
            raise InputError(f"the dataset has no column {name}")
    table = with_targets(learnt_rows(dataset)).reset_index(drop=True)
    table = table[[*POINT_COLUMNS, *TARGETS]]
    if table.empty:
        of_row = (
            ""
            if not (dataset["status"] == OK).any()
            else (" of " + ", ".join(f"{name} {value}" for name, value in ROW.items()))
        )
        raise InputError(
            f"the dataset has no row with status {OK}{of_row} among its {len(dataset)}"
        )
    for name, found in origin(dataset).items():
        if len(found) > 1:
            raise InputError(
                f"the dataset mixes measurements of different {name}: {'; '.join(found)}"
            )
    checked_numbers(table)
    bits = _stored_bits(table)
    for target in TARGETS:
        values = pd.to_numeric(table[target], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            raise InputError(
                f"{target} must be a number above 0 in every row with status {OK}, not "
                f"{table.loc[wrong, target].iloc[0]}"
            )
        _check_unit(target, values, bits)
    beyond = table["area_um2"] > table["core_area_um2"]
    if beyond.any():
        row = table[beyond].iloc[0]
        raise InputError(
            f"area_um2 {row['area_um2']:.6g} is more than core_area_um2 "
            f"{row['core_area_um2']:.6g}, where its cells are placed: are the columns exchanged, "
            "or in another order?"
        )
    return table


def learnt_rows(dataset: pd.DataFrame) -> pd.DataFrame:
    """The rows that were measured, as ``ROW`` says where the dataset tells that."""
    used = dataset["status"] == OK
    for name, value in ROW.items():
        if name in dataset:
            used &= dataset[name] == value
    return dataset.loc[used]


def _stored_bits(table: pd.DataFrame) -> NDArray[np.float64]:
    """Bits of the scratchpads and of one sum: what a PE has at least."""
    depths = {"ifmap_depth": "act_bits", "filter_depth": "weight_bits", "psum_depth": "psum_bits"}
    words = (table[depth] * table[bits] for depth, bits in depths.items())
    return np.asarray(sum(words, start=table["psum_bits"]), dtype=np.float64)


def _check_unit(target: str, values: NDArray[np.float64], bits: NDArray[np.float64]) -> None:
    """Refuse numbers that can only be in another unit."""
    known = TARGETS[target]
    low, high = known.plausible
    each = values / bits if known.a_bit else values
    wrong = (each < low) | (each > high)
    if wrong.any():
        row = int(wrong.argmax())
        found = f", {each[row]:.3g} for each stored bit" if known.a_bit else ""
        raise InputError(
            f"{target} is {values[row]:.6g}{found}: it must be in {known.unit} "
            f"({low:g}..{high:g}{' a bit' if known.a_bit else ''})"
        )


def read_measurements(path: Path) -> pd.DataFrame:
    """Read measurements to learn from: a dataset, or one's own table.

    One's own needs the parameters of the designs and ``surrogate.targets.needed_columns``. Without
    ``status``, every row counts as measured; a ``digest`` must be that of the design.

    Args:
        path: CSV, Parquet, or the folder of a dataset.

    Raises:
        InputError: if it cannot be read, a column is missing, or a row is no design.
    """
    if path.is_dir():
        return read_dataset(path)
    table = read_file(path)
    if is_dataset(table):
        return checked(table, str(path))
    for name in (*POINT_COLUMNS, *needed_columns()):
        if name not in table:
            raise InputError(f"{path}: column {name} is missing")
    check_designs(str(path), table)
    return table if "status" in table else table.assign(status=OK)


def of_flow(dataset: pd.DataFrame, flow: str | None) -> pd.DataFrame:
    """The rows of one flow; all if None.

    Raises:
        InputError: if there are none.
    """
    if flow is None:
        return dataset
    rows = dataset[dataset["flow"] == flow]
    if rows.empty:
        flows = ", ".join(sorted(set(dataset["flow"].astype(str))))
        raise InputError(f"the dataset has no row of flow {flow!r}, only of {flows}")
    return rows.reset_index(drop=True)


def origin(dataset: pd.DataFrame) -> dict[str, list[str]]:
    """The values of ``ORIGIN_COLUMNS`` in the measured rows."""
    measured = dataset[dataset["status"] == OK]
    return {
        name: sorted(set(measured[name].astype(str))) for name in ORIGIN_COLUMNS if name in dataset
    }


def dataset_digest(dataset: pd.DataFrame) -> str:
    """SHA-256, in hexadecimal, of what a dataset says.

    The same for any order of rows and columns, and whatever the run times (``seconds_*``) were.
    """
    columns = sorted(name for name in dataset.columns if not name.startswith("seconds_"))
    values = dataset[columns].astype(object)
    rows = sorted(map(json.dumps, values.where(values.notna(), None).to_numpy().tolist()))
    return hashlib.sha256(json.dumps([columns, rows]).encode()).hexdigest()
