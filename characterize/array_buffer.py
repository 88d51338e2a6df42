"""The buffer of an array: area, leakage and energy of its banks, from CACTI.

The banks stand outside the netlist; what they take is CACTI's for a macro of as many words (at
least 32), of whole bytes, at the platform's supply (``characterize.cacti``); words of more than 64
bits are in several macros. A bank of psums is read and written in one cycle and has two ports:
CACTI's macro has one, so that its area is too small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from characterize import cacti
from characterize.platform import Platform
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import bank_bits

#: Bits of the widest word of a macro.
_WIDEST = 64


@dataclass(frozen=True, kw_only=True)
class BankCost:
    """What a bank takes.

    Attributes:
        area_um2: of its macro.
        leakage_uw: at all times.
        read_pj, write_pj: energy of an access.
    """

    area_um2: float
    leakage_uw: float
    read_pj: float
    write_pj: float


def bank_costs(design: ArrayDesign, platform: Platform) -> dict[str, BankCost]:
    """Every bank of the buffer, by name.

    Raises:
        InputError: if CACTI is not installed.
        StepError: if it fails.
    """
    result = {}
    for name, (words, bits) in bank_bits(design).items():
        macros = math.ceil(bits / _WIDEST)
        macro = cacti.estimate(depth=words, width=math.ceil(bits / macros))
        ratio = platform.voltage_v / macro.voltage_v
        result[name] = BankCost(
            area_um2=macros * macro.width_um * macro.height_um,
            leakage_uw=macros * macro.leakage_nw * ratio / 1000,
            read_pj=macros * macro.read_fj * ratio**2 / 1000,
            write_pj=macros * macro.write_fj * ratio**2 / 1000,
        )
    return result


def buffer_metrics(
    design: ArrayDesign, platform: Platform, counts: Mapping[str, int], window_s: float
) -> dict[str, float]:
    """Area, leakage and dynamic power of the buffer with so many accesses in so many seconds.

    Args:
        counts: ``{bank}_reads`` and ``{bank}_writes`` (``rtl_gen.array.model``).

    Raises:
        InputError, StepError: as ``bank_costs``.
    """
    costs = bank_costs(design, platform)
    energy_pj = sum(
        counts.get(f"{name}_reads", 0) * cost.read_pj
        + counts.get(f"{name}_writes", 0) * cost.write_pj
        for name, cost in costs.items()
    )
    return {
        "buffer_area_um2": sum(cost.area_um2 for cost in costs.values()),
        "buffer_leakage_uw": sum(cost.leakage_uw for cost in costs.values()),
        "buffer_power_uw": energy_pj * 1e-6 / window_s,
    }
