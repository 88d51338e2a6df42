"""What zeros save: the code of runs against all sequences of values, terms against densities."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.accelerators.accelerator import Accelerator, load_accelerator
from explorer.accelerators.energies import resolve_energies
from explorer.accelerators.sparsity import Sparsity
from explorer.mapping import mapper
from explorer.mapping.cost import LayerCost, costs_of, evaluate
from explorer.mapping.mapper import Options, map_layer
from explorer.mapping.sparse import rlc_bits, rlc_pairs, savings
from explorer.mapping.traffic import traffic_cost
from explorer.networks.layer import LayerShape, Traffic
from explorer.networks.network import Network
from rtl_gen.errors import InputError
from tests.explorer.mapping.test_cost import READ, SHAPE, WRITE, accelerator, nest

NOTE = "modelled: zeros independent and uniform"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mapper, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def coded(values: tuple[int, ...], longest_run: int) -> list[tuple[int, int]]:
    """Pairs of a run of zeros and the value behind it."""
    pairs, run = [], 0
    for value in values:
        if value or run == longest_run:
            pairs.append((run, value))
            run = 0
        else:
            run += 1
    return [*pairs, (run, 0)] if run else pairs


@given(st.integers(1, 10), st.floats(0.01, 0.99), st.sampled_from([1, 3, 7]))
def test_pairs_are_the_mean_over_all_sequences(
    values: int, density: float, longest_run: int
) -> None:
    expected = 0.0
    for sequence in itertools.product((0, 1), repeat=values):
        ones = sum(sequence)
        probability = density**ones * (1 - density) ** (values - ones)
        expected += probability * len(coded(sequence, longest_run))
    assert rlc_pairs(values, density, longest_run) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("density", [0.02, 0.1, 0.4])
def test_pairs_of_drawn_values(density: float) -> None:
    """With runs of 31, as Eyeriss has them; 4.5 standard errors."""
    random = np.random.default_rng(3)
    numbers = [len(coded(tuple(random.random(1000) < density), 31)) for _ in range(300)]
    error = np.std(numbers) / np.sqrt(len(numbers))
    assert abs(np.mean(numbers) - rlc_pairs(1000, density, 31)) < 4.5 * error
    # Many values: density / (1 - (1 - density) ** 32) of them.
    many = rlc_pairs(10**7, density, 31) / 10**7
    assert many == pytest.approx(density / (1 - (1 - density) ** 32), rel=1e-5)


def test_a_code_word_has_three_pairs_of_16_bits_and_four_of_8() -> None:
    eyeriss = Sparsity()
    assert (eyeriss.pairs(16), eyeriss.pairs(8)) == (3, 4)
    dense = rlc_bits(3000, 1.0, 16, eyeriss)
    assert dense == 1000 * 64
    assert rlc_bits(3000, 0.1, 16, eyeriss) < 0.15 * dense


def sparse(folder: Path, **sparsity: Any) -> Accelerator:
    return accelerator(folder, sparsity=sparsity)


def cost_of(on: Accelerator, shape: LayerShape) -> LayerCost:
    return evaluate(on, resolve_energies(on, 8, 8, 8), shape, nest(on))


def terms(cost: LayerCost) -> dict[tuple[str, str, str], tuple[float, str]]:
    return {(t.part, t.tensor, t.action): (t.energy_pj, t.origin) for t in cost.terms}


THIN = replace(SHAPE, act_density=0.4, weight_density=0.5, out_density=0.1)


def test_densities_change_nothing_where_nothing_is_done_about_zeros(tmp_path: Path) -> None:
    on = accelerator(tmp_path)
    assert cost_of(on, THIN).terms == cost_of(on, SHAPE).terms
    # And where something is, dense layers cost what they did.
    busy = sparse(tmp_path, gate=["ifmap"], skip=["filter"], compress=["ifmap", "filter", "ofmap"])
    assert cost_of(busy, SHAPE).terms == cost_of(on, SHAPE).terms


@pytest.mark.parametrize(
    ("gate", "products", "filter_reads"),
    [(["ifmap"], 0.4, 0.4), (["filter"], 0.5, 1.0), (["ifmap", "filter"], 0.2, 1.0)],
)
def test_gating_saves_products_and_reads_of_the_other_operand(
    tmp_path: Path, gate: list[str], products: float, filter_reads: float
) -> None:
    """Of the filter, read by each MAC unit; the ifmap comes from levels of one MAC unit, too."""
    dense, thin = cost_of(accelerator(tmp_path), SHAPE), cost_of(sparse(tmp_path, gate=gate), THIN)
    before, after = terms(dense), terms(thin)
    shares = {
        ("PEs", "", "multiply-accumulate"): products,
        ("filters", "filter", "read"): filter_reads,
        ("ifmaps", "ifmap", "read"): 0.5 if gate == ["filter"] else 1.0,
    }
    assert before.keys() == after.keys()
    for key, (energy, origin) in after.items():
        share = shares.get(key, 1.0)
        assert energy == pytest.approx(share * before[key][0])
        what = "products" if key[0] == "PEs" else "reads"
        told = f"; {NOTE}: gated, {share:.4g} of the {what}" if share < 1 else ""
        assert origin == before[key][1] + told
    assert thin.cycles == dense.cycles


def test_skipping_saves_cycles_as_well(tmp_path: Path) -> None:
    fast_dram = [{"name": "DRAM", "kind": "dram", "word_bits": 16}]
    document = accelerator(tmp_path).to_dict()
    levels = [*fast_dram, *document["levels"][1:]]
    for sparsity, share in ({}, 1.0), ({"skip": ["ifmap"]}, 0.4), ({"skip": ["filter"]}, 0.5):
        on = accelerator(tmp_path, levels=levels, sparsity=sparsity)
        cost = cost_of(on, THIN)
        assert cost.cycles == cost.busy_cycles == int(np.ceil(share * SHAPE.macs / 6))
        assert cost.utilization == pytest.approx(1.0, rel=1e-3)
        macs = next(t for t in cost.terms if t.part == "PEs")
        assert macs.energy_pj == pytest.approx(share * SHAPE.macs * 0.5)


def test_coded_tensors_take_fewer_words_of_the_dram(tmp_path: Path) -> None:
    dense = cost_of(accelerator(tmp_path), SHAPE)
    on = sparse(tmp_path, compress=["ifmap", "ofmap"])
    thin = cost_of(on, THIN)
    before, after = terms(dense), terms(thin)
    # 16 bits hold two dense values of 8; a code word of 64 bits four pairs.
    ifmap, ofmap = (
        rlc_pairs(n, d, 31) / 4 * 64 / 16 / (n / 2)
        for n, d in ((SHAPE.ifmap_words, 0.4), (SHAPE.ofmap_words, 0.1))
    )
    assert savings(on, THIN).stored == pytest.approx({"ifmap": ifmap, "ofmap": ofmap})
    shares = {("DRAM", "ifmap", "read"): ifmap, ("DRAM", "ofmap", "write"): ofmap}
    for key, (energy, origin) in after.items():
        share = shares.get(key, 1.0)
        assert energy == pytest.approx(share * before[key][0])
        told = f"; {NOTE}: coded, {share:.4g} of the words" if share < 1 else ""
        assert origin == before[key][1] + told
    # Two words a cycle are read: ifmap, coded, and filters.
    reads = (ifmap * dense.counts.of(0, "ifmap").reads + dense.counts.of(0, "filter").reads) / 2
    assert thin.cycles == max(thin.busy_cycles, int(np.ceil(reads / 2)))


def test_values_stay_as_they_are_where_their_code_is_longer(tmp_path: Path) -> None:
    """At 8 bits a code takes 16 for each pair: half of the values must be zeros."""
    on = sparse(tmp_path, compress=["ifmap"])
    for density, shorter in ((0.49, True), (0.51, False)):
        shape = replace(SHAPE, act_density=density)
        assert (savings(on, shape).stored["ifmap"] < 1) == shorter


def test_the_search_knows_of_zeros(tmp_path: Path) -> None:
    on = sparse(tmp_path, gate=["ifmap"], compress=["ifmap", "filter", "ofmap"])
    energies = resolve_energies(on, 8, 8, 8)
    quick = Options(effort="quick")
    thin, dense = (map_layer(on, energies, shape, quick) for shape in (THIN, SHAPE))
    assert thin.evaluated > 0
    assert dense.evaluated > 0
    assert map_layer(on, energies, THIN, quick).evaluated == 0
    assert thin.cost.energy_pj < 0.8 * dense.cost.energy_pj
    by_hand = evaluate(on, energies, THIN, nest(on))
    assert thin.cost.energy_pj <= by_hand.energy_pj
    costs = costs_of(on, energies, THIN)
    assert costs.mac_pj == pytest.approx(0.4 * energies.mac_pj)


def test_pools_read_and_write_coded(tmp_path: Path) -> None:
    pool = Traffic(
        name="pool", kind="max_pool", inputs=("a",), input_words=2880, output_words=720,
        act_density=0.1, out_density=0.2,
    )  # fmt: skip
    on = sparse(tmp_path, compress=["ifmap", "ofmap"])
    reads, writes = (rlc_pairs(n, d, 31) / 4 * 4 for n, d in ((2880, 0.1), (720, 0.2)))
    found = traffic_cost(on, resolve_energies(on, 8, 8, 8), pool)
    assert found.energy_pj == pytest.approx(reads * READ * 100 + writes * WRITE * 100)
    # From and to the buffer they are as they were.
    inside = traffic_cost(
        on, resolve_energies(on, 8, 8, 8), pool, level=1, kept_words=2880, kept_result=True
    )
    assert inside.energy_pj == pytest.approx(1440 * READ * 10 + 360 * WRITE * 10)


def test_layers_of_other_densities_are_other_shapes() -> None:
    document = {
        "layers": [
            {"name": "a", "channels": 4, "filters": 4, "height": 6, "width": 6},
            {"name": "b", "channels": 4, "filters": 4, "height": 6, "width": 6,
             "act_density": 0.5, "weight_density": 0.25, "out_density": 1},
            {"name": "p", "kind": "max_pool", "input_words": 144, "output_words": 36,
             "act_density": 0.5},
        ]
    }  # fmt: skip
    network = Network.from_dict(document, "net.yaml")
    assert len(network.unique_shapes()) == 2
    entries = network.to_dict()["layers"]
    assert (entries[1]["act_density"], entries[1]["weight_density"]) == (0.5, 0.25)
    assert "act_density" not in entries[0]
    assert "out_density" not in entries[1]
    assert Network.from_dict(network.to_dict(), "net.yaml").layers == network.layers


@pytest.mark.parametrize("density", [0, -0.1, 1.01, True, "half", float("nan")])
def test_densities_are_checked(density: Any) -> None:
    document = {
        "layers": [
            {"name": "a", "channels": 4, "filters": 4, "height": 6, "width": 6,
             "act_density": density}
        ]
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        Network.from_dict(document, "net.yaml")
    assert str(caught.value) == (
        f"net.yaml: layer 1 ('a'): act_density must be a number above 0, at most 1, not {density!r}"
    )


@pytest.mark.parametrize(
    ("sparsity", "message"),
    [
        ({"gates": []}, "'gates' is not an entry of sparsity; the nearest is gate; allowed are "
         "gate, skip, compress, run_bits, code_bits"),
        ({"gate": ["psum"]}, "sparsity: an entry of gate must be one of ifmap, filter, not 'psum'"),
        ({"compress": ["psum"]},
         "sparsity: an entry of compress must be one of ifmap, filter, ofmap, not 'psum'"),
        ({"gate": "ifmap"}, "sparsity: gate must be a list, not 'ifmap'"),
        ({"gate": ["ifmap"], "skip": ["ifmap"]},
         "sparsity: ifmap must be in gate or in skip, not in both"),
        ({"run_bits": 0}, "sparsity: run_bits must be an integer from 1 to 16, not 0"),
        ([], "sparsity must be a mapping, not []"),
    ],
)  # fmt: skip
def test_what_is_done_about_zeros_is_checked(tmp_path: Path, sparsity: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        accelerator(tmp_path, sparsity=sparsity)


def test_a_code_word_must_have_room_for_a_value(tmp_path: Path) -> None:
    on = sparse(tmp_path, compress=["ifmap"], code_bits=13)
    with pytest.raises(InputError) as caught:
        cost_of(on, THIN)
    assert str(caught.value) == (
        "sparsity: code_bits = 13 must have room for a run of 5 bits, a value of 8 and one bit"
    )
    assert Sparsity(code_bits=14).pairs(8) == 1


def test_a_pe_that_gates_itself_is_not_gated_again() -> None:
    """And one whose products include the operands' ways has no energy of products alone."""
    tiny = load_accelerator("edge-tiny").to_dict()
    tiny["sparsity"] = {"gate": ["ifmap"]}
    assert Accelerator.from_dict(tiny).sparsity.gate == ("ifmap",)
    tiny["pe"]["zero_gating"] = True
    with pytest.raises(InputError) as caught:
        Accelerator.from_dict(tiny)
    assert str(caught.value) == (
        "sparsity: gate and skip are not for a pe with zero_gating, whose energies have it"
    )
    simba = load_accelerator("simba").to_dict() | {"sparsity": {"skip": ["filter"]}}
    with pytest.raises(InputError) as caught:
        Accelerator.from_dict(simba)
    assert str(caught.value) == (
        "sparsity: gate and skip need all scratchpads of the pe as levels, as the energy of a "
        "product is that without them; ifmap, psum has none"
    )
