"""What a layer costs on an accelerator under a mapping: energy, cycles, and all their terms."""

from __future__ import annotations

import math
from collections.abc import Mapping as Named
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Amount, Energies
from explorer.accelerators.hierarchy import TENSORS, Hierarchy, Level
from explorer.accelerators.sparsity import OPERANDS
from explorer.mapping.counts import Counts, LevelCounts, count, sums_that_come, tile_words
from explorer.mapping.mapping import Mapping
from explorer.mapping.resident import NOTHING, Resident
from explorer.mapping.space import Costs
from explorer.mapping.sparse import MODEL, savings
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError

#: Parts of the energy beside the levels.
PES, NETWORK, CLOCK, LEAKAGE = "PEs", "network", "clock", "leakage"
MAC_ACTION = "multiply-accumulate"


@dataclass(frozen=True, kw_only=True)
class Term:
    """A part of the energy: so many times so much.

    Attributes:
        part: level, ``PEs``, ``network``, ``clock`` or ``leakage``.
        tensor: ``ifmap``, ``filter``, ``psum``, ``ofmap`` (finished sums), or "".
        action: what is done.
        times: values (not memory words) that are read, written or moved; products; cycles.
        each_pj: energy for each.
        origin: where that is from.
    """

    part: str
    tensor: str
    action: str
    times: float
    each_pj: float
    origin: str

    @property
    def energy_pj(self) -> float:
        """Of all of them."""
        return self.times * self.each_pj


