"""A trained surrogate in one JSON file: what it was trained on, how wrong it is, and itself.

Trees are kept in XGBoost's own JSON, the base as coefficients; nothing is executed on reading. A
checksum over the content is verified first, and a surrogate that was read predicts exactly what
the written one did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xgboost

from rtl_gen.atomic import write_text
from rtl_gen.errors import InputError
from surrogate.action_energies import TERMS, ActionEnergies, Errors
from surrogate.baseline import PhysicalBase
from surrogate.delays import Delays
from surrogate.error_scale import ErrorScale
from surrogate.evaluate import errors as errors_of
from surrogate.evaluate import evaluate
from surrogate.features import FEATURE_NAMES, SCHEMA_VERSION
from surrogate.fidelity import corrected, unseen
from surrogate.intervals import Intervals
from surrogate.model import Predictor, Surrogate
from surrogate.ratio import Ratio
from surrogate.region import Region
from surrogate.regressor import SurrogateRegressor
from surrogate.targets import TARGETS
from surrogate.training_set import dataset_digest, origin, training_table

FORMAT = "peforge surrogate"
FORMAT_VERSION = 3

#: With so many points or more, what a target depends on is seen: ranks of unseen points correlate
#: by at least this.
_ENOUGH = 40
_LEAST_RANK = 0.5

_LIBRARIES = ("numpy", "pandas", "scikit-learn")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A surrogate and its record.

    Attributes:
        surrogate: fitted to all measured points.
        points: how many these are.
        failed: how many points of the dataset were left out because their measurement failed.
        dataset_digest: of the whole dataset, ``surrogate.training_set.dataset_digest``.
        errors: cross-validated by datapath, ``surrogate.evaluate.evaluate``, on all points: for
            those who use this surrogate. Who changes one looks at ``peforge evaluate``.
        origin: flow, platform and the like, ``surrogate.training_set.origin``.
        versions: of the libraries it was trained with.
        actions: energies per action, if the dataset had them.
    """

    surrogate: Surrogate
    points: int
    failed: int
    dataset_digest: str
    errors: pd.DataFrame
    origin: dict[str, list[str]]
    versions: dict[str, str]
    actions: ActionEnergies | None = None

    @classmethod
    def train(
        cls,
        dataset: pd.DataFrame,
        quick: pd.DataFrame | None = None,
        *,
        actions: ActionEnergies | None = None,
        n_jobs: int = 1,
    ) -> Self:
        """Cross-validate and fit.

        Args:
            dataset: measurements of one flow.
            quick: of another one, many more, which those of ``dataset`` correct
                (``surrogate.fidelity``); errors are then of leaving out one datapath.
            actions: fitted to the same points.

        Raises:
            InputError: as ``training_table`` and ``evaluate``; or a target does not follow from the
                designs.
        """
        table = training_table(dataset)
        if quick is None:
            errors, learnt_from = evaluate(table), {}
            surrogate = Surrogate.fit(table, n_jobs=n_jobs)
        else:
            known = training_table(quick)
            foretold = unseen(known, table)
            errors = errors_of(foretold)
            flows = ", ".join(origin(quick).get("flow", ["another flow"]))
            learnt_from = {"corrects": [f"{len(known):,} points of {flows}"]}
            surrogate = corrected(Surrogate.fit(known, n_jobs=n_jobs), known, table, foretold)
        _check_learnable(errors)
        return cls(
            surrogate=surrogate,
            points=len(table),
            failed=len(dataset) - len(table),
            dataset_digest=dataset_digest(dataset),
            errors=errors,
            origin=learnt_from | origin(dataset),
            versions={name: version(name) for name in _LIBRARIES}
            | {"xgboost": xgboost.__version__},
            actions=actions,
        )

    def mape_pct(self) -> dict[str, float]:
        """Cross-validated mean absolute error of the surrogate for each target, in percent."""
        rows = self.errors.query("model == 'surrogate'")
        return dict(zip(rows["target"], rows["mape_pct"], strict=True))

    def save(self, path: Path) -> None:
        """Write the file, or leave what was there: never a part.

        Raises:
            InputError: if it cannot be written.
        """
        content = {
            "points": self.points,
            "failed": self.failed,
            "dataset_digest": self.dataset_digest,
            "errors": self.errors.to_dict("records"),
            "origin": self.origin,
            "versions": self.versions,
            "features": {"version": SCHEMA_VERSION, "names": list(FEATURE_NAMES)},
            "ratios": None
            if self.surrogate.ratios is None
            else {target: asdict(ratio) for target, ratio in self.surrogate.ratios.items()},
            "delays": asdict(self.surrogate.delays),
            "region": asdict(self.surrogate.region),
            "predictors": {
                target: {
                    "regressor": _regressor_to_json(predictor.regressor),
                    "scale": {
                        "least": predictor.scale.least,
                        "trees": _trees_to_json(predictor.scale.booster),
                    },
                    "intervals": asdict(predictor.intervals),
                }
                for target, predictor in self.surrogate.predictors.items()
            },
            "actions": None if self.actions is None else _actions_to_json(self.actions),
        }
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "sha256": checksum(content),
            "content": content,
        }
        write_text(path, _to_text(document) + "\n")

    @classmethod
    def load(cls, path: Path, *, n_jobs: int = 1) -> Self:
        """Read a file that ``save`` wrote.

        Raises:
            InputError: if it cannot be read, is no artifact, of another version, or damaged.
        """
        content = _verified_content(path)
        try:
            _check_features(content["features"])
            return cls(
                surrogate=Surrogate(
                    predictors={
                        target: _predictor_from_json(content["predictors"][target], n_jobs=n_jobs)
                        for target in TARGETS
                    },
                    delays=_delays_from_json(content["delays"]),
                    ratios=_ratios_from_json(content["ratios"]),
                    region=_region_from_json(content["region"]),
                ),
                points=content["points"],
                failed=content["failed"],
                dataset_digest=content["dataset_digest"],
                errors=pd.DataFrame(content["errors"]),
                origin=content["origin"],
                versions=content["versions"],
                actions=_actions_from_json(content.get("actions")),
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: is not a legal {FORMAT}: {reason}") from None


def _check_learnable(errors: pd.DataFrame) -> None:
    """Refuse what does not follow from the designs: a column that is in another order, say."""
    rows = errors.query("model == 'surrogate'")
    for target, points, rank in zip(rows["target"], rows["points"], rows["spearman"], strict=True):
        if points >= _ENOUGH and not rank >= _LEAST_RANK:
            raise InputError(
                f"{target} does not follow from the designs: of {points} unseen points, predicted "
                f"and measured ranks correlate by {rank:.2f} only; is its column in another order?"
            )


def _verified_content(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not a {FORMAT}: not JSON text") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path}: is not a {FORMAT}")
    if document.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: format_version must be {FORMAT_VERSION}, not "
            f"{document.get('format_version')!r}: train it again"
        )
    content = document.get("content")
    if not isinstance(content, dict) or document.get("sha256") != checksum(content):
        raise InputError(f"{path}: is damaged: its content does not match its checksum")
    return content


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the content as compact JSON text."""
    return hashlib.sha256(_to_text(content).encode()).hexdigest()


def _to_text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _check_features(features: Mapping[str, Any]) -> None:
    """Columns of another meaning would give wrong predictions in silence."""
    if features["version"] != SCHEMA_VERSION or features["names"] != list(FEATURE_NAMES):
        raise InputError("was trained on other features than are computed here: train it again")


def _regressor_to_json(regressor: SurrogateRegressor) -> dict[str, Any]:
    return {
        "parameters": regressor.get_params(),
        "coefficients": regressor.base_.coefficients_.tolist(),
        "floor": regressor.base_.floor_,
        "trees": _trees_to_json(regressor.booster_),
    }


def _trees_to_json(booster: xgboost.Booster) -> dict[str, Any]:
    trees: dict[str, Any] = json.loads(booster.save_raw("json"))
    return trees


def _trees_from_json(values: Mapping[str, Any], *, n_jobs: int) -> xgboost.Booster:
    trees = bytearray(json.dumps(values).encode())
    return xgboost.Booster({"nthread": n_jobs}, model_file=trees)


def _predictor_from_json(values: Mapping[str, Any], *, n_jobs: int) -> Predictor:
    scale = values["scale"]
    return Predictor(
        regressor=_regressor_from_json(values["regressor"], n_jobs=n_jobs),
        scale=ErrorScale.of(_trees_from_json(scale["trees"], n_jobs=n_jobs), float(scale["least"])),
        intervals=Intervals(**values["intervals"]),
    )


def _regressor_from_json(values: Mapping[str, Any], *, n_jobs: int) -> SurrogateRegressor:
    regressor = SurrogateRegressor(**{**values["parameters"], "n_jobs": n_jobs})
    regressor.base_ = PhysicalBase(columns=regressor.base_columns)
    regressor.base_.coefficients_ = np.array(values["coefficients"], dtype=np.float64)
    regressor.base_.floor_ = float(values["floor"])
    regressor.booster_ = _trees_from_json(values["trees"], n_jobs=n_jobs)
    regressor.n_features_in_ = regressor.base_.n_features_in_ = len(FEATURE_NAMES)
    return regressor


def _ratios_from_json(values: Mapping[str, Any] | None) -> dict[str, Ratio] | None:
    if values is None:
        return None
    return {
        target: Ratio(constant=float(ratio["constant"]), slopes=tuple(map(float, ratio["slopes"])))
        for target, ratio in values.items()
    }


def _actions_to_json(actions: ActionEnergies) -> dict[str, Any]:
    return {
        "terms": _terms_digest(),
        "prices_pj": actions.prices_pj.tolist(),
        "delays": asdict(actions.delays),
        "intervals": asdict(actions.intervals),
        "errors": asdict(actions.errors),
    }


def _actions_from_json(values: Mapping[str, Any] | None) -> ActionEnergies | None:
    if values is None:
        return None
    if values["terms"] != _terms_digest():
        raise InputError("energies per action are made of other quantities here: train it again")
    return ActionEnergies(
        prices_pj=np.array(values["prices_pj"], dtype=np.float64),
        delays=_delays_from_json(values["delays"]),
        intervals=Intervals(**values["intervals"]),
        errors=Errors(**values["errors"]),
    )


def _terms_digest() -> str:
    """Of what energies of actions are made of, in order."""
    return hashlib.sha256(json.dumps(TERMS).encode()).hexdigest()


def _delays_from_json(values: Mapping[str, Any]) -> Delays:
    leisure, hurry = (tuple(map(float, values[name])) for name in ("leisure", "hurry"))
    return Delays(leisure=leisure, hurry=hurry, met=float(values["met"]))


def _region_from_json(values: Mapping[str, Any]) -> Region:
    return Region(
        kinds={name: tuple(found) for name, found in values["kinds"].items()},
        pairs={name: tuple(found) for name, found in values["pairs"].items()},
        numbers={
            name: {family: (float(low), float(high)) for family, (low, high) in found.items()}
            for name, found in values["numbers"].items()
        },
    )
