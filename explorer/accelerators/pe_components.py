"""What the energies per action of a PE come to for a mapper: a MAC, accesses, a cycle.

A mapper counts multiply-accumulates, words read and written in each scratchpad, and cycles. The
actions of a PE (``characterize.action_counts``) are more and smaller; here they are put together
for operands of a layer's widths, as a network's are. Nothing is scaled: energies are those of the
PE as it is, how many of its wires change is counted with such operands.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from characterize.action_counts import action_counts, cycle_counts
from characterize.actions import ActionTable, access_energies
from characterize.movement import Statistics, measure_statistics
from explorer.accelerators.pe import mode_of
from rtl_gen import fp_golden
from rtl_gen.design import (
    FILTER_DEPTH,
    IFMAP_DEPTH,
    PIPELINE_STAGES,
    PSUM_DEPTH,
    SCRATCHPADS,
    PEDesign,
)
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive, Words, convolve_row, decode_weights
from rtl_gen.operands import Workload, draw

#: Of the reference primitive: a row of a 3 x 3 convolution, if it fits, else of 1 x 1.
_WIDTHS, _CHANNELS, _FILTERS, _OUTPUTS = (3, 1), (4, 3, 2, 1), 16, 28
#: Drawn so often: operands by chance change an energy by some percent.
_DRAWS = 12
#: The narrowest numbers that are drawn: a layer of one bit is taken as 0 and -1 or 1.
_LEAST_BITS = 2
_MOST_BITS = 16


@dataclass(frozen=True, kw_only=True)
class Components:
    """Energies of a PE in pJ, beyond its idle cycles; each cycle costs ``cycle`` besides.

    Attributes:
        mac: a multiply-accumulate: control, multiplication, addition, emptying the pipeline.
        ifmap_read: a value that another multiply-accumulate than the one before takes: those that
            follow each other with the same value read it once.
        ifmap_write, filter_write: a value that is written.
        filter_read: a value, once for each multiply-accumulate.
        psum_read: a sum that is read, to add to it or because it goes out.
        psum_write: a sum that is written.
        forward: a sum that goes to the next PE or out, where one that comes in is added.
        configure: a primitive's sizes are taken.
        cycle: clock, and what moves without a multiply-accumulate.
    """

    mac: float
    ifmap_read: float
    ifmap_write: float
    filter_read: float
    filter_write: float
    psum_read: float
    psum_write: float
    forward: float
    configure: float
    cycle: float


def component_counts(design: PEDesign, size: Primitive) -> dict[str, float]:
    """How often a primitive does what ``Components`` are energies of, by their names.

    Raises:
        InputError: if ``design`` cannot run it.
    """
    counts = cycle_counts(design, size)
    sums = size.outputs * size.sums
    return {
        "mac": size.macs,
        "ifmap_read": size.outputs * size.filter_width * size.channels,
        "ifmap_write": counts["ifmap_write"] * size.precision(design).products,
        "filter_read": size.macs,
        "filter_write": 0 if size.keep_filter else size.macs / size.outputs,
        "psum_read": size.macs,
        "psum_write": size.macs,
        "forward": sums,
        "configure": 1,
        "cycle": sum(counts.values()),
    }


def components(
    design: PEDesign, energies_pj: Mapping[str, float], size: Primitive, statistics: Statistics
) -> Components:
    """Components whose sum over a primitive is that of its actions, with such operands.

    Args:
        energies_pj: of its actions (``characterize.actions``).

    Raises:
        InputError: if ``design`` cannot run the primitive, or an action it takes has no energy.
    """
    counts = action_counts(design, size, statistics)
    for action, count in counts.items():
        if count and action not in energies_pj:
            raise InputError(f"energies are missing: the PE's table has none for action {action}")
    parts = access_energies(_as_table(design, energies_pj), design, size, statistics)
    idle = energies_pj["idle"]

    def spent(*actions: str) -> float:
        return sum(counts[name] * energies_pj[name] for name in actions if counts[name])

    def excess(*cycles: str) -> float:
        return sum(counts[name] * (energies_pj[name] - idle) for name in cycles if counts[name])

    issued = sum(count for name, count in counts.items() if name.startswith("mac"))
    sums = counts["psum_pass"]
    split = f"mode{size.mode}" if size.mode else ""
    in_mode = {
        name: spent(f"{split}_{name}_bit") if split else 0.0
        for name in ("weight", "activation", "partial")
    }
    add = parts["add"]
    totals = {
        "mac": issued * (parts["control"] + parts["multiply"] + add)
        + in_mode["partial"] + excess("drain"),
        "ifmap_read": counts["ifmap_read"] * parts.get("ifmap read", 0.0) + in_mode["activation"],
        "ifmap_write": counts["ifmap_write"] * parts["ifmap write"],
        "filter_read": issued * parts["filter read"] + in_mode["weight"],
        "filter_write": counts["filter_write"] * parts.get("filter write", 0.0)
        + excess("filter_step"),
        "psum_read": (issued + sums) * parts["psum read"],
        "psum_write": issued * parts["psum write"],
        "forward": sums * (parts["psum forward"] + add),
        "configure": excess("configure"),
    }  # fmt: skip
    numbers = component_counts(design, size)
    each = {name: totals[name] / numbers[name] if numbers[name] else 0.0 for name in totals}
    return Components(**each, cycle=idle)


def _as_table(design: PEDesign, energies_pj: Mapping[str, float]) -> ActionTable:
    """As the code that makes access energies of actions takes them."""
    return ActionTable(
        design=design.to_dict(), period_ps=0, energies_pj=energies_pj, leakage_uw=0.0, macs_pj={},
        accesses_pj={}, primitives_pj={}, effort=1.0, fit_mean_pct=0.0, fit_worst_pct=0.0,
        primitives=0, cycles=0, seconds={},
    )  # fmt: skip


def layer_components(
    design: PEDesign, energies_pj: Mapping[str, float], act_bits: int, weight_bits: int
) -> Components:
    """Components for operands of a layer, with the statistics of a network's.

    Raises:
        InputError: if the operands are wider than the PE's, or an action has no energy.
    """
    size = reference_size(design, mode_of(design, act_bits, weight_bits))
    statistics = _statistics(arithmetic(design), size, act_bits, weight_bits)
    return components(design, energies_pj, size, statistics)


def arithmetic(design: PEDesign) -> PEDesign:
    """The same arithmetic with the largest scratchpads: its wires carry the same words."""
    return dataclasses.replace(
        design, ifmap_depth=IFMAP_DEPTH[1], filter_depth=FILTER_DEPTH[1],
        psum_depth=PSUM_DEPTH[1], pipeline_stages=PIPELINE_STAGES[0], scratchpad=SCRATCHPADS[0],
    )  # fmt: skip


@functools.lru_cache(maxsize=1024)
def _statistics(design: PEDesign, size: Primitive, act_bits: int, weight_bits: int) -> Statistics:
    works = (layer_operands(design, size, act_bits, weight_bits, seed) for seed in range(_DRAWS))
    return Statistics.mean(Counter(measure_statistics(design, work) for work in works))


def reference_size(design: PEDesign, mode: int = 0) -> Primitive:
    """The primitive that energies are told of: about as large as the scratchpads allow.

    With several filters, if two fit: with one, sums wait in the sum register.
    """
    products = design.modes[mode].products
    sizes = (
        Primitive(filter_width=width, channels=channels * products, filters=filters,
                  outputs=_OUTPUTS, mode=mode)
        for least in (2, 1)
        for width in _WIDTHS
        for channels in _CHANNELS
        for filters in range(min(_FILTERS, design.psum_depth), least - 1, -1)
    )  # fmt: skip
    return next(size for size in sizes if _fits(design, size))


def _fits(design: PEDesign, size: Primitive) -> bool:
    if size.macs > size.outputs * FILTER_DEPTH[1]:
        return False  # narrower operands are drawn for a PE of that many weights
    try:
        size.check(design)
    except InputError:
        return False
    return True


def layer_operands(
    design: PEDesign, size: Primitive, act_bits: int, weight_bits: int, seed: int
) -> Workload:
    """Operands like a network's, quantized to so many bits, on the hardware as it is.

    Those as wide as the PE's are as ``rtl_gen.operands.draw`` makes them (``dnn``). Narrower ones
    are integers of so many bits: floating-point PEs take these numbers, those whose weights are
    sums of powers of two the nearest that they have.

    Raises:
        InputError: if ``design`` cannot run the primitive.
    """
    mode = size.precision(design)
    work = draw(design, size, seed, "dnn")
    narrow_acts, narrow_weights = act_bits < mode.act_bits, weight_bits < mode.weight_bits
    if not (narrow_acts or narrow_weights):
        return work
    small = PEDesign(
        family="int", act_bits=_drawn(act_bits), weight_bits=_drawn(weight_bits),
        ifmap_depth=IFMAP_DEPTH[1], filter_depth=FILTER_DEPTH[1], psum_depth=PSUM_DEPTH[1],
        act_signed=design.act_signed,
    )  # fmt: skip
    other = draw(small, dataclasses.replace(size, mode=0, filter_terms=None), seed, "dnn")
    ifmap, filters, psums = work.ifmap, work.filters, work.psums
    if narrow_acts:
        ifmap = _numbers(design, other.ifmap)
    if narrow_weights:
        filters = _codes(design, size, decode_weights(small, other.filters))
    if size.chain and narrow_acts and narrow_weights:
        assert other.psums is not None
        psums = _sums(design, other.psums)
    expected = convolve_row(design, size, ifmap, filters, psums)
    return Workload(size=size, ifmap=ifmap, filters=filters, psums=psums, expected=expected)


def _drawn(bits: int) -> int:
    return min(max(bits, _LEAST_BITS), _MOST_BITS)


def _numbers(design: PEDesign, values: Words) -> Words:
    """Activations of these values."""
    if design.family != "fp":
        return values
    return fp_golden.encode(fp_golden.format_of_bits(design.act_bits), values)


def _sums(design: PEDesign, values: Words) -> Words:
    if design.family != "fp":
        return values
    return fp_golden.encode(fp_golden.format_of_bits(design.psum_bits), values)


def _codes(design: PEDesign, size: Primitive, values: Words) -> Words:
    """Codes of the weights nearest to these values."""
    bits = size.precision(design).weight_bits
    if design.family == "fp":
        return fp_golden.encode(fp_golden.format_of_bits(bits), values)
    if not design.terms:
        return values & ((1 << bits) - 1)
    codes = np.arange(1 << bits, dtype=np.int64)
    known = decode_weights(design, codes)
    distinct, first = np.unique(known, return_index=True)
    above = np.clip(np.searchsorted(distinct, values), 1, len(distinct) - 1)
    lower = values - distinct[above - 1] <= distinct[above] - values
    nearest: Words = codes[first[above - lower]]
    return nearest
