"""ZigZag's mappings and this project's, of the same layers on the same architecture.

Run: ``python -m benchmarks.peers`` (some minutes), or with names of layers, in quotes. Needs all
of ZigZag: ``pip install zigzag-dse==3.9.1``.

The hierarchy and its energies are those of ``benchmarks.mapper``: 16-bit words everywhere, every
word read or written costs what its level does. ZigZag (Mei et al., IEEE TC 70(8), 2021; its engine
LOMA) searches for least energy, twice: with one dimension along each axis of the array, and with
several. Its mapping is then counted by this project (``counts``, mode exact), tensor by tensor:
ZigZag places each tensor's loops in the memories by itself (uneven), a mapping here places all
tensors' alike. What a tensor's counts depend on, all loops in order and where its own memories hold
them, is the same in both.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.mapper import EYERISS, PRICES, best_of
from benchmarks.tables import table
from explorer.accelerators.hierarchy import TENSORS
from explorer.mapping.counts import Counts, LevelCounts, count
from explorer.mapping.mapping import RELEVANT, LevelLoops, Loop, Mapping
from explorer.mapping.space import Space
from explorer.networks.layer import LayerShape
from explorer.networks.network import load_network
from rtl_gen.errors import InputError, nearest

MAC_PJ = 2.2
BITS = 16
RESNET = (
    "conv1", "layer1.0.conv1", "layer2.0.conv1", "layer2.0.downsample", "layer4.0.conv2",
)  # fmt: skip
#: Small layers, of no network.
SMALL = {
    "small 3x3": LayerShape(filters=24, channels=10, height=15, width=15, filter_height=3,
                            filter_width=3, padding=(1, 1, 1, 1)),
    "small 1x1": LayerShape(filters=30, channels=42, height=12, width=12),
    "small 5x5": LayerShape(filters=16, channels=6, height=27, width=27, filter_height=5,
                            filter_width=5, stride_height=2, stride_width=2),
}  # fmt: skip
#: Dimensions there and here; memory operands of tensors; operands of a layer, and tensors.
NAMES = {"B": "N", "G": "G", "K": "M", "C": "C", "OY": "P", "OX": "Q", "FY": "R", "FX": "S"}
LINKS = {"ifmap": "I1", "filter": "I2", "psum": "O"}
OPERANDS = {"I": "ifmap", "W": "filter", "O": "psum"}
MEMORIES = {
    "ifmaps": ("I1",), "filters": ("I2",), "psums": ("O",), "buffer": ("I1", "O"),
    "DRAM": ("I1", "I2", "O"),
}  # fmt: skip
#: Of ZigZag, in the order of their work: the least energy over mappings in time, and in space.
STAGES = (
    ("parser.workload_parser", "WorkloadParserStage"),
    ("parser.accelerator_parser", "AcceleratorParserStage"),
    ("workload_iterator", "WorkloadStage"),
    ("results.reduce_stages", "MinimalEnergyStage"),
    ("mapping.spatial_mapping_generation", "SpatialMappingGeneratorStage"),
    ("results.reduce_stages", "MinimalEnergyStage"),
    ("mapping.temporal_mapping_generator_stage", "TemporalMappingGeneratorStage"),
    ("evaluation.cost_model_evaluation", "CostModelStage"),
)
#: Words of a memory that is not limited.
ENDLESS = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What ZigZag found.

    Attributes:
        energy_pj: by its own count.
        words: accesses of each level and tensor, by its own count.
        order: temporal loops, the innermost first.
        inside: by tensor, how many of them each of its memories holds, the innermost memory first.
        x, y: loops over the array.
        seconds: of work of its search.
    """

    energy_pj: float
    words: dict[tuple[str, str], float]
    order: tuple[Loop, ...]
    inside: dict[str, tuple[int, ...]]
    x: tuple[Loop, ...]
    y: tuple[Loop, ...]
    seconds: float


def layers() -> dict[str, LayerShape]:
    """All layers that can be asked for."""
    shapes = {layer.name: layer.shape for layer in load_network("resnet18").layers_with_macs}
    return {f"resnet18 {name}": shapes[name] for name in RESNET} | SMALL


