"""What the plant's history has of a journal: everything, exactly, once; and what it does with what it cannot take."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import NotConnected
from gateway.core.event import CfxHeader, Event, Origin, Place, Role, TimeQuality, UnitRef, encode
from gateway.core.sample import Quality, Value
from gateway.journal.filter import Filter
from gateway.journal.reader import Placed, Reader
from gateway.journal.retention import RetentionLimits
from gateway.sinks.follow import SinkState
from gateway.sinks.postgres.reader import open_history
from gateway.sinks.postgres.rows import row_event, sample_value
from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.postgres.sink import Postgres as Sink
from gateway.sinks.postgres.text import ESCAPE
from gateway.sinks.sink import Sampled
from tests.build import FAST
from tests.integration.postgres.journals import Line, asking, delivered, event, following, line, sample, until
from tests.servers.postgres import Postgres
from tests.unit.journal.compacting import NOW

pytestmark = pytest.mark.postgres

HUGE = "x" * 100_000
NASTY = "a\0b\\\"'{},%s " + ESCAPE + "0\u202e\U0001f600\n"


def _odd() -> list[Event]:
    return [
        event(1),
        event(2, unit_refs=tuple(UnitRef(NASTY, n, Role.CARRIER, "Pass") for n in range(1, 4)), also_units=(NASTY, "PNL-0")),
        event(3, unit_refs=(UnitRef(HUGE), UnitRef(None, 2)), message=f"CFX.{HUGE}", handle=HUGE, station=f"L1.{HUGE}"),
        event(4, message=f"X.{NASTY}", handle=NASTY, stage=NASTY, transaction=NASTY, cfx=CfxHeader(NASTY, None, NASTY, HUGE)),
        event(6, body=b"null", raw=b'{"MessageName":"A","MessageBody":null}'),
        event(7, body=b'{"Text":"\\u0000 \\ud800"}'),
        event(8, origin=Origin.DERIVED, handle=None, cfx=None, raw=b'{"A":1}', body=b'{"A":1}', revises="1d598538-95b3-4e92-a376-1f1907ae5ffd"),
        event(9, line=None, station=None, lane=3, clock_offset_ms=-12, time_quality=TimeQuality.SUSPECT, unit_refs=()),
        event(10, body=b'{"Big":"' + b"y" * 6_000_000 + b'"}'),
        event(11, time=-62_135_596_800_000_000, possible_copy_of="1d598538-95b3-4e92-a376-1f1907ae5ffd"),
        event(12, time=253_402_300_799_999_999, received=253_402_300_799_999_999),
    ]  # fmt: skip


async def _receive_odd(of: Line) -> int:
    await of.put(_odd())
    spaced = b'{ "MessageName" : "CFX.Heartbeat", "MessageBody" : { "A" : 1.0 } }'
    await of.receive(event(5, body=b'{"A":1.0}', raw=spaced), spaced.replace(b" ", b""))
    return len(_odd()) + 1


async def _same(of: Line, url: str) -> None:
    reader = Reader(of.path, page_bytes=1 << 30)
    try:
        wanted = (await reader.events(0, 1000, Filter())).events
    finally:
        reader.close()
    async with asking(url) as connection:
        rows = await connection.fetch("SELECT * FROM lineside.event WHERE journal = $1 ORDER BY seq", of.writer.journal)
    assert len(rows) == len(wanted)
    for row, placed in zip(rows, wanted, strict=True):
        found = row_event(row)
        assert encode(found.own(), found.place) == encode(placed.event, placed.place)
        assert found.raw == placed.event.raw


async def test_every_field_comes_back(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        count = await _receive_odd(of)
        async with following(of, database, batch_events=5) as sink:
            await delivered(of, database)
            assert sink.state is SinkState.PROVEN
            assert sink.tried
        await _same(of, database)
        assert of.metric("events_total") == count
        assert of.metric("events_refused_total") == 0


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        for start in range(0, 30, 10):
            await of.put([event(number) for number in range(start, start + 10)])
            async with following(of, database):
                await delivered(of, database)
        await _same(of, database)
        async with asking(database) as connection:
            # Somebody has tidied up: the events themselves tell how far they go.
            await connection.execute("DELETE FROM lineside.journal")
        await of.put([event(30)])
        async with following(of, database):
            await delivered(of, database)
        await _same(of, database)


VALUES: list[Value] = [1.5, 0.1, -7, 2**53 + 1, -(2**63), True, False, "NASTY " + NASTY, "", HUGE]


async def test_samples_come_back(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        given = [sample(0, value, unit=None) for value in VALUES]
        given.append(sample(0, quality=Quality.UNAVAILABLE, unit=None, signal="s" * 5000))
        unknown = [sample(3, 1.0), sample(3, 2.0, unit="K"), sample(3, 3.0, unit=None)]
        await of.put([event(1)], given + unknown)
        async with following(of, database, batch_samples=4):
            await until(lambda: of.metric("samples_total") == len(given + unknown))
        async with asking(database) as connection:
            rows = await connection.fetch("SELECT * FROM lineside.sample ORDER BY n")
            assert await connection.fetchval("SELECT count(*) FROM lineside.series") == 5
        found = [sample_value(row["kind"], row["value"], row["text"]) for row in rows]
        assert [(value, type(value)) for value in found[: len(VALUES)]] == [(value, type(value)) for value in VALUES]
        assert [(row["time"], row["received"]) for row in rows] == [(s.time, s.received) for s in given + unknown]
        assert len({row["series"] for row in rows[-3:]}) == 3


async def test_samples_that_are_compacted_already(tmp_path: Path, database: str) -> None:
    given = [sample(number, number * 0.25, at=1_790_000_000_000_000 + number * 1_000_000) for number in range(3500)]
    async with line(tmp_path / "a.db", writer=msgspec.structs.replace(FAST, compaction=NOW)) as of:
        await of.put(samples=given)
        await until(lambda: (_one(of, "SELECT min(n) FROM sample") or 0) > 2000, timeout_s=30)
        async with following(of, database, batch_samples=300):
            await until(lambda: of.metric("samples_total") == len(given), timeout_s=30)
    async with asking(database) as connection:
        rows = await connection.fetch("SELECT n, time, received, value FROM lineside.sample ORDER BY n")
    assert [tuple(row) for row in rows] == [(n, s.time, s.received, s.value) for n, s in enumerate(given, 1)]


async def test_events_only(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        await of.put([event(1)], [sample(1)])
        async with following(of, database, samples=False):
            await delivered(of, database)
        async with asking(database) as connection:
            assert await connection.fetchval("SELECT count(*) FROM lineside.sample") == 0


async def test_an_event_that_is_refused_stops_nothing(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        await of.put([event(0)])
        async with following(of, database):
            await delivered(of, database)
        async with asking(database) as connection:
            await connection.execute(
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = 'data_exception'; END$$;"
                "CREATE TRIGGER no BEFORE INSERT ON lineside.event FOR EACH ROW WHEN (NEW.seq = 8) EXECUTE FUNCTION no()"
            )
            await of.put([event(number) for number in range(1, 20)])
            async with following(of, database):
                await delivered(of, database)
            there = [row["seq"] for row in await connection.fetch("SELECT seq FROM lineside.event ORDER BY position")]
            assert there == [seq for seq in range(1, 21) if seq != 8]
            assert of.metric("events_refused_total") == 1
            refused = await connection.fetchrow("SELECT * FROM lineside.refused")
            assert refused["reason"] == "not this one"
            assert json.loads(refused["event"])["body"]["Number"] == 7


async def test_two_connections_of_one_journal(database: str) -> None:
    """Who is behind the other stores nothing; what the library itself cannot send is refused like what the server cannot
    take, and the connection goes on."""
    place = Place("8c1f02aa", "fab1", "line1-pc")
    events = [event(1, seq=1), event(2, seq=2, id="no UUID"), event(3, seq=3)]
    given = Sampled(1, "L1.reflow", "oxygen", None, 1_790_000_000_000_000, 1_790_000_000_000_000, 1.5, Quality.GOOD)
    sink = Sink(PostgresSink(kind="postgres", name="plant", url=database))
    async with sink.connect(place) as one, sink.connect(place) as other:
        await one.take_events([Placed(each, place) for each in events], 3)
        await one.take_samples([given], 1)
        assert (one.event, one.sample, one.refused) == (3, 1, 1)
        with pytest.raises(NotConnected, match="another connection writes journal 8c1f02aa too, and has it at 3"):
            await other.take_events([Placed(events[0], place)], 1)
        assert (other.event, other.refused) == (0, 0)
    async with sink.connect(place) as one, sink.connect(place) as other:
        await one.take_samples([msgspec.structs.replace(given, n=2)], 2)
        with pytest.raises(NotConnected, match="has it at 2"):
            await other.take_samples([msgspec.structs.replace(given, n=2)], 2)
    async with asking(database) as connection:
        seqs = await connection.fetchval("SELECT array_agg(seq ORDER BY position) FROM lineside.event")
        numbers = await connection.fetchval("SELECT array_agg(n ORDER BY n) FROM lineside.sample")
        assert (seqs, numbers) == ([1, 3], [1, 2])
        assert await connection.fetchval("SELECT seq FROM lineside.refused") == 2


async def test_what_retention_removed_is_a_gap_in_delivery(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        await of.put([event(number) for number in range(5)])
        async with following(of, database):
            await delivered(of, database)
        await of.put([event(number) for number in range(5, 50)])
    old = msgspec.structs.replace(FAST, idle_s=0.02, retention=RetentionLimits(days=1e-9, check_s=0.0, rows=50))
    async with line(tmp_path / "a.db", writer=old) as of:
        await until(lambda: _one(of, "SELECT min(seq) FROM event") is None)
    async with line(tmp_path / "a.db") as of:
        await of.put([event(50)])
        async with following(of, database):
            await until(lambda: of.writer.head == 52)
            await delivered(of, database)
        async with asking(database) as connection:
            rows = await connection.fetch("SELECT * FROM lineside.event ORDER BY position")
        assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 51, 52]
        gap = row_event(rows[-1])
        assert gap.message == "Lineside.DeliveryGap"
        said = {"Sink": "plant", "What": "events", "First": 6, "Last": 50, "Cause": "expired"}
        assert json.loads(gap.body).items() >= said.items()
        assert of.metric("missed_total") == 45


async def test_what_the_database_has_not_taken_outlives_its_limit(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        await of.put([event(number) for number in range(5)])
        async with following(of, database):
            await delivered(of, database)
        await of.put([event(number) for number in range(5, 50)])
    old = msgspec.structs.replace(FAST, idle_s=0.02, retention=RetentionLimits(days=1e-9, check_s=0.0, rows=7))
    made = Line(tmp_path / "a.db", "line1-pc", old)
    follower, source = made.follower(database, budget_bytes=20 * 700)
    made.ingest.start()
    try:
        await until(lambda: made.writer.figures.removed["events"] >= 25)
        await until(lambda: made.writer.figures.over is None and _one(made, "SELECT count(*) FROM event") in (20, 21))
        task = asyncio.create_task(follower.run(), name="sink")
        await until(lambda: _one(made, "SELECT count(*) FROM event") == 0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        await made.ingest.stop()
        source.close()
        made.writer.close()
    async with asking(database) as connection:
        rows = await connection.fetch("SELECT * FROM lineside.event ORDER BY position")
    there = [row["seq"] for row in rows]
    assert there == [1, 2, 3, 4, 5, *range(there[5], there[-1] + 1)]
    assert 30 <= there[5] <= 40, "some of the oldest make room for what is said about them"
    gaps = [json.loads(row_event(row).body) for row in rows if row["seq"] > 50]
    assert gaps[0].items() >= {"Sink": "plant", "What": "events", "First": 6, "Cause": "budget"}.items()
    told = [seq for gap in gaps for seq in range(gap["First"], gap["Last"] + 1)]
    assert sum(gap["Count"] for gap in gaps) == len(told)
    assert set(told) >= set(range(6, there[5])), "nothing is missing that was not called so"


def _one(of: Line, query: str) -> int | None:
    """With the journal's own SQLite: another one in this process would give up the writer's locks as it closes the file."""
    reader = Reader(of.path, threads=1)
    try:
        found: int | None = reader.call(lambda connection: connection.exec_driver_sql(query).scalar())
    finally:
        reader.close()
    return found


async def test_one_line_on_loss_and_one_on_recovery(
    tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lineside.sinks")
    name = database.rpartition("/")[2]
    async with line(tmp_path / "a.db") as of:
        await of.put([event(1)])
        async with following(of, database) as sink:
            await delivered(of, database)
            since = sink.since
            async with asking(database.replace(name, "postgres")) as connection:
                await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
                )
                await of.put([event(2)])
                await until(lambda: of.metric("connect_failures_total") > 3)
                assert sink.state is SinkState.DOWN
                assert "not currently accepting connections" in sink.reason
                assert of.metric("up") == 0
                assert sink.since is not None
                assert since is not None
                assert sink.since > since
                await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await delivered(of, database)
            assert of.metric("up") == 1
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in said] == ["INFO", "WARNING", "INFO"], said
    assert database not in str(said)


async def test_the_rights_that_it_takes(tmp_path: Path, postgres: Postgres) -> None:
    """Those that docs/postgres.md names, and no others."""
    url = postgres.database()
    name = url.rpartition("/")[2]
    writer, reader = f"{name}_writer", f"{name}_reader"
    postgres.sql(
        name, f"CREATE ROLE {writer} LOGIN; CREATE ROLE {reader} LOGIN; GRANT CREATE ON DATABASE {name} TO {writer}"
    )
    own = url.replace("postgres@", f"{writer}@")
    async with line(tmp_path / "a.db") as of, following(of, own):
        await of.put([event(1)], [sample(1)])
        await delivered(of, own)
    postgres.sql(
        name, f"GRANT USAGE ON SCHEMA lineside TO {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA lineside TO {reader}"
    )
    async with line(tmp_path / "a.db") as of, following(of, own):
        await of.put([event(2, received=1_600_000_000_000_000)])  # into a partition that was not there yet
        await delivered(of, own)
    history = await open_history(url.replace("postgres@", f"{reader}@"))
    try:
        assert [each.number for each in (await history.page(0, 10, Filter())).events] == [1, 2]
        assert len(await history.stations()) == 1
    finally:
        await history.close()
