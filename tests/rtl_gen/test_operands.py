"""Drawn operands: each kind is what it says it is, and what the hardware has bits for."""

from __future__ import annotations

import numpy as np
import pytest

from rtl_gen import fp_golden
from rtl_gen.design import PEDesign
from rtl_gen.golden import Primitive
from rtl_gen.operands import OPERANDS, draw

SIZE = Primitive(filter_width=1, channels=1, filters=4, outputs=60)


@pytest.mark.parametrize("kind", OPERANDS)
@pytest.mark.parametrize("preset", ["INT8", "LightPE-2", "BF16"])
def test_the_same_seed_draws_the_same_operands(preset: str, kind: str) -> None:
    """`convolve_row`, which gives the sums, refuses operands of too many bits."""
    design = PEDesign.preset(preset)
    first, second, other = (draw(design, SIZE, seed, kind) for seed in (1, 1, 2))
    assert (first.expected == second.expected).all()
    assert (first.ifmap == second.ifmap).all()
    assert (first.ifmap != other.ifmap).any()


def test_sparse_operands_are_half_zero() -> None:
    work = draw(PEDesign.preset("INT8"), SIZE, 1, "sparse")
    assert 0.3 < (work.ifmap == 0).mean() < 0.7


def test_close_psums_nearly_cancel_integer_sums() -> None:
    work = draw(PEDesign.preset("INT8"), SIZE, 1, "close")
    assert np.abs(work.expected).max() <= 2
    assert set(np.unique(work.expected)) == {-2, -1, 0, 1}


def test_close_psums_cancel_floating_point_sums_to_all_degrees() -> None:
    design = PEDesign.preset("BF16")
    work = draw(design, SIZE, 1, "close")
    binary32 = fp_golden.format_of_bits(32)
    psums, total = (fp_golden.decode(binary32, bits) for bits in (work.psums, work.expected))
    sound = np.isfinite(psums) & np.isfinite(total) & (psums != 0) & (total != 0)
    lost = np.log2(np.abs(psums[sound] / total[sound]))
    # Bits that an addition loses: from none to all.
    assert len(set(range(24)) & set(np.floor(lost).astype(int).tolist())) > 16
    assert (total == 0).any()
    # Results at both ends of the range, too.
    exponents = (work.expected >> 23) & 255
    assert len(set(range(1, 8)) & set(exponents.ravel().tolist())) > 4
    assert 255 in exponents
