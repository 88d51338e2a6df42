"""How operands of each kind differ in what costs energy: zeros, and bits that toggle.

Rows as they are measured (``characterize.workload.measured_primitive``), 200 draws of each kind.
Activations follow each other along the row, weights as they are sent to a PE.
Run: ``python -m benchmarks.operands`` (some 40 seconds).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from characterize.workload import measured_primitive
from rtl_gen import fp_golden
from rtl_gen.design import PEDesign
from rtl_gen.golden import Words, decode_weights
from rtl_gen.operands import draw
from rtl_gen.traces import Floats

DESIGNS = ("INT16", "INT8", "INT4", "LightPE-2", "LightPE-1", "BF16")
KINDS = ("uniform", "sparse", "dnn")
DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Means over draws.

    Attributes:
        zeros, weight_zeros: shares of activations and weights, 0..1.
        toggles: share of the bits that differ between one activation and the next of its channel.
        weight_toggles: likewise between one weight and the next.
        correlation: of neighbouring activations of a channel.
    """

    zeros: float
    toggles: float
    correlation: float
    weight_zeros: float
    weight_toggles: float


def toggle_share(codes: Words, bits: int) -> float:
    """Share of the bits that differ from one code to the next along the first axis."""
    changed = (codes[1:] ^ codes[:-1]) & ((1 << bits) - 1)
    return float(np.bitwise_count(changed).mean() / bits)


def statistics(design: PEDesign, kind: str, draws: int = DRAWS) -> Statistics:
    """Of the measured row of a design.

    Raises:
        InputError: if there is no such kind of operands.
    """
    size = measured_primitive(design)
    works = [draw(design, size, seed, kind) for seed in range(draws)]
    values = np.stack([_values(design, work.ifmap) for work in works])
    weights = np.stack([decode_weights(design, work.filters) for work in works])
    correlation = np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())
    toggles = [toggle_share(work.ifmap, design.act_bits) for work in works]
    # Filter words come column by column, channel by channel, filter by filter.
    weight_toggles = [toggle_share(work.filters.ravel(), design.weight_bits) for work in works]
    return Statistics(
        zeros=float((values == 0).mean()),
        toggles=float(np.mean(toggles)),
        correlation=float(np.asarray(correlation)[0, 1]),
        weight_zeros=float((weights == 0).mean()),
        weight_toggles=float(np.mean(weight_toggles)),
    )


def _values(design: PEDesign, acts: Words) -> Floats:
    if design.family == "fp":
        return fp_golden.decode(fp_golden.format_of_bits(design.act_bits), acts)
    return acts.astype(np.float64)


def main() -> None:
    print(f"{'':19}{'activations':^33}{'weights':^22}")
    print(f"{'':19}{'zero %':>9}{'toggle %':>10}{'correlation':>13}{'zero %':>10}{'toggle %':>10}")
    for name in DESIGNS:
        for kind in KINDS:
            found = statistics(PEDesign.preset(name), kind)
            print(
                f"{name:11}{kind:8}{100 * found.zeros:9.1f}{100 * found.toggles:10.1f}"
                f"{found.correlation:13.2f}{100 * found.weight_zeros:10.1f}"
                f"{100 * found.weight_toggles:10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
