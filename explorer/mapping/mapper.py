"""The best mapping of a layer, and of a network, on an accelerator.

Layers are independent of each other; each is searched with the same seed, so that results are the
same for any number of threads. Mappings are kept in the user's cache by layer shape, accelerator
and energies: layers that are alike are searched once, in one network or in several.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from characterize.user_cache import cache_dir
from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Energies
from explorer.mapping.bound import lower_bound
from explorer.mapping.cost import LayerCost, costs_of, evaluate
from explorer.mapping.dataflow import DATAFLOWS, FREE
from explorer.mapping.fast import OBJECTIVES, Found
from explorer.mapping.mapping import Mapping
from explorer.mapping.ragged import axes_of, rounded_up
from explorer.mapping.resident import NOTHING, Resident
from explorer.mapping.rtl_array import RtlArray
from explorer.mapping.rtl_search import best_tiling
from explorer.mapping.space import Costs, Keeps, Space
from explorer.mapping.threads import aside, threads
from explorer.networks.layer import LayerShape
from rtl_gen.atomic import write_text
from rtl_gen.errors import InputError, require_choice, require_int
from rtl_gen.source import code_digest


class Round(NamedTuple):
    """A round of a search, through the spaces of whole factors and of larger sizes.

    Attributes:
        runs: of ``_TRIES`` moves in a space, each from the best mapping of the one before.
        anew: begins with all loops in the outermost level, not with the best mapping so far.
        every: objectives for which all sizes are rounded up, not those alone that can hardly be
            split.
    """

    runs: int
    anew: bool
    every: tuple[str, ...]


#: Moves of a run with whole factors (several short ones find more than a long one), and with larger
#: sizes, where there is more to choose from.
_TRIES, _RAGGED_TRIES = 8_000, 16_000
_QUICK = (Round(4, True, ()),)
_NORMAL = (*_QUICK, *(Round(4, anew, ("delay", "edp")) for anew in (True, False)))
_LONG = tuple(Round(12, anew, OBJECTIVES) for anew in (True, False))
#: Rounds of a search by effort: each does what the one before does, so that it never finds less.
EFFORTS = {"quick": _QUICK, "normal": _NORMAL, "thorough": (*_NORMAL, *4 * _LONG)}
#: First and last temperature of a run, as logarithms of cost.
_TEMPERATURES = (0.4, 0.003)
SEEDS = (0, (1 << 31) - 1)
#: From the seed of one round to that of the next: seeds of users are small numbers.
_NEXT_SEED = 65_537
_ROUNDING = 1e-9
#: Counting modes that are searched: all mappings; tilings of the array of this project.
MODES = ("exact", "rtl")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to search.

    Attributes:
        objective: of ``OBJECTIVES``.
        effort: of ``EFFORTS``.
        seed: of the random numbers.
        mode: of counting, of ``MODES``. In ``rtl`` all tilings are searched, whatever effort and
            seed.
        dataflow: of ``DATAFLOWS``; in mode ``exact``.

    Raises:
        InputError: on a value that is none of these.
    """

    objective: str = "energy"
    effort: str = "normal"
    seed: int = 1
    mode: str = "exact"
    dataflow: str = FREE

    def __post_init__(self) -> None:
        require_choice("objective", self.objective, OBJECTIVES)
        require_choice("effort", self.effort, EFFORTS)
        require_int("seed", self.seed, *SEEDS)
        require_choice("mode", self.mode, MODES)
        require_choice("dataflow", self.dataflow, DATAFLOWS)
        if self.dataflow != FREE and self.mode != "exact":
            raise InputError(f"dataflow {self.dataflow} is of mode exact, not {self.mode}")


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A layer with the best mapping that was found.

    Attributes:
        shape: the layer.
        cost: under the mapping, counted exactly.
        evaluated: mappings that were evaluated; 0 if it was in the cache.
        space: mappings in the map space; in mode ``rtl`` tilings and shares of the buffer.
    """

    shape: LayerShape
    cost: LayerCost
    evaluated: int
    space: int


def map_layer(
    accelerator: Accelerator,
    energies: Energies,
    shape: LayerShape,
    options: Options | None = None,
    *,
    cache: bool = True,
    resident: Resident = NOTHING,
) -> Mapped:
    """Search for the mapping of a layer that costs least.

    Args:
        accelerator: that the layer runs on.
        energies: of the accelerator at the layer's widths.
        shape: the layer.
        options: how to search.
        cache: whether to take what an earlier search found.
        resident: what stays on the chip.

    Raises:
        InputError: if no mapping of the layer fits; in mode ``rtl`` also if the accelerator is not
            an array of this project, or that has no such layer.
    """
    options = options or Options()
    if options.mode == "rtl":
        array = RtlArray(accelerator=accelerator, energies=energies)
        tiled = best_tiling(array, shape, options.objective)
        return Mapped(shape=shape, cost=tiled.cost, evaluated=tiled.evaluated, space=tiled.space)
    path = _cached(accelerator, energies, shape, options, resident)
    if cache and (known := _read(path, accelerator, energies, shape, resident)) is not None:
        return known
    best = aside(lambda: _search(accelerator, energies, shape, options, resident))
    if cache:
        _write(path, accelerator, best)
    return best


class _Place(NamedTuple):
    """A map space of a layer: larger sizes of dimensions, and a choice of what levels keep."""

    larger: tuple[tuple[str, tuple[int, ...]], ...]
    keeps: Keeps


def _search(
    accelerator: Accelerator,
    energies: Energies,
    shape: LayerShape,
    options: Options,
    resident: Resident,
) -> Mapped:
    """Search the spaces of the layer, and those with ragged edges, as often as the effort says."""
    hierarchy = resident.rest(accelerator.hierarchy)
    costs = costs_of(accelerator, energies, shape)
    found: dict[_Place, Found] = {}
    best: LayerCost | None = None
    evaluated = size = 0

    def search(place: _Place, number: int, known: list[Found]) -> Found:
        nonlocal best, evaluated, size
        space = Space.of(hierarchy, shape, place.keeps, options.dataflow, dict(place.larger))
        size += 0 if place in found else space.size
        new = anneal(space, costs, options, number, known)
        found[place] = min(new, found.get(place, new), key=attrgetter("score"))
        evaluated += new.evaluated
        if math.isinf(new.score):
            return new
        try:
            cost = evaluate(accelerator, energies, shape, space.mapping(new), resident)
        except InputError:  # sums that are not added on the way can need more room
            if not place.larger:
                raise
            return new
        if best is None or _value(cost, options) < _value(best, options):
            best = cost
        return new

    for number, now in enumerate(EFFORTS[options.effort]):
        larger = rounded_up(shape, axes_of(hierarchy), every=options.objective in now.every)
        for keeps in kept_tensors(accelerator, resident):
            plain, ragged = _Place((), keeps), _Place(tuple(larger.items()), keeps)
            known = [] if now.anew else [found[p] for p in (plain, ragged) if p in found]
            whole = search(plain, number, known[:1])
            if larger:
                search(ragged, number, [*known, whole])
    if best is None:
        raise InputError(_fits_nowhere(accelerator, shape, options.dataflow))
    return Mapped(shape=shape, cost=best, evaluated=evaluated, space=size)


def anneal(
    space: Space, costs: Costs, options: Options, number: int, known: Sequence[Found] = ()
) -> Found:
    """One round of a search in a space.

    Args:
        space: to search, for ``options.objective``, from ``options.seed``.
        costs: of the layer on the accelerator.
        number: of the round, in ``EFFORTS[options.effort]``.
        known: what was found in this space or in that of whole factors: the best is where the
            round begins.
    """
    before = min(known, key=attrgetter("score"), default=None)
    start = (before.ways, before.orders) if before and before.score < math.inf else None
    problem = space.problem(costs)
    runs = EFFORTS[options.effort][number].runs
    tries = _RAGGED_TRIES if problem.ragged else _TRIES
    seed = options.seed + _NEXT_SEED * number
    return space.search(problem, options.objective, seed, runs, tries, _TEMPERATURES, start)


def map_layers(
    accelerator: Accelerator,
    energies: Callable[[LayerShape], Energies],
    shapes: Sequence[LayerShape],
    options: Options | None = None,
    *,
    jobs: int = 1,
    cache: bool = True,
    told: Callable[[], None] = lambda: None,
    where: Callable[[LayerShape], str] = lambda _: "",
) -> dict[LayerShape, Mapped]:
    """Search for the mappings of several layers; those that are alike once.

    Args:
        accelerator: that the layers run on.
        energies: of the accelerator for a layer.
        shapes: the layers.
        options: how to search.
        jobs: threads; they change no result.
        cache: whether to take what an earlier search found.
        told: called behind each layer.
        where: what messages about a layer begin with.

    Raises:
        InputError: as ``map_layer``.
    """
    unique = list(dict.fromkeys(shapes))
    resolved = [energies(shape) for shape in unique]

    def one(index: int) -> Mapped:
        shape = unique[index]
        try:
            mapped = map_layer(accelerator, resolved[index], shape, options, cache=cache)
        except InputError as error:
            raise InputError(f"{where(shape)}{error}") from None
        told()
        return mapped

    # The first alone: compiling in several threads at once is not safe with CPython 3.11's ast.
    found = [one(index) for index in range(min(1, len(unique)))]
    with threads(jobs) as pool:
        found += pool.map(one, range(1, len(unique)))
    return dict(zip(unique, found, strict=True))


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How far a mapping can be from the best one of its space, by the search's cost model.

    Attributes:
        mapped: the mapping; a better one than before, if the proof found one.
        gap: share of its cost that another mapping can save at most.
        proven: ``gap`` is at most the tolerance; else time ran out before, or the proof's own
            model, which takes sums for packed as finished ones, is too far below.
        seconds: that it took.
    """

    mapped: Mapped
    gap: float
    proven: bool
    seconds: float


