"""Arrays through flow ``placed``, and what a composition of their parts predicts of larger ones.

Arrays of six PEs in four sizes with different buses and buffers are measured with a layer that
keeps all their PEs busy. The composition of ``surrogate.array_composition`` is fitted to those of
at most 3 x 3 PEs and compared with the larger ones; beside it stands what rows x columns x PE
alone gives.

Run: ``python -m benchmarks.arrays measure [FOLDER [JOBS]]`` measures what the committed table lacks
(two hours), ``python -m benchmarks.arrays`` prints the comparison.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from characterize import power_library
from characterize.array_flow import ArrayPoint, measure_array
from characterize.campaign import Campaign
from characterize.measurement import Point
from characterize.platform import load_platform
from characterize.process import StepError
from characterize.store import Store
from rtl_gen.array.compiler import Scales, compile_layer, default_tiling, shape_layer
from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.layer import Layer
from rtl_gen.array.model import layer_activity
from rtl_gen.array.top import array_verilog
from rtl_gen.atomic import write_text
from rtl_gen.design import PEDesign
from surrogate.array_composition import ArrayComposition, array_columns, at_limit

DATA = Path("data/freepdk45/arrays.csv")
#: Periods that all meet, and that none do: what is then the least is the array's own.
RELAXED_PS = {"int": 2000, "lightpe": 2000, "pow2": 2000, "fp": 5000}
TIGHT_PS = {"int": 800, "lightpe": 800, "pow2": 800, "fp": 1600}
SPADS = {"ifmap_depth": 6, "filter_depth": 18, "psum_depth": 4}
PES = {
    "INT4": PEDesign.preset("INT4", **SPADS),
    "INT8": PEDesign.preset("INT8", **SPADS),
    "LightPE-1": PEDesign.preset("LightPE-1", **SPADS),
    "LightPE-2": PEDesign.preset("LightPE-2", **SPADS, scratchpad="latch"),
    "POW2": PEDesign.preset("POW2", **SPADS, pipeline_stages=3),
    "BF16": PEDesign.preset("BF16", **SPADS),
}
#: Rows, columns, buses of ifmaps, filters and psums, words of their banks.
SHAPES = (
    (2, 2, 1, 1, 1, 128),
    (2, 3, 2, 1, 1, 256),
    (3, 3, 1, 2, 2, 512),
    (4, 4, 2, 2, 2, 256),
)
#: More shapes of one PE, to tell buses from what each PE has for them; and a large array.
MORE = (
    "INT4",
    ((2, 2, 2, 2, 2, 128), (3, 3, 2, 1, 1, 256), (3, 3, 2, 2, 2, 256), (8, 8, 2, 2, 2, 1024)),
)


#: PEs and shapes that go through OpenROAD, too.
ROUTED = (("INT4", SHAPES[0]), ("LightPE-1", SHAPES[0]), ("INT4", SHAPES[2]))
FLOWS = ("placed", "openroad")
BANKS = ("ifmap", "filter", "psum", "scale")
#: What is compared, and what it is called.
NAMES = {
    "area_um2": "area", "leakage_uw": "leakage", "energy_per_cycle_pj": "dynamic energy",
    "least_period_ps": "least period",
}  # fmt: skip
#: PEs whose arrays are also measured at the tight period.
TIGHT = ("INT4", "INT8", "POW2", "BF16")


def points() -> Iterator[tuple[str, ArrayPoint]]:
    """The arrays, the small ones first, with the names of their PEs."""
    named = [(name, shape) for shape in SHAPES for name in PES]
    for name, shape in [*named, *((MORE[0], shape) for shape in MORE[1])]:
        rows, columns, ifmap, filters, psum, words = shape
        pe = PES[name]
        design = ArrayDesign(
            pe=pe, rows=rows, columns=columns, ifmap_buses=ifmap, filter_buses=filters,
            psum_buses=psum, ifmap_words=words, filter_words=words, psum_words=words,
            scale_words=16,
        )  # fmt: skip
        for flow in FLOWS if (name, shape) in ROUTED else FLOWS[:1]:
            yield name, ArrayPoint(design=design, period_ps=RELAXED_PS[pe.family], flow=flow)
        if name in TIGHT and shape in SHAPES:
            yield name, ArrayPoint(design=design, period_ps=TIGHT_PS[pe.family])


def layer_of(design: ArrayDesign) -> Layer:
    """A layer that uses every PE: as many ofmap rows as columns, twice; filter rows as rows."""
    rows = min(design.rows, 3)
    return Layer(
        channels=2 * (design.rows // rows), height=2 * design.columns + rows - 1, width=8,
        filters=3, filter_height=rows, filter_width=3,
    )  # fmt: skip


@functools.cache
def rtl_digest(design: ArrayDesign) -> str:
    """Of the Verilog: a row of another generator is not mixed in, but measured again."""
    return hashlib.sha256(array_verilog(design).encode()).hexdigest()[:16]


def measure(folder: Path, jobs: int) -> None:
    """Measure all that ``DATA`` lacks; each is written at once."""
    folder.mkdir(parents=True, exist_ok=True)
    for flow, write in (
        ("placed", power_library.write_power_library),
        ("openroad", power_library.write_later_library),
    ):
        if not (folder / f"{flow}.lib").exists():
            write(load_platform().liberty, folder / f"{flow}.lib")
    done = pd.read_csv(DATA).to_dict("records") if DATA.exists() else []
    wanted = {
        (rtl_digest(point.design), point.period_ps, point.flow): (name, point)
        for name, point in points()
    }
    done = [row for row in done if (row["rtl"], row["period_ps"], row["flow"]) in wanted]
    known = {(row["rtl"], row["period_ps"], row["flow"]) for row in done}
    missing = [entry for key, entry in wanted.items() if key not in known]
    if shutil.which("openroad") is None:
        missing = [(name, point) for name, point in missing if point.flow == "placed"]
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(measure_one, name, point, folder) for name, point in missing]
        for future in as_completed(waiting):
            row, text = future.result()
            print(text, flush=True)
            if row:
                done.append(row)
                _write(pd.DataFrame(done))
    _write(add_pes(pd.DataFrame(done), folder))


def _write(table: pd.DataFrame) -> None:
    write_text(DATA, table.to_csv(index=False, float_format="%.9g"))


def measure_one(name: str, point: ArrayPoint, folder: Path) -> tuple[dict[str, Any] | None, str]:
    """A row of the table, or None, and what to say."""
    design = point.design
    layer, rng = layer_of(design), np.random.default_rng(1)
    shape = shape_layer(design, layer, default_tiling(design, layer))
    ifmap, weights, scales = operands(design, layer, rng)
    program = compile_layer(shape, ifmap, weights, scales)
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        result = measure_array(
            point, program, program.expected(ifmap, weights), load_platform(),
            (folder / f"{point.flow}.lib").resolve(), place,
        )  # fmt: skip
    except StepError as error:
        return None, f"{name} {design.rows}x{design.columns} {point.flow}: {error}"
    finally:
        shutil.rmtree(place)
    banks = {f"{kind}_words": getattr(design, f"{kind}_words") for kind in BANKS}
    activity = layer_activity(shape)
    row = {
        "pe": name, "digest": design.digest, "pe_digest": design.pe.digest,
        "rtl": rtl_digest(design), "flow": point.flow,
        "period_ps": point.period_ps, **array_columns(design, activity, layer.macs), **banks,
        **result.metrics,
        "energy_per_cycle_pj": result.metrics["dynamic_power_uw"] * point.period_ps * 1e-6,
        **{f"seconds_{k}": v for k, v in result.seconds.items()},
    }  # fmt: skip
    return row, f"{name} {design.rows}x{design.columns}: {json.dumps(result.seconds)}"


def operands(
    design: ArrayDesign, layer: Layer, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Scales]:
    """Uniform codes (``fp``: exponents around 1), and scales that use the activations' range."""
    pe = design.pe
    shapes = (
        (layer.height, layer.width, layer.channels),
        (layer.filter_height, layer.filter_width, layer.group_channels, layer.filters),
    )
    if pe.family == "fp":
        ifmap, weights = (
            rng.integers(0, 2, s) << 15 | rng.integers(119, 135, s) << 7 | rng.integers(0, 128, s)
            for s in shapes
        )
    else:
        low = -(1 << (pe.act_bits - 1)) if pe.act_signed else 0
        ifmap = rng.integers(low, low + (1 << pe.act_bits), shapes[0])
        weights = rng.integers(0, 1 << pe.weight_bits, shapes[1])
    filters = layer.filters
    return ifmap, weights, Scales(
        multiplier=rng.integers(1 << 15, 1 << 16, filters),
        shift=rng.integers(18, 22, filters), bias=rng.integers(-100, 100, filters), relu=True,
    )  # fmt: skip


