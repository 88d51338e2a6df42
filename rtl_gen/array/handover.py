"""All files of an array, and of a layer for its test bench."""

from __future__ import annotations

import json
from pathlib import Path

from rtl_gen.array.compiler import Tiling, compile_layer, default_tiling, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.floor_plan import floor_plan_svg
from rtl_gen.array.interface import array_ports
from rtl_gen.array.layer import Layer
from rtl_gen.array.manifest import array_manifest, data_folder, file_names
from rtl_gen.array.operands import draw_layer, small_layer
from rtl_gen.array.register_text import markdown_text, systemrdl_text
from rtl_gen.array.testbench import checked_files, checking_testbench, expected_files
from rtl_gen.array.top import array_verilog
from rtl_gen.export import sdc_text, write_all
from rtl_gen.fusesoc import array_core_text


def write_array(
    design: ArrayDesign,
    folder: Path,
    period_ps: int,
    *,
    layer: Layer | None = None,
    tiling: Tiling | None = None,
    mode: int = 0,
    seed: int = 1,
) -> list[Path]:
    """Write all files of an array into ``folder``, each whole or not at all.

    They are named as ``rtl_gen.array.manifest.FILES`` says; what the test bench reads is in a
    folder beside them.

    Args:
        layer: of the test bench; a small one unless given.
        tiling: of the layer; ``default_tiling`` unless given.
        mode: run-time precision of the layer.
        seed: of its operands.

    Returns:
        The paths written. The same arguments give byte-identical files.

    Raises:
        InputError: if the array cannot run the layer, or the folder cannot be written.
    """
    layer = layer or small_layer(design)
    shape = shape_layer(design, layer, tiling or default_tiling(design, layer, mode), mode)
    ifmap, weights, scales = draw_layer(design, layer, seed, mode)
    program = compile_layer(shape, ifmap, weights, scales)
    data = data_folder(design)
    read = {**checked_files(program), **expected_files(program, ifmap, weights)}
    names = [f"{data}/{name}" for name in sorted(read)]
    told = array_manifest(program, period_ps, seed=seed, data=names)
    texts = {
        "verilog": array_verilog(design),
        "testbench": checking_testbench(design, data=data, runs=len(program.runs)),
        "constraints": sdc_text(array_ports(design), period_ps),
        "manifest": json.dumps(told, indent=2, sort_keys=True) + "\n",
        "fusesoc_core": array_core_text(design.name, design.digest, names),
        "registers": markdown_text(design),
        "registers_systemrdl": systemrdl_text(design),
        "floor_plan": floor_plan_svg(design),
    }
    paths = {folder / name: texts[what] for what, name in file_names(design).items()}
    return write_all({**paths, **{folder / data / name: read[name] for name in sorted(read)}})
