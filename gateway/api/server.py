"""uvicorn inside the gateway's own event loop, and what it must know about slow and rude peers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator

import httptools
import msgspec
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.api.context import HttpSettings
from gateway.api.outlet import PIECE, Readers
from gateway.api.problems import MEDIA_TYPE, Kind, Problem
from gateway.core.errors import ConfigError
from gateway.core.telemetry import Telemetry

log = logging.getLogger("lineside.api")

_HEAD_BYTES = 64 * 1024
"""Most bytes of a request line with its headers."""
_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]


async def serve(app: FastAPI, host: str, port: int, *, ready: Callable[[int], None]) -> None:
    """Serve until cancelled; then streams end at once and no new connection is taken.

    ready: called with the port once it is listening (`port` 0: any free one). Raises ConfigError when the address cannot
    be listened on.
    """
    settings: HttpSettings = app.state.http
    readers: Readers = app.state.readers
    listener = _listen(host, port, settings.write_timeout_s)
    config = uvicorn.Config(
        app,
        http=_protocol(settings.write_timeout_s, app.state.telemetry),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.ERROR,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=_HEADERS,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config, lambda: ready(listener.getsockname()[1]))
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
    try:
        await asyncio.shield(task)
    finally:
        readers.close()
        server.should_exit = True
        try:
            await task
        finally:
            listener.close()
            for connection in list(server.server_state.connections):
                connection.transport.abort()


class _Server(uvicorn.Server):
    """Leaves signals to whoever started the gateway."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()


def _listen(host: str, port: int, write_timeout_s: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError([f"[http] listen: {host}:{port} is no address to listen on: {error.strerror}"]) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit these. The kernel takes no more than one piece of ours in advance, so that a write
        # that is done really went out to a peer that reads; and it gives up on a peer that acknowledges nothing.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, PIECE)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(write_timeout_s * 1000))
        listener.bind(address)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigError([f"[http] listen: cannot listen on {host}:{port}: {error.strerror}"]) from error
    return listener


def _protocol(write_timeout_s: float, telemetry: Telemetry) -> type[asyncio.Protocol]:
    class Protocol(HttpToolsProtocol):
        """Cuts a peer that does not take a write in time.

        With no room above the kernel's, every write that the kernel does not take at once pauses the writer, and the
        next piece waits until it is taken. So the pause is the time that one write takes, for every kind of response.
        """

        _cut: asyncio.TimerHandle | None = None
        _head = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            transport.set_write_buffer_limits(high=0)

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._cut is None:
                self._cut = self.loop.call_later(write_timeout_s, self._abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._cut is not None:
                self._cut.cancel()
                self._cut = None

        def _abort(self) -> None:
            telemetry.readers_cut.inc()
            log.info("a reader at %s did not take a write within %g s and is cut", self.client, write_timeout_s)
            self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self.resume_writing()

        # -- bounds of a request's head

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._head = 0

        def on_url(self, url: bytes) -> None:
            self._count(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._count(len(name) + len(value))
            super().on_header(name, value)

        def _count(self, size: int) -> None:
            self._head += size
            if self._head > _HEAD_BYTES:
                raise httptools.HttpParserError("the head of the request is too large")

        def send_400_response(self, msg: str) -> None:
            body = msgspec.json.encode(Problem(Kind.BAD_REQUEST, msg).document())
            head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
            self.transport.close()

    return Protocol
