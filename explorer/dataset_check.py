"""Whether a dataset is what was written, holds together, and would be measured so today."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from characterize.action_files import actions_code
from characterize.campaign import generator_digest, rtl_digest
from characterize.dataset import checked, listed_values
from characterize.dataset_folder import (
    SCHEMA,
    read_actions,
    read_manifest,
    read_points,
    read_todays_actions,
    schema_text,
)
from characterize.flow import content_key, flow_code
from characterize.measurement import METRICS, Measurement, Point
from characterize.platform import Platform, load_platform
from characterize.toolchain import Tool
from explorer.campaigns import measure_points
from explorer.dataset_card import CARD
from rtl_gen.errors import InputError, require_int
from rtl_gen.space import design_of

#: What placement decides may differ by this much on another machine; the netlist may not.
TOLERANCE = 0.005
#: Parts of dynamic power, which add up to it.
_POWER_PARTS = (
    "register_power_uw", "clock_gate_power_uw", "clock_tree_power_uw", "memory_power_uw",
    "logic_power_uw",
)  # fmt: skip
_POSITIVE = (
    "area_um2", "core_area_um2", "cells", "least_period_ps", "leakage_uw", "dynamic_power_uw",
    "energy_per_mac_pj", "wirelength_um", "window_cycles", "window_macs",
)  # fmt: skip
_MOST_MEASURED = 1000


@dataclass
class Checked:
    """What was found.

    Attributes:
        points: looked at.
        problems: a line each.
        stale: points that would be measured otherwise today, by reason.
        measured: names of the points that were measured again.
    """

    points: int
    problems: list[str] = field(default_factory=list)
    stale: dict[str, int] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing is wrong, and nothing stale."""
        return not self.problems and not self.stale

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**vars(self), "good": self.good}

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.points:,} points, {len(self.problems)} problems"]
        lines += [f"  {problem}" for problem in self.problems]
        lines += [f"  stale {count}: {why}" for why, count in self.stale.items()]
        if self.measured:
            lines.append(f"measured again: {', '.join(self.measured)}")
        return lines


def check(
    folder: Path,
    *,
    measure: int,
    seed: int,
    jobs: int,
    store: Path,
    platform: str | None,
    quiet: bool,
) -> Checked:
    """Check a dataset.

    Args:
        measure: how many points to measure again, drawn at random.
        seed: of that draw.
        store: a new one, where these are kept.
        platform: name or file of the kit, for points of one that is none of the shipped.

    Raises:
        InputError: if a file is missing, or not what its manifest says.
    """
    require_int("measure", measure, 0, _MOST_MEASURED)
    table = checked(read_points(folder), str(folder))
    found = Checked(points=len(table))
    if (folder / SCHEMA).read_text(encoding="utf-8") != schema_text():
        found.problems.append(f"{SCHEMA} is not that of this version")
    if not (folder / CARD).is_file():
        found.problems.append(f"{CARD} is missing: peforge dataset card {folder}")
    found.problems += _rows_problems(folder, table)
    found.problems += list(_failure_problems(table))
    found.problems += list(_value_problems(table[table["status"] == "ok"]))
    found.problems += _action_problems(folder, table)
    sources = _sources(table, platform)
    kits = {name: load_platform(source) for name, source in sources.items()}
    found.stale = _stale(folder, table, kits, quiet=quiet)
    if measure:
        good = table[table["status"] == "ok"]
        drawn = good.sample(min(measure, len(good)), random_state=seed)
        found.problems += _measured_again(
            drawn, found, sources, jobs=jobs, store=store, quiet=quiet
        )
    return found


def _sources(table: pd.DataFrame, given: str | None) -> dict[str, str]:
    """The name or file of each platform that points are of.

    Raises:
        InputError: if that which is given is none.
    """
    own = {load_platform(given).name: given} if given else {}
    return {name: own.get(name, name) for name in table["platform"].unique()}


