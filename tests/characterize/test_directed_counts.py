"""Counts of the directed primitives, and their cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from characterize import directed_counts as module
from characterize.action_counts import action_counts
from characterize.directed import directed_steps, effort_for, fill_count
from characterize.directed_counts import ACTIONS, directed_counts
from characterize.movement import measure_statistics
from rtl_gen.design import PEDesign

DESIGN = PEDesign(
    family="int", act_bits=3, weight_bits=2, ifmap_depth=4, filter_depth=8, psum_depth=3
)
CELLS = 20_000


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "peforge" / "counts"


def test_counts_are_those_of_the_primitives_that_are_simulated() -> None:
    (found,) = directed_counts([(DESIGN, 1, CELLS)])
    steps = directed_steps(DESIGN, 1, effort_for(CELLS))[fill_count(DESIGN) :]
    assert found.names == tuple(f"{i:03d} {step.name}" for i, step in enumerate(steps))
    for row, step in zip(found.counts, steps, strict=True):
        counts = action_counts(DESIGN, step.work.size, measure_statistics(DESIGN, step.work))
        assert dict(zip(ACTIONS, row, strict=True)) == counts


def test_what_was_counted_is_not_drawn_again(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = directed_counts([(DESIGN, 1, CELLS)])
    drawn = []

    def steps(*arguments: object) -> object:
        drawn.append(arguments)
        return directed_steps(*arguments)  # type: ignore[arg-type]  # those of the call

    monkeypatch.setattr(module, "directed_steps", steps)
    told: list[int] = []
    (second,) = directed_counts([(DESIGN, 1, CELLS)], told=lambda: told.append(1))
    assert (drawn, told) == ([], [1])
    assert second.names == first.names
    np.testing.assert_array_equal(second.counts, first.counts)
    (path,) = own_cache.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    (third,) = directed_counts([(DESIGN, 1, CELLS)])
    assert len(drawn) == 1
    np.testing.assert_array_equal(third.counts, first.counts)
    directed_counts([(DESIGN, 2, CELLS)])
    assert len(list(own_cache.iterdir())) == 2


def test_processes_count_the_same() -> None:
    other = PEDesign(family="pow2", act_bits=2, weight_bits=3, ifmap_depth=3, filter_depth=6,
                     psum_depth=2)  # fmt: skip
    asked = [(DESIGN, 1, CELLS), (other, 1, CELLS)]
    alone, together = directed_counts(asked), directed_counts(asked, jobs=2)
    for one, same in zip(alone, together, strict=True):
        assert one.names == same.names
        np.testing.assert_array_equal(one.counts, same.counts)
