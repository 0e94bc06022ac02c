"""How fast a journal gets into the plant's PostgreSQL: the sink, next to asyncpg's COPY of rows made beforehand.

A: the sink as the gateway runs it, from its connecting on: pages from a journal's file, decoded; rows made of them; COPY
of each 1,000 into a table of the session, and from there, with positions, cursor and the commit, by one function. B: COPY
of the same rows, the same 1,000 to a commit, into a table with the same columns and the same indexes, by one client that
has them in memory; and once more into a table without an index.
Afterwards every table has every row. Samples likewise, 10,000 to a commit.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from gateway.core.event import CfxHeader, Event, Origin, UnitRef
from gateway.core.sample import Quality, Sample
from gateway.core.telemetry import Telemetry
from gateway.journal.filter import Filter
from gateway.journal.holders import Holder
from gateway.journal.reader import Reader
from gateway.journal.tail import Tail
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from gateway.sinks.follow import Follower, FollowSettings
from gateway.sinks.metrics import SinkMetrics
from gateway.sinks.postgres.database import connect
from gateway.sinks.postgres.migrate import Partitions, migrate, month
from gateway.sinks.postgres.rows import EVENT_COLUMNS, event_row
from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.postgres.sink import Postgres
from gateway.sinks.source import Source
from tests.benchmarks.row import Row, against, say
from tests.servers.postgres import Postgres as Server
from tests.servers.postgres import running

_FIRST = 1_790_000_000_000_000
_BATCH, _SAMPLES = 1000, 10_000
_SAMPLE_COLUMNS = ("series", "time", "received", "n", "kind", "quality", "value", "text")


def _event(number: int) -> Event:
    """Of about 0.9 KB, as the CFX rows have."""
    at = _FIRST + number * 20_000
    body = b'{"$type":"CFX.Production.WorkCompleted, CFX","TransactionID":"%s","Result":"Completed","Units":[%b]}' % (
        str(uuid.UUID(int=number)).encode(),
        b",".join(
            b'{"UnitIdentifier":"PNL-%06d-%d","PositionNumber":%d,"PositionName":"CIRCUIT%d","X":%d.125,"Y":45.25,'
            b'"Rotation":0.0,"FlipX":false,"FlipY":false,"Status":"Pass"}' % (number, place, place, place, place)
            for place in range(1, 5)
        ),
    )
    head = (
        b'{"MessageName":"CFX.Production.WorkCompleted","Version":"1.7","TimeStamp":"2026-11-20T12:44:33.943216+01:00",'
    )
    return Event(
        id=str(uuid.uuid4()),
        time=at - 1000,
        received=at,
        message=("CFX.Production.WorkStarted", "CFX.Production.WorkCompleted")[number % 2],
        origin=Origin.NATIVE,
        body=body,
        raw=head + b'"MessageBody":' + body + b"}",
        line="L1",
        station=f"L1.pnp{number % 4}",
        handle=f"SMTPlus.Model_21232.SN{number % 4}",
        transaction=str(uuid.UUID(int=number)),
        unit_refs=tuple(UnitRef(f"PNL-{number:06}-{place}", place) for place in range(1, 5)),
        cfx=CfxHeader("1.7", "2026-11-20T12:44:33.943216+01:00", None, None),
    )


def _sample(number: int) -> Sample:
    at = _FIRST + number * 1_000
    signal = f"zone.temperature[{number % 60 + 1}]"
    return Sample(
        station="L1.reflow", signal=signal, unit="Cel", value=number / 10, quality=Quality.GOOD, time=at, received=at
    )


class _Feed:
    """Everything at once, and then the end."""

    def __init__(self, writer: Writer, events: Sequence[Event], samples: Sequence[Sample]) -> None:
        self._writer = writer
        self._rest = [
            (events[at : at + _BATCH], samples[at * 10 : (at + _BATCH) * 10]) for at in range(0, len(events), _BATCH)
        ]

    def take(self, wait_s: float) -> list[tuple[Sequence[Event], Sequence[Sample]]]:
        if not self._rest:
            self._writer.stop()
            return []
        return [self._rest.pop(0)]

    def apply(self, transaction: Transaction, items: Sequence[tuple[Sequence[Event], Sequence[Sample]]]) -> None:
        for events, samples in items:
            for event in events:
                transaction.append(event, text=event.raw)
            transaction.samples(samples)

    def rolled_back(self) -> None: ...

    def refused(self, item: Any, error: Exception) -> Any:
        raise error

    def committed(self, items: object, events: object) -> None: ...


class Journal:
    """A journal's file, and what is in it as rows."""

    def __init__(self, path: Path, count: int) -> None:
        writer = Writer(path, site="fab1", gateway="pc", settings=WriterSettings(synchronous="normal", ballast_bytes=0))
        writer.open()
        writer.run(_Feed(writer, [_event(n) for n in range(count)], [_sample(n) for n in range(count * 10)]))
        self.path, self.place, self.count = path, writer.place, count
        writer.close()
        reader = Reader(path, threads=1, page_bytes=1 << 40)
        page = reader.call(lambda connection: reader.page(connection, 0, count, Filter()))
        reader.close()
        self.rows = [(n, self.place.journal, *event_row(placed)) for n, placed in enumerate(page.events, 1)]
        self.samples = [
            (n % 60 + 1, each.time, each.received, n + 1, 0, 0, each.value, None)
            for n, each in ((n, _sample(n)) for n in range(count * 10))
        ]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await connect(url, password=None, application="benchmark", connect_timeout_s=10, timeout_s=600)
    try:
        found = await migrate(connection)
        await Partitions(found.layout).make(connection, {month(_FIRST), month(_FIRST + 40 * 86_400_000_000)})
        yield connection
    finally:
        await connection.close()


