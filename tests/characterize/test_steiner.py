"""Steiner trees against exhaustive search where possible, and against published averages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from characterize.steiner import Tree, steiner_trees

Points = list[tuple[float, float]]

#: Pins, and the average length of optimal trees over the half perimeter (RISA, Cheng, ICCAD 1994).
PUBLISHED = {4: 1.0828, 6: 1.2206, 10: 1.4493, 20: 1.8924, 40: 2.5356}


def spanning_length(points: Points) -> float:
    """Length of the shortest spanning tree, by Prim."""
    joined, rest, total = [points[0]], points[1:], 0.0
    while rest:
        length, point = min((abs(p[0] - q[0]) + abs(p[1] - q[1]), p) for p in rest for q in joined)
        total += length
        joined.append(point)
        rest.remove(point)
    return total


def shortest_length(points: Points) -> float:
    """Length of the shortest Steiner tree: one lies on the grid through the pins (Hanan, 1966)."""
    grid = set(itertools.product({x for x, _ in points}, {y for _, y in points})) - set(points)
    return min(
        spanning_length([*points, *extra])
        for count in range(max(1, len(points) - 1))
        for extra in itertools.combinations(sorted(grid), count)
    )


def tree_of(points: Points) -> Tree:
    xs, ys = zip(*points, strict=True)
    (tree,) = steiner_trees([(np.array(xs, dtype=float), np.array(ys, dtype=float))])
    return tree


def random_nets(pins: int, count: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    draw = np.random.default_rng(pins)
    return [(draw.random(pins), draw.random(pins)) for _ in range(count)]


def points_of(net: tuple[NDArray[np.float64], NDArray[np.float64]]) -> Points:
    return list(zip(net[0].tolist(), net[1].tolist(), strict=True))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_a_tree_spans_its_pins_and_ends_in_them(points: Points) -> None:
    tree = tree_of(points)
    assert list(zip(tree.x, tree.y, strict=True))[: len(points)] == points
    assert tree.parent[0] == -1
    assert (tree.parent[1:] >= 0).all()
    for node in range(len(tree.parent)):  # every way up ends at the root
        at, steps = node, 0
        while tree.parent[at] >= 0:
            at, steps = tree.parent[at], steps + 1
            assert steps < len(tree.parent)
        assert at == 0
    # A Steiner point joins at least two ways.
    children = np.bincount(tree.parent[1:], minlength=len(tree.parent))
    assert (children[len(points) :] >= 2).all()
    assert tree.length <= spanning_length(points) + 1e-9


@pytest.mark.parametrize("pins", [2, 3, 4])
def test_trees_of_few_pins_are_shortest(pins: int) -> None:
    nets = random_nets(pins, 40)
    for tree, net in zip(steiner_trees(nets), nets, strict=True):
        assert tree.length == pytest.approx(shortest_length(points_of(net)))


def test_trees_of_five_pins_are_one_percent_too_long_at_most_on_average() -> None:
    nets = random_nets(5, 25)
    ratios = np.array(
        [
            tree.length / shortest_length(points_of(net))
            for tree, net in zip(steiner_trees(nets), nets, strict=True)
        ]
    )
    assert (ratios >= 1 - 1e-9).all()
    assert ratios.mean() < 1.01


@pytest.mark.parametrize("pins", PUBLISHED)
def test_average_lengths_are_the_published_ones(pins: int) -> None:
    """Within 3 %: the table is of pins that are spread otherwise."""
    nets = random_nets(pins, 400)
    ratios = [
        tree.length / (np.ptp(x) + np.ptp(y))
        for tree, (x, y) in zip(steiner_trees(nets), nets, strict=True)
    ]
    assert np.mean(ratios) == pytest.approx(PUBLISHED[pins], rel=0.03)


def test_a_net_has_the_same_tree_among_others() -> None:
    nets = [*random_nets(7, 3), *random_nets(2, 2), *random_nets(7, 4)]
    for net, tree in zip(nets, steiner_trees(nets), strict=True):
        assert (steiner_trees([net])[0].parent == tree.parent).all()
