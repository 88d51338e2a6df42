"""Shell scripts in place of tools."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def put_program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> Path:
    """A shell script as the first program of this name on PATH; its file."""
    path = folder / name
    folder.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return path
