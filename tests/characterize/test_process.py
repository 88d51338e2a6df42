"""A file that is read while a tool writes it: whatever the tool does, it ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from characterize.process import StepError, run_streaming


def stream(folder: Path, script: str, timeout_s: float = 20) -> tuple[str, bytes]:
    """What a shell script prints, and what it writes to ``dump``."""
    pieces: list[bytes] = []
    printed = run_streaming(
        ["sh", "-c", script], folder=folder, log="log", pipe="dump",
        consume=pieces.append, timeout_s=timeout_s,
    )  # fmt: skip
    return printed, b"".join(pieces)


def test_everything_that_is_written_arrives(tmp_path: Path) -> None:
    script = "echo begins; head -c 5000000 /dev/zero > dump; sleep 0.1; echo ends >> dump"
    printed, data = stream(tmp_path, script)
    assert printed == "begins\n"
    assert data == bytes(5_000_000) + b"ends\n"
    assert not (tmp_path / "dump").exists()


def test_a_tool_that_writes_nothing_ends(tmp_path: Path) -> None:
    assert stream(tmp_path, "echo done") == ("done\n", b"")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo some > dump; echo no such net; exit 3", "sh exited with 3: no such net"),
        ("exit 2", "sh exited with 2: no output"),
        ("exec 3> dump; echo half >&3; kill -9 $$", "sh was killed by signal 9: no output"),
    ],
)
def test_a_tool_that_dies_half_way_is_a_failed_step(
    tmp_path: Path, script: str, reason: str
) -> None:
    with pytest.raises(StepError) as error:
        stream(tmp_path, script)
    assert str(error.value) == reason


@pytest.mark.parametrize("script", ["sleep 60", "exec 3> dump; echo some >&3; sleep 60"])
def test_a_tool_that_hangs_is_stopped(tmp_path: Path, script: str) -> None:
    begin = time.monotonic()
    with pytest.raises(StepError) as error:
        stream(tmp_path, script, timeout_s=0.5)
    assert str(error.value) == "sh was stopped after 0 s"
    assert time.monotonic() - begin < 10


def test_what_the_reader_raises_ends_the_tool(tmp_path: Path) -> None:
    def refuse(_: bytes) -> None:
        raise StepError("not a dump")

    begin = time.monotonic()
    with pytest.raises(StepError) as error:
        run_streaming(
            ["sh", "-c", "yes > dump"], folder=tmp_path, log="log", pipe="dump", consume=refuse,
            timeout_s=60,
        )  # fmt: skip
    assert str(error.value) == "not a dump"
    assert time.monotonic() - begin < 10
