"""All that is asked of the models on one dataset: errors by split, regret, and what is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pandas as pd

from rtl_gen.errors import InputError, require_choice
from surrogate.canonical import held_out
from surrogate.coverage import coverage, of_chosen, unseen_intervals
from surrogate.evaluate import CHEAP, MODELS, cross_validate, errors, noise_floor
from surrogate.regret import regret
from surrogate.splits import SPLITS
from surrogate.targets import TARGETS
from surrogate.training_set import dataset_digest, origin, training_table

#: Splits of an assessment, unless others are asked for: all but the last test.
DEFAULT_SPLITS = tuple(name for name in SPLITS if name != "test")
LIBRARIES = ("numpy", "pandas", "scikit-learn", "xgboost-cpu")


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What ``assess`` found.

    Attributes:
        points: measured points of the dataset.
        held_out: how many of these only split ``test`` looks at.
        dataset_digest: ``surrogate.training_set.dataset_digest``.
        origin: flow, platform and the like; ``tools`` of the flow where the dataset has them.
        versions: of the libraries that fitted the models.
        predictions: as from ``cross_validate``: out of fold, of every split and model.
        regret: as from ``surrogate.regret.regret``; empty without split ``datapaths``.
        noise: as from ``noise_floor``; empty without replicates.
        intervals: as from ``surrogate.coverage.unseen_intervals``; empty unless asked for.
        chosen: of these, those that searches chose (``surrogate.coverage.of_chosen``).
    """

    points: int
    held_out: int
    dataset_digest: str
    origin: Mapping[str, Sequence[str]]
    versions: Mapping[str, str]
    predictions: pd.DataFrame
    regret: pd.DataFrame
    noise: pd.DataFrame
    intervals: pd.DataFrame
    chosen: pd.DataFrame

    def errors(self, *by: str) -> pd.DataFrame:
        """``errors`` by target, split, model, and what else is named: ``part``, ``family``."""
        return errors(self.predictions, by=("target", "split", "model", *by))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: everything but the single predictions; what is undefined is None."""
        tables = {
            "errors": self.errors(),
            "errors_by_family": self.errors("family"),
            "errors_by_part": self.errors("part").query("part != ''"),
            "regret": self.regret,
            "noise": self.noise,
        }
        if len(self.intervals):
            tables |= {
                "coverage": coverage(self.intervals),
                "coverage_by_family": coverage(self.intervals, by=("target", "family")),
                "coverage_of_chosen": coverage(self.chosen),
            }
        return {
            "points": self.points,
            "held_out": self.held_out,
            "dataset_digest": self.dataset_digest,
            "origin": self.origin,
            "versions": self.versions,
            **{name: json_records(table) for name, table in tables.items()},
        }


def assess(
    dataset: pd.DataFrame,
    *,
    splits: Sequence[str] = DEFAULT_SPLITS,
    models: Sequence[str] = CHEAP,
    replicates: pd.DataFrame | None = None,
    intervals: bool = False,
    seed: int = 0,
) -> Assessment:
    """Compare models on the measured points of a dataset.

    Points whose datapath is held out take part in split ``test`` alone, where they are foretold
    from all others.

    Args:
        dataset: as for ``training_table``.
        splits, models: by name, at least one of each.
        replicates: as for ``noise_floor``.
        intervals: whether it is tested if intervals hold: fits the surrogate some times more.
        seed: of splits and queries.

    Raises:
        InputError: as ``training_table``, ``cross_validate`` and ``noise_floor``; or a name is
            unknown or missing.
    """
    for what, names, allowed in (("split", splits, SPLITS), ("model", models, MODELS)):
        if not names:
            raise InputError(f"at least one {what} is needed: {', '.join(allowed)}")
        for name in names:
            require_choice(f"a {what}", name, allowed)
    noise = pd.DataFrame() if replicates is None else noise_floor(replicates)
    table = training_table(dataset)
    last = held_out(table)
    parts = [
        cross_validate(
            table if split == "test" else table[~last], splits=[split], models=models, seed=seed
        )
        for split in splits
    ]
    parts = [part for part in parts if len(part)]
    if not parts:
        raise InputError(f"the dataset's points cannot be split by {', '.join(splits)}")
    predictions = pd.concat(parts, ignore_index=True)
    unseen = unseen_intervals(table[~last], seed=seed) if intervals else pd.DataFrame()
    answered = (predictions["split"] == "datapaths").any() and len(TARGETS) > 1
    return Assessment(
        points=len(table),
        held_out=int(last.sum()),
        dataset_digest=dataset_digest(dataset),
        origin=origin(dataset) | _tools(dataset),
        versions={name: version(name) for name in LIBRARIES},
        predictions=predictions,
        regret=regret(table[~last], predictions, seed=seed) if answered else pd.DataFrame(),
        noise=noise,
        intervals=unseen,
        chosen=of_chosen(table[~last], unseen, seed=seed) if intervals else unseen,
    )


def _tools(dataset: pd.DataFrame) -> dict[str, list[str]]:
    """Tools of the flow, ``name=version``, as far as the dataset says."""
    listed = set(dataset["tools"].fillna("").astype(str)) - {""} if "tools" in dataset else set()
    tools = sorted({tool for text in listed for tool in text.split(", ")})
    return {"tools": tools} if tools else {}


def json_records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows of a table; what is missing is None."""
    plain = table.astype(object)
    return plain.where(plain.notna(), None).to_dict("records")
