"""Everything that can be shown about one design: lint, simulation, proofs, vectors, mutants."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from characterize import sram, synthesize
from characterize.datapath_check import check_adder, check_datapath, prove_datapath
from characterize.lint import lint
from characterize.mutation import MutationResult, try_mutants
from characterize.netlist_proof import prove_netlist
from characterize.platform import Platform
from characterize.process import StepError, run_tool
from characterize.stream_proofs import prove_streams, sibling
from rtl_gen.design import PEDesign
from rtl_gen.export import rtlil_text, verilog_text
from rtl_gen.interface import ports
from rtl_gen.selftest import testbench_text
from rtl_gen.space import DEFAULT_PERIOD_PS

#: Share of the mutants, without those proven equivalent, that the test bench must catch.
CAUGHT_SHARE = 0.95
#: Vectors through the gates of the arithmetic, in each mode.
VECTORS = 1_000_000
_SIMULATION_TIMEOUT_S = 300
_PROOF_TIMEOUT_S = 120
_NETLIST_TIMEOUT_S = 600


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was checked.

    Attributes:
        claim: what should hold.
        outcome: ``ok``, ``failed``, or ``open``: not decided in the time it had.
        how: method and bounds, or what failed.
        seconds: it took.
    """

    claim: str
    outcome: Literal["ok", "failed", "open"]
    how: str
    seconds: float


def verify(design: PEDesign, platform: Platform) -> Iterator[Check]:
    """Check a design, one thing after the other; only what needs no layout.

    Args:
        platform: whose cells the gates of the arithmetic are.

    Raises:
        InputError: if a tool is missing.
    """
    for claim, step in (
        ("the Verilog has no lint", _lint),
        ("the self-checking test bench passes", _simulate),
        ("the gates of the arithmetic are its RTL", _prove),
        ("the gates of the arithmetic give the golden products", _vectors),
        ("the gates of the whole PE are its RTL", _netlist),
    ):
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome, how = step(design, platform, Path(folder))
            except StepError as error:
                outcome, how = "failed", str(error)
        yield Check(claim=claim, outcome=outcome, how=how, seconds=time.perf_counter() - begin)
    yield from _streams(design)


_Result = tuple[Literal["ok", "failed", "open"], str]


def _lint(design: PEDesign, _platform: Platform, folder: Path) -> _Result:
    (folder / f"{design.name}.v").write_text(verilog_text(design), encoding="utf-8")
    found = lint(folder, f"{design.name}.v")
    return ("failed", f"{len(found)}: {found[0]}") if found else ("ok", "verilator -Wall")


def _simulate(design: PEDesign, _platform: Platform, folder: Path) -> _Result:
    (folder / "pe.v").write_text(verilog_text(design), encoding="utf-8")
    (folder / "tb.v").write_text(testbench_text(design), encoding="utf-8")
    build = ["iverilog", "-g2005", "-o", "sim.vvp", "pe.v", "tb.v"]
    run_tool(build, folder=folder, log="build.log", timeout_s=_SIMULATION_TIMEOUT_S)
    log = run_tool(
        ["vvp", "-n", "sim.vvp"], folder=folder, log="sim.log", timeout_s=_SIMULATION_TIMEOUT_S
    )
    last = log.strip().splitlines()[-1] if log.strip() else "no output"
    return ("ok" if last.startswith("PASS") else "failed"), f"Icarus Verilog: {last}"


def _prove(design: PEDesign, platform: Platform, folder: Path) -> _Result:
    proof = prove_datapath(folder, design, platform, timeout_s=_PROOF_TIMEOUT_S)
    if proof.outcome == "proven":
        return "ok", "SAT, for all operands"
    if proof.outcome == "undecided":
        return "open", f"SAT gave no answer in {_PROOF_TIMEOUT_S} s; see the whole PE"
    return "failed", f"SAT: {proof.counterexample[:200]}"


def _vectors(design: PEDesign, platform: Platform, folder: Path) -> _Result:
    checked = check_datapath(folder, design, platform, vectors=VECTORS)
    how = f"{checked.vectors:,} vectors through {checked.cells:,} gates"
    if design.family == "fp":
        adder = check_adder(folder, design.psum_bits, platform, vectors=VECTORS)
        how += f"; {adder.vectors:,} through the {adder.cells:,} of the adder"
    return "ok", how


def _netlist(design: PEDesign, platform: Platform, folder: Path) -> _Result:
    platform = sram.for_design(platform, design)
    (folder / "rtl.il").write_text(rtlil_text(design), encoding="utf-8")
    platform.link_libraries(folder)
    for name, text in synthesize.scripts(platform, design.name, DEFAULT_PERIOD_PS).items():
        (folder / name).write_text(text, encoding="utf-8")
    netlist = synthesize.synthesize(folder, platform, _NETLIST_TIMEOUT_S)
    verdict = prove_netlist(folder, netlist, platform, ports(design), timeout_s=_NETLIST_TIMEOUT_S)
    how = f"{len(netlist.instances):,} cells, register for register, in every cycle from reset on"
    if verdict.outcome == "proved":
        return "ok", how
    if verdict.outcome == "open":
        return "open", f"no answer in {verdict.seconds:.0f} s"
    return "failed", f"counterexample of {verdict.cycles} cycles"


def _streams(design: PEDesign) -> Iterator[Check]:
    """What is proven of the streams of the design's small sibling."""
    small = sibling(design)
    with tempfile.TemporaryDirectory() as name:
        proofs = prove_streams(small, verilog_text(small), Path(name), timeout_s=_PROOF_TIMEOUT_S)
        while True:
            try:
                proof = next(proofs)
            except StopIteration:
                return
            except StepError as error:
                yield Check(claim="the streams", outcome="failed", how=str(error), seconds=0)
                return
            outcomes: dict[str, Literal["ok", "failed", "open"]] = {
                "proved": "ok", "refuted": "failed", "open": "open",
            }  # fmt: skip
            yield Check(
                claim=proof.claim,
                outcome=outcomes[proof.outcome],
                how=f"{small.name}: {proof.how}",
                seconds=proof.seconds,
            )


def check_mutants(
    design: PEDesign, count: int, *, seed: int, jobs: int
) -> tuple[Check, MutationResult]:
    """Whether the test bench catches wrong hardware.

    Args:
        count: of mutants of the Verilog.
        seed: of their choice.
        jobs: simulations at once.

    Raises:
        StepError: if the design itself fails.
    """
    begin = time.perf_counter()
    result = try_mutants(design, count, seed=seed, jobs=jobs)
    share = result.caught_share
    how = (
        f"{result.count('caught')} caught, {result.count('survived')} survived, "
        f"{result.count('equivalent')} proven equivalent: {100 * share:.1f} %"
    )
    check = Check(
        claim=f"the test bench catches {100 * CAUGHT_SHARE:.0f} % of {count} mutants",
        outcome="ok" if share >= CAUGHT_SHARE else "failed",
        how=how,
        seconds=time.perf_counter() - begin,
    )
    return check, result
