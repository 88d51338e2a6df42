"""A Verilog test bench of an array: it plays the host and the buffer.

It reads ``run{n}_registers.hex``, ``run{n}_words.hex`` and ``run{n}_{bank}.hex``. One kind counts
what moves, and writes ``run{n}_{bank}.out`` with the banks of psums and ``counts.txt``; the other
checks: it compares with ``run{n}_{bank}.expected`` and says PASS or FAIL. Plain Verilog-2005, for
any simulator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rtl_gen.array.compiler import Program, Run, expected_banks, psum_words
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import address_bits, bank_bits
from rtl_gen.array.model import run_activity
from rtl_gen.array.registers import COMMANDS, register_map, register_words
from rtl_gen.golden import Words

#: What is counted in every PE: its streams' transfers, and multiply-accumulate cycles.
PE_COUNTS = ("filter_write", "ifmap_write", "psum_in", "psum_out", "mac")

_BANK = """
  // Bank {name}: answers in the cycle after a request, unless it waits.
  reg [{high}:0] {name} [0:{last}];
  reg [{address_high}:0] {name}_queue [0:15];
  reg [3:0] {name}_head, {name}_tail;
  reg {name}_stall_request, {name}_stall_response;
  wire {name}_request_valid, {name}_response_ready;
  wire [{address_high}:0] {name}_request_address;
  wire{behind} {name}_request_ready = !{name}_stall_request;
  wire{behind} {name}_response_valid = ({name}_head != {name}_tail) && !{name}_stall_response;
  wire [{high}:0]{behind} {name}_response_word = {name}[{name}_queue[{name}_head]];
  integer {name}_reads, {name}_stall;
  initial begin
    {name}_head = 0;
    {name}_tail = 0;
    {name}_stall_request = 0;
    {name}_stall_response = 0;
    {name}_reads = 0;
    {name}_stall = 0;
  end
  always @(posedge clk) begin
    {name}_stall_request <= stalls({name}_stall);
    {name}_stall_response <= stalls({name}_stall);
    if (rst) {name}_head <= {name}_tail;
    else begin
      if ({name}_request_valid && {name}_request_ready) begin
        {name}_queue[{name}_tail] <= {name}_request_address;
        {name}_tail <= {name}_tail + 1;
        {name}_reads <= {name}_reads + 1;
      end
      if ({name}_response_valid && {name}_response_ready) {name}_head <= {name}_head + 1;
    end
  end
"""
_WRITE = """
  reg {name}_stall_write;
  wire {name}_write_valid;
  wire [{write_high}:0] {name}_write_payload;
  wire{behind} {name}_write_ready = !{name}_stall_write;
  integer {name}_writes;
  initial begin
    {name}_stall_write = 0;
    {name}_writes = 0;
  end
  always @(posedge clk) begin
    {name}_stall_write <= stalls({name}_stall);
    if (!rst && {name}_write_valid && {name}_write_ready) begin
      {name}[{name}_write_payload[{address_high}:0]] <=
        {name}_write_payload[{write_high}:{address_bits}];
      {name}_writes <= {name}_writes + 1;
    end
  end
