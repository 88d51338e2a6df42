"""Encoders against brute force over all codes."""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import rtl_gen.encode
from rtl_gen.design import PEDesign
from rtl_gen.encode import (
    SCALE_GRID,
    decode,
    encode_weights,
    greedy_codes,
    greedy_loss,
    levels,
    order_filters,
    terms_per_filter,
)
from rtl_gen.errors import InputError
from rtl_gen.golden import decode_weights

LIGHT2 = PEDesign.preset("LightPE-2")
LIGHT3 = PEDesign(family="lightpe", act_bits=8, weight_bits=12, terms=3)
SPLIT = PEDesign(family="int", act_bits=8, weight_bits=8, precision_modes=3)
FORMATS = list(itertools.product((1, 2, 3), (2, 3, 4, 5)))


def light(terms: int, term_bits: int) -> PEDesign:
    return PEDesign(family="lightpe", act_bits=8, weight_bits=terms * term_bits, terms=terms)


def values_of_all_codes(design: PEDesign) -> NDArray[np.int64]:
    values = decode_weights(design, np.arange(1 << design.weight_bits))
    # The most negative code of int is not used.
    return values[values > -design.max_weight] if design.family == "int" else values


def mean_squared_error(encoded: Any, weights: NDArray[np.float64]) -> float:
    return float(((encoded.scales * encoded.values - weights) ** 2).mean())


designs = st.one_of(
    st.sampled_from(FORMATS).map(lambda pair: light(*pair)),
    st.integers(2, 16).map(lambda bits: PEDesign(family="int", act_bits=8, weight_bits=bits)),
)
# Sixteenths are exact, so ties are met; beyond 2**16 lies beyond all levels.
numbers = st.one_of(
    st.integers(-(2**21), 2**21).map(lambda number: number / 16),
    st.integers(-200, 200).map(lambda number: number / 4),
    st.floats(-300, 300),
)
arrays = st.lists(numbers, min_size=1, max_size=20)


@given(designs, arrays)
def test_a_weight_gets_the_nearest_of_all_codes_and_the_smaller_of_two(
    design: PEDesign, weights: list[float]
) -> None:
    encoded = encode_weights(design, weights, scale=1)
    everything = np.unique(values_of_all_codes(design))
    for weight, value in zip(weights, encoded.values.tolist(), strict=True):
        distances = np.abs(everything - weight)
        nearest = everything[distances == distances.min()]
        assert value == min(nearest, key=abs)
    assert decode_weights(design, encoded.codes).tolist() == encoded.values.tolist()
    assert decode(design, encoded).tolist() == encoded.values.tolist()


@given(designs, st.lists(st.integers(min_value=0, max_value=2**64), min_size=1, max_size=30))
def test_encoding_what_codes_stand_for_gives_the_same_values(
    design: PEDesign, seeds: list[int]
) -> None:
    values = values_of_all_codes(design)
    values = values[np.array([seed % len(values) for seed in seeds])]
    assert encode_weights(design, values, scale=1).values.tolist() == values.tolist()
    again = encode_weights(design, 0.1 * values, scale=0.1)
    assert again.values.tolist() == values.tolist()
    assert np.array_equal(decode(design, again), 0.1 * values)


@pytest.mark.parametrize(("terms", "term_bits"), FORMATS)
def test_of_the_codes_of_a_level_the_one_with_the_fewest_terms_is_taken(
    terms: int, term_bits: int
) -> None:
    design = light(terms, term_bits)
    found: dict[int, tuple[int, int]] = {}
    codes = np.arange(1 << design.weight_bits)
    for code, value in zip(codes.tolist(), decode_weights(design, codes).tolist(), strict=True):
        fields = [code >> (i * term_bits) & ((1 << (term_bits - 1)) - 1) for i in range(terms)]
        rank = (sum(field > 0 for field in fields), code)
        found[value] = min(found.get(value, rank), rank)
    table = levels(design)
    assert table.values.tolist() == sorted(found)
    ranks = zip(table.term_counts.tolist(), table.codes.tolist(), strict=True)
    assert list(ranks) == [found[value] for value in sorted(found)]
    for count, code in found.values():  # nonzero terms come first, and the rest is zero
        assert code < 1 << (count * term_bits)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_levels_of_fewer_terms_are_their_sums_in_the_first_positions(terms: int) -> None:
    powers = [0] + [sign * 2**shift for shift in range(7) for sign in (1, -1)]
    table = levels(LIGHT3, terms)
    assert table.values.tolist() == sorted(
        {sum(chosen) for chosen in itertools.product(powers, repeat=terms)}
    )
    assert table.codes.max() < 1 << (4 * terms)
    assert table.term_counts.max() == terms


