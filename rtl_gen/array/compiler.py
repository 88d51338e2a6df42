"""From a layer, its operands and a tiling to register values and images of the buffer.

The array (``rtl_gen.array.top``) computes a part of a layer that fits its buffer in one *run*; a
layer that does not fit is several runs. Imports no Amaranth.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer, check_operands, convolve
from rtl_gen.array.registers import FIELD_BITS, register_words
from rtl_gen.errors import InputError, require_bool, require_int, require_integers
from rtl_gen.golden import CONFIG_FIELDS, Primitive, Words, convolve_row, wrap
from rtl_gen.packing import pack
from rtl_gen.requantize import MAX_SHIFT, float_activations, requantize
from rtl_gen.streams import filter_words

#: Runs that a layer may take; a fully-connected layer of 100 million weights has some 25,000.
MOST_RUNS = 1_000_000
#: Runs that are compiled: all images are in memory at once.
MOST_COMPILED = 10_000
#: The most that registers of the controller, and its counter of ifmap rows, hold.
_REGISTERS = {
    "rows of the ifmap": (1 << FIELD_BITS["stored_rows"]) - 1,
    "words of a pixel": (1 << FIELD_BITS["pixel_words"]) - 1,
    "words of a row": (1 << FIELD_BITS["row_words"]) - 1,
    "channel tiles": 1 << FIELD_BITS["channel_tiles"],
}
_ROW_TILES = 1 << FIELD_BITS["row_tiles"]
_MOST_COLUMNS = 1 << CONFIG_FIELDS["outputs"]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How a layer is laid out on an array.

    Attributes:
        filters: p, filters of a pass; depthwise: of a channel.
        channels: q, channels that a PE interleaves.
        filter_rows: filter rows of a pass, one in each row of PEs.
        sets: sets of such rows of PEs, each with q channels of its own.
        columns: columns of PEs, each with an ofmap row.
    """

    filters: int
    channels: int
    filter_rows: int
    sets: int
    columns: int


@dataclass(frozen=True, kw_only=True)
class Scales:
    """What the output stage does (``rtl_gen.requantize``); for ``fp``, ``relu`` alone.

    Attributes:
        multiplier, shift, bias: of each filter, ``[M]``.
        relu: negative sums become zero.
    """

    multiplier: Words
    shift: Words
    bias: Words
    relu: bool = False


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A layer on an array: everything that does not depend on operands.

    Attributes:
        design, layer, tiling, mode: what it was made of.
        primitive: of every PE; depthwise layers use the PE's depthwise primitive.
        groups, filter_tiles, row_tiles, channel_tiles, strips: numbers of tiles; channels of a
            depthwise layer are ``groups``.
        row_stride: ifmap rows from one ofmap row to the next, those that no window covers left out.
    """

    design: ArrayDesign
    layer: Layer
    tiling: Tiling
    mode: int
    primitive: Primitive
    groups: int
    filter_tiles: int
    row_tiles: int
    channel_tiles: int
    strips: int
    row_stride: int

    @property
    def filters_of_group(self) -> int:
        """Filters of a group, or of a channel if depthwise."""
        return self.layer.filters // self.layer.groups

    @property
    def channel_words(self) -> int:
        """Ifmap words of q channels."""
        return self.primitive.groups(self.design.pe)

    @property
    def tile_words(self) -> int:
        """Ifmap words of a pixel in a channel tile."""
        return self.tiling.sets * self.channel_words

    @property
    def active_rows(self) -> int:
        """Rows of PEs in use."""
        return self.tiling.filter_rows * self.tiling.sets

    def columns_of(self, strip: int) -> int:
        """Columns of PEs in use in a strip of ofmap rows."""
        left = self.layer.out_height - strip * self.tiling.columns
        return min(self.tiling.columns, left)


def shape_layer(design: ArrayDesign, layer: Layer, tiling: Tiling, mode: int = 0) -> Shape:
    """Check a tiling.

    Raises:
        InputError: if it does not fit the array or its PEs; the message says what is too large.
    """
    pe = design.pe
    require_int("mode", mode, 0, pe.precision_modes - 1)
    for field in fields(tiling):
        require_int(f"tiling: {field.name}", getattr(tiling, field.name), 1, 1 << 12)
    depthwise = layer.depthwise
    if depthwise and tiling.sets > 1:
        raise InputError(
            f"tiling: sets must be 1 for a depthwise layer, whose channels are not added up, "
            f"not {tiling.sets}"
        )
    used = tiling.filter_rows * tiling.sets
    if used > design.rows:
        raise InputError(
            f"tiling: filter_rows x sets must be at most rows = {design.rows}, not {used}"
        )
    if tiling.columns > design.columns:
        raise InputError(
            f"tiling: columns must be at most columns = {design.columns}, not {tiling.columns}"
        )
    if layer.out_width > _MOST_COLUMNS:
        raise InputError(
            f"the ofmap must have at most {_MOST_COLUMNS:,} columns, not {layer.out_width:,}"
        )
    row_tiles = math.ceil(layer.filter_height / tiling.filter_rows)
    if row_tiles > _ROW_TILES:
        raise InputError(
            f"tiling: filter_rows must be at least {math.ceil(layer.filter_height / _ROW_TILES)} "
            f"for a filter of {layer.filter_height} rows, which are taken in at most {_ROW_TILES} "
            f"tiles, not {tiling.filter_rows}"
        )
    primitive = Primitive(
        filter_width=layer.filter_width, channels=tiling.channels, filters=tiling.filters,
        outputs=layer.out_width, stride=layer.stride, depthwise=depthwise, mode=mode,
    )  # fmt: skip
    try:
        primitive.check(pe)
    except InputError as error:
        raise InputError(f"tiling: {error}") from None
    of_group = layer.filters // layer.groups
    channels = tiling.sets * tiling.channels
    if depthwise:
        groups, channel_tiles = math.ceil(layer.channels / tiling.channels), 1
    else:
        groups, channel_tiles = layer.groups, math.ceil(layer.group_channels / channels)
    return Shape(
        design=design, layer=layer, tiling=tiling, mode=mode, primitive=primitive,
        groups=groups, filter_tiles=math.ceil(of_group / tiling.filters),
        row_tiles=row_tiles,
        channel_tiles=channel_tiles,
        strips=math.ceil(layer.out_height / tiling.columns),
        row_stride=min(layer.stride, layer.filter_height),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Span:
    """The part of a layer that a run computes: ranges of tiles, ends not included.

    A run that has not all channel tiles goes on from the sums in the buffer, or leaves sums there.
    """

    groups: tuple[int, int]
    filters: tuple[int, int]
    strips: tuple[int, int]
    channels: tuple[int, int]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Tiles of each kind."""
        groups, filters, strips, channels = (
            last - first for first, last in (self.groups, self.filters, self.strips, self.channels)
        )
        return groups, filters, strips, channels


