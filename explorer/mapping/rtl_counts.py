"""Counting mode ``rtl``: what the array of this project does with a layer, and what that costs.

Cycles, accesses of banks and transfers are those of the array's performance model
(``rtl_gen.array.model``), which are those of its RTL; words that the host loads are those of the
compiler's images (``rtl_gen.array.compiler``). Accesses of scratchpads for each product are those
of the PE's primitives (``explorer.accelerators.pe_components``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Named
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from explorer.accelerators.hierarchy import TENSORS
from explorer.mapping.cost import (
    NETWORK,
    PES,
    LayerCost,
    Term,
    costs_of,
    slowest,
    standing_terms,
    values_per_word,
)
from explorer.mapping.counts import Counts, LevelCounts, NetworkCounts, tile_words
from explorer.mapping.mapping import LevelLoops, Mapping
from explorer.mapping.rtl_array import RtlArray, Share
from explorer.mapping.space import Costs
from explorer.networks.layer import LayerShape
from rtl_gen.array.compiler import Shape, Span, Tiling, rows_of_run, shape_layer, spans, stored
from rtl_gen.array.interface import scale_fields
from rtl_gen.array.model import layer_activity

#: What is counted: words that the host loads into banks (``scale``: of each, once), sums that it
#: takes from them; reads and writes of banks, all of a kind together; words written to scratchpads;
#: ifmap values that are read from them, products, sums that PEs hand on, and primitives of PEs.
EVENTS = (
    "ifmap_loads", "filter_loads", "scale_loads", "unloads",
    "ifmap_reads", "filter_reads", "psum_reads", "psum_writes", "scale_reads",
    "ifmap_writes", "filter_writes", "ifmap_values", "products", "psum_outs", "primitives",
)  # fmt: skip
Events = Named[str, int]
#: What is read from scratchpads of operands; ifmap values at each product, if none is held.
_READ = {"ifmap": "ifmap_values", "filter": "products"}
_UNKNOWN = ("energy, area and leakage of banks of scales", "energy of output stages at work")


@dataclass(frozen=True, kw_only=True)
class ArrayPlan:
    """How the array runs a layer.

    Attributes:
        shape: one image of the layer, on the array with its banks, in its tiling.
        share: banks of the buffer for ifmap, filter and psum.
        runs: of all images.
        events: of ``EVENTS``, of all images.
        host_cycles: that loading and unloading take at the DRAM's rates, one after the other, if
            nothing else goes on.
    """

    shape: Shape
    share: Share
    runs: int
    events: Events
    host_cycles: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        design = self.shape.design
        return {
            "tiling": asdict(self.shape.tiling),
            "buffer_banks": dict(zip(TENSORS, self.share, strict=True)),
            "bank_words": [design.ifmap_words, design.filter_words, design.psum_words],
            "runs": self.runs,
            "events": dict(self.events),
            "host_cycles": self.host_cycles,
        }

    def lines(self) -> list[str]:
        """For people."""
        tiling = asdict(self.shape.tiling)
        banks = ", ".join(
            f"{tensor} {'none, from the DRAM' if n is None else n}"
            for tensor, n in zip(TENSORS, self.share, strict=True)
        )
        return [
            "tiling " + ", ".join(f"{name} {n}" for name, n in tiling.items()),
            f"banks of the buffer: {banks}",
            f"{self.runs:,} run{'s' if self.runs > 1 else ''}; loading and unloading alone take "
            f"{self.host_cycles:,} cycles, here beside the work",
        ]


def blocks_of(shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Groups, filter tiles, strips, channel tiles: of a run at most, and how many such parts.

    Raises:
        InputError: if a single pass does not fit the buffer.
    """
    blocks = next(spans(shape)).counts
    totals = (shape.groups, shape.filter_tiles, shape.strips, shape.channel_tiles)
    return blocks, tuple(-(-n // block) for n, block in zip(totals, blocks, strict=True))


def host_words(shape: Shape, images: int, *, requantized: bool) -> dict[str, int]:
    """Words that the host loads for all images of a batch; an image of a bank that is there stays.

    Runs go through groups, filters, strips, channels, the last fastest: filters stay while strips
    go on, if all channels are in one run; ifmaps while filters go on, if strips are, too.
    """
    blocks, (by_group, by_filter, by_strip, by_channel) = blocks_of(shape)
    rows = 0
    for first in range(0, shape.strips, blocks[2]):
        part = (first, min(first + blocks[2], shape.strips))
        span = Span(groups=(0, 1), filters=(0, 1), strips=part, channels=(0, 1))
        rows += rows_of_run(shape, span)[2]
    pixels = rows * stored(shape)[1][1] * shape.groups * shape.channel_tiles * shape.tile_words
    tiles = shape.groups * shape.filter_tiles
    filters = tiles * shape.row_tiles * shape.channel_tiles * shape.active_rows
    filters *= shape.primitive.filter_words(shape.design.pe)
    stay = by_group == by_filter == 1
    scales = tiles * shape.primitive.sums
    if not requantized or shape.design.pe.family == "fp":
        scales = 0
    return {
        "ifmap_loads": images * pixels * (by_filter if by_strip * by_channel > 1 else 1),
        "filter_loads": filters * (by_strip if by_channel > 1 else 1)
        * (1 if stay and by_channel == 1 else images),
        "scale_loads": scales * (1 if stay else images),
    }  # fmt: skip


def events_of(array: RtlArray, shape: Shape, images: int) -> tuple[dict[str, int], int]:
    """Everything that is counted, and busy cycles, of all images.

    Raises:
        InputError: if a single pass does not fit the buffer.
    """
    activity = layer_activity(shape, requantized=array.requantized)
    layer, size = shape.layer, shape.primitive
    found = dict.fromkeys(EVENTS, 0)
    for name, number in activity.counts.items():
        bank = "".join(c for c in name if not c.isdigit())
        if bank in found:
            found[bank] += number
    tiles = shape.groups * shape.filter_tiles * shape.row_tiles * shape.channel_tiles
    primitives = tiles * shape.active_rows * layer.out_height
    found |= {
        "primitives": primitives,
        "ifmap_values": primitives * size.outputs * size.filter_width * size.channels,
        "products": primitives * size.macs,
        "unloads": layer.filters * layer.out_height * layer.out_width,
    }
    found = {name: images * number for name, number in found.items()}
    words = host_words(shape, images, requantized=array.requantized)
    for tensor in ("ifmap", "filter"):
        if not array.keeps(tensor):
            del words[f"{tensor}_loads"]
    return found | words, images * activity.cycles


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What an event costs.

    Attributes:
        event: of ``EVENTS``.
        part, tensor, action, each_pj, origin: as in ``Term``.
        values: that an event moves.
        level: that it is at; -1 if it is none.
        memory_words: of the level that it takes.
    """

    event: str
    part: str
    tensor: str
    action: str
    each_pj: float
    origin: str
    values: float = 1.0
    level: int = -1
    memory_words: float = 0.0

    @property
    def event_pj(self) -> float:
        """Of an event."""
        return self.values * self.each_pj


def charges(array: RtlArray) -> list[Charge]:
    """What all events cost; the same for every layer of these widths."""
    costs = costs_of(array.accelerator, array.energies)
    return [*_at_memories(array, costs), *_in_pes(array, costs), *_on_wires(array, costs)]


def _at_memories(array: RtlArray, costs: Costs) -> list[Charge]:
    """Transfers at the DRAM and the buffer."""
    rows = []
    for tensor in ("ifmap", "filter"):
        loads, reads = f"{tensor}_loads", f"{tensor}_reads"
        if array.keeps(tensor):
            rows += [(0, tensor, "read", loads), (array.buffer, tensor, "write", loads),
                     (array.buffer, tensor, "read", reads)]  # fmt: skip
        else:
            rows.append((0, tensor, "read", reads))
    rows += [(array.buffer, "psum", "read", "psum_reads"),
             (array.buffer, "psum", "write", "psum_writes")]  # fmt: skip
    found = [_access(array, costs, *row) for row in rows]
    # A sum, or the activation made of it, takes a word of a psum bank.
    found.append(_access(array, costs, array.buffer, "psum", "read", "unloads", name="ofmap"))
    level = array.accelerator.hierarchy.levels[0]
    access = array.energies.access[0, "psum"]
    packed = values_per_word(array.accelerator, array.energies, 0, "psum", whole=True)
    found.append(
        Charge(event="unloads", part=level.name, tensor="ofmap", action="write",
               each_pj=access.write_pj / level.access_words / packed, origin=access.origin,
               level=0, memory_words=1 / packed)
    )  # fmt: skip
    bits = sum(scale_fields(array.accelerator.array_design()).values())
    words = bits / level.word_bits
    if array.accelerator.packing == "padded":
        words = math.ceil(words)
    return [
        *found,
        Charge(event="scale_loads", part=level.name, tensor="scale", action="read",
               each_pj=words * access.read_pj / level.access_words, origin=access.origin,
               level=0, memory_words=words),
    ]  # fmt: skip


def _access(
    array: RtlArray, costs: Costs, level: int, tensor: str, action: str, event: str, name: str = ""
) -> Charge:
    """Of a word of the array's banks."""
    each = costs.read_pj if action == "read" else costs.write_pj
    return Charge(
        event=event,
        part=array.accelerator.hierarchy.levels[level].name,
        tensor=name or tensor,
        action=action,
        each_pj=float(each[level, TENSORS.index(tensor)]),
        origin=array.energies.access[level, tensor].origin,
        values=array.word_values[tensor],
        level=level,
        memory_words=array.memory_words(level, tensor),
    )


def _in_pes(array: RtlArray, costs: Costs) -> list[Charge]:
    """Of the PEs and their scratchpads."""
    levels, energies = array.accelerator.hierarchy.levels, array.energies
    at = {tensor: level for level, tensor in array.accelerator.own_levels.items()}
    reads = {**_READ, "psum": "products"}
    if "ifmap" not in energies.held:
        reads["ifmap"] = "products"
    writes = {"ifmap": "ifmap_writes", "filter": "filter_writes", "psum": "products"}
    found = []
    for t, tensor in enumerate(TENSORS):
        level = at[tensor]
        for action, event, each in (
            ("read", reads[tensor], costs.read_pj),
            ("write", writes[tensor], costs.write_pj),
        ):
            words = action == "write" and tensor != "psum"
            found.append(
                Charge(event=event, part=levels[level].name, tensor=tensor, action=action,
                       each_pj=float(each[level, t]), origin=energies.access[level, tensor].origin,
                       values=array.word_values[tensor] if words else 1.0)
            )  # fmt: skip
    for event, tensor, action, pj in (
        ("products", "", "multiply-accumulate", energies.mac_pj),
        ("psum_outs", "psum", "forward", energies.forward_pj),
        ("primitives", "", "configure", energies.configure_pj),
    ):
        found.append(Charge(event=event, part=PES, tensor=tensor, action=action, each_pj=pj,
                            origin=energies.pe_origin))  # fmt: skip
    return found


def _on_wires(array: RtlArray, costs: Costs) -> list[Charge]:
    """Of the buses, which reach all PEs; a sum goes along its column, and to its bank."""
    found = []
    hierarchy = array.accelerator.hierarchy
    for v, level in enumerate(hierarchy.levels):
        if level.fanout == 1:
            continue
        for tensor, event in (
            ("ifmap", "ifmap_reads"), ("filter", "filter_reads"),
            ("psum", "psum_reads"), ("psum", "psum_writes"),
        ):  # fmt: skip
            wires = 1 if tensor == "psum" else hierarchy.instances[v]
            found.append(
                Charge(event=event, part=NETWORK, tensor=tensor, action=f"below {level.name}",
                       each_pj=float(costs.hop_pj[v, TENSORS.index(tensor)]),
                       origin=array.energies.hop_origin, values=wires * array.word_values[tensor])
            )  # fmt: skip
    return found


def memory_words(
    rates: Sequence[Charge], events: Events, level_count: int
) -> dict[int, tuple[float, float]]:
    """Memory words that DRAM and buffer read and write."""
    found = {v: [0.0, 0.0] for v in range(level_count)}
    for charge in rates:
        if 0 <= charge.level < level_count:
            written = charge.action == "write"
            found[charge.level][written] += charge.memory_words * events[charge.event]
    return {v: (read, written) for v, (read, written) in found.items() if read or written}


def evaluate_tiling(array: RtlArray, layer: LayerShape, tiling: Tiling, share: Share) -> LayerCost:
    """Cost of a layer on the array in a tiling.

    Args:
        array: the array, with energies at the layer's widths.
        layer: all its images; they are run one after the other.
        tiling: how it is laid out on the array.
        share: banks of the buffer, of ``array.shares()``.

    Raises:
        InputError: if the array has no such layer, or the tiling does not fit.
    """
    on, energies = array.accelerator, array.energies
    shape = shape_layer(array.design(share), array.layer(layer), tiling, array.mode)
    events, busy = events_of(array, shape, layer.batch)
    priced = charges(array)
    moved = memory_words(priced, events, len(on.hierarchy.levels))
    used = dict.fromkeys(moved, 1)
    cycles = math.ceil(slowest(on.hierarchy, used, moved, busy))
    terms = [
        Term(part=c.part, tensor=c.tensor, action=c.action, times=c.values * events[c.event],
             each_pj=c.each_pj, origin=c.origin)
        for c in priced
    ]  # fmt: skip
    terms += standing_terms(on, energies, cycles)
    mapping = equivalent_nest(array, shape, layer)
    return LayerCost(
        mapping=mapping,
        counts=_counts(array, shape, layer, mapping, events),
        terms=tuple(term for term in terms if term.times),
        cycles=cycles,
        busy_cycles=busy,
        rates={
            on.hierarchy.levels[v].name: (read / cycles, written / cycles)
            for v, (read, written) in moved.items()
        },
        utilization=layer.macs / (cycles * on.mac_units * energies.macs_per_cycle),
        period_ps=on.period_ps,
        least_period_ps=energies.period_ps,
        area_um2=sum(amount.value for amount in energies.area_um2.values()),
        unknown=(*energies.unknown, *_UNKNOWN, *(["savings of zeros"] if layer.has_zeros else [])),
        plan=_plan(array, shape, layer, share, events, priced),
    )


def _plan(
    array: RtlArray,
    shape: Shape,
    layer: LayerShape,
    share: Share,
    events: Events,
    priced: Sequence[Charge],
) -> ArrayPlan:
    dram = array.accelerator.hierarchy.levels[0]
    hosts = [c for c in priced if c.event == "unloads" or c.event.endswith("_loads")]
    moved = memory_words(hosts, events, 1)[0]
    rates = (dram.read_words_per_cycle, dram.write_words_per_cycle)
    alone = sum(words / rate for words, rate in zip(moved, rates, strict=True) if rate)
    _, parts = blocks_of(shape)
    return ArrayPlan(
        shape=shape, share=share, runs=layer.batch * math.prod(parts), events=events,
        host_cycles=math.ceil(alone),
    )  # fmt: skip


def _counts(
    array: RtlArray, shape: Shape, layer: LayerShape, mapping: Mapping, events: Events
) -> Counts:
    """The events as counts of levels, in values."""
    found: dict[tuple[int, str], dict[str, float]] = {}
    values, dram = array.word_values, 0
    own = {tensor: level for level, tensor in array.accelerator.own_levels.items()}
    for tensor in ("ifmap", "filter"):
        reads, loads, writes = (
            values[tensor] * events[f"{tensor}_{what}"] for what in ("reads", "loads", "writes")
        )
        found[dram, tensor] = {"reads": loads if array.keeps(tensor) else reads}
        if array.keeps(tensor):
            found[array.buffer, tensor] = {"fills": loads, "reads": reads}
        found[own[tensor], tensor] = {"fills": writes, "reads": events[_READ[tensor]]}
    if "ifmap" not in array.energies.held:
        found[own["ifmap"], "ifmap"]["reads"] = events["products"]
    sums, products = events["psum_outs"], events["products"]
    found[dram, "psum"] = {"updates": events["unloads"]}
    found[array.buffer, "psum"] = {
        "updates": events["psum_writes"], "accumulations": events["psum_reads"],
        "drains": events["unloads"],
    }  # fmt: skip
    found[own["psum"], "psum"] = {
        "updates": products, "accumulations": products - sums, "drains": sums,
    }  # fmt: skip
    tiles = _tiles(array, shape)
    pes = shape.active_rows * shape.columns_of(0)
    levels = [
        LevelCounts(
            level=level, tensor=tensor, instances=1 if level <= array.buffer else pes,
            tile=tiles.get((level, tensor)) or tile_words(layer, mapping, tensor, level),
            **{name: round(number) for name, number in kinds.items()},
        )
        for (level, tensor), kinds in found.items()
    ]  # fmt: skip
    levels.sort(key=lambda c: (c.level, TENSORS.index(c.tensor)))
    passes = events["primitives"] * shape.strips // (shape.active_rows * shape.layer.out_height)
    size = shape.primitive
    return Counts(
        mode="rtl", macs=layer.macs, steps=passes * size.outputs * size.steps(array.pe),
        levels=tuple(levels), network=_network(array, events),
    )  # fmt: skip


def _tiles(array: RtlArray, shape: Shape) -> dict[tuple[int, str], int]:
    """The most values that the banks of the buffer hold, in the first run, and a PE."""
    span = next(spans(shape))
    groups, filters, strips, channels = span.counts
    rows = min(strips * shape.tiling.columns, shape.layer.out_height)
    size, pe = shape.primitive, array.pe
    words = {
        (array.buffer, "ifmap"): rows_of_run(shape, span)[2] * stored(shape)[1][1] * groups
        * channels * shape.tile_words,
        (array.buffer, "filter"): groups * filters * shape.row_tiles * channels
        * shape.active_rows * size.filter_words(pe),
        (array.buffer, "psum"): groups * filters * rows * size.outputs * size.sums,
    }  # fmt: skip
    for level, tensor in array.accelerator.own_levels.items():
        words[level, tensor] = {
            "ifmap": size.window_words(pe), "filter": size.filter_words(pe), "psum": size.sums,
        }[tensor]  # fmt: skip
    return {
        (level, tensor): round(number * array.word_values[tensor])
        for (level, tensor), number in words.items()
    }


def _network(array: RtlArray, events: Events) -> tuple[NetworkCounts, ...]:
    found = []
    for v, level in enumerate(array.accelerator.hierarchy.levels):
        if level.fanout == 1:
            continue
        wires = array.accelerator.hierarchy.instances[v]
        for tensor, words in (
            ("ifmap", wires * events["ifmap_reads"]),
            ("filter", wires * events["filter_reads"]),
            ("psum", events["psum_reads"] + events["psum_writes"]),
        ):
            values = round(words * array.word_values[tensor])
            found.append(NetworkCounts(level=v, tensor=tensor, words=values))
    return tuple(found)


def equivalent_nest(array: RtlArray, shape: Shape, layer: LayerShape) -> Mapping:
    """The loop nest of a tiling: runs at the DRAM, passes at the buffer, a primitive in the PE."""
    hierarchy = array.accelerator.hierarchy
    blocks, parts = blocks_of(shape)
    tiling, size = shape.tiling, shape.primitive
    inner_groups = tiling.channels if shape.layer.depthwise else 1
    channels = 1 if shape.layer.depthwise else tiling.channels
    runs = [("N", layer.batch), *zip("GMPC", parts, strict=True)]
    group, filters, strips, channel_tiles = blocks
    passes = [("G", group), ("M", filters), ("R", shape.row_tiles), ("C", channel_tiles),
              ("P", strips), ("Q", size.outputs)]  # fmt: skip
    inside = [("S", size.filter_width), ("G", inner_groups), ("C", channels),
              ("M", tiling.filters)]  # fmt: skip
    across = {
        "fanout_x": [("P", tiling.columns)],
        "fanout_y": [("C", tiling.sets), ("R", tiling.filter_rows)],
    }
    found = []
    for v, level in enumerate(hierarchy.levels):
        loops = {0: runs, array.buffer: passes, len(hierarchy.levels) - 1: inside}.get(v, [])
        x, y = (across[a] if getattr(level, a) > 1 else [] for a in ("fanout_x", "fanout_y"))
        nest = [tuple((d, n) for d, n in part if n > 1) for part in (loops, x, y)]
        found.append(LevelLoops(temporal=nest[0], x=nest[1], y=nest[2], keeps=level.keeps))
    return Mapping(tuple(found))
