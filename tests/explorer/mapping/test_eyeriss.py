"""The Eyeriss chip: its published figures agree with each other, and with exact counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import eyeriss
from benchmarks.eyeriss import Layer
from explorer.mapping.cost import evaluate

ALEXNET = {layer.name: layer for layer in eyeriss.layers("alexnet-caffe")}
VGG = {layer.name: layer for layer in eyeriss.layers("vgg16")}
NETWORKS = {"alexnet-caffe": ALEXNET, "vgg16": VGG}
#: Half a unit of the last digit, of each column.
HALF = {
    "total_ms": 0.05,
    "processing_ms": 0.05,
    "macs_g": 0.005,
    "buffer_mb": 0.05,
    "dram_mb": 0.05,
}
ALL = [*ALEXNET.values(), *VGG.values()]
NAMES = [layer.name for layer in ALL]


def column(network: str, name: str) -> list[float]:
    return [layer.chip[name] for layer in NETWORKS[network].values()]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", HALF)
def test_rows_add_up_to_the_printed_totals(network: str, name: str) -> None:
    rows = column(network, name)
    total = eyeriss.published()["networks"][network]["total"][name]
    assert abs(sum(rows) - total) <= (len(rows) + 1) * HALF[name] + 1e-9


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["power_mw", "active_pes"])
def test_means_over_time_are_the_printed_ones(network: str, name: str) -> None:
    weights = column(network, "total_ms")
    mean = np.average(column(network, name), weights=weights)
    assert round(mean) == eyeriss.published()["networks"][network]["total"][name]


@pytest.mark.parametrize("network", NETWORKS)
def test_frames_per_second_are_those_of_the_total_time(network: str) -> None:
    entry = eyeriss.published()["networks"][network]
    assert round(entry["batch"] / entry["total"]["total_ms"] * 1e3, 1) == entry["frames_per_s"]


def test_no_layer_is_left_out() -> None:
    assert len(ALEXNET) == 5
    assert len(VGG) == 13


@pytest.mark.parametrize("layer", ALL, ids=NAMES)
def test_products_are_the_printed_ones(layer: Layer) -> None:
    assert abs(layer.shape.macs / 1e9 - layer.chip["macs_g"]) <= HALF["macs_g"]


@pytest.mark.parametrize("layer", ALEXNET.values(), ids=ALEXNET)
def test_the_mapping_takes_the_printed_number_of_pes_and_fits(layer: Layer) -> None:
    assert eyeriss.active_pes(layer) == layer.chip["active_pes"]
    accelerator = eyeriss.chip()
    assert layer.parameters is not None
    for shape in (layer.shape, eyeriss.as_moved(layer.shape, layer.parameters)):
        mapping = eyeriss.row_stationary(accelerator.hierarchy, shape, layer.parameters)
        cost = evaluate(accelerator, eyeriss._energies(accelerator), shape, mapping)
        assert cost.counts.macs / cost.counts.steps <= layer.chip["active_pes"]


@pytest.mark.parametrize("name", ["conv1", "conv2", "conv4", "conv5"])
def test_accesses_of_the_buffer_are_the_printed_ones_to_the_last_digit(name: str) -> None:
    layer = ALEXNET[name]
    moved = eyeriss.buffer_mb(eyeriss.counted(layer, moved=True))
    exact = eyeriss.buffer_mb(eyeriss.counted(layer, moved=False))
    assert abs(moved - layer.chip["buffer_mb"]) <= HALF["buffer_mb"]
    # Padding is no word here: 31 x 31 words of which 27 x 27 are stored, or 15 x 15 and 13 x 13.
    assert 0.97 * layer.chip["buffer_mb"] < exact <= moved


def test_conv3_moves_what_the_parameters_of_conv4_give_not_its_own() -> None:
    layer, other = ALEXNET["conv3"], ALEXNET["conv4"].parameters
    found = eyeriss.buffer_mb(eyeriss.counted(layer, moved=True))
    assert found > 1.35 * layer.chip["buffer_mb"]
    like_conv4 = eyeriss.buffer_mb(eyeriss.counted(layer, other, moved=True))
    assert abs(like_conv4 - layer.chip["buffer_mb"]) <= HALF["buffer_mb"]


@pytest.mark.parametrize("layer", ALEXNET.values(), ids=ALEXNET)
def test_accesses_of_the_dram_are_between_those_of_best_and_worst_code(layer: Layer) -> None:
    traffic = eyeriss.dram_mb(eyeriss.counted(layer, moved=False))
    least, most = eyeriss.dram_bounds(layer, traffic)
    assert least - HALF["dram_mb"] <= layer.chip["dram_mb"] <= most + HALF["dram_mb"]
    assert most <= sum(traffic.values())


def test_fewer_filters_in_the_buffer_would_move_more_than_printed() -> None:
    layer = ALEXNET["conv1"]
    assert layer.parameters is not None
    counts = eyeriss.counted(layer, {**layer.parameters, "m": 64}, moved=False)
    least, _ = eyeriss.dram_bounds(layer, eyeriss.dram_mb(counts))
    assert least > layer.chip["dram_mb"] + HALF["dram_mb"]


@pytest.mark.parametrize("layer", ALL, ids=NAMES)
def test_no_layer_is_faster_or_moves_less_than_it_must(layer: Layer) -> None:
    cycles = layer.chip["processing_ms"] * eyeriss.published()["clock_mhz"] * 1e3
    assert cycles * layer.chip["active_pes"] >= layer.shape.macs
    least, _ = eyeriss.dram_bounds(layer, eyeriss.compulsory_mb(layer.shape))
    assert layer.chip["dram_mb"] >= least


@pytest.mark.parametrize("layer", ALEXNET.values(), ids=ALEXNET)
def test_the_chip_takes_up_to_a_fifth_longer_than_the_products(layer: Layer) -> None:
    ratio = layer.chip["processing_ms"] / eyeriss.processing_ms(eyeriss.counted(layer, moved=False))
    assert 1.0 <= ratio < 1.2


def test_the_search_is_not_worse_than_the_row_stationary_mapping() -> None:
    layer = ALEXNET["conv3"]
    found = eyeriss.best(layer, effort="normal")
    assert found.energy_pj <= eyeriss.cost(layer).energy_pj


def coded_bits(values: np.ndarray[Any, Any]) -> int:
    """Run-length code of values: pairs of up to 31 zeros and a value, three in 64 bits."""
    pairs = run = 0
    for value in values:
        if value or run == 31:
            pairs, run = pairs + 1, 0
        else:
            run += 1
    return math.ceil((pairs + (run > 0)) / 3) * 64


@pytest.mark.parametrize("zeros", [0.2, 0.5, 0.8])
def test_real_codes_are_between_the_bounds(zeros: float) -> None:
    values = np.random.default_rng(1).random((2000, 13)) >= zeros
    words = values.size * 16
    stream = coded_bits(values.ravel()) / words
    rows = sum(coded_bits(row) for row in values) / words
    assert stream == pytest.approx(eyeriss.rlc_least(zeros), rel=0.02)
    assert stream < rows <= 1.02 * eyeriss.rlc_rows(zeros, 13)


@given(st.floats(0, 1), st.integers(1, 60))
def test_a_code_by_rows_is_never_shorter(zeros: float, width: int) -> None:
    assert eyeriss.rlc_rows(zeros, width) >= eyeriss.rlc_least(zeros)
    assert eyeriss.rlc_least(0.0) == pytest.approx(4 / 3)
