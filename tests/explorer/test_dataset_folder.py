"""Datasets in folders: built as shards, checked, compared, described."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from characterize.actions import ActionTable
from characterize.campaign import Campaign, rtl_digest
from characterize.dataset import read_dataset, write_dataset
from characterize.dataset_folder import (
    read_actions,
    read_points,
    read_table,
    schema_text,
    write_table,
)
from characterize.dataset_schema import ACTION_COLUMNS, POINT_COLUMNS
from characterize.flow import flow_code, tools_of
from characterize.known import known_measurements
from characterize.measurement import METRICS, STEPS, Measurement, Point
from characterize.platform import load_platform
from characterize.store import Store
from explorer.campaigns import build_from_space, plan_points
from explorer.cli import app
from explorer.dataset_check import check
from explorer.dataset_diff import diff
from rtl_gen.errors import InputError
from rtl_gen.space import Space, load_space

SPACE = """
actions: true
plan: {kind: sobol, points: 7, seed: 1}
blocks:
  - {family: [int, pow2], act_bits: [2, 3, 4], weight_bits: [2, 3], terms: 1, ifmap_depth: 3,
     filter_depth: [6, 7], psum_depth: 2, period_ps: 2000}
"""
pytestmark = pytest.mark.tool  # a campaign asks the tools for their versions


class Fake:
    """A campaign whose measurements are made up, as plausible as those of a flow."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "space.yaml").write_text(SPACE)
        self.space: Space = load_space(root / "space.yaml")
        points = plan_points(None, self.space)
        self.campaign = Campaign(
            points=points, platform=load_platform(), store=Store(root / "store"), with_actions=True
        )

    def measure(self, number: int, *, failed: bool = False, **metrics: float) -> Measurement:
        point = self.campaign.points[number]
        identity = self.campaign.identity(point)
        energy = 2.0 + number
        values = dict.fromkeys(METRICS, 1.0)
        values |= dict.fromkeys(
            ("memory_power_uw", "register_power_uw", "clock_gate_power_uw", "clock_tree_power_uw"),
            0.0,
        )
        values |= {
            "cells": 500.0 + number, "period_ps": 0.0, "slack_ps": 100.0, "least_period_ps": 1900.0,
            "window_macs": 10.0, "window_cycles": 10.0, "logic_power_uw": energy * 500,
            "dynamic_power_uw": energy * 500, "energy_per_mac_pj": energy, "latches": 0.0,
            "fmax_mhz": 1e6 / 1900, **metrics,
        }  # fmt: skip
        del values["period_ps"]
        measurement = Measurement(
            key=identity.key,
            digests={"rtl": identity.rtl, "flow": flow_code(point), "netlist": "n" * 64},
            design={**point.design.to_dict(), "digest": point.design.digest},
            period_ps=point.period_ps, utilization=0.5, seed=1, flow="placed",
            activity_model="made up", operands="uniform", mode=0, run_terms=0, perturbation=0,
            platform={"name": "freepdk45", "corner": "typical, 1.10 V, 25 C",
                      "hashes": {"liberty": "l" * 64}},
            tools={n: tool.identity for n, tool in tools_of(point, self.campaign.tools).items()},
            status="failed" if failed else "ok",
            reason="no route" if failed else "",
            choices={} if failed else {"multiplier": "booth", "effort": "small"},
            metrics={} if failed else values, seconds=dict.fromkeys(STEPS, 0.5),
        )  # fmt: skip
        store = self.campaign.store
        store.put(measurement, store.work_folder())
        if not failed:
            table = ActionTable(
                design=point.design.to_dict(), period_ps=2000, leakage_uw=1.0,
                energies_pj={"idle": 1.0, "mac": 0.5}, macs_pj={"uniform": energy, "2 x 2": 1.5},
                accesses_pj={"add": 0.25}, primitives_pj={"000 mac dnn": 90.0}, effort=1.0,
                fit_mean_pct=1.0, fit_worst_pct=3.0,
                primitives=1, cycles=10, seconds={},
            )  # fmt: skip
            store.put_actions(identity.key, table)
        return measurement

    def build(self, name: str = "data", **changes: Any) -> Any:
        options = {
            "store": self.root / "store", "part": "placed", "shard": 3, "flow": "placed",
            "platform": "freepdk45", "count": None, **changes,
        }  # fmt: skip
        return build_from_space(self.space, self.root / name, **options)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of all seven points, the sixth of which failed."""
    fake = Fake(tmp_path_factory.mktemp("made"))
    for number in range(7):
        fake.measure(number, failed=number == 5)
    return fake.root


@pytest.fixture
def fake(tmp_path: Path, made: Path) -> Fake:
    """Nothing is measured, but it is known what RTL there would be."""
    (tmp_path / "store").mkdir()
    shutil.copy(made / "store" / "index.sqlite", tmp_path / "store")
    return Fake(tmp_path)


@pytest.fixture
def whole(tmp_path: Path, made: Path) -> Fake:
    """The whole store, and a dataset of it."""
    shutil.copytree(made / "store", tmp_path / "store")
    fake = Fake(tmp_path)
    fake.build()
    return fake


def look(fake: Fake, **options: Any) -> Any:
    return check(
        fake.root / "data", measure=0, seed=1, jobs=1, store=fake.root / "again", quiet=True,
        **{"platform": None, **options},
    )  # fmt: skip


def test_a_dataset_grows_by_whole_shards_that_never_change(fake: Fake) -> None:
    for number in (0, 1, 2, 4):
        fake.measure(number)
    first = fake.build()
    assert (first.written, first.kept, first.missing) == ([0], [], 2)
    assert first.lines()[:2] == [
        "part placed: 3 of 7 points, 0 of them failed; 1 shards written, 0 were there",
        "the next shard lacks 2 points: go on with peforge characterize",
    ]
    data = fake.root / "data"
    before = {path.name: path.read_bytes() for path in data.glob("*.parquet")}
    for number in (3, 5, 6):
        fake.measure(number, failed=number == 5)
    second = fake.build()
    assert (second.written, second.kept, second.missing) == ([1, 2], [0], 0)
    assert (second.points, second.failed) == (7, 1)
    assert {name: (data / name).read_bytes() for name in before} == before
    table = read_points(data)
    assert list(table["name"]) == [point.name for point in fake.campaign.points]
    assert list(table.loc[table["status"] == "failed", "reason"]) == ["no route"]
    assert look(fake).good


def test_the_energies_of_each_point_come_with_it(whole: Fake) -> None:
    energies = read_actions(whole.root / "data")
    keys = [whole.campaign.identity(point).key for point in whole.campaign.points]
    assert list(energies["key"].unique()) == keys[:5] + keys[6:]
    one = energies[energies["key"] == keys[3]].set_index(["kind", "name"])["value"]
    assert one.to_dict() == {
        ("action", "idle"): 1.0, ("action", "mac"): 0.5, ("mac", "uniform"): 5.0,
        ("mac", "2 x 2"): 1.5, ("access", "add"): 0.25,
        ("primitive", "000 mac dnn"): 90.0, ("fit", "mean"): 1.0, ("fit", "worst"): 3.0,
    }  # fmt: skip


def test_a_point_without_its_energies_is_missing(fake: Fake) -> None:
    measured = [fake.measure(number) for number in range(3)]
    fake.campaign.store.actions_path(measured[1].key).unlink()
    assert fake.build().missing == 1


def test_the_same_numbers_give_the_same_files(whole: Fake) -> None:
    whole.build("again")
    for path in (whole.root / "data").iterdir():
        assert path.read_bytes() == (whole.root / "again" / path.name).read_bytes()


def test_a_part_is_of_one_space_plan_and_size(whole: Fake) -> None:
    with pytest.raises(InputError) as error:
        whole.build(shard=4)
    assert str(error.value) == (
        f"{whole.root / 'data'}: part placed was begun with another size: shards of 3 points; "
        "go on as it was begun, or name another folder"
    )
    (whole.root / "space.yaml").write_text(SPACE.replace("[6, 7]", "[6, 8]"))
    with pytest.raises(InputError) as error:
        whole.build()
    assert str(error.value) == (
        f"{whole.root / 'data'}: part placed was begun with another space; go on as it was begun, "
        "or name another folder"
    )


def test_what_is_there_is_not_taken_away_or_doubled(whole: Fake) -> None:
    before = {
        path.name: path.stat().st_mtime_ns for path in (whole.root / "data").glob("*.parquet")
    }
    with pytest.raises(InputError) as error:
        whole.build(count=5)
    assert str(error.value) == (
        f"{whole.root / 'data'}: part placed has 7 points, up to number 7, the plan has 5; what is "
        "there is not taken away"
    )
    with pytest.raises(InputError) as error:
        whole.build(part="other")
    first = min(point.name for point in whole.campaign.points)
    assert str(error.value) == (
        f"{whole.root / 'data'}: part placed has {first}, too; write part other into a folder of "
        "its own"
    )
    for name in ("../evil", "", "Ü"):
        with pytest.raises(InputError) as error:
            whole.build(part=name)
        assert str(error.value) == (
            f"a part is named by up to 40 of a-z, 0-9, _ and -, not {name!r}"
        )
    assert whole.build().kept == [0, 1, 2]
    assert before == {
        path.name: path.stat().st_mtime_ns for path in (whole.root / "data").glob("*.parquet")
    }


def test_a_folder_with_other_things_is_not_made_a_dataset(whole: Fake) -> None:
    (whole.root / "project").mkdir()
    readme = whole.root / "project" / "README.md"
    readme.write_text("mine")
    with pytest.raises(InputError) as error:
        whole.build("project")
    assert str(error.value) == (
        f"{readme.parent}: has a README.md that is not a dataset's; name a folder of its own"
    )
    assert readme.read_text() == "mine"
    with pytest.raises(InputError) as error:
        whole.build(store=whole.root / "nowhere")
    assert str(error.value) == f"{whole.root / 'nowhere'}: there is no store"


def test_a_store_without_its_index_gives_the_same_dataset(whole: Fake) -> None:
    (whole.root / "store" / "index.sqlite").unlink()
    assert Fake(whole.root).build("again").written == [0, 1, 2]
    assert diff(whole.root / "data", whole.root / "again").same


@pytest.fixture
def elsewhere(tmp_path: Path, made: Path) -> Fake:
    """Another machine: the dataset of six of seven points, one of which failed, and no store."""
    first = tmp_path / "first"
    shutil.copytree(made / "store", first / "store")
    Fake(first).build(count=6)
    second = tmp_path / "second"
    (second / "store").mkdir(parents=True)
    shutil.copy(made / "store" / "index.sqlite", second / "store")
    shutil.copytree(first / "data", second / "data")
    return Fake(second)


def test_a_dataset_grows_where_its_points_were_not_measured(elsewhere: Fake) -> None:
    assert elsewhere.build(count=6).kept == [0, 1]
    before = {path.name: path.read_bytes() for path in (elsewhere.root / "data").iterdir()}
    last = elsewhere.build()
    assert (last.kept, last.written, last.missing) == ([0, 1], [], 1)
    elsewhere.measure(6)
    last = elsewhere.build()
    assert (last.kept, last.written, last.missing, last.failed) == ([0, 1], [2], 0, 1)
    for name in ("placed-000.points.parquet", "placed-001.actions.parquet"):
        assert (elsewhere.root / "data" / name).read_bytes() == before[name]
    again = elsewhere.measure(5)  # had failed
    last = elsewhere.build()
    assert (last.kept, last.written, last.failed) == ([0, 2], [1], 0)
    table, energies = (read(elsewhere.root / "data") for read in (read_points, read_actions))
    assert table["status"].eq("ok").all()
    assert energies["key"].unique()[5] == again.key


def test_what_there_is_of_a_shard_can_be_kept(fake: Fake) -> None:
    """The store will not last: shards that are not whole are written, and filled by others."""
    for number in (0, 2, 4):
        fake.measure(number)
    assert (fake.build().written, fake.build().points) == ([], 0)
    first = fake.build(partial=True)
    assert (first.written, first.points, first.missing) == ([0, 1], 3, 1)
    assert look(fake).good
    shutil.rmtree(fake.root / "store")
    other = Fake(fake.root)
    other.measure(1)
    assert (other.build(partial=True).written, other.build(partial=True).points) == ([0], 4)
    other.measure(3)
    whole = other.build()
    assert (whole.kept, whole.written, whole.missing, whole.points) == ([0, 1], [], 1, 4)
    assert other.build(partial=True).written == [1]
    names = [point.name for point in other.campaign.points]
    assert list(read_points(fake.root / "data")["name"]) == names[:5]
    assert look(other).good


def test_points_are_kept_without_the_index_and_beyond_a_smaller_plan(fake: Fake) -> None:
    """The index may be deleted at any time; shards need not follow each other."""
    for number in (0, 6):
        fake.measure(number)
    (fake.root / "store" / "index.sqlite").unlink()
    assert Fake(fake.root).build(partial=True).written == [0, 2]
    with pytest.raises(InputError) as error:
        fake.build(count=3, partial=True)
    assert str(error.value) == (
        f"{fake.root / 'data'}: part placed has 2 points, up to number 7, the plan has 3; what is "
        "there is not taken away"
    )
    assert list(read_points(fake.root / "data")["name"]) == [
        fake.campaign.points[number].name for number in (0, 6)
    ]


def test_energies_of_other_code_are_stale(elsewhere: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the measurements has changed, but what was taken from their netlists has."""
    folder = elsewhere.root / "data"
    assert len(known_measurements(folder, with_actions=True).measurements) == 5
    for module in ("characterize.known", "explorer.dataset_build", "explorer.dataset_check",
                   "characterize.action_files"):  # fmt: skip
        monkeypatch.setattr(f"{module}.actions_code", lambda: "a" * 64)
    assert known_measurements(folder, with_actions=True).measurements == {}
    assert len(known_measurements(folder, with_actions=False).measurements) == 5
    assert elsewhere.build().missing == 3
    assert look(elsewhere).stale == {
        "the code of energies per action has changed (see peforge store same)": 5
    }


