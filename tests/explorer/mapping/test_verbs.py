"""The verbs ``map``, ``accelerators`` and ``networks``: files, JSON, and errors of one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.networks.builtin import NETWORKS
from explorer.networks.network import load_network
from explorer.report import short
from tests.explorer.mapping.test_cost import accelerator
from tests.explorer.test_cli import here

LAYER = "layer1.0.conv1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An accelerator in a file, and a cache of its own."""
    accelerator(tmp_path)
    (tmp_path / "small.yaml").write_text(
        """
name: small
period_ps: 2000
psum_bits: 24
dram: LPDDR4
energies: ert.yaml
levels:
  - {name: DRAM, kind: dram, word_bits: 16}
  - {name: buffer, kind: sram, words: 8192, word_bits: 16, fanout_x: 4, fanout_y: 3}
  - {name: ifmaps, kind: sram, keeps: [ifmap], words: 16, word_bits: 16}
  - {name: filters, kind: sram, keeps: [filter], words: 64, word_bits: 16}
  - {name: psums, kind: sram, keeps: [psum], words: 16, word_bits: 32}
""",
        encoding="utf-8",
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_a_network_is_mapped(folder: Path) -> None:
    options = ("-a", "small.yaml", "-n", "resnet20-cifar", "--effort", "quick")
    run = here("map", *options, "-o", "map.json", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert "resnet20-cifar on small" in run.stdout
    assert "counting mode: exact" in run.stdout
    assert "wrote map.json" in run.stdout
    document = json.loads((folder / "map.json").read_text())
    shown = json.loads(here("map", *options, "--json", cwd=folder).stdout)
    assert shown == document
    assert document["macs"] == load_network("resnet20-cifar").macs
    assert sum(document["parts_pj"].values()) == pytest.approx(document["energy_pj"])


def test_a_mapping_is_written_changed_and_rated(folder: Path) -> None:
    layer = ("-a", "small.yaml", "-n", "resnet18", "--layer", LAYER)
    options = (*layer, "--effort", "quick")
    run = here("map", *options, cwd=folder)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("DRAM: keeps ifmap, filter, psum\n")
    found = json.loads(here("map", *options, "--json", cwd=folder).stdout)["layers"][0]
    (folder / "own.yaml").write_text(json.dumps(found["mapping"]))
    own = (*layer, "--mapping", "own.yaml")
    rated = json.loads(here("map", *own, "-o", "own.json", "--json", cwd=folder).stdout)
    assert json.loads((folder / "own.json").read_text()) == rated
    boxes = json.loads(here("map", *own, "--mode", "timeloop", "--json", cwd=folder).stdout)
    assert (boxes["mode"], boxes["macs"]) == ("timeloop", rated["macs"])
    assert rated["energy_pj"] == pytest.approx(found["energy_pj"])
    assert rated["counts"] == found["counts"]
    damaged = found["mapping"]
    damaged[1]["x"] = "M64"
    (folder / "own.yaml").write_text(json.dumps(damaged))
    run = here("map", *own, cwd=folder)
    assert run.returncode == 2
    assert run.stderr == (
        "peforge: error: own.yaml: level 'buffer': loops along x take 64 instances, there are 4\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("map", "-a", "eyeris"),
            "accelerator must be one of edge-tiny, eyeriss, simba, tpu-like, or a YAML file, not "
            "'eyeris'; the nearest is eyeriss",
        ),
        (
            ("map", "-a", "small.yaml", "--layer", "layer1.0.con1"),
            "resnet18 has no layer 'layer1.0.con1' with products; the nearest is layer1.0.conv1",
        ),
        (
            ("map", "-a", "small.yaml", "--bits", "8,8"),
            "bits must be three numbers, of activations, weights and outputs, as 8,4,8, not '8,8'",
        ),
        (
            ("map", "-a", "small.yaml", "--objective", "power"),
            "objective must be one of energy, delay, edp, not 'power'",
        ),
        (
            ("map", "-a", "simba", "--mode", "rtll"),
            "mode must be one of exact, timeloop, rtl, not 'rtll'",
        ),
        (
            ("map", "-a", "small.yaml", "--mapping", "own.yaml", "--objective", "delay"),
            "--objective is about a search: leave out --mapping",
        ),
        (
            ("explore", "--where", "area_um2 < 3"),
            "--where is about accelerators: it needs --network",
        ),
        (
            ("explore", "--network", "resnet18", "-o", "small.yaml"),
            "small.yaml/designs.csv: cannot be written: a file is where a folder is needed",
        ),
        (
            ("map", "-a", "simba", "--mode", "timeloop"),
            "mode timeloop is of a mapping that is given: --mapping FILE",
        ),
        (
            ("map", "-a", "small.yaml", "--mode", "rtl"),
            "resnet18, layer 'conv1': mode rtl: small needs a pe, not energies alone",
        ),
        (
            ("map", "-a", "edge-tiny", "--mode", "rtl", "--certify", "10"),
            "--certify is of mode exact, not rtl",
        ),
        (
            ("map", "-a", "small.yaml", "--jobs", "-3"),
            "Invalid value for '--jobs' / '-j': Input should be greater than or equal to 1",
        ),
        (
            ("map", "-a", "small.yaml", "--mapping", "small.yaml"),
            "--mapping is of one layer: name it with --layer",
        ),
        (
            ("map", "-a", "small.yaml", "--mapping", "small.yaml", "--certify", "3"),
            "--certify is about what a search found: leave out --mapping",
        ),
        (
            ("networks", "-o", "all.yaml"),
            "-o writes one network: name it",
        ),
        (
            ("accelerators", "small.yaml", "--bits", "0,8,8"),
            "act_bits must be an integer from 1 to 32, not 0",
        ),
        (
            ("accelerators", "small.yaml", "--dataset", "nowhere"),
            "nowhere/manifest.json: cannot be read: No such file or directory",
        ),
        (
            ("accelerators", "small.yaml", "--model", "nowhere.json"),
            "nowhere.json: is no file: name one that 'peforge train' wrote",
        ),
        (
            ("map", "-a", "edge-tiny", "-n", "alexnet", "--mode", "rtl"),
            "alexnet, layer 'conv1': mode rtl: a filter 11 wide does not fit a PE with "
            "ifmap_depth 4 and filter_depth 208",
        ),
    ],
)
def test_wrong_input_is_said_in_a_line(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    run = here(*arguments, cwd=folder)
    assert (run.returncode, run.stderr) == (2, f"peforge: error: {message}\n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0012345, "0.001234"), (12.345678, "12.35"), (9999.4, "9,999"), (9999.6, "10,000"),
     (118406.2, "118,406")],
)  # fmt: skip
def test_large_numbers_have_no_exponent(value: float, shown: str) -> None:
    assert short(value) == shown


