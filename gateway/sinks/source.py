"""The journal as sinks read it: pages of events and of samples behind a position, and its live end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gateway.core.event import Place
from gateway.journal import schema
from gateway.journal.filter import Filter
from gateway.journal.reader import Placed, Reader
from gateway.journal.sample_follow import Numbered, follow_bounds, following
from gateway.journal.samples import quality
from gateway.journal.tail import Tail
from gateway.sinks.sink import Batch, Sampled

_link, _unit, _series = schema.event_unit.c, schema.unit.c, schema.series.c
_ALL = Filter()


class Events(msgspec.Struct, frozen=True):
    """upto: the last position looked at. head: the newest that there is."""

    events: Sequence[Placed]
    upto: int
    head: int


class Samples(msgspec.Struct, frozen=True):
    samples: Sequence[Sampled]
    upto: int
    head: int


class Source:
    """One journal for one sink, read on a thread of its own: neither may hold up the API."""

    def __init__(self, path: Path, tail: Tail, batch: Batch) -> None:
        self._reader = Reader(path, threads=1, page_bytes=batch.bytes)
        self._batch = batch
        self._series: dict[int, Any] = {}  # station, signal and unit of each
        self.tail = tail

    def close(self) -> None:
        self._reader.close()

    @property
    def place(self) -> Place:
        return self.tail.place

    async def event_bounds(self) -> tuple[int, int]:
        """(oldest still there, newest)."""
        return await self._reader.bounds()

    async def events(self, after: int) -> Events:
        """Raises CursorGone `expired` when retention has overtaken the position, `future` beyond the head."""
        limit = self._batch.events

        def work(connection: Connection) -> Events:
            page = self._reader.page(connection, after, limit, _ALL, exact=True)
            if page.events:
                _add_units(connection, page.events)
            return Events(page.events, page.next, page.head)

        return await self._reader.run(work)

    async def sample_bounds(self) -> tuple[int, int]:
        return await self._reader.run(follow_bounds)

    async def samples(self, after: int) -> Samples:
        """The same for samples, by their own numbers, wherever the journal keeps them by now."""
        limit = self._batch.samples

        def work(connection: Connection) -> Samples:
            page = following(connection, after, limit)
            if any(each.series not in self._series for each in page.samples):
                rows = connection.execute(select(_series.id, _series.station, _series.signal, _series.unit))
                self._series = {row.id: row for row in rows}
            found = [_sampled(each, self._series[each.series]) for each in page.samples]
            return Samples(found, page.upto, page.head)

        return await self._reader.run(work)


def _sampled(sample: Numbered, series: Any) -> Sampled:
    return Sampled(
        n=sample.n,
        station=series.station,
        signal=series.signal,
        unit=series.unit,
        time=sample.time,
        received=sample.received,
        value=sample.value,
        quality=quality(sample.quality),
    )


def _add_units(connection: Connection, events: Sequence[Placed]) -> None:
    """What a search by unit finds them by beside what is in their bodies: the units of their transactions."""
    first, last = events[0].event.seq, events[-1].event.seq
    query = (
        select(_link.seq, _unit.name)
        .join(schema.unit, _unit.id == _link.unit)
        .where(_link.seq >= first, _link.seq <= last)
        .order_by(_link.seq, _link.unit)
    )
    found: dict[int, list[str]] = {}
    for seq, name in connection.execute(query):
        found.setdefault(seq, []).append(name)
    for placed in events:
        placed.event.also_units = tuple(found.get(placed.event.seq, ()))
