"""Flow ``openroad``: scripts and readers without the tool, failures, and the tool itself."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from characterize import openroad, synthesize, timing
from characterize.campaign import Campaign
from characterize.clock_tree import CLOCK_BUFFER
from characterize.layout_def import def_text, net_points, netlist_of, read_def
from characterize.measurement import FLOWS, Point
from characterize.netlist import CLOCK, Net, Netlist, Pin, read_netlist, verilog_text
from characterize.openroad import Change, Options, change, parse_cells, parse_wire_lengths
from characterize.openroad_tcl import NEEDED
from characterize.parasitics import net_lines, spef_header
from characterize.place import place
from characterize.platform import Platform, find_platform, load_platform
from characterize.process import StepError
from characterize.spef import read_spef
from characterize.store import Store
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.export import rtlil_text
from rtl_gen.interface import ports
from tests.wires import star

DESIGN = PEDesign.preset("LightPE-1", ifmap_depth=4, filter_depth=8, psum_depth=4)
PERIOD_PS = 2000

#: One inverter between two ports, and a tap; as OpenROAD writes it, cut down.
DEF = """\
VERSION 5.8 ;
DIVIDERCHAR "/" ;
BUSBITCHARS "[]" ;
DESIGN t ;
UNITS DISTANCE MICRONS 2000 ;
DIEAREA ( 0 0 ) ( 20000 20000 ) ;
COMPONENTS 2 ;
    - PHY_0 WELLTAP_X1 + SOURCE DIST + FIXED ( 3800 2800 ) N ;
    - a INV_X1 + PLACED ( 4180 5600 ) {orientation} ;
END COMPONENTS
PINS 3 ;
    - VDD + NET VDD + SPECIAL + DIRECTION INOUT + USE POWER
      + PORT
        + LAYER metal7 ( -1000 -1000 ) ( 1000 1000 )
        + FIXED ( 9000 9000 ) N ;
    - i[0] + NET i[0] + DIRECTION INPUT + USE SIGNAL
      + PORT
        + LAYER metal2 ( -70 -70 ) ( 70 70 )
        + PLACED ( 10070 19930 ) N ;
    - o + NET o + DIRECTION OUTPUT + USE SIGNAL
      + PORT
        + LAYER metal3 ( -70 -70 ) ( 70 70 )
        + PLACED ( 19930 5390 ) N ;
END PINS
SPECIALNETS 1 ;
    - VDD ( PIN VDD ) ( a VDD ) + USE POWER ;
END SPECIALNETS
NETS 3 ;
    - VDD ( a VDD ) + USE POWER ;
    - i[0] ( PIN i[0] ) ( a A ) + USE SIGNAL ;
    - n1 ( PIN o )
      ( a ZN ) + USE CLOCK + NONDEFAULTRULE CTS_NDR_0 ;
END NETS
END DESIGN
"""

#: The first net is as a global route gives it, without the capacitance at its pins; the second
#: as an estimate from the placement gives it, with a resistor from a node to itself.
SPEF = """\
*SPEF "ieee 1481-1999"
*DESIGN "t"
*DIVIDER /
*DELIMITER :
*BUS_DELIMITER []
*T_UNIT 1 NS
*C_UNIT 1 FF
*R_UNIT 1 KOHM
*L_UNIT 1 HENRY

*PORTS
i[0] I
o O

*D_NET i[0] 0.33128
*CONN
*I a{delimiter}A I *D INV_X1
*P i[0] I
*CAP
1 i[0]:2 0.16564
*RES
1 i[0]:1 i[0]:2 0.005
2 a{delimiter}A i[0]:2 0.015
3 i[0] i[0]:2 0.005
*END

