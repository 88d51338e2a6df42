"""Constraints: what they mean is what Python means; what they may not be is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.constraints import Kind, parse_constraint
from rtl_gen.errors import InputError

KINDS: dict[str, Kind] = {"a": "number", "b": "number", "family": "name", "gated": "truth"}
ROWS = [
    {"a": a, "b": b, "family": family, "gated": gated}
    for a in (0, 1, 4, 7)
    for b in (1, 2, 5)
    for family in ("int", "fp")
    for gated in (True, False)
]

numbers = st.recursive(
    st.sampled_from(["a", "b", "0", "3", "2.5"]),
    lambda inner: st.builds(
        "({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), inner
    ) | st.builds("-{}".format, inner),
    max_leaves=4,
)  # fmt: skip
comparisons = st.one_of(
    st.builds("{} {} {}".format, numbers, st.sampled_from(["<", "<=", "==", "!=", ">"]), numbers),
    st.builds("{} <= {} < {}".format, numbers, numbers, numbers),
    st.sampled_from(
        ["gated", "family == 'int'", "family != 'fp'", "a in [1, 7]", "b not in (2, 5)",
         "family in ['fp']", "a // b > 1", "a % b == 1", "a / b > 0.5"]
    ),
).filter(lambda text: any(name in text for name in ("a", "b", "gated")))  # fmt: skip
conditions = st.recursive(
    comparisons,
    lambda inner: st.builds(
        "({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner
    ) | st.builds("(not {})".format, inner),
    max_leaves=5,
)  # fmt: skip


@given(conditions)
def test_a_constraint_is_what_python_makes_of_each_row(text: str) -> None:
    constraint = parse_constraint(text, KINDS)
    expected = [bool(eval(text, {}, row)) for row in ROWS]
    assert constraint.holds(pd.DataFrame(ROWS)).tolist() == expected


def test_what_divides_by_zero_is_not_met() -> None:
    table = pd.DataFrame({"a": [4, 4], "b": [0, 2]})
    for text in ("a % b == 0", "b / b == 1"):
        assert parse_constraint(text, KINDS).holds(table).tolist() == [False, True]


def test_a_table_without_rows_is_no_error() -> None:
    found = parse_constraint("a < b", KINDS).holds(pd.DataFrame(ROWS).iloc[:0])
    assert found.dtype == np.bool_
    assert found.size == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a <", "is not an expression"),
        ("a = 4", "is not an expression"),
        ("a + b", "compares nothing: it is neither true nor false"),
        ("a < c", "'c' is not a parameter; allowed are a, b, family, gated"),
        ("a < 'int'", "\"'int'\" is a name where a number is needed"),
        ("family < 'int'", "\"'int'\" is a name where a number is needed"),
        ("family == 4", "'4' is a number where a name is needed"),
        ("a and gated", "'a' is a number where a truth is needed"),
        ("gated + 1 > 0", "'gated' is a truth where a number is needed"),
        ("a in b", "in is for a list of values: act_bits in [4, 8]"),
        ("a == [4]", "in is for a list of values: act_bits in [4, 8]"),
        ("a ** b > 4", "'a ** b' is not allowed"),
        ("abs(a) > 4", "'abs(a)' is not allowed"),
        ("a.values > 4", "'a.values' is not allowed"),
        ("[x for x in a]", "'[x for x in a]' is not allowed"),
        ("@a > 4", "is not an expression"),
        ("None == a", "'None' is not allowed"),
        ("a == 4 or not 7 != -1", "compares no parameter"),
        ("a > 1 / 0", "divides by zero"),
        ("a // 0 > b", "divides by zero"),
        ("a % (2 - 2) > b", "divides by an expression without a parameter: write its value"),
        ("a if gated else b", "'a if gated else b' is not allowed"),
    ],
)
def test_what_is_not_a_constraint_is_said(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_constraint(text, KINDS)
    assert str(error.value) == f"constraint {text!r}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family == 'imt'", "family must be one of int, fp, not 'imt'; the nearest is int"),
        ("'fb' != family", "family must be one of int, fp, not 'fb'; the nearest is fp"),
        (
            "family in ['int', 'tin']",
            "family must be one of int, fp, not 'tin'; the nearest is int",
        ),
        ("a < 4 and not family == 'x'", "family must be one of int, fp, not 'x'"),
    ],
)
def test_a_value_that_a_parameter_cannot_have_is_said(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_constraint(text, KINDS, {"family": ("int", "fp")})
    assert str(error.value) == f"constraint {text!r}: {message}"
    assert parse_constraint(text, KINDS).text == text  # where any value will do


def test_values_that_a_parameter_can_have_are_taken() -> None:
    text = "family != 'int' or family in ('fp', 'int') or a > 4"
    assert parse_constraint(text, KINDS, {"family": ("int", "fp")}).text == text


def test_of_a_long_constraint_only_the_beginning_is_quoted() -> None:
    long = " + ".join(["a"] * 300)
    with pytest.raises(InputError) as error:
        parse_constraint(f"{long[:900]} >", KINDS)
    assert str(error.value) == f"constraint '{long[:77]}...': is not an expression"
    with pytest.raises(InputError) as error:
        parse_constraint(long * 5, KINDS)
    assert str(error.value) == (
        f"constraint '{long[:77]}...': has 5,985 characters, more than 1,000 are not allowed"
    )
    with pytest.raises(InputError) as error:
        parse_constraint(f"{'c' * 500} > 4", KINDS)
    assert str(error.value) == (
        f"constraint '{'c' * 77}...': '{'c' * 77}...' is not a parameter; "
        "allowed are a, b, family, gated"
    )


@pytest.mark.parametrize("value", [None, 4, "", "  ", ["a < b"]])
def test_a_constraint_is_a_text(value: object) -> None:
    with pytest.raises(InputError) as error:
        parse_constraint(value, KINDS)
    assert str(error.value) == f"a constraint must be an expression of parameters, not {value!r}"


def test_deep_nesting_is_refused_in_one_line() -> None:
    with pytest.raises(InputError):
        parse_constraint("(" * 400 + "a" + ")" * 400 + " > 1", KINDS)
