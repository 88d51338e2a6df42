"""A block diagram of a PE as SVG, drawn to the very design: its memories, registers and widths."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from rtl_gen.design import PEDesign
from rtl_gen.interface import stream_widths
from rtl_gen.scratchpad import DATA_LATENCY, READ_LATENCY

_WIDTH, _HEIGHT = 1280, 650
_STYLE = """\
text { font-family: Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1a202c }
.data { fill: none; stroke: #1a202c; stroke-width: 1.5 }
.control { fill: none; stroke: #6b46c1; stroke-width: 1.2; stroke-dasharray: 5 3 }
.stage { fill: none; stroke: #a0aec0; stroke-width: 1.2; stroke-dasharray: 1 4; \
stroke-linecap: round }
.memory { fill: #d6e6f5; stroke: #2b6cb0 }
.logic { fill: #fdf1d3; stroke: #b7791f }
.steering { fill: #e9e2f6; stroke: #6b46c1 }
.unit { fill: #fffaf0; stroke: #b7791f; stroke-dasharray: 4 3 }
.register { fill: #2d3748; stroke: none }
"""
_STYLE_NAMES = {"flop": "flip-flops", "latch": "latches", "sram": "SRAM macro"}

# Heights of the lanes in which the streams travel, and places along them.
_IFMAP_Y, _FILTER_Y, _PSUM_Y, _OUT_Y = 240, 380, 490, 222
_PRODUCT_Y, _ADDER_Y, _CONTROL_Y = 310, 320, 169
_PORT_X, _MEMORY_X, _OPERAND_X, _UNIT_X, _INNER_X = 40, 190, 430, 480, 640
_UNIT_END, _PRODUCT_X, _MUX_X, _ADDER_X, _SUM_X, _PSUM_X, _END_X = (
    800, 836, 880, 960, 1036, 1080, 1240,
)  # fmt: skip


class _Drawing:
    """SVG elements in the order in which they were drawn."""

    def __init__(self) -> None:
        self._elements: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, kind: str, *lines: str) -> None:
        """A rectangle with lines of text in its middle, the first one bold if there are more."""
        self._elements.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            'rx="3"/>'
        )
        top = y + height / 2 - 8 * (len(lines) - 1) + 4
        for index, line in enumerate(lines):
            bold = index == 0 and kind in ("memory", "steering")
            self.text(x + width / 2, top + 16 * index, line, bold=bold)

    def register(self, x: float, y: float, height: float = 40) -> None:
        """A pipeline register around (x, y)."""
        self.box(x - 5, y - height / 2, 10, height, "register")

    def wire(self, *points: tuple[float, float], kind: str = "data", arrow: bool = True) -> None:
        """A line through the points."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        head = f' marker-end="url(#{kind})"' if arrow else ""
        self._elements.append(f'<polyline class="{kind}" points="{path}"{head}/>')

    def mux(self, *corners: tuple[float, float]) -> None:
        """A multiplexer, a trapezoid with its output at the short side."""
        path = " ".join(f"{x:g},{y:g}" for x, y in corners)
        self._elements.append(f'<polygon class="logic" points="{path}"/>')

    def dot(self, x: float, y: float) -> None:
        """A place where wires meet."""
        self._elements.append(f'<circle cx="{x:g}" cy="{y:g}" r="3"/>')

    def circle(self, x: float, y: float, radius: float) -> None:
        """An operator."""
        self._elements.append(f'<circle class="logic" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>')

    def bits(self, x: float, y: float, bits: int) -> None:
        """How wide the wire at (x, y) is."""
        self.wire((x - 4, y + 6), (x + 4, y - 6), arrow=False)
        self.text(x, y - 10, str(bits))

    def text(
        self, x: float, y: float, text: str, *, size: int = 13, anchor: str = "middle",
        bold: bool = False,
    ) -> None:  # fmt: skip
        """Text on the line y, to the right of x, to its left (``end``) or around it."""
        weight = ' font-weight="bold"' if bold else ""
        self._elements.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{weight}>'
            f"{escape(text)}</text>"
        )

    def svg(self) -> str:
        """The whole file."""
        markers = "".join(
            f'<marker id="{kind}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
            f'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0,0.5 L8,4 L0,7.5 z" fill="{colour}"/></marker>'
            for kind, colour in (("data", "#1a202c"), ("control", "#6b46c1"))
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
                f'width="{_WIDTH}" height="{_HEIGHT}">',
                f"<style>\n{_STYLE}</style>",
                f"<defs>{markers}</defs>",
                f'<path d="M0,0 H{_WIDTH} V{_HEIGHT} H0 z" fill="#ffffff"/>',
                *self._elements,
                "</svg>\n",
            ]
        )


def diagram_svg(design: PEDesign) -> str:
    """The diagram, a well-formed SVG file with a background of its own; the same text every time."""
    drawing = _Drawing()
    drawing.text(_PORT_X, 42, design.name, size=20, anchor="start", bold=True)
    drawing.text(_PORT_X, 66, _summary(design), size=14, anchor="start")
    _draw_controller(drawing, design)
    _draw_operands(drawing, design)
    _draw_datapath(drawing, design)
    _draw_sums(drawing, design)
    _draw_stages(drawing, design)
    _draw_legend(drawing)
    return drawing.svg()


def _summary(design: PEDesign) -> str:
    stages = design.pipeline_stages
    kind = {16: "bfloat16", 32: "binary32"}
    if design.family == "fp":
        what = f"{kind[design.act_bits]} operands, {kind[design.psum_bits]} sums"
    else:
        signed = "signed" if design.act_signed else "unsigned"
        what = (
            f"{design.act_bits}-bit {signed} activations, {design.weight_bits}-bit weights, "
            f"{design.psum_bits}-bit sums"
        )
    gating = ", zeros are skipped" if design.zero_gating else ""
    return f"{what}, {stages} pipeline stage{'s' if stages > 1 else ''}{gating}"


def _draw_controller(drawing: _Drawing, design: PEDesign) -> None:
    width = _END_X - _MEMORY_X - 20
    loops = "output x, column s, channel c, filter f" + (
        ", term t" if design.serial_terms else ""
    )
    drawing.box(
        _MEMORY_X, 86, width, 54, "steering", "Controller",
        f"loads the scratchpads, walks the window, passes the sums on; loops: {loops}",
    )  # fmt: skip
    _draw_port(drawing, design, "config", 113, _MEMORY_X)
    drawing.wire((265, 140), (265, 200), kind="control")
    drawing.wire((352, 140), (352, 310), (265, 310), (265, 340), kind="control")
    drawing.text(258, 188, "addresses", anchor="end")
    if design.precision_modes > 1:
        drawing.wire((760, 140), (760, 190), kind="control")
        drawing.text(768, 158, "mode", anchor="start")
    drawing.wire((400, 140), (400, _CONTROL_Y), (1150, _CONTROL_Y), (1150, 280), kind="control")
    drawing.wire((890, _CONTROL_Y), (890, 297), kind="control")
    carried = "valid, first, sum" + (", zero" if design.zero_gating else "")
    drawing.text(446, _CONTROL_Y - 7, carried, anchor="start")


def _draw_port(drawing: _Drawing, design: PEDesign, stream: str, y: float, end: float) -> None:
    drawing.text(_PORT_X, y - 10, stream, anchor="start", bold=True)
    drawing.wire((_PORT_X, y), (end, y))
    drawing.bits(132, y, stream_widths(design)[stream])
