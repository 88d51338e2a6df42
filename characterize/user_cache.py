"""What takes long to make and can be made again at any time: kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from rtl_gen.atomic import write_bytes
from rtl_gen.errors import InputError


def cache_dir() -> Path:
    """``peforge`` in the user's cache folder (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "peforge"


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """What ``make`` gives, which is called the first time alone.

    A file that is damaged is made anew; where none can be written, ``make`` is called every time.

    Args:
        name: of the file, which must tell all that decides what is in it.
    """
    path = cache_dir() / name
    with contextlib.suppress(OSError):
        digest, _, data = path.read_bytes().partition(b"\n")
        if digest == _digest(data):
            return data
    data = make()
    with contextlib.suppress(InputError):
        write_bytes(path, _digest(data) + b"\n" + data)
    return data


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