def check_runs(shape: Shape, most: int = MOST_RUNS) -> int:
    """Number of runs of a layer that its array can run.

    Args:
        most: there may be.

    Raises:
        InputError: if a single pass does not fit the buffer, or the runs are more.
    """
    blocks, totals = _blocks(shape)
    count = math.prod(math.ceil(total / block) for block, total in zip(blocks, totals, strict=True))
    if count > most:
        raise InputError(
            f"the layer needs {count:,} runs, more than {most:,}: choose a larger buffer, or a "
            "smaller layer"
        )
    return count


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a host does once: load the images, write the registers, start, wait.

    Attributes:
        span: the part of the layer.
        registers: value of every field.
        images: words of each bank, from its first; banks of psums are left as they are.
    """

    span: Span
    registers: Mapping[str, int]
    images: Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Program:
    """All runs of a layer.

    Attributes:
        shape: the layer on its array.
        scales: of the output stage; None leaves sums in the buffer.
        runs: in order.
    """

    shape: Shape
    scales: Scales | None
    runs: tuple[Run, ...]

    def ofmap(self, banks: Sequence[Mapping[str, Words]]) -> Words:
        """The ofmap ``[rows, columns, M]`` from the banks of psums as each run left them.

        Args:
            banks: for each run, words of ``psum0``, ``psum1``, ... as unsigned integers.
        """
        shape, pe = self.shape, self.shape.design.pe
        layer, sums = shape.layer, shape.primitive.sums
        result = np.zeros(
            (layer.out_height, layer.out_width, shape.groups, shape.filter_tiles, sums),
            dtype=np.int64,
        )
        for run, bank in zip(self.runs, banks, strict=True):
            for name, words in bank.items():
                at = 0
                for group, tile, rows in _regions(shape, run.span, int(name.removeprefix("psum"))):
                    count = layer.out_width * len(rows) * sums
                    region = words[at : at + count].reshape(layer.out_width, len(rows), sums)
                    result[rows, :, group, tile] = region.swapaxes(0, 1)
                    at += count
        return _of_layer(shape, result if pe.family == "fp" else wrap(result, pe.psum_bits))

    def expected(self, ifmap: Words, weights: Words) -> Words:
        """What ``ofmap`` must be: the sums of the layer, or what the output stage makes of them."""
        shape, pe, scales = self.shape, self.shape.design.pe, self.scales
        if pe.family == "fp":
            sums = sums_in_order(shape, ifmap, weights)
        else:
            sums = convolve(pe, shape.layer, ifmap, weights, shape.mode)
        return sums if scales is None else _finish(shape, scales, sums)


def compile_layer(
    shape: Shape, ifmap: Words, weights: Words, scales: Scales | None = None
) -> Program:
    """Register values and images of all runs.

    Args:
        ifmap, weights: as ``rtl_gen.array.layer.check_operands``.
        scales: of the output stage; None leaves the sums themselves in the buffer.

    Raises:
        InputError: if an operand is not legal, or a single pass does not fit the buffer.
    """
    design, layer = shape.design, shape.layer
    check_runs(shape, MOST_COMPILED)
    ifmap, weights = check_operands(design.pe, layer, ifmap, weights, shape.mode)
    if scales is not None:
        _check_scales(shape, scales)
    pixels = _pixel_words(shape, ifmap)
    streams = _filter_streams(shape, weights)
    runs = []
    for span in spans(shape):
        last = span.channels[1] == shape.channel_tiles
        finish = scales is not None and last
        images = {**_ifmap_images(shape, span, pixels), **_filter_images(shape, span, streams)}
        if finish and design.pe.family != "fp":
            assert scales is not None
            images |= _scale_images(shape, span, scales)
        relu = scales is not None and finish and scales.relu
        registers = _registers(shape, span, requantized=finish, relu=relu)
        register_words(design, registers)
        runs.append(Run(span=span, registers=registers, images=images))
    return Program(shape=shape, scales=scales, runs=tuple(runs))


def expected_banks(program: Program, ifmap: Words, weights: Words) -> list[dict[str, Words]]:
    """What each run must leave in the banks of psums, from their first words on.

    Returns:
        For each run, words of ``psum0``, ``psum1``, ... as signed integers.
    """
    shape, pe = program.shape, program.shape.design.pe
    sums = sums_of_tiles(shape, ifmap, weights)
    result = []
    for run in program.runs:
        words = sums[run.span.channels[1]]
        if program.scales is not None and run.registers["requantize"]:
            # Of all tiles, those of the padding included.
            words = _finish(shape, _scales_of_tiles(shape, program.scales), words)
        if pe.family != "fp":
            words = wrap(words, pe.psum_bits)
        banks = {}
        for k in range(shape.design.psum_buses):
            regions = [
                words[rows, :, group, tile].swapaxes(0, 1).ravel()
                for group, tile, rows in _regions(shape, run.span, k)
            ]
            banks[f"psum{k}"] = np.concatenate([np.zeros(0, dtype=np.int64), *regions])
        result.append(banks)
    return result


def psum_words(shape: Shape, span: Span) -> dict[str, int]:
    """Words that a run writes into each bank of psums."""
    column = shape.layer.out_width * shape.primitive.sums
    return {
        f"psum{k}": sum(len(rows) * column for _, _, rows in _regions(shape, span, k))
        for k in range(shape.design.psum_buses)
    }


def _regions(shape: Shape, span: Span, bus: int) -> Iterator[tuple[int, int, Words]]:
    """Group, filter tile and ofmap rows of what a run leaves in a bank, in this order.

    Each region has these rows of all ofmap columns: column, row, sum; the last fastest.
    """
    for group, tile, strip in itertools.product(
        range(*span.groups), range(*span.filters), range(*span.strips)
    ):
        rows = np.arange(bus, shape.columns_of(strip), shape.design.psum_buses)
        if len(rows):
            yield group, tile, strip * shape.tiling.columns + rows


def _finish(shape: Shape, scales: Scales, sums: Words) -> Words:
    """What the output stage makes of sums, whose last axes are those of the scales."""
    pe = shape.design.pe
    if pe.family == "fp":
        return float_activations(
            sums, relu=scales.relu, psum_bits=pe.psum_bits, act_bits=pe.act_bits
        )
    return requantize(
        sums, scales.multiplier, scales.shift, bias=scales.bias, relu=scales.relu,
        act_bits=pe.act_bits, act_signed=pe.act_signed,
    )  # fmt: skip


def _scales_of_tiles(shape: Shape, scales: Scales) -> Scales:
    """The scales ``[groups, filter tiles, sums]``; 0 where there is no filter."""
    multiplier, shift, bias = (
        _of_tiles(shape, values) for values in (scales.multiplier, scales.shift, scales.bias)
    )
    return Scales(multiplier=multiplier, shift=shift, bias=bias, relu=scales.relu)


def sums_in_order(shape: Shape, ifmap: Words, weights: Words) -> Words:
    """The sums of a layer ``[rows, columns, M]`` as the array adds them up.

    In every PE as ``rtl_gen.golden.convolve_row``, then up the column of PEs, then over the channel
    tiles of a run, then over row tiles, then over runs. For integers, the order does not matter.

    Raises:
        InputError: if a pass does not fit the buffer.
    """
    *_, result = sums_of_tiles(shape, ifmap, weights).values()
    return _of_layer(shape, result)


def _of_layer(shape: Shape, sums: Words) -> Words:
    """``[rows, columns, M]`` from those of all tiles, without those of the padding."""
    layer, tiling = shape.layer, shape.tiling
    if layer.depthwise:  # [..., channel block, tile, channel, filter]
        sums = sums.reshape(*sums.shape[:4], tiling.channels, tiling.filters)
        sums = np.moveaxis(sums, 3, 4)
    filters = shape.filter_tiles * tiling.filters
    per_group = sums.reshape(layer.out_height, layer.out_width, -1, filters)
    kept = per_group[:, :, : layer.groups, : shape.filters_of_group]
    return kept.reshape(layer.out_height, layer.out_width, layer.filters)


def _of_tiles(shape: Shape, values: Words) -> Words:
    """``[groups, filter tiles, sums]`` from values of each filter; 0 where there is no filter."""
    layer, tiling = shape.layer, shape.tiling
    tiles = shape.filter_tiles
    channels = tiling.channels if layer.depthwise else 1
    per_group = np.asarray(values, dtype=np.int64).reshape(layer.groups, -1)
    missing = shape.groups * channels - layer.groups
    more = tiles * tiling.filters - shape.filters_of_group
    padded = np.pad(per_group, ((0, missing), (0, more)))
    blocks = padded.reshape(shape.groups, channels, tiles, tiling.filters).swapaxes(1, 2)
    return blocks.reshape(shape.groups, tiles, shape.primitive.sums)


def sums_of_tiles(shape: Shape, ifmap: Words, weights: Words) -> dict[int, Words]:
    """The sums after each part of the channel tiles that a run has, by where the part ends.

    Returns:
        Sums ``[rows, columns, groups, filter tiles, sums]``, those of the padding included.
    """
    layer, tiling, size = shape.layer, shape.tiling, shape.primitive
    acts = _padded_channels(shape, ifmap)
    top, _, left, _ = layer.padding
    height = (layer.out_height - 1) * layer.stride + shape.row_tiles * tiling.filter_rows
    space = np.zeros((height, size.ifmap_columns, *acts.shape[2:]), dtype=np.int64)
    part = acts[: max(0, height - top), : max(0, size.ifmap_columns - left)]
    space[top : top + part.shape[0], left : left + part.shape[1]] = part
    filters = _padded_filters(shape, weights)
    shared = (
        layer.out_height, layer.out_width, shape.groups, shape.filter_tiles, size.sums,
    )  # fmt: skip
    sums: Words | None = None
    result = {}
    for first, last in sorted({span.channels for span in spans(shape)}):
        following = np.zeros(shared, dtype=np.int64)
        for y, group, tile in itertools.product(
            range(layer.out_height), range(shape.groups), range(shape.filter_tiles)
        ):
            before = None if sums is None else sums[y, :, group, tile]
            rows = space[y * layer.stride :, :, group, first:last]
            following[y, :, group, tile] = _sums_of_run(
                shape, rows, filters[group, tile, :, :, first:last], before
            )
        result[last] = sums = following
    return result


def _sums_of_run(shape: Shape, rows: Words, filters: Words, sums: Words | None) -> Words:
    """Sums of an ofmap row, from those in the buffer.

    Args:
        rows: ifmap from its first row on, ``[row, column, channel tiles, sets, q]``.
        filters: ``[row, S, channel tiles, sets, q, p]``.
    """
    tiling = shape.tiling
    for row_tile, channel_tile in itertools.product(range(shape.row_tiles), range(rows.shape[2])):
        for i in reversed(range(shape.active_rows)):
            of_set, row = divmod(i, tiling.filter_rows)
            row += row_tile * tiling.filter_rows
            sums = convolve_row(
                shape.design.pe, replace(shape.primitive, chain=sums is not None),
                rows[row, :, channel_tile, of_set], filters[row, :, channel_tile, of_set], sums,
            )  # fmt: skip
    assert sums is not None
    return sums


def _check_scales(shape: Shape, scales: Scales) -> None:
    pe, filters = shape.design.pe, shape.layer.filters
    require_bool("relu", scales.relu)
    half = 1 << (pe.psum_bits - 1)
    for name, low, high in (
        ("multiplier", 0, (1 << shape.design.scale_bits) - 1),
        ("shift", 0, MAX_SHIFT),
        ("bias", -half, half - 1),
    ):
        require_integers(name, getattr(scales, name), low, high, (filters,))


def _padded_channels(shape: Shape, ifmap: Words) -> Words:
    """Activations ``[H, W, groups, channel tiles, sets, q]``, zero where there is no channel."""
    layer, tiling = shape.layer, shape.tiling
    if layer.depthwise:
        missing = shape.groups * tiling.channels - layer.channels
        padded = np.pad(ifmap, ((0, 0), (0, 0), (0, missing)))
        return padded.reshape(*ifmap.shape[:2], shape.groups, 1, 1, tiling.channels)
    grouped = ifmap.reshape(*ifmap.shape[:2], layer.groups, layer.group_channels)
    missing = shape.channel_tiles * tiling.sets * tiling.channels - layer.group_channels
    padded = np.pad(grouped, ((0, 0), (0, 0), (0, 0), (0, missing)))
    return padded.reshape(*grouped.shape[:3], shape.channel_tiles, tiling.sets, tiling.channels)


def _padded_filters(shape: Shape, weights: Words) -> Words:
    """Codes ``[groups, filter tiles, row, S, channel tiles, sets, q, p]``, padded with 0."""
    layer, tiling = shape.layer, shape.tiling
    rows = shape.row_tiles * tiling.filter_rows
    codes = weights.reshape(
        layer.filter_height, layer.filter_width, layer.group_channels, layer.groups,
        shape.filters_of_group,
    )  # fmt: skip
    missing = [rows - layer.filter_height, 0, 0, 0,
               shape.filter_tiles * tiling.filters - shape.filters_of_group]  # fmt: skip
    if layer.depthwise:
        missing[3] = shape.groups * tiling.channels - layer.channels
    else:
        missing[2] = shape.channel_tiles * tiling.sets * tiling.channels - layer.group_channels
    codes = np.pad(codes, [(0, count) for count in missing])
    if layer.depthwise:  # row, S, 1, blocks, q, tiles, p
        codes = codes.reshape(
            rows, layer.filter_width, 1, shape.groups, tiling.channels, shape.filter_tiles,
            tiling.filters,
        )  # fmt: skip
        return codes.transpose(3, 5, 0, 1, 2, 4, 6)[:, :, :, :, :, None]
    codes = codes.reshape(
        rows, layer.filter_width, shape.channel_tiles, tiling.sets, tiling.channels, layer.groups,
        shape.filter_tiles, tiling.filters,
    )  # fmt: skip
    return codes.transpose(5, 6, 0, 1, 2, 3, 4, 7)


def _covered(outputs: int, size: int, stride: int) -> Words:
    """Places of the padded ifmap that a window covers, one way."""
    places = np.arange((outputs - 1) * stride + size)
    return places[places % stride < size]


@functools.lru_cache(maxsize=256)
def stored(shape: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first, number) of the rows, and of the columns, that are not padding.

    Counted in the padded ifmap without what no window covers.
    """
    layer = shape.layer
    top, _, left, _ = layer.padding
    result = []
    for outputs, size, before, real in (
        (layer.out_height, layer.filter_height, top, layer.height),
        (layer.out_width, layer.filter_width, left, layer.width),
    ):
        places = _covered(outputs, size, layer.stride)
        result.append(
            (int((places < before).sum()),
             int(((places >= before) & (places < before + real)).sum()))
        )  # fmt: skip
    return result[0], result[1]