def certify(
    accelerator: Accelerator,
    energies: Energies,
    mapped: Mapped,
    options: Options | None = None,
    *,
    tolerance: float = 0.01,
    seconds: float = 60.0,
) -> Certificate:
    """Prove how much less another mapping of a layer can cost (``explorer.mapping.bound``).

    The space is all factors in all slots and all orders of loops; costs are those of the search,
    which are never below the exact ones.

    Args:
        accelerator, energies: as for ``map_layer``.
        mapped: what it found, with the same options.
        options: of the search.
        tolerance: share of the cost that need not be looked for.
        seconds: of work at most, about; in the first run compiling comes on top.

    Raises:
        InputError: in mode ``rtl``, whose search leaves nothing to be proven.
    """
    options = options or Options()
    if options.mode != "exact":
        raise InputError(
            f"certificates are of mode exact, not {options.mode}, which searches all tilings"
        )
    shape = mapped.shape
    costs = costs_of(accelerator, energies, shape)
    least, proven, spent = math.inf, True, 0.0
    for keeps in kept_tensors(accelerator):
        space = Space.of(accelerator.hierarchy, shape, keeps, options.dataflow)
        known = _objective(mapped.cost, options)
        prove = partial(lower_bound, space, costs, options.objective, known, tolerance, seconds)
        bound = aside(prove)
        least, proven = min(least, bound.value), proven and bound.proven
        spent += bound.seconds
        if bound.mapping is not None:
            with contextlib.suppress(InputError):  # finished sums were taken to be packed
                cost = evaluate(accelerator, energies, shape, bound.mapping)
                if _value(cost, options) < _value(mapped.cost, options):
                    mapped = replace(mapped, cost=cost)
    gap = max(0.0, 1 - least / _objective(mapped.cost, options))
    proven = proven and gap <= tolerance + _ROUNDING
    return Certificate(mapped=mapped, gap=gap, proven=proven, seconds=spent)


