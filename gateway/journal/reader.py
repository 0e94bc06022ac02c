"""Reading the journal: pages of events, gaps, quarantine, station states. Every call is one short read transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import CursorGone, JournalError
from gateway.core.event import Event, Place
from gateway.core.times import Micros
from gateway.journal import schema
from gateway.journal.bodies import Bodies
from gateway.journal.database import reader_engine
from gateway.journal.event_state import events_gone, head
from gateway.journal.filter import Filter
from gateway.journal.postings import newest
from gateway.journal.rows import row_event, uuid_bytes, uuid_text
from gateway.journal.search import search

T = TypeVar("T")
_e, _p, _m = schema.event.c, schema.place.c, schema.message.c
_EVENT = (
    select(*schema.event.columns, _p.line, _p.station, _p.handle, _m.name, _p.site, _p.gateway)
    .join(schema.place, _p.id == _e.place)
    .join(schema.message, _m.id == _e.message)
)


_ROWS = 100
"""Events that are read in one statement."""
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

    scan: how many events one page may look at, of those that the indexes lead to; where fewer than a page of them fit the
    filter, it is shorter or empty with a moved `next`, so that no read transaction lasts long. page_bytes: a page ends with the event that brings it to this many.
    longest_s: what takes longer is interrupted: while it reads, the WAL cannot be cut.
    """

    def __init__(
        self, path: Path, *, threads: int = 4, scan: int = 200_000, page_bytes: int = 4 << 20, longest_s: float = 10.0
    ) -> None:
        self._engine = reader_engine(path, connections=threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="journal-read")
        self._bodies = Bodies()
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
        # Which ones first, then their rows.
        found = search(connection, wanted, after=after, upto=head, limit=limit, most=self._scan)
        events: list[Placed] = []
        size = 0
        for portion in _portions(found.numbers):
            rows = connection.execute(_EVENT.where(_e.seq.in_(portion)).order_by(_e.seq))
            for row in rows:  # fetched as it goes, so that a page of huge messages ends early
                events.append(self._placed(connection, row))
                size += len(events[-1].event.raw)
                if size >= self._page_bytes:
                    rows.close()
                    last = events[-1].event.seq
                    return Page(events, last, last < head, head)
        return Page(events, found.upto, found.upto < head, head)

    def _placed(self, connection: Connection, row: Any) -> Placed:
        whole = self._bodies.row(connection, row)
        return Placed(row_event(whole[:-2]), Place(self.journal, row[-2], row[-1]))

    async def event(self, id_: str) -> Placed | None:
        """One event by its id (canonical UUID text), or None."""

        def work(connection: Connection) -> Placed | None:
            row = connection.execute(_EVENT.where(_e.id == uuid_bytes(id_))).first()
            return None if row is None else self._placed(connection, row)

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
            known = connection.execute(select(_p.id, _p.station).where(_p.station.in_(stations)))
            places: dict[int, str] = dict(tuple(row) for row in known)
            found: dict[str, int] = {}
            for number, seq in newest(connection, places).items():
                found[places[number]] = max(seq, found.get(places[number], 0))
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
    return events_gone(connection) + 1, head(connection)


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Few first: a page of huge messages ends with them."""
    yield from (numbers[at : at + _ROWS] for at in range(0, len(numbers), _ROWS))
