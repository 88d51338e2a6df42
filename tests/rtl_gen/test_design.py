"""A design point is validated, frozen, canonical."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.errors import InputError
from tests.strategies import designs

INT8 = {"family": "int", "act_bits": 8, "weight_bits": 8}
FP32 = {"family": "fp", "act_bits": 32, "weight_bits": 32}


@given(designs())
def test_canonical_json_gives_the_same_design_back(design: PEDesign) -> None:
    again = PEDesign.from_dict(json.loads(design.to_json()))
    assert again == design
    assert again.digest == design.digest


def test_one_term_under_two_names_is_one_design() -> None:
    pow2 = PEDesign(family="pow2", act_bits=8, weight_bits=4)
    light = PEDesign(family="lightpe", act_bits=8, weight_bits=4, terms=1)
    assert pow2 == light == PEDesign.preset("LightPE-1")
    assert pow2.digest == light.digest


def test_an_explicit_psum_width_equal_to_the_derived_one_is_the_same_design() -> None:
    derived = PEDesign(**INT8)
    assert PEDesign(**INT8, psum_bits=derived.psum_bits).digest == derived.digest


@given(designs(), st.data())
def test_other_hardware_has_another_digest(design: PEDesign, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["ifmap_depth", "filter_depth", "psum_depth", "psum_bits"]))
    values = design.to_dict()
    values[name] += 1 if values[name] < 64 else -1
    if design.family == "fp":
        values["psum_bits"] = design.psum_bits
        values["psum_depth"] = design.psum_depth % 64 + 1
    if design.terms == 0:
        values.pop("terms")
    assert PEDesign.from_dict(values).digest != design.digest


def test_a_design_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PEDesign(**INT8).act_bits = 4  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"act_bits": 0}, "act_bits must be an integer from 2 to 16, not 0"),
        ({"act_bits": 1}, "act_bits must be an integer from 2 to 16, not 1"),
        ({"act_bits": 17}, "act_bits must be an integer from 2 to 16, not 17"),
        ({"act_bits": "8"}, "act_bits must be an integer from 2 to 16, not '8'"),
        ({"act_bits": True}, "act_bits must be an integer from 2 to 16, not True"),
        ({"act_bits": 8.0}, "act_bits must be an integer from 2 to 16, not 8.0"),
        ({"weight_bits": 17}, "weight_bits must be an integer from 2 to 16, not 17"),
        ({"family": "bf16"}, "family must be one of int, lightpe, pow2, fp, not 'bf16'"),
        ({"family": "fp"}, "act_bits must be 16 or 32 for family fp, not 8"),
        (
            {"family": "fp", "act_bits": 32, "weight_bits": 16},
            "weight_bits must be act_bits = 32 for family fp, not 16",
        ),
        (
            {**FP32, "psum_bits": 16},
            "psum_bits must be 32 for family fp with 32 bits, not 16",
        ),
        (
            {**FP32, "act_bits": 16, "weight_bits": 16, "psum_bits": 24},
            "psum_bits must be 16 or 32 for family fp with 16 bits, not 24",
        ),
        (
            {**FP32, "zero_gating": True},
            "zero_gating must be false for family fp: zero times infinity is not zero",
        ),
        ({**FP32, "act_signed": False}, "act_signed must be true for family fp"),
        ({"act_signed": 0}, "act_signed must be true or false, not 0"),
        (
            {"multiplier": "wallace"},
            "multiplier must be synth or booth or array for family int, not 'wallace'",
        ),
        (
            {"family": "pow2", "weight_bits": 4, "multiplier": "booth"},
            "multiplier must be none for family pow2, not 'booth'",
        ),
        ({"precision_modes": 4}, "precision_modes must be an integer from 1 to 3, not 4"),
        (
            {"precision_modes": "8x8,8x3"},
            "precision_modes must be 8x8 or 8x8,8x4 or 8x8,8x4,4x4, not 8x8,8x3",
        ),
        (
            {"act_bits": 7, "precision_modes": 2},
            "precision_modes must be 1 unless family is int with even act_bits and weight_bits of "
            "at least 4, not 2 for family int with 7 x 8 bits",
        ),
        (
            {"weight_bits": 2, "precision_modes": 3},
            "precision_modes must be 1 unless family is int with even act_bits and weight_bits of "
            "at least 4, not 3 for family int with 8 x 2 bits",
        ),
        (
            {"serial_terms": True},
            "serial_terms must be false for family int: it is for lightpe with 2 or 3 terms",
        ),
        ({"scratchpad": "dram"}, "scratchpad must be one of flop, latch, sram, not 'dram'"),
        (
            {"scratchpad": "sram", "pipeline_stages": 1},
            "pipeline_stages must be at least 2 for scratchpad sram, not 1",
        ),
        (
            {"scratchpad": "sram", "weight_bits": 7},
            "scratchpad sram needs filter words of 8 or 16 or 32 bits, not 7",
        ),
        (
            {"scratchpad": "sram", "filter_depth": 63},
            "filter_depth must be at least 64 for scratchpad sram with words of 8 bits, not 63",
        ),
        (
            {**FP32, "scratchpad": "sram", "filter_depth": 31},
            "filter_depth must be at least 32 for scratchpad sram with words of 32 bits, not 31",
        ),
        ({"terms": 2}, "terms must be left out for family int, not 2"),
        ({"ifmap_depth": 65}, "ifmap_depth must be an integer from 1 to 64, not 65"),
        ({"filter_depth": 0}, "filter_depth must be an integer from 1 to 512, not 0"),
        ({"psum_depth": None}, "psum_depth must be an integer from 1 to 64, not None"),
        ({"pipeline_stages": 5}, "pipeline_stages must be an integer from 1 to 4, not 5"),
        ({"psum_bits": 15}, "psum_bits must be at least 16, the width of one product, not 15"),
        ({"psum_bits": 65}, "psum_bits must be an integer from 4 to 64, not 65"),
        (
            {"psum_bits": 20, "largest_layer": (3, 3, 512)},
            "psum_bits must be at least 28 for a largest_layer of 3 x 3 x 512 = 4608 products, "
            "not 20",
        ),
        ({"largest_layer": (3, 3)}, "largest_layer must be three integers R, S, C, not (3, 3)"),
        (
            {"largest_layer": (3, 0, 8)},
            "largest_layer S must be an integer from 1 to 64, not 0",
        ),
        (
            {"family": "lightpe"},
            "family lightpe needs terms, an integer from 1 to 3",
        ),
        (
            {"family": "lightpe", "terms": 3},
            "weight_bits must be one of 6, 9, 12, 15 for 3 power-of-two terms, not 8",
        ),
        (
            {"family": "pow2"},
            "weight_bits must be one of 2, 3, 4, 5 for 1 power-of-two term, not 8",
        ),
        ({"family": "pow2", "terms": 2}, "terms must be 1 for family pow2, not 2"),
    ],
)
def test_wrong_values_are_named_with_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        PEDesign(**{**INT8, **changes})
    assert str(error.value) == message


def test_an_unknown_preset_and_an_unknown_parameter_are_named() -> None:
    with pytest.raises(InputError) as error:
        PEDesign.preset("INT9")
    assert str(error.value) == (
        "preset must be one of INT16, INT8, INT4, LightPE-1, LightPE-2, POW2, BF16, FP32, "
        "not 'INT9'"
    )
    with pytest.raises(InputError) as error:
        PEDesign.from_dict({**INT8, "bits": 3})
    assert str(error.value).startswith("'bits' is not a design parameter; allowed are family, ")


@pytest.mark.parametrize("name", PRESETS)
def test_preset_names_are_found_in_any_case(name: str) -> None:
    assert PEDesign.preset(name.lower()) == PEDesign.preset(name)


@given(designs())
def test_the_largest_accumulation_fits_and_one_more_does_not(design: PEDesign) -> None:
    if design.max_accumulations is None:
        assert design.family == "fp"
        return
    top = (1 << (design.psum_bits - 1)) - 1
    assert design.max_accumulations * design.max_product <= top
    assert (design.max_accumulations + 1) * design.max_product > top
    assert design.max_accumulations >= 3 * 3 * 512
    narrower = design.psum_bits - 1
    assert 3 * 3 * 512 * design.max_product > (1 << (narrower - 1)) - 1


def test_precision_modes_may_be_listed() -> None:
    listed = PEDesign(**INT8, precision_modes="8x8, 8x4, 4x4")
    assert listed == PEDesign(**INT8, precision_modes=3)
    assert PEDesign(**INT8, precision_modes=["8x8", "8x4"]) == PEDesign(**INT8, precision_modes=2)
    assert [(mode.name, mode.products) for mode in listed.modes] == [
        ("8x8", 1), ("8x4", 2), ("4x4", 4),
    ]  # fmt: skip
    # Operand bandwidth: two activations and weights of full width a cycle.
    assert (listed.act_word_bits, listed.weight_word_bits) == (16, 16)


@given(designs())
def test_no_mode_exceeds_the_largest_product(design: PEDesign) -> None:
    if design.family != "int":
        return
    for mode in design.modes:
        act = 1 << (mode.act_bits - 1) if design.act_signed else (1 << mode.act_bits) - 1
        assert mode.products * act << (mode.weight_bits - 1) <= design.max_product


def test_numpy_integers_are_integers() -> None:
    values = {"act_bits": np.int64(7), "terms": np.int8(2), "psum_bits": np.uint8(30)}
    design = PEDesign.preset("LightPE-2", **values)
    plain = PEDesign.preset("LightPE-2", act_bits=7, terms=2, psum_bits=30)
    assert design == plain
    assert design.to_json() == plain.to_json()
    floats = PEDesign(family="fp", act_bits=np.int64(16), weight_bits=np.int64(16))
    assert floats.to_json() == PEDesign.preset("BF16").to_json()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"family": "foo"}, "family must be one of int, lightpe, pow2, fp, not 'foo'"),
        ({"family": "int"}, "a design needs act_bits"),
        (
            {"family": "lightpe", "act_bits": 8, "weight_bits": 8},
            "family lightpe needs terms, an integer from 1 to 3",
        ),
        (
            {"family": "fp", "act_bits": 16.0, "weight_bits": 16},
            "act_bits must be 16 or 32 for family fp, not 16.0",
        ),
        (
            {"family": "int", "act_bits": 8, "weight_bits": 8, "precision_modes": ""},
            "precision_modes must be 8x8 or 8x8,8x4 or 8x8,8x4,4x4, not ''",
        ),
    ],
)
def test_what_is_wrong_comes_before_what_is_missing(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        PEDesign.from_dict(values)
    assert str(error.value) == message
