"""The core description files with which FuseSoC finds, simulates and checks what is written."""

from __future__ import annotations

from collections.abc import Sequence

from rtl_gen.design import PEDesign

#: Of what the files are; a design is told by its name.
VERSION = "0.1.0"

_CORE = """\
CAPI=2:
name: peforge:{library}:{name}:{version}
description: {what}, design {digest}

# Targets:
#   sim            the self-checking test bench in Icarus Verilog
#   sim_verilator  the same in Verilator, 5 or later
#   lint           Verilator's warnings
#   synth          Yosys, for Xilinx FPGAs
# fusesoc --cores-root=. run --target=sim {name}

filesets:
  rtl:
    files: [{name}.v]
    file_type: verilogSource-2005
  tb:
    files: [{name}_tb.v]
    file_type: verilogSource-2005
{data}  constraints:
    files: [{name}.sdc]
    file_type: SDC

targets:
  default:
    filesets: [rtl]
    toplevel: {name}
  sim:
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2005]
    filesets: [rtl, tb{and_data}]
    toplevel: {name}_tb
  sim_verilator:
    flow: sim
    flow_options:
      tool: verilator
      mode: binary
      verilator_options: [--timing]
    filesets: [rtl, tb{and_data}]
    toplevel: {name}_tb
  lint:
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [rtl]
    toplevel: {name}
  synth:
    flow: generic
    flow_options:
      tool: yosys
      arch: xilinx
      output_format: json
    filesets: [rtl, constraints]
    toplevel: {name}
"""


def core_text(design: PEDesign) -> str:
    """The core, format CAPI2: files as ``rtl_gen.export.write_rtl`` names them, and targets."""
    return _CORE.format(
        name=design.name, version=VERSION, digest=design.digest[:16], library="pe",
        what="Row-stationary processing element", data="", and_data="",
    )  # fmt: skip


def array_core_text(name: str, digest: str, data: Sequence[str]) -> str:
    """The core of an array.

    Args:
        data: files that the test bench reads, relative to the core. The simulator runs elsewhere:
            they are copied there, under the same names.
    """
    files = "".join(f"      - {path}: {{copyto: {path}}}\n" for path in data)
    return _CORE.format(
        name=name, version=VERSION, digest=digest[:16], library="array",
        what="Row-stationary array of processing elements",
        data=f"  data:\n    files:\n{files}    file_type: user\n", and_data=", data",
    )  # fmt: skip
