"""Where a machine's text goes: a serial port or pseudo terminal, or whoever has connected over TCP."""

from __future__ import annotations

import asyncio
import os
import select
import tty
from contextlib import suppress
from pathlib import Path
from typing import Protocol, cast

import msgspec
import serial

from gateway.transport.serial_port import SerialPort
from simulators.faces.modbus_line import FaceError

_FULL_S = 0.01
_PATIENCE_S = 2.0
"""For so long a reader can be behind. A real port has no more room than a terminal of this computer."""


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """port: 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0


class Line(Protocol):
    """place: where, for people. listeners: how many hear what is written now."""

    @property
    def place(self) -> str: ...

    @property
    def listeners(self) -> int: ...

    async def open(self) -> None:
        """At the same place as before. Raises FaceError."""

    def close(self) -> None:
        """Nobody hears it any more, and it cannot be connected to."""

    async def refuse(self, refused: bool) -> None:
        """Whether new connections are. Raises ValueError where there are none."""

    def cut(self) -> None:
        """Ends all connections at once; nothing where there are none."""

    async def write(self, data: bytes) -> None:
        """What nobody hears is lost."""


class SerialLine:
    """A port of this computer; where there is none of that name, a pseudo terminal is made and the name linked to it."""

    def __init__(self, port: SerialPort) -> None:
        self.place = port.port
        self._port = port
        self._link: Path | None = None
        self._device: serial.Serial | None = None
        self._number: int | None = None

    @property
    def listeners(self) -> int:
        """Of a pseudo terminal, whether somebody has opened it; at a real port, nobody knows."""
        if self._number is None:
            return 0
        if self._device is not None:
            return 1
        poll = select.poll()
        poll.register(self._number, select.POLLOUT)
        return int(not any(state & select.POLLHUP for _, state in poll.poll(0)))

    async def open(self) -> None:
        self._open()

    def _open(self) -> None:
        path = Path(self._port.port)
        try:
            if path.exists():
                self._device = _device(self._port)
                self._number = self._device.fileno()
            else:
                self._number = _pseudo_terminal(path)
                self._link = path
        except (OSError, ValueError) as error:  # ValueError: a baud rate that the port does not know
            raise FaceError(f"cannot open {path}: {error}") from error

    def close(self) -> None:
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        if self._device is not None:
            self._device.close()
        elif self._number is not None:
            os.close(self._number)
        self._link = self._device = self._number = None

    async def refuse(self, refused: bool) -> None:
        if refused:
            raise ValueError(f"nobody connects to {self.place}; allowed there: unplug")

    def cut(self) -> None:
        pass

    async def write(self, data: bytes) -> None:
        waited = 0.0
        while data and self._number is not None and self.listeners and waited < _PATIENCE_S:
            try:
                data = data[os.write(self._number, data) :]
            except BlockingIOError:
                waited += _FULL_S
                await asyncio.sleep(_FULL_S)
            except OSError:  # pulled out meanwhile
                return


def _device(port: SerialPort) -> serial.Serial:
    return serial.Serial(
        port=port.port,
        baudrate=port.baudrate,
        bytesize=port.databits,
        parity=port.parity[0].upper(),
        stopbits=port.stopbits,
        exclusive=True,
        timeout=0,
        write_timeout=0,
    )


def _pseudo_terminal(path: Path) -> int:
    """Our end. The other one is not kept open: so it can be told whether somebody else has it open."""
    ours, theirs = os.openpty()
    try:
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        path.unlink(missing_ok=True)  # what a killed run left behind, leading nowhere
        path.symlink_to(os.ttyname(theirs))
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return ours


class TcpLine:
    """A server; whoever is connected hears everything. address: kept while nobody can connect."""

    def __init__(self, listen: Listen) -> None:
        self.address = (listen.host, listen.port)
        self._server: asyncio.Server | None = None
        self._guests: set[_Guest] = set()

    @property
    def place(self) -> str:
        return "{}:{}".format(*self.address)

    @property
    def listeners(self) -> int:
        return len(self._guests)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Guest(self._guests), *self.address)
        except OSError as error:
            words = os.strerror(error.errno).lower() if error.errno is not None else str(error)
            raise FaceError(f"cannot listen on {self.place}: {words}") from error
        self.address = self._server.sockets[0].getsockname()[:2]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def refuse(self, refused: bool) -> None:
        if refused and self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # uvloop closes the socket in its next turn
        elif not refused and self._server is None:
            await self.open()

    def cut(self) -> None:
        for guest in tuple(self._guests):
            guest.cut()

    async def write(self, data: bytes) -> None:
        for guest in tuple(self._guests):
            guest.say(data)


class _Guest(asyncio.Protocol):
    """One connection. among: where it is to be found while it lasts. What it says, nobody listens to."""

    def __init__(self, among: set[_Guest]) -> None:
        self._among = among
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._among.discard(self)

    def say(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def cut(self) -> None:
        """At once, whatever is still to be sent."""
        self._among.discard(self)
        if self._transport is not None:
            with suppress(OSError):
                self._transport.abort()
