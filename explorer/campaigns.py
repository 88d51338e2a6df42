"""Measuring from the command line: the points, the progress bar, the closing lines."""

from __future__ import annotations

import collections
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from characterize import campaign
from characterize.dataset import dataset_table, write_dataset
from characterize.dataset_folder import MANIFEST
from characterize.executors import Executor, LocalExecutor
from characterize.fmax import FmaxResult, search_fmax
from characterize.known import Known, known_measurements, known_rtl
from characterize.limits import Limits
from characterize.measurement import CHOICES, DEFAULT_OPERANDS, FLOWS, Measurement, Point
from characterize.platform import load_platform
from characterize.store import Store
from explorer.dataset_build import Built, build
from explorer.plan_report import PlanReport, duration, plan_report
from explorer.store_care import existing_store
from rtl_gen.atomic import check_target, make_folder
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError, require_choice, require_int
from rtl_gen.operands import OPERANDS
from rtl_gen.plan import plan_of, plan_table
from rtl_gen.space import DEFAULT_PERIOD_PS, PERIOD_PS, Space, design_of

#: A campaign of more points is confirmed before it begins.
MANY = 5000
_SHOWN = ("area_um2", "critical_path_ps", "slack_ps", "leakage_uw", "energy_per_mac_pj")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A campaign that ended.

    Attributes:
        points, measurements: in the same order.
        cached: how many came from the store.
        seconds: it took.
        store: where the measurements are.
        dataset: the CSV that was written, if any.
        known: dataset whose points were not measured again, if any.
    """

    points: Sequence[Point]
    measurements: Sequence[Measurement]
    cached: int
    seconds: float
    store: Path
    dataset: Path | None
    known: Path | None = None

    @property
    def failures(self) -> list[tuple[Point, Measurement]]:
        """Points without numbers."""
        pairs = zip(self.points, self.measurements, strict=True)
        return [(point, m) for point, m in pairs if m.status == "failed"]

    @property
    def measured(self) -> int:
        """Points with numbers."""
        return len(self.points) - len(self.failures)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "points": len(self.points),
            "measured": self.measured,
            "cached": self.cached,
            "failed": [{"name": p.name, "reason": m.reason} for p, m in self.failures],
            "seconds": round(self.seconds, 1),
            "store": str(self.store),
            "dataset": str(self.dataset) if self.dataset else None,
            "measurements": [
                {"name": p.name, **m.to_dict()}
                for p, m in zip(self.points, self.measurements, strict=True)
            ],
        }


def plan_points(
    design: PEDesign | None,
    space: Space | None,
    *,
    period_ps: int | None = None,
    utilization: float = 0.5,
    seed: int = 1,
    operands: str = DEFAULT_OPERANDS,
    mode: int = 0,
    run_terms: int = 0,
    flow: str = FLOWS[0],
    perturbation: int = 0,
    sampling: Mapping[str, Any] | None = None,
) -> list[Point]:
    """The points that the options name.

    Args:
        design, space: one of them is given.
        sampling: of a space, arguments of ``rtl_gen.plan.plan_of``.

    Raises:
        InputError: if a value is out of range.
    """
    _check_point(utilization, seed, flow)
    require_choice("operands", operands, OPERANDS)
    row: dict[str, Any] = {
        "operands": operands, "mode": mode, "run_terms": run_terms, "flow": flow,
        "perturbation": require_int("perturbation", perturbation, 0, 2**31 - 1),
    }  # fmt: skip
    if space is not None and period_ps is not None:
        raise InputError("the periods of a space are in its file: leave out --period-ps")
    sampling = {name: value for name, value in (sampling or {}).items() if value is not None}
    if design is not None:
        if sampling:
            raise InputError("--sampling, --points and --plan-seed are for a space")
        period_ps = require_int(
            "period_ps", DEFAULT_PERIOD_PS if period_ps is None else period_ps, *PERIOD_PS
        )
        point = Point(design=design, period_ps=period_ps, utilization=utilization, seed=seed, **row)
        point.primitive()
        return [point]
    if mode or run_terms:
        raise InputError("--mode and --run-terms are for one design, not for a space")
    assert space is not None
    table = plan_table(space, plan_of(space, **sampling))
    return [
        Point(
            design=design_of(row),
            period_ps=int(row["period_ps"]),
            utilization=utilization,
            seed=seed,
            operands=operands,
            flow=flow,
            perturbation=perturbation,
        )
        for row in table.to_dict("records")
    ]


def preview(
    points: Sequence[Point],
    space: Space,
    sampling: Mapping[str, Any],
    *,
    store: Path,
    dataset: Path | None,
    platform: str,
    with_actions: bool,
    known: Path | None = None,
) -> PlanReport:
    """What ``measure_points`` would do with the points of a space (``plan_points``).

    Raises:
        InputError: as ``measure_points``.
    """
    plan = plan_of(space, **sampling)
    whole = campaign.Campaign(
        points=points, platform=load_platform(platform), store=Store(store),
        with_actions=with_actions, measured=_known(known, with_actions),
    )  # fmt: skip
    table = pd.DataFrame([{**p.design.to_dict(), "period_ps": p.period_ps} for p in points])
    stored = pd.Series([whole.is_stored(point) for point in points], dtype=bool)
    return plan_report(
        space, plan, table,
        stored=stored, flow=points[0].flow, with_actions=with_actions, measured=dataset,
    )  # fmt: skip


def build_from_space(
    space: Space,
    folder: Path,
    *,
    store: Path,
    part: str,
    shard: int,
    flow: str,
    platform: str,
    count: int | None,
    partial: bool = False,
    with_actions: bool | None = None,
) -> Built:
    """Write what a store has of the plan of a space into the folder of a dataset.

    Raises:
        InputError: as ``plan_points`` and ``explorer.dataset_build.build``.
    """
    sampling: dict[str, Any] = {"points": count} if count is not None else {}
    with_actions = space.actions if with_actions is None else with_actions
    points = plan_points(None, space, flow=flow, sampling=sampling)
    whole = campaign.Campaign(
        points=points, platform=load_platform(platform), store=existing_store(store),
        with_actions=with_actions,
        measured=Known(rtl=known_rtl(folder) if (folder / MANIFEST).is_file() else {}),
    )  # fmt: skip
    return build(
        whole, space, plan_of(space, **sampling), folder,
        part=part, shard_points=shard, partial=partial,
    )  # fmt: skip


def _check_point(utilization: float, seed: int, flow: str) -> None:
    require_choice("flow", flow, FLOWS)
    if not 0.05 <= utilization <= 1:
        raise InputError(f"utilization must be a number from 0.05 to 1, not {utilization}")
    require_int("seed", seed, 0, 2**31 - 1)


def find_fmax(
    design: PEDesign,
    *,
    store: Path,
    platform: str,
    utilization: float,
    seed: int,
    flow: str,
    quiet: bool,
) -> FmaxResult:
    """Search for the highest clock of a design, with a line on stderr for each period tried.

    Raises:
        InputError: as ``measure_points``.
    """
    _check_point(utilization, seed, flow)
    first = Point(design=design, period_ps=PERIOD_PS[0], flow=flow)
    plan = campaign.Campaign(points=[first], platform=load_platform(platform), store=Store(store))
    console = Console(stderr=True, quiet=quiet)

    def measure(period_ps: int) -> Measurement:
        point = Point(
            design=design, period_ps=period_ps, flow=flow, utilization=utilization, seed=seed
        )
        begin = time.monotonic()
        (measurement,) = replace(plan, points=[point]).run(lambda *_: None)
        found = measurement.metrics.get("least_period_ps")
        said = f"least period {found:,.0f} ps" if found else f"failed: {measurement.reason}"
        console.print(
            f"aiming at {period_ps:,} ps: {said}, {time.monotonic() - begin:.0f} s",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        return measurement

    return search_fmax(measure)


def fmax_as_dict(result: FmaxResult) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "fmax_mhz": result.fmax_mhz,
        "least_period_ps": result.period_ps,
        "aimed_at_ps": result.best[0] if result.best else None,
        "trials": [
            {"aimed_at_ps": period, **measurement.to_dict()}
            for period, measurement in result.trials
        ],
    }


_FMAX_COLUMNS = {
    "least_period_ps": "least period [ps]",
    "area_um2": "area [um2]",
    "energy_per_mac_pj": "energy [pJ/MAC]",
    "hold_slack_ps": "hold slack [ps]",
}


def print_fmax(result: FmaxResult, console: Console) -> None:
    """The periods that were tried, the longest first, and the answer."""
    table = Table("aimed at [ps]", *_FMAX_COLUMNS.values(), *CHOICES)
    for period, measurement in sorted(result.trials, key=lambda trial: -trial[0]):
        if measurement.status == "failed":
            table.add_row(f"{period:,}", "failed")
            continue
        numbers = [f"{measurement.metrics[name]:,.4g}" for name in _FMAX_COLUMNS]
        table.add_row(f"{period:,}", *numbers, *(measurement.choices[name] for name in CHOICES))
    console.print(table)
    if result.best:
        console.print(
            f"fmax {result.fmax_mhz:,.0f} MHz: {result.period_ps:,.0f} ps, from the netlist that "
            f"aims at {result.best[0]:,} ps",
            highlight=False,
        )  # fmt: skip
        return
    reasons = [m.reason for _, m in result.trials if m.status == "failed"]
    why = reasons[0] if reasons else "hold, slew or load is violated in every one"
    console.print(f"no period can be met: {why}", highlight=False, markup=False, soft_wrap=True)


def confirm_many(points: int, ask: Callable[[str], bool] | None) -> None:
    """Ask before a campaign of weeks, which may be meant as one of minutes.

    Args:
        ask: a question; None if no one can be asked.

    Raises:
        InputError: if there are more than ``MANY`` points, and no one says yes.
    """
    if points <= MANY:
        return
    if ask is not None and ask(f"{points:,} points are many; measure them all?"):
        return
    raise InputError(
        f"{points:,} points are many: choose some with --sampling sobol --points N, or say "
        "--yes; --plan shows the cost"
    )


def processors(jobs: int | None) -> int:
    """Points at once: as many as asked for, or as processors.

    Raises:
        InputError: if it is not a number of them.
    """
    return require_int("jobs", (os.cpu_count() or 1) if jobs is None else jobs, 1, 1024)


def executor_of(jobs: int | None, limits: Limits, scheduler: str | None) -> Executor:
    """What measures: processes of this machine, or the workers of a Dask cluster.

    Args:
        jobs: at once, on this machine; None for as many as it has processors.
        limits: of each point.
        scheduler: address of a Dask cluster that measures instead.

    Raises:
        InputError: if both are given, or one is none, or Dask is not installed.
    """
    if jobs is not None and scheduler is not None:
        raise InputError("--jobs is for this machine; --scheduler has as many as its workers")
    if scheduler is None:
        return LocalExecutor(jobs=processors(jobs), limits=limits)
    try:
        from characterize.dask_executor import DaskExecutor
    except ImportError:
        raise InputError(
            "--scheduler needs Dask; run: pip install 'peforge[distributed]'"
        ) from None
    return DaskExecutor(address=scheduler, limits=limits)


def measure_points(
    points: Sequence[Point],
    *,
    store: Path,
    dataset: Path | None,
    jobs: int | None,
    platform: str,
    quiet: bool,
    limits: Limits | None = None,
    with_actions: bool = False,
    scheduler: str | None = None,
    known: Path | None = None,
) -> Summary:
    """Run a campaign with a progress bar on stderr, and write the dataset.

    Args:
        jobs: at once, on this machine; None for as many as it has processors.
        with_actions: measure the energies per action of each point, too.
        scheduler: address of a Dask cluster that measures instead.
        known: dataset whose points are not measured again.

    Raises:
        InputError: if a tool or a file of the platform is missing, a folder cannot be written, or
            the dataset not be read.
    """
    executor = executor_of(jobs, limits or Limits(), scheduler)
    if dataset is not None:
        check_target(dataset)
        make_folder(dataset.parent)
    plan = campaign.Campaign(
        points=points, platform=load_platform(platform), store=Store(store), executor=executor,
        with_actions=with_actions, measured=_known(known, with_actions),
    )  # fmt: skip
    begin = time.monotonic()
    with _Bar(len(points), quiet=quiet) as bar:
        measurements = plan.run(bar.update)
    if dataset is not None:
        write_dataset(dataset, dataset_table(points, measurements))
    return Summary(
        points=points,
        measurements=measurements,
        cached=bar.cached,
        seconds=time.monotonic() - begin,
        store=store,
        dataset=dataset,
        known=known,
    )


def _known(dataset: Path | None, with_actions: bool) -> Known:
    return known_measurements(dataset, with_actions=with_actions) if dataset else Known()


def pace(progress: campaign.Progress) -> list[str]:
    """How fast a campaign goes, when it will end, and what failed how often."""
    seconds = progress.seconds_a_point
    if seconds is None:
        return []
    rate = f"{60 / seconds:.1f} a minute" if seconds < 60 else f"{3600 / seconds:.1f} an hour"
    words = [rate, f"{duration(seconds * progress.left)} to go"]
    if progress.failed:
        often = ", ".join(f"{n} x {reason[:40]}" for reason, n in progress.reasons.most_common(3))
        words.append(f"{progress.failed} failed: {often}")
    return words


class _Bar:
    """A progress bar on a terminal; elsewhere a line for each point that was measured."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.cached = 0
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._terminal = self._console.is_terminal and not quiet
        # Drawn by hand: a thread that draws would be copied into forked processes.
        self._progress = Progress(
            TextColumn("measuring"),
            BarColumn(),
            TextColumn(
                "{task.fields[done]} done, {task.fields[failed]} failed, "
                "{task.fields[cached]} cached, {task.fields[left]} left"
            ),
            TimeElapsedColumn(),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[last]}"),
            console=self._console,
            auto_refresh=False,
            disable=not self._terminal,
        )
        self._task = self._progress.add_task(
            "points", total=total, done=0, failed=0, cached=0, left=total, pace="", last=""
        )

    def __enter__(self) -> _Bar:
        self._progress.start()
        self._progress.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(
        self,
        progress: campaign.Progress,
        point: Point,
        measurement: Measurement,
        outcome: campaign.Outcome,
    ) -> None:
        """Show one more point."""
        self.cached = progress.cached
        self._progress.update(
            self._task,
            completed=progress.total - progress.left,
            done=progress.done,
            failed=progress.failed,
            cached=progress.cached,
            left=progress.left,
            pace=", ".join(pace(progress)),
            last=point.name,
            refresh=True,
        )
        if self._quiet or outcome == "cached":
            return
        seconds = sum(measurement.seconds.values())
        line = (
            f"[{progress.total - progress.left}/{progress.total}] {point.name} {outcome} "
            f"in {seconds:.1f} s {measurement.reason}"
        ).rstrip()
        if not self._terminal:
            line = f"{line} ({', '.join(pace(progress))})"
        if outcome == "failed" or not self._terminal:
            self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
            sys.stderr.flush()


