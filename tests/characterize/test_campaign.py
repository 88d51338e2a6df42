"""Campaigns survive kills, broken tools and damaged entries, and measure nothing twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from characterize.campaign import Campaign, Outcome, Progress
from characterize.dataset import read_dataset
from characterize.executors import LocalExecutor
from characterize.limits import Limits
from characterize.measurement import Measurement, Point
from characterize.platform import load_platform
from characterize.store import Store
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from tests.programs import put_program

pytestmark = pytest.mark.tool

SPACE = """
blocks:
  - {family: [int, pow2], act_bits: 2, weight_bits: 2, terms: 1, ifmap_depth: 3,
     filter_depth: 6, psum_depth: 2, period_ps: 2000}
"""
NO_LIMITS = Limits()
TINY = PEDesign(
    family="int", act_bits=2, weight_bits=2, ifmap_depth=3, filter_depth=6, psum_depth=2
)


def run_points(
    root: Path, *points: Point, limits: Limits = NO_LIMITS
) -> tuple[list[Measurement], list[Outcome]]:
    outcomes: list[Outcome] = []

    def report(_: Progress, __: Point, ___: Measurement, outcome: Outcome) -> None:
        outcomes.append(outcome)

    campaign = Campaign(
        points=points, platform=load_platform(), store=Store(root),
        executor=LocalExecutor(limits=limits),
    )  # fmt: skip
    return campaign.run(report), outcomes


def command(folder: Path) -> list[str]:
    (folder / "space.yaml").write_text(SPACE)
    return [
        sys.executable, "-m", "explorer.cli", "characterize", "--space", str(folder / "space.yaml"),
        "--store", str(folder / "store"), "--dataset", str(folder / "data.csv"), "--jobs", "2",
    ]  # fmt: skip


def without_times(path: Path) -> pd.DataFrame:
    table = read_dataset(path)
    return table[[name for name in table if not name.startswith("seconds_")]]


def begin(folder: Path) -> subprocess.Popen[bytes]:
    """A campaign in a process of its own, the first of its tools at work or the campaign done."""
    process = subprocess.Popen(
        command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    work = folder / "store" / "work"
    before = set(work.glob("*/*"))
    while process.poll() is None and set(work.glob("*/*")) <= before:
        time.sleep(0.05)
    return process


def test_a_campaign_killed_again_and_again_ends_with_the_same_dataset(tmp_path: Path) -> None:
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    subprocess.run(command(tmp_path / "calm"), check=True, capture_output=True)
    rng = random.Random(4)
    kills = 0
    for longest in (0, 2, 5):  # early ones meet the first steps, late ones a full store
        process = begin(tmp_path / "killed")
        time.sleep(rng.uniform(0, longest))
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills >= 1
    subprocess.run(command(tmp_path / "killed"), check=True, capture_output=True)
    pd.testing.assert_frame_equal(
        without_times(tmp_path / "calm" / "data.csv"),
        without_times(tmp_path / "killed" / "data.csv"),
    )
    work = tmp_path / "killed" / "store" / "work"
    assert not list(work.iterdir())


def test_what_a_killed_campaign_was_running_dies_with_it(tmp_path: Path) -> None:
    process = begin(tmp_path)
    process.kill()
    process.wait()
    work = tmp_path / "store" / "work"
    deadline = time.monotonic() + 60
    while processes_in(work) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_in(work)


def processes_in(folder: Path) -> list[str]:
    """Processes whose current folder is below this one."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(folder) in os.readlink(link):
                found.append(str(link))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurement, Path]:
    """A point, and the store that it was measured into."""
    root = tmp_path_factory.mktemp("measured")
    (found,), outcomes = run_points(root, Point(design=TINY, period_ps=2000))
    assert outcomes == ["done"]
    return found, root


@pytest.fixture
def own(measured: tuple[Measurement, Path], tmp_path: Path) -> tuple[Measurement, Path]:
    """The same, the store being a copy that may be changed."""
    root = tmp_path / "own"
    shutil.copytree(measured[1], root)
    return measured[0], root


def test_a_second_run_takes_everything_from_the_store(own: tuple[Measurement, Path]) -> None:
    first, root = own
    again, outcomes = run_points(root, Point(design=TINY, period_ps=2000))
    assert outcomes == ["cached"]
    assert again == [first]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_entry_is_noticed_and_measured_again(
    own: tuple[Measurement, Path], damage: str
) -> None:
    first, root = own
    path = Store(root).path(first.key)
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + (b"" if damage == "cut" else b"\0" + data[half + 1 :]))
    assert Store(root).get(first.key) is None
    (again,), outcomes = run_points(root, Point(design=TINY, period_ps=2000))
    assert outcomes == ["done"]
    assert again.metrics == first.metrics
    assert Store(root).get(first.key) == again


@pytest.mark.parametrize("damage", ["changed", "cut short"])
def test_a_damaged_power_library_is_made_anew(own: tuple[Measurement, Path], damage: str) -> None:
    _, root = own
    (library,) = (root / "libraries").glob("*.lib")
    whole = library.read_text()
    library.write_text(
        whole.replace("cell_leakage_power : 1", "cell_leakage_power : 9")
        if damage == "changed"
        else whole[:100000]
    )
    assert library.read_text() != whole
    _, outcomes = run_points(root, Point(design=TINY, period_ps=2500))
    assert outcomes == ["done"]
    assert library.read_text() == whole


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("\x7fELFgarbage", "does not answer -version: sta cannot be started: Exec format error"),
        ("#!/bin/sh\n[ $1 != -version ]\n",
         "does not answer -version: sta exited with 1: no output"),
        ("#!/bin/sh\necho my sta\n", "answers -version without a version"),
    ],
)  # fmt: skip
def test_a_tool_without_a_version_is_refused_before_a_point_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, fault: str
) -> None:
    """Nor is another one, further down PATH, taken in its place."""
    fake_tool(tmp_path, monkeypatch, "sta", "")
    (tmp_path / "bin" / "sta").write_text(script)
    with pytest.raises(InputError) as error:
        run_points(tmp_path / "store", Point(design=TINY, period_ps=2000))
    assert str(error.value) == (
        f"sta cannot be used: {tmp_path}/bin/sta {fault}; on Debian: apt-get install opensta"
    )
    assert not (tmp_path / "store").exists()


