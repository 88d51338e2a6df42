"""The performance model of the array: cycles of a run, and how often everything is accessed.

Cycles are those of ``rtl_gen.array.top`` when the buffer never waits. The model follows a pass from
ofmap column to ofmap column, a few numbers for each PE instead of every word: when it is ready for
ifmap words, when its bus has brought them, when its sums have left. From the column on from which
all of these move by the same number of cycles, the rest follows. Imports no Amaranth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtl_gen.array.compiler import Shape, Span, distinct_spans, rows_of_run, stored

Times = NDArray[np.int64]

#: Cycles of a pass until its configuration is taken: it starts, then the PEs take it.
_CONFIGURED = 2
#: Cycle in which the first word of a sender can be taken: address, request, answer, queue.
_FIRST_WORD = 3
#: The same of ifmaps, whose first address takes a product; of a zero, which is not read.
_FIRST_IFMAP, _FIRST_ZERO = 4, 3
#: Cycles from a sum that a collector takes to its write, through the output stage.
_STAGE_LATENCY = {"fp": 1}
_INT_STAGE_LATENCY = 4
#: From the last write to the next pass.
_PASS_END = 2
_Batches = tuple[Times, NDArray[np.bool_], Times, Times]
#: A moment before everything.
_NEVER = np.int64(-1) << 40


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What a run, or a whole layer, takes.

    Attributes:
        cycles: while the array is busy.
        counts: by name, of the banks: ``ifmap0_reads``, ``psum0_writes``, ...; of all PEs together:
            ``filter_writes``, ``ifmap_writes`` (scratchpad words), ``psum_ins``, ``psum_outs``
            (sums passed up a column) and ``macs`` (multiply-accumulate cycles).
    """

    cycles: int
    counts: Mapping[str, int]

    def __add__(self, other: Activity) -> Activity:
        counts = Counter(self.counts)
        counts.update(other.counts)
        return Activity(cycles=self.cycles + other.cycles, counts=dict(counts))

    def __mul__(self, times: int) -> Activity:
        counts = {name: times * count for name, count in self.counts.items()}
        return Activity(cycles=times * self.cycles, counts=counts)


@dataclass(frozen=True)
class _Pass:
    """What the cycles of a pass depend on, but for the shape.

    Attributes:
        columns: of PEs in use.
        row: first ifmap row of the run, modulo the buses.
        zero_rows: which of its ifmap rows are padding.
        loads, injects, finishes: filters are loaded; sums start from the buffer; they go through
            the output stage.
    """

    columns: int
    row: int
    zero_rows: tuple[bool, ...]
    loads: bool
    injects: bool
    finishes: bool


def layer_activity(shape: Shape, *, requantized: bool = True) -> Activity:
    """Cycles and counts of all runs of a layer; loading the buffer is not in them.

    Args:
        requantized: sums go through the output stage at the end.

    Raises:
        InputError: if a pass does not fit the buffer.
    """
    timing = _Timing(shape)  # runs have many passes in common
    total = Activity(cycles=0, counts={})
    for span, times in distinct_spans(shape):
        run = _run_activity(timing, shape, span, requantized=requantized)
        total = total + run * times
    return total


def run_activity(shape: Shape, span: Span, *, requantized: bool = True) -> Activity:
    """Cycles and counts of one run."""
    return _run_activity(_Timing(shape), shape, span, requantized=requantized)


def _run_activity(timing: _Timing, shape: Shape, span: Span, *, requantized: bool) -> Activity:
    passes = Counter(_passes(shape, span, requantized=requantized))
    counts: Counter[str] = Counter()
    cycles = max(shape.design.rows, shape.design.columns) + 2  # until sizes have settled
    for kind, times in passes.items():
        cycles += times * timing.pass_cycles(kind)
        for name, count in _pass_counts(shape, kind).items():
            counts[name] += times * count
    return Activity(cycles=cycles, counts=dict(counts))


def _passes(shape: Shape, span: Span, *, requantized: bool) -> Iterator[_Pass]:
    """Every pass of a run."""
    buses = shape.design.ifmap_buses
    groups, filters, strips, channels = span.counts
    _, first, count = rows_of_run(shape, span)
    tiles = shape.row_tiles * channels
    done = requantized and span.channels[1] == shape.channel_tiles
    accumulate = span.channels[0] > 0
    for row_tile in range(shape.row_tiles):
        for strip in range(strips):
            columns = shape.columns_of(span.strips[0] + strip)
            row = strip * shape.tiling.columns * shape.row_stride
            row += row_tile * shape.tiling.filter_rows
            diagonals = (columns - 1) * shape.row_stride + shape.tiling.filter_rows
            zero = tuple(
                not first <= row + diagonal < first + count for diagonal in range(diagonals)
            )
            for channel_tile in range(channels):
                tile = row_tile * channels + channel_tile
                kind = _Pass(
                    columns, row % buses, zero, loads=strip == 0,
                    injects=accumulate or tile > 0, finishes=done and tile == tiles - 1,
                )  # fmt: skip
                yield from [kind] * (groups * filters)


