"""Explanations of predictions as tables and as a plot."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from explorer.report import short
from rtl_gen.atomic import write_bytes
from surrogate.explain import PARAMETERS, Explanation, partial_dependence
from surrogate.formulas import Formula
from surrogate.model import Surrogate
from surrogate.targets import TARGETS

#: Parts and factors that are shown.
SHOWN = 8


def explanation_table(found: Explanation) -> Table:
    """Parts of the base, then the factors of the trees, as far as they count."""
    unit = TARGETS[found.target].unit
    table = Table("", unit, "%", title=f"{found.target}: {short(found.predicted)} {unit}")
    base = sum(found.parts.values())
    for name, value in _first(found.parts, sum):
        table.add_row(name, short(value), f"{100 * value / base:.1f}")
    table.add_section()
    table.add_row("sum", short(base), "100.0")
    for name, value in _first(found.factors, math.prod):
        table.add_row(f"trees: {name}", "", f"{100 * (value - 1):+.2f}")
    return table


def importance_table(found: pd.DataFrame, target: str) -> Table:
    """What a target depends on, most first."""
    table = Table("feature", "of the base, %", "trees, %", title=target)
    for row in found.head(2 * SHOWN).to_dict("records"):
        table.add_row(row["feature"], f"{row['base_pct']:.1f}", f"{row['trees_pct']:.2f}")
    return table


def formula_table(found: Sequence[Formula], errors_pct: dict[str, float]) -> Table:
    """Formulas, and by how much they and the surrogate are off.

    Args:
        errors_pct: of the surrogate, cross-validated in the same way.
    """
    table = Table("formula", "mean error, %", "surrogate's, %")
    for formula in found:
        error = errors_pct.get(formula.target, math.nan)
        table.add_row(str(formula), f"{formula.error_pct:.1f}", f"{error:.1f}")
    return table


def dependence_plot(surrogate: Surrogate, table: pd.DataFrame, path: Path) -> None:
    """Partial dependence of all targets on the parameters that vary: a picture for each pair.

    Args:
        table: design points.
        path: of a PNG.

    Raises:
        InputError: if it cannot be written.
    """
    varied = [name for name in PARAMETERS if table[name].nunique() > 1]
    size = (2.2 * len(varied), 1.8 * len(TARGETS))
    with mpl.rc_context({"font.size": 7}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(TARGETS), len(varied), squeeze=False, sharey="row")
        for column, name in enumerate(varied):
            values = np.unique(
                np.quantile(table[name], [0.1, 0.3, 0.5, 0.7, 0.9], method="nearest")
            )
            found = partial_dependence(surrogate, table, name, values.tolist())
            for axis, (target, rows) in zip(
                axes[:, column], found.groupby("target", sort=False), strict=True
            ):
                axis.plot(rows["value"], rows["mean"], marker="o", markersize=3)
                axis.fill_between(rows["value"], rows["low"], rows["high"], alpha=0.2, lw=0)
                if column == 0:
                    axis.set_ylabel(target)
            axes[-1, column].set_xlabel(name)
        for axis in axes[:, 0]:
            axis.set_ylim(bottom=0)
        sink = io.BytesIO()
        figure.savefig(sink, format="png", dpi=110, metadata={"Software": None})
    write_bytes(path, sink.getvalue())


def _first(
    values: dict[str, float], of_rest: Callable[[list[float]], float]
) -> list[tuple[str, float]]:
    items = list(values.items())
    shown, rest = items[:SHOWN], items[SHOWN:]
    return shown if not rest else [*shown, ("all others", of_rest([v for _, v in rest]))]
