"""Energies of actions: what was put in comes out, for designs that were never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from characterize.action_counts import WAITING
from characterize.directed_counts import ACTIONS, directed_counts
from rtl_gen.errors import InputError
from rtl_gen.space import Block, Space, design_of
from surrogate.action_energies import (
    TERMS,
    ActionEnergies,
    Primitives,
    quantity_matrix,
    read_primitives,
    with_pauses,
)
from surrogate.delays import Delays
from tests.surrogate.conftest import EVERYTHING

SPACE = Space(
    name="small",
    blocks=(
        Block(
            axes={
                "family": ("int",), "act_bits": (2, 3, 4), "weight_bits": (2, 3, 4),
                "ifmap_depth": (3, 4), "filter_depth": (8, 12), "psum_depth": (2, 3),
                "pipeline_stages": (1, 2, 3), "period_ps": (2000,),
            },
            largest_layer=None,
        ),
    ),
)  # fmt: skip
#: More cells than these have: fewer primitives are drawn.
CELLS = 20_000


def made_up(row: pd.Series) -> dict[str, float]:
    """Energies of the actions, as if a kit asked little else."""
    clock = 0.2 + 0.01 * row["psum_bits"] + 0.005 * row["filter_depth"] * row["weight_bits"]
    energies = dict.fromkeys(ACTIONS, 0.05) | dict.fromkeys(WAITING, clock)
    other = ("configure", "filter_write", "filter_step", "ifmap_write", "drain", "psum_pass")
    energies |= dict.fromkeys(other, clock + 0.3)
    product = 0.02 * row["act_bits"] * row["weight_bits"]
    energies |= {"mac": clock + product, "mac_zero": clock + product / 2, "clock_gated": 0.0}
    return energies


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    table = SPACE.table(limit=30, seed=1).reset_index(drop=True)
    return table.assign(least_period_ps=1000.0 + 10 * table["psum_bits"], seed=1, cells=CELLS,
                        key=[f"{n:064x}" for n in range(len(table))])  # fmt: skip


@pytest.fixture(scope="module")
def measured(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> list[Primitives]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        designs = [design_of(row) for row in table.to_dict("records")]
        counted = directed_counts([(design, 1, CELLS) for design in designs])
    found = []
    for (_, row), counts in zip(table.iterrows(), counted, strict=True):
        energies = made_up(row)
        totals = counts.counts @ np.array([energies[name] for name in ACTIONS])
        found.append(with_pauses(counts.names, counts.counts, totals, energies))
    return found


@pytest.fixture(scope="module")
def fitted(table: pd.DataFrame, measured: list[Primitives]) -> ActionEnergies:
    return ActionEnergies.fit(table, measured)


def test_convolutions_of_unseen_datapaths_add_up(
    table: pd.DataFrame, measured: list[Primitives], fitted: ActionEnergies
) -> None:
    assert fitted.errors.designs == len(table)
    assert fitted.errors.primitives_pct < 3
    assert fitted.errors.kinds_pct["idle cycle"] < 3
    assert set(fitted.errors.kinds_pct) >= {"mac, uniform operands", "large, uniform operands"}
    energies = fitted.predict(table).to_numpy()
    for one, own in zip(measured, energies, strict=True):
        np.testing.assert_allclose(one.counts @ own, one.energies_pj, rtol=0.1)


def test_energies_are_positive_whatever_the_design(fitted: ActionEnergies) -> None:
    designs = EVERYTHING.table(limit=200, seed=3)
    energies = fitted.predict(designs)
    assert list(energies) == list(ACTIONS)
    assert np.isfinite(energies.to_numpy()).all()
    assert (energies.to_numpy() >= 0).all()
    assert (energies["clock_gated"] == 0).all()
    assert (energies["idle"] > 0).all()


def test_intervals_are_around_the_energy_and_hold(
    table: pd.DataFrame, measured: list[Primitives], fitted: ActionEnergies
) -> None:
    said = fitted.predict(table).to_numpy()
    held = []
    for row, (one, own) in enumerate(zip(measured, said, strict=True)):
        energies = one.counts @ own
        low, high = fitted.bounds(table.iloc[[row] * len(energies)], energies)
        assert (low < energies).all()
        assert (energies < high).all()
        held.append(((low <= one.energies_pj) & (one.energies_pj <= high)).mean())
    assert np.mean(held) > 0.85


def test_noise_is_told(table: pd.DataFrame, measured: list[Primitives]) -> None:
    """Designs that are off by 10 % for no reason: errors say so, and intervals are that wide."""
    generator = np.random.default_rng(0)
    noisy = [
        replace(one, energies_pj=one.energies_pj * np.exp(generator.normal(0, 0.1)))
        for one in measured
    ]
    found = ActionEnergies.fit(table, noisy)
    assert 5 < found.errors.primitives_pct < 15
    assert 0.1 < found.intervals.other < 0.35


def test_energies_that_are_none_are_refused(
    table: pd.DataFrame, measured: list[Primitives]
) -> None:
    wrong = [replace(one, energies_pj=one.energies_pj * (row != 3))
             for row, one in enumerate(measured)]  # fmt: skip
    with pytest.raises(InputError) as caught:
        ActionEnergies.fit(table, wrong)
    name = measured[3].names[0]
    assert str(caught.value) == f"the energy of primitive {name} must be above 0 pJ, not 0"


def test_each_price_is_of_a_quantity(table: pd.DataFrame, fitted: ActionEnergies) -> None:
    """With prices of one each, an energy is the sum of its quantities."""
    plain = replace(fitted, prices_pj=np.ones_like(fitted.prices_pj), delays=Delays())
    matrix = quantity_matrix(table, Delays())
    energies = plain.predict(table)
    clocked = matrix[:, : len(TERMS["configure"]) - 2].sum(axis=1)
    np.testing.assert_allclose(energies["idle"], clocked)
    extra = matrix[:, : len(TERMS["configure"])].sum(axis=1)
    np.testing.assert_allclose(energies["drain"], extra)


def rows_of(names: Sequence[str], key: str, kind: str, values: Sequence[float]) -> pd.DataFrame:
    return pd.DataFrame({"key": key, "kind": kind, "name": list(names), "value": list(values)})


def test_only_primitives_of_today_are_learnt_from(
    table: pd.DataFrame, measured: list[Primitives], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is whole, one was made of other primitives, one has no table, one nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names, energies_pj = measured[0].names, measured[0].energies_pj
    directed = [name for name in names if name[:3].isdigit()]
    parts = []
    for row in range(3):
        key, count = table["key"][row], len([n for n in measured[row].names if n[:3].isdigit()])
        own = measured[row].names[:count]
        shown = own if row != 1 else [*own[:-1], "999 other"]
        parts.append(rows_of(shown, key, "primitive", measured[row].energies_pj[:count]))
        if row != 2:
            parts.append(rows_of(["idle", "mac"], key, "action", [1.5, 3.0]))
    kept, found = read_primitives(table.iloc[:4], pd.concat(parts))
    assert list(kept["key"]) == [table["key"][0]]
    assert found[0].names == (*directed, "idle")
    np.testing.assert_allclose(found[0].energies_pj[:-1], energies_pj[: len(directed)])
    assert found[0].energies_pj[-1] == 60.0  # forty cycles
