"""ZigZag's mappings, translated and counted."""

from __future__ import annotations

import sys

import pytest

from benchmarks import peers
from benchmarks.mapper import EYERISS
from benchmarks.peers import Peer
from explorer.mapping.counts import count
from explorer.mapping.mapping import Mapping
from explorer.networks.layer import LayerShape
from rtl_gen.errors import InputError

SHAPE = LayerShape(filters=8, channels=6, height=10, width=10, filter_height=3, filter_width=3)


def peer(inside: dict[str, tuple[int, ...]]) -> Peer:
    return Peer(
        energy_pj=0.0, words={}, seconds=0.0, x=(("Q", 8),), y=(("C", 6),), inside=inside,
        order=(("S", 3), ("M", 4), ("P", 8), ("R", 3), ("M", 2)),
    )  # fmt: skip


EVEN = peer({"ifmap": (2, 4), "filter": (2,), "psum": (2, 4)})
#: The buffer holds psums of two loops more than ifmaps; M, the last, is none of the ifmap's.
LATER = peer({"ifmap": (2, 4), "filter": (2,), "psum": (2, 5)})
#: ifmaps of one row of filters, psums of all of them.
UNEVEN = peer({"ifmap": (2, 3), "filter": (2,), "psum": (2, 5)})


def test_a_mapping_whose_tensors_stand_alike_is_counted_as_one() -> None:
    mapping = Mapping.from_list(
        [
            {"level": "DRAM", "temporal": "M2"},
            {"level": "buffer", "temporal": "R3 P8", "x": "Q8"},
            {"level": "columns", "y": "C6"},
            {"level": "psums", "temporal": "M4 S3"},
        ],
        EYERISS,
    )
    whole = count(EYERISS, SHAPE, mapping)
    assert peers.even(EVEN)
    assert sorted(peers.counted(SHAPE, EVEN), key=str) == sorted(whole.levels, key=str)


def test_loops_that_a_tensor_does_not_have_make_no_difference() -> None:
    assert peers.even(LATER)
    known = {(c.level, c.tensor): c for c in peers.counted(SHAPE, EVEN)}
    for c in peers.counted(SHAPE, LATER):
        if c.tensor != "psum":
            assert c == known[c.level, c.tensor]


def test_tensors_that_stand_differently_are_counted_each_by_itself() -> None:
    assert not peers.even(UNEVEN)
    counts = {(c.level, c.tensor): c for c in peers.counted(SHAPE, UNEVEN)}
    assert counts[1, "psum"].tile == 8 * 8 * 8  # all sums stay: each goes to the DRAM once
    assert counts[0, "psum"].updates == SHAPE.ofmap_words
    assert counts[1, "ifmap"].tile < SHAPE.ifmap_words
    assert counts[0, "ifmap"].reads > SHAPE.ifmap_words
    assert peers.full(list(counts.values())) == []


def test_tiles_that_do_not_fit_are_named() -> None:
    greedy = peer({"ifmap": (2, 4), "filter": (2,), "psum": (5, 5)})
    assert peers.full(peers.counted(SHAPE, greedy)) == ["psums: 64 of 24 words"]


def test_energy_is_words_at_their_prices_and_products() -> None:
    counts = peers.counted(SHAPE, EVEN)
    words = {(c.level, c.tensor): c.read_words + c.written_words for c in counts}
    by_level = {n: sum(v for (level, _), v in words.items() if level == n) for n in (0, 1, 3, 4, 5)}
    expected = SHAPE.macs * 2.2 + sum(
        by_level[n] * price for n, price in ((0, 128), (1, 17), (3, 0.24), (4, 0.76), (5, 0.3))
    )
    assert peers.energy_pj(SHAPE, counts) == pytest.approx(expected)


def test_a_layer_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        list(peers.chosen(["small 3x4"]))
    assert str(refused.value) == (
        "layer must be one of resnet18 conv1, resnet18 layer1.0.conv1, resnet18 layer2.0.conv1, "
        "resnet18 layer2.0.downsample, resnet18 layer4.0.conv2, small 3x3, small 1x1, small 5x5, "
        "not 'small 3x4'; the nearest is small 3x3"
    )


def test_groups_are_refused() -> None:
    grouped = LayerShape(groups=2, filters=4, channels=4, height=8, width=8)
    with pytest.raises(InputError) as refused:
        peers.workload(grouped)
    assert str(refused.value) == "layers with groups or dilation are not given to ZigZag here"


def test_zigzag_that_is_missing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zigzag.stages.parser.workload_parser", None)
    with pytest.raises(
        InputError, match=r"^ZigZag cannot be loaded \(.*\); run: pip install zigzag-dse==3\.9\.1$"
    ):
        peers.zigzag(SHAPE, mixed=False)
