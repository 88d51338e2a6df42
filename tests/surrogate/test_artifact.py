"""Artifacts: exact round trips, and refusal of everything else."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from rtl_gen.space import Space
from surrogate.action_energies import TERMS, ActionEnergies, Errors
from surrogate.artifact import Artifact, checksum
from surrogate.intervals import Intervals
from surrogate.training_set import dataset_digest

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def dataset(measure: Measure) -> pd.DataFrame:
    return measure(50, failed=3).assign(flow="placed", platform="freepdk45")


@pytest.fixture(scope="module")
def artifact(dataset: pd.DataFrame) -> Artifact:
    return Artifact.train(dataset)


@pytest.fixture
def saved(artifact: Artifact, tmp_path: Path) -> Path:
    path = tmp_path / "surrogate.json"
    artifact.save(path)
    return path


def test_a_read_artifact_is_the_written_one(artifact: Artifact, saved: Path, space: Space) -> None:
    read = Artifact.load(saved)
    points = space.table()
    pd.testing.assert_frame_equal(
        read.surrogate.predict(points), artifact.surrogate.predict(points), check_exact=True
    )
    pd.testing.assert_frame_equal(read.errors, artifact.errors, check_exact=True)
    assert read.surrogate.region == artifact.surrogate.region
    for name in ("points", "failed", "dataset_digest", "origin", "versions"):
        assert getattr(read, name) == getattr(artifact, name)


@pytest.fixture
def with_actions(artifact: Artifact, tmp_path: Path) -> tuple[Artifact, Path]:
    """Energies per action of made-up prices."""
    prices = sum(map(len, TERMS.values()))
    actions = ActionEnergies(
        prices_pj=np.random.default_rng(1).uniform(0, 1e-3, prices),
        delays=artifact.surrogate.delays,
        intervals=Intervals(level=0.9, widths={"int": 0.2}, other=0.3, points=50),
        errors=Errors(designs=50, primitives_pct=7.0, p95_pct=20.0, kinds_pct={"idle cycle": 5.0}),
    )
    path = tmp_path / "actions.json"
    replace(artifact, actions=actions).save(path)
    return replace(artifact, actions=actions), path


def test_energies_per_action_are_kept(
    with_actions: tuple[Artifact, Path], saved: Path, space: Space
) -> None:
    written, read = with_actions[0].actions, Artifact.load(with_actions[1]).actions
    assert written is not None
    assert read is not None
    points = space.table()
    pd.testing.assert_frame_equal(read.predict(points), written.predict(points), check_exact=True)
    assert (read.errors, read.intervals, read.delays) == (
        written.errors, written.intervals, written.delays,
    )  # fmt: skip
    assert Artifact.load(saved).actions is None


def test_prices_of_other_quantities_are_refused(
    with_actions: tuple[Artifact, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surrogate.artifact.TERMS", {**TERMS, "mac": ("one",)})
    with pytest.raises(InputError) as caught:
        Artifact.load(with_actions[1])
    assert str(caught.value) == (
        f"{with_actions[1]}: energies per action are made of other quantities here: train it again"
    )


def test_records_where_it_comes_from(artifact: Artifact, dataset: pd.DataFrame) -> None:
    assert (artifact.points, artifact.failed) == (47, 3)
    assert artifact.dataset_digest == dataset_digest(dataset)
    assert artifact.origin == {"platform": ["freepdk45"], "flow": ["placed"]}
    assert set(artifact.versions) == {"numpy", "pandas", "scikit-learn", "xgboost"}
    assert list(artifact.mape_pct()) == list(artifact.surrogate.predictors)


def test_saving_twice_gives_the_same_bytes(saved: Path) -> None:
    first = saved.read_bytes()
    Artifact.load(saved).save(saved)
    assert saved.read_bytes() == first


def test_nothing_is_left_beside_the_file(saved: Path) -> None:
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_any_changed_digit_is_noticed(saved: Path, part: float) -> None:
    """Wherever in the content it is: the artifact is refused, not used."""
    text = saved.read_text()
    position = next(i for i in range(int(part * len(text)), len(text)) if text[i] in "12345678")
    saved.write_text(text[:position] + str(int(text[position]) + 1) + text[position + 1 :])
    assert message_of_loading(saved) == (
        f"{saved}: is damaged: its content does not match its checksum"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a peforge surrogate: not JSON text"),
        (b"\xff\xfe", "is not a peforge surrogate: not JSON text"),
        (b"[1, 2]", "is not a peforge surrogate"),
        (b'{"format": "other"}', "is not a peforge surrogate"),
        (
            b'{"format": "peforge surrogate", "format_version": 0}',
            "format_version must be 3, not 0: train it again",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    assert message_of_loading(path) == f"{path}: {message}"


def test_a_part_of_a_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:1000])
    assert message_of_loading(saved) == f"{saved}: is not a peforge surrogate: not JSON text"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    assert message_of_loading(path) == f"{path}: cannot be read: No such file or directory"


def test_features_of_another_version_are_refused(saved: Path) -> None:
    """They would be other quantities under the same names."""
    rewrite(saved, features={"version": 0, "names": ["bits"]})
    assert message_of_loading(saved) == (
        f"{saved}: was trained on other features than are computed here: train it again"
    )


def test_legal_checksum_on_illegal_content_is_refused(saved: Path) -> None:
    rewrite(saved, predictors={})
    assert message_of_loading(saved) == (f"{saved}: is not a legal peforge surrogate: 'area_um2'")


def test_a_place_that_cannot_be_written_is_an_error(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "surrogate.json"
    with pytest.raises(InputError) as caught:
        artifact.save(path)
    assert str(caught.value) == f"{path}: cannot be written: a file is where a folder is needed"


def rewrite(path: Path, **changes: Any) -> None:
    """Change the content and make the checksum fit again."""
    document = json.loads(path.read_text())
    document["content"] |= changes
    document["sha256"] = checksum(document["content"])
    path.write_text(json.dumps(document))


def message_of_loading(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        Artifact.load(path)
    return str(caught.value)


def test_a_column_in_another_order_is_refused(dataset: pd.DataFrame) -> None:
    shuffled = dataset.copy()
    measured = shuffled["status"] == "ok"
    values = shuffled.loc[measured, "leakage_uw"].sample(frac=1, random_state=1)
    shuffled.loc[measured, "leakage_uw"] = values.to_numpy()
    with pytest.raises(InputError) as caught:
        Artifact.train(shuffled)
    assert re.fullmatch(
        r"leakage_uw does not follow from the designs: of 47 unseen points, predicted and measured "
        r"ranks correlate by -?0\.\d\d only; is its column in another order\?",
        str(caught.value),
    )
