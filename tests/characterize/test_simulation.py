"""The RTL against the golden model in a real simulator, and the formulas for its cycles."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from characterize.process import StepError
from characterize.simulate import simulate
from characterize.workload import measured_primitive
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.export import verilog_text
from rtl_gen.golden import Primitive, convolve_row, decode_weights, row_cycles
from rtl_gen.operands import Workload, draw
from tests.strategies import designs, primitives, workloads

pytestmark = pytest.mark.tool


def run_rtl(
    folder: Path,
    design: PEDesign,
    works: list[Workload],
    *,
    stall: float = 0.0,
    reset_at: int | None = None,
) -> int:
    """Cycles of a simulation of the exported Verilog, which must give the golden sums."""
    (folder / "pe.v").write_text(verilog_text(design))
    return simulate(
        folder, design, works, ["pe.v"], gates=False, timeout_s=120, stall=stall, reset_at=reset_at
    ).cycles


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_design_computes_any_primitives_under_back_pressure(
    tmp_path: Path, data: st.DataObject
) -> None:
    """Any family and options, sizes, operands, waiting streams, and a reset in the middle."""
    design = data.draw(designs(largest_depth=12))
    works = data.draw(workloads(design))
    longest = sum(row_cycles(design, work.size) for work in works)
    run_rtl(
        tmp_path,
        design,
        works,
        stall=data.draw(st.sampled_from([0.0, 0.3, 0.7])),
        reset_at=data.draw(st.none() | st.integers(1, longest)),
    )


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_undisturbed_primitive_takes_the_cycles_of_the_formula(
    tmp_path: Path, data: st.DataObject
) -> None:
    """With the formula in the simulation's own check, and here in words of its own."""
    design = data.draw(designs(largest_depth=12))
    size = data.draw(primitives(design))
    terms = sum(size.terms_of_filters(design))
    groups = size.channels // design.modes[size.mode].products
    per_column = size.filter_width * groups * terms
    sums = size.filters * size.channels if size.depthwise else size.filters
    expected = (
        per_column
        + size.filter_width * groups
        + size.outputs * (per_column + design.pipeline_stages - 1 + sums)
        + (size.outputs - 1) * min(size.stride, size.filter_width) * groups
        + 1
    )
    assert run_rtl(tmp_path, design, [draw(design, size, 1)]) == expected


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 3), (3, 2, 1, 4), (2, 3, 5, 2), (3, 4, 4, 1)])
def test_an_undisturbed_primitive_takes_the_cycles_of_the_formula(
    tmp_path: Path, stages: int, sizes: tuple[int, int, int, int]
) -> None:
    design = PEDesign.preset("INT4", filter_depth=60, psum_depth=5, pipeline_stages=stages)
    names = ("filter_width", "channels", "filters", "outputs")
    size = Primitive(**dict(zip(names, sizes, strict=True)))
    assert run_rtl(tmp_path, design, [draw(design, size, 1)]) == row_cycles(design, size)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_runs_the_row_that_is_measured(tmp_path: Path, name: str) -> None:
    design = PEDesign.preset(name)
    size = measured_primitive(design)
    assert size.macs >= 1000
    assert (size.filter_width, size.channels, size.filters) == (3, 4, 18)
    run_rtl(tmp_path, design, [draw(design, size, 3)])


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (r"\+ 1'h1;", "+ 2'h2;"),  # a counter
        (r"\$signed\((\w+)\) \* \$signed\((\w+)\)", r"$signed(\1) + $signed(\2)"),  # the product
        (r"\.write_enable\(sum_waits\)", ".write_enable(1'h0)"),  # sums are never written
    ],
)
def test_a_wrong_operator_in_the_hardware_is_caught(tmp_path: Path, was: str, becomes: str) -> None:
    design = PEDesign.preset("INT4", filter_depth=12, psum_depth=4)
    text = verilog_text(design)
    wrong, count = re.subn(was, becomes, text, count=1)
    if count == 0:
        pytest.fail(f"nothing in the Verilog matches {was}")
    (tmp_path / "pe.v").write_text(wrong)
    size = Primitive(filter_width=2, channels=2, filters=3, outputs=3)
    with pytest.raises(StepError):
        simulate(tmp_path, design, [draw(design, size, 5)], ["pe.v"], gates=False, timeout_s=120)


def test_a_wrong_sum_is_named(tmp_path: Path) -> None:
    design = PEDesign.preset("INT4", filter_depth=12, psum_depth=4)
    size = Primitive(filter_width=2, channels=2, filters=3, outputs=3)
    work = draw(design, size, 5)
    work.expected[1, 2] += 1
    (tmp_path / "pe.v").write_text(verilog_text(design))
    with pytest.raises(StepError) as error:
        simulate(tmp_path, design, [work], ["pe.v"], gates=False, timeout_s=120)
    have, want = int(work.expected[1, 2]) - 1, int(work.expected[1, 2])
    # The bench itself fails too: its assertion and this comparison are independent.
    assert f"psum 5 is {have}, the golden model says {want}" in str(error.value)


@pytest.mark.parametrize("family", ["int", "lightpe", "unsigned"])
def test_the_largest_accumulation_is_exact_and_one_more_wraps(tmp_path: Path, family: str) -> None:
    """The extreme product as often as it fits: the sum of one more changes its sign."""
    values = {
        "int": {"family": "int", "act_bits": 4, "weight_bits": 4, "psum_bits": 10},
        "lightpe": {
            "family": "lightpe", "act_bits": 4, "weight_bits": 6, "terms": 2, "psum_bits": 9,
        },
        "unsigned": {
            "family": "int", "act_bits": 4, "weight_bits": 4, "psum_bits": 11, "act_signed": False,
        },
    }[family]  # fmt: skip
    design = PEDesign.from_dict({**values, "ifmap_depth": 12, "filter_depth": 12})
    most = design.max_accumulations
    assert most is not None
    assert most < design.ifmap_depth
    lowest_act = -8 if design.act_signed else 15
    # The code of the largest magnitude: -8, -4 - 4; both products with the sign of weight x act.
    code = 8 if design.terms == 0 else 0b111111
    product = int(decode_weights(design, np.array(code))) * lowest_act
    for count, exact in ((most, True), (most + 1, False)):
        size = Primitive(filter_width=1, channels=count, filters=1, outputs=1, chain=False)
        ifmap = np.full((1, count), lowest_act)
        filters = np.full((1, count, 1), code)
        expected = convolve_row(design, size, ifmap, filters, None)
        assert (int(expected[0, 0]) == count * product) == exact
        work = Workload(size=size, ifmap=ifmap, filters=filters, psums=None, expected=expected)
        run_rtl(tmp_path, design, [work])
