"""A store is checked, cleaned and exported without losing a measurement."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from characterize.dataset import read_dataset
from characterize.measurement import METRICS, STEPS, Measurement
from characterize.platform import load_platform
from characterize.store import Store
from explorer.cli import app
from explorer.store_care import clean, existing_store, export, find_key, survey, survey_lines
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError


def measurement(number: int, **changes: Any) -> Measurement:
    design = PEDesign.preset("INT8", filter_depth=16 + number)
    values: dict[str, Any] = {
        "key": f"a{number:x}" * 32, "design": {**design.to_dict(), "digest": design.digest},
        "digests": {"rtl": "r", "flow": "f", "netlist": "n"},
        "period_ps": 2000, "utilization": 0.5, "seed": 1, "flow": "placed",
        "activity_model": "unit delay", "operands": "uniform", "mode": 0, "run_terms": 0,
        "perturbation": 0,
        "platform": {"name": "kit", "corner": "typical", "hashes": {}}, "tools": {"sta": "2.0"},
        "status": "ok", "reason": "", "choices": {"multiplier": "booth", "effort": "small"},
        "metrics": dict.fromkeys(METRICS, float(number)), "seconds": dict.fromkeys(STEPS, 0.1),
        **changes,
    }  # fmt: skip
    return Measurement(**values)


def put(store: Store, entry: Measurement) -> Path:
    folder = store.work_folder()
    (folder / "netlist.v").write_text("module m; endmodule\n")
    store.put(entry, folder)
    return store.path(entry.key)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three measurements, two failures for one reason, one damaged entry."""
    made = Store(tmp_path / "store")
    for number in (1, 2, 3):
        put(made, measurement(number))
    for number in (4, 5):
        put(made, measurement(number, status="failed", reason="no route", metrics={}))
    damaged = put(made, measurement(6))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    return made


def test_a_survey_tells_whole_failed_and_damaged_entries_apart(store: Store) -> None:
    found = survey(store, quiet=True)
    size = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert found.bytes == size
    path = store.path("a6" * 32)
    assert survey_lines(found) == [
        f"3 measured, 2 failed, 1 damaged; {size / 1e6:,.1f} MB",
        "  failed 2: no route",
        f"  damaged: {path}: is not an archive, or is cut off",
    ]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("no archive", "is not an archive, or is cut off"),
        ("no record", "measurement.json is missing"),
        ("cut record", "measurement.json is not a record"),
        ("other number", "measurement.json is not what was written"),
        ("missing file", "netlist.v is missing"),
        ("other file", "netlist.v is not what was written"),
        ("more files", "extra.v is not what was written"),
        ("other place", f"its key is {'a1' * 32}"),
        ("folder", "Is a directory"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: str, said: str) -> None:
    store = Store(tmp_path)
    path = put(store, measurement(1))
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    record = files["measurement.json"]
    match damage:
        case "no record":
            del files["measurement.json"]
        case "cut record":
            files["measurement.json"] = record[:-20]
        case "other number":
            files["measurement.json"] = record.replace(b"2000", b"2001")
        case "missing file":
            del files["netlist.v"]
        case "other file":
            files["netlist.v"] = b"module n; endmodule"
        case "more files":
            files["extra.v"] = b""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    match damage:
        case "no archive":
            path.write_text("")
        case "other place":
            path.rename(path.with_name("a2" * 32 + ".zip"))
        case "folder":
            path.unlink()
            path.mkdir()
    (found,) = survey(store, quiet=True).damaged
    assert found.damage == said


def test_cleaning_leaves_every_measurement(store: Store) -> None:
    before = survey(store, quiet=True)
    freed = clean(store, before)
    after = survey(store, quiet=True)
    assert [entry.path for entry in after.measured] == [entry.path for entry in before.measured]
    assert not after.failures
    assert not after.damaged
    assert after.bytes == before.bytes - freed
    assert freed > 0


def test_an_export_has_a_row_for_each_point_the_latest(store: Store, tmp_path: Path) -> None:
    again = measurement(1, key="a7" * 32, metrics=dict.fromkeys(METRICS, 70.0))
    put(store, again)
    path = tmp_path / "all.csv"
    assert export(survey(store, quiet=True), path) == 5
    table = read_dataset(path).set_index("key")
    assert "a1" * 32 not in table.index
    assert table.loc["a7" * 32, "area_um2"] == 70
    assert table.loc["a2" * 32, "area_um2"] == 2
    assert (table["status"] == "failed").sum() == 2


def test_wrong_stores_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        existing_store(tmp_path / "none")
    assert str(error.value) == f"{tmp_path / 'none'}: there is no store"
    with pytest.raises(InputError) as error:
        export(survey(Store(tmp_path / "new"), quiet=True), tmp_path / "x.csv")
    assert str(error.value) == f"{tmp_path / 'new'}: the store has no measurement"
    assert not (tmp_path / "x.csv").exists()


def test_the_verbs_say_what_they_did(store: Store, tmp_path: Path) -> None:
    run = CliRunner().invoke
    place = ["--store", str(store.root)]
    checked = run(app, ["store", "check", "--json", *place])
    assert checked.exit_code == 1
    assert json.loads(checked.stdout)["failed"] == {"no route": 2}
    dry = run(app, ["store", "gc", "--dry-run", *place])
    assert dry.stdout.splitlines()[-1] == "nothing was removed: --dry-run"
    assert run(app, ["store", "check", *place]).exit_code == 1
    assert run(app, ["store", "gc", *place]).exit_code == 0
    assert run(app, ["store", "check", *place]).exit_code == 0
    path = tmp_path / "all.csv"
    wrote = run(app, ["store", "export", "-o", str(path), *place])
    assert wrote.stdout.splitlines() == [f"wrote {path}: 3 rows, 0 damaged entries left out"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("a1", None),
        ("a1" * 32, None),
        ("a8", "no measurement has a key that begins with a8"),
        ("../a", "a key is of 2 to 64 digits from 0-9 and a-f, not '../a'"),
    ],
)
def test_an_entry_is_unpacked_by_how_its_key_begins(
    store: Store, tmp_path: Path, key: str, message: str | None
) -> None:
    for number in (1, 2, 3):
        put(store, measurement(number, platform={"name": "freepdk45", "hashes": {}}))
    place = ["-o", str(tmp_path / "files"), "--store", str(store.root)]
    run = CliRunner().invoke(app, ["store", "unpack", key, *place])
    if message is None:
        files = tmp_path / "files"
        assert (files / "netlist.v").read_text() == "module m; endmodule\n"
        assert (files / "cells.lib").resolve() == load_platform().liberty
        assert "library" in (files / "power_cells.lib").read_text()[:1000]
    else:
        assert str(run.exception).endswith(message)
        assert not (tmp_path / "files").exists()


def test_a_beginning_that_several_keys_have_is_refused(store: Store) -> None:
    again = measurement(1, key="a1" + "b" * 62)
    put(store, again)
    with pytest.raises(InputError) as error:
        find_key(store, "a1")
    assert str(error.value) == f"{store.root}: 2 measurements have keys that begin with a1"
    assert find_key(store, "a1b") == again.key
