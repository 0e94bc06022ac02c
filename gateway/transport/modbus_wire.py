"""One TCP connection or open serial port that carries Modbus, one request at a time."""

from __future__ import annotations

import asyncio
import os
import socket
import termios
import time
from typing import Literal, cast

import msgspec
import serial
from serial_asyncio_fast import connection_for_serial

from gateway.core.errors import NotConnected
from gateway.transport.modbus_frames import Framing, NoAnswer, Refused, RtuFraming, TcpFraming

Parity = Literal["none", "even", "odd"]

_FIXED_SILENCE_BAUDRATE = 19_200
"""Above it the silence between messages is 1.75 ms at any rate (Serial Line V1.02, 2.5.1.1)."""


class Tcp(msgspec.Struct, frozen=True, kw_only=True):
    """framing: `tcp` is Modbus TCP, `rtu` the bytes of a serial line through a converter. host: name or address."""

    host: str
    port: int = 502
    framing: Literal["tcp", "rtu"] = "tcp"
    connect_timeout_s: float = 5.0

    @property
    def place(self) -> str:
        """For messages: `Modbus at 10.0.0.21:502`."""
        return f"Modbus at {self.host}:{self.port}"

    @property
    def silence_s(self) -> float:
        """A converter keeps the silences of its line by itself."""
        return 0.0

    def travel_s(self, octets: int) -> float:
        """A network is fast; the line behind a converter is part of `answer_timeout_s`."""
        return 0.0


class Serial(msgspec.Struct, frozen=True, kw_only=True):
    """port: a device such as `/dev/serial/by-id/…`. Eight data bits, as RTU has no other (Serial Line, 2.5.1)."""

    port: str
    baudrate: int = 19_200
    parity: Parity = "even"
    stopbits: Literal[1, 2] = 1

    @property
    def place(self) -> str:
        """For messages."""
        return f"Modbus on {self.port}"

    @property
    def _character_s(self) -> float:
        return (9 + (self.parity != "none") + self.stopbits) / self.baudrate

    @property
    def silence_s(self) -> float:
        """Three and a half characters: what ends one message before the next begins."""
        return 0.001_75 if self.baudrate > _FIXED_SILENCE_BAUDRATE else 3.5 * self._character_s

    def travel_s(self, octets: int) -> float:
        """How long so many bytes are on the line."""
        return octets * self._character_s


class Wire(asyncio.Protocol):
    """An instance per connection, never used again after it is lost or closed.

    heard_at: when the last byte came, or the connection was made, as `time.monotonic`: an event loop's own clock may
    stand still for a millisecond, which here is half of a silence. strayed: something came that nobody had asked for, or
    behind an answer. lost: why it is of no use any more.
    """

    def __init__(self, place: str, framing: Framing) -> None:
        self.strayed = False
        self.lost: str | None = None
        self._place = place
        self._framing = framing
        self._loop = asyncio.get_running_loop()
        self.heard_at = time.monotonic()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[bytes] | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()

    async def ask(self, unit: int, function: int, start: int, count: int, *, timeout_s: float) -> bytes:
        """One read. Raises Refused, NoAnswer, and NotConnected when the connection is lost meanwhile."""
        assert self._waiting is None
        if self.lost is not None or self._transport is None:
            raise NotConnected(f"{self._place}: {self.lost}")
        waiting: asyncio.Future[bytes] = self._loop.create_future()
        self._transport.write(self._framing.ask(unit, function, start, count))
        self._waiting = waiting
        timer = self._loop.call_later(timeout_s, self._expire, waiting, unit, timeout_s)
        try:
            return await waiting
        finally:
            timer.cancel()
            self._waiting = None
            if self._framing.excess:
                self.strayed = True

    def _expire(self, waiting: asyncio.Future[bytes], unit: int, timeout_s: float) -> None:
        if not waiting.done():
            waiting.set_exception(NoAnswer(f"unit {unit}: no answer within {timeout_s:.3g} s"))

    async def close(self) -> None:
        """At once, whatever is on its way. Returns when the peer can have been told."""
        if self._transport is None:
            return
        self._transport.abort()
        await asyncio.shield(self._gone)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        waiting = self._waiting
        if waiting is None or waiting.done():
            self.strayed = True
            return
        try:
            answer = self._framing.take(data)
        except (Refused, NoAnswer) as error:
            waiting.set_exception(error)
        else:
            if answer is not None:
                waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = "the machine closed the connection" if exc is None else f"connection lost: {_words(exc)}"
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(NotConnected(f"{self._place}: {self.lost}"))
        if not self._gone.done():
            self._gone.set_result(None)


async def open_wire(options: Tcp | Serial) -> Wire:
    """Raises NotConnected. Leaves nothing behind when it fails or is cancelled."""
    try:
        if isinstance(options, Serial):
            return await _open_serial(options)
        return await _open_tcp(options)
    except TimeoutError as error:  # before OSError, of which it is one
        seconds = options.connect_timeout_s if isinstance(options, Tcp) else 0.0
        raise NotConnected(f"{options.place}: no answer within {seconds:g} s") from error
    except (OSError, ValueError) as error:
        raise NotConnected(f"{options.place}: cannot connect: {_words(error)}") from error


async def _open_tcp(options: Tcp) -> Wire:
    framing: Framing = TcpFraming() if options.framing == "tcp" else RtuFraming()
    async with asyncio.timeout(options.connect_timeout_s):
        _, wire = await asyncio.get_running_loop().create_connection(
            lambda: Wire(options.place, framing), options.host, options.port
        )
    return wire


async def _open_serial(options: Serial) -> Wire:
    # Opened on the event loop, which does not wait for the device: a thread's port would be lost if we were cancelled.
    parity = _parity(options)
    port = serial.Serial(
        baudrate=options.baudrate,
        parity=parity[0].upper(),
        stopbits=options.stopbits,
        exclusive=True,
        timeout=0,
        write_timeout=0,
    )
    port.port = options.port
    wire = Wire(options.place, RtuFraming())
    try:
        port.open()
        transport, _ = await connection_for_serial(asyncio.get_running_loop(), lambda: wire, port)
        try:
            await asyncio.sleep(0)  # for connection_made, which is called a turn of the loop later
        except asyncio.CancelledError:
            transport.abort()
            port.close()  # now: the transport would do it a turn later, and who opens it next is told that it is in use
            raise
    except (termios.error, ValueError) as error:
        port.close()
        settings = f"{options.baudrate} baud, parity {parity}, {options.stopbits} stop bits"
        raise NotConnected(f"{options.place}: does not take {settings}: {error.args[-1]}") from error
    return wire


def _parity(options: Serial) -> Parity:
    # A pseudo terminal has none: Linux drops what it is given without a word, and the next to open it, for whom nothing
    # would change by that, gets an EINVAL.
    return "none" if os.path.realpath(options.port).startswith("/dev/pts/") else options.parity


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno is not None:
        return os.strerror(error.errno).lower()  # event loops and pyserial put other words into the exception
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
