"""Is a platform complete? Every entry of its file held against the kit, then a small PE through it.

Loading a platform stops at the first thing that is wrong, for a campaign needs all of them right.
Here all are listed.
"""

from __future__ import annotations

import itertools
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from characterize.lef import Macro
from characterize.liberty import LibraryCell, read_cells, verilog
from characterize.measurement import Point
from characterize.platform import (
    FLOP_PS,
    Platform,
    configs_dir,
    entry_problems,
    find_platform,
    load_platform,
    role_problems,
    root_folder,
)
from characterize.platform_values import range_problems, value_problems
from characterize.process import StepError
from characterize.simulate import cell_models
from explorer.campaigns import measure_points
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import DEFAULT_PERIOD_PS, PERIOD_PS, load_yaml

#: The PE that is measured: INT4 with the scratchpads of the smallest layers.
SMALL_PE = {"ifmap_depth": 6, "filter_depth": 16, "psum_depth": 4}

#: Share by which the area of a cell in Liberty may differ from its outline in LEF.
_AREA_TOLERANCE = 0.05
#: Share of the cells of the small PE in which so many pins may be slower than the limit: ASAP7 has
#: some, a limit that the kit cannot meet has thousands.
_SLOW_PINS = 0.1
#: Names that are listed of many.
_LISTED = 5

#: The function that a role must have, in terms of its pins.
_FUNCTIONS: dict[str, Callable[..., int]] = {
    "clock_buffer": lambda a: a,
    "buffer": lambda a: a,
    "driver": lambda a: a,
    "invert": lambda a: 1 - a,
    "and2": lambda a, b: a & b,
    "or2": lambda a, b: a | b,
    "tie_high": lambda: 1,
    "tie_low": lambda: 0,
}


@dataclass(frozen=True, kw_only=True)
class PlatformReport:
    """What was found.

    Attributes:
        platform, corner: of the file; "" if it does not say.
        source: the file.
        problems: what is missing or wrong, a line each.
        pe: name of the small PE, and its metrics; empty if it was not measured.
        period_ps: that it was made for.
    """

    platform: str
    corner: str
    source: Path
    problems: tuple[str, ...]
    pe: Mapping[str, float]
    period_ps: int

    @property
    def ok(self) -> bool:
        """Nothing is missing, and the PE was measured."""
        return not self.problems and bool(self.pe)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.ok,
            "platform": self.platform,
            "corner": self.corner,
            "source": str(self.source),
            "problems": list(self.problems),
            "period_ps": self.period_ps,
            "pe": dict(self.pe),
        }


def check_platform(name_or_file: str) -> PlatformReport:
    """List what is missing; where nothing is, measure a small PE.

    Raises:
        InputError: if the file cannot be read or is no YAML mapping, or a tool is missing.
    """
    path = find_platform(name_or_file)
    document = load_yaml(path)
    if not isinstance(document, dict):
        raise InputError(f"{path}: a platform must be a mapping")
    platform, problems = _look(path, document)
    metrics: Mapping[str, float] = {}
    if platform is not None and not problems:
        metrics, reason = _measure(name_or_file, _period_ps(platform))
        problems = [f"the small PE did not get through the flow: {reason}"] if reason else []
        problems += _slew_problems(metrics, platform)
    return PlatformReport(
        platform=str(document.get("name", "")),
        corner=platform.corner if platform else str(document.get("corner", "")),
        source=path,
        problems=tuple(problems),
        pe=metrics,
        period_ps=_period_ps(platform),
    )


def _look(path: Path, document: Mapping[str, Any]) -> tuple[Platform | None, list[str]]:
    """The platform, if it can be loaded, and all that is wrong with it."""
    problems = list(entry_problems(document))
    entries = document.get("cells")
    if isinstance(entries, dict):
        problems += role_problems(entries)
    problems += _file_problems(path, document)
    problems += value_problems(document)
    problems += _name_problems(document)
    problems += range_problems(document)
    platform: Platform | None = None
    try:
        platform = load_platform(str(path))
        libraries = {"": platform.cells()}
        libraries.update({use: read_cells(file) for use, file in platform.corners.items()})
    except InputError as error:
        line = str(error).removeprefix(f"{path}: ")
        follows = problems and "an entry is not as expected" in line
        if not follows and not any(problem in line for problem in problems):
            problems.append(line)
        return None, list(dict.fromkeys(problems))
    for use, cells in libraries.items():
        where = f"the Liberty file of corner {use}" if use else "the Liberty file"
        problems += _role_cell_problems(platform, cells, where)
    problems += _library_problems(platform, left_out=bool(document.get("dont_use")))
    return platform, list(dict.fromkeys(problems))


