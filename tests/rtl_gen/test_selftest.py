"""The test bench that comes with a PE: what it passes, what it fails, what it says."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from rtl_gen import selftest
from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.errors import InputError
from rtl_gen.export import verilog_text
from rtl_gen.golden import CONFIG_FIELDS, Primitive, row_cycles
from rtl_gen.interface import ports
from tests.strategies import designs

SMALL = {"ifmap_depth": 6, "filter_depth": 24, "psum_depth": 5}
INT4 = PEDesign.preset("INT4", **SMALL)


def simulate(folder: Path, verilog: str, design: PEDesign) -> subprocess.CompletedProcess[str]:
    """Run the bench of a design in Icarus, as its first lines say."""
    (folder / "pe.v").write_text(verilog)
    (folder / "tb.v").write_text(selftest.testbench_text(design))
    compiled = subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-o", "tb", "tb.v", "pe.v"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (compiled.returncode, compiled.stderr) == (0, "")
    return subprocess.run(["vvp", "tb"], cwd=folder, capture_output=True, text=True, check=False)


def assert_passes(folder: Path, verilog: str, design: PEDesign) -> None:
    run = simulate(folder, verilog, design)
    sums, cycles = 0, 0
    for work in selftest.primitives(design):
        sums += work.expected.size
        cycles += row_cycles(design, work.size)
    said = re.fullmatch(r"PASS: (\d+) sums, (\d+) cycles\n", run.stdout)
    assert said, run.stdout
    assert run.returncode == 0
    # Every sum twice, and those of the primitives that were cut off.
    assert int(said[1]) >= 2 * sums
    assert int(said[2]) > 2 * cycles


def failure(folder: Path, verilog: str, design: PEDesign) -> str:
    """What the bench says of hardware that is wrong."""
    run = simulate(folder, verilog, design)
    assert run.returncode != 0
    assert run.stdout.count("\n") == 1
    said = re.fullmatch(r"FAIL: (.*) \(cycle \d+\)\n", run.stdout)
    assert said, run.stdout
    return said[1]


VARIANTS = [
    {"pipeline_stages": 1, "zero_gating": True},
    {"precision_modes": 2, "scratchpad": "latch"},
    {"precision_modes": 3, "pipeline_stages": 4, "zero_gating": True},
    {"act_signed": False, "precision_modes": 3, "pipeline_stages": 3},
    {"multiplier": "booth", "psum_bits": 64},
    {"filter_depth": 64, "scratchpad": "sram", "zero_gating": True},
    {"ifmap_depth": 1, "filter_depth": 1, "psum_depth": 1},
    {"family": "lightpe", "weight_bits": 12, "terms": 3, "serial_terms": True},
    {"family": "fp", "act_bits": 16, "weight_bits": 16, "psum_bits": 16, "pipeline_stages": 4},
]


@pytest.mark.tool
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_hardware_of_every_kind_passes(changes: dict[str, object], tmp_path: Path) -> None:
    values = {"family": "int", "act_bits": 8, "weight_bits": 8, **SMALL, **changes}
    design = PEDesign.from_dict(values)
    assert_passes(tmp_path, verilog_text(design), design)


@pytest.mark.tool
@pytest.mark.parametrize("name", ["INT8", "LightPE-2"])
def test_presets_pass(name: str, tmp_path: Path) -> None:
    design = PEDesign.preset(name)
    assert_passes(tmp_path, verilog_text(design), design)


@pytest.mark.tool
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(designs(largest_depth=12))
def test_any_design_passes(tmp_path: Path, design: PEDesign) -> None:
    assert_passes(tmp_path, verilog_text(design), design)


@pytest.mark.tool
@pytest.mark.parametrize(
    "changes", [{"multiplier": "array"}, {"zero_gating": True}, {"scratchpad": "latch"}]
)
def test_what_only_hardware_knows_makes_no_difference(
    changes: dict[str, object], tmp_path: Path
) -> None:
    """The same sums in the same cycles, whatever multiplier and scratchpads are made of."""
    other = PEDesign.from_dict({**INT4.to_dict(), **changes})
    assert_passes(tmp_path, verilog_text(other).replace(other.name, INT4.name), INT4)


@pytest.mark.tool
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pipeline_stages": 3}, "primitive 0 takes 24 cycles, not 22"),
        ({"pipeline_stages": 1}, "primitive 0 takes 20 cycles, not 22"),
        ({"act_signed": False}, r"psum \d of primitive \d+ is [0-9a-f]{5}, not [0-9a-f]{5}"),
        ({"ifmap_depth": 5}, r"psum \d of primitive \d+ is [0-9a-fx]{5}, not [0-9a-f]{5}"),
        ({"filter_depth": 23}, r"psum \d of primitive \d+ is [0-9a-fx]{5}, not [0-9a-f]{5}"),
    ],
)
def test_hardware_of_another_design_fails(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    other = PEDesign.from_dict({**INT4.to_dict(), **changes})
    verilog = verilog_text(other).replace(other.name, INT4.name)
    assert re.fullmatch(said, failure(tmp_path, verilog, INT4))


#: A PE around the real one, with ports that are not quite wires.
WRAPPER = """
module {name} ({ports});
{declarations}
  wire inner_config__ready, inner_psum_out__valid;
  wire [19:0] inner_psum_out__payload;
  wire inner_config__valid = config__valid & {go};
  reg [7:0] words;  // that psum_out has handed over since the reset
  always @(posedge clk)
    words <= rst ? 0 : words + (inner_psum_out__valid & psum_out__ready);
  assign config__ready = {ready};
  assign psum_out__valid = {valid};
  assign psum_out__payload = {payload};
  {name}_inner dut ({connections});
