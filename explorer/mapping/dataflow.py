"""Dataflows: which loops may be where, as constraints on the map space.

After the taxonomy of Eyeriss (Chen, Emer, Sze, ISCA 2016). The *PE* is what stands below the last
level that branches: its levels hold what stays. Outside of it only the orders of loops count.

- ``row-stationary``: a PE works on rows: all taps of a filter's row (S) are in the PE, and neither
  other rows of the filter (R) nor of the ofmap (P) are; rows stand beside each other, columns of
  the ofmap (Q) do not.
- ``weight-stationary``: positions (N, P, Q) follow each other, never beside each other; outside of
  the PE they are the innermost loops of a level, so that filters stay while they go on.
- ``output-stationary``: products of one sum (C, R, S) follow each other, never beside each other;
  outside of the PE they are the innermost loops, of the innermost level alone, so that no other
  loop there parts a sum: it is finished before it leaves the PE, if that holds all sums that its
  own loops go on to.
"""

from __future__ import annotations

from dataclasses import dataclass

from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.splits import Slot

FREE = "free"


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """Where loops must not be; dimensions as letters.

    Attributes:
        beside: not over instances.
        in_pe: not in the PE, over time.
        outside_pe: not outside of the PE, over time.
        far: over time not outside of the PE but in the innermost level there.
        last: outside of the PE the innermost loops of each level, in any order.
    """

    beside: str = ""
    in_pe: str = ""
    outside_pe: str = ""
    far: str = ""
    last: str = ""

    def forbids(self, dimension: str, slot: Slot, hierarchy: Hierarchy) -> bool:
        """Whether a dimension must have no iterations there."""
        if slot.axis:
            return dimension in self.beside
        pe = first_of_pe(hierarchy)
        if slot.level >= pe:
            return dimension in self.in_pe
        memories = [v for v in range(pe) if hierarchy.levels[v].kind != "network"]
        is_far = slot.level != memories[-1]
        return dimension in self.outside_pe or (is_far and dimension in self.far)

    def allows(self, order: str, level: int, hierarchy: Hierarchy) -> bool:
        """Whether loops of a level may be in this order, the outermost first."""
        if not self.last or level >= first_of_pe(hierarchy):
            return True
        return set(order[-len(self.last) :]) == set(self.last)


#: By name.
DATAFLOWS = {
    FREE: Dataflow(),
    "row-stationary": Dataflow(beside="SQ", in_pe="RP", outside_pe="S"),
    "weight-stationary": Dataflow(beside="NPQ", last="NPQ"),
    "output-stationary": Dataflow(beside="CRS", far="CRS", last="CRS"),
}


def first_of_pe(hierarchy: Hierarchy) -> int:
    """Position of the first level below all that branch; the number of levels if there is none."""
    return max((v + 1 for v, level in enumerate(hierarchy.levels) if level.fanout > 1), default=0)
