"""Provers: Yosys turns Verilog into an and-inverter graph, ABC answers questions about it.

Both come with the package ``pyosys``. An answer is never a guess: what ABC could not decide in its
time is ``open``.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from characterize.process import StepError, run_tool

Outcome = Literal["proved", "refuted", "open"]

#: Yosys may take this long to read and translate; ABC's time is an argument everywhere.
YOSYS_TIMEOUT_S = 300.0
# Beyond the time that ABC is given by its own switch.
_GRACE_S = 60.0

# Registers that nothing initializes begin with any value: inputs of the graph give it. `setundef`
# does the same where Verilog says x.
_TO_AIGER = """\
{read}
hierarchy -check -top {top}
proc
flatten
check -assert
{before}
opt -full
techmap
opt -fast
setundef -anyseq
dffunmap
aigmap
opt_clean
write_aiger -ascii -zinit -map {name}.map {name}.aag
write_aiger -zinit {name}.aig
"""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a prover found.

    Attributes:
        outcome: ``open`` if it had not decided when its time was over.
        cycles: of the counterexample, or without any, if it looked cycle by cycle; else 0.
        seconds: it took.
    """

    outcome: Outcome
    cycles: int
    seconds: float


def run_yosys(folder: Path, name: str, script: str, timeout_s: float = YOSYS_TIMEOUT_S) -> str:
    """Run a Yosys script in ``folder``; leaves ``name.ys`` and ``name.log``.

    Returns:
        What Yosys printed.

    Raises:
        StepError: if it fails.
    """
    (folder / f"{name}.ys").write_text(script, encoding="utf-8")
    return run_tool(
        [sys.executable, "-m", "rtl_gen.run_yosys", f"{name}.ys"],
        folder=folder,
        log=f"{name}.log",
        timeout_s=timeout_s,
    )


def run_abc(folder: Path, name: str, commands: str, timeout_s: float) -> str:
    """Run ABC commands in ``folder``; leaves ``name.log``.

    Returns:
        What it printed; "" if its time was over.

    Raises:
        StepError: if it fails.
    """
    command = [abc_program(), "-c", commands]
    try:
        text = run_tool(command, folder=folder, log=f"{name}.log", timeout_s=timeout_s)
    except StepError as error:
        if "was stopped after" in str(error):
            return ""
        raise
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def abc_program() -> str:
    """The ABC of the package ``pyosys``, or one on ``PATH``.

    Raises:
        StepError: if there is neither.
    """
    spec = importlib.util.find_spec("pyosys")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / "yosys-abc").is_file():
            return str(path)
    found = shutil.which("yosys-abc")
    if found is None:
        raise StepError("yosys-abc is not installed; run: pip install pyosys")
    return found


def write_aiger(
    folder: Path, name: str, sources: Sequence[str], top: str, *, before: str = ""
) -> Path:
    """Translate Verilog files to ``name.aig``; also leaves ``name.aag`` (text) and ``name.map``.

    One frame of the graph is one cycle of the one clock. Every register without an initial value
    begins with any.

    Args:
        before: Yosys commands on the flat netlist before it is made of gates.

    Raises:
        StepError: if Yosys fails, or a wire is used that nothing drives.
    """
    read = "\n".join(f"read_verilog -sv -formal {source}" for source in sources)
    run_yosys(folder, name, _TO_AIGER.format(read=read, top=top, name=name, before=before))
    return folder / f"{name}.aig"


