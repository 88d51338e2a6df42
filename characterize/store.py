"""Where measurements live: one archive each, addressed by content, verified when it is read.

``<root>/<2 hex>/<key>.zip`` holds ``measurement.json`` and the files of the flow;
``<root>/failed`` the same of failed points, which are tried again; ``<root>/actions`` tables of
energies per action; ``<root>/work`` what is under way; ``<root>/claims`` what some campaign is
measuring. ``<root>/index.sqlite`` is a copy of the records, so that a hundred thousand points are
looked up in seconds; it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from characterize.action_files import Origin, load_record, load_table, origin_of, save_table
from characterize.actions import ActionTable
from characterize.measurement import Measurement
from characterize.process import StepError
from characterize.store_index import Index, Stamp
from rtl_gen.atomic import make_folder, write_bytes
from rtl_gen.errors import InputError

RECORD = "measurement.json"
_KEY = re.compile(r"[0-9a-f]{64}")
#: What a store has in its folder, beside the folders of two digits.
_OWN = ("actions", "claims", "failed", "index.sqlite", "libraries", "work")
#: Work of another host, or of another container, is taken for dead after this, in seconds.
_FORGOTTEN_S = 2 * 24 * 3600
#: What an archive that cannot be read raises.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What an archive of a store holds.

    Attributes:
        path: the archive.
        size: its bytes.
        measurement: None if it is damaged.
        damage: what is wrong, else "".
    """

    path: Path
    size: int
    measurement: Measurement | None
    damage: str


