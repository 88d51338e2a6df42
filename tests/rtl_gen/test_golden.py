"""The golden model against definitions written out in plain loops."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import (
    Primitive,
    Words,
    convolve_row,
    decode_weights,
    macs_per_cycle,
    row_cycles,
    wrap,
)
from rtl_gen.operands import draw
from rtl_gen.streams import filter_words, ifmap_words, psum_words

SIZE = Primitive(filter_width=1, channels=1, filters=1, outputs=1)
ONE = np.ones((1, 1), dtype=np.int64)


def plain_term(code: int, bits: int) -> int:
    """One power-of-two term, read from the definition."""
    field = code % 2 ** (bits - 1)
    value = 0 if field == 0 else 2 ** (field - 1)
    return -value if code >= 2 ** (bits - 1) else value


def test_int_codes_are_twos_complement() -> None:
    design = PEDesign(family="int", act_bits=4, weight_bits=4)
    assert decode_weights(design, np.arange(16)).tolist() == [*range(8), *range(-8, 0)]


def test_four_bit_terms_reach_64_and_have_a_zero() -> None:
    design = PEDesign.preset("LightPE-1")
    positive = [0, 1, 2, 4, 8, 16, 32, 64]
    expected = positive + [-value for value in positive]
    assert decode_weights(design, np.arange(16)).tolist() == expected


@given(st.integers(1, 3), st.integers(2, 5), st.integers(min_value=0))
def test_a_code_is_the_sum_of_its_terms(terms: int, bits: int, seed: int) -> None:
    design = PEDesign(family="lightpe", act_bits=8, weight_bits=terms * bits, terms=terms)
    code = seed % 2**design.weight_bits
    expected = sum(plain_term((code >> (i * bits)) % 2**bits, bits) for i in range(terms))
    assert decode_weights(design, np.array([code])).tolist() == [expected]
    assert abs(expected) <= design.max_weight


@given(st.integers(2, 63), st.integers(-(2**62), 2**62))
def test_wrap_keeps_the_value_modulo_the_width(bits: int, value: int) -> None:
    wrapped = int(wrap(np.array(value), bits))
    assert -(2 ** (bits - 1)) <= wrapped < 2 ** (bits - 1)
    assert (wrapped - value) % 2**bits == 0


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 6),
    st.booleans(),
    st.integers(0, 99),
)
def test_a_row_is_the_sum_over_window_and_channels(
    s: int, q: int, p: int, f: int, stride: int, depthwise: bool, seed: int
) -> None:
    design = PEDesign(family="int", act_bits=5, weight_bits=6, psum_bits=12)
    size = Primitive(
        filter_width=s, channels=q, filters=p, outputs=f, stride=stride, depthwise=depthwise
    )
    rng = np.random.default_rng(seed)
    ifmap = rng.integers(-16, 16, ((f - 1) * stride + s, q))
    codes = rng.integers(0, 64, (s, q, p))
    psums = rng.integers(-2048, 2048, (f, p * q if depthwise else p))
    got = convolve_row(design, size, ifmap, codes, psums)
    totals = psums.astype(object)
    for x, i, c, k in itertools.product(range(f), range(s), range(q), range(p)):
        code = int(codes[i, c, k])
        weight = code - 64 if code >= 32 else code
        totals[x, c * p + k if depthwise else k] += int(ifmap[x * stride + i, c]) * weight
    assert got.tolist() == ((totals + 2048) % 4096 - 2048).tolist()


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("depthwise", [False, True])
def test_floating_point_sums_add_up_in_the_stated_order(bits: int, depthwise: bool) -> None:
    """NumPy's binary32, one operation after the other; no subnormal number takes part."""
    design = PEDesign(family="fp", act_bits=bits, weight_bits=bits)
    size = Primitive(filter_width=3, channels=4, filters=2, outputs=3, depthwise=depthwise)
    work = draw(design, size, 7)
    assert work.psums is not None

    def real(words: Words, width: int) -> NDArray[np.float32]:
        return (words << (32 - width)).astype(np.uint32).view(np.float32)

    ifmap, weights = real(work.ifmap, bits), real(work.filters, bits)
    for x in range(3):
        for k in range(size.sums):
            total = np.float32(0)
            for i, c in itertools.product(range(3), range(4)):
                if depthwise and c != k // 2:
                    continue
                total = total + ifmap[x + i, c] * weights[i, c, k % 2]
            total = real(work.psums, 32)[x, k] + total
            assert real(work.expected, 32)[x, k] == total


