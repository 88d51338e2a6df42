"""Energies, area, leakage and clock of accelerators, with the origin of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from characterize.action_files import save_table
from characterize.actions import ActionTable
from characterize.dataset_folder import read_points
from characterize.platform import load_platform
from characterize.sram_table import look_up
from explorer.accelerators.accelerator import Accelerator, load_accelerator
from explorer.accelerators.energies import (
    ORIGINS,
    Energies,
    breakdown_table,
    energy_table,
    resolve_energies,
)
from explorer.accelerators.floor_plan import hop_lengths_um, hop_pj_per_bit
from explorer.accelerators.hierarchy import Level
from explorer.accelerators.memories import sram_cost, sram_shape
from explorer.accelerators.pe_tables import DATASET, Sources, pe_table
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import Space, design_of
from surrogate.artifact import Artifact

Write = Callable[..., Path]
NAME = "pe_int_a10_w8_s30_d4_208_8_p3_t4000"


def error_of(accelerator: Accelerator, sources: Sources, *bits: int) -> str:
    with pytest.raises(InputError) as raised:
        resolve_energies(accelerator, *(bits or (8, 8, 8)), source=sources)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def origins(accelerator: Accelerator, found: Energies) -> set[str]:
    """How the origins of everything begin."""
    table = breakdown_table(found)
    told = [*energy_table(accelerator, found)["origin"], found.period_ps.origin]
    told += [text for text in [*table["area_origin"], *table["leakage_origin"]] if text]
    return {text.partition(":")[0].partition(",")[0] for text in told}


@pytest.mark.usefixtures("installed_cacti")
def test_a_measured_pe_costs_what_was_measured(small: dict[str, Any], sources: Sources) -> None:
    accelerator = Accelerator.from_dict({**small, "network": {"kind": "array"}})
    found = resolve_energies(accelerator, 8, 8, 8, source=sources)
    points = read_points(DATASET)
    row = points[points["name"] == NAME].iloc[0]
    assert found.pe_origin == f"measured: {NAME} ({row['key'][:12]})"
    assert found.area_um2["PEs"].value == pytest.approx(6 * row["area_um2"])
    assert found.leakage_uw["PEs"].value == pytest.approx(6 * row["leakage_uw"])
    assert found.period_ps.value >= row["least_period_ps"]
    assert found.pe_interval is None
    assert found.unknown == ()
    assert (found.psum_bits, found.macs_per_cycle, found.held) == (30, 1.0, ("ifmap",))
    assert origins(accelerator, found) == {"cited", "CACTI", "measured", "modelled"}
    assert origins(accelerator, found) <= set(ORIGINS)


def test_a_pe_makes_up_what_its_convolutions_were_measured_to_take(
    small: dict[str, Any], sources: Sources
) -> None:
    """A multiply-accumulate in the mean of a row, with what its cycle takes: 10 to 15 pJ."""
    small["levels"][1]["kind"] = "network"
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    found = resolve_energies(Accelerator.from_dict(small), 10, 8, 8, source=sources)
    filters, psums = found.access[3, "filter"], found.access[4, "psum"]
    ifmaps = found.access[2, "ifmap"]
    each = found.mac_pj + filters.read_pj + psums.read_pj + psums.write_pj + found.cycle_pj
    points = read_points(DATASET)
    measured = points[points["name"] == NAME].iloc[0]["energy_per_mac_pj"]
    # Measured with uniform operands, which cost more than a network's.
    assert 0.6 * measured < each + ifmaps.read_pj / 8 < measured


@pytest.mark.usefixtures("installed_cacti")
def test_srams_are_cactis_at_the_platforms_supply(small: dict[str, Any], sources: Sources) -> None:
    found = resolve_energies(Accelerator.from_dict(small), 8, 8, 8, source=sources)
    row = look_up(2048, 32, cache=sources.sram_cache, voltage_v=1.1).iloc[0]
    for tensor in ("ifmap", "filter", "psum"):
        access = found.access[1, tensor]
        assert access.read_pj == row["read_pj"]
        assert access.write_pj == row["write_pj"]
        assert access.origin == "CACTI, 45 nm, itrs-hp, 1.1 V"
    assert found.leakage_uw["buffer"].value == row["leakage_uw"]
    assert found.area_um2["buffer"].value == row["area_um2"]


def test_a_dram_costs_its_bits(small: dict[str, Any], sources: Sources) -> None:
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    found = resolve_energies(Accelerator.from_dict(small), 8, 8, 8, source=sources)
    access = found.access[0, "filter"]
    assert (access.read_pj, access.write_pj) == (128.0, 128.0)  # 16 bits of LPDDR4, 8 pJ each
    assert access.origin.startswith("cited: LPDDR4, 8 pJ per bit; Accelergy's CACTI plug-in")
    small["levels"][0]["access_words"] = 4
    found = resolve_energies(Accelerator.from_dict(small), 8, 8, 8, source=sources)
    assert found.access[0, "filter"].read_pj == 512.0


@pytest.mark.parametrize(
    ("level", "words", "bits", "banks", "beside", "told"),
    [
        ({"words": 4096, "word_bits": 64, "banks": 4}, 4096, 64, 4, 1, ""),
        (
            {"words": 51200, "word_bits": 16, "access_words": 4, "banks": 25}, 12800, 64, 32, 1,
            "12800 words of 64 bits in 32 banks, for 12800 of 64 in 25",
        ),
        (
            {"words": 100, "word_bits": 12, "banks": 3}, 100, 16, 2, 1,
            "100 words of 16 bits in 2 banks, for 100 of 12 in 3",
        ),
        (
            {"words": 24, "word_bits": 16}, 32, 16, 1, 1,
            "32 words of 16 bits in 1 banks, for 24 of 16 in 1",
        ),
        ({"words": 24576, "word_bits": 512}, 24576, 256, 1, 2, ""),
        (
            {"words": 1024, "word_bits": 500}, 1024, 256, 1, 2,
            "2 x 1024 words of 256 bits in 1 banks, for 1024 of 500 in 1",
        ),
    ],
)  # fmt: skip
def test_an_sram_that_cacti_cannot_make_is_told(
    level: dict[str, Any], words: int, bits: int, banks: int, beside: int, told: str
) -> None:
    shape, count, difference = sram_shape(Level(name="b", kind="sram", **level))
    assert (shape.words, shape.bits, shape.banks, count) == (words, bits, banks, beside)
    assert difference == told


def test_an_sram_of_untried_size_is_refused() -> None:
    with pytest.raises(InputError) as raised:
        sram_shape(Level(name="b", kind="sram", words=1 << 20, word_bits=64))
    assert str(raised.value) == (
        "level 'b': CACTI was tried for SRAMs of up to 4194304 bytes, not 1048576 words of 64 "
        "bits; give energies"
    )


def test_another_node_has_no_srams(tmp_path: Path) -> None:
    platform = dataclasses.replace(load_platform(), node_nm=180.0, name="old")
    with pytest.raises(InputError) as raised:
        sram_cost(Level(name="b", kind="sram", words=64), platform, tmp_path)
    assert str(raised.value) == (
        "level 'b': energies are missing: CACTI's SRAMs are of 45 nm, platform old is of 180 nm; "
        "give energies"
    )


@pytest.mark.usefixtures("installed_cacti")
def test_low_standby_power_leaks_less_and_is_kept(tmp_path: Path) -> None:
    level, platform = Level(name="b", kind="sram", words=1024, word_bits=32), load_platform()
    quick = sram_cost(level, platform, tmp_path)
    slow = sram_cost(level, platform, tmp_path, "itrs-lstp")
    assert slow.leakage_uw < quick.leakage_uw / 1000
    assert slow.cycle_ns > quick.cycle_ns
    assert slow.origin == "CACTI, 45 nm, itrs-lstp, 1.1 V"
    assert len(list(tmp_path.rglob("1024x32_b1_1rw.json"))) >= 1
    assert sram_cost(level, platform, tmp_path, "itrs-lstp") == slow


def test_energies_that_nobody_knows_are_an_error(
    small: dict[str, Any], sources: Sources, tmp_path: Path
) -> None:
    small["pe"]["filter_depth"] = 207
    accelerator = Accelerator.from_dict(small)
    name = NAME.replace("208", "207")
    end = (
        "; train some: peforge train --dataset data/freepdk45, or measure it: peforge actions "
        "--out, or give energies"
    )
    assert error_of(accelerator, sources) == (
        f"energies are missing: PE {name} was not measured on freepdk45 (dataset: {DATASET}), and "
        f"there are no surrogates at any place{end}"
    )
    nowhere = Sources(dataset=None, model=tmp_path / "none.json")
    assert error_of(accelerator, nowhere) == (
        f"energies are missing: PE {name} was not measured on freepdk45 (dataset: none), and "
        f"there are no surrogates at {tmp_path / 'none.json'}{end}"
    )


def test_a_layer_wider_than_the_pe_is_refused(small: dict[str, Any], sources: Sources) -> None:
    accelerator = Accelerator.from_dict(small)
    said = error_of(accelerator, sources, 8, 9, 8)
    assert said == "weight_bits = 9 of the layer must be at most the PE's 8: choose other --bits"
    assert error_of(accelerator, sources, 8, 8, 99) == (
        "out_bits must be an integer from 1 to 32, not 99"
    )


def test_a_named_table_of_actions_counts_first(
    small: dict[str, Any], sources: Sources, tmp_path: Path
) -> None:
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    accelerator = Accelerator.from_dict(small)
    known = resolve_energies(accelerator, 8, 8, 8, source=sources)
    path = tmp_path / "actions.json"
    save_table(path, _table(accelerator, factor=2.0))
    found = resolve_energies(
        accelerator, 8, 8, 8, source=dataclasses.replace(sources, actions=path)
    )
    assert found.mac_pj == pytest.approx(2 * known.mac_pj)
    assert found.pe_origin == f"measured: {NAME} ({path})"
    alone = dataclasses.replace(sources, actions=path, dataset=None)
    found = resolve_energies(accelerator, 8, 8, 8, source=alone)
    assert "PEs" not in found.area_um2
    assert "area of PEs" in found.unknown
    assert "energy of hops" in found.unknown


def test_what_a_table_of_actions_lacks_is_predicted(
    small: dict[str, Any], sources: Sources, model: Path, tmp_path: Path
) -> None:
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    accelerator, path = Accelerator.from_dict(small), tmp_path / "actions.json"
    save_table(path, _table(accelerator, factor=1.0))
    asked = dataclasses.replace(sources, actions=path, dataset=None, model=model)
    found = resolve_energies(accelerator, 8, 8, 8, source=asked)
    told = f"measured: {NAME} ({path})"
    assert (found.pe_origin, found.leakage_uw["PEs"].origin) == (told, told)
    assert found.area_um2["PEs"].origin.startswith("extrapolated: surrogates of 42 points")
    assert found.leakage_uw["PEs"].value == 2 * 1.0


def _table(accelerator: Accelerator, factor: float) -> ActionTable:
    assert accelerator.pe is not None
    energies = pe_table(accelerator.pe, 4000, "freepdk45", Sources(model=None)).energies_pj
    return ActionTable(
        design=accelerator.pe.to_dict(), period_ps=4000, leakage_uw=1.0,
        energies_pj={name: factor * value for name, value in energies.items()},
        macs_pj={}, accesses_pj={}, primitives_pj={}, effort=1.0, fit_mean_pct=0.0,
        fit_worst_pct=0.0, primitives=0, cycles=0, seconds={},
    )  # fmt: skip


def test_a_table_of_another_pe_is_refused(
    small: dict[str, Any], sources: Sources, tmp_path: Path
) -> None:
    path = tmp_path / "actions.json"
    save_table(path, dataclasses.replace(_table(Accelerator.from_dict(small), 1.0), period_ps=2000))
    said = error_of(Accelerator.from_dict(small), dataclasses.replace(sources, actions=path))
    other = NAME.replace("t4000", "t2000")
    assert said == f"{path}: is of {other}, not of the accelerator's PE, {NAME}"


def test_what_was_not_measured_is_predicted_or_extrapolated(
    small: dict[str, Any], sources: Sources, model: Path, space: Space
) -> None:
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    rows = space.table(limit=60, seed=1)  # what the surrogates are of
    row = rows[(rows["family"] == "int") & (rows["filter_depth"] <= 128)].iloc[0].to_dict()
    design = design_of(row)
    small["pe"] = {**design.to_dict(), "period_ps": int(row["period_ps"])}
    bits = (design.act_bits, design.weight_bits, 8)
    asked = dataclasses.replace(sources, model=model)
    found = resolve_energies(Accelerator.from_dict(small), *bits, source=asked)
    assert found.pe_interval is not None
    low, high = found.pe_interval
    assert 0 < low < 1 < high
    assert found.pe_origin == (
        f"predicted: surrogates of 42 points, 90 % within x {low:.2f} to {high:.2f}"
    )
    assert found.leakage_uw["PEs"].origin == "predicted: surrogates of 42 points"
    small["pe"]["filter_depth"] = 512
    found = resolve_energies(Accelerator.from_dict(small), *bits, source=asked)
    assert found.pe_interval is None
    assert found.pe_origin == (
        "extrapolated: surrogates of 42 points; not measured: filter_depth 512 is not in the "
        "32..128 that was measured of int; the error is unknown"
    )


def test_surrogates_without_energies_per_action_are_refused(
    small: dict[str, Any], sources: Sources, model: Path, tmp_path: Path
) -> None:
    small["pe"]["filter_depth"] = 207
    path = tmp_path / "without.json"
    dataclasses.replace(Artifact.load(model), actions=None).save(path)
    said = error_of(Accelerator.from_dict(small), dataclasses.replace(sources, model=path))
    assert said == (
        f"{path}: knows no energies per action; train it on the folder of a dataset that has "
        "them: peforge train --dataset data/freepdk45"
    )


def test_hops_are_as_long_as_what_stands_below() -> None:
    eyeriss = np.array(load_accelerator("eyeriss").hierarchy.fanouts)
    lengths = hop_lengths_um(eyeriss, np.zeros(6), np.float64(250.0**2))
    assert lengths == pytest.approx((0, 250, 250, 0, 0, 0))
    # A memory as large as the four units around it makes a block of twice their area.
    levels = np.array(load_accelerator("edge-tiny").hierarchy.fanouts)
    lengths = hop_lengths_um(levels, np.array([0.0, 0.0, 10_000.0, 0.0, 0.0]), np.float64(10_000.0))
    assert lengths[1] == pytest.approx(100 * 2**0.5)


def test_a_hop_is_half_c_v_squared_of_every_second_bit() -> None:
    platform = load_platform()
    ff = 100 * (0.0752 + 0.0808) / 2
    of_100_um = hop_pj_per_bit(np.array([100.0]), platform)
    assert of_100_um == pytest.approx(0.5 * ff * 1.1**2 / 2 / 1000)


def test_shares_of_a_breakdown_are_a_hundred(small: dict[str, Any], sources: Sources) -> None:
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    small["network"] = {"kind": "array"}
    table = breakdown_table(resolve_energies(Accelerator.from_dict(small), 8, 8, 8, source=sources))
    assert list(table["part"]) == ["PEs", "network"]
    assert table[["area_pct", "leakage_pct"]].sum().to_list() == pytest.approx([100, 100])
    assert (table[["area_um2", "leakage_uw"]] > 0).all(axis=None)


def test_the_digest_is_of_the_numbers(small: dict[str, Any], sources: Sources) -> None:
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    found = resolve_energies(Accelerator.from_dict(small), 8, 8, 8, source=sources)
    assert dataclasses.replace(found, pe_origin="other").digest == found.digest
    assert dataclasses.replace(found, mac_pj=1.0).digest != found.digest


GIVEN = {
    "ERT": {
        "version": "0.4",
        "tables": [
            {"name": "system.DRAM[1..1]", "actions": [{"name": "read", "energy": 512.0},
                                                     {"name": "write", "energy": 500}]},
            {"name": "system.buffer[1..1]", "actions": [
                {"name": "read", "energy": 18.0}, {"name": "write", "energy": 14.0},
                {"name": "update", "energy": 15.0}, {"name": "leak", "energy": 0.5}]},
            {"name": "system.pe.ifmaps[1..6]", "actions": [{"name": "read", "energy": 0.2},
                                                          {"name": "write", "energy": 0.1}]},
            {"name": "system.pe.filters[1..6]", "actions": [{"name": "read", "energy": 0.4},
                                                           {"name": "write", "energy": 0.3}]},
            {"name": "system.pe.psums[1..6]", "actions": [{"name": "read", "energy": 0.6},
                                                         {"name": "update", "energy": 0.5}]},
            {"name": "system.pe.mac[1..6]", "actions": [{"name": "mac_random", "energy": 2.2}]},
        ],
    }
}  # fmt: skip


def given(small: dict[str, Any], write: Write, document: object) -> Accelerator:
    return Accelerator.from_dict({**small, "energies": str(write(document, "ert.yaml"))})


def test_a_users_table_counts_alone(small: dict[str, Any], write: Write, tmp_path: Path) -> None:
    accelerator = given(small, write, GIVEN)
    found = resolve_energies(accelerator, 8, 8, 8)
    told = f"given: {tmp_path / 'ert.yaml'}"
    assert found.mac_pj == 2.2
    assert found.cycle_pj == 0.0
    buffer = {tensor: found.access[1, tensor] for tensor in ("ifmap", "psum")}
    assert (buffer["ifmap"].write_pj, buffer["psum"].write_pj) == (14.0, 15.0)
    assert found.access[4, "psum"].write_pj == 0.5
    assert found.leakage_uw["buffer"].value == pytest.approx(0.5 / 4000 * 1e6)
    assert found.pe_origin == told
    assert {access.origin for access in found.access.values()} == {told}
    assert found.unknown == (
        "area of all parts", "leakage of ifmaps", "leakage of filters", "leakage of psums",
        "leakage of PEs",
    )  # fmt: skip
    assert origins(accelerator, found) == {"given"}
    assert isinstance(breakdown_table(found), pd.DataFrame)


def test_no_pe_is_needed_with_a_users_table(small: dict[str, Any], write: Write) -> None:
    small |= {"pe": None, "psum_bits": 24}
    for level in small["levels"][2:]:
        level |= {"words": 16, "word_bits": 24}
    found = resolve_energies(given(small, write, GIVEN), 16, 16, 16)
    assert (found.psum_bits, found.macs_per_cycle) == (24, 1.0)


def test_missing_entries_are_all_named(small: dict[str, Any], write: Write, tmp_path: Path) -> None:
    document = {"ERT": {**GIVEN["ERT"], "tables": GIVEN["ERT"]["tables"][1:4]}}
    assert error_of(given(small, write, document), Sources()) == (
        f"{tmp_path / 'ert.yaml'}: energies are missing: DRAM read, DRAM write, psums read, psums "
        "write, mac compute"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1], "must have ERT: tables, a list of components"),
        (
            {"tables": [3]},
            "tables: entry 1 must be a mapping with name and actions, not 3",
        ),
        (
            {"tables": [{"name": "mac", "actions": 3}]},
            "tables: entry 1: mac: actions must be a list, not 3",
        ),
        (
            {"tables": [{"name": "a.mac", "actions": [{"name": "compute", "energy": -1}]}]},
            "tables: entry 1: mac: energy of compute must be a number of pJ from 0 to 1e+12, "
            "not -1",
        ),
        (
            {"tables": [{"name": "mac", "actions": [{"energy": 1}]}]},
            "tables: entry 1: mac: an action must have name and energy, not {'energy': 1}",
        ),
        (
            {"tables": [{"name": "mac", "actions": [{"name": "compute", "energy": 1},
                                                    {"name": "compute", "energy": 2}]}]},
            "tables: entry 1: mac: compute has several energies, by its arguments; give one",
        ),
        (
            {"tables": [{"name": "a.mac", "actions": []}, {"name": "b.mac", "actions": []}]},
            "tables: two components are named 'mac'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_table_is_told(
    small: dict[str, Any], write: Write, tmp_path: Path, document: object, message: str
) -> None:
    said = error_of(given(small, write, document), Sources())
    assert said == f"{tmp_path / 'ert.yaml'}: {message}"


@pytest.mark.usefixtures("installed_cacti")
def test_a_mac_unit_without_scratchpads_moves_its_operands_itself(
    small: dict[str, Any], sources: Sources
) -> None:
    """What is read and written in a PE is in its levels, or in its multiply-accumulates."""
    known = resolve_energies(Accelerator.from_dict(small), 8, 8, 8, source=sources)
    del small["levels"][2:]
    bare = resolve_energies(Accelerator.from_dict(small), 8, 8, 8, source=sources)
    inside = (
        known.access[2, "ifmap"].read_pj + known.access[2, "ifmap"].write_pj
        + known.access[3, "filter"].read_pj + known.access[4, "psum"].read_pj
        + known.access[4, "psum"].write_pj + known.forward_pj
    )  # fmt: skip
    assert bare.mac_pj == pytest.approx(known.mac_pj + inside)
    assert (bare.forward_pj, bare.held) == (0.0, ())


def test_arrays_need_their_measurements(
    small: dict[str, Any], sources: Sources, tmp_path: Path
) -> None:
    small["levels"][1] = {"name": "n", "kind": "network", "fanout_x": 2}
    accelerator = Accelerator.from_dict({**small, "network": {"kind": "array"}})
    for path in (DATASET / "manifest.json", *DATASET.glob("*.parquet")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = error_of(accelerator, dataclasses.replace(sources, dataset=tmp_path))
    assert said == (
        "network: kind array needs measured arrays, arrays.csv of a dataset; there is none in "
        f"{tmp_path}; use kind wires"
    )


def test_a_pe_by_name_is_a_pe_by_its_parameters(small: dict[str, Any]) -> None:
    small["pe"] = {"preset": "INT8", "period_ps": 2000}
    assert Accelerator.from_dict(small).pe == PEDesign.preset("INT8")
