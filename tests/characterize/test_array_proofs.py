"""Formal proofs that runs of a small array end, however its buffer waits."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from characterize.array_proofs import prove_run_ends
from rtl_gen.array import sequencer
from rtl_gen.array.compiler import Program, Scales, compile_layer, default_tiling, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.array.model import run_activity
from rtl_gen.array.top import array_verilog
from rtl_gen.design import PEDesign

#: The smallest PE there is.
DESIGN = ArrayDesign(
    pe=PEDesign(
        family="pow2", act_bits=2, weight_bits=2, psum_bits=4, ifmap_depth=2, filter_depth=2,
        psum_depth=1, pipeline_stages=1,
    ),
    rows=2, columns=2, ifmap_words=16, filter_words=16, psum_words=16, scale_words=16,
    scale_bits=2,
)  # fmt: skip


def program(*, scaled: bool, **sizes: int) -> Program:
    layer = Layer(**{"channels": 1, "filters": 1, "filter_width": 1, "width": 1, **sizes})  # type: ignore[arg-type]
    zero = np.zeros(layer.filters, dtype=np.int64)
    scales = Scales(multiplier=zero, shift=zero, bias=zero) if scaled else None
    compiled = compile_layer(
        shape_layer(DESIGN, layer, default_tiling(DESIGN, layer)),
        np.zeros((layer.height, layer.width, layer.channels), dtype=np.int64),
        np.zeros((layer.filter_height, 1, layer.group_channels, layer.filters), dtype=np.int64),
        scales,
    )
    assert len(compiled.runs) == 1
    return compiled


PROGRAMS = {
    "two rows, through the output stage": program(scaled=True, height=2, width=2, filter_height=2),
    "two rows and columns": program(scaled=False, height=3, filter_height=2),
    "sums that come back": program(scaled=False, height=3, filter_height=3),
}


def cycles_of(name: str) -> int:
    compiled = PROGRAMS[name]
    requantized = compiled.scales is not None
    return run_activity(compiled.shape, compiled.runs[0].span, requantized=requantized).cycles


@pytest.fixture(autouse=True)
def short_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands still is given up soon enough for the search to see it."""
    monkeypatch.setattr(sequencer, "WATCHDOG_CYCLES", 32)


@pytest.mark.parametrize("name", PROGRAMS)
def test_without_waits_a_run_takes_the_cycles_of_the_model_whatever_its_operands(
    tmp_path: Path, name: str
) -> None:
    cycles, run = cycles_of(name), PROGRAMS[name].runs[0]
    proof = prove_run_ends(DESIGN, run, tmp_path, cycles=cycles, most_waits=0, timeout_s=60)
    assert proof.outcome == "proved"


def test_a_bound_that_is_a_cycle_too_short_is_refuted(tmp_path: Path) -> None:
    name = "two rows and columns"
    run, bound = PROGRAMS[name].runs[0], cycles_of(name) - 1
    proof = prove_run_ends(DESIGN, run, tmp_path, cycles=bound, most_waits=0, timeout_s=60)
    assert proof.outcome == "refuted"


@pytest.mark.parametrize("name", ["two rows, through the output stage", "two rows and columns"])
def test_a_run_ends_however_the_buffer_waits(tmp_path: Path, name: str) -> None:
    """Each port waits a cycle whenever it likes: at most two and a half times the cycles."""
    run, bound = PROGRAMS[name].runs[0], 5 * cycles_of(name) // 2
    proof = prove_run_ends(DESIGN, run, tmp_path, cycles=bound, most_waits=1, timeout_s=120)
    assert proof.outcome == "proved"


def broken_fetchers() -> str:
    """Words are counted as asked for, although the buffer has not taken the request."""
    return re.sub(
        r"(assign \S+ = address__payload\[\d+\] \| )request__ready;", r"\g<1>1'h1;",
        array_verilog(DESIGN),
    )  # fmt: skip


@pytest.mark.parametrize(("most_waits", "outcome"), [(0, "proved"), (1, "refuted")])
def test_a_request_that_is_lost_while_it_waits_is_found(
    tmp_path: Path, most_waits: int, outcome: str
) -> None:
    name = "two rows and columns"
    proof = prove_run_ends(
        DESIGN, PROGRAMS[name].runs[0], tmp_path, cycles=cycles_of(name), most_waits=most_waits,
        timeout_s=60, verilog=broken_fetchers(),
    )  # fmt: skip
    assert proof.outcome == outcome


def test_a_run_whose_sizes_do_not_fit_together_is_found(tmp_path: Path) -> None:
    run = PROGRAMS["two rows and columns"].runs[0]
    wrong = dataclasses.replace(run, registers={**run.registers, "sums": 1})
    proof = prove_run_ends(DESIGN, wrong, tmp_path, cycles=80, most_waits=0, timeout_s=60)
    assert proof.outcome == "refuted"