"""
_MAIN = """\
{header}{timescale}/* verilator lint_off WIDTH */
/* verilator lint_off UNUSEDSIGNAL */
/* verilator lint_off BLKSEQ */
module {module};
  localparam REGISTERS = {registers};
  reg clk, rst;
  integer stall, seed, runs, limit;
  // Percent of the cycles in which a port of the buffer waits.
  function stalls(input integer percent);
    stalls = percent > 0 && $unsigned($random(seed)) % 100 < percent;
  endfunction
{banks}
  reg write_enable;
  reg [{register_high}:0] write_address;
  reg [31:0] write_word;
  wire [31:0] read_word;
  wire busy;
  {top} dut (
    .clk(clk), .rst(rst), .write_enable(write_enable), .write_address(write_address),
    .write_word(write_word), .read_address({register_bits}'d1), .read_word(read_word), .busy(busy),
{connections}
  );
  always #{half} clk = !clk;
{declarations}
  reg [63:0] commands [0:{register_last}];
  // Cycles of the run, then words of each bank; of those of psums, that are compared.
  reg [31:0] words [0:{bank_count}];
  reg [8*160-1:0] name;
  integer run, index, cycles;
  initial begin
    clk = 0;
    rst = 1;
    write_enable = 0;
    write_address = 0;
    write_word = 0;
    if (!$value$plusargs("stall=%d", stall)) stall = 0;
{stalls}
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    if (!$value$plusargs("runs=%d", runs)) runs = {runs};
{begin}
    repeat (4) @(negedge clk);
    rst = 0;
    for (run = 0; run < runs; run = run + 1) begin
      $sformat(name, "{data}run%0d_words.hex", run);
      $readmemh(name, words);
{loads}
      $sformat(name, "{data}run%0d_registers.hex", run);
      $readmemh(name, commands);
      limit = commands[REGISTERS][31:0];  // cycles after which a run is stopped
      for (index = 0; index < REGISTERS; index = index + 1) begin
        write_enable = 1;
        write_address = commands[index][32 +: {register_bits}];
        write_word = commands[index][31:0];
        @(negedge clk);
      end
      write_address = 0;
      write_word = 1;
      @(negedge clk);
      write_enable = 0;
      cycles = 0;
{run_begins}      while (busy && cycles < limit) begin
        cycles = cycles + 1;
        @(negedge clk);
      end
      if (busy) begin
        write_address = 0;
        write_word = 2;
        write_enable = 1;
        @(negedge clk);
        write_enable = 0;
        for (index = 0; busy && index < 1000; index = index + 1) @(negedge clk);
      end
{run_ends}
    end
{end}
  end
endmodule
"""
#: Cycles after which a run is stopped, if nothing else is said.
LIMIT = 10_000_000
_DUMP = """\
  integer out;
  reg dump = 0;
  initial $dumpfile("activity.vcd");
  always @(posedge dump) $dumpvars(1, dut);
  always @(negedge dump) $dumpoff;"""
#: What the checking bench does when a run has come to its end.
_CHECK = """\
      total = total + cycles;
      if (read_word !== 2) begin
        if (!failed) $display("FAIL: run %0d ends after %0d cycles with status %0d",
                              run, cycles, read_word);
        failed = 1;
      end else if (stall == 0 && cycles !== words[0]) begin
        if (!failed) $display("FAIL: run %0d takes %0d cycles, not %0d", run, cycles, words[0]);
        failed = 1;
      end"""
_ZEROS = ["    failed = 0;", "    sums = 0;", "    total = 0;"]
_COMPARE = """\
      for (index = 0; index < words[{index}]; index = index + 1) begin
        sums = sums + 1;
        if ({name}[index] !== {name}_expected[index]) begin
          if (!failed) $display("FAIL: run %0d: word %0d of {name} is %h, not %h",
                                run, index, {name}[index], {name}_expected[index]);
          failed = 1;
        end
      end"""
_VERDICT = """\
    if (!failed) $display("PASS: %0d sums, %0d cycles", sums, total);
`ifdef __ICARUS__
    if (failed) $finish_and_return(1);
`else
`ifdef VERILATOR
    if (failed) $stop;
`endif
`endif
    $finish;"""
_HEADER = """\
// Self-checking test bench of {top}.
// It needs that module, the files in {data} and a Verilog simulator:
//   $ iverilog -g2005 -o tb {top}_tb.v {top}.v && vvp tb
//   $ verilator --binary --timing {top}_tb.v {top}.v && obj_dir/V{top}_tb
// It plays the host and the buffer, and runs a layer in {runs}. It compares every sum in
// the banks of psums, and the cycles, and prints one line that begins with PASS or FAIL; after
// FAIL, Icarus and Verilator exit with an error. With +stall=30 every port of the buffer waits in
// 30 % of the cycles, with +seed=2 in others.
"""


def array_testbench(design: ArrayDesign) -> str:
    """The test bench that counts, module ``tb``.

    It takes ``+runs=``, ``+stall=`` (percent), ``+stall_{bank}=`` for one bank alone, and
    ``+seed=``.
    """
    counters, prints, dumps = [], [], []
    for what in PE_COUNTS:
        terms = " + ".join(
            _pe_event(f"dut.grid.pe_{i}_{j}", what)
            for i in range(design.rows) for j in range(design.columns)
        )  # fmt: skip
        counters += [
            f"  integer {what}s;", f"  initial {what}s = 0;",
            "  always @(posedge clk) if (!rst)", f"    {what}s <= {what}s + {terms};",
        ]  # fmt: skip
    names = [f"{what}s" for what in PE_COUNTS]
    for bank in bank_bits(design):
        names.append(f"{bank}_reads")
        if bank.startswith("psum"):
            names.append(f"{bank}_writes")
            dumps.append(f'      $sformat(name, "run%0d_{bank}.out", run);')
            dumps.append(f"      $writememh(name, {bank});")
    prints = [f'    $fdisplay(out, "{name} %0d", {name});' for name in names]
    status = '      $fdisplay(out, "run%0d cycles %0d status %0d", run, cycles, read_word);'
    return _bench(
        design, module="tb", header="", data="", runs=1,
        declarations=["  integer out;", *counters],
        begin=['    out = $fopen("counts.txt");'], run_ends=[status, *dumps],
        end=[*prints, "    $fclose(out);", "    $finish;"], loads=[],
    )  # fmt: skip


def gate_testbench(design: ArrayDesign, *, period_ns: int) -> str:
    """The test bench of a netlist with delays, module ``tb``, as ``array_testbench``.

    What comes from the buffer changes an eighth of a period behind the clock edge: registers behind
    a clock tree still see the old. The activity of all nets goes to ``activity.vcd`` while the
    array is busy; nothing is counted inside.
    """
    dumps = []
    for bank in bank_bits(design):
        if bank.startswith("psum"):
            dumps.append(f'      $sformat(name, "run%0d_{bank}.out", run);')
            dumps.append(f"      $writememh(name, {bank});")
    status = '      $fdisplay(out, "run%0d cycles %0d status %0d", run, cycles, read_word);'
    return _bench(
        design, module="tb", header="", data="", runs=1, declarations=[_DUMP],
        begin=['    out = $fopen("counts.txt");'], run_begins="      dump = 1;\n",
        run_ends=["      dump = 0;", "      #1;", status, *dumps],
        end=["    $fclose(out);", "    $finish;"], loads=[], period_ns=period_ns,
    )  # fmt: skip


def checking_testbench(design: ArrayDesign, *, data: str, runs: int) -> str:
    """The test bench that checks, its module named as the array with ``_tb``.

    Args:
        data: folder of the files that it reads, relative to where the simulator runs.
        runs: of the layer.
    """
    declarations = ["  integer failed, sums, total;"]
    loads, compares = [], []
    for index, (bank, (words, bits)) in enumerate(bank_bits(design).items(), start=1):
        if not bank.startswith("psum"):
            continue
        declarations.append(f"  reg [{bits - 1}:0] {bank}_expected [0:{words - 1}];")
        loads += _load(f"{bank}_expected", f"{data}/", f"{bank}.expected", index)
        compares.append(_COMPARE.format(name=bank, index=index))
    header = _HEADER.format(
        top=design.name, data=data, runs="one run" if runs == 1 else f"{runs} runs"
    )
    return _bench(
        design, module=f"{design.name}_tb", header=header, data=f"{data}/", runs=runs,
        declarations=declarations, begin=_ZEROS, loads=loads, run_ends=[_CHECK, *compares],
        end=[_VERDICT],
    )  # fmt: skip


def _bench(
    design: ArrayDesign,
    *,
    module: str,
    header: str,
    data: str,
    runs: int,
    declarations: Sequence[str],
    begin: Sequence[str],
    loads: Sequence[str],
    run_ends: Sequence[str],
    end: Sequence[str],
    run_begins: str = "",
    period_ns: int = 0,
) -> str:
    """A test bench: what all kinds share, with the lines of one.

    Args:
        period_ns: of the clock, with inputs that come late; 0 for no delays but the clock's.
    """
    behind = f" #{period_ns / 8:g}" if period_ns else ""
    banks, connections, own_loads, stalls = [], [], [], []
    for index, (name, (words, bits)) in enumerate(bank_bits(design).items(), start=1):
        width = address_bits(words)
        names = {
            "name": name, "behind": behind, "high": bits - 1, "last": words - 1,
            "address_bits": width, "address_high": width - 1, "write_high": width + bits - 1,
        }  # fmt: skip
        banks.append(_BANK.format(**names))
        plus = f'$value$plusargs("stall_{name}=%d", {name}_stall)'
        stalls.append(f"    if (!{plus}) {name}_stall = stall;")
        pins = dict(_BANK_PINS)
        if name.startswith("psum"):
            banks.append(_WRITE.format(**names))
            pins |= {f"write__{w}": f"write_{w}" for w in ("valid", "payload", "ready")}
        else:
            own_loads += _load(name, data, f"{name}.hex", index)
        connections += [f"    .{name}_{port}({name}_{wire})" for port, wire in pins.items()]
    fields = register_map(design)
    count = len({f.address for f in fields if not f.read_only and f.name not in COMMANDS})
    register_bits = max(f.address for f in fields).bit_length()
    return _MAIN.format(
        timescale="`timescale 1ns/1ps\n" if period_ns else "", half=f"{period_ns / 2 or 5:g}",
        run_begins=run_begins, header=header, module=module, runs=runs, registers=count,
        banks="".join(banks), top=design.name, register_high=register_bits - 1,
        register_bits=register_bits, connections=",\n".join(connections),
        declarations="\n".join(declarations), register_last=count, stalls="\n".join(stalls),
        bank_count=len(bank_bits(design)), begin="\n".join(begin), data=data,
        loads="\n".join([*own_loads, *loads]), run_ends="\n".join(run_ends), end="\n".join(end),
    )  # fmt: skip


