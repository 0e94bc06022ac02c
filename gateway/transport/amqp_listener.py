"""Listening for machines that connect to us: as the CFX SDK does point to point, many machines on one port."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec

from gateway.core.errors import NotConnected
from gateway.transport.amqp import Connection, Principal, Watcher
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_links import Received
from gateway.transport.sasl import Claim, SaslServer
from gateway.transport.users import Users


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may connect. `refusal_delay_s`: how long a wrong password waits for its answer, one at a time per address."""

    users: Users | None = None
    anonymous: bool = False
    certificates: bool = False
    """TLS asks for a client certificate, so that EXTERNAL means something."""
    refusal_delay_s: float = 1.0
    max_connections: int = 256

    def mechanisms(self) -> list[str]:
        """What SASL offers, the strongest first."""
        offered = ["EXTERNAL"] if self.certificates else []
        if self.users is not None and self.users.any_password:
            offered.append("PLAIN")
        return [*offered, "ANONYMOUS"] if self.anonymous else offered


class Door:
    """Decides on claims. Holds a lock per address that is being refused, so that more connections help nobody."""

    def __init__(self, access: Access, *, parallel: int = 2) -> None:
        self._access = access
        self._queues: dict[str, tuple[asyncio.Lock, int]] = {}
        self._hashing = asyncio.Semaphore(parallel)
        """Hashing a password takes 16 MB and a core for a moment."""

    async def authenticate(self, connection: Connection, claim: Claim) -> Principal | None:
        """The principal, or None to refuse."""
        access = self._access
        if claim.mechanism in (None, "ANONYMOUS"):
            return self._certified(connection) or Principal() if access.anonymous else None
        if claim.mechanism == "EXTERNAL" and access.certificates:
            return self._certified(connection)
        if claim.mechanism == "PLAIN" and access.users is not None:
            return await self._password(connection, claim, access.users)
        return None

    def _certified(self, connection: Connection) -> Principal | None:
        """The name in the client certificate. With a users file that name must be in it."""
        name = connection.certificate() if self._access.certificates else None
        if name is None:
            return None
        if self._access.users is None:
            return Principal(name)
        user = self._access.users.get(name)
        return None if user is None else Principal(name, user.handles)

    async def _password(self, connection: Connection, claim: Claim, users: Users) -> Principal | None:
        if claim.name is None or claim.password is None:
            return None
        address = connection.address or ""
        lock, waiting = self._queues.get(address, (asyncio.Lock(), 0))
        self._queues[address] = (lock, waiting + 1)
        try:
            async with lock:
                async with self._hashing:
                    user = await asyncio.to_thread(users.check, claim.name, claim.password)
                if user is None:
                    await asyncio.sleep(self._access.refusal_delay_s)
                    return None
                return Principal(user.name, user.handles)
        finally:
            lock, waiting = self._queues[address]
            if waiting == 1:
                del self._queues[address]
            else:
                self._queues[address] = (lock, waiting - 1)


class Listener:
    """A listening port with its connections.

    refused: connections that ended before their Open, by reason: strays, silent peers, wrong passwords. Counted here
    and logged nowhere, for whoever can reach the port decides how many there are.
    """

    def __init__(self, options: Options, access: Access, watcher: Watcher) -> None:
        self.connections: set[Connection] = set()
        self.refused: Counter[str] = Counter()
        self.port = 0
        """The port that was bound."""
        self._options = options
        self._access = access
        self._door = Door(access)
        self._watcher = watcher
        self._mechanisms = access.mechanisms()

    def accept(self) -> asyncio.Protocol:
        """A new socket: its protocol."""
        if len(self.connections) >= self._access.max_connections:
            self.refused["too many connections"] += 1
            return _Full()
        sasl = SaslServer(self._mechanisms, bare=self._access.anonymous)
        connection = Connection(self._options, self, sasl, self._door.authenticate)
        self.connections.add(connection)
        connection.gone.add_done_callback(lambda _: self.connections.discard(connection))
        return connection

    def opened(self, connection: Connection) -> None:
        self._watcher.opened(connection)

    def received(self, connection: Connection, message: Received) -> None:
        self._watcher.received(connection, message)

    def closed(self, connection: Connection) -> None:
        if connection.peer is None:
            self.refused[_kind(connection.reason or "")] += 1
        else:
            self._watcher.closed(connection)


class _Full(asyncio.Protocol):
    """A socket more than there may be."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()  # uvloop's transports do not inherit from it


_KINDS = ("handshake timeout", "not authenticated", "expected the SASL header", "SASL", "closed by us")


def _kind(reason: str) -> str:
    """One of a fixed few, so that a peer cannot make up new ones."""
    return next((kind for kind in _KINDS if kind in reason), "connection lost")


@asynccontextmanager
async def listen(
    host: str,
    port: int,
    options: Options,
    access: Access,
    watcher: Watcher,
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Listener]:
    """Entering is listening, leaving closes the port and every connection. Raises NotConnected if the port is taken."""
    listener = Listener(options, access, watcher)
    handshake = options.handshake_timeout_s if tls is not None else None
    try:
        server = await asyncio.get_running_loop().create_server(
            listener.accept, host, port, ssl=tls, ssl_handshake_timeout=handshake
        )
    except OSError as error:
        raise NotConnected(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.port = int(server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        server.close()
        await asyncio.gather(*(connection.close() for connection in list(listener.connections)))
