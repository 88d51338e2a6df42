"""The comparison of the flows: its designs, its arithmetic, and the data that came with it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.flows import FLOWS, HELD_OUT, METRICS, TUNED, comparison, designs, pairs, report
from characterize.dataset import read_dataset

DATA = Path(__file__).resolve().parents[2] / "data" / "flows.csv"


def test_the_designs_are_many_different_and_always_the_same() -> None:
    first, second = designs(), designs()
    assert first == second
    assert len({design.digest for design in first}) == TUNED + HELD_OUT == 60
    for part in (first[:TUNED], first[TUNED:]):
        assert {design.family for design in part} == {"int", "lightpe", "pow2", "fp"}


def test_differences_are_relative_to_openroad() -> None:
    table = pd.DataFrame(
        {f"{column}.{flow}": [100.0, 200.0, 300.0] for column in METRICS.values() for flow in FLOWS}
    )
    table["area_um2.placed"] = [110.0, 180.0, 300.0]
    found = comparison(table).loc["area"]
    assert found["mean |difference| %"] == pytest.approx(20 / 3)
    assert found["bias %"] == pytest.approx(0)
    assert found["worst %"] == pytest.approx(10)
    assert found["rank correlation"] == 1
    table["area_um2.placed"] = [300.0, 200.0, 100.0]
    assert comparison(table).loc["area", "rank correlation"] == -1


def test_the_data_hold_what_the_docs_say() -> None:
    """Held-out designs: area within 5 %, least period and energy within 10 %, in the mean."""
    dataset = read_dataset(DATA)
    assert set(dataset["flow"]) == set(FLOWS)
    table = pairs(dataset)
    held = table[table["held_out"]]
    assert held["digest"].nunique() == HELD_OUT
    assert table[~table["held_out"]]["digest"].nunique() == TUNED
    differences = comparison(held)["mean |difference| %"]
    assert differences["area"] < 5
    assert differences["least period"] < 10
    assert differences["energy"] < 10
    text = "\n".join(report(dataset))
    for part in ("held out, relaxed period", "bias by family", "by cause", "placement to power"):
        assert part in text