async def _count(connection: Any, table: str, wanted: int) -> None:
    found = await connection.fetchval(f"SELECT count(*) FROM lineside.{table}")
    assert found == wanted, f"{found} rows in {table}, not {wanted}"


async def _sink(url: str, journal: Journal, *, samples: bool) -> float:
    # Only one of the two kinds: where it is events, no samples are wanted; where samples, the events are there already.
    settings = PostgresSink(
        kind="postgres",
        name="p",
        url=url,
        samples=samples,
        batch_events=_BATCH,
        batch_samples=_SAMPLES,
        batch_bytes=1 << 30,
    )
    sink = Postgres(settings)
    async with _connected(url) as connection:
        source = Source(journal.path, Tail(journal.place, journal.count), sink.batch)
        if samples:
            async with sink.connect(journal.place) as session:
                await session.take_events((), journal.count)
        metrics = SinkMetrics(Telemetry().registry)
        holder = Holder("sink", sink.name, budget=sink.budget_bytes, samples=samples)
        follower = Follower(sink, source, metrics, FollowSettings(), holder=holder, record=lambda event, effect: None)
        counter, wanted = (metrics.samples, len(journal.samples)) if samples else (metrics.events, len(journal.rows))
        taken = counter.labels(sink.name, sink.kind)._value
        begun = time.perf_counter()
        task = asyncio.create_task(follower.run())
        while taken.get() < wanted:
            await asyncio.sleep(0.002)
        took = time.perf_counter() - begun
        task.cancel()
        await asyncio.wait({task})
        source.close()
        await _count(connection, "sample" if samples else "event", wanted)
    return took


async def _copy(url: str, journal: Journal, *, samples: bool, indexes: bool) -> float:
    table, columns = ("sample", _SAMPLE_COLUMNS) if samples else ("event", ("position", "journal", *EVENT_COLUMNS))
    rows: Sequence[tuple[Any, ...]] = journal.samples if samples else journal.rows
    size = _SAMPLES if samples else _BATCH
    async with _connected(url) as connection:
        like = "INCLUDING INDEXES" if indexes else ""
        await connection.execute(f"CREATE TABLE lineside.bare (LIKE lineside.{table} {like})")
        begun = time.perf_counter()
        for at in range(0, len(rows), size):
            await connection.copy_records_to_table(
                "bare", schema_name="lineside", columns=columns, records=rows[at : at + size]
            )
        took = time.perf_counter() - begun
        await _count(connection, "bare", len(rows))
    return took


def run(pairs: int, count: int) -> list[Row]:
    """count: events; ten times as many samples."""
    with _server() as server, tempfile.TemporaryDirectory() as folder:
        say(f"a journal of {count:,} events and {count * 10:,} samples …")
        journal = Journal(Path(folder) / "journal.db", count)
        return [row for samples in (False, True) for row in _rows(server, journal, pairs, samples=samples)]


def _rows(server: Server, journal: Journal, pairs: int, *, samples: bool) -> list[Row]:
    sides: dict[str, Callable[[str], Awaitable[float]]] = {
        "sink": lambda url: _sink(url, journal, samples=samples),
        "copy": lambda url: _copy(url, journal, samples=samples, indexes=True),
        "bare": lambda url: _copy(url, journal, samples=samples, indexes=False),
    }
    what, many = ("samples", journal.count * 10) if samples else ("events", journal.count)
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(pairs):
        for side, work in sides.items():
            url = server.database()
            rates[side].append(many / asyncio.run(work(url)))  # type: ignore[arg-type]
            server.sql("postgres", f"DROP DATABASE {url.rpartition('/')[2]}")
        say(f"{what} {number + 1}/{pairs}: " + ", ".join(f"{side} {found[-1]:,.0f}/s" for side, found in rates.items()))
    return [
        against(
            f"{what} from the journal into PostgreSQL", rates["sink"], rates[side], names=("sink", name), target=None
        )
        for side, name in (("copy", "COPY, same indexes"), ("bare", "COPY, no index"))
    ]


@contextmanager
def _server() -> Any:
    yield from running()