def _pixel_words(shape: Shape, ifmap: Words) -> Words:
    """Stored ifmap words ``[rows, columns, groups, channel tiles, words]``."""
    layer, pe = shape.layer, shape.design.pe
    top, _, left, _ = layer.padding
    rows = _covered(layer.out_height, layer.filter_height, layer.stride) - top
    columns = _covered(layer.out_width, layer.filter_width, layer.stride) - left
    rows = rows[(rows >= 0) & (rows < layer.height)]
    columns = columns[(columns >= 0) & (columns < layer.width)]
    mode = pe.modes[shape.mode]
    acts = _padded_channels(shape, ifmap)[rows][:, columns]
    lanes = acts.reshape(*acts.shape[:4], shape.tile_words, mode.products)
    return pack(lanes, mode.act_bits)


def _filter_streams(shape: Shape, weights: Words) -> dict[tuple[int, ...], list[int]]:
    """Filter words of a PE by (group, filter tile, row tile, channel tile, row of PEs)."""
    tiling = shape.tiling
    filters = _padded_filters(shape, weights)
    result: dict[tuple[int, ...], list[int]] = {}
    for index in itertools.product(
        range(shape.groups), range(shape.filter_tiles), range(shape.row_tiles),
        range(shape.channel_tiles), range(shape.active_rows),
    ):  # fmt: skip
        group, tile, row_tile, channel_tile, i = index
        of_set, row = divmod(i, tiling.filter_rows)
        row += row_tile * tiling.filter_rows
        codes = filters[group, tile, row, :, channel_tile, of_set]
        result[index] = filter_words(shape.design.pe, shape.primitive, codes)
    return result


