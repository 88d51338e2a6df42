"""Tables and lines about accelerators and mappings, for the command line."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from explorer.accelerators.accelerator import Accelerator
from explorer.accelerators.energies import Amount
from explorer.cli_options import out
from explorer.mapping.cost import LayerCost
from explorer.mapping.mapper import Certificate, Mapped
from explorer.mapping.network_cost import NetworkCost
from explorer.networks.network import Network
from explorer.report import short

#: A map space up to this is told in full; a gap above this tells nothing.
_PLAIN, _NOTHING = 1_000_000, 0.995
_MISSED = "NOT reached"


def show_layer(on: Accelerator, network: Network, cost: LayerCost, *, as_json: bool) -> None:
    """Print a layer: its loops, the terms of its energy, and totals."""
    if as_json:
        typer.echo(json.dumps(cost.to_dict(on.hierarchy), indent=2, sort_keys=True))
        return
    name = network.layers_with_macs[0].name
    typer.echo(cost.mapping.nest(on.hierarchy))
    for line in cost.plan.lines() if cost.plan is not None else ():
        typer.echo(line)
    terms = pd.DataFrame(
        [
            {
                "part": t.part, "tensor": t.tensor, "action": t.action, "times": f"{t.times:,.0f}",
                "each pJ": f"{t.each_pj:.4g}", "uJ": short(t.energy_pj / 1e6),
                "origin": t.origin,
            }
            for t in sorted(cost.terms, key=lambda t: -t.energy_pj)
        ]
    )  # fmt: skip
    show_table(f"{network.name} {name} on {on.name}", terms)
    typer.echo(
        f"{short(cost.energy_pj / 1e6)} uJ, {cost.cycles:,} cycles ({cost.busy_cycles:,} without "
        f"stalls) of {cost.period_ps} ps, utilization {100 * cost.utilization:.1f} %, "
        f"{cost.tops_per_watt:.3g} TOPS/W"
        + (f", {cost.tops_per_mm2:.3g} TOPS/mm2" if cost.tops_per_mm2 else "")
    )
    _warn_of_clock(cost)
    typer.echo(f"counting mode: {cost.counts.mode}")
    if cost.unknown:
        typer.echo(f"in no sum: {', '.join(cost.unknown)}")


def show_network(found: NetworkCost) -> None:
    """Print a network: a row for each layer, totals, and where energies are from."""
    table = found.table()
    shown = table.assign(
        macs=[f"{n:,}" for n in table["macs"]],
        energy_uj=[short(n) for n in table["energy_uj"]],
        cycles=[f"{n:,}" for n in table["cycles"]],
        utilization=["" if pd.isna(n) else f"{100 * n:.1f} %" for n in table["utilization"]],
        tops_per_watt=["" if pd.isna(n) else f"{n:.3g}" for n in table["tops_per_watt"]],
        bits=table["bits"].fillna(""),
    )
    titles = ["layer", "kind", "bits", "MACs", "uJ", "cycles", "utilization", "TOPS/W"]
    if "gap" in shown:
        shown["gap"] = ["" if pd.isna(gap) else f"{100 * gap:.1f} %" for gap in shown["gap"]]
        titles.append("gap")
    if found.kept is not None:
        shown["stays"] = [f"{words:,}" if words else "" for words in shown["stays"]]
        shown["saved_uj"] = [short(saved) for saved in shown["saved_uj"]]
        titles += ["stays, words", "saved uJ"]
    shown.columns = titles
    show_table(f"{found.network.name} on {found.accelerator.name}", shown)
    total = found.energy_pj
    parts = ", ".join(f"{part} {100 * pj / total:.1f} %" for part, pj in found.parts_pj().items())
    rate = short(1 / found.seconds) if found.seconds else "?"
    typer.echo(
        f"{short(total / 1e6, 5)} uJ, {found.cycles:,} cycles, {short(found.seconds * 1e3)} ms "
        f"({rate} a second), {2 * found.network.macs / total:.3g} TOPS/W"
    )
    typer.echo(f"energy: {parts}")
    for cost in found.costs[:1]:
        _warn_of_clock(cost)
    if found.kept is not None:
        typer.echo(kept_line(found))
    if found.certificates:
        typer.echo(certificate_line(list(found.certificates.values())))
    typer.echo(f"counting mode: {found.options.mode}; origins of energies:")
    for origin in found.origins():
        typer.echo(f"  {origin}")
    if found.unknown():
        typer.echo(f"in no sum: {', '.join(found.unknown())}")


def evaluated_line(mapped: Mapped) -> str:
    """How much of the map space was looked at."""
    if mapped.cost.counts.mode == "rtl":
        return (
            f"{mapped.evaluated:,} of {mapped.space:,} tilings with shares of the buffer "
            "evaluated; by their bounds no other costs less"
        )
    size = f"{mapped.space:,}" if mapped.space < _PLAIN else f"{mapped.space:.1e}"
    if not mapped.evaluated:
        return f"found before, in a space of {size} mappings; --fresh searches again"
    return f"{mapped.evaluated:,} evaluations in a space of {size} mappings"


def certificate_line(certificates: list[Certificate]) -> str:
    """What was proven of one layer or several."""
    gap = max(certificate.gap for certificate in certificates)
    ended = sum(certificate.proven for certificate in certificates)
    seconds = sum(certificate.seconds for certificate in certificates)
    told = f"no mapping with whole factors costs less by more than {100 * gap:.2g} %"
    if gap > _NOTHING:
        told = "nothing is known of some layers, as time was over"
    return (
        f"gap: {told}, in the search's cost model; {ended} of {len(certificates)} proofs came to "
        f"their end, {seconds:.0f} s"
    )


def kept_line(found: NetworkCost) -> str:
    """What stays in the buffer, and what that saves."""
    assert found.kept is not None
    totals = found.to_dict()["kept"]
    left_out = "" if totals["complete"] else "; there were more sets of ofmaps than were looked at"
    ofmaps = f"{len(totals['ofmaps'])} of {len(found.network.layers)} ofmaps"
    room = f"{totals['most_memory_words']:,} of {totals['level_memory_words']:,} memory words"
    energy = f"{short(totals['saved_pj'] / 1e6)} of {short(totals['energy_pj_before'] / 1e6)} uJ"
    cycles = f"{totals['saved_cycles']:,} of {totals['cycles_before']:,} cycles"
    return (
        f"in {totals['level']} stay {ofmaps}, at most {room} at once; saved {energy}, "
        f"{cycles}{left_out}"
    )


def preset_row(on: Accelerator) -> dict[str, Any]:
    """What a list of accelerators shows of one."""
    memories = [v for v in on.hierarchy.levels if v.kind == "sram"]
    sizes = (f"{v.name} {(v.words or 0) * v.word_bits / 8192:g} KiB" for v in memories)
    return {
        "accelerator": on.name,
        "MAC units": on.mac_units,
        "PE": on.pe.name if on.pe else "",
        "clock MHz": round(1e6 / on.period_ps),
        "DRAM": on.dram.kind if on.dram else "",
        "memories": ", ".join(sizes),
    }


def reached(least: Amount, period_ps: int) -> str:
    """Whether a clock is reached."""
    if least.origin.startswith("given"):
        return "given; nothing is known of what its parts need"
    told = f"its parts need {least.value:,.0f} ps"
    return f"{_MISSED}: {told}" if least.value > period_ps else told


def _warn_of_clock(cost: LayerCost) -> None:
    told = reached(cost.least_period_ps, cost.period_ps)
    if told.startswith(_MISSED):
        typer.echo(f"clock of {cost.period_ps} ps {told}")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in plain.to_dict("records")]


def show_rows(title: str, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2, sort_keys=True))
        return
    show_table(title, pd.DataFrame(rows))


def show_table(title: str, table: pd.DataFrame) -> None:
    """Print a table; columns of numbers to the right."""
    shown = Table(title=escape(title))
    for column in table.columns:
        number = table[column].map(lambda value: isinstance(value, int | float)).all()
        shown.add_column(
            escape(str(column)), justify="right" if number else "left", overflow="fold"
        )
    for _, row in table.iterrows():
        shown.add_row(*(escape(cell(value)) for value in row))
    out.print(shown)


def cell(value: object) -> str:
    """A value of a table."""
    if isinstance(value, float):
        return "" if math.isnan(value) else short(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
