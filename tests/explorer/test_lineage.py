"""Changed code keeps old measurements good only if it is measured to give the same numbers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from characterize import flow, lineage
from characterize.action_files import Origin, raw_actions_code, save_table
from characterize.actions import ActionTable
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


class Measured(NamedTuple):
    """A point and its energies per action, as today's code measures them."""

    measurement: Measurement
    table: ActionTable


@contextlib.contextmanager
def notes_in(path: Path) -> Iterator[None]:
    """The notes are in another file, an empty one."""
    path.write_text("[]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lineage, "FILE", path)
        lineage.older.cache_clear()
        yield
    lineage.older.cache_clear()


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("today")
    with notes_in(folder / "lineage.yaml"):
        store = Store(folder / "store")
        plan = Campaign(points=[POINT], platform=load_platform(), store=store, with_actions=True)
        (found,) = plan.run(lambda *_: None)
        table = store.actions(found.key)
    assert found.status == "ok"
    assert table is not None
    return Measured(found, table)


@pytest.fixture
def note(tmp_path: Path) -> Iterator[Path]:
    """The file of the notes, an empty one."""
    path = tmp_path / "lineage.yaml"
    with notes_in(path):
        yield path


def old_store(root: Path, of: Measured) -> Store:
    """A store that older code of the flow has filled."""
    store, measurement = Store(root), of.measurement
    old = replace(measurement, digests={**measurement.digests, "flow": OLD})
    store.put(old, store.work_folder())
    store.put_actions(old.key, of.table)
    return store


def store_of_old_actions(root: Path, of: Measured) -> Store:
    """A store of today's flow, with a table that older code took."""
    store, measurement = Store(root), of.measurement
    store.put(measurement, store.work_folder())
    origin = Origin(measurement=measurement.key, code=OLD)
    save_table(root / "actions" / f"{origin.key}.json", of.table, origin)
    return store


run = functools.partial(
    compare, points=3, seed=1, jobs=1, platform="freepdk45", quiet=True
)  # fmt: skip


def test_equal_results_are_noted_and_the_key_stays(
    tmp_path: Path, note: Path, measured: Measured
) -> None:
    (found,) = run(old_store(tmp_path / "store", measured))
    assert (found.part, found.same_as, found.other) == ("flow", OLD, [])
    assert yaml.safe_load(note.read_text()) == [
        {"code": flow.raw_flow_code(POINT), "same_as": OLD, "points": [POINT.name]}
    ]
    assert flow.flow_code(POINT) == flow.raw_flow_code(POINT)
    lineage.older.cache_clear()  # as in the next process
    assert flow.flow_code(POINT) == OLD
    with pytest.raises(InputError) as error:
        run(Store(tmp_path / "store"))
    store = tmp_path / "store"
    assert str(error.value) == f"{store}: nothing on freepdk45 is of another code of the flow"


def test_equal_energies_of_other_code_are_noted(
    tmp_path: Path, note: Path, measured: Measured
) -> None:
    store = store_of_old_actions(tmp_path / "store", measured)
    key = measured.measurement.key
    assert store.actions(key) is None
    (found,) = run(store)
    assert (found.part, found.same_as, found.other) == ("actions", OLD, [])
    assert yaml.safe_load(note.read_text()) == [
        {"code": raw_actions_code(), "same_as": OLD, "points": [POINT.name]}
    ]
    lineage.older.cache_clear()
    assert store.actions(key) == measured.table


def test_any_other_number_is_told_and_nothing_noted(
    tmp_path: Path, note: Path, measured: Measured
) -> None:
    area = measured.measurement.metrics["area_um2"]
    wrong = replace(
        measured.measurement,
        metrics={**measured.measurement.metrics, "area_um2": area * (1 + 1e-12)},
    )
    (found,) = run(old_store(tmp_path / "area", measured._replace(measurement=wrong)))
    assert found.other == [f"{POINT.name}: area_um2 was {area * (1 + 1e-12)!r}, is {area!r}"]
    idle = measured.table.energies_pj["idle"]
    energies = {**measured.table.energies_pj, "idle": idle + 1e-9}
    wrong_table = measured._replace(table=replace(measured.table, energies_pj=energies))
    told = [f"{POINT.name}: energies_pj: idle was {idle + 1e-9!r}, is {idle!r}"]
    for stored in (old_store, store_of_old_actions):
        (found,) = run(stored(tmp_path / stored.__name__, wrong_table))
        assert found.other == told
    assert yaml.safe_load(note.read_text()) == []


@pytest.mark.usefixtures("note")
def test_another_platform_is_left_alone(tmp_path: Path, measured: Measured) -> None:
    old = old_store(tmp_path / "store", measured)
    with pytest.raises(InputError) as error:
        run(old, platform="osu018")
    assert str(error.value) == f"{old.root}: nothing on osu018 is of another code of the flow"


def test_every_note_names_what_was_measured() -> None:
    """The notes that come with the project: none without points, none for code of today's past."""
    entries = yaml.safe_load(lineage.FILE.read_text(encoding="utf-8")) or []
    for entry in entries:
        assert set(entry) == {"code", "same_as", "points"}
        assert len(entry["points"]) >= 5
        assert len(entry["code"]) == len(entry["same_as"]) == 64
        assert entry["code"] != entry["same_as"]
