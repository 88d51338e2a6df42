"""A slow, plain simulator of a loop nest: it moves every word, one by one.

It shares no code with ``explorer.mapping.counts``: it walks through all moments and all instances,
and keeps the words that each instance holds as a set.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.mapping import Mapping
from explorer.networks.layer import LayerShape


def words(shape: LayerShape, tensor: str, ranges: dict[str, range]) -> frozenset:
    """Words of a tensor that the given parts of the loops touch; no padding."""
    if tensor == "filter":
        return frozenset(itertools.product(*(ranges[d] for d in "GMCRS")))
    if tensor == "psum":
        return frozenset(itertools.product(*(ranges[d] for d in "NGMPQ")))
    top, _, left, _ = shape.padding
    rows = {
        shape.stride_height * p + shape.dilation_height * r - top
        for p in ranges["P"]
        for r in ranges["R"]
    }
    columns = {
        shape.stride_width * q + shape.dilation_width * s - left
        for q in ranges["Q"]
        for s in ranges["S"]
    }
    rows = {y for y in rows if 0 <= y < shape.height}
    columns = {x for x in columns if 0 <= x < shape.width}
    return frozenset(itertools.product(*(ranges[d] for d in "NGC"), rows, columns))


class Machine:
    """An accelerator that works through a layer; ``counts`` by (level, tensor) and name."""

    def __init__(
        self, hierarchy: Hierarchy, shape: LayerShape, mapping: Mapping, held: tuple[str, ...]
    ) -> None:
        self.hierarchy, self.shape = hierarchy, shape
        self.loops = []  # (dimension, iterations, is spatial, level), outermost first
        for index, level in enumerate(mapping.levels):
            self.loops += [(d, n, False, index) for d, n in level.temporal]
            self.loops += [(d, n, True, index) for d, n in level.x + level.y]
        self.covers = [
            math.prod(n for other, n, _, _ in self.loops[k + 1 :] if other == loop[0])
            for k, loop in enumerate(self.loops)
        ]
        self.spatial = [k for k, loop in enumerate(self.loops) if loop[2]]
        self.chain = {
            tensor: [i for i, level in enumerate(mapping.levels) if tensor in level.keeps]
            for tensor in ("ifmap", "filter", "psum")
        }
        self.units = len(mapping.levels)
        self.held = held
        self.network = defaultdict(int)  # (level, tensor) -> words to and from those below
        self.counts = defaultdict(lambda: defaultdict(int))
        self.holds = defaultdict(frozenset)  # (tensor, level, instance) -> words
        self.updated = defaultdict(set)  # sums written since they came to an instance
        self.macs = self.steps = 0

    def part(self, indices, level):
        """What the loops outside a level leave of each dimension; None if nothing."""
        ranges = {d: range(size) for d, size in self.shape.sizes.items()}
        for (d, _, _, at), i, size in zip(self.loops, indices, self.covers, strict=True):
            if at < level:
                ranges[d] = ranges[d][i * size : (i + 1) * size]
        return None if any(len(r) == 0 for r in ranges.values()) else ranges

    def instance(self, indices, level):
        """The instance of a level that the spatial indices stand for."""
        return tuple(indices[k] for k in self.spatial if self.loops[k][3] < level)

    def served(self, indices, outer):
        """Who is served by one read: the same parent, and networks that multicast."""
        levels = self.hierarchy.levels
        return self.instance(indices, outer), tuple(
            indices[k]
            for k in self.spatial
            if self.loops[k][3] >= outer and not levels[self.loops[k][3]].multicast
        )

    def everyone(self, moment):
        """Indices of all MAC units at a moment."""
        for space in itertools.product(*(range(self.loops[k][1]) for k in self.spatial)):
            indices = list(moment)
            for k, i in zip(self.spatial, space, strict=True):
                indices[k] = i
            yield indices

    def update(self, outer, where, changed):
        """Add sums that come from inside to those of an instance."""
        for w in changed:
            assert w in self.holds["psum", outer, where]
            self.counts[outer, "psum"]["updates"] += 1
            self.counts[outer, "psum"]["accumulations"] += w in self.updated[outer, where]
            self.updated[outer, where].add(w)

    def pass_on(self, tensor, branches):
        """Count what goes through the network where it branches."""
        for (branch, _), passed in branches.items():
            if self.hierarchy.levels[branch].fanout > 1:
                self.network[branch, tensor] += len(passed)

    def drain(self, outer, inner, needs):
        """Bring sums that are not needed any more outwards."""
        gone, branches = defaultdict(set), defaultdict(set)
        for where, (indices, wanted) in needs[inner].items():
            dropped = self.holds["psum", inner, where] - wanted
            self.counts[inner, "psum"]["drains"] += len(dropped)
            gone[self.served(indices, outer)] |= dropped
            for branch in range(outer, inner):
                branches[branch, self.served(indices, branch)] |= dropped
            self.updated[inner, where] -= dropped
        self.pass_on("psum", branches)
        for (where, _), dropped in gone.items():
            self.update(outer, where, dropped)

    def fetch(self, tensor, outer, inner, needs):
        """Bring words that are needed and not there inwards."""
        come, branches = defaultdict(set), defaultdict(set)
        for where, (indices, wanted) in needs[inner].items():
            new = wanted - self.holds[tensor, inner, where]
            self.counts[inner, tensor]["fills"] += len(new)
            come[self.served(indices, outer)] |= new
            for branch in range(outer, inner):
                branches[branch, self.served(indices, branch)] |= new
        self.pass_on(tensor, branches)
        self.counts[outer, tensor]["reads"] += sum(len(new) for new in come.values())

    def move(self, moment, *, over):
        """Bring every instance's words up to date; ``over``: nothing is needed any more."""
        for tensor, levels in self.chain.items():
            needs = defaultdict(dict)
            for indices, level in itertools.product(list(self.everyone(moment)), levels):
                ranges = None if over else self.part(indices, level)
                wanted = words(self.shape, tensor, ranges) if ranges else frozenset()
                needs[level][self.instance(indices, level)] = (indices, wanted)
            pairs = list(itertools.pairwise(levels))
            for outer, inner in reversed(pairs):
                if tensor == "psum":
                    self.drain(outer, inner, needs)
            for outer, inner in pairs:
                if tensor != "psum":
                    self.fetch(tensor, outer, inner, needs)
            for level, instances in needs.items():
                for where, (_, wanted) in instances.items():
                    self.holds[tensor, level, where] = wanted
                    tile = self.counts[level, tensor]
                    tile["tile"] = max(tile["tile"], len(wanted))

    def work(self, moment):
        """One product in each MAC unit that has something to do."""
        for tensor, levels in self.chain.items():
            used, branches = defaultdict(set), defaultdict(set)
            for indices in self.everyone(moment):
                ranges = self.part(indices, self.units)
                unit = tensor, self.units, self.instance(indices, self.units)
                taken = words(self.shape, tensor, ranges) if ranges else frozenset()
                self.macs += bool(taken) and tensor == "psum"
                new = taken - self.holds[unit] if tensor in self.held else taken
                self.holds[unit] = taken
                used[self.served(indices, levels[-1])] |= new
                for branch in range(levels[-1], self.units):
                    branches[branch, self.served(indices, branch)] |= new
            self.pass_on(tensor, branches)
            for (where, _), touched in used.items():
                if tensor == "psum":
                    self.update(levels[-1], where, touched)
                else:
                    assert touched <= self.holds[tensor, levels[-1], where]
                    self.counts[levels[-1], tensor]["reads"] += len(touched)

    def run(self):
        """Every moment, from the first to the last."""
        temporal = [range(1) if loop[2] else range(loop[1]) for loop in self.loops]
        for moment in itertools.product(*temporal):
            if self.part(moment, self.units) is not None:
                self.steps += 1
                self.move(moment, over=False)
                self.work(moment)
        self.move([0] * len(self.loops), over=True)


def simulate(
    hierarchy: Hierarchy, shape: LayerShape, mapping: Mapping, held: tuple[str, ...] = ()
) -> Machine:
    """A machine that has worked through the layer."""
    machine = Machine(hierarchy, shape, mapping, held)
    machine.run()
    return machine
