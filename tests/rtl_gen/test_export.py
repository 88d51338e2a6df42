"""What is handed over: the same bytes anywhere, no initial values, complete."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from rtl_gen import selftest
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.diagram import diagram_svg
from rtl_gen.errors import InputError
from rtl_gen.export import manifest, ports, sdc_text, verilog_text, write_rtl
from rtl_gen.fusesoc import core_text

_PRINT_DIGESTS = """
import hashlib, pathlib, sys
from rtl_gen.design import PEDesign
from rtl_gen.export import write_rtl
for path in write_rtl(PEDesign.preset("LightPE-2"), pathlib.Path(sys.argv[1]), 2000):
    print(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", _PRINT_DIGESTS, str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = write_rtl(PEDesign.preset("LightPE-2"), tmp_path / "here", 2000)
    mine = "".join(f"{p.name} {hashlib.sha256(p.read_bytes()).hexdigest()}\n" for p in here)
    assert printed == {mine}


OPTIONS = [
    {"family": "int", "act_bits": 8, "weight_bits": 8, "precision_modes": 3, "zero_gating": True},
    {"family": "int", "act_bits": 6, "weight_bits": 8, "scratchpad": "latch", "act_signed": False},
    {"family": "int", "act_bits": 8, "weight_bits": 8, "scratchpad": "sram"},
    {"family": "lightpe", "act_bits": 8, "weight_bits": 12, "terms": 3, "serial_terms": True},
]
DESIGNS = [PEDesign.preset(name) for name in PRESETS] + [
    PEDesign.from_dict(options) for options in OPTIONS
]


@functools.cache
def files_of(design: PEDesign) -> dict[str, str]:
    """What ``write_rtl`` writes, by the ends of the names behind the design's; 1500 ps."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_rtl(design, Path(folder, "out"), 1500)
        assert sorted(paths) == sorted(Path(folder, "out").iterdir())
        return {path.name.removeprefix(design.name): path.read_text() for path in paths}


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_verilog_has_the_ports_of_the_manifest_and_no_initial_value(design: PEDesign) -> None:
    verilog = files_of(design)[".v"]
    top = verilog[verilog.index(f"module {design.name}(") :]
    top = top[: top.index("endmodule")]
    declared = re.findall(r"^  (input|output) (?:signed )?(?:\[(\d+):0\] )?(\w+);", top, re.M)
    assert {(d, int(high or 0) + 1, n) for d, high, n in declared} == {
        (port["direction"], port["width"], port["name"]) for port in ports(design)
    }
    assert "initial" not in verilog
    assert not re.search(r"\breg\b[^;]*=", verilog)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_every_module_that_is_used_is_there(design: PEDesign) -> None:
    verilog = files_of(design)[".v"]
    defined = re.findall(r"^module (\S+?) ?[(#]", verilog, re.M)
    used = re.findall(r"^  (\\?\w[\w.$]+) +(?:#\(|\\?[\w.$]+ +\($)", verilog, re.M)
    assert len(used) >= 5
    assert len(set(defined)) == len(defined)
    assert set(defined) == {*used, design.name}


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_all_files_are_written_and_listed(design: PEDesign) -> None:
    written = files_of(design)
    assert list(written) == [".v", "_tb.v", ".sdc", ".json", ".core", ".svg"]
    assert list(manifest(design, 1500)["files"].values()) == [design.name + end for end in written]
    assert json.loads(written[".json"]) == manifest(design, 1500)
    assert written["_tb.v"] == selftest.testbench_text(design)
    assert written[".sdc"] == sdc_text(ports(design), 1500)
    assert written[".core"] == core_text(design)
    assert written[".svg"] == diagram_svg(design)


def test_verilog_is_what_verilog_text_gives() -> None:
    design = PEDesign.preset("INT4")
    assert files_of(design)[".v"] == verilog_text(design)
    assert verilog_text(design).startswith(
        f"// peforge processing element {design.digest}\n// {design.to_json()}\n"
    )


def test_constraints_give_the_outside_a_fifth_of_the_period() -> None:
    lines = sdc_text(ports(PEDesign.preset("INT4")), 1500).splitlines()
    assert lines[0] == "create_clock -name clk -period 1.5000 [get_ports clk]"
    assert lines[1].startswith(
        "set_input_delay 0.3000 -clock clk [get_ports {rst config__payload[*]"
    )
    assert lines[2].startswith(
        "set_output_delay 0.3000 -clock clk [get_ports {config__ready filter_"
    )
    assert len(lines) == 3


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_the_core_names_files_that_are_written_and_modules_that_are_in_them(
    design: PEDesign,
) -> None:
    written = files_of(design)
    text = written[".core"]
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text.removeprefix("CAPI=2:\n"))
    # Vendor, library, name and version as FuseSoC reads them.
    assert re.fullmatch(r"peforge:pe:[\w-]+:\d+\.\d+\.\d+", core["name"])
    assert core["name"].split(":")[2] == design.name
    assert set(core["targets"]) == {"default", "sim", "sim_verilator", "lint", "synth"}
    for target in core["targets"].values():
        files = [file for name in target["filesets"] for file in core["filesets"][name]["files"]]
        texts = [written[file.removeprefix(design.name)] for file in files]
        assert re.search(rf"^module {target['toplevel']}[;(]", "".join(texts), re.M)
    constraints = core["filesets"]["constraints"]
    assert constraints == {"files": [f"{design.name}.sdc"], "file_type": "SDC"}


def test_config_fields_are_named_by_the_letters_of_the_formulas() -> None:
    fields = manifest(PEDesign.preset("INT8"), 2000)["config_fields"]
    assert [(field["name"], field["width"]) for field in fields] == [
        ("S - 1", 6), ("G - 1", 6), ("p - 1", 6), ("F - 1", 12), ("V - 1", 6), ("depthwise", 1),
        ("keep_filter", 1), ("chain", 1), ("mode", 2), ("filters_2", 7), ("filters_3", 7),
    ]  # fmt: skip
    assert sum(field["width"] for field in fields) == ports(PEDesign.preset("INT8"))[2]["width"]


def test_modes_give_the_operand_bandwidth() -> None:
    design = PEDesign.preset("INT16", precision_modes=3)
    keys = ("products_per_cycle", "ifmap_bits_per_cycle", "filter_bits_per_cycle")
    modes = manifest(design, 2000)["modes"]
    assert [tuple(mode[key] for key in keys) for mode in modes] == [
        (1, 16, 16),
        (2, 32, 16),
        (4, 32, 32),
    ]
    words = manifest(design, 2000)["words"]
    assert (words["ifmap"]["bits"], words["filter"]["bits"]) == (32, 32)
    assert words["filter"]["holds"].endswith(
        "in modes of 16 bits a cycle, those of two following steps, the first in the lower half"
    )


TERM = (
    "a term is a sign bit above a field m: 0 if m is 0, else 2**(m - 1), negative if the sign is 1"
)


@pytest.mark.parametrize(
    ("name", "arithmetic", "weight"),
    [
        ("INT8", "multiplication, exact", "two's complement, 8 bits"),
        ("LightPE-1", "one shift, exact", f"one term of 4 bits; {TERM}"),
        ("LightPE-2", "2 shifts, added, exact",
         f"the sum of 2 terms of 4 bits, the first in the lowest bits; {TERM}"),
        ("BF16", "multiplication and addition, each rounded", "bfloat16"),
        ("FP32", "multiplication and addition, each rounded", "binary32"),
    ],
)  # fmt: skip
def test_arithmetic_and_codes_are_explained(name: str, arithmetic: str, weight: str) -> None:
    design = PEDesign.preset(name)
    numbers = manifest(design, 2000)["numbers"]
    assert numbers["arithmetic"] == arithmetic
    assert numbers["weight"] == weight
    overflow = "infinity" if design.family == "fp" else "sums wrap around; nothing saturates"
    assert numbers["overflow"] == overflow


def test_serial_terms_are_explained() -> None:
    told = manifest(PEDesign.preset("LightPE-2", serial_terms=True), 2000)
    assert told["numbers"]["arithmetic"] == (
        "one shift a cycle, the terms of a weight one after the other, exact"
    )
    assert told["words"]["filter"] == {
        "bits": 4,
        "holds": "one term of a weight; filters with more terms come first",
        "order": "s, c, f, t, the last fastest; none with keep_filter",
    }
    assert told["modes"][0]["filter_bits_per_cycle"] == 4


def test_floating_point_is_explained() -> None:
    numbers = manifest(PEDesign.preset("BF16"), 2000)["numbers"]
    assert numbers["sum"] == "binary32"
    assert numbers["operand_fields"] == "sign, 8 exponent bits, 7 fraction bits"
    assert numbers["rounding"].startswith("to nearest, ties to even")
    assert numbers["subnormal_numbers"] == "count as zero of their sign, and results become that"
    assert numbers["nan"] == "one quiet NaN, 0x7fc00000"
    assert numbers["max_accumulations"] is None


def test_signs_of_activations_are_told() -> None:
    for signed, text in ((True, "two's complement, 8 bits"), (False, "unsigned, 8 bits")):
        numbers = manifest(PEDesign.preset("INT8", act_signed=signed), 2000)["numbers"]
        assert numbers["activation"] == text


def test_the_model_of_a_macro_must_be_replaced() -> None:
    scratchpads = manifest(PEDesign.preset("INT8", scratchpad="sram"), 2000)["scratchpads"]
    assert scratchpads["filter"] == {
        "words": 224,
        "bits": 8,
        "stored_in": "a macro with one port; the Verilog has a model of it, which must be replaced "
        "by the macro of the process",
        "module": "peforge_sram_224x8",
    }
    assert scratchpads["psum"]["stored_in"] == "flip-flops"
    latches = manifest(PEDesign.preset("INT8", scratchpad="latch"), 2000)["scratchpads"]
    assert {pad["stored_in"].partition(";")[0] for pad in latches.values()} == {
        "latches behind clock gates"
    }


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        write_rtl(PEDesign.preset("INT4"), tmp_path / "file", 2000)
    assert str(error.value).endswith(": cannot be written: a file is where a folder is needed")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_written_where_one_file_cannot_be(tmp_path: Path) -> None:
    design = PEDesign.preset("INT4")
    (tmp_path / f"{design.name}.svg").mkdir()
    with pytest.raises(InputError) as error:
        write_rtl(design, tmp_path, 2000)
    assert str(error.value).endswith(f"/{design.name}.svg: cannot be written: it is not a file")
    assert [path.name for path in tmp_path.iterdir()] == [f"{design.name}.svg"]
    with pytest.raises(InputError) as error:
        write_rtl(design, tmp_path / ("a" * 300), 2000)
    assert str(error.value).endswith(f"{design.name}.v: cannot be written: File name too long")
