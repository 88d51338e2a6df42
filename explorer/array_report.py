"""A layer on an array: what the model says, beside a simulation."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from characterize.toolchain import require_programs
from rtl_gen.array.compiler import Shape, check_runs, compile_layer
from rtl_gen.array.model import Activity, layer_activity
from rtl_gen.array.operands import SEED, draw_layer
from rtl_gen.errors import require_int

#: A large array takes a tenth of a second a cycle.
_TIMEOUT_S = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What a simulation saw.

    Attributes:
        activity: cycles and counts.
        sums: of the ofmap.
        wrong: those that were not what they must be.
    """

    activity: Activity
    sums: int
    wrong: int


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """A layer on an array.

    Attributes:
        shape: the layer, its array and its tiling.
        runs: of the array.
        activity: what the model says.
        simulated: None without a simulation.
    """

    shape: Shape
    runs: int
    activity: Activity
    simulated: Simulated | None

    @property
    def utilization(self) -> float:
        """Products of the layer over those that all PEs could compute in the cycles, 0..1."""
        design = self.shape.design
        products = design.pe.modes[self.shape.mode].products * design.macs_per_cycle
        return self.shape.layer.macs / (self.activity.cycles * products)

    @property
    def ok(self) -> bool:
        """The simulation, if there was one, saw what it must."""
        seen = self.simulated
        return seen is None or (seen.wrong == 0 and seen.activity == self.activity)

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        shape, seen = self.shape, self.simulated
        simulation = None
        if seen is not None:
            simulation = {
                "cycles": seen.activity.cycles,
                "counts": dict(seen.activity.counts),
                "sums": seen.sums,
                "wrong": seen.wrong,
            }
        return {
            "array": shape.design.to_dict(),
            "name": shape.design.name,
            "layer": asdict(shape.layer),
            "macs": shape.layer.macs,
            "tiling": asdict(shape.tiling),
            "mode": shape.mode,
            "runs": self.runs,
            "cycles": self.activity.cycles,
            "utilization": self.utilization,
            "counts": dict(self.activity.counts),
            "simulation": simulation,
            "ok": self.ok,
        }

    def closing_lines(self) -> list[str]:
        """Tiling, utilization, and how the simulation ended."""
        shape, cycles = self.shape, self.activity.cycles
        tiles = ", ".join(
            f"{count} {what}{'s' if count > 1 else ''}"
            for count, what in (
                (shape.groups, "group"), (shape.filter_tiles, "filter tile"),
                (shape.row_tiles, "row tile"), (shape.channel_tiles, "channel tile"),
                (shape.strips, "strip"), (self.runs, "run"),
            )
        )  # fmt: skip
        lines = [
            "tiling " + ", ".join(f"{name} {n}" for name, n in asdict(shape.tiling).items()),
            tiles,
            f"{shape.layer.macs:,} products in {cycles:,} cycles: "
            f"{shape.layer.macs / cycles:.3g} a cycle, {self.utilization:.1%} of all PEs",
        ]
        if self.simulated is None:
            return lines
        seen = self.simulated
        said = f"{seen.wrong:,} of {seen.sums:,} sums are wrong"
        if seen.wrong == 0:
            said = f"all {seen.sums:,} sums are right"
        counts = "are the model's" if seen.activity == self.activity else "are not the model's"
        return [*lines, f"simulation: {said}; cycles and counts {counts}"]


def report_layer(shape: Shape, *, simulate: bool, seed: int) -> LayerReport:
    """Cycles and counts of a layer.

    Args:
        simulate: also simulate the RTL, with operands drawn at random.
        seed: of them.

    Raises:
        InputError: if the array cannot run the layer, or a tool is missing.
        StepError: if the simulation fails.
    """
    require_int("seed", seed, *SEED)
    runs, activity = check_runs(shape), layer_activity(shape)
    simulated = _simulate(shape, seed) if simulate else None
    return LayerReport(shape=shape, runs=runs, activity=activity, simulated=simulated)


def _simulate(shape: Shape, seed: int) -> Simulated:
    require_programs("iverilog", "vvp")
    ifmap, weights, scales = draw_layer(shape.design, shape.layer, seed, shape.mode)
    program = compile_layer(shape, ifmap, weights, scales)
    from characterize.array_simulation import ArraySimulator  # noqa: PLC0415  # needs Amaranth

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = ArraySimulator(shape.design, folder).run(program, folder, timeout_s=_TIMEOUT_S)
    expected = program.expected(ifmap, weights)
    return Simulated(
        activity=Activity(cycles=sum(result.cycles), counts=dict(result.counts)),
        sums=expected.size,
        wrong=int(np.count_nonzero(result.ofmap != expected)),
    )


def layer_table(report: LayerReport) -> Table:
    """Cycles and counts, those of the simulation beside them."""
    columns = ["model"] if report.simulated is None else ["model", "simulated"]
    table = Table("", *columns, title=report.shape.design.name)
    for column in table.columns[1:]:
        column.justify = "right"
    seen = report.simulated
    rows = [("cycles", report.activity.cycles, seen.activity.cycles if seen else 0)]
    for name, count in report.activity.counts.items():
        rows.append((name, count, seen.activity.counts.get(name, 0) if seen else 0))
    for name, model, simulation in rows:
        numbers = [f"{model:,}"] if seen is None else [f"{model:,}", f"{simulation:,}"]
        table.add_row(name, *numbers)
    return table
