"""The measured dataset as the surrogate sees it: checked, reduced, identified."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd

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
    used = dataset["status"] == OK
    for name, value in ROW.items():
        if name in dataset:
            used &= dataset[name] == value
    table = with_targets(dataset.loc[used]).reset_index(drop=True)
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
    for target in TARGETS:
        values = pd.to_numeric(table[target], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            raise InputError(
                f"{target} must be a number above 0 in every row with status {OK}, not "
                f"{table.loc[wrong, target].iloc[0]}"
            )
    return table


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
