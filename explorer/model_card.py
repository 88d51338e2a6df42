"""What a trained surrogate is, in Markdown: its data, its errors, and where it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from explorer.accuracy import error_section
from explorer.predicted_actions import error_lines
from rtl_gen.atomic import write_text
from surrogate.artifact import FORMAT_VERSION, Artifact
from surrogate.intervals import LEVEL
from surrogate.targets import TARGETS


def write_card(artifact: Artifact, model: Path, path: Path) -> None:
    """Write the card of a model.

    Args:
        model: file that it is in.

    Raises:
        InputError: if it cannot be written.
    """
    write_text(path, "\n".join(_lines(artifact, model)) + "\n")


def _lines(artifact: Artifact, model: Path) -> Iterator[str]:
    region = artifact.surrogate.region
    yield f"# Model card: {model.name}\n"
    yield (
        "Predicts processing elements of DNN accelerators without synthesizing them: a sum of "
        "physical parts,\ntimes factors that boosted trees have learnt. Made by `peforge train`; "
        "`peforge explain` takes a\nprediction apart.\n"
    )
    yield "| | |\n|---|---|"
    yield f"| measured points | {artifact.points:,}, {artifact.failed:,} others left out |"
    yield f"| dataset, SHA-256 | `{artifact.dataset_digest}` |"
    for name, values in artifact.origin.items():
        yield f"| {name.replace('_', ' ')} | {', '.join(values)} |"
    fitted = ", ".join(f"{name} {version}" for name, version in artifact.versions.items())
    yield f"| fitted with | {fitted} |"
    yield f"| format | {FORMAT_VERSION} |"
    yield (
        "| licence | of the program: that of peforge; of what was learnt: that of the "
        "measurements |\n"
    )
    yield "## What is predicted\n"
    yield "| target | unit | | trees |\n|---|---|---|---:|"
    for name, target in TARGETS.items():
        trees = artifact.surrogate.predictors[name].regressor.trees
        yield f"| {name} | {target.unit} | {target.what} | {trees} |"
    yield ""
    yield error_section(artifact.errors).markdown()
    yield (
        f"Intervals are to hold {100 * LEVEL:.0f} % of measurements (`peforge evaluate "
        "--intervals` tests that), of designs\nlike those that were measured. Of those that "
        "`outside` marks, neither error nor interval is known.\n"
    )
    if artifact.actions is not None:
        yield "## Energies per action\n"
        yield "\n".join(error_lines(artifact.actions)) + "\n"
    yield "## Where it holds\n"
    yield "| parameter | measured |\n|---|---|"
    for name, kinds in region.kinds.items():
        yield f"| {name} | {', '.join(kinds)} |"
    for name, ranges in region.numbers.items():
        each = "; ".join(f"{family} {low:g}..{high:g}" for family, (low, high) in ranges.items())
        yield f"| {name} | {each} |"
    yield ""
    yield (
        "Not everything within has been seen: pairs of the names above that were never measured "
        "together count\nas outside. Random variation of synthesis and placement is in every "
        "measurement, and cannot be predicted."
    )
