"""The one exception type that means "the user's input is wrong"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray


class InputError(ValueError):
    """Input that cannot be used: one line saying what was wrong, where, and what is allowed.

    The command line prints the message after ``peforge: error:`` and exits with code 2.
    """


def shown(value: object, most: int = 80) -> str:
    """A value as messages quote it: of a long one the beginning."""
    if isinstance(value, str):
        return repr(value if len(value) <= most else f"{value[: most - 3]}...")
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def nearest(value: str, allowed: Iterable[str]) -> str:
    """What a misspelt name was probably meant to be, for the end of a message; else ""."""
    found = difflib.get_close_matches(value, list(allowed), n=1, cutoff=0.5)
    return f"; the nearest is {found[0]}" if found else ""


def require_int(name: str, value: object, low: int, high: int) -> int:
    """Return ``value`` if it is an integer in ``low..high``; a bool or a string is not one.

    NumPy's integers are, and become Python's.

    Raises:
        InputError: if it is anything else.
    """
    if isinstance(value, np.integer):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} must be an integer from {low} to {high}, not {value!r}")
    return value


def require_choice(name: str, value: object, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``allowed``.

    Raises:
        InputError: if it is not; the message lists what is allowed.
    """
    choices = list(allowed)
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def require_bool(name: str, value: object) -> bool:
    """Return ``value`` if it is true or false.

    Raises:
        InputError: if it is anything else, numbers included.
    """
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, not {value!r}")
    return value


def require_integers(
    name: str, values: ArrayLike, low: int, high: int, shape: tuple[int, ...] | None = None
) -> NDArray[np.int64]:
    """Return ``values`` as an array if they are integers in ``low..high``, of this shape if given.

    Raises:
        InputError: if not.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{name} must be an array of integers, with rows of one length") from None
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} must have shape {shape}, not {array.shape}")
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} must be integers of at most 64 bits, not {array.dtype}")
    for value in (int(array.min(initial=0)), int(array.max(initial=0))):
        require_int(name, value, low, high)
    return array.astype(np.int64)
