"""What a campaign does with what its executor gives it, without any flow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from characterize import campaign as module
from characterize.campaign import ATTEMPTS, Campaign, Outcome, Progress
from characterize.executors import Queue, Result
from characterize.flow import Identity
from characterize.measurement import Measurement, Point
from characterize.platform import load_platform
from characterize.store import Store, pack
from characterize.toolchain import find_tools
from characterize.work import Bench
from explorer.campaigns import pace
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from tests.characterize.test_store import measurement

POINTS = [
    Point(
        design=PEDesign(
            family="int", act_bits=bits, weight_bits=2, ifmap_depth=3, filter_depth=6, psum_depth=2
        ),
        period_ps=2000,
    )
    for bits in (2, 3, 4, 5)
]


def result(identity: Identity, store: Store) -> Result:
    """As a worker leaves it."""
    folder = store.work_folder()
    pack(measurement(key=identity.key, period_ps=identity.point.period_ps), folder)
    return Result(identity=identity, folder=folder)


@pytest.fixture(autouse=True)
def no_power_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured here, and making one takes seconds."""
    monkeypatch.setattr(Bench, "power_library", lambda *_: Path("none.lib"))


@dataclass
class Made:
    """An executor that makes results up, one after the other.

    Attributes:
        make: them.
        seen: the keys that it was asked for.
    """

    make: Callable[[Identity, Store], Result] = result
    seen: list[str] = field(default_factory=list)

    def run(self, queue: Queue, bench: Bench, store: Store) -> Generator[Result]:
        """As ``Executor``."""
        del bench
        while not queue.exhausted:
            identity = queue.take()
            if identity is None:
                threading.Event().wait(0.01)
                continue
            self.seen.append(identity.key)
            yield self.make(identity, store)


def campaign(root: Path, executor: Made, points: list[Point] = POINTS) -> Campaign:
    tools = {tool.name: tool for tool in find_tools()}
    return Campaign(
        points=points, platform=load_platform(), store=Store(root), executor=executor, tools=tools
    )


def outcomes_of(plan: Campaign) -> tuple[list[Measurement], list[Outcome], Progress]:
    outcomes: list[Outcome] = []
    last = Progress(total=0)

    def report(progress: Progress, _: Point, __: Measurement, outcome: Outcome) -> None:
        nonlocal last
        last = progress
        outcomes.append(outcome)

    return plan.run(report), outcomes, last


def nothing_under_way(root: Path) -> bool:
    return not any((root / "work").iterdir()) and not any((root / "claims").iterdir())


def test_results_are_kept_in_the_order_of_the_points(tmp_path: Path) -> None:
    executor = Made()
    plan = campaign(tmp_path, executor)
    measured, outcomes, _ = outcomes_of(plan)
    assert [m.key for m in measured] == [plan.identity(p).key for p in POINTS] == executor.seen
    assert outcomes == ["done"] * 4
    assert outcomes_of(plan)[1] == ["cached"] * 4
    assert len(executor.seen) == 4
    assert nothing_under_way(tmp_path)


def test_a_point_whose_process_vanishes_is_measured_again(tmp_path: Path) -> None:
    lost: list[str] = []

    def make(identity: Identity, store: Store) -> Result:
        if identity.point is POINTS[1] and len(lost) < ATTEMPTS - 1:
            lost.append(identity.key)
            return Result(identity=identity, reason="it vanished", lost=True)
        return result(identity, store)

    executor = Made(make)
    measured, outcomes, _ = outcomes_of(campaign(tmp_path, executor))
    assert outcomes == ["done"] * 4
    assert [m.status for m in measured] == ["ok"] * 4
    assert len(executor.seen) == 4 + ATTEMPTS - 1


