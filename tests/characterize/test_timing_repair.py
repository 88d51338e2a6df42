"""Late paths get larger cells, early ones buffers; what OpenSTA says of the result."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from characterize import timing, timing_repair
from characterize.layout import Layout
from characterize.netlist import Net, Netlist, Pin, verilog_text
from characterize.parasitics import estimate_wires, write_spef
from characterize.place import place
from characterize.placed import Repaired, close_timing
from characterize.platform import Platform, load_platform
from characterize.process import StepError
from characterize.timing_repair import Proposal, apply, propose, shortfall_ps
from rtl_gen.export import IO_SHARE

PERIOD_PS = 1000


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform()


class Builder:
    """A netlist, cell by cell; nets are named after their drivers."""

    def __init__(self) -> None:
        self.cells: list[tuple[str, str]] = []
        self.nets: dict[str, tuple[Pin, list[Pin]]] = {
            name: (Pin(cell=-1, name=name), []) for name in ("clk", "d")
        }

    def add(self, name: str, kind: str, output: str, **inputs: str) -> str:
        """A cell whose inputs are on these nets; returns its net."""
        cell = len(self.cells)
        self.cells.append((name, kind))
        self.nets[name] = (Pin(cell=cell, name=output), [])
        for pin, net in inputs.items():
            self.nets[net][1].append(Pin(cell=cell, name=pin))
        return name

    def flop(self, name: str, data: str, clock: str = "clk") -> str:
        return self.add(name, "DFF_X1", "Q", D=data, CK=clock)

    def netlist(self, output: str) -> Netlist:
        self.nets[output][1].append(Pin(cell=-1, name="q"))
        names, kinds = zip(*self.cells, strict=True)
        nets = [
            Net(name=name if driver.cell < 0 else f"net_{name}", driver=driver, sinks=tuple(sinks))
            for name, (driver, sinks) in self.nets.items()
            if sinks
        ]
        return Netlist(
            top="top", instances=names, kinds=kinds, ports=("clk", "d", "q"), nets=tuple(nets)
        )


def shift_register(clock_buffers: int) -> Netlist:
    """The second flip-flop behind buffers of the clock: it captures what comes a cycle too early.

    A third one takes the data behind another clock edge of the same delay.
    """
    build = Builder()
    clock = "clk"
    for n in range(clock_buffers):
        clock = build.add(f"ctb{n}", "CLKBUF_X1", "Z", A=clock)
    first = build.flop("first", "d")
    second = build.flop("second", first, clock)
    return build.netlist(build.flop("third", second, clock))


def chain(cells: int, fanout: int) -> Netlist:
    """Flip-flop, weak inverters with a load each, flip-flop."""
    build = Builder()
    net = build.flop("first", "d")
    for n in range(cells):
        net = build.add(f"inv{n}", "INV_X1", "ZN", A=net)
        for extra in range(fanout):
            build.add(f"load{n}_{extra}", "INV_X4", "ZN", A=net)
    return build.netlist(build.flop("last", net))


def prepared(folder: Path, netlist: Netlist, platform: Platform, period_ps: int) -> Repaired:
    """Placed; the folder has all that timing reads."""
    (folder / "cells.lib").symlink_to(platform.liberty)
    share = period_ps * IO_SHARE / 1000
    (folder / "timing.sdc").write_text(
        f"create_clock -name clk -period {period_ps / 1000} [get_ports clk]\n"
        f"create_clock -name io -period {period_ps / 1000}\n"
        f"set_input_delay {share} -clock io [get_ports d]\n"
        f"set_output_delay {share} -clock io [get_ports q]\n"
        "set_input_transition 0.04 [get_ports clk]\n"
        "set_max_transition 0.2 [current_design]\n"
    )
    (folder / "timing.tcl").write_text(timing.script(platform, "top"))
    for name, text in timing_repair.scripts(platform, "top").items():
        (folder / name).write_text(text)
    placement = place(netlist, platform, utilization=0.5, seed=1)
    return Repaired(netlist=netlist, placement=placement, buffers=0, clock_buffers=0)


def timed(folder: Path, repaired: Repaired, platform: Platform) -> timing.TimingResult:
    (folder / "netlist.v").write_text(verilog_text(repaired.netlist, platform))
    wires = estimate_wires(repaired.netlist, platform, repaired.placement)
    write_spef(folder / "wires.spef", repaired.netlist, wires)
    return timing.analyse_timing(folder, PERIOD_PS, 60)


@pytest.mark.tool
def test_buffers_delay_what_comes_too_early(tmp_path: Path, platform: Platform) -> None:
    before = prepared(tmp_path, shift_register(6), platform, PERIOD_PS)
    broken = timed(tmp_path, before, platform)
    assert broken.hold_slack_ps < -50
    (early,) = propose(tmp_path, 60).early.items()
    assert early[0] == "second/D"
    assert early[1] * 1000 == pytest.approx(-broken.hold_slack_ps, abs=0.1)

    after, result, wires = close_timing(tmp_path, platform, before, PERIOD_PS, 1)
    assert result.hold_slack_ps >= 0
    assert result.slack_ps >= 0
    assert after.hold_buffers == sum(n.startswith("hold") for n in after.netlist.instances) > 1
    assert len(wires) == len(after.netlist.nets)
    assert (tmp_path / "netlist.v").read_text() == verilog_text(after.netlist, platform)


@pytest.mark.tool
def test_cells_on_a_late_path_are_resized_until_it_is_in_time(
    tmp_path: Path, platform: Platform
) -> None:
    before = prepared(tmp_path, chain(20, 4), platform, PERIOD_PS)
    slow = timed(tmp_path, before, platform)
    assert slow.slack_ps < -100
    after, result, _ = close_timing(tmp_path, platform, before, PERIOD_PS, 1)
    assert result.slack_ps > slow.slack_ps + 100
    changed = [
        (old, new)
        for name, old, new in zip(
            after.netlist.instances, before.netlist.kinds, after.netlist.kinds, strict=False
        )
        if old != new
    ]
    assert changed
    assert all(old.split("_X")[0] == new.split("_X")[0] for old, new in changed)


@pytest.mark.tool
def test_what_cannot_be_met_keeps_its_best(tmp_path: Path, platform: Platform) -> None:
    before = prepared(tmp_path, chain(90, 4), platform, PERIOD_PS)
    slow = timed(tmp_path, before, platform)
    after, result, _ = close_timing(tmp_path, platform, before, PERIOD_PS, 1)
    assert slow.slack_ps <= result.slack_ps < 0
    # The files are those of the netlist that is returned.
    again = timed(tmp_path, after, platform)
    assert again == result


def through_a_latch(before: int, behind: int) -> Netlist:
    """Flip-flop, inverters, latch that is open while the clock is high, inverters, flip-flop."""
    build = Builder()
    late = build.add("ctb", "CLKBUF_X1", "Z", A="clk")
    build.flop("beside", build.flop("earlier", "d", late))  # have a skew
    net = build.flop("first", "d")
    for n in range(before):
        net = build.add(f"before{n}", "INV_X1", "ZN", A=net)
    net = build.add("latch", "DLH_X1", "Q", D=net, G="clk")
    for n in range(behind):
        net = build.add(f"behind{n}", "INV_X1", "ZN", A=net)
    return build.netlist(build.flop("last", net))


@pytest.mark.tool
@pytest.mark.parametrize(
    ("before", "behind", "late"), [(4, 4, False), (150, 4, True), (4, 150, True)]
)
def test_both_wordings_find_the_same_paths(
    tmp_path: Path, platform: Platform, before: int, behind: int, late: bool
) -> None:
    """A path through a latch that borrows counts at its end; one to a latch that misses, there."""
    made = prepared(tmp_path, through_a_latch(before, behind), platform, PERIOD_PS)
    found = timed(tmp_path, made, platform)
    assert (found.slack_ps < 0) == late
    proposal = propose(tmp_path, 60)
    for name in ("timing.tcl", "timing_repair.tcl"):
        script = (tmp_path / name).read_text()
        assert timing.first_wording(script) != script
        (tmp_path / name).write_text(timing.first_wording(script))
    assert timed(tmp_path, made, platform) == found
    assert propose(tmp_path, 60) == proposal
    assert bool(proposal.resized) == late


@pytest.mark.tool
def test_what_meets_its_time_is_left_alone(tmp_path: Path, platform: Platform) -> None:
    before = prepared(tmp_path, shift_register(0), platform, PERIOD_PS)
    after, result, _ = close_timing(tmp_path, platform, before, PERIOD_PS, 1)
    assert shortfall_ps(result) == 0
    assert after == before
    assert not (tmp_path / "timing_repair.log").exists()


def test_a_proposal_for_another_netlist_is_refused(platform: Platform) -> None:
    netlist = shift_register(0)
    layout = Layout(netlist, platform, place(netlist, platform, utilization=0.5, seed=1))
    for proposal, reason in (
        (
            Proposal(resized={"nobody": "INV_X2"}, early={}),
            "sta resized nobody to INV_X2, which are not in the netlist",
        ),
        (
            Proposal(resized={"first": "INV_X99"}, early={}),
            "sta resized first to INV_X99, which are not in the netlist",
        ),
        (
            Proposal(resized={}, early={"first/X": 0.1}),
            "sta found first/X early, which is not in the netlist",
        ),
    ):
        with pytest.raises(StepError) as error:
            apply(layout, proposal)
        assert str(error.value) == reason


def test_shortfall_is_what_setup_and_hold_lack() -> None:
    met = timing.TimingResult(
        slack_ps=10, hold_slack_ps=5, register_slack_ps=10, slew_violations=0, insertion_ps=0,
        skew_ps=0, least_period_ps=990, least_period_hold_slack_ps=5,
    )  # fmt: skip
    assert shortfall_ps(met) == 0
    assert shortfall_ps(dataclasses.replace(met, slack_ps=-3, hold_slack_ps=-4)) == 7
