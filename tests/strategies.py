"""Hypothesis strategies for designs, primitives and operands, shared by the tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rtl_gen.design import FAMILIES, PEDesign
from rtl_gen.golden import Primitive
from rtl_gen.operands import OPERANDS, Workload, draw


@st.composite
def designs(draw_: st.DrawFn, *, largest_depth: int | None = None) -> PEDesign:
    """Any design of any family with any options; scratchpads up to ``largest_depth`` words."""
    family = draw_(st.sampled_from(FAMILIES))
    values: dict[str, Any] = {"family": family}
    if family == "fp":
        values["act_bits"] = values["weight_bits"] = draw_(st.sampled_from([16, 32]))
        values["psum_bits"] = draw_(
            st.sampled_from([bits for bits in (16, 32) if bits >= values["act_bits"]])
        )
    else:
        values["act_bits"] = draw_(st.integers(2, 16))
        values["act_signed"] = draw_(st.booleans())
        values["zero_gating"] = draw_(st.booleans())
    if family == "int":
        values["weight_bits"] = draw_(st.integers(2, 16))
        if draw_(st.booleans()):
            values["act_bits"] = 2 * draw_(st.integers(2, 8))
            values["weight_bits"] = 2 * draw_(st.integers(2, 8))
            values["precision_modes"] = draw_(st.integers(2, 3))
    elif family in ("lightpe", "pow2"):
        values["terms"] = 1 if family == "pow2" else draw_(st.integers(1, 3))
        values["weight_bits"] = values["terms"] * draw_(st.integers(2, 5))
        values["serial_terms"] = values["terms"] > 1 and draw_(st.booleans())
    if family in ("int", "fp"):
        values["multiplier"] = draw_(st.sampled_from(["synth", "booth", "array"]))
    return PEDesign(
        **values,
        ifmap_depth=draw_(st.integers(1, min(64, largest_depth or 64))),
        filter_depth=draw_(st.integers(1, min(512, largest_depth or 512))),
        psum_depth=draw_(st.integers(1, min(64, largest_depth or 64))),
        pipeline_stages=draw_(st.integers(1, 4)),
        scratchpad=draw_(st.sampled_from(["flop", "latch"])),
    )


@st.composite
def primitives(draw_: st.DrawFn, design: PEDesign, *, most_outputs: int = 5) -> Primitive:
    """Anything that the design can run; its filter scratchpad must hold one weight."""
    mode = draw_(st.integers(0, design.precision_modes - 1))
    probe = Primitive(filter_width=1, channels=1, filters=1, outputs=1, mode=mode)
    products = probe.precision(design).products
    room = design.filter_depth * probe.weights_per_word(design)
    least = draw_(st.integers(1, min(design.terms, room))) if design.serial_terms else 1
    words = min(design.ifmap_depth, room // least)
    width = draw_(st.integers(1, words))
    groups = draw_(st.integers(1, words // width))
    depthwise = products == 1 and groups <= design.psum_depth and draw_(st.booleans())
    psums = design.psum_depth // groups if depthwise else design.psum_depth
    filters = draw_(st.integers(1, min(psums, room // (width * groups * least))))
    terms = None
    if design.serial_terms:
        terms = [least] * filters
        spare = room // (width * groups) - least * filters
        for index in range(filters):
            more = draw_(st.integers(0, max(0, min(design.terms - least, spare))))
            terms[index] += more
            spare -= more
        terms.sort(reverse=True)
    return Primitive(
        filter_width=width,
        channels=groups * products,
        filters=filters,
        outputs=draw_(st.integers(1, most_outputs)),
        stride=draw_(st.integers(1, width + 2)),
        depthwise=depthwise,
        chain=draw_(st.booleans()),
        mode=mode,
        filter_terms=None if terms is None else tuple(terms),
    )


@st.composite
def workloads(draw_: st.DrawFn, design: PEDesign) -> list[Workload]:
    """One to three primitives with operands of any kind; the last may run again, filters kept."""
    works = []
    for _ in range(draw_(st.integers(1, 3))):
        size = draw_(primitives(design))
        kind = draw_(st.sampled_from(sorted(OPERANDS)))
        works.append(draw(design, size, draw_(st.integers(0, 2**31)), kind))
    if draw_(st.booleans()):
        works.append(again(design, works[-1], draw_(st.integers(0, 2**31))))
    return works


def again(design: PEDesign, work: Workload, seed: int) -> Workload:
    """The same primitive with the filters that the PE holds, and another ifmap row."""
    size = Primitive(**{**vars(work.size), "keep_filter": True})
    return draw(design, size, seed, filters=work.filters)
