"""A plan of an array as SVG: its PEs, buses, banks, controller and output stages."""

from __future__ import annotations

from xml.sax.saxutils import escape

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.interface import bank_bits

_STYLE = """\
text { font-family: Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1a202c }
.pe { fill: #fdf1d3; stroke: #b7791f }
.bank { fill: #d6e6f5; stroke: #2b6cb0 }
.steering { fill: #e9e2f6; stroke: #6b46c1 }
.stage { fill: #dcefdc; stroke: #2f855a }
.ifmap { fill: none; stroke: #2b6cb0; stroke-width: 2 }
.filter { fill: none; stroke: #b7791f; stroke-width: 2 }
.psum { fill: none; stroke: #2f855a; stroke-width: 2 }
"""
_MARGIN, _TOP = 40, 90
#: Of a bank: width, height, and from one to the next.
_BANK, _BANK_HEIGHT, _PITCH = 150, 44, 52
#: From the line of one collector to that of the next.
_LEVEL = 10
#: Between the banks and the PEs, for the buses.
_CHANNEL = 120
#: Size of all PEs together at most, and of one.
_GRID, _LARGEST, _SMALLEST = 720, 96, 22


class _Plan:
    """SVG elements in the order in which they were drawn."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, kind: str, *lines: str) -> None:
        """A rectangle with lines of text in its middle."""
        self.elements.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            'rx="3"/>'
        )
        top = y + height / 2 - 8 * (len(lines) - 1) + 4
        for index, line in enumerate(lines):
            self.text(x + width / 2, top + 16 * index, line, anchor="middle")

    def text(self, x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> None:
        """Text on the line y."""
        self.elements.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def bus(self, kind: str, *points: tuple[float, float]) -> None:
        """A line through the points."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.elements.append(f'<polyline class="{kind}" points="{path}"/>')


