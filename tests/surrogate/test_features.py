"""Features: by hand, against ``PEDesign``, the golden model and the flow, and at their edges."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from characterize.synthesize import MIN_GATED_FLOPS
from characterize.workload import measured_primitive
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import row_cycles
from rtl_gen.space import POINT_COLUMNS, Space, design_of
from surrogate.features import (
    FEATURE_NAMES,
    MIN_GATED_BITS,
    checked_numbers,
    cycles_per_mac,
    feature_indices,
    feature_matrix,
)


def table_of(*designs: PEDesign, period_ps: int = 2000) -> pd.DataFrame:
    return pd.DataFrame([{**design.to_dict(), "period_ps": period_ps} for design in designs])


def features_of(design: PEDesign) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, feature_matrix(table_of(design))[0].tolist(), strict=True))


def test_sizes_agree_with_the_design_on_every_kind_of_point(everything: Space) -> None:
    """The vectorised formulas and ``PEDesign`` are two ways to the same numbers."""
    table = everything.table(limit=4000)
    assert set(table["family"]) == {"int", "lightpe", "pow2", "fp"}
    matrix = feature_matrix(table)
    assert np.isfinite(matrix).all()
    parts = ("ifmap_spad_bits", "filter_spad_bits", "psum_spad_bits", "latch_bits", "sram_bits")
    storage = matrix[:, feature_indices(parts)].sum(axis=1)
    (product,) = matrix[:, feature_indices(["product_bits"])].T
    for number, row in enumerate(table.to_dict("records")):
        design = design_of(row)
        assert storage[number] == design.storage_bits
        assert product[number] == design.product_bits


def test_int16_by_hand() -> None:
    """A multiplier, no shifter; two stages hold the operands and what travels along."""
    found = features_of(PEDesign.preset("INT16"))
    assert found["multiplier_cells"] == 256
    assert found["shifter_cells"] == found["adder_tree_bits"] == 0
    assert found["gated_words"] == 12 + 224 + 24
    assert found["ungated_bits"] == 0
    assert found["address_bits"] == 8 + 3 * 4 + 5
    assert found["pipeline_bits"] == 16 + 16 + 2 + 5
    assert found["multiply_rows"] == 16


def test_lightpe2_by_hand() -> None:
    """Two shifters of 3 distance bits, shifts to 6, and one adder; no multiplier."""
    found = features_of(PEDesign.preset("LightPE-2"))
    assert found["multiplier_cells"] == 0
    assert found["product_bits"] == 8 + 6 + 2
    assert found["shifter_cells"] == 2 * (8 + 6 + 1) * 3
    assert found["adder_tree_bits"] == 16
    # One in eight codes of a 4-bit term is zero.
    assert found["active_term_bits_in_sum"] == 2 * 16 * 7 / 8
    assert found["multiply_rows"] == 4 + 1


def test_words_of_few_bits_have_no_clock_gate() -> None:
    """The boundary pair: 4 bits are gated, 3 are not."""
    for weight_bits, words, bits in ((4, 12 + 224 + 24, 0), (3, 12 + 24, 224 * 3)):
        found = features_of(PEDesign(family="int", act_bits=8, weight_bits=weight_bits))
        assert (found["gated_words"], found["ungated_bits"]) == (words, bits)
    assert MIN_GATED_BITS == MIN_GATED_FLOPS


def test_cycles_per_mac_are_those_of_the_measured_row(everything: Space) -> None:
    """In a long row of the sizes that energy is measured with."""
    table = everything.table(limit=1000)
    table = table[~table["serial_terms"].astype(bool) | (table["filter_depth"] >= table["terms"])]
    cycles = cycles_per_mac(checked_numbers(table))
    for number, row in enumerate(table.to_dict("records")):
        design = design_of(row)
        size = replace(measured_primitive(design), outputs=4096)
        assert cycles[number] == pytest.approx(row_cycles(design, size) / size.macs, rel=2e-3)


def test_smallest_design_has_finite_features() -> None:
    """One word a scratchpad needs no address: no logarithm of zero."""
    design = PEDesign(
        family="pow2",
        act_bits=2,
        weight_bits=2,
        ifmap_depth=1,
        filter_depth=1,
        psum_depth=1,
        pipeline_stages=1,
    )
    found = features_of(design)
    assert all(math.isfinite(value) for value in found.values())
    assert found["address_bits"] == 0
    assert found["pipeline_bits"] == 0


@pytest.mark.parametrize("name", PRESETS)
def test_stages_take_work_out_of_the_cycle_of_the_sum_and_add_registers(name: str) -> None:
    """What pipelining is for, and what it costs."""
    by_stages = [features_of(PEDesign.preset(name, pipeline_stages=n)) for n in (1, 2, 3, 4)]
    for feature, present in (
        ("read_levels_in_sum", [True, False, False, False]),
        ("read_bits_in_sum", [True, False, False, False]),
        ("multiply_rows_in_sum", [True, True, False, False]),
    ):
        assert [found[feature] > 0 for found in by_stages] == present
    registers = [found["pipeline_bits"] for found in by_stages]
    assert registers == sorted(set(registers))


def test_order_and_extra_columns_do_not_matter(space: Space) -> None:
    table = space.table(limit=50)
    shuffled = table[list(reversed(POINT_COLUMNS))].assign(name="x")
    np.testing.assert_array_equal(feature_matrix(table), feature_matrix(shuffled))


def test_no_rows_give_no_features(space: Space) -> None:
    assert feature_matrix(space.table().head(0)).shape == (0, len(FEATURE_NAMES))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError) as caught:
        feature_matrix(pd.DataFrame({"family": ["int"], "act_bits": [8]}))
    assert str(caught.value) == (
        "a design point needs weight_bits; the table has only family, act_bits"
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("family", "bf16", "family must be one of int, lightpe, pow2, fp, not 'bf16'"),
        ("scratchpad", "rom", "scratchpad must be one of flop, latch, sram, not 'rom'"),
        ("act_bits", 0, "act_bits must be at least 1 and finite, not 0"),
        ("terms", -1, "terms must be at least 0 and finite, not -1"),
        ("period_ps", math.inf, "period_ps must be at least 1 and finite, not inf"),
        ("psum_bits", math.nan, "psum_bits must be at least 1 and finite, not nan"),
        ("weight_bits", "wide", "weight_bits must be a number in every row"),
    ],
)
def test_a_bad_value_is_named(column: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        feature_matrix(table_of(PEDesign.preset("INT8")).assign(**{column: value}))
    assert str(caught.value) == message
