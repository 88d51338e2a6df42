"""Energy per action of a PE, from one directed simulation of its netlist, and what it adds up to.

The directed primitives (``characterize.directed``) differ in how often they take each action
(``characterize.action_counts``); OpenSTA gives the dynamic energy of each from its own activity.
The energies of the actions are the non-negative numbers whose sums of counts times energies are
nearest to the measured ones, in the mean of squared relative errors; none is set by a formula. A
little of their own size counts, too: actions that come in much the same proportions in all
primitives share their energy, instead of one having it by chance. A cycle's energy is never below
that of an idle one, which is measured alone, as are the cycles in which a stream waits; a bit of
an activation never costs less than with zero weights, where nothing behind it moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from characterize import power
from characterize.action_counts import ACCESSES, BITS, CYCLES, action_counts
from characterize.directed import (
    PAUSE_CYCLES,
    Directed,
    Plan,
    directed_steps,
    effort_for,
    fill,
    fill_count,
    narrow_workload,
    plan,
    random_size,
)
from characterize.flow import Built
from characterize.implementation import StepTimer
from characterize.measurement import Point
from characterize.movement import Statistics, measure_statistics
from characterize.process import STEP_TIMEOUT_S, StepError
from characterize.simulate import CLOCK_NS, simulate
from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive
from rtl_gen.operands import Workload, draw

#: Energies below this do not weigh more: a primitive of ten cycles counts less than others.
_FLOOR_PJ = 40.0
_FITTED = (*CYCLES, *ACCESSES, *BITS)
#: Weight of the actions' own shares of a primitive's energy. Between the same netlist's shuffled
#: likes (``--perturbation``), shares move by 19 % of the energy without it, by 12 % with it, by 9 %
#: with three times as much; convolutions are then off by 1.96, 2.01 and 2.07 % in the mean.
_SHARING = 0.01

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ActionTable:
    """Energies of the actions of one PE at one period.

    Attributes:
        design: its parameters.
        period_ps: clock period.
        energies_pj: dynamic energy of each action that the PE can take.
        leakage_uw: leakage power, beside the dynamic energies.
        macs_pj: dynamic energy of a multiply-accumulate by operands, as measured: ``uniform``,
            ``dnn``, ``sparse``, and ``A x W`` bits; of its cycles alone.
        accesses_pj: what an access costs with uniform operands, beyond its idle cycle.
        primitives_pj: dynamic energy of each directed primitive, by its place and name
            (``characterize.directed.directed_steps``): what the energies were fitted to.
        effort: of these.
        fit_mean_pct, fit_worst_pct: by how much the sums miss the directed primitives.
        primitives, cycles: simulated.
        seconds: of each step.
    """

    design: Mapping[str, Any]
    period_ps: int
    energies_pj: Mapping[str, float]
    leakage_uw: float
    macs_pj: Mapping[str, float]
    accesses_pj: Mapping[str, float]
    primitives_pj: Mapping[str, float]
    effort: float
    fit_mean_pct: float
    fit_worst_pct: float
    primitives: int
    cycles: int
    seconds: Mapping[str, float]

    def energy_pj(self, counts: Mapping[str, float]) -> float:
        """Dynamic energy of so many actions.

        Raises:
            StepError: if an action that is taken has no energy.
        """
        for name, count in counts.items():
            if count and name not in self.energies_pj:
                raise StepError(f"the table has no energy for action {name}")
        return sum(count * self.energies_pj.get(name, 0.0) for name, count in counts.items())

    def leakage_pj(self, cycles: float) -> float:
        """Leakage energy in so many cycles."""
        return self.leakage_uw * cycles * self.period_ps * 1e-6

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ActionTable:
        """The table back from plain data.

        Raises:
            StepError: if it is not such a table.
        """
        try:
            return cls(**values)
        except TypeError:
            raise StepError(f"not a table of actions: {sorted(values)}") from None


@dataclass(frozen=True, kw_only=True)
class Check:
    """A primitive whose energy was both added up and measured.

    Attributes:
        name: its operands and sizes.
        cycles: of the whole primitive.
        predicted_pj, measured_pj: dynamic energy.
    """

    name: str
    cycles: int
    predicted_pj: float
    measured_pj: float

    @property
    def error_pct(self) -> float:
        """Of the prediction."""
        return 100 * (self.predicted_pj / self.measured_pj - 1)


def measure_actions(built: Built, point: Point, timer: StepTimer, report: Report) -> ActionTable:
    """Simulate the directed primitives on a netlist and take the energies of its actions.

    Args:
        built: the netlist (``characterize.flow.build``).
        timer: where the seconds of each step go.
        report: called with what is being done.

    Raises:
        StepError: if a step fails.
    """
    design = point.design
    effort = effort_for(len(built.netlist.instances))
    steps = directed_steps(design, point.seed, effort)
    run = _simulate(built, point, steps, timer, report)
    works = run.works
    names = [step.name for step in run.plan.steps]
    kinds = [i for i in run.measured if names[i].startswith("mac ")]
    pauses = {name: phase for name, phase in run.plan.pauses.items() if name != "clock_gated"}
    whole = [(run.plan.macs[i], run.plan.others[i]) for i in run.measured]
    parts = [(run.plan.macs[i],) for i in kinds] + [(phase,) for phase in pauses.values()]
    totals, macs, paused = np.split(
        run.energies([*whole, *parts]), [len(whole), len(whole) + len(kinds)]
    )
    waiting = {
        name: float(energy) / PAUSE_CYCLES for name, energy in zip(pauses, paused, strict=True)
    }
    if run.toggles(run.plan.pauses["clock_gated"]):
        raise StepError("nets toggle while the clock is stopped")
    counts = [action_counts(design, w.size, measure_statistics(design, w)) for w in works]
    least = dict.fromkeys(CYCLES, waiting["idle"])
    spent = {names[i]: float(energy) for i, energy in zip(kinds, macs, strict=True)}
    bits = counts[names.index("mac zero weights") - run.measured[0]]["activation_bit"]
    # Both have the same shape. With zero gating, zeros move less than that.
    if bits and not design.zero_gating:
        least["activation_bit"] = max(0.0, (spent["mac zero weights"] - spent["mac zero"]) / bits)
    energies = {**fit_energies(counts, totals, least), **waiting, "clock_gated": 0.0}
    table = ActionTable(
        design=design.to_dict(),
        period_ps=point.period_ps,
        energies_pj=energies,
        leakage_uw=run.leakage_w * 1e6,
        macs_pj={
            names[i].removeprefix("mac "): float(energy) / run.plan.steps[i].work.size.macs
            for i, energy in zip(kinds, macs, strict=True)
        },
        accesses_pj={},
        primitives_pj={
            f"{place:03d} {names[i]}": float(energy)
            for place, (i, energy) in enumerate(zip(run.measured, totals, strict=True))
        },
        effort=effort,
        fit_mean_pct=0.0,
        fit_worst_pct=0.0,
        primitives=len(works),
        cycles=run.plan.schedule.last_cycle,
        seconds=timer.seconds,
    )
    sums = np.array([table.energy_pj(count) for count in counts])
    errors = 100 * np.abs(sums / totals - 1)
    reference = works[0]
    return replace(
        table,
        accesses_pj=access_energies(
            table, design, reference.size, measure_statistics(design, reference)
        ),
        fit_mean_pct=float(errors.mean()),
        fit_worst_pct=float(errors.max()),
    )


def check_actions(
    table: ActionTable, built: Built, point: Point, number: int, seed: int, report: Report
) -> list[Check]:
    """Add up and measure the energy of other convolutions: shapes and operands by chance.

    The measuring is that of every point, of the whole primitive: its own activity, through
    OpenSTA; the scratchpads hold words of other primitives before, as in use.

    Raises:
        StepError: if a step fails.
    """
    design = point.design
    steps = [*fill(design, seed), *_others(design, number, seed)]
    run = _simulate(built, point, steps, StepTimer(), report)
    measured = run.energies([(run.plan.macs[i], run.plan.others[i]) for i in run.measured])
    checks = []
    for index, energy in zip(run.measured, measured, strict=True):
        step = run.plan.steps[index]
        counts = action_counts(design, step.work.size, measure_statistics(design, step.work))
        checks.append(
            Check(
                name=step.name,
                cycles=round(sum(counts[name] for name in CYCLES)),
                predicted_pj=table.energy_pj(counts),
                measured_pj=float(energy),
            )
        )
    return checks


def fit_energies(
    counts: Sequence[Mapping[str, float]],
    energies_pj: NDArray[np.float64],
    least_pj: Mapping[str, float],
) -> dict[str, float]:
    """Energies of actions whose sums come nearest to measured energies.

    Args:
        counts: of each measured primitive (``action_counts``).
        energies_pj: what was measured.
        least_pj: energy that an action has at least, where that was measured; else 0.

    Returns:
        Energies of the actions that were taken in any of them, in pJ.
    """
    names = [name for name in _FITTED if any(count[name] for count in counts)]
    least = np.array([least_pj.get(name, 0.0) for name in names])
    matrix = np.array([[count[name] for name in names] for count in counts])
    weights = 1 / (energies_pj + _FLOOR_PJ)
    rows = matrix * weights[:, None]
    own = np.sqrt(_SHARING * len(rows)) * np.diag(np.abs(rows).mean(axis=0))
    aims = np.concatenate([(energies_pj - matrix @ least) * weights, np.zeros(len(names))])
    above, _ = nnls(np.vstack([rows, own]), aims)
    return dict(zip(names, (least + above).tolist(), strict=True))


def access_energies(
    table: ActionTable, design: PEDesign, size: Primitive, statistics: Statistics
) -> dict[str, float]:
    """What an access costs in the mean of a primitive, in pJ beyond an idle cycle.

    Each is the sum of the actions that belong to it, over its number. ``psum write`` leaves out the
    clock of the word written, which every multiply-accumulate has: it is in ``control``.
    """
    counts = action_counts(design, size, statistics)
    idle = table.energies_pj["idle"]
    spent = {
        name: count * (table.energies_pj.get(name, 0.0) - (idle if name in CYCLES else 0.0))
        for name, count in counts.items()
        if count
    }
    macs = sum(count for name, count in counts.items() if name.startswith("mac"))
    sums = counts["psum_pass"]
    parts: dict[str, tuple[float, tuple[str, ...]]] = {
        "control": (macs, ("mac", "mac_zero", "mac_mode1", "mac_mode2")),
        "filter read": (macs, ("weight_bit", "weight_select_bit")),
        "ifmap read": (counts["ifmap_read"], ("ifmap_read", "activation_bit")),
        "multiply": (macs, ("partial_bit", "carry_bit", "product_bit")),
        "add": (
            macs + sums,
            (
                "product_sign",
                "summand_bit",
                "addend_bit",
                "aligned_bit",
                "distance_bit",
                "subtract",
                "swap",
            ),
        ),
        "psum read": (macs + sums, ("psum_read", "read_bit", "read_select_bit")),
        "psum write": (macs, ("total_bit", "stored_bit")),
        "filter write": (counts["filter_write"], ("filter_write", "filter_in_bit")),
        "ifmap write": (counts["ifmap_write"], ("ifmap_write", "ifmap_in_bit")),
        "psum forward": (sums, ("psum_pass", "psum_add", "psum_in_bit", "psum_out_bit")),
    }
    return {
        name: sum(spent.get(action, 0.0) for action in actions) / number
        for name, (number, actions) in parts.items()
        if number
    }


def _others(design: PEDesign, number: int, seed: int) -> Iterator[Directed]:
    """Primitives of any shape, of some hundred cycles each, the last one idle behind it."""
    generator = np.random.default_rng(seed)
    kinds = ("uniform", "dnn", "sparse", "extremes", "narrow")
    filters: Workload | None = None
    for index in range(number):
        kind = kinds[index % len(kinds)]
        size = random_size(design, generator, int(generator.integers(300, 900)))
        if index % 7 == 6 and filters is not None:  # the same filters again
            size = replace(filters.size, keep_filter=True)
            work = draw(design, size, seed + index, "dnn", filters=filters.filters)
            kind = "dnn"
        elif kind == "narrow":
            size = replace(size, chain=False)
            bits = max(2, design.act_bits // 2), max(2, design.weight_bits // 2)
            work = narrow_workload(design, size, *bits, generator)
        else:
            work = draw(design, size, seed + index, kind)
        filters = work
        name = (
            f"{kind} S{size.filter_width} q{size.channels} p{size.filters} F{size.outputs} "
            f"U{size.stride}{' depthwise' * size.depthwise}{' chained' * size.chain}"
            f"{' kept' * size.keep_filter}{f' mode {size.mode}' if size.mode else ''}"
        )
        last = index == number - 1
        yield Directed(name=name, work=work, idle=PAUSE_CYCLES if last else 0)


class _Run:
    """A simulation of a plan, and the energies of its phases.

    Attributes:
        plan: what was simulated.
        measured: indices of its primitives, without those that fill the scratchpads.
        works: these.
        leakage_w: of all instances.
    """

    def __init__(
        self, built: Built, point: Point, made: Plan, timer: StepTimer, report: Report
    ) -> None:
        self.plan = made
        self.measured = range(fill_count(point.design), len(made.steps))
        self.works = [made.steps[i].work for i in self.measured]
        self.leakage_w = 0.0
        self._built, self._point, self._timer, self._report = built, point, timer, report
        report(f"simulating {len(made.steps)} primitives, {made.schedule.last_cycle} cycles")
        with timer("simulation"):
            simulated = simulate(
                built.folder, point.design, [step.work for step in made.steps],
                ["cells.v", "delayed.v"], gates=True, timeout_s=STEP_TIMEOUT_S,
                schedule=made.schedule, output_delay_ps=built.output_delay_ps,
            )  # fmt: skip
        assert simulated.activities is not None
        self._activities = simulated.activities

    def toggles(self, phase: int) -> int:
        """Changes of all nets in a phase."""
        return int(self._activities.toggles[phase].sum())

    def energies(self, windows: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
        """Dynamic energy in pJ of windows, each of some phases."""
        self._report(f"power of {len(windows)} windows")
        period_ps = self._point.period_ps
        cycles = [
            int(self._activities.span_ps[list(window)].sum()) / (CLOCK_NS * 1000)
            for window in windows
        ]
        built = self._built
        with self._timer("power"):
            powers = power.analyse_phases(
                built.folder, built.netlist, built.platform, built.wires,
                self._activities, list(zip(windows, cycles, strict=True)),
                period_ps, STEP_TIMEOUT_S, built.analyser,
            )  # fmt: skip
        self.leakage_w = powers[0].leakage_w
        watts = np.array([p.dynamic_w for p in powers], dtype=np.float64)
        energies: NDArray[np.float64] = watts * np.array(cycles) * period_ps
        return energies


def _simulate(
    built: Built,
    point: Point,
    steps: Sequence[Directed],
    timer: StepTimer,
    report: Report,
) -> _Run:
    return _Run(built, point, plan(point.design, steps), timer, report)
