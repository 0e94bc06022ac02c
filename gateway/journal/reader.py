"""Reading the journal: pages of events, gaps, quarantine, station states. Every call is one short read transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, and_, func, not_, or_, select
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import CursorGone, JournalError
from gateway.core.event import Event, Origin, Place
from gateway.core.times import Micros
from gateway.journal import schema
from gateway.journal.database import reader_engine
from gateway.journal.filter import Choice, Filter
from gateway.journal.rows import row_event, uuid_bytes, uuid_text

T = TypeVar("T")
_e, _p, _m = schema.event.c, schema.place.c, schema.message.c
_EVENT = (
    select(*schema.event.columns, _p.line, _p.station, _p.handle, _m.name, _p.site, _p.gateway)
    .join(schema.place, _p.id == _e.place)
    .join(schema.message, _m.id == _e.message)
)
_ORIGINS = tuple(Origin)


_STEPS = 100_000
"""Of SQLite's machine between two looks at the clock: some milliseconds."""


class Placed(msgspec.Struct, frozen=True):
    """An event with the place it was stored under (the gateway may have been renamed since)."""

    event: Event
    place: Place


class Page(msgspec.Struct, frozen=True):
    """Events in cursor order; `next` is the last position scanned, `more` whether there is more up to `head`."""

    events: list[Placed]
    next: int
    more: bool
    head: int


class Last(msgspec.Struct, frozen=True):
    """The newest event of a station, without what it says."""

    seq: int
    id: str
    time: Micros
    received: Micros
    message: str


class Gap(msgspec.Struct, frozen=True):
    """A time in which a machine may have said something that we do not have; `end` None while it lasts."""

    id: str
    source: str
    station: str | None
    cause: str
    basis: str
    recovered: str | None
    start: Micros
    end: Micros | None
    opened_seq: int
    closed_seq: int | None


class Quarantined(msgspec.Struct, frozen=True):
    """What could not be understood; its bytes come from `Reader.quarantine_raw`."""

    id: int
    source: str
    station: str | None
    channel: str
    reason: str
    detail: str
    digest: str
    size: int
    first: Micros
    last: Micros
    count: int


class Reader:
    """Runs its queries on threads of its own, so that a long one holds up neither the event loop nor the writer.

    scan: how many positions one page may look at; a filter that fits nothing in them gives an empty page with a moved
    `next`, so that no read transaction lasts long. page_bytes: a page ends with the event that brings it to this many.
    longest_s: what takes longer is interrupted: while it reads, the WAL cannot be cut.
    """

    def __init__(
        self, path: Path, *, threads: int = 4, scan: int = 200_000, page_bytes: int = 4 << 20, longest_s: float = 10.0
    ) -> None:
        self._engine = reader_engine(path, connections=threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="journal-read")
        self._scan = scan
        self._page_bytes = page_bytes
        self._longest_s = longest_s
        with self._engine.connect() as connection:
            found: str = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'journal'").scalar_one()
        self.journal = found

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._engine.dispose()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """One piece of work on a connection of a reading thread. Raises JournalError when the file cannot be read."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.call, work)

    def call(self, work: Callable[[Connection], T]) -> T:
        """For callers without an event loop. Raises JournalError when the file cannot be read."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")  # one snapshot for all that it reads
                deadline = time.monotonic() + self._longest_s
                driver = connection.connection.driver_connection
                assert driver is not None
                driver.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
                try:
                    return work(connection)
                finally:
                    driver.set_progress_handler(None, 0)
                    connection.exec_driver_sql("ROLLBACK")
        except DatabaseError as error:
            raise JournalError(f"the journal cannot be read: {error.orig}") from error

    # -- events

    async def bounds(self) -> tuple[int, int]:
        """(oldest seq still there, head); oldest is head + 1 when there is none."""
        return await self.run(_bounds)

    async def events(self, after: int, limit: int, wanted: Filter) -> Page:
        """The next page behind position `after` (0: from the oldest).

        Raises CursorGone `expired` when events behind `after` were removed already, `future` beyond the head.
        """
        return await self.run(lambda connection: self.page(connection, after, limit, wanted))

    def page(self, connection: Connection, after: int, limit: int, wanted: Filter, *, exact: bool = False) -> Page:
        """The same within a caller's connection. `exact`: position 0 is a position like any other, so that it too
        expires when the first event is removed."""
        oldest, head = _bounds(connection)
        check_position(after, oldest, head, exact=exact)
        after = max(after, oldest - 1)
        end = min(head, after + self._scan)
        # Which ones first, over indexes alone, then their rows: sorting rows with bodies took a hundred times as long.
        chosen = _where(select(_e.seq), wanted, after, end).where(_e.seq > after, _e.seq <= end)
        rows = connection.execute(_EVENT.where(_e.seq.in_(chosen.order_by(_e.seq).limit(limit))).order_by(_e.seq))
        events: list[Placed] = []
        size = 0
        for row in rows:  # fetched as it goes, so that a page of huge messages ends early
            events.append(_placed(row, self.journal))
            size += len(events[-1].event.raw)
            if size >= self._page_bytes:
                break
        rows.close()
        full = len(events) == limit or size >= self._page_bytes
        last = events[-1].event.seq if full else end
        return Page(events, last, last < head, head)

    async def event(self, id_: str) -> Placed | None:
        """One event by its id (canonical UUID text), or None."""

        def work(connection: Connection) -> Placed | None:
            row = connection.execute(_EVENT.where(_e.id == uuid_bytes(id_))).first()
            return None if row is None else _placed(row, self.journal)

        return await self.run(work)

    # -- the rest

    async def gaps(self, *, after: int = 0, limit: int = 100, station: str | None = None) -> list[Gap]:
        """In the order in which they opened, behind the opening position `after`."""
        g = schema.gap.c
        query = select(*schema.gap.columns).where(g.opened_seq > after).order_by(g.opened_seq).limit(limit)
        if station is not None:
            query = query.where(g.station == station)
        rows = await self.run(lambda connection: connection.execute(query).all())
        return [Gap(uuid_text(r[0]), r[2], r[1], r[3], r[4], r[5], r[6], r[7], r[8], r[9]) for r in rows]

    async def quarantined(
        self, *, after: int = 0, limit: int = 100, source: str | None = None, reason: str | None = None
    ) -> list[Quarantined]:
        """In the order of their numbers, behind `after`."""
        q = schema.quarantine.c
        columns = [q[name] for name in Quarantined.__struct_fields__]
        query = select(*columns).where(q.id > after).order_by(q.id).limit(limit)
        if source is not None:
            query = query.where(q.source == source)
        if reason is not None:
            query = query.where(q.reason == reason)
        rows = await self.run(lambda connection: connection.execute(query).all())
        return [Quarantined(**{**row._mapping, "digest": row.digest.hex()}) for row in rows]

    async def quarantine_raw(self, id_: int) -> bytes | None:
        """The bytes as they came, up to the payload cap."""
        q = schema.quarantine.c
        raw: bytes | None = await self.run(
            lambda connection: connection.execute(select(q.raw).where(q.id == id_)).scalar()
        )
        return raw

    async def last_events(self, stations: list[str]) -> dict[str, Last]:
        """The newest event of each of these stations."""

        def work(connection: Connection) -> dict[str, Last]:
            found: dict[str, int] = {}
            for number, station in connection.execute(select(_p.id, _p.station).where(_p.station.in_(stations))):
                seq = connection.exec_driver_sql("SELECT max(seq) FROM event WHERE place = ?", (number,)).scalar()
                if seq is not None:
                    found[station] = max(seq, found.get(station, 0))
            stations_of = {seq: station for station, seq in found.items()}
            rows = connection.execute(
                select(_e.seq, _e.id, _e.time, _e.received, _m.name)
                .join(schema.message, _m.id == _e.message)
                .where(_e.seq.in_(stations_of))
            )
            return {stations_of[row[0]]: Last(row[0], uuid_text(row[1]), *row[2:]) for row in rows}

        return await self.run(work)


