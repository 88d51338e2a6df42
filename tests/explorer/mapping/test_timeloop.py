"""Counts of Timeloop's mixed-precision fork: the same for the same mappings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import resolve_energies
from explorer.accelerators.hierarchy import Hierarchy, Level
from explorer.mapping.counts import count
from explorer.mapping.mapping import Mapping
from explorer.mapping.timeloop_cost import evaluate_like_timeloop
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError

REPORTED = json.loads((Path(__file__).parent / "timeloop.json").read_text())
TENSORS = {"Inputs": "ifmap", "Weights": "filter", "Outputs": "psum"}
EYERISS = Hierarchy(
    (
        Level(name="DRAM", kind="dram"),
        Level(name="shared_glb", kind="sram", words=51200, keeps=("ifmap", "psum"), fanout_x=14),
        Level(name="DummyBuffer", kind="network", keeps=(), fanout_y=12),
        Level(name="ifmap_spad", kind="scratchpad", words=12, keeps=("ifmap",)),
        Level(name="weights_spad", kind="scratchpad", words=224, keeps=("filter",)),
        Level(name="psum_spad", kind="scratchpad", words=24, keeps=("psum",)),
    )
)
TOY = Hierarchy((Level(name="DRAM", kind="dram"), Level(name="Buf", kind="sram", words=256)))


def read(case: dict[str, Any]) -> tuple[Hierarchy, LayerShape, Mapping]:
    """A reported case in words of this project; the depthwise one has groups for channels."""
    hierarchy = TOY if case["name"] == "toy" else EYERISS
    problem = {"Wdilation": 1, "Hdilation": 1, **case["problem"]}
    depthwise = "_dw" in case["name"]
    shape = LayerShape(
        batch=problem["N"],
        groups=problem["C"] if depthwise else 1,
        filters=1 if depthwise else problem["M"],
        channels=1 if depthwise else problem["C"],
        height=(problem["P"] - 1) * problem["Wstride"] + problem["R"],
        width=(problem["Q"] - 1) * problem["Hstride"] + problem["S"],
        filter_height=problem["R"],
        filter_width=problem["S"],
        stride_height=problem["Wstride"],
        stride_width=problem["Hstride"],
    )
    entries = [
        {
            "level": level,
            **{k: v.replace("C", "G") if depthwise else v for k, v in loops.items()},
        }
        for level, loops in case["mapping"].items()
    ]
    return hierarchy, shape, Mapping.from_list(entries, hierarchy)


@pytest.mark.parametrize("case", REPORTED["cases"], ids=lambda case: case["name"])
def test_counts_are_timeloops(case: dict[str, Any]) -> None:
    hierarchy, shape, mapping = read(case)
    counts = count(hierarchy, shape, mapping, "timeloop")
    for result in case["results"]:
        bits = dict.fromkeys(TENSORS, 16)
        if result["bits"] != "native":
            bits = dict(zip(TENSORS, map(int, result["bits"].split("-")), strict=True))
        for level, tensor, instances, capacity, reads, updates, fills in result["counts"]:
            own = counts.of(hierarchy.index(level), TENSORS[tensor])
            values = 16 // bits[tensor]
            packed = [
                -(-number // (instances * values))
                for number in (own.read_words, own.updates, own.fills)
            ]
            assert own.instances == instances
            assert [-(-own.tile // values), *packed] == [capacity, reads, updates, fills]


def on_accelerator(case: dict[str, Any], folder: Path) -> tuple[Accelerator, dict[str, float]]:
    """The case's hierarchy with SYNTHETIC energies, each another, by level and action."""
    hierarchy = TOY if case["name"] == "toy" else EYERISS
    levels, tables, each = [], [], {}
    for place, level in enumerate(hierarchy.levels):
        entry = {"name": level.name, "fanout_x": level.fanout_x, "fanout_y": level.fanout_y}
        if level.kind == "network":
            levels.append({**entry, "kind": "network"})
            continue
        size: dict[str, Any] = {} if level.kind == "dram" else {"words": level.words}
        if level.name == "shared_glb":
            size |= {"read_words_per_cycle": 16, "write_words_per_cycle": 16}
        kind = "dram" if level.kind == "dram" else "sram"
        levels.append({**entry, **size, "kind": kind, "word_bits": 16, "keeps": [*level.keeps]})
        each |= {f"{level.name} {do}": 3.0**place + k for k, do in enumerate(("read", "write"))}
        actions = [{"name": do, "energy": each[f"{level.name} {do}"]} for do in ("read", "write")]
        tables.append({"name": level.name, "actions": actions})
    tables.append({"name": "mac", "actions": [{"name": "compute", "energy": 0.5}]})
    (folder / "ert.yaml").write_text(yaml.safe_dump({"ERT": {"version": 0.4, "tables": tables}}))
    document = {"name": "like", "period_ps": 2000, "psum_bits": 32, "dram": "LPDDR4",
                "energies": "ert.yaml", "levels": levels}  # fmt: skip
    return Accelerator.from_dict(document, folder), each