*D_NET n1 0.08178
*CONN
*I a{delimiter}ZN O *D INV_X1
*P o O
*CAP
1 n1:0 0.04089
2 n1:1 0.04089
*RES
1 n1:0 n1:0 1e-06
2 a{delimiter}ZN n1:2 1e-06
3 n1:2 n1:0 1e-06
4 n1:1 n1:0 0.00388238
5 o n1:1 1e-06
*END
"""


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform()


def small(platform: Platform, orientation: str = "N") -> tuple[Netlist, tuple[str, ...]]:
    text = DEF.format(orientation=orientation)
    return netlist_of(read_def(text), platform, ("i[0]", "o"), {"WELLTAP_X1"})


# The platform's entry, and the scripts


def changed_platform(folder: Path, **changes: object) -> Path:
    document = yaml.safe_load(find_platform("freepdk45").read_text())
    document["openroad"].update(changes)
    document["openroad"] = {k: v for k, v in document["openroad"].items() if v is not None}
    path = folder / "kit.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"site": None}, "openroad needs site"),
        ({"site": "unit"}, "openroad: rtk-tech.lef has no site unit"),
        ({"colour": 1}, "openroad: 'colour' is not an entry of it"),
        ({"tech_lef": "no.lef"}, "openroad: tech_lef "),
        ({"pin_layers": {"horizontal": "m3", "vertical": "metal2"}}, "openroad: 'm3' is not a "),
        ({"tap": {"cell": "TAP", "distance_um": 1}}, "openroad: 'TAP' is not a cell of the kit"),
        ({"tap": {"cell": "WELLTAP_X1"}}, "openroad needs 'distance_um'"),
        ({"tracks": {"metal1": {"x": 1, "y": 2}}}, "openroad: an entry is not as expected: "),
        (
            {"routing": {"lowest": "metal2", "highest": "metal3", "reserved": 1}},
            "openroad: reserved must be 0 to below 1, not 1.0",
        ),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = changed_platform(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        load_platform(str(path))
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_platform_without_the_entry_has_the_other_flow_alone(tmp_path: Path) -> None:
    document = yaml.safe_load(find_platform("freepdk45").read_text())
    del document["openroad"]
    path = tmp_path / "kit.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(InputError) as error:
        openroad.scripts(load_platform(str(path)), "t", Options())
    message = "platform freepdk45 has no entry openroad: it has flow placed alone"
    assert str(error.value) == message


def test_the_script_has_the_platforms_constants(platform: Platform) -> None:
    text = openroad.scripts(platform, "t", Options())["route.tcl"]
    for layer in platform.layers:
        line = (
            f"set_layer_rc -layer {layer.name} -resistance {layer.ohm_per_um / 1000:.9g}"
            f" -capacitance {layer.ff_per_um:.9g}"
        )
        assert line in text.splitlines()
    across, up = platform.horizontal, platform.vertical
    assert f"-h_capacitance {across.ff_per_um:.9g} -v_resistance {up.ohm_per_um / 1000:.9g}" in text
    assert "{CLOCK_BUFFER}" not in text
    assert f"$cell rename {CLOCK_BUFFER}[incr count]" in text


def test_the_script_uses_no_command_that_the_probe_does_not_ask_for(platform: Platform) -> None:
    options = Options(detailed=True, parasitics="global_routing")
    text = openroad.scripts(platform, "t", options)["route.tcl"]
    used = set(re.findall(r"^(?:\s*)([a-z]+_[a-z_]+)\b", text, flags=re.M))
    plain = {"share_latency", "large_clocks", "list_cells", "detailed_route"}
    ancient = {name for name in used if name.startswith(("add_", "define_", "global_connect"))}
    sdc = {"set_clock_latency", "set_propagated_clock", "set_cmd_units"}
    others = {"set_thread_count", "set_voltage_domain", "with_output_to_variable"}
    assert used - plain - ancient - sdc - others <= set(NEEDED)


def test_options_change_the_script(platform: Platform) -> None:
    """All of them: they are part of what a result is kept under."""
    texts = [
        openroad.scripts(platform, "t", options)["route.tcl"]
        for options in (
            Options(), Options(parasitics="global_routing"), Options(detailed=True),
            Options(tree_sinks=2), Options(seed=2),
        )
    ]  # fmt: skip
    assert len(set(texts)) == len(texts)
    assert "detailed_route -output" not in texts[0]
    assert "-clk_nets" not in texts[3]


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError) as error:
        Options(parasitics="guess")  # type: ignore[arg-type]
    assert str(error.value) == "parasitics must be placement or global_routing, not 'guess'"
    with pytest.raises(InputError) as error:
        Options(tree_sinks=1)
    assert str(error.value) == "tree_sinks must be at least 2, not 1"


# What OpenROAD leaves


def test_the_netlist_of_a_def_file(platform: Platform) -> None:
    """Taps are no part of it, and a net is named after its port."""
    netlist, names = small(platform)
    assert netlist.instances == ("a",)
    assert netlist.ports == ("i[0]", "o")
    assert [net.name for net in netlist.nets] == ["o", "i[0]"]
    assert names == ("n1", "i[0]")
    assert netlist.nets[0].driver == Pin(cell=0, name="ZN")
    assert "INV_X1 a (" in verilog_text(netlist, platform)


@pytest.mark.parametrize("orientation", ["N", "S", "FN", "FS"])
def test_pins_are_mirrored_with_their_cells(platform: Platform, orientation: str) -> None:
    netlist, _ = small(platform, orientation)
    macro = platform.macros()["INV_X1"]
    x, y = macro.pins["A"]
    if orientation in ("S", "FN"):
        x = macro.width_um - x
    if orientation in ("S", "FS"):
        y = macro.height_um - y
    at = net_points(read_def(DEF.format(orientation=orientation)), netlist, platform)[1]
    assert at[0].tolist() == pytest.approx([5.035, 2.09 + x])
    assert at[1].tolist() == pytest.approx([9.965, 2.8 + y])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("END DESIGN\n", "", "the DEF file is cut off, or is no DEF file"),
        ("COMPONENTS 2", "COMPONENTS 3", "the DEF file announces 3 COMPONENTS, and has 2"),
        ("\nNETS 3 ;\n", "\n", "the DEF file has no NETS"),
        ("+ PLACED ( 4180", "+ UNPLACED ( 4180", "cell a has no place in the DEF file"),
        ("a INV_X1", "a NOT_X1", "cell a is a NOT_X1, which is not in the library"),
        ("( a A )", "", "input A of cell a (INV_X1) is not connected"),
        ("( PIN i[0] )", "", "net i[0] is not connected to the port of its name"),
        ("( PIN i[0] )", "( a ZN ) ( PIN i[0] )", "pin ZN of a is on two nets"),
        ("( a A )", "( b A )", "net i[0] has a pin of b, which is no cell of the netlist"),
        ("- o + NET", "- p + NET", "port o is not in both the netlist and the DEF file"),
        ("a INV_X1", "a/b INV_X1", "'a/b' is not a plain name of Verilog"),
    ],
)
def test_a_broken_def_file_is_refused(platform: Platform, old: str, new: str, message: str) -> None:
    text = DEF.format(orientation="N").replace(old, new, 1)
    if "a/b" in new:
        text = text.replace("( a ", "( a/b ")
    with pytest.raises(StepError) as error:
        netlist_of(read_def(text), platform, ("i[0]", "o"), {"WELLTAP_X1"})
    assert message in str(error.value)


@pytest.mark.parametrize("delimiter", [":", "/"])
def test_capacitance_left_out_at_pins_is_put_back(platform: Platform, delimiter: str) -> None:
    """Three quarters of it at the pin with three quarters of the resistance."""
    netlist, names = small(platform)
    second, first = read_spef(SPEF.format(delimiter=delimiter), netlist, names, [2.0, 1.0])
    assert first.cap_ff == pytest.approx(0.33128)
    assert first.node_ff[:3].tolist() == pytest.approx([0.04141, 0.12423, 0.16564])
    assert first.parent.tolist() == [-1, 2, 0, 2]
    assert first.node_ohm.tolist() == pytest.approx([0, 15, 5, 5])
    assert second.cap_ff == pytest.approx(0.08178)
    assert second.length_um == 2.0
    assert second.node_ohm.sum() == pytest.approx(3.88538)


@st.composite
def trees(draw: st.DrawFn) -> tuple[int, list[int], list[float], list[float]]:
    """Sinks, and a random tree over them and some more nodes, its root the driver."""
    sinks = draw(st.integers(1, 6))
    count = 1 + sinks + draw(st.integers(0, 6))
    order = draw(st.permutations(range(1, count)))
    done, parent = [0], [-1] * count
    for node in order:
        parent[node] = draw(st.sampled_from(done))
        done.append(node)
    number = st.floats(0, 100, allow_nan=False)
    caps = draw(st.lists(number, min_size=count, max_size=count))
    return sinks, parent, caps, draw(st.lists(number, min_size=count, max_size=count))


@given(trees())
def test_what_is_written_is_read_back(
    tree: tuple[int, list[int], list[float], list[float]],
) -> None:
    sinks, parent, caps, ohms = tree
    wire = dataclasses.replace(
        star(1),
        node_ff=np.array(caps),
        node_ohm=np.array([0.0, *ohms[1:]]),
        parent=np.array(parent),
    )
    netlist = Netlist(
        top="t", instances=("d", *(f"s{k}" for k in range(sinks))), kinds=("INV_X1",) * (sinks + 1),
        ports=(), nets=(
            Net(
                name="n", driver=Pin(cell=0, name="ZN"),
                sinks=tuple(Pin(cell=1 + k, name="A") for k in range(sinks)),
            ),
        ),
    )  # fmt: skip
    ends = ["*I d:ZN O", *(f"*I s{k}:A I" for k in range(sinks))]
    text = spef_header("t") + "\n".join(net_lines("n", ends, wire))
    (read,) = read_spef(text, netlist, ["n"], [3.0])
    assert read.cap_ff == pytest.approx(wire.cap_ff, abs=2e-3)
    assert read.node_ohm.sum() == pytest.approx(sum(ohms[1:]), abs=1e-2)
    ways = [way_ohm(wire.parent, wire.node_ohm, node) for node in range(1 + sinks)]
    again = [way_ohm(read.parent, read.node_ohm, node) for node in range(1 + sinks)]
    assert again == pytest.approx(ways, abs=1e-2)


def way_ohm(parent: np.ndarray, ohm: np.ndarray, node: int) -> float:  # type: ignore[type-arg]
    total = 0.0
    while parent[node] >= 0:
        total += ohm[node]
        node = parent[node]
    return total


def test_of_two_ways_the_one_of_less_resistance_is_the_tree(platform: Platform) -> None:
    netlist, names = small(platform)
    text = SPEF.format(delimiter=":").replace("1 i[0]:1 i[0]:2 0.005", "1 i[0] a:A 0.001")
    first = read_spef(text, netlist, names, [0, 0])[1]
    assert first.parent.tolist() == [-1, 0, 0]
    assert first.cap_ff == pytest.approx(0.33128)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("*SPEF", "", "this is not a SPEF file"),
        ("*C_UNIT 1 FF", "*C_UNIT 1 UF", "the SPEF file has no *C_UNIT in FF or PF"),
        ("*PORTS", "*NAME_MAP", "SPEF files with a name map are not read"),
        ("*D_NET n1 0.08178", "*D_NET n2 0.08178", "net n1 is not in the SPEF file"),
        ("*D_NET n1 0.08178", "*D_NET n1 0.05", "the capacitances of net n1 are more than its "),
        ("*D_NET n1 0.08178", "*D_NET n1 nan", "the SPEF file has a broken net: *D_NET n1 nan"),
        ("5 o n1:1 1e-06\n*END", "*END", "the SPEF file leaves a part of net n1 unconnected"),
        ("5 o n1:1 1e-06\n*END", "5 o n1", "the SPEF file has a broken net: *D_NET n1 0.08178"),
        ("4 n1:1 n1:0 0.00388238", "4 n1:1 n1:0 -1", "the SPEF file has a broken net: "),
    ],
)
def test_a_broken_spef_file_is_refused(
    platform: Platform, old: str, new: str, message: str
) -> None:
    netlist, names = small(platform)
    text = SPEF.format(delimiter=":")
    assert old in text
    with pytest.raises(StepError) as error:
        read_spef(text.replace(old, new, 1), netlist, names, [0, 0])
    assert str(error.value).startswith(message)


def test_a_placed_netlist_is_written_and_read_back(platform: Platform) -> None:
    # n_b -> flop -> q, with a port that nothing reads.
    nets = (
        Net(name="clk", driver=Pin(cell=-1, name="clk"), sinks=(Pin(cell=1, name="CK"),)),
        Net(name="d[0]", driver=Pin(cell=-1, name="d[0]"), sinks=(Pin(cell=0, name="A"),)),
        Net(name="n", driver=Pin(cell=0, name="ZN"), sinks=(Pin(cell=1, name="D"),)),
        Net(name="q", driver=Pin(cell=1, name="Q"), sinks=(Pin(cell=-1, name="q"),)),
    )
    netlist = Netlist(
        top="top", instances=("u", "r"), kinds=("INV_X1", "DFF_X1"),
        ports=("clk", "d[0]", "d[1]", "q"), nets=nets,
    )  # fmt: skip
    placement = place(netlist, platform, utilization=0.3, seed=1)
    design = read_def(def_text(netlist, platform, placement))
    again, names = netlist_of(design, platform, netlist.ports, ())
    assert set(again.nets) == set(nets)
    assert sorted(names) == ["clk", "d[0]", "n", "q"]
    assert (design.width_um, design.height_um) == pytest.approx(
        (placement.width_um, placement.height_um)
    )
    for index, name in enumerate(netlist.instances):
        cell = design.cells[name]
        assert (cell.x_um, cell.y_um) == pytest.approx(
            (placement.x_um[index], placement.y_um[index])
        )
        assert (cell.orientation == "FS") == placement.flipped[index]
    assert design.ports["d[1]"].is_input
    assert not design.ports["q"].is_input


def test_changes_are_counted_by_cause() -> None:
    before = {"a": "INV_X1", "b": "INV_X1", "c": "INV_X1"}
    after = {"a": "INV_X1", "b": "INV_X2", "d": "BUF_X1", "e": "BUF_X1"}
    area = {"INV_X1": 0.5, "INV_X2": 0.8, "BUF_X1": 1.0}
    assert change(before, after, area) == Change(
        added=2, added_um2=2.0, removed=1, removed_um2=0.5, resized=1,
        resized_um2=pytest.approx(0.3),
    )  # fmt: skip
    with pytest.raises(StepError, match="a cell ODD, which is not in the library"):
        change(before, {"a": "ODD"}, area)


def test_lists_and_lengths_are_read_or_refused() -> None:
    assert parse_cells("a INV_X1\nb BUF_X1\n") == {"a": "INV_X1", "b": "BUF_X1"}
    with pytest.raises(StepError) as error:
        parse_cells("a INV_X1\nb\n")
    assert str(error.value) == "openroad's list of cells has the line 'b'"
    assert parse_wire_lengths("tool net total_wl #pins \ngrt: a 5.7 3\ngrt: b 1e1 2\n") == 15.7
    for text, message in (
        ("tool net total_wl #pins \n", "openroad reported no wire lengths"),
        ("grt: a\n", "openroad's report of wire lengths is broken"),
    ):
        with pytest.raises(StepError) as error:
            parse_wire_lengths(text)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("source", "target", "skew"),
    [("0.22288", "-0.12231", "0.10057"), ("0.12231", "-0.22288", "-0.10057")],
)
def test_the_skew_of_later_versions_is_read(source: str, target: str, skew: str) -> None:
    """OpenSTA 2.0 has a table; OpenROAD's version this."""
    report = (
        f"peforge skew_begins\nClock clk\n   {source} source latency n5839/CK ^\n"
        f"  {target} target latency n5764/CK ^\n   0.00000 CRPR\n--------------\n"
        f"   {skew} setup skew\n\nClock io\nNo launch/capture paths found.\n\npeforge skew_ends\n"
        "peforge setup_slack_ns 0.4\npeforge hold_slack_ns 0.05\npeforge register_slack_ns 0.4\n"
        "peforge slew_check_begins\npeforge slew_check_ends\npeforge least_period_ns 1.6\n"
        "peforge least_period_hold_slack_ns 0.05\n"
    )
    found = timing.parse_timing(report, 2000)
    assert (found.insertion_ps, found.skew_ps) == pytest.approx((222.88, 100.57))


