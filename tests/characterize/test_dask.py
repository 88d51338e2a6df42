"""A campaign on a Dask cluster: the same dataset, whatever workers and schedulers die."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from characterize import remote
from characterize.campaign import Campaign
from characterize.dask_executor import DaskExecutor
from characterize.executors import LocalExecutor
from characterize.limits import Limits
from characterize.measurement import Measurement, Point
from characterize.platform import load_platform
from characterize.store import Store
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

pytestmark = pytest.mark.tool

ROOT = Path(__file__).parents[2]
POINTS = [
    Point(
        design=PEDesign(
            family="int", act_bits=bits, weight_bits=2, ifmap_depth=3, filter_depth=6, psum_depth=2
        ),
        period_ps=2000,
    )
    for bits in (2, 3, 4)
]


def spawn(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A Dask command in a process group of its own; its output is in ``folder``."""
    with (folder / f"{arguments[0]}-{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], stdout=log, stderr=log,
            start_new_session=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a scheduler."""
    file = tmp_path / "scheduler.json"
    process = spawn(
        tmp_path, "scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1",
        "--scheduler-file", str(file),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not file.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    (address,) = [
        line.split('"')[3] for line in file.read_text().splitlines() if '"address"' in line
    ]
    yield address, process
    kill(process)


@pytest.fixture
def workers(
    tmp_path: Path, scheduler: tuple[str, subprocess.Popen[bytes]]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers of it; those that stand in for the flow if there is a ``fake.py``."""
    preload = ["--preload", "fake.py"] if (tmp_path / "fake.py").is_file() else []
    found = [
        spawn(
            tmp_path, "worker", scheduler[0], "--nthreads", "1", "--no-dashboard", "--no-nanny",
            *preload,
        )
        for _ in range(2)
    ]  # fmt: skip
    yield found
    for process in found:
        kill(process)


@pytest.fixture
def fake_flow(tmp_path: Path) -> None:
    """Workers that take two seconds to say that a point has failed."""
    (tmp_path / "fake.py").write_text(
        "import time\n"
        "from characterize import dask_executor\n"
        "def measure_task(task, wanted):\n"
        "    time.sleep(2)\n"
        "    return {'reason': 'no flow'}\n"
        "dask_executor.measure_task = measure_task\n"
    )


def campaign(root: Path, address: str) -> Campaign:
    return Campaign(
        points=POINTS, platform=load_platform(), store=Store(root),
        executor=DaskExecutor(address=address, limits=Limits(minutes=10)),
    )  # fmt: skip


def without_times(measurements: list[Measurement]) -> list[dict[str, Any]]:
    return [{**m.to_dict(), "seconds": {}} for m in measurements]


def test_a_lost_worker_changes_nothing(
    tmp_path: Path,
    scheduler: tuple[str, subprocess.Popen[bytes]],
    workers: list[subprocess.Popen[bytes]],
) -> None:
    """Its points are measured by the other one, as they are on this machine."""
    plan = campaign(tmp_path / "cluster", scheduler[0])
    killed = False

    def report(*_: object) -> None:
        nonlocal killed
        if not killed:
            killed = True
            kill(workers[0])

    measured = plan.run(report)
    assert killed
    assert workers[0].returncode == -signal.SIGKILL
    local = Campaign(
        points=POINTS, platform=load_platform(), store=Store(tmp_path / "local"),
        executor=LocalExecutor(jobs=2),
    ).run(lambda *_: None)  # fmt: skip
    assert [m.status for m in measured] == ["ok"] * 3
    assert without_times(measured) == without_times(local)
    assert not list((tmp_path / "cluster" / "work").iterdir())
    assert not list((tmp_path / "cluster" / "claims").iterdir())


@pytest.mark.usefixtures("fake_flow", "workers")
def test_a_lost_scheduler_ends_the_campaign_in_one_line(
    tmp_path: Path, scheduler: tuple[str, subprocess.Popen[bytes]]
) -> None:
    plan = campaign(tmp_path / "store", scheduler[0])
    seen: list[Measurement] = []
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("distributed.client").addHandler(handler)

    def report(_: object, __: object, measurement: Measurement, ___: object) -> None:
        seen.append(measurement)
        kill(scheduler[1])

    try:
        with pytest.raises(InputError) as error:
            plan.run(report)
    finally:
        logging.getLogger("distributed.client").removeHandler(handler)
    assert logged == []
    assert not logging.getLogger("distributed.client").disabled
    assert str(error.value).startswith(f"the scheduler at {scheduler[0]} is gone (")
    assert str(error.value).endswith("); what was measured is in the store: start again to go on")
    assert seen
    assert all(plan.store.failed(m.key) == m for m in seen)
    assert not list((tmp_path / "store" / "claims").iterdir())


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        campaign(tmp_path, "nowhere").run(lambda *_: None)
    assert str(error.value) == (
        "no scheduler answers at nowhere: missing port number in address 'nowhere'; start one "
        "with `dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`"
    )


@pytest.mark.parametrize("address", ["", " "])
def test_no_address_is_not_this_machine(address: str) -> None:
    with pytest.raises(InputError) as error:
        DaskExecutor(address=address, limits=Limits())
    assert str(error.value) == (
        f"the scheduler must be an address, as tcp://HOST:8786, not {address!r}"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": "0" * 64}, r"its peforge is [0-9a-f]{12}, the campaign's is 000000000000"),
        ({"key": "1" * 64}, r"its platform file is [0-9a-f]{12}, the campaign's is 111111111111"),
        (
            {"hashes": {"liberty": "2" * 64}},
            r"its liberty of platform freepdk45 is [0-9a-f]{12}, the campaign's is 222222222222",
        ),
        ({"tools": {}}, r"its \w+ is [0-9.]+.*, the campaign's is none"),
        ({"platform": "kit.yaml"}, r"kit.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_worker_that_would_measure_something_else_refuses(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    plan = campaign(tmp_path, "nowhere")
    task = remote.task_of(plan.identity(POINTS[0]), plan.bench, Limits())
    found = remote.measure_task({**task, **change}, lambda: True)
    assert set(found) == {"refused"}
    assert re.fullmatch(said, found["refused"]), found


def test_a_point_that_no_one_wants_any_more_is_given_up(tmp_path: Path) -> None:
    plan = campaign(tmp_path, "nowhere")
    task = remote.task_of(plan.identity(POINTS[0]), plan.bench, Limits())
    before = set(Path(tempfile.gettempdir()).glob("peforge-*"))
    assert remote.measure_task(task, lambda: False) == {"reason": "no one wants it any more"}
    assert set(Path(tempfile.gettempdir()).glob("peforge-*")) <= before
