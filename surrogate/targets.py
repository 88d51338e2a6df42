"""What is predicted of a PE, and the physical quantities whose sum is the base of each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from surrogate.features import HURRIED

_HURRY = tuple(f"hurried_{name}" for name in HURRIED)
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
        plausible: least and greatest value, for each stored bit if ``a_bit``, that no kit comes
            near to: beyond, a number is in another unit. Kits from 7 to 500 nm are at 0.3-600 um2,
            1e-9-0.3 uW and 1e-4-1 pJ a bit.
    """

    unit: str
    what: str
    base: tuple[str, ...]
    plausible: tuple[float, float]
    a_bit: bool = True
    rising: tuple[str, ...] = ()


#: All of them, by name: columns of a dataset, or what ``with_targets`` makes of these.
TARGETS = {
    "area_um2": Target(
        unit="um2", what="area of the cells",
        base=_SIZES, plausible=(0.01, 2e4), rising=_WITH_DEPTH,
    ),
    "core_area_um2": Target(
        unit="um2", what="area of the core they are placed in",
        base=_SIZES, plausible=(0.01, 2e4), rising=_WITH_DEPTH,
    ),
    "least_period_ps": Target(
        unit="ps", what="smallest period that is met, of a netlist made for the period asked for",
        base=("expected_period_ps",), plausible=(10.0, 1e6), a_bit=False,
    ),
    "leakage_uw": Target(
        unit="uW", what="leakage power",
        base=_SIZES, plausible=(1e-12, 30.0), rising=_WITH_DEPTH,
    ),
    "energy_per_mac_pj": Target(
        unit="pJ", what="dynamic energy of a multiply-accumulate",
        base=_SWITCHING, plausible=(1e-6, 30.0),
    ),
    "clock_tree_pj": Target(
        unit="pJ", what="dynamic energy of the clock tree's buffers in a cycle",
        base=_CLOCKED, plausible=(1e-9, 30.0),
    ),
}  # fmt: skip
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
