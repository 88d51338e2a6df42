"""Measures many points: by an executor, from the store where it has them, resumable."""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import rtl_gen
from characterize.action_files import load_table
from characterize.activity import prepare_counting
from characterize.executors import Executor, LocalExecutor, Result
from characterize.flow import Identity, content_key, record
from characterize.known import Known
from characterize.measurement import Measurement, Point
from characterize.openroad_tool import probe
from characterize.platform import Platform
from characterize.process import StepError
from characterize.store import Claim, Store, unpack_record
from characterize.toolchain import Tool, require_tools
from characterize.work import ACTIONS, ARCHIVE, Bench
from rtl_gen.errors import InputError
from rtl_gen.export import rtlil_choices
from rtl_gen.source import code_digest, with_imports

Outcome = Literal["done", "failed", "cached"]

#: How often a point is measured whose process vanished, before that is its failure.
ATTEMPTS = 3
#: Less than this left on the disk of the store, and no more points are begun, bytes.
_LEAST_FREE = 200e6
#: Between looks at a point that another campaign is measuring, s.
_LOOK_AGAIN_S = 5.0


@dataclass
class Progress:
    """How far a campaign is.

    Attributes:
        total: points in all.
        done, failed, cached: points that were measured, failed, or came from the store, where
            another campaign may have put them meanwhile.
        reasons: of the failures, how often each.
        began: when the first point was begun, as of ``time.monotonic``.
    """

    total: int
    done: int = 0
    failed: int = 0
    cached: int = 0
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        """Points to come."""
        return self.total - self.done - self.failed - self.cached

    @property
    def seconds_a_point(self) -> float | None:
        """Between two points that were measured here; None before the first."""
        measured = self.done + self.failed
        return (time.monotonic() - self.began) / measured if measured else None

    def count(self, outcome: Outcome, reason: str) -> None:
        """Count one point."""
        setattr(self, outcome, getattr(self, outcome) + 1)
        if reason:
            self.reasons[reason] += 1


Report = Callable[[Progress, Point, Measurement, Outcome], None]


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Points to measure on a platform.

    Attributes:
        points: distinct points.
        platform: the kit.
        store: where measurements are kept.
        executor: what measures; without one, a process of this machine at a time.
        with_actions: each point's energies per action are measured, too.
        measured: points of a dataset, not measured again.
        tools: every one that the flows of the points use.
    """

    points: Sequence[Point]
    platform: Platform
    store: Store
    executor: Executor = field(default_factory=LocalExecutor)
    with_actions: bool = False
    measured: Known = field(default_factory=Known)
    tools: Mapping[str, Tool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.tools:
            object.__setattr__(self, "tools", tools_for(self.points))

    @property
    def bench(self) -> Bench:
        """What all points are measured with."""
        return Bench(
            platform=self.platform, tools=self.tools, libraries=self.store.root / "libraries",
            with_actions=self.with_actions,
        )  # fmt: skip

    def run(self, report: Report) -> list[Measurement]:
        """Measure what the store does not have.

        Args:
            report: called after every point.

        Returns:
            A measurement for each point, in their order; failed ones included.

        Raises:
            InputError: if the store cannot be written.
        """
        self.store.require_writable()
        self.store.clean_work()
        queue = _Queue(self, report)
        if not queue.exhausted:
            _require_space(self.store.root)
            # Read and compiled once here: the processes that are forked from this one have it.
            prepare_counting()
            self.platform.cells()
            self.platform.macros()
            for point in {point.flow: point for point in self.points}.values():
                self.bench.power_library(point)
            results = self.executor.run(queue, self.bench, self.store)
            with contextlib.closing(queue), contextlib.closing(results):
                for result in results:
                    queue.took(result)
        return [queue.measured[number] for number in range(len(self.points))]

    def stored(self, key: str) -> Measurement | None:
        """What the store, or a dataset, has of a point, if that is all that is wanted."""
        if self.with_actions and self.store.actions(key) is None:
            return self.measured.measurements.get(key)
        return self.store.get(key) or self.measured.measurements.get(key)

    def identity(self, point: Point) -> Identity:
        """The content address of a point, and what it is made of."""
        known = self.known(point)
        if known is not None:
            return known
        digest = rtl_digest(point)
        self.store.remember_rtl(self._memo(point), digest)
        return self._identity(point, digest)

    def known(self, point: Point) -> Identity | None:
        """The same, if it can be told without making the RTL."""
        digest = self.store.remembered_rtl(self._memo(point)) or self.measured.rtl_of(
            point.design.digest, generator_digest(), self.tools["amaranth"].identity
        )
        return None if digest is None else self._identity(point, digest)

    def is_stored(self, point: Point) -> bool:
        """Whether the store has an entry of a point, unverified, or a dataset has it.

        RTL is made only for designs that the dataset has from another generator.
        """
        there = point.design.digest in self._measured_designs
        known = self.identity(point) if there else self.known(point)
        if known is None:
            return False
        if known.key in self.measured.measurements:
            return True
        if not self.store.has(known.key):
            return False
        return not self.with_actions or self.store.actions_path(known.key).is_file()

    @functools.cached_property
    def _measured_designs(self) -> set[str]:
        return {found.design["digest"] for found in self.measured.measurements.values()}

    def _identity(self, point: Point, rtl: str) -> Identity:
        key = content_key(point, rtl, self.platform, self.tools)
        return Identity(point=point, key=key, rtl=rtl)

    def _memo(self, point: Point) -> str:
        """What the digest of a point's RTL is remembered by."""
        made_by = f"{point.design.digest} {generator_digest()} {self.tools['amaranth'].version}"
        return hashlib.sha256(made_by.encode()).hexdigest()

    def keep(self, result: Result) -> Measurement:
        """Put what came of a point into the store: this process alone writes to it.

        Raises:
            InputError: if the store cannot be written.
        """
        identity, reason = result.identity, result.reason
        if result.folder is not None:
            try:
                return self._kept(identity.key, result.folder)
            except StepError as error:
                reason = f"what the process of this point left is damaged: {error}"
            finally:
                shutil.rmtree(result.folder, ignore_errors=True)
        failure = record(
            identity, self.platform, self.tools,
            reason=reason, metrics={}, seconds={}, choices={},
        )  # fmt: skip
        self.store.put(failure, self.store.work_folder())
        return failure

    def _kept(self, key: str, folder: Path) -> Measurement:
        """Move what a point left into the store."""
        measurement = unpack_record(folder / ARCHIVE, key)
        if (path := folder / ACTIONS).is_file():
            try:
                table = load_table(path)
            except InputError as error:
                raise StepError(str(error).removeprefix(f"{folder}/")) from None
            self.store.put_actions(key, table)
        self.store.adopt(folder / ARCHIVE, measurement)
        return measurement


