"""A small space of accelerators whose PEs were all measured: no surrogates are needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from explorer.accelerators.pe_tables import Sources
from explorer.designs.space import DesignSpace, load_designs

#: Two of the smallest measured PEs, and one that is too narrow for 6 bits.
PES: list[dict[str, Any]] = [
    {"family": "int", "act_bits": 8, "weight_bits": 6, "psum_bits": 26, "ifmap_depth": 24,
     "filter_depth": 48, "psum_depth": 4, "pipeline_stages": 1, "period_ps": 1500},
    {"family": "int", "act_bits": 6, "weight_bits": 8, "psum_bits": 26, "ifmap_depth": 12,
     "filter_depth": 24, "psum_depth": 8, "pipeline_stages": 4, "period_ps": 1000},
    {"family": "int", "act_bits": 5, "weight_bits": 5, "psum_bits": 22, "ifmap_depth": 6,
     "filter_depth": 24, "psum_depth": 12, "pipeline_stages": 4, "period_ps": 3200},
]  # fmt: skip
BASE: dict[str, Any] = {
    "name": "small",
    "period_ps": 4000,
    "dram": "LPDDR4",
    "pe": PES[0],
    "network": {"kind": "array"},
    "levels": [
        {"name": "DRAM", "kind": "dram", "word_bits": 16, "read_words_per_cycle": 2},
        {"name": "buffer", "kind": "sram", "words": 4096, "word_bits": 32, "fanout_x": 2},
        {"name": "columns", "kind": "network", "fanout_y": 3, "multicast": False},
        {"name": "ifmaps", "kind": "scratchpad", "keeps": ["ifmap"]},
        {"name": "filters", "kind": "scratchpad", "keeps": ["filter"]},
        {"name": "psums", "kind": "scratchpad", "keeps": ["psum"]},
    ],
}
VARY: dict[str, Any] = {
    "buffer.words": [1024, 4096],
    "buffer.fanout_x": [1, 2, 4],
    "columns.fanout_y": [1, 3],
    "network.ifmap_buses": [1, 2],
    "period_ps": [1400, 4000],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The space, ``designs.yaml``, in a folder."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(BASE))
    (tmp_path / "pes.yaml").write_text(yaml.safe_dump({"blocks": PES}))
    document = {"accelerator": "small.yaml", "pes": "pes.yaml", "vary": VARY}
    (tmp_path / "designs.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


@pytest.fixture
def rewrite(folder: Path) -> Callable[..., Path]:
    """Changes entries of ``designs.yaml``; None takes one out."""

    def changed(**entries: Any) -> Path:
        path = folder / "designs.yaml"
        document = {**yaml.safe_load(path.read_text()), **entries}
        path.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}))
        return path

    return changed


@pytest.fixture
def space(folder: Path) -> DesignSpace:
    """The space."""
    return load_designs(folder / "designs.yaml")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """The shipped dataset, and no surrogates."""
    return Sources(model=None, sram_cache=tmp_path / "sram")
