"""Wires: lengths from positions, constants from the platform's table, SPEF that adds up."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from characterize.netlist import Net, Netlist, Pin
from characterize.parasitics import _wire, estimate_wires, net_lines, write_spef
from characterize.place import Placement, place
from characterize.platform import load_platform
from characterize.steiner import steiner_trees

NETLIST = Netlist(
    top="t",
    instances=("a", "b"),
    kinds=("INV_X1", "INV_X1"),
    ports=("i", "o"),
    nets=(
        Net(name="i", driver=Pin(cell=-1, name="i"), sinks=(Pin(cell=0, name="A"),)),
        Net(name="n", driver=Pin(cell=0, name="ZN"), sinks=(Pin(cell=1, name="A"),)),
        Net(name="o", driver=Pin(cell=1, name="ZN"), sinks=(Pin(cell=-1, name="o"),)),
    ),
)


def placement(*, flipped: bool) -> Placement:
    return Placement(
        width_um=10.0, height_um=2.8,
        x_um=np.array([1.0, 6.0]), y_um=np.array([0.0, 1.4]),
        flipped=np.array([False, flipped]),
        port_x_um=np.array([0.0, 10.0]), port_y_um=np.array([0.0, 2.8]),
    )  # fmt: skip


def test_a_two_pin_net_is_as_long_as_the_way_between_its_pins() -> None:
    platform = load_platform()
    inverter = platform.macros()["INV_X1"]
    (ax, ay), (zx, zy) = inverter.pins["A"], inverter.pins["ZN"]
    for flipped in (False, True):
        wire = estimate_wires(NETLIST, platform, placement(flipped=flipped))[1]
        dx = 6.0 + ax - (1.0 + zx)
        dy = abs(1.4 + (inverter.height_um - ay if flipped else ay) - zy)
        assert wire.length_um == pytest.approx(dx + dy)
        assert wire.cap_ff == pytest.approx(0.0752 * dx + 0.0808 * dy)
        # A via at each pin, and one at the bend.
        assert wire.node_ohm.tolist() == [0, pytest.approx(3.57 * dx + 3.57 * dy + 5 + 5 + 5)]


def test_a_branching_net_is_a_tree_of_resistors() -> None:
    """A driver and two sinks around one Steiner point, by hand: 2 + 3 + 4 um of wire."""
    tree = steiner_trees([(np.array([0.0, 5.0, 2.0]), np.array([0.0, 0.0, 4.0]))])[0]
    wire = _wire(tree, 3, load_platform())
    assert wire.length_um == 9
    assert wire.parent.tolist() == [-1, 3, 3, 0]
    assert wire.node_ohm.tolist() == pytest.approx([0, 3 * 3.57 + 5, 4 * 3.57 + 5, 2 * 3.57 + 5])
    ways = 3 * 0.0752, 4 * 0.0808, 2 * 0.0752
    halves = [ways[2] / 2, ways[0] / 2, ways[1] / 2, sum(ways) / 2]
    assert wire.node_ff.tolist() == pytest.approx(halves)


def test_a_sink_that_is_no_connection_leaves_its_load() -> None:
    tree = steiner_trees([(np.array([0.0, 5.0, 2.0]), np.array([0.0, 0.0, 4.0]))])[0]
    wire = _wire(tree, 3, load_platform())
    lines = list(net_lines("n", ["*I a:Z O", 7.0, "*I b:A I"], wire))
    assert lines[1:4] == ["*CONN", "*I a:Z O", "*I b:A I"]
    caps = {line.split()[1]: float(line.split()[2]) for line in lines[5:9]}
    assert list(caps) == ["a:Z", "n:2", "b:A", "n:4"]
    assert caps["n:2"] == pytest.approx(wire.node_ff[1] + 7, abs=1e-4)
    assert float(lines[0].split()[2]) == pytest.approx(wire.cap_ff + 7, abs=1e-4)


def test_spef_capacitances_add_up_to_each_net(tmp_path: Path) -> None:
    platform = load_platform()
    wires = estimate_wires(NETLIST, platform, placement(flipped=True))
    write_spef(tmp_path / "w.spef", NETLIST, wires)
    text = (tmp_path / "w.spef").read_text()
    for net, wire in zip(NETLIST.nets, wires, strict=True):
        block = re.search(rf"\*D_NET {net.name} (\S+)\n.*?\*CAP\n(.*?)\*RES", text, re.S)
        assert block is not None
        parts = [float(line.split()[-1]) for line in block[2].splitlines()]
        assert sum(parts) == pytest.approx(float(block[1]), abs=2e-4)
        assert float(block[1]) == pytest.approx(wire.cap_ff, abs=1e-4)
    assert "*P i I" in text
    assert "*P o O" in text
    assert "*I a:ZN O" in text


def test_placed_cells_stand_in_rows_and_do_not_overlap() -> None:
    platform = load_platform()
    count = 60
    nets = tuple(
        Net(name=f"n{k}", driver=Pin(cell=k, name="ZN"), sinks=(Pin(cell=k + 1, name="A"),))
        for k in range(count - 1)
    )
    chain = Netlist(
        top="t",
        instances=tuple(f"u{k}" for k in range(count)),
        kinds=("INV_X1",) * count,
        ports=("i", "o"),
        nets=nets,
    )
    placed = place(chain, platform, utilization=0.6, seed=1)
    macro = platform.macros()["INV_X1"]
    rows = placed.y_um / macro.height_um
    assert np.allclose(rows, np.round(rows))
    assert (placed.flipped == (np.round(rows) % 2 == 1)).all()
    assert placed.x_um.min() >= 0
    assert placed.x_um.max() + macro.width_um <= placed.width_um + 1e-9
    for row in np.unique(np.round(rows)):
        x = np.sort(placed.x_um[np.round(rows) == row])
        assert (np.diff(x) >= macro.width_um - 1e-9).all()
    area = count * macro.width_um * macro.height_um
    assert placed.core_area_um2 >= area / 0.6
    again = place(chain, platform, utilization=0.6, seed=1)
    assert (again.x_um == placed.x_um).all()
