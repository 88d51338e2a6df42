"""The core description file with which FuseSoC finds, simulates and checks a PE."""

from __future__ import annotations

from rtl_gen.design import PEDesign

#: Of what the files are; a design is told by its name.
VERSION = "0.1.0"

_CORE = """\
CAPI=2:
name: peforge:pe:{name}:{version}
description: Row-stationary processing element, design {digest}

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
  constraints:
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
    filesets: [rtl, tb]
    toplevel: {name}_tb
  sim_verilator:
    flow: sim
    flow_options:
      tool: verilator
      mode: binary
      verilator_options: [--timing]
    filesets: [rtl, tb]
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
    return _CORE.format(name=design.name, version=VERSION, digest=design.digest[:16])
