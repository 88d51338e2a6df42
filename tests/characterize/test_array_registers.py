"""Register values that no compiler writes: every run ends, and the next legal one is right."""

from __future__ import annotations

import dataclasses
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from characterize import array_simulation
from characterize.array_simulation import ArraySimulator, RunEnd
from rtl_gen.array import sequencer
from rtl_gen.array.compiler import (
    Program,
    Run,
    Scales,
    compile_layer,
    default_tiling,
    shape_layer,
)
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import bank_bits
from rtl_gen.array.layer import Layer
from rtl_gen.array.model import layer_activity
from rtl_gen.array.registers import COMMANDS, register_map
from rtl_gen.array.testbench import array_testbench
from rtl_gen.design import PEDesign
from tests.layers import operands, plain_convolution

pytestmark = pytest.mark.tool

DESIGN = ArrayDesign(
    pe=PEDesign.preset("INT4", ifmap_depth=3, filter_depth=8, psum_depth=2), rows=2, columns=2,
    ifmap_buses=2, psum_buses=2, ifmap_words=32, filter_words=32, psum_words=32, scale_words=16,
)  # fmt: skip
#: In the simulated array; the real one waits longer, which no short program needs.
WATCHDOG = 200
LIMIT = 3000
FIELDS = [f for f in register_map(DESIGN) if not f.read_only and f.name not in COMMANDS]


def legal(seed: int, **sizes: int) -> tuple[Program, list[object]]:
    """A program of one run, and its sums."""
    values = {"channels": 2, "height": 4, "width": 4, "filters": 3, "filter_height": 2,
              "filter_width": 2, **sizes}  # fmt: skip
    layer = Layer(**values)  # type: ignore[arg-type]
    ifmap, weights = operands(DESIGN.pe, layer, seed)
    program = compile_layer(
        shape_layer(DESIGN, layer, default_tiling(DESIGN, layer)), ifmap, weights
    )
    assert len(program.runs) == 1
    return program, plain_convolution(DESIGN.pe, layer, ifmap, weights).tolist()


PROGRAMS = [legal(1), legal(2, filters=2, stride=2), legal(3, channels=1, height=5)]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> ArraySimulator:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequencer, "WATCHDOG_CYCLES", WATCHDOG)
        return ArraySimulator(DESIGN, tmp_path_factory.mktemp("array"))


def patched(folder: Path, *changes: tuple[str, str]) -> ArraySimulator:
    """The array with a test bench in which some text is another."""
    text = array_testbench(DESIGN)
    for before, after in changes:
        text, count = re.subn(before, after, text)
        assert count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequencer, "WATCHDOG_CYCLES", WATCHDOG)
        patch.setattr(array_simulation, "array_testbench", lambda _: text)
        return ArraySimulator(DESIGN, folder)


def with_registers(run: Run, **changes: int) -> Run:
    return dataclasses.replace(run, registers={**run.registers, **changes})


def all_random(generator: random.Random) -> Run:
    """Any register values, small ones more often: large ones are refused or take for ever."""
    run = generator.choice(PROGRAMS)[0].runs[0]
    values = {
        field.name: generator.getrandbits(generator.choice([1, 2, field.bits])) % (1 << field.bits)
        for field in FIELDS
    }
    for name in ("filter_rows", "sets", "columns", "last_columns"):
        if generator.random() < 0.9:  # the others are refused for these
            values[name] = run.registers[name]
    return with_registers(run, **values)


def one_random(generator: random.Random) -> Run:
    """One field of a legal program, or one bit of it, is another."""
    run = generator.choice(PROGRAMS)[0].runs[0]
    field = generator.choice(FIELDS)
    value = run.registers[field.name]
    if generator.random() < 0.5:
        value ^= 1 << generator.randrange(field.bits)
    else:
        value = generator.randrange(1 << field.bits)
    return with_registers(run, **{field.name: value})


