"""Events to many SSE subscribers, with asyncio alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_PIECE = 64 * 1024


@asynccontextmanager
async def coalesced(events: list[bytes]) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """A server that writes these events to whoever connects, joined to pieces of 64 KB, waiting for each to drain.

    Gives its port, and what starts the writing.
    """
    pieces: list[bytes] = []
    piece = b""
    for event in events:
        if len(piece) + len(event) > _PIECE:
            pieces.append(piece)
            piece = b""
        piece += event
    pieces.append(piece)
    go = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await go.wait()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], go.set
