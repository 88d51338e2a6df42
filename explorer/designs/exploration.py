"""The best of many accelerators for a network: rated all, the front mapped again by the mapper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.accelerators.pe_tables import Sources
from explorer.designs.figures import figures
from explorer.designs.network_rating import rate_network
from explorer.designs.pool import Growth
from explorer.designs.space import DesignSpace, Indices
from explorer.explore import Objective, check_objectives
from explorer.mapping.compiled import Floats
from explorer.mapping.fast import OBJECTIVES as MAPPED_FOR
from explorer.mapping.mapper import Options
from explorer.mapping.network_cost import map_network
from explorer.networks.network import Network
from explorer.pareto import non_dominated
from rtl_gen.constraints import Kind, parse_constraint
from rtl_gen.errors import InputError, require_choice, require_int

#: What a design may be chosen by; columns of the table.
OBJECTIVES = {
    "energy_uj": Objective(column="energy_uj", label="Energy (µJ)", short="uJ"),
    "latency_ms": Objective(column="latency_ms", label="Latency (ms)", short="ms"),
    "area_mm2": Objective(column="area_mm2", label="Area (mm²)", short="mm2"),
    "edp_uj_ms": Objective(column="edp_uj_ms", label="Energy x delay (µJ ms)", short="uJ ms"),
    "tops_per_watt": Objective(
        column="tops_per_watt", label="TOPS/W", short="TOPS/W", maximize=True
    ),
    "tops_per_mm2": Objective(
        column="tops_per_mm2", label="TOPS/mm²", short="TOPS/mm2", maximize=True
    ),
}
_MOST_REFINED = 1000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for.

    Attributes:
        objectives: of ``OBJECTIVES``.
        where: conditions that designs must meet, as ``"area_mm2 < 4"``, over columns of the table.
        mapping: what mappings are chosen by, of ``explorer.mapping.fast.OBJECTIVES``.
        n: designs at most; a larger space is sampled.
        refine: designs of the front that the mapper maps again, spread over it.
        seed: of sample and searches.

    Raises:
        InputError: on a value out of range.
    """

    objectives: tuple[str, ...] = ("energy_uj", "latency_ms", "area_mm2")
    where: tuple[str, ...] = ()
    mapping: str = "energy"
    n: int = 100_000
    refine: int = 10
    seed: int = 1

    def __post_init__(self) -> None:
        check_objectives(self.objectives, OBJECTIVES)
        require_int("refine", self.refine, 0, _MOST_REFINED)
        require_choice("mapping", self.mapping, MAPPED_FOR)
        Options(objective=self.mapping, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """Accelerators for a network.

    Attributes:
        space, network, wanted: what was asked.
        table: a row for each design: ``pe`` and ``frame`` (numbers in the space), parameters of
            the PE, what varies, and ``OBJECTIVES``; ``outside`` where the PE is extrapolated;
            ``fits`` where the network runs and the clock is reached; ``wanted`` where the
            conditions are met, too.
        front: rows of ``table`` that no other wanted one beats, the best in the first objective
            first; ``refined_energy_uj`` and ``refined_latency_ms`` where the mapper was asked.
        mappings: mappings that all designs were rated with.
    """

    space: DesignSpace
    network: Network
    wanted: Wanted
    table: pd.DataFrame
    front: pd.DataFrame
    mappings: int

    def notes(self) -> list[str]:
        """What a reader must know to trust the numbers, a sentence each."""
        table, front = self.table, self.front
        found = [
            f"{len(table):,} designs of {self.space.size:,}; {int(table['fits'].sum()):,} run the "
            f"network and reach their clock; {int(table['wanted'].sum()):,} meet all conditions",
            f"rated with {self.mappings:,} mappings that fit; a search for one design alone finds "
            "somewhat better ones in most cases: refined",
        ]
        if outside := int(front["outside"].notna().sum()):
            found.append(
                f"{outside} of {len(front)} designs of the front have a PE outside what was "
                "measured: the error is unknown"
            )
        return found


def explore_designs(
    space: DesignSpace,
    network: Network,
    wanted: Wanted,
    *,
    sources: Sources | None = None,
    jobs: int = 1,
    growth: Growth | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Exploration:
    """Rate designs, find the front, and map its designs again.

    Args:
        space: of designs.
        network: what runs on them.
        wanted: what is looked for.
        sources: where energies are from.
        jobs: threads; they change no result.
        growth: of the pools of mappings.
        told: called with ``layer`` or ``design`` behind each one.

    Raises:
        InputError: if an energy is missing, a condition is none, or no design meets all.
    """
    sources = sources or Sources()
    pe, frame = space.designs(wanted.n, wanted.seed)
    used, own = np.unique(frame, return_inverse=True)
    found = figures(space.with_frames(used), pe, own, sources)
    one = np.ones(1)
    _met(space, wanted.where, _table(space, found.table[:1], pe[:1], frame[:1], one, one, 1))
    rated = rate_network(
        found, network, wanted.mapping, growth=growth or Growth(), seed=wanted.seed, jobs=jobs,
        told=lambda: told("layer"),
    )  # fmt: skip
    table = _table(space, found.table, pe, frame, rated.energy_pj, rated.cycles, network.macs)
    table["wanted"] = table["fits"] & _met(space, wanted.where, table)
    if not table["wanted"].any():
        raise InputError(_why_none(table, wanted))
    good = table[table["wanted"]]
    objectives = [OBJECTIVES[name] for name in wanted.objectives]
    columns, more = [o.column for o in objectives], [o.maximize for o in objectives]
    front = good[non_dominated(good[columns], more)].sort_values(
        columns, ascending=[not each for each in more], ignore_index=True
    )
    _refine(space, network, wanted, front, sources, jobs, told)
    return Exploration(
        space=space, network=network, wanted=wanted, table=table, front=front,
        mappings=rated.mappings,
    )  # fmt: skip


def _table(
    space: DesignSpace, plain: pd.DataFrame, pe: Indices, frame: Indices, energy_pj: Floats,
    cycles: Floats, macs: int,
) -> pd.DataFrame:  # fmt: skip
    rows = [{k: _cell(v) for k, v in each.items()} for each in space.frames]
    frames = pd.DataFrame(rows, index=range(len(rows)))
    frames = frames.drop(columns="period_ps", errors="ignore")
    frames.columns = [str(name).replace(".", "_") for name in frames]  # names of expressions
    pes = space.pes.rename(columns={"period_ps": "pe_period_ps"})
    table = pd.concat(
        [pd.DataFrame({"pe": pe, "frame": frame}), pes.iloc[pe].reset_index(drop=True),
         frames.iloc[frame].reset_index(drop=True), plain], axis=1,
    )  # fmt: skip
    seconds = cycles * plain["period_ps"].to_numpy() * 1e-12
    table["energy_uj"], table["latency_ms"] = energy_pj * 1e-6, seconds * 1e3
    table["edp_uj_ms"] = table["energy_uj"] * table["latency_ms"]
    table["tops_per_watt"] = 2 * macs / energy_pj
    table["tops_per_mm2"] = 2 * macs / seconds * 1e-12 / table["area_mm2"]
    table["fits"] = np.isfinite(energy_pj) & (plain["least_period_ps"] <= plain["period_ps"])
    return table


def _cell(value: object) -> object:
    """A value of what varies in a table: a DRAM of one's own as words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return value


def _met(space: DesignSpace, conditions: Sequence[str], table: pd.DataFrame) -> NDArray[np.bool_]:
    kinds: dict[str, Kind] = {}
    for name in map(str, table):
        if name.isidentifier() and pd.api.types.is_numeric_dtype(table[name]):
            kinds[name] = "number"
        elif name.isidentifier() and isinstance(table[name].iloc[0], str):
            kinds[name] = "name"
    varied = {name.replace(".", "_"): each for name, each in space.vary.items()}
    values = {
        name: sorted({str(_cell(value)) for value in varied.get(name, space.pes.get(name, ()))})
        for name, kind in kinds.items() if kind == "name"
    }  # fmt: skip
    met = np.ones(len(table), bool)
    for text in conditions:
        met &= parse_constraint(text, kinds, values).holds(table[list(kinds)])
    return met


def _why_none(table: pd.DataFrame, wanted: Wanted) -> str:
    if not np.isfinite(table["energy_uj"]).any():
        return f"none of {len(table):,} designs runs the network: PEs too narrow, or memories small"
    if not table["fits"].any():
        return (
            f"none of {len(table):,} designs reaches its clock: the shortest least period is "
            f"{table['least_period_ps'].min():,.0f} ps"
        )
    return f"none of {int(table['fits'].sum()):,} designs meets {' and '.join(wanted.where)}"


def _refine(
    space: DesignSpace, network: Network, wanted: Wanted, front: pd.DataFrame, sources: Sources,
    jobs: int, told: Callable[[str], None],
) -> None:  # fmt: skip
    """Add what the mapper finds for designs spread over the front."""
    front["refined_energy_uj"] = front["refined_latency_ms"] = np.nan
    count = min(wanted.refine, len(front))
    for place in np.unique(np.linspace(0, len(front) - 1, count).astype(int)) if count else ():
        row = front.iloc[place]
        accelerator = space.accelerator(int(row["pe"]), int(row["frame"]))
        cost = map_network(
            accelerator, network, Options(objective=wanted.mapping, seed=wanted.seed),
            sources=sources, jobs=jobs,
        )  # fmt: skip
        front.loc[front.index[place], "refined_energy_uj"] = cost.energy_pj * 1e-6
        front.loc[front.index[place], "refined_latency_ms"] = cost.seconds * 1e3
        told("design")
