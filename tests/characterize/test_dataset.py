"""Datasets that were written are read again; those that were edited are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from characterize.dataset import dataset_table, read_dataset, write_dataset
from characterize.measurement import METRICS, Measurement, Point
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError


def written(folder: Path) -> Path:
    """A dataset of an integer and a floating-point design, the second of which failed."""
    points = [
        Point(design=PEDesign.preset("INT8"), period_ps=2000),
        Point(design=PEDesign.preset("BF16"), period_ps=2000),
    ]
    measurements = [
        Measurement(
            key="k", digests={"rtl": "r", "flow": "f", "netlist": "n"},
            design={**point.design.to_dict(), "digest": point.design.digest},
            period_ps=2000, utilization=0.5, seed=1, flow="placed", activity_model="m",
            operands="uniform", mode=0, run_terms=0, perturbation=0,
            platform={"name": "p", "corner": "c", "hashes": {}},
            tools={}, status="failed" if failed else "ok", reason="why" if failed else "",
            choices={}, metrics={} if failed else dict.fromkeys(METRICS, 1.5), seconds={},
        )
        for failed, point in enumerate(points)
    ]  # fmt: skip
    path = folder / "data.csv"
    write_dataset(path, dataset_table(points, measurements))
    return path


def test_a_dataset_comes_back(tmp_path: Path) -> None:
    table = read_dataset(written(tmp_path))
    assert list(table["status"]) == ["ok", "failed"]
    assert table["area_um2"].iloc[0] == 1.5


def set_to(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table[column].astype(object)
        table.loc[0, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_to("act_bits", 99), "line 2: act_bits must be an integer from 2 to 16, not 99"),
        (set_to("terms", 3.5), "line 2: terms must be left out for family int, not 3.5"),
        (set_to("act_bits", 6), "line 2: the digest is not that of the design"),
        (set_to("digest", "00"), "line 2: the digest is not that of the design"),
        (set_to("status", "yes"), "line 2: status must be ok or failed, not yes"),
        (set_to("area_um2", None), "line 2: area_um2 must be a number, not nan"),
        (lambda table: pd.concat([table, table]), "line 4: this point is there before"),
    ],
)
def test_an_edited_dataset_is_refused_with_its_line(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    path = written(tmp_path)
    write_dataset(path, change(pd.read_csv(path)))
    with pytest.raises(InputError) as error:
        read_dataset(path)
    assert str(error.value) == f"{path}: {message}"
