"""Gates against RTL: proofs by SAT, and vectors by the million where a proof is out of reach.

What is checked is what the flow makes: the component goes through the scripts of
``characterize.synthesize``, and the cells mean what their Liberty functions say.
"""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Literal

import numpy as np
from amaranth.lib import wiring
from numpy.typing import NDArray

from characterize import synthesize
from characterize.liberty import verilog
from characterize.netlist import Netlist, Pin
from characterize.platform import Platform
from characterize.process import StepError, run_tool
from rtl_gen.export import component_rtlil

Bits = NDArray[np.uint64]

_TOP = "top"
_PERIOD_PS = 2000

# ABC finds the points inside at which both sides agree: plain SAT on an 8 x 8 Booth multiplier
# takes minutes, with these points a second.
_PROOF = """\
read_verilog netlist.v
read_liberty -overwrite -ignore_miss_func cells.lib
hierarchy -top {top}
proc
flatten {top}
opt_clean
rename {top} gates
read_rtlil {reference}
rename {top} rtl
proc
miter -equiv -flatten rtl gates pair
opt -full pair
techmap pair
abc -script +strash;ifraig;scorr;fraig;dch;ifraig;fraig,-C,100000 pair
opt -full pair
sat -verify -prove trigger 0 -show-inputs -show-outputs pair
"""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """How a proof by SAT ended.

    Attributes:
        outcome: ``proven``, ``different`` (there is a counterexample) or ``undecided`` (no time).
        seconds: it took, without synthesis.
        counterexample: what the solver printed, if it found a difference.
    """

    outcome: Literal["proven", "different", "undecided"]
    seconds: float
    counterexample: str = ""


def synthesize_component(
    folder: Path, component: wiring.Component, platform: Platform, timeout_s: float = 600
) -> Netlist:
    """Gates of any component, with the scripts of the flow; top module ``top``.

    Leaves ``rtl.il``, ``netlist.v`` and ``cells.lib`` in ``folder``.

    Raises:
        StepError: if synthesis fails.
    """
    (folder / "rtl.il").write_text(component_rtlil(component, _TOP), encoding="utf-8")
    for name, text in synthesize.scripts(platform, _TOP, _PERIOD_PS).items():
        (folder / name).write_text(text, encoding="utf-8")
    platform.link_libraries(folder)
    return synthesize.synthesize(folder, platform, timeout_s)


def prove_equal(folder: Path, *, timeout_s: int = 60, reference: str = "rtl.il") -> Proof:
    """Prove that the gates that ``synthesize_component`` left are their RTL; combinational ones.

    Args:
        timeout_s: for Yosys and its solver.
        reference: RTLIL of another description to hold the gates against, in ``folder``.

    Raises:
        StepError: if Yosys fails.
    """
    script = _PROOF.format(top=_TOP, reference=reference)
    (folder / "proof.ys").write_text(script, encoding="utf-8")
    begin = time.perf_counter()
    try:
        log = run_tool(
            [sys.executable, "-m", "rtl_gen.run_yosys", "proof.ys"],
            folder=folder,
            log="proof.log",
            timeout_s=timeout_s,
        )
        failure = ""
    except StepError as error:
        log = (folder / "proof.log").read_text(encoding="utf-8", errors="replace")
        failure = str(error)
    seconds = time.perf_counter() - begin
    if "SAT proof finished - no model found: SUCCESS!" in log and not failure:
        return Proof(outcome="proven", seconds=seconds)
    _, found, model = log.partition("model found: FAIL!")
    if found:
        return Proof(outcome="different", seconds=seconds, counterexample=model.strip()[:2000])
    if seconds >= timeout_s:
        return Proof(outcome="undecided", seconds=seconds)
    raise StepError(f"the proof ended without a result: {failure} {log[-300:]}")


