"""The Pareto front as a picture: PNG, SVG or PDF, by the extension of the file.

Matplotlib takes longer to import than most commands take to run: import this module where it is
used. Figures are made without pyplot, so no display, window system or global state is involved.
"""

from __future__ import annotations

from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from explorer.explore import OBJECTIVES, ExplorationResult, Objective
from explorer.report import FAMILY_COLOURS, option_words
from rtl_gen.atomic import write_bytes
from rtl_gen.errors import InputError

EXTENSIONS = (".png", ".svg", ".pdf")

#: More would only make a file of the same picture larger.
CLOUD_POINTS = 20_000

#: Values that span more than this factor get a logarithmic axis.
_LOGARITHMIC = 20

#: Where numbers stand, in points from what they name: neighbours on the front do not collide.
_AROUND = ((22, 16), (-22, 12), (24, -10), (-6, 26), (6, -24))


def write_plot(result: ExplorationResult, path: Path) -> None:
    """Draw all points and the front, a panel for each pair of objectives.

    Raises:
        InputError: if there is only one objective, the extension is not one of ``EXTENSIONS``, or
            the file cannot be written.
    """
    if len(result.objectives) == 1:
        raise InputError("a plot needs at least two objectives, not 1")
    check_extension(path, "plot")
    write_figure(_draw(result), path)


def check_extension(path: Path, what: str) -> None:
    """Refuse a file that no picture can be written to.

    Args:
        what: is to be written, for the message.

    Raises:
        InputError: if the extension is not one of ``EXTENSIONS``.
    """
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{path}: a {what} must end in one of {', '.join(EXTENSIONS)}")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's extension, whole or not at all.

    Raises:
        InputError: if the file cannot be written.
    """
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=150)
    write_bytes(path, picture.getvalue())


def landmarks(result: ExplorationResult) -> pd.DataFrame:
    """A few points of the front to name: the best in each objective, and one between.

    The one between is nearest to the best of everything, each objective scaled to its range on the
    front. Rows in the order of the front.
    """
    chosen = [OBJECTIVES[name] for name in result.objectives]
    costs = result.front[[objective.column for objective in chosen]].to_numpy()
    costs = np.where([objective.maximize for objective in chosen], -costs, costs)
    spans = np.maximum(np.ptp(costs, axis=0), np.finfo(float).tiny)
    middle = (((costs - costs.min(axis=0)) / spans) ** 2).sum(axis=1).argmin()
    return result.front.iloc[sorted({*costs.argmin(axis=0).tolist(), int(middle)})]


def describe(point: pd.Series) -> str:
    """A design point in words that fit a legend."""
    terms = f" k={point['terms']}" if point["terms"] > 1 else ""
    spads = "/".join(str(point[f"{name}_depth"]) for name in ("ifmap", "filter", "psum"))
    options = option_words(point.to_dict())
    return (
        f"{point['family']}{terms} {point['act_bits']}x{point['weight_bits']} bit, "
        f"{options + ', ' if options else ''}"
        f"scratchpads {spads}, psum {point['psum_bits']} bit, "
        f"{point['pipeline_stages']}-stage, aimed at {point['period_ps']} ps"
    )


def _draw(result: ExplorationResult) -> Figure:
    pairs = list(combinations([OBJECTIVES[name] for name in result.objectives], 2))
    across = min(3, len(pairs))
    down = -(-len(pairs) // across)
    wide, high = (8.0, 6.2) if len(pairs) == 1 else (4.6 * across, 4.0 * down + 1.4)
    figure = Figure(figsize=(wide, high), layout="constrained")
    cloud = result.points.sample(min(CLOUD_POINTS, len(result.points)), random_state=0)
    named = landmarks(result)
    for number, (x, y) in enumerate(pairs, start=1):
        axes = figure.add_subplot(down, across, number)
        draw_panel(axes, cloud, result.front, x, y)
        _draw_numbers(axes, named, x, y)
    figure.suptitle(
        f"Pareto front: {len(result.front):,} of {len(result.points):,} predicted designs",
        x=0.02,
        horizontalalignment="left",
    )
    _draw_legend(figure, result, named)
    return figure


def draw_panel(
    axes: Axes, cloud: pd.DataFrame, front: pd.DataFrame, x: Objective, y: Objective
) -> None:
    """Draw all points and the front; white where something was not measured (``outside``)."""
    inside = front["outside"].isna()
    measured, unknown = _colours(front[inside]), _colours(front[~inside])
    layers: list[tuple[pd.DataFrame, dict[str, Any]]] = [
        (cloud, {"s": 5, "c": _colours(cloud), "alpha": 0.25, "lw": 0, "rasterized": True}),
        (front[~inside], {"s": 28, "c": "white", "edgecolors": unknown, "lw": 1.6, "zorder": 3}),
        (front[inside], {"s": 34, "c": measured, "edgecolors": "black", "lw": 0.7, "zorder": 3}),
    ]
    for points, style in layers:
        axes.scatter(points[x.column], points[y.column], **style)
    for axis, objective in (("x", x), ("y", y)):
        better = "more" if objective.maximize else "less"
        axes.set(**{f"{axis}label": f"{objective.label}, {better} is better"})
        values = cloud[objective.column]
        ticks = axes.xaxis if axis == "x" else axes.yaxis
        if values.max() > _LOGARITHMIC * values.min():
            axes.set(**{f"{axis}scale": "log"})
            ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ticks.set_minor_formatter(NullFormatter())
        else:
            ticks.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        ticks.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.margins(0.1)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.set_axisbelow(True)


def _colours(points: pd.DataFrame) -> list[str]:
    return [FAMILY_COLOURS[family] for family in points["family"]]


def _draw_numbers(axes: Axes, named: pd.DataFrame, x: Objective, y: Objective) -> None:
    for number, (_, point) in enumerate(named.iterrows(), start=1):
        axes.annotate(
            str(number),
            (point[x.column], point[y.column]),
            xytext=_AROUND[number % len(_AROUND)],
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "linewidth": 0.6},
            fontweight="bold",
            zorder=4,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "linewidth": 0.6},
        )


def _draw_legend(figure: Figure, result: ExplorationResult, named: pd.DataFrame) -> None:
    kinds: dict[str, dict[str, Any]] = {
        family: {"color": FAMILY_COLOURS[family]} for family in sorted(set(result.points["family"]))
    }
    kinds["on the front"] = {"color": "gray", "markeredgecolor": "black"}
    if result.front["outside"].notna().any():
        kinds["beyond what was measured"] = {"color": "gray", "markerfacecolor": "white"}
    marks = [
        Line2D([], [], marker="o", linestyle="", label=label, **style)
        for label, style in kinds.items()
    ]
    figure.legend(handles=marks, loc="outside upper right", ncols=len(marks), fontsize="small")
    lines = [
        f"{number}: {describe(point)}" for number, (_, point) in enumerate(named.iterrows(), 1)
    ]
    figure.supxlabel("\n".join(lines), fontsize="small", x=0.02, horizontalalignment="left")
