"""Switching activity from a value change dump (VCD)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from characterize.process import StepError

_VARIABLE = re.compile(rb"\$var\s+\w+\s+(\d+)\s+(\S+)\s+(\S+)(?:\s+\[[^\]]*\])?\s+\$end")
_UNKNOWN = 2


@dataclass(frozen=True)
class Activity:
    """What one net did in the window.

    Attributes:
        toggles: changes between 0 and 1.
        high: fraction of the window at 1; time at an unknown value counts as 0.
    """

    toggles: int
    high: float


def read_activity(path: Path) -> dict[str, Activity]:
    """The activity of every net of the one dumped scope, from the dump's start to its end.

    The window runs from the first time stamp to ``$dumpoff``. Bits of a vector ``v`` are named
    ``v[3]``.

    Raises:
        StepError: if the dump is incomplete or empty.
    """
    data = path.read_bytes()
    head, found, body = data.partition(b"$enddefinitions $end")
    body, ended, _ = body.partition(b"$dumpoff")
    if not found or not ended:
        raise StepError("the value change dump is incomplete")
    names: dict[bytes, list[str]] = {}
    for width, code, name in _VARIABLE.findall(head):
        names[code] = _bit_names(name.decode(), int(width))
    events = _events(body, names)
    return _summarise(events, [bit for bits in names.values() for bit in bits])


def _bit_names(name: str, width: int) -> list[str]:
    """Names of the bits, the highest first, as a VCD vector value lists them."""
    return [name] if width == 1 else [f"{name}[{bit}]" for bit in reversed(range(width))]


@dataclass(frozen=True)
class _Events:
    """Value changes in time order: which bit, when (ps), to what (0, 1, 2 for unknown)."""

    bit: NDArray[np.int64]
    time: NDArray[np.int64]
    value: NDArray[np.int64]
    start: int
    end: int


def _events(body: bytes, names: dict[bytes, list[str]]) -> _Events:
    """Split the dump into events.

    A dump has millions of lines: only vectors, which are few, and time stamps are taken one by one.
    """
    text = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
    length = ends - starts
    kind = np.where(length > 1, text[starts], 0).astype(np.uint8)

    is_time = kind == ord("#")
    stamps = [int(body[a + 1 : b]) for a, b in zip(starts[is_time], ends[is_time], strict=True)]
    if not stamps:
        raise StepError("the value change dump is empty")
    times = np.zeros(len(ends), dtype=np.int64)
    times[is_time] = stamps
    times = np.maximum.accumulate(times)

    first_bit = dict(zip(names, np.cumsum([0, *map(len, names.values())]), strict=False))
    scalar = np.flatnonzero(np.isin(kind, np.frombuffer(b"01xz", dtype=np.uint8)))
    keys = _keys(text, starts[scalar] + 1, ends[scalar])
    known = np.array([int.from_bytes(code, "little") for code in names])
    order = np.argsort(known)
    bits = np.array([first_bit[code] for code in names])[order][np.searchsorted(known[order], keys)]
    parts = [(bits, times[scalar], _level(kind[scalar]))]
    for line in np.flatnonzero(kind == ord("b")):
        digits, code = body[starts[line] + 1 : ends[line]].split()
        values = _vector(digits, len(names[code]))
        where = first_bit[code] + np.arange(len(values))
        parts.append((where, np.full(len(values), times[line]), values))
    bit, when, what = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Events(bit, when, what, stamps[0], stamps[-1])


def _keys(
    text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The identifier codes between these positions, as little-endian integers."""
    keys = np.zeros(len(starts), dtype=np.int64)
    for place in range(int((ends - starts).max(initial=0))):
        inside = starts + place < ends
        keys[inside] |= text[starts[inside] + place].astype(np.int64) << (8 * place)
    return keys


def _level(characters: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.where(
        characters == ord("0"), 0, np.where(characters == ord("1"), 1, _UNKNOWN)
    ).astype(np.int64)


def _vector(digits: bytes, width: int) -> NDArray[np.int64]:
    fill = digits[:1] if digits[:1] in (b"x", b"z") else b"0"
    return _level(np.frombuffer(digits.rjust(width, fill), dtype=np.uint8))


def _summarise(events: _Events, names: list[str]) -> dict[str, Activity]:
    # Each bit's events are in time order already: vectors and scalars are different nets.
    order = np.argsort(
        events.bit.astype(np.uint16 if len(names) < 1 << 16 else np.int64), kind="stable"
    )
    bit, time, value = events.bit[order], events.time[order], events.value[order]
    same_net = bit[1:] == bit[:-1]
    known = (value[1:] != _UNKNOWN) & (value[:-1] != _UNKNOWN)
    toggled = same_net & known & (value[1:] != value[:-1])
    toggles = np.bincount(bit[1:][toggled], minlength=len(names))
    until = np.append(np.where(same_net, time[1:], events.end), events.end)
    at_one = value == 1
    high = np.bincount(bit[at_one], (until - time)[at_one], minlength=len(names))
    span = max(1, events.end - events.start)
    return {
        name: Activity(int(toggles[index]), float(high[index] / span))
        for index, name in enumerate(names)
    }
