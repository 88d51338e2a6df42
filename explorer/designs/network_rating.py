"""A whole network on many designs: energy and cycles of each, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.accelerators.hierarchy import Hierarchy
from explorer.designs.figures import Bits, Costing, Figures, costing
from explorer.designs.fleet import Ordered, fleet_of
from explorer.designs.pool import Growth, LayerPool
from explorer.designs.space import Indices
from explorer.mapping.compiled import Floats
from explorer.mapping.fast import IFMAP
from explorer.mapping.mapper import kept_tensors
from explorer.mapping.ragged import Larger, rounded_up
from explorer.mapping.space import Space
from explorer.mapping.threads import aside, threads
from explorer.mapping.traffic import NARROWEST, words_at
from explorer.networks.layer import LayerShape, Traffic
from explorer.networks.network import Network

#: Share of the designs that pools are grown for again.
_BEST = 0.01
#: Designs that pools are grown on, at most.
_SCOUTS = 20_000
Key = tuple[LayerShape, int]


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A network on designs.

    Attributes:
        energy_pj, cycles: ``[n]``: infinite where a layer does not fit, or a PE is too narrow.
        mappings: mappings in all pools together.
    """

    energy_pj: Floats
    cycles: Floats
    mappings: int


def rate_network(
    found: Figures,
    network: Network,
    objective: str,
    *,
    growth: Growth,
    seed: int = 1,
    jobs: int = 1,
    told: Callable[[], None] = lambda: None,
) -> Rated:
    """Energy and cycles of a network on each design, with the best mappings of pools.

    Each figure is that of a real mapping that fits: no design is better than told, by the cost
    model of the search (``explorer.mapping.fast``); the mapper may find better ones.

    Args:
        found: the designs.
        network: what runs on them.
        objective: of ``fast.OBJECTIVES``, of the mappings.
        growth: how pools are grown.
        seed: of the pools.
        jobs: threads; they change no result.
        told: called twice for each layer: when its pool is grown, and when it is grown again for
            the designs that are best for the network.
    """
    times = network.unique_shapes()
    count = len(found.pe)
    of_bits = {bits: costing(found, bits) for bits in dict.fromkeys(map(_bits, times))}
    of_shape = {
        shape: costing(found, _bits(shape), shape) if shape.has_zeros else of_bits[_bits(shape)]
        for shape in times
    }

    scouts = _scouts(count, seed)
    few = _layers(found.take(scouts), {s: c.take(scouts) for s, c in of_shape.items()}, growth)
    weights = list(times.values())

    def first(pools: list[LayerPool]) -> tuple[Floats, Floats]:
        for pool in pools:
            pool.grow(objective, seed)
        told()
        return _rate_layer(pools, [pool.ordered for pool in pools], len(scouts), objective)

    aside(lambda: _compile([pool for pools in few for pool in pools][:1], objective))
    energy, cycles = _in_threads(first, few, weights, len(scouts), jobs)
    best = _best_designs(_score(energy, cycles, objective))
    fleets = _fleets(found, of_shape)

    def again(pools: list[LayerPool]) -> tuple[Floats, Floats]:
        for pool in pools:
            pool.grow_on(np.flatnonzero(best[pool.ordered.designs]), objective, seed)
        told()
        return _rate_layer(pools, [fleets[pool.key] for pool in pools], count, objective)

    energy, cycles = _in_threads(again, few, weights, count, jobs)
    costs = next(iter(of_bits.values())) if of_bits else costing(found, NARROWEST)
    for layer in (each for each in network.layers if isinstance(each, Traffic)):
        more = _rate_traffic(found, costs, layer)
        runs = np.isfinite(energy)
        energy = np.where(runs, energy + more[0], np.inf)
        cycles = np.where(runs, cycles + more[1], np.inf)
    return Rated(
        energy_pj=energy, cycles=cycles,
        mappings=sum(pool.size for pools in few for pool in pools),
    )  # fmt: skip


def _bits(shape: LayerShape) -> Bits:
    return shape.act_bits, shape.weight_bits, shape.out_bits


def _scouts(count: int, seed: int) -> Indices:
    """Designs that pools are grown on: all, or some of very many."""
    numbers = np.arange(count)
    if count <= _SCOUTS:
        return numbers
    return np.sort(np.random.default_rng(seed).choice(numbers, _SCOUTS, replace=False))


def _fleets(found: Figures, costs: Mapping[LayerShape, Costing]) -> dict[Key, Ordered]:
    """Fleets by layer and choice of what levels keep; layers whose values cost the same share."""
    known: dict[tuple[int, int], Ordered | None] = {}
    fleets: dict[Key, Ordered] = {}
    largest, keeps = _largest(found), kept_tensors(found.space.outlines[0])
    for shape, of_layer in costs.items():
        for number, kept in enumerate(keeps):
            alike = id(of_layer.costs), number
            if alike not in known:
                space = Space.of(largest, shape, kept)
                known[alike] = fleet_of(found, of_layer, space, _bits(shape))
            if (fleet := known[alike]) is not None:
                fleets[shape, number] = fleet
    return fleets