def _objective(cost: LayerCost, options: Options) -> float:
    """What the search makes small: pJ, cycles, or pJ x cycles."""
    if options.objective == "edp":
        return cost.energy_pj * cost.cycles
    return _value(cost, options)[0]


def _value(cost: LayerCost, options: Options) -> tuple[float, float]:
    """What is to be small; of equal delays the one with less energy."""
    energy = cost.energy_pj
    first = {"energy": energy, "delay": float(cost.cycles), "edp": cost.edp_pj_s}
    return first[options.objective], energy


def kept_tensors(accelerator: Accelerator, resident: Resident = NOTHING) -> list[Keeps]:
    """What the levels may keep: all, or without some of the optional tensors.

    The outermost keeps none of the resident tensors, and their level all of them.
    """
    choices = []
    for index, level in enumerate(accelerator.hierarchy.levels):
        kept = []
        for passing in itertools.chain.from_iterable(
            itertools.combinations(level.optional, r) for r in range(len(level.optional) + 1)
        ):
            away = resident.tensors if index == 0 else ()
            if index == 0 or index != resident.level or not set(passing) & set(resident.tensors):
                kept.append(tuple(t for t in level.keeps if t not in (*passing, *away)))
        choices.append(kept)
    found = [tuple(levels) for levels in itertools.product(*choices)]
    if "psum" not in resident.tensors:
        return found
    return [keeps for keeps in found if any("psum" in k for k in keeps[resident.level + 1 :])]


