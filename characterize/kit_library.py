"""One Liberty file out of a kit's own: several files joined, unpacked, cells left out or mended.

What tools read must be one plain file. A kit whose Liberty is one already, and needs nothing of
this, is read from where it is. Else a copy is made once, and kept in the user's cache folder.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from characterize.liberty import read_units
from characterize.user_cache import cache_dir
from rtl_gen.atomic import write_bytes
from rtl_gen.errors import InputError
from rtl_gen.source import code_digest

_CELL = re.compile(r'\bcell\s*\(\s*"?([^\s")]+)"?\s*\)\s*\{')
_GROUP = re.compile(r'\b(\w+)\s*\(\s*"?([^\s")]*)"?\s*\)\s*\{')


@dataclass(frozen=True, kw_only=True)
class Mending:
    """What is changed in the copy.

    Attributes:
        left_out: patterns of cells that are not in it.
        kept: cells that are in it whatever the patterns say.
        reserved: cells that synthesis must not map logic to.
        areas: of all cells, in place of their own, in um2; None to leave them.
    """

    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    areas: Mapping[str, float] | None = None

    @property
    def nothing(self) -> bool:
        """Nothing."""
        return not (self.left_out or self.reserved or self.areas)


def is_plain(sources: Sequence[Path], mending: Mending) -> bool:
    """Tools can read the kit's file itself."""
    return len(sources) == 1 and sources[0].suffix != ".gz" and mending.nothing


def prepare(sources: Sequence[Path], mending: Mending) -> Path:
    """The file for the tools: the kit's own, or a copy, made once.

    Raises:
        OSError: if a file cannot be read.
        InputError: if one is not Liberty, files differ in units, or the copy cannot be written.
    """
    if is_plain(sources, mending):
        return sources[0]
    data = [path.read_bytes() for path in sources]
    digest = hashlib.sha256(f"{code_digest(Path(__file__))} {mending}".encode())
    for part in data:
        digest.update(hashlib.sha256(part).digest())
    path = cache_dir() / f"{sources[0].name.partition('.')[0]}-{digest.hexdigest()[:24]}.lib"
    if not path.exists():
        texts = [_text(source, part) for source, part in zip(sources, data, strict=True)]
        write_bytes(path, _joined(sources, texts, mending).encode())
    return path.resolve()


def _text(source: Path, data: bytes) -> str:
    try:
        plain = gzip.decompress(data) if source.suffix == ".gz" else data
        text = plain.decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{source}: cannot be unpacked: {error}") from None
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def _joined(sources: Sequence[Path], texts: Sequence[str], mending: Mending) -> str:
    """The first library with the cells of all, and the groups that only the others have."""
    units = [read_units(text, str(path)) for path, text in zip(sources, texts, strict=True)]
    for path, own in zip(sources, units, strict=True):
        if own != units[0]:
            raise InputError(f"{path}: has other units than {sources[0].name}: they must be alike")
    head, cells = _split(texts[0], sources[0])
    known = {(match[1], match[2]) for match in _GROUP.finditer(head)}
    parts = [head]
    for path, text in zip(sources[1:], texts[1:], strict=True):
        other, more = _split(text, path)
        cells += more
        for name, argument, group in _groups(other, path):
            if (name, argument) not in known and name != "operating_conditions":
                known.add((name, argument))
                parts.append(group)
    names: set[str] = set()
    for name, text in cells:
        if name in names or _left_out(name, mending):
            continue
        names.add(name)
        parts.append(_mended(name, text, mending))
    return "\n".join([*parts, "}\n"])


def _split(text: str, source: Path) -> tuple[str, list[tuple[str, str]]]:
    """What stands before, between and behind the cells, without the last brace; and the cells."""
    rest, cells, at = [], [], 0
    while found := _CELL.search(text, at):
        end = _end(text, found.end(), source)
        rest.append(text[at : found.start()])
        cells.append((found[1], text[found.start() : end]))
        at = end
    rest.append(text[at:])
    head = "".join(rest).rstrip()
    if not head.endswith("}") or not cells:
        raise InputError(f"{source}: is not Liberty: it has no cells, or no end")
    return head[:-1], cells


def _groups(head: str, source: Path) -> Iterator[tuple[str, str, str]]:
    """The groups of a library that are no cells: name, argument, text."""
    at = head.index("{") + 1
    while found := _GROUP.search(head, at):
        at = _end(head, found.end(), source)
        yield found[1], found[2], head[found.start() : at]


def _end(text: str, at: int, source: Path) -> int:
    """Behind the brace that closes the group whose opening one is before ``at``."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, at):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    raise InputError(f"{source}: is not Liberty: a group has no end")


def _left_out(name: str, mending: Mending) -> bool:
    patterns: Collection[str] = mending.left_out
    return name not in mending.kept and any(fnmatch.fnmatchcase(name, p) for p in patterns)


def _mended(name: str, text: str, mending: Mending) -> str:
    area = (mending.areas or {}).get(name)
    if area is not None:
        text = re.sub(r"\barea\s*:\s*[0-9.eE+-]+\s*;", f"area : {area:g};", text, count=1)
    if name in mending.reserved:
        text = re.sub(r"\bdont_use\s*:\s*\w+\s*;", "", text)
        text = text.replace("{", "{\n  dont_use : true;", 1)
    return text