def hardware() -> dict[str, Any]:
    """The architecture as ZigZag's YAML has it; a port moves one word, and stalls do not count."""
    memories = {}
    for name, operands in MEMORIES.items():
        level = EYERISS.index(name)
        ways = [f"{o}, {way}" for o in operands for way in ("tl", "fh")]
        ways += ["O, fl", "O, th"] if "O" in operands else []
        memories[name] = {
            "size": (EYERISS.levels[level].words or ENDLESS) * BITS,
            "r_cost": PRICES[level],
            "w_cost": PRICES[level],
            "area": 0,
            "latency": 1,
            "operands": list(operands),
            "ports": [
                {"name": "rw_port_1", "type": "read_write", "bandwidth_min": BITS,
                 "bandwidth_max": BITS, "allocation": ways}
            ],
            "served_dimensions": ["D1", "D2"] if level <= EYERISS.index("buffer") else [],
        }  # fmt: skip
    return {
        "name": "eyeriss_like",
        "memories": memories,
        "operational_array": {
            "unit_energy": MAC_PJ,
            "unit_area": 1,
            "dimensions": ["D1", "D2"],
            "sizes": [EYERISS.levels[1].fanout_x, EYERISS.levels[2].fanout_y],
        },
    }


def workload(shape: LayerShape) -> list[dict[str, Any]]:
    """A layer as ZigZag's YAML has it; without groups and dilation.

    Raises:
        InputError: if it has them.
    """
    if shape.groups > 1 or shape.dilation_height > 1 or shape.dilation_width > 1:
        raise InputError("layers with groups or dilation are not given to ZigZag here")
    top, bottom, left, right = shape.padding
    size = shape.sizes
    names = {there: here for there, here in NAMES.items() if here != "G"}
    return [
        {
            "id": 0,
            "name": "layer",
            "operator_type": "Conv",
            "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
            "dimension_relations": [
                f"ix={shape.stride_width}*ox+1*fx", f"iy={shape.stride_height}*oy+1*fy",
            ],
            "loop_dims": list(names),
            "loop_sizes": [size[here] for here in names.values()],
            "pr_loop_dims": ["IY", "IX"],
            "pr_loop_sizes": [shape.height, shape.width],
            "padding": [[top, bottom], [left, right]],
            "operand_precision": {"W": BITS, "I": BITS, "O": BITS, "O_final": BITS},
            "operand_source": {"W": 0, "I": 0},
        }
    ]  # fmt: skip


def zigzag(shape: LayerShape, *, mixed: bool, temporal: str = "uneven") -> Peer:
    """Run ZigZag on a layer.

    Args:
        mixed: whether several dimensions may share an axis of the array.
        temporal: ``uneven`` or ``even``.

    Raises:
        InputError: if ZigZag is not installed whole, or the layer has groups or dilation.
    """
    given = {
        "accelerator": hardware(),
        "workload": workload(shape),
        "mapping": [{"name": "default", "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"}}],
    }
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        paths = {}
        for name, document in given.items():
            paths[name] = str(Path(folder, f"{name}.yaml"))
            Path(paths[name]).write_text(yaml.safe_dump(document, sort_keys=False))
        evaluation = _run(paths, mixed, temporal)
    return _peer(evaluation, time.process_time() - start)


def _run(paths: dict[str, str], mixed: bool, temporal: str) -> Any:
    """ZigZag's evaluation of its best mapping."""
    try:
        stages = [
            getattr(importlib.import_module(f"zigzag.stages.{module}"), stage)
            for module, stage in STAGES
        ]
        main_stage = importlib.import_module("zigzag.stages.main").MainStage
        kind = importlib.import_module("zigzag.mapping.temporal_mapping").TemporalMappingType
    except ImportError as error:
        raise InputError(
            f"ZigZag cannot be loaded ({error}); run: pip install zigzag-dse==3.9.1"
        ) from None
    logging.disable(logging.WARNING)
    try:
        results = main_stage(
            stages,
            **paths,
            loma_lpf_limit=6,
            loma_show_progress_bar=False,
            nb_mappings_generated=3,
            enable_mix_spatial_mapping_generation=mixed,
            # Here, too, every product takes its operands from the scratchpads.
            access_same_data_considered_as_no_access=False,
            temporal_mapping_type=kind(temporal),
        ).run()
    finally:
        logging.disable(logging.NOTSET)
    return results[0][0]