# Failures, with a program that only says it is OpenROAD

FAKE = """\
#!/bin/sh
if [ "$1" = -version ]; then echo "v2.0-17198-gb0efda60d "; exit 0; fi
for script; do :; done
case $script in
probe.tcl) {probe};;
*) {route};;
esac
"""
ALL = "; ".join(f"echo 'peforge has {name}'" for name in NEEDED)


def fake(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, probe: str = "", route: str = ""
) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / "openroad"
    probe = probe or f"{ALL}; echo peforge probe_done"
    path.write_text(FAKE.format(probe=probe, route=route or "true"))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_missing_openroad_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InputError) as error:
        openroad.probe()
    message = (
        "openroad is not installed; put an OpenROAD (https://openroad.readthedocs.io) on PATH, "
        "or use flow placed"
    )
    assert str(error.value) == message


def test_an_old_openroad_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(
        tmp_path / "bin", monkeypatch, probe="echo 'peforge has read_lef'; echo peforge probe_done"
    )
    with pytest.raises(InputError) as error:
        openroad.probe()
    assert str(error.value).startswith(
        f"{tmp_path}/bin/openroad (version v2.0-17198-gb0efda60d) is too old: it has no "
        "read_liberty, read_verilog, link_design; put an OpenROAD"
    )
    assert "\n" not in str(error.value)


