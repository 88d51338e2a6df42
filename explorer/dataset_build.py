"""A dataset grows: whole shards of a plan go from the store into its folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from characterize.action_files import actions_code
from characterize.campaign import Campaign, generator_digest
from characterize.dataset import dataset_table
from characterize.dataset_folder import (
    MANIFEST,
    SCHEMA,
    Kind,
    Manifest,
    Part,
    Shard,
    action_rows,
    file_name,
    read_manifest,
    read_shard,
    read_table,
    schema_text,
    write_manifest,
    write_table,
)
from characterize.dataset_schema import ACTION_COLUMNS, POINT_COLUMNS, Column
from characterize.measurement import Measurement, Point
from explorer.dataset_card import CARD, write_card
from rtl_gen.atomic import make_folder, write_text
from rtl_gen.errors import InputError, require_int
from rtl_gen.plan import Plan
from rtl_gen.space import Space

#: Points of a shard.
SHARD_POINTS = 100
_SHARD_POINTS = (1, 100_000)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_COLUMNS: dict[Kind, tuple[Column, ...]] = {"points": POINT_COLUMNS, "actions": ACTION_COLUMNS}


@dataclass
class Built:
    """What was done.

    Attributes:
        folder: of the dataset.
        part: that was built.
        written, kept: shards.
        points, failed: in all shards of the part.
        planned: points of the whole plan.
        missing: points that the first shard lacks that is not whole; 0 if all are.
    """

    folder: Path
    part: str
    planned: int
    written: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    points: int = 0
    failed: int = 0
    missing: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**vars(self), "folder": str(self.folder)}

    def lines(self) -> list[str]:
        """For people."""
        lines = [
            f"part {self.part}: {self.points:,} of {self.planned:,} points, {self.failed} of them "
            f"failed; {len(self.written)} shards written, {len(self.kept)} were there"
        ]
        if self.missing:
            lines.append(
                f"the next shard lacks {self.missing} points: go on with peforge characterize"
            )
        return [*lines, f"wrote {self.folder}"]


@dataclass(frozen=True)
class _Rows:
    """A point's rows in the files of a shard."""

    point: Mapping[Hashable, Any]
    actions: pd.DataFrame

    @property
    def ok(self) -> bool:
        """It was measured."""
        return bool(self.point["status"] == "ok")

    def measured(self, *, with_actions: bool) -> bool:
        """It was, and so were its energies, if these are wanted."""
        return self.ok and not (with_actions and self.actions.empty)


@dataclass(frozen=True)
class _Found:
    """What is known of the points of a shard: rows of its two files."""

    points: pd.DataFrame
    actions: pd.DataFrame
    missing: int


def build(
    campaign: Campaign,
    space: Space,
    plan: Plan,
    folder: Path,
    *,
    part: str,
    shard_points: int = SHARD_POINTS,
    partial: bool = False,
) -> Built:
    """Write every shard of a plan that the store has whole, and that is not there yet.

    A shard whose points would be measured otherwise today, for the generator or the flow has
    changed, is written anew as soon as the store has it whole. Points of a shard that are still as
    they would be measured today need not be in the store: a dataset grows on any machine. No shard
    shrinks: a stale one stays until more of its points are known than it has.

    Args:
        campaign: its points are those of the plan, in order.
        part: name in the dataset.
        partial: write what is there of other shards, too; they are filled later.

    Raises:
        InputError: if the folder has other things in it; if the part was begun with another space,
            plan or size of shards, has more points, or another part has one of its points; or
            something cannot be written.
    """
    require_int("shard points", shard_points, *_SHARD_POINTS)
    if not _NAME.fullmatch(part):
        raise InputError(f"a part is named by up to 40 of a-z, 0-9, _ and -, not {part!r}")
    manifest = _manifest(folder)
    wanted = Part(
        name=part,
        space=Path(space.name).read_text(encoding="utf-8"),
        plan={"kind": plan.kind, "seed": plan.seed},
        shard_points=shard_points,
    )
    before = manifest.parts.get(part, wanted)
    _require_same(folder, before, wanted, len(campaign.points))
    _require_apart(folder, part, campaign.points, campaign.platform.name)
    report = Built(folder=folder, part=part, planned=len(campaign.points))
    # Without the store's index RTL is made to know a point: of those that something is known of.
    there = {
        entry.measurement.design["digest"]
        for entry in campaign.store.entries()
        if entry.measurement is not None
    } | {design for design, _, _ in campaign.measured.rtl}
    shards: list[Shard] = []
    for number, points in enumerate(_chunks(campaign.points, shard_points)):
        old = next((shard for shard in before.shards if shard.number == number), None)
        found = _found(campaign, points, _rows_of(folder, before, old), there)
        report.missing = report.missing or found.missing
        grows = partial and len(found.points) > (old.rows if old else 0)
        if found.missing and not grows:
            if old is not None:  # perhaps stale, but nothing better is there yet
                shards.append(old)
                report.kept.append(number)
            continue
        new = _write(folder, part, number, found)
        shards.append(new)
        same = old is not None and old.sha256 == new.sha256
        (report.kept if same else report.written).append(number)
    report.points = sum(shard.rows for shard in shards)
    parts = {**manifest.parts, part: replace(wanted, shards=tuple(shards))}
    write_text(folder / SCHEMA, schema_text())
    write_manifest(folder, Manifest(parts=parts))
    if shards:
        report.failed = write_card(folder)[part]
    return report