def test_a_point_whose_process_always_vanishes_fails(tmp_path: Path) -> None:
    def make(identity: Identity, store: Store) -> Result:
        if identity.point is POINTS[1]:
            return Result(identity=identity, reason="it vanished", lost=True)
        return result(identity, store)

    plan = campaign(tmp_path, Made(make))
    measured, outcomes, progress = outcomes_of(plan)
    assert sorted(outcomes) == ["done", "done", "done", "failed"]
    assert measured[1].reason == "it vanished"
    assert plan.store.failed(measured[1].key) == measured[1]
    assert progress.reasons == {"it vanished": 1}
    assert pace(progress)[-1] == "1 failed: 1 x it vanished"


def test_a_result_that_is_damaged_on_its_way_fails(tmp_path: Path) -> None:
    def make(identity: Identity, store: Store) -> Result:
        made = result(identity, store)
        assert made.folder is not None
        if identity.point is POINTS[2]:
            os.truncate(made.folder / "entry.zip", 300)
        return made

    measured, outcomes, _ = outcomes_of(campaign(tmp_path, Made(make)))
    assert outcomes == ["done", "done", "failed", "done"]
    assert measured[2].reason == (
        "what the process of this point left is damaged: is not an archive, or is cut off"
    )
    assert nothing_under_way(tmp_path)


def test_two_campaigns_share_a_store_and_measure_nothing_twice(tmp_path: Path) -> None:
    """Each waits for what the other one measures, whichever order they go in."""
    met = threading.Barrier(2, timeout=20)

    def make(identity: Identity, store: Store) -> Result:
        if len(executors[0].seen) + len(executors[1].seen) <= 2:
            met.wait()  # both are in the midst of their first point
        return result(identity, store)

    executors = [Made(make), Made(make)]
    plans = [
        campaign(tmp_path, executors[0]), campaign(tmp_path, executors[1], POINTS[::-1])
    ]  # fmt: skip
    found: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: outcomes_of(plans[i])}))
        for i in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(executors[0].seen) + len(executors[1].seen) == 4
    assert len({*executors[0].seen, *executors[1].seen}) == 4
    assert found[0][0] == found[1][0][::-1]
    assert found[0][1].count("done") + found[1][1].count("done") == 4
    assert nothing_under_way(tmp_path)


def test_a_full_disk_ends_the_campaign_before_it_hurts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=150_000_000)
    plan = campaign(tmp_path, Made())
    outcomes_of(campaign(tmp_path, Made(), POINTS[:1]))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError) as error:
        outcomes_of(plan)
    assert str(error.value) == (
        f"{tmp_path}: the disk is full: 150 MB are left, 200 are needed to go on; "
        "what was measured is kept"
    )
    assert plan.store.get(plan.identity(POINTS[0]).key) is not None
    assert nothing_under_way(tmp_path)


def test_a_store_that_cannot_be_written_any_more_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    plan = campaign(tmp_path, Made())
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError) as error:
        outcomes_of(plan)
    assert str(error.value) == f"{tmp_path}: cannot be written: No space left on device"
    monkeypatch.undo()
    assert nothing_under_way(tmp_path)
    assert outcomes_of(plan)[1] == ["done"] * 4


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="needs root")
def test_a_read_only_store_is_named_and_can_be_read(tmp_path: Path) -> None:
    """Root may write everywhere but on a read-only file system: in a namespace with one."""
    plan = campaign(tmp_path / "store", Made(), POINTS[:1])
    outcomes_of(plan)
    script = (
        "import sys; from pathlib import Path; from characterize.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "print(store.get(sys.argv[2]) is not None, len(list(store.entries())))\n"
        "store.remember_rtl('memo', '0' * 64)\n"
        "store.require_writable()\n"
    )
    root, key = str(tmp_path / "store"), plan.identity(POINTS[0]).key
    command = (
        'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1" "$4"'
    )
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, "sh", root, sys.executable, script, key],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    if "unshare failed" in run.stderr or "permission denied" in run.stderr.lower():
        pytest.skip("no namespaces here")
    assert run.stdout == "True 1\n", run.stderr
    assert run.stderr.splitlines()[-1].endswith(
        f"InputError: {root}: cannot be written: Read-only file system"
    )
