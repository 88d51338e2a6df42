"""What layers without products cost (``Traffic``): their words are read once, and written once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies
from explorer.mapping.cost import clock_pj
from explorer.mapping.sparse import savings
from explorer.networks.layer import Traffic

#: Widths to ask the energies of an accelerator at: words of traffic enter no PE.
NARROWEST = (1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class TrafficCost:
    """What moving the words of a layer without products costs.

    Attributes:
        energy_pj: of reading and writing.
        cycles: at the rate of the level that takes longest; 0 if none has a limit.
    """

    energy_pj: float
    cycles: int


def traffic_cost(
    accelerator: Accelerator,
    energies: Energies,
    layer: Traffic,
    *,
    level: int = 0,
    kept_words: int = 0,
    kept_result: bool = False,
) -> TrafficCost:
    """What a layer without products costs.

    Args:
        accelerator, energies: at any widths: no word enters a PE.
        layer: that reads and writes.
        level: that some of its tensors stay in; the others are in the outermost.
        kept_words: values that are read there.
        kept_result: whether the result is written there.
    """
    places = ((0, layer.input_words - kept_words, 0 if kept_result else layer.output_words),
              (level, kept_words, layer.output_words if kept_result else 0))  # fmt: skip
    energy = cycles = 0.0
    for place, read_values, written_values in places:
        if not read_values and not written_values:
            continue
        memory = accelerator.hierarchy.levels[place]
        reads, writes = words_at(accelerator, layer, place, read_values, written_values)
        rates = memory.read_words_per_cycle, memory.write_words_per_cycle
        for words, rate in zip((reads, writes), rates, strict=True):
            if rate:
                cycles = max(cycles, words / rate)
        energy += reads * energies.access[place, "ifmap"].read_pj / memory.access_words
        energy += writes * energies.access[place, "psum"].write_pj / memory.access_words
    energy += math.ceil(cycles) * clock_pj(accelerator, energies)
    return TrafficCost(energy_pj=energy, cycles=math.ceil(cycles))


def words_at(
    accelerator: Accelerator, layer: Traffic, place: int, read: int, written: int
) -> tuple[float, float]:
    """Memory words of a level for so many values that are read, and written."""
    left = {} if place else savings(accelerator, layer).stored
    reads, writes = (
        values
        / accelerator.values_per_word(
            place, tensor, act_bits=layer.act_bits, weight_bits=layer.act_bits,
            out_bits=layer.out_bits, whole=True,
        )
        for tensor, values in (("ifmap", read), ("psum", written))
    )  # fmt: skip
    return reads * left.get("ifmap", 1.0), writes * left.get("ofmap", 1.0)
