"""Reading raw samples: the series of a station, and pages of one signal in arrival order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from gateway.core.sample import Quality, Value
from gateway.core.times import Micros
from gateway.journal import schema
from gateway.journal.chunk_store import ChunkMark, ChunkSource, chunks_of
from gateway.journal.reader import Reader, check_position
from gateway.journal.sample_state import COMPACTED, GONE, newest, state
from gateway.journal.samples import BLOCK, quality, restored

_series, _sample, _block = schema.series.c, schema.sample.c, schema.sample_block.c
EARLIEST, LATEST = -(2**63), 2**63 - 1


class Series(msgspec.Struct, frozen=True, gc=False):
    """The values of one signal in one unit; `number` grows in the order in which series were first seen. removed: up to
    which number retention has removed samples of it."""

    number: int
    signal: str
    unit: str | None
    removed: int


class SamplePage(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one unit, column by column, in the order in which they arrived.

    `next` is the last position scanned, `more` whether there is more behind it. A page ends where the unit changes.
    """

    unit: str | None
    times: list[Micros]
    values: list[Value]
    qualities: list[Quality]
    next: int
    more: bool


class _Row(NamedTuple):
    n: int
    series: int
    time: Micros
    value: Value
    quality: int


Within = tuple[Micros, Micros]
"""From, inclusive, and to, exclusive."""


