"""A gateway's API on a real port over a real journal, and a client that reads its streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway.api.app import create_app
from gateway.api.context import Context, HttpSettings
from gateway.api.server import serve
from gateway.core import times
from gateway.core.observation import CfxMessage
from gateway.ingest.stations import Stations
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from tests.build import FAST, Bench, bench, message, until


def numbered(number: int, **more: Any) -> CfxMessage:
    """A message that carries the publisher's own number."""
    return message(str(uuid.UUID(int=number + 1)), body={"Number": number}, **more)


def number_of(event: dict[str, Any]) -> int:
    found: int = event["body"]["Number"]
    return found


@dataclass
class Api:
    """A running API. `url` has no path."""

    bench: Bench
    context: Context
    url: str
    port: int
    client: httpx.AsyncClient

    @property
    def journal(self) -> str:
        return self.bench.writer.journal

    async def publish(self, *messages: CfxMessage) -> None:
        """Through ingest into the journal; returns when they are committed and published."""
        for one in messages:
            number = self.given = getattr(self, "given", 0) + 1
            await self.bench.give(number, one)
        await self.bench.settled()

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", **more)


@asynccontextmanager
async def api(
    folder: Path,
    *,
    http: HttpSettings | None = None,
    stations: Stations | None = None,
    retry: Callable[[int], Awaitable[bool]] | None = None,
    extra: dict[str, Callable[[], tuple[bool, str, int | None]]] | None = None,
) -> AsyncIterator[Api]:
    async with bench(folder, writer=FAST, stations=stations) as made, serving(made, http, retry, extra) as running:
        yield running


@asynccontextmanager
async def serving(
    made: Bench,
    http: HttpSettings | None = None,
    retry: Callable[[int], Awaitable[bool]] | None = None,
    extra: dict[str, Callable[[], tuple[bool, str, int | None]]] | None = None,
) -> AsyncIterator[Api]:
    supervisor = Supervisor([made.adapter], made.ingest, made.telemetry, SupervisorSettings(), marks={})
    made.ingest.on_heard = supervisor.heard
    context = Context(
        version="0.0.test",
        started=times.now(),
        http=http or HttpSettings(),
        writer=made.writer,
        reader=made.reader,
        ingest=made.ingest,
        supervisor=supervisor,
        telemetry=made.telemetry,
        retry=retry,
        extra_components=extra or {},
    )
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(create_app(context), "127.0.0.1", 0, ready=port.set_result), name="http")
    try:
        started: set[asyncio.Future[Any]] = {task, port}
        await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
        if not port.done():
            await task
        url = f"http://127.0.0.1:{port.result()}"
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            yield Api(made, context, url, port.result(), client)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class SseItem(msgspec.Struct):
    """One block of a stream, whether it dispatches an event or not."""

    id: str | None
    event: str | None
    data: str | None
    retry: str | None

    @property
    def json(self) -> dict[str, Any]:
        assert self.data is not None, "this block has no data"
        found: dict[str, Any] = json.loads(self.data)
        return found


async def blocks(response: httpx.Response) -> AsyncIterator[SseItem]:
    """As the standard has it: fields by line, a block ends with an empty line."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            assert name in ("id", "event", "data", "retry"), f"unexpected line {line!r}"
            assert name not in fields, f"{name} twice in one block"
            fields[name] = value
        elif fields:
            yield SseItem(fields.get("id"), fields.get("event"), fields.get("data"), fields.get("retry"))
            fields = {}


@asynccontextmanager
async def stream(running: Api, *, last: str | None = None, **params: Any) -> AsyncIterator[AsyncIterator[SseItem]]:
    """A subscriber, closed at the end."""
    headers = {} if last is None else {"Last-Event-ID": last}
    path = "/api/v1/events/stream"
    async with running.client.stream("GET", path, params=params, headers=headers) as response:
        assert response.status_code == 200, (await response.aread()).decode()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        found = blocks(response)
        try:
            yield found
        finally:
            await found.aclose()  # type: ignore[attr-defined]


async def take(items: AsyncIterator[SseItem], count: int, *, timeout_s: float = 20.0) -> list[SseItem]:
    """The next `count` blocks with data."""
    found: list[SseItem] = []
    async with asyncio.timeout(timeout_s):
        async for item in items:
            if item.data is not None:
                found.append(item)
                if len(found) == count:
                    break
    return found


__all__ = ["Api", "SseItem", "api", "blocks", "number_of", "numbered", "serving", "stream", "take", "until"]
