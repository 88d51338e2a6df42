"""What the checks of the mutation benchmark catch, and what they do not."""

from __future__ import annotations

import functools
import re

import pytest

from benchmarks.array_mutants import DESIGN, checks, endings
from characterize.array_mutants import array_mutants, judge
from rtl_gen.array.top import array_verilog
from rtl_gen.export import verilog_text

pytestmark = pytest.mark.tool


@functools.cache
def verilog() -> str:
    return array_verilog(DESIGN)


#: A change of the Verilog for each part: what it looked like, what it becomes, which check sees it.
CHANGES = {
    "a word goes to another diagonal": (
        r"(diagonal_1_1 \} = filter_row_1) \+ ", r"\g<1> - ", 0),
    "a PE in use takes no part": (r"(assign mine_0_0_0 = ).*;", r"\g<1>1'h0;", 0),
    "a request is lost while it waits": (
        r"(assign \S+ = address__payload\[\d+\] \| )request__ready;", r"\g<1>1'h1;", 1),
    "an address does not count": (
        r"(assign \S+ = address) \+ (\d+'h0*1;)", r"\g<1> & \g<2>", 0),
    "a bank that has too few columns begins": (
        r"(assign \S+ = )row \+ ", r"\g<1>row - ", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_fault_is_caught(name: str) -> None:
    before, after, check = CHANGES[name]
    changed, count = re.subn(before, after, verilog())
    assert count
    assert judge(DESIGN, changed, [checks()[check]]) == "caught"


@pytest.mark.parametrize(
    ("before", "after", "status", "bank"),
    [
        (r"(assign moves = .* )filter1_request__valid, ", r"\g<1>", "stopped", "filter1"),
        (r"(assign moves = .* )psum0_write__valid, ", r"\g<1>", "stopped", "psum0"),
        (r"(assign \S+ = settings\[\d+:\d+\] )< (2'h3;)", r"\g<1>!= \g<2>", "refused", None),
    ],
)
def test_a_run_that_must_not_be_done_tells_faults_too(
    before: str, after: str, status: str, bank: str | None
) -> None:
    chosen = [
        ending
        for ending in endings()
        if ending.status == status and list(ending.stall_pct) == ([bank] if bank else [])
    ]
    changed, count = re.subn(before, after, verilog())
    assert count
    assert judge(DESIGN, changed, [], chosen) == "caught"


def test_the_array_itself_passes_all_checks() -> None:
    assert judge(DESIGN, verilog(), checks(), endings()) == "survived"


def test_text_that_is_no_verilog_is_not_counted() -> None:
    assert judge(DESIGN, verilog().replace("endmodule", "end", 1), checks()) == "invalid"


def test_mutants_are_outside_the_pes() -> None:
    text = verilog()
    first = text.splitlines().index(verilog_text(DESIGN.pe).splitlines()[0])
    every = array_mutants(DESIGN, text)
    assert max(mutant.line for mutant in every) <= first
    assert len(every) > 1000
