"""A TCP port that one machine connects to, to send text."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import msgspec

from gateway.core import times
from gateway.core.errors import NotConnected
from gateway.core.times import Micros
from gateway.transport.framing import Framing
from gateway.transport.serial_port import words
from gateway.transport.text_wire import Missed, Received, TextWire


class Guest(msgspec.Struct, frozen=True):
    """The machine has connected."""

    address: str
    at: Micros


class Gone(msgspec.Struct, frozen=True):
    """It has gone, and all that it said is told."""

    reason: str
    at: Micros


_WAITING = 8
"""Connections that nobody has looked at yet. A machine that connects over and over is refused beyond it."""


class TextListener:
    """Open while its `open` block runs, again and again. refused: connections that were not let in, by reason.

    allow: addresses that may connect; empty: any. A machine has one connection: the newest takes the place of the one
    before, which may be that of a machine that was switched off. cut: the first connection begins within a line. begun:
    what had begun and not ended when the block was left.
    """

    def __init__(
        self,
        host: str,
        port: int,
        framing: Framing,
        *,
        allow: Collection[str],
        most_bytes: int,
        buffer_bytes: int,
        cut: bool = False,
    ) -> None:
        self.port = port
        self.refused: Counter[str] = Counter()
        self._host = host
        self._wanted_port = port
        self._framing = framing
        self._allow = frozenset(allow)
        self._most_bytes = most_bytes
        self._buffer_bytes = buffer_bytes
        self._visits: deque[_Visit] = deque()
        self._current: _Visit | None = None
        self._all: set[_Visit] = set()
        self._came = asyncio.Event()
        self._cut = cut
        self._newest: _Visit | None = None
        self.begun: list[Received] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Raises NotConnected when the port cannot be had."""
        loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        try:
            server = await loop.create_server(self._visit, self._host, self._wanted_port, reuse_address=True)
        except OSError as error:
            raise NotConnected(f"{self._host}:{self._wanted_port}: cannot listen: {words(error)}") from error
        try:
            self.port = int(server.sockets[0].getsockname()[1])
            yield
        finally:
            server.close()
            self.begun = [each for visit in list(self._all) for each in await visit.close()]
            self._visits.clear()
            self._current = None
            await server.wait_closed()

    async def next(self) -> Guest | Gone | Received | Missed:
        """What comes next."""
        while self._current is None:
            if self._visits:
                self._current = self._visits.popleft()
                return Guest(self._current.address, self._current.came)
            self._came.clear()
            await self._came.wait()
        try:
            found = await self._current.next()
            assert found is not None
            return found
        except NotConnected as error:
            self._current = None
            return Gone(str(error), times.now())

    def _visit(self) -> _Visit:
        return _Visit(self, self._framing, most_bytes=self._most_bytes, buffer_bytes=self._buffer_bytes)

    def admit(self, visit: _Visit) -> bool:
        """Of a connection that was just made: whether it stays."""
        self._all.add(visit)
        if self._allow and visit.address not in self._allow:
            self.refused["address"] += 1
            return False
        if len(self._visits) >= _WAITING:
            self.refused["too-many"] += 1
            return False
        for other in (self._current, *self._visits):
            if other is not None:
                other.abort()
        visit.cut = self._cut if self._newest is None else self._newest.cut
        self._newest = visit
        self._visits.append(visit)
        self._came.set()
        return True

    def left(self, visit: _Visit) -> None:
        self._all.discard(visit)


class _Visit(TextWire):
    """address: who it is. came: when."""

    def __init__(self, listener: TextListener, framing: Framing, *, most_bytes: int, buffer_bytes: int) -> None:
        super().__init__("the machine", framing, most_bytes=most_bytes, buffer_bytes=buffer_bytes)
        self._listener = listener
        self.address = ""
        self.came: Micros = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address, self.came = str(peer[0]).partition("%")[0].removeprefix("::ffff:"), times.now()
        if not self._listener.admit(self):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._listener.left(self)