def _fits_nowhere(accelerator: Accelerator, shape: LayerShape, dataflow: str) -> str:
    if dataflow != FREE:
        return (
            f"no {dataflow} mapping of layer {_sizes(shape)} was found on {accelerator.name}; "
            f"dataflow {FREE} has more"
        )
    return (
        f"layer {_sizes(shape)} fits nowhere on {accelerator.name}: even with one value of each "
        f"tensor at a time {' or '.join(_too_small(accelerator, shape)) or 'a level'} is too small"
    )


def _sizes(shape: LayerShape) -> str:
    return " ".join(f"{name}{size}" for name, size in shape.sizes.items())


def _too_small(accelerator: Accelerator, shape: LayerShape) -> list[str]:
    """Levels without a memory word for each tensor that they must keep."""
    bits = {name: getattr(shape, name) for name in ("act_bits", "weight_bits", "out_bits")}
    found = []
    for v, level in enumerate(accelerator.hierarchy.levels):
        least = sum(
            math.ceil(1 / accelerator.values_per_word(v, tensor, **bits))
            for tensor in level.keeps
            if tensor not in level.optional
        )
        if level.usable_words is not None and least > level.usable_words:
            found.append(f"level {level.name!r} of {level.usable_words} memory words, not {least},")
    return found


def _cached(
    accelerator: Accelerator,
    energies: Energies,
    shape: LayerShape,
    options: Options,
    resident: Resident,
) -> Path:
    here = Path(__file__).parent
    parts = {
        "code": code_digest(*sorted(here.glob("*.py"))),
        "accelerator": accelerator.digest,
        "energies": energies.digest,
        "shape": shape.to_dict(),
        "resident": [resident.level, *resident.tensors, resident.words],
        "options": [
            options.objective,
            EFFORTS[options.effort],
            options.seed,
            options.dataflow,
        ],
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return cache_dir() / "mappings" / digest[:2] / f"{digest[2:34]}.json"


def _read(
    path: Path,
    accelerator: Accelerator,
    energies: Energies,
    shape: LayerShape,
    resident: Resident,
) -> Mapped | None:
    """What an earlier search found, counted anew; None if there is none that can be used."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        entry = json.loads(path.read_text())
        mapping = Mapping.from_list(entry["mapping"], accelerator.hierarchy)
        cost = evaluate(accelerator, energies, shape, mapping, resident)
        if math.isclose(cost.energy_pj, entry["energy_pj"], rel_tol=1e-9):
            return Mapped(shape=shape, cost=cost, evaluated=0, space=int(entry["space"]))
    return None


def _write(path: Path, accelerator: Accelerator, mapped: Mapped) -> None:
    entry = {
        "mapping": mapped.cost.mapping.to_list(accelerator.hierarchy),
        "energy_pj": mapped.cost.energy_pj,
        "space": mapped.space,
    }
    with contextlib.suppress(InputError):  # without a cache it only takes longer
        write_text(path, json.dumps(entry))
