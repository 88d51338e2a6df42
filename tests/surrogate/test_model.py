"""All targets together."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rtl_gen.space import Space
from surrogate.intervals import LEVEL
from surrogate.model import Surrogate
from surrogate.targets import TARGETS
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(120))


@pytest.fixture(scope="module")
def surrogate(table: pd.DataFrame) -> Surrogate:
    return Surrogate.fit(table)


def test_predicts_every_target_and_where_it_stands(surrogate: Surrogate, space: Space) -> None:
    points = space.table().sample(30, random_state=1)
    predicted = surrogate.predict(points)
    columns = [name for target in TARGETS for name in (target, f"{target}_low", f"{target}_high")]
    assert list(predicted.columns) == [*columns, "outside"]
    assert predicted.index.equals(points.index)
    for target in TARGETS:
        low, value, high = (predicted[f"{target}{end}"] for end in ("_low", "", "_high"))
        assert ((low > 0) & (low < value) & (value < high)).all()
    assert list(predicted["outside"].cat.categories) == list(surrogate.region.checks)
    assert predicted["outside"].isna().any()
    values = surrogate.predict(points, intervals=False)
    pd.testing.assert_frame_equal(values, predicted[[*TARGETS, "outside"]], check_exact=True)


def test_intervals_are_of_errors_that_were_not_learnt_from(
    surrogate: Surrogate, table: pd.DataFrame
) -> None:
    """A model is nearer to what it was fitted to: intervals made of that would be too narrow."""
    predicted = surrogate.predict(table)
    for target in TARGETS:
        low, high = predicted[f"{target}_low"], predicted[f"{target}_high"]
        assert ((low <= table[target]) & (table[target] <= high)).mean() > LEVEL


def test_a_design_that_was_not_measured_is_told_with_what_is_outside(table: pd.DataFrame) -> None:
    surrogate = Surrogate.fit(table[table["family"] != "pow2"])
    outside = surrogate.predict(table)["outside"]
    assert set(outside[table["family"] == "pow2"]) == {"family"}
    assert outside[table["family"] != "pow2"].isna().all()


def test_the_same_data_give_the_same_predictions(
    table: pd.DataFrame, surrogate: Surrogate, space: Space
) -> None:
    points = space.table()
    again = Surrogate.fit(table).predict(points)
    pd.testing.assert_frame_equal(surrogate.predict(points), again, check_exact=True)


def test_extrapolates_with_the_size_of_the_scratchpads(surrogate: Surrogate, space: Space) -> None:
    """Beyond all measurements trees alone would be flat; the base goes on."""
    points = space.table().head(1)
    twice = points.assign(filter_depth=448)
    assert (
        surrogate.predict(twice)["area_um2"].iloc[0]
        > 1.3 * (surrogate.predict(points.assign(filter_depth=224))["area_um2"].iloc[0])
    )


@pytest.mark.parametrize("depth", ["ifmap_depth", "filter_depth", "psum_depth"])
@pytest.mark.parametrize("target", ["area_um2", "core_area_um2", "leakage_uw"])
def test_more_words_never_take_less(
    measure: Measure, everything: Space, depth: str, target: str
) -> None:
    """Base and trees together, also where the measurements say otherwise by chance."""
    dataset = measure(120)
    noise = np.random.default_rng(0).normal(1, 0.3, len(dataset))
    table = training_table(dataset)
    noisy = table.assign(**{target: table[target] * np.maximum(noise, 0.1)})
    surrogate = Surrogate.fit(noisy)
    points = everything.table(limit=300, seed=4)
    words = [4, 8, 11, 24, 64, 65, 200, 256]
    predicted = np.array(
        [surrogate.predict(points.assign(**{depth: n}), intervals=False)[target] for n in words]
    )
    assert (np.diff(predicted, axis=0) >= -1e-9 * predicted[:-1]).all()
    assert (predicted[-1] > predicted[0]).all()
