"""The Verilog around a PE in simulation: wires for the test bench, and the activity dump."""

from __future__ import annotations

from characterize.activity import PHASE
from rtl_gen.design import PEDesign
from rtl_gen.export import ports

#: The dump that the simulation writes.
DUMP = "activity.vcd"


def wrapper(design: PEDesign) -> str:
    """Module ``tb``: the PE as ``dut``.

    Raising ``dump`` starts the value change dump of the nets of ``dut`` and of ``phase``, lowering
    it ends it;
    ``output_delay_ps`` is the time from the last rising clock edge to the last change of
    ``psum_out__valid``.
    """
    declarations, connections = [], []
    for port in ports(design):
        kind = "reg" if port["direction"] == "input" else "wire"
        span = f" [{port['width'] - 1}:0]" if port["width"] > 1 else ""
        declarations.append(f"{kind}{span} {port['name']};")
        connections.append(f".{port['name']}({port['name']})")
    return "\n".join(
        [
            "`timescale 1ns/1ps",
            "module tb;",
            *(f"  {line}" for line in declarations),
            f"  {design.name} dut({', '.join(connections)});",
            "  reg dump = 0;",
            f'  initial $dumpfile("{DUMP}");',
            f"  reg [15:0] {PHASE} = 0;",
            f"  always @(posedge dump) $dumpvars(1, dut, {PHASE});",
            "  always @(negedge dump) $dumpoff;",
            "  realtime clock_edge = 0;",
            "  integer output_delay_ps = 0;",
            "  always @(posedge clk) clock_edge = $realtime;",
            "  always @(psum_out__valid) output_delay_ps = ($realtime - clock_edge) * 1000;",
            "endmodule",
            "",
        ]
    )