#: Ports of every bank, and the wires of the bench.
_BANK_PINS = {
    "request__valid": "request_valid", "request__payload": "request_address",
    "request__ready": "request_ready", "response__valid": "response_valid",
    "response__payload": "response_word", "response__ready": "response_ready",
}  # fmt: skip


def _load(memory: str, data: str, file: str, index: int) -> list[str]:
    """Read a file of a run: as many words as ``words`` says, so that no simulator warns."""
    return [
        f'      $sformat(name, "{data}run%0d_{file}", run);',
        f"      if (words[{index}] > 0) $readmemh(name, {memory}, 0, words[{index}] - 1);",
    ]


def _pe_event(path: str, what: str) -> str:
    """A bit that is 1 when it happens."""
    if what == "mac":
        return f"{path}.controller.mac[0]"
    port = {"filter_write": "filter", "ifmap_write": "ifmap"}.get(what, what)
    return f"({path}.{port}__valid && {path}.{port}__ready)"


def input_files(
    design: ArrayDesign, runs: Sequence[Run], limits: Sequence[int] | None = None
) -> dict[str, str]:
    """What the test bench reads, by name.

    Args:
        limits: of each run, cycles after which it is stopped.
    """
    result = {}
    for index, (run, limit) in enumerate(zip(runs, limits or [LIMIT] * len(runs), strict=True)):
        registers = [
            address << 32 | word for address, word in register_words(design, run.registers)
        ]
        result[f"run{index}_registers.hex"] = hex_lines([*registers, limit])
        words = [len(run.images.get(name, ())) for name in bank_bits(design)]
        result[f"run{index}_words.hex"] = hex_lines([0, *words])
        for name in bank_bits(design):
            if not name.startswith("psum"):
                result[f"run{index}_{name}.hex"] = hex_lines(run.images.get(name, ()))
    return result


