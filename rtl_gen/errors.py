"""The one exception type that means "the user's input is wrong"."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used: one line saying what was wrong, where, and what is allowed.

    The command line prints the message after ``peforge: error:`` and exits with code 2.
    """


def require_int(name: str, value: object, low: int, high: int) -> int:
    """Return ``value`` if it is an integer in ``low..high``; a bool or a string is not one.

    Raises:
        InputError: if it is anything else.
    """
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
