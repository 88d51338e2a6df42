"""The tiling of a layer on the array of this project that costs least, of all: mode ``rtl``.

Tilings are followed from the one with the lowest bound on its cost. First the bound is that of the
tiling, then that of the tiling with a share of the buffer and the runs that follow from it
(``explorer.mapping.rtl_bounds``), then it is the cost. What comes first with its cost is the best.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from explorer.mapping.cost import LayerCost
from explorer.mapping.rtl_array import RtlArray, Share
from explorer.mapping.rtl_bounds import Bounds
from explorer.mapping.rtl_counts import blocks_of, evaluate_tiling
from explorer.networks.layer import LayerShape
from rtl_gen.array.compiler import Tiling, shape_layer
from rtl_gen.errors import InputError

#: What is to be small, and the energy: of equal delays the one with less of it.
Value = tuple[float, float]
Entry = Tiling | tuple[Tiling, Share] | LayerCost


@dataclass(frozen=True, kw_only=True)
class Found:
    """The best tiling.

    Attributes:
        cost: of the layer.
        evaluated: tilings with shares whose cost was computed.
        space: tilings times shares.
    """

    cost: LayerCost
    evaluated: int
    space: int


def best_tiling(array: RtlArray, layer: LayerShape, objective: str = "energy") -> Found:
    """Search for the tiling, and the share of the buffer's banks, that cost least.

    Args:
        array: the array, with energies at the layer's widths.
        layer: what it runs.
        objective: ``energy``, ``delay`` (cycles; of equal ones the least energy) or ``edp``.

    Raises:
        InputError: if the array has no such layer, or no tiling fits.
    """
    return _Search(array, layer, objective).run()


class _Search:
    """Best first, over bounds and costs."""

    def __init__(self, array: RtlArray, layer: LayerShape, objective: str) -> None:
        self._array, self._layer, self._objective = array, layer, objective
        self._bounds = Bounds(array, layer)
        self._shares = [(share, array.design(share)) for share in array.shares()]
        self._evaluated = 0
        self._refused: InputError | None = None

    def run(self) -> Found:
        tilings = self._bounds.tilings
        if not tilings:
            raise InputError(self._no_tiling())
        energies, cycles = self._bounds.of_all()
        values = map(self._value, energies.tolist(), cycles.tolist())
        number = itertools.count()  # of equal values the first one
        queue: list[tuple[Value, int, Entry]] = [
            (value, next(number), tiling) for value, tiling in zip(values, tilings, strict=True)
        ]
        heapq.heapify(queue)
        while queue:
            _, _, entry = heapq.heappop(queue)
            if isinstance(entry, LayerCost):
                space = len(tilings) * len(self._shares)
                return Found(cost=entry, evaluated=self._evaluated, space=space)
            for value, following in self._next(entry):
                heapq.heappush(queue, (value, next(number), following))
        assert self._refused is not None
        raise InputError(f"mode rtl: {self._refused}")

    def _next(self, entry: Tiling | tuple[Tiling, Share]) -> Iterator[tuple[Value, Entry]]:
        """What follows: of a tiling its shares, of one of these its cost."""
        if isinstance(entry, Tiling):
            yield from self._with_shares(entry)
            return
        self._evaluated += 1
        cost = evaluate_tiling(self._array, self._layer, *entry)
        yield self._value(cost.energy_pj, cost.cycles), cost

    def _with_shares(self, tiling: Tiling) -> Iterator[tuple[Value, Entry]]:
        """One share of all in which the tiling has the same runs: they cost the same."""
        known = set()
        for share, design in self._shares:
            try:
                shape = shape_layer(design, self._bounds.layer, tiling, self._array.mode)
                blocks, _ = blocks_of(shape)
                if blocks in known:
                    continue
                known.add(blocks)
                yield self._value(*self._bounds.of_one(shape)), (tiling, share)
            except InputError as error:
                self._refused = self._refused or error

    def _value(self, energy: float, cycles: float) -> Value:
        first = {"energy": energy, "delay": cycles, "edp": energy * cycles}[self._objective]
        return first, energy

    def _no_tiling(self) -> str:
        pe = self._array.pe
        return (
            f"mode rtl: a filter {self._bounds.layer.filter_width} wide does not fit a PE with "
            f"ifmap_depth {pe.ifmap_depth} and filter_depth {pe.filter_depth}"
        )