def _peer(evaluation: Any, seconds: float) -> Peer:
    temporal = evaluation.temporal_mapping.mapping_dic_origin
    order: tuple[Loop, ...] = ()
    inside, words = {}, {}
    for operand, held in temporal.items():
        tensor = OPERANDS[str(operand)]
        loops = [(NAMES[str(dim)], int(times)) for level in held for dim, times in level]
        order = order or tuple(loops)
        if order != tuple(loops):
            raise InputError("ZigZag orders the loops of its operands differently")
        ends = [sum(len(level) for level in held[: n + 1]) for n in range(len(held))]
        inside[tensor] = tuple(ends[:-1])
        memories = [name for name, ops in MEMORIES.items() if LINKS[tensor] in ops]
        for name, access in zip(memories, evaluation.memory_word_access[operand], strict=True):
            words[name, tensor] = sum(access.data.values())
    x, y = _array(evaluation)
    return Peer(
        energy_pj=evaluation.energy_total,
        words=words,
        order=order,
        inside=inside,
        x=x,
        y=y,
        seconds=seconds,
    )


def _array(evaluation: Any) -> tuple[tuple[Loop, ...], tuple[Loop, ...]]:
    """Loops over both axes of the array.

    Where they do not divide a dimension, ZigZag takes as many as all steps have on average; the
    next integer is taken here, and the last step has less to do.
    """
    axes = evaluation.layer.spatial_mapping
    mean: dict[str, float] = {}
    for level in next(iter(evaluation.spatial_mapping.mapping_dict_origin.values())):
        for dim, times in level:
            mean[str(dim)] = mean.get(str(dim), 1.0) * times
    asked = [{str(dim): int(times) for dim, times in axes[axis].items()} for axis in sorted(axes)]
    found = []
    for number, loops in enumerate(asked):
        other = asked[1 - number]
        found.append(
            tuple(
                (NAMES[dim], times if dim in other else math.ceil(mean[dim] - 1e-9))
                for dim, times in loops.items()
            )
        )
    x, y = found
    return x, y


def translated(peer: Peer, tensor: str) -> Mapping:
    """ZigZag's loops, in the memories where it has them for this tensor."""
    ends = peer.inside[tensor]
    own = next(n for n, lv in enumerate(EYERISS.levels) if lv.keeps == (tensor,))
    places = {own: peer.order[: ends[0]], 1: (), 0: peer.order[ends[-1] :]}
    if len(ends) > 1:
        places[1] = peer.order[ends[0] : ends[1]]
    levels = []
    for number, level in enumerate(EYERISS.levels):
        levels.append(
            LevelLoops(
                temporal=tuple(reversed(places.get(number, ()))),
                x=peer.x if number == 1 else (),
                y=peer.y if number == 2 else (),
                keeps=level.keeps,
            )
        )
    return Mapping(tuple(levels))


def counted(shape: LayerShape, peer: Peer) -> list[LevelCounts]:
    """Counts of ZigZag's mapping by this project, tensor by tensor."""
    found = []
    for tensor in TENSORS:
        counts = count(EYERISS, shape, translated(peer, tensor))
        found += [c for c in counts.levels if c.tensor == tensor]
    return found


def energy_pj(shape: LayerShape, counts: Sequence[LevelCounts]) -> float:
    """Every word read or written at its level's price, and the products."""
    words = sum((c.read_words + c.written_words) * PRICES[c.level] for c in counts)
    return words + shape.macs * MAC_PJ


def full(counts: Sequence[LevelCounts]) -> list[str]:
    """Levels whose tiles do not fit."""
    found = []
    for number, level in enumerate(EYERISS.levels):
        tiles = sum(c.tile for c in counts if c.level == number)
        if level.words is not None and tiles > level.words:
            found.append(f"{level.name}: {tiles} of {level.words} words")
    return found


