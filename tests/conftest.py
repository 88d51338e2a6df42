"""What all tests share: tools that must be there in CI, a small kit of helpers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from characterize import cacti
from characterize.platform import load_platform
from rtl_gen.errors import InputError

settings.register_profile("peforge", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("peforge")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a tool are skipped without it, but fail in CI."""
    missing = [name for name in ("sta", "iverilog", "vvp") if shutil.which(name) is None]
    if not missing or os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("tool"):
            item.add_marker(pytest.mark.skip(reason=f"{missing[0]} is not installed"))


@pytest.fixture(scope="session")
def osu018() -> Path:
    """The files of platform osu018; tests that need them are skipped without, but fail in CI."""
    try:
        return load_platform("osu018").cell_lef.parent
    except InputError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def installed_cacti() -> None:
    """Tests that run CACTI are skipped without it, but fail in CI."""
    try:
        cacti.find_cacti()
    except InputError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
