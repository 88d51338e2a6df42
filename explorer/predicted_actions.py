"""Energies per action without measuring: learnt with the surrogates, asked of one design."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from characterize.action_counts import WAITING, action_counts
from characterize.action_files import actions_code
from characterize.dataset_folder import read_todays_actions
from characterize.directed import directed_steps, fill_count
from characterize.measurement import Point
from characterize.movement import measure_statistics
from explorer.campaigns import processors
from rtl_gen.atomic import write_text
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError, require_int
from rtl_gen.space import PERIOD_PS
from surrogate.action_energies import ActionEnergies, read_primitives
from surrogate.artifact import Artifact
from surrogate.canonical import datapath_keys
from surrogate.intervals import LEVEL
from surrogate.splits import MIN_POINTS
from surrogate.training_set import learnt_rows, training_table

#: Convolutions that are shown, of the directed ones, and what they are.
SHOWN = {
    "large, uniform": "fills the scratchpads, uniform",
    "large, dnn": "fills the scratchpads, DNN",
    "mac uniform": "3 x 4 x 4 words, uniform",
    "mac dnn": "3 x 4 x 4 words, DNN",
    "mac sparse": "3 x 4 x 4 words, sparse",
    "mac zero activations": "3 x 4 x 4 words, zero activations",
}


def learn(folder: Path, dataset: pd.DataFrame, *, quiet: bool) -> ActionEnergies | None:
    """Learn the energies of actions from a dataset's folder, with a progress bar on stderr.

    Args:
        dataset: the rows to learn from.

    Returns:
        None if the folder has too few points with energies that today's code would take.

    Raises:
        InputError: if the folder cannot be read, an energy is none, or as ``training_table``.
    """
    training_table(dataset)  # refuses what cannot be learnt from, before it takes time
    energies = read_todays_actions(folder, actions_code())
    rows = learnt_rows(dataset)
    rows = rows[rows["key"].isin(energies["key"])]
    if _too_few(rows):
        return None
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("counting actions", total=len(rows))
        known, measured = read_primitives(
            rows, energies, jobs=processors(None),
            told=lambda done: bar.update(task, completed=done),
        )  # fmt: skip
    return None if _too_few(known) else ActionEnergies.fit(known, measured)


def _too_few(rows: pd.DataFrame) -> bool:
    """To learn from some datapaths, and to test on others."""
    return len(rows) < MIN_POINTS or len(set(datapath_keys(rows))) < 2


def error_lines(actions: ActionEnergies | None) -> list[str]:
    """How far energies per action are off, if any were learnt."""
    if actions is None:
        return []
    errors = actions.errors
    kinds = ", ".join(f"{kind} {error:.1f} %" for kind, error in errors.kinds_pct.items())
    return [
        f"energies per action, of {errors.designs} points: convolutions of datapaths not learnt "
        f"from are off by {errors.primitives_pct:.1f} % in the mean, 95 % of them by less than "
        f"{errors.p95_pct:.0f} %",
        f"({kinds})",
    ]


@dataclass(frozen=True, kw_only=True)
class PredictedActions:
    """What ``peforge actions --predict`` prints.

    Attributes:
        name: of the point.
        design: its parameters.
        period_ps: clock period.
        energies_pj: of the actions that the design takes.
        leakage_uw: leakage power.
        macs_pj: energy of whole convolutions for each multiply-accumulate, with its interval.
        outside: what of the design was not measured.
        designs, error_pct, p95_pct: how far convolutions of so many datapaths were off that were
            not learnt from.
    """

    name: str
    design: dict[str, Any]
    period_ps: int
    energies_pj: dict[str, float]
    leakage_uw: float
    macs_pj: dict[str, tuple[float, float, float]]
    outside: list[str]
    designs: int
    error_pct: float
    p95_pct: float

    def to_dict(self) -> dict[str, Any]:
        """For ``--json`` and ``--out``."""
        macs = {
            name: dict(zip(("predicted", "low", "high"), values, strict=True))
            for name, values in self.macs_pj.items()
        }
        return {"origin": "predicted", **vars(self), "macs_pj": macs}

    def closing_lines(self) -> list[str]:
        """How far such energies are off."""
        lines = [
            f"predicted, not measured: convolutions of {self.designs} designs were off by "
            f"{self.error_pct:.1f} % in the mean, 95 % of them by less than {self.p95_pct:.0f} %, "
            "when all of the same datapath were left out"
        ]
        if self.outside:
            lines.append(
                f"outside what was measured: {'; '.join(self.outside)}; the error is unknown"
            )
        return lines


def predict(
    design: PEDesign, *, period_ps: int, model: Path, output: Path | None
) -> PredictedActions:
    """Foretell the energies of the actions of a design.

    Raises:
        InputError: if there is no model, or it knows no energies per action, or a number is out of
            range, or the file cannot be written.
    """
    require_int("period_ps", period_ps, *PERIOD_PS)
    artifact = Artifact.load(model)
    if artifact.actions is None:
        raise InputError(
            f"{model}: knows no energies per action; train it on the folder of a dataset that has "
            "them: peforge train --dataset data/freepdk45"
        )
    row = pd.DataFrame([{**design.to_dict(), "period_ps": period_ps}])
    energies = artifact.actions.predict(row).iloc[0]
    said = artifact.surrogate.predict(row, intervals=False).iloc[0]
    steps = directed_steps(design, 1)[fill_count(design) :]
    counts = pd.DataFrame(
        [action_counts(design, step.work.size, measure_statistics(design, step.work))
         for step in steps],
        index=[step.name for step in steps],
    )  # fmt: skip
    taken = [name for name in energies.index if name in WAITING or counts[name].any()]
    found = PredictedActions(
        name=Point(design=design, period_ps=period_ps).name,
        design=design.to_dict(),
        period_ps=period_ps,
        energies_pj={name: float(energies[name]) for name in taken},
        leakage_uw=float(said["leakage_uw"]),
        macs_pj=_macs(
            artifact.actions,
            row,
            energies,
            counts,
            {step.name: step.work.size.macs for step in steps},
        ),
        outside=artifact.surrogate.region.reasons(row),
        designs=artifact.actions.errors.designs,
        error_pct=artifact.actions.errors.primitives_pct,
        p95_pct=artifact.actions.errors.p95_pct,
    )
    if output is not None:
        write_text(output, json.dumps(found.to_dict(), indent=1) + "\n")
    return found


def _macs(
    actions: ActionEnergies,
    row: pd.DataFrame,
    energies: pd.Series,
    counts: pd.DataFrame,
    macs: Mapping[str, int],
) -> dict[str, tuple[float, float, float]]:
    found = {}
    for name, shown in SHOWN.items():
        energy = np.array([counts.loc[name] @ energies[counts.columns]]) / macs[name]
        low, high = actions.bounds(row, energy)
        found[shown] = float(energy[0]), float(low[0]), float(high[0])
    return found


def convolution_table(found: PredictedActions) -> Table:
    """Whole convolutions."""
    shown = Table("convolution, its operands", "pJ per MAC", f"{100 * LEVEL:.0f} % interval")
    for name, (energy, low, high) in found.macs_pj.items():
        shown.add_row(name, f"{energy:.3f}", f"{low:.3f} to {high:.3f}")
    return shown
