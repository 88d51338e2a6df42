"""Words of several numbers, and the sums of products that run-time precisions make of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.errors import InputError
from rtl_gen.packing import pack, split_products, unpack


def test_the_first_number_stands_in_the_lowest_bits() -> None:
    values = np.array([[1, -1], [-8, 7]])
    assert pack(values, 4).tolist() == [0xF1, 0x78]


@given(st.integers(1, 63), st.booleans(), st.data())
def test_unpacking_gives_back_what_was_packed(bits: int, signed: bool, data: st.DataObject) -> None:
    lanes = data.draw(st.integers(1, 63 // bits))
    low = -(1 << (bits - 1)) if signed else 0
    number = st.integers(low, low + (1 << bits) - 1)
    values = data.draw(
        st.lists(st.lists(number, min_size=lanes, max_size=lanes), min_size=1, max_size=4)
    )
    words = pack(np.array(values, dtype=np.int64), bits)
    assert words.shape == (len(values),)
    assert (words >= 0).all()
    assert unpack(words, bits, lanes, signed=signed).tolist() == values


def test_bits_that_do_not_belong_to_a_number_are_ignored() -> None:
    assert pack(np.array([0x1F2, 0x3]), 4).tolist() == 0x32
    assert unpack(np.array(0xA32), 4, 2, signed=False).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0, -0x6F * 0x7E),
        (1, 0x91 * -2 + 0x2C * 7),
        (2, 0x1 * -2 + 0x9 * 7 + 0xC * -8 + 0x2 * 1),
    ],
)
def test_a_mode_sums_the_products_of_its_operands(mode: int, expected: int) -> None:
    act, weight = np.array([0x2C91]), np.array([0x187E])
    signed = mode == 0  # 0x91 is -0x6F
    sums = split_products(act, weight, act_bits=8, weight_bits=8, act_signed=signed, mode=mode)
    assert sums.tolist() == [expected]


@pytest.mark.parametrize(("bits", "lanes"), [(8, 8), (0, 4), (4, 0), (64, 1)])
def test_numbers_that_do_not_fit_a_word_are_refused(bits: int, lanes: int) -> None:
    message = f"{lanes} x {bits} bits do not fit a word of 63 bits"
    with pytest.raises(InputError) as caught:
        pack(np.zeros((2, lanes)), bits)
    assert str(caught.value) == message
    with pytest.raises(InputError) as caught:
        unpack(np.zeros(2), bits, lanes, signed=True)
    assert str(caught.value) == message


def test_a_mode_that_does_not_exist_is_refused() -> None:
    zero = np.zeros(1, dtype=np.int64)
    with pytest.raises(InputError) as caught:
        split_products(zero, zero, act_bits=8, weight_bits=8, act_signed=True, mode=3)
    assert str(caught.value) == "mode must be an integer from 0 to 2, not 3"
