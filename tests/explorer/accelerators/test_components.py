"""Components of a PE's energies against the measured energies of whole convolutions."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from characterize.action_files import actions_code
from characterize.dataset_folder import read_points, read_todays_actions
from characterize.directed import directed_steps, effort_for, fill_count
from characterize.movement import measure_statistics
from explorer.accelerators.pe_components import (
    Components,
    component_counts,
    components,
    layer_components,
    layer_operands,
    reference_size,
)
from explorer.accelerators.pe_tables import DATASET
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive, decode_weights
from rtl_gen.space import design_of

#: Of every family, of several modes, serial terms, zero gating, and one stage.
POINTS = (
    "pe_int_a10_w8_s30_d4_208_8_p3_t4000",
    "pe_int_a4_w4_s20_d12_8_32_p2_m3_t2000",
    "pe_int_a3_w3_s18_d8_112_12_p4_zg_latch_t3200",
)


@pytest.fixture(scope="module")
def dataset() -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_points(DATASET), read_todays_actions(DATASET, actions_code())


def measured_point(
    dataset: tuple[pd.DataFrame, pd.DataFrame], name: str
) -> tuple[pd.Series, dict[str, dict[str, float]]]:
    """A point and its measured numbers by kind."""
    points, energies = dataset
    row = points[points["name"] == name].iloc[0]
    own = energies[energies["key"] == row["key"]]
    kinds = {str(kind): dict(zip(g["name"], g["value"], strict=True))
             for kind, g in own.groupby("kind")}  # fmt: skip
    return row, kinds


def total(found: Components, counts: dict[str, float]) -> float:
    energies = asdict(found)
    assert list(counts) == list(energies)
    return sum(counts[name] * energies[name] for name in counts)


def families(dataset: tuple[pd.DataFrame, pd.DataFrame]) -> list[str]:
    """The smallest point of each family and kind of run-time choice."""
    points = dataset[0].sort_values("cells")
    kinds = ["family", "precision_modes", "serial_terms", "zero_gating", "act_signed"]
    return list(points.drop_duplicates(kinds)["name"])


def test_counts_times_components_are_measured_convolutions_within_the_error_of_the_fit(
    dataset: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    """The sum is that of the actions: as far off as the fit of the table says, at the most."""
    checked = 0
    for name in families(dataset):
        row, measured = measured_point(dataset, name)
        design = design_of(row.to_dict())
        steps = directed_steps(design, int(row["seed"]), effort_for(int(row["cells"])))
        errors = []
        for place, step in enumerate(steps[fill_count(design) :]):
            if not step.name.startswith(("large", "mixture", "mode", "mac")):
                continue
            size = step.work.size
            found = components(
                design, measured["action"], size, measure_statistics(design, step.work)
            )
            known = measured["primitive"][f"{place:03d} {step.name}"]
            errors.append(100 * abs(total(found, component_counts(design, size)) / known - 1))
        assert max(errors) <= measured["fit"]["worst"] * (1 + 1e-9), name
        checked += len(errors)
    assert checked > 600


def test_narrow_operands_cost_what_was_measured_of_them(
    dataset: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    """Of 2 x 2 to 8 x 8 bits on a PE of 10 x 8, in the shape that they were measured in."""
    row, measured = measured_point(dataset, POINTS[0])
    design = design_of(row.to_dict())
    steps = directed_steps(design, int(row["seed"]), effort_for(int(row["cells"])))
    errors = []
    for place, step in enumerate(steps[fill_count(design) :]):
        if " x " in step.name:
            size, statistics = step.work.size, measure_statistics(design, step.work)
            found = components(design, measured["action"], size, statistics)
            known = measured["primitive"][f"{place:03d} {step.name}"]
            errors.append(100 * abs(total(found, component_counts(design, size)) / known - 1))
    assert len(errors) == 12
    assert np.mean(errors) < 3
    assert max(errors) <= measured["fit"]["worst"]


def test_components_are_the_access_energies_of_the_dataset(
    dataset: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    row, measured = measured_point(dataset, POINTS[0])
    design = design_of(row.to_dict())
    steps = directed_steps(design, int(row["seed"]), effort_for(int(row["cells"])))
    work = steps[fill_count(design)].work  # what access energies are told of
    found = components(design, measured["action"], work.size, measure_statistics(design, work))
    counts, access = component_counts(design, work.size), measured["access"]
    assert found.filter_read == pytest.approx(access["filter read"])
    assert found.ifmap_read == pytest.approx(access["ifmap read"])
    assert found.psum_write == pytest.approx(access["psum write"])
    assert found.filter_write == pytest.approx(access["filter write"])
    assert found.ifmap_write == pytest.approx(access["ifmap write"])
    assert found.forward == pytest.approx(access["psum forward"] + access["add"])
    adds = counts["mac"] + counts["forward"]
    assert found.psum_read * counts["mac"] == pytest.approx(access["psum read"] * adds)
    drain = counts["forward"] / work.size.sums * (design.pipeline_stages - 1)
    drained = drain * (measured["action"]["drain"] - measured["action"]["idle"]) / counts["mac"]
    mac = access["control"] + access["multiply"] + access["add"] + drained
    assert found.mac == pytest.approx(mac)


def test_narrower_layers_cost_less_and_the_clock_the_same(
    dataset: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    row, measured = measured_point(dataset, POINTS[0])
    design = design_of(row.to_dict())
    found = [layer_components(design, measured["action"], bits, bits) for bits in (2, 5, 8)]
    macs = [each.mac + each.filter_read + each.psum_write for each in found]
    assert macs[0] < macs[1] < macs[2]
    assert len({each.cycle for each in found}) == 1
    assert macs[1] > macs[2] * 5 / 8  # far from in proportion to the bits


def test_run_time_precision_shares_a_cycle(
    dataset: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    row, measured = measured_point(dataset, POINTS[1])
    design = design_of(row.to_dict())
    assert reference_size(design, 2).mode == 2
    wide, narrow = (layer_components(design, measured["action"], b, b) for b in (4, 2))
    assert narrow.mac < wide.mac / 2


@pytest.mark.parametrize(
    "design",
    [
        PEDesign(family="int", act_bits=8, weight_bits=8),
        PEDesign(family="int", act_bits=8, weight_bits=8, act_signed=False),
        PEDesign(family="lightpe", act_bits=8, weight_bits=8, terms=2),
        PEDesign(family="pow2", act_bits=8, weight_bits=5),
        PEDesign(family="lightpe", act_bits=8, weight_bits=8, terms=2, serial_terms=True),
        PEDesign(family="fp", act_bits=16, weight_bits=16),
        PEDesign(family="int", act_bits=16, weight_bits=16, precision_modes=3),
    ],
    ids=lambda design: design.name,
)
def test_operands_of_a_layer_are_numbers_of_its_bits(design: PEDesign) -> None:
    size = reference_size(design)
    work = layer_operands(design, size, 5, 4, 1)
    assert measure_statistics(design, work).zero < 1
    if design.family == "fp":
        return
    acts, weights = work.ifmap, decode_weights(design, work.filters)
    low = -16 if design.act_signed else 0
    assert low <= acts.min()
    assert acts.max() <= low + 31
    assert weights.min() >= -8
    assert weights.max() <= 8  # 8 is the nearest that powers of two have to 7


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({}, (3, 4, 16)),
        ({"ifmap_depth": 1, "filter_depth": 1, "psum_depth": 1}, (1, 1, 1)),
        ({"filter_depth": 8}, (3, 1, 2)),
        ({"ifmap_depth": 4, "filter_depth": 208, "psum_depth": 8}, (3, 1, 8)),
    ],
)
def test_the_reference_fills_the_scratchpads(
    changes: dict[str, int], sizes: tuple[int, int, int]
) -> None:
    size = reference_size(PEDesign.preset("INT8", **changes))
    assert (size.filter_width, size.channels, size.filters) == sizes


def test_a_missing_energy_is_named(dataset: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    row, measured = measured_point(dataset, POINTS[0])
    design = design_of(row.to_dict())
    energies = {k: v for k, v in measured["action"].items() if k != "psum_pass"}
    size = Primitive(filter_width=1, channels=1, filters=1, outputs=2)
    statistics = measure_statistics(design, layer_operands(design, size, 8, 8, 1))
    with pytest.raises(InputError) as raised:
        components(design, energies, size, statistics)
    assert str(raised.value) == (
        "energies are missing: the PE's table has none for action psum_pass"
    )
