from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.model import TARGETS
from surrogate.training_set import dataset_digest, read_dataset, training_table

Measure = Callable[..., pd.DataFrame]


def test_failed_rows_are_left_out(measure: Measure) -> None:
    table = training_table(measure(30, failed=4))
    assert len(table) == 26
    assert list(table.columns) == [*POINT_COLUMNS, *TARGETS]
    assert table.notna().all().all()


def test_a_csv_file_comes_back_exactly(tmp_path: Path, measure: Measure) -> None:
    """Floating-point text is read to the last bit: the digest of a file is that of its data."""
    dataset = measure(30, failed=4)
    dataset.to_csv(tmp_path / "dataset.csv", index=False)
    read = read_dataset(tmp_path / "dataset.csv")
    pd.testing.assert_frame_equal(training_table(read), training_table(dataset), check_exact=True)


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is not a CSV dataset: No columns to parse from file"),
        (
            b"a,b\n1,2,3\n4,5,6,7\n",
            "is not a CSV dataset: Error tokenizing data. C error: "
            "Expected 3 fields in line 3, saw 4",
        ),
    ],
)
def test_an_unreadable_file_is_an_error(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "dataset.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_dataset(path)
    assert str(caught.value) == f"{path}: {message}"
