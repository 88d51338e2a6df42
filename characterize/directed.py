"""Directed simulations: primitives, and pauses between them, that set the actions of a PE apart.

All are run one after the other in one simulation. Each primitive is two phases of it, its
multiply-accumulate cycles and all others; each pause is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from characterize.schedule import Schedule, first_mac
from rtl_gen import fp_golden
from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive, Words, convolve_row, decode_weights, row_cycles
from rtl_gen.operands import Workload, draw

#: Kinds of operands that multiply-accumulates are measured with.
KINDS = ("uniform", "dnn", "sparse")
#: Bits of activations and weights that they are measured with, beside all that there are.
NARROW_BITS = (2, 4, 8)
#: Cycles of a pause, and of a primitive (about).
PAUSE_CYCLES = 40
_TARGET_CYCLES = 120
#: Cycles (about) of primitives of any shape: what is once in each must not be taken for what is in
#: each cycle.
MIXTURE_CYCLES = (60, 120, 360) * 16
MIXTURE_LEAST = 12
_EASY_CELLS = 4500


@dataclass(frozen=True, kw_only=True)
class Directed:
    """One primitive of the plan.

    Attributes:
        name: what it is for.
        work: its sizes and operands.
        stall: the stream that waits once for ``PAUSE_CYCLES``, if any.
        idle: cycles without a primitive behind it.
    """

    name: str
    work: Workload
    stall: str | None = None
    idle: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All primitives of a simulation, and where its phases are.

    Attributes:
        steps: the primitives, in order; the first ``fill_count`` are not measured.
        schedule: of the simulation.
        macs, others: phase of the multiply-accumulate cycles, and of the other cycles, of each.
        pauses: phase of each kind of waiting of ``action_counts.WAITING``.
    """

    steps: tuple[Directed, ...]
    schedule: Schedule
    macs: tuple[int, ...]
    others: tuple[int, ...]
    pauses: dict[str, int]


def plan(design: PEDesign, steps: Sequence[Directed]) -> Plan:
    """Where everything happens when these primitives follow each other; the last one ends idle."""
    changes: dict[int, int | None] = {}
    holds: dict[str, list[tuple[int, int]]] = {}
    pauses = {"idle": 2 * len(steps), "clock_gated": 2 * len(steps) + 1}
    at = end = 0
    for index, step in enumerate(steps):
        marks = _marks(design, step.work.size, at, 2 * index)
        end = at + row_cycles(design, step.work.size)
        if step.stall:
            hold, first = _stall(design, step, at)
            holds.setdefault(step.stall, []).append(hold)
            phase = pauses.setdefault(f"stall_{step.stall}", 2 * len(steps) + len(pauses))
            marks, end = _delay(marks, first, phase), end + PAUSE_CYCLES
        changes.update(marks)
        if step.idle:
            changes[end] = pauses["idle"]
            holds.setdefault("config", []).append((at + 1, end + step.idle))
        at = end + step.idle
    changes[at] = None
    return Plan(
        steps=tuple(steps),
        schedule=Schedule(
            phases=2 * len(steps) + len(pauses),
            changes=sorted(changes.items()),
            cycles=end,
            holds=holds,
            clock_stops=[(at + 2, PAUSE_CYCLES, pauses["clock_gated"])],
            last_cycle=at + 3,
        ),
        macs=tuple(range(0, 2 * len(steps), 2)),
        others=tuple(range(1, 2 * len(steps), 2)),
        pauses=pauses,
    )


def _marks(design: PEDesign, size: Primitive, at: int, mac: int) -> dict[int, int]:
    """Phase changes of a primitive whose configuration is taken in cycle ``at``."""
    marks = {at: mac + 1}
    for x in range(size.outputs):
        begin = at + first_mac(design, size, x)
        marks[begin], marks[begin + size.steps(design)] = mac, mac + 1
    return marks


