"""Verbs about accelerators and networks: ``map``, ``accelerators``, ``networks``."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explorer.cli_options import MODEL, JsonFlag, out, progress_bar
from rtl_gen.errors import InputError, nearest, require_choice

if TYPE_CHECKING:
    from explorer.accelerators.pe_tables import Sources
    from explorer.mapping.cost import LayerCost
    from explorer.networks.network import Network

AcceleratorName = Annotated[
    str, typer.Option("--accelerator", "-a", help="A preset, or a YAML file.")
]
NetworkName = Annotated[
    str, typer.Option("--network", "-n", help="A built-in network, a YAML or an ONNX file.")
]
Bits = Annotated[
    str,
    typer.Option("--bits", help="Of activations, weights and outputs of every layer, as 8,4,8."),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch", help="Images or sequences [as the network has].")
]
Threads = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, max=1024, help="Threads [processors].")
]
DatasetFolder = Annotated[
    Path | None, typer.Option("--dataset", help="Measured PEs [those of the project].")
]
ModelFile = Annotated[
    Path, typer.Option("--model", help="Trained surrogates, for PEs that were not measured.")
]
ActionsFile = Annotated[
    Path | None, typer.Option("--actions", help="Energies of the PE, of peforge actions --out.")
]


def register(app: typer.Typer) -> None:
    """Make these verbs part of the command line."""
    app.command(name="map")(map_verb)
    app.command(name="accelerators")(accelerators_verb)
    app.command(name="networks")(networks_verb)


def map_verb(
    network: NetworkName = "resnet18",
    accelerator: AcceleratorName = "eyeriss",
    bits: Bits = "",
    batch: BatchSize = None,
    layer: Annotated[str, typer.Option("--layer", help="Only this one, with its loops.")] = "",
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="YAML: cost of this mapping of --layer.")
    ] = None,
    objective: Annotated[
        str, typer.Option("--objective", help="What is to be small: energy, delay or edp.")
    ] = "energy",
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            help="Of counting: exact, of any mapping; rtl, what the array of peforge rtl does; "
            "timeloop, what Timeloop reports of a --mapping.",
        ),
    ] = "exact",
    dataflow: Annotated[
        str,
        typer.Option(
            "--dataflow",
            help="Of mappings: free, row-stationary, weight-stationary or output-stationary.",
        ),
    ] = "free",
    effort: Annotated[
        str, typer.Option("--effort", help="Of the search: quick, normal or thorough.")
    ] = "normal",
    seed: Annotated[int, typer.Option("--seed", help="Of the search.")] = 1,
    jobs: Threads = None,
    certify: Annotated[
        float | None,
        typer.Option(
            "--certify", help="Prove how much less another mapping can cost: seconds a layer."
        ),
    ] = None,
    keep_between: Annotated[
        bool,
        typer.Option(
            "--keep-between",
            help="Let ofmaps stay in the buffer between layers, where that is better.",
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Search even what an earlier search found.")
    ] = False,
    dataset: DatasetFolder = None,
    model: ModelFile = MODEL,
    actions: ActionsFile = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="JSON to write: terms and mappings.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find the best mapping of a network's layers on an accelerator: energy, cycles, loops.

    Examples: `peforge map --network resnet18 --accelerator eyeriss`,
    `peforge map -n mobilenetv1 -a my.yaml --bits 8,4,8 --objective edp -o build/map.json`,
    `peforge map -n resnet18 --layer layer1.0.conv1 --objective delay --certify 10`,
    `peforge map -n resnet20-cifar -a edge-tiny --keep-between`,
    `peforge map -n alexnet -a eyeriss --dataflow row-stationary`,
    `peforge map -n resnet18 -a eyeriss --mode rtl`
    """
    from explorer.accelerators.accelerator import load_accelerator
    from explorer.mapping.mapper import Options
    from explorer.mapping.network_cost import map_network
    from explorer.mapping.report import certificate_line, evaluated_line, show_layer, show_network

    chosen = chosen_network(network, bits, batch)
    on = load_accelerator(accelerator)
    sources = _sources(actions, dataset, model)
    alone = bool(layer) or mapping is not None
    asked = {"--objective": (objective, "energy"), "--dataflow": (dataflow, "free"),
             "--effort": (effort, "normal")}  # fmt: skip
    searches = [option for option, (value, default) in asked.items() if value != default]
    _check_options(mode, mapping, certify, searches, keep_between=keep_between, alone=alone)
    if alone:
        chosen = _only(chosen, layer)
    if mapping is not None:
        cost = _evaluate(on, chosen, sources, mapping, mode)
        _write(cost.to_dict(on.hierarchy), output)
        show_layer(on, chosen, cost, as_json=as_json)
        _tell(output, as_json=as_json)
        return
    options = Options(objective=objective, effort=effort, seed=seed, mode=mode, dataflow=dataflow)
    with progress_bar(quiet=as_json) as bar:
        layers = len(chosen.unique_shapes())
        total = layers + (layers if certify else 0) + (len(chosen.layers) if keep_between else 0)
        task = bar.add_task("mapping", total=total)
        found = map_network(
            on, chosen, options, sources=sources, jobs=jobs or os.cpu_count() or 1,
            cache=not fresh, seconds=certify, keep_between=keep_between,
            told=lambda: bar.update(task, advance=1),
        )  # fmt: skip
    _write(found.to_dict(), output)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, sort_keys=True))
        return
    if layer:
        (mapped,) = found.mapped.values()
        show_layer(on, chosen, mapped.cost, as_json=False)
        typer.echo(evaluated_line(mapped))
        for certificate in found.certificates.values():
            typer.echo(certificate_line([certificate]))
    else:
        show_network(found)
    _tell(output, as_json=as_json)


