"""The Eyeriss chip as measured, and as this project's exact counts have it.

Run: ``python -m benchmarks.eyeriss`` (one to two minutes). Layers run in the published
row-stationary mappings, which are known for AlexNet alone; of VGG-16 there are bounds, and what the
search finds.
Figures of the chip and where they are from: ``data/published/eyeriss.yaml``. A MB is 1e6 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping as Named
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.tables import table
from explorer.accelerators.accelerator import Accelerator, load_accelerator
from explorer.accelerators.energies import resolve_energies
from explorer.accelerators.hierarchy import Hierarchy
from explorer.mapping.cost import LayerCost, evaluate
from explorer.mapping.counts import Counts, count
from explorer.mapping.mapper import Options, map_layer
from explorer.mapping.mapping import Mapping
from explorer.networks.layer import LayerShape
from explorer.networks.network import load_network
from rtl_gen.space import load_yaml

DATA = Path(__file__).parents[1] / "data" / "published"
BITS = 16
WORD_MB = BITS / 8 / 1e6
#: Words of filters that the chip's network brings to the PEs in a cycle: 64 bits.
FILTER_RATE = 4
#: A word of the run-length code: pairs of a run of zeros (5 bits) and a value.
RLC_BITS, RLC_PAIRS = 64, 3
DRAM, BUFFER = 0, 1
#: Layers whose ofmap is the ifmap of the next, no pooling between: its zeros are published.
FOLLOWED = {
    "conv3": "conv4", "conv4": "conv5", "conv1_1": "conv1_2", "conv2_1": "conv2_2",
    "conv3_1": "conv3_2", "conv3_2": "conv3_3", "conv4_1": "conv4_2", "conv4_2": "conv4_3",
    "conv5_1": "conv5_2", "conv5_2": "conv5_3",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of a network on the chip.

    Attributes:
        shape: the layer, of the batch that was measured.
        chip: what was measured, by the names of ``columns`` in the file.
        parameters: m, n, e, p, q, r, t; None where they are not published.
        zeros_out: share of zeros in the ofmap; None if not published.
    """

    name: str
    shape: LayerShape
    chip: Named[str, float]
    parameters: Named[str, int] | None
    zeros_out: float | None


def published() -> Named[str, Any]:
    """The file of published figures."""
    document: Named[str, Any] = load_yaml(DATA / "eyeriss.yaml")
    return document


def layers(network: str) -> list[Layer]:
    """The measured layers of a network."""
    entry = published()["networks"][network]
    shapes = {layer.name: layer.shape for layer in load_network(network).layers_with_macs}
    found = []
    for name, row in entry["layers"].items():
        chip = {key: value for key, value in row.items() if key != "mapping"}
        shape = replace(
            shapes[name], batch=entry["batch"], act_bits=BITS, weight_bits=BITS, out_bits=BITS
        )
        after = entry["layers"].get(FOLLOWED.get(name, ""))
        found.append(
            Layer(
                name=name,
                shape=shape,
                chip=chip,
                parameters=row.get("mapping"),
                zeros_out=None if after is None else after["zeros_pct"] / 100,
            )
        )
    return found


def chip() -> Accelerator:
    """The chip, with energies relative to a MAC."""
    return load_accelerator(DATA / "eyeriss_chip.yaml")


