"""Measuring a point for a campaign of another machine: what a worker of a cluster runs.

A task is plain data, for a worker has its own copy of the project, its own tools and its own kit.
It measures only if all of these are the campaign's: else the same key would stand for something
else. ``python -m characterize.remote FOLDER`` measures the task in that folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from characterize.campaign import tools_for
from characterize.executors import WATCH_S
from characterize.flow import Identity, content_key, flow_code, tools_of
from characterize.limits import Limits, kill_tree
from characterize.measurement import Point
from characterize.platform import Platform, configs_dir, load_platform
from characterize.work import ACTIONS, ARCHIVE, Bench, measure_point
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

_TASK = "task.json"
_REFUSAL = "refused"


def task_of(identity: Identity, bench: Bench, limits: Limits) -> dict[str, Any]:
    """What a worker needs to know, as plain data."""
    point = identity.point
    return {
        "point": {**asdict(point), "design": point.design.to_dict()},
        "key": identity.key,
        "rtl": identity.rtl,
        "platform": _platform_name(bench.platform),
        "hashes": {name: bench.platform.hashes[name] for name in ("liberty", "cell_lef")},
        "tools": {name: tool.identity for name, tool in tools_of(point, bench.tools).items()},
        "code": flow_code(point),
        "with_actions": bench.with_actions,
        "limits": asdict(limits),
    }


def _platform_name(platform: Platform) -> str:
    """By which a worker finds the platform: its name if it is a shipped one, else its file."""
    own = platform.source.parent == (configs_dir() / "platforms").resolve()
    return platform.source.stem if own else str(platform.source)


def measure_task(task: Mapping[str, Any], wanted: Callable[[], bool]) -> dict[str, Any]:
    """Measure a task in a process of its own, in a folder that is removed at the end.

    Args:
        wanted: asked once a second; if not, the process is killed.

    Returns:
        ``archive`` and ``actions``, files as bytes (or None); or ``reason``, why it was not
        measured; or ``refused``, why this machine cannot measure for the campaign.
    """
    with tempfile.TemporaryDirectory(prefix="peforge-") as name:
        folder = Path(name)
        (folder / _TASK).write_text(json.dumps(task), encoding="utf-8")
        with (folder / "remote.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "characterize.remote", name],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            reason = _watch(process, Limits(**task["limits"]), wanted)
        place = folder / "point"
        if (folder / _REFUSAL).is_file():
            return {"refused": (folder / _REFUSAL).read_text(encoding="utf-8")}
        if process.returncode == 0 and not reason and (place / ARCHIVE).is_file():
            table = place / ACTIONS
            return {
                "archive": (place / ARCHIVE).read_bytes(),
                "actions": table.read_bytes() if table.is_file() else None,
            }
        said = (folder / "remote.log").read_text(encoding="utf-8", errors="replace").strip()
        last = f": {said.splitlines()[-1]}" if said else ""
        ended = f"the process of this point ended with {process.returncode}{last}"
        return {"reason": reason or ended}


def _watch(process: subprocess.Popen[bytes], limits: Limits, wanted: Callable[[], bool]) -> str:
    """Wait for the end; why it was killed, or ""."""
    began = time.monotonic()
    try:
        while True:
            try:
                process.wait(WATCH_S)
                return ""
            except subprocess.TimeoutExpired:
                reason = limits.exceeded(process.pid, began)
                reason = reason or ("" if wanted() else "no one wants it any more")
                if reason:
                    return reason
    finally:
        if process.poll() is None:
            kill_tree(process.pid)
            process.wait()


def main(folder: Path) -> None:
    """Measure the task in a folder, or leave there why it is refused."""
    task = json.loads((folder / _TASK).read_text(encoding="utf-8"))
    try:
        identity, bench = _prepared(task, folder)
    except InputError as error:
        (folder / _REFUSAL).write_text(str(error), encoding="utf-8")
        return
    (folder / "point").mkdir()
    measure_point(identity, bench, folder / "point")


def _prepared(task: Mapping[str, Any], folder: Path) -> tuple[Identity, Bench]:
    """The task with this machine's own tools and kit.

    Raises:
        InputError: if it would measure something else here.
    """
    values = task["point"]
    point = Point(**{**values, "design": PEDesign.from_dict(values["design"])})
    tools = tools_for([point])
    platform = load_platform(task["platform"])
    for name, tool in tools_of(point, tools).items():
        _same(name, tool.identity, task["tools"].get(name))
    for name, digest in task["hashes"].items():
        _same(f"{name} of platform {platform.name}", platform.hashes[name], digest)
    _same("peforge", flow_code(point), task["code"])
    _same("platform file", content_key(point, task["rtl"], platform, tools), task["key"])
    libraries = Path(tempfile.gettempdir()) / f"peforge-libraries-{os.getuid()}"
    if shutil.disk_usage(folder).free < 1e9:
        raise InputError(f"less than 1 GB is free in {tempfile.gettempdir()}")
    bench = Bench(
        platform=platform, tools=tools, libraries=libraries, with_actions=task["with_actions"]
    )
    return Identity(point=point, key=task["key"], rtl=task["rtl"]), bench


def _same(what: str, here: str, there: str | None) -> None:
    if here != there:
        other = _short(there or "none")
        raise InputError(f"its {what} is {_short(here)}, the campaign's is {other}")


def _short(identity: str) -> str:
    return " ".join(word[:12] for word in identity.split())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
