"""What an accelerator costs: energies of a mapper's counts, area, leakage and clock, with origins.

An origin is a text that begins with one of ``ORIGINS``: where a number is from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from characterize.platform import load_platform
from explorer.accelerators import pe as pes
from explorer.accelerators.accelerator import Accelerator, check_widths
from explorer.accelerators.floor_plan import hop_lengths_um, hop_pj_per_bit
from explorer.accelerators.given import MAC, MAC_ACTIONS, GivenEnergies, load_given
from explorer.accelerators.memories import MemoryCost, sram_cost
from explorer.accelerators.network_cost import NetworkCost, network_cost
from explorer.accelerators.pe_components import Components, layer_components
from explorer.accelerators.pe_tables import PETable, Sources, pe_table
from rtl_gen.errors import InputError

#: Of a netlist that was measured; of the surrogates; of these beyond what they were trained on; of
#: CACTI; of a publication; of a user's table; of a formula, which is named.
ORIGINS = ("measured", "predicted", "extrapolated", "CACTI", "cited", "given", "modelled")
#: Parts beside the levels.
PES, NETWORK = "PEs", "network"

_NO_WIRES = "modelled: no wires"
_GIVEN_WHOLE = "given: the table has all energies"


@dataclass(frozen=True, kw_only=True)
class AccessEnergy:
    """Of an access to one instance of a level, of ``Level.access_words`` memory words, in pJ."""

    read_pj: float
    write_pj: float
    origin: str


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number with its origin."""

    value: float
    origin: str


@dataclass(frozen=True, kw_only=True)
class Energies:
    """What an accelerator costs that runs a layer of these widths.

    Attributes:
        act_bits, weight_bits, out_bits: of the layer.
        psum_bits: of a partial sum, in the PEs and wherever it is stored.
        access: by position of a level and tensor, for those that the level keeps. Memory words of
            the PE's own scratchpads are those of ``Accelerator.values_per_word``, as elsewhere.
        mac_pj: of a multiply-accumulate, beyond what the PE takes in every cycle; with reads and
            writes of those scratchpads that are no level.
        forward_pj: of a sum that a PE takes, adds to its own and hands on, or out of the array.
        configure_pj: of a PE when it begins a primitive.
        cycle_pj: of a MAC unit in each cycle in which it is clocked, working or not.
        network_cycle_pj: of the whole network's clock, likewise.
        hop_pj_per_bit: below each level, of a bit that goes on by one instance; 0 where there is
            one alone.
        pe_origin: of ``mac_pj``, ``forward_pj``, ``configure_pj`` and ``cycle_pj``.
        hop_origin, network_origin: of ``hop_pj_per_bit`` and ``network_cycle_pj``.
        held: tensors whose value stays at the multiplier: multiply-accumulates that follow each
            other with the same one read it once.
        macs_per_cycle: of a MAC unit with such operands.
        leakage_uw, area_um2: of all instances, by part: levels, ``PEs`` with their own
            scratchpads, ``network``. The DRAM is off the chip.
        period_ps: clock period that all parts reach.
        pe_interval: what of the PE's predicted energies the measured ones are between; None if
            these are not predicted.
        unknown: what is in no sum, because nothing says how much it is.
    """

    act_bits: int
    weight_bits: int
    out_bits: int
    psum_bits: int
    access: Mapping[tuple[int, str], AccessEnergy]
    mac_pj: float
    forward_pj: float
    configure_pj: float
    cycle_pj: float
    network_cycle_pj: float
    hop_pj_per_bit: tuple[float, ...]
    pe_origin: str
    hop_origin: str
    network_origin: str
    held: tuple[str, ...]
    macs_per_cycle: float
    leakage_uw: Mapping[str, Amount]
    area_um2: Mapping[str, Amount]
    period_ps: Amount
    pe_interval: tuple[float, float] | None = None
    unknown: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all numbers; origins do not count."""
        values = asdict(self)
        access = [[*key, e.read_pj, e.write_pj] for key, e in sorted(self.access.items())]
        amounts = {
            name: {part: amount["value"] for part, amount in values[name].items()}
            for name in ("leakage_uw", "area_um2")
        }
        plain = {k: v for k, v in values.items() if "origin" not in k and k != "unknown"}
        plain |= {**amounts, "access": access, "period_ps": self.period_ps.value}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def resolve_energies(
    accelerator: Accelerator,
    act_bits: int,
    weight_bits: int,
    out_bits: int,
    *,
    source: Sources | None = None,
) -> Energies:
    """What an accelerator costs that runs layers of these widths.

    Args:
        source: where measurements and surrogates are; the project's own if None.

    Raises:
        InputError: if an energy is missing everywhere, the operands are wider than the PE's, or a
            file cannot be used.
    """
    check_widths(act_bits, weight_bits, out_bits)
    bits = (act_bits, weight_bits, out_bits)
    if out_bits > accelerator.psum_bits:
        raise InputError(
            f"out_bits = {out_bits} of the layer must be at most psum_bits = "
            f"{accelerator.psum_bits}: a sum has no more"
        )
    if accelerator.energies is not None:
        return _given(accelerator, load_given(accelerator.energies, accelerator.hierarchy), bits)
    return _built(accelerator, bits, source or Sources())


def _built(accelerator: Accelerator, bits: tuple[int, int, int], sources: Sources) -> Energies:
    """Of the PE's gates, CACTI and published figures."""
    design, period = accelerator.pe, accelerator.pe_period_ps
    assert design is not None
    assert period is not None
    platform = load_platform(accelerator.platform)
    table = pe_table(design, period, platform.name, sources)
    parts = layer_components(design, table.energies_pj, *bits[:2])
    memories = memories_of(accelerator, sources)
    network = network_cost(accelerator, table, sources.dataset)
    hops: tuple[float, ...] = ()
    if table.core_area_um2 is not None:
        fanouts = np.array(accelerator.hierarchy.fanouts)
        own = own_areas_um2(accelerator, memories)
        lengths = hop_lengths_um(fanouts, own, np.asarray(table.core_area_um2))
        hops = tuple(hop_pj_per_bit(lengths, platform).tolist())
    return assemble(accelerator, bits, table, parts, memories, network, hops)


