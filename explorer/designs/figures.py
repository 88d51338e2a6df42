"""What designs cost, all at once: the numbers of ``resolve_energies`` and ``costs_of`` as arrays.

What belongs to the PE, and to PE and memories together, is asked of these once for every pair of
them; wires, network, clock and leakage, which depend on the whole design, are added as arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from characterize.platform import load_platform
from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import assemble, memories_of, own_areas_um2
from explorer.accelerators.floor_plan import hop_lengths_um, hop_pj_per_bit
from explorer.accelerators.memories import MemoryCost
from explorer.accelerators.network_cost import FRAME_COLUMNS, composed, pe_columns
from explorer.accelerators.pe_components import Components, layer_components
from explorer.accelerators.pe_tables import PETable, Sources, pe_tables
from explorer.designs.space import DesignSpace, Indices
from explorer.mapping.cost import costs_of, leakage_pj, span_of
from explorer.mapping.space import Costs
from explorer.networks.layer import LayerShape
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.space import design_of

Floats = NDArray[np.float64]
Bits = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Designs, and what does not depend on a layer's mapping. ``n`` designs, ``levels`` levels.

    Attributes:
        space: the designs are of.
        pe, frame: of each design, ``[n]``.
        tables: of each PE.
        outlines: by PE and number of memories, an accelerator with these.
        memory: of each frame, the number of its memories among those that are alike.
        srams: by these numbers, what each memory takes, by position of its level.
        hops: ``[n, levels]``: pJ of a bit to all instances below a level.
        leakage_uw: ``[n]``.
        network_cycle_pj: ``[n]``: of the network's clock.
        mac_units: ``[n]``.
        table: a row for each design: ``area_mm2``, ``least_period_ps``, ``period_ps``, ``outside``
            (the PE's figures are extrapolated).
    """

    space: DesignSpace
    pe: Indices
    frame: Indices
    tables: Sequence[PETable]
    outlines: Mapping[tuple[int, int], Accelerator]
    memory: Indices
    srams: Mapping[int, Mapping[int, MemoryCost]]
    hops: Floats
    leakage_uw: Floats
    network_cycle_pj: Floats
    mac_units: Indices
    table: pd.DataFrame

    def take(self, numbers: Indices) -> Figures:
        """Some of the designs."""
        own = {
            name: getattr(self, name)[numbers]
            for name in ("pe", "frame", "hops", "leakage_uw", "network_cycle_pj", "mac_units")
        }
        return replace(self, **own, table=self.table.iloc[numbers])


def figures(space: DesignSpace, pe: Indices, frame: Indices, sources: Sources) -> Figures:
    """What these designs cost, whatever runs on them.

    Raises:
        InputError: as ``resolve_energies``.
    """
    samples = space.outlines
    designs = [design_of(row) for row in space.pes.to_dict("records")]
    tables = pe_tables(designs, space.pes["period_ps"].tolist(), samples[0].platform, sources)
    if any(table.core_area_um2 is None for table in tables):
        raise InputError(f"{space.name}: the area of a PE is not known")
    memory = _alike(samples)
    numbers, examples = np.unique(memory, return_index=True)
    srams = {
        int(number): memories_of(samples[example], sources)
        for number, example in zip(numbers, examples, strict=True)
    }
    used = np.unique(np.stack([pe, memory[frame]]), axis=1).T.tolist()
    of_frame = [srams[int(number)] for number in memory]
    instances = np.array([s.hierarchy.instances for s in samples])
    sram = _sram_totals(of_frame, instances)
    own = np.array([own_areas_um2(s, m) for s, m in zip(samples, of_frame, strict=True)])
    units = instances[frame, -1]
    network = _network(samples, designs, tables, pe, frame, sources)
    pes = pd.DataFrame(
        {"area": [t.area_um2 for t in tables], "leakage": [t.leakage_uw for t in tables],
         "core": [t.core_area_um2 for t in tables], "least": [t.least_period_ps for t in tables],
         "outside": [t.origin.startswith("extrapolated") for t in tables]}, dtype=float,
    ).iloc[pe]  # fmt: skip
    lengths = hop_lengths_um(space.fanouts[frame].astype(float), own[frame], pes["core"].to_numpy())
    span = np.array([[span_of(level) for level in s.hierarchy.levels] for s in samples])
    platform = load_platform(samples[0].platform)
    area = units * pes["area"].to_numpy() + sram[frame, 0] + network["area_um2"]
    least = np.maximum.reduce([pes["least"].to_numpy(), sram[frame, 2], network["least_period_ps"]])
    return Figures(
        space=space, pe=pe, frame=frame, tables=tables, memory=memory,
        outlines={(p, m): space.outline(p, int(examples[m])) for p, m in used}, srams=srams,
        hops=hop_pj_per_bit(lengths, platform) * span[frame],
        leakage_uw=units * pes["leakage"].to_numpy() + sram[frame, 1] + network["leakage_uw"],
        network_cycle_pj=network["cycle_pj"],
        mac_units=units,
        table=pd.DataFrame(
            {"area_mm2": area * 1e-6, "least_period_ps": least,
             "period_ps": np.array([s.period_ps for s in samples])[frame],
             "outside": pes["outside"].map({0.0: None, 1.0: "PE"}).to_numpy()}
        ),
    )  # fmt: skip


