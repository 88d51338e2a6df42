"""Verification from the command line: a table that grows as checks are done."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from characterize.platform import load_platform
from characterize.verify import Check, check_mutants, verify
from rtl_gen.design import PEDesign
from rtl_gen.errors import require_int

MAX_MUTANTS = 100_000


def run_verification(
    design: PEDesign, *, mutants: int, seed: int, platform: str, jobs: int | None, quiet: bool
) -> dict[str, Any]:
    """Run every check, with a line on stderr for each as it is done.

    Returns:
        ``design``, ``digest``, ``ok`` (nothing failed), ``checks``, and ``survivors`` of the
        mutants.

    Raises:
        InputError: if a number is out of range or a tool is missing.
    """
    require_int("mutants", mutants, 0, MAX_MUTANTS)
    require_int("seed", seed, 0, 2**31 - 1)
    workers = require_int("jobs", (os.cpu_count() or 1) if jobs is None else jobs, 1, 1024)
    errors = Console(stderr=True, quiet=quiet)
    checks: list[Check] = []

    def note(check: Check) -> None:
        checks.append(check)
        seconds = _seconds(check.seconds)
        errors.print(
            f"{check.outcome:7}{check.claim}{seconds and f'  {seconds} s'}",
            highlight=False,
            soft_wrap=True,
        )

    for check in verify(design, load_platform(platform)):
        note(check)
    survivors: list[dict[str, Any]] = []
    if mutants:
        check, result = check_mutants(design, mutants, seed=seed, jobs=workers)
        note(check)
        survivors = [asdict(m) for m, outcome in result.outcomes if outcome == "survived"]
    return {
        "design": design.to_dict(),
        "digest": design.digest,
        "name": design.name,
        "ok": all(check.outcome != "failed" for check in checks),
        "checks": [asdict(check) for check in checks],
        "survivors": survivors,
    }


def verification_table(report: dict[str, Any]) -> Table:
    """The report as a table to print."""
    table = Table("", "claim", "how", "s", title=report["name"])
    marks = {"ok": "[green]ok[/]", "failed": "[red]failed[/]", "open": "[yellow]open[/]"}
    for check in report["checks"]:
        table.add_row(
            marks[check["outcome"]], check["claim"], check["how"], _seconds(check["seconds"])
        )
    return table


def _seconds(seconds: float) -> str:
    """Empty for a claim that was decided together with the one before."""
    return f"{seconds:.1f}" if seconds >= 0.05 else ""
