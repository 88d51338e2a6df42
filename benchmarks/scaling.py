"""Times a small campaign with one and with more processes, of this machine and of Dask workers.

Run: ``python -m benchmarks.scaling [WORKERS]`` (default 2, as many as the machine has processors at
most; some minutes). Every run measures the same points into an empty store; the datasets must be
the same. Workers have one thread each and are started beforehand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

from characterize.campaign import Campaign
from characterize.dask_executor import DaskExecutor
from characterize.executors import Executor, LocalExecutor
from characterize.limits import Limits
from characterize.measurement import Point
from characterize.platform import load_platform
from characterize.store import Store
from rtl_gen.design import PEDesign

POINTS = [
    Point(
        design=PEDesign(
            family=family, act_bits=8, weight_bits=bits, terms=1 if family == "pow2" else None,
            ifmap_depth=6, filter_depth=24, psum_depth=4,
        ),
        period_ps=period_ps,
    )
    for family, widths in (("int", (4, 8)), ("pow2", (3, 4)))
    for bits in widths
    for period_ps in (1500, 2000, 3000)
]  # fmt: skip


def measure(executor: Executor) -> tuple[float, list[dict[str, object]]]:
    """Seconds that all points took, and what came out, without run times."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Campaign(
            points=POINTS, platform=load_platform(), store=Store(Path(folder)), executor=executor
        )
        for point in POINTS:
            plan.identity(point)  # making RTL is not what is timed
        begin = time.perf_counter()
        measured = plan.run(lambda *_: None)
        took = time.perf_counter() - begin
    if any(one.status != "ok" for one in measured):
        sys.exit("a point failed")
    return took, [{**one.to_dict(), "seconds": {}} for one in measured]


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """A scheduler with so many workers on this machine; its address."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "scheduler.json")
        options = {"cwd": folder, "stderr": subprocess.DEVNULL,
                   "env": {**os.environ, "PYTHONPATH": os.getcwd()}}  # fmt: skip
        dask = [sys.executable, "-m", "dask"]
        started = [
            subprocess.Popen(
                [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                 "--scheduler-file", str(file)], **options,
            )
        ]  # fmt: skip
        while not file.is_file():
            time.sleep(0.1)
        started += [
            subprocess.Popen(
                [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1",
                 "--no-dashboard"], **options,
            )
            for _ in range(workers)
        ]  # fmt: skip
        try:
            with Client(scheduler_file=str(file)) as client:
                client.wait_for_workers(workers)
                yield client.scheduler.address
        finally:
            for process in started:
                process.terminate()
                process.wait()


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    counts = sorted({1, *(n for n in (2, 4, 8, 16, most) if n <= most)})
    results: list[list[dict[str, object]]] = []

    def report(name: str, run: Callable[[int], tuple[float, list[dict[str, object]]]]) -> None:
        first = 0.0
        for count in counts:
            took, found = run(count)
            first = first or took
            results.append(found)
            print(
                f"{name}, {count}: {took:.1f} s, {60 * len(POINTS) / took:.1f} points a minute, "
                f"{first / took:.2f} x",
                flush=True,
            )

    def local(count: int) -> tuple[float, list[dict[str, object]]]:
        return measure(LocalExecutor(jobs=count))

    def dask(count: int) -> tuple[float, list[dict[str, object]]]:
        with cluster(count) as address:
            return measure(DaskExecutor(address=address, limits=Limits()))

    measure(LocalExecutor(jobs=most))  # what is read once in a process
    report("processes", local)
    report("Dask workers", dask)
    if any(found != results[0] for found in results):
        sys.exit("the datasets differ")
    print(f"{len(POINTS)} points; all datasets are the same")


if __name__ == "__main__":
    main()
