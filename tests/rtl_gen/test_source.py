"""Which code a result depends on."""

from __future__ import annotations

from pathlib import Path

import rtl_gen
from rtl_gen.source import code_digest, with_imports


def test_a_module_comes_with_what_it_imports(tmp_path: Path) -> None:
    package = tmp_path / "own"
    package.mkdir()
    for name, text in {
        "a": "from own.b import x\nimport json\n",
        "b": "from own import c\n",
        "c": "def f():\n    import own.d\n",
        "d": "from other.e import y\n",
        "e": "",
        "f": "from own.a import z\n",
    }.items():
        (package / f"{name}.py").write_text(text)
    assert [path.stem for path in with_imports(package / "a.py")] == ["a", "b", "c", "d"]


def test_hardware_depends_on_what_makes_it_and_on_no_list_of_points() -> None:
    here = Path(rtl_gen.__file__ or "").parent
    found = {path.stem for path in with_imports(here / "pe.py")}
    assert {"pe", "arithmetic", "controller", "design", "multiplier", "scratchpad",
            "split_multiplier", "floating_point"} <= found  # fmt: skip
    assert not {"space", "plan", "encode", "traces", "export"} & found


def test_comments_and_layout_do_not_count(tmp_path: Path) -> None:
    one, other, third = (tmp_path / f"{name}.py" for name in "abc")
    one.write_text('"""A."""\nx = 1  # one\n')
    other.write_text('"""B."""\n\n\nx = (\n    1\n)\n')
    third.write_text('"""A."""\nx = 2\n')
    assert code_digest(one) == code_digest(other) != code_digest(third)
