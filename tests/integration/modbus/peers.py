"""Modbus units for tests whose every register answers what follows from its address, on TCP and on a pseudo terminal.

Holding register A holds A, input register A 65535 - A, coil A is set when 3 divides A, discrete input A when 5 does: an
address that is off by one, or a mistaken table, shows in the value. The server of libmodbus_server.c does the same.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Literal, cast

from gateway.transport.modbus_server import Malformed, Request, ServerFraming
from tests.servers import free_port

Kind = Literal["tcp", "rtu"]


def contents(function: int, start: int, count: int) -> bytes:
    """What such a unit has at these addresses, as an answer's data."""
    addresses = range(start, start + count)
    if function in (3, 4):
        values = [at if function == 3 else 65_535 - at for at in addresses]
        return b"".join(value.to_bytes(2, "big") for value in values)
    bits = sum((at % (3 if function == 1 else 5) == 0) << place for place, at in enumerate(addresses))
    return bits.to_bytes((count + 7) // 8, "little")


class Echo:
    """What all connections of a test have in common.

    units: who answers; requests to others get none. illegal: addresses of holding registers that are refused (2).
    most: registers above which a request is refused (3). alter: gets a request and the right answer; gives the pieces
    that are written in its place, one by one; None closes the connection.
    """

    def __init__(
        self,
        kind: Kind = "tcp",
        *,
        units: Collection[int] = (1,),
        illegal: Collection[int] = (),
        most: int = 125,
    ) -> None:
        self.kind: Kind = kind
        self.units = set(units)
        self.illegal = set(illegal)
        self.most = most
        self.alter: Callable[[Request, bytes], Iterable[bytes] | None] = lambda request, answer: (answer,)
        self.seen: list[Request] = []
        self.connections = 0
        self.open: set[asyncio.Transport] = set()

    def reply(self, framing: ServerFraming, request: Request) -> Iterable[bytes] | None:
        self.seen.append(request)
        if request.unit not in self.units:
            return ()
        start, count = request.start, request.count
        code = request.problem
        if not code and request.function > 2 and count > self.most:
            code = 3
        if not code and request.function == 3 and not self.illegal.isdisjoint(range(start, start + count)):
            code = 2
        answer = (
            framing.refuse(request, code) if code else framing.answer(request, contents(request.function, start, count))
        )
        return self.alter(request, answer)


class _Connection(asyncio.Protocol):
    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._framing = ServerFraming(echo.kind)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._echo.connections += 1
        self._echo.open.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._echo.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            requests = self._framing.feed(data)
        except Malformed:
            self._transport.abort()
            return
        for request in requests:
            pieces = self._echo.reply(self._framing, request)
            if pieces is None:
                self._transport.abort()
                return
            for piece in pieces:
                self._transport.write(piece)


class Listener:
    """The port of a TCP peer; `stop` and `start` keep it."""

    def __init__(self, echo: Echo) -> None:
        self.echo = echo
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.port = self.port or free_port()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self.echo), "127.0.0.1", self.port
        )

    async def stop(self) -> None:
        """Like a machine that is switched off, with its network interface still there."""
        if self._server is not None:
            self._server.close()
            for transport in list(self.echo.open):
                transport.abort()
            await self._server.wait_closed()
            self._server = None


@asynccontextmanager
async def listening(echo: Echo) -> AsyncIterator[Listener]:
    made = Listener(echo)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


class Line:
    """A serial line: `device` is for the client; what it writes, the units of `echo` hear."""

    def __init__(self, echo: Echo, master: int, device: str) -> None:
        self.device = device
        self._echo = echo
        self.master = master
        self._framing = ServerFraming("rtu")

    def read(self) -> None:
        try:
            data = os.read(self.master, 1000)
        except OSError:  # nobody has the other end open just now
            return
        for request in self._framing.feed(data):
            for piece in self._echo.reply(self._framing, request) or ():
                self.write(piece)

    def write(self, data: bytes) -> None:
        os.write(self.master, data)


@asynccontextmanager
async def serial_line(echo: Echo) -> AsyncIterator[Line]:
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    line = Line(echo, master, os.ttyname(slave))
    loop = asyncio.get_running_loop()
    loop.add_reader(master, line.read)
    try:
        yield line
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)
