"""The comparison with published figures: units compute, and their parts add up."""

from __future__ import annotations

import dataclasses
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks import units, world
from characterize.platform import load_platform
from characterize.process import StepError
from rtl_gen import fp_golden


def test_integer_units_expect_exact_results() -> None:
    assert units.UNITS["add 8"].expect([255, 255]) == 510
    assert units.UNITS["multiply 8"].expect([0x80, 0x80]) == 0x4000
    assert units.UNITS["multiply 8"].expect([0xFF, 1]) == 0xFFFF
    assert units.UNITS["multiply 8, unsigned"].expect([0xFF, 0xFF]) == 0xFE01
    assert units.UNITS["multiply-add 8, 32"].expect([0xFF, 1, 1]) == 0
    assert units.UNITS["multiply-add 8, 32"].expect([2, 3, 0xFFFFFFFF]) == 5


def test_binary16_is_that_of_numpy_where_both_are_normal() -> None:
    unit, rng = units.UNITS["multiply binary16"], random.Random(1)
    for _ in range(200):
        a, b = unit.draw(rng)
        numbers = np.array([a, b], dtype=np.uint16).view(np.float16)
        product = Fraction(float(numbers[0])) * Fraction(float(numbers[1]))
        form = units.BINARY16
        if form.smallest_normal <= abs(product) < form.largest:
            exact = np.array([float(product)], dtype=np.float16)
            assert unit.expect([a, b]) == exact.view(np.uint16)[0]


def test_random_numbers_have_their_exponents_around_one() -> None:
    rng = random.Random(1)
    drawn = [units.UNITS["add binary32"].draw(rng) for _ in range(100)]
    values = np.abs(fp_golden.decode(fp_golden.BINARY32, np.array(drawn)))
    assert values.min() >= 2.0**-8
    assert values.max() < 2.0**8


def test_every_source_is_known() -> None:
    for unit in units.UNITS.values():
        assert {there.source for there in unit.published} <= set(units.SOURCES)


def test_a_comparison_is_at_the_voltage_of_the_source() -> None:
    here = world.Measured(
        area_um2=100, path_ps=1000, energy_pj=1.21, settled_pj=0.605, wire_pj=0.1, pin_pj=0.5,
        registers_pj=1,
    )  # fmt: skip
    there = units.Published(source="Horowitz", area_um2=50, energy_pj=0.27)
    row = world.comparison("unit", here, there, 1.1).split()
    assert row == ["unit", "100", "50", "2.00", "1.210", "0.810", "0.270", "3.00", "1.50",
                   "Horowitz"]  # fmt: skip
    there = units.Published(source="Aladdin", energy_pj=1.21)
    row = world.comparison("unit", here, there, 1.1).split()
    assert row == ["unit", "100", "-", "-", "1.210", "0.810", "1.210", "1.00", "0.50", "Aladdin"]


@pytest.mark.tool
def test_an_adder_is_measured_and_its_energy_adds_up(power_cells: Path, tmp_path: Path) -> None:
    measured = world.measure(units.UNITS["add 8"], load_platform(), power_cells, tmp_path)
    # Eight full adders of the library have 34 um2.
    assert 34 < measured.area_um2 < 100
    assert 100 < measured.path_ps < 1000
    assert 0 < measured.wire_pj < measured.pin_pj < measured.energy_pj
    # Glitches cost, but little in a short adder.
    assert 0.5 < measured.settled_pj / measured.energy_pj < 1
    # The registers have 25 bits, and a clock.
    assert measured.registers_pj > measured.energy_pj


@pytest.mark.tool
def test_gates_that_compute_something_else_are_noticed(power_cells: Path, tmp_path: Path) -> None:
    unit = dataclasses.replace(units.UNITS["add 8"], expect=lambda operands: operands[0])
    with pytest.raises(StepError, match=r"^the result of \[\d+, \d+\] is [0-9a-f]{3}, not"):
        world.measure(unit, load_platform(), power_cells, tmp_path)
