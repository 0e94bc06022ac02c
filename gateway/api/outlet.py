"""Sending more than fits into one write: in pieces, each waiting until the peer has taken the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.problems import Kind, Problem

PIECE = 64 * 1024
"""Most bytes in one write. The server cuts a peer that does not take one in time (`gateway.api.server`)."""


async def send_pieces(send: Send, data: bytes | memoryview) -> None:
    """As body, with more to come."""
    if len(data) <= PIECE:
        await send({"type": "http.response.body", "body": data, "more_body": True})
        return
    view = memoryview(data)
    for start in range(0, len(view), PIECE):
        await send({"type": "http.response.body", "body": view[start : start + PIECE], "more_body": True})


class Bytes(Response):
    """A ready-made body of any size."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if "lineside.head" not in scope:
            await send_pieces(send, self.body)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Json(Bytes):
    media_type = "application/json"


class Download(Bytes):
    """Bytes that are nobody's business to interpret: a browser saves them."""

    media_type = "application/octet-stream"

    def __init__(self, content: bytes, *, name: str) -> None:
        super().__init__(content, headers={"content-disposition": f'attachment; filename="{name}"'})


class Readers:
    """The streams and exports that are open now, so that they can be counted, bounded and ended."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, set[asyncio.Task[None]]] = {}
        self._closed = False

    def count(self) -> dict[str, int]:
        """By kind."""
        return {kind: len(tasks) for kind, tasks in self._open.items()}

    @property
    def total(self) -> int:
        return sum(map(len, self._open.values()))

    def check(self) -> None:
        """Raises Problem `too-many-readers` when one more is one too many."""
        if self.total >= self._most:
            raise Problem(Kind.TOO_MANY_READERS, f"{self._most} are open", headers={"Retry-After": "5"})

    def close(self) -> None:
        """End all of them at once, and any that comes after."""
        self._closed = True
        for tasks in self._open.values():
            for task in tasks:
                task.cancel()

    async def run(self, kind: str, work: Coroutine[Any, Any, None], receive: Receive) -> bool:
        """Run until it is done (True), `close` ends it or the peer has gone (False)."""
        tasks = self._open.setdefault(kind, set())
        task = asyncio.create_task(work, name=f"{kind} reader")
        gone = asyncio.create_task(_gone(receive), name=f"{kind} reader's peer")
        tasks.add(task)
        if self._closed:
            task.cancel()
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks.discard(task)
            task.cancel()
            gone.cancel()
            await asyncio.wait({task, gone})
        if task.cancelled():
            return False
        task.result()
        return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Stream(Response):
    """A response whose body is written by `write` until it returns, the peer has gone or the gateway stops."""

    kind = ""

    def __init__(self, readers: Readers, *, headers: Mapping[str, str] | None = None) -> None:
        readers.check()
        self._readers = readers
        self.status_code = 200
        self.background = None
        self.init_headers(headers)

    async def write(self, send: Send) -> None:
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if "lineside.head" not in scope:
            await self._readers.run(self.kind, self.write(send), receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
