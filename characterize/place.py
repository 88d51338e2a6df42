"""Standard cells onto rows, around macros: Coloquinte's global and detailed placement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import coloquinte
import numpy as np
from numpy.typing import NDArray

from characterize.netlist import CLOCK, Netlist, Pin
from characterize.platform import Platform
from characterize.process import StepError

#: Database units per um: every size of the supported kits is a multiple of 0.5 nm.
_UNITS = 2000
EFFORT = 2
#: How full the rows of a core are made when cells are spread over it.
SPREAD_DENSITY = 0.9
#: Rows beside macros hold at least this many of the widest cell.
_STRIP = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where everything is, in um from the lower left corner of the core.

    Attributes:
        width_um, height_um: of the core, a whole number of rows high.
        x_um, y_um: lower left corner of each instance; macros stand above each other at the left.
        flipped: instances mirrored about a horizontal axis (every other row).
        port_x_um, port_y_um: each port bit, on the edge of the core.
    """

    width_um: float
    height_um: float
    x_um: Floats
    y_um: Floats
    flipped: NDArray[np.bool_]
    port_x_um: Floats
    port_y_um: Floats

    @property
    def core_area_um2(self) -> float:
        """Area of the core."""
        return self.width_um * self.height_um


def place(
    netlist: Netlist, platform: Platform, *, utilization: float, seed: int, spread: bool = False
) -> Placement:
    """Place a netlist in a square core with port pins spread evenly over its four edges.

    Macros stand at the left edge of the core, from its lower left corner upwards; a core that
    would be lower than they are is as high, and not square.

    Args:
        utilization: cell area over core area, macros in neither, above 0 to 1.
        seed: of the placer.
        spread: cells keep distances from each other, all over the core: wires are some 10 % longer,
            and less crowded. Else they stand as close as they can.

    Raises:
        StepError: if the placer fails.
    """
    core, at = floorplan(netlist, platform, utilization)
    return _run(netlist, platform, core, at, seed, anew=True, spread=spread)


def floorplan(
    netlist: Netlist, platform: Platform, utilization: float
) -> tuple[tuple[float, float], tuple[Floats, Floats]]:
    """Width and height of the core, and x and y of the macros (0 for all else), in um."""
    width, height, fixed = _outlines(netlist, platform)
    core = _core(width, height, fixed, height.min(), utilization)
    y = np.where(fixed, np.cumsum(height * fixed) - height, 0.0)
    return core, (np.zeros_like(y), y)


def legalize(
    netlist: Netlist, platform: Platform, placement: Placement, at: tuple[Floats, Floats], seed: int
) -> Placement:
    """Place a netlist that has changed again, in the same core, from where its cells stand.

    Args:
        placement: before the change.
        at: x and y of the lower left corners, which may overlap.

    Raises:
        StepError: if the placer fails, or the cells do not fit the core.
    """
    width, height, _ = _outlines(netlist, platform)
    core = placement.width_um, placement.height_um
    if (width * height).sum() > core[0] * core[1]:
        raise StepError("the cells do not fit the core any more: the utilization is too high")
    return _run(netlist, platform, core, at, seed, anew=False)


