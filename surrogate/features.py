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

from rtl_gen.design import FAMILIES
from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS

Column = NDArray[np.float64]

#: Counts up when a feature is added, removed, reordered or computed differently.
SCHEMA_VERSION = 1

#: Parameters that are numbers: every one is at least 1, but ``terms``, which is 0 for ``int``.
NUMBER_COLUMNS = tuple(name for name in POINT_COLUMNS if name != "family")

#: The synthesizer gives a clock gate to words of at least this many bits; shorter ones keep a
#: multiplexer for each bit, and their flip-flops are clocked in every cycle.
MIN_GATED_BITS = 4

#: Columns of the matrix, in order. Bits, words, cells and rows are counts; levels are those of a
#: tree of multiplexers, the base-2 logarithm of what it selects from.
FEATURE_NAMES = (
    *NUMBER_COLUMNS,
    # Sizes.
    "ifmap_spad_bits",
    "filter_spad_bits",
    "psum_spad_bits",
    "gated_words",
    "ungated_bits",
    "address_bits",
    "product_bits",
    "multiplier_cells",
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
)


def feature_matrix(table: pd.DataFrame) -> NDArray[np.float64]:
    """The features of each design point.

    Args:
        table: a row for each point, with at least the columns ``POINT_COLUMNS``.

    Returns:
        Array of shape ``(len(table), len(FEATURE_NAMES))``.

    Raises:
        InputError: if a column is missing, a number is not finite or too small, or a family is
            unknown.
    """
    columns = checked_numbers(table)
    columns |= _storage(columns)
    columns |= _datapath(columns)
    columns |= _pipeline(columns)
    columns |= _cycle(columns)
    columns |= _switching(columns)
    return np.column_stack([columns[name] for name in FEATURE_NAMES])


def parameter_matrix(table: pd.DataFrame) -> NDArray[np.float64]:
    """The raw parameters of each design point, ``NUMBER_COLUMNS``; ``terms`` tells the family.

    Raises:
        InputError: as ``feature_matrix``.
    """
    return np.column_stack(list(checked_numbers(table).values()))


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
    unknown = ~table["family"].isin(FAMILIES)
    if unknown.any():
        raise InputError(
            f"family must be one of {', '.join(FAMILIES)}, not "
            f"{table.loc[unknown, 'family'].iloc[0]!r}"
        )
    columns = {}
    for name in NUMBER_COLUMNS:
        lowest = 0 if name == "terms" else 1
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


def _storage(columns: dict[str, Column]) -> dict[str, Column]:
    """Flip-flops of the scratchpads, their words, and their address registers.

    The filter scratchpad has one address, the ifmap ring three (write, read, start of the window),
    the psums one.
    """
    act, weight, psum_bits = (columns[n] for n in ("act_bits", "weight_bits", "psum_bits"))
    ifmap, filters, psum = (columns[f"{name}_depth"] for name in ("ifmap", "filter", "psum"))
    act_gated, weight_gated = act >= MIN_GATED_BITS, weight >= MIN_GATED_BITS
    return {
        "ifmap_spad_bits": ifmap * act,
        "filter_spad_bits": filters * weight,
        "psum_spad_bits": psum * psum_bits,
        "gated_words": ifmap * act_gated + filters * weight_gated + psum,
        "ungated_bits": ifmap * act * ~act_gated + filters * weight * ~weight_gated,
        "address_bits": _address_bits(filters) + 3 * _address_bits(ifmap) + _address_bits(psum),
    }


def _datapath(columns: dict[str, Column]) -> dict[str, Column]:
    """Bit cells of the arithmetic, ``max_shift`` and ``product_bits`` as in ``PEDesign``."""
    act, weight, terms = columns["act_bits"], columns["weight_bits"], columns["terms"]
    is_int = terms == 0
    term_bits = weight // np.maximum(terms, 1)
    max_shift = np.where(is_int, 0, np.exp2(term_bits - 1) - 2)
    sum_bits = np.floor(np.log2(np.maximum(terms, 1))) + 1
    product = np.where(is_int, act + weight, act + max_shift + sum_bits)
    shifted = act + max_shift + 1
    return {
        "product_bits": product,
        "multiplier_cells": is_int * act * weight,
        # A shifter has a multiplexer for each result bit and bit of the distance.
        "shifter_cells": terms * shifted * (term_bits - 1),
        "adder_tree_bits": np.maximum(terms - 1, 0) * product,
    }


