"""The RTL of arrays in a simulator: sums, activations, cycles and counts, bit for bit.

Integer sums are held against a convolution in plain loops.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from characterize.array_simulation import ArraySimulator
from characterize.process import StepError
from rtl_gen.array.compiler import (
    Program,
    Scales,
    Shape,
    Tiling,
    compile_layer,
    default_tiling,
    shape_layer,
)
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.array.model import Activity, layer_activity, run_activity
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Words
from rtl_gen.requantize import requantize
from tests.layers import INT8, SMALL, layers, operands, plain_convolution, tilings

pytestmark = pytest.mark.tool

MODES, LATCH, LIGHTPE, SERIAL, POW2, SRAM, BF16 = SMALL[1:]
TINY = {"rows": 2, "columns": 2}
MIDDLE = {"rows": 4, "columns": 3, "ifmap_buses": 2, "filter_buses": 1, "psum_buses": 2}
LARGE = {"rows": 4, "columns": 4, "ifmap_buses": 4, "filter_buses": 2, "psum_buses": 4}
BUFFER = {"ifmap_words": 80, "filter_words": 320, "psum_words": 64, "scale_words": 32}
ARRAYS = {
    "int 2x2": ArrayDesign(pe=INT8, **TINY, **BUFFER),
    "modes 4x3": ArrayDesign(pe=MODES, **MIDDLE, **BUFFER),
    "latches 4x4": ArrayDesign(pe=LATCH, **LARGE, **BUFFER),
    "lightpe 4x3": ArrayDesign(pe=LIGHTPE, **MIDDLE, **BUFFER),
    "serial 2x2": ArrayDesign(pe=SERIAL, **TINY, **BUFFER),
    "pow2 4x4": ArrayDesign(pe=POW2, **LARGE, **BUFFER),
    "sram 4x3": ArrayDesign(pe=SRAM, **MIDDLE, **BUFFER),
    "fp 2x2": ArrayDesign(pe=BF16, **TINY, **BUFFER),
}


def square(side: int, taps: int, channels: int, filters: int, **others: object) -> Layer:
    return Layer(
        channels=channels, height=side, width=side, filters=filters, filter_height=taps,
        filter_width=taps, **others,  # type: ignore[arg-type]
    )  # fmt: skip


LAYERS = {
    "3x3": square(5, 3, 3, 5),
    "5x5, stride 2": square(9, 5, 2, 3, stride=2),
    "1x1": square(5, 1, 7, 6),
    "depthwise": square(5, 3, 3, 6, groups=3),
    "groups": square(5, 3, 4, 6, groups=2),
    "fully connected": square(1, 1, 23, 9),
    "padding": square(4, 3, 2, 2, padding=(1, 1, 1, 1)),
    "uneven padding": square(4, 3, 2, 2, padding=(2, 0, 1, 3), stride=2),
    "nothing but padding": square(1, 2, 1, 1, padding=(4, 3, 2, 5), stride=2),
    "ragged": Layer(channels=3, height=8, width=5, filters=4, filter_height=2, filter_width=3),
    "stride above the filter": square(9, 2, 3, 3, stride=3, padding=(1, 0, 1, 0)),
    "rows that no PE needs": Layer(
        channels=2, height=8, width=4, filters=2, filter_height=5, filter_width=2, stride=4,
        padding=(3, 2, 1, 0),
    ),
    "runs of padding alone": square(2, 1, 2, 4, padding=(5, 4, 1, 1)),
    "nothing stored": square(1, 1, 1, 1, padding=(0, 0, 1, 0), stride=2),
    "several runs": square(7, 3, 4, 4),
}  # fmt: skip


@pytest.fixture(scope="module")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ArraySimulator]:
    """The simulator of each array, compiled when it is first asked for."""

    @functools.cache
    def simulator(name: str) -> ArraySimulator:
        return ArraySimulator(ARRAYS[name], tmp_path_factory.mktemp("array"))

    return simulator


def scales_of(layer: Layer, seed: int) -> Scales:
    """Any scales whose activations are not all saturated."""
    generator = np.random.default_rng(seed)
    return Scales(
        multiplier=generator.integers(1 << 15, 1 << 16, layer.filters),
        shift=generator.integers(17, 26, layer.filters),
        bias=generator.integers(-1000, 1000, layer.filters),
        relu=bool(generator.integers(2)),
    )


def plain_ofmap(program: Program, ifmap: Words, weights: Words) -> Words:
    """What must come out, for integers not by way of the golden model of layers."""
    shape, scales = program.shape, program.scales
    pe = shape.design.pe
    if pe.family == "fp":
        return program.expected(ifmap, weights)
    sums = plain_convolution(pe, shape.layer, ifmap, weights, shape.mode)
    if scales is None:
        return sums
    return requantize(
        sums, scales.multiplier, scales.shift, bias=scales.bias, relu=scales.relu,
        act_bits=pe.act_bits, act_signed=pe.act_signed,
    )  # fmt: skip


def check(
    simulator: ArraySimulator,
    folder: Path,
    shape: Shape,
    *,
    seed: int,
    scales: Scales | None,
    stall_pct: int = 0,
) -> Program:
    """Simulate a layer; its ofmap and counts must be right, and its cycles, if nothing waits."""
    ifmap, weights = operands(shape.design.pe, shape.layer, seed, shape.mode)
    program = compile_layer(shape, ifmap, weights, scales)
    result = simulator.run(program, folder, stall_pct=stall_pct, seed=seed)
    assert result.ofmap.tolist() == plain_ofmap(program, ifmap, weights).tolist()
    requantized = scales is not None
    expected = [run_activity(shape, run.span, requantized=requantized) for run in program.runs]
    total = functools.reduce(Activity.__add__, expected)
    assert total == layer_activity(shape, requantized=requantized)
    counts = {**dict.fromkeys(result.counts, 0), **total.counts}
    assert dict(result.counts) == counts
    if not stall_pct:
        assert result.cycles == tuple(activity.cycles for activity in expected)
    return program


# Every layer on an array with modes and on one of floating point, a third of them on each other.
PAIRS = [
    (array, layer)
    for i, array in enumerate(ARRAYS)
    for j, layer in enumerate(LAYERS)
    if array in ("modes 4x3", "fp 2x2") or (i + j) % 3 == 0
]


@pytest.mark.parametrize(("array", "layer"), PAIRS)
def test_layers_come_out_right_in_the_cycles_of_the_model(
    simulators: Callable[[str], ArraySimulator], tmp_path: Path, array: str, layer: str
) -> None:
    """Every other layer through the output stage; in each precision mode, where there are any."""
    design, sizes = ARRAYS[array], LAYERS[layer]
    tried = 0
    for mode in range(design.pe.precision_modes):
        try:
            tiling = default_tiling(design, sizes, mode)
            shape = shape_layer(design, sizes, tiling, mode)
        except InputError:
            continue
        tried += 1
        finish = (list(LAYERS).index(layer) + mode) % 2 == 0
        scales = scales_of(sizes, 5) if finish else None
        program = check(simulators(array), tmp_path, shape, seed=mode, scales=scales)
        if layer == "several runs" and array.endswith("2x2"):
            assert len({run.span.channels for run in program.runs}) > 1
    assert tried


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_tiling_of_any_layer_comes_out_right_however_the_buffer_waits(
    simulators: Callable[[str], ArraySimulator], tmp_path: Path, data: st.DataObject
) -> None:
    array = data.draw(st.sampled_from(sorted(ARRAYS)))
    design = ARRAYS[array]
    layer = data.draw(layers())
    mode = 0 if layer.depthwise else data.draw(st.integers(0, design.pe.precision_modes - 1))
    tiling = data.draw(tilings(design, layer, mode))
    try:
        shape = shape_layer(design, layer, tiling, mode)
        assume(layer_activity(shape).cycles < 3000)
    except InputError:
        assume(False)
    scales = data.draw(st.none() | st.builds(scales_of, st.just(layer), st.integers(0, 99)))
    stall_pct = data.draw(st.sampled_from([0, 0, 20, 60]))
    seed = data.draw(st.integers(0, 99))
    check(simulators(array), tmp_path, shape, seed=seed, scales=scales, stall_pct=stall_pct)


@pytest.mark.parametrize("bank", ["ifmap1", "filter0", "psum3", "scale2"])
def test_one_slow_bank_holds_up_all_others(
    simulators: Callable[[str], ArraySimulator], tmp_path: Path, bank: str
) -> None:
    design = ARRAYS["pow2 4x4"]
    layer = LAYERS["3x3"]
    shape = shape_layer(design, layer, default_tiling(design, layer))
    ifmap, weights = operands(design.pe, layer, 1)
    program = compile_layer(shape, ifmap, weights, scales_of(layer, 2))
    result = simulators("pow2 4x4").run(program, tmp_path, stall_pct={bank: 95})
    assert result.ofmap.tolist() == plain_ofmap(program, ifmap, weights).tolist()


@pytest.mark.parametrize("stall", [{}, {"ifmap0": 80}, {"psum0": 60}])
def test_sums_that_are_added_to_wait_for_their_own_column(
    tmp_path: Path, stall: dict[str, int]
) -> None:
    """Columns that are not in step share a bus of psums."""
    pe = PEDesign.preset("INT4", ifmap_depth=3, filter_depth=8, psum_depth=2)
    design = ArrayDesign(pe=pe, rows=2, columns=2, ifmap_buses=2, ifmap_words=128, psum_words=64)
    layer = Layer(channels=4, height=6, width=5, filters=2, filter_height=2, filter_width=2)
    tiling = Tiling(filters=2, channels=1, filter_rows=2, sets=1, columns=2)
    ifmap, weights = operands(pe, layer, 1)
    program = compile_layer(shape_layer(design, layer, tiling), ifmap, weights)
    result = ArraySimulator(design, tmp_path).run(program, tmp_path, stall_pct=stall)
    assert result.ofmap.tolist() == plain_ofmap(program, ifmap, weights).tolist()


def test_words_that_no_pe_needs_do_not_reach_the_next_run(
    simulators: Callable[[str], ArraySimulator], tmp_path: Path
) -> None:
    """A bank so slow that its rows are still on their way when all sums are there."""
    design, simulator = ARRAYS["latches 4x4"], simulators("latches 4x4")
    tiling = Tiling(filters=2, channels=2, filter_rows=2, sets=1, columns=2)
    programs, expected = [], []
    for rows, stride in ((3, 3), (2, 1)):
        layer = Layer(
            channels=2, height=12, width=3, filters=2, filter_height=rows, filter_width=3,
            stride=stride,
        )  # fmt: skip
        ifmap, weights = operands(design.pe, layer, 1)
        programs.append(compile_layer(shape_layer(design, layer, tiling), ifmap, weights))
        expected.append(plain_convolution(design.pe, layer, ifmap, weights).tolist())
    runs = [run for program in programs for run in program.runs]
    assert len(runs) == 2
    for seed in range(4):
        stall = {"ifmap2": 97}
        ends, _ = simulator.run_each(runs, tmp_path, stall_pct=stall, seed=seed)
        for program, end, sums in zip(programs, ends, expected, strict=True):
            assert end.status == "done"
            assert program.ofmap([end.banks]).tolist() == sums


def test_a_run_that_does_not_end_well_is_an_error(
    simulators: Callable[[str], ArraySimulator], tmp_path: Path
) -> None:
    layer = LAYERS["padding"]
    design = ARRAYS["int 2x2"]
    shape = shape_layer(design, layer, default_tiling(design, layer))
    program = compile_layer(shape, *operands(INT8, layer, 1))
    (run,) = program.runs
    broken = dataclasses.replace(run, registers={**run.registers, "columns": 2})
    with pytest.raises(StepError) as caught:
        simulators("int 2x2").run(dataclasses.replace(program, runs=(broken,)), tmp_path)
    assert str(caught.value) == "run 0 ended after 4 cycles: refused"