def _outlines(netlist: Netlist, platform: Platform) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Width, height, and whether it is a macro, of each instance."""
    outlines = [platform.macros()[kind] for kind in netlist.kinds]
    return (
        np.array([outline.width_um for outline in outlines]),
        np.array([outline.height_um for outline in outlines]),
        np.array([platform.cells()[kind].is_macro for kind in netlist.kinds]),
    )


def _run(
    netlist: Netlist,
    platform: Platform,
    core: tuple[float, float],
    at: tuple[Floats, Floats],
    seed: int,
    *,
    anew: bool,
    spread: bool = False,
) -> Placement:
    """Coloquinte: global placement first if ``anew``, else detailed placement alone."""
    width, height, fixed = _outlines(netlist, platform)
    core_w, core_h = core
    port_x, port_y = _spread(len(netlist.ports), core_w, core_h)
    cells = len(netlist.instances)
    ports = len(netlist.ports)
    circuit = coloquinte.Circuit(cells + ports)
    # Ports have no area: a tiny one makes the placer cut the core into bins of that size.
    circuit.cell_width = [*_units(width), *[0] * ports]
    circuit.cell_height = [*_units(height), *[0] * ports]
    circuit.cell_is_fixed = [*fixed, *[True] * ports]
    circuit.cell_is_obstruction = [*[True] * cells, *[False] * ports]
    circuit.cell_x = [*_units(at[0]), *_units(port_x)]
    circuit.cell_y = [*_units(at[1]), *_units(port_y)]
    # Rows share power rails: every other row is mirrored, and a cell takes on its row's direction.
    polarity = coloquinte.CellRowPolarity
    circuit.cell_row_polarity = [
        *(polarity.ANY if macro else polarity.SAME for macro in fixed),
        *[polarity.ANY] * ports,
    ]
    area = coloquinte.Rectangle(0, _unit(core_w), 0, _unit(core_h))
    circuit.setup_rows(area, _unit(height.min()), True, True)
    _add_nets(circuit, netlist, platform, anew=anew)
    try:
        parameters = coloquinte.ColoquinteParameters(EFFORT, seed)
        if anew:
            true_width = list(circuit.cell_width)
            if spread:  # cells are wider as long as they find their places
                circuit.expand_cells_to_density(SPREAD_DENSITY)
            circuit.place_global(parameters)
            circuit.cell_width = true_width
        circuit.place_detailed(parameters)
    except RuntimeError as error:
        raise StepError(f"placement failed: {error}") from None

    flipped = [o == coloquinte.CellOrientation.FS for o in circuit.cell_orientation[:cells]]
    return Placement(
        width_um=core_w,
        height_um=core_h,
        x_um=np.array(circuit.cell_x[:cells]) / _UNITS,
        y_um=np.array(circuit.cell_y[:cells]) / _UNITS,
        flipped=np.array(flipped),
        port_x_um=port_x,
        port_y_um=port_y,
    )


def _add_nets(
    circuit: coloquinte.Circuit, netlist: Netlist, platform: Platform, *, anew: bool
) -> None:
    cells = len(netlist.instances)
    port_index = {name: cells + index for index, name in enumerate(netlist.ports)}
    for net in netlist.nets:
        if anew and net.name == CLOCK:
            continue  # one net to all registers, before the tree, would draw them together
        ends = (net.driver, *net.sinks)
        circuit.add_net(
            [port_index[end.name] if end.cell < 0 else end.cell for end in ends],
            *zip(*(_offset(end, netlist, platform) for end in ends), strict=True),
        )


def _core(
    width: Floats, height: Floats, macro: NDArray[np.bool_], row_um: float, utilization: float
) -> tuple[float, float]:
    """Width and height of the core: whole rows, and a column of macros beside the cells."""
    cells_um = width[~macro].sum() / utilization  # length of all rows
    macros_um = (width * height)[macro].sum() / row_um
    square = math.ceil(math.sqrt((cells_um + macros_um) * row_um) / row_um)
    rows = max(square, math.ceil(height[macro].sum() / row_um - 1e-9))
    core_w = (cells_um + macros_um) / rows
    if macro.any():  # a strip that few cells fit into beside a high macro cannot be packed
        core_w = max(core_w, width[macro].max() + _STRIP * width[~macro].max())
    return math.ceil(core_w * _UNITS) / _UNITS, rows * row_um


def _unit(value_um: float) -> int:
    return round(value_um * _UNITS)


def _units(values_um: Floats) -> list[int]:
    return [round(value * _UNITS) for value in values_um]


def _offset(end: Pin, netlist: Netlist, platform: Platform) -> tuple[int, int]:
    if end.cell < 0:
        return 0, 0
    x, y = platform.macros()[netlist.kinds[end.cell]].pins[end.name]
    return _unit(x), _unit(y)


def _spread(count: int, width: float, height: float) -> tuple[Floats, Floats]:
    """``count`` points at equal distances along the edge, from the lower left, clockwise."""
    along = (np.arange(count) + 0.5) / count * 2 * (width + height)
    left, top, right = height, height + width, 2 * height + width
    x = np.select(
        [along < left, along < top, along < right],
        [np.zeros(count), along - left, np.full(count, width)],
        width - (along - right),
    )
    y = np.select(
        [along < left, along < top, along < right],
        [along, np.full(count, height), height - (along - top)],
        np.zeros(count),
    )
    return x, y


def pin_positions(
    netlist: Netlist, platform: Platform, placement: Placement
) -> list[tuple[Floats, Floats]]:
    """For each net the x and y of its ends in um, the driver first."""
    macros = platform.macros()
    port_index = {name: index for index, name in enumerate(netlist.ports)}

    def position(end: Pin) -> tuple[float, float]:
        if end.cell < 0:
            index = port_index[end.name]
            return float(placement.port_x_um[index]), float(placement.port_y_um[index])
        macro = macros[netlist.kinds[end.cell]]
        x, y = macro.pins[end.name]
        if placement.flipped[end.cell]:
            y = macro.height_um - y
        return float(placement.x_um[end.cell] + x), float(placement.y_um[end.cell] + y)

    result = []
    for net in netlist.nets:
        points = np.array([position(end) for end in (net.driver, *net.sinks)])
        result.append((points[:, 0], points[:, 1]))
    return result
