"""Mutants of an array's network, controller and collectors: what layers in simulation notice.

The changes are those of ``characterize.mutation``, outside the PEs and output stages. A mutant is
caught when a sum, a count or the cycles of a run are not those of the models, a run that cannot be
done does not end as ``docs/array.md`` says, or a register does not keep what was written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from characterize.array_simulation import ArraySimulator
from characterize.mutation import Mutant, MutationResult, Outcome, equivalent, mutants, try_sample
from characterize.process import StepError, run_tool
from rtl_gen.array.compiler import Program, Run
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.model import run_activity
from rtl_gen.array.registers import COMMANDS, WATCHDOG_CYCLES, register_map
from rtl_gen.array.top import array_verilog
from rtl_gen.export import verilog_text
from rtl_gen.golden import Words

#: A mutant may take so many times the cycles of the model before it is stopped.
_LONGER = 4


@dataclass(frozen=True, kw_only=True)
class Check:
    """A program, what it must give, and how the buffer waits meanwhile.

    Attributes:
        expected: the ofmap.
        stall_pct: as for ``ArraySimulator.run``. Without waits, cycles and counts are compared;
            with some, the first run is begun once before, and stopped.
    """

    program: Program
    expected: Words
    stall_pct: int = 0


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Registers, or a buffer, with which a run is not done.

    Attributes:
        run: its registers and images.
        status: how it must end, as ``RunEnd.status``.
        stall_pct: of each port of a bank, by name; one that waits in 100 % never answers.
        limit: cycles after which the host stops the run.
    """

    run: Run
    status: str
    stall_pct: Mapping[str, int] = field(default_factory=dict)
    limit: int = WATCHDOG_CYCLES + 1000


def array_mutants(design: ArrayDesign, verilog: str) -> list[Mutant]:
    """Every mutant outside the PEs and the output stages, which have tests of their own."""
    lines = verilog.splitlines()
    inside, counted = True, set()
    for number in range(1, len(lines) - len(verilog_text(design.pe).splitlines()) + 1):
        if lines[number - 1].startswith("module "):
            inside = ".stage " not in lines[number - 1]
        if inside:
            counted.add(number)
    return [mutant for mutant in mutants(verilog) if mutant.line in counted]


def judge(
    design: ArrayDesign, verilog: str, checks: Sequence[Check], endings: Sequence[Ending] = ()
) -> Outcome:
    """``survived`` if all runs end as they must, ``invalid`` if the Verilog does not compile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            simulator = ArraySimulator(design, folder, verilog)
        except StepError:
            return "invalid"
        passed = (
            all(_passes(simulator, folder, check) for check in checks)
            and all(_ends(simulator, folder, ending) for ending in endings)
            and (not endings or _keeps_registers(design, folder, verilog))
        )
        return "survived" if passed else "caught"


def _passes(simulator: ArraySimulator, folder: Path, check: Check) -> bool:
    program = check.program
    requantized = program.scales is not None
    activities = [
        run_activity(program.shape, run.span, requantized=requantized) for run in program.runs
    ]
    runs, longer = [*program.runs], _LONGER * (10 if check.stall_pct else 1)
    limits = [longer * activity.cycles for activity in activities]
    if check.stall_pct:
        runs, limits = [runs[0], *runs], [activities[0].cycles * 2 // 3, *limits]
    try:
        ends, counts = simulator.run_each(
            runs, folder, stall_pct=check.stall_pct, limits=limits, timeout_s=60
        )
        stopped = [end.status for end in ends[: -len(program.runs)]]
        ends = ends[-len(program.runs) :]
        ofmap = program.ofmap([end.banks for end in ends])
    except (StepError, ValueError):  # unknown bits where a number was to be
        return False
    total = sum(activities[1:], activities[0])
    return (
        all(end.status == "done" for end in ends)
        and ofmap.tolist() == check.expected.tolist()
        and (
            stopped == ["stopped"]
            if check.stall_pct
            else all(counts[name] == total.counts.get(name, 0) for name in counts)
            and [end.cycles for end in ends] == [activity.cycles for activity in activities]
        )
    )


def _ends(simulator: ArraySimulator, folder: Path, ending: Ending) -> bool:
    """Whether it ends so, and the array takes the same run again, in the same way."""
    try:
        ends, _ = simulator.run_each(
            [ending.run, ending.run], folder, stall_pct=ending.stall_pct,
            limits=[ending.limit] * 2, timeout_s=120,
        )  # fmt: skip
    except (StepError, ValueError):
        return False
    return all(end.status == ending.status for end in ends)


_REGISTERS = """\
module registers;
  reg clk = 0, rst = 1, write_enable = 0;
  reg [{high}:0] write_address = 0, read_address = 0;
  reg [31:0] write_word = 0;
  wire [31:0] read_word;
  {top} dut (.clk(clk), .rst(rst), .write_enable(write_enable), .write_address(write_address),
    .write_word(write_word), .read_address(read_address), .read_word(read_word));
  always #1 clk = !clk;
  integer round, index;
  initial begin
    repeat (2) @(negedge clk);
    rst = 0;
    for (round = 0; round < 3; round = round + 1) begin
      for (index = 0; index < {words}; index = index + 1) begin
        read_address = index;
        #0.1 $display("%0d %h", index, read_word);
      end
      for (index = 2; index < {words}; index = index + 1) begin
        write_address = index;
        write_word = round == 0 ? 32'hffffffff : round == 1 ? {{16'h5a3c, index[15:0]}} : 0;
        write_enable = 1;
        @(negedge clk);
      end
      write_enable = 0;
    end
    $finish;
  end
