"""Whole accelerators in bulk: speed, and how far its figures are from the mapper's.

    python -m benchmarks.designs                  # a million designs x ResNet-18: time and memory
    python -m benchmarks.designs --compare 500    # of 20,000, beside the mapper: half an hour

Needs surrogates: ``peforge train --dataset data/freepdk45``. Designs are those of
``configs/designs/eyeriss-like.yaml``, with 8 bits everywhere; the naive version is the mapper.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np
from scipy.stats import spearmanr

from characterize.platform import configs_dir
from explorer.accelerators.pe_tables import Sources
from explorer.designs.exploration import Wanted, explore_designs
from explorer.designs.figures import figures
from explorer.designs.network_rating import rate_network
from explorer.designs.pool import Growth
from explorer.designs.space import DesignSpace, load_designs
from explorer.mapping.mapper import Options
from explorer.mapping.network_cost import map_network
from explorer.networks.network import Network, load_network

RATED = 20_000
MILLION = 1_000_000


def compare(space: DesignSpace, network: Network, count: int, seed: int) -> None:
    """Designs drawn at random, rated among many others, and mapped one by one."""
    pe, frame = space.designs(RATED, seed)
    rated = rate_network(
        figures(space, pe, frame, Sources()), network, "energy", growth=Growth(), jobs=_jobs()
    )
    fitting = np.flatnonzero(np.isfinite(rated.energy_pj))
    drawn = np.random.default_rng(seed).choice(fitting, count, replace=False)
    began = time.perf_counter()
    costs = [
        map_network(
            space.accelerator(int(pe[i]), int(frame[i])), network, Options(), jobs=_jobs(),
            cache=False,
        )
        for i in drawn
    ]  # fmt: skip
    mapped = np.array([cost.energy_pj for cost in costs])
    late = rated.cycles[drawn] / np.array([cost.cycles for cost in costs]) - 1
    seconds = time.perf_counter() - began
    ratio = rated.energy_pj[drawn] / mapped - 1
    chosen = mapped[rated.energy_pj[drawn].argmin()] / mapped.min() - 1
    print(
        f"{count} designs of {RATED:,}, energy of {network.name}: error median "
        f"{100 * np.median(np.abs(ratio)):.2f} %, 95th percentile "
        f"{100 * np.percentile(np.abs(ratio), 95):.2f} %, worst {100 * np.abs(ratio).max():.2f} %, "
        f"mapper better in {100 * np.mean(ratio > 0):.0f} %"
    )
    print(
        f"cycles of these mappings, chosen by energy: median {100 * np.median(np.abs(late)):.2f} % "
        f"off, 95th percentile {100 * np.percentile(np.abs(late), 95):.2f} %, worst "
        f"{100 * np.abs(late).max():.2f} %"
    )
    print(
        f"rank correlation {spearmanr(mapped, rated.energy_pj[drawn]).statistic:.4f}, regret of "
        f"the chosen design {100 * chosen:.2f} %; mapper {seconds / count:.2f} s a design"
    )


def million(space: DesignSpace, network: Network) -> None:
    """From the space to the front, all in all; compiled code is there from an earlier run."""
    explore_designs(space, network, Wanted(n=200, refine=0), jobs=_jobs(), growth=Growth(warm=40))
    began = time.perf_counter()
    found = explore_designs(space, network, Wanted(n=MILLION, refine=0), jobs=_jobs())
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(found.table):,} designs x {network.name}: {seconds:.1f} s on {_jobs()} threads, "
        f"{found.mappings:,} mappings, peak memory {peak:.2f} GiB; {len(found.front)} on the front"
    )


def _jobs() -> int:
    return os.cpu_count() or 1


def main() -> None:
    """Run one of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", type=int, metavar="N", help="designs to map one by one")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    chosen = parser.parse_args()
    space = load_designs(configs_dir() / "designs" / "eyeriss-like.yaml")
    network = load_network(chosen.network)
    if chosen.compare:
        compare(space, network, chosen.compare, chosen.seed)
    else:
        million(space, network)


if __name__ == "__main__":
    main()
