"""Proof that a run of an array ends: whatever its operands, however the buffer waits.

The array's own Verilog is unrolled cycle by cycle from reset, its registers written as a host
does. What the buffer answers is free, and so is when, but that a port waits a few cycles in a row
at most. That is bounded in time, and for one array and one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from characterize.prover import Verdict, check_bounded, write_aiger
from rtl_gen.array.compiler import Run
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import bank_bits
from rtl_gen.array.registers import register_map, register_words
from rtl_gen.array.top import array_verilog

#: What must hold, in the order of the outputs.
CLAIMS = (
    "the run has come to its end within the bound",
    "it is neither refused nor given up",
    "a request or a write that waits keeps valid and address until it is taken",
)


def prove_run_ends(
    design: ArrayDesign,
    run: Run,
    folder: Path,
    *,
    cycles: int,
    most_waits: int,
    timeout_s: float,
    verilog: str | None = None,
) -> Verdict:
    """Prove ``CLAIMS`` for one run, from reset.

    Args:
        folder: gets the files.
        cycles: the bound.
        most_waits: cycles in a row that a port of the buffer waits, at most.
        verilog: of the array, if it is not to be generated.

    Raises:
        StepError: if a prover fails.
    """
    (folder / "array.v").write_text(verilog or array_verilog(design), encoding="utf-8")
    words = register_words(design, run.registers)
    text = "\n".join(_wrapper(design, words, cycles=cycles, most_waits=most_waits))
    (folder / "ends.v").write_text(text + "\n", encoding="utf-8")
    aiger = write_aiger(folder, "ends", ["array.v", "ends.v"], "proof", before="memory")
    # A cycle of reset, the registers, the start; the bound; and one to see it.
    frames = 1 + len(words) + 1 + cycles + 1
    return check_bounded(folder, aiger, frames=frames, timeout_s=timeout_s)


def _wrapper(
    design: ArrayDesign, words: list[tuple[int, int]], *, cycles: int, most_waits: int
) -> Iterator[str]:
    """A host and a buffer around the array."""
    banks = bank_bits(design)
    ports = [f"{name}_request" for name in banks] + [f"{name}_response" for name in banks]
    ports += [f"{name}_write" for name in banks if name.startswith("psum")]
    yield f"module proof(input clk, input [{len(ports) - 1}:0] waits,"
    yield from (f"  input [{bits - 1}:0] any_{name}," for name, (_, bits) in banks.items())
    yield f"  output [{len(CLAIMS) - 1}:0] bad);"
    yield "  reg [15:0] cycle = 0;\n  always @(posedge clk) cycle <= cycle + 1;"
    yield "  wire rst = cycle == 0;\n  reg [7:0] write_address;\n  reg [31:0] write_word;"
    yield "  reg write_enable;\n  always @* begin"
    yield "    write_enable = 1; write_address = 0; write_word = 0;\n    case (cycle)"
    for index, (address, word) in enumerate([*words, (0, 1)], start=1):
        yield f"      {index}: begin write_address = {address}; write_word = 32'd{word}; end"
    yield "      default: write_enable = 0;\n    endcase\n  end"
    for index, port in enumerate(ports):
        yield f"  reg [7:0] waited_{index} = 0;"
        yield f"  wire {port}_waits = waits[{index}] && waited_{index} < {most_waits};"
        yield (f"  always @(posedge clk) waited_{index} <= {port}_waits ? waited_{index} + 1 : 0;")
    broken, connections = [], []
    for name, (count, bits) in banks.items():
        address = (count - 1).bit_length()
        yield f"  wire {name}_request_valid;\n  wire [{address - 1}:0] {name}_request_payload;"
        yield f"  reg [3:0] {name}_owed = 0;"
        yield f"  wire {name}_answers = {name}_owed != 0 && !{name}_response_waits;"
        yield (
            f"  always @(posedge clk) if (!rst) {name}_owed <= {name}_owed - {name}_answers +"
            f" ({name}_request_valid && !{name}_request_waits);"
        )
        connections += [
            f".{name}_request__valid({name}_request_valid)",
            f".{name}_request__payload({name}_request_payload)",
            f".{name}_request__ready(!{name}_request_waits)",
            f".{name}_response__valid({name}_answers)",
            f".{name}_response__payload(any_{name})",
        ]
        kept = [(f"{name}_request", address, address)]
        if name.startswith("psum"):
            width = address + bits
            yield f"  wire {name}_write_valid;\n  wire [{width - 1}:0] {name}_write_payload;"
            connections += [
                f".{name}_write__valid({name}_write_valid)",
                f".{name}_write__payload({name}_write_payload)",
                f".{name}_write__ready(!{name}_write_waits)",
            ]
            kept.append((f"{name}_write", address, width))
        for port, low, _ in kept:
            yield f"  reg {port}_held = 0;\n  reg [{low - 1}:0] {port}_before;"
            yield f"  always @(posedge clk) {port}_held <= !rst && {port}_valid && {port}_waits;"
            yield f"  always @(posedge clk) {port}_before <= {port}_payload[{low - 1}:0];"
            same = f"{port}_payload[{low - 1}:0] == {port}_before"
            broken.append(f"({port}_held && !({port}_valid && {same}))")
    status = next(field for field in register_map(design) if field.name == "busy").address
    yield f"  wire busy;\n  wire [31:0] status;\n  {design.name} dut (.clk(clk), .rst(rst),"
    yield "    .write_enable(write_enable), .write_address(write_address),"
    yield f"    .write_word(write_word), .read_address({status}), .read_word(status), .busy(busy),"
    yield "    " + ",\n    ".join(connections) + ");"
    place = {field.name: field.low for field in register_map(design) if field.address == status}
    last = 1 + len(words) + 1 + cycles
    yield f"  assign bad[0] = cycle == {last} && !status[{place['done']}];"
    given_up = " || ".join(f"status[{place[name]}]" for name in ("refused", "hung", "stopped"))
    yield f"  assign bad[1] = cycle != 0 && ({given_up});"
    yield f"  assign bad[2] = {' || '.join(broken)};"
    yield "endmodule"
