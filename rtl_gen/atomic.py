"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from rtl_gen.errors import InputError


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it; makes the folder if needed.

    Raises:
        InputError: if the folder or file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A temporary file beside ``path``, which takes its place if all goes well.

    Raises:
        InputError: if the folder or file cannot be written.
    """
    temporary: Path | None = None
    check_target(path)
    _make(path.parent, path)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """``write_bytes`` for UTF-8 text.

    Raises:
        InputError: as there.
    """
    write_bytes(path, text.encode())


def check_target(path: Path) -> None:
    """Refuse a path that a file cannot take the place of.

    Raises:
        InputError: if it is a folder or a device, or a file is where its folder must be.
    """
    try:
        wrong = path.exists() and not path.is_file()
        above = next((parent for parent in path.parents if parent.exists()), None)
        blocked = above is not None and not above.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    if blocked:
        raise InputError(f"{path}: cannot be written: a file is where a folder is needed")
    if wrong:
        raise InputError(f"{path}: cannot be written: it is not a file")


def make_folder(path: Path) -> None:
    """Make a folder and check that files can be made in it.

    Raises:
        InputError: if not.
    """
    _make(path, path)
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _make(folder: Path, wanted: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(
            f"{wanted}: cannot be written: a file is where a folder is needed"
        ) from None
    except OSError as error:
        raise InputError(f"{wanted}: cannot be written: {error.strerror}") from None
