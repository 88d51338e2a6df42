"""Congestion: lengths are conserved, closed forms, and what the flow does about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from characterize import placed
from characterize.implementation import StepTimer
from characterize.measurement import Point
from characterize.netlist import Net, Netlist, Pin
from characterize.place import Placement, place
from characterize.placed import MAX_CONGESTION, implement
from characterize.platform import Platform, load_platform
from characterize.process import StepError
from characterize.routability import congestion, demand_um
from characterize.steiner import Tree
from rtl_gen.design import PEDesign

places = st.floats(0, 28)
#: Edge of a tile: two rows of FreePDK45.
TILE_UM = 2.8


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform()


def edge(x0: float, y0: float, x1: float, y1: float) -> Tree:
    return Tree(x=np.array([x0, x1]), y=np.array([y0, y1]), parent=np.array([-1, 0]))


def a_core(width_um: float, height_um: float) -> Placement:
    none = np.array([])
    return Placement(
        width_um=width_um, height_um=height_um, x_um=none, y_um=none,
        flipped=np.array([], dtype=bool), port_x_um=none, port_y_um=none,
    )  # fmt: skip


@given(st.lists(st.tuples(places, places, places, places), min_size=1, max_size=20))
def test_every_um_of_wire_is_in_some_tile(edges: list[tuple[float, float, float, float]]) -> None:
    across, up = demand_um([edge(*ends) for ends in edges], 28, 28, TILE_UM)
    assert across.shape == up.shape == (10, 10)
    assert across.min() >= -1e-9
    assert up.min() >= -1e-9
    assert across.sum() == pytest.approx(sum(abs(x1 - x0) for x0, _, x1, _ in edges), abs=1e-6)
    assert up.sum() == pytest.approx(sum(abs(y1 - y0) for _, y0, _, y1 in edges), abs=1e-6)


def test_a_bent_edge_takes_both_its_ways_by_halves() -> None:
    across, up = demand_um([edge(1, 1, 9, 6)], 28, 28, TILE_UM)
    row, column = int(1 / TILE_UM), int(9 / TILE_UM)
    assert across[row].sum() == pytest.approx(4)
    assert across[int(6 / TILE_UM)].sum() == pytest.approx(4)
    assert up[:, column].sum() == pytest.approx(2.5)
    assert across[row, 0] == pytest.approx((TILE_UM - 1) / 2)
    assert across[row, 1] == pytest.approx(TILE_UM / 2)


def test_congestion_is_wire_over_tracks(platform: Platform) -> None:
    """A bundle that fills every track across the core once has a congestion of 1."""
    tracks = platform.tracks_per_um["horizontal"]
    heights = (np.arange(round(28 * tracks)) + 0.5) / tracks
    bundle = [edge(0, y, 28, y) for y in heights]
    assert congestion(bundle, a_core(28, 28), platform) == pytest.approx(1, rel=0.05)
    assert congestion(bundle * 3, a_core(28, 28), platform) == pytest.approx(3, rel=0.05)


@pytest.fixture(scope="module")
def crowd() -> Netlist:
    """Gates, each connected to a few of its neighbours."""
    generator = np.random.default_rng(1)
    kinds = ["NAND4_X1"] * 300
    drivers = [Pin(cell=cell, name="ZN") for cell in range(300)]
    sinks: list[list[Pin]] = [[] for _ in drivers]
    for cell in range(300):
        for name in ("A1", "A2", "A3", "A4"):
            near = (cell + int(generator.integers(1, 9))) % 300
            sinks[near].append(Pin(cell=cell, name=name))
    nets = [
        Net(name=f"n{cell}", driver=driver, sinks=tuple(sinks[cell]))
        for cell, driver in enumerate(drivers)
        if sinks[cell]
    ]
    names = tuple(f"u{cell}" for cell in range(300))
    return Netlist(top="top", instances=names, kinds=tuple(kinds), ports=(), nets=tuple(nets))


def test_spreading_makes_room(crowd: Netlist, platform: Platform) -> None:
    close, apart = (
        place(crowd, platform, utilization=0.4, seed=1, spread=spread) for spread in (False, True)
    )
    edges = np.linspace(0, close.width_um, 9)
    full = [
        np.histogram2d(placement.x_um, placement.y_um, bins=(edges, edges))[0].std()
        for placement in (close, apart)
    ]
    assert full[1] < 0.8 * full[0]


def test_a_crowded_core_is_made_larger_and_one_that_never_fits_fails(
    crowd: Netlist, platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[float, bool]] = []
    real = placed.place

    def watched(netlist: Netlist, kit: Platform, **options: object) -> Placement:
        seen.append((float(str(options["utilization"])), bool(options["spread"])))
        return real(netlist, kit, **options)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(placed, "place", watched)
    monkeypatch.setattr(placed, "routing_congestion", lambda *_: MAX_CONGESTION + 0.1)
    point = Point(design=PEDesign.preset("INT4"), period_ps=2000, utilization=0.3)
    with pytest.raises(StepError) as error:
        implement(tmp_path, crowd, platform, point, StepTimer())
    assert str(error.value) == (
        "the wires would need 2.1 times the tracks that are there for them, at a utilization of "
        "0.20"
    )
    assert seen == [(0.3, False), (0.3, True), (0.25, True), (0.2, True)]
