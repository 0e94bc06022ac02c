"""One AMQP 1.0 connection on one socket, for either end: an asyncio protocol around the engine.

First the SASL frames (`gateway.transport.sasl`), then proton's engine (`gateway.transport.amqp_engine`). TLS is
asyncio's, never proton's. proton's own event loop is not used: it blocks a thread, and dispatches every event through
chains of Python handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import msgspec

from gateway.core.errors import NotConnected
from gateway.transport.amqp_engine import Engine, Options
from gateway.transport.amqp_links import Received
from gateway.transport.amqp_sender import fail
from gateway.transport.sasl import Claim, Outcome, SaslClient, SaslError, SaslServer


class Watcher(Protocol):
    """Who is told what happens on a connection. Everything is called on the event loop."""

    def opened(self, connection: Connection) -> None:
        """The peer's Open has come."""

    def received(self, connection: Connection, message: Received) -> None:
        """A delivery is complete. It counts against the connection's buffer until its `accept`."""

    def closed(self, connection: Connection) -> None:
        """Nothing more will come, for `connection.reason`. Called once, also when it never opened."""


class Principal(msgspec.Struct, frozen=True):
    """Who a peer proved to be (None: nobody), and the CFX handles it may speak for (empty: any)."""

    name: str | None = None
    handles: frozenset[str] = frozenset()


Authenticate = Callable[["Connection", Claim], Awaitable[Principal | None]]
"""Decides on a claim: who that is, or None to refuse."""


class Connection(asyncio.Protocol):
    """Made for one socket, never used again. The kind of `sasl` decides the role.

    gone: done when the socket is closed. ready: done when the peer has opened; fails with NotConnected when it will
    not. peer: its container-id, once open. address: its network address without the port.
    """

    def __init__(
        self,
        options: Options,
        watcher: Watcher,
        sasl: SaslServer | SaslClient,
        authenticate: Authenticate | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.options = options
        self.principal = Principal()
        self.peer: str | None = None
        self.address: str | None = None
        self.reason: str | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.engine: Engine | None = None
        self._watcher = watcher
        self._sasl = sasl
        self._authenticate = authenticate
        self._deciding: asyncio.Task[None] | None = None
        self._socket: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None
        self._writable = True
        self._hung_up = False
        self._awaiting_close = False

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)
        where = transport.get_extra_info("peername")
        self.address = str(where[0]) if isinstance(where, tuple) else None
        self._deadline = self._loop.call_later(self.options.handshake_timeout_s, self._late)
        if isinstance(self._sasl, SaslClient):
            self._socket.write(self._sasl.start())

    def certificate(self) -> str | None:
        """Common name in the peer's verified TLS certificate, if it showed one."""
        assert self._socket is not None
        shown = self._socket.get_extra_info("peercert") or {}
        pairs = (pair for name in shown.get("subject", ()) for pair in name)
        return next((str(value) for key, value in pairs if key == "commonName"), None)

    def data_received(self, data: bytes) -> None:
        if self.engine is not None:
            self.engine.push(data)
            self._flush()
        elif self.reason is None:
            self._authenticating(data)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended(f"connection lost: {exc}" if exc else "the peer closed the connection")
        for handle in (self._deadline, self._ticker, self._turn):
            if handle is not None:
                handle.cancel()
        if self._deciding is not None:
            self._deciding.cancel()
        if self.engine is not None:
            self.engine.release(self.reason or "")
            self.engine = None
        self._socket = None
        if not self.gone.done():
            self.gone.set_result(None)

    def _late(self) -> None:
        self.abort("no AMQP connection within the handshake timeout")

    def abort(self, reason: str) -> None:
        """Drop the socket at once."""
        self.ended(reason)
        if self._socket is not None:
            self._socket.abort()

    def _hang_up(self) -> None:
        """Close the socket: after what is still to be sent, and in a bounded time."""
        if self._hung_up or self._socket is None:
            return
        self._hung_up = True
        self._limit(self.options.close_timeout_s)
        self._socket.close()

    def _limit(self, seconds: float) -> None:
        assert self._socket is not None
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._socket.abort)

    # SASL

    def _authenticating(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            reply = self._sasl.feed(data)
        except SaslError as error:
            self.ended(str(error))
            self._hang_up()
            return
        if reply:
            self._socket.write(reply)
        if isinstance(self._sasl, SaslClient):
            if self._sasl.done:
                self._begin(self._sasl.rest)
        elif self._sasl.claim is not None and self._deciding is None:
            # Whatever else the peer sends waits in the kernel while its password is checked.
            self._socket.pause_reading()
            self._deciding = self._loop.create_task(self._decide(self._sasl), name="amqp-authenticate")

    async def _decide(self, sasl: SaslServer) -> None:
        assert self._authenticate is not None
        assert sasl.claim is not None
        principal = await self._authenticate(self, sasl.claim)
        if self.reason is not None or self._socket is None:
            return
        if principal is None:
            self._socket.write(sasl.outcome(Outcome.AUTH))
            self.ended("not authenticated")
            self._hang_up()
            return
        self.principal = principal
        self._socket.write(sasl.outcome(Outcome.OK))
        self._socket.resume_reading()
        self._begin(sasl.rest)

    # The engine

    def _begin(self, rest: bytes) -> None:
        self.engine = Engine(self.options, self, serving=isinstance(self._sasl, SaslServer))
        self.engine.push(rest)
        self._flush()

    def _flush(self) -> None:
        engine, socket = self.engine, self._socket
        if engine is None or socket is None or socket.is_closing():
            return
        if engine.closing and not self._awaiting_close:
            # Before anything is written: a peer that reads nothing may not hold us either.
            self._awaiting_close = True
            self._limit(self.options.close_timeout_s)
        if self._writable:
            for chunk in engine.pending():
                socket.write(chunk)
                if not self._writable:
                    return
        if engine.closing and engine.finished:
            self._hang_up()

    def touch(self) -> None:
        if self._turn is None and self._socket is not None:
            self._turn = self._loop.call_soon(self._turned)

    def _turned(self) -> None:
        self._turn = None
        if self.engine is not None:
            self.engine.turn()
            self._flush()

    def _tick(self) -> None:
        if self.engine is None:
            return
        now = self._loop.time()
        due = self.engine.tick(now)
        self._ticker = None if due is None else self._loop.call_later(max(due - now, 0.001), self._tick)
        self._flush()

    def opened(self, peer: str) -> None:
        if self.reason is not None:
            return  # its Open has crossed our Close, for whose answer the deadline stands
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.peer = peer
        if not self.ready.done():
            self.ready.set_result(None)
        self._watcher.opened(self)
        self._ticker = self._loop.call_later(0, self._tick)

    def received(self, message: Received) -> None:
        if self.reason is None:
            self._watcher.received(self, message)

    def ended(self, reason: str) -> None:
        """The first reason stays; the links' deliveries end with it."""
        if self.reason is not None:
            return
        self.reason = reason
        fail(self.ready, reason)
        self._watcher.closed(self)

    def links(self) -> Engine:
        """The engine of an open connection. Raises NotConnected."""
        if self.engine is None or self.reason is not None:
            raise NotConnected(self.reason or "not open")
        return self.engine

    async def close(self) -> None:
        """Say Close, wait for the answer for at most `close_timeout_s`, drop the socket."""
        self.ended("closed by us")
        if self._socket is None:
            return
        if self.engine is None:
            self._socket.abort()
        else:
            self.engine.close()
            self._flush()
        await asyncio.shield(self.gone)
