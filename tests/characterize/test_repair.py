"""Buffers, stronger drivers and the clock tree: what they change, and what they must not."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from characterize import synthesize
from characterize.buffering import BUFFER_SHARE, LOAD_SHARE
from characterize.clock_tree import CLOCK_BUFFER, CLOCK_SHARE
from characterize.layout import Layout, cluster
from characterize.netlist import CLOCK, Netlist, read_netlist, verilog_text
from characterize.netlist_proof import prove_netlist
from characterize.place import place
from characterize.placed import Repaired, repair
from characterize.platform import Platform, load_platform
from characterize.process import StepError
from rtl_gen.design import PEDesign
from rtl_gen.export import rtlil_text
from rtl_gen.interface import ports

DESIGN = PEDesign.preset("INT4", ifmap_depth=4, filter_depth=80, psum_depth=3)


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform()


@pytest.fixture(scope="module")
def before(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> tuple[Netlist, Path]:
    folder = tmp_path_factory.mktemp("synthesis")
    (folder / "rtl.il").write_text(rtlil_text(DESIGN))
    (folder / "cells.lib").symlink_to(platform.liberty)
    for name, text in synthesize.scripts(platform, DESIGN.name, 2000).items():
        (folder / name).write_text(text)
    return synthesize.synthesize(folder, platform, 300), folder


@pytest.fixture(scope="module")
def after(before: tuple[Netlist, Path], platform: Platform) -> Repaired:
    placement = place(before[0], platform, utilization=0.5, seed=1)
    return repair(before[0], platform, placement, seed=1)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=60),
    st.integers(1, 20),
)
def test_clusters_hold_each_point_once_and_cost_no_more_than_allowed(
    points: list[tuple[int, int]], most: int
) -> None:
    groups = cluster(np.array(points, dtype=float), [1.0] * len(points), most)
    assert sorted(index for group in groups for index in group) == list(range(len(points)))
    assert max(map(len, groups)) <= most
    sizes = sorted(map(len, groups))
    assert sizes[-1] <= 2 * sizes[0] + 1  # of about one size


def test_clusters_are_compact() -> None:
    """Two clouds far apart are not mixed."""
    points = np.array([[x + far, x % 3] for far in (0, 1000) for x in range(8)], dtype=float)
    groups = cluster(points, [1.0] * 16, 8)
    assert sorted(sorted(group) for group in groups) == [list(range(8)), list(range(8, 16))]


def test_the_repaired_netlist_does_what_the_rtl_says(
    before: tuple[Netlist, Path], after: Repaired, platform: Platform, tmp_path: Path
) -> None:
    """Register for register; a wrong buffer would be found (a test below)."""
    (tmp_path / "rtl.il").write_bytes((before[1] / "rtl.il").read_bytes())
    bare = without_clock_tree(after.netlist)
    verdict = prove_netlist(tmp_path, bare, platform, ports(DESIGN), timeout_s=200)
    assert verdict.outcome == "proved"


def without_clock_tree(netlist: Netlist) -> Netlist:
    """Clock buffers as wires: their sinks on the net before them, as the proof wants it."""
    drivers = {net.driver.cell: net for net in netlist.nets}
    buffers = {c for c, name in enumerate(netlist.instances) if name.startswith(CLOCK_BUFFER)}

    def flat(sinks: tuple[object, ...]) -> list[object]:
        return [
            end
            for sink in sinks
            for end in (flat(drivers[sink.cell].sinks) if sink.cell in buffers else [sink])
        ]

    nets = [
        type(net)(name=net.name, driver=net.driver, sinks=tuple(flat(net.sinks)))
        for net in netlist.nets
        if net.driver.cell not in buffers
    ]
    return Netlist(
        top=netlist.top, instances=netlist.instances, kinds=netlist.kinds, ports=netlist.ports,
        nets=tuple(nets),
    )  # fmt: skip


def test_every_register_hangs_on_the_clock_at_the_same_depth(
    after: Repaired, platform: Platform
) -> None:
    """Counted in buffers and gates from the root; a gate counts as the buffer it stands for."""
    netlist = after.netlist
    before = {(sink.cell, sink.name): net.driver for net in netlist.nets for sink in net.sinks}
    library = platform.cells()
    depths = set()
    for cell, kind in enumerate(netlist.kinds):
        if library[kind].is_flop:
            pin, steps = library[kind].clocked_on, 0
            at = before[cell, pin]
            while at.cell >= 0:
                gate = library[netlist.kinds[at.cell]]
                assert gate.clock_gate or netlist.instances[at.cell].startswith(CLOCK_BUFFER)
                steps += 1
                at = before[at.cell, gate.clock_gate_pins[0] if gate.clock_gate else "A"]
            assert at.name == CLOCK
            depths.add(steps)
    assert len(depths) == 1
    assert after.clock_buffers == sum(n.startswith(CLOCK_BUFFER) for n in netlist.instances)


def test_no_driver_has_more_load_than_its_share(after: Repaired, platform: Platform) -> None:
    layout = Layout(after.netlist, platform, after.placement)
    for net, driver in enumerate(layout.drivers):
        cell = layout.cell(driver)
        if cell is None or driver.name not in cell.max_load_ff:
            continue
        clock = cell.clock_gate or layout.instances[driver.cell].startswith(CLOCK_BUFFER)
        share = CLOCK_SHARE if clock else max(LOAD_SHARE, BUFFER_SHARE)
        load = layout.load_ff(driver, layout.sinks[net])
        # Legalization moves cells a little: the wires are not quite those that were planned.
        assert load <= 1.25 * share * cell.max_load_ff[driver.name]


def test_wide_nets_were_buffered(before: tuple[Netlist, Path], after: Repaired) -> None:
    """80 words hang on each data bit of the filter scratchpad."""
    assert max(len(net.sinks) for net in before[0].nets if net.name != CLOCK) >= 80
    assert after.buffers > 0


def test_cells_do_not_overlap_afterwards(after: Repaired, platform: Platform) -> None:
    outlines = [platform.macros()[kind] for kind in after.netlist.kinds]
    rows = np.round(after.placement.y_um / outlines[0].height_um)
    widths = np.array([outline.width_um for outline in outlines])
    for row in np.unique(rows):
        chosen = np.flatnonzero(rows == row)
        chosen = chosen[np.argsort(after.placement.x_um[chosen])]
        right = after.placement.x_um[chosen] + widths[chosen]
        assert (after.placement.x_um[chosen][1:] >= right[:-1] - 1e-6).all()
        assert right.max() <= after.placement.width_um + 1e-6


def test_cells_that_do_not_fit_the_core_are_refused(
    before: tuple[Netlist, Path], platform: Platform
) -> None:
    placement = place(before[0], platform, utilization=0.9, seed=1)
    tight = dataclasses.replace(placement, width_um=0.9 * placement.width_um)
    with pytest.raises(StepError) as error:
        repair(before[0], platform, tight, seed=1)
    message = "the cells do not fit the core any more: the utilization is too high"
    assert str(error.value) == message


def test_the_verilog_names_every_pin_once(before: tuple[Netlist, Path], platform: Platform) -> None:
    netlist = before[0]
    text = verilog_text(netlist, platform)
    assert len(re.findall(r"^  \w+_X\d+ \w+ \($", text, flags=re.M)) == len(netlist.instances)
    pins = sum(
        (net.driver.cell >= 0) + sum(sink.cell >= 0 for sink in net.sinks) for net in netlist.nets
    )
    assert len(re.findall(r"^    \.\w+\(", text, flags=re.M)) == pins
    assert "  input [3:0] filter__payload;" in text
    again = read_netlist(before[1] / "netlist.json", platform)
    assert verilog_text(again, platform) == text
