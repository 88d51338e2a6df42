"""One design: all predictions, beside the measurement where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from characterize.campaign import Campaign
from characterize.dataset import read_dataset
from characterize.measurement import FLOWS, Point
from characterize.platform import load_platform
from characterize.store import Store
from explorer.report import short
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError, require_int
from rtl_gen.space import PERIOD_PS
from surrogate.artifact import Artifact
from surrogate.intervals import LEVEL
from surrogate.targets import TARGETS, with_targets


def ask(
    design: PEDesign, *, period_ps: int, model: Path, dataset: Path, store: Path, platform: str
) -> dict[str, Any]:
    """Predict a design and look for its measurement, first in the dataset, then in the store.

    Raises:
        InputError: if there is no model, or a file is not what it should be.
    """
    require_int("period_ps", period_ps, *PERIOD_PS)
    kit = load_platform(platform).name
    artifact = Artifact.load(model)
    learnt = artifact.origin.get("platform", [kit])
    if kit not in learnt:
        raise InputError(f"{model}: was trained on platform {', '.join(learnt)}, not on {kit}")
    (flow,) = artifact.origin.get("flow", [FLOWS[0]])
    if flow not in FLOWS:  # of one's own table
        flow = FLOWS[0]
    point = Point(design=design, period_ps=period_ps, flow=flow)
    row = pd.DataFrame([{**design.to_dict(), "period_ps": period_ps}])
    predicted = artifact.surrogate.predict(row).iloc[0]
    measured = _from_dataset(point, dataset, kit) or _from_store(point, store, platform)
    errors = artifact.mape_pct()
    notes = [
        f"Errors are means of cross-validation on {artifact.points} measured points; "
        f"{100 * LEVEL:.0f} % of measurements are to be within the intervals."
    ]
    outside = None if pd.isna(predicted["outside"]) else str(predicted["outside"])
    if reasons := artifact.surrogate.region.reasons(row):
        notes.append(
            f"Outside what was measured: {'; '.join(reasons)}. The error of its prediction is "
            "unknown."
        )
    if measured is not None:
        notes.append(
            "If the model was trained on this measurement, `off by` says nothing about error."
        )
    else:
        notes.append("Not measured; peforge characterize measures it.")
    return {
        "design": design.to_dict(),
        "digest": design.digest,
        "name": point.name,
        "period_ps": period_ps,
        "outside": outside,
        "predicted": {target: float(predicted[target]) for target in TARGETS},
        "interval": {
            target: [float(predicted[f"{target}_low"]), float(predicted[f"{target}_high"])]
            for target in TARGETS
        },
        "interval_level": LEVEL,
        "mean_error_pct": errors,
        "measured": measured,
        "notes": notes,
    }


def _from_dataset(point: Point, dataset: Path, platform: str) -> dict[str, float] | None:
    if not dataset.exists():
        return None
    table = read_dataset(dataset)
    match = (
        (table["digest"] == point.design.digest)
        & (table["period_ps"] == point.period_ps)
        & (table["status"] == "ok")
        & (table["operands"] == point.operands)
        & (table["mode"] == point.mode)
        & (table["run_terms"] == point.run_terms)
        & (table["perturbation"] == point.perturbation)
        & (table["flow"] == point.flow)
        & (table["platform"] == platform)
    )
    if not match.any():
        return None
    return _targets(table[match].head(1))


def _from_store(point: Point, store: Path, platform: str) -> dict[str, float] | None:
    """The store is addressed by what the tools read: without the tools it cannot be asked."""
    if not Store(store).exists:
        return None
    try:
        campaign = Campaign(points=[point], platform=load_platform(platform), store=Store(store))
    except InputError:
        return None
    found = campaign.store.get(campaign.identity(point).key)
    if found is None:
        return None
    return _targets(pd.DataFrame([{**found.metrics, "period_ps": point.period_ps}]))


def _targets(row: pd.DataFrame) -> dict[str, float]:
    """What was measured of each target, in a table of one row."""
    values = with_targets(row).iloc[0]
    return {target: float(values[target]) for target in TARGETS}


def query_table(answer: dict[str, Any]) -> Table:
    """The answer as a table to print."""
    interval = f"{100 * answer['interval_level']:.0f} % interval"
    columns = ("metric", "predicted", interval, "mean error", "measured", "off by")
    table = Table(*columns, title=answer["name"])
    for name, value in answer["predicted"].items():
        error = answer["mean_error_pct"].get(name)
        measured = (answer["measured"] or {}).get(name)
        table.add_row(
            name,
            short(value),
            " to ".join(map(short, answer["interval"][name])),
            f"{error:.1f} %" if error is not None else "",
            short(measured) if measured is not None else "",
            f"{100 * (value / measured - 1):+.1f} %" if measured is not None else "",
        )
    return table
