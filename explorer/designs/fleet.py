"""Designs as arrays for the compiled rating: geometries, prices, and who is where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.designs.figures import Bits, Costing, Figures
from explorer.designs.rating import Fleet
from explorer.designs.space import Indices
from explorer.mapping import fast
from explorer.mapping.compiled import Floats
from explorer.mapping.fast import Problem
from explorer.mapping.space import Costs, Prices, Space


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """A fleet, and which designs are in it.

    Attributes:
        fleet: the designs that a layer of these widths can run on.
        designs: number of each of its designs.
        geometry: of each of its designs.
        example: costs of one of them.
    """

    fleet: Fleet
    designs: Indices
    geometry: Indices
    example: Costs


def fleet_of(found: Figures, costing: Costing, space: Space, bits: Bits) -> Ordered | None:
    """Arrays for the designs that take operands of these widths; None if there is none.

    Args:
        found, costing: of the designs.
        space: a layer's map space on the largest of them; which layer does not matter.
        bits: of activations, weights and outputs.
    """
    rows = {key: costs for key, costs in costing.costs.items() if costs is not None}
    if not rows:
        return None
    numbers = np.full((len(found.tables), int(found.memory.max()) + 1), -1)
    for row, key in enumerate(rows):
        numbers[key] = row
    row_of = numbers[found.pe, found.memory[found.frame]]
    designs = np.flatnonzero(row_of >= 0)
    frames = found.frame[designs]
    tables = _tables(found, list(rows), list(rows.values()), space, bits)
    most = _most(found, space)
    rates = np.array(
        [[(v.read_words_per_cycle or 0, v.write_words_per_cycle or 0) for v in s.hierarchy.levels]
         for s in found.space.outlines], float,
    )  # fmt: skip
    shapes = np.concatenate([most, rates.reshape(len(rates), -1)], axis=1)
    frame_class = np.unique(shapes, axis=0, return_inverse=True)[1].ravel()
    row_class = _classes(tables)
    codes = row_class[row_of[designs]] * (frame_class.max() + 1) + frame_class[frames]
    _, example, geometry = np.unique(codes, return_index=True, return_inverse=True)
    order = np.lexsort((costing.cycle_pj[designs], geometry.ravel()))
    designs, geometry = designs[order], geometry.ravel()[order]
    frames = frames[order]
    first = np.searchsorted(geometry, np.arange(len(example) + 1))
    fleet = Fleet(
        first=first,
        most=most[frames[first[:-1]]],
        rates=rates[frames[first[:-1]]],
        kind=row_class[row_of[designs[first[:-1]]]],
        example=row_of[designs[first[:-1]]],
        row=row_of[designs],
        cycle_pj=costing.cycle_pj[designs],
        hops=np.ascontiguousarray(found.hops[designs]),
        **tables,
    )
    return Ordered(
        fleet=fleet, designs=designs, geometry=geometry, example=next(iter(rows.values()))
    )


def _tables(
    found: Figures, keys: list[tuple[int, int]], costs: list[Costs], space: Space, bits: Bits
) -> dict[str, NDArray[Any]]:
    """What belongs to PE and memories: a row for each pair."""
    prices = [Prices.of(space.pairs, len(space.keeps), each) for each in costs]
    packing, whole = zip(*(space.packings(each) for each in costs), strict=True)
    room = [
        [level.usable_words or 0 for level in found.outlines[key].hierarchy.levels] for key in keys
    ]
    psum = found.space.pes["psum_bits"].to_numpy()
    return {
        # Whole, as in ``fast.Problem``: what is compiled for it then serves here, too.
        "room": np.array(room),
        "packing": np.array(packing),
        "whole": np.array(whole),
        "per_cycle": np.array([each.macs_per_cycle for each in costs]),
        "pairs_pj": np.array([each.pairs for each in prices]),
        "product_pj": np.array([each.product for each in prices]),
        "sum_pj": np.array([each.sum for each in prices]),
        "saving": np.array([each.saving for each in prices]),
        "widths": np.array([(bits[0], bits[1], psum[pe]) for pe, _ in keys], float),
    }


def _classes(tables: dict[str, NDArray[Any]]) -> Indices:
    """Rows that take the same mappings, in the same cycles, have one number."""
    names = ("room", "packing", "whole", "per_cycle")
    rows = len(tables["room"])
    values = np.concatenate([tables[name].reshape(rows, -1) for name in names], axis=1)
    numbers: Indices = np.unique(values, axis=0, return_inverse=True)[1].ravel()
    return numbers


def _most(found: Figures, space: Space) -> Indices:
    """Instances of each slot, ``[frames, slots]``; those of temporal ones have no limit."""
    fanouts = found.space.fanouts
    columns = [
        fanouts[:, slot.level, "xy".index(slot.axis)] if slot.axis
        else np.full(len(fanouts), slot.most)
        for slot in space.slots
    ]  # fmt: skip
    return np.ascontiguousarray(np.stack(columns, axis=1))


def problem_on(problem: Problem, ordered: Ordered, i: int, prices: Floats, macs: float) -> Problem:
    """A layer on one design of the fleet, as its search takes it."""
    fleet, g = ordered.fleet, int(ordered.geometry[i])
    row = int(fleet.row[i])
    sums = fast.sums_of(problem)
    fixed = fleet.product_pj[row] * macs + fleet.sum_pj[row] * sums
    return problem._replace(
        slot_most=fleet.most[g], prices=prices, room=fleet.room[row], packing=fleet.packing[row],
        whole=fleet.whole[row], rates=fleet.rates[g], saving=fleet.saving[row],
        fixed=np.array([fixed, fleet.cycle_pj[i], fleet.per_cycle[row]]),
    )  # fmt: skip
