"""What a point may take: time and memory; what takes more is killed with all that it started."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import psutil

from rtl_gen.errors import InputError

_GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of each point.

    Attributes:
        minutes: from its start; None for as long as it takes (each step has a limit of its own).
        memory_gb: of its process and all that it started, together, without what they share with
            others; None for as much as there is.

    Raises:
        InputError: if one is not above zero.
    """

    minutes: float | None = None
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("time limit", self.minutes), ("memory limit", self.memory_gb)):
            if value is not None and not value > 0:
                raise InputError(f"the {name} must be above 0, not {value:g}")

    def exceeded(self, pid: int, began: float) -> str:
        """Why this process must end, or "".

        Args:
            began: when it did, as of ``time.monotonic``.
        """
        if self.minutes is not None and time.monotonic() - began > 60 * self.minutes:
            return f"took more than {self.minutes:g} min, the limit"
        if self.memory_gb is not None and _memory_gb(pid) > self.memory_gb:
            return f"used more than {self.memory_gb:g} GB of memory, the limit"
        return ""


def kill_tree(pid: int) -> None:
    """Kill a process and all that it started."""
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            process.kill()


def _memory_gb(pid: int) -> float:
    total = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += process.memory_full_info().uss
    return total / _GB


def _tree(pid: int) -> list[psutil.Process]:
    """The process, which is asked first, and its children."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
