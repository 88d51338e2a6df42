"""What is handed over: the same bytes anywhere, no initial values, complete."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.errors import InputError
from rtl_gen.export import manifest, ports, sdc_text, write_rtl

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


@pytest.mark.parametrize("name", PRESETS)
def test_verilog_has_the_ports_of_the_manifest_and_no_initial_value(
    name: str, tmp_path: Path
) -> None:
    design = PEDesign.preset(name)
    verilog, sdc, listed = (path.read_text() for path in write_rtl(design, tmp_path, 1500))
    top = verilog[verilog.index(f"module {design.name}(") :]
    top = top[: top.index("endmodule")]
    declared = re.findall(r"^  (input|output) (?:signed )?(?:\[(\d+):0\] )?(\w+);", top, re.M)
    assert {(d, int(high or 0) + 1, n) for d, high, n in declared} == {
        (port["direction"], port["width"], port["name"]) for port in ports(design)
    }
    assert "initial" not in verilog
    assert not re.search(r"\breg\b[^;]*=", verilog)
    assert json.loads(listed) == manifest(design, 1500)
    assert sdc == sdc_text(design, 1500)
    assert "create_clock -name clk -period 1.5000 [get_ports clk]" in sdc
    assert "set_input_delay 0.3000" in sdc


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        write_rtl(PEDesign.preset("INT4"), tmp_path / "file", 2000)
    assert str(error.value).endswith(": cannot be written: a file is where a folder is needed")