def row_stationary(hierarchy: Hierarchy, shape: LayerShape, parameters: Named[str, int]) -> Mapping:
    """The loops of a row-stationary mapping, as JSSC 52(1), 2017, section III describes them.

    A PE holds a row of q channels of p filters, and makes p psums; r sets of PEs take other
    channels, t sets other filters, e columns other rows of the ofmap (folded where there are more
    than columns). The buffer holds psums of m filters, n images and e rows, and ifmaps of q r
    channels; what is under way in it are m / (p t) passes of the array. Filters go past it.
    """
    m, n, e, p, q, r, t = (parameters[name] for name in "mnepqrt")
    size = shape.sizes
    columns = hierarchy.levels[BUFFER].fanout_x
    wide = min(e, columns)
    beside = t if wide * t <= columns else 1
    outer = (
        ("G", size["G"]), ("M", -(-size["M"] // m)), ("N", -(-size["N"] // n)),
        ("P", -(-size["P"] // e)), ("C", -(-size["C"] // (q * r))),
    )  # fmt: skip
    entries = [
        {"level": "DRAM", "temporal": text(*outer)},
        {
            "level": "buffer",
            "temporal": text(("M", -(-m // (p * t))), ("N", n), ("Q", size["Q"])),
            "x": text(("P", wide), ("M", beside)),
        },
        {
            "level": "columns",
            "y": text(("C", r), ("M", t // beside), ("P", -(-e // wide)), ("R", size["R"])),
        },
        {"level": "filters", "temporal": text(("C", q), ("S", size["S"]))},
        {"level": "psums", "temporal": text(("M", p))},
    ]
    return Mapping.from_list(entries, hierarchy)


def text(*loops: tuple[str, int]) -> str:
    """Loops as YAML has them."""
    return " ".join(f"{name}{times}" for name, times in loops)


def as_moved(shape: LayerShape, parameters: Named[str, int] | None = None) -> LayerShape:
    """The layer as the chip moves it: padding is stored zeros, and channels are whole passes.

    A pass whose last channels are missing keeps all PEs in step, so its psums leave once; exact
    counts let the idle ones hand theirs on before.
    """
    top, bottom, left, right = shape.padding
    passes = parameters["q"] * parameters["r"] if parameters else 1
    return replace(
        shape,
        height=shape.height + top + bottom,
        width=shape.width + left + right,
        padding=(0, 0, 0, 0),
        channels=-(-shape.channels // passes) * passes,
    )


def counted(layer: Layer, parameters: Named[str, int] | None = None, *, moved: bool) -> Counts:
    """Counts of a layer in its row-stationary mapping; ``moved`` as ``as_moved`` has it."""
    parameters = parameters or layer.parameters
    assert parameters is not None
    hierarchy = chip().hierarchy
    shape = as_moved(layer.shape, parameters) if moved else layer.shape
    return count(hierarchy, shape, row_stationary(hierarchy, shape, parameters))


def buffer_mb(counts: Counts) -> float:
    """What the PEs read from and write to the buffer; the chip's figure is without its fills."""
    psum = counts.of(BUFFER, "psum")
    words = psum.updates + psum.accumulations + psum.drains + counts.of(BUFFER, "ifmap").reads
    return words * WORD_MB


def processing_ms(counts: Counts) -> float:
    """Time of the products alone, every PE one in a cycle."""
    return counts.steps / (published()["clock_mhz"] * 1e3)


def filter_ms(counts: Counts) -> float:
    """Time to bring the filters of all passes to the PEs, at the rate of their network."""
    return counts.of(DRAM, "filter").reads / FILTER_RATE / (published()["clock_mhz"] * 1e3)


def dram_mb(counts: Counts) -> dict[str, float]:
    """Each tensor to or from the DRAM, uncompressed."""
    psum = counts.of(DRAM, "psum")
    return {
        "ifmap": counts.of(DRAM, "ifmap").reads * WORD_MB,
        "filter": counts.of(DRAM, "filter").reads * WORD_MB,
        "ofmap": (psum.updates + psum.accumulations) * WORD_MB,
    }


def rlc_least(zeros: float) -> float:
    """Bits of the run-length code over bits of the words: three values in 64 bits, no more."""
    return (1 - zeros) * RLC_BITS / (RLC_PAIRS * BITS)


def rlc_rows(zeros: float, width: int) -> float:
    """The same if each row is coded by itself and ends with a pair for its last zeros.

    Modelled: values are zero or not independently of each other. Between this and ``rlc_least``
    are codes that end less often than every row.
    """
    share = 0.0
    for values in range(width + 1):
        odds = math.comb(width, values) * (1 - zeros) ** values * zeros ** (width - values)
        share += odds * math.ceil((values + 1) / RLC_PAIRS)
    return max(share * RLC_BITS / (width * BITS), rlc_least(zeros))


def dram_bounds(layer: Layer, traffic: Named[str, float]) -> tuple[float, float]:
    """Least and most MB of a layer with ifmap and ofmap in run-length code.

    The first ifmap is not coded. An ofmap of unknown zeros is between nothing and uncompressed.
    """
    least = most = traffic["filter"]
    first = layer.shape.channels == 3
    zeros = layer.chip["zeros_pct"] / 100
    least += traffic["ifmap"] * (1.0 if first else rlc_least(zeros))
    most += traffic["ifmap"] * (1.0 if first else rlc_rows(zeros, layer.shape.width))
    if layer.zeros_out is None:
        return least, most + traffic["ofmap"]
    out = layer.zeros_out
    return (
        least + traffic["ofmap"] * rlc_least(out),
        most + traffic["ofmap"] * rlc_rows(out, layer.shape.out_width),
    )


def compulsory_mb(shape: LayerShape) -> dict[str, float]:
    """Each word once: no mapping moves less."""
    return {
        "ifmap": shape.ifmap_words * WORD_MB,
        "filter": shape.weights * WORD_MB,
        "ofmap": shape.ofmap_words * WORD_MB,
    }


def cost(layer: Layer) -> LayerCost:
    """The published mapping's energy, relative to a MAC."""
    assert layer.parameters is not None
    accelerator = chip()
    mapping = row_stationary(accelerator.hierarchy, layer.shape, layer.parameters)
    return evaluate(accelerator, _energies(accelerator), layer.shape, mapping)


def best(layer: Layer, objective: str = "energy", effort: str = "thorough") -> LayerCost:
    """What the search finds."""
    accelerator = chip()
    options = Options(objective=objective, effort=effort)
    return map_layer(accelerator, _energies(accelerator), layer.shape, options, cache=False).cost


def _energies(accelerator: Accelerator) -> Any:
    return resolve_energies(accelerator, BITS, BITS, BITS)


def times(network: str) -> Table:
    rows = []
    for layer in layers(network):
        counts, row = counted(layer, moved=False), layer.chip
        ms = processing_ms(counts)
        loading = filter_ms(counts)
        rows.append(
            (layer.name, f"{row['macs_g']:.2f}", f"{counts.macs / 1e9:.4f}",
             f"{row['active_pes']:.0f}", active_pes(layer), f"{counts.macs / counts.steps:.1f}",
             f"{row['processing_ms']:.1f}", f"{ms:.2f}", f"{row['processing_ms'] / ms:.3f}",
             f"{loading:.2f}", f"{row['processing_ms'] / (ms + loading):.3f}")
        )  # fmt: skip
    return table(
        f"{network}: products, PEs and processing time",
        ("layer", "GMAC", "counted", "PEs", "counted", "in the mean", "ms", "counted", "ratio",
         "filters, ms", "ratio"),
        rows,
    )  # fmt: skip


def active_pes(layer: Layer) -> int:
    """PEs that take part in a full pass: those of R rows, e columns and r t sets."""
    assert layer.parameters is not None
    p = layer.parameters
    return layer.shape.filter_height * p["e"] * p["r"] * p["t"]


def buffers(network: str) -> Table:
    rows = []
    for layer in layers(network):
        for note, parameters in _variants(layer):
            exact = counted(layer, parameters, moved=False)
            moved = counted(layer, parameters, moved=True)
            psum = moved.of(BUFFER, "psum")
            words = psum.updates + psum.accumulations + psum.drains
            value = layer.chip["buffer_mb"]
            rows.append(
                (layer.name + note, f"{value:.1f}", f"{buffer_mb(exact):.2f}",
                 f"{100 * (buffer_mb(exact) / value - 1):+.1f} %", f"{buffer_mb(moved):.2f}",
                 f"{100 * (buffer_mb(moved) / value - 1):+.2f} %", f"{words * WORD_MB:.2f}",
                 f"{moved.of(BUFFER, 'ifmap').reads * WORD_MB:.2f}")
            )  # fmt: skip
    return table(
        f"{network}: accesses of the buffer, MB",
        ("layer", "chip", "counted", "off", "padding moved, whole passes", "off", "psums",
         "ifmaps"),
        rows,
    )  # fmt: skip


def _variants(layer: Layer) -> Iterator[tuple[str, Named[str, int]]]:
    """The published parameters; for conv3 those of conv4 and conv5, too."""
    assert layer.parameters is not None
    yield "", layer.parameters
    if layer.name == "conv3":
        yield ", q 3, r 2, t 2", {**layer.parameters, "q": 3, "r": 2, "t": 2}


def drams(network: str) -> Table:
    rows = []
    for layer in layers(network):
        traffic = dram_mb(counted(layer, moved=False))
        least, most = dram_bounds(layer, traffic)
        value = layer.chip["dram_mb"]
        known = least <= value <= most
        rows.append(
            (layer.name, f"{value:.1f}", *(f"{traffic[t]:.2f}" for t in traffic),
             f"{sum(traffic.values()):.2f}", f"{layer.chip['zeros_pct']:.1f} %", f"{least:.2f}",
             f"{most:.2f}", "yes" if known else "NO", _implied(layer, traffic))
        )  # fmt: skip
    return table(
        f"{network}: accesses of the DRAM, MB",
        ("layer", "chip", "ifmap", "filter", "ofmap", "all", "zeros", "coded, least", "most",
         "between", "implied zeros out"),
        rows,
    )  # fmt: skip


def _implied(layer: Layer, traffic: Named[str, float]) -> str:
    """Zeros of an ofmap whose zeros are not published, if all else is coded at best."""
    if layer.zeros_out is not None:
        return "published"
    least, _ = dram_bounds(layer, traffic)
    share = (layer.chip["dram_mb"] - least) / traffic["ofmap"]
    return f"{100 * (1 - share / rlc_least(0.0)):.0f} %"


def searched(network: str) -> Table:
    """The published mapping, and what the search finds for least energy, and for least EDP."""
    rows = []
    for layer in layers(network):
        for name, found in (
            ("row-stationary", cost(layer)), ("energy", best(layer)), ("EDP", best(layer, "edp"))
        ):  # fmt: skip
            rows.append(
                (layer.name, name, f"{found.energy_pj / found.counts.macs:.3f}",
                 f"{sum(dram_mb(found.counts).values()):.2f}", f"{buffer_mb(found.counts):.1f}",
                 f"{processing_ms(found.counts):.1f}")
            )  # fmt: skip
    return table(
        f"{network}: the published mapping, and the search's",
        ("layer", "mapping", "energy, MACs a MAC", "DRAM, MB, not coded", "buffer, MB", "ms"),
        rows,
    )


def bounds(network: str) -> Table:
    """Where no mapping is published: what no mapping can be below, and what the search finds."""
    clock = published()["clock_mhz"] * 1e3
    rows = []
    for layer in layers(network):
        row, found = layer.chip, best(layer)
        ms = layer.shape.macs / row["active_pes"] / clock
        rate = row["buffer_mb"] / WORD_MB / (row["processing_ms"] * clock)
        least, _ = dram_bounds(layer, compulsory_mb(layer.shape))
        coded, _ = dram_bounds(layer, dram_mb(found.counts))
        rows.append(
            (layer.name, f"{row['macs_g']:.2f}", f"{layer.shape.macs / 1e9:.4f}",
             f"{row['processing_ms']:.1f}", f"{ms:.1f}", f"{row['processing_ms'] / ms:.2f}",
             f"{row['buffer_mb']:.1f}", f"{rate:.2f}", f"{buffer_mb(found.counts):.1f}",
             f"{row['dram_mb']:.1f}", f"{least:.1f}", f"{coded:.1f}")
        )  # fmt: skip
    return table(
        f"{network}: bounds, and the search's mapping for least energy",
        ("layer", "GMAC", "counted", "ms", "least", "ratio", "buffer, MB", "words a cycle",
         "search", "DRAM, MB", "least, coded", "search, coded"),
        rows,
    )  # fmt: skip


def main() -> None:
    console = Console(width=150)
    for show in (times, buffers, drams, searched):
        console.print(show("alexnet-caffe"))
    console.print(bounds("vgg16"))


if __name__ == "__main__":
    main()
