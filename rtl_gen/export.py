"""What other tools take: RTLIL, Verilog and timing constraints; and all files of a PE."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.lib import wiring

from rtl_gen.atomic import check_target, write_text
from rtl_gen.design import PEDesign
from rtl_gen.diagram import diagram_svg
from rtl_gen.errors import InputError
from rtl_gen.fusesoc import core_text
from rtl_gen.interface import ports, stream_widths
from rtl_gen.manifest import file_names, manifest
from rtl_gen.multiplier import ARCHITECTURES
from rtl_gen.pe import PE
from rtl_gen.scratchpad import helper_modules
from rtl_gen.selftest import testbench_text

__all__ = [
    "component_rtlil",
    "component_verilog",
    "manifest",
    "port_patterns",
    "ports",
    "rtlil_text",
    "sdc_text",
    "stream_widths",
    "verilog_text",
    "write_rtl",
]

#: Share of the clock period that the outside world takes, at inputs and at outputs.
IO_SHARE = 0.2

# Registers and memories get no initial value: the PE relies on reset alone. Cases become `?:` and
# names of parts that nothing uses go: both read better, and lint finds less to say.
_TO_VERILOG = """\
read_rtlil pe.il
delete t:$meminit t:$meminit_v2
setattr -unset init w:*
proc
pmuxtree
techmap -map not.v
opt_clean -purge
write_verilog -noattr pe.v
"""
# `!` of a number is the one place where Yosys writes a value narrower than it is.
_PLAIN_NOT = """\
(* techmap_celltype = "$logic_not" *)
module plain_not (A, Y);
  parameter A_SIGNED = 0, A_WIDTH = 1, Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  output [Y_WIDTH-1:0] Y;
  assign Y = ~(|A);
endmodule
"""
# IEEE 1364-2005, annex B.
_KEYWORDS = """
always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign
default defparam design disable edge else end endcase endconfig endfunction endgenerate
endmodule endprimitive endspecify endtable endtask event for force forever fork function
generate genvar highz0 highz1 if ifnone incdir include initial inout input instance integer join
large liblist library localparam macromodule medium module nand negedge nmos nor noshowcancelled
not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat rnmos rpmos rtran
rtranif0 rtranif1 scalared showcancelled signed small specify specparam strong0 strong1 supply0
supply1 table task time tran tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use
uwire vectored wait wand weak0 weak1 while wire wor xnor xor
"""
#: Verilator's warnings that the generated Verilog turns off, and why. All others are on: a value
#: that is cut off, a latch, an undriven net would be reported.
WAIVERS = {
    "WIDTHEXPAND": "operands and constants are written without the bits that extend them",
    "UNUSEDSIGNAL": "carries are dropped; modules have a clock, a reset, and fields of others",
    "DECLFILENAME": "all modules are in one file",
}
_LINT = "".join(f"/* verilator lint_off {rule} */ // {why}\n" for rule, why in WAIVERS.items())


def rtlil_text(design: PEDesign) -> str:
    """The PE as RTLIL, without source locations: the same text for the same design anywhere."""
    return component_rtlil(PE(design), design.name)


def rtlil_choices(design: PEDesign) -> dict[str, str]:
    """RTLIL by architecture of the multiplier: all of them if the design leaves it open.

    They behave the same in every cycle, and their top modules have the same name.
    """
    if design.multiplier != "synth":
        return {design.multiplier: rtlil_text(design)}
    choices = {
        name: PEDesign.from_dict({**design.to_dict(), "multiplier": name}) for name in ARCHITECTURES
    }
    return {name: component_rtlil(PE(choice), design.name) for name, choice in choices.items()}


def verilog_text(design: PEDesign) -> str:
    """The PE as Verilog-2005, hierarchical, without initial values, with all modules it needs.

    Raises:
        RuntimeError: if Yosys fails, with what it printed.
    """
    header = f"// peforge processing element {design.digest}\n// {design.to_json()}\n"
    return header + component_verilog(PE(design), design.name)


def component_rtlil(component: wiring.Component, name: str) -> str:
    """Any component as RTLIL, the top module of this name."""
    return str(rtlil.convert(component, name=name, emit_src=False))


def component_verilog(component: wiring.Component, name: str) -> str:
    """Any component as Verilog-2005, as ``verilog_text``.

    Raises:
        RuntimeError: if Yosys fails, with what it printed.
    """
    text = component_rtlil(component, name)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pe.il").write_text(text, encoding="utf-8")
        Path(folder, "pe.ys").write_text(_TO_VERILOG, encoding="utf-8")
        Path(folder, "not.v").write_text(_PLAIN_NOT, encoding="utf-8")
        run = subprocess.run(
            [sys.executable, "-m", "rtl_gen.run_yosys", "pe.ys"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise RuntimeError(f"Yosys failed: {run.stdout}{run.stderr}")
        verilog = Path(folder, "pe.v").read_text(encoding="utf-8")
    # The first line names the build of Yosys, which is no property of the design.
    body = re.sub(r"\A/\* Generated by Yosys.*?\*/\n", "", verilog, flags=re.S)
    return _LINT + body + helper_modules(body)


def require_module_name(name: object) -> str:
    """Return ``name`` if it is a plain Verilog identifier.

    Raises:
        InputError: if it is not, or is a word of the language.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise InputError(
            f"a module's name must be letters, digits and _, no digit first, not {name!r}"
        )
    if name in _KEYWORDS.split():
        raise InputError(f"a module's name must not be a word of Verilog, such as {name!r}")
    return name