def floor_plan_svg(design: ArrayDesign) -> str:
    """The plan: an SVG file with a background of its own, the same text every time.

    It is a schematic: what stands where, how many and how large in words, not in area. Row 0 is
    below, where the sums leave.
    """
    plan = _Plan()
    size = max(_SMALLEST, min(_LARGEST, _GRID // max(design.rows, design.columns)))
    left = _MARGIN + _BANK + _CHANNEL
    top = _TOP + _BANK_HEIGHT + 36
    _draw_pes(plan, design, left, top, size)
    side = _draw_side_banks(plan, design, left, top, size)
    bottom = _draw_sums(plan, design, left, top, size)
    width = max(left + design.columns * size, left + design.psum_buses * (_BANK + 10), 900)
    width += _MARGIN
    plan.box(
        left, _TOP, width - _MARGIN - left, _BANK_HEIGHT, "steering", "controller",
        "registers, loops over passes, addresses of the banks",
    )  # fmt: skip
    height = max(side, bottom) + 90
    _draw_legend(plan, height - 50)
    plan.text(_MARGIN, 40, design.name, size=18)
    plan.text(_MARGIN, 64, _summary(design), size=13)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">'
    )
    paper = f'<path d="M0,0 H{width:g} V{height:g} H0 z" fill="#ffffff"/>'
    return "\n".join([head, f"<style>\n{_STYLE}</style>", paper, *plan.elements, "</svg>\n"])


def _summary(design: ArrayDesign) -> str:
    return (
        f"{design.rows} x {design.columns} PEs {design.pe.name}, "
        f"{design.buffer_bits / 8192:.4g} KiB of buffer without scales"
    )


def _draw_pes(plan: _Plan, design: ArrayDesign, left: float, top: float, size: float) -> None:
    gap = size / 6
    for i in range(design.rows):
        for j in range(design.columns):
            label = [f"{i},{j}"] if size >= 40 else []
            y = top + (design.rows - 1 - i) * size
            plan.box(left + j * size, y, size - gap, size - gap, "pe", *label)
    for j in range(design.columns):
        x = left + j * size + (size - gap) / 2
        for i in range(1, design.rows):
            plan.bus("psum", (x, top + i * size), (x, top + i * size - gap))


def _draw_side_banks(
    plan: _Plan, design: ArrayDesign, left: float, top: float, size: float
) -> float:
    """The banks of ifmaps and filters, with a bus each; where they end."""
    banks = bank_bits(design)
    y, places = top, {}
    for name, (words, bits) in banks.items():
        if not name.startswith(("ifmap", "filter")):
            continue
        plan.box(_MARGIN, y, _BANK, _BANK_HEIGHT, "bank", name, f"{words:,} x {bits} bits")
        places[name] = y + _BANK_HEIGHT / 2
        y += _PITCH
    step = (_CHANNEL - 20) / (len(places) + 1)
    rows = top + design.rows * size
    for index, (name, middle) in enumerate(places.items(), start=1):
        kind, x = name.rstrip("0123456789"), _MARGIN + _BANK + 10 + index * step
        plan.bus(kind, (_MARGIN + _BANK, middle), (x, middle))
        plan.bus(kind, (x, min(top, middle)), (x, max(rows, middle)))
        taken = range(design.rows)
        if kind == "filter":  # a bus for each of so many rows; an ifmap bus goes to all
            taken = range(int(name.removeprefix(kind)), design.rows, design.filter_buses)
        at = 0.25 if kind == "ifmap" else 0.6
        for i in taken:
            place = top + (design.rows - 1 - i) * size + at * size * (1 - 1 / 6)
            plan.bus(kind, (x, place), (left, place))
    return max(y, rows)


def _draw_sums(plan: _Plan, design: ArrayDesign, left: float, top: float, size: float) -> float:
    """What sums go through, below the PEs: collectors with output stages, banks; where it ends."""
    pes = top + design.rows * size - size / 6
    end = pes + _LEVEL * (design.psum_buses + 1)
    scales = design.pe.family != "fp"
    kinds = [("psum", design.psum_words, design.pe.psum_bits)]
    if scales:
        kinds.append(("scale", design.scale_words, bank_bits(design)["scale0"][1]))
    for k in range(design.psum_buses):
        x, y, level = left + k * (_BANK + 10), end + 24.0, pes + _LEVEL * (k + 1)
        columns = [
            left + j * size + size * 5 / 12 for j in range(k, design.columns, design.psum_buses)
        ]
        for column in columns:
            plan.bus("psum", (column, pes), (column, level))
        ways = [*columns, x + _BANK / 2]
        plan.bus("psum", (min(ways), level), (max(ways), level))
        plan.bus("psum", (x + _BANK / 2, level), (x + _BANK / 2, y))
        plan.box(x, y, _BANK, _BANK_HEIGHT, "stage", f"collector {k}", "output stage")
        for kind, words, bits in kinds:
            y += _PITCH + 8
            plan.bus("psum", (x + _BANK / 2, y - 16), (x + _BANK / 2, y))
            plan.box(x, y, _BANK, _BANK_HEIGHT, "bank", f"{kind}{k}", f"{words:,} x {bits} bits")
    return end + 24 + (_PITCH + 8) * (len(kinds) + 1)


def _draw_legend(plan: _Plan, y: float) -> None:
    x = float(_MARGIN)
    for kind, meaning in (
        ("pe", "PE"), ("bank", "bank, outside the Verilog"), ("stage", "way of the sums"),
        ("steering", "controller"),
    ):  # fmt: skip
        plan.box(x, y - 11, 20, 20, kind)
        plan.text(x + 28, y + 4, meaning)
        x += 60 + 6.2 * len(meaning)
    for kind in ("ifmap", "filter", "psum"):
        plan.bus(kind, (x, y), (x + 24, y))
        plan.text(x + 30, y + 4, f"{kind} bus")
        x += 100
    plan.text(_MARGIN, y + 32, "A schematic: boxes do not show areas. Sums enter the last row in "
              "use and leave row 0 to the collectors.")  # fmt: skip