class GateSimulator:
    """A combinational netlist over many vectors at once: 64 in every word.

    Arguments:
        netlist: of cells without state.
        platform: whose Liberty functions the cells have.

    Raises:
        StepError: on a cell with state, or a loop.
    """

    def __init__(self, netlist: Netlist, platform: Platform) -> None:
        library = platform.cells()
        self._source: dict[tuple[int, str], Pin] = {}
        self._outputs: dict[str, Pin] = {}
        for net in netlist.nets:
            for sink in net.sinks:
                if sink.cell < 0:
                    self._outputs[sink.name] = net.driver
                else:
                    self._source[sink.cell, sink.name] = net.driver
        self._kinds = [library[kind] for kind in netlist.kinds]
        for kind in self._kinds:
            if kind.has_other_state or kind.is_flop or kind.clock_gate:
                raise StepError(f"cell {kind.name} has state: only logic can be evaluated")
        self._functions = {
            (kind.name, pin): _compiled(function)
            for kind in self._kinds
            for pin, function in kind.outputs.items()
        }
        self._order = self._sorted()

    def run(self, inputs: Mapping[str, Bits], words: int) -> dict[str, Bits]:
        """Every output bit for these input bits, as Verilog names them: ``act[3]``.

        Args:
            words: of 64 vectors each.
        """
        values: dict[Pin, Bits] = {Pin(cell=-1, name=n): bits for n, bits in inputs.items()}
        ones = np.full(words, ~np.uint64(0))
        for cell in self._order:
            kind = self._kinds[cell]
            pins = {pin: values[self._source[cell, pin]] for pin in kind.inputs}
            for pin in kind.outputs:
                function = self._functions[kind.name, pin]
                values[Pin(cell=cell, name=pin)] = eval(function, {"ones": ones}, pins)
        return {name: values[driver] for name, driver in self._outputs.items()}

    def _sorted(self) -> list[int]:
        waiting = {
            cell: {
                driver.cell for pin in kind.inputs if (driver := self._source[cell, pin]).cell >= 0
            }
            for cell, kind in enumerate(self._kinds)
        }
        followers: dict[int, list[int]] = {}
        for cell, before in waiting.items():
            for earlier in before:
                followers.setdefault(earlier, []).append(cell)
        ready = [cell for cell, drivers in waiting.items() if not drivers]
        order = []
        while ready:
            cell = ready.pop()
            order.append(cell)
            for follower in followers.get(cell, ()):
                waiting[follower].discard(cell)
                if not waiting[follower]:
                    ready.append(follower)
        if len(order) != len(self._kinds):
            raise StepError("the netlist has a loop")
        return order


def _compiled(function: str) -> CodeType:
    """A Liberty function as Python code over words; it holds names and operators, nothing else."""
    text = re.sub(r"\b1\b", "ones", verilog(function))
    text = re.sub(r"\b0\b", "(ones ^ ones)", text)
    allowed = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.operator, ast.unaryop)
    tree = ast.parse(text.strip(), mode="eval")
    for node in ast.walk(tree):
        if not isinstance(node, (*allowed, ast.expr_context)):
            raise StepError(f"not a Boolean function: {function}")
    code: CodeType = compile(tree, "<liberty>", "eval")
    return code


def to_bits(name: str, numbers: NDArray[np.int64], width: int) -> dict[str, Bits]:
    """Numbers (a multiple of 64 of them) as one array of words for each bit of a port."""
    result = {}
    for bit in range(width):
        ones = ((numbers >> bit) & 1).astype(np.uint8)
        words = np.packbits(ones, bitorder="little").view(np.uint64)
        result[name if width == 1 else f"{name}[{bit}]"] = words
    return result


def from_bits(name: str, bits: Mapping[str, Bits], width: int) -> NDArray[np.int64]:
    """The unsigned numbers that a port shows; bits that nothing drives are an error.

    Raises:
        StepError: if a bit of the port is missing.
    """
    total = np.zeros(0, dtype=np.int64)
    for bit in range(width):
        key = name if width == 1 else f"{name}[{bit}]"
        if key not in bits:
            raise StepError(f"output {key} is not driven")
        ones = np.unpackbits(bits[key].view(np.uint8), bitorder="little").astype(np.int64)
        total = ones << bit if bit == 0 else total | (ones << bit)
    return total
