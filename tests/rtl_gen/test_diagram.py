"""The block diagram: what it shows is the design, and everything can be read."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import pytest
from hypothesis import given, settings

from rtl_gen.design import PRESETS, PEDesign
from rtl_gen.diagram import diagram_svg
from rtl_gen.interface import stream_widths
from tests.strategies import designs

SVG = "{http://www.w3.org/2000/svg}"
SRAM = PEDesign.preset("INT8", scratchpad="sram")
WIDEST = PEDesign.preset(
    "INT16", act_signed=False, multiplier="booth", precision_modes=3, zero_gating=True,
    scratchpad="latch", pipeline_stages=4, ifmap_depth=64, filter_depth=512, psum_depth=64,
)  # fmt: skip


@dataclass(frozen=True)
class Area:
    """A rectangle: left, top, right and bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Area) -> bool:
        """Whether they share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: Area) -> bool:
        """Whether the other one lies inside."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


def parse(design: PEDesign) -> ET.Element:
    return ET.fromstring(diagram_svg(design))


def numbers(element: ET.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


def boxes(root: ET.Element, kind: str | None = None) -> list[Area]:
    found = []
    for rect in root.iter(f"{SVG}rect"):
        x, y, width, height = numbers(rect, "x", "y", "width", "height")
        if kind in (None, rect.get("class")):
            found.append(Area(x, y, x + width, y + height))
    return found


def texts(root: ET.Element) -> list[tuple[str, Area]]:
    """All text, and the place it takes in a wide font."""
    found = []
    for element in root.iter(f"{SVG}text"):
        text = element.text or ""
        x, y, size = numbers(element, "x", "y", "font-size")
        width = len(text) * size * (0.66 if element.get("font-weight") else 0.6)
        left = x - {"start": 0, "middle": width / 2, "end": width}[element.attrib["text-anchor"]]
        found.append((text, Area(left, y - 0.75 * size, left + width, y + 0.2 * size)))
    return found


def lines(root: ET.Element) -> list[Area]:
    """The horizontal and vertical pieces of all wires."""
    found = []
    for wire in root.iter(f"{SVG}polyline"):
        points = [tuple(map(float, pair.split(","))) for pair in wire.attrib["points"].split()]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            if x0 == x1 or y0 == y1:
                found.append(Area(min(x0, x1), min(y0, y1), max(x0, x1) + 1, max(y0, y1) + 1))
    return found


@settings(max_examples=150)
@given(designs())
def test_no_text_meets_another_a_border_or_a_wire(design: PEDesign) -> None:
    assert_readable(design)


@pytest.mark.parametrize("design", [SRAM, WIDEST], ids=lambda design: design.name)
def test_the_fullest_ones_can_be_read(design: PEDesign) -> None:
    assert_readable(design)


def assert_readable(design: PEDesign) -> None:
    root = parse(design)
    drawn = boxes(root)
    assert [*numbers(root, "width", "height")] == [
        float(n) for n in root.attrib["viewBox"].split()
    ][2:]
    sheet = Area(0, 0, *numbers(root, "width", "height"))
    written = texts(root)
    for text, area in written:
        assert sheet.holds(area), text
        assert all(box.holds(area) for box in drawn if box.meets(area)), text
        # A box hides the wire that it stands on.
        hidden = any(box.holds(area) and box.right - box.left < 130 for box in drawn)
        assert hidden or not any(line.meets(area) for line in lines(root)), text
    for (text, area), (other, place) in itertools.combinations(written, 2):
        assert not area.meets(place), (text, other)
    for box, other_box in itertools.combinations(drawn, 2):
        assert not box.meets(other_box) or box.holds(other_box), (box, other_box)


@settings(max_examples=60)
@given(designs())
def test_widths_depths_and_registers_are_those_of_the_design(design: PEDesign) -> None:
    root = parse(design)
    words = [text for text, _ in texts(root)]
    assert words[0] == design.name
    for depth, bits in (
        (design.ifmap_depth, design.act_word_bits),
        (design.filter_depth, design.weight_word_bits),
        (design.psum_depth, design.psum_bits),
    ):
        assert f"{depth} x {bits} bits" in words
    for stream, bits in stream_widths(design).items():
        assert stream in words
        assert str(bits) in words
    stages = design.pipeline_stages
    places = sorted({(box.left + box.right) / 2 for box in boxes(root, "register")})
    # The legend's, those in front of latches, of each stage, of sums and of outputs.
    assert len(places) == 1 + (design.scratchpad == "latch") + stages - 1 + 2
    ends = [wire for wire in root.iter(f"{SVG}polyline") if wire.get("class") == "stage"]
    assert len(ends) == stages + 1  # the legend's, too
    for wire in ends[:-1]:
        assert float(wire.attrib["points"].split(",")[0]) in places
    assert ("= 0" in words) == design.zero_gating
    assert ("mode" in words) == (design.precision_modes > 1)
    assert ("half" in words) == (design.weights_per_word > 1)


@pytest.mark.parametrize(
    ("design", "count", "label"),
    [
        (PEDesign.preset("INT8"), 1, "multiply"),
        (PEDesign.preset("INT8", pipeline_stages=4), 2, "multiply by"),
        (PEDesign.preset("INT8", multiplier="booth"), 1, "Booth"),
        (PEDesign.preset("INT8", multiplier="array"), 1, "AND"),
        (PEDesign.preset("INT8", precision_modes=2), 2, "8 x 4"),
        (PEDesign.preset("INT8", precision_modes=3), 4, "4 x 4"),
        (PEDesign.preset("LightPE-1"), 1, "coarse"),
        (PEDesign.preset("LightPE-2"), 2, "<< 0..6"),
        (PEDesign.preset("LightPE-2", weight_bits=12, terms=3), 3, "<< 0..6"),
        (PEDesign.preset("LightPE-2", serial_terms=True), 1, "coarse"),
        (PEDesign.preset("BF16"), 1, "8 x 8 bits"),
        (PEDesign.preset("BF16"), 1, "normalise"),
        (PEDesign.preset("BF16", psum_bits=16), 1, "round"),
        (PEDesign.preset("FP32"), 1, "24 x 24 bits"),
        (SRAM, 1, "SRAM, clocked read"),
        (WIDEST, 1, "a cycle: 16x16, 2 of 16x8, 4 of 8x8"),
    ],
)
def test_the_datapath_is_drawn_as_it_is(design: PEDesign, count: int, label: str) -> None:
    assert [text for text, _ in texts(parse(design))].count(label) == count


@pytest.mark.parametrize("name", PRESETS)
def test_it_has_a_background_and_is_the_same_every_time(name: str) -> None:
    design = PEDesign.preset(name)
    assert diagram_svg(design) == diagram_svg(design)
    root = parse(design)
    background = next(root.iterfind(f"{SVG}path"))
    assert background.attrib == {"d": "M0,0 H1280 V650 H0 z", "fill": "#ffffff"}
    assert (root.get("width"), root.get("height")) == ("1280", "650")