def test_int_levels_are_symmetric_in_every_mode() -> None:
    four = levels(PEDesign.preset("INT4"))
    assert four.values.tolist() == list(range(-7, 8))
    assert four.codes.tolist() == [*range(9, 16), *range(8)]
    for mode, top in ((0, 127), (1, 7), (2, 7)):
        assert levels(SPLIT, mode=mode).values.tolist() == list(range(-top, top + 1))
        encoded = encode_weights(SPLIT, [-3.0, 1.0], mode=mode)
        assert encoded.values.tolist() == [-top, round(top / 3)]
        assert np.array_equal(decode(SPLIT, encoded), encoded.values * (3.0 / top))


@given(designs, st.integers(0, 99), st.sampled_from([0, 1, -1]))
def test_max_puts_the_largest_magnitude_of_each_channel_on_the_largest_level(
    design: PEDesign, seed: int, axis: int
) -> None:
    weights = np.random.default_rng(seed).normal(size=(3, 4, 5))
    weights[np.s_[1] if axis == 0 else np.s_[:, 1] if axis == 1 else np.s_[..., 1]] = 0
    encoded = encode_weights(design, weights, per="channel", axis=axis)
    others = tuple(side for side in range(3) if side != axis % 3)
    assert encoded.scales.shape == tuple(
        size if side == axis % 3 else 1 for side, size in enumerate(weights.shape)
    )
    tops = np.abs(encoded.values).max(axis=others)
    expected = np.full(weights.shape[axis], levels(design).values[-1])
    expected[1] = 0
    assert tops.tolist() == expected.tolist()
    assert encoded.scales.ravel()[1] == 1
    whole = encode_weights(design, weights)
    assert whole.scales.shape == (1, 1, 1)
    assert np.abs(whole.values).max() == levels(design).values[-1]
    assert encode_weights(design, np.zeros(2)).scales.tolist() == [1]


@pytest.mark.parametrize("per", ["tensor", "channel"])
@pytest.mark.parametrize("name", ["INT4", "LightPE-1", "LightPE-2"])
def test_mse_is_the_best_of_its_grid_and_so_never_worse_than_max(name: str, per: str) -> None:
    design = PEDesign.preset(name)
    weights = np.random.default_rng(1).laplace(size=(4, 60))
    largest = encode_weights(design, weights, per=per)
    best = encode_weights(design, weights, per=per, scale="mse")
    candidates = [
        encode_weights(design, weights, scale=largest.scales * factor) for factor in SCALE_GRID
    ]
    pooled = None if per == "tensor" else 1
    errors = [((each.scales * each.values - weights) ** 2).sum(pooled) for each in candidates]
    chosen = ((best.scales * best.values - weights) ** 2).sum(pooled)
    assert np.allclose(chosen, np.min(errors, axis=0), rtol=1e-12)
    assert (chosen < ((largest.scales * largest.values - weights) ** 2).sum(pooled)).any()


def test_weights_that_max_represents_exactly_keep_its_scale_with_mse() -> None:
    weights = 0.3 * np.array([64, -2, 0, 16])
    exact = encode_weights(PEDesign.preset("LightPE-1"), weights, scale="mse")
    assert exact.values.tolist() == [64, -2, 0, 16]
    assert exact.scales.tolist() == [0.3]