def test_one_accumulation_too_many_wraps() -> None:
    design = PEDesign(family="int", act_bits=2, weight_bits=2, psum_bits=5, ifmap_depth=8)
    fits = design.max_accumulations
    assert fits == 3
    for products, expected in ((fits, 12), (fits + 1, -16)):
        size = Primitive(filter_width=products, channels=1, filters=1, outputs=1)
        out = convolve_row(
            design, size, np.full((products, 1), -2), np.full((products, 1, 1), 2), 0 * ONE
        )
        assert out.tolist() == [[expected]]


def test_sizes_that_do_not_fit_are_named() -> None:
    design = PEDesign.preset("INT8")
    for values, message in (
        ((5, 3, 1, 1), "filter_width x channels must be at most ifmap_depth = 12, not 15"),
        (
            (4, 3, 20, 1),
            "filter_width x channels x filters must be at most filter_depth = 224, not 240",
        ),
        ((1, 1, 25, 1), "filters must be at most psum_depth = 24, not 25"),
        ((0, 1, 1, 1), "filter_width must be an integer from 1 to 64, not 0"),
        ((1, 1, 1, 4097), "outputs must be an integer from 1 to 4096, not 4097"),
    ):
        names = ("filter_width", "channels", "filters", "outputs")
        with pytest.raises(InputError) as error:
            Primitive(**dict(zip(names, values, strict=True))).check(design)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("preset", "options", "values", "message"),
    [
        ("INT8", {}, {"stride": 0}, "stride must be an integer from 1 to 64, not 0"),
        ("INT8", {}, {"chain": 1}, "chain must be true or false, not 1"),
        ("INT8", {}, {"mode": 1}, "mode must be an integer from 0 to 0, not 1"),
        (
            "INT8",
            {"precision_modes": 3},
            {"mode": 2, "channels": 6},
            "channels must be a multiple of 4 in mode 2 (4x4), not 6",
        ),
        (
            "INT8",
            {"precision_modes": 3},
            {"mode": 1, "channels": 2, "depthwise": True},
            "mode must be 0 for a depthwise primitive, whose channels are not summed, not 1",
        ),
        (
            "INT8",
            {"precision_modes": 3},
            {"mode": 2, "filter_width": 4, "channels": 16},
            "filter_width x channels / 4 must be at most ifmap_depth = 12, not 16",
        ),
        (
            "INT8",
            {"precision_modes": 3, "filter_depth": 5},
            {"mode": 1, "channels": 2, "filters": 11},
            "filter_width x channels x filters / 2 / 2 must be at most filter_depth = 5, not 6",
        ),
        (
            "INT8",
            {},
            {"depthwise": True, "channels": 5, "filters": 5},
            "channels x filters must be at most psum_depth = 24, not 25",
        ),
        (
            "LightPE-2",
            {"serial_terms": True, "filter_depth": 7},
            {"filters": 4},
            "filter_width x channels x filters x terms must be at most filter_depth = 7, not 8",
        ),
        (
            "LightPE-2",
            {},
            {"filter_terms": (1,)},
            "filter_terms must be left out for a design without serial_terms",
        ),
        (
            "LightPE-2",
            {"serial_terms": True},
            {"filters": 2, "filter_terms": (1,)},
            "filter_terms must have one number for each of the 2 filters, not 1",
        ),
        (
            "LightPE-2",
            {"serial_terms": True},
            {"filter_terms": (3,)},
            "filter_terms must be an integer from 1 to 2, not 3",
        ),
        (
            "LightPE-2",
            {"serial_terms": True},
            {"filters": 2, "filter_terms": (1, 2)},
            "filter_terms must not rise: filters with more terms come first",
        ),
    ],
)
def test_what_a_design_cannot_run_is_named(
    preset: str, options: dict[str, Any], values: dict[str, Any], message: str
) -> None:
    size = Primitive(**{"filter_width": 1, "channels": 1, "filters": 1, "outputs": 1} | values)
    with pytest.raises(InputError) as error:
        size.check(PEDesign.preset(preset, **options))
    assert str(error.value) == message


