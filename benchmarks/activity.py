"""Toggles and energy under four delay models, on a small PE of every family.

Each simulates the same row on the same placed netlist, must give the golden sums, and goes through
the same power analysis. ``characterize.delay_models`` says what the models are; ``edge`` is the
most detailed one, the reference; ``cell`` is the flow's. Logic is what is neither register nor
clock: where the models differ.

Run: ``python -m benchmarks.activity`` (some 3 minutes).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from characterize.delay_models import MODELS, write_model
from characterize.flow import Built, build
from characterize.implementation import StepTimer
from characterize.measurement import Point
from characterize.platform import load_platform
from characterize.power import analyse_phases
from characterize.process import STEP_TIMEOUT_S
from characterize.schedule import compute_window, window_cycles
from characterize.simulate import simulate
from characterize.toolchain import require_tools
from characterize.work import prepare_power_library
from rtl_gen.design import PEDesign
from rtl_gen.operands import Workload, draw

SMALL = {"ifmap_depth": 12, "filter_depth": 32, "psum_depth": 8}
DESIGNS = {
    "INT8": PEDesign.preset("INT8", **SMALL),
    "INT8, 1 stage": PEDesign.preset("INT8", **SMALL, pipeline_stages=1),
    "INT8, array, 3 stages": PEDesign.preset(
        "INT8", **SMALL, multiplier="array", pipeline_stages=3
    ),
    "INT8, latches": PEDesign.preset("INT8", **SMALL, scratchpad="latch"),
    "LightPE-2": PEDesign.preset("LightPE-2", **SMALL),
    "LightPE-1 (pow2)": PEDesign.preset("LightPE-1", **SMALL),
    "BF16": PEDesign.preset("BF16", **SMALL),
}


def main() -> None:
    platform = load_platform()
    print(f"{'':22} {'model':5} {'toggles/MAC':>11} {'pJ/MAC':>7} {'to edge':>8} {'s':>6}")
    with tempfile.TemporaryDirectory() as root:
        library = prepare_power_library(Path(root, "store"), platform, later=False)
        for name, design in DESIGNS.items():
            point = Point(design=design, period_ps=5000 if design.family == "fp" else 2000)
            folder = Path(root, design.name)
            folder.mkdir()
            built = quietly_built(point, folder, library)
            work = draw(design, point.primitive(), point.seed)
            rows = {model: measure(built, point, work, model) for model in MODELS}
            for model, (toggles, energy, seconds) in rows.items():
                off = 100 * (energy / rows["edge"][1] - 1)
                print(
                    f"{name:22} {model:5} {toggles:11.0f} {energy:7.3f} {off:+7.1f}% {seconds:6.1f}"
                )
                name = ""  # noqa: PLW2901 - once for its rows
            sys.stdout.flush()


def quietly_built(point: Point, folder: Path, library: Path) -> Built:
    """The placed netlist; what the placer prints goes nowhere."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        return build(point, load_platform(), require_tools(), library, folder, StepTimer())
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def measure(built: Built, point: Point, work: Workload, model: str) -> tuple[float, float, float]:
    """Toggles and pJ for each multiply-accumulate, and seconds of the simulation."""
    schedule = compute_window(point.design, work.size)
    sources = write_model(built, model, built.folder)
    begin = time.perf_counter()
    simulated = simulate(
        built.folder, point.design, [work], sources,
        gates=True, timeout_s=STEP_TIMEOUT_S, schedule=schedule,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    assert simulated.activities is not None
    phases = range(schedule.phases)
    cycles = window_cycles(point.design, work.size)
    (power,) = analyse_phases(
        built.folder, built.netlist, built.platform, built.wires,
        simulated.activities, [(phases, cycles)], point.period_ps, STEP_TIMEOUT_S,
    )  # fmt: skip
    toggles = int(simulated.activities.sums(phases)[0].sum())
    energy_pj = power.dynamic_w * cycles * point.period_ps
    return toggles / work.size.macs, energy_pj / work.size.macs, seconds


if __name__ == "__main__":
    main()
