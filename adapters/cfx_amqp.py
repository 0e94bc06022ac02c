"""IPC-CFX over AMQP 1.0: as client of a broker, or as the listener that machines connect to point to point."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from adapters.cfx_amqp_settings import CfxAmqpConnection
from gateway.cfx import envelope
from gateway.core import times
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Delivery, Frame, Notice, NoticeKind
from gateway.core.observation import Observation
from gateway.transport.amqp import Connection
from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_links import Received
from gateway.transport.amqp_listener import Access, Listener, listen
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.users import parse_users

__all__ = ["CfxAmqpAdapter", "CfxAmqpConnection"]


class CfxAmqpAdapter:
    """One `[[connection]]` of protocol `cfx-amqp`; implements gateway.core.adapter.Adapter.

    port: the port that is bound while listening, else None. refused: connections that never opened, by reason, since
    the start. Payload of a frame: the message body as received; where the AMQP message cannot be read, all its bytes.
    """

    protocol = "cfx-amqp"

    def __init__(self, settings: CfxAmqpConnection, gateway: str) -> None:
        """`gateway`: the gateway's name, for our container-id."""
        self.settings = settings
        self._container_id = settings.container_id or f"lineside-{gateway}-{settings.name}"
        self.refused: Counter[str] = Counter()
        self._listener: Listener | None = None
        self._limits = envelope.Limits(
            frame=max(settings.max_message_bytes, settings.max_payload_bytes), payload=settings.max_payload_bytes
        )

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def basis(self) -> Basis:
        """The SDK keeps what it could not send. A broker keeps what is sent to a queue that outlives our connection."""
        if self.settings.listen is not None:
            return Basis.MACHINE_BUFFER
        return Basis.DURABLE_BROKER if self.settings.kept_while_away else Basis.HEARTBEAT_ONLY

    @property
    def port(self) -> int | None:
        return None if self._listener is None else self._listener.port

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        """Entered when every address is attached, or when the port is bound."""
        return self._connected() if self.settings.listen is None else self._listening()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        settings = self.settings
        assert settings.host is not None
        inbox = _Inbox(settings.name, machines=False)
        async with connect(
            Endpoint(
                host=settings.host,
                port=settings.effective_port,
                user=settings.user,
                password=None if settings.password is None else _usable(settings.password.reveal),
                external=settings.external,
            ),
            self._options(),
            inbox,
            tls=self._tls(),
            connect_timeout_s=settings.connect_timeout_s,
        ) as client:
            for address in settings.addresses:
                await client.receiver(address, durable=settings.durable)
            yield inbox

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        settings = self.settings
        inbox = _Inbox(settings.name, machines=True)
        host, port = settings.listen_address
        async with listen(host, port, self._options(), self._access(), inbox, tls=self._tls()) as listener:
            self._listener = listener
            listener.refused = self.refused
            try:
                yield inbox
            finally:
                self._listener = None
                inbox.end("closed by us")

    def _options(self) -> Options:
        settings = self.settings
        return Options(
            container_id=self._container_id,
            hostname=None if settings.vhost is None else f"vhost:{settings.vhost}",
            idle_timeout_s=settings.idle_timeout_s,
            handshake_timeout_s=settings.handshake_timeout_s,
            close_timeout_s=settings.close_timeout_s,
            credit=settings.credit,
            max_frame_size=settings.max_frame_bytes,
            max_message=settings.max_message_bytes,
            buffer_bytes=settings.buffer_bytes,
        )

    def _access(self) -> Access:
        settings = self.settings
        users = None
        if settings.auth is not None:
            place = settings.auth.users
            users = _usable(lambda: parse_users(place.reveal(), where=str(place)))
        return Access(
            users=users,
            anonymous=settings.lets_in_anyone,
            certificates=settings.tls is not None and settings.tls.client_ca is not None,
            refusal_delay_s=settings.refusal_delay_s,
            max_connections=settings.max_connections,
        )

    def _tls(self) -> ssl.SSLContext | None:
        tls = self.settings.tls
        if tls is None:
            return None
        return _usable(lambda: tls.context(listening=self.settings.listen is not None))

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """The envelopes of one message: one, or an array of them where the machine batches."""
        meta = frame.meta
        if meta.get("truncated"):
            raise DecodeError(
                "too-large", f"a message of {meta.get('size')} bytes; allowed: {self.settings.max_message_bytes}"
            )
        if "undecodable" in meta:
            raise DecodeError("bad-amqp", f"no AMQP 1.0 message: {meta['undecodable']}")
        # Only gzip is told on: the reader looks for itself where machines say nothing or something else.
        encoding = meta.get("content_encoding")
        gzip = True if isinstance(encoding, str) and encoding.lower() == "gzip" else None
        return envelope.read(frame.payload, limits=self._limits, gzip=gzip)


