"""One TCP connection or serial port that brings text: always read, cut into frames, kept within a bound until taken."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from typing import cast

import msgspec

from gateway.core import times
from gateway.core.errors import NotConnected
from gateway.core.times import Micros
from gateway.transport.framing import Cutter, Framing, Piece
from gateway.transport.serial_port import SerialPort, open_serial, words

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""After a minute in which not even its operating system answers, a machine is gone: many have nothing to say for hours,
and TCP alone would wait for ever for one whose power was cut."""


class Tcp(msgspec.Struct, frozen=True, kw_only=True):
    """host: name or address."""

    host: str
    port: int
    connect_timeout_s: float = 5.0

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}"


class Received(msgspec.Struct, frozen=True, gc=False):
    """A piece, and when its last byte came."""

    piece: Piece
    at: Micros


class Missed(msgspec.Struct, frozen=True, gc=False):
    """So many frames found no room, up to this time."""

    count: int
    at: Micros


class TextWire(asyncio.Protocol):
    """An instance per connection, never used again after it is lost or closed.

    most_bytes: of a frame. buffer_bytes: of frames that nobody has taken yet; what comes beyond is counted and dropped,
    for nobody can hold back the machine. lasting: the line lasts when the connection does not: a machine at a serial port
    does not know who listens. cut: it begins within a line. closed: done when the connection is.
    """

    def __init__(
        self,
        place: str,
        framing: Framing,
        *,
        most_bytes: int,
        buffer_bytes: int,
        lasting: bool = False,
        cut: bool = False,
    ) -> None:
        self._place = place
        self._framing = framing
        self._cutter = Cutter(framing, most_bytes, cut=cut)
        self._lasting = lasting
        self._leaving = False
        self._left: list[Received] = []
        self._room = buffer_bytes
        self._held: deque[Received] = deque()
        self._missed = 0
        self._missed_at: Micros = 0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._wanted: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lost: str | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def cut(self) -> bool:
        """What comes next, on this connection or on the one after it, is the rest of a line."""
        return self._cutter.cut

    @cut.setter
    def cut(self, value: bool) -> None:
        self._cutter.cut = value

    async def next(self, until: float | None = None) -> Received | Missed | None:
        """What comes next; None when nothing has come until then, as `time.monotonic`.

        Raises NotConnected when the connection is lost and all that came before is taken.
        """
        while True:
            if self._held:
                found = self._held.popleft()
                self._room += len(found.piece.data)
                return found
            if self._missed:
                missed = Missed(self._missed, self._missed_at)
                self._missed = 0
                return missed
            if self._lost is not None:
                raise NotConnected(f"{self._place}: {self._lost}")
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return None
            wanted = self._wanted = self._loop.create_future()
            timer = None if left is None else self._loop.call_later(left, self._wake)
            try:
                await wanted
            finally:
                self._wanted = None
                if timer is not None:
                    timer.cancel()

    def write(self, data: bytes) -> None:
        """Say something to the machine. Nothing is written to one that is gone; `next` tells of that."""
        if self._transport is not None and self._lost is None:
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once, whatever is on its way."""
        # A serial transport that is lost already would be lost a second time.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    async def close(self) -> list[Received]:
        """Returns when the peer can have been told: what had begun and not ended, and what of lines that were cut nobody
        has taken."""
        if self._transport is None:
            return []
        self._leaving = True
        self.abort()
        await asyncio.shield(self.closed)
        return [*(each for each in self._held if each.piece.mark), *self._left]

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    def _take(self, pieces: list[Piece]) -> None:
        at = times.now()
        for piece in pieces:
            size = len(piece.data)
            # Once something is missing, what comes behind it waits until that has been told.
            if self._missed or size > self._room:
                self._missed += self._framing.count(piece)
                self._missed_at = at
                continue
            self._room -= size
            self._held.append(Received(piece, at))
        self._wake()

    def _paused(self) -> None:
        self._timer = None
        self._take(self._cutter.pause())

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                connected.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._take(self._cutter.feed(data))
        if self._framing.pause_s is not None and self._cutter.open:
            self._timer = self._loop.call_later(self._framing.pause_s, self._paused)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._lost = "the machine closed the connection" if exc is None else f"connection lost: {words(exc)}"
        pieces = self._cutter.stop(goes_on=self._leaving or self._lasting)
        if self._leaving:
            self._left = [Received(piece, times.now()) for piece in pieces]
            self._wake()
        else:
            self._take(pieces)
        if not self.closed.done():
            self.closed.set_result(None)


async def open_wire(
    options: Tcp | SerialPort, framing: Framing, *, most_bytes: int, buffer_bytes: int, cut: bool = False
) -> TextWire:
    """cut: within a line. Raises NotConnected. Leaves nothing behind when it fails or is cancelled."""
    wire = TextWire(
        options.place,
        framing,
        most_bytes=most_bytes,
        buffer_bytes=buffer_bytes,
        lasting=isinstance(options, SerialPort),
        cut=cut,
    )
    try:
        if isinstance(options, SerialPort):
            await open_serial(options, wire)
        else:
            async with asyncio.timeout(options.connect_timeout_s):
                await asyncio.get_running_loop().create_connection(lambda: wire, options.host, options.port)
    except TimeoutError as error:  # before OSError, of which it is one
        seconds = options.connect_timeout_s if isinstance(options, Tcp) else 0.0
        raise NotConnected(f"{options.place}: no answer within {seconds:g} s") from error
    except (OSError, ValueError) as error:
        raise NotConnected(f"{options.place}: cannot connect: {words(error)}") from error
    except asyncio.CancelledError:
        wire.abort()
        raise
    return wire