def test_each_filter_can_have_its_own_number_of_terms() -> None:
    weights = np.tile([21.0, -64.0, 11.0], (3, 1))
    encoded = encode_weights(LIGHT3, weights, scale=1, terms=[3, 1, 2])
    assert encoded.values.tolist() == [[21, -64, 11], [16, -64, 8], [20, -64, 10]]
    assert encoded.term_counts.max(axis=1).tolist() == [3, 1, 2]
    by_column = encode_weights(LIGHT3, weights.T, scale=1, terms=np.array([3, 1, 2]), axis=1)
    assert by_column.codes.tolist() == encoded.codes.T.tolist()
    shared = encode_weights(LIGHT3, weights, terms=[3, 1, 2])
    assert shared.scales.tolist() == [[1.0]]  # what a filter of one term needs for -64
    own = encode_weights(LIGHT3, weights, terms=[3, 1, 2], per="channel")
    assert own.scales.ravel().tolist() == [1 / 3, 1, 1 / 2]
    assert encode_weights(LIGHT3, weights, terms=2, scale=1).term_counts.max() == 2


def test_terms_per_filter_are_the_fewest_within_the_factor() -> None:
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(20, 30))
    weights[3] = 2.0 ** rng.integers(0, 7, 30)  # powers of two, and the largest level of one term
    weights[3, 0] = 64
    weights[4] = 0
    seen = set()
    for factor, scale, axis in ((1.0, "max", 0), (25.0, "mse", 1), (40.0, "max", 1)):
        found = terms_per_filter(
            LIGHT3, weights if axis == 0 else weights.T, factor=factor, scale=scale, axis=axis
        )
        for row, count in zip(weights, found.tolist(), strict=True):
            errors = [
                mean_squared_error(encode_weights(LIGHT3, row, scale=scale, terms=terms), row)
                for terms in (1, 2, 3)
            ]
            assert errors[count - 1] <= factor * errors[2]
            assert all(error > factor * errors[2] for error in errors[: count - 1])
        seen |= set(found.tolist())
    assert seen == {1, 2, 3}
    assert terms_per_filter(LIGHT3, weights, factor=1)[[3, 4]].tolist() == [1, 1]
    assert terms_per_filter(LIGHT3, weights, factor=1e6).tolist() == [1] * 20


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30))
def test_filters_are_ordered_by_falling_terms_and_back(terms: list[int]) -> None:
    order, inverse = order_filters(terms)
    ordered = np.array(terms)[order]
    assert sorted(terms, reverse=True) == ordered.tolist()
    assert ordered[inverse].tolist() == terms
    for count in (1, 2, 3):  # equal ones stay in their order
        assert (np.diff(order[ordered == count]) > 0).all()


@pytest.mark.parametrize(("terms", "term_bits"), FORMATS)
def test_greedy_by_distance_finds_a_nearest_level_everywhere(terms: int, term_bits: int) -> None:
    # Both encoders change only at multiples of a half: quarters go through every case, of each
    # format completely.
    design = light(terms, term_bits)
    everything = np.arange(-4 * design.max_weight - 8, 4 * design.max_weight + 9) / 4
    greedy = decode_weights(design, greedy_codes(design, everything, rounding="distance"))
    best = encode_weights(design, everything, scale=1).values
    assert np.array_equal(np.abs(greedy - everything), np.abs(best - everything))


def test_greedy_by_exponent_is_worse_between_the_two_middles_of_powers_of_two() -> None:
    design = PEDesign.preset("LightPE-1")
    everything = np.arange(0, 70, 1 / 64)
    greedy = decode_weights(design, greedy_codes(design, everything))
    best = encode_weights(design, everything, scale=1).values
    fraction = everything / 2.0 ** np.floor(np.log2(np.maximum(everything, 1)))
    between = (fraction > 2**0.5) & (fraction < 1.5) & (everything < 64)
    assert np.array_equal(np.abs(greedy - everything) > np.abs(best - everything), between)
    assert between.mean() > 0.05


def test_greedy_with_two_terms_takes_six_for_5_45_and_the_nearest_is_five() -> None:
    weights = [5.45, -5.45, 5.4, 0.5, -0.51, -0.3]
    codes = greedy_codes(LIGHT2, weights)
    assert decode_weights(LIGHT2, codes).tolist() == [6, -6, 5, 0, -1, 0]
    assert codes.tolist() == [0x23, 0xAB, 0x13, 0x00, 0x09, 0x00]
    assert encode_weights(LIGHT2, weights, scale=1).values.tolist() == [5, -5, 5, 0, -1, 0]
    assert decode_weights(LIGHT2, greedy_codes(LIGHT2, weights, terms=1)).tolist() == [
        4, -4, 4, 0, -1, 0,
    ]  # fmt: skip
    assert doctest.testmod(rtl_gen.encode).attempted == 3
    assert doctest.testmod(rtl_gen.encode).failed == 0


