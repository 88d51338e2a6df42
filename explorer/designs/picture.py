"""Explored accelerators as a picture: import this where it is used, as ``explorer.plot``."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from matplotlib.figure import Figure

from explorer.designs.exploration import OBJECTIVES, Exploration
from explorer.plot import CLOUD_POINTS, draw_panel, write_figure


def write_picture(result: Exploration, path: Path) -> None:
    """Draw all wanted designs and the front, a panel for each pair of objectives.

    Raises:
        InputError: if the file cannot be written.
    """
    pairs = list(combinations([OBJECTIVES[name] for name in result.wanted.objectives], 2))
    figure = Figure(figsize=(4.6 * len(pairs), 4.4), layout="constrained")
    good = result.table[result.table["wanted"]]
    cloud = good.sample(min(CLOUD_POINTS, len(good)), random_state=0)
    for number, (x, y) in enumerate(pairs, start=1):
        draw_panel(figure.add_subplot(1, len(pairs), number), cloud, result.front, x, y)
    figure.suptitle(
        f"{result.network.name} on {len(good):,} accelerators ({result.space.base['name']}); "
        "ringed: the front, white: PE outside what was measured"
    )
    write_figure(figure, path)
