"""Times a store with up to 100,000 entries, which must not slow down as it grows.

Run: ``python -m benchmarks.store [ENTRIES]`` (default 100,000; a quarter of an hour, 1 GB in a
temporary folder). The entries have a whole record and one small file, where real ones have 40 files
and about 1.5 MB; an archive of that size is timed apart. "Read" is what a campaign does with each
point that is there when it begins: with the index, and the naive way, by unpacking the archive.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from characterize.measurement import METRICS, STEPS, Measurement
from characterize.store import Store
from rtl_gen.design import PEDesign

SIZES = (1_000, 10_000, 100_000)
SAMPLE = 1_000
DESIGN = PEDesign.preset("INT8").to_dict()


def measurement(number: int) -> Measurement:
    return Measurement(
        key=hashlib.sha256(str(number).encode()).hexdigest(),
        digests={"rtl": "r" * 64, "flow": "f" * 64, "netlist": "n" * 64},
        design={**DESIGN, "digest": "d" * 64}, period_ps=2000, utilization=0.5, seed=number,
        flow="placed", activity_model="made up", operands="uniform", mode=0, run_terms=0,
        perturbation=0,
        platform={"name": "kit", "corner": "typical", "hashes": {"liberty": "l" * 64}},
        tools={"sta": "2.0.17 " + "s" * 64}, status="ok", reason="",
        choices={"multiplier": "booth", "effort": "small"},
        metrics=dict.fromkeys(METRICS, 1000.123456 + number),
        seconds=dict.fromkeys(STEPS, 1.234),
    )  # fmt: skip


def fill(store: Store, numbers: Sequence[int], payload: bytes = b"module m; endmodule\n") -> None:
    for number in numbers:
        folder = store.work_folder()
        (folder / "netlist.v").write_bytes(payload)
        store.put(measurement(number), folder)


def read(store: Store, numbers: Sequence[int]) -> None:
    for number in numbers:
        entry = measurement(number)
        if store.get(entry.key) != entry:
            sys.exit(f"entry {number} did not come back")


def each_us(action: Callable[[Sequence[int]], None], numbers: Sequence[int]) -> float:
    begin = time.perf_counter()
    action(numbers)
    return (time.perf_counter() - begin) / len(numbers) * 1e6


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    sizes = sorted({min(size, most) for size in SIZES})
    root = Path(tempfile.mkdtemp(prefix="peforge-store-"))
    try:
        store = Store(root)
        store.require_writable()
        print(
            f"{'entries':>9} {'write, us':>10} {'first read':>10} {'read again':>10} {'naive':>10}"
        )
        there = 0
        for size in sizes:
            new = range(there, size)
            last = new[-SAMPLE:]
            fill(store, new[:-SAMPLE])
            wrote = each_us(partial(fill, store), last)
            read(store, new[:-SAMPLE])
            time.sleep(0.2)
            first = each_us(partial(read, store), last)
            spread = range(0, size, max(1, size // SAMPLE))
            again = each_us(partial(read, Store(root)), spread)
            naive = each_us(partial(unpack, store), spread)
            print(f"{size:>9,} {wrote:>10,.0f} {first:>10,.0f} {again:>10,.0f} {naive:>10,.0f}")
            there = size
        large = Store(root / "large")
        large.require_writable()
        fill(large, range(3), os.urandom(1_500_000))
        print(f"an archive of 1.5 MB: naive {each_us(partial(unpack, large), range(3)):,.0f} us")
    finally:
        shutil.rmtree(root)


def unpack(store: Store, numbers: Sequence[int]) -> None:
    for number in numbers:
        store.files(measurement(number).key)


if __name__ == "__main__":
    main()
