"""Samples of the plant's history: the signals of a station, pages of one signal as they arrived, and the newest of each.

The numbers of a gateway's samples go on over all of its journals (`lineside.take_samples`), and are committed in their
order: who reads a signal by them misses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import msgspec

from gateway.core.sample import Quality, Value
from gateway.core.times import FIRST, LAST, Micros
from gateway.journal.filter import Choice
from gateway.journal.reader import check_position
from gateway.journal.sample_reader import SamplePage
from gateway.sinks.postgres.reader import HistoryReader
from gateway.sinks.postgres.rows import sample_quality, sample_value
from gateway.sinks.postgres.text import key, restored
from gateway.sinks.postgres.where import Where

_WALK = 5_000
"""Samples of a signal that are looked at, by number, for those within a range; if there is none, the next is looked up."""

_SERIES = "SELECT number, site, gateway, station, signal, unit FROM lineside.series WHERE {} ORDER BY number"
_HEAD = """
SELECT coalesce(max(coalesce(sample_base, 0) + sample), 0) FROM lineside.journal WHERE site = $1 AND gateway = $2
"""
_OLDEST = """
SELECT min(v.n) FROM unnest($1::integer[]) AS s(number)
CROSS JOIN LATERAL (SELECT n FROM lineside.sample WHERE series = s.number ORDER BY n LIMIT 1) v
"""
_OLDEST_OF_ALL = """
SELECT min(v.n) FROM lineside.series s
CROSS JOIN LATERAL (SELECT n FROM lineside.sample WHERE series = s.number ORDER BY n LIMIT 1) v
WHERE s.site = $1 AND s.gateway = $2
"""
# Of a sum, so that the range is looked through and not all numbers before it, which is what the server does for a minimum.
_NEXT = """
SELECT min(v.n) FROM unnest($1::integer[]) AS s(number) CROSS JOIN LATERAL (
  SELECT min(n + 0) AS n FROM lineside.sample
  WHERE series = s.number AND time >= $2 AND time < $3 AND n > $4) v
"""
_PAGE = """
SELECT v.* FROM unnest($1::integer[]) AS s(number) CROSS JOIN LATERAL (
  SELECT n, series, time, kind, quality, value, text FROM lineside.sample
  WHERE series = s.number AND n > $2 ORDER BY n LIMIT $3) v
ORDER BY v.n LIMIT $3
"""
_NEWEST = """
SELECT s.number, v.* FROM unnest($1::integer[]) AS s(number) LEFT JOIN LATERAL (
  SELECT time, received, kind, quality, value, text FROM lineside.sample
  WHERE series = s.number ORDER BY n DESC LIMIT 1) v ON true
