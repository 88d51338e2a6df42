"""Functions that are asked millions of times, compiled by numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Numba's decorator, with the type of the function; compiled code is kept for the next run.

    Threads run it side by side.
    """
    try:
        return cast("_Function", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no folder can be written: compiled again in every run
        return cast("_Function", numba.njit(nogil=True)(function))


def inlined(function: _Function) -> _Function:
    """The same for a small part of another compiled function: written into it, not called."""
    return cast("_Function", numba.njit(inline="always")(function))