def memories_of(accelerator: Accelerator, sources: Sources) -> dict[int, MemoryCost]:
    """What the SRAMs of an accelerator take, by position of their level.

    Raises:
        InputError: as ``memories.sram_cost``.
    """
    platform = load_platform(accelerator.platform)
    return {
        index: sram_cost(level, platform, sources.sram_cache, accelerator.sram_transistors)
        for index, level in enumerate(accelerator.hierarchy.levels)
        if level.kind == "sram"
    }


def own_areas_um2(
    accelerator: Accelerator, memories: Mapping[int, MemoryCost]
) -> NDArray[np.float64]:
    """Area of an instance of each level that is not in the PE."""
    levels = range(len(accelerator.hierarchy.levels))
    return np.array([memories[i].area_um2 if i in memories else 0.0 for i in levels])


def assemble(
    accelerator: Accelerator,
    bits: tuple[int, int, int],
    table: PETable,
    parts: Components,
    memories: Mapping[int, MemoryCost],
    network: NetworkCost | None,
    hops: tuple[float, ...],
) -> Energies:
    """What an accelerator costs, from what its parts do.

    Args:
        bits: of activations, weights and outputs of the layer.
        table, parts: of the PE, and of what it does at these widths.
        memories: of its SRAMs, by position of their level.
        network: on the chip; None if nothing is known of it.
        hops: ``Energies.hop_pj_per_bit``; empty if the wires' lengths are not known.
    """
    design = accelerator.pe
    assert design is not None
    mode = pes.mode_of(design, *bits[:2])
    area, leakage, unknown = _amounts(accelerator, table, memories, network)
    return Energies(
        act_bits=bits[0],
        weight_bits=bits[1],
        out_bits=bits[2],
        psum_bits=accelerator.psum_bits,
        access=_access(accelerator, parts, table, memories, mode),
        mac_pj=_mac(accelerator, parts),
        forward_pj=parts.forward if "psum" in accelerator.own_levels.values() else 0.0,
        configure_pj=parts.configure,
        cycle_pj=parts.cycle,
        network_cycle_pj=network.cycle_pj if network else 0.0,
        hop_pj_per_bit=hops or (0.0,) * len(accelerator.hierarchy.levels),
        pe_origin=table.energies_origin,
        hop_origin="modelled: wire of the pitch, C V^2 / 2 at half the bits" if hops else _NO_WIRES,
        network_origin=network.origin if network else _NO_WIRES,
        held=("ifmap",) if "ifmap" in accelerator.own_levels.values() else (),
        macs_per_cycle=pes.macs_per_cycle(design, mode),
        leakage_uw=leakage,
        area_um2=area,
        period_ps=_period(accelerator, table, memories, network),
        pe_interval=table.interval,
        unknown=(*unknown, *([] if hops else ["energy of hops"])),
    )  # fmt: skip