def spans(shape: Shape) -> Iterator[Span]:
    """The parts of a layer, each as large as the buffer allows; channel tiles are innermost."""
    for groups, filters, strips, channels in itertools.product(*_ranges(shape)):
        yield Span(groups=groups, filters=filters, strips=strips, channels=channels)


def distinct_spans(shape: Shape) -> Iterator[tuple[Span, int]]:
    """Parts of a layer that stand for all: how many take the same cycles and accesses.

    Groups and filter tiles matter by their number alone; strips also by their stored rows, channel
    tiles by what they begin with and whether they are the last.
    """
    groups, filters, strips, channels = _ranges(shape)
    kinds = (
        _alike(groups, lambda part: part[1] - part[0]),
        _alike(filters, lambda part: part[1] - part[0]),
        _alike(
            strips,
            lambda part: (
                part[1] - part[0],
                _rows_of_strips(shape, part)[1:],
                shape.columns_of(part[1] - 1),
            ),
        ),
        _alike(channels, lambda part: (part[1] - part[0], part[0] > 0, part == channels[-1])),
    )
    for parts in itertools.product(*kinds):
        span = Span(groups=parts[0][0], filters=parts[1][0], strips=parts[2][0],
                    channels=parts[3][0])  # fmt: skip
        yield span, math.prod(times for _, times in parts)


