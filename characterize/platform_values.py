"""What the values of a platform file must be: kinds that loading needs, ranges of real processes.

``characterize.platform`` refuses what is of the wrong kind, ``explorer.platform_check`` what no
process has, too. An entry that is not there is not looked at here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from rtl_gen.errors import shown

DIRECTIONS = ("horizontal", "vertical")

#: Real processes, from 7 nm to 0.5 um, are well within these.
_RANGES = {
    "voltage_v": (0.1, 20),
    "load_ff": (0.01, 10_000),
    "max_slew_ps": (1, 100_000),
    "clock_slew_ps": (0.1, 100_000),
    "max_fanout": (2, 1000),
    "flop_ps": (1, 100_000),
    "hold_buffer_ps": (0.1, 100_000),
    "node_nm": (1, 10_000),
}
#: Wires are within these, per um: the lowest layer of ASAP7 has 70 Ohm, the highest of FreePDK45
#: 0.04; capacitances are about 0.05-0.7 fF.
_WIRES = {"ohm_per_um": (0.001, 200), "ff_per_um": (0.01, 2)}
_MOST_VIA_OHM = 10_000
_TRACKS_PER_UM = (0.01, 1000)

#: Where a kit's files may be: the keys of ``root``.
_ROOTS = (
    "root must be {folder: F}, {package: P, folder: F} or {environment: VARIABLE, folder: F}, "
    "each a text, not "
)


def value_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Values that are not what the platform could be made of."""
    yield from _name_problems(document)
    yield from _file_entry_problems(document)
    for key in _RANGES:
        if key in document and not (is_number(document[key]) and document[key] > 0):
            yield f"{key} must be a number above 0, not {shown(document[key])}"
    fanout = document.get("max_fanout", 1)
    if is_number(fanout) and fanout > 0 and fanout % 1:
        yield f"max_fanout must be an integer, not {shown(fanout)}"
    if "layers" in document:
        yield from _layers_problems(document["layers"])
    if "signal_layers" in document:
        yield from _signal_problems(document["signal_layers"], document.get("layers"))
    if "tracks_per_um" in document:
        yield from _track_problems(document["tracks_per_um"])


def range_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Numbers that no process has."""
    for key, ends in _RANGES.items():
        value = document.get(key)
        if not is_number(value) or value <= 0 or (key == "max_fanout" and value % 1):
            continue  # told by ``value_problems``
        if not _within(value, ends):
            yield f"{key} must be {_span(ends)}, not {value!r}"
    limit, clock = document.get("max_slew_ps"), document.get("clock_slew_ps")
    if is_number(limit) and is_number(clock) and _RANGES["max_slew_ps"][0] <= limit < clock:
        yield f"max_slew_ps must be at least clock_slew_ps, {clock!r}, not {limit!r}"
    signal = _mapping(document.get("signal_layers"))
    used = [str(signal.get(direction)) for direction in DIRECTIONS]
    layers = _mapping(document.get("layers"))
    for name, layer in layers.items():
        yield from _wire_problems(name, _mapping(layer), used=name in used)
    for direction in DIRECTIONS:
        layer = _mapping(layers.get(str(signal.get(direction))))
        if layer and layer.get("direction") != direction:
            yield f"signal_layers: {direction}: {signal[direction]} is {layer.get('direction')}"
    for key in ("pin_ohm", "bend_ohm"):
        if is_number(ohm := signal.get(key)) and ohm > _MOST_VIA_OHM:
            yield f"signal_layers: {key} must be at most {_MOST_VIA_OHM}, not {ohm!r}"
    tracks = _mapping(document.get("tracks_per_um"))
    for direction in DIRECTIONS:
        value = tracks.get(direction)
        if is_number(value) and value > 0 and not _within(value, _TRACKS_PER_UM):
            yield f"tracks_per_um: {direction} must be {_span(_TRACKS_PER_UM)}, not {value!r}"


def is_number(value: object) -> TypeGuard[float]:
    """An integer or a float that is finite; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(value: float, ends: tuple[float, float]) -> bool:
    return ends[0] <= value <= ends[1]


