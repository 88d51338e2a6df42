"""The composition of arrays: its sums, and what it says of the arrays that were measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.arrays import DATA, RELAXED_PS, layer_of, points, report, rtl_digest
from rtl_gen.array.compiler import default_tiling, shape_layer
from rtl_gen.array.model import layer_activity
from rtl_gen.errors import InputError
from surrogate.array_composition import COLUMNS, TARGETS, ArrayComposition, array_columns

ROOT = Path(__file__).resolve().parents[2]


def sums(rows: int, seed: int) -> pd.DataFrame:
    """Arrays whose targets are sums of their parts, with shares that the test knows."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.uniform(1, 9, rows) for name in COLUMNS if name != "family"})
    for name in ("rows", "columns", "ifmap_buses", "filter_buses", "psum_buses"):
        table[name] = rng.integers(1, 5, rows)
    table["family"] = rng.choice(["int", "fp"], rows)
    pes = table["rows"] * table["columns"]
    stages = table["psum_buses"] * (table["psum_bits"] + table["scale_bits"])
    around = 3 * pes * table["ifmap_buses"] + 2 * stages * (table["family"] != "fp")
    table["area_um2"] = 700 + 0.9 * pes * table["alone_area_um2"] + around
    table["leakage_uw"] = 1 + 0.5 * pes * table["alone_leakage_uw"] + 0.01 * around
    logic = table["alone_logic_power_uw"] * table["macs_per_cycle"] / table["alone_macs_per_cycle"]
    clock = table["alone_clock_power_uw"] * pes
    table["least_period_ps"] = 100 + 0.7 * table["alone_least_period_ps"] + 50 * np.sqrt(pes)
    table["period_ps"] = table["least_period_ps"] * np.where(np.arange(rows) % 2, 0.5, 2)
    energy = 0.8 * logic + 0.3 * clock
    table["energy_per_cycle_pj"] = (
        4 + energy * table["period_ps"] * 1e-6 + 2e-4 * table["area_um2"]
        + 0.2 * table["sums_per_cycle"] * table["psum_bits"]
    )  # fmt: skip
    # What misses its period is larger than it had to be, what meets it slower.
    missed = table["period_ps"] < table["least_period_ps"]
    for target in ("area_um2", "leakage_uw", "energy_per_cycle_pj"):
        table[f"true_{target}"] = table[target]
        table[target] *= np.where(missed, 1.3, 1)
    table["true_least_period_ps"] = table["least_period_ps"]
    table["least_period_ps"] *= np.where(missed, 1, 1.4)
    return table


def test_sums_of_parts_are_found_again() -> None:
    composition = ArrayComposition.fit(sums(200, seed=1))
    other = sums(50, seed=2)
    predicted = composition.predict(other)
    for target in TARGETS:
        wanted = other[f"true_{target}"].to_numpy()
        assert predicted[target].to_numpy() == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("name", ["rows", "alone_logic_power_uw", "leakage_uw"])
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(InputError) as error:
        ArrayComposition.fit(sums(20, seed=3).drop(columns=name))
    assert str(error.value) == f"the table of arrays has no column {name}"


def test_an_array_is_no_faster_than_its_pe() -> None:
    """A quarter of the arrays have slow PEs, at which the network does not show."""
    table = sums(200, seed=4)
    slow = np.arange(len(table)) % 4 == 1
    table.loc[slow, "alone_least_period_ps"] = 1e4
    table.loc[slow, "least_period_ps"] = 1.05e4
    assert (table.loc[slow, "period_ps"] < 1e4).all()
    composition = ArrayComposition.fit(table)
    assert composition.pe_share == pytest.approx(1.05)
    fast = ~slow & (np.arange(len(table)) % 2 == 1)
    predicted = composition.predict(table)["least_period_ps"]
    assert predicted[fast].to_numpy() == pytest.approx(
        table.loc[fast, "least_period_ps"].to_numpy(), rel=0.01
    )
    assert (predicted[slow] >= 1.05e4 * 0.999).all()


@pytest.mark.parametrize("chosen", [slice(0, None, 2), slice(1, None, 2)])
def test_arrays_must_meet_and_miss_their_periods(chosen: slice) -> None:
    with pytest.raises(InputError) as error:
        ArrayComposition.fit(sums(20, seed=3)[chosen])
    assert str(error.value) == (
        "the table must have arrays that meet their period, and that miss it"
    )


def test_every_measured_array_ran_in_the_cycles_of_the_model() -> None:
    table = pd.read_csv(ROOT / DATA).set_index(["digest", "period_ps", "flow"])
    for _, point in points():
        design = point.design
        layer = layer_of(design)
        activity = layer_activity(shape_layer(design, layer, default_tiling(design, layer)))
        row = table.loc[design.digest, point.period_ps, point.flow]
        assert row["window_cycles"] == activity.cycles
        for name, value in array_columns(design, activity, layer.macs).items():
            expected = value if isinstance(value, str) else pytest.approx(value, rel=1e-6)
            assert row[name] == expected, name


def test_the_measured_arrays_hold_what_the_docs_say() -> None:
    """Fitted to 3 x 3, area, leakage and energy of larger ones within 5 %."""
    table = pd.read_csv(ROOT / DATA)
    table = table[table["flow"] == "placed"]
    small = (table["rows"] <= 3) & (table["columns"] <= 3)
    composition = ArrayComposition.fit(table[small])
    relaxed = table["period_ps"] == table["family"].map(RELAXED_PS)
    larger = table[~small & relaxed].reset_index(drop=True)
    predicted = composition.predict(larger)
    for target in ("area_um2", "leakage_uw", "energy_per_cycle_pj"):
        assert predicted[target].to_numpy() == pytest.approx(larger[target].to_numpy(), rel=0.05)
    said = (ROOT / "docs" / "array.md").read_text()
    for line in report(pd.read_csv(ROOT / DATA)):
        assert line in said


def test_rows_of_another_generator_are_noticed() -> None:
    table = pd.read_csv(ROOT / DATA)
    smallest = next(point.design for _, point in points())
    rows = table[table["digest"] == smallest.digest]
    assert set(rows["rtl"]) == {rtl_digest(smallest)}
