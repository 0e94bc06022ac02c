"""Chunks as rows: which ones a query needs, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from gateway.core.times import Micros
from gateway.journal import chunk, chunk_clock, rollup
from gateway.journal.chunk import Part, Times
from gateway.journal.chunk_clock import Clock
from gateway.journal.columns import Whole
from gateway.journal.rollup import HOUR, MINUTE, Rollup

DAY: Micros = 24 * HOUR
_KEPT = 64
"""Stretches of clocks that are kept in memory while chunks are read."""
SUMMED = 8
"""Samples that a stretch must have on average before a rollup of it is worth storing."""


class ChunkMark(msgspec.Struct, frozen=True, gc=False):
    """What is known of a chunk without reading it. Its columns in this order are in an index."""

    id: int
    series: int
    day: int
    first: int
    last: int
    earliest: Micros
    latest: Micros
    received: Micros
    count: int


_MARK = ", ".join(ChunkMark.__struct_fields__)


class ChunkRow(msgspec.Struct, frozen=True, gc=False):
    """A chunk that is to be stored."""

    series: int
    day: int
    first: int
    last: int
    earliest: Micros
    latest: Micros
    received: Micros
    count: int
    codec: int
    hours: bytes | None
    minutes: bytes | None
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data) + len(self.hours or b"") + len(self.minutes or b"")


class ClockRow(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a station's clock that is to be stored."""

    station: str
    first: int
    last: int
    codec: int
    data: bytes


def chunk_row(series: int, part: Part, times: Times) -> ChunkRow:
    """Of samples of one day. times: what the chunk has itself; the station's clock has the rest."""
    return ChunkRow(
        series=series,
        day=int(part.time[0] // DAY),
        first=int(part.n[0]),
        last=int(part.n[-1]),
        earliest=int(part.time.min()),
        latest=int(part.time.max()),
        received=int(part.received.max()),
        count=len(part),
        codec=chunk.CODEC,
        hours=_summed(part, HOUR),
        minutes=_summed(part, MINUTE),
        data=chunk.encode(part, times),
    )


def _summed(part: Part, step: Micros) -> bytes | None:
    found = rollup.rolled_up(part, step)
    return rollup.encode(found, step) if len(part) >= SUMMED * len(found) else None


def insert_chunks(connection: Connection, rows: Sequence[ChunkRow]) -> None:
    if rows:
        names = ", ".join(ChunkRow.__struct_fields__)
        marks = ", ".join("?" * len(ChunkRow.__struct_fields__))
        connection.exec_driver_sql(
            f"INSERT INTO sample_chunk ({names}) VALUES ({marks})", [msgspec.structs.astuple(row) for row in rows]
        )


def insert_clocks(connection: Connection, rows: Sequence[ClockRow]) -> None:
    if rows:
        connection.exec_driver_sql(
            "INSERT INTO sample_clock (station, first, last, codec, data) VALUES (?, ?, ?, ?, ?)",
            [msgspec.structs.astuple(row) for row in rows],
        )


def chunks_of(
    connection: Connection, series: Sequence[int], *, start: Micros, end: Micros, after: int = 0
) -> list[ChunkMark]:
    """Those that may have samples of these series from `start` on and before `end`, with numbers behind `after`; in the
    order of their first numbers."""
    found: list[ChunkMark] = []
    for number in series:
        rows = connection.exec_driver_sql(
            f"SELECT {_MARK} FROM sample_chunk WHERE series = ? AND day BETWEEN ? AND ? AND latest >= ? AND earliest < ? "
            "AND last > ?",
            (number, start // DAY, end // DAY, start, end, after),
        )
        found += [ChunkMark(*row) for row in rows]
    return sorted(found, key=lambda mark: (mark.first, mark.series))


def chunks_between(connection: Connection, after: int, upto: int) -> list[ChunkMark]:
    """Those that may have samples, of whatever series, with numbers behind `after` and up to `upto`."""
    rows = connection.exec_driver_sql(
        f"SELECT {_MARK} FROM sample_chunk WHERE last > ? AND first <= ? ORDER BY first, series", (after, upto)
    )
    return [ChunkMark(*row) for row in rows]


def chunks_on(connection: Connection, series: int, day: int) -> list[ChunkMark]:
    """Those of a series and day."""
    rows = connection.exec_driver_sql(
        f"SELECT {_MARK} FROM sample_chunk WHERE series = ? AND day = ? ORDER BY first", (series, day)
    )
    return [ChunkMark(*row) for row in rows]


def delete_chunks(connection: Connection, ids: Sequence[int]) -> int:
    """How many of them there were."""
    return sum(connection.exec_driver_sql("DELETE FROM sample_chunk WHERE id = ?", (id_,)).rowcount for id_ in ids)


def sums(connection: Connection, mark: ChunkMark, step: Micros) -> Rollup | None:
    """The stored rollup of a chunk, in hours or minutes; None where it has none."""
    column = {HOUR: "hours", MINUTE: "minutes"}[step]
    data = connection.exec_driver_sql(f"SELECT {column} FROM sample_chunk WHERE id = ?", (mark.id,)).scalar()
    return None if data is None else rollup.decode(data, step)


class ChunkSource:
    """Reads chunks within one snapshot; a station's clock is read once for all that need the same stretch of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stations: dict[int, str] = {}
        self._clocks: dict[int, Clock] = {}
        self.times = Times.NONE
        """The most that a chunk that was read had of its times."""

    def part(self, mark: ChunkMark, *, after: int = 0, upto: int | None = None) -> Part | None:
        """Its samples with numbers behind `after` and up to `upto`; None when there is none."""
        row = self._connection.exec_driver_sql("SELECT codec, data FROM sample_chunk WHERE id = ?", (mark.id,)).one()
        encoded = chunk.decode(row[1], row[0])
        n = encoded.n
        first, last = n.searchsorted(after, "right"), len(n) if upto is None else n.searchsorted(upto, "right")
        if first >= last:
            return None
        self.times = max(self.times, encoded.times)
        clock = None if encoded.times is Times.BOTH else self._times(self._station(mark.series), n)
        part = encoded.part(n, clock)
        return part if last - first == len(n) else part.take(slice(first, last))

    def _station(self, series: int) -> str:
        found = self._stations.get(series)
        if found is None:
            found = self._stations[series] = self._connection.exec_driver_sql(
                "SELECT station FROM series WHERE id = ?", (series,)
            ).scalar_one()
        return found

    def _times(self, station: str, n: Whole) -> tuple[Whole, Whole]:
        rows = self._connection.exec_driver_sql(
            "SELECT id FROM sample_clock WHERE station = ? AND last >= ? AND first <= ? ORDER BY first",
            (station, int(n[0]), int(n[-1])),
        )
        clocks = [self._clock(number) for number in rows.scalars().all()]
        return (clocks[0] if len(clocks) == 1 else chunk_clock.joined(clocks)).at(n)

    def _clock(self, number: int) -> Clock:
        known = self._clocks.get(number)
        if known is None:
            codec, data = self._connection.exec_driver_sql(
                "SELECT codec, data FROM sample_clock WHERE id = ?", (number,)
            ).one()
            if len(self._clocks) >= _KEPT:
                self._clocks.pop(next(iter(self._clocks)))
            known = self._clocks[number] = chunk_clock.decode(data, codec)
        return known
