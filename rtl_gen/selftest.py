"""A self-checking test bench in Verilog-2001 that comes with a PE: it needs only a simulator."""

from __future__ import annotations

import dataclasses
import math
from string import Template
from typing import Any

from rtl_gen.design import PEDesign
from rtl_gen.errors import require_int
from rtl_gen.golden import CONFIG_FIELDS, SIZE_FIELDS, Primitive, row_cycles
from rtl_gen.interface import ports, stream_widths
from rtl_gen.operands import OPERANDS, Workload, draw
from rtl_gen.streams import filter_words, ifmap_words, psum_words

#: Streams of operands into the PE, in the order of ``_words``.
_SOURCES = ("filter", "ifmap", "psum_in")
#: Words that one line of the bench holds.
_ROW = 8
#: Cycles that random stalls may hold up every stream before the bench gives up.
_PATIENCE = 300
#: Spreads small seeds over 32 bits.
_GOLDEN_RATIO = 0x9E3779B9

_Group = tuple[tuple[Primitive, str], ...]
#: S, G and a number of filters.
_Shape = tuple[int, int, int]


#: Parts of the bench that each of ``_SOURCES`` has.
_SOURCE = {
    "declarations": """\
  reg @{s}__valid;
  reg [@high:0] @{s}__payload;
  wire @{s}__ready;
  reg @{s}_taken;
  reg [@row_high:0] @{s}_rows [0:@last_row];
  reg [@row_high:0] @{s}_row;
  reg [@high:0] @{s}_word;
  integer @{s}_sent;
  integer @{s}_end [0:PRIMITIVES];
""",
    "ends": """\
      @{s}_end[index + 1] = @{s}_end[index] + @{s}_count;
""",
    "zero_ends": """\
      @{s}_end[0] = 0;
""",
    "begin_run": """\
      @{s}__valid = 0;
      @{s}_taken = 0;
      @{s}_sent = 0;
""",
    "drive": """\
      if (@{s}_taken) @{s}__valid = 0;
      if (!@{s}__valid) begin
        @{s}_row = @{s}_rows[@{s}_sent / 8];
        @{s}_word = @{s}_row[@width * (@{s}_sent % 8) +: @width];
        @{s}__valid = !stall[@index];
        @{s}__payload = stall[@index] ? ~@{s}_word : @{s}_word;
      end
""",
    "offer_anything": """\
      @{s}__valid = 1;
      @{s}__payload = ~@{s}_word;
""",
    "observe": """\
      @{s}_taken = @{s}__valid && @{s}__ready;
      if (@{s}_taken) begin
        if (@{s}_sent >= @{s}_end[started]) begin
          $sformat(message, "primitive %0d takes a word of @s too many", started - 1);
          fail;
        end
        @{s}_sent = @{s}_sent + 1;
        quiet = 0;
      end
""",
    "check_words": """\
      if (@{s}_sent != @{s}_end[started]) begin
        $sformat(message, "primitive %0d ends without %0d words of @s",
                 started - 1, @{s}_end[started] - @{s}_sent);
        fail;
      end
""",
}
_BENCH = """\
// Self-checking test bench of @name.
// Its design is @digest.
// It needs that module and a Verilog simulator:
//   $ iverilog -g2005 -o tb @{name}_tb.v @name.v && vvp tb
//   $ verilator --binary --timing @{name}_tb.v @name.v && obj_dir/V@{name}_tb
// It prints one line that begins with PASS or FAIL; after FAIL, Icarus and Verilator exit with an
// error. Its random numbers are its own: every simulator runs the same cycles. With -DDUMP it
// writes @name.vcd. A gate netlist with delays brings its time unit along: read it first.
/* verilator lint_off WIDTH */

module @{name}_tb;
  parameter PERIOD = 10;  // of the clock, in time units
  localparam PRIMITIVES = @primitives;
  localparam CUTS = @cuts;  // resets come after 1, 2, .. CUTS cycles of the first primitive
  localparam PATIENCE = @patience;  // cycles in which no word moves

  reg clk;
  reg rst;

  // Sources: a word stays offered until it is taken; before, the payload is its complement. A row
  // holds 8 words, the first in the lowest bits. `sent` counts words that were taken in this run,
  // `end` those of the primitives before.
  reg config__valid;
  reg [@config_high:0] config__payload;
  wire config__ready;
  reg config_taken;
  reg [@config_high:0] config_words [0:PRIMITIVES - 1];
@declarations
  // The sink.
  reg psum_out__ready;
  wire psum_out__valid;
  wire [@psum_high:0] psum_out__payload;
  reg [@psum_row_high:0] psum_out_rows [0:@psum_last_row];
  reg [@psum_row_high:0] psum_out_row;
  reg [@psum_high:0] psum_out_word;
  integer psum_out_received;
  integer psum_out_end [0:PRIMITIVES];
  reg held;  // a sum was offered in the last cycle, and not taken
  reg [@psum_high:0] held_payload;
  reg early_valid;  // in the first half of the cycle, with the opposite of `ready`

  integer last;  // primitives of this run
  integer started;  // those whose config word was taken
  integer finished;  // those whose last sum was taken
  integer started_at [0:PRIMITIVES - 1];
  integer cycles [0:PRIMITIVES - 1];  // from config word to last sum if no stream waits
  integer cycle;
  integer quiet;  // cycles since a word moved
  integer sums;
  integer cut;

  reg resetting;
  reg idling;  // no config word is offered: the PE must be idle
  reg stalling;
  reg [4:0] stall;  // of config, filter, ifmap, psum_in, psum_out
  reg [14:0] levels;  // eighths of the cycles in which each of them stalls
  reg [31:0] random;
  reg failed;
  reg [8*120-1:0] message;

  @name dut (
@ports
  );

  task add;  // the next primitive: words of its streams, cycles
    input integer index;
    input [@config_high:0] config_word;
    input integer filter_count;
    input integer ifmap_count;
    input integer psum_in_count;
    input integer psum_out_count;
    input integer cycle_count;
    begin
      config_words[index] = config_word;
@ends      psum_out_end[index + 1] = psum_out_end[index] + psum_out_count;
      cycles[index] = cycle_count;
    end
  endtask

  task fail;
    begin
      if (!failed) $display("FAIL: %0s (cycle %0d)", message, cycle);
      failed = 1;
`ifdef __ICARUS__
      $finish_and_return(1);
`else
`ifdef VERILATOR
      $stop;
`else
      $finish;
`endif
`endif
    end
  endtask

  task shuffle;  // xorshift32: Marsaglia, Journal of Statistical Software 8(14), 2003
    begin
      random = random ^ (random << 13);
      random = random ^ (random >> 17);
      random = random ^ (random << 5);
    end
  endtask

  task draw_stalls;
    integer index;
    begin
      shuffle;
      if (random[31:27] == 0) levels = random[14:0];
      shuffle;
      for (index = 0; index < 5; index = index + 1)
        stall[index] = stalling && random[3 * index +: 3] < levels[3 * index +: 3];
    end
  endtask

  task drive;
    begin
      draw_stalls;
      rst = resetting;
      psum_out__ready = stall[4] && !resetting;
      if (config_taken) config__valid = 0;
      if (!config__valid && started < last && !idling) begin
        config__valid = !stall[0];
        config__payload = stall[0] ? ~config_words[started] : config_words[started];
      end
@drive      if (resetting) offer_anything;
    end
  endtask

  task offer_anything;  // a reset is stronger than any word
    begin
      config__valid = 1;
      config__payload = ~config_words[0];
@offer_anything    end
  endtask

  task observe;
    begin
      if (^{config__ready, filter__ready, ifmap__ready, psum_in__ready, psum_out__valid} === 1'bx)
      begin
        $sformat(message, "a ready, or psum_out__valid, is unknown");
        fail;
      end
      if (early_valid !== psum_out__valid) begin
        $sformat(message, "psum_out__valid depends on psum_out__ready");
        fail;
      end
      if (idling && (!config__ready || psum_out__valid)) begin
        $sformat(message, "not idle after %0d primitives: config__ready %b, psum_out__valid %b",
                 started, config__ready, psum_out__valid);
        fail;
      end
      quiet = quiet + 1;
@observe      observe_sum;
      observe_config;
      if (quiet > PATIENCE) begin
        $sformat(message, "no word has moved for %0d cycles in primitive %0d", quiet, started - 1);
        fail;
      end
    end
  endtask

  task observe_sum;
    begin
      if (psum_out__valid && ^psum_out__payload === 1'bx) begin
        $sformat(message, "psum %0d of primitive %0d is unknown: %h",
                 psum_out_received - psum_out_end[finished], finished, psum_out__payload);
        fail;
      end
      if (held && (!psum_out__valid || psum_out__payload !== held_payload)) begin
        $sformat(message, "psum %0d of primitive %0d changes before it is taken",
                 psum_out_received - psum_out_end[finished], finished);
        fail;
      end
      held = psum_out__valid && !psum_out__ready;
      held_payload = psum_out__payload;
      if (psum_out__valid && psum_out__ready) compare_sum;
    end
  endtask

  task compare_sum;
    begin
      psum_out_row = psum_out_rows[psum_out_received / 8];
      psum_out_word = psum_out_row[@psum_width * (psum_out_received % 8) +: @psum_width];
      if (psum_out_received >= psum_out_end[started]) begin
        $sformat(message, "primitive %0d gives a psum too many", started - 1);
        fail;
      end else if (psum_out__payload !== psum_out_word) begin
        $sformat(message, "psum %0d of primitive %0d is %h, not %h",
                 psum_out_received - psum_out_end[finished], finished,
                 psum_out__payload, psum_out_word);
        fail;
      end
      psum_out_received = psum_out_received + 1;
      sums = sums + 1;
      quiet = 0;
      if (!failed && psum_out_received == psum_out_end[finished + 1]) finish_primitive;
    end
  endtask

  task finish_primitive;
    begin
      if (!stalling && cycle - started_at[finished] != cycles[finished]) begin
        $sformat(message, "primitive %0d takes %0d cycles, not %0d",
                 finished, cycle - started_at[finished], cycles[finished]);
        fail;
      end
      finished = finished + 1;
    end
  endtask

  task observe_config;
    begin
      config_taken = config__valid && config__ready;
      if (config_taken) begin
        check_words;
        if (!stalling && started > 0) check_idle_time;
        started_at[started] = cycle;
        started = started + 1;
        quiet = 0;
      end
    end
  endtask

  task check_idle_time;  // the next primitive can start while the last sum is handed over
    begin
      if (cycle - started_at[started - 1] != cycles[started - 1]) begin
        $sformat(message, "primitive %0d is followed by the next after %0d cycles, not %0d",
                 started - 1, cycle - started_at[started - 1], cycles[started - 1]);
        fail;
      end
    end
  endtask

  task check_words;  // the primitive that ends has taken all of its words
    begin
@check_words    end
  endtask

  // One cycle: inputs change behind the falling edge, outputs are read before the rising one.
  task tick;
    begin
      clk = 0;
      #(PERIOD * 0.1) drive;
      #(PERIOD * 0.2) early_valid = psum_out__valid;
      psum_out__ready = !stall[4] && !resetting;
      #(PERIOD * 0.2) if (!resetting) observe;
      clk = 1;
      cycle = cycle + 1;
      #(PERIOD * 0.5) ;
    end
  endtask

  task reset;
    begin
      resetting = 1;
      tick;
      resetting = 0;
      begin_run(0);
      idle(1);
    end
  endtask

  task begin_run;
    input integer primitives;
    begin
      config__valid = 0;
      config_taken = 0;
@begin_run      psum_out_received = 0;
      held = 0;
      last = primitives;
      started = 0;
      finished = 0;
      quiet = 0;
    end
  endtask

  task idle;
    input integer count;
    begin
      idling = 1;
      repeat (count) tick;
      idling = 0;
    end
  endtask

  task run_all;
    begin
      begin_run(PRIMITIVES);
      while (finished < PRIMITIVES && !failed) tick;
      check_words;
      idle(8);
    end
  endtask

  initial begin
`ifdef DUMP
    $dumpfile("@name.vcd");
    $dumpvars(0, @{name}_tb);
`endif
    read_words;
    random = @seed;
    levels = random[14:0];
    stalling = 0;
    failed = 0;
    idling = 0;
    cycle = 0;
    sums = 0;
    begin_run(0);
    reset;
    run_all;
    for (cut = 1; cut <= CUTS; cut = cut + 1) begin
      begin_run(1);
      repeat (cut) tick;
      reset;
    end
    stalling = 1;
    run_all;
    if (!failed) $display("PASS: %0d sums, %0d cycles", sums, cycle);
    $finish;
  end

  task read_words;
    begin
@zero_ends      psum_out_end[0] = 0;
@table
@data
    end
  endtask
endmodule
"""


