"""cfx-amqp as the listener: machines connect to us, and keep what they said until it is taken, as the CFX SDK does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from adapters.cfx_amqp import CfxAmqpAdapter
from gateway.core.adapter import Adapter
from gateway.core.times import now
from gateway.ingest.stations import Stations
from simulators.faces.cfx_amqp import CfxAmqpFace
from simulators.outbox import Outbox, Outgoing
from tests.build import until
from tests.contract.relay import HOST, Relay, relay
from tests.contract.rig import Entry, Mute
from tests.contract.rigs.cfx import GARBAGE, Talk
from tests.integration.amqp.peers import listening

_BUFFER = 256 << 10
_WINDOW = 8 << 20  # gateway.transport.amqp_engine: what a peer may send beyond the buffer
_SLACK = 3 << 20
_IDLE_S = 1.0


class CfxAmqpListenerRig:
    """Two machines, each with a relay of its own between it and us."""

    units = 2
    acknowledged = True
    brokered = True
    conflates = False
    ends = False
    gives_up_s = _IDLE_S
    prompt_s = 1.0
    most_bytes = _BUFFER + _WINDOW + _SLACK

    def __init__(self) -> None:
        self.talk = Talk(self.units)
        self._outboxes = [Outbox() for _ in range(self.units)]
        self._made: list[CfxAmqpAdapter] = []
        self.faults = ListenerFaults(self.talk, self._outboxes, self._port)

    def adapter(self) -> CfxAmqpAdapter:
        made = listening(handshake_timeout_s=1.0, idle_timeout_s=_IDLE_S, close_timeout_s=0.4, buffer_bytes=_BUFFER)
        self._made.append(made)
        return made

    def _port(self) -> int | None:
        """Of the adapter that listens now; the newest where there are several."""
        return next((made.port for made in reversed(self._made) if made.port is not None), None)

    def stations(self) -> Stations:
        return self.talk.stations("p2p")

    async def _put(self, unit: int, payload: bytes) -> None:
        handle = self.talk.handles[unit]
        await self._outboxes[unit].put(Outgoing(handle, "Contract", str(uuid.uuid4()), now(), payload))

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        for number in numbers:
            await self._put(unit, self.talk.envelope(number, unit, filler))

    async def garbage(self, unit: int = 0) -> None:
        await self._put(unit, GARBAGE)

    async def work_begins(self) -> None:
        await self._put(0, self.talk.work_begins())

    async def work_ends(self) -> None:
        await self._put(0, self.talk.work_ends())


class ListenerFaults:
    """Of several machines, each with a relay of its own. A machine that comes back has kept its outbox."""

    def __init__(self, talk: Talk, outboxes: list[Outbox], port: Callable[[], int | None]) -> None:
        self._relays = [Relay(port) for _ in outboxes]
        self._handles = talk.handles
        self._outboxes = outboxes
        self._machines: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def absent(self) -> AsyncIterator[Adapter]:
        """What keeps a listener from its work is somebody else on its port."""
        async with relay(lambda: None) as other:
            yield listening(listen=f"{HOST}:{other.port}")

    @asynccontextmanager
    async def mute(self) -> AsyncIterator[Mute]:
        machine = MuteMachine()
        try:
            yield machine
        finally:
            await machine.close()

    async def peer_down(self) -> None:
        for each in self._relays:
            await each.down()
        for machine in self._machines:
            machine.cancel()
        await asyncio.gather(*self._machines, return_exceptions=True)

    async def peer_up(self) -> None:
        self._machines = []
        for handle, between, outbox in zip(self._handles, self._relays, self._outboxes, strict=True):
            await between.up()
            face = CfxAmqpFace(handle=handle, host=HOST, port=between.port, gzip=False, retry_s=0.02, window=500)
            self._machines.append(asyncio.create_task(face.run(outbox), name=f"machine {handle}"))

    async def stall(self) -> None:
        for each in self._relays:
            each.stall()

    async def silence(self, unit: int) -> None:
        self._relays[unit].stall()

    def received(self) -> int:
        return sum(each.to_target for each in self._relays)

    async def quiet(self) -> None:
        for each in self._relays:
            await each.quiet()


class MuteMachine:
    """A stranger that opens a socket to the listener and says nothing; implements tests.contract.rig.Mute."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def met(self, adapter: Adapter) -> None:
        assert isinstance(adapter, CfxAmqpAdapter)
        await until(lambda: adapter.port is not None)
        listener = adapter._listener
        assert listener is not None
        reader, writer = await asyncio.open_connection(HOST, listener.port)
        self._watching = asyncio.create_task(self._watch(reader, writer), name="mute machine")
        ours = writer.get_extra_info("sockname")

        def accepted() -> bool:
            sockets = [each._socket for each in listener.connections]
            return any(socket and socket.get_extra_info("peername") == ours for socket in sockets)

        await until(accepted)

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                await reader.read()  # what we are greeted with, until the end
            self.left.set()
        finally:
            writer.transport.abort()

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)


@asynccontextmanager
async def _open(server: None, folder: Path) -> AsyncIterator[CfxAmqpListenerRig]:
    rig = CfxAmqpListenerRig()
    await rig.faults.peer_up()
    try:
        yield rig
    finally:
        await rig.faults.peer_down()


RIGS = (Entry("cfx-amqp-listener", _open),)
