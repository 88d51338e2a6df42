"""Adders, multipliers, multiply-accumulate and memories of this flow beside published figures.

Each unit stands between registers and goes through synthesis, placement, repair, clock tree, wires
and timing. Its gates are simulated with their delays at random operands, a new pair every cycle,
and checked against exact results; area and energy are those of the unit without the registers.
Run: ``python -m benchmarks.world`` (some 4 minutes), or with names of units, or ``memories``.
Where the published figures are from: ``docs/world.md``.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from benchmarks import scratchpads
from benchmarks.scratchpads import PERIOD_PS, Built, build_component, run_gates, take_power
from benchmarks.units import SOURCES, UNITS, Published, Unit
from characterize import cacti, power_library
from characterize.activity import Activity
from characterize.clock_tree import CLOCK_BUFFER
from characterize.delays import delayed_netlist
from characterize.platform import Platform, load_platform
from characterize.power import net_load_ff
from characterize.process import StepError

#: Operations that are simulated; the first few, which begin from X, are not counted.
OPERATIONS = 300
WARM_UP = 8
#: Registers before and behind the unit.
LATENCY = 2
#: Delays of registers and clock buffers where the logic has none.
REGISTER_NS, BUFFER_NS = 0.1, 0.01
#: Words and bits of register files, and of macros alone: 8 KB and 32 KB.
REGISTER_FILES = ((16, 16), (64, 16), (224, 16))
CACHES = {(1024, 64): 10.0, (4096, 64): 20.0}
#: Read of a register file of 0.5 to 1 KB over a 16-bit multiply-accumulate, 65 nm (Eyeriss).
EYERISS_REGISTER_FILE = 1.0
#: One bit of a register of Aladdin: energy of a read in pJ, area in um2.
ALADDIN_REGISTER = (0.009, 5.98)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A unit without the registers around it.

    Attributes:
        area_um2: of its cells, buffers included.
        path_ps: longest path, with the delay of a register and the setup of another.
        energy_pj: dynamic energy of an operation, in its cells and the nets that these drive.
        settled_pj: likewise if no net changed more than once: without glitches.
        wire_pj, pin_pj: of ``energy_pj``, what charges wires, and input pins of cells; the rest is
            inside the cells.
        registers_pj: of the registers around it, their nets, and the clock; not in ``energy_pj``.
    """

    area_um2: float
    path_ps: float
    energy_pj: float
    settled_pj: float
    wire_pj: float
    pin_pj: float
    registers_pj: float


