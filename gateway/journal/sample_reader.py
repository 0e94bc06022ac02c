"""Reading raw samples: the series of a station, and pages of one signal in arrival order."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gateway.core.sample import Quality, Value
from gateway.core.times import Micros
from gateway.journal import schema
from gateway.journal.reader import Reader, check_position
from gateway.journal.samples import BLOCK, quality, restored

_series, _sample, _block = schema.series.c, schema.sample.c, schema.sample_block.c
_EARLIEST, _LATEST = -(2**63), 2**63 - 1


class Series(msgspec.Struct, frozen=True, gc=False):
    """The values of one signal in one unit; `number` grows in the order in which series were first seen."""

    number: int
    signal: str
    unit: str | None


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


class SampleReader:
    """Works on the threads and connections of the journal's reader.

    scan: how many samples, of whatever series, one page may look at, in whole blocks. One that finds nothing in them is
    empty with a moved `next`, so that no read transaction lasts long.
    """

    def __init__(self, reader: Reader, *, scan: int = 500_000) -> None:
        self._reader = reader
        self._blocks = max(scan // BLOCK, 1)

    async def series(self, station: str) -> list[Series]:
        """Every series that the station ever had, in the order in which they were first seen."""
        return await self._reader.run(lambda connection: _of(connection, station))

    async def bounds(self) -> tuple[int, int]:
        """(oldest position still there, newest one); oldest is newest + 1 when there is none."""
        return await self._reader.run(_bounds)

    async def page(
        self,
        station: str,
        signal: str,
        *,
        start: Micros | None = None,
        end: Micros | None = None,
        after: int = 0,
        limit: int = 1000,
        exact: bool = False,
    ) -> SamplePage | None:
        """The next samples of a signal behind position `after`, of those with a time from `start` on and before `end`.

        None when the station never had this signal. exact: position 0 is a position like any other. Raises CursorGone
        `expired` when samples behind `after` were removed already, `future` beyond the newest.
        """
        within = (_EARLIEST if start is None else start, _LATEST if end is None else end)

        def work(connection: Connection) -> SamplePage | None:
            units = {series.number: series.unit for series in _of(connection, station) if series.signal == signal}
            if not units:
                return None
            oldest, newest = _bounds(connection)
            check_position(after, oldest, newest, exact=exact)
            return self._page(connection, units, within, max(after, oldest - 1), newest, limit)

        return await self._reader.run(work)

    def _page(
        self,
        connection: Connection,
        units: dict[int, str | None],
        within: tuple[Micros, Micros],
        after: int,
        newest: int,
        limit: int,
    ) -> SamplePage:
        stretches, position = self._stretches(connection, within, after, newest)
        rows: list[Any] = []
        for first, last in stretches:
            query = select(_sample.n, _sample.series, _sample.time, _sample.value, _sample.quality).where(
                _sample.n > first,
                _sample.n <= last,
                _sample.series.in_(units),
                _sample.time >= within[0],
                _sample.time < within[1],
            )
            rows += connection.execute(query.order_by(_sample.n).limit(limit - len(rows))).all()
            if len(rows) == limit:
                position = rows[-1].n
                break
        number = rows[0].series if rows else max(units)
        page = list(takewhile(lambda row: row.series == number, rows))
        if len(page) < len(rows):
            position = page[-1].n
        return SamplePage(
            unit=units[number],
            times=[row.time for row in page],
            values=[restored(row.value) for row in page],
            qualities=[quality(row.quality) for row in page],
            next=position,
            more=position < newest,
        )

    def _stretches(
        self, connection: Connection, within: tuple[Micros, Micros], after: int, newest: int
    ) -> tuple[list[tuple[int, int]], int]:
        """Where to look: numbers behind the first and up to the second of each pair; and how far that gets."""
        query = select(_block.first, _block.last).where(
            _block.last > after, _block.latest >= within[0], _block.earliest < within[1]
        )
        blocks = connection.execute(query.order_by(_block.last).limit(self._blocks + 1)).all()
        stretches: list[tuple[int, int]] = []
        for first, last in blocks[: self._blocks]:
            if stretches and stretches[-1][1] == first - 1:
                stretches[-1] = (stretches[-1][0], last)
            else:
                stretches.append((max(first - 1, after), last))
        if len(blocks) > self._blocks:
            return stretches, blocks[self._blocks].first - 1
        blocked = connection.exec_driver_sql("SELECT coalesce(max(last), 0) FROM sample_block").scalar_one()
        return [*stretches, (max(blocked, after), newest)], newest


def _of(connection: Connection, station: str) -> list[Series]:
    query = select(_series.id, _series.signal, _series.unit).where(_series.station == station).order_by(_series.id)
    return [Series(*row) for row in connection.execute(query)]


def _bounds(connection: Connection) -> tuple[int, int]:
    newest = connection.exec_driver_sql(
        "SELECT max(coalesce((SELECT max(n) FROM sample), 0), coalesce((SELECT max(last) FROM sample_block), 0))"
    ).scalar_one()
    oldest = connection.exec_driver_sql("SELECT min(n) FROM sample").scalar()
    return (newest + 1 if oldest is None else oldest), newest
