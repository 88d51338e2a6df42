"""The same RTL written otherwise, to see what synthesis makes of it by chance.

Yosys and ABC go through a netlist in its order. Statements of RTLIL have none that means anything,
so the cells and connections of each module can be shuffled: areas of the results spread by some
percent, which no model of the design can foretell.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCKS = ("  cell ", "  process ")


def shuffled(rtlil: str, seed: int) -> str:
    """RTLIL with the cells, processes and connections of each module in another order.

    Args:
        rtlil: as Amaranth writes it.
        seed: 0 leaves it as it is.
    """
    if not seed:
        return rtlil
    generator = np.random.default_rng(seed)
    texts: list[str] = []
    movable: list[str] = []
    for first, text in _statements(rtlil):
        if first.startswith((*_BLOCKS, "  connect ")):
            movable.append(text)
            continue
        if first == "end":
            texts += [movable[index] for index in generator.permutation(len(movable))]
            movable.clear()
        texts.append(text)
    return "\n".join(texts)


def _statements(rtlil: str) -> Iterator[tuple[str, str]]:
    """The first line of each statement, and all of it with the attributes before it."""
    lines: list[str] = []
    first = ""
    for line in rtlil.split("\n"):
        lines.append(line)
        if line.startswith("  attribute ") and not first:
            continue
        first = first or line
        if first.startswith(_BLOCKS) and line != "  end":
            continue
        yield first, "\n".join(lines)
        lines, first = [], ""
