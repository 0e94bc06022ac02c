"""Machines with a vertical channel, by hand: nothing here comes from the code that is tested. Every message is bytes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from xml.etree import ElementTree

from adapters.hermes import HermesAdapter
from adapters.hermes_settings import HermesConnection
from gateway.profile.bound import Machine
from gateway.profile.hermes import bound

LIBRARY = b"""<Hermes Timestamp="2026-11-20T14:00:00.120">
\t<SupervisoryServiceDescription SystemId="Printer-1" Version="1.5">
\t\t<SupportedFeatures>
\t\t\t<FeatureConfiguration />
\t\t\t<FeatureCheckAliveResponse />
\t\t\t<FeatureBoardTracking />
\t\t</SupportedFeatures>
\t</SupervisoryServiceDescription>
</Hermes>
"""
"""Indented, as the initiative's library writes."""
PLC = (
    b'<?xml version="1.1" encoding="UTF-8"?><Hermes Timestamp="2026-11-20T14:00:00.7"><SupervisoryServiceDescription '
    b'SystemId="SPS 4" Version="1.5"><SupportedFeatures><FeatureBoardTracking/></SupportedFeatures>'
    b"</SupervisoryServiceDescription></Hermes>\r\n"
)
"""In one line with a declaration, without padded milliseconds; boards only."""
ARRIVED = b"""<Hermes Timestamp="2026-11-20T14:00:31.507">
\t<BoardArrived MachineId="Printer-1" UpstreamLaneId="1" MagazineId="MAG7" SlotId="4" BoardTransfer="2" BoardId="3f0c2a5e-9b1d-4c77-8a10-5d2e6f7a8b90" BoardIdCreatedBy="Printer-1" FailedBoard="1" ProductTypeId="P-100" FlippedBoard="1" TopBarcode="SN0001" Length="160.000" Width="100.000" WorkOrderId="WO-1">
\t\t<SubBoards>
\t\t\t<SB Pos="1" Bc="SN0001-1" St="1" />
\t\t\t<SB Pos="2" St="4" />
\t\t</SubBoards>
\t</BoardArrived>
</Hermes>
"""
DEPARTED = (
    b'<Hermes Timestamp="2026-11-20T14:01:02.033"><BoardDeparted MachineId="Printer-1" DownstreamLaneId="1" '
    b'BoardTransfer="1" BoardId="3f0c2a5e-9b1d-4c77-8a10-5d2e6f7a8b90" BoardIdCreatedBy="Printer-1" FailedBoard="1" '
    b'FlippedBoard="1"/></Hermes>'
)
PING = b'<Hermes Timestamp="2026-11-20T14:01:10.000"><CheckAlive Type="1" Id="17"/></Hermes>'
OCCUPIED = (
    b'<Hermes Timestamp="2026-11-20T14:00:00.000"><Notification NotificationCode="2" Severity="2" '
    b'Description="There is a supervisory system already"/></Hermes>'
)
LEAVING = (
    b'<Hermes Timestamp="2026-11-20T14:05:00.000"><Notification NotificationCode="5" Severity="4" '
    b'Description="shutting down"/></Hermes>'
)


class Peer:
    """One supervisor that has connected. heard: what it said, each message as XML."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self.heard: list[ElementTree.Element] = []

    async def hear(self) -> ElementTree.Element:
        """The next message: an element `Hermes`. Raises EOFError at the end."""
        async with asyncio.timeout(5):
            while (found := re.match(rb"\s*(<Hermes[ >].*?</Hermes>)", self._rest, re.DOTALL)) is None:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError(self._rest)
                self._rest += data
        self._rest = self._rest[found.end() :]
        self.heard.append(ElementTree.fromstring(found[1]))
        return self.heard[-1]

    async def hear_until(self, name: str) -> ElementTree.Element:
        while (content := (await self.hear())[0]).tag != name:
            pass
        return content

    async def end(self) -> None:
        """Until the other side has closed, whatever it says before."""
        with suppress(EOFError, ConnectionError):
            while True:
                await self.hear()

    def say(self, *messages: bytes) -> None:
        self._writer.write(b"".join(messages))

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


Play = Callable[[Peer], Awaitable[None]]


class Listener:
    """peers: those that have connected, each played with by what the test gave."""

    def __init__(self, play: Play) -> None:
        self.peers: list[Peer] = []
        self.port = 0
        self.ended = 0
        self._play = play
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(reader, writer)
        self.peers.append(peer)
        try:
            await self._play(peer)
            await peer.end()
        except (asyncio.CancelledError, ConnectionError, EOFError):
            pass
        except (AssertionError, TimeoutError) as error:
            self._failed.append(error)
        finally:
            self.ended += 1
            peer.abort()
            self._tasks.discard(task)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for error in self._failed:
            raise error


@asynccontextmanager
async def listening(play: Play) -> AsyncIterator[Listener]:
    """A machine's port for supervisory systems. What fails in `play` fails the test."""
    listener = Listener(play)
    server = await asyncio.start_server(listener.met, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        await listener.close()


def saying(*messages: bytes, after: bytes = LIBRARY) -> Play:
    """Waits for our description, describes itself, and says these."""

    async def play(peer: Peer) -> None:
        await peer.hear()
        peer.say(after, *messages)

    return play


def adapter(port: int, **more: object) -> HermesAdapter:
    given = {"protocol": "hermes-vertical", "name": "printer", "host": "127.0.0.1", "port": port}
    settings = HermesConnection.model_validate({**given, **more})
    return HermesAdapter(settings, "line1-pc", [Machine(station="L1.printer", bound=bound("generic"))])
