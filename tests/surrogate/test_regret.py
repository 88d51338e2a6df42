"""Regret: by hand, and at its ends: a model that knows all, and one that knows nothing."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rtl_gen.errors import InputError
from surrogate.evaluate import cross_validate
from surrogate.regret import MIN_CANDIDATES, QUERIES, Query, answer, queries, regret
from surrogate.targets import TARGETS
from surrogate.training_set import training_table

Measure = Callable[..., pd.DataFrame]

MEASURED = pd.DataFrame({"area": [4.0, 5.0, 8.0], "energy": [9.0, 3.0, 2.0]}, index=[7, 8, 9])
QUERY = Query(objective="area", constraint="energy", bound=4.0, candidates=MEASURED.index)


@pytest.mark.parametrize(
    ("energies", "areas", "expected"),
    [
        ([9, 3, 2], [4, 5, 8], (3 / 4 - 1, 0)),  # all known: the best
        ([9, 3, 2], [4, 9, 8], (2 / 4 - 1, 8 / 5 - 1)),  # the objective misjudged
        ([4, 3, 2], [4, 5, 8], (9 / 4 - 1, 4 / 5 - 1)),  # the constraint misjudged: a miss
        ([9, 4.1, 5], [4, 5, 8], (np.nan, np.nan)),  # none seems to hold
    ],
)
def test_answers_by_hand(
    energies: list[float], areas: list[float], expected: tuple[float, float]
) -> None:
    predicted = pd.DataFrame({"area": areas, "energy": energies}, index=MEASURED.index)
    assert answer(MEASURED, predicted, QUERY) == pytest.approx(expected, nan_ok=True)


@pytest.fixture(scope="module")
def table(measure: Measure) -> pd.DataFrame:
    return training_table(measure(200))


def test_queries_can_be_answered(table: pd.DataFrame) -> None:
    """At least one candidate holds; half are among the same bits, where there are enough."""
    found = list(queries(table, list(TARGETS)))
    assert len(found) == QUERIES
    narrow = 0
    for query in found:
        candidates = table.loc[query.candidates]
        assert query.objective != query.constraint
        assert (candidates[query.constraint] <= query.bound).any()
        assert len(candidates) >= MIN_CANDIDATES
        if len(candidates) < len(table):
            narrow += 1
            assert len(candidates[["act_bits", "weight_bits"]].drop_duplicates()) == 1
    assert 0 < narrow <= QUERIES / 2


def known(table: pd.DataFrame, model: str, factor: np.ndarray | float) -> pd.DataFrame:
    """Predictions of a model that knows all measurements but for a factor."""
    parts = [
        pd.DataFrame(
            {"target": target, "split": "datapaths", "deal": deal, "model": model,
             "point": table.index, "predicted": table[target] * factor}
        )
        for target in TARGETS for deal in range(2)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_who_knows_all_regrets_nothing(table: pd.DataFrame) -> None:
    found = regret(table, known(table, "oracle", 1.0)).iloc[0]
    assert (found["queries"], found["unanswered_pct"], found["missed_pct"]) == (QUERIES, 0, 0)
    assert found["p95_regret_pct"] == 0
    assert np.isnan(found["excess_pct"])


def test_who_is_daring_misses_and_who_is_shy_regrets(table: pd.DataFrame) -> None:
    predictions = pd.concat([known(table, "daring", 0.8), known(table, "shy", 1.2)])
    found = regret(table, predictions).set_index("model")
    assert found["missed_pct"]["daring"] > 5 > found["missed_pct"]["shy"] == 0
    assert found["excess_pct"]["daring"] > 0
    assert found["p95_regret_pct"]["shy"] > 0


def test_what_was_learnt_is_better_than_chance(table: pd.DataFrame) -> None:
    predictions = cross_validate(table, models=["surrogate", "nearest point"])
    found = regret(table, predictions).set_index("model")
    assert found["median_regret_pct"]["surrogate"] < found["median_regret_pct"]["nearest point"]
    pd.testing.assert_frame_equal(found, regret(table, predictions).set_index("model"))


def test_a_query_needs_two_targets(table: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        list(queries(table, ["area_um2"]))
    assert str(caught.value) == "a query needs two targets, not 1"
