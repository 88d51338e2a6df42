"""What is handed over of an array: complete, the same bytes anywhere, and it checks itself."""

from __future__ import annotations

import json
import re
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from characterize.lint import lint
from rtl_gen.array.compiler import Tiling
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.floor_plan import floor_plan_svg
from rtl_gen.array.handover import write_array
from rtl_gen.array.interface import array_ports, bank_bits
from rtl_gen.array.layer import Layer
from rtl_gen.array.manifest import FILES
from rtl_gen.array.operands import small_layer
from rtl_gen.array.register_text import markdown_text, register_names, systemrdl_text
from rtl_gen.array.registers import register_map
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

SMALL = {"filter_depth": 32}
DESIGN = ArrayDesign.preset("tiny-2x2", PEDesign.preset("INT8", **SMALL))
GROUPED = Layer(
    channels=6, height=6, width=6, filters=9, filter_height=4, filter_width=2,
    padding=(1, 0, 1, 1), groups=3,
)  # fmt: skip
DEPTHWISE = Layer(
    channels=6, height=6, width=6, filters=12, filter_height=3, filter_width=2, stride=2,
    padding=(1, 0, 1, 1), groups=6,
)  # fmt: skip


def preset(name: str, array: str = "tiny-2x2", **changes: Any) -> ArrayDesign:
    return ArrayDesign.preset(array, PEDesign.preset(name, **SMALL), **changes)


#: Every family, several runs, groups, depthwise; None for the layer that comes unasked.
CASES: list[tuple[ArrayDesign, Layer | None]] = [
    (DESIGN, None),
    (preset("BF16", rows=1, columns=1), None),
    (
        ArrayDesign.preset(
            "tiny-2x2", PEDesign.preset("INT4", ifmap_depth=1, filter_depth=1, psum_depth=1),
            rows=3, psum_words=16,
        ),
        None,
    ),
    (preset("LightPE-2", rows=4, columns=3, psum_buses=2, filter_buses=4, ifmap_buses=8), None),
    (preset("INT8", "tiny-3x3", psum_words=160), DEPTHWISE),
    (preset("BF16", "tiny-3x3", psum_words=80), GROUPED),
]  # fmt: skip


