"""Tools that are there and do not answer: killed with all they started, and said to be missing."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from characterize import toolchain
from characterize.doctor import examine
from characterize.process import StepError, run_tool
from rtl_gen.errors import InputError
from tests.programs import put_program


@pytest.fixture
def stuck_sta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ``sta`` that never ends, with a child that does not either."""
    monkeypatch.setattr(toolchain, "ANSWER_S", 0.5)
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait\n"
    return put_program(tmp_path, monkeypatch, "sta", script)


def test_a_tool_that_hangs_is_killed_with_its_children(stuck_sta: Path) -> None:
    with pytest.raises(InputError) as error:
        toolchain.require_programs("sta")
    assert str(error.value) == (
        f"sta cannot be used: {stuck_sta} does not answer -version: sta was stopped after 0 s; "
        "on Debian: apt-get install opensta"
    )
    child = int((stuck_sta.parent / "child").read_text())
    deadline = time.monotonic() + 10
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_doctor_says_that_a_tool_which_hangs_is_missing(stuck_sta: Path) -> None:
    report = examine("freepdk45")
    (sta,) = (tool for tool in report["tools"] if tool["name"] == "sta")
    assert report["ok"] is False
    assert sta["path"] == ""
    assert sta["remedy"] == (
        f"{stuck_sta} does not answer -version: sta was stopped after 0 s; "
        "on Debian: apt-get install opensta"
    )


def test_an_optional_tool_that_fails_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put_program(tmp_path, monkeypatch, "openroad", "echo no display; exit 1\n")
    (openroad,) = (tool for tool in examine("freepdk45")["tools"] if tool["name"] == "openroad")
    assert (openroad["optional"], openroad["path"]) == (True, "")
    assert openroad["remedy"] == (
        f"{path} does not answer -version: openroad exited with 1: no display; "
        "for flow openroad: put one (https://openroad.readthedocs.io) on PATH"
    )


def test_a_program_that_cannot_be_run_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(tmp_path, monkeypatch, "sleep", "").write_bytes(b"\x7fELFgarbage")
    with pytest.raises(StepError) as error:
        run_tool(["sleep", "0"], folder=tmp_path, log="log", timeout_s=10)
    assert str(error.value) == "sleep cannot be started: Exec format error"
