"""The clock tree: buffers over clusters of registers and clock gates, level by level.

Behind each clock gate: the smallest size that drives its registers, or buffers over clusters of
them. Before the gates: registers without one stand behind buffers that take the place of a gate, so
that all registers are about as far from the root; then levels of buffers over clusters, each level
everywhere, until one is left.
"""

from __future__ import annotations

from characterize.layout import Layout, cluster
from characterize.netlist import CLOCK, Pin

#: What the instance names of clock buffers begin with.
CLOCK_BUFFER = "ctb"
#: Share of the load limit that clock buffers are given: about that share of the slew limit.
CLOCK_SHARE = 0.3
#: The same of the last buffer before registers without a clock gate, and of clock gates: so chosen
#: that all of these take about the same time, 40-55 ps.
LEAF_SHARE = 0.12
GATE_SHARE = 0.2


def build_clock_tree(layout: Layout) -> int:
    """Add the tree to a placed netlist whose clock is one net; returns the number of buffers."""
    before = len(layout.instances)
    for net in range(len(layout.names)):
        cell = layout.cell(layout.drivers[net])
        if cell is not None and cell.clock_gate:
            _drive_domain(layout, net)
    if CLOCK in layout.names:
        root = layout.names.index(CLOCK)
        gates = [pin for pin in layout.sinks[root] if _is_gate(layout, pin)]
        _add_level(
            layout, root, [pin for pin in layout.sinks[root] if pin not in gates], LEAF_SHARE
        )
        while len(layout.sinks[root]) > 1:
            _add_level(layout, root, list(layout.sinks[root]))
    return len(layout.instances) - before


def _is_gate(layout: Layout, pin: Pin) -> bool:
    cell = layout.cell(pin)  # logic on the clock is a part of a gate that is built of several cells
    return cell is not None and (cell.clock_gate or cell.is_logic)


def _drive_domain(layout: Layout, net: int) -> None:
    """Behind one clock gate: a larger gate, or buffers if the largest is too small."""
    role = layout.platform.roles["clock_gate"]
    driver = layout.drivers[net]
    gates = [layout.library[kind] for kind in (role["cell"], *role["larger"])]
    if layout.load_ff(driver, layout.sinks[net]) > GATE_SHARE * gates[-1].max_load_ff[driver.name]:
        _add_level(layout, net, list(layout.sinks[net]))
    load = layout.load_ff(driver, layout.sinks[net])
    fits = [gate for gate in gates if load <= GATE_SHARE * gate.max_load_ff[driver.name]]
    layout.kinds[driver.cell] = (fits or gates[-1:])[0].name


def _add_level(layout: Layout, net: int, sinks: list[Pin], share: float = CLOCK_SHARE) -> None:
    """Buffers over clusters of these sinks of a net, each with this share of its load limit."""
    if not sinks:
        return
    role = layout.platform.roles["clock_buffer"]
    most = share * layout.library[role["cell"]].max_load_ff[role["output"]]
    wire = layout.load_ff(sinks[0], sinks[1:]) - sum(map(layout.pin_ff, sinks[1:]))
    cost = [layout.pin_ff(sink) + wire / len(sinks) for sink in sinks]
    for group in cluster(layout.at(sinks), cost, most):
        layout.buffer(net, [sinks[index] for index in group], role, role["cell"], CLOCK_BUFFER)
