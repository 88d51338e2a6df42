"""Looking after a store: is every entry whole, what can go, and all of it as one table."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from characterize.dataset import dataset_table, write_dataset
from characterize.dataset_schema import POINT_IDENTITY
from characterize.flow import is_later_sta
from characterize.measurement import Measurement, Point
from characterize.platform import load_platform
from characterize.store import Entry, Store
from characterize.work import prepare_power_library
from explorer.cli_options import progress_bar
from rtl_gen.atomic import check_target
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError


@dataclass
class Survey:
    """What was found in a store.

    Attributes:
        root: its folder.
        measured: whole entries with numbers.
        failures: whole entries without, by reason.
        damaged: entries that are not what was written.
        bytes: of all.
    """

    root: Path
    measured: list[Entry] = field(default_factory=list)
    failures: list[Entry] = field(default_factory=list)
    damaged: list[Entry] = field(default_factory=list)
    bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "store": str(self.root),
            "measured": len(self.measured),
            "bytes": self.bytes,
            "failed": dict(_reasons(self.failures)),
            "damaged": [{"path": str(e.path), "damage": e.damage} for e in self.damaged],
        }


def existing_store(root: Path) -> Store:
    """A store that is there.

    Raises:
        InputError: if it is not, or cannot be written.
    """
    store = Store(root)
    if not store.exists:
        raise InputError(f"{root}: there is no store")
    return store


def find_key(store: Store, beginning: str) -> str:
    """The key of a measurement that begins so.

    Raises:
        InputError: if there is none, or more than one.
    """
    if not re.fullmatch(r"[0-9a-f]{2,64}", beginning):
        raise InputError(f"a key is of 2 to 64 digits from 0-9 and a-f, not {beginning!r}")
    keys = sorted(p.stem for p in (store.root / beginning[:2]).glob(f"{beginning}*.zip"))
    if len(keys) != 1:
        found = f"{len(keys)} measurements have keys" if keys else "no measurement has a key"
        raise InputError(f"{store.root}: {found} that begin{'' if keys else 's'} with {beginning}")
    return keys[0]


def unpack(store: Store, key: str, folder: Path) -> None:
    """Write the files of a measurement, with links to the libraries that its scripts read.

    Raises:
        InputError: if there is none, it is damaged, its platform is not here, the folder has files
            already, or one cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: has files already; name a new folder")
    measurement = store.get(key)
    if measurement is None:
        raise InputError(f"{store.path(key)}: is damaged; see peforge store check")
    platform = load_platform(measurement.platform["name"])
    later = is_later_sta(measurement.tools.get("sta", ""))  # OpenROAD has a later one
    library = prepare_power_library(store.root / "libraries", platform, later=later)
    store.unpack(key, folder)
    platform.link_libraries(folder)
    (folder / "power_cells.lib").unlink(missing_ok=True)
    (folder / "power_cells.lib").symlink_to(library)


def survey(store: Store, *, quiet: bool) -> Survey:
    """Verify every entry, with a progress bar on a terminal."""
    found = Survey(root=store.root)
    with progress_bar(quiet=quiet) as progress:
        task = progress.add_task("verifying", total=None)
        for entry in store.entries():
            found.bytes += entry.size
            if entry.measurement is None:
                found.damaged.append(entry)
            elif entry.measurement.status == "ok":
                found.measured.append(entry)
            else:
                found.failures.append(entry)
            progress.advance(task)
    return found


def clean(store: Store, found: Survey) -> int:
    """Remove what is damaged, has failed, or was left under way; bytes that were freed."""
    freed = 0
    for entry in [*found.damaged, *found.failures]:
        store.remove(entry)
        freed += entry.size
    store.clean_work()
    return freed


def export(found: Survey, path: Path) -> int:
    """Write all measurements, and failures, as a dataset; how many rows.

    Raises:
        InputError: if there are none, or the file cannot be written.
    """
    check_target(path)
    entries = [*found.measured, *found.failures]
    measurements = [entry.measurement for entry in entries if entry.measurement is not None]
    if not measurements:
        raise InputError(f"{found.root}: the store has no measurement")
    points = [point_of(measurement) for measurement in measurements]
    table = dataset_table(points, measurements)
    # Of a point that was measured by several generators or flows, the last entry written.
    times = [entry.path.stat().st_mtime for entry in entries if entry.measurement is not None]
    order = table.assign(written=times).sort_values("written", kind="stable")
    last = order.drop_duplicates(list(POINT_IDENTITY), keep="last").drop(columns="written")
    write_dataset(path, last.sort_values(["name", "key"]))
    return len(last)


def point_of(measurement: Measurement) -> Point:
    """The point that was measured."""
    design = {name: value for name, value in measurement.design.items() if name != "digest"}
    names = (
        "period_ps", "utilization", "seed", "operands", "mode", "run_terms", "flow", "perturbation",
    )  # fmt: skip
    return Point(
        design=PEDesign.from_dict(design),
        **{name: getattr(measurement, name) for name in names},
    )


def survey_lines(found: Survey) -> list[str]:
    """What was found, a line each."""
    lines = [
        f"{len(found.measured):,} measured, {len(found.failures):,} failed, "
        f"{len(found.damaged):,} damaged; {found.bytes / 1e6:,.1f} MB"
    ]
    lines += [f"  failed {count}: {reason}" for reason, count in _reasons(found.failures)]
    return [*lines, *(f"  damaged: {entry.path}: {entry.damage}" for entry in found.damaged)]


def _reasons(entries: list[Entry]) -> list[tuple[str, int]]:
    return Counter(
        entry.measurement.reason for entry in entries if entry.measurement is not None
    ).most_common()
