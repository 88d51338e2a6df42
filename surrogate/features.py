"""From design points to what a model can learn from: the physical quantities of a PE.

A model on raw parameters must discover that a scratchpad has ``depth * width`` flip-flops and that
a multiplier grows with the product of its operand widths. Here both are columns. The quantities
follow the structure of ``rtl_gen/pe.py``, ``arithmetic.py`` and ``controller.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rtl_gen.design import FAMILIES, FP_BITS, MODES_4X, MULTIPLIERS, SCRATCHPADS
from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS
from surrogate.delays import Delays

Column = NDArray[np.float64]

#: Counts up when a feature is added, removed, reordered or computed differently.
SCHEMA_VERSION = 4

#: Parameters that are names, and those that they can be.
CHOICES = {"family": FAMILIES, "multiplier": MULTIPLIERS, "scratchpad": SCRATCHPADS}
#: Parameters that are true or false: 1 or 0.
SWITCHES = ("act_signed", "serial_terms", "zero_gating")
#: Parameters that are numbers: every one is at least 1, but ``terms`` and the switches.
NUMBER_COLUMNS = tuple(name for name in POINT_COLUMNS if name not in CHOICES)
#: Choices as features: 1 where the parameter has that value.
_FLAGS = {
    "is_fp": ("family", "fp"),
    "is_booth": ("multiplier", "booth"),
    "is_array": ("multiplier", "array"),
    "is_latch": ("scratchpad", "latch"),
    "is_sram": ("scratchpad", "sram"),
}

#: What grows where a period is short.
HURRIED = (
    "psum_bits",
    "multiplier_cells",
    "booth_cells",
    "array_cells",
    "shifter_cells",
    "adder_tree_bits",
    "fp_sum_bits",
    "ifmap_spad_bits",
    "filter_spad_bits",
    "psum_spad_bits",
    "latch_bits",
)

#: The synthesizer gives a clock gate to words of at least this many bits; shorter ones keep a
#: multiplexer for each bit, and their flip-flops are clocked in every cycle.
MIN_GATED_BITS = 4

#: Columns of the matrix, in order. Bits, words, cells and rows are counts; levels are those of a
#: tree of multiplexers, the base-2 logarithm of what it selects from.
FEATURE_NAMES = (
    *NUMBER_COLUMNS,
    *_FLAGS,
    # Sizes. Those of the three scratchpads are in flip-flops.
    "ifmap_spad_bits",
    "filter_spad_bits",
    "psum_spad_bits",
    "latch_bits",
    "sram_bits",
    "gated_words",
    "ungated_bits",
    "address_bits",
    "product_bits",
    "multiplier_cells",
    "booth_cells",
    "array_cells",
    "split_bits",
    "fp_sum_bits",
    "shifter_cells",
    "adder_tree_bits",
    "pipeline_bits",
    # What stands in the cycle of the sum.
    "read_levels",
    "psum_read_levels",
    "multiply_rows",
    "read_levels_in_sum",
    "multiply_rows_in_sum",
    "product_carry_in_sum",
    "read_bits_in_sum",
    "sram_read_in_sum",
    # What switches for a multiply-accumulate.
    "gated_words_clocked",
    "ungated_bits_clocked",
    "filter_bit_levels",
    "psum_bit_levels",
    "multiplier_cells_in_sum",
    "multiplier_cells_apart",
    "multiplier_cells_behind_read",
    "active_term_bits_in_sum",
    "active_term_bits_behind_read",
    "active_tree_bits_in_sum",
    # What the period does (``surrogate.delays``): paths follow it, and logic grows.
    "relaxed_ps",
    "quickest_ps",
    "expected_period_ps",
    "hurry",
    *(f"hurried_{name}" for name in HURRIED),
)


def feature_matrix(table: pd.DataFrame, delays: Delays | None = None) -> NDArray[np.float64]:
    """The features of each design point.

    Args:
        table: a row for each point, with at least the columns ``POINT_COLUMNS``.
        delays: of the kit and flow; those of freepdk45, roughly, if None.

    Returns:
        Array of shape ``(len(table), len(FEATURE_NAMES))``.

    Raises:
        InputError: if a column is missing, a number is not finite or too small, or a family is
            unknown.
    """
    columns = hurried_columns(table, delays or Delays())
    return np.column_stack([columns[name] for name in FEATURE_NAMES])


def hurried_columns(table: pd.DataFrame, delays: Delays) -> dict[str, Column]:
    """All features, and what they are made of, by name.

    Raises:
        InputError: as ``feature_matrix``.
    """
    columns = feature_columns(table)
    columns |= delays.features(columns)
    return columns | {f"hurried_{name}": columns["hurry"] * columns[name] for name in HURRIED}


def learnt_matrix(table: pd.DataFrame, seen: NDArray[np.intp]) -> NDArray[np.float64]:
    """``feature_matrix`` of all points, with ``Delays`` that know of the seen ones alone.

    Args:
        table: measured points, as for ``fit_delays``.
        seen: rows to learn from, by position.

    Raises:
        InputError: as ``feature_matrix``.
    """
    return feature_matrix(table, fit_delays(table.iloc[seen]))


def fit_delays(table: pd.DataFrame) -> Delays:
    """``Delays`` of measured points: a table with ``POINT_COLUMNS`` and ``least_period_ps``.

    Raises:
        InputError: as ``feature_matrix``.
    """
    return Delays.fit(feature_columns(table), table["least_period_ps"].to_numpy(dtype=np.float64))


def feature_columns(table: pd.DataFrame) -> dict[str, Column]:
    """The features that depend on no measurement, by name.

    Raises:
        InputError: as ``feature_matrix``.
    """
    columns = checked_numbers(table)
    for flag, (name, value) in _FLAGS.items():
        columns[flag] = (table[name] == value).to_numpy().astype(np.float64)
    columns |= _words(columns)
    columns |= _storage(columns)
    columns |= _datapath(columns)
    columns |= _pipeline(columns)
    columns |= _cycle(columns)
    columns |= _switching(columns)
    return columns


def parameter_matrix(table: pd.DataFrame) -> NDArray[np.float64]:
    """The raw parameters of each design point, ``NUMBER_COLUMNS``, and the names as flags.

    Raises:
        InputError: as ``feature_matrix``.
    """
    numbers = list(checked_numbers(table).values())
    return np.column_stack([*numbers, *(table[name] == value for name, value in _FLAGS.values())])


def feature_indices(names: Iterable[str]) -> tuple[int, ...]:
    """Positions of these features in the matrix."""
    return tuple(FEATURE_NAMES.index(name) for name in names)


def checked_numbers(table: pd.DataFrame) -> dict[str, Column]:
    """The numeric parameters of a table of design points, as floating-point columns.

    Raises:
        InputError: as ``feature_matrix``.
    """
    for name in POINT_COLUMNS:
        if name not in table:
            raise InputError(
                f"a design point needs {name}; the table has only "
                f"{', '.join(map(str, table.columns)) or 'no columns'}"
            )
    for name, allowed in CHOICES.items():
        unknown = ~table[name].isin(allowed)
        if unknown.any():
            raise InputError(
                f"{name} must be one of {', '.join(allowed)}, not "
                f"{table.loc[unknown, name].iloc[0]!r}"
            )
    columns = {}
    for name in NUMBER_COLUMNS:
        lowest = 0 if name == "terms" or name in SWITCHES else 1
        try:
            columns[name] = table[name].to_numpy(dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{name} must be a number in every row") from None
        wrong = ~(np.isfinite(columns[name]) & (columns[name] >= lowest))
        if wrong.any():
            raise InputError(
                f"{name} must be at least {lowest} and finite, not {columns[name][wrong][0]:g}"
            )
    return columns


def _words(columns: dict[str, Column]) -> dict[str, Column]:
    """Widths of ifmap and filter words, and terms that are there at once, as in ``PEDesign``."""
    modes, terms, serial = (columns[n] for n in ("precision_modes", "terms", "serial_terms"))
    term_bits = columns["weight_bits"] // np.maximum(terms, 1)
    weights = columns["weight_bits"] * (1 + (modes == MODES_4X))
    return {
        "term_bits": term_bits,
        "parallel_terms": np.where(serial > 0, 1, terms),
        "act_word": columns["act_bits"] * (1 + (modes > 1)),
        "weight_word": np.where(serial > 0, term_bits, weights),
    }


def _storage(columns: dict[str, Column]) -> dict[str, Column]:
    """Bits of the scratchpads by what they are made of, their words, and address registers.

    The filter scratchpad has one address, the ifmap ring three (write, read, start of the window),
    the psums one. Only the filters' scratchpad can be a macro. Words of latches always have a
    clock gate.
    """
    act, weight, psum_bits = (columns[n] for n in ("act_word", "weight_word", "psum_bits"))
    ifmap, filters, psum = (columns[f"{name}_depth"] for name in ("ifmap", "filter", "psum"))
    latch, macro = columns["is_latch"] > 0, columns["is_sram"] > 0
    flop, filter_flop = ~latch, ~latch & ~macro
    act_gated, weight_gated = (act >= MIN_GATED_BITS) | latch, (weight >= MIN_GATED_BITS) | latch
    return {
        "ifmap_spad_bits": flop * ifmap * act,
        "filter_spad_bits": filter_flop * filters * weight,
        "psum_spad_bits": flop * psum * psum_bits,
        "latch_bits": latch * (ifmap * act + filters * weight + psum * psum_bits),
        "sram_bits": macro * filters * weight,
        "gated_words": ifmap * act_gated + ~macro * filters * weight_gated + psum,
        "ungated_bits": ifmap * act * ~act_gated + ~macro * filters * weight * ~weight_gated,
        "address_bits": _address_bits(filters) + 3 * _address_bits(ifmap) + _address_bits(psum),
    }


def _datapath(columns: dict[str, Column]) -> dict[str, Column]:
    """Bit cells of the arithmetic; ``product_bits`` as in ``PEDesign``."""
    act, weight, terms = columns["act_bits"], columns["weight_bits"], columns["parallel_terms"]
    is_fp, splits = columns["is_fp"] > 0, columns["precision_modes"] > 1
    is_int = (columns["terms"] == 0) & ~is_fp
    max_shift = np.where(terms == 0, 0, np.exp2(np.minimum(columns["term_bits"], 5) - 1) - 2)
    max_act = np.where(columns["act_signed"] > 0, np.exp2(act - 1), np.exp2(act) - 1)
    sum_bits = np.frexp(np.maximum(terms, 1) * max_act)[1] + 1
    product = np.where(is_fp, columns["psum_bits"], np.where(is_int, act + weight, 0))
    product = np.where(terms > 0, sum_bits + max_shift, product)
    shifted = act + max_shift + 1
    significand = np.where(act == FP_BITS[-1], 24, 8)
    halves = 4 * (act / 2 + 1) * (weight / 2 + 1)
    cells = np.where(is_fp, significand**2, is_int * np.where(splits, halves, act * weight))
    own = (columns["is_booth"] > 0) | (columns["is_array"] > 0)
    return {
        "product_bits": product,
        "all_multiplier_cells": cells,
        "multiplier_cells": cells * ~own,
        "booth_cells": cells * columns["is_booth"],
        "array_cells": cells * columns["is_array"],
        # Partial products move to other places by mode.
        "split_bits": splits * product * columns["precision_modes"],
        # Alignment, leading zeros and normalisation: a shifter of a sum's width each.
        "fp_sum_bits": is_fp * columns["psum_bits"] * np.log2(columns["psum_bits"]),
        # A shifter has a multiplexer for each result bit and bit of the distance.
        "shifter_cells": terms * shifted * (columns["term_bits"] - 1),
        "adder_tree_bits": np.maximum(terms - 1, 0) * product,
    }


def _pipeline(columns: dict[str, Column]) -> dict[str, Column]:
    """Bits of all pipeline registers, and of valid, first and psum address that travel along.

    Latches take their words from a register in front of them; a macro has one of its own behind.
    """
    stages, terms = columns["pipeline_stages"], columns["parallel_terms"]
    act, weight, product = (columns[n] for n in ("act_word", "weight_word", "product_bits"))
    own = (columns["is_booth"] > 0) | (columns["is_array"] > 0)
    halves = 2 * columns["act_bits"] + columns["weight_bits"]
    inner = np.where(terms > 0, terms * product, np.where(own, 2 * product, halves))
    control = (stages - 1) * (2 + 2 * columns["zero_gating"] + _address_bits(columns["psum_depth"]))
    operands = act + weight * (columns["is_sram"] == 0)
    data = (stages >= 2) * operands + (stages >= 3) * product + (stages >= 4) * inner
    return {"pipeline_bits": control + data + columns["is_latch"] * (act + weight)}


def _cycle(columns: dict[str, Column]) -> dict[str, Column]:
    """What stands in the cycle of the sum, which has the carry chain and is mostly the longest.

    1 stage: all in one cycle; 2: read | multiply and sum; 3: read | multiply | sum; 4: read | half
    multiply | half multiply | sum. Logic on the longest path is built of larger gates: a
    scratchpad whose words are read in the cycle of the sum is a larger one. A macro is read in the
    cycle of the multiplication.
    """
    stages, terms = columns["pipeline_stages"], columns["parallel_terms"]
    macro = columns["is_sram"] > 0
    read = np.log2(np.maximum(columns["filter_depth"] * ~macro, columns["ifmap_depth"]))
    # Rows of partial products; or a level for each bit of the distance, and for each further term.
    rows = np.where(
        terms == 0,
        np.sqrt(columns["all_multiplier_cells"]),
        columns["term_bits"] + terms - 1,
    )
    multiplies = columns["all_multiplier_cells"] > 0
    return {
        "read_levels": read,
        "psum_read_levels": np.log2(columns["psum_depth"]),
        "multiply_rows": rows,
        "read_levels_in_sum": (stages == 1) * read,
        "multiply_rows_in_sum": (stages <= 2) * rows,
        # The multiplier ends in a carry chain of its own.
        "product_carry_in_sum": (stages <= 2) * multiplies * columns["product_bits"],
        "read_bits_in_sum": (stages == 1)
        * (columns["ifmap_spad_bits"] + columns["filter_spad_bits"] + columns["latch_bits"]),
        "sram_read_in_sum": macro * (stages <= 2) * np.log2(columns["filter_depth"]),
    }


def _switching(columns: dict[str, Column]) -> dict[str, Column]:
    """What switches for a multiply-accumulate in the row that energy is measured on.

    Clocks run in all cycles. Words are read in sequence, so that about one multiplexer a level
    and bit changes. Weight codes are uniform: a term is zero, and idle, with a probability of
    ``2 / 2**term_bits``. Logic without a register in front of it passes on, and multiplies, the
    glitches of what stands before: hence the same cells several times, by what they stand behind.
    With ``serial_terms`` a multiply-accumulate is one step for each term.
    """
    stages, psum_bits = columns["pipeline_stages"], columns["psum_bits"]
    terms, serial = columns["parallel_terms"], columns["serial_terms"] > 0
    in_sum, behind_read = stages <= 2, (stages == 1) * np.log2(columns["filter_depth"])
    cells = columns["all_multiplier_cells"]
    steps = np.where(serial, columns["terms"], 1)
    active = steps * (1 - np.exp2(1 - columns["term_bits"]))
    term_bits = active * terms * columns["product_bits"]
    cycles = cycles_per_mac(columns)
    read = steps * columns["weight_word"] * (columns["is_sram"] == 0)
    return {
        "gated_words_clocked": cycles * columns["gated_words"],
        "ungated_bits_clocked": cycles * columns["ungated_bits"],
        "filter_bit_levels": read * np.log2(columns["filter_depth"]),
        "psum_bit_levels": steps * psum_bits * np.log2(columns["psum_depth"]),
        "multiplier_cells_in_sum": in_sum * cells,
        "multiplier_cells_apart": ~in_sum * cells,
        "multiplier_cells_behind_read": behind_read * cells,
        "active_term_bits_in_sum": in_sum * term_bits,
        "active_term_bits_behind_read": behind_read * term_bits,
        "active_tree_bits_in_sum": in_sum * active * columns["adder_tree_bits"],
    }


def cycles_per_mac(columns: Mapping[str, Column]) -> Column:
    """Cycles for each product of a long row that fills the scratchpads, in the full precision.

    With S = 3 columns where they fit, as many of q channels and then of p filters as do, it is
    ``k + (p + q + pipeline_stages - 1) / (S q p)``, k being the terms of a weight if they are
    serial, else 1: see ``rtl_gen.golden.row_cycles``.
    """
    steps = np.where(columns["serial_terms"] > 0, columns["terms"], 1)
    per_word = np.where(columns["precision_modes"] == MODES_4X, 2, 1)
    room = np.maximum(columns["filter_depth"] * per_word // steps, 1)
    shorter = np.minimum(columns["ifmap_depth"], room)
    width = np.minimum(3, shorter)
    channels = shorter // width
    kept = np.minimum(columns["psum_depth"], room // (width * channels))
    idle = kept + channels + columns["pipeline_stages"] - 1
    cycles: Column = steps + idle / (width * channels * kept)
    return cycles


def _address_bits(depth: Column) -> Column:
    """Address bits of so many words: ``(depth - 1).bit_length()``."""
    return np.ceil(np.log2(depth))
