"""Switching activity from a value change dump (VCD), read while the simulator writes it.

A dump has gigabytes for a large PE: it is taken in pieces and never kept. A run may be divided into
phases: the dump has a variable (``PHASE``) that tells which one the time belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from characterize.process import StepError

#: The variable of the dump that tells the phase: its number plus one, 0 between phases.
PHASE = "phase"

_CHUNK_BYTES = 1 << 20
_HEAD_END = b"$enddefinitions $end"
_BODY_END = b"$dumpoff"
_SCOPE_OR_VARIABLE = re.compile(
    rb"\$(scope)\s+\S+\s+(\S+)\s+\$end|\$(upscope)\s+\$end|"
    rb"\$var\s+\w+\s+(\d+)\s+(\S+)\s+(\S+)(?:\s+\[[^\]]*\])?\s+\$end"
)
_UNKNOWN = 2

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Activity:
    """What one net did in a window.

    Attributes:
        toggles: changes between 0 and 1.
        high: fraction of the window at 1; time at an unknown value counts as 0.
    """

    toggles: int
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Activities:
    """What every net did in each phase.

    Attributes:
        names: of the nets; bits of a vector ``v`` are named ``v[3]``.
        toggles: changes between 0 and 1, shape ``[phases, nets]``.
        high_ps: time at 1 in ps, likewise; time at an unknown value does not count.
        span_ps: length of each phase, shape ``[phases]``.
    """

    names: tuple[str, ...]
    toggles: Integers
    high_ps: Integers
    span_ps: Integers

    def window(self, phases: Iterable[int]) -> dict[str, Activity]:
        """The activity of every net in these phases together."""
        chosen = list(phases)
        toggles = self.toggles[chosen].sum(axis=0).tolist()
        high = self.high_ps[chosen].sum(axis=0) / max(1, int(self.span_ps[chosen].sum()))
        return {
            name: Activity(count, share)
            for name, count, share in zip(self.names, toggles, high.tolist(), strict=True)
        }


def read_activity(path: Path) -> dict[str, Activity]:
    """The activity of every net of a dump in a file, from the dump's start to its end.

    Raises:
        StepError: if the dump is incomplete or empty.
    """
    counter = ActivityCounter(phases=1)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            counter.feed(chunk)
    return counter.finish().window([0])


class ActivityCounter:
    """Counts the toggles of a dump that comes in pieces.

    The nets are those of the innermost dumped scope. Without a variable ``phase`` around it, the
    dump is one phase, from its first time stamp to ``$dumpoff``; with it, a phase may go on again
    later, and time and changes between phases do not count.

    Args:
        phases: number of phases.
    """

    def __init__(self, *, phases: int) -> None:
        self._phases = phases
        self._rest = b""
        self._state: _State | None = None
        self._nets: _Nets | None = None
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            StepError: if it is not part of a dump.
        """
        if self._ended:
            return
        data = self._rest + data
        if self._nets is None:
            head, found, body = data.partition(_HEAD_END)
            if not found:
                self._rest = data
                return
            self._nets = _Nets.of_head(head)
            self._state = _State(self._nets.count, self._phases, marked=self._nets.marker != b"")
            data = body
        whole = data.rfind(b"\n") + 1
        self._rest = data[whole:]
        body, found, _ = data[:whole].partition(_BODY_END)
        self._ended = bool(found)
        if body:
            self._take(body)

    def finish(self) -> Activities:
        """The counts.

        Raises:
            StepError: if the dump has no end, or no time in a phase.
        """
        if self._state is None or self._nets is None or not self._ended:
            raise StepError("the value change dump is incomplete")
        state = self._state
        state.settle(state.time)
        if state.start is None:
            raise StepError("the value change dump is empty")
        columns = self._nets.columns
        return Activities(
            names=self._nets.names,
            toggles=state.toggles[:, columns],
            high_ps=state.high[:, columns],
            span_ps=state.span,
        )

    def _take(self, body: bytes) -> None:
        """Whole lines: changes of the nets, divided where the phase changes."""
        assert self._state is not None
        assert self._nets is not None
        state = self._state
        events, changes = _events(body, self._nets, state)
        at = 0
        for line, time, phase in changes:
            until = int(np.searchsorted(events.line, line))
            state.count(events, at, until)
            state.change_phase(time, phase)
            at = until
        state.count(events, at, len(events.line))


