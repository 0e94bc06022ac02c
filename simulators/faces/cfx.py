"""The CFX face of a simulated machine: what its voice says, as envelopes, over AMQP or MQTT, stored and forwarded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Protocol

import msgspec

from gateway.cfx import envelope
from gateway.cfx.times import instant
from simulators.faces.cfx_faults import Fault, Faults, Trouble
from simulators.faces.switches import Failing
from simulators.marks import local, render
from simulators.outbox import Outbox, Outgoing, Taken, ignore
from simulators.voices.cfx_message import Link, Output, Spoken
from simulators.voices.voice import When


class Way(Protocol):
    """How messages go out: `CfxMqttFace`, `CfxAmqpFace`."""

    @property
    def handle(self) -> str:
        """Whose messages it sends."""

    async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
        """Sends what comes into the outbox until cancelled, through every failure of the other side."""


def written(spoken: Spoken, when: When) -> Outgoing:
    """The envelope as the SDK writes it. Raises InvalidMessage when a strict peer would not take it."""
    at = when.instant(spoken.at)
    body = render(spoken.body, when.instant, when.speed, spoken.zone)
    payload = envelope.write(spoken.name, body, source=spoken.source, at=at, unique_id=spoken.unique_id)
    if spoken.zone is not None:  # the third key of the envelope; nothing before it can look the same
        stamp, zoneless = f'"TimeStamp":"{instant(at)}"', f'"TimeStamp":"{local(at, spoken.zone)}"'
        payload = payload.replace(stamp.encode(), zoneless.encode(), 1)
    return Outgoing(spoken.source, spoken.name, spoken.unique_id, at, payload)


class CfxFace(Failing[Fault]):
    """One machine. outbox: what was said and is not taken yet; when it is full, the machine waits.

    seed: of what faults draw.
    """

    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self, way: Way, *, seed: int = 0, outbox: Outbox | None = None) -> None:
        self.outbox = Outbox() if outbox is None else outbox  # an empty one is false
        self._way = way
        self._faults = Faults(seed)
        self._linked = True
        self._online, self._offline = asyncio.Event(), asyncio.Event()
        self._online.set()

    @property
    def handle(self) -> str:
        return self._way.handle

    async def put(self, output: Output, when: When) -> None:
        """Stores it to be sent in its turn. Losing the network closes the connection, until it is there again."""
        if isinstance(output, Link):
            self._linked = output.up
            self._connect_or_not()
            return
        for message in self._faults.sent(written(output, when)):
            await self.outbox.put(message)

    async def run(self, taken: Taken = ignore) -> None:
        """Sends until cancelled, whenever the machine has a network. taken: hears of what the other side has taken."""
        while True:
            await self._online.wait()
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._way.run(self.outbox, taken), name=f"face {self.handle}")
                await self._offline.wait()
                sending.cancel()

    @asynccontextmanager
    async def running(self, taken: Taken = ignore) -> AsyncIterator[CfxFace]:
        """Sends while the block runs."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(taken), name=f"machine {self.handle}")
            try:
                yield self
            finally:
                task.cancel()

    async def empty(self) -> None:
        """Waits until everything has been taken."""
        await self.outbox.empty()

    async def begin(self, fault: Fault) -> None:
        """From now on."""
        self._faults.add(fault)
        self._connect_or_not()

    async def end(self, fault: Fault | None = None) -> None:
        """That one is over; without one, all are."""
        if fault is None:
            self._faults.clear()
        else:
            self._faults.remove(fault)
        for message in self._faults.released():
            await self.outbox.put(message)
        self._connect_or_not()

    def _connect_or_not(self) -> None:
        if self._linked and not self._faults.lasts(Trouble.OFFLINE):
            self._offline.clear()
            self._online.set()
        else:
            self._online.clear()
            self._offline.set()