@dataclass
class Store:
    """Measurements under one folder. Several processes may read and write it at once.

    Attributes:
        root: the folder; it need not be there.
    """

    root: Path
    _index: Index = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._index = Index(self.root / "index.sqlite")

    @property
    def exists(self) -> bool:
        """Whether the folder has what a store has."""
        return any((self.root / name).exists() for name in _OWN) or bool(self._firsts())

    def _firsts(self) -> list[Path]:
        return sorted(self.root.glob("[0-9a-f][0-9a-f]"))

    def require_writable(self) -> None:
        """Make the folder if needed, and check that entries can be added.

        Raises:
            InputError: if not, or if the folder has other things in it.
        """
        make_folder(self.root)
        if not (self.root / "index.sqlite").is_file():
            own = {*_OWN, "lost+found", *(path.name for path in self._firsts())}
            if others := sorted(path.name for path in self.root.iterdir() if path.name not in own):
                raise InputError(
                    f"{self.root}: is no store, there is {others[0]} in it; name a new folder"
                )
        make_folder(self.root / "work")

    def get(self, key: str) -> Measurement | None:
        """The measurement of this key, or None if there is none or it is damaged.

        An archive is read whole, and every file in it held against its checksum, unless it was
        before and has not been touched since; the record has a checksum of its own then.
        """
        return self._read(self.path(key), key)

    def failed(self, key: str) -> Measurement | None:
        """The last failure of this key, if that is how it ended."""
        return self._read(self._failure_path(key), key)

    def has(self, key: str) -> bool:
        """Whether there is an entry of this key, damaged or not."""
        return self.path(key).is_file()

    def files(self, key: str) -> dict[str, bytes]:
        """The files of the flow of an entry, by name.

        Raises:
            InputError: if there is no such entry, or it is damaged.
        """
        try:
            return _unpacked(self.path(key))[1]
        except _DamagedError as error:
            raise InputError(f"{self.path(key)}: {error}") from None

    def unpack(self, key: str, folder: Path) -> Path:
        """Write the files of the flow of an entry into a folder, which is made if needed.

        Raises:
            InputError: if there is no such entry, it is damaged, or a file cannot be written.
        """
        for name, content in self.files(key).items():
            write_bytes(folder / name, content)
        return folder

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order of their keys, each verified; then the failures."""
        for folder in (*self._firsts(), self.root / "failed"):
            for path in sorted(folder.glob("*.zip")):
                if _KEY.fullmatch(path.stem):
                    yield _entry(path)

    def path(self, key: str) -> Path:
        """Where the entry of a key is."""
        return self.root / key[:2] / f"{key}.zip"

    def _failure_path(self, key: str) -> Path:
        return self.root / "failed" / f"{key}.zip"

    def _read(self, path: Path, key: str) -> Measurement | None:
        stamp = Stamp.of(path)
        if stamp is None:
            return None
        with contextlib.suppress(_DamagedError):
            if text := self._index.record(path.parent.name, key, stamp):
                return _measurement(_checked(text), key)
        try:
            record, _ = _unpacked(path)
            measurement = _measurement(record, key)
        except _DamagedError:
            return None
        if stamp.settled:
            self._index.remember(path.parent.name, key, stamp, json.dumps(record))
        return measurement

    def put(self, measurement: Measurement, folder: Path) -> None:
        """Take over ``folder`` (from ``work_folder``) with its files as the entry of its key.

        Raises:
            InputError: if it cannot be written.
        """
        with self._writing():
            self.adopt(pack(measurement, folder), measurement)
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, archive: Path, measurement: Measurement) -> None:
        """Move an archive (``pack``) to its place; the entry appears whole or not at all.

        A damaged or failed one of this key is replaced.

        Raises:
            InputError: if it cannot be written.
        """
        failed = self._failure_path(measurement.key)
        target = failed if measurement.status == "failed" else self.path(measurement.key)
        with self._writing():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                shutil.rmtree(target)
            archive.replace(target)
            if target != failed:
                failed.unlink(missing_ok=True)

    def remove(self, entry: Entry) -> None:
        """Remove an entry.

        Raises:
            InputError: if it cannot be removed.
        """
        with self._writing():
            if entry.path.is_dir():
                shutil.rmtree(entry.path)
            else:
                entry.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.root}: cannot be written: {error.strerror}") from None

    def work_folder(self) -> Path:
        """A new empty folder on the same file system, marked with this process and its host.

        Raises:
            InputError: if it cannot be made.
        """
        work = self.root / "work"
        with self._writing():
            work.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=work, prefix=f"{os.getpid()}-{_here()}-"))

    def clean_work(self) -> None:
        """Remove what processes that are gone have left under way."""
        for path in (self.root / "work").glob("*-*-*"):
            mark = re.fullmatch(r"(\d+)-([0-9a-f]{8})-\w{8}", path.name)
            if mark and _is_left(path, int(mark[1]), mark[2]):
                shutil.rmtree(path, ignore_errors=True)

    def claim(self, key: str) -> Claim | None:
        """The right to measure a key, until it is released or this process ends.

        Returns:
            None if another process has it.

        Raises:
            InputError: if claims cannot be written.
        """
        folder = self.root / "claims"
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / key
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return Claim(path, descriptor)

    def actions_path(self, key: str) -> Path:
        """Where the table of actions is that today's code takes of a measurement, of this key."""
        return self.root / "actions" / f"{origin_of(key).key}.json"

    def actions(self, key: str) -> ActionTable | None:
        """The table of actions of a measurement, or None if there is none or it is damaged."""
        try:
            return load_table(self.actions_path(key))
        except InputError:
            return None

    def put_actions(self, key: str, table: ActionTable) -> None:
        """Keep the table of actions of a measurement.

        Raises:
            InputError: if it cannot be written.
        """
        save_table(self.actions_path(key), table, origin_of(key))

    def action_tables(self) -> Iterator[tuple[Origin, ActionTable]]:
        """Every whole table, of whatever code, in the order of their keys."""
        for path in sorted((self.root / "actions").glob("*.json")):
            with contextlib.suppress(InputError):
                table, origin = load_record(path)
                if origin is not None:
                    yield origin, table

    def remembered_rtl(self, memo_key: str) -> str | None:
        """The digest of generated RTL kept by ``remember_rtl``, if any."""
        digest, _, checksum = (self._index.rtl(memo_key) or "").partition(" ")
        return digest if checksum == _sha256(f"{memo_key} {digest}".encode()) else None

    def remember_rtl(self, memo_key: str, digest: str) -> None:
        """Keep the digest of the RTL of a design, so that looking a point up need not make it."""
        if self.exists:  # who only asks leaves no file behind
            self._index.remember_rtl(
                memo_key, f"{digest} {_sha256(f'{memo_key} {digest}'.encode())}"
            )


