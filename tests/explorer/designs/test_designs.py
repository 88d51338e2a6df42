"""Many accelerators at once: each as if it were asked alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from explorer.accelerators.energies import resolve_energies
from explorer.accelerators.pe_tables import Sources
from explorer.designs.exploration import Wanted, explore_designs
from explorer.designs.figures import Figures, costing, figures
from explorer.designs.network_rating import rate_network
from explorer.designs.pool import Growth
from explorer.designs.report import write_all
from explorer.designs.space import DesignSpace, load_designs
from explorer.mapping.cost import clock_pj, costs_of
from explorer.mapping.mapper import Options
from explorer.mapping.network_cost import map_network
from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network
from rtl_gen.errors import InputError

BITS = (6, 6, 6)
FEW = Growth(cold=12, cold_tries=1500, warm=80, warm_tries=200, best=10)

pytestmark = pytest.mark.usefixtures("installed_cacti")


def network(**sizes: int) -> Network:
    """Two products, one of them twice, and what has none."""
    bits = dict(zip(("act_bits", "weight_bits", "out_bits"), BITS, strict=True))
    wide = LayerShape(filters=12, channels=8, height=6, width=5, **bits, **sizes)
    deep = LayerShape(filters=8, channels=12, height=6, width=5, **bits)
    words = 8 * 6 * 5
    return Network(
        name="net",
        source="a test",
        inputs=("x",),
        layers=(
            Layer(name="a", shape=wide, inputs=("x",)),
            Layer(name="b", shape=deep, inputs=("a",)),
            Layer(name="c", shape=wide, inputs=("b",)),
            Layer(name="d", shape=deep, inputs=("c",)),
            Traffic(name="e", kind="add", inputs=("b", "d"), input_words=2 * words,
                    output_words=words, act_bits=16, out_bits=6),
        ),
    )  # fmt: skip


def all_designs(space: DesignSpace, sources: Sources) -> Figures:
    return figures(space, *space.designs(10_000), sources)


def test_pes_stand_with_every_frame_that_is_slow_enough(space: DesignSpace) -> None:
    pe, frame = space.designs(10_000)
    pairs = list(zip(pe.tolist(), frame.tolist(), strict=True))
    assert len(space.frames) == 48
    assert len(set(pairs)) == len(pairs)
    fast = [k for k, values in enumerate(space.frames) if values["period_ps"] == 1400]
    for number, slow in ((0, True), (1, False), (2, True)):
        with_pe = {f for p, f in pairs if p == number}
        assert with_pe == set(range(48)) - (set(fast) if slow else set())
    few, few_frames = space.designs(20, seed=3)
    assert set(zip(few.tolist(), few_frames.tolist(), strict=True)) < set(pairs)
    assert len(few) == 20


def test_figures_are_those_of_each_accelerator_alone(space: DesignSpace, sources: Sources) -> None:
    found = all_designs(space, sources)
    costs = costing(found, (5, 4, 6))
    for i in np.random.default_rng(1).choice(len(found.pe), 25, replace=False):
        alone = space.accelerator(int(found.pe[i]), int(found.frame[i]))
        energies = resolve_energies(alone, 5, 4, 6, source=sources)
        area = sum(part.value for part in energies.area_um2.values())
        row = found.table.iloc[i]
        assert row["area_mm2"] == pytest.approx(area * 1e-6, rel=1e-12)
        assert row["least_period_ps"] == pytest.approx(energies.period_ps.value, rel=1e-12)
        assert row["period_ps"] == alone.period_ps
        assert costs.cycle_pj[i] == pytest.approx(clock_pj(alone, energies), rel=1e-12)
        wanted = costs_of(alone, energies)
        known = costs.costs[int(found.pe[i]), int(found.memory[found.frame[i]])]
        assert known is not None
        for name in ("read_pj", "write_pj", "whole_read_pj", "whole_write_pj", "packing",
                     "whole_packing", "mac_pj", "drain_pj", "macs_per_cycle"):  # fmt: skip
            assert np.allclose(getattr(known, name), getattr(wanted, name), rtol=1e-12), name
        widths = np.array([5, 4, alone.psum_bits])
        assert np.allclose(found.hops[i][:, None] * widths, wanted.hop_pj, rtol=1e-12)


def test_every_design_costs_what_its_mappings_cost(space: DesignSpace, sources: Sources) -> None:
    """Never less than the least, found by a search of its own, and hardly more."""
    found = all_designs(space, sources)
    for objective in ("energy", "delay", "edp"):
        rated = rate_network(found, network(), objective, growth=FEW)
        narrow = space.pes["act_bits"].to_numpy()[found.pe] < BITS[0]
        assert np.array_equal(np.isinf(rated.energy_pj), narrow)
        ratios = []
        for i in np.random.default_rng(2).choice(np.flatnonzero(~narrow), 3, replace=False):
            alone = space.accelerator(int(found.pe[i]), int(found.frame[i]))
            mapped = map_network(
                alone, network(), Options(objective=objective), sources=sources, cache=False
            )
            told = {"energy": rated.energy_pj[i], "delay": rated.cycles[i],
                    "edp": rated.energy_pj[i] * rated.cycles[i]}  # fmt: skip
            least = {"energy": mapped.energy_pj, "delay": float(mapped.cycles),
                     "edp": mapped.energy_pj * mapped.cycles}  # fmt: skip
            ratios.append(told[objective] / least[objective])
        # Products of sums are not sums of products: a network's edp is not its layers'.
        assert min(ratios) >= 1 - (1e-9 if objective != "edp" else 0.02)
        assert np.median(ratios) < 1.03


def test_a_single_design_is_rated_to_the_last_digit(space: DesignSpace, sources: Sources) -> None:
    """A pool of one mapping, all of whose terms must be the mapper's of the same mapping."""
    pe, frame = space.designs(10_000)
    some = np.array([k for k in range(len(pe)) if pe[k] == 0][:1])
    found = figures(space, pe[some], frame[some], sources)
    net = network()
    many = Growth(cold=60, cold_tries=3000, warm=60, warm_tries=2000, best=1)
    rated = rate_network(found, net, "energy", growth=many)
    alone = space.accelerator(int(pe[some[0]]), int(frame[some[0]]))
    mapped = map_network(alone, net, Options(effort="thorough"), sources=sources, cache=False)
    assert rated.energy_pj[0] == pytest.approx(mapped.energy_pj, rel=1e-9)
    assert rated.cycles[0] == mapped.cycles


