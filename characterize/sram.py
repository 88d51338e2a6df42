"""Views of SRAM macros for the flow: Liberty, LEF and the cell that the other steps know.

What CACTI says: access time, energy of a read and of a write, leakage, outline. It says nothing of
setup, hold, pins and drive. Setup, hold and pin capacitances are those of the platform's
flip-flop, as if each input ended in one; each output is driven like the platform's driver cell: the
least load sees CACTI's access time, larger ones what that cell adds for them.

CACTI's supply is not the kit's. Energies are scaled by the square of the ratio of voltages and
leakage by the ratio; the access time is left as it is (at 1.0 V slower than at 1.1 V).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from characterize import cacti
from characterize.cacti import SramEstimate
from characterize.lef import read_macros
from characterize.liberty import cell_group, parse_cells
from characterize.platform import SRAM_NODE_NM, Blocks, Platform
from rtl_gen.design import PEDesign
from rtl_gen.errors import InputError
from rtl_gen.scratchpad import sram_name, sram_pins

Floats = NDArray[np.float64]

_EDGES = ("rise", "fall")
_SUPPLIES = "      related_power_pin : VDD;\n      related_ground_pin : VSS;"
_PIN_UM = 0.14

_HEADER = """\
library (peforge_macros) {{
  /* SRAM macros: delay, energy, leakage and area from CACTI 7, 45 nm itrs-hp, 300 K; energies times
     the square of supply over CACTI's supply, leakage times that ratio, delay as it is. Setup, hold
     and pin capacitances of {flop}; outputs drive like {driver}. */
  technology (cmos);
  delay_model : table_lookup;
  time_unit : "1ns";
  voltage_unit : "1V";
  current_unit : "1mA";
  pulling_resistance_unit : "1kohm";
  leakage_power_unit : "1nW";
  capacitive_load_unit (1,ff);
  nom_process : 1;
  nom_temperature : 25;
  nom_voltage : {voltage_v};
  voltage_map (VDD,{voltage_v});
  voltage_map (VSS,0);
  slew_lower_threshold_pct_fall : 30;
  slew_lower_threshold_pct_rise : 30;
  slew_upper_threshold_pct_fall : 70;
  slew_upper_threshold_pct_rise : 70;
  slew_derate_from_library : 1;
  input_threshold_pct_fall : 50;
  input_threshold_pct_rise : 50;
  output_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50;
  lu_table_template (by_load) {{
    variable_1 : total_output_net_capacitance;
    index_1 ("{loads}");
  }}
  lu_table_template (by_slew) {{
    variable_1 : constrained_pin_transition;
    index_1 ("{slews}");
  }}
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kit:
    """What the macros take from the platform's cells, at its clock slew.

    Attributes:
        clock_ff, data_ff: pin capacitances of the flip-flop.
        slews, setup_ns, hold_ns: data slews, and its setup and hold there, by edge.
        loads, added_ns, slew_ns: loads of the driver, what they add to its delay, and the slew, by
            edge.
        max_load_ff: of the driver.
    """

    clock_ff: float
    data_ff: float
    slews: Floats
    setup_ns: dict[str, Floats]
    hold_ns: dict[str, Floats]
    loads: Floats
    added_ns: dict[str, Floats]
    slew_ns: dict[str, Floats]
    max_load_ff: float


def with_macros(platform: Platform, sizes: Iterable[tuple[int, int]]) -> Platform:
    """The platform with the macros of these sizes (words, bits) beside its cells.

    Raises:
        InputError: if there are some and CACTI is not installed, or cannot be run.
    """
    chosen = tuple(sorted(set(sizes)))
    if not chosen:
        return platform
    return dataclasses.replace(platform, blocks=_blocks(platform, chosen))


def for_design(platform: Platform, design: PEDesign) -> Platform:
    """The platform with the macro that the design's filter scratchpad is, if it is one.

    Raises:
        InputError: as ``with_macros``.
    """
    if design.scratchpad == "sram" and platform.node_nm != SRAM_NODE_NM:
        raise InputError(
            f"scratchpad must be flop or latch on platform {platform.name}, not 'sram': the macros "
            f"are CACTI's at {SRAM_NODE_NM} nm, it is one of {platform.node_nm:g} nm"
        )
    macro = (design.filter_depth, design.weight_word_bits)
    return with_macros(platform, [macro] if design.scratchpad == "sram" else [])


@functools.cache
def _blocks(platform: Platform, sizes: tuple[tuple[int, int], ...]) -> Blocks:
    flop, driver = platform.roles["flop"], platform.roles["driver"]
    kit = _read_kit(
        platform.liberty,
        (flop["cell"], flop["clock"], flop["data"]),
        (driver["cell"], driver["pin"]),
        platform.clock_slew_ps / 1000,
    )
    macros = [
        (size, _scaled(cacti.estimate(depth=size[0], width=size[1]), platform)) for size in sizes
    ]
    files = {
        "macros.lib": _liberty(macros, kit, platform, power=False),
        "power_macros.lib": _liberty(macros, kit, platform, power=True),
        "macros.lef": "".join(_lef(size, estimate, platform) for size, estimate in macros),
    }
    return Blocks(
        cells=parse_cells(files["macros.lib"], "macros.lib"),
        outlines=read_macros(files["macros.lef"], "macros.lef"),
        files=files,
    )


def _scaled(estimate: SramEstimate, platform: Platform) -> SramEstimate:
    """The estimate at the platform's supply, its outline on the grid of the platform's rows."""
    outlines = platform.macros().values()
    return dataclasses.replace(
        estimate.at_supply(platform.voltage_v),
        # The narrowest cell of a kit, a filler, is one site wide.
        width_um=_up(estimate.width_um, min(outline.width_um for outline in outlines)),
        height_um=_up(estimate.height_um, min(outline.height_um for outline in outlines)),
    )


def _up(value: float, step: float) -> float:
    return round(math.ceil(value / step - 1e-9) * step, 6)


@functools.cache
def _read_kit(
    liberty: Path, flop: tuple[str, str, str], driver: tuple[str, str], slew_ns: float
) -> _Kit:
    """Read the flip-flop (cell, clock, data) and the driver (cell, output)."""
    pins = {_name(pin): pin for pin in cell_group(liberty, flop[0]).get_groups("pin")}
    clock, data = pins[flop[1]], pins[flop[2]]
    pins = {_name(pin): pin for pin in cell_group(liberty, driver[0]).get_groups("pin")}
    output = pins[driver[1]]
    arc = output.get_groups("timing")[0]
    delay = {edge: _at(arc, f"cell_{edge}", 0, slew_ns) for edge in _EDGES}
    slew = {edge: _at(arc, f"{edge}_transition", 0, slew_ns) for edge in _EDGES}
    setup, hold = (
        {edge: _at(_constraint(data, kind), f"{edge}_constraint", 1, slew_ns) for edge in _EDGES}
        for kind in ("setup_rising", "hold_rising")
    )
    return _Kit(
        clock_ff=float(clock["capacitance"]),
        data_ff=float(data["capacitance"]),
        slews=setup["rise"][0],
        setup_ns={edge: values for edge, (_, values) in setup.items()},
        hold_ns={edge: values for edge, (_, values) in hold.items()},
        loads=delay["rise"][0],
        added_ns={edge: values - values[0] for edge, (_, values) in delay.items()},
        slew_ns={edge: values for edge, (_, values) in slew.items()},
        max_load_ff=float(output["max_capacitance"]),
    )


def _name(pin: Any) -> str:
    return str(pin.args[0]).strip('"')


def _constraint(pin: Any, kind: str) -> Any:
    return next(
        group
        for group in pin.get_groups("timing")
        if str(group.get("timing_type")).strip('"') == kind
    )


def _at(group: Any, table_name: str, axis: int, value: float) -> tuple[Floats, Floats]:
    """A two-dimensional table at one value of an axis: the other axis, and the values along it."""
    table = next(table for table in group.groups if table.group_name == table_name)
    axes = [_numbers(table[name]) for name in ("index_1", "index_2")]
    values = _numbers(table["values"]).reshape(len(axes[0]), len(axes[1]))
    lines = values.T if axis == 0 else values
    return axes[1 - axis], np.array([np.interp(value, axes[axis], line) for line in lines])


def _numbers(value: Any) -> Floats:
    texts = value if isinstance(value, list) else [value]
    return np.array([float(n) for text in texts for n in str(text).strip('"').split(",")])


def _liberty(
    macros: Sequence[tuple[tuple[int, int], SramEstimate]],
    kit: _Kit,
    platform: Platform,
    *,
    power: bool,
) -> str:
    header = _HEADER.format(
        flop=platform.roles["flop"]["cell"],
        driver=platform.roles["driver"]["cell"],
        voltage_v=platform.voltage_v,
        loads=_row(kit.loads),
        slews=_row(kit.slews),
    )
    return header + "".join(_cell(*macro, kit, power=power) for macro in macros) + "}\n"


def with_states(liberty: str) -> str:
    """The macros' Liberty text for power with OpenSTA 2.1 and later.

    There, what was annotated on an output counts only if the output is reached from a register or
    through logic: each gets a state of its own.
    """
    return "".join(map(_with_states, re.split(r"(?=^  cell \()", liberty, flags=re.M)))


def _with_states(cell: str) -> str:
    outputs = re.findall(r"^    pin \((\w+)\) \{\n      direction : output;", cell, re.M)
    states = "".join(
        f'    ff ("I{pin}","I{pin}N") {{\n'
        '      clocked_on : "clk";\n      next_state : "ce";\n    }\n'
        for pin in outputs
    )
    text = re.sub(r"^    pin \(clk\)", lambda found: states + found[0], cell, flags=re.M)
    for pin in outputs:
        head = f"    pin ({pin}) {{\n"
        text = text.replace(head, f'{head}      function : "I{pin}";\n')
    return text


def _cell(size: tuple[int, int], estimate: SramEstimate, kit: _Kit, *, power: bool) -> str:
    pins = sram_pins(*size)
    clock, *controls = pins["control"]
    return "\n".join(
        [
            f"  cell ({sram_name(*size)}) {{",
            f"    /* of an array of {estimate.words} words of {estimate.bits} bits */",
            "    is_macro_cell : true;",
            f"    area : {estimate.width_um * estimate.height_um:.6f};",
            f"    cell_leakage_power : {estimate.leakage_nw:.3f};",
            "    pg_pin (VDD) {\n      voltage_name : VDD;\n      pg_type : primary_power;\n    }",
            "    pg_pin (VSS) {\n      voltage_name : VSS;\n      pg_type : primary_ground;\n    }",
            _clock_pin(clock, estimate, kit, power=power),
            *(_input_pin(pin, clock, kit) for pin in (*controls, *pins["address"], *pins["data"])),
            *(_output_pin(pin, clock, estimate, kit) for pin in pins["output"]),
            "  }\n",
        ]
    )


def _clock_pin(clock: str, estimate: SramEstimate, kit: _Kit, *, power: bool) -> str:
    """The clock's rising edge carries the energy of the access.

    OpenSTA 2.0 charges each edge with the sum of rising and falling energy, and takes the signals
    of a condition as independent, which ``ce`` and ``we`` are not. For ``power`` the energies are
    halved and every access is a read; what a write costs beyond it comes with ``we`` alone.
    """
    read, write = estimate.read_fj, estimate.write_fj
    energies = (
        {"ce": read / 2, "we": (write - read) / 2}
        if power
        else {"ce & !we": read, "ce & we": write}
    )
    groups = [
        "      internal_power () {\n"
        "        related_pg_pin : VDD;\n"
        f'        when : "{when}";\n'
        f'        rise_power (scalar) {{\n          values ("{energy:.4f}");\n        }}\n'
        '        fall_power (scalar) {\n          values ("0.0");\n        }\n'
        "      }"
        for when, energy in energies.items()
    ]
    return "\n".join(
        [
            f"    pin ({clock}) {{",
            f"      direction : input;\n{_SUPPLIES}",
            "      clock : true;",
            f"      capacitance : {kit.clock_ff};",
            *groups,
            "    }",
        ]
    )


def _input_pin(pin: str, clock: str, kit: _Kit) -> str:
    timing = [
        _timing(clock, kind, {f"{e}_constraint (by_slew)": tables[e] for e in _EDGES})
        for kind, tables in (("setup_rising", kit.setup_ns), ("hold_rising", kit.hold_ns))
    ]
    head = [
        f"    pin ({pin}) {{",
        f"      direction : input;\n{_SUPPLIES}",
        f"      capacitance : {kit.data_ff};",
    ]
    return "\n".join([*head, *timing, "    }"])


def _output_pin(pin: str, clock: str, estimate: SramEstimate, kit: _Kit) -> str:
    tables = {
        **{f"cell_{e} (by_load)": estimate.access_ns + kit.added_ns[e] for e in _EDGES},
        **{f"{e}_transition (by_load)": kit.slew_ns[e] for e in _EDGES},
    }
    return "\n".join(
        [
            f"    pin ({pin}) {{",
            f"      direction : output;\n{_SUPPLIES}",
            f"      max_capacitance : {kit.max_load_ff};",
            _timing(clock, "rising_edge", tables),
            "    }",
        ]
    )


def _timing(clock: str, kind: str, tables: dict[str, Floats]) -> str:
    lines = [
        f"      timing () {{\n        related_pin : {clock};\n        timing_type : {kind};",
        *(
            f'        {name} {{\n          values ("{_row(values)}");\n        }}'
            for name, values in tables.items()
        ),
        "      }",
    ]
    return "\n".join(lines)


def _row(values: Floats) -> str:
    return ",".join(f"{value:.6g}" for value in values)


def _lef(size: tuple[int, int], estimate: SramEstimate, platform: Platform) -> str:
    """Signal pins in one column on the right edge: the macro stands at the left of the core."""
    name = sram_name(*size)
    pins = [pin for kind in sram_pins(*size).values() for pin in kind]
    right, pitch = estimate.width_um, estimate.height_um / len(pins)
    lines = [f"MACRO {name}", "  CLASS BLOCK ;", "  ORIGIN 0 0 ;"]
    lines.append(f"  SIZE {right:.6g} BY {estimate.height_um:.6g} ;")
    for index, pin in enumerate(pins):
        low = (index + 0.5) * pitch - _PIN_UM / 2
        lines += [
            f"  PIN {pin}",
            f"    DIRECTION {'OUTPUT' if pin.startswith('q') else 'INPUT'} ;",
            "    PORT",
            f"      LAYER {platform.horizontal.name} ;",
            f"        RECT {right - _PIN_UM:.4f} {low:.4f} {right:.4f} {low + _PIN_UM:.4f} ;",
            "    END",
            f"  END {pin}",
        ]
    return "\n".join([*lines, f"END {name}\n"])
