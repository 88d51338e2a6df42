"""A proven lower bound on the cost of every mapping of a layer: branch and bound over a map space.

``lower_bound`` says how far the best mapping found can be from the best there is. Its space: all
splits of ``Space.choices``, times *all* orders of the temporal loops of each level (a search tries
only some of them).

Method:

1. **Plans.** What an order does to traffic is: for each level, whose irrelevant loops are innermost
   (of filter N, P, Q; of ifmap M; of psum C, R, S: no loop is in two of these groups), along which
   dimension the ifmap's window slides next, and which tensor passes, because the level has no loop
   that it has. Such a state for each level is a *plan*; there are some hundreds. Every mapping
   costs what the best plan says that it obeys, and no plan says less than some order really costs.
2. **Products.** Under a plan the words of each transfer, the tiles, the instances and the moments
   are products of one number for each axis: N, G, M, C, (P, R), (Q, S). Each axis has a list of
   choices (its splits) with a vector of such numbers. Cost is a sum, or the largest of several
   sums, of products; capacity bounds sums of products.
3. **Dual bound.** By the inequality of weighted means, log(sum of t_e) >= sum of w_e log(t_e / w_e)
   for all weights w >= 0 of sum 1; with a multiplier for each capacity the bound is linear in the
   logarithms, so that each axis is minimised alone (geometric programming's dual, over lists
   instead of real numbers). Any weights give a bound that holds; they are improved step by step. A
   choice whose reduced cost lifts the bound above the target is dropped for good.
4. **Branching.** First the levels of the plan from the innermost, what is not decided at its best;
   then, with a whole plan, choices of one axis after the other, after dropping those that another
   one of the list dominates in all numbers. Last comes the exact cost.

Everything is cut that cannot be below ``incumbent * (1 - tolerance)``. Whatever is cut, and why,
its cost is at least that; what time does not allow counts with the bound of its plan.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from explorer.mapping.bound_plans import State, Tree
from explorer.mapping.bound_sums import (
    EPSILON,
    branch,
    drop_dear,
    dual_bound,
    front,
    scales_of,
    sieve,
)
from explorer.mapping.compiled import Floats, Integers
from explorer.mapping.mapping import Mapping
from explorer.mapping.space import Costs, Space

#: Steps on the weights of a bound: at a node of the plans, at a node of the axes.
_PLAN_STEPS, _AXIS_STEPS = 30, 12
#: Tolerances that are tried, as multiples of the one wanted, each with a share of the time left.
_COARSE = (1.0, 4.0, 16.0)
_SHARE = 0.6


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What is known of the least cost.

    Attributes:
        value: no mapping costs less: pJ, cycles or pJ x cycles.
        proven: the search came to its end, so ``value`` is ``cost * (1 - tolerance)`` or more.
        cost: of the best mapping known: the incumbent's, or less.
        mapping: the mapping found that costs less than the incumbent, if there is one.
        explored: nodes that were bounded or evaluated.
        pruned: nodes, and choices of an axis, that were dropped with all below them.
        seconds: that it took.
    """

    value: float
    proven: bool
    cost: float
    mapping: Mapping | None
    explored: int
    pruned: int
    seconds: float

    @property
    def gap(self) -> float:
        """The most that can be saved, as a share of the best cost."""
        return 1 - self.value / self.cost


#: Bound of a plan, and its lists, sizes, numbers and prices.
_Part = tuple[float, Integers, Integers, Floats, Floats]


