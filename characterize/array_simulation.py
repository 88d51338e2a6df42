"""Simulation of an array's RTL: a program in, its ofmap, cycles and counts out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from characterize.process import StepError, run_tool
from rtl_gen.array.compiler import Program
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import bank_bits
from rtl_gen.array.testbench import array_testbench, input_files, read_bank, read_counts
from rtl_gen.array.top import array_verilog
from rtl_gen.golden import Words

#: What the status register says after a run that came to its end.
_DONE = 2


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
        stall_pct: int = 0,
        seed: int = 1,
        timeout_s: float = 600,
    ) -> ArrayResult:
        """Simulate all runs of a program one after the other.

        Args:
            folder: gets what goes in and comes out.
            stall_pct: cycles in which each port of the buffer waits, by chance.
            seed: of that.

        Raises:
            StepError: if the simulator fails, or a run does not come to its end.
        """
        for name, text in input_files(program).items():
            (folder / name).write_text(text, encoding="ascii")
        runs = len(program.runs)
        run_tool(
            ["vvp", "-n", str(self._folder.resolve() / "sim.vvp"), f"+runs={runs}",
             f"+stall={stall_pct}", f"+seed={seed}"],
            folder=folder, log="simulation.log", timeout_s=timeout_s,
        )  # fmt: skip
        return read_result(program, folder)


def read_result(program: Program, folder: Path) -> ArrayResult:
    """What a simulation left in its folder.

    Raises:
        StepError: if a run did not come to its end.
    """
    design = program.shape.design
    counts = dict(read_counts((folder / "counts.txt").read_text(encoding="ascii")))
    cycles = []
    for index in range(len(program.runs)):
        status = counts.pop(f"run{index} status", 0)
        cycles.append(counts.pop(f"run{index} cycles", 0))
        if status != _DONE:
            raise StepError(f"run {index} ended after {cycles[-1]} cycles with status {status:#x}")
    return ArrayResult(
        ofmap=program.ofmap(
            [_read_banks(design, folder, index) for index in range(len(program.runs))]
        ),
        cycles=tuple(cycles),
        counts=counts,
    )


def _read_banks(design: ArrayDesign, folder: Path, run: int) -> dict[str, Words]:
    banks = {}
    for name in bank_bits(design):
        if name.startswith("psum"):
            text = (folder / f"run{run}_{name}.out").read_text(encoding="ascii")
            banks[name] = np.array(read_bank(text), dtype=np.uint64).view(np.int64)
    return banks
