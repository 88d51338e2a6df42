"""The measuring of one point in a process of its own, which leaves an archive for the store."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from characterize import actions, power_library
from characterize.action_files import save_table
from characterize.flow import Built, Identity, counts_once, measure, tidy
from characterize.implementation import StepTimer
from characterize.measurement import Point
from characterize.platform import Platform
from characterize.process import die_with_parent
from characterize.store import pack
from characterize.toolchain import Tool
from characterize.user_cache import kept
from rtl_gen.atomic import make_folder, write_bytes
from rtl_gen.errors import InputError
from rtl_gen.source import code_digest

#: What the process of a point leaves in its folder.
ARCHIVE = "entry.zip"
ACTIONS = "actions.json"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all points of a campaign are measured with.

    Attributes:
        platform: the kit.
        tools: every one that the flows of the points use.
        libraries: folder of the Liberty files for power; they are made there when missing.
        with_actions: each point's energies per action are measured, too.
    """

    platform: Platform
    tools: Mapping[str, Tool]
    libraries: Path
    with_actions: bool

    def power_library(self, point: Point) -> Path:
        """The Liberty file that power is taken with in the flow of a point, made once."""
        return prepare_power_library(
            self.libraries, self.platform, later=counts_once(point, self.tools)
        )


def measure_point(identity: Identity, bench: Bench, folder: Path) -> None:
    """Measure a point in an empty folder; leaves ``ARCHIVE`` and, if wanted, ``ACTIONS``.

    It belongs into a process of its own: it takes the standard streams, and tools keep state.
    """
    die_with_parent()
    gc.disable()  # it lives for a minute, and looks in vain at all that its parent had
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children itself
    log = os.open(folder / "flow.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)  # the placer prints
    os.dup2(log, 2)
    table: actions.ActionTable | None = None

    def take_actions(built: Built) -> None:
        nonlocal table
        table = actions.measure_actions(built, identity.point, StepTimer(), lambda _: None)

    measurement = measure(
        identity, bench.platform, bench.tools, bench.power_library(identity.point), folder,
        take_actions if bench.with_actions else None,
    )  # fmt: skip
    tidy(folder)
    pack(measurement, folder)
    if table is not None:
        save_table(folder / ACTIONS, table)


def prepare_power_library(folder: Path, platform: Platform, *, later: bool) -> Path:
    """The Liberty file that power is taken with, made once.

    Args:
        folder: where such files are kept.
        later: for versions of OpenSTA after 2.0.

    Raises:
        InputError: if it cannot be written.
    """
    code = code_digest(Path(power_library.__file__))
    tied = "".join(f"-{pin}" for pin in sorted(platform.tied_pins()))
    path = folder / f"{platform.hashes['liberty'][:16]}-{code[:16]}-{later:d}{tied}.lib"
    checksum = path.with_suffix(".sha256")
    try:
        if checksum.read_text(encoding="ascii") == _sha256(path.read_bytes()):
            return path.resolve()
    except (OSError, UnicodeDecodeError):
        pass  # not there yet, or damaged: made anew
    make_folder(folder)
    data = kept(f"power/{path.name}", lambda: _power_library(folder, platform, later=later))
    write_bytes(path, data)
    write_bytes(checksum, _sha256(data).encode())
    return path.resolve()


def _power_library(folder: Path, platform: Platform, *, later: bool) -> bytes:
    """What is in the file, made in a folder beside others."""
    try:
        with tempfile.TemporaryDirectory(dir=folder) as making:
            made = Path(making, "power.lib")
            if later:
                power_library.write_later_library(platform.liberty, made)
            else:
                power_library.write_power_library(platform.liberty, made, platform.tied_pins())
            return made.read_bytes()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
