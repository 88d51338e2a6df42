"""The order in which the array adds up floating-point sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from characterize.array_simulation import ArraySimulator
from rtl_gen import fp_golden
from rtl_gen.array.compiler import Tiling, compile_layer, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.design import PEDesign


@pytest.mark.tool
def test_each_run_adds_up_all_its_row_tiles(tmp_path: Path) -> None:
    """Channel tiles in two runs, each with two row tiles: not all channels of a row tile first."""
    pe = PEDesign.preset("BF16", filter_depth=16, ifmap_depth=6)
    design = ArrayDesign.preset("tiny-2x2", pe, filter_words=64)
    layer = Layer(
        channels=8, height=5, width=4, filters=2, filter_height=3, filter_width=2,
        padding=(1, 1, 1, 1),
    )  # fmt: skip
    tiling = Tiling(filters=2, channels=2, filter_rows=2, sets=1, columns=2)
    generator, form = np.random.default_rng(1), fp_golden.format_of_bits(16)
    ifmap = fp_golden.encode(form, generator.normal(size=(5, 4, 8)))
    weights = fp_golden.encode(form, generator.normal(size=(3, 2, 8, 2)))
    program = compile_layer(shape_layer(design, layer, tiling), ifmap, weights)
    assert [run.span.channels for run in program.runs] == [(0, 2), (2, 4)]
    result = ArraySimulator(design, tmp_path).run(program, tmp_path)
    np.testing.assert_array_equal(result.ofmap, program.expected(ifmap, weights))