class Registered(wiring.Component):
    """A unit between registers; result ``LATENCY`` cycles behind the operands."""

    def __init__(self, unit: wiring.Component) -> None:
        self.unit = unit
        members = unit.signature.members
        #: Names and widths of the operands. There is no register inside that ``enable`` loads.
        self.operands = {
            name: Value.cast(getattr(unit, name)).shape().width
            for name, member in members.items()
            if member.flow == In and name != "enable"
        }
        (self.output,) = (name for name, member in members.items() if member.flow == Out)
        self.result_bits = Value.cast(getattr(unit, self.output)).shape().width
        super().__init__(
            {
                **{name: In(bits) for name, bits in self.operands.items()},
                "result": Out(self.result_bits),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = self.unit
        for name, bits in self.operands.items():
            register = Signal(bits, name=f"{name}_register", reset_less=True)
            m.d.sync += register.eq(getattr(self, name))
            m.d.comb += getattr(unit, name).eq(register)
        if "enable" in unit.signature.members:
            m.d.comb += unit.enable.eq(1)
        result = Signal(self.result_bits, name="result_register", reset_less=True)
        m.d.sync += result.eq(getattr(unit, self.output))
        m.d.comb += self.result.eq(result)
        return m


def measure(unit: Unit, platform: Platform, library: Path, folder: Path) -> Measured:
    """Take a unit through the flow.

    Args:
        library: Liberty file for power.
        folder: empty.

    Raises:
        StepError: if a step fails, or a result of the gates is not the exact one.
    """
    top = Registered(unit.make())
    with _placer_quiet():
        built = build_component(folder, top, platform)
    cells = platform.cells()
    kinds = dict(zip(built.netlist.instances, built.netlist.kinds, strict=True))
    clocked = {
        name for name in kinds if cells[kinds[name]].is_flop or name.startswith(CLOCK_BUFFER)
    }
    # All registers change at once, and what follows without delay: no net toggles twice.
    settled = dict.fromkeys(built.delays, 0.0)
    for name in clocked:
        settled[name] = REGISTER_NS if cells[kinds[name]].is_flop else BUFFER_NS
    calm = take_power(built, library, simulate(built, top, unit, settled), OPERATIONS)
    activity = simulate(built, top, unit, built.delays)
    powered = take_power(built, library, activity, OPERATIONS)
    wire_fj, pin_fj = _charging_fj(built, activity, clocked)
    energy_pj = {group: watts * PERIOD_PS for group, watts in powered.dynamic_w.items()}
    return Measured(
        area_um2=sum(cells[kind].area_um2 for name, kind in kinds.items() if name not in clocked),
        path_ps=built.path_ps,
        energy_pj=energy_pj["logic"],
        settled_pj=calm.dynamic_w["logic"] * PERIOD_PS,
        wire_pj=wire_fj / 1000 / OPERATIONS,
        pin_pj=pin_fj / 1000 / OPERATIONS,
        registers_pj=sum(energy_pj.values()) - energy_pj["logic"],
    )


def _charging_fj(
    built: Built, activity: Mapping[str, Activity], clocked: set[str]
) -> tuple[float, float]:
    """C V^2 / 2 of wires, and of pins, times the toggles, over the nets that the unit drives."""
    found = [0.0, 0.0]
    for net, wire in zip(built.netlist.nets, built.wires, strict=True):
        if net.driver.cell < 0 or built.netlist.instances[net.driver.cell] in clocked:
            continue
        both = net_load_ff(built.netlist, built.platform, net, wire)
        for part, load_ff in enumerate((wire.cap_ff, both - wire.cap_ff)):
            toggles = activity[net.name].toggles
            found[part] += 0.5 * load_ff * built.platform.voltage_v**2 * toggles
    return found[0], found[1]


@contextmanager
def _placer_quiet() -> Iterator[None]:
    """What the placer prints goes nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def simulate(
    built: Built, top: Registered, unit: Unit, delays: Mapping[str, float]
) -> dict[str, Activity]:
    """Random operands through the gates; the activity of ``OPERATIONS`` cycles.

    Raises:
        StepError: if a result is wrong.
    """
    rng = random.Random(1)
    operands = [unit.draw(rng) for _ in range(WARM_UP + OPERATIONS + LATENCY + 1)]
    verilog = (built.folder / "netlist.v").read_text()
    (built.folder / "delayed.v").write_text(delayed_netlist(verilog, dict(delays)))
    results, activity = run_gates(
        built, top.operands, operands, ("result", top.result_bits),
        (WARM_UP, WARM_UP + OPERATIONS),
    )  # fmt: skip
    for values, shown in zip(operands, results[LATENCY:], strict=False):
        if shown != f"{unit.expect(values):0{-(-top.result_bits // 4)}x}":
            raise StepError(f"the result of {values} is {shown}, not {unit.expect(values):x}")
    return activity


def main() -> None:
    platform = load_platform()
    chosen = sys.argv[1:] or [*UNITS, "memories"]
    with tempfile.TemporaryDirectory() as root:
        library = Path(root, "power.lib")
        power_library.write_power_library(platform.liberty, library)
        measured: dict[str, Measured] = {}
        for name in (key for key in chosen if key != "memories"):
            folder = Path(root, f"unit{len(measured)}")
            folder.mkdir()
            measured[name] = measure(UNITS[name], platform, library, folder)
        _print_units(measured, platform.voltage_v)
        if "memories" in chosen:
            read_pj = _print_register_files(Path(root), library)
            if product := measured.get("multiply-add 16, 40"):
                print(
                    f"a read of the last over a multiply-add 16, 40: "
                    f"{read_pj / product.energy_pj:.2f}, settled "
                    f"{read_pj / product.settled_pj:.2f}; there {EYERISS_REGISTER_FILE} Eyeriss"
                )
            _print_srams()


def _print_units(measured: Mapping[str, Measured], voltage_v: float) -> None:
    """What is compared, and below where the energy goes."""
    print(
        f"{'':20}{'um2':>8}{'':8}{'':7}{'pJ at':>9}{'pJ at':>8}{'':8}{'':7}{'ratio':>9}\n"
        f"{'unit':20}{'here':>8}{'there':>8}{'ratio':>7}{'1.1 V':>9}{'0.9 V':>8}{'there':>8}"
        f"{'ratio':>7}{'settled':>9}  there"
    )
    for name, here in measured.items():
        for there in UNITS[name].published:
            print(comparison(name, here, there, voltage_v))
    print(
        f"\n{'unit':20}{'path ps':>8}{'um2':>7}{'pJ':>9}{'settled':>9}  of pJ: {'cells':>6}"
        f"{'pins':>7}{'wires':>7}{'registers pJ':>15}"
    )
    for name, here in measured.items():
        wires, pins = here.wire_pj / here.energy_pj, here.pin_pj / here.energy_pj
        print(
            f"{name:20}{here.path_ps:8.0f}{here.area_um2:7.0f}{here.energy_pj:9.3f}"
            f"{here.settled_pj:9.3f}{1 - wires - pins:14.0%} {pins:7.0%}{wires:7.0%}"
            f"{here.registers_pj:15.3f}"
        )


def comparison(name: str, here: Measured, there: Published, voltage_v: float) -> str:
    """A row. Energies are compared at the voltage of the source, if it says one."""
    source_v = SOURCES[there.source]
    lowered = (0.9 / voltage_v) ** 2
    same = (source_v / voltage_v) ** 2 if source_v else 1.0
    area, energy = f"{'-':>8}{'-':>7}", f"{'-':>8}{'-':>7}{'-':>9}"
    if there.area_um2:
        area = f"{there.area_um2:8.0f}{here.area_um2 / there.area_um2:7.2f}"
    if there.energy_pj:
        ratio, settled = (same * pj / there.energy_pj for pj in (here.energy_pj, here.settled_pj))
        energy = f"{there.energy_pj:8.3f}{ratio:7.2f}{settled:9.2f}"
    return (
        f"{name:20}{here.area_um2:8.0f}{area}{here.energy_pj:9.3f}{lowered * here.energy_pj:8.3f}"
        f"{energy}  {there.source}"
    )


def _print_register_files(root: Path, library: Path) -> float:
    """Through the flow; returns the energy in pJ of a read of the largest one of flip-flops."""
    read_pj, bit_um2 = ALADDIN_REGISTER
    print(
        f"\n{'register file':20}{'um2':>8}{'um2/bit':>9}{'ratio':>7}"
        f"{'pJ: read':>10}{'write':>8}{'idle':>8}{'fJ/bit read':>13}{'ratio':>7}  there"
    )
    reads = {}
    for style in ("latch", "flop"):
        for depth, width in REGISTER_FILES:
            folder = root / f"{style}{depth}x{width}"
            folder.mkdir()
            with _placer_quiet():
                bench = scratchpads.build(folder, depth=depth, width=width, style=style)
            reads[style], write, idle = energies_pj(bench, library)
            per_bit, bit_area = reads[style] / width, bench.area_um2 / (depth * width)
            print(
                f"{f'{depth} x {width} {style}':20}{bench.area_um2:8.0f}{bit_area:9.2f}"
                f"{bit_area / bit_um2:7.2f}{reads[style]:10.3f}{write:8.3f}{idle:8.3f}"
                f"{1000 * per_bit:13.1f}{per_bit / read_pj:7.1f}  Aladdin",
                flush=True,
            )
    return reads["flop"]


def _print_srams() -> None:
    """What CACTI says of macros, at its own supply and at that of the source."""
    print(
        f"\n{'SRAM (CACTI)':20}{'um2':>8}{'pJ read, 1.0 V':>16}{'0.9 V':>8}{'there':>8}{'ratio':>7}"
    )
    for (depth, width), there_pj in CACHES.items():
        macro = cacti.estimate(depth=depth, width=width)
        lowered = macro.read_fj / 1000 * (0.9 / macro.voltage_v) ** 2
        print(
            f"{f'{depth} x {width}':20}{macro.width_um * macro.height_um:8.0f}"
            f"{macro.read_fj / 1000:16.2f}{lowered:8.2f}{there_pj:8.1f}{lowered / there_pj:7.2f}"
            "  Horowitz"
        )


def energies_pj(bench: scratchpads.Bench, library: Path) -> tuple[float, float, float]:
    """Of a cycle with a read in sequence, with a random write, and with neither."""
    rng = random.Random(1)
    filled = scratchpads.fill(bench, rng)
    count = 2 * bench.depth
    found = []
    for accesses in (
        scratchpads.reads(bench, count),
        scratchpads.writes(bench, count, rng),
        [scratchpads.Access()] * 100,
    ):
        everything = [*filled, *accesses, *[scratchpads.Access()] * 4]
        window = (bench.depth + 4, bench.depth + len(accesses))
        result = scratchpads.run(bench, library, everything, window)
        if result.read != scratchpads.expected(bench, everything):
            raise StepError(f"{bench.depth} x {bench.width} {bench.style} reads wrong words")
        found.append(result.energy_fj() / 1000)
    return found[0], found[1], found[2]


if __name__ == "__main__":
    main()
