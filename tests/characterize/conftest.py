"""One scratchpad alone, taken through the flow once for all tests that look at it."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from characterize import power_library
from characterize.platform import load_platform


@pytest.fixture(scope="session")
def scratchpads() -> ModuleType:
    """``benchmarks/scratchpads.py``: the scratchpad between registers, and its way through."""
    path = Path(__file__).parents[2] / "benchmarks" / "scratchpads.py"
    spec = importlib.util.spec_from_file_location("benchmarks_scratchpads", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def built(
    scratchpads: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int, int, str], Any]:
    """A function of depth, width and style that gives a ``Bench``."""

    @functools.cache
    def build(depth: int, width: int, style: str) -> Any:
        folder = tmp_path_factory.mktemp(f"{style}{depth}x{width}")
        return scratchpads.build(folder, depth=depth, width=width, style=style)

    return build


@pytest.fixture(scope="session")
def power_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of the kit that power is taken with."""
    path = tmp_path_factory.mktemp("power") / "power.lib"
    power_library.write_power_library(load_platform().liberty, path)
    return path
