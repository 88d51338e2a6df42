"""What a PE computes while its power is measured."""

from __future__ import annotations

from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.golden import Primitive

#: The measured row multiplies and accumulates in at least this many cycles.
MIN_MAC_CYCLES = 1000
#: It has at least this many output columns, whose differences tell how well the mean is known.
MIN_COLUMNS = 6


def measured_primitive(design: PEDesign, mode: int = 0, run_terms: int | None = None) -> Primitive:
    """A full convolution row that fills the scratchpads: S = 3 where it fits, most q, then most p.

    Its outputs are as many as ``MIN_MAC_CYCLES`` need, and at least ``MIN_COLUMNS``.

    Args:
        mode: run-time precision, an index into ``design.modes``.
        run_terms: terms of every filter, for ``serial_terms``; None for as many as there are.

    Raises:
        InputError: if the design has no such mode or terms.
    """
    if run_terms is not None and not design.serial_terms:
        raise InputError("run_terms must be left out for a design without serial_terms")
    terms = (run_terms or design.terms) if design.serial_terms else 1
    probe = Primitive(filter_width=1, channels=1, filters=1, outputs=1, mode=mode)
    if not 0 <= mode < design.precision_modes:
        probe.check(design)
    products = probe.precision(design).products
    room = design.filter_depth * probe.weights_per_word(design) // terms
    shorter = min(design.ifmap_depth, room)
    if shorter == 0:
        raise InputError(f"filter_depth must be at least {terms} to hold a weight of {terms} terms")
    width = min(3, shorter)
    groups = shorter // width
    filters = min(design.psum_depth, room // (width * groups))
    cycles_per_column = width * groups * filters * terms
    size = Primitive(
        filter_width=width,
        channels=groups * products,
        filters=filters,
        outputs=max(MIN_COLUMNS, -(-MIN_MAC_CYCLES // cycles_per_column)),
        mode=mode,
        filter_terms=(terms,) * filters if design.serial_terms else None,
    )
    size.check(design)
    return size
