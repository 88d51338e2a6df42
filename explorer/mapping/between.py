"""Which ofmaps stay in the buffer between the layers that make and read them.

An ofmap that stays is neither written to the outermost level nor read from there. It takes its room
from the first moment of the layer that makes it to the last moment of the last one that reads it
(over an addition, a residual connection), and the layers in between have only the rest for their
tiles (``explorer.mapping.resident``): they are mapped anew for it, unless a mapping that was found
for more room fits beside what stays.

The choice is a shortest path through the layers: a state is the set of ofmaps that are in the
buffer behind a layer, a step the choice whether the layer's own stays. That is exact, but for the
search of mappings, as long as there are no more than ``MOST_STATES`` sets; of more, only the best
go on, and nothing being there always does, so that what is found is never worse than that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies
from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.mapper import Mapped, Options, map_layer
from explorer.mapping.resident import Resident
from explorer.mapping.traffic import TrafficCost, traffic_cost
from explorer.networks.layer import Layer, LayerShape, Traffic
from explorer.networks.network import Network
from rtl_gen.errors import InputError

#: Sets of ofmaps in the buffer behind a layer, of which the best go on.
MOST_STATES = 64


@dataclass(frozen=True, kw_only=True)
class Between:
    """An ofmap that stays, or can.

    Attributes:
        values: of the ofmap.
        words: memory words of the buffer.
        first, last: positions of the layer that makes it and of the last that reads it.
    """

    values: int
    words: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What stays in the buffer, and what layers cost then.

    Attributes:
        level: position of the buffer.
        stays: ofmaps that stay, by the names of their layers.
        never: names of layers to why their ofmaps cannot stay.
        mapped: layers with products, by name.
        traffic: the others, by name.
        complete: no set of ofmaps was left out.
    """

    level: int
    stays: dict[str, Between]
    never: dict[str, str]
    mapped: dict[str, Mapped]
    traffic: dict[str, TrafficCost]
    complete: bool

    def during(self, index: int) -> dict[str, Between]:
        """What is in the buffer while a layer runs."""
        return {name: b for name, b in self.stays.items() if b.first <= index <= b.last}


def buffer_level(hierarchy: Hierarchy) -> int:
    """The buffer in which ofmaps can stay: the first level on the chip that keeps ifmap or psum.

    Raises:
        InputError: if it does not keep both, has several instances, or no limited size.
    """
    for index, level in enumerate(hierarchy.levels[1:], start=1):
        if not {"ifmap", "psum"} & set(level.keeps):
            continue
        if not {"ifmap", "psum"} <= set(level.keeps):
            why = f"keeps {', '.join(level.keeps)} alone"
        elif hierarchy.instances[index] != 1:
            why = f"has {hierarchy.instances[index]} instances"
        elif level.words is None:
            why = "has no size"
        else:
            return index
        raise InputError(
            "ofmaps stay in a buffer that there is one of, of a given size, which keeps ifmap and "
            f"psum; level {level.name!r} {why}"
        )
    raise InputError(
        "ofmaps stay in a buffer that keeps ifmap and psum; "
        f"{hierarchy.levels[0].name!r} is the only level that does"
    )


def candidates(
    accelerator: Accelerator, network: Network, level: int
) -> tuple[dict[str, Between], dict[str, str]]:
    """Ofmaps that can stay, and of the others why not."""
    found, never = {}, {}
    size = accelerator.hierarchy.levels[level].words
    assert size is not None
    for first, layer in enumerate(network.layers):
        readers = [(i, r) for i, r in enumerate(network.layers) if layer.name in r.inputs]
        words = _memory_words(accelerator, layer, level)
        if not readers:
            never[layer.name] = "a result of the network"
        elif words >= size:
            never[layer.name] = f"takes {words:,} memory words, there are {size:,}"
        elif whys := [why for _, reader in readers if (why := _unreadable(layer, reader))]:
            never[layer.name] = whys[0]
        else:
            found[layer.name] = Between(
                values=result_words(layer), words=words, first=first, last=readers[-1][0]
            )
    return found, never


def result_words(layer: Layer | Traffic) -> int:
    """Values that a layer makes."""
    return layer.output_words if isinstance(layer, Traffic) else layer.shape.ofmap_words