def print_summary(summary: Summary, console: Console) -> None:
    """What was measured, what failed and why, what was written, what to do next."""
    if len(summary.points) == 1 and summary.measured:
        console.print(_metrics_table(summary))
    fresh = summary.measured - summary.cached
    known = f"the store and {summary.known}" if summary.known else "the store"
    console.print(
        f"{len(summary.points)} points: {fresh} measured now, {summary.cached} from {known}, "
        f"{len(summary.failures)} failed; {summary.seconds:.0f} s",
        highlight=False,
    )
    reasons = collections.Counter(m.reason for _, m in summary.failures)
    for reason, count in reasons.most_common():
        console.print(f"  failed {count}: {reason}", highlight=False, markup=False, soft_wrap=True)
    if summary.dataset:
        print(f"wrote {summary.dataset}")
        if summary.measured:
            print(f"next: peforge train --dataset {summary.dataset}")
    elif summary.measured:
        path = Store(summary.store).path(summary.measurements[0].key)
        if path.is_file():
            print(f"files of the flow: {path}")


def _metrics_table(summary: Summary) -> Table:
    table = Table("metric", "value", title=summary.points[0].name)
    for name, value in summary.measurements[0].metrics.items():
        table.add_row(name, f"{value:,.4g}" if name in _SHOWN else f"{value:,.10g}")
    return table
