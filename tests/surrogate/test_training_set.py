"""From datasets to training tables and digests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.targets import TARGETS, needed_columns
from surrogate.training_set import dataset_digest, read_measurements, training_table

Measure = Callable[..., pd.DataFrame]


def test_failed_rows_are_left_out(measure: Measure) -> None:
    table = training_table(measure(30, failed=4))
    assert len(table) == 26
    assert list(table.columns) == [*POINT_COLUMNS, *TARGETS]
    assert table.notna().all().all()


def test_the_digest_survives_csv(measure: Measure, tmp_path: Path) -> None:
    """Floating-point text is read to the last bit."""
    dataset = measure(30, failed=4)
    dataset.to_csv(tmp_path / "dataset.csv", index=False)
    read = pd.read_csv(tmp_path / "dataset.csv")
    pd.testing.assert_frame_equal(training_table(read), training_table(dataset), check_exact=True)
    read.to_csv(tmp_path / "again.csv", index=False)
    assert dataset_digest(pd.read_csv(tmp_path / "again.csv")) == dataset_digest(read)


def test_measurements_of_different_flows_are_not_mixed(measure: Measure) -> None:
    dataset = measure(10).assign(flow=["placed"] * 9 + ["openroad"], platform="freepdk45")
    with pytest.raises(InputError) as caught:
        training_table(dataset)
    assert str(caught.value) == (
        "the dataset mixes measurements of different flow: openroad; placed"
    )
    dataset.loc[9, "status"] = "failed"
    assert len(training_table(dataset)) == 9


@pytest.mark.parametrize("column", ["status", "period_ps", "leakage_uw"])
def test_a_missing_column_is_named(column: str, measure: Measure) -> None:
    with pytest.raises(InputError) as caught:
        training_table(measure(10).drop(columns=column))
    assert str(caught.value) == f"the dataset has no column {column}"


def test_nothing_measured_is_an_error(measure: Measure) -> None:
    with pytest.raises(InputError) as caught:
        training_table(measure(3, failed=3))
    assert str(caught.value) == "the dataset has no row with status ok among its 3"


@pytest.mark.parametrize(
    ("value", "shown"), [(np.nan, "nan"), (0.0, "0.0"), (-2.5, "-2.5"), (np.inf, "inf")]
)
def test_a_measured_row_without_a_value_is_an_error(
    value: float, shown: str, measure: Measure
) -> None:
    dataset = measure(10)
    dataset.loc[4, "energy_per_mac_pj"] = value
    with pytest.raises(InputError) as caught:
        training_table(dataset)
    assert str(caught.value) == (
        f"energy_per_mac_pj must be a number above 0 in every row with status ok, not {shown}"
    )


def test_cells_do_not_exceed_their_core(measure: Measure) -> None:
    dataset = measure(10)
    dataset[["area_um2", "core_area_um2"]] = dataset[["core_area_um2", "area_um2"]].to_numpy()
    area, core = dataset["area_um2"][0], dataset["core_area_um2"][0]
    with pytest.raises(InputError) as caught:
        training_table(dataset)
    assert str(caught.value) == (
        f"area_um2 {area:.6g} is more than core_area_um2 {core:.6g}, where its cells are placed: "
        "are the columns exchanged, or in another order?"
    )


def test_digest_ignores_order_and_run_times(measure: Measure) -> None:
    dataset = measure(20, failed=2)
    changed = dataset.assign(seconds_total=1.0, seconds_new=2.0).sample(frac=1, random_state=0)
    assert dataset_digest(changed[sorted(changed.columns)]) == dataset_digest(dataset)
    assert len(dataset_digest(dataset)) == 64


def test_digest_sees_every_value(measure: Measure) -> None:
    dataset = measure(20, failed=2)
    changed = dataset.copy()
    changed.loc[3, "wirelength_um"] *= 1 + 1e-15
    assert dataset_digest(changed) != dataset_digest(dataset)


def own(measure: Measure, folder: Path, **changes: object) -> Path:
    """Someone's own measurements: no more columns than are needed."""
    table = measure(50)[[*POINT_COLUMNS, *needed_columns()]]
    table = table.loc[:, ~table.columns.duplicated()].assign(**changes)
    table.to_parquet(folder / "my.parquet")
    return folder / "my.parquet"


def test_own_measurements_need_no_more_than_designs_and_targets(
    measure: Measure, tmp_path: Path
) -> None:
    path = own(measure, tmp_path)
    read = read_measurements(path)
    assert set(read["status"]) == {"ok"}
    expected = training_table(measure(50))
    pd.testing.assert_frame_equal(training_table(read), expected, check_dtype=False)
    read.to_csv(tmp_path / "my.csv", index=False)
    again = training_table(read_measurements(tmp_path / "my.csv"))
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"act_bits": 99}, "line 2: act_bits must be an integer from 2 to 16, not 99"),
        ({"digest": "0"}, "line 2: the digest is not that of the design"),
    ],
)
def test_own_rows_that_are_no_designs_are_refused(
    measure: Measure, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = own(measure, tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        read_measurements(path)
    assert str(caught.value) == f"{path}: {message}"


def test_own_tables_without_a_column_are_refused(measure: Measure, tmp_path: Path) -> None:
    path = own(measure, tmp_path)
    pd.read_parquet(path).drop(columns="leakage_uw").to_parquet(path)
    with pytest.raises(InputError) as caught:
        read_measurements(path)
    assert str(caught.value) == f"{path}: column leakage_uw is missing"


@pytest.mark.parametrize(
    ("target", "factor", "message"),
    [
        ("area_um2", 1e6, "it must be in um2 (0.01..20000 a bit)"),  # nm2
        ("area_um2", 1e-6, "it must be in um2 (0.01..20000 a bit)"),  # mm2
        ("least_period_ps", 1e-3, "it must be in ps (10..1e+06)"),  # ns
        ("leakage_uw", 1e6, "it must be in uW (1e-12..30 a bit)"),  # pW
    ],
)
def test_targets_in_other_units_are_refused(
    measure: Measure, target: str, factor: float, message: str
) -> None:
    dataset = measure(50)
    dataset[target] *= factor
    with pytest.raises(InputError) as caught:
        training_table(dataset)
    assert str(caught.value).startswith(f"{target} is {dataset[target].iloc[0]:.6g}")
    assert str(caught.value).endswith(message)
