"""A copy of a store's records in SQLite. It only saves time: without it, archives are read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
create table if not exists records (folder text, key text, changed integer, size integer,
  record text, primary key (folder, key)) without rowid;
create table if not exists rtl (memo text primary key, digest text) without rowid;
"""
_TICK_NS = 100_000_000
#: How long to wait for another process that writes.
_WAIT_S = 30.0


@dataclass(frozen=True)
class Stamp:
    """When a file was changed, in ns, and its size: what is the same was not touched."""

    changed: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """Of a file, or None if there is none."""
        try:
            status = path.stat()
        except OSError:
            return None
        # Of the inode, which no one can set: a file that was changed and dated back is noticed.
        return cls(status.st_ctime_ns, status.st_size)

    @property
    def settled(self) -> bool:
        """A change now would have another time: clocks of file systems tick in milliseconds."""
        return time.time_ns() - self.changed > _TICK_NS


class Index:
    """The copy in one file. What goes wrong with it means that it knows nothing.

    A connection belongs to the process that opened it: one that was forked opens its own.

    Args:
        path: the file; made when something is to be remembered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owner = 0
        self._connection: sqlite3.Connection | None = None

    def record(self, folder: str, key: str, stamp: Stamp) -> str | None:
        """The record of an entry, if it is the one that has this stamp."""
        return self._one(
            "select record from records where folder = ? and key = ? and changed = ? and size = ?",
            folder, key, stamp.changed, stamp.size,
        )  # fmt: skip

    def remember(self, folder: str, key: str, stamp: Stamp, record: str) -> None:
        """Keep the record of an entry."""
        self._write(
            "insert or replace into records values (?, ?, ?, ?, ?)",
            folder, key, stamp.changed, stamp.size, record,
        )  # fmt: skip

    def rtl(self, memo: str) -> str | None:
        """The digest that ``remember_rtl`` kept."""
        return self._one("select digest from rtl where memo = ?", memo)

    def remember_rtl(self, memo: str, digest: str) -> None:
        """Keep a digest."""
        self._write("insert or replace into rtl values (?, ?)", memo, digest)

    def _one(self, query: str, *values: str | int) -> str | None:
        with contextlib.suppress(sqlite3.Error):
            if (database := self._open(make=False)) is not None:
                row = database.execute(query, values).fetchone()
                return None if row is None else str(row[0])
        return None

    def _write(self, statement: str, *values: str | int) -> None:
        try:
            if (database := self._open(make=True)) is not None:
                database.execute(statement, values)
        except sqlite3.DatabaseError as error:
            if "malformed" in str(error) or "not a database" in str(error):
                self._connection = None
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)

    def _open(self, *, make: bool) -> sqlite3.Connection | None:
        if self._connection is None or self._owner != os.getpid():
            if not make and not self._path.is_file():
                return None
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
            # A lost write costs nothing but time, so there is no waiting for the disk.
            connection = sqlite3.connect(
                self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            connection.execute("pragma synchronous = off")
            connection.executescript(_TABLES)
            self._connection, self._owner = connection, os.getpid()
        return self._connection
