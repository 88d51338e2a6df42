"""A surrogate trained on SYNTHETIC measurements, for tests only: simple formulas, not real PEs."""

import numpy as np
import pytest

from rtl_gen.space import Block, Space
from surrogate.artifact import Artifact


@pytest.fixture(scope="session")
def space() -> Space:
    """About two thousand points of every family, a part of them beyond what was measured."""
    axes = {
        "family": ("int", "lightpe", "pow2"),
        "act_bits": (4, 6, 8, 12, 16),
        "weight_bits": (4, 6, 8, 16),
        "terms": (1, 2),
        "ifmap_depth": (6, 12),
        "filter_depth": (32, 64, 128, 256),
        "psum_depth": (8, 24),
        "pipeline_stages": (1, 2, 3, 4),
        "period_ps": (1500, 2000),
    }
    floats = {**axes, "family": ("fp",), "act_bits": (16, 32), "weight_bits": (16, 32)}
    options = {**axes, "family": ("int",), "act_bits": (8,), "weight_bits": (8,)}
    options |= {"multiplier": ("booth",), "scratchpad": ("latch",), "zero_gating": (True,)}
    blocks = (Block(axes=each, largest_layer=None) for each in (axes, floats, options))
    return Space(name="test space", blocks=tuple(blocks))


@pytest.fixture(scope="session")
def artifact(space: Space) -> Artifact:
    dataset = space.table(limit=60, seed=1)
    dataset = dataset[dataset["filter_depth"] <= 128].reset_index(drop=True)
    act, weight, stages = (dataset[n] for n in ("act_bits", "weight_bits", "pipeline_stages"))
    bits = dataset["filter_depth"] * weight + dataset["psum_depth"] * dataset["psum_bits"]
    dataset["status"] = "ok"
    dataset["area_um2"] = 500 + 6.0 * bits + act * weight * 4 + 100 * stages
    dataset["core_area_um2"] = 1.6 * dataset["area_um2"]
    dataset["clock_tree_power_uw"] = (20 + 1e-2 * bits) / dataset["period_ps"] * 1000
    dataset["least_period_ps"] = 300 + 200 * np.log2(act * weight) / stages
    dataset["leakage_uw"] = 10 + 0.1 * bits
    dataset["energy_per_mac_pj"] = 0.2 + 2e-4 * bits + 1e-3 * act * weight
    return Artifact.train(dataset)
