"""Reading the plant's history: pages of events behind a position, single ones, and what it knows of stations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from gateway.core.errors import ConfigError, JournalError, NotConnected
from gateway.journal.filter import Filter
from gateway.journal.reader import Placed, check_position
from gateway.sinks.postgres.address import shown
from gateway.sinks.postgres.database import SESSION, check_server, configure, reason, translated
from gateway.sinks.postgres.migrate import History, check, history
from gateway.sinks.postgres.rows import HistoryEvent, row_event
from gateway.sinks.postgres.text import key, restored
from gateway.sinks.postgres.where import Where

_SIZE = "octet_length(body) + coalesce(octet_length(raw), octet_length(before) + octet_length(after), 0) AS size"
_BOUNDS = "SELECT head, (SELECT min(position) FROM lineside.event) AS oldest FROM lineside.history"
_STATE = "CFX.ResourcePerformance.StationStateChanged"
_TURN_S = 10.0
"""Longest wait for a connection that others are using."""
_STATE_SCAN = 200_000
"""How far back the last state of a station is looked for."""


class HistoryPage(msgspec.Struct, frozen=True):
    """As `gateway.journal.reader.Page`, by positions of the history."""

    events: list[HistoryEvent]
    next: int
    more: bool
    head: int


class HistoryStation(msgspec.Struct, frozen=True):
    """A station of some gateway, with its newest event and, of those that are not too far back, its newest change of
    state."""

    id: str
    line: str | None
    site: str
    gateway: str
    last: HistoryEvent | None
    state: HistoryEvent | None


class HistoryReader:
    """scan: how many positions a page may look at, where no unit is asked for, so that none takes long. page_bytes: a
    page ends with the event that brings it to this many."""

    def __init__(self, pool: Any, found: History, *, scan: int = 200_000, page_bytes: int = 4 << 20) -> None:
        self.id = found.id
        self._pool = pool
        self._scan = scan
        self._page_bytes = page_bytes

    async def close(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Any]:
        """One view for all that it reads. Raises JournalError when the database cannot be had."""
        try:
            with translated("the history cannot be read"):
                async with (
                    self._pool.acquire(timeout=_TURN_S) as connection,
                    connection.transaction(isolation="repeatable_read", readonly=True),
                ):
                    yield connection
        except NotConnected as error:
            raise JournalError(str(error)) from error

    async def now(self) -> tuple[str, int]:
        """The id of the history, and its head. The id is another one when it was put back from a backup."""
        async with self._snapshot() as connection:
            row = await connection.fetchrow("SELECT id, head FROM lineside.history")
        return row["id"], row["head"]

    async def bounds(self) -> tuple[int, int]:
        """(oldest position still there, head); oldest is head + 1 when there is none."""
        async with self._snapshot() as connection:
            return await _bounds(connection)

    async def page(self, after: int, limit: int, wanted: Filter, *, exact: bool = False) -> HistoryPage:
        """The next page behind position `after`. `exact`: 0 is a position like any other. Raises CursorGone."""
        async with self._snapshot() as connection:
            oldest, head = await _bounds(connection)
            check_position(after, oldest, head, exact=exact)
            after = max(after, oldest - 1)
            end = head if wanted.unit.wanted else min(head, after + self._scan)
            where = Where()
            where.add(f"position > {where.bind(after)} AND position <= {where.bind(end)}")
            where.wanted(wanted)
            # Which ones first: rows with their bodies are only read of those that the page has room for.
            chosen = await connection.fetch(
                f"SELECT position, {_SIZE} FROM lineside.event WHERE {where} ORDER BY position LIMIT {limit}",
                *where.values,
            )
            positions, full = self._fitting(chosen, limit)
            rows = await connection.fetch(
                "SELECT * FROM lineside.event WHERE position = ANY($1::bigint[]) ORDER BY position", positions
            )
        last = positions[-1] if full else end
        return HistoryPage([row_event(row) for row in rows], last, last < head, head)

    def _fitting(self, chosen: Sequence[Any], limit: int) -> tuple[list[int], bool]:
        positions: list[int] = []
        size = 0
        for row in chosen:
            positions.append(row["position"])
            size += row["size"]
            if size >= self._page_bytes:
                return positions, True
        return positions, len(positions) == limit

    async def event(self, id_: str) -> Placed | None:
        """One event by its id (canonical UUID text); the first that came, should several gateways have it."""
        async with self._snapshot() as connection:
            row = await connection.fetchrow("SELECT * FROM lineside.event WHERE id = $1 ORDER BY position LIMIT 1", id_)
        if row is None:
            return None
        found = row_event(row)
        return Placed(found.own(), found.place)

    async def stations(self, id_: str | None = None) -> list[HistoryStation]:
        """All, or those of this id: several gateways may use the same."""
        async with self._snapshot() as connection:
            _, head = await _bounds(connection)
            stations = await connection.fetch(
                "SELECT * FROM lineside.station WHERE $1::text IS NULL OR station = $1 ORDER BY site, gateway, station",
                None if id_ is None else key(id_),
            )
            newest = await self._at(connection, [row["last_position"] for row in stations])
            states = await connection.fetch(
                "SELECT DISTINCT ON (site, gateway, station) site, gateway, station, position FROM lineside.event "
                "WHERE message = $1 AND position > $2 ORDER BY site, gateway, station, position DESC",
                _STATE,
                head - _STATE_SCAN,
            )
            changes = await self._at(connection, [row["position"] for row in states])
        of = {(row["site"], row["gateway"], row["station"]): row["position"] for row in states}
        return [
            HistoryStation(
                restored(row["station"]),
                None if row["line"] is None else restored(row["line"]),
                restored(row["site"]),
                restored(row["gateway"]),
                newest.get(row["last_position"]),
                changes.get(of.get((row["site"], row["gateway"], row["station"]), 0)),
            )
            for row in stations
        ]

    async def _at(self, connection: Any, positions: Sequence[int]) -> dict[int, HistoryEvent]:
        rows = await connection.fetch("SELECT * FROM lineside.event WHERE position = ANY($1::bigint[])", positions)
        return {row["position"]: row_event(row) for row in rows}


async def _bounds(connection: Any) -> tuple[int, int]:
    row = await connection.fetchrow(_BOUNDS)
    head: int = row["head"]
    oldest: int | None = row["oldest"]
    return (head + 1 if oldest is None else oldest), head


async def open_history(
    url: str, *, password: str | None = None, connections: int = 8, longest_s: float = 10.0
) -> HistoryReader:
    """longest_s: what takes longer is interrupted. Raises NotConnected when it cannot be had or is none."""
    limit = f"{int(longest_s * 1000)}ms"
    settings = {**SESSION, "default_transaction_read_only": "on", "statement_timeout": limit}
    pool: Any = None
    try:
        with translated(f"cannot connect to {shown(url)}"):
            pool = await asyncpg.create_pool(
                url,
                password=password,
                min_size=0,  # or it tries again and again by itself while the database is away
                max_size=connections,
                init=configure,
                timeout=10,
                command_timeout=longest_s + 5,
                server_settings={"application_name": "lineside serve", **settings},
            )
            async with pool.acquire() as connection:
                check_server(connection)
                there = _there(await history(connection), url)
    except BaseException as error:
        if pool is not None:
            pool.terminate()
        if isinstance(error, ValueError | asyncpg.exceptions.ClientConfigurationError):
            raise ConfigError([f"the database's URL cannot be used: {reason(error)}"]) from None
        raise
    return HistoryReader(pool, there)


def _there(found: History | None, url: str) -> History:
    if found is None:
        raise NotConnected(f"there is no history in {shown(url)}; a gateway with a sink of kind `postgres` makes it")
    check(found)
    return found
