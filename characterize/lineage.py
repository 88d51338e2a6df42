"""Which code gives the same results as code before it, proven by measuring again.

What decides a measurement is hashed, the flow's Python code with it: any change of it makes every
measurement stale; so for the code of energies per action. Where points that are measured again by
the changed code give the very same numbers, `peforge store same` writes that down here, and
measurements of the older code stay good.
"""

from __future__ import annotations

import functools
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("lineage.yaml")


def lasting(digest: str) -> str:
    """The digest of the oldest code whose results this code is known to give; else its own."""
    return older().get(digest, digest)


@functools.cache
def older() -> dict[str, str]:
    """What the notes say: the digest of code to that of the oldest with its results."""
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8")) or []
    return {entry["code"]: entry["same_as"] for entry in entries}