def _manifest(folder: Path) -> Manifest:
    """The manifest of the folder, which is made if needed; an empty one if it has none yet."""
    make_folder(folder)
    if (folder / MANIFEST).is_file():
        return read_manifest(folder)
    for name in (CARD, SCHEMA):
        if (folder / name).exists():
            raise InputError(
                f"{folder}: has a {name} that is not a dataset's; name a folder of its own"
            )
    return Manifest()


def _require_apart(folder: Path, part: str, points: Sequence[Point], platform: str) -> None:
    """Refuse a point that another part has: a dataset has each once."""
    if not (folder / MANIFEST).is_file():
        return
    names = {point.name for point in points}
    for other, shard, kind, file in read_manifest(folder).files():
        if other.name == part or kind != "points":
            continue
        rows = read_table(folder / file, POINT_COLUMNS, shard.sha256[kind])
        if twice := names & set(rows.loc[rows["platform"] == platform, "name"]):
            raise InputError(
                f"{folder}: part {other.name} has {min(twice)}, too; write part {part} into a "
                "folder of its own"
            )


def _require_same(folder: Path, before: Part, wanted: Part, planned: int) -> None:
    rows = sum(shard.rows for shard in before.shards)
    last = max((s.number * before.shard_points + s.rows for s in before.shards), default=0)
    if last > planned:
        raise InputError(
            f"{folder}: part {wanted.name} has {rows:,} points, up to number {last:,}, the plan "
            f"has {planned:,}; what is there is not taken away"
        )
    size = f"size: shards of {before.shard_points} points"
    for name, what in (("space", "space"), ("plan", "plan"), ("shard_points", size)):
        if getattr(before, name) != getattr(wanted, name):
            raise InputError(
                f"{folder}: part {wanted.name} was begun with another {what}; go on as it was "
                "begun, or name another folder"
            )


def _chunks(points: Sequence[Point], size: int) -> list[Sequence[Point]]:
    return [points[at : at + size] for at in range(0, len(points), size)]


def _rows_of(folder: Path, part: Part, shard: Shard | None) -> dict[str, _Rows]:
    """What a shard has, by key; nothing of one that is damaged."""
    if shard is None:
        return {}
    wanted = actions_code()
    try:
        points, actions = (
            read_shard(folder, part, shard, kind, energies_of=wanted) for kind in _COLUMNS
        )
    except InputError:
        return {}
    energies = dict(list(actions.groupby("key", sort=False)))
    return {
        row["key"]: _Rows(row, energies.get(row["key"], actions.iloc[:0]))
        for row in points.to_dict("records")
    }


def _found(
    campaign: Campaign,
    points: Sequence[Point],
    before: Mapping[str, _Rows],
    there: Collection[str],
) -> _Found:
    """What the store has of some points, failures included, or else the shard as it was.

    Args:
        before: rows of the shard, by key.
        there: digests of the designs whose RTL is worth making, if it is not remembered.
    """
    rows = []
    for point in points:
        make = point.design.digest in there
        known = campaign.identity(point) if make else campaign.known(point)
        if known is None:
            continue
        good = before.get(known.key)
        if good is None or not good.measured(with_actions=campaign.with_actions):
            good = _stored(campaign, point, campaign.stored(known.key))
        if good is None:
            good = _stored(campaign, point, campaign.store.failed(known.key))
        if good is None and known.key in before and not before[known.key].ok:
            good = before[known.key]
        if good is not None:
            rows.append(good)
    names = [column.name for column in POINT_COLUMNS]
    energies = [row.actions for row in rows] or [action_rows({})]
    return _Found(
        points=pd.DataFrame([row.point for row in rows], columns=names),
        actions=pd.concat(energies, ignore_index=True),
        missing=len(points) - len(rows),
    )


def _stored(campaign: Campaign, point: Point, found: Measurement | None) -> _Rows | None:
    """The rows of what the store has of a point."""
    if found is None:
        return None
    tables = {}
    if campaign.with_actions and found.status == "ok":
        table = campaign.store.actions(found.key)
        if table is None:
            return None
        tables[found.key] = table
    return _Rows(dataset_table([point], [found]).to_dict("records")[0], action_rows(tables))


def _write(folder: Path, part: str, number: int, found: _Found) -> Shard:
    tables: dict[Kind, pd.DataFrame] = {"points": found.points, "actions": found.actions}
    sums: dict[str, str] = {
        kind: write_table(folder / file_name(part, number, kind), tables[kind], columns)
        for kind, columns in _COLUMNS.items()
    }
    return Shard(
        number=number,
        rows=len(found.points),
        sha256=sums,
        generator=generator_digest(),
        actions=actions_code() if len(found.actions) else "",
    )
