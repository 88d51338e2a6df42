"""What synthesis must not leave behind: each is a failed row with its reason."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from characterize import synthesize
from characterize.campaign import Campaign
from characterize.measurement import Point
from characterize.platform import load_platform
from characterize.store import Store
from rtl_gen.design import PEDesign

pytestmark = pytest.mark.tool

TINY = PEDesign(
    family="pow2", act_bits=3, weight_bits=2, ifmap_depth=3, filter_depth=6, psum_depth=2
)
Module = dict[str, Any]


def a_gate(module: Module) -> tuple[str, Module]:
    """An instance of a two-input gate."""
    return next(
        (name, cell)
        for name, cell in module["cells"].items()
        if cell["type"].startswith("NAND2") and len(cell["connections"]) == 3
    )


def unknown_cell(module: Module) -> str:
    name, cell = a_gate(module)
    cell["type"] = "NAND2_X99"
    return f"cell {name} is a NAND2_X99, which is not in the library"


def open_input(module: Module) -> str:
    name, cell = a_gate(module)
    del cell["connections"]["A1"]
    return f"input A1 of cell {name} ({cell['type']}) is not connected"


def undriven_net(module: Module) -> str:
    name, cell = a_gate(module)
    (bit,) = cell["connections"]["ZN"]
    del module["cells"][name]
    net = next(n for n, entry in module["netnames"].items() if bit in entry["bits"])
    return f"net {net} has no driver"


def two_drivers(module: Module) -> str:
    _, cell = a_gate(module)
    other = {**cell, "connections": dict(cell["connections"])}
    module["cells"]["twin"] = other
    return "net of pin ZN has two drivers"


def constant_pin(module: Module) -> str:
    _, cell = a_gate(module)
    cell["connections"]["A1"] = ["x"]
    return "pin A1 is tied to constant 'x' without a tie cell"


def swapped_inputs(module: Module) -> str:
    """A wrong netlist of right cells: the simulation finds it."""
    flops = [cell["connections"] for cell in module["cells"].values() if "Q" in cell["connections"]]
    sums = [pins for pins in flops if "D" in pins][-8:]
    for first, second in zip(sums[::2], sums[1::2], strict=True):
        first["D"], second["D"] = second["D"], first["D"]
    return ""


@pytest.mark.parametrize(
    "damage", [unknown_cell, open_input, undriven_net, two_drivers, constant_pin, swapped_inputs]
)
def test_a_damaged_netlist_is_a_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Module], str]
) -> None:
    real = synthesize.run_tool
    reason = tmp_path / "reason"

    def damaging(command: list[str], *, folder: Path, **rest: Any) -> str:
        text = real(command, folder=folder, **rest)
        path = folder / "netlist.json"
        netlist = json.loads(path.read_text())
        (module,) = netlist["modules"].values()
        reason.write_text(damage(module))
        path.write_text(json.dumps(netlist))
        return text

    monkeypatch.setattr(synthesize, "run_tool", damaging)
    point = Point(design=TINY, period_ps=2000)
    campaign = Campaign(points=[point], platform=load_platform(), store=Store(tmp_path / "store"))
    (result,) = campaign.run(lambda *_: None)
    assert result.status == "failed"
    assert result.metrics == {}
    expected = reason.read_text()
    if expected:
        assert result.reason == expected
    else:
        assert re.match(
            r"psum \d+ (is|has)|the (simulation|primitive)|\d+ psums|the PE did not", result.reason
        )


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            f"{Path(sys.executable).name} was killed by signal 9: no output",
        ),
        ("print('garbage')", "yosys wrote no netlist"),
        (
            "open('netlist.json', 'w').write('{\"modules\": {}}');open('netlist.v', 'w')",
            "the netlist cannot be read: not enough values to unpack (expected at least 1, got 0)",
        ),
        (
            "open('netlist.json', 'w').write('{\"mod');open('netlist.v', 'w')",
            "the netlist cannot be read: Unterminated string",
        ),
    ],
)
def test_a_synthesis_that_dies_or_writes_garbage_is_a_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, reason: str
) -> None:
    real = synthesize.run_tool

    def breaking(command: list[str], **rest: Any) -> str:
        return real([command[0], "-c", broken], **rest)

    monkeypatch.setattr(synthesize, "run_tool", breaking)
    point = Point(design=TINY, period_ps=2000)
    campaign = Campaign(points=[point], platform=load_platform(), store=Store(tmp_path / "store"))
    (result,) = campaign.run(lambda *_: None)
    assert result.status == "failed"
    assert result.reason.startswith(reason)
