"""Accelerators to change, and surrogates of a few points of the shipped dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from characterize.action_files import actions_code
from characterize.dataset_folder import read_points, read_todays_actions
from explorer.accelerators.pe_tables import DATASET, Sources
from surrogate.action_energies import ActionEnergies, read_primitives
from surrogate.artifact import Artifact

#: A point of the shipped dataset.
MEASURED = {
    "family": "int", "act_bits": 10, "weight_bits": 8, "psum_bits": 30, "ifmap_depth": 4,
    "filter_depth": 208, "psum_depth": 8, "pipeline_stages": 3, "period_ps": 4000,
}  # fmt: skip
POINTS = 14


@pytest.fixture
def small() -> dict[str, Any]:
    """A small accelerator, as YAML has it."""
    return {
        "name": "small",
        "period_ps": 4000,
        "dram": "LPDDR4",
        "pe": dict(MEASURED),
        "levels": [
            {"name": "DRAM", "kind": "dram", "word_bits": 16},
            {
                "name": "buffer", "kind": "sram", "words": 4096, "word_bits": 16,
                "access_words": 2, "fanout_x": 2, "fanout_y": 3,
            },
            {"name": "ifmaps", "kind": "scratchpad", "keeps": ["ifmap"]},
            {"name": "filters", "kind": "scratchpad", "keeps": ["filter"]},
            {"name": "psums", "kind": "scratchpad", "keeps": ["psum"]},
        ],
    }  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a document as YAML."""

    def written(document: object, name: str = "a.yaml") -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    return written


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """The shipped dataset, and no surrogates."""
    return Sources(model=None, sram_cache=tmp_path / "sram")


@pytest.fixture(scope="session")
def model(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SYNTHETIC surrogates, with energies per action of the smallest measured points."""
    points = read_points(DATASET).nsmallest(POINTS, "cells")
    known, measured = read_primitives(points, read_todays_actions(DATASET, actions_code()))
    path = tmp_path_factory.mktemp("accelerators") / "model.json"
    dataclasses.replace(artifact, actions=ActionEnergies.fit(known, measured)).save(path)
    return path
