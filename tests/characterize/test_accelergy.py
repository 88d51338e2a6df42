"""CACTI's SRAMs beside those that Accelergy has published."""

from __future__ import annotations

import pytest

from benchmarks.accelergy import ACCELERGY, PUBLISHED, Published, numbers, path
from characterize.cacti import SETTINGS, Shape, estimate_shape

pytestmark = pytest.mark.usefixtures("installed_cacti")
#: Both print six digits: a product of two sides, and a sum, are within one unit of the last.
ROUNDED = 1e-5
each = pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: str(one.shape))


@each
def test_with_the_settings_of_accelergy_cacti_gives_what_accelergy_published(
    published: Published,
) -> None:
    """The same program, told the same: nothing but printed digits may differ."""
    found = estimate_shape(published.shape, ACCELERGY)
    read_pj, write_pj, leakage_nw, area_um2, cycle_ns = numbers(found)
    digits = {"rel": 1e-9, "abs": published.rounding_pj}
    assert read_pj == pytest.approx(published.read_pj, **digits)
    assert write_pj == pytest.approx(published.write_pj, **digits)
    assert area_um2 == pytest.approx(published.area_um2, rel=ROUNDED)
    if published.leakage_nw is not None:
        assert leakage_nw == pytest.approx(published.leakage_nw, rel=ROUNDED)
    if published.cycle_ns is not None:
        assert cycle_ns == pytest.approx(published.cycle_ns, rel=1e-9)


@each
def test_with_our_settings_reads_take_less_and_leakage_is_far_more(published: Published) -> None:
    """Bounds are what was found, rounded outwards; ``docs/sram.md`` says where it comes from."""
    ours = estimate_shape(published.shape)
    assert 0.4 < ours.read_fj / 1000 / published.read_pj < 0.75
    assert 0.8 < ours.write_fj / 1000 / published.write_pj < 1.35
    assert 0.8 < ours.width_um * ours.height_um / published.area_um2 < 1.05
    if published.leakage_nw is not None:
        assert 1.3e4 < ours.leakage_nw / published.leakage_nw < 2.5e4
    if published.cycle_ns is not None:
        assert 0.2 < ours.cycle_ns / published.cycle_ns < 0.4


def test_the_difference_is_that_of_transistors_and_of_what_is_to_be_least() -> None:
    first, transistors, least, wires, access = (
        numbers(estimate) for _, estimate in path(Shape(words=8192, bits=64))
    )
    assert first == numbers(estimate_shape(Shape(words=8192, bits=64), SETTINGS))
    assert transistors[2] < first[2] / 1e4
    assert transistors[4] > 3 * first[4]
    assert least[0] > 1.5 * transistors[0]
    assert least == wires == access
    assert access == numbers(estimate_shape(Shape(words=8192, bits=64), ACCELERGY))
