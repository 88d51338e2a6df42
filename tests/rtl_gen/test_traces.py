"""Operands of a real network: windows that keep its order, codes that the hardware has bits for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.operands import statistics, toggle_share
from rtl_gen import fp_golden
from rtl_gen.design import PEDesign
from rtl_gen.encode import encode_weights
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive, check_filters, check_ifmap, decode_weights
from rtl_gen.operands import draw
from rtl_gen.traces import PATH, Window, load_layers
from tests.strategies import designs, primitives

SIZE = Primitive(filter_width=3, channels=4, filters=4, outputs=10)


def window(channels: int, seed: int = 1) -> Window:
    return Window(channels, np.random.default_rng(seed))


def test_the_network_has_three_convolutions_with_rectified_inputs() -> None:
    layers = load_layers()
    assert [layer.weights.shape for layer in layers] == [
        (3, 3, 1, 12), (3, 3, 12, 16), (3, 3, 16, 32),
    ]  # fmt: skip
    for layer in layers:
        assert layer.activations.min() == 0
        assert layer.activations.max() == 1
        assert layer.activations.shape[-1] == layer.channels
        assert 0.2 < layer.zero_share < 0.6
        assert layer.scale > 0


def test_the_file_is_small() -> None:
    assert PATH.stat().st_size < 200_000


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    content = bytearray(PATH.read_bytes())
    content[5000] ^= 1
    path = tmp_path / "trace.npz"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_layers(path)
    assert str(error.value) == (
        f"trace {path} is damaged: its SHA-256 is not 896481d6d9d8...: "
        "install peforge again, or run python -m benchmarks.traces"
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    with pytest.raises(InputError) as error:
        load_layers(path)
    assert str(error.value) == (
        f"trace {path} cannot be read (No such file or directory): "
        "install peforge again, or run python -m benchmarks.traces"
    )


@pytest.mark.parametrize("channels", [1, 3, 12, 16])
@pytest.mark.parametrize("columns", [1, 7, 14])
def test_a_window_is_a_piece_of_one_recorded_row(channels: int, columns: int) -> None:
    for seed in range(5):
        place = window(channels, seed)
        values = place.activations(columns)
        rows = place.layer.activations.reshape(-1, *place.layer.activations.shape[2:])
        pieces = np.lib.stride_tricks.sliding_window_view(rows, (columns, channels), axis=(1, 2))
        assert (pieces == values).all(axis=(-1, -2)).any()


def test_weights_are_a_piece_of_one_filter_row() -> None:
    place = window(5)
    values = place.weights(2, 7)
    pieces = np.lib.stride_tricks.sliding_window_view(
        place.layer.weights, values.shape, axis=(1, 2, 3)
    )
    assert (pieces == values).all(axis=(-1, -2, -3)).any()


def test_a_window_that_is_larger_than_the_network_goes_on_elsewhere() -> None:
    place = window(64)
    assert place.layer.channels == 16
    values = place.activations(4097)
    assert values.shape == (4097, 64)
    assert (values[:, :16] != values[:, 16:32]).any()
    weights = place.weights(8, 64)
    assert weights.shape == (8, 64, 64)
    blocks = weights[:6].reshape(2, 3, 4, 16, 2, 32).transpose(0, 2, 4, 1, 3, 5).reshape(16, -1)
    assert len(np.unique(blocks, axis=0)) == 3  # rows of the filter


@settings(max_examples=60)
@given(data=st.data())
def test_every_code_fits_the_hardware(data: st.DataObject) -> None:
    design = data.draw(designs())
    size = data.draw(primitives(design))
    work = draw(design, size, data.draw(st.integers(0, 2**31)), "dnn")
    check_ifmap(design, size, work.ifmap)
    check_filters(design, size, work.filters)
    if design.family == "fp":
        assert np.isfinite(
            fp_golden.decode(fp_golden.format_of_bits(design.act_bits), work.ifmap)
        ).all()
    else:
        assert work.ifmap.min() >= 0
    if design.family == "int":
        bits = size.precision(design).weight_bits
        assert decode_weights(design, work.filters, size.mode).min() > -(1 << (bits - 1))


def test_seeds_draw_layers_places_and_filters() -> None:
    drawn = [draw(PEDesign.preset("INT8"), SIZE, seed, "dnn") for seed in range(20)]
    for part in ("ifmap", "filters", "psums"):
        assert len({getattr(work, part).tobytes() for work in drawn}) > 15
    assert (draw(PEDesign.preset("INT8"), SIZE, 3, "dnn").ifmap == drawn[3].ifmap).all()


@pytest.mark.parametrize("preset", ["INT16", "INT8", "LightPE-1"])
def test_activations_are_sparse_smooth_and_toggle_less_than_uniform_ones(preset: str) -> None:
    design = PEDesign.preset(preset)
    real, uniform = (statistics(design, kind, 100) for kind in ("dnn", "uniform"))
    shares = [layer.zero_share for layer in load_layers()]
    assert min(shares) - 0.05 < real.zeros < max(shares) + 0.05
    assert real.correlation > 0.4
    assert abs(uniform.correlation) < 0.1
    assert real.toggles < 0.35
    assert uniform.toggles > 0.45


def test_a_row_is_as_sparse_as_its_layer() -> None:
    """Not all zero, as a row in the corner of an image is."""
    for seed in range(50):
        place = window(4, seed)
        share = float((place.activations(7) == 0).mean())
        assert abs(share - place.layer.zero_share) < 0.35


def test_activations_are_quantized_with_the_scale_of_the_layer() -> None:
    """The same window in 4 bits is that in 8 bits, but for rounding."""
    wide, narrow = (
        draw(PEDesign.preset("INT8", act_bits=bits), SIZE, 7, "dnn").ifmap for bits in (8, 4)
    )
    assert np.abs(wide / 127 - narrow / 7).max() <= 0.5 / 127 + 0.5 / 7


def test_precision_modes_have_their_own_bits() -> None:
    design = PEDesign.preset("INT8", precision_modes=3)
    size = Primitive(filter_width=1, channels=4, filters=8, outputs=10, mode=2)
    work = draw(design, size, 1, "dnn")
    assert work.ifmap.max() < 8
    assert np.abs(decode_weights(design, work.filters, 2)).max() <= 7


def test_terms_of_a_filter_are_those_it_may_have() -> None:
    design = PEDesign.preset("LightPE-2", serial_terms=True)
    size = Primitive(filter_width=3, channels=4, filters=3, outputs=2, filter_terms=(2, 1, 1))
    codes = draw(design, size, 1, "dnn").filters
    assert (codes[..., 1:] < 1 << design.term_bits).all()
    assert (codes[..., 0] >= 1 << design.term_bits).any()


def test_floating_point_gets_the_numbers_themselves() -> None:
    design = PEDesign.preset("FP32")
    work = draw(design, SIZE, 1, "dnn")
    form = fp_golden.format_of_bits(32)
    values = fp_golden.decode(form, work.filters)
    stored = np.concatenate([layer.weights.ravel() for layer in load_layers()])
    assert np.isin(values, stored).all()


def test_incoming_psums_are_sums_of_the_layer() -> None:
    """As large as the sums that are added to them: half the range of a psum is far larger."""
    design = PEDesign.preset("INT8")
    work = draw(design, SIZE, 1, "dnn")
    assert work.psums is not None
    assert 0 < np.abs(work.psums).max() <= SIZE.filter_width * SIZE.channels * 127 * 127


def test_weights_have_one_scale_for_the_layer() -> None:
    design = PEDesign.preset("INT4")
    layer = load_layers()[2]
    codes = encode_weights(design, layer.weights, scale="mse").codes
    size = Primitive(filter_width=3, channels=16, filters=4, outputs=2)
    design = PEDesign.preset("INT4", ifmap_depth=48)
    drawn = draw(design, size, 1, "dnn").filters
    pieces = np.lib.stride_tricks.sliding_window_view(codes, drawn.shape, axis=(1, 2, 3))
    assert (pieces == drawn).all(axis=(-1, -2, -3)).any()


def test_toggle_share_counts_bits() -> None:
    assert toggle_share(np.array([0, -1, 0]), 4) == 1
    assert toggle_share(np.array([0, 1, 3]), 4) == 0.25
