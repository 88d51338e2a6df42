"""An assessment: what is held out stays out, names are checked, JSON says everything."""

import json
from collections.abc import Callable

import pandas as pd
import pytest

from rtl_gen.errors import InputError
from surrogate.assessment import DEFAULT_SPLITS, Assessment, assess
from surrogate.canonical import held_out
from surrogate.evaluate import errors
from surrogate.targets import TARGETS
from surrogate.training_set import dataset_digest, of_flow, training_table

Measure = Callable[..., pd.DataFrame]
MODELS = ("surrogate", "mean")


@pytest.fixture(scope="module")
def dataset(measure: Measure) -> pd.DataFrame:
    tools = "sta=2.0, pyosys=0.70"
    return measure(60, failed=2).assign(flow="placed", platform="freepdk45", tools=tools)


@pytest.fixture(scope="module")
def found(dataset: pd.DataFrame) -> Assessment:
    return assess(dataset, splits=(*DEFAULT_SPLITS, "test"), models=MODELS)


def test_what_is_held_out_is_in_the_last_test_alone(
    dataset: pd.DataFrame, found: Assessment
) -> None:
    table = training_table(dataset)
    last = set(table.index[held_out(table)])
    assert found.points == 58
    assert 0 < len(last) == found.held_out
    for split, rows in found.predictions.groupby("split"):
        assert (set(rows["point"]) == last) == (split == "test")
        assert bool(set(rows["point"]) & last) == (split == "test")


def test_the_last_test_must_be_asked_for() -> None:
    assert DEFAULT_SPLITS == ("datapaths", "widths", "families", "ranges", "sizes")


def test_errors_are_those_of_the_predictions(found: Assessment) -> None:
    pd.testing.assert_frame_equal(found.errors(), errors(found.predictions))
    assert set(found.errors("part").query("split == 'families'")["part"]) == {
        "int", "lightpe", "pow2",
    }  # fmt: skip


def test_says_what_it_is_of(dataset: pd.DataFrame, found: Assessment) -> None:
    assert found.dataset_digest == dataset_digest(dataset)
    assert found.origin == {
        "flow": ["placed"], "platform": ["freepdk45"], "tools": ["pyosys=0.70", "sta=2.0"],
    }  # fmt: skip
    assert set(found.versions) == {"numpy", "pandas", "scikit-learn", "xgboost-cpu"}


def test_tools_that_nobody_noted_are_left_out(dataset: pd.DataFrame) -> None:
    for older in (dataset.drop(columns="tools"), dataset.assign(tools="")):
        assert "tools" not in assess(older, splits=["families"], models=["mean"]).origin


def test_json_has_no_numbers_that_json_lacks(found: Assessment) -> None:
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert {row["model"] for row in document["errors"]} == set(MODELS)
    assert {row["target"] for row in document["errors_by_family"]} == set(TARGETS)
    assert all(row["part"] for row in document["errors_by_part"])
    assert [row["model"] for row in document["regret"]] == list(MODELS)
    assert document["noise"] == []


def test_without_datapaths_there_is_no_regret(dataset: pd.DataFrame) -> None:
    assert assess(dataset, splits=["families"], models=["mean"]).regret.empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": ["random"]},
         "a split must be one of datapaths, widths, families, ranges, sizes, test, not 'random'"),
        ({"splits": []},
         "at least one split is needed: datapaths, widths, families, ranges, sizes, test"),
        ({"models": []},
         "at least one model is needed: surrogate, physical base, tuned surrogate, Gauss process, "
         "random forest, quadratic, look-up table, nearest point, linear, mean"),
    ],
)  # fmt: skip
def test_wrong_names_are_named(
    dataset: pd.DataFrame, options: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        assess(dataset, **options)
    assert str(caught.value) == message


def test_what_cannot_be_split_is_an_error(dataset: pd.DataFrame) -> None:
    ints = dataset[dataset["family"] == "int"]
    with pytest.raises(InputError) as caught:
        assess(ints, splits=["families"])
    assert str(caught.value) == "the dataset's points cannot be split by families"


def test_rows_of_one_flow(measure: Measure) -> None:
    dataset = measure(10).assign(flow=["placed"] * 7 + ["openroad"] * 3)
    assert len(of_flow(dataset, "openroad")) == 3
    assert len(of_flow(dataset, None)) == 10
    with pytest.raises(InputError) as caught:
        of_flow(dataset, "routed")
    assert str(caught.value) == (
        "the dataset has no row of flow 'routed', only of openroad, placed"
    )
