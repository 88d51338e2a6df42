"""Cross-validation: what it reports, and that it does not cheat."""

from collections.abc import Callable

import pandas as pd
import pytest
from rich.console import Console

from rtl_gen.errors import InputError
from surrogate.evaluate import MIN_DESIGNS, MODELS, SPLITS, error_table, evaluate
from surrogate.model import TARGETS
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def errors(measure: Measure) -> pd.DataFrame:
    return evaluate(training_table(measure(60)))


def test_one_row_for_each_target_split_and_model(errors: pd.DataFrame) -> None:
    expected = [(t, s, m) for s in SPLITS for t in TARGETS for m in MODELS]
    assert list(errors[["target", "split", "model"]].itertuples(index=False, name=None)) == expected
    assert (errors["points"] == 60).all()


def test_errors_are_ordered_as_their_definitions_are(errors: pd.DataFrame) -> None:
    assert (errors["median_ape_pct"] <= errors["p95_ape_pct"]).all()
    assert (errors["p95_ape_pct"] <= errors["worst_ape_pct"]).all()
    assert (errors["mape_pct"] <= errors["worst_ape_pct"]).all()
    assert (errors["r2"] <= 1).all()


@pytest.mark.parametrize("target", TARGETS)
def test_the_surrogate_beats_both_yardsticks(errors: pd.DataFrame, target: str) -> None:
    mape = errors.query("split == 'designs'").set_index(["target", "model"])["mape_pct"]
    assert mape[target, "surrogate"] < mape[target, "quadratic polynomial"] < mape[target, "mean"]


def test_a_tested_point_was_not_learnt_from(measure: Measure) -> None:
    """A value that nothing explains is predicted as badly as if it were not there."""
    table = training_table(measure(60))
    table.loc[7, "area_um2"] *= 10
    worst = evaluate(table).query("target == 'area_um2' and model == 'surrogate'")["worst_ape_pct"]
    assert (worst > 80).all()


def test_another_period_of_a_tested_design_was_not_learnt_from(measure: Measure) -> None:
    """Its measurement is nearly the same: the error would be that of remembering."""
    table = training_table(measure(40))
    table.loc[7, "area_um2"] *= 10
    twice = pd.concat([table, table.assign(period_ps=3000)], ignore_index=True)
    worst = evaluate(twice).query("target == 'area_um2' and model == 'surrogate'")["worst_ape_pct"]
    assert (worst > 80).all()


def test_the_same_seed_gives_the_same_folds(measure: Measure) -> None:
    table = training_table(measure(MIN_DESIGNS))
    first, again = (evaluate(table, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_too_few_points_is_an_error(measure: Measure) -> None:
    with pytest.raises(InputError) as caught:
        evaluate(training_table(measure(MIN_DESIGNS - 1)))
    assert str(caught.value) == (
        "at least 10 measured designs are needed to learn and to test, not 9"
    )


def test_few_datapaths_are_not_left_out_together(measure: Measure) -> None:
    """With four datapaths there are no five folds of them; the plain folds still stand."""
    table = training_table(measure(600))
    few = table[table.groupby(SPLITS["datapaths"]).ngroup() < 4].reset_index(drop=True)
    errors = evaluate(few)
    assert set(errors["split"]) == {"designs"}
    assert "-" in printed(errors)


def test_the_table_shows_every_target_and_model(errors: pd.DataFrame) -> None:
    text = printed(errors)
    assert "60 points in 5 folds, dealt 3 times" in text
    for name in (*TARGETS, *MODELS):
        assert name.removesuffix(" polynomial") in text
    surrogate = errors.query("model == 'surrogate' and split == 'datapaths'")
    for mape in surrogate["mape_pct"]:
        assert f"{mape:.1f}" in text


def printed(errors: pd.DataFrame) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(error_table(errors))
    return capture.get()
