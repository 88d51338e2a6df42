"""What is kept between runs is what would be made anew, or is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from characterize import cell_cache
from characterize.cell_cache import cells_of
from characterize.liberty import read_cells
from characterize.platform import load_platform
from characterize.user_cache import cache_dir, kept
from rtl_gen.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_dir()


def never() -> bytes:
    raise AssertionError("it was there")


def test_it_is_made_once(cache: Path) -> None:
    assert kept("a/b.txt", lambda: b"text\n") == b"text\n"
    assert kept("a/b.txt", never) == b"text\n"
    assert [path.name for path in (cache / "a").iterdir()] == ["b.txt"]


@pytest.mark.parametrize("damage", [b"", b"text\n", b"\n", b"0" * 64 + b"\ntext\n"])
def test_what_is_damaged_is_made_anew(cache: Path, damage: bytes) -> None:
    kept("b.txt", lambda: b"text\n")
    whole = (cache / "b.txt").read_bytes()
    (cache / "b.txt").write_bytes(damage)
    assert kept("b.txt", lambda: b"text\n") == b"text\n"
    assert (cache / "b.txt").read_bytes() == whole


def test_without_a_folder_it_is_made_every_time(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("not a folder")
    assert kept("b.txt", lambda: b"1") == b"1"
    assert kept("b.txt", lambda: b"2") == b"2"


def test_cells_come_back_as_they_were_read(monkeypatch: pytest.MonkeyPatch) -> None:
    path = load_platform().liberty
    wanted = read_cells(path)
    assert cells_of(path) == wanted
    monkeypatch.setattr(cell_cache, "read_cells", lambda _: never())
    assert cells_of(path) == wanted
    assert list(cells_of(path)) == list(wanted)


def test_a_file_that_is_not_liberty_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.lib"
    with pytest.raises(InputError) as error:
        cells_of(path)
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"
    path.write_text("library (x) {")
    with pytest.raises(InputError) as error:
        cells_of(path)
    assert str(error.value).startswith(f"{path}: is not Liberty: ")
