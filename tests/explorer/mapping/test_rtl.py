"""Counting mode ``rtl``: against the array's RTL in a simulator, mode ``exact``, runs one by one.

The search is held against all tilings of small layers, and its bounds against the model's cycles.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from characterize.array_simulation import ArraySimulator
from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import AccessEnergy, Amount, Energies
from explorer.mapping.cost import LayerCost
from explorer.mapping.counts import count
from explorer.mapping.mapper import Options, certify, map_layer
from explorer.mapping.rtl_array import RtlArray
from explorer.mapping.rtl_bounds import Bounds, Table
from explorer.mapping.rtl_counts import ArrayPlan, blocks_of, evaluate_tiling, events_of
from explorer.mapping.rtl_search import best_tiling
from explorer.networks.layer import LayerShape
from rtl_gen.array.compiler import (
    Program,
    Scales,
    Shape,
    Tiling,
    compile_layer,
    psum_words,
    shape_layer,
)
from rtl_gen.errors import InputError
from tests.layers import operands

PE = {
    "preset": "INT8", "ifmap_depth": 6, "filter_depth": 20, "psum_depth": 4, "period_ps": 2000,
}  # fmt: skip


def accelerator(**changes: Any) -> Accelerator:
    """2 x 3 PEs below a buffer of 8 banks."""
    network = {"kind": "array", **changes.pop("network", {})}
    levels = [
        {"name": "DRAM", "kind": "dram", "word_bits": 16, "read_words_per_cycle": 1},
        {
            "name": "buffer", "kind": "sram", "words": 512, "word_bits": 16, "banks": 8,
            "fanout_x": 3, "fanout_y": 2, **changes.pop("buffer", {}),
        },
        {"name": "ifmaps", "kind": "scratchpad", "keeps": ["ifmap"]},
        {"name": "filters", "kind": "scratchpad", "keeps": ["filter"]},
        {"name": "psums", "kind": "scratchpad", "keeps": ["psum"]},
    ]  # fmt: skip
    document = {
        "name": "small", "period_ps": 2000, "dram": "LPDDR4", "pe": dict(PE), "network": network,
        "levels": levels, **changes,
    }  # fmt: skip
    return Accelerator.from_dict(document)


def prices(on: Accelerator, **changes: Any) -> Energies:
    """SYNTHETIC energies, each another number, so that no two terms can stand for each other."""
    primes = iter((2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71))
    access = {
        (v, tensor): AccessEnergy(read_pj=next(primes), write_pj=next(primes), origin="synthetic")
        for v, level in enumerate(on.hierarchy.levels)
        for tensor in level.keeps
    }
    values: dict[str, Any] = {
        "act_bits": 8, "weight_bits": 8, "out_bits": 8, "psum_bits": on.psum_bits,
        "access": access, "mac_pj": 0.7, "forward_pj": 0.9, "configure_pj": 1.3, "cycle_pj": 0.2,
        "network_cycle_pj": 0.4, "hop_pj_per_bit": tuple(
            0.01 if level.fanout > 1 else 0.0 for level in on.hierarchy.levels
        ),
        "pe_origin": "synthetic", "hop_origin": "synthetic", "network_origin": "synthetic",
        "held": ("ifmap",), "macs_per_cycle": 1.0,
        "leakage_uw": {"PEs": Amount(value=100.0, origin="synthetic")},
        "area_um2": {"PEs": Amount(value=1e6, origin="synthetic")},
        "period_ps": Amount(value=2000.0, origin="synthetic"),
    }  # fmt: skip
    return Energies(**{**values, **changes})


def array(**changes: Any) -> RtlArray:
    on = accelerator(**changes)
    return RtlArray(accelerator=on, energies=prices(on))


def plan(cost: LayerCost) -> ArrayPlan:
    assert isinstance(cost.plan, ArrayPlan)
    return cost.plan


@st.composite
def shapes(draw: st.DrawFn, *, most: int = 7, batch: int = 2) -> LayerShape:
    """Any layer up to 7 x 7, with groups, depthwise ones among them."""
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    stride = draw(st.integers(1, 3))
    return LayerShape(
        batch=draw(st.integers(1, batch)),
        groups=draw(st.integers(1, 3)),
        filters=draw(st.integers(1, 7)),
        channels=draw(st.integers(1, 7)),
        height=draw(st.integers(max(1, rows - padding[0] - padding[1]), most)),
        width=draw(st.integers(max(1, columns - padding[2] - padding[3]), most)),
        filter_height=rows, filter_width=columns, stride_height=stride, stride_width=stride,
        padding=padding,  # type: ignore[arg-type]
    )  # fmt: skip


def drawn_tiling(data: st.DataObject, bounds: Bounds) -> Tiling:
    return data.draw(st.sampled_from(bounds.tilings))


#: Arrays to simulate: those of the accelerator's buffer, with one bus and with two of each kind.
SIMULATED = {
    "2x3": array(),
    "3x3, two ifmap buses": array(
        buffer={"fanout_x": 3, "fanout_y": 3, "words": 1024},
        network={"ifmap_buses": 2, "filter_buses": 2, "psum_buses": 2},
    ),
    "2x2, filters past the buffer": array(
        buffer={"fanout_x": 2, "fanout_y": 2, "keeps": ["ifmap", "psum"], "words": 256}
    ),
}


def simulate(on: RtlArray, cost: LayerCost, folder: Path, seed: int) -> tuple[int, dict[str, int]]:
    """Cycles and accesses that the RTL of the array takes for one image; its sums must be right."""
    shape = plan(cost).shape
    ifmap, weights = operands(on.pe, shape.layer, seed, on.mode)
    many = shape.layer.filters
    scales = Scales(
        multiplier=np.full(many, 40_000), shift=np.full(many, 20), bias=np.zeros(many, np.int64)
    )
    program = compile_layer(shape, ifmap, weights, scales)
    result = ArraySimulator(shape.design, folder).run(program, folder, seed=seed)
    assert result.ofmap.tolist() == program.expected(ifmap, weights).tolist()
    counts: dict[str, int] = {}
    for name, number in result.counts.items():
        kind = "".join(c for c in name if not c.isdigit())
        counts[kind] = counts.get(kind, 0) + number
    return sum(result.cycles), counts


@pytest.mark.tool
@pytest.mark.parametrize("name", SIMULATED)
@pytest.mark.parametrize("seed", range(4))
def test_cycles_and_accesses_are_those_of_the_rtl(name: str, seed: int, tmp_path: Path) -> None:
    """Of random layers in random tilings: what mode rtl counts is what the simulator counts."""
    on = SIMULATED[name]
    random = np.random.default_rng(seed + 100 * list(SIMULATED).index(name))
    layer, tiling, share = drawn(on, random)
    cost = evaluate_tiling(on, layer, tiling, share)
    cycles, seen = simulate(on, cost, tmp_path, seed)
    assert cost.busy_cycles == cycles
    events = plan(cost).events
    for event in ("ifmap_reads", "filter_reads", "psum_reads", "psum_writes", "scale_reads",
                  "ifmap_writes", "filter_writes", "psum_outs"):  # fmt: skip
        assert events[event] == seen.get(event, 0), event
    assert events["products"] == seen["macs"]  # of this PE, a product a cycle
    counts, own = cost.counts, {t: v for v, t in on.accelerator.own_levels.items()}
    assert counts.of(own["psum"], "psum").drains == seen["psum_outs"]
    assert counts.of(on.buffer, "psum").updates == seen["psum_writes"]
    assert counts.of(own["ifmap"], "ifmap").fills == seen["ifmap_writes"]


def drawn(on: RtlArray, random: np.random.Generator) -> tuple[LayerShape, Tiling, Any]:
    """A layer, one of its tilings and a share of the buffer that it fits."""
    while True:
        stride = int(random.integers(1, 3))
        rows, columns = (int(random.integers(1, 4)) for _ in range(2))
        layer = LayerShape(
            groups=int(random.integers(1, 3)), filters=int(random.integers(1, 7)),
            channels=int(random.integers(1, 7)), height=int(random.integers(rows, 8)),
            width=int(random.integers(columns, 8)), filter_height=rows, filter_width=columns,
            stride_height=stride, stride_width=stride,
            padding=tuple(random.integers(0, 2, 4).tolist()),
        )  # fmt: skip
        tilings = Bounds(on, layer).tilings
        tiling = tilings[random.integers(len(tilings))]
        shares = list(on.shares())
        share = shares[random.integers(len(shares))]
        try:
            evaluate_tiling(on, layer, tiling, share)
        except InputError:
            continue
        return layer, tiling, share


def loaded(program: Program, images: int) -> dict[str, int]:
    """Words that a host loads that goes through all runs, and leaves what is in the banks."""
    found = {"ifmap_loads": 0, "filter_loads": 0, "scale_loads": 0}
    before: dict[str, Any] = {}
    for image in range(images):
        for run in program.runs:
            span = run.span
            what = {
                "ifmap": (image, span.groups, span.strips, span.channels),
                "filter": (span.groups, span.filters, span.channels),
                "scale": (span.groups, span.filters),
            }
            for kind, part in what.items():
                banks = {n: w for n, w in run.images.items() if n.startswith(kind)}
                if not banks or before.get(kind) == part:
                    continue
                before[kind] = part
                one = {"scale0"} if kind == "scale" else set(banks)
                found[f"{kind}_loads"] += sum(len(banks[name]) for name in one)
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_the_host_loads_the_words_of_the_compilers_images(data: st.DataObject) -> None:
    """Run by run, with their operands; and the sums that it takes are those of the layer."""
    on = data.draw(st.sampled_from(list(SIMULATED.values())))
    layer = data.draw(shapes())
    bounds = Bounds(on, layer)
    share = data.draw(st.sampled_from(list(on.shares())))
    try:
        cost = evaluate_tiling(on, layer, drawn_tiling(data, bounds), share)
    except InputError as error:
        assert "a pass needs" in str(error)  # noqa: PT017  # any other refusal is a failure
        return
    shape = plan(cost).shape
    ifmap, weights = operands(on.pe, shape.layer, 0)
    many = shape.layer.filters
    scales = Scales(
        multiplier=np.ones(many, int), shift=np.ones(many, int), bias=np.zeros(many, int)
    )
    program = compile_layer(shape, ifmap, weights, scales)
    words = loaded(program, layer.batch)
    if not on.keeps("filter"):
        del words["filter_loads"]
    events = plan(cost).events
    assert {name: events[name] for name in words} == words
    assert plan(cost).runs == layer.batch * len(program.runs)
    assert events["unloads"] == layer.ofmap_words
    # Sums stay in the banks until all channels are in; then those of fill-up filters are left.
    last = [run for run in program.runs if run.span.channels[1] == shape.channel_tiles]
    there = sum(sum(psum_words(shape, run.span).values()) for run in last)
    assert layer.batch * there >= events["unloads"]
    dram = {t.tensor: t.times for t in cost.terms if t.part == "DRAM"}
    assert dram.get("ifmap", 0) == events["ifmap_loads"]
    assert dram.get("ofmap") == layer.ofmap_words
    assert dram["filter"] == (
        events["filter_loads"] if on.keeps("filter") else events["filter_reads"]
    )


def divides(layer: LayerShape, shape: Shape) -> bool:
    tiling = shape.tiling
    parts = (
        (layer.filters, tiling.filters), (layer.channels, tiling.channels * tiling.sets),
        (layer.filter_height, tiling.filter_rows), (layer.out_height, tiling.columns),
    )  # fmt: skip
    return not any(size % tile for size, tile in parts)


def test_against_mode_exact_of_the_same_nest() -> None:
    """Where tiles divide and nothing is padded, counts are equal but for five, and these follow."""
    on, compared = array(), 0
    for channels, filters, size, rows, stride in itertools.product(
        (2, 4), (8,), (7, 8), (1, 2, 3), (1, 2)
    ):
        layer = LayerShape(
            channels=channels, filters=filters, height=size, width=size, filter_height=rows,
            filter_width=2, stride_height=stride, stride_width=stride,
        )  # fmt: skip
        for tiling, share in itertools.product(Bounds(on, layer).tilings, list(on.shares())[::9]):
            try:
                cost = evaluate_tiling(on, layer, tiling, share)
            except InputError:
                continue
            if divides(layer, plan(cost).shape):
                compared += 1
                compare(on, layer, cost)
    assert compared > 500


def compare(on: RtlArray, layer: LayerShape, cost: LayerCost) -> None:
    """Mode ``rtl`` beside mode ``exact``; what differs, by how much."""
    ours, held = cost.counts, on.energies.held
    theirs = count(on.accelerator.hierarchy, layer, cost.mapping, held=held)
    shape, events = plan(cost).shape, plan(cost).events
    blocks, parts = blocks_of(shape)
    tiling, own = shape.tiling, {tensor: v for v, tensor in on.accelerator.own_levels.items()}
    expected = {(c.level, c.tensor): asdict(c) for c in theirs.levels}
    # A PE reads its window anew for each sum; exact has the last value still at the multiplier.
    if tiling.channels == 1 and layer.stride_width == layer.filter_width - 1:
        again = events["primitives"] * (layer.out_width - 1)
        expected[own["ifmap"], "ifmap"]["reads"] += again
    # A run loads filters, even if they are those that the PEs have.
    if blocks[0] * blocks[1] * shape.row_tiles * shape.channel_tiles == 1:
        expected[on.buffer, "filter"]["reads"] *= parts[2]
        expected[own["filter"], "filter"]["fills"] *= parts[2]
    # The host loads rows that the run before had, too; exact keeps them.
    if parts[3] == 1:
        extra = rows_loaded_again(shape, blocks, parts)
        expected[0, "ifmap"]["reads"] += extra
        expected[on.buffer, "ifmap"]["fills"] += extra
    # Rows between those of two columns of PEs come, though no PE needs them.
    if tiling.filter_rows < shape.row_stride:
        rows = (tiling.columns - 1) * shape.row_stride + tiling.filter_rows
        reads = expected[on.buffer, "ifmap"]["reads"] * rows
        expected[on.buffer, "ifmap"]["reads"] = reads // (tiling.columns * tiling.filter_rows)
    assert {(c.level, c.tensor): asdict(c) for c in ours.levels} == expected
    assert (ours.macs, ours.steps) == (theirs.macs, theirs.steps)
    words = {c.tensor: c.words for c in theirs.network}
    # The sums of the bank go to the PEs over the bus, too; exact adds to them at the bank.
    words["psum"] += events["psum_reads"]
    words |= {t: expected[on.buffer, t]["reads"] for t in ("ifmap", "filter")}
    assert {c.tensor: c.words for c in ours.network} == words
    assert cost.busy_cycles > ours.steps


def rows_loaded_again(shape: Shape, blocks: tuple[int, ...], parts: tuple[int, ...]) -> int:
    """Ifmap words of rows that a run has in common with the one before, of all runs."""
    layer, tiling = shape.layer, shape.tiling
    rows = []
    for first in range(0, shape.strips, blocks[2]):
        last = min((first + blocks[2]) * tiling.columns, layer.out_height) - 1
        top = first * tiling.columns
        rows.append({y * layer.stride + r for y in range(top, last + 1)
                     for r in range(layer.filter_height)})  # fmt: skip
    turns = rows * parts[1] if len(rows) > 1 else rows
    common = sum(len(before & after) for before, after in itertools.pairwise(turns))
    columns = {x * layer.stride + s for x in range(layer.out_width)
               for s in range(layer.filter_width)}  # fmt: skip
    return common * len(columns) * layer.channels


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_bounds_have_the_models_accesses_and_no_more_cycles(data: st.DataObject) -> None:
    on = data.draw(st.sampled_from(list(SIMULATED.values())))
    layer = data.draw(shapes())
    bounds = Bounds(on, layer)
    tiling = drawn_tiling(data, bounds)
    design = on.design(data.draw(st.sampled_from(list(on.shares()))))
    shape = shape_layer(design, bounds.layer, tiling, on.mode)
    try:
        block = blocks_of(shape)[0][2]
    except InputError:
        return
    events, busy = events_of(on, shape, layer.batch)
    table = Table.of(on, bounds.layer, [tiling])
    closed = {name: int(numbers[0]) for name, numbers in bounds.events(table, block).items()}
    assert closed == {name: events[name] for name in closed}
    assert bounds.cycles(table, block)[0] <= busy
    least = bounds.events(table, None)
    assert all(int(least[name][0]) <= events[name] for name in least)
    assert bounds.cycles(table, None)[0] <= bounds.cycles(table, block)[0]


def every_tiling(on: RtlArray, layer: LayerShape) -> list[LayerCost]:
    """Costs of all tilings that the compiler takes, in all shares of the buffer."""
    pe, found = on.pe, []
    design = on.accelerator.array_design()
    sizes = (
        range(1, pe.psum_depth + 1), range(1, pe.ifmap_depth + 1), range(1, design.rows + 1),
        range(1, design.rows + 1), range(1, design.columns + 1),
    )  # fmt: skip
    for p, q, rows, sets, columns in itertools.product(*sizes):
        tiling = Tiling(filters=p, channels=q, filter_rows=rows, sets=sets, columns=columns)
        for share in on.shares():
            with contextlib.suppress(InputError):
                found.append(evaluate_tiling(on, layer, tiling, share))
    return found


SMALL = (
    LayerShape(channels=3, filters=5, height=6, width=5, filter_height=3, filter_width=2),
    LayerShape(
        channels=4, filters=6, height=7, width=7, filter_height=2, filter_width=3,
        padding=(1, 1, 1, 1), stride_height=2, stride_width=2, batch=2,
    ),
    LayerShape(groups=5, channels=1, filters=2, height=5, width=6, filter_height=3, filter_width=3),
    LayerShape(channels=9, filters=7, height=1, width=1),
)  # fmt: skip


#: Of four rows, two columns of PEs take two strips of as many, three a short one in the end.
UNEVEN = (
    LayerShape(groups=2, channels=1, filters=1, height=6, width=10, filter_height=3,
               filter_width=3),
    LayerShape(channels=2, filters=3, height=6, width=8, filter_height=3, filter_width=2),
)  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "buses", "banks"),
    [*((each, 1, 5) for each in SMALL), *zip(UNEVEN, (2, 1), (6, 6), strict=True)],
)
def test_the_search_finds_the_best_of_all_tilings(
    layer: LayerShape, buses: int, banks: int
) -> None:
    on = array(
        buffer={"banks": banks, "words": 64 * banks},
        network={"ifmap_buses": buses, "filter_buses": buses},
    )
    costs = every_tiling(on, layer)
    least = {
        "energy": min(cost.energy_pj for cost in costs),
        "delay": min(cost.cycles for cost in costs),
        "edp": min(cost.energy_pj * cost.cycles for cost in costs),
    }
    for objective, value in least.items():
        found = best_tiling(on, layer, objective)
        cost = found.cost
        values = {"energy": cost.energy_pj, "delay": cost.cycles}
        got = values.get(objective, cost.energy_pj * cost.cycles)
        assert got == pytest.approx(value, rel=1e-9), objective
        assert found.evaluated < len(costs)


def test_the_nest_of_a_tiling_is_a_mapping_of_the_layer() -> None:
    on = array()
    for layer in SMALL:
        best_tiling(on, layer).cost.mapping.check(on.accelerator.hierarchy, layer)


def test_terms_are_events_times_energies() -> None:
    """Each term of a layer whose events are few enough to be counted by hand."""
    on = array()
    layer = LayerShape(channels=2, filters=2, height=2, width=2, filter_height=2, filter_width=2)
    tiling = Tiling(filters=2, channels=2, filter_rows=2, sets=1, columns=1)
    cost = evaluate_tiling(on, layer, tiling, next(iter(on.shares())))
    times = {(t.part, t.tensor, t.action): t.times for t in cost.terms if t.part != "network"}
    clock = {("clock", "", "PEs"), ("clock", "", "network"), ("leakage", "", "PEs")}
    assert {key: value for key, value in times.items() if key not in clock} == {
        ("DRAM", "ifmap", "read"): 8, ("DRAM", "filter", "read"): 16,
        ("DRAM", "scale", "read"): 2, ("DRAM", "ofmap", "write"): 2,
        ("buffer", "ifmap", "write"): 8, ("buffer", "ifmap", "read"): 8,
        ("buffer", "filter", "write"): 16, ("buffer", "filter", "read"): 16,
        ("buffer", "psum", "write"): 2, ("buffer", "ofmap", "read"): 2,
        ("ifmaps", "ifmap", "write"): 8, ("ifmaps", "ifmap", "read"): 8,
        ("filters", "filter", "write"): 16, ("filters", "filter", "read"): 16,
        ("psums", "psum", "read"): 16, ("psums", "psum", "write"): 16,
        ("PEs", "", "multiply-accumulate"): 16, ("PEs", "psum", "forward"): 4,
        ("PEs", "", "configure"): 2,
    }  # fmt: skip
    assert {times[key] for key in clock} == {cost.cycles}
    each = {(t.part, t.tensor, t.action): t.each_pj for t in cost.terms}
    energies, access = on.energies, on.energies.access
    assert each["PEs", "", "configure"] == energies.configure_pj
    # Two values of 8 bits to a word of 16; a sum takes two words, and so does what is made of it.
    assert each["buffer", "ifmap", "read"] == access[1, "ifmap"].read_pj / 2
    sum_words = -(-energies.psum_bits // 16)
    assert each["buffer", "ofmap", "read"] == access[1, "psum"].read_pj * sum_words
    assert each["DRAM", "ofmap", "write"] == access[0, "psum"].write_pj / 2
    assert cost.energy_pj == pytest.approx(sum(t.times * t.each_pj for t in cost.terms))


def test_dram_stalls_are_beside_the_work() -> None:
    layer = SMALL[3]
    fast = best_tiling(array(), layer).cost
    slow = accelerator()
    levels = list(slow.hierarchy.levels)
    levels[0] = replace(levels[0], read_words_per_cycle=0.01)
    slow = replace(slow, hierarchy=replace(slow.hierarchy, levels=tuple(levels)))
    cost = evaluate_tiling(
        RtlArray(accelerator=slow, energies=prices(slow)), layer, plan(fast).shape.tiling,
        plan(fast).share,
    )  # fmt: skip
    words = sum(t.times / 2 for t in cost.terms if t.part == "DRAM" and t.tensor != "scale"
                and t.action == "read")  # fmt: skip
    events = plan(cost).events
    scale_bits = 16 + 6 + 1 + slow.psum_bits
    words += events["scale_loads"] * -(-scale_bits // 16)
    assert cost.busy_cycles == fast.busy_cycles
    assert cost.cycles == math.ceil(words / 0.01) > cost.busy_cycles
    assert plan(cost).host_cycles == cost.cycles
    assert cost.rates["DRAM"][0] == pytest.approx(0.01, rel=1e-3)


def test_the_mapper_takes_mode_rtl() -> None:
    on = accelerator()
    energies = prices(on)
    options = Options(mode="rtl", objective="delay")
    mapped = map_layer(on, energies, SMALL[0], options)
    assert mapped.cost.counts.mode == "rtl"
    assert mapped.cost.to_dict(on.hierarchy)["plan"]["runs"] == plan(mapped.cost).runs
    assert mapped.space >= mapped.evaluated > 0
    with pytest.raises(InputError, match=r"^certificates are of mode exact, not rtl, which "):
        certify(on, energies, mapped, options)
    with pytest.raises(InputError, match=r"^mode must be one of exact, rtl, not 'timeloop'$"):
        Options(mode="timeloop")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": {"kind": "wires"}},
            "needs network: kind array, not kind wires",
        ),
        ({"buffer": {"keeps": ["ifmap"]}}, "needs a buffer that keeps psum, not ifmap"),
        (
            {"buffer": {"banks": 2}},
            "needs a bank of the buffer for each bus, 3, of 16 words or more, not 2",
        ),
    ],
)
def test_other_accelerators_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        array(**changes)
    assert str(refused.value) == f"mode rtl: small {message}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dilation_height": 2},
            "mode rtl: dilation must be 1, not 2 and 1",
        ),
        (
            {"stride_height": 2},
            "mode rtl: stride must be the same both ways, not 2 and 1",
        ),
        (
            {"padding": (300, 0, 0, 0)},
            "mode rtl: padding must be an integer from 0 to 255, not 300",
        ),
        (
            {"filter_width": 7},
            "mode rtl: a filter 7 wide does not fit a PE with ifmap_depth 6 and filter_depth 20",
        ),
        (
            {"width": 5000},
            "mode rtl: the ofmap must have at most 4,096 columns, not 4,999",
        ),
    ],
)
def test_layers_that_the_array_has_not_are_refused(changes: dict[str, Any], message: str) -> None:
    shape = LayerShape(
        **{"channels": 2, "filters": 2, "height": 9, "width": 9, "filter_height": 2,
           "filter_width": 2} | changes
    )  # fmt: skip
    with pytest.raises(InputError) as refused:
        best_tiling(array(), shape)
    assert str(refused.value) == message


def test_a_buffer_that_is_too_small_is_told_in_the_compilers_words() -> None:
    on = array(buffer={"words": 192})
    shape = LayerShape(channels=1, filters=1, height=9, width=200)
    message = (
        "mode rtl: a pass needs 600 words in a bank of ifmap words, which has 240: choose a larger "
        "ifmap_words, or a smaller tile if there is one"
    )
    with pytest.raises(InputError) as refused:
        best_tiling(on, shape)
    assert str(refused.value) == message


def test_shares_are_whole_banks_for_each_bus() -> None:
    on = array(network={"psum_buses": 2})
    level = on.accelerator.hierarchy.levels[on.buffer]
    for share in on.shares():
        ifmap, filters, psum = share
        assert ifmap is not None
        assert filters is not None
        assert psum is not None
        assert ifmap + filters + psum in (level.banks, level.banks - 1)
        assert psum % 2 == 0
        design = on.design(share)
        # Two values of 8 bits to a memory word of 16; a sum takes two.
        each = level.words // level.banks  # type: ignore[operator]  # an SRAM has words
        assert design.ifmap_words == 2 * ifmap * each
        assert design.psum_words == psum // 2 * each // (-(-on.pe.psum_bits // 16))
    assert len(set(on.shares())) == len(list(on.shares())) > 5