def test_greedy_loss_counts_worse_levels_and_their_error() -> None:
    loss = greedy_loss(LIGHT2, [5.45, 5.4, 128.0, 0.0])
    assert loss.worse == 1 / 4
    assert loss.optimal_mse == pytest.approx((0.45**2 + 0.4**2) / 4)
    assert loss.greedy_mse == pytest.approx((0.55**2 + 0.4**2) / 4)
    assert loss.added_mse == loss.greedy_mse - loss.optimal_mse
    doubled = greedy_loss(LIGHT2, [10.9, 10.8, 256.0, 0.0])
    assert doubled.added_mse == pytest.approx(4 * loss.added_mse)
    weights = np.random.default_rng(3).normal(size=(2, 500))
    assert greedy_loss(LIGHT2, weights, rounding="distance", per="channel").worse == 0
    assert 0.03 < greedy_loss(LIGHT2, weights, scale="mse").worse < 0.12


@given(st.lists(st.floats(-(2.0**100), 2.0**100), min_size=1, max_size=9), st.booleans())
def test_fp_weights_are_rounded_to_nearest_even(weights: list[float], bfloat16: bool) -> None:
    design = PEDesign.preset("BF16" if bfloat16 else "FP32")
    encoded = encode_weights(design, weights)
    assert encoded.scales.tolist() == [1]
    for weight, code, value in zip(
        weights, encoded.codes.tolist(), decode(design, encoded).tolist(), strict=True
    ):
        bits = code << 16 if bfloat16 else code
        assert np.array(bits, dtype=np.uint32).view(np.float32) == value
        if abs(weight) < 2.0**-126 * (1 - 2.0**-30):
            assert value == 0
            continue
        step = 1 << 16 if bfloat16 else 1
        magnitude = bits & 0x7FFFFFFF
        below, above = (
            float(np.array(magnitude + sign * step, dtype=np.uint32).view(np.float32))
            for sign in (-1, 1)
        )
        wrong = abs(abs(weight) - abs(value))
        assert wrong <= min(abs(weight) - below, above - abs(weight))
        if wrong in (abs(weight) - below, above - abs(weight)):
            assert magnitude // step % 2 == 0


def test_weights_that_are_not_finite_are_counted_and_the_first_is_named() -> None:
    weights = np.zeros((2, 3))
    weights[0, 2], weights[1, 0] = np.nan, -np.inf
    for name in ("INT8", "LightPE-2", "FP32"):
        with pytest.raises(InputError) as error:
            encode_weights(PEDesign.preset(name), weights)
        assert str(error.value) == (
            "weights must be finite, but 2 of 6 are not; the first is nan at [0, 2]"
        )
    with pytest.raises(InputError) as error:
        encode_weights(PEDesign.preset("BF16"), [3.3961775e38, 3.3961776e38])
    assert str(error.value) == (
        "weights must round to at most 3.389531e+38 in magnitude for fp with 16 bits, but 1 of 2 "
        "are not; the first is 3.3961776e+38 at [1]"
    )