def _layers(
    found: Figures, costs: Mapping[LayerShape, Costing], growth: Growth
) -> list[list[LayerPool]]:
    """Empty pools of each layer, one for each choice of what levels keep.

    Likewise with larger sizes, if the layer has some that can hardly be split.
    """
    fleets = _fleets(found, costs)
    largest, keeps = _largest(found), kept_tensors(found.space.outlines[0])
    axes = set(found.space.fanouts.ravel().tolist())
    return [
        [
            LayerPool(
                Space.of(largest, shape, kept, larger=larger), fleets[shape, number], growth,
                (shape, number),
            )
            for larger in _sizes(shape, axes)
            for number, kept in enumerate(keeps)
            if (shape, number) in fleets
        ]
        for shape in costs
    ]  # fmt: skip


def _sizes(shape: LayerShape, axes: set[int]) -> list[Larger]:
    """What is split beside the layer's own sizes: nothing, and larger ones if there are."""
    larger = rounded_up(shape, axes)
    return [{}, larger] if larger else [{}]


def _compile(pools: list[LayerPool], objective: str) -> None:
    """Have everything compiled by one thread: several at once are not safe with CPython 3.11's ast.

    Args:
        pools: one whose likes are to be grown.
        objective: of the mappings.
    """
    least = Growth(cold=1, cold_tries=1, warm=1, warm_tries=1, best=1)
    for pool in pools:
        small = LayerPool(pool.space, pool.ordered, least, pool.key)
        small.grow(objective, 1)
        small.rate(small.ordered, objective)


def _in_threads(
    rate: Callable[[list[LayerPool]], tuple[Floats, Floats]], layers: list[list[LayerPool]],
    weights: list[int], count: int, jobs: int,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Energy and cycles of all layers, each as often as it is in the network."""
    energy, cycles = np.zeros(count), np.zeros(count)
    # The largest spaces first, so that no thread is left alone with one of them in the end.
    first = sorted(range(len(layers)), key=lambda k: -sum(p.space.size for p in layers[k]))
    with threads(jobs) as workers:
        running = {k: workers.submit(rate, layers[k]) for k in first}
        for k, weight in enumerate(weights):
            rated = running.pop(k).result()
            energy += weight * rated[0]
            cycles += weight * rated[1]
    return energy, cycles


def _score(energy: Floats, cycles: Floats, objective: str) -> Floats:
    return {"energy": energy, "delay": cycles, "edp": energy * cycles}[objective]


def _best_designs(score: Floats) -> NDArray[np.bool_]:
    """Those of the best share of the designs."""
    fitting = score[np.isfinite(score)]
    if not len(fitting):
        return np.zeros(len(score), np.bool_)
    best: NDArray[np.bool_] = score <= np.quantile(fitting, _BEST)
    return best


def _rate_layer(
    pools: list[LayerPool], fleets: list[Ordered], count: int, objective: str
) -> tuple[Floats, Floats]:
    """The best of a layer's pools, one for each choice of what levels keep, on each design."""
    energy, cycles, score = (np.full(count, np.inf) for _ in range(3))
    for pool, fleet in zip(pools, fleets, strict=True):
        own_energy, own_cycles = pool.rate(fleet, objective)
        own = _score(own_energy, own_cycles, objective)
        designs = fleet.designs
        better = own < score[designs]
        at = designs[better]
        energy[at], cycles[at] = own_energy[better], own_cycles[better]
        score[at] = own[better]
    return energy, cycles


def _largest(found: Figures) -> Hierarchy:
    """Levels with as many instances as any of the designs has."""
    most = found.space.fanouts.max(axis=0)
    levels = found.space.outlines[0].hierarchy.levels
    return Hierarchy(
        tuple(
            replace(level, fanout_x=int(x), fanout_y=int(y))
            for level, (x, y) in zip(levels, most, strict=True)
        )
    )


def _rate_traffic(found: Figures, costs: Costing, layer: Traffic) -> tuple[Floats, Floats]:
    """A layer without products moves its words at the outermost level."""
    read = np.full((len(found.tables), len(found.srams)), np.nan)
    write = read.copy()
    for key, each in costs.costs.items():
        if each is not None:
            read[key] = each.read_pj[0, IFMAP] * each.packing[0, IFMAP]
            write[key] = each.whole_write_pj[0] * each.whole_packing[0]
    at = found.pe, found.memory[found.frame]
    _, examples = np.unique(found.memory, return_index=True)
    moved = [
        words_at(found.space.outlines[k], layer, 0, layer.input_words, layer.output_words)
        for k in examples
    ]
    words = np.array(moved)[at[1]]
    rates = [
        (level.read_words_per_cycle or math.inf, level.write_words_per_cycle or math.inf)
        for level in (sample.hierarchy.levels[0] for sample in found.space.outlines)
    ]
    cycles = np.ceil((words / np.array(rates)[found.frame]).max(axis=1))
    energy = words[:, 0] * read[at] + words[:, 1] * write[at] + cycles * costs.cycle_pj
    return energy, cycles
