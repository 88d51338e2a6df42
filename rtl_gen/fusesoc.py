"""The core description file with which FuseSoC finds, simulates and checks a PE."""

from __future__ import annotations

from rtl_gen.design import PEDesign

#: Of the ports and streams: as ``format`` of the manifest.
VERSION = "0.1.0"

_CORE = """\
CAPI=2:
name: peforge:pe:{name}:{version}
description: Row-stationary processing element {digest}

# fusesoc --cores-root=. run --target=sim {name}
# With Verilator: ... run --target=sim_verilator {name}

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
    description: Run the self-checking test bench in Icarus Verilog
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2005]
    filesets: [rtl, tb]
    toplevel: {name}_tb
  sim_verilator:
    description: Run it in Verilator, 5 or later
    flow: sim
    flow_options:
      tool: verilator
      mode: binary
      verilator_options: [--timing]
    filesets: [rtl, tb]
    toplevel: {name}_tb
  lint:
    description: Verilator's warnings
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [rtl]
    toplevel: {name}
  synth:
    description: Verilog and constraints for a synthesizer, which --tool names
    filesets: [rtl, constraints]
    toplevel: {name}
"""


def core_text(design: PEDesign) -> str:
    """The core, format CAPI2: files as ``rtl_gen.export.write_rtl`` names them, and targets."""
    return _CORE.format(name=design.name, version=VERSION, digest=design.digest)