def test_an_openroad_that_fits_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = f"{ALL}; echo 'peforge has detailed_route'; echo peforge probe_done"
    fake(tmp_path / "bin", monkeypatch, probe=ready)
    found = openroad.probe()
    assert found.tool.version == "v2.0-17198-gb0efda60d"
    assert found.has == {"detailed_route"}
    assert len(found.tool.digest) == 64


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        ("kill -9 $$", "openroad was killed by signal 9: no output"),
        ("echo garbage", "openroad ended before the end of probe.tcl"),
        ("exit 3", "openroad exited with 3: no output"),
    ],
)
def test_an_openroad_that_does_not_run_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probe: str, message: str
) -> None:
    fake(tmp_path / "bin", monkeypatch, probe=probe)
    with pytest.raises(InputError) as error:
        openroad.probe()
    assert str(error.value) == f"{tmp_path}/bin/openroad does not run: {message}"


@pytest.fixture
def chain(tmp_path: Path, platform: Platform) -> tuple[Path, Netlist]:
    """A folder with a netlist of one inverter."""
    netlist, _ = small(platform)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "netlist.v").write_text(verilog_text(netlist, platform))
    return folder, netlist


CONGESTED = "echo '[ERROR GRT-0116] Global routing finished with congestion.'; exit 1"


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("echo begins; kill -9 $$", "openroad was killed by signal 9: begins"),
        ("echo begins", "openroad ended before the end of route.tcl"),
        ("head -c 3000 /dev/urandom", "openroad ended before the end of route.tcl"),
        ("echo peforge route_done", "openroad left no routed.def: No such file or directory"),
        (
            "head -c 3000 /dev/urandom > routed.def; echo peforge route_done",
            "the DEF file is cut off, or is no DEF file",
        ),
        (
            "echo '[ERROR STA-0164] broken'; echo 'Error: route.tcl, 9 STA-0164'; exit 1",
            "openroad: [ERROR STA-0164] broken",
        ),
        (CONGESTED, "openroad: [ERROR GRT-0116] Global routing finished with congestion."),
    ],
)
def test_an_openroad_that_fails_gives_its_reason(
    chain: tuple[Path, Netlist],
    tmp_path: Path,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    route: str,
    message: str,
) -> None:
    fake(tmp_path / "bin", monkeypatch, route=route)
    with pytest.raises(StepError) as error:
        openroad.place_and_route(*chain, platform, utilization=0.4, timeout_s=60)
    assert str(error.value) == message


