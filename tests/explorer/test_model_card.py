"""The card says what the model is."""

from __future__ import annotations

from pathlib import Path

from explorer.model_card import write_card
from surrogate.artifact import Artifact
from surrogate.targets import TARGETS


def test_the_card_has_data_errors_and_range(artifact: Artifact, tmp_path: Path) -> None:
    write_card(artifact, tmp_path / "model.json", tmp_path / "model.md")
    text = (tmp_path / "model.md").read_text()
    lines = text.splitlines()
    assert lines[0] == "# Model card: model.json"
    assert f"| measured points | {artifact.points:,}, 0 others left out |" in lines
    assert f"| dataset, SHA-256 | `{artifact.dataset_digest}` |" in lines
    assert sum(line.startswith("| area_um2 | surrogate |") for line in lines) == 1
    for target in TARGETS:
        assert any(line.startswith(f"| {target} | ") for line in lines)
    low, high = artifact.surrogate.region.numbers["filter_depth"]["int"]
    assert f"int {low:g}..{high:g}" in text
    assert f"| scratchpad | {', '.join(artifact.surrogate.region.kinds['scratchpad'])} |" in lines