def test_psums_are_given_where_they_are_taken() -> None:
    design = PEDesign.preset("INT8")
    for chain in (True, False):
        size = Primitive(filter_width=1, channels=1, filters=1, outputs=1, chain=chain)
        psums = None if chain else np.zeros((1, 1), dtype=np.int64)
        with pytest.raises(InputError) as error:
            convolve_row(design, size, np.zeros((1, 1)), np.zeros((1, 1, 1)), psums)
        assert str(error.value) == "psums must be given if, and only if, the primitive has chain"


def test_the_configuration_by_hand() -> None:
    """3 columns, 4 channels, 5 filters, 6 outputs, stride 2, depthwise, without psum_in."""
    size = Primitive(
        filter_width=3, channels=4, filters=5, outputs=6, stride=2, depthwise=True, chain=False
    )
    fields = 2 | 3 << 6 | 4 << 12 | 5 << 18 | 1 << 30 | 1 << 36
    assert size.config_word(PEDesign.preset("INT8")) == fields


@pytest.mark.parametrize(
    ("design", "ifmap", "weight", "psum", "message"),
    [
        (PEDesign.preset("INT8"), np.ones((3, 1)), 1, 1,
         "ifmap must have shape (1, 1), not (3, 1)"),
        (PEDesign.preset("INT8"), ONE * 1.5, 1, 1,
         "ifmap must be integers of at most 64 bits, not float64"),
        (PEDesign.preset("INT8"), ONE * 128, 1, 1,
         "ifmap must be an integer from -128 to 127, not 128"),
        (PEDesign.preset("INT8", act_signed=False), -ONE, 1, 1,
         "ifmap must be an integer from 0 to 255, not -1"),
        (PEDesign.preset("BF16"), ONE << 16, 1, 1,
         "ifmap must be an integer from 0 to 65535, not 65536"),
        (PEDesign.preset("LightPE-1"), ONE, 16, 1,
         "filters must be an integer from 0 to 15, not 16"),
        (PEDesign.preset("INT8", psum_bits=20), ONE, 1, 1 << 19,
         "psums must be an integer from -524288 to 524287, not 524288"),
    ],
)  # fmt: skip
def test_operands_that_no_word_can_hold_are_refused(
    design: PEDesign, ifmap: Words, weight: int, psum: int, message: str
) -> None:
    """By the golden model and by what packs the words, in the same terms."""
    filters, psums = ONE.reshape(1, 1, 1) * weight, ONE * psum
    with pytest.raises(InputError) as error:
        convolve_row(design, SIZE, ifmap, filters, psums)
    assert str(error.value) == message

    def pack() -> None:
        ifmap_words(design, SIZE, ifmap)
        filter_words(design, SIZE, filters)
        psum_words(design, psums)

    with pytest.raises(InputError) as error:
        pack()
    assert str(error.value) == message


def test_the_largest_operands_are_taken() -> None:
    design = PEDesign.preset("INT8", psum_bits=20)
    limits = ONE * -128, ONE.reshape(1, 1, 1) * 128, ONE * -(2**19)
    assert convolve_row(design, SIZE, *limits).tolist() == [[128 * 128 - 2**19]]


def test_what_a_design_cannot_run_has_no_words_and_no_cycles() -> None:
    design, size = PEDesign.preset("INT8"), dataclasses.replace(SIZE, filter_width=200)
    for action in (size.config_word, lambda design: row_cycles(design, size)):
        with pytest.raises(InputError) as error:
            action(design)
        assert str(error.value) == "filter_width must be an integer from 1 to 64, not 200"


def test_throughput_approaches_one_product_a_cycle() -> None:
    design = PEDesign.preset("INT8")
    size = Primitive(filter_width=3, channels=4, filters=18, outputs=4096)
    assert 0.88 < macs_per_cycle(design, size) == size.macs / row_cycles(design, size) < 1
