"""OpenROAD as a program: what it can do, how it is run, and its OpenSTA."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from characterize.openroad_tcl import NEEDED, USEFUL
from characterize.process import StepError, run_tool
from characterize.timing import Analyser
from characterize.toolchain import Tool, openroad_version
from rtl_gen.errors import InputError

PROGRAM = "openroad"
FLAGS = ("-no_init", "-no_splash", "-exit")
#: Threads that wait in a loop cost more than they bring on a machine with other work.
_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
_REMEDY = "put an OpenROAD (https://openroad.readthedocs.io) on PATH, or use flow placed"
_PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Openroad:
    """An OpenROAD that has the commands of the flow.

    Attributes:
        tool: the program, for records.
        has: which commands of options it has, of ``openroad_tcl.USEFUL``.
    """

    tool: Tool
    has: frozenset[str]


def probe(program: str = PROGRAM) -> Openroad:
    """Look for OpenROAD, and ask it which commands it has (a fraction of a second).

    Args:
        program: name on PATH, or a path.

    Raises:
        InputError: in one line, if it is missing, does not run, or lacks a needed command.
    """
    path = shutil.which(program)
    if path is None:
        raise InputError(f"{program} is not installed; {_REMEDY}")
    script = "".join(
        f'if {{[llength [info commands {name}]]}} {{ puts "peforge has {name}" }}\n'
        for name in (*NEEDED, *USEFUL)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "probe.tcl").write_text(script + 'puts "peforge probe_done"\nexit\n')
        try:
            version = openroad_version(
                run_tool([path, "-version"], folder=folder, log="v", timeout_s=60)
            )
            text = run_script([path, *FLAGS], "probe", folder, _PROBE_TIMEOUT_S)
        except StepError as error:
            raise InputError(f"{path} does not run: {error}") from None
    has = set(re.findall(r"^peforge has (\w+)$", text, flags=re.M))
    missing = [name for name in NEEDED if name not in has]
    if missing:
        raise InputError(
            f"{path} (version {version}) is too old: it has no {', '.join(missing[:3])}; {_REMEDY}"
        )
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Openroad(
        tool=Tool(name=PROGRAM, version=version, path=path, digest=digest, remedy=_REMEDY),
        has=frozenset(has & set(USEFUL)),
    )


def analyser(program: str = PROGRAM) -> Analyser:
    """OpenROAD's own OpenSTA for ``timing.tcl`` and ``power.tcl``, in a folder of this flow."""
    return Analyser(
        command=(program, *FLAGS),
        before="read_lef tech.lef\nread_lef cells.lef\n"
        "if {[file exists macros.lef]} { read_lef macros.lef }\n",
        environment=_ENVIRONMENT,
    )


def run_script(command: list[str], name: str, folder: Path, timeout_s: float) -> str:
    """Run ``name.tcl`` to its last line; returns what OpenROAD printed.

    Raises:
        StepError: with OpenROAD's first error message, if it has one.
    """
    log = f"{name}.log"
    try:
        text = run_tool(
            [*command, f"{name}.tcl"],
            folder=folder,
            log=log,
            timeout_s=timeout_s,
            environment=_ENVIRONMENT,
        )
    except StepError:
        if (folder / log).exists():
            _raise_first_error((folder / log).read_text(encoding="utf-8", errors="replace"))
        raise
    _raise_first_error(text)
    if f"peforge {name}_done" not in text.splitlines():
        raise StepError(f"openroad ended before the end of {name}.tcl")
    return text


def _raise_first_error(text: str) -> None:
    found = re.search(r"^\[ERROR \w+-\d+\].*$", text, flags=re.M)
    if found:
        raise StepError(f"openroad: {found[0][:300]}")
