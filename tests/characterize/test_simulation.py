"""The RTL against the golden model in a real simulator, and the formulas for its cycles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from characterize.process import StepError
from characterize.simulate import simulate
from characterize.workload import Workload, draw, measured_primitive
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.export import verilog_text
from rtl_gen.golden import Primitive, row_cycles

pytestmark = pytest.mark.tool


@st.composite
def workloads(draw_: st.DrawFn, design: PEDesign) -> list[Workload]:
    """One to three primitives that fit the scratchpads, edges of them included."""
    works = []
    for _ in range(draw_(st.integers(1, 3))):
        width = draw_(st.integers(1, min(design.ifmap_depth, design.filter_depth)))
        channels = draw_(st.integers(1, min(design.ifmap_depth, design.filter_depth) // width))
        most = min(design.psum_depth, design.filter_depth // (width * channels))
        size = Primitive(
            filter_width=width,
            channels=channels,
            filters=draw_(st.integers(1, most)),
            outputs=draw_(st.integers(1, 5)),
        )
        works.append(draw(design, size, draw_(st.integers(0, 2**31))))
    return works


@st.composite
def small_designs(draw_: st.DrawFn) -> PEDesign:
    """Designs that simulate quickly, of every family and number of stages."""
    family = draw_(st.sampled_from(["int", "lightpe", "pow2"]))
    terms = None if family == "int" else 1 if family == "pow2" else draw_(st.integers(2, 3))
    return PEDesign(
        family=family,
        act_bits=draw_(st.integers(2, 16)),
        weight_bits=draw_(st.integers(2, 16))
        if terms is None
        else terms * draw_(st.integers(2, 5)),
        terms=terms,
        ifmap_depth=draw_(st.integers(1, 9)),
        filter_depth=draw_(st.integers(1, 24)),
        psum_depth=draw_(st.integers(1, 6)),
        pipeline_stages=draw_(st.integers(1, 4)),
    )


def run_rtl(folder: Path, design: PEDesign, works: list[Workload], stall: float = 0.0) -> int:
    """Cycles of a simulation of the exported Verilog, which must give the golden sums."""
    (folder / "pe.v").write_text(verilog_text(design))
    return simulate(folder, design, works, ["pe.v"], gates=False, timeout_s=120, stall=stall).cycles


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_design_computes_any_primitive_under_back_pressure(
    tmp_path: Path, data: st.DataObject
) -> None:
    design = data.draw(small_designs())
    works = data.draw(workloads(design))
    run_rtl(tmp_path, design, works, stall=data.draw(st.sampled_from([0.0, 0.3, 0.7])))


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