class Plan(Protocol):
    """How a mapping is run, beyond its loops."""

    def lines(self) -> list[str]:
        """For people."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """A layer on an accelerator under a mapping.

    Attributes:
        mapping, counts: what was counted, in which mode.
        plan: of mode ``rtl``: tiling, banks and runs, of which the mapping is the loop nest.
        terms: of the energy; they add up to it.
        cycles: with stalls; ``busy_cycles`` without.
        rates: of each level, memory words that an instance reads and writes in a cycle.
        utilization: products over those that all MAC units could make in that time, 0..1.
        period_ps: of the clock; least_period_ps: that the accelerator needs.
        area_um2: of the accelerator, of what is known.
        unknown: what is in no sum.
        room: of each level, memory words that the tiles take in an instance; of mode ``exact``.
    """

    mapping: Mapping
    counts: Counts
    terms: tuple[Term, ...]
    cycles: int
    busy_cycles: int
    rates: Named[str, tuple[float, float]]
    utilization: float
    period_ps: int
    least_period_ps: Amount
    area_um2: float
    unknown: tuple[str, ...]
    room: tuple[int, ...] = ()
    plan: Plan | None = None

    @property
    def energy_pj(self) -> float:
        """Sum of the terms."""
        return math.fsum(term.energy_pj for term in self.terms)

    @property
    def edp_pj_s(self) -> float:
        """Energy times delay."""
        return self.energy_pj * self.cycles * self.period_ps * 1e-12

    @property
    def tops_per_watt(self) -> float:
        """Two operations a product, over the energy."""
        return 2 * self.counts.macs / self.energy_pj

    @property
    def tops_per_mm2(self) -> float | None:
        """Two operations a product, over time and the area that is known; None if none is."""
        tops = 2 * self.counts.macs / (self.cycles * self.period_ps)
        return tops / (self.area_um2 * 1e-6) if self.area_um2 else None

    def parts_pj(self) -> dict[str, float]:
        """Energy of each part."""
        found: dict[str, float] = {}
        for term in self.terms:
            found[term.part] = found.get(term.part, 0.0) + term.energy_pj
        return found

    def to_dict(self, hierarchy: Hierarchy) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "mode": self.counts.mode,
            "macs": self.counts.macs,
            "energy_pj": self.energy_pj,
            "cycles": self.cycles,
            "busy_cycles": self.busy_cycles,
            "utilization": self.utilization,
            "period_ps": self.period_ps,
            "least_period_ps": asdict(self.least_period_ps),
            "edp_pj_s": self.edp_pj_s,
            "tops_per_watt": self.tops_per_watt,
            "tops_per_mm2": self.tops_per_mm2,
            "rates_words_per_cycle": {name: list(rate) for name, rate in self.rates.items()},
            "terms": [{**asdict(term), "energy_pj": term.energy_pj} for term in self.terms],
            "counts": [
                {**asdict(c), "level": hierarchy.levels[c.level].name} for c in self.counts.levels
            ],
            "mapping": self.mapping.to_list(hierarchy),
            "unknown": list(self.unknown),
            **({} if self.plan is None else {"plan": self.plan.to_dict()}),
        }


def costs_of(
    accelerator: Accelerator, energies: Energies, shape: LayerShape | None = None
) -> Costs:
    """Energies for each value that moves, from those of accesses, gates and wires.

    A network is taken as a bus: each value drives the wires past all instances below, or half of
    the way to the farthest where it goes to one alone. Of a layer they are those that its zeros
    leave (``explorer.mapping.sparse``), without one dense.
    """
    levels = accelerator.hierarchy.levels
    table = (len(levels), len(TENSORS))
    read, write, hop, packing = (np.zeros(table) for _ in range(4))
    whole_read, whole_write, whole, drain = (np.zeros(len(levels)) for _ in range(4))
    widths = (energies.act_bits, energies.weight_bits, energies.psum_bits)
    for v, level in enumerate(levels):
        hop[v] = energies.hop_pj_per_bit[v] * span_of(level) * np.array(widths)
        for t, tensor in enumerate(TENSORS):
            if tensor not in level.keeps:
                continue
            packing[v, t] = values_per_word(accelerator, energies, v, tensor)
            access = energies.access[v, tensor]
            values = level.access_words * packing[v, t]
            read[v, t], write[v, t] = access.read_pj / values, access.write_pj / values
            if tensor == "psum" and accelerator.hierarchy.instances[v] == 1:
                whole[v] = values_per_word(accelerator, energies, v, tensor, whole=True)
                values = level.access_words * whole[v]
                whole_read[v], whole_write[v] = access.read_pj / values, access.write_pj / values
        if accelerator.own_levels.get(v) == "psum":
            drain[v] = energies.forward_pj
    costs = Costs(
        read_pj=read,
        write_pj=write,
        whole_read_pj=whole_read,
        whole_write_pj=whole_write,
        drain_pj=drain,
        hop_pj=hop,
        mac_pj=energies.mac_pj,
        cycle_pj=clock_pj(accelerator, energies),
        packing=packing,
        whole_packing=whole,
        macs_per_cycle=energies.macs_per_cycle,
        held=energies.held,
    )
    return costs if shape is None else _without_zeros(accelerator, energies, shape, costs)


def _without_zeros(
    accelerator: Accelerator, energies: Energies, shape: LayerShape, costs: Costs
) -> Costs:
    """What is left of dense costs; arrays are changed in place."""
    left = savings(accelerator, shape)
    for stored, share in left.stored.items():
        if stored == "ofmap":
            costs.whole_read_pj[0] *= share
            costs.whole_write_pj[0] *= share
            costs.whole_packing[0] /= share
        else:
            at = 0, TENSORS.index(stored)
            costs.read_pj[at] *= share
            costs.write_pj[at] *= share
            costs.packing[at] /= share
    for v, tensor in gated_levels(accelerator, energies):
        costs.read_pj[v, TENSORS.index(tensor)] *= left.reads.get(tensor, 1.0)
    return replace(
        costs,
        mac_pj=costs.mac_pj * left.macs,
        macs_per_cycle=costs.macs_per_cycle / left.cycles,
    )


def gated_levels(accelerator: Accelerator, energies: Energies) -> list[tuple[int, str]]:
    """Levels from which one MAC unit alone reads an operand for each of its products."""
    found = []
    for tensor in OPERANDS:
        levels = accelerator.hierarchy.levels
        inner = max(v for v, level in enumerate(levels) if tensor in level.keeps)
        alone = accelerator.hierarchy.instances[inner] == accelerator.mac_units
        passes = tensor in energies.held or tensor in levels[inner].optional
        if alone and not passes and energies.macs_per_cycle == 1:
            found.append((inner, tensor))
    return found


def values_per_word(
    accelerator: Accelerator, energies: Energies, level: int, tensor: str, *, whole: bool = False
) -> float:
    """Values in a memory word, at the layer's widths."""
    return accelerator.values_per_word(
        level, tensor, act_bits=energies.act_bits, weight_bits=energies.weight_bits,
        out_bits=energies.out_bits, whole=whole,
    )  # fmt: skip


def clock_pj(accelerator: Accelerator, energies: Energies) -> float:
    """What each cycle costs, with work or without: clocks and leakage."""
    leakage = sum(amount.value for amount in energies.leakage_uw.values())
    clock = accelerator.mac_units * energies.cycle_pj + energies.network_cycle_pj
    return clock + leakage_pj(leakage, accelerator.period_ps)


_Number = TypeVar("_Number", float, NDArray[np.float64])


def leakage_pj(leakage_uw: _Number, period_ps: _Number) -> _Number:
    """Of a cycle: uW times ps are 1e-6 pJ."""
    return leakage_uw * period_ps * 1e-6


def span_of(level: Level) -> float:
    """Hops that a value drives below a level: a bus is driven whole, a tree to all instances.

    Without multicast a value goes to one alone, half of the way to the farthest in the mean.
    """
    if level.multicast:
        return float(level.fanout - 1)
    return ((level.fanout_x - 1) + (level.fanout_y - 1)) / 2


