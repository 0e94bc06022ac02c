"""Reading the plant's history: pages of events behind a position, single ones, and what it knows of stations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import msgspec

from gateway.core.errors import ConfigError, JournalError, NotConnected
from gateway.core.event import Place
from gateway.journal.filter import Choice, Filter
from gateway.journal.reader import Gap, Placed, check_position
from gateway.sinks.postgres.address import shown
from gateway.sinks.postgres.database import SESSION, check_server, configure, reason, translated
from gateway.sinks.postgres.migrate import History, check, history
from gateway.sinks.postgres.rows import HistoryEvent, row_event
from gateway.sinks.postgres.schema import MIGRATIONS
from gateway.sinks.postgres.schema_2 import CHANNEL
from gateway.sinks.postgres.text import escaped, key, restored
from gateway.sinks.postgres.where import Where

_SIZE = "octet_length(body) + coalesce(octet_length(raw), octet_length(before) + octet_length(after), 0) AS size"
_BOUNDS = "SELECT head, (SELECT min(position) FROM lineside.event) AS oldest FROM lineside.history"
_ANY = Choice()
_TURN_S = 10.0
"""Longest wait for a connection that others are using."""


class HistoryPage(msgspec.Struct, frozen=True):
    """As `gateway.journal.reader.Page`, by positions of the history."""

    events: list[HistoryEvent]
    next: int
    more: bool
    head: int


class HistoryStation(msgspec.Struct, frozen=True):
    """A station of some gateway, with its newest event and its newest change of state."""

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
    async def snapshot(self) -> AsyncIterator[Any]:
        """A connection with one view for all that is read there. Raises JournalError when the database cannot be had, or
        takes too long."""
        try:
            with translated("the history cannot be read"):
                async with (
                    self._pool.acquire(timeout=_TURN_S) as connection,
                    connection.transaction(isolation="repeatable_read", readonly=True),
                ):
                    yield connection
        except NotConnected as error:
            if isinstance(error.__cause__, asyncpg.QueryCanceledError):
                raise JournalError("this takes the database too long; ask for less at once") from error
            raise JournalError(str(error)) from error

    async def now(self) -> tuple[str, int]:
        """The id of the history, and its head. The id is another one when it was put back from a backup."""
        async with self.snapshot() as connection:
            row = await connection.fetchrow("SELECT id, head FROM lineside.history")
        return row["id"], row["head"]

    async def bounds(self) -> tuple[int, int]:
        """(oldest position still there, head); oldest is head + 1 when there is none."""
        async with self.snapshot() as connection:
            return await _bounds(connection)

    async def page(
        self,
        after: int,
        limit: int,
        wanted: Filter,
        *,
        site: Choice = _ANY,
        gateway: Choice = _ANY,
        exact: bool = False,
    ) -> HistoryPage:
        """The next page behind position `after`. `exact`: 0 is a position like any other. Raises CursorGone."""
        async with self.snapshot() as connection:
            oldest, head = await _bounds(connection)
            check_position(after, oldest, head, exact=exact)
            after = max(after, oldest - 1)
            end = head if wanted.unit.wanted else min(head, after + self._scan)
            where = Where()
            where.add(f"position > {where.bind(after)} AND position <= {where.bind(end)}")
            where.wanted(wanted)
            where.places(site, gateway)
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
        async with self.snapshot() as connection:
            row = await connection.fetchrow("SELECT * FROM lineside.event WHERE id = $1 ORDER BY position LIMIT 1", id_)
        if row is None:
            return None
        found = row_event(row)
        return Placed(found.own(), found.place)

    async def stations(
        self, id_: str | None = None, *, site: Choice = _ANY, gateway: Choice = _ANY
    ) -> list[HistoryStation]:
        """All, or those of this id: several gateways may use the same."""
        where = Where()
        where.places(site, gateway)
        if id_ is not None:
            where.add(f"station = {where.bind(key(id_))}")
        async with self.snapshot() as connection:
            rows = await connection.fetch(
                f"SELECT * FROM lineside.station WHERE {where} ORDER BY site, gateway, station", *where.values
            )
            events = await self._at(
                connection, [row[name] for row in rows for name in ("last_position", "state_position")]
            )
        return [
            HistoryStation(
                restored(row["station"]),
                None if row["line"] is None else restored(row["line"]),
                restored(row["site"]),
                restored(row["gateway"]),
                events.get(row["last_position"]),
                events.get(row["state_position"]),
            )
            for row in rows
        ]

    async def gaps(
        self, after: int, limit: int, station: str | None, *, site: Choice = _ANY, gateway: Choice = _ANY
    ) -> list[tuple[Gap, Place]]:
        """Those that opened behind position `after`, in that order. The journal of a place is not known here."""
        where = Where()
        where.add(f"opened > {where.bind(after)}")
        where.places(site, gateway)
        if station is not None:
            where.add(f"station = {where.bind(escaped(station))}")
        async with self.snapshot() as connection:
            rows = await connection.fetch(
                f"SELECT * FROM lineside.gap WHERE {where} ORDER BY opened LIMIT {limit}", *where.values
            )
        return [(_gap(row), Place("", restored(row["site"]), restored(row["gateway"]))) for row in rows]

    @asynccontextmanager
    async def notices(self, told: Callable[[], None]) -> AsyncIterator[Callable[[], bool]]:
        """While it lasts, `told` is called whenever events were added, and when that will not be said any more: from
        then on what is given answers False. So it does where nothing is ever said, as by a standby. Raises JournalError."""
        try:
            with translated("the history cannot be followed"):
                connection = await self._pool.acquire(timeout=_TURN_S)
        except NotConnected as error:
            raise JournalError(str(error)) from error
        said = asyncio.Event()

        def ended(_: Any) -> None:
            said.clear()
            told()

        connection.add_termination_listener(ended)
        try:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await connection.add_listener(CHANNEL, lambda *_: told())
                said.set()
            yield said.is_set
        finally:
            with suppress(asyncpg.InterfaceError):  # it may have ended, and gone back, by itself
                connection.terminate()
            await self._pool.release(connection)

    async def _at(self, connection: Any, positions: Sequence[int | None]) -> dict[int, HistoryEvent]:
        rows = await connection.fetch("SELECT * FROM lineside.event WHERE position = ANY($1::bigint[])", positions)
        return {row["position"]: row_event(row) for row in rows}


def _gap(row: Any) -> Gap:
    return Gap(
        id=row["id"],
        source=row["source"],
        station=None if row["station"] is None else restored(row["station"]),
        cause=row["cause"],
        basis=row["basis"] or "",
        recovered=row["recovered"],
        start=row["start"],
        end=row["end"],
        opened_seq=row["opened"],
        closed_seq=row["closed"],
    )


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
    if found.version < len(MIGRATIONS):
        raise NotConnected(
            f"the history in {shown(url)} is of an earlier version; the first gateway of this one that connects brings it up"
        )
    return found
