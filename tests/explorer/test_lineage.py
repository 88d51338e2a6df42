"""Changed code keeps old measurements good only if it is measured to give the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from characterize import flow, lineage
from characterize.campaign import Campaign
from characterize.measurement import Measurement, Point
from characterize.platform import load_platform
from characterize.store import Store
from explorer.lineage_care import compare
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError

pytestmark = pytest.mark.tool

POINT = Point(
    design=PEDesign(
        family="int", act_bits=2, weight_bits=2, ifmap_depth=3, filter_depth=6, psum_depth=2
    ),
    period_ps=2000,
)
OLD = "0" * 64


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """A point, as today's code measures it."""
    plan = Campaign(
        points=[POINT], platform=load_platform(), store=Store(tmp_path_factory.mktemp("today"))
    )
    (found,) = plan.run(lambda *_: None)
    assert found.status == "ok"
    return found


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the notes, an empty one."""
    path = tmp_path / "lineage.yaml"
    path.write_text("[]\n")
    monkeypatch.setattr(lineage, "FILE", path)
    lineage.older.cache_clear()
    yield path
    monkeypatch.undo()
    lineage.older.cache_clear()


def old_store(root: Path, measurement: Measurement) -> Store:
    """A store that older code has filled."""
    store = Store(root)
    store.put(
        replace(measurement, digests={**measurement.digests, "flow": OLD}), store.work_folder()
    )
    return store


run = functools.partial(
    compare, points=3, seed=1, jobs=1, platform="freepdk45", quiet=True
)  # fmt: skip


def test_equal_results_are_noted_and_the_key_stays(
    tmp_path: Path, note: Path, measured: Measurement
) -> None:
    (found,) = run(old_store(tmp_path / "store", measured))
    assert (found.same_as, found.points, found.other) == (OLD, [POINT.name], [])
    assert yaml.safe_load(note.read_text()) == [
        {"code": flow.raw_flow_code(POINT), "same_as": OLD, "points": [POINT.name]}
    ]
    assert flow.flow_code(POINT) == flow.raw_flow_code(POINT)
    lineage.older.cache_clear()  # as in the next process
    assert flow.flow_code(POINT) == OLD
    with pytest.raises(InputError) as error:
        run(Store(tmp_path / "store"))
    assert str(error.value) == f"{tmp_path / 'store'}: nothing is of another code of the flow"


def test_any_other_number_is_told_and_nothing_noted(
    tmp_path: Path, note: Path, measured: Measurement
) -> None:
    area = measured.metrics["area_um2"]
    wrong = replace(measured, metrics={**measured.metrics, "area_um2": area * (1 + 1e-12)})
    (found,) = run(old_store(tmp_path / "store", wrong))
    assert found.other == [f"{POINT.name}: area_um2 was {area * (1 + 1e-12)!r}, is {area!r}"]
    assert yaml.safe_load(note.read_text()) == []


def test_every_note_names_what_was_measured() -> None:
    """The notes that come with the project: none without points, none for code of today's past."""
    entries = yaml.safe_load(lineage.FILE.read_text(encoding="utf-8")) or []
    for entry in entries:
        assert set(entry) == {"code", "same_as", "points"}
        assert len(entry["points"]) >= 5
        assert len(entry["code"]) == len(entry["same_as"]) == 64
        assert entry["code"] != entry["same_as"]
