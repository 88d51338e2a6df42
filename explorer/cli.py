"""The command line: every verb of ``peforge``. Each verb imports what it needs when it runs."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from explorer.accelerator_cli import (
    BatchSize,
    Threads,
    chosen_network,
    explore_accelerators,
    register,
)
from explorer.array_options import (
    ArrayChoice,
    LayerChoice,
    require_array,
    with_array,
    with_layer,
)
from explorer.cli_options import MODEL, JsonFlag, out
from explorer.design_options import require_design, with_design
from rtl_gen.array.design import ArrayDesign
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from characterize.measurement import Point
    from surrogate.artifact import Artifact

app = typer.Typer(
    name="peforge",
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Generate, measure, learn and explore processing elements of DNN accelerators.",
)
StorePath = Annotated[Path, typer.Option("--store", help="Folder that keeps every measurement.")]
DatasetPath = Annotated[Path, typer.Option("--dataset", help="CSV with a row for each point.")]
ModelPath = Annotated[Path, typer.Option("--model", help="Trained surrogates.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", help="Points at once [processors].")]
PlatformName = Annotated[
    str, typer.Option("--platform", help="A shipped platform, or a YAML file.")
]
FlowName = Annotated[
    str,
    typer.Option("--flow", help="What places and routes: placed, openroad, or openroad-detailed."),
]
OfFlow = Annotated[
    str | None, typer.Option("--flow", help="Only rows of this flow, of a dataset of several.")
]
Utilization = Annotated[float, typer.Option("--utilization", help="Cell area over core area.")]
Seed = Annotated[int, typer.Option("--seed", help="Of placement and operands.")]
PeriodPs = Annotated[int, typer.Option("--period-ps", help="Clock period to aim at.")]

STORE = Path("build/store")
DATASET = Path("build/dataset.csv")
SRAM_CACHE = Path("build/sram")
PERIOD_PS = 2000
#: What typer returns after Ctrl-C, as shells expect.
INTERRUPTED = 130
#: Files of a folder that are listed.
_LISTED = 20
#: Accelerators of a front that are mapped again, unless another number is asked for.
_REFINED = 10
#: Of PEs, unless others are asked for.
PE_OBJECTIVES = "area_um2,energy_per_mac_pj,throughput"
#: Verbs that keep what they have measured.
MEASURING = ("characterize", "layout", "fmax", "actions", "sram")


def main() -> None:
    """Entry point: runs a verb; wrong input is one line on stderr and exit code 2."""
    arguments = sys.argv[1:] or ["--help"]
    try:
        code = app(arguments, standalone_mode=False)
    except InputError as error:
        _fail(f"error: {error}", 2)
    except typer.TyperException as error:  # options that do not exist or have no such value
        message = " ".join(error.format_message().split())
        if not message:  # the help was shown in its place
            sys.exit(2)
        _fail(f"error: {message}", 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"error: what is printed cannot be written: {error.strerror}", 1)
    if code == INTERRUPTED:
        kept = arguments[0] in MEASURING
        again = "; the same command goes on where it was" if kept else ""
        typer.echo(f"peforge: interrupted{again}", err=True)
        if threading.active_count() > 1:  # in compiled code, which nothing else can stop
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        sys.exit(INTERRUPTED)
    sys.exit(code or 0)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"peforge: {message}", err=True)
    sys.exit(code)


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True))


@app.command()
def doctor(platform: PlatformName = "freepdk45", as_json: JsonFlag = False) -> None:
    """Show what is installed: each tool, its version and place, the platform's files.

    Exit code 1 if something is missing.

    Example: `peforge doctor --json`
    """
    from characterize.doctor import examine

    report = examine(platform)
    if as_json:
        print_json(report)
    else:
        table = Table("", "tool or file", "version or hash", "where", title="peforge doctor")
        for row in report["tools"]:
            missing = "[yellow]optional[/]" if row["optional"] else "[red]missing[/]"
            mark = "[green]ok[/]" if row["path"] else missing
            table.add_row(mark, row["name"], row["version"], row["path"] or row["remedy"])
        for row in report["platform"]["files"]:
            table.add_row("[green]ok[/]", row["name"], row["sha256"][:16], row["path"])
        if report["platform"]["error"]:
            table.add_row("[red]missing[/]", "platform", "", report["platform"]["error"])
        out.print(table)
        out.print("Everything is there." if report["ok"] else "Something is missing.")
    raise typer.Exit(0 if report["ok"] else 1)


@app.command()
@with_design
@with_array
@with_layer
def rtl(
    design: PEDesign | None,
    array: ArrayChoice | None,
    layer: LayerChoice | None,
    output: Annotated[str, typer.Option("-o", "--output", help="Folder to write into.")],
    period_ps: PeriodPs = PERIOD_PS,
    seed: Annotated[int, typer.Option("--seed", help="Of an array's layer.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Write a processing element, or an array of them, and what it needs to be used.

    - NAME.v: Verilog-2005, with all modules
    - NAME_tb.v: a self-checking test bench, which needs only a simulator
    - NAME.sdc: timing constraints
    - NAME.json: manifest of ports, number formats, words, formulas
    - NAME.core: FuseSoC core with targets to simulate, lint and synthesize
    - NAME.svg: block diagram; of an array, floor plan
    - of an array also NAME_registers.md and NAME.rdl: register map as a table and in SystemRDL;
      NAME_data/: the layer that its test bench runs

    Examples: `peforge rtl --preset LightPE-1 -o rtl/`,
    `peforge rtl --array tiny-2x2 --preset INT8 --filter-depth 32 -o rtl/`
    """
    from rtl_gen.errors import require_int
    from rtl_gen.export import write_rtl
    from rtl_gen.space import PERIOD_PS as PERIOD_RANGE

    if array is None and layer is not None:
        require_array(array)
    chosen = require_design(design) if array is None else array.design(design)
    require_int("period_ps", period_ps, *PERIOD_RANGE)
    if not output:
        raise InputError("--output must name a folder; . is the current one")
    if isinstance(chosen, PEDesign):
        paths = write_rtl(chosen, Path(output), period_ps)
        following = f"peforge characterize {_design_arguments(chosen)}"
    else:
        paths = _write_array(chosen, layer, Path(output), period_ps=period_ps, seed=seed)
        following = f"iverilog -g2005 -o tb {chosen.name}_tb.v {chosen.name}.v && vvp tb"
    if as_json:
        print_json({"digest": chosen.digest, "files": [str(path) for path in paths]})
        return
    out.print(f"{chosen.name}  digest {chosen.digest[:16]}", highlight=False)
    for line in _written(paths):
        typer.echo(f"wrote {line}")
    typer.echo(f"next: {following}")


