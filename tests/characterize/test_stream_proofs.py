"""Proofs about the streams: they hold for PEs of all kinds; a defect breaks each of them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from characterize import state_models, stream_proofs
from characterize.process import StepError
from characterize.stream_proofs import (
    LATCH_DATA,
    LATCH_MODEL,
    NO_LOOPS,
    PROPERTIES,
    TERMINATION,
    prove_streams,
    search,
    sibling,
)
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.export import verilog_text

TIMEOUT_S = 100
SMALL = sibling(PEDesign.preset("INT8"))


@cache
def text_of(design: PEDesign) -> str:
    return verilog_text(design)


@pytest.mark.parametrize(
    "values",
    [
        {"name": "INT8", "precision_modes": 3, "pipeline_stages": 1, "scratchpad": "latch"},
        {"name": "LightPE-2", "serial_terms": True, "zero_gating": True, "act_signed": False},
        {"name": "BF16", "pipeline_stages": 4},
    ],
    ids=lambda values: PEDesign.preset(**values).name,
)
def test_every_claim_is_proved(values: dict[str, Any], tmp_path: Path) -> None:
    design = sibling(PEDesign.preset(**values))
    proofs = list(prove_streams(design, text_of(design), tmp_path, timeout_s=TIMEOUT_S))
    expected = [*PROPERTIES, *TERMINATION, NO_LOOPS]
    if design.scratchpad == "latch":
        expected += [LATCH_DATA, LATCH_MODEL]
    assert [(proof.claim, proof.outcome) for proof in proofs] == [(c, "proved") for c in expected]


# A defect, as a pattern in the Verilog and what stands there instead, for each claim.
DEFECTS = {
    "the controller has no reset": (
        r"(\.controller  controller \([^;]*)\.rst\(rst\)",
        r"\1.rst(1'h0)",
        PROPERTIES[0],
    ),
    "sums are passed on into a full register": (
        r"assign free = .*",
        "assign free = passing;",
        PROPERTIES[1],
    ),
    "a window slides by all its columns": (r"s == size\[31:30\]", "s == size[1:0]", PROPERTIES[2]),
    "filter addresses step by two while loading": (
        r"filter_address \+ 1'h1(?=.*\n(?:.*\n)*?.*filter_address \+ 1'h1)",
        "filter_address + 2'h2",
        PROPERTIES[3],
    ),
    "the ring ends a word too early": (
        r"ifmap_write == 2'h2",
        "ifmap_write == 2'h1",
        PROPERTIES[4],
    ),
    "a sum is read before it is written": (
        r"assign read_waiting = .*",
        "assign read_waiting = 1'h0;",
        PROPERTIES[5],
    ),
    "sums are passed on twice": (
        r"assign psum_taken = .*",
        "assign psum_taken = passing;",
        PROPERTIES[6],
    ),
    "a sum waits for a cycle too long": (
        r"assign free = (.*);",
        r"assign free = \1 & ~sum_waits;",
        PROPERTIES[7],
    ),
    "columns are counted by three": (r"_x \+ 1'h1", "_x + 2'h3", TERMINATION[0]),
    "no ifmap word arrives": (
        r"\.ifmap_taken\(ifmap_taken\)",
        ".ifmap_taken(1'h0)",
        TERMINATION[1],
    ),
    "columns are not counted from zero": (r"\? 13'h0000 :", "? 13'h0001 :", TERMINATION[2]),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_has_a_counterexample(defect: str, tmp_path: Path) -> None:
    pattern, replacement, claim = DEFECTS[defect]
    wrong, count = re.subn(pattern, replacement, text_of(SMALL))
    assert count
    assert search(SMALL, wrong, tmp_path, claim, timeout_s=TIMEOUT_S).outcome == "refuted"


def test_a_failed_induction_leads_to_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defect is named; what it leaves intact is found to hold, but not proved."""
    monkeypatch.setattr(stream_proofs, "SEARCH_CYCLES", 10)
    wrong = text_of(SMALL).replace("_x + 1'h1", "_x + 2'h3")
    proofs = prove_streams(SMALL, wrong, tmp_path, timeout_s=TIMEOUT_S)
    found = {proof.claim: (proof.outcome, proof.how) for proof in proofs}
    outcome, how = found[TERMINATION[0]]
    assert outcome == "refuted"
    assert re.fullmatch(r"counterexample of \d+ cycles from reset", how)
    assert found[PROPERTIES[1]] == (
        "open",
        "no induction; no counterexample in 10 cycles from reset",
    )
    assert found[NO_LOOPS] == ("proved", "every path of the netlist")


def test_a_ready_that_waits_for_its_valid_is_found(tmp_path: Path) -> None:
    text = text_of(SMALL).replace(".loading_filter(filter__ready)", ".loading_filter(loading)")
    declaration = "  wire loading;\n  assign filter__ready = loading & filter__valid;\n"
    place = text.index("  assign filter_taken")
    (tmp_path / "dut.v").write_text(text[:place] + declaration + text[place:])
    proof = stream_proofs._no_loops(SMALL, tmp_path)
    assert proof.outcome == "refuted"
    assert proof.how == "filter__ready on filter__valid"


def test_latch_data_behind_logic_are_found(tmp_path: Path) -> None:
    design = sibling(PEDesign.preset("INT8", scratchpad="latch"))
    wrong = text_of(design).replace(".d(write_data)", ".d(~write_data)", 1)
    proof = stream_proofs._latch_data(design, wrong, tmp_path)
    assert proof.outcome == "refuted"
    assert proof.how == "3 groups of latches, 1 of them behind logic"


def test_a_latch_that_opens_late_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = state_models._LATCHES.replace("q = held;", "q = held; if (0)")
    monkeypatch.setattr(state_models, "_LATCHES", late)
    assert stream_proofs._latch_model(tmp_path, TIMEOUT_S).outcome == "refuted"


def test_a_text_without_the_signals_of_a_pe_is_an_error(tmp_path: Path) -> None:
    other = re.sub(r"\bsum_waits\b", "sum_rests", text_of(SMALL))
    with pytest.raises(StepError) as error:
        search(SMALL, other, tmp_path, PROPERTIES[0], timeout_s=TIMEOUT_S)
    message = r"python[\d.]* exited with 1: ERROR: Found 1 problems in 'check -assert'\."
    assert re.fullmatch(message, str(error.value))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scratchpad", ["flop", "latch"])
def test_a_sibling_is_small_and_has_the_same_options(name: str, scratchpad: str) -> None:
    design = PEDesign.preset(name, scratchpad=scratchpad, pipeline_stages=3)
    small = sibling(design)
    kept = "family terms pipeline_stages act_signed multiplier precision_modes serial_terms"
    for option in f"{kept} zero_gating scratchpad".split():
        assert getattr(small, option) == getattr(design, option)
    assert small.storage_bits < 200
    assert sibling(small) == small


@pytest.mark.parametrize(
    "values",
    [
        {"name": "INT8"},
        {"name": "INT8", "precision_modes": 3},
        {"name": "LightPE-2"},
        {"name": "BF16"},
        {"name": "FP32"},
    ],
)
def test_a_sibling_with_a_macro_has_the_smallest_one(values: dict[str, Any]) -> None:
    small = sibling(PEDesign.preset(**values, scratchpad="sram"))
    assert small.filter_depth * small.weight_word_bits == 64 * 8