class _Search:
    """One pass over all plans with a tolerance."""

    def __init__(self, tree: Tree, best: float, tolerance: float, end: float) -> None:
        self.tree = tree
        self.best = best
        self.found: tuple[dict[int, State], Integers] | None = None
        self.tolerance = tolerance
        self.explored = self.pruned = self.plans = 0
        self.open = np.inf
        self._end = end

    @property
    def target(self) -> float:
        """What is to be proven."""
        return self.best * (1 - self.tolerance)

    def run(self) -> None:
        """Search all plans."""
        tree = self.tree
        mean, prices = tree.start()
        lists, sizes = tree.lists.copy(), tree.sizes.copy()
        self._node({}, lists, sizes, mean, prices, -np.inf)

    def _node(
        self, plan: dict[int, State], lists: Integers, sizes: Integers, mean: Floats,
        prices: Floats, above: float,
    ) -> None:  # fmt: skip
        """All plans that begin like this one; ``above`` is what is known of them."""
        tree = self.tree
        if time.monotonic() > self._end:
            self.open = min(self.open, above)
            return
        order = tree.order()
        kids: list[tuple[float, int, dict[int, State], _Part]] = []
        for state in tree.states_of(order[len(plan)]):
            kid = {**plan, order[len(plan)]: state}
            part = self._examine(kid, lists, sizes, mean, prices)
            if part is not None:
                kids.append((part[0], len(kids), kid, part))
        for bound, _, kid, (_, rows, left, middle, costs) in sorted(kids, key=lambda k: k[:2]):
            known = max(above, bound)
            if known >= self.target:
                self.pruned += 1
            elif len(kid) == len(order):
                self._leaf(kid, rows, left, middle, costs, known)
            else:
                self._node(kid, rows, left, middle, costs, known)

    def _examine(
        self, plan: dict[int, State], lists: Integers, sizes: Integers, mean: Floats, prices: Floats
    ) -> _Part | None:
        """Bound of a plan, and the rows left; None if nothing below it can be good."""
        tree = self.tree
        self.explored += 1
        lists, sizes, mean, prices = lists.copy(), sizes.copy(), mean.copy(), prices.copy()
        left, ones = np.ones(len(sizes), np.int64), np.ones(tree.values.shape[1])
        z, mins = np.zeros(len(ones)), np.zeros(len(sizes))
        if not tree.fill(plan, lists, sizes):
            self.pruned += 1
            return None
        scales = scales_of(tree.model, self.target)
        bound = -np.inf
        for turn in range(2):
            if sieve(tree.model, tree.values, lists, sizes, left, ones, self.target) < 0:
                self.pruned += 1
                return None
            bound = dual_bound(
                tree.model, scales, tree.logs, lists, sizes, left, np.zeros(len(ones)), _PLAN_STEPS,
                mean, prices, z, mins,
            )  # fmt: skip
            if turn == 0 and bound <= EPSILON and len(plan) == 1:
                bound = max(bound, self._alone(scales, lists, sizes, mean, prices, z, mins, bound))
            if bound > EPSILON:
                self.pruned += 1
                return None
            dropped = drop_dear(tree.logs, lists, sizes, left, z, mins, bound)
            self.pruned += dropped
            if dropped < 0.2 * sizes.sum():
                break
        return tree.value(bound, self.target), lists, sizes, mean, prices

    def _alone(
        self, scales: Floats, lists: Integers, sizes: Integers, mean: Floats, prices: Floats,
        z: Floats, mins: Floats, bound: float,
    ) -> float:  # fmt: skip
        """Begin with each of the sums of which the largest counts; keep the best start."""
        tree = self.tree
        left = np.ones(len(sizes), np.int64)
        zeros = np.zeros(len(z))
        instances = len(tree.model.spatial_most)
        for block in (0, 1):
            groups = np.flatnonzero(tree.model.block == block)
            for g in groups if len(groups) > 1 else []:
                middle, costs = tree.start()
                costs[groups] = 1e-9
                costs[g] = 1.0
                if instances:  # moments are the products over the instances
                    costs[-instances:] = 1.0
                columns, low = z.copy(), mins.copy()
                value = dual_bound(
                    tree.model, scales, tree.logs, lists, sizes, left, zeros, _PLAN_STEPS, middle,
                    costs, columns, low,
                )  # fmt: skip
                if value > bound:
                    bound = value
                    mean[:], prices[:], z[:], mins[:] = middle, costs, columns, low
        return bound

    def _leaf(
        self, plan: dict[int, State], lists: Integers, sizes: Integers, mean: Floats,
        prices: Floats, known: float,
    ) -> None:  # fmt: skip
        """Search a whole plan."""
        tree = self.tree
        left = self._end - time.monotonic()
        if left <= 0:
            self.open = min(self.open, known)
            return
        self.plans += 1
        tree.fill(plan, lists, sizes)
        for a in range(len(sizes)):
            sizes[a] = front(tree.values, lists[a], sizes[a])
        longest = max(1, int(sizes.max()))
        chosen = np.full(len(sizes), -1)
        best, explored, pruned, ended = branch(
            tree.model, tree.values, tree.logs, np.ascontiguousarray(lists[:, :longest]), sizes,
            self.best, self.tolerance, mean, prices, int(left * _NODES_A_SECOND) + 1, _AXIS_STEPS,
            chosen, known,
        )  # fmt: skip
        self.explored += explored
        self.pruned += pruned
        if best < self.best:
            self.best = best
            self.found = (plan, chosen)
        if not ended:
            self.open = min(self.open, known)


