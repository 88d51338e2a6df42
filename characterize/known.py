"""Points that a dataset has: a campaign need not measure them again, on whatever machine."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from characterize.action_files import actions_code
from characterize.dataset import listed_values, read_dataset
from characterize.dataset_folder import MANIFEST, read_todays_actions
from characterize.measurement import CHOICES, METRICS, STEPS, Measurement
from rtl_gen.errors import InputError
from rtl_gen.space import design_of


def known_measurements(folder: Path, *, with_actions: bool) -> dict[str, Measurement]:
    """Every good point of a dataset, by its key: a point has that key only if all is as it was.

    Args:
        folder: of the dataset, whose files are held against their checksums.
        with_actions: only points whose energies per action are there, too, taken by today's code.

    Raises:
        InputError: if it has no dataset, or a file is not what its manifest says.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: is no folder of a dataset: it has no {MANIFEST}")
    table = read_dataset(folder)
    table = table[table["status"] == "ok"]
    if with_actions:
        energies = read_todays_actions(folder, actions_code())
        table = table[table["key"].isin(energies["key"])]
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
