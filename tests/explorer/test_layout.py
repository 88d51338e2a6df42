"""The picture of a layout: every cell in its group, errors before anything is measured."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from characterize.layout_def import DefDesign, PlacedCell, Port
from characterize.platform import Platform, load_platform
from explorer.layout_plot import COLOURS, draw_layout, group_of
from rtl_gen.errors import InputError
from tests.explorer.test_cli import peforge


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform()


CELLS = {
    "n1": ("NAND2_X1", "logic"),
    "n2": ("DFF_X1", "register"),
    "n3": ("DLH_X1", "register"),
    "n4": ("CLKGATE_X2", "clock_gate"),
    "ctb7": ("CLKBUF_X3", "clock_tree"),
    "buf12": ("BUF_X4", "buffer"),
    "hold3": ("BUF_X1", "hold buffer"),
    "tap": ("WELLTAP_X1", "logic"),
}


@pytest.mark.parametrize(("instance", "kind", "group"), [(n, *c) for n, c in CELLS.items()])
def test_cells_are_grouped(platform: Platform, instance: str, kind: str, group: str) -> None:
    assert group_of(instance, kind, platform) == group
    assert group in COLOURS


def test_every_cell_is_drawn(platform: Platform, tmp_path: Path) -> None:
    cells = {
        name: PlacedCell(kind=kind, x_um=5.0 * index, y_um=1.4, orientation="N")
        for index, (name, (kind, _)) in enumerate(CELLS.items())
    }
    ports = {"clk": Port(is_input=True, x_um=0, y_um=3)}
    design = DefDesign(
        name="top", width_um=40, height_um=4.2, cells=cells, ports=ports, nets={"clk": ()}
    )
    draw_layout(design, platform, tmp_path / "a.svg", "a title")
    picture = (tmp_path / "a.svg").read_text()
    for text in ("a title", "logic (2)", "register (2)", "clock gate (1)", "hold buffer (1)"):
        assert text in picture
    assert "memory" not in picture
    with pytest.raises(InputError) as error:
        draw_layout(design, platform, tmp_path / "a.txt", "")
    assert str(error.value) == (f"{tmp_path}/a.txt: a picture must end in one of .png, .svg, .pdf")


@pytest.mark.tool
def test_the_command_measures_and_draws(tmp_path: Path) -> None:
    design = ["--family", "pow2", "--act-bits", "3", "--weight-bits", "2", "--ifmap-depth", "3"]
    design += ["--filter-depth", "6", "--psum-depth", "2"]
    run = peforge("layout", *design, "-o", "a.png", "--store", "s", "--json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with zipfile.ZipFile(tmp_path / said["entry"]) as entry:
        assert entry.read("layout.def").startswith(b"VERSION")
    assert said["cells"] > 100
    for arguments, message in (
        (["-o", "a.jpg"], "a.jpg: a picture must end in one of .png, .svg, .pdf"),
        (
            ["-o", "b.png", "--flow", "x"],
            "flow must be one of placed, openroad, openroad-detailed, not 'x'",
        ),
    ):
        run = peforge("layout", *design, *arguments, cwd=tmp_path)
        assert (run.returncode, run.stderr) == (2, f"peforge: error: {message}\n")
