"""What wires break after placement: drivers too weak for their load are resized, or buffered."""

from __future__ import annotations

import functools

from characterize.clock_tree import CLOCK_BUFFER
from characterize.layout import Layout, cluster
from characterize.liberty import LibraryCell
from characterize.netlist import CLOCK
from characterize.platform import Platform

#: Share of the load limit of a cell that it is given at most. The limits of a library are about
#: where its slew limit is reached, so this is the share of the slew limit, too.
LOAD_SHARE = 0.8
#: The same for buffers that are added: quick ones.
BUFFER_SHARE = 0.4


def repair_loads(layout: Layout) -> int:
    """Give every data net a driver that is strong enough; returns how many buffers were added.

    A driver gets the smallest size of its cell that carries its load. Where none does, sinks that
    stand close together get a buffer of their own, and so on up to the driver.
    """
    sizes = sizes_of(layout.platform)
    before = len(layout.instances)
    for net, load in enumerate(layout.loads_ff()):
        if layout.names[net] != CLOCK and not _is_clock(layout, net):
            _repair(layout, net, load, sizes)
    return len(layout.instances) - before


def _is_clock(layout: Layout, net: int) -> bool:
    driver = layout.drivers[net]
    cell = layout.cell(driver)
    return cell is not None and (
        cell.clock_gate or layout.instances[driver.cell].startswith(CLOCK_BUFFER)
    )


def _repair(layout: Layout, net: int, load: float, sizes: dict[str, list[LibraryCell]]) -> None:
    driver = layout.drivers[net]
    own = layout.cell(driver)
    port = layout.platform.roles["driver"]
    name = port["pin"] if own is None else driver.name
    choices = [layout.library[port["cell"]]] if own is None else sizes[own.name]
    if load <= LOAD_SHARE * (own or choices[0]).max_load_ff.get(name, float("inf")):
        return
    strong = [cell for cell in choices if load <= LOAD_SHARE * cell.max_load_ff[name]]
    if strong and own is not None:
        layout.kinds[driver.cell] = strong[0].name
        return
    limit = LOAD_SHARE * choices[-1].max_load_ff[name]
    add_tree(layout, net, limit)
    if own is not None:
        load = layout.load_ff(driver, layout.sinks[net])
        strong = [cell for cell in choices if load <= LOAD_SHARE * cell.max_load_ff[name]]
        layout.kinds[driver.cell] = (strong or choices[-1:])[0].name


def add_tree(layout: Layout, net: int, limit_ff: float) -> None:
    """Levels of buffers between a driver and its sinks, until it sees at most the limit."""
    role = layout.platform.roles["buffer"]
    buffers = [layout.library[kind] for kind in role["cells"]]
    most = [BUFFER_SHARE * cell.max_load_ff[role["output"]] for cell in buffers]
    while True:
        sinks = list(layout.sinks[net])
        load = layout.load_ff(layout.drivers[net], sinks)
        pins = [layout.pin_ff(sink) for sink in sinks]
        if load <= limit_ff:
            return
        # A sink costs its pin and its share of the wire.
        cost = [pin + (load - sum(pins)) / len(sinks) for pin in pins]
        groups = cluster(layout.at(sinks), cost, most[-1])
        if len(groups) == len(sinks):  # nothing to be gained
            return
        for group in groups:
            chosen = [sinks[index] for index in group]
            behind = layout.buffer(net, chosen, role, buffers[-1].name, "buf")
            load = layout.load_ff(layout.drivers[behind], chosen)
            fits = [cell for cell, limit in zip(buffers, most, strict=True) if load <= limit]
            layout.kinds[layout.drivers[behind].cell] = (fits or buffers[-1:])[0].name


@functools.lru_cache(maxsize=64)
def sizes_of(platform: Platform) -> dict[str, list[LibraryCell]]:
    """For each cell with outputs, those of the same function and pins, the weakest first."""
    library = platform.cells().values()
    groups: dict[object, list[LibraryCell]] = {}
    for cell in library:
        groups.setdefault((platform.base_name(cell.name), _function(cell)), []).append(cell)
    found = {}
    for group in groups.values():
        group.sort(key=lambda cell: (cell.area_um2, cell.name))
        found.update({cell.name: group for cell in group})
    return found


def _function(cell: LibraryCell) -> object:
    """What must be equal for a cell to stand in the place of another."""
    state = cell.clocked_on, cell.next_state
    return cell.inputs, tuple(cell.outputs.items()), *state, cell.clock_gate, cell.dont_use