"""


class HistorySeries(msgspec.Struct, frozen=True):
    """The values of one signal of one gateway in one unit; numbers grow in the order in which series were first seen."""

    number: int
    site: str
    gateway: str
    station: str
    signal: str
    unit: str | None


class Newest(msgspec.Struct, frozen=True):
    value: Value
    quality: Quality
    time: Micros
    received: Micros


class HistorySamples:
    """Works on the connections of the history's reader. Everything raises JournalError."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader

    async def series(
        self, station: str, signal: str | None = None, *, site: Choice, gateway: Choice
    ) -> list[HistorySeries]:
        """Of all gateways that fit, in the order in which they were first seen."""
        where = Where()
        where.add(f"station = {where.bind(key(station))}")
        if signal is not None:
            where.add(f"signal = {where.bind(key(signal))}")
        where.places(site, gateway)
        async with self._reader.snapshot() as connection:
            rows = await connection.fetch(_SERIES.format(where), *where.values)
        return [
            HistorySeries(
                row["number"],
                restored(row["site"]),
                restored(row["gateway"]),
                station,
                signal if signal is not None else restored(row["signal"]),
                None if row["unit"] is None else restored(row["unit"]),
            )
            for row in rows
        ]

    async def newest(self, series: Sequence[HistorySeries]) -> dict[int, Newest]:
        """By the number of the series; one without samples is not there."""
        async with self._reader.snapshot() as connection:
            rows = await connection.fetch(_NEWEST, [each.number for each in series])
        return {
            row["number"]: Newest(
                sample_value(row["kind"], row["value"], row["text"]),
                sample_quality(row["quality"]),
                row["time"],
                row["received"],
            )
            for row in rows
            if row["kind"] is not None
        }

    async def bounds(self, series: Sequence[HistorySeries]) -> tuple[int, int]:
        """Of series of one gateway: (oldest number of any of its samples that is still there, newest)."""
        async with self._reader.snapshot() as connection:
            head = await _head(connection, series[0])
            return await _oldest_of_all(connection, series[0], head), head

    async def page(
        self,
        series: Sequence[HistorySeries],
        *,
        start: Micros | None,
        end: Micros | None,
        after: int,
        limit: int,
        exact: bool,
    ) -> SamplePage:
        """What follows number `after` of the series of one signal of one gateway. Raises CursorGone: `expired` when any
        of that gateway's samples behind `after` is gone, for nobody can say whose they were."""
        ranged = start is not None or end is not None
        within = (FIRST if start is None else start, LAST if end is None else end)
        numbers = [each.number for each in series]
        async with self._reader.snapshot() as connection:
            head = await _head(connection, series[0])
            await _check(connection, series, after, head, exact=exact)
            rows: list[Any] = []
            position = after
            if not ranged or after > 0:
                rows, position = await _walk(connection, numbers, within, after, limit, head)
            if not rows and position < head:
                found = await connection.fetchval(_NEXT, numbers, *within, position) if ranged else None
                rows, position = (
                    ([], head) if found is None else await _walk(connection, numbers, within, found - 1, limit, head)
                )
        return _page(series, rows, position, head)


async def _head(connection: Any, of: HistorySeries) -> int:
    found: int = await connection.fetchval(_HEAD, of.site, of.gateway)
    return found


async def _check(connection: Any, series: Sequence[HistorySeries], after: int, head: int, *, exact: bool) -> None:
    oldest = await connection.fetchval(_OLDEST, [each.number for each in series])
    if oldest is None or after < oldest - 1:  # its own are gone, or they began later: the gateway's others tell
        oldest = await _oldest_of_all(connection, series[0], head) if exact or after > 0 else after + 1
    check_position(after, min(oldest, head + 1), head, exact=exact)


async def _oldest_of_all(connection: Any, of: HistorySeries, head: int) -> int:
    found = await connection.fetchval(_OLDEST_OF_ALL, of.site, of.gateway)
    return head + 1 if found is None else int(found)


async def _walk(
    connection: Any, numbers: Sequence[int], within: tuple[Micros, Micros], after: int, limit: int, head: int
) -> tuple[list[Any], int]:
    """The next ones that are within the range; and how far that gets."""
    most = max(limit, _WALK) if within != (FIRST, LAST) else limit
    looked = await connection.fetch(_PAGE, numbers, after, most)
    rows = [row for row in looked if within[0] <= row["time"] < within[1]] if within != (FIRST, LAST) else looked
    if len(rows) > limit:
        return rows[:limit], rows[limit - 1]["n"]
    return rows, looked[-1]["n"] if len(looked) == most else head


def _page(series: Sequence[HistorySeries], rows: Sequence[Any], position: int, head: int) -> SamplePage:
    """As far as the unit stays the same."""
    units = {each.number: each.unit for each in series}
    number = rows[0]["series"] if rows else series[-1].number
    page = list(takewhile(lambda row: row["series"] == number, rows))
    if len(page) < len(rows):
        position = page[-1]["n"]
    return SamplePage(
        unit=units[number],
        times=[row["time"] for row in page],
        values=[sample_value(row["kind"], row["value"], row["text"]) for row in page],
        qualities=[sample_quality(row["quality"]) for row in page],
        next=position,
        more=position < head,
    )