class _Verilog(Template):
    """Text with ``@name`` for what differs from one bench to another."""

    delimiter = "@"


def primitives(design: PEDesign, seed: int = 1) -> list[Workload]:
    """Primitives, with operands, that together use everything the design has.

    Sizes of one, full scratchpads, strides from 1 to above the filter width, depthwise, kept
    filters, with and without ``chain``, every precision mode, filters of fewer terms, every kind of
    operands: as far as the scratchpads have room. The first one is short.

    Args:
        seed: of the operands, 0 .. 2**31 - 1.

    Raises:
        InputError: if the seed is out of range.
    """
    require_int("seed", seed, 0, (1 << 31) - 1)
    works: list[Workload] = []
    for index, (size, operands) in enumerate(_plan(design)):
        kept = works[-1].filters if size.keep_filter else None
        works.append(draw(design, size, seed + index, operands, filters=kept))
    return works


def _plan(design: PEDesign) -> list[tuple[Primitive, str]]:
    """Sizes and kinds of operands."""
    room = _Room(design)
    groups: list[_Group] = [
        ((room.primitive(width=2, groups=1, filters=2, outputs=2), "uniform"),),
        ((room.primitive(width=1, groups=1, filters=1, outputs=1), "extremes"),),
        ((room.primitive(width=1, groups=1, filters=1, outputs=70, chain=False), "dnn"),),
    ]
    # Products alone, and one sum of each: nothing that is wrong can be rounded away.
    for chain in (False, True):
        single = room.primitive(
            width=1, groups=1, filters=4, outputs=60 if design.family == "fp" else 5, chain=chain
        )
        groups += [((single, "extremes"),), ((single, "uniform"),)]
    groups.append(((single, "close"),))
    if design.family == "fp":  # exponents at both ends, sums that cancel to all degrees
        for stride in range(1, 13):  # which changes nothing here but the operands
            longer = dataclasses.replace(single, outputs=70, stride=stride)
            groups.append(((longer, "close"),))
    for mode in range(design.precision_modes):
        groups.append(((room.primitive(mode=mode, filters=1), "uniform"),))
        groups += [((room.primitive(mode=mode), operands),) for operands in OPERANDS]
        groups += [((size, "uniform"),) for size in _full(room, mode)]
        for stride, outputs in ((2, 4), (3, 3), (5, 3)):
            strided = room.primitive(mode=mode, stride=stride, outputs=outputs)
            groups.append(_and_kept(strided, stride=1, chain=False, outputs=2))
    for chain in (True, False):
        apart = room.primitive(filters=2, depthwise=True, stride=1 + chain, chain=chain)
        groups.append(_and_kept(apart, outputs=2))
    most = min(design.ifmap_depth, design.psum_depth)
    alone = room.primitive(width=1, groups=most, filters=1, depthwise=True)
    groups.append(((alone, "uniform"),))
    for first in range(1, design.terms + 1) if design.serial_terms else ():
        for last in range(1, first + 1):
            groups.append(_and_kept(room.primitive(terms=(first, last)), stride=2))
    # Where little fits, many are the same.
    return [step for group in dict.fromkeys(groups) for step in group]