def fake_tool(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """The tool answers for its version as ever, and does this instead of all else."""
    answer = f'case "$1" in -version | -V) exec {shutil.which(name)} "$@" ;; esac\n'
    put_program(folder / "bin", monkeypatch, name, answer + script)


@pytest.mark.parametrize(
    ("tool", "script", "reason"),
    [
        ("sta", "echo Error: no licence; exit 1\n", "sta exited with 1: Error: no licence"),
        ("sta", "echo hello\n", "sta ended before the end of timing.tcl"),
        ("sta", "kill -SEGV $$\n", "sta was killed by signal 11: no output"),
        (
            "sta",
            "for w in slew_check_begins slew_check_ends timing_done; do echo peforge $w; done\n",
            "sta reported no setup_slack_ns",
        ),
        ("iverilog", "exit 3\n", "iverilog exited with 3: no output"),
        ("iverilog", "exit 0\n", "iverilog wrote no sim.vvp"),
        ("vvp", "exit 0\n", "the simulation ended without a result"),
    ],
)
def test_a_broken_tool_is_a_failed_row_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, script: str, reason: str
) -> None:
    fake_tool(tmp_path, monkeypatch, tool, script)
    (result,), outcomes = run_points(tmp_path / "store", Point(design=TINY, period_ps=2000))
    assert outcomes == ["failed"]
    assert (result.status, result.reason, result.metrics) == ("failed", reason, {})


def test_one_failure_does_not_stop_the_others_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("sta")
    fake_tool(
        tmp_path, monkeypatch, "sta",
        f"[ -e {tmp_path}/mended ] || ! grep -q act3 timing.tcl || exit 1\n"
        f'exec {real} "$@"\n'.replace("act3", "_a3_"),
    )  # fmt: skip
    other = PEDesign(
        family="int", act_bits=3, weight_bits=2, ifmap_depth=3, filter_depth=6, psum_depth=2
    )
    points = [Point(design=other, period_ps=2000), Point(design=TINY, period_ps=2000)]
    results, outcomes = run_points(tmp_path / "store", *points)
    assert outcomes == ["failed", "done"]
    assert [result.status for result in results] == ["failed", "ok"]
    assert results[0].reason == "sta exited with 1: no output"
    (tmp_path / "mended").touch()
    results, outcomes = run_points(tmp_path / "store", *points)
    assert sorted(outcomes) == ["cached", "done"]
    assert [result.status for result in results] == ["ok", "ok"]
    assert not list((tmp_path / "store" / "failed").iterdir())


def test_a_worker_that_is_killed_is_a_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tool(tmp_path, monkeypatch, "iverilog", "kill -9 $PPID\n")
    (result,), _ = run_points(tmp_path / "store", Point(design=TINY, period_ps=2000))
    assert result.reason == "the process of this point was killed by signal 9"


def test_a_stuck_tool_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that has left the process group of its parent."""
    script = f"setsid sleep 600 & echo $! > {tmp_path}/child; sleep 600\n"
    fake_tool(tmp_path, monkeypatch, "iverilog", script)
    (result,), outcomes = run_points(
        tmp_path / "store", Point(design=TINY, period_ps=2000), limits=Limits(minutes=0.2)
    )
    assert (result.reason, outcomes) == ("took more than 0.2 min, the limit", ["failed"])
    child = int((tmp_path / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_a_tool_that_eats_memory_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hog = f"{sys.executable} -c 'import time; x = bytearray(700_000_000); time.sleep(600)'"
    fake_tool(tmp_path, monkeypatch, "iverilog", f"{hog}\n")
    (result,), _ = run_points(
        tmp_path / "store", Point(design=TINY, period_ps=2000), limits=Limits(memory_gb=0.6)
    )
    assert result.reason == "used more than 0.6 GB of memory, the limit"
    assert not list((tmp_path / "store" / "work").iterdir())


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"minutes": 0}, "the time limit must be above 0, not 0"),
        ({"memory_gb": -1.5}, "the memory limit must be above 0, not -1.5"),
        ({"minutes": float("nan")}, "the time limit must be above 0, not nan"),
    ],
)
def test_limits_are_above_zero(limits: dict[str, float], message: str) -> None:
    with pytest.raises(InputError) as error:
        Limits(**limits)
    assert str(error.value) == message


def test_the_command_line_reports_failures_and_keeps_json_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tool(tmp_path, monkeypatch, "sta", "[ $1 = -version ] && echo 2.0.17 || exit 1\n")
    run = subprocess.run(
        [*command(tmp_path), "--json"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    report = json.loads(run.stdout)
    assert (report["points"], report["measured"], report["cached"]) == (2, 0, 0)
    assert {entry["reason"] for entry in report["failed"]} == {"sta exited with 1: no output"}
    table = read_dataset(tmp_path / "data.csv")
    assert list(table["status"]) == ["failed"] * 2
    assert table["area_um2"].isna().all()
