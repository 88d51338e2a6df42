"""Two texts of a PE, the same in use or not: what is never looked at may differ, and no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from characterize.pair_proof import prove_same
from characterize.prover import Verdict
from characterize.stream_proofs import sibling
from rtl_gen.design import PEDesign
from rtl_gen.export import verilog_text

TIMEOUT_S = 60


def compare(folder: Path, pattern: str, replacement: str, **values: Any) -> Verdict:
    """The small sibling of INT8 with these options, against itself with a change."""
    design = sibling(PEDesign.preset("INT8", **values))
    text = verilog_text(design)
    changed, count = re.subn(pattern, replacement, text, count=1)
    assert count == 1
    return prove_same(folder, design, text, changed, timeout_s=TIMEOUT_S)


def test_what_idle_stages_hold_may_differ(tmp_path: Path) -> None:
    """Beside a multiply-accumulate that is not valid, nobody looks at `first`."""
    pattern = r"issued\[0\] \? issued\[1\] : following\[1\]"
    changed = "issued[0] ? issued[1] : following[0]"
    assert compare(tmp_path, pattern, changed).outcome == "proved"


def test_what_only_illegal_primitives_reach_may_differ(tmp_path: Path) -> None:
    """The filters of mode 3 do not exist: a PE without modes does not look at it at all."""
    pattern = r"(  assign psum_taken = free & _\d+_);"
    changed = r"\1 & ~(size_of_mode & passing);\n  wire size_of_mode = mode[0];"
    assert compare(tmp_path, pattern, changed).outcome == "proved"


@pytest.mark.parametrize(
    ("pattern", "changed"),
    [
        (r"read_waiting \? sum_data : read_data", "read_waiting ? read_data : sum_data"),
        (r"assign free = .*", "assign free = passing;"),
    ],
)
def test_what_shows_at_the_outputs_is_refuted(pattern: str, changed: str, tmp_path: Path) -> None:
    verdict = compare(tmp_path, pattern, changed)
    assert verdict.outcome == "refuted"
    assert verdict.cycles > 3


def test_texts_with_different_helpers_are_not_compared(tmp_path: Path) -> None:
    verdict = compare(tmp_path, r"if \(!clk\)", "if (clk)", scratchpad="latch")
    assert (verdict.outcome, verdict.cycles) == ("open", 0)


def test_latches_that_are_the_same_are_compared(tmp_path: Path) -> None:
    pattern = r"filter__valid & filter__ready"
    changed = "filter__ready & filter__valid"
    assert compare(tmp_path, pattern, changed, scratchpad="latch").outcome == "proved"
