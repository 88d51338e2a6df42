"""Counting mode ``timeloop``: what a mapping costs by the counts that Timeloop reports.

Words are those of ``explorer.mapping.timeloop_counts``, packed as its mixed-precision fork packs
them: an instance's total is rounded up to whole memory words; sums have the outputs' width in all
memories. Layers are dense, and what moves through networks is not counted.
"""

from __future__ import annotations

import math

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies
from explorer.mapping.cost import (
    MAC_ACTION,
    PES,
    LayerCost,
    Term,
    check_tiles,
    slowest,
    standing_terms,
    values_per_word,
)
from explorer.mapping.counts import LevelCounts, count
from explorer.mapping.mapping import Mapping
from explorer.networks.layer import LayerShape

NOT_COUNTED = "networks, in mode timeloop"


def evaluate_like_timeloop(
    accelerator: Accelerator, energies: Energies, shape: LayerShape, mapping: Mapping
) -> LayerCost:
    """Cost of a layer under a mapping whose factors divide, counted as Timeloop does.

    Args:
        accelerator: that the layer runs on.
        energies: of the accelerator at the layer's widths.
        shape, mapping: the layer and its loops.

    Raises:
        InputError: if the mapping is not one of this layer on this accelerator, has ragged edges,
            or a tile does not fit.
    """
    hierarchy = accelerator.hierarchy
    counts = count(hierarchy, shape, mapping, "timeloop")
    room = [0] * len(hierarchy.levels)
    words: dict[int, tuple[int, int]] = {}
    terms = []
    for c in counts.levels:
        packing = values_per_word(accelerator, energies, c.level, c.tensor, whole=True)
        room[c.level] += math.ceil(c.tile / packing)
        read, written = _memory_words(c, packing)
        before = words.get(c.level, (0, 0))
        words[c.level] = before[0] + read, before[1] + written
        terms += _terms(accelerator, energies, c, read, written)
    check_tiles(hierarchy, room)
    used = {c.level: c.instances for c in counts.levels}
    busy = math.ceil(counts.steps / energies.macs_per_cycle)
    totals = {v: (float(reads), float(writes)) for v, (reads, writes) in words.items()}
    cycles = math.ceil(slowest(hierarchy, used, totals, busy))
    terms.append(Term(part=PES, tensor="", action=MAC_ACTION, times=counts.macs,
                      each_pj=energies.mac_pj, origin=energies.pe_origin))  # fmt: skip
    terms += standing_terms(accelerator, energies, cycles)
    return LayerCost(
        mapping=mapping,
        counts=counts,
        terms=tuple(term for term in terms if term.times),
        room=tuple(room),
        cycles=cycles,
        busy_cycles=busy,
        rates={
            hierarchy.levels[v].name: (r / (used[v] * cycles), w / (used[v] * cycles))
            for v, (r, w) in words.items()
        },
        utilization=counts.macs / (cycles * accelerator.mac_units * energies.macs_per_cycle),
        period_ps=accelerator.period_ps,
        least_period_ps=energies.period_ps,
        area_um2=sum(amount.value for amount in energies.area_um2.values()),
        unknown=(*energies.unknown, NOT_COUNTED),
    )


def _memory_words(c: LevelCounts, packing: float) -> tuple[int, int]:
    """Memory words that all instances read and write: totals of one, rounded up, each by itself."""
    reads, fills, updates = (
        math.ceil(values / (c.instances * packing)) * c.instances
        for values in (c.read_words, c.fills, c.updates)
    )
    return reads, fills + updates


def _terms(
    accelerator: Accelerator, energies: Energies, c: LevelCounts, read: int, written: int
) -> list[Term]:
    level, access = accelerator.hierarchy.levels[c.level], energies.access[c.level, c.tensor]
    return [
        Term(part=level.name, tensor=c.tensor, action=f"{action} of a memory word", times=times,
             each_pj=each / level.access_words, origin=access.origin)
        for action, times, each in (
            ("read", read, access.read_pj), ("write", written, access.write_pj)
        )
    ]  # fmt: skip
