"""Tables of an assessment, made of numbers that the test sets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from explorer.accuracy import Section, error_section, terminal_sections, write_report
from surrogate.assessment import Assessment
from surrogate.evaluate import MODELS, errors


def rows(split: str, part: str, family: str, factor: float) -> pd.DataFrame:
    """Three points of each of two targets and models; the second model errs twice as much."""
    parts = [
        pd.DataFrame(
            {"target": target, "split": split, "part": part, "deal": 0, "model": model,
             "point": [1, 2, 3], "family": family, "measured": [10.0, 20.0, 30.0],
             "predicted": [10 * (1 + off), 20 * (1 - off), 30.0]}
        )
        for target in ("area_um2", "leakage_uw")
        for model, off in (("surrogate", factor), ("mean", 2 * factor))
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def found() -> Assessment:
    predictions = pd.concat(
        [
            rows("datapaths", "", "int", 0.03), rows("datapaths", "", "fp", 0.06),
            rows("widths", "act_bits 8", "int", 0.09), rows("sizes", "100", "int", 0.03),
            rows("sizes", "25", "int", 0.12),
        ],
        ignore_index=True,
    )  # fmt: skip
    regret = pd.DataFrame(
        {"model": ["surrogate"], "queries": [200], "unanswered_pct": [0.0], "missed_pct": [2.5],
         "excess_pct": [1.25], "median_regret_pct": [0.0], "p95_regret_pct": [float("nan")]}
    )  # fmt: skip
    noise = pd.DataFrame(
        {"target": ["area_um2", "leakage_uw"], "points": [9, 9], "replicates": [27, 27],
         "noise_pct": [0.4, 0.7]}
    )  # fmt: skip
    intervals = pd.DataFrame(
        {"target": "area_um2", "deal": 0, "point": [0, 1, 2, 3],
         "family": ["int", "int", "fp", "fp"],
         "measured": [10.0, 10, 10, 10], "predicted": [10.0, 10, 10, 10], "low": [9.0, 9, 9, 11],
         "high": [11.0, 11, 11, 12]}
    )  # fmt: skip
    return Assessment(
        points=1234, held_out=200, dataset_digest="ab" * 32, origin={"flow": ["placed"]},
        versions={"numpy": "2.0"}, predictions=predictions, regret=regret, noise=noise,
        intervals=intervals, chosen=intervals.iloc[:1],
    )  # fmt: skip


def test_markdown_is_a_table() -> None:
    section = Section(title="T", note="N", names=("a",), numbers=("b",), rows=[["x", "1"]])
    assert section.markdown() == "## T\n\nN.\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n"


def test_the_report_has_every_table(found: Assessment, tmp_path: Path) -> None:
    path = tmp_path / "accuracy.md"
    write_report(found, path)
    text = path.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# How accurate the surrogates are",
        "## Mean error by split",
        "## datapaths: 3 points, cross-validated, dealt 3 times",
        "## datapaths: mean error by family",
        "## widths: 3 points",
        "## widths: mean error of the surrogate by what is left out",
        "## Mean error by points to learn from",
        "## Regret of 200 queries: the least of one target, another within a bound",
        "## Do 90 % intervals hold, of datapaths not seen?",
        "## Do 90 % intervals hold of what 200 queries chose?",
        "## Intervals by family",
        "## Noise of the measurements",
    ]
    for line in (
        "| measured points | 1,234, of these 200 of datapaths that are held out for the last "
        "test |",
        f"| dataset, SHA-256 | `{'ab' * 32}` |",
        "| flow | placed |",
        "| fitted with | numpy 2.0 |",
        "| target | model | mean | median | 95th | worst | R2 | rank | chance |",
        "| area_um2 | surrogate | 3.0 | 3.0 | 6.0 | 6.0 | 0.994 | 0.970 | 0.4 |",
        "| target | model | datapaths | widths |",
        "| leakage_uw | mean | 6.0 | 12.0 |",
        "| target | model | fp | int |",
        "| area_um2 | surrogate | 4.0 | 2.0 |",
        "| left out | area_um2 | leakage_uw |",
        "| act_bits 8 (3) | 6.0 | 6.0 |",
        "| target | model | 25 | 100 |",
        "| area_um2 | surrogate | 8.0 | 2.0 |",
        "| model | no answer | missed | by | median | 95th |",
        "| surrogate | 0.0 | 2.5 | 1.2 | 0.0 | - |",
        "| target | points | held | at least | at most | width | score |",
        "| area_um2 | 4 | 75.0 | 11.1 | 99.9 | 17.5 | 67.5 |",
        "| area_um2 | 1 | 100.0 | 0.5 | 100.0 | 20.0 | 20.0 |",
        "| area_um2 | fp | 2 | 50.0 | 0.3 | 99.7 | 15.0 | 115.0 |",
        "| leakage_uw | 9 | 27 | 0.70 |",
    ):
        assert line in text.splitlines()


def test_the_same_assessment_is_the_same_report(found: Assessment, tmp_path: Path) -> None:
    for name in "ab":
        write_report(found, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_terminal_shows_scores_splits_curve_and_regret(found: Assessment) -> None:
    titles = [section.title.split(":")[0] for section in terminal_sections(found)]
    assert titles == [
        "datapaths", "Mean error by split", "Mean error by points to learn from",
        "Regret of 200 queries", "Do 90 % intervals hold, of datapaths not seen?",
        "Do 90 % intervals hold of what 200 queries chose?",
    ]  # fmt: skip


def test_the_scores_fit_into_a_terminal(found: Assessment) -> None:
    """Of every model, whatever their length, and of the worst errors."""
    first = found.predictions.query("split == 'datapaths'").assign(target="energy_per_mac_pj")
    every = pd.concat([first.assign(model=name, predicted=600.0) for name in MODELS])
    console = Console(width=80)
    with console.capture() as capture:
        console.print(error_section(errors(every)).rich())
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert text.count("energy_per_mac_pj") == 1
    assert all(f" {name} " in text for name in MODELS)
    assert "5,900" in text
    assert "chance" not in text