endmodule
"""


def _keeps_registers(design: ArrayDesign, folder: Path, verilog: str) -> bool:
    """Whether every register is 0 after a reset, and then what its fields were given."""
    fields = [f for f in register_map(design) if not f.read_only and f.name not in COMMANDS]
    count = 1 + max(field.address for field in register_map(design))
    bench = _REGISTERS.format(top=design.name, words=count, high=(count - 1).bit_length() - 1)
    (folder / "registers.v").write_text(verilog + bench, encoding="utf-8")
    command = ["iverilog", "-g2005", "-s", "registers", "-o", "registers.vvp", "registers.v"]
    try:
        run_tool(command, folder=folder, log="registers.log", timeout_s=120)
        text = run_tool(["vvp", "-n", "registers.vvp"], folder=folder, log="registers.log",
                        timeout_s=60)  # fmt: skip
    except StepError:
        return False
    masks = [
        sum((1 << f.bits) - 1 << f.low for f in fields if f.address == n) for n in range(count)
    ]
    expected = [f"{n} {0:08x}" for n in range(count)]
    for word in (lambda _: 0xFFFFFFFF, lambda n: 0x5A3C0000 | n):
        expected += [f"{n} {word(n) & masks[n]:08x}" for n in range(count)]
    return text.split("\n")[: len(expected)] == expected


def try_array_mutants(
    design: ArrayDesign,
    checks: Sequence[Check],
    endings: Sequence[Ending],
    count: int,
    *,
    seed: int = 1,
    jobs: int = 1,
    report: Callable[[Mutant, Outcome], None] = lambda _mutant, _outcome: None,
) -> MutationResult:
    """Simulate a sample of the mutants, and try to prove those that pass equivalent.

    Args:
        count: of mutants; all, if there are not as many.
        seed: of the sample.
        jobs: simulations at once.
        report: called as each mutant is done.

    Raises:
        StepError: if the array itself does not pass.
    """
    verilog = array_verilog(design)
    if judge(design, verilog, checks, endings) != "survived":
        raise StepError(f"{design.name} fails its own checks")
    return try_sample(
        verilog, array_mutants(design, verilog), lambda text: judge(design, text, checks, endings),
        lambda text: equivalent(design.name, verilog, text), count,
        seed=seed, jobs=jobs, report=report,
    )  # fmt: skip
