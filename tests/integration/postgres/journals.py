"""Journals made by the real writer, sinks that follow them, and what a database then has."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.event import CfxHeader, Event, Origin, UnitRef
from gateway.core.sample import Quality, Sample, Value
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros, now
from gateway.ingest.ingest import Ingest
from gateway.ingest.settings import IngestSettings
from gateway.ingest.stations import Stations
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from gateway.sinks.follow import Follower, FollowSettings
from gateway.sinks.metrics import SinkMetrics
from gateway.sinks.postgres.database import connect
from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.postgres.sink import Postgres
from gateway.sinks.source import Source
from tests.build import FAST, until

QUICK = FollowSettings(retry_first_s=0.02, retry_most_s=0.2, settled_s=0.5, tell_again_s=0.0)


def event(number: int, **more: Any) -> Event:
    """A native event that carries its publisher's own number."""
    body = more.pop("body", b'{"$type":"CFX.Production.WorkCompleted, CFX","Number":%d}' % number)
    at = more.pop("received", None) or now()
    fields: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "time": at - 1500,
        "received": at,
        "message": "CFX.Production.WorkCompleted",
        "origin": Origin.NATIVE,
        "body": body,
        "raw": b'{"MessageName":"CFX.Production.WorkCompleted","MessageBody":' + body + b"}",
        "line": "L1",
        "station": "L1.pnp1",
        "handle": "SMTPlus.Model_21232.SN23123",
        "unit_refs": (UnitRef(f"PNL-{number}", 1),),
        "cfx": CfxHeader("2.1", "2026-11-20T13:44:33.943216+01:00", None, None),
    }
    return Event(**(fields | more))


def sample(number: int, value: Value = None, *, at: Micros | None = None, **more: Any) -> Sample:
    received = at or now()
    fields: dict[str, Any] = {
        "station": "L1.reflow",
        "signal": f"zone.temperature[{number % 5 + 1}]",
        "unit": "Cel",
        "value": float(number) if value is None else value,
        "quality": Quality.GOOD,
        "time": received,
        "received": received,
    }
    return Sample(**(fields | more))


class Line:
    """A gateway without machines: its journal, and whatever is put into it."""

    def __init__(self, path: Path, name: str, settings: WriterSettings, site: str = "fab1") -> None:
        self.path = path
        self.writer = Writer(path, site=site, gateway=name, settings=settings)
        self.writer.open()
        self.telemetry = Telemetry()
        self.metrics = SinkMetrics(self.telemetry.registry)
        self.ingest = Ingest(self.writer, Stations([], [], zone=ZoneInfo("UTC")), self.telemetry, IngestSettings(), states={}, payload_cap=32 << 20)  # fmt: skip

    async def put(self, events: Sequence[Event] = (), samples: Sequence[Sample] = ()) -> None:
        """Returns when they are committed."""

        def effect(transaction: Transaction) -> None:
            if samples:
                transaction.touch()
                transaction.samples(samples)

        await self.ingest.store("test", "test", list(events), effect=effect)

    async def receive(self, event: Event, text: bytes) -> None:
        """As ingest stores what a machine sent. text: the envelope without insignificant white space."""

        def effect(transaction: Transaction) -> None:
            transaction.append(event, text=text)

        await self.ingest.store("test", "test", [], effect=effect)

    def follower(self, url: str, **settings: Any) -> tuple[Follower, Source]:
        sink = Postgres(PostgresSink(kind="postgres", name="plant", url=url, **({"interval_s": 0.0} | settings)))
        source = Source(self.path, self.ingest.tail, sink.batch)
        record = lambda event, effect: self.ingest.store("plant", "gateway", [event], effect=effect)  # noqa: E731
        holder = self.writer.holders.register("sink", "plant", budget=sink.budget_bytes, samples=sink.batch.samples > 0)
        return Follower(sink, source, self.metrics, QUICK, holder=holder, record=record), source

    def metric(self, name: str) -> float:
        return sum(
            each.value
            for metric in self.telemetry.registry.collect()
            for each in metric.samples
            if each.name == f"lineside_sink_{name}"
        )


@asynccontextmanager
async def line(
    path: Path, name: str = "line1-pc", *, writer: WriterSettings = FAST, site: str = "fab1"
) -> AsyncIterator[Line]:
    made = Line(path, name, writer, site)
    made.ingest.start()
    try:
        yield made
    finally:
        await made.ingest.stop()
        made.writer.close()


@asynccontextmanager
async def following(of: Line, url: str, **settings: Any) -> AsyncIterator[Follower]:
    follower, source = of.follower(url, **settings)
    task = asyncio.create_task(follower.run(), name="sink")
    try:
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        source.close()


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Any]:
    """A connection of the test's own."""
    connection = await connect(url, password=None, application="test", connect_timeout_s=10, timeout_s=30)
    try:
        yield connection
    finally:
        await connection.close()


async def delivered(of: Line, url: str, *, samples: int = 0, timeout_s: float = 30.0) -> None:
    """Everything that the journal has by now is in the database; of samples, so many."""
    async with asking(url) as connection:
        head = of.writer.head

        async def there() -> bool:
            if await connection.fetchval("SELECT to_regclass('lineside.journal')") is None:
                return False
            row = await connection.fetchrow("SELECT seq, sample FROM lineside.journal WHERE id = $1", of.writer.journal)
            return row is not None and row["seq"] >= head and row["sample"] >= samples

        async with asyncio.timeout(timeout_s):
            while not await there():
                await asyncio.sleep(0.01)


__all__ = ["QUICK", "Line", "asking", "delivered", "event", "following", "line", "sample", "until"]
