"""Simulation of an array's RTL: a program in, its ofmap, cycles and counts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from characterize.process import StepError, run_tool
from rtl_gen.array.compiler import Program, Run
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import bank_bits
from rtl_gen.array.testbench import array_testbench, input_files, read_bank, read_counts
from rtl_gen.array.top import array_verilog
from rtl_gen.golden import Words

#: What the status register says when a run has ended, from bit 0.
_STATUS = ("busy", "done", "refused", "hung", "stopped")


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: one or more of ``busy``, ``done``, ``refused``, ``hung``, ``stopped``, by a comma;
            and all bits, if there are others.
        cycles: while the array was busy; at most the limit.
        banks: words of the banks of psums after it, as unsigned integers.
    """

    status: str
    cycles: int
    banks: Mapping[str, Words]


@dataclass(frozen=True, kw_only=True)
class ArrayResult:
    """What a simulation saw.

    Attributes:
        ofmap: ``[rows, columns, M]``.
        cycles: of each run, while the array is busy.
        counts: by name: reads and writes of banks, transfers and operations of the PEs.
    """

    ofmap: Words
    cycles: tuple[int, ...]
    counts: Mapping[str, int]


class ArraySimulator:
    """The RTL of an array, compiled once.

    Arguments:
        design: the array.
        folder: gets its files.
        verilog: of the array, if it is not to be generated.

    Raises:
        StepError: if it does not compile.
    """

    def __init__(self, design: ArrayDesign, folder: Path, verilog: str | None = None) -> None:
        self.design, self._folder = design, folder
        (folder / "array.v").write_text(verilog or array_verilog(design), encoding="utf-8")
        (folder / "tb.v").write_text(array_testbench(design), encoding="utf-8")
        run_tool(
            ["iverilog", "-g2005", "-o", "sim.vvp", "tb.v", "array.v"],
            folder=folder, log="iverilog.log", timeout_s=600,
        )  # fmt: skip

    def run(
        self,
        program: Program,
        folder: Path,
        *,
        stall_pct: int | Mapping[str, int] = 0,
        seed: int = 1,
        timeout_s: float = 600,
    ) -> ArrayResult:
        """Simulate all runs of a program one after the other.

        Args:
            folder: gets what goes in and comes out.
            stall_pct: cycles in which each port of the buffer waits, by chance; or of some banks,
                by name.
            seed: of that.

        Raises:
            StepError: if the simulator fails, or a run does not come to its end.
        """
        ends, counts = self.run_each(
            program.runs, folder, stall_pct=stall_pct, seed=seed, timeout_s=timeout_s
        )
        for index, end in enumerate(ends):
            if end.status != "done":
                raise StepError(f"run {index} ended after {end.cycles} cycles: {end.status}")
        return ArrayResult(
            ofmap=program.ofmap([end.banks for end in ends]),
            cycles=tuple(end.cycles for end in ends),
            counts=counts,
        )

    def run_each(
        self,
        runs: Sequence[Run],
        folder: Path,
        *,
        stall_pct: int | Mapping[str, int] = 0,
        seed: int = 1,
        limits: Sequence[int] | None = None,
        timeout_s: float = 600,
    ) -> tuple[list[RunEnd], Mapping[str, int]]:
        """Simulate runs of any registers one after the other, without a reset between them.

        Args:
            stall_pct: as for ``run``; or of some banks, by name.
            limits: of each run, cycles after which it is stopped.

        Returns:
            How each ended, and the counts of all.

        Raises:
            StepError: if the simulator fails.
        """
        for name, text in input_files(self.design, runs, limits).items():
            (folder / name).write_text(text, encoding="ascii")
        stalls = {"": stall_pct} if isinstance(stall_pct, int) else stall_pct
        options = [f"+stall{f'_{bank}' if bank else ''}={pct}" for bank, pct in stalls.items()]
        run_tool(
            ["vvp", "-n", str(self._folder.resolve() / "sim.vvp"), f"+runs={len(runs)}",
             f"+seed={seed}", *options],
            folder=folder, log="simulation.log", timeout_s=timeout_s,
        )  # fmt: skip
        return read_ends(self.design, folder, len(runs))


def read_ends(
    design: ArrayDesign, folder: Path, runs: int
) -> tuple[list[RunEnd], Mapping[str, int]]:
    """What a simulation of so many runs left in its folder: how each ended, and all counts."""
    counts = dict(read_counts((folder / "counts.txt").read_text(encoding="ascii")))
    ends = []
    for index in range(runs):
        status = counts.pop(f"run{index} status", 0)
        names = [name for bit, name in enumerate(_STATUS) if status >> bit & 1]
        if status >> len(_STATUS):
            names.append(f"{status:#x}")
        ends.append(
            RunEnd(
                status=", ".join(names), cycles=counts.pop(f"run{index} cycles", 0),
                banks=_read_banks(design, folder, index),
            )
        )  # fmt: skip
    return ends, counts


def _read_banks(design: ArrayDesign, folder: Path, run: int) -> dict[str, Words]:
    banks = {}
    for name in bank_bits(design):
        if name.startswith("psum"):
            text = (folder / f"run{run}_{name}.out").read_text(encoding="ascii")
            banks[name] = np.array(read_bank(text), dtype=np.uint64).view(np.int64)
    return banks
