"""What the plant's history has of a journal: everything, exactly, once; and what it does with what it cannot take."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import msgspec
import pytest

from gateway.core.event import CfxHeader, Event, Origin, Role, TimeQuality, UnitRef, encode
from gateway.core.sample import Quality, Value
from gateway.journal.filter import Filter
from gateway.journal.reader import Reader
from gateway.journal.retention import RetentionLimits
from gateway.sinks.follow import SinkState
from gateway.sinks.postgres.reader import open_history
from gateway.sinks.postgres.rows import row_event, sample_value
from gateway.sinks.postgres.text import ESCAPE
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
        assert json.loads(gap.body) == {"Sink": "plant", "What": "events", "First": 6, "Last": 50, "Cause": "expired"}
        assert of.metric("missed_total") == 45


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