def _span(ends: tuple[float, float]) -> str:
    return f"from {ends[0]} to {ends[1]}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _name_problems(document: Mapping[str, Any]) -> Iterator[str]:
    name = document.get("name", "none")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        yield (
            "name must be of letters, digits, _, - and ., a letter or digit first, not "
            f"{shown(name)}"
        )


def _file_entry_problems(document: Mapping[str, Any]) -> Iterator[str]:
    if "root" in document:
        yield from _root_problems(document["root"])
    liberty = document.get("liberty", "")
    if not _is_file_entry(liberty):
        yield f"liberty must name a file, or several, not {shown(liberty)}"
    if not isinstance(document.get("cell_lef", ""), str):
        yield f"cell_lef must name a file, not {shown(document['cell_lef'])}"
    patterns = document.get("dont_use", [])
    if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
        yield f"dont_use must be a list of patterns, not {shown(patterns)}"
    if not isinstance(document.get("cells", {}), Mapping):
        yield f"cells must be a mapping of roles, not {shown(document['cells'])}"
    corners = document.get("corners", {})
    if not isinstance(corners, Mapping):
        yield f"corners must be a mapping, not {shown(corners)}"
    for use, entry in _mapping(corners).items():
        if not isinstance(entry, Mapping):
            yield f"corners: {use} needs name, liberty"
        elif not _is_file_entry(entry.get("liberty", "")):
            given = shown(entry["liberty"])
            yield f"corners: {use}: liberty must name a file, or several, not {given}"


def _is_file_entry(entry: object) -> bool:
    names = entry if isinstance(entry, list) else [entry]
    return bool(names) and all(isinstance(name, str) for name in names)


def _root_problems(root: object) -> Iterator[str]:
    keys = _mapping(root)
    needed = ("environment",) if "environment" in keys else ("folder",)
    named = [keys.get(key) for key in (*needed, *keys)]
    if not keys or not all(isinstance(value, str) for value in named):
        yield f"{_ROOTS}{shown(root)}"


def _layers_problems(layers: object) -> Iterator[str]:
    if not isinstance(layers, Mapping) or not layers:
        yield f"layers must be a mapping of routing layers, not {shown(layers)}"
    for name, layer in _mapping(layers).items():
        if not isinstance(layer, Mapping):
            yield f"layers: {name} must be a mapping, not {shown(layer)}"
            continue
        if layer.get("direction") not in DIRECTIONS:
            given = shown(layer.get("direction"))
            yield f"layers: {name}: direction must be one of {', '.join(DIRECTIONS)}, not {given}"
        for key in _WIRES:
            if not is_number(layer.get(key)) or layer[key] < 0:
                yield f"layers: {name}: {key} must be a number, not {shown(layer.get(key))}"


def _signal_problems(signal: object, layers: object) -> Iterator[str]:
    if not isinstance(signal, Mapping):
        yield f"signal_layers must be a mapping, not {shown(signal)}"
        return
    names = [str(name) for name in _mapping(layers)]
    for direction in DIRECTIONS:
        given = signal.get(direction)
        if names and given not in names:
            allowed = ", ".join(names)
            yield f"signal_layers: {direction} must be one of {allowed}, not {shown(given)}"
    for key in ("pin_ohm", "bend_ohm"):
        if not is_number(signal.get(key)) or signal[key] < 0:
            yield f"signal_layers: {key} must be a number of Ohm, not {shown(signal.get(key))}"


def _track_problems(tracks: object) -> Iterator[str]:
    if not isinstance(tracks, Mapping):
        yield f"tracks_per_um must be a mapping of {', '.join(DIRECTIONS)}, not {shown(tracks)}"
        return
    for direction in DIRECTIONS:
        value = tracks.get(direction)
        if not is_number(value) or value <= 0:
            yield f"tracks_per_um: {direction} must be a number above 0, not {shown(value)}"


def _wire_problems(name: object, layer: Mapping[str, Any], *, used: bool) -> Iterator[str]:
    """A layer is like those of real processes; one that has no wires may have no capacitance."""
    for key, ends in _WIRES.items():
        value = layer.get(key)
        if not is_number(value) or value < 0 or _within(value, ends):
            continue
        none = "0 or " if key == "ff_per_um" and not used else ""
        if value or not none:
            yield f"layers: {name}: {key} must be {none}{_span(ends)}, not {value!r}"
