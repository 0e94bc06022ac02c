"""Machines on a Modbus bus that live by nothing but their profiles, paced by the clock."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from gateway.core.times import Micros
from gateway.profile.bound import Bound
from gateway.transport.modbus_wire import Serial
from simulators.display import Display
from simulators.faces.modbus import Listen, ModbusFace, serve
from simulators.faces.modbus_bank import bank_of
from simulators.faces.modbus_faults import Fault, Trouble
from simulators.pace import Clock, Pace, SystemClock
from simulators.panel_flow import FlowModel, Happening, PanelFlow

log = logging.getLogger(__name__)

_NEWS_S = 0.2
"""Real seconds between new measured values: nothing that polls machines would see more of them."""


class Seen(NamedTuple):
    """Since `time` it can be read from the registers that this has happened."""

    time: Micros
    happening: Happening


class RegisterMachine:
    """truth: everything that has happened so far and can be read, in order: what a journal is to be compared with."""

    def __init__(self, bound: Bound, model: FlowModel, seed: int, clock: Clock, pace: Pace, *, gaps: bool) -> None:
        display = Display(bound)
        self.bound = bound
        self.bank = bank_of(display.polls, gaps=gaps)
        self.flow = PanelFlow(display, model, seed)
        self.truth: list[Seen] = []
        self._clock = clock
        self._pace = pace
        self._off_s = 0.0  # virtual seconds that passed while it was off
        self._on = asyncio.Event()
        self._on.set()
        self._show()

    async def run(self) -> None:
        """Until cancelled, or until nothing more can happen."""
        while (due := self.flow.due()) < math.inf:
            off_s = self._off_s
            await self._pace.reach(due + off_s)
            await self._on.wait()
            if off_s == self._off_s:  # else it was off meanwhile, and what was due comes that much later
                self.flow.run(due)
                self._show()

    def off(self) -> float:
        """Switched off: nothing happens any more. The virtual second."""
        self._on.clear()
        return self._pace.virtual()

    def on(self, since: float) -> None:
        """Switched on again, having been off since then: it goes on where it stood, its counters as after a restart."""
        self.flow.restart(since - self._off_s)
        self._off_s += self._pace.virtual() - since
        self._show()
        self._on.set()

    def _show(self) -> None:
        """One step of the machine's controller: registers change together."""
        self.bank.set(self.flow.display.contents())
        now = self._clock.wall()
        self.truth += (Seen(now, happening) for happening in self.flow.truth[len(self.truth) :])


class MachineBus:
    """machines: by unit. face: the switches of what is wrong with the bus. seed: the one that was taken."""

    def __init__(
        self,
        face: ModbusFace,
        machines: Mapping[int, RegisterMachine],
        seed: int,
        running: Sequence[asyncio.Task[None]],
    ) -> None:
        self.face = face
        self.machines = machines
        self.seed = seed
        self._running = running

    async def ended(self) -> None:
        """Returns when nothing more can happen on any machine; raises what a machine has failed with."""
        await asyncio.gather(*self._running)

    async def restart(self, unit: int, off_s: float = 1.0) -> None:
        """The machine is switched off for so many real seconds, and begins to count anew where its profile says so.

        A machine that has a TCP address to itself is not there meanwhile; one that shares the bus says nothing.
        """
        machine = self.machines[unit]
        alone = self.face.address is not None and len(self.machines) == 1
        silence = Fault(trouble=Trouble.REFUSE) if alone else Fault(trouble=Trouble.SILENT, unit=unit)
        since = machine.off()
        async with self.face.fault(silence):
            if alone:
                self.face.drop()
            await asyncio.sleep(off_s)
            machine.on(since)


@asynccontextmanager
async def run_machines(
    place: Listen | Serial,
    profiles: Mapping[int, Bound],
    *,
    model: FlowModel | None = None,
    speed: float = 1.0,
    seed: int | None = None,
    gaps: bool = True,
    clock: Clock | None = None,
) -> AsyncIterator[MachineBus]:
    """Runs a machine for each unit on one bus while the block runs.

    profiles: by unit number. speed: virtual seconds per second. seed: None takes a new one; each unit has a life of
    its own. gaps: registers between those that the profile uses can be read too, as on most machines. Raises FaceError
    when the place cannot be had, ValueError for a profile without registers.
    """
    if seed is None:
        seed = secrets.randbelow(2**32)
    model = model or FlowModel()
    model = replace(model, scan=max(model.scan, _NEWS_S * speed))
    clock = clock or SystemClock()
    pace = Pace(clock, speed)
    machines = {
        unit: RegisterMachine(bound, model, seed * 256 + unit, clock, pace, gaps=gaps)
        for unit, bound in profiles.items()
    }
    banks = {unit: machine.bank for unit, machine in machines.items()}
    async with serve(place, banks, seed=seed) as face:
        log.info("simulated machines on %s: units %s, seed %d, speed %g", face.place, sorted(machines), seed, speed)
        running = [
            asyncio.create_task(machine.run(), name=f"unit {unit} on {face.place}")
            for unit, machine in machines.items()
        ]
        try:
            yield MachineBus(face, machines, seed, running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
