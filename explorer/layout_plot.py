"""A picture of a layout: every cell where it stands, coloured by what it is for.

Matplotlib takes longer to import than most commands take to run: import this module where it is
used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from characterize import sram
from characterize.clock_tree import CLOCK_BUFFER
from characterize.layout_def import DefDesign, read_def
from characterize.platform import Platform, load_platform
from characterize.store import Store
from characterize.timing_repair import HOLD_BUFFER
from explorer.campaigns import measure_points, plan_points
from explorer.plot import check_extension, write_figure
from rtl_gen.atomic import check_target
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

#: Groups of cells and their colours.
COLOURS = {
    "logic": "#9ecae1",
    "register": "#3182bd",
    "clock_gate": "#fd8d3c",
    "clock_tree": "#d62728",
    "memory": "#756bb1",
    "buffer": "#31a354",
    "hold buffer": "#e6c700",
}
#: What instance names of buffers for loads begin with, of either flow.
_BUFFERS = ("buf", "place", "fanout", "load_slew", "max_", "wire", "rebuffer", "split")


def draw_point(
    design: PEDesign,
    output: Path,
    *,
    period_ps: int,
    store: Path,
    platform: str,
    flow: str,
    utilization: float,
    seed: int,
    quiet: bool,
) -> dict[str, Any]:
    """Draw the layout of a design, measured if need be; returns what was written, for ``--json``.

    Raises:
        InputError: as ``measure_points``; or if the point cannot be measured, or the picture not
            be written.
    """
    check_picture(output)
    points = plan_points(
        design, None, period_ps=period_ps, utilization=utilization, seed=seed, flow=flow
    )
    summary = measure_points(
        points, store=store, dataset=None, jobs=1, platform=platform, quiet=quiet
    )
    (measurement,) = summary.measurements
    if measurement.status == "failed":
        raise InputError(f"{points[0].name} has no layout: {measurement.reason}")
    layout = Store(store).files(measurement.key)["layout.def"]
    placed = read_def(layout.decode("ascii"))
    draw_layout(placed, sram.for_design(load_platform(platform), design), output, points[0].name)
    return {
        "name": points[0].name,
        "output": str(output),
        "entry": str(Store(store).path(measurement.key)),
        "cells": len(placed.cells),
        "flow": flow,
    }


def check_picture(path: Path) -> None:
    """Refuse what no picture can be written to.

    Raises:
        InputError: if the extension is not one of ``explorer.plot.EXTENSIONS``, or the folder
            cannot be written.
    """
    check_extension(path, "picture")
    check_target(path)


def draw_layout(design: DefDesign, platform: Platform, path: Path, title: str) -> None:
    """Draw the cells of a layout, and its ports as dots.

    Raises:
        InputError: as ``check_picture``.
    """
    check_picture(path)
    groups: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in COLOURS}
    for name, cell in design.cells.items():
        outline = platform.macros()[cell.kind]
        x, y, width, height = cell.x_um, cell.y_um, outline.width_um, outline.height_um
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        groups[group_of(name, cell.kind, platform)].append(corners)
    figure = Figure(figsize=(9, 9), layout="constrained")
    axes = figure.subplots()
    for name, boxes in groups.items():
        axes.add_collection(
            PolyCollection(boxes, facecolors=COLOURS[name], edgecolors="white", linewidths=0.15)
        )
    axes.scatter(
        [port.x_um for port in design.ports.values()],
        [port.y_um for port in design.ports.values()],
        s=4, color="black", zorder=3,
    )  # fmt: skip
    axes.set(
        xlim=(-2, design.width_um + 2), ylim=(-2, design.height_um + 2), xlabel="um", ylabel="um",
        title=title, aspect="equal",
    )  # fmt: skip
    shown = [
        Patch(color=COLOURS[name], label=f"{name.replace('_', ' ')} ({len(boxes):,})")
        for name, boxes in groups.items()
        if boxes
    ]
    figure.legend(handles=shown, loc="outside lower center", ncols=4, frameon=False)
    write_figure(figure, path)


def group_of(instance: str, kind: str, platform: Platform) -> str:
    """What an instance is for: one of ``COLOURS``."""
    cell = platform.cells().get(kind)
    logic = cell is not None and not (cell.is_flop or cell.is_latch or cell.is_macro)
    of_instance = {
        "clock_tree": instance.startswith(CLOCK_BUFFER),
        "register": cell is not None and (cell.is_flop or cell.is_latch),
        "clock_gate": cell is not None and cell.clock_gate,
        "memory": cell is not None and cell.is_macro,
        "hold buffer": logic and instance.startswith(HOLD_BUFFER),
        "buffer": logic and instance.startswith(_BUFFERS),
        "logic": True,  # and taps, which are no cells of the Liberty file
    }
    return next(group for group, is_it in of_instance.items() if is_it)
