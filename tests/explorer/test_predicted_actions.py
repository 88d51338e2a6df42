"""Energies per action from the command line, learnt from some points of the shipped dataset."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from characterize.action_files import actions_code
from characterize.dataset_folder import (
    Manifest,
    Part,
    Shard,
    file_name,
    read_actions,
    read_manifest,
    read_points,
    write_manifest,
    write_table,
)
from characterize.dataset_schema import ACTION_COLUMNS, POINT_COLUMNS
from explorer.cli import app
from rtl_gen.errors import InputError
from surrogate.artifact import Artifact

SHIPPED = Path(__file__).parents[2] / "data" / "freepdk45"
POINTS = 14
DESIGN = ["--family", "int", "--act-bits", "4", "--weight-bits", "4", "--filter-depth", "24",
          "--psum-depth", "8"]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on the smallest netlists of the dataset."""
    root = tmp_path_factory.mktemp("predicted")
    points = read_points(SHIPPED)
    points = points[points["part"] == "placed"].nsmallest(POINTS, "cells")
    actions = read_actions(SHIPPED)
    tables = {"points": points, "actions": actions[actions["key"].isin(points["key"])]}
    part = read_manifest(SHIPPED).parts["placed"]
    (root / "data").mkdir()
    sums = {
        "points": write_table(root / "data" / file_name("placed", 0, "points"),
                              tables["points"].drop(columns="part"), POINT_COLUMNS),
        "actions": write_table(root / "data" / file_name("placed", 0, "actions"),
                               tables["actions"].drop(columns="part"), ACTION_COLUMNS),
    }  # fmt: skip
    shard = Shard(number=0, rows=POINTS, sha256=sums, generator="", actions=actions_code())
    parts = {"placed": Part(name="placed", space=part.space, plan=part.plan, shard_points=POINTS,
                            shards=(shard,))}  # fmt: skip
    write_manifest(root / "data", Manifest(parts=parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        done = CliRunner().invoke(
            app, ["train", "--dataset", str(root / "data"), "--model", str(root / "model.json")]
        )
    assert done.exit_code == 0, done.output
    assert re.search(
        rf"energies per action, of {POINTS} points: convolutions of datapaths not learnt from are "
        r"off by \d+\.\d % in the mean, 95 % of them by less than \d+ %",
        done.stdout,
    )
    return root / "model.json"


def test_a_design_has_predicted_energies(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "actions.json"
    command = ["actions", *DESIGN, "--predict", "--model", str(model), "--out", str(out)]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "energy per action, predicted" in shown.stdout
    assert f"wrote {out}" in shown.stdout
    found = json.loads(out.read_text())
    assert json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout) == found
    assert found["origin"] == "predicted"
    energies = found["energies_pj"]
    assert {"mac", "idle", "psum_pass", "weight_bit"} <= set(energies)
    assert not {"mac_mode1", "aligned_bit", "filter_step"} & set(energies)  # it never does these
    assert energies["mac"] > energies["idle"] > 0
    assert min(energies.values()) >= 0
    for one in found["macs_pj"].values():
        assert 0 < one["low"] < one["predicted"] < one["high"]
    zeros = found["macs_pj"]["3 x 4 x 4 words, zero activations"]["predicted"]
    assert zeros < found["macs_pj"]["3 x 4 x 4 words, uniform"]["predicted"]


def test_the_card_tells_their_error(model: Path) -> None:
    card = model.with_suffix(".md").read_text()
    assert "## Energies per action" in card
    assert f"energies per action, of {POINTS} points" in card


def test_a_model_without_them_says_what_to_do(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    folder = str(model.parent / "data")
    trained = CliRunner().invoke(
        app, ["train", "--dataset", folder, "--model", str(path), "--no-actions", "--json"]
    )
    assert json.loads(trained.stdout)["actions"] is None
    assert Artifact.load(path).actions is None
    failed = CliRunner().invoke(app, ["actions", *DESIGN, "--predict", "--model", str(path)])
    assert isinstance(failed.exception, InputError)
    assert str(failed.exception) == (
        f"{path}: knows no energies per action; train it on the folder of a dataset that has them: "
        "peforge train --dataset data/freepdk45"
    )