def _memory_words(accelerator: Accelerator, layer: Layer | Traffic, level: int) -> int:
    shape = layer if isinstance(layer, Traffic) else layer.shape
    packing = accelerator.values_per_word(
        level, "psum", act_bits=shape.act_bits, weight_bits=shape.act_bits,
        out_bits=shape.out_bits, whole=True,
    )  # fmt: skip
    return int(-(-result_words(layer) // packing))


def _unreadable(layer: Layer | Traffic, reader: Layer | Traffic) -> str:
    """Why a reader cannot take an ofmap from the buffer; "" if it can."""
    made = layer if isinstance(layer, Traffic) else layer.shape
    taken = reader if isinstance(reader, Traffic) else reader.shape
    if made.out_bits != taken.act_bits:
        return f"has {made.out_bits} bits, {reader.name!r} reads {taken.act_bits}"
    if isinstance(reader, Traffic):
        return ""
    if layer.name in reader.inputs[1:]:
        return f"is an operand of {reader.name!r} beside the ifmap"
    if len(reader.inputs) > 1 and not reader.weights_are_activations:
        return f"is only a part of the ifmap of {reader.name!r}"
    if reader.shape.ifmap_words > result_words(layer):
        return f"has {result_words(layer):,} values, {reader.name!r} reads more"
    return ""


class _Cost(NamedTuple):
    """Of a layer, or of all so far: what is to be small, and pJ to choose between equals."""

    value: float
    energy: float


class _Path(NamedTuple):
    """The cheapest way to a state.

    Attributes:
        cost: so far.
        stays: names of the ofmaps that stay or stayed.
        results: of each layer.
    """

    cost: _Cost
    stays: tuple[str, ...]
    results: tuple[Mapped | TrafficCost, ...]


class Planner:
    """Costs of a network's layers beside what stays.

    Args:
        accelerator, network: what is mapped on what.
        energies: of the accelerator for a layer.
        options, cache: of the search.

    Raises:
        InputError: if the accelerator has no buffer for it.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        network: Network,
        energies: Callable[[Layer | Traffic], Energies],
        options: Options,
        *,
        cache: bool,
    ) -> None:
        self.level = buffer_level(accelerator.hierarchy)
        self.can_stay, self.never = candidates(accelerator, network, self.level)
        self._accelerator, self._network, self._energies = accelerator, network, energies
        self._options, self._cache = options, cache
        self._found: dict[tuple[LayerShape, tuple[str, ...]], list[tuple[int, Mapped | None]]] = {}
        self._words = {layer.name: result_words(layer) for layer in network.layers}

    def best(self, told: Callable[[], None] = lambda: None) -> Kept:
        """The ofmaps with which the network costs least.

        Args:
            told: called behind each layer.
        """
        states: dict[frozenset[str], _Path] = {frozenset(): _Path(_Cost(0.0, 0.0), (), ())}
        complete = True
        for index, layer in enumerate(self._network.layers):
            after: dict[frozenset[str], _Path] = {}
            for here, path in states.items():
                for own in ((), (layer.name,)) if layer.name in self.can_stay else ((),):
                    busy = here | frozenset(own)
                    result = self.result(layer, busy)
                    if result is None:
                        continue
                    left = frozenset(n for n in busy if self.can_stay[n].last > index)
                    new = _Path(
                        self._sum(path.cost, result), path.stays + own, (*path.results, result)
                    )
                    if left not in after or new.cost < after[left].cost:
                        after[left] = new
            if len(after) > MOST_STATES:
                complete = False
                ranked = sorted(after, key=lambda state: (bool(state), after[state].cost))
                after = {state: after[state] for state in ranked[:MOST_STATES]}
            states = after
            told()
        return self._kept(states[frozenset()], complete=complete)

    def _kept(self, path: _Path, *, complete: bool) -> Kept:
        results = dict(zip((x.name for x in self._network.layers), path.results, strict=True))
        return Kept(
            level=self.level,
            stays={name: self.can_stay[name] for name in path.stays},
            never=self.never,
            mapped={n: r for n, r in results.items() if isinstance(r, Mapped)},
            traffic={n: r for n, r in results.items() if isinstance(r, TrafficCost)},
            complete=complete,
        )

    def _sum(self, cost: _Cost, result: Mapped | TrafficCost) -> _Cost:
        """With one layer more; of products of energy and delay the sum over the layers counts."""
        one = result.cost if isinstance(result, Mapped) else result
        value = {
            "energy": one.energy_pj,
            "delay": float(one.cycles),
            "edp": one.energy_pj * one.cycles,
        }[self._options.objective]
        return _Cost(cost.value + value, cost.energy + one.energy_pj)

    def result(self, layer: Layer | Traffic, busy: frozenset[str]) -> Mapped | TrafficCost | None:
        """What a layer costs while these ofmaps are in the buffer; None if it does not fit."""
        size = self._accelerator.hierarchy.levels[self.level].words
        assert size is not None
        taken = sum(self.can_stay[name].words for name in busy)
        if isinstance(layer, Traffic):
            return None if taken > size else self._traffic(layer, busy)
        tensors = tuple(
            tensor
            for tensor, name in (("ifmap", layer.inputs[0]), ("psum", layer.name))
            if name in busy
        )
        return None if taken >= size else self._mapped(layer, tensors, taken)

    def _traffic(self, layer: Traffic, busy: frozenset[str]) -> TrafficCost:
        """Where some operands stay and others not, those that do not are taken to be read whole."""
        outside = [name for name in dict.fromkeys(layer.inputs) if name not in busy]
        words = [self._words.get(name, layer.input_words) for name in outside]
        kept = layer.input_words - min(layer.input_words, sum(words))
        return traffic_cost(
            self._accelerator, self._energies(layer), layer, level=self.level, kept_words=kept,
            kept_result=layer.name in busy,
        )  # fmt: skip

    def _mapped(self, layer: Layer, tensors: tuple[str, ...], taken: int) -> Mapped | None:
        """The best mapping beside what stays; one that was found for more room if it fits."""
        known = self._found.setdefault((layer.shape, tensors), [])
        resident = Resident(level=self.level, tensors=tensors, words=taken)
        room = resident.rest(self._accelerator.hierarchy).levels[self.level].usable_words
        assert room is not None
        for other, mapped in known:
            if other <= taken and (mapped is None or mapped.cost.room[self.level] <= room):
                return mapped
        found: Mapped | None = None
        with contextlib.suppress(InputError):  # it fits nowhere
            found = map_layer(
                self._accelerator, self._energies(layer), layer.shape, self._options,
                cache=self._cache, resident=resident,
            )  # fmt: skip
        tighter = [m for other, m in known if other > taken and m is not None]
        every = [m for m in (found, *tighter) if m is not None]
        found = min(every, key=lambda m: self._sum(_Cost(0.0, 0.0), m), default=None)
        known.append((taken, found))
        return found