class SampleReader:
    """Works on the threads and connections of the journal's reader.

    scan: how many samples, of whatever series, one page may look at, in whole blocks and chunks. One that finds nothing
    in them is empty with a moved `next`, so that no read transaction lasts long.
    """

    def __init__(self, reader: Reader, *, scan: int = 500_000) -> None:
        self._reader = reader
        self._scan = scan

    async def series(self, station: str) -> list[Series]:
        """Every series that the station ever had, in the order in which they were first seen."""
        return await self._reader.run(lambda connection: series_of(connection, station))

    async def bounds(self, station: str, signal: str) -> tuple[int, int]:
        """(oldest position of the signal from which nothing was removed, newest of all samples)."""
        return await self._reader.run(
            lambda connection: (
                _gone(connection, series_of(connection, station, signal)) + 1,
                newest(connection),
            )
        )

    async def page(
        self,
        station: str,
        signal: str,
        *,
        unit: str | None = None,
        start: Micros | None = None,
        end: Micros | None = None,
        after: int = 0,
        limit: int = 1000,
        exact: bool = False,
    ) -> SamplePage | None:
        """The next samples of a signal behind position `after`, of those with a time from `start` on and before `end`.

        None when the station never had this signal in this unit ("" for none; None: in any). exact: position 0 is a position like any other. Raises CursorGone
        `expired` when samples behind `after` were removed already, `future` beyond the newest.
        """

        def work(connection: Connection) -> SamplePage | None:
            return self.read(
                connection, station, signal, unit=unit, start=start, end=end, after=after, limit=limit, exact=exact
            )

        return await self._reader.run(work)

    def read(
        self,
        connection: Connection,
        station: str,
        signal: str,
        *,
        unit: str | None = None,
        start: Micros | None = None,
        end: Micros | None = None,
        after: int = 0,
        limit: int = 1000,
        exact: bool = False,
    ) -> SamplePage | None:
        """The same within a caller's connection."""
        within = (EARLIEST if start is None else start, LATEST if end is None else end)
        found = [one for one in series_of(connection, station, signal) if unit is None or (one.unit or "") == unit]
        if not found:
            return None
        units = {series.number: series.unit for series in found}
        gone, last = _gone(connection, found), newest(connection)
        check_position(after, gone + 1, last, exact=exact)
        return self._page(connection, units, within, max(after, gone), last, limit)

    def _page(
        self,
        connection: Connection,
        units: dict[int, str | None],
        within: Within,
        after: int,
        last: int,
        limit: int,
    ) -> SamplePage:
        compacted = state(connection, COMPACTED)
        rows, position = self._cold(connection, list(units), within, after, compacted, limit)
        if len(rows) < limit and position == max(after, compacted):
            found, position = self._hot(connection, list(units), within, position, last, limit - len(rows))
            rows += found
        number = rows[0].series if rows else max(units)
        page = list(takewhile(lambda row: row.series == number, rows))
        if len(page) < len(rows):
            position = page[-1].n
        return SamplePage(
            unit=units[number],
            times=[row.time for row in page],
            values=[row.value for row in page],
            qualities=[quality(row.quality) for row in page],
            next=position,
            more=position < last,
        )

    def _cold(
        self, connection: Connection, series: Sequence[int], within: Within, after: int, compacted: int, limit: int
    ) -> tuple[list[_Row], int]:
        """Of chunks; and how far that gets."""
        if after >= compacted:
            return [], after
        marks = chunks_of(connection, series, start=within[0], end=within[1], after=after)
        source = ChunkSource(connection)
        rows: list[_Row] = []
        scanned = 0
        position = compacted
        for mark in marks:
            # What is in this chunk and the ones behind it comes after all that was found up to here.
            ahead = mark.first - 1
            if ahead > after and (scanned >= self._scan or sum(row.n <= ahead for row in rows) >= limit):
                position = ahead
                break
            rows += _rows_of(source, mark, within, after, limit)
            scanned += mark.count
        rows = sorted(row for row in rows if row.n <= position)
        if len(rows) >= limit:
            return rows[:limit], rows[limit - 1].n
        return rows, position

    def _hot(
        self, connection: Connection, series: Sequence[int], within: Within, after: int, last: int, limit: int
    ) -> tuple[list[_Row], int]:
        """Of the table in which they arrive; and how far that gets."""
        stretches, position = stretches_of(connection, within, after, last, most=max(self._scan // BLOCK, 1))
        rows: list[_Row] = []
        for first, upto in stretches:
            query = select(_sample.n, _sample.series, _sample.time, _sample.value, _sample.quality).where(
                _sample.n > first,
                _sample.n <= upto,
                _sample.series.in_(series),
                _sample.time >= within[0],
                _sample.time < within[1],
            )
            found = connection.execute(query.order_by(_sample.n).limit(limit - len(rows)))
            rows += [_Row(n, number, time, restored(value), code) for n, number, time, value, code in found]
            if len(rows) == limit:
                return rows, rows[-1].n
        return rows, position


def _rows_of(source: ChunkSource, mark: ChunkMark, within: Within, after: int, limit: int) -> list[_Row]:
    """The first of a chunk: what is behind so many of them comes later than all that a page can have."""
    part = source.part(mark, after=after)
    if part is None:
        return []
    if mark.earliest < within[0] or mark.latest >= within[1]:
        part = part.take((part.time >= within[0]) & (part.time < within[1]))
    part = part.take(slice(limit))
    columns = (part.n.tolist(), part.time.tolist(), part.values.tolist(), part.quality.tolist())
    return [_Row(n, mark.series, time, value, code) for n, time, value, code in zip(*columns, strict=True)]


def stretches_of(
    connection: Connection, within: Within, after: int, last: int, *, most: int
) -> tuple[list[tuple[int, int]], int]:
    """Where to look in the hot table, in at most so many blocks: numbers behind the first and up to the second of each
    pair; and how far that gets."""
    query = select(_block.first, _block.last).where(
        _block.last > after, _block.latest >= within[0], _block.earliest < within[1]
    )
    blocks = connection.execute(query.order_by(_block.last).limit(most + 1)).all()
    stretches: list[tuple[int, int]] = []
    for first, upto in blocks[:most]:
        if stretches and stretches[-1][1] == first - 1:
            stretches[-1] = (stretches[-1][0], upto)
        else:
            stretches.append((max(first - 1, after), upto))
    if len(blocks) > most:
        return stretches, blocks[most].first - 1
    blocked = connection.exec_driver_sql("SELECT coalesce(max(last), 0) FROM sample_block").scalar_one()
    return [*stretches, (max(blocked, after), last)], last


def series_of(connection: Connection, station: str, signal: str | None = None) -> list[Series]:
    """All of a station, or those of one signal; in the order in which they were first seen."""
    query = select(_series.id, _series.signal, _series.unit, _series.removed).where(_series.station == station)
    if signal is not None:
        query = query.where(_series.signal == signal)
    return [Series(*row) for row in connection.execute(query.order_by(_series.id))]


def _gone(connection: Connection, series: Sequence[Series]) -> int:
    """Up to which number samples of these series were removed."""
    return max([state(connection, GONE), *(each.removed for each in series)])