def _alike(
    ranges: Sequence[tuple[int, int]], key: Callable[[tuple[int, int]], object]
) -> list[tuple[tuple[int, int], int]]:
    """One range of each kind, and how many there are."""
    counts: dict[object, int] = Counter(map(key, ranges))
    first = {key(part): part for part in reversed(ranges)}
    return [(first[kind], times) for kind, times in counts.items()]


def _ranges(shape: Shape) -> list[list[tuple[int, int]]]:
    """Of groups, filter tiles, strips and channel tiles: those of each run."""
    return [
        [(first, min(first + block, total)) for first in range(0, total, block)]
        for block, total in zip(*_blocks(shape), strict=True)
    ]


def _blocks(shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Groups, filter tiles, strips, channel tiles: how many a run has at most, and the layer."""
    totals = (shape.groups, shape.filter_tiles, shape.strips, shape.channel_tiles)
    blocks = list(totals)
    # What makes a bank's content, or a number, smaller, first what costs least.
    remedies = {
        "ifmap": (2, 3, 0), "filter": (1, 0, 3), "psum": (2, 1, 0), "scale": (1, 0),
        "rows of the ifmap": (2,), "words of a pixel": (3, 0), "words of a row": (3, 0),
        "channel tiles": (3,),
    }  # fmt: skip
    while full := _overflow(shape, tuple(blocks)):
        for index in remedies[full[0]]:
            if blocks[index] > 1:
                blocks[index] = math.ceil(blocks[index] / 2)
                break
        else:
            raise _too_small(*full)
    return tuple(blocks), totals


def _overflow(shape: Shape, blocks: tuple[int, ...]) -> tuple[str, int, int] | None:
    """(what, how many such a run needs, how many there are) of the first that is too small.

    That is a kind of bank, or a number of ``_REGISTERS``.
    """
    design, tiling = shape.design, shape.tiling
    groups, filters, strips, channels = blocks
    row_words = _pixel(shape, groups, channels) * stored(shape)[1][1]
    strip_rows = (strips * tiling.columns - 1) * shape.row_stride
    rows = min(strip_rows + shape.layer.filter_height, stored(shape)[0][1])
    used = {
        "ifmap": math.ceil(rows / design.ifmap_buses) * row_words,
        "filter": math.ceil(shape.active_rows / design.filter_buses)
        * shape.primitive.filter_words(design.pe) * groups * filters * channels * shape.row_tiles,
        "psum": math.ceil(tiling.columns / design.psum_buses) * shape.layer.out_width
        * shape.primitive.sums * groups * filters * strips,
        "scale": shape.primitive.sums * groups * filters,
        "rows of the ifmap": strip_rows + shape.row_tiles * tiling.filter_rows,
        "words of a pixel": _pixel(shape, groups, channels),
        "words of a row": row_words,
        "channel tiles": channels,
    }  # fmt: skip
    for kind, need in used.items():
        have = _REGISTERS[kind] if kind in _REGISTERS else getattr(design, f"{kind}_words")
        if need > have:
            return kind, need, have
    return None


def _pixel(shape: Shape, groups: int, channels: int) -> int:
    """Ifmap words of a pixel in a run with so many groups and channel tiles."""
    return groups * channels * shape.tile_words


def rows_of_run(shape: Shape, span: Span) -> tuple[int, int, int]:
    """First ifmap row of a run; and the first of those stored, and their number, from there."""
    return _rows_of_strips(shape, span.strips)


def _rows_of_strips(shape: Shape, strips: tuple[int, int]) -> tuple[int, int, int]:
    first, count = stored(shape)[0]
    begin = strips[0] * shape.tiling.columns * shape.row_stride
    last_row = min(strips[1] * shape.tiling.columns, shape.layer.out_height) - 1
    end = last_row * shape.row_stride + shape.layer.filter_height
    low, high = max(first, begin), min(first + count, end)
    return begin, max(0, low - begin), max(0, high - low)


def _ifmap_images(shape: Shape, span: Span, pixels: Words) -> dict[str, list[int]]:
    begin, first, count = rows_of_run(shape, span)
    from_stored = begin + first - stored(shape)[0][0]
    part = pixels[from_stored : from_stored + count, :, slice(*span.groups), slice(*span.channels)]
    rows = part.reshape(len(part), math.prod(part.shape[1:]))
    buses = shape.design.ifmap_buses
    # Row h of the run, counted with the padding, is in bank h modulo the buses.
    return {f"ifmap{k}": rows[(k - first) % buses :: buses].ravel().tolist() for k in range(buses)}


def _filter_images(
    shape: Shape, span: Span, streams: Mapping[tuple[int, ...], list[int]]
) -> dict[str, list[int]]:
    buses = shape.design.filter_buses
    images: dict[str, list[int]] = {f"filter{k}": [] for k in range(buses)}
    for index in itertools.product(
        range(*span.groups), range(*span.filters), range(shape.row_tiles), range(*span.channels)
    ):
        for i in range(shape.active_rows):
            images[f"filter{i % buses}"] += streams[(*index, i)]
    return images


def _scale_images(shape: Shape, span: Span, scales: Scales) -> dict[str, list[int]]:
    """Scale words of every sum, in the order (group, filter tile, sum); the same in every bank."""
    bits, mask = shape.design.scale_bits, (1 << shape.design.pe.psum_bits) - 1
    tiles = _scales_of_tiles(shape, scales)
    parts = [
        values[slice(*span.groups), slice(*span.filters)].ravel().tolist()
        for values in (tiles.multiplier, tiles.shift, tiles.bias)
    ]
    relu = int(scales.relu) << (bits + 6)
    words = [
        multiplier | shift << bits | relu | (bias & mask) << (bits + 7)
        for multiplier, shift, bias in zip(*parts, strict=True)
    ]
    return {f"scale{k}": words for k in range(shape.design.psum_buses)}


def _registers(shape: Shape, span: Span, *, requantized: bool, relu: bool) -> dict[str, int]:
    design, tiling = shape.design, shape.tiling
    groups, filters, strips, channels = span.counts
    config = shape.primitive.config_word(design.pe)
    _, first_row, rows = rows_of_run(shape, span)
    first_column, columns = stored(shape)[1]
    last_columns = shape.columns_of(span.strips[1] - 1)
    pixel = _pixel(shape, groups, channels)
    values = {
        "config_low": config & 0xFFFFFFFF,
        "config_high": config >> 32,
        "filter_rows": tiling.filter_rows - 1,
        "sets": tiling.sets - 1,
        "columns": tiling.columns - 1,
        "last_columns": last_columns - 1,
        "stride": shape.row_stride - 1,
        "diagonals": (tiling.columns - 1) * shape.row_stride + tiling.filter_rows - 1,
        "last_diagonals": (last_columns - 1) * shape.row_stride + tiling.filter_rows - 1,
        "sums": shape.primitive.sums - 1,
        "strips": strips - 1,
        "groups": groups - 1,
        "filter_tiles": filters - 1,
        "channel_tiles": channels - 1,
        "row_tiles": shape.row_tiles - 1,
        "first_row": first_row,
        "first_column": first_column,
        "accumulate": int(span.channels[0] > 0),
        "requantize": int(requantized),
        "relu": int(relu),
        "stored_rows": rows,
        "stored_columns": columns,
        "strip_rows": tiling.columns * shape.row_stride,
        "tile_rows": tiling.filter_rows,
        "pixel_words": pixel,
        "tile_words": shape.tile_words,
        "row_words": pixel * columns,
        "group_words": channels * shape.tile_words,
        "filter_words": shape.primitive.filter_words(design.pe) - 1,
        "filter_base": 0,
        "psum_base": 0,
        "scale_base": 0,
    }
    for k in range(design.ifmap_buses):
        # The first row of the bank that is stored begins at word 0, its first column there.
        row = first_row + (k - first_row) % design.ifmap_buses
        before = row // design.ifmap_buses * pixel * columns + first_column * pixel
        values[f"ifmap_base_{k}"] = -before % (1 << 20)
    return values


def default_tiling(design: ArrayDesign, layer: Layer, mode: int = 0) -> Tiling:
    """A tiling that uses many PEs, made smaller until a pass fits the buffer; nothing is optimised.

    Raises:
        InputError: if a filter row does not fit a PE, or no pass the buffer.
    """
    tiling = _largest_tiling(design, layer, mode)
    products = design.pe.modes[mode].products
    # Of what fills a bank or a register, first what costs least; no single pass has more of others.
    remedies = {
        "ifmap": ("channels", "sets", "columns"),
        "words of a row": ("channels", "sets"),
        "filter": ("filters", "channels", "sets"),
        "psum": ("filters", "columns"),
        "scale": ("filters",),
    }
    while full := _overflow(shape_layer(design, layer, tiling, mode), (1, 1, 1, 1)):
        for name in remedies[full[0]]:
            value = getattr(tiling, name)
            unit = products if name == "channels" else 1
            if value > unit:
                tiling = replace(tiling, **{name: math.ceil(value / 2 / unit) * unit})
                break
        else:
            raise _too_small(*full)
    return tiling


def _too_small(kind: str, need: int, have: int) -> InputError:
    if kind in _REGISTERS:
        return InputError(f"a pass has {need} {kind}, more than {have}: choose a smaller tile")
    return InputError(
        f"a pass needs {need} words in a bank of {kind} words, which has {have}: "
        f"choose a larger {kind}_words, or a smaller tile if there is one"
    )


def _largest_tiling(design: ArrayDesign, layer: Layer, mode: int) -> Tiling:
    """What fits the PEs and the array."""
    pe = design.pe
    products = pe.modes[mode].products
    rows = min(layer.filter_height, design.rows)
    rows = math.ceil(layer.filter_height / math.ceil(layer.filter_height / rows))
    columns = min(design.columns, layer.out_height)
    terms = pe.terms if pe.serial_terms else 1
    room = pe.filter_depth * (1 if products == 4 else pe.weights_per_word) // terms
    width = layer.filter_width
    if width > min(pe.ifmap_depth, room):
        raise InputError(
            f"filter_width must be at most {min(pe.ifmap_depth, room)} for a PE with ifmap_depth "
            f"{pe.ifmap_depth} and filter_depth {pe.filter_depth}, not {width}"
        )
    of_group = layer.filters // layer.groups
    if layer.depthwise:
        filters = min(of_group, pe.psum_depth, room // width)
        most = min(pe.ifmap_depth // width, pe.psum_depth // filters, room // (width * filters))
        return Tiling(
            filters=filters, channels=min(layer.channels, most), filter_rows=rows, sets=1,
            columns=columns,
        )  # fmt: skip
    sets = min(design.rows // rows, math.ceil(layer.group_channels / products))
    words = math.ceil(layer.group_channels / products / sets)
    words = min(words, pe.ifmap_depth // width)
    filters = max(1, min(of_group, pe.psum_depth, room // (width * words)))
    words = min(words, room // (width * filters))
    filters = math.ceil(of_group / math.ceil(of_group / filters))
    return Tiling(
        filters=filters, channels=words * products, filter_rows=rows, sets=sets, columns=columns
    )
