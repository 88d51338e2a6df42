"""A pool of mappings of one layer that are good on some of many designs, grown by searching.

Some designs, drawn at random, are searched from scratch; then many more, each from the best mapping
that the pool already has for it. What is found for one design serves all that it fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from explorer.designs.fleet import Ordered, problem_on
from explorer.designs.rating import (
    Pool,
    add_mapping,
    best_of,
    fitting,
    prices_of,
    rate_designs,
    roomy,
)
from explorer.designs.space import Indices
from explorer.mapping import fast
from explorer.mapping.compiled import Floats
from explorer.mapping.space import Space
from explorer.networks.layer import LayerShape


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How a pool is grown.

    Attributes:
        cold, cold_tries: designs that are searched from scratch, and moves of each.
        warm, warm_tries: designs that are searched from what is known, and moves of each.
        best: of the designs that are best then, so many more are searched likewise.
    """

    cold: int = 64
    cold_tries: int = 4_000
    warm: int = 2_800
    warm_tries: int = 400
    best: int = 300


#: First and last temperature of a search from scratch, and of one from what is known.
_COLD, _WARM = (0.2, 0.01), (0.03, 0.005)
#: With larger sizes there is more to choose from: so many times the moves of a search from scratch,
#: and from what is known.
_RAGGED = (4, 2)


class LayerPool:
    """Mappings of a layer on the designs of a fleet.

    Attributes:
        space: the layer's map space on the largest of the designs.
        ordered: the designs that it is grown on.
        key: a name of the pool.
        size: mappings.
    """

    def __init__(
        self, space: Space, ordered: Ordered, growth: Growth, key: tuple[LayerShape, int]
    ) -> None:
        """An empty pool."""
        self.space, self.ordered, self.growth, self.key, self.size = space, ordered, growth, key, 0
        self._problem = space.problem(ordered.example)
        self._macs = float(space.shape.macs)
        self._seen: set[bytes] = set()
        most = growth.cold + growth.warm + growth.best
        levels, pairs, slots = len(space.keeps), len(space.pairs), len(space.slots)
        self.pool = Pool(
            ways=np.zeros((most, 8), np.int64),
            picks=np.zeros((most, levels), np.int64),
            extents=np.ones((most, slots), np.int64),
            instances=np.ones((most, levels)),
            served=np.zeros((most, pairs)),
            taken=np.zeros((most, pairs)),
            tiles=np.zeros((most, levels, 3), np.int64),
            finished=np.zeros((most, levels), np.int64),
            ends=np.zeros((most, levels)),
            steps=np.zeros(most),
        )

    def grow(self, objective: str, seed: int) -> None:
        """Search on designs drawn at random; the same seed gives the same pool."""
        growth = self.growth
        draws = np.random.default_rng(seed).integers(
            0, len(self.ordered.designs), growth.cold + growth.warm
        )
        for number, i in enumerate(draws):
            known = None if number < growth.cold else self._best(int(i), objective)
            self._search(int(i), objective, seed + number, known)

    def grow_on(self, designs: Indices, objective: str, seed: int) -> None:
        """Search on some designs, drawn from these numbers in the fleet."""
        if not len(designs):
            return
        draws = np.random.default_rng(seed).choice(designs, self.growth.best)
        for number, i in enumerate(draws):
            self._search(int(i), objective, seed + number, self._best(int(i), objective))

    def _best(self, i: int, objective: str) -> int | None:
        """The best mapping that there is for a design."""
        mappings, cycles = np.zeros(self.size, np.int64), np.zeros(self.size)
        g = int(self.ordered.geometry[i])
        args = self._problem, self.pool
        candidates = roomy(*args, self.size, self.ordered.fleet, g)
        count = fitting(*args, candidates, self.ordered.fleet, g, mappings, cycles)
        prices = np.zeros((len(self.space.pairs), 2))
        place, _ = best_of(
            *args, self.ordered.fleet, i, fast.OBJECTIVES.index(objective), self._macs, prices,
            mappings[:count], cycles[:count], np.arange(count),
        )  # fmt: skip
        return None if place < 0 else int(mappings[place])

    def _search(self, i: int, objective: str, seed: int, known: int | None) -> None:
        prices = np.zeros((len(self.space.pairs), 2))
        prices_of(self._problem, self.ordered.fleet, i, prices)
        problem = problem_on(self._problem, self.ordered, i, prices, self._macs)
        cold, warm = _RAGGED if self.space.ragged else (1, 1)
        if known is None:
            tries = cold * self.growth.cold_tries
            found = self.space.search(problem, objective, seed, 1, tries, _COLD)
        else:
            tries = warm * self.growth.warm_tries
            start = self.pool.ways[known].copy(), self.pool.picks[known].copy()
            found = self.space.search(problem, objective, seed, 1, tries, _WARM, start)
        key = found.ways.tobytes() + found.orders.tobytes()
        if math.isinf(found.score) or key in self._seen:
            return
        self._seen.add(key)
        add_mapping(problem, self.space.choices, self.pool, self.size, found.ways, found.orders)
        self.size += 1

    def rate(self, ordered: Ordered, objective: str) -> tuple[Floats, Floats]:
        """Energy in pJ and cycles of the layer on each design of a fleet."""
        energy, cycles = (np.empty(len(ordered.designs)) for _ in range(2))
        rate_designs(
            self._problem, self.pool, self.size, ordered.fleet,
            fast.OBJECTIVES.index(objective), self._macs, energy, cycles,
        )  # fmt: skip
        return energy, cycles
