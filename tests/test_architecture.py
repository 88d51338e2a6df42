"""Packages import in one direction only: rtl_gen <- characterize <- surrogate <- explorer."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ORDER = ("rtl_gen", "characterize", "surrogate", "explorer")
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_those_before_it(package: str) -> None:
    later = set(ORDER[ORDER.index(package) + 1 :])
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & later, path


def test_models_and_plain_data_import_no_amaranth() -> None:
    """Nor does anything that they import: they run where no hardware is made."""
    models = [
        "design", "space", "golden", "fp_golden", "packing", "streams", "operands", "encode",
        "requantize", "array.design", "array.layer", "array.compiler", "array.model",
        "array.registers", "array.register_text", "array.interface",
        "array.operands", "array.testbench", "array.floor_plan",
    ]  # fmt: skip
    script = "import sys; " + "; ".join(f"import rtl_gen.{name}" for name in models)
    script += "; sys.exit('amaranth' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
