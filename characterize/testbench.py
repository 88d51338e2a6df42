"""The cocotb test of a PE, the same for RTL and gates. Runs inside the simulator.

The file named by ``PEFORGE_JOB`` says what to send and what must come back; what was seen goes to
the file named by ``PEFORGE_RESULT``. Imports nothing heavy: it starts with every simulation.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer

STREAMS = ("config", "filter", "ifmap", "psum_in")
RESET_CYCLES = 4


class Source:
    """Drives one stream: a word stays valid until it is taken."""

    def __init__(
        self, dut: Any, name: str, words: list[int], stall: float, holds: list[list[int]]
    ) -> None:
        self._valid = getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._payload = getattr(dut, f"{name}__payload")
        self._words = words
        self._stall = stall
        self._holds = holds
        self._offered = False
        self.sent = 0

    def restart(self) -> None:
        """From the first word again."""
        self._offered = False
        self.sent = 0

    def settled(self) -> bool:
        """Before the clock edge: whether a word will be taken at it."""
        if self._offered and str(self._ready.value) == "1":
            self._offered = False
            self.sent += 1
            return True
        return False

    def drive(self, rng: random.Random, cycle: int) -> None:
        """After the clock edge: offer the next word, unless this source stalls now."""
        left = not self._offered and self.sent < len(self._words)
        if left and rng.random() >= self._stall and not held(self._holds, cycle):
            self._payload.value = self._words[self.sent]
            self._offered = True
        self._valid.value = int(self._offered)


def held(holds: list[list[int]], cycle: int) -> bool:
    """Whether a stream waits in this cycle: in one of these spans, their ends not included."""
    return any(first <= cycle < last for first, last in holds)


@cocotb.test()
async def run_primitives(dut: Any) -> None:
    """Send every word, collect every sum, compare, and leave the counts behind."""
    job = json.loads(Path(os.environ["PEFORGE_JOB"]).read_text())
    rng = random.Random(job["seed"])
    period_ns = job["period_ns"]
    holds = job["holds"]
    sources = {
        name: Source(dut, name, job[name], job["stall"], holds.get(name, [])) for name in STREAMS
    }
    out_holds = holds.get("psum_out", [])
    expected = job["expected"]
    phases = dict(job["phases"])
    stops = {cycle: rest for cycle, *rest in job["clock_stops"]}
    clock = Clock(dut.clk, period_ns, "ns")
    clock.start()
    await reset(dut, period_ns)

    received: list[int | None] = []  # None: a word with unknown bits
    cycle = started = finished = 0
    out_valid, out_ready, out_payload = (
        dut.psum_out__valid,
        dut.psum_out__ready,
        dut.psum_out__payload,
    )
    ready = True
    for cycle in range(job["max_cycles"]):
        if cycle == job["reset_at"]:
            await reset(dut, period_ns)
            received.clear()
            for source in sources.values():
                source.restart()
        for source in sources.values():
            source.drive(rng, cycle)
        ready = rng.random() >= job["stall"] and not held(out_holds, cycle)
        out_ready.value = int(ready)
        if cycle in phases:
            await begin_phase(dut, period_ns, phases[cycle])
        await FallingEdge(dut.clk)  # everything has settled
        if cycle in stops:
            await stop_clock(dut, clock, period_ns, *stops[cycle])
        taken = {name: source.settled() for name, source in sources.items()}
        if taken["config"] and sources["config"].sent == 1:
            started = cycle
        if ready and str(out_valid.value) == "1":
            word = out_payload.value
            received.append(int(word.to_unsigned()) if word.is_resolvable else None)
            finished = cycle
        await RisingEdge(dut.clk)
        if len(received) == len(expected) and cycle >= job["last_cycle"]:
            break
        # Inputs change behind the edge, as the timing constraints say, not at it.
        await Timer(period_ns / 5, "ns")
    await Timer(period_ns / 5, "ns")
    await begin_phase(dut, period_ns, 0)
    await FallingEdge(dut.clk)
    dut.dump.value = 0
    await Timer(1, "ns")

    idle = str(dut.config__ready.value) == "1"
    result = {
        "received": received,
        "cycles": finished - started,
        "output_delay_ps": int(dut.output_delay_ps.value),
        "idle": idle,
        "left": {name: len(job[name]) - source.sent for name, source in sources.items()},
    }
    Path(os.environ["PEFORGE_RESULT"]).write_text(json.dumps(result))
    assert received == expected
    assert idle


async def begin_phase(dut: Any, period_ns: float, phase: int) -> None:
    """Mark the dump just before the falling edge, when nothing else changes; 0 is no phase."""
    await Timer(period_ns / 4, "ns")
    dut.phase.value = phase
    if phase:
        dut.dump.value = 1


async def stop_clock(dut: Any, clock: Clock, period_ns: float, periods: int, phase: int) -> None:
    """Behind the falling edge, leave the clock low for so many periods: a phase of its own."""
    await Timer(period_ns / 4, "ns")
    clock.stop()
    before = dut.phase.value
    dut.phase.value = phase
    await Timer(periods * period_ns, "ns")
    dut.phase.value = before
    clock.start(start_high=False)


async def reset(dut: Any, period_ns: float) -> None:
    """From power-up, when every register is unknown, to idle."""
    dut.rst.value = 1
    dut.psum_out__ready.value = 0
    for name in STREAMS:
        getattr(dut, f"{name}__valid").value = 0
        getattr(dut, f"{name}__payload").value = 0
    for _ in range(RESET_CYCLES):
        await RisingEdge(dut.clk)
    await Timer(period_ns / 5, "ns")
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    await Timer(period_ns / 5, "ns")
