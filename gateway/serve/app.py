"""`lineside serve`: the API of a gateway on the plant's history, from many gateways, in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.api.app import Sources, assemble
from gateway.api.context import HttpSettings
from gateway.api.server import serve
from gateway.core import times
from gateway.core.errors import LinesideError
from gateway.core.telemetry import Telemetry
from gateway.serve.health import HistoryHealth
from gateway.serve.history import Follow, HistoryLog
from gateway.serve.records import HistoryGaps, NoQuarantine
from gateway.serve.samples import HistorySampleLog
from gateway.serve.stations import HistoryStations
from gateway.sinks.postgres.reader import HistoryReader

POLL_S = 1.0
"""How often it is looked for new events of which nobody has told."""


async def run(
    reader: HistoryReader,
    http: HttpSettings,
    stop: asyncio.Event,
    *,
    version: str,
    ready: Callable[[int], None] = lambda port: None,
    poll_s: float = POLL_S,
) -> None:
    """Until `stop` is set. ready: called with the port once it is listened on.

    Raises ConfigError when it cannot be; JournalError when the database cannot be read at the beginning (later it is
    waited for); LinesideError when the history was replaced by another.
    """
    _, head = await reader.now()
    log = HistoryLog(reader, head)
    follow = Follow(log, reader, poll_s=poll_s)
    started = times.now()
    sources = Sources(
        log=log,
        stations=HistoryStations(reader),
        samples=HistorySampleLog(reader),
        gaps=HistoryGaps(reader),
        quarantine=NoQuarantine(),
        watched=HistoryHealth(follow, started=started),
    )
    app = assemble(sources, http, telemetry=Telemetry(), version=version, started=started)
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(follow.run(), name="follow the history"),
        asyncio.create_task(serve(app, http.listen_host, http.listen_port, ready=ready), name="http"),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and (error := task.exception()) is not None:
                raise error if isinstance(error, LinesideError) else LinesideError(f"{task.get_name()}: {error}")
    finally:
        log.tail.close()
        for task in reversed(tasks):
            task.cancel()
        await asyncio.wait(tasks)
