"""Declaring that changed code of the flow gives the same results, after measuring that it does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from characterize import lineage
from characterize.flow import flow_code, raw_flow_code
from characterize.measurement import Measurement, Point
from characterize.store import Store
from explorer.campaigns import measure_points
from explorer.store_care import point_of
from rtl_gen.atomic import write_text
from rtl_gen.errors import InputError, require_int

_HEAD = "# Code whose results were measured to be those of older code (`peforge store same`).\n"
_MOST_POINTS = 1000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Today's code against older code.

    Attributes:
        code, same_as: digests, today's and the older one.
        points: names of those measured again.
        other: what was not the same, a line each.
    """

    code: str
    same_as: str
    points: list[str]
    other: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return vars(self)


def compare(
    store: Store, *, points: int, seed: int, jobs: int, platform: str, quiet: bool
) -> list[Comparison]:
    """Measure some points of a store again whose code was another, and note where all are equal.

    Args:
        points: how many of each older code.

    Raises:
        InputError: if all of the store is of today's code, or the note cannot be written.
    """
    require_int("points", points, 1, _MOST_POINTS)
    groups: dict[tuple[str, str], list[tuple[Point, Measurement]]] = {}
    for entry in store.entries():
        if entry.measurement is None or entry.measurement.status != "ok":
            continue
        point = point_of(entry.measurement)
        old = entry.measurement.digests["flow"]
        if old != flow_code(point):
            groups.setdefault((raw_flow_code(point), old), []).append((point, entry.measurement))
    if not groups:
        raise InputError(f"{store.root}: nothing is of another code of the flow")
    generator = np.random.default_rng(seed)
    found = []
    for (code, old), pairs in groups.items():
        drawn = generator.permutation(len(pairs))[:points].tolist()
        chosen = [pairs[index] for index in drawn]
        other = list(_differences(chosen, jobs=jobs, platform=platform, quiet=quiet))
        names = [point.name for point, _ in chosen]
        found.append(Comparison(code=code, same_as=old, points=names, other=other))
    _note([one for one in found if not one.other])
    return found


def _differences(
    pairs: list[tuple[Point, Measurement]], *, jobs: int, platform: str, quiet: bool
) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        again = measure_points(
            [point for point, _ in pairs],
            store=Path(folder), dataset=None, jobs=jobs, platform=platform, quiet=quiet,
        ).measurements  # fmt: skip
    for (point, before), now in zip(pairs, again, strict=True):
        if now.status != "ok":
            yield f"{point.name}: failed: {now.reason}"
        elif now.digests["rtl"] != before.digests["rtl"]:
            yield f"{point.name}: the generator makes other RTL"
        elif now.digests["netlist"] != before.digests["netlist"]:
            yield f"{point.name}: synthesis gave another netlist"
        else:
            for name, value in before.metrics.items():
                if now.metrics[name] != value:
                    yield f"{point.name}: {name} was {value!r}, is {now.metrics[name]!r}"


def _note(equal: list[Comparison]) -> None:
    if not equal:
        return
    entries = yaml.safe_load(lineage.FILE.read_text(encoding="utf-8")) or []
    entries += [{"code": e.code, "same_as": e.same_as, "points": e.points} for e in equal]
    write_text(lineage.FILE, _HEAD + yaml.safe_dump(entries, sort_keys=False, width=100))