def evaluate(
    accelerator: Accelerator,
    energies: Energies,
    shape: LayerShape,
    mapping: Mapping,
    resident: Resident = NOTHING,
) -> LayerCost:
    """Cost of a layer under a mapping, counted exactly.

    Args:
        accelerator: that the layer runs on.
        energies: of the accelerator at the layer's widths.
        shape, mapping: the layer and its loops; iterations that never have work are left out.
        resident: what stays on the chip; of its tensors the mapping's outermost level keeps none.

    Raises:
        InputError: if the mapping is not one of this layer on this accelerator, or a tile does not
            fit, or partial sums of an ofmap that stays would leave and come back.
    """
    hierarchy = resident.rest(accelerator.hierarchy)
    costs = costs_of(accelerator, energies, shape)
    mapping.check(hierarchy, shape, resident.tensors)
    mapping = mapping.trimmed(shape)  # an instance that never has work takes none from the others
    counts = count(hierarchy, shape, mapping, held=energies.held, resident=resident.tensors)
    sums = shape.ofmap_words
    room = tiles_in(hierarchy, shape, mapping, costs, counts, resident)
    check_tiles(hierarchy, room)
    rates_words = _memory_words(costs, counts, sums)
    busy = math.ceil(counts.steps / costs.macs_per_cycle)
    used = {c.level: c.instances for c in counts.levels}
    cycles = math.ceil(slowest(hierarchy, used, rates_words, busy))
    return LayerCost(
        mapping=mapping,
        counts=counts,
        terms=tuple(
            _with_zeros(
                accelerator,
                energies,
                shape,
                _terms(accelerator, energies, costs, counts, sums, cycles),
            )
        ),
        room=tuple(room),
        cycles=cycles,
        busy_cycles=busy,
        rates={
            hierarchy.levels[v].name: (r / (used[v] * cycles), w / (used[v] * cycles))
            for v, (r, w) in rates_words.items()
        },
        utilization=counts.macs / (cycles * accelerator.mac_units * costs.macs_per_cycle),
        period_ps=accelerator.period_ps,
        least_period_ps=energies.period_ps,
        area_um2=sum(amount.value for amount in energies.area_um2.values()),
        unknown=energies.unknown,
    )


def _finished(costs: Costs, c: LevelCounts, sums: int) -> int:
    """Finished sums that come to a level: all, if they stay there or leave it once."""
    ends = c.tensor == "psum" and c.drains in (0, sums)
    return sums if ends and costs.whole_packing[c.level] else 0


def tiles_in(
    hierarchy: Hierarchy, shape: LayerShape, mapping: Mapping, costs: Costs, counts: Counts,
    resident: Resident,
) -> list[int]:  # fmt: skip
    """Memory words that the tiles take in an instance of each level, without what is resident.

    Raises:
        InputError: if partial sums of an ofmap that stays would leave and come back.
    """
    used = [0] * len(hierarchy.levels)
    for c in counts.levels:
        v, tile = c.level, c.tile
        packing = costs.packing[v, TENSORS.index(c.tensor)]
        only_finished = c.updates and c.updates == _finished(costs, c, shape.ofmap_words)
        if v == resident.level and c.tensor in resident.tensors:
            if c.tensor != "psum":
                continue
            if sums_that_come(hierarchy, shape, mapping, v) > shape.ofmap_words:
                raise InputError(
                    f"level {hierarchy.levels[v].name!r}: partial sums of the ofmap, which stays "
                    "there, would leave and come back"
                )
            tile = 0 if only_finished else tile_words(shape, mapping, c.tensor, v)
        elif only_finished:
            packing = max(packing, costs.whole_packing[v])
        used[v] += math.ceil(tile / packing)
    return used


def check_tiles(hierarchy: Hierarchy, room: list[int]) -> None:
    """Whether tiles fit.

    Args:
        hierarchy: of the accelerator.
        room: memory words that they take in an instance of each level.

    Raises:
        InputError: at the first level that has less.
    """
    for level, used in zip(hierarchy.levels, room, strict=True):
        if level.usable_words is not None and used > level.usable_words:
            raise InputError(
                f"level {level.name!r}: the tiles take {used} memory words, there are "
                f"{level.usable_words}"
            )


def _memory_words(costs: Costs, counts: Counts, sums: int) -> dict[int, tuple[float, float]]:
    """Memory words that all instances of a level read and write."""
    found: dict[int, tuple[float, float]] = {}
    for c in counts.levels:
        packing = costs.packing[c.level, TENSORS.index(c.tensor)]
        whole = _finished(costs, c, sums)
        saved = whole / packing - whole / costs.whole_packing[c.level] if whole else 0.0
        reads, writes = found.get(c.level, (0.0, 0.0))
        found[c.level] = (
            reads + c.read_words / packing - (saved if c.drains else 0.0),
            writes + c.written_words / packing - saved,
        )
    return found