#: Nodes that are given for a second; what ends a plan's search when time runs out.
_NODES_A_SECOND = 5000


def lower_bound(
    space: Space, costs: Costs, objective: str, incumbent: float, tolerance: float = 0.01,
    seconds: float = 60.0,
) -> Bound:  # fmt: skip
    """Prove how little a mapping of a space can cost at least.

    Args:
        space: layer and hierarchy.
        costs: prices.
        objective: of ``OBJECTIVES``.
        incumbent: cost of the best mapping known (``fast.evaluate``), pJ, cycles or their product.
        tolerance: share of it that need not be looked for.
        seconds: of work at most, about.
    """
    begin = time.monotonic()
    end = begin + seconds
    tree = Tree(space, costs, objective)
    total = _Total(tree, incumbent, tolerance)
    slices = _slices(space, costs, incumbent, end, total) if objective == "edp" else [(0.0, np.inf)]
    for factor in _COARSE:
        now = time.monotonic()
        if tolerance * factor < 1 and total.run(factor, slices, now + (end - now) * _SHARE):
            break
    mapping = tree.mapping(*total.found) if total.found else None
    return Bound(
        value=total.value, proven=total.proven, cost=total.best, mapping=mapping,
        explored=total.explored, pruned=total.pruned, seconds=time.monotonic() - begin,
    )  # fmt: skip


class _Total:
    """What is known after some passes."""

    def __init__(self, tree: Tree, best: float, tolerance: float) -> None:
        self.tree, self.best, self.tolerance = tree, best, tolerance
        self.value, self.proven = 0.0, False
        self.explored = self.pruned = 0
        self.found: tuple[dict[int, State], Integers] | None = None

    def run(self, factor: float, slices: list[tuple[float, float]], end: float) -> bool:
        """A pass with a multiple of the tolerance; False if time ran out."""
        open_ = np.inf
        target = self.best * (1 - self.tolerance * factor)
        for low, high in slices:
            if time.monotonic() > end:
                open_ = min(open_, self.value)
                break
            self.tree.cut(low, high)
            search = _Search(self.tree, self.best, self.tolerance * factor, end)
            search.run()
            self.explored += search.explored
            self.pruned += search.pruned
            self.best, self.found = search.best, search.found or self.found
            open_ = min(open_, search.open)
            target = search.target
        self.value = max(self.value, min(target, open_))
        self.proven = open_ >= target and factor == 1
        return bool(open_ >= target)


#: Ratio of the delays between which EDP is searched at once, how many such ranges there are at
#: most (beyond, all is searched at once), and the tolerance of the bounds at their ends.
_RATIO, _SLICES, _ENDS = 1.25, 40, 0.02


def _slices(
    space: Space, costs: Costs, incumbent: float, end: float, total: _Total
) -> list[tuple[float, float]]:  # fmt: skip
    """Ranges of delay in which an EDP below the incumbent can be: where energy leaves room."""
    ends: list[float] = []
    known = Tree(space, costs, "energy").least()
    for objective in ("delay", "energy"):
        if known <= 0:
            return [(0.0, np.inf)]
        tree = Tree(space, costs, objective)
        part = _Total(tree, incumbent / known, _ENDS)
        now = time.monotonic()
        part.run(1.0, [(0.0, np.inf)], now + (end - now) / 4)
        total.explored += part.explored
        total.pruned += part.pruned
        known = part.value
        ends.append(known)
    delay, energy = ends
    last = incumbent / energy if energy > 0 else np.inf
    if delay <= 0 or last > delay * _RATIO**_SLICES:
        return [(0.0, np.inf)]
    total.value = delay * energy
    found = [(delay, delay * _RATIO)]
    while found[-1][1] < last:
        found.append((found[-1][1], found[-1][1] * _RATIO))
    return found