def _and_kept(size: Primitive, **changes: Any) -> _Group:
    """A primitive, and another one that keeps its filters."""
    kept = dataclasses.replace(size, keep_filter=True, **changes)
    return (size, "uniform"), (kept, "extremes")


def _full(room: _Room, mode: int) -> list[Primitive]:
    """Primitives that fill each scratchpad, or as much of it as any primitive can."""
    shapes = room.shapes(mode)

    def sized(shape: _Shape, *, most: int, outputs: int, stride: int = 1) -> Primitive:
        width, groups, filters = shape
        return room.primitive(
            mode=mode, width=width, groups=groups, filters=min(most, filters), outputs=outputs,
            stride=stride,
        )  # fmt: skip

    ifmap = max(shapes, key=lambda shape: (shape[0] * shape[1], min(shape[:2])))
    filters = max(shapes, key=lambda shape: (math.prod(shape), min(shape[:2])))
    psum = max(shapes, key=lambda shape: (shape[2], -shape[0] * shape[1]))
    # All sums, each of as many products as then fit.
    rich = max(shapes, key=lambda shape: (shape[2], math.prod(shape), min(shape[:2])))
    wide, deep = max(shapes), max(shapes, key=lambda shape: shape[1])
    # A ring that is not quite full: a window does not begin again at its first word.
    near = max((shape for shape in shapes if shape[0] < wide[0]), default=wide)
    return [
        sized(ifmap, most=2, outputs=5),
        sized(filters, most=filters[2], outputs=2),
        sized(psum, most=psum[2], outputs=3),
        sized(rich, most=rich[2], outputs=3, stride=2),
        sized(wide, most=1, outputs=3, stride=wide[0]),
        sized(near, most=1, outputs=3, stride=near[0]),
        sized(deep, most=1, outputs=3),
    ]


