"""What a PE computes while its power is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive, Words, convolve_row

#: The measured row has at least this many multiply-accumulates.
MIN_MACS = 1000
#: How operands are drawn, as recorded with every measurement.
OPERANDS = "uniform over all activation and weight codes; incoming psums over half their range"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One primitive with its operands and the sums it must give.

    Attributes:
        size: sizes of the primitive.
        ifmap, filters, psums, expected: as ``rtl_gen.golden.convolve_row`` takes and returns them.
    """

    size: Primitive
    ifmap: Words
    filters: Words
    psums: Words
    expected: Words


def measured_primitive(design: PEDesign) -> Primitive:
    """A full convolution row that fills the scratchpads: S = 3 where it fits, most q, then most p.

    Its outputs are as many as ``MIN_MACS`` multiply-accumulates need.
    """
    width = min(3, design.ifmap_depth, design.filter_depth)
    channels = min(design.ifmap_depth, design.filter_depth) // width
    filters = min(design.psum_depth, design.filter_depth // (width * channels))
    outputs = -(-MIN_MACS // (width * channels * filters))
    return Primitive(filter_width=width, channels=channels, filters=filters, outputs=outputs)


def draw(design: PEDesign, size: Primitive, seed: int) -> Workload:
    """Uniform operands (``OPERANDS``) and the golden sums."""
    generator = np.random.default_rng(seed)
    half_act = 1 << (design.act_bits - 1)
    half_psum = 1 << (design.psum_bits - 2)
    ifmap = generator.integers(-half_act, half_act, (size.ifmap_columns, size.channels))
    filters = generator.integers(
        0, 1 << design.weight_bits, (size.filter_width, size.channels, size.filters)
    )
    psums = generator.integers(-half_psum, half_psum, (size.outputs, size.filters))
    return Workload(
        size=size,
        ifmap=ifmap,
        filters=filters,
        psums=psums,
        expected=convolve_row(design, size, ifmap, filters, psums),
    )
