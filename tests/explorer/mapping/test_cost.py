"""Costs of layers and networks: terms that add up, origins, caches, and what fits nowhere."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Amount, Energies, resolve_energies
from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping import mapper
from explorer.mapping.cost import LayerCost, evaluate
from explorer.mapping.mapper import Mapped, Options, certify, map_layer, map_layers
from explorer.mapping.mapping import Mapping
from explorer.mapping.network_cost import map_network
from explorer.mapping.report import show_layer
from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network
from rtl_gen.errors import InputError

SHAPE = LayerShape(
    filters=8, channels=6, height=6, width=6, filter_height=3, filter_width=3, padding=(1, 1, 1, 1)
)
READ, WRITE = 3.0, 5.0
QUICK = Options(effort="quick")


def accelerator(folder: Path, **changes: Any) -> Accelerator:
    """A DRAM over a buffer over 2 x 3 PEs, with a table of energies as Accelergy writes it."""
    names = ("DRAM", "buffer", "ifmaps", "filters", "psums")
    tables = [
        {
            "name": name,
            "actions": [
                {"name": "read", "energy": READ * 10.0 ** (2 - place)},
                {"name": "write", "energy": WRITE * 10.0 ** (2 - place)},
            ],
        }
        for place, name in enumerate(names)
    ]
    tables.append({"name": "mac", "actions": [{"name": "compute", "energy": 0.5}]})
    (folder / "ert.yaml").write_text(yaml.safe_dump({"ERT": {"version": 0.4, "tables": tables}}))
    levels = [
        {"name": "DRAM", "kind": "dram", "word_bits": 16, "read_words_per_cycle": 2},
        {
            "name": "buffer", "kind": "sram", "words": 512, "word_bits": 16, "fanout_x": 2,
            "fanout_y": 3,
        },
        {"name": "ifmaps", "kind": "sram", "keeps": ["ifmap"], "words": 8, "word_bits": 16},
        {"name": "filters", "kind": "sram", "keeps": ["filter"], "words": 32, "word_bits": 16},
        {"name": "psums", "kind": "sram", "keeps": ["psum"], "words": 8, "word_bits": 32},
    ]  # fmt: skip
    document = {
        "name": "small", "period_ps": 2000, "psum_bits": 24, "dram": "LPDDR4",
        "energies": "ert.yaml", "levels": levels, **changes,
    }  # fmt: skip
    return Accelerator.from_dict(document, folder)


@pytest.fixture
def small(tmp_path: Path) -> Accelerator:
    return accelerator(tmp_path)


@pytest.fixture
def energies(small: Accelerator) -> Energies:
    return resolve_energies(small, 8, 8, 8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mapper, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def nest(small: Accelerator) -> Mapping:
    return Mapping.from_list(
        [
            {"level": "DRAM", "temporal": "M2"},
            {"level": "buffer", "temporal": "C2 P6 Q3", "x": "Q2", "y": "R3"},
            {"level": "ifmaps", "temporal": "C3"},
            {"level": "filters", "temporal": "S3"},
            {"level": "psums", "temporal": "M4"},
        ],
        small.hierarchy,
    )


def test_terms_are_counts_times_energies(small: Accelerator, energies: Energies) -> None:
    cost = evaluate(small, energies, SHAPE, nest(small))
    assert cost.energy_pj == pytest.approx(sum(term.energy_pj for term in cost.terms))
    for term in cost.terms:
        assert term.origin.startswith("given: ")
    macs = next(term for term in cost.terms if term.part == "PEs")
    assert (macs.times, macs.each_pj) == (SHAPE.macs, 0.5)
    # Two activations of 8 bits to a word of 16; a partial sum of 24 bits takes two, of 8 one half.
    dram = {(t.tensor, t.action): t for t in cost.terms if t.part == "DRAM"}
    assert dram["ifmap", "read"].each_pj == pytest.approx(READ * 100 / 2)
    assert dram["ofmap", "write"].each_pj == pytest.approx(WRITE * 100 / 2)
    assert dram["ofmap", "write"].times == SHAPE.ofmap_words
    buffer = {(t.tensor, t.action): t for t in cost.terms if t.part == "buffer"}
    assert buffer["psum", "write"].each_pj == pytest.approx(WRITE * 10 * 2)


def test_a_slow_dram_stalls_the_array(small: Accelerator, energies: Energies) -> None:
    cost = evaluate(small, energies, SHAPE, nest(small))
    reads = [c for c in cost.counts.levels if c.level == 0]
    words = sum(c.read_words / 2 for c in reads)
    assert cost.busy_cycles == SHAPE.macs // 6
    assert cost.cycles == max(cost.busy_cycles, math.ceil(words / 2))
    assert cost.utilization == pytest.approx(SHAPE.macs / (cost.cycles * 6))
    assert cost.tops_per_watt == pytest.approx(2 * SHAPE.macs / cost.energy_pj)


def test_tiles_that_do_not_fit_are_refused(small: Accelerator, energies: Energies) -> None:
    """Four sums in words of 32 bits, of 24 bits each: they fit into 4 words, not into 3."""
    evaluate(replace(small, hierarchy=with_words(small, "psums", 4)), energies, SHAPE, nest(small))
    tight = replace(small, hierarchy=with_words(small, "psums", 3))
    with pytest.raises(
        InputError, match=r"^level 'psums': the tiles take 4 memory words, there are 3$"
    ):
        evaluate(tight, energies, SHAPE, nest(small))


def with_words(small: Accelerator, name: str, words: int) -> Hierarchy:
    levels = [
        replace(level, words=words) if level.name == name else level
        for level in small.hierarchy.levels
    ]
    return Hierarchy(tuple(levels))


def test_the_mapper_is_not_worse_than_a_mapping_by_hand(
    small: Accelerator, energies: Energies
) -> None:
    by_hand = evaluate(small, energies, SHAPE, nest(small))
    for objective in ("energy", "delay", "edp"):
        options = Options(objective=objective)
        found = map_layer(small, energies, SHAPE, options, cache=False)
        value = {
            "energy": lambda cost: cost.energy_pj,
            "delay": lambda cost: cost.cycles,
            "edp": lambda cost: cost.edp_pj_s,
        }[objective]
        assert value(found.cost) <= value(by_hand)
        assert found.evaluated > 1000


@pytest.mark.parametrize("objective", ["energy", "delay", "edp"])
def test_a_certificate_says_what_can_be_saved_at_most(
    small: Accelerator, energies: Energies, objective: str
) -> None:
    options = Options(objective=objective, effort="quick")
    by_hand = evaluate(small, energies, SHAPE, nest(small))
    poor = Mapped(shape=SHAPE, cost=by_hand, evaluated=0, space=0)
    certified = certify(small, energies, poor, options, tolerance=0.05, seconds=600)
    found = map_layer(small, energies, SHAPE, options, cache=False)

    def value(cost: LayerCost) -> float:
        return {"energy": cost.energy_pj, "delay": cost.cycles}.get(objective, cost.edp_pj_s)

    assert certified.proven
    assert certified.gap <= 0.05 + 1e-9
    # It finds no worse mapping than the one by hand, and the search finds none below the bound.
    assert value(certified.mapped.cost) <= value(by_hand)
    assert value(found.cost) >= value(certified.mapped.cost) * (1 - certified.gap) * (1 - 1e-9)


def test_results_do_not_depend_on_threads(small: Accelerator, energies: Energies) -> None:
    shapes = [replace(SHAPE, filters=filters) for filters in (4, 6, 8, 12)]
    one, four = (
        map_layers(small, lambda _: energies, shapes, QUICK, jobs=jobs, cache=False)
        for jobs in (1, 4)
    )
    assert [one[s].cost.mapping for s in shapes] == [four[s].cost.mapping for s in shapes]


def test_what_was_found_is_kept(small: Accelerator, energies: Energies, own_cache: Path) -> None:
    first = map_layer(small, energies, SHAPE, QUICK)
    (entry,) = own_cache.rglob("*.json")
    again = map_layer(small, energies, SHAPE, QUICK)
    assert again.cost == first.cost
    assert (first.evaluated > 0, again.evaluated) == (True, 0)
    # Another objective, and other energies, are other entries.
    map_layer(small, energies, SHAPE, Options(effort="quick", objective="delay"))
    map_layer(small, replace(energies, mac_pj=1.0), SHAPE, QUICK)
    assert len(list(own_cache.rglob("*.json"))) == 3
    # An entry that is not what was written counts as none.
    document = json.loads(entry.read_text())
    for damaged in ("{", json.dumps({**document, "energy_pj": 1.0}), json.dumps([])):
        entry.write_text(damaged)
        assert map_layer(small, energies, SHAPE, QUICK).evaluated > 0


def test_a_layer_that_fits_nowhere_is_named(tmp_path: Path) -> None:
    roomy = accelerator(tmp_path)
    small = replace(roomy, hierarchy=with_words(roomy, "buffer", 2))
    with pytest.raises(
        InputError,
        match=r"^layer N1 G1 M8 C6 P6 Q6 R3 S3 fits nowhere on small: even with one value of each "
        r"tensor at a time level 'buffer' of 2 memory words, not [34], is too small$",
    ):
        map_layer(small, resolve_energies(small, 8, 8, 8), SHAPE, QUICK, cache=False)


def test_optional_tensors_may_pass_by(tmp_path: Path) -> None:
    """A buffer that costs more than the DRAM is not used where it need not be."""
    free = accelerator(tmp_path)
    levels = free.to_dict()["levels"]
    levels[1]["optional"] = ["filter"]
    free = Accelerator.from_dict(
        {**free.to_dict(), "levels": levels, "energies": "ert.yaml", "network": None}, tmp_path
    )
    energies = resolve_energies(free, 8, 8, 8)
    dear = replace(
        energies,
        access={
            key: replace(e, read_pj=1e4, write_pj=1e4) if key[0] == 1 else e
            for key, e in energies.access.items()
        },
    )
    assert (
        "filter"
        not in map_layer(free, dear, SHAPE, QUICK, cache=False).cost.mapping.levels[1].keeps
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"objective": "power"}, "objective must be one of energy, delay, edp, not 'power'"),
        ({"effort": "most"}, "effort must be one of quick, normal, thorough, not 'most'"),
        ({"seed": -1}, "seed must be an integer from 0 to 2147483647, not -1"),
    ],
)
def test_options_are_checked(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Options(**values)


def test_a_network_is_the_sum_of_its_layers(small: Accelerator) -> None:
    network = Network(
        name="two",
        source="a test",
        layers=(
            Layer(name="a", shape=SHAPE, inputs=("input",)),
            Traffic(name="pool", kind="max_pool", inputs=("a",), input_words=288, output_words=72),
            Layer(name="b", shape=SHAPE, inputs=("a",)),
        ),
    )
    found = map_network(small, network, QUICK)
    layer: LayerCost = found.mapped[SHAPE].cost
    # 288 and 72 words of 8 bits, two to a memory word; nothing else moves.
    pool = 144 * READ * 100 + 36 * WRITE * 100
    assert found.traffic["pool"].energy_pj == pytest.approx(pool)
    assert found.traffic["pool"].cycles == 72
    assert found.energy_pj == pytest.approx(2 * layer.energy_pj + pool)
    assert found.cycles == 2 * layer.cycles + 72
    assert sum(found.parts_pj().values()) == pytest.approx(found.energy_pj)
    document = json.loads(json.dumps(found.to_dict()))
    assert document["mode"] == "exact"
    assert [entry["layer"] for entry in document["layers"]] == ["a", "pool", "b"]
    terms = sum(term["energy_pj"] for term in document["layers"][0]["terms"])
    assert terms == pytest.approx(document["layers"][0]["energy_pj"])


def test_a_clock_that_is_not_reached_is_told(
    small: Accelerator, energies: Energies, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = evaluate(small, energies, SHAPE, nest(small))
    net = Network(name="net", source="a test", inputs=("x",),
                  layers=(Layer(name="a", shape=SHAPE, inputs=("x",)),))  # fmt: skip
    for least, told in ((2001.0, True), (2000.0, False)):
        slow = replace(cost, least_period_ps=Amount(value=least, origin="measured: x"))
        show_layer(small, net, slow, as_json=False)
        line = "clock of 2000 ps NOT reached: its parts need 2,001 ps\n"
        assert (line in capsys.readouterr().out) == told
