"""The SQL of the history: both layouts, partitions by month, conditions."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.errors import NotConnected
from gateway.core.times import FIRST, LAST, parse_rfc3339
from gateway.journal.filter import Choice, Filter
from gateway.sinks.postgres.database import check_server
from gateway.sinks.postgres.migrate import AHEAD, History, Partitions, check, month, months_ahead, partition
from gateway.sinks.postgres.rows import EVENT_COLUMNS, SAMPLE_COLUMNS
from gateway.sinks.postgres.schema import MIGRATIONS, PARTITIONED, Layout
from gateway.sinks.postgres.where import Where


def _whole(layout: Layout) -> str:
    return "".join(migration.statements(layout) for migration in MIGRATIONS)


def test_native_partitions() -> None:
    text = _whole(Layout.NATIVE)
    assert text.count("PARTITION BY RANGE (received)") == len(PARTITIONED)
    assert "hypertable" not in text


def test_hypertables_of_timescaledb() -> None:
    """By its documentation: plain tables that are turned over while they are empty, and no unique index without the
    column that they are cut by."""
    text = _whole(Layout.TIMESCALEDB)
    assert "PARTITION BY" not in text
    for table in PARTITIONED:
        made, turned = text.index(f"CREATE TABLE lineside.{table} ("), text.index(f"create_hypertable('lineside.{table}', 'received'")  # fmt: skip
        assert made < turned < text.index(f"INDEX {table}_")
    for columns in re.findall(r"CREATE UNIQUE INDEX \w+ ON lineside\.(?:event|sample) \(([^)]*)\)", text):
        assert "received" in columns


async def test_hypertables_need_no_partitions() -> None:
    await Partitions(Layout.TIMESCALEDB).make(None, [(2026, 11)])  # asks nothing of a connection


@pytest.mark.parametrize("layout", list(Layout))
def test_a_batch_has_the_columns_of_the_rows(layout: Layout) -> None:
    found = dict(re.findall(r"TEMP TABLE batch_(\w+) [^;]*?AS SELECT (.*) FROM", _whole(layout)))
    assert {kind: tuple(columns.split(", ")) for kind, columns in found.items()} == {
        "event": EVENT_COLUMNS,
        "sample": SAMPLE_COLUMNS,
    }


def test_months() -> None:
    at = parse_rfc3339("2026-11-30T23:59:59.999999Z")
    assert month(at) == (2026, 11)
    assert month(at + 1) == (2026, 12)
    assert months_ahead(at) == [(2026, 11), (2026, 12), (2027, 1)]
    assert len(months_ahead(at)) == AHEAD
    assert (month(-(2**63)), month(2**63 - 1)) == (month(FIRST), month(LAST)) == ((1, 1), (9999, 12))


def test_a_partition_is_attached() -> None:
    assert partition("event", (2026, 12)) == (
        "CREATE TABLE lineside.event_2026_12 (LIKE lineside.event INCLUDING DEFAULTS);\n"
        "ALTER TABLE lineside.event ATTACH PARTITION lineside.event_2026_12 FOR VALUES "
        "FROM ('2026-12-01T00:00:00+00:00') TO ('2027-01-01T00:00:00+00:00');"
    )
    assert partition("sample", (9999, 12)).endswith("FROM ('9999-12-01T00:00:00+00:00') TO (MAXVALUE);")


def test_a_database_of_a_later_version() -> None:
    known = len(MIGRATIONS)
    check(History("a", 0, known + 1, known, Layout.NATIVE))  # it only added something
    with pytest.raises(NotConnected, match="later Lineside"):
        check(History("a", 0, known + 1, known + 1, Layout.NATIVE))


def test_a_server_that_is_too_old() -> None:
    def of(major: int) -> Any:
        return SimpleNamespace(get_server_version=lambda: SimpleNamespace(major=major))

    check_server(of(13))
    with pytest.raises(NotConnected, match="PostgreSQL 12"):
        check_server(of(12))


def test_no_value_is_written_into_a_statement() -> None:
    nasty = "x' OR 1=1; --"
    choice = Choice((nasty, nasty + "*"), (nasty, nasty + "*"))
    where = Where()
    where.wanted(Filter(line=choice, station=choice, message=choice, unit=choice, start=5, end=6))
    assert nasty not in str(where)
    assert str(where).count("$") == len(where.values)
    assert str(Where()) == "true"
