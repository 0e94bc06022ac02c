"""Connecting to an AMQP 1.0 peer: a broker, or another machine's listener."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gateway.core.errors import NotConnected
from gateway.transport.amqp import Connection, Watcher
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_links import Received, Receiver
from gateway.transport.amqp_sender import Sender
from gateway.transport.sasl import SaslClient


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect and as whom. `user` None is SASL ANONYMOUS; `external` names us by our TLS certificate."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    external: bool = False
    server_hostname: str | None = None
    """Name that the certificate must carry; the host when None."""

    def __repr__(self) -> str:
        return f"Endpoint({self.host}:{self.port}, user={self.user!r})"


class Client:
    """An open connection, on which we attach links."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def lost(self) -> str | None:
        """Why it is over; None while it is not."""
        return self.connection.reason

    async def receiver(self, address: str, *, durable: bool = True) -> Receiver:
        """Receive from an address of the peer, whatever it calls them. Raises NotConnected with the peer's reason."""
        receiver = self.connection.links().receiver(address, durable=durable)
        await self._attached(receiver.ready, address)
        return receiver

    async def sender(self, address: str, *, name: str | None = None, durable: bool = False) -> Sender:
        """Send to an address of the peer: `await (await client.sender("x")).send(message)`. Raises NotConnected.

        `durable`: ask for a durable target. RabbitMQ 3.x declares `/queue/…` by it and refuses the wrong kind.
        """
        sender = self.connection.links().sender(address, name=name, durable=durable)
        await self._attached(sender.ready, address)
        return sender

    async def _attached(self, ready: asyncio.Future[None], address: str) -> None:
        try:
            async with asyncio.timeout(self.connection.options.handshake_timeout_s):
                await ready
        except TimeoutError:
            raise NotConnected(f"no answer to the link to {address!r}") from None


class _Sending:
    """Watches a connection that only sends: what it is sent all the same is accepted and left."""

    def opened(self, connection: Connection) -> None:
        return None

    def received(self, connection: Connection, message: Received) -> None:
        message.accept()

    def closed(self, connection: Connection) -> None:
        return None


@asynccontextmanager
async def connect(
    endpoint: Endpoint,
    options: Options,
    watcher: Watcher | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    connect_timeout_s: float = 5.0,
) -> AsyncIterator[Client]:
    """Entering is being let in, leaving is being closed. Raises NotConnected when either end will not.

    Without a `watcher` it is for sending: a lost connection shows at the next `send`.
    """
    sasl = SaslClient(
        hostname=endpoint.host, user=endpoint.user, password=endpoint.password, external=endpoint.external
    )
    connection = Connection(options, watcher or _Sending(), sasl)
    where = f"{endpoint.host}:{endpoint.port}"
    try:
        async with asyncio.timeout(connect_timeout_s):
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                endpoint.host,
                endpoint.port,
                ssl=tls,
                server_hostname=(endpoint.server_hostname or endpoint.host) if tls is not None else None,
            )
    except TimeoutError:
        raise NotConnected(f"{where}: no connection within {connect_timeout_s} s") from None
    except ssl.SSLError as error:
        raise NotConnected(f"{where}: TLS: {error.reason or error}") from error
    except (OSError, ConnectionError) as error:
        raise NotConnected(f"{where}: {error.strerror or error}") from error
    try:
        try:
            await connection.ready
        except NotConnected as error:
            raise NotConnected(f"{where}: {error}") from None
        yield Client(connection)
    finally:
        await connection.close()