class _Queue:
    """The points of a campaign that are still to be measured, and what came of the others."""

    def __init__(self, campaign: Campaign, report: Report) -> None:
        self._campaign, self._report = campaign, report
        self.measured: dict[int, Measurement] = {}
        self._progress = Progress(total=len(campaign.points))
        self._waiting: collections.deque[int] = collections.deque()
        self._running: dict[str, tuple[int, Claim]] = {}
        self._attempts: collections.Counter[str] = collections.Counter()
        self._elsewhere: dict[int, float] = {}  # when to look again
        for number, point in enumerate(campaign.points):
            known = campaign.known(point)
            if known is None or not self._is_cached(number, known):
                self._waiting.append(number)
        self._progress.began = time.monotonic()

    @property
    def exhausted(self) -> bool:
        """Nothing is left to begin."""
        return not self._waiting

    def take(self) -> Identity | None:
        """The next point that no one is measuring; None if there is none now."""
        for _ in range(len(self._waiting)):
            number = self._waiting.popleft()
            if self._elsewhere.get(number, 0.0) > time.monotonic():
                self._waiting.append(number)
                continue
            identity = self._campaign.identity(self._campaign.points[number])
            if self._is_cached(number, identity):
                continue
            _require_space(self._campaign.store.root)
            claim = self._campaign.store.claim(identity.key)
            if claim is None:
                self._elsewhere[number] = time.monotonic() + _LOOK_AGAIN_S
                self._waiting.append(number)
                continue
            if self._is_cached(number, identity):  # since we looked
                claim.release()
                continue
            self._running[identity.key] = number, claim
            return identity
        return None

    def took(self, result: Result) -> None:
        """What came of a point: kept, or begun again if its process vanished."""
        number, claim = self._running.pop(result.identity.key)
        try:
            self._attempts[result.identity.key] += 1
            if result.lost and self._attempts[result.identity.key] < ATTEMPTS:
                self._waiting.append(number)
                return
            measurement = self._campaign.keep(result)
        finally:
            claim.release()
        self._tell(number, measurement, "done" if measurement.status == "ok" else "failed")

    def close(self) -> None:
        """Give up what was begun."""
        for _, claim in self._running.values():
            claim.release()
        self._running.clear()

    def _is_cached(self, number: int, identity: Identity) -> bool:
        measurement = self._campaign.stored(identity.key)
        if measurement is None:
            return False
        self._tell(number, measurement, "cached")
        return True

    def _tell(self, number: int, measurement: Measurement, outcome: Outcome) -> None:
        self.measured[number] = measurement
        self._progress.count(outcome, measurement.reason)
        self._report(self._progress, self._campaign.points[number], measurement, outcome)


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        raise InputError(
            f"{folder}: the disk is full: {free / 1e6:.0f} MB are left, "
            f"{_LEAST_FREE / 1e6:.0f} are needed to go on; what was measured is kept"
        )


def rtl_digest(point: Point) -> str:
    """Digest of the RTL that the design of a point has today, which is made for it."""
    return hashlib.sha256(json.dumps(rtlil_choices(point.design)).encode()).hexdigest()


@functools.cache
def generator_digest() -> str:
    """Digest of the code that makes RTL: the PE's module with all that it imports, and export's."""
    here = Path(rtl_gen.__file__ or "").parent
    return code_digest(*with_imports(here / "pe.py"), here / "export.py")


def tools_for(points: Collection[Point]) -> dict[str, Tool]:
    """Every tool that the flows of these points use, by name.

    Raises:
        InputError: naming the first missing one and how to get it.
    """
    tools = require_tools()
    if any(point.by_openroad for point in points):
        tools["openroad"] = probe().tool
    return tools
