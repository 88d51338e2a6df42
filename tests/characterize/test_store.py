"""The store takes whole entries only and gives back only what it took."""

from __future__ import annotations

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
        "design": PEDesign.preset("INT4").to_dict(),
        "period_ps": 2000,
        "utilization": 0.5,
        "seed": 1,
        "flow": "placed",
        "activity_model": "unit delay",
        "operands": "uniform",
        "mode": 0,
        "run_terms": 0,
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


@pytest.mark.parametrize("damage", ["measurement.json", "netlist.v", "new", "gone"])
def test_any_change_to_an_entry_is_noticed(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    put(store, measurement())
    folder = tmp_path / KEY[:2] / KEY
    if damage == "gone":
        (folder / "netlist.v").unlink()
    elif damage == "new":
        (folder / "extra").write_text("")
    else:
        text = (folder / damage).read_text()
        (folder / damage).write_text(text[:-9] + "X" + text[-8:])
    assert store.get(KEY) is None
    put(store, measurement())
    assert store.get(KEY) == measurement()


def test_an_entry_under_another_key_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, measurement())
    other = "cd" * 32
    (tmp_path / other[:2]).mkdir()
    (tmp_path / KEY[:2] / KEY).rename(tmp_path / other[:2] / other)
    assert store.get(other) is None


def test_work_of_processes_that_are_gone_is_removed_and_of_others_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    mine = store.work_folder()
    gone = tmp_path / "work" / "4194305-x"  # above the largest process number of Linux
    gone.mkdir()
    store.clean_work()
    assert mine.exists()
    assert not gone.exists()


def test_a_remembered_digest_must_look_like_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.remember_rtl("memo", "0" * 64)
    assert store.remembered_rtl("memo") == "0" * 64
    (tmp_path / "rtl" / "memo").write_text("0" * 63)
    assert store.remembered_rtl("memo") is None


def test_a_store_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        Store(tmp_path / "file")
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