def checked_files(program: Program) -> dict[str, str]:
    """What the test bench that checks reads, by name: also cycles, and words to compare."""
    shape = program.shape
    result = input_files(shape.design, program.runs)
    for index, run in enumerate(program.runs):
        finished = bool(run.registers["requantize"])
        cycles = run_activity(shape, run.span, requantized=finished).cycles
        compared = psum_words(shape, run.span)
        words = [
            compared.get(name, len(run.images.get(name, ()))) for name in bank_bits(shape.design)
        ]
        result[f"run{index}_words.hex"] = hex_lines([cycles, *words])
    return result


def expected_files(program: Program, ifmap: Words, weights: Words) -> dict[str, str]:
    """What the banks of psums must hold after each run, for the test bench that checks."""
    mask = (1 << program.shape.design.pe.psum_bits) - 1
    return {
        f"run{index}_{name}.expected": hex_lines([int(word) & mask for word in words])
        for index, banks in enumerate(expected_banks(program, ifmap, weights))
        for name, words in banks.items()
    }


def hex_lines(words: Sequence[int]) -> str:
    """Words for ``$readmemh``, a line each; no file is empty."""
    return "".join(f"{word:x}\n" for word in words) or "0\n"


def read_bank(text: str) -> list[int]:
    """Words of a bank as the simulator wrote them; unknown ones as 0."""
    lines = [line.partition("//")[0].strip() for line in text.splitlines()]
    return [int(line, 16) if _known(line) else 0 for line in lines if line and line[0] != "@"]


def _known(word: str) -> bool:
    return not set(word.lower()) & {"x", "z"}


def read_counts(text: str) -> Mapping[str, int]:
    """``counts.txt``: numbers by name; ``run0 cycles`` and ``run0 status`` among them."""
    result = {}
    for line in text.splitlines():
        words = line.split()
        if words[0].startswith("run"):
            result[f"{words[0]} cycles"], result[f"{words[0]} status"] = (
                int(words[2]),
                int(words[4]),
            )
        else:
            result[words[0]] = int(words[1])
    return result
