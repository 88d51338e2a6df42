"""Other delays than the flow's, to see what the delay model does to activity and energy.

``zero``: a flip-flop changes 1 ps behind its clock edge, everything else at once. Without that
picosecond the netlist races: a clock gate or buffer between the clock and a flip-flop makes it
capture what another has just launched. ``unit``: the same 100 ps for every cell, none for the
cells of the clock tree (a tree of unit delays would not be balanced). ``cell``: the flow's, one
mean delay for each cell. ``edge``: rising and falling outputs have delays of their own, each the
mean over the arcs to it, with the longest time on the wires behind it.
"""

from __future__ import annotations

import re
from pathlib import Path

from characterize.clock_tree import CLOCK_BUFFER
from characterize.delays import MIN_DELAY_NS, delayed_netlist, sdf_arcs, sdf_wires
from characterize.flow import Built
from characterize.netlist import Netlist
from characterize.platform import Platform
from characterize.simulate import cell_models

MODELS = ("zero", "unit", "cell", "edge")
UNIT_NS = 0.1


def write_model(built: Built, model: str, folder: Path) -> list[str]:
    """Write the netlist and its cells with these delays; returns the names of the files."""
    cells = [built.platform.cells()[kind] for kind in sorted(built.netlist.cell_counts())]
    models = cell_models(cells)
    verilog = (built.folder / "netlist.v").read_text(encoding="utf-8")
    if model == "edge":
        models = _two_delays(models)
        verilog = _with_edges(verilog, _edge_delays(built))
    elif model == "cell":
        verilog = delayed_netlist(verilog, dict(built.delays))
    else:
        verilog = delayed_netlist(verilog, _equal_delays(built, model))
    (folder / f"{model}_cells.v").write_text(models, encoding="utf-8")
    (folder / f"{model}_netlist.v").write_text(verilog, encoding="utf-8")
    return [f"{model}_cells.v", f"{model}_netlist.v"]


def _equal_delays(built: Built, model: str) -> dict[str, float]:
    delays = {}
    for name, clocked, clock_cell in _kinds(built.netlist, built.platform):
        if model == "unit":
            delays[name] = 0.0 if clock_cell else UNIT_NS
        else:
            delays[name] = MIN_DELAY_NS if clocked else 0.0
    return delays


def _kinds(netlist: Netlist, platform: Platform) -> list[tuple[str, bool, bool]]:
    """Of each instance: its name, whether it stores, whether it is of the clock tree."""
    library = platform.cells()
    found = []
    for name, kind in zip(netlist.instances, netlist.kinds, strict=True):
        cell = library[kind]
        stores = cell.is_flop or cell.is_latch or cell.is_macro
        found.append((name, stores, bool(cell.clock_gate) or name.startswith(CLOCK_BUFFER)))
    return found


def _edge_delays(built: Built) -> dict[str, tuple[float, ...]]:
    """Rise and fall of each instance in ns: means over its arcs, and the wire behind."""
    wires = sdf_wires(built.folder / "delays.sdf")
    delays = {}
    for name, arcs in sdf_arcs(built.folder / "delays.sdf").items():
        # An arc of one edge alone has one number.
        rise, fall = ([arc[edge] for arc in arcs if len(arc) > edge] for edge in (0, 1))
        delays[name] = tuple(
            round(max(MIN_DELAY_NS, sum(edge) / len(edge) + wires.get(name, 0.0)), 3)
            for edge in (rise or fall, fall or rise)
        )
    return delays


def _two_delays(models: str) -> str:
    """Cell models that take a rising and a falling delay; flip-flops delay their outputs."""
    text = models.replace("parameter real DELAY_NS", "parameter real RISE_NS = 0.1, FALL_NS")
    text = re.sub(r"<= #DELAY_NS ", "<= ", text)
    return re.sub(r"assign (?:#DELAY_NS )?(\S+ = )", r"assign #(RISE_NS, FALL_NS) \1", text)


def _with_edges(verilog: str, delays: dict[str, tuple[float, ...]]) -> str:
    def with_delay(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if name not in delays:
            return match[0]
        rise, fall = delays[name]
        return f"  {kind} #(.RISE_NS({rise:.3f}), .FALL_NS({fall:.3f})) {name} ("

    return re.sub(r"^  (\w+) (\w+) \($", with_delay, verilog, flags=re.M)
