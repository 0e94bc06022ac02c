"""`lineside serve` in this process, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.api.context import HttpSettings
from gateway.serve.app import run
from gateway.sinks.postgres.reader import open_history
from tests.integration.api_server import SseItem, blocks


class Served:
    def __init__(self, client: httpx.AsyncClient, task: asyncio.Task[None]) -> None:
        self.client = client
        self.task = task

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", **more)

    async def events(self, **params: Any) -> list[dict[str, Any]]:
        """All pages of what fits."""
        found: list[dict[str, Any]] = []
        after, more = "0", True
        while more:
            answer = await self.get("/events", params={**params, "after": after})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["events"]
            after, more = page["next"], page["more"]
        return found

    @asynccontextmanager
    async def stream(self, *, last: str | None = None, **params: Any) -> AsyncIterator[AsyncIterator[SseItem]]:
        headers = {} if last is None else {"Last-Event-ID": last}
        async with self.client.stream("GET", "/api/v1/events/stream", params=params, headers=headers) as response:
            assert response.status_code == 200
            found = blocks(response)
            try:
                yield found
            finally:
                await found.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def serving(
    url: str, *, broken: bool = False, tokens: Path | None = None, poll_s: float = 0.02
) -> AsyncIterator[Served]:
    """poll_s: short, so that a test which has nobody told of events is not slow."""
    reader = await open_history(url)
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    settings = HttpSettings(listen_port=0, tokens_file=None if tokens is None else str(tokens))
    task = asyncio.create_task(
        run(reader, settings, stop, version="0.0.test", ready=port.set_result, poll_s=poll_s), name="serve"
    )
    try:
        base = f"http://127.0.0.1:{await port}"
        async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as client:
            yield Served(client, task)
    finally:
        stop.set()
        await asyncio.wait({task})
        await reader.close()
        if not task.cancelled() and (error := task.exception()) is not None and not broken:
            raise error
