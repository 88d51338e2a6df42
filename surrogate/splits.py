"""What is learnt from and what is tested on: splits that ask different promises of a model.

To fill a gap in a grid and to go beyond it are different things, and errors of both are never
mixed: ``PROMISES`` tells which is which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from rtl_gen.errors import InputError, require_choice
from surrogate.canonical import datapath_keys, datapath_kinds, families, held_out

FOLDS = 5
#: How often the datapaths are dealt into folds anew: with few points, errors depend on the deal.
DEALS = 3
#: Fewest points to learn from; of as many in all, with two datapaths, there are folds.
MIN_POINTS = 10
#: Least training size of a learning curve; each next one is twice as large, the last one all.
_FIRST_SIZE = 25

#: Parameters whose inner values are left out, one after the other.
_WIDTHS = ("act_bits", "weight_bits")
#: Parameters whose largest values are left out.
_LARGEST = ("filter_depth", "psum_depth", "act_bits", "weight_bits")

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]
Edge = Literal["min", "max"]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Rows of a table, by position.

    Attributes:
        split: of ``SPLITS``.
        part: what is left out, or how many points are learnt from; empty where that says nothing.
        deal: how often the points were dealt before, from 0.
        seen: rows to learn from.
        unseen: rows to test on.
    """

    split: str
    part: str
    deal: int
    seen: Rows
    unseen: Rows


def folds(table: pd.DataFrame, split: str, *, seed: int = 0) -> list[Fold]:
    """The folds of one of ``SPLITS``; none if the table cannot be split so.

    Args:
        table: design points.
        seed: of what is drawn.

    Raises:
        InputError: if there is no such split, or there are too few points.
    """
    require_choice("a split", split, SPLITS)
    datapaths = len(set(datapath_keys(table)))
    if len(table) < MIN_POINTS or datapaths < 2:
        raise InputError(
            f"at least {MIN_POINTS} measured points of 2 datapaths are needed to learn and to "
            f"test, not {len(table)} of {datapaths}"
        )
    return [fold for fold in SPLITS[split](table, seed) if len(fold.unseen)]


def one_deal(table: pd.DataFrame, *, seed: int = 0) -> list[Fold]:
    """The first deal of split ``datapaths``: each point is left out once.

    Raises:
        InputError: as ``folds``.
    """
    return [fold for fold in folds(table, "datapaths", seed=seed) if fold.deal == 0]


def _datapaths(table: pd.DataFrame, seed: int) -> Iterator[Fold]:
    """Each datapath is left out once in each deal, with all the points that have it."""
    for deal in range(DEALS):
        for seen, unseen in _dealt(table, seed + deal):
            yield Fold(split="datapaths", part="", deal=deal, seen=seen, unseen=unseen)


def _widths(table: pd.DataFrame, seed: int) -> Iterator[Fold]:  # noqa: ARG001
    """Each width of an operand is left out in all points; tested where it lies between others.

    Between others of its kind: the 16 bits of integers have no larger neighbour in the 32 bits of
    floating point.
    """
    for name in _WIDTHS:
        values = table[name].to_numpy()
        low, high = _by_kind(table, name, "min"), _by_kind(table, name, "max")
        inner = (values > low) & (values < high)
        for value in np.unique(values[inner]):
            out = values == value
            yield from _left_out("widths", f"{name} {value:g}", out=out, tested=out & inner)


def _families(table: pd.DataFrame, seed: int) -> Iterator[Fold]:  # noqa: ARG001
    """Each family is foretold from the others."""
    names = np.array(families(table))
    for name in sorted(set(names)):
        out = names == name
        yield from _left_out("families", str(name), out=out, tested=out)


def _ranges(table: pd.DataFrame, seed: int) -> Iterator[Fold]:  # noqa: ARG001
    """The largest values of a parameter, or the shortest periods, of each kind are left out."""
    edges: list[tuple[str, Edge]] = [(name, "max") for name in _LARGEST] + [("period_ps", "min")]
    for name, edge in edges:
        out = table[name].to_numpy() == _by_kind(table, name, edge)
        # A kind with a single value has nothing else to learn from.
        out &= _by_kind(table, name, "min") < _by_kind(table, name, "max")
        word = "largest" if edge == "max" else "shortest"
        yield from _left_out("ranges", f"{word} {name}", out=out, tested=out)


def _sizes(table: pd.DataFrame, seed: int) -> Iterator[Fold]:
    """Learning curve: folds as in the first deal of ``datapaths``, each size within the next."""
    deal = _dealt(table, seed)
    most = min(len(seen) for seen, _ in deal)
    sizes = [size for size in (_FIRST_SIZE << step for step in range(20)) if 2 * size <= most]
    for number, (seen, unseen) in enumerate(deal):
        order = np.random.default_rng([seed, number]).permutation(seen)
        for size in (*sizes, most):
            yield Fold(split="sizes", part=f"{size}", deal=0, seen=order[:size], unseen=unseen)


def _test(table: pd.DataFrame, seed: int) -> Iterator[Fold]:  # noqa: ARG001
    """The datapaths that are held out: read ``held_out`` before looking."""
    out = held_out(table)
    yield from _left_out("test", "", out=out, tested=out)


#: How a table is split, by name.
SPLITS: dict[str, Callable[[pd.DataFrame, int], Iterable[Fold]]] = {
    "datapaths": _datapaths,
    "widths": _widths,
    "families": _families,
    "ranges": _ranges,
    "sizes": _sizes,
    "test": _test,
}
#: Name of what ``surrogate.fidelity`` leaves out.
FLOWS = "flows"
#: What a split asks of a model, in words.
PROMISES = {
    "datapaths": "interpolation: arithmetic that was not measured, among others that were",
    "widths": "interpolation: a width that was not measured, between others that were",
    "families": "extrapolation: a family that was not measured",
    "ranges": "extrapolation: beyond the range that was measured",
    "sizes": "learning curve: datapaths that were not measured, from fewer points",
    "test": "interpolation: the datapaths held out for the last test",
    FLOWS: "few points of one flow correct many of another: a datapath is left out of both",
}


def _dealt(table: pd.DataFrame, seed: int) -> list[tuple[Rows, Rows]]:
    """Points in folds by datapath, as many folds as there are datapaths for."""
    groups = np.unique(datapath_keys(table), return_inverse=True)[1]
    dealer = GroupKFold(min(FOLDS, groups.max() + 1), shuffle=True, random_state=seed)
    return list(dealer.split(table, groups=groups))


def _by_kind(table: pd.DataFrame, name: str, edge: Edge) -> NDArray[np.float64]:
    """The least or greatest value that the kind of each row has."""
    kinds = np.array(datapath_kinds(table))
    return np.asarray(table[name].groupby(kinds).transform(edge), dtype=np.float64)


def _left_out(split: str, part: str, *, out: Mask, tested: Mask) -> Iterator[Fold]:
    """One fold, if enough is left to learn from."""
    seen = np.flatnonzero(~out)
    if len(seen) >= MIN_POINTS:
        yield Fold(split=split, part=part, deal=0, seen=seen, unseen=np.flatnonzero(tested))
