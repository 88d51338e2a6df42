"""Energies of the actions of a PE that was not measured, so that a mapper can add them up.

The energy of a directed primitive is a sum of counts times energies of actions, and the energy of
an action is a sum of physical quantities of the design (the bits that are clocked, the cells behind
a bit that moves) times what the kit asks for each. So all primitives of all measured designs are
one system of linear equations in these prices, which are not negative. Tables that are fitted
apart are not learnt from: actions that always come together in one design share their energy by
chance, in another one in another way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from characterize.action_counts import ACCESSES, BITS, CYCLES, WAITING
from characterize.directed import PAUSE_CYCLES
from characterize.directed_counts import ACTIONS, directed_counts
from rtl_gen.errors import InputError
from rtl_gen.space import POINT_COLUMNS, design_of
from surrogate.canonical import families
from surrogate.delays import Delays
from surrogate.features import fit_delays, hurried_columns
from surrogate.intervals import LEAST_POINTS, LEVEL, Intervals, ends, grouped_quantile
from surrogate.splits import Fold, one_deal

Matrix = NDArray[np.float64]

#: Energies below this do not weigh more: as in the fit of one table (``characterize.actions``).
_FLOOR_PJ = 40.0
#: Weight of the prices' own size, against that of the equations.
_RIDGE = 1e-4
#: The clock stands still: this costs nothing, which is checked where it is measured.
STOPPED = "clock_gated"

#: What is clocked, or gated, in every cycle.
_CLOCKED = (
    "one", "gated_words", "ungated_bits", "psum_bits", "pipeline_bits", "address_bits",
    "latch_bits", "ifmap_spad_bits", "filter_spad_bits", "psum_spad_bits", "is_sram", "sram_bits",
    "ifmap_depth", "filter_depth", "psum_depth", "is_latch", "latch_words", "hurry",
    "hurried_psum_bits", "hurried_words", "hurried_pipeline_bits",
)  # fmt: skip
_ARITHMETIC = (
    "one", "psum_bits", "product_bits", "all_multiplier_cells", "shifter_cells", "adder_tree_bits",
    "fp_sum_bits",
)  # fmt: skip
#: What a bit that moves drives.
_BEHIND_A_BIT = (
    "one", "cells_a_weight_bit", "cells_an_act_bit", "shifters_a_weight_bit",
    "shifters_an_act_bit", "product_bits", "psum_bits", "fp_sum_bits",
)  # fmt: skip
_READ = (
    "ifmap_depth", "filter_depth", "psum_depth", "read_levels", "psum_read_levels", "act_word",
)  # fmt: skip
#: Glitches go on where no register stands before the sum, and behind the scratchpads' read.
_STAGES = ("", " in_sum", " alone")


def _staged(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name + stage for name in names for stage in _STAGES)


def _quantities_of(action: str) -> tuple[str, ...]:
    """What the energy of an action is made of."""
    if action in WAITING:
        return _CLOCKED
    if action.startswith("mac"):
        return (*_CLOCKED, *(name for name in _staged(_ARITHMETIC) if name not in _CLOCKED))
    if action in CYCLES:
        return (*_CLOCKED, "product_bits", "weight_word")
    own = _ARITHMETIC if action in ACCESSES else _BEHIND_A_BIT
    return tuple(dict.fromkeys((*_READ, *_staged(own))))


#: By action.
TERMS = {
    action: _quantities_of(action)
    for action in (*CYCLES, *ACCESSES, *BITS, *WAITING)
    if action != STOPPED
}
QUANTITIES = tuple(dict.fromkeys(name for names in TERMS.values() for name in names))
#: Position of action and quantity of each price.
_ACTION = np.array([ACTIONS.index(action) for action, names in TERMS.items() for _ in names])
_QUANTITY = np.array([QUANTITIES.index(name) for names in TERMS.values() for name in names])


@dataclass(frozen=True, kw_only=True)
class Primitives:
    """What was measured of one design.

    Attributes:
        names: of the primitives and pauses.
        counts: of ``ACTIONS``, shape ``(len(names), len(ACTIONS))``.
        energies_pj: dynamic, shape ``(len(names),)``.
    """

    names: tuple[str, ...]
    counts: Matrix
    energies_pj: Matrix


def read_primitives(
    rows: pd.DataFrame,
    energies: pd.DataFrame,
    *,
    jobs: int = 1,
    told: Callable[[int], None] = lambda _: None,
) -> tuple[pd.DataFrame, list[Primitives]]:
    """What a dataset has of the energies of directed primitives.

    Args:
        rows: points of a dataset, with their ``key``, ``seed`` and ``cells``.
        energies: of the points (``characterize.dataset_folder.read_actions``).
        jobs: processes that count actions.
        told: called with how many points are done.

    Returns:
        Those rows whose energies are there, of the very primitives that would be simulated today;
        and what was measured of each.
    """
    known = dict(list(energies.groupby("key", sort=False)))
    rows = rows[rows["key"].isin(list(known))].reset_index(drop=True)
    asked = [
        (design_of(row), int(row["seed"]), int(row["cells"])) for row in rows.to_dict("records")
    ]
    done = itertools.count(1)
    counted = directed_counts(asked, jobs=jobs, told=lambda: told(next(done)))
    kept, measured = [], []
    for at, (key, counts) in enumerate(zip(rows["key"], counted, strict=True)):
        of_kind = dict(list(known[key].groupby("kind")))
        primitives, actions = of_kind.get("primitive"), of_kind.get("action")
        if primitives is None or actions is None:
            continue
        if tuple(primitives["name"]) == counts.names:
            waits = dict(zip(actions["name"], actions["value"], strict=True))
            energies_pj = primitives["value"].to_numpy(dtype=np.float64)
            kept.append(at)
            measured.append(with_pauses(counts.names, counts.counts, energies_pj, waits))
    return rows.iloc[kept].reset_index(drop=True), measured


def with_pauses(
    names: Sequence[str], counts: Matrix, energies_pj: Matrix, actions_pj: Mapping[str, float]
) -> Primitives:
    """The directed primitives, and the pauses between them that were measured apart.

    Args:
        actions_pj: energies of the design's own table of actions, of which those of ``WAITING``
            are measured.
    """
    waits = [name for name in WAITING if name in actions_pj and name != STOPPED]
    pauses = np.zeros((len(waits), len(ACTIONS)))
    pauses[range(len(waits)), [ACTIONS.index(name) for name in waits]] = PAUSE_CYCLES
    return Primitives(
        names=(*names, *waits),
        counts=np.vstack([counts, pauses]),
        energies_pj=np.array([*energies_pj, *(PAUSE_CYCLES * actions_pj[n] for n in waits)]),
    )


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How far energies were off for datapaths that were not learnt from, in percent.

    Attributes:
        designs: that were left out, each once.
        primitives_pct: mean over designs of the mean over their primitives.
        p95_pct: 95th percentile of all primitives.
        kinds_pct: mean of the primitives of each of ``KINDS``.
    """

    designs: int
    primitives_pct: float
    p95_pct: float
    kinds_pct: Mapping[str, float]