def combinational_inputs(aiger: Path) -> dict[str, set[str]]:
    """For each output of a graph that ``write_aiger`` wrote, the inputs it depends on in a cycle.

    Inputs that stand for initial values of registers are not among them: a register is between.
    """
    names: dict[str, dict[int, str]] = {"input": {}, "output": {}}
    for line in aiger.with_suffix(".map").read_text(encoding="utf-8").splitlines():
        kind, *words = line.split()
        if kind in names:
            names[kind][int(words[0])] = words[2]
    lines = aiger.with_suffix(".aag").read_text(encoding="utf-8").splitlines()
    inputs, latches, outputs, gates = map(int, lines[0].split()[2:6])
    # What each node depends on: a node is half its literal, and follows those it is made of.
    depends: dict[int, frozenset[int]] = {}
    for index, line in enumerate(lines[1 : 1 + inputs]):
        depends[int(line) // 2] = frozenset([index] if index in names["input"] else [])
    first = 1 + inputs + latches + outputs
    for line in lines[first : first + gates]:
        node, left, right = (int(literal) // 2 for literal in line.split())
        depends[node] = depends.get(left, frozenset()) | depends.get(right, frozenset())
    result: dict[str, set[str]] = {}
    for output, line in enumerate(lines[first - outputs : first]):
        sources = depends.get(int(line) // 2, frozenset())
        result.setdefault(names["output"][output], set()).update(
            names["input"][source] for source in sources
        )
    return result


def check_bounded(
    folder: Path, aiger: Path, *, frames: int, timeout_s: float, output: int | None = None
) -> Verdict:
    """Look for inputs that make an output 1 within the first ``frames`` frames.

    Args:
        output: the one to look at, counted from 0; all of them, if None.

    Returns:
        ``proved`` (there are no such inputs), ``refuted`` or ``open``, with the number of frames
        that were searched.
    """
    begin = time.monotonic()
    choice = "orpos" if output is None else f"cone -O {output}"
    text = run_abc(
        folder,
        f"{aiger.stem}.bmc",
        f"read_aiger {aiger.name}; {choice}; bmc3 -F {frames} -T {timeout_s:.0f}",
        timeout_s + _GRACE_S,
    )
    seconds = time.monotonic() - begin
    refuted = re.search(r"was asserted in frame +(\d+)", text)
    if refuted:
        return Verdict(outcome="refuted", cycles=int(refuted[1]) + 1, seconds=seconds)
    searched = re.search(r"No output asserted in (\d+) frames", text)
    if searched is None and text:
        raise StepError(f"yosys-abc gave no verdict: {text.strip().splitlines()[-1]}")
    cycles = int(searched[1]) if searched else 0
    outcome: Outcome = "proved" if cycles >= frames else "open"
    return Verdict(outcome=outcome, cycles=cycles, seconds=seconds)


def check_always(folder: Path, aiger: Path, *, timeout_s: float) -> Verdict:
    """Whether all outputs are 0 in every reachable frame, however late (ABC: scorr, then PDR)."""
    begin = time.monotonic()
    text = run_abc(
        folder,
        f"{aiger.stem}.pdr",
        f"read_aiger {aiger.name}; orpos; scleanup; lcorr; scorr; print_stats; "
        f"pdr -T {timeout_s:.0f}",
        2 * timeout_s + _GRACE_S,
    )
    seconds = time.monotonic() - begin
    refuted = re.search(r"was asserted in frame (\d+)", text)
    if refuted:
        return Verdict(outcome="refuted", cycles=int(refuted[1]) + 1, seconds=seconds)
    # A network without a flip-flop and without a gate has a constant output: ABC proved it before.
    constant = re.search(r"lat = +0 +and = +0 ", text)
    proved = bool(constant or "Property proved" in text)
    return Verdict(outcome="proved" if proved else "open", cycles=0, seconds=seconds)


def check_miter(folder: Path, aiger: Path, *, timeout_s: float) -> Verdict:
    """Whether all outputs of a graph without registers are 0 for all inputs."""
    begin = time.monotonic()
    text = run_abc(
        folder,
        f"{aiger.stem}.cec",
        f"&r {aiger.name}; &cec -m -C 0 -T {timeout_s:.0f}",
        timeout_s + _GRACE_S,
    )
    return Verdict(outcome=_equal(text), cycles=0, seconds=time.monotonic() - begin)


def _equal(text: str) -> Outcome:
    if "Networks are equivalent" in text:
        return "proved"
    return "refuted" if "NOT EQUIVALENT" in text else "open"