def even(peer: Peer) -> bool:
    """Whether one mapping of this project does the same for all tensors.

    Where a memory holds a tensor's loops up to may move past loops that the tensor does not have.
    There must be one end for the buffer, and the scratchpads' must nest as theirs do.
    """
    ends = {
        (tensor, n): _slide(peer.order, end, RELEVANT[tensor])
        for tensor, inside in peer.inside.items()
        for n, end in enumerate(inside)
    }
    buffer = set(ends["ifmap", 1]) & set(ends["psum", 1])
    return any(
        b >= i >= f >= p
        for b in buffer
        for i in ends["ifmap", 0]
        for f in ends["filter", 0]
        for p in ends["psum", 0]
    )


def _slide(order: Sequence[Loop], end: int, relevant: str) -> range:
    low = high = end
    while low and order[low - 1][0] not in relevant:
        low -= 1
    while high < len(order) and order[high][0] not in relevant:
        high += 1
    return range(low, high + 1)


def ours(shape: LayerShape, effort: str = "thorough") -> tuple[Counts, float]:
    """The best mapping that this project finds, and the seconds of work of the search."""
    start = time.process_time()
    space = Space.of(EYERISS, shape)
    found, _ = best_of(space, effort)
    seconds = time.process_time() - start
    return count(EYERISS, shape, space.mapping(found)), seconds


def compared(name: str, shape: LayerShape) -> tuple[list[Any], Table]:
    """A row of the summary, and the counts of each level and tensor."""
    runs = [zigzag(shape, mixed=mixed) for mixed in (False, True)]
    peer = min(runs, key=lambda p: energy_pj(shape, counted(shape, p)))
    theirs = counted(shape, peer)
    best, seconds = ours(shape)
    rescored, own = energy_pj(shape, theirs), energy_pj(shape, best.levels)
    row = [
        name, f"{peer.energy_pj / 1e6:.3f}", f"{rescored / 1e6:.3f}", f"{own / 1e6:.3f}",
        f"{100 * (own / rescored - 1):+.1f} %", "yes" if own <= rescored else "NO",
        "yes" if even(peer) else "no", "; ".join(full(theirs)) or "yes",
        f"{sum(p.seconds for p in runs):.0f}", f"{seconds:.1f}",
    ]  # fmt: skip
    rows = []
    for c in theirs:
        level = EYERISS.levels[c.level].name
        said, here = peer.words[level, c.tensor], c.read_words + c.written_words
        other = best.of(c.level, c.tensor)
        off = f"{100 * (said / here - 1):+.2f} %"
        own_words = other.read_words + other.written_words
        rows.append((f"{level} {c.tensor}", f"{said:,.0f}", f"{here:,}", off, f"{own_words:,}"))
    nest = " ".join(f"{dim}{times}" for dim, times in reversed(peer.order))
    spatial = " ".join(f"{dim}{times}" for dim, times in peer.x + peer.y)
    return row, table(
        f"{name}: words read and written; ZigZag's loops {nest} over {spatial}",
        ("level, tensor", "ZigZag says", "counted here", "off", "this project's mapping"),
        rows,
    )


def chosen(names: Sequence[str]) -> Iterator[tuple[str, LayerShape]]:
    """Layers by name; all without names.

    Raises:
        InputError: if there is none of a name.
    """
    known = layers()
    for name in names or known:
        if name not in known:
            raise InputError(
                f"layer must be one of {', '.join(known)}, not {name!r}{nearest(name, known)}"
            )
        yield name, known[name]


def main() -> None:
    console = Console(width=150)
    ours(next(iter(SMALL.values())), "quick")  # compiles
    rows = []
    for name, shape in list(chosen(sys.argv[1:])):
        row, detail = compared(name, shape)
        console.print(detail)
        rows.append(row)
    console.print(
        table(
            "Energy, uJ",
            ("layer", "ZigZag, its count", "counted here", "this project's", "", "never worse",
             "one mapping here", "fits", "ZigZag, s", "s"),
            rows,
        )
    )  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
