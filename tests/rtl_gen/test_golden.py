"""The golden model against definitions written out in plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive, convolve_row, decode_weights, macs_per_cycle, row_cycles, wrap


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
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99)
)
def test_a_row_is_the_sum_over_window_and_channels(
    s: int, q: int, p: int, f: int, seed: int
) -> None:
    design = PEDesign(family="int", act_bits=5, weight_bits=6, psum_bits=12)
    size = Primitive(filter_width=s, channels=q, filters=p, outputs=f)
    rng = np.random.default_rng(seed)
    ifmap = rng.integers(-16, 16, (f + s - 1, q))
    codes = rng.integers(0, 64, (s, q, p))
    psums = rng.integers(-2048, 2048, (f, p))
    got = convolve_row(design, size, ifmap, codes, psums)
    for x in range(f):
        for k in range(p):
            total = int(psums[x, k])
            for i in range(s):
                for c in range(q):
                    code = int(codes[i, c, k])
                    total += int(ifmap[x + i, c]) * (code - 64 if code >= 32 else code)
            assert got[x, k] == (total + 2048) % 4096 - 2048


def test_one_accumulation_too_many_wraps() -> None:
    design = PEDesign(family="int", act_bits=2, weight_bits=2, psum_bits=5, ifmap_depth=8)
    fits = design.max_accumulations
    assert fits == 3
    for products, expected in ((fits, 12), (fits + 1, -16)):
        size = Primitive(filter_width=products, channels=1, filters=1, outputs=1)
        out = convolve_row(
            design, size, np.full((products, 1), -2), np.full((products, 1, 1), 2), np.zeros((1, 1))
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


def test_shapes_are_checked() -> None:
    design = PEDesign.preset("INT8")
    size = Primitive(filter_width=3, channels=1, filters=1, outputs=2)
    with pytest.raises(InputError) as error:
        convolve_row(design, size, np.zeros((3, 1)), np.zeros((3, 1, 1)), np.zeros((2, 1)))
    assert str(error.value) == "ifmap must have shape (4, 1), not (3, 1)"


def test_throughput_approaches_one_product_a_cycle() -> None:
    design = PEDesign.preset("INT8")
    size = Primitive(filter_width=3, channels=4, filters=18, outputs=4096)
    assert 0.88 < macs_per_cycle(design, size) == size.macs / row_cycles(design, size) < 1
