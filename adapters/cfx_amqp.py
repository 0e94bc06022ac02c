"""IPC-CFX over AMQP 1.0: as client of a broker, or as the listener that machines connect to point to point."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from adapters.cfx_amqp_inbox import Inbox
from adapters.cfx_amqp_settings import CfxAmqpConnection
from gateway.cfx import envelope
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Delivery, Frame, Notice
from gateway.core.observation import Observation
from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_listener import Access, Listener, listen
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
        inbox = Inbox(settings.name)
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
        inbox = Inbox(settings.name, machines=True, leftover_bytes=settings.buffer_bytes)
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