class _Nets:
    """The head of a dump: which identifier code is which bits.

    Attributes:
        names: of all bits.
        columns: for each name its bit; several names may be one net.
        count: of bits.
        marker: identifier code of the phase; b"" if the dump has none.
    """

    def __init__(self, variables: list[tuple[bytes, str, int]], marker: bytes) -> None:
        self.marker = marker
        self.first: dict[bytes, int] = {}
        self.width: dict[bytes, int] = {}
        self.count = 0
        names: list[str] = []
        columns: list[int] = []
        for code, name, width in variables:
            if code not in self.first:
                self.first[code], self.width[code] = self.count, width
                self.count += width
            names += _bit_names(name, width)
            columns += range(self.first[code], self.first[code] + width)
        self.names = tuple(names)
        self.columns = np.array(columns, dtype=np.int64)
        codes = np.array([int.from_bytes(code, "little") for code in self.first], dtype=np.int64)
        order = np.argsort(codes)
        self.known = codes[order]
        self.bits = np.array(list(self.first.values()), dtype=np.int64)[order]

    @classmethod
    def of_head(cls, head: bytes) -> _Nets:
        """Read the declarations.

        Raises:
            StepError: if there are none.
        """
        depth, variables = 0, []
        for scope, _, up, width, code, name in _SCOPE_OR_VARIABLE.findall(head):
            depth += bool(scope) - bool(up)
            if code:
                variables.append((depth, code, name.decode(), int(width)))
        if not variables:
            raise StepError("the value change dump declares no nets")
        inner = max(depth for depth, *_ in variables)
        outer = [v for v in variables if v[0] < inner and v[2] == PHASE]
        nets = [(code, name, width) for depth, code, name, width in variables if depth == inner]
        return cls(nets, outer[0][1] if outer else b"")


def _bit_names(name: str, width: int) -> list[str]:
    """Names of the bits, the highest first, as a VCD vector value lists them."""
    return [name] if width == 1 else [f"{name}[{bit}]" for bit in reversed(range(width))]


@dataclass(frozen=True)
class _Events:
    """Value changes in the order of the dump: in which line, which bit, when (ps), to what.

    Values are 0, 1, and 2 for unknown.
    """

    line: Integers
    bit: Integers
    time: Integers
    value: Integers


class _State:
    """What is known of every bit, and the counts so far."""

    def __init__(self, bits: int, phases: int, *, marked: bool) -> None:
        self.time = 0
        self.start: int | None = None
        self.phase = -1 if marked else 0
        self.began = 0
        self.value = np.full(bits, _UNKNOWN, dtype=np.int64)
        self.since = np.zeros(bits, dtype=np.int64)
        self.toggles = np.zeros((phases, bits), dtype=np.int64)
        self.high = np.zeros((phases, bits), dtype=np.int64)
        self.span = np.zeros(phases, dtype=np.int64)

    def begin(self, time: int) -> None:
        """The first time stamp."""
        if self.start is None:
            self.start = self.began = time

    def count(self, events: _Events, first: int, last: int) -> None:
        """Take a slice of events, all of the present phase."""
        if first == last:
            return
        bit = events.bit[first:last]
        order = np.argsort(
            bit.astype(np.uint16 if len(self.value) < 1 << 16 else np.int64), kind="stable"
        )
        bit, time, value = (
            bit[order],
            events.time[first:last][order],
            events.value[first:last][order],
        )
        same = bit[1:] == bit[:-1]
        begins, ends = np.append(True, ~same), np.append(~same, True)
        before, since = np.roll(value, 1), np.roll(time, 1)
        before[begins], since[begins] = self.value[bit[begins]], self.since[bit[begins]]
        if self.phase >= 0:
            toggled = (before != _UNKNOWN) & (value != _UNKNOWN) & (before != value)
            size = len(self.value)
            self.toggles[self.phase] += np.bincount(bit[toggled], minlength=size)
            one = before == 1
            spent = np.bincount(bit[one], (time - since)[one], minlength=size)
            self.high[self.phase] += spent.astype(np.int64)
        self.value[bit[ends]], self.since[bit[ends]] = value[ends], time[ends]

    def settle(self, time: int) -> None:
        """Count the time at 1 until now."""
        if self.phase >= 0:
            one = self.value == 1
            self.high[self.phase][one] += time - self.since[one]
            self.span[self.phase] += time - self.began
        self.since[:] = time
        self.began = time

    def change_phase(self, time: int, phase: int) -> None:
        """End the present phase and go on with another; -1 for none."""
        if phase >= len(self.span):
            raise StepError(f"the value change dump has a phase {phase} of {len(self.span)}")
        self.settle(time)
        self.phase = phase


