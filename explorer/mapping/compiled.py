"""Functions that are asked millions of times, compiled by numba.

Compiled code is kept for the next run in the user's cache, in a folder of these very sources: numba
alone would take what it has as long as a function's own file is the same, whatever else it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import config
from numpy.typing import NDArray

from characterize.user_cache import cache_dir
from rtl_gen.source import code_digest

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Modules that have compiled code.
_SOURCES = [
    path
    for package in ("mapping", "designs")
    for path in sorted((Path(__file__).parents[1] / package).glob("*.py"))
    if "compiled import" in path.read_text(encoding="utf-8")
]
# Numba makes its settings by name as the module is read; type checkers cannot see them.
vars(config)["CACHE_DIR"] = str(cache_dir() / "compiled" / code_digest(*_SOURCES)[:16])


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
