"""Packages import in one direction only: rtl_gen <- characterize <- surrogate <- explorer."""

from __future__ import annotations

import ast
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


def test_the_golden_model_and_the_design_import_no_amaranth() -> None:
    for name in ("golden", "design"):
        assert "amaranth" not in (ROOT / "rtl_gen" / f"{name}.py").read_text().lower().replace(
            "imports no amaranth", ""
        ).replace("nothing here imports amaranth", "")