def _file_problems(path: Path, document: Mapping[str, Any]) -> Iterator[str]:
    """Files that cannot be read."""
    try:
        root = root_folder(path, document["root"])
    except InputError as error:
        yield str(error).removeprefix(f"{path}: ")
        return
    except (KeyError, TypeError, AttributeError, ValueError):
        return  # told with the entries
    corners = document.get("corners")
    named = [("liberty", document.get("liberty")), ("cell_lef", document.get("cell_lef"))]
    named += [
        (f"corners: {use}: liberty", entry.get("liberty"))
        for use, entry in (corners.items() if isinstance(corners, dict) else ())
        if isinstance(entry, dict)
    ]
    for key, entry in named:
        for name in entry if isinstance(entry, list) else [entry]:
            if isinstance(name, str) and (why := _unreadable(root / name)):
                yield f"{key} {root / name} cannot be read: {why}"


def _unreadable(path: Path) -> str:
    """Why a file cannot be read, or ""."""
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _name_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """The name of a shipped platform, by which its measurements go, but not what that is."""
    name = str(document.get("name"))
    folder = configs_dir() / "platforms"
    if name not in [path.stem for path in folder.glob("*.yaml")]:
        return
    shipped = load_yaml(folder / f"{name}.yaml")
    keys = sorted(
        str(key)
        for key in {*shipped, *document}
        if key not in shipped or key not in document or shipped[key] != document[key]
    )
    if keys:
        yield (
            f"name {name} is that of a shipped platform, which has other {_some(keys)}; "
            "take another name"
        )


def _uses(platform: Platform) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Each cell with a role: how messages call it, the role, the cell, and its pins."""
    for role, entry in platform.roles.items():
        if not isinstance(entry, Mapping):
            continue
        for part, pins in entry.get("parts", {}).items():
            yield f"cells: {role}: {part}", part, pins["cell"], pins
        names = [entry["cell"]] if "cell" in entry else []
        names += [*entry.get("cells", ()), *entry.get("larger", ())]
        for name in names if "parts" not in entry else ():
            yield f"cells: {role}", role, name, entry


def _pins(entry: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Input and output pins of a role."""
    outputs = [entry[key] for key in ("output", "gated_clock", "pin") if key in entry]
    keys = ("input", "clock", "enable", "gate", "data")
    inputs = [*entry.get("inputs", ()), *(entry[key] for key in keys if key in entry)]
    return [*inputs, *entry.get("tied", {})], outputs


def _role_cell_problems(
    platform: Platform, cells: Mapping[str, LibraryCell], where: str
) -> Iterator[str]:
    """Roles whose cells are not in a library, or are not what the role needs."""
    macros = platform.macros()
    for what, role, name, entry in _uses(platform):
        if name not in cells:
            yield f"{what}: {name} is not in {where}"
            continue
        if name not in macros:
            yield f"{what}: {name} is not in the LEF file"
            continue
        yield from _cell_problems(what, role, platform.cells().get(name, cells[name]), entry)
        inputs, outputs = _pins(entry)
        for pin in (*inputs, *outputs):
            known = pin in cells[name].inputs or pin in cells[name].outputs
            if known and pin not in macros[name].pins:
                yield f"{what}: pin {pin} of {name} is not in the LEF file"


def _cell_problems(
    what: str, role: str, cell: LibraryCell, entry: Mapping[str, Any]
) -> Iterator[str]:
    inputs, outputs = _pins(entry)
    missing = [pin for pin in inputs if pin not in cell.inputs]
    missing += [pin for pin in outputs if pin not in cell.outputs]
    for pin in missing:
        known = ", ".join((*cell.inputs, *cell.outputs))
        yield f"{what}: {cell.name} has no pin {pin}; it has {known}"
    if missing:
        return
    free = [pin for pin in cell.inputs if pin not in inputs]
    if free:
        yield f"{what}: input {free[0]} of {cell.name} is nothing's; tie it, or take another cell"
        return
    if role in _FUNCTIONS and not _acts_as(cell, role, inputs, outputs[0]):
        function = cell.outputs[outputs[0]] or "nothing"
        yield f"{what}: {outputs[0]} of {cell.name} is {function}, not that of {role}"
    if role in ("clock_gate", "clock_buffer", "buffer", "driver") and not cell.max_load_ff:
        yield f"{what}: {cell.name} has no max_capacitance, by which it is sized"
    if role == "clock_gate" and cell.clock_gate_pins != (entry["clock"], entry["enable"]):
        yield f"{what}: {cell.name} is no clock gate (latch_posedge) of these pins"
    if role == "flop" and not (cell.is_flop and cell.clocked_on == entry["clock"]):
        yield f"{what}: {cell.name} is no flip-flop that {entry['clock']} clocks, without a reset"
    if role == "latch" and not (cell.is_latch and cell.open_while == entry["gate"]):
        yield f"{what}: {cell.name} is no latch that is open while {entry['gate']} is high"
    try:
        cell_models([cell])
    except StepError as error:
        yield f"{what}: {error}"


