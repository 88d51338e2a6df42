"""The PE seen from outside: its ports. Imports no Amaranth."""

from __future__ import annotations

from typing import Any

from rtl_gen.design import PEDesign
from rtl_gen.golden import CONFIG_FIELDS


def stream_widths(design: PEDesign) -> dict[str, int]:
    """Payload bits of each stream of the PE; all flow in but ``psum_out``."""
    return {
        "config": sum(CONFIG_FIELDS.values()),
        "filter": design.weight_word_bits,
        "ifmap": design.act_word_bits,
        "psum_in": design.psum_bits,
        "psum_out": design.psum_bits,
    }


def ports(design: PEDesign) -> list[dict[str, Any]]:
    """Name, direction (seen from the PE) and width of every port."""
    result: list[dict[str, Any]] = [
        {"name": "clk", "direction": "input", "width": 1},
        {"name": "rst", "direction": "input", "width": 1},
    ]
    for stream, width in stream_widths(design).items():
        inward = stream != "psum_out"
        for part, bits, along in (
            ("payload", width, True),
            ("valid", 1, True),
            ("ready", 1, False),
        ):
            direction = "input" if inward == along else "output"
            result.append({"name": f"{stream}__{part}", "direction": direction, "width": bits})
    return result