def _access(
    accelerator: Accelerator,
    parts: Components,
    table: PETable,
    memories: Mapping[int, MemoryCost],
    mode: int,
) -> dict[tuple[int, str], AccessEnergy]:
    """Of every level and tensor that it keeps."""
    assert accelerator.pe is not None
    found = {}
    for index, level in enumerate(accelerator.hierarchy.levels):
        for tensor in level.keeps:
            if level.kind == "dram":
                assert accelerator.dram is not None
                energy = float(accelerator.dram.pj_per_bit * level.word_bits * level.access_words)
                entry = AccessEnergy(read_pj=energy, write_pj=energy, origin=_cited(accelerator))
            elif index in memories:
                cost = memories[index]
                entry = AccessEnergy(
                    read_pj=cost.read_pj, write_pj=cost.write_pj, origin=cost.origin
                )
            else:
                values = pes.values_in_word(accelerator.pe, mode, tensor)
                entry = AccessEnergy(
                    read_pj=values * getattr(parts, f"{tensor}_read"),
                    write_pj=values * getattr(parts, f"{tensor}_write"),
                    origin=table.energies_origin,
                )
            found[index, tensor] = entry
    return found


def _cited(accelerator: Accelerator) -> str:
    assert accelerator.dram is not None
    dram = accelerator.dram
    return f"cited: {dram.kind}, {dram.pj_per_bit:g} pJ per bit; {dram.source}"


def _mac(accelerator: Accelerator, parts: Components) -> float:
    """With what is read and written for each in scratchpads that are no level.

    Without one for ifmap, a value comes to its register and is taken for every multiply-accumulate;
    without one for psum, a sum comes in and goes on for every one; weights stay.
    """
    inside = accelerator.own_levels.values()
    energy = parts.mac
    if "ifmap" not in inside:
        energy += parts.ifmap_read + parts.ifmap_write
    if "filter" not in inside:
        energy += parts.filter_read
    if "psum" not in inside:
        energy += parts.psum_read + parts.psum_write + parts.forward
    return energy


def _amounts(
    accelerator: Accelerator,
    table: PETable,
    memories: Mapping[int, MemoryCost],
    network: NetworkCost | None,
) -> tuple[dict[str, Amount], dict[str, Amount], list[str]]:
    """Area and leakage by part, and what is not known."""
    area, leakage, unknown = {}, {}, []
    instances = accelerator.hierarchy.instances
    for index, cost in memories.items():
        name, count = accelerator.hierarchy.levels[index].name, instances[index]
        area[name] = Amount(value=count * cost.area_um2, origin=cost.origin)
        leakage[name] = Amount(value=count * cost.leakage_uw, origin=cost.origin)
    units = accelerator.mac_units
    leakage[PES] = Amount(value=units * table.leakage_uw, origin=table.leakage_origin)
    if table.area_um2 is None:
        unknown.append(f"area of {PES}")
    else:
        area[PES] = Amount(value=units * table.area_um2, origin=table.origin)
    if network is None:
        unknown += [f"area of {NETWORK}", f"leakage of {NETWORK}", f"clock energy of {NETWORK}"]
    else:
        area[NETWORK] = Amount(value=network.area_um2, origin=network.origin)
        leakage[NETWORK] = Amount(value=network.leakage_uw, origin=network.origin)
    return area, leakage, unknown


def _period(
    accelerator: Accelerator,
    table: PETable,
    memories: Mapping[int, MemoryCost],
    network: NetworkCost | None,
) -> Amount:
    """The longest of those that parts need."""
    needs = [
        Amount(
            value=1000 * cost.cycle_ns,
            origin=f"{cost.origin} ({accelerator.hierarchy.levels[index].name})",
        )
        for index, cost in memories.items()
    ]
    if table.least_period_ps is not None:
        needs.append(Amount(value=table.least_period_ps, origin=f"{table.origin} (PE)"))
    if network is not None:
        needs.append(Amount(value=network.least_period_ps, origin=f"{network.origin} ({NETWORK})"))
    if not needs:
        return Amount(value=float(accelerator.period_ps), origin="given: as asked for")
    return max(needs, key=lambda amount: amount.value)