def _acts_as(cell: LibraryCell, role: str, inputs: Sequence[str], output: str) -> bool:
    """The cell's output has the function of the role, for all values of its inputs."""
    text = verilog(cell.outputs[output])
    if not re.fullmatch(r"[\w\s&|^~()]+", text):
        return False
    wanted = _FUNCTIONS[role]
    for values in itertools.product((0, 1), repeat=len(inputs)):
        names = dict(zip(inputs, values, strict=True))
        try:
            found = eval(text, {"__builtins__": {}}, names) & 1
        except (NameError, SyntaxError, TypeError):
            return False
        if found != wanted(*values):
            return False
    return True


def _library_problems(platform: Platform, *, left_out: bool) -> Iterator[str]:
    """Logic has no inverter, or cells that have no outline, or areas that differ from it."""
    macros = platform.macros()
    logic = [c for c in platform.cells().values() if c.is_logic and not c.dont_use and c.inputs]
    if not any(_inverts(cell) for cell in logic):
        which = "dont_use leaves" if left_out else "the Liberty file has"
        yield f"{which} {len(logic)} cells for logic and no inverter among them"
    lost = sorted(cell.name for cell in logic if cell.name not in macros)
    if lost:
        yield f"{len(lost)} cells are not in the LEF file: {_some(lost)}; name them in dont_use"
    odd = [
        cell.name for cell in logic if cell.name in macros and not _fits(cell, macros[cell.name])
    ]
    if odd:
        yield (
            f"the areas of {len(odd)} cells are not those of their outlines: {_some(odd)}; "
            "if those in Liberty are wrong, say areas: lef"
        )


def _inverts(cell: LibraryCell) -> bool:
    if len(cell.inputs) != 1 or len(cell.outputs) != 1:
        return False
    return _acts_as(cell, "invert", cell.inputs, next(iter(cell.outputs)))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _fits(cell: LibraryCell, outline: Macro) -> bool:
    area = outline.width_um * outline.height_um
    return math.isclose(cell.area_um2, area, rel_tol=_AREA_TOLERANCE)


def _period_ps(platform: Platform | None) -> int:
    """What the small PE is made for: 2 ns at 45 nm, as much longer as flip-flops are slower."""
    scale = platform.flop_ps / FLOP_PS if platform else 1.0
    return max(PERIOD_PS[0], min(PERIOD_PS[1], round(DEFAULT_PERIOD_PS * scale)))


def _measure(platform: str, period_ps: int) -> tuple[Mapping[str, float], str]:
    """Metrics of the small PE, or why there are none."""
    point = Point(design=PEDesign.preset("INT4", **SMALL_PE), period_ps=period_ps)
    with tempfile.TemporaryDirectory() as folder:
        (measured,) = measure_points(
            [point], store=Path(folder), dataset=None, jobs=1, platform=platform, quiet=True
        ).measurements
    return measured.metrics, measured.reason


def _slew_problems(metrics: Mapping[str, float], platform: Platform) -> Iterator[str]:
    """A limit that the kit cannot meet."""
    slow, cells = metrics.get("slew_violations", 0), metrics.get("cells", 0)
    if slow > _SLOW_PINS * cells:
        yield (
            f"max_slew_ps: {slow:,.0f} pins of the small PE, of {cells:,.0f} cells, are slower "
            f"than {platform.max_slew_ps:g} ps"
        )


def platform_table(report: PlatformReport) -> Table:
    """The small PE on the platform."""
    table = Table("metric", "value", title=f"{report.platform}: {report.corner}")
    for name, digits, unit in (
        ("area_um2", 0, "um2"), ("least_period_ps", 0, "ps"), ("hold_slack_ps", 0, "ps"),
        ("energy_per_mac_pj", 3, "pJ"), ("leakage_uw", 4, "uW"), ("clock_skew_ps", 0, "ps"),
        ("slew_violations", 0, "pins"), ("load_violations", 0, "outputs"),
    ):  # fmt: skip
        table.add_row(name, f"{report.pe[name]:,.{digits}f} {unit}")
    return table
