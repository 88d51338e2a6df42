"""A Verilog test bench of an array: it plays the host and the buffer, and counts what moves.

It reads ``run{n}_registers.hex`` and ``run{n}_{bank}.hex``, and writes ``run{n}_{bank}.out`` with
the banks of psums and ``counts.txt``. Plain Verilog-2005, for any simulator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rtl_gen.array.compiler import Run
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.registers import COMMANDS, register_map, register_words
from rtl_gen.array.top import bank_bits

#: What is counted in every PE: its streams' transfers, and multiply-accumulate cycles.
PE_COUNTS = ("filter_write", "ifmap_write", "psum_in", "psum_out", "mac")

_BANK = """
  // Bank {name}: answers in the cycle after a request, unless it waits.
  reg [{high}:0] {name} [0:{last}];
  reg [{address_high}:0] {name}_queue [0:15];
  reg [3:0] {name}_head = 0, {name}_tail = 0;
  reg {name}_stall_request = 0, {name}_stall_response = 0;
  wire {name}_request_valid;
  wire [{address_high}:0] {name}_request_address;
  wire {name}_request_ready = !{name}_stall_request;
  wire {name}_response_valid = ({name}_head != {name}_tail) && !{name}_stall_response;
  wire [{high}:0] {name}_response_word = {name}[{name}_queue[{name}_head]];
  integer {name}_reads = 0, {name}_stall = 0;
  always @(posedge clk) begin
    {name}_stall_request <= stalls({name}_stall);
    {name}_stall_response <= stalls({name}_stall);
    if (rst) {name}_head <= {name}_tail;
    else begin
      if ({name}_request_valid && {name}_request_ready) begin
        {name}_queue[{name}_tail] <= {name}_request_address;
        {name}_tail <= {name}_tail + 1;
        {name}_reads = {name}_reads + 1;
      end
      if ({name}_response_valid) {name}_head <= {name}_head + 1;
    end
  end
"""
_WRITE = """
  reg {name}_stall_write = 0;
  wire {name}_write_valid;
  wire [{write_high}:0] {name}_write_payload;
  wire {name}_write_ready = !{name}_stall_write;
  integer {name}_writes = 0;
  always @(posedge clk) begin
    {name}_stall_write <= stalls({name}_stall);
    if (!rst && {name}_write_valid && {name}_write_ready) begin
      {name}[{name}_write_payload[{address_high}:0]] <=
        {name}_write_payload[{write_high}:{address_bits}];
      {name}_writes = {name}_writes + 1;
    end
  end
