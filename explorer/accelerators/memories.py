"""What the memories of an accelerator cost: SRAMs from CACTI, DRAMs from published figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from characterize import cacti
from characterize.cacti import BANKS, LEAST_BYTES, LEAST_WORDS, MOST_BITS, MOST_BYTES, Shape
from characterize.platform import Platform
from characterize.sram_table import Cache, SramCost, cost_table, look_up
from explorer.accelerators.hierarchy import Level
from rtl_gen.errors import InputError

#: Process node of CACTI's SRAMs here, nm.
NODE_NM = 45
#: High-performance transistors of ITRS, those of ``data/sram.csv``, and those of low standby power.
TRANSISTORS = ("itrs-hp", "itrs-lstp")


@dataclass(frozen=True, kw_only=True)
class MemoryCost:
    """What one instance of a memory takes.

    Attributes:
        read_pj, write_pj: of an access, of ``Level.access_words`` memory words.
        leakage_uw, area_um2: at all times.
        width_um, height_um: of its outline.
        cycle_ns: from an access to the next one in the same bank; data can be later.
        origin: where the figures are from.
    """

    read_pj: float
    write_pj: float
    leakage_uw: float
    area_um2: float
    width_um: float
    height_um: float
    cycle_ns: float
    origin: str


def sram_shape(level: Level) -> tuple[Shape, int, str]:
    """The SRAM that CACTI can make for a level, how many stand side by side, and the difference.

    One access takes one word of it, or one of each that stand side by side. Where CACTI cannot make
    the size, the SRAM is the nearest one that is not smaller, with the nearest number of banks.

    Returns:
        The difference is "" where there is none.

    Raises:
        InputError: if it is larger than CACTI was tried with.
    """
    assert level.words is not None
    words, bits = level.words // level.access_words, level.word_bits * level.access_words
    beside = -(-bits // MOST_BITS)
    width = 8 * -(-bits // (8 * beside))
    least = max(LEAST_WORDS, -(-8 * LEAST_BYTES // width))
    room = [banks for banks in BANKS if banks * least <= words] or [1]
    banks = min(room, key=lambda number: abs(math.log(number / level.banks)))
    depth = max(banks * -(-words // banks), banks * least)
    if depth * width > 8 * MOST_BYTES:
        raise InputError(
            f"level {level.name!r}: CACTI was tried for SRAMs of up to {MOST_BYTES} bytes, not "
            f"{words} words of {bits} bits; give energies"
        )
    made = f"{f'{beside} x ' if beside > 1 else ''}{depth} words of {width} bits in {banks} banks"
    same = (depth, width * beside, banks) == (words, bits, level.banks)
    told = "" if same else f"{made}, for {words} of {bits} in {level.banks}"
    return Shape(words=depth, bits=width, banks=banks, ports=level.ports), beside, told


def sram_cost(
    level: Level, platform: Platform, cache: Path, transistors: str = TRANSISTORS[0]
) -> MemoryCost:
    """What CACTI says of an instance of a level, at the supply of the platform.

    Args:
        cache: folder that keeps what CACTI said.
        transistors: of ``TRANSISTORS``.

    Raises:
        InputError: as ``sram_shape``; if the platform is of another node, or CACTI is needed and
            cannot be run.
    """
    if platform.node_nm != NODE_NM:
        raise InputError(
            f"level {level.name!r}: energies are missing: CACTI's SRAMs are of {NODE_NM} nm, "
            f"platform {platform.name} is of {platform.node_nm:g} nm; give energies"
        )
    shape, beside, told = sram_shape(level)
    table = _look_up(shape, cache, platform.voltage_v, transistors)
    row = {name: float(table[name].iloc[0]) for name in table if name != "ports"}
    return MemoryCost(
        read_pj=beside * row["read_pj"],
        write_pj=beside * row["write_pj"],
        leakage_uw=beside * row["leakage_uw"],
        area_um2=beside * row["area_um2"],
        width_um=beside * row["width_um"],
        height_um=row["height_um"],
        cycle_ns=row["cycle_ns"],
        origin=f"CACTI, {NODE_NM} nm, {transistors}, {platform.voltage_v:g} V{told and ': '}{told}",
    )


def _look_up(shape: Shape, cache: Path, voltage_v: float, transistors: str) -> pd.DataFrame:
    """One row; what CACTI said before is in the cache."""
    if transistors == TRANSISTORS[0]:
        return look_up(
            shape.words, shape.bits, shape.banks, shape.ports, cache=cache, voltage_v=voltage_v
        )
    settings = cacti.Settings(device=transistors)
    kept = Cache(cache, cacti.source_digest(settings))
    cost = kept.get(shape)
    if cost is None:
        cost = SramCost.of(cacti.estimate_shape(shape, settings))
        kept.put(cost)
    return cost_table([cost], voltage_v)