def _events(body: bytes, nets: _Nets, state: _State) -> tuple[_Events, list[tuple[int, int, int]]]:
    """Split whole lines into events, and changes of the phase: line, time, phase.

    A dump has millions of lines: only those of vectors, which are few, are taken one by one.
    """
    text = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
    kind = np.where(ends - starts > 1, text[starts], 0).astype(np.uint8)

    stamps = np.flatnonzero(kind == ord("#"))
    times = np.zeros(len(ends), dtype=np.int64)
    times[stamps] = _decimals(text, starts[stamps] + 1, ends[stamps])
    if len(stamps):
        state.begin(int(times[stamps[0]]))
    times = np.maximum.accumulate(np.maximum(times, state.time))
    if len(times):
        state.time = int(times[-1])

    scalar = np.flatnonzero(np.isin(kind, np.frombuffer(b"01xz", dtype=np.uint8)))
    keys = _keys(text, starts[scalar] + 1, ends[scalar])
    place = np.minimum(np.searchsorted(nets.known, keys), len(nets.known) - 1)
    ours = nets.known[place] == keys
    scalar, place = scalar[ours], place[ours]
    parts = [(scalar, nets.bits[place], _level(kind[scalar]))]
    changes = []
    for line in np.flatnonzero(kind == ord("b")).tolist():
        digits, code = body[starts[line] + 1 : ends[line]].split()
        if code == nets.marker:
            phase = int(digits, 2) - 1 if digits.isdigit() else -1
            changes.append((line, int(times[line]), phase))
        elif code in nets.first:
            values = _vector(digits, nets.width[code])
            where = nets.first[code] + np.arange(len(values))
            parts.append((np.full(len(values), line), where, values))
    lines, bit, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(lines, kind="stable")
    lines = lines[order]
    return _Events(lines, bit[order], times[lines], value[order]), changes


def _decimals(text: NDArray[np.uint8], starts: Integers, ends: Integers) -> Integers:
    """The decimal numbers between these positions."""
    numbers = np.zeros(len(starts), dtype=np.int64)
    for place in range(int((ends - starts).max(initial=0))):
        inside = starts + place < ends
        numbers[inside] = numbers[inside] * 10 + text[starts[inside] + place] - ord("0")
    return numbers


def _keys(text: NDArray[np.uint8], starts: Integers, ends: Integers) -> Integers:
    """The identifier codes between these positions, as little-endian integers."""
    keys = np.zeros(len(starts), dtype=np.int64)
    for place in range(int((ends - starts).max(initial=0))):
        inside = starts + place < ends
        keys[inside] |= text[starts[inside] + place].astype(np.int64) << (8 * place)
    return keys


def _level(characters: NDArray[np.uint8]) -> Integers:
    return np.where(
        characters == ord("0"), 0, np.where(characters == ord("1"), 1, _UNKNOWN)
    ).astype(np.int64)


def _vector(digits: bytes, width: int) -> Integers:
    fill = digits[:1] if digits[:1] in (b"x", b"z") else b"0"
    return _level(np.frombuffer(digits.rjust(width, fill), dtype=np.uint8))