def between_legal_runs(
    simulator: ArraySimulator, folder: Path, wrong: list[Run], *, stall_pct: int, limit: int = LIMIT
) -> list[RunEnd]:
    """Run a legal program after each wrong one; the legal ones must be right.

    Returns:
        How the wrong ones ended.
    """
    runs = []
    for index, run in enumerate(wrong):
        runs += [run, PROGRAMS[index % len(PROGRAMS)][0].runs[0]]
    limits = [limit, 100 * LIMIT] * len(wrong)
    ends, _ = simulator.run_each(runs, folder, stall_pct=stall_pct, limits=limits)
    for index, end in enumerate(ends[1::2]):
        program, sums = PROGRAMS[index % len(PROGRAMS)]
        assert end.status == "done", (index, wrong[index].registers)
        assert program.ofmap([end.banks]).tolist() == sums, (index, wrong[index].registers)
    return ends[::2]


@pytest.mark.parametrize("stall_pct", [0, 40])
@pytest.mark.parametrize("draw", [all_random, one_random])
def test_any_run_ends_and_the_next_one_is_right(
    simulator: ArraySimulator, tmp_path: Path, draw: object, stall_pct: int
) -> None:
    """It is done, refused, hung, or has so much to do that it is stopped."""
    generator = random.Random(f"{draw} {stall_pct}".partition(" at ")[0] + str(stall_pct))
    wrong = [draw(generator) for _ in range(60)]  # type: ignore[operator]
    ends = between_legal_runs(simulator, tmp_path, wrong, stall_pct=stall_pct)
    statuses = Counter(end.status for end in ends)
    assert set(statuses) <= {"done", "refused", "hung", "stopped"}
    assert "hung" in statuses
    for end in ends:
        assert (end.cycles == LIMIT) == (end.status == "stopped")


@pytest.mark.parametrize("change", [{"columns": 2}, {"last_columns": 2}, {"filter_rows": 2},
                                    {"sets": 1}, {"filter_rows": 63, "sets": 63}])  # fmt: skip
def test_more_rows_or_columns_than_there_are_are_refused(
    simulator: ArraySimulator, tmp_path: Path, change: dict[str, int]
) -> None:
    wrong = with_registers(PROGRAMS[0][0].runs[0], **change)
    (end,) = between_legal_runs(simulator, tmp_path, [wrong], stall_pct=0)
    assert (end.status, end.cycles) == ("refused", max(DESIGN.rows, DESIGN.columns) + 2)


@pytest.mark.parametrize(
    "change",
    [{"filter_words": 0}, {"filter_words": 40}, {"sums": 9}, {"diagonals": 0}],
)  # fmt: skip
def test_a_run_whose_sizes_do_not_fit_together_is_given_up(
    simulator: ArraySimulator, tmp_path: Path, change: dict[str, int]
) -> None:
    """Too few words for the PEs, or words that none takes."""
    wrong = with_registers(PROGRAMS[0][0].runs[0], **change)
    (end,) = between_legal_runs(simulator, tmp_path, [wrong], stall_pct=0)
    assert end.status == "hung"
    assert WATCHDOG < end.cycles < LIMIT


@pytest.mark.parametrize("stall_pct", [0, 90])
def test_a_run_is_stopped_at_any_moment(
    simulator: ArraySimulator, tmp_path: Path, stall_pct: int
) -> None:
    """Nothing of it reaches the next one, whatever the buffer still owed."""
    run = PROGRAMS[0][0].runs[0]
    for limit in (0, 1, 3, 5, 8, 12, 17, 25, 40):
        endless = [with_registers(run, groups=65535, stored_rows=4 + limit)] * 2
        ends = between_legal_runs(simulator, tmp_path, endless, stall_pct=stall_pct, limit=limit)
        assert [end.status for end in ends] == ["stopped"] * 2


