"""Energy per action from the command line: measuring, and the tables to print."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from characterize import actions
from characterize.action_counts import DESCRIPTIONS
from characterize.action_files import save_table
from characterize.actions import ActionTable, Check
from characterize.campaign import Campaign
from characterize.flow import Built, build
from characterize.implementation import StepTimer
from characterize.measurement import FLOWS, Point
from characterize.platform import load_platform
from characterize.store import Store
from rtl_gen.atomic import check_target
from rtl_gen.design import PEDesign
from rtl_gen.errors import require_choice, require_int
from rtl_gen.space import PERIOD_PS

MAX_CHECKS = 1000


@dataclass(frozen=True, kw_only=True)
class ActionReport:
    """What ``peforge actions`` prints.

    Attributes:
        name: of the point.
        table: its actions.
        checks: other convolutions, added up and measured.
        cached: whether the table came from the store.
        path, output: where it is in the store, and what was written beside.
    """

    name: str
    table: ActionTable
    checks: Sequence[Check]
    cached: bool
    path: Path
    output: Path | None

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "name": self.name,
            "cached": self.cached,
            "store": str(self.path),
            "output": str(self.output) if self.output else None,
            "actions": self.table.to_dict(),
            "checks": [{**asdict(c), "error_pct": c.error_pct} for c in self.checks],
        }

    def closing_lines(self) -> list[str]:
        """What was measured, how well it adds up, and what was written."""
        table = self.table
        seconds = sum(table.seconds.values())
        source = "from the store" if self.cached else f"measured now in {seconds:.0f} s"
        lines = [
            f"{table.primitives} primitives, {table.cycles} cycles, {source}; sums of the table "
            f"are off by {table.fit_mean_pct:.1f} % on them (mean; worst {table.fit_worst_pct:.1f})"
        ]
        if self.checks:
            errors = [abs(check.error_pct) for check in self.checks]
            lines.append(
                f"{len(errors)} other convolutions: off by {sum(errors) / len(errors):.1f} % in "
                f"the mean, {max(errors):.1f} % at worst; {sum(e <= 5 for e in errors)} within 5 %"
            )
        lines.append(f"wrote {self.output}" if self.output else f"table: {self.path}")
        return lines


def run_actions(
    design: PEDesign,
    *,
    period_ps: int,
    seed: int,
    checks: int,
    output: Path | None,
    store: Path,
    platform: str,
    quiet: bool,
    flow: str = FLOWS[0],
) -> ActionReport:
    """Take the table of a design from the store, or measure it; check it if asked.

    Raises:
        InputError: if a number is out of range, a tool is missing, or a file cannot be written.
        StepError: if a step of the flow fails.
    """
    require_int("period_ps", period_ps, *PERIOD_PS)
    require_int("seed", seed, 0, 2**31 - 1)
    require_int("check", checks, 0, MAX_CHECKS)
    if output is not None:
        check_target(output)
    console = Console(stderr=True, quiet=quiet)

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    require_choice("flow", flow, FLOWS)
    point = Point(design=design, period_ps=period_ps, seed=seed, flow=flow)
    plan = Campaign(points=[point], platform=load_platform(platform), store=Store(store))
    key = plan.identity(point).key
    path = plan.store.actions_path(key)
    table = plan.store.actions(key)
    cached, results = table is not None, []
    if table is None or checks:
        plan.store.require_writable()
        plan.store.clean_work()
        with _work_folder(plan.store) as folder:
            say(f"building {point.name}")
            timer = StepTimer()
            built = _build(plan, point, folder, timer)
            if table is None:
                table = actions.measure_actions(built, point, timer, say)
                plan.store.put_actions(key, table)
            if checks:
                results = actions.check_actions(table, built, point, checks, seed + 1, say)
    if output is not None:
        save_table(output, table)
    return ActionReport(
        name=point.name, table=table, checks=results, cached=cached, path=path, output=output
    )


def _build(plan: Campaign, point: Point, folder: Path, timer: StepTimer) -> Built:
    library = plan.bench.power_library(point)
    with _output_into(folder / "flow.log"):
        return build(point, plan.platform, plan.tools, library, folder, timer)


@contextlib.contextmanager
def _work_folder(store: Store) -> Iterator[Path]:
    folder = store.work_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _output_into(log: Path) -> Iterator[None]:
    """The placer prints: not onto the terminal."""
    saved = os.dup(1)
    file = os.open(log, os.O_WRONLY | os.O_CREAT)
    try:
        os.dup2(file, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(file)


def unit_table(energies_pj: Mapping[str, float], leakage_uw: float, title: str) -> Table:
    """The energies that add up."""
    shown = Table("action", "pJ", "what", title=title)
    for action, energy in energies_pj.items():
        shown.add_row(action, f"{energy:.4f}", DESCRIPTIONS[action])
    shown.add_section()
    shown.add_row("leakage", f"{leakage_uw:.1f} uW", "at all times")
    return shown


def mac_table(table: ActionTable) -> Table:
    """Multiply-accumulates by operands, and accesses."""
    shown = Table("", "pJ", title="as measured, and made up of actions")
    for name, energy in table.macs_pj.items():
        shown.add_row(f"multiply-accumulate, {name}", f"{energy:.3f}")
    shown.add_section()
    for name, energy in table.accesses_pj.items():
        shown.add_row(f"{name}, uniform operands, beyond an idle cycle", f"{energy:.3f}")
    return shown


def check_table(checks: Sequence[Check]) -> Table:
    """Sums of counts times energies beside measured energies."""
    shown = Table("other convolution", "cycles", "added up, pJ", "measured, pJ", "off by")
    for check in checks:
        shown.add_row(
            check.name,
            str(check.cycles),
            f"{check.predicted_pj:,.0f}",
            f"{check.measured_pj:,.0f}",
            f"{check.error_pct:+.1f} %",
        )
    return shown
