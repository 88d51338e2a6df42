"""Mutants of the generated Verilog: what the self-checking test bench notices.

A mutant has one change: an operator, a bit, a width, a constant off by one, a reset or enable that
is gone. A mutant that the bench of ``rtl_gen.selftest`` passes is either proven to be the same
hardware, or listed as a survivor.
"""

from __future__ import annotations

import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from characterize.pair_proof import prove_same
from characterize.process import StepError
from characterize.prover import run_abc, run_yosys
from rtl_gen.design import PEDesign
from rtl_gen.export import verilog_text
from rtl_gen.selftest import testbench_text

_MODEL = "module peforge_"
SIMULATION_TIMEOUT_S = 30.0
PROOF_TIMEOUT_S = 20.0

Outcome = Literal["caught", "equivalent", "survived", "invalid"]

_SWAPS = {
    "+": "-", "-": "+", "&": "|", "|": "&", "^": "&", "&&": "||", "||": "&&",
    "==": "!=", "!=": "==", "<": "<=", ">": ">=", "<=": "<", ">=": ">",
    "<<": ">>", ">>": "<<", ">>>": "<<", "*": "+",
}  # fmt: skip
_BINARY = re.compile(r"(?<=\s)(\+|-|&&|\|\||&|\||\^|==|!=|<<|>>>|>>|<=|>=|<|>|\*)(?=\s)")
_UNARY = re.compile(r"(?<![\w)\]])[~!-](?=\s?[\w\\$({])|[|&^](?=[\w\\$({])(?<=\(.)")
_CONSTANT = re.compile(r"\b(\d+)'(s?)h([0-9a-f]+)\b")
_SLICE = re.compile(r"\[(\d+):(\d+)\]")
_INDEX = re.compile(r"(?<=[\w ])\[(\d+)\]")
_SIGNED = re.compile(r"\$signed\(")
_CHOICE = re.compile(r"\? ([^?:;]+) : ([^?:;]+)(?=[;)])")
_CONDITION = re.compile(r"\bif \((.+?)\)(?= |$)")

