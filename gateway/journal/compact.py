"""What compaction turns into what: hot samples into chunks, small chunks into larger ones. It writes nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from sqlalchemy import Connection

from gateway.core.times import Micros
from gateway.journal import chunk_clock
from gateway.journal.chunk import Part, Times, join, values_of
from gateway.journal.chunk_store import DAY, ChunkRow, ChunkSource, ClockRow, chunk_row, chunks_on
from gateway.journal.columns import Whole
from gateway.journal.samples import BLOCK, restored

LARGEST = 32_768
"""Most samples of one chunk that is merged of others. What reads a few of them unpacks it whole."""
_TEXT = 1 << 20
"""Most characters of texts in one chunk."""
_FEW = 8
"""So many small chunks of a series and day are merged at once."""


class Stretch(msgspec.Struct, frozen=True):
    """Samples behind number `after` and up to `upto`, as chunks."""

    after: int
    upto: int
    chunks: Sequence[ChunkRow]
    clocks: Sequence[ClockRow]


class Merge(msgspec.Struct, frozen=True):
    """Chunks that take the place of others."""

    old: Sequence[int]
    new: Sequence[ChunkRow]


class Window:
    """Hot samples, read a block at a time: no read transaction lasts, and nobody waits long for the interpreter."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.upto = after
        self._series: list[Whole] = []
        self._blocks: list[Part] = []
        self._characters = 0

    @property
    def first(self) -> int | None:
        """The number of its first sample."""
        return int(self._blocks[0].n[0]) if self._blocks else None

    @property
    def full(self) -> bool:
        """With texts so long that more of them would be too much to hold and to write at once."""
        return self._characters > 8 * _TEXT

    def read(self, connection: Connection, last: int) -> None:
        """The next block of samples, which ends with this number."""
        rows = connection.exec_driver_sql(
            "SELECT n, series, time, received, value, quality FROM sample WHERE n > ? AND n <= ? ORDER BY n",
            (self.upto, last),
        ).all()
        if rows:
            n, series, time, received, stored, quality = zip(*rows, strict=True)
            values = np.empty(len(rows), object)
            values[:] = stored
            self._series.append(np.array(series, np.int64))
            numbers, at, came, codes = (np.array(column, np.int64) for column in (n, time, received, quality))
            self._blocks.append(Part(numbers, at, came, values, codes))
            self._characters += sum(len(value) for value in stored if isinstance(value, str))
        self.upto = last

    def compacted(self, station_of: Callable[[int], str]) -> Stretch:
        """All of it as chunks: by series, and by day of the machine's time, so that late samples are with their day."""
        series, whole = np.concatenate(self._series), join(self._blocks)
        clocks, times = _clocks(whole, series, station_of)
        order = np.argsort(series, kind="stable")
        chunks: list[ChunkRow] = []
        for places in np.split(order, np.flatnonzero(np.diff(series[order])) + 1):
            if len(places):
                number = int(series[places[0]])
                part = _typed(whole.take(places))
                chunks += _rows(number, part, times[number])
        return Stretch(self.after, self.upto, chunks, clocks)


def _clocks(whole: Part, series: Whole, station_of: Callable[[int], str]) -> tuple[list[ClockRow], dict[int, Times]]:
    """A clock for each station that is worth one, and what the chunks of each series have of their times themselves."""
    members: dict[str, list[int]] = {}
    for number in np.unique(series).tolist():
        members.setdefault(station_of(number), []).append(number)
    clocks: list[ClockRow] = []
    times: dict[int, Times] = {}
    for station, numbers in members.items():
        chosen = np.isin(series, numbers) if len(members) > 1 else slice(None)
        n, received = whole.n[chosen], whole.received[chosen]
        clock, own = chunk_clock.clock_of(n, whole.time[chosen], received), Times.NONE
        if len(n) < chunk_clock.WORTH * len(clock.first):  # values with times of their own, which came together
            clock, own = chunk_clock.clock_of(n, received, received), Times.MACHINE
        if len(n) < chunk_clock.WORTH * len(clock.first):
            own = Times.BOTH
        else:
            data = chunk_clock.encode(clock)
            clocks.append(ClockRow(station, int(n[0]), int(n[-1]), chunk_clock.CODEC, data))
        times.update(dict.fromkeys(numbers, own))
    return clocks, times


def _typed(part: Part) -> Part:
    """With values as they were before the hot table took them, in an array of their type."""
    values = values_of([restored(value) for value in part.values.tolist()])
    return Part(part.n, part.time, part.received, values, part.quality)


def _rows(series: int, part: Part, times: Times) -> Iterator[ChunkRow]:
    days = part.time // DAY
    for day in np.unique(days):
        for piece in _pieces(part.take(days == day)):
            yield chunk_row(series, piece, times)


def _pieces(part: Part) -> Iterator[Part]:
    """Halved until each is small enough: of samples, and of texts."""
    characters = sum(len(value) for value in part.values.tolist() if isinstance(value, str)) if _texts(part) else 0
    if len(part) <= LARGEST and (characters <= _TEXT or len(part) == 1):
        yield part
        return
    middle = len(part) // 2
    yield from _pieces(part.take(slice(None, middle)))
    yield from _pieces(part.take(slice(middle, None)))


def _texts(part: Part) -> bool:
    return part.values.dtype == object


def due_merges(connection: Connection, settled: Micros) -> list[tuple[int, int, int]]:
    """Of which (series, day) how many chunks are to become one: with many small ones, or with any of a day that has settled, for
    which nothing came in since `settled`."""
    rows = connection.exec_driver_sql(
        "SELECT series, day, count(*) FROM sample_chunk WHERE count < ? GROUP BY series, day "
        "HAVING count(*) >= ? OR (count(*) > 1 AND max(received) < ?)",
        (LARGEST // 2, _FEW, settled),
    )
    return [(series, day, count) for series, day, count in rows]


def merged(connection: Connection, series: int, day: int) -> Merge:
    """The small chunks of one series and day as few."""
    marks = [mark for mark in chunks_on(connection, series, day) if mark.count < LARGEST // 2]
    source = ChunkSource(connection)
    parts = [part for mark in marks if (part := source.part(mark)) is not None]
    rows = [chunk_row(series, piece, source.times) for piece in _pieces(join(parts))] if parts else []
    return Merge([mark.id for mark in marks], rows)


def blocks(connection: Connection, after: int, *, before: Micros, sure: int, most: int) -> list[int]:
    """Last numbers of the hot blocks behind `after`, of at most so many samples: as long as what is in them came in before
    this time, or its number is not above `sure`. A clock that was wrong for a while must not stop everything behind it."""
    rows = connection.exec_driver_sql(
        "SELECT b.last, (SELECT received FROM sample WHERE n = b.last) FROM sample_block b WHERE b.last > ? "
        "ORDER BY b.last LIMIT ?",
        (after, max(most // BLOCK, 1)),
    ).all()
    found: list[int] = []
    for last, received in rows:
        if received is None or (received >= before and last > sure):
            break
        found.append(last)
    return found