"""
_MAIN = """\
`timescale 1ns/1ps
module tb;
  reg clk = 0, rst = 1;
  integer stall = 0, runs = 1, registers = {registers}, limit;
  integer seed = 1;
  // Percent of the cycles in which a port of the buffer waits.
  function stalls(input integer percent);
    stalls = percent > 0 && $unsigned($random(seed)) % 100 < percent;
  endfunction
{banks}
  reg write_enable = 0;
  reg [{register_high}:0] write_address = 0, read_address = 1;
  reg [31:0] write_word = 0;
  wire [31:0] read_word;
  wire busy;
  {top} dut (
    .clk(clk), .rst(rst), .write_enable(write_enable), .write_address(write_address),
    .write_word(write_word), .read_address(read_address), .read_word(read_word), .busy(busy),
{connections}
  );
  always #5 clk = !clk;
{pe_counters}
  reg [63:0] commands [0:{register_last}];
  reg [8*64-1:0] name;
  integer run, index, cycles, out;
  initial begin
    if (!$value$plusargs("stall=%d", stall)) stall = 0;
{stalls}
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    if (!$value$plusargs("runs=%d", runs)) runs = 1;
    out = $fopen("counts.txt");
    repeat (4) @(negedge clk);
    rst = 0;
    for (run = 0; run < runs; run = run + 1) begin
{loads}
      $sformat(name, "run%0d_registers.hex", run);
      $readmemh(name, commands);
      limit = commands[registers];
      for (index = 0; index < registers; index = index + 1) begin
        write_enable = 1;
        {{write_address, write_word}} = commands[index];
        @(negedge clk);
      end
      write_address = 0;
      write_word = 1;
      @(negedge clk);
      write_enable = 0;
      cycles = 0;
      while (busy && cycles < limit) begin
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
      $fdisplay(out, "run%0d cycles %0d status %0d", run, cycles, read_word);
{dumps}
    end
{prints}
    $fclose(out);
    $finish;
  end
endmodule
"""


def array_testbench(design: ArrayDesign) -> str:
    """The test bench of an array.

    It takes ``+runs=``, ``+stall=`` (percent), ``+stall_{bank}=`` for one bank alone, and
    ``+seed=``.
    """
    banks, connections, loads, dumps, prints, stalls = [], [], [], [], [], []
    for name, (words, bits) in bank_bits(design).items():
        address_bits = (words - 1).bit_length()
        names = {
            "name": name, "high": bits - 1, "last": words - 1, "address_bits": address_bits,
            "address_high": address_bits - 1, "write_high": address_bits + bits - 1,
        }  # fmt: skip
        banks.append(_BANK.format(**names))
        plus = f'$value$plusargs("stall_{name}=%d", {name}_stall)'
        stalls.append(f"    if (!{plus}) {name}_stall = stall;")
        pins = {
            "request__valid": "request_valid", "request__payload": "request_address",
            "request__ready": "request_ready", "response__valid": "response_valid",
            "response__payload": "response_word",
        }  # fmt: skip
        prints.append(f'    $fdisplay(out, "{name}_reads %0d", {name}_reads);')
        if name.startswith("psum"):
            banks.append(_WRITE.format(**names))
            pins |= {f"write__{w}": f"write_{w}" for w in ("valid", "payload", "ready")}
            prints.append(f'    $fdisplay(out, "{name}_writes %0d", {name}_writes);')
            dumps.append(f'      $sformat(name, "run%0d_{name}.out", run);')
            dumps.append(f"      $writememh(name, {name});")
        else:
            loads.append(f'      $sformat(name, "run%0d_{name}.hex", run);')
            loads.append(f"      $readmemh(name, {name});")
        connections += [f"    .{name}_{port}({name}_{wire})" for port, wire in pins.items()]
    counters = []
    for what in PE_COUNTS:
        terms = " + ".join(
            _pe_event(f"dut.grid.pe_{i}_{j}", what)
            for i in range(design.rows) for j in range(design.columns)
        )  # fmt: skip
        counters.append(f"  integer {what}s = 0;\n  always @(posedge clk) if (!rst)\n"
                        f"    {what}s = {what}s + {terms};")  # fmt: skip
        prints.append(f'    $fdisplay(out, "{what}s %0d", {what}s);')
    fields = register_map(design)
    count = len({f.address for f in fields if not f.read_only and f.name not in COMMANDS})
    return _MAIN.format(
        registers=count, banks="".join(banks), top=design.name,
        register_high=max(f.address for f in fields).bit_length() - 1,
        connections=",\n".join(connections), pe_counters="\n".join(counters),
        register_last=count, loads="\n".join(loads), dumps="\n".join(dumps),
        prints="\n".join(prints), stalls="\n".join(stalls),
    )  # fmt: skip


def _pe_event(path: str, what: str) -> str:
    """A bit that is 1 when it happens."""
    if what == "mac":
        return f"{path}.controller.mac[0]"
    port = {"filter_write": "filter", "ifmap_write": "ifmap"}.get(what, what)
    return f"({path}.{port}__valid && {path}.{port}__ready)"


def input_files(design: ArrayDesign, runs: Sequence[Run], limits: Sequence[int]) -> dict[str, str]:
    """What the test bench reads, by name.

    Args:
        limits: of each run, cycles after which it is stopped.
    """
    result = {}
    for index, (run, limit) in enumerate(zip(runs, limits, strict=True)):
        words = register_words(design, run.registers)
        result[f"run{index}_registers.hex"] = _hex([*(a << 32 | w for a, w in words), limit])
        for name in bank_bits(design):
            if not name.startswith("psum"):
                result[f"run{index}_{name}.hex"] = _hex(run.images.get(name, []))
    return result


def _hex(words: Sequence[int]) -> str:
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
