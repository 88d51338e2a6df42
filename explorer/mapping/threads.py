"""Threads of the searches: compiled code, which does not hold Python's lock, runs beside."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


@contextlib.contextmanager
def threads(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads; if they are interrupted, nobody waits for what nobody wants."""
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def aside(work: Callable[[], _Result]) -> _Result:
    """What this gives, from another thread than the main one.

    Ctrl-C then ends the wait at once. In the main thread it would come when compiled code gives its
    result, which calls Python there and does not expect that to fail: the process would crash.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    with threads(1) as pool:
        return pool.submit(work).result()
