"""The words of the streams, taken apart again from their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive
from rtl_gen.operands import draw
from rtl_gen.streams import filter_words, ifmap_words, psum_words
from tests.strategies import designs, primitives


@given(st.data())
def test_words_are_as_many_as_the_formulas_say_and_fit_their_ports(data: st.DataObject) -> None:
    design = data.draw(designs(largest_depth=16))
    size = data.draw(primitives(design))
    work = draw(design, size, 1)
    ifmap = ifmap_words(design, size, work.ifmap)
    filters = filter_words(design, size, work.filters)
    groups = size.groups(design)
    assert len(filters) == size.filter_words(design)
    assert len(ifmap) == (size.filter_width + (size.outputs - 1) * size.slide) * groups
    assert len(psum_words(design, work.expected)) == size.outputs * size.sums
    assert max(ifmap) < 1 << design.act_word_bits
    assert max(filters) < 1 << design.weight_word_bits


def test_four_products_by_hand() -> None:
    """Mode 4x4 of an 8-bit PE: four channels a word, the first in the lowest bits."""
    design = PEDesign.preset("INT8", precision_modes=3)
    size = Primitive(filter_width=1, channels=4, filters=1, outputs=2, mode=2)
    ifmap = np.array([[1, -2, 3, -4], [5, 6, 7, -8]])
    assert ifmap_words(design, size, ifmap) == [0xC3E1, 0x8765]
    assert filter_words(design, size, np.array([1, 2, 3, 15]).reshape(1, 4, 1)) == [0xF321]


def test_two_steps_share_a_filter_word_by_hand() -> None:
    """Mode 8x8 of a PE with 16-bit filter words; the last word is half empty."""
    design = PEDesign.preset("INT8", precision_modes=3)
    size = Primitive(filter_width=1, channels=1, filters=3, outputs=1)
    assert filter_words(design, size, np.array([0x12, 0x34, 0xFF]).reshape(1, 1, 3)) == [
        0x3412, 0x00FF,
    ]  # fmt: skip
    assert ifmap_words(design, size, np.array([[-1]])) == [0xFF]


def test_columns_that_no_window_covers_are_not_sent() -> None:
    design = PEDesign.preset("INT8")
    size = Primitive(filter_width=2, channels=1, filters=1, outputs=3, stride=3)
    ifmap = np.arange(8).reshape(8, 1)
    assert ifmap_words(design, size, ifmap) == [0, 1, 3, 4, 6, 7]


def test_serial_terms_by_hand() -> None:
    """Two filters, the first with two terms a weight; the other's second term must be zero."""
    design = PEDesign.preset("LightPE-2", serial_terms=True)
    size = Primitive(filter_width=1, channels=2, filters=2, outputs=1, filter_terms=(2, 1))
    codes = np.array([[0x53, 0x04], [0x21, 0x0F]]).reshape(1, 2, 2)
    assert filter_words(design, size, codes) == [3, 5, 4, 1, 2, 15]
    codes[0, 0, 1] = 0x14
    with pytest.raises(InputError) as error:
        filter_words(design, size, codes)
    assert str(error.value) == "a weight has more terms than filter_terms gives its filter"
