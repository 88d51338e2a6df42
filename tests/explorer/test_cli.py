"""The command line: help with examples, one-line errors with exit code 2, JSON for machines."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from explorer.cli import main

VERBS = (
    "doctor", "rtl", "layer", "verify", "characterize", "layout", "fmax", "actions", "sram",
    "train", "evaluate", "query", "predict", "explain", "explore",
    "map", "accelerators", "networks",
    "store check", "store gc", "store export",
    "store unpack", "store same", "dataset build", "dataset check", "dataset diff", "dataset card",
    "platform check",
)  # fmt: skip


def peforge(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "explorer.cli", *arguments],
        capture_output=True, text=True, cwd=cwd, check=False,
    )  # fmt: skip


def here(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has loaded everything: for what ends with one line."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["peforge", *arguments]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    code = ended.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example(verb: str, tmp_path: Path) -> None:
    run = here(*verb.split(), "--help", cwd=tmp_path)
    assert run.returncode == 0
    assert f"peforge {verb}" in run.stdout
    assert "Example" in run.stdout


def test_no_verb_shows_the_verbs(tmp_path: Path) -> None:
    run = peforge(cwd=tmp_path)
    assert run.returncode == 0
    assert all(verb.split()[0] in run.stdout for verb in VERBS)


SPACES = {
    "not-yaml.yaml": "blocks: [",
    "bits.yaml": 'blocks: [{family: int, act_bits: "8", weight_bits: 8}]',
    "empty.yaml": "blocks: [{family: pow2, act_bits: 8, weight_bits: 8}]",
    "kit.yaml": "name: mine",
    "fine.yaml": "blocks: [{preset: INT4}]",
    "date.yaml": "blocks: [{preset: 2020-13-45}]",
    "deep.yaml": "[" * 5000,
    "array.yaml": "{rows: 2, columns: 2, pe: {preset: INT8, filter_depth: 32}}",
    "no-pe.yaml": "{rows: 2, columns: 2, pe: 3}",
    "buses.yaml": "{rows: 2, columns: 2, ifmap_buses: 1.0, pe: {preset: INT8}}",
    "row.yaml": "{row: 2, columns: 2, pe: {preset: INT8}}",
}


#: Measured through both flows.
FLOWS = Path(__file__).resolve().parents[2] / "data" / "flows.csv"
ARRAYS = "eyeriss-like, tiny-2x2, tiny-3x3, tiny-4x4"
LAYER = "--channels 4 --height 6 --width 6 --filters 6 --filter-height 3 --filter-width 3"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "rtl --preset NONE -o x",
            "preset must be one of INT16, INT8, INT4, LightPE-1, LightPE-2, POW2, BF16, "
            "FP32, not 'NONE'",
        ),
        ("rtl -o x", "a design is needed: --preset NAME, or --family with --act-bits and "
                     "--weight-bits"),
        ("rtl --preset INT8 --act-bits 0 -o x",
         "act_bits must be an integer from 2 to 16, not 0"),
        ("rtl --preset INT8 --act-bits 17 -o x",
         "act_bits must be an integer from 2 to 16, not 17"),
        ("rtl --preset INT8 --largest-layer 3,x -o x",
         "largest_layer must be three integers R,S,C, not '3,x'"),
        ("rtl --preset INT8 --period-ps 1 -o x",
         "period_ps must be an integer from 100 to 100000, not 1"),
        ("rtl --preset INT8 -o fine.yaml/x",
         "fine.yaml/x/pe_int_a8_w8_s28_d12_224_24_p2.v: cannot be written: a file is where a "
         "folder is needed"),
        ("rtl --preset INT8 -o ''", "--output must name a folder; . is the current one"),
        ("actions", "a design is needed: --preset NAME, or --family with --act-bits and "
                    "--weight-bits"),
        ("actions --preset INT8 --check -1", "check must be an integer from 0 to 1000, not -1"),
        ("actions --preset INT8 --period-ps 1",
         "period_ps must be an integer from 100 to 100000, not 1"),
        ("actions --preset INT8 --out .", ".: cannot be written: it is not a file"),
        ("sram --words 64", "an SRAM needs --words and --bits, as in --words 4096 --bits 64"),
        ("sram --words 64 --bits a", "bits must be integers with commas between, not 'a'"),
        ("sram --words 64, --bits 8", "words must be integers with commas between, not '64,'"),
        ("sram --words 64 --bits 0,8", "bits must be an integer from 1 to 256, not 0"),
        ("sram --words 64 --bits 8 --ports 1rw,3r",
         "ports must be one of 1rw, 1r1w, 2rw, not '3r'"),
        ("sram --words 100 --bits 12 --banks 3",
         "CACTI makes no SRAM of 100 words of 12 bits in 3 banks: a word has whole bytes; "
         "nearest: 100 words of 16 bits in 2 banks or 128 words of 16 bits in 4 banks"),
        ("sram --words 64 --bits 8 --voltage-v 2",
         "voltage_v must be a number from 0.5 to 1.5, not 2.0"),
        ("sram --words 64 --bits 8 --voltage-v nan",
         "voltage_v must be a number from 0.5 to 1.5, not nan"),
        ("sram --words 512 --bits 8 -o .", ".: cannot be written: it is not a file"),
        ("sram --grid", "--grid goes with --output, and without --words, --bits, --voltage-v"),
        ("sram --grid --words 64 -o x",
         "--grid goes with --output, and without --words, --bits, --voltage-v"),
        ("rtl --preset INT8", "Missing option '-o' / '--output'."),
        ("rtl --array huge -o x",
         "array must be one of eyeriss-like, tiny-2x2, tiny-3x3, tiny-4x4, not 'huge'"),
        ("rtl --array array.yaml --rows 33 -o x",
         "array.yaml: rows must be an integer from 1 to 32, not 33"),
        ("rtl --array array.yaml --preset INT8 -o x",
         "array.yaml: has a pe: leave out the options of a design"),
        ("rtl --array no-pe.yaml -o x",
         "no-pe.yaml: pe must be a mapping of parameters to values, not 3"),
        ("rtl --array buses.yaml -o x", "buses.yaml: ifmap_buses must be 1, 2, 4 or 8, not 1.0"),
        ("rtl --array row.yaml -o x",
         "row.yaml: 'row' is not a parameter of an array; allowed are pe, rows, columns, "
         "ifmap_buses, filter_buses, psum_buses, ifmap_words, filter_words, psum_words, "
         "scale_words, scale_bits"),
        ("rtl --array none.yaml -o x", "none.yaml: cannot be read: No such file or directory"),
        ("rtl --rows 3 -o x", f"--rows is of an array: --array with {ARRAYS}, or a YAML file"),
        (f"rtl --preset INT8 {LAYER} -o x",
         f"an array is needed: --array with {ARRAYS}, or a YAML file"),
        ("rtl --array tiny-2x2 --channels 3 --height 3 -o x",
         "a layer needs --width, --filters, --filter-height, --filter-width"),
        (f"rtl --array tiny-2x2 {LAYER} --tiling 1,2 -o x",
         "tiling must be five numbers P,Q,ROWS,SETS,COLUMNS, not '1,2'"),
        (f"rtl --array tiny-2x2 {LAYER} --tiling 1,2,3,1,1 -o x",
         "tiling: filter_rows x sets must be at most rows = 2, not 3"),
        (f"rtl --array tiny-2x2 {LAYER} --width 40 --psum-words 16 -o x",
         "a pass needs 38 words in a bank of psum words, which has 16: choose a larger psum_words, "
         "or a smaller tile if there is one"),
        ("rtl --array tiny-2x2 --seed -1 -o x",
         "seed must be an integer from 0 to 4294967295, not -1"),
        (f"layer {LAYER}", f"an array is needed: --array with {ARRAYS}, or a YAML file"),
        ("layer --array tiny-2x2",
         "a layer needs --channels, --height, --width, --filters, --filter-height, "
         "--filter-width"),
        (f"layer --array tiny-2x2 {LAYER} --padding a",
         "padding must be one number or TOP,BOTTOM,LEFT,RIGHT, not 'a'"),
        (f"layer --array tiny-2x2 {LAYER} --mode 1", "mode must be an integer from 0 to 0, not 1"),
        (f"layer --array tiny-2x2 --rows 1 {LAYER} --height 40 --filter-height 20",
         "tiling: filter_rows must be at least 2 for a filter of 20 rows, which are taken in at "
         "most 16 tiles, not 1"),
        (f"layer --array tiny-2x2 {LAYER} --seed -1",
         "seed must be an integer from 0 to 4294967295, not -1"),
        (f"layer --array tiny-2x2 {LAYER} --filter-depth 32",
         "--filter-depth is of a design, which needs --preset NAME, or --family"),
        (f"layer --array tiny-2x2 {LAYER} --scale-bits 33",
         "scale_bits must be an integer from 2 to 32, not 33"),
        (f"layer --array tiny-2x2 {LAYER} --groups 3",
         "groups must divide channels = 4, not be 3"),
        ("rtl --xyz red", "No such option: --xyz"),
        ("characterize", "give either --space FILE or a design (--preset NAME or --family ...)"),
        ("characterize --preset INT8 --points 4",
         "--sampling, --points and --plan-seed are for a space"),
        ("characterize --preset INT8 --plan", "--plan is for a space: --space FILE"),
        ("characterize --space none.yaml",
         "none.yaml: cannot be read: No such file or directory"),
        ("characterize --space not-yaml.yaml",
         "not-yaml.yaml: is not YAML, line 1, column 10: expected the node content, but found "
         "'<stream end>'"),
        ("characterize --space bits.yaml",
         "bits.yaml: block 1: act_bits must be an integer from 2 to 16, not '8'"),
        ("characterize --space empty.yaml",
         "empty.yaml: no legal point; the first combination: weight_bits must be one of 2, 3, 4, "
         "5 for 1 power-of-two term, not 8"),
        ("characterize --space fine.yaml --store fine.yaml/store",
         "fine.yaml/store: cannot be written: a file is where a folder is needed"),
        ("characterize --space fine.yaml --platform kit.yaml", "kit.yaml: needs cell_lef"),
        ("characterize --space date.yaml", "date.yaml: is not YAML: month must be in 1..12"),
        ("characterize --space deep.yaml",
         "deep.yaml: is not YAML: it is nested too deeply"),
        ("characterize --space fine.yaml --period-ps 900",
         "the periods of a space are in its file: leave out --period-ps"),
        ("characterize --space fine.yaml --dataset /dev/null",
         "/dev/null: cannot be written: it is not a file"),
        ("characterize --space fine.yaml --jobs 0",
         "jobs must be an integer from 1 to 1024, not 0"),
        ("characterize --space fine.yaml --utilization 1.5",
         "utilization must be a number from 0.05 to 1, not 1.5"),
        ("train --dataset none.csv", "none.csv: cannot be read: No such file or directory"),
        ("train --dataset fine.yaml", "fine.yaml: column family is missing"),
        ("predict --space fine.yaml --designs my.csv",
         "give either --designs FILE or --space FILE"),
        ("predict", "give either --designs FILE or --space FILE"),
        ("predict --space fine.yaml -n 0",
         "n must be an integer from 1 to 1000000000, not 0"),
        ("explain --preset INT8 --formulas",
         "--formulas and --plot are of a dataset, not of one design"),
        ("explain --target size",
         "a target must be one of area_um2, core_area_um2, least_period_ps, leakage_uw, "
         "energy_per_mac_pj, clock_tree_pj, not 'size'"),
        ("characterize --preset INT8 --until area=1%", "--until is for a space: --space FILE"),
        ("characterize --space fine.yaml --until size=1%",
         "an aim must be such as area=1%, of area, core, period, leakage, energy, clock, not "
         "'size=1%'"),
        ("characterize --space fine.yaml --until area=1%",
         "a plan of 50 points at least is needed, not of 1"),
        (f"train --dataset {FLOWS} --flow placed --from placed",
         "--from names the flow of many rows, --flow another one, of few"),
        ("evaluate --dataset none.csv", "none.csv: cannot be read: No such file or directory"),
        ("evaluate --report .", ".: cannot be written: it is not a file"),
        (f"evaluate --dataset {FLOWS} --flow routed",
         "the dataset has no row of flow 'routed', only of openroad, placed"),
        (f"evaluate --dataset {FLOWS}",
         "the dataset mixes measurements of different flow: openroad; placed"),
        (f"evaluate --dataset {FLOWS} --flow placed --splits random",
         "a split must be one of datapaths, widths, families, ranges, sizes, test, not 'random'"),
        (f"evaluate --dataset {FLOWS} --flow placed --models ,",
         "at least one model is needed: surrogate, physical base, tuned surrogate, Gauss process, "
         "random forest, quadratic, look-up table, nearest point, linear, mean"),
        (f"evaluate --dataset {FLOWS} --flow placed --replicates {FLOWS}",
         "the table of replicates has no point with two perturbations"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: str, message: str, tmp_path: Path
) -> None:
    for name, text in SPACES.items():
        (tmp_path / name).write_text(text)
    run = here(*shlex.split(arguments), cwd=tmp_path)
    assert run.stderr == f"peforge: error: {message}\n"
    assert run.stdout == ""
    assert run.returncode == 2
    assert {path.name for path in tmp_path.iterdir()} <= {*SPACES, "build"}


def test_evaluate_prints_json_and_writes_a_report(tmp_path: Path) -> None:
    chosen = "--flow placed --splits datapaths,families --models linear,mean"
    options = ["evaluate", "--dataset", str(FLOWS), *chosen.split(), "--report", "a.md"]
    run = peforge(*options, "--json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert {row["split"] for row in found["errors"]} == {"datapaths", "families"}
    assert {row["model"] for row in found["errors"]} == {"linear", "mean"}
    assert found["dataset_digest"] in (tmp_path / "a.md").read_text()
    again = here(*options, cwd=tmp_path)
    assert "Mean error by split" in again.stdout
    assert again.stdout.endswith("wrote a.md\n")


def test_a_model_is_trained_asked_and_explained(tmp_path: Path) -> None:
    trained = peforge("train", "--data", str(FLOWS), "--flow", "placed", "--json", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    report = json.loads(trained.stdout)
    assert report["points"] == 78
    assert (tmp_path / report["card"]).read_text().startswith("# Model card: surrogate.json\n")
    asked = json.loads(here("query", "--preset", "INT8", "--json", cwd=tmp_path).stdout)
    low, high = asked["interval"]["area_um2"]
    assert low < asked["predicted"]["area_um2"] < high
    assert asked["outside"] is None
    beyond = here("query", "--preset", "INT8", "--filter-depth", "512", cwd=tmp_path)
    assert "Outside what was measured: filter_depth 512 is not in the " in beyond.stdout
    why = here("explain", "--preset", "INT8", "--json", cwd=tmp_path)
    (area, *_) = json.loads(why.stdout)["explanations"]
    assert area["predicted"] == asked["predicted"]["area_um2"]
    data = ("--dataset", str(FLOWS), "--flow", "placed")
    formulas = json.loads(here("explain", "--formulas", *data, "--json", cwd=tmp_path).stdout)
    assert formulas["formulas"][0]["text"].startswith("area_um2 = ")
    plotted = here("explain", *data, "--plot", "d.png", cwd=tmp_path)
    assert plotted.stdout.endswith("wrote d.png\n")
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "fine.yaml").write_text(SPACES["fine.yaml"])
    many = here("predict", "--space", "fine.yaml", "-o", "p.csv", "--json", cwd=tmp_path)
    assert json.loads(many.stdout) == {"output": "p.csv", "designs": 1, "outside": 0}


@pytest.mark.parametrize(
    "verb", ["query --preset INT8", "explore", "explain", "explain --preset INT8",
             "predict --space fine.yaml"]
)  # fmt: skip
def test_without_a_model_the_next_step_is_named(verb: str, tmp_path: Path) -> None:
    (tmp_path / "fine.yaml").write_text(SPACES["fine.yaml"])
    run = here(*verb.split(), cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("peforge: error: build/surrogate.json: ")
    assert run.stderr.count("\n") == 1


def test_rtl_writes_what_its_json_says(tmp_path: Path) -> None:
    run = peforge("rtl", "--preset", "POW2", "-o", "out", "--json", cwd=tmp_path)
    report = json.loads(run.stdout)
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [
        ".core", ".json", ".sdc", ".svg", ".v", ".v",
    ]  # fmt: skip
    assert {str(tmp_path / name) for name in report["files"]} == {
        str(path) for path in (tmp_path / "out").iterdir()
    }
    manifest = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    assert manifest["digest"] == report["digest"]


def test_rtl_writes_an_array_from_a_file_with_changes(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SPACES["array.yaml"])
    run = peforge(
        "rtl", "--array", "mine.yaml", "--columns", "3", "-o", "out", "--json", cwd=tmp_path
    )
    report = json.loads(run.stdout)
    written = {str(path) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {str(tmp_path / name) for name in report["files"]} == written
    manifest = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    assert manifest["digest"] == report["digest"]
    assert (manifest["design"]["rows"], manifest["design"]["columns"]) == (2, 3)
    assert manifest["design"]["pe"]["filter_depth"] == 32


def test_a_layer_without_simulation_needs_no_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["layer", "--array", "tiny-2x2", "--preset", "INT8", *LAYER.split()]
    report = json.loads(peforge(*arguments, "--padding", "1", "--json", cwd=tmp_path).stdout)
    assert report["cycles"] == 3710
    assert report["utilization"] == pytest.approx(7776 / 3710 / 4)
    assert (report["simulation"], report["ok"], report["runs"]) == (None, True, 1)
    assert report["counts"]["macs"] == 10368
    run = peforge(*arguments, "--simulate", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (
        2, "peforge: error: iverilog is not installed; on Debian: apt-get install iverilog\n",
    )  # fmt: skip


@pytest.mark.tool
def test_a_layer_is_simulated(tmp_path: Path) -> None:
    run = peforge(
        "layer", "--array", "tiny-2x2", "--preset", "INT4", *LAYER.split(), "--simulate",
        "--tiling", "3,2,2,1,2", cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0
    assert run.stdout.splitlines()[-1] == (
        "simulation: all 96 sums are right; cycles and counts are the model's"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("plan", [[], ["--plan"]])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time-limit", "nan"], "the time limit must be above 0, not nan"),
        (["--memory-limit", "0"], "the memory limit must be above 0, not 0"),
        (["--jobs", "0"], "jobs must be an integer from 1 to 1024, not 0"),
        (["--scheduler", ""], "the scheduler must be an address, as tcp://HOST:8786, not ''"),
    ],
)
def test_a_plan_is_refused_for_what_its_run_is(
    tmp_path: Path, plan: list[str], options: list[str], message: str
) -> None:
    (tmp_path / "fine.yaml").write_text(SPACES["fine.yaml"])
    run = here("characterize", "--space", "fine.yaml", *plan, *options, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"peforge: error: {message}\n"


@pytest.mark.tool
def test_doctor_finds_the_tools_and_the_kit(tmp_path: Path) -> None:
    run = peforge("doctor", "--json", cwd=tmp_path)
    report = json.loads(run.stdout)
    assert run.returncode == 0
    assert report["ok"] is True
    assert {tool["name"] for tool in report["tools"]} >= {"sta", "iverilog", "pyosys", "coloquinte"}
    assert all(tool["version"] for tool in report["tools"] if not tool["optional"])
    assert {tool["name"] for tool in report["tools"] if tool["optional"]} == {
        "openroad", "verilator", "zigzag-dse",
    }  # fmt: skip
    assert {file["name"] for file in report["platform"]["files"]} == {"liberty", "cell_lef"}
    assert all(len(file["sha256"]) == 64 for file in report["platform"]["files"])


def test_doctor_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    run = peforge("doctor", "--json", cwd=tmp_path)
    assert run.returncode == 1
    missing = {t["name"]: t["remedy"] for t in json.loads(run.stdout)["tools"] if not t["path"]}
    assert missing["sta"] == "on Debian: apt-get install opensta"


def test_a_missing_tool_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    run = peforge("characterize", "--preset", "INT4", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr == (
        "peforge: error: sta is not installed; on Debian: apt-get install opensta\n"
    )


def test_an_array_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Also if only the folder of its layer has no place; many files of it are one line."""
    many = ("rtl", "--array", "tiny-2x2", "--preset", "INT4", "--ifmap-words", "16", "--channels",
            "4", "--height", "8", "--width", "4", "--filters", "2", "--filter-height", "1",
            "--filter-width", "1", "-o", "out")  # fmt: skip
    run = peforge(*many, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    (folder,) = (tmp_path / "out").glob("*_data")
    count = len(list(folder.iterdir()))
    assert count > 20
    assert f"wrote out/{folder.name}/: {count} files" in run.stdout.splitlines()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / folder.name).touch()
    run = peforge(*many[:-1], "full", cwd=tmp_path)
    assert run.returncode == 2
    first = sorted(path.name for path in folder.iterdir())[0]
    assert run.stderr == (
        f"peforge: error: full/{folder.name}/{first}: cannot be written: a file is where a folder "
        "is needed\n"
    )
    assert [path.name for path in (tmp_path / "full").iterdir()] == [folder.name]