def _write(document: dict[str, Any], output: Path | None) -> None:
    from rtl_gen.atomic import write_text

    if output is not None:
        write_text(output, json.dumps(document, indent=1) + "\n")


def _tell(output: Path | None, *, as_json: bool) -> None:
    if output is not None and not as_json:
        typer.echo(f"wrote {output}")


def _check_options(
    mode: str, mapping: Path | None, certify: float | None, searches: list[str], *,
    keep_between: bool, alone: bool,
) -> None:  # fmt: skip
    """Refuse options of ``map`` that do not go together."""
    require_choice("mode", mode, ("exact", "timeloop", "rtl"))
    if mapping is None and mode == "timeloop":
        raise InputError("mode timeloop is of a mapping that is given: --mapping FILE")
    if mapping is not None and mode == "rtl":
        raise InputError("--mapping is of mode exact or timeloop, not rtl")
    exact = {"--certify": certify is not None, "--keep-between": keep_between}
    for option, chosen in exact.items():
        if chosen and mode != "exact":
            raise InputError(f"{option} is of mode exact, not {mode}")
    if mapping is not None and searches:
        raise InputError(f"{searches[0]} is about a search: leave out --mapping")
    if certify is not None and mapping is not None:
        raise InputError("--certify is about what a search found: leave out --mapping")
    if certify is not None and not 0 < certify < 1e6:
        raise InputError(f"certify must be a number of seconds above 0, not {certify:g}")
    if keep_between and alone:
        raise InputError("keep-between is about a whole network: leave out layer and mapping")
    if keep_between and certify is not None:
        raise InputError("certify is about layers alone: leave out keep-between, or certify")


def explore_accelerators(
    space: Path, network: Network, where: list[str], mapping: str, refine: int, objectives: str,
    n: int, seed: int, jobs: int | None, model: Path, output: Path, *, as_json: bool,
) -> None:  # fmt: skip
    """What ``peforge explore --network`` does."""
    from explorer.accelerators.pe_tables import Sources
    from explorer.designs.exploration import Wanted, explore_designs
    from explorer.designs.picture import write_picture
    from explorer.designs.report import FILES, PICTURE, front_table, write_all
    from explorer.designs.report import as_json as to_json
    from explorer.designs.space import load_designs
    from rtl_gen.atomic import check_target

    names = tuple(name.strip() for name in objectives.split(",")) if objectives else None
    wanted = Wanted(where=tuple(where), mapping=mapping, n=n, refine=refine, seed=seed)
    wanted = replace(wanted, objectives=names) if names else wanted
    for name in (*FILES, PICTURE):
        check_target(output / name)
    designs = load_designs(space)
    with progress_bar(quiet=as_json) as bar:
        tasks = {
            "layer": bar.add_task("rating designs", total=2 * len(network.unique_shapes())),
            "design": bar.add_task("mapping the front", total=refine),
        }
        result = explore_designs(
            designs, network, wanted, sources=Sources(model=model),
            jobs=jobs or os.cpu_count() or 1,
            told=lambda what: bar.update(tasks[what], advance=1),
        )  # fmt: skip
    written = write_all(result, output)
    if len(wanted.objectives) > 1:
        written.append(output / PICTURE)
        write_picture(result, written[-1])
    if as_json:
        typer.echo(json.dumps(to_json(result), indent=2))
        return
    out.print(front_table(result))
    for note in result.notes():
        typer.echo(note)
    typer.echo("wrote " + ", ".join(map(str, written)))