# Registers become ports: what is left is the logic between them.
_CUT = """\
read_verilog {file}.v
hierarchy -check -top {top}
proc
flatten
memory
rename -hide w:_*_
opt_clean
expose -evert-dff t:$dff %x:+[Q] w:* %i
opt_clean -purge
setundef -zero
techmap
aigmap
opt_clean
write_aiger -symbols {file}.aig
"""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of the Verilog.

    Attributes:
        line: number, from 1.
        before, after: the line.
        kind: of change.
    """

    line: int
    before: str
    after: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class MutationResult:
    """What became of each mutant."""

    outcomes: Sequence[tuple[Mutant, Outcome]]

    def count(self, outcome: Outcome) -> int:
        """Mutants that ended so."""
        return sum(found == outcome for _, found in self.outcomes)

    @property
    def caught_share(self) -> float:
        """Caught mutants over those that are neither invalid nor proven to be equivalent."""
        different = self.count("caught") + self.count("survived")
        return self.count("caught") / different if different else 1.0


def mutants(verilog: str) -> list[Mutant]:
    """Every mutant of a Verilog text, in the order of its lines.

    Declarations and comments are left alone, and so are the models of what the flow replaces by
    cells of the library: clock gates, latches, macros.
    """
    found = []
    lines = verilog.splitlines()
    models = [number for number, line in enumerate(lines) if line.startswith(_MODEL)]
    for number, line in enumerate(lines[: models[0] if models else None], start=1):
        text = line.strip()
        if not text.startswith(("assign ", "if ", "else", "always")) and "<=" not in text:
            continue
        for kind, after in _changes(line):
            if after != line:
                found.append(Mutant(line=number, before=line, after=after, kind=kind))
    return found


def _changes(line: str) -> Iterator[tuple[str, str]]:
    """Every changed form of a line, with the kind of change."""
    # The left side of an assignment, and its arrow, stay.
    arrow = re.match(r"\s*(?:assign )?[^=<]*?(?:<?=)(?= )", line)
    start = arrow.end() if arrow and not line.strip().startswith(("if", "else", "always")) else 0
    if line.strip().startswith("if"):
        target = re.search(r"\) (\S+ <= )", line)
        yield from _conditions(line)
        if target:
            yield from _expressions(line, target.end())
            start = len(line)
    yield from _expressions(line, start)


def _conditions(line: str) -> Iterator[tuple[str, str]]:
    condition = _CONDITION.search(line)
    if condition:
        for kind, value in (("never", "1'h0"), ("always", "1'h1")):
            yield kind, line[: condition.start(1)] + value + line[condition.end(1) :]


def _expressions(line: str, start: int) -> Iterator[tuple[str, str]]:
    rules: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
        ("operator", _BINARY, lambda found: _SWAPS[found[1]]),
        ("negation", _UNARY, lambda _: ""),
        ("constant", _CONSTANT, _off_by_one),
        ("width", _SLICE, _narrower),
        ("bit", _INDEX, lambda found: f"[{int(found[1]) + 1 if found[1] == '0' else 0}]"),
        ("sign", _SIGNED, lambda _: "("),
        ("choice", _CHOICE, lambda found: f"? {found[2]} : {found[1]}"),
    )
    for kind, pattern, change in rules:
        for found in pattern.finditer(line, start):
            yield kind, line[: found.start()] + change(found) + line[found.end() :]


def _off_by_one(found: re.Match[str]) -> str:
    bits, sign, digits = int(found[1]), found[2], int(found[3], 16)
    return f"{bits}'{sign}h{(digits + 1) % (1 << bits):x}"


def _narrower(found: re.Match[str]) -> str:
    high, low = int(found[1]), int(found[2])
    return f"[{high - 1}:{low}]" if high > low else found[0]


def try_mutants(
    design: PEDesign,
    count: int,
    *,
    seed: int = 1,
    jobs: int = 1,
    report: Callable[[Mutant, Outcome], None] = lambda _mutant, _outcome: None,
) -> MutationResult:
    """Simulate a sample of the mutants of a design, and try to prove those that pass equivalent.

    Args:
        count: of mutants; all, if there are not as many.
        seed: of the sample.
        jobs: simulations at once.
        report: called as each mutant is done.

    Raises:
        StepError: if the design itself fails its bench.
    """
    verilog, bench = verilog_text(design), testbench_text(design)
    if _simulate(verilog, bench) != "survived":
        raise StepError(f"{design.name} fails its own test bench")

    def same(text: str) -> bool:
        return equivalent(design.name, verilog, text) or _same_in_use(design, verilog, text)

    return try_sample(
        verilog, mutants(verilog), lambda text: _simulate(text, bench), same, count,
        seed=seed, jobs=jobs, report=report,
    )  # fmt: skip


def try_sample(
    verilog: str,
    every: Sequence[Mutant],
    judge: Callable[[str], Outcome],
    same: Callable[[str], bool],
    count: int,
    *,
    seed: int,
    jobs: int,
    report: Callable[[Mutant, Outcome], None],
) -> MutationResult:
    """Judge a sample of mutants; those that survive are equivalent if they are proven the same.

    Args:
        verilog: that the mutants change.
        judge, same: of the Verilog of a mutant.
        count, seed, jobs, report: as ``try_mutants``.
    """
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    lines = verilog.splitlines()

    def outcome_of(mutant: Mutant) -> tuple[Mutant, Outcome]:
        changed = [*lines]
        changed[mutant.line - 1] = mutant.after
        text = "\n".join(changed) + "\n"
        outcome = judge(text)
        if outcome == "survived" and same(text):
            outcome = "equivalent"
        report(mutant, outcome)
        return mutant, outcome

    with ThreadPoolExecutor(jobs) as pool:
        return MutationResult(outcomes=list(pool.map(outcome_of, chosen)))


def _simulate(verilog: str, bench: str) -> Outcome:
    """``survived`` if the bench passes, ``invalid`` if the Verilog does not compile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pe.v").write_text(verilog, encoding="utf-8")
        (folder / "tb.v").write_text(bench, encoding="utf-8")
        build = ["iverilog", "-g2005", "-o", "sim.vvp", "pe.v", "tb.v"]
        try:
            if subprocess.run(build, cwd=folder, capture_output=True, check=False).returncode:
                return "invalid"
            run = subprocess.run(
                ["vvp", "-n", "sim.vvp"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=SIMULATION_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return "caught"
        except OSError as error:
            raise StepError(f"iverilog does not run: {error}") from None
    passed = run.returncode == 0 and re.search(r"^PASS\b", run.stdout, flags=re.M)
    return "survived" if passed and "FAIL" not in run.stdout else "caught"


def equivalent(top: str, original: str, mutant: str) -> bool:
    """Whether both compute the same from the same registers; False if that is not proven.

    A mutant that differs only in states that are never reached is not found to be the same.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"original": original, "mutant": mutant}
        for file, text in files.items():
            (folder / f"{file}.v").write_text(text, encoding="utf-8")
        try:
            for file in files:
                run_yosys(folder, file, _CUT.format(file=file, top=top))
            first, second = (folder / f"{file}.aig" for file in files)
            if _ports(first) != _ports(second):
                return False
            compare = f"&cec -C 0 -T {PROOF_TIMEOUT_S:.0f} {first.name} {second.name}"
            text = run_abc(folder, "compare", compare, 2 * PROOF_TIMEOUT_S)
        except StepError:
            return False
    return "Networks are equivalent" in text


def _same_in_use(design: PEDesign, original: str, mutant: str) -> bool:
    """Whether both have the same outputs for all legal primitives; False if that is not proven."""
    with tempfile.TemporaryDirectory() as name:
        try:
            verdict = prove_same(Path(name), design, original, mutant, timeout_s=PROOF_TIMEOUT_S)
        except StepError:
            return False
    return verdict.outcome == "proved"


def _ports(aiger: Path) -> list[bytes]:
    """Names of the inputs and outputs of a graph, in order."""
    return re.findall(rb"^[io]\d+ .+$", aiger.read_bytes(), flags=re.M)
