"""Spaces: the vectorised rules are those of PEDesign; wrong files are named."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.design import FAMILIES, MULTIPLIERS, PRESETS, SCRATCHPADS, PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import DESIGN_COLUMNS, design_of, load_space

GRID: dict[str, list[Any]] = {
    "family": ["int", "lightpe", "pow2"],
    "act_bits": [2, 7, 16],
    "weight_bits": [2, 4, 5, 6, 9, 15, 16],
    "terms": [1, 2, 3],
    "psum_bits": [4, 19, 40, 64],
}
#: Options, over a few of the designs above.
OPTIONS: dict[str, list[Any]] = {
    "family": ["int", "lightpe", "pow2", "fp"],
    "act_bits": [4, 7, 16, 32],
    "weight_bits": [2, 4, 8, 16, 32],
    "terms": [1, 2],
    "filter_depth": [31, 32, 64],
    "pipeline_stages": [1, 2],
    "act_signed": [True, False],
    "multiplier": ["synth", "array", "none"],
    "precision_modes": [1, 3],
    "serial_terms": [True, False],
    "zero_gating": [True, False],
    "scratchpad": ["latch", "sram"],
}


def write(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def legal(values: dict[str, Any]) -> PEDesign | None:
    """The design, if PEDesign accepts it; ``terms`` means nothing to ``int``."""
    if values["family"] in ("int", "fp"):
        values = {name: value for name, value in values.items() if name != "terms"}
    try:
        return PEDesign(**values)
    except InputError:
        return None


@pytest.mark.parametrize("layer", [None, [3, 3, 512], [11, 11, 3]])
@pytest.mark.parametrize("explicit_psum", [True, False])
def test_a_table_holds_exactly_the_designs_that_are_legal(
    tmp_path: Path, layer: list[int] | None, explicit_psum: bool
) -> None:
    grid = dict(GRID) if explicit_psum else {k: v for k, v in GRID.items() if k != "psum_bits"}
    check_table(tmp_path, grid, layer)


def test_a_table_holds_exactly_the_options_that_are_legal(tmp_path: Path) -> None:
    check_table(tmp_path, OPTIONS, None)


def check_table(tmp_path: Path, grid: dict[str, list[Any]], layer: list[int] | None) -> None:
    """The table of a block against ``PEDesign`` over its combinations."""
    lines = [f"    {name}: {json.dumps(values)}" for name, values in grid.items()]
    if layer:
        lines.append(f"    largest_layer: {layer}")
    text = "blocks:\n  -" + "\n".join(lines)[3:]
    table = load_space(write(tmp_path, text)).table()
    expected = {
        design.digest
        for combination in itertools.product(*grid.values())
        if (
            design := legal(
                {
                    **dict(zip(grid, combination, strict=True)),
                    "largest_layer": tuple(layer) if layer else None,
                }
            )
        )
    }
    rows = table.to_dict("records")
    assert {design_of(row).digest for row in rows} == expected
    assert len(rows) == len(expected)
    for row in rows:
        assert design_of(row).to_dict() == {name: row[name] for name in DESIGN_COLUMNS}


@given(st.integers(1, 400), st.integers(0, 3))
def test_a_sample_is_distinct_legal_and_repeatable(count: int, seed: int) -> None:
    space = load_space(Path(__file__).parents[2] / "configs" / "spaces" / "explore.yaml")
    table = space.table(limit=count, seed=seed)
    assert len(table) == count
    assert not table.duplicated().any()
    assert table.equals(space.table(limit=count, seed=seed))
    design_of(table.iloc[-1].to_dict())


def test_the_quick_space_has_every_preset_and_all_families() -> None:
    table = load_space(Path(__file__).parents[2] / "configs" / "spaces" / "quick.yaml").table()
    designs = [design_of(row) for row in table.to_dict("records")]
    assert 70 <= len(table) <= 90
    assert {design.family for design in designs} == set(FAMILIES)
    assert {design.scratchpad for design in designs} == set(SCRATCHPADS)
    assert {design.multiplier for design in designs} == set(MULTIPLIERS)
    assert {design.precision_modes for design in designs} == {1, 2, 3}
    for name in PRESETS:
        assert PEDesign.preset(name) in designs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "blocks: [",
            "is not YAML, line 1, column 10: expected the node content, but found '<stream end>'",
        ),
        ("blocks: []\nblocks: []", "is not YAML, line 2, column 1: 'blocks' is given twice"),
        ("8", "a space must be a mapping with the key blocks"),
        ("actions: true", "a space must be a mapping with the key blocks"),
        (
            "block: [{preset: INT8}]",
            "'block' is not an entry of a space; allowed are blocks, constraints, plan, actions",
        ),
        (
            "blocks: [{preset: INT8}, {preset: INT4, weight: 2}, {preset: FP32}]",
            "block 2 has a weight and block 1 has none: give one to every block, or to none",
        ),
        (
            "blocks: [{preset: INT8, constraints: scratchpad != 'ltach'}]",
            "block 1: constraint \"scratchpad != 'ltach'\": scratchpad must be one of flop, latch, "
            "sram, not 'ltach'; the nearest is latch",
        ),
        (
            f"blocks: ['{'x' * 400}']",
            f"block 1: must be a mapping of parameters to values, not '{'x' * 77}...'",
        ),
        (
            "blocks: [{preset: INT8}]\nplans: 8",
            "'plans' is not an entry of a space; allowed are blocks, constraints, plan, actions",
        ),
        (
            "blocks: [{preset: INT8}]\nplan: 8",
            "plan must be a mapping of kind, points and seed, not 8",
        ),
        (
            "blocks: [{preset: INT8, weight: 0}]",
            "block 1: weight must be a number from 1e-06 to 1e+06, not 0",
        ),
        (
            "blocks: [{preset: INT8, constraints: act_bits}]",
            "block 1: constraint 'act_bits': compares nothing: it is neither true nor false",
        ),
        (
            "blocks: [{preset: INT8}]\nconstraints: [8]",
            "a constraint must be an expression of parameters, not 8",
        ),
        ("blocks: []", "blocks must be a list of at least one block"),
        ("blocks: [8]", "block 1: must be a mapping of parameters to values, not 8"),
        (
            "blocks: [{preset: INT9}]",
            "block 1: preset must be one of INT16, INT8, INT4, LightPE-1, LightPE-2, POW2, BF16, "
            "FP32, not 'INT9'",
        ),
        (
            "blocks: [{family: int, act_bits: [8, 17], weight_bits: 8}]",
            "block 1: act_bits must be an integer from 2 to 16, not 17",
        ),
        (
            'blocks: [{family: int, act_bits: "8", weight_bits: 8}]',
            "block 1: act_bits must be an integer from 2 to 16, not '8'",
        ),
        ("blocks: [{family: int, act_bits: 8}]", "block 1: needs weight_bits"),
        (
            "blocks: [{family: lightpe, act_bits: 8, weight_bits: 8}]",
            "block 1: needs terms for family lightpe",
        ),
        (
            "blocks: [{family: int, act_bits: [], weight_bits: 8}]",
            "block 1: act_bits must have at least one value",
        ),
        (
            "blocks: [{preset: INT8, act_bits: [4, x]}]",
            "block 1: act_bits must be an integer from 2 to 16, not 'x'",
        ),
        (
            "blocks: [{preset: INT8, width: 4}]",
            "block 1: 'width' is not a parameter; allowed are preset, family, act_bits, "
            "weight_bits, terms, ifmap_depth, filter_depth, psum_depth, psum_bits, "
            "pipeline_stages, act_signed, multiplier, precision_modes, serial_terms, zero_gating, "
            "scratchpad, period_ps, largest_layer, constraints, weight",
        ),
    ],
)
def test_a_wrong_space_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as error:
        load_space(path)
    assert str(error.value) == f"{path}: {message}"


def test_what_a_block_gives_replaces_what_its_preset_has(tmp_path: Path) -> None:
    path = write(tmp_path, "blocks: [{preset: [INT8, LightPE-2], act_bits: [4, 7]}]")
    designs = {design_of(row) for row in load_space(path).table().to_dict("records")}
    assert designs == {
        PEDesign.preset(name, act_bits=bits) for name in ("INT8", "LightPE-2") for bits in (4, 7)
    }


def test_a_space_without_a_legal_point_says_why(tmp_path: Path) -> None:
    path = write(tmp_path, "blocks: [{family: lightpe, act_bits: 8, weight_bits: 8, terms: 3}]")
    with pytest.raises(InputError) as error:
        load_space(path).table()
    assert str(error.value) == (
        f"{path}: no legal point; the first combination: weight_bits must be one of 6, 9, 12, 15 "
        "for 3 power-of-two terms, not 8"
    )


def test_a_space_whose_constraints_leave_nothing_names_the_one(tmp_path: Path) -> None:
    text = "{preset: [INT8], act_bits: [4, 8], constraints: [act_bits > 4, filter_depth < 224]}"
    path = write(tmp_path, f"blocks: [{text}]")
    with pytest.raises(InputError) as error:
        load_space(path).table()
    assert str(error.value) == (
        f"{path}: no legal point; none of 2 of the first block meets 'filter_depth < 224' and "
        "those before it"
    )


def test_constraints_of_the_file_are_those_of_every_block(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        constraints: [act_bits >= weight_bits]
        blocks:
          - {family: int, act_bits: [4, 8], weight_bits: [4, 8], constraints: [psum_bits < 27]}
          - {family: lightpe, act_bits: [4, 8], weight_bits: [4, 8], terms: 2}
        """,
    )
    table = load_space(path).table()
    pairs = sorted(zip(table["family"], table["act_bits"], table["weight_bits"], strict=True))
    light = [("lightpe", 4, 4), ("lightpe", 8, 4), ("lightpe", 8, 8)]
    assert pairs == [("int", 4, 4), ("int", 8, 4), *light]
    psum_bits = PEDesign(family="int", act_bits=8, weight_bits=8).psum_bits
    assert psum_bits >= 27 > table["psum_bits"][table["family"] == "int"].max()


def test_a_missing_space_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(InputError) as error:
        load_space(path)
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"
