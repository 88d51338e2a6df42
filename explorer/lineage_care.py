"""Declaring that changed code gives the same results, after measuring that it does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from characterize import lineage
from characterize.action_files import actions_code, raw_actions_code
from characterize.actions import ActionTable
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
        part: what code: ``flow``, or ``actions``.
        code, same_as: digests, today's and the older one.
        points: names of those measured again.
        other: what was not the same, a line each.
    """

    part: str
    code: str
    same_as: str
    points: list[str]
    other: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return vars(self)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What a store has of a point; the table if that is to be the same, too."""

    point: Point
    measurement: Measurement
    table: ActionTable | None


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
    groups = _of_other_code(store, platform)
    if not groups:
        raise InputError(f"{store.root}: nothing on {platform} is of another code of the flow")
    generator = np.random.default_rng(seed)
    found = []
    for (part, code, old), known in groups.items():
        drawn = generator.permutation(len(known))[:points].tolist()
        chosen = [known[index] for index in drawn]
        other = list(_differences(chosen, jobs=jobs, platform=platform, quiet=quiet))
        names = [one.point.name for one in chosen]
        found.append(Comparison(part=part, code=code, same_as=old, points=names, other=other))
    _note([one for one in found if not one.other])
    return found


def _of_other_code(store: Store, platform: str) -> dict[tuple[str, str, str], list[_Known]]:
    """What is of other code than today's, by part, today's digest and the older one."""
    groups: dict[tuple[str, str, str], list[_Known]] = {}
    tables: dict[str, dict[str, ActionTable]] = {}
    for origin, table in store.action_tables():
        tables.setdefault(origin.measurement, {})[origin.code] = table
    for entry in store.entries():
        measurement = entry.measurement
        if measurement is None or measurement.status != "ok":
            continue
        if measurement.platform["name"] != platform:
            continue
        point, of_actions = point_of(measurement), tables.get(measurement.key, {})
        old = measurement.digests["flow"]
        if old != flow_code(point):
            known = _Known(
                point=point, measurement=measurement, table=of_actions.get(actions_code())
            )
            groups.setdefault(("flow", raw_flow_code(point), old), []).append(known)
        elif actions_code() not in of_actions:
            for code, table in of_actions.items():
                known = _Known(point=point, measurement=measurement, table=table)
                groups.setdefault(("actions", raw_actions_code(), code), []).append(known)
    return groups


def _differences(chosen: list[_Known], *, jobs: int, platform: str, quiet: bool) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        again = measure_points(
            [one.point for one in chosen],
            store=Path(folder), dataset=None, jobs=jobs, platform=platform, quiet=quiet,
            with_actions=any(one.table for one in chosen),
        ).measurements  # fmt: skip
        tables = [Store(Path(folder)).actions(now.key) for now in again]
    for one, now, table in zip(chosen, again, tables, strict=True):
        name, before = one.point.name, one.measurement
        if now.status != "ok":
            yield f"{name}: failed: {now.reason}"
        elif now.digests["rtl"] != before.digests["rtl"]:
            yield f"{name}: the generator makes other RTL"
        elif now.digests["netlist"] != before.digests["netlist"]:
            yield f"{name}: synthesis gave another netlist"
        else:
            yield from _other_numbers(name, before.metrics, now.metrics)
            if one.table is not None and table is not None:
                yield from _other_numbers(name, _numbers(one.table), _numbers(table))


def _numbers(table: ActionTable) -> dict[str, Any]:
    """All that a table says of a point, but for the seconds that it took."""
    return {name: value for name, value in table.to_dict().items() if name != "seconds"}


def _other_numbers(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key, value in before.items():
        found = now.get(key)
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            yield from _other_numbers(f"{name}: {key}", value, found)
        elif found != value:
            yield f"{name}: {key} was {value!r}, is {found!r}"


def _note(equal: list[Comparison]) -> None:
    if not equal:
        return
    entries = yaml.safe_load(lineage.FILE.read_text(encoding="utf-8")) or []
    entries += [{"code": e.code, "same_as": e.same_as, "points": e.points} for e in equal]
    write_text(lineage.FILE, _HEAD + yaml.safe_dump(entries, sort_keys=False, width=100))
