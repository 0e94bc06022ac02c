"""Playing a simulated line: its facts in real time, each machine telling them in its own protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.core.times import Micros
from simulators.ledger import Anchor, Ledger
from simulators.model.facts import AnyFact
from simulators.pace import Pace
from simulators.script import Script
from simulators.voices.voice import Ending, Face, Said, Voice, When


class Machine(NamedTuple):
    """One machine: how it tells, and through what."""

    voice: Voice[Any]
    face: Face[Any]


class Player:
    """Lets the machines tell what happens, and writes it down.

    ledger: None when nobody wants to compare anything later. A machine that is slow to say something holds up the
    line, as a pace that cannot be kept is made up for by `Pace`.
    """

    def __init__(
        self, machines: Sequence[Machine], pace: Pace, *, script: Script | None = None, ledger: Ledger | None = None
    ) -> None:
        self._machines = machines
        self._pace = pace
        self._script = Script(()) if script is None else script
        self._ledger = ledger
        self._anchored: Micros | None = None
        self._over_at: float | None = None

    async def play(self, facts: Iterable[AnyFact]) -> None:
        """Until the facts end, and all troubles with them; or until this is cancelled."""
        at = 0.0
        for fact in facts:
            at = fact.at
            await self._reach(fact.at)
            number = 0 if self._ledger is None else self._ledger.fact(fact)
            for machine in self._machines:
                await self._tell(machine, machine.voice.hear(fact), number)
        self._over_at = at
        await self._script.finish()

    async def end(self, within_s: float = 2.0) -> None:
        """The machines that would say something when they are switched off say it now, wherever they stand.

        When the facts have ended, that is the moment of the last one, so that the ledger has no trace of the clock.
        """
        at = self._pace.virtual() if self._over_at is None else self._over_at
        try:
            async with asyncio.timeout(within_s):
                for machine in self._machines:
                    if isinstance(machine.voice, Ending):
                        await self._tell(machine, machine.voice.ending(at), 0)
        except TimeoutError:
            pass

    async def _reach(self, at: float) -> None:
        for due in self._script.until(at):
            await self._pace.reach(due.at)
            trouble = await self._script.apply(due)
            if trouble is not None and self._ledger is not None:
                self._ledger.trouble(trouble)
        await self._pace.reach(at)
        zero = self._pace.instant(0.0)
        if self._ledger is not None and zero != self._anchored:
            self._anchored = zero
            self._ledger.anchor(Anchor(at=at, wall=self._pace.instant(at), speed=self._pace.speed))

    async def _tell(self, machine: Machine, said: Said[Any], number: int) -> None:
        if self._ledger is not None:
            for told in said.told:
                self._ledger.told(told if told.fact else msgspec.structs.replace(told, fact=number))
            for shown in said.shown:
                self._ledger.shown(shown)
        if said.outputs:
            when = When(self._script.clock(machine.voice.station, self._pace.instant), self._pace.speed)
            for output in said.outputs:
                await machine.face.put(output, when)
