"""What zeros save of a layer's cost (``explorer.accelerators.sparsity``); all of it is modelled.

Each value of a tensor is zero or not by itself, with the same probability everywhere: Sparseloop's
uniform density model without its correction for tiles of a known number of zeros. With densities
(shares that are not zero) d of the operands that are gated or skipped:

- A product takes place if none of these is zero: prod d of all. The others take no energy of the
  MAC unit; its clock and leakage, and the sum's way, are those of every product.
- Of an operand that is neither gated nor skipped, the words that go from its innermost level to one
  MAC unit are read for the same share. (Where one read serves several units it is always made.)
- Skipping divides the cycles with work by 1 / prod d of the skipped: as if the work were shared
  evenly by all units, so that this is the least that it can take.
- A compressed tensor has in the outermost level the expected bits of its code, or its own if these
  are fewer; reading a part takes its share of them. What coding itself takes is not known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.sparsity import OPERANDS, Sparsity
from explorer.networks.layer import LayerShape, Traffic

#: Of the model, for origins.
MODEL = "modelled: zeros independent and uniform"


@dataclass(frozen=True, kw_only=True)
class Savings:
    """Shares of a layer's dense cost that are left.

    Attributes:
        macs: products that take energy.
        cycles: of those with work.
        reads: by operand, words that are read for the MAC units.
        stored: by name of ``COMPRESSED``, memory words in the outermost level.
    """

    macs: float = 1.0
    cycles: float = 1.0
    reads: dict[str, float] = field(default_factory=dict)
    stored: dict[str, float] = field(default_factory=dict)


def savings(accelerator: Accelerator, shape: LayerShape | Traffic) -> Savings:
    """What is left of a layer's cost; of a layer without products only ``stored`` counts."""
    sparsity = accelerator.sparsity
    stored = {}
    for tensor, (values, bits, density) in _tensors(shape).items():
        if tensor in sparsity.compress and density < 1:
            stored[tensor] = _stored(accelerator, values, bits, density)
    densities = {tensor: density for tensor, (_, _, density) in _tensors(shape).items()}
    left = math.prod(densities.get(t, 1.0) for t in sparsity.leaders)
    return Savings(
        macs=left,
        cycles=math.prod(densities.get(t, 1.0) for t in sparsity.skip),
        reads={t: left for t in OPERANDS if sparsity.leaders and t not in sparsity.leaders},
        stored=stored,
    )


def _tensors(shape: LayerShape | Traffic) -> dict[str, tuple[int, int, float]]:
    """Values, bits of a value, and density of the tensors of a layer."""
    if isinstance(shape, Traffic):
        values = {"ifmap": shape.input_words, "ofmap": shape.output_words}
    else:
        values = {"ifmap": shape.ifmap_words, "ofmap": shape.ofmap_words}
    found = {
        "ifmap": (values["ifmap"], shape.act_bits, shape.act_density),
        "ofmap": (values["ofmap"], shape.out_bits, shape.out_density),
    }
    if isinstance(shape, LayerShape):
        found["filter"] = shape.weights, shape.weight_bits, shape.weight_density
    return found


def _stored(accelerator: Accelerator, values: int, bits: int, density: float) -> float:
    """Memory words of the outermost level that a coded tensor takes, of those that it took."""
    packing = accelerator.values_per_word(
        0, "ifmap", act_bits=bits, weight_bits=bits, out_bits=bits
    )
    sparsity, memory = accelerator.sparsity, accelerator.hierarchy.levels[0]
    coded = rlc_bits(values, density, bits, sparsity) / memory.word_bits
    return min(1.0, coded * packing / values)


def rlc_pairs(values: int, density: float, longest_run: int) -> float:
    """Expected pairs of a code of runs of zeros and values, of independent values.

    With q = 1 - density and z = longest_run + 1, a pair ends at the i-th value (from 1) if it is
    not zero, or if it ends a run of j z zeros that nothing, or a value that is not zero, stands
    before: u_i = density + sum over j >= 1 of q^(j z) (density if i > j z, 1 if i = j z). A pair
    that the end of the values cuts short counts as well: 1 - u_n. For many values that is
    density / (1 - q^z) of them.
    """
    zeros, size = 1.0 - density, longest_run + 1
    pairs, last = values * density, density
    for whole in range(size, values + 1, size):
        all_zero = zeros**whole
        if all_zero < 1e-18:
            break
        pairs += all_zero * (1 + (values - whole) * density)
        last += all_zero * (density if values > whole else 1.0)
    return pairs + 1 - last


def rlc_bits(values: int, density: float, bits: int, sparsity: Sparsity) -> float:
    """Expected bits of a tensor in code words; that the last one is not full does not count.

    Args:
        values, bits: of the tensor, one stream, and of a value.
        density: share that is not zero.
        sparsity: how it is coded.

    Raises:
        InputError: if a code word has no room for a value.
    """
    pairs = rlc_pairs(values, density, sparsity.longest_run)
    return pairs * sparsity.code_bits / sparsity.pairs(bits)
