"""The dataset: one row a point, as CSV."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from characterize.dataset_folder import read_points
from characterize.dataset_schema import COLUMNS, DIGESTS, POINT_IDENTITY
from characterize.measurement import METRICS, Measurement, Point
from rtl_gen.atomic import write_text
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import DESIGN_COLUMNS

#: Columns that datasets did not always have.
_LATER: dict[str, Any] = {**dict.fromkeys(DIGESTS, ""), "perturbation": 0}


def dataset_table(points: Sequence[Point], measurements: Sequence[Measurement]) -> pd.DataFrame:
    """One row for each point, columns ``COLUMNS``; failed points have no metrics."""
    rows: list[dict[str, Any]] = []
    for point, measurement in zip(points, measurements, strict=True):
        rows.append(
            {
                "name": point.name,
                "digest": point.design.digest,
                **point.design.to_dict(),
                "period_ps": point.period_ps,
                "utilization": point.utilization,
                "seed": point.seed,
                "operands": point.operands,
                "mode": point.mode,
                "run_terms": point.run_terms,
                "perturbation": point.perturbation,
                "flow": measurement.flow,
                "platform": measurement.platform["name"],
                "corner": measurement.platform["corner"],
                "activity_model": measurement.activity_model,
                "key": measurement.key,
                "status": measurement.status,
                "reason": measurement.reason,
                **{f"chosen_{name}": choice for name, choice in measurement.choices.items()},
                **measurement.metrics,
                **{f"seconds_{step}": s for step, s in measurement.seconds.items()},
                "rtl": measurement.digests["rtl"],
                "flow_code": measurement.digests["flow"],
                "netlist": measurement.digests["netlist"],
                "tools": _listed(measurement.tools),
                "kit": _listed(measurement.platform["hashes"]),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def listed_values(text: str) -> dict[str, str]:
    """What is listed in a cell of column ``tools`` or ``kit``, by name."""
    return dict(item.split("=", 1) for item in text.split(", "))


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items()))


def write_dataset(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV, whole or not at all.

    Raises:
        InputError: if it cannot be written.
    """
    write_text(path, table.to_csv(index=False, float_format="%.9g"))


def read_dataset(path: Path) -> pd.DataFrame:
    """Read a table that ``write_dataset`` wrote, or those of a folder (``dataset_folder``).

    Raises:
        InputError: if it cannot be read, a column is missing, or a row is not what was written:
            cut off, of another design than its digest says, or there twice.
    """
    return checked(read_points(path) if path.is_dir() else read_file(path), str(path))


def read_file(path: Path) -> pd.DataFrame:
    """Read any table: Parquet if its name ends so, else CSV.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return pd.read_parquet(file) if path.suffix == ".parquet" else pd.read_csv(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: is not a dataset: {str(error).splitlines()[0]}") from None


def is_dataset(table: pd.DataFrame) -> bool:
    """Whether a table has the columns of a dataset, or those that datasets always had."""
    return set(COLUMNS) - set(_LATER) <= set(table)


def checked(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """The same table, its numbers as numbers, if it is one that ``dataset_table`` made.

    Args:
        where: it is from, for messages.

    Raises:
        InputError: as ``read_dataset``.
    """
    table = table.assign(**{name: value for name, value in _LATER.items() if name not in table})
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(f"{where}: is not a dataset: column {missing[0]} is missing")
    for name in METRICS:
        try:
            table[name] = pd.to_numeric(table[name])
        except (ValueError, TypeError):
            raise InputError(f"{where}: column {name} must hold numbers") from None
    for name in ("reason", *DIGESTS):
        table[name] = table[name].astype(object).fillna("")
    _check_rows(where, table)
    return table


def _check_rows(source: str, table: pd.DataFrame) -> None:
    """Refuse rows that ``dataset_table`` cannot have made; lines count from the heading, 1."""
    for line, row in enumerate(table.to_dict("records"), 2):
        where = f"{source}: line {line}"
        _check_design(where, row)
        if row["status"] not in ("ok", "failed"):
            raise InputError(f"{where}: status must be ok or failed, not {row['status']}")
        if row["status"] == "ok":
            for name in METRICS:
                if not math.isfinite(row[name]):
                    raise InputError(f"{where}: {name} must be a number, not {row[name]}")
    double = table.duplicated(list(POINT_IDENTITY))
    if double.any():
        raise InputError(f"{source}: line {int(double.argmax()) + 2}: this point is there before")


def check_designs(source: str, table: pd.DataFrame) -> None:
    """Refuse rows that are no design, or another one than their digest says, if they have one.

    Args:
        source: of the table, for messages; lines count from the heading, 1.
        table: has the parameters of a design.

    Raises:
        InputError: if so.
    """
    for line, row in enumerate(table.to_dict("records"), 2):
        _check_design(f"{source}: line {line}", row)


def _check_design(where: str, row: Mapping[Hashable, Any]) -> None:
    try:
        digest = PEDesign.from_dict({name: _plain(row[name]) for name in DESIGN_COLUMNS}).digest
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if row.get("digest", digest) != digest:
        raise InputError(f"{where}: the digest is not that of the design")


def _plain(value: object) -> object:
    """A cell of a table as the design takes it: numbers that are whole are integers.

    A single wrong word makes all cells of its column text; the others are to pass.
    """
    if isinstance(value, str):
        if value in ("True", "False"):
            return value == "True"
        return int(value) if value.lstrip("-").isdecimal() else value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
