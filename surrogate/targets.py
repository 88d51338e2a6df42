"""What is predicted of a PE, and the physical quantities whose sum is the base of each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

_HURRIED_WORDS = (
    "hurried_ifmap_spad_bits",
    "hurried_filter_spad_bits",
    "hurried_psum_spad_bits",
    "hurried_latch_bits",
)
_HURRY = (
    "hurried_psum_bits",
    "hurried_multiplier_cells",
    "hurried_booth_cells",
    "hurried_array_cells",
    "hurried_shifter_cells",
    "hurried_adder_tree_bits",
    "hurried_fp_sum_bits",
    *_HURRIED_WORDS,
)
_SIZES = (
    "ifmap_spad_bits",
    "filter_spad_bits",
    "psum_spad_bits",
    "latch_bits",
    "is_sram",
    "sram_bits",
    "gated_words",
    "ungated_bits",
    "read_bits_in_sum",
    "multiplier_cells",
    "booth_cells",
    "array_cells",
    "split_bits",
    "fp_sum_bits",
    "shifter_cells",
    "adder_tree_bits",
    "psum_bits",
    "pipeline_bits",
    "address_bits",
    *_HURRY,
)
_SWITCHING = (
    "gated_words_clocked",
    "ungated_bits_clocked",
    "filter_bit_levels",
    "psum_bit_levels",
    "psum_bits",
    "pipeline_bits",
    "multiplier_cells_in_sum",
    "multiplier_cells_apart",
    "multiplier_cells_behind_read",
    "active_term_bits_in_sum",
    "active_term_bits_behind_read",
    "active_tree_bits_in_sum",
    "latch_bits",
    "split_bits",
    "fp_sum_bits",
    "is_sram",
    "sram_bits",
    *_HURRY,
)
_CLOCKED = (
    "ifmap_spad_bits",
    "filter_spad_bits",
    "psum_spad_bits",
    "latch_bits",
    "sram_bits",
    "gated_words",
    "ungated_bits",
    "psum_bits",
    "pipeline_bits",
    "address_bits",
)


#: Features that never fall when a scratchpad has more words.
_WITH_DEPTH = (
    "ifmap_depth",
    "filter_depth",
    "psum_depth",
    "ifmap_spad_bits",
    "filter_spad_bits",
    "psum_spad_bits",
    "latch_bits",
    "sram_bits",
    "gated_words",
    "ungated_bits",
    "address_bits",
    "pipeline_bits",
    "read_levels",
    "psum_read_levels",
    "read_levels_in_sum",
    "read_bits_in_sum",
    "sram_read_in_sum",
    "filter_bit_levels",
    "psum_bit_levels",
    "multiplier_cells_behind_read",
    "active_term_bits_behind_read",
    "relaxed_ps",
    "quickest_ps",
    "expected_period_ps",
    "hurry",
    *_HURRY,
)
#: Features that may rise or fall then: larger scratchpads have rows with fewer idle cycles.
EITHER_WITH_DEPTH = ("gated_words_clocked", "ungated_bits_clocked")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is predicted.

    Attributes:
        unit: of its values.
        what: it is.
        base: features whose sum it is, more or less.
        rising: features that it never falls with, all else being equal. With more words in a
            scratchpad, then, it never falls.
    """

    unit: str
    what: str
    base: tuple[str, ...]
    rising: tuple[str, ...] = ()


#: All of them, by name: columns of a dataset, or what ``with_targets`` makes of these.
TARGETS = {
    "area_um2": Target(unit="um2", what="area of the cells", base=_SIZES, rising=_WITH_DEPTH),
    "core_area_um2": Target(
        unit="um2", what="area of the core they are placed in", base=_SIZES, rising=_WITH_DEPTH
    ),
    "least_period_ps": Target(
        unit="ps",
        what="smallest period that is met, of a netlist made for the period asked for",
        base=("expected_period_ps",),
    ),
    "leakage_uw": Target(unit="uW", what="leakage power", base=_SIZES, rising=_WITH_DEPTH),
    "energy_per_mac_pj": Target(
        unit="pJ", what="dynamic energy of a multiply-accumulate", base=_SWITCHING
    ),
    "clock_tree_pj": Target(
        unit="pJ", what="dynamic energy of the clock tree's buffers in a cycle", base=_CLOCKED
    ),
}
#: Columns that targets are made of which are none themselves.
_SOURCES = {"clock_tree_pj": ("clock_tree_power_uw", "period_ps")}


def needed_columns() -> list[str]:
    """Columns that a dataset needs for all targets."""
    return list(dict.fromkeys(c for name in TARGETS for c in _SOURCES.get(name, (name,))))


def with_targets(dataset: pd.DataFrame) -> pd.DataFrame:
    """A dataset with a column for each target.

    Args:
        dataset: has ``needed_columns``.
    """
    power_uw, period_ps = (
        pd.to_numeric(dataset[name], errors="coerce") for name in _SOURCES["clock_tree_pj"]
    )
    return dataset.assign(clock_tree_pj=power_uw * period_ps * 1e-6)
