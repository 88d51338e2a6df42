"""What is kept of one measured point: a record that cannot lie about its own completeness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from characterize.process import StepError
from characterize.workload import measured_primitive
from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive

#: What a point is measured with unless told otherwise, and what surrogates learn from.
DEFAULT_OPERANDS = "uniform"
#: What places and routes. The last one routes in detail, too, which takes minutes.
FLOWS = ("placed", "openroad", "openroad-detailed")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A design and how it is measured.

    Attributes:
        design: the hardware.
        period_ps: clock period that synthesis aims at, and at which timing and power are taken.
        utilization: cell area over core area.
        seed: of placement and operands.
        operands: how the operands of the measured row are drawn (``rtl_gen.operands.OPERANDS``).
        mode: run-time precision of that row, an index into ``design.modes``.
        run_terms: with ``serial_terms``, the terms of its weights; 0 for as many as there are.
        flow: what places and routes it, of ``FLOWS``.
        perturbation: shuffles the statements of the RTL (``characterize.perturb``), to see by how
            much results vary; 0 leaves them as they are.
    """

    design: PEDesign
    period_ps: int
    flow: str = "placed"
    utilization: float = 0.5
    seed: int = 1
    operands: str = DEFAULT_OPERANDS
    mode: int = 0
    run_terms: int = 0
    perturbation: int = 0

    @property
    def by_openroad(self) -> bool:
        """Placed, routed and analysed by OpenROAD."""
        return self.flow.startswith("openroad")

    @property
    def name(self) -> str:
        """For people."""
        extras = (
            (self.operands, self.operands != DEFAULT_OPERANDS),
            (f"mode{self.mode}", self.mode),
            (f"terms{self.run_terms}", self.run_terms),
            (self.flow, self.flow != FLOWS[0]),
            (f"x{self.perturbation}", self.perturbation),
        )
        shown = "".join(f"_{text}" for text, chosen in extras if chosen)
        return f"{self.design.name}_t{self.period_ps}{shown}"

    def primitive(self) -> Primitive:
        """The row that is measured.

        Raises:
            InputError: if the design has no such mode or terms.
        """
        return measured_primitive(self.design, self.mode, self.run_terms or None)


#: Metrics of a measured point, in the order of the dataset, and what they are.
METRICS = {
    "area_um2": "cell area after buffering and clock tree, from the Liberty file",
    "core_area_um2": "area of the rows that the cells were placed on",
    "core_utilization": "cell area over core area that the core was made for, before buffers; less "
    "than asked for if that would not route",
    "congestion": "estimated use of the routing tracks where they are used most",
    "cells": "standard cells",
    "registers": "flip-flops",
    "latches": "latches of the scratchpads",
    "macros": "SRAM macros",
    "clock_gates": "clock-gating cells",
    "clock_buffers": "buffers of the clock tree",
    "buffers": "buffers that were added for loads, and for setup, after placement",
    "hold_buffers": "buffers that were added against changes that come too early",
    "critical_path_ps": "longest path between registers, setup and skew included",
    "slack_ps": "worst setup slack at the period, inputs and outputs included",
    "hold_slack_ps": "worst hold slack",
    "least_period_ps": "smallest period without negative setup slack, by search",
    "fmax_mhz": "the frequency of that period; 0 if hold, slew or load is violated at it",
    "clock_insertion_ps": "from the clock port to the later of the registers with the largest skew",
    "clock_skew_ps": "largest skew between registers with a path between them",
    "leakage_uw": "leakage power",
    "dynamic_power_uw": "internal and switching power in the compute window",
    "register_power_uw": "the part of the flip-flops",
    "clock_gate_power_uw": "the part of the clock gates",
    "clock_tree_power_uw": "the part of the buffers of the clock tree",
    "memory_power_uw": "the part of the SRAM macros",
    "logic_power_uw": "the part of all other cells",
    "energy_per_mac_pj": "dynamic energy of the compute window over its multiply-accumulates",
    "energy_ci_pct": "half width of its 95 % confidence interval, from parts of the window",
    "wirelength_um": "Steiner trees of all nets",
    "slew_violations": "pins above the slew limit",
    "load_violations": "outputs above their load limit",
    "window_macs": "multiply-accumulates in the compute window",
    "window_cycles": "clock cycles in the compute window",
    "row_cycles": "clock cycles of the whole primitive, as simulated",
    "random_start": "1 if registers began with random bits in simulation, for from X the sums were "
    "unknown; else 0",
}

#: What the flow may choose.
CHOICES = ("multiplier", "effort")

#: Steps of the flow that are timed.
STEPS = (
    "rtl", "synthesis", "placement", "repair", "route", "timing", "simulation", "activity", "power",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One point, measured or failed.

    Attributes:
        key: content address: hash of everything that the tools read.
        digests: of the design's ``rtl``, of the ``flow``'s Python code (both are in the key), and
            of the ``netlist`` before placement, "" if there was none.
        design: canonical parameters of the hardware, with its ``digest``.
        period_ps, utilization, seed: as in ``Point``.
        flow, activity_model: which fidelity the numbers have.
        operands, mode, run_terms, perturbation: as in ``Point``.
        platform: name, corner and hashes of the kit.
        tools: identity of each tool.
        status: ``ok``: the gate netlist reproduced the golden model bit for bit in the simulation
            that its power comes from; else ``failed``.
        reason: of a failure, else "".
        choices: what the flow chose: architecture of the ``multiplier`` and ``effort`` of the
            synthesis.
        metrics: every one of ``METRICS``, finite; empty if failed.
        seconds: run time of each step that ran.
    """

    key: str
    digests: Mapping[str, str]
    design: Mapping[str, Any]
    period_ps: int
    utilization: float
    seed: int
    flow: str
    activity_model: str
    operands: str
    mode: int
    run_terms: int
    perturbation: int
    platform: Mapping[str, Any]
    tools: Mapping[str, str]
    status: Literal["ok", "failed"]
    reason: str
    choices: Mapping[str, str]
    metrics: Mapping[str, float]
    seconds: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.status == "failed":
            if self.metrics or not self.reason:
                raise StepError("a failed measurement must have a reason and no metrics")
            return
        if self.status != "ok" or self.reason:
            raise StepError(f"status must be ok or failed, not {self.status!r}")
        for name in METRICS:
            value = self.metrics.get(name)
            if value is None or not math.isfinite(value):
                raise StepError(f"metric {name} must be a finite number, not {value!r}")
        if unknown := set(self.metrics) - set(METRICS):
            raise StepError(f"unknown metric {sorted(unknown)[0]}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measurement:
        """The measurement back from plain data.

        Raises:
            StepError: if it is incomplete.
        """
        values = {"perturbation": 0, **values}  # records of before
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise StepError(f"a measurement must have {', '.join(sorted(names))}")
        return cls(**values)
