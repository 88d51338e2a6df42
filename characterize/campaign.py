"""Measures many points: in parallel processes, from the store where it has them, resumable."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import shutil
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import rtl_gen
from characterize import actions, power_library
from characterize.flow import Built, Identity, content_key, counts_once, measure, record, tidy
from characterize.implementation import StepTimer
from characterize.limits import Limits, kill_tree
from characterize.measurement import Measurement, Point
from characterize.openroad_tool import probe
from characterize.platform import Platform
from characterize.process import die_with_parent
from characterize.store import Store
from characterize.toolchain import Tool, require_tools
from rtl_gen.atomic import write_bytes
from rtl_gen.export import rtlil_choices
from rtl_gen.source import code_digest

Outcome = Literal["done", "failed", "cached"]

#: Between looks at what the points under way take, s.
_WATCH_S = 1.0


@dataclass
class Progress:
    """How far a campaign is.

    Attributes:
        total: points in all.
        done, failed, cached: points that were measured, failed, or came from the store.
    """

    total: int
    done: int = 0
    failed: int = 0
    cached: int = 0

    @property
    def left(self) -> int:
        """Points to come."""
        return self.total - self.done - self.failed - self.cached

    def count(self, outcome: Outcome) -> None:
        """Count one point."""
        setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass(frozen=True)
class _Running:
    """A point that is under way, in a process of its own since ``began``."""

    process: multiprocessing.context.ForkProcess
    identity: Identity
    began: float


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Points to measure on a platform.

    Attributes:
        points: distinct points.
        platform: the kit.
        store: where measurements are kept.
        jobs: processes at once.
        limits: of each point; one that exceeds them has failed.
        with_actions: each point's energies per action are measured, too.
        tools: every one that the flows of the points use.
    """

    points: Sequence[Point]
    platform: Platform
    store: Store
    jobs: int
    limits: Limits = field(default_factory=Limits)
    with_actions: bool = False
    tools: Mapping[str, Tool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.tools:
            object.__setattr__(self, "tools", tools_for(self.points))

    def run(
        self, report: Callable[[Progress, Point, Measurement, Outcome], None]
    ) -> list[Measurement]:
        """Measure what the store does not have.

        Args:
            report: called after every point.

        Returns:
            A measurement for each point, in their order; failed ones included.
        """
        self.store.clean_work()
        progress = Progress(total=len(self.points))
        identities = [self.identity(point) for point in self.points]
        results: dict[str, Measurement] = {}
        waiting: list[Identity] = []
        for one in identities:
            measurement = self._stored(one.key)
            if measurement is None:
                waiting.append(one)
                continue
            results[one.key] = measurement
            progress.count("cached")
            report(progress, one.point, measurement, "cached")
        if waiting:
            # Read once here: the processes that are forked from this one have it.
            self.platform.cells()
            self.platform.macros()
            libraries = {one.point.flow: self.power_library(one.point) for one in waiting}
            for point, measurement in self._measure_all(waiting, libraries):
                results[measurement.key] = measurement
                outcome: Outcome = "done" if measurement.status == "ok" else "failed"
                progress.count(outcome)
                report(progress, point, measurement, outcome)
        return [results[one.key] for one in identities]

    def _stored(self, key: str) -> Measurement | None:
        """What the store has of a point, if that is all that is wanted."""
        if self.with_actions and self.store.actions(actions.table_key(key)) is None:
            return None
        return self.store.get(key)

    def power_library(self, point: Point) -> Path:
        """The Liberty file that power is taken with in the flow of a point."""
        later = counts_once(point, self.tools)
        return prepare_power_library(self.store, self.platform, later=later)

    def identity(self, point: Point) -> Identity:
        """The content address of a point, and what it is made of."""
        memo = self._memo(point)
        digest = self.store.remembered_rtl(memo)
        if digest is None:
            text = json.dumps(rtlil_choices(point.design))
            digest = hashlib.sha256(text.encode()).hexdigest()
            self.store.remember_rtl(memo, digest)
        key = content_key(point, digest, self.platform, self.tools)
        return Identity(point=point, key=key, rtl=digest)

    def is_stored(self, point: Point) -> bool:
        """Whether the store has an entry of a point; makes no RTL, and does not verify it."""
        digest = self.store.remembered_rtl(self._memo(point))
        if digest is None:
            return False
        return self.store.has(content_key(point, digest, self.platform, self.tools))

    def _memo(self, point: Point) -> str:
        """What the digest of a point's RTL is remembered by."""
        made_by = f"{point.design.digest} {_generator_digest()} {self.tools['amaranth'].version}"
        return hashlib.sha256(made_by.encode()).hexdigest()

    def _measure_all(
        self, waiting: list[Identity], libraries: Mapping[str, Path]
    ) -> Iterator[tuple[Point, Measurement]]:
        """Run at most ``jobs`` processes, one for each point; yields points as they end."""
        context = multiprocessing.get_context("fork")
        running: dict[Any, _Running] = {}
        queue = list(reversed(waiting))
        try:
            while queue or running:
                while queue and len(running) < self.jobs:
                    one = queue.pop()
                    process = context.Process(
                        target=_work,
                        args=(
                            one, self.platform, self.tools, libraries[one.point.flow], self.store,
                            self.with_actions,
                        ),
                    )  # fmt: skip
                    process.start()
                    running[process.sentinel] = _Running(process, one, time.monotonic())
                ended = multiprocessing.connection.wait(list(running), timeout=_WATCH_S)
                for sentinel, run in list(running.items()):
                    reason = ""
                    if sentinel not in ended:
                        reason = self.limits.exceeded(run.process.pid or 0, run.began)
                        if not reason:
                            continue
                        kill_tree(run.process.pid or 0)
                    del running[sentinel]
                    run.process.join()
                    yield (
                        run.identity.point,
                        self._outcome(run.identity, run.process.exitcode, reason),
                    )
        finally:
            for run in running.values():
                kill_tree(run.process.pid or 0)
                run.process.join()
            self.store.clean_work()

    def _outcome(self, identity: Identity, code: int | None, reason: str) -> Measurement:
        """What the process of a point left in the store; a failure if it left nothing.

        Args:
            code: that it exited with.
            reason: for which it was killed, or "".
        """
        key = identity.key
        if code == 0 and (found := self.store.get(key) or self.store.failed(key)):
            return found
        if not reason:
            ended = f"was killed by signal {-code}" if code and code < 0 else f"exited with {code}"
            reason = f"the process of this point {ended}"
        failure = record(
            identity, self.platform, self.tools,
            reason=reason, metrics={}, seconds={}, choices={},
        )  # fmt: skip
        self.store.put(failure, self.store.work_folder())
        return failure


@functools.cache
def _generator_digest() -> str:
    """Digest of the code that makes RTL."""
    here = Path(rtl_gen.__file__ or "").parent
    return code_digest(*sorted(here.glob("*.py")))


def tools_for(points: Collection[Point]) -> dict[str, Tool]:
    """Every tool that the flows of these points use, by name.

    Raises:
        InputError: naming the first missing one and how to get it.
    """
    tools = require_tools()
    if any(point.by_openroad for point in points):
        tools["openroad"] = probe().tool
    return tools


def prepare_power_library(store: Store, platform: Platform, *, later: bool) -> Path:
    """The Liberty file that power is taken with, made once.

    Args:
        later: for versions of OpenSTA after 2.0.
    """
    code = code_digest(Path(power_library.__file__))
    path = store.root / "libraries" / f"{platform.hashes['liberty'][:16]}-{code[:16]}-{later:d}.lib"
    checksum = path.with_suffix(".sha256")
    try:
        if checksum.read_text(encoding="ascii") == hashlib.sha256(path.read_bytes()).hexdigest():
            return path.resolve()
    except (OSError, UnicodeDecodeError):
        pass  # not there yet, or damaged: made anew
    folder = store.work_folder()
    write = power_library.write_later_library if later else power_library.write_power_library
    write(platform.liberty, folder / "power.lib")
    data = (folder / "power.lib").read_bytes()
    shutil.rmtree(folder)
    write_bytes(path, data)
    write_bytes(checksum, hashlib.sha256(data).hexdigest().encode())
    return path.resolve()


def _work(
    identity: Identity,
    platform: Platform,
    tools: Mapping[str, Tool],
    library: Path,
    store: Store,
    with_actions: bool,
) -> None:
    """The process of one point: measures it and puts the result into the store."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children itself
    folder = store.work_folder()
    log = os.open(folder / "flow.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)  # the placer prints
    os.dup2(log, 2)

    def take_actions(built: Built) -> None:
        key = actions.table_key(identity.key)
        if store.actions(key) is None:
            table = actions.measure_actions(built, identity.point, StepTimer(), lambda _: None)
            store.put_actions(key, table)

    measurement = measure(
        identity, platform, tools, library, folder, take_actions if with_actions else None
    )
    tidy(folder)
    store.put(measurement, folder)
