"""Shuffled RTL is the same hardware, and synthesis makes something else of it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from characterize.campaign import Campaign
from characterize.measurement import Point
from characterize.perturb import shuffled
from characterize.platform import load_platform
from characterize.store import Store
from rtl_gen.design import PEDesign
from rtl_gen.export import rtlil_text

DESIGN = PEDesign(
    family="int", act_bits=4, weight_bits=3, ifmap_depth=3, filter_depth=6, psum_depth=2,
    multiplier="booth",
)  # fmt: skip
#: What may move: cells, processes and connections, with all their lines.
_MOVABLE = re.compile(r"^(  (?:cell|process) .*?\n  end|  connect .*?)$", re.MULTILINE | re.DOTALL)


def modules(text: str) -> list[str]:
    return re.split(r"^end$", text, flags=re.MULTILINE)


def fixed_lines(module: str) -> list[str]:
    """Declarations: all that may not move."""
    return [line for line in _MOVABLE.sub("", module).split("\n") if line and "attr" not in line]


def test_statements_move_within_their_module_and_nothing_else_changes() -> None:
    text = rtlil_text(DESIGN)
    moved = shuffled(text, 1)
    assert len(modules(text)) > 5
    for before, after in zip(modules(text), modules(moved), strict=True):
        assert Counter(_MOVABLE.findall(before)) == Counter(_MOVABLE.findall(after))
        assert fixed_lines(before) == fixed_lines(after)
    assert _MOVABLE.findall(text) != _MOVABLE.findall(moved)


def test_a_seed_is_an_order_and_zero_is_the_order_of_before() -> None:
    text = rtlil_text(DESIGN)
    assert shuffled(text, 0) == text
    assert shuffled(text, 1) == shuffled(text, 1) != shuffled(text, 2)


def test_attributes_stay_with_their_statement() -> None:
    cell = "  attribute \\keep 1\n  cell \\a \\b\n  end\n"
    rest = "end\nattribute \\top 1\nmodule \\other\nend\n"
    for seed in range(1, 9):
        moved = shuffled(f"module \\top\n{cell}  connect \\x \\y\n{rest}", seed)
        assert cell in moved
        assert moved.endswith(rest)


@pytest.mark.tool
def test_a_perturbed_point_is_another_netlist_that_computes_the_same(tmp_path: Path) -> None:
    """Its netlist reproduces the golden model as any does, and it has a key of its own."""
    points = [Point(design=DESIGN, period_ps=2000, perturbation=number) for number in (0, 1, 2)]
    plan = Campaign(points=points, platform=load_platform(), store=Store(tmp_path))
    found = plan.run(lambda *_: None)
    assert [one.status for one in found] == ["ok"] * 3
    assert [one.perturbation for one in found] == [0, 1, 2]
    assert len({one.digests["netlist"] for one in found}) == len({one.key for one in found}) == 3
    assert len({one.digests["rtl"] for one in found}) == 1
    assert points[1].name == points[0].name + "_x1"