def _given(accelerator: Accelerator, table: GivenEnergies, bits: tuple[int, int, int]) -> Energies:
    """Of a user's table alone."""
    origin = f"given: {table.path}"
    access, leakage = {}, {}
    for index, level in enumerate(accelerator.hierarchy.levels):
        for tensor in level.keeps:
            first = ("update", "write") if tensor == "psum" else ("write", "update")
            access[index, tensor] = AccessEnergy(
                read_pj=table.of(level.name, "read"),
                write_pj=table.of(level.name, *first),
                origin=origin,
            )
        if "leak" in table.energies_pj.get(level.name, {}):
            each = table.of(level.name, "leak") / accelerator.period_ps * 1e6
            count = accelerator.hierarchy.instances[index]
            leakage[level.name] = Amount(value=count * each, origin=origin)
    names = [lv.name for lv in accelerator.hierarchy.levels if lv.kind in ("sram", "scratchpad")]
    per_cycle = 1.0
    if accelerator.pe is not None:
        mode = pes.mode_of(accelerator.pe, *bits[:2])
        per_cycle = pes.macs_per_cycle(accelerator.pe, mode)
    return Energies(
        act_bits=bits[0],
        weight_bits=bits[1],
        out_bits=bits[2],
        psum_bits=accelerator.psum_bits,
        access=access,
        mac_pj=table.of(MAC, *MAC_ACTIONS),
        forward_pj=0.0,
        configure_pj=0.0,
        cycle_pj=0.0,
        network_cycle_pj=0.0,
        hop_pj_per_bit=(0.0,) * len(accelerator.hierarchy.levels),
        pe_origin=origin,
        hop_origin=_GIVEN_WHOLE,
        network_origin=_GIVEN_WHOLE,
        held=(),
        macs_per_cycle=per_cycle,
        leakage_uw=leakage,
        area_um2={},
        period_ps=Amount(value=float(accelerator.period_ps), origin="given: as asked for"),
        unknown=(
            "area of all parts",
            *(f"leakage of {name}" for name in (*names, PES) if name not in leakage),
        ),
    )


def energy_table(accelerator: Accelerator, energies: Energies) -> pd.DataFrame:
    """A row for each energy: ``part``, ``tensor``, ``action``, ``pj`` and ``origin``.

    Reads and writes are of an access; ``hop`` is of a bit, ``mac`` of a multiply-accumulate, the
    others are as in ``Energies``.
    """
    rows: list[tuple[str, str, str, float, str]] = []
    for (index, tensor), access in energies.access.items():
        name = accelerator.hierarchy.levels[index].name
        rows.append((name, tensor, "read", access.read_pj, access.origin))
        rows.append((name, tensor, "write", access.write_pj, access.origin))
    for action in ("mac", "forward", "configure", "cycle"):
        rows.append((PES, "", action, getattr(energies, f"{action}_pj"), energies.pe_origin))
    for level, hop in zip(accelerator.hierarchy.levels, energies.hop_pj_per_bit, strict=True):
        if level.fanout > 1:
            rows.append((f"below {level.name}", "", "hop", hop, energies.hop_origin))
    rows.append((NETWORK, "", "cycle", energies.network_cycle_pj, energies.network_origin))
    return pd.DataFrame(rows, columns=["part", "tensor", "action", "pj", "origin"])


def breakdown_table(energies: Energies) -> pd.DataFrame:
    """A row for each part: ``part``, area and leakage, their shares in percent, and origins.

    What is not known is missing (NaN), and no part of the shares.
    """
    parts = list(dict.fromkeys([*energies.area_um2, *energies.leakage_uw]))
    table = pd.DataFrame({"part": parts})
    for name in ("area_um2", "leakage_uw"):
        amounts: Mapping[str, Amount] = getattr(energies, name)
        values = [amounts[part].value if part in amounts else float("nan") for part in parts]
        total = sum(amount.value for amount in amounts.values())
        table[name] = values
        table[name.replace("_um2", "_pct").replace("_uw", "_pct")] = [
            100 * value / total if total else float("nan") for value in values
        ]
        table[f"{name.rpartition('_')[0]}_origin"] = [
            amounts[part].origin if part in amounts else "" for part in parts
        ]
    return table
