"""Register values that no compiler writes: every run ends, and the next legal one is right."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from pathlib import Path

import pytest

from characterize.array_simulation import ArraySimulator, RunEnd
from rtl_gen.array import sequencer
from rtl_gen.array.compiler import Program, Run, compile_layer, default_tiling, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.array.registers import COMMANDS, register_map
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