def port_patterns(pins: Iterable[Mapping[str, Any]], direction: str) -> str:
    """The ports of a direction but the clock, as one Tcl list that ``get_ports`` takes.

    Args:
        pins: name, direction and width of each port (``rtl_gen.interface.ports``).
    """
    return " ".join(
        port["name"] + ("[*]" if port["width"] > 1 else "")
        for port in pins
        if port["direction"] == direction and port["name"] != "clk"
    )


def sdc_text(pins: Sequence[Mapping[str, Any]], period_ps: int, *, io_clock: str = "clk") -> str:
    """Timing constraints: the clock, and a fifth of its period at inputs and at outputs (ns).

    Args:
        pins: as ``port_patterns``.
        io_clock: what clocks the registers outside; another than ``clk`` is a clock of the same
            period without a port.
    """
    delay = f"{period_ps * IO_SHARE / 1000:.4f}"
    inputs, outputs = (port_patterns(pins, direction) for direction in ("input", "output"))
    clock = f"create_clock -name clk -period {period_ps / 1000:.4f} [get_ports clk]\n"
    if io_clock != "clk":
        clock += f"create_clock -name {io_clock} -period {period_ps / 1000:.4f}\n"
    return clock + (
        f"set_input_delay {delay} -clock {io_clock} [get_ports {{{inputs}}}]\n"
        f"set_output_delay {delay} -clock {io_clock} [get_ports {{{outputs}}}]\n"
    )


def write_rtl(design: PEDesign, folder: Path, period_ps: int) -> list[Path]:
    """Write all files of a PE into ``folder``, each whole or not at all.

    They are Verilog, test bench, constraints, manifest, FuseSoC core and block diagram, named as
    ``rtl_gen.manifest.FILES`` says.

    Returns:
        The paths written. The same design and period give byte-identical files.

    Raises:
        InputError: if the folder cannot be written.
    """
    texts = {
        "verilog": verilog_text(design),
        "testbench": testbench_text(design),
        "constraints": sdc_text(ports(design), period_ps),
        "manifest": json.dumps(manifest(design, period_ps), indent=2, sort_keys=True) + "\n",
        "fusesoc_core": core_text(design),
        "block_diagram": diagram_svg(design),
    }
    return write_all({folder / name: texts[what] for what, name in file_names(design).items()})


def write_all(texts: Mapping[Path, str]) -> list[Path]:
    """Write files, each whole or not at all; none if one of them has no place.

    Returns:
        Their paths.

    Raises:
        InputError: if a file cannot be written.
    """
    for path in texts:
        check_target(path)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)
