"""The Pareto front against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from explorer.pareto import non_dominated
from rtl_gen.errors import InputError

SHAPES = st.tuples(st.integers(0, 40), st.integers(1, 4))
#: Few different values, so that ties and equal points are common; infinity is a value too.
COARSE = st.sampled_from([-np.inf, -2.0, -0.0, 0.0, 1.0, 1.5, 3.0, np.inf])
FINE = st.floats(allow_nan=False)


def by_definition(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """No other point is at least as low everywhere and lower somewhere."""
    return np.array(
        [not ((values <= p).all(axis=1) & (values < p).any(axis=1)).any() for p in values],
        dtype=bool,
    )


@given(arrays(np.float64, SHAPES, elements=COARSE) | arrays(np.float64, SHAPES, elements=FINE))
def test_agrees_with_the_definition(values: NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(non_dominated(values), by_definition(values))


@given(arrays(np.float64, SHAPES, elements=COARSE), st.data())
def test_maximising_is_minimising_the_negative(
    values: NDArray[np.float64], data: st.DataObject
) -> None:
    columns = values.shape[1]
    maximize = data.draw(st.lists(st.booleans(), min_size=columns, max_size=columns))
    signs = np.where(maximize, -1.0, 1.0)
    np.testing.assert_array_equal(non_dominated(values, maximize), by_definition(values * signs))


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["uniform", "ties", "opposed", "sphere"])
def test_agrees_with_the_definition_on_many_points(columns: int, kind: str) -> None:
    """Enough points for the sieve and for every branch of the divide and conquer."""
    generator = np.random.default_rng(columns)
    values = generator.normal(size=(2500, columns))
    if kind == "ties":
        values = np.round(3 * values)
    elif kind == "opposed":
        values[:, -1] = -values[:, :-1].sum(axis=1) + 0.01 * values[:, -1]
    elif kind == "sphere":
        values = -np.abs(values) / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_array_equal(non_dominated(values), by_definition(values))


def test_one_point_is_the_front_and_none_has_none() -> None:
    assert non_dominated([[3.0, 4.0]]).tolist() == [True]
    assert non_dominated(np.empty((0, 2))).tolist() == []


def test_all_copies_of_a_point_are_on_the_front() -> None:
    assert non_dominated([[1, 2], [2, 1], [1, 2], [2, 2]]).tolist() == [True, True, True, False]


def test_values_are_not_changed() -> None:
    values = np.array([[1.0, 2.0], [2.0, 1.0]])
    non_dominated(values, [True, False])
    assert values.tolist() == [[1.0, 2.0], [2.0, 1.0]]


@pytest.mark.parametrize(
    ("values", "maximize", "message"),
    [
        ([1.0, 2.0], None, "values must have shape (points, objectives), not (2,)"),
        ([[], []], None, "values must have shape (points, objectives), not (2, 0)"),
        ([[1.0, np.nan]], None, "values must be numbers, not NaN"),
        (
            [[1.0, 2.0]],
            [True],
            "maximize must have an entry for each of 2 objectives, not 1",
        ),
    ],
)
def test_bad_input_is_refused(values: object, maximize: list[bool] | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        non_dominated(values, maximize)
    assert str(caught.value) == message