def _pass_counts(shape: Shape, kind: _Pass) -> dict[str, int]:
    design, size, tiling = shape.design, shape.primitive, shape.tiling
    pe = design.pe
    rows, columns = shape.active_rows, kind.columns
    pes = rows * columns
    sums = size.outputs * size.sums
    window = size.window_words(pe)
    slides = (size.outputs - 1) * size.slide * shape.channel_words
    loaded = size.filter_words(pe) if kind.loads else 0
    counts = {
        "filter_writes": pes * loaded,
        "ifmap_writes": pes * (window + slides),
        "psum_ins": (rows - 1 + kind.injects) * columns * sums,
        "psum_outs": pes * sums,
        "macs": pes * size.outputs * size.steps(pe),
    }
    _, (_, real_columns) = stored(shape)
    for k in range(design.ifmap_buses):
        first = (k - kind.row) % design.ifmap_buses
        real = kind.zero_rows[first :: design.ifmap_buses].count(False)
        counts[f"ifmap{k}_reads"] = real * real_columns * tiling.sets * shape.channel_words
    for k in range(design.filter_buses):
        counts[f"filter{k}_reads"] = len(range(k, rows, design.filter_buses)) * loaded
    for k in range(design.psum_buses):
        words = len(range(k, columns, design.psum_buses)) * sums
        counts[f"psum{k}_reads"] = words * kind.injects
        counts[f"psum{k}_writes"] = words
        if pe.family != "fp":
            counts[f"scale{k}_reads"] = words * kind.finishes
    return counts


@dataclass
class _State:
    """Where a pass stands, in cycles from its start.

    Attributes:
        ready: when each PE can take ifmap words, ``[rows, columns]``.
        left: when the last sum of each PE was taken from it.
        bus: end of what each ifmap bus has brought.
        brought: words that it has brought.
        collected, injected: end of what each psum bus has taken and brought.
        injections: words that it has brought.
        zero: nothing but zeros has been on each ifmap bus.
    """

    ready: Times
    left: Times
    bus: Times
    brought: Times
    collected: Times
    injected: Times
    injections: Times
    zero: list[bool] = field(default_factory=list)

    def moments(self) -> Times:
        """All that is a time."""
        parts = (self.ready, self.left, self.bus, self.collected, self.injected)
        return np.concatenate([part.ravel() for part in parts])


