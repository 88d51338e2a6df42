"""A block diagram of a PE as SVG, drawn to the very design: its memories, registers and widths."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from rtl_gen.design import PEDesign
from rtl_gen.fp_golden import format_of_bits
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
_STYLE_NAMES = {"flop": "flip-flops", "latch": "latches", "sram": "SRAM, clocked read"}

_ARCHITECTURES = {
    "synth": "synthesized",
    "booth": "radix-4 Booth",
    "array": "AND array",
    "none": "",
}

# Heights of the lanes in which the streams travel, and places along them.
_IFMAP_Y, _FILTER_Y, _PSUM_Y, _OUT_Y = 240, 380, 490, 222
_PRODUCT_Y, _ADDER_Y, _CONTROL_Y = 310, 320, 169
_PORT_X, _MEMORY_X, _OPERAND_X, _UNIT_X, _INNER_X = 40, 190, 430, 480, 674
_UNIT_END, _PRODUCT_X, _MUX_X, _ADDER_X, _SUM_X, _PSUM_X, _END_X = (
    800, 836, 880, 960, 1036, 1080, 1240,
)  # fmt: skip
# The first box inside the datapath, and the last.
_BOX_X, _LAST_X = 524, 694


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
    """The diagram: an SVG file with a background of its own, the same text every time."""
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
    gating = ", zero activations gated" if design.zero_gating else ""
    return f"{what}, {stages} pipeline stage{'s' if stages > 1 else ''}{gating}"


def _draw_controller(drawing: _Drawing, design: PEDesign) -> None:
    width = _END_X - _MEMORY_X - 20
    loops = "output x, column s, channel c, filter f" + (", term t" if design.serial_terms else "")
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
    for x in _register_places(design):
        drawing.register(x, _CONTROL_Y, 20)
    drawing.wire((890, _CONTROL_Y), (890, 297), kind="control")
    carried = "valid, first, sum" + (", zero" if design.zero_gating else "")
    drawing.text(446, _CONTROL_Y - 7, carried, anchor="start")


def _draw_port(drawing: _Drawing, design: PEDesign, stream: str, y: float, end: float) -> None:
    drawing.text(_PORT_X, y - 10, stream, anchor="start", bold=True)
    drawing.wire((_PORT_X, y), (end, y))
    drawing.bits(132, y, stream_widths(design)[stream])


def _draw_operands(drawing: _Drawing, design: PEDesign) -> None:
    """Scratchpads of ifmap and filters, and what stands between them and the datapath."""
    small = "latch" if design.scratchpad == "latch" else "flop"
    for stream, y, depth, bits, style, shape in (
        ("ifmap", _IFMAP_Y, design.ifmap_depth, design.act_word_bits, small, "ring of "),
        ("filter", _FILTER_Y, design.filter_depth, design.weight_word_bits, design.scratchpad, ""),
    ):
        _draw_port(drawing, design, stream, y, _MEMORY_X)
        if DATA_LATENCY[style]:
            drawing.register(_MEMORY_X - 24, y)
        drawing.box(
            _MEMORY_X, y - 40, 150, 80, "memory", f"{stream} scratchpad",
            f"{depth} x {bits} bits", shape + _STYLE_NAMES[style],
        )  # fmt: skip
    _draw_ifmap_lane(drawing, design)
    _draw_filter_lane(drawing, design)


def _draw_ifmap_lane(drawing: _Drawing, design: PEDesign) -> None:
    drawing.wire((_MEMORY_X + 150, _IFMAP_Y), (_UNIT_X, _IFMAP_Y), arrow=False)
    drawing.bits(460, _IFMAP_Y, design.act_word_bits)
    if design.pipeline_stages > 1:
        drawing.register(_OPERAND_X, _IFMAP_Y)
    if not design.zero_gating:
        return
    drawing.dot(380, _IFMAP_Y)
    drawing.wire((380, _IFMAP_Y), (380, 216))
    drawing.box(362, 190, 36, 26, "logic", "= 0")
    gated = _IFMAP_Y - 20 if design.pipeline_stages > 1 else _FILTER_Y - 13
    drawing.wire((398, 203), (_OPERAND_X, 203), (_OPERAND_X, gated), kind="control")
    if design.pipeline_stages > 1 and design.scratchpad != "sram":
        drawing.wire((_OPERAND_X, _IFMAP_Y + 20), (_OPERAND_X, _FILTER_Y - 20), kind="control")


def _draw_filter_lane(drawing: _Drawing, design: PEDesign) -> None:
    late = READ_LATENCY[design.scratchpad] > 0
    halves = design.weights_per_word > 1
    mux_x = 450 if late else 386
    drawing.wire((_MEMORY_X + 150, _FILTER_Y), (_UNIT_X, _FILTER_Y), arrow=False)
    if halves:
        drawing.mux(
            (mux_x - 8, _FILTER_Y - 26), (mux_x + 8, _FILTER_Y - 14),
            (mux_x + 8, _FILTER_Y + 14), (mux_x - 8, _FILTER_Y + 26),
        )  # fmt: skip
        drawing.text(mux_x, _FILTER_Y + 44, "half")
    if design.pipeline_stages > 1 and not late:
        drawing.register(_OPERAND_X, _FILTER_Y)
    elif design.zero_gating and not late:
        drawing.box(_OPERAND_X - 13, _FILTER_Y - 13, 26, 26, "logic", "&")
    drawing.bits(380 if halves and late else 460, _FILTER_Y, design.weight_word_bits)


def _draw_sums(drawing: _Drawing, design: PEDesign) -> None:
    """From the product to the outputs: the adder, its scratchpad and the registers around it."""
    bits = design.psum_bits
    drawing.wire((_UNIT_END, _PRODUCT_Y), (_MUX_X, _PRODUCT_Y))
    drawing.bits(816, _PRODUCT_Y, design.product_bits)
    if design.pipeline_stages > 2:
        drawing.register(_PRODUCT_X, _PRODUCT_Y)
    if design.zero_gating:
        drawing.box(846, _PRODUCT_Y - 13, 24, 26, "logic", "&")
    _draw_port(drawing, design, "psum_in", _PSUM_Y, 520)
    drawing.box(520, _PSUM_Y - 14, 122, 28, "logic", "0 without chain")
    drawing.wire((642, _PSUM_Y), (862, _PSUM_Y), (862, 330), (_MUX_X, 330))
    drawing.mux((_MUX_X, 292), (_MUX_X + 18, 304), (_MUX_X + 18, 336), (_MUX_X, 348))
    drawing.wire((_MUX_X + 18, _ADDER_Y), (_ADDER_X - 20, _ADDER_Y))
    if design.family == "fp":
        drawing.box(_ADDER_X - 20, _ADDER_Y - 24, 40, 48, "logic", "fp", "add")
    else:
        drawing.circle(_ADDER_X, _ADDER_Y, 20)
        drawing.text(_ADDER_X, _ADDER_Y + 8, "+", size=24)
    drawing.wire((_ADDER_X + 20, _ADDER_Y), (_PSUM_X, _ADDER_Y))
    drawing.bits(996, _ADDER_Y, bits)
    drawing.register(_SUM_X, _ADDER_Y)
    drawing.text(_SUM_X, _ADDER_Y + 35, "sum")
    drawing.box(
        _PSUM_X, 280, 140, 80, "memory", "psum scratchpad", f"{design.psum_depth} x {bits} bits",
        _STYLE_NAMES["latch" if design.scratchpad == "latch" else "flop"],
    )  # fmt: skip
    _draw_stored(drawing)
    _draw_output(drawing, design)


def _draw_stored(drawing: _Drawing) -> None:
    """Back to the adder: a stored sum, that in the sum register, or none."""
    drawing.dot(1058, _ADDER_Y)
    drawing.wire((1058, _ADDER_Y), (1058, 416), (1018, 416))
    drawing.wire((1150, 360), (1150, 440), (1018, 440))
    drawing.mux((1018, 402), (1002, 413), (1002, 443), (1018, 454))
    drawing.text(1014, 474, "bypass", anchor="end")
    drawing.wire((1002, 428), (976, 428), (976, 396))
    drawing.text(944, 430, "0")
    drawing.wire((944, 414), (944, 396))
    drawing.mux((932, 396), (944, 380), (976, 380), (988, 396))
    drawing.text(924, 393, "first", anchor="end")
    drawing.wire((_ADDER_X, 380), (_ADDER_X, _ADDER_Y + 22))


def _draw_output(drawing: _Drawing, design: PEDesign) -> None:
    drawing.dot(1014, _ADDER_Y)
    drawing.wire((1014, _ADDER_Y), (1014, _OUT_Y), (_END_X, _OUT_Y))
    drawing.register(_PSUM_X, _OUT_Y)
    drawing.text(_PSUM_X, _OUT_Y - 26, "output")
    drawing.text(_END_X, _OUT_Y - 10, "psum_out", anchor="end", bold=True)
    drawing.bits(1118, _OUT_Y, stream_widths(design)["psum_out"])


def _draw_stages(drawing: _Drawing, design: PEDesign) -> None:
    """Which part of the work each cycle does."""
    stages = design.pipeline_stages
    parts = {
        1: ["read, multiply, add"],
        2: ["read", "multiply, add"],
        3: ["read", "multiply", "add"],
        4: ["read", "multiply", "multiply", "add"],
    }[stages]
    ends = [*_register_places(design), _SUM_X]
    start = _MEMORY_X
    for number, (part, end) in enumerate(zip(parts, ends, strict=True), start=1):
        top = {_SUM_X: 362, _PRODUCT_X: 332, _INNER_X: 430}.get(end, _FILTER_Y + 22)
        drawing.wire((end, top), (end, 546), kind="stage", arrow=False)
        drawing.wire((start + 5, 540), (end - 5, 540), arrow=False)
        drawing.text((start + end) / 2, 558, f"{number}  {part}")
        start = end


def _register_places(design: PEDesign) -> list[int]:
    """Where the pipeline registers in front of the adder stand."""
    places = [_OPERAND_X, _PRODUCT_X] if design.pipeline_stages < 4 else [
        _OPERAND_X, _INNER_X, _PRODUCT_X,
    ]  # fmt: skip
    return places[: design.pipeline_stages - 1]


def _draw_legend(drawing: _Drawing) -> None:
    y = 606
    for x, kind, meaning in (
        (40, "memory", "scratchpad"), (170, "logic", "logic"), (258, "steering", "controller"),
    ):  # fmt: skip
        drawing.box(x, y - 11, 22, 22, kind)
        drawing.text(x + 30, y + 5, meaning, anchor="start")
    drawing.register(390, y, 26)
    drawing.text(402, y + 5, "register", anchor="start")
    for x, kind, meaning in (
        (480, "data", "data, bits"), (610, "control", "control"), (720, "stage", "end of a cycle"),
    ):  # fmt: skip
        drawing.wire((x, y), (x + 36, y), kind=kind, arrow=kind != "stage")
        drawing.text(x + 44, y + 5, meaning, anchor="start")


def _draw_datapath(drawing: _Drawing, design: PEDesign) -> None:
    drawing.box(_UNIT_X, 190, _UNIT_END - _UNIT_X, 240, "unit")
    title, detail = _datapath_lines(design)
    middle = (_UNIT_X + _UNIT_END) / 2
    drawing.text(middle, 209, title, size=14, bold=True)
    drawing.text(middle, 227, detail)
    if design.family == "fp":
        _draw_fp(drawing, design)
    elif design.precision_modes > 1:
        _draw_split(drawing, design)
    elif design.family == "int":
        _draw_multiplier(drawing, design)
    elif design.terms == 1 or design.serial_terms:
        _draw_shifter(drawing, design)
    else:
        _draw_shifters(drawing, design)


def _datapath_lines(design: PEDesign) -> tuple[str, str]:
    """What the datapath is, in two lines."""
    how = _ARCHITECTURES[design.multiplier]
    if design.family == "fp":
        return "Floating-point multiplier", f"significands: {how}"
    if design.precision_modes > 1:
        sums = ", ".join(
            f"{mode.products} of {mode.name}" if mode.products > 1 else mode.name
            for mode in design.modes
        )
        return f"Split multiplier, {how}", f"a cycle: {sums}"
    if design.family == "int":
        return f"Multiplier, {design.act_bits} x {design.weight_bits} bits", how
    values = f"0, ±1..±{1 << design.max_shift}" if design.max_shift else "0, ±1"
    terms = f"{design.terms} terms of " if design.terms > 1 else ""
    weight = f"weight: {terms}{values}"
    if design.serial_terms:
        return "Shifter, one term after the other", weight
    return ("Shifters and adder tree" if design.terms > 1 else "Shifter"), weight


def _feed(drawing: _Drawing, x: float, rows: Sequence[float]) -> None:
    """Both operands into boxes that begin at x, in the middle of these heights."""
    for lane, trunk, offset in (
        (_IFMAP_Y, _UNIT_X + 14, -8),
        (_FILTER_Y, _UNIT_X + 26, 8),
    ):
        taps = [row + offset for row in rows]
        drawing.wire((_UNIT_X, lane), (trunk, lane), arrow=False)
        drawing.wire((trunk, min(lane, *taps)), (trunk, max(lane, *taps)), arrow=False)
        for tap in taps:
            drawing.wire((trunk, tap), (x, tap))


def _inner(drawing: _Drawing, design: PEDesign, start: float, y: float) -> None:
    """A wire to the last box, through the register inside the datapath if there is one."""
    drawing.wire((start, y), (_LAST_X, y))
    if design.pipeline_stages > 3:
        drawing.register(_INNER_X, y, 26)


def _draw_multiplier(drawing: _Drawing, design: PEDesign) -> None:
    if design.multiplier == "synth" and design.pipeline_stages < 4:
        _feed(drawing, _BOX_X, (_PRODUCT_Y,))
        drawing.box(_BOX_X, _PRODUCT_Y - 40, 180, 80, "logic", "multiply")
        drawing.wire((_BOX_X + 180, _PRODUCT_Y), (_UNIT_END, _PRODUCT_Y), arrow=False)
        return
    if design.multiplier == "synth":
        rows = (_PRODUCT_Y - 34, _PRODUCT_Y + 34)
        _feed(drawing, _BOX_X, rows)
        for row, half in zip(rows, ("low", "high"), strict=True):
            drawing.box(_BOX_X, row - 24, 132, 48, "logic", "multiply by", f"{half} half")
            _inner(drawing, design, _BOX_X + 132, row)
    else:
        rows = (_PRODUCT_Y - 16, _PRODUCT_Y + 16)
        first = ("Booth", "recoding") if design.multiplier == "booth" else ("AND", "array")
        _feed(drawing, _BOX_X, (_PRODUCT_Y,))
        drawing.box(_BOX_X, _PRODUCT_Y - 40, 66, 80, "logic", *first)
        drawing.wire((_BOX_X + 66, _PRODUCT_Y), (600, _PRODUCT_Y))
        drawing.box(600, _PRODUCT_Y - 40, 56, 80, "logic", "Dadda", "tree")
        for row in rows:
            _inner(drawing, design, 656, row)
    _draw_last(drawing, rows, "add")


def _draw_last(drawing: _Drawing, rows: Sequence[float], *lines: str) -> None:
    """The box that ends the datapath, beside these rows."""
    top, bottom = min(rows) - 24, max(rows) + 24
    drawing.box(_LAST_X, top, 76, bottom - top, "logic", *lines)
    drawing.wire((_LAST_X + 76, _PRODUCT_Y), (_UNIT_END, _PRODUCT_Y), arrow=False)


def _rows(count: int) -> list[float]:
    """Heights of so many boxes above each other."""
    distance = 44
    return [_PRODUCT_Y + 16 + distance * (index - (count - 1) / 2) for index in range(count)]


def _draw_shifters(drawing: _Drawing, design: PEDesign) -> None:
    rows = _rows(design.terms)
    _feed(drawing, _BOX_X, rows)
    for row in rows:
        drawing.box(_BOX_X, row - 17, 44, 34, "logic", "±, 0")
        drawing.wire((_BOX_X + 44, row), (578, row))
        drawing.box(578, row - 17, 78, 34, "logic", f"<< 0..{design.max_shift}")
        _inner(drawing, design, 656, row)
    _draw_last(drawing, rows, "add")


def _draw_shifter(drawing: _Drawing, design: PEDesign) -> None:
    y = _PRODUCT_Y
    _feed(drawing, _BOX_X, (y,))
    drawing.box(_BOX_X, y - 24, 44, 48, "logic", "±, 0")
    drawing.wire((_BOX_X + 44, y), (584, y))
    drawing.box(584, y - 24, 72, 48, "logic", "coarse", "shift")
    _inner(drawing, design, 656, y)
    _draw_last(drawing, (y,), "fine", "shift")


def _draw_split(drawing: _Drawing, design: PEDesign) -> None:
    count = 4 if design.precision_modes == 3 else 2
    act_bits = design.act_bits // (count // 2)
    rows = _rows(count)
    top, bottom = _IFMAP_Y - 8, _FILTER_Y + 36
    for lane in (_IFMAP_Y, _FILTER_Y):
        drawing.wire((_UNIT_X, lane), (_UNIT_X + 18, lane))
    drawing.box(_UNIT_X + 18, top, 52, bottom - top, "logic", "select", "halves")
    for row in rows:
        drawing.wire((_UNIT_X + 70, row), (568, row))
        drawing.box(568, row - 17, 88, 34, "logic", f"{act_bits} x {design.weight_bits // 2}")
        _inner(drawing, design, 656, row)
    drawing.box(_LAST_X, top, 76, bottom - top, "logic", "shift,", "add")
    drawing.wire((_LAST_X + 76, _PRODUCT_Y), (_UNIT_END, _PRODUCT_Y), arrow=False)


def _draw_fp(drawing: _Drawing, design: PEDesign) -> None:
    rows = (_PRODUCT_Y - 34, _PRODUCT_Y + 42)
    bits = format_of_bits(design.act_bits).precision
    inner = design.pipeline_stages > 3
    last = "normalise" if design.psum_bits > design.act_bits else "round"
    _feed(drawing, _BOX_X, rows)
    for row, lines in zip(
        rows,
        (
            ("partial products" if inner else "significands", f"{bits} x {bits} bits"),
            ("exponents and", "special numbers"),
        ),
        strict=True,
    ):
        drawing.box(_BOX_X, row - 26, 132, 52, "logic", *lines)
        _inner(drawing, design, _BOX_X + 132, row)
    _draw_last(drawing, rows, *(["add,"] if inner else []), last)
