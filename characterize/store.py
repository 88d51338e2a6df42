"""Where measurements live: one folder each, addressed by content, verified on every read.

``<root>/<2 hex>/<key>/`` holds ``measurement.json`` and the files of the flow; ``<root>/failed``
the same of failed points, which are tried again; ``<root>/work`` what is under way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from characterize.actions import ActionTable, load_table, save_table
from characterize.measurement import Measurement
from characterize.process import StepError
from rtl_gen.atomic import make_folder, write_text
from rtl_gen.errors import InputError

_RECORD = "measurement.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a folder of a store holds.

    Attributes:
        path: the folder.
        size: bytes of its files.
        measurement: None if it is damaged.
        damage: what is wrong, else "".
    """

    path: Path
    size: int
    measurement: Measurement | None
    damage: str


class Store:
    """Measurements under one folder. Several processes may read and write it at once.

    Args:
        root: the folder; made if needed.

    Raises:
        InputError: if the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        make_folder(root)
        make_folder(root / "work")
        self.root = root

    def get(self, key: str) -> Measurement | None:
        """The measurement of this key, or None if there is none or it is damaged.

        Every file is held against the checksum that was taken when it was written.
        """
        return _read(self._folder(key), key)

    def actions_path(self, key: str) -> Path:
        """Where the table of actions with this key (``characterize.actions.table_key``) is."""
        return self.root / "actions" / f"{key}.json"

    def actions(self, key: str) -> ActionTable | None:
        """The table of actions with this key, or None if there is none or it is damaged."""
        try:
            return load_table(self.actions_path(key))
        except InputError:
            return None

    def put_actions(self, key: str, table: ActionTable) -> None:
        """Keep a table of actions."""
        save_table(self.actions_path(key), table)

    def has(self, key: str) -> bool:
        """Whether there is an entry of this key, damaged or not."""
        return (self._folder(key) / _RECORD).is_file()

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order of their keys, each verified; then the failures."""
        for first in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            yield from (_entry(path) for path in sorted(first.iterdir()))
        for path in sorted((self.root / "failed").glob("*")):
            yield _entry(path)

    def remove(self, entry: Entry) -> None:
        """Remove an entry; it is never seen in part."""
        gone = self.work_folder()
        with contextlib.suppress(FileNotFoundError):
            entry.path.rename(gone / "old")
        shutil.rmtree(gone, ignore_errors=True)

    def failed(self, key: str) -> Measurement | None:
        """The last failure of this key, if that is how it ended."""
        return _read(self.root / "failed" / key, key)

    def _folder(self, key: str) -> Path:
        return self.root / key[:2] / key

    def work_folder(self) -> Path:
        """A new empty folder on the same file system, marked with this process."""
        work = self.root / "work"
        work.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=work, prefix=f"{os.getpid()}-"))

    def clean_work(self) -> None:
        """Remove what processes that are gone have left under way."""
        for path in (self.root / "work").glob("*-*"):
            owner = path.name.partition("-")[0]
            if not Path("/proc", owner).exists():
                shutil.rmtree(path, ignore_errors=True)

    def put(self, measurement: Measurement, folder: Path) -> None:
        """Take over ``folder`` (from ``work_folder``) with its files as the entry of this key.

        The entry appears whole or not at all. A damaged or failed one of this key is replaced.
        """
        payload = {"measurement": measurement.to_dict(), "files": _digests(folder)}
        record = {"checksum": _checksum(payload), **payload}
        (folder / _RECORD).write_text(json.dumps(record, indent=1, sort_keys=True))
        for path in folder.iterdir():
            if not path.is_symlink():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        failed = self.root / "failed" / measurement.key
        target = failed if measurement.status == "failed" else self._folder(measurement.key)
        if target.parent.is_file():  # a damaged store: nothing but folders belongs here
            target.parent.unlink()
        target.parent.mkdir(parents=True, exist_ok=True)
        self._replace(folder, target)
        if target != failed:
            shutil.rmtree(failed, ignore_errors=True)

    def _replace(self, folder: Path, target: Path) -> None:
        while True:
            try:
                folder.rename(target)
                return
            except OSError:
                if not target.exists():
                    raise
                # A folder cannot replace a folder: move the old one out of sight first.
                old = self.work_folder()
                with contextlib.suppress(FileNotFoundError):
                    target.rename(old / "old")
                shutil.rmtree(old, ignore_errors=True)

    def remembered_rtl(self, memo_key: str) -> str | None:
        """The digest of generated RTL kept by ``remember_rtl``, if any."""
        try:
            text = (self.root / "rtl" / memo_key).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return text if re.fullmatch(r"[0-9a-f]{64}", text) else None

    def remember_rtl(self, memo_key: str, digest: str) -> None:
        """Keep the digest of the RTL of a design, so that looking a point up need not make it."""
        write_text(self.root / "rtl" / memo_key, digest)


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if not path.is_symlink() and path.name != _RECORD
    }


def _checksum(payload: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def _entry(path: Path) -> Entry:
    size = sum(file.stat().st_size for file in path.glob("*") if not file.is_symlink())
    try:
        measurement, damage = _verified(path, path.name), ""
    except _DamagedError as error:
        measurement, damage = None, str(error)
    return Entry(path=path, size=size, measurement=measurement, damage=damage)


def _read(folder: Path, key: str) -> Measurement | None:
    try:
        return _verified(folder, key)
    except _DamagedError:
        return None


class _DamagedError(Exception):
    """An entry is not what was written; the message says what is wrong."""


def _verified(folder: Path, key: str) -> Measurement:
    """The measurement of an entry, whose files are all held against their checksums."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        payload = {"measurement": record["measurement"], "files": record["files"]}
        if record["checksum"] != _checksum(payload):
            raise _DamagedError(f"{_RECORD} is not what was written")
        found = _digests(folder)
        for name in sorted({*record["files"], *found}):
            if name not in found:
                raise _DamagedError(f"{name} is missing")
            if record["files"].get(name) != found[name]:
                raise _DamagedError(f"{name} is not what was written")
        measurement = Measurement.from_dict(record["measurement"])
    except OSError as error:
        raise _DamagedError(f"{Path(error.filename or folder).name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, StepError):
        raise _DamagedError(f"{_RECORD} is not a record") from None
    if measurement.key != key:
        raise _DamagedError(f"its key is {measurement.key}")
    return measurement