def test_a_core_that_does_not_route_is_made_larger(
    chain: tuple[Path, Netlist],
    tmp_path: Path,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Down to the last utilization, and no other failure is tried again."""
    count = f"echo x >> {tmp_path}/tries; cat floorplan.tcl >> {tmp_path}/floorplans"
    fake(tmp_path / "bin", monkeypatch, route=f"{count}; {CONGESTED}")
    with pytest.raises(StepError):
        openroad.place_and_route(*chain, platform, utilization=0.35, timeout_s=60)
    assert (tmp_path / "tries").read_text().count("x") == 4  # 0.35, 0.30, 0.25, 0.20
    found = re.findall(r"^set density (\S+)$", (tmp_path / "floorplans").read_text(), flags=re.M)
    assert found == ["0.650", "0.600", "0.550", "0.500"]


# The tool itself


@pytest.fixture(scope="module")
def routed(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Netlist, openroad.Routed, Path]:
    """A small PE through the flow; skipped without the tool, which has no package."""
    if shutil.which("openroad") is None:
        pytest.skip("openroad is not on PATH, and has no package that could be installed")
    folder = tmp_path_factory.mktemp("openroad")
    (folder / "rtl.il").write_text(rtlil_text(DESIGN))
    (folder / "cells.lib").symlink_to(platform.liberty)
    for name, text in {
        **synthesize.scripts(platform, DESIGN.name, PERIOD_PS),
        **timing.scripts(platform, DESIGN.name, ports(DESIGN), PERIOD_PS),
        **openroad.scripts(platform, DESIGN.name, Options()),
    }.items():
        (folder / name).write_text(text)
    synthesize.synthesize(folder, platform, 300)
    before = read_netlist(folder / "netlist.json", platform)
    result = openroad.place_and_route(folder, before, platform, utilization=0.5, timeout_s=300)
    return before, result, folder


@pytest.mark.tool
def test_the_routed_netlist_is_the_synthesized_one_with_buffers(
    routed: tuple[Netlist, openroad.Routed, Path], platform: Platform
) -> None:
    before, result, _ = routed
    assert result.utilization == 0.5
    assert set(before.instances) <= set(result.netlist.instances)
    added = set(result.netlist.instances) - set(before.instances)
    assert len(added) == sum(change.added for change in result.changes.values())
    assert result.clock_buffers == result.changes["clock"].added > 0
    assert set(result.netlist.ports) == set(before.ports)

    def area(netlist: Netlist) -> float:
        library = platform.cells()
        return sum(library[kind].area_um2 for kind in netlist.kinds)

    change_um2 = sum(
        change.added_um2 - change.removed_um2 + change.resized_um2
        for change in result.changes.values()
    )
    assert area(result.netlist) - area(before) == pytest.approx(change_um2)


@pytest.mark.tool
def test_routed_cells_stand_in_rows_inside_the_core(
    routed: tuple[Netlist, openroad.Routed, Path], platform: Platform
) -> None:
    _, result, _ = routed
    placement = result.placement
    outlines = [platform.macros()[kind] for kind in result.netlist.kinds]
    rows = placement.y_um / outlines[0].height_um
    assert np.allclose(rows, np.round(rows))
    widths = np.array([outline.width_um for outline in outlines])
    assert placement.x_um.min() >= -1e-6
    assert (placement.x_um + widths).max() <= placement.width_um + 1e-6
    for row in np.unique(np.round(rows)):
        chosen = np.flatnonzero(np.round(rows) == row)
        chosen = chosen[np.argsort(placement.x_um[chosen])]
        right = placement.x_um[chosen] + widths[chosen]
        assert (placement.x_um[chosen][1:] >= right[:-1] - 1e-6).all()


@pytest.mark.tool
def test_capacitances_are_those_that_openroad_counts(
    routed: tuple[Netlist, openroad.Routed, Path],
) -> None:
    _, result, folder = routed
    text = (folder / "routed.spef").read_text() if (folder / "routed.spef").exists() else ""
    text = text or next(folder.glob("routed*.spef")).read_text()
    totals = dict(re.findall(r"^\*D_NET (\S+) (\S+)$", text, flags=re.M))
    for net, wire in zip(result.netlist.nets, result.wires, strict=True):
        if net.name in totals:
            assert wire.cap_ff == pytest.approx(float(totals[net.name]), rel=1e-4, abs=1e-3)
    assert sum(wire.length_um for wire in result.wires) <= result.routed_um * 1.1


@pytest.mark.tool
def test_both_analysers_agree_on_a_routed_netlist(
    routed: tuple[Netlist, openroad.Routed, Path],
) -> None:
    folder = routed[2]
    own = timing.analyse_timing(folder, PERIOD_PS, 300, openroad.analyser())
    assert own.slack_ps > 0
    assert own.hold_slack_ps >= 0
    assert own.slew_violations == 0
    other = timing.analyse_timing(folder, PERIOD_PS, 300)
    assert own.slack_ps == pytest.approx(other.slack_ps, abs=10)
    assert own.hold_slack_ps == pytest.approx(other.hold_slack_ps, abs=5)
    assert own.insertion_ps == pytest.approx(other.insertion_ps, abs=5)
    assert own.least_period_ps == pytest.approx(other.least_period_ps, abs=10)


@pytest.mark.tool
def test_both_flows_measure_about_the_same(
    routed: tuple[Netlist, openroad.Routed, Path], tmp_path: Path
) -> None:
    """From RTL to power; the simulation is bit-exact in both, or the points would have failed."""
    del routed  # skips without the tool
    points = [Point(design=DESIGN, period_ps=PERIOD_PS, flow=flow) for flow in FLOWS[:2]]
    campaign = Campaign(points=points, platform=load_platform(), store=Store(tmp_path))
    placed, other = campaign.run(lambda *_: None)
    assert (placed.reason, other.reason) == ("", "")
    assert (placed.flow, other.flow) == FLOWS[:2]
    assert "openroad" in other.tools
    assert "sta" not in other.tools
    assert other.metrics["area_um2"] == pytest.approx(placed.metrics["area_um2"], rel=0.08)
    for name in ("energy_per_mac_pj", "leakage_uw", "wirelength_um", "least_period_ps"):
        assert other.metrics[name] == pytest.approx(placed.metrics[name], rel=0.25), name
    assert other.metrics["slew_violations"] == other.metrics["load_violations"] == 0


@pytest.mark.tool
def test_the_clock_port_leads_to_every_register(
    routed: tuple[Netlist, openroad.Routed, Path], platform: Platform
) -> None:
    netlist, library = routed[1].netlist, platform.cells()
    before = {(sink.cell, sink.name): net.driver for net in netlist.nets for sink in net.sinks}
    for cell, kind in enumerate(netlist.kinds):
        if library[kind].is_flop:
            at = before[cell, library[kind].clocked_on]
            while at.cell >= 0:
                gate = library[netlist.kinds[at.cell]]
                at = before[at.cell, gate.clock_gate_pins[0] if gate.clock_gate else gate.inputs[0]]
            assert at.name == CLOCK
