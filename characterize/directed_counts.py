"""How often each directed primitive takes each action, of many designs, kept in the user's cache.

A dataset keeps the energies of the directed primitives; how often each takes every action follows
from the design alone, but drawing the operands takes about half a second a design.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rtl_gen
from characterize.action_counts import DESCRIPTIONS, action_counts
from characterize.action_files import raw_actions_code
from characterize.directed import directed_steps, effort_for, fill_count
from characterize.movement import measure_statistics
from characterize.user_cache import cache_dir
from rtl_gen.atomic import write_bytes
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.source import code_digest

#: Columns of ``DirectedCounts.counts``.
ACTIONS = tuple(DESCRIPTIONS)


@dataclass(frozen=True)
class DirectedCounts:
    """The directed primitives of one design.

    Attributes:
        names: of the primitives, as in a dataset (``ActionTable.primitives_pj``).
        counts: how often each takes each of ``ACTIONS``, shape ``(primitives, actions)``.
    """

    names: tuple[str, ...]
    counts: NDArray[np.float64]


def directed_counts(
    measured: Sequence[tuple[PEDesign, int, int]],
    *,
    jobs: int = 1,
    told: Callable[[], None] = lambda: None,
) -> list[DirectedCounts]:
    """The counts of many designs; what the cache has is not computed again.

    Args:
        measured: design, seed, and cells of the netlist that was simulated: they say how many
            primitives were (``effort_for``).
        jobs: processes.
        told: called behind each design.
    """
    found = []
    with contextlib.ExitStack() as stack:
        run: Callable[..., Iterable[DirectedCounts]] = map
        if jobs > 1:
            # Threads of the libraries that trained before must not be copied into processes.
            run = stack.enter_context(multiprocessing.get_context("spawn").Pool(jobs)).imap
        for one in run(_counts_of, measured):
            found.append(one)
            told()
    return found


def _counts_of(one: tuple[PEDesign, int, int]) -> DirectedCounts:
    design, seed, cells = one
    effort = effort_for(cells)
    path = _cached(design, seed, effort)
    unusable = (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile)
    with contextlib.suppress(*unusable), np.load(path, allow_pickle=False) as stored:
        names = tuple(str(name) for name in stored["names"])
        if stored["counts"].shape == (len(names), len(ACTIONS)):
            return DirectedCounts(names, stored["counts"])
    steps = directed_steps(design, seed, effort)[fill_count(design) :]
    counts = [
        action_counts(design, step.work.size, measure_statistics(design, step.work))
        for step in steps
    ]
    made = DirectedCounts(
        names=tuple(f"{place:03d} {step.name}" for place, step in enumerate(steps)),
        counts=np.array([[count[name] for name in ACTIONS] for count in counts]),
    )
    file = BytesIO()
    np.savez_compressed(file, names=np.array(made.names), counts=made.counts)
    with contextlib.suppress(InputError):  # without a cache it only takes longer
        write_bytes(path, file.getvalue())
    return made


def _cached(design: PEDesign, seed: int, effort: float) -> Path:
    drawn_by = code_digest(*sorted(Path(rtl_gen.__file__ or "").parent.glob("*.py")))
    made_of = f"{design.digest} {seed} {effort!r} {raw_actions_code()} {drawn_by}"
    return cache_dir() / "counts" / f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.npz"
