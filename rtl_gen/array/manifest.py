"""What a user of an array's Verilog must know, for machines and people. Imports no Amaranth."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rtl_gen.array.compiler import Program
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import array_ports, bank_bits, scale_fields
from rtl_gen.array.model import layer_activity
from rtl_gen.array.register_text import register_names
from rtl_gen.array.registers import register_map
from rtl_gen.manifest import manifest as pe_manifest

FORMAT = "peforge-array-1"
#: Endings of the files of an array behind its name.
FILES = {
    "verilog": ".v",
    "testbench": "_tb.v",
    "constraints": ".sdc",
    "manifest": ".json",
    "fusesoc_core": ".core",
    "registers": "_registers.md",
    "registers_systemrdl": ".rdl",
    "floor_plan": ".svg",
}
_SECTIONS = ("numbers", "modes", "words", "scratchpads")


def data_folder(design: ArrayDesign) -> str:
    """Where the files of the test bench are, beside the others."""
    return f"{design.name}_data"


def file_names(design: ArrayDesign) -> dict[str, str]:
    """The files of an array, by what they are; without those in ``data_folder``."""
    return {what: design.name + ending for what, ending in FILES.items()}


def array_manifest(
    program: Program, period_ps: int, *, seed: int, data: list[str]
) -> dict[str, Any]:
    """Parameters, ports, banks, registers, the PE's formats, the layer of the bench, and files.

    Args:
        program: what the test bench runs.
        seed: of its operands.
        data: names of the files of the test bench.
    """
    design = program.shape.design
    pe = pe_manifest(design.pe, period_ps)
    name = design.name
    return {
        "format": FORMAT,
        "name": name,
        "digest": design.digest,
        "design": design.to_dict(),
        "period_ps": period_ps,
        "files": {**file_names(design), "testbench_data": data},
        "ports": array_ports(design),
        "reset": "rst, synchronous, active high; one cycle is enough",
        "banks": _banks(design),
        "registers": _registers(design),
        "pe": {"name": design.pe.name, **{section: pe[section] for section in _SECTIONS}},
        "testbench": {
            "compile": f"iverilog -g2005 -o tb {name}_tb.v {name}.v",
            "run": "vvp tb",
            "prints": "one line that begins with PASS or FAIL",
            "options": {
                "+stall": "percent of the cycles in which a port of a bank waits",
                "+seed": "of that",
            },
        },
        "layer": _layer(program, seed),
    }


def _banks(design: ArrayDesign) -> list[dict[str, Any]]:
    holds = {
        "ifmap": "row, column, channel; row r of the run in bank r modulo the ifmap banks",
        "filter": "pass, row of PEs, then as the PE's filter stream; row i of PEs in bank i modulo "
        "the filter banks",
        "psum": "group, filter tile, strip, ofmap column, row, sum; column j of PEs in bank j "
        "modulo the psum banks; signed",
        "scale": "group, filter tile, sum; the same in every bank",
    }
    return [
        {
            "name": name,
            "words": words,
            "bits": bits,
            "order": holds[name.rstrip("0123456789")],
            **({"fields": scale_fields(design)} if name.startswith("scale") else {}),
        }
        for name, (words, bits) in bank_bits(design).items()
    ]


def _registers(design: ArrayDesign) -> list[dict[str, Any]]:
    names = register_names(design)
    return [
        {
            "register": names[field.address],
            "address": field.address,
            "field": field.name,
            "low": field.low,
            "width": field.bits,
            "read_only": field.read_only,
        }
        for field in register_map(design)
    ]


def _layer(program: Program, seed: int) -> dict[str, Any]:
    shape = program.shape
    activity = layer_activity(shape, requantized=program.scales is not None)
    return {
        **asdict(shape.layer),
        "padding": list(shape.layer.padding),
        "tiling": asdict(shape.tiling),
        "mode": shape.mode,
        "seed": seed,
        "runs": len(program.runs),
        "cycles": activity.cycles,
        "counts": dict(activity.counts),
    }
