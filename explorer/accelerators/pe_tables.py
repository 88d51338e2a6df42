"""Where the energies per action of a PE are from: measured, or predicted by the surrogates."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from characterize.action_files import actions_code, load_table
from characterize.dataset_folder import MANIFEST, read_points, read_todays_actions
from characterize.measurement import Point
from explorer.cli_options import MODEL
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from surrogate.intervals import LEVEL

if TYPE_CHECKING:
    from surrogate.artifact import Artifact


def _first_folder(*folders: Path) -> Path:
    return next((folder for folder in folders if folder.is_dir()), folders[0])


#: Measurements that come with the project.
DATASET = _first_folder(
    Path(__file__).resolve().parents[2] / "data" / "freepdk45",  # of a checkout
    Path(__file__).resolve().parents[1] / "freepdk45",  # as installed
)
SRAM_CACHE = Path("build/sram")
_FLOW = "placed"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where energies may come from.

    Attributes:
        actions: a table of ``peforge actions --out``; it is taken if it is of the PE.
        dataset: folder of measurements, taken next; None for none.
        model: trained surrogates, asked for what was not measured; None for none.
        sram_cache: folder that keeps what CACTI said.
    """

    actions: Path | None = None
    dataset: Path | None = DATASET
    model: Path | None = MODEL
    sram_cache: Path = SRAM_CACHE


@dataclass(frozen=True, kw_only=True)
class PETable:
    """What is known of a PE at its period.

    Attributes:
        energies_pj: of its actions.
        leakage_uw: leakage power.
        area_um2: of its cells; None if unknown, as of a table of actions alone.
        core_area_um2: of the core they stand in.
        least_period_ps: clock period that it reaches.
        origin: of area and least period: ``measured``, ``predicted`` or ``extrapolated``, and what
            of or by.
        energies_origin, leakage_origin: the same of these.
        interval: what of the predicted energy of a convolution the measured one is between, at
            ``LEVEL``; None if it was measured, or nobody knows.
    """

    energies_pj: Mapping[str, float]
    leakage_uw: float
    area_um2: float | None
    core_area_um2: float | None
    least_period_ps: float | None
    origin: str
    energies_origin: str
    leakage_origin: str
    interval: tuple[float, float] | None = None


def pe_table(design: PEDesign, period_ps: int, platform: str, sources: Sources) -> PETable:
    """What is known of a PE: from a named table, measured, or else predicted.

    Raises:
        InputError: if it is neither, or a file cannot be used.
    """
    known = _measured(design, period_ps, platform, sources.dataset)
    if sources.actions is None:
        return known or _predicted([(design, period_ps)], platform, sources)[0]
    if known is None and sources.model is not None and sources.model.is_file():
        known = _predicted([(design, period_ps)], platform, sources)[0]
    return _of_file(design, period_ps, sources.actions, known)


def _of_file(design: PEDesign, period_ps: int, path: Path, known: PETable | None) -> PETable:
    """A table of actions, which has neither area nor least period: these are from elsewhere."""
    table = load_table(path)
    name = Point(design=design, period_ps=period_ps).name
    other = PEDesign.from_dict(table.design)
    if (other, table.period_ps) != (design, period_ps):
        of = Point(design=other, period_ps=table.period_ps).name
        raise InputError(f"{path}: is of {of}, not of the accelerator's PE, {name}")
    origin = f"measured: {name} ({path})"
    return PETable(
        energies_pj=table.energies_pj,
        leakage_uw=table.leakage_uw,
        area_um2=known.area_um2 if known else None,
        core_area_um2=known.core_area_um2 if known else None,
        least_period_ps=known.least_period_ps if known else None,
        origin=known.origin if known else origin,
        energies_origin=origin,
        leakage_origin=origin,
    )


def _measured(
    design: PEDesign, period_ps: int, platform: str, folder: Path | None
) -> PETable | None:
    """From a dataset; None if it has not measured this very PE with energies per action."""
    if folder is None or not (folder / MANIFEST).is_file():
        return None
    known = _dataset(folder, (folder / MANIFEST).stat().st_mtime_ns)
    return known.get((design.digest, period_ps, platform))