NET = """
name: two
batch: 2
inputs: [x]
layers:
  - {name: "c[/b] [red]", filters: 4, channels: 3, height: 6, width: 6, batch: 2}
"""


def test_names_are_shown_as_they_are_and_the_batch_is_the_files(folder: Path) -> None:
    (folder / "two.yaml").write_text(NET)
    run = here("networks", "two.yaml", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert "c[/b] [red]" in run.stdout
    assert f"two: {2 * 4 * 3 * 36:,} MACs" in " ".join(run.stdout.split())
    one = json.loads(here("networks", "two.yaml", "--batch", "1", "--json", cwd=folder).stdout)
    assert one["batch"] == 1


def test_json_is_json_where_no_area_is_known(folder: Path) -> None:
    (folder / "two.yaml").write_text(NET)
    run = here("map", "-a", "small.yaml", "-n", "two.yaml", "--json", cwd=folder)
    assert run.returncode == 0, run.stderr

    def refuse(text: str) -> None:
        raise AssertionError(text)

    layer = json.loads(run.stdout, parse_constant=refuse)["layers"][0]
    assert layer["tops_per_mm2"] is None


def test_a_full_device_is_said_in_a_line() -> None:
    command = [sys.executable, "-m", "explorer.cli", "networks", "resnet50", "--json"]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (run.returncode, run.stderr) == (
        1,
        "peforge: error: what is printed cannot be written: No space left on device\n",
    )


def test_huge_loops_are_refused(folder: Path) -> None:
    (folder / "huge.yaml").write_text("[{level: DRAM, temporal: M4000000000000000000000}]")
    options = ("-a", "small.yaml", "-n", "resnet18", "--layer", "conv1", "--mapping", "huge.yaml")
    run = here("map", *options, cwd=folder)
    assert (run.returncode, run.stderr) == (
        2,
        "peforge: error: huge.yaml: level 'DRAM': loop M4000000000000000000000 must be one of N, "
        "G, M, C, P, Q, R, S with 1 to 16,777,215 iterations\n",
    )


def test_mode_rtl_shows_the_tiling_and_its_nest(folder: Path) -> None:
    """On a preset whose PE was measured, so that no surrogates are asked."""
    options = ("-a", "edge-tiny", "-n", "resnet20-cifar", "--bits", "8,8,8", "--mode", "rtl")
    run = here("map", *options, "--layer", "fc", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert "tiling filters 5, channels 4, filter_rows 1, sets 4, columns 1\n" in run.stdout
    assert "counting mode: rtl\n" in run.stdout
    document = json.loads(here("map", *options, "--layer", "fc", "--json", cwd=folder).stdout)
    (layer,) = document["layers"]
    assert (document["mode"], layer["mode"], layer["plan"]["runs"]) == ("rtl", "rtl", 1)


def test_accelerators_are_listed_and_shown(folder: Path) -> None:
    listed = json.loads(here("accelerators", "--json", cwd=folder).stdout)
    assert [row["accelerator"] for row in listed] == ["edge-tiny", "eyeriss", "simba", "tpu-like"]
    one = json.loads(here("accelerators", "small.yaml", "--json", cwd=folder).stdout)
    assert {row["part"] for row in one["energies"]} >= {"DRAM", "buffer", "PEs"}
    assert "area of all parts" in one["unknown"]
    assert "small: energies, bits 8,8,8" in here("accelerators", "small.yaml", cwd=folder).stdout


def test_networks_are_listed_and_written(folder: Path) -> None:
    listed = json.loads(here("networks", "--json", cwd=folder).stdout)
    assert [row["network"] for row in listed] == list(NETWORKS)
    run = here("networks", "resnet20-cifar", "--bits", "8,4,8", "-o", "r.yaml", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert "wrote r.yaml" in run.stdout
    again = json.loads(here("networks", "r.yaml", "--json", cwd=folder).stdout)
    assert {layer.get("weight_bits") for layer in again["layers"] if "filters" in layer} == {4}


def test_ofmaps_stay_between_layers(folder: Path) -> None:
    options = ("-a", "small.yaml", "-n", "resnet20-cifar", "--effort", "quick")
    plain = json.loads(here("map", *options, "--json", cwd=folder).stdout)
    run = here("map", *options, "--keep-between", "-o", "kept.json", cwd=folder)
    assert run.returncode == 0, run.stderr
    kept = json.loads((folder / "kept.json").read_text())
    assert "kept" not in plain
    assert kept["kept"]["energy_pj_before"] == pytest.approx(plain["energy_pj"])
    assert kept["energy_pj"] < plain["energy_pj"]
    told = f"in buffer stay {len(kept['kept']['ofmaps'])} of 30 ofmaps, at most "
    assert told in run.stdout
    assert kept["layers"][0]["kept"]["stays"] == ("conv1" in kept["kept"]["ofmaps"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--certify", "1"),
            "certify is about layers alone: leave out keep-between, or certify",
        ),
        (
            ("--layer", LAYER),
            "keep-between is about a whole network: leave out layer and mapping",
        ),
    ],
)
def test_what_stays_is_about_networks(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    run = here("map", "-a", "small.yaml", "--keep-between", *arguments, cwd=folder)
    assert (run.returncode, run.stderr) == (2, f"peforge: error: {message}\n")
