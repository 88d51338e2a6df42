"""Cross-validation: what it reports, that it does not cheat, and that it would notice."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from characterize.dataset_schema import POINT_IDENTITY
from characterize.measurement import METRICS
from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.evaluate import CHEAP, MODELS, cross_validate, errors, evaluate, noise_floor
from surrogate.features import FEATURE_NAMES, feature_matrix, parameter_matrix
from surrogate.splits import DEALS
from surrogate.targets import TARGETS, needed_columns
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]
AREA = ("area_um2",)


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(120))


@pytest.fixture(scope="module")
def predictions(table: pd.DataFrame) -> pd.DataFrame:
    return cross_validate(table)


def mape(table: pd.DataFrame, model: str = "surrogate") -> float:
    found = cross_validate(table, models=[model], targets=AREA)
    return float(errors(found)["mape_pct"].iloc[0])


def test_every_point_is_foretold_once_in_each_deal(
    table: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    assert len(predictions) == DEALS * len(table) * len(TARGETS) * len(CHEAP)
    assert not predictions.duplicated(["target", "deal", "model", "point"]).any()
    for target, rows in predictions.groupby("target"):
        np.testing.assert_array_equal(rows["measured"], table.loc[rows["point"], str(target)])


def test_points_keep_their_labels(table: pd.DataFrame) -> None:
    labelled = table.set_index(pd.Index([f"p{number}" for number in range(len(table))]))
    found = cross_validate(labelled, models=["mean"], targets=AREA)
    assert set(found["point"]) == set(labelled.index)


def test_one_row_for_each_target_split_and_model(predictions: pd.DataFrame) -> None:
    found = errors(predictions)
    expected = [(t, "datapaths", m) for t in TARGETS for m in CHEAP]
    assert list(found[["target", "split", "model"]].itertuples(index=False, name=None)) == expected
    assert (found["points"] == 120).all()


def test_scores_by_hand() -> None:
    """10 % too much, right, 50 % too little: ranks of the last two are exchanged."""
    rows = pd.DataFrame(
        {"measured": [1.0, 2.0, 3.0], "predicted": [1.1, 2.0, 1.5], "point": [0, 1, 2],
         "target": "t", "split": "s", "model": "m"}
    )  # fmt: skip
    found = errors(rows).iloc[0]
    assert found["mape_pct"] == pytest.approx(20)
    assert found["median_ape_pct"] == pytest.approx(10)
    assert found["p95_ape_pct"] == pytest.approx(46)
    assert found["worst_ape_pct"] == pytest.approx(50)
    assert found["r2"] == pytest.approx(1 - (0.01 + 2.25) / 2)
    assert found["spearman"] == pytest.approx(0.5)


def test_what_does_not_vary_has_no_correlation() -> None:
    rows = pd.DataFrame({"measured": [2.0, 2.0], "predicted": [2.0, 1.0], "point": [0, 1]})
    found = errors(rows.assign(target="t"), by=["target"]).iloc[0]
    assert np.isnan(found["r2"])
    assert np.isnan(found["spearman"])


def test_errors_of_families_are_those_of_their_points(predictions: pd.DataFrame) -> None:
    """Weighted by their points they make the error of all."""
    every, by_family = errors(predictions), errors(predictions, by=("target", "model", "family"))
    first = by_family[(by_family["target"] == "area_um2") & (by_family["model"] == "surrogate")]
    assert set(first["family"]) == {"int", "lightpe", "pow2"}
    assert first["points"].sum() == 120
    whole = every.set_index(["target", "model"])["mape_pct"]["area_um2", "surrogate"]
    assert np.average(first["mape_pct"], weights=first["points"]) == pytest.approx(whole)


@pytest.mark.parametrize("target", TARGETS)
def test_the_surrogate_beats_what_remembers(predictions: pd.DataFrame, target: str) -> None:
    """The formula of this table is a sum of quantities: only linear models may come near."""
    found = errors(predictions).set_index(["target", "model"])["mape_pct"][target]
    assert found["surrogate"] < found["nearest point"] / 1.8
    assert found["surrogate"] < found["physical base"] * 1.1
    assert found.idxmax() == "mean"


def test_a_tested_point_was_not_learnt_from(measure: Measure) -> None:
    """A value that nothing explains is predicted as badly as if it were not there."""
    table = training_table(measure(60))
    table.loc[7, "area_um2"] *= 10
    assert errors(cross_validate(table, models=["surrogate"]))["worst_ape_pct"].iloc[0] > 80


def test_a_twin_of_a_tested_point_was_not_learnt_from(measure: Measure) -> None:
    """The nearest point would remember it: other period, other name, the same datapath."""
    table = training_table(measure(60))
    table.loc[7, "area_um2"] *= 10
    twin = table.assign(period_ps=table["period_ps"] + 1)
    twin["family"] = twin["family"].replace("pow2", "lightpe")
    twice = pd.concat([table, twin], ignore_index=True)
    found = cross_validate(twice, models=["nearest point"], targets=AREA)
    assert found[found["point"] == 7].eval("predicted / measured").max() < 0.5


def test_random_labels_teach_nothing(table: pd.DataFrame) -> None:
    """R2 near 0: what the folds let through would show here."""
    generator = np.random.default_rng(0)
    shuffled = table.assign(area_um2=generator.permutation(table["area_um2"]))
    models = ["surrogate", "random forest", "nearest point", "mean"]
    found = errors(cross_validate(shuffled, models=models, targets=AREA)).set_index("model")
    assert found["r2"].max() < 0.1
    assert found["spearman"].abs().max() < 0.25
    assert found["r2"]["surrogate"] > -0.5


def test_a_shuffled_column_shows(table: pd.DataFrame) -> None:
    """The depth of the filters' scratchpad decides most of the area: without it, errors soar."""
    shuffled = table.assign(
        filter_depth=np.random.default_rng(0).permutation(table["filter_depth"])
    )
    assert mape(shuffled) > 5 * mape(table)


