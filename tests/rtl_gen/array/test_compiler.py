"""Tilings, runs and register values; the order of the array's sums against the golden model."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rtl_gen.array.compiler import (
    Scales,
    Tiling,
    check_runs,
    compile_layer,
    default_tiling,
    distinct_spans,
    shape_layer,
    spans,
    sums_in_order,
)
from rtl_gen.array.design import PRESETS, ArrayDesign
from rtl_gen.array.layer import Layer, convolve
from rtl_gen.array.model import Activity, layer_activity, run_activity
from rtl_gen.array.registers import COMMANDS, REGISTER_BITS, register_map, register_words
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import convolve_row
from tests.layers import INT8, SMALL, layers, operands, tilings

ARRAY = ArrayDesign(
    pe=INT8, rows=4, columns=3, ifmap_words=128, filter_words=64, psum_words=40, scale_words=16
)
LAYER = Layer(channels=3, height=7, width=6, filters=6, filter_height=3, filter_width=3)
TILING = Tiling(filters=3, channels=2, filter_rows=3, sets=1, columns=3)


@settings(max_examples=60)
@given(st.data())
def test_integer_sums_do_not_depend_on_the_tiling(data: st.DataObject) -> None:
    pe = data.draw(st.sampled_from([pe for pe in SMALL if pe.family != "fp"]))
    design = ArrayDesign(pe=pe, rows=data.draw(st.integers(1, 6)), columns=3)
    layer = data.draw(layers(most=5))
    modes = [mode for mode in range(pe.precision_modes)
             if not (layer.depthwise and pe.modes[mode].products > 1)]  # fmt: skip
    mode = data.draw(st.sampled_from(modes))
    shape = shape_layer(design, layer, data.draw(tilings(design, layer, mode)), mode)
    ifmap, weights = operands(pe, layer, data.draw(st.integers(0, 999)), mode)
    expected = convolve(pe, layer, ifmap, weights, mode)
    assert sums_in_order(shape, ifmap, weights).tolist() == expected.tolist()


def test_floating_point_sums_are_those_of_the_rows_in_the_order_of_the_array() -> None:
    """Two sets, two channel tiles, one PE row for each filter row: written out."""
    pe = PEDesign.preset("BF16", ifmap_depth=4, filter_depth=8, psum_depth=2)
    design = ArrayDesign(pe=pe, rows=4, columns=1)
    layer = Layer(channels=4, height=2, width=2, filters=1, filter_height=2, filter_width=2)
    tiling = Tiling(filters=1, channels=1, filter_rows=2, sets=2, columns=1)
    shape = shape_layer(design, layer, tiling)
    ifmap, weights = operands(pe, layer, 3)
    sums = None
    for channel in ([2, 3], [0, 1])[::-1]:
        for row, of_set in ((1, 1), (0, 1), (1, 0), (0, 0)):
            c = channel[of_set]
            size = dataclasses.replace(shape.primitive, chain=sums is not None)
            sums = convolve_row(
                pe, size, ifmap[row, :, c : c + 1], weights[row, :, c : c + 1], sums
            )
    assert sums is not None
    assert sums_in_order(shape, ifmap, weights)[0].tolist() == sums.tolist()


@settings(max_examples=60)
@given(st.data())
def test_runs_cover_each_tile_once_and_fit_the_buffer(data: st.DataObject) -> None:
    """Every image fits its bank, every register its field; sums come back to the same words."""
    pe = data.draw(st.sampled_from(SMALL))
    buses = st.sampled_from([1, 2, 4])
    design = ArrayDesign(
        pe=pe, rows=4, columns=4, ifmap_buses=data.draw(buses), filter_buses=data.draw(buses),
        psum_buses=data.draw(buses), ifmap_words=data.draw(st.integers(40, 200)),
        filter_words=data.draw(st.integers(100, 200)), psum_words=data.draw(st.integers(60, 200)),
        scale_words=16,
    )  # fmt: skip
    layer = data.draw(layers())
    shape = shape_layer(design, layer, data.draw(tilings(design, layer, 0)))
    try:
        every = list(spans(shape))
    except InputError:
        assume(False)
    tiles = np.zeros(
        (shape.groups, shape.filter_tiles, shape.strips, shape.channel_tiles), dtype=np.int64
    )
    for span in every:
        ranges = (span.groups, span.filters, span.strips, span.channels)
        tiles[tuple(slice(*part) for part in ranges)] += 1
    assert (tiles == 1).all()
    for before, span in itertools.pairwise(every):  # channel tiles go on where the last run ended
        same = dataclasses.replace(span, channels=before.channels) == before
        assert span.channels[0] == (before.channels[1] if same else 0)
    program = compile_layer(shape, *operands(pe, layer, 1))
    for run in program.runs:
        register_words(design, run.registers)
        for name, words in run.images.items():
            assert len(words) <= getattr(design, f"{name.rstrip('01234567')}_words")


def test_a_layer_takes_the_cycles_of_its_runs() -> None:
    shape = shape_layer(ARRAY, LAYER, TILING)
    runs = [run_activity(shape, span) for span in spans(shape)]
    assert len(runs) > 2
    total = layer_activity(shape)
    assert total.cycles == sum(run.cycles for run in runs)
    assert total.counts["macs"] == sum(run.counts["macs"] for run in runs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": 0}, "tiling: filters must be an integer from 1 to 4096, not 0"),
        ({"channels": 0}, "tiling: channels must be an integer from 1 to 4096, not 0"),
        ({"filter_rows": 0}, "tiling: filter_rows must be an integer from 1 to 4096, not 0"),
        ({"sets": 0}, "tiling: sets must be an integer from 1 to 4096, not 0"),
        ({"columns": True}, "tiling: columns must be an integer from 1 to 4096, not True"),
        ({"sets": 2}, "tiling: filter_rows x sets must be at most rows = 4, not 6"),
        ({"columns": 4}, "tiling: columns must be at most columns = 3, not 4"),
        (
            {"channels": 3},
            "tiling: filter_width x channels must be at most ifmap_depth = 6, not 9",
        ),
        (
            {"filters": 4},
            "tiling: filter_width x channels x filters must be at most filter_depth = 20, not 24",
        ),
        (
            {"filters": 5, "channels": 1},
            "tiling: filters must be at most psum_depth = 4, not 5",
        ),
    ],
)
def test_a_tiling_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        shape_layer(ARRAY, LAYER, dataclasses.replace(TILING, **change))
    assert str(caught.value) == message


def test_channels_of_a_depthwise_layer_have_no_sets() -> None:
    layer = dataclasses.replace(LAYER, groups=3)
    with pytest.raises(InputError) as caught:
        shape_layer(ARRAY, layer, Tiling(filters=1, channels=1, filter_rows=2, sets=2, columns=1))
    assert str(caught.value) == (
        "tiling: sets must be 1 for a depthwise layer, whose channels are not added up, not 2"
    )


@pytest.mark.parametrize(
    ("change", "bank", "need"),
    [
        ({"ifmap_words": 16}, "ifmap", 60),
        ({"filter_words": 32}, "filter", 54),
        ({"psum_words": 16}, "psum", 36),
        ({"scale_words": 16, "psum_words": 512, "pe": {"psum_depth": 24}}, "scale", 18),
    ],
)
def test_a_pass_that_does_not_fit_the_buffer_is_refused(
    change: dict[str, Any], bank: str, need: int
) -> None:
    values = {**ARRAY.to_dict(), **change}
    layer, tiling = LAYER, TILING
    if bank == "scale":
        values["pe"] = PEDesign.preset("INT8", ifmap_depth=6, filter_depth=512, psum_depth=24)
        values["filter_words"] = 512
        layer = dataclasses.replace(LAYER, filters=18)
        tiling = dataclasses.replace(TILING, filters=18)
    design = ArrayDesign.from_dict(values)
    with pytest.raises(InputError) as caught:
        list(spans(shape_layer(design, layer, tiling)))
    assert str(caught.value) == (
        f"a pass needs {need} words in a bank of {bank} words, which has {values[f'{bank}_words']}:"
        f" choose a larger {bank}_words, or a smaller tile if there is one"
    )


def test_a_filter_row_that_fits_no_pe_has_no_tiling() -> None:
    layer = dataclasses.replace(LAYER, filter_width=7, width=9)
    with pytest.raises(InputError) as caught:
        default_tiling(ARRAY, layer)
    assert str(caught.value) == (
        f"filter_width must be at most 6 for a PE with ifmap_depth {ARRAY.pe.ifmap_depth} and "
        f"filter_depth {ARRAY.pe.filter_depth}, not 7"
    )


@settings(max_examples=60)
@given(st.data())
def test_any_layer_whose_filter_fits_has_a_tiling(data: st.DataObject) -> None:
    pe = data.draw(st.sampled_from(SMALL))
    design = ArrayDesign(pe=pe, rows=data.draw(st.integers(1, 6)), columns=3)
    layer = data.draw(layers())
    mode = 0 if layer.depthwise else data.draw(st.integers(0, pe.precision_modes - 1))
    shape_layer(design, layer, default_tiling(design, layer, mode), mode)


def one_by_one(**sizes: Any) -> Layer:
    return Layer(**{"channels": 1, "width": 1, "filters": 1, "filter_height": 1,
                    "filter_width": 1, **sizes})  # fmt: skip


def test_no_run_has_more_rows_than_its_counters_count() -> None:
    """Padding counts: 65,535 rows with 510 of padding are two runs, however large the buffer."""
    design = ArrayDesign(pe=INT8, rows=1, columns=8, ifmap_words=1 << 20, psum_words=1 << 20)
    layer = one_by_one(height=65535, padding=(255, 255, 0, 0))
    shape = shape_layer(design, layer, default_tiling(design, layer))
    found = list(spans(shape))
    assert len(found) == check_runs(shape) == 2
    assert found[0].strips[1] == found[1].strips[0]
    assert max(8 * (span.strips[1] - span.strips[0]) for span in found) <= 65535
    program = compile_layer(shape, *operands(INT8, layer, 1))
    assert max(run.registers["strips"] * run.registers["strip_rows"] for run in program.runs) < (
        1 << 16
    )


def test_a_tile_whose_row_no_register_holds_is_made_smaller() -> None:
    """A row of 2^20 words fits the largest bank, and is one word too long."""
    pe = PEDesign.preset("INT8", ifmap_depth=64, filter_depth=64)
    design = ArrayDesign(pe=pe, rows=32, columns=1, ifmap_words=1 << 20)
    layer = one_by_one(channels=32, height=1, width=32768, filter_width=8, stride=8)
    shape = shape_layer(design, layer, default_tiling(design, layer))
    assert check_runs(shape) > 1
    program = compile_layer(shape, *operands(pe, layer, 1))
    assert {run.registers["row_words"] for run in program.runs} == {1 << 19}


@pytest.mark.parametrize(
    ("sizes", "tiling", "message"),
    [
        ({"height": 9, "width": 4097}, {}, "the ofmap must have at most 4,096 columns, not 4,097"),
        ({"height": 65, "filter_height": 33}, {"filter_rows": 2},
         "tiling: filter_rows must be at least 3 for a filter of 33 rows, which are taken in at "
         "most 16 tiles, not 2"),
    ],
)  # fmt: skip
def test_a_layer_beyond_the_counters_is_refused(
    sizes: dict[str, int], tiling: dict[str, int], message: str
) -> None:
    design = ArrayDesign(pe=INT8, rows=3, columns=2)
    chosen = {"filters": 1, "channels": 1, "filter_rows": 1, "sets": 1, "columns": 1, **tiling}
    with pytest.raises(InputError) as caught:
        shape_layer(design, one_by_one(**sizes), Tiling(**chosen))
    assert str(caught.value) == message


def test_runs_are_counted_before_they_are_listed() -> None:
    """The first fully-connected layer of VGG-16 on a large array; a hopeless one on a small one."""
    large = ArrayDesign.preset("eyeriss-like", INT8)
    layer = one_by_one(channels=25088, height=1, filters=4096)
    shape = shape_layer(large, layer, default_tiling(large, layer))
    assert check_runs(shape) == sum(1 for _ in spans(shape)) > 10_000
    assert sum(times for _, times in distinct_spans(shape)) == check_runs(shape)
    with pytest.raises(InputError) as caught:
        compile_layer(shape, np.zeros(0), np.zeros(0))  # refused before it looks at them
    assert str(caught.value) == (
        f"the layer needs {check_runs(shape):,} runs, more than 10,000: choose a larger buffer, or "
        "a smaller layer"
    )
    tiny = ArrayDesign(pe=INT8, rows=1, columns=1, filter_words=16)
    shape = shape_layer(
        tiny, layer, Tiling(filters=1, channels=1, filter_rows=1, sets=1, columns=1)
    )
    with pytest.raises(InputError) as caught:
        check_runs(shape)
    assert str(caught.value) == (
        "the layer needs 7,905,280 runs, more than 1,000,000: choose a larger buffer, or a smaller "
        "layer"
    )


@given(st.data())
def test_the_distinct_runs_stand_for_all(data: st.DataObject) -> None:
    words = st.sampled_from([32, 64, 256])
    design = ArrayDesign(
        pe=data.draw(st.sampled_from(SMALL)), rows=data.draw(st.integers(1, 4)), columns=3,
        ifmap_buses=data.draw(st.sampled_from([1, 2, 4])), ifmap_words=data.draw(words),
        filter_words=data.draw(words), psum_words=data.draw(words), scale_words=16,
    )  # fmt: skip
    layer = data.draw(layers())
    try:
        shape = shape_layer(design, layer, default_tiling(design, layer))
        every = list(spans(shape))
    except InputError:
        assume(False)
    total = Activity(cycles=0, counts={})
    for span in every:
        total = total + run_activity(shape, span)
    assert layer_activity(shape) == total


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multiplier": np.full(6, 1 << 16)}, "multiplier must be an integer from 0 to 65535, "),
        ({"shift": np.full(6, 64)}, "shift must be an integer from 0 to 63, not 64"),
        ({"bias": np.full(5, 0)}, "bias must have shape (6,), not (5,)"),
        ({"relu": 1}, "relu must be true or false, not 1"),
    ],
)
def test_illegal_scales_are_refused(change: dict[str, Any], message: str) -> None:
    zero = np.zeros(6, dtype=np.int64)
    scales = dataclasses.replace(Scales(multiplier=zero, shift=zero, bias=zero), **change)
    with pytest.raises(InputError) as caught:
        compile_layer(shape_layer(ARRAY, LAYER, TILING), *operands(INT8, LAYER, 1), scales)
    assert str(caught.value).startswith(message)


ARRAY_VALUES: dict[str, Any] = {"pe": INT8, "rows": 2, "columns": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pe": "INT8"}, "pe must be a PEDesign, not 'INT8'"),
        ({"rows": 0}, "rows must be an integer from 1 to 32, not 0"),
        ({"columns": 33}, "columns must be an integer from 1 to 32, not 33"),
        ({"ifmap_buses": 3}, "ifmap_buses must be 1, 2, 4 or 8, not 3"),
        ({"filter_buses": True}, "filter_buses must be 1, 2, 4 or 8, not True"),
        ({"filter_buses": 4}, "filter_buses must be at most rows = 2, not 4"),
        ({"psum_buses": 4}, "psum_buses must be at most columns = 2, not 4"),
        ({"ifmap_words": 15}, "ifmap_words must be an integer from 16 to 1048576, not 15"),
        ({"filter_words": 0}, "filter_words must be an integer from 16 to 1048576, not 0"),
        ({"psum_words": 2.0}, "psum_words must be an integer from 16 to 1048576, not 2.0"),
        ({"scale_words": 1 << 21},
         "scale_words must be an integer from 16 to 1048576, not 2097152"),
        ({"scale_bits": 33}, "scale_bits must be an integer from 2 to 32, not 33"),
        ({"banks": 3}, "'banks' is not a parameter of an array; allowed are pe, rows, columns, "
         "ifmap_buses, filter_buses, psum_buses, ifmap_words, filter_words, psum_words, "
         "scale_words, scale_bits"),
    ],
)  # fmt: skip
def test_an_illegal_array_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        ArrayDesign.from_dict({**ARRAY_VALUES, **change})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["pe", "rows", "columns"])
def test_an_array_needs_a_pe_and_sizes(name: str) -> None:
    values = {key: value for key, value in ARRAY_VALUES.items() if key != name}
    with pytest.raises(InputError) as caught:
        ArrayDesign.from_dict(values)
    assert str(caught.value) == f"an array needs {name}"


@pytest.mark.parametrize("name", PRESETS)
def test_an_array_goes_through_json_and_back(name: str) -> None:
    for pe in (None, *SMALL):
        design = ArrayDesign.preset(name, pe)
        assert ArrayDesign.from_dict(json.loads(design.to_json())) == design


def test_registers_are_not_wider_than_they_can_be() -> None:
    fields = register_map(ArrayDesign(pe=INT8, rows=8, columns=8, ifmap_buses=8))
    assert len({field.name for field in fields}) == len(fields)
    for field in fields:
        assert field.low + field.bits <= REGISTER_BITS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 64}, "stride must be 0..63, not 64"),
        ({"sums": -1}, "sums must be 0..255, not -1"),
        ({"start": 1}, "there is no register field start"),
        ({"done": 1}, "there is no register field done"),
        ({"stride": None}, "register field stride has no value"),
    ],
)
def test_an_illegal_register_value_is_refused(change: dict[str, Any], message: str) -> None:
    fields = [field for field in register_map(ARRAY) if not field.read_only]
    values = {field.name: 0 for field in fields if field.name not in COMMANDS}
    values = {name: value for name, value in (values | change).items() if value is not None}
    with pytest.raises(InputError) as caught:
        register_words(ARRAY, values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("channels", "size", "filters", "filter_size", "stride", "groups"),
    [
        (3, 224, 64, 7, 2, 1),
        (64, 112, 64, 3, 1, 64),
        (512, 1, 1000, 1, 1, 1),
        (3, 227, 96, 11, 4, 1),
    ],
)
def test_the_default_tiling_of_a_large_layer_fits_the_buffer(
    channels: int, size: int, filters: int, filter_size: int, stride: int, groups: int
) -> None:
    design = ArrayDesign.preset("eyeriss-like", PEDesign.preset("INT8"))
    layer = Layer(
        channels=channels, height=size, width=size, filters=filters, filter_height=filter_size,
        filter_width=filter_size, stride=stride, groups=groups,
    )  # fmt: skip
    shape = shape_layer(design, layer, default_tiling(design, layer))
    assert list(spans(shape))
