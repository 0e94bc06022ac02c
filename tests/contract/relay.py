"""A TCP relay on a free loopback port, with the faults that a network and a peer can have.

It stands between an adapter and its peer, so that a server which other tests share need not be killed or frozen.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from gateway.core.adapter import Adapter
from tests.build import until
from tests.contract.rig import Mute
from tests.servers import free_port

HOST = "127.0.0.1"
_CHUNK = 64 << 10
_HEARTBEATS = 200
"""More bytes than heartbeats have in a moment, and fewer than any message."""


class Relay:
    """target: the port to connect to just now, or None when there is nobody.

    to_target, to_caller: bytes passed on. met, left: a caller came while the relay was mute, and went away again.
    """

    def __init__(self, target: Callable[[], int | None]) -> None:
        self.port = 0
        self.to_target = 0
        self.to_caller = 0
        self.met = asyncio.Event()
        self.left = asyncio.Event()
        self._target = target
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._moving = asyncio.Event()
        self._moving.set()
        self._mute = False

    async def up(self) -> None:
        """Takes connections, from the second time on at the port that it had."""
        self.port = self.port or free_port()
        self._server = await asyncio.start_server(self._called, HOST, self.port)

    async def down(self) -> None:
        """Refuses connections, and drops those that there are without a word."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._drop()

    async def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def stall(self) -> None:
        """Connections stay, and nothing passes."""
        self._moving.clear()

    def mute(self, on: bool) -> None:
        """Whoever connects from now on is not connected to anybody, and not told so."""
        self._mute = on

    async def quiet(self, seconds: float = 0.1) -> None:
        """Until hardly anything has passed for so long: heartbeats are let through unnoticed."""
        async with asyncio.timeout(20):
            before = -_HEARTBEATS
            while (passed := self.to_target + self.to_caller) - before >= _HEARTBEATS:
                before = passed
                await asyncio.sleep(seconds)

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        call.set_name("relay")
        self._calls.add(call)
        self._keep(writer)
        try:
            with suppress(OSError):
                await (self._ignore(reader) if self._mute else self._connect(reader, writer))
        except asyncio.CancelledError:
            pass  # by `down`; asyncio's streams would report it as a failure
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._calls.discard(call)

    def _keep(self, writer: asyncio.StreamWriter) -> None:
        # Little room in the kernel, so that what was passed on is about what the other end has taken.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHUNK)
        self._writers.add(writer)

    async def _ignore(self, reader: asyncio.StreamReader) -> None:
        self.met.set()
        try:
            while await reader.read(_CHUNK):
                pass
        finally:
            self.left.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._target()
        if port is None:
            return
        there, onward = await asyncio.open_connection(HOST, port)
        self._keep(onward)
        tasks = [
            asyncio.create_task(self._pass(reader, onward, self._count_to_target), name="relay to target"),
            asyncio.create_task(self._pass(there, writer, self._count_to_caller), name="relay to caller"),
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            onward.transport.abort()
            self._writers.discard(onward)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
    ) -> None:
        while data := await reader.read(_CHUNK):
            await self._moving.wait()
            writer.write(data)
            count(len(data))
            await writer.drain()
        await self._moving.wait()
        writer.write_eof()

    def _count_to_target(self, size: int) -> None:
        self.to_target += size

    def _count_to_caller(self, size: int) -> None:
        self.to_caller += size


@asynccontextmanager
async def relay(target: Callable[[], int | None]) -> AsyncIterator[Relay]:
    """Up while the block runs."""
    made = Relay(target)
    await made.up()
    try:
        yield made
    finally:
        await made.down()


class MuteRelay:
    """A relay while it is mute; implements tests.contract.rig.Mute."""

    def __init__(self, between: Relay) -> None:
        self.left = between.left
        self._met = between.met

    async def met(self, adapter: Adapter) -> None:
        await until(self._met.is_set)


class RelayFaults:
    """Of an adapter that connects to its peer through a relay; implements tests.contract.rig.Faults."""

    def __init__(self, between: Relay, adapter: Callable[[], Adapter]) -> None:
        self._relay = between
        self._adapter = adapter

    @asynccontextmanager
    async def absent(self) -> AsyncIterator[Adapter]:
        await self._relay.down()
        yield self._adapter()
        await self._relay.up()

    @asynccontextmanager
    async def mute(self) -> AsyncIterator[Mute]:
        self._relay.mute(True)
        yield MuteRelay(self._relay)
        self._relay.mute(False)

    async def peer_down(self) -> None:
        await self._relay.down()

    async def peer_up(self) -> None:
        await self._relay.up()

    async def stall(self) -> None:
        self._relay.stall()

    async def silence(self, unit: int) -> None:
        raise NotImplementedError("one relay cannot tell machines apart: exempt the rig, or give it this switch")

    def received(self) -> int:
        return self._relay.to_caller

    async def quiet(self) -> None:
        await self._relay.quiet()
