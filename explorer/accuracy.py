"""What an assessment of the surrogates found, as tables for people: on a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from rtl_gen.atomic import write_text
from surrogate.assessment import Assessment
from surrogate.coverage import CONFIDENCE, coverage
from surrogate.intervals import LEVEL
from surrogate.regret import QUERIES
from surrogate.splits import DEALS, PROMISES

#: Heading of each score, and how many digits behind the point it has.
_SCORES = {
    "mape_pct": ("mean", 1),
    "median_ape_pct": ("median", 1),
    "p95_ape_pct": ("95th", 1),
    "worst_ape_pct": ("worst", 1),
    "r2": ("R2", 3),
    "spearman": ("rank", 3),
}
_REGRET = {
    "unanswered_pct": "no answer",
    "missed_pct": "missed",
    "excess_pct": "by",
    "median_regret_pct": "median",
    "p95_regret_pct": "95th",
}
_NOTE = (
    "Mean, median, 95th percentile and worst are absolute errors in % of the measurement; rank is "
    "Spearman's correlation"
)
_REGRET_NOTE = (
    "How much worse in % than the best measured design within the bound the chosen one is, median "
    "and 95th percentile of the answers that hold. Missed: share of the answers, in %, whose "
    "measurement exceeds the bound, and by how many % in the median. No answer: nothing was "
    "predicted to be within it"
)


_COVERAGE = {
    "covered_pct": "held",
    "covered_low_pct": "at least",
    "covered_high_pct": "at most",
    "width_pct": "width",
    "score_pct": "score",
}
_COVERAGE_NOTE = (
    "Held: share of measurements within their intervals, in %; the true share lies between at "
    f"least and at most with {100 * CONFIDENCE:.0f} % confidence (Clopper-Pearson). Width, and "
    "Winkler's interval score, are means in % of the prediction"
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table.

    Attributes:
        title: what it shows.
        note: how to read it; may be empty.
        names: headings of the columns on the left, which are text.
        numbers: headings of the others.
        rows: cells, as many as headings.
    """

    title: str
    note: str
    names: Sequence[str]
    numbers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def rich(self) -> Table:
        """To print with rich: the first column says what changes, a line above each change."""
        table = Table(
            title=self.title, caption=self.note, box=box.HORIZONTALS, padding=(0, 1, 0, 0),
            pad_edge=False,
        )  # fmt: skip
        for name in self.names:
            table.add_column(name, no_wrap=True)
        for name in self.numbers:
            table.add_column(name, justify="right", no_wrap=True)
        before = None
        for first, *rest in self.rows:
            if before is not None and first != before and len(self.names) > 1:
                table.add_section()
            table.add_row("" if first == before else first, *rest)
            before = first
        return table

    def markdown(self) -> str:
        """As a section of a document."""
        lines = [
            f"## {self.title}",
            *([f"{self.note}."] if self.note else []),
            "\n".join(
                f"| {' | '.join(cells)} |"
                for cells in (
                    (*self.names, *self.numbers),
                    ["---"] * len(self.names) + ["---:"] * len(self.numbers),
                    *self.rows,
                )
            ),
        ]
        return "\n\n".join(lines) + "\n"


def error_section(
    errors: pd.DataFrame, split: str | None = None, noise: pd.DataFrame | None = None
) -> Section:
    """All scores of all models in one split.

    Args:
        errors: as ``surrogate.evaluate.errors`` by target, split and model.
        split: which one; the first if None.
        noise: as from ``surrogate.evaluate.noise_floor``, shown beside; none if empty.
    """
    split = split or str(errors["split"].iloc[0])
    rows = errors[errors["split"] == split]
    floor: dict[str, float] = {}
    if noise is not None and len(noise):
        floor = dict(zip(noise["target"], noise["noise_pct"], strict=True))
    points = int(rows["points"].iloc[0])
    dealt = f", cross-validated, dealt {DEALS} times" if split == "datapaths" else ""
    return Section(
        title=f"{split}: {points:,} points{dealt}",
        note=_sentence(PROMISES[split]) + f". {_NOTE}"
        + ("; chance is the noise of the measurements themselves, in %" if floor else ""),
        names=("target", "model"),
        numbers=(*(heading for heading, _ in _SCORES.values()), *(["chance"] if floor else [])),
        rows=[
            [
                row["target"],
                row["model"],
                *(_number(row[name], digits) for name, (_, digits) in _SCORES.items()),
                *([_number(floor.get(row["target"], np.nan))] if floor else []),
            ]
            for row in rows.to_dict("records")
        ],
    )  # fmt: skip


def summary_section(errors: pd.DataFrame) -> Section:
    """Mean errors of all models, the splits side by side."""
    rows = errors[errors["split"] != "sizes"]
    splits = list(rows["split"].unique())
    return _crossed(
        rows, across="split", columns=splits, title="Mean error by split",
        note="Mean absolute errors in %. " + ". ".join(
            f"{name}: {PROMISES[name]}" for name in splits),
    )  # fmt: skip


def terminal_sections(found: Assessment) -> Iterator[Section]:
    """What is printed: scores where datapaths are left out, the other splits' means, regret."""
    errors = found.errors()
    for split in ("datapaths", "test"):
        if split in set(errors["split"]):
            yield error_section(errors, split, found.noise)
    if set(errors["split"]) - {"datapaths", "sizes", "test"}:
        yield summary_section(errors)
    yield from _learning(found)
    yield from _regret(found)
    yield from _coverage(found)


def write_report(found: Assessment, path: Path) -> None:
    """Write everything as Markdown, from the results alone.

    Raises:
        InputError: if it cannot be written.
    """
    sections = [section.markdown() for section in _report_sections(found)]
    write_text(path, "\n".join([_heading(found), *sections]))


