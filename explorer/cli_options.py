"""What verbs share: where tables are printed, options and default files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

#: A file or a pipe is as wide as need be.
out = Console(width=None if sys.stdout.isatty() else 200)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def progress_bar(*, quiet: bool) -> Progress:
    """A progress bar that goes away when it is done; none but on a terminal."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=quiet or not console.is_terminal)


#: Trained surrogates, where ``peforge train`` writes them.
MODEL = Path("build/surrogate.json")