endmodule
"""
PLAIN = {
    "go": "1'b1",
    "ready": "inner_config__ready & {go}",
    "valid": "inner_psum_out__valid",
    "payload": "inner_psum_out__payload",
}


def wrapped(**changes: str) -> str:
    """The Verilog of ``INT4``, with outputs that are not quite what they should be."""
    lines = {**PLAIN, **changes}
    lines["ready"] = lines["ready"].format(go=lines["go"])
    pins = ports(INT4)
    outer = {"config__valid", "config__ready", "psum_out__valid", "psum_out__payload"}
    return verilog_text(INT4).replace(INT4.name, f"{INT4.name}_inner") + WRAPPER.format(
        name=INT4.name,
        ports=", ".join(port["name"] for port in pins),
        declarations="\n".join(
            f"  {port['direction']} [{port['width'] - 1}:0] {port['name']};" for port in pins
        ),
        connections=", ".join(
            f".{port['name']}({'inner_' if port['name'] in outer else ''}{port['name']})"
            for port in pins
        ),
        **lines,
    )


@pytest.mark.tool
def test_a_wrapper_of_plain_wires_passes(tmp_path: Path) -> None:
    assert_passes(tmp_path, wrapped(), INT4)


@pytest.mark.tool
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"payload": "inner_psum_out__payload ^ (words == 3)"},
         "psum 3 of primitive 0 is [0-9a-f]{5}, not [0-9a-f]{5}"),
        ({"payload": "words == 6 ? 20'bx : inner_psum_out__payload"},
         "psum 1 of primitive 2 is unknown: xxxxx"),
        ({"payload": "psum_out__ready ? inner_psum_out__payload : words"},
         r"psum \d+ of primitive \d+ changes before it is taken"),
        ({"valid": "inner_psum_out__valid & psum_out__ready"},
         "psum_out__valid depends on psum_out__ready"),
        ({"valid": "words == 2 ? 1'bx : inner_psum_out__valid"},
         "a ready, or psum_out__valid, is unknown"),
        ({"valid": "inner_psum_out__valid & words != 4"},
         "psum 0 of primitive 1 is [0-9a-f]{5}, not [0-9a-f]{5}"),
        ({"go": "!psum_out__valid"},
         "primitive 0 is followed by the next after 23 cycles, not 22"),
        ({"go": "words < 3"},
         r"no word has moved for \d+ cycles in primitive 0"),
        ({"ready": "1'b1"}, "primitive 0 ends without 3 words of filter"),
        ({"ready": "1'b0"},
         "not idle after 0 primitives: config__ready 0, psum_out__valid 0"),
    ],
)  # fmt: skip
def test_each_way_to_be_wrong_is_named(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    assert re.fullmatch(said, failure(tmp_path, wrapped(**changes), INT4))


@given(designs())
@settings(max_examples=60)
def test_primitives_use_all_that_the_design_has(design: PEDesign) -> None:
    works = selftest.primitives(design)
    sizes = [work.size for work in works]
    fitting = {size.filter_width for size in sizes}
    assert {size.mode for size in sizes} == set(range(design.precision_modes))
    for mode in range(design.precision_modes):
        of_mode = [size for size in sizes if size.mode == mode]
        assert {size.chain for size in of_mode} == {True, False}
        assert {size.keep_filter for size in of_mode} == {True, False}
        assert {1, 2, 3, 5} <= {size.stride for size in of_mode}
        assert max(size.window_words(design) for size in of_mode) == min(
            design.ifmap_depth, room(design, of_mode[0])
        )
        assert max(size.filters for size in of_mode) == min(
            design.psum_depth, room(design, of_mode[0])
        )
    assert {size.depthwise for size in sizes} == {True, False}
    assert min(fitting) == 1
    assert max(fitting) == min(design.ifmap_depth, room(design, sizes[0]))
    # The one that resets cut off.
    assert row_cycles(design, sizes[0]) < 60


def room(design: PEDesign, like: Primitive) -> int:
    """Steps that the filter scratchpad has weights for."""
    return design.filter_depth * like.weights_per_word(design)


@given(designs())
@settings(max_examples=60)
def test_serial_terms_run_in_all_numbers_that_fit(design: PEDesign) -> None:
    counts = {
        count
        for work in selftest.primitives(design)
        for count in work.size.terms_of_filters(design)
    }
    most = min(design.terms, design.filter_depth) if design.serial_terms else 1
    assert counts == set(range(1, most + 1))


def test_filters_are_kept_from_the_primitive_before() -> None:
    works = selftest.primitives(PEDesign.preset("LightPE-2", serial_terms=True))
    pairs = itertools.pairwise(works)
    kept = [(before, work) for before, work in pairs if work.size.keep_filter]
    assert len(kept) >= 8
    for before, work in kept:
        for name in ("filter_width", "channels", "filters", "mode", "filter_terms"):
            assert getattr(work.size, name) == getattr(before.size, name)
        assert work.filters is before.filters


def test_full_scratchpads_where_the_depths_allow_it() -> None:
    """64 x 8 = 512: all of the ifmap and filter scratchpads; and all 64 sums."""
    design = PEDesign.preset("INT8", ifmap_depth=64, filter_depth=512, psum_depth=64)
    sizes = [work.size for work in selftest.primitives(design)]
    assert max(size.window_words(design) for size in sizes) == 64
    assert max(size.filter_words(design) for size in sizes) == 512
    assert max(size.sums for size in sizes) == 64
    assert max(size.slide for size in sizes) == 64
    assert max(size.filter_width for size in sizes) == 1 << CONFIG_FIELDS["filter_width"]
    assert max(size.channels for size in sizes) == 1 << CONFIG_FIELDS["channels"]


def test_the_text_depends_on_design_and_seed_alone() -> None:
    first = selftest.testbench_text(INT4)
    assert selftest.testbench_text(INT4) == first == selftest.testbench_text(INT4, 1)
    assert selftest.testbench_text(INT4, 2) != first
    assert first.isascii()
    assert max(map(len, first.splitlines())) <= 140


@pytest.mark.parametrize("name", PRESETS)
def test_the_text_is_small_and_no_system_verilog(name: str) -> None:
    text = selftest.testbench_text(PEDesign.preset(name))
    # Floating-point additions take many operands to try.
    assert len(text) < (200_000 if name in ("BF16", "FP32") else 100_000)
    assert not re.search(r"\b(logic|always_ff|always_comb|int|bit|string)\b(?!.*//)", code(text))
    assert set(re.findall(r"\$\w+", code(text))) == {
        "$display", "$dumpfile", "$dumpvars", "$finish", "$finish_and_return", "$sformat", "$stop",
    }  # fmt: skip


def code(text: str) -> str:
    """Without comments and strings."""
    return re.sub(r'//.*|"[^"]*"', "", text)


@pytest.mark.parametrize("seed", [-1, 1 << 31, True, "1"])
def test_a_seed_that_is_none_is_refused(seed: object) -> None:
    with pytest.raises(InputError) as error:
        selftest.testbench_text(INT4, seed)  # type: ignore[arg-type]
    assert str(error.value) == f"seed must be an integer from 0 to 2147483647, not {seed!r}"
