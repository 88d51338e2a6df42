"""Predict designs by the million: from a file or a space to a file, in constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rtl_gen.atomic import replacing
from rtl_gen.errors import InputError, require_choice, require_int
from rtl_gen.space import PERIOD_PS, Space, design_of, first_illegal
from surrogate.artifact import Artifact
from surrogate.targets import TARGETS

#: Designs that are in memory at once.
CHUNK = 100_000
_FORMATS = (".parquet", ".csv")


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """What was predicted.

    Attributes:
        designs: how many.
        outside: how many of these are outside what was measured.
    """

    designs: int
    outside: int


def designs_of_file(path: Path) -> Iterator[pd.DataFrame]:
    """The designs of a CSV or Parquet file, in chunks, with whatever else it has.

    Raises:
        InputError: if it cannot be read, or has no such designs.
    """
    require_choice("the ending of a file of designs", path.suffix, _FORMATS)
    try:
        with path.open("rb") as file:
            if path.suffix == ".parquet":
                for batch in pq.ParquetFile(file).iter_batches(CHUNK):
                    yield batch.to_pandas()
            else:
                yield from pd.read_csv(file, chunksize=CHUNK)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (pa.ArrowInvalid, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: is no table of designs: {reason}") from None


def designs_of_space(space: Space, n: int, seed: int) -> Iterator[pd.DataFrame]:
    """At most so many designs of a space, in chunks: all in order, or drawn at random.

    Drawn ones, and those of blocks that overlap, may be there more than once.

    Raises:
        InputError: if no combination that is looked at is a design.
    """
    generator = np.random.default_rng(seed)
    found = 0
    for start in range(0, min(n, space.size), CHUNK):
        count = min(CHUNK, min(n, space.size) - start)
        numbers = np.arange(start, start + count, dtype=np.int64)
        if space.size > n:
            numbers = generator.integers(0, space.size, size=count)
        table = space.in_order(numbers)
        found += len(table)
        if len(table):
            yield table
    if not found:
        space.table(limit=n, seed=seed)  # says why


def predict_to(
    chunks: Iterator[pd.DataFrame], artifact: Artifact, path: Path, *, intervals: bool
) -> Bulk:
    """Predict designs and write them, with their predictions, whole or not at all.

    Args:
        path: ends in ``.parquet`` or ``.csv``.
        intervals: whether those are wanted, too.

    Raises:
        InputError: if the file cannot be written, a row is no design, or a column has the name of
            a prediction.
    """
    require_choice("the ending of a file of predictions", path.suffix, _FORMATS)
    designs = outside = 0
    with replacing(path) as part, _writer(part, path.suffix) as write:
        for chunk in chunks:
            _require_free_names(chunk)
            predicted = artifact.surrogate.predict(chunk, intervals=intervals)
            _require_designs(chunk, designs)
            designs += len(chunk)
            outside += int(predicted["outside"].notna().sum())
            write(pd.concat([chunk, predicted.astype({"outside": object})], axis=1))
        if not designs:
            raise InputError("there is no design to predict")
    return Bulk(designs=designs, outside=outside)


def _require_designs(table: pd.DataFrame, before: int) -> None:
    """Refuse what the generator would: numbers alone do not make a design.

    Args:
        before: rows before this table, for the message.
    """
    place = first_illegal(table)
    if place is None:
        return
    row = table.iloc[place].to_dict()
    where = f"row {before + place + 1} of the designs"
    try:
        design_of(row)
        require_int("period_ps", int(row["period_ps"]), *PERIOD_PS)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    raise InputError(f"{where}: its parameters do not go together")


def _require_free_names(table: pd.DataFrame) -> None:
    """Refuse a column that a prediction would replace, or one of another run would stand beside."""
    taken = {"outside", *(name + end for name in TARGETS for end in ("", "_low", "_high"))}
    if clash := [str(name) for name in table if name in taken]:
        raise InputError(
            f"the designs have a column {clash[0]} already, where a prediction would be written: "
            "rename it, or leave it out"
        )


@contextlib.contextmanager
def _writer(path: Path, suffix: str) -> Generator[Any]:
    """A function that adds the rows of a table to a file."""
    with contextlib.ExitStack() as stack:
        parquet: pq.ParquetWriter | None = None

        def write_parquet(table: pd.DataFrame) -> None:
            nonlocal parquet
            rows = pa.Table.from_pandas(table, preserve_index=False)
            if parquet is None:
                place = rows.schema.get_field_index("outside")
                schema = rows.schema.set(place, pa.field("outside", pa.string()))
                parquet = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            parquet.write_table(rows.cast(parquet.schema))

        def write_csv(table: pd.DataFrame) -> None:
            first = path.stat().st_size == 0
            table.to_csv(path, mode="a", header=first, index=False, float_format="%.7g")

        yield write_parquet if suffix == ".parquet" else write_csv