def _written(paths: list[Path]) -> list[str]:
    """The files, a line each; those of a folder that has many in one."""
    counts = Counter(path.parent for path in paths)
    lines = [
        str(path) if counts[path.parent] <= _LISTED else
        f"{path.parent}/: {counts[path.parent]:,} files"
        for path in paths
    ]  # fmt: skip
    return list(dict.fromkeys(lines))


def _write_array(
    design: ArrayDesign, layer: LayerChoice | None, folder: Path, *, period_ps: int, seed: int
) -> list[Path]:
    from rtl_gen.array.handover import write_array

    if layer is None:
        return write_array(design, folder, period_ps, seed=seed)
    return write_array(
        design, folder, period_ps,
        layer=layer.layer, tiling=layer.shape(design).tiling, mode=layer.mode, seed=seed,
    )  # fmt: skip


@app.command(name="layer")
@with_design
@with_array
@with_layer
def run_layer(
    design: PEDesign | None,
    array: ArrayChoice | None,
    layer: LayerChoice | None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Also simulate the RTL, with random operands.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the operands.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Cycles, accesses and utilization of a layer on an array, from the cycle model.

    Exit code 1 if a simulation gives another sum or another count.

    Example: `peforge layer --array eyeriss-like --channels 64 --height 28 --width 28
    --filters 64 --filter-height 3 --filter-width 3 --padding 1`
    """
    from characterize.process import StepError
    from explorer.array_report import layer_table, report_layer

    chosen = require_array(array).design(design)
    if layer is None:
        raise InputError(
            "a layer needs --channels, --height, --width, --filters, --filter-height, "
            "--filter-width"
        )
    try:
        report = report_layer(layer.shape(chosen), simulate=simulate, seed=seed)
    except StepError as error:
        _fail(f"failed: {error}", 1)
    if as_json:
        print_json(report.to_dict())
    else:
        out.print(layer_table(report))
        for line in report.closing_lines():
            typer.echo(line)
    raise typer.Exit(0 if report.ok else 1)


def _design_arguments(design: PEDesign) -> str:
    """Options that name this very design."""
    values = design.to_dict()
    flags = {
        "act_signed": ("--act-unsigned", not values.pop("act_signed")),
        "serial_terms": ("--serial-terms", values.pop("serial_terms")),
        "zero_gating": ("--zero-gating", values.pop("zero_gating")),
    }
    shown = {name: value for name, value in values.items() if value not in (0, "none")}
    words = [f"--{name.replace('_', '-')} {value}" for name, value in shown.items()]
    return " ".join(words + [flag for flag, given in flags.values() if given])


@app.command()
@with_design
def verify(
    design: PEDesign | None,
    mutants: Annotated[
        int, typer.Option("--mutants", help="Also try so many mutants of the Verilog.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the choice of mutants.")] = 1,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Mutants at once [processors].")
    ] = None,
    platform: PlatformName = "freepdk45",
    as_json: JsonFlag = False,
) -> None:
    """Check and prove one design: lint, simulation, gates against RTL, streams, mutants.

    Exit code 1 if anything fails; what could not be decided in its time is `open`.

    Example: `peforge verify --preset INT8 --mutants 200`
    """
    from explorer.verification import run_verification, verification_table

    report = run_verification(
        require_design(design),
        mutants=mutants, seed=seed, platform=platform, jobs=jobs, quiet=as_json,
    )  # fmt: skip
    if as_json:
        print_json(report)
    else:
        out.print(verification_table(report))
        for mutant in report["survivors"]:
            typer.echo(f"survived: line {mutant['line']}, {mutant['kind']}")
            typer.echo(f"  {mutant['before'].strip()}\n  {mutant['after'].strip()}")
    raise typer.Exit(0 if report["ok"] else 1)


@app.command()
@with_design
def characterize(
    design: PEDesign | None,
    space: Annotated[
        Path | None, typer.Option("--space", help="Design space, a YAML file.")
    ] = None,
    store: StorePath = STORE,
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", help="CSV to write [build/dataset.csv for a space]."),
    ] = None,
    jobs: Jobs = None,
    platform: PlatformName = "freepdk45",
    flow: FlowName = "placed",
    period_ps: Annotated[
        int | None,
        typer.Option("--period-ps", help="Clock period to aim at, for one design [2000]."),
    ] = None,
    utilization: Utilization = 0.5,
    seed: Seed = 1,
    operands: Annotated[
        str,
        typer.Option(
            "--operands", help="Of the measured row: uniform, sparse, dnn, extremes, close."
        ),
    ] = "uniform",
    mode: Annotated[
        int, typer.Option("--mode", help="Run-time precision of the measured row, 0 the full one.")
    ] = 0,
    run_terms: Annotated[
        int,
        typer.Option("--run-terms", help="Terms of its weights, for --serial-terms; 0 for all."),
    ] = 0,
    perturbation: Annotated[
        int,
        typer.Option(
            "--perturbation", help="Shuffle the RTL, to see how far results vary; 0: as it is."
        ),
    ] = 0,
    sampling: Annotated[
        str | None,
        typer.Option("--sampling", help="Points of the space: full, lhs or sobol [its file's]."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--points", help="How many points, for lhs and sobol.")
    ] = None,
    plan_seed: Annotated[
        int | None, typer.Option("--plan-seed", help="Of lhs and sobol [1].")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", help="Minutes that a point may take [any].")
    ] = None,
    memory_limit: Annotated[
        float | None, typer.Option("--memory-limit", help="GB that a point may take [any].")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Dask cluster that measures: tcp://HOST:PORT."),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option("--known", help="Folder of a dataset whose points are not measured again."),
    ] = None,
    with_actions: Annotated[
        bool | None,
        typer.Option(
            "--actions/--no-actions", help="Measure energies per action, too [as the space says]."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before thousands of points are measured.")
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", help="Measure what helps most until errors are: area=2%,energy=5%."
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show points, cost and coverage of the space.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a design space, or one design, through flow `placed` or `openroad`.

    Points that the store has, or a dataset that is named with `--known`, are not measured again;
    kill it at any time and start it again.
    Exit code 1 if no point could be measured.

    Examples: `peforge characterize --space configs/spaces/quick.yaml`,
    `peforge characterize --space configs/spaces/explore.yaml --sampling sobol --points 200 --plan`,
    `peforge characterize --preset INT8 --pipeline-stages 3 --period-ps 1500`

    With `--until`, surrogates are trained as points come in, and the next are those that they know
    least of; a fifth is drawn at random and only judges them. Names of errors: area, core, period,
    leakage, energy, clock. Exit code 1 if the plan ends before.
    """
    from characterize.limits import Limits
    from explorer.campaigns import (
        confirm_many,
        executor_of,
        measure_points,
        plan_points,
        preview,
        print_summary,
        processors,
    )
    from explorer.plan_report import print_plan
    from rtl_gen.space import load_space

    chosen = {"kind": sampling, "points": count, "seed": plan_seed}
    if plan and space is None:
        raise InputError("--plan is for a space: --space FILE")
    if (design is None) == (space is None):
        raise InputError("give either --space FILE or a design (--preset NAME or --family ...)")

    limits = Limits(minutes=time_limit, memory_gb=memory_limit)
    executor_of(jobs, limits, scheduler)  # what a run refuses, --plan does, too
    wanted = load_space(space) if space else None
    points = plan_points(
        design, wanted,
        period_ps=period_ps, utilization=utilization, seed=seed,
        operands=operands, mode=mode, run_terms=run_terms, flow=flow, sampling=chosen,
        perturbation=perturbation,
    )  # fmt: skip
    if dataset is None and space is not None:
        dataset = DATASET
    actions = bool(wanted and wanted.actions) if with_actions is None else with_actions
    if plan:
        assert wanted is not None
        report = preview(
            points, wanted, chosen,
            store=store, dataset=dataset, platform=platform, with_actions=actions, known=known,
        )  # fmt: skip
        if as_json:
            print_json(report.as_dict())
        else:
            print_plan(report, out, jobs=processors(jobs), command="the same without --plan")
        return
    if until is not None:
        if wanted is None:
            raise InputError("--until is for a space: --space FILE")
        _measure_until(
            points, until,
            store=store, dataset=dataset, jobs=jobs, platform=platform, limits=limits,
            with_actions=actions, scheduler=scheduler, known=known, as_json=as_json,
        )  # fmt: skip
    if not yes:
        confirm_many(len(points), ask=typer.confirm if sys.stdin.isatty() else None)
    summary = measure_points(
        points, store=store, dataset=dataset, jobs=jobs, platform=platform, quiet=as_json,
        limits=limits,
        with_actions=actions,
        scheduler=scheduler,
        known=known,
    )  # fmt: skip
    if as_json:
        print_json(summary.as_dict())
    else:
        print_summary(summary, out)
    raise typer.Exit(0 if summary.measured else 1)


platform_app = typer.Typer(help="Look at a platform: check.", no_args_is_help=True)
app.add_typer(platform_app, name="platform")


@platform_app.command(name="check")
def platform_check(
    platform: Annotated[str, typer.Argument(help="A shipped platform, or a YAML file.")],
    as_json: JsonFlag = False,
) -> None:
    """Hold a platform file against its kit, say all that is missing, and run a small PE through it.

    Exit code 1 if something is missing.

    Example: `peforge platform check osu018`
    """
    from explorer.platform_check import check_platform, platform_table

    report = check_platform(platform)
    if as_json:
        print_json(report.as_dict())
    else:
        for problem in report.problems:
            typer.echo(f"missing: {problem}")
        if report.ok:
            out.print(platform_table(report))
        many = len(report.problems)
        found = f"{many} problem{'s' if many > 1 else ''}" if many else "nothing is missing"
        typer.echo(f"{report.source}: {found}")
    raise typer.Exit(0 if report.ok else 1)


store_app = typer.Typer(
    help="Look after a store of measurements: check, gc, export, unpack, same.",
    no_args_is_help=True,
)
app.add_typer(store_app, name="store")


@store_app.command(name="check")
def check_store(store: StorePath = STORE, as_json: JsonFlag = False) -> None:
    """Verify every file of every entry. Exit code 1 if one is damaged.

    A damaged entry counts as not measured: the next campaign replaces it.

    Example: `peforge store check --store build/store`
    """
    from explorer.store_care import existing_store, survey, survey_lines

    found = survey(existing_store(store), quiet=as_json)
    if as_json:
        print_json(found.as_dict())
    else:
        for line in survey_lines(found):
            typer.echo(line)
    raise typer.Exit(1 if found.damaged else 0)


@store_app.command(name="gc")
def clean_store(
    store: StorePath = STORE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove entries that are damaged or have failed, and what was left under way.

    No measurement is removed.

    Example: `peforge store gc --dry-run`
    """
    from explorer.store_care import clean, existing_store, survey, survey_lines

    place = existing_store(store)
    found = survey(place, quiet=as_json)
    freed = 0 if dry_run else clean(place, found)
    if as_json:
        print_json({**found.as_dict(), "freed": freed})
        return
    for line in survey_lines(found):
        typer.echo(line)
    typer.echo("nothing was removed: --dry-run" if dry_run else f"freed {freed / 1e6:,.1f} MB")


@store_app.command(name="export")
def export_store(
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV to write.")],
    store: StorePath = STORE,
    as_json: JsonFlag = False,
) -> None:
    """Write every measurement of a store as one dataset, a row each.

    Of a point that was measured again, after a change of generator or flow, the latest.

    Example: `peforge store export -o all.csv`
    """
    from explorer.store_care import existing_store, export, survey

    found = survey(existing_store(store), quiet=as_json)
    rows = export(found, output)
    if as_json:
        print_json({**found.as_dict(), "rows": rows, "output": str(output)})
        return
    typer.echo(f"wrote {output}: {rows:,} rows, {len(found.damaged):,} damaged entries left out")


@store_app.command(name="unpack")
def unpack_entry(
    key: Annotated[
        str, typer.Argument(help="Of the measurement, or how it begins: column key of a dataset.")
    ],
    folder: Annotated[Path, typer.Option("-o", "--output", help="New folder to write to.")],
    store: StorePath = STORE,
    as_json: JsonFlag = False,
) -> None:
    """Write the files of the flow of one measurement: RTL, scripts, netlist, layout, logs.

    `sta -exit timing.tcl` or `power.tcl` there repeats the analysis.

    Example: `peforge store unpack 71c0... -o build/point`
    """
    from explorer.store_care import existing_store, find_key, unpack

    opened = existing_store(store)
    found = find_key(opened, key)
    unpack(opened, found, folder)
    if as_json:
        print_json({"key": found, "folder": str(folder)})
    else:
        typer.echo(f"wrote {folder}")


@store_app.command(name="same")
def same_results(
    points: Annotated[int, typer.Option("--points", help="To measure again.")] = 5,
    seed: Seed = 1,
    jobs: Jobs = None,
    store: StorePath = STORE,
    platform: PlatformName = "freepdk45",
    as_json: JsonFlag = False,
) -> None:
    """Keep measurements good whose flow's code has changed, if it still gives the same numbers.

    Some points are measured again, by today's code, with their energies per action where the store
    has them. If netlists and all numbers are the very same, that is noted in
    `characterize/lineage.yaml`, and what was measured counts as today's. Exit code 1 if not.

    Example: `peforge store same --points 10`
    """
    from explorer.campaigns import processors
    from explorer.lineage_care import compare
    from explorer.store_care import existing_store

    found = compare(
        existing_store(store),
        points=points, seed=seed, jobs=processors(jobs), platform=platform, quiet=as_json,
    )  # fmt: skip
    if as_json:
        print_json({"compared": [one.as_dict() for one in found]})
    else:
        for one in found:
            codes = f"{one.part}: {one.same_as[:12]} and {one.code[:12]}"
            typer.echo(f"{codes}: {len(one.points)} points measured")
            typer.echo("\n".join(f"  {line}" for line in one.other) or "  all numbers are the same")
    raise typer.Exit(1 if any(one.other for one in found) else 0)


dataset_app = typer.Typer(
    help="Datasets in folders of Parquet files: build, check, diff, card.", no_args_is_help=True
)
app.add_typer(dataset_app, name="dataset")
DatasetFolder = Annotated[Path, typer.Argument(help="Folder of the dataset.")]


@dataset_app.command(name="build")
def build_dataset(
    folder: DatasetFolder,
    space: Annotated[Path, typer.Option("--space", help="Design space, a YAML file.")],
    store: StorePath = STORE,
    part: Annotated[
        str | None, typer.Option("--part", help="Name in the dataset [that of the flow].")
    ] = None,
    shard: Annotated[int, typer.Option("--shard", help="Points of a file.")] = 100,
    flow: FlowName = "placed",
    platform: PlatformName = "freepdk45",
    count: Annotated[
        int | None, typer.Option("--points", help="Of the plan [what the space's file says].")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also write shards that are not whole yet.")
    ] = False,
    with_actions: Annotated[
        bool | None,
        typer.Option(
            "--actions/--no-actions", help="With energies per action [as the space says]."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write what the store has of a space's plan: every whole shard, in the plan's order.

    Shards are written once: build again when more is measured. With `--partial` those that are not
    whole are written, too, and filled by later builds: where the store will not last.

    Example: `peforge dataset build data/freepdk45 --space configs/spaces/full.yaml`
    """
    from explorer.campaigns import build_from_space
    from rtl_gen.space import load_space

    report = build_from_space(
        load_space(space), folder,
        store=store, part=part or flow, shard=shard, flow=flow, platform=platform, count=count,
        partial=partial, with_actions=with_actions,
    )  # fmt: skip
    if as_json:
        print_json(report.as_dict())
    else:
        typer.echo("\n".join(report.lines()))


@dataset_app.command(name="check")
def check_dataset(
    folder: DatasetFolder,
    measure: Annotated[int, typer.Option("--measure", help="Points to measure again.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the draw of these.")] = 1,
    jobs: Jobs = None,
    platform: Annotated[
        str | None,
        typer.Option("--platform", help="File of the kit, if it is not a shipped one."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify files, schema and numbers; tell stale points; measure a few again and compare.

    The netlist must be equal, what placement decides within 0.5 %. Exit code 1 if anything is
    wrong or stale.

    Example: `peforge dataset check data/freepdk45 --measure 5`
    """
    import tempfile

    from explorer.campaigns import processors
    from explorer.dataset_check import check, require_dataset

    require_dataset(folder)
    with tempfile.TemporaryDirectory() as store:
        found = check(
            folder, measure=measure, seed=seed, jobs=processors(jobs), store=Path(store),
            platform=platform, quiet=as_json,
        )  # fmt: skip
    if as_json:
        print_json(found.as_dict())
    else:
        typer.echo("\n".join(found.lines()))
    raise typer.Exit(0 if found.good else 1)


@dataset_app.command(name="diff")
def diff_datasets(
    first: Annotated[Path, typer.Argument(help="Folder or CSV file.")],
    second: Annotated[Path, typer.Argument(help="Folder or CSV file.")],
    as_json: JsonFlag = False,
) -> None:
    """Compare two datasets: points that one lacks, and by how much numbers differ.

    Run times do not count. Exit code 1 if they differ.

    Example: `peforge dataset diff data/freepdk45 build/dataset.csv`
    """
    from explorer.dataset_diff import diff

    found = diff(first, second)
    if as_json:
        print_json(found.as_dict())
    else:
        if len(found.metrics):
            out.print(found.table())
        typer.echo("\n".join(found.lines()))
    raise typer.Exit(0 if found.same else 1)


@dataset_app.command(name="card")
def dataset_card(folder: DatasetFolder, as_json: JsonFlag = False) -> None:
    """Write the data card again: what the dataset has, how it was made, its known limits.

    Example: `peforge dataset card data/freepdk45`
    """
    from explorer.dataset_card import CARD, write_card
    from explorer.dataset_check import require_dataset

    require_dataset(folder)
    failed = write_card(folder)
    if as_json:
        print_json({"card": str(folder / CARD), "failed": failed})
    else:
        typer.echo(f"wrote {folder / CARD}")


@app.command()
@with_design
def layout(
    design: PEDesign | None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Picture: PNG, SVG or PDF.")],
    period_ps: PeriodPs = PERIOD_PS,
    store: StorePath = STORE,
    platform: PlatformName = "freepdk45",
    flow: FlowName = "placed",
    utilization: Utilization = 0.5,
    seed: Seed = 1,
    as_json: JsonFlag = False,
) -> None:
    """Draw where the cells of a design stand: measures it, if the store does not have it.

    Example: `peforge layout --preset INT8 -o int8.png`
    """
    from explorer.layout_plot import draw_point

    drawn = draw_point(
        require_design(design), output, period_ps=period_ps, store=store, platform=platform,
        flow=flow, utilization=utilization, seed=seed, quiet=as_json,
    )  # fmt: skip
    if as_json:
        print_json(drawn)
        return
    typer.echo(f"wrote {output}: {drawn['cells']:,} cells")
    typer.echo(f"layout: {drawn['layout']}")


@app.command()
@with_design
def fmax(
    design: PEDesign | None,
    store: StorePath = STORE,
    platform: PlatformName = "freepdk45",
    flow: FlowName = "placed",
    utilization: Utilization = 0.5,
    seed: Seed = 1,
    as_json: JsonFlag = False,
) -> None:
    """Search for the highest clock of a design that meets setup, hold, slew and load.

    Each period that synthesis is made to aim at is measured to the end and kept in the store.
    Exit code 1 if no period can be met.

    Examples: `peforge fmax --preset INT8`, `peforge fmax --preset INT8 --multiplier booth --json`
    """
    from explorer.campaigns import find_fmax, fmax_as_dict, print_fmax

    result = find_fmax(
        require_design(design), store=store, platform=platform, utilization=utilization,
        seed=seed, flow=flow, quiet=as_json,
    )  # fmt: skip
    if as_json:
        print_json(fmax_as_dict(result))
    else:
        print_fmax(result, out)
    raise typer.Exit(0 if result.best else 1)


@app.command()
@with_design
def actions(
    design: PEDesign | None,
    period_ps: PeriodPs = PERIOD_PS,
    output: Annotated[
        Path | None, typer.Option("-o", "--out", help="Also write the table as JSON.")
    ] = None,
    check: Annotated[
        int, typer.Option("--check", help="Add up and measure so many other convolutions.")
    ] = 0,
    seed: Seed = 1,
    store: StorePath = STORE,
    platform: PlatformName = "freepdk45",
    flow: FlowName = "placed",
    foretell: Annotated[
        bool, typer.Option("--predict", help="Ask the surrogates instead of measuring.")
    ] = False,
    model: ModelPath = MODEL,
    as_json: JsonFlag = False,
) -> None:
    """Energy of each action of one design: its cycles, accesses and moving bits, in pJ.

    From one directed simulation of its netlist. A table that the store has is not measured again.
    Exit code 1 if it cannot be measured. With `--predict` from surrogates that were trained on the
    folder of a dataset, in a second.

    Examples: `peforge actions --preset INT8`,
    `peforge actions --preset LightPE-1 --filter-depth 64 --check 12 --out actions.json`,
    `peforge actions --preset INT8 --predict`
    """
    if foretell:
        _predict_actions(require_design(design), period_ps, model, output, as_json=as_json)
        return
    from characterize.process import StepError
    from explorer.action_tables import check_table, mac_table, run_actions, unit_table

    try:
        report = run_actions(
            require_design(design),
            period_ps=period_ps, seed=seed, checks=check, output=output, store=store,
            platform=platform, flow=flow, quiet=as_json,
        )  # fmt: skip
    except StepError as error:
        _fail(f"failed: {error}", 1)
    if as_json:
        print_json(report.to_dict())
        return
    table = report.table
    title = f"{report.name}: energy per action"
    out.print(unit_table(table.energies_pj, table.leakage_uw, title))
    out.print(mac_table(report.table))
    if report.checks:
        out.print(check_table(report.checks))
    for line in report.closing_lines():
        typer.echo(line)


def _predict_actions(
    design: PEDesign, period_ps: int, model: Path, output: Path | None, *, as_json: bool
) -> None:
    from explorer.action_tables import unit_table
    from explorer.predicted_actions import convolution_table, predict

    found = predict(design, period_ps=period_ps, model=model, output=output)
    if as_json:
        print_json(found.to_dict())
        return
    title = f"{found.name}: energy per action, predicted"
    out.print(unit_table(found.energies_pj, found.leakage_uw, title))
    out.print(convolution_table(found))
    for line in found.closing_lines():
        typer.echo(line)
    if output is not None:
        typer.echo(f"wrote {output}")


@app.command()
def sram(
    words: Annotated[str, typer.Option("--words", help="Of all banks; several with commas.")] = "",
    bits: Annotated[str, typer.Option("--bits", help="Of a word: 8, 16, ... 256.")] = "",
    banks: Annotated[str, typer.Option("--banks", help="1, 2, 4, 8, 16 or 32.")] = "1",
    ports: Annotated[str, typer.Option("--ports", help="Of a bank: 1rw, 1r1w or 2rw.")] = "1rw",
    voltage_v: Annotated[
        float | None,
        typer.Option("--voltage-v", help="Scale energies and leakage to this supply."),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="All shapes of the table that comes with the project.")
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV to write.")] = None,
    cache: Annotated[
        Path, typer.Option("--cache", help="Folder that keeps what CACTI said.")
    ] = SRAM_CACHE,
    as_json: JsonFlag = False,
) -> None:
    """Energy, leakage, area and times of SRAMs, from CACTI with the settings of the macros.

    Several values of an option make every combination; those that CACTI cannot make are left out.

    Examples: `peforge sram --words 4096 --bits 64 --banks 4 --ports 1rw`,
    `peforge sram --words 1024,4096,16384 --bits 32,64 --ports 1rw,1r1w -o build/sram.csv`
    """
    from explorer import sram_tables

    if grid:
        if words or bits or voltage_v is not None or output is None:
            raise InputError("--grid goes with --output, and without --words, --bits, --voltage-v")
        count = sram_tables.remake_grid(output, cache=cache, quiet=as_json)
        if as_json:
            print_json({"srams": count, "file": str(output)})
        else:
            typer.echo(f"wrote {output} ({count:,} SRAMs)")
        return
    if not words or not bits:
        raise InputError("an SRAM needs --words and --bits, as in --words 4096 --bits 64")
    shapes, left_out = sram_tables.asked_shapes(words, bits, banks, ports)
    sweep = sram_tables.run_sweep(
        shapes, left_out, cache=cache, voltage_v=voltage_v, output=output, quiet=as_json
    )
    if as_json:
        print_json(sweep.to_dict())
        return
    out.print(sram_tables.cost_table(sweep))
    if line := sram_tables.left_out_line(sweep):
        typer.echo(line)
    if output is not None:
        typer.echo(f"wrote {output}")


@app.command()
def train(
    dataset: Annotated[
        Path,
        typer.Option(
            "--dataset", "--data", help="CSV or Parquet with a row for each point, or a folder."
        ),
    ] = DATASET,
    model: ModelPath = MODEL,
    flow: OfFlow = None,
    quick_flow: Annotated[
        str | None,
        typer.Option("--from", help="Flow of many rows, which the few of --flow correct."),
    ] = None,
    with_actions: Annotated[
        bool,
        typer.Option(
            "--actions/--no-actions", help="Learn energies per action, if the folder has them."
        ),
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Train the surrogates on a dataset and print their cross-validated errors.

    Beside the model, its card is written: what it was trained on, its errors, where it holds.
    One's own measurements need a column for each parameter of a design and for what is learnt, in
    the units of their names; all others are optional.

    Examples: `peforge train --dataset build/dataset.csv`, `peforge train --data my.parquet`,
    `peforge train --dataset data/flows.csv --flow placed`,
    `peforge train --dataset data/flows.csv --flow openroad --from placed`
    """
    from explorer.accuracy import error_section
    from explorer.model_card import write_card
    from explorer.predicted_actions import error_lines, learn
    from surrogate.artifact import Artifact
    from surrogate.training_set import of_flow, read_measurements

    if quick_flow is not None and flow in (None, quick_flow):
        raise InputError("--from names the flow of many rows, --flow another one, of few")
    table = read_measurements(dataset)
    rows = of_flow(table, flow)
    learnable = with_actions and dataset.is_dir() and quick_flow is None
    try:
        artifact = Artifact.train(
            rows,
            None if quick_flow is None else of_flow(table, quick_flow),
            actions=learn(dataset, rows, quiet=as_json) if learnable else None,
        )
    except InputError as error:
        raise InputError(f"{dataset}: {error}") from None
    artifact.save(model)
    card = model.with_suffix(".md")
    write_card(artifact, model, card)
    if as_json:
        print_json(
            {
                "model": str(model),
                "card": str(card),
                "points": artifact.points,
                "errors": artifact.errors.to_dict("records"),
                "actions": artifact.actions and vars(artifact.actions.errors),
            }
        )
        return
    out.print(error_section(artifact.errors).rich())
    for line in error_lines(artifact.actions):
        typer.echo(line)
    typer.echo(f"wrote {model} (trained on {artifact.points} points) and {card}")
    asked = "" if model == MODEL else f" --model {model}"
    typer.echo(f"next: peforge query --preset INT16{asked}; peforge explore{asked}")


@app.command()
def evaluate(
    dataset: Annotated[
        Path, typer.Option("--dataset", help="CSV with a row for each point, or a folder.")
    ] = DATASET,
    splits: Annotated[
        str | None,
        typer.Option(
            "--splits",
            help="datapaths, widths, families, ranges, sizes, test [all but test].",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option("--models", help="Names with commas between, or all [those fitted quickly]."),
    ] = None,
    replicates: Annotated[
        Path | None,
        typer.Option("--replicates", help="Dataset of points with several --perturbation."),
    ] = None,
    flow: OfFlow = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Also test whether intervals hold (takes longer).")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write everything as Markdown.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell how wrong surrogates and yardsticks are on points that they have not seen.

    Splits: `datapaths` leaves out bits and terms, `widths` inner widths (both interpolate);
    `families` leaves out a family, `ranges` the largest sizes and shortest periods (both
    extrapolate); `sizes` is a learning curve. Datapaths that are held out take part in `test`
    alone: look at it once, when nothing is left to decide.

    Examples: `peforge evaluate --json`,
    `peforge evaluate --models all --splits datapaths,families`,
    `peforge evaluate --dataset data/flows.csv --flow placed --report docs/accuracy.md`
    """
    from explorer.accuracy import terminal_sections, write_report
    from rtl_gen.atomic import check_target
    from surrogate.assessment import DEFAULT_SPLITS, assess
    from surrogate.evaluate import CHEAP, MODELS
    from surrogate.training_set import of_flow, read_measurements

    if report is not None:
        check_target(report)
    chosen = tuple(MODELS) if models == "all" else _names(models, CHEAP)
    found = assess(
        of_flow(read_measurements(dataset), flow),
        splits=_names(splits, DEFAULT_SPLITS),
        models=chosen,
        replicates=(None if replicates is None else of_flow(read_measurements(replicates), flow)),
        intervals=intervals,
    )
    if report is not None:
        write_report(found, report)
    if as_json:
        print_json(found.as_dict())
        return
    for section in terminal_sections(found):
        out.print(section.rich())
    if report is not None:
        typer.echo(f"wrote {report}")


def _names(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Names with commas between them, each once."""
    if text is None:
        return default
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


@app.command()
@with_design
def query(
    design: PEDesign | None,
    period_ps: PeriodPs = PERIOD_PS,
    model: ModelPath = MODEL,
    dataset: DatasetPath = DATASET,
    store: StorePath = STORE,
    platform: PlatformName = "freepdk45",
    as_json: JsonFlag = False,
) -> None:
    """Predict one design, beside its measurement where there is one.

    Example: `peforge query --preset INT16`
    """
    from explorer.query import ask, query_table

    answer = ask(
        require_design(design),
        period_ps=period_ps, model=model, dataset=dataset, store=store, platform=platform,
    )  # fmt: skip
    if as_json:
        print_json(answer)
        return
    out.print(query_table(answer))
    for note in answer["notes"]:
        typer.echo(note)


def _measure_until(
    points: Sequence[Point], until: str, *, dataset: Path | None, as_json: bool, **options: Any
) -> NoReturn:
    """Measure as much of a plan as aims need.

    Args:
        options: of ``measure_points``.
    """
    from explorer.campaigns import measure_points
    from explorer.learning import measure_until
    from surrogate.active import parse_aims

    found = measure_until(
        points, parse_aims(until),
        measure=lambda some: measure_points(some, dataset=None, quiet=as_json, **options),
        dataset=dataset, seed=points[0].seed,
        tell=lambda line: typer.echo(line, err=True),
    )  # fmt: skip
    if as_json:
        print_json(found.as_dict())
    else:
        ended = "reached" if found.reached else "not reached"
        typer.echo(
            f"{ended} with {found.measured} of {found.planned} points, {found.failed} of them "
            "failed"
        )
        if dataset is not None:
            typer.echo(f"wrote {dataset}")
            typer.echo(f"next: peforge train --dataset {dataset}")
    raise typer.Exit(0 if found.reached else 1)


@app.command()
@with_design
def explain(
    design: PEDesign | None,
    period_ps: PeriodPs = PERIOD_PS,
    target: Annotated[
        str | None, typer.Option("--target", help="Of the predicted quantities [all].")
    ] = None,
    formulas: Annotated[
        bool, typer.Option("--formulas", help="Formulas of few terms instead, from the dataset.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also plot partial dependence, a PNG.")
    ] = None,
    model: ModelPath = MODEL,
    dataset: DatasetPath = DATASET,
    flow: OfFlow = None,
    as_json: JsonFlag = False,
) -> None:
    """Say why a design is predicted to be as it is, or what all designs of a dataset depend on.

    A prediction is a sum of physical parts, its base, times factors that the trees have learnt,
    one for each feature (Shapley values). Without a design, both are means over the dataset.

    Examples: `peforge explain --preset INT16 --target area_um2`, `peforge explain --formulas`,
    `peforge explain --plot build/dependence.png`
    """
    import pandas as pd

    from explorer.explanation import explanation_table
    from rtl_gen.atomic import check_target
    from rtl_gen.errors import require_choice
    from surrogate.artifact import Artifact
    from surrogate.explain import explain as take_apart
    from surrogate.targets import TARGETS
    from surrogate.training_set import of_flow, read_measurements, training_table

    if design is not None and (formulas or plot is not None):
        raise InputError("--formulas and --plot are of a dataset, not of one design")
    if plot is not None:
        require_choice("the ending of a plot", plot.suffix, (".png",))
        check_target(plot)
    if target is not None:
        require_choice("a target", target, TARGETS)
    artifact = Artifact.load(model)
    wanted = [target] if target else list(TARGETS)
    if design is None:
        table = training_table(of_flow(read_measurements(dataset), flow))
        _explain_all(artifact, table, wanted, formulas=formulas, plot=plot, as_json=as_json)
        return
    row = pd.DataFrame([{**design.to_dict(), "period_ps": period_ps}])
    apart = [take_apart(artifact.surrogate, row, name) for name in wanted]
    outside = artifact.surrogate.region.reasons(row)
    if as_json:
        print_json({"outside": outside, "explanations": [vars(one) for one in apart]})
        return
    for one in apart:
        out.print(explanation_table(one))
    if outside:
        typer.echo(f"Outside what was measured: {'; '.join(outside)}. The error is unknown.")


def _explain_all(
    artifact: Artifact,
    table: pd.DataFrame,
    wanted: list[str],
    *,
    formulas: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """What the designs of a dataset depend on."""
    from explorer import explanation
    from surrogate.explain import importance
    from surrogate.formulas import FORMULAS, find_formula

    if plot is not None:
        explanation.dependence_plot(artifact.surrogate, table, plot)
    if formulas:
        found = [find_formula(table, name) for name in wanted if name in FORMULAS]
        content: dict[str, Any] = {"formulas": [{**vars(one), "text": str(one)} for one in found]}
        tables = [explanation.formula_table(found, artifact.mape_pct())]
    else:
        counts = {name: importance(artifact.surrogate, table, name) for name in wanted}
        content = {name: rows.to_dict("records") for name, rows in counts.items()}
        tables = [explanation.importance_table(rows, name) for name, rows in counts.items()]
    if as_json:
        print_json(content)
        return
    for one in tables:
        out.print(one)
    if plot is not None:
        typer.echo(f"wrote {plot}")


@app.command()
def predict(
    designs: Annotated[
        Path | None, typer.Option("--designs", help="CSV or Parquet with a row for each design.")
    ] = None,
    space: Annotated[
        Path | None, typer.Option("--space", help="Design space, a YAML file, instead.")
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Designs of a space at most.")] = 1_000_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the draw from a larger space.")] = 0,
    model: ModelPath = MODEL,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="CSV or Parquet, by its ending.")
    ] = Path("build/predictions.parquet"),
    intervals: Annotated[
        bool, typer.Option("--intervals/--values", help="With intervals, or values alone.")
    ] = True,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Threads [processors].")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Predict many designs, with intervals, and what each is outside of, into a file.

    Millions need no more memory than a hundred thousand. Of a space that is larger than `-n`,
    combinations are drawn at random.

    Examples: `peforge predict --designs my.csv -o my_predictions.csv`,
    `peforge predict --space configs/spaces/full.yaml -n 10000000 --values`
    """
    from rich.progress import track

    from explorer import bulk
    from explorer.campaigns import processors
    from rtl_gen.errors import require_int
    from rtl_gen.space import load_space
    from surrogate.artifact import Artifact

    if (designs is None) == (space is None):
        raise InputError("give either --designs FILE or --space FILE")
    require_int("n", n, 1, 10**9)
    artifact = Artifact.load(model, n_jobs=processors(jobs))
    require_int("seed", seed, 0, 2**31 - 1)
    if designs is not None:
        chunks = bulk.designs_of_file(designs)
    else:
        assert space is not None
        chunks = bulk.designs_of_space(load_space(space), n, seed)
    shown = track(
        chunks, "predicting", console=Console(stderr=True), transient=True, disable=as_json
    )
    found = bulk.predict_to(iter(shown), artifact, output, intervals=intervals)
    if as_json:
        print_json({"output": str(output), **vars(found)})
        return
    typer.echo(
        f"{found.designs:,} designs, {found.outside:,} of them outside what was measured: "
        "there, intervals promise nothing"
    )
    typer.echo(f"wrote {output}")


@app.command()
def explore(
    space: Annotated[
        Path | None,
        typer.Option(
            "--space",
            help="Design space, a YAML file [configs/spaces/explore.yaml, "
            "of accelerators configs/designs/eyeriss-like.yaml].",
        ),
    ] = None,
    objectives: Annotated[
        str,
        typer.Option(
            "--objectives",
            help="Names with commas between them "
            "[area_um2,energy_per_mac_pj,throughput; of accelerators "
            "energy_uj,latency_ms,area_mm2].",
        ),
    ] = "",
    n: Annotated[int, typer.Option("--n", "-n", help="Points to predict at most.")] = 100_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample of a larger space.")] = 0,
    model: ModelPath = MODEL,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the front: CSV, JSON, pictures.")
    ] = Path("build"),
    network: Annotated[
        str, typer.Option("--network", help="Explore accelerators that run this network.")
    ] = "",
    bits: Annotated[
        str, typer.Option("--bits", help="Of its activations, weights and outputs, as 8,4,8.")
    ] = "",
    batch: BatchSize = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Accelerators that meet this, as 'area_mm2 < 4'; repeatable."),
    ] = None,
    mapping: Annotated[
        str, typer.Option("--mapping", help="Mappings are the best in energy, delay or edp.")
    ] = "energy",
    refine: Annotated[
        int, typer.Option("--refine", help="Accelerators of the front to map again, thoroughly.")
    ] = _REFINED,
    jobs: Threads = None,
    as_json: JsonFlag = False,
) -> None:
    """Predict a whole design space and find its Pareto front.

    Objectives: `area_um2`, `least_period_ps`, `leakage_uw`, `energy_per_mac_pj` (less is better),
    `throughput`, `throughput_per_area` (more is better).

    With `--network`, of accelerators (PE, array, memories, clock) that run it, each with the best
    of thousands of mappings: `energy_uj`, `latency_ms`, `area_mm2`, `edp_uj_ms` (less is better),
    `tops_per_watt`, `tops_per_mm2` (more is better).

    Examples: `peforge explore --objectives energy_per_mac_pj,throughput_per_area -n 20000`,
    `peforge explore --network resnet18 --where 'area_mm2 < 3' -n 200000`
    """
    from characterize.platform import configs_dir
    from explorer.explore import explore as run
    from explorer.html import write_html
    from explorer.plot import write_plot
    from explorer.report import as_json as to_json
    from explorer.report import front_table, write_csv, write_json
    from rtl_gen.space import load_space
    from surrogate.artifact import Artifact

    if network:
        explore_accelerators(
            space or configs_dir() / "designs" / "eyeriss-like.yaml",
            chosen_network(network, bits, batch), where or [], mapping, refine, objectives, n, seed,
            jobs, model, output, as_json=as_json,
        )  # fmt: skip
        return
    of_accelerators = {
        "--where": where, "--bits": bits, "--batch": batch, "--mapping": mapping != "energy",
        "--refine": refine != _REFINED,
    }  # fmt: skip
    for option, given in of_accelerators.items():
        if given:
            raise InputError(f"{option} is about accelerators: it needs --network")
    path = space or configs_dir() / "spaces" / "explore.yaml"
    names = [name.strip() for name in (objectives or PE_OBJECTIVES).split(",")]
    result = run(load_space(path), Artifact.load(model), names, n=n, seed=seed)
    writers = {"csv": write_csv, "json": write_json, "png": write_plot, "html": write_html}
    for suffix, write in writers.items():
        write(result, output / f"pareto.{suffix}")
    if as_json:
        print_json(to_json(result))
        return
    out.print(front_table(result))
    for note in result.notes:
        typer.echo(note)
    typer.echo("wrote " + ", ".join(str(output / f"pareto.{suffix}") for suffix in writers))
    typer.echo(f"next: open {output / 'pareto.html'} in a browser")


register(app)

if __name__ == "__main__":
    main()
