"""Points measured by the workers of a Dask cluster: ``--scheduler tcp://...``."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future, get_worker
from distributed.scheduler import KilledWorker

from characterize.executors import WATCH_S, Queue, Result
from characterize.flow import Identity
from characterize.limits import Limits
from characterize.remote import measure_task, task_of
from characterize.store import Store
from characterize.work import ACTIONS, ARCHIVE, Bench
from rtl_gen.errors import InputError

#: Points that each thread of the cluster has: one under way, one to go on with.
_AHEAD = 2
_CONNECT_S = 10


@dataclass(frozen=True, kw_only=True)
class DaskExecutor:
    """The workers of a cluster. They need the project and its tools, not the store.

    A worker that is lost costs the points that it was measuring, which others take over.

    Attributes:
        address: of the scheduler.
        limits: of each point.

    Raises:
        InputError: if the address is empty.
    """

    address: str
    limits: Limits

    def __post_init__(self) -> None:
        if not self.address.strip():  # with none, Dask would start a cluster of its own, here
            raise InputError(
                f"the scheduler must be an address, as tcp://HOST:8786, not {self.address!r}"
            )

    def run(self, queue: Queue, bench: Bench, store: Store) -> Generator[Result]:
        """As ``Executor``.

        Raises:
            InputError: if the scheduler cannot be reached, or goes; if a worker has other tools.
        """
        with _quiet_client():
            yield from self._run(queue, bench, store)

    def _run(self, queue: Queue, bench: Bench, store: Store) -> Generator[Result]:
        client = self._connect()
        flight: dict[Future[Any], Identity] = {}
        try:
            while True:
                room = _AHEAD * max(1, sum(client.nthreads().values()))
                while len(flight) < room and (identity := queue.take()):
                    flight[self._submit(client, identity, bench)] = identity
                if not flight and queue.exhausted:
                    return
                ended = next((future for future in flight if future.done()), None)
                if ended:
                    yield self._result(ended, flight.pop(ended), store)
                else:
                    self._require_scheduler(client)
                    time.sleep(WATCH_S / 4)
        except (OSError, TimeoutError, RuntimeError, CancelledError) as error:
            raise self._gone(error) from None
        finally:
            with contextlib.suppress(Exception):  # whatever state a lost cluster is in
                client.cancel(list(flight), force=True)
            with contextlib.suppress(Exception):
                client.close(timeout=1)

    def _connect(self) -> Client:
        try:
            return Client(self.address, timeout=_CONNECT_S)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise InputError(
                f"no scheduler answers at {self.address}: {_words(error)}; start one with "
                "`dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`"
            ) from None

    def _submit(self, client: Client, identity: Identity, bench: Bench) -> Future[Any]:
        task = task_of(identity, bench, self.limits)
        return client.submit(
            _measure, task, key=f"peforge-{identity.key}-{time.monotonic_ns()}", pure=False
        )

    def _result(self, future: Future[Any], identity: Identity, store: Store) -> Result:
        if future.cancelled():
            raise self._gone("cancelled")
        try:
            found = future.result()  # of a worker that died since: waits until another has it
        except KilledWorker:
            return Result(identity=identity, reason="the workers of this point died", lost=True)
        except MemoryError:
            return Result(identity=identity, reason="the worker had no memory left", lost=True)
        if "refused" in found:
            raise InputError(
                f"worker {found['worker']} cannot measure for this: {found['refused']}"
            )
        if "reason" in found:
            return Result(identity=identity, reason=found["reason"])
        folder = store.work_folder()
        (folder / ARCHIVE).write_bytes(found["archive"])
        if found["actions"] is not None:
            (folder / ACTIONS).write_bytes(found["actions"])
        return Result(identity=identity, folder=folder)

    def _require_scheduler(self, client: Client) -> None:
        if client.status != "running":
            raise self._gone(client.status)

    def _gone(self, error: object) -> InputError:
        return InputError(
            f"the scheduler at {self.address} is gone ({_words(error)}); what was measured is in "
            "the store: start again to go on"
        )


@contextlib.contextmanager
def _quiet_client() -> Iterator[None]:
    """Without what Dask's client logs of a scheduler that goes: the campaign says it itself."""
    logger = logging.getLogger("distributed.client")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _measure(task: dict[str, Any]) -> dict[str, Any]:
    """In a thread of a worker."""
    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        state = worker.state.tasks.get(key)
        return state is not None and state.state in ("executing", "long-running")

    return {"worker": worker.address, **measure_task(task, wanted)}


def _words(error: object) -> str:
    text = str(error).splitlines()
    return text[0] if text and text[0] else type(error).__name__