def point_of(row: Mapping[Hashable, Any]) -> Point:
    """The point in a row of a dataset."""
    return Point(
        design=design_of(row),
        period_ps=int(row["period_ps"]),
        utilization=float(row["utilization"]),
        seed=int(row["seed"]),
        operands=str(row["operands"]),
        mode=int(row["mode"]),
        run_terms=int(row["run_terms"]),
        flow=str(row["flow"]),
        perturbation=int(row["perturbation"]),
    )


def _rows_problems(folder: Path, table: pd.DataFrame) -> list[str]:
    counts = table["part"].value_counts()
    listed = {name for *_, name in read_manifest(folder).files()}
    lost = sorted(path.name for path in folder.glob("*.parquet") if path.name not in listed)
    return [f"{name} is not in the manifest" for name in lost] + [
        f"part {part.name} has {counts.get(part.name, 0)} points, its manifest says {said}"
        for part in read_manifest(folder).parts.values()
        if counts.get(part.name, 0) != (said := sum(shard.rows for shard in part.shards))
    ]


def _failure_problems(table: pd.DataFrame) -> Iterator[str]:
    """Rows that are not what their status or their parameters say."""
    failed = table[table["status"] == "failed"]
    told = failed[list(METRICS)].notna().any(axis=1) | (failed["reason"] == "")
    yield from _named(failed, told, "a failed point must have a reason and no metrics")
    names = pd.Series([point_of(row).name for row in table.to_dict("records")], index=table.index)
    yield from _named(table, table["name"] != names, "name is not that of the point")


def _value_problems(good: pd.DataFrame) -> Iterator[str]:
    """Numbers that cannot be, or that contradict each other."""
    for name in _POSITIVE:
        yield from _named(good, good[name] <= 0, f"{name} must be above 0")
    parts = good[list(_POWER_PARTS)].sum(axis=1)
    dynamic = good["dynamic_power_uw"]
    yield from _named(
        good, (parts / dynamic - 1).abs() > 1e-6, "the parts of dynamic_power_uw do not add up"
    )
    window_s = good["window_cycles"] * good["period_ps"] * 1e-12
    energy_pj = dynamic * 1e-6 * window_s / good["window_macs"] * 1e12
    yield from _named(
        good, (energy_pj / good["energy_per_mac_pj"] - 1).abs() > 1e-6,
        "energy_per_mac_pj is not dynamic_power_uw times the window over its multiply-accumulates",
    )  # fmt: skip
    held = good["registers"] + good["latches"] + good["clock_gates"] + good["macros"]
    yield from _named(good, held > good["cells"], "cells must be at least those that hold state")
    yield from _named(
        good, good["core_area_um2"] < good["area_um2"], "core_area_um2 is below area_um2"
    )
    yield from _named(good, good["core_utilization"] > 1, "core_utilization is above 1")
    fmax_mhz = 1e6 / good["least_period_ps"]
    yield from _named(
        good, (good["fmax_mhz"] != 0) & ((good["fmax_mhz"] / fmax_mhz - 1).abs() > 1e-6),
        "fmax_mhz is not that of least_period_ps",
    )  # fmt: skip
    slack_ps = good["period_ps"] - good["least_period_ps"]
    yield from _named(
        good, (slack_ps < 0) != (good["slack_ps"] < 0), "slack_ps and least_period_ps disagree"
    )


def _named(table: pd.DataFrame, wrong: pd.Series, what: str) -> Iterator[str]:
    if wrong.any():
        yield f"{what}: {wrong.sum()} points, first {table.loc[wrong, 'name'].iloc[0]}"


def _action_problems(folder: Path, table: pd.DataFrame) -> list[str]:
    energies = read_actions(folder)
    good = table[table["status"] == "ok"]
    problems = []
    if unknown := set(energies["key"]) - set(good["key"]):
        problems.append(f"actions of {len(unknown)} keys that no measured point has")
    have = set(energies["key"])
    for part in read_manifest(folder).parts.values():
        rows = good[good["part"] == part.name]
        lacking = [name for key, name in zip(rows["key"], rows["name"], strict=True)
                   if key not in have]  # fmt: skip
        if lacking and len(lacking) < len(rows):
            problems.append(f"no actions: {len(lacking)} points, first {lacking[0]}")
    values = energies["value"].to_numpy()
    macs = energies.loc[energies["kind"] == "mac", "value"]
    if not np.isfinite(values).all() or (macs <= 0).any():
        problems.append("energies must be numbers, those of multiply-accumulates above 0")
    if energies.duplicated(["key", "kind", "name"]).any():
        problems.append("an energy is there twice")
    return problems