@functools.lru_cache(maxsize=4)
def _dataset(folder: Path, _changed: int) -> dict[tuple[str, int, str], PETable]:
    """What was measured with energies per action, by digest, period and platform."""
    points = read_points(folder)
    points = points[
        (points["status"] == "ok") & (points["perturbation"] == 0) & (points["flow"] == _FLOW)
    ]
    rows = read_todays_actions(folder, actions_code())
    rows = rows[rows["kind"] == "action"]
    actions: dict[str, dict[str, float]] = {}
    for key, name, value in zip(rows["key"], rows["name"], rows["value"], strict=True):
        actions.setdefault(key, {})[name] = float(value)
    found: dict[tuple[str, int, str], PETable] = {}
    for row in points.to_dict("records"):
        if energies := actions.get(str(row["key"])):
            origin = f"measured: {row['name']} ({str(row['key'])[:12]})"
            table = PETable(
                energies_pj=energies,
                leakage_uw=float(row["leakage_uw"]),
                area_um2=float(row["area_um2"]),
                core_area_um2=float(row["core_area_um2"]),
                least_period_ps=float(row["least_period_ps"]),
                origin=origin,
                energies_origin=origin,
                leakage_origin=origin,
            )
            key = str(row["digest"]), int(row["period_ps"]), str(row["platform"])
            found.setdefault(key, table)
    return found


def pe_tables(
    designs: Sequence[PEDesign], periods_ps: Sequence[int], platform: str, sources: Sources
) -> list[PETable]:
    """What is known of many PEs: measured, or else predicted, all together.

    Raises:
        InputError: as ``pe_table``.
    """
    found = [
        _measured(design, period, platform, sources.dataset)
        for design, period in zip(designs, periods_ps, strict=True)
    ]
    asked = [place for place, known in enumerate(found) if known is None]
    if asked:
        points = [(designs[place], periods_ps[place]) for place in asked]
        for place, table in zip(asked, _predicted(points, platform, sources), strict=True):
            found[place] = table
    return [table for table in found if table is not None]


def _predicted(
    points: Sequence[tuple[PEDesign, int]], platform: str, sources: Sources
) -> list[PETable]:
    model = sources.model
    if model is None or not model.is_file():
        name = Point(design=points[0][0], period_ps=points[0][1]).name
        raise InputError(
            f"energies are missing: PE {name} was not measured on {platform} (dataset: "
            f"{sources.dataset or 'none'}), and there are no surrogates at {model or 'any place'}; "
            "train some: peforge train --dataset data/freepdk45, or measure it: peforge actions "
            "--out, or give energies"
        )
    artifact = _artifact(model, model.stat().st_mtime_ns)
    if artifact.actions is None:
        raise InputError(
            f"{model}: knows no energies per action; train it on the folder of a dataset that has "
            "them: peforge train --dataset data/freepdk45"
        )
    trained_on = artifact.origin.get("platform", [platform])
    if platform not in trained_on:
        raise InputError(
            f"{model}: was trained on platform {', '.join(trained_on)}, the accelerator's is "
            f"{platform}"
        )
    rows = pd.DataFrame([{**design.to_dict(), "period_ps": period} for design, period in points])
    return _told(artifact, rows)


def _told(artifact: Artifact, rows: pd.DataFrame) -> list[PETable]:
    """What surrogates say of designs."""
    assert artifact.actions is not None
    said = artifact.surrogate.predict(rows)
    energies = artifact.actions.predict(rows)
    low, high = artifact.actions.bounds(rows, np.ones(len(rows)))
    region = artifact.surrogate.region
    return [
        _one_told(
            artifact.points, said.iloc[k], energies.iloc[k], (float(low[k]), float(high[k])),
            region.reasons(rows.iloc[[k]]) if isinstance(said["outside"].iloc[k], str) else [],
        )
        for k in range(len(rows))
    ]  # fmt: skip


def _one_told(
    points: int, said: pd.Series, energies: pd.Series, bounds: tuple[float, float],
    outside: list[str],
) -> PETable:  # fmt: skip
    interval: tuple[float, float] | None = bounds
    if outside:
        origin = (
            f"extrapolated: surrogates of {points} points; not measured: "
            f"{'; '.join(outside)}; the error is unknown"
        )
        interval, energies_origin = None, origin
    else:
        origin = f"predicted: surrogates of {points} points"
        energies_origin = (
            f"{origin}, {100 * LEVEL:.0f} % within x {bounds[0]:.2f} to {bounds[1]:.2f}"
        )
    return PETable(
        energies_pj={str(name): float(value) for name, value in energies.items()},
        leakage_uw=float(said["leakage_uw"]),
        area_um2=float(said["area_um2"]),
        core_area_um2=float(said["core_area_um2"]),
        least_period_ps=float(said["least_period_ps"]),
        origin=origin,
        energies_origin=energies_origin,
        leakage_origin=origin,
        interval=interval,
    )


@functools.lru_cache(maxsize=2)
def _artifact(path: Path, _changed: int) -> Artifact:
    from surrogate.artifact import Artifact

    return Artifact.load(path)
