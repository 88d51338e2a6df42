"""Which measured points are of one datapath, and which datapaths are kept for the last test.

A datapath is the arithmetic of a PE: what kind, of which widths. Two points of one datapath have
most in common, whatever their scratchpads, periods or names are: a model that has seen one is not
tested by the other. The keys are deliberately coarse. Signedness, run-time precision, the
multiplier, serial terms and zero gating do not part points, nor do period, seed, flow, corner or
perturbation: what shares bits and terms is never on both sides of a split.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rtl_gen.errors import InputError
from surrogate.features import CHOICES

#: Part of the datapaths that is held out.
HELD_OUT = 0.2
#: Another prefix would be another choice: it stays as it is, or all that was reported is void.
_PREFIX = "peforge held-out datapath v1: "
#: ``pow2`` is ``lightpe`` with one term.
_KINDS = {"int": "int", "lightpe": "shift", "pow2": "shift", "fp": "fp"}
_COLUMNS = ("family", "act_bits", "weight_bits", "terms", "psum_bits")


def datapath_keys(table: pd.DataFrame) -> list[str]:
    """The datapath of each row, such as ``shift-a8-w4-t1`` or ``fp-a16-w16-t0-p32``.

    The width of sums counts for ``fp`` alone, where it chooses a format; else it follows from bits,
    terms and the largest layer.

    Args:
        table: columns ``family``, ``act_bits``, ``weight_bits``, ``terms``, ``psum_bits``.

    Raises:
        InputError: if a column is missing or a family unknown.
    """
    kinds = datapath_kinds(table)
    return [
        f"{kind}-a{act:.0f}-w{weight:.0f}-t{terms:.0f}" + (f"-p{psum:.0f}" if kind == "fp" else "")
        for kind, act, weight, terms, psum in zip(
            kinds, *(table[name] for name in _COLUMNS[1:]), strict=True
        )
    ]


def datapath_kinds(table: pd.DataFrame) -> list[str]:
    """``int``, ``shift`` or ``fp`` for each row.

    Raises:
        InputError: as ``datapath_keys``.
    """
    for name in _COLUMNS:
        if name not in table:
            raise InputError(f"a datapath needs {name}; the table has no such column")
    unknown = ~table["family"].isin(_KINDS)
    if unknown.any():
        raise InputError(
            f"family must be one of {', '.join(CHOICES['family'])}, not "
            f"{table.loc[unknown, 'family'].iloc[0]!r}"
        )
    return [_KINDS[family] for family in table["family"]]


def families(table: pd.DataFrame) -> pd.Index:
    """The family of each row by what it is, not by what it is called."""
    single = (table["family"] == "lightpe") & (table["terms"] == 1)
    names: pd.Index = pd.Index(table["family"].mask(single, "pow2"))
    return names


def held_out(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each row belongs to the test set: some 20 % of all datapaths.

    The choice is a hash of the datapath. It was made before any model was fitted, knows nothing of
    what was measured, and is the same in every dataset, for ever. Such rows are for one look at a
    model in which nothing is open any more. Never choose a feature, a parameter or a model by them,
    nor fit anything that is tested later: every other split of ``surrogate.splits`` is for that, of
    the rows that are not held out.

    Raises:
        InputError: as ``datapath_keys``.
    """
    keys = datapath_keys(table)
    chosen = {key: _is_held_out(key) for key in set(keys)}
    return np.array([chosen[key] for key in keys], dtype=np.bool_)


def _is_held_out(key: str) -> bool:
    digest = hashlib.sha256((_PREFIX + key).encode()).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT * 2**64
