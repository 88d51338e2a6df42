"""A whole network on many designs: energy and cycles of each, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from explorer.accelerators.hierarchy import Hierarchy
from explorer.designs.figures import Bits, Costing, Figures, costing
from explorer.designs.fleet import Ordered, fleet_of
from explorer.designs.pool import Growth, LayerPool
from explorer.mapping.compiled import Floats
from explorer.mapping.fast import IFMAP
from explorer.mapping.mapper import kept_tensors
from explorer.mapping.space import Space
from explorer.mapping.traffic import words_at
from explorer.networks.layer import LayerShape, Traffic
from explorer.networks.network import Network


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
        told: called behind each layer.
    """
    times = network.unique_shapes()
    count = len(found.pe)
    energy, cycles, mappings = np.zeros(count), np.zeros(count), 0
    of_bits = {bits: costing(found, bits) for bits in dict.fromkeys(map(_bits, times))}
    of_shape = {
        shape: costing(found, _bits(shape), shape) if shape.has_zeros else of_bits[_bits(shape)]
        for shape in times
    }

    keeps = kept_tensors(found.space.outlines[0])
    fleets: dict[tuple[int, int], Ordered | None] = {}
    for shape, costs in of_shape.items():
        for number, kept in enumerate(keeps):
            if (id(costs), number) not in fleets:
                space = Space.of(_largest(found), shape, kept)
                fleets[id(costs), number] = fleet_of(found, costs, space, _bits(shape))

    def one(shape: LayerShape) -> tuple[Floats, Floats, int]:
        pools = []
        for number, kept in enumerate(keeps):
            fleet = fleets[id(of_shape[shape]), number]
            if fleet is not None:
                pools.append(LayerPool(Space.of(_largest(found), shape, kept), fleet, growth))
        rated = _rate_layer(pools, count, objective, seed)
        told()
        return rated

    with ThreadPoolExecutor(jobs) as workers:
        for shape, rated in zip(times, workers.map(one, times), strict=True):
            energy += times[shape] * rated[0]
            cycles += times[shape] * rated[1]
            mappings += rated[2]
    costs = next(iter(of_bits.values())) if of_bits else costing(found, (1, 1, 1))
    for layer in (each for each in network.layers if isinstance(each, Traffic)):
        more = _rate_traffic(found, costs, layer)
        energy, cycles = energy + more[0], cycles + more[1]
    return Rated(energy_pj=energy, cycles=cycles, mappings=mappings)


def _bits(shape: LayerShape) -> Bits:
    return shape.act_bits, shape.weight_bits, shape.out_bits


def _rate_layer(
    pools: list[LayerPool], count: int, objective: str, seed: int
) -> tuple[Floats, Floats, int]:
    """The best of a layer's pools, one for each choice of what levels keep, on each design."""
    energy, cycles, score = (np.full(count, np.inf) for _ in range(3))
    mappings = 0
    for pool in pools:
        pool.grow(objective, seed)
        own_energy, own_cycles = pool.rate(objective)
        own = {"energy": own_energy, "delay": own_cycles, "edp": own_energy * own_cycles}[objective]
        designs = pool.ordered.designs
        better = own < score[designs]
        at = designs[better]
        energy[at], cycles[at] = own_energy[better], own_cycles[better]
        score[at] = own[better]
        mappings += pool.size
    return energy, cycles, mappings


def _largest(found: Figures) -> Hierarchy:
    """Levels with as many instances as any of the designs has."""
    most = found.fanouts.max(axis=0)
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
    moved = [
        words_at(sample, layer, 0, layer.input_words, layer.output_words)
        for sample in found.space.outlines
    ]
    words = np.array(moved)[found.frame]
    rates = [
        (level.read_words_per_cycle or math.inf, level.write_words_per_cycle or math.inf)
        for level in (sample.hierarchy.levels[0] for sample in found.space.outlines)
    ]
    cycles = np.ceil((words / np.array(rates)[found.frame]).max(axis=1))
    energy = words[:, 0] * read[at] + words[:, 1] * write[at] + cycles * costs.cycle_pj
    return energy, cycles
