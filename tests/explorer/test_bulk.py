"""Designs by the million: what comes out is what the surrogate says, whatever the chunks."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from explorer import bulk
from explorer.bulk import designs_of_file, designs_of_space, predict_to
from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS, Space
from surrogate.artifact import Artifact


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 7)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("intervals", [True, False])
def test_a_file_is_predicted_as_a_table_is(
    space: Space, artifact: Artifact, tmp_path: Path, ending: str, intervals: bool
) -> None:
    designs = space.table(limit=40, seed=2).assign(note="mine")
    source, target = tmp_path / f"designs.{ending}", tmp_path / "new" / f"predicted.{ending}"
    designs.to_csv(source, index=False) if ending == "csv" else designs.to_parquet(source)
    found = predict_to(designs_of_file(source), artifact, target, intervals=intervals)
    read = pd.read_csv(target) if ending == "csv" else pd.read_parquet(target)
    expected = artifact.surrogate.predict(designs, intervals=intervals)
    assert list(read.columns) == [*POINT_COLUMNS, "note", *expected.columns]
    pd.testing.assert_frame_equal(
        read.drop(columns=[*POINT_COLUMNS, "note", "outside"]),
        expected.drop(columns="outside"), rtol=1e-6,
    )  # fmt: skip
    assert read["outside"].astype(object).fillna("").tolist() == (
        expected["outside"].astype(object).fillna("").tolist()
    )
    assert (found.designs, found.outside) == (40, expected["outside"].notna().sum())
    assert os.listdir(target.parent) == [target.name]


def test_a_space_is_there_in_order_or_drawn_by_its_seed(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", space.size // 9)
    whole = pd.concat(designs_of_space(space, space.size, 0), ignore_index=True)
    pd.testing.assert_frame_equal(
        whole.drop_duplicates(ignore_index=True), space.table(), check_dtype=False
    )
    monkeypatch.setattr(bulk, "CHUNK", 7)
    drawn = [pd.concat(designs_of_space(space, 30, seed)) for seed in (1, 1, 2)]
    pd.testing.assert_frame_equal(drawn[0], drawn[1])
    assert not drawn[0].equals(drawn[2])
    assert len(drawn[0]) <= 30


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "the ending of a file of designs must be one of .parquet, .csv, not '.txt'"),
        ("a.csv", b"", "{path}: is no table of designs: No columns to parse from file"),
        ("a.csv", b"family\nint\n", "a design point needs act_bits; the table has only family"),
        ("a.parquet", b"PAR1", "{path}: is no table of designs: Parquet file size is 4 bytes, "
         "smaller than the minimum file footer (8 bytes)"),
    ],
)  # fmt: skip
def test_files_that_are_no_designs_leave_nothing(
    artifact: Artifact, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    source, target = tmp_path / name, tmp_path / "predicted.csv"
    source.write_bytes(content)
    with pytest.raises(InputError) as caught:
        predict_to(designs_of_file(source), artifact, target, intervals=True)
    assert str(caught.value) == message.format(path=source)
    assert os.listdir(tmp_path) == [name]


def test_a_later_row_that_is_no_design_leaves_the_file_that_was_there(
    space: Space, artifact: Artifact, tmp_path: Path
) -> None:
    designs = space.table(limit=5, seed=2)
    target = tmp_path / "predicted.csv"
    target.write_text("before")
    chunks = iter([designs, designs.assign(period_ps=0)])
    with pytest.raises(InputError) as caught:
        predict_to(chunks, artifact, target, intervals=True)
    assert str(caught.value) == "period_ps must be at least 1 and finite, not 0"
    assert target.read_text() == "before"
    assert os.listdir(tmp_path) == [target.name]


def test_no_design_at_all_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        predict_to(iter([]), artifact, tmp_path / "p.csv", intervals=True)
    assert str(caught.value) == "there is no design to predict"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        next(designs_of_file(tmp_path / "none.parquet"))
    assert (
        str(caught.value)
        == f"{tmp_path / 'none.parquet'}: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("name", ["area_um2", "leakage_uw_high", "outside"])
def test_nothing_is_replaced_by_a_prediction(
    space: Space, artifact: Artifact, tmp_path: Path, name: str
) -> None:
    """It may have been measured; and intervals of another model must not stand beside values."""
    source, target = tmp_path / "designs.csv", tmp_path / "predicted.csv"
    space.table(limit=5).assign(**{name: 1.0}).to_csv(source, index=False)
    with pytest.raises(InputError) as caught:
        predict_to(designs_of_file(source), artifact, target, intervals=False)
    assert str(caught.value) == (
        f"the designs have a column {name} already, where a prediction would be written: rename "
        "it, or leave it out"
    )
    assert not target.exists()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("filter_depth", 100_000, "filter_depth must be an integer from 1 to 512, not 100000"),
        ("period_ps", 10, "period_ps must be an integer from 100 to 100000, not 10"),
        ("psum_depth", 128, "psum_depth must be an integer from 1 to 64, not 128"),
    ],
)
def test_what_is_no_design_is_not_predicted(
    space: Space, artifact: Artifact, tmp_path: Path, name: str, value: int, message: str
) -> None:
    designs = space.table(limit=20, seed=4)
    designs.loc[designs.index[11], name] = value
    designs.to_csv(tmp_path / "designs.csv", index=False)
    with pytest.raises(InputError) as caught:
        predict_to(
            designs_of_file(tmp_path / "designs.csv"), artifact, tmp_path / "p.csv", intervals=True
        )
    assert str(caught.value) == f"row 12 of the designs: {message}"