_T = TypeVar("_T")


def _usable(read: Callable[[], _T]) -> _T:
    """What a file gives. One that cannot be used now may be there at the next attempt, so this is NotConnected."""
    try:
        return read()
    except ConfigError as error:
        raise NotConnected(str(error)) from error


class _Inbox:
    """What has been read and not handed over, of one `connect`. Bounded by the connections' credit and buffers.

    `machines`: a listener's. What a machine sent before it went is handed over still, for not every machine sends it
    again; a broker does, and there the loss is told at once.
    """

    def __init__(self, connection: str, *, machines: bool) -> None:
        self._connection = connection
        self._machines = machines
        self._items: deque[Delivery | Notice] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self._over: str | None = None
        self._peers: Counter[str] = Counter()

    def opened(self, connection: Connection) -> None:
        peer = connection.peer or ""
        self._peers[peer] += 1
        # A machine may have several connections: the SDK opens one more for every request.
        if self._machines and self._peers[peer] == 1:
            self._put(Notice(kind=NoticeKind.PEER_UP, at=times.now(), peer=peer, detail=connection.address or ""))

    def received(self, connection: Connection, message: Received) -> None:
        principal = connection.principal
        self._put(
            Delivery(
                self._frame(message),
                message.accept,
                message.reply if self._machines and message.can_reply else None,
                principal=principal.name,
                handles=principal.handles,
            )
        )

    def _frame(self, received: Received) -> Frame:
        message = received.message
        if message is None:
            meta: dict[str, str | int] = {"undecodable": received.problem or ""}
            payload, redelivered = received.raw, False
        else:
            meta = _meta(message)
            payload = message.body
            # RabbitMQ counts no deliveries: it says first-acquirer = false. From a machine that means nothing, some
            # encoders always write it.
            redelivered = message.delivery_count > 0 or (not self._machines and message.first_acquirer is False)
        if received.truncated:
            meta |= {"truncated": 1, "size": received.size}
        return Frame(
            connection=self._connection,
            received=times.now(),
            channel=received.receiver.address,
            payload=payload,
            redelivered=redelivered,
            meta=meta,
        )

    def closed(self, connection: Connection) -> None:
        if not self._machines:
            self.end(connection.reason or "the connection is closed")
            return
        peer = connection.peer or ""
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]
            detail = connection.reason or ""
            self._put(Notice(kind=NoticeKind.PEER_DOWN, at=times.now(), peer=peer, detail=detail))

    def end(self, reason: str) -> None:
        """Nothing more comes: iterating raises NotConnected."""
        self._over = self._over or reason
        self._wake()

    def _put(self, item: Delivery | Notice) -> None:
        self._items.append(item)
        if self._wanted is not None:
            self._wake()

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    def __aiter__(self) -> AsyncIterator[Delivery | Notice]:
        return self

    async def __anext__(self) -> Delivery | Notice:
        while True:
            if self._over is not None:
                raise NotConnected(self._over)
            if self._items:
                return self._items.popleft()
            self._wanted = asyncio.get_running_loop().create_future()
            try:
                await self._wanted
            finally:
                self._wanted = None


def _meta(message: AmqpMessage) -> dict[str, str | int]:
    """Decoding needs the encoding; the rest tells whoever looks at a capture or a quarantined frame what it was."""
    meta: dict[str, str | int] = {}
    if message.content_encoding is not None:
        meta["content_encoding"] = message.content_encoding
    if message.subject is not None:
        meta["subject"] = message.subject
    if isinstance(message.message_id, str):
        meta["message_id"] = message.message_id
    return meta
