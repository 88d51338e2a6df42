"""Wires: lengths from positions, constants from the platform's table, SPEF that adds up."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from characterize.netlist import Net, Netlist, Pin
from characterize.parasitics import estimate_wires, steiner_ratio, write_spef
from characterize.place import Placement, place
from characterize.platform import load_platform

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
        assert wire.sink_ohm[0] == pytest.approx(3.57 * dx + 3.57 * dy)


def test_the_steiner_ratio_is_the_published_table_and_grows() -> None:
    assert [steiner_ratio(pins) for pins in (2, 3, 4, 10, 50)] == [1, 1, 1.0828, 1.4493, 2.7933]
    ratios = [steiner_ratio(pins) for pins in range(2, 200)]
    assert ratios == sorted(ratios)


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
