"""Points that a dataset has: a campaign need not measure them again, on whatever machine."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from characterize.action_files import actions_code
from characterize.dataset import listed_values, read_dataset
from characterize.dataset_folder import (
    MANIFEST,
    read_manifest,
    read_shard,
    read_todays_actions,
)
from characterize.measurement import CHOICES, METRICS, STEPS, Measurement
from rtl_gen.errors import InputError
from rtl_gen.space import design_of


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a dataset knows.

    Attributes:
        measurements: good points by key: a point has that key only if all is as it was.
        rtl: digests of RTL by those of the design, the generator and amaranth.
    """

    measurements: Mapping[str, Measurement] = field(default_factory=dict)
    rtl: Mapping[tuple[str, str, str], str] = field(default_factory=dict)

    def rtl_of(self, design: str, generator: str, amaranth: str) -> str | None:
        """Digest of the RTL of a design, if it was made by this code."""
        return self.rtl.get((design, generator, amaranth))


def known_measurements(folder: Path, *, with_actions: bool) -> Known:
    """What a dataset has.

    Args:
        folder: of the dataset, whose files are held against their checksums.
        with_actions: only points whose energies per action are there, too, taken by today's code.

    Raises:
        InputError: if it has no dataset, or a file is not what its manifest says.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: is no folder of a dataset: it has no {MANIFEST}")
    if not read_manifest(folder).files():
        return Known()
    table = read_dataset(folder)
    good = table[table["status"] == "ok"]
    if with_actions:
        energies = read_todays_actions(folder, actions_code())
        good = good[good["key"].isin(energies["key"])]
    return Known(
        measurements={str(row["key"]): _measurement(row) for row in good.to_dict("records")},
        rtl=known_rtl(folder),
    )


def known_rtl(folder: Path) -> dict[tuple[str, str, str], str]:
    """``Known.rtl`` of a dataset; nothing of a damaged file.

    Raises:
        InputError: if it has no manifest.
    """
    found = {}
    for part, shard, kind, _ in read_manifest(folder).files():
        if kind == "points":
            with contextlib.suppress(InputError):
                for row in read_shard(folder, part, shard, kind).to_dict("records"):
                    amaranth = listed_values(row["tools"])["amaranth"]
                    found[row["digest"], shard.generator, amaranth] = row["rtl"]
    return found


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