def _stall(design: PEDesign, step: Directed, at: int) -> tuple[tuple[int, int], int]:
    """When the stream offers nothing, so that its second word comes late; first cycle of that."""
    size = step.work.size
    if step.stall == "filter":
        word = at + 1
        need = word + size.weights_per_word(design)
    elif step.stall == "ifmap":
        word = at + first_mac(design, size, 0) - size.window_words(design)
        need = word + 1
    else:
        word = at + first_mac(design, size, 0) + size.steps(design) + design.pipeline_stages - 1
        need = word + 1
    return (word + 1, need + PAUSE_CYCLES), need


def _delay(marks: dict[int, int], first: int, phase: int) -> dict[int, int]:
    """Put a pause before what happens from cycle ``first`` on."""
    late = first + PAUSE_CYCLES
    before = [mark for cycle, mark in sorted(marks.items()) if cycle < first][-1]
    moved = {c if c < first else c + PAUSE_CYCLES: mark for c, mark in marks.items()}
    return {**moved, first: phase, late: moved.get(late, before)}


def fill(design: PEDesign, seed: int) -> list[Directed]:
    """Primitives that write the words of all scratchpads: none is unknown behind them."""
    filters = _largest(design)
    sums = _sized(design, 1, 1, design.psum_depth)
    return [
        Directed(name="fill", work=draw(design, replace(size, outputs=2), seed))
        for size in (filters, sums)
    ]


def fill_count(_design: PEDesign) -> int:
    """How many primitives ``fill`` gives."""
    return 2


def effort_for(cells: int) -> float:
    """How much is simulated of a netlist of so many cells, from 0.25 to 1 for the smallest.

    A large PE takes longer for each cycle, and its energies depend less on single operands.
    """
    return min(1.0, max(0.25, _EASY_CELLS / cells))


def directed_steps(design: PEDesign, seed: int, effort: float = 1.0) -> list[Directed]:
    """The plan of the primitives that the energies of actions are taken from.

    Args:
        effort: what share is simulated of what there would be (``effort_for``).

    Raises:
        InputError: if the scratchpads are too small for any primitive.
    """
    seeds = itertools.count(seed * 1000)
    steps = fill(design, next(seeds))
    steps += [Directed(name=name, work=work) for name, work in _shapes(design, seeds, effort)]
    steps += [Directed(name=name, work=work) for name, work in _mixture(design, seeds, effort)]
    steps += [
        Directed(name=name, work=work) for name, work in _operand_kinds(design, seeds, effort)
    ]
    pausing = _middle(design, chain=True)
    for stream in _streams_that_can_wait(design, pausing):
        steps.append(
            Directed(name=f"stall {stream}", work=draw(design, pausing, next(seeds)), stall=stream)
        )
    steps[-1] = replace(steps[-1], idle=PAUSE_CYCLES)
    return steps


def _streams_that_can_wait(design: PEDesign, size: Primitive) -> list[str]:
    """Those with a second word to wait for, in a primitive of this size."""
    words = {
        "filter": size.filter_words(design),
        "ifmap": size.window_words(design),
        "psum_in": size.sums,
        "psum_out": size.sums,
    }
    return [stream for stream, count in words.items() if count > 1]


def _room(design: PEDesign) -> int:
    """Weights that the filter scratchpad holds in the full mode, or in all their terms."""
    terms = design.terms if design.serial_terms else 1
    return design.filter_depth * design.weights_per_word // terms


