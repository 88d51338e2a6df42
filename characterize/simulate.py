"""Simulation of a PE, RTL or gates: cocotb on Icarus Verilog."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb_tools.config
import find_libpython

from characterize.activity import Activities, ActivityCounter
from characterize.liberty import LibraryCell, verilog
from characterize.process import StepError, UnknownBitsError, run_streaming, run_tool
from characterize.schedule import Schedule
from characterize.testbench_wrapper import DUMP, wrapper
from rtl_gen.design import PEDesign
from rtl_gen.golden import row_cycles
from rtl_gen.operands import Workload
from rtl_gen.scratchpad import sram_module, sram_size
from rtl_gen.streams import filter_words, ifmap_words, psum_words

#: Delay of a cell model that is given none: no race is decided by order.
CELL_DELAY_NS = 0.1
#: The same of clock gates: quicker than flip-flops, so that gated and free ones see one edge.
CLOCK_GATE_DELAY_NS = 0.01
#: Simulated clock period: longer than any path, so that a missed period is a matter of timing
#: analysis, not of the sums.
CLOCK_NS = 40
#: Macro under which the state of cell models begins with random bits, the same in every run, or
#: with their inverses where it is 1; without it, with X.
RANDOM_START = "RANDOM_START"
ACTIVITY_MODEL = "delay of each cell from OpenSTA after placement, inertial; no wire delay"


@dataclass(frozen=True, kw_only=True)
class SimulationResult:
    """What a simulation that reproduced the golden sums saw.

    Attributes:
        cycles: from the edge that took the first configuration to that of the last sum.
        output_delay_ps: from the clock edge to the last change of ``psum_out.valid``.
        activities: of all nets in each phase of the schedule, if there is one.
        random_start: registers began with random bits, for from X the sums were unknown.
    """

    cycles: int
    output_delay_ps: int
    activities: Activities | None = None
    random_start: bool = False


def write_job(
    path: Path,
    design: PEDesign,
    workloads: Sequence[Workload],
    *,
    stall: float,
    seed: int,
    reset_at: int | None = None,
    schedule: Schedule | None = None,
) -> None:
    """Write what the test bench sends and expects: the primitives one after the other.

    Args:
        stall: probability that a stream waits in a cycle.
        seed: of the waiting.
        reset_at: cycle at which the PE is reset and everything begins anew.
        schedule: phases, and streams that wait at given times.
    """
    cycles = sum(row_cycles(design, workload.size) for workload in workloads)
    plan = schedule or Schedule(phases=0, changes=(), cycles=cycles)
    longest = max(cycles, plan.cycles, plan.last_cycle)
    job = {
        "config": [work.size.config_word(design) for work in workloads],
        "filter": [w for work in workloads for w in filter_words(design, work.size, work.filters)],
        "ifmap": [w for work in workloads for w in ifmap_words(design, work.size, work.ifmap)],
        "psum_in": [
            w for work in workloads if work.psums is not None
            for w in psum_words(design, work.psums)
        ],
        "expected": [w for work in workloads for w in psum_words(design, work.expected)],
        "stall": stall,
        "seed": seed,
        "reset_at": -1 if reset_at is None else reset_at,
        "period_ns": CLOCK_NS,
        "max_cycles": int((longest + 100) * (1 + 10 * stall)) + (reset_at or 0),
        "phases": [
            (cycle, 0 if phase is None else phase + 1) for cycle, phase in plan.changes
        ],
        "holds": {name: list(spans) for name, spans in plan.holds.items()},
        "clock_stops": [(cycle, n, phase + 1) for cycle, n, phase in plan.clock_stops],
        "last_cycle": plan.last_cycle,
    }  # fmt: skip
    path.write_text(json.dumps(job), encoding="utf-8")


def simulate(
    folder: Path,
    design: PEDesign,
    workloads: Sequence[Workload],
    sources: Sequence[str],
    *,
    gates: bool,
    timeout_s: float,
    stall: float = 0.0,
    seed: int = 0,
    reset_at: int | None = None,
    schedule: Schedule | None = None,
    output_delay_ps: int | None = None,
) -> SimulationResult:
    """Simulate primitives back to back and hold the sums against the golden ones.

    Everything begins from X. X is pessimistic: ``b ^ s & (a ^ b)`` is unknown while ``b`` is,
    though it is ``a`` where ``s`` is 1; and such gates may stand behind words never written. A
    netlist whose sums are so unknown is simulated again, from random bits and from their inverses,
    for real registers begin with some: a sum that depends on one of them is wrong in one of the two
    runs.

    Args:
        folder: where ``sources`` are and results go.
        gates: the sources are a netlist and its cells: outputs must change behind the clock edge.
        stall, seed, reset_at, schedule: as in ``write_job``.
        output_delay_ps: from the clock edge to ``psum_out.valid``, if it is known.

    Raises:
        StepError: if it does not compile or run, a sum differs, or the delays were not applied.
    """
    (folder / "tb.v").write_text(wrapper(design), encoding="utf-8")
    write_job(
        folder / "job.json", design, workloads,
        stall=stall, seed=seed, reset_at=reset_at, schedule=schedule,
    )  # fmt: skip
    cycles = schedule.cycles if schedule else None
    if schedule is None and stall == 0 and len(workloads) == 1:
        cycles = row_cycles(design, workloads[0].size)
    random_start = False
    try:
        counter = _run(folder, sources, schedule, timeout_s)
        result = _check(folder, design, workloads, cycles)
    except UnknownBitsError:
        if not gates:
            raise
        random_start = True
        for inverted in (1, 0):
            counter = _run(folder, sources, schedule, timeout_s, f"{RANDOM_START}={inverted}")
            result = _check(folder, design, workloads, cycles)
    seen = result["output_delay_ps"]
    if gates and (seen < 1 if output_delay_ps is None else abs(seen - output_delay_ps) > 1):
        expected = output_delay_ps or "some"
        raise StepError(
            f"psum_out.valid changes {seen} ps behind the clock, not {expected}: "
            "cell delays are not applied"
        )
    return SimulationResult(
        cycles=result["cycles"],
        output_delay_ps=seen,
        activities=counter.finish() if schedule else None,
        random_start=random_start,
    )


def _run(
    folder: Path,
    sources: Sequence[str],
    schedule: Schedule | None,
    timeout_s: float,
    *macros: str,
) -> ActivityCounter:
    """Compile with these macros and run; leaves what the test bench saw."""
    defines = [f"-D{macro}" for macro in macros]
    (folder / "sim.vvp").unlink(missing_ok=True)
    run_tool(
        ["iverilog", "-g2012", *defines, "-s", "tb", "-o", "sim.vvp", "tb.v", *sources],
        folder=folder, log="iverilog.log", timeout_s=timeout_s,
    )  # fmt: skip
    if not (folder / "sim.vvp").exists():
        raise StepError("iverilog wrote no sim.vvp")
    (folder / "result.json").unlink(missing_ok=True)
    (folder / "results.xml").unlink(missing_ok=True)
    counter = ActivityCounter(phases=schedule.phases if schedule else 0)
    if schedule is None:
        run_tool(
            vvp_command(dump=False), folder=folder, log="simulation.log", timeout_s=timeout_s,
            environment=cocotb_environment(),
        )  # fmt: skip
    else:
        run_streaming(
            vvp_command(dump=True), folder=folder, log="simulation.log", timeout_s=timeout_s,
            environment=cocotb_environment(), pipe=DUMP, consume=counter.feed,
        )  # fmt: skip
    return counter


def vvp_command(*, dump: bool) -> list[str]:
    """What runs a compiled ``sim.vvp`` under cocotb; with ``dump`` it may write a VCD."""
    library = cocotb_tools.config.lib_entry("vpi", "icarus")
    return ["vvp", "-n", "-m", library, "sim.vvp", "-vcd" if dump else "-none"]


def cocotb_environment() -> dict[str, str]:
    """The variables through which cocotb finds Python, the test bench and its job.

    Raises:
        StepError: if Python is not there as a shared library.
    """
    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise StepError(
            "cocotb needs the shared libpython; on Debian: apt-get install libpython3-dev"
        )
    return {
        "COCOTB_TOPLEVEL": "tb",
        "COCOTB_TEST_MODULES": "characterize.testbench",
        "COCOTB_RESULTS_FILE": "results.xml",
        "COCOTB_LOG_LEVEL": "WARNING",
        "TOPLEVEL_LANG": "verilog",
        "GPI_USERS": f"{libpython};{cocotb_tools.config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "PEFORGE_JOB": "job.json",
        "PEFORGE_RESULT": "result.json",
    }


def _check(
    folder: Path,
    design: PEDesign,
    workloads: Sequence[Workload],
    cycles: int | None,
) -> dict[str, Any]:
    """What the test bench left behind, if all is as expected."""
    try:
        result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        report = (folder / "results.xml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise StepError("the simulation ended without a result") from None
    expected = [word for work in workloads for word in psum_words(design, work.expected)]
    received = result["received"]
    for index, (have, want) in enumerate(zip(received, expected, strict=False)):
        if have is None:
            raise UnknownBitsError(
                f"psum {index} has unknown bits, the golden model says {_number(design, want)}"
            )
        if have != want:
            raise StepError(
                f"psum {index} is {_number(design, have)}, the golden model says "
                f"{_number(design, want)}"
            )
    if len(received) != len(expected) or not expected:
        raise StepError(f"{len(received)} psums came out, not {len(expected)}")
    if any(result["left"].values()) or not result["idle"]:
        raise StepError(f"the PE did not come back to idle; words left: {result['left']}")
    if not re.search(r"<testcase ", report) or re.search(r"<(failure|error)", report):
        raise StepError("the test bench reports a failure")
    if cycles is not None and result["cycles"] != cycles:
        what = "primitive" if len(workloads) == 1 else "primitives"
        raise StepError(f"the {what} took {result['cycles']} cycles, the formula says {cycles}")
    return result


def _number(design: PEDesign, word: int) -> str:
    """A psum as people read it: a signed integer, or for ``fp`` the bits in hexadecimal."""
    if design.family == "fp":
        return f"{word:#x}"
    return str(word - ((word >> (design.psum_bits - 1)) << design.psum_bits))


def cell_models(cells: Iterable[LibraryCell]) -> str:
    """Verilog models of library cells, from their Liberty functions, with delays.

    The delay of an instance is its parameter ``DELAY_NS``; a pulse that is shorter is swallowed. A
    flip-flop samples at its clock edge; a clock gate latches its enable while the clock is low; a
    macro behaves as its RTL. Simulation starts from X, unless ``RANDOM_START`` is defined.

    Raises:
        StepError: on a cell whose behaviour the Liberty file does not give in such terms.
    """
    return "`timescale 1ns/1ps\n" + "".join(_cell_model(cell) for cell in cells)


def _cell_model(cell: LibraryCell) -> str:
    outputs = list(cell.outputs)
    default = CLOCK_GATE_DELAY_NS if cell.clock_gate else CELL_DELAY_NS
    parameter = f" #(parameter real DELAY_NS = {default})"
    if size := sram_size(cell.name):
        start = _start(*(f"for (i = 0; i < {size[0]}; i = i + 1) words[i] = {_random(size[1])};",
                         f"q = {_random(size[1])};"))  # fmt: skip
        return sram_module(*size, parameters=parameter, delay="#DELAY_NS ", start=start)
    lines = [f"module {cell.name}{parameter}({', '.join([*cell.inputs, *outputs])});"]
    lines += [f"  input {pin};" for pin in cell.inputs]
    lines += [f"  output {pin};" for pin in outputs]
    if cell.clock_gate and not cell.is_logic:
        clock, enable = cell.clock_gate_pins
        test = "".join(f" | {pin}" for pin in cell.inputs if pin not in cell.clock_gate_pins)
        lines += [
            "  reg enabled;",
            f"  always @* if (!{clock}) enabled = {enable}{test};",
            f"  assign #DELAY_NS {outputs[0]} = {clock} & enabled;",
        ]
    elif cell.is_flop:
        true, inverted = cell.state
        lines += [
            f"  reg {true};",
            f"  wire {inverted} = ~{true};",
            *_clocked(cell, true),
            _start(f"{true} = {_random(1)};"),
        ]
        lines += [f"  assign {pin} = {verilog(cell.outputs[pin])};" for pin in outputs]
    elif cell.is_latch and all(cell.outputs.values()):
        true, inverted = cell.state
        lines += [
            f"  reg {true};",
            f"  wire {inverted} = ~{true};",
            f"  always @* if ({verilog(cell.open_while)}) {true} = {verilog(cell.data)};",
            _start(f"{true} = {_random(1)};"),
        ]
        lines += [f"  assign #DELAY_NS {pin} = {verilog(cell.outputs[pin])};" for pin in outputs]
    elif outputs and all(cell.outputs.values()) and not cell.has_other_state:
        lines += [f"  assign #DELAY_NS {pin} = {verilog(cell.outputs[pin])};" for pin in outputs]
    else:
        raise StepError(f"no simulation model for cell {cell.name}")
    return "\n".join([*lines, "endmodule\n"])


def _clocked(cell: LibraryCell, state: str) -> list[str]:
    """What a flip-flop does at its clock, and while it is cleared or preset."""
    sampled = f"{state} <= #DELAY_NS {verilog(cell.next_state)};"
    forced = [(f, v) for f, v in ((cell.clear, 0), (cell.preset, 1)) if f]
    wires = [f"  wire forced{value} = {verilog(function)};" for function, value in forced]
    edges = "".join(f" or posedge forced{value}" for _, value in forced)
    tests = "".join(
        f" if (forced{value}) {state} <= #DELAY_NS {value}; else" for _, value in forced
    )
    return [*wires, f"  always @(posedge {verilog(cell.clocked_on)}{edges}){tests} {sampled}"]


def _start(*statements: str) -> str:
    """Statements of time zero of a simulation that does not start from X."""
    body = " ".join(statements)
    return f"`ifdef {RANDOM_START}\n  initial begin {body} end\n`endif"


def _random(bits: int) -> str:
    """So many random bits in Verilog; the simulator's sequence is the same in every run."""
    words = ", ".join(["$urandom"] * -(-bits // 32))
    return f"{{{bits}{{1'b`{RANDOM_START}}}}} ^ {{{words}}}"