def test_threads_change_nothing_and_seeds_little(space: DesignSpace, sources: Sources) -> None:
    found = all_designs(space, sources)
    net = network(filter_height=3, filter_width=3)
    one, two, other = (
        rate_network(found, net, "energy", growth=FEW, jobs=jobs, seed=seed)
        for jobs, seed in ((1, 1), (2, 1), (1, 2))
    )
    assert np.array_equal(one.energy_pj, two.energy_pj)
    assert np.array_equal(one.cycles, two.cycles)
    fits = np.isfinite(one.energy_pj)
    assert np.allclose(one.energy_pj[fits], other.energy_pj[fits], rtol=0.2)
    assert not np.array_equal(one.energy_pj[fits], other.energy_pj[fits])


def test_the_front_is_of_designs_that_run_and_meet_conditions(
    space: DesignSpace, sources: Sources
) -> None:
    wanted = Wanted(where=("area_mm2 < 0.3", "buffer_words > 1024"), refine=2)
    told: list[str] = []
    result = explore_designs(
        space, network(), wanted, sources=sources, growth=FEW, told=told.append
    )
    front = result.front
    assert (front["area_mm2"] < 0.3).all()
    assert (front["buffer_words"] > 1024).all()
    assert (front["least_period_ps"] <= front["period_ps"]).all()
    assert set(front["pe"]) <= {0, 1}
    for _, row in front.iterrows():
        better = result.table[result.table["wanted"]]
        for name in wanted.objectives:
            better = better[better[name] <= row[name]]
        assert (better[list(wanted.objectives)] == row[list(wanted.objectives)]).all().all()
    refined = front["refined_energy_uj"].dropna()
    assert len(refined) == 2
    assert (refined <= front.loc[refined.index, "energy_uj"] * (1 + 1e-9)).all()
    assert told.count("design") == 2
    assert told.count("layer") == 4
    assert result.notes()[0] == (
        f"{len(result.table)} designs of 96; {int(result.table['fits'].sum())} run the network "
        f"and reach their clock; {int(result.table['wanted'].sum())} meet all conditions"
    )


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"frames": 1}, "'frames' is not an entry of a space of accelerators; allowed are "
         "accelerator, pes, vary"),
        ({"pes": None}, "needs pes, the name of a file"),
        ({"vary": [1]}, "vary must be a mapping of names to lists, not [1]"),
        ({"vary": {"buffer.wordz": [1]}}, "vary: 'buffer.wordz' cannot vary; allowed are "),
        ({"vary": {"buffer.words": []}}, "vary: buffer.words needs at least one value"),
        ({"vary": {"period_ps": list(range(1000)), "buffer.words": list(range(1000))}},
         "vary: 1,000,000 combinations are more than 100,000"),
        ({"vary": {"buffer.words": [1024, 4096, 1024]}}, "vary: buffer.words has 1024 twice"),
        ({"vary": {"buffer.words": [1024, -5]}}, "vary: no accelerator has buffer.words = -5; the "
         "first combination, buffer.words=-5: level 'buffer': words must be an integer from 1 to "),
        ({"vary": {"DRAM.words": [1024]}}, "vary: 'DRAM.words' cannot vary; allowed are "),
        ({"vary": {"buffer.words": [0]}}, "no accelerator; the first combination, "
         "buffer.words=0: level 'buffer': words must be an integer from 1 to "),
        ({"vary": {"period_ps": [900]}}, None),
    ],
)  # fmt: skip
def test_bad_spaces_are_refused(
    rewrite: Callable[..., Path], entries: dict[str, Any], message: str | None
) -> None:
    path = rewrite(**entries)
    with pytest.raises(InputError) as caught:
        load_designs(path).designs(100)
    if message is None:
        message = "no design: every PE has a longer period_ps (1,000 or more) than any frame"
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"where": ("aera_mm2 < 1",)}, "constraint 'aera_mm2 < 1': "),
        ({"where": ("family == 'pow3'",)}, "constraint \"family == 'pow3'\": "),
        ({"where": ("area_mm2 < 0.0001",)}, "none of "),
        ({"objectives": ("energy",)}, "an objective must be one of energy_uj, "),
        ({"objectives": ("area_mm2", "area_mm2")}, "an objective must be given once, area_mm2 is"),
        ({"objectives": ()}, "at least one objective is needed: energy_uj, "),
        ({"mapping": "power"}, "mapping must be one of energy, delay, edp, not 'power'"),
        ({"refine": -1}, "refine must be an integer from 0 to 1000, not -1"),
        ({"n": 0}, "n must be an integer from 1 to 5000000, not 0"),
    ],
)
def test_bad_wishes_are_refused(
    space: DesignSpace, sources: Sources, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        explore_designs(space, network(), Wanted(**change), sources=sources, growth=FEW)
    assert str(caught.value).startswith(message)


def test_names_and_ones_own_dram_vary(
    rewrite: Callable[..., Path], sources: Sources, tmp_path: Path
) -> None:
    """A DRAM of one's own is words in the table, and conditions take names."""
    own = {"kind": "ours", "pj_per_bit": 12, "source": "me"}
    path = rewrite(vary={"dram": [own, "LPDDR4"], "packing": ["padded", "dense"]})
    result = explore_designs(
        load_designs(path), network(), Wanted(where=("dram == 'LPDDR4'",), refine=0),
        sources=sources, growth=FEW,
    )  # fmt: skip
    assert set(result.table["dram"]) == {"kind ours, pj_per_bit 12, source me", "LPDDR4"}
    assert set(result.front["dram"]) == {"LPDDR4"}
    written = write_all(result, tmp_path / "out")
    assert len(pd.read_parquet(written[-1])) == len(result.table) == 12


def test_what_is_not_drawn_changes_nothing(space: DesignSpace, sources: Sources) -> None:
    """Figures are of the frames that were drawn alone."""
    pe, frame = space.designs(10, seed=3)
    used, own = np.unique(frame, return_inverse=True)
    few = figures(space.with_frames(used), pe, own, sources)
    pd.testing.assert_frame_equal(few.table, figures(space, pe, frame, sources).table)


def test_a_network_that_no_pe_can_run(space: DesignSpace, sources: Sources) -> None:
    wide = network().with_bits(act=16)
    with pytest.raises(InputError) as caught:
        explore_designs(space, wide, Wanted(), sources=sources, growth=FEW)
    assert str(caught.value) == (
        "none of 96 designs runs the network: PEs too narrow, or memories small"
    )


def test_outside_says_where_pes_are_extrapolated(space: DesignSpace, sources: Sources) -> None:
    assert isinstance(all_designs(space, sources).table, pd.DataFrame)
    assert all_designs(space, sources).table["outside"].isna().all()
