"""A flat gate netlist: cells of the library, nets, and the ports of the design."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from characterize.platform import Platform
from characterize.process import StepError

#: The clock port of every PE, and its net.
CLOCK = "clk"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One end of a net.

    Attributes:
        cell: index of the cell, or -1 for a port.
        name: pin of the cell, or the bit of the port as Verilog writes it.
    """

    cell: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Net:
    """A net with its one driver.

    Attributes:
        name: as in the Verilog netlist.
        driver: output pin or input port.
        sinks: input pins and output ports.
    """

    name: str
    driver: Pin
    sinks: tuple[Pin, ...]


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """The netlist.

    Attributes:
        top: name of the module.
        instances: instance names.
        kinds: library cell of each instance.
        ports: port bits (Verilog names), in the order of the module's ports.
        nets: every net that has a driver and a sink.
        supplied: input pins that are connected to the supply (1) or the ground (0), for want of tie
            cells.
    """

    top: str
    instances: tuple[str, ...]
    kinds: tuple[str, ...]
    ports: tuple[str, ...]
    nets: tuple[Net, ...]
    supplied: tuple[tuple[Pin, int], ...] = ()

    def cell_counts(self) -> Counter[str]:
        """Instances by library cell."""
        return Counter(self.kinds)

    @property
    def digest(self) -> str:
        """SHA-256 of its cells and what is connected to what.

        The names of nets, and their order, do not count: Yosys numbers them differently from one
        run to the next.
        """
        ends = sorted(
            [(net.driver.cell, net.driver.name), *sorted((s.cell, s.name) for s in net.sinks)]
            for net in self.nets
        )
        content: list[object] = [self.top, self.instances, self.kinds, self.ports, ends]
        if self.supplied:
            content.append([(pin.cell, pin.name, value) for pin, value in self.supplied])
        text = json.dumps(content)
        return hashlib.sha256(text.encode()).hexdigest()


def read_netlist(path: Path, platform: Platform) -> Netlist:
    """Read the JSON netlist that Yosys wrote.

    Raises:
        StepError: if it cannot be read, holds an unknown cell, or has a net with two drivers, or
            with sinks and no driver.
    """
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
        (top, module), *others = modules.items()
    except (OSError, ValueError, KeyError) as error:
        raise StepError(f"the netlist cannot be read: {error}") from None
    if others:
        raise StepError(f"the netlist is not flat: {', '.join(modules)}")
    return build_netlist(top, module, platform)


def build_netlist(top: str, module: Mapping[str, Any], platform: Platform) -> Netlist:
    """The netlist of a flat module in the form of Yosys' JSON.

    Raises:
        StepError: as ``read_netlist``.
    """
    library = platform.cells()
    drivers: dict[object, Pin] = {}
    sinks: dict[object, list[Pin]] = {}
    supplied: list[tuple[Pin, int]] = []

    def connect(bit: object, pin: Pin, *, drives: bool) -> None:
        if isinstance(bit, str) and platform.supply_ties and bit in "01" and not drives:
            supplied.append((pin, int(bit)))
            return
        if isinstance(bit, str):
            raise StepError(f"pin {pin.name} is tied to constant {bit!r} without a tie cell")
        if not drives:
            sinks.setdefault(bit, []).append(pin)
        elif drivers.setdefault(bit, pin) != pin:
            raise StepError(f"net of pin {pin.name} has two drivers")

    names = _net_names(module)
    ports = []
    for port, entry in module["ports"].items():
        for index, bit in enumerate(entry["bits"]):
            name = port if len(entry["bits"]) == 1 else f"{port}[{index}]"
            ports.append(name)
            connect(bit, Pin(cell=-1, name=name), drives=entry["direction"] == "input")
    kinds = []
    for index, (instance, cell) in enumerate(module["cells"].items()):
        kind = library.get(cell["type"])
        if kind is None:
            raise StepError(f"cell {instance} is a {cell['type']}, which is not in the library")
        kinds.append(kind.name)
        for pin, bits in cell["connections"].items():
            if bits:
                connect(bits[0], Pin(cell=index, name=pin), drives=pin in kind.outputs)
        for pin in kind.inputs:
            if not cell["connections"].get(pin):
                raise StepError(f"input {pin} of cell {instance} ({kind.name}) is not connected")

    for bit in sinks:
        if bit not in drivers:
            raise StepError(f"net {names.get(bit, bit)} has no driver")
    nets = tuple(
        Net(name=names[bit], driver=drivers[bit], sinks=tuple(ends)) for bit, ends in sinks.items()
    )
    return Netlist(
        top=top,
        instances=tuple(module["cells"]),
        kinds=tuple(kinds),
        ports=tuple(ports),
        nets=nets,
        supplied=tuple(supplied),
    )


