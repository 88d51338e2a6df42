"""``Accelerator``: memory levels, PEs, network, DRAM and clock; from presets and YAML files.

Plain data: what it costs is in ``explorer.accelerators.energies``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from characterize.platform import configs_dir, find_platform
from explorer.accelerators import pe as pes
from explorer.accelerators.chain import ordered
from explorer.accelerators.dram import Dram, dram_of, known_drams
from explorer.accelerators.hierarchy import TENSORS, Hierarchy, Level
from explorer.accelerators.memories import TRANSISTORS
from explorer.accelerators.sparsity import Sparsity
from explorer.networks.layer import BITS, check_keys
from rtl_gen.array.design import BUSES, ArrayDesign
from rtl_gen.design import PEDesign, check_parameter_names
from rtl_gen.errors import InputError, nearest, require_choice, require_int, shown
from rtl_gen.requantize import SCALE_BITS
from rtl_gen.space import PERIOD_PS, load_yaml

#: ``padded``: a memory word holds whole values; ``dense``: values follow each other without gaps.
PACKINGS = ("padded", "dense")
#: ``array``: multicast buses, senders and controller, as ``peforge rtl --array`` makes them, as far
#: as measured arrays tell; ``wires``: neighbours alone, nothing but wires counts.
NETWORKS = ("array", "wires")

_MOST_LANES = 4096


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network on chip below the outermost level on it.

    Attributes:
        kind: of ``NETWORKS``.
        ifmap_buses, filter_buses, psum_buses, scale_bits: of an ``array``, as
            ``rtl_gen.array.design.ArrayDesign`` has them.

    Raises:
        InputError: on a value out of range.
    """

    kind: str = "wires"
    ifmap_buses: int = 1
    filter_buses: int = 1
    psum_buses: int = 1
    scale_bits: int = 16

    def __post_init__(self) -> None:
        require_choice("network: kind", self.kind, NETWORKS)
        for name in ("ifmap_buses", "filter_buses", "psum_buses"):
            value = getattr(self, name)
            if type(value) is not int or value not in BUSES:
                raise InputError(
                    f"network: {name} must be one of {', '.join(map(str, BUSES))}, not "
                    f"{shown(value)}"
                )
        require_int("network: scale_bits", self.scale_bits, *SCALE_BITS)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Network:
        """A network from named values.

        Raises:
            InputError: on an unknown name, or a value out of range.
        """
        check_keys("network", values, [f.name for f in fields(cls)])
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """Memory levels over an array of PEs.

    Attributes:
        name: as results name it.
        hierarchy: its levels. One of kind ``scratchpad`` is a scratchpad of ``pe``; memories that
            are not are ``sram``.
        pe: the design of each MAC unit with its own scratchpads; None if ``energies`` says all.
        pe_period_ps: clock period that the PE is made for.
        period_ps: clock period.
        packing: of values in memory words, one of ``PACKINGS``. The PE's own scratchpads hold one
            value in a word, or those of one cycle.
        macs_per_pe: MAC units, of the innermost, that are called one PE.
        psum_bits: of a partial sum; that of ``pe``, unless there is none.
        dram: what moves to and from the outermost level costs; None if that is on the chip.
        network: on the chip.
        energies: a user's table of energies, which then counts alone.
        platform: process kit by name or path.
        sram_transistors: of the SRAMs, of ``memories.TRANSISTORS``.
        sparsity: what zeros save.

    Raises:
        InputError: if parts do not fit each other, or one is out of range.
    """

    name: str
    hierarchy: Hierarchy
    pe: PEDesign | None = None
    pe_period_ps: int | None = None
    period_ps: int
    packing: str = PACKINGS[0]
    macs_per_pe: int = 1
    psum_bits: int
    dram: Dram | None = None
    network: Network = field(default_factory=Network)
    energies: Path | None = None
    platform: str = "freepdk45"
    sram_transistors: str = TRANSISTORS[0]
    sparsity: Sparsity = field(default_factory=Sparsity)

    def __post_init__(self) -> None:
        for name in ("name", "platform"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.isprintable() or not text:
                raise InputError(f"{name} must be a text of one line, not {shown(text)}")
        find_platform(self.platform)
        require_int("period_ps", self.period_ps, *PERIOD_PS)
        require_choice("packing", self.packing, PACKINGS)
        require_choice("sram_transistors", self.sram_transistors, TRANSISTORS)
        require_int("macs_per_pe", self.macs_per_pe, 1, _MOST_LANES)
        require_int("psum_bits", self.psum_bits, 1, 64)
        if self.pe is None and self.energies is None:
            raise InputError("energies are missing: an accelerator needs pe, or energies")
        if self.mac_units % self.macs_per_pe:
            raise InputError(
                f"macs_per_pe = {self.macs_per_pe} must divide the {self.mac_units} MAC units"
            )
        for level in self.hierarchy.levels:
            _check_level(level)
        _check_dram(self.hierarchy, self.dram)
        self._check_pe()

    def _check_pe(self) -> None:
        if self.pe is None:
            return
        period = require_int("pe: period_ps", self.pe_period_ps, *PERIOD_PS)
        if period > self.period_ps:
            raise InputError(
                f"pe: period_ps = {period} must be at most the accelerator's period_ps = "
                f"{self.period_ps}"
            )
        if self.psum_bits != self.pe.psum_bits:
            raise InputError(
                f"psum_bits = {self.psum_bits} must be the PE's {self.pe.psum_bits}, or be left out"
            )
        seen: dict[str, str] = {}
        for index, level in enumerate(self.hierarchy.levels):
            if level.kind == "scratchpad":
                self._check_scratchpad(index, seen)
        if self.network.kind == "array":
            self.array_design()
        self._check_sparsity()

    def _check_sparsity(self) -> None:
        assert self.pe is not None
        if not self.sparsity.leaders:
            return
        if self.pe.zero_gating:
            raise InputError(
                "sparsity: gate and skip are not for a pe with zero_gating, whose energies have it"
            )
        inside = self.own_levels.values()
        if missing := [t for t in TENSORS if t not in inside]:
            raise InputError(
                "sparsity: gate and skip need all scratchpads of the pe as levels, as the energy "
                f"of a product is that without them; {', '.join(missing)} has none"
            )

    def _check_scratchpad(self, index: int, seen: dict[str, str]) -> None:
        assert self.pe is not None
        level = self.hierarchy.levels[index]
        where = f"level {level.name!r}: a scratchpad is one of the PE's"
        elsewhere = "; a memory beside the PE is kind sram"
        if len(level.keeps) != 1 or level.keeps[0] in seen:
            raise InputError(f"{where} and keeps one tensor, a different one each{elsewhere}")
        (tensor,) = level.keeps
        seen[tensor] = level.name
        for name, value, own in (
            ("words", level.words, getattr(self.pe, pes.DEPTHS[tensor])),
            ("word_bits", level.word_bits, pes.word_bits(self.pe, tensor)),
            ("access_words", level.access_words, 1),
        ):
            if value != own:
                raise InputError(f"{where}: {name} must be its {own}, not {value}{elsewhere}")
        if self.hierarchy.instances[index] != self.mac_units:
            raise InputError(
                f"{where}: there must be {self.mac_units}, one for each MAC unit, not "
                f"{self.hierarchy.instances[index]}{elsewhere}"
            )

    @property
    def mac_units(self) -> int:
        """Of all PEs; each is one ``pe``."""
        return self.hierarchy.instances[-1]

    @property
    def pe_count(self) -> int:
        """PEs, of ``macs_per_pe`` MAC units each."""
        return self.mac_units // self.macs_per_pe

    @property
    def own_levels(self) -> dict[int, str]:
        """Positions of the levels that are scratchpads of the PE, and their tensors."""
        if self.pe is None:
            return {}
        levels = enumerate(self.hierarchy.levels)
        return {i: level.keeps[0] for i, level in levels if level.kind == "scratchpad"}

    def array_design(self) -> ArrayDesign:
        """The array that the network is measured as: all instances along both axes.

        Raises:
            InputError: if there is no such array, or no PE.
        """
        if self.pe is None:
            raise InputError("network: kind array needs pe")
        rows = columns = 1
        for level in self.hierarchy.levels:
            rows, columns = rows * level.fanout_y, columns * level.fanout_x
        buses = asdict(self.network)
        del buses["kind"]
        try:
            return ArrayDesign(pe=self.pe, rows=rows, columns=columns, **buses)
        except InputError as error:
            raise InputError(f"network: kind array: {error}") from None

    def values_per_word(
        self, level: int, tensor: str, *, act_bits: int, weight_bits: int, out_bits: int,
        whole: bool = False,
    ) -> float:  # fmt: skip
        """Values of a tensor in a memory word of a level; less than 1 if a value takes several.

        Args:
            level: position.
            tensor: of ``TENSORS``.
            act_bits, weight_bits, out_bits: of the layer.
            whole: of ``psum``: sums that are finished, of ``out_bits``; else partial ones, of the
                accumulator's width.

        Raises:
            InputError: if a width is out of range, or wider than the PE's operands.
        """
        check_widths(act_bits, weight_bits, out_bits)
        if self.pe is not None and self.own_levels.get(level) == tensor:
            return pes.values_in_word(self.pe, pes.mode_of(self.pe, act_bits, weight_bits), tensor)
        widths = {"ifmap": act_bits, "filter": weight_bits, "psum": self.psum_bits}
        require_choice("tensor", tensor, TENSORS)
        bits = out_bits if whole and tensor == "psum" else widths[tensor]
        word = self.hierarchy.levels[level].word_bits
        if self.packing == "dense":
            return word / bits
        return float(word // bits) if bits <= word else 1 / -(-bits // word)

    def to_dict(self) -> dict[str, Any]:
        """Every parameter, resolved; ``from_dict`` gives the same accelerator back."""
        pe = None
        if self.pe is not None:
            pe = {**self.pe.to_dict(), "period_ps": self.pe_period_ps}
        return {
            "name": self.name,
            "period_ps": self.period_ps,
            "packing": self.packing,
            "macs_per_pe": self.macs_per_pe,
            "psum_bits": self.psum_bits,
            "dram": None if self.dram is None else self.dram.to_dict(),
            "network": asdict(self.network),
            "energies": None if self.energies is None else str(self.energies),
            "platform": self.platform,
            "sram_transistors": self.sram_transistors,
            "sparsity": self.sparsity.to_dict(),
            "pe": pe,
            "levels": [level.to_dict() for level in self.hierarchy.levels],
        }

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all that changes a number; the name does not.

        Raises:
            InputError: if the user's table of energies, or the platform, cannot be read.
        """
        values = self.to_dict()
        del values["name"]
        if self.energies is not None:
            values["energies"] = _file_digest(self.energies)
        values["platform"] = _file_digest(find_platform(self.platform))
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], folder: Path = Path()) -> Accelerator:
        """An accelerator from named values, as YAML has them.

        Args:
            folder: that a relative path of ``energies`` begins in.

        Raises:
            InputError: on an unknown or missing name, a value out of range, or levels that make no
                hierarchy.
        """
        check_keys("an accelerator", values, _KEYS)
        for name in ("name", "period_ps", "levels"):
            if name not in values:
                raise InputError(f"needs {name}")
        period = require_int("period_ps", values["period_ps"], *PERIOD_PS)
        pe, pe_period = _pe_of(values.get("pe"), period)
        psum_bits = values.get("psum_bits", None if pe is None else pe.psum_bits)
        if psum_bits is None:
            raise InputError("needs psum_bits, or a pe that has it")
        chosen = {name: values[name] for name in _PLAIN if name in values}
        if values.get("energies") is not None:
            if not isinstance(values["energies"], str):
                raise InputError(f"energies must be a path, not {shown(values['energies'])}")
            chosen["energies"] = folder / values["energies"]
        if values.get("dram") is not None:
            chosen["dram"] = dram_of(values["dram"])
        if values.get("network") is not None:
            chosen["network"] = Network.from_dict(_mapping("network", values["network"]))
        if values.get("sparsity") is not None:
            chosen["sparsity"] = Sparsity.from_dict(_mapping("sparsity", values["sparsity"]))
        return cls(
            name=values["name"], hierarchy=_hierarchy(values["levels"], pe), pe=pe,
            pe_period_ps=pe_period, period_ps=period, psum_bits=psum_bits, **chosen,
        )  # fmt: skip


_KEYS = (
    "name", "period_ps", "packing", "macs_per_pe", "psum_bits", "dram", "network", "energies",
    "platform", "sram_transistors", "sparsity", "pe", "levels",
)  # fmt: skip
#: Those that are taken as they are.
_PLAIN = ("packing", "macs_per_pe", "platform", "sram_transistors")


def presets() -> list[str]:
    """Names of the accelerators that come with the project."""
    return sorted(path.stem for path in (configs_dir() / "accelerators").glob("*.yaml"))


def load_accelerator(name_or_path: str | Path) -> Accelerator:
    """An accelerator by the name of a preset, or from a YAML file.

    Raises:
        InputError: if there is none, or something in the file is wrong: naming the file and what.
    """
    names, text = presets(), str(name_or_path)
    if text in names:
        path = configs_dir() / "accelerators" / f"{text}.yaml"
    else:
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            raise InputError(
                f"accelerator must be one of {', '.join(names)}, or a YAML file, not "
                f"{shown(text)}{nearest(text, names)}"
            )
    document = load_yaml(path)
    try:
        return Accelerator.from_dict(_mapping("an accelerator", document), path.parent)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def check_widths(act_bits: int, weight_bits: int, out_bits: int) -> None:
    """Refuse widths of a layer's words that no layer has.

    Raises:
        InputError: naming the one that is out of range.
    """
    widths = {"act_bits": act_bits, "weight_bits": weight_bits, "out_bits": out_bits}
    for name, bits in widths.items():
        require_int(name, bits, *BITS)


def _mapping(what: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a mapping, not {shown(value)}")
    return value


def _pe_of(entry: object, period_ps: int) -> tuple[PEDesign | None, int | None]:
    """The design and its own period; that of the accelerator if none is given."""
    if entry is None:
        return None, None
    values = dict(_mapping("pe", entry))
    own = values.pop("period_ps", period_ps)
    try:
        if "preset" in values:
            check_parameter_names({key: None for key in values if key != "preset"})
            return PEDesign.preset(values.pop("preset"), **values), own
        return PEDesign.from_dict(values), own
    except InputError as error:
        raise InputError(f"pe: {error}") from None


def _hierarchy(entries: object, pe: PEDesign | None) -> Hierarchy:
    if not isinstance(entries, list) or not entries:
        raise InputError(f"levels must be a list of at least one level, not {shown(entries)}")
    levels: list[Level] = []
    parents: dict[str, str | None] = {}
    for place, entry in enumerate(entries, start=1):
        values = dict(_mapping(f"level {place}", entry))
        if "parent" in values:
            parent = values.pop("parent")
            if parent is not None and not isinstance(parent, str):
                raise InputError(f"level {place}: parent must be a name, not {shown(parent)}")
            parents[str(values.get("name"))] = parent
        level = Level.from_dict(_as_in_pe(values, pe))
        if level.name in [known.name for known in levels]:
            raise InputError(f"two levels are named {level.name!r}; names must differ")
        levels.append(level)
    if parents:
        named: dict[str, str | None] = {level.name: parents.get(level.name) for level in levels}
        levels = ordered(levels, named)
    return Hierarchy(tuple(levels))


def _as_in_pe(values: dict[str, Any], pe: PEDesign | None) -> dict[str, Any]:
    """A scratchpad's words are those of the PE, unless they are given."""
    keeps = values.get("keeps")
    if pe is None or values.get("kind") != "scratchpad" or not isinstance(keeps, list):
        return values
    if len(keeps) != 1 or keeps[0] not in TENSORS:
        return values
    (tensor,) = keeps
    own = {"words": getattr(pe, pes.DEPTHS[tensor]), "word_bits": pes.word_bits(pe, tensor)}
    return {**own, **values}


def _check_level(level: Level) -> None:
    where = f"level {level.name!r}: "
    if level.kind in ("dram", "network"):
        return
    if not level.keeps:
        raise InputError(
            f"{where}keeps must name at least one of {', '.join(TENSORS)}; what keeps none is of "
            "kind network"
        )
    if level.words is None:
        raise InputError(f"{where}needs words")
    if level.words % level.access_words:
        raise InputError(
            f"{where}words = {level.words} must be a multiple of access_words = "
            f"{level.access_words}"
        )


def _check_dram(hierarchy: Hierarchy, dram: Dram | None) -> None:
    inner = [level.name for level in hierarchy.levels[1:] if level.kind == "dram"]
    if inner:
        raise InputError(f"level {inner[0]!r}: a DRAM must be the outermost level")
    if (hierarchy.levels[0].kind == "dram") != (dram is not None):
        raise InputError(
            f"level {hierarchy.levels[0].name!r} is "
            + (
                "a DRAM: the accelerator needs dram, beside levels: "
                f"{', '.join(known_drams())}, or a mapping"
                if dram is None
                else "no DRAM: dram must be left out"
            )
        )


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
