"""The lines of a value change dump, byte by byte: compiled, as a dump has gigabytes.

The state of a scan is in arrays, which the functions here change: ``clock`` (below), and for each
bit its ``value``, the time ``since`` which it has it, its ``toggles`` and time ``high`` in each
phase; ``span`` is the length of each phase. Times are in ps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

UNKNOWN = 2
#: Instead of the first bit of an identifier code.
MARKER, NOT_OURS = -1, -2
#: Places in the clock: now; the phase, -1 between phases; when it began; whether there was a time.
TIME, PHASE_NOW, BEGAN, BEGUN = range(4)

_NEWLINE, _SPACE = ord("\n"), ord(" ")
_ZERO, _ONE, _X, _Z = ord("0"), ord("1"), ord("x"), ord("z")
_VECTOR, _STAMP = ord("b"), ord("#")
#: Identifier codes are of the printable characters from ! to ~.
_FIRST, _CODES = ord("!"), 94

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Numba's decorator, with the type of the function; compiled code is kept for the next run."""
    try:
        return cast("_Function", numba.njit(cache=True)(function))
    except RuntimeError:  # no folder can be written: compiled again in every run
        return cast("_Function", numba.njit(function))


def code_number(code: bytes) -> int:
    """A number for each identifier code: small ones for short codes."""
    number = 0
    for place, character in enumerate(code):
        number += (character - _FIRST + 1) * _CODES**place
    return number


def new_clock(phase: int) -> Integers:
    """The clock before the first time stamp."""
    return np.array([0, phase, 0, 0], dtype=np.int64)


@_compiled
def settle(clock: Integers, value: Bytes, since: Integers, high: Integers, span: Integers) -> None:
    """Count the time at 1, and of the phase, until now."""
    now, phase = clock[TIME], clock[PHASE_NOW]
    if phase >= 0:
        for bit in range(len(value)):
            if value[bit] == 1:
                high[phase, bit] += now - since[bit]
        span[phase] += now - clock[BEGAN]
    since[:] = now
    clock[BEGAN] = now


@_compiled
def scan(
    text: Bytes,
    first: Integers,
    width: Integers,
    clock: Integers,
    value: Bytes,
    since: Integers,
    toggles: Integers,
    high: Integers,
    span: Integers,
) -> int:
    """Take whole lines.

    Args:
        text: the lines, each with its end.
        first, width: of each identifier code, by its number.

    Returns:
        -1; or the phase that is not one of ``span``, where the scan ended.
    """
    at = 0
    while at < len(text):
        kind = text[at]
        number, end = _until(text, at + (kind != _NEWLINE), _NEWLINE)
        if kind in (_ZERO, _ONE, _X, _Z):
            bit = first[number] if number < len(first) else NOT_OURS
            if bit >= 0:
                _change(bit, _level(kind), clock, value, since, toggles, high)
        elif kind == _STAMP:
            _stamp(text, at + 1, end, clock)
        elif kind == _VECTOR:
            middle = _until(text, at + 1, _SPACE)[1]
            number = _until(text, middle + 1, _NEWLINE)[0]
            bit = first[number] if number < len(first) else NOT_OURS
            if bit == MARKER:
                phase = _phase(text, at + 1, middle)
                if phase >= len(span):
                    return phase
                settle(clock, value, since, high, span)
                clock[PHASE_NOW] = phase
            elif bit >= 0:
                for place in range(width[number]):
                    level = _level(_digit(text, at + 1, middle, width[number] - place))
                    _change(bit + place, level, clock, value, since, toggles, high)
        at = end + 1
    return -1


@_compiled
def _until(text: Bytes, begin: int, last: int) -> tuple[int, int]:
    """``code_number`` of what stands before a character, which is looked for, and its place."""
    number: int = 0
    power, at = 1, begin
    while at < len(text) and text[at] != last:
        number += (text[at] - (_FIRST - 1)) * power
        power *= _CODES
        at += 1
    return number, at


@_compiled
def _stamp(text: Bytes, begin: int, end: int, clock: Integers) -> None:
    """A time stamp: the clock never goes back."""
    time = 0
    for place in range(begin, end):
        time = time * 10 + (text[place] - _ZERO)
    if clock[BEGUN] == 0:
        clock[BEGUN] = 1
        clock[BEGAN] = time
    clock[TIME] = max(clock[TIME], time)


@_compiled
def _phase(text: Bytes, begin: int, end: int) -> int:
    """The binary number less one; -1 if a digit is unknown."""
    phase = 0
    for place in range(begin, end):
        if text[place] not in (_ZERO, _ONE):
            return -1
        phase = 2 * phase + (text[place] - _ZERO)
    return phase - 1


@_compiled
def _digit(text: Bytes, begin: int, end: int, place: int) -> int:
    """The digit at a place counted from the right, from 1 on; what is left out is filled in."""
    if end - place >= begin:
        return int(text[end - place])
    return int(text[begin]) if text[begin] in (_X, _Z) else _ZERO


@_compiled
def _level(character: int) -> int:
    return min(character - _ZERO, UNKNOWN)


@_compiled
def _change(
    bit: int,
    level: int,
    clock: Integers,
    value: Bytes,
    since: Integers,
    toggles: Integers,
    high: Integers,
) -> None:
    """One bit has another value from now on."""
    now, phase, before = clock[TIME], clock[PHASE_NOW], value[bit]
    if phase >= 0:  # sums, not branches: no processor foretells them
        high[phase, bit] += (before == 1) * (now - since[bit])
        toggles[phase, bit] += before + level == 1
    value[bit] = level
    since[bit] = now
