"""Tilings of a layer on the array of this project, and what each costs at least: mode ``rtl``.

Accesses are in closed form, those of ``rtl_gen.array.model``; cycles are those that a PE, an ifmap
bus, a collector or a column of PEs takes alone, never more than the model's. All tilings are
bounded at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.mapping.cost import clock_pj
from explorer.mapping.rtl_array import RtlArray
from explorer.mapping.rtl_counts import Charge, blocks_of, charges, host_words
from explorer.networks.layer import LayerShape
from rtl_gen.array.compiler import Shape, Tiling, shape_layer, stored
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive

Numbers = NDArray[np.int64]
Costs = NDArray[np.float64]

#: Of the performance model (``rtl_gen.array.model``): first word of a bus; what a pass takes behind
#: its last sum; the output stage, by family.
_FIRST_WORD, _END = 3, 1
_STAGE = {"fp": 1}
_INT_STAGE = 4


def tilings_of(array: RtlArray, layer: Layer) -> list[Tiling]:
    """All legal tilings; banks are not looked at.

    A larger tile can be better even where there are as many of them: a last strip is then shorter,
    and which rows of PEs wait for which bus depends on their number.
    """
    pe, design = array.pe, array.accelerator.array_design()
    products = pe.modes[array.mode].products
    one = Primitive(filter_width=1, channels=products, filters=1, outputs=1, mode=array.mode)
    terms = pe.terms if pe.serial_terms else 1
    room = pe.filter_depth * one.weights_per_word(pe) // (terms * layer.filter_width)
    words = min(pe.ifmap_depth // layer.filter_width, room, 1 << 6)
    of_group = layer.filters // layer.groups
    all_words = layer.channels if layer.depthwise else -(-layer.group_channels // products)
    found = []
    for rows in range(1, min(layer.filter_height, design.rows) + 1):
        for sets, word in _channels(layer, all_words, design.rows // rows, words):
            most = min(room // word, 1 << 6, pe.psum_depth // (word if layer.depthwise else 1))
            for filters, columns in itertools.product(
                range(1, min(of_group, most) + 1),
                range(1, min(layer.out_height, design.columns) + 1),
            ):
                found.append(
                    Tiling(filters=filters, channels=word * products, filter_rows=rows, sets=sets,
                           columns=columns)
                )  # fmt: skip
    return found


def _channels(layer: Layer, total: int, most: int, words: int) -> list[tuple[int, int]]:
    """Sets and channel words of a PE, up to so many channel words of all."""
    if layer.depthwise:
        return [(1, word) for word in range(1, min(words, total) + 1)]
    return [
        (sets, word)
        for sets, word in itertools.product(range(1, most + 1), range(1, min(words, total) + 1))
        if (sets - 1) * word < total
    ]


@dataclass
class Table:
    """All tilings of a layer, an entry of each array for each.

    Attributes:
        filters, words, rows, sets, columns: of the tiling; channels as words of the PE.
        groups, filter_tiles, row_tiles, channel_tiles, strips: numbers of tiles.
        steps, sums, filter_words: of the primitive.
    """

    filters: Numbers
    words: Numbers
    rows: Numbers
    sets: Numbers
    columns: Numbers
    groups: Numbers
    filter_tiles: Numbers
    row_tiles: Numbers
    channel_tiles: Numbers
    strips: Numbers
    steps: Numbers
    sums: Numbers
    filter_words: Numbers

    @classmethod
    def of(cls, array: RtlArray, layer: Layer, tilings: Sequence[Tiling]) -> Table:
        """The table of these tilings."""
        pe = array.pe
        products = pe.modes[array.mode].products
        p, q, rows, sets, columns = np.array(
            [(t.filters, t.channels, t.filter_rows, t.sets, t.columns) for t in tilings], np.int64
        ).T
        words = q // products
        terms = pe.terms if pe.serial_terms else 1
        steps = layer.filter_width * words * p * terms
        one = Primitive(filter_width=1, channels=products, filters=1, outputs=1, mode=array.mode)
        return cls(
            filters=p, words=words, rows=rows, sets=sets, columns=columns,
            groups=-(-layer.channels // q) if layer.depthwise else np.full_like(p, layer.groups),
            filter_tiles=-(-(layer.filters // layer.groups) // p),
            row_tiles=-(-layer.filter_height // rows),
            channel_tiles=np.ones_like(p) if layer.depthwise
            else -(-layer.group_channels // (sets * q)),
            strips=-(-layer.out_height // columns),
            steps=steps, sums=p * q if layer.depthwise else p,
            filter_words=-(-steps // one.weights_per_word(pe)),
        )  # fmt: skip

    @property
    def active(self) -> Numbers:
        """Rows of PEs in use."""
        return self.rows * self.sets

    @property
    def tiles(self) -> Numbers:
        """Passes of a strip."""
        return self.groups * self.filter_tiles * self.row_tiles * self.channel_tiles


class Bounds:
    """Of a layer on an array.

    Arguments:
        array, layer: as for ``explorer.mapping.rtl_search.best_tiling``.

    Attributes:
        tilings: all, as ``tilings_of`` has them.

    Raises:
        InputError: if the array has no such layer.
    """

    def __init__(self, array: RtlArray, layer: LayerShape) -> None:
        self.array, self.batch, self.layer = array, layer.batch, array.layer(layer)
        self.design: ArrayDesign = array.accelerator.array_design()
        self.tilings = tilings_of(array, self.layer)
        self._priced: list[Charge] = charges(array)
        self._rows: dict[tuple[int, int, int], int] = {}
        self._stored = ((0, 0), (0, 0))
        if self.tilings:
            self._stored = self._of_ifmap()

    def _of_ifmap(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns that are stored, the same in all tilings."""
        try:
            shape = shape_layer(self.design, self.layer, self.tilings[0], self.array.mode)
        except InputError as error:
            raise InputError(f"mode rtl: {error}") from None
        return stored(shape)

    def of_all(self) -> tuple[Costs, Costs]:
        """Energies in pJ and cycles of all tilings, as if a run had room for everything."""
        table = Table.of(self.array, self.layer, self.tilings)
        (_, rows), (_, columns) = self._stored
        pixels = table.groups * table.channel_tiles * table.sets * table.words
        scales = table.groups * table.filter_tiles * table.sums
        loads = {
            "ifmap_loads": self.batch * rows * columns * pixels,
            "filter_loads": table.tiles * table.active * table.filter_words,
            "scale_loads": scales * self._scaled,
        }
        return self._least(self.events(table, None) | loads, self.cycles(table, None))

    def of_one(self, shape: Shape) -> tuple[float, float]:
        """Energy and cycles of one, with its runs.

        Raises:
            InputError: if a pass does not fit the buffer.
        """
        block = blocks_of(shape)[0][2]
        table = Table.of(self.array, self.layer, [shape.tiling])
        loads = host_words(shape, self.batch, requantized=self.array.requantized)
        words = {name: np.array([number]) for name, number in loads.items()}
        (energy,), (cycles,) = self._least(
            self.events(table, block) | words, self.cycles(table, block)
        )
        return float(energy), float(cycles)

    @property
    def _scaled(self) -> bool:
        return self.array.requantized and self.array.pe.family != "fp"

    def _least(self, events: Mapping[str, Numbers], busy: Numbers) -> tuple[Costs, Costs]:
        cycles = np.asarray(busy, np.float64)
        moved: dict[tuple[int, str], Costs] = {}
        energy = np.zeros(len(cycles))
        for charge in self._priced:
            times = events[charge.event]
            energy += charge.event_pj * times
            if charge.level >= 0:
                key = charge.level, charge.action
                moved[key] = moved.get(key, np.zeros(len(cycles))) + charge.memory_words * times
        for (v, action), words in moved.items():
            level = self.array.accelerator.hierarchy.levels[v]
            if rate := getattr(level, f"{action}_words_per_cycle"):
                cycles = np.maximum(cycles, words / rate)
        cycles = np.ceil(cycles)
        return energy + cycles * clock_pj(self.array.accelerator, self.array.energies), cycles

    def events(self, table: Table, block: int | None) -> dict[str, Numbers]:
        """All that the array does with all images, without loading.

        Args:
            table: of tilings.
            block: strips of a run; None for as few accesses as any number of them takes.
        """
        layer, mode = self.layer, self.array.pe.modes[self.array.mode]
        outputs, width = layer.out_width, layer.filter_width
        slides = (outputs - 1) * min(layer.stride, width)
        primitives = table.tiles * table.active * layer.out_height
        sums = layer.out_height * outputs * table.sums
        rows = np.array(
            [
                self._row_reads(rows, columns, block or 1)
                for rows, columns in zip(table.rows.tolist(), table.columns.tolist(), strict=True)
            ]
        )
        filters = table.tiles * table.active * table.filter_words
        starts, last_starts = _starts(table, block)
        rest = layer.out_height - (table.strips - 1) * table.columns
        columns = (starts - last_starts) * table.columns + last_starts * rest
        channels = table.groups * table.filter_tiles * table.channel_tiles * table.sets
        values = primitives * outputs * width * table.words * mode.products
        found = {
            "ifmap_reads": rows * self._stored[1][1] * channels * table.words,
            "filter_reads": starts * filters,
            "psum_reads": sums * (table.tiles - table.groups * table.filter_tiles),
            "psum_writes": sums * table.tiles,
            "scale_reads": sums * table.groups * table.filter_tiles * self._scaled,
            "ifmap_writes": primitives * (width + slides) * table.words,
            "filter_writes": columns * filters,
            "ifmap_values": values,
            "products": values * table.filters,
            "psum_outs": primitives * outputs * table.sums,
            "primitives": primitives,
            "unloads": np.full_like(sums, layer.filters * layer.out_height * outputs),
        }
        return {name: self.batch * numbers for name, numbers in found.items()}

    def _row_reads(self, filter_rows: int, columns: int, block: int) -> int:
        """Stored ifmap rows that all passes of a tile bring, over strips and row tiles."""
        key = filter_rows, columns, block
        if key in self._rows:
            return self._rows[key]
        layer = self.layer
        stride = min(layer.stride, layer.filter_height)
        first, count = self._stored[0]
        strips = np.arange(math.ceil(layer.out_height / columns))
        here = np.minimum(columns, layer.out_height - strips * columns)
        last = np.minimum((strips // block + 1) * block * columns, layer.out_height) - 1
        end = np.minimum(first + count, last * stride + layer.filter_height)
        total = 0
        for row in range(0, layer.filter_height, filter_rows):
            begin = strips * columns * stride + row
            stop = begin + (here - 1) * stride + filter_rows
            part = np.minimum(end, stop) - np.maximum(first, begin)
            total += int(np.maximum(part, 0).sum())
        return self._rows.setdefault(key, total)

    def cycles(self, table: Table, block: int | None) -> Numbers:
        """Cycles of all images at least.

        Args:
            table: of tilings.
            block: strips of a run; None for all of them.
        """
        layer, design = self.layer, self.design
        starts, last_starts = _starts(table, block)
        rest = layer.out_height - (table.strips - 1) * table.columns
        passes = (
            (starts - last_starts) * self._pass(table, table.columns, loads=True)
            + last_starts * self._pass(table, rest, loads=True)
            + (table.strips - 1 - starts + last_starts)
            * self._pass(table, table.columns, loads=False)
            + (1 - last_starts) * self._pass(table, rest, loads=False)
        )
        stage = _STAGE.get(design.pe.family, _INT_STAGE) if self.array.requantized else 0
        finished = table.groups * table.filter_tiles * table.strips
        settle = starts * (max(design.rows, design.columns) + 2)
        total: Numbers = self.batch * (table.tiles * passes + finished * stage + settle)
        return total

    def _pass(self, table: Table, columns: Numbers, *, loads: bool) -> Numbers:
        """Cycles of a pass at least, without the output stage.

        Args:
            table: of tilings.
            columns: of PEs in use.
            loads: filters are loaded.
        """
        layer, design = self.layer, self.design
        buses, pe = design.ifmap_buses, design.pe
        rows, sums = table.active, table.sums
        diagonals = (columns - 1) * min(layer.stride, layer.filter_height) + table.rows
        first = layer.filter_width * table.words
        later = min(layer.stride, layer.filter_width) * table.words
        work = table.steps + pe.pipeline_stages - 1
        more, behind = layer.out_width - 1, rows + sums + _END
        begin, ready = self._loaded(table, loads=loads)
        of_pe = ready + first + work + more * (later + work + sums) + behind
        served = -(-columns // design.psum_buses) * sums
        of_collector = ready + first + work + rows + (more + 1) * served + _END
        # The first row of PEs of a bus, if it has a PE on its first diagonal, is waited for.
        waits = np.where((diagonals - 1) % buses < table.rows, begin, _FIRST_WORD)
        batches = table.sets * -(-diagonals // buses)
        of_bus = waits + batches * (first + more * later) + work + behind
        # The sums of a column of PEs leave when its last row has had its words; the first row that
        # has the same bus takes none of the next ofmap column before.
        turn = (table.rows - 1) % buses
        apart = (table.sets - 1) * ((diagonals - 1 - turn) // buses + 1)
        apart = apart + (table.rows - 1) // buses + 1
        again = apart * later + work + rows - 1 - turn + sums
        there = np.maximum(begin + apart * first, ready + first)
        of_column = there + work + more * again + behind
        least: Numbers = np.maximum.reduce([of_pe, of_bus, of_collector, of_column])
        return least

    def _loaded(self, table: Table, *, loads: bool) -> tuple[Numbers, Numbers]:
        """When any row of PEs, and when the last one, can take ifmap words."""
        begin = np.full_like(table.active, _FIRST_WORD)
        if not loads:
            return begin, begin
        pe, one = self.design.pe, table.filter_words
        per_word = pe.modes[self.array.mode].products < 4 and pe.weights_per_word > 1
        every = 2 * one - 1 if per_word and not pe.serial_terms else one
        begin = begin + table.steps
        return begin, begin + (table.active - 1) // self.design.filter_buses * every


def _starts(table: Table, block: int | None) -> tuple[Numbers, Numbers]:
    """Strips that begin a run, and load filters; whether the last one does."""
    if block is None:
        return np.ones_like(table.strips), (table.strips == 1).astype(np.int64)
    return -(-table.strips // block), ((table.strips - 1) % block == 0).astype(np.int64)
