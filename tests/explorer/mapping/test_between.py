"""What stays in a buffer between layers: counts, costs, and the choice of ofmaps."""

from __future__ import annotations

import functools
import itertools
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies, resolve_energies
from explorer.accelerators.hierarchy import TENSORS, Hierarchy, Level
from explorer.accelerators.sparsity import Sparsity
from explorer.mapping import between, fast, mapper
from explorer.mapping.between import Planner, buffer_level, candidates
from explorer.mapping.cost import LayerCost, costs_of, evaluate
from explorer.mapping.counts import count
from explorer.mapping.fast import Found
from explorer.mapping.mapper import Options, map_layer
from explorer.mapping.mapping import LevelLoops, Mapping
from explorer.mapping.network_cost import NetworkCost, map_network
from explorer.mapping.resident import Resident
from explorer.mapping.space import ORDERS, Space
from explorer.mapping.traffic import TrafficCost
from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network
from rtl_gen.errors import InputError
from tests.explorer.mapping.brute_force import simulate
from tests.explorer.mapping.drawn import cases, shapes
from tests.explorer.mapping.test_cost import READ, SHAPE, WRITE, accelerator, nest, with_words

QUICK = Options(effort="quick")
BUFFER = 1


@pytest.fixture
def small(tmp_path: Path) -> Accelerator:
    return accelerator(tmp_path)