def _net_names(module: Mapping[str, Any]) -> dict[object, str]:
    """The name of each net bit; a port's name where it has one."""
    names: dict[object, str] = {}
    for name, entry in module["netnames"].items():
        if name in module["ports"]:
            continue
        for index, bit in enumerate(entry["bits"]):
            names.setdefault(bit, name if len(entry["bits"]) == 1 else f"{name}[{index}]")
    for port, entry in module["ports"].items():
        for index, bit in enumerate(entry["bits"]):
            names[bit] = port if len(entry["bits"]) == 1 else f"{port}[{index}]"
    return names


def with_plain_names(netlist: Netlist) -> Netlist:
    """The same netlist; nets without a port are named ``w0``, ``w1``, ... in the order of nets."""
    nets = []
    for index, net in enumerate(netlist.nets):
        inside = all(pin.cell >= 0 for pin in (net.driver, *net.sinks))
        nets.append(replace(net, name=f"w{index}") if inside else net)
    return replace(netlist, nets=tuple(nets))


def verilog_text(netlist: Netlist, platform: Platform) -> str:
    """The netlist as structural Verilog, with an instance's pins on lines of their own."""
    library = platform.cells()
    pins: list[list[str]] = [[] for _ in netlist.instances]
    directions = {}
    wires, assigns = [], []
    for net in netlist.nets:
        ports = [end.name for end in (net.driver, *net.sinks) if end.cell < 0]
        name = net.name if net.name in ports or not ports else ports[0]
        if not ports:
            wires.append(f"  wire {name};")
        for end in (net.driver, *net.sinks):
            if end.cell >= 0:
                pins[end.cell].append(f"    .{end.name}({name})")
            else:
                directions[end.name] = "input" if end is net.driver else "output"
                if end.name != name:
                    assigns.append(f"  assign {end.name} = {name};")
    for pin, value in netlist.supplied:
        if pin.cell >= 0:
            pins[pin.cell].append(f"    .{pin.name}(1'b{value})")
        else:
            directions[pin.name] = "output"
            assigns.append(f"  assign {pin.name} = 1'b{value};")
    lines = [f"module {netlist.top} ("]
    buses = _buses(netlist.ports)
    lines.append(",\n".join(f"  {bus}" for bus in buses))
    lines.append(");")
    for bus, width in buses.items():
        first = bus if width is None else f"{bus}[0]"
        span = "" if width is None else f"[{width - 1}:0] "
        lines.append(f"  {directions.get(first, 'input')} {span}{bus};")
    lines += wires + assigns
    for instance, kind, connections in zip(netlist.instances, netlist.kinds, pins, strict=True):
        lines.append(f"  {library[kind].name} {instance} (\n" + ",\n".join(connections) + "\n  );")
    return "\n".join([*lines, "endmodule\n"])


def _buses(ports: tuple[str, ...]) -> dict[str, int | None]:
    """Ports by name: bits of a bus, None of a single bit."""
    buses: dict[str, int | None] = {}
    for port in ports:
        bus, bracket, index = port.partition("[")
        buses[bus] = int(index[:-1]) + 1 if bracket else None
    return buses