def test_rtl_that_the_same_code_made_is_not_made_again(
    elsewhere: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes seconds a design: thousands that are known must not take an hour."""
    (elsewhere.root / "store" / "index.sqlite").unlink()
    (elsewhere.root / "store" / "work").mkdir()
    made: list[str] = []

    def make(point: Point) -> str:
        made.append(point.name)
        return rtl_digest(point)

    monkeypatch.setattr("characterize.campaign.rtl_digest", make)
    assert Fake(elsewhere.root).build().kept == [0, 1]
    assert made == []
    known = known_measurements(elsewhere.root / "data", with_actions=True)
    campaign = replace(elsewhere.campaign, measured=known)
    assert [campaign.is_stored(point) for point in campaign.points] == [True] * 5 + [False] * 2
    assert made == []
    monkeypatch.setattr("characterize.campaign.generator_digest", lambda: "other")
    assert campaign.is_stored(campaign.points[0])
    assert made == [campaign.points[0].name]


def test_only_a_dataset_with_checksums_is_believed(tmp_path: Path) -> None:
    """A CSV may have been edited, and nothing would tell."""
    for path in (tmp_path, Path(__file__).parents[2] / "data" / "flows.csv"):
        with pytest.raises(InputError) as error:
            known_measurements(path, with_actions=False)
        assert str(error.value) == f"{path}: is no folder of a dataset: it has no manifest.json"


def test_what_a_dataset_has_is_known_as_it_was_measured(elsewhere: Fake, made: Path) -> None:
    known = known_measurements(elsewhere.root / "data", with_actions=True)
    assert len(known.measurements) == 5
    store = Store(made / "store")
    for key, measurement in known.measurements.items():
        assert measurement == store.get(key)
    campaign = replace(elsewhere.campaign, measured=known)
    assert [campaign.is_stored(p) for p in campaign.points] == [True] * 5 + [False, False]
    (elsewhere.root / "store" / "index.sqlite").unlink()
    bare = replace(campaign, store=Store(elsewhere.root / "store"))
    assert [bare.is_stored(p) for p in bare.points] == [True] * 5 + [False, False]


def test_a_campaign_measures_only_what_no_dataset_has(elsewhere: Fake, tmp_path: Path) -> None:
    """The first five points are known: nothing is left of a plan of five."""
    out = tmp_path / "points.csv"
    options = [
        "characterize", "--space", str(elsewhere.root / "space.yaml"), "--dataset", str(out),
        "--store", str(tmp_path / "new"), "--known", str(elsewhere.root / "data"), "--points",
    ]  # fmt: skip
    done = CliRunner().invoke(app, [*options, "5", "--json"])
    assert json.loads(done.stdout)["cached"] == 5
    given, written = read_dataset(elsewhere.root / "data"), read_dataset(out)
    pd.testing.assert_frame_equal(
        written, given.iloc[:5][list(written)], check_dtype=False, rtol=1e-8
    )
    plan = CliRunner().invoke(app, [*options, "7", "--plan", "--json"])
    assert json.loads(plan.stdout)["stored"] == 5


def test_a_build_that_was_killed_is_mended_by_the_next(whole: Fake) -> None:
    """A file was written, the manifest not yet."""
    path = whole.root / "data" / "placed-001.points.parquet"
    path.write_bytes((whole.root / "data" / "placed-000.points.parquet").read_bytes())
    whole.build()
    assert look(whole).good


def test_the_committed_schema_is_that_of_the_code() -> None:
    schema = json.loads(schema_text())
    assert [column["name"] for column in schema["points"]][:2] == ["name", "digest"]
    units = {column["name"]: column["unit"] for column in schema["points"]}
    assert (units["area_um2"], units["leakage_uw"], units["wirelength_um"]) == ("um2", "uW", "um")
    assert (units["seconds_rtl"], units["least_period_ps"], units["cells"]) == ("s", "ps", "")
    assert all(column["what"] for column in schema["points"] + schema["actions"])
    for path in (Path(__file__).parents[2] / "data").glob("*/schema.json"):
        assert path.read_text() == schema_text(), f"{path}: peforge dataset build writes it"


def change(column: str, value: object) -> Callable[[pd.DataFrame], None]:
    def apply(table: pd.DataFrame) -> None:
        table.loc[table.index[0], column] = value

    return apply


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (change("area_um2", -1.0), "area_um2 must be above 0: 1 points, first {name}"),
        (
            change("logic_power_uw", 1.0),
            "the parts of dynamic_power_uw do not add up: 1 points, first {name}",
        ),
        (
            change("energy_per_mac_pj", 2.1),
            "energy_per_mac_pj is not dynamic_power_uw times the window over its "
            "multiply-accumulates: 1 points, first {name}",
        ),
        (
            change("registers", 9e9),
            "cells must be at least those that hold state: 1 points, first {name}",
        ),
        (change("core_area_um2", 0.5), "core_area_um2 is below area_um2: 1 points, first {name}"),
        (change("core_utilization", 7.0), "core_utilization is above 1: 1 points, first {name}"),
        (
            change("fmax_mhz", 600.0),
            "fmax_mhz is not that of least_period_ps: 1 points, first {name}",
        ),
        (change("name", "x"), "name is not that of the point: 1 points, first x"),
        (
            change("slack_ps", -1.0),
            "slack_ps and least_period_ps disagree: 1 points, first {name}",
        ),
    ],
)
def test_numbers_that_contradict_each_other_are_told(
    whole: Fake, edit: Callable[[pd.DataFrame], None], problem: str
) -> None:
    edit_points(whole.root / "data", edit)
    name = whole.campaign.points[0].name
    assert look(whole).problems == [problem.format(name=name)]


def edit_points(folder: Path, edit: Callable[[pd.DataFrame], None]) -> None:
    """Change the first file of points, and its checksum with it."""
    path = folder / "placed-000.points.parquet"
    table = read_table(path, POINT_COLUMNS)
    edit(table)
    digest = write_table(path, table, POINT_COLUMNS)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["parts"][0]["shards"][0]["sha256"]["points"] = digest
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut", "placed-000.points.parquet: is not what was written: its checksum is another"),
        ("gone", "placed-000.points.parquet: cannot be read: No such file or directory"),
        ("manifest", "manifest.json: is not the manifest of a dataset, or is cut off"),
        ("version", "manifest.json: is of version 9, not 1"),
        ("digest", ": line 2: the digest is not that of the design"),
        ("nan", ": line 2: area_um2 must be a number, not nan"),
        ("twice", ": line 3: this point is there before"),
    ],
)
def test_a_damaged_dataset_is_refused(whole: Fake, damage: str, message: str) -> None:
    data = whole.root / "data"
    path, manifest = data / "placed-000.points.parquet", data / "manifest.json"
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "gone":
            path.unlink()
        case "manifest":
            manifest.write_text(manifest.read_text()[:-9])
        case "version":
            manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 9'))
        case "digest":
            edit_points(data, change("act_bits", 5))
        case "nan":
            edit_points(data, change("area_um2", np.nan))
        case "twice":
            edit_points(data, _double)
    with pytest.raises(InputError) as error:
        read_dataset(data)
    separator = "" if message.startswith(":") else "/"
    assert str(error.value) == f"{data}{separator}{message}"


def _double(table: pd.DataFrame) -> None:
    """The second row becomes the first."""
    for name in table.columns:
        table[name] = [table[name].iloc[0], *table[name].iloc[[0, *range(2, len(table))]]]


def test_files_of_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pd.DataFrame({"key": ["a"], "kind": ["b"], "name": ["c"]}).to_parquet(path)
    with pytest.raises(InputError) as error:
        read_table(path, ACTION_COLUMNS)
    assert str(error.value) == f"{path}: column value is missing"
    pd.DataFrame({"key": ["a"], "kind": ["b"], "name": ["c"], "value": ["d"]}).to_parquet(path)
    with pytest.raises(InputError) as error:
        read_table(path, ACTION_COLUMNS)
    assert str(error.value) == f"{path}: column value is string, not double"
    path.write_text("key,kind")
    with pytest.raises(InputError) as error:
        read_table(path, ACTION_COLUMNS)
    assert str(error.value).startswith(f"{path}: is not a Parquet file: ")


def test_stale_points_are_told(whole: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(whole)
    assert (found.stale, found.problems) == ({}, [])
    monkeypatch.setattr("explorer.dataset_check.flow_code", lambda _: "other")
    assert look(whole).stale == {"the flow's code has changed (see peforge store same)": 7}
    monkeypatch.undo()
    # Another generator: the RTL is made and compared, and is still the same.
    monkeypatch.setattr("explorer.dataset_check.generator_digest", lambda: "other")
    assert look(whole).stale == {}
    monkeypatch.setattr("explorer.dataset_check.rtl_digest", lambda _: "other")
    assert look(whole).stale == {"the generator makes other RTL": 7}
    monkeypatch.undo()
    # Another kit or constant, or a row that was edited: its key is not that of its content.
    edit_points(whole.root / "data", change("rtl", "0" * 64))
    what = "the kit or its constants are others, or key, rtl or tools were edited"
    assert look(whole).stale == {what: 1}
    kit = replace(load_platform(), max_fanout=9)
    monkeypatch.setattr("explorer.dataset_check.load_platform", lambda *_: kit)
    assert look(whole).stale == {what: 7}


def test_a_failed_point_has_no_numbers_and_a_file_is_in_the_manifest(whole: Fake) -> None:
    edit_points(whole.root / "data", change("status", "failed"))
    (whole.root / "data" / "placed-009.points.parquet").write_bytes(b"")
    name = whole.campaign.points[0].name
    assert look(whole).problems == [
        "placed-009.points.parquet is not in the manifest",
        f"a failed point must have a reason and no metrics: 1 points, first {name}",
        "actions of 1 keys that no measured point has",
    ]


def test_a_point_that_comes_out_otherwise_is_told(whole: Fake) -> None:
    """The numbers are made up: measuring a point again contradicts them."""
    found = check(
        whole.root / "data",
        measure=1,
        seed=1,
        jobs=1,
        store=whole.root / "again",
        platform=None,
        quiet=True,
    )
    (name,) = found.measured
    assert f"{name}: synthesis gave another netlist" in found.problems
    assert any(line.startswith(f"{name}: area_um2 was 1, is ") for line in found.problems)


def test_two_datasets_are_compared(whole: Fake) -> None:
    data, csv = whole.root / "data", whole.root / "data.csv"
    table = read_dataset(data)
    write_dataset(csv, table)
    assert diff(data, csv).lines() == ["7 points in both", "the numbers are the same"]
    table.loc[1, "area_um2"] *= 1.01
    table.loc[2, "netlist"] = "m" * 64
    write_dataset(csv, table.drop(index=0))
    found = diff(data, csv)
    assert found.lines() == [
        "6 points in both",
        f"1 in the first alone: {whole.campaign.points[0].name}",
        "1 points with another netlist",
    ]
    (row,) = found.metrics.to_dict("records")
    assert (row["metric"], row["points"]) == ("area_um2", 1)
    assert row["most_pct"] == pytest.approx(1.0)
    assert not found.same


def test_the_verbs_work_from_the_shell(whole: Fake) -> None:
    run = CliRunner().invoke
    data, space = str(whole.root / "data"), str(whole.root / "space.yaml")
    built = run(
        app,
        ["dataset", "build", data, "--space", space, "--store", str(whole.root / "store"),
         "--shard", "3", "--json"],
    )  # fmt: skip
    assert json.loads(built.stdout)["kept"] == [0, 1, 2]
    checked = run(app, ["dataset", "check", data, "--measure", "0"])
    assert (checked.exit_code, checked.stdout) == (0, "7 points, 0 problems\n")
    assert run(app, ["dataset", "diff", data, data]).exit_code == 0
    (whole.root / "data" / "README.md").unlink()
    assert run(app, ["dataset", "card", data]).exit_code == 0
    card = (whole.root / "data" / "README.md").read_text()
    assert "7 measurements of 7 processing elements on freepdk45" in card
    assert "- failed 1: no route" in card
    assert "| kit: liberty | `" + "l" * 40 + "`, 7 points |" in card


def test_wrong_folders_are_named(tmp_path: Path) -> None:
    none = run_failing(["dataset", "check", str(tmp_path / "none")])
    assert none == f"{tmp_path / 'none'}: there is no such folder"
    empty = run_failing(["dataset", "card", str(tmp_path)])
    assert empty == f"{tmp_path / 'manifest.json'}: cannot be read: No such file or directory"


def run_failing(arguments: list[str]) -> str:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InputError)
    return str(result.exception)


def test_points_of_a_plan_stay_when_it_grows(fake: Fake) -> None:
    """A longer plan of the same seed begins with the shorter one: shards stay."""
    for number in range(3):
        fake.measure(number)
    assert fake.build(count=3).written == [0]
    assert fake.build().kept == [0]