@pytest.fixture
def energies(small: Accelerator) -> Energies:
    return resolve_energies(small, 8, 8, 8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mapper, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@functools.cache
def drawn() -> tuple[Accelerator, Energies]:
    """The same for all cases that are drawn."""
    with tempfile.TemporaryDirectory() as folder:
        on = accelerator(Path(folder))
        return on, resolve_energies(on, 8, 8, 8)


def without(mapping: Mapping, tensors: tuple[str, ...], home: int) -> Mapping:
    """The mapping in which levels outside a tensor's home do not keep it."""
    levels = [
        replace(loops, keeps=tuple(t for t in loops.keeps if t not in tensors)) if v < home
        else loops
        for v, loops in enumerate(mapping.levels)
    ]  # fmt: skip
    return Mapping(tuple(levels))


@given(cases(), st.sampled_from(TENSORS))
@settings(max_examples=150, deadline=None)
def test_a_tensor_at_home_on_the_chip_is_counted_as_a_simulator_does(
    case: tuple[Hierarchy, LayerShape, Mapping], tensor: str
) -> None:
    hierarchy, shape, mapping = case
    homes = [
        v
        for v, level in enumerate(hierarchy.levels)
        if v and hierarchy.instances[v] == 1 and tensor in level.keeps
    ]
    assume(homes)
    home = homes[0]
    kept = without(mapping, (tensor,), home)
    machine = simulate(hierarchy, shape, kept)
    counts = count(hierarchy, shape, kept, resident=(tensor,))
    plain = count(hierarchy, shape, mapping)
    names = ("fills", "reads", "updates", "accumulations", "drains")
    for c in counts.levels:
        said = machine.counts[c.level, c.tensor]
        assert {n: getattr(c, n) for n in names} == {n: said[n] for n in names}
        if c.tensor != tensor:
            assert c == plain.of(c.level, c.tensor)
    assert all(c.level >= home for c in counts.levels if c.tensor == tensor)
    at_home, before = counts.of(home, tensor), plain.of(home, tensor)
    assert (at_home.fills, at_home.drains) == (0, 0)
    assert (at_home.reads, at_home.updates) == (before.reads, before.updates)
    assert at_home.tile == plain.of(0, tensor).tile
    words = {(n.level, n.tensor): n.words for n in counts.network}
    assert words == {key: n for key, n in machine.network.items() if n or key in words}


def test_what_is_saved_is_what_the_dram_and_the_way_to_it_took(
    small: Accelerator, energies: Energies
) -> None:
    """One mapping, ifmap and ofmap in DRAM or in the buffer."""
    small = replace(small, hierarchy=with_words(small, "buffer", 1024))
    before = evaluate(small, energies, SHAPE, nest(small))
    kept = without(nest(small), ("ifmap", "psum"), BUFFER)
    words = (SHAPE.ifmap_words + SHAPE.ofmap_words) // 2
    resident = Resident(level=BUFFER, tensors=("ifmap", "psum"), words=words)
    after = evaluate(small, energies, SHAPE, kept, resident)
    ifmap, psum = (before.counts.of(0, tensor) for tensor in ("ifmap", "psum"))
    fills = before.counts.of(BUFFER, "ifmap").fills
    # Of 8 bits two to a memory word of 16; finished sums are written to the buffer as before.
    saved = ifmap.reads * READ * 100 / 2 + fills * WRITE * 10 / 2
    saved += psum.updates * WRITE * 100 / 2 + SHAPE.ofmap_words * READ * 10 / 2
    assert before.energy_pj - after.energy_pj == pytest.approx(saved)
    assert {t.tensor for t in after.terms if t.part == "DRAM"} == {"filter"}


def test_a_slow_dram_is_waited_for_no_longer(small: Accelerator, energies: Energies) -> None:
    """Each value is used twice: at a value a cycle the ifmap would take longer than the work."""
    shape = LayerShape(filters=2, channels=6, height=6, width=6)
    loops = [
        {"level": "DRAM", "temporal": "M2 P6"},
        {"level": "buffer", "temporal": "C2", "x": "Q2", "y": "C3"},
        {"level": "psums", "temporal": "Q3"},
    ]
    mapping = Mapping.from_list(loops, small.hierarchy)
    levels = small.hierarchy.levels
    dram = replace(levels[0], read_words_per_cycle=1)
    small = replace(small, hierarchy=Hierarchy((dram, *levels[1:])))
    before = evaluate(small, energies, shape, mapping)
    kept = without(mapping, ("ifmap",), BUFFER)
    after = evaluate(small, energies, shape, kept, Resident(level=BUFFER, tensors=("ifmap",)))
    ifmap, filters = (before.counts.of(0, tensor).reads for tensor in ("ifmap", "filter"))
    assert (ifmap, filters) == (2 * shape.ifmap_words, shape.weights)
    assert before.busy_cycles == after.busy_cycles == shape.macs // 6 == 72
    assert before.cycles == (ifmap + filters) // 2 == 222
    assert after.cycles == 72


def test_what_stays_leaves_less_room(small: Accelerator, energies: Energies) -> None:
    """The tile of partial sums, 48 words of 24 bits beside filters, fits to the last word."""
    kept = without(nest(small), ("ifmap", "psum"), BUFFER)
    free = evaluate(small, energies, SHAPE, kept, Resident(level=BUFFER, tensors=("ifmap", "psum")))
    tiles = free.room[BUFFER]
    filters = -(-free.counts.of(BUFFER, "filter").tile // 2)
    sums = SHAPE.ofmap_words // 2  # of the two tiles of filters that the DRAM goes through
    assert tiles == filters + 2 * sums
    for words in (512 - tiles, 512 - tiles + 1):
        resident = Resident(level=BUFFER, tensors=("ifmap", "psum"), words=words)
        if words == 512 - tiles:
            assert evaluate(small, energies, SHAPE, kept, resident).energy_pj == free.energy_pj
            continue
        with pytest.raises(InputError) as caught:
            evaluate(small, energies, SHAPE, kept, resident)
        assert str(caught.value) == (
            f"level 'buffer': the tiles take {tiles} memory words, there are {tiles - 1}"
        )


def test_finished_sums_alone_need_no_tile_beside_their_place(
    small: Accelerator, energies: Energies
) -> None:
    shape = LayerShape(filters=4, channels=6, height=2, width=1)
    mapping = Mapping.from_list(
        [{"level": "DRAM", "keeps": ["filter"]}, {"level": "buffer", "temporal": "P2"},
         {"level": "psums", "temporal": "M4 C6"}], small.hierarchy,
    )  # fmt: skip
    resident = Resident(level=BUFFER, tensors=("ifmap", "psum"))
    cost = evaluate(small, energies, shape, mapping, resident)
    assert cost.counts.of(BUFFER, "psum").updates == shape.ofmap_words
    assert cost.room[BUFFER] == shape.weights // 2


def test_partial_sums_do_not_leave_for_nowhere(small: Accelerator, energies: Energies) -> None:
    """With channels outside of filters sums come back; the other way around they do not."""
    shape = LayerShape(filters=4, channels=6, height=2, width=1)
    resident = Resident(level=BUFFER, tensors=("psum",))
    for order, returns in (("C6 M4", True), ("M4 C6", False)):
        mapping = Mapping.from_list(
            [{"level": "DRAM", "temporal": order, "keeps": ["ifmap", "filter"]},
             {"level": "buffer", "temporal": "P2"}], small.hierarchy,
        )  # fmt: skip
        if not returns:
            evaluate(small, energies, shape, mapping, resident)
            continue
        with pytest.raises(InputError) as caught:
            evaluate(small, energies, shape, mapping, resident)
        assert str(caught.value) == (
            "level 'buffer': partial sums of the ofmap, which stays there, would leave and come "
            "back"
        )


@given(shapes(most=2000), st.sampled_from([("ifmap",), ("psum",), ("ifmap", "psum")]), st.data())
@settings(max_examples=60, deadline=None)
def test_the_compiled_cost_beside_what_stays(
    shape: LayerShape, tensors: tuple[str, ...], data: st.DataObject
) -> None:
    small, energies = drawn()
    sparsity = Sparsity(gate=("ifmap",), skip=("filter",), compress=("ifmap", "filter", "ofmap"))
    small = replace(small, sparsity=data.draw(st.sampled_from([sparsity, Sparsity()])))
    densities = ("act_density", "weight_density", "out_density")
    shape = replace(shape, **{name: data.draw(st.sampled_from([0.1, 0.6])) for name in densities})
    resident = Resident(level=BUFFER, tensors=tensors, words=data.draw(st.integers(0, 500)))
    keeps = mapper.kept_tensors(small, resident)[0]
    space = Space.of(resident.rest(small.hierarchy), shape, keeps)
    choices = space.choices
    ways = np.array([data.draw(st.integers(0, int(n) - 1)) for n in np.diff(choices.first)])
    orders = np.array([data.draw(st.integers(0, len(ORDERS) - 1)) for _ in keeps])
    found = Found(0.0, ways, orders, 0, 0)
    p, q, r, s = (ways[d] for d in (fast.P, fast.Q, fast.R, fast.S))
    compiled = fast.Nest(
        choices.splits[choices.first[:-1] + ways], choices.orders[orders], choices.rows[p, r],
        choices.columns[q, s], choices.row_tiles[p, r], choices.column_tiles[q, s],
    )  # fmt: skip
    result = np.zeros(2)
    fits = fast.evaluate(space.problem(costs_of(small, energies, shape)), compiled, result)
    try:
        exact = evaluate(small, energies, shape, space.mapping(found), resident)
    except InputError:
        assert not fits
        return
    assert fits
    assert result[fast.ENERGY] >= exact.energy_pj * (1 - 1e-9)
    assert np.ceil(result[fast.CYCLES]) >= exact.cycles
    if shape.sizes["R"] == shape.sizes["S"] == 1 and shape.padding == (0, 0, 0, 0):
        assert result[fast.ENERGY] == pytest.approx(exact.energy_pj, rel=1e-9)
        assert np.ceil(result[fast.CYCLES]) == exact.cycles


def conv(name: str, *inputs: str, **changes: Any) -> Layer:
    sizes: dict[str, Any] = {
        "filters": 4, "channels": 4, "height": 6, "width": 6, "filter_height": 3, "filter_width": 3,
        "padding": (1, 1, 1, 1),
    }  # fmt: skip
    return Layer(name=name, shape=LayerShape(**{**sizes, **changes}), inputs=inputs)


#: Without windows the search's cost is the exact one.
POINT = {"filter_height": 1, "filter_width": 1, "padding": (0, 0, 0, 0)}


def residual(**changes: Any) -> Network:
    """An addition of two ways, a pool, and a layer behind."""
    return Network(
        name="residual", source="a test",
        layers=(
            conv("a", "input", **changes),
            conv("b", "a", **changes),
            conv("c", "b", **changes),
            Traffic(name="add", kind="add", inputs=("a", "c"), input_words=288, output_words=144),
            Traffic(name="pool", kind="max_pool", inputs=("add",), input_words=144,
                    output_words=36),
            conv("d", "pool", height=3, width=3, **changes),
        ),
    )  # fmt: skip


def planner(on: Accelerator, energies: Energies, network: Network) -> Planner:
    return Planner(on, network, lambda _: energies, QUICK, cache=True)


def total(on: Accelerator, network: Network, stays: frozenset[str], objective: str) -> float:
    """Cost of a network with given ofmaps in the buffer, as written down; infinite if not fits."""
    energies = resolve_energies(on, 8, 8, 8)
    size = on.hierarchy.levels[BUFFER].words
    assert size is not None
    values = {x.name: between.result_words(x) for x in network.layers}
    last = {n: max(i for i, x in enumerate(network.layers) if n in x.inputs) for n in stays}
    found = 0.0
    for index, layer in enumerate(network.layers):
        first = {x.name: i for i, x in enumerate(network.layers)}
        here = [n for n in stays if first[n] <= index <= last[n]]
        words = sum(-(-values[n] // 2) for n in here)
        if isinstance(layer, Traffic):
            if words > size:
                return float("inf")
            from_dram = sum(values[n] for n in layer.inputs if n not in here)
            at = {False: (READ * 100 / 2, WRITE * 100 / 2), True: (READ * 5, WRITE * 5)}
            cost = from_dram * at[False][0] + (layer.input_words - from_dram) * at[True][0]
            cost += layer.output_words * at[layer.name in here][1]
            cycles = int(np.ceil(from_dram / 2 / 2))
        else:
            tensors = tuple(
                t for t, n in (("ifmap", layer.inputs[0]), ("psum", layer.name)) if n in here
            )
            resident = Resident(level=BUFFER, tensors=tensors, words=words)
            try:
                options = Options(objective=objective)
                mapped = map_layer(on, energies, layer.shape, options, resident=resident)
            except (InputError, ValueError):
                return float("inf")
            cost, cycles = mapped.cost.energy_pj, mapped.cost.cycles
        found += {"energy": cost, "delay": float(cycles), "edp": cost * cycles}[objective]
    return found


@pytest.mark.parametrize(
    ("words", "objective"),
    [(100, "energy"), (200, "energy"), (512, "energy"), (300, "delay")],
)
def test_no_other_set_of_ofmaps_costs_less(small: Accelerator, words: int, objective: str) -> None:
    """Against all sets, each added up layer by layer."""
    on = replace(small, hierarchy=with_words(small, "buffer", words))
    network = residual(**POINT)
    names = [layer.name for layer in network.layers[:-1]]
    every = {
        frozenset(chosen): total(on, network, frozenset(chosen), objective)
        for size in range(len(names) + 1)
        for chosen in itertools.combinations(names, size)
    }
    found = map_network(on, network, Options(objective=objective), keep_between=True)
    assert found.kept is not None
    value = found.energy_pj if objective == "energy" else found.cycles
    assert value == pytest.approx(min(every.values()), rel=1e-6)
    assert value == pytest.approx(every[frozenset(found.kept.stays)], rel=1e-6)
    assert value < every[frozenset()]


@st.composite
def graphs(draw: st.DrawFn) -> Network:
    """Layers that read any of those before."""
    names = ["input"]
    layers = []
    for index in range(draw(st.integers(1, 6))):
        inputs = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        layers.append(
            Traffic(name=f"t{index}", kind="add", inputs=tuple(inputs), input_words=10,
                    output_words=draw(st.integers(1, 400)))
        )  # fmt: skip
        names.append(f"t{index}")
    return Network(name="drawn", source="a test", layers=tuple(layers))


@given(graphs(), st.integers(0, 1 << 30))
@settings(max_examples=150, deadline=None)
def test_the_path_is_the_shortest(network: Network, seed: int) -> None:
    """With any cost of a layer beside any set of ofmaps, against all sets."""
    made = planner(*drawn(), network)
    costs: dict[tuple[str, frozenset[str]], TrafficCost | None] = {}
    random = np.random.default_rng(seed)

    def result(layer: Layer | Traffic, busy: frozenset[str]) -> TrafficCost | None:
        taken = sum(made.can_stay[name].words for name in busy)
        fits = taken <= 512 and (not busy or random.random() < 0.9)
        if (layer.name, busy) not in costs:
            energy = float(random.random())
            costs[layer.name, busy] = TrafficCost(energy_pj=energy, cycles=1) if fits else None
        return costs[layer.name, busy]

    made.result = result  # type: ignore[method-assign]  # costs of its own
    best = float("inf")
    for size in range(len(made.can_stay) + 1):
        for chosen in itertools.combinations(made.can_stay, size):
            alive = [
                frozenset(n for n in chosen if made.can_stay[n].first <= i <= made.can_stay[n].last)
                for i in range(len(network.layers))
            ]
            each = [result(x, a) for x, a in zip(network.layers, alive, strict=True)]
            if None not in each:
                best = min(best, sum(one.energy_pj for one in each if one is not None))
    kept = made.best()
    assert kept.complete
    assert sum(one.energy_pj for one in kept.traffic.values()) == pytest.approx(best)


def test_of_too_many_sets_the_best_go_on(
    small: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = map_network(small, residual(), QUICK, keep_between=True)
    monkeypatch.setattr(between, "MOST_STATES", 1)
    found = map_network(small, residual(), QUICK, keep_between=True)
    assert found.kept is not None
    assert every.kept is not None
    assert (found.kept.complete, every.kept.complete) == (False, True)
    assert found.kept.stays == {}
    assert found.energy_pj == replace(found, kept=None).energy_pj > every.energy_pj


def test_a_network_says_what_stays_and_what_that_saves(small: Accelerator) -> None:
    found = map_network(small, residual(), QUICK, keep_between=True)
    assert found.kept is not None
    assert list(found.kept.stays) == ["a", "b", "c", "add", "pool"]
    assert found.kept.never == {"d": "a result of the network"}
    document = json.loads(json.dumps(found.to_dict()))
    totals = document["kept"]
    assert totals["level"] == "buffer"
    # While c runs: a for the addition, b that it reads, and c; 144 values of 8 bits each.
    assert totals["most_memory_words"] == 3 * 72
    assert document["layers"][2]["kept"]["in_buffer"] == {
        name: {"values": 144, "memory_words": 72} for name in "abc"
    }
    assert totals["saved_pj"] == pytest.approx(totals["energy_pj_before"] - document["energy_pj"])
    saved = sum(entry["kept"]["saved_pj"] for entry in document["layers"])
    assert saved == pytest.approx(totals["saved_pj"])
    for entry in document["layers"]:
        if "terms" in entry:
            terms = sum(term["energy_pj"] for term in entry["terms"])
            assert terms == pytest.approx(entry["energy_pj"])
    table = found.table()
    assert list(table["stays"]) == [72, 72, 72, 72, 18, 0]
    assert sum(table["saved_uj"]) * 1e6 == pytest.approx(saved)
    assert sum(found.parts_pj().values()) == pytest.approx(found.energy_pj)
    _only_inputs_and_results_are_in_dram(found)


def _only_inputs_and_results_are_in_dram(found: NetworkCost) -> None:
    def dram(name: str) -> set[str]:
        layer = next(x for x in found.network.layers_with_macs if x.name == name)
        cost: LayerCost = found.cost_of(layer)
        return {term.tensor for term in cost.terms if term.part == "DRAM"}

    assert dram("a") == {"ifmap", "filter"}
    assert dram("b") == dram("c") == {"filter"}
    assert dram("d") == {"filter", "ofmap"}


def test_pools_and_additions_work_from_the_buffer(small: Accelerator, energies: Energies) -> None:
    made = planner(small, energies, residual())
    add, pool = residual().layers[3:5]
    assert made.result(pool, frozenset({"add", "pool"})) == TrafficCost(
        energy_pj=72 * READ * 10 + 18 * WRITE * 10, cycles=0
    )
    assert made.result(pool, frozenset({"add"})) == TrafficCost(
        energy_pj=72 * READ * 10 + 18 * WRITE * 100, cycles=0
    )
    # Of an addition that reads less than its operands have, all of what does not stay counts.
    fewer = replace(add, input_words=180) if isinstance(add, Traffic) else add
    assert made.result(fewer, frozenset({"c"})) == TrafficCost(
        energy_pj=72 * READ * 100 + 18 * READ * 10 + 72 * WRITE * 100, cycles=36
    )


def test_a_double_buffer_is_half_of_what_is_left(tmp_path: Path) -> None:
    on = accelerator(tmp_path)
    level = replace(on.hierarchy.levels[BUFFER], buffering="double")
    hierarchy = Hierarchy((on.hierarchy.levels[0], level, *on.hierarchy.levels[2:]))
    rest = Resident(level=BUFFER, tensors=(), words=101).rest(hierarchy)
    assert rest.levels[BUFFER].usable_words == (512 - 101) // 2


def test_results_beside_what_stays_are_entries_of_their_own(
    small: Accelerator, energies: Energies, own_cache: Path
) -> None:
    plain = map_layer(small, energies, SHAPE, QUICK)
    for number, resident in enumerate(
        (
            Resident(level=BUFFER, tensors=(), words=1),
            Resident(level=BUFFER, tensors=("ifmap",), words=1),
            Resident(level=BUFFER, tensors=("ifmap",), words=2),
            Resident(level=BUFFER, tensors=("psum",), words=2),
        ),
        start=2,
    ):
        first = map_layer(small, energies, SHAPE, QUICK, resident=resident)
        again = map_layer(small, energies, SHAPE, QUICK, resident=resident)
        assert (first.cost, again.evaluated) == (again.cost, 0)
        assert len(list(own_cache.rglob("*.json"))) == number
    assert map_layer(small, energies, SHAPE, QUICK).cost == plain.cost


def test_why_an_ofmap_cannot_stay(small: Accelerator) -> None:
    layers = (
        conv("wide", "input", out_bits=16),
        conv("reads", "wide"),
        conv("large", "reads", filters=32),
        conv("part", "large", channels=32),
        conv("other", "part"),
        Layer(name="both", shape=LayerShape(filters=4, channels=8, height=6, width=6),
              inputs=("part", "other")),
        conv("keys", "both"),
        Layer(name="scores", shape=LayerShape(filters=36, channels=4, height=36, width=1),
              inputs=("input", "keys"), weights_are_activations=True),
        conv("scarce", "both", filters=1),
        conv("more", "scarce"),
    )  # fmt: skip
    network = Network(name="n", source="a test", layers=layers)
    found, never = candidates(small, network, BUFFER)
    assert list(found) == ["reads", "both"]
    assert never == {
        "wide": "has 16 bits, 'reads' reads 8",
        "large": "takes 576 memory words, there are 512",
        "part": "is only a part of the ifmap of 'both'",
        "other": "is an operand of 'both' beside the ifmap",
        "keys": "is an operand of 'scores' beside the ifmap",
        "scores": "a result of the network",
        "scarce": "has 36 values, 'more' reads more",
        "more": "a result of the network",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keeps": ("ifmap",)}, "level 'buffer' keeps ifmap alone"),
        ({"words": None}, "level 'buffer' has no size"),
    ],
)
def test_buffers_in_which_nothing_can_stay(
    small: Accelerator, changes: dict[str, Any], message: str
) -> None:
    levels = small.hierarchy.levels
    hierarchy = Hierarchy((levels[0], replace(levels[BUFFER], **changes), *levels[2:]))
    begin = (
        "ofmaps stay in a buffer that there is one of, of a given size, which keeps ifmap and psum"
    )
    with pytest.raises(InputError, match=f"^{re.escape(f'{begin}; {message}')}$"):
        buffer_level(hierarchy)


def test_a_buffer_must_be_the_only_one() -> None:
    top = Level(name="DRAM", kind="dram", fanout_x=2)
    begin = (
        "ofmaps stay in a buffer that there is one of, of a given size, which keeps ifmap and psum"
    )
    many = Hierarchy((top, Level(name="buffer", kind="sram", words=8)))
    with pytest.raises(InputError) as caught:
        buffer_level(many)
    assert str(caught.value) == f"{begin}; level 'buffer' has 2 instances"
    with pytest.raises(InputError) as caught:
        buffer_level(Hierarchy((top, Level(name="w", kind="sram", keeps=("filter",)))))
    assert str(caught.value) == (
        "ofmaps stay in a buffer that keeps ifmap and psum; 'DRAM' is the only level that does"
    )


def test_certificates_are_not_of_what_stays(small: Accelerator) -> None:
    with pytest.raises(InputError) as caught:
        map_network(small, residual(), QUICK, keep_between=True, seconds=1.0)
    assert str(caught.value) == (
        "certify is about layers alone: leave out keep_between, or certify"
    )


def test_a_mapping_keeps_everything_outside_that_does_not_stay(small: Accelerator) -> None:
    kept = without(nest(small), ("ifmap",), BUFFER)
    kept.check(small.hierarchy, SHAPE, ("ifmap",))
    with pytest.raises(InputError, match=r"^level 'DRAM' must keep ifmap$"):
        kept.check(small.hierarchy, SHAPE)
    nothing = Mapping((LevelLoops(keeps=()), *kept.levels[1:]))
    with pytest.raises(InputError, match=r"^level 'DRAM' must keep filter$"):
        nothing.check(small.hierarchy, SHAPE, ("ifmap",))