#: Kinds of primitives that errors are told of, and how their names end.
KINDS = {
    "mac, uniform operands": "mac uniform",
    "mac, DNN operands": "mac dnn",
    "mac, sparse operands": "mac sparse",
    "mac, zeros": "mac zero",
    "large, uniform operands": "large, uniform",
    "idle cycle": "idle",
}


@dataclass(frozen=True, kw_only=True)
class ActionEnergies:
    """Prices of physical quantities in the energies of actions.

    Attributes:
        prices_pj: of each quantity of each action, in the order of ``TERMS``.
        delays: of the kit and flow, for the quantities of a hurried design.
        intervals: of the energy of a primitive, by family.
        errors: cross-validated by datapath.
    """

    prices_pj: Matrix
    delays: Delays
    intervals: Intervals
    errors: Errors

    @classmethod
    def fit(cls, table: pd.DataFrame, measured: Sequence[Primitives]) -> Self:
        """Fit, and see by cross-validation how far off it is.

        Args:
            table: design points with ``least_period_ps``.
            measured: of each.

        Raises:
            InputError: as ``surrogate.splits.folds``, or an energy is not above zero.
        """
        _require_positive(measured)
        foretold: list[Matrix] = [np.empty(0)] * len(table)
        for fold in one_deal(table):
            for row, energies in zip(fold.unseen, _left_out(table, measured, fold), strict=True):
                foretold[row] = measured[row].counts @ energies
        delays = fit_delays(table)
        return cls(
            prices_pj=_prices(quantity_matrix(table, delays), measured),
            delays=delays,
            intervals=_intervals(measured, foretold, list(families(table))),
            errors=_errors(measured, foretold),
        )

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Energies of the actions of design points, pJ: a column for each of ``ACTIONS``.

        What a design never does costs nothing: ``filter_step`` without a word of two weights, say.

        Raises:
            InputError: if a row is no design.
        """
        energies = _energies(self.prices_pj, quantity_matrix(table, self.delays))
        return pd.DataFrame(energies, columns=list(ACTIONS), index=table.index)

    def bounds(self, table: pd.DataFrame, energies_pj: Matrix) -> tuple[Matrix, Matrix]:
        """Interval of the predicted energy of a primitive of each design, shapes ``(n,)``."""
        widths = self.intervals.widths_of(families(table))
        return ends(energies_pj, widths, np.ones_like(energies_pj))


def quantity_matrix(table: pd.DataFrame, delays: Delays) -> Matrix:
    """``QUANTITIES`` of design points, shape ``(len(table), len(QUANTITIES))``.

    Raises:
        InputError: as ``surrogate.features.feature_matrix``.
    """
    columns = hurried_columns(table[list(POINT_COLUMNS)], delays)
    act, weight = columns["act_bits"], columns["weight_bits"]
    cells, shifters, hurry = (
        columns[name] for name in ("all_multiplier_cells", "shifter_cells", "hurry")
    )
    columns |= {
        "one": np.ones(len(table)),
        "latch_words": columns["is_latch"] * columns["gated_words"],
        "hurried_words": hurry * columns["gated_words"],
        "hurried_pipeline_bits": hurry * columns["pipeline_bits"],
        "cells_a_weight_bit": cells / weight,
        "cells_an_act_bit": cells / act,
        "shifters_a_weight_bit": shifters / weight,
        "shifters_an_act_bit": shifters / act,
    }
    stages = columns["pipeline_stages"]
    there = {"": 1.0, " in_sum": stages <= 2, " alone": stages == 1}
    parts = []
    for name in QUANTITIES:
        plain, _, stage = name.partition(" ")
        parts.append(columns[plain] * there[f" {stage}" if stage else ""])
    return np.column_stack(parts)


def _energies(prices_pj: Matrix, quantities: Matrix) -> Matrix:
    """Of ``ACTIONS``, shape ``(n, len(ACTIONS))``."""
    energies = np.zeros((len(quantities), len(ACTIONS)))
    for action in np.unique(_ACTION):
        of_it = action == _ACTION
        energies[:, action] = quantities[:, _QUANTITY[of_it]] @ prices_pj[of_it]
    return energies


def _left_out(table: pd.DataFrame, measured: Sequence[Primitives], fold: Fold) -> Matrix:
    """Energies of the actions of those left out, from all others."""
    quantities = quantity_matrix(table, fit_delays(table.iloc[fold.seen]))
    prices = _prices(quantities[fold.seen], [measured[row] for row in fold.seen])
    return _energies(prices, quantities[fold.unseen])


def _prices(quantities: Matrix, measured: Sequence[Primitives]) -> Matrix:
    """Least squares of relative errors, none negative; each design counts as much as any other.

    The equations are summed up design by design: there are hundreds of thousands.
    """
    count = len(_ACTION)
    squares, products = np.zeros((count, count)), np.zeros(count)
    sizes, equations = np.zeros(count), 0
    for row, one in zip(quantities, measured, strict=True):
        weights = 1 / (one.energies_pj + _FLOOR_PJ) / np.sqrt(len(one.names))
        rows = one.counts[:, _ACTION] * row[_QUANTITY] * weights[:, None]
        squares += rows.T @ rows
        products += rows.T @ (one.energies_pj * weights)
        sizes += np.abs(rows).sum(axis=0)
        equations += len(rows)
    used = sizes > 0
    scale = sizes[used] / equations
    squares = squares[np.ix_(used, used)] / np.outer(scale, scale)
    squares += np.eye(used.sum()) * _RIDGE * np.trace(squares) / used.sum()
    factor = np.linalg.cholesky(squares)  # nnls wants rows; these have the same squares
    aims = np.linalg.solve(factor, products[used] / scale)
    prices = np.zeros(count)
    prices[used] = nnls(factor.T, aims, maxiter=20 * count)[0] / scale
    return prices


def _intervals(
    measured: Sequence[Primitives], foretold: Sequence[Matrix], names: Sequence[str]
) -> Intervals:
    """Of the energy of any primitive of a new design: those of one are off in one direction."""
    with np.errstate(divide="ignore"):  # what is foretold as nothing is off by any factor
        scores = [
            np.abs(np.log(one.energies_pj / said))
            for one, said in zip(measured, foretold, strict=True)
        ]
    of_family = {
        name: [own for own, other in zip(scores, names, strict=True) if other == name]
        for name in sorted(set(names))
    }
    return Intervals(
        level=LEVEL,
        widths={
            name: grouped_quantile(own, LEVEL)
            for name, own in of_family.items()
            if len(own) >= LEAST_POINTS
        },
        other=grouped_quantile(scores, LEVEL),
        points=len(scores),
    )


def _errors(measured: Sequence[Primitives], foretold: Sequence[Matrix]) -> Errors:
    off = [
        100 * np.abs(said / one.energies_pj - 1)
        for one, said in zip(measured, foretold, strict=True)
    ]
    kinds = {}
    for kind, ending in KINDS.items():
        found = [
            error
            for one, errors in zip(measured, off, strict=True)
            for name, error in zip(one.names, errors, strict=True)
            if name == ending or name.endswith(f" {ending}")
        ]
        if found:
            kinds[kind] = float(np.mean(found))
    return Errors(
        designs=len(off),
        primitives_pct=float(np.mean([errors.mean() for errors in off])),
        p95_pct=float(np.quantile(np.concatenate(off), 0.95)),
        kinds_pct=kinds,
    )


def _require_positive(measured: Sequence[Primitives]) -> None:
    for one in measured:
        wrong = ~(np.isfinite(one.energies_pj) & (one.energies_pj > 0))
        if wrong.any():
            raise InputError(
                f"the energy of primitive {one.names[int(wrong.argmax())]} must be above 0 pJ, not "
                f"{one.energies_pj[wrong][0]:g}"
            )