def _alike(samples: Sequence[Accelerator]) -> Indices:
    """Numbers for what is alike but for the instances, and the network: memories and packing."""
    seen: dict[str, int] = {}
    found = []
    for sample in samples:
        values: dict[str, Any] = sample.to_dict()
        alone = [count == 1 for count in sample.hierarchy.instances]
        for level in values["levels"]:
            del level["fanout_x"], level["fanout_y"]
        for name in ("name", "pe", "network", "period_ps"):
            del values[name]
        key = json.dumps([values, alone], sort_keys=True)
        found.append(seen.setdefault(key, len(seen)))
    return np.array(found)


def _sram_totals(memories: Sequence[Mapping[int, MemoryCost]], instances: Indices) -> Floats:
    """Of each frame: area in um2, leakage in uW, least period in ps."""
    rows = [
        (sum(counts[i] * cost.area_um2 for i, cost in costs.items()),
         sum(counts[i] * cost.leakage_uw for i, cost in costs.items()),
         max((1000 * cost.cycle_ns for cost in costs.values()), default=0.0))
        for costs, counts in zip(memories, instances, strict=True)
    ]  # fmt: skip
    return np.array(rows, float)


def _network(
    samples: Sequence[Accelerator], designs: Sequence[PEDesign], tables: Sequence[PETable],
    pe: Indices, frame: Indices, sources: Sources,
) -> dict[str, Floats]:  # fmt: skip
    """Area, leakage, clock and least period of the network; of kind ``wires`` nothing is known."""
    names = ("area_um2", "leakage_uw", "cycle_pj", "least_period_ps")
    kinds = {sample.network.kind for sample in samples}
    if kinds == {"wires"} or sources.dataset is None:
        return {name: np.zeros(len(pe)) for name in names}
    arrays = [sample.array_design() for sample in samples]
    frames = pd.DataFrame([{n: getattr(a, n) for n in FRAME_COLUMNS} for a in arrays])
    pes = pd.DataFrame(
        [pe_columns(design, 0, table.least_period_ps or 0.0)
         for design, table in zip(designs, tables, strict=True)]
    )  # fmt: skip
    periods = np.array([sample.period_ps for sample in samples])
    both = pd.concat(
        [frames.iloc[frame].reset_index(drop=True), pes.iloc[pe].reset_index(drop=True)], axis=1
    ).assign(period_ps=periods[frame])
    said = composed(both, sources.dataset)
    is_array = np.array([sample.network.kind == "array" for sample in samples])[frame]
    return {name: np.where(is_array, said[name].to_numpy(), 0.0) for name in names}


@dataclass(frozen=True, kw_only=True)
class Costing:
    """Costs of values at a layer's widths, of each PE with each of the memories that are alike.

    Attributes:
        costs: by PE and number of the memories; None where the PE is too narrow for the layer.
        cycle_pj: ``[n]`` of a cycle of each design: clocks and leakage.
    """

    costs: dict[tuple[int, int], Costs | None]
    cycle_pj: Floats

    def take(self, numbers: Indices) -> Costing:
        """Of some of the designs."""
        return replace(self, cycle_pj=self.cycle_pj[numbers])


def costing(found: Figures, bits: Bits, shape: LayerShape | None = None) -> Costing:
    """What values cost at these widths of activations, weights and outputs, without wires.

    Args:
        shape: of a layer of these widths, if its zeros save something.
    """
    costs: dict[tuple[int, int], Costs | None] = {}
    parts: dict[int, Components] = {}
    cycle = np.full(len(found.tables), np.nan)
    for (pe, number), accelerator in found.outlines.items():
        costs[pe, number] = None
        assert accelerator.pe is not None
        if bits[0] > accelerator.pe.act_bits or bits[1] > accelerator.pe.weight_bits:
            continue
        table = found.tables[pe]
        if pe not in parts:
            parts[pe] = layer_components(accelerator.pe, table.energies_pj, *bits[:2])
        energies = assemble(accelerator, bits, table, parts[pe], found.srams[number], None, ())
        costs[pe, number] = costs_of(accelerator, energies, shape)
        cycle[pe] = energies.cycle_pj
    clock = found.mac_units * cycle[found.pe] + found.network_cycle_pj
    periods = found.table["period_ps"].to_numpy(np.float64)
    return Costing(costs=costs, cycle_pj=clock + leakage_pj(found.leakage_uw, periods))
