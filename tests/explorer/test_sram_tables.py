"""``peforge sram``: one shape, sweeps, files. All shapes are in the table of the project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from characterize import sram_table
from characterize.cacti import Shape
from explorer import sram_tables


def peforge(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "explorer.cli", "sram", *arguments],
        capture_output=True, text=True, cwd=cwd, check=False,
    )  # fmt: skip


def test_one_shape_is_printed(tmp_path: Path) -> None:
    run = peforge("--words", "4096", "--bits", "64", "--banks", "4", cwd=tmp_path)
    assert run.returncode == 0
    assert run.stderr == ""
    assert "SRAM, 45 nm, 1 V" in run.stdout
    row = next(line for line in run.stdout.splitlines() if "4,096" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == [
        "4,096", "64", "4", "1rw", "9.937", "11.15", "18,937", "122,244", "0.3918", "0.2527"
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_json_has_settings_and_the_same_numbers(tmp_path: Path) -> None:
    run = peforge("--words", "4096", "--bits", "64", "--json", cwd=tmp_path)
    answer = json.loads(run.stdout)
    assert run.stderr == ""
    assert answer["settings"] == {
        "technology_nm": 45,
        "temperature_k": 300,
        "device": "itrs-hp",
        "objective": "100:100:0:0:100",
        "deviation": "1000:1000:1000:1000:1000",
        "optimize": "NONE",
        "interconnect": "conservative",
        "access": "normal",
    }
    expected = sram_table.look_up(4096, 64, cache=tmp_path).to_dict("records")
    assert answer["srams"] == expected
    assert answer["left_out"] == []


def test_a_sweep_writes_a_table_and_says_what_it_left_out(tmp_path: Path) -> None:
    run = peforge(
        "--words", "512,1024", "--bits", "32", "--banks", "1,32", "--ports", "1rw,2rw",
        "--voltage-v", "1.1", "-o", "out/sram.csv", cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0
    assert run.stdout.splitlines()[-2:] == [
        "left out 2 of 8; the first: CACTI makes no SRAM of 512 words of 32 bits in 32 banks: a "
        "bank has at least 32 words and 64 bytes; nearest: 512 words of 32 bits in 16 banks or "
        "1024 words of 32 bits in 32 banks",
        "wrote out/sram.csv",
    ]
    table = pd.read_csv(tmp_path / "out" / "sram.csv")
    expected = sram_table.look_up(
        [512, 512, 1024, 1024, 1024, 1024], 32, [1, 1, 1, 1, 32, 32], ["1rw", "2rw"] * 3,
        cache=tmp_path, voltage_v=1.1,
    )  # fmt: skip
    pd.testing.assert_frame_equal(table, expected)
    assert (table["voltage_v"] == 1.1).all()


def test_what_is_asked_for_twice_is_there_once() -> None:
    asked = sram_tables.asked_shapes("512,512,1024", "32,32", "1,32,1", "1rw,2rw,1rw")
    assert asked == sram_tables.asked_shapes("512,1024", "32", "1,32", "1rw,2rw")
    assert [len(part) for part in asked] == [6, 2]


def test_a_long_table_is_cut_where_it_is_printed() -> None:
    shapes = sram_table.grid()[:50]
    sweep = sram_tables.run_sweep(
        shapes, [], cache=Path("unused"), voltage_v=None, output=None, quiet=True
    )
    table = sram_tables.cost_table(sweep)
    assert len(sweep.table) == 50
    assert table.row_count == 40
    assert table.caption == "the first 40 of 50"


def test_the_table_of_the_project_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a cache that the shipped table fills, and of two shapes."""
    shapes = [Shape(words=512, bits=8), Shape(words=512, bits=8, banks=2)]
    text = sram_table.SHIPPED.read_text()
    source = text.splitlines()[1].split(",")[-2]
    monkeypatch.setattr(sram_table, "grid", lambda: shapes)
    monkeypatch.setattr(sram_table, "_installed_source", lambda: source)
    monkeypatch.setattr(sram_table.cacti, "source_digest", lambda: source)
    cache = sram_table.Cache(tmp_path / "cache", source)
    for cost in sram_table.costs(shapes, cache=tmp_path / "unused"):
        cache.put(cost)
    path = tmp_path / "sram.csv"
    assert sram_tables.remake_grid(path, cache=tmp_path / "cache", quiet=True) == 2
    assert path.read_text().splitlines() == text.splitlines()[:3]
