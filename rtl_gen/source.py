"""A digest of Python code, so that a result can tell which code it came from."""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path


@functools.cache
def code_digest(*paths: Path) -> str:
    """SHA-256 of what these source files do: comments, docstrings and layout do not count."""
    return hashlib.sha256("\n".join(map(_code, paths)).encode()).hexdigest()


@functools.cache
def with_imports(*paths: Path) -> tuple[Path, ...]:
    """These modules of a package, and those of the same package that they import, and so on."""
    found, left = set(paths), list(paths)
    while left:
        path = left.pop()
        for name in _imported(path):
            other = path.parent / f"{name}.py"
            if other.is_file() and other not in found:
                found.add(other)
                left.append(other)
    return tuple(sorted(found))


def _imported(path: Path) -> set[str]:
    """Modules of its own package that a file imports."""
    package = path.parent.name
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            top, _, module = node.module.partition(".")
            if top == package:
                names |= {module} if module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            parts = (alias.name.partition(".") for alias in node.names)
            names |= {module for top, _, module in parts if top == package}
    return names


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        text = body[0].value
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            text.value = ""
    return ast.dump(tree)
