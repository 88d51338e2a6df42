"""Points that a dataset has: a campaign need not measure them again, on whatever machine."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from characterize.dataset import listed_values, read_dataset
from characterize.dataset_folder import read_actions
from characterize.measurement import CHOICES, METRICS, STEPS, Measurement
from rtl_gen.errors import InputError
from rtl_gen.space import design_of


def known_measurements(path: Path, *, with_actions: bool) -> dict[str, Measurement]:
    """Every good point of a dataset, by its key: a point has that key only if all is as it was.

    Args:
        path: of a CSV, or of a folder.
        with_actions: only points whose energies per action are there, too; a folder has these.

    Raises:
        InputError: if it cannot be read, or is a CSV although energies are wanted.
    """
    table = read_dataset(path)
    table = table[table["status"] == "ok"]
    if with_actions:
        if not path.is_dir():
            raise InputError(
                f"{path}: has no energies per action; name the folder of a dataset, or give "
                "--no-actions"
            )
        table = table[table["key"].isin(read_actions(path)["key"])]
    return {str(row["key"]): _measurement(row) for row in table.to_dict("records")}


def _measurement(row: Mapping[Hashable, Any]) -> Measurement:
    """The measurement in a row that ``dataset_table`` made."""
    steps = {step: float(row[f"seconds_{step}"]) for step in STEPS}
    return Measurement(
        key=row["key"],
        digests={"rtl": row["rtl"], "flow": row["flow_code"], "netlist": row["netlist"]},
        design={**design_of(row).to_dict(), "digest": row["digest"]},
        period_ps=int(row["period_ps"]),
        utilization=float(row["utilization"]),
        seed=int(row["seed"]),
        flow=row["flow"],
        activity_model=row["activity_model"],
        operands=row["operands"],
        mode=int(row["mode"]),
        run_terms=int(row["run_terms"]),
        perturbation=int(row["perturbation"]),
        platform={
            "name": row["platform"],
            "corner": row["corner"],
            "hashes": listed_values(row["kit"]),
        },
        tools=listed_values(row["tools"]),
        status="ok",
        reason="",
        choices={name: row[f"chosen_{name}"] for name in CHOICES},
        metrics={name: float(row[name]) for name in METRICS},
        seconds={step: spent for step, spent in steps.items() if math.isfinite(spent)},
    )
