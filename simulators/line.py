"""Running a simulated line: its life, played in real time, through one face for each machine."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Protocol

from gateway.cfx import envelope
from gateway.core.times import Micros
from simulators.life import ending, life
from simulators.model import LineModel
from simulators.outbox import Outbox, Outgoing, Taken, ignore
from simulators.play import Pace, Publish, SystemClock, play
from simulators.step import Body, Step, render

log = logging.getLogger(__name__)


class Face(Protocol):
    """The protocol side of one machine."""

    @property
    def handle(self) -> str:
        """Whose messages it sends."""

    async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
        """Sends what comes into the outbox until cancelled, through every failure of the other side.

        Calls `taken` with each message once it is the other side's, in order.
        """


async def run(
    line: LineModel,
    faces: Sequence[Face],
    *,
    speed: float = 1.0,
    seed: int | None = None,
    stop_s: float = 2.0,
    taken: Taken = ignore,
) -> None:
    """Runs a line until cancelled; then its machines say goodbye, for at most `stop_s` seconds.

    speed: virtual seconds per second. seed: of the life; None takes a new one, since the same life told twice into
    one journal would use its UniqueIDs again. taken: hears of every message that the other side has taken. Raises
    ValueError unless each machine has one face.
    """
    handles = [machine.handle for machine in line.machines]
    if sorted(handles) != sorted(face.handle for face in faces):
        raise ValueError(f"faces for {[face.handle for face in faces]}, machines {handles}: one face each")
    if seed is None:
        seed = secrets.randbelow(2**32)
    log.info("simulated line: %d machines, seed %d, speed %g", len(handles), seed, speed)
    outboxes = {handle: Outbox() for handle in handles}
    last: dict[str, Step] = {}
    pace = Pace(SystemClock(), speed)

    async def publish(step: Step, body: Body, at: Micros) -> None:
        payload = envelope.write(step.name, body, source=step.handle, at=at, unique_id=step.unique_id)
        await outboxes[step.handle].put(Outgoing(step.handle, step.name, step.unique_id, at, payload))
        last[step.handle] = step

    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(face.run(outboxes[face.handle], taken), name=f"face {face.handle}") for face in faces
        ]
        try:
            await play(life(line, seed), pace, publish)
        finally:
            await _say_goodbye(list(last.values()), pace, publish, list(outboxes.values()), stop_s)
            for task in running:
                task.cancel()


async def _say_goodbye(
    last: Sequence[Step], pace: Pace, publish: Publish, outboxes: Sequence[Outbox], stop_s: float
) -> None:
    """Every machine goes offline where its life stands, and what is stored is sent."""
    try:
        async with asyncio.timeout(stop_s):
            for each in last:
                for step in ending(each, pace.virtual()):
                    await publish(step, render(step.body, pace.instant, pace.speed), pace.instant(step.at))
            for outbox in outboxes:
                await outbox.empty()
    except TimeoutError:
        left = sum(len(outbox) for outbox in outboxes)
        log.warning("simulated line: %d messages were not taken within %g s of stopping", left, stop_s)
