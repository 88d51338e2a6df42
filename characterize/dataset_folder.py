"""A dataset in a folder: Parquet files of a committed schema, and a manifest that binds them.

``manifest.json`` lists *parts* (``placed``, ``openroad``, ...); each has *shards*: files of so many
points of its plan, in the plan's order, written once and never changed, so that a dataset can be
committed while it grows. ``<part>-<n>.points.parquet`` has a row for each point;
``<part>-<n>.actions.parquet`` a row for each energy of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from characterize.actions import ActionTable
from characterize.dataset_schema import ACTION_COLUMNS, POINT_COLUMNS, Column
from rtl_gen.atomic import write_bytes, write_text
from rtl_gen.errors import InputError

MANIFEST = "manifest.json"
SCHEMA = "schema.json"
#: Of the folder: files of another one are refused.
VERSION = 1

Kind = Literal["points", "actions"]
_ARROW = {
    "text": pa.string(),
    "whole": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
}


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Two files.

    Attributes:
        number: from 0.
        rows: points.
        sha256: of the files, by kind.
        generator: digest of the code whose RTL the points are known to have.
        actions: digest of the code that took the energies per action; "" for none.
    """

    number: int
    rows: int
    sha256: Mapping[str, str]
    generator: str
    actions: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What was measured with one flow.

    Attributes:
        name: of the part.
        space: text of the space's file.
        plan: kind, points and seed.
        shard_points: points of a whole shard.
        shards: that are there.
    """

    name: str
    space: str
    plan: Mapping[str, Any]
    shard_points: int
    shards: tuple[Shard, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a folder has, by part."""

    parts: Mapping[str, Part] = field(default_factory=dict)

    def files(self) -> list[tuple[Part, Shard, Kind, str]]:
        """Every file with its name."""
        kinds: tuple[Kind, ...] = ("points", "actions")
        return [
            (part, shard, kind, file_name(part.name, shard.number, kind))
            for part in self.parts.values()
            for shard in part.shards
            for kind in kinds
        ]


def file_name(part: str, number: int, kind: Kind) -> str:
    """Of a file of a shard."""
    return f"{part}-{number:03d}.{kind}.parquet"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        InputError: if there is none, or it is not one of this version.
    """
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["version"]
        parts = {
            entry["name"]: Part(
                **{**entry, "shards": tuple(Shard(**shard) for shard in entry["shards"])}
            )
            for entry in (document["parts"] if version == VERSION else [])
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is not the manifest of a dataset, or is cut off") from None
    if version != VERSION:
        raise InputError(f"{path}: is of version {version}, not {VERSION}")
    return Manifest(parts=parts)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder.

    Raises:
        InputError: if it cannot be written.
    """
    parts = [asdict(part) for part in manifest.parts.values()]
    text = json.dumps({"version": VERSION, "parts": parts}, indent=1)
    write_text(folder / MANIFEST, text + "\n")


def write_table(path: Path, table: pd.DataFrame, columns: tuple[Column, ...]) -> str:
    """Write a Parquet file of exactly these columns; its SHA-256.

    The same table gives the same bytes; a file that has them is not touched.

    Raises:
        InputError: if the table does not fit the columns, or cannot be written.
    """
    schema = pa.schema([(column.name, _ARROW[column.type]) for column in columns])
    try:
        rows = pa.Table.from_pandas(table[list(schema.names)], schema, preserve_index=False)
    except (KeyError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"{path}: does not fit the schema: {error}") from None
    sink = pa.BufferOutputStream()
    pq.write_table(rows.replace_schema_metadata(None), sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    if not path.is_file() or path.read_bytes() != data:
        write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def read_table(path: Path, columns: tuple[Column, ...], sha256: str = "") -> pd.DataFrame:
    """Read a Parquet file of these columns.

    Args:
        sha256: that it must have, if given.

    Raises:
        InputError: if it cannot be read, is not what was written, or has other columns.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"{path}: is not what was written: its checksum is another")
    try:
        rows = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: is not a Parquet file: {str(error).splitlines()[0]}") from None
    expected = pa.schema([(column.name, _ARROW[column.type]) for column in columns])
    for want in expected:
        if want.name not in rows.schema.names:
            raise InputError(f"{path}: column {want.name} is missing")
        have = rows.schema.field(want.name).type
        if pa.types.is_large_string(have):  # the same text, with longer offsets
            have = pa.string()
        if have != want.type:
            raise InputError(f"{path}: column {want.name} is {have}, not {want.type}")
    if extra := set(rows.schema.names) - set(expected.names):
        raise InputError(f"{path}: column {sorted(extra)[0]} is not of the schema")
    table: pd.DataFrame = rows.to_pandas()
    return table


def read_shard(
    folder: Path, part: Part, shard: Shard, kind: Kind, *, energies_of: str | None = None
) -> pd.DataFrame:
    """One file of a shard.

    Args:
        energies_of: digest of the code that energies are wanted of; of other code there are none.

    Raises:
        InputError: as ``read_table``.
    """
    columns = POINT_COLUMNS if kind == "points" else ACTION_COLUMNS
    rows = read_table(
        folder / file_name(part.name, shard.number, kind), columns, shard.sha256[kind]
    )
    stale = kind == "actions" and energies_of is not None and shard.actions != energies_of
    return rows.iloc[:0] if stale else rows


def read_points(folder: Path) -> pd.DataFrame:
    """The points of all parts, with a column ``part``.

    Raises:
        InputError: if the folder has no dataset, or a file is not what its manifest says.
    """
    return _read(folder, "points")


def read_actions(folder: Path) -> pd.DataFrame:
    """The energies of all parts: columns of ``ACTION_COLUMNS`` and ``part``.

    Raises:
        InputError: as ``read_points``.
    """
    return _read(folder, "actions")


def read_todays_actions(folder: Path, code: str) -> pd.DataFrame:
    """The same, only of those that this code took (``characterize.action_files.actions_code``).

    Raises:
        InputError: as ``read_points``.
    """
    return _read(folder, "actions", energies_of=code)


def _read(folder: Path, wanted: Kind, *, energies_of: str | None = None) -> pd.DataFrame:
    tables = [
        read_shard(folder, part, shard, kind, energies_of=energies_of).assign(part=part.name)
        for part, shard, kind, _ in read_manifest(folder).files()
        if kind == wanted
    ]
    if not tables:
        raise InputError(f"{folder}: the dataset has no points yet")
    return pd.concat(tables, ignore_index=True)


def schema_text() -> str:
    """The schema as JSON, for the file ``SCHEMA`` of a dataset."""
    files = {"points": POINT_COLUMNS, "actions": ACTION_COLUMNS}
    content = {kind: [c.to_dict() for c in columns] for kind, columns in files.items()}
    return json.dumps({"version": VERSION, **content}, indent=1) + "\n"


def action_rows(tables: Mapping[str, ActionTable]) -> pd.DataFrame:
    """The energies of tables of actions, by the keys of their points; ``ACTION_COLUMNS``."""
    rows = [
        (key, kind, name, float(value))
        for key, table in tables.items()
        for kind, values in (
            ("action", table.energies_pj),
            ("mac", table.macs_pj),
            ("access", table.accesses_pj),
            ("primitive", table.primitives_pj),
            ("fit", {"mean": table.fit_mean_pct, "worst": table.fit_worst_pct}),
        )
        for name, value in values.items()
    ]
    return pd.DataFrame(rows, columns=[column.name for column in ACTION_COLUMNS])
