"""The network between a machine and whoever talks to it, where it can fail: a relay that both sides take for the other.

It passes bytes on as they are, and can refuse, cut, hold back, slow down, delay or spoil them. Connections that it
refuses fail as those to a port where nobody listens.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import ClassVar

import msgspec

from gateway.core.errors import LinesideError

_PIECE = 16_384
_SLOW_PIECE_S = 0.05
"""At a limited rate, bytes go in portions of so many seconds."""


class Trouble(StrEnum):
    """What goes wrong."""

    NETWORK_REFUSE = "network-refuse"  # no new connections; those that there are stay
    NETWORK_DOWN = "network-down"  # connections are cut, and new ones refused
    NETWORK_DROP = "network-drop"  # connections are cut, once, when it begins
    NETWORK_STALL = "network-stall"  # everything waits until it is over
    NETWORK_SLOW = "network-slow"  # `rate` bytes a second each way
    NETWORK_LATE = "network-late"  # every piece takes `seconds` longer
    NETWORK_GARBAGE = "network-garbage"  # of the pieces from the machine, the share `share` is spoilt


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """rate: bytes a real second. seconds: real ones."""

    trouble: Trouble
    rate: float = 1_000.0
    seconds: float = 0.2
    share: float = 0.1


@asynccontextmanager
async def relay(
    host: str, port: int, *, listen: tuple[str, int] = ("127.0.0.1", 0), seed: int = 0
) -> AsyncIterator[Network]:
    """Between `listen` and that address until the block is left. Raises LinesideError where nobody can listen."""
    network = Network(host, port, seed)
    try:
        await network.open(*listen)
        yield network
    finally:
        await network.close()


class Network:
    """address: where it listens, for good."""

    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self, host: str, port: int, seed: int) -> None:
        self.address = ("", 0)
        self._to = (host, port)
        self._rng = random.Random(f"{seed}/network")
        self._faults: list[Fault] = []
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def open(self, host: str, port: int) -> None:
        """Once."""
        try:
            self._server = await asyncio.start_server(self._connected, host, port)
        except OSError as error:
            raise LinesideError(f"cannot listen on {host}:{port}: {error}") from error
        self.address = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Cuts everything."""
        self._flowing.set()
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)  # what was cut is closed in the loop's next turn

    async def begin(self, fault: Fault) -> None:
        """From now on."""
        self._faults.append(fault)
        if fault.trouble in (Trouble.NETWORK_DOWN, Trouble.NETWORK_DROP):
            self.drop()
        await self._apply()

    async def end(self, fault: Fault) -> None:
        """That one is over."""
        with suppress(ValueError):
            self._faults.remove(fault)
        await self._apply()

    def drop(self) -> None:
        """Cuts what is connected now, whatever is still to be passed on."""
        for writers in self._connections.values():
            for writer in writers:
                writer.transport.abort()

    def _met(self, trouble: Trouble) -> Fault | None:
        return next((each for each in self._faults if each.trouble is trouble), None)

    async def _apply(self) -> None:
        refused = self._met(Trouble.NETWORK_REFUSE) or self._met(Trouble.NETWORK_DOWN)
        if refused and self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # uvloop closes the socket in its next turn
        elif not refused and self._server is None:
            await self.open(*self.address)
        if self._met(Trouble.NETWORK_STALL):
            self._flowing.clear()
        else:
            self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = (writer,)
        try:
            await self._between(task, reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            del self._connections[task]

    async def _between(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self._connections[task] = (writer, far_writer)
        ways = [
            asyncio.create_task(self._pass(reader, far_writer, False), name="network, to the machine"),
            asyncio.create_task(self._pass(far_reader, writer, True), name="network, from the machine"),
        ]
        try:
            await asyncio.wait(ways)
        finally:
            writer.transport.abort()
            far_writer.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoilt: bool) -> None:
        """Until one side ends; then so does the other."""
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                await self._flowing.wait()
                late, slow = self._met(Trouble.NETWORK_LATE), self._met(Trouble.NETWORK_SLOW)
                if late is not None:
                    await asyncio.sleep(late.seconds)
                data = self._spoilt(data) if spoilt else data
                size = len(data) if slow is None else max(1, int(slow.rate * _SLOW_PIECE_S))
                for start in range(0, len(data), size):
                    writer.write(data[start : start + size])
                    await writer.drain()
                    if slow is not None:
                        await asyncio.sleep(_SLOW_PIECE_S)
        with suppress(OSError):
            writer.write_eof()

    def _spoilt(self, data: bytes) -> bytes:
        fault = self._met(Trouble.NETWORK_GARBAGE)
        if fault is None or self._rng.random() >= fault.share:
            return data
        spoilt = bytearray(data)
        spoilt[self._rng.randrange(len(spoilt))] ^= self._rng.randrange(1, 256)
        return bytes(spoilt)
