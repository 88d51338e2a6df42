"""Runs tools: in their own process group, with a time limit, dying with their parent."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class StepError(Exception):
    """A step of the flow failed; the message is the reason that the failed row carries."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however it ends (Linux)."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return  # not Linux: an orphan finishes its step and ends


def run_tool(
    command: Sequence[str],
    *,
    folder: Path,
    log: str,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a tool to its end and return what it printed, which is also left in ``folder/log``.

    Raises:
        StepError: if it cannot be started, takes too long, or exits with anything but 0; the
            message has the tool's name and its last words.
    """
    name = Path(command[0]).name
    # The very file whose identity is recorded: left to itself, exec would pass over one that
    # cannot be run and take another further down PATH.
    program = shutil.which(command[0])
    if program is None:
        raise StepError(f"{name} cannot be started: No such file or directory")
    path = folder / log
    with path.open("wb") as out:
        try:
            process = subprocess.Popen(
                [program, *command[1:]],
                cwd=folder,
                env=None if environment is None else {**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - a point has one thread
            )
        except OSError as error:
            raise StepError(f"{name} cannot be started: {error.strerror}") from None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise StepError(f"{name} was stopped after {timeout_s:.0f} s") from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    text = path.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        ending = f"exited with {code}" if code > 0 else f"was killed by signal {-code}"
        raise StepError(f"{name} {ending}: {last_words(text)}")
    return text


def last_words(text: str) -> str:
    """The last line that has anything on it, preferring one that mentions an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no output"])[-1][:300]