@dataclass(frozen=True)
class Claim:
    """The right to measure one key: a lock on a file, which ends with the process at the latest."""

    path: Path
    descriptor: int

    def release(self) -> None:
        """Let others measure it."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def pack(measurement: Measurement, folder: Path) -> Path:
    """The archive of a measurement and the files in its folder, made in that folder.

    Raises:
        OSError: if it cannot be written.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    contents = {path.name: path.read_bytes() for path in files}
    digests = {name: _sha256(content) for name, content in contents.items()}
    payload = {"measurement": measurement.to_dict(), "files": digests}
    record = json.dumps({"checksum": _checksum(payload), **payload}, indent=1, sort_keys=True)
    archive = folder / "entry.zip"
    with archive.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in {RECORD: record.encode(), **contents}.items():
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        file.flush()
        os.fsync(file.fileno())
    return archive


def unpack_record(archive: Path, key: str) -> Measurement:
    """The measurement in an archive, all of which is verified.

    Raises:
        StepError: if it is not what ``pack`` wrote.
    """
    try:
        return _measurement(_unpacked(archive)[0], key)
    except _DamagedError as error:
        raise StepError(str(error)) from None


def _checksum(payload: dict[str, Any]) -> str:
    return _sha256(json.dumps(payload, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.cache
def _here() -> str:
    """Where process numbers mean the same: this host since it started, and this container."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    space = Path("/proc/self/ns/pid").stat().st_ino
    return hashlib.sha256(f"{platform.node()} {boot} {space}".encode()).hexdigest()[:8]


def _is_left(path: Path, process: int, where: str) -> bool:
    """Whether the process that made a folder is gone, as far as can be told from here."""
    if where == _here():
        return not Path("/proc", str(process)).exists()
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > _FORGOTTEN_S
    return False


def _entry(path: Path) -> Entry:
    size = path.stat().st_size if path.is_file() else 0
    try:
        key = path.name.removesuffix(".zip")
        measurement, damage = _measurement(_unpacked(path)[0], key), ""
    except _DamagedError as error:
        measurement, damage = None, str(error)
    return Entry(path=path, size=size, measurement=measurement, damage=damage)


class _DamagedError(Exception):
    """An entry is not what was written; the message says what is wrong."""


def _unpacked(archive: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The record of an archive and its files, all held against their checksums."""
    try:
        with zipfile.ZipFile(archive) as packed:
            contents = {name: packed.read(name) for name in packed.namelist()}
    except OSError as error:
        raise _DamagedError(error.strerror or "cannot be read") from None
    except _UNREADABLE:
        raise _DamagedError("is not an archive, or is cut off") from None
    if RECORD not in contents:
        raise _DamagedError(f"{RECORD} is missing")
    record = _checked(contents.pop(RECORD))
    for name in sorted({*record["files"], *contents}):
        if name not in contents:
            raise _DamagedError(f"{name} is missing")
        if record["files"].get(name) != _sha256(contents[name]):
            raise _DamagedError(f"{name} is not what was written")
    return record, contents


def _checked(text: str | bytes) -> dict[str, Any]:
    """A record that is what was written."""
    try:
        record: dict[str, Any] = json.loads(text)
        payload = {"measurement": record["measurement"], "files": dict(record["files"])}
        checksum = record["checksum"]
    except (ValueError, KeyError, TypeError):
        raise _DamagedError(f"{RECORD} is not a record") from None
    if checksum != _checksum(payload):
        raise _DamagedError(f"{RECORD} is not what was written")
    return record


def _measurement(record: dict[str, Any], key: str) -> Measurement:
    try:
        measurement = Measurement.from_dict(record["measurement"])
    except (StepError, TypeError, AttributeError):
        raise _DamagedError(f"{RECORD} is of another version") from None
    if measurement.key != key:
        raise _DamagedError(f"its key is {measurement.key}")
    return measurement
