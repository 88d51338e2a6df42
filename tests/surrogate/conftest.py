"""SYNTHETIC measurements, for tests only: a plausible formula with noise, not a real PE."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rtl_gen.space import Block, Space
from surrogate.targets import needed_columns

PLAIN = {
    "act_signed": (True,),
    "precision_modes": (1,),
    "serial_terms": (False,),
    "zero_gating": (False,),
    "scratchpad": ("flop",),
}
SIZES = {
    "family": ("int", "lightpe", "pow2"),
    "act_bits": (4, 6, 8, 12, 16),
    "weight_bits": (3, 4, 6, 8, 16),
    "terms": (1, 2),
    "ifmap_depth": (6, 12, 24),
    "filter_depth": (32, 64, 224),
    "psum_depth": (8, 24),
    "pipeline_stages": (1, 2, 3, 4),
    "period_ps": (1500, 2000),
}
OPTIONS = {
    "act_signed": (True, False),
    "precision_modes": (1, 2, 3),
    "serial_terms": (False, True),
    "zero_gating": (False, True),
    "scratchpad": ("flop", "latch", "sram"),
}
SPACE = Space(name="plain", blocks=(Block(axes={**SIZES, **PLAIN}, largest_layer=None),))
EVERYTHING = Space(
    name="everything",
    blocks=(
        Block(
            axes={
                **SIZES,
                **OPTIONS,
                "family": ("int", "lightpe", "pow2", "fp"),
                "act_bits": (4, 7, 8, 16, 32),
                "weight_bits": (3, 4, 6, 8, 9, 16, 32),
                "terms": (1, 2, 3),
                "filter_depth": (1, 2, 64, 224),
                "multiplier": ("synth", "booth", "array", "none"),
            },
            largest_layer=None,
        ),
    ),
)


def synthetic_dataset(points: int = 60, *, seed: int = 0, failed: int = 0) -> pd.DataFrame:
    """A dataset as ``peforge characterize`` writes it; the last ``failed`` rows have no values."""
    table = SPACE.table(limit=points, seed=seed)
    generator = np.random.default_rng(seed)

    def noisy(values: pd.Series) -> pd.Series:
        return values * generator.normal(1, 0.02, len(table))

    act, weight, psum = table["act_bits"], table["weight_bits"], table["psum_bits"]
    is_int = table["terms"] == 0
    storage = (
        table["ifmap_depth"] * act + table["filter_depth"] * weight + table["psum_depth"] * psum
    )
    arithmetic = is_int * act * weight * 5 + table["terms"] * act * 20 + psum * 8
    registers = (table["pipeline_stages"] - 1) * (act + weight) * 6
    stage_ps = 60 * np.log2(act * weight) * (1 + is_int) + 80 * np.log2(psum)
    table["name"] = [f"point{number}" for number in range(len(table))]
    table["digest"] = [f"{number:064x}" for number in range(len(table))]
    table["status"] = "ok"
    table["reason"] = ""
    table["area_um2"] = noisy(400 + 6 * storage + arithmetic + registers)
    table["core_area_um2"] = noisy(600 + 9 * storage + arithmetic + registers)
    table["least_period_ps"] = noisy(
        300 + stage_ps / np.sqrt(table["pipeline_stages"]) + 40 * np.log2(table["filter_depth"])
    )
    table["leakage_uw"] = noisy(10 + 0.12 * storage + 0.1 * arithmetic)
    read_levels = weight * np.log2(table["filter_depth"]) + psum * np.log2(table["psum_depth"])
    table["energy_per_mac_pj"] = noisy(0.2 + read_levels * 1e-2 + arithmetic * 2e-3)
    table["clock_tree_power_uw"] = noisy(50 + 0.1 * storage) / table["period_ps"] * 1000
    table["wirelength_um"] = 100.0 * storage
    table["seconds_total"] = generator.uniform(1, 9, len(table))
    if failed:
        metrics = needed_columns()
        metrics.remove("period_ps")
        table.loc[len(table) - failed :, metrics] = np.nan
        table.loc[len(table) - failed :, ["status", "reason"]] = ["failed", "sta exited with 1"]
    return table


@pytest.fixture(scope="session")
def space() -> Space:
    """Families of integer arithmetic, with several values of every number."""
    return SPACE


@pytest.fixture(scope="session")
def everything() -> Space:
    """Every family, with several values of every parameter and all options."""
    return EVERYTHING


@pytest.fixture(scope="session")
def measure() -> Callable[..., pd.DataFrame]:
    """``synthetic_dataset``."""
    return synthetic_dataset