def _sized(
    design: PEDesign,
    width: int,
    channels: int,
    filters: int,
    cycles: int = _TARGET_CYCLES,
    **options: Any,
) -> Primitive:
    """As large as the scratchpads allow, up to these; as many outputs as take some time."""
    products = design.modes[options.get("mode", 0)].products
    room = _room(design) if products < 4 else design.filter_depth
    width = max(1, min(width, design.ifmap_depth, room))
    channels = max(1, min(channels // products, design.ifmap_depth // width, room // width))
    most = design.psum_depth
    if options.get("depthwise"):
        channels = min(channels, most)
        most //= channels
    filters = max(1, min(filters, most, room // (width * channels)))
    size = Primitive(
        filter_width=width, channels=channels * products, filters=filters, outputs=2,
        **{"chain": False, **options},
    )  # fmt: skip
    column = row_cycles(design, replace(size, outputs=3)) - row_cycles(design, size)
    return replace(size, outputs=max(2, round(cycles / column)))


def _largest(design: PEDesign, **options: Any) -> Primitive:
    width = 3 if design.ifmap_depth >= 3 else 1
    return _sized(design, width, design.ifmap_depth, design.psum_depth, **options)


def _middle(design: PEDesign, **options: Any) -> Primitive:
    return _sized(design, 3, 4, 2, **options)


def _shapes(
    design: PEDesign, seeds: Iterator[int], effort: float
) -> Iterator[tuple[str, Workload]]:
    """Shapes in which each cycle and access takes another share of the time."""
    sizes = {
        "large": _largest(design),
        "one filter": _sized(design, 3, design.ifmap_depth, 1),
        "one filter, strided": _sized(design, 3, 2, 1, stride=3, chain=True),
        "one product": _sized(design, 1, 1, 1),
        "one product, chained": _sized(design, 1, 1, 1, chain=True),
        "many sums": _sized(design, 1, 1, design.psum_depth),
        "many sums, chained": _sized(design, 1, 1, design.psum_depth, chain=True),
        "middle": _middle(design),
        "two by two": _sized(design, 2, 2, 2, stride=2, chain=True),
        "wide": _sized(design, design.ifmap_depth, 1, 3),
        "depthwise": _sized(design, 3, 4, 2, depthwise=True),
        "depthwise, chained": _sized(design, 2, 8, 1, depthwise=True, chain=True),
        "four filters": _sized(design, 2, 3, 4, chain=True),
        "short": replace(_sized(design, 3, 4, 2), outputs=1),
        "shortest": Primitive(filter_width=1, channels=1, filters=1, outputs=1, chain=False),
        "shortest, chained": replace(_sized(design, 1, 2, 1), outputs=1, chain=True),
    }
    kinds = ("uniform", "dnn")
    for index, (name, size) in enumerate(sizes.items()):
        for kind in kinds if effort > 0.5 or index == 0 else (kinds[index % 2],):
            work = draw(design, size, next(seeds), kind)
            yield f"{name}, {kind}", work
    for mode in range(1, design.precision_modes):
        products = design.modes[mode].products
        for filters in (1, 2, 4):
            size = _sized(design, 3, 2 * products, filters, mode=mode)
            for kind in ("uniform", "dnn"):
                yield (
                    f"mode {mode}, {filters} filters, {kind}",
                    draw(design, size, next(seeds), kind),
                )


def _mixture(
    design: PEDesign, seeds: Iterator[int], effort: float
) -> Iterator[tuple[str, Workload]]:
    """Shapes and operands by chance: other weights in each, for energies depend on their order."""
    generator = np.random.default_rng(next(seeds))
    kinds = itertools.cycle(("uniform", "dnn", "sparse", "dnn"))
    lengths = MIXTURE_CYCLES[: max(MIXTURE_LEAST, round(effort * len(MIXTURE_CYCLES)))]
    for index, (cycles, kind) in enumerate(zip(lengths, kinds, strict=False)):
        size = random_size(design, generator, cycles)
        work = draw(design, size, next(seeds), kind)
        if index % 4 == 3:
            again = replace(size, keep_filter=True)
            yield f"mixture {index}, {kind}", work
            work = draw(design, again, next(seeds), kind, filters=work.filters)
        yield f"mixture {index}{', kept' if index % 4 == 3 else ''}, {kind}", work


def random_size(design: PEDesign, generator: np.random.Generator, cycles: int) -> Primitive:
    """Any shape that the scratchpads allow, of about so many cycles."""
    width, filters, stride = (int(generator.integers(1, n)) for n in (6, 9, 4))
    mode = int(generator.integers(design.precision_modes))
    products = design.modes[mode].products
    channels = int(generator.integers(1, 7)) * products
    depthwise = bool(generator.random() < 0.15) and products == 1
    return _sized(
        design, width, channels, filters, cycles,
        stride=stride, depthwise=depthwise, chain=bool(generator.random() < 0.5), mode=mode,
    )  # fmt: skip


def _operand_kinds(
    design: PEDesign, seeds: Iterator[int], effort: float
) -> Iterator[tuple[str, Workload]]:
    """Operands of all kinds, in one shape."""
    most = 4 if effort > 0.5 else 2
    size = _sized(design, 3, 4, most, round(effort * 2 * _TARGET_CYCLES))
    for kind in KINDS:
        yield f"mac {kind}", draw(design, size, next(seeds), kind)
    for name in ("zero", "zero activations", "zero weights", "still"):
        work = draw(design, size, next(seeds))
        ifmap, filters = work.ifmap, work.filters
        if name in ("zero", "zero activations"):
            ifmap = np.zeros_like(ifmap)
        if name in ("zero", "zero weights"):
            filters = np.zeros_like(filters)
        if name == "still":
            ifmap, filters = (
                np.full_like(ifmap, ifmap[0, 0]),
                np.full_like(filters, filters[0, 0, 0]),
            )
        yield f"mac {name}", workload(design, size, ifmap, filters)
    for act_bits, weight_bits in narrow_bits(design):
        generator = np.random.default_rng(next(seeds))
        yield (
            f"mac {act_bits} x {weight_bits}",
            narrow_workload(design, size, act_bits, weight_bits, generator),
        )


def workload(design: PEDesign, size: Primitive, ifmap: Words, filters: Words) -> Workload:
    """These operands, without incoming sums, and what they must give."""
    expected = convolve_row(design, size, ifmap, filters, None)
    return Workload(size=size, ifmap=ifmap, filters=filters, psums=None, expected=expected)


def narrow_bits(design: PEDesign) -> list[tuple[int, int]]:
    """Bits of activations and weights that are measured: narrower ones, and all there are."""
    acts = [bits for bits in NARROW_BITS if bits < design.act_bits]
    weights = [bits for bits in NARROW_BITS if bits < design.weight_bits]
    return list(itertools.product([*acts, design.act_bits], [*weights, design.weight_bits]))


def narrow_workload(
    design: PEDesign,
    size: Primitive,
    act_bits: int,
    weight_bits: int,
    generator: np.random.Generator,
) -> Workload:
    """Operands uniform over the numbers of so many bits, on the hardware as it is.

    Integers of b bits: -2^(b-1) to 2^(b-1) - 1, or 0 to 2^b - 1 where activations are unsigned. Of
    power-of-two weights, those whose value is such a number. Of floating-point numbers, the same
    integers; with all bits, what ``uniform`` draws.
    """
    shape = (size.ifmap_columns, size.channels)
    weight_shape = (size.filter_width, size.channels, size.filters)
    whole = draw(design, size, int(generator.integers(1 << 31)))
    ifmap, filters = whole.ifmap, whole.filters
    if act_bits < design.act_bits:
        half = 1 << (act_bits - 1)
        low, high = (-half, half) if design.act_signed else (0, 2 * half)
        ifmap = generator.integers(low, high, shape)
        if design.family == "fp":
            ifmap = fp_golden.encode(fp_golden.format_of_bits(design.act_bits), ifmap)
    if weight_bits < design.weight_bits:
        half = 1 << (weight_bits - 1)
        if design.family == "fp":
            numbers = generator.integers(-half, half, weight_shape)
            filters = fp_golden.encode(fp_golden.format_of_bits(design.weight_bits), numbers)
        else:
            codes = np.arange(1 << design.weight_bits)
            values = decode_weights(design, codes)
            fitting = codes[(-half <= values) & (values < half)]
            # In a mode of fewer bits, the sign is that of these.
            filters = generator.choice(fitting, weight_shape)
            filters %= 1 << size.precision(design).weight_bits
    return workload(design, size, ifmap, filters)