def _report_sections(found: Assessment) -> Iterator[Section]:
    errors = found.errors()
    splits = [name for name in errors["split"].unique() if name != "sizes"]
    if splits:
        yield summary_section(errors)
    for split in splits:
        yield error_section(errors, split, found.noise)
        if split in ("datapaths", "test"):
            yield _by_family(found, split)
        else:
            yield _by_part(found, split)
    yield from _learning(found)
    yield from _regret(found)
    yield from _coverage(found)
    if len(found.intervals):
        yield _coverage_section(
            coverage(found.intervals, by=("target", "family")),
            "Intervals by family",
            names=("target", "family"),
        )
    if len(found.noise):
        yield Section(
            title="Noise of the measurements",
            note="Mean absolute deviation in %, of points that were measured with several "
            "perturbations of the same RTL: what no model can foretell",
            names=("target",),
            numbers=("points", "measurements", "noise"),
            rows=[
                [row["target"], f"{row['points']:,}", f"{row['replicates']:,}",
                 _number(row["noise_pct"], 2)]
                for row in found.noise.to_dict("records")
            ],
        )  # fmt: skip


def _heading(found: Assessment) -> str:
    facts = {
        "measured points": f"{found.points:,}, of these {found.held_out:,} of datapaths that are "
        "held out for the last test",
        "dataset, SHA-256": f"`{found.dataset_digest}`",
        **{name.replace("_", " "): _facts(values) for name, values in found.origin.items()},
        "fitted with": ", ".join(f"{name} {version}" for name, version in found.versions.items()),
    }
    lines = [f"| {name} | {value} |" for name, value in facts.items()]
    return (
        "# How accurate the surrogates are\n\n"
        "Made by `peforge evaluate --report`, from measurements alone. Every error is of points "
        "whose model was\nfitted without them; no datapath is learnt from and tested, whatever its "
        "name (`surrogate/canonical.py`), but\nin `ranges`.\n\n"
        "| | |\n|---|---|\n" + "\n".join(lines) + "\n"
    )


def _facts(values: Sequence[str]) -> str:
    """Several values in a cell; of long ones, digests, the beginning."""
    return ", ".join(value if len(value) <= 120 else value[:60] for value in values)


def _by_family(found: Assessment, split: str) -> Section:
    rows = found.errors("family").query("split == @split")
    return _crossed(
        rows, across="family", columns=sorted(rows["family"].unique()),
        title=f"{split}: mean error by family", note="Mean absolute errors in %",
    )  # fmt: skip


def _by_part(found: Assessment, split: str) -> Section:
    """Of the first model, the surrogate unless others are asked for; a column for each target."""
    rows = found.errors("part").query("split == @split")
    model = rows["model"].iloc[0]
    rows = rows[rows["model"] == model]
    rows = rows.assign(left_out=[f"{r.part} ({r.points})" for r in rows.itertuples()])
    return _crossed(
        rows, across="target", columns=list(rows["target"].unique()), left=("left_out",),
        title=f"{split}: mean error of the {model} by what is left out",
        note="Mean absolute errors in %; points that are tested in brackets",
    )  # fmt: skip


def _learning(found: Assessment) -> Iterator[Section]:
    rows = found.errors("part").query("split == 'sizes'")
    if len(rows):
        yield _crossed(
            rows, across="part", columns=sorted(rows["part"].unique(), key=int),
            title="Mean error by points to learn from",
            note=_sentence(PROMISES["sizes"]) + ". Mean absolute errors in %",
        )  # fmt: skip


def _regret(found: Assessment) -> Iterator[Section]:
    if len(found.regret):
        yield Section(
            title=f"Regret of {QUERIES} queries: the least of one target, another within a bound",
            note=_REGRET_NOTE,
            names=("model",),
            numbers=list(_REGRET.values()),
            rows=[
                [row["model"], *(_number(row[name]) for name in _REGRET)]
                for row in found.regret.to_dict("records")
            ],
        )


def _coverage(found: Assessment) -> Iterator[Section]:
    if len(found.intervals):
        level = f"{100 * LEVEL:.0f} %"
        yield _coverage_section(
            coverage(found.intervals), f"Do {level} intervals hold, of datapaths not seen?"
        )
        yield _coverage_section(
            coverage(found.chosen),
            f"Do {level} intervals hold of what {QUERIES} queries chose?",
        )


def _coverage_section(
    rows: pd.DataFrame, title: str, names: tuple[str, ...] = ("target",)
) -> Section:
    return Section(
        title=title,
        note=_COVERAGE_NOTE,
        names=names,
        numbers=("points", *_COVERAGE.values()),
        rows=[
            [*(str(row[name]) for name in names), f"{row['points']:,}",
             *(_number(row[name]) for name in _COVERAGE)]
            for row in rows.to_dict("records")
        ],
    )  # fmt: skip


def _crossed(
    errors: pd.DataFrame,
    *,
    across: str,
    columns: Sequence[str],
    title: str,
    note: str,
    left: tuple[str, ...] = ("target", "model"),
) -> Section:
    """Mean errors: rows by ``left``, in the order of ``errors``; columns by ``across``."""
    values = errors.set_index([*left, across])["mape_pct"].to_dict()
    keys = dict.fromkeys(zip(*(errors[name] for name in left), strict=True))
    return Section(
        title=title,
        note=note,
        names=tuple(name.replace("_", " ") for name in left),
        numbers=columns,
        rows=[
            [*key, *(_number(values.get((*key, column), np.nan)) for column in columns)]
            for key in keys
        ],
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _number(value: float, digits: int = 1) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:,.{0 if abs(value) >= 1000 else digits}f}"
