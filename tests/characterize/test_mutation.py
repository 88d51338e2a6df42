"""Mutants: wrong ones are caught, and the same hardware is proven the same."""

from __future__ import annotations

import pytest

from characterize import mutation
from characterize.mutation import mutants, try_mutants
from characterize.process import StepError
from rtl_gen.design import PEDesign
from rtl_gen.export import verilog_text

DESIGN = PEDesign.preset("INT4", ifmap_depth=4, filter_depth=12, psum_depth=3)


def changes(line: str) -> set[str]:
    return {mutant.after for mutant in mutants(line)}


def test_every_kind_of_change_by_hand() -> None:
    assert changes("  assign x = a + 4'h3;") == {"  assign x = a - 4'h3;", "  assign x = a + 4'h4;"}
    assert changes("  assign x = ~a[3:0];") == {"  assign x = a[3:0];", "  assign x = ~a[2:0];"}
    assert changes("  assign x = c ? a : b;") == {"  assign x = c ? b : a;"}
    assert changes("    if (rst) state <= 3'h7;") == {
        "    if (1'h0) state <= 3'h7;",
        "    if (1'h1) state <= 3'h7;",
        "    if (rst) state <= 3'h0;",
    }
    assert changes("  wire [7:0] x;") == set()


def test_every_mutant_differs_from_the_design_in_one_line() -> None:
    lines = verilog_text(DESIGN).splitlines()
    found = mutants("\n".join(lines))
    assert len(found) > 300
    for mutant in found:
        assert lines[mutant.line - 1] == mutant.before != mutant.after


@pytest.mark.tool
@pytest.mark.parametrize(
    "design",
    [
        PEDesign.preset("INT8", ifmap_depth=6, filter_depth=24, psum_depth=5),
        PEDesign.preset("LightPE-1", ifmap_depth=6, filter_depth=24, psum_depth=5),
    ],
    ids=lambda design: design.name,
)
def test_the_bench_catches_nearly_all(design: PEDesign) -> None:
    result = try_mutants(design, 30, seed=7, jobs=2)
    assert result.count("caught") + result.count("survived") >= 27
    assert result.caught_share >= 0.95


@pytest.mark.tool
def test_the_same_hardware_is_proven_the_same_and_other_hardware_is_not() -> None:
    original = verilog_text(DESIGN)
    same = original.replace("$signed(a) * $signed(b)", "$signed(b) * $signed(a)")
    other = original.replace("$signed(a) * $signed(b)", "$signed(a) * a")
    assert len({original, same, other}) == 3
    assert mutation.equivalent(DESIGN.name, original, same)
    assert not mutation.equivalent(DESIGN.name, original, other)


@pytest.mark.tool
def test_a_design_that_fails_its_bench_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = verilog_text(DESIGN).replace("$signed(a) * $signed(b)", "$signed(a)")
    monkeypatch.setattr(mutation, "verilog_text", lambda _: broken)
    with pytest.raises(StepError) as error:
        try_mutants(DESIGN, 1)
    assert str(error.value) == f"{DESIGN.name} fails its own test bench"