@pytest.mark.parametrize("case", REPORTED["cases"], ids=lambda case: case["name"])
def test_energies_are_of_the_words_that_timeloop_reports(
    case: dict[str, Any], tmp_path: Path
) -> None:
    _, shape, mapping = read(case)
    on, each = on_accelerator(case, tmp_path)
    for result in case["results"]:
        widths = (16, 16, 16)
        if result["bits"] != "native":
            widths = tuple(map(int, result["bits"].split("-")))  # type: ignore[assignment]
        act, weight, out = widths[0], widths[1], widths[2]
        layer = replace(shape, act_bits=act, weight_bits=weight, out_bits=out)
        cost = evaluate_like_timeloop(on, resolve_energies(on, act, weight, out), layer, mapping)
        wanted = 0.5 * shape.macs
        for level, _, instances, _, reads, updates, fills in result["counts"]:
            wanted += instances * reads * each[f"{level} read"]
            wanted += instances * (updates + fills) * each[f"{level} write"]
        assert sum(t.energy_pj for t in cost.terms if t.each_pj) == pytest.approx(wanted)
        assert cost.cycles == result["cycles"]
        assert cost.unknown[-1] == "networks, in mode timeloop"


def test_there_are_results_of_all_bits() -> None:
    assert [len(case["results"]) for case in REPORTED["cases"]] == [7, 7, 7, 8, 8]


def test_ragged_edges_are_not_timeloops() -> None:
    shape = LayerShape(filters=7, channels=1, height=1, width=1)
    mapping = Mapping.from_list([{"level": "Buf", "temporal": "M8"}], TOY)
    with pytest.raises(
        InputError,
        match=r"^counting as timeloop needs factors that divide: the loops over M have 8 "
        r"iterations together, the layer 7$",
    ):
        count(TOY, shape, mapping, "timeloop")


def slid(loops: str, sizes: dict[str, int]) -> int:
    """Words that a buffer gets of the ifmap under these loops in DRAM."""
    shape = LayerShape(channels=1, filter_width=1, width=1, **sizes)
    mapping = Mapping.from_list(
        [{"level": "DRAM", "temporal": loops}, {"level": "Buf", "temporal": "R3"}], TOY
    )
    return count(TOY, shape, mapping, "timeloop").of(1, "ifmap").fills


def test_only_the_innermost_loop_slides() -> None:
    """Eight steps of a window of three: 10 words; with another loop inside, all of each window."""
    assert slid("P8", {"filters": 1, "height": 10, "filter_height": 3}) == 10
    assert slid("M2 P8", {"filters": 2, "height": 10, "filter_height": 3}) == 2 * 10
    assert slid("P8 M2", {"filters": 2, "height": 10, "filter_height": 3}) == 8 * 3


def test_two_loops_slide_on_if_the_inner_has_two_iterations() -> None:
    sizes = {"filters": 1, "height": 10, "filter_height": 3}
    assert slid("P4 P2", sizes) == 10
    assert slid("P2 P4", sizes) == 12
