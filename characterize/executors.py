"""What measures the points of a campaign: one interface, and processes of this machine.

``characterize.dask_executor`` is the other one. An executor takes points from a queue when it has
room, and gives back what came of them in any order. It keeps nothing: a point is measured as often
as it is asked for.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import shutil
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from characterize.flow import Identity
from characterize.limits import Limits, kill_tree
from characterize.store import Store
from characterize.work import ARCHIVE, Bench, measure_point

#: Between looks at what the points under way take, and at a queue that had none to give, s.
WATCH_S = 1.0


class Queue(Protocol):
    """Where points come from."""

    @property
    def exhausted(self) -> bool:
        """No point will come any more."""

    def take(self) -> Identity | None:
        """A point to measure; None if there is none now."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a point.

    Attributes:
        folder: has ``work.ARCHIVE`` and, if wanted, ``work.ACTIONS``; None if it was not measured.
            Whoever takes the result removes it.
        reason: why it was not measured, else "".
        lost: what measured it has gone, for no fault of the point that is known: try again.
    """

    identity: Identity
    folder: Path | None = None
    reason: str = ""
    lost: bool = False


class Executor(Protocol):
    """Measures points."""

    def run(self, queue: Queue, bench: Bench, store: Store) -> Generator[Result]:
        """Measure all points of a queue; when it is closed, what is under way is given up.

        Args:
            store: in whose work folders results are left.
        """


@dataclass(frozen=True)
class _Running:
    """A point under way, in a process of its own since ``began``."""

    process: multiprocessing.context.ForkProcess
    identity: Identity
    folder: Path
    began: float


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """Processes of this machine, one for each point.

    Attributes:
        jobs: how many at once.
        limits: of each point.
    """

    jobs: int = 1
    limits: Limits = field(default_factory=Limits)

    def run(self, queue: Queue, bench: Bench, store: Store) -> Generator[Result]:
        """As ``Executor``; when the iterator is closed, all processes are killed."""
        running: dict[Any, _Running] = {}
        try:
            while True:
                while len(running) < self.jobs and (identity := queue.take()):
                    one = _start(identity, bench, store.work_folder())
                    running[one.process.sentinel] = one
                if not running:
                    if queue.exhausted:
                        return
                    time.sleep(WATCH_S)  # others are measuring what is left
                    continue
                ended = multiprocessing.connection.wait(list(running), timeout=WATCH_S)
                for sentinel, one in list(running.items()):
                    reason = "" if sentinel in ended else self._exceeded(one)
                    if sentinel in ended or reason:
                        del running[sentinel]
                        yield _result(one, reason)
        finally:
            for one in running.values():
                kill_tree(one.process.pid or 0)
                one.process.join()
                shutil.rmtree(one.folder, ignore_errors=True)

    def _exceeded(self, one: _Running) -> str:
        """Why it was killed, or "" if it goes on."""
        reason = self.limits.exceeded(one.process.pid or 0, one.began)
        if reason:
            kill_tree(one.process.pid or 0)
        return reason


def _start(identity: Identity, bench: Bench, folder: Path) -> _Running:
    context = multiprocessing.get_context("fork")  # what was imported and read, it has
    process = context.Process(target=measure_point, args=(identity, bench, folder))
    process.start()
    return _Running(process, identity, folder, time.monotonic())


def _result(one: _Running, reason: str) -> Result:
    """What the process of a point left.

    Args:
        reason: for which it was killed, or "".
    """
    one.process.join()
    code = one.process.exitcode
    if code == 0 and not reason and (one.folder / ARCHIVE).is_file():
        return Result(identity=one.identity, folder=one.folder)
    shutil.rmtree(one.folder, ignore_errors=True)
    lost = not reason
    if not reason:
        ended = f"was killed by signal {-code}" if code and code < 0 else f"exited with {code}"
        reason = f"the process of this point {ended}"
    return Result(identity=one.identity, reason=reason, lost=lost)