class _Room:
    """What fits the scratchpads of a design."""

    def __init__(self, design: PEDesign) -> None:
        self._design = design

    def shapes(self, mode: int) -> list[_Shape]:
        """Every S and G, with the most filters that fit beside them."""
        depth = self._design.ifmap_depth
        most = (1 << CONFIG_FIELDS["channels"]) // self._design.modes[mode].products
        return [
            (width, groups, self._most_filters(mode, width * groups))
            for width in range(1, depth + 1)
            for groups in range(1, min(depth // width, most) + 1)
            if self._most_filters(mode, width * groups)
        ]

    def _most_filters(self, mode: int, window: int) -> int:
        return min(self._design.psum_depth, self._steps(mode) // window)

    def _steps(self, mode: int) -> int:
        """Steps of multiply-accumulates that the filter scratchpad has weights for."""
        one = Primitive(filter_width=1, channels=1, filters=1, outputs=1, mode=mode)
        return self._design.filter_depth * one.weights_per_word(self._design)

    def primitive(
        self,
        *,
        mode: int = 0,
        width: int = 3,
        groups: int = 2,
        filters: int = 3,
        outputs: int = 4,
        terms: tuple[int, int] | None = None,
        depthwise: bool = False,
        **options: Any,
    ) -> Primitive:
        """These sizes, made smaller where they do not fit.

        Args:
            groups: G, channels over the products a cycle.
            terms: with ``serial_terms``, those of the first filter, and of the last; else as many
                as fit.
            options: further arguments of ``Primitive``.
        """
        design, steps = self._design, self._steps(mode)
        width = min(width, design.ifmap_depth, steps)
        groups = min(groups, design.ifmap_depth // width, steps // width)
        if depthwise:
            groups = min(groups, design.psum_depth)
        sums = design.psum_depth // groups if depthwise else design.psum_depth
        filters = min(filters, sums, steps // (width * groups))
        return Primitive(
            filter_width=width,
            channels=groups * design.modes[mode].products,
            filters=filters,
            outputs=outputs,
            mode=mode,
            depthwise=depthwise,
            filter_terms=self._terms(filters, steps // (width * groups), terms),
            **options,
        )

    def _terms(
        self, filters: int, steps: int, ends: tuple[int, int] | None
    ) -> tuple[int, ...] | None:
        """Terms of each filter, never rising, ``steps`` in all at most."""
        if not self._design.serial_terms:
            return None
        first, last = ends or (self._design.terms, self._design.terms)
        counts: list[int] = []
        for index in range(filters):
            wanted = first - (first - last) * index // max(1, filters - 1)
            left = steps - sum(counts) - (filters - index - 1)
            counts.append(min(wanted, left))
        return None if min(counts) == self._design.terms else tuple(counts)


def testbench_text(design: PEDesign, seed: int = 1) -> str:  # noqa: PT028  # it is no test
    """The bench, module ``<name>_tb``, for the module ``design.name``.

    The primitives of ``primitives`` run one after the other, first with streams that never wait,
    where each must take exactly ``row_cycles``. Then the first one runs as often as it has cycles,
    each time cut off one cycle later by a reset. Then all run again, every stream with random
    stalls.

    Args:
        seed: of operands and stalls, 0 .. 2**31 - 1.

    Raises:
        InputError: if the seed is out of range.
    """
    works = primitives(design, seed)
    works_words = [_words(design, work) for work in works]
    words = {
        name: [word for of_work in works_words for word in of_work[name]]
        for name in (*_SOURCES, "psum_out")
    }
    widths = stream_widths(design)
    table = [_entry(design, index, work, works_words[index]) for index, work in enumerate(works)]
    return _Verilog(_BENCH).substitute(
        {part: _of_each_source(template, words, widths) for part, template in _SOURCE.items()},
        name=design.name,
        digest=design.digest,
        primitives=len(works),
        cuts=row_cycles(design, works[0].size) + 1,
        patience=max(work.size.steps(design) for work in works) + _PATIENCE,
        # Never zero, which the generator could not leave.
        seed=f"32'h{(seed * _GOLDEN_RATIO) % (1 << 32) | 1:08x}",
        config_high=widths["config"] - 1,
        ports=",\n".join(f"    .{port['name']}({port['name']})" for port in ports(design)),
        psum_width=design.psum_bits,
        psum_high=design.psum_bits - 1,
        psum_row_high=_ROW * design.psum_bits - 1,
        psum_last_row=len(words["psum_out"]) // _ROW,
        table="\n".join(table),
        data="\n".join(_data(name, widths[name], of_stream) for name, of_stream in words.items()),
    )


def _of_each_source(template: str, words: dict[str, list[int]], widths: dict[str, int]) -> str:
    """A part of the bench, for one source after the other."""
    return "".join(
        _Verilog(template).substitute(
            s=name,
            index=index,
            width=widths[name],
            high=widths[name] - 1,
            row_high=_ROW * widths[name] - 1,
            last_row=len(words[name]) // _ROW,
        )
        for index, name in enumerate(_SOURCES, start=1)
    )


def _words(design: PEDesign, work: Workload) -> dict[str, list[int]]:
    """What travels in each stream."""
    return {
        "filter": filter_words(design, work.size, work.filters),
        "ifmap": ifmap_words(design, work.size, work.ifmap),
        "psum_in": [] if work.psums is None else psum_words(design, work.psums),
        "psum_out": psum_words(design, work.expected),
    }


def _entry(design: PEDesign, index: int, work: Workload, words: dict[str, list[int]]) -> str:
    """A line of the table: what it is, the config word, words of each stream, cycles."""
    size = work.size
    bits = stream_widths(design)["config"]
    counts = ", ".join(str(len(words[name])) for name in (*_SOURCES, "psum_out"))
    return (
        f"      // {_description(size)}\n"
        f"      add({index}, {bits}'h{size.config_word(design):0{-(-bits // 4)}x}, {counts}, "
        f"{row_cycles(design, size)});"
    )


def _description(size: Primitive) -> str:
    names = [f"{name} {getattr(size, name)}" for name in SIZE_FIELDS[:-1]]
    names += [f"stride {size.stride}", f"mode {size.mode}"]
    names += [name for name in ("depthwise", "keep_filter", "chain") if getattr(size, name)]
    if size.filter_terms:
        names.append("terms " + " ".join(map(str, size.filter_terms)))
    return ", ".join(names)


def _data(name: str, width: int, words: list[int]) -> str:
    """Assignments of all words of a stream, ``_ROW`` in a row, the first in the lowest bits.

    There is one word more, zero: it is offered when all have been taken, and must not be.
    """
    padded = [*words, *[0] * (_ROW - len(words) % _ROW)]
    digits = _ROW * width // 4
    return "\n".join(
        f"      {name}_rows[{start // _ROW}] = {_ROW * width}'h{_joined(row, width):0{digits}x};"
        for start in range(0, len(padded), _ROW)
        for row in [padded[start : start + _ROW]]
    )


def _joined(words: list[int], width: int) -> int:
    return sum(word << (index * width) for index, word in enumerate(words))
