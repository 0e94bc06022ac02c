"""Bringing a database to this version's schema, and making its partitions ahead of time."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.core.errors import NotConnected
from gateway.core.times import FIRST, LAST, Micros, to_datetime
from gateway.sinks.postgres.schema import MIGRATIONS, PARTITIONED, Layout
from gateway.sinks.postgres.schema_1 import LOCK_SCHEMA

AHEAD = 3
"""Months for which there are partitions before anything comes for them, the present one included."""


_LONGEST_S = 86_400.0
"""For one migration."""


class History(msgspec.Struct, frozen=True):
    """What a database says of itself. id: the first part of its cursors."""

    id: str
    head: int
    version: int
    needs: int
    layout: Layout


async def history(connection: Any) -> History | None:
    """None where there is none yet."""
    if await connection.fetchval("SELECT to_regclass('lineside.history')") is None:
        return None
    row = await connection.fetchrow("SELECT id, head, version, needs, layout FROM lineside.history")
    return None if row is None else History(row["id"], row["head"], row["version"], row["needs"], Layout(row["layout"]))


async def migrate(connection: Any) -> History:
    """Make the tables, or add what they lack. Whoever comes meanwhile waits. Raises NotConnected when a later version of
    Lineside has changed them so that this one cannot use them."""
    found = await history(connection)
    if found is None or found.version < len(MIGRATIONS):
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK_SCHEMA})")
            found = await history(connection)
            if found is None or found.version < len(MIGRATIONS):
                await _migrate(connection, found)
        found = await history(connection)
        assert found is not None
    check(found)
    return found


def check(found: History) -> None:
    """Raises NotConnected when this version cannot use it."""
    if found.needs > len(MIGRATIONS):
        raise NotConnected(
            f"the database was changed by a later Lineside (schema {found.version}, this one knows {len(MIGRATIONS)})"
        )


async def _migrate(connection: Any, found: History | None) -> None:
    start = 0 if found is None else found.version
    if found is None:
        await connection.execute("CREATE SCHEMA IF NOT EXISTS lineside")
        there = await connection.fetchval("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        layout = Layout.NATIVE if there is None else Layout.TIMESCALEDB
    else:
        layout = found.layout
    await connection.execute("SET LOCAL statement_timeout = 0")  # an index over years of samples takes what it takes
    for migration in MIGRATIONS[start:]:
        await connection.execute(migration.statements(layout), timeout=_LONGEST_S)
    needs = max((n for n, each in enumerate(MIGRATIONS, 1) if each.breaks), default=1)
    if found is None:
        await connection.execute(
            "INSERT INTO lineside.history (id, head, version, needs, layout) VALUES ($1, 0, $2, $3, $4)",
            secrets.token_hex(4), len(MIGRATIONS), needs, layout.value,
        )  # fmt: skip
    else:
        await connection.execute("UPDATE lineside.history SET version = $1, needs = $2", len(MIGRATIONS), needs)


Month = tuple[int, int]


def month(at: Micros) -> Month:
    """Year and month, UTC."""
    found = to_datetime(min(max(at, FIRST), LAST))
    return found.year, found.month


def months_ahead(at: Micros) -> list[Month]:
    year, number = month(at)
    return [(year + (number - 1 + step) // 12, (number - 1 + step) % 12 + 1) for step in range(AHEAD)]


_UNLESS_THERE = f"""
DO $make$ BEGIN
  PERFORM pg_advisory_xact_lock({LOCK_SCHEMA});
  IF to_regclass('lineside.{{0}}') IS NULL THEN
    {{1}}
  END IF;
END $make$
"""


class Partitions:
    """The months that there are partitions for, as far as one connection knows."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: set[Month] = set()

    async def make(self, connection: Any, months: Iterable[Month]) -> None:
        """Those that are missing. Nobody who writes or reads waits for it."""
        missing = sorted(set(months) - self._known) if self._layout is Layout.NATIVE else []
        if not missing:
            return
        for each in missing:
            for table in PARTITIONED:
                if await connection.fetchval("SELECT to_regclass($1)", f"lineside.{name(table, each)}") is None:
                    # In one piece, so that the server makes it whatever becomes of who asked.
                    await connection.execute(_UNLESS_THERE.format(name(table, each), partition(table, each)))
            self._known.add(each)


def name(table: str, of: Month) -> str:
    return f"{table}_{of[0]:04d}_{of[1]:02d}"


def partition(table: str, of: Month) -> str:
    """Made beside the table and then attached: `PARTITION OF` would lock out whoever writes."""
    year, number = of
    start, own = _date(year, number), f"lineside.{name(table, of)}"
    end = f"'{_date(year + number // 12, number % 12 + 1)}'" if of < (9999, 12) else "MAXVALUE"
    return (
        f"CREATE TABLE {own} (LIKE lineside.{table} INCLUDING DEFAULTS);\n"
        f"ALTER TABLE lineside.{table} ATTACH PARTITION {own} FOR VALUES FROM ('{start}') TO ({end});"
    )


def _date(year: int, number: int) -> str:
    return datetime(year, number, 1, tzinfo=UTC).isoformat()