def _stale(
    folder: Path, table: pd.DataFrame, kits: Mapping[str, Platform], *, quiet: bool
) -> dict[str, int]:
    """Points whose flow, kit or generator has changed since, by what."""
    made_by = {
        f"{part.name} {shard.number}": shard.generator
        for part in read_manifest(folder).parts.values()
        for shard in part.shards
    }
    counts: dict[str, int] = {}
    rows = table.to_dict("records")
    same = [row for row in rows if flow_code(point_of(row)) == row["flow_code"]]
    if len(same) < len(rows):
        counts["the flow's code has changed (see peforge store same)"] = len(rows) - len(same)
    if other := sum(row["key"] != _key(row, kits[row["platform"]]) for row in same):
        counts["the kit or its constants are others, or key, rtl or tools were edited"] = other
    if other := _stale_energies(folder):
        counts["the code of energies per action has changed (see peforge store same)"] = other
    if set(made_by.values()) != {generator_digest()}:
        other = sum(
            rtl_digest(point_of(row)) != row["rtl"]
            for row in track(rows, "making RTL", console=Console(stderr=True), disable=quiet)
        )
        if other:
            counts["the generator makes other RTL"] = other
    return counts


def _stale_energies(folder: Path) -> int:
    """Points whose energies per action other code took."""
    return read_actions(folder)["key"].nunique() - (
        read_todays_actions(folder, actions_code())["key"].nunique()
    )


def _key(row: Mapping[Hashable, Any], kit: Platform) -> str:
    """The key that a row would have today, measured with the tools that it was measured with."""
    tools = {
        name: Tool(name=name, version=identity, path="", digest="", remedy="")
        for name, identity in listed_values(str(row["tools"])).items()
    }
    return content_key(point_of(row), str(row["rtl"]), kit, tools)


def _measured_again(
    rows: pd.DataFrame,
    found: Checked,
    sources: Mapping[str, str],
    *,
    jobs: int,
    store: Path,
    quiet: bool,
) -> list[str]:
    problems = []
    for (platform,), group in rows.groupby(["platform"]):
        records = group.to_dict("records")
        again = measure_points(
            [point_of(row) for row in records],
            store=store, dataset=None, jobs=jobs, quiet=quiet,
            platform=sources[str(platform)],
        ).measurements  # fmt: skip
        for row, measurement in zip(records, again, strict=True):
            found.measured.append(str(row["name"]))
            problems += [f"{row['name']}: {line}" for line in differences(row, measurement)]
    return problems


def differences(row: Mapping[Hashable, Any], again: Measurement) -> Iterator[str]:
    """How a measurement differs from the row of the same point, beyond ``TOLERANCE``."""
    if again.status != "ok":
        yield f"failed when it was measured again: {again.reason}"
        return
    for name, what in (("rtl", "the generator made other RTL"),
                       ("netlist", "synthesis gave another netlist")):  # fmt: skip
        if row[name] and row[name] != again.digests[name]:
            yield what
    for name in METRICS:
        before, now = float(row[name]), float(again.metrics[name])
        if not math.isclose(before, now, rel_tol=TOLERANCE, abs_tol=_least(name)):
            yield f"{name} was {before:.6g}, is {now:.6g}"


def _least(name: str) -> float:
    """Differences that count for nothing where a number is near zero."""
    return {"ps": 5.0, "uw": 1e-3, "pct": 0.5}.get(name.rpartition("_")[2], 1e-6)


def require_dataset(folder: Path) -> None:
    """Refuse what is no folder of a dataset.

    Raises:
        InputError: if so.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    read_manifest(folder)