def _pipeline(columns: dict[str, Column]) -> dict[str, Column]:
    """Bits of all pipeline registers, and of valid, first and psum address that travel along."""
    stages, weight, terms = (columns[n] for n in ("pipeline_stages", "weight_bits", "terms"))
    act, product = columns["act_bits"], columns["product_bits"]
    inner = np.where(terms == 0, 2 * act + weight, np.maximum(terms, 1) * product)
    control = (stages - 1) * (2 + _address_bits(columns["psum_depth"]))
    data = (stages >= 2) * (act + weight) + (stages >= 3) * product + (stages >= 4) * inner
    return {"pipeline_bits": control + data}


def _cycle(columns: dict[str, Column]) -> dict[str, Column]:
    """What stands in the cycle of the sum, which has the carry chain and is mostly the longest.

    1 stage: all in one cycle; 2: read | multiply and sum; 3: read | multiply | sum; 4: read | half
    multiply | half multiply | sum. Logic on the longest path is built of larger gates: a
    scratchpad whose words are read in the cycle of the sum is a larger one.
    """
    stages, terms, weight = (columns[n] for n in ("pipeline_stages", "terms", "weight_bits"))
    read = np.log2(np.maximum(columns["filter_depth"], columns["ifmap_depth"]))
    # Rows of partial products; or a level for each bit of the distance, and for each further term.
    rows = np.where(
        terms == 0,
        np.minimum(columns["act_bits"], weight),
        weight // np.maximum(terms, 1) + terms - 1,
    )
    return {
        "read_levels": read,
        "psum_read_levels": np.log2(columns["psum_depth"]),
        "multiply_rows": rows,
        "read_levels_in_sum": (stages == 1) * read,
        "multiply_rows_in_sum": (stages <= 2) * rows,
        # The multiplier ends in a carry chain of its own.
        "product_carry_in_sum": (stages <= 2) * (terms == 0) * columns["product_bits"],
        "read_bits_in_sum": (stages == 1)
        * (columns["ifmap_spad_bits"] + columns["filter_spad_bits"]),
    }


def _switching(columns: dict[str, Column]) -> dict[str, Column]:
    """What switches for a multiply-accumulate in the row that energy is measured on.

    Clocks run in all cycles. Words are read in sequence, so that about one multiplexer a level
    and bit changes. Weight codes are uniform: a term is zero, and idle, with a probability of
    ``2 / 2**term_bits``. Logic without a register in front of it passes on, and multiplies, the
    glitches of what stands before: hence the same cells several times, by what they stand behind.
    """
    stages, terms, psum_bits = (columns[n] for n in ("pipeline_stages", "terms", "psum_bits"))
    in_sum, behind_read = stages <= 2, (stages == 1) * np.log2(columns["filter_depth"])
    cells = columns["multiplier_cells"]
    active = 1 - np.exp2(1 - columns["weight_bits"] // np.maximum(terms, 1))
    term_bits = active * terms * columns["product_bits"]
    cycles = cycles_per_mac(columns)
    return {
        "gated_words_clocked": cycles * columns["gated_words"],
        "ungated_bits_clocked": cycles * columns["ungated_bits"],
        "filter_bit_levels": columns["weight_bits"] * np.log2(columns["filter_depth"]),
        "psum_bit_levels": psum_bits * np.log2(columns["psum_depth"]),
        "multiplier_cells_in_sum": in_sum * cells,
        "multiplier_cells_apart": ~in_sum * cells,
        "multiplier_cells_behind_read": behind_read * cells,
        "active_term_bits_in_sum": in_sum * term_bits,
        "active_term_bits_behind_read": behind_read * term_bits,
        "active_tree_bits_in_sum": in_sum * active * columns["adder_tree_bits"],
    }


def cycles_per_mac(columns: Mapping[str, Column]) -> Column:
    """Cycles for each product of a long row that fills the scratchpads.

    With S = 3 columns where they fit, as many of q channels and then of p filters as do, it is
    ``1 + (p + q + pipeline_stages - 1) / (S q p)``: see ``rtl_gen.golden.row_cycles``.
    """
    ifmap, filters = columns["ifmap_depth"], columns["filter_depth"]
    shorter = np.minimum(ifmap, filters)
    width = np.minimum(3, shorter)
    channels = shorter // width
    kept = np.minimum(columns["psum_depth"], filters // (width * channels))
    idle = kept + channels + columns["pipeline_stages"] - 1
    cycles: Column = 1 + idle / (width * channels * kept)
    return cycles


def _address_bits(depth: Column) -> Column:
    """Address bits of so many words: ``(depth - 1).bit_length()``."""
    return np.ceil(np.log2(depth))
