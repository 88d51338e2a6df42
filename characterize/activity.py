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
from characterize.vcd_scan import (
    BEGUN,
    MARKER,
    NOT_OURS,
    UNKNOWN,
    code_number,
    new_clock,
    scan,
    settle,
)

#: The variable of the dump that tells the phase: its number plus one, 0 between phases.
PHASE = "phase"

_CHUNK_BYTES = 1 << 20
_HEAD_END = b"$enddefinitions $end"
_BODY_END = b"$dumpoff"
_SCOPE_OR_VARIABLE = re.compile(
    rb"\$(scope)\s+\S+\s+(\S+)\s+\$end|\$(upscope)\s+\$end|"
    rb"\$var\s+\w+\s+(\d+)\s+(\S+)\s+(\S+)(?:\s+\[[^\]]*\])?\s+\$end"
)
#: Simulators number their variables: codes are short.
_MOST_CODES = 1 << 24

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


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
        toggles, high = self.sums(phases)
        return {
            name: Activity(count, share)
            for name, count, share in zip(self.names, toggles.tolist(), high.tolist(), strict=True)
        }

    def sums(self, phases: Iterable[int]) -> tuple[Integers, Floats]:
        """Toggles, and share of time at 1, of every net in these phases together."""
        chosen = list(phases)
        span_ps = max(1, int(self.span_ps[chosen].sum()))
        return self.toggles[chosen].sum(axis=0), self.high_ps[chosen].sum(axis=0) / span_ps


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


def prepare_counting() -> None:
    """Have the compiled code at hand, for processes that are forked from this one."""
    counter = ActivityCounter(phases=1)
    counter.feed(b"$var wire 1 ! a $end\n$enddefinitions $end\n#0\n1!\n$dumpoff\n")
    counter.finish()


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
            self._state = _State(self._nets.count, self._phases, marked=self._nets.marked)
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
        if state.clock[BEGUN] == 0:
            raise StepError("the value change dump is empty")
        settle(state.clock, state.value, state.since, state.high, state.span)
        columns = self._nets.columns
        return Activities(
            names=self._nets.names,
            toggles=state.toggles[:, columns],
            high_ps=state.high[:, columns],
            span_ps=state.span,
        )

    def _take(self, body: bytes) -> None:
        """Whole lines."""
        assert self._state is not None
        assert self._nets is not None
        nets, state = self._nets, self._state
        wrong = scan(
            np.frombuffer(body, dtype=np.uint8), nets.first, nets.width,
            state.clock, state.value, state.since, state.toggles, state.high, state.span,
        )  # fmt: skip
        if wrong >= 0:
            phases = len(state.span)
            raise StepError(f"the value change dump has a phase {wrong} of {phases}")


class _Nets:
    """The head of a dump: which identifier code is which bits.

    Attributes:
        names: of all bits.
        columns: for each name its bit; several names may be one net.
        count: of bits.
        first: for each identifier code (``code_number``) its first bit, ``MARKER`` for the phase,
            or ``NOT_OURS``.
        width: its bits, likewise.
        marked: whether the dump tells the phase.
    """

    def __init__(self, variables: list[tuple[bytes, str, int]], marker: bytes) -> None:
        self.marked = marker != b""
        self.count = 0
        first: dict[bytes, int] = {marker: MARKER} if marker else {}
        width: dict[bytes, int] = {}
        names: list[str] = []
        columns: list[int] = []
        for code, name, bits in variables:
            if code not in first:
                first[code], width[code] = self.count, bits
                self.count += bits
            names += _bit_names(name, bits)
            columns += range(first[code], first[code] + bits)
        self.names = tuple(names)
        self.columns = np.array(columns, dtype=np.int64)
        most = max(map(code_number, first))
        if most > _MOST_CODES:
            raise StepError(f"the value change dump has an identifier code of {most:,} before it")
        self.first = np.full(most + 1, NOT_OURS, dtype=np.int64)
        self.width = np.zeros(most + 1, dtype=np.int64)
        for code, bit in first.items():
            self.first[code_number(code)] = bit
            self.width[code_number(code)] = width.get(code, 0)

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


class _State:
    """What is known of every bit, and the counts so far (``characterize.vcd_scan``)."""

    def __init__(self, bits: int, phases: int, *, marked: bool) -> None:
        self.clock = new_clock(-1 if marked else 0)
        self.value = np.full(bits, UNKNOWN, dtype=np.uint8)
        self.since = np.zeros(bits, dtype=np.int64)
        self.toggles = np.zeros((phases, bits), dtype=np.int64)
        self.high = np.zeros((phases, bits), dtype=np.int64)
        self.span = np.zeros(phases, dtype=np.int64)
