"""What a platform says about place and route with OpenROAD: its entry ``openroad``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtl_gen.errors import InputError

_KEYS = (
    "tech_lef", "site", "margin_um", "tracks", "routing", "pin_layers", "clock_buffers",
)  # fmt: skip
_OPTIONAL = ("dont_use", "tap", "power")


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """Routing tracks of one layer: offset and pitch in x and in y, um."""

    layer: str
    x_um: tuple[float, float]
    y_um: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Strap:
    """Power straps of one layer, um."""

    layer: str
    width_um: float
    pitch_um: float
    offset_um: float


@dataclass(frozen=True, kw_only=True)
class PowerGrid:
    """Rails along the rows, and straps above them, each layer joined to the one before.

    Attributes:
        power, ground: nets, and the cells' pins of the same name.
        rail_layer, rail_width_um: of the rails.
        straps: from the lowest layer up.
    """

    power: str
    ground: str
    rail_layer: str
    rail_width_um: float
    straps: tuple[Strap, ...]


@dataclass(frozen=True, kw_only=True)
class OpenroadKit:
    """A process kit as OpenROAD needs it.

    Attributes:
        tech_lef, tech_digest: layers, vias and the site; SHA-256 of the file.
        site, site_um: name, and width and height.
        margin_um: between the core and the edge of the die, in x and in y.
        tracks: of every routing layer.
        lowest, highest: layers for nets.
        reserved: share of their tracks that global routing leaves free.
        pin_layers: of the ports at the left and right edge, and at the lower and upper edge.
        root, leaves: buffers of the clock tree.
        dont_use: patterns of cells that are not for loads and timing.
        tap: cell and distance in um, or None.
        power: or None.
    """

    tech_lef: Path
    tech_digest: str
    site: str
    site_um: tuple[float, float]
    margin_um: tuple[float, float]
    tracks: tuple[Tracks, ...]
    lowest: str
    highest: str
    reserved: float
    pin_layers: tuple[str, str]
    root: str
    leaves: tuple[str, ...]
    dont_use: tuple[str, ...]
    tap: tuple[str, float] | None
    power: PowerGrid | None


def read_kit(
    entry: object, path: Path, root: Path, layers: Sequence[str], cells: Sequence[str]
) -> OpenroadKit:
    """The entry ``openroad`` of a platform file.

    Args:
        path: of the platform file, for messages.
        root: folder of the kit's files.
        layers: of the platform.
        cells: of the kit's LEF file, by name.

    Raises:
        InputError: naming what is missing or wrong.
    """
    if not isinstance(entry, dict):
        raise InputError(f"{path}: openroad must be a mapping, not {entry!r}")
    for key in entry:
        if key not in (*_KEYS, *_OPTIONAL):
            raise InputError(f"{path}: openroad: {key!r} is not an entry of it")
    for key in _KEYS:
        if key not in entry:
            raise InputError(f"{path}: openroad needs {key}")
    try:
        kit = _build(entry, path, root)
    except KeyError as error:
        raise InputError(f"{path}: openroad needs {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: openroad: an entry is not as expected: {error}") from None
    _check(kit, path, layers, cells)
    return kit


def _build(entry: Mapping[str, Any], path: Path, root: Path) -> OpenroadKit:
    tech_lef = root / entry["tech_lef"]
    site = str(entry["site"])
    try:
        tech = tech_lef.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: openroad: tech_lef {tech_lef} cannot be read: {error.strerror}"
        ) from None
    tap = entry.get("tap")
    return OpenroadKit(
        tech_lef=tech_lef,
        tech_digest=hashlib.sha256(tech.encode()).hexdigest(),
        site=site,
        site_um=_site_um(tech, site, f"{path}: openroad: {tech_lef.name}"),
        margin_um=(float(entry["margin_um"]["x"]), float(entry["margin_um"]["y"])),
        tracks=tuple(
            Tracks(layer=layer, x_um=_pair(tracks["x"]), y_um=_pair(tracks["y"]))
            for layer, tracks in entry["tracks"].items()
        ),
        lowest=entry["routing"]["lowest"],
        highest=entry["routing"]["highest"],
        reserved=float(entry["routing"]["reserved"]),
        pin_layers=(entry["pin_layers"]["horizontal"], entry["pin_layers"]["vertical"]),
        root=entry["clock_buffers"]["root"],
        leaves=tuple(entry["clock_buffers"]["leaves"]),
        dont_use=tuple(entry.get("dont_use", ())),
        tap=(str(tap["cell"]), float(tap["distance_um"])) if tap else None,
        power=_power(entry["power"]) if entry.get("power") else None,
    )


def _power(entry: Mapping[str, Any]) -> PowerGrid:
    return PowerGrid(
        power=entry["nets"]["power"],
        ground=entry["nets"]["ground"],
        rail_layer=entry["rails"]["layer"],
        rail_width_um=float(entry["rails"]["width_um"]),
        straps=tuple(
            Strap(
                layer=strap["layer"],
                width_um=float(strap["width_um"]),
                pitch_um=float(strap["pitch_um"]),
                offset_um=float(strap["offset_um"]),
            )
            for strap in entry.get("straps", ())
        ),
    )


def _pair(values: Sequence[Any]) -> tuple[float, float]:
    offset, pitch = values
    return float(offset), float(pitch)


def _site_um(tech: str, site: str, source: str) -> tuple[float, float]:
    pattern = rf"^\s*SITE\s+{re.escape(site)}\s.*?\bSIZE\s+(\S+)\s+BY\s+(\S+)"
    found = re.search(pattern, tech, flags=re.M | re.S)
    if found is None:
        raise InputError(f"{source} has no site {site}")
    return float(found[1]), float(found[2])


def _check(kit: OpenroadKit, path: Path, layers: Sequence[str], cells: Sequence[str]) -> None:
    """Layers are of the platform, cells of the kit, and shares below 1."""
    named = [tracks.layer for tracks in kit.tracks] + [kit.lowest, kit.highest, *kit.pin_layers]
    if kit.power:
        named += [kit.power.rail_layer, *(strap.layer for strap in kit.power.straps)]
    for layer in named:
        if layer not in layers:
            raise InputError(f"{path}: openroad: {layer!r} is not a layer of the platform")
    for cell in (kit.root, *kit.leaves, *((kit.tap[0],) if kit.tap else ())):
        if cell not in cells:
            raise InputError(f"{path}: openroad: {cell!r} is not a cell of the kit")
    if not 0 <= kit.reserved < 1:
        raise InputError(f"{path}: openroad: reserved must be 0 to below 1, not {kit.reserved!r}")