def check_position(after: int, oldest: int, head: int, *, exact: bool = False) -> None:
    """Raises CursorGone when reading behind `after` would skip events or the position does not exist yet.

    0 stands for the oldest, whatever that is, unless `exact`."""
    if after > head:
        raise CursorGone("future", f"position {after} is beyond the head {head}")
    if after < oldest - 1 and (exact or after > 0):
        raise CursorGone("expired", f"position {after} is older than the oldest event {oldest}")


def _bounds(connection: Connection) -> tuple[int, int]:
    head = int(connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'head'").scalar_one())
    oldest = connection.exec_driver_sql("SELECT min(seq) FROM event").scalar()
    return (head + 1 if oldest is None else oldest), head


def _placed(row: Any, journal: str) -> Placed:
    return Placed(row_event(row[:-2]), Place(journal, row[-2], row[-1]))


def _where(query: Select[Any], wanted: Filter, after: int, end: int) -> Select[Any]:
    places = [
        clause for clause in (_choice(_p.line, wanted.line), _choice(_p.station, wanted.station)) if clause is not None
    ]
    if places:
        query = query.where(_e.place.in_(select(_p.id).where(*places)))
    name = _choice(_m.name, wanted.message)
    if name is not None:
        query = query.where(_e.message.in_(select(_m.id).where(name)))
    if wanted.origin.wanted:
        query = query.where(_e.origin.in_([i for i, o in enumerate(_ORIGINS) if wanted.origin.accepts(o)]))
    if wanted.origin.unwanted:
        query = query.where(_e.origin.not_in([i for i, o in enumerate(_ORIGINS) if o in wanted.origin.unwanted]))
    if wanted.start is not None:
        query = query.where(_e.time >= wanted.start)
    if wanted.end is not None:
        query = query.where(_e.time < wanted.end)
    if wanted.unit.wanted:
        query = query.where(_e.seq.in_(_unit_seqs(wanted.unit.wanted, after, end)))
    if wanted.unit.unwanted:
        query = query.where(_e.seq.not_in(_unit_seqs(wanted.unit.unwanted, after, end)))
    return query


def _unit_seqs(names: tuple[str, ...], after: int, end: int) -> Select[Any]:
    units, links = schema.unit.c, schema.event_unit.c
    return select(links.seq).where(
        links.unit.in_(select(units.id).where(units.name.in_(names))), links.seq > after, links.seq <= end
    )


def _choice(column: Any, choice: Choice) -> Any:
    def fits(patterns: tuple[str, ...]) -> Any:
        exact = [pattern for pattern in patterns if not pattern.endswith("*")]
        prefixes = [pattern[:-1] for pattern in patterns if pattern.endswith("*")]
        # LIKE would not tell upper from lower case
        return or_(column.in_(exact), *(func.substr(column, 1, len(prefix)) == prefix for prefix in prefixes))

    clauses = []
    if choice.wanted:
        clauses.append(fits(choice.wanted))
    if choice.unwanted:
        clauses.append(or_(column.is_(None), not_(fits(choice.unwanted))))
    return and_(*clauses) if clauses else None