def add_pes(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Beside each array its PE alone, through the same flow: columns ``alone_...``."""
    for (name, period_ps), rows in table.groupby(["pe", "period_ps"]):
        campaign = Campaign(
            points=[Point(design=PES[name], period_ps=period_ps)], platform=load_platform(),
            store=Store(folder / "store"),
        )  # fmt: skip
        (alone,) = campaign.run(lambda *_: None)
        metrics = alone.metrics
        for metric in ("area_um2", "leakage_uw", "least_period_ps", "logic_power_uw"):
            table.loc[rows.index, f"alone_{metric}"] = metrics[metric]
        table.loc[rows.index, "alone_clock_power_uw"] = sum(
            metrics[f"{part}_power_uw"] for part in ("register", "clock_gate", "clock_tree")
        )
        share = metrics["window_macs"] / metrics["window_cycles"]
        table.loc[rows.index, "alone_macs_per_cycle"] = share
    return table


def report(table: pd.DataFrame) -> Iterator[str]:
    """The comparison as text."""
    table = table[table["flow"] == FLOWS[0]]
    small = (table["rows"] <= 3) & (table["columns"] <= 3)
    composition = ArrayComposition.fit(table[small])
    yield f"{len(table)} points, those of at most 3 x 3 PEs to fit; errors in %"
    composed, alone = composition.predict(table).set_index(table.index), pes_alone(table)
    for target, name in NAMES.items():
        off, bare = (100 * (made[target] / table[target] - 1) for made in (composed, alone))
        relaxed = table["period_ps"] == table["family"].map(RELAXED_PS)
        told = at_limit(table) & ~relaxed if target == "least_period_ps" else relaxed
        fitted, larger = off[small & told].abs(), off[~small & told].abs()
        alone_off = bare[~small & told]
        yield (
            f"{name}: {len(fitted)} fitted, {fitted.mean():.1f} in the mean, {fitted.max():.1f} at "
            f"worst; {len(larger)} larger, {larger.mean():.1f}, {larger.max():.1f} at worst, bias "
            f"{off[~small & told].mean():+.1f}; PEs alone {alone_off.min():+.1f} to "
            f"{alone_off.max():+.1f}"
        )


def pes_alone(table: pd.DataFrame) -> pd.DataFrame:
    """Rows x columns x a PE alone, as busy as in the array; its least period."""
    pes = table["rows"] * table["columns"]
    share = table["macs_per_cycle"] / table["alone_macs_per_cycle"]
    power = table["alone_clock_power_uw"] * pes + table["alone_logic_power_uw"] * share
    return pd.DataFrame(
        {
            "area_um2": pes * table["alone_area_um2"],
            "leakage_uw": pes * table["alone_leakage_uw"],
            "energy_per_cycle_pj": power * table["period_ps"] * 1e-6,
            "least_period_ps": table["alone_least_period_ps"],
        }
    )


def scaled(table: pd.DataFrame) -> Iterator[str]:
    """What the composition says of 12 x 14 PEs with four buses of each kind."""
    table = table[table["flow"] == FLOWS[0]]
    composition = ArrayComposition.fit(table)
    for name in TIGHT:
        design = ArrayDesign.preset("eyeriss-like", PES[name])
        layer = layer_of(design)
        activity = layer_activity(shape_layer(design, layer, default_tiling(design, layer)))
        made = table[table["pe"] == name].drop_duplicates("period_ps").reset_index(drop=True)
        made = made.assign(**array_columns(design, activity, layer.macs))
        relaxed = made["period_ps"] == made["family"].map(RELAXED_PS)
        composed, alone = composition.predict(made), pes_alone(made)
        ((_, at_ease),) = composed[relaxed].iterrows()
        yield (
            f"12 x 14 of {name}, composed: {at_ease['area_um2'] / 1e6:.3f} mm2 (PEs alone "
            f"{alone.loc[relaxed, 'area_um2'].item() / 1e6:.3f}), "
            f"{at_ease['leakage_uw'] / 1000:.2f} mW of leakage, "
            f"{at_ease['energy_per_cycle_pj']:.0f} pJ a cycle, least period "
            f"{composed.loc[~relaxed, 'least_period_ps'].item():.0f} ps"
        )


def flow_differences(table: pd.DataFrame) -> Iterator[str]:
    """Both flows on the same arrays."""
    keys = ["pe", "digest", "rows", "columns", "period_ps"]
    both = table.merge(table, on=keys, suffixes=("", "_openroad"))
    both = both[(both["flow"] == FLOWS[0]) & (both["flow_openroad"] == FLOWS[1])]
    yield "placed against openroad, %"
    for _, row in both.iterrows():
        off = {
            name: 100 * (row[column] / row[f"{column}_openroad"] - 1)
            for name, column in (
                ("area", "area_um2"), ("least period", "least_period_ps"),
                ("energy", "energy_per_mac_pj"), ("wire", "wirelength_um"),
            )
        }  # fmt: skip
        figures = ", ".join(f"{name} {value:+.1f}" for name, value in off.items())
        yield f"  {row['pe']} {row['rows']} x {row['columns']}: {figures}"


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else "build/arrays")
        measure(folder, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    table = pd.read_csv(DATA)
    for line in (*report(table), *flow_differences(table), *scaled(table)):
        print(line)


if __name__ == "__main__":
    main()
