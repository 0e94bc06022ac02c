"""Machines that speak text, as they were captured: the same bytes, frame by frame, over a serial line or TCP.

Frames that end by a pause get one, however fast the capture is played. Of what never was a whole frame only that part is
played which can be told apart from frames again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self

from gateway.core.frame import POSITION_OF, Frame
from gateway.transport.framing import TOO_LONG, Framing
from gateway.transport.serial_port import SerialPort
from simulators.faces.text_line import Line, Listen, SerialLine, TcpLine
from simulators.replay.actor import Role, Stage, Unplayable
from simulators.replay.address import LOOPBACK, free_port, spelt
from simulators.replay.audience import Audience

_LOOK_S = 0.02
_PAUSE = 1.5
"""Times the pause by which the gateway knows the end of a frame: timers of both sides are not exact."""
_FILLER = b"."


class Way(Protocol):
    """How bytes get to the gateway."""

    place: str
    addresses: Mapping[str, Any]

    @property
    def there(self) -> bool:
        """Whether somebody hears."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def cut(self) -> None:
        """Whoever is connected has to connect again."""


def text(role: Role, stage: Stage) -> TextActor:
    """The actor for `serial-text` and both forms of `tcp-text`. Raises Unplayable."""
    if len(role.seats) != 1 or role.seats[0].bound is None or role.seats[0].bound.records is None:
        raise Unplayable(f"{role.connection}: a machine of text needs one station with its profile")
    framing = role.seats[0].bound.records.framing
    way: Way
    if role.protocol == "serial-text":
        way = Served(_serial(role, stage))
    elif role.settings.get("listen") is not None:
        way = Caller(*(role.address or (LOOPBACK, free_port())))
    else:
        host, port = role.address or (stage.host, 0)
        way = Served(TcpLine(Listen(host=host, port=port)))
    return TextActor(way, framing, stage.patience_s)


def _serial(role: Role, stage: Stage) -> SerialLine:
    kept = ("baudrate", "databits", "parity", "stopbits")
    settings = {key: role.settings[key] for key in kept if key in role.settings}
    return SerialLine(SerialPort(port=role.at or str(stage.folder / f"{role.connection}.tty"), **settings))


class TextActor:
    """One machine on its line."""

    def __init__(self, way: Way, framing: Framing, patience_s: float) -> None:
        self._way = way
        self._framing = framing
        self._patience_s = patience_s
        self._played = False

    @property
    def addresses(self) -> Mapping[str, Any]:
        return self._way.addresses

    @property
    def place(self) -> str:
        return self._way.place

    async def __aenter__(self) -> Self:
        await self._way.open()
        self._audience = Audience(lambda: self._way.there, self._patience_s, place=self._way.place)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._way.close()

    async def met(self) -> None:
        await self._audience.met()

    async def play(self, frame: Frame, peer: str | None) -> None:
        if POSITION_OF in frame.meta:
            raise Unplayable("part of a line that was cut by the end of a connection")
        await self._audience.needed()
        await self._way.write(self._bytes(frame))
        self._played = True
        if self._framing.pause_s is not None and (self._framing.kind == "pause" or frame.meta.get("problem")):
            await asyncio.sleep(self._framing.pause_s * _PAUSE)

    def _bytes(self, frame: Frame) -> bytes:
        """What was too long is again: of what was behind its beginning only the length mattered."""
        if frame.meta.get("problem") != TOO_LONG:
            return frame.payload
        return frame.payload + _FILLER + (self._framing.delimiter if self._framing.kind == "lines" else b"")

    async def lose(self, station: str) -> None:
        if self._played:
            self._played = False
            await self._way.cut()

    async def done(self) -> None:
        """What is said is said."""


class Served:
    """A line that the gateway opens or connects to."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.place = line.place
        self.addresses: Mapping[str, Any] = {}

    @property
    def there(self) -> bool:
        return self._line.listeners > 0

    async def open(self) -> None:
        await self._line.open()
        self.place = self._line.place
        if isinstance(self._line, TcpLine):
            host, port = self._line.address
            self.addresses = {"host": host, "port": port}
        else:
            self.addresses = {"port": self._line.place}

    async def close(self) -> None:
        self._line.close()

    async def write(self, data: bytes) -> None:
        await self._line.write(data)

    async def cut(self) -> None:
        if isinstance(self._line, TcpLine):
            self._line.cut()
            return
        self._line.close()  # the plug is pulled, and put in again
        await asyncio.sleep(0)
        await self._line.open()


class Caller:
    """A machine that connects to the gateway, and again when it is gone."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.place = f"connects to {spelt(host, port)}"
        self.addresses: Mapping[str, Any] = {"listen": spelt(host, port)}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._calling: asyncio.Task[None] | None = None

    @property
    def there(self) -> bool:
        return self._reader is not None and not self._reader.at_eof()

    async def open(self) -> None:
        self._calling = asyncio.create_task(self._call(), name=f"calls {self._host}:{self._port}")

    async def _call(self) -> None:
        """Connected, for ever; what is said to the machine is left."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError:
                await asyncio.sleep(_LOOK_S)
                continue
            self._reader, self._writer = reader, writer
            with suppress(OSError):
                while await reader.read(4096):
                    pass
            self._reader = self._writer = None
            writer.transport.abort()

    async def close(self) -> None:
        if self._calling is not None:
            self._calling.cancel()
            with suppress(asyncio.CancelledError):
                await self._calling
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    async def write(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)
            with suppress(OSError):
                await self._writer.drain()

    async def cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        while self._writer is not None:  # noqa: ASYNC110, the call notices
            await asyncio.sleep(0)
