"""Gates against RTL: proofs that can fail, and the evaluation of netlists by the million."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from characterize.datapath_check import check_adder, check_datapath, prove_datapath
from characterize.equivalence import (
    GateSimulator,
    from_bits,
    prove_equal,
    synthesize_component,
    to_bits,
)
from characterize.platform import Platform, load_platform
from characterize.process import StepError
from rtl_gen import fp_golden
from rtl_gen.arithmetic import Datapath
from rtl_gen.design import PEDesign
from rtl_gen.export import component_rtlil
from rtl_gen.multiplier import Multiplier

# Every multiplier to 8 x 8, and every kind of shift datapath.
PROVEN: list[dict[str, Any]] = [
    *(
        {"family": "int", "act_bits": bits, "weight_bits": bits, "multiplier": multiplier}
        for bits in (2, 5)
        for multiplier in ("synth", "booth", "array")
    ),
    {"family": "int", "act_bits": 8, "weight_bits": 8, "multiplier": "booth"},
    {"family": "int", "act_bits": 8, "weight_bits": 8, "multiplier": "array"},
    {"family": "int", "act_bits": 7, "weight_bits": 8, "act_signed": False, "multiplier": "array"},
    {"family": "int", "act_bits": 16, "weight_bits": 16, "multiplier": "booth"},
    {"family": "int", "act_bits": 8, "weight_bits": 8, "precision_modes": 3},
    {"family": "pow2", "act_bits": 16, "weight_bits": 5},
    {"family": "lightpe", "act_bits": 8, "weight_bits": 8, "terms": 2},
    {"family": "lightpe", "act_bits": 16, "weight_bits": 15, "terms": 3, "act_signed": False},
    {"family": "lightpe", "act_bits": 8, "weight_bits": 8, "terms": 2, "serial_terms": True},
]


@pytest.fixture(scope="module")
def platform() -> Platform:
    """The default one."""
    return load_platform()


@pytest.mark.parametrize("values", PROVEN, ids=lambda values: PEDesign.from_dict(values).name)
def test_gates_are_proven_to_be_their_rtl(
    values: dict[str, Any], platform: Platform, tmp_path: Path
) -> None:
    proof = prove_datapath(tmp_path, PEDesign.from_dict(values), platform, timeout_s=120)
    assert proof.outcome == "proven"


def test_a_wrong_gate_has_a_counterexample(platform: Platform, tmp_path: Path) -> None:
    """One AND gate of the netlist becomes an OR gate."""
    design = PEDesign.preset("INT4")
    synthesize_component(tmp_path, Datapath(design, registered=False), platform)
    netlist = (tmp_path / "netlist.v").read_text()
    wrong, count = re.subn(r"\bAND2_X1\b", "OR2_X1", netlist, count=1)
    assert count == 1
    (tmp_path / "netlist.v").write_text(wrong)
    proof = prove_equal(tmp_path)
    assert proof.outcome == "different"
    assert "in_act" in proof.counterexample


def test_gates_are_held_against_another_description(platform: Platform, tmp_path: Path) -> None:
    """Booth's gates against a plain product, and against an unsigned one, which they are not."""
    shapes = {"a": 6, "b": 6, "registered": False}
    synthesize_component(tmp_path, Multiplier(**shapes, architecture="booth"), platform)
    plain = component_rtlil(Multiplier(**shapes, architecture="synth"), "top")
    (tmp_path / "plain.il").write_text(plain)
    assert prove_equal(tmp_path, reference="plain.il").outcome == "proven"


@pytest.mark.parametrize(
    "values",
    [
        {"name": "INT16"},
        {"name": "INT16", "precision_modes": 3, "multiplier": "array"},
        {"name": "INT8", "act_signed": False, "precision_modes": 2},
        {"name": "LightPE-2", "act_signed": False},
        {"name": "BF16"},
        {"name": "BF16", "psum_bits": 16, "multiplier": "booth"},
        {"name": "FP32"},
    ],
    ids=str,
)
def test_a_million_vectors_give_the_golden_products(
    values: dict[str, Any], platform: Platform, tmp_path: Path
) -> None:
    design = PEDesign.preset(**values)
    checked = check_datapath(tmp_path, design, platform, vectors=1_000_000)
    assert checked.vectors == 1_000_000 * design.precision_modes


@pytest.mark.parametrize("bits", [16, 32])
def test_a_million_vectors_give_the_golden_sums(
    bits: int, platform: Platform, tmp_path: Path
) -> None:
    assert check_adder(tmp_path, bits, platform, vectors=1_000_000).cells > 300


def test_vectors_find_a_wrong_product(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that rounds where the model does not: the operands are named."""
    exact = fp_golden.multiply

    def without_ties(*arguments: Any) -> Any:
        bits = exact(*arguments)
        return np.where(bits % 64 == 0, bits ^ 1, bits)

    monkeypatch.setattr(fp_golden, "multiply", without_ties)
    with pytest.raises(StepError) as error:
        check_datapath(tmp_path, PEDesign.preset("BF16"), platform, vectors=1000)
    number = "0x[0-9a-f]+"
    assert re.fullmatch(
        f"act {number}, weight {number}: the gates give {number}, the golden model says {number}",
        str(error.value),
    )


def test_only_logic_can_be_evaluated(platform: Platform, tmp_path: Path) -> None:
    unit = Multiplier(a=4, b=4, architecture="synth", registered=True)
    netlist = synthesize_component(tmp_path, unit, platform)
    with pytest.raises(StepError) as error:
        GateSimulator(netlist, platform)
    assert re.fullmatch(r"cell \w+ has state: only logic can be evaluated", str(error.value))


def test_numbers_and_bits_are_each_other() -> None:
    numbers = np.random.default_rng(0).integers(0, 1 << 40, 128)
    bits = to_bits("x", numbers, 40)
    assert len(bits) == 40
    assert from_bits("x", bits, 40).tolist() == numbers.tolist()
    with pytest.raises(StepError) as error:
        from_bits("x", bits, 41)
    assert str(error.value) == "output x[40] is not driven"
