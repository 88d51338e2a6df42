"""A whole network on an accelerator: its layers mapped one after the other, and their totals.

Each layer brings its operands from the outermost level and its ofmap back. Layers without products
(pools, additions...) move their words between the outermost level and the chip, at its rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies, resolve_energies
from explorer.accelerators.pe_tables import Sources
from explorer.mapping.cost import clock_pj
from explorer.mapping.mapper import Certificate, Mapped, Options, certify, map_layers
from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network


@dataclass(frozen=True, kw_only=True)
class TrafficCost:
    """What moving the words of a layer without products costs.

    Attributes:
        energy_pj: of reading and writing at the outermost level.
        cycles: at its rate; 0 if that has no limit.
    """

    energy_pj: float
    cycles: int


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A network on an accelerator.

    Attributes:
        network, accelerator: what was mapped on what.
        options: of the search.
        mapped: each layer that has products, by its shape.
        traffic: the others, by name.
        certificates: of layers, if they were asked for.
    """

    network: Network
    accelerator: Accelerator
    options: Options
    mapped: dict[LayerShape, Mapped]
    traffic: dict[str, TrafficCost]
    certificates: dict[LayerShape, Certificate] = field(default_factory=dict)

    def of(self, layer: Layer | Traffic) -> tuple[float, int]:
        """Energy in pJ and cycles of a layer."""
        if isinstance(layer, Traffic):
            return self.traffic[layer.name].energy_pj, self.traffic[layer.name].cycles
        cost = self.mapped[layer.shape].cost
        return cost.energy_pj, cost.cycles

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
                parts = self.mapped[layer.shape].cost.parts_pj()
            for part, energy in parts.items():
                found[part] = found.get(part, 0.0) + energy
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def origins(self) -> list[str]:
        """Where energies are from, each once."""
        costs = (mapped.cost for mapped in self.mapped.values())
        return list(dict.fromkeys(term.origin for cost in costs for term in cost.terms))

    def unknown(self) -> list[str]:
        """What is in no sum."""
        costs = (mapped.cost for mapped in self.mapped.values())
        return list(dict.fromkeys(text for cost in costs for text in cost.unknown))

    def table(self) -> pd.DataFrame:
        """A row for each layer: MACs, bits, energy, cycles, utilization, efficiency."""
        rows = []
        for layer in self.network.layers:
            energy, cycles = self.of(layer)
            row: dict[str, Any] = {
                "layer": layer.name, "kind": layer.kind, "macs": layer.macs,
                "energy_uj": energy / 1e6, "cycles": cycles,
            }  # fmt: skip
            if isinstance(layer, Layer):
                shape, cost = layer.shape, self.mapped[layer.shape].cost
                row["bits"] = f"{shape.act_bits}/{shape.weight_bits}/{shape.out_bits}"
                row |= {"utilization": cost.utilization, "tops_per_watt": cost.tops_per_watt}
                if shape in self.certificates:
                    row["gap"] = self.certificates[shape].gap
            rows.append(row)
        columns = (
            "layer", "kind", "bits", "macs", "energy_uj", "cycles", "utilization", "tops_per_watt",
            *(["gap"] if self.certificates else []),
        )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: totals, and every layer with its terms and mapping."""
        hierarchy = self.accelerator.hierarchy
        layers = []
        for layer in self.network.layers:
            energy, cycles = self.of(layer)
            entry: dict[str, Any] = {"layer": layer.name, "energy_pj": energy, "cycles": cycles}
            if isinstance(layer, Layer):
                entry |= self.mapped[layer.shape].cost.to_dict(hierarchy)
                if layer.shape in self.certificates:
                    certificate = self.certificates[layer.shape]
                    entry |= {"gap": certificate.gap, "gap_proven": certificate.proven}
            layers.append(entry)
        return {
            "network": self.network.name,
            "accelerator": self.accelerator.to_dict(),
            "objective": self.options.objective,
            "effort": self.options.effort,
            "seed": self.options.seed,
            "mode": "exact",
            "macs": self.network.macs,
            "energy_pj": self.energy_pj,
            "cycles": self.cycles,
            "seconds": self.seconds,
            "parts_pj": self.parts_pj(),
            "origins": self.origins(),
            "unknown": self.unknown(),
            "layers": layers,
        }


def map_network(
    accelerator: Accelerator,
    network: Network,
    options: Options | None = None,
    *,
    sources: Sources | None = None,
    jobs: int = 1,
    cache: bool = True,
    seconds: float | None = None,
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
        told: called behind each layer that is searched, and that is certified.

    Raises:
        InputError: if an energy is missing, or a layer fits nowhere.
    """
    options = options or Options()
    known: dict[tuple[int, int, int], Energies] = {}

    def energies(shape: LayerShape) -> Energies:
        bits = shape.act_bits, shape.weight_bits, shape.out_bits
        if bits not in known:
            known[bits] = resolve_energies(accelerator, *bits, source=sources)
        return known[bits]

    shapes = list(network.unique_shapes())
    mapped = map_layers(accelerator, energies, shapes, options, jobs=jobs, cache=cache, told=told)
    others = [layer for layer in network.layers if isinstance(layer, Traffic)]
    traffic = {}
    for layer in others:
        any_shape = next(iter(shapes), None)
        bits = (
            layer.act_bits,
            any_shape.weight_bits if any_shape else layer.act_bits,
            layer.out_bits,
        )
        if bits not in known:
            known[bits] = resolve_energies(accelerator, *bits, source=sources)
        traffic[layer.name] = traffic_cost(accelerator, known[bits], layer)
    certificates = {}
    if seconds is not None:
        for shape in shapes:
            certificates[shape] = certify(
                accelerator, energies(shape), mapped[shape], options, seconds=seconds
            )
            mapped[shape] = certificates[shape].mapped
            told()
    return NetworkCost(
        network=network, accelerator=accelerator, options=options, mapped=mapped, traffic=traffic,
        certificates=certificates,
    )  # fmt: skip


def traffic_cost(accelerator: Accelerator, energies: Energies, layer: Traffic) -> TrafficCost:
    """What a layer without products costs: its words are read once, and written once."""
    level = accelerator.hierarchy.levels[0]
    reads, writes = _traffic_words(accelerator, layer)
    cycles = traffic_cycles(accelerator, layer)
    read_pj = energies.access[0, "ifmap"].read_pj / level.access_words
    write_pj = energies.access[0, "psum"].write_pj / level.access_words
    energy = reads * read_pj + writes * write_pj + cycles * clock_pj(accelerator, energies)
    return TrafficCost(energy_pj=energy, cycles=cycles)


def traffic_cycles(accelerator: Accelerator, layer: Traffic) -> int:
    """Cycles in which the outermost level moves the words of a layer without products."""
    level = accelerator.hierarchy.levels[0]
    rates = level.read_words_per_cycle, level.write_words_per_cycle
    words = zip(_traffic_words(accelerator, layer), rates, strict=True)
    return math.ceil(max(number / rate if rate else 0.0 for number, rate in words))


def _traffic_words(accelerator: Accelerator, layer: Traffic) -> tuple[float, float]:
    """Memory words that are read, and that are written."""
    read, written = (
        accelerator.values_per_word(
            0, tensor, act_bits=layer.act_bits, weight_bits=layer.act_bits,
            out_bits=layer.out_bits, whole=True,
        )
        for tensor in ("ifmap", "psum")
    )  # fmt: skip
    return layer.input_words / read, layer.output_words / written
