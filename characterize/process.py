"""Runs tools: in their own process group, with a time limit, dying with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

#: No tool of a flow may take longer.
STEP_TIMEOUT_S = 900.0

_PR_SET_PDEATHSIG = 1
#: Much of a pipe is read at once: while it is looked at, the tool fills it again.
_PIPE_BYTES = 1 << 20
_POLL_S = 0.005


class StepError(Exception):
    """A step of the flow failed; the message is the reason that the failed row carries."""


class UnknownBitsError(StepError):
    """A simulation that began from X gave sums with unknown bits."""


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
    with _running(command, folder, log, environment) as process:
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise _stopped(command, timeout_s) from None
    return _printed(command, folder / log, process.returncode)


def run_streaming(
    command: Sequence[str],
    *,
    folder: Path,
    log: str,
    pipe: str,
    consume: Callable[[bytes], None],
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> str:
    """``run_tool`` for a tool that writes a file too large to keep: it is read meanwhile.

    The tool and ``consume`` work at the same time, a pipe apart.

    Args:
        pipe: name of that file in ``folder``; a pipe is made in its place, and removed.
        consume: called with each piece of it, in this thread.

    Raises:
        StepError: as ``run_tool``; what ``consume`` raises ends the tool.
    """
    path = folder / pipe
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    # Does not wait for a tool that may never open it, nor for data that may never come.
    source = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with contextlib.suppress(OSError, AttributeError):  # a small one is only slower
            fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        with _running(command, folder, log, environment) as process:
            deadline = time.monotonic() + timeout_s
            pieces: list[bytes] = []
            while True:
                ended = process.poll() is not None
                data = _read_some(source)
                pieces.append(data)
                done = ended and not data
                if done or sum(map(len, pieces)) >= _PIPE_BYTES:
                    consume(b"".join(pieces))
                    pieces.clear()
                if done:
                    break
                if time.monotonic() > deadline:
                    raise _stopped(command, timeout_s)
    finally:
        os.close(source)
        path.unlink(missing_ok=True)
    return _printed(command, folder / log, process.returncode)


def _read_some(source: int) -> bytes:
    """What is in the pipe after a short while: a writer's lines come one by one."""
    time.sleep(_POLL_S)
    try:
        return os.read(source, _PIPE_BYTES)
    except BlockingIOError:
        return b""


@contextlib.contextmanager
def _running(
    command: Sequence[str], folder: Path, log: str, environment: Mapping[str, str] | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A tool that is under way; killed, with its children, if it has not ended when left."""
    name = Path(command[0]).name
    # The very file whose identity is recorded: left to itself, exec would pass over one that
    # cannot be run and take another further down PATH.
    program = shutil.which(command[0])
    if program is None:
        raise StepError(f"{name} cannot be started: No such file or directory")
    with (folder / log).open("wb") as out:
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
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _stopped(command: Sequence[str], timeout_s: float) -> StepError:
    return StepError(f"{Path(command[0]).name} was stopped after {timeout_s:.0f} s")


def _printed(command: Sequence[str], log: Path, code: int) -> str:
    """The log of a tool that ended.

    Raises:
        StepError: if it ended with anything but 0.
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        ending = f"exited with {code}" if code > 0 else f"was killed by signal {-code}"
        raise StepError(f"{Path(command[0]).name} {ending}: {last_words(text)}")
    return text


def last_words(text: str) -> str:
    """The last line that has anything on it, preferring one that mentions an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no output"])[-1][:300]
