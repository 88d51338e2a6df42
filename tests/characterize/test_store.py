"""The store takes whole entries only and gives back only what it took."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from characterize.measurement import METRICS, Measurement
from characterize.process import StepError, last_words, run_tool
from characterize.store import Store
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

KEY = "ab" * 32


def measurement(**changes: object) -> Measurement:
    values: dict[str, object] = {
        "key": KEY,
        "digests": {"rtl": "", "flow": "", "netlist": ""},
        "design": PEDesign.preset("INT4").to_dict(),
        "period_ps": 2000,
        "utilization": 0.5,
        "seed": 1,
        "flow": "placed",
        "activity_model": "unit delay",
        "operands": "uniform",
        "mode": 0,
        "run_terms": 0,
        "perturbation": 0,
        "platform": {"name": "kit"},
        "tools": {"sta": "2.0"},
        "status": "ok",
        "reason": "",
        "choices": {"multiplier": "booth", "effort": "small"},
        "metrics": dict.fromkeys(METRICS, 1.0),
        "seconds": {"rtl": 0.1},
        **changes,
    }
    return Measurement(**values)  # type: ignore[arg-type]  # built from named parts


def put(store: Store, entry: Measurement) -> None:
    folder = store.work_folder()
    (folder / "netlist.v").write_text("module m; endmodule\n")
    store.put(entry, folder)


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(KEY) is None
    put(store, measurement())
    assert store.get(KEY) == measurement()
    assert not list((tmp_path / "work").iterdir())


def test_a_failure_stands_apart_until_the_point_is_measured(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failure = measurement(status="failed", reason="no licence", metrics={})
    put(store, failure)
    assert store.get(KEY) is None
    assert store.failed(KEY) == failure
    put(store, measurement())
    assert store.get(KEY) == measurement()
    assert store.failed(KEY) is None


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("damage", ["cut", "flipped", "dated back", "empty", "no archive"])
def test_any_change_to_an_entry_is_noticed(tmp_path: Path, damage: str, known: bool) -> None:
    """Also of one whose record the index has."""
    store = Store(tmp_path)
    put(store, measurement())
    if known:
        time.sleep(0.2)
        assert store.get(KEY) == measurement()
    path = store.path(KEY)
    before, data = path.stat(), path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(data[:-30])
        case "flipped" | "dated back":
            middle = data.index(b"netlist.v") + 12
            path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        case "empty":
            path.write_bytes(b"")
        case "no archive":
            path.write_text("measured")
    if damage == "dated back":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.get(KEY) is None
    put(store, measurement())
    assert store.get(KEY) == measurement()


def test_an_entry_under_another_key_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, measurement())
    other = "cd" * 32
    (tmp_path / other[:2]).mkdir()
    store.path(KEY).rename(store.path(other))
    assert store.get(other) is None


def test_work_of_processes_that_are_gone_is_removed_and_of_others_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    mine = store.work_folder()
    _, _, rest = mine.name.partition("-")
    gone = tmp_path / "work" / f"4194305-{rest}"  # above the largest process number of Linux
    elsewhere = tmp_path / "work" / "4194305-01234567-abcdefgh"  # another host counts otherwise
    forgotten = tmp_path / "work" / "4194305-01234567-abcdefgi"
    others = [tmp_path / "work" / name for name in ("2024-my-thesis", "notes", "1-2-3")]
    for folder in (gone, elsewhere, forgotten, *others):
        folder.mkdir()
    os.utime(forgotten, (0, time.time() - 3 * 24 * 3600))
    store.clean_work()
    assert {path.name for path in mine.parent.iterdir()} == {
        mine.name, elsewhere.name, *(path.name for path in others)
    }  # fmt: skip


def test_what_a_store_did_not_make_is_no_entry_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, measurement())
    for name in ("ad/paper.zip", f"ad/{'ad' * 32}.txt", "failed/exam.zip", "failed/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    assert [entry.path for entry in store.entries()] == [store.path(KEY)]


def test_a_folder_with_other_things_is_not_made_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    store = Store(tmp_path)
    assert not store.exists
    with pytest.raises(InputError) as error:
        store.require_writable()
    assert str(error.value) == (
        f"{tmp_path}: is no store, there is thesis.tex in it; name a new folder"
    )
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / "lost+found").mkdir()
    store.require_writable()
    store.require_writable()
    assert store.exists


def test_a_remembered_digest_is_the_one_that_was_kept_for_this_design(tmp_path: Path) -> None:
    """Not one of another row, nor with another digit: it would file a point under a wrong key."""
    store = Store(tmp_path)
    store.remember_rtl("first", "0" * 64)
    assert not list(tmp_path.iterdir()), "who only asks leaves nothing in a folder that is no store"
    store.require_writable()
    for memo, digit in (("first", "0"), ("second", "1")):
        store.remember_rtl(memo, digit * 64)
    assert store.remembered_rtl("first") == "0" * 64
    with sqlite3.connect(tmp_path / "index.sqlite") as database:
        (other,) = database.execute("select digest from rtl where memo = 'second'").fetchone()
        database.execute("update rtl set digest = ? where memo = 'first'", (other,))
        database.execute("update rtl set digest = '2' || substr(digest, 2) where memo = 'second'")
    assert store.remembered_rtl("first") is None
    assert store.remembered_rtl("second") is None


@pytest.mark.parametrize("index", [b"", b"no database" * 1000, b"SQLite format 3\0" + b"x" * 5000])
def test_a_store_does_not_need_its_index(tmp_path: Path, index: bytes) -> None:
    put(Store(tmp_path), measurement())
    (tmp_path / "index.sqlite").write_bytes(index)
    store = Store(tmp_path)
    assert store.get(KEY) == measurement()
    store.remember_rtl("memo", "0" * 64)
    store.remember_rtl("memo", "0" * 64)
    assert store.remembered_rtl("memo") == "0" * 64


def test_what_the_index_has_is_verified_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, measurement())
    time.sleep(0.2)
    assert store.get(KEY) == measurement()
    database = sqlite3.connect(tmp_path / "index.sqlite")
    with database:
        database.execute("update records set record = replace(record, '2000', '2001')")
    assert "2001" in database.execute("select record from records").fetchone()[0]
    assert Store(tmp_path).get(KEY) == measurement()


def test_one_process_at_a_time_measures_a_key(tmp_path: Path) -> None:
    """A claim ends with its process, however that ends."""
    store = Store(tmp_path)
    script = (
        "import sys, time; from pathlib import Path; from characterize.store import Store; "
        "claim = Store(Path(sys.argv[1])).claim('k'); print(claim is not None, flush=True); "
        "time.sleep(600)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    assert store.claim("k") is None
    mine = store.claim("l")
    assert mine is not None
    mine.release()
    other.kill()
    other.wait()
    again = store.claim("k")
    assert again is not None
    again.release()
    assert not list((tmp_path / "claims").iterdir())


def test_files_of_an_entry_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    put(store, measurement())
    store.unpack(KEY, tmp_path / "files")
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["netlist.v"]
    assert (tmp_path / "files" / "netlist.v").read_text() == "module m; endmodule\n"
    with pytest.raises(InputError) as error:
        store.files("cd" * 32)
    assert str(error.value) == f"{store.path('cd' * 32)}: No such file or directory"


def test_a_store_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        Store(tmp_path / "file").require_writable()
    assert str(error.value) == (
        f"{tmp_path / 'file'}: cannot be written: a file is where a folder is needed"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {}}, "metric area_um2 must be a finite number, not None"),
        (
            {"metrics": {**dict.fromkeys(METRICS, 1.0), "cells": float("nan")}},
            "metric cells must be a finite number, not nan",
        ),
        ({"metrics": {**dict.fromkeys(METRICS, 1.0), "x": 1.0}}, "unknown metric x"),
        ({"status": "failed", "metrics": {}},
         "a failed measurement must have a reason and no metrics"),
        ({"status": "failed", "reason": "x"},
         "a failed measurement must have a reason and no metrics"),
        ({"reason": "x"}, "status must be ok or failed, not 'ok'"),
    ],
)  # fmt: skip
def test_a_measurement_cannot_be_half_true(changes: dict[str, object], message: str) -> None:
    with pytest.raises(StepError) as error:
        measurement(**changes)
    assert str(error.value) == message


def test_a_tool_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    script = tmp_path / "hang"
    script.write_text("#!/bin/sh\nsleep 60 & echo $! > child; wait\n")
    script.chmod(0o755)
    with pytest.raises(StepError) as error:
        run_tool([str(script)], folder=tmp_path, log="log", timeout_s=1)
    assert str(error.value) == "hang was stopped after 1 s"
    child = (tmp_path / "child").read_text().strip()
    state = Path("/proc", child, "stat")
    for _ in range(100):  # a killed process may take a while to be gone
        try:
            if state.read_text().split()[2] == "Z":
                return
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail(f"the child {child} is still there")


def test_a_tool_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepError) as error:
        run_tool([str(tmp_path / "none")], folder=tmp_path, log="log", timeout_s=1)
    assert str(error.value) == "none cannot be started: No such file or directory"


def test_last_words_prefer_the_error() -> None:
    assert last_words("ok\nERROR: bad cell\nbye\n\n") == "ERROR: bad cell"
    assert last_words("ok\nbye\n\n") == "bye"
    assert last_words("\n") == "no output"