def test_a_reset_of_the_array_alone_leaves_nothing_behind(tmp_path: Path) -> None:
    """The buffer goes on, and answers what was asked for before the reset."""
    stop = r"write_address = 0;\s+write_word = 2;\s+write_enable = 1;\s+@\(negedge clk\);"
    simulator = patched(
        tmp_path,
        (r"if \(rst\) \w+_head <= \w+_tail;\s+else begin", "begin"),
        (stop, "rst = 1; @(negedge clk); rst = 0; repeat (300) @(negedge clk);"),
    )
    for limit in (1, 5, 7, 8, 9, 10, 12, 17, 25, 40, 60):
        run = with_registers(PROGRAMS[0][0].runs[0], groups=65535)
        for stall_pct in (0, 60):
            ends = between_legal_runs(
                simulator, tmp_path, [run] * 2, stall_pct=stall_pct, limit=limit
            )
            assert [end.status for end in ends] == ["", ""]


def test_what_is_written_during_a_run_does_nothing(tmp_path: Path) -> None:
    """To every register but ``control``; and ``start`` is no second run."""
    last = max(field.address for field in FIELDS)
    writes = (
        f"write_enable = 1; write_address = cycles % {last}; write_address = write_address == 0 ? "
        "0 : write_address + 1; write_word = write_address == 0 ? 1 : $random(seed);"
    )
    simulator = patched(
        tmp_path,
        (r"cycles = cycles \+ 1;", f"cycles = cycles + 1; {writes}"),
        (r"(      if \(busy\) begin)", r"      write_enable = 0;\n\1"),
    )
    for program, sums in PROGRAMS:
        result = simulator.run(program, tmp_path)
        assert result.ofmap.tolist() == sums
        assert result.cycles == (layer_activity(program.shape, requantized=False).cycles,)


def test_banks_are_read_and_written_from_their_bases(
    tmp_path: Path, simulator: ArraySimulator
) -> None:
    layer = Layer(channels=1, height=4, width=4, filters=3, filter_height=2, filter_width=2)
    ifmap, weights = operands(DESIGN.pe, layer, 4)
    scales = Scales(multiplier=np.array([3, 5, 7]), shift=np.array([3, 4, 5]),
                    bias=np.array([1, -2, 3]))  # fmt: skip
    shape = shape_layer(DESIGN, layer, default_tiling(DESIGN, layer))
    program = compile_layer(shape, ifmap, weights, scales)
    (run,) = program.runs
    bases = {"ifmap": 3, "filter": 5, "psum": 2, "scale": 6}
    registers = {
        name: (value + bases["ifmap"]) % (1 << 20) if name.startswith("ifmap_base") else value
        for name, value in run.registers.items()
    } | {f"{kind}_base": bases[kind] for kind in ("filter", "psum", "scale")}
    images = {name: [1] * bases[name[:-1]] + list(words) for name, words in run.images.items()}
    moved = dataclasses.replace(run, registers=registers, images=images)
    ((end,), _) = simulator.run_each([moved], tmp_path, stall_pct=20)
    assert end.status == "done"
    banks = {name: words[bases["psum"] :] for name, words in end.banks.items()}
    assert program.ofmap([banks]).tolist() == program.expected(ifmap, weights).tolist()


@pytest.mark.parametrize("what", ["request", "response", "write"])
def test_a_buffer_that_waits_for_ever_is_not_taken_for_a_hang(tmp_path: Path, what: str) -> None:
    """One port of each bank in turn; the host stops the run."""
    run = PROGRAMS[0][0].runs[0]
    for bank in bank_bits(DESIGN):
        used = bank.startswith(("ifmap", "filter")) if what != "write" else bank.startswith("psum")
        if not used:
            continue
        folder = tmp_path / bank
        folder.mkdir()
        simulator = patched(folder, (rf"{bank}_stall_{what} <= .*;", f"{bank}_stall_{what} <= 1;"))
        ends, _ = simulator.run_each([run], folder, limits=[3 * WATCHDOG])
        assert [(end.status, end.cycles) for end in ends] == [("stopped", 3 * WATCHDOG)], bank