class _Timing:
    """Cycles of the passes of a shape."""

    def __init__(self, shape: Shape) -> None:
        self._shape, self._size = shape, shape.primitive
        self._steps = self._size.steps(shape.design.pe)
        self._known: dict[_Pass, int] = {}

    def pass_cycles(self, kind: _Pass) -> int:
        """From the start of a pass to the start of the next one."""
        if kind not in self._known:
            self._known[kind] = self._follow(kind)
        return self._known[kind]

    def _follow(self, kind: _Pass) -> int:
        shape = self._shape
        batches = [self._batches(kind, k) for k in range(shape.design.ifmap_buses)]
        state = self._begin(kind)
        outputs, before, moved = self._size.outputs, None, 0
        for x in range(outputs):
            self._bring(state, batches, first=x == 0)
            self._sums(kind, state)
            moments = state.moments()
            same = before is not None and x > 1 and len(set((moments - before)[moments > 0])) == 1
            moved = int((moments - before).max()) if before is not None else 0
            if same and x + 1 < outputs and not any(state.zero):
                return self._end(kind, state) + (outputs - 1 - x) * moved
            before = moments
        return self._end(kind, state)

    def _end(self, kind: _Pass, state: _State) -> int:
        latency = 0
        if kind.finishes:
            latency = _STAGE_LATENCY.get(self._shape.design.pe.family, _INT_STAGE_LATENCY)
        return int(state.collected.max()) - 1 + latency + _PASS_END

    def _begin(self, kind: _Pass) -> _State:
        """All PEs have their configuration and their filters."""
        shape, design = self._shape, self._shape.design
        rows = shape.active_rows
        loaded = np.full(rows, _CONFIGURED, dtype=np.int64)
        if kind.loads:
            words = self._size.filter_words(design.pe)
            every = words
            if self._size.weights_per_word(design.pe) > 1 and not design.pe.serial_terms:
                every = 2 * words - 1  # a word lasts two steps; the next row's may come in the last
            place = np.arange(rows) // design.filter_buses
            loaded = _FIRST_WORD + place * every + self._steps
        buses = np.zeros(design.psum_buses, dtype=np.int64)
        return _State(
            ready=np.repeat(loaded[:, None], kind.columns, axis=1),
            left=np.full((rows, kind.columns), _NEVER),
            bus=np.zeros(design.ifmap_buses, dtype=np.int64),
            brought=np.zeros(design.ifmap_buses, dtype=np.int64),
            collected=(np.arange(design.psum_buses) < kind.columns).astype(np.int64),
            injected=buses.copy(), injections=buses.copy(),
            zero=[True] * design.ifmap_buses,
        )  # fmt: skip

    def _batches(self, kind: _Pass, bus: int) -> _Batches:
        """What a bus brings for an ofmap column, a batch for each set and ifmap row.

        Rows between those of the columns are for no PE where a pass takes fewer filter rows than
        the stride; they are brought all the same.

        Returns:
            PEs, as ``row * columns + column``, sorted by batch; whether each batch is padding;
            where it begins among the PEs, and how many it is for.
        """
        shape, tiling = self._shape, self._shape.tiling
        diagonals = len(kind.zero_rows)
        i, j = np.divmod(np.arange(shape.active_rows * kind.columns), kind.columns)
        of_set, row = np.divmod(i, tiling.filter_rows)
        order = of_set * diagonals + row + j * shape.row_stride
        pes = np.argsort(order, kind="stable")
        every = np.arange(tiling.sets * diagonals)
        batch = every[(every % diagonals + kind.row) % shape.design.ifmap_buses == bus]
        pes = pes[np.isin(order[pes], batch)]
        begin = np.searchsorted(order[pes], batch)
        sizes = np.searchsorted(order[pes], batch, side="right") - begin
        return pes, np.array(kind.zero_rows)[batch % diagonals], begin, sizes

    def _bring(self, state: _State, batches: Sequence[_Batches], *, first: bool) -> None:
        """The ifmap words of an ofmap column; ``ready`` becomes when the first sum is."""
        columns = self._size.filter_width if first else self._size.slide
        words = columns * self._shape.channel_words
        (first_column, real_columns) = stored(self._shape)[1]
        computed = state.ready.copy()
        for k, (pes, zero, begin, sizes) in enumerate(batches):
            count = len(begin)
            if not count:
                state.zero[k] = False
                continue
            waits = np.append(state.ready.ravel()[pes], _NEVER)
            ready = np.where(sizes > 0, np.maximum.reduceat(waits, begin), _NEVER)
            before = state.brought[k] + words * np.arange(count)
            # Until something real comes, a word is there a cycle earlier.
            if state.zero[k]:
                real = ~zero
                if (first and first_column >= columns) or not real_columns:
                    real = np.zeros_like(real)
                seen = np.logical_or.accumulate(real)
                lag = np.where(seen, _FIRST_IFMAP, _FIRST_ZERO)
                state.zero[k] = not seen[-1]
            else:
                lag = np.full(count, _FIRST_IFMAP)
            steps = words * np.arange(1, count + 1)
            earliest = np.maximum(np.maximum(ready, _FIRST_ZERO + before), lag + before) + words
            ends = np.maximum.accumulate(np.maximum(earliest - steps, state.bus[k])) + steps
            computed.ravel()[pes] = np.repeat(ends, sizes)
            state.bus[k] = ends[-1]
            state.brought[k] += count * words
        state.ready = computed + self._steps + self._shape.design.pe.pipeline_stages - 1

    def _sums(self, kind: _Pass, state: _State) -> None:
        """The sums of an ofmap column leave; ``ready`` becomes when the PEs can go on."""
        sums, buses = self._size.sums, self._shape.design.psum_buses
        last = sums - 1
        rows = len(state.ready)
        for j in range(kind.columns):
            k = j % buses
            # The collector stands below row 0; it, too, begins when its turn comes.
            begin = np.empty(rows + 1, dtype=np.int64)
            begin[0] = state.collected[k]
            begin[1:] = np.maximum(state.ready[:, j], state.left[:, j])
            if kind.injects:
                there = max(state.injected[k], _FIRST_WORD + state.injections[k])
                begin[-1] = max(begin[-1], there)
            taken = _last_taken(begin, last)
            state.collected[k] = taken[0] + 1
            state.left[:, j] = taken[:-1]
            state.ready[:, j] = taken[1:] + 1
            if kind.injects:
                state.injected[k] = taken[-1] + 1
                state.injections[k] += sums


def _last_taken(begin: Times, last: int) -> Times:
    """When each of a chain takes its word ``last``, if it can begin then and then.

    Everyone takes a word a cycle, at the earliest a cycle after the one above took it; and holds
    one until the one below takes it. So word f of node i waits for all above, ``begin[u] + u - i``,
    and for those at most f below.
    """
    places = np.arange(len(begin))
    shifted = begin + places
    above = np.maximum.accumulate(shifted[::-1])[::-1]
    lowest = np.maximum(places - last, 0)
    return above[lowest] - places + last
