"""A whole network on an accelerator: its layers mapped one after the other, and their totals.

Each layer brings its operands from the outermost level and its ofmap back. Layers without products
(pools, additions...) move their words between the outermost level and the chip, at its rate. With
``keep_between`` ofmaps stay in the buffer where that is better (``explorer.mapping.between``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies, resolve_energies
from explorer.accelerators.pe_tables import Sources
from explorer.mapping.between import Kept, Planner
from explorer.mapping.cost import LayerCost
from explorer.mapping.mapper import Certificate, Mapped, Options, certify, map_layers
from explorer.mapping.traffic import NARROWEST, TrafficCost, traffic_cost
from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network
from rtl_gen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A network on an accelerator.

    Attributes:
        network, accelerator: what was mapped on what.
        options: of the search.
        mapped: each layer that has products, by its shape, if nothing stays on the chip.
        traffic: the others, by name, likewise.
        certificates: of layers, if they were asked for.
        kept: what stays on the chip, and what layers cost with it; None if that was not asked for.
    """

    network: Network
    accelerator: Accelerator
    options: Options
    mapped: dict[LayerShape, Mapped]
    traffic: dict[str, TrafficCost]
    certificates: dict[LayerShape, Certificate] = field(default_factory=dict)
    kept: Kept | None = None

    def of(self, layer: Layer | Traffic) -> tuple[float, int]:
        """Energy in pJ and cycles of a layer."""
        if isinstance(layer, Layer):
            cost = self.cost_of(layer)
            return cost.energy_pj, cost.cycles
        traffic = (self.kept.traffic if self.kept else self.traffic)[layer.name]
        return traffic.energy_pj, traffic.cycles

    def cost_of(self, layer: Layer) -> LayerCost:
        """Cost of a layer that has products."""
        return (self.kept.mapped[layer.name] if self.kept else self.mapped[layer.shape]).cost

    def saved(self, layer: Layer | Traffic) -> tuple[float, int]:
        """Energy in pJ and cycles that are saved by what stays; below 0 if there are more."""
        energy, cycles = self.of(layer)
        before = replace(self, kept=None).of(layer)
        return before[0] - energy, before[1] - cycles

    @property
    def costs(self) -> list[LayerCost]:
        """Of each layer that has products."""
        return [self.cost_of(layer) for layer in self.network.layers_with_macs]

    @property
    def energy_pj(self) -> float:
        """Of all layers."""
        return math.fsum(self.of(layer)[0] for layer in self.network.layers)

    @property
    def cycles(self) -> int:
        """Of all layers, one after the other."""
        return sum(self.of(layer)[1] for layer in self.network.layers)

    @property
    def seconds(self) -> float:
        """Of all cycles."""
        return self.cycles * self.accelerator.period_ps * 1e-12

    def parts_pj(self) -> dict[str, float]:
        """Energy by part, the largest first; ``traffic`` for layers without products."""
        found: dict[str, float] = {}
        for layer in self.network.layers:
            parts = {"traffic": self.of(layer)[0]}
            if isinstance(layer, Layer):
                parts = self.cost_of(layer).parts_pj()
            for part, energy in parts.items():
                found[part] = found.get(part, 0.0) + energy
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def origins(self) -> list[str]:
        """Where energies are from, each once."""
        return list(dict.fromkeys(term.origin for cost in self.costs for term in cost.terms))

    def unknown(self) -> list[str]:
        """What is in no sum."""
        return list(dict.fromkeys(text for cost in self.costs for text in cost.unknown))

    def table(self) -> pd.DataFrame:
        """A row for each layer: MACs, bits, energy, cycles, utilization, efficiency.

        With ``kept``: words of the layer's ofmap that stay in the buffer, and energy saved.
        """
        rows = []
        for layer in self.network.layers:
            energy, cycles = self.of(layer)
            row: dict[str, Any] = {
                "layer": layer.name, "kind": layer.kind, "macs": layer.macs,
                "energy_uj": energy / 1e6, "cycles": cycles,
            }  # fmt: skip
            if isinstance(layer, Layer):
                shape, cost = layer.shape, self.cost_of(layer)
                row["bits"] = f"{shape.act_bits}/{shape.weight_bits}/{shape.out_bits}"
                row |= {"utilization": cost.utilization, "tops_per_watt": cost.tops_per_watt}
                if shape in self.certificates:
                    row["gap"] = self.certificates[shape].gap
            if self.kept is not None:
                stays = self.kept.stays.get(layer.name)
                row |= {"stays": stays.words if stays else 0}
                row |= {"saved_uj": self.saved(layer)[0] / 1e6}
            rows.append(row)
        columns = (
            "layer", "kind", "bits", "macs", "energy_uj", "cycles", "utilization", "tops_per_watt",
            *(["gap"] if self.certificates else []), *(["stays", "saved_uj"] if self.kept else []),
        )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: totals, and every layer with its terms and mapping."""
        hierarchy = self.accelerator.hierarchy
        layers = []
        for index, layer in enumerate(self.network.layers):
            energy, cycles = self.of(layer)
            entry: dict[str, Any] = {"layer": layer.name, "energy_pj": energy, "cycles": cycles}
            if isinstance(layer, Layer):
                entry |= self.cost_of(layer).to_dict(hierarchy)
                if layer.shape in self.certificates:
                    certificate = self.certificates[layer.shape]
                    entry |= {"gap": certificate.gap, "gap_proven": certificate.proven}
            if self.kept is not None:
                entry["kept"] = self._kept_entry(self.kept, index)
            layers.append(entry)
        document = {
            "network": self.network.name,
            "accelerator": self.accelerator.to_dict(),
            "objective": self.options.objective,
            "dataflow": self.options.dataflow,
            "effort": self.options.effort,
            "seed": self.options.seed,
            "mode": self.options.mode,
            "macs": self.network.macs,
            "energy_pj": self.energy_pj,
            "cycles": self.cycles,
            "seconds": self.seconds,
            "least_period_ps": asdict(self.costs[0].least_period_ps) if self.costs else None,
            "parts_pj": self.parts_pj(),
            "origins": self.origins(),
            "unknown": self.unknown(),
            "layers": layers,
        }
        return document | ({"kept": self._kept_totals(self.kept)} if self.kept else {})

    def _kept_entry(self, kept: Kept, index: int) -> dict[str, Any]:
        """What is in the buffer while a layer runs, and what that saves of its cost."""
        layer = self.network.layers[index]
        energy, cycles = self.saved(layer)
        return {
            "stays": layer.name in kept.stays,
            "why_not": kept.never.get(layer.name, ""),
            "in_buffer": {
                name: {"values": b.values, "memory_words": b.words}
                for name, b in kept.during(index).items()
            },
            "saved_pj": energy,
            "saved_cycles": cycles,
        }

    def _kept_totals(self, kept: Kept) -> dict[str, Any]:
        before = replace(self, kept=None)
        level = self.accelerator.hierarchy.levels[kept.level]
        return {
            "level": level.name,
            "level_memory_words": level.words,
            "most_memory_words": self.most_kept_words(),
            "ofmaps": list(kept.stays),
            "complete": kept.complete,
            "energy_pj_before": before.energy_pj,
            "saved_pj": before.energy_pj - self.energy_pj,
            "cycles_before": before.cycles,
            "saved_cycles": before.cycles - self.cycles,
        }

    def most_kept_words(self) -> int:
        """The most memory words of the buffer that ofmaps take at once."""
        assert self.kept is not None
        indices = range(len(self.network.layers))
        return max(sum(b.words for b in self.kept.during(i).values()) for i in indices)


def map_network(
    accelerator: Accelerator,
    network: Network,
    options: Options | None = None,
    *,
    sources: Sources | None = None,
    jobs: int = 1,
    cache: bool = True,
    seconds: float | None = None,
    keep_between: bool = False,
    told: Callable[[], None] = lambda: None,
) -> NetworkCost:
    """Map all layers of a network.

    Args:
        accelerator, network: what is mapped on what.
        options: of the search.
        sources: where energies are from.
        jobs: threads; they change no result.
        cache: whether to take what earlier searches found.
        seconds: that the proof of a layer's certificate may take, about; None for none.
        keep_between: let ofmaps stay in the buffer between the layers that make and read them.
        told: called behind each layer that is searched, that is certified, and that is mapped
            beside what stays.

    Raises:
        InputError: if an energy is missing, a layer fits nowhere, there is no buffer to stay in, or
            certificates are to be had of what stays: these are about layers alone.
    """
    if keep_between and seconds is not None:
        raise InputError("certify is about layers alone: leave out keep_between, or certify")
    options = options or Options()
    known: dict[tuple[int, int, int], Energies] = {}

    shapes = list(network.unique_shapes())

    def where(of: LayerShape | Traffic) -> str:
        name = next((x.name for x in network.layers_with_macs if x.shape == of), "")
        return f"{network.name}, layer {name!r}: " if name else ""

    def energies(of: LayerShape | Traffic) -> Energies:
        shape = shapes[0] if isinstance(of, Traffic) and shapes else of
        bits = NARROWEST
        if isinstance(shape, LayerShape):
            bits = shape.act_bits, shape.weight_bits, shape.out_bits
        if bits not in known:
            try:
                known[bits] = resolve_energies(accelerator, *bits, source=sources)
            except InputError as error:
                raise InputError(f"{where(of)}{error}") from None
        return known[bits]

    mapped = map_layers(
        accelerator, energies, shapes, options, jobs=jobs, cache=cache, told=told, where=where
    )
    traffic = {
        layer.name: traffic_cost(accelerator, energies(layer), layer)
        for layer in network.layers
        if isinstance(layer, Traffic)
    }
    certificates = {}
    if seconds is not None:
        for shape in shapes:
            certificates[shape] = certify(
                accelerator, energies(shape), mapped[shape], options, seconds=seconds
            )
            mapped[shape] = certificates[shape].mapped
            told()
    kept = None
    if keep_between:
        kept = Planner(
            accelerator, network, lambda x: energies(x.shape if isinstance(x, Layer) else x),
            options, cache=cache,
        ).best(told)  # fmt: skip
    return NetworkCost(
        network=network, accelerator=accelerator, options=options, mapped=mapped, traffic=traffic,
        certificates=certificates, kept=kept,
    )  # fmt: skip
