"""Accelerators from presets and YAML: what they are, and what is said of wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.accelerators.accelerator import Accelerator, load_accelerator, presets
from explorer.accelerators.dram import known_drams
from explorer.accelerators.hierarchy import TENSORS
from rtl_gen.errors import InputError

EIGHT = {"act_bits": 8, "weight_bits": 8, "out_bits": 8}


def error_of(document: dict[str, Any]) -> str:
    with pytest.raises(InputError) as raised:
        Accelerator.from_dict(document)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_presets_are_those_of_the_project() -> None:
    assert presets() == ["edge-tiny", "eyeriss", "simba", "tpu-like"]


@pytest.mark.parametrize("name", presets())
def test_a_preset_comes_back_from_its_plain_form(name: str) -> None:
    accelerator = load_accelerator(name)
    again = Accelerator.from_dict(accelerator.to_dict())
    assert again == accelerator
    assert again.digest == accelerator.digest
    assert accelerator.name == name


def test_eyeriss_is_as_published() -> None:
    eyeriss = load_accelerator("eyeriss")
    levels = eyeriss.hierarchy.levels
    assert [level.name for level in levels] == [
        "DRAM", "buffer", "columns", "ifmap_scratchpad", "filter_scratchpad", "psum_scratchpad",
    ]  # fmt: skip
    assert [level.words for level in levels] == [None, 51200, None, 12, 224, 24]
    assert [level.word_bits for level in levels if level.kind != "network"] == [16] * 4 + [44]
    assert levels[1].keeps == ("ifmap", "psum")
    assert (levels[1].fanout_x, levels[2].fanout_y, eyeriss.mac_units) == (14, 12, 168)
    assert eyeriss.own_levels == {3: "ifmap", 4: "filter", 5: "psum"}
    assert (eyeriss.array_design().rows, eyeriss.array_design().columns) == (12, 14)


def test_simba_has_sixteen_pes_of_several_macs() -> None:
    simba = load_accelerator("simba")
    assert (simba.mac_units, simba.pe_count) == (256, 16)
    assert simba.own_levels == {5: "filter"}


def test_only_what_changes_numbers_is_in_the_digest(small: dict[str, Any]) -> None:
    digest = Accelerator.from_dict(small).digest
    assert Accelerator.from_dict({**small, "name": "other"}).digest == digest
    for change in (
        {"packing": "dense"}, {"dram": "HBM2"}, {"period_ps": 5000},
        {"sram_transistors": "itrs-lstp"}, {"network": {"kind": "array"}},
    ):  # fmt: skip
        assert Accelerator.from_dict({**small, **change}).digest != digest


def test_the_digest_knows_the_users_table_by_its_content(
    small: dict[str, Any], tmp_path: Path
) -> None:
    digests = []
    for text in ("one", "two"):
        (tmp_path / "e.yaml").write_text(text)
        found = Accelerator.from_dict({**small, "energies": "e.yaml"}, tmp_path)
        digests.append(found.digest)
    assert digests[0] != digests[1]


def test_a_scratchpads_words_are_the_pes(small: dict[str, Any]) -> None:
    levels = Accelerator.from_dict(small).hierarchy.levels
    assert [(level.words, level.word_bits) for level in levels[2:]] == [(4, 10), (208, 8), (8, 30)]


def test_levels_with_parents_may_stand_in_any_order(small: dict[str, Any]) -> None:
    parents = {"buffer": "DRAM", "ifmaps": "buffer", "filters": "ifmaps", "psums": "filters"}
    levels = [
        {**level, **({"parent": parents[level["name"]]} if level["name"] in parents else {})}
        for level in small["levels"]
    ]
    random.Random(1).shuffle(levels)
    found = Accelerator.from_dict({**small, "levels": levels})
    assert found == Accelerator.from_dict(small)


def test_levels_side_by_side_have_one_parent(small: dict[str, Any]) -> None:
    parents = {"buffer": "DRAM", "ifmaps": "buffer", "filters": "buffer", "psums": "buffer"}
    levels = [{**level, "parent": parents.get(level["name"])} for level in small["levels"]]
    found = Accelerator.from_dict({**small, "levels": levels})
    assert found == Accelerator.from_dict(small)


def with_parents(small: dict[str, Any], parents: dict[str, str | None]) -> dict[str, Any]:
    levels = [{**level, "parent": parents.get(level["name"])} for level in small["levels"]]
    return {**small, "levels": levels}


CHAIN = {"buffer": "DRAM", "ifmaps": "buffer", "filters": "ifmaps", "psums": "filters"}


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        (
            {**CHAIN, "DRAM": "psums"},
            "the memory hierarchy is cyclic: DRAM is in psums is in filters is in ifmaps is in "
            "buffer is in DRAM; one level must have no parent",
        ),
        (
            {**CHAIN, "filters": "psums"},
            "the memory hierarchy is cyclic: filters is in psums is in filters; one level must "
            "have no parent",
        ),
        (
            {**CHAIN, "filters": None},
            "one level must be outermost, without a parent; these are: DRAM, filters",
        ),
        (
            {**CHAIN, "filters": "ifmap"},
            "level 'filters': parent 'ifmap' is not a level; allowed are DRAM, buffer, ifmaps, "
            "filters, psums; the nearest is ifmaps",
        ),
        (
            {**CHAIN, "ifmaps": "DRAM"},
            "levels 'buffer' and 'ifmaps' have the same parent, 'DRAM': only one of them can have "
            "levels or instances below it",
        ),
    ],
)
def test_parents_that_make_no_hierarchy_are_named(
    small: dict[str, Any], parents: dict[str, str | None], message: str
) -> None:
    assert error_of(with_parents(small, parents)) == message


def test_levels_side_by_side_keep_different_tensors(small: dict[str, Any]) -> None:
    parents = {"buffer": "DRAM", "ifmaps": "buffer", "filters": "buffer", "psums": "buffer"}
    document = with_parents(small, parents)
    document["levels"][3]["keeps"] = ["ifmap"]
    assert error_of(document) == (
        "levels 'ifmaps' and 'filters' have the same parent, 'buffer', and both keep ifmap"
    )


ELSEWHERE = "; a memory beside the PE is kind sram"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"levls": []},
            "'levls' is not an entry of an accelerator; the nearest is levels; allowed are name, "
            "period_ps, packing, macs_per_pe, psum_bits, dram, network, energies, platform, "
            "sram_transistors, sparsity, pe, levels",
        ),
        ({"packing": "tight"}, "packing must be one of padded, dense, not 'tight'"),
        (
            {"period_ps": 3000},
            "pe: period_ps = 4000 must be at most the accelerator's period_ps = 3000",
        ),
        ({"macs_per_pe": 4}, "macs_per_pe = 4 must divide the 6 MAC units"),
        ({"psum_bits": 16}, "psum_bits = 16 must be the PE's 30, or be left out"),
        ({"pe": None}, "needs psum_bits, or a pe that has it"),
        (
            {"pe": None, "psum_bits": 24},
            "energies are missing: an accelerator needs pe, or energies",
        ),
        ({"pe": 3}, "pe must be a mapping, not 3"),
        ({"pe": {"preset": "INT9"}}, "pe: preset must be one of "),
        (
            {"dram": None},
            "level 'DRAM' is a DRAM: the accelerator needs dram, beside levels: "
            f"{', '.join(known_drams())}, or a mapping",
        ),
        (
            {"dram": "LPDR4"},
            f"dram must be one of {', '.join(known_drams())}, or a mapping of kind, pj_per_bit, "
            "source, not 'LPDR4'; the nearest is LPDDR4",
        ),
        ({"dram": {"kind": "own", "pj_per_bit": 5}}, "dram: needs source"),
        (
            {"dram": {"kind": "own", "pj_per_bit": 0, "source": "us"}},
            "dram: pj_per_bit must be a number above 0, not 0",
        ),
        ({"network": {"kind": "mesh"}}, "network: kind must be one of array, wires, not 'mesh'"),
        (
            {"network": {"ifmap_bus": 1}},
            "'ifmap_bus' is not an entry of network; the nearest is ifmap_buses; allowed are kind, "
            "ifmap_buses, filter_buses, psum_buses, scale_bits",
        ),
        ({"network": {"psum_buses": 3}}, "network: psum_buses must be one of 1, 2, 4, 8, not 3"),
        (
            {"network": {"kind": "array", "psum_buses": 4}},
            "network: kind array: psum_buses must be at most columns = 2, not 4",
        ),
        ({"levels": []}, "levels must be a list of at least one level, not []"),
        ({"energies": 3}, "energies must be a path, not 3"),
        ({"platform": "freepdk15"}, "platform must be one of "),
    ],
)
def test_a_wrong_entry_is_named(
    small: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    assert error_of({**small, **change}).startswith(message)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (
            1,
            {"word_bit": 8},
            "level 'buffer': 'word_bit' is not a parameter; allowed are name, kind, keeps, "
            "optional, words, word_bits, access_words, read_words_per_cycle, "
            "write_words_per_cycle, fanout_x, fanout_y, multicast, buffering, banks, ports, "
            "parent; the nearest is word_bits",
        ),
        (1, {"words": None}, "level 'buffer': needs words"),
        (
            1,
            {"kind": "network", "keeps": []},
            "level 'buffer': a network has no words, not 4096",
        ),
        (
            1,
            {"keeps": []},
            "level 'buffer': keeps must name at least one of ifmap, filter, psum; what keeps none "
            "is of kind network",
        ),
        (
            1,
            {"words": 4095},
            "level 'buffer': words = 4095 must be a multiple of access_words = 2",
        ),
        (1, {"ports": "3rw"}, "level 'buffer': ports must be one of 1rw, 1r1w, 2rw, not '3rw'"),
        (1, {"kind": "dram", "words": None}, "level 'buffer': a DRAM must be the outermost level"),
        (1, {"name": "psums"}, "two levels are named 'psums'; names must differ"),
        (
            2,
            {"words": 12},
            "level 'ifmaps': a scratchpad is one of the PE's: words must be its 4, not 12"
            + ELSEWHERE,
        ),
        (
            3,
            {"keeps": ["ifmap"]},
            "level 'filters': a scratchpad is one of the PE's and keeps one tensor, a different "
            "one each" + ELSEWHERE,
        ),
        (
            3,
            {"fanout_x": 2},
            "level 'ifmaps': a scratchpad is one of the PE's: there must be 12, one for each MAC "
            "unit, not 6" + ELSEWHERE,
        ),
    ],
)
def test_a_wrong_level_is_named(
    small: dict[str, Any], place: int, change: dict[str, Any], message: str
) -> None:
    small["levels"][place].update(change)
    assert error_of(small) == message


@pytest.mark.parametrize("name", ["name", "period_ps", "levels"])
def test_what_has_no_default_must_be_there(small: dict[str, Any], name: str) -> None:
    del small[name]
    assert error_of(small) == f"needs {name}"


def test_a_file_is_named_with_what_is_wrong_in_it(
    small: dict[str, Any], write: Callable[..., Path]
) -> None:
    path = write({**small, "packing": 1})
    with pytest.raises(InputError) as raised:
        load_accelerator(path)
    assert str(raised.value) == f"{path}: packing must be one of padded, dense, not 1"


def test_a_misspelt_preset_is_told_the_nearest() -> None:
    with pytest.raises(InputError) as raised:
        load_accelerator("eyeris")
    assert str(raised.value) == (
        "accelerator must be one of edge-tiny, eyeriss, simba, tpu-like, or a YAML file, not "
        "'eyeris'; the nearest is eyeriss"
    )


def test_an_own_dram_needs_its_source(small: dict[str, Any]) -> None:
    own = {"kind": "own", "pj_per_bit": 5.5, "source": "our data sheet"}
    found = Accelerator.from_dict({**small, "dram": own})
    assert found.dram is not None
    assert found.dram.to_dict() == own
    assert Accelerator.from_dict(found.to_dict()) == found


@pytest.mark.parametrize(
    ("packing", "bits", "values"),
    [("padded", 5, 3.0), ("padded", 8, 2.0), ("padded", 9, 1.0), ("dense", 5, 3.2)],
)
def test_values_are_packed_into_words(
    small: dict[str, Any], packing: str, bits: int, values: float
) -> None:
    accelerator = Accelerator.from_dict({**small, "packing": packing})
    widths = {"act_bits": bits, "weight_bits": 2, "out_bits": 32}
    assert accelerator.values_per_word(1, "ifmap", **widths) == values
    # A PE's scratchpad has one in a word, whatever its bits.
    assert accelerator.values_per_word(2, "ifmap", **widths) == 1.0


def test_partial_sums_are_as_wide_as_the_accumulator(small: dict[str, Any]) -> None:
    accelerator = Accelerator.from_dict(small)
    assert accelerator.values_per_word(1, "psum", **EIGHT) == 0.5  # 30 bits in two words of 16
    assert accelerator.values_per_word(1, "psum", **EIGHT, whole=True) == 2.0
    assert accelerator.values_per_word(4, "psum", **EIGHT) == 1.0


@given(bits=st.integers(1, 8), word=st.sampled_from((8, 16, 64)))
def test_no_packing_holds_more_bits_than_the_word(bits: int, word: int) -> None:
    values = load_accelerator("edge-tiny").to_dict()
    values["levels"][1]["word_bits"] = word
    widths = {"act_bits": bits, "weight_bits": bits, "out_bits": bits}
    found = {}
    for packing in ("padded", "dense"):
        accelerator = Accelerator.from_dict({**values, "packing": packing})
        found[packing] = [accelerator.values_per_word(1, t, **widths) for t in TENSORS]
    assert found["dense"][0] * bits == pytest.approx(word)
    for padded, dense in zip(found["padded"], found["dense"], strict=True):
        assert padded <= dense


def test_a_modes_products_share_a_word(small: dict[str, Any]) -> None:
    small["pe"] = {"preset": "INT8", "precision_modes": 3, "period_ps": 4000}
    accelerator = Accelerator.from_dict(small)
    four = {"act_bits": 4, "weight_bits": 4, "out_bits": 8}
    assert accelerator.values_per_word(2, "ifmap", **EIGHT) == 1.0
    assert accelerator.values_per_word(2, "ifmap", **four) == 4.0
    assert accelerator.values_per_word(3, "filter", **EIGHT) == 2.0
    assert accelerator.values_per_word(3, "filter", **four) == 4.0


def test_operands_wider_than_the_pes_are_refused(small: dict[str, Any]) -> None:
    accelerator = Accelerator.from_dict(small)
    with pytest.raises(InputError) as raised:
        accelerator.values_per_word(2, "ifmap", act_bits=11, weight_bits=8, out_bits=8)
    assert str(raised.value) == (
        "act_bits = 11 of the layer must be at most the PE's 10: choose other --bits"
    )
