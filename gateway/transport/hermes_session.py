"""One vertical connection of IPC-HERMES-9852 as the supervisory system: we connect to a machine, and only listen.

What is said here beside the handshake: that we are alive, and the answer to a machine that asks so. Declared are
FeatureBoardTracking and FeatureCheckAliveResponse. Any other would change what the machine does: with
FeatureSendWorkOrderInfo it may stop and wait for a work order.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import cast

import msgspec

from gateway.core import times
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Frame
from gateway.transport.hermes import Element, Framing, Malformed, Message, Piece, encode, parse
from gateway.transport.mqtt_inbox import Inbox

VERSION = "1.5"
TRACKING, ALIVE = "FeatureBoardTracking", "FeatureCheckAliveResponse"
DESCRIPTION = "SupervisoryServiceDescription"

_MOST_UNSENT = 65_536
"""Bytes. A machine that asks whether we are alive and does not read the answers is given up."""
_CODES = {
    "1": "protocol error",
    "2": "connection refused, as there is one already",
    "3": "configuration changed",
    "4": "configuration error",
    "5": "shutting down",
}
"""NotificationCode (IPC-HERMES-9852, 3.5). Above 1000 they are the application's own."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """system_id: as whom the machine sees us. alive_s: how often we say that we are there; answer_timeout_s: how long
    a machine that declares to answer may take. buffer_bytes: held for a reader that is slow; what comes beyond is lost.
    """

    host: str
    port: int
    system_id: str
    connect_timeout_s: float = 5.0
    handshake_timeout_s: float = 20.0
    alive_s: float = 20.0
    answer_timeout_s: float = 10.0
    buffer_bytes: int = 1 << 20

    @property
    def place(self) -> str:
        """For messages."""
        return f"Hermes at {self.host}:{self.port}"


class Description(msgspec.Struct, frozen=True):
    """What the machine says of itself."""

    system_id: str | None
    version: str | None
    features: frozenset[str]


@asynccontextmanager
async def session(options: Options, *, name: str, channel: str) -> AsyncIterator[Session]:
    """Open while the block runs; entering is done when the machine has described itself.

    name, channel: of the frames. Raises NotConnected when it is absent, refuses us, or does not track boards.
    """
    made = await _connected(options, name, channel)
    try:
        await made.introduce()
        yield made
    finally:
        await made.close()


async def _connected(options: Options, name: str, channel: str) -> Session:
    try:
        async with asyncio.timeout(options.connect_timeout_s):
            _, made = await asyncio.get_running_loop().create_connection(
                lambda: Session(options, name, channel), options.host, options.port
            )
    except TimeoutError as error:
        raise NotConnected(f"{options.place}: no answer within {options.connect_timeout_s:g} s") from error
    except OSError as error:
        raise NotConnected(f"{options.place}: cannot connect: {_words(error)}") from error
    return made


class Session(asyncio.Protocol):
    """inbox: the messages, each as a frame, but CheckAlive and the machine's description of itself. machine: that."""

    def __init__(self, options: Options, name: str, channel: str) -> None:
        self.inbox = Inbox(options.buffer_bytes, pause=lambda: None, resume=lambda: None)
        self.inbox.lossless = False  # a machine that cannot send might stop the line
        self.machine: Description | None = None
        self._options = options
        self._name = name
        self._channel = channel
        self._framing = Framing()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._described: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._lost: str | None = None
        self._said = ""  # in its last notification
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pings = 0

    async def introduce(self) -> None:
        """We speak first (IPC-HERMES-9852, 2.5.3). Raises NotConnected."""
        options = self._options
        ours = tuple(Element(feature) for feature in (ALIVE, TRACKING))
        self._send(
            Element(
                DESCRIPTION,
                {"SystemId": options.system_id, "Version": VERSION},
                (Element("SupportedFeatures", {}, ours),),
            )
        )
        try:
            async with asyncio.timeout(options.handshake_timeout_s):
                await self._described
        except TimeoutError as error:
            raise NotConnected(
                f"{options.place}: no {DESCRIPTION} within {options.handshake_timeout_s:g} s; is this the port for "
                "supervisory systems?"
            ) from error
        if self._lost is not None or self.machine is None:
            raise NotConnected(self._lost or f"{options.place}: the connection was closed")
        if TRACKING not in self.machine.features:
            raise NotConnected(
                f"{options.place}: {self.machine.system_id!r} does not declare {TRACKING}: it would tell of no board"
            )
        self._timer = self._loop.call_later(options.alive_s, self._beat)

    async def close(self) -> None:
        """With a word of goodbye, as far as the peer takes one."""
        transport = self._transport
        if transport is None:
            return
        self._end("closed", discard=True)
        if not transport.is_closing():
            self._send(
                Element("Notification", {"NotificationCode": "5", "Severity": "4", "Description": "Lineside leaves"})
            )
            if transport.get_write_buffer_size():
                transport.abort()
            else:
                transport.close()
        await asyncio.shield(self._gone)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        options = self._options
        # A host that is switched off acknowledges nothing: the kernel tells, also of one that answers no CheckAlive.
        unacknowledged_ms = round((options.alive_s + options.answer_timeout_s) * 1000)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged_ms)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        received = times.now()
        for piece in self._framing.feed(data):
            self._take(piece, received)
        self.inbox.settle()

    def connection_lost(self, exc: Exception | None) -> None:
        said = f"; it said: {self._said}" if self._said else ""
        why = "the machine closed the connection" if exc is None else f"connection lost: {_words(exc)}"
        self._end(f"{self._options.place}: {why}{said}")
        if not self._gone.done():
            self._gone.set_result(None)

    # what comes and goes

    def _take(self, piece: Piece, received: times.Micros) -> None:
        content = _content(piece)
        if content is not None:
            if content.name == "CheckAlive":
                self._check_alive(content)
                return
            if content.name == DESCRIPTION:
                self._describe(content)
                return
            if content.name == "Notification":
                self._said = _notification(content)
        frame = Frame(
            connection=self._name,
            received=received,
            channel=self._channel,
            payload=piece.data,
            meta={} if piece.size is None else {"size": piece.size},
        )
        self.inbox.put(Delivery(frame, acknowledged=False))

    def _check_alive(self, content: Element) -> None:
        """Type 1 asks, 2 answers, none is only a sign of life."""
        if content.get("Type") != "1":
            return
        if self._transport is not None and self._transport.get_write_buffer_size() > _MOST_UNSENT:
            self._lose("the machine does not read what we answer")
            return
        ours = {"Type": "2"} if "Id" not in content.attributes else {"Type": "2", "Id": content.attributes["Id"]}
        self._send(Element("CheckAlive", ours))

    def _describe(self, content: Element) -> None:
        if self.machine is not None:
            return
        supported = content.child("SupportedFeatures")
        features = frozenset() if supported is None else frozenset(each.name for each in supported.children)
        self.machine = Description(content.get("SystemId"), content.get("Version"), features)
        if not self._described.done():
            self._described.set_result(None)

    def _beat(self) -> None:
        """We are alive; and where the machine can say so, is it?"""
        options = self._options
        self._timer = self._loop.call_later(options.alive_s, self._beat)
        if self.machine is None or ALIVE not in self.machine.features:
            self._send(Element("CheckAlive"))
            return
        self._pings += 1
        self._send(Element("CheckAlive", {"Type": "1", "Id": str(self._pings)}))
        self._loop.call_later(options.answer_timeout_s, self._expect, self._loop.time())

    def _expect(self, asked_at: float) -> None:
        if self._lost is None and self._heard_at < asked_at:
            self._lose(f"the machine did not answer CheckAlive within {self._options.answer_timeout_s:g} s")

    def _send(self, content: Element) -> None:
        if self._transport is not None and not self._transport.is_closing():
            now = datetime.now().astimezone().isoformat(timespec="milliseconds")[:23]  # local, as the standard has it
            self._transport.write(encode(Message(now, content)))

    def _lose(self, why: str) -> None:
        self._end(f"{self._options.place}: {why}")
        if self._transport is not None:
            self._transport.abort()

    def _end(self, why: str, *, discard: bool = False) -> None:
        if self._lost is None:
            self._lost = why
        if self._timer is not None:
            self._timer.cancel()
        if not self._described.done():
            self._described.set_result(None)
        self.inbox.end(self._lost, discard=discard)


def _content(piece: Piece) -> Element | None:
    try:
        return None if piece.size is not None else parse(piece.data).content
    except Malformed:
        return None  # whoever decodes the frame finds out, and says why


def _notification(content: Element) -> str:
    code = content.get("NotificationCode") or "?"
    return f"notification {code} ({_CODES.get(code, 'unknown')}) {content.get('Description') or ''!r}"


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno is not None:
        return os.strerror(error.errno).lower()  # event loops put other words into the exception
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