def run(folder: Path, design: ArrayDesign, *plusargs: str) -> subprocess.CompletedProcess[str]:
    """The bench, as the manifest says."""
    told = json.loads((folder / f"{design.name}.json").read_text())["testbench"]
    compiled = subprocess.run(
        told["compile"].replace("-g2005", "-g2005 -Wall -Wno-timescale").split(),
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (compiled.returncode, compiled.stderr) == (0, "")
    return subprocess.run(
        [*told["run"].split(), *plusargs], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.tool
@pytest.mark.parametrize(("design", "layer"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_the_bench_passes_in_as_many_cycles_as_the_model_says(
    design: ArrayDesign, layer: Layer | None, tmp_path: Path
) -> None:
    write_array(design, tmp_path, 2000, layer=layer)
    told = json.loads((tmp_path / f"{design.name}.json").read_text())["layer"]
    ran = run(tmp_path, design)
    assert ran.returncode == 0
    assert re.fullmatch(rf"PASS: \d+ sums, {told['cycles']} cycles\n", ran.stdout), ran.stdout
    stalled = run(tmp_path, design, "+stall=40", "+seed=3")
    assert stalled.stdout.startswith("PASS: ")
    assert stalled.stdout != ran.stdout


@pytest.mark.tool
def test_the_bench_fails_where_a_word_is_another(tmp_path: Path) -> None:
    write_array(DESIGN, tmp_path, 2000)
    path = tmp_path / f"{DESIGN.name}_data" / "run0_psum0.expected"
    words = path.read_text().splitlines()
    words[5] = f"{int(words[5], 16) ^ 1:x}"
    path.write_text("\n".join(words) + "\n")
    ran = run(tmp_path, DESIGN)
    assert ran.returncode == 1
    assert re.fullmatch(
        rf"FAIL: run 0: word 5 of psum0 is \w{{7}}, not 0*{words[5]}\n", ran.stdout
    ), ran.stdout


@pytest.mark.tool
@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("words", 0, r"FAIL: run 0 takes \d+ cycles, not 0"),
        ("registers", 2, "FAIL: run 0 ends after 4 cycles with status 4"),
    ],
)
def test_the_bench_fails_on_other_cycles_and_on_what_is_refused(
    file: str, line: int, said: str, tmp_path: Path
) -> None:
    write_array(DESIGN, tmp_path, 2000)
    path = tmp_path / f"{DESIGN.name}_data" / f"run0_{file}.hex"
    lines = path.read_text().splitlines()
    lines[line] = "0" if file == "words" else lines[line][:-2] + "3f"
    path.write_text("\n".join(lines) + "\n")
    ran = run(tmp_path, DESIGN)
    assert ran.returncode == 1
    assert re.fullmatch(f"{said}\n", ran.stdout), ran.stdout


@pytest.mark.parametrize(("design", "layer"), [CASES[0], CASES[5]], ids=["int", "fp"])
def test_verilog_and_bench_are_clean(
    design: ArrayDesign, layer: Layer | None, tmp_path: Path
) -> None:
    write_array(design, tmp_path, 2000, layer=layer)
    assert lint(tmp_path, f"{design.name}.v") == []
    assert lint(tmp_path, f"{design.name}.v", f"{design.name}_tb.v", timing=True) == []


def test_all_files_are_written_and_listed_and_the_same_again(tmp_path: Path) -> None:
    first, second = (write_array(DESIGN, tmp_path / name, 1500, seed=7) for name in "ab")
    assert [path.name for path in first[: len(FILES)]] == [DESIGN.name + e for e in FILES.values()]
    assert sorted(p for p in (tmp_path / "a").rglob("*") if p.is_file()) == sorted(first)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one
    told = json.loads((tmp_path / "a" / f"{DESIGN.name}.json").read_text())
    assert ArrayDesign.from_dict(told["design"]) == DESIGN
    listed = [*(told["files"][what] for what in FILES), *told["files"]["testbench_data"]]
    assert [str(path.relative_to(tmp_path / "a")) for path in first] == listed
    assert [(b["name"], b["words"], b["bits"]) for b in told["banks"]] == [
        ("ifmap0", 4096, 8), ("filter0", 4096, 8), ("psum0", 4096, 28), ("scale0", 256, 51),
    ]  # fmt: skip
    other = write_array(DESIGN, tmp_path / "c", 1500, seed=8)
    changed = {
        a.name for a, b in zip(first, other, strict=True) if a.read_bytes() != b.read_bytes()
    }
    assert changed >= {"run0_ifmap0.hex", "run0_filter0.hex", "run0_psum0.expected"}
    assert f"{DESIGN.name}.v" not in changed


def test_verilog_has_the_ports_of_the_manifest(tmp_path: Path) -> None:
    for design in (DESIGN, CASES[1][0], CASES[3][0]):
        write_array(design, tmp_path, 2000)
        verilog = (tmp_path / f"{design.name}.v").read_text()
        top = verilog[verilog.index(f"module {design.name}(") :]
        top = top[: top.index("endmodule")]
        declared = re.findall(r"^  (input|output) (?:signed )?(?:\[(\d+):0\] )?(\w+);", top, re.M)
        assert {(d, int(high or 0) + 1, n) for d, high, n in declared} == {
            (port["direction"], port["width"], port["name"]) for port in array_ports(design)
        }
        assert "initial" not in verilog


def test_constraints_and_core(tmp_path: Path) -> None:
    write_array(DESIGN, tmp_path, 1500)
    lines = (tmp_path / f"{DESIGN.name}.sdc").read_text().splitlines()
    assert lines[0] == "create_clock -name clk -period 1.5000 [get_ports clk]"
    assert lines[1].startswith(
        "set_input_delay 0.3000 -clock clk [get_ports {rst write_address[*] write_word[*]"
    )
    assert lines[2].startswith(
        "set_output_delay 0.3000 -clock clk [get_ports {read_word[*] busy ifmap0_request__payload"
    )
    core = yaml.safe_load((tmp_path / f"{DESIGN.name}.core").read_text().removeprefix("CAPI=2:\n"))
    assert core["name"] == f"peforge:array:{DESIGN.name}:0.1.0"
    for target in core["targets"].values():
        for name in target["filesets"]:
            for file in core["filesets"][name]["files"]:
                assert (tmp_path / (file if isinstance(file, str) else next(iter(file)))).exists()
    copied = core["filesets"]["data"]["files"]
    assert {path: {"copyto": path} for file in copied for path in file} == {
        path: told for file in copied for path, told in file.items()
    }
    assert core["targets"]["sim"]["filesets"] == ["rtl", "tb", "data"]


def read_systemrdl(text: str) -> dict[str, tuple[str, int, int, str, str]]:
    """Fields of one address map: register, byte offset, lowest bit, width... by name."""
    text = re.sub(r"//[^\n]*", "", text)
    body = re.fullmatch(r"\s*addrmap (\w+) \{(.*)\};\s*", text, re.S)
    assert body is not None
    result = {}
    rest = body[2]
    for register in re.finditer(r"reg \{(.*?)\n    \} (\w+) @ (0x[0-9a-f]+);", body[2], re.S):
        rest = rest.replace(register[0], "")
        inner = register[1]
        for field in re.finditer(
            r'field \{ sw = (\w+); hw = (\w+);( singlepulse;)?\s+desc = "([^"]*)";\s*'
            r"\} (\w+)\[(\d+):(\d+)\] = (\d+)'h0;",
            inner,
        ):
            inner = inner.replace(field[0], "")
            low, width = int(field[7]), int(field[6]) - int(field[7]) + 1
            assert int(field[8]) == width
            assert (field[2], bool(field[3])) == ("w" if field[1] == "r" else "r", field[1] == "w")
            result[field[5]] = (register[2], int(register[3], 16), low, field[1], field[4])
        assert inner.strip() == ""
    assert [line.split()[0] for line in rest.strip().splitlines() if line.strip()] == [
        "name", "desc", "default", "default", "addressing",
    ]  # fmt: skip
    return result


@pytest.mark.parametrize("buses", [1, 8])
def test_both_texts_have_every_field_of_the_register_map(buses: int) -> None:
    design = preset("INT8", rows=8, columns=8, ifmap_buses=buses)
    fields, names = register_map(design), register_names(design)
    assert len(set(names.values())) == len(names)
    read = read_systemrdl(systemrdl_text(design))
    assert list(read) == [field.name for field in fields]
    table = markdown_text(design)
    for field in fields:
        access = "w" if field.name in ("start", "stop") else "r" if field.read_only else "rw"
        assert read[field.name] == (
            names[field.address], 4 * field.address, field.low, access, field.what,
        )  # fmt: skip
        high = field.low + field.bits - 1
        bits = high if field.bits == 1 else f"{high}..{field.low}"
        assert f"| `{field.name}` | {bits} | {access} | {field.what} |\n" in table


def test_the_plan_shows_every_pe_and_every_bank() -> None:
    for design in (DESIGN, ArrayDesign.preset("eyeriss-like"), CASES[1][0]):
        root = ET.fromstring(floor_plan_svg(design))
        svg = "{http://www.w3.org/2000/svg}"
        boxes = [rect.get("class") for rect in root.iter(f"{svg}rect")]
        legend = 1
        assert boxes.count("pe") == design.rows * design.columns + legend
        assert boxes.count("bank") == len(bank_bits(design)) + legend
        assert boxes.count("stage") == design.psum_buses + legend
        texts = [text.text for text in root.iter(f"{svg}text")]
        for name, (words, bits) in bank_bits(design).items():
            assert texts[texts.index(name) + 1] == f"{words:,} x {bits} bits"
        height, width = (float(root.attrib[side]) for side in ("height", "width"))
        for rect in root.iter(f"{svg}rect"):
            x, y, w, h = (float(rect.attrib[side]) for side in ("x", "y", "width", "height"))
            assert 0 <= x <= x + w <= width
            assert 0 <= y <= y + h <= height


def test_a_layer_that_does_not_fit_leaves_no_files(tmp_path: Path) -> None:
    tiling = Tiling(filters=1, channels=1, filter_rows=3, sets=1, columns=2)
    with pytest.raises(InputError) as error:
        write_array(DESIGN, tmp_path / "out", 2000, layer=small_layer(DESIGN), tiling=tiling)
    assert str(error.value) == "tiling: filter_rows x sets must be at most rows = 2, not 3"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_where_one_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / f"{DESIGN.name}.rdl").mkdir()
    with pytest.raises(InputError) as error:
        write_array(DESIGN, tmp_path, 2000)
    assert str(error.value).endswith(f"/{DESIGN.name}.rdl: cannot be written: it is not a file")
    assert [path.name for path in tmp_path.iterdir()] == [f"{DESIGN.name}.rdl"]


def test_a_large_array_is_written_in_a_minute_or_two(tmp_path: Path) -> None:
    design = ArrayDesign.preset("eyeriss-like", PEDesign.preset("INT8", **SMALL))
    begin = time.monotonic()
    write_array(design, tmp_path, 2000)
    assert time.monotonic() - begin < 180  # 15 s on an idle machine
