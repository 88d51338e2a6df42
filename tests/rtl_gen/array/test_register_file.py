"""The registers as a host sees them: what is written is read, bit by bit, as the map says."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator, TickTrigger

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.registers import COMMANDS, REGISTER_BITS, register_map
from rtl_gen.array.sequencer import Sequencer
from tests.layers import INT8

DESIGN = ArrayDesign(pe=INT8, rows=2, columns=2, ifmap_buses=2)
WORDS = 1 + max(field.address for field in register_map(DESIGN))


def mask(address: int) -> int:
    """The bits of a register that keep what a host writes."""
    kept = [f for f in register_map(DESIGN) if not f.read_only and f.name not in COMMANDS]
    return sum((1 << f.bits) - 1 << f.low for f in kept if f.address == address)


class Host:
    """Writes and reads the registers of a sequencer in simulation."""

    def __init__(self, sequencer: Sequencer, context: Any) -> None:
        self._ports, self._context = sequencer, context

    def tick(self) -> TickTrigger:
        return self._context.tick()

    async def write(self, address: int, word: int) -> None:
        for port, value in (("write_address", address), ("write_word", word), ("write_enable", 1)):
            self._context.set(getattr(self._ports, port), value)
        await self.tick()
        self._context.set(self._ports.write_enable, 0)

    def read(self) -> list[int]:
        found = []
        for address in range(WORDS):
            self._context.set(self._ports.read_address, address)
            found.append(self._context.get(self._ports.read_word))
        return found


def simulate(process: Any) -> None:
    sequencer = Sequencer(DESIGN, settle=3)
    simulator = Simulator(sequencer)
    simulator.add_clock(1e-9)

    async def bench(context: Any) -> None:
        await process(Host(sequencer, context))

    simulator.add_testbench(bench)
    simulator.run()


def test_after_a_reset_all_registers_are_zero() -> None:
    async def bench(host: Host) -> None:
        assert host.read() == [0] * WORDS

    simulate(bench)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_is_read_and_nothing_else_changes(seed: int) -> None:
    """All ones, all zeros, random words; bits without a field and status stay 0."""
    generator = random.Random(seed)

    async def bench(host: Host) -> None:
        expected = [0] * WORDS
        ones = (1 << REGISTER_BITS) - 1
        for _ in range(4 * WORDS):
            address = generator.randrange(1, WORDS)
            word = generator.choice([0, ones, generator.getrandbits(REGISTER_BITS)])
            await host.write(address, word)
            expected[address] = word & mask(address)
            assert host.read() == expected

    simulate(bench)


def test_a_run_locks_the_registers_until_it_is_stopped() -> None:
    status = next(f.address for f in register_map(DESIGN) if f.name == "busy")

    async def bench(host: Host) -> None:
        for address in range(2, WORDS):
            await host.write(address, 0)
        await host.write(0, 1)
        for address in range(1, WORDS):
            await host.write(address, (1 << REGISTER_BITS) - 1)
        found = host.read()
        assert [word for address, word in enumerate(found) if address != status] == [0] * (
            WORDS - 1
        )
        assert found[status] & 1
        await host.write(0, 2)
        stopped = next(f.low for f in register_map(DESIGN) if f.name == "stopped")
        assert host.read()[status] == 1 << stopped
        await host.write(2, 5)
        assert host.read()[2] == 5

    simulate(bench)