def slowest(
    hierarchy: Hierarchy,
    used: Named[int, int],
    words: Named[int, tuple[float, float]],
    busy: int,
) -> float:
    """Cycles of the MAC units, or of the level that takes longest for its words.

    Args:
        hierarchy: of the accelerator.
        used: instances of each level that take part.
        words: memory words that they read and write.
        busy: cycles of the MAC units.
    """
    cycles = float(busy)
    for v, moved in words.items():
        level = hierarchy.levels[v]
        for rate, number in zip(
            (level.read_words_per_cycle, level.write_words_per_cycle), moved, strict=True
        ):
            if rate:
                cycles = max(cycles, number / (used[v] * rate))
    return cycles


def _terms(
    accelerator: Accelerator,
    energies: Energies,
    costs: Costs,
    counts: Counts,
    sums: int,
    cycles: int,
) -> list[Term]:
    levels = accelerator.hierarchy.levels
    found = []
    for c in counts.levels:
        found += _level_terms(levels[c.level].name, energies, costs, c, _finished(costs, c, sums))
    found.append(Term(part=PES, tensor="", action=MAC_ACTION, times=counts.macs,
                      each_pj=costs.mac_pj, origin=energies.pe_origin))  # fmt: skip
    drained = sum(c.drains for c in counts.levels if costs.drain_pj[c.level] and c.tensor == "psum")
    found.append(Term(part=PES, tensor="psum", action="forward", times=drained,
                      each_pj=energies.forward_pj, origin=energies.pe_origin))  # fmt: skip
    for n in counts.network:
        each = float(costs.hop_pj[n.level, TENSORS.index(n.tensor)])
        found.append(Term(part=NETWORK, tensor=n.tensor, action=f"below {levels[n.level].name}",
                          times=n.words, each_pj=each, origin=energies.hop_origin))  # fmt: skip
    found += standing_terms(accelerator, energies, cycles)
    return [term for term in found if term.times]


def standing_terms(accelerator: Accelerator, energies: Energies, cycles: int) -> list[Term]:
    """Clocks and leakage, over all cycles."""
    found = []
    for part, each, origin in (
        (PES, accelerator.mac_units * energies.cycle_pj, energies.pe_origin),
        (NETWORK, energies.network_cycle_pj, energies.network_origin),
    ):
        found.append(Term(part=CLOCK, tensor="", action=part, times=cycles, each_pj=each,
                          origin=origin))  # fmt: skip
    for part, amount in energies.leakage_uw.items():
        found.append(Term(part=LEAKAGE, tensor="", action=part, times=cycles,
                          each_pj=leakage_pj(amount.value, accelerator.period_ps),
                          origin=amount.origin))  # fmt: skip
    return found


def _with_zeros(
    accelerator: Accelerator, energies: Energies, shape: LayerShape, terms: list[Term]
) -> list[Term]:
    """The terms, with what zeros left of them said in their origins."""
    left, levels = savings(accelerator, shape), accelerator.hierarchy.levels
    notes: dict[tuple[str, str, str], str] = {}
    for tensor, share in left.stored.items():
        for action in ("read", "write"):
            notes[levels[0].name, tensor, action] = f"coded, {share:.4g} of the words"
    for v, tensor in gated_levels(accelerator, energies):
        if (share := left.reads.get(tensor, 1.0)) < 1:
            notes[levels[v].name, tensor, "read"] = f"gated, {share:.4g} of the reads"
    if left.macs < 1:
        notes[PES, "", MAC_ACTION] = f"gated, {left.macs:.4g} of the products"
    if left.cycles < 1:
        for part in (CLOCK, LEAKAGE):
            for term in terms:
                if term.part == part:
                    told = f"skipped, at least {left.cycles:.4g} of the cycles with work"
                    notes[part, "", term.action] = told
    return [
        replace(term, origin=f"{term.origin}; {MODEL}: {note}")
        if (note := notes.get((term.part, term.tensor, term.action)))
        else term
        for term in terms
    ]


def _level_terms(
    name: str, energies: Energies, costs: Costs, c: LevelCounts, whole: int
) -> list[Term]:
    v, t = c.level, TENSORS.index(c.tensor)
    origin = energies.access[v, c.tensor].origin
    whole_reads = whole if c.drains else 0
    rows = [
        (c.tensor, "read", c.read_words - whole_reads, costs.read_pj[v, t]),
        (c.tensor, "write", c.written_words - whole, costs.write_pj[v, t]),
        ("ofmap", "read", whole_reads, costs.whole_read_pj[v]),
        ("ofmap", "write", whole, costs.whole_write_pj[v]),
    ]
    return [
        Term(part=name, tensor=tensor, action=action, times=times, each_pj=float(each),
             origin=origin)
        for tensor, action, times, each in rows
    ]  # fmt: skip
