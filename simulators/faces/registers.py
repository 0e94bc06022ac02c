"""Machines with registers on a bus: what their voices show becomes what can be read there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus import Listen, ModbusFace, serve
from simulators.faces.modbus_bank import Bank, bank_of
from simulators.faces.modbus_faults import Fault, Trouble
from simulators.voices.registers import RegisterVoice, Shown
from simulators.voices.voice import When


class RegisterFace:
    """One unit. bus: with the switches for faults."""

    def __init__(self, bus: ModbusFace, unit: int, bank: Bank, *, alone: bool) -> None:
        self.bus = bus
        self._bank = bank
        self._off = Fault(trouble=Trouble.REFUSE) if alone else Fault(trouble=Trouble.SILENT, unit=unit)
        self._alone = alone
        self._on = True

    async def put(self, shown: Shown, when: When) -> None:
        """All registers change together. Without power it says nothing; with a TCP address to itself, it is not there."""
        if shown.on:
            self._bank.set(shown.contents)
        if shown.on is self._on:
            return
        self._on = shown.on
        if shown.on:
            await self.bus.end(self._off)
            return
        await self.bus.begin(self._off)
        if self._alone:
            self.bus.drop()


@asynccontextmanager
async def serve_registers(
    place: Listen | Serial, voices: Mapping[int, RegisterVoice], *, seed: int = 0, gaps: bool = True
) -> AsyncIterator[Mapping[int, RegisterFace]]:
    """While the block runs; both by unit number. They show at once what their voices begin with.

    gaps: registers between those that the profiles use can be read too. Raises FaceError when the place cannot be had.
    """
    banks = {unit: bank_of(voice.polls, gaps=gaps) for unit, voice in voices.items()}
    for unit, voice in voices.items():
        banks[unit].set(voice.shown.contents)
    async with serve(place, banks, seed=seed) as bus:
        alone = bus.address is not None and len(voices) == 1
        yield {unit: RegisterFace(bus, unit, bank, alone=alone) for unit, bank in banks.items()}