def test_a_target_among_the_parameters_would_show(table: pd.DataFrame) -> None:
    """A leak through a column of the inputs: errors fall far below those of honest columns."""
    leaked = table.assign(period_ps=table["area_um2"].round())
    assert mape(leaked, "linear") < mape(table, "linear") / 2


def test_no_measured_column_is_an_input(measure: Measure) -> None:
    """Whatever was measured, inputs are the same; nor has one of them the name of a metric."""
    dataset = measure(40)
    changed = dataset.assign(**{name: 1e6 + np.arange(40.0) for name in METRICS})
    for inputs in (feature_matrix, parameter_matrix):
        np.testing.assert_array_equal(inputs(dataset), inputs(changed))
        np.testing.assert_array_equal(inputs(dataset), inputs(dataset[list(POINT_COLUMNS)]))
    assert not set(FEATURE_NAMES) & set(METRICS)


def test_the_same_seed_gives_the_same_predictions(measure: Measure) -> None:
    table = training_table(measure(30))
    first, again, other = (
        cross_validate(table, models=["surrogate"], targets=AREA, seed=seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(other)


def test_every_model_runs_on_every_split(measure: Measure) -> None:
    """But the tuned one, which has tests of its own and takes its time."""
    table = training_table(measure(40))
    splits = ("families", "ranges", "widths")
    models = [name for name in MODELS if name != "tuned surrogate"]
    found = cross_validate(table, splits=splits, models=models, targets=AREA)
    assert np.isfinite(found["predicted"]).all()
    assert set(found["model"]) == set(models)
    assert set(found["split"]) == set(splits)


def test_too_few_points_is_an_error(measure: Measure) -> None:
    with pytest.raises(InputError) as caught:
        evaluate(training_table(measure(9)))
    assert str(caught.value).startswith("at least 10 measured points of 2 datapaths are needed")


def test_an_unknown_model_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        cross_validate(table, models=["oracle"])
    assert str(caught.value) == (
        "a model must be one of surrogate, physical base, tuned surrogate, Gauss process, "
        "random forest, quadratic, look-up table, nearest point, linear, mean, not 'oracle'"
    )


def replicates(measure: Measure, count: int, spread: float, points: int = 30) -> pd.DataFrame:
    """Each point measured ``count`` times, with a normal error of that standard deviation."""
    generator = np.random.default_rng(0)
    dataset = measure(points).assign(
        flow="placed", platform="freepdk45", corner="typical", utilization=0.5, seed=1,
        operands="uniform", mode=0, run_terms=0,
    )  # fmt: skip
    measured = [name for name in needed_columns() if name != "period_ps"]
    parts = [
        dataset.assign(
            perturbation=number,
            **{name: dataset[name] * generator.normal(1, spread, points) for name in measured},
        )
        for number in range(count)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("count", [2, 8])
def test_noise_is_that_of_the_measurements_however_often_they_are_repeated(
    measure: Measure, count: int
) -> None:
    """The mean absolute deviation of a normal distribution is sqrt(2 / pi) of its standard one."""
    found = noise_floor(replicates(measure, count, 0.02, points=200))
    assert list(found["target"]) == list(TARGETS)
    assert (found["replicates"] == 200 * count).all()
    assert found["noise_pct"].to_numpy() == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.15)


def test_points_that_were_measured_once_or_failed_have_no_noise(measure: Measure) -> None:
    table = replicates(measure, 2, 0.02)
    table.loc[30:39, "status"] = "failed"
    assert (noise_floor(table.drop(index=range(40, 45)))["points"] == 15).all()


def test_replicates_must_be_some(measure: Measure) -> None:
    with pytest.raises(InputError) as caught:
        noise_floor(replicates(measure, 1, 0.02))
    assert str(caught.value) == "the table of replicates has no point with two perturbations"
    for name in ("status", *POINT_IDENTITY):
        with pytest.raises(InputError) as caught:
            noise_floor(replicates(measure, 2, 0.02).drop(columns=name))
        assert str(caught.value) == f"the table of replicates has no column {name}"