def accelerators_verb(
    name: Annotated[str, typer.Argument(help="A preset, or a YAML file; none: all presets.")] = "",
    bits: Bits = "8,8,8",
    dataset: DatasetFolder = None,
    model: ModelFile = MODEL,
    actions: ActionsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the presets, or what one accelerator costs: energies, area, leakage, and their origins.

    Examples: `peforge accelerators`, `peforge accelerators eyeriss --bits 8,4,8`
    """
    from explorer.accelerators.accelerator import load_accelerator, presets
    from explorer.accelerators.energies import breakdown_table, energy_table, resolve_energies
    from explorer.mapping.report import preset_row, reached, records, show_rows, show_table

    if not name:
        rows = [preset_row(load_accelerator(preset)) for preset in presets()]
        show_rows("accelerators", rows, as_json=as_json)
        return
    on = load_accelerator(name)
    widths = _three(bits)
    sources = _sources(actions, dataset, model)
    energies = resolve_energies(on, *widths, source=sources)
    of_energies, of_parts = energy_table(on, energies), breakdown_table(energies)
    if as_json:
        period = {"reached": energies.period_ps.value, "origin": energies.period_ps.origin}
        document = {
            "accelerator": on.to_dict(),
            "energies": records(of_energies),
            "parts": records(of_parts),
            "period_ps": period,
            "unknown": list(energies.unknown),
        }
        typer.echo(json.dumps(document, indent=2, sort_keys=True))
        return
    show_table(f"{on.name}: energies, bits {bits}", of_energies)
    show_table(f"{on.name}: area and leakage", of_parts)
    typer.echo(f"clock: {on.period_ps} ps; {reached(energies.period_ps, on.period_ps)}")
    if energies.unknown:
        typer.echo(f"in no sum: {', '.join(energies.unknown)}")


def networks_verb(
    name: Annotated[
        str, typer.Argument(help="A built-in network, a YAML or an ONNX file; none: all.")
    ] = "",
    bits: Bits = "",
    batch: BatchSize = None,
    save: Annotated[
        Path | None, typer.Option("-o", "--output", help="YAML to write, to be edited.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the built-in networks, or the layers of one.

    Examples: `peforge networks`, `peforge networks resnet18`,
    `peforge networks my.onnx -o my.yaml`
    """
    from explorer.mapping.report import show_rows, show_table
    from explorer.networks.builtin import NETWORKS

    if not name and save is not None:
        raise InputError("-o writes one network: name it")
    if not name:
        chosen = [chosen_network(key, bits, batch) for key in NETWORKS]
        rows = [
            {"network": n.name, "layers": len(n.layers), "MACs": n.macs, "parameters": n.parameters}
            for n in chosen
        ]
        show_rows("networks", rows, as_json=as_json)
        return
    one = chosen_network(name, bits, batch)
    if save is not None:
        one.save(save)
    if as_json:
        typer.echo(json.dumps(one.to_dict(), indent=2, sort_keys=True))
        return
    show_table(f"{one.name}: {one.macs:,} MACs, {one.parameters:,} parameters", one.table())
    if save is not None:
        typer.echo(f"wrote {save}")


def _sources(actions: Path | None, dataset: Path | None, model: Path) -> Sources:
    """Where energies come from.

    Raises:
        InputError: if a folder was given that has no dataset, or a file that is not there.
    """
    from characterize.dataset_folder import read_manifest
    from explorer.accelerators.pe_tables import DATASET, Sources

    if dataset is not None:
        read_manifest(dataset)
    if model != MODEL and not model.is_file():
        raise InputError(f"{model}: is no file: name one that 'peforge train' wrote")
    return Sources(actions=actions, dataset=dataset or DATASET, model=model)


def _three(bits: str) -> tuple[int, int, int]:
    parts = bits.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise InputError(
            f"bits must be three numbers, of activations, weights and outputs, as 8,4,8, not "
            f"{bits!r}"
        )
    act, weight, output = (int(part) for part in parts)
    return act, weight, output


def chosen_network(name: str, bits: str, batch: int | None) -> Network:
    """A network by name or file, with these bits, if any, and this batch.

    Raises:
        InputError: if there is none, or it cannot have them.
    """
    from explorer.networks.network import load_network

    network = load_network(name)
    if bits:
        act, weight, output = _three(bits)
        network = network.with_bits(act=act, weight=weight, out=output)
    return network if batch is None or batch == network.batch else network.with_batch(batch)


def _only(network: Network, layer: str) -> Network:
    """The network with one layer alone."""
    names = [one.name for one in network.layers_with_macs]
    if not layer:
        raise InputError("--mapping is of one layer: name it with --layer")
    if layer not in names:
        raise InputError(
            f"{network.name} has no layer {layer!r} with products"
            + (nearest(layer, names) or f"; the first is {names[0]}")
        )
    one = network.layers_with_macs[names.index(layer)]
    return replace(network, layers=(one,), inputs=tuple(dict.fromkeys(one.inputs)))


def _evaluate(on: Any, network: Network, sources: Any, path: Path, mode: str) -> LayerCost:
    """Cost of the mapping in a file."""
    from explorer.accelerators.energies import resolve_energies
    from explorer.mapping.cost import evaluate
    from explorer.mapping.mapping import Mapping
    from explorer.mapping.timeloop_cost import evaluate_like_timeloop
    from rtl_gen.space import load_yaml

    shape = network.layers_with_macs[0].shape
    document = load_yaml(path)
    if not isinstance(document, list):
        raise InputError(f"{path}: a mapping must be a list with an entry for each level")
    try:
        mapping = Mapping.from_list(document, on.hierarchy)
        energies = resolve_energies(
            on, shape.act_bits, shape.weight_bits, shape.out_bits, source=sources
        )
        rate = evaluate_like_timeloop if mode == "timeloop" else evaluate
        return rate(on, energies, shape, mapping)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
