"""Tables, files, plots and pages of an exploration."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from rich.console import Console

from explorer.explore import ExplorationResult, explore
from explorer.html import write_html
from explorer.plot import describe, landmarks, write_plot
from explorer.report import FAMILY_COLOURS, as_json, front_table, write_csv, write_json
from rtl_gen.design import FAMILIES, PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import Space
from surrogate.artifact import Artifact


@pytest.fixture(scope="module")
def result(space: Space, artifact: Artifact) -> ExplorationResult:
    return explore(space, artifact, ("area_um2", "throughput", "energy_per_mac_pj"), n=10**6)


def test_csv_holds_the_front(result: ExplorationResult, tmp_path: Path) -> None:
    write_csv(result, tmp_path / "front.csv")
    read = pd.read_csv(tmp_path / "front.csv", dtype={"outside": object})
    front = result.front.astype({"outside": object})
    pd.testing.assert_frame_equal(read, front, check_dtype=False)


def test_json_holds_the_front_and_its_origin(result: ExplorationResult, tmp_path: Path) -> None:
    write_json(result, tmp_path / "front.json")
    document = json.loads((tmp_path / "front.json").read_text())
    assert document == as_json(result)
    assert document["points"] == len(result.points)
    assert document["objectives"][1] == {
        "name": "throughput",
        "column": "throughput_gmacs",
        "sense": "max",
    }
    assert pd.DataFrame(document["front"])["area_um2"].tolist() == result.front["area_um2"].tolist()


def test_table_shows_the_first_rows(result: ExplorationResult) -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(front_table(result, rows=2))
    text = capture.get()
    assert f"Pareto front: {len(result.front):,} of {len(result.points):,} points" in text
    assert f"the first 2 of {len(result.front)}" in text
    assert f"{result.front['area_um2'].iloc[1]:.4g}" in text


def test_table_names_options_and_a_common_period(result: ExplorationResult) -> None:
    chosen = result.front[result.front["period_ps"] == 2000].head(1)
    usual = {"scratchpad": "flop", "multiplier": "synth", "precision_modes": 1}
    usual |= {"serial_terms": False, "zero_gating": False, "act_signed": True}
    console = Console(width=200)
    with console.capture() as capture:
        for changes in ({}, {"scratchpad": "latch", "precision_modes": 3, "act_signed": False}):
            front = chosen.assign(**(usual | changes))
            console.print(front_table(dataclasses.replace(result, front=front)))
    plain, special = capture.get().split("Pareto front: ")[1:]
    for text in (plain, special):
        assert text.splitlines()[0].strip().endswith("points, period 2000 ps")
    assert "options" not in plain
    assert "latch, 3 modes, unsigned" in special


def test_every_family_has_a_colour() -> None:
    assert set(FAMILY_COLOURS) == set(FAMILIES)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_plot_is_a_picture(
    space: Space, artifact: Artifact, tmp_path: Path, objectives: int
) -> None:
    names = ("area_um2", "energy_per_mac_pj", "throughput", "leakage_uw")[:objectives]
    write_plot(explore(space, artifact, names, n=500), tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


def test_plot_names_its_axes_with_units(result: ExplorationResult, tmp_path: Path) -> None:
    """Text in SVG is drawn as shapes, each behind a comment with the words."""
    write_plot(result, tmp_path / "front.svg")
    text = (tmp_path / "front.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    for label in ("Area (µm²), less is better", "Throughput (GMAC/s), more is better"):
        assert f"<!-- {label} -->" in text


def test_landmarks_are_the_best_in_each_objective(result: ExplorationResult) -> None:
    named = landmarks(result)
    assert 1 <= len(named) <= 4
    assert named["area_um2"].min() == result.front["area_um2"].min()
    assert named["throughput_gmacs"].max() == result.front["throughput_gmacs"].max()
    assert named["energy_per_mac_pj"].min() == result.front["energy_per_mac_pj"].min()


def test_a_design_is_described_in_a_line() -> None:
    design = PEDesign.preset("LightPE-2", psum_bits=29)
    point = pd.Series({**design.to_dict(), "period_ps": 2000})
    rest = "scratchpads 12/224/24, psum 29 bit, 2-stage, aimed at 2000 ps"
    assert describe(point) == f"lightpe k=2 8x8 bit, {rest}"
    point["scratchpad"], point["zero_gating"] = "latch", True
    assert describe(point) == f"lightpe k=2 8x8 bit, latch, zero gating, {rest}"


def test_page_holds_the_data_and_loads_nothing(result: ExplorationResult, tmp_path: Path) -> None:
    write_html(result, tmp_path / "front.html")
    page = (tmp_path / "front.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r"const data = (.*), get =", page).group(1))
    assert len(data["front"]) == len(result.front)
    assert data["notes"] == list(result.notes)
    assert [axis["column"] for axis in data["axes"]][:2] == ["area_um2", "throughput_gmacs"]
    assert not re.search(r"https?://|src=|@import", page)


def test_one_objective_is_no_picture(space: Space, artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_plot(explore(space, artifact, ["area_um2"], n=500), tmp_path / "front.png")
    assert str(caught.value) == "a plot needs at least two objectives, not 1"


def test_an_unknown_extension_is_refused(result: ExplorationResult, tmp_path: Path) -> None:
    path = tmp_path / "front.xls"
    with pytest.raises(InputError) as caught:
        write_plot(result, path)
    assert str(caught.value) == f"{path}: a plot must end in one of .png, .svg, .pdf"


@pytest.mark.parametrize("write", [write_csv, write_json, write_html, write_plot])
def test_a_place_that_cannot_be_written_is_an_error(
    write: Callable[[ExplorationResult, Path], None], result: ExplorationResult, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "front.png"
    with pytest.raises(InputError) as caught:
        write(result, path)
    assert str(caught.value) == f"{path}: cannot be written: a file is where a folder is needed"
