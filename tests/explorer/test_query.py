"""A prediction stands beside a measurement of its own flow and kit, or beside none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from characterize.dataset import read_dataset, write_dataset
from explorer.cli import app
from explorer.query import ask
from rtl_gen.errors import InputError
from rtl_gen.space import design_of
from surrogate.artifact import Artifact

FLOWS = Path(__file__).parents[2] / "data" / "flows.csv"


@pytest.fixture
def model(artifact: Artifact, tmp_path: Path) -> Path:
    """Of flow openroad, as its origin says."""
    origin = {"flow": ["openroad"], "platform": ["freepdk45"]}
    replace(artifact, origin=origin).save(tmp_path / "model.json")
    return tmp_path / "model.json"


def test_a_measurement_of_another_flow_is_none_of_this_model(model: Path, tmp_path: Path) -> None:
    table = read_dataset(FLOWS)
    design = design_of(table.iloc[0].to_dict())
    rows = table[(table["digest"] == design.digest) & (table["status"] == "ok")]
    period_ps = int(rows["period_ps"].iloc[0])
    for flow in ("placed", "openroad"):
        path = tmp_path / f"{flow}.csv"
        own = rows[(rows["flow"] == flow) & (rows["period_ps"] == period_ps)]
        write_dataset(path, own)
        found = ask(design, period_ps=period_ps, model=model, dataset=path,
                    store=tmp_path / "none", platform="freepdk45")  # fmt: skip
        if flow == "placed":
            assert found["measured"] is None
        else:
            assert found["measured"]["area_um2"] == pytest.approx(own["area_um2"].iloc[0])
    assert not (tmp_path / "none").exists()


def test_a_model_is_of_its_kit(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        ask(design_of(read_dataset(FLOWS).iloc[0].to_dict()), period_ps=2000, model=model,
            dataset=tmp_path / "none.csv", store=tmp_path / "none", platform="osu018")  # fmt: skip
    assert str(caught.value) == f"{model}: was trained on platform freepdk45, not on osu018"


def test_a_folder_that_is_no_store_stays_as_it_is(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    design = design_of(read_dataset(FLOWS).iloc[0].to_dict())
    ask(design, period_ps=2000, model=model, dataset=tmp_path / "none.csv", store=folder,
        platform="freepdk45")  # fmt: skip
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_an_explanation_says_what_is_outside(model: Path) -> None:
    command = ["explain", "--preset", "INT8", "--filter-depth", "500", "--model", str(model)]
    shown = CliRunner().invoke(app, command)
    assert "Outside what was measured: " in shown.stdout
    assert "The error is unknown." in shown.stdout
    assert json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)["outside"] != []


def test_a_plot_is_a_png(tmp_path: Path, model: Path) -> None:
    failed = CliRunner().invoke(
        app, ["explain", "--plot", str(tmp_path / "x.pdf"), "--model", str(model)]
    )
    assert str(failed.exception) == "the ending of a plot must be one of .png, not '.pdf'"
    assert not (tmp_path / "x.pdf").exists()


def test_a_wrong_cell_is_blamed_and_no_other(tmp_path: Path) -> None:
    """One word makes a whole column text: the rows before it are as they were."""
    table = pd.read_csv(FLOWS, dtype=str)
    table.loc[3, "act_bits"] = "eight"
    path = tmp_path / "own.csv"
    table.to_csv(path, index=False)
    failed = CliRunner().invoke(app, ["train", "--data", str(path), "--flow", "placed"])
    assert str(failed.exception) == (
        f"{path}: line 5: act_bits must be an integer from 2 to 16, not 'eight'"
    )


def test_what_cannot_be_learnt_from_is_named(tmp_path: Path) -> None:
    failed = CliRunner().invoke(
        app, ["train", "--data", str(FLOWS), "--model", str(tmp_path / "m.json")]
    )
    assert str(failed.exception) == (
        f"{FLOWS}: the dataset mixes measurements of different flow: openroad; placed"
    )


def test_a_deep_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "nest.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError) as caught:
        Artifact.load(path)
    assert str(caught.value) == f"{path}: is not a peforge surrogate: not JSON text"