@pytest.mark.parametrize(
    ("design", "weights", "options", "message"),
    [
        ("INT8", 1.0, {}, "weights must have at least one axis and one element, not shape ()"),
        ("INT8", [[]], {}, "weights must have at least one axis and one element, not shape (1, 0)"),
        ("INT8", ["a"], {}, "weights must be an array of numbers"),
        ("INT8", [1.0], {"scale": "min"}, "scale must be one of max, mse, not 'min'"),
        ("INT8", [1.0], {"scale": 0}, "scale must be max, mse, or positive finite numbers"),
        (
            "INT8",
            [1.0],
            {"scale": [1.0, 2.0]},
            "scale must be max, mse, or numbers that broadcast to (1,), not [1.0, 2.0]",
        ),
        ("INT8", [1.0], {"per": "filter"}, "per must be one of tensor, channel, not 'filter'"),
        ("INT8", [1.0], {"axis": 1}, "axis must be an integer from -1 to 0, not 1"),
        ("INT8", [1.0], {"mode": 1}, "mode must be an integer from 0 to 0, not 1"),
        (
            "INT8",
            [1.0],
            {"terms": 1},
            "family must be lightpe or pow2 to have terms, not 'int'",
        ),
        ("LightPE-2", [1.0], {"terms": 3}, "terms must be an integer from 1 to 2, not 3"),
        ("LightPE-2", [1.0], {"terms": [0]}, "terms must be an integer from 1 to 2, not 0"),
        (
            "LightPE-2",
            [1.0],
            {"terms": [1, 2]},
            "terms must be one number, or one for each of the 1 channels, not 2",
        ),
        (
            "FP32",
            [1.0],
            {"scale": 2.0},
            "scale must be max or mse for fp, which has none, not 2.0",
        ),
        ("FP32", [1.0], {"terms": 1}, "family must be lightpe or pow2 to have terms, not 'fp'"),
    ],
)
def test_wrong_arguments_are_named(
    design: str, weights: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        encode_weights(PEDesign.preset(design), weights, **options)
    assert str(error.value) == message


def test_what_a_family_does_not_have_is_refused() -> None:
    for call, message in (
        (
            lambda: levels(PEDesign.preset("FP32")),
            "family must be int, lightpe or pow2 to have levels, not 'fp'",
        ),
        (
            lambda: greedy_codes(PEDesign.preset("INT8"), [1.0]),
            "family must be lightpe or pow2 to have terms, not 'int'",
        ),
        (
            lambda: greedy_codes(LIGHT2, [1.0], rounding="up"),
            "rounding must be one of exponent, distance, not 'up'",
        ),
        (
            lambda: terms_per_filter(LIGHT3, [[1.0]], factor=0.9),
            "factor must be a number of at least 1, not 0.9",
        ),
        (
            lambda: terms_per_filter(PEDesign.preset("FP32"), [[1.0]], factor=2),
            "family must be lightpe or pow2 to have terms, not 'fp'",
        ),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value) == message


def test_the_examples_of_the_page_print_what_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "encoding.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n([^`]*)```\n\n```\n([^`]*)```", page)
    assert len(examples) == 3
    for code, output in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        assert printed.getvalue() == output


def test_encoding_needs_no_hardware_library() -> None:
    code = "import sys, rtl_gen.encode, rtl_gen.requantize; print('amaranth' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_one_scale_a_channel_goes_along_its_axis() -> None:
    design, weights = PEDesign.preset("INT8"), np.arange(6.0).reshape(2, 3)
    given = encode_weights(design, weights, scale=[1.0, 2.0], per="channel")
    assert given.scales.tolist() == [[1.0], [2.0]]
    assert given.values.tolist() == [[0, 1, 2], [1, 2, 2]]
    along = encode_weights(design, weights, scale=[1.0, 2.0, 4.0], per="channel", axis=1)
    assert along.scales.tolist() == [[1.0, 2.0, 4.0]]
    with pytest.raises(InputError) as error:
        encode_weights(design, weights, scale=[1.0, 2.0, 3.0], per="channel")
    message = "scale must be max, mse, or numbers that broadcast to (2, 3), not [1.0, 2.0, 3.0]"
    assert str(error.value) == message


def test_what_is_no_weight_no_code_and_no_term_is_refused() -> None:
    design = PEDesign.preset("INT8")
    wide = encode_weights(PEDesign.preset("INT16"), [1.0, -1.0])
    for action, message in (
        (lambda: encode_weights(design, [1j]), "weights must be real numbers, not complex ones"),
        (lambda: decode(design, wide), "codes must be an integer from 0 to 255, not 32769"),
        (lambda: decode(design, 3), "encoded must be what encode_weights gives, not 3"),
        (lambda: order_filters([3, 1, 4]), "terms must be an integer from 0 to 3, not 4"),
        (lambda: order_filters([[1]]), "terms must have one axis, not shape (1, 1)"),
    ):
        with pytest.raises(InputError) as error:
            action()
        assert str(error.value) == message
